"""Convolution as matrix products: blocks of patches, gathered into a cache, times the kernel.

A patch is what a window meets. Two ways to gather and multiply, for the two ends of the family: the
patches of a block of results, side by side, where the result is larger than the kernel; and where
it is smaller, as in the gradient by the kernel, for a block of the kernel what each result makes it
meet, in a sum over such blocks.
"""

from itertools import product
from math import prod

import numpy as np

from tensorgrad.conv import threads
from tensorgrad.conv.geometry import Geometry, dilated
from tensorgrad.conv.kernels.blocks import (
    Box,
    boxes,
    cut_out,
    flat,
    lengths,
    pieces,
    reach,
    windows,
)
from tensorgrad.typing import Array, Shape

# Bytes of patches in a block: with what BLAS packs of them, they fit a second-level cache.
_BLOCK = 1 << 19
# Of the sum over a kernel, a block has this many terms if it can: enough for BLAS to be fast.
_TERMS = 1024
# Work of more than so many multiplications is cut into this many tasks at least.
_LONG = 1 << 22
_TASKS = 4


def conv_by_gemm(x: Array, w: Array, geometry: Geometry) -> Array:
    """(n, g c, *i) * (g o, c, *k) -> (n, g o, *j) for arrays of NumPy, undilated."""
    dtype = np.result_type(x, w)
    groups = geometry.groups
    out = geometry.output_sides(x.shape[2:], w.shape[2:])
    if not (x.size and w.size):
        return np.zeros((x.shape[0], w.shape[0], *out), dtype)
    x, w = x.astype(dtype, copy=False), w.astype(dtype, copy=False)
    x = x.reshape(x.shape[0], groups, w.shape[1], *x.shape[2:])
    w = w.reshape(groups, -1, *w.shape[1:])
    by = _by_results if prod(out) >= prod(w.shape[3:]) else _by_terms
    return by(x, w, out, geometry)


def _by_results(x: Array, w: Array, out: Shape, geometry: Geometry) -> Array:
    stride, padding, _, dilation, groups = geometry
    n, (_, o, _, *kernel) = len(x), w.shape
    lows, spans = tuple(low for low, _ in padding), tuple(map(dilated, kernel, dilation))
    direct = prod(kernel) == 1 and set(stride) == {1}
    y = np.empty((n, groups, o, prod(out)), x.dtype)
    matrix = np.ascontiguousarray(w.reshape(groups, o, -1))  # (g, o, c k)

    most = max(_BLOCK // x.itemsize // (matrix.shape[2] + o), 64)  # results of one channel
    images = pieces(n, most // (prod(out) * groups))
    bands = pieces(groups, most // prod(out))
    areas = list(boxes(out, most))
    parts = pieces(o, o)
    if w.size * y.size // o > _LONG:
        parts = pieces(o, -(-o * len(images) * len(bands) * len(areas) // _TASKS))

    def multiply(task: tuple[slice, slice, slice, Box]) -> None:
        # (g, o, c k) (n, g, c k, j) -> (n, g, o, j)
        image, band, part, area = task
        block = x[image, band]
        starts, sides = reach(area, stride, lows, spans)
        lead, met = block.shape[:3], lengths(area)
        with threads.scratch(
            x.dtype, (*lead, *sides), (0,) if direct else (*lead, *kernel, *met)
        ) as (padded, patches):
            block = cut_out(block, starts, padded)
            if not direct:
                np.copyto(patches, windows(block, kernel, dilation, met, stride))
            columns = block if direct else patches
            np.matmul(
                matrix[band, part],
                columns.reshape(*lead[:2], matrix.shape[2], -1),
                out=y[image, band, part, flat(area, out)],
            )

    threads.run(multiply, product(images, bands, parts, areas))
    return y.reshape(n, groups * o, *out)


def _by_terms(x: Array, w: Array, out: Shape, geometry: Geometry) -> Array:
    stride, padding, _, dilation, groups = geometry
    (n, _, c, *_), (_, o, _, *kernel) = x.shape, w.shape
    lows, spans = tuple(low for low, _ in padding), tuple(map(dilated, out, stride))
    results = prod(out)
    direct = results == 1 and set(dilation) == {1}

    # a block: some entries of the kernel in some channels, times some images in some groups
    most = _BLOCK // x.itemsize // results
    areas = list(boxes(tuple(kernel), _TERMS))
    terms = prod(lengths(areas[0]))
    channels = pieces(c, max(_TERMS, most // n) // terms)
    most //= terms * channels[0].stop
    images = pieces(n, most)
    bands = pieces(groups, most // n)
    steps = list(product(channels, areas))
    # a sum of few results is cut into parts, of a fixed number
    count = -(-_TASKS // (len(images) * len(bands)))
    sums = pieces(len(steps), -(-len(steps) // count))
    # results lie in memory as the gradient by the kernel wants them: (g, o, n, *j)
    y = np.empty((len(sums), groups, o, n * results), x.dtype)

    def multiply(task: tuple[int, slice, slice]) -> None:
        # (g, o, c k) (g, c k, n j) -> (g, o, n j), summed over c and k
        number, image, band = task
        size = image.stop - image.start
        result = y[number, band, :, image.start * results : image.stop * results]
        for step, (channel, area) in enumerate(steps[sums[number]]):
            block = x[image, band, channel]
            starts, sides = reach(area, dilation, lows, spans)
            lead, met = block.shape[:3], lengths(area)
            with threads.scratch(
                x.dtype,
                (*lead, *sides),
                (0,) if direct else (lead[1], size, *out, lead[2], *met),
                (0,) if step == 0 else result.shape,
            ) as (padded, patches, summand):
                block = cut_out(block, starts, padded)
                if not direct:
                    view = windows(block, out, stride, met, dilation)  # (n, g, c, *j, *k)
                    np.copyto(patches, np.moveaxis(view, (0, 2), (1, 2 + len(out))))
                columns = block.swapaxes(0, 1) if direct else patches
                rows = w[(band, slice(None), channel, *area)].reshape(*result.shape[:2], -1)
                columns = columns.reshape(len(rows), result.shape[2], -1).swapaxes(1, 2)
                if step == 0:
                    np.matmul(rows, columns, out=result)
                else:
                    result += np.matmul(rows, columns, out=summand)

    threads.run(multiply, product(range(len(sums)), images, bands))
    total = y[0]
    for part in y[1:]:
        total += part
    return np.moveaxis(total.reshape(groups * o, n, *out), 0, 1)
