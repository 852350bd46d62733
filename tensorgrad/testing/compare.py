"""Whether a derivative is what it should be: expectations, tolerances, and the comparison.

The tolerance of an entry is a sum of what is known about both sides. Of the expectation: the bound
of its error. Of the derivative under test: how much it changes when the arguments change by a few
units of rounding, and what rounding makes of a sum of terms, which is relative to the sum of their
sizes, sum |g_i J_ij|. Sizes of arrays do not enter. An entry smaller than a hundred times its
tolerance is not checked, unless both sides are exactly zero, and the report counts it so.
"""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

import numpy as np

from tensorgrad.testing import diagnosis
from tensorgrad.testing.numerical import (
    LAST,
    WIDE,
    Slope,
    Space,
    Subject,
    doubt_the_graph,
    second_opinion,
    slope,
)
from tensorgrad.testing.report import Finding, Mismatch, Verdict, count, within
from tensorgrad.testing.rounding import disturbed_gradient, disturbed_tangent
from tensorgrad.transforms import jvp, vjp
from tensorgrad.typing import Array

# Up to so many entries, each is varied by itself; else directions are drawn.
WHOLE = 64
# Up to so many entries, wrong ones are looked for one by one.
LOCATED = 2000
# A sum of products may be off by this much of the sum of their sizes.
RELATIVE = 1e-10
# The same in units of rounding, where that is more, or where there is no other error.
ROUNDINGS = 64
# An entry is checked if its tolerance is less than this part of it.
RESOLUTION = 0.01
# Below the smallest normal number, precision gets lost.
UNDERFLOW = 1e-300


# ---- what is expected ---------------------------------------------------------------------------


@dataclass
class Expectation:
    """The derivatives of a function along some directions, found numerically.

    Attributes
    ----------
    subject
        The function.
    directions
        Rows of a matrix, scaled to the sizes of the entries.
    slopes
        The derivative along each.
    whole
        Whether they are the entries one by one, and so make up the Jacobian.
    """

    subject: Subject
    directions: Array
    slopes: list[Slope]
    whole: bool

    @classmethod
    def along(cls, subject: Subject, directions: Array, *, whole: bool = False) -> "Expectation":
        """Find the derivatives along the rows of a matrix, in units of the sizes of the entries."""
        directions = directions * subject.scale
        return cls(subject, directions, [slope(subject, t) for t in directions], whole)

    @classmethod
    def of(cls, subject: Subject, rng: np.random.Generator) -> "Expectation":
        """Choose directions: all entries if they are few, else random, single and sparse ones."""
        n = subject.x.size
        doubt_the_graph(subject, rng.normal(size=n) * subject.scale)
        if n <= WHOLE:
            return cls.by_entries(subject)
        sparse = rng.normal(size=(1, n)) * (rng.random((1, n)) < 0.1)
        rows = [rng.normal(size=(3, n)), _single(n, rng.choice(n, 8, replace=False)), sparse]
        return cls.along(subject, np.concatenate(rows))

    @classmethod
    def brief(cls, subject: Subject, rng: np.random.Generator) -> "Expectation":
        """Choose two directions: one of all entries, one of a single entry."""
        n = subject.x.size
        rows = [rng.normal(size=(1, n)), _single(n, rng.integers(n, size=1))]
        return cls.along(subject, np.concatenate(rows))

    @classmethod
    def across(cls, subject: Subject, rng: np.random.Generator) -> "Expectation":
        """Choose directions that lead away from a kink between the axes.

        What is right along each axis need not be right in between: entries that tie, and all count
        in full, show best where all of them grow.
        """
        n = subject.x.size
        rows = [np.abs(rng.normal(size=(1, n))), rng.normal(size=(3, n))]
        return cls.along(subject, np.concatenate(rows))

    @classmethod
    def by_entries(cls, subject: Subject) -> "Expectation":
        """Vary each entry by itself."""
        return cls.along(subject, np.eye(subject.x.size), whole=True)

    @property
    def method(self) -> str:
        """How the derivatives were found."""
        text = " and ".join(dict.fromkeys(s.method for s in self.slopes))
        return (
            text if self.whole else f"{text}, {count(len(self.slopes), 'direction', 'directions')}"
        )

    @property
    def kinks(self) -> Array:
        """Which directions lead away from a kink."""
        return np.array([s.kink for s in self.slopes], dtype=bool)

    def stacked(self) -> tuple[Array, Array, Array]:
        """Return the lower and upper bounds and the errors: (directions, entries of the result)."""
        shape = len(self.slopes), self.subject.base.y.size
        low, high, error = (
            np.reshape([getattr(s, name) for s in self.slopes], shape)
            for name in ("low", "high", "error")
        )
        return low, high, error

    def reconsider(self, places: Array) -> None:
        """Ask for a second opinion on some of the directions."""
        for k in places:
            self.slopes[k] = second_opinion(self.subject, self.directions[k], self.slopes[k])

    @property
    def relative(self) -> float:
        """How exact a sum of products is, relative to the sum of their sizes."""
        rounding = ROUNDINGS * self.subject.rounding
        return rounding if self.method.startswith("linear") else max(RELATIVE, rounding)

    def floor(self) -> Array:
        """Return, for each direction, what rounding of results of size 1 does to a derivative."""
        if self.method.startswith("linear"):
            return np.zeros(len(self.slopes))
        longest = np.max(np.abs(self.directions), axis=1, initial=0)
        return 16 * self.subject.rounding * np.maximum(1, longest / 16)


def _single(n: int, places: Array) -> Array:
    """Return rows of zeros with a single 1, at these places."""
    return (np.arange(n) == places[:, np.newaxis]).astype(float)


# ---- the comparison -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """Numbers, between which bounds they should lie, and how exactly that can be told."""

    found: Array
    low: Array
    high: Array
    tolerance: Array
    kink: Array

    @property
    def known(self) -> Array:
        """For which numbers there is an expectation.

        Where a derivative is infinite, differences find anything: that does not speak against it.
        """
        size = np.fmax(np.abs(self.low), np.abs(self.high))
        vague = ~np.isfinite(self.found) & (self.tolerance > RESOLUTION * size) & (size > 0)
        finite = np.isfinite(self.low) & np.isfinite(self.high) & np.isfinite(self.tolerance)
        return finite & ~vague

    @property
    def wrong(self) -> Array:
        """Which numbers contradict the expectation."""
        return self.known & ~within(self.found, self.low, self.high, self.tolerance)

    @property
    def checked(self) -> Array:
        """Which numbers can be told from rounding errors, or are exactly zero as they should be."""
        size = np.fmax(np.abs(self.found), np.fmax(np.abs(self.low), np.abs(self.high)))
        zero = (self.found == 0) & (self.low == 0) & (self.high == 0)
        return self.known & (zero | (self.tolerance <= RESOLUTION * size) | self.wrong)

    def over(self, units: Array) -> "Comparison":
        """Return the same numbers in other units."""
        parts = (v / units for v in (self.found, self.low, self.high, self.tolerance))
        return Comparison(*parts, self.kink)

    def cut(self, space: Space) -> "list[Comparison]":
        """Cut the numbers into the arrays of a space."""
        parts = [space.cut(v) for v in vars(self).values()]
        return [Comparison(*arrays) for arrays in zip(*parts, strict=True)]

    def finding(
        self, aspect: str, method: str, others: "dict[str, Array] | None" = None
    ) -> Finding:
        """Say what came of it."""
        checked, wrong = self.checked, self.wrong
        compared = int(checked.sum())
        unchecked = checked.size - compared
        with np.errstate(all="ignore"):
            errors = self.tolerance / np.fmax(np.abs(self.low), np.abs(self.high))
        counts = {
            "compared": compared,
            "unchecked": unchecked,
            "kinks": int((checked & self.kink).sum()),
            "method": method,
            "bound": float(np.max(errors, where=checked & np.isfinite(errors), initial=0)),
        }
        if wrong.any():
            n = count(checked.size, "entry", "entries")
            message = f"wrong at {int(wrong.sum())} of {n}"
            if (wrong & self.kink).any():
                message += "; at a kink, and outside of what lies between the derivatives around it"
            tolerance = np.where(self.known, self.tolerance, np.inf)
            mismatch = Mismatch(self.found, self.low, self.high, tolerance)
            hint = diagnosis.pattern(
                self.found,
                np.where(self.known, mismatch.expected, np.nan),
                tolerance=self.tolerance,
                others=others or {},
            )
            return Finding(
                aspect, Verdict.FAIL, message, mismatch=mismatch, hint=hint or "", **counts
            )
        if checked.size and not compared:
            message = "nothing could be told from rounding errors"
            if not self.known.any():
                message = (
                    "there is no finite derivative here, or none that can be found numerically"
                )
            return Finding(aspect, Verdict.INCONCLUSIVE, message, **counts)
        return Finding(aspect, Verdict.PASS, **counts)


def compare_derivatives(
    subject: Subject,
    expectation: Expectation,
    rng: np.random.Generator,
    modes: Container[str] = ("rev", "fwd"),
    names: Sequence[str] = (),
) -> list[Finding]:
    """Compare the derivatives that tensorgrad finds of a function with what is expected."""
    g = rng.normal(size=subject.base.y.size)
    gs = tuple(subject.codomain.unpack(g))

    def gradient(x: Array) -> Array:
        _, pullback = vjp(subject.f, *subject.domain.unpack(x))
        return subject.domain.pack(pullback(gs))

    def tangent(x: Array, t: Array) -> Array:
        space = subject.domain
        _, dys = jvp(subject.f, tuple(space.unpack(x)), tuple(space.unpack(t)))
        return subject.codomain.pack(dys)

    expectations = [expectation]
    if expectation.whole and expectation.kinks.any():
        expectations.append(Expectation.across(subject, rng))
    findings = []
    for expected in expectations:
        if "rev" in modes:
            labels = names or [f"x{i}" for i in range(len(subject.domain.shapes))]
            findings += compare_gradient(expected, g, gradient, labels)
        if "fwd" in modes:
            findings += compare_tangents(expected, tangent)
    return findings


def compare_gradient(
    expectation: Expectation,
    g: Array,
    gradient: Callable[[Array], Array],
    names: Sequence[str],
) -> list[Finding]:
    """Compare a gradient with what is expected.

    Parameters
    ----------
    expectation
        Of the function.
    g
        The cotangent of its result.
    gradient
        From the argument, as a vector, to the gradient pulled back from g.
    names
        Of the arrays that the argument consists of.
    """
    subject = expectation.subject
    found = gradient(subject.x)
    comparison = _products(expectation, g, found, np.zeros_like(found))
    if comparison.wrong.any():
        noise = _gradient_noise(subject, g, gradient, found)
        comparison = _products(expectation, g, found, noise)
        if comparison.wrong.any() and not expectation.whole and subject.x.size <= LOCATED:
            located = Expectation.by_entries(subject)  # to say where
            by_entries = _products(located, g, found, noise)
            if by_entries.wrong.any():
                expectation, comparison = located, by_entries
        if comparison.wrong.any():
            expectation.reconsider(np.flatnonzero(comparison.wrong))
            comparison = _products(expectation, g, found, noise)
    if not expectation.whole:
        return [comparison.finding("gradient along directions", expectation.method)]
    parts = comparison.over(subject.scale).cut(subject.domain)
    rights = {name: part.low for name, part in zip(names, parts, strict=True)}
    return [
        part.finding(
            f"gradient by {name}",
            expectation.method,
            {other: right for other, right in rights.items() if other != name},
        )
        for name, part in zip(names, parts, strict=True)
        if part.found.size
    ]


def _products(expectation: Expectation, g: Array, found: Array, noise: Array) -> Comparison:
    """Compare the products of a gradient with the directions."""
    low, high, error = expectation.stacked()  # (directions, results)
    size = np.abs(g) * np.fmax(np.abs(low), np.abs(high))
    total = (np.abs(g) * expectation.subject.sizes).sum()
    lengths = np.abs(expectation.directions)
    with np.errstate(invalid="ignore"):
        tolerance = (
            UNDERFLOW
            + (np.abs(g) * error).sum(1)
            + expectation.relative * size.sum(1)
            + 8 * lengths @ noise
            + expectation.floor() * total
        )
        products = np.where(expectation.directions != 0, expectation.directions * found, 0).sum(1)
    return Comparison(
        products,
        np.fmin(g * low, g * high).sum(1),
        np.fmax(g * low, g * high).sum(1),
        tolerance,
        expectation.kinks,
    )


def compare_tangents(
    expectation: Expectation, tangent: Callable[[Array, Array], Array]
) -> list[Finding]:
    """Compare tangents with the derivatives along the directions.

    Parameters
    ----------
    expectation
        Of the function.
    tangent
        From the argument and a direction, as vectors, to the tangent of the result.
    """
    subject = expectation.subject
    shape = len(expectation.slopes), subject.base.y.size
    found = np.reshape([tangent(subject.x, t) for t in expectation.directions], shape)
    noise = np.zeros(shape)
    comparison = _tangents(expectation, found, noise)
    if comparison.wrong.any():
        places = np.flatnonzero(comparison.wrong.any(1))
        for k in places:
            noise[k] = _tangent_noise(subject, expectation.directions[k], tangent, found[k])
        expectation.reconsider(places)
        comparison = _tangents(expectation, found, noise)
    if comparison.wrong.any():
        k = int(np.flatnonzero(comparison.wrong.any(1))[0])
        one = Comparison(*(v[k] for v in vars(comparison).values()))
        part = next(p for p in one.cut(subject.codomain) if p.wrong.any())
        finding = part.finding(f"tangent along direction {k}", expectation.method)
        return [finding]
    return [comparison.finding("tangent", expectation.method)]


def _tangents(expectation: Expectation, found: Array, noise: Array) -> Comparison:
    low, high, error = expectation.stacked()
    size = np.fmax(np.abs(low), np.abs(high))
    summed = size.sum(0) if expectation.whole else size.max(0) * np.sqrt(expectation.subject.x.size)
    y = expectation.subject.sizes
    tolerance = (
        UNDERFLOW
        + error
        + expectation.relative * size
        + ROUNDINGS * expectation.subject.rounding * summed
        + 8 * noise
        + expectation.floor()[:, np.newaxis] * y
    )
    # 0 times the infinite slope along another direction
    infinite = ~(error <= size + 1e-3 * y + 1e-9).all(0)
    undefined = ~np.isfinite(found) & infinite
    tolerance = np.where(undefined, np.inf, tolerance)
    kink = np.broadcast_to(expectation.kinks[:, np.newaxis], found.shape)
    return Comparison(found, low, high, tolerance, kink)


# ---- the noise of a derivative: looked for only where an entry seems to be wrong ---------------


def _gradient_noise(
    subject: Subject, g: Array, gradient: Callable[[Array], Array], found: Array
) -> Array:
    """Return how far rounding may put each entry of a gradient off."""
    noise = subject.noise_of(gradient, found, (LAST, *WIDE))
    # a rule with terms of the size of the result, or of the argument, may lose so much; a rule that
    # is rougher is wrong, as one in low precision
    most = np.abs(g).sum() * np.fmax(1, np.max(subject.sizes, initial=0) / subject.scale)
    noise = np.fmin(noise, ROUNDINGS * subject.rounding * most)
    if subject.trace is None:
        return noise
    gs = subject.codomain.unpack(g)
    return _with_changes(
        noise,
        found,
        [
            subject.domain.pack(disturbed_gradient(subject.trace, gs, np.random.default_rng(seed)))
            for seed in range(2)
        ],
    )


def _tangent_noise(
    subject: Subject, t: Array, tangent: Callable[[Array, Array], Array], found: Array
) -> Array:
    """Return how far rounding may put each entry of a tangent off."""
    noise = subject.noise_of(lambda x: tangent(x, t), found, (LAST, *WIDE))
    most = np.fmax(subject.sizes, np.max(np.abs(t), initial=0))
    noise = np.fmin(noise, ROUNDINGS * subject.rounding * most)
    if subject.trace is None:
        return noise
    ts = subject.domain.unpack(t)
    return _with_changes(
        noise,
        found,
        [
            subject.codomain.pack(disturbed_tangent(subject.trace, ts, np.random.default_rng(seed)))
            for seed in range(2)
        ],
    )


def _with_changes(noise: Array, found: Array, others: Sequence[Array]) -> Array:
    for other in others:
        change = np.abs(other - found)
        noise = np.fmax(noise, np.where(np.isfinite(change), change, 0))
    return noise
