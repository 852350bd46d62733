"""Property tests of derivatives: sample cases, numerical derivatives, and the laws they obey."""
