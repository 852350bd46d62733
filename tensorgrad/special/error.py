"""The error function and the normal distribution."""

import numpy as np

from tensorgrad.engine.primitive import Case
from tensorgrad.special.declare import differentiable, small_shape
from tensorgrad.typing import POSITIVE, UNIT, Array, Domain, Draw

__all__ = [
    "dawsn",
    "erf",
    "erfc",
    "erfcinv",
    "erfcx",
    "erfi",
    "erfinv",
    "log_ndtr",
    "ndtr",
    "ndtri",
    "ndtri_exp",
    "owens_t",
    "wofz",
]

_ROOT_PI = np.sqrt(np.pi).item()
_ROOT_2PI = np.sqrt(2 * np.pi).item()
_ROOT_2 = np.sqrt(2.0).item()

erf = differentiable("erf", lambda g, x: g * (2 / _ROOT_PI * np.exp(-x * x)))
erfc = differentiable("erfc", lambda g, x: -g * (2 / _ROOT_PI * np.exp(-x * x)))
erfi = differentiable("erfi", lambda g, x: g * (2 / _ROOT_PI * np.exp(x * x)))
erfinv = differentiable(
    "erfinv",
    lambda g, ans: g * (_ROOT_PI / 2 * np.exp(ans * ans)),
    domain=UNIT,
    singular=lambda x: np.abs(x) == 1,
)
erfcinv = differentiable(
    "erfcinv",
    lambda g, ans: -g * (_ROOT_PI / 2 * np.exp(ans * ans)),
    domain=Domain(0.3, 1.7),
    singular=lambda x: (x == 0) | (x == 2),
)

# ---- scaled error functions ---------------------------------------------------------------------
#
# Their derivatives, as 2 x erfcx(x) - 2 / sqrt(pi), are differences in which all digits cancel for
# large x. There, 2 x f(x) = c (1 + s(x)) with the asymptotic series s: its terms for f = erfcx are
# (-1)**k (2 k - 1)!! / (2 x**2)**k, and for the integral of Dawson the same without the sign.

_FAR = 10.0


def _series(x: Array, sign: int) -> Array:
    """Sum sign**k (2 k - 1)!! / (2 x**2)**k over k = 1, 2, ..., for |x| > 10."""
    ratio = sign / (2 * x * x)
    total = 0.0
    for odd in range(23, 0, -2):  # by Horner's rule, from the term of k = 12
        total = odd * ratio * (1 + total)
    return total


def _erfcx_slope(g: Array, x: Array, ans: Array) -> Array:
    if np.iscomplexobj(x):
        return g * (2 * x * ans - 2 / _ROOT_PI)
    far = x > _FAR
    series = 2 / _ROOT_PI * _series(np.where(far, x, _FAR), -1)
    return g * np.where(far, series, 2 * np.where(far, 0, x) * np.where(far, 0, ans) - 2 / _ROOT_PI)


def _dawsn_slope(g: Array, x: Array, ans: Array) -> Array:
    if np.iscomplexobj(x):
        return g * (1 - 2 * x * ans)
    far = np.abs(x) > _FAR
    series = -_series(np.where(far, x, _FAR), 1)
    return g * np.where(far, series, 1 - 2 * np.where(far, 0, x) * np.where(far, 0, ans))


erfcx = differentiable("erfcx", _erfcx_slope)
dawsn = differentiable("dawsn", _dawsn_slope)
# exp(-z**2) erfc(-i z), a complex number for real z as well
wofz = differentiable("wofz", lambda g, x, ans: g * (2j / _ROOT_PI - 2 * x * ans))

# ---- the normal distribution --------------------------------------------------------------------


def _hazard(x: Array, log_share: Array) -> Array:
    """Return the normal density over the share below x, whose logarithm is given.

    For negative x, where both vanish, what remains is sqrt(2 / pi) / erfcx(-x / sqrt(2)).
    """
    below = np.real(x) < 0
    left = 2 / _ROOT_2PI / erfcx(np.where(below, -x, 0) / _ROOT_2)
    x, log_share = np.where(below, 0, x), np.where(below, 0, log_share)
    return np.where(below, left, np.exp(-x * x / 2 - log_share) / _ROOT_2PI)


ndtr = differentiable("ndtr", lambda g, x: g * (np.exp(-x * x / 2) / _ROOT_2PI))


def _draw_quantiles(draw: Draw) -> Case:
    # on the right SciPy's values for complex numbers, which derivatives are compared with, are poor
    return (np.asarray(1.5 - draw.array(small_shape(draw), POSITIVE)),), {}


log_ndtr = differentiable(
    "log_ndtr", lambda g, x, ans: g * _hazard(x, ans), samples=_draw_quantiles
)
ndtri = differentiable(
    "ndtri",
    lambda g, ans: g * (_ROOT_2PI * np.exp(ans * ans / 2)),
    domain=Domain(0.1, 0.9),
    singular=lambda x: (x == 0) | (x == 1),
)
ndtri_exp = differentiable(
    "ndtri_exp",
    lambda g, x, ans: g / _hazard(ans, x),
    domain=Domain(-3.0, -0.2),
    singular=lambda x: x == 0,
)
# the normal probability of X > x and 0 < Y < y X
owens_t = differentiable(
    "owens_t",
    lambda g, x, y: -g * (np.exp(-x * x / 2) * erf(x * y / _ROOT_2) / (2 * _ROOT_2PI)),
    lambda g, x, y: g * (np.exp(-x * x * (1 + y * y) / 2) / (2 * np.pi * (1 + y * y))),
)
