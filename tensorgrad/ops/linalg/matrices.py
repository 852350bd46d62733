"""What the rules of linear algebra are written with, and the matrices they are tried on."""

from typing import Any

import numpy as np

from tensorgrad.engine.tensor import Tensor
from tensorgrad.errors import ShapeError, explain
from tensorgrad.ops.dispatch import operand
from tensorgrad.typing import Array, ArrayLike, Draw, Shape

# ---- parts of matrices --------------------------------------------------------------------------


def transposed(x: Array) -> Array:
    """Swap the last two axes."""
    return np.swapaxes(x, -1, -2)


def adjoint(x: Array) -> Array:
    """Swap the last two axes, and conjugate."""
    return np.conj(transposed(x)) if np.iscomplexobj(x) else transposed(x)


def diagonal(x: Array) -> Array:
    """Read the diagonal of the last two axes."""
    return np.diagonal(x, axis1=-2, axis2=-1)


def identity_like(x: Array) -> Array:
    """Return an identity mask for square matrices, or for those of another shape its like."""
    return np.eye(x.shape[-2], x.shape[-1], dtype=bool)


def triangle(x: Array, lower: bool) -> Array:
    """Keep what is strictly below, or strictly above, the diagonal."""
    return np.tril(x, -1) if lower else np.triu(x, 1)


def hermitian(x: Array, lower: bool = True) -> Array:
    """Return the Hermitian matrix that LAPACK takes x for: it reads one triangle only."""
    part = triangle(x, lower)
    return part + adjoint(part) + np.real(x) * identity_like(x)


def folded(g: Array, lower: bool = True) -> Array:
    """Pull the cotangent of a Hermitian matrix back to the triangle it was made of."""
    return triangle(g + adjoint(g), lower) + np.real(g) * identity_like(g)


def bare(x: ArrayLike) -> Array:
    """Return the value, of which ranks and other whole numbers are found."""
    return x._value if isinstance(x, Tensor) else np.asarray(x)


# ---- what is asked of arguments -----------------------------------------------------------------


def matrix_operand(function: str, x: ArrayLike, *, square: bool = False) -> Any:
    """Return x as an array of matrices, or raise."""
    x = operand(x)
    if x.ndim < 2:
        raise ShapeError(
            explain(
                function,
                "Matrices are the last two axes.",
                "Add axes, as in x[:, np.newaxis].",
                shape=x.shape,
            )
        )
    if square and x.shape[-1] != x.shape[-2]:
        raise ShapeError(
            explain(
                function,
                "Matrices must be square.",
                "Check the last two sides; np.linalg.pinv and lstsq take others.",
                shape=x.shape,
            )
        )
    return x


# ---- samples ------------------------------------------------------------------------------------


def draw_batch(draw: Draw) -> Shape:
    """Draw the axes before those of a matrix; the simplest are none."""
    return draw.choice([(), (2,), (1, 2), (0,)])


def scale_of(x: Array) -> float:
    """Return a power of two near the entries of x: samples that are small or large stay so."""
    largest: Array = np.max(np.abs(x), initial=0)
    return 2.0 ** np.floor(np.log2(largest)) if largest else 1.0


def draw_conditioned(draw: Draw, m: int, n: int, batch: Shape | None = None) -> Array:
    """Draw matrices of full rank, with singular values well apart."""
    x = draw.array((*(draw_batch(draw) if batch is None else batch), m, n))
    if not x.size:
        return x
    # Whole numbers may be special: QR jumps where all below the diagonal is zero.
    special = x + 0.1 * scale_of(x) * np.sin(1.0 + np.arange(x.size)).reshape(x.shape)
    u, _, vh = np.linalg.svd(special, full_matrices=False)
    values = scale_of(x) * np.linspace(2.0, 0.75, min(m, n))
    return np.asarray((u * values) @ vh, x.dtype)


def draw_invertible(draw: Draw) -> Array:
    """Draw square matrices that have an inverse."""
    n = draw.integer(0, 4)
    return draw_conditioned(draw, n, n)
