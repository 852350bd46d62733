"""Numerical derivatives with error bounds, and comparisons with them."""
