"""A convolution by compiled kernels: two kinds of vectors, and the phases of a dilated input."""

from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from tensorgrad.conv.geometry import Geometry, dilated
from tensorgrad.conv.kernels import Kernel
from tensorgrad.conv.kernels.compiled import awake
from tensorgrad.conv.kernels.compiled.across import Across, plan_across
from tensorgrad.conv.kernels.compiled.depthwise import conv_depthwise, is_depthwise
from tensorgrad.conv.kernels.compiled.finite import all_finite
from tensorgrad.conv.kernels.compiled.inner import Inner, plan_inner
from tensorgrad.conv.kernels.compiled.outer import Outer, plan_outer
from tensorgrad.conv.kernels.compiled.planes import entry_by_entry, three
from tensorgrad.conv.kernels.compiled.tiles import lanes
from tensorgrad.conv.kernels.gemm import conv_by_gemm
from tensorgrad.conv.kernels.phases import conv_by_phases, phases
from tensorgrad.conv.threads import get_num_threads, worth
from tensorgrad.typing import Array, Shape

awake.stay_awake()


class Plan(NamedTuple):
    """A convolution of up to three axes, planned."""

    geometry: Geometry
    x_shape: Shape  # (n, g, c, i0, i1, i2)
    w_shape: Shape  # (g, o, c, k0, k1, k2)
    y_shape: Shape  # (n, g o, *j)
    few: Inner | Across | None = None  # where there are few results
    exchanged: bool = False  # whether that convolves w with x, and its results are in reverse
    outer: Outer | None = None  # where there are many results, and not all meet only zeros
    complete: bool = True  # whether it makes all results, or some meet only zeros

    def apply(self, x: Array, w: Array, b: Array | None) -> Array:
        """(n, g c, *i) * (g o, c, *k) + (g o,) -> (n, g o, *j)."""
        x, w, start = entry_by_entry(x, w, b)
        if self.few is not None:
            y = self._of_few(self.few, x.reshape(self.x_shape), w.reshape(self.w_shape))
            if y is None:  # zeros between lines may have met what no result meets
                y = conv_by_phases(conv_by_gemm, x, w, self.geometry)
            y = y.reshape(self.y_shape)
            return y if b is None else y + start.reshape(-1, *(1,) * (y.ndim - 2))
        y = np.empty(self.y_shape, x.dtype)
        if not self.complete:
            y[:] = start.reshape(-1, *(1,) * (y.ndim - 2))
        if self.outer is not None:
            self.outer.apply(x.reshape(self.x_shape), w.reshape(self.w_shape), start, y.reshape(-1))
        return y

    def _of_few(self, few: Inner | Across, x: Array, w: Array) -> Array | None:
        """(n, g, c, *i) * (g, o, c, *k) -> (n, g, o, *j), if all of it is finite."""
        if not self.exchanged:
            y = few.apply(x, w)
            return y if all_finite(y) else None
        y = few.apply(w.swapaxes(0, 1), x.swapaxes(0, 1))  # (o, g, c, *k) * (g, n, c, *i)
        return y.transpose(2, 1, 0, 3, 4, 5)[..., ::-1, ::-1, ::-1] if all_finite(y) else None


@lru_cache(maxsize=1024)
def plan(x_shape: Shape, w_shape: Shape, geometry: Geometry, itemsize: int, number: int) -> Kernel:
    """Plan a convolution for a number of threads; later ones of this kind need only be done."""
    whole = geometry
    y_shape = (x_shape[0], w_shape[0], *geometry.output_sides(x_shape[2:], w_shape[2:]))
    if is_depthwise(x_shape, w_shape, geometry, itemsize):
        return lambda x, w, b: conv_depthwise(x, w, whole, b)
    x_shape, w_shape = ((*shape[:2], *three(shape[2:], 1)) for shape in (x_shape, w_shape))
    fillings: tuple[Any, ...] = (1, (0, 0), 1, 1)
    stride, padding, input_dilation, dilation = map(three, geometry[:4], fillings)
    groups = geometry.groups
    geometry = Geometry(stride, padding, input_dilation, dilation, groups)
    n, o, c, kernel, out = x_shape[0], w_shape[0] // groups, w_shape[1], w_shape[2:], y_shape[2:]
    out = three(out, 1)
    empty = Plan(whole, (n, groups, c, *x_shape[2:]), (groups, o, c, *kernel), y_shape)
    many = max(input_dilation) == 1 and prod(out) < prod(kernel)
    many &= _many_images(x_shape, w_shape, geometry, itemsize)
    if many or _few_results(kernel, out, itemsize):
        exchanged = max(input_dilation) > 1
        if exchanged and max(*stride, *dilation) == 1:
            # sum over q of x[(j + q) / a] w[q] = sum over p of w[a p - j] x[p]
            lows = [j - 1 - low for j, (low, _) in zip(out, padding, strict=True)]
            highs = [
                dilated(i, a) + j - 1 - k - low
                for i, a, j, k, low in zip(
                    x_shape[2:], input_dilation, out, kernel, lows, strict=True
                )
            ]
            geometry = Geometry(
                stride, tuple(zip(lows, highs, strict=True)), (1, 1, 1), input_dilation, groups
            )
            x_shape, w_shape = (o, groups * c, *kernel), (groups * n, c, *x_shape[2:])
        if max(geometry.input_dilation) == 1:
            of = plan_across if _many_images(x_shape, w_shape, geometry, itemsize) else plan_inner
            work = prod(x_shape[:1] + out + w_shape)
            few = of(x_shape, w_shape, geometry, itemsize, worth(work, number))
            return empty._replace(few=few, exchanged=exchanged).apply
    lows = [low for low, _ in padding]
    axes = zip(x_shape[2:], kernel, out, stride, lows, input_dilation, dilation, strict=True)
    every = [list(phases(*axis)) for axis in axes]
    made = prod(
        sum(len(range(o)[p.results]) for p in axis) for axis, o in zip(every, out, strict=True)
    )
    outer = None
    if made:
        outer = plan_outer(x_shape, w_shape, (*y_shape[:2], *out), every, groups, itemsize)
    return empty._replace(outer=outer, complete=made == prod(out)).apply


def _few_results(kernel: Shape, out: Shape, itemsize: int) -> bool:
    """Whether vectors are better filled with positions of the kernel than of the results."""
    n = lanes(itemsize)
    held = prod(kernel[:-1]) * -(-kernel[-1] // n)
    results = prod(out[:-1]) * -(-out[-1] // n)
    return prod(out) * (held + 8) < 0.95 * prod(kernel) * results  # which are checked as well


def _many_images(x_shape: Shape, w_shape: Shape, geometry: Geometry, itemsize: int) -> bool:
    """Whether vectors are better filled with images than with positions."""
    n = lanes(itemsize)
    images, filters = x_shape[0], w_shape[0] // geometry.groups
    return 4 * images >= 3 * (-(-images // n) * n) and filters >= 8


def conv_compiled(x: Array, w: Array, geometry: Geometry, b: Array | None) -> Array:
    """(n, g c, *i) * (g o, c, *k) + (g o,) -> (n, g o, *j), of at most three axes."""
    dtype = np.result_type(x, w)
    return plan(x.shape, w.shape, geometry, dtype.itemsize, get_num_threads())(x, w, b)
