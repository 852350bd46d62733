"""The recorded graph and the walks over it; it knows no operation."""
