"""Convolution with vectors of the kernel's positions: for few results and a kernel of many entries.

That is what the gradient by a kernel is: the images are channels, the channels images, the output
gradient a kernel as large as they are, and the results as few as the taps. Each result is an inner
product, of a run through the planes of the input with the kernel, laid out in the same lines.
"""

from functools import lru_cache
from itertools import pairwise
from math import prod
from typing import NamedTuple

import numpy as np

from tensorgrad.conv import threads
from tensorgrad.conv.geometry import Geometry
from tensorgrad.conv.kernels.compiled.planes import Axis, Planes, fill_planes, make_planes
from tensorgrad.conv.kernels.compiled.tiles import MANY_REGISTERS, copy, inner_tile, jit, lanes
from tensorgrad.typing import Array, Shape

POSITIONS = 2048  # of all images that an inner product goes through at a time

tile_4x6, tile_4x3, tile_4x1 = (inner_tile(4, columns) for columns in (6, 3, 1))
tile_2x6, tile_2x3, tile_2x1 = (inner_tile(2, columns) for columns in (6, 3, 1))
tile_1x6, tile_1x3, tile_1x1 = (inner_tile(1, columns) for columns in (6, 3, 1))


@jit
def _products(g, g_row, g_image, x, x_image, offsets, images, count, y, y_at, y_row, rows):
    """Add to y (rows, columns) the inner products of the rows of g with runs of x."""
    columns = len(offsets)
    n = 0
    while n < columns:
        width = 6 if columns - n >= 6 else 3 if columns - n >= 3 else 1
        m = 0
        while m < rows:
            at, to = m * g_row, y_at + m * y_row + n
            if MANY_REGISTERS and rows - m >= 4:
                if width == 6:
                    tile_4x6(
                        g,
                        at,
                        g_row,
                        g_image,
                        x,
                        0,
                        x_image,
                        offsets,
                        n,
                        images,
                        count,
                        y,
                        to,
                        y_row,
                    )
                elif width == 3:
                    tile_4x3(
                        g,
                        at,
                        g_row,
                        g_image,
                        x,
                        0,
                        x_image,
                        offsets,
                        n,
                        images,
                        count,
                        y,
                        to,
                        y_row,
                    )
                else:
                    tile_4x1(
                        g,
                        at,
                        g_row,
                        g_image,
                        x,
                        0,
                        x_image,
                        offsets,
                        n,
                        images,
                        count,
                        y,
                        to,
                        y_row,
                    )
                m += 4
            elif rows - m >= 2:
                if width == 6:
                    tile_2x6(
                        g,
                        at,
                        g_row,
                        g_image,
                        x,
                        0,
                        x_image,
                        offsets,
                        n,
                        images,
                        count,
                        y,
                        to,
                        y_row,
                    )
                elif width == 3:
                    tile_2x3(
                        g,
                        at,
                        g_row,
                        g_image,
                        x,
                        0,
                        x_image,
                        offsets,
                        n,
                        images,
                        count,
                        y,
                        to,
                        y_row,
                    )
                else:
                    tile_2x1(
                        g,
                        at,
                        g_row,
                        g_image,
                        x,
                        0,
                        x_image,
                        offsets,
                        n,
                        images,
                        count,
                        y,
                        to,
                        y_row,
                    )
                m += 2
            else:
                if width == 6:
                    tile_1x6(
                        g,
                        at,
                        g_row,
                        g_image,
                        x,
                        0,
                        x_image,
                        offsets,
                        n,
                        images,
                        count,
                        y,
                        to,
                        y_row,
                    )
                elif width == 3:
                    tile_1x3(
                        g,
                        at,
                        g_row,
                        g_image,
                        x,
                        0,
                        x_image,
                        offsets,
                        n,
                        images,
                        count,
                        y,
                        to,
                        y_row,
                    )
                else:
                    tile_1x1(
                        g,
                        at,
                        g_row,
                        g_image,
                        x,
                        0,
                        x_image,
                        offsets,
                        n,
                        images,
                        count,
                        y,
                        to,
                        y_row,
                    )
                m += 1
        n += width


class Plan(NamedTuple):
    """What `correlate` needs to know of one kind of convolution."""

    planes: Planes
    rows: int  # of the kernel that are gone through at a time
    length: int  # of these rows, laid out in the lines of a plane


@lru_cache(maxsize=512)
def plan(kernel: Shape, geometry: Geometry, out: Shape, images: int) -> Plan:
    """Plan a convolution of three axes."""
    axes = [
        Axis(low, d, tuple(s * j for j in range(o)), k)
        for (low, _), s, d, k, o in zip(
            geometry.padding, geometry.stride, geometry.dilation, kernel, out, strict=True
        )
    ]
    line = images * make_planes(axes, 1).shape[2] * make_planes(axes, 1).shape[3]
    rows = min(max(POSITIONS // line, 1), kernel[0])
    rows = -(-kernel[0] // -(-kernel[0] // rows))  # evenly
    planes = make_planes(axes, rows)
    length = ((rows - 1) * planes.shape[2] + kernel[1] - 1) * planes.shape[3] + kernel[2]
    return Plan(planes, rows, length)


@jit
def _fill_lines(w, first, last, lines, at, length, n1, n2):
    """Lay rows of w (k0, k1, k2) out as in a plane with sides (.., n1, n2), zeros between them."""
    _, k1, k2 = w.shape
    s0, s1, s2 = w.strides[0] // w.itemsize, w.strides[1] // w.itemsize, w.strides[2] // w.itemsize
    lines[at : at + length] = 0
    for r in range(last - first):
        for i in range(k1):
            to = at + (r * n1 + i) * n2
            if s2 == 1:
                copy(lines, to, w, (first + r) * s0 + i * s1, k2)
            else:
                for j in range(k2):
                    lines[to + j] = w[first + r, i, j]


@jit
def correlate(
    x, w, y, tasks, shape, table, lows, steps, starts, rows, vectors, lanes, memory, held
):
    """Do tasks (group, first and last + 1 of the images, of the rows of w): add to y.

    x (n, g, c, i0, i1, i2), w (g, o, c, k0, k1, k2), y (g, o, n, j) contiguous and zero; ``memory``
    is for the planes of x, and ``held`` for the lines of w.
    """
    channels, kernel = x.shape[2], w.shape[3:]
    count, sides = y.shape[2] * y.shape[3], shape[1] * shape[2] * shape[3]
    size = shape[0] * sides
    n1, n2 = shape[2], shape[3]
    length = vectors * lanes
    flat = y.reshape(-1)
    for task in range(len(tasks)):
        group, begin, end, low, high = tasks[task]
        filled = (end - begin) * channels * size
        memory[filled : filled + lanes] = 0  # that is read, and multiplied by zeros
        planes = memory[:filled].reshape(((end - begin) * channels, shape[0], shape[1], n1, n2))
        offsets = np.empty((end - begin) * len(starts), np.int64)
        for n in range(end - begin):
            for j in range(len(starts)):
                offsets[n * len(starts) + j] = n * channels * size + starts[j]
        for first in range(0, kernel[0], rows):
            for n in range(end - begin):
                for c in range(channels):
                    fill_planes(
                        x[begin + n, group, c], table, lows, steps, first, planes[n * channels + c]
                    )
            for o in range(high - low):
                for c in range(channels):
                    at = (o * channels + c) * length
                    _fill_lines(
                        w[group, low + o, c],
                        first,
                        min(first + rows, kernel[0]),
                        held,
                        at,
                        length,
                        n1,
                        n2,
                    )
            at = ((group * w.shape[1] + low) * y.shape[2] + begin) * y.shape[3]
            _products(
                held,
                channels * length,
                length,
                memory,
                size,
                offsets,
                channels,
                vectors,
                flat,
                at,
                count,
                high - low,
            )


def conv_inner(x: Array, w: Array, geometry: Geometry) -> Array:
    """Return x (n, g c, *i) * w (g o, c, *k) as (n, g o, *j), three axes each."""
    n, groups = x.shape[0], geometry.groups
    c, o = w.shape[1], w.shape[0] // groups
    out = geometry.output_sides(x.shape[2:], w.shape[2:])
    p = plan(w.shape[2:], geometry, out, c)
    images = x.reshape(n, groups, c, *x.shape[2:])
    kernels = w.reshape(groups, o, c, *w.shape[2:])
    y = np.zeros((groups, o, n, prod(out)), x.dtype)
    # what is not divided is laid out once for each part
    number = threads.get_num_threads()
    divided = (n, 1) if n >= 8 * number else (1, o)
    ranges = [
        list(
            pairwise(
                np.linspace(0, side, min(number if groups < number else 1, parts) + 1).astype(int)
            )
        )
        for side, parts in zip((n, o), divided, strict=True)
    ]
    tasks = np.array([(g, *a, *b) for g in range(groups) for a in ranges[0] for b in ranges[1]])
    count = lanes(x.itemsize)
    vectors = -(-p.length // count)
    most = np.diff(tasks[:, 1:].reshape(-1, 2, 2)).max(axis=(0, 2))  # images, and filters
    shapes = ((most[0] * c * p.planes.size + count,), (most[1] * c * vectors * count,))

    def work(part: Array) -> None:
        with threads.scratch(x.dtype, *shapes) as memories:
            correlate(images, kernels, y, part, *p.planes, p.rows, vectors, count, *memories)

    threads.run(work, threads.parts(tasks, x.size * o * prod(out)))
    return np.moveaxis(y, 2, 0).reshape(n, groups * o, *out)
