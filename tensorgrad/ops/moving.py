"""Functions that move entries to other places, or repeat them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite, linear
from tensorgrad.engine.primitive import Case
from tensorgrad.errors import ShapeError, explain
from tensorgrad.ops.dispatch import constant_value, operand
from tensorgrad.ops.reductions import all_axes, one_axis
from tensorgrad.ops.shape import broadcast_to_, copy_, reshape_, sides
from tensorgrad.typing import Array, ArrayLike, Axis, Draw, Shape

# ---- primitives ---------------------------------------------------------------------------------


def _flip(x: Array, /, *, axis: tuple[int, ...]) -> Array:
    return np.flip(x, axis)


def _roll(x: Array, /, *, shift: tuple[int, ...], axis: tuple[int, ...]) -> Array:
    return np.roll(x, shift, axis)


def _draw_flip(draw: Draw) -> Case:
    x = draw.array(draw.shape())
    return (x,), {"axis": tuple(i for i in range(x.ndim) if draw.boolean())}


def _draw_roll(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_ndim=1))
    axes = tuple(range(x.ndim))
    return (x,), {"shift": tuple(draw.integer(-5, 5) for _ in axes), "axis": axes}


flip_ = linear(_flip, lambda g, axis: np.flip(g, axis), samples=_draw_flip, view=True)
roll_ = linear(
    _roll, lambda g, shift, axis: np.roll(g, tuple(-s for s in shift), axis), samples=_draw_roll
)

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
        return m[...]
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


# ---- repeating ----------------------------------------------------------------------------------


def _draw_tile(draw: Draw) -> Case:
    return (draw.array(draw.shape(max_ndim=2)), draw.choice([2, (1, 2), (2, 1, 3), (0,)])), {}


@composite(np.tile, samples=_draw_tile)
def tile(A: ArrayLike, reps: int | Sequence[int]) -> Any:
    """Repeat the whole array along axes."""
    a = operand(A)
    times = sides(reps)
    times = (1,) * (a.ndim - len(times)) + times
    before = (1,) * (len(times) - a.ndim) + a.shape
    # (s0, s1) -> (1, s0, 1, s1) -> (r0, s0, r1, s1) -> (r0 s0, r1 s1)
    pairs = tuple(zip(times, before, strict=True))
    stretched = broadcast_to_(
        reshape_(a, shape=tuple(n for side in before for n in (1, side))),
        shape=tuple(n for pair in pairs for n in pair),
    )
    return copy_(reshape_(stretched, shape=tuple(r * s for r, s in pairs)))


def _draw_repeat(draw: Draw) -> Case:
    x = draw.array((3, *draw.shape(max_ndim=1)))
    return draw.choice(
        [
            ((x, 2), {}),
            ((x, 3), {"axis": -1}),
            ((x, [0, 2, 1]), {"axis": 0}),
            ((x, np.arange(x.size)), {}),
        ]
    )


@composite(np.repeat, samples=_draw_repeat)
def repeat(a: ArrayLike, repeats: int | Sequence[int], axis: int | None = None) -> Any:
    """Repeat each entry along an axis, or of the flattened array."""
    a = operand(a)
    if axis is None or (a.ndim == 0 and axis in (0, -1)):
        a, axis = np.ravel(a), 0
    axis = one_axis(axis, a.ndim)
    source: Array = np.repeat(np.arange(a.shape[axis]), constant_value(repeats))
    return a[(slice(None),) * axis + (source,)]


def _draw_resize(draw: Draw) -> Case:
    return (draw.array(draw.shape()), draw.choice([5, (2, 3), (4, 1, 2), (0, 2), ()])), {}


@composite(np.resize, samples=_draw_resize)
def resize(a: ArrayLike, new_shape: int | Shape) -> Any:
    """Fill another shape with the flattened array, again and again; with zeros if it is empty."""
    a = np.ravel(operand(a))
    shape = sides(new_shape)
    if any(side < 0 for side in shape):
        raise ShapeError(
            explain("np.resize", "A side is 0 or more.", "Use np.reshape for -1.", new_shape=shape)
        )
    if a.size == 0:
        return np.zeros_like(a, shape=shape)
    return a[np.resize(np.arange(a.size), shape)]
