"""The compiled kernels against a sum over taps: exactly, for any memory, thread and process."""

import mmap
import os
import signal
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ctypes import CDLL, c_char, c_int, c_size_t, c_void_p, get_errno, addressof
from itertools import product
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st
from loops import quarters

import tensorgrad as tg
from tensorgrad.conv import threads
from tensorgrad.conv.geometry import Geometry, dilated
from tensorgrad.conv.kernels.taps import conv_by_taps

pytest.importorskip("numba", reason="the numba extra is not installed")

from tensorgrad.conv.kernels.compiled import inner, outer, run  # noqa: E402


class Member(NamedTuple):
    """A convolution of the family; ``x`` and ``w`` hold quarters, so that sums are exact."""

    x: np.ndarray
    w: np.ndarray
    b: np.ndarray | None
    geometry: Geometry

    def expected(self):
        y = conv_by_taps(self.x, self.w, self.geometry)
        return y if self.b is None else y + self.b.reshape(-1, *(1,) * (y.ndim - 2))

    def kinds(self):
        """Which kinds of vectors can do it: by choice, of results, of positions of the kernel."""
        undilated = max(self.geometry.input_dilation) == 1
        return (None, False, True) if self.b is None and undilated else (None, False)


@st.composite
def members(draw, most=40, dilate=True):
    """Draw a convolution with many results or, as in a gradient by w, with many taps."""
    n = draw(st.integers(1, 3))
    groups, c = draw(st.sampled_from([1, 1, 2, 3])), draw(st.integers(1, 3))
    o = draw(st.integers(1, 20) | st.just(35))  # more than are computed before they are stored
    images = draw(st.sampled_from([1, 2, 3, 9]))
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
    """Convolve with one kind of vectors, in small blocks, and on so many threads whatever it costs."""
    before = tg.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        if kind is not None:
            patch.setattr(run, "_few_results", lambda *_: kind)
        if cache is not None:
            patch.setattr(outer, "CACHE", cache)
            patch.setattr(inner, "POSITIONS", positions)
            patch.setattr(threads, "_WORTH", 0)
        forget()
        tg.set_num_threads(workers)
        try:
            yield
        finally:
            tg.set_num_threads(before)
            forget()


def forget():
    """Forget the plans, which were made for other sizes of blocks."""
    outer.plan.cache_clear()
    inner.plan.cache_clear()


BLOCKS = st.none() | st.tuples(st.sampled_from([1, 500, 5000, 50000]), st.sampled_from([1, 20, 99]))


def sizes(blocks, workers):
    return {} if blocks is None else dict(zip(("cache", "positions"), blocks), workers=workers)


def is_exactly(y, expected):
    return y.dtype == expected.dtype and np.array_equal(y, expected, equal_nan=True)


@settings(max_examples=200)
@given(members(), FORMS, FORMS, BLOCKS, st.integers(1, 3))
def test_every_kind_is_the_definition(member, form_of_x, form_of_w, blocks, workers):
    expected = member.expected()
    x, w = form_of_x(member.x), form_of_w(member.w)
    for kind in member.kinds():
        with settings_of(kind, **sizes(blocks, workers)):
            assert is_exactly(run.conv_compiled(x, w, member.geometry, member.b), expected)
