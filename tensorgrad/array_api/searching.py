"""Where values are, and in which order."""

from typing import Literal

import numpy as np

from tensorgrad.array_api.creation import asarray, lifted
from tensorgrad.engine.tensor import Tensor
from tensorgrad.typing import ArrayLike, Axis

__all__ = [
    "argmax",
    "argmin",
    "argsort",
    "count_nonzero",
    "nonzero",
    "searchsorted",
    "sort",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
]


def argmax(x: ArrayLike, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Return where the greatest entry is; see `numpy.argmax`."""
    return np.argmax(lifted(x), axis, keepdims=keepdims)


def argmin(x: ArrayLike, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Return where the least entry is; see `numpy.argmin`."""
    return np.argmin(lifted(x), axis, keepdims=keepdims)


def count_nonzero(x: ArrayLike, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Count the entries that are not zero; see `numpy.count_nonzero`."""
    return asarray(np.count_nonzero(lifted(x), axis, keepdims=keepdims))


def nonzero(x: ArrayLike, /) -> tuple[Tensor, ...]:
    """Return where entries are not zero, an index an axis; see `numpy.nonzero`."""
    return tuple(map(asarray, np.nonzero(lifted(x))))


def searchsorted(
    x1: ArrayLike,
    x2: ArrayLike,
    /,
    *,
    side: Literal["left", "right"] = "left",
    sorter: ArrayLike = None,
) -> Tensor:
    """Return where to insert x2 to keep x1 sorted; see `numpy.searchsorted`."""
    return asarray(np.searchsorted(lifted(x1), lifted(x2), side, sorter))


def sort(
    x: ArrayLike, /, *, axis: int = -1, descending: bool = False, stable: bool = True
) -> Tensor:
    """Sort along an axis; see `numpy.sort`."""
    ascending = np.sort(lifted(x), axis, stable=stable)
    return np.flip(ascending, axis) if descending else ascending


def argsort(
    x: ArrayLike, /, *, axis: int = -1, descending: bool = False, stable: bool = True
) -> Tensor:
    """Return the order that sorts along an axis; see `numpy.argsort`."""
    x = lifted(x)
    if not descending:
        return np.argsort(x, axis, stable=stable)
    # backwards there and back again, so that equal entries keep their order
    return x.shape[axis] - 1 - np.flip(np.argsort(np.flip(x, axis), axis, stable=stable), axis)


def unique_all(x: ArrayLike, /) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return each value once, where, whence and how often; see `numpy.unique_all`."""
    return np.unique_all(lifted(x))


def unique_counts(x: ArrayLike, /) -> tuple[Tensor, Tensor]:
    """Return each value once, and how often it occurs; see `numpy.unique_counts`."""
    return np.unique_counts(lifted(x))


def unique_inverse(x: ArrayLike, /) -> tuple[Tensor, Tensor]:
    """Return each value once, and the indices that make x of them; see `numpy.unique_inverse`."""
    return np.unique_inverse(lifted(x))


def unique_values(x: ArrayLike, /) -> Tensor:
    """Return each value once; see `numpy.unique_values`."""
    return np.unique_values(lifted(x))
