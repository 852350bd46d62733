"""The convolutions against loops that follow their definition, and against PyTorch."""

from functools import partial
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st
from loops import BEYOND, configurations, naive_conv, quarters

import tensorgrad as tg

NUMBERED = {1: tg.conv1d, 2: tg.conv2d, 3: tg.conv3d}
LAST = {1: "NWC", 2: "NHWC", 3: "NDHWC"}
MODES = st.sampled_from(["zeros", *BEYOND])


def kernel_last(w):
    """OI* -> *IO."""
    return np.moveaxis(w, (1, 0), (-2, -1))


@given(configurations(least=-1), MODES)
def test_a_convolution_is_its_definition(case, mode):
    x, w, b, stride, pads, dilation, groups, _ = case
    expected = naive_conv(x, w, b, stride, pads, dilation, groups, mode)
    options = {
        "stride": stride,
        "padding": pads,
        "dilation": dilation,
        "groups": groups,
        "padding_mode": mode,
    }
    n = len(stride)
    convolve = NUMBERED[n]
    y = convolve(tg.tensor(x), w, b, **options)
    assert np.array_equal(y.numpy(), expected)  # quarters: sums are exact in any order
    for layout in (LAST[n], "N*C"):
        last = convolve(np.moveaxis(x, 1, -1), kernel_last(w), b, layout=layout, **options)
        assert np.array_equal(np.moveaxis(last, -1, 1), expected)
        last = tg.conv(np.moveaxis(x, 1, -1), kernel_last(w), b, layout=layout, **options)
        assert np.array_equal(np.moveaxis(last, -1, 1), expected)
    assert np.array_equal(tg.conv(x, w, b, algorithm="direct", **options), expected)
    for image, result in zip(x, expected, strict=True):
        assert np.array_equal(convolve(image, w, b, **options), result)
        last = convolve(np.moveaxis(image, 0, -1), kernel_last(w), b, layout=LAST[n], **options)
        assert np.array_equal(np.moveaxis(last, -1, 0), result)


def test_four_axes():
    rng = np.random.default_rng(0)
    x, w, b = quarters(rng, 2, 2, 3, 2, 4, 3), quarters(rng, 4, 1, 2, 1, 3, 2), quarters(rng, 4)
    stride, pads, dilation = (1, 2, 2, 1), ((1, 0), (0, 1), (1, 1), (0, 0)), (1, 2, 1, 2)
    options = {"stride": stride, "padding": pads, "dilation": dilation, "groups": 2}
    expected = naive_conv(x, w, b, stride, pads, dilation, 2)
    assert np.array_equal(tg.conv(x, w, b, **options), expected)
    last = tg.conv(np.moveaxis(x, 1, -1), kernel_last(w), b, layout="N*C", **options)
    assert np.array_equal(np.moveaxis(last, -1, 1), expected)


def second_order(convolve, x, w, b, g, options):
    """Return the value, the gradient for g, and the gradient of its cubes by g, x and w."""
    value, pullback = tg.vjp(lambda x, w, b: convolve(x, w, b, **options), x, w, b)

    def cubes(g, x, w):
        _, pullback = tg.vjp(lambda x, w: convolve(x, w, b, **options), x, w)
        return sum(np.sum(part**3) for part in pullback(g))

    return value, *pullback(g), *tg.grad(cubes, (0, 1, 2))(g, x, w)


def torch_second_order(torch, convolve, x, w, b, g, options):
    """The same by PyTorch; convolve takes and returns its tensors."""
    leaves = [torch.tensor(a, requires_grad=True) for a in (x, w, b)]
    y = convolve(*leaves, **options)
    g = torch.tensor(g, requires_grad=True)
    first = torch.autograd.grad(y, leaves, g, create_graph=True)
    wrt = [g, *leaves[:2]]
    total = sum((part**3).sum() for part in first[:2])
    second = torch.autograd.grad(total, wrt, allow_unused=True)  # an empty batch uses nothing
    second = [torch.zeros_like(a) if s is None else s for a, s in zip(wrt, second, strict=True)]
    return [a.detach().numpy() for a in (y, *first, *second)]


@given(configurations(symmetric=True))
def test_second_order_is_that_of_torch(case):
    torch = pytest.importorskip("torch", reason="the bench extra is not installed")
    x, w, b, stride, pads, dilation, groups, rng = case
    n = len(stride)
    options = {
        "stride": stride,
        "padding": tuple(low for low, _ in pads),
        "dilation": dilation,
        "groups": groups,
    }
    g = quarters(rng, *tg.conv(x, w, **options).shape)
    theirs = torch_second_order(
        torch, getattr(torch.nn.functional, f"conv{n}d"), x, w, b, g, options
    )
    ours = second_order(NUMBERED[n], x, w, b, g, options)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-9, rtol=1e-9)


@settings(max_examples=50)
@given(configurations(symmetric=True), st.sampled_from(["reflect", "replicate", "circular"]))
def test_borders_to_second_order_are_those_of_torch(case, mode):
    torch = pytest.importorskip("torch", reason="the bench extra is not installed")
    x, w, b, stride, pads, dilation, groups, rng = case
    n, sides = len(stride), x.shape[2:]
    padding = tuple(low for low, _ in pads)
    farthest = [side - (mode == "reflect") for side in sides]  # that PyTorch goes
    assume(mode == "replicate" or all(p <= f for p, f in zip(padding, farthest, strict=True)))
    assume(len(x))  # it has no border of an empty batch
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    layer = getattr(torch.nn, f"Conv{n}d")(
        x.shape[1], w.shape[0], w.shape[2:], padding_mode=mode, dtype=torch.float64, **options
    )

    def theirs(x, w, b):
        return torch.func.functional_call(layer, {"weight": w, "bias": b}, (x,))

    options["padding_mode"] = mode
    g = quarters(rng, *tg.conv(x, w, **options).shape)
    expected = torch_second_order(torch, theirs, x, w, b, g, {})
    for mine, other in zip(second_order(tg.conv, x, w, b, g, options), expected, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-9, rtol=1e-9)


# ---- padding ------------------------------------------------------------------------------------


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
    causal = tg.conv1d(x[..., 0], w[..., 0], padding="causal", **options)
    shifted = tg.conv1d(x[..., 0], w[..., 0], padding=((span, 0),), **options)
    assert np.array_equal(causal, shifted)
    if span < size:
        valid = tg.conv2d(x, w, padding="valid", **options)
        assert np.array_equal(valid, tg.conv2d(x, w, padding=0, **options))


@given(st.integers(1, 7), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
def test_no_causal_result_sees_the_future(size, k, stride, dilation):
    def convolve(x):
        return tg.conv1d(
            x[np.newaxis], np.ones((1, 1, k)), padding="causal", stride=stride, dilation=dilation
        )[0]

    seen = np.asarray(tg.jacobian(convolve)(np.zeros(size))) != 0
    now = stride * np.arange(len(seen))  # the entry that a result is about
    assert len(seen) == -(-size // stride)
    assert not np.triu(np.ones((size, size)), 1)[now][seen].any()
    assert seen[np.arange(len(seen)), now].all()


def test_padding_may_be_an_array():
    x, w, pads = np.ones((1, 1, 5, 5)), np.ones((1, 1, 2, 3)), ((0, 1), (1, 2))
    for convolve in (tg.conv2d, tg.conv_transpose2d):
        assert np.array_equal(convolve(x, w, padding=np.array(pads)), convolve(x, w, padding=pads))


def test_same_padding_puts_the_odd_entry_at_the_high_side():
    assert tg.conv1d([[1, 2, 3, 4]], [[[1, 10]]], padding="same").tolist() == [[21, 32, 43, 4]]


def test_borders_go_on_as_far_as_padding_asks_for():
    def border(mode, low, high, entries=(1, 2, 3)):
        options = {"padding": ((low, high),), "padding_mode": mode}
        return tg.conv1d([list(entries)], [[[1]]], **options)[0].tolist()

    assert border("reflect", 5, 4) == [2, 1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3]
    assert border("circular", 4, 4) == [3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1]
    assert border("circular", 2, -2) == [2, 3, 1]  # what is cropped may stand beyond the border
    assert border("replicate", -1, 2) == border("edge", -1, 2) == [2, 3, 3, 3]
    assert border("reflect", 2, 1, [7]) == [7, 7, 7, 7]


# ---- forms of arguments -------------------------------------------------------------------------


@given(configurations())
def test_layouts_of_memory_make_no_difference(case):
    x, w, _, stride, pads, dilation, groups, rng = case
    options = {"stride": stride, "padding": pads, "dilation": dilation, "groups": groups}
    y, pullback = tg.vjp(lambda x, w: tg.conv(x, w, **options), x, w)
    g = quarters(rng, *y.shape)
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
        value, pullback = tg.vjp(lambda x, w: tg.conv(x, w, **options), x_like, w_like)
        assert np.array_equal(value, y)
        for got, want in zip(pullback(g_like), expected, strict=True):
            assert np.array_equal(got, want)
    one = np.broadcast_to(1.0, y.shape)  # the cotangent that a sum sends back
    for got, want in zip(pullback(one), pullback(np.ones(y.shape)), strict=True):
        assert np.array_equal(got, want)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize("convolve", [tg.conv2d, tg.conv_transpose2d])
def test_gradients_have_the_dtype_of_their_argument(convolve, dtype):
    x, w, b = np.ones((1, 2, 4, 5), dtype), np.ones((2, 2, 2, 2), "f4"), np.ones(2, "f4")
    value, pullback = tg.vjp(convolve, x, w, b)
    assert value.dtype == np.result_type(x, w)
    gradients = pullback(np.ones(value.shape, value.dtype))
    assert [g.dtype for g in gradients] == [x.dtype, w.dtype, b.dtype]


@pytest.mark.parametrize(
    ("convolve", "options"),
    [(tg.conv, {}), (tg.conv1d, {"padding_mode": "circular"}), (tg.conv_transpose, {})],
)
def test_dtypes_and_lists_are_taken_as_numpy_takes_them(convolve, options):
    options = {"padding": 1, **options}
    x, w, b = [[1, 2, 4, 8]], [[[1, 2, 1]]], [3]
    expected = convolve(np.array(x, float), np.array(w, float), np.array(b, float), **options)
    for dtypes in product(["i8", "i1", "u1", "f2", "f4", "c8"], repeat=3):
        arrays = [np.array(a, dtype) for a, dtype in zip((x, w, b), dtypes, strict=True)]
        y = convolve(*arrays, **options)
        assert y.dtype == np.result_type(np.result_type(*dtypes[:2]), dtypes[2])
        assert np.array_equal(y, expected)
    y = convolve(x, w, b, **options)
    assert y.dtype.kind == "i"
    assert np.array_equal(y, expected)


def test_every_channel_for_itself():
    rng = np.random.default_rng(0)
    x, w = quarters(rng, 2, 5, 6, 6), quarters(rng, 5, 1, 3, 3)
    y = tg.conv2d(x, w, groups=5, padding="same")
    for c in range(5):
        assert np.array_equal(
            y[:, c : c + 1], tg.conv2d(x[:, c : c + 1], w[c : c + 1], padding="same")
        )


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


# ---- mistakes -----------------------------------------------------------------------------------

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
    (lambda: tg.conv2d(X, W, padding=-2), ["padded_input=(2, 2)", "Pad more"]),
    (lambda: tg.conv2d(X, W[..., :0]), ["kernel=(3, 0)", "must have entries"]),
    (lambda: tg.conv2d(X, W, stride=-1), ["stride=-1", "at least 1"]),
    (
        lambda: tg.conv2d(X, W, stride=(1, 2, 3)),
        ["stride=(1, 2, 3)", "or 2 of them", "Pass stride=(1, 1), for example"],
    ),
    (lambda: tg.conv2d(X, W, stride=1.5), ["stride=1.5", "integer"]),
    (lambda: tg.conv2d(X, W, dilation=0), ["dilation=0", "at least 1"]),
    (lambda: tg.conv2d(X, W, padding="sane"), ["padding='sane'", "'same', 'valid' or 'full'"]),
    (lambda: tg.conv2d(X, W, padding=(1, 2, 3)), ["padding=(1, 2, 3)", "2 pairs"]),
    (lambda: tg.conv2d(X, W, padding=0.5), ["padding=0.5", "integer"]),
    (
        lambda: tg.conv2d(X, W, padding="causal"),
        ["padding='causal'", "one spatial axis", "spatial_axes=2", "(dilation * (k - 1), 0)"],
    ),
    (
        lambda: tg.conv1d(X[..., 0], W[..., 0], padding=(1, 0)),
        ["padding=(1, 0)", "'causal'", "((0, 1),)"],
    ),
    (lambda: tg.conv2d(X, W, layout="CHWN"), ["layout='CHWN'", "'NHWC'", "OI*", "*IO"]),
    (
        lambda: tg.conv1d(X[..., 0], W[..., 0], layout="NHWC"),
        ["conv1d", "layout='NHWC'", "'NCW', 'NWC'"],
    ),
    (lambda: tg.conv(X, W, layout="NWC"), ["conv: layout='NWC'", "'NC*', 'N*C', 'NCHW', 'NHWC'"]),
    (lambda: tg.conv2d(X, W, layout=None), ["layout=None", "'NCHW'"]),
    (lambda: tg.conv2d(X[0, 0], W), ["x_shape=(6, 6)", "np.expand_dims"]),
    (lambda: tg.conv2d(X, W[0]), ["w_shape=(4, 3, 3)", "w has 4"]),
    (lambda: tg.conv3d(X, W), ["conv3d", "x has 5 axes, or 4 without the batch"]),
    (lambda: tg.conv(X, W[0]), ["x has 3 axes", "x_shape=(1, 4, 6, 6)"]),
    (lambda: tg.conv([1.0], [1.0]), ["conv: w_shape=(1,)", "at least one"]),
    (lambda: tg.conv2d(X, W, np.ones(4)), ["b_shape=(4,)", "output_channels=6"]),
    (lambda: tg.conv2d(X, W, np.ones((6, 1, 1))), ["b_shape=(6, 1, 1)", "one entry"]),
    (
        lambda: tg.conv2d(X, W, padding_mode="symmetric"),
        ["padding_mode='symmetric'", "'zeros', 'reflect', 'replicate', 'edge', 'circular'"],
    ),
    (
        lambda: tg.conv2d(X[..., :0], W, padding=2, padding_mode="circular"),
        ["input_size=(6, 0)", "padding_mode='circular'", "without entries"],
    ),
]


@pytest.mark.parametrize(("call", "parts"), MISTAKES)
def test_mistakes_are_explained(call, parts):
    with pytest.raises(tg.errors.ShapeError) as caught:
        call()
    for part in parts:
        assert part in str(caught.value)
    assert "int64" not in str(caught.value)


@pytest.mark.parametrize("convolve", [tg.conv, tg.conv2d, tg.conv_transpose, tg.conv_transpose2d])
def test_an_unknown_algorithm(convolve):
    with pytest.raises(tg.errors.UnsupportedError, match=rf"^{convolve.__name__}: algo.*'quick'"):
        convolve(X, np.ones((4, 4, 3, 3)), algorithm="quick")


@pytest.mark.parametrize("algorithm", ["auto", "direct", "taps"])
@pytest.mark.parametrize("convolve", [tg.conv2d, partial(tg.conv_transpose2d, stride=2)])
@pytest.mark.parametrize("dtype", ["O", "U3", "m8[s]"])
def test_entries_are_numbers(convolve, dtype, algorithm):
    x, w = X.astype(int).astype(dtype), np.ones((4, 4, 3, 3), int).astype(dtype)
    with pytest.raises(tg.errors.UnsupportedError, match=r"^conv: dtype=.*x\.astype\(float\)"):
        convolve(x, w, algorithm=algorithm)


# ---- accuracy -----------------------------------------------------------------------------------

# channels of the input, sides, channels of the result, kernel, stride, groups: as in networks
LAYERS = [
    (3, 64, 16, 7, 2, 1),
    (64, 28, 32, 3, 1, 1),
    (256, 14, 16, 3, 1, 1),
    (512, 7, 16, 3, 1, 1),
    (512, 7, 32, 1, 1, 1),
    (64, 14, 64, 3, 2, 8),
    (16, 56, 16, 5, 1, 16),
    (4, 40, 4, 21, 1, 4),
]


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(("dtype", "bound"), [("f4", 2e-5), ("f8", 1e-13)])
def test_the_fastest_is_accurate_where_networks_are_large(layer, dtype, bound):
    channels, side, outs, k, stride, groups = layer
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, channels, side, side)).astype(dtype)
    w = rng.normal(size=(outs, channels // groups, k, k)).astype(dtype)
    options = {"stride": stride, "padding": k // 2, "groups": groups}

    def derivatives(x, w, g, algorithm):
        y, pullback = tg.vjp(lambda x, w: tg.conv2d(x, w, algorithm=algorithm, **options), x, w)
        return y, *pullback(g)

    g = rng.normal(size=tg.conv2d(x, w, **options).shape).astype(dtype)
    exact = derivatives(*(a.astype(np.longdouble) for a in (x, w, g)), "taps")
    for found, expected in zip(derivatives(x, w, g, "auto"), exact, strict=True):
        assert found.dtype == dtype
        assert np.max(abs(found - expected)) <= bound * np.max(abs(expected))


@pytest.mark.parametrize("number", [2**31, 2**32 - 1, 2**32, 2**33])
def test_numbers_beyond_those_of_32_bits(number):
    x, one = np.arange(1.0, 4.0).reshape(1, 1, 3), np.ones((1, 1, 1))
    # of the windows at -number, 0, number ... only one meets the input
    y = tg.conv1d(x, one, stride=number, padding=number)
    np.testing.assert_array_equal(y, [[[0.0, 1.0, 0.0]]])
    y = tg.conv1d(x, one, padding=((number, 2 - number),))
    np.testing.assert_array_equal(y, np.zeros((1, 1, 5)))
    y = tg.conv1d(x, one, dilation=number)
    np.testing.assert_array_equal(y, x)
