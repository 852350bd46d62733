"""The methods of ufuncs, their keywords, and writing in place through them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tensorgrad as tg
from tensorgrad.errors import GraphError, TensorgradError, UnsupportedError
from tensorgrad.testing import check_grad

ARRAYS = {
    "f8": np.array([[0.5, -1.0, 2.0], [3.0, 0.25, -0.75]]),
    "f4": np.array([[0.5, -1.0, 2.0], [3.0, 0.25, -0.75]], "f4"),
    "i8": np.array([[1, 2, 3], [4, 0, 2]]),
    "u1": np.array([[1, 2, 3], [4, 0, 2]], "u1"),
    "b1": np.array([[1, 0, 1], [1, 1, 0]], bool),
    "c8": np.array([[1 + 1j, 2, 3j]], "c8"),
    "empty": np.zeros((0, 3)),
    "0-d": np.array(2.0),
    "NaN": np.array([[np.nan, 1.0, 2.0], [np.nan, 3.0, 1.0]]),
    "of all sizes": np.array([[0.0, 1e-200, 1e150], [-3e-200, -1e-200, np.inf]]),
}
# arctan2 and power are left out: NumPy's own loop of reduce gives f(first, last) on some machines
UFUNCS = [
    *(np.add, np.multiply, np.subtract, np.divide, np.maximum, np.minimum, np.fmax, np.fmin),
    *(np.logaddexp, np.logaddexp2, np.hypot, np.copysign, np.floor_divide),
    *(np.logical_and, np.logical_or, np.logical_xor, np.bitwise_and, np.gcd, np.less, np.equal),
]
METHODS = {
    "reduce": lambda f, x: f.reduce(x),
    "reduce, keepdims": lambda f, x: f.reduce(x, axis=-1, keepdims=True),
    "reduce over all": lambda f, x: f.reduce(x, axis=None),
    "reduce over two": lambda f, x: f.reduce(x, axis=(0, 1)),
    "reduce from a number": lambda f, x: f.reduce(x, axis=-1, initial=1),
    "reduce some": lambda f, x: f.reduce(x, -1, initial=2, where=np.array([True, False, True])),
    "accumulate": lambda f, x: f.accumulate(x),
    "accumulate, by axis": lambda f, x: f.accumulate(x, axis=-1),
    "reduceat": lambda f, x: f.reduceat(x, [0, 1, 0], axis=-1),
    "outer": lambda f, x: f.outer(x, x),
    "dtype": lambda f, x: f(x, x, dtype="f4"),
    "signature": lambda f, x: f(x, x, signature="dd->d"),
    "signature of types": lambda f, x: f(x, x, signature=(np.float64, None, None)),
    "no casting": lambda f, x: f(x, x, casting="no"),
    "order": lambda f, x: f(x, 1, order="F", subok=False),
}


def outcome(call):
    try:
        with np.errstate(all="ignore"):
            return call()
    except (TypeError, ValueError, IndexError) as error:
        return error


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda f: f.__name__)
def test_values_are_those_of_numpy(ufunc, method):
    for name, x in ARRAYS.items():
        want = outcome(lambda x=x: method(ufunc, x))
        for recorded in (False, True) if x.dtype.kind == "f" else (False,):
            t = tg.tensor(x, requires_grad=recorded)
            found = outcome(lambda t=t: method(ufunc, t))
            if isinstance(want, Exception):
                assert isinstance(found, TensorgradError), name
                continue
            assert isinstance(found, tg.Tensor), (name, found)
            assert (found.shape, found.dtype) == (want.shape, want.dtype), name
            precision = want.dtype if want.dtype.kind in "fc" else np.dtype(float)
            tolerance = 16 * np.finfo(precision).eps
            assert_allclose(found.numpy(), want, rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.logaddexp.reduce(x, axis=-1),
        lambda x: np.hypot.reduce(x, axis=None),
        lambda x: np.power.accumulate(np.abs(x) + 0.5, axis=-1),
        lambda x: np.arctan2.reduce(x, axis=1),
        lambda x: np.multiply.accumulate(x, axis=0),
        lambda x: np.divide.reduceat(x, [0, 2, 1], axis=1),
        lambda x: np.power.outer(np.abs(x[0]), x[1]),
    ],
)
def test_derivatives_of_methods(f):
    assert check_grad(f, ARRAYS["f8"], order=2)


def test_what_ties_in_fmax_shares_equally_and_nans_have_no_share():
    x = np.array([2.0, np.nan, 2.0, 1.0, 2.0])
    assert_allclose(tg.grad(lambda x: np.fmax.reduce(x))(x), [1 / 3, 0, 1 / 3, 0, 1 / 3])


def test_second_derivative_of_a_length_where_the_first_entries_are_zero():
    # of sqrt(x*x + 9) at 0, whatever zeros come before
    for length in (
        np.hypot.reduce,
        lambda x: np.hypot.accumulate(x)[-1],
        lambda x: np.hypot.reduceat(x, [1, 0])[-1],
    ):
        f = tg.grad(tg.grad(lambda x, f=length: f(np.stack([x, 0.0 * x, 3.0 + 0.0 * x]))))
        assert_allclose(f(0.0), 1 / 3)


def test_lengths_of_very_different_sizes():
    x = np.array([[3e-200, 1e200], [4e-200, 1e200]])
    for f in (np.hypot.reduce, lambda x: np.hypot.accumulate(x)[-1]):
        (gradient,) = tg.vjp(f, x)[1](np.ones(2))
        assert_allclose(gradient, [[0.6, 0.5**0.5], [0.8, 0.5**0.5]])
    found = np.hypot.reduce(tg.tensor(x[:, 0]), where=[True, False], initial=4e-200)
    assert_allclose(found.numpy(), 5e-200)


@pytest.mark.parametrize(
    ("ufunc", "derivative_by_x", "derivative_by_v"),
    [
        (np.add, [1, 1, 1], [1, 1, 1]),
        (np.subtract, [1, 1, 1], [-1, -1, -1]),
        (np.multiply, [4, 3, 1], [10, 10, 20]),  # x = [5, 2, 7], v = [2, 2, 3] at [0, 0, 1]
    ],
)
def test_at_applies_as_often_as_an_index_says(ufunc, derivative_by_x, derivative_by_v):
    def f(x, v):
        y = np.copy(x)
        ufunc.at(y, [0, 0, 1], v)
        return y

    x, v = np.array([5.0, 2.0, 7.0]), np.array([2.0, 2.0, 3.0])
    expected = x.copy()
    ufunc.at(expected, [0, 0, 1], v)
    value, pullback = tg.vjp(f, x, v)
    assert_array_equal(value, expected)
    if ufunc is np.multiply:
        derivative_by_v = [10, 10, 2]
    by_x, by_v = pullback(np.ones(3))
    assert_allclose(by_x, derivative_by_x)
    assert_allclose(by_v, derivative_by_v)


def test_at_keeps_what_was_computed_before():
    x = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 1.0
    before = y * y
    np.exp.at(y, [0, 0])
    assert_allclose(y.numpy(), [np.exp(np.exp(1.0)), 2, 3])
    (before.sum() + y.sum()).backward()
    assert_allclose(x.grad.numpy(), [2 + np.exp(1) * np.exp(np.exp(1)), 5, 7])
    y += 1.0  # which may be written to again


def test_at_is_refused_where_the_gradient_would_be_lost():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(GraphError, match=r"np\.add\.at"):
        np.add.at(x, [0], 1.0)
    with pytest.raises(UnsupportedError, match=r"np\.add\.at"):
        np.add.at(np.zeros(2), [0], x)
    with pytest.raises(UnsupportedError, match="astype"):
        np.add.at(tg.tensor([1, 2]), [0, 1], x)


@pytest.mark.parametrize("method", ["reduce", "accumulate"])
def test_methods_refuse_out(method):
    with pytest.raises(UnsupportedError, match=rf"np\.add\.{method}: out="):
        getattr(np.add, method)(tg.tensor([1.0, 2.0]), out=np.zeros(2))


def test_a_cast_that_drops_the_gradient_is_refused():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(UnsupportedError, match=r"np\.add"):
        np.add(x, x, dtype=int)
    with pytest.raises(UnsupportedError, match="astype"):
        np.add(x, x, dtype=int, casting="unsafe")


@pytest.mark.parametrize(
    ("f", "shapes"),
    [
        (lambda x, y: np.vecdot(x, y, axis=0), [(3, 2), (3, 2)]),
        (lambda x, y: np.vecdot(x, y, axis=0, keepdims=True), [(3, 2), (3, 2)]),
        (lambda x, y: np.matmul(x, y, axes=[(0, 1), (1, 0), (0, 1)]), [(2, 3), (4, 3)]),
        (lambda x, y: np.matvec(x, y, axes=[(-1, 0), 0, 0]), [(3, 2), (3,)]),
        (lambda x, y: np.vecdot(x, y, axes=[0, 1]), [(3, 2), (2, 3)]),
    ],
)
def test_axes_of_vectors_and_matrices(f, shapes):
    rng = np.random.default_rng(0)
    xs = [rng.normal(size=shape) for shape in shapes]
    found = f(*map(tg.tensor, xs))
    assert found.shape == f(*xs).shape
    assert_allclose(found.numpy(), f(*xs))
    assert check_grad(f, *xs)
