"""Functions that join arrays, and cut them into pieces."""

import operator
from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from tensorgrad.engine.declare import composite, linear
from tensorgrad.engine.primitive import Case
from tensorgrad.engine.tensor import Tensor
from tensorgrad.errors import ShapeError, UnsupportedError, explain
from tensorgrad.ops.dispatch import operand, refuse
from tensorgrad.ops.reductions import one_axis
from tensorgrad.ops.shape import copy_, reshape_
from tensorgrad.typing import Array, ArrayLike, Draw, DTypeLike, Shape

# which conversions are allowed
Casting: TypeAlias = Literal["no", "equiv", "safe", "same_kind", "same_value", "unsafe"]


def _concatenate(*xs: Array, axis: int) -> Array:
    return np.concatenate(xs, axis=axis)


def _piece(xs_shape: Sequence[Shape], argnum: int, axis: int) -> tuple[slice, ...]:
    start = sum(shape[axis] for shape in xs_shape[:argnum])
    return (slice(None),) * axis + (slice(start, start + xs_shape[argnum][axis]),)


def _draw_concatenate(draw: Draw) -> Case:
    shape = draw.shape(min_ndim=1)
    axis = draw.integer(0, len(shape) - 1)
    sides = [draw.integer(0, 3) for _ in range(draw.integer(1, 3))]
    xs = [draw.array((*shape[:axis], side, *shape[axis + 1 :])) for side in sides]
    return tuple(xs), {"axis": axis}


concatenate_ = linear(
    _concatenate,
    lambda g, xs_shape, argnum, axis: g[_piece(xs_shape, argnum, axis)],
    samples=_draw_concatenate,
)

# ---- joining and splitting ----------------------------------------------------------------------


def _draw_join(draw: Draw) -> Case:
    xs, params = _draw_concatenate(draw)
    axis = draw.choice([params["axis"], params["axis"] - xs[0].ndim, None])
    return (list(xs),), {"axis": axis, **_draw_casting(draw)}


def _draw_casting(draw: Draw) -> dict[str, str]:
    return {"casting": draw.choice(["same_kind", "unsafe"])}


def _cast(function: str, xs: list[Any], dtype: DTypeLike, casting: Casting) -> list[Any]:
    dtype = np.result_type(*(x.dtype for x in xs)) if dtype is None else np.dtype(dtype)
    for x in xs:
        if not np.can_cast(x.dtype, dtype, casting):
            rule = f"By this casting {x.dtype} does not become {dtype}."
            remedy = "Convert with .astype first, or pass casting='unsafe'."
            raise UnsupportedError(explain(function, rule, remedy, casting=casting))
    return [x.astype(dtype) for x in xs]


@composite(np.concatenate, np.concat, samples=_draw_join)
def concatenate(
    arrays: Sequence[ArrayLike],
    /,
    axis: int | None = 0,
    out: None = None,
    *,
    dtype: DTypeLike = None,
    casting: Casting = "same_kind",
) -> Any:
    """Join along an axis that exists; None joins the flattened arrays."""
    refuse("np.concatenate", out=out)
    if axis is None and dtype is None:  # only here the numbers of Python give way to arrays
        exact = np.result_type(
            *(x if type(x) in (int, float, complex) else operand(x).dtype for x in arrays)
        )
        arrays = [
            np.asarray(x).astype(exact) if type(x) in (int, float, complex) else x for x in arrays
        ]
    xs = [operand(x) for x in arrays]
    if dtype is not None or casting != "same_kind":
        xs = _cast("np.concatenate", xs, dtype, casting)
    if axis is None:
        return concatenate_(*(np.ravel(x) for x in xs), axis=0)
    if not xs or xs[0].ndim == 0:
        raise ShapeError(
            explain(
                "np.concatenate",
                "At least one array of one or more axes is needed.",
                "Use np.stack for numbers.",
                arrays=len(xs),
            )
        )
    return concatenate_(*xs, axis=one_axis(axis, xs[0].ndim))


def _draw_stack(draw: Draw) -> Case:
    shape = draw.shape(max_ndim=2)
    xs = [draw.array(shape) for _ in range(draw.integer(1, 3))]
    return (xs,), {"axis": draw.integer(-len(shape) - 1, len(shape)), **_draw_casting(draw)}


@composite(np.stack, samples=_draw_stack)
def stack(
    arrays: Sequence[ArrayLike],
    axis: int = 0,
    out: None = None,
    *,
    dtype: DTypeLike = None,
    casting: Casting = "same_kind",
) -> Any:
    """Join arrays of one shape along a new axis."""
    refuse("np.stack", out=out)
    xs = [np.expand_dims(x, axis) for x in map(operand, arrays)]
    return np.concatenate(xs, axis=axis, dtype=dtype, casting=casting)


def _draw_append(draw: Draw) -> Case:
    (xs,), params = _draw_join(draw)
    row = [1.5, draw.array(())]
    return draw.choice([((xs[0], xs[-1]), {"axis": params["axis"]}), ((xs[0], row), {})])


@composite(
    np.append,
    samples=_draw_append,
    reference=lambda arr, values, axis=None: np.append(arr, values, axis),
)
def append(arr: ArrayLike, values: ArrayLike, axis: int | None = None) -> Any:
    """Join two arrays along an axis; None joins the flattened arrays."""
    return np.concatenate([operand(arr), stacked(values)], axis)


def _draw_block(draw: Draw) -> Case:
    n, m, k = (draw.integer(0, 3) for _ in range(3))
    row = [draw.array((n,)), draw.array(draw.choice([(), (2,)])), 1.5]
    rows = [
        [draw.array((n, m)), draw.array((n, 2))],
        [draw.array((k, 2)), draw.array((k, m))],
    ]
    return (draw.choice([row, rows, [[row]], draw.array(draw.shape())]),), {}


@composite(np.block, samples=_draw_block)
def block(arrays: Any) -> Any:
    """Join nested lists of arrays: the innermost along the last axis, the next one before it.

    All of them are as deep as each other; arrays of fewer axes get more in front.
    """
    depth = _depth(arrays)
    if depth == 0:
        return copy_(operand(arrays))
    return _joined(arrays, depth, max(depth, *(operand(x).ndim for x in _leaves(arrays))))


def _depth(arrays: Any) -> int:
    if isinstance(arrays, tuple):
        raise UnsupportedError(
            explain("np.block", "Blocks are in lists.", "Use lists, not tuples.", tuple=len(arrays))
        )
    if not isinstance(arrays, list):
        return 0
    depths = {_depth(item) for item in arrays}
    if len(depths) != 1:
        rule = "Lists are not empty, and all as deep as each other."
        raise ShapeError(explain("np.block", rule, "Wrap arrays in lists.", depths=sorted(depths)))
    return depths.pop() + 1


def _joined(arrays: Any, depth: int, ndim: int) -> Any:
    if depth == 0:
        x = operand(arrays)
        return np.reshape(x, (1,) * (ndim - x.ndim) + x.shape)
    return np.concatenate([_joined(item, depth - 1, ndim) for item in arrays], axis=-depth)


def stacked(x: ArrayLike) -> Any:
    """Return x as an array; numbers and Tensors in nested lists are stacked."""
    if isinstance(x, (list, tuple)) and any(isinstance(leaf, Tensor) for leaf in _leaves(x)):
        return np.stack([stacked(item) for item in x])
    return operand(x)


def _leaves(x: Any) -> Iterator[Any]:
    if isinstance(x, (list, tuple)):
        for item in x:
            yield from _leaves(item)
    else:
        yield x


def _draw_same(draw: Draw) -> Case:
    shape = draw.shape()
    return ([draw.array(shape) for _ in range(draw.integer(1, 3))],), {}


def _draw_same_cast(draw: Draw) -> Case:
    return _draw_same(draw)[0], _draw_casting(draw)


@composite(np.vstack, samples=_draw_same_cast)
def vstack(
    tup: Sequence[ArrayLike], *, dtype: DTypeLike = None, casting: Casting = "same_kind"
) -> Any:
    """Join along the first axis, numbers and rows as matrices."""
    xs = [np.atleast_2d(x) for x in map(operand, tup)]
    return np.concatenate(xs, axis=0, dtype=dtype, casting=casting)


@composite(np.hstack, samples=_draw_same_cast)
def hstack(
    tup: Sequence[ArrayLike], *, dtype: DTypeLike = None, casting: Casting = "same_kind"
) -> Any:
    """Join along the second axis, rows along the first."""
    xs = [np.atleast_1d(x) for x in map(operand, tup)]
    axis = 0 if xs and xs[0].ndim == 1 else 1
    return np.concatenate(xs, axis=axis, dtype=dtype, casting=casting)


@composite(np.dstack, samples=_draw_same)
def dstack(tup: Sequence[ArrayLike]) -> Any:
    """Join along the third axis."""
    return np.concatenate([np.atleast_3d(x) for x in map(operand, tup)], axis=2)


@composite(np.column_stack, samples=_draw_same)
def column_stack(tup: Sequence[ArrayLike]) -> Any:
    """Join rows as the columns of a matrix."""
    xs = [operand(x) for x in tup]
    return np.concatenate([reshape_(x, shape=(x.size, 1)) if x.ndim < 2 else x for x in xs], axis=1)


def _pieces(function: str, a: Any, sections: Any, axis: int, *, equal: bool) -> list[Any]:
    a = operand(a)
    axis = one_axis(axis, a.ndim)
    side = a.shape[axis]
    if np.ndim(sections) == 0:
        n = int(sections)
        if n <= 0 or (equal and side % n):
            raise ShapeError(
                explain(
                    function,
                    "The side must divide into equal pieces.",
                    "Use np.array_split for unequal ones.",
                    side=side,
                    sections=n,
                )
            )
        small, larger = divmod(side, n)
        cuts = [i * small + min(i, larger) for i in range(1, n)]
    else:
        cuts = [operator.index(i) for i in sections]
    lead = (slice(None),) * axis
    return [a[(*lead, slice(i, j))] for i, j in zip([0, *cuts], [*cuts, side], strict=True)]


def _draw_split(draw: Draw) -> Case:
    shape = draw.shape(min_ndim=1)
    axis = draw.integer(0, len(shape) - 1)
    x = draw.array((*shape[:axis], 6, *shape[axis + 1 :]))
    cuts = draw.choice([1, 2, 3, [1, 4], [2, 2, 9], [-2], [4, 1]])
    return (x, cuts), {"axis": draw.choice([axis, axis - x.ndim])}


def _draw_array_split(draw: Draw) -> Case:
    (x, cuts), params = _draw_split(draw)
    return (x, draw.choice([cuts, 4, 7])), params


@composite(np.split, samples=_draw_split)
def split(ary: ArrayLike, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    """Cut into equal pieces, or at indices."""
    return _pieces("np.split", ary, indices_or_sections, axis, equal=True)


@composite(np.array_split, samples=_draw_array_split)
def array_split(
    ary: ArrayLike, indices_or_sections: int | Sequence[int], axis: int = 0
) -> list[Any]:
    """Cut into pieces that are as equal as possible, or at indices."""
    return _pieces("np.array_split", ary, indices_or_sections, axis, equal=False)


def _draw_split_along(draw: Draw, min_ndim: int) -> Case:
    x = draw.array((4,) * draw.integer(min_ndim, 3))
    return (x, draw.choice([2, [1, 3]])), {}


def _split_along(function: str, ary: Any, sections: Any, axis: int, min_ndim: int) -> list[Any]:
    ary = operand(ary)
    if ary.ndim < min_ndim:
        raise ShapeError(
            explain(
                function, f"At least {min_ndim} axes are needed.", "Use np.split.", ndim=ary.ndim
            )
        )
    return _pieces(function, ary, sections, axis, equal=True)


@composite(np.vsplit, samples=lambda draw: _draw_split_along(draw, 2))
def vsplit(ary: ArrayLike, indices_or_sections: int | Sequence[int]) -> list[Any]:
    """Cut along the first of at least two axes."""
    return _split_along("np.vsplit", ary, indices_or_sections, 0, 2)


@composite(np.hsplit, samples=lambda draw: _draw_split_along(draw, 1))
def hsplit(ary: ArrayLike, indices_or_sections: int | Sequence[int]) -> list[Any]:
    """Cut along the second axis, a row along its only one."""
    axis = 0 if operand(ary).ndim == 1 else 1
    return _split_along("np.hsplit", ary, indices_or_sections, axis, 1)


@composite(np.dsplit, samples=lambda draw: _draw_split_along(draw, 3))
def dsplit(ary: ArrayLike, indices_or_sections: int | Sequence[int]) -> list[Any]:
    """Cut along the third axis."""
    return _split_along("np.dsplit", ary, indices_or_sections, 2, 3)


def _draw_unstack(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_ndim=1))
    return (x,), {"axis": draw.integer(-x.ndim, x.ndim - 1)}


@composite(np.unstack, samples=_draw_unstack)
def unstack(x: ArrayLike, /, *, axis: int = 0) -> tuple[Any, ...]:
    """Take apart along an axis, which goes away."""
    x = operand(x)
    axis = one_axis(axis, x.ndim)
    return tuple(x[(slice(None),) * axis + (i,)] for i in range(x.shape[axis]))
