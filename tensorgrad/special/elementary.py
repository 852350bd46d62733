"""Logistic functions, robust losses, powers, and elementary functions of SciPy's own."""

from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite
from tensorgrad.engine.primitive import Case
from tensorgrad.ops.elementwise import LN2, LN10
from tensorgrad.special.declare import differentiable, small_shape, sp
from tensorgrad.special.integrals import exprel_slope
from tensorgrad.typing import NONZERO, POSITIVE, REAL, Array, ArrayLike, Domain, Draw

__all__ = [
    "boxcox",
    "boxcox1p",
    "cbrt",
    "cosdg",
    "cosm1",
    "cotdg",
    "exp2",
    "exp10",
    "expit",
    "expm1",
    "huber",
    "inv_boxcox",
    "inv_boxcox1p",
    "log1p",
    "log_expit",
    "logit",
    "pseudo_huber",
    "sindg",
    "softplus",
    "tandg",
]

# ---- logistic functions -------------------------------------------------------------------------

# expit(-x) is 1 - expit(x), without the rounding
expit: Any = differentiable("expit", lambda g, x, ans: g * (ans * expit(-x)))
log_expit = differentiable("log_expit", lambda g, x: g * expit(-x))
logit = differentiable(
    "logit",
    lambda g, x: g / (x * (1 - x)),
    domain=Domain(0.2, 0.8),
    singular=lambda x: (x == 0) | (x == 1),
)


@composite(
    samples=lambda draw: ((draw.array(small_shape(draw)),), {}),
    name="special.softplus",
    reference=sp.softplus,
)
def softplus(x: ArrayLike) -> Any:
    """Return log(1 + exp(x))."""
    return np.logaddexp(0, x)


# ---- losses: square near 0, linear far from it --------------------------------------------------


def _pseudo_huber_scale(g: Array, x: Array, y: Array) -> Array:
    # of x (hypot(x, y) - x): (h - x)**2 / h with h = hypot(x, y), and h - x = y**2 / (h + x)
    h = np.hypot(x, y)
    h = np.where(h == 0, 1, h)
    ratio = y / (h + x)
    return g * (ratio * ratio * (y / h) * y)


def _pseudo_huber_error(g: Array, x: Array, y: Array) -> Array:
    h = np.hypot(x, y)
    return g * (x * (y / np.where(h == 0, 1, h)))


huber = differentiable(
    "huber",
    lambda g, x, y: g * np.where(np.abs(y) <= x, 0, np.abs(y) - x),
    lambda g, x, y: g * np.where(np.abs(y) <= x, y, x * np.sign(y)),
    domain=(POSITIVE, REAL),
    branches=lambda x, y: np.sign(y) * (np.abs(y) > x),
)
pseudo_huber = differentiable(
    "pseudo_huber", _pseudo_huber_scale, _pseudo_huber_error, domain=(POSITIVE, REAL)
)

# ---- powers -------------------------------------------------------------------------------------


def _boxcox_slope(log: Array, y: Array) -> Array:
    # (x**y - 1) / y is the integral of log x exp(t y log x) over 0 < t < 1, and its derivative by y
    # that of t (log x)**2 exp(t y log x); of x = 0, it is -1 / y
    zero = log == -np.inf
    rest = np.where(zero, 0, log)
    return np.where(
        zero,
        np.where(y > 0, 1 / np.where(zero, y, 1) ** 2, np.nan),
        rest * rest * exprel_slope(y * rest),
    )


def _inverse_slope(base: Array, x: Array, y: Array) -> Array:
    # of base = (1 + x y)**(1 / y) by y; where base is 0, that of the exponent vanishes
    zero = base == 0
    by_product = x / np.where(zero, y, 1)
    by_both = -_boxcox_slope(np.log(np.where(zero, 1, base)), y)
    return np.where(zero, by_product, by_both) * base ** (1.0 - y)


def _draw_boxcox(draw: Draw) -> Case:
    x, y = draw.broadcastable(2)
    return (np.asarray(np.abs(draw.array(x, POSITIVE))), draw.array(y)), {}


boxcox = differentiable(
    "boxcox",
    lambda g, x, y: g * x ** (y - 1.0),
    lambda g, x, y: g * _boxcox_slope(np.log(x), y),
    samples=_draw_boxcox,
)
boxcox1p = differentiable(
    "boxcox1p",
    lambda g, x, y: g * (1 + x) ** (y - 1.0),
    lambda g, x, y: g * _boxcox_slope(np.log1p(x), y),
    domain=(POSITIVE, REAL),
)
# the inverses x of y = boxcox(x, lambda); the arguments x, y are called y, lambda there
inv_boxcox = differentiable(
    "inv_boxcox",
    lambda g, ans, y: g * ans ** (1.0 - y),
    lambda g, ans, x, y: g * _inverse_slope(ans, x, y),
    domain=(Domain(-0.6, 1.0), Domain(-0.7, 1.2)),
)
inv_boxcox1p = differentiable(
    "inv_boxcox1p",
    lambda g, ans, y: g * (1 + ans) ** (1.0 - y),
    lambda g, ans, x, y: g * _inverse_slope(1 + ans, x, y),
    domain=(Domain(-0.6, 1.0), Domain(-0.7, 1.2)),
)

# ---- elementary functions -----------------------------------------------------------------------

_DEGREE = np.pi / 180

cbrt = differentiable("cbrt", lambda g, ans: g / (3 * ans * ans), domain=NONZERO)
exp2 = differentiable("exp2", lambda g, ans: g * (LN2 * ans))
exp10 = differentiable("exp10", lambda g, ans: g * (LN10 * ans))
expm1 = differentiable("expm1", lambda g, ans: g * (ans + 1))
log1p = differentiable("log1p", lambda g, x: g / (1 + x), domain=POSITIVE)
cosm1 = differentiable("cosm1", lambda g, x: -g * np.sin(x))
_ANGLE = Domain(-80.0, 80.0, avoid=(0.0,))
sindg = differentiable("sindg", lambda g, x: g * (_DEGREE * cosdg(x)), domain=_ANGLE)
cosdg: Any = differentiable("cosdg", lambda g, x: -g * (_DEGREE * sindg(x)), domain=_ANGLE)
tandg = differentiable("tandg", lambda g, ans: g * (_DEGREE * (1 + ans * ans)), domain=_ANGLE)
cotdg = differentiable("cotdg", lambda g, ans: -g * (_DEGREE * (1 + ans * ans)), domain=_ANGLE)
