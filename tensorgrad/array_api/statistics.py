"""From many entries to few, and running sums."""

import numpy as np

from tensorgrad.array_api.creation import lifted
from tensorgrad.engine.tensor import Tensor
from tensorgrad.typing import ArrayLike, Axis, DTypeLike

__all__ = [
    "all",
    "any",
    "cumulative_prod",
    "cumulative_sum",
    "diff",
    "max",
    "mean",
    "min",
    "prod",
    "std",
    "sum",
    "var",
]


def all(x: ArrayLike, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return whether every entry is not zero; see `numpy.all`."""
    return np.all(lifted(x), axis, keepdims=keepdims)


def any(x: ArrayLike, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Return whether an entry is not zero; see `numpy.any`."""
    return np.any(lifted(x), axis, keepdims=keepdims)


def cumulative_prod(
    x: ArrayLike,
    /,
    *,
    axis: int | None = None,
    dtype: DTypeLike = None,
    include_initial: bool = False,
) -> Tensor:
    """Multiply up along an axis; see `numpy.cumulative_prod`."""
    return np.cumulative_prod(lifted(x), axis=axis, dtype=dtype, include_initial=include_initial)


def cumulative_sum(
    x: ArrayLike,
    /,
    *,
    axis: int | None = None,
    dtype: DTypeLike = None,
    include_initial: bool = False,
) -> Tensor:
    """Add up along an axis; see `numpy.cumulative_sum`."""
    return np.cumulative_sum(lifted(x), axis=axis, dtype=dtype, include_initial=include_initial)


def diff(
    x: ArrayLike,
    /,
    *,
    axis: int = -1,
    n: int = 1,
    prepend: ArrayLike = None,
    append: ArrayLike = None,
) -> Tensor:
    """Return the differences of neighbours along an axis; see `numpy.diff`."""
    ends = {"prepend": prepend, "append": append}
    given = {name: lifted(end) for name, end in ends.items() if end is not None}
    return np.diff(lifted(x), n, axis, **given)


def max(x: ArrayLike, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Take the greatest entry over axes; see `numpy.max`."""
    return np.max(lifted(x), axis, keepdims=keepdims)


def mean(x: ArrayLike, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Average over axes; see `numpy.mean`."""
    return np.mean(lifted(x), axis, keepdims=keepdims)


def min(x: ArrayLike, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Take the least entry over axes; see `numpy.min`."""
    return np.min(lifted(x), axis, keepdims=keepdims)


def prod(
    x: ArrayLike, /, *, axis: Axis = None, dtype: DTypeLike = None, keepdims: bool = False
) -> Tensor:
    """Multiply over axes; see `numpy.prod`."""
    return np.prod(lifted(x), axis, dtype, keepdims=keepdims)


def std(
    x: ArrayLike, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False
) -> Tensor:
    """Return the standard deviation over axes; see `numpy.std`."""
    return np.std(lifted(x), axis, correction=correction, keepdims=keepdims)


def sum(
    x: ArrayLike, /, *, axis: Axis = None, dtype: DTypeLike = None, keepdims: bool = False
) -> Tensor:
    """Sum over axes; see `numpy.sum`."""
    return np.sum(lifted(x), axis, dtype, keepdims=keepdims)


def var(
    x: ArrayLike, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False
) -> Tensor:
    """Return the variance over axes; see `numpy.var`."""
    return np.var(lifted(x), axis, correction=correction, keepdims=keepdims)
