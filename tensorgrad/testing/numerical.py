"""Derivatives from function values alone, with bounds of their errors.

Everything here is about maps between real vector spaces, R^n to R^m: arrays are laid end to end,
complex numbers as pairs. A derivative along a direction is found by the first method that applies:

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

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from tensorgrad.testing.trace import Branch, Function, Trace, trace
from tensorgrad.typing import Array

# The first step, of a direction that is scaled to the size of the argument, and the last.
FIRST = 2.0**-2
LAST = 2.0**-26
# Columns of an extrapolation: more would bring in steps that were far too long.
COLUMNS = 6
# An extrapolation ends where its relative error is this, or rounding outweighs it; after so many
# levels without improvement, and when steps are so short, a larger error will do.
CONVERGED = 1e-10
PATIENCE = 3
LONG = 2.0**-14
ROUGHLY = 1e-4
COMPLEX_STEP = 2.0**-70
# Spacings of points, in which steps of rounding errors show.
WIDE = (2.0**-10, 2.0**-7)
# An error bound is this many times the error that was estimated.
SAFETY = 20.0


# ---- spaces: tuples of arrays as one real vector ------------------------------------------------


@dataclass(frozen=True)
class Space:
    """Tuples of arrays of these shapes and dtypes, laid end to end as real vectors."""

    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[np.dtype[Any], ...]

    @classmethod
    def of(cls, arrays: Sequence[Array]) -> "Space":
        """Return the space that arrays are in."""
        return cls(tuple(a.shape for a in arrays), tuple(a.dtype for a in arrays))

    @property
    def sizes(self) -> list[int]:
        """The number of real numbers in each array."""
        return [
            int(np.prod(shape, dtype=int)) * (2 if dtype.kind == "c" else 1)
            for shape, dtype in zip(self.shapes, self.dtypes, strict=True)
        ]

    @property
    def is_real(self) -> bool:
        """Whether no array is complex."""
        return all(dtype.kind != "c" for dtype in self.dtypes)

    def pack(self, arrays: Sequence[Array]) -> Array:
        """Lay arrays end to end, complex numbers as pairs."""
        parts = [_pairs(np.asarray(a)) for a in arrays]
        return np.concatenate(parts) if parts else np.zeros(0)

    def unpack(self, v: Array) -> list[Array]:
        """Cut a vector into arrays: in double precision, complex if the vector is."""
        return [
            _from_pairs(piece).reshape(shape) if dtype.kind == "c" else piece
            for piece, shape, dtype in zip(self.cut(v), self.shapes, self.dtypes, strict=True)
        ]

    def cut(self, v: Array) -> list[Array]:
        """Cut a vector into real arrays: those of complex numbers have another axis, (re, im)."""
        pieces = np.split(v, np.cumsum(self.sizes)[:-1]) if self.shapes else []
        return [
            piece.reshape((*shape, 2) if dtype.kind == "c" else shape)
            for piece, shape, dtype in zip(pieces, self.shapes, self.dtypes, strict=True)
        ]


def _from_pairs(v: Array) -> Array:
    return v[..., 0] + 1j * v[..., 1]


def _pairs(a: Array) -> Array:
    a = np.ravel(a)
    return a.astype(complex).view(float) if a.dtype.kind == "c" else a.astype(float)


# ---- the function to differentiate --------------------------------------------------------------


class Point(NamedTuple):
    """The value of a function at a point, as a vector, and the smooth piece the point is on."""

    y: Array
    branch: Branch | None

    def continues(self, other: "Point") -> bool:
        """Whether this is a finite value on the same smooth piece as another."""
        return self.branch == other.branch and bool(
            np.all(np.isfinite(self.y) | ~np.isfinite(other.y))
        )


class Subject:
    """A function of arrays as a map between real vector spaces, evaluated in double precision.

    Parameters
    ----------
    f
        A function of arrays to a tuple of arrays.
    xs
        Where it is differentiated. Single precision is raised to double.
    traced
        Whether f takes Tensors: then what it records tells which methods apply. A function that
        takes arrays only gets them in the dtypes of xs.

    Attributes
    ----------
    x, base
        The argument as a vector, and the value there.
    trace
        What f recorded at x; None for a foreign function.
    evaluations
        How often f was called.
    """

    def __init__(self, f: Function, xs: Sequence[Array], *, traced: bool = True) -> None:
        self.f = f
        self.domain = Space.of(xs)
        self.x = self.domain.pack(xs)
        self.evaluations = 0
        self.trace: Trace | None = None
        with np.errstate(all="ignore"):
            if traced:
                self.trace = trace(f, self.domain.unpack(self.x))
                values: Sequence[Array] = self.trace.values
            else:
                values = [np.asarray(y) for y in f(*self.arrays(self.x))]
        self.codomain = Space.of(values)
        self.base = Point(self.codomain.pack(values), self.trace.branch if self.trace else None)
        self.rounding = self.trace.rounding if self.trace else _coarsest([*xs, *values])
        self.scale = _scale(self.x)
        self._looked_closer = False
        self.graph_is_complete = self.trace is not None and bool(self.trace.nodes)

    @cached_property
    def sizes(self) -> Array:
        """How large each entry of the result is, as far as rounding is concerned.

        Both parts of a complex number are as large as it is. One that is exactly zero may be what
        is left of terms as large as the argument.
        """
        ys = self.codomain.unpack(np.where(np.isfinite(self.base.y), self.base.y, 0))
        whole = [np.abs(y) for y in ys]
        sizes = self.codomain.pack(
            [
                y + 1j * y if dtype.kind == "c" else y
                for y, dtype in zip(whole, self.codomain.dtypes, strict=True)
            ]
        )
        return np.where(sizes == 0, np.max(self.scale, initial=0), sizes)

    def at(self, x: Array) -> Point:
        """Evaluate the function; nothing finite where it raises."""
        self.evaluations += 1
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if self.trace is None:
                    ys = self.f(*self.arrays(x))
                    return Point(self.codomain.pack([np.asarray(y) for y in ys]), None)
                run = trace(self.f, self.domain.unpack(x))
                return Point(self.codomain.pack(run.values), run.branch)
        except (ArithmeticError, ValueError):
            return Point(np.full_like(self.base.y, np.nan), None)

    def arrays(self, x: Array) -> list[Array]:
        """Cut a vector into the arrays that f is called with."""
        return [
            a.astype(dtype)
            for a, dtype in zip(self.domain.unpack(x), self.domain.dtypes, strict=True)
        ]

    def along(self, t: Array) -> Callable[[float], Point]:
        """Return the function on the line through x in this direction."""
        return lambda h: self.at(self.x + h * t)

    def complex_slope(self, x: Array, t: Array, h: float) -> Array | None:
        """Return the derivative by a complex step; None where this method does not apply."""
        if self.trace is None or not (self.domain.is_real and self.codomain.is_real):
            return None
        self.evaluations += 1
        zs = self.domain.unpack(x + 1j * h * t)
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("error")  # NumPy warns where it drops imaginary parts
                run = trace(self.f, zs)
        except (TypeError, ArithmeticError, ValueError, Warning):
            return None
        if run.operations != self.trace.operations or not run.holomorphic:
            return None
        y = np.concatenate([np.ravel(value) for value in run.values]) if run.values else np.zeros(0)
        if np.any(np.abs(y.real - self.base.y) > 1e-6 * np.fmax(1, np.abs(self.base.y))):
            return None
        return y.imag / h if np.iscomplexobj(y) else np.zeros_like(y)

    def noise_of(
        self, function: Callable[[Array], Array], value: Array, spacings: Sequence[float] = (LAST,)
    ) -> Array:
        """Return how uncertain rounding makes each entry of a function of the argument.

        Over a few points close together, differences of fifth order of what is smooth vanish, and
        those of its rounding errors do not (Hamming, 1971; More and Wild, 2011). Rounding errors
        may come in steps, as those of 1 + exp(-x), which only wider spacings show: there,
        differences count if they do not vanish with the spacing.
        """
        t = np.random.default_rng(0).choice([-1.0, 1.0], self.x.size) * self.scale
        noise = np.zeros_like(value)
        for spacing in spacings:
            sides = [
                rough
                for side in (spacing, -spacing)
                if (rough := self._roughness(function, value, side * t)) is not None
            ]
            if sides:  # without a trace, one of them may be that of a kink
                found = np.min(sides, axis=0) if self.trace is None else np.max(sides, axis=0)
                noise = np.fmax(noise, np.where(np.isfinite(found), found, 0))
        return noise

    def _roughness(
        self, function: Callable[[Array], Array], value: Array, step: Array
    ) -> Array | None:
        """Return differences of fifth order over points a step apart; None across a kink."""

        def differences(step: Array) -> Array | None:
            xs = [self.x + k * step for k in range(1, 8)]
            if self.trace is not None and not all(self.at(x).continues(self.base) for x in xs):
                return None
            # rounding errors of size 1 have differences of about sqrt(252) = 16
            return np.abs(np.diff([value, *map(function, xs)], 5, axis=0)).max(0) / 8

        wide = differences(step)
        if wide is None or np.max(np.abs(step / self.scale)) <= LAST:
            return wide
        near = differences(step / 2)
        return None if near is None else np.where(wide > 8 * near, near, wide)

    @cached_property
    def noise(self) -> Array:
        """How uncertain rounding makes each entry of the result."""
        rounding = self.rounding * np.abs(np.where(np.isfinite(self.base.y), self.base.y, 0))
        return rounding + self.noise_of(lambda x: self.at(x).y, self.base.y)

    def look_closer(self) -> None:
        """Look for rounding errors that only wider spacings show."""
        if not self._looked_closer:
            wide = self.noise_of(lambda x: self.at(x).y, self.base.y, WIDE)
            self.noise = np.fmax(self.noise, wide)
            self._looked_closer = True


def _coarsest(values: Sequence[Array]) -> float:
    kinds = [np.finfo(y.dtype).eps for y in values if y.dtype.kind in "fc"]
    return float(max(kinds, default=np.finfo(float).eps))


def _scale(x: Array) -> Array:
    """Return the length by which each entry is varied: its own size; for a zero, that of others."""
    size = np.abs(x)
    typical = np.median(size[size > 0]) if np.any(size > 0) else 1.0
    return np.where(size > 0, size, min(typical, 1.0))


# ---- derivatives along a line -------------------------------------------------------------------


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
    if np.any(sides.high - sides.low > 4 * sides.error):  # a kink that nobody told of
        return replace(sides, error=sides.error + first.error)
    apart = np.maximum(first.low - other.high, other.low - first.high)
    unknown = apart > first.error + other.error + 1e-6 * np.abs(first.middle)
    unknown |= np.isnan(other.low)  # the function is not even defined beside the point
    return replace(first, error=np.where(unknown, np.inf, first.error))


def _around(subject: Subject, t: Array, at_kink: Slope) -> Slope:
    """Return the range of the derivative over smooth points close by: a Clarke subdifferential."""
    rng = np.random.default_rng(0)
    low, high = at_kink.low, at_kink.high
    step = 2.0**-20
    for _ in range(16):
        shift = rng.normal(size=subject.x.size) * subject.scale * 2.0**-10
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
        # which side has a formula of its own at the shortest step; without branches none has
        self.least = subject.rounding * (subject.sizes + np.max(np.abs(t), initial=0))
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

        return extrapolate(difference, noise, self.least, 2.0)


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
                    change = np.maximum(np.abs(finer - row[j]), np.abs(finer - coarse))
                    change = change + 2 * noise / h
                    better = change < error
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
    # where rounding moves the result about as much as steps do, differences tell nothing
    return best, np.where((greatest > 0) & (noise > 0.02 * greatest), np.inf, error)
