"""conv2d and conv_transpose2d against loops that follow the definition, and against PyTorch."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tensorgrad as tg
from tensorgrad.conv.geometry import Geometry
from tensorgrad.conv.kernels.taps import conv_by_taps
from tensorgrad.conv.primitive import conv


def naive_conv2d(x, w, b, stride, pads, dilation, groups):
    """Compute b[o] + sum x[n, c, s i + d k, s j + d l] w[o, c, k, l], one term at a time."""
    (top, bottom), (left, right) = pads
    n, _, height, width = x.shape
    padded = np.zeros((n, x.shape[1], top + height + bottom, left + width + right))
    padded[:, :, top : top + height, left : left + width] = x
    outs, per_group = w.shape[0], w.shape[1]
    rows = (padded.shape[2] - dilation[0] * (w.shape[2] - 1) - 1) // stride[0] + 1
    columns = (padded.shape[3] - dilation[1] * (w.shape[3] - 1) - 1) // stride[1] + 1
    y = np.zeros((n, outs, rows, columns))
    for image, o, i, j in np.ndindex(*y.shape):
        first = o // (outs // groups) * per_group
        total = b[o]
        for c, k, m in np.ndindex(*w.shape[1:]):
            row = stride[0] * i + dilation[0] * k
            total += padded[image, first + c, row, stride[1] * j + dilation[1] * m] * w[o, c, k, m]
        y[image, o, i, j] = total
    return y


def naive_conv_transpose2d(x, w, b, stride, pads, extra, dilation, groups):
    """y[n, o, s i + d k, s j + d l] += x[n, c, i, j] w[c, o, k, l], then cropped by the padding."""
    n, channels, height, width = x.shape
    outs = w.shape[1] * groups
    full = np.zeros(
        (
            n,
            outs,
            (height - 1) * stride[0] + dilation[0] * (w.shape[2] - 1) + 1 + extra[0],
            (width - 1) * stride[1] + dilation[1] * (w.shape[3] - 1) + 1 + extra[1],
        )
    )
    for image, c, i, j in np.ndindex(*x.shape):
        first = c // (channels // groups) * w.shape[1]
        for o, k, m in np.ndindex(*w.shape[1:]):
            row, column = stride[0] * i + dilation[0] * k, stride[1] * j + dilation[1] * m
            full[image, first + o, row, column] += x[image, c, i, j] * w[c, o, k, m]
    (top, bottom), (left, right) = pads
    cropped = full[:, :, top : full.shape[2] - bottom, left : full.shape[3] - right]
    return cropped + b[:, None, None]


@st.composite
def configurations(draw, symmetric=False):
    """Draw a convolution near the borders where rules go wrong.

    Half the strides leave a remainder; stride and dilation, and height and width, differ; channels
    are often equal in number; kernels reach the size of the padded input; the batch may be empty.
    """
    axis = st.integers(1, 3)
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    c = draw(st.integers(1, 2))
    o = c if draw(st.booleans()) else draw(st.integers(1, 3))
    kernel, stride, dilation = (tuple(draw(axis) for _ in "hw") for _ in range(3))
    pads = tuple((draw(st.integers(0, 3)), draw(st.integers(0, 3))) for _ in "hw")
    if symmetric:
        pads = tuple((low, low) for low, _ in pads)
    sides = []
    for k, s, d, p in zip(kernel, stride, dilation, pads, strict=True):
        least = max(d * (k - 1) + 1 - sum(p), 1)
        extra = draw(st.sampled_from([0, 0, 1, s - 1, s, 2 * s + 1]))
        sides.append(least + max(extra, 0))
    n = draw(st.sampled_from([1, 2, 0]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.integers(-4, 5, (n, groups * c, *sides)) / 4
    w = rng.integers(-4, 5, (groups * o, c, *kernel)) / 4
    b = rng.integers(-4, 5, groups * o) / 4
    return x, w, b, stride, pads, dilation, groups, rng


@given(configurations())
def test_conv2d_is_its_definition(case):
    x, w, b, stride, pads, dilation, groups, _ = case
    expected = naive_conv2d(x, w, b, stride, pads, dilation, groups)
    options = {"stride": stride, "padding": pads, "dilation": dilation, "groups": groups}
    y = tg.conv2d(tg.tensor(x), w, b, **options)
    assert np.array_equal(y.numpy(), expected)  # quarters: sums are exact in any order
    last = tg.conv2d(np.moveaxis(x, 1, -1), w.transpose(2, 3, 1, 0), b, layout="NHWC", **options)
    assert np.array_equal(np.moveaxis(last, -1, 1), expected)
    for image, result in zip(x, expected, strict=True):
        assert np.array_equal(tg.conv2d(image, w, b, **options), result)


@given(configurations(), st.data())
def test_conv_transpose2d_is_its_definition(case, data):
    _, w, _, stride, pads, dilation, groups, rng = case
    extra = tuple(
        data.draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True)
    )
    w = rng.integers(-4, 5, (w.shape[0], 2, *w.shape[2:])) / 4
    sides = tuple(
        data.draw(st.integers(1, 4)) + (sum(p) + s - 1) // s
        for s, p in zip(stride, pads, strict=True)
    )
    x = rng.integers(-4, 5, (data.draw(st.sampled_from([1, 2, 0])), w.shape[0], *sides)) / 4
    b = rng.integers(-4, 5, 2 * groups) / 4
    expected = naive_conv_transpose2d(x, w, b, stride, pads, extra, dilation, groups)
    options = {
        "stride": stride,
        "padding": pads,
        "output_padding": extra,
        "dilation": dilation,
        "groups": groups,
    }
    assert np.array_equal(tg.conv_transpose2d(tg.tensor(x), w, b, **options).numpy(), expected)
    last = tg.conv_transpose2d(
        np.moveaxis(x, 1, -1), w.transpose(2, 3, 0, 1), b, layout="NHWC", **options
    )
    assert np.array_equal(np.moveaxis(last, -1, 1), expected)


@given(configurations())
def test_the_two_are_transposes_of_each_other(case):
    x, w, _, stride, pads, dilation, groups, rng = case
    options = {"stride": stride, "padding": pads, "dilation": dilation, "groups": groups}
    y = tg.conv2d(x, w, **options)
    g = rng.integers(-4, 5, y.shape) / 4
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, w.shape[2:], strict=True)]
    remainders = tuple(
        (i + sum(p) - span) % s
        for i, p, span, s in zip(x.shape[2:], pads, spans, stride, strict=True)
    )
    back = tg.conv_transpose2d(g, w, output_padding=remainders, **options)
    _, pullback = tg.vjp(lambda x: tg.conv2d(x, w, **options), x)
    assert np.array_equal(pullback(g)[0], back)
    assert np.vdot(y, g) == np.vdot(x, back)


@given(configurations(symmetric=True), st.booleans())
def test_gradients_to_second_order_are_those_of_torch(case, transposed):
    torch = pytest.importorskip("torch", reason="the bench extra is not installed")
    x, w, b, stride, pads, dilation, groups, rng = case
    ours, theirs = tg.conv2d, torch.nn.functional.conv2d
    options = {
        "stride": stride,
        "padding": tuple(low for low, _ in pads),
        "dilation": dilation,
        "groups": groups,
    }
    if transposed:
        ours, theirs = tg.conv_transpose2d, torch.nn.functional.conv_transpose2d
        w = rng.integers(-4, 5, (w.shape[0], 2, *w.shape[2:])) / 4
        sides = tuple(2 + (2 * low + s - 1) // s for (low, _), s in zip(pads, stride, strict=True))
        x = rng.integers(-4, 5, (x.shape[0], w.shape[0], *sides)) / 4
        b = np.zeros(2 * groups)

    def second_order(g, x, w):
        _, pullback = tg.vjp(lambda x, w: ours(x, w, b, **options), x, w)
        return sum(np.sum(part**3) for part in pullback(g))

    leaves = [torch.tensor(a, requires_grad=True) for a in (x, w, b)]
    y = theirs(*leaves, **options)
    g = rng.integers(-4, 5, tuple(y.shape)) / 4
    g_leaf = torch.tensor(g, requires_grad=True)
    first = torch.autograd.grad(y, leaves, g_leaf, create_graph=True)
    wrt = [g_leaf, *leaves[:2]]
    total = sum((part**3).sum() for part in first[:2])
    second = torch.autograd.grad(total, wrt, allow_unused=True)  # an empty batch uses nothing
    second = [torch.zeros_like(a) if s is None else s for a, s in zip(wrt, second, strict=True)]
    value, pullback = tg.vjp(lambda x, w, b: ours(x, w, b, **options), x, w, b)
    np.testing.assert_allclose(value, y.detach().numpy(), atol=1e-12)
    for mine, other in zip(pullback(g), first, strict=True):
        np.testing.assert_allclose(mine, other.detach().numpy(), atol=1e-11)
    for mine, other in zip(tg.grad(second_order, (0, 1, 2))(g, x, w), second, strict=True):
        np.testing.assert_allclose(mine, other.numpy(), atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("size", [4, 5, 7, 8])
@pytest.mark.parametrize("k", [1, 2, 3, 4])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
def test_padding_by_name(size, k, stride, dilation):
    x, w = np.ones((1, 1, size, size + 1)), np.ones((1, 1, k, k))
    options = {"stride": stride, "dilation": dilation}
    same = tg.conv2d(x, w, padding="same", **options)
    assert same.shape[2:] == (-(-size // stride), -(-(size + 1) // stride))
    span = dilation * (k - 1)
    full = tg.conv2d(x, w, padding="full", **options)
    assert np.array_equal(full, tg.conv2d(x, w, padding=span, **options))
    if span < size:
        valid = tg.conv2d(x, w, padding="valid", **options)
        assert np.array_equal(valid, tg.conv2d(x, w, padding=0, **options))
    up = tg.conv_transpose2d(x, w, padding="same", **options)
    assert up.shape[2:] == (size * stride, (size + 1) * stride)


def test_padding_may_be_an_array():
    x, w, pads = np.ones((1, 1, 5, 5)), np.ones((1, 1, 2, 3)), ((0, 1), (1, 2))
    for convolve in (tg.conv2d, tg.conv_transpose2d):
        assert np.array_equal(convolve(x, w, padding=np.array(pads)), convolve(x, w, padding=pads))


def test_same_padding_puts_the_odd_entry_at_the_high_side():
    x, w = np.arange(1.0, 5).reshape(1, 1, 1, 4), np.array([[[[1.0, 10.0]]]])
    assert tg.conv2d(x, w, padding="same").tolist() == [[[[21.0, 32.0, 43.0, 4.0]]]]


def test_transposed_convolution_of_two_numbers():
    # [a, b] with the filter [x, y, z] at stride 2 is [ax, ay, az + bx, by, bz]
    a, b, x, y, z = 2.0, 3.0, 5.0, 7.0, 11.0
    result = tg.conv_transpose2d([[[a, b]]], [[[[x, y, z]]]], stride=(1, 2))
    assert result.tolist() == [[[a * x, a * y, a * z + b * x, b * y, b * z]]]


@given(configurations())
def test_layouts_of_memory_make_no_difference(case):
    x, w, _, stride, pads, dilation, groups, rng = case
    options = {"stride": stride, "padding": pads, "dilation": dilation, "groups": groups}
    y, pullback = tg.vjp(lambda x, w: tg.conv2d(x, w, **options), x, w)
    g = rng.integers(-4, 5, y.shape) / 4
    expected = pullback(g)

    def disguises(a):
        wide = np.zeros((*a.shape[:-1], 2 * a.shape[-1]))
        wide[..., ::2] = a
        yield np.asfortranarray(a)
        yield wide[..., ::2]
        yield np.ascontiguousarray(a[..., ::-1])[..., ::-1]

    for x_like, w_like, g_like in zip(*map(disguises, (x, w, g)), strict=True):
        for array in (x_like, w_like, g_like):
            array.flags.writeable = False
        value, pullback = tg.vjp(lambda x, w: tg.conv2d(x, w, **options), x_like, w_like)
        assert np.array_equal(value, y)
        for got, want in zip(pullback(g_like), expected, strict=True):
            assert np.array_equal(got, want)
    one = np.broadcast_to(1.0, y.shape)  # the cotangent that a sum sends back
    for got, want in zip(pullback(one), pullback(np.ones(y.shape)), strict=True):
        assert np.array_equal(got, want)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_gradients_have_the_dtype_of_their_argument(dtype):
    x, w = np.ones((1, 2, 4, 5), dtype), np.ones((3, 2, 2, 2), np.float32)
    value, pullback = tg.vjp(tg.conv2d, x, w)
    assert value.dtype == np.result_type(x, w)
    gx, gw = pullback(np.ones(value.shape, value.dtype))
    assert (gx.dtype, gw.dtype) == (x.dtype, w.dtype)


def test_the_primitive_serves_any_number_of_axes():
    rng = np.random.default_rng(0)
    for n in (1, 3, 4):
        x, w = rng.normal(size=(2, 2, *(4,) * n)), rng.normal(size=(2, 1, *(2,) * n))
        geometry = Geometry((2,) * n, ((1, 0),) * n, (2,) * n, (2,) * n, groups=2)
        y = conv(x, w, **geometry._asdict(), algorithm="auto")
        np.testing.assert_allclose(y, conv_by_taps(x, w, geometry), atol=1e-12)


def test_the_gradient_by_the_input_is_what_the_articles_do_by_hand():
    # pad the output gradient by k - 1, mirror the kernel, swap its channels, convolve
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 10, 11, 5)), rng.normal(size=(2, 3, 5, 4))
    y, pullback = tg.vjp(lambda x: tg.conv2d(x, w, layout="NHWC"), x)
    g = rng.normal(size=y.shape)
    padded = np.pad(g, ((0, 0), (1, 1), (2, 2), (0, 0)))
    mirrored = w[::-1, ::-1].swapaxes(2, 3)
    by_hand = np.zeros_like(x)
    for n, i, j, c in product(*map(range, x.shape)):
        by_hand[n, i, j, c] = np.sum(padded[n, i : i + 2, j : j + 3] * mirrored[..., c])
    np.testing.assert_allclose(pullback(g)[0], by_hand, atol=1e-12)


X, W = np.ones((1, 4, 6, 6)), np.ones((6, 4, 3, 3))
MISTAKES = [
    (
        lambda: tg.conv2d(X, W[:, :3]),
        ["conv2d", "input_channels=4", "needed=3", "groups=1", "layout='NCHW'", "Check groups"],
    ),
    (lambda: tg.conv2d(X, W[:, :2], groups=2.0), ["groups=2.0", "positive integer"]),
    (lambda: tg.conv2d(X, W, groups=0), ["groups=0", "positive integer"]),
    (lambda: tg.conv2d(X, W[:5, :2], groups=2), ["channels_of_w=(5, 2)", "divide by groups"]),
    (
        lambda: tg.conv2d(X, W, dilation=3),
        ["dilated_kernel=(7, 7)", "larger than the padded input"],
    ),
    (lambda: tg.conv2d(X[..., :2], W), ["padded_input=(6, 2)", "Pad more"]),
    (lambda: tg.conv2d(X, W[..., :0]), ["kernel=(3, 0)", "must have entries"]),
    (lambda: tg.conv2d(X, W, stride=-1), ["stride=-1", "at least 1"]),
    (lambda: tg.conv2d(X, W, stride=(1, 2, 3)), ["stride=(1, 2, 3)", "or 2 of them"]),
    (lambda: tg.conv2d(X, W, stride=1.5), ["stride=1.5", "integer"]),
    (lambda: tg.conv2d(X, W, dilation=0), ["dilation=0", "at least 1"]),
    (lambda: tg.conv2d(X, W, padding="sane"), ["padding='sane'", "'same', 'valid' or 'full'"]),
    (lambda: tg.conv2d(X, W, padding=(1, 2, 3)), ["padding=(1, 2, 3)", "2 pairs"]),
    (lambda: tg.conv2d(X, W, padding=0.5), ["padding=0.5", "integer"]),
    (lambda: tg.conv2d(X, W, layout="CHWN"), ["layout='CHWN'", "NHWC"]),
    (lambda: tg.conv2d(X[0, 0], W), ["x_shape=(6, 6)", "np.expand_dims"]),
    (lambda: tg.conv2d(X, W[0]), ["w_shape=(4, 3, 3)", "w has four"]),
    (lambda: tg.conv2d(X, W, np.ones(4)), ["b_shape=(4,)", "output_channels=6"]),
    (lambda: tg.conv2d(X, W, np.ones((6, 1, 1))), ["b_shape=(6, 1, 1)", "one entry"]),
    (lambda: tg.conv_transpose2d(X, W), ["conv_transpose2d", "channels_of_w=(6, 4)"]),
    (
        lambda: tg.conv_transpose2d(X, W[:4], output_padding=1),
        ["output_padding=1", "smaller than the stride"],
    ),
    (lambda: tg.conv_transpose2d(X, W[:4], padding=9), ["sides=(-10, -10)", "Use less padding"]),
]


@pytest.mark.parametrize(("call", "parts"), MISTAKES)
def test_mistakes_are_explained(call, parts):
    with pytest.raises(tg.errors.ShapeError) as caught:
        call()
    for part in parts:
        assert part in str(caught.value)
    assert "int64" not in str(caught.value)
