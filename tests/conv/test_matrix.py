"""conv_matrix: its product is the convolution, and its transpose the transposed convolution."""

import sys

import numpy as np
import pytest
from hypothesis import given, strategies as st
from loops import BEYOND, configurations, naive_conv, quarters

import tensorgrad as tg
from tensorgrad.errors import ShapeError, UnsupportedError


@given(configurations(least=-1), st.sampled_from(["zeros", *BEYOND]), st.booleans())
def test_its_product_is_the_convolution_and_its_transpose_the_gradient(case, mode, last):
    x, w, _, stride, pads, dilation, groups, rng = case
    expected = naive_conv(x, w, np.zeros(len(w)), stride, pads, dilation, groups, mode)
    options = {
        "stride": stride,
        "padding": pads,
        "dilation": dilation,
        "groups": groups,
        "padding_mode": mode,
        "layout": "N*C" if last else "NC*",
    }
    if last:
        x, expected = np.moveaxis(x, 1, -1), np.moveaxis(expected, 1, -1)
        w = np.moveaxis(w, (1, 0), (-2, -1))
    matrix = tg.conv_matrix(w, x.shape[1:], **options)
    assert matrix.shape == (np.prod(expected.shape[1:]), np.prod(x.shape[1:]))
    for image, result in zip(x, expected, strict=True):
        assert np.array_equal(matrix @ image.ravel(), result.ravel())  # quarters: sums are exact
        _, pullback = tg.vjp(lambda x: tg.conv(x, w, algorithm="direct", **options), image)
        g = quarters(rng, *result.shape)
        assert np.array_equal(matrix.T @ g.ravel(), pullback(g)[0].ravel())


@given(configurations())
def test_its_transpose_is_the_transposed_convolution(case):
    x, w, _, stride, pads, dilation, groups, rng = case
    options = {"stride": stride, "padding": pads, "dilation": dilation, "groups": groups}
    matrix = tg.conv_matrix(tg.tensor(w), x.shape[1:], **options)
    out = tg.conv(x, w, **options).shape[1:]
    g = quarters(rng, *out)
    back = tg.conv_transpose(g, w, output_size=x.shape[2:], algorithm="direct", **options)
    assert np.array_equal(matrix.T @ g.ravel(), back.ravel())


def test_the_example_of_the_textbooks():
    a, b, x, y, z = 2, 3, 5, 7, 11
    matrix = tg.conv_matrix([[[x, y, z]]], (1, 5), stride=2)
    assert (matrix.T @ [a, b]).tolist() == [a * x, a * y, a * z + b * x, b * y, b * z]
    assert matrix.toarray().tolist() == [[x, y, z, 0, 0], [0, 0, x, y, z]]


def test_it_holds_the_weights_that_meet_an_entry_once_each():
    w = np.zeros((1, 1, 3, 3), "f4")
    matrix = tg.conv_matrix(w, (1, 4, 4), padding=1)
    assert matrix.dtype == np.float32
    assert matrix.nnz == (3 * 4 - 2) ** 2
    round_the_border = tg.conv_matrix(w + 1, (1, 2, 2), padding=1, padding_mode="replicate")
    assert round_the_border.nnz == 16
    assert round_the_border.has_canonical_format
    assert round_the_border.toarray().sum(axis=1).tolist() == [9] * 4


def test_nothing_is_lost_that_is_recorded():
    w = tg.tensor(np.ones((1, 1, 2)), requires_grad=True)
    with pytest.raises(UnsupportedError, match=r"conv_matrix: w_shape=\(1, 1, 2\).*im2col"):
        tg.conv_matrix(w, (1, 4))
    with pytest.raises(UnsupportedError, match="drop its gradient"):
        tg.conv_matrix([[[1.0, w[0, 0, 0]]]], (1, 4))
    matrix, x = tg.conv_matrix(w.numpy(), (1, 4)), tg.tensor(np.ones(4), requires_grad=True)
    with pytest.raises(UnsupportedError, match="drop its gradient"):
        matrix @ x


@pytest.mark.parametrize(
    ("message", "input_shape", "options"),
    [
        (r"input_shape=\(1, 2, 5, 5\).*w_shape=\(4, 2, 3, 3\)", (1, 2, 5, 5), {}),
        ("input_shape=5", 5, {}),
        (r"input_shape=\(2, 0, 5\)", (2, 0, 5), {}),
        ("input_channels=3", (3, 5, 5), {}),
        ("needed=4", (2, 5, 5), {"groups": 2}),
        ("must not be larger", (2, 2, 5), {}),
        ("stride=0", (2, 5, 5), {"stride": 0}),
        ("layout='NCW'", (2, 5, 5), {"layout": "NCW"}),
        ("padding_mode='wrap'", (2, 5, 5), {"padding": 1, "padding_mode": "wrap"}),
    ],
)
def test_bad_arguments(message, input_shape, options):
    with pytest.raises(ShapeError, match=f"^conv_matrix: .*{message}"):
        tg.conv_matrix(np.ones((4, 2, 3, 3)), input_shape, **options)


def test_without_scipy_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.sparse", None)
    with pytest.raises(ImportError, match=r"pip install tensorgrad\[special\]"):
        tg.conv_matrix(np.ones((1, 1, 2)), (1, 4))
