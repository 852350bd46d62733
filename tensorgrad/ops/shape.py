"""Functions that move, join and repeat entries without computing with them."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite, constant, elementwise, linear
from tensorgrad.engine.primitive import Case
from tensorgrad.engine.tensor import Tensor
from tensorgrad.errors import ShapeError, UnsupportedError, explain
from tensorgrad.ops.dispatch import NoValue, constant_value, operand, refuse
from tensorgrad.ops.reductions import all_axes, one_axis
from tensorgrad.typing import Array, ArrayLike, Axis, Draw, DTypeLike, Shape

# ---- primitives ---------------------------------------------------------------------------------


def _reshape(x: Array, /, *, shape: Shape) -> Array:
    return np.reshape(x, shape)


def _transpose(x: Array, /, *, axes: Shape) -> Array:
    return np.transpose(x, axes)


def _broadcast_to(x: Array, /, *, shape: Shape) -> Array:
    return np.broadcast_to(x, shape)


def _flip(x: Array, /, *, axis: tuple[int, ...]) -> Array:
    return np.flip(x, axis)


def _roll(x: Array, /, *, shift: tuple[int, ...], axis: tuple[int, ...]) -> Array:
    return np.roll(x, shift, axis)


def _pad(x: Array, /, *, widths: tuple[tuple[int, int], ...]) -> Array:
    return np.pad(x, widths)


def _concatenate(*xs: Array, axis: int) -> Array:
    return np.concatenate(xs, axis=axis)


def _copy(x: Array, /) -> Array:
    return np.copy(x)


def _inner(x_shape: Shape, widths: tuple[tuple[int, int], ...]) -> tuple[slice, ...]:
    return tuple(slice(low, low + side) for side, (low, _) in zip(x_shape, widths, strict=True))


def _piece(xs_shape: Sequence[Shape], argnum: int, axis: int) -> tuple[slice, ...]:
    start = sum(shape[axis] for shape in xs_shape[:argnum])
    return (slice(None),) * axis + (slice(start, start + xs_shape[argnum][axis]),)


def _draw_reshape(draw: Draw) -> Case:
    x = draw.array(draw.shape())
    return (x,), {"shape": draw.choice([(x.size,), x.shape[::-1], (1, *x.shape, 1)])}


def _draw_transpose(draw: Draw) -> Case:
    x = draw.array(draw.shape())
    return (x,), {"axes": tuple(draw.permutation(x.ndim))}


def _draw_broadcast(draw: Draw) -> Case:
    shape = draw.shape()
    keep = [draw.boolean() for _ in shape]
    x = draw.array(tuple(s if k else 1 for s, k in zip(shape, keep, strict=True)))
    return (x,), {"shape": draw.shape(0, 1) + shape}


def _draw_flip(draw: Draw) -> Case:
    x = draw.array(draw.shape())
    return (x,), {"axis": tuple(i for i in range(x.ndim) if draw.boolean())}


def _draw_roll(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_ndim=1))
    axes = tuple(range(x.ndim))
    return (x,), {"shift": tuple(draw.integer(-5, 5) for _ in axes), "axis": axes}


def _draw_pad(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_ndim=1))
    return (x,), {"widths": tuple((draw.integer(0, 3), draw.integer(0, 3)) for _ in x.shape)}


def _draw_concatenate(draw: Draw) -> Case:
    shape = draw.shape(min_ndim=1)
    axis = draw.integer(0, len(shape) - 1)
    sides = [draw.integer(0, 3) for _ in range(draw.integer(1, 3))]
    xs = [draw.array((*shape[:axis], side, *shape[axis + 1 :])) for side in sides]
    return tuple(xs), {"axis": axis}


def _draw_one(draw: Draw) -> Case:
    return (draw.array(draw.shape()),), {}


reshape_ = linear(
    _reshape, lambda g, x_shape: np.reshape(g, x_shape), samples=_draw_reshape, view=True
)
transpose_ = linear(
    _transpose,
    lambda g, axes: np.transpose(g, sorted(range(len(axes)), key=axes.__getitem__)),
    samples=_draw_transpose,
    view=True,
)
# the transpose sums over the axes that were stretched, as the engine does after every rule
broadcast_to_ = linear(_broadcast_to, lambda g: g, samples=_draw_broadcast, view=True)
flip_ = linear(_flip, lambda g, axis: np.flip(g, axis), samples=_draw_flip, view=True)
roll_ = linear(
    _roll, lambda g, shift, axis: np.roll(g, tuple(-s for s in shift), axis), samples=_draw_roll
)
pad_ = linear(_pad, lambda g, x_shape, widths: g[_inner(x_shape, widths)], samples=_draw_pad)
concatenate_ = linear(
    _concatenate,
    lambda g, xs_shape, argnum, axis: g[_piece(xs_shape, argnum, axis)],
    samples=_draw_concatenate,
)
copy_ = elementwise(_copy, lambda g: g)

# ---- shape --------------------------------------------------------------------------------------


def _draw_reshape_call(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_side=1))
    return (x, draw.choice([-1, (-1,), x.shape[::-1], (1, -1)])), {}


@composite(np.reshape, samples=_draw_reshape_call)
def reshape(
    a: ArrayLike,
    /,
    shape: int | Shape,
    order: str = "C",
    *,
    copy: bool | None = None,
) -> Any:
    """Arrange the entries, in C order, in another shape."""
    _refuse_order("np.reshape", order)
    refuse("np.reshape", copy=False if copy is False else None)
    a = operand(a)
    shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    if -1 in shape:
        known = -math.prod(shape)
        if known <= 0 or a.size % known:
            raise ShapeError(
                explain(
                    "np.reshape",
                    "The sides must multiply to the size of the array, which -1 completes.",
                    "Choose sides that divide the size.",
                    size=a.size,
                    shape=shape,
                )
            )
        shape = tuple(a.size // known if side == -1 else side for side in shape)
    y = reshape_(a, shape=shape)
    return copy_(y) if copy else y


def _refuse_order(function: str, order: str) -> None:
    if order != "C":
        raise UnsupportedError(
            explain(function, "Only C order is supported.", "Transpose first.", order=order)
        )


@composite(np.ravel, samples=_draw_one)
def ravel(a: ArrayLike, order: str = "C") -> Any:
    """Lay all entries in one row."""
    _refuse_order("np.ravel", order)
    a = operand(a)
    return reshape_(a, shape=(a.size,))


def _draw_transpose_call(draw: Draw) -> Case:
    x = draw.array(draw.shape())
    order = tuple(i - x.ndim * draw.boolean() for i in draw.permutation(x.ndim))
    return (x, draw.choice([None, order])), {}


@composite(np.transpose, np.permute_dims, samples=_draw_transpose_call)
def transpose(a: ArrayLike, axes: Sequence[int] | None = None) -> Any:
    """Permute the axes; reverse them by default."""
    a = operand(a)
    if axes is None:
        axes = range(a.ndim)[::-1]
    order = np.lib.array_utils.normalize_axis_tuple(axes, a.ndim)
    if len(order) != a.ndim:
        raise ShapeError(
            explain("np.transpose", "Every axis must be named once.", axes=tuple(axes), ndim=a.ndim)
        )
    return transpose_(a, axes=order)


def _draw_two_axes(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_ndim=1))
    return (x, draw.integer(-x.ndim, x.ndim - 1), draw.integer(-x.ndim, x.ndim - 1)), {}


@composite(np.swapaxes, samples=_draw_two_axes)
def swapaxes(a: ArrayLike, axis1: int, axis2: int) -> Any:
    """Exchange two axes."""
    a = operand(a)
    order = list(range(a.ndim))
    i, j = one_axis(axis1, a.ndim), one_axis(axis2, a.ndim)
    order[i], order[j] = j, i
    return transpose_(a, axes=tuple(order))


@composite(
    np.matrix_transpose,
    samples=lambda draw: ((draw.array(draw.shape(min_ndim=2, max_ndim=4)),), {}),
)
def matrix_transpose(x: ArrayLike, /) -> Any:
    """Exchange the last two axes."""
    return np.swapaxes(x, -1, -2)


@composite(np.moveaxis, samples=_draw_two_axes)
def moveaxis(a: ArrayLike, source: int | Shape, destination: int | Shape) -> Any:
    """Move axes to other places; the others keep their order."""
    ndim = operand(a).ndim
    sources, places = (
        np.lib.array_utils.normalize_axis_tuple(axes, ndim, name)
        for axes, name in ((source, "source"), (destination, "destination"))
    )
    if len(sources) != len(places):
        raise ShapeError(
            explain(
                "np.moveaxis",
                "Every axis to be moved needs a place.",
                "Name as many places as axes.",
                source=source,
                destination=destination,
            )
        )
    order = [i for i in range(ndim) if i not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return np.transpose(a, order)


def _draw_expand(draw: Draw) -> Case:
    x = draw.array(draw.shape())
    axis = draw.integer(-x.ndim - 1, x.ndim)
    return (x, draw.choice([axis, (0, -1)])), {}


@composite(np.expand_dims, samples=_draw_expand)
def expand_dims(a: ArrayLike, axis: int | Shape) -> Any:
    """Insert sides of length 1."""
    a = operand(a)
    new = (axis,) if isinstance(axis, (int, np.integer)) else tuple(axis)
    places = np.lib.array_utils.normalize_axis_tuple(new, a.ndim + len(new))
    sides = iter(a.shape)
    ndim = a.ndim + len(new)
    return reshape_(a, shape=tuple(1 if i in places else next(sides) for i in range(ndim)))


def _draw_squeeze(draw: Draw) -> Case:
    x = draw.array((1, *draw.shape(max_ndim=2), 1))
    return (x,), {"axis": draw.choice([None, 0, (0, -1)])}


@composite(np.squeeze, samples=_draw_squeeze)
def squeeze(a: ArrayLike, axis: Axis = None) -> Any:
    """Drop sides of length 1."""
    a = operand(a)
    axes = [i for i in range(a.ndim) if a.shape[i] == 1] if axis is None else all_axes(axis, a.ndim)
    if any(a.shape[i] != 1 for i in axes):
        raise ShapeError(
            explain(
                "np.squeeze", "Only sides of length 1 can be dropped.", shape=a.shape, axis=axis
            )
        )
    return reshape_(a, shape=tuple(side for i, side in enumerate(a.shape) if i not in axes))


def _draw_broadcast_call(draw: Draw) -> Case:
    (x,), params = _draw_broadcast(draw)
    return (x, params["shape"]), {}


@composite(np.broadcast_to, samples=_draw_broadcast_call)
def broadcast_to(array: ArrayLike, shape: int | Shape, subok: bool = False) -> Any:  # noqa: ARG001
    """Repeat the array along new axes and sides of length 1."""
    shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    return broadcast_to_(array, shape=shape)


def _draw_broadcastable(draw: Draw) -> Case:
    return tuple(map(draw.array, draw.broadcastable(2))), {}


@composite(np.broadcast_arrays, samples=_draw_broadcastable)
def broadcast_arrays(*args: ArrayLike, subok: bool = False) -> tuple[Any, ...]:  # noqa: ARG001
    """Broadcast arrays to their common shape."""
    xs = [operand(a) for a in args]
    shape = np.broadcast_shapes(*(x.shape for x in xs))
    return tuple(broadcast_to_(x, shape=shape) for x in xs)


def _atleast(n: int, place: Callable[[int], tuple[int, int]]) -> Callable[..., Any]:
    """Make the function that raises arrays to n axes; place(ndim) is how many before and after."""

    def raised(a: ArrayLike) -> Any:
        a = operand(a)
        before, after = place(a.ndim)
        return a if a.ndim >= n else reshape_(a, shape=(1,) * before + a.shape + (1,) * after)

    def atleast(*arys: ArrayLike) -> Any:
        return raised(arys[0]) if len(arys) == 1 else tuple(map(raised, arys))

    return atleast


def _draw_some(draw: Draw) -> Case:
    return tuple(draw.array(draw.shape()) for _ in range(draw.integer(1, 2))), {}


atleast_1d = composite(np.atleast_1d, samples=_draw_some)(_atleast(1, lambda ndim: (1 - ndim, 0)))
atleast_2d = composite(np.atleast_2d, samples=_draw_some)(_atleast(2, lambda ndim: (2 - ndim, 0)))
# (m,) -> (1, m, 1), (m, n) -> (m, n, 1)
atleast_3d = composite(np.atleast_3d, samples=_draw_some)(
    _atleast(3, lambda ndim: (1, 1) if ndim == 1 else (0, 3 - ndim))
)


@composite(np.copy, samples=_draw_one)
def copy(a: ArrayLike, order: str = "K", subok: bool = False) -> Any:  # noqa: ARG001
    """Return a tensor of its own: it may be written to."""
    return copy_(a)


# ---- order --------------------------------------------------------------------------------------


def _draw_flip_call(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_ndim=1))
    return (x,), {"axis": draw.choice([None, -1, 0, (0,), tuple(range(x.ndim))])}


@composite(np.flip, samples=_draw_flip_call)
def flip(m: ArrayLike, axis: Axis = None) -> Any:
    """Reverse the order along axes."""
    return flip_(m, axis=all_axes(axis, operand(m).ndim))


def _draw_matrix(draw: Draw) -> Case:
    return (draw.array(draw.shape(min_ndim=2)),), {}


@composite(np.fliplr, samples=_draw_matrix)
def fliplr(m: ArrayLike) -> Any:
    """Reverse the order along the second axis."""
    return np.flip(m, 1)


@composite(np.flipud, samples=_draw_matrix)
def flipud(m: ArrayLike) -> Any:
    """Reverse the order along the first axis."""
    return np.flip(m, 0)


def _draw_rot90(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_ndim=2))
    return (x,), {"k": draw.integer(-3, 5), "axes": draw.choice([(0, 1), (1, 0), (-1, 0)])}


@composite(np.rot90, samples=_draw_rot90)
def rot90(m: ArrayLike, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    """Turn by k quarters in the plane of two axes, from the first towards the second."""
    m = operand(m)
    first, second = np.lib.array_utils.normalize_axis_tuple(axes, m.ndim)
    k %= 4
    if k == 0:
        return copy_(m)
    if k == 2:
        return np.flip(m, axes)
    if k == 1:
        return np.swapaxes(np.flip(m, second), first, second)
    return np.flip(np.swapaxes(m, first, second), second)


def _draw_roll_call(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_ndim=1))
    return draw.choice(
        [((x, 2), {}), ((x, -3, 0), {}), ((x, (1, 2), (0, -1)), {}), ((x, 1), {"axis": (0, -1)})]
    )


@composite(np.roll, samples=_draw_roll_call)
def roll(a: ArrayLike, shift: int | Sequence[int], axis: Axis = None) -> Any:
    """Rotate the entries along axes, or through the flattened array."""
    a = operand(a)
    if axis is None:
        return np.reshape(np.roll(np.ravel(a), shift, 0), a.shape)
    shifts, axes = np.broadcast_arrays(shift, axis)
    turns = [0] * a.ndim  # an axis may be named twice
    for s, i in zip(shifts.flat, axes.flat, strict=True):
        turns[one_axis(i, a.ndim)] += int(s)
    return roll_(a, shift=tuple(turns), axis=tuple(range(a.ndim)))


# ---- joining and splitting ----------------------------------------------------------------------


def _draw_join(draw: Draw) -> Case:
    xs, params = _draw_concatenate(draw)
    return (list(xs),), {"axis": draw.choice([params["axis"], params["axis"] - xs[0].ndim])}


@composite(np.concatenate, np.concat, samples=_draw_join)
def concatenate(
    arrays: Sequence[ArrayLike],
    /,
    axis: int | None = 0,
    out: None = None,
    *,
    dtype: DTypeLike = None,
    casting: str = NoValue,
) -> Any:
    """Join along an axis that exists; None joins the flattened arrays."""
    refuse("np.concatenate", out=out, casting=casting)
    xs = [operand(x) for x in arrays]
    if dtype is not None:
        xs = [x.astype(dtype) for x in xs]
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
    return (xs,), {"axis": draw.integer(-len(shape) - 1, len(shape))}


@composite(np.stack, samples=_draw_stack)
def stack(
    arrays: Sequence[ArrayLike],
    axis: int = 0,
    out: None = None,
    *,
    dtype: DTypeLike = None,
    casting: str = NoValue,
) -> Any:
    """Join arrays of one shape along a new axis."""
    refuse("np.stack", out=out, casting=casting)
    return np.concatenate(
        [np.expand_dims(x, axis) for x in map(operand, arrays)], axis=axis, dtype=dtype
    )


def _draw_same(draw: Draw) -> Case:
    shape = draw.shape()
    return ([draw.array(shape) for _ in range(draw.integer(1, 3))],), {}


@composite(np.vstack, samples=_draw_same)
def vstack(tup: Sequence[ArrayLike], *, dtype: DTypeLike = None, casting: str = NoValue) -> Any:
    """Join along the first axis, numbers and rows as matrices."""
    refuse("np.vstack", casting=casting)
    return np.concatenate([np.atleast_2d(x) for x in map(operand, tup)], axis=0, dtype=dtype)


@composite(np.hstack, samples=_draw_same)
def hstack(tup: Sequence[ArrayLike], *, dtype: DTypeLike = None, casting: str = NoValue) -> Any:
    """Join along the second axis, rows along the first."""
    refuse("np.hstack", casting=casting)
    xs = [np.atleast_1d(x) for x in map(operand, tup)]
    return np.concatenate(xs, axis=0 if xs and xs[0].ndim == 1 else 1, dtype=dtype)


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
    if isinstance(sections, (int, np.integer)):
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
        cuts = [int(i) for i in sections]
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


# ---- padding and repeating ----------------------------------------------------------------------


def _draw_pad_call(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_side=1, max_ndim=2))
    widths = draw.choice([1, (1, 2), ((0, 2),) * x.ndim or 0, ((3, 1), (2, 0))[: x.ndim] or 0, 0])
    mode = draw.choice(["constant", "edge", "reflect", "symmetric", "wrap"])
    if mode != "constant":
        return (x, widths, mode), {}
    value = draw.array(())
    value = value if np.iscomplexobj(x) or np.isrealobj(value) else value.real.copy()
    return (x, widths), {"constant_values": draw.choice([value, 0, 1.5, (1.0, 2.0)])}


@composite(np.pad, samples=_draw_pad_call)
def pad(array: ArrayLike, pad_width: Any, mode: str = "constant", **kwargs: Any) -> Any:
    """Put a border around: constants, or entries of the array (edge, reflect, symmetric, wrap)."""
    array = operand(array)
    widths = _pad_widths(pad_width, array.ndim)
    if mode == "constant":
        values = kwargs.pop("constant_values", 0)
        refuse("np.pad", **kwargs)
        return _pad_constant(array, widths, values)
    if mode not in ("edge", "reflect", "symmetric", "wrap"):
        raise UnsupportedError(
            explain(
                "np.pad",
                "This mode is not supported for tensors.",
                "Use constant, edge, reflect, symmetric or wrap.",
                mode=mode,
            )
        )
    if kwargs.get("reflect_type") == "even":
        del kwargs["reflect_type"]
    refuse("np.pad", **kwargs)
    padded = copy_(array)
    for axis, width in enumerate(widths):
        if width != (0, 0):
            # which entry comes where
            source = np.pad(np.arange(array.shape[axis]), width, mode)  # type: ignore[call-overload]
            padded = padded[(slice(None),) * axis + (source,)]
    return padded


def _pad_widths(pad_width: Any, ndim: int) -> tuple[tuple[int, int], ...]:
    """Return (before, after) for every axis, from any form in which NumPy takes it."""
    if isinstance(pad_width, dict):
        by_axis = {one_axis(i, ndim): width for i, width in pad_width.items()}
        pad_width = [np.broadcast_to(by_axis.get(i, 0), 2) for i in range(ndim)]
    widths = np.asarray(pad_width)
    if widths.size and (widths.dtype.kind not in "iu" or np.any(widths < 0)):
        raise ShapeError(
            explain(
                "np.pad",
                "Widths are whole numbers, and not negative.",
                "Use indexing to crop.",
                pad_width=pad_width,
            )
        )
    return tuple((int(low), int(high)) for low, high in np.broadcast_to(widths, (ndim, 2)))


def _pad_constant(array: Any, widths: tuple[tuple[int, int], ...], values: ArrayLike) -> Any:
    if not array.ndim:
        return copy_(array)
    padded = pad_(array, widths=widths)
    if isinstance(values, (int, float)) and values == 0:
        return padded
    if isinstance(values, Tensor) and values.size == 1:
        border = np.reshape(values, ()).astype(array.dtype)
    else:  # NumPy's own border around a hole of zeros
        border = np.pad(np.zeros(array.shape, array.dtype), widths, constant_values=values)
    return np.where(np.pad(np.ones(array.shape, bool), widths), padded, border)


def _draw_tile(draw: Draw) -> Case:
    return (draw.array(draw.shape(max_ndim=2)), draw.choice([2, (1, 2), (2, 1, 3), (0,)])), {}


@composite(np.tile, samples=_draw_tile)
def tile(A: ArrayLike, reps: int | Sequence[int]) -> Any:
    """Repeat the whole array along axes."""
    a = operand(A)
    times = (reps,) if isinstance(reps, (int, np.integer)) else tuple(reps)
    times = (1,) * (a.ndim - len(times)) + times
    sides = (1,) * (len(times) - a.ndim) + a.shape
    # (s0, s1) -> (1, s0, 1, s1) -> (r0, s0, r1, s1) -> (r0 s0, r1 s1)
    pairs = tuple(zip(times, sides, strict=True))
    stretched = broadcast_to_(
        reshape_(a, shape=tuple(n for side in sides for n in (1, side))),
        shape=tuple(n for pair in pairs for n in pair),
    )
    return copy_(reshape_(stretched, shape=tuple(r * s for r, s in pairs)))


def _draw_repeat(draw: Draw) -> Case:
    x = draw.array((3, *draw.shape(max_ndim=1)))
    return draw.choice([((x, 2), {}), ((x, 3), {"axis": -1}), ((x, [0, 2, 1]), {"axis": 0})])


@composite(np.repeat, samples=_draw_repeat)
def repeat(a: ArrayLike, repeats: int | Sequence[int], axis: int | None = None) -> Any:
    """Repeat each entry along an axis, or of the flattened array."""
    if axis is None:
        a, axis = np.ravel(a), 0
    a = operand(a)
    axis = one_axis(axis, a.ndim)
    source: Array = np.repeat(np.arange(a.shape[axis]), constant_value(repeats))
    return a[(slice(None),) * axis + (source,)]


# ---- what is known of a tensor without looking at its values ------------------------------------

constant(np.shape, np.ndim, np.size, np.result_type, np.iscomplexobj, np.isrealobj, steps=False)
constant(np.array_repr, np.array_str, np.array2string, steps=False)
constant(
    np.may_share_memory,
    np.shares_memory,
    samples=lambda draw: ((draw.array(()), draw.array(())), {}),
)
