"""The gamma function and its kin."""

from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite, elementwise
from tensorgrad.engine.primitive import Case
from tensorgrad.errors import ShapeError, explain
from tensorgrad.ops.dispatch import operand, refuse
from tensorgrad.special.declare import after, differentiable, held, small_shape, sp, unknown
from tensorgrad.special.entropy import xlog1py, xlogy
from tensorgrad.typing import POSITIVE, Array, ArrayLike, Domain, Draw

__all__ = [
    "beta",
    "betainc",
    "betaincc",
    "betaincinv",
    "betaln",
    "digamma",
    "factorial",
    "gamma",
    "gammainc",
    "gammaincc",
    "gammainccinv",
    "gammaincinv",
    "gammaln",
    "loggamma",
    "multigammaln",
    "poch",
    "polygamma",
    "psi",
    "rgamma",
    "zeta",
]

# between the poles at 0, -1, -2, ...
_BETWEEN_POLES = Domain(-1.7, 3.0, avoid=(-1.0, 0.0))

# ---- zeta, which is every derivative of psi -----------------------------------------------------

# B[2], B[4], ... over 2!, 4!, ...
_STIRLING = tuple(
    float(b / np.prod(np.arange(1.0, 2 * j + 1)))
    for j, b in enumerate(sp.bernoulli(20)[2::2], start=1)
)


def _zeta(x: Array, q: Array, /) -> Array:
    return _complex_zeta(x, q) if np.iscomplexobj(q) else sp.zeta(x, q)


def _complex_zeta(x: Array, q: Array) -> Array:
    """Sum (q + k)**-x over k >= 0: the first terms one by one, the others as an integral.

    The corrections of the integral, by Euler and Maclaurin, shrink fast where Re(q) > 20.
    """
    steps = max(0, int(np.ceil(20 - np.min(np.real(q), initial=20))))
    first = sum(((q + k) ** -x for k in range(steps)), np.zeros_like(q))
    z = q + steps
    rest = z ** (1 - x) / (x - 1) + z**-x / 2
    falling = x * z ** (-x - 1)
    for j, b in enumerate(_STIRLING, start=1):
        rest = rest + b * falling
        falling = falling * (x + 2 * j - 1) * (x + 2 * j) / z**2
    return (first + rest).astype(np.result_type(q))


_hurwitz = elementwise(
    _zeta,
    unknown("zeta", "x"),
    lambda g, x, q: -g * (x * zeta(x + 1, q)),
    name="special.hurwitz_zeta",
    samples=after([2, 3, np.array([4])], domain=POSITIVE, real=True),
    reference=sp.zeta,
)


def _draw_zeta(draw: Draw) -> Case:
    q = np.array(draw.array(small_shape(draw), POSITIVE).real)
    return (draw.choice([2, 3.5]),), {"q": q}


@composite(samples=_draw_zeta, name="special.zeta", reference=sp.zeta)
def zeta(x: ArrayLike, q: ArrayLike = None, out: None = None) -> Any:
    """Sum (q + k)**-x over k >= 0, or return Riemann's zeta function; differentiable by q."""
    refuse("special.zeta", out=out)
    return _riemann(x) if q is None else _hurwitz(x, q)


def _riemann(x: ArrayLike) -> Any:
    value = sp.zeta(held("zeta", x=x))
    return value + 0 * x.detach() if hasattr(x, "detach") else value


psi = digamma = differentiable("psi", lambda g, x: g * zeta(2, x), domain=_BETWEEN_POLES)


def _draw_polygamma(draw: Draw) -> Case:
    x = np.array(draw.array(small_shape(draw), POSITIVE).real)
    return (draw.choice([0, 1, 3, np.array([2])]), x), {}


@composite(samples=_draw_polygamma, name="special.polygamma", reference=sp.polygamma)
def polygamma(n: ArrayLike, x: ArrayLike) -> Any:
    """Return the derivative of order n of psi; differentiable by x."""
    n = np.asarray(held("polygamma", n=n))
    factor = (-1.0) ** (n + 1) * sp.gamma(n + 1.0)
    return np.where(n == 0, psi(x), factor * zeta(np.where(n == 0, 2, n + 1), x))


# ---- gamma --------------------------------------------------------------------------------------

gamma = differentiable("gamma", lambda g, x, ans: g * (ans * psi(x)), domain=_BETWEEN_POLES)
gammaln = differentiable("gammaln", lambda g, x: g * psi(x), domain=_BETWEEN_POLES)
loggamma = differentiable("loggamma", lambda g, x: g * psi(x), domain=POSITIVE)


def _draw_positive(draw: Draw) -> Case:
    # elsewhere SciPy goes on between the poles, and at some of them
    xs = (draw.array(shape, POSITIVE).real for shape in draw.broadcastable(2))
    return tuple(np.asarray(np.abs(x) + (x == 0)) for x in xs), {}


def _rgamma_slope(g: Array, x: Array, ans: Array) -> Array:
    # -psi(x) / gamma(x); where poles of both meet, 1 / gamma(x) = gamma(1 - x) sin(pi x) / pi
    left = np.real(x) < 0.5
    mirrored = 1 - np.where(left, x, 0)
    turned = np.cos(np.pi * x) - psi(mirrored) * np.sin(np.pi * x) / np.pi
    right = -ans * psi(np.where(left, 1, x))
    return g * np.where(left, gamma(mirrored) * turned, right)


rgamma = differentiable("rgamma", _rgamma_slope, domain=Domain(-2.5, 3.0))
beta = differentiable(
    "beta",
    lambda g, ans, x, y: g * (ans * (psi(x) - psi(x + y))),
    lambda g, ans, x, y: g * (ans * (psi(y) - psi(x + y))),
    samples=_draw_positive,
)
betaln = differentiable(
    "betaln",
    lambda g, x, y: g * (psi(x) - psi(x + y)),
    lambda g, x, y: g * (psi(y) - psi(x + y)),
    samples=_draw_positive,
)
# gamma(x + y) / gamma(x)
poch = differentiable(
    "poch",
    lambda g, ans, x, y: g * (ans * (psi(x + y) - psi(x))),
    lambda g, ans, x, y: g * (ans * psi(x + y)),
    samples=_draw_positive,
)


@composite(
    samples=lambda draw: (
        (np.array(draw.array(draw.shape(max_ndim=2, min_side=1), POSITIVE).real),),
        {},
    ),
    name="special.factorial",
    reference=sp.factorial,
)
def factorial(n: ArrayLike, exact: bool = False, extend: str = "zero") -> Any:
    """Return gamma(n + 1), and 0 for negative n."""
    refuse(
        "special.factorial",
        exact=exact or None,
        extend=None if extend == "zero" else extend,
    )
    n = operand(n).astype(np.float64)
    negative = n < 0
    return np.where(negative, 0, gamma(np.where(negative, 0, n) + 1))


@composite(
    samples=lambda draw: (
        (np.asarray(2 + np.abs(draw.array(small_shape(draw)))), draw.integer(1, 4)),
        {},
    ),
    name="special.multigammaln",
    reference=sp.multigammaln,
)
def multigammaln(a: ArrayLike, d: int) -> Any:
    """Return the logarithm of the gamma function of dimension d."""
    a = operand(a)
    if d != np.floor(d) or np.any(a <= 0.5 * (d - 1)):
        raise ShapeError(
            explain(
                "special.multigammaln",
                "The dimension is a whole number, and a is greater than (d - 1) / 2.",
                d=d,
            )
        )
    total = sum(loggamma(a - j / 2) for j in range(int(d)))
    return total + d * (d - 1) * 0.25 * np.log(np.pi)


# ---- incomplete integrals: the derivative by the bound is what is integrated --------------------


# At their ends the densities are powers of 0, whose logarithms have no derivatives.


def _gamma_density(a: Array, x: Array) -> Array:
    # x**(a - 1) exp(-x) / gamma(a)
    end = x == 0
    inside, at_end = np.where(end, 1, x), np.where(end, x, 1)
    density = np.exp(xlogy(a - 1.0, inside) - inside - gammaln(a))
    return np.where(end, at_end ** (a - 1.0) * np.exp(-at_end) / gamma(a), density)


def _beta_density(a: Array, b: Array, x: Array) -> Array:
    # x**(a - 1) (1 - x)**(b - 1) / beta(a, b)
    end = (x == 0) | (x == 1)
    inside, at_end = np.where(end, 0.5, x), np.where(end, x, 0.5)
    density = np.exp(xlogy(a - 1.0, inside) + xlog1py(b - 1.0, -inside) - betaln(a, b))
    return np.where(end, at_end ** (a - 1.0) * (1 - at_end) ** (b - 1.0) / beta(a, b), density)


_SHARE = Domain(0.2, 0.8)
_EXPONENTS = [1, 2, np.array([4])]

gammainc = differentiable(
    "gammainc",
    unknown("gammainc", "a"),
    lambda g, x, y: g * _gamma_density(x, y),
    samples=after(_EXPONENTS, domain=POSITIVE),
)
gammaincc = differentiable(
    "gammaincc",
    unknown("gammaincc", "a"),
    lambda g, x, y: -g * _gamma_density(x, y),
    samples=after(_EXPONENTS, domain=POSITIVE),
)
gammaincinv = differentiable(
    "gammaincinv",
    unknown("gammaincinv", "a"),
    lambda g, x, ans: g / _gamma_density(x, ans),
    samples=after(_EXPONENTS, domain=_SHARE),
)
gammainccinv = differentiable(
    "gammainccinv",
    unknown("gammainccinv", "a"),
    lambda g, x, ans: -g / _gamma_density(x, ans),
    samples=after(_EXPONENTS, domain=_SHARE),
)
betainc = differentiable(
    "betainc",
    unknown("betainc", "a"),
    unknown("betainc", "b"),
    lambda g, x, y, z: g * _beta_density(x, y, z),
    samples=after(_EXPONENTS, _EXPONENTS, domain=_SHARE),
)
betaincc = differentiable(
    "betaincc",
    unknown("betaincc", "a"),
    unknown("betaincc", "b"),
    lambda g, x, y, z: -g * _beta_density(x, y, z),
    samples=after(_EXPONENTS, _EXPONENTS, domain=_SHARE),
)
betaincinv = differentiable(
    "betaincinv",
    unknown("betaincinv", "a"),
    unknown("betaincinv", "b"),
    lambda g, x, y, ans: g / _beta_density(x, y, ans),
    samples=after(_EXPONENTS, _EXPONENTS, domain=_SHARE),
)
