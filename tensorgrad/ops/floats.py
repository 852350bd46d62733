"""Taking floating-point numbers apart and putting them together: exponents, fractions, NaNs."""

from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite, constant, elementwise, linear
from tensorgrad.engine.primitive import Case, Constant
from tensorgrad.errors import ShapeError, explain
from tensorgrad.ops.dispatch import constant_value, operand, refuse
from tensorgrad.typing import Array, ArrayLike, Domain, Draw

# ---- exponents and fractions --------------------------------------------------------------------


def _draw_ldexp(draw: Draw) -> Case:
    first, second = draw.broadcastable(2)
    exponents = np.rint(draw.array(second, Domain(-3, 3)).real).astype(int)
    return (draw.array(first), exponents), {}


def _draw_within_octave(draw: Draw) -> Case:
    return (draw.array(draw.shape(), Domain(1.1, 1.9)),), {}


def _draw_between_integers(draw: Draw) -> Case:
    return (draw.array(draw.shape(), Domain(-2.5, 2.5, avoid=(-2.0, -1.0, 0.0, 1.0, 2.0))),), {}


# x * 2**y for whole numbers y
ldexp = elementwise(np.ldexp, lambda g, y: np.ldexp(g, y), None, samples=_draw_ldexp)


def _exponent(x: Array, /) -> Array:
    return np.frexp(x)[1]


exponent = Constant("exponent", _exponent, _draw_within_octave, _exponent)


@composite(np.frexp, samples=_draw_within_octave)
def frexp(x: ArrayLike, /) -> tuple[Any, Any]:
    """Return the fraction, between 1/2 and 1, and the power of two, a constant, that make up x.

    The fraction jumps where the exponent does, at the powers of two.
    """
    power = exponent(x)
    return np.ldexp(x, -power), power


@composite(np.modf, samples=_draw_between_integers)
def modf(x: ArrayLike, /) -> tuple[Any, Any]:
    """Return the fractional part and the whole part, a constant; both have the sign of x."""
    x = operand(x)
    dtype = np.modf.resolve_dtypes((x.dtype, None, None))[1]
    x = x if x.dtype == dtype else x.astype(dtype)
    # the fraction of infinity is zero
    finite = np.where(np.isinf(x), np.copysign(0.0, constant_value(x)), x)
    return np.fmod(finite, 1.0), np.trunc(x)


# ---- NaNs, infinities, imaginary parts ----------------------------------------------------------


def _compose(x: Array, y: Array, /) -> Array:
    z = np.empty(np.broadcast_shapes(x.shape, y.shape), np.result_type(x.dtype, np.complex64))
    z.real, z.imag = np.real(x), np.real(y)  # a tangent of zero may come as a complex one
    return z


def _draw_parts(draw: Draw) -> Case:
    shape = draw.shape()
    return (draw.array(shape).real.copy(), draw.array(shape).real.copy()), {}


# x + 1j * y of real numbers, which may be infinite
compose = linear(_compose, lambda g: g, lambda g: g * 1j, samples=_draw_parts, holomorphic=False)


def _draw_nan_to_num(draw: Draw) -> Case:
    fillers = {"nan": 2.0, "posinf": 5.0, "neginf": draw.choice([None, -4.0])}
    return (draw.array(draw.shape()),), fillers if draw.boolean() else {}


@composite(np.nan_to_num, samples=_draw_nan_to_num)
def nan_to_num(
    x: ArrayLike,
    copy: bool = True,
    nan: ArrayLike = 0.0,
    posinf: ArrayLike = None,
    neginf: ArrayLike = None,
) -> Any:
    """Put numbers in place of NaNs and infinities; no gradient passes where they were."""
    refuse("np.nan_to_num", copy=None if copy else copy)
    x = operand(x)
    if x.dtype.kind not in "fc":
        return np.copy(x)
    if x.dtype.kind == "c":
        real, imag = (
            np.nan_to_num(part, nan=nan, posinf=posinf, neginf=neginf)
            for part in (np.real(x), np.imag(x))
        )
        return compose(real, imag)
    largest = np.finfo(x.dtype).max
    for found, number in (
        (np.isnan(x), nan),
        (np.isposinf(x), largest if posinf is None else posinf),
        (np.isneginf(x), -largest if neginf is None else neginf),
    ):
        filler = operand(number)
        if not np.can_cast(filler.dtype, x.dtype, "same_kind"):
            raise ShapeError(
                explain(
                    "np.nan_to_num",
                    "What is filled in must be of the kind of the others.",
                    "Convert it with .astype().",
                    dtype=str(x.dtype),
                    filler_dtype=str(filler.dtype),
                )
            )
        x = np.where(found, filler.astype(x.dtype), x)
    return x


def _draw_real(draw: Draw) -> Case:
    # of complex numbers, whether the result is complex depends on their values
    return (draw.array(draw.shape()).real.copy(),), {"tol": draw.choice([100, 1e-3])}


@composite(np.real_if_close, samples=_draw_real)
def real_if_close(a: ArrayLike, tol: float = 100) -> Any:
    """Return the real part of complex numbers whose imaginary parts are all rounding errors."""
    a = operand(a)
    return np.real(a) if np.isrealobj(np.real_if_close(constant_value(a), tol)) else a


# the next number is as far as one can see the number itself
nextafter = elementwise(np.nextafter, lambda g: g, None)


# ---- locally constant ---------------------------------------------------------------------------

constant(np.around, np.isneginf, np.isposinf)
