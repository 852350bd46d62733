"""Counting by bins: sums of weights, which are differentiated, as are the edges where these move.

Which bin a sample falls into is a constant: a count changes in steps. But the outermost edges are
samples themselves unless a range is given, and a density is divided by the widths of the bins.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite
from tensorgrad.engine.primitive import Case
from tensorgrad.engine.tensor import Tensor
from tensorgrad.ops.dispatch import constant_value, operand
from tensorgrad.ops.indexing import scatter
from tensorgrad.ops.joining import stacked
from tensorgrad.typing import DISTINCT, Array, ArrayLike, Draw

Bins = int | str | ArrayLike | Sequence[Any]


def _stacked(weights: ArrayLike) -> Any:
    return None if weights is None else stacked(weights)


def _draw_bincount(draw: Draw) -> Case:
    n = draw.integer(0, 5)
    places = np.array([draw.integer(0, 6) for _ in range(n)], dtype=int)
    return (places,), {"weights": draw.array((n,)).real.copy(), "minlength": draw.integer(0, 8)}


@composite(np.bincount, samples=_draw_bincount)
def bincount(x: ArrayLike, /, weights: ArrayLike = None, minlength: int = 0) -> Any:
    """Count how often each integer comes, or sum its weights."""
    x, weights = constant_value(x), _stacked(weights)
    value = np.bincount(x, constant_value(weights), minlength)
    if not isinstance(weights, Tensor) or value.dtype.kind != "f":
        return Tensor(value)
    return scatter(weights.astype(value.dtype), index=np.asarray(x, int), shape=value.shape)


# ---- edges --------------------------------------------------------------------------------------


def _plain(v: Any) -> Any:
    return [constant_value(x) for x in v] if isinstance(v, (list, tuple)) else constant_value(v)


def _edges(a: Any, bins: Bins, range: Any, found: Array) -> Any:
    """Return the edges of bins as what they depend on; ``found`` are NumPy's."""
    bins = bins if isinstance(bins, str) else stacked(bins)
    if np.ndim(found) and getattr(bins, "ndim", 0) == 1:
        return np.copy(bins) if isinstance(bins, Tensor) else Tensor(found.copy())
    if range is not None:
        first, last = range
    else:
        first, last = (np.min(a), np.max(a)) if a.size else (0, 1)
    if constant_value(first) == constant_value(last):
        first, last = first - 0.5, last + 0.5
    edges = np.linspace(first, last, found.size)
    return edges.astype(found.dtype) if isinstance(edges, Tensor) else Tensor(found)


def _widths(edges: Any) -> Any:
    return (edges[1:] - edges[:-1]).astype(float)


def _bins(a: Any, found: Array) -> tuple[Array, Array]:
    """Return the bin of each sample, and which samples are in one: the last bin is closed."""
    place = constant_value(np.searchsorted(Tensor(found), a, "right")) - 1
    a, last = constant_value(a), found[-1]
    return np.where(a == last, found.size - 2, place), (a >= found[0]) & (a <= last)


def _heights(weights: ArrayLike, place: Array, inside: Array, counts: Array) -> Any:
    """Return the sum of weights, or the number, of the samples in each bin; counts are NumPy's."""
    if not isinstance(weights, Tensor) or counts.dtype.kind not in "fc":
        return Tensor(counts)
    kept = np.ravel(weights)[inside].astype(np.promote_types(weights.dtype, float))
    flat = scatter(kept, index=place[inside], shape=(counts.size,))
    return np.reshape(flat, counts.shape).astype(counts.dtype)


def _draw_weights(draw: Draw, shape: Any) -> dict[str, Any]:
    return draw.choice([{}, {"weights": draw.array(shape).real + 3.0}])


def _draw_samples(draw: Draw, n: int) -> Array:
    x = draw.array((n,), DISTINCT).real.copy()
    x[:1] = 0.05  # one is in a bin, whatever the range: the density of none is not known
    return x


def _draw_bins(draw: Draw) -> dict[str, Any]:
    edges = np.array([-2.3, -0.6, 0.35, 1.45, 40.0])
    bins = draw.choice([3, edges, 1])
    span = None if bins is edges else draw.choice([None, (-1.55, 1.85)])
    return {"bins": bins, "range": span}


def _draw_edges(draw: Draw) -> Case:
    a = _draw_samples(draw, draw.integer(1, 4))
    return (a,), _draw_bins(draw) | _draw_weights(draw, a.shape)


@composite(np.histogram_bin_edges, samples=_draw_edges)
def histogram_bin_edges(
    a: ArrayLike, bins: Bins = 10, range: Any = None, weights: ArrayLike = None
) -> Any:
    """Return the edges of bins: they move with the outermost samples, unless a range is given."""
    a = operand(a)
    given = map(_plain, (a, bins, range, weights))
    return _edges(a, bins, range, np.histogram_bin_edges(*given))


# ---- histograms ---------------------------------------------------------------------------------


def _draw_histogram(draw: Draw) -> Case:
    (a,), params = _draw_edges(draw)
    return (a,), {**params, "density": draw.choice([None, False, True])}


@composite(np.histogram, samples=_draw_histogram)
def histogram(
    a: ArrayLike,
    bins: Bins = 10,
    range: Any = None,
    density: bool | None = None,
    weights: ArrayLike = None,
) -> Any:
    """Count the samples in each bin, or sum their weights, and return the edges as well.

    Counts are constants. Sums are differentiable by the weights; the edges, and so densities, by
    the outermost samples where no range is given, or by the edges that are.
    """
    a, weights = operand(a), _stacked(weights)
    given = (_plain(v) for v in (a, bins, range, None, weights))
    counts, found = np.histogram(*given)
    edges = _edges(a, bins, range, found)
    heights = _heights(weights, *_bins(np.ravel(a), found), counts)
    return (heights / _widths(edges) / np.sum(heights) if density else heights), edges


def _columns(sample: Any) -> list[Any]:
    """Return the coordinates of points: the columns of a matrix, or the items of a list."""
    if getattr(sample, "ndim", 0) == 2:
        return [sample[:, i] for i in range(sample.shape[1])]
    return list(np.atleast_2d(stacked(sample)))


def _draw_histogramdd(draw: Draw) -> Case:
    n, d = draw.integer(1, 4), draw.integer(1, 3)
    columns = [_draw_samples(draw, n) for _ in range(d)]
    sample = draw.choice([columns, np.stack(columns, axis=1)])
    axes = [_draw_bins(draw) for _ in columns]
    params = draw.choice(
        [
            {"bins": [axis["bins"] for axis in axes], "range": [axis["range"] for axis in axes]},
            {"bins": 3, "range": None},
        ]
    )
    return (sample,), {**params, **_draw_weights(draw, (n,)), "density": draw.choice([None, True])}


@composite(np.histogramdd, samples=_draw_histogramdd)
def histogramdd(
    sample: ArrayLike,
    bins: Any = 10,
    range: Any = None,
    density: bool | None = None,
    weights: ArrayLike = None,
) -> tuple[Any, list[Any]]:
    """Count points in the cells of a grid, or sum their weights; see `histogram`."""
    columns, weights = _columns(sample), _stacked(weights)
    plain = np.stack([constant_value(x) for x in columns], axis=1)
    counts, found = np.histogramdd(plain, *(_plain(v) for v in (bins, range, None, weights)))
    bins = bins if np.iterable(bins) else [bins] * len(columns)
    ranges = [None] * len(columns) if range is None else range
    edges = [_edges(*axis) for axis in zip(columns, bins, ranges, found, strict=True)]
    places, insides = zip(*map(_bins, columns, found), strict=True)
    cells = np.ravel_multi_index(places, counts.shape, mode="clip")  # of those outside, any cell
    heights = _heights(weights, cells, np.logical_and.reduce(insides), counts)
    if density:
        total: Any = np.sum(heights)
        for axis, ends in enumerate(edges):
            others = tuple(i for i, _ in enumerate(edges) if i != axis)
            heights = heights / np.expand_dims(_widths(ends), others)
        heights = heights / total
    return heights, edges


def _draw_histogram2d(draw: Draw) -> Case:
    n = draw.integer(1, 4)
    axis = _draw_bins(draw)
    params = draw.choice(
        [
            {"bins": axis["bins"], "range": axis["range"] and [axis["range"]] * 2},
            {"bins": [axis["bins"], 1], "range": None},
        ]
    )
    params |= {**_draw_weights(draw, (n,)), "density": draw.choice([None, True])}
    return (_draw_samples(draw, n), _draw_samples(draw, n)), params


@composite(np.histogram2d, samples=_draw_histogram2d)
def histogram2d(
    x: ArrayLike,
    y: ArrayLike,
    bins: Any = 10,
    range: Any = None,
    density: bool | None = None,
    weights: ArrayLike = None,
) -> tuple[Any, Any, Any]:
    """Count points in the cells of a plane, or sum their weights; see `histogram`."""
    if hasattr(bins, "__len__") and len(bins) not in (1, 2):
        bins = [bins, bins]
    heights, (x_edges, y_edges) = np.histogramdd(
        [operand(x), operand(y)], bins, range, density, weights
    )
    return heights, x_edges, y_edges
