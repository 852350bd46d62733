"""The compiled kernels against a sum over taps: exactly, for any memory, thread and process."""

import faulthandler
import mmap
import os
import signal
import sys
import threading
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ctypes import CDLL, addressof, c_char, c_size_t, c_void_p
from functools import partial
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from loops import quarters
from numpy.lib.stride_tricks import as_strided

import tensorgrad as tg
from tensorgrad.conv import threads
from tensorgrad.conv.choose import ALGORITHMS
from tensorgrad.conv.costs import Problem
from tensorgrad.conv.geometry import Geometry, dilated
from tensorgrad.conv.kernels.taps import conv_by_taps

pytest.importorskip("numba", reason="the numba extra is not installed")

from tensorgrad.conv.kernels.compiled import (
    across,
    depthwise,
    inner,
    inplace,
    outer,
    run,
    tiles,
    winograd,
)

# of vectors: by choice, of results, of positions of the kernel, of images; and without a layout
KINDS = None, "results", "positions", "images", "in place"


class Member(NamedTuple):
    """A convolution of the family; ``x`` and ``w`` hold quarters, so that sums are exact."""

    x: np.ndarray
    w: np.ndarray
    b: np.ndarray | None
    geometry: Geometry

    def expected(self):
        y = conv_by_taps(self.x, self.w, self.geometry)
        return y if self.b is None else y + self.b.reshape(-1, *(1,) * (y.ndim - 2))


@st.composite
def members(draw, most=40, dilate=True):
    """Draw a convolution with many results or, as in a gradient by w, with many taps."""
    n = draw(st.integers(1, 3))
    groups, c = draw(st.sampled_from([1, 1, 2, 3])), draw(st.integers(1, 3))
    o = draw(st.integers(1, 20) | st.just(35))  # more than are computed before they are stored
    images = draw(st.sampled_from([1, 2, 3, 9, 17]))
    many_taps = draw(st.booleans())
    small = st.integers(1, 3)
    axes = []
    for axis in range(n):
        many, few = draw(st.integers(1, most if axis >= n - 2 else 3) | small), draw(small)
        kernel, results = (many, few) if many_taps else (few, many)
        s, d = draw(small), draw(small)
        a = draw(st.sampled_from([1, 1, 2, 3])) if dilate else 1
        pads = draw(st.integers(-2, 4)), draw(st.integers(-2, 4))
        met = dilated(kernel, d) + (results - 1) * s + draw(st.integers(0, s - 1)) - sum(pads)
        axes.append((max(-(-(met - 1) // a) + 1, 1), kernel, s, pads, a, d))
    sides, kernel, stride, pads, input_dilation, dilation = zip(*axes, strict=True)
    dtypes = [draw(st.sampled_from(["f4", "f8"]))] * 2
    if draw(st.integers(0, 9)) == 0:
        dtypes.reverse()
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = quarters(rng, images, groups * c, *sides).astype(dtypes[0])
    w = quarters(rng, groups * o, c, *kernel).astype(dtypes[1])
    b = quarters(rng, groups * o).astype(dtypes[0]) if draw(st.booleans()) else None
    return Member(x, w, b, Geometry(stride, pads, input_dilation, dilation, groups))


def in_records(a):
    """Return a view of packed records, at strides that are not a number of entries."""
    records = np.zeros(a.shape, [("flag", "u1"), ("entry", a.dtype)])
    records["entry"] = a
    return records["entry"]


def rows_in_records(a):
    """Return rows that lie in memory entry by entry, but not a number of entries apart."""
    records = np.zeros(a.shape[:-1], [("entry", a.dtype, a.shape[-1:]), ("flag", "u1")])
    records["entry"] = a
    return records["entry"]


def every_other(a):
    wide = np.full((*a.shape[:-1], 2 * a.shape[-1]), 7, a.dtype)
    wide[..., ::2] = a
    return wide[..., ::2]


# the same entries, elsewhere in memory
FORMS = st.sampled_from(
    [
        lambda a: a,
        lambda a: a,
        np.asfortranarray,
        lambda a: np.flip(np.flip(a).copy()),
        lambda a: a.swapaxes(0, 1).copy().swapaxes(0, 1),
        lambda a: a.swapaxes(-1, -2).copy().swapaxes(-1, -2),
        lambda a: np.flip(a[:, :, ::-1].copy(), 2),
        every_other,
        in_records,
        rows_in_records,
    ]
)


@contextmanager
def settings_of(kind=None, cache=None, positions=None, workers=1):
    """Convolve with one kind of vectors, in small blocks, on so many threads at any cost."""
    before = tg.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        if kind == "in place":
            patch.setattr(run, "plan", plan_in_place)
        elif kind is not None:
            patch.setattr(run, "_few_results", lambda *_: kind != "results")
            patch.setattr(run, "_many_images", lambda *_: kind == "images")
        if cache is not None:
            patch.setattr(outer, "CACHE", cache)
            patch.setattr(inner, "POSITIONS", positions)
            patch.setattr(across, "POSITIONS", positions)
            patch.setattr(across, "SUMS", cache)
            patch.setattr(threads, "_WORTH", 0)
        forget()
        tg.set_num_threads(workers)
        try:
            yield
        finally:
            tg.set_num_threads(before)
            forget()


def plan_in_place(x_shape, w_shape, geometry, itemsize, number):
    problem = Problem(x_shape, w_shape, geometry, np.dtype(f"f{itemsize}"))
    if ALGORITHMS["compiled in place"].refuses(problem):
        return plan_otherwise(*problem[:3], itemsize, number)
    return inplace.plan(*problem[:3], itemsize, number).apply


plan_otherwise = run.plan


def forget():
    """Forget the plans, which were made for other sizes of blocks."""
    plan_otherwise.cache_clear()
    inplace.plan.cache_clear()


BLOCKS = st.none() | st.tuples(st.sampled_from([1, 500, 5000, 50000]), st.sampled_from([1, 20, 99]))


def sizes(blocks, workers):
    return (
        {}
        if blocks is None
        else dict(zip(("cache", "positions"), blocks, strict=True), workers=workers)
    )


def is_exactly(y, expected):
    return y.dtype == expected.dtype and np.array_equal(y, expected, equal_nan=True)


@settings(max_examples=200)
@given(members(), FORMS, FORMS, BLOCKS, st.integers(1, 3))
def test_every_kind_is_the_definition(member, form_of_x, form_of_w, blocks, workers):
    expected = member.expected()
    x, w = form_of_x(member.x), form_of_w(member.w)
    for kind in KINDS:
        with settings_of(kind, **sizes(blocks, workers)):
            assert is_exactly(run.conv_compiled(x, w, member.geometry, member.b), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_large_one(dtype):
    # blocks, chunks and tasks as they are for real
    rng = np.random.default_rng(0)
    x, w = quarters(rng, 3, 40, 70, 61).astype(dtype), quarters(rng, 45, 40, 3, 3).astype(dtype)
    b = quarters(rng, 45).astype(dtype)
    member = Member(x, w, b, Geometry((1, 1), ((1, 1), (1, 1)), (1, 1), (1, 1), 1))
    assert is_exactly(run.conv_compiled(*member[:2], member.geometry, b), member.expected())
    gradient = Member(
        quarters(rng, 7, 3, 70, 61).astype(dtype),
        quarters(rng, 45, 3, 70, 61).astype(dtype),
        None,
        Geometry((1, 1), ((1, 1), (1, 1)), (1, 1), (1, 1), 1),
    )
    for kind in KINDS:
        with settings_of(kind):
            y = run.conv_compiled(gradient.x, gradient.w, gradient.geometry, None)
            assert is_exactly(y, gradient.expected())


@settings(max_examples=40)
@given(members(), BLOCKS)
def test_rounding_is_the_same_for_any_number_of_threads(member, blocks):
    rng = np.random.default_rng(0)
    x, w = (rng.normal(size=a.shape).astype(a.dtype) for a in (member.x, member.w))
    for kind in KINDS:
        results = []
        for workers in (1, 2, 3, 3):
            with settings_of(kind, *(blocks or (5000, 99)), workers=workers):
                results.append(run.conv_compiled(x, w, member.geometry, member.b))
        assert all(is_exactly(y, results[0]) for y in results)


@st.composite
def members_of_winograd(draw):
    """Draw a convolution with kernels of 3x3 at stride 1, undilated."""
    groups, c = draw(st.sampled_from([1, 1, 2])), draw(st.integers(1, 20))
    images, o = draw(st.integers(1, 9)), draw(st.integers(1, 20))
    pads = tuple((draw(st.integers(-2, 4)), draw(st.integers(-2, 4))) for _ in range(2))
    results = [draw(st.integers(1, 7) | st.integers(1, 40)) for _ in pads]
    sides = [max(j + 2 - sum(p), 1) for j, p in zip(results, pads, strict=True)]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from(["f4", "f8"]))
    x = quarters(rng, images, groups * c, *sides).astype(dtype)
    w = quarters(rng, groups * o, c, 3, 3).astype(dtype)
    b = quarters(rng, groups * o).astype(dtype) if draw(st.booleans()) else None
    return Member(x, w, b, Geometry((1, 1), pads, (1, 1), (1, 1), groups))


CACHES = st.sampled_from([1, 5000, 100_000, winograd.CACHE])


def is_nearly(y, expected):
    most = 1 + abs(expected).max(initial=0)
    error = abs(y - expected).max(initial=0) / most
    return y.dtype == expected.dtype and error <= {4: 1e-5, 8: 1e-14}[y.itemsize]


@given(members_of_winograd(), FORMS, FORMS, CACHES, st.integers(1, 3))
def test_winograd_is_close_to_the_definition(member, form_of_x, form_of_w, cache, workers):
    expected = member.expected()
    x, w = form_of_x(member.x), form_of_w(member.w)
    results = []
    for number in (workers, 1, workers):
        with (
            settings_of(cache=5000, positions=99, workers=number),
            pytest.MonkeyPatch.context() as patch,
        ):
            patch.setattr(winograd, "CACHE", cache)
            results.append(winograd.conv_winograd(x, w, member.geometry, member.b))
    assert is_nearly(results[0], expected)
    assert all(is_exactly(y, results[0]) for y in results)


@st.composite
def spoilt(draw, members):
    """Draw a convolution of something that is not finite, and what it should be."""
    member = draw(members)
    # Zeros between the entries of a dilated input are not multiplied: then it may be in x only.
    undilated = max(member.geometry.input_dilation) == 1
    entries = draw(st.sampled_from([member.x, member.w] if undilated else [member.x]))
    place = tuple(draw(st.integers(0, side - 1)) for side in entries.shape)
    entries[place] = draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    with np.errstate(invalid="ignore"):
        return member, member.expected()


@given(spoilt(members_of_winograd()))
def test_winograd_spreads_nothing_that_is_not_finite(drawn):
    member, expected = drawn
    with np.errstate(invalid="ignore"):
        y = winograd.conv_winograd(member.x, member.w, member.geometry, member.b)
    finite = np.isfinite(expected)
    assert is_exactly(y[~finite], expected[~finite])
    assert is_nearly(y[finite], expected[finite])


@settings(max_examples=150)
@given(spoilt(members(most=20)), BLOCKS)
def test_what_is_not_finite_goes_where_it_is_met(drawn, blocks):
    member, expected = drawn
    for kind in KINDS:
        with settings_of(kind, **sizes(blocks, 2)), np.errstate(invalid="ignore"):
            y = run.conv_compiled(member.x, member.w, member.geometry, member.b)
        assert is_exactly(y, expected)


# ---- memory, processes, threads -----------------------------------------------------------------


def in_a_child(work):
    """Do it in a forked process, and return its exit code: negative for a signal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # there are threads: that is the test
        child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.alarm(120)  # ends what waits for a thread that is not there
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def guarded(shape, dtype, at_end=True):
    """Return an array that ends, or begins, where the next page of memory must not be touched."""
    page, size = mmap.PAGESIZE, int(np.prod(shape)) * np.dtype(dtype).itemsize
    middle = -(-size // page) * page
    memory = mmap.mmap(-1, page + middle + page)
    start = addressof(c_char.from_buffer(memory))
    for guard in (start, start + page + middle):
        assert CDLL(None).mprotect(c_void_p(guard), c_size_t(page), 0) == 0
    return np.ndarray(shape, dtype, memory, page + (middle - size) * at_end)


def guarded_copy(a, at_end):
    copy = guarded(a.shape, a.dtype, at_end)
    copy[...] = a
    return copy


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


@needs_fork
def test_the_guard_ends_who_touches_it():
    def read(at_end, place):
        faulthandler.disable()
        row = guarded((15,), "f4", at_end)
        as_strided(row[place:], (2,), (4,)).sum()
        as_strided(row[place:], (2,), (-4,)).sum()

    assert in_a_child(lambda: read(True, 13)) == 0
    assert in_a_child(lambda: read(True, 14)) == -signal.SIGSEGV
    assert in_a_child(lambda: read(False, 1)) == 0
    assert in_a_child(lambda: read(False, 0)) == -signal.SIGSEGV


@contextmanager
def guarded_memory(at_end):
    """Guard what the kernels return, and what is lent to them, which holds no numbers."""

    @contextmanager
    def scratch(dtype, *shapes):
        lent = [guarded(shape, dtype, at_end) for shape in shapes]
        for array in lent:
            array.fill(np.nan)
        yield lent

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "scratch", scratch)
        patch.setattr(threads, "_SHARED", 0)  # what is small would not lend any
        for module in (run, inner, winograd, depthwise, inplace):
            patch.setattr(module, "np", SimpleNamespace(**vars(np)))
            for name in ("empty", "zeros"):
                patch.setattr(module.np, name, partial(guarded, at_end=at_end))
        yield


@needs_fork
def test_no_memory_beyond_the_arrays_is_touched():
    @settings(max_examples=80, database=None)
    @given(members(most=20), st.booleans(), BLOCKS)
    def guard(member, at_end, blocks):
        expected = member.expected()
        x, w = guarded_copy(member.x, at_end), guarded_copy(member.w, at_end)
        b = None if member.b is None else guarded_copy(member.b, at_end)
        for kind in KINDS:
            with settings_of(kind, **sizes(blocks, 1)):
                run.conv_compiled(x, w, member.geometry, b)  # compiles, with NumPy as it is
                with guarded_memory(at_end):
                    y = run.conv_compiled(x, w, member.geometry, b)
            assert is_exactly(y, expected)

    assert in_a_child(guard) == 0


@needs_fork
def test_nor_by_winograd():
    @settings(max_examples=40, database=None)
    @given(members_of_winograd(), st.booleans(), CACHES)
    def guard(member, at_end, cache):
        expected = member.expected()
        x, w = guarded_copy(member.x, at_end), guarded_copy(member.w, at_end)
        b = None if member.b is None else guarded_copy(member.b, at_end)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(winograd, "CACHE", cache)
            winograd.conv_winograd(x, w, member.geometry, b)
            with guarded_memory(at_end):
                y = winograd.conv_winograd(x, w, member.geometry, b)
        assert is_nearly(y, expected)

    assert in_a_child(guard) == 0


@needs_fork
@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_forked_process_convolves(kind):
    rng = np.random.default_rng(0)
    x, w = quarters(rng, 8, 3, 9, 9), quarters(rng, 4, 3, 3, 3)
    member = Member(x, w, None, Geometry((1, 1), ((1, 1),) * 2, (1, 1), (1, 1), 1))

    def convolve():
        assert is_exactly(run.conv_compiled(x, w, member.geometry, None), member.expected())

    with settings_of(kind, 500, 20, workers=3):
        convolve()  # the threads of the pool do not come along
        assert in_a_child(convolve) == 0
        convolve()


@settings(max_examples=20)
@given(st.lists(members(), min_size=2, max_size=4), BLOCKS)
def test_several_threads_convolve_at_a_time(drawn, blocks):
    everything = 4 * [(m, m.expected()) for m in drawn]

    def is_right(case):
        member, expected = case
        return is_exactly(run.conv_compiled(*member[:2], member.geometry, member.b), expected)

    for kind in KINDS:
        with settings_of(kind, **sizes(blocks, 2)), ThreadPoolExecutor(4) as pool:
            assert all(pool.map(is_right, everything))


@pytest.mark.parametrize("dtype", ["c16", "c8", "i8", "f2", "g", ">f4", ">f8"])
@pytest.mark.parametrize("shapes", [((2, 1, 3, 4, 5), (3, 1, 1, 2, 3)), ((0, 2, 4), (3, 2, 2))])
def test_what_it_does_not_do_others_do(dtype, shapes):
    rng = np.random.default_rng(0)
    x, w = (np.round(4 * quarters(rng, *shape)).astype(dtype) for shape in shapes)
    y = tg.conv(x, w, algorithm="compiled")
    assert y.dtype == np.result_type(x, w)
    assert np.array_equal(y, tg.conv(x, w, algorithm="taps"))


def test_four_axes_are_too_many():
    rng = np.random.default_rng(0)
    x, w = quarters(rng, 2, 2, 3, 4, 3, 4), quarters(rng, 3, 2, 2, 1, 3, 2)
    y = tg.conv(x, w, algorithm="compiled")
    assert np.array_equal(y, tg.conv(x, w, algorithm="taps"))


@pytest.mark.parametrize("attempt", range(3))
def test_threads_may_call_a_kernel_for_the_first_time_together(attempt):
    @tiles.kernel("x")
    def doubled(x, y):
        y[:] = (2 + attempt) * x

    def double(dtype):
        x, y = np.arange(6.0).astype(dtype)[::2], np.empty(3, dtype)
        together.wait()
        for _ in range(100):
            doubled(x, y)
        return y.tolist()

    together, before = threading.Barrier(8), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(double, ["f4", "f8"] * 4))
    finally:
        sys.setswitchinterval(before)
    assert results == [[0.0, 2.0 * (2 + attempt), 4.0 * (2 + attempt)]] * 8
