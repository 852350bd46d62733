"""NumPy's functions, differentiable: one file a chapter. Importing this fills the registry."""

from tensorgrad.ops import (
    contraction as contraction,
)
from tensorgrad.ops import (
    creation as creation,
)
from tensorgrad.ops import (
    dispatch as dispatch,
)
from tensorgrad.ops import (
    elementwise as elementwise,
)
from tensorgrad.ops import (
    indexing as indexing,
)
from tensorgrad.ops import (
    methods as methods,
)
from tensorgrad.ops import (
    reductions as reductions,
)
from tensorgrad.ops import (
    shape as shape,
)
