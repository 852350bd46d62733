"""Numerical derivatives: right to within the error that they state, and that error is small."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tensorgrad as tg
from tensorgrad.errors import ShapeError, UnsupportedError
from tensorgrad.testing import numerical_jacobian, numerical_jvp, numerical_vjp
from tensorgrad.testing.numerics.slopes import slope
from tensorgrad.testing.numerics.subject import Subject

# name: function, its derivative, where; and the relative error that differences may have there
STEEP = {
    "sin": (np.sin, np.cos, 1.0, 1e-11),
    "exp": (np.exp, np.exp, 5.0, 1e-11),
    "log near its pole": (np.log, np.reciprocal, 1e-3, 1e-10),
    "sqrt near its edge": (np.sqrt, lambda x: 0.5 / np.sqrt(x), 1e-4, 1e-11),
    "reciprocal": (np.reciprocal, lambda x: -1 / x**2, 1e-2, 1e-11),
    "a large argument": (lambda x: x**3, lambda x: 3 * x**2, 1e6, 1e-11),
    "tanh where it is flat": (np.tanh, lambda x: 1 / np.cosh(x) ** 2, 10.0, 1e-3),
    "fast oscillation": (lambda x: np.sin(50 * x), lambda x: 50 * np.cos(50 * x), 1.0, 1e-9),
    "flat beside steep": (
        lambda x: np.exp(-1 / x),
        lambda x: np.exp(-1 / x) / x**2,
        0.05,
        1e-10,
    ),
    "a large constant": (lambda x: 1e8 + x**2, lambda x: 2 * x, 1.0, 1e-4),
    "a small argument": (np.square, lambda x: 2 * x, 1e-6, 1e-11),
    "a small function": (lambda x: 1e-8 * np.sin(x), lambda x: 1e-8 * np.cos(x), 1.0, 1e-11),
    "saturation": (
        lambda x: 1 / (1 + np.exp(-x)),
        lambda x: 1 / ((1 + np.exp(-x)) * (1 + np.exp(x))),
        20.0,
        1e-2,
    ),
    "cancellation": (
        lambda x: np.log1p(np.exp(-x)) + x,
        lambda x: 1 / (1 + np.exp(-x)),
        1e3,
        1e-11,
    ),
    "at zero": (np.sin, np.cos, 0.0, 1e-11),
}


def as_subject(f, x, *, traced):
    return Subject(lambda x: (f(x),), [np.array(x)], traced=traced)


@pytest.mark.parametrize(("f", "derivative", "x", "allowed"), STEEP.values(), ids=STEEP.keys())
@pytest.mark.parametrize("traced", [False, True])
def test_the_error_is_honest_and_small(f, derivative, x, allowed, traced):
    found = slope(as_subject(f, x, traced=traced), np.ones(1))
    want = derivative(x)
    assert found.method == ("complex step" if traced else "Richardson")
    assert abs(found.low[0] - want) <= found.error[0] + 4e-16 * abs(want)
    assert found.error[0] <= (1e-12 if traced else allowed) * abs(want)


@given(
    st.sampled_from(sorted(STEEP)),
    st.floats(-3, 3),
    st.sampled_from([np.sin, np.cos, np.tanh, np.square, np.exp]),
)
def test_the_error_is_honest_elsewhere(name, shift, outer):
    f, derivative, x, _ = STEEP[name]
    x = x * np.exp(shift / 4)
    slopes = {np.sin: np.cos, np.cos: lambda y: -np.sin(y), np.square: lambda y: 2 * y}
    slopes |= {np.tanh: lambda y: 1 / np.cosh(y) ** 2, np.exp: np.exp}
    with np.errstate(all="ignore"):
        y = f(x)
        want = slopes[outer](y) * derivative(x)
        size = np.abs(y * slopes[outer](y)) + np.abs(outer(y))
        found = slope(as_subject(lambda x: outer(f(x)), x, traced=False), np.ones(1))
    if np.isfinite(want) and np.isfinite(found.error[0]):
        rounding = 1e-14 * (np.abs(want) + size / max(abs(x), 1))
        assert abs(found.low[0] - want) <= found.error[0] + rounding


def test_methods():
    x = np.array([0.3, -0.7])
    assert numerical_jvp(np.cumsum, (x,), (x,)).method == "linear"
    assert numerical_jvp(np.sin, (x,), (x,)).method == "complex step"
    assert numerical_jvp(lambda x: np.abs(np.sin(x)), (x,), (x,)).method == "Richardson"
    assert numerical_jvp(np.arctan2, (x, x), (x, 2 * x)).method == "Richardson"
    assert numerical_jvp(np.abs, (np.zeros(2),), (x,)).method == "one-sided"
    # a function that leaves the graph is found out by check_grad; one that takes arrays only is
    # differentiated by differences
    assert numerical_jvp(lambda x: np.sin(x.data), (x,), (x,)).method in {"Richardson", "linear"}


def test_what_is_linear_is_exact_on_whole_numbers():
    rng = np.random.default_rng(0)
    x, w = (rng.integers(-3, 4, size=s).astype(float) for s in ((1, 2, 5, 4), (3, 2, 3, 3)))
    found = numerical_jvp(lambda x: tg.conv2d(x, w, padding=1), (x,), (x[:, ::-1],))
    np.testing.assert_array_equal(found.value[0], tg.conv2d(x[:, ::-1], w, padding=1))


def test_one_sided_where_a_domain_ends():
    (value,), (error,), method, _ = numerical_jvp(lambda x: np.sqrt(x) ** 3, (0.0,), (1.0,))
    assert method in {"one-sided", "complex step"}
    assert abs(value) <= error + 1e-12
    subject = as_subject(
        lambda x: np.where(x >= 1, np.sqrt(np.maximum(x - 1, 0)) ** 4, np.nan), 1.0, traced=False
    )
    found = slope(subject, np.ones(1))
    assert found.method == "one-sided"
    assert abs(found.low[0]) <= found.error[0] < 1e-6


def test_one_sided_where_results_become_complex():
    found = slope(as_subject(lambda x: np.emath.sqrt(x) ** 4, 0.0, traced=False), np.ones(1))
    assert found.method == "one-sided"
    assert abs(found.low[0]) <= found.error[0] < 1e-6


@pytest.mark.parametrize(
    ("f", "x", "low", "high"),
    [
        (np.abs, 0.0, -1, 1),
        (lambda x: np.maximum(x, 0), 0.0, 0, 1),
        (lambda x: np.where(x > 1, x**2, 2 * x - 1), 1.0, 2, 2),
        (lambda x: np.abs(x - 1) + np.exp(x), 1.0, np.e - 1, np.e + 1),
        (lambda x: np.maximum(np.sin(x), np.cos(x)), np.pi / 4, -(0.5**0.5), 0.5**0.5),
    ],
)
def test_both_sides_of_a_kink(f, x, low, high):
    found = slope(as_subject(f, x, traced=True), np.ones(1))
    assert found.kink
    assert abs(found.low[0] - low) <= found.error[0] + 1e-12
    assert abs(found.high[0] - high) <= found.error[0] + 1e-12
    assert found.error[0] < 1e-6


@given(st.floats(1e-7, 0.2), st.sampled_from([np.abs, lambda x: np.maximum(x, 0)]))
def test_a_stencil_stays_on_its_side_of_a_kink(distance, bend):
    # Richardson, because arctan2 takes no complex numbers
    f = lambda x: np.arctan2(bend(x), 1.0) + np.arctan2(np.sin(x), 2.0)  # noqa: E731
    found = slope(as_subject(f, distance, traced=True), np.ones(1))
    want = 1 / (1 + distance**2) + 2 * np.cos(distance) / (4 + np.sin(distance) ** 2)
    assert found.method == "Richardson"
    assert abs(found.low[0] - want) <= found.error[0]
    assert found.error[0] < 1e-5


def test_vjp_and_jacobian_are_made_of_the_same_slopes():
    rng = np.random.default_rng(1)
    a, x = rng.normal(size=(3, 4)), rng.normal(size=4)
    jacobian = numerical_jacobian(lambda a, x: np.tanh(a @ x), a, x)
    slopes = 1 / np.cosh(a @ x) ** 2
    want = (slopes[:, None, None] * np.eye(3)[:, :, None] * x, slopes[:, None] * a)
    for found, error, w in zip(jacobian.value, jacobian.error, want, strict=True):
        assert found.shape == w.shape
        assert np.all(np.abs(found - w) <= error + 1e-14)
        assert np.all(error < 1e-11)
    g = rng.normal(size=3)
    pulled = numerical_vjp(lambda a, x: np.tanh(a @ x), (a, x), g)
    for found, w in zip(pulled.value, want, strict=True):
        np.testing.assert_allclose(found, np.tensordot(g, w, 1), rtol=1e-11, atol=1e-12)
    assert pulled.evaluations >= 16


def test_complex_numbers_are_pairs():
    z, g = np.array([1 + 2j]), np.array([0.5 - 1j])
    found = numerical_vjp(lambda z: z**2, (z,), g)
    np.testing.assert_allclose(found.value[0], np.conj(2 * z) * g, rtol=1e-9)


def test_bad_input():
    with pytest.raises(ShapeError, match=r"numerical_jvp: .*Each argument has a tangent"):
        numerical_jvp(np.sin, (np.ones(2),), (np.ones(3),))
    with pytest.raises(ShapeError, match=r"numerical_vjp: .*Each result has a cotangent"):
        numerical_vjp(np.sin, (np.ones(2),), np.ones(3))
    with pytest.raises(UnsupportedError, match=r"numerical_jacobian: .*complex128"):
        numerical_jacobian(np.sin, np.ones(2) * 1j)
