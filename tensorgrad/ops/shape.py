"""Functions that arrange the entries in another shape, or the axes in another order."""

import math
from collections.abc import Callable, Sequence
from operator import index
from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite, constant, elementwise, linear
from tensorgrad.engine.primitive import Case
from tensorgrad.errors import ShapeError, explain
from tensorgrad.ops.dispatch import constant_value, operand
from tensorgrad.ops.reductions import all_axes, one_axis
from tensorgrad.typing import Array, ArrayLike, Axis, Draw, Shape

# ---- primitives ---------------------------------------------------------------------------------


def _reshape(x: Array, /, *, shape: Shape) -> Array:
    return np.reshape(x, shape)


def _transpose(x: Array, /, *, axes: Shape) -> Array:
    return np.transpose(x, axes)


def _broadcast_to(x: Array, /, *, shape: Shape) -> Array:
    return np.broadcast_to(x, shape)


def _copy(x: Array, /) -> Array:
    return np.copy(x)


def draw_one(draw: Draw) -> Case:
    """Draw one array of any shape."""
    return (draw.array(draw.shape()),), {}


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
copy_ = elementwise(_copy, lambda g: g)

# ---- shape --------------------------------------------------------------------------------------


def sides(shape: int | Sequence[int]) -> Shape:
    """Return a shape as a tuple of integers, from any form in which NumPy takes it."""
    if np.ndim(shape) == 0:
        return (index(shape),)  # type: ignore[arg-type]
    return tuple(map(index, shape))  # type: ignore[arg-type]


def _in_reading_order(function: str, a: Any, order: str | None, among: str) -> Any:
    """Permute the axes so that to read the result in C order is to read a in the order named.

    A and K ask how the value lies in memory, as NumPy does: A is F for what lies in F order only,
    and K takes the axes from the longest stride to the shortest.
    """
    named = (order or "C").upper()
    if named not in tuple(among):
        raise ShapeError(
            explain(function, f"An order is one of {', '.join(among)}.", "Use C.", order=order)
        )
    value = constant_value(a)
    if named in "AK" and not isinstance(value, np.ndarray):
        named = "C"  # a duck array, of which nobody knows how it lies
    if named == "A":
        named = "F" if value.flags.fnc else "C"
    if named == "C":
        return a
    if named == "F":
        return np.transpose(a)
    # NumPy lays a result of a ufunc out in the order in which it walks through the argument
    strides: Shape = np.logical_not(value).strides
    return np.transpose(a, sorted(range(a.ndim), key=lambda i: -strides[i]))


def _draw_order(draw: Draw) -> dict[str, str]:
    return {"order": draw.choice(["C", "F", "f"])}


def _draw_reshape_call(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_side=1))
    shape = draw.choice([-1, (-1,), x.shape[::-1], (1, -1)])
    return (x, shape), {**_draw_order(draw), "copy": draw.choice([None, True])}


@composite(np.reshape, samples=_draw_reshape_call)
def reshape(
    a: ArrayLike,
    /,
    shape: int | Shape,
    order: str = "C",
    *,
    copy: bool | None = None,
) -> Any:
    """Arrange the entries in another shape, read and written in the order named."""
    a = operand(a)
    shape = sides(shape)
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
    if copy is False:
        # raises where it takes a copy
        np.reshape(constant_value(a), shape, order, copy=False)  # type: ignore[call-overload]
    read = _in_reading_order("np.reshape", a, order, "CFA")
    # F order is C order with the axes reversed on both sides
    y = reshape_(a, shape=shape) if read is a else np.transpose(reshape_(read, shape=shape[::-1]))
    return copy_(y) if copy else y


def _draw_ravel(draw: Draw) -> Case:
    return (draw.array(draw.shape()),), _draw_order(draw)


@composite(np.ravel, samples=_draw_ravel)
def ravel(a: ArrayLike, order: str = "C") -> Any:
    """Lay all entries in one row, in the order named."""
    a = _in_reading_order("np.ravel", operand(a), order, "CFAK")
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
            explain("np.transpose", "Every axis must be named once.", axes=axes, ndim=a.ndim)
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


def _draw_moveaxis(draw: Draw) -> Case:
    (x, source, place), _ = _draw_two_axes(draw)
    several = tuple(draw.permutation(x.ndim))[: draw.integer(0, x.ndim)]
    places = tuple(i - x.ndim for i in draw.permutation(x.ndim))[: len(several)]
    return (x, *draw.choice([(source, place), (several, places)])), {}


@composite(np.moveaxis, samples=_draw_moveaxis)
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


def _draw_rollaxis(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_ndim=1))
    return (x, draw.integer(-x.ndim, x.ndim - 1), draw.integer(-x.ndim, x.ndim)), {}


@composite(np.rollaxis, samples=_draw_rollaxis)
def rollaxis(a: ArrayLike, axis: int, start: int = 0) -> Any:
    """Move an axis to stand before the one that is at start."""
    ndim = operand(a).ndim
    axis = one_axis(axis, ndim)
    before = one_axis(start, ndim + 1) if start >= 0 else one_axis(start, ndim)
    return np.moveaxis(a, axis, before - (axis < before))


def _draw_expand(draw: Draw) -> Case:
    x = draw.array(draw.shape())
    axis = draw.integer(-x.ndim - 1, x.ndim)
    return (x, draw.choice([axis, (0, -1)])), {}


@composite(np.expand_dims, samples=_draw_expand)
def expand_dims(a: ArrayLike, axis: int | Shape) -> Any:
    """Insert sides of length 1."""
    a = operand(a)
    new = sides(axis)
    ndim = a.ndim + len(new)
    places = np.lib.array_utils.normalize_axis_tuple(new, ndim)
    others = iter(a.shape)
    return reshape_(a, shape=tuple(1 if i in places else next(others) for i in range(ndim)))


def _draw_squeeze(draw: Draw) -> Case:
    x = draw.array((1, *draw.shape(max_ndim=2), 1))
    return (x,), {"axis": draw.choice([None, 0, (0, -1), ()])}


@composite(np.squeeze, samples=_draw_squeeze)
def squeeze(a: ArrayLike, axis: Axis = None) -> Any:
    """Drop sides of length 1."""
    a = operand(a)
    if axis is None or (a.ndim == 0 and axis in (0, -1)):
        axes = tuple(i for i in range(a.ndim) if a.shape[i] == 1)
    else:
        axes = all_axes(axis, a.ndim)
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
    return broadcast_to_(array, shape=sides(shape))


def _draw_broadcastable(draw: Draw) -> Case:
    return tuple(map(draw.array, draw.broadcastable(draw.integer(1, 3)))), {}


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


@composite(np.copy, samples=draw_one)
def copy(a: ArrayLike, order: str = "K", subok: bool = False) -> Any:  # noqa: ARG001
    """Return a tensor of its own: it may be written to. How it lies in memory is not promised."""
    return copy_(a)


# ---- what is known of a tensor without looking at its values ------------------------------------

constant(np.shape, np.ndim, np.size, np.iscomplexobj, np.isrealobj, steps=False)
constant(np.result_type, np.common_type, np.min_scalar_type, steps=False)
constant(np.can_cast, samples=lambda draw: ((draw.array(()).dtype, np.float32), {}), steps=False)
constant(np.array_repr, np.array_str, np.array2string, steps=False)
constant(
    np.may_share_memory,
    np.shares_memory,
    samples=lambda draw: ((draw.array(()), draw.array(())), {}),
)
