"""Reading and writing the entries of each example: ``x[index]``, where either may be batched."""

import math
from typing import Any

import numpy as np

from tensorgrad.errors import explain
from tensorgrad.transforms.batching.batched import (
    Batched,
    Levels,
    OneByOneError,
    batched,
    full,
    levels_of,
    sides,
    spread,
)
from tensorgrad.typing import Array, Shape

Index = Any


def getitem(x: Array, /, *, index: Index) -> Array:
    """Read ``x[index]`` in each example."""
    items = _items(index, np.ndim(x))
    if not levels_of(items):
        # the hidden axes are the last ones, which no index reaches, and no array in it displaces
        h = len(x.levels)
        return batched(_to_front(_to_back(x.data, h)[items], h), x.levels)
    if not isinstance(x, Batched):
        return _read_at(x, items)
    # (..., entries of an example) read at the numbers that the index gives to these
    shape = tuple(x.shape)
    places = _read_at(np.arange(math.prod(shape)).reshape(shape), items)
    levels = levels_of([x, places])
    rows = full(np.reshape(x, (x.size,)), levels)
    at = full(places, levels)
    flat = np.take_along_axis(rows, at.reshape((*sides(levels), -1 if at.size else 0)), -1)
    return Batched(flat.reshape(at.shape), levels)


def setitem(x: Array, v: Array, /, *, index: Index) -> Any:
    """Return x with v written to ``x[index]``, in each example."""
    mask = index[0] if isinstance(index, tuple) and len(index) == 1 else index
    if isinstance(mask, Batched) and mask.dtype == bool:
        return _set_where(x, v, mask)
    items = _items(index, np.ndim(x))
    levels = levels_of([x, v, *items])
    if levels_of(items):
        places, values = _flat(np.shape(x), items, v, levels)
        rows = np.array(full(np.reshape(x, (np.size(x),)), levels))
        np.put_along_axis(rows, places, values, -1)
        return Batched(rows.reshape((*sides(levels), *np.shape(x))), levels)
    written = _to_back(np.array(full(x, levels)), len(levels))
    written[items] = _aligned(v, levels, written[items].ndim - len(levels))
    return Batched(_to_front(written, len(levels)), levels)


def scatter(x: Array, /, *, index: Index, shape: Shape) -> Any:
    """Add the entries of x into zeros where the index reads them, in each example."""
    items = _items(index, len(shape))
    levels = levels_of([x, *items])
    total: Array = np.zeros((*sides(levels), *shape), x.dtype)
    if levels_of(items):
        places, values = _flat(shape, items, x, levels)
        grid = np.ogrid[tuple(map(slice, places.shape))]
        rows = total.reshape((*sides(levels), math.prod(shape)))
        np.add.at(rows, (*grid[:-1], places), values)
        return Batched(total, levels)
    np.add.at(_to_back(total, len(levels)), items, _aligned(x, levels, np.ndim(x)))
    return Batched(total, levels)


def _to_back(data: Array, h: int) -> Array:
    return np.moveaxis(data, tuple(range(h)), tuple(range(-h, 0)))


def _to_front(data: Array, h: int) -> Array:
    return np.moveaxis(data, tuple(range(-h, 0)), tuple(range(h)))


def _aligned(v: Array, levels: Levels, ndim: int) -> Array:
    """Return v with ndim axes, and the hidden ones after them."""
    data = full(v, levels)
    extra = np.ndim(v) - ndim  # NumPy takes more axes, of length 1
    h = len(levels)
    seen = (1,) * -extra + data.shape[h:] if extra <= 0 else data.shape[h + extra :]
    return _to_back(data.reshape(data.shape[:h] + seen), h)


def _items(index: Index, ndim: int) -> tuple[Any, ...]:
    """Return an index as a tuple with slices in place of an ellipsis, and none left out."""
    items = index if isinstance(index, tuple) else (index,)
    for item in items:
        if isinstance(item, Batched) and item.dtype == bool:
            raise OneByOneError(
                explain(
                    "getitem",
                    "Under vmap a mask would select a different number of entries in each example.",
                    "Use np.where(mask, x, other), which keeps the shape.",
                    mask_shape=tuple(item.shape),
                )
            )
    dots = [i for i, item in enumerate(items) if item is Ellipsis]
    missing = ndim - sum(map(_axes_read, items))
    if len(dots) > 1 or missing < 0:
        raise IndexError("too many indices for array")
    place = dots[0] if dots else len(items)
    return (*items[:place], *(slice(None),) * missing, *items[place + 1 :])


def _axes_read(item: Any) -> int:
    if item is None or item is Ellipsis or isinstance(item, (bool, np.bool_)):
        return 0
    return item.ndim if isinstance(item, np.ndarray) and item.dtype == bool else 1


def _read_at(x: Array, items: tuple[Any, ...]) -> Array:
    """Read a plain array at an index in which some arrays are batched."""
    levels = levels_of(items)
    parts: list[Any] = []
    for item in items:  # a mask of several axes becomes an array for each
        mask = isinstance(item, np.ndarray) and item.dtype == bool
        parts.extend(np.nonzero(item) if mask else [item])
    arrays = [i for i, part in enumerate(parts) if not isinstance(part, (slice, type(None)))]
    ndim = max(np.ndim(parts[i]) for i in arrays)
    for i in arrays:
        if isinstance(parts[i], Batched):
            _require_inside(parts[i], x.shape[sum(map(_axes_read, parts[:i]))])
            parts[i] = spread(parts[i], levels, ndim)
    # what the arrays read stands where they do, or first if something stands between them
    together = arrays == list(range(arrays[0], arrays[-1] + 1))
    place = arrays[0] if together else 0
    read = x[tuple(parts)]
    h = len(levels)
    return Batched(np.moveaxis(read, tuple(range(place, place + h)), tuple(range(h))), levels)


def _require_inside(places: Batched, side: int) -> None:
    if places.data.size and (places.data.min() < -side or places.data.max() >= side):
        raise IndexError(f"index is out of bounds for axis with size {side}")


def _flat(shape: Shape, items: tuple[Any, ...], v: Array, levels: Levels) -> tuple[Array, Array]:
    """Return where an index writes, as numbers of entries in a row, and v laid out so."""
    h = len(levels)
    places = full(_read_at(np.arange(math.prod(shape)).reshape(shape), items), levels)
    values = _to_front(_aligned(v, levels, places.ndim - h), h)
    row = (*sides(levels), math.prod(places.shape[h:]))
    return places.reshape(row), np.broadcast_to(values, places.shape).reshape(row)


def _set_where(x: Array, v: Array, mask: Batched) -> Any:
    rest = np.ndim(x) - mask.ndim
    if np.ndim(v) > rest:
        raise OneByOneError(
            explain(
                "setitem",
                "Under vmap a mask would select a different number of entries in each example.",
                "Use np.where(mask, v, x), with v of the shape of x.",
                mask_shape=tuple(mask.shape),
                value_shape=tuple(np.shape(v)),
            )
        )
    wide = np.reshape(mask, (*mask.shape, *(1,) * rest))
    written: Any = np.where(wide, v, x)
    return written.astype(x.dtype)
