"""A convolution by compiled kernels: two kinds of vectors, and the phases of a dilated input."""

from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from tensorgrad.conv.geometry import Geometry
from tensorgrad.conv.kernels.compiled.across import Across, plan_across
from tensorgrad.conv.kernels.compiled.depthwise import conv_depthwise, is_depthwise
from tensorgrad.conv.kernels.compiled.inner import Inner, plan_inner
from tensorgrad.conv.kernels.compiled.outer import Outer, plan_outer
from tensorgrad.conv.kernels.compiled.planes import entry_by_entry, three
from tensorgrad.conv.kernels.compiled.tiles import lanes
from tensorgrad.conv.kernels.gemm import conv_by_gemm
from tensorgrad.conv.kernels.phases import phases
from tensorgrad.conv.threads import get_num_threads
from tensorgrad.typing import Array, Shape


class Plan(NamedTuple):
    """A convolution of up to three axes, planned."""

    w_shape: Shape  # of three axes
    y_shape: Shape  # of those there are
    depthwise: bool  # whether it is done plane by plane; else
    few: Inner | Across | None  # where there are few results
    outer: Outer | None  # where there are many, and not all meet only zeros
    complete: bool  # whether it makes all results, or some meet only zeros


@lru_cache(maxsize=1024)
def plan(x_shape: Shape, w_shape: Shape, geometry: Geometry, itemsize: int, number: int) -> Plan:
    """Plan a convolution for a number of threads; later ones of this kind need only be done."""
    y_shape = (x_shape[0], w_shape[0], *geometry.output_sides(x_shape[2:], w_shape[2:]))
    if is_depthwise(x_shape, w_shape, geometry, itemsize):
        return Plan(w_shape, y_shape, True, None, None, True)
    x_shape, w_shape = ((*shape[:2], *three(shape[2:], 1)) for shape in (x_shape, w_shape))
    fillings: tuple[Any, ...] = (1, (0, 0), 1, 1)
    stride, padding, input_dilation, dilation = map(three, geometry[:4], fillings)
    geometry = Geometry(stride, padding, input_dilation, dilation, geometry.groups)
    kernel, out = w_shape[2:], three(y_shape[2:], 1)
    if max(input_dilation) == 1 and _few_results(kernel, out, itemsize):
        of = plan_across if _many_images(x_shape, w_shape, geometry, itemsize) else plan_inner
        few = of(x_shape, w_shape, geometry, itemsize, number)
        return Plan(w_shape, y_shape, False, few, None, complete=True)
    lows = [low for low, _ in padding]
    axes = zip(x_shape[2:], kernel, out, stride, lows, input_dilation, dilation, strict=True)
    every = [list(phases(*axis)) for axis in axes]
    made = prod(
        sum(len(range(o)[p.results]) for p in axis) for axis, o in zip(every, out, strict=True)
    )
    outer = None
    if made:
        outer = plan_outer(x_shape, w_shape, (*y_shape[:2], *out), every, geometry.groups, itemsize)
    return Plan(w_shape, y_shape, False, None, outer, made == prod(out))


def _few_results(kernel: Shape, out: Shape, itemsize: int) -> bool:
    """Whether vectors are better filled with positions of the kernel than of the results."""
    n = lanes(itemsize)
    held = prod(kernel[:-1]) * -(-kernel[-1] // n)
    results = prod(out[:-1]) * -(-out[-1] // n)
    return prod(out) * (held + 8) < prod(kernel) * results


def _many_images(x_shape: Shape, w_shape: Shape, geometry: Geometry, itemsize: int) -> bool:
    """Whether vectors are better filled with images than with positions."""
    n = lanes(itemsize)
    images, filters = x_shape[0], w_shape[0] // geometry.groups
    return 4 * images >= 3 * (-(-images // n) * n) and filters >= 8


def conv_compiled(x: Array, w: Array, geometry: Geometry, b: Array | None) -> Array:
    """(n, g c, *i) * (g o, c, *k) + (g o,) -> (n, g o, *j), of at most three axes."""
    p = plan(x.shape, w.shape, geometry, np.result_type(x, w).itemsize, get_num_threads())
    if p.depthwise:
        return conv_depthwise(x, w, geometry, b)
    x, w, start = entry_by_entry(x, w, b)
    if p.few is not None:
        y = p.few.apply(x, w).reshape(p.y_shape)
        if not np.isfinite(y).all():  # zeros between lines may have met what no result meets
            y = conv_by_gemm(x, w, geometry)
        return y if b is None else y + start.reshape(-1, *(1,) * (y.ndim - 2))
    y = np.empty(p.y_shape, x.dtype)
    if not p.complete:
        y[:] = start.reshape(-1, *(1,) * (y.ndim - 2))
    if p.outer is not None:
        p.outer.apply(x, w, start, y.reshape(-1))
    return y
