"""Medians, percentiles and quantiles: entries, and points between entries, of rows in order.

Each lies at a place in its sorted row. Where the place is a step function of q, no gradient reaches
q; where the quantile moves along the line between two entries, one does.
"""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite
from tensorgrad.engine.primitive import Case
from tensorgrad.engine.tensor import Tensor
from tensorgrad.errors import ShapeError, UnsupportedError, explain
from tensorgrad.ops.dispatch import NoValue, constant_value, operand, refuse
from tensorgrad.ops.elementwise import singular_where
from tensorgrad.ops.reductions import all_axes, keeps
from tensorgrad.typing import Array, ArrayLike, Axis, Domain, Draw

# Where quantile q of n entries lies, counted from 0: n * q + (a + q * (1 - a - b)) - 1.
_CONTINUOUS = {
    "linear": (1.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "interpolated_inverted_cdf": (0.0, 1.0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}
# Which entry it is.
_DISCRETE: dict[str, Callable[[Any, Any], Any]] = {
    "inverted_cdf": lambda n, q: np.ceil(n * q - 1),
    "closest_observation": lambda n, q: _closest(n * q - 1 - 0.5),
    "lower": lambda n, q: np.floor((n - 1) * q),
    "higher": lambda n, q: np.ceil((n - 1) * q),
    "nearest": lambda n, q: np.rint((n - 1) * q),
}
# Which two entries it is the average of.
_AVERAGED: dict[str, Callable[[Any, Any], tuple[Any, Any]]] = {
    "averaged_inverted_cdf": lambda n, q: (np.ceil(n * q - 1), np.floor(n * q)),
    "midpoint": lambda n, q: (np.floor((n - 1) * q), np.ceil((n - 1) * q)),
}


def _closest(place: Any) -> Any:
    # the even one, counted from 1, of two that are equally close
    below = np.floor(place)
    return np.where((place == below) & (below % 2 == 1), below, below + 1)


# ---- sorted rows --------------------------------------------------------------------------------


def _rows(a: Any, axes: tuple[int, ...]) -> Any:
    """Lay the entries along the axes in one row each: (kept sides, entries)."""
    kept = tuple(i for i in range(a.ndim) if i not in axes)
    moved = np.transpose(a, (*kept, *axes))
    sides = moved.shape[: len(kept)]
    return np.reshape(moved, (*sides, math.prod(moved.shape[len(kept) :])))


def _entry(ranked: Any, place: Any, n: Any) -> Any:
    """Read from each row the entry at a place, of n: (q sides, kept sides)."""
    places = np.clip(constant_value(place), 0, np.maximum(n - 1, 0)).astype(np.intp)
    return ranked[(*np.indices(ranked.shape[:-1], sparse=True), places)]


def _numbers(rows: Any) -> Any:
    """Count the entries of each row that are not NaN."""
    return np.asarray(np.sum(~np.isnan(constant_value(rows)), axis=-1))


def _middle(ranked: Any, n: Any) -> Any:
    return _entry(ranked, (n - 1) // 2, n) / 2 + _entry(ranked, n // 2, n) / 2


def _quantile_of_rows(ranked: Any, n: Any, q: Any, method: str, *, weak: bool) -> Any:
    """Return quantiles of sorted rows with n entries that count, for q of (q sides, 1, ...)."""
    if isinstance(n, np.ndarray) and q.dtype.kind == "f":
        n = n.astype(q.dtype)  # a Python number would take its precision as well
    if method in _DISCRETE:
        return _entry(ranked, _DISCRETE[method](n, q), n)
    if method in _AVERAGED:
        low, high = (_entry(ranked, place, n) for place in _AVERAGED[method](n, q))
        precision = low if weak and low.dtype.kind == "f" else q
        half = precision.dtype.type(0.5) if precision.dtype.kind == "f" else np.float64(0.5)
        return high - (high - low) * half
    start, end = _CONTINUOUS[method]
    place = (n - 1) * q if method == "linear" else n * q + (start + q * (1 - start - end)) - 1
    if place.dtype.kind in "iu":
        return _entry(ranked, place, n)
    below = np.clip(constant_value(np.floor(place)), 0, np.maximum(n - 1, 0)).astype(place.dtype)
    here, above = _entry(ranked, below, n), _entry(ranked, below + 1, n)
    slope = above - here
    if (
        isinstance(q, Tensor) and q.requires_grad
    ):  # at an entry the derivative by q is the average of both sides'
        mean = (above - _entry(ranked, below - 1, n)) / 2
        inside = (constant_value(q) > 0) & (constant_value(q) < 1)
        at_entry = (constant_value(place) == below) & inside & np.isfinite(constant_value(mean))
        last = constant_value(place) == n - 1
        left = here - _entry(ranked, below - 1, n)
        slope = np.where(at_entry, mean, np.where(last, left, slope))
    else:
        at_entry = False
    outside = (constant_value(place) < 0) | (constant_value(place) > n - 1)
    fraction = np.where(outside, np.zeros((), place.dtype), place - below)
    if weak and here.dtype.kind == "f":
        fraction = fraction.astype(here.dtype)
    slope = np.where(outside, np.zeros((), slope.dtype), slope)
    # from the nearer end, as NumPy does: an infinite one counts only on its side
    nearer = constant_value(fraction) < 0.5
    y = np.where(nearer, here + fraction * slope, above - (1 - fraction) * slope)
    return singular_where(at_entry, y)


def _weighted_of_rows(rows: Any, weights: Any, q: Any) -> Any:
    """Return the first entries up to which the weights make up a share q of all."""
    values, weights, q = (constant_value(x) for x in (rows, weights, q))
    order = np.argsort(values, axis=-1)
    place = _weighted_place(np.take_along_axis(weights, order, axis=-1), q)
    y = _entry(np.sort(rows, axis=-1), place, rows.shape[-1])
    return _moved_by_weight(y, rows, weights, q, order) if isinstance(rows, Tensor) else y


def _weighted_place(weights: Array, q: Any) -> Any:
    """Return how many of the weights, in order, make up less than a share q of all."""
    share = np.cumsum(weights, axis=-1, dtype=np.float64)
    share = share / share[..., -1:]
    if np.isnan(share).any():
        raise ShapeError(
            explain("np.quantile", "The sum of weights is a number that is not zero.", "")
        )
    share = share.astype(q.dtype) if q.dtype.kind == "f" else share
    share = np.where(share == 0, -1, share)  # what has no weight is no quantile, even for q = 0
    return np.sum(share < np.expand_dims(q, -1), axis=-1)


def _moved_by_weight(y: Any, rows: Any, weights: Array, q: Array, order: Array) -> Any:
    """Return quantiles that, of equal entries, move with those that can be the quantile.

    Left to itself, each moves with all of them alike: that is right where they weigh the same.
    """
    values, picked = constant_value(rows), np.expand_dims(constant_value(y), -1)
    tied = (values == picked) & np.isfinite(picked)
    wide = np.broadcast_to(weights, tied.shape)
    lightest = np.min(wide, axis=-1, where=tied, initial=np.inf)
    uneven = lightest < np.max(wide, axis=-1, where=tied, initial=-np.inf)
    if values.dtype.kind != "f" or not uneven.any():
        return y
    parts = np.zeros(tied.shape, values.dtype)
    shares = np.broadcast_to(q, uneven.shape)
    for cell in map(tuple, np.argwhere(uneven)):
        row = cell[tied.ndim - values.ndim :]  # without the axes of q
        parts[cell] = _parts_of_tied(tied[cell], weights[row], shares[cell], order[row])
    start = np.where(uneven[..., None], picked, 0)
    # zeros, which change no value, and have the derivatives that are wanted
    moves = start - np.where(tied & uneven[..., None], rows, start)
    return np.where(uneven, picked[..., 0] - np.sum(moves * parts, axis=-1), y)


ORDERS = 32  # of equal entries, at most


def _parts_of_tied(tied: Array, weights: Array, q: Any, order: Array) -> Array:
    """Return in which part of the orders of equal entries each of them is the quantile.

    The orders are rotations, in which one after the other comes first. An entry may be the quantile
    in all of them, by its weight: then the quantile moves with this one alone.
    """
    (places,) = np.nonzero((tied & (weights > 0))[order])
    starts = range(0, len(places), -(-len(places) // ORDERS))
    parts = np.zeros(len(weights))
    for start in starts:
        turned = order.copy()
        turned[places] = np.roll(order[places], -start)
        parts[turned[_weighted_place(weights[turned], q)]] += 1 / len(starts)
    return parts


# ---- what the functions have in common ----------------------------------------------------------


def _quantile(
    function: str,
    a: Any,
    q: Any,
    axis: Axis,
    method: str,
    keepdims: bool,
    weights: ArrayLike,
    *,
    weak: bool,
    skip_nan: bool = False,
) -> Any:
    if a.dtype.kind == "c":
        raise UnsupportedError(
            explain(function, "Complex numbers have no order.", "Use np.real(x).", dtype="complex")
        )
    if method not in {*_CONTINUOUS, *_DISCRETE, *_AVERAGED}:
        names = ", ".join([*_CONTINUOUS, *_DISCRETE, *_AVERAGED])
        raise ShapeError(explain(function, f"The methods are {names}.", method=method))
    values = constant_value(q)
    if q.ndim > 2 or not ((values >= 0) & (values <= 1)).all():
        raise ShapeError(
            explain(
                function,
                "Shares lie between 0 and 1, percentages between 0 and 100.",
                "Pass a number, or a row of them.",
                q=values,
            )
        )
    axes = all_axes(axis, a.ndim)
    rows = _rows(a, axes)
    shares = np.reshape(q, q.shape + (1,) * (rows.ndim - 1))
    may_be_nan = rows.dtype.kind == "f"
    n = _numbers(rows) if skip_nan and may_be_nan else rows.shape[-1]
    if weights is not None:
        if method != "inverted_cdf":
            raise UnsupportedError(
                explain(
                    function,
                    "Only one method takes weights.",
                    'Pass method="inverted_cdf".',
                    method=method,
                )
            )
        w = _rows(_weights_like(function, a, weights, axis), axes)
        if skip_nan and may_be_nan:
            nothing = np.isnan(constant_value(rows))
            w = np.where(nothing, np.expand_dims(n == 0, -1) * 1.0, w)
        y = _weighted_of_rows(rows, w, shares)
        ranked = np.sort(rows, axis=-1)
    else:
        ranked = np.sort(rows, axis=-1)
        y = _quantile_of_rows(ranked, n, shares, method, weak=weak)
    if may_be_nan and not skip_nan:
        y = _nan_with(ranked[..., -1], y)
    if keepdims:
        sides = tuple(1 if i in axes else side for i, side in enumerate(a.shape))
        y = np.reshape(y, q.shape + sides)
    return y


def _nan_with(last: Any, y: Any) -> Any:
    """Return NaN where the greatest entry is: it comes after all numbers."""
    found = np.isnan(last)
    return np.where(found, last, y) if constant_value(found).any() else y


def _weights_like(function: str, a: Any, weights: ArrayLike, axis: Axis) -> Array:
    """Return the weights, of the shape of a or of its axes, as an array of a's shape."""
    w = np.asarray(constant_value(weights))
    if w.shape != a.shape:
        axes = np.lib.array_utils.normalize_axis_tuple(() if axis is None else axis, a.ndim)
        if axis is None or w.shape != tuple(a.shape[i] for i in axes):
            raise ShapeError(
                explain(
                    function,
                    "Weights have the shape of the array, or of the axes that are named.",
                    "Pass axis=.",
                    shape=a.shape,
                    weights_shape=w.shape,
                    axis=axis,
                )
            )
        w = np.transpose(w, np.argsort(axes))
        w = np.reshape(w, tuple(side if i in axes else 1 for i, side in enumerate(a.shape)))
    if (w < 0).any():
        raise ShapeError(explain(function, "Weights are not negative.", weights=w))
    return np.broadcast_to(w, a.shape)


def _is_weak(q: Any) -> bool:
    return type(q) in (int, float)


# ---- NumPy's functions --------------------------------------------------------------------------


def _apart(draw: Draw, min_ndim: int = 0) -> Array:
    """Draw an array whose entries are distinct; of whole numbers, two may tie."""
    shape = draw.shape(min_ndim=min_ndim, min_side=1)
    x = draw.array(shape, Domain(-1.5, 1.5))
    places = np.array(draw.permutation(math.prod(shape)), x.real.dtype)
    return np.asarray(x + 4 * (1 + np.reshape(places, shape)))


def _draw_axes(draw: Draw, ndim: int) -> dict[str, Any]:
    axes = tuple(i - ndim * draw.boolean() for i in range(ndim) if draw.boolean())
    axis = draw.choice([None, axes, draw.integer(-ndim, ndim - 1)]) if ndim and axes else None
    return {"axis": axis, "keepdims": draw.boolean(), "overwrite_input": draw.boolean()}


def _draw_median(draw: Draw) -> Case:
    x = _apart(draw)
    return (x,), _draw_axes(draw, x.ndim)


def _draw_quantile(draw: Draw) -> Case:
    x = _apart(draw, min_ndim=1)
    # within the bounds whatever is drawn, and 1/2 for zeros; of another shape than x
    q = draw.array(draw.choice([(), (5,)]), Domain(0.2, 1.4)).real
    q = np.asarray(0.5 + 0.45 * np.sin(q))
    params = _draw_axes(draw, x.ndim)
    if draw.integer(0, 4) == 4:
        params["weights"] = np.asarray(1.5 + np.sin(draw.array(x.shape).real))
        return (x, q), {**params, "method": "inverted_cdf"}
    return (x, q), {**params, "method": draw.choice([*_CONTINUOUS, *_DISCRETE, *_AVERAGED])}


def _draw_percentile(draw: Draw) -> Case:
    (x, q), params = _draw_quantile(draw)
    return (x, np.asarray(100 * q)), params


@composite(np.median, samples=_draw_median)
def median(
    a: ArrayLike,
    axis: Axis = None,
    out: None = None,
    overwrite_input: bool = False,  # noqa: ARG001  # NumPy promises nothing about it
    keepdims: bool = False,
) -> Any:
    """Take the middle entry over axes, or the average of both."""
    refuse("np.median", out=out)
    return _median(operand(a), axis, keepdims, skip_nan=False)


def _median(a: Any, axis: Axis, keepdims: bool, *, skip_nan: bool) -> Any:
    axes = all_axes(axis, a.ndim)
    rows = _rows(a, axes)
    may_be_nan = a.dtype.kind in "fc"
    n = _numbers(rows) if skip_nan and may_be_nan else rows.shape[-1]
    if rows.shape[-1] == 0:
        y = np.mean(rows, axis=-1)
    else:
        if skip_nan and np.any(n == 0):
            warnings.warn("All-NaN slice encountered", RuntimeWarning, stacklevel=4)
        ranked = np.sort(rows, axis=-1)
        y = _middle(ranked, n)
        if may_be_nan and not skip_nan:
            y = _nan_with(ranked[..., -1], y)
    sides = tuple(1 if i in axes else side for i, side in enumerate(a.shape))
    return np.reshape(y, sides) if keepdims else y


@composite(np.quantile, samples=_draw_quantile)
def quantile(
    a: ArrayLike,
    q: ArrayLike,
    axis: Axis = None,
    out: None = None,
    overwrite_input: bool = False,  # noqa: ARG001
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: ArrayLike = None,
) -> Any:
    """Take the entries below which a share q of all lies; differentiable by q where it moves."""
    refuse("np.quantile", out=out)
    return _quantile(
        "np.quantile", operand(a), operand(q), axis, method, keepdims, weights, weak=_is_weak(q)
    )


@composite(np.percentile, samples=_draw_percentile)
def percentile(
    a: ArrayLike,
    q: ArrayLike,
    axis: Axis = None,
    out: None = None,
    overwrite_input: bool = False,  # noqa: ARG001
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: ArrayLike = None,
) -> Any:
    """Take the entries below which q percent lie; differentiable by q where it moves."""
    refuse("np.percentile", out=out)
    share = operand(np.true_divide(operand(q), 100))
    return _quantile(
        "np.percentile", operand(a), share, axis, method, keepdims, weights, weak=_is_weak(q)
    )


@composite(np.nanmedian, samples=_draw_median)
def nanmedian(
    a: ArrayLike,
    axis: Axis = None,
    out: None = None,
    overwrite_input: bool = False,  # noqa: ARG001
    keepdims: bool = NoValue,
) -> Any:
    """Take the middle of the entries that are not NaN."""
    refuse("np.nanmedian", out=out)
    return _median(operand(a), axis, keeps(keepdims), skip_nan=True)


@composite(np.nanquantile, samples=_draw_quantile)
def nanquantile(
    a: ArrayLike,
    q: ArrayLike,
    axis: Axis = None,
    out: None = None,
    overwrite_input: bool = False,  # noqa: ARG001
    method: str = "linear",
    keepdims: bool = NoValue,
    *,
    weights: ArrayLike = None,
) -> Any:
    """Take quantiles of the entries that are not NaN."""
    refuse("np.nanquantile", out=out)
    return _quantile(
        "np.nanquantile",
        operand(a),
        operand(q),
        axis,
        method,
        keeps(keepdims),
        weights,
        weak=_is_weak(q),
        skip_nan=True,
    )


@composite(np.nanpercentile, samples=_draw_percentile)
def nanpercentile(
    a: ArrayLike,
    q: ArrayLike,
    axis: Axis = None,
    out: None = None,
    overwrite_input: bool = False,  # noqa: ARG001
    method: str = "linear",
    keepdims: bool = NoValue,
    *,
    weights: ArrayLike = None,
) -> Any:
    """Take percentiles of the entries that are not NaN."""
    refuse("np.nanpercentile", out=out)
    return _quantile(
        "np.nanpercentile",
        operand(a),
        operand(np.true_divide(operand(q), 100)),
        axis,
        method,
        keeps(keepdims),
        weights,
        weak=_is_weak(q),
        skip_nan=True,
    )
