"""Functions whose results are complex where their arguments are out of the real domain: emath."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite
from tensorgrad.engine.primitive import Case
from tensorgrad.ops.dispatch import constant_value, operand
from tensorgrad.typing import NONZERO, Array, ArrayLike, Domain, Draw

# NumPy turns these to single precision
_SMALL = (np.float32, np.complex64, np.int8, np.uint8, np.int16, np.uint16)

Bounds = Callable[[Array], Array]


def _negative(x: Array) -> Array:
    return np.real(x) < 0


def _beyond_one(x: Array) -> Array:
    return np.abs(x) > 1


def _extended(x: ArrayLike, outside: Bounds) -> Any:
    """Return x as complex numbers if any real one is outside of the real domain."""
    x = operand(x)
    values = constant_value(x)
    if not np.any(np.isreal(values) & outside(values)):
        return x
    return x.astype(np.complex64 if x.dtype.type in _SMALL else np.complex128)


def _draw_extended(low: float, high: float) -> Callable[[Draw], Case]:
    def draw_case(draw: Draw) -> Case:
        # a real domain, or one that all of it is outside of, or both
        domain = draw.choice([Domain(0.1, 0.9), Domain(low, high), Domain(-3, 3, (-1, 0, 1))])
        return (draw.array(draw.shape(), domain),), {}

    return draw_case


def _declare(emath: Callable[..., Any], f: Callable[..., Any], outside: Bounds) -> None:
    samples = _draw_extended(-3.0, -0.1) if outside is _negative else _draw_extended(1.1, 3.0)

    @composite(emath, samples=samples, name=f"numpy.emath.{emath.__name__}")
    def function(x: ArrayLike) -> Any:
        return f(_extended(x, outside))


for _f in (np.sqrt, np.log, np.log2, np.log10):
    _declare(getattr(np.emath, _f.__name__), _f, _negative)
for _f in (np.arccos, np.arcsin, np.arctanh):
    _declare(getattr(np.emath, _f.__name__), _f, _beyond_one)


def _draw_base(draw: Draw) -> Case:
    first, second = draw.broadcastable(2)
    # at 0 and 1 the logarithm to that base has no derivative, nor has a power at 0
    base = np.asarray(draw.choice([1, -1]) * (2.5 + np.sin(draw.array(first).real)))
    return (base, draw.array(second, NONZERO)), {}


@composite(np.emath.logn, samples=_draw_base, name="numpy.emath.logn")
def logn(n: ArrayLike, x: ArrayLike) -> Any:
    """Return the logarithm of x to the base n."""
    return np.log(_extended(x, _negative)) / np.log(_extended(n, _negative))


@composite(np.emath.power, samples=_draw_base, name="numpy.emath.power")
def power(x: ArrayLike, p: ArrayLike) -> Any:
    """Return x to the power p; integers to a negative power are no error."""
    p = operand(p)
    if np.any(np.real(constant_value(p)) < 0):
        p = p * 1.0
    return np.power(_extended(x, _negative), p)
