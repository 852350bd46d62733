"""Convolution with vectors of the kernel's positions: for few results and a kernel of many entries.

That is what the gradient by a kernel is: the images are channels, the channels images, the output
gradient a kernel as large as they are, and the results as few as the taps. Each result is an inner
product, of a run through the planes of the input with the kernel, laid out in the same lines.
"""

from itertools import pairwise
from math import prod
from typing import NamedTuple

import numpy as np

from tensorgrad.conv import threads
from tensorgrad.conv.geometry import Geometry
from tensorgrad.conv.kernels.compiled.planes import Axis, fill_planes, make_planes
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


class Inner(NamedTuple):
    """A convolution of three axes, planned: what `correlate` needs but for the arrays."""

    x_shape: Shape  # (n, g, c, i0, i1, i2)
    w_shape: Shape  # (g, o, c, k0, k1, k2)
    y_shape: Shape  # (g, o, n, j)
    tasks: Array  # (tasks, 5): group, the first image and the end, the first filter and the end
    tables: Array  # all the rest, in integers, as `correlate` reads it
    scratch: tuple[Shape, Shape]  # entries of memory that a thread needs
    multiplications: int

    def apply(self, x: Array, w: Array) -> Array:
        """Return x (n, g c, *i) * w (g o, c, *k) as (n, g, o, j)."""
        images, kernels = x.reshape(self.x_shape), w.reshape(self.w_shape)
        y = np.zeros(self.y_shape, x.dtype)

        def work(tasks: Array) -> None:
            with threads.scratch(x.dtype, *self.scratch) as (memory, held):
                correlate(images, kernels, y, tasks, self.tables, memory, held)

        threads.run(work, threads.parts(self.tasks, self.multiplications))
        return y.transpose(2, 0, 1, 3)


def plan_inner(
    x_shape: Shape, w_shape: Shape, geometry: Geometry, itemsize: int, number: int
) -> Inner:
    """Plan a convolution of three axes, for a number of threads."""
    out = geometry.output_sides(x_shape[2:], w_shape[2:])
    images, groups = x_shape[0], geometry.groups
    channels, filters, kernel = w_shape[1], w_shape[0] // groups, w_shape[2:]
    axes = [
        Axis(low, d, tuple(s * j for j in range(o)), k)
        for (low, _), s, d, k, o in zip(
            geometry.padding, geometry.stride, geometry.dilation, kernel, out, strict=True
        )
    ]
    line = channels * prod(make_planes(axes, 1).shape[2:])
    rows = min(max(POSITIONS // line, 1), kernel[0])
    rows = -(-kernel[0] // -(-kernel[0] // rows))  # evenly
    planes = make_planes(axes, rows)
    n = lanes(itemsize)
    length = ((rows - 1) * planes.shape[2] + kernel[1] - 1) * planes.shape[3] + kernel[2]
    vectors = -(-length // n)
    # Groups are divided among the threads, or images, or else filters. What is not divided is laid
    # out once for each part.
    of_images, of_filters = 1, 1
    if groups < number:
        of_images = number if images >= 8 * number else 1
        of_filters = min(number, filters) if of_images == 1 else 1
    tasks = [
        (group, *some, *others)
        for group in range(groups)
        for some in _ranges(images, of_images)
        for others in _ranges(filters, of_filters)
    ]
    tables = (
        (*planes.shape, *planes.lows, *planes.steps, rows, vectors, n, len(planes.starts)),
        planes.table,
        planes.starts,
    )
    return Inner(
        (images, groups, channels, *x_shape[2:]),
        (groups, filters, channels, *kernel),
        (groups, filters, images, prod(out)),
        np.array(tasks),
        np.concatenate([np.ravel(table) for table in tables]),
        (
            (-(-images // of_images) * channels * planes.size + n,),
            (-(-filters // of_filters) * channels * vectors * n,),
        ),
        images * prod(out) * prod(w_shape),
    )


def _ranges(count: int, parts: int) -> list[tuple[int, int]]:
    cuts = [count * i // parts for i in range(parts + 1)]
    return list(pairwise(cuts))


@jit
def correlate(x, w, y, tasks, tables, memory, held):
    """Do tasks (group, the first image and the end, the first filter and the end): add to y.

    x (n, g, c, i0, i1, i2), w (g, o, c, k0, k1, k2), y (g, o, n, j) contiguous and zero; ``memory``
    is for the planes of x, and ``held`` for the lines of w.
    """
    shape, lows, steps = (tables[0], tables[1], tables[2], tables[3]), tables[4:7], tables[7:10]
    rows, vectors, lanes, count = tables[10], tables[11], tables[12], tables[13]
    table = tables[14 : 14 + 3 * shape[0]].reshape(shape[0], 3)
    starts = tables[14 + 3 * shape[0] :]
    channels, depth = x.shape[2], w.shape[3]
    n1, n2 = shape[2], shape[3]
    size = shape[0] * shape[1] * n1 * n2
    length = vectors * lanes
    flat = y.reshape(-1)
    for task in range(len(tasks)):
        group, begin, end, low, high = tasks[task]
        filled = (end - begin) * channels * size
        memory[filled : filled + lanes] = 0  # that is read, and multiplied by zeros
        planes = memory[:filled].reshape(((end - begin) * channels, shape[0], shape[1], n1, n2))
        offsets = np.empty((end - begin) * count, np.int64)
        for n in range(end - begin):
            for j in range(count):
                offsets[n * count + j] = n * channels * size + starts[j]
        for first in range(0, depth, rows):
            last = min(first + rows, depth)
            for n in range(end - begin):
                for c in range(channels):
                    image = x[begin + n, group, c]
                    fill_planes(image, table, lows, steps, first, planes[n * channels + c])
            for o in range(high - low):
                for c in range(channels):
                    at = (o * channels + c) * length
                    _fill_lines(w[group, low + o, c], first, last, held, at, length, n1, n2)
            at = ((group * w.shape[1] + low) * y.shape[2] + begin) * count
            _products(
                held, channels * length, length, memory, size, offsets, channels, vectors,
                flat, at, y.shape[2] * count, high - low,
            )  # fmt: skip
