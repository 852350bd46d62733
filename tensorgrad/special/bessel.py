"""Bessel functions: the derivative of one is made of those of the orders beside it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite, elementwise
from tensorgrad.engine.primitive import Case
from tensorgrad.errors import UnsupportedError, explain
from tensorgrad.special.declare import after, differentiable, held, small_shape, sp, unknown
from tensorgrad.typing import NONZERO, POSITIVE, REAL, Array, ArrayLike, Domain, Draw

__all__ = [
    "hankel1",
    "hankel2",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "iv",
    "ive",
    "j0",
    "j1",
    "jn",
    "jv",
    "k0",
    "k0e",
    "k1",
    "k1e",
    "kn",
    "kv",
    "kve",
    "spherical_in",
    "spherical_jn",
    "spherical_kn",
    "spherical_yn",
    "y0",
    "y1",
    "yn",
    "yv",
]

_ORDERS = [0, 1, 3, np.array([2])]


def _mean(f: Callable[..., Array], v: Array, x: Array) -> Array:
    # of the orders beside v, which may be an unsigned integer
    return (f(v - 1.0, x) + f(v + 1.0, x)) / 2


def _difference(f: Callable[..., Array], v: Array, x: Array) -> Array:
    return (f(v - 1.0, x) - f(v + 1.0, x)) / 2


jv: Any = differentiable(
    "jv",
    unknown("jv", "v"),
    lambda g, x, y: g * _difference(jv, x, y),
    samples=after(_ORDERS, domain=POSITIVE),
)
jn = jv
yv: Any = differentiable(
    "yv",
    unknown("yv", "v"),
    lambda g, x, y: g * _difference(yv, x, y),
    samples=after(_ORDERS, domain=POSITIVE),
)
yn = differentiable(
    "yn",
    unknown("yn", "n"),
    lambda g, x, y: g * _difference(yv, x, y),
    samples=after(_ORDERS, domain=POSITIVE),
)
hankel1: Any = differentiable(
    "hankel1",
    unknown("hankel1", "v"),
    lambda g, x, y: g * _difference(hankel1, x, y),
    samples=after(_ORDERS, domain=POSITIVE),
)
hankel2: Any = differentiable(
    "hankel2",
    unknown("hankel2", "v"),
    lambda g, x, y: g * _difference(hankel2, x, y),
    samples=after(_ORDERS, domain=POSITIVE),
)
iv: Any = differentiable(
    "iv",
    unknown("iv", "v"),
    lambda g, x, y: g * _mean(iv, x, y),
    samples=after(_ORDERS, domain=POSITIVE),
)
kv: Any = differentiable(
    "kv",
    unknown("kv", "v"),
    lambda g, x, y: -g * _mean(kv, x, y),
    samples=after(_ORDERS, domain=POSITIVE),
)
kn = differentiable(
    "kn",
    unknown("kn", "n"),
    lambda g, x, y: -g * _mean(kv, x, y),
    samples=after(_ORDERS, domain=POSITIVE),
)


def _ive_slope(g: Array, x: Array, y: Array, ans: Array) -> Array:
    # exp(-|Re(y)|) iv(x, y)
    if np.iscomplexobj(y):
        raise UnsupportedError(
            explain(
                "special.ive",
                "The derivative by a complex number is not supported.",
                "Use np.exp(-np.abs(np.real(z))) * iv(v, z).",
            )
        )
    return g * (_mean(ive, x, y) - np.sign(y) * ans)


ive = differentiable(
    "ive",
    unknown("ive", "v"),
    _ive_slope,
    samples=after(_ORDERS, domain=POSITIVE, real=True),
    holomorphic=False,
)
# exp(y) kv(x, y)
kve: Any = differentiable(
    "kve",
    unknown("kve", "v"),
    lambda g, x, y, ans: g * (ans - _mean(kve, x, y)),
    samples=after(_ORDERS, domain=POSITIVE),
)

# ---- orders 0 and 1 -----------------------------------------------------------------------------

j0 = differentiable("j0", lambda g, x: -g * j1(x))
j1: Any = differentiable("j1", lambda g, x: g * ((j0(x) - jv(2, x)) / 2))
y0 = differentiable("y0", lambda g, x: -g * y1(x), domain=POSITIVE)
y1: Any = differentiable("y1", lambda g, x: g * ((y0(x) - yv(2, x)) / 2), domain=POSITIVE)
i0 = differentiable("i0", lambda g, x: g * i1(x))
i1: Any = differentiable("i1", lambda g, x: g * ((i0(x) + iv(2, x)) / 2))
k0 = differentiable("k0", lambda g, x: -g * k1(x), domain=POSITIVE)
k1: Any = differentiable("k1", lambda g, x: -g * ((k0(x) + kv(2, x)) / 2), domain=POSITIVE)
# exp(-|x|) i0(x) and exp(-|x|) i1(x); at 0, where the first has a kink, the average of both sides
i0e = differentiable(
    "i0e",
    lambda g, x, ans: g * (i1e(x) - np.sign(x) * ans),
    domain=NONZERO,
    branches=lambda x: np.sign(x),
    singular=lambda x: x == 0,
)
i1e: Any = differentiable(
    "i1e",
    lambda g, x, ans: g * ((i0e(x) + ive(2, x)) / 2 - np.sign(x) * ans),
    domain=NONZERO,
    branches=lambda x: np.sign(x),
)
# exp(x) k0(x) and exp(x) k1(x)
k0e = differentiable("k0e", lambda g, x, ans: g * (ans - k1e(x)), domain=POSITIVE)
k1e: Any = differentiable(
    "k1e", lambda g, x, ans: g * (ans - (k0e(x) + kve(2, x)) / 2), domain=POSITIVE
)

# ---- spherical Bessel functions -----------------------------------------------------------------


def _spherical(name: str, below: int, above: int, domain: Domain) -> Callable[..., Any]:
    """Declare f with (2 n + 1) f'[n] = below n f[n - 1] + above (n + 1) f[n + 1]."""
    function = getattr(sp, name)

    def value(z: Array, /, *, n: ArrayLike) -> Array:
        return function(n, z)

    def slope(z: Array, n: ArrayLike) -> Array:
        n = np.asarray(n)
        lower, upper = primitive(z, n=np.maximum(n, 1) - 1), primitive(z, n=n + 1)
        total = (below * n * lower + above * (n + 1) * upper) / (2 * n + 1)
        return total.astype(upper.dtype)

    def draw_case(draw: Draw) -> Case:
        n = draw.choice([0, 1, 2, np.array([3])])
        return (n, draw.array(small_shape(draw), domain)), {"derivative": draw.boolean()}

    def draw_value(draw: Draw) -> Case:
        (n, z), _ = draw_case(draw)
        return (z,), {"n": n}

    primitive = elementwise(
        value,
        lambda g, z, n: g * slope(z, n),
        name=f"special.{name}_value",
        samples=draw_value,
    )

    @composite(samples=draw_case, name=f"special.{name}", reference=function)
    def spherical(n: ArrayLike, z: ArrayLike, derivative: bool = False) -> Any:
        n = held(name, n=n)
        return slope(z, n) if derivative else primitive(z, n=n)

    return spherical


spherical_jn = _spherical("spherical_jn", 1, -1, REAL)
spherical_yn = _spherical("spherical_yn", 1, -1, POSITIVE)
spherical_in = _spherical("spherical_in", 1, 1, REAL)
spherical_kn = _spherical("spherical_kn", -1, -1, POSITIVE)
