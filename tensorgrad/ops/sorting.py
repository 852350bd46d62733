"""Putting entries in order.

The order is a constant; the entries follow it. Entries that tie share the derivative equally, each
place among them getting the average: the order in which equal entries are put is nobody's.
"""

from collections import Counter
from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite, constant, general
from tensorgrad.engine.primitive import Case
from tensorgrad.ops.dispatch import constant_value, operand, refuse
from tensorgrad.ops.indexing import scatter
from tensorgrad.ops.reductions import one_axis
from tensorgrad.typing import DISTINCT, Array, ArrayLike, Domain, Draw

# ---- primitives, along the last axis ------------------------------------------------------------


def _order(x: Array) -> Array:
    return np.argsort(x, axis=-1, kind="stable")


def _ties(ranked: Array) -> Array:
    """Number the groups of equal entries in rows that are in order."""
    first: Array = np.ones(ranked.shape, dtype=bool)
    first[..., 1:] = ranked[..., 1:] != ranked[..., :-1]
    return np.cumsum(first).reshape(first.shape) - 1


def _carried(v: Array, start: Array, end: Array) -> Array:
    """Carry v, which belongs to the entries of start, to where these are in end.

    The rows of end are those of start in another order. What belongs to equal entries is averaged.
    """
    start, end = constant_value(start), constant_value(end)
    order = _order(start)
    v = np.take_along_axis(v, order, axis=-1)
    group = _ties(np.take_along_axis(start, order, axis=-1))
    sizes = np.bincount(group.ravel())
    if sizes.size < group.size:
        v = (scatter(v, index=group, shape=sizes.shape) / sizes)[group]
    return np.take_along_axis(v, _order(_order(end)), axis=-1)


def _ranks(x: Array) -> Array:
    order = _order(x)
    group = _ties(np.take_along_axis(x, order, axis=-1))
    return np.take_along_axis(group, _order(order), axis=-1)


def _tied(x: Array) -> Array:
    ranks = _ranks(x)
    return np.bincount(ranks.ravel())[ranks] > 1


def _sort(x: Array, /, *, kind: Any, stable: bool | None) -> Array:
    return np.sort(x, axis=-1, kind=kind, stable=stable)


def _partition(x: Array, /, *, kth: Any) -> Array:
    return np.partition(x, kth, axis=-1)


def draw_rows(draw: Draw, min_side: int = 0, *, alike: int = 2) -> Array:
    """Draw rows, also of whole numbers, in which no value comes more often than alike.

    The middle one of three that tie follows no single entry, and of those that tie in a partition
    NumPy's algorithm chooses which comes first.
    """
    x = draw.array(draw.shape(min_ndim=1, min_side=min_side), DISTINCT)
    seen: Counter[Any] = Counter()
    entry: Any
    for place, entry in np.ndenumerate(x):
        x[place] += 10 * (seen[entry] // alike)
        seen[entry] += 1
    return x


def _draw_kth(draw: Draw, side: int) -> Any:
    return draw.choice([0, [0, -1], draw.integer(-side, side - 1)])


def _draw_sort_rows(draw: Draw) -> Case:
    kind = draw.choice([None, "stable"])
    return (draw_rows(draw),), {"kind": kind, "stable": None}


def _draw_partition_rows(draw: Draw) -> Case:
    x = draw_rows(draw, min_side=1, alike=1)
    return (x,), {"kth": _draw_kth(draw, x.shape[-1])}


sort_, partition_ = (
    general(
        fun,
        lambda g, x, ans: _carried(g, ans, x),
        lambda t, x, ans: _carried(t, x, ans),
        samples=samples,
        branches=lambda x: _ranks(x),
        singular=lambda ans: _tied(ans),
    )
    for fun, samples in ((_sort, _draw_sort_rows), (_partition, _draw_partition_rows))
)

# ---- NumPy's functions --------------------------------------------------------------------------


def _along(axis: int | None, a: ArrayLike, arrange: Any) -> Any:
    """Arrange the rows along an axis, or the flattened array."""
    a = np.ravel(a) if axis is None else operand(a)
    axis = one_axis(-1 if axis is None else axis, a.ndim)
    if axis == a.ndim - 1:
        return arrange(a)
    return np.moveaxis(arrange(np.moveaxis(a, axis, -1)), -1, axis)


def _draw_axis(draw: Draw, ndim: int) -> int | None:
    return draw.choice([-1, None, draw.integer(-ndim, ndim - 1)])


def _draw_sort(draw: Draw) -> Case:
    x = draw_rows(draw)
    params = {"axis": _draw_axis(draw, x.ndim)}
    return (x,), params | draw.choice([{}, {"kind": "stable"}, {"stable": True}])


@composite(np.sort, samples=_draw_sort)
def sort(
    a: ArrayLike,
    axis: int | None = -1,
    kind: str | None = None,
    order: None = None,
    *,
    stable: bool | None = None,
) -> Any:
    """Put the entries along an axis in order; entries that tie share the gradient equally."""
    refuse("np.sort", order=order)
    return _along(axis, a, lambda rows: sort_(rows, kind=kind, stable=stable))


@composite(np.sort_complex, samples=lambda draw: ((draw_rows(draw),), {}))
def sort_complex(a: ArrayLike) -> Any:
    """Put the entries along the last axis in order, as complex numbers."""
    ordered = np.sort(a)
    return ordered.astype(np.sort_complex(np.zeros(1, ordered.dtype)).dtype)


def _draw_partition(draw: Draw) -> Case:
    x = draw_rows(draw, min_side=1, alike=1)
    axis = _draw_axis(draw, x.ndim)
    kth = _draw_kth(draw, x.size if axis is None else x.shape[axis])
    return (x, kth), {"axis": axis, "kind": "introselect"}


@composite(np.partition, samples=_draw_partition)
def partition(
    a: ArrayLike,
    kth: ArrayLike,
    axis: int | None = -1,
    kind: str = "introselect",
    order: None = None,
) -> Any:
    """Put some entries along an axis where ``sort`` would, the others on the right side of them.

    Entries that tie share the gradient equally.
    """
    refuse("np.partition", order=order, kind=None if kind == "introselect" else kind)
    kth = constant_value(kth)
    return _along(axis, a, lambda rows: partition_(rows, kth=kth))


# ---- locally constant ---------------------------------------------------------------------------


def _draw_argpartition(draw: Draw) -> Case:
    return (draw_rows(draw, min_side=1), 0), {}


def _draw_keys(draw: Draw) -> Case:
    shape = draw.shape(min_ndim=1)
    return ((draw.array(shape, DISTINCT), draw.array(shape, DISTINCT)),), {}


def _draw_digitize(draw: Draw) -> Case:
    bins = np.arange(-2, 3) * draw.choice([1.0, -1.0])
    x = draw.array(draw.shape(), Domain(-3, 3, avoid=(-2.0, -1.0, 0.0, 1.0, 2.0)))
    return (x, bins), {"right": draw.boolean()}


constant(np.argpartition, samples=_draw_argpartition)
constant(np.lexsort, samples=_draw_keys)
constant(np.digitize, samples=_draw_digitize)
