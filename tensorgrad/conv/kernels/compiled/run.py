"""A convolution by compiled kernels: two kinds of vectors, and the phases of a dilated input."""

from itertools import product
from math import prod

import numpy as np

from tensorgrad.conv.geometry import Geometry
from tensorgrad.conv.kernels.compiled.inner import conv_inner
from tensorgrad.conv.kernels.compiled.outer import conv_outer
from tensorgrad.conv.kernels.compiled.planes import entry_by_entry, three
from tensorgrad.conv.kernels.compiled.tiles import lanes
from tensorgrad.conv.kernels.phases import phases
from tensorgrad.typing import Array, Shape


def conv_compiled(x: Array, w: Array, geometry: Geometry, b: Array | None) -> Array:
    """(n, g c, *i) * (g o, c, *k) + (g o,) -> (n, g o, *j), of at most three axes."""
    sides = geometry.output_sides(x.shape[2:], w.shape[2:])
    x, w, start = entry_by_entry(x, w, b)
    x = x.reshape(*x.shape[:2], *three(x.shape[2:], 1))
    w = w.reshape(*w.shape[:2], *three(w.shape[2:], 1))
    geometry = Geometry(
        three(geometry.stride, 1),
        three(geometry.padding, (0, 0)),
        three(geometry.input_dilation, 1),
        three(geometry.dilation, 1),
        geometry.groups,
    )
    out = three(sides, 1)
    if (
        b is None
        and max(geometry.input_dilation) == 1
        and _few_results(w.shape[2:], out, x.itemsize)
    ):
        y = conv_inner(x, w, geometry)
        if np.isfinite(y).all():  # else a zero between lines may have met what no result meets
            return y.reshape(x.shape[0], w.shape[0], *sides)
    y = np.empty((x.shape[0], w.shape[0], *out), x.dtype)
    memory, strides = y.reshape(-1), tuple(s // y.itemsize for s in y.strides)
    if max(geometry.input_dilation) == 1:
        conv_outer(x, w, geometry, start, memory, 0, strides)
    else:
        _by_phases(x, w, geometry, start, y, memory, strides)
    return y.reshape(x.shape[0], w.shape[0], *sides)


def _few_results(kernel: Shape, out: Shape, itemsize: int) -> bool:
    """Whether vectors are better filled with positions of the kernel than of the results."""
    n = lanes(itemsize)
    held = prod(kernel[:-1]) * -(-kernel[-1] // n)
    results = prod(out[:-1]) * -(-out[-1] // n)
    return prod(out) * (held + 8) < prod(kernel) * results


def _by_phases(
    x: Array, w: Array, geometry: Geometry, b: Array, y: Array, memory: Array, strides: Shape
) -> None:
    stride, padding, input_dilation, dilation, groups = geometry
    lows = [low for low, _ in padding]
    sides, kernel, out = x.shape[2:], w.shape[2:], y.shape[2:]
    axes = zip(sides, kernel, out, stride, lows, input_dilation, dilation, strict=True)
    every = [list(phases(*axis)) for axis in axes]
    if prod(
        sum(len(range(o)[p.results]) for p in axis) for axis, o in zip(every, out, strict=True)
    ) < prod(out):
        y[:] = b.reshape(-1, 1, 1, 1)  # some results meet only zeros
    for phase in product(*every):
        results = [p.results for p in phase]
        conv_outer(
            x,
            w[(..., *(p.taps for p in phase))],
            Geometry(
                tuple(p.stride for p in phase),
                tuple(p.pads for p in phase),
                (1,) * len(phase),
                tuple(p.dilation for p in phase),
                groups,
            ),
            b,
            memory,
            sum(r.start * s for r, s in zip(results, strides[2:], strict=True)),
            (*strides[:2], *(r.step * s for r, s in zip(results, strides[2:], strict=True))),
        )
