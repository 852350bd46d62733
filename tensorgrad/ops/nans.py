"""The reductions that leave NaNs out: other numbers in their place, or a mask.

They call the reductions themselves: NumPy would not notice that only ``initial`` is a Tensor.
"""

import warnings
from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite, constant
from tensorgrad.engine.primitive import Case
from tensorgrad.ops import reductions as of_all
from tensorgrad.ops.dispatch import NoValue, constant_value, operand, refuse
from tensorgrad.ops.reductions import draw_axes_forms, keeps
from tensorgrad.typing import DISTINCT, Array, ArrayLike, Axis, Domain, Draw, DTypeLike


def _mask(where: Any) -> Any:
    return True if where is NoValue else where


def _numbers(a: Any) -> Any:
    """Return where the entries are not NaN."""
    return ~np.isnan(constant_value(a))


def _replaced(a: ArrayLike, filler: float) -> Any:
    a = operand(a)
    return np.where(_numbers(a), a, a.dtype.type(filler)) if a.dtype.kind in "fc" else a


def _draw_sum(draw: Draw) -> Case:
    x = draw.array(draw.shape())
    params = draw_axes_forms(draw, x.ndim)
    if x.ndim and draw.boolean():  # of a number NumPy does not look at ``where``
        params["where"] = np.asarray(np.arange(x.size).reshape(x.shape) % 3 > 0)
    if draw.boolean():
        params["initial"] = np.asarray(draw.array(()).real)
    return (x,), params


@composite(np.nansum, samples=_draw_sum)
def nansum(
    a: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: None = None,
    keepdims: bool = NoValue,
    initial: ArrayLike = NoValue,
    where: ArrayLike = NoValue,
) -> Any:
    """Sum over axes the entries that are not NaN."""
    refuse("np.nansum", out=out)
    return of_all.sum(
        _replaced(a, 0), axis, dtype, keepdims=keeps(keepdims), initial=initial, where=_mask(where)
    )


@composite(np.nanprod, samples=_draw_sum)
def nanprod(
    a: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: None = None,
    keepdims: bool = NoValue,
    initial: ArrayLike = NoValue,
    where: ArrayLike = NoValue,
) -> Any:
    """Multiply over axes the entries that are not NaN."""
    refuse("np.nanprod", out=out)
    return of_all.prod(
        _replaced(a, 1), axis, dtype, keepdims=keeps(keepdims), initial=initial, where=_mask(where)
    )


def _draw_running(draw: Draw) -> Case:
    x = draw.array(draw.shape())
    return (x,), {"axis": draw.choice([None, *range(-x.ndim, x.ndim)])}


@composite(np.nancumsum, samples=_draw_running)
def nancumsum(
    a: ArrayLike, axis: int | None = None, dtype: DTypeLike = None, out: None = None
) -> Any:
    """Add up along an axis; NaNs count as 0."""
    refuse("np.nancumsum", out=out)
    return np.cumsum(_replaced(a, 0), axis, dtype)


@composite(np.nancumprod, samples=_draw_running)
def nancumprod(
    a: ArrayLike, axis: int | None = None, dtype: DTypeLike = None, out: None = None
) -> Any:
    """Multiply up along an axis; NaNs count as 1."""
    refuse("np.nancumprod", out=out)
    return np.cumprod(_replaced(a, 1), axis, dtype)


def _draw_mean(draw: Draw, domain: Domain = DISTINCT) -> Case:
    x = draw.array(draw.shape(min_side=2), domain)
    params = draw_axes_forms(draw, x.ndim)
    if params.get("axis", ()) != () and draw.boolean():
        mask: Array = np.ones(x.shape, dtype=bool)
        mask[(-1,) * x.ndim] = False
        params["where"] = mask
    return (x,), params


@composite(np.nanmean, samples=_draw_mean)
def nanmean(
    a: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: None = None,
    keepdims: bool = NoValue,
    *,
    where: ArrayLike = NoValue,
) -> Any:
    """Average over axes the entries that are not NaN."""
    refuse("np.nanmean", out=out)
    a, keep = operand(a), keeps(keepdims)
    if a.dtype.kind not in "fc":
        return np.mean(a, axis, dtype, keepdims=keep, where=_mask(where))
    numbers = _numbers(a)
    counts = np.sum(numbers, axis, keepdims=keep, where=_mask(where))
    if np.any(counts == 0):
        warnings.warn("Mean of empty slice", RuntimeWarning, stacklevel=3)
    total = np.nansum(a, axis, dtype, keepdims=keep, where=where)
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / np.asarray(counts, total.real.dtype)


def _draw_var(draw: Draw) -> Case:
    (x,), params = _draw_mean(draw)
    if x.ndim == 0 or params.get("axis") == ():  # the deviation of a single number is 0, a kink
        x, params = np.stack([x, x + 1]), {"axis": 0}
    params["ddof"] = draw.choice([0, 0.5])
    if draw.boolean():
        kept = np.sum(x, axis=params.get("axis"), keepdims=True).shape
        params["mean"] = np.asarray(draw.array(kept, Domain(-4.0, -3.0)).real)
    return (x,), params


@composite(np.nanvar, samples=_draw_var)
def nanvar(
    a: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: None = None,
    ddof: float = 0,
    keepdims: bool = NoValue,
    *,
    where: ArrayLike = NoValue,
    mean: ArrayLike = NoValue,
    correction: float = NoValue,
) -> Any:
    """Return the variance of the entries that are not NaN."""
    refuse("np.nanvar", out=out)
    return _spread(of_all.var, a, axis, dtype, ddof, keepdims, where, mean, correction)


@composite(np.nanstd, samples=_draw_var)
def nanstd(
    a: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: None = None,
    ddof: float = 0,
    keepdims: bool = NoValue,
    *,
    where: ArrayLike = NoValue,
    mean: ArrayLike = NoValue,
    correction: float = NoValue,
) -> Any:
    """Return the standard deviation of the entries that are not NaN."""
    refuse("np.nanstd", out=out)
    return _spread(of_all.std, a, axis, dtype, ddof, keepdims, where, mean, correction)


def _spread(
    function: Any,
    a: Any,
    axis: Axis,
    dtype: DTypeLike,
    ddof: float,
    keepdims: Any,
    where: Any,
    mean: Any,
    correction: Any,
) -> Any:
    a, keep, where = operand(a), keeps(keepdims), _mask(where)
    rest = {"keepdims": keep, "mean": mean, "correction": correction}
    if a.dtype.kind not in "fc":
        return function(a, axis, dtype, ddof=ddof, where=where, **rest)
    if mean is not NoValue and operand(mean).dtype != a.dtype:
        rest["mean"] = operand(mean).astype(a.dtype)
    if a.ndim == 0 and axis in (0, -1):  # which NumPy takes here, and not for all numbers
        axis = None
    numbers = _numbers(a) & constant_value(where)
    freedom = np.sum(numbers, axis, keepdims=keep) - (ddof if correction is NoValue else correction)
    with np.errstate(invalid="ignore", divide="ignore"):
        y = function(a, axis, dtype, ddof=ddof, where=numbers, **rest)
    if np.any(freedom <= 0):
        warnings.warn("Degrees of freedom <= 0 for slice.", RuntimeWarning, stacklevel=4)
        y = np.where(freedom <= 0, y.dtype.type(np.nan), y)
    return y


def _draw_extremum(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_side=1), DISTINCT)
    params = draw_axes_forms(draw, x.ndim)
    if x.ndim and draw.boolean():  # of a number NumPy does not look at ``where``
        params["where"] = np.asarray(np.arange(x.size).reshape(x.shape) % 3 > 0)
    if draw.boolean() or "where" in params:  # below or above all entries
        initial = draw.array((), draw.choice([Domain(-4.0, -3.0), Domain(20.0, 21.0)]))
        params["initial"] = np.asarray(initial.real)
    return (x,), params


@composite(np.nanmax, samples=_draw_extremum)
def nanmax(
    a: ArrayLike,
    axis: Axis = None,
    out: None = None,
    keepdims: bool = NoValue,
    initial: ArrayLike = NoValue,
    where: ArrayLike = NoValue,
) -> Any:
    """Take the greatest of the entries over axes that are not NaN."""
    refuse("np.nanmax", out=out)
    return _extremum(of_all.max, -np.inf, a, axis, keepdims, initial, where)


@composite(np.nanmin, samples=_draw_extremum)
def nanmin(
    a: ArrayLike,
    axis: Axis = None,
    out: None = None,
    keepdims: bool = NoValue,
    initial: ArrayLike = NoValue,
    where: ArrayLike = NoValue,
) -> Any:
    """Take the least of the entries over axes that are not NaN."""
    refuse("np.nanmin", out=out)
    return _extremum(of_all.min, np.inf, a, axis, keepdims, initial, where)


def _extremum(
    function: Any, filler: float, a: Any, axis: Axis, keepdims: Any, initial: Any, where: Any
) -> Any:
    y, nothing = extremum_of_numbers(function, filler, a, axis, keepdims, initial, where)
    if np.any(nothing):
        warnings.warn("All-NaN slice encountered", RuntimeWarning, stacklevel=4)
    return y


def extremum_of_numbers(
    function: Any, filler: float, a: Any, axis: Axis, keepdims: Any, initial: Any, where: Any
) -> tuple[Any, Any]:
    """Return the extremum of what is not NaN, and where there is nothing else, so that it is NaN.

    ``filler`` comes last in the order that ``function`` looks for the first of.
    """
    a, keep = operand(a), keeps(keepdims)
    y = function(_replaced(a, filler), axis, keepdims=keep, initial=initial, where=_mask(where))
    if a.dtype.kind not in "fc" or (initial is not NoValue and initial is not None):
        return y, np.False_
    numbers = _numbers(a)
    nothing = ~np.any(numbers, axis, keepdims=keep)
    if np.any(alike := (constant_value(y) == filler) & ~nothing) and not np.all(numbers):
        # all numbers are the filler, and alone share the gradient equally: as in their average
        with np.errstate(invalid="ignore", divide="ignore"):
            y = np.where(alike, of_all.mean(a, axis, keepdims=keep, where=numbers), y)
    return np.where(nothing, y.dtype.type(np.nan), y) if np.any(nothing) else y, nothing


# ---- locally constant ---------------------------------------------------------------------------


def _draw_distinct(draw: Draw) -> Case:
    return (draw.array(draw.shape(min_side=1), DISTINCT),), {}


constant(np.nanargmax, np.nanargmin, samples=_draw_distinct)
