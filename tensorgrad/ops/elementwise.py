"""Functions of each entry: NumPy's ufuncs, and the few elementwise functions that are not ufuncs.

A formula is the product of a seed ``g`` with the partial derivative; it serves both modes.
"""

from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite, constant, elementwise, general, linear
from tensorgrad.engine.modes import is_recording
from tensorgrad.engine.primitive import Case, Constant
from tensorgrad.engine.space import revealed
from tensorgrad.engine.tensor import Tensor, require_differentiable
from tensorgrad.errors import UnsupportedError, explain
from tensorgrad.ops.dispatch import NoValue, constant_value, operand, refuse
from tensorgrad.typing import (
    NONZERO,
    POSITIVE,
    REAL,
    UNIT,
    Array,
    ArrayLike,
    Domain,
    Draw,
    DTypeLike,
)

LN2 = np.log(2.0).item()
LN10 = np.log(10.0).item()


# where functions have no derivative
def _is_zero(x: Array) -> Array:
    return x == 0


def _is_one(x: Array) -> Array:
    return x * x == 1


def _are_equal(x: Array, y: Array) -> Array:
    return x == y


# ---- arithmetic ---------------------------------------------------------------------------------

add = elementwise(np.add, lambda g: g, lambda g: g)
subtract = elementwise(np.subtract, lambda g: g, lambda g: -g)
multiply = elementwise(np.multiply, lambda g, y: g * y, lambda g, x: g * x)
divide = elementwise(
    np.divide,
    lambda g, y: g / y,
    lambda g, ans, y: -(g / y) * ans,
    domain=(REAL, NONZERO),
    singular=lambda y: y == 0,
)
negative = elementwise(np.negative, lambda g: -g)
positive = elementwise(np.positive, lambda g: g)
reciprocal = elementwise(
    np.reciprocal, lambda g, ans: -g * ans * ans, domain=NONZERO, singular=lambda ans: np.isinf(ans)
)
square = elementwise(np.square, lambda g, x: 2 * g * x)


def _power_base(g: Array, x: Array, y: Array) -> Array:
    # d(x**y)/dx = y * x**(y-1), and 0 where x = y = 0
    if isinstance(y, (int, float)):
        return g * (y * x ** (y - 1)) if y != 0 else g * 0
    # 1.0, because y - 1 would wrap around for unsigned integers
    return g * (y * x ** np.where((x == 0) & (y == 0), 1, y - 1.0))


def _power_exponent(g: Array, ans: Array, x: Array) -> Array:
    # d(x**y)/dy = x**y * log(x), and 0 where x = 0, its limit for y > 0; the logarithm is taken in
    # the dtype of the result: that of a small integer would be in half precision
    return g * ans * np.log(np.where(x == 0, 1, x).astype(ans.dtype))


def _pole_of_power(x: Array, y: Array) -> Array:
    return (x == 0) & (np.real(y) < 1) & (y != 0)


power, float_power = (
    elementwise(fun, _power_base, _power_exponent, domain=(POSITIVE, REAL), singular=_pole_of_power)
    for fun in (np.power, np.float_power)
)
# x - y * floor(x / y), and the same with truncation
remainder = elementwise(
    np.remainder,
    lambda g: g,
    lambda g, x, y: -g * np.floor_divide(x, y),
    domain=(Domain(2.3, 2.7), Domain(0.95, 1.05)),
    branches=lambda x, y: np.floor_divide(x, y),
    singular=lambda x, y: np.remainder(x, y) == 0,
)
fmod = elementwise(
    np.fmod,
    lambda g: g,
    lambda g, ans, x, y: -g * np.rint((x - ans) / y),  # x / y might round to the next integer
    domain=(Domain(2.3, 2.7), Domain(0.95, 1.05)),
    branches=lambda ans, x, y: np.rint((x - ans) / y),
    singular=lambda ans, x: (ans == 0) & (x != 0),
)

# ---- exponentials and logarithms ----------------------------------------------------------------

exp = elementwise(np.exp, lambda g, ans: g * ans)
exp2 = elementwise(np.exp2, lambda g, ans: g * ans * LN2)
expm1 = elementwise(np.expm1, lambda g, x: g * np.exp(x))
log = elementwise(np.log, lambda g, x: g / x, domain=POSITIVE, singular=_is_zero)
log2 = elementwise(np.log2, lambda g, x: g / (x * LN2), domain=POSITIVE, singular=_is_zero)
log10 = elementwise(np.log10, lambda g, x: g / (x * LN10), domain=POSITIVE, singular=_is_zero)
log1p = elementwise(np.log1p, lambda g, x: g / (1 + x), domain=POSITIVE, singular=lambda x: x == -1)


def _ahead(x: Array, y: Array) -> Array:
    # y - x, and 0 where both are the same infinity
    same = (x == y) & np.isinf(x)
    return np.where(same, 0, y) - np.where(same, 0, x)


# exp(x) / (exp(x) + exp(y)) = exp(-log(1 + exp(y - x))): ans - x would be lost in rounding
logaddexp = elementwise(
    np.logaddexp,
    lambda g, x, y: g * np.exp(-np.logaddexp(0, _ahead(x, y))),
    lambda g, x, y: g * np.exp(-np.logaddexp(0, _ahead(y, x))),
    singular=lambda ans: ans == -np.inf,
)
logaddexp2 = elementwise(
    np.logaddexp2,
    lambda g, x, y: g * np.exp2(-np.logaddexp2(0, _ahead(x, y))),
    lambda g, x, y: g * np.exp2(-np.logaddexp2(0, _ahead(y, x))),
    singular=lambda ans: ans == -np.inf,
)

# ---- roots --------------------------------------------------------------------------------------

# of x, not of ans: a NaN of the result would pass unheard by the walk (see engine.singular)
sqrt = elementwise(np.sqrt, lambda g, x: 0.5 * g / np.sqrt(x), domain=POSITIVE, singular=_is_zero)
cbrt = elementwise(
    np.cbrt, lambda g, ans: g / (3 * ans * ans), domain=NONZERO, singular=lambda ans: ans == 0
)


def _hypot_part(g: Array, x: Array, ans: Array) -> Array:
    # x / hypot(x, y), and 0 at the origin, as for every norm
    return g * (x / np.where(ans == 0, 1, ans))


hypot = elementwise(
    np.hypot,
    _hypot_part,
    lambda g, y, ans: _hypot_part(g, y, ans),
    domain=NONZERO,
    branches=lambda ans: ans == 0,
    singular=lambda ans: ans == 0,
)

# ---- trigonometry -------------------------------------------------------------------------------

sin = elementwise(np.sin, lambda g, x: g * np.cos(x))
cos = elementwise(np.cos, lambda g, x: -g * np.sin(x))
tan = elementwise(np.tan, lambda g, ans: g * (1 + ans * ans), domain=UNIT)
# Of complex numbers, a root jumps on its branch cut, and only the result knows from which side it
# was continued: so sqrt(1 - x*x) is cos(arcsin(x)), and so on. Of real numbers, 1 - x*x would be
# lost in rounding near 1, and 1 + x*x overflow far from it.
arcsin = elementwise(
    np.arcsin,
    lambda g, x, ans: g / (np.cos(ans) if np.iscomplexobj(x) else np.sqrt((1 - x) * (1 + x))),
    domain=UNIT,
    singular=_is_one,
)
arccos = elementwise(
    np.arccos,
    lambda g, x, ans: -g / (np.sin(ans) if np.iscomplexobj(x) else np.sqrt((1 - x) * (1 + x))),
    domain=UNIT,
    singular=_is_one,
)
arctan = elementwise(np.arctan, lambda g, x: g / (1 + x * x), domain=UNIT)
sinh = elementwise(np.sinh, lambda g, x: g * np.cosh(x))
cosh = elementwise(np.cosh, lambda g, x: g * np.sinh(x))
tanh = elementwise(np.tanh, lambda g, ans: g * (1 - ans * ans), domain=UNIT)
arcsinh = elementwise(
    np.arcsinh,
    lambda g, x, ans: g / (np.cosh(ans) if np.iscomplexobj(x) else np.hypot(1, x)),
    domain=UNIT,
)
arccosh = elementwise(
    np.arccosh,
    lambda g, x, ans: g / (np.sinh(ans) if np.iscomplexobj(x) else np.sqrt(x - 1) * np.sqrt(x + 1)),
    domain=Domain(1.4, 3.0),
    singular=_is_one,
)
arctanh = elementwise(
    np.arctanh, lambda g, x: g / ((1 - x) * (1 + x)), domain=UNIT, singular=_is_one
)
deg2rad = elementwise(np.deg2rad, lambda g: g * (np.pi / 180))
radians = elementwise(np.radians, lambda g: g * (np.pi / 180))
rad2deg = elementwise(np.rad2deg, lambda g: g * (180 / np.pi))
degrees = elementwise(np.degrees, lambda g: g * (180 / np.pi))


def _arctan2_part(g: Array, other: Array, x: Array, y: Array) -> Array:
    radius = np.hypot(x, y)  # which does not vanish where x * x + y * y underflows
    radius = np.where(radius == 0, 1, radius)
    return g * (other / radius) / radius


# arctan2(x, y) is the angle of the point (y, x); 0 at the origin
arctan2 = elementwise(
    np.arctan2,
    lambda g, x, y: _arctan2_part(g, y, x, y),
    lambda g, x, y: -_arctan2_part(g, x, x, y),
    domain=NONZERO,
    # it jumps where x changes sign and y is negative
    branches=lambda x, y: np.where(y < 0, np.sign(x), (x == 0) & (y == 0)),
    singular=lambda x, y: (x == 0) & (y <= 0),
)

# ---- kinks: the average of the one-sided derivatives --------------------------------------------


def _absolute(g: Array, x: Array, ans: Array) -> Array:
    # Re(g * conj(x) / |x|); 0 at 0
    if np.iscomplexobj(x):
        return g * np.conj(x) / np.where(ans == 0, 1, ans)
    return g * np.sign(x)


def _side(x: Array) -> Array:
    # of 0: a complex number can go around it
    return x == 0 if np.iscomplexobj(x) else np.sign(x)


absolute = elementwise(
    np.absolute, _absolute, domain=NONZERO, branches=_side, singular=_is_zero, holomorphic=False
)
fabs = elementwise(
    np.fabs, lambda g, x: g * np.sign(x), domain=NONZERO, branches=_side, singular=_is_zero
)


def _taken(g: Array, more: Array, equal: Array, nan: Array) -> Array:
    # all where the argument was taken, half where both were; nan says where a NaN decided
    return np.where(more | nan, g, np.where(equal, 0.5 * g, 0))


def _which(x: Array, y: Array) -> Array:
    # the greater argument: of complex numbers, the one with the greater real part
    difference = np.sign(np.real(x) - np.real(y))
    return np.where(np.isnan(difference), 2 + np.isnan(x), difference)


# multiples of 1/2, and points half-way between them
_apart = (Domain(step=0.5), Domain(-1.75, 1.75, step=0.5))
maximum = elementwise(
    np.maximum,
    lambda g, x, y: _taken(g, x > y, x == y, np.isnan(x)),
    lambda g, x, y: _taken(g, y > x, x == y, np.isnan(y)),
    domain=_apart,
    branches=_which,
    singular=_are_equal,
)
minimum = elementwise(
    np.minimum,
    lambda g, x, y: _taken(g, x < y, x == y, np.isnan(x)),
    lambda g, x, y: _taken(g, y < x, x == y, np.isnan(y)),
    domain=_apart,
    branches=_which,
    singular=_are_equal,
)
# these take a number before a NaN
fmax = elementwise(
    np.fmax,
    lambda g, x, y: _taken(g, x > y, x == y, np.isnan(y)),
    lambda g, x, y: _taken(g, y > x, x == y, np.isnan(x)),
    domain=_apart,
    branches=_which,
    singular=_are_equal,
)
fmin = elementwise(
    np.fmin,
    lambda g, x, y: _taken(g, x < y, x == y, np.isnan(y)),
    lambda g, x, y: _taken(g, y < x, x == y, np.isnan(x)),
    domain=_apart,
    branches=_which,
    singular=_are_equal,
)
copysign = elementwise(
    np.copysign,
    lambda g, x, y: g * np.sign(x) * np.copysign(1.0, y),
    lambda g: g * 0,
    domain=NONZERO,
    branches=lambda x, y: np.sign(x) + 4 * np.signbit(y),
    singular=lambda x, y: (x == 0) | (y == 0),
)


def _draw_heaviside(draw: Draw) -> Case:
    # y counts where x is 0: only whole numbers, which nobody differentiates by, can be there
    first, second = draw.broadcastable(2)
    x = draw.array(first, NONZERO)
    return (np.rint(x.real).astype(np.int8) if draw.boolean() else x, draw.array(second)), {}


heaviside = elementwise(
    np.heaviside,
    lambda g: g * 0,
    lambda g, x: g * (x == 0),
    samples=_draw_heaviside,
    branches=_side,
    singular=_is_zero,
)

# ---- complex numbers: rules are transposes with respect to the real part of a product -----------

conjugate = elementwise(np.conjugate, lambda g: np.conj(g), holomorphic=False)


def _real(x: Array, /) -> Array:
    return np.real(x)


def _imag(x: Array, /) -> Array:
    return np.imag(x)


def _draw_one(draw: Draw) -> Case:
    return (draw.array(draw.shape()),), {}


real_ = linear(_real, lambda g: g, samples=_draw_one, view=True, holomorphic=False)
imag_ = linear(_imag, lambda g: g * -1j, samples=_draw_one, view=True, holomorphic=False)


@composite(np.real, samples=_draw_one)
def real(val: ArrayLike) -> Any:
    """Return the real part: of what is real itself, as it is."""
    val = operand(val)
    return real_(val) if val.dtype.kind == "c" else val


@composite(np.imag, samples=_draw_one)
def imag(val: ArrayLike) -> Any:
    """Return the imaginary part."""
    return imag_(val)


def _draw_angle(draw: Draw) -> Case:
    z = draw.array(draw.shape(), NONZERO)
    if np.iscomplexobj(z):
        z = np.where(z.real < 0, -z, z)  # the angle jumps at the negative real numbers
    return (z,), {"deg": draw.boolean()}


@composite(np.angle, samples=_draw_angle)
def angle(z: ArrayLike, deg: bool = False) -> Any:
    """Return the angle of complex numbers; locally constant for real ones."""
    value = np.arctan2(np.imag(z) if np.iscomplexobj(z) else 0, np.real(z))
    return value * (180 / np.pi) if deg else value


# ---- singular points of what is composed of other operations ------------------------------------


def _same(x: Array, /, *, where: Array) -> Array:  # noqa: ARG001
    return x


def _draw_same(draw: Draw) -> Case:
    shape = draw.shape()
    return (draw.array(shape),), {"where": draw.array(shape).real > 0}


_without_derivative = general(
    _same,
    lambda g: g,
    lambda t: t,
    samples=_draw_same,
    singular=lambda where: where,
    name="singular_where",
)


def singular_where(mask: Array, x: Array) -> Array:
    """Return x, of which the entries in the mask have no derivative."""
    mask = constant_value(mask)
    return _without_derivative(x, where=mask) if np.any(revealed(mask)) else x


# ---- selection ----------------------------------------------------------------------------------


def _where(x: Array, y: Array, /, *, condition: Array) -> Array:
    return np.where(condition, x, y)


def _draw_where(draw: Draw) -> Case:
    condition, x, y = draw.broadcastable(3)
    return (draw.array(condition) > 0, draw.array(x), draw.array(y)), {}


def _draw_selection(draw: Draw) -> Case:
    (condition, x, y), _ = _draw_where(draw)
    return (x, y), {"condition": condition}


selection = elementwise(
    _where,
    lambda g, condition: np.where(condition, g, 0),
    lambda g, condition: np.where(condition, 0, g),
    samples=_draw_selection,
)


@composite(np.where, samples=_draw_where)
def where(condition: ArrayLike, x: ArrayLike = NoValue, y: ArrayLike = NoValue, /) -> Any:
    """Choose from x where the condition holds, else from y: a branch not taken has no influence.

    With the condition alone, return the indices where it holds.
    """
    mask = constant_value(condition)
    if x is NoValue and y is NoValue:
        return np.nonzero(condition)
    if x is NoValue or y is NoValue:
        raise UnsupportedError(
            explain("np.where", "There is one branch only.", "Pass both, or the condition alone.")
        )
    chosen = selection(x, y, condition=operand(mask).astype(bool))
    tensors = isinstance(chosen, Tensor) or not isinstance(condition, Tensor)
    return chosen if tensors else Tensor(chosen)


def _draw_clip(draw: Draw) -> Case:
    low, high = Domain(-1.75, -0.75, step=0.5), Domain(0.75, 1.75, step=0.5)
    shapes = draw.broadcastable(3)
    domains = Domain(step=0.5), low, high
    a, lo, hi = (draw.array(s, d) for s, d in zip(shapes, domains, strict=True))
    forms = [
        ((a, lo, hi), {}),
        ((a,), {"min": lo, "max": hi}),
        ((a, None, hi), {}),
        ((a, lo, None), {}),
    ]
    return draw.choice(forms)


@composite(np.clip, samples=_draw_clip)
def clip(
    a: ArrayLike,
    a_min: ArrayLike = NoValue,
    a_max: ArrayLike = NoValue,
    out: None = None,
    *,
    min: ArrayLike = NoValue,
    max: ArrayLike = NoValue,
    **kwargs: Any,
) -> Any:
    """Limit the values to an interval; at a bound that is met exactly, half the gradient passes."""
    refuse("np.clip", out=out, **kwargs)
    if (a_min is not NoValue or a_max is not NoValue) and (
        min is not NoValue or max is not NoValue
    ):
        raise UnsupportedError(
            explain(
                "np.clip", "A bound has two names.", "Pass either min and max or a_min and a_max."
            )
        )
    low, high = (
        next((bound for bound in names if bound is not NoValue and bound is not None), None)
        for names in ((a_min, min), (a_max, max))
    )
    if (dtype := operand(a).dtype).kind in "iu":
        limits = np.iinfo(dtype)  # a Python integer beyond them bounds nothing
        low = None if type(low) is int and low < limits.min else low
        high = None if type(high) is int and high > limits.max else high
    if low is None and high is None:
        return np.copy(a)
    if low is not None:
        a = np.maximum(a, low)
    return a if high is None else np.minimum(a, high)


# ---- changing dtype -----------------------------------------------------------------------------


def _astype(x: Array, /, *, dtype: DTypeLike) -> Array:
    return x.astype(dtype)


def _draw_astype(draw: Draw) -> Case:
    x = draw.array(draw.shape())
    dtypes = ["c16"] if np.iscomplexobj(x) else ["c16", "f8"]
    return (x,), {"dtype": np.dtype(draw.choice(dtypes))}


def _draw_astype_call(draw: Draw) -> Case:
    (x,), params = _draw_astype(draw)
    return (x, params["dtype"]), {"copy": draw.boolean()}


cast = elementwise(_astype, lambda g: g, samples=_draw_astype)


@composite(np.astype, samples=_draw_astype_call)
def astype(
    x: ArrayLike, dtype: DTypeLike, /, *, copy: bool = True, device: str | None = None
) -> Any:
    """Convert to another dtype; a conversion that would drop a gradient or its half is refused.

    Booleans say which entries are not zero, as ``x != 0`` does.
    """
    refuse("np.astype", device=device)
    dtype = np.dtype(dtype)
    if dtype == x.dtype and not copy:
        return x
    if dtype.kind == "b" and x.requires_grad:
        return np.not_equal(x, 0)
    if x.requires_grad and is_recording():
        require_differentiable("astype", dtype, "Use x.detach() for a constant.")
        if x.dtype.kind == "c" and dtype.kind != "c":
            raise UnsupportedError(
                explain(
                    "astype",
                    "A cast from complex to real drops the imaginary part.",
                    "Use np.real(x) or np.abs(x) to say what is meant.",
                    dtype=str(dtype),
                )
            )
    return cast(x, dtype=dtype)


# ---- locally constant ---------------------------------------------------------------------------


def _two(draw: Draw) -> Case:
    x, y = draw.broadcastable(2)
    return (draw.array(x, _apart[0]), draw.array(y, _apart[1])), {}


def _whole_numbers(draw: Draw, n: int) -> Case:
    return tuple(draw.array(s, Domain(-3, 3)).real.astype(int) for s in draw.broadcastable(n)), {}


_side_of_zero = Constant(
    "sign", np.sign, lambda draw: ((draw.array(draw.shape(), NONZERO),), {}), np.sign
)


@composite(np.sign, samples=lambda draw: ((draw.array(draw.shape(), NONZERO),), {}))
def sign(x: ArrayLike, /) -> Any:
    """Return -1, 0 or 1, a constant; for a complex number, that of length 1 in its direction."""
    if np.iscomplexobj(x):
        size = np.abs(x)
        at_zero = constant_value(size) == 0
        return singular_where(at_zero, np.divide(x, np.where(at_zero, np.inf, size)))
    return _side_of_zero(x)


constant(np.floor, np.ceil, np.trunc, np.rint, np.isnan, np.isinf, np.isfinite)
constant(np.signbit, np.logical_not, np.round, np.fix, np.iscomplex, np.isreal)
constant(np.spacing, steps=False)
constant(np.logical_and, np.logical_or, np.logical_xor, samples=_two)
constant(np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal, samples=_two)
constant(np.isclose, np.allclose, np.array_equal, np.array_equiv, samples=_two)
constant(np.floor_divide, samples=lambda draw: ((draw.array(draw.shape(), POSITIVE), 0.7), {}))
constant(
    np.bitwise_and,
    np.bitwise_or,
    np.bitwise_xor,
    np.gcd,
    np.lcm,
    samples=lambda draw: _whole_numbers(draw, 2),
)
constant(np.invert, np.bitwise_count, samples=lambda draw: _whole_numbers(draw, 1))
constant(
    np.left_shift,
    np.right_shift,
    samples=lambda _: ((np.array([1, 2, 8]), np.array([0, 1, 2])), {}),
)


@composite(np.divmod, samples=lambda draw: ((draw.array(draw.shape(), Domain(0.2, 0.8)), 1.0), {}))
def divmod(x: ArrayLike, y: ArrayLike, /) -> tuple[Any, Any]:
    """Return the quotient, a constant, and the remainder."""
    return np.floor_divide(x, y), np.remainder(x, y)
