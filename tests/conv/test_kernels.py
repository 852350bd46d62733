"""Every kernel against loops that follow the definition, on members of the family of all forms."""

from math import prod
from unittest import mock

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from loops import naive_conv, quarters

import tensorgrad as tg
from tensorgrad.conv.choose import ALGORITHMS, convolve
from tensorgrad.conv.costs import Problem
from tensorgrad.conv.geometry import Geometry
from tensorgrad.conv.kernels import blocks, fft, gemm, rows, winograd

BOUND = {np.float32: 2e-5, np.complex64: 2e-5, np.float64: 1e-13, np.complex128: 1e-13}
DTYPES = list(BOUND)


def disguised(draw, a):
    """Lay an array out in memory in another way."""
    how = draw(st.sampled_from(["as it is", "mirrored", "swapped", "every other"]))
    if how == "mirrored":
        return np.flip(np.ascontiguousarray(np.flip(a)))
    if how == "swapped":
        return np.ascontiguousarray(a.swapaxes(0, 1)).swapaxes(0, 1)
    if how == "every other":
        return np.repeat(a, 2, axis=-1)[..., ::2]
    return a


@st.composite
def members(draw, dtypes=tuple(DTYPES), least=1, most_step=3, most_groups=3, axes=(1, 3)):
    """Draw a convolution: a small kernel or, as in a gradient by one, a small result."""
    n = draw(st.integers(*axes))
    small = st.integers(least, 5 if n < 3 else 3)
    large = st.sampled_from({1: [1, 2, 7, 8, 9, 23], 2: [1, 2, 5, 8, 9, 13]}.get(n, [1, 3, 4]))
    steps = st.integers(1, most_step if n < 3 else 1)
    few, many = [draw(small) for _ in range(n)], [max(draw(large), least) for _ in range(n)]
    out, kernel = (few, many) if draw(st.booleans()) else (many, few)
    stride, dilation = (tuple(draw(steps) for _ in range(n)) for _ in range(2))
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    met = [
        (j - 1) * s + span + draw(st.integers(0, s - 1))
        for j, s, span in zip(out, stride, spans, strict=True)
    ]
    # of what the windows meet, at least one entry is not padding
    pads = tuple(
        (min(draw(st.integers(-2, 3)), side - 1), min(draw(st.integers(-2, 3)), 0))
        if draw(st.booleans())
        else (min(draw(st.integers(-2, 3)), 0), min(draw(st.integers(-2, 3)), side - 1))
        for side in met
    )
    sides = [side - sum(p) for side, p in zip(met, pads, strict=True)]
    groups = draw(st.integers(1, most_groups))
    images, c = draw(st.sampled_from([1, 2, 3, 0])), draw(st.sampled_from([1, 2, 4, 0]))
    o = draw(st.sampled_from([1, 3]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    arrays = []
    for shape in ((images, groups * c, *sides), (groups * o, c, *kernel)):
        dtype = draw(st.sampled_from(dtypes))
        a = quarters(rng, *shape)
        if np.dtype(dtype).kind == "c":
            a = a + 1j * quarters(rng, *shape)
        elif np.dtype(dtype).kind == "i":
            a = 4 * a
        arrays.append(disguised(draw, a.astype(dtype)))
    return *arrays, Geometry(stride, pads, (1,) * n, dilation, groups)


def expected(x, w, geometry):
    stride, pads, _, dilation, groups = geometry
    wide = np.result_type(x, w, np.float64)
    y = naive_conv(
        x.astype(wide), w.astype(wide), np.zeros(len(w), wide), stride, pads, dilation, groups
    )
    assert y.shape[2:] == geometry.output_sides(x.shape[2:], w.shape[2:])
    return y


# blocks of the usual size, and so small that everything is cut
small_or_not = st.sampled_from([None, 400, 1])


def run(kernel, case, bytes_of_block):
    if bytes_of_block is None:
        return kernel(*case)
    with (
        mock.patch.multiple(gemm, _BLOCK=bytes_of_block, _TERMS=bytes_of_block // 40 + 1, _LONG=0),
        mock.patch.multiple(winograd, _BLOCK=bytes_of_block, _TRANSFORMED=10 * bytes_of_block),
        mock.patch.object(rows, "_BLOCK", bytes_of_block),
        mock.patch.object(fft, "_BLOCK", bytes_of_block),
    ):
        return kernel(*case)


@pytest.mark.parametrize("kernel", [gemm.conv_by_gemm, rows.conv_by_rows])
@given(case=members((*DTYPES, np.int64)), bytes_of_block=small_or_not)
def test_direct_kernels_are_exact(kernel, case, bytes_of_block):
    y = run(kernel, case, bytes_of_block)
    assert y.dtype == np.result_type(*case[:2])
    assert np.array_equal(y, expected(*case))  # quarters: sums are exact in any order


def close(y, case):
    dtype = np.result_type(*case[:2])
    assert y.dtype == dtype
    want = expected(*case)
    assert y.shape == want.shape
    # what would be the result if nothing cancelled
    largest = np.max(expected(abs(case[0]), abs(case[1]), case[2]), initial=0)
    return np.max(abs(y - want), initial=0) <= BOUND[dtype.type] * largest


@given(case=members(most_step=1), bytes_of_block=small_or_not)
def test_fft_is_close(case, bytes_of_block):
    if bytes_of_block is None:
        assert close(run(fft.conv_by_fft, case, None), case)
        return
    with mock.patch.object(fft, "best_side", lambda j, k: min(j, k) + max(j, k) // 3):
        assert close(run(fft.conv_by_fft, case, bytes_of_block), case)


@given(
    case=members(least=2, most_step=1, most_groups=1, axes=(1, 2)),
    dilation=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    bytes_of_block=small_or_not,
)
def test_winograd_is_close(case, dilation, bytes_of_block):
    x, w, geometry = case
    wider = geometry._replace(dilation=dilation[: x.ndim - 2])
    out = wider.output_sides(x.shape[2:], w.shape[2:])
    if min(out) > 0 and prod(out) >= prod(w.shape[2:]):
        case = x, w, wider
    problem = Problem(x.shape, w.shape, case[2], np.result_type(x, w))
    assume(ALGORITHMS["winograd"].refuses(problem) is None)
    assert close(run(winograd.conv_by_winograd, case, bytes_of_block), case)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["winograd", "fft", "gemm", "rows"])
@pytest.mark.parametrize("of_kernel", [False, True])
def test_rounding_stays_within_the_bound(name, dtype, of_kernel):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((1, 512, 9, 9)), rng.standard_normal((4, 512, 3, 3))
    if of_kernel:  # the gradient by it: of 8 channels and 4 filters, summed over 8 images
        x, w = rng.standard_normal((8, 8, 31, 31)), rng.standard_normal((4, 8, 31, 31))
    geometry = Geometry((1, 1), ((1, 1), (1, 1)), (1, 1), (1, 1), 1)
    if np.dtype(dtype).kind == "c":
        x, w = x + 1j * x[::-1, ::-1], w - 1j * w[::-1]
    y = ALGORITHMS[name].run(x.astype(dtype), w.astype(dtype), geometry, None)
    want = expected(x.astype(dtype), w.astype(dtype), geometry)
    assert np.max(abs(y - want)) < BOUND[dtype] * np.max(abs(want))


def test_winograd_has_a_margin():
    # points that are worse than others by a factor of five would still be within the bound
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 1, 256, 9, 9), np.float32), None
    w = rng.standard_normal((8, 256, 3, 3), np.float32)
    geometry = Geometry((1, 1), ((1, 1), (1, 1)), (1, 1), (1, 1), 1)
    y, want = winograd.conv_by_winograd(x[0], w, geometry), expected(x[0], w, geometry)
    assert np.max(abs(y - want)) < 5e-6 * np.max(abs(want))


@pytest.mark.parametrize("name", ["gemm", "rows", "winograd", "fft"])
@pytest.mark.parametrize("value", [np.inf, np.nan])
@pytest.mark.parametrize("of_kernel", [False, True])
def test_what_is_not_finite_reaches_the_results_that_meet_it_only(name, value, of_kernel):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((1, 1, 12, 12)), rng.standard_normal((2, 1, 3, 3))
    if of_kernel:
        w = rng.standard_normal((2, 1, 10, 10))
    x[0, 0, 2, 11] = value
    geometry = Geometry((1, 1), ((0, 0), (0, 0)), (1, 1), (1, 1), 1)
    y = ALGORITHMS[name].run(x, w, geometry, None)
    want = expected(x, w, geometry)
    assert 0 < np.sum(np.isfinite(want)) < want.size
    np.testing.assert_allclose(y, want, rtol=1e-9)


@pytest.mark.parametrize("algorithm", ["direct", "gemm", "rows"])
@given(case=members())
def test_direct_is_within_rounding_of_an_exact_sum(algorithm, case):
    x, w, geometry = case
    assert np.array_equal(convolve(x, w, geometry, algorithm=algorithm), expected(*case))


def test_direct_does_not_transform():
    # a number that is rounded away by any sum with the large one beside it
    x, w = np.zeros((1, 1, 40, 40)), np.full((1, 1, 5, 5), 3.0)
    x[0, 0, 0, 0], x[0, 0, 39, 39] = 1e20, 1.0
    for algorithm in ("direct", "gemm", "rows"):
        assert tg.conv2d(x, w, algorithm=algorithm)[0, 0, -1, -1] == 3.0
    assert tg.conv2d(x, w, algorithm="fft")[0, 0, -1, -1] != 3.0


@pytest.mark.parametrize("name", ["gemm", "rows", "winograd", "fft"])
def test_results_are_the_same_for_any_number_of_threads(name):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((3, 20, 30, 30)), rng.standard_normal((24, 20, 3, 3))
    gradients = [(x.swapaxes(0, 1), rng.standard_normal((24, 3, 30, 30)))]
    # a sum over many images for a single channel: it is cut into parts
    gradients.append((rng.standard_normal((1, 70, 30, 30)), rng.standard_normal((2, 70, 30, 30))))
    geometry = Geometry((1, 1), ((1, 1), (1, 1)), (1, 1), (1, 1), 1)
    run, before = ALGORITHMS[name].run, tg.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3, 3):
            tg.set_num_threads(threads)
            results.append([run(*pair, geometry, None) for pair in [(x, w), *gradients]])
    finally:
        tg.set_num_threads(before)
    for others in results[1:]:
        assert all(np.array_equal(y, other) for y, other in zip(results[0], others, strict=True))


def test_a_kernel_as_large_as_an_image_is_summed_in_parts():
    # few channels, many images: a single product with a sum over the images is cut
    rng = np.random.default_rng(0)
    x, g = quarters(rng, 1, 70, 30, 30), quarters(rng, 2, 70, 30, 30)
    geometry = Geometry((1, 1), ((1, 1), (1, 1)), (1, 1), (1, 1), 1)
    for name in ("gemm", "rows"):
        y = ALGORITHMS[name].run(x, g, geometry, None)
        assert np.array_equal(y, expected(x, g, geometry))


REFUSED = [
    ("winograd", (1, 4, 9, 9), (4, 4, 3, 3), {"stride": (2, 1)}, "stride 1"),
    ("winograd", (1, 4, 9, 9), (4, 2, 3, 3), {"groups": 2}, "one group"),
    ("winograd", (1, 4, 9, 9), (4, 4, 7, 3), {}, "2 to 5 entries"),
    ("winograd", (1, 4, 9, 9), (4, 4, 1, 3), {}, "2 to 5 entries"),
    ("winograd", (1, 4, 9, 9), (4, 4, 4, 4), {"dilation": (2, 2)}, "dilation 1"),
    ("fft", (1, 4, 9, 9), (4, 4, 3, 3), {"stride": (2, 1)}, "stride 1"),
    ("fft", (1, 4, 9, 9), (4, 4, 3, 3), {"dilation": (2, 1)}, "dilation 1"),
    ("fft", (1, 4, 9, 9), (4, 4, 3, 3), {"dtype": np.int64}, "float32"),
    ("winograd", (1, 4, 9, 9), (4, 4, 3, 3), {"dtype": np.float16}, "float32"),
    ("gemm", (1, 4, 9, 9), (4, 4, 3, 3), {"input_dilation": (2, 1)}, "dilated"),
    ("rows", (1, 4, 9, 9), (4, 4, 3, 3), {"input_dilation": (2, 1)}, "dilated"),
]


@pytest.mark.parametrize(("name", "x", "w", "other", "reason"), REFUSED)
def test_what_a_kernel_cannot_do_it_refuses_with_a_reason(name, x, w, other, reason):
    dtype = np.dtype(other.pop("dtype", np.float64)) if "dtype" in other else np.dtype(np.float64)
    ones = {"stride": (1, 1), "input_dilation": (1, 1), "dilation": (1, 1), "groups": 1}
    geometry = Geometry(**{**ones, "padding": ((0, 0), (0, 0)), **other})
    assert reason in ALGORITHMS[name].refuses(Problem(x, w, geometry, dtype))


@pytest.mark.parametrize("name", ["gemm", "rows", "winograd", "fft"])
@given(case=members(least=2, most_step=1, most_groups=1, axes=(1, 2)))
def test_an_estimate_is_a_positive_number(name, case):
    x, w, geometry = case
    problem = Problem(x.shape, w.shape, geometry, np.result_type(x, w))
    if ALGORITHMS[name].refuses(problem) is None:
        assert 0 <= ALGORITHMS[name].seconds(problem) < 1


@given(st.lists(st.integers(1, 7), min_size=1, max_size=4), st.integers(0, 200))
def test_boxes_are_contiguous_and_cover_an_array_once(sides, most):
    a = np.arange(prod(sides)).reshape(sides)
    found = []
    for box in blocks.boxes(tuple(sides), most):
        part = a[box].ravel()
        assert np.array_equal(part, a.ravel()[blocks.flat(box, tuple(sides))])
        assert part.size <= max(most, 1)
        found.extend(part)
    assert found == list(range(a.size))
