"""The functions of each entry: one table of names, as NumPy's functions already differentiate."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from tensorgrad.array_api.creation import asarray, lifted
from tensorgrad.array_api.table import named_after
from tensorgrad.engine.tensor import Tensor
from tensorgrad.typing import ArrayLike

__all__ = [
    "abs",
    "acos",
    "acosh",
    "add",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "ceil",
    "clip",
    "conj",
    "copysign",
    "cos",
    "cosh",
    "divide",
    "equal",
    "exp",
    "expm1",
    "floor",
    "floor_divide",
    "greater",
    "greater_equal",
    "hypot",
    "imag",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "multiply",
    "negative",
    "nextafter",
    "not_equal",
    "positive",
    "pow",
    "real",
    "reciprocal",
    "remainder",
    "round",
    "sign",
    "signbit",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "subtract",
    "tan",
    "tanh",
    "trunc",
    "where",
]

Unary: TypeAlias = Callable[[ArrayLike], Tensor]
Binary: TypeAlias = Callable[[ArrayLike, ArrayLike], Tensor]


def unary(name: str) -> Unary:
    """Take NumPy's function of one array."""
    numpy = getattr(np, name)

    def function(x: ArrayLike, /) -> Tensor:
        return numpy(lifted(x))

    return named_after(numpy, name, function)


def binary(name: str) -> Binary:
    """Take NumPy's function of two arrays, which are broadcast together."""
    numpy = getattr(np, name)

    def function(x1: ArrayLike, x2: ArrayLike, /) -> Tensor:
        return asarray(numpy(operand(x1), operand(x2)))

    return named_after(numpy, name, function)


def operand(x: ArrayLike) -> Any:
    """Turn x into a tensor, unless it is a number of Python's, which leaves the dtype to others."""
    return x if isinstance(x, (int, float, complex)) else lifted(x)


abs = unary("abs")
acos = unary("acos")
acosh = unary("acosh")
asin = unary("asin")
asinh = unary("asinh")
atan = unary("atan")
atanh = unary("atanh")
bitwise_invert = unary("bitwise_invert")
ceil = unary("ceil")
conj = unary("conj")
cos = unary("cos")
cosh = unary("cosh")
exp = unary("exp")
expm1 = unary("expm1")
floor = unary("floor")
imag = unary("imag")
isfinite = unary("isfinite")
isinf = unary("isinf")
isnan = unary("isnan")
log = unary("log")
log1p = unary("log1p")
log2 = unary("log2")
log10 = unary("log10")
logical_not = unary("logical_not")
negative = unary("negative")
positive = unary("positive")
real = unary("real")
reciprocal = unary("reciprocal")
round = unary("round")
sign = unary("sign")
signbit = unary("signbit")
sin = unary("sin")
sinh = unary("sinh")
sqrt = unary("sqrt")
square = unary("square")
tan = unary("tan")
tanh = unary("tanh")
trunc = unary("trunc")

add = binary("add")
atan2 = binary("atan2")
bitwise_and = binary("bitwise_and")
bitwise_left_shift = binary("bitwise_left_shift")
bitwise_or = binary("bitwise_or")
bitwise_right_shift = binary("bitwise_right_shift")
bitwise_xor = binary("bitwise_xor")
copysign = binary("copysign")
divide = binary("divide")
equal = binary("equal")
floor_divide = binary("floor_divide")
greater = binary("greater")
greater_equal = binary("greater_equal")
hypot = binary("hypot")
less = binary("less")
less_equal = binary("less_equal")
logaddexp = binary("logaddexp")
logical_and = binary("logical_and")
logical_or = binary("logical_or")
logical_xor = binary("logical_xor")
maximum = binary("maximum")
minimum = binary("minimum")
multiply = binary("multiply")
nextafter = binary("nextafter")
not_equal = binary("not_equal")
pow = binary("pow")
remainder = binary("remainder")
subtract = binary("subtract")


def clip(x: ArrayLike, /, min: ArrayLike = None, max: ArrayLike = None) -> Tensor:
    """Limit the values to an interval; see `numpy.clip`."""
    low, high = (None if bound is None else operand(bound) for bound in (min, max))
    return np.clip(lifted(x), low, high)


def where(condition: ArrayLike, x1: ArrayLike, x2: ArrayLike, /) -> Tensor:
    """Take from x1 where the condition is true, from x2 elsewhere; see `numpy.where`."""
    return np.where(lifted(condition), operand(x1), operand(x2))
