"""Operations of users."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad import extend
from tensorgrad.engine.primitive import REGISTRY
from tensorgrad.errors import TensorgradError, UnsupportedError
from tensorgrad.testing import check_grad, check_op
from tensorgrad.testing.mutants import unlisted

X = np.array([0.3, -0.4, 1.2])


@pytest.fixture(autouse=True)
def _registry():
    with unlisted():
        yield


def mixed(x, y, /, *, n):
    return x**n * np.sum(y)


VJP = (
    lambda g, x, y, n: g * n * x ** (n - 1) * np.sum(y),
    lambda g, x, y_shape, n: np.broadcast_to(np.sum(g * x**n), y_shape),
)
JVP = (
    lambda t, x, y, n: t * n * x ** (n - 1) * np.sum(y),
    lambda t, x, n: x**n * np.sum(t),
)


def samples(draw):
    return (draw.array((3,)), draw.array((2, 2))), {"n": draw.integer(1, 3)}


@pytest.mark.parametrize(
    "rules", [{"vjp": VJP}, {"jvp": JVP}, {"vjp": VJP, "jvp": JVP}], ids=lambda r: "+".join(r)
)
def test_one_rule_is_enough(rules):
    op = extend.primitive(**rules, samples=samples)(mixed)
    assert check_op(op, examples=10)
    assert check_grad(lambda x, y: op(x, y, n=3), X, np.ones((2, 2)), order=2)
    third = tg.grad(tg.grad(tg.grad(lambda x: op(x, 2.0, n=4))))
    assert third(0.5) == 2 * 24 * 0.5


@pytest.mark.parametrize("mode", ["vjp", "jvp"])
def test_any_number_of_arrays(mode):
    def total(*xs):
        return np.sum(np.stack(np.broadcast_arrays(*xs)), axis=0) ** 2

    op = extend.primitive(**{mode: lambda v, xs, argnum: 2 * v * sum(xs)})(total)
    assert check_op(op, examples=5)
    assert check_grad(lambda x: op(x, 3 * x, x), X, order=2)


def test_complex_numbers():
    op = extend.primitive(jvp=lambda t, ans: t * ans)(lambda x, /: np.exp(x))
    assert check_grad(op, X + 1j, order=2)


@pytest.mark.parametrize("mode", ["vjp", "jvp"])
def test_a_wrong_rule_is_found(mode):
    wrong = extend.primitive(**{mode: lambda v, x: v * x}, name="wrong")(lambda x, /: x**2)
    with pytest.raises(AssertionError, match="wrong"):
        check_op(wrong, examples=3)


def test_an_operation_may_be_declared_again_where_it_was():
    def declare():
        @extend.primitive(vjp=lambda g: g)
        def same(x, /):
            return x * 1

        return same

    declare()
    again = declare()
    assert REGISTRY["same"] is again


def test_names_are_unique():
    with pytest.raises(TensorgradError, match="name='sin'"):
        extend.primitive(vjp=lambda g: g, name="sin")(lambda x, /: x)


def test_an_operation_has_a_rule():
    with pytest.raises(UnsupportedError, match="Pass vjp= or jvp="):
        extend.primitive()(lambda x, /: x)


def test_unregistered_operations_still_work():
    op = extend.primitive(vjp=lambda g: 2 * g, name="twice")(lambda x, /: 2 * x)
    extend.unregister(op)
    assert "twice" not in REGISTRY
    assert tg.grad(op)(1.0) == 2
