"""checkpoint: the same derivatives, with less kept."""

import gc
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_array_equal

import tensorgrad as tg
from tensorgrad.engine.graph import ancestors
from tensorgrad.errors import GraphError, UnsupportedError
from tensorgrad.testing import check_grad

X = np.array([0.3, -0.4, 1.2])


def block(x, y):
    return np.sin(x) * np.exp(y) * x


def test_both_modes_and_second_order():
    checkpointed = tg.checkpoint(block)
    assert check_grad(lambda x, y: checkpointed(x, y) ** 2, X, X + 1, order=2)
    assert check_grad(lambda x: checkpointed(x, x) + checkpointed(1.0, x), X + 1j, order=2)


@given(st.integers(1, 4))
def test_derivatives_are_the_same_to_any_order(order):
    plain = f = lambda x: x**5 * np.sin(x)
    smart = tg.checkpoint(f)
    for _ in range(order):
        plain, smart = tg.grad(plain), tg.grad(smart)
    assert plain(0.7) == smart(0.7)


def test_tensors_that_are_no_arguments_are_differentiated_by():
    w = tg.tensor(X, requires_grad=True)
    once = tg.checkpoint(lambda x: np.sin(x) * w)
    once(w * 2).sum().backward()
    kept, w.grad = w.grad, None
    (np.sin(w * 2) * w).sum().backward()
    assert_array_equal(kept.numpy(), w.grad.numpy())
    assert check_grad(lambda x: tg.checkpoint(lambda y: y * np.sin(x) * y)(x**2), X, order=2)


def test_without_arguments():
    w = tg.tensor(3.0, requires_grad=True)
    tg.checkpoint(lambda: w * w)().backward()
    assert w.grad == 6.0


def test_containers_constants_and_results_that_are_arguments():
    w = tg.tensor(2.0, requires_grad=True)

    def f(x, *, n):
        return {"x": x["a"], "sum": (x["a"] * n, w, "text", 3)}

    x = tg.tensor(X, requires_grad=True)
    y = tg.checkpoint(f)({"a": x}, n=5)
    assert y["x"] is x
    assert y["sum"][1] is w
    assert y["sum"][2:] == ("text", 3)
    y["sum"][0].sum().backward()
    assert_array_equal(x.grad.numpy(), 5.0)


def test_nothing_recorded_nothing_changed():
    y = tg.checkpoint(block)(X, X)
    assert type(y) is np.ndarray
    assert not tg.checkpoint(block)(tg.tensor(X), X).requires_grad
    with tg.no_grad():
        x = tg.tensor(X, requires_grad=True)
        assert not tg.checkpoint(block)(x, x).requires_grad


def test_what_is_inside_is_not_in_the_graph():
    x = tg.tensor(X, requires_grad=True)

    def deep(x):
        for _ in range(50):
            x = np.sin(x)
        return x

    assert len(ancestors([tg.checkpoint(deep)(x)._node])) == 4  # x, pack, deep, its result


def test_memory_is_that_of_one_segment():
    def segment(x):
        for _ in range(10):
            x = np.sin(x)
        return x

    def peak(segment):
        def f(x):
            for _ in range(10):
                x = segment(x)
            return np.sum(x)

        gc.collect()
        tracemalloc.start()
        tg.grad(f)(np.ones(100_000))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most / 800_000

    assert peak(segment) > 100
    assert peak(tg.checkpoint(segment)) < 45


def test_a_function_that_changes_is_refused():
    rng = np.random.default_rng(0)
    x = tg.tensor(X, requires_grad=True)
    y = tg.checkpoint(lambda x: x * rng.normal(size=3))(x)
    with pytest.raises(GraphError, match="other values"):
        y.sum().backward()
    w = tg.tensor(X, requires_grad=True)
    v = w * 1
    y = tg.checkpoint(lambda x: x * v)(x)
    v[0] = 7.0
    with pytest.raises(GraphError, match="other values"):
        y.sum().backward()
    mask = np.ones(3)
    y = tg.checkpoint(lambda x: x * mask)(x)
    mask[:] = 2
    with pytest.raises(GraphError, match="other values"):
        y.sum().backward()


def test_writing_to_an_argument_is_refused():
    def f(x):
        x[0] = x[1]
        return np.sum(x)

    x = tg.tensor(X, requires_grad=True)
    with pytest.raises(UnsupportedError, match="must not write to its arguments"):
        tg.checkpoint(f)(x * 1)


def test_a_wrong_derivative_inside_is_found():
    with pytest.raises(AssertionError):
        check_grad(tg.checkpoint(lambda x: x * tg.stop_gradient(x)), X)
