"""Singular points: branches that do not matter, and strict mode."""

import warnings

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_array_equal

import tensorgrad as tg
from tensorgrad.engine import singular
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
    "roots of negative numbers": lambda x: np.where(x > 0, np.sqrt(x) * np.exp(np.sqrt(x)), x),
    "under checkpoint": tg.checkpoint(lambda x: np.where(x > 0, np.log(x), x)),
    "outside of checkpoint": lambda x: np.where(x > 0, tg.checkpoint(np.log)(x), x),
    "fmax": lambda x: x + np.fmax(np.log(x), 9.0),
    "max": lambda x: x + np.where(x > 3, np.max(np.log(x[1:])), 0.0),
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


@tg.custom_jvp
def root(x):
    return np.sqrt(x)


root.defjvp(lambda xs, ts: (root.f(*xs), ts[0] / (2 * np.sqrt(xs[0]))))

# smooth functions, of which the chain rule meets 0 * inf at 0: no number is better than a wrong one
CANCELLED = {
    "the square of a root": lambda x: np.sqrt(x) ** 2,
    "a product of roots": lambda x: np.sqrt(x) * np.sqrt(x),
    "the cube of a cubic root": lambda x: np.cbrt(x) ** 3,
    "a cubic root of a cube": lambda x: np.cbrt(x**3),
    "exp of log": lambda x: np.exp(np.log(x)),
    "1 / (1 / x)": lambda x: 1 / (1 / x),
    "arctan(1 / x)": lambda x: np.arctan(1 / x),
    "an even function of a root": lambda x: np.cos(np.sqrt(x)),
    "a sum of logarithms": lambda x: np.logaddexp(np.log(x), 0.0),
    "of a complex number": lambda x: np.real(np.sqrt(x + 0j) * np.sqrt(x + 0j)),
    "under checkpoint": tg.checkpoint(lambda x: np.sqrt(x) ** 2),
    "outside of checkpoint": lambda x: tg.checkpoint(np.sqrt)(x) ** 2,
    "by a rule for tangents": lambda x: root(x) ** 2,
}


@pytest.mark.parametrize("f", CANCELLED.values(), ids=CANCELLED.keys())
def test_a_zero_that_is_computed_may_matter(f):
    x, one = np.array([0.0, 4.0]), np.ones(2)
    with np.errstate(all="ignore"):
        leaf = tg.tensor(x, requires_grad=True)
        f(leaf).sum().backward()
        for g in (
            tg.grad(lambda x: np.sum(f(x)))(x),
            tg.jvp(f, (x,), (one,))[1],
            tg.vmap(tg.grad(f))(x),
            np.diag(tg.jacrev(f)(x)),
            leaf.grad.numpy(),
        ):
            assert np.isnan(g[0])
            assert np.isfinite(g[1])


def test_what_spoils_a_result_is_said_once():
    with np.errstate(invalid="warn", divide="ignore"):
        with pytest.warns(RuntimeWarning, match="derivative of sqrt") as said:
            tg.grad(lambda x: np.sqrt(x) ** 2)(0.0)
        assert len(said) == 1
        with np.errstate(invalid="ignore"):
            _, pullback = tg.vjp(lambda x: np.exp(np.log(x)), -1.0)
        assert np.isnan(pullback(1.0)[0])  # of which the value has said enough


def test_a_seed_that_is_zero_does_not_matter_unless_it_varies():
    x, seed = np.array([0.0, 4.0]), np.array([0.0, 1.0])
    with np.errstate(all="ignore"):
        _, pullback = tg.vjp(np.sqrt, x)
        assert_array_equal(pullback(seed)[0], [0, 0.25])
        assert_array_equal(tg.jvp(np.sqrt, (x,), (seed,))[1], [0, 0.25])
        assert_array_equal(tg.jacobian(np.sqrt)(x), [[np.inf, 0], [0, 0.25]])
        assert_array_equal(tg.grad(lambda g: np.sum(pullback(g)[0]))(seed), [np.inf, 0.25])


def test_a_factor_that_is_zero_matters_unless_it_is_constant():
    x, zero = np.array([0.0, 4.0]), np.array([0.0, 1.0])
    with np.errstate(all="ignore"):
        assert_array_equal(tg.grad(lambda x: np.sum(zero * np.sqrt(x)))(x), [0, 0.25])
        by_x, _ = tg.grad(lambda x, m: np.sum(m * np.sqrt(x)), (0, 1))(x, zero)
    assert np.isnan(by_x[0])


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
    "interp where it ends": (lambda x: np.interp(x, [0.0, 1.0], [3.0, 5.0]), 1.0),
    "interp where it jumps": (lambda x: np.interp(x, [0.0, 1.0], [3.0, 3.0], left=2.0), 0.0),
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


def test_many_entries_are_read_once_without_a_sound():
    y = tg.tensor(np.zeros(20_000), requires_grad=True)
    with np.errstate(all="ignore"):
        (np.sqrt(y) ** 2).sum().backward()
    assert np.isnan(y.grad).all()
    x = tg.tensor(np.ones(20_000), requires_grad=True)
    (x * 1e200).sum().backward()  # its square is too large
    assert np.array_equal(x.grad, np.full(20_000, 1e200))


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e160, 1e300])
@pytest.mark.parametrize("many", [3, 20_000])
def test_gradients_of_any_size_are_looked_at_in_silence(scale, many):
    x = tg.tensor(np.ones(many), requires_grad=True)
    with np.errstate(all="raise"):
        (x * scale).sum().backward()
        assert_array_equal(tg.grad(lambda x: (x * scale).sum())(np.ones(many)), x.grad)
    assert_array_equal(x.grad, np.full(many, scale))


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "g", "F", "D"])
@given(st.data())
def test_a_nan_anywhere_is_seen(dtype, data):
    shape = data.draw(st.sampled_from([(), (0,), (1,), (7,), (3, 5), (120, 100)]))
    x = np.full(shape, data.draw(st.sampled_from([-np.inf, -1.0, 0.0, np.inf])), dtype)
    x = data.draw(st.sampled_from([x, x.T, x[..., ::-1] if x.ndim else x]))
    assert not singular._has_nan(x)
    if x.size:
        x[data.draw(st.tuples(*(st.integers(0, side - 1) for side in x.shape)))] = np.nan
        assert singular._has_nan(x)
