"""Primitives of several results."""

import gc
import weakref

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad.engine.declare import several
from tensorgrad.errors import GraphError
from tensorgrad.testing import check_grad, check_op, check_vjp
from tensorgrad.testing.mutants import unlisted


@pytest.fixture
def powers():
    """(x y, x**3), with rules that ask for an argument, for results, and for nothing."""

    def function(x, y, /):
        return np.multiply(x, y), np.power(x, 3)

    with unlisted():
        yield several(
            function,
            (lambda g, ans, x, y: g[0] * y + 3 * g[1] * x**2, lambda g, x: g[0] * x),
            (lambda t, x, y: (t * y, 3 * t * x**2), lambda t, x: (t * x, 0 * t)),
            outputs=("product", "cube"),
            name="powers",
            samples=lambda draw: ((draw.array((2, 3)), draw.array((2, 3))), {}),
        )


X = np.array([1.5, -2.0])


def test_laws(powers):
    assert check_op(powers, examples=10)
    assert check_vjp(powers, X, X + 1)


@pytest.mark.parametrize(
    "f",
    [
        lambda op, x: op(x, 2.0)[0],
        lambda op, x: op(3.0, x)[0],
        lambda op, x: op(x, x)[1],
        lambda op, x: op(*op(x, x))[0] * op(x, 1.0)[1],
    ],
    ids=["first", "by the second argument", "second", "chained"],
)
def test_each_result_by_itself_and_together(powers, f):
    assert check_grad(lambda x: f(powers, x), X, order=2)


def test_wrong_rule_of_one_result_is_found():
    with unlisted():
        wrong = several(
            lambda x, /: (x, x**2),
            lambda g, x: g[0] + g[1] * x,
            lambda t, x: (t, 2 * t * x),
            outputs=("same", "square"),
            name="wrong",
            samples=lambda draw: ((draw.array((3,)),), {}),
        )
        with pytest.raises(AssertionError, match="wrong"):
            check_op(wrong, examples=5)
        with pytest.raises(AssertionError, match="gradient by x"):
            check_vjp(wrong, X)


def test_third_order(powers):
    def f(x):
        product, cube = powers(x, x)  # x**2, x**3
        return product * cube

    assert tg.grad(tg.grad(tg.grad(f)))(2.0) == 60 * 2.0**2


def test_without_tensors_results_are_arrays(powers):
    assert all(type(y) is np.ndarray for y in powers(X, X))
    assert all(type(y) is tg.Tensor and not y.requires_grad for y in powers(tg.tensor(X), X))
    with tg.no_grad():
        x = tg.tensor(X, requires_grad=True)
        assert not powers(x, X)[0].requires_grad


def test_what_was_freed_is_said_to_be(powers):
    x = tg.tensor(2.0, requires_grad=True)
    product, cube = powers(x, x)
    product.backward(retain_graph=True)
    cube.backward()
    assert x.grad == 4 + 12
    with pytest.raises(GraphError, match="retain_graph"):
        product.backward()


def test_listing_and_drawing(powers):
    x = tg.tensor(X, requires_grad=True)
    product, cube = powers(x, 2.0)
    graph = tg.graph(product * cube, x=x)
    assert str(graph).splitlines()[1:4] == [
        "t1: (float64[2], float64[2]) = powers(x, 2.0)  # saves 56 B",
        "t2: float64[2]               = powers.product(t1)",
        "t3: float64[2]               = powers.cube(t1)",
    ]
    assert graph.nodes[1].nbytes == 4 * 8
    assert "powers.cube" in graph.to_dot()


def test_nothing_is_kept_alive_in_a_cycle(powers):
    gc.disable()
    try:
        x = tg.tensor(X, requires_grad=True)
        product, cube = powers(x, x)
        seen = [weakref.ref(y._node) for y in (product, cube)]
        del product, cube
        assert [ref() for ref in seen] == [None, None]
    finally:
        gc.enable()
