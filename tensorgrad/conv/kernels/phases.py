"""Convolution of a dilated input, without multiplying the zeros between its entries.

Entry j of the result meets input entry (s j + d k - low) / a, where that is an integer. So along
each axis the results fall into phases, j = r, r + A, r + 2 A, ..., and each phase is a convolution
of the undilated input with every so-many-th tap of the kernel.
"""

from collections.abc import Callable, Iterator
from itertools import product
from math import gcd
from typing import NamedTuple

import numpy as np

from tensorgrad.conv.geometry import Geometry
from tensorgrad.typing import Array, Shape


class Phase(NamedTuple):
    """Along one axis: the results, the taps they need, and the convolution that makes them."""

    results: slice
    taps: slice
    stride: int
    pads: tuple[int, int]
    dilation: int


def phases(i: int, k: int, o: int, s: int, low: int, a: int, d: int) -> Iterator[Phase]:
    """Yield the phases of one axis; results that meet only zeros are in none."""
    every = a // gcd(a, s)  # A: results this far apart are in the same phase
    h = gcd(a, d)
    step = a // h
    for r in range(min(every, o)):
        first = next((tap for tap in range(min(step, k)) if (s * r + d * tap - low) % a == 0), None)
        if first is None:
            continue
        count = -(-(o - r) // every)
        taps = -(-(k - first) // step)
        stride, dilation = s * every // a, d // h
        start = (s * r + d * first - low) // a  # the input entry that the first window begins at
        end = start + (count - 1) * stride + (taps - 1) * dilation + 1
        yield Phase(
            slice(r, None, every), slice(first, None, step), stride, (-start, end - i), dilation
        )


def divided(
    sides: Shape, kernel: Shape, geometry: Geometry
) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...], Geometry]]:
    """Yield the phases along all axes: their results, their taps, and what convolves with them."""
    stride, padding, input_dilation, dilation, groups = geometry
    out = geometry.output_sides(sides, kernel)
    lows = [low for low, _ in padding]
    axes = zip(sides, kernel, out, stride, lows, input_dilation, dilation, strict=True)
    for phase in product(*(phases(*axis) for axis in axes)):
        undilated = Geometry(
            stride=tuple(p.stride for p in phase),
            padding=tuple(p.pads for p in phase),
            input_dilation=(1,) * len(phase),
            dilation=tuple(p.dilation for p in phase),
            groups=groups,
        )
        yield tuple(p.results for p in phase), tuple(p.taps for p in phase), undilated


def conv_by_phases(
    convolve: Callable[[Array, Array, Geometry], Array], x: Array, w: Array, geometry: Geometry
) -> Array:
    """(n, g c, *i) * (g o, c, *k) -> (n, g o, *j), phase by phase with an undilated convolution."""
    out = geometry.output_sides(x.shape[2:], w.shape[2:])
    y = np.zeros((x.shape[0], w.shape[0], *out), np.result_type(x, w))
    for results, taps, undilated in divided(x.shape[2:], w.shape[2:], geometry):
        y[(..., *results)] = convolve(x, w[(..., *taps)], undilated)
    return y
