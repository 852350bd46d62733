"""Linear algebra: one file for each of equations, decompositions, and norms."""

from tensorgrad.ops.linalg import (
    decompositions as decompositions,
    norms as norms,
    solving as solving,
)
