"""Jacobians, Hessians and products with them, against columns of differences, and against JAX."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tensorgrad as tg
from tensorgrad.errors import ShapeError, UnsupportedError

MODES = [tg.jacfwd, tg.jacrev, tg.jacobian]
rng = np.random.default_rng(0)


def differences(f, x, step=1e-6):
    """The derivative of f by every entry of x, by central differences: (*output, *input)."""
    columns = []
    for place in np.ndindex(x.shape):
        h = np.zeros_like(x)
        h[place] = step
        columns.append((f(x + h) - f(x - h)) / (2 * step))
    return np.moveaxis(np.array(columns), 0, -1).reshape(*np.shape(f(x)), *x.shape)


@pytest.mark.parametrize("mode", MODES)
@given(st.data())
def test_it_is_the_matrix_of_differences(mode, data):
    n, m = data.draw(st.integers(0, 4)), data.draw(st.integers(0, 4))
    shape = data.draw(st.sampled_from([(n,), (n, 2), ()]))
    a = rng.normal(size=(m, int(np.prod(shape))))
    x = rng.normal(size=shape)

    def f(x):
        return np.sin(a @ np.ravel(x)) * np.sum(x**2)

    found = mode(f)(x)
    assert found.shape == (m, *shape)
    np.testing.assert_allclose(found, differences(f, x), atol=1e-7)


@pytest.mark.parametrize("mode", MODES)
def test_containers(mode):
    x = {"a": rng.normal(size=3), "b": (rng.normal(size=(2, 2)), 2.0)}

    def f(x, y):
        b, c = x["b"]
        return [np.sum(x["a"]) * b * y, (c * x["a"],)]

    found = mode(f, argnums=(0, 1))(x, 3.0)
    (by_x, by_y), ((second_by_x, second_by_y),) = found
    b, _ = x["b"]
    np.testing.assert_allclose(by_x["a"], 3 * b[..., None] * np.ones(3))
    np.testing.assert_allclose(by_x["b"][0], 3 * np.sum(x["a"]) * np.eye(4).reshape(2, 2, 2, 2))
    np.testing.assert_allclose(by_x["b"][1], np.zeros((2, 2)))
    np.testing.assert_allclose(by_y, np.sum(x["a"]) * b)
    np.testing.assert_allclose(second_by_x["a"], 2 * np.eye(3))
    np.testing.assert_allclose(second_by_x["b"][1], x["a"])
    np.testing.assert_allclose(second_by_y, np.zeros(3))


@pytest.mark.parametrize("mode", MODES)
def test_complex_numbers(mode):
    z, x = rng.normal(size=3) + 1j * rng.normal(size=3), rng.normal(size=3)
    # holomorphic: the complex derivative
    np.testing.assert_allclose(mode(lambda z: z**3)(z), np.diag(3 * z**2))
    # of real numbers: the ordinary one
    np.testing.assert_allclose(mode(lambda x: np.exp(1j * x))(x), np.diag(1j * np.exp(1j * x)))
    # real: as gradients are
    np.testing.assert_allclose(mode(lambda z: np.abs(z) ** 2)(z), np.diag(2 * z))
    np.testing.assert_allclose(mode(lambda z: np.sum(z.real * z.imag))(z), z.imag + 1j * z.real)
    both = mode(lambda z, x: (z * x, np.abs(z) * x), argnums=(0, 1))(z, x)
    np.testing.assert_allclose(both[0][0], np.diag(x))
    np.testing.assert_allclose(both[0][1], np.diag(z))
    np.testing.assert_allclose(both[1][0], np.diag(x * z / np.abs(z)))
    np.testing.assert_allclose(both[1][1], np.diag(np.abs(z)))
    with pytest.raises(UnsupportedError, match="holomorphic"):
        mode(lambda z: np.conj(z) * z)(z)


@pytest.mark.parametrize("mode", MODES)
def test_forms(mode):
    x = rng.normal(size=3).astype(np.float32)
    assert mode(np.sin)(x).dtype == np.float32
    assert isinstance(mode(np.sin)(tg.tensor(x)), tg.Tensor)
    jacobian, aux = mode(lambda x: (np.sin(x), np.sum(x)), has_aux=True)(x)
    assert jacobian.shape == (3, 3)
    assert aux == np.sum(x)
    assert not mode(lambda x: np.floor(x))(x).any()
    with pytest.raises(ShapeError, match=mode.__name__):
        mode(np.sin, argnums=1)(x)
    with pytest.raises(UnsupportedError, match=mode.__name__):
        mode(np.sin)(np.arange(3))


@pytest.mark.parametrize("outer", MODES)
@pytest.mark.parametrize("inner", MODES)
def test_jacobians_of_jacobians(outer, inner):
    x = rng.normal(size=3)

    def f(x):
        return np.stack([np.prod(x), np.sum(np.sin(x)) * x[0]])

    np.testing.assert_allclose(
        outer(inner(f))(x), differences(lambda x: differences(f, x, 1e-4), x, 1e-4), atol=1e-6
    )


def loss(x):
    return np.sum(np.tanh(np.cumsum(x)) * x[::-1] ** 2) + np.linalg.norm(x)


def test_hessian_and_its_products():
    x, v = rng.normal(size=6), rng.normal(size=6)
    h = tg.hessian(loss)(x)
    np.testing.assert_allclose(h, differences(tg.grad(loss), x), atol=1e-6)
    np.testing.assert_allclose(tg.hvp(loss, (x,), (v,)), h @ v)
    nested = tg.hessian(lambda p: p["a"] ** 2 * p["b"])({"a": 2.0, "b": 3.0})
    assert nested == {"a": {"a": 6.0, "b": 4.0}, "b": {"a": 4.0, "b": 0.0}}
    a, b = tg.hvp(lambda a, b: a**2 * b, (2.0, 3.0), (1.0, 10.0))
    assert (a, b) == (46.0, 4.0)
    hessian, aux = tg.hessian(lambda x: (np.sum(x**3), x), has_aux=True)(x)
    np.testing.assert_allclose(hessian, np.diag(6 * x))
    np.testing.assert_allclose(aux, x)
    by_example = tg.vmap(tg.hessian(loss))(np.stack([x, v]))
    np.testing.assert_allclose(by_example, np.stack([h, tg.hessian(loss)(v)]))


def test_linearize():
    x, t = rng.normal(size=3), {"t": rng.normal(size=3)}
    calls = []

    def f(x):
        calls.append(x)
        return np.sin(x["t"]) * np.sum(x["t"]), x

    value, push, aux = tg.linearize(f, {"t": x}, has_aux=True)
    for scale in (1.0, 2.0):
        direction = {"t": scale * t["t"]}
        expected = tg.jvp(lambda x: f(x)[0], ({"t": x},), (direction,))
        calls.clear()
        np.testing.assert_allclose(push(direction), expected[1])
        assert not calls
        np.testing.assert_allclose(value, expected[0])
    np.testing.assert_allclose(aux["t"], x)
    with pytest.raises(ShapeError, match="pushforward"):
        push(t, t)
    with pytest.raises(ShapeError, match="pushforward"):
        push(t["t"])


def test_against_jax():
    jax = pytest.importorskip("jax")
    jnp = jax.numpy
    with jax.enable_x64(True) if hasattr(jax, "enable_x64") else jax.experimental.enable_x64():
        x, a = rng.normal(size=4), rng.normal(size=(3, 4))

        def f(np):
            return lambda x: np.sum(np.sort(a @ x) ** 3) * np.linalg.norm(x) + np.prod(x)

        np.testing.assert_allclose(tg.hessian(f(np))(x), jax.hessian(f(jnp))(x), rtol=1e-9)
        np.testing.assert_allclose(
            tg.vmap(tg.grad(f(np)))(np.stack([x, -x])),
            jax.vmap(jax.grad(f(jnp)))(np.stack([x, -x])),
            rtol=1e-9,
        )
