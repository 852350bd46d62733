"""Norms and condition numbers, generalized inverses, and least squares."""

from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite, constant, general
from tensorgrad.engine.primitive import Case
from tensorgrad.engine.tensor import Tensor
from tensorgrad.errors import ShapeError, UnsupportedError, explain
from tensorgrad.ops.dispatch import NoValue, operand
from tensorgrad.ops.elementwise import singular_where
from tensorgrad.ops.linalg.matrices import (
    adjoint,
    bare,
    draw_conditioned,
    hermitian,
    matrix_operand,
    scale_of,
    transposed,
)
from tensorgrad.ops.reductions import all_axes, root
from tensorgrad.typing import Array, ArrayLike, Axis, Domain, Draw

# ---- norms --------------------------------------------------------------------------------------

VECTOR_ORDERS = (None, 2, 1, np.inf, -np.inf, 0, 3, 2.5, 0.5, -1, -2)
MATRIX_ORDERS = (None, "fro", "f", "nuc", 2, -2, 1, -1, np.inf, -np.inf)
Order = Any  # a number, a word, or None


def _sum_of_squares(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    if np.iscomplexobj(x):
        re, im = np.real(x), np.imag(x)
        return np.sum(re * re + im * im, axis=axes, keepdims=keepdims)
    return np.sum(x * x, axis=axes, keepdims=keepdims)


def _vector_norm(x: Array, order: Order, axes: tuple[int, ...], keepdims: bool) -> Array:
    if order is None or order == 2:
        return root(_sum_of_squares(x, axes, keepdims))
    if isinstance(order, str):
        raise ShapeError(
            explain(
                "np.linalg.norm",
                "The order of a vector's norm is a number.",
                "Name two axes for the norm of matrices.",
                ord=order,
            )
        )
    if order == np.inf:
        return np.max(np.abs(x), axis=axes, keepdims=keepdims, initial=0)
    if order == -np.inf:
        return np.min(np.abs(x), axis=axes, keepdims=keepdims)
    if order == 0:
        return np.sum((x != 0).astype(np.finfo(x.dtype).dtype), axis=axes, keepdims=keepdims)
    sizes = np.abs(x)
    if order == 1:
        return np.sum(sizes, axis=axes, keepdims=keepdims)
    return _root_of_powers(sizes, float(order), axes, keepdims)


def _root_of_powers(sizes: Array, order: float, axes: tuple[int, ...], keepdims: bool) -> Array:
    # sum(sizes**order)**(1 / order); its derivative is 0 where the sum is 0 or infinite, and by an
    # entry of 0 where a power below 1 has a cusp
    if order < 1:
        zero = bare(sizes) == 0
        powers = np.where(zero, 0.0 if order > 0 else np.inf, np.where(zero, 1, sizes) ** order)
    else:
        powers = sizes**order
    total = np.sum(powers, axis=axes, keepdims=keepdims)
    none, infinite = bare(total) == 0, np.isinf(bare(total))
    y = np.where(none | infinite, 1, total) ** (1 / order)
    of_none, of_infinite = (0.0, np.inf) if order > 0 else (np.inf, 0.0)
    return singular_where(none, np.where(none, of_none, np.where(infinite, of_infinite, y)))


def _matrix_norm(x: Array, order: Order, row: int, column: int, keepdims: bool) -> Array:
    if order in (None, "fro", "f"):
        return root(_sum_of_squares(x, (row, column), keepdims))
    if order in ("nuc", 2, -2):
        s = np.linalg.svdvals(np.moveaxis(x, (row, column), (-2, -1)))
        if order == "nuc":
            y = np.sum(s, axis=-1)
        else:
            y = np.max(s, axis=-1, initial=0) if order == 2 else np.min(s, axis=-1)
        return np.expand_dims(y, (row, column)) if keepdims else y
    if order not in (1, -1, np.inf, -np.inf):
        raise ShapeError(
            explain(
                "np.linalg.norm",
                "The order of a matrix norm is 'fro', 'nuc', 1, -1, 2, -2, inf or -inf.",
                "Reshape matrices to vectors for a norm of their entries.",
                ord=order,
            )
        )
    # of the sums along columns or rows the greatest or least
    summed, chosen = (row, column) if abs(order) == 1 else (column, row)
    sums = np.sum(np.abs(x), axis=summed, keepdims=True)
    if order > 0:
        y = np.max(sums, axis=chosen, keepdims=True, initial=0)
    else:
        y = np.min(sums, axis=chosen, keepdims=True)
    return y if keepdims else np.squeeze(y, (row, column))


def _apart(draw: Draw, shape: tuple[int, ...]) -> Array:
    """Draw entries of which no two are equally large, and none is near zero."""
    x = draw.array(shape, Domain(0.5, 3.0, distinct=True))
    signs = (-1.0) ** np.arange(x.size).reshape(x.shape)
    return np.asarray(x * signs, x.dtype)


def _draw_norm(draw: Draw) -> Case:
    keepdims = draw.boolean()
    form = draw.choice(["vector", "matrix", "all"])
    if form == "all":
        x = _apart(draw, draw.shape())
        order = draw.choice([None, 2, 1, np.inf]) if x.ndim == 1 else None
        return (x,), {"ord": order, "keepdims": keepdims}
    if form == "vector":
        x = _apart(draw, draw.shape(min_ndim=1, min_side=1))
        axis: Axis = draw.integer(-x.ndim, x.ndim - 1)
        return (x,), {"ord": draw.choice(VECTOR_ORDERS), "axis": axis, "keepdims": keepdims}
    x = draw_conditioned(draw, draw.integer(1, 4), draw.integer(1, 4), draw.choice([(), (3,)]))
    axis = (x.ndim - 2, x.ndim - 1)
    if draw.boolean():
        x, axis = np.moveaxis(x, -1, 0), (-1, 0)
    return (x,), {"ord": draw.choice(MATRIX_ORDERS), "axis": axis, "keepdims": keepdims}


def _as_inexact(x: ArrayLike) -> Any:
    x = operand(x)
    return x if x.dtype.kind in "fc" else x.astype(float)


@composite(np.linalg.norm, samples=_draw_norm)
def norm(x: ArrayLike, ord: Order = None, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return the norm of vectors along one axis or of matrices along two; by default, of all.

    Its derivative is 0 where it is 0.
    """
    x = _as_inexact(x)
    if axis is None and (ord is None or (ord == 2 and x.ndim == 1)):
        return root(_sum_of_squares(x, tuple(range(x.ndim)), keepdims))
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = tuple(np.lib.array_utils.normalize_axis_index(i, x.ndim) for i in axes)
    if len(axes) == 1:
        return _vector_norm(x, ord, axes, keepdims)
    if len(axes) == 2 and axes[0] != axes[1]:
        return _matrix_norm(x, ord, *axes, keepdims)
    raise ShapeError(
        explain(
            "np.linalg.norm",
            "Vectors have one axis, matrices two different ones.",
            "Pass axis, or np.ravel(x).",
            shape=x.shape,
            ord=ord,
            axis=axis,
        )
    )


def _draw_vector_norm(draw: Draw) -> Case:
    x = _apart(draw, draw.shape(min_side=1))
    axis: Any = None
    if x.ndim:
        some = tuple(draw.permutation(x.ndim)[: draw.integer(1, x.ndim)])
        axis = draw.choice([None, draw.integer(-x.ndim, x.ndim - 1), some])
    return (x,), {"ord": draw.choice(VECTOR_ORDERS), "axis": axis, "keepdims": draw.boolean()}


@composite(np.linalg.vector_norm, samples=_draw_vector_norm)
def vector_norm(
    x: ArrayLike, /, *, axis: Axis = None, keepdims: bool = False, ord: Order = 2
) -> Any:
    """Return the norm of vectors, whose entries are along one or several axes, or all."""
    x = _as_inexact(x)
    return _vector_norm(x, ord, all_axes(axis, x.ndim), keepdims)


def _draw_matrix_norm(draw: Draw) -> Case:
    x = draw_conditioned(draw, draw.integer(1, 4), draw.integer(1, 4))
    return (x,), {"ord": draw.choice(MATRIX_ORDERS), "keepdims": draw.boolean()}


@composite(np.linalg.matrix_norm, samples=_draw_matrix_norm)
def matrix_norm(x: ArrayLike, /, *, keepdims: bool = False, ord: Order = "fro") -> Any:
    """Return the norm of matrices, the last two axes."""
    x = _as_inexact(matrix_operand("np.linalg.matrix_norm", x))
    return _matrix_norm(x, ord, x.ndim - 2, x.ndim - 1, keepdims)


# ---- condition and rank -------------------------------------------------------------------------


def _draw_cond(draw: Draw) -> Case:
    n = draw.integer(2, 3)  # of one number the condition is 1, whatever it is
    p = draw.choice([None, 2, -2, 1, -1, np.inf, -np.inf, "fro", "nuc"])
    m = n + (p in (None, 2, -2) and draw.integer(-1, 1))
    return (draw_conditioned(draw, max(m, 2), n),), {"p": p}


@composite(np.linalg.cond, samples=_draw_cond)
def cond(x: ArrayLike, p: Order = None) -> Any:
    """Return the condition number; where it is infinite, its derivative is 0."""
    x = matrix_operand("np.linalg.cond", x, square=p not in (None, 2, -2))
    x = _as_inexact(x)
    value = np.linalg.cond(bare(x), p)
    infinite = np.isinf(value)
    # a matrix that has a condition number in place of those that have none
    stand_in: Array = np.eye(*x.shape[-2:], dtype=x.dtype)
    x = np.where(np.expand_dims(infinite, (-2, -1)), stand_in, x)
    if p in (None, 2, -2):
        s = np.linalg.svdvals(x)
        r = s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    else:
        r = np.linalg.matrix_norm(x, ord=p) * np.linalg.matrix_norm(np.linalg.inv(x), ord=p)
    return np.where(infinite, value, r)


def _draw_rank(draw: Draw) -> Case:
    x = draw_conditioned(draw, draw.integer(1, 4), draw.integer(1, 4))
    return (x,), draw.choice([{}, {"tol": 0.1 * scale_of(x)}, {"rtol": 0.5}])


constant(np.linalg.matrix_rank, samples=_draw_rank)

# ---- generalized inverses -----------------------------------------------------------------------


def _pinv(a: Array, /, *, rcond: Array) -> Array:
    return np.linalg.pinv(a, rcond)


def _pinv_vjp(g: Array, a: Array, ans: Array) -> Array:
    # The transpose of the rule below: Re tr(x da^H) = Re tr(conj(x) da^T)
    g, h = transposed(g), adjoint(ans)
    left = (g - a @ (ans @ g)) @ (ans @ h)
    right = (h @ ans) @ (g - (g @ ans) @ a)
    return np.conj(left + right) - transposed(ans @ g @ ans)


def _pinv_jvp(t: Array, a: Array, ans: Array) -> Array:
    # By Golub and Pereyra, for a constant rank: with p = a^+,
    #     dp = -p da p + p p^H da^H (1 - a p) + (1 - p a) da^H p^H p
    t_h, h = adjoint(t), adjoint(ans)
    left = (ans @ h) @ (t_h - (t_h @ a) @ ans)
    right = (t_h - ans @ (a @ t_h)) @ (h @ ans)
    return left + right - ans @ t @ ans


def _draw_full_rank(draw: Draw) -> Array:
    return draw_conditioned(draw, draw.integer(0, 4), draw.integer(0, 4))


pinv_ = general(
    _pinv,
    _pinv_vjp,
    _pinv_jvp,
    samples=lambda draw: ((_draw_full_rank(draw),), {"rcond": np.asarray(1e-15)}),
    holomorphic=False,
)


def _draw_pinv(draw: Draw) -> Case:
    if draw.integer(0, 3) == 3:
        n = draw.integer(1, 4)
        x = draw_conditioned(draw, n, n)
        other = np.triu(2 * x, 1)  # which is not read
        return (np.asarray(np.tril(x @ adjoint(x)) + other, x.dtype),), {"hermitian": True}
    x = _draw_full_rank(draw)
    # the least of the singular values are left out, or none
    params = draw.choice([{}, {"rcond": 0.6}, {"rtol": 0.6}, {"rtol": None}, {"rcond": 1e-9}])
    return (x,), params


@composite(np.linalg.pinv, samples=_draw_pinv)
def pinv(
    a: ArrayLike, rcond: ArrayLike = None, hermitian: bool = False, *, rtol: ArrayLike = NoValue
) -> Any:
    """Return the generalized inverse; its derivative is that for a constant rank."""
    a = matrix_operand("np.linalg.pinv", a, square=bool(hermitian))
    if rcond is not None and rtol is not NoValue:
        raise UnsupportedError(
            explain(
                "np.linalg.pinv",
                "Two names for one number.",
                "Pass one of them.",
                rcond=rcond,
                rtol=rtol,
            )
        )
    if rcond is None and rtol is None:
        rcond = max(a.shape[-2:]) * np.finfo(a.dtype).eps
    elif rcond is None:
        rcond = 1e-15 if rtol is NoValue else rtol
    return _pseudo_inverse(_hermitian(a) if hermitian else a, np.asarray(bare(rcond)))


_hermitian = hermitian


def _pseudo_inverse(a: Array, rcond: Array) -> Array:
    if not a.size:
        return np.zeros_like(transposed(a))
    s = np.linalg.svdvals(bare(a))
    largest = np.max(s, axis=-1, keepdims=True)
    left_out = s <= rcond[..., np.newaxis] * largest
    negligible = s <= 16 * max(a.shape[-2:]) * np.finfo(s.dtype).eps * largest
    if np.all(negligible | ~left_out):
        return pinv_(a, rcond=rcond)
    # what is left out is not zero: no formula but that of the singular vectors themselves
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    inverses = np.where(left_out, 0, 1 / np.where(left_out, 1, s))
    return (adjoint(vh) * np.expand_dims(inverses, -2)) @ adjoint(u)


def _draw_lstsq(draw: Draw) -> Case:
    m, n = draw.integer(1, 4), draw.integer(1, 4)
    a = draw_conditioned(draw, m, n, ())
    b = draw.array(draw.choice([(m,), (m, 2), (m, 0)]))
    return (a, b), {"rcond": draw.choice([None, 1e-10, 0.6])}


@composite(np.linalg.lstsq, samples=_draw_lstsq)
def lstsq(a: ArrayLike, b: ArrayLike, rcond: float | None = None) -> Any:
    """Return the shortest x that makes |b - a @ x| least, these squares, the rank, and a's values.

    The derivatives are those for a constant rank.
    """
    a, b = operand(a), operand(b)
    if a.ndim != 2 or b.ndim not in (1, 2) or a.shape[0] != b.shape[0]:
        raise ShapeError(
            explain(
                "np.linalg.lstsq",
                "There is one matrix a, and b has as many rows.",
                "Loop over stacks of matrices, or use np.linalg.pinv.",
                a_shape=a.shape,
                b_shape=b.shape,
            )
        )
    values = np.linalg.lstsq(bare(a), bare(b), rcond)
    rank, dtype = values[2], values[0].dtype
    m, n = a.shape
    if rcond is None:
        rcond = np.finfo(float).eps * max(m, n)
    wide = np.result_type(dtype, float)  # which NumPy computes in, too
    a, b = a.astype(wide), b.astype(wide)
    x = _pseudo_inverse(a, np.asarray(rcond)) @ b
    squares = np.atleast_1d(_sum_of_squares(b - a @ x, (0,), keepdims=False))
    if rank != n or m <= n:
        squares = squares[:0]
    s = np.linalg.svdvals(a)
    return x.astype(dtype), squares.astype(values[1].dtype), Tensor(rank), s.astype(values[3].dtype)
