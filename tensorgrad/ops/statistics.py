"""Weighted averages, ranges, covariances and correlations."""

import math
import warnings
from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite
from tensorgrad.engine.primitive import Case
from tensorgrad.errors import ShapeError, UnsupportedError, explain
from tensorgrad.ops.dispatch import NoValue, constant_value, operand, refuse
from tensorgrad.ops.reductions import draw_axes_forms, keeps
from tensorgrad.typing import DISTINCT, Array, ArrayLike, Axis, Domain, Draw, DTypeLike

# ---- averages and ranges ------------------------------------------------------------------------


def _draw_average(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_side=1))
    params = draw_axes_forms(draw, x.ndim)
    axis = params.get("axis")
    sides = x.shape if axis is None else tuple(np.take(x.shape, np.atleast_1d(axis).astype(int)))
    if draw.boolean():  # their sum does not vanish
        weights = draw.array(draw.choice([x.shape, sides]), Domain(-1, 1))
        params["weights"] = np.asarray(weights + 8)
    return (x,), {**params, "returned": draw.boolean()}


@composite(np.average, samples=_draw_average)
def average(
    a: ArrayLike,
    axis: Axis = None,
    weights: ArrayLike = None,
    returned: bool = False,
    *,
    keepdims: bool = NoValue,
) -> Any:
    """Average over axes, each entry with its weight; returned=True adds the sum of the weights."""
    a, keep = operand(a), keeps(keepdims)
    if weights is None:
        y = np.mean(a, axis=axis, keepdims=keep)
        total: Any = y.dtype.type(a.size / max(y.size, 1))
    else:
        w = _weights_like(a, operand(weights), axis)
        dtype = np.result_type(a.dtype, w.dtype, *(["f8"] if a.dtype.kind in "iub" else []))
        total = np.sum(w, axis=axis, dtype=dtype, keepdims=keep)
        if (constant_value(total) == 0).any():
            raise ShapeError(
                explain("np.average", "Weights must not add up to zero.", weights=constant_value(w))
            )
        a, w = (x if x.dtype == dtype else x.astype(dtype) for x in (a, w))
        y = np.sum(a * w, axis=axis, keepdims=keep) / total
    return (y, np.add(np.zeros_like(y), total)) if returned else y


def _weights_like(a: Any, w: Any, axis: Axis) -> Any:
    """Return the weights, of the shape of a or of its axes, so that they broadcast to a."""
    if w.shape == a.shape:
        return w
    axes = () if axis is None else np.lib.array_utils.normalize_axis_tuple(axis, a.ndim)
    if axis is None or w.shape != tuple(a.shape[i] for i in axes):
        raise ShapeError(
            explain(
                "np.average",
                "Weights have the shape of the array, or of the axes that are named.",
                "Pass axis=, or weights of that shape.",
                shape=a.shape,
                weights_shape=w.shape,
                axis=axis,
            )
        )
    sides = tuple(side if i in axes else 1 for i, side in enumerate(a.shape))
    return np.reshape(np.transpose(w, np.argsort(axes)), sides)


def _draw_extremes(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_side=1), DISTINCT)
    return (x,), draw_axes_forms(draw, x.ndim)


@composite(np.ptp, samples=_draw_extremes)
def ptp(a: ArrayLike, axis: Axis = None, out: None = None, keepdims: bool = NoValue) -> Any:
    """Return how far the greatest entry over axes is from the least."""
    refuse("np.ptp", out=out)
    keep = keeps(keepdims)
    return np.subtract(np.max(a, axis, keepdims=keep), np.min(a, axis, keepdims=keep))


# ---- covariances --------------------------------------------------------------------------------


def _draw_variables(draw: Draw) -> tuple[tuple[Array, ...], dict[str, Any]]:
    rowvar, n = draw.boolean(), draw.integer(3, 5)
    shape = draw.choice([(n,), (2, n), (1, n), (3, n)])
    shapes = [shape] if draw.boolean() else [shape, draw.choice([(n,), (2, n)])]
    # no two entries of a row agree, so that no variance vanishes
    xs = [
        np.asarray(draw.array(s) + 8 * np.sin(5.0 * np.arange(math.prod(s))).reshape(s))
        for s in shapes
    ]
    xs = [x if rowvar or x.ndim == 1 else np.ascontiguousarray(x.T) for x in xs]
    return tuple(xs), {"rowvar": rowvar}


def _draw_cov(draw: Draw) -> Case:
    xs, params = _draw_variables(draw)
    n = xs[0].shape[-1] if params["rowvar"] or xs[0].ndim == 1 else xs[0].shape[0]
    if draw.boolean():
        params["fweights"] = np.array([draw.integer(1, 3) for _ in range(n)])
    if xs[0].ndim == 2 and draw.boolean():
        params["aweights"] = np.asarray(1.5 + np.sin(draw.array((n,)).real))
    return xs, {**params, "bias": draw.boolean(), "ddof": draw.choice([None, 0, 1])}


@composite(np.cov, samples=_draw_cov)
def cov(
    m: ArrayLike,
    y: ArrayLike = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: ArrayLike = None,
    aweights: ArrayLike = None,
    *,
    dtype: DTypeLike = None,
) -> Any:
    """Return the covariances of variables, each a row of observations.

    Differentiable by the observations and by aweights; fweights are counts.
    """
    variables = [operand(x) for x in (m, y) if x is not None]
    if any(x.ndim > 2 for x in variables) or (ddof is not None and ddof != int(ddof)):
        raise ShapeError(
            explain(
                "np.cov",
                "Observations have at most two axes, and ddof is a whole number.",
                "Reshape them.",
                shapes=tuple(x.shape for x in variables),
                ddof=ddof,
            )
        )
    dtype = np.result_type(*(x.dtype for x in variables), np.float64) if dtype is None else dtype
    x = _in_rows(variables[0], rowvar, dtype, keep=variables[0].ndim == 1)
    if x.shape[0] == 0:
        return np.zeros((0, 0))
    if y is not None:
        other = np.atleast_2d(variables[1])
        x = np.concatenate([x, _in_rows(other, rowvar, dtype, keep=other.shape[0] == 1)], axis=0)
    ddof = (0 if bias else 1) if ddof is None else ddof
    counts, weights = _observation_weights(x.shape[1], fweights, aweights)
    w = counts if weights is None else weights if counts is None else counts * weights
    mean, totals = np.average(x, axis=1, weights=w, returned=True)
    total = totals[0]
    if w is None:
        divisor = x.shape[1] - ddof
    elif ddof == 0:
        divisor = total
    elif weights is None:
        divisor = total - ddof
    else:
        divisor = total - ddof * np.sum(w * weights) / total
    if constant_value(divisor).real <= 0:
        warnings.warn("Degrees of freedom <= 0 for slice", RuntimeWarning, stacklevel=3)
        divisor = 0.0
    x = _in_precision_of(x, x - np.expand_dims(mean, 1))
    scaled = np.transpose(x if w is None else x * w)
    c = np.matmul(x, np.conj(scaled) if scaled.dtype.kind == "c" else scaled)
    return np.squeeze(_in_precision_of(c, c * np.true_divide(1, divisor)))


def _in_precision_of(x: Any, y: Any) -> Any:
    # NumPy computes y in the place of x
    return y if y.dtype == x.dtype else y.astype(x.dtype)


def _in_rows(x: Any, rowvar: bool, dtype: DTypeLike, *, keep: bool) -> Any:
    x = np.atleast_2d(x)
    x = x if x.dtype == dtype else x.astype(dtype)
    return x if rowvar or keep else np.transpose(x)


def _observation_weights(n: int, fweights: ArrayLike, aweights: ArrayLike) -> tuple[Any, Any]:
    counts = None if fweights is None else np.asarray(constant_value(fweights), float)
    weights = None if aweights is None else operand(aweights)
    for name, w in (("fweights", counts), ("aweights", weights)):
        if w is not None and (w.shape != (n,) or (constant_value(w) < 0).any()):
            raise ShapeError(
                explain(
                    "np.cov",
                    "Each observation has one weight, which is not negative.",
                    f"Pass {name} of shape ({n},).",
                    **{name: w},
                )
            )
    if counts is not None and (counts != np.around(counts)).any():
        raise UnsupportedError(
            explain("np.cov", "Counts are whole numbers.", "Use aweights.", fweights=counts)
        )
    if weights is not None and weights.dtype != float:
        weights = weights.astype(float)
    return counts, weights


def _draw_corrcoef(draw: Draw) -> Case:
    return _draw_variables(draw)


@composite(np.corrcoef, samples=_draw_corrcoef)
def corrcoef(
    x: ArrayLike, y: ArrayLike = None, rowvar: bool = True, *, dtype: DTypeLike = None
) -> Any:
    """Return the correlations of variables, each a row of observations."""
    c: Any = np.cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return c / c
    deviation = np.sqrt(np.real(np.diagonal(c)))
    c = c / np.expand_dims(deviation, 1) / deviation
    # what exceeds 1 is rounding: it is taken off, as NumPy does, without a kink
    value = constant_value(c)
    inside = np.clip(value.real, -1, 1)
    if value.dtype.kind == "c":
        inside = inside + 1j * np.clip(value.imag, -1, 1)
    return c if (inside == value).all() else c + (inside - value)
