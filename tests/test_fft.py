"""Fourier transforms beside what is known of them, and in the forms that the laws do not draw."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import tensorgrad as tg
from tensorgrad.errors import IndexingError, ShapeError, UnsupportedError

NORMS = {"backward": 0, "ortho": 0.5, "forward": 1}
sizes = st.integers(1, 9)
norms = st.sampled_from(list(NORMS))
seeds = st.integers(0, 2**32 - 1)


def signal(seed, *shape, real=False):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) + (0 if real else 1j * rng.normal(size=shape))


def energy(y):
    return np.sum(np.real(y) ** 2 + np.imag(y) ** 2)


def matrix(n, norm, sign=-1):
    """The matrix of a transform, entry by entry."""
    j, k = np.ogrid[:n, :n]
    return np.exp(sign * 2j * np.pi * j * k / n) / n ** (
        NORMS[norm] if sign < 0 else 1 - NORMS[norm]
    )


@given(seeds, sizes, sizes, norms)
def test_gradients_are_products_with_the_adjoint_matrix(seed, side, n, norm):
    x, g = signal(seed, side), signal(seed + 1, n)
    kept = min(side, n)
    for f, sign in ((np.fft.fft, -1), (np.fft.ifft, 1)):
        _, pullback = tg.vjp(lambda x, f=f: f(x, n, norm=norm), x)
        expected = np.zeros(side, complex)
        expected[:kept] = (matrix(n, norm, sign).conj().T @ g)[:kept]
        assert_allclose(pullback(g)[0], expected, rtol=1e-12, atol=1e-12)


@given(seeds, sizes, norms)
def test_gradients_of_real_transforms_are_those_of_the_complex_ones(seed, n, norm):
    m = n // 2 + 1
    x, half = signal(seed, n, real=True), signal(seed + 1, m)
    g, real_g = signal(seed + 2, m), signal(seed + 3, n, real=True)
    kept = matrix(n, norm)[:m]
    (found,) = tg.vjp(lambda x: np.fft.rfft(x, norm=norm), x)[1](g)
    assert_allclose(found, np.real(kept.conj().T @ g), rtol=1e-12, atol=1e-12)
    # y[k] = Re(sum over half the frequencies of their number * w**(-j k) * half[j])
    number = np.array([1 if j in (0, n / 2) else 2 for j in range(m)])
    back = matrix(n, norm, sign=1)[:, :m] * number
    y, pullback = tg.vjp(lambda half: np.fft.irfft(half, n, norm=norm), half)
    assert_allclose(y, np.real(back @ half), rtol=1e-12, atol=1e-12)
    expected = back.conj().T @ real_g
    expected[number == 1] = np.real(expected[number == 1])
    assert_allclose(pullback(real_g)[0], expected, rtol=1e-12, atol=1e-12)


@given(seeds, sizes, sizes)
def test_energy_is_kept(seed, rows, columns):
    x = signal(seed, rows, columns)
    for f in (np.fft.fft, np.fft.ifft, np.fft.fft2, np.fft.ifftn):
        gradient = tg.grad(lambda x, f=f: energy(f(x, norm="ortho")))(x)
        assert_allclose(gradient, 2 * x, rtol=1e-12, atol=1e-12)


@given(seeds, sizes)
def test_there_and_back_again(seed, n):
    x = signal(seed, 3, n, real=True)
    for f in (
        lambda x: np.fft.irfftn(np.fft.rfftn(x), x.shape, (0, 1)),
        lambda x: np.fft.hfft(np.fft.ihfft(x), n),
        lambda x: np.real(np.fft.ifftshift(np.fft.fftshift(np.fft.ifft2(np.fft.fft2(x))))),
    ):
        assert_allclose(tg.grad(lambda x, f=f: np.sum(f(x) ** 3))(x), 3 * x**2, atol=1e-12)


@given(seeds, sizes)
def test_a_product_of_transforms_is_a_circular_convolution(seed, n):
    x, kernel, g = (signal(seed + i, n, real=True) for i in range(3))

    def convolved(x, kernel):
        return np.fft.irfft(np.fft.rfft(x) * np.fft.rfft(kernel), n)

    _, pullback = tg.vjp(convolved, x, kernel)
    for found, other in zip(pullback(g), (kernel, x), strict=True):
        expected = [sum(g[(i + k) % n] * other[k] for k in range(n)) for i in range(n)]
        assert_allclose(found, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("dtype", ["f4", "c8", "f2", "i8", "b1", "c16"])
@pytest.mark.parametrize("name", ["fft", "ifft", "irfft", "hfft", "fftn", "irfftn", "fftshift"])
def test_dtypes_are_those_of_numpy(name, dtype):
    x = np.array([[1, 2, 3], [0, 1, 1]]).astype(dtype)
    expected = getattr(np.fft, name)(x)
    found = getattr(np.fft, name)(tg.tensor(x))
    assert found.dtype == expected.dtype
    assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_gradients_keep_single_precision():
    x = np.ones(5, np.float32)
    assert tg.grad(lambda x: energy(np.fft.rfft(x)))(x).dtype == np.float32


def test_lengths_as_numpy_takes_them():
    x = signal(0, 3, 4, real=True)
    # -1 stands for the entries along the axis, also where a side of 2 (m - 1) is the default
    assert np.fft.irfft2(tg.tensor(x), s=(-1, -1)).shape == (3, 4)
    assert np.fft.irfft2(tg.tensor(x)).shape == (3, 6)
    # an axis named twice has its first length each time
    y = np.fft.rfftn(tg.tensor(x), axes=(1, 1))
    assert_allclose(y.numpy(), np.fft.rfftn(x, axes=(1, 1)), atol=1e-14)
    # a transform along no axis
    assert_array_equal(np.fft.fftn(tg.tensor(x), axes=()).numpy(), x)
    assert np.fft.fftn(tg.tensor(2.0)).item() == 2.0


def test_nothing_is_padded_with_zeros():
    x = tg.tensor(np.zeros((2, 0)), requires_grad=True)
    y = np.fft.irfft(x, 4)
    assert_array_equal(y.numpy(), np.zeros((2, 4)))
    y.sum().backward()
    assert x.grad.shape == (2, 0)


@given(st.integers(1, 9), st.floats(0.1, 10))
def test_frequencies_by_the_spacing(n, d):
    for f in (np.fft.fftfreq, np.fft.rfftfreq):
        frequencies, slope = tg.jvp(lambda d, f=f: f(n, d), (d,), (1.0,))
        assert_allclose(frequencies, f(n, d), rtol=1e-14)
        assert_allclose(slope, -f(n, d) / d, rtol=1e-14)


X = tg.tensor(np.ones((2, 3)))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: np.fft.fft(X, 0), ShapeError, r"np\.fft\.fft: n=0\. The length .* is positive"),
        (lambda: np.fft.fft(X, n=2.5), UnsupportedError, r"np\.fft\.fft"),
        (lambda: np.fft.irfft(X[:, :1]), ShapeError, r"np\.fft\.irfft: n=0\."),
        (lambda: np.fft.rfft(X, norm="half"), ShapeError, r"np\.fft\.rfft: norm='half'\."),
        (lambda: np.fft.hfft(X, norm="half"), ShapeError, r"np\.fft\.hfft: norm='half'\."),
        (lambda: np.fft.ifft(X, axis=2), IndexingError, r"np\.fft\.ifft: .*out of bounds"),
        (lambda: np.fft.fft2(X[0]), IndexingError, r"np\.fft\.fft.*out of bounds"),
        (
            lambda: np.fft.ifftn(X, (2, 2), (0,)),
            ShapeError,
            r"np\.fft\.ifftn: s=\[2, 2\], axes=\(0,\)\. Every axis has one length",
        ),
        (lambda: np.fft.rfftn(tg.tensor(1.0)), ShapeError, r"np\.fft\.rfftn: .* at least one"),
        (lambda: np.fft.rfft(X * 1j), UnsupportedError, r"rfft"),
        (lambda: np.fft.irfft2(X, out=np.zeros((2, 4))), UnsupportedError, r"irfft2: out="),
    ],
)
def test_errors_say_what_is_wrong(call, error, message):
    with pytest.raises(error, match=message):
        call()
