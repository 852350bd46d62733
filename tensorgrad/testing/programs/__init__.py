"""Random differentiable programs of any operations."""
