"""A check of programs that is quick enough for hundreds a second.

To find out how exactly derivatives can be known, and where the kinks are, takes `check_grad` longer
than all of this. Here differences of a few fixed steps do, because the programs that
`tensorgrad.testing.programs.growing` makes are tame.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from tensorgrad.testing.laws import assert_in_spaces_of, inner, vectors_like
from tensorgrad.testing.numerics.trace import Function
from tensorgrad.testing.programs.program import Program, reference
from tensorgrad.transforms import jvp, vjp
from tensorgrad.typing import Array

# Values are those of the reference implementations to this part of the greatest.
EXACT = 1e-11
# Steps of differences, and how closely they agree: where a function is too steep for one step,
# truncation errors shrink with the fourth power of the next, and rounding errors grow.
STEPS = ((2.0**-9, 1e-8), (2.0**-13, 1e-8), (2.0**-17, 1e-8), (2.0**-21, 1e-7))


def check_program(program: Program, *, order: int = 1) -> None:
    """Raise AssertionError unless the values and derivatives of a program are right.

    Values are compared with those of the reference implementations, and the derivatives of both
    modes, along one direction, with differences of these. At order 2, the derivatives of both modes
    are differentiated in both modes, and compared with differences of them.
    """

    def references(*xs: Any) -> list[Any]:
        values = program.evaluate(xs, reference)
        return [*(values[name] for name in program.sinks), *values.values()]

    rng = np.random.default_rng(0)
    xs = program.inputs
    ts = vectors_like(xs, rng)
    gs = _check(program.run, references, xs, ts, rng)

    def derivatives(*xs: Any) -> tuple[Any, ...]:
        return *vjp(program.run, *xs)[1](gs), *jvp(program.run, xs, ts)[1]

    if order > 1:
        _check(derivatives, derivatives, xs, ts, rng)


def _check(
    f: Function,
    references: Callable[..., Sequence[Array]],
    xs: tuple[Array, ...],
    ts: tuple[Array, ...],
    rng: np.random.Generator,
) -> tuple[Array, ...]:
    """Check f and its derivatives at xs along ts, and return the cotangents of its results.

    The references are its results, and whatever else they are computed from.
    """
    ys, slopes = jvp(f, xs, ts)
    _, pullback = vjp(f, *xs)
    gs = vectors_like(ys, rng)
    gradient = pullback(gs)
    expected = references(*xs)
    for what, found, like in (
        ("values", ys, expected[: len(ys)]),
        ("tangents", slopes, ys),
        ("gradients", gradient, xs),
    ):
        assert_in_spaces_of(found, like, what)
    if wrong := _apart("value", ys, expected, EXACT * _greatest(expected)):
        raise AssertionError(wrong)
    for step, tolerance in STEPS:
        expected, scale = _differences(references, xs, ts, step)
        expected = expected[: len(ys)]
        bound = tolerance * scale
        terms = max(1.0, _size(gs, expected) / scale, _size(gradient, ts) / scale)
        wrong = _apart("tangent", slopes, expected, bound) or _apart(
            "<gradient, t>", [inner(gradient, ts)], [inner(gs, expected)], bound * terms
        )
        if wrong is None:
            return gs
    raise AssertionError(wrong)


def _differences(
    f: Callable[..., Sequence[Array]], xs: Sequence[Array], ts: Sequence[Array], step: float
) -> tuple[list[Array], float]:
    """Return derivatives along ts, and the greatest entry of these and of the values."""
    # f'(x) = (8 (f(x + h) - f(x - h)) - (f(x + 2h) - f(x - 2h))) / 12 h + O(h^4)
    a, b, c, d = (
        f(*(x + k * step * t for x, t in zip(xs, ts, strict=True))) for k in (1, -1, 2, -2)
    )
    found = [(8 * (p - q) - (r - s)) / (12 * step) for p, q, r, s in zip(a, b, c, d, strict=True)]
    return found, _greatest([*found, *a])


def _greatest(arrays: Iterable[Array]) -> float:
    """Return the absolute value of the greatest entry, but at least 1."""
    return max([1.0, *(float(abs(x).max()) for x in arrays if x.size)])


def _size(xs: Sequence[Array], ys: Sequence[Array]) -> float:
    """Return the sum of the absolute values that an inner product is summed from."""
    return sum(float(abs(x * y).sum()) for x, y in zip(xs, ys, strict=True))


def _apart(what: str, found: Sequence[Any], expected: Sequence[Any], bound: float) -> str | None:
    """Say which of the arrays are farther apart than the bound; there may be more expected ones."""
    for i, (a, b) in enumerate(zip(found, expected, strict=False)):
        if not np.all(abs(a - b) <= bound):
            return f"{what}: result {i} is {a}, expected {b}"
    return None
