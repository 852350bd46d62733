"""Signals: sinc and the Bessel function of the Kaiser window, unwrapped phases, convolutions."""

from typing import Any

import numpy as np

from tensorgrad.engine.declare import bilinear, composite, elementwise
from tensorgrad.engine.primitive import Case, Constant, Primitive
from tensorgrad.errors import ShapeError, UnsupportedError, explain
from tensorgrad.ops.dispatch import operand
from tensorgrad.typing import Array, ArrayLike, Domain, Draw

# ---- sinc ---------------------------------------------------------------------------------------


def _sinc(x: Array, /, *, order: int) -> Array:
    """Return the derivative of this order of sin(pi x) / (pi x).

    With y = pi x it is pi**order * s(y), where s is the derivative of sin(y) / y: near zero a power
    series; elsewhere, from (y * sin(y) / y)' = sin(y)' and so on, a recurrence in the order.
    """
    if order == 0:
        return np.sinc(x)
    y = np.pi * x
    near = np.abs(y) < max(3, order)
    series, recurrence = np.where(near, y, 0), np.where(near, 1, y)
    factor: float = np.pi**order
    s: Array = np.where(near, _sinc_series(series, order), _sinc_recurrence(recurrence, order))
    return factor * s


def _sinc_series(y: Array, order: int) -> Array:
    # sum of (-1)**k y**m / (m! (2k + 1)) with m = 2k - order
    power = y ** (order % 2) * (-1.0) ** ((order + 1) // 2)
    total = np.zeros_like(y)
    for m in range(order % 2, 4 * order + 32, 2):
        total = total + power / (m + order + 1)
        power = power * (-y * y / ((m + 1) * (m + 2)))
    return total


def _sinc_recurrence(y: Array, order: int) -> Array:
    # y s_n + n s_(n-1) is the n-th derivative of the sine
    sine, cosine = np.sin(y), np.cos(y)
    s = sine / y
    for n in range(1, order + 1):
        s = ((sine, cosine, -sine, -cosine)[n % 4] - n * s) / y
    return s


def _draw_order(draw: Draw) -> Case:
    return (draw.array(draw.shape(), Domain(-3, 3)),), {"order": draw.integer(0, 3)}


sinc_: Primitive = elementwise(
    _sinc, lambda g, x, order: g * sinc_(x, order=order + 1), samples=_draw_order
)


@composite(np.sinc, samples=lambda draw: ((draw.array(draw.shape(), Domain(-3, 3)),), {}))
def sinc(x: ArrayLike) -> Any:
    """Return sin(pi x) / (pi x), and 1 at 0: smooth everywhere."""
    return sinc_(operand(x), order=0)


# ---- the Bessel function ------------------------------------------------------------------------


def _bessel(x: Array, /, *, order: int) -> Array:
    """Return the modified Bessel function I of an order, from I_0 and the ratios of neighbours."""
    ans = np.i0(x)
    if order and x.size:
        # I_k / I_(k-1) = x / (2k + x I_(k+1) / I_k), a continued fraction: the number of terms it
        # takes grows as the root of x, and beyond 1000 even I_0 overflows
        largest = min(float(np.nanmax(np.abs(x), initial=0)), 1e3)
        ratio = np.zeros_like(ans)
        for k in range(20 + order + int(8 * largest**0.5), 0, -1):
            ratio = x / (2 * k + x * ratio)
            if k <= order:
                ans = ans * ratio
    return ans


def _bessel_slope(g: Array, x: Array, order: int) -> Array:
    if order == 0:
        return g * bessel(x, order=1)
    return g * (0.5 * (bessel(x, order=order - 1) + bessel(x, order=order + 1)))


bessel: Primitive = elementwise(_bessel, _bessel_slope, samples=_draw_order)


@composite(np.i0, samples=lambda draw: ((draw.array(draw.shape(), Domain(-3, 3)),), {}))
def i0(x: ArrayLike) -> Any:
    """Return the modified Bessel function of the first kind and order 0, of real numbers."""
    x = operand(x)
    if x.dtype.kind == "c":
        raise UnsupportedError(
            explain("np.i0", "Only real numbers are taken.", "Use np.real(x).", dtype=str(x.dtype))
        )
    return bessel(x if x.dtype.kind == "f" else x.astype(float), order=0)


# ---- phases -------------------------------------------------------------------------------------


def _turns(p: Array, /, *, discont: float | None, axis: int, period: float) -> Array:
    unwrapped = np.unwrap(p, discont, axis, period=period)
    return np.rint((unwrapped - p) / period).astype(unwrapped.dtype)


def _draw_phases(draw: Draw) -> Case:
    # steps of a seventh: none of them is half an odd period
    p = draw.array(draw.shape(min_ndim=1), Domain(-28, 28, step=1.0)).real / 7
    p = p.astype(draw.array(()).real.dtype)
    params = {"discont": draw.choice([None, 0.7]), "axis": draw.integer(-p.ndim, p.ndim - 1)}
    return (p,), {**params, "period": np.asarray(draw.choice([1.0, 3.0]))}


turns = Constant("turns", _turns, _draw_phases, _turns)


@composite(np.unwrap, samples=_draw_phases)
def unwrap(
    p: ArrayLike,
    discont: float | None = None,
    axis: int = -1,
    *,
    period: ArrayLike = 2 * np.pi,
) -> Any:
    """Add whole periods, a constant number of them, so that neighbours differ by half of one.

    Differentiable by the period as well.
    """
    p = operand(p)
    return p + turns(p, discont=discont, axis=axis, period=period) * period


# ---- convolution --------------------------------------------------------------------------------


def _convolve(a: Array, v: Array, /, *, mode: Any) -> Array:
    return np.convolve(a, v, mode)


def _wrt_left(g: Array, v: Array, mode: str) -> Array:
    # c[k] = sum_i a[i] v[k - i], with k from len(v) - 1 if only whole overlaps are valid
    return convolve_(g, np.flip(v), mode="valid" if mode == "full" else "full")


def _wrt_right(g: Array, a: Array, mode: str) -> Array:
    if mode == "full":
        return convolve_(g, np.flip(a), mode="valid")
    return np.flip(convolve_(a, np.flip(g), mode="valid"))


def _draw_filter(draw: Draw) -> Case:
    m = draw.integer(1, 4)
    n = draw.integer(m, 6)
    return (draw.array((n,)), draw.array((m,))), {"mode": draw.choice(["full", "valid"])}


# of a and v, where v is not the longer one
convolve_: Primitive = bilinear(_convolve, _wrt_left, _wrt_right, samples=_draw_filter)

_MODES = {"valid": "valid", "same": "same", "full": "full", 0: "valid", 1: "same", 2: "full"}


def _draw_convolution(draw: Draw) -> Case:
    a, v = (draw.array((draw.integer(1, 5),)) for _ in range(2))
    return (a, v), {"mode": draw.choice(["full", "valid", "same"])}


def _row(function: str, x: ArrayLike) -> Any:
    x = operand(x)
    x = np.reshape(x, (1,)) if x.ndim == 0 else x
    if x.ndim != 1 or x.size == 0:
        raise ShapeError(
            explain(function, "Only rows of at least one entry are taken.", shape=x.shape)
        )
    return x


@composite(np.convolve, samples=_draw_convolution)
def convolve(a: ArrayLike, v: ArrayLike, mode: Any = "full") -> Any:
    """Sum the products of two rows, one of them reversed, at all their displacements."""
    a, v = _row("np.convolve", a), _row("np.convolve", v)
    if len(v) > len(a):
        a, v = v, a
    mode = _MODES.get(mode, mode)
    if mode != "same":
        return convolve_(a, v, mode=mode)
    start = (len(v) - 1) // 2
    return convolve_(a, v, mode="full")[start : start + len(a)]


@composite(np.correlate, samples=_draw_convolution)
def correlate(a: ArrayLike, v: ArrayLike, mode: Any = "valid") -> Any:
    """Sum the products of two rows, v conjugated, at all their displacements."""
    a, v = _row("np.correlate", a), _row("np.correlate", v)
    if len(v) > len(a):
        return np.conj(np.flip(np.correlate(v, a, mode)))
    return np.convolve(a, np.flip(np.conj(v)), mode)
