"""The transposed convolutions against loops, against PyTorch, and as transposes."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from loops import configurations, naive_conv_transpose, quarters, upsampled
from test_conv import LAST, second_order, torch_second_order

import tensorgrad as tg

NUMBERED = {1: tg.conv_transpose1d, 2: tg.conv_transpose2d, 3: tg.conv_transpose3d}


def kernel_last(w):
    """IO* -> *IO."""
    return np.moveaxis(w, (0, 1), (-2, -1))


@given(configurations(least=-1), st.data())
def test_a_transposed_convolution_is_its_definition(case, data):
    _, w, _, stride, pads, dilation, groups, rng = case
    n = len(stride)
    extra = tuple(
        data.draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True)
    )
    x, w, b = upsampled(data, w, stride, pads, groups, rng)
    expected = naive_conv_transpose(x, w, b, stride, pads, extra, dilation, groups)
    options = {"stride": stride, "padding": pads, "dilation": dilation, "groups": groups}
    transpose = NUMBERED[n]
    y = transpose(tg.tensor(x), w, b, output_padding=extra, **options)
    assert np.array_equal(y.numpy(), expected)
    options["output_padding"] = extra
    assert np.array_equal(tg.conv_transpose(x, w, b, algorithm="direct", **options), expected)
    last = transpose(np.moveaxis(x, 1, -1), kernel_last(w), b, layout=LAST[n], **options)
    assert np.array_equal(np.moveaxis(last, -1, 1), expected)
    for image, result in zip(x, expected, strict=True):
        last = np.moveaxis(image, 0, -1)
        last = tg.conv_transpose(last, kernel_last(w), b, layout="N*C", **options)
        assert np.array_equal(np.moveaxis(last, -1, 0), result)
    if all(e < s for e, s in zip(extra, stride, strict=True)):
        options["output_padding"] = 0
        by_size = tg.conv_transpose(x, w, b, output_size=expected.shape[2:], **options)
        assert np.array_equal(by_size, expected)


@given(configurations(least=-1), st.sampled_from(["as drawn", "same", "valid", "full"]))
def test_the_two_are_transposes_of_each_other(case, padding):
    x, w, _, stride, pads, dilation, groups, rng = case
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, w.shape[2:], strict=True)]
    if padding == "valid":
        more = [max(span - i, 0) for span, i in zip(spans, x.shape[2:], strict=True)]
        x = np.pad(x, [(0, 0), (0, 0), *((m, 0) for m in more)])
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    if padding == "as drawn":
        options["padding"] = pads
    y, pullback = tg.vjp(lambda x: tg.conv(x, w, **options), x)
    g = quarters(rng, *y.shape)
    back = tg.conv_transpose(g, w, output_size=x.shape[2:], **options)
    assert np.array_equal(pullback(g)[0], back)
    assert np.vdot(y, g) == np.vdot(x, back)


@given(configurations(symmetric=True), st.data())
def test_second_order_is_that_of_torch(case, data):
    torch = pytest.importorskip("torch", reason="the bench extra is not installed")
    _, w, _, stride, pads, dilation, groups, rng = case
    n = len(stride)
    x, w, b = upsampled(data, w, stride, pads, groups, rng)
    options = {
        "stride": stride,
        "padding": tuple(low for low, _ in pads),
        "output_padding": tuple(
            data.draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True)
        ),
        "dilation": dilation,
        "groups": groups,
    }
    g = quarters(rng, *tg.conv_transpose(x, w, **options).shape)
    theirs = torch_second_order(
        torch, getattr(torch.nn.functional, f"conv_transpose{n}d"), x, w, b, g, options
    )
    ours = second_order(NUMBERED[n], x, w, b, g, options)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("k", [1, 2, 3, 4])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
def test_same_padding_multiplies_the_size_by_the_stride(k, stride, dilation):
    x, w = np.ones((1, 1, 4, 5)), np.ones((1, 1, k, k))
    options = {"stride": stride, "dilation": dilation, "padding": "same"}
    up = tg.conv_transpose2d(x, w, **options)
    assert up.shape[2:] == (4 * stride, 5 * stride)
    by_size = tg.conv_transpose2d(x, w, output_size=up.shape[2:], **options)
    assert np.array_equal(up, by_size)


def test_two_numbers():
    # [a, b] with the filter [x, y, z] at stride 2 is [ax, ay, az + bx, by, bz]
    a, b, x, y, z = 2.0, 3.0, 5.0, 7.0, 11.0
    result = tg.conv_transpose1d([[a, b]], [[[x, y, z]]], stride=2)
    assert result.tolist() == [[a * x, a * y, a * z + b * x, b * y, b * z]]


X, W = np.ones((1, 4, 6, 6)), np.ones((4, 4, 3, 3))
MISTAKES = [
    (
        lambda: tg.conv_transpose2d(X, np.ones((6, 4, 3, 3))),
        ["conv_transpose2d", "channels_of_w=(6, 4)", "input_channels=4", "needed=6"],
    ),
    (lambda: tg.conv_transpose2d(X, W, output_padding=1), ["output_padding=1", "than the stride"]),
    (lambda: tg.conv_transpose2d(X, W, output_padding=-1), ["output_padding=-1", "at least 0"]),
    (
        lambda: tg.conv_transpose2d(X, W, padding=9),
        ["sides=(-10, -10)", "input_size=(6, 6)", "Use less padding"],
    ),
    (lambda: tg.conv_transpose2d(X[..., :0], W), ["input_size=(6, 0)", "must be positive"]),
    (lambda: tg.conv_transpose2d(X, W[..., :0]), ["kernel_size=(3, 0)", "must be positive"]),
    (
        lambda: tg.conv_transpose2d(X, W, stride=(2, 3), output_size=14),
        ["output_size=(14, 14)", "13 to 14, 18 to 20", "input_size=(6, 6)", "stride=(2, 3)"],
    ),
    (
        lambda: tg.conv_transpose2d(X, W, stride=2, padding="same", output_size=13),
        ["output_size=(13, 13)", "11 to 12, 11 to 12", "padding='same'"],
    ),
    (
        lambda: tg.conv_transpose2d(X, W, stride=2, output_padding=1, output_size=14),
        ["output_padding=1", "output_size=(14, 14)", "Pass one of them"],
    ),
    (
        lambda: tg.conv_transpose2d(X, W, stride=2, output_padding=1, padding="same"),
        ["output_padding=1", "padding='same'", "Pass one of them"],
    ),
    (lambda: tg.conv_transpose2d(X, W, output_size=8.0), ["output_size=8.0", "integer"]),
    (
        lambda: tg.conv_transpose1d(X[..., 0], W[..., 0], padding="causal"),
        ["padding='causal'", "sees the future", "((0, dilation * (k - 1)),)"],
    ),
    (lambda: tg.conv_transpose3d(X, W), ["conv_transpose3d", "x has 5 axes"]),
    (lambda: tg.conv_transpose(X, W, layout="NWC"), ["conv_transpose:", "'NHWC'", "IO*", "*IO"]),
    (lambda: tg.conv_transpose(X, [1.0]), ["conv_transpose: w_shape=(1,)", "at least one"]),
]


@pytest.mark.parametrize(("call", "parts"), MISTAKES)
def test_mistakes_are_explained(call, parts):
    with pytest.raises(tg.errors.ShapeError) as caught:
        call()
    for part in parts:
        assert part in str(caught.value)
    assert "int64" not in str(caught.value)
