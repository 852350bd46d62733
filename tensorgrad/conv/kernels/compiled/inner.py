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
from tensorgrad.conv.kernels.compiled.tiles import (
    MANY_REGISTERS,
    fill,
    inner_tile,
    jit,
    kernel,
    lanes,
)
from tensorgrad.typing import Array, Shape

POSITIONS = 1024  # of a few channels that an inner product goes through at a time
PLANES, LINES = 500_000, 250_000  # bytes that are held at a time
BLOCK = 6  # planes that are kept in the first level of cache

tile_4x6, tile_4x3, tile_4x1 = (inner_tile(4, columns) for columns in (6, 3, 1))
tile_2x6, tile_2x3, tile_2x1 = (inner_tile(2, columns) for columns in (6, 3, 1))
tile_1x6, tile_1x3, tile_1x1 = (inner_tile(1, columns) for columns in (6, 3, 1))


@jit
def _products(
    g, g_row, g_image, x, x_image, offsets, block, images, count, y, y_at, y_row, rows, add
):
    """Put into y (rows, columns), or add, the inner products of the rows of g with runs of x.

    A block of columns, that is runs, is done with all rows before the next, for the cache.
    """
    for begin in range(0, len(offsets), block):
        end, m = min(begin + block, len(offsets)), 0
        while m < rows:
            height = 4 if MANY_REGISTERS and rows - m >= 4 else 2 if rows - m >= 2 else 1
            left, n = (g, m * g_row, g_row, g_image, x, x_image), begin
            while n < end:
                to = y_at + m * y_row + n
                right = (offsets, n, images, count, y, to, y_row, add)
                if end - n >= 6:
                    if height == 4:
                        tile_4x6(*left, *right)
                    elif height == 2:
                        tile_2x6(*left, *right)
                    else:
                        tile_1x6(*left, *right)
                    n += 6
                elif end - n >= 3:
                    if height == 4:
                        tile_4x3(*left, *right)
                    elif height == 2:
                        tile_2x3(*left, *right)
                    else:
                        tile_1x3(*left, *right)
                    n += 3
                else:
                    if height == 4:
                        tile_4x1(*left, *right)
                    elif height == 2:
                        tile_2x1(*left, *right)
                    else:
                        tile_1x1(*left, *right)
                    n += 1
            m += height


@jit
def _fill_line(w, first, last, lines, at, length, n1, n2):
    """Lay rows of w (k0, k1, k2) out as in a plane with sides (.., n1, n2), zeros between them."""
    _, k1, k2 = w.shape
    s0, s1, s2 = w.strides[0] // w.itemsize, w.strides[1] // w.itemsize, w.strides[2] // w.itemsize
    end = at + length
    for r in range(last - first):
        for i in range(k1):
            width = n2 if i < k1 - 1 else n1 * n2 - (k1 - 1) * n2
            to = at + (r * n1 + i) * n2
            width = min(width, end - to)
            source = (first + r) * s0 + i * s1
            if s2 == 1:
                fill(lines, to, width, w, source, 0, k2)
            else:
                lines[to + k2 : to + width] = 0
                for j in range(k2):
                    lines[to + j] = w[first + r, i, j]
    done = at + (last - first) * n1 * n2
    fill(lines, done, end - done, w, 0, 0, 0)


class Inner(NamedTuple):
    """A convolution of three axes, planned: what `correlate` needs but for the arrays."""

    y_shape: Shape  # (g, o, n, *j)
    tasks: Array  # (tasks, 5): group, the first image and the end, the first filter and the end
    tables: Array  # all the rest, in integers, as `correlate` reads it
    scratch: tuple[Shape, Shape]  # entries of memory that a thread needs
    multiplications: int

    def apply(self, x: Array, w: Array) -> Array:
        """Return x (n, g, c, *i) * w (g, o, c, *k) as (n, g, o, *j)."""
        y = np.empty(self.y_shape, x.dtype)
        results = y.reshape(*self.y_shape[:3], -1)

        def work(tasks: Array, *memories: Array) -> None:
            correlate(x, w, results, tasks, self.tables, *memories)

        threads.share(work, self.tasks, self.multiplications, x.dtype, *self.scratch)
        return y.transpose(2, 0, 1, 3, 4, 5)


def plan_inner(
    x_shape: Shape, w_shape: Shape, geometry: Geometry, itemsize: int, number: int
) -> Inner:
    """Plan a convolution of three axes, for a number of threads."""
    out = geometry.output_sides(x_shape[2:], w_shape[2:])
    images, groups = x_shape[0], geometry.groups
    channels, filters, kernel = w_shape[1], w_shape[0] // groups, w_shape[2:]
    axes = [
        Axis(i, low, d, tuple(s * j for j in range(o)), k)
        for i, s, (low, _), _, d, k, o in zip(x_shape[2:], *geometry[:4], kernel, out, strict=True)
    ]
    row = prod(make_planes(axes, 1).shape[2:])
    rows = evenly(kernel[0], POSITIONS // row)
    together = evenly(channels, POSITIONS // (row * rows)) if rows == kernel[0] else 1
    planes = make_planes(axes, rows)
    n = lanes(itemsize)
    length = ((rows - 1) * planes.shape[2] + kernel[1] - 1) * planes.shape[3] + kernel[2]
    vectors = -(-length // n)
    # Groups are divided among the threads, or images, or filters. What is not divided is laid out
    # once for each part: that should be the smaller.
    of_images, of_filters = 1, 1
    if groups < number:
        if images >= 8 * number and prod(x_shape) >= prod(w_shape):
            of_images = number
        else:
            of_filters = min(number, filters)
    tasks = [
        (group, *some, *others)
        for group in range(groups)
        for some in ranges(images, of_images)
        for others in ranges(filters, of_filters)
    ]
    held_images = evenly(-(-images // of_images), PLANES // (together * planes.size * itemsize))
    held_filters = evenly(-(-filters // of_filters), LINES // (together * vectors * n * itemsize))
    tables = (
        (*planes.shape, *planes.lows, *planes.steps, rows, vectors, n, planes.starts.size),
        (together, held_images, held_filters),
        planes.table,
        planes.starts,
    )
    return Inner(
        (groups, filters, images, *out),
        np.array(tasks),
        np.concatenate([np.ravel(table) for table in tables]),
        ((held_images * together * planes.size + n,), (held_filters * together * vectors * n + n,)),
        images * prod(out) * prod(w_shape),
    )


def evenly(count: int, most: int) -> int:
    """Return how many of a count to do at a time, at most so many, in steps as even as can be."""
    steps = -(-count // max(most, 1))
    return -(-count // steps)


def ranges(count: int, parts: int) -> list[tuple[int, int]]:
    """Cut a count into so many parts, as even as can be: where each begins and ends."""
    cuts = [count * i // parts for i in range(parts + 1)]
    return list(pairwise(cuts))


@kernel("x", "w")
def correlate(x, w, y, tasks, tables, memory, held):
    """Do tasks (group, the first image and the end, the first filter and the end).

    x (n, g, c, i0, i1, i2), w (g, o, c, k0, k1, k2), y (g, o, n, j) contiguous; ``memory``
    is for the planes of x, and ``held`` for the lines of w.
    """
    shape, lows, steps = (tables[0], tables[1], tables[2], tables[3]), tables[4:7], tables[7:10]
    rows, vectors, lanes, count = tables[10], tables[11], tables[12], tables[13]
    together, held_images, held_filters = tables[14], tables[15], tables[16]
    table = tables[17 : 17 + 5 * shape[0]].reshape(shape[0], 5)
    starts = tables[17 + 5 * shape[0] :]
    channels, depth = x.shape[2], w.shape[3]
    n1, n2 = shape[2], shape[3]
    size = shape[0] * shape[1] * n1 * n2
    length = vectors * lanes
    flat = y.reshape(-1)
    memory[-lanes:] = 0  # that is read, and multiplied by zeros
    planes = memory[:-lanes].reshape((held_images, together, shape[0], shape[1], n1, n2))
    offsets = np.empty(held_images * count, np.int64)
    for n in range(held_images):
        for j in range(count):
            offsets[n * count + j] = n * together * size + starts[j]
    for task in range(len(tasks)):
        group, begin, end, low, high = tasks[task]
        for channel in range(0, channels, together):
            some = min(together, channels - channel)
            for first in range(0, depth, rows):
                last = min(first + rows, depth)
                for filters in range(low, high, held_filters):
                    number = min(held_filters, high - filters)
                    for o in range(number):
                        for c in range(some):
                            source = w[group, filters + o, channel + c]
                            at = (o * together + c) * length
                            _fill_line(source, first, last, held, at, length, n1, n2)
                    for image in range(begin, end, held_images):
                        images = min(held_images, end - image)
                        if filters == low or images < end - begin:
                            for n in range(images):
                                source = x[image + n, group, channel : channel + some]
                                fill_planes(source, table, lows, steps, first, planes[n, :some])
                        at = ((group * w.shape[1] + filters) * y.shape[2] + image) * count
                        _products(
                            held, together * length, length, memory, size,
                            offsets[: images * count], BLOCK * count, some, vectors,
                            flat, at, y.shape[2] * count, number, min(channel + first, 1),
                        )  # fmt: skip
