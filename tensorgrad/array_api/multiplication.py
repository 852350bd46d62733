"""Products of matrices and vectors; the rest of linear algebra is in `tensorgrad.linalg`."""

from collections.abc import Sequence

import numpy as np

from tensorgrad.array_api.creation import lifted
from tensorgrad.engine.tensor import Tensor
from tensorgrad.typing import ArrayLike

__all__ = ["matmul", "matrix_transpose", "tensordot", "vecdot"]


def matmul(x1: ArrayLike, x2: ArrayLike, /) -> Tensor:
    """Multiply matrices; see `numpy.matmul`."""
    return np.matmul(lifted(x1), lifted(x2))


def matrix_transpose(x: ArrayLike, /) -> Tensor:
    """Exchange the last two axes; see `numpy.matrix_transpose`."""
    return np.matrix_transpose(lifted(x))


def tensordot(
    x1: ArrayLike,
    x2: ArrayLike,
    /,
    *,
    axes: int | tuple[Sequence[int], Sequence[int]] = 2,
) -> Tensor:
    """Multiply, and sum over axes of both; see `numpy.tensordot`."""
    return np.tensordot(lifted(x1), lifted(x2), axes)


def vecdot(x1: ArrayLike, x2: ArrayLike, /, *, axis: int = -1) -> Tensor:
    """Multiply vectors along an axis, the first conjugated; see `numpy.vecdot`."""
    return np.vecdot(lifted(x1), lifted(x2), axis=axis)
