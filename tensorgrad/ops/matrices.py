"""Matrices, their parts and what they are made of: diagonals, triangles, powers and products."""

from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite
from tensorgrad.engine.primitive import Case
from tensorgrad.errors import ShapeError, explain
from tensorgrad.ops.dispatch import operand, refuse
from tensorgrad.ops.indexing import castable, in_place, scatter, setitem_, writable_value
from tensorgrad.ops.joining import stacked
from tensorgrad.ops.shape import reshape_
from tensorgrad.typing import Array, ArrayLike, Draw

# ---- diagonals ----------------------------------------------------------------------------------


def _draw_diagonal(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_ndim=2))
    first, second, *_ = draw.permutation(x.ndim)
    axes = {"axis1": first - x.ndim * draw.boolean(), "axis2": second - x.ndim * draw.boolean()}
    return (x,), {"offset": draw.integer(-2, 2), **axes}


@composite(np.diagonal, samples=_draw_diagonal)
def diagonal(a: ArrayLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Read the diagonals of the planes of two axes; they become the last axis."""
    a = np.moveaxis(a, (axis1, axis2), (-2, -1))
    rows, columns = a.shape[-2:]
    n = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    i = np.arange(n)
    return a[..., i - min(offset, 0), i + max(offset, 0)]


@composite(np.trace, samples=_draw_diagonal)
def trace(
    a: ArrayLike,
    offset: int = 0,
    axis1: int = 0,
    axis2: int = 1,
    dtype: Any = None,
    out: None = None,
) -> Any:
    """Sum the diagonals of the planes of two axes."""
    refuse("np.trace", out=out)
    return np.sum(np.diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype)


def _draw_diag(draw: Draw) -> Case:
    shape = draw.choice([(3,), (3, 3), (2, 4), (4, 2), (0,)])
    return (draw.array(shape),), {"k": draw.integer(-1, 2)}


@composite(np.diag, samples=_draw_diag)
def diag(v: ArrayLike, k: int = 0) -> Any:
    """Read the diagonal of a matrix, or build a matrix from its diagonal."""
    v = operand(v)
    if v.ndim == 2:
        return np.diagonal(v, k)
    if v.ndim != 1:
        raise ShapeError(
            explain("np.diag", "One or two axes are needed.", "Use np.diagonal.", shape=v.shape)
        )
    side = v.shape[0] + abs(k)
    i = np.arange(v.shape[0])
    return scatter(v, index=(i - min(k, 0), i + max(k, 0)), shape=(side, side))


def _draw_diagflat(draw: Draw) -> Case:
    return (draw.array(draw.shape()),), {"k": draw.integer(-2, 2)}


@composite(np.diagflat, samples=_draw_diagflat)
def diagflat(v: ArrayLike, k: int = 0) -> Any:
    """Build a matrix with the flattened array on a diagonal."""
    return np.diag(np.ravel(stacked(v)), k)


def _draw_filled(draw: Draw) -> Case:
    shape = draw.choice([(3, 3), (2, 4), (7, 2), (2, 2, 2), (0, 3)])
    x = draw.array(shape)
    val = draw.choice([draw.array(()), draw.array((2,)), draw.array((2, 3)), 1.5])
    return (x, castable(np.asarray(val), x)), {"wrap": draw.boolean()}


@in_place(np.fill_diagonal, samples=_draw_filled)
def filled_diagonal(a: ArrayLike, val: ArrayLike, wrap: bool = False) -> Any:
    """Write values, again and again if they are few, to the diagonal of all axes."""
    if a.ndim < 2 or (a.ndim > 2 and len(set(a.shape)) > 1):
        rule = "A diagonal is that of a matrix, or of more axes of one length."
        raise ShapeError(explain("np.fill_diagonal", rule, "Use a[index] = v.", shape=a.shape))
    val = np.ravel(writable_value("np.fill_diagonal", a, val))
    # entry (i, i, ...) is i steps into the flattened array; a tall matrix begins again below
    step = sum(int(np.prod(a.shape[i:])) for i in range(1, a.ndim + 1))
    end = a.shape[1] ** 2 if a.ndim == 2 and not wrap else a.size
    places = np.arange(0, min(end, a.size), step)
    if places.size and not val.size:
        raise ShapeError(
            explain("np.fill_diagonal", "There is no value to write.", "Pass one.", size=val.size)
        )
    index = tuple(np.unravel_index(places, a.shape))
    return setitem_(a, val[np.arange(places.size) % max(val.size, 1)], index=index)


# ---- triangles ----------------------------------------------------------------------------------


def _draw_matrix(draw: Draw) -> Case:
    return (draw.array(draw.shape(min_ndim=2)),), {"k": draw.integer(-2, 2)}


@composite(np.tril, samples=_draw_matrix)
def tril(m: ArrayLike, k: int = 0) -> Any:
    """Keep the entries on and below a diagonal."""
    return _keep(m, k, below=True)


@composite(np.triu, samples=_draw_matrix)
def triu(m: ArrayLike, k: int = 0) -> Any:
    """Keep the entries on and above a diagonal."""
    return _keep(m, k - 1, below=False)


def _keep(m: ArrayLike, k: int, *, below: bool) -> Any:
    m = operand(m)
    rows, columns = m.shape[-2:] if m.ndim != 1 else m.shape * 2  # a row stands for all rows
    lower: Array = np.tri(rows, columns, k, dtype=bool)
    return np.where(lower == below, m, np.zeros((), m.dtype))


# ---- powers and products ------------------------------------------------------------------------


def _draw_vander(draw: Draw) -> Case:
    x = draw.array((draw.integer(0, 4),))
    return (x,), {"N": draw.choice([None, 0, 1, 4]), "increasing": draw.boolean()}


@composite(np.vander, samples=_draw_vander)
def vander(x: ArrayLike, N: int | None = None, increasing: bool = False) -> Any:
    """Return the powers of each number in a row, of x**(N - 1), ..., x, 1."""
    x = operand(x)
    if x.ndim != 1 or (N is not None and N < 0):
        rule = "The numbers are in one row, and have 0 powers or more."
        raise ShapeError(explain("np.vander", rule, "Use np.ravel.", shape=x.shape, N=N))
    x = x.astype(np.promote_types(x.dtype, int))
    exponents = np.arange(x.size if N is None else N)
    return reshape_(x, shape=(x.size, 1)) ** (exponents if increasing else exponents[::-1])


def _draw_kron(draw: Draw) -> Case:
    return (draw.array(draw.shape(max_side=3)), draw.array(draw.shape(max_side=3))), {}


@composite(np.kron, samples=_draw_kron)
def kron(a: ArrayLike, b: ArrayLike) -> Any:
    """Multiply every entry of one array with the whole of the other: blocks of the result."""
    a, b = operand(a), operand(b)
    ndim = max(a.ndim, b.ndim)
    a, b = (reshape_(x, shape=(1,) * (ndim - x.ndim) + x.shape) for x in (a, b))
    # (a0, 1, a1, 1) * (1, b0, 1, b1) -> (a0, b0, a1, b1) -> (a0 b0, a1 b1)
    product = np.expand_dims(a, tuple(range(1, 2 * ndim, 2))) * np.expand_dims(
        b, tuple(range(0, 2 * ndim, 2))
    )
    shape = tuple(m * n for m, n in zip(a.shape, b.shape, strict=True))
    return reshape_(product, shape=shape)
