"""custom_vjp and custom_jvp."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tensorgrad as tg
from tensorgrad.errors import GraphError, ShapeError, UnsupportedError
from tensorgrad.testing import check_grad

X = np.array([0.3, -0.4, 1.2])


def product_by_vjp():
    @tg.custom_vjp
    def product(x, y):
        return x * y

    product.defvjp(
        lambda x, y: (x * y, (x, y)),
        lambda saved, g: (g * np.conj(saved[1]), g * np.conj(saved[0])),
    )
    return product


def product_by_jvp():
    @tg.custom_jvp
    def product(x, y):
        return x * y

    product.defjvp(lambda xs, ts: (xs[0] * xs[1], ts[0] * xs[1] + xs[0] * ts[1]))
    return product


products = pytest.mark.parametrize("make", [product_by_vjp, product_by_jvp])


@products
@pytest.mark.parametrize("other", [X + 1, X + 1j, np.float32(2), 3.0], ids=str)
def test_both_modes_and_second_order(make, other):
    product = make()
    assert check_grad(lambda x: product(x, other), X, order=2)
    assert check_grad(lambda y: product(other, y) * y, X, order=2)
    assert check_grad(lambda x: product(x, product(x, other)), X + 2j, order=2)


@products
def test_third_order(make):
    product = make()
    third = tg.grad(tg.grad(tg.grad(lambda x: product(product(x, x), product(x, x)))))
    assert_allclose(third(2.0), 48.0, rtol=1e-14)


@products
def test_backward_fills_leaves(make):
    x = tg.tensor(X, requires_grad=True)
    make()(x, x * 2).sum().backward()
    assert_allclose(x.grad.numpy(), 4 * X)


@products
def test_the_rule_is_used_in_place_of_the_derivative(make):
    product = make()
    product.f = lambda x, y: (x * y).detach()  # no derivative of its own
    assert_allclose(tg.grad(product)(2.0, 3.0), 3.0)


def test_value_of_foreign_code():
    @tg.custom_vjp
    def total(x):
        return float(sum(x.numpy()))

    total.defvjp(lambda x: (total.f(x), x.shape), lambda shape, g: (np.broadcast_to(g, shape),))
    assert_allclose(tg.grad(lambda x: total(x) ** 2)(X), 2 * X.sum())


@dataclass
class Pair:
    x: object
    y: object


def test_containers_and_arguments_that_are_no_arrays():
    @tg.custom_vjp
    def scaled(pair, n, mode):
        return {"product": pair.x * pair.y * n, "n": n}

    scaled.defvjp(
        lambda pair, n, mode: (scaled.f(pair, n, mode), (pair, n)),
        lambda saved, g: (
            Pair(g["product"] * saved[0].y * saved[1], g["product"] * saved[0].x * saved[1]),
            None,
            None,
        ),
    )
    assert check_grad(lambda x, y: scaled(Pair(x, y), 3, "fast")["product"], X, X + 1, order=2)
    assert scaled(Pair(tg.tensor(1.0, requires_grad=True), 2.0), 3, "fast")["n"] == 3


def test_a_wrong_rule_is_found():
    wrong = tg.custom_vjp(lambda x: x**2)
    wrong.defvjp(lambda x: (x**2, x), lambda x, g: (g * x,))
    with pytest.raises(AssertionError, match="divided by 2"):
        check_grad(wrong, X)


def test_several_results():
    @tg.custom_jvp
    def both(x):
        return np.sin(x), np.cos(x)

    both.defjvp(lambda xs, ts: (both.f(*xs), (np.cos(xs[0]) * ts[0], -np.sin(xs[0]) * ts[0])))
    assert check_grad(lambda x: both(x)[0] * both(x)[1] ** 2, X, order=2)
    assert check_grad(lambda x: both(x)[1], X, order=2)


@products
def test_a_tensor_that_is_no_argument_is_refused(make):
    product = make()
    w = tg.tensor(2.0, requires_grad=True)
    product.f = lambda x, y: x * w
    product.defvjp(lambda x, y: (x * w, x), None) if make is product_by_vjp else None
    for x in (3.0, tg.tensor(3.0, requires_grad=True)):
        with pytest.raises(UnsupportedError, match="Pass it as an argument"):
            product(x, 1.0)


@pytest.mark.parametrize(
    ("bwd", "message"),
    [
        (lambda saved, g: (g,), "arguments=2"),
        (lambda saved, g: g, "for every argument"),
        (lambda saved, g: (g, np.sum(g)), r"shape=\(\). *expected|expected=\(3,\)"),
        (lambda saved, g: (g, [g]), "has its structure"),
    ],
)
def test_wrong_gradients_are_refused(bwd, message):
    product = product_by_vjp()
    product.defvjp(lambda x, y: (x * y, None), bwd)
    _, pullback = tg.vjp(product, X, X)
    with pytest.raises(ShapeError, match=message):
        pullback(X)


def test_what_is_missing_is_named():
    x = tg.tensor(1.0, requires_grad=True)
    for custom, call in ((tg.custom_vjp, "defvjp"), (tg.custom_jvp, "defjvp")):
        with pytest.raises(GraphError, match=call):
            custom(np.sin)(x)
    product = product_by_vjp()
    product.defvjp(lambda x, y: x * y, None)
    with pytest.raises(UnsupportedError, match="pair"):
        product(x, x)
