"""A function under test: its values along lines, its trace, and how rough rounding makes it."""

import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from tensorgrad.testing.numerics.space import Space
from tensorgrad.testing.numerics.trace import Branch, Function, Trace, trace
from tensorgrad.typing import Array

# Where values are compared to see their rounding errors, in units of a spacing: irregular places,
# lest errors come in step with them; and combinations of such values that vanish for polynomials of
# fourth degree, and are of length 1.
PLACES = np.array([0.0, 1.0, 2.3, 3.1, 4.7, 5.9, 7.2, 8.6])
RESIDUALS = np.linalg.qr(np.vander(PLACES / PLACES.max(), 5), mode="complete")[0][:, 5:].T
# Spacings. Some errors come in steps so long that only wide spacings show them.
CLOSE = (2.0**-22,)
WIDE = (2.0**-10, 2.0**-7)


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
        """Evaluate the function; nothing finite where it raises, or gives more or fewer numbers."""
        self.evaluations += 1
        nowhere = Point(np.full_like(self.base.y, np.nan), None)
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if self.trace is None:
                    ys = self.f(*self.arrays(x))
                    point = Point(self.codomain.pack([np.asarray(y) for y in ys]), None)
                else:
                    run = trace(self.f, self.domain.unpack(x))
                    point = Point(self.codomain.pack(run.values), run.branch)
        except Exception:  # whatever a function raises outside of its domain
            return nowhere
        return point if point.y.size == self.base.y.size else nowhere

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
        except Exception:  # it takes no complex numbers
            return None
        if run.operations != self.trace.operations or not run.holomorphic:
            return None
        y = np.concatenate([np.ravel(value) for value in run.values]) if run.values else np.zeros(0)
        if np.any(np.abs(y.real - self.base.y) > 1e-6 * np.fmax(1, np.abs(self.base.y))):
            return None
        return y.imag / h if np.iscomplexobj(y) else np.zeros_like(y)

    def noise_of(
        self, function: Callable[[Array], Array], value: Array, *, wide: bool = False
    ) -> Array:
        """Return how uncertain rounding makes each entry of a function of the argument.

        Over a few points close together, what is smooth is a polynomial, and its rounding errors
        are not (as in More and Wild, 2011). They may come in steps, as those of 1 + exp(-x), which
        only wide spacings show: there, what is left counts if it does not vanish with the spacing.
        """
        t = np.random.default_rng(0).choice([-1.0, 1.0], self.x.size) * self.scale
        noise = np.zeros_like(value)
        for spacing in WIDE if wide else CLOSE:
            sides = []
            for step in (spacing * t, -spacing * t):
                rough = self._roughness(function, value, step)
                if wide and rough is not None:
                    near = self._roughness(function, value, step / 2)
                    rough = None if near is None else np.where(rough > 8 * near, 0, rough)
                if rough is not None:
                    sides.append(rough)
                    if self.trace is not None:
                        break  # else this side may be that of a kink, and the other one calmer
            found = np.min(sides, axis=0) if sides else 0.0
            noise = np.fmax(noise, np.where(np.isfinite(found), found, 0))
        return noise

    def _roughness(
        self, function: Callable[[Array], Array], value: Array, step: Array
    ) -> Array | None:
        """Return what is left of values some steps away beside a polynomial; None across a kink."""
        xs = [self.x + place * step for place in PLACES[1:]]
        if self.base.branch and not all(self.at(x).continues(self.base) for x in xs):
            return None
        left = np.tensordot(RESIDUALS, np.stack([value, *map(function, xs)]), 1)
        return 2 * np.abs(left).max(0)

    @cached_property
    def noise(self) -> Array:
        """How uncertain rounding makes each entry of the result."""
        rounding = self.rounding * np.abs(np.where(np.isfinite(self.base.y), self.base.y, 0))
        return rounding + self.noise_of(lambda x: self.at(x).y, self.base.y)

    def look_closer(self) -> None:
        """Look for rounding errors that only wider spacings show."""
        if not self._looked_closer:
            wide = self.noise_of(lambda x: self.at(x).y, self.base.y, wide=True)
            # more than terms of the size of the result or the argument lose is no rounding
            most = 64 * self.rounding * (self.sizes + np.max(self.scale, initial=0))
            self.noise = np.fmax(self.noise, np.fmin(wide, most))
            self._looked_closer = True


def _coarsest(values: Sequence[Array]) -> float:
    kinds = [np.finfo(y.dtype).eps for y in values if y.dtype.kind in "fc"]
    return float(max(kinds, default=np.finfo(float).eps))


def _scale(x: Array) -> Array:
    """Return the length by which each entry is varied: its own size; for a zero, that of others."""
    size = np.abs(x)
    typical = np.median(size[size > 0]) if np.any(size > 0) else 1.0
    return np.where(size > 0, size, min(typical, 1.0))
