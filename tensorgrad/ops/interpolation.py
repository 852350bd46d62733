"""Reading between given points of a function."""

from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite
from tensorgrad.engine.primitive import Case
from tensorgrad.engine.tensor import Tensor
from tensorgrad.ops.dispatch import constant_value, operand
from tensorgrad.ops.elementwise import singular_where
from tensorgrad.ops.indexing import castable
from tensorgrad.typing import DISTINCT, Array, ArrayLike, Domain, Draw


def _draw_interp(draw: Draw) -> Case:
    n = draw.integer(1, 4)
    xp = np.unique(draw.array((n,), DISTINCT).real)
    fp = draw.array(xp.shape)
    x = draw.array(draw.shape(), Domain(-2.9, 2.9)).real.copy()
    if draw.boolean():
        return (x, xp, fp), {"period": draw.choice([7.0, -7.0])}
    # never the first or the last value: at that point, one of the two alone makes it jump
    left, right = (np.asarray(castable(draw.array(()), fp) + 0.505) for _ in range(2))
    ends = {"left": left, "right": right}
    return (x, xp, fp), ends if draw.boolean() else {}


@composite(np.interp, samples=_draw_interp)
def interp(
    x: ArrayLike,
    xp: ArrayLike,
    fp: ArrayLike,
    left: ArrayLike = None,
    right: ArrayLike = None,
    period: ArrayLike = None,
) -> Any:
    """Interpolate linearly between points (xp, fp), differentiable by all arguments.

    At a point itself, the slope is the average of those on both sides; beyond the points the
    function goes on as ``left`` and ``right``, by default as the first and the last value. Where
    it jumps to these, its derivative at the last point is the one from inside.
    """
    value = np.interp(*map(constant_value, (x, xp, fp, left, right, period)))
    x, xp = (operand(v).astype(float) for v in (x, xp))
    fp = operand(fp).astype(value.dtype)
    if period is not None:
        period = np.abs(period)
        x, xp = np.remainder(x, period), np.remainder(xp, period)
        order = constant_value(np.argsort(xp))
        xp, fp = xp[order], fp[order]
        xp = np.concatenate([xp[-1:] - period, xp, xp[:1] + period])
        fp = np.concatenate([fp[-1:], fp, fp[:1]])
        left = right = None
    # x is on the segment that ends at the point of this number; where it is a point, on two of them
    first, second = (constant_value(np.searchsorted(xp, x, side)) for side in ("left", "right"))
    before, after = second == 0, (first == xp.size) & ~np.isnan(constant_value(x))
    at_point, beyond = first != second, before | after
    left_slope, right_slope = (_slope(xp, fp, i, at_point, beyond) for i in (first, second))
    slope = (left_slope + right_slope) / 2
    point = np.maximum(second - 1, 0)  # no further than x
    y = fp[point] + slope * np.where(beyond, 0, x - xp[point])
    bent = at_point & (constant_value(left_slope) != constant_value(right_slope))
    for outside, end, i in ((before, left, 0), (after, right, -1)):
        level = fp[i] if end is None else operand(end).astype(value.dtype)
        joined = constant_value(level) == constant_value(fp[i])  # without a jump
        at_end = constant_value(x) == constant_value(xp[i])
        y = np.where(outside, level, np.where(at_end & joined, 0.5 * y + 0.5 * fp[i], y))
        bent = bent | (at_end & ~(joined & (constant_value(slope) == 0)))
    unclear = np.isnan(constant_value(y)) & ~np.isnan(value)  # differences of infinite values
    y = np.where(unclear, value, y) if unclear.any() else y
    return singular_where(bent, y) if _is_recorded(x) or _is_recorded(xp) else y


def _is_recorded(x: Any) -> bool:
    return isinstance(x, Tensor) and x.requires_grad


def _slope(xp: Any, fp: Any, segment: Array, at_point: Array, beyond: Array) -> Any:
    """Return the slope at each x: of the line's first or last segment, if x is at an end of it."""
    n = xp.size
    end = np.clip(segment, min(1, n - 1), n - 1)
    rise, run = fp[end] - fp[end - 1], xp[end] - xp[end - 1]
    # a point counts for itself, and what is beyond the ends for nothing
    flat = beyond | (at_point & ~np.isfinite(constant_value(rise)))
    return np.where(flat, 0, rise) / np.where(constant_value(run) == 0, 1, run)
