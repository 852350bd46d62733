"""Functions of NumPy that write into their first argument, whose handle then stands for the result.

What comes where is asked of NumPy itself, which writes the numbers of the values in place of them.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tensorgrad.engine.primitive import Case
from tensorgrad.engine.tensor import Tensor
from tensorgrad.ops.dispatch import constant_value
from tensorgrad.ops.indexing import castable, in_place, writable_value
from tensorgrad.typing import Array, ArrayLike, Draw


def _written(
    function: str, a: Any, values: ArrayLike, write: Callable[[Array, ArrayLike], None]
) -> Any:
    """Return a with the values at the places where ``write(a, values)`` leaves them."""
    given, values = values, writable_value(function, a, values)
    # for NumPy's errors; it casts lists and numbers of Python's more freely than arrays
    tried = constant_value(values) if isinstance(values, Tensor) else given
    write(np.array(constant_value(a), order="C"), tried)
    numbers: Array = np.full(a.shape, -1)
    write(numbers, np.arange(values.size).reshape(values.shape))
    kept = numbers < 0
    if kept.all():
        return np.copy(a)
    return np.where(kept, a, np.ravel(values)[np.where(kept, 0, numbers)].astype(a.dtype))


def _values(draw: Draw, x: Array, *, min_size: int = 0) -> Array:
    """Draw a row of values that can be written into x: too few, or too many."""
    v = castable(draw.array((draw.integer(min_size, x.size + 1),)), x)
    return v if np.can_cast(v.dtype, x.dtype) else v.astype(x.dtype)


def _draw_put(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_side=1))
    mode = draw.choice(["raise", "wrap", "clip"])
    bound = x.size if mode == "raise" else 2 * x.size
    ind = [draw.integer(-bound, bound - 1) for _ in range(draw.integer(0, 4))]
    return (x, np.array(ind, dtype=int), _values(draw, x)), {"mode": mode}


@in_place(np.put, samples=_draw_put)
def put(a: ArrayLike, ind: ArrayLike, v: ArrayLike, mode: Any = "raise") -> Any:
    """Write values, again and again if they are few, to places in the flattened array."""
    if np.size(ind):  # an empty list names no places, not even fractions
        ind = constant_value(ind)
    return _written("np.put", a, v, lambda a, v: np.put(a, ind, v, mode))


def _draw_masked(draw: Draw) -> Case:
    x = draw.array(draw.shape())
    mask = np.array([draw.boolean() for _ in range(x.size)], dtype=bool).reshape(x.shape)
    return (x, mask, _values(draw, x, min_size=1)), {}


@in_place(np.place, samples=_draw_masked)
def place(arr: ArrayLike, mask: ArrayLike, vals: ArrayLike) -> Any:
    """Write values one after the other, again and again if they are few, where the mask holds."""
    mask = constant_value(mask)
    return _written("np.place", arr, vals, lambda arr, vals: np.place(arr, mask, vals))


@in_place(np.putmask, samples=_draw_masked)
def putmask(a: ArrayLike, /, mask: ArrayLike, values: ArrayLike) -> Any:
    """Write, where the mask holds, the value at the same place in the values, repeated if few."""
    mask = constant_value(mask)
    return _written("np.putmask", a, values, lambda a, values: np.putmask(a, mask, values))


def _draw_copyto(draw: Draw) -> Case:
    shape, src, where = draw.broadcastable(3)
    shape = np.broadcast_shapes(shape, src, where)
    x = draw.array(shape)
    params = draw.choice([{}, {"where": draw.array(where).real > 0}])
    return (x, castable(draw.array(src), x)), {**params, "casting": "same_kind"}


@in_place(np.copyto, samples=_draw_copyto)
def copyto(
    dst: ArrayLike, src: ArrayLike, casting: Any = "same_kind", where: ArrayLike = True
) -> Any:
    """Write values, broadcast, everywhere or where a mask holds."""
    where = constant_value(where)

    def write(dst: Array, src: ArrayLike) -> None:
        np.copyto(dst, src, casting=casting, where=where)

    return _written("np.copyto", dst, src, write)


def _draw_put_along(draw: Draw) -> Case:
    x, axis = draw.array(draw.choice([(3, 4), (2, 3, 2)])), draw.choice([0, 1, -1, None])
    shape = list(x.shape if axis is not None else (x.size,))
    side = shape[axis or 0]
    shape[axis or 0] = draw.integer(1, side)
    order = np.argsort(draw.array(x.shape if axis is not None else (x.size,)).real, axis=axis)
    places = np.take(order, np.arange(shape[axis or 0]), axis=axis or 0)
    values = castable(draw.array(draw.choice([tuple(shape), (1,) * len(shape), ()])), x)
    return (x, places, values), {"axis": axis}


@in_place(np.put_along_axis, samples=_draw_put_along)
def put_along_axis(arr: ArrayLike, indices: ArrayLike, values: ArrayLike, axis: int | None) -> Any:
    """Write values along an axis by an array of indices, as argsort returns it."""
    indices = constant_value(indices)

    def write(arr: Array, values: ArrayLike) -> None:
        np.put_along_axis(arr, indices, values, axis)

    return _written("np.put_along_axis", arr, values, write)
