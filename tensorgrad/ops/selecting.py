"""Functions of NumPy that read entries by index, or by what is left when some are taken out."""

import math
from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite, constant, linear
from tensorgrad.engine.primitive import Case, Primitive
from tensorgrad.errors import IndexingError, ShapeError, explain
from tensorgrad.ops.dispatch import constant_value, operand, refuse
from tensorgrad.ops.indexing import castable, writable_value
from tensorgrad.ops.reductions import all_axes, one_axis
from tensorgrad.ops.shape import sides
from tensorgrad.typing import Array, ArrayLike, Axis, Draw, Shape


def _along(a: Any, axis: int, places: Any) -> Any:
    return a[(slice(None),) * axis + (places,)]


def _row_or_axis(a: ArrayLike, axis: int | None) -> tuple[Any, int]:
    """Return the array and the axis meant: None means the flattened array."""
    a = operand(a)
    return (np.ravel(a), 0) if axis is None else (a, one_axis(axis, a.ndim))


def _named(obj: Any) -> Any:
    """Return the bare index: integers, or what a mask selects."""
    places = constant_value(obj)
    if isinstance(obj, (list, tuple)) and not places.size:
        return places.astype(int)  # NumPy makes floats of an empty sequence
    return places


# ---- by index -----------------------------------------------------------------------------------


def _draw_take(draw: Draw) -> Case:
    x = draw.array((3, *draw.shape(max_ndim=2, min_side=1)))
    params = {"axis": draw.choice([None, 0, -3 if x.ndim == 3 else 0])}
    places = draw.choice([1, [0, 2, 0], np.array([[1, 0], [-1, 1]])])
    if draw.boolean():
        places, params["mode"] = np.array([-9, 7, 1]), draw.choice(["wrap", "clip"])
    return (x, places), params


@composite(np.take, samples=_draw_take)
def take(
    a: ArrayLike, indices: ArrayLike, axis: int | None = None, out: None = None, mode: str = "raise"
) -> Any:
    """Read entries along an axis, or of the flattened array."""
    refuse("np.take", out=out)
    a, axis = _row_or_axis(np.atleast_1d(a), axis)
    side = a.shape[axis]
    places = operand(_named(indices))
    places = places.astype(int) if places.dtype == bool else places  # here they are 0 and 1
    if mode not in ("raise", "wrap", "clip"):
        rule = "Indices that are out of bounds raise, wrap or clip."
        raise ShapeError(explain("np.take", rule, "Pass one of these.", mode=mode))
    if mode == "wrap" and side:
        places = places % side
    if mode == "clip" and side:
        places = np.clip(places, 0, side - 1)
    return _along(a, axis, places)


def _draw_along(draw: Draw) -> Case:
    shape = draw.choice([(3, 4), (3, 1), (1, 4), (2, 3, 2)])
    x, axis = draw.array(shape), draw.choice([0, 1, -1])
    shape = list(shape)
    shape[axis] = draw.integer(0, 3)
    shape[axis - 1] = draw.choice([shape[axis - 1], 1])  # which is broadcast
    places = [draw.integer(-x.shape[axis], x.shape[axis] - 1) for _ in range(math.prod(shape))]
    return (x, np.array(places, dtype=int).reshape(shape)), {"axis": axis}


@composite(np.take_along_axis, samples=_draw_along)
def take_along_axis(arr: ArrayLike, indices: ArrayLike, axis: int | None = -1) -> Any:
    """Read entries along an axis by an array of indices, as argsort returns it."""
    arr, indices = operand(arr), constant_value(indices)
    if axis is None:
        arr, axis = np.ravel(arr), 0
    if indices.ndim != arr.ndim or indices.dtype.kind not in "iu":
        raise IndexingError(
            explain(
                "np.take_along_axis",
                "Indices are integers, in an array with as many axes as the other.",
                "Use np.take for indices of another shape.",
                indices_shape=indices.shape,
                indices_dtype=str(indices.dtype),
                shape=arr.shape,
            )
        )
    axis = one_axis(axis, arr.ndim)
    grid: list[Any] = list(np.ogrid[tuple(slice(side) for side in arr.shape)])
    grid[axis] = indices
    return arr[tuple(grid)]


def _draw_compress(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_ndim=1))
    axis = draw.choice([None, *range(-x.ndim, x.ndim)])
    side = x.size if axis is None else x.shape[axis]
    return ([draw.boolean() for _ in range(draw.integer(0, side))], x), {"axis": axis}


@composite(np.compress, samples=_draw_compress)
def compress(condition: ArrayLike, a: ArrayLike, axis: int | None = None, out: None = None) -> Any:
    """Keep the entries along an axis, or of the flattened array, where conditions hold."""
    refuse("np.compress", out=out)
    kept = np.asarray(constant_value(condition))
    if kept.ndim != 1:
        rule = "There is one condition for each entry along the axis."
        raise ShapeError(
            explain("np.compress", rule, "Use a[mask] for a mask.", condition_shape=kept.shape)
        )
    a, axis = _row_or_axis(np.atleast_1d(a), axis)
    return _along(a, axis, np.flatnonzero(kept))


def _draw_extract(draw: Draw) -> Case:
    x = draw.array(draw.shape())
    return (draw.array(x.shape) > 0, x), {}


@composite(np.extract, samples=_draw_extract)
def extract(condition: ArrayLike, arr: ArrayLike) -> Any:
    """Return, in a row, the entries where a condition holds."""
    return np.ravel(operand(arr))[np.flatnonzero(constant_value(condition))]


# ---- putting in and taking out ------------------------------------------------------------------


def _draw_obj(draw: Draw, side: int) -> Any:
    mask = np.array([draw.boolean() for _ in range(side)], dtype=bool)
    if not side:
        return draw.choice([slice(None), mask])
    several = [draw.integer(-side, side - 1) for _ in range(draw.integer(0, 3))]
    return draw.choice(
        [several[-1] if several else 0, several, slice(None, None, -2), mask, np.array([side - 1])]
    )


def _draw_delete(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_ndim=1))
    axis = draw.choice([None, *range(-x.ndim, x.ndim)])
    return (x, _draw_obj(draw, x.size if axis is None else x.shape[axis])), {"axis": axis}


@composite(np.delete, samples=_draw_delete)
def delete(arr: ArrayLike, obj: Any, axis: int | None = None) -> Any:
    """Take out what an index reads along an axis, or of the flattened array."""
    arr, axis = _row_or_axis(arr, axis)
    return _along(arr, axis, np.delete(np.arange(arr.shape[axis]), _named(obj)))


def _draw_insert(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_ndim=1, min_side=1))
    axis = draw.choice([None, *range(-x.ndim, x.ndim)])
    side = x.size if axis is None else x.shape[axis]
    obj = draw.choice([_draw_obj(draw, side), side])
    n = len(np.insert(np.arange(side), obj, 0)) - side  # how many are put in
    row = x.shape if axis is not None else (side,)
    place = axis if axis is not None else 0
    one = np.delete(np.empty(row), slice(None), place).shape
    shapes = [(), (1,) * len(row)]
    if not isinstance(obj, int) and np.ndim(obj) != 0 and n != 1:
        shapes.append(tuple(n if side == 0 else side for side in one))
    if isinstance(obj, int) and len(row) > 1:
        shapes.append(tuple(s for i, s in enumerate(row) if i != place % len(row)))
    values = castable(draw.array(draw.choice(shapes)), x)
    return (x, obj, draw.choice([values, 1.5])), {"axis": axis}


@composite(np.insert, samples=_draw_insert)
def insert(arr: ArrayLike, obj: Any, values: ArrayLike, axis: int | None = None) -> Any:
    """Put values, which are cast, in front of what an index reads along an axis."""
    arr, axis = _row_or_axis(arr, axis)
    obj = _named(obj)
    values = writable_value("np.insert", arr, values).astype(arr.dtype)
    side = arr.shape[axis]
    numbers = np.arange(side)
    places = len(np.insert(numbers, obj, 0)) - side
    one_place = not isinstance(obj, slice) and np.ndim(obj) == 0
    if places == 1 and (one_place or np.size(obj) == 1):
        # any number of values come to one place; those for a bare index have no axis for it yet
        values = np.reshape(values, (1,) * (arr.ndim - values.ndim) + values.shape)
        values = np.moveaxis(values, 0, axis) if one_place else values
        places = values.shape[axis]
    # the values follow the entries, and the row is put in order
    shape = (*arr.shape[:axis], places, *arr.shape[axis + 1 :])
    row = np.concatenate([arr, np.broadcast_to(values, shape)], axis)
    return _along(row, axis, np.insert(numbers, obj, side + np.arange(places)))


def _draw_trim(draw: Draw) -> Case:
    # where it is cut jumps with the entries; the laws are about functions that do not
    return (draw.array(draw.shape()),), {"trim": draw.choice(["fb", "f", "B"]), "axis": ()}


@composite(np.trim_zeros, samples=_draw_trim)
def trim_zeros(filt: ArrayLike, trim: str = "fb", axis: Axis = None) -> Any:
    """Cut off the zeros at the front (f) and at the back (b)."""
    filt = operand(filt)
    axes = all_axes(axis, filt.ndim)
    sides_named = trim.lower()
    if sides_named not in ("f", "b", "fb", "bf"):
        rule = "Zeros are at the front (f), at the back (b) or at both."
        raise ShapeError(explain("np.trim_zeros", rule, "Pass f, b or fb.", trim=trim))
    index = [slice(None)] * filt.ndim
    places = np.nonzero(constant_value(filt)) if axes else ()
    for i in axes:
        first, last = (places[i].min(), places[i].max() + 1) if places[i].size else (0, 0)
        index[i] = slice(
            first if "f" in sides_named or not places[i].size else None,
            last if "b" in sides_named or not places[i].size else None,
        )
    return filt[tuple(index)]


# ---- windows ------------------------------------------------------------------------------------


def _windows(x: Array, /, *, window: Shape, axis: Shape) -> Array:
    return np.lib.stride_tricks.sliding_window_view(x, window, axis)


def _overlap(x: Array, /, *, window: Shape, axis: Shape, shape: Shape) -> Array:
    """Add windows up where they were read from: the transpose of reading them."""
    total = np.zeros_like(x, shape=shape)
    for start in np.ndindex(*window):
        index = [slice(None)] * len(shape)
        part = x[(..., *start)]
        for i, first in zip(axis, start, strict=True):
            index[i] = slice(first + (index[i].start or 0), None)
        index = [slice(i.start, (i.start or 0) + n) for i, n in zip(index, part.shape, strict=True)]
        total[tuple(index)] += part
    return total


def _draw_windows(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_ndim=1, min_side=2))
    axes = [*draw.permutation(x.ndim)][: draw.integer(1, 2)]
    axes = [*axes, axes[0]] if draw.boolean() else axes  # an axis may be named twice
    window = tuple(draw.integer(1, 2) if axes.count(i) == 1 else 1 for i in axes)
    return (x,), {"window": window, "axis": tuple(axes)}


def _draw_overlap(draw: Draw) -> Case:
    (x,), params = _draw_windows(draw)
    return (draw.array(_windows(x, **params).shape),), {**params, "shape": x.shape}


windows_: Primitive = linear(
    _windows,
    lambda g, x_shape, window, axis: overlap_(g, window=window, axis=axis, shape=x_shape),
    samples=_draw_windows,
    name="sliding_window_view",
    view=True,
)
overlap_: Primitive = linear(
    _overlap, lambda g, window, axis: windows_(g, window=window, axis=axis), samples=_draw_overlap
)


def _draw_windows_call(draw: Draw) -> Case:
    x = draw.array((3,) * draw.integer(1, 3))
    axis = draw.choice([None, -1, (0, -1)])
    n = x.ndim if axis is None else np.size(axis)
    return (x, tuple(draw.integer(1, 3 - (n > x.ndim)) for _ in range(n))), {"axis": axis}


@composite(np.lib.stride_tricks.sliding_window_view, samples=_draw_windows_call)
def sliding_window_view(
    x: ArrayLike,
    window_shape: int | Shape,
    axis: Axis = None,
    *,
    subok: bool = False,  # noqa: ARG001
    writeable: bool = False,
) -> Any:
    """Return every window of a shape, along axes; they become the last axes."""
    name = "np.lib.stride_tricks.sliding_window_view"
    refuse(name, writeable=writeable or None)
    x = operand(x)
    axes = tuple(one_axis(i, x.ndim) for i in (range(x.ndim) if axis is None else sides(axis)))
    window = sides(window_shape)
    if len(window) != len(axes) or any(
        not 0 <= w <= x.shape[i] for w, i in zip(window, axes, strict=True)
    ):
        raise ShapeError(
            explain(
                name,
                "A window has a side for each axis, none longer than that of the array.",
                "Name the axes that it slides along with axis=.",
                x_shape=x.shape,
                window_shape=window_shape,
                axis=axes,
            )
        )
    return windows_(x, window=window, axis=axes)


constant(
    np.tril_indices_from, np.triu_indices_from, samples=lambda draw: ((draw.array((2, 3)),), {})
)
constant(np.diag_indices_from, samples=lambda draw: ((draw.array((3, 3)),), {}))
constant(np.unravel_index, samples=lambda draw: ((np.arange(draw.integer(0, 6)), (2, 3)), {}))
constant(np.ravel_multi_index, samples=lambda _: ((([0, 1], [2, 0]), (2, 3)), {}))
