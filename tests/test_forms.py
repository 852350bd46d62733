"""Arguments in the forms that NumPy takes but the laws do not draw: values and dtypes as NumPy's.

Integers, booleans, half precision, Python numbers and lists, axes and indices of all kinds.
"""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tensorgrad as tg
from tensorgrad.errors import TensorgradError

FLOATS = [[0.5, -1.0, 2.0], [3.0, 0.25, -0.75]]
INTEGERS = [[1, 2, 3], [4, 0, 2]]
ARRAYS = {
    "f8": np.array(FLOATS),
    "f4": np.array(FLOATS, "f4"),
    "f2": np.array(FLOATS, "f2"),
    "i8": np.array(INTEGERS),
    "i1": np.array(INTEGERS, "i1"),
    "u1": np.array(INTEGERS, "u1"),
    "b1": np.array(INTEGERS) > 1,
    "c8": np.array([[1 + 1j, 2, 3j]], "c8"),
    "empty": np.zeros((0, 3)),
    "0-d": np.array(2.0),
    "0-d integer": np.array(2),
}

UNARY = [
    "absolute",
    "angle",
    "argmax",
    "argsort",
    "atleast_3d",
    "conj",
    "copy",
    "count_nonzero",
    "cumsum",
    "diag",
    "diagonal",
    "exp",
    "fix",
    "flip",
    "floor",
    "imag",
    "isnan",
    "mean",
    "min",
    "negative",
    "nonzero",
    "prod",
    "ravel",
    "real",
    "rint",
    "round",
    "sign",
    "sin",
    "sqrt",
    "square",
    "squeeze",
    "std",
    "sum",
    "trace",
    "transpose",
    "tril",
    "triu",
    "trunc",
    "var",
    "max",
    "any",
    "all",
]
REDUCTIONS = [
    "sum",
    "prod",
    "mean",
    "var",
    "std",
    "max",
    "min",
    "cumsum",
    "any",
    "all",
    "argmax",
    "flip",
]
BINARY = [
    "add",
    "arctan2",
    "copysign",
    "divide",
    "equal",
    "floor_divide",
    "fmod",
    "heaviside",
    "hypot",
    "less",
    "logaddexp",
    "maximum",
    "minimum",
    "multiply",
    "power",
    "remainder",
    "subtract",
]
OPERANDS = [
    *(0.5, 2, True, 2j),
    *(np.float32(1.5), np.int64(2), np.float64(2.0)),
    *([1, 2, 3], [[0.5]], np.arange(3)),
]
FORMS = {
    "sum where": lambda x: np.sum(x, where=np.array([True, False, True])),
    "mean where": lambda x: np.mean(x, where=np.array([True, False, True])),
    "max where": lambda x: np.max(x, where=np.array([True, False, True]), initial=1),
    "max from a negative number": lambda x: np.max(x, initial=-1),
    "max from a fraction": lambda x: np.max(x, initial=0.75),
    "sum from a fraction": lambda x: np.sum(x, initial=0.75),
    "sum from more than one number": lambda x: np.sum(x, initial=[1.0, 2.0]),
    "sum from None": lambda x: np.sum(x, axis=-1, initial=None),
    "sum in single precision": lambda x: np.sum(x, dtype="f4"),
    "mean in whole numbers": lambda x: np.mean(x, dtype=int),
    "std as a complex number": lambda x: np.std(x, dtype=complex),
    "var from a mean of another dtype": lambda x: np.var(x, mean=1.5, axis=-1),
    "nanvar along the first axis": lambda x: np.nanvar(x, axis=0),
    "nanvar from a mean": lambda x: np.nanvar(x, mean=1.0),
    "trapezoid at positions with more axes": lambda x: np.trapezoid(
        x, np.arange(3.0) * np.ones((4, 2, 1))
    ),
    "trapezoid at as many positions": lambda x: np.trapezoid(
        x, np.ones((4, 2, 1)) * np.arange(3.0), axis=1
    ),
    "polyval at a polynomial": lambda x: np.polyval(x[0], np.poly1d([1.0, 2.0])),
    "polyder of rows": np.polyder,
    "keepdims": lambda x: np.std(x, -1, keepdims=True),
    "ddof": lambda x: np.var(x, axis=-1, ddof=1),
    "where, with a number": lambda x: np.where(x > 0, x, 1.5),
    "where, of numbers": lambda x: np.where(x > 0, 1.0, 2),
    "where, without branches": np.where,
    "where, with one branch": lambda x: np.where(x, x),
    "clip": lambda x: np.clip(x, 1, 2),
    "clip, above only": lambda x: np.clip(x, None, 1),
    "clip, beyond small integers": lambda x: np.clip(x, -1000, 1000),
    "clip, twice": lambda x: np.clip(x, 0, 1, min=0),
    "take": lambda x: np.take(x, [0, -1], axis=0),
    "take, by booleans": lambda x: np.take(x, [True, False]),
    "take along an axis, broadcast": lambda x: np.take_along_axis(x, np.array([[1], [0]]), 0),
    "take along no axis": lambda x: np.take_along_axis(x, np.array([1, 0]), None),
    "x[:, (0, 0, 1)]": lambda x: x[:, (0, 0, 1)],
    "x[np.int64(0)]": lambda x: x[np.int64(0)],
    "x[range(1)]": lambda x: x[range(1)],
    "x[[]]": lambda x: x[[]],
    "x[True]": lambda x: x[True],
    "x[..., None]": lambda x: x[..., None],
    "x[9]": lambda x: x[9],
    "pad": lambda x: np.pad(x, (1, 2), constant_values=3),
    "pad, by axis": lambda x: np.pad(x, {-1: (1, 2)}),
    "pad, by halves": lambda x: np.pad(x, 1.5),
    "pad, edge": lambda x: np.pad(x, 1, "edge"),
    "@ list": lambda x: x @ [1, 2, 3],
    "list @": lambda x: [1, 2] @ x,
    "dot": lambda x: np.dot(x, 2),
    "vdot": lambda x: np.vdot(x, x),
    "einsum": lambda x: np.einsum("...j->j", x),
    "einsum, hidden axes summed": lambda x: np.einsum("i...->i", x),
    "outer": lambda x: np.multiply.outer(x, x),
    "add.reduce": lambda x: np.add.reduce(x),
    "maximum.reduce": lambda x: np.maximum.reduce(x, axis=None),
    "add.accumulate": lambda x: np.add.accumulate(x[:1], axis=-1),
    "reshape": lambda x: np.reshape(x, (3, -1)),
    "roll": lambda x: np.roll(x, (1, 2)),
    "rot90 in no plane": lambda x: np.rot90(x, 0, (0, 0)),
    "moveaxis, too few places": lambda x: np.moveaxis(x, (0, 1), (0,)),
    "swapaxes, out of range": lambda x: np.swapaxes(x, 0, 7),
    "concatenate": lambda x: np.concatenate([x, x.astype("f8")], None),
    "vstack": lambda x: np.vstack([x, x[0]]),
    "column_stack": lambda x: np.column_stack([x[0], x[0]]),
    "vsplit": lambda x: np.vsplit(x, 2),
    "vsplit of a row": lambda x: np.vsplit(x[0], 3),
    "array_split": lambda x: np.array_split(x, 2, axis=1),
    "full_like": lambda x: np.full_like(x, 1.5),
    "expand_dims": lambda x: np.expand_dims(x, (0, -1)),
}


def outcome(f, x):
    """Return the results as arrays, or the error."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # that a slice is empty, in different words
        try:
            y = f(x)
        except (ValueError, TypeError, IndexError, OverflowError) as error:
            return error
    results = y if isinstance(y, list | tuple) else [y]
    return [r.numpy() if isinstance(r, tg.Tensor) else np.asarray(r) for r in results]


def assert_as_numpy(f):
    for name, x in ARRAYS.items():
        expected, found = outcome(f, x), outcome(f, tg.tensor(x))
        if isinstance(expected, Exception):
            assert isinstance(found, TensorgradError | OverflowError), (name, expected, found)
            continue
        assert not isinstance(found, Exception), (name, found)
        for a, b in zip(found, expected, strict=True):
            assert (a.shape, a.dtype) == (b.shape, b.dtype), name
            tolerance = 1e-12 if b.dtype.kind not in "fc" else 8 * np.finfo(b.dtype).eps
            assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("name", UNARY)
def test_functions(name):
    assert_as_numpy(getattr(np, name))


@pytest.mark.parametrize("axis", [0, -1, (0, 1), (), 5])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_axes(name, axis):
    assert_as_numpy(lambda x: getattr(np, name)(x, axis=axis))


@pytest.mark.parametrize("operand", OPERANDS, ids=repr)
@pytest.mark.parametrize("name", BINARY)
def test_operands(name, operand):
    function = getattr(np, name)
    assert_as_numpy(lambda x: function(x, operand))
    assert_as_numpy(lambda x: function(operand, x))


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_forms(form):
    assert_as_numpy(form)


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize(
    "operand", [*OPERANDS, np.array([1, 2, 3], "u1"), np.array(0, "u1")], ids=repr
)
@pytest.mark.parametrize("name", sorted({*BINARY, "fmax", "float_power"} - {"equal", "less"}))
def test_gradients_beside_operands_of_other_kinds(name, operand, dtype):
    # the gradient of a floating-point argument, as if the operand had been one as well
    function = getattr(np, name)
    x = np.array([[0.5, 1.5, 2.25], [3.0, 0.25, 0.75]], dtype)
    plain = np.asarray(operand)
    plain = plain.astype(np.result_type(plain.dtype, np.float64))

    def gradient(f):
        with np.errstate(all="ignore"):
            try:
                value, pullback = tg.vjp(f, x)
                (g,) = pullback(np.ones_like(value))
            except TensorgradError as error:
                return type(error)
        assert (g.shape, g.dtype) == (x.shape, x.dtype)
        return g

    tolerance = 64 * np.finfo(dtype).eps
    for f in (function, lambda x, y: function(y, x)):
        expected = gradient(lambda x, f=f: f(x, plain))
        for given in (operand, tg.tensor(operand)):
            found = gradient(lambda x, f=f, given=given: f(x, given))
            if isinstance(expected, type):
                assert found is expected
            else:
                assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "index", [(0, 0, 1), [0, 0, 1], range(2), np.int64(1), [True, False, True]]
)
def test_gradients_through_indices_of_other_kinds(index):
    x = np.arange(6.0).reshape(2, 3)
    expected = np.zeros_like(x)
    np.add.at(expected, (slice(None), np.asarray(index)), 1.0)
    assert_allclose(tg.grad(lambda x: np.sum(x[:, index]))(x), expected)
