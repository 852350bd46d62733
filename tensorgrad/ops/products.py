"""Products of vectors and matrices along named axes, and `numpy.linalg`'s names for products."""

import warnings
from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite, constant
from tensorgrad.engine.primitive import Case
from tensorgrad.errors import ShapeError, explain
from tensorgrad.ops.dispatch import operand
from tensorgrad.ops.reductions import one_axis
from tensorgrad.typing import Array, ArrayLike, Draw, DTypeLike

# ---- vectors and matrices, along the last axes --------------------------------------------------


def _draw_vectors(draw: Draw) -> Case:
    n = draw.integer(0, 3)
    x, y = draw.choice([((n,), (n,)), ((2, n), (n,)), ((2, n), (3, 1, n))])
    return (draw.array(x), draw.array(y)), {}


def _draw_matvec(draw: Draw) -> Case:
    m, n = draw.integer(0, 3), draw.integer(0, 3)
    x, y = draw.choice(
        [((m, n), (n,)), ((2, m, n), (n,)), ((m, n), (2, n)), ((2, m, n), (3, 1, n))]
    )
    return (draw.array(x), draw.array(y)), {}


def _draw_vecmat(draw: Draw) -> Case:
    n, m = draw.integer(0, 3), draw.integer(0, 3)
    x, y = draw.choice(
        [((n,), (n, m)), ((n,), (2, n, m)), ((2, n), (n, m)), ((3, 1, n), (2, n, m))]
    )
    return (draw.array(x), draw.array(y)), {}


def _row(x: ArrayLike) -> Any:
    return np.expand_dims(operand(x), -2)


def _column(x: ArrayLike) -> Any:
    return np.expand_dims(operand(x), -1)


def _conjugate(x: ArrayLike) -> Any:
    x = operand(x)
    return np.conj(x) if x.dtype.kind == "c" else x


def _require_axes(function: str, x1: ArrayLike, x2: ArrayLike, *counts: int) -> None:
    if any(operand(x).ndim < count for x, count in zip((x1, x2), counts, strict=True)):
        raise ShapeError(
            explain(
                function,
                "A vector has an axis, a matrix two.",
                "Reshape the argument.",
                x1_shape=operand(x1).shape,
                x2_shape=operand(x2).shape,
            )
        )


@composite(np.vecdot, samples=_draw_vectors)
def vecdot(x1: ArrayLike, x2: ArrayLike, /) -> Any:
    """Sum the products of vectors along the last axes, those of the first conjugated."""
    _require_axes("np.vecdot", x1, x2, 1, 1)
    return np.matmul(_row(_conjugate(x1)), _column(x2))[..., 0, 0]


@composite(np.matvec, samples=_draw_matvec)
def matvec(x1: ArrayLike, x2: ArrayLike, /) -> Any:
    """Multiply matrices with vectors, which lie along the last axis."""
    _require_axes("np.matvec", x1, x2, 2, 1)
    return np.matmul(x1, _column(x2))[..., 0]


@composite(np.vecmat, samples=_draw_vecmat)
def vecmat(x1: ArrayLike, x2: ArrayLike, /) -> Any:
    """Multiply conjugated vectors, which lie along the last axis, with matrices."""
    _require_axes("np.vecmat", x1, x2, 1, 2)
    return np.matmul(_row(_conjugate(x1)), x2)[..., 0, :]


# ---- the cross product --------------------------------------------------------------------------


def _draw_cross(draw: Draw) -> Case:
    shapes = draw.broadcastable(2)
    last = draw.boolean()
    xs = [draw.array((*shape, 3) if last else (3, *shape)) for shape in map(_one_axis, shapes)]
    if last:
        return tuple(xs), {"axisc": draw.choice([-1, 0])}
    return tuple(xs), draw.choice([{"axis": 0}, {"axisa": 0, "axisb": 0, "axisc": 0}])


def _one_axis(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[-1:] or (1,)


@composite(np.cross, samples=_draw_cross)
def cross(
    a: ArrayLike,
    b: ArrayLike,
    axisa: int = -1,
    axisb: int = -1,
    axisc: int = -1,
    axis: int | None = None,
) -> Any:
    """Return the cross products of vectors of three, or two, entries."""
    if axis is not None:
        axisa, axisb, axisc = axis, axis, axis
    a, b = operand(a), operand(b)
    if not (a.ndim and b.ndim and {a.shape[axisa], b.shape[axisb]} <= {2, 3}):
        raise ShapeError(
            explain(
                "np.cross",
                "A vector has three entries, or two.",
                "Say which axis they lie along.",
                a_shape=a.shape,
                b_shape=b.shape,
                axisa=axisa,
                axisb=axisb,
            )
        )
    a, b = np.moveaxis(a, axisa, 0), np.moveaxis(b, axisb, 0)
    dtype = np.promote_types(a.dtype, b.dtype)
    a, b = (x if x.dtype == dtype else x.astype(dtype) for x in (a, b))
    if 2 in (len(a), len(b)):
        warnings.warn(
            "Arrays of 2-dimensional vectors are deprecated. Use arrays of 3-dimensional vectors"
            " instead. (deprecated in NumPy 2.0)",
            DeprecationWarning,
            stacklevel=2,
        )
    across = a[0] * b[1] - a[1] * b[0]
    if len(a) == len(b) == 2:
        return across
    if len(a) == 2:
        parts = [a[1] * b[2], -a[0] * b[2], across]
    elif len(b) == 2:
        parts = [-a[2] * b[1], a[2] * b[0], across]
    else:
        parts = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], across]
    return np.stack(parts, axis=one_axis(axisc, across.ndim + 1))


# ---- numpy.linalg's names -----------------------------------------------------------------------


def _draw_linalg_cross(draw: Draw) -> Case:
    (a, b), _ = _draw_cross(draw)
    return (a, b), {"axis": -1 if a.shape[-1] == b.shape[-1] == 3 else 0}


@composite(np.linalg.cross, samples=_draw_linalg_cross)
def linalg_cross(x1: ArrayLike, x2: ArrayLike, /, *, axis: int = -1) -> Any:
    """Return the cross products of vectors of three entries along an axis."""
    x1, x2 = operand(x1), operand(x2)
    if x1.shape[axis] != 3 or x2.shape[axis] != 3:
        raise ShapeError(
            explain(
                "np.linalg.cross",
                "A vector has three entries.",
                "Say which axis they lie along.",
                x1_shape=x1.shape,
                x2_shape=x2.shape,
                axis=axis,
            )
        )
    return np.cross(x1, x2, axis=axis)


def _draw_rows(draw: Draw) -> Case:
    return (draw.array((draw.integer(0, 3),)), draw.array((draw.integer(0, 3),))), {}


@composite(np.linalg.outer, samples=_draw_rows)
def linalg_outer(x1: ArrayLike, x2: ArrayLike, /) -> Any:
    """Multiply every entry of a vector with every entry of another."""
    x1, x2 = operand(x1), operand(x2)
    if x1.ndim != 1 or x2.ndim != 1:
        raise ShapeError(
            explain(
                "np.linalg.outer",
                "Both are vectors.",
                "Use np.outer for arrays with more axes.",
                x1_shape=x1.shape,
                x2_shape=x2.shape,
            )
        )
    return np.outer(x1, x2)


def _draw_vecdot_axis(draw: Draw) -> Case:
    x, y = draw.array((2, 3)), draw.array((2, 3))
    return (x, y), {"axis": draw.choice([-1, 0, 1])}


@composite(np.linalg.vecdot, samples=_draw_vecdot_axis)
def linalg_vecdot(x1: ArrayLike, x2: ArrayLike, /, *, axis: int = -1) -> Any:
    """Sum the products of vectors along an axis, those of the first conjugated."""
    return np.vecdot(np.moveaxis(operand(x1), axis, -1), np.moveaxis(operand(x2), axis, -1))


def _draw_matmul(draw: Draw) -> Case:
    k = draw.integer(0, 3)
    return (draw.array((2, k)), draw.array(draw.choice([(k,), (k, 3), (2, k, 3)]))), {}


@composite(np.linalg.matmul, samples=_draw_matmul)
def linalg_matmul(x1: ArrayLike, x2: ArrayLike, /) -> Any:
    """Multiply matrices; see `numpy.matmul`."""
    return np.matmul(x1, x2)


def _draw_tensordot(draw: Draw) -> Case:
    a = draw.array((2, 3, 4))
    return draw.choice(
        [
            ((a, draw.array((3, 4, 2))), {"axes": 2}),
            ((a, draw.array((4, 2))), {"axes": ([0, -1], [1, 0])}),
        ]
    )


@composite(np.linalg.tensordot, samples=_draw_tensordot)
def linalg_tensordot(x1: ArrayLike, x2: ArrayLike, /, *, axes: Any = 2) -> Any:
    """Sum over pairs of axes; see `numpy.tensordot`."""
    return np.tensordot(x1, x2, axes)


def _draw_matrices(draw: Draw) -> Case:
    return (draw.array(draw.shape(min_ndim=2)),), {"offset": draw.integer(-2, 2)}


@composite(np.linalg.trace, samples=_draw_matrices)
def linalg_trace(x: ArrayLike, /, *, offset: int = 0, dtype: DTypeLike = None) -> Any:
    """Sum the diagonals of the matrices of the last two axes."""
    return np.trace(x, offset, -2, -1, dtype)


@composite(np.linalg.diagonal, samples=_draw_matrices)
def linalg_diagonal(x: ArrayLike, /, *, offset: int = 0) -> Any:
    """Read the diagonals of the matrices of the last two axes."""
    return np.diagonal(x, offset, -2, -1)


def _draw_stack(draw: Draw) -> Case:
    return (draw.array(draw.shape(min_ndim=2)),), {}


@composite(np.linalg.matrix_transpose, samples=_draw_stack)
def linalg_matrix_transpose(x: ArrayLike, /) -> Any:
    """Exchange the last two axes."""
    return np.matrix_transpose(x)


# ---- locally constant ---------------------------------------------------------------------------


def _draw_path(draw: Draw) -> Case:
    arrays: list[Array] = [draw.array((2, 3)), draw.array((3, 4)), draw.array((4, 2))]
    return ("ij,jk,kl->il", *arrays), {"optimize": draw.choice(["greedy", "optimal"])}


constant(np.einsum_path, samples=_draw_path, steps=False)
