"""Every channel for itself, by compiled tiles: exactly, and in no memory but that of the arrays."""

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st
from loops import quarters

from tensorgrad.conv.geometry import Geometry, dilated

pytest.importorskip("numba", reason="the numba extra is not installed")

from test_compiled import (
    FORMS,
    Member,
    guarded_copy,
    guarded_memory,
    in_a_child,
    is_exactly,
    needs_fork,
    settings_of,
    spoilt,
)

from tensorgrad.conv.kernels.compiled import depthwise, run

# full vectors of any processor, one entry more or less, and what is mostly full
WIDTHS = st.sampled_from([3, 4, 5, 6, 7, 8, 11, 12, 13, 15, 16, 17, 26, 31, 32, 33, 45])


@st.composite
def members(draw):
    """Draw a convolution of planes with small kernels, or its gradient by these."""
    side, channels = draw(st.sampled_from([3, 5, 7])), draw(st.integers(1, 4))
    images = draw(st.integers(1, 3))
    pads = tuple((draw(st.integers(-2, 4)), draw(st.integers(-2, 4))) for _ in range(2))
    large = draw(st.integers(1, 20)), draw(WIDTHS)
    steps = draw(st.sampled_from([(1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 2, 1), (1, 1, 2)]))
    stride, input_dilation, dilation = ((step, step) for step in steps)
    few = draw(st.booleans())
    kernel, results = (large, (side, side)) if few else ((side, side), large)
    # what is met, and what no window reaches
    lengths = [
        s * (j - 1) + dilated(k, d) - sum(p) + draw(st.integers(0, s - 1))
        for s, j, k, d, p in zip(stride, results, kernel, dilation, pads, strict=True)
    ]
    sides = tuple(-(-(i - 1) // a) + 1 for i, a in zip(lengths, input_dilation, strict=True))
    assume(min(sides) > 0)
    dtype = draw(st.sampled_from(["f4", "f8"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = quarters(rng, images, channels, *sides).astype(dtype)
    w = quarters(rng, channels, 1, *kernel).astype(dtype)
    b = quarters(rng, channels).astype(dtype) if draw(st.booleans()) else None
    geometry = Geometry(stride, pads, input_dilation, dilation, channels)
    assume(depthwise.is_depthwise(x.shape, w.shape, geometry, x.itemsize))
    return Member(x, w, b, geometry)


@given(members(), FORMS, FORMS, st.integers(1, 3))
def test_it_is_the_definition(member, form_of_x, form_of_w, workers):
    x, w = form_of_x(member.x), form_of_w(member.w)
    with settings_of(cache=5000, positions=99, workers=workers):
        assert is_exactly(run.conv_compiled(x, w, member.geometry, member.b), member.expected())


@given(spoilt(members()))
def test_what_is_not_finite_goes_where_it_is_met(drawn):
    member, expected = drawn
    with np.errstate(invalid="ignore"):
        y = depthwise.conv_depthwise(member.x, member.w, member.geometry, member.b)
    assert is_exactly(y, expected)


@needs_fork
def test_no_memory_beyond_the_arrays_is_touched():
    @settings(max_examples=200, database=None)
    @given(members(), st.booleans())
    def guard(member, at_end):
        x, w = guarded_copy(member.x, at_end), guarded_copy(member.w, at_end)
        b = None if member.b is None else guarded_copy(member.b, at_end)
        arguments = x, w, member.geometry, b
        depthwise.conv_depthwise(*arguments)  # compiles, with NumPy as it is
        with guarded_memory(at_end):
            y = depthwise.conv_depthwise(*arguments)
        assert is_exactly(y, member.expected())

    assert in_a_child(guard) == 0
