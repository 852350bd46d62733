"""Summaries against exact arithmetic, and thumbnails against the pixels they draw."""

import json
from dataclasses import asdict
from fractions import Fraction
from itertools import pairwise
from math import isfinite, isinf, isnan, sqrt
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

import tensorgrad as tg
from tensorgrad.errors import UnsupportedError
from tensorgrad.visualize.thumbnails import heat_map_svg, histogram_svg
from tensorgrad.visualize.values import short, summarize

SVG = "{http://www.w3.org/2000/svg}"
DTYPES = ["bool", "int8", "uint8", "int64", "uint64"]
DTYPES += ["float16", "float32", "float64", "complex64", "complex128"]
# numbers whose sum, or whose squares, leave the range of floats
EXTREMES = [0.0, -0.0, 1e308, -1.7e308, 5e-324, 1e-200, np.inf, -np.inf, np.nan]


@st.composite
def arrays(draw, dtypes=DTYPES, max_side=40):
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=max_side))
    kind = np.dtype(draw(st.sampled_from(dtypes)))
    wild = st.sampled_from(EXTREMES) | st.floats()
    elements = wild if kind == np.float64 and draw(st.booleans()) else None
    return draw(hnp.arrays(kind, shape, elements=elements))


def magnitudes(array):
    """The entries as Python floats: the magnitudes of complex ones."""
    with np.errstate(all="ignore"):
        wide = np.abs(array) if array.dtype.kind == "c" else array
        return [float(v) for v in wide.ravel().tolist()]


def near(got, exact, size):
    """Whether a float is what exact arithmetic gives, up to rounding of numbers of this size."""
    return abs(Fraction(got) - exact) <= Fraction(1, 10**12) * size + Fraction(1e-323)


@given(arrays(max_side=9))
def test_statistics_are_those_of_exact_arithmetic(array):
    summary = summarize(array)
    values = magnitudes(array)
    finite = [v for v in values if isfinite(v)]
    assert summary.shape == array.shape
    assert summary.dtype == str(array.dtype)
    assert summary.zeros == sum(v == 0 for v in values)
    assert summary.nans == sum(map(isnan, values))
    assert summary.infinities == sum(map(isinf, values))
    assert sum(summary.counts) == len(finite)
    if not finite:
        assert summary.low is summary.mean is summary.high is summary.deviation is None
        return
    assert (summary.low, summary.high) == (min(finite), max(finite))
    exact = [Fraction(v) for v in finite]
    size, spread = max(map(abs, exact)), max(exact) - min(exact)
    mean = sum(exact) / len(exact)
    assert near(summary.mean, mean, size)
    variance = sum((v - mean) ** 2 for v in exact) / len(exact)
    # in units of the spread, where no square overflows
    deviation = Fraction(sqrt(variance / spread**2)) * spread if spread else Fraction(0)
    assert near(summary.deviation, deviation, size)


@given(arrays(max_side=9))
def test_bins_are_equally_wide_and_count_every_finite_entry(array):
    summary = summarize(array)
    finite = [Fraction(v) for v in magnitudes(array) if isfinite(v)]
    bins = len(summary.counts)
    if not finite:
        assert bins == 0
        return
    low, width = min(finite), max(finite) - min(finite)
    assert bins == 1 or bins <= 16
    if array.dtype.kind in "fc":
        assert bins == (16 if width else 1)
    blur = max(map(abs, finite)) * Fraction(1, 10**12) + Fraction(1e-323)
    for i in range(1, bins):
        edge = low + width * i / bins
        below = sum(summary.counts[:i])
        assert (
            sum(v < edge - blur for v in finite) <= below <= sum(v <= edge + blur for v in finite)
        )


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "bool"])
def test_few_integers_get_a_bin_each(dtype):
    array = np.array([0, 1, 1, 0, 1] if dtype == "bool" else [3, 3, 5, 6, 6, 6], dtype)
    assert summarize(array).counts == ((2, 3) if dtype == "bool" else (2, 0, 1, 3))


def cut(side):
    """The bounds of at most 32 parts of a side, as even as can be."""
    n = min(side, 32)
    return list(pairwise(side * i // n for i in range(n + 1)))


@given(arrays(dtypes=["float64"]))
def test_pixels_are_entries_or_means_of_blocks(array):
    pixels = summarize(array).pixels
    matrix = array.reshape(1, -1) if array.ndim < 2 else array
    if 0 in matrix.shape:
        assert pixels == ()
        return
    if matrix.ndim == 3:
        channels_last = matrix.shape[2] in (1, 3) and min(matrix.shape[:2]) > 3
        matrix = matrix[:, :, 0] if channels_last else matrix[0]
    rows, columns = map(cut, matrix.shape)
    assert len(pixels) == len(rows)
    assert {len(row) for row in pixels} == {len(columns)}
    largest = max((abs(Fraction(v)) for v in array.flat if isfinite(v)), default=None)
    for i, j in np.ndindex(len(rows), len(columns)):
        block = matrix[slice(*rows[i]), slice(*columns[j])].ravel().tolist()
        if not all(map(isfinite, block)):
            assert pixels[i][j] is None
        elif matrix.shape == (len(rows), len(columns)):
            assert pixels[i][j] == block[0]
        else:
            assert near(pixels[i][j], sum(map(Fraction, block)) / len(block), largest)


def test_images_and_kernels_show_their_first_matrix():
    images = np.arange(2 * 5 * 6 * 3.0).reshape(2, 5, 6, 3)
    assert summarize(images).pixels == tuple(map(tuple, images[0, :, :, 0].tolist()))
    channels_first = np.moveaxis(images, -1, 1)
    assert summarize(channels_first).pixels == summarize(images).pixels
    kernels = np.arange(4 * 2 * 3 * 3.0).reshape(4, 2, 3, 3)
    assert summarize(kernels).pixels == tuple(map(tuple, kernels[0, 0].tolist()))


def test_blocks_that_are_looked_at_together_add_up():
    """An array of many blocks, in whole numbers, for which every sum is exact."""
    array = np.arange(100_000) % 1000
    array = np.where(array == 999, np.nan, array)
    summary = summarize(array.reshape(100, 1000).T)
    assert (summary.low, summary.high) == (0, 998)
    assert (summary.zeros, summary.nans, summary.infinities) == (100, 100, 0)
    assert summary.mean == pytest.approx(499, rel=1e-13)
    assert summary.deviation == pytest.approx(sqrt((999**2 - 1) / 12), rel=1e-13)
    assert sum(summary.counts) == 99_900


@given(arrays(max_side=9))
def test_a_summary_is_plain_data(array):
    plain = asdict(summarize(array))
    again = json.loads(json.dumps(plain, allow_nan=False))
    for name, value in plain.items():
        assert again[name] == (json.loads(json.dumps(value)) if isinstance(value, tuple) else value)


def test_numbers_lists_and_tensors_have_summaries():
    x = tg.tensor([[1.0, 2.0]], requires_grad=True)
    assert summarize(x) == summarize([[1.0, 2.0]]) == summarize(np.array([[1.0, 2.0]]))
    assert summarize(2.5).pixels == ((2.5,),)


@pytest.mark.parametrize("wrong", ["text", [object()], np.array(["2020-01-01"], "datetime64[D]")])
def test_what_has_no_magnitude_is_refused(wrong):
    with pytest.raises(UnsupportedError, match="summarize: dtype="):
        summarize(wrong)


class Duck(np.lib.mixins.NDArrayOperatorsMixin):
    """An array elsewhere: it follows NumPy's protocols, and cannot be turned into an ndarray."""

    def __init__(self, array):
        self.array = array

    shape = property(lambda self: self.array.shape)
    ndim = property(lambda self: self.array.ndim)
    dtype = property(lambda self: self.array.dtype)

    def __array__(self, *args, **kwargs):
        raise TypeError("not here")

    def __array_function__(self, function, types, args, kwargs):
        return duck(function(*undo(args), **undo(kwargs)))

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        return duck(getattr(ufunc, method)(*undo(inputs), **undo(kwargs)))

    def __getitem__(self, index):
        return duck(self.array[undo(index)])

    def astype(self, dtype, copy=True):
        return Duck(self.array.astype(dtype, copy=copy))

    def tolist(self):
        return self.array.tolist()

    def __float__(self):
        return float(self.array)

    def __int__(self):
        return int(self.array)

    def __bool__(self):
        return bool(self.array)


def duck(value):
    return Duck(value) if isinstance(value, (np.ndarray, np.generic)) else value


def undo(value):
    if isinstance(value, Duck):
        return value.array
    if isinstance(value, dict):
        return {key: undo(item) for key, item in value.items()}
    return type(value)(map(undo, value)) if isinstance(value, (tuple, list)) else value


@given(arrays())
def test_duck_arrays_have_the_same_summary(array):
    assert summarize(Duck(array)) == summarize(array)


def drawn(svg):
    """The parsed drawing, which refers to nothing outside."""
    assert "href" not in svg
    assert "url(" not in svg
    return ElementTree.fromstring(svg)


@given(arrays())
def test_a_heat_map_paints_every_pixel_once(array):
    summary = summarize(array)
    root = drawn(heat_map_svg(summary))
    painted, colours = {}, {}
    for path in root.iter(f"{SVG}path"):
        stroke = path.get("stroke")
        if stroke == "currentColor":
            continue
        for run in path.get("d").split("M")[1:]:
            x, rest = run.split(" ")
            y, length = rest.split(".5h")
            for i in range(int(length)):
                assert (int(y), int(x) + i) not in painted
                painted[int(y), int(x) + i] = stroke
    finite = {
        (i, j): v
        for i, row in enumerate(summary.pixels)
        for j, v in enumerate(row)
        if v is not None
    }
    assert painted.keys() == finite.keys()
    for place, colour in painted.items():
        colours.setdefault(colour, []).append(finite[place])
    # a colour stands for an interval of its own
    ends = sorted((min(values), max(values)) for values in colours.values())
    assert all(high < low for (_, high), (low, _) in pairwise(ends))


def test_signs_have_colours_of_their_own():
    def colours(values):
        paths = drawn(heat_map_svg(summarize(values))).iter(f"{SVG}path")
        return [path.get("stroke") for path in paths]

    assert colours([-1.0, 0.0, 1.0]) == ["#0072b2", "#f2f2f2", "#d55e00"]
    assert colours([-4.0, 0.0, 1.0])[:2] == ["#0072b2", "#f2f2f2"]
    assert colours([0.0, 1.0]) == ["#440154", "#fde725"]
    assert colours([1.0, np.nan]) == [colours([1.0])[0], "currentColor"]


@given(arrays())
def test_a_histogram_has_a_bar_for_every_bin_with_entries(array):
    summary = summarize(array)
    root = drawn(histogram_svg(summary))
    bars = [float(bar.get("height")) for bar in root.iter(f"{SVG}rect")]
    # the fullest bin fills the height, as a single one does
    (whole,) = (
        float(bar.get("height")) for bar in drawn(histogram_svg(summarize(1.0))).iter(f"{SVG}rect")
    )
    counts = [count for count in summary.counts if count]
    assert len(bars) == len(counts)
    for bar, count in zip(bars, counts, strict=True):
        assert bar == pytest.approx(max(whole * count / max(counts), 1.0), rel=1e-4)
    texts = " ".join(text.text for text in root.iter(f"{SVG}text"))
    assert ("NaN" in texts, "inf" in texts) == (summary.nans > 0, summary.infinities > 0)


@given(st.floats(-1e300, 1e300))
def test_short_numbers_are_short_and_close(value):
    text = short(value)
    assert len(text) <= 10
    assert "-" not in text
    assert float(text.replace("−", "-")) == pytest.approx(value, rel=6e-3, abs=0)


def test_a_drawing_says_what_it_shows():
    summary = summarize([[0.0, -1.5, np.inf]])
    for svg in (heat_map_svg(summary), histogram_svg(summary)):
        assert drawn(svg).get("aria-label") == "float64[1, 3], from −1.5 to 0, 1 zero, 1 infinite"
