"""Linear algebra, as the Array API standard has it; see `numpy.linalg`.

Matrices are the last two axes, and all axes before those are of a batch.
"""

from typing import Literal

import numpy as np

from tensorgrad.array_api.creation import lifted
from tensorgrad.array_api.multiplication import matmul, matrix_transpose, tensordot, vecdot
from tensorgrad.engine.tensor import Tensor
from tensorgrad.typing import ArrayLike, Axis, DTypeLike

__all__ = [
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "inv",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]


def cholesky(x: ArrayLike, /, *, upper: bool = False) -> Tensor:
    """Return the triangular factor of a positive definite matrix; see `numpy.linalg.cholesky`."""
    return np.linalg.cholesky(lifted(x), upper=upper)


def cross(x1: ArrayLike, x2: ArrayLike, /, *, axis: int = -1) -> Tensor:
    """Multiply vectors of length 3; see `numpy.linalg.cross`."""
    return np.linalg.cross(lifted(x1), lifted(x2), axis=axis)


def det(x: ArrayLike, /) -> Tensor:
    """Return the determinant; see `numpy.linalg.det`."""
    return np.linalg.det(lifted(x))


def diagonal(x: ArrayLike, /, *, offset: int = 0) -> Tensor:
    """Read the diagonal; see `numpy.linalg.diagonal`."""
    return np.linalg.diagonal(lifted(x), offset=offset)


def eigh(x: ArrayLike, /) -> tuple[Tensor, Tensor]:
    """Return eigenvalues and eigenvectors of a Hermitian matrix; see `numpy.linalg.eigh`."""
    return np.linalg.eigh(lifted(x))


def eigvalsh(x: ArrayLike, /) -> Tensor:
    """Return the eigenvalues of a Hermitian matrix; see `numpy.linalg.eigvalsh`."""
    return np.linalg.eigvalsh(lifted(x))


def inv(x: ArrayLike, /) -> Tensor:
    """Return the inverse; see `numpy.linalg.inv`."""
    return np.linalg.inv(lifted(x))


def matrix_norm(
    x: ArrayLike, /, *, keepdims: bool = False, ord: float | Literal["fro", "nuc"] | None = "fro"
) -> Tensor:
    """Return the norm of a matrix; see `numpy.linalg.matrix_norm`."""
    return np.linalg.matrix_norm(lifted(x), keepdims=keepdims, ord=ord)


def matrix_power(x: ArrayLike, n: int, /) -> Tensor:
    """Multiply a matrix n times with itself; see `numpy.linalg.matrix_power`."""
    return np.linalg.matrix_power(lifted(x), n)


def matrix_rank(x: ArrayLike, /, *, rtol: ArrayLike = None) -> Tensor:
    """Count the singular values that are not negligible; see `numpy.linalg.matrix_rank`."""
    return np.linalg.matrix_rank(lifted(x), rtol=rtol)


def outer(x1: ArrayLike, x2: ArrayLike, /) -> Tensor:
    """Multiply each entry of a vector with each of another; see `numpy.linalg.outer`."""
    return np.linalg.outer(lifted(x1), lifted(x2))


def pinv(x: ArrayLike, /, *, rtol: ArrayLike = None) -> Tensor:
    """Return the pseudoinverse; see `numpy.linalg.pinv`."""
    return np.linalg.pinv(lifted(x), rtol=rtol)


def qr(
    x: ArrayLike, /, *, mode: Literal["reduced", "complete"] = "reduced"
) -> tuple[Tensor, Tensor]:
    """Part into an orthonormal and a triangular factor; see `numpy.linalg.qr`."""
    return np.linalg.qr(lifted(x), mode=mode)


def slogdet(x: ArrayLike, /) -> tuple[Tensor, Tensor]:
    """Return sign and logarithm of the determinant; see `numpy.linalg.slogdet`."""
    return np.linalg.slogdet(lifted(x))


def solve(x1: ArrayLike, x2: ArrayLike, /) -> Tensor:
    """Solve ``x1 @ y = x2`` for y; see `numpy.linalg.solve`."""
    return np.linalg.solve(lifted(x1), lifted(x2))


def svd(x: ArrayLike, /, *, full_matrices: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """Part into singular vectors and singular values; see `numpy.linalg.svd`."""
    return np.linalg.svd(lifted(x), full_matrices=full_matrices)


def svdvals(x: ArrayLike, /) -> Tensor:
    """Return the singular values; see `numpy.linalg.svdvals`."""
    return np.linalg.svdvals(lifted(x))


def trace(x: ArrayLike, /, *, offset: int = 0, dtype: DTypeLike = None) -> Tensor:
    """Sum the diagonal; see `numpy.linalg.trace`."""
    return np.linalg.trace(lifted(x), offset=offset, dtype=dtype)


def vector_norm(
    x: ArrayLike, /, *, axis: Axis = None, keepdims: bool = False, ord: float = 2
) -> Tensor:
    """Return the norm over axes; see `numpy.linalg.vector_norm`."""
    return np.linalg.vector_norm(
        lifted(x),
        axis=axis,  # type: ignore[arg-type]  # the stubs leave None out
        keepdims=keepdims,
        ord=ord,
    )
