"""Derivatives from function values alone, with bounds of their errors.

A derivative along a direction is found by the first method that applies:

- *linear*: f(t) - f(0), where every operation of the trace is linear. No error but rounding, and
  none at all where the numbers are small integers;
- *complex step*: Im f(x + iht) / h, where every operation of the trace is holomorphic. Nothing
  cancels, so h may be 2**-70 (Squire and Trapp, 1998);
- *Richardson*: central differences at h, h/2, h/4 ..., extrapolated to h = 0 (Ridders, 1982). The
  error is what the last extrapolations changed, plus what rounding makes of f at this h. Steps that
  leave the domain, or the smooth piece that f is on at x, are not used;
- *one-sided*: the same with forward and backward differences, where there is nothing on the other
  side, or another formula: a kink, where the derivative is one of those between two slopes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tensorgrad.testing.numerics.subject import Subject
from tensorgrad.typing import Array

# The first step, of a direction that is scaled to the size of the argument, and the last.
FIRST = 2.0**-2
LAST = 2.0**-26
# Columns of an extrapolation: more would bring in steps that were far too long.
COLUMNS = 6
# Steps far apart. An extrapolation from long steps must agree with what shorter ones find, roughly:
# long ones may step over what is narrow.
ANCHORS = (2.0**-8, 2.0**-14, 2.0**-20)
# An extrapolation ends where its relative error is this, or rounding outweighs it; after so many
# levels without improvement, and when steps are so short, a larger error will do.
CONVERGED = 1e-10
PATIENCE = 3
LONG = 2.0**-14
ROUGHLY = 1e-4
COMPLEX_STEP = 2.0**-70
# A function this many times rougher than rounding makes it varies too fast for any step.
HOPELESS = 1e8
# By how much quotients grow from one anchor to the next where a slope is infinite; those of a
# square root by 8, of a cube root by 16.
DIVERGENCE = 3.0
# The slope of a jump, in units of the size of the function.
JUMP = 1e3
# An error bound is this many times the error that was estimated.
SAFETY = 20.0


@dataclass(frozen=True)
class Slope:
    """A derivative along a direction, for each entry of the result.

    Attributes
    ----------
    low, high
        The derivative; at a kink the least and the greatest of the one-sided ones.
    error
        A bound of the error.
    method
        How it was found.
    kink
        Whether different formulas hold on the two sides.
    """

    low: Array
    high: Array
    error: Array
    method: str
    kink: bool = False

    @property
    def middle(self) -> Array:
        """The derivative; at a kink the average of the one-sided ones."""
        return 0.5 * (self.low + self.high)


def slope(subject: Subject, t: Array) -> Slope:
    """Return the derivative of a function along a direction, by the first method that applies."""
    # in units in which the longest step is about 1: a power of two, which rounds nothing
    longest = float(np.max(np.abs(t) / subject.scale, initial=0))
    length = 2.0 ** np.ceil(np.log2(longest)) if longest else 1.0
    found = _first_that_applies(subject, t / length)
    # where the function is not finite, no difference is a derivative
    error = np.where(np.isfinite(subject.base.y), length * found.error, np.inf)
    return replace(found, low=length * found.low, high=length * found.high, error=error)


def _first_that_applies(subject: Subject, t: Array) -> Slope:
    if subject.graph_is_complete and subject.trace is not None and subject.trace.linear:
        return _by_linearity(subject, t)
    beside = _Beside(subject, t)
    if beside.kink:
        return beside.one_sided()
    by_step = _by_complex_step(subject, t) if subject.graph_is_complete else None
    return by_step or beside.central()


def doubt_the_graph(subject: Subject, t: Array) -> None:
    """Use the graph no more if differences contradict what it says along a direction.

    A function that leaves the graph, as by ``.numpy()``, may be neither linear nor holomorphic
    where all that it recorded is.
    """
    found = slope(subject, t)
    if found.method in {"linear", "complex step"} and _contradicts(subject, t, found):
        subject.look_closer()
        subject.graph_is_complete = not _contradicts(subject, t, found)


def _contradicts(subject: Subject, t: Array, found: Slope) -> bool:
    other = _Beside(subject, t).central()
    apart = np.abs(found.middle - other.middle)
    return bool(np.any(apart > found.error + other.error + 1e-6 * np.abs(found.middle)))


def _by_linearity(subject: Subject, t: Array) -> Slope:
    y = subject.at(t).y - subject.at(np.zeros_like(t)).y
    error = 8 * subject.rounding * np.abs(y)
    return Slope(y, y, error, "linear")


def _by_complex_step(subject: Subject, t: Array) -> Slope | None:
    y = subject.complex_slope(subject.x, t, COMPLEX_STEP)
    # where there is no derivative, as of a root at 0, it depends on the step
    longer = subject.complex_slope(subject.x, t, COMPLEX_STEP * 2**20)
    if y is None or longer is None:
        return None
    rounded = np.isfinite(subject.base.y) & (np.abs(y) > 2**15 * np.abs(longer))
    if np.any(rounded):
        return None  # imaginary parts that do not depend on it are rounding, as of SciPy's jv
    error = 64 * subject.rounding * np.abs(y) + SAFETY * np.abs(longer - y)
    return Slope(y, y, error, "complex step")


def second_opinion(subject: Subject, t: Array, first: Slope) -> Slope:
    """Return what other means make of a derivative that was contradicted.

    The two are joined where each lies within the error of the other; elsewhere nothing is known.
    Near a kink, the derivative may be that of any of the smooth pieces around.
    """
    beside = _Beside(subject, t)
    if beside.kink:
        other = _around(subject, t, first)
        return replace(
            first, low=np.fmin(first.low, other.low), high=np.fmax(first.high, other.high)
        )
    subject.look_closer()
    if first.method != "complex step":
        first = slope(subject, t)  # whose error may be greater now
    other = beside.central(first=2.0**-10 if first.method == "Richardson" else FIRST)
    sides = beside.one_sided()
    if _differ(sides):  # a kink that nobody told of
        first = replace(sides, error=sides.error + first.error)
    if subject.trace is None and _bends(subject):
        around = _around(subject, t, first)
        return replace(
            around,
            low=np.fmin(first.low, around.low),
            high=np.fmax(first.high, around.high),
            kink=True,
        )
    if first.method == "one-sided":
        return first
    apart = np.maximum(first.low - other.high, other.low - first.high)
    unknown = apart > first.error + other.error + 1e-6 * np.abs(first.middle)
    unknown |= np.isnan(other.low)  # the function is not even defined beside the point
    return replace(first, error=np.where(unknown, np.inf, first.error))


def _differ(sides: Slope) -> bool:
    size = np.fmax(np.abs(sides.low), np.abs(sides.high))
    return bool(np.any(sides.high - sides.low > 4 * sides.error + 0.01 * size))


def _bends(subject: Subject) -> bool:
    """Return whether a function without a trace has a kink: along a line, or between two."""
    rng = np.random.default_rng(0)
    one = rng.normal(size=subject.x.size)
    one, other = one * subject.scale, one[::-1] * subject.scale  # in another order, for ties
    along = [_Beside(subject, t) for t in (one, other, one + other)]
    if any(_differ(line.one_sided()) for line in along):
        return True
    first, second, both = (line.central() for line in along)
    bend = np.abs(both.low - first.low - second.low)
    error = first.error + second.error + both.error
    size = np.abs(first.low) + np.abs(second.low)
    return bool(np.any(bend > 4 * error + 0.01 * size))


def _around(subject: Subject, t: Array, at_kink: Slope) -> Slope:
    """Return the range of the derivative over smooth points close by: a Clarke subdifferential."""
    rng = np.random.default_rng(0)
    low, high = at_kink.low, at_kink.high
    step = 2.0**-24
    for _ in range(16):
        shift = rng.normal(size=subject.x.size) * subject.scale * 2.0**-18
        for x in (subject.x + shift, subject.x - shift):
            up, down = subject.at(x + step * t), subject.at(x - step * t)
            if up.continues(down):
                quotient = (up.y - down.y) / (2 * step)
                low, high = np.fmin(low, quotient), np.fmax(high, quotient)
    # the pieces are curved over the shift
    margin = 2.0**-8 * np.maximum(np.abs(low), np.abs(high))
    return replace(at_kink, low=low - margin, high=high + margin)


class _Beside:
    """What lies on both sides of a point along a direction."""

    def __init__(self, subject: Subject, t: Array) -> None:
        self.subject = subject
        self.line = subject.along(t)
        base = subject.base
        self.least = subject.rounding * (subject.sizes + np.max(np.abs(t), initial=0))
        # whether a side has a formula of its own at the shortest step; without branches none has
        self.kink = bool(base.branch) and any(
            self.line(side * LAST).branch != base.branch for side in (1, -1)
        )

    def central(self, first: float = FIRST) -> Slope:
        """Return the derivative by central differences, else by one-sided ones."""
        base, noise = self.subject.base, self.subject.noise

        def difference(h: float) -> Array | None:
            up = self.line(h)
            if not up.continues(base):
                return None
            down = self.line(-h)
            return (up.y - down.y) / (2 * h) if down.continues(base) else None

        found = extrapolate(difference, noise, self.least, 4.0, first)
        if found is None:
            return self.one_sided()
        return Slope(found[0], found[0], SAFETY * found[1], "Richardson")

    def one_sided(self) -> Slope:
        """Return what lies between the derivatives on both sides, or the only one there is."""
        sides = [side for side in map(self._side, (1.0, -1.0)) if side is not None]
        if not sides:
            unknown = np.full(self.subject.base.y.shape, np.nan)
            return Slope(unknown, unknown, np.full_like(unknown, np.inf), "none", kink=self.kink)
        values, errors = zip(*sides, strict=True)
        low, high, error = np.min(values, 0), np.max(values, 0), np.max(errors, 0)
        return Slope(low, high, SAFETY * error, "one-sided", kink=len(sides) == 2)

    def _side(self, side: float) -> tuple[Array, Array] | None:
        base, noise = self.subject.base, self.subject.noise
        nearest = self.line(side * LAST)
        if not np.all(np.isfinite(nearest.y) | ~np.isfinite(base.y)):
            return None

        def difference(h: float) -> Array | None:
            there = self.line(side * h)
            return (there.y - base.y) / (side * h) if there.continues(nearest) else None

        found = extrapolate(difference, noise, self.least, 2.0)
        if found is None:
            return None
        slope, error = found
        # what moves this far in the shortest step has no slope: it jumps
        jumps = np.abs(nearest.y - base.y) > JUMP * LAST * (np.abs(slope) + self.subject.sizes)
        return slope, np.where(jumps, np.inf, error)


def extrapolate(
    difference: Callable[[float], Array | None],
    noise: Array,
    least: Array,
    growth: float,
    first: float = FIRST,
) -> tuple[Array, Array] | None:
    """Return the limit of a difference quotient for h to 0, and an estimate of its error.

    Parameters
    ----------
    difference
        The quotient for a step h; None if h is too long.
    noise
        The rounding error of the function, entry by entry.
    least
        The error where the function never changed: that does not tell how small a change it would
        show.
    growth
        By how much halving h divides the leading term of the error: 4 for central differences, 2
        for one-sided ones.
    first
        The longest step.
    """
    anchors = [(h, quotient) for h in ANCHORS if (quotient := difference(h)) is not None]
    best: Array | None = None
    error = np.full_like(noise, np.inf)
    greatest, stair = np.zeros_like(noise), np.zeros_like(noise)
    least_seen = np.full_like(noise, np.inf)
    chosen = np.full_like(noise, first)
    row: list[Array] = []
    waited = 0
    h = first
    while h >= LAST:
        quotient = difference(h)
        if quotient is None:
            row = []
        else:
            change_of_f = np.abs(quotient) * h
            greatest = np.fmax(greatest, change_of_f)
            # a step without a change, after one with: the function goes in steps, of that height
            stair = np.where((change_of_f == 0) & np.isfinite(least_seen), least_seen, stair)
            least_seen = np.fmin(least_seen, np.where(change_of_f > 0, change_of_f, np.inf))
            with np.errstate(all="ignore"):
                previous, row = row, [quotient]
                improved = False
                best = quotient.copy() if best is None else best
                for j, coarse in enumerate(previous[: COLUMNS - 1]):
                    finer = row[j] + (row[j] - coarse) / (growth ** (j + 1) - 1)
                    row.append(finer)
                    if j + 1 == len(previous):
                        break  # two that agree may do so by accident: a third must
                    change = np.max(np.abs([finer - row[j], finer - previous[j + 1]]), axis=0)
                    change = change + 2 * noise / h
                    better = (change < error) & _agrees(finer, h, anchors, noise)
                    improved = improved or bool(np.any(change < 0.5 * error))
                    best = np.where(better, finer, best)
                    error = np.where(better, change, error)
                    chosen = np.where(better, h, chosen)
            waited = 0 if improved or len(row) < 3 else waited + 1
            enough = CONVERGED if waited < PATIENCE or h > LONG else ROUGHLY
            if waited and np.all(error <= np.fmax(enough * np.abs(best), 8 * noise / h)):
                break
        h /= 2
    if best is None:
        return None
    error = np.where(greatest == 0, np.fmax(error, least), error + 2 * stair / chosen)
    # where the argument's rounding moves the result about as much as steps do, they tell nothing
    rough = (noise > 0.02 * greatest) & (noise > HOPELESS * least)
    error = np.where((greatest > 0) & rough, np.inf, error)
    return best, np.where(_diverges(anchors, least), np.inf, error)


def _diverges(anchors: Sequence[tuple[float, Array]], least: Array) -> Array:
    """Return for which entries quotients grow without end: the slope is infinite, as of a root."""
    if len(anchors) < len(ANCHORS):
        return np.zeros(least.shape, dtype=bool)
    long, shorter, shortest = (np.abs(quotient) for _, quotient in anchors)
    grows = (shortest > DIVERGENCE * shorter) & (shorter > DIVERGENCE * long)
    return grows & (shortest > 64 * least / ANCHORS[-1])  # and rounding does not make them grow


def _agrees(slope: Array, h: float, anchors: Sequence[tuple[float, Array]], noise: Array) -> Array:
    """Return for which entries a slope found with steps from h on agrees with shorter steps."""
    agrees = np.ones(slope.shape, dtype=bool)
    for shorter, quotient in anchors:
        if shorter < h:
            size = np.fmax(np.abs(slope), np.abs(quotient))
            agrees &= ~(np.abs(slope - quotient) > 0.02 * size + 8 * noise / shorter)
    return agrees
