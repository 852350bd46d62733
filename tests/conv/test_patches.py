"""im2col, col2im and windows: against loops, PyTorch, convolutions, and a layer made by hand."""

from itertools import product
from math import prod

import numpy as np
import pytest
from hypothesis import assume, given
from loops import configurations, quarters
from numpy.lib.stride_tricks import sliding_window_view

import tensorgrad as tg
from tensorgrad.errors import ShapeError, UnsupportedError


def patch_entries(sides, kernel, stride, pads, dilation):
    """Yield row, column and place of every entry of a patch that is inside of the image."""
    out = [
        (i + low + high - d * (k - 1) - 1) // s + 1
        for i, k, s, (low, high), d in zip(sides, kernel, stride, pads, dilation, strict=True)
    ]
    for (row, k), (column, j) in product(
        enumerate(np.ndindex(*kernel)), enumerate(np.ndindex(*out))
    ):
        place = tuple(
            s * jj + d * kk - low
            for s, jj, d, kk, (low, _) in zip(stride, j, dilation, k, pads, strict=True)
        )
        if all(0 <= p < i for p, i in zip(place, sides, strict=True)):
            yield row, column, place


def naive_im2col(x, patches, *where):
    n, c, *sides = x.shape
    columns = np.zeros((n, c, prod(where[0]), patches))
    for row, column, place in patch_entries(sides, *where):
        columns[:, :, row, column] = x[(..., *place)]
    return columns.reshape(n, -1 if columns.size else c * prod(where[0]), patches)


def naive_col2im(columns, sides, *where):
    n, rows, patches = columns.shape
    c = rows // prod(where[0])
    parts, x = columns.reshape(n, c, rows // c, patches), np.zeros((n, c, *sides))
    for row, column, place in patch_entries(sides, *where):
        x[(..., *place)] += parts[:, :, row, column]
    return x


@given(configurations(least=-2))
def test_patches_are_their_definition(case):
    x, w, _, stride, pads, dilation, _, rng = case
    sides, kernel = x.shape[2:], w.shape[2:]
    options = {"stride": stride, "padding": pads, "dilation": dilation}
    columns = tg.im2col(tg.tensor(x), kernel, **options)
    where = kernel, stride, pads, dilation
    assert np.array_equal(columns.numpy(), naive_im2col(x, columns.shape[-1], *where))
    c = quarters(rng, *columns.shape)
    image = tg.col2im(tg.tensor(c), sides, kernel, **options)
    assert np.array_equal(image.numpy(), naive_col2im(c, sides, *where))
    for one, its_columns, its_c, its_image in zip(x, columns, c, image, strict=True):
        assert np.array_equal(tg.im2col(one, kernel, **options), its_columns.numpy())
        assert np.array_equal(tg.col2im(its_c, sides, kernel, **options), its_image.numpy())


@given(configurations(least=-2))
def test_each_is_the_transpose_of_the_other(case):
    x, w, _, stride, pads, dilation, _, rng = case
    sides, kernel = x.shape[2:], w.shape[2:]
    options = {"stride": stride, "padding": pads, "dilation": dilation}

    def read(x):
        return tg.im2col(x, kernel, **options)

    def add(columns):
        return tg.col2im(columns, sides, kernel, **options)

    columns, pull_to_image = tg.vjp(read, x)
    c = quarters(rng, *columns.shape)
    image, pull_to_columns = tg.vjp(add, c)
    assert np.vdot(columns, c) == np.vdot(x, image)  # quarters: sums are exact in any order
    assert np.array_equal(pull_to_image(c)[0], image)
    assert np.array_equal(pull_to_columns(x)[0], columns)
    assert np.array_equal(tg.jvp(read, (0 * x,), (x,))[1], columns)
    assert np.array_equal(tg.jvp(add, (0 * c,), (c,))[1], image)


@given(configurations(symmetric=True))
def test_patches_are_those_of_torch(case):
    torch = pytest.importorskip("torch", reason="the bench extra is not installed")
    x, w, _, stride, pads, dilation, _, rng = case
    n = len(stride)
    assume(n < 3)  # PyTorch takes two axes
    padding = tuple(low for low, _ in pads)
    names = ("stride", "padding", "dilation")
    ours = dict(zip(names, (stride, padding, dilation), strict=True))
    first = (1,) * (2 - n)
    theirs = {name: (0 if name == "padding" else 1,) * (2 - n) + ours[name] for name in names}
    size, kernel = first + x.shape[2:], first + w.shape[2:]
    images = torch.tensor(x.reshape(*x.shape[:2], *size))
    columns = tg.im2col(x, w.shape[2:], **ours)
    unfolded = torch.nn.functional.unfold(images, kernel, **theirs)
    assert np.array_equal(columns, unfolded.numpy())
    c = quarters(rng, *columns.shape)
    folded = torch.nn.functional.fold(torch.tensor(c), size, kernel, **theirs)
    assert np.array_equal(tg.col2im(c, x.shape[2:], w.shape[2:], **ours), folded.reshape(x.shape))


@given(configurations())
def test_a_product_with_patches_is_a_convolution_to_second_order(case):
    x, w, _, stride, pads, dilation, groups, rng = case
    x, w = x[:, : w.shape[1]], w[: w.shape[0] // groups]
    options = {"stride": stride, "padding": pads, "dilation": dilation}
    shape = tg.conv(x, w, **options).shape

    def product_with_patches(x, w):
        columns = tg.im2col(x, w.shape[2:], **options)
        weights = np.reshape(w, (w.shape[0], columns.shape[1]))
        return np.reshape(weights @ columns, shape)

    def convolution(x, w):
        return tg.conv(x, w, algorithm="direct", **options)

    def to_second_order(function):
        def cubes(g, x, w):
            return sum(np.sum(part**3) for part in tg.vjp(function, x, w)[1](g))

        y, pullback = tg.vjp(function, x, w)
        return y, *pullback(g), *tg.grad(cubes, (0, 1, 2))(g, x, w)

    g = quarters(rng, *shape)
    found, expected = map(to_second_order, (product_with_patches, convolution))
    for a, b in zip(found, expected, strict=True):
        assert np.array_equal(a, b)


class HandWrittenLayer:
    """A convolution as courses teach it: both passes are written with patches."""

    def __init__(self, w, b, stride, padding):
        self.w, self.b = w, b
        self.options = {"stride": stride, "padding": padding}

    def forward(self, x):
        n, (o, _, *kernel) = x.shape[0], self.w.shape
        self.sides, self.columns = x.shape[2:], tg.im2col(x, kernel, **self.options)
        out = tg.conv_output_size(self.sides, kernel, **self.options)
        y = np.reshape(self.w, (o, -1)) @ self.columns + self.b[:, None]
        return np.reshape(y, (n, o, *out))

    def backward(self, g):
        o, _, *kernel = self.w.shape
        g = g.reshape(len(g), o, -1)
        w = (g @ self.columns.swapaxes(1, 2)).sum(axis=0).reshape(self.w.shape)
        columns = self.w.reshape(o, -1).T @ g
        x = tg.col2im(columns, self.sides, kernel, **self.options)
        return x, w, g.sum(axis=(0, 2))


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("kernel", [(3, 3), (2, 3), (1, 1)])
def test_a_layer_by_hand_and_its_automatic_backward(stride, padding, kernel):
    rng = np.random.default_rng(0)
    x, w, b = quarters(rng, 2, 3, 6, 5), quarters(rng, 4, 3, *kernel), quarters(rng, 4)
    layer = HandWrittenLayer(w, b, stride, padding)
    y = layer.forward(x)
    g = quarters(rng, *y.shape)
    by_hand = layer.backward(g)
    recorded = [tg.tensor(a, requires_grad=True) for a in (x, w, b)]
    automatic = HandWrittenLayer(*recorded[1:], stride, padding).forward(recorded[0])
    (automatic * g).sum().backward()
    of_the_library = tg.vjp(
        lambda x, w, b: tg.conv2d(x, w, b, stride=stride, padding=padding, algorithm="direct"),
        *(x, w, b),
    )
    assert np.array_equal(automatic.numpy(), y)
    assert np.array_equal(of_the_library[0], y)
    for leaf, mine, other in zip(recorded, by_hand, of_the_library[1](g), strict=True):
        assert np.array_equal(leaf.grad.numpy(), mine)
        assert np.array_equal(other, mine)


def test_patches_that_overlap_are_counted():
    ones = np.ones((1, 2, 5, 4))
    counts = tg.col2im(tg.im2col(ones, 3), (5, 4), 3)
    assert np.array_equal(counts, [[np.outer([1, 2, 3, 2, 1], [1, 2, 2, 1])] * 2])
    apart = tg.col2im(tg.im2col(ones, 2, stride=3), (5, 4), 2, stride=3)
    assert np.array_equal(apart, [[np.outer([1, 1, 0, 1, 1], [1, 1, 0, 0])] * 2])


@pytest.mark.parametrize("padding", ["same", "valid", "full", "causal", 1, ((2, -1),), [1]])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("side", [5, 8])
def test_padding_means_what_it_means_to_a_convolution(padding, stride, side):
    rng = np.random.default_rng(1)
    x, w = quarters(rng, 2, 3, side), quarters(rng, 4, 3, 2)
    options = {"stride": stride, "padding": padding, "dilation": 2}
    y, pullback = tg.vjp(lambda x: tg.conv1d(x, w, algorithm="direct", **options), x)
    assert np.array_equal(w.reshape(4, 6) @ tg.im2col(x, (2,), **options), y)
    g = quarters(rng, *y.shape)
    back = tg.col2im(w.reshape(4, 6).T @ g, (side,), (2,), **options)
    assert np.array_equal(back, pullback(g)[0])


@given(configurations())
def test_windows_of_numpy_are_patches(case):
    x, w, _, _, _, _, _, rng = case
    kernel = tuple(min(k, i) for k, i in zip(w.shape[2:], x.shape[2:], strict=True))
    n = len(kernel)

    def by_windows(x, windows=sliding_window_view):
        y = windows(x, kernel, tuple(range(2, 2 + n)))  # (n, c, *o, *k)
        y = np.moveaxis(y, range(2, 2 + n), range(-n, 0))
        return np.reshape(y, (y.shape[0], y.shape[1] * prod(kernel), prod(y.shape[2 + n :])))

    y, pullback = tg.vjp(by_windows, x)
    columns, pull_patches = tg.vjp(lambda x: tg.im2col(x, kernel), x)
    assert np.array_equal(y, columns)
    assert np.array_equal(by_windows(tg.tensor(x), tg.sliding_window_view).numpy(), columns)
    g = quarters(rng, *y.shape)
    assert np.array_equal(pullback(g)[0], pull_patches(g)[0])


def test_windows_that_slide_along_one_axis_several_times():
    x = quarters(np.random.default_rng(2), 6)
    y, pullback = tg.vjp(lambda x: sliding_window_view(x, (2, 3), (0, 0)), x)
    assert np.array_equal(y, sliding_window_view(x, (2, 3), (0, 0)))
    assert np.array_equal(pullback(np.ones((3, 2, 3)))[0], [1, 3, 5, 5, 3, 1])


def test_windows_of_a_recorded_tensor_are_read_only():
    x = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    with pytest.raises(UnsupportedError, match=r"sliding_window_view: writeable=True"):
        tg.sliding_window_view(x, 2, writeable=True)
    with pytest.raises(ValueError, match="read-only"):
        tg.sliding_window_view(x, 2).numpy()[0] = 7.0


def test_integers_stay_integers():
    columns = tg.im2col(np.arange(6).reshape(1, 6), (2,), stride=2, padding=1)
    assert columns.dtype == int
    assert columns.tolist() == [[0, 1, 3, 5], [0, 2, 4, 0]]
    assert tg.col2im(columns, (6,), (2,), stride=2, padding=1).tolist() == [[0, 1, 2, 3, 4, 5]]


IMAGES, COLUMNS = np.ones((2, 3, 5, 4)), np.ones((2, 12, 12))
BAD = {
    "x has 6 axes, or 5 without the batch": lambda: tg.im2col(IMAGES, (2, 2, 2, 2)),
    "one integer for each spatial axis": lambda: tg.im2col(np.ones((1, 2, 3, 4, 5)), 2),
    "must not be larger than the padded input": lambda: tg.im2col(IMAGES, (5, 5)),
    r"kernel_size=\(\)": lambda: tg.im2col(IMAGES, ()),
    "kernel_size=0": lambda: tg.im2col(IMAGES, 0),
    "stride=0": lambda: tg.im2col(IMAGES, 2, stride=0),
    r"dilation=\(1, -1\)": lambda: tg.im2col(IMAGES, 2, dilation=(1, -1)),
    "padding='some'": lambda: tg.im2col(IMAGES, 2, padding="some"),
    r"padded_input=\(1, 0\)": lambda: tg.im2col(IMAGES, 2, padding=-2),
    r"columns_shape=\(2, 12, 12\), entries_of_a_patch=5": lambda: tg.col2im(
        COLUMNS, (12, 5), (1, 5)
    ),
    "patches=16": lambda: tg.col2im(COLUMNS, 5, 2),
    "entries_of_a_patch=8": lambda: tg.col2im(COLUMNS, (5, 2, 4), 2 * np.ones(3, int)),
    "columns is": lambda: tg.col2im(COLUMNS[0, 0], (5, 4), 2),
    r"output_size=\(5, 4, 3\)": lambda: tg.col2im(COLUMNS, (5, 4, 3), 2),
    r"output_size=\(0, 4\)": lambda: tg.col2im(COLUMNS, (0, 4), 2),
    "windows?_shape=7": lambda: tg.sliding_window_view(IMAGES, 7, axis=2),
    r"window_shape=\(2, 2\)": lambda: sliding_window_view(tg.tensor(IMAGES), (2, 2)),
    r"window_shape=\(-1, 2\)": lambda: tg.sliding_window_view(IMAGES, (-1, 2), axis=(2, 3)),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_arguments(message):
    with pytest.raises(
        ShapeError, match=rf"^(im2col|col2im|np\..*sliding_window_view): .*{message}"
    ):
        BAD[message]()
