"""NumPy's functions, differentiable: one file a chapter. Importing this package fills the registry."""

from tensorgrad.ops import (
    contraction as contraction,
    creation as creation,
    dispatch as dispatch,
    elementwise as elementwise,
    indexing as indexing,
    methods as methods,
    reductions as reductions,
    shape as shape,
)
