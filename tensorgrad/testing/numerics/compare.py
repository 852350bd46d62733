"""Whether a derivative is what it should be.

The tolerance of an entry is a sum of what is known about both sides. Of the expectation: the bound
of its error. Of the derivative under test: what rounding makes of a sum of terms, which is relative
to the sum of their sizes, sum |g_i J_ij|, and, where that does not explain a difference, how rough
the derivative is over points close by. Sizes of arrays do not enter. An entry smaller than a
hundred times its tolerance is not checked, unless both sides are exactly zero, and the report
counts it so.
"""

from collections.abc import Callable, Container, Mapping, Sequence

import numpy as np

from tensorgrad.testing.diagnosis.patterns import pattern
from tensorgrad.testing.numerics.comparison import Comparison
from tensorgrad.testing.numerics.expectation import ROUNDINGS, Expectation
from tensorgrad.testing.numerics.rounding import disturbed_gradient, disturbed_tangent
from tensorgrad.testing.numerics.space import Space
from tensorgrad.testing.numerics.subject import Subject
from tensorgrad.testing.numerics.trace import Trace
from tensorgrad.testing.report import Finding, Verdict, count
from tensorgrad.transforms import jvp, vjp
from tensorgrad.typing import Array

# Up to so many entries, wrong ones are looked for one by one.
LOCATED = 2000
# Below the smallest normal number, precision gets lost.
UNDERFLOW = 1e-300


def found_by(
    comparison: Comparison, aspect: str, method: str, others: Mapping[str, Array] | None = None
) -> Finding:
    """Say what came of a comparison; ``others`` are right gradients by other arguments."""
    checked, wrong = comparison.checked, comparison.wrong
    compared = int(checked.sum())
    unchecked = checked.size - compared
    counts = {
        "compared": compared,
        "unchecked": unchecked,
        "kinks": int((checked & comparison.kink).sum()),
        "method": method,
        "bound": comparison.bound,
    }
    if wrong.any():
        n = count(checked.size, "entry", "entries")
        message = f"wrong at {int(wrong.sum())} of {n}"
        if (wrong & comparison.kink).any():
            message += "; at a kink, and outside of what lies between the derivatives around it"
        hint = pattern(
            comparison.found,
            comparison.expected,
            tolerance=comparison.tolerance,
            others=others or {},
        )
        return Finding(
            aspect, Verdict.FAIL, message, mismatch=comparison, hint=hint or "", **counts
        )
    if checked.size and not compared:
        message = "nothing could be told from rounding errors"
        if not comparison.known.any():
            message = "there is no finite derivative here, or none that can be found numerically"
        return Finding(aspect, Verdict.INCONCLUSIVE, message, **counts)
    return Finding(aspect, Verdict.PASS, **counts)


def cut(comparison: Comparison, space: Space) -> list[Comparison]:
    """Cut the numbers into the arrays of a space."""
    found, low, high, tolerance, kink = (
        space.cut(v)
        for v in (
            comparison.found,
            comparison.low,
            comparison.high,
            comparison.tolerance,
            comparison.kink,
        )
    )
    return list(map(Comparison, found, low, high, tolerance, kink))


def _row(comparison: Comparison, k: int) -> Comparison:
    return Comparison(
        comparison.found[k],
        comparison.low[k],
        comparison.high[k],
        comparison.tolerance[k],
        comparison.kink[k],
    )


def compare_derivatives(
    subject: Subject,
    expectation: Expectation,
    rng: np.random.Generator,
    names: Sequence[str],
    modes: Container[str] = ("rev", "fwd"),
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
            findings += compare_gradient(expected, g, gradient, names)
        if "fwd" in modes:
            findings += compare_tangents(expected, tangent, names)
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
        return [found_by(comparison, "gradient along directions", expectation.method)]
    parts = cut(comparison.over(subject.scale), subject.domain)
    rights = {name: part.low for name, part in zip(names, parts, strict=True)}
    return [
        found_by(
            part,
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
    expectation: Expectation,
    tangent: Callable[[Array, Array], Array],
    names: Sequence[str],
) -> list[Finding]:
    """Compare tangents with the derivatives along the directions.

    Parameters
    ----------
    expectation
        Of the function.
    tangent
        From the argument and a direction, as vectors, to the tangent of the result.
    names
        Of the arrays that the argument consists of.
    """
    subject = expectation.subject
    shape = len(expectation.slopes), subject.base.y.size
    found = np.reshape([tangent(subject.x, t) for t in expectation.directions], shape)
    noise = np.zeros(shape)
    comparison = _tangents(expectation, found, noise)
    if comparison.wrong.any():
        places = np.flatnonzero((comparison.wrong | ~np.isfinite(found)).any(1))
        for place in places:
            t = expectation.directions[place]
            noise[place] = _tangent_noise(subject, t, tangent, found[place])
        expectation.reconsider(places)
        comparison = _tangents(expectation, found, noise)
    wrong = np.flatnonzero(comparison.wrong.any(1))
    if not wrong.size:
        return [found_by(comparison, "tangent", expectation.method)]
    k = int(wrong[0])
    one = next(p for p in cut(_row(comparison, k), subject.codomain) if p.wrong.any())
    return [found_by(one, f"tangent {expectation.label(k, names)}", expectation.method)]


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

    def disturbed(run: Trace, rng: np.random.Generator) -> Array:
        return subject.domain.pack(disturbed_gradient(run, subject.codomain.unpack(g), rng))

    # a rule may have terms of the size of the results, or of the argument
    terms = np.abs(g).sum() * np.fmax(1, np.max(subject.sizes, initial=0) / subject.scale)
    return _noise(subject, gradient, found, terms, disturbed)


def _tangent_noise(
    subject: Subject, t: Array, tangent: Callable[[Array, Array], Array], found: Array
) -> Array:
    """Return how far rounding may put each entry of a tangent off."""

    def disturbed(run: Trace, rng: np.random.Generator) -> Array:
        return subject.codomain.pack(disturbed_tangent(run, subject.domain.unpack(t), rng))

    terms = np.fmax(subject.sizes, np.max(np.abs(t), initial=0))
    return _noise(subject, lambda x: tangent(x, t), found, terms, disturbed)


def _noise(
    subject: Subject,
    derivative: Callable[[Array], Array],
    found: Array,
    terms: Array,
    disturbed: Callable[[Trace, np.random.Generator], Array],
) -> Array:
    """Return what rounding inside of rules, and between them, may do to a derivative.

    Inside: how rough the derivative is over points close by, but no more than sums of such terms
    lose; a rule that is rougher is wrong, as one in low precision. Between: what disturbing every
    product does.
    """
    close, wide = (subject.noise_of(derivative, found, wide=wide) for wide in (False, True))
    noise = np.fmin(np.fmax(close, wide), ROUNDINGS * subject.rounding * terms)
    if subject.trace is not None:
        for seed in range(2):
            change = np.abs(disturbed(subject.trace, np.random.default_rng(seed)) - found)
            noise = np.fmax(noise, np.where(np.isfinite(change), change, 0))
    return noise
