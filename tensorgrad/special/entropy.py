"""Products with logarithms, which are 0 where the factor is 0, and the entropies made of them."""

import numpy as np

from tensorgrad.engine.primitive import Case
from tensorgrad.special.declare import differentiable
from tensorgrad.typing import POSITIVE, REAL, Array, Draw

__all__ = ["entr", "kl_div", "rel_entr", "xlog1py", "xlogy"]


def _quotient(x: Array, y: Array) -> Array:
    # x / y, and 0 where both are: x log(y) is 0 for all y where x is
    nothing = (x == 0) & (y == 0)
    return np.where(nothing, 0, x / np.where(nothing, 1, y))


def _log(x: Array, y: Array) -> Array:
    # log(y), and 0 where x and y are: what has no share has no influence
    nothing = (x == 0) & (y == 0)
    return np.where(nothing, 0, np.log(np.where(nothing, 1, y)))


def _log1p(x: Array, y: Array) -> Array:
    nothing = (x == 0) & (y == -1)
    return np.where(nothing, 0, np.log1p(np.where(nothing, 0, y)))


def _log_quotient(x: Array, y: Array, more: int = 0) -> Array:
    nothing = (x == 0) & (y == 0)
    x, y = np.where(nothing, 1, x), np.where(nothing, 1, y)
    return np.where(nothing, 0, np.log(x) - np.log(y) + more)


def _draw_shares(draw: Draw) -> Case:
    # where both are 0, there are derivatives along lines, but none by all directions together
    xs = (draw.array(shape, POSITIVE) for shape in draw.broadcastable(2))
    return tuple(np.asarray(np.abs(x) + (x == 0)) for x in xs), {}


def _nothing(x: Array, y: Array) -> Array:
    return (x == 0) & (y == 0)


xlogy = differentiable(
    "xlogy",
    lambda g, x, y: g * _log(x, y),
    lambda g, x, y: g * _quotient(x, y),
    domain=(REAL, POSITIVE),
    singular=_nothing,
)
xlog1py = differentiable(
    "xlog1py",
    lambda g, x, y: g * _log1p(x, y),
    lambda g, x, y: g * _quotient(x, 1 + y),
    domain=(REAL, POSITIVE),
    singular=lambda x, y: (x == 0) & (y == -1),
)
# -x log(x)
entr = differentiable(
    "entr", lambda g, x: -g * (np.log(x) + 1), domain=POSITIVE, singular=lambda x: x == 0
)
# x log(x / y)
rel_entr = differentiable(
    "rel_entr",
    lambda g, x, y: g * _log_quotient(x, y, 1),
    lambda g, x, y: -g * _quotient(x, y),
    samples=_draw_shares,
    singular=lambda x: x == 0,
)
# x log(x / y) - x + y
kl_div = differentiable(
    "kl_div",
    lambda g, x, y: g * _log_quotient(x, y),
    lambda g, x, y: g * (1 - _quotient(x, y)),
    samples=_draw_shares,
    singular=lambda x: x == 0,
)
