"""Complex numbers: the gradient of a real loss L is dL/dRe + i dL/dIm, its steepest ascent."""

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st
from numpy.testing import assert_allclose

import tensorgrad as tg
from tensorgrad.testing import check_grad, numerical_jvp

# entries away from the kinks of abs and angle, and from the cuts of log, sqrt and powers
parts = st.floats(0.3, 2.0)
entries = st.builds(complex, parts, parts)
vectors = st.lists(entries, min_size=3, max_size=3).map(np.array)


LOSSES = {
    "abs": lambda z: np.sum(np.abs(z)),
    "square of abs": lambda z: np.sum(np.abs(z) ** 2),
    "real": lambda z: np.sum(np.real(z)),
    "imag": lambda z: np.sum(np.imag(z) * 3.0),
    "angle": lambda z: np.sum(np.angle(z)),
    "angle in degrees": lambda z: np.sum(np.angle(z, deg=True)),
    "conj": lambda z: np.real(np.sum(np.conj(z) * (2 + 1j) * z * z)),
    "product": lambda z: np.imag(np.prod(z)),
    "square": lambda z: np.real(np.sum(z * z)),
    "power": lambda z: np.imag(np.sum(z**3)),
    "complex power": lambda z: np.real(np.sum(z ** (1 + 2j))),
    "divide": lambda z: np.real(np.sum((1 - 2j) / z)),
    "exp": lambda z: np.imag(np.sum(np.exp(z))),
    "log": lambda z: np.imag(np.sum(np.log(z) * (1 + 1j))),
    "sqrt": lambda z: np.real(np.sum(np.sqrt(z) * 1j)),
    "sin": lambda z: np.real(np.sum(np.sin(z) * np.cosh(z))),
    "tanh": lambda z: np.imag(np.sum(np.tanh(z))),
    "matmul": lambda z: np.real((M @ z) @ z),
    "einsum": lambda z: np.imag(np.einsum("i,ij,j->", np.conj(z), M, z)),
    "indexing": lambda z: np.real(np.sum(z[[0, 0, 2]] * z[::-1] * 1j)),
    "where": lambda z: np.imag(np.sum(np.where(MASK, z * z, np.conj(z)))),
    "concatenate": lambda z: np.real(np.prod(np.concatenate([z[:2], np.conj(z[1:])]))),
    "var": np.var,
    "mean": lambda z: np.abs(np.mean(z)),
    "cast": lambda z: np.imag(np.sum((np.real(z) + 1j * np.abs(z)) * z)),
    "arctan2": lambda z: np.sum(np.arctan2(z.imag, z.real) * z.real),
}
M = np.array([[1 + 2j, 0.5, -1j], [2.0, 1 - 1j, 0.3j], [0.1, -2 + 1j, 1j]])
MASK = np.array([True, False, True])
losses = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


@losses
@settings(max_examples=10)
@given(z=vectors)
def test_derivatives_of_two_orders_in_both_modes(loss, z):
    assume(len(set(z)) == len(z))  # the variance of equal numbers has a gradient of rounding errors
    assert check_grad(loss, z, order=2)
    gradient = tg.grad(loss)(z)
    assert gradient.dtype == complex
    leaf = tg.tensor(z, requires_grad=True)
    loss(leaf).backward()
    assert_allclose(leaf.grad.numpy(), gradient)


@losses
@settings(max_examples=10)
@given(z=vectors)
def test_the_gradient_is_the_steepest_ascent(loss, z):
    # no direction of the same length rises faster than the gradient: its slope is its square
    gradient = tg.grad(loss)(z)
    (rise,) = numerical_jvp(loss, (z,), (gradient,)).value
    assert_allclose(rise, np.sum(np.abs(gradient) ** 2), rtol=1e-7, atol=1e-9)


@given(x=st.lists(parts, min_size=3, max_size=3).map(np.array))
def test_real_arguments_of_complex_functions_get_real_gradients(x):
    def loss(x):
        return np.abs(np.sum(np.exp(1j * x * (2 + 1j)) * (x + 2j)))

    gradient = tg.grad(loss)(x)
    assert gradient.dtype == float
    assert check_grad(loss, x, order=2)
    value, tangent = tg.jvp(lambda x: 1j * x, (x,), (np.ones(3),))
    assert value.dtype == tangent.dtype == complex
    (back,) = tg.vjp(lambda x: (1 + 2j) * x, x)[1](np.full(3, 1j))
    assert back.dtype == float
    assert_allclose(back, 2.0)  # Re(conj(i) (1 + 2i))


def test_single_precision_stays_single():
    z = np.array([1 + 1j, 2j], np.complex64)
    gradient = tg.grad(lambda z: np.sum(np.abs(z) ** 2))(z)
    assert gradient.dtype == np.complex64
    assert_allclose(gradient, 2 * z)
    x = np.ones(2, np.float32)
    assert tg.grad(lambda x: np.abs(np.sum(x * z)))(x).dtype == np.float32


@given(z=vectors, g=vectors, t=vectors)
def test_pullback_and_tangent_are_adjoint(z, g, t):
    def f(z):
        return np.exp(z) * np.conj(z[::-1]) + np.abs(z)

    value, pullback = tg.vjp(f, z)
    _, tangent = tg.jvp(f, (z,), (t,))
    assert value.dtype == tangent.dtype == complex
    # with the real inner product <a, b> = Re sum conj(a) b
    left = np.real(np.vdot(g, tangent))
    right = np.real(np.vdot(pullback(g)[0], t))
    assert_allclose(left, right, rtol=1e-9, atol=1e-9)


def test_at_zero_the_gradient_of_abs_is_zero():
    for zero in (0.0, 0j):
        assert tg.grad(np.abs)(zero) == 0
        assert tg.jvp(np.abs, (zero,), (1.0 + 0 * zero,))[1] == 0
    assert tg.grad(np.angle)(1.0) == 0
    assert tg.grad(np.angle)(1 + 0j) == 1j


# ---- the same in PyTorch -------------------------------------------------------------------------


TORCH = {
    LOSSES[name]: counterpart
    for name, counterpart in {
        "abs": lambda torch, z: z.abs().sum(),
        "square of abs": lambda torch, z: (z.abs() ** 2).sum(),
        "real": lambda torch, z: z.real.sum(),
        "imag": lambda torch, z: (z.imag * 3).sum(),
        "angle": lambda torch, z: z.angle().sum(),
        "conj": lambda torch, z: (z.conj() * (2 + 1j) * z * z).sum().real,
        "product": lambda torch, z: z.prod().imag,
        "square": lambda torch, z: (z * z).sum().real,
        "power": lambda torch, z: (z**3).sum().imag,
        "complex power": lambda torch, z: (z ** (1 + 2j)).sum().real,
        "divide": lambda torch, z: ((1 - 2j) / z).sum().real,
        "exp": lambda torch, z: z.exp().sum().imag,
        "log": lambda torch, z: (z.log() * (1 + 1j)).sum().imag,
        "sqrt": lambda torch, z: (z.sqrt() * 1j).sum().real,
        "sin": lambda torch, z: (z.sin() * z.cosh()).sum().real,
        "tanh": lambda torch, z: z.tanh().sum().imag,
        "matmul": lambda torch, z: ((torch.tensor(M) @ z) @ z).real,
        "einsum": lambda torch, z: torch.einsum("i,ij,j->", z.conj(), torch.tensor(M), z).imag,
        "indexing": lambda torch, z: (z[[0, 0, 2]] * z.flip(0) * 1j).sum().real,
        "where": lambda torch, z: torch.where(torch.tensor(MASK), z * z, z.conj()).sum().imag,
        "mean": lambda torch, z: z.mean().abs(),
    }.items()
}
NAMES = {loss: name for name, loss in LOSSES.items()}


@pytest.mark.parametrize("loss", TORCH, ids=lambda loss: NAMES[loss])
@settings(max_examples=5)
@given(z=vectors)
def test_against_torch(loss, z):
    torch = pytest.importorskip("torch", reason="compares with PyTorch: pip install torch")
    leaf = torch.tensor(z, requires_grad=True)
    value = TORCH[loss](torch, leaf)
    (expected,) = torch.autograd.grad(value, leaf, create_graph=True)
    assert_allclose(loss(z), value.item(), rtol=1e-10)
    gradient = tg.grad(loss)(z)
    assert_allclose(gradient, expected.detach().resolve_conj().numpy(), rtol=1e-9, atol=1e-9)
    if expected.requires_grad:
        (again,) = torch.autograd.grad((expected.abs() ** 2).sum(), leaf)
        ours = tg.grad(lambda z: np.sum(np.abs(tg.grad(loss)(z)) ** 2))(z)
        assert_allclose(ours, again.resolve_conj().numpy(), rtol=1e-8, atol=1e-8)
