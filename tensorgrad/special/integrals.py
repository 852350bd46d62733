"""Exponential, trigonometric and elliptic integrals, and hypergeometric functions."""

from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite, elementwise, several
from tensorgrad.engine.primitive import Case
from tensorgrad.ops.dispatch import constant_value
from tensorgrad.special.bessel import spherical_in, spherical_jn
from tensorgrad.special.declare import after, differentiable, held, small_shape, sp, unknown
from tensorgrad.typing import NONZERO, POSITIVE, UNIT, Array, ArrayLike, Domain, Draw

__all__ = [
    "ellipe",
    "ellipeinc",
    "ellipk",
    "ellipkinc",
    "ellipkm1",
    "exp1",
    "expi",
    "expn",
    "exprel",
    "hyp0f1",
    "hyp1f1",
    "hyp2f1",
    "lambertw",
    "shichi",
    "sici",
    "spence",
    "wrightomega",
]

# ---- hypergeometric functions: the derivative by the last argument is one of the same kind ------

hyp0f1: Any = differentiable(
    "hyp0f1",
    unknown("hyp0f1", "v"),
    lambda g, x, y: g * (hyp0f1(x + 1.0, y) / x),
    samples=after([1, 2, np.array([3])]),
)


def _draw_kummer(draw: Draw) -> Case:
    # near 0 SciPy's values for complex numbers, which derivatives are compared with, are poor
    z = np.asarray(1 + draw.array(small_shape(draw), Domain(avoid=(-1.0,))))
    return (draw.choice([1, 2, np.array([3])]), draw.choice([2, 3]), z), {}


hyp1f1: Any = differentiable(
    "hyp1f1",
    unknown("hyp1f1", "a"),
    unknown("hyp1f1", "b"),
    lambda g, x, y, z: g * (x / y * hyp1f1(x + 1.0, y + 1.0, z)),
    samples=_draw_kummer,
)
hyp2f1: Any = differentiable(
    "hyp2f1",
    unknown("hyp2f1", "a"),
    unknown("hyp2f1", "b"),
    unknown("hyp2f1", "c"),
    lambda g, x, y, z, w: g * (x * y / z * hyp2f1(x + 1.0, y + 1.0, z + 1.0, w)),
    samples=after([1, 2], [2, np.array([3])], [3, 4], domain=UNIT),
)


def exprel_slope(x: Array) -> Array:
    """Return the integral of t exp(t x) over 0 < t < 1, the derivative of (exp(x) - 1) / x."""
    finite = np.isfinite(x)  # hyp1f1 of other numbers does not come to an end
    return np.where(finite, hyp1f1(2.0, 3.0, np.where(finite, x, 0)) / 2, np.nan)


exprel = differentiable("exprel", lambda g, x: g * exprel_slope(x))

# ---- exponential and trigonometric integrals ----------------------------------------------------

exp1 = differentiable("exp1", lambda g, x: -g * (np.exp(-x) / x), domain=POSITIVE)
expi = differentiable("expi", lambda g, x: g * (np.exp(x) / x), domain=NONZERO)


def _expn_slope(g: Array, x: Array, y: Array) -> Array:
    # the order below; below 0 there is exp(-y) (1 / y + 1 / y**2)
    below = expn(np.maximum(x, 1.0) - 1.0, y)
    return -g * np.where(x == 0, np.exp(-y) * (y + 1) / (y * y), below)


expn = differentiable(
    "expn",
    unknown("expn", "n"),
    _expn_slope,
    samples=after([0, 1, 2, np.array([3])], domain=POSITIVE),
)


def _spence_slope(g: Array, x: Array) -> Array:
    # log(x) / (1 - x), which is -1 at 1
    near = np.abs(x - 1) < 0.5
    close = hyp2f1(1.0, 1.0, 2.0, np.where(near, 1 - x, 0))
    x = np.where(near, 2, x)
    return g * np.where(near, -close, np.log(x) / (1 - x))


spence = differentiable("spence", _spence_slope, domain=POSITIVE)


def _pair(name: str, first: Any, second: Any, domain: Domain) -> Any:
    """Declare a function of two results by the derivative of each."""
    ufunc = getattr(sp, name)

    def both(x: Array, /) -> tuple[Array, Array]:
        return ufunc(x)

    def draw_case(draw: Draw) -> Case:
        return (draw.array(small_shape(draw), domain),), {}

    def pull(g: tuple[Array, Array], x: Array) -> Array:
        # at 0, where the second slope is infinite, the first result may matter alone
        slope = second(x)
        alone = (constant_value(g[1]) == 0) & ~np.isfinite(constant_value(slope))
        return g[0] * first(x) + g[1] * np.where(alone, 0, slope)

    primitive = several(
        both,
        pull,
        lambda t, x: (t * first(x), t * second(x)),
        outputs=(f"{name}[0]", f"{name}[1]"),
        samples=draw_case,
        name=f"special.{name}_pair",
    )

    @composite(ufunc, samples=draw_case, name=f"special.{name}")
    def call(x: ArrayLike, /) -> tuple[Any, Any]:
        return tuple(primitive(x))

    return ufunc


sici = _pair("sici", lambda x: spherical_jn(0, x), lambda x: np.cos(x) / x, POSITIVE)
shichi = _pair("shichi", lambda x: spherical_in(0, x), lambda x: np.cosh(x) / x, Domain(0.5, 2.5))

# ---- elliptic integrals -------------------------------------------------------------------------


def _ellipkm1_slope(g: Array, x: Array) -> Array:
    # of K(1 - x): its singularity at x = 0 drowns in the rounding of 1 - x
    near = np.real(x) < 0.5
    p = np.where(near, x, 0.25)
    steep = (ellipe(1 - p) - p * ellipkm1(p)) / (2 * p * (1 - p))
    flat = np.pi / 8 * hyp2f1(1.5, 1.5, 2.0, 1 - np.where(near, 1, x))
    return -g * np.where(near, steep, flat)


ellipk = differentiable(
    "ellipk", lambda g, x: g * (np.pi / 8 * hyp2f1(1.5, 1.5, 2.0, x)), domain=UNIT
)
ellipkm1 = differentiable("ellipkm1", _ellipkm1_slope, domain=Domain(0.2, 2.0))
ellipe = differentiable(
    "ellipe", lambda g, x: -g * (np.pi / 8 * hyp2f1(0.5, 1.5, 2.0, x)), domain=UNIT
)


def _draw_amplitude(draw: Draw) -> Case:
    return (draw.array(small_shape(draw)), draw.choice([0, -1, np.array([-2])])), {}


ellipkinc = differentiable(
    "ellipkinc",
    lambda g, x, y: g / np.sqrt(1 - y * np.sin(x) ** 2),
    unknown("ellipkinc", "m"),
    samples=_draw_amplitude,
)
ellipeinc = differentiable(
    "ellipeinc",
    lambda g, x, y: g * np.sqrt(1 - y * np.sin(x) ** 2),
    unknown("ellipeinc", "m"),
    samples=_draw_amplitude,
)

# ---- inverses of w exp(w) -----------------------------------------------------------------------


def _lambertw(z: Array, /, *, k: ArrayLike, tol: float) -> Array:
    return sp.lambertw(z, k, tol)


def _draw_lambertw(draw: Draw) -> Case:
    z = draw.array(small_shape(draw), POSITIVE)
    return (z,), {"k": draw.choice([0, 2, -3, np.array([1])]), "tol": 1e-12}


_omega = elementwise(
    _lambertw,
    lambda g, ans: g / (np.exp(ans) * (1 + ans)),
    samples=_draw_lambertw,
    name="special.lambertw_value",
)


@composite(samples=_draw_lambertw, name="special.lambertw", reference=sp.lambertw)
def lambertw(z: ArrayLike, k: ArrayLike = 0, tol: float = 1e-8) -> Any:
    """Return w with w exp(w) = z on branch k: complex numbers; differentiable by z."""
    return _omega(z, k=held("lambertw", k=k), tol=tol)


# w + log(w) = x
wrightomega = differentiable("wrightomega", lambda g, ans: g * (ans / (1 + ans)))
