"""Singular points: branches that do not matter, and strict mode."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tensorgrad as tg

X = np.array([-1.0, 0.0, 4.0])

# functions that are smooth where they are used, by a branch that is not
BRANCHES = {
    "log": lambda x: np.where(x > 0, np.log(x), x),
    "sqrt": lambda x: np.where(x > 0, np.sqrt(x), x),
    "a fraction": lambda x: np.where(x > 0, 1 / x, x),
    "0 / 0": lambda x: np.where(x > 0, (x * 0) / (x * 1), x),
    "a power": lambda x: np.where(x > 0, x**0.3, x),
    "a power of x": lambda x: np.where(x > 0, x**x, x),
    "arccosh": lambda x: np.where(x > 3, np.arccosh(x), x),
    "by indexing": lambda x: np.concatenate([x[:2], np.sqrt(x)[2:]]),
    "overflow": lambda x: np.where(x > 1e9, np.exp(x * 1e3) ** 2, x),
}


@pytest.mark.parametrize("f", BRANCHES.values(), ids=BRANCHES.keys())
def test_the_branch_not_taken_spoils_nothing(f):
    with np.errstate(all="ignore"):
        first = tg.grad(lambda x: np.sum(f(x)))
        second = tg.grad(lambda x: np.sum(first(x)))
        _, tangent = tg.jvp(f, (X,), (np.ones(3),))
    with warnings.catch_warnings(), np.errstate(invalid="warn", over="ignore", divide="ignore"):
        warnings.filterwarnings("ignore", "invalid value encountered")  # of the values
        g, gg = first(X), second(X)
    assert np.all(np.isfinite(g))
    assert np.all(np.isfinite(gg))
    assert_array_equal(g[:2], 1)
    assert_array_equal(gg[:2], 0)
    assert_array_equal(tangent, g)


def test_what_matters_is_not_masked():
    with np.errstate(all="ignore"):
        assert_array_equal(tg.grad(np.sqrt)(0.0), np.inf)
        assert np.isnan(tg.grad(np.sqrt)(-1.0))
        assert np.isnan(tg.grad(lambda x: np.sqrt(x) - np.sqrt(x))(0.0))


def test_an_invalid_value_that_matters_is_said_as_the_user_wants_it():
    with np.errstate(invalid="ignore"):
        _, pullback = tg.vjp(np.sqrt, -1.0)
    with np.errstate(invalid="warn"), pytest.warns(RuntimeWarning, match="derivative of sqrt"):
        pullback(1.0)
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError, match="of sqrt"):
        pullback(1.0)
    with np.errstate(invalid="ignore"):
        assert np.isnan(pullback(1.0)[0])
