"""Singular points: branches that do not matter, and strict mode."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tensorgrad as tg
from tensorgrad.errors import SingularPointError

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


# at these points there is no derivative
SINGULAR = {
    "abs": (np.abs, 0.0),
    "abs of a complex number": (np.abs, 0j),
    "sqrt": (np.sqrt, 0.0),
    "cbrt": (np.cbrt, 0.0),
    "a root": (lambda x: x**0.5, 0.0),
    "a pole": (lambda x: 1 / x, 0.0),
    "a pole of a power": (lambda x: x**-2.0, 0.0),
    "reciprocal": (np.reciprocal, 0.0),
    "log": (np.log, 0.0),
    "log1p": (np.log1p, -1.0),
    "arcsin": (np.arcsin, 1.0),
    "arccosh": (np.arccosh, 1.0),
    "arctanh": (np.arctanh, -1.0),
    "arctan2": (lambda x: np.arctan2(x, -1.0), 0.0),
    "hypot": (lambda x: np.hypot(x, 0.0), 0.0),
    "maximum": (lambda x: np.maximum(x, 1.0), 1.0),
    "clip": (lambda x: np.clip(x, 1, 2), 1.0),
    "max": (lambda x: np.max(x), [1.0, 3.0, 3.0]),
    "median": (np.median, [1.0, 1.0, 3.0]),
    "sort": (np.sort, [1.0, 3.0, 1.0]),
    "remainder": (lambda x: x % 2, 4.0),
    "fmod": (lambda x: np.fmod(x, 2), 4.0),
    "copysign": (lambda x: np.copysign(1.0, x), 0.0),
    "heaviside": (lambda x: np.heaviside(x, 0.5), 0.0),
    "std": (np.std, [2.0, 2.0]),
    "norm": (np.linalg.norm, [0.0, 0.0]),
    "norm of order 3": (lambda x: np.linalg.norm(x, 3), [0.0, 0.0]),
    "norm of order inf": (lambda x: np.linalg.norm(x, np.inf), [2.0, -2.0]),
    "eigenvalues": (np.linalg.eigvalsh, np.eye(2)),
    "singular values": (np.linalg.svdvals, np.eye(2)),
    "interp": (lambda x: np.interp(x, [0.0, 1.0, 2.0], [0.0, 1.0, 5.0]), 1.0),
    "unique": (np.unique, [1.0, 2.0, 2.0]),
    "quantile": (lambda q: np.quantile([1.0, 2.0, 5.0], q), 0.5),
}


def derivatives(f, x):
    x = np.asarray(x)
    value, pullback = tg.vjp(f, x)
    yield lambda: pullback(np.ones_like(value))
    yield lambda: tg.jvp(f, (x,), (np.ones_like(x),))
    yield lambda: f(tg.tensor(x, requires_grad=True)).sum().backward()


@pytest.mark.parametrize(("f", "x"), SINGULAR.values(), ids=SINGULAR.keys())
def test_strict_mode_raises_where_there_is_no_derivative(f, x):
    with np.errstate(all="ignore"):
        for derive in derivatives(f, x):
            derive()
            with tg.strict(), pytest.raises(SingularPointError, match="strict mode"):
                derive()


@pytest.mark.parametrize(("f", "x"), SINGULAR.values(), ids=SINGULAR.keys())
def test_strict_mode_raises_nowhere_else(f, x):
    rng = np.random.default_rng(0)
    beside = np.asarray(x) + rng.uniform(0.01, 0.02, np.shape(x))
    with np.errstate(all="ignore"), tg.strict():
        for derive in derivatives(f, beside):
            derive()


@tg.strict()
def test_strict_mode_lets_pass_what_does_not_matter():
    with np.errstate(all="ignore"):
        assert_array_equal(
            tg.grad(lambda x: np.sum(np.where(x > 0, np.sqrt(x), x)))(X), [1, 1, 0.25]
        )
        assert_array_equal(tg.grad(lambda x: np.max(x))(X), [0, 0, 1])


def test_strict_mode_names_the_entries():
    with tg.strict(), pytest.raises(ArithmeticError, match=r"sqrt: entries=2, first=\(1,\)"):
        tg.grad(lambda x: np.sum(np.sqrt(x)))(np.array([1.0, 0.0, 0.0]))
