"""The arithmetic of sizes against windows that are counted, and against the convolutions."""

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from loops import configurations

import tensorgrad as tg
from tensorgrad.conv.sizes import conv_transpose_output_padding, receptive_span
from tensorgrad.errors import ShapeError

NAMES = ["valid", "same", "full", "causal"]
small = st.integers(1, 5)
paddings = st.one_of(st.sampled_from(NAMES), st.tuples(st.integers(-2, 4), st.integers(-2, 4)))


def padding_of(padding):
    """Return the argument for one axis."""
    return padding if isinstance(padding, str) else (padding,)


def windows(i, k, s, d, low, high):
    """Count the places, s apart, from which the taps, d apart, stay within the padded input."""
    inside = range(-low, i + high)
    return sum(
        all(p + d * tap in inside for tap in range(k))
        for p in inside
        if (p - inside.start) % s == 0
    )


def pads(i, k, s, d, padding):
    """Return (low, high), found by what the names promise."""
    reach = d * (k - 1)
    if padding == "same":  # the least zeros with which there are ceil(i / s) windows
        total = next(t for t in range(99) if windows(i, k, s, d, 0, t) == -(-i // s))
        return total // 2, (total + 1) // 2
    named = {"valid": (0, 0), "full": (reach, reach), "causal": (reach, 0)}
    return named[padding] if isinstance(padding, str) else padding


@given(st.integers(1, 9), small, small, small, paddings)
def test_output_sizes_count_windows(i, k, s, d, padding):
    options = {"stride": s, "dilation": d, "padding": padding_of(padding)}
    low, high = pads(i, k, s, d, padding)
    assert tg.conv_padding(i, k, **options) == (low, high)
    count = windows(i, k, s, d, low, high)
    if count:
        assert tg.conv_output_size(i, k, **options) == count
    else:
        with pytest.raises(ShapeError, match="larger than the padded input"):
            tg.conv_output_size(i, k, **options)


@given(small, small, small, small, paddings)
def test_input_sizes_are_those_with_so_many_windows(o, k, s, d, padding):
    options = {"stride": s, "dilation": d, "padding": padding_of(padding)}
    sizes = tg.conv_input_sizes(o, k, **options)
    # beyond 60, there are more windows than 5, 5 apart
    assert list(sizes) == [
        i for i in range(1, 61) if windows(i, k, s, d, *pads(i, k, s, d, padding)) == o
    ]
    assume(padding != "causal")  # of which no transpose goes by this name
    x, w = np.ones((1, o)), np.ones((1, 1, k))
    for size in sizes:
        assert tg.conv_transpose(x, w, output_size=size, **options).shape == (1, size)
        extra = conv_transpose_output_padding(o, k, size, **options)
        explicit = {**options, "padding": (pads(size, k, s, d, padding),)}
        assert tg.conv_transpose_output_size(o, k, output_padding=extra, **explicit) == size
    for size in {1, sizes.start - 1, sizes.stop} - {0, *sizes}:
        with pytest.raises(ShapeError, match=rf"output_size=\({size},\)"):
            tg.conv_transpose(x, w, output_size=size, **options)


@given(configurations(least=-1), st.sampled_from(["as drawn", "same", "full"]))
def test_sizes_of_several_axes_are_those_of_convolutions(case, padding):
    x, w, _, stride, pads, dilation, groups, _ = case
    assume(len(x))
    options = {"stride": stride, "dilation": dilation, "padding": padding}
    if padding == "as drawn":
        options["padding"] = pads
    sides, kernel = x.shape[2:], w.shape[2:]
    y = tg.conv(x, w, groups=groups, **options)
    assert tg.conv_output_size(sides, kernel, **options) == y.shape[2:]
    assert tg.conv_output_size(np.array(sides), list(kernel), **options) == y.shape[2:]
    found = zip(tg.conv_input_sizes(y.shape[2:], kernel, **options), sides, strict=True)
    assert all(side in sizes for sizes, side in found)
    explicit = {**options, "padding": tg.conv_padding(sides, kernel, **options)}
    assert np.array_equal(tg.conv(x, w, groups=groups, **explicit), y)
    extra = conv_transpose_output_padding(y.shape[2:], kernel, sides, **options)
    back = tg.conv_transpose(y, w, groups=groups, output_padding=extra, **explicit)
    assert back.shape == x.shape
    size = tg.conv_transpose_output_size(y.shape[2:], kernel, output_padding=extra, **explicit)
    assert size == sides


def test_sizes_of_torch():
    torch = pytest.importorskip("torch", reason="the bench extra is not installed")
    rng = np.random.default_rng(0)
    for _ in range(40):
        i, k, s, d, p = (int(rng.integers(low, 7)) for low in (4, 1, 1, 1, 0))
        options = {"stride": s, "dilation": d, "padding": p}
        weights = torch.ones(1, 1, k)
        if i + 2 * p > d * (k - 1):
            y = torch.nn.functional.conv1d(torch.ones(1, 1, i), weights, **options)
            assert tg.conv_output_size(i, k, **options) == y.shape[2]
        extra = int(rng.integers(0, max(s, d)))
        options["output_padding"] = extra
        if (i - 1) * s + d * (k - 1) + 1 - 2 * p + extra > 0:
            y = torch.nn.functional.conv_transpose1d(torch.ones(1, 1, i), weights, **options)
            assert tg.conv_transpose_output_size(i, k, **options) == y.shape[2]


@given(small, small)
def test_a_span_is_that_of_the_taps(k, d):
    taps = [d * tap for tap in range(k)]
    assert receptive_span(k, dilation=d) == taps[-1] - taps[0] + 1
    assert receptive_span((k, 3), dilation=(d, 2)) == (taps[-1] - taps[0] + 1, 5)


MISTAKES = [
    (
        lambda: tg.conv_output_size((5, 6), 3, padding=-2),
        ["conv_output_size", "kernel=(3, 3)", "padded_input=(1, 2)"],
    ),
    (lambda: tg.conv_output_size(5.0, 3), ["input_size=5.0", "at least 0"]),
    (lambda: tg.conv_output_size((), 3), ["input_size=()", "1 of them"]),
    (lambda: tg.conv_output_size((5, 6), (1, 2, 3)), ["kernel_size=(1, 2, 3)", "or 2 of them"]),
    (lambda: tg.conv_output_size(5, 3, stride=0), ["stride=0"]),
    (lambda: tg.conv_output_size(5, 3, dilation=(1, 1)), ["dilation=(1, 1)"]),
    (lambda: tg.conv_padding(5, 3, padding="some"), ["conv_padding", "'causal', 'same'"]),
    (lambda: tg.conv_padding((5, 5), 3, padding="causal"), ["one spatial axis"]),
    (lambda: tg.conv_input_sizes(0, 3), ["conv_input_sizes", "output_size=0", "at least 1"]),
    (
        lambda: tg.conv_transpose_output_size(2, 3, padding=4),
        ["conv_transpose_output_size", "sides=(-4,)", "Use less padding"],
    ),
    (
        lambda: conv_transpose_output_padding(4, 3, 6, stride=2, padding=1),
        ["conv_transpose_output_padding", "output_size=(6,)", "7 to 8"],
    ),
    (
        lambda: conv_transpose_output_padding(1, 3, 1, padding="full"),
        ["output_size=(1,)", "none"],
    ),
    (lambda: receptive_span(3, dilation=0), ["receptive_span", "dilation=0"]),
]


@pytest.mark.parametrize(("call", "parts"), MISTAKES)
def test_mistakes_are_explained(call, parts):
    with pytest.raises(ShapeError) as caught:
        call()
    for part in parts:
        assert part in str(caught.value)
