"""The walks over a recorded graph: nesting, containers, accumulation, depth, memory, threads."""

import copy
import gc
import pickle
import threading
import weakref
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import tensorgrad as tg
from tensorgrad.engine.graph import ancestors
from tensorgrad.engine.node import Node
from tensorgrad.engine.primitive import REGISTRY
from tensorgrad.engine.tensor import take
from tensorgrad.testing.draw import RandomDraw
from tensorgrad.testing.laws import as_function

numbers = st.floats(-2.0, 2.0).map(lambda x: round(x, 3))
positive = st.floats(0.5, 2.0).map(lambda x: round(x, 3))


def derivative(f):
    """The derivative of a function of a number, in forward mode."""
    return lambda x: tg.jvp(f, (x,), (1.0,))[1]


def by_vjp(f):
    return lambda x: tg.vjp(f, x)[1](1.0)[0]


def by_backward(f):
    """The derivative by .backward(), recorded so that it nests."""

    def df(x):
        leaf = tg.tensor(0.0, requires_grad=True)
        y = f(x + leaf)
        leaf.grad = None  # a backward() inside f has reached this leaf as well
        y.backward(create_graph=True)
        return tg.tensor(0.0) if leaf.grad is None else leaf.grad

    return df


MODES = [tg.grad, derivative, by_vjp, by_backward]
modes = pytest.mark.parametrize("d", MODES, ids=lambda d: d.__name__)
others = pytest.mark.parametrize("e", MODES, ids=lambda d: d.__name__)


# ---- nesting -------------------------------------------------------------------------------------


@modes
@others
@given(x=positive)
def test_second_derivatives(d, e, x):
    assert_allclose(d(e(lambda x: x**3 * np.sin(x)))(x).item(), second(x), rtol=1e-9, atol=1e-9)


def second(x):
    return 6 * x * np.sin(x) + 6 * x**2 * np.cos(x) - x**3 * np.sin(x)


@modes
@others
@pytest.mark.parametrize("c", MODES, ids=lambda d: d.__name__)
def test_third_derivatives(c, d, e):
    assert_allclose(c(d(e(lambda x: x**4 + np.exp(2 * x))))(0.5).item(), 12 + 8 * np.exp(1.0))


@modes
@others
@given(x=numbers, y=numbers)
def test_perturbations_are_not_confused(d, e, x, y):
    # d/dx x d/dy (x + y) = 1, whatever the names and modes
    assert d(lambda x: x * e(lambda y: x + y)(y))(x).item() == 1.0
    # d/dx x d/dy (x y) = d/dx x^2
    assert d(lambda x: x * e(lambda y: x * y)(y))(x).item() == 2 * x
    # d/dy at y = x: d/dx (d/dy x y^2) = d/dx 2 x^2
    assert_allclose(d(lambda x: e(lambda y: x * y * y)(x))(x).item(), 4 * x)
    # the inner function does not use its variable
    assert d(lambda x: x * e(lambda _: x * x)(y))(x).item() == 0.0
    # the inner function returns a value older than its variable, next to one that is not
    assert_allclose(d(lambda x: e(lambda y: [z := x * x, z * y][1])(y))(x).item(), 2 * x)


@modes
@others
@given(x=numbers)
def test_three_levels_over_closures(d, e, x):
    # z -> x y z, differentiated by z, then by y where y = x, then by x
    def f(x):
        return e(lambda y: d(lambda z: x * y * y * z)(3.0))(x)  # 2 x y = 2 x^2

    assert_allclose(d(f)(x).item(), 4 * x)


@modes
@given(x=positive)
def test_the_inner_derivative_is_taken_of_the_outer_variable(d, x):
    # f(x) = g'(x) with g = sin, used as a number in a further expression
    assert_allclose(d(lambda x: np.exp(d(np.sin)(x)))(x).item(), -np.sin(x) * np.exp(np.cos(x)))


@given(x=numbers, v=numbers)
def test_forward_over_reverse_is_reverse_over_forward(x, v):
    def f(x):
        return np.sum(np.sin(x) * x[::-1] ** 2)

    at, direction = np.array([x, 0.5, -1.0]), np.array([v, 1.0, 2.0])
    forward_over_reverse = tg.jvp(tg.grad(f), (at,), (direction,))[1]
    reverse_over_forward = tg.grad(lambda x: tg.jvp(f, (x,), (direction,))[1])(at)
    reverse_over_reverse = tg.grad(lambda x: np.sum(tg.grad(f)(x) * direction))(at)
    assert_allclose(forward_over_reverse, reverse_over_forward, atol=1e-12)
    assert_allclose(forward_over_reverse, reverse_over_reverse, atol=1e-12)


def test_pulling_back_is_linear_and_differentiable_in_the_cotangent():
    _, pullback = tg.vjp(lambda x: np.sin(x) * x, np.array([0.5, 1.0]))
    g = np.array([2.0, -1.0])
    once = pullback(g)[0]
    assert_array_equal(pullback(2 * g)[0], 2 * once)  # called again, on the same graph
    # the derivative of pullback(g) . u by g is the tangent of the function along u
    u = np.array([3.0, 0.25])
    _, tangent = tg.jvp(lambda x: np.sin(x) * x, (np.array([0.5, 1.0]),), (u,))
    assert_allclose(tg.grad(lambda g: np.sum(pullback(g)[0] * u))(g), tangent)
    recorded = tg.tensor(g, requires_grad=True)
    (result,) = pullback(recorded)
    assert result.requires_grad
    np.sum(result * u).backward()
    assert_allclose(recorded.grad, tangent)


def test_a_jvp_is_differentiable_by_its_tangent():
    assert tg.grad(lambda t: tg.jvp(lambda x: x**3, (2.0,), (t,))[1])(5.0) == 12.0


def test_a_derivative_is_recorded_only_if_something_outside_is():
    w = tg.tensor(2.0, requires_grad=True)
    assert isinstance(tg.grad(lambda x: x**3)(3.0), np.generic | np.ndarray)
    closed_over = tg.grad(lambda x: w * x * x)(3.0)
    assert closed_over.requires_grad
    closed_over.backward()
    assert w.grad.item() == 6.0
    value, gradient = tg.value_and_grad(lambda x: x * np.sin(w))(3.0)
    assert value.requires_grad
    assert gradient.requires_grad
    # w does not influence this gradient
    assert not isinstance(tg.grad(lambda x: w + x)(3.0), tg.Tensor)


def test_the_variable_of_a_finished_transformation_is_nothing_to_differentiate_by():
    def f(x):
        value, gradient = tg.value_and_grad(lambda y: x * y**2)(2.0)
        return value + gradient

    value, gradient = tg.value_and_grad(f)(3.0)
    assert not isinstance(value, tg.Tensor)
    assert not isinstance(gradient, tg.Tensor)
    assert (value, gradient) == (24.0, 8.0)


def test_tensors_in_tensors_out():
    x = tg.tensor([1.0, 2.0])
    value, gradient = tg.value_and_grad(lambda x: np.sum(x * x))(x)
    assert isinstance(value, tg.Tensor)
    assert isinstance(gradient, tg.Tensor)
    value, pullback = tg.vjp(lambda x: [x * 2, np.ones(3), 4.0], x)
    assert [isinstance(y, tg.Tensor) for y in value] == [True, True, False]
    assert isinstance(pullback([np.ones(2), np.ones(3), 1.0])[0], tg.Tensor)
    zero = tg.grad(lambda x: 3.0)(x)
    assert isinstance(zero, tg.Tensor)
    assert isinstance(tg.jvp(lambda x: 3.0, (x,), (np.ones(2),))[1], tg.Tensor)
    # a Tensor as the seed alone
    assert isinstance(tg.vjp(lambda x: x * 2, np.ones(2))[1](x)[0], tg.Tensor)
    assert isinstance(tg.jvp(lambda x: x * 2, (np.ones(2),), (x,))[1], tg.Tensor)


def test_no_grad_outside_does_not_switch_off_what_is_asked_for_inside():
    w = tg.tensor(2.0, requires_grad=True)
    with tg.no_grad():
        assert tg.grad(lambda x: x**3)(2.0) == 12.0
        assert tg.jvp(lambda x: x**3, (2.0,), (1.0,))[1] == 12.0
        assert tg.grad(tg.grad(lambda x: x**3))(2.0) == 12.0
        # but nothing is recorded for w, which belongs outside
        value, gradient = tg.value_and_grad(lambda x: w * x**2)(3.0)
        assert not isinstance(value, tg.Tensor)
        assert (value, gradient) == (18.0, 12.0)
        gradient = tg.grad(lambda x: w * x**2)(w)
        assert not gradient.requires_grad
        assert gradient.item() == 8.0
    assert tg.grad(lambda x: w * x**2)(w).requires_grad


def test_no_grad_inside_makes_constants():
    def f(x):
        with tg.no_grad():
            c = x * x
        return c * x

    assert tg.grad(f)(3.0) == 9.0
    assert tg.jvp(f, (3.0,), (1.0,))[1] == 9.0


@modes
def test_stop_gradient_and_detach(d):
    assert d(lambda x: x * tg.stop_gradient(x))(3.0).item() == 3.0
    assert d(lambda x: x * x.detach())(3.0).item() == 3.0
    assert d(lambda x: x * tg.stop_gradient({"a": [x]})["a"][0])(3.0).item() == 3.0


def test_backward_inside_a_transformation_adds_to_leaves_only():
    w = tg.tensor(2.0, requires_grad=True)

    def f(x):
        (w * x * x).backward(create_graph=True)
        return w.grad * x  # x^3

    assert tg.grad(f)(3.0).item() == 27.0
    assert w.grad.item() == 9.0


# ---- what functions return -----------------------------------------------------------------------


def test_the_argument_itself():
    x = np.array([1.0, 2.0])
    value, pullback = tg.vjp(lambda x: x, x)
    assert_array_equal(value, x)
    assert_array_equal(pullback([3.0, 4.0] * np.ones(2))[0], [3.0, 4.0])
    assert tg.grad(lambda x: x)(5.0) == 1.0
    assert tg.jvp(lambda x: x, (5.0,), (7.0,))[1] == 7.0
    w = tg.tensor(5.0, requires_grad=True)
    value, gradient = tg.value_and_grad(lambda x: x)(w)
    assert (value.item(), gradient.item()) == (5.0, 1.0)
    value.backward()
    assert w.grad.item() == 1.0


@pytest.mark.parametrize(
    "constant", [3.0, 3, np.float64(3.0), np.array(3), np.array(3.0), tg.tensor(3.0), True]
)
def test_a_constant_has_derivative_zero(constant):
    value, gradient = tg.value_and_grad(lambda x: constant)(np.ones(2))
    assert float(value) == float(constant)
    assert not isinstance(value, tg.Tensor)
    assert_array_equal(gradient, np.zeros(2))
    assert tg.jvp(lambda x: constant, (np.ones(2),), (np.ones(2),))[1] == 0
    assert_array_equal(tg.vjp(lambda x: constant, np.ones(2))[1](1.0)[0], np.zeros(2))


def test_an_older_tensor_has_derivative_zero():
    w = tg.tensor(3.0, requires_grad=True)
    y = w * w
    value, gradient = tg.value_and_grad(lambda x: y)(2.0)
    assert value.requires_grad
    assert gradient == 0.0
    assert tg.jvp(lambda x: y, (2.0,), (1.0,))[1] == 0.0
    assert tg.grad(lambda x: tg.grad(lambda y: x * x)(2.0))(3.0) == 0.0


def test_results_without_leaves_and_arguments_without_leaves():
    assert tg.vjp(lambda x: None, 1.0)[0] is None
    assert tg.vjp(lambda x: None, 1.0)[1](None) == (0.0,)
    assert tg.jvp(lambda x: (), (1.0,), (1.0,)) == ((), ())
    assert tg.grad(lambda x: 2.0)(()) == ()
    assert tg.grad(lambda x, y: y * y, (0, 1))(None, 3.0) == (None, 6.0)
    w = tg.tensor(3.0, requires_grad=True)
    assert tg.value_and_grad(lambda x: w * w)({})[0].requires_grad


def test_unused_arguments_get_zeros_of_their_own_shape_and_dtype():
    x, y = np.ones(2, np.float32), np.ones((2, 3))
    gx, gy = tg.grad(lambda x, y: np.sum(y), (0, 1))(x, y)
    assert_array_equal(gx, np.zeros(2))
    assert gx.dtype == np.float32
    assert_array_equal(gy, np.ones((2, 3)))


def test_has_aux():
    def f(x):
        y = x * x
        return np.sum(y), {"y": y, "argmax": np.argmax(x), "note": "as is", "nothing": None}

    x = np.array([1.0, 3.0, 2.0])
    gradient, own_aux = tg.grad(f, has_aux=True)(x)
    (value, same_aux), same_gradient = tg.value_and_grad(f, has_aux=True)(x)
    pulled_value, pullback, pulled_aux = tg.vjp(f, x, has_aux=True)
    assert value == pulled_value == 14.0
    for g, aux in (
        (gradient, own_aux),
        (same_gradient, same_aux),
        (pullback(1.0)[0], pulled_aux),
    ):
        assert_array_equal(g, 2 * x)
        assert type(aux["y"]) is np.ndarray
        assert_array_equal(aux["y"], x * x)
        assert not isinstance(aux["argmax"], tg.Tensor)
        assert aux["note"] == "as is"
        assert aux["nothing"] is None
    value, tangent, aux = tg.jvp(f, (x,), (np.ones(3),), has_aux=True)
    assert (value, tangent) == (14.0, 12.0)
    assert type(aux["y"]) is np.ndarray


def test_aux_is_recorded_if_it_depends_on_something_outside():
    def outer(x):
        _, aux = tg.grad(lambda y: (x * y, (x * x * y, y * y)), has_aux=True)(2.0)
        assert not isinstance(aux[1], tg.Tensor)
        return aux[0]

    assert tg.grad(outer)(3.0) == 12.0


# ---- containers ----------------------------------------------------------------------------------


@dataclass
class Layer:
    weight: Any
    bias: Any = None
    units: int = 3
    activation: str = "tanh"
    nested: Any = field(default_factory=list)


@dataclass(frozen=True)
class Frozen:
    a: Any
    name: str


@dataclass(slots=True)
class Slotted:
    a: Any
    k: int = 1


class Pair(NamedTuple):
    left: Any
    right: Any


def leaf_sum_of_squares(tree):
    if isinstance(tree, dict):
        return sum(leaf_sum_of_squares(v) for v in tree.values())
    if isinstance(tree, list | tuple):
        return sum(leaf_sum_of_squares(v) for v in tree)
    if isinstance(tree, Layer):
        return leaf_sum_of_squares([tree.weight, tree.bias, tree.nested])
    if isinstance(tree, Frozen | Slotted):
        return leaf_sum_of_squares(tree.a)
    return 0.0 if tree is None else np.sum(tree * tree)


a, b, c = np.array([1.0, 2.0]), np.array([[3.0]]), np.array(4.0)


@pytest.mark.parametrize(
    ("tree", "doubled"),
    [
        ((a, b), (2 * a, 2 * b)),
        ([a, (b,), []], [2 * a, (2 * b,), []]),
        ({"w": a, "b": {"c": b}}, {"w": 2 * a, "b": {"c": 2 * b}}),
        ({"w": None, "v": (None, a)}, {"w": None, "v": (None, 2 * a)}),
        (Pair(a, [b]), Pair(2 * a, [2 * b])),
        (Layer(a, b), Layer(2 * a, 2 * b)),
        (
            Layer(a, None, 7, "relu", [b, {"c": c}]),
            Layer(2 * a, None, 7, "relu", [2 * b, {"c": 2 * c}]),
        ),
        (Frozen(a, "x"), Frozen(2 * a, "x")),
        (
            {"layers": [Frozen(Layer(a), "y"), Slotted(b, 5)]},
            {"layers": [Frozen(Layer(2 * a), "y"), Slotted(2 * b, 5)]},
        ),
    ],
    ids=["tuple", "list", "dict", "None", "namedtuple", "dataclass", "static", "frozen", "nested"],
)
def test_containers(tree, doubled):
    gradient = tg.grad(leaf_sum_of_squares)(tree)
    assert repr(gradient) == repr(doubled)
    # the gradient is a container of the same structure, and so fits as a tangent
    assert tg.jvp(leaf_sum_of_squares, (tree,), (gradient,))[1] == leaf_sum_of_squares(gradient)
    # and the containers come out as well as they go in
    value, pullback = tg.vjp(lambda t: t, tree)
    assert repr(value) == repr(tree)
    assert repr(pullback(gradient)[0]) == repr(gradient)
    # d/dx |2x|^2 = 8x, so the gradient of the squared gradient is four times the gradient
    again = tg.grad(lambda t: leaf_sum_of_squares(tg.grad(leaf_sum_of_squares)(t)))(tree)
    assert leaf_sum_of_squares(again) == 16 * leaf_sum_of_squares(gradient)


def test_static_fields_reach_the_function_as_they_are():
    def f(layer):
        assert (layer.units, layer.activation) == (7, "relu")
        return np.sum(layer.weight) * layer.units

    assert_array_equal(tg.grad(f)(Layer(a, None, 7, "relu")).weight, [7.0, 7.0])


def test_argnums():
    def f(x, y, z):
        return x * y**2 * z**3

    assert tg.grad(f)(2.0, 3.0, 1.0) == 9.0
    assert tg.grad(f, 1)(2.0, 3.0, 1.0) == 12.0
    assert tg.grad(f, -1)(2.0, 3.0, 1.0) == 54.0
    assert tg.grad(f, (2, 0))(2.0, 3.0, 1.0) == (54.0, 9.0)
    assert tg.grad(f, [-2])(2.0, 3.0, 1.0) == (12.0,)
    assert tg.grad(f)(2.0, y=3.0, z=1.0) == 9.0


# ---- one graph -----------------------------------------------------------------------------------


def leaf(value=3.0):
    return tg.tensor(value, requires_grad=True)


def test_fan_out_and_diamonds():
    x = leaf()
    y = x * x  # the same tensor twice
    (y + y).backward()
    assert x.grad.item() == 12.0
    x = leaf()
    left, right = np.sin(x), np.cos(x)
    (left * right + left).backward()
    assert_allclose(x.grad.item(), np.cos(6.0) + np.cos(3.0))
    x = leaf()
    y = x
    for _ in range(50):
        y = y + y  # 2^50 paths
    y.backward()
    assert x.grad.item() == 2.0**50


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_every_linear_graph_counts_its_paths(edges):
    # node k is the sum of two earlier nodes; integers, so the answer is exact in any order
    counts, nodes = [np.ones(2)], [leaf(np.ones(2))]
    for i, j in edges:
        left, right = i % len(nodes), j % len(nodes)
        nodes.append(nodes[left] + nodes[right])
        counts.append(counts[left] + counts[right])
    g = np.array([1.0, 3.0])
    nodes[-1].backward(g)
    assert_array_equal(nodes[0].grad.numpy(), counts[-1] * g)


def test_accumulation_does_not_write_into_a_shared_cotangent():
    # add hands the same array to both sides; one side then receives more
    x, y, seed = leaf(np.zeros(2)), leaf(np.zeros(2)), np.ones(2)
    z = x + y
    (x + (x + (x + z))).backward(seed)
    assert_array_equal(x.grad, [4.0, 4.0])
    assert_array_equal(y.grad, [1.0, 1.0])
    assert_array_equal(seed, [1.0, 1.0])


@pytest.mark.parametrize("name", sorted(n for n, o in REGISTRY.items() if o.differentiable))
def test_nobody_else_has_the_memory_of_a_gradient(name):
    operation = REGISTRY[name]
    args, params = operation.samples(RandomDraw(0, ["f8"]))
    with np.errstate(all="ignore"):
        f, xs = as_function(operation, operation, args, params)
        leaves = [tg.tensor(x, requires_grad=True) for x in xs]
        ys = [y for y in f(*leaves) if y.requires_grad]
        seeds = [np.ones(y.shape, y.dtype) for y in ys]
        for y, seed in zip(ys, seeds, strict=True):
            y.backward(seed, retain_graph=True)
    others = [*xs, *seeds, *(t.numpy() for t in (*leaves, *ys))]
    for y in ys:
        for node in ancestors([y._node]):
            others += [a for a in node.saved or () if type(a) is np.ndarray]
    gradients = [leaf.grad.numpy() for leaf in leaves if leaf.grad is not None]
    for i, gradient in enumerate(gradients):
        assert not any(np.shares_memory(gradient, a) for a in (*others, *gradients[:i]))


def test_an_array_is_handed_over_only_if_nobody_else_has_its_memory():
    held = []

    def hold(x):
        held.append(x)
        return x

    def taken(make):
        arrays = {"x": make()}
        address, want = arrays["x"].ctypes.data, arrays["x"].copy()
        x = take(arrays, "x")
        assert not arrays
        assert_array_equal(x, want)
        return x.ctypes.data == address and x.flags.writeable

    assert taken(lambda: np.ones((2, 3)))
    assert taken(lambda: np.ones((2, 3)).T)
    assert taken(lambda: np.ones((2, 3)).T.reshape(3, 1, 2))
    assert not taken(lambda: np.ones((2, 3))[::-1])  # plain memory is what others expect
    assert not taken(lambda: hold(np.ones((2, 3))))
    assert not taken(lambda: hold(np.ones((2, 3))).T)
    assert not taken(lambda: hold(np.ones((2, 3)).T))
    assert not taken(lambda: hold(np.ones((2, 3))[:1].T).base.T)
    assert not taken(lambda: np.ones((2, 3))[:1])
    assert not taken(lambda: np.broadcast_to(1.0, (2, 3)))
    assert not taken(lambda: np.frombuffer(bytearray(hold(bytearray(16)))))
    assert not taken(lambda: np.frombuffer(hold(bytearray(16))))


def test_the_same_result_twice_receives_both_cotangents():
    def f(x):
        y = np.sin(x)
        return y, [y, x, x], y

    value, pullback = tg.vjp(f, 0.5)
    assert_allclose(pullback((1.0, [2.0, 10.0, 20.0], 4.0))[0], 7 * np.cos(0.5) + 30)
    _, tangent = tg.jvp(f, (0.5,), (2.0,))
    assert_allclose([tangent[0], *tangent[1]], [2 * np.cos(0.5), 2 * np.cos(0.5), 2.0, 2.0])
    assert value[1][1] == 0.5


def test_losses_on_one_graph():
    x = leaf()
    y = np.exp(x)
    first, second = y * 2, y * x
    first.backward(retain_graph=True)
    assert_allclose(x.grad.item(), 2 * np.exp(3.0))
    second.backward()
    assert_allclose(x.grad.item(), 6 * np.exp(3.0))
    with pytest.raises(tg.errors.GraphError, match="retain_graph=True"):
        first.backward()


def test_grad_adds_up_and_starts_over():
    x = leaf([1.0, 2.0])
    np.sum(x * x).backward()
    before = x.grad
    np.sum(3 * x).backward()
    assert_array_equal(x.grad, [5.0, 7.0])
    assert_array_equal(before, [2.0, 4.0])  # what was handed out stays
    x.grad = None
    np.sum(x).backward()
    assert_array_equal(x.grad, [1.0, 1.0])
    x.grad = np.zeros(2)
    np.sum(x).backward()
    assert_array_equal(x.grad, [1.0, 1.0])


def test_double_backward_through_grad():
    x = leaf()
    (x**3).backward(create_graph=True)
    first = x.grad
    assert first.item() == 27.0
    x.grad = None
    first.backward(create_graph=True)
    assert x.grad.item() == 18.0
    second = x.grad
    x.grad = None
    second.backward()
    assert x.grad.item() == 6.0


def test_a_recorded_seed_is_recorded_only_with_create_graph():
    x, seed = leaf(), leaf(2.0)
    (x * x).backward(seed)
    assert not x.grad.requires_grad
    x.grad = None
    (x * x).backward(seed, create_graph=True)
    x.grad.backward()
    assert seed.grad.item() == 6.0


def test_a_leaf_is_its_own_graph():
    x = leaf([1.0, 2.0])
    seed = np.array([5.0, 6.0])
    x.backward(seed)
    seed[:] = 0
    assert_array_equal(x.grad, [5.0, 6.0])


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_copies_and_pickles_are_leaves_of_their_own(duplicate):
    x = leaf([1.0, 2.0])
    np.sum(x * x).backward()
    twin = duplicate(x)
    assert_array_equal(twin.numpy(), x.numpy())
    assert_array_equal(twin.grad.numpy(), [2.0, 4.0])
    np.sum(3 * twin).backward()
    assert_array_equal(twin.grad.numpy(), [5.0, 7.0])
    assert_array_equal(x.grad.numpy(), [2.0, 4.0])
    assert twin._node.index > x._node.index  # creation order, also in another process
    assert not duplicate(tg.tensor(1.0)).requires_grad
    with pytest.raises(tg.errors.UnsupportedError, match=r"^copy or pickle: .*x\.detach\(\)"):
        duplicate(x * 2)
    with pytest.raises(tg.errors.UnsupportedError, match="copy or pickle"):
        tg.grad(duplicate)(1.0)


def test_constants_have_no_gradient():
    x, c = leaf(), tg.tensor(2.0)
    (x * c).backward()
    assert c.grad is None
    assert not (c * c).requires_grad
    assert (x * c).grad is None


def test_sums_come_out_the_same_every_time():
    values = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)

    def run():
        x = leaf(values[0])
        parts = [np.sin(x * v) for v in values]
        total = parts[0]
        for part in parts[1:]:
            total = total + part * x
        np.sum(total).backward()
        return x.grad.numpy().tobytes()

    assert len({run() for _ in range(10)}) == 1


# ---- depth ---------------------------------------------------------------------------------------

DEEP = 200_000


def test_a_deep_chain_backward_and_its_end():
    x = leaf()
    y = x
    for _ in range(DEEP):
        y = y + 1.0
    y.backward(retain_graph=True)
    assert x.grad.item() == 1.0
    y.backward(create_graph=True)
    assert x.grad.item() == 2.0
    del y
    gc.collect()


def test_a_deep_chain_forward():
    def f(x):
        for _ in range(DEEP // 4):
            x = -x
        return x

    assert tg.jvp(f, (1.0,), (5.0,))[1] == 5.0


def test_a_deep_chain_of_gradients():
    def f(x):
        y = x
        for _ in range(2000):
            y = y * 1.0
        return y * y

    assert tg.grad(tg.grad(f))(3.0) == 2.0


# ---- memory --------------------------------------------------------------------------------------


def kept(y: tg.Tensor) -> list[Any]:
    return [value for value in y._node.saved if isinstance(value, np.ndarray | np.generic)]


def test_only_what_rules_name_is_saved():
    x, y, c = leaf(np.ones(3)), leaf(np.ones(3)), tg.tensor(np.ones(3))
    assert kept(x + y) == []
    assert kept(x - y) == []
    assert kept(-x) == []
    assert kept(x.sum()) == []
    assert kept(x.reshape(3, 1)) == []
    (saved,) = kept(np.sin(x))
    assert saved is x._value
    z = np.exp(x)
    (saved,) = kept(z)
    assert saved is z._value
    left, right = kept(x * y)
    assert {id(left), id(right)} == {id(x._value), id(y._value)}
    (saved,) = kept(x * c)  # the derivative by c is not asked for, so x is not kept
    assert saved is c._value
    assert kept(np.concatenate([x, y])) == []
    assert kept(x[::2]) == []


def test_an_intermediate_value_nobody_needs_dies_at_once():
    x = leaf(np.ones(3))
    y = x + 1.0
    value = weakref.ref(y._value)
    z = y + 1.0
    del y
    assert value() is None
    assert z.requires_grad


@pytest.fixture
def no_gc():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_gc")
def test_a_graph_has_no_reference_cycles():
    x = leaf(np.ones(3))
    y = np.sin(x) * x
    y[0] = 2.0
    z = np.sum(np.exp(y))
    nodes = [weakref.ref(t._node) for t in (y, z)]
    z.backward()
    del y, z
    assert [node() for node in nodes] == [None, None]


@pytest.mark.usefixtures("no_gc")
def test_transformations_leave_nothing_behind():
    seen = []

    def f(x):
        y = np.sin(x)
        seen.append(weakref.ref(y._node))
        return np.sum(y * y)

    tg.grad(f)(np.ones(3))
    tg.jvp(f, (np.ones(3),), (np.ones(3),))
    tg.vjp(f, np.ones(3))[1](1.0)
    tg.grad(lambda x: np.sum(tg.grad(f)(x)))(np.ones(3))
    assert [node() for node in seen] == [None] * 4


def test_saved_values_are_freed_by_backward():
    x = leaf(np.ones(3))
    y = np.exp(x)
    value = weakref.ref(y._value)
    z = np.sum(y)
    del y
    assert value() is not None  # the rule of exp asks for it
    z.backward()
    assert value() is None
    with pytest.raises(tg.errors.GraphError, match=r"op='\w+'.*freed.*retain_graph=True"):
        z.backward()
    assert_allclose(x.grad, np.exp(np.ones(3)))  # the failed call has added nothing


def test_a_freed_graph_is_refused_by_every_walk():
    def f(x):
        y = np.exp(x)
        y.backward()
        return y

    for d in (tg.grad, derivative):
        with pytest.raises(tg.errors.GraphError, match="freed"):
            d(f)(1.0)
    x = leaf()
    y = np.exp(x)
    y.backward()
    with pytest.raises(tg.errors.GraphError, match="freed"):
        (y * x).backward(create_graph=True)


def test_nodes_do_not_change():
    x = leaf(np.ones(3))
    y = np.sin(x)
    node = y._node
    record = [getattr(node, name) for name in Node.__slots__ if name != "__weakref__"]
    y[0] = 1.0
    np.sum(y * y).backward(retain_graph=True)
    assert y._node is not node
    assert all(
        getattr(node, name) is before
        for name, before in zip(
            (n for n in Node.__slots__ if n != "__weakref__"), record, strict=True
        )
    )


# ---- threads -------------------------------------------------------------------------------------


def in_threads(*functions):
    """Run functions at the same time, and raise what they raise."""
    errors = []

    def guarded(function):
        try:
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_no_grad_is_of_one_thread():
    inside, done = threading.Event(), threading.Event()
    x = leaf()

    def without():
        with tg.no_grad():
            inside.set()
            done.wait(10)
            assert not (x * x).requires_grad

    def recording():
        inside.wait(10)
        try:
            assert (x * x).requires_grad
        finally:
            done.set()

    in_threads(without, recording)
    assert (x * x).requires_grad


def test_a_function_decorated_with_no_grad_runs_in_many_threads():
    first, second = threading.Event(), threading.Event()
    x = leaf()

    @tg.no_grad()
    def f(mine, other):
        mine.set()
        other.wait(10)
        assert not (x * x).requires_grad

    def run(mine, other):
        f(mine, other)
        assert (x * x).requires_grad

    in_threads(lambda: run(first, second), lambda: run(second, first))


def test_no_grad_nests_and_survives_errors():
    x = leaf()
    with tg.no_grad():
        with tg.no_grad():
            pass
        assert not (x * x).requires_grad
    with pytest.raises(KeyError), tg.no_grad():
        raise KeyError
    assert (x * x).requires_grad


def test_graphs_recorded_in_two_threads():
    shared = leaf(np.arange(4.0))
    together = threading.Barrier(2)

    def work(scale):
        def run():
            together.wait(10)
            for _ in range(50):
                gradient = tg.grad(lambda w: np.sum(np.sin(w * scale) * shared))(np.ones(4))
                assert_allclose(gradient.numpy(), scale * np.cos(scale) * np.arange(4.0))

        return run

    in_threads(work(1.0), work(2.0))
