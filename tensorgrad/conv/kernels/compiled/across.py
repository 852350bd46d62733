"""Convolution with vectors across images: for few results, of many images.

That is what the gradient by a kernel is, whose images are the channels: for each pair of a position
and a result, an entry of the output gradient meets the vector of all channels of the input there.
The input is laid out anew, the images of an entry side by side.
"""

from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np

from tensorgrad.conv import threads
from tensorgrad.conv.geometry import Geometry, dilated
from tensorgrad.conv.kernels.compiled.inner import evenly
from tensorgrad.conv.kernels.compiled.tiles import (
    MANY_REGISTERS,
    copy,
    fill,
    jit,
    kernel,
    lanes,
    outer_tile,
    transpose,
)
from tensorgrad.typing import Array, Shape

CACHE = 300_000  # bytes of the input that are held at a time
SUMS = 1_000_000  # bytes of sums that are held at a time, if that costs nothing else
POSITIONS = 512  # that are summed over at a time, at most
ROWS = 8  # filters at a time

tile_8x3, tile_4x3, tile_2x3, tile_1x3 = (outer_tile(rows, 3, onto=True) for rows in (8, 4, 2, 1))
tile_8x2, tile_4x2, tile_2x2, tile_1x2 = (outer_tile(rows, 2, onto=True) for rows in (8, 4, 2, 1))


@jit
def _multiply(w, w_row, pairs, x, at, place, width, y, y_at, y_row, count):
    """Add to ``count`` rows of results, two or three vectors each."""
    o = 0
    while o < count:
        left = (w, o * w_row, w_row, pairs, x, at, place, w, 0, y, y_at + o * y_row, y_row)
        if width == 3:
            if MANY_REGISTERS and count - o >= 8:
                tile_8x3(*left)
                o += 8
            elif count - o >= 4:
                tile_4x3(*left)
                o += 4
            elif count - o >= 2:
                tile_2x3(*left)
                o += 2
            else:
                tile_1x3(*left)
                o += 1
        elif MANY_REGISTERS and count - o >= 8:
            tile_8x2(*left)
            o += 8
        elif count - o >= 4:
            tile_4x2(*left)
            o += 4
        elif count - o >= 2:
            tile_2x2(*left)
            o += 2
        else:
            tile_1x2(*left)
            o += 1


class Across(NamedTuple):
    """A convolution of three axes, planned: what `gather` needs but for the arrays."""

    y_shape: Shape  # (g, o, n, *j)
    tasks: Array  # (tasks, 5): group, the first image and the end, the first filter and the end
    tables: Array  # all the rest, in integers, as `gather` reads it
    scratch: tuple[Shape, Shape, Shape]  # entries of memory that a thread needs
    multiplications: int

    def apply(self, x: Array, w: Array) -> Array:
        """Return x (n, g, c, *i) * w (g, o, c, *k) as (n, g, o, *j)."""
        x, w = _with_rows(x), _with_rows(w)
        y = np.empty(self.y_shape, x.dtype)
        results = y.reshape(*self.y_shape[:3], -1)

        def work(tasks: Array, *memories: Array) -> None:
            gather(x, w, results, tasks, self.tables, *memories)

        threads.share(work, self.tasks, self.multiplications, x.dtype, *self.scratch)
        return y.transpose(2, 0, 1, 3, 4, 5)


def _with_rows(x: Array) -> Array:
    """Return x with the entries of a row side by side."""
    return x if x.strides[-1] == x.itemsize else np.ascontiguousarray(x)


def plan_across(
    x_shape: Shape, w_shape: Shape, geometry: Geometry, itemsize: int, number: int
) -> Across:
    """Plan a convolution of three axes, for a number of threads."""
    out = geometry.output_sides(x_shape[2:], w_shape[2:])
    images, groups = x_shape[0], geometry.groups
    channels, filters, kernel = w_shape[1], w_shape[0] // groups, w_shape[2:]
    n = lanes(itemsize)
    # Groups are divided among the threads, or filters, or images. The input is laid out once for
    # each part of the filters.
    of_images, of_filters = 1, 1
    if groups < number:
        if images >= 2 * n * number and prod(x_shape) >= prod(w_shape):
            of_images = number
        else:
            of_filters = min(number, filters)
    of_task = -(-filters // (of_filters * ROWS)) * ROWS

    def at_a_time(step: int) -> tuple[int, int, bool]:
        """Return how many rows of how many channels are read at a time, and whether that is all."""
        most = min(max(CACHE // (step * itemsize), 64), POSITIONS)
        rows = evenly(kernel[0], most // prod(kernel[1:]))
        if rows < kernel[0]:
            return rows, 1, False
        together = evenly(channels, most // prod(kernel))
        return rows, together, together == channels

    step = -(-images // (of_images * n)) * n
    rows, together, whole = at_a_time(step)
    if not whole:  # then the sums of a task are held for all its filters
        held = of_task * prod(out) * n * itemsize
        step = evenly(step // n, SUMS // held) * n
        rows, together, whole = at_a_time(step)
    # what is read of the input by so many rows
    sides = tuple(
        (o - 1) * s + dilated(k, d)
        for o, s, k, d in zip(
            out, geometry.stride, (rows, *kernel[1:]), geometry.dilation, strict=True
        )
    )
    vectors = prod(out) * step // n
    if whole:  # the input is laid out once for all filters
        of_task = min(of_task, max(SUMS // (vectors * n * itemsize * ROWS), 1) * ROWS)
    tasks = list(product(range(groups), _ranges(images, step), _ranges(filters, of_task)))
    width = 3 if vectors % 3 == 0 or vectors > 8 else 2
    places = [
        ((j0 * s0 * sides[1] + j1 * s1) * sides[2] + j2 * s2) * step + v
        for s0, s1, s2 in [geometry.stride]
        for j0, j1, j2 in np.ndindex(*out)
        for v in range(0, step, n)
    ]
    places += [places[-1]] * (-vectors % width)
    lows = [low for low, _ in geometry.padding]
    tables = (
        (*sides, *lows, *geometry.dilation, rows, together, step, width, len(places), n, whole),
        places,
    )
    held = together * rows * prod(kernel[1:])
    return Across(
        (groups, filters, images, *out),
        np.array([(group, *some, *others) for group, some, others in tasks]),
        np.concatenate([np.ravel(table) for table in tables]),
        ((together * prod(sides) * step,), (ROWS * held,), (of_task * len(places) * n,)),
        images * prod(out) * prod(w_shape),
    )


def _ranges(count: int, step: int) -> list[tuple[int, int]]:
    return [(begin, min(begin + step, count)) for begin in range(0, count, step)]


@jit
def _lay_out(x, first, rows, lows, dilation, sides, step, lanes, planes):
    """Put x (n, c, i0, i1, i2), from row ``first`` on, into planes (c, *sides, n)."""
    images, channels, i0, i1, i2 = x.shape
    item = x.itemsize
    of_image, of_channel = x.strides[0] // item, x.strides[1] // item
    s0, s1 = x.strides[2] // item, x.strides[3] // item
    begin, end = max(lows[2], 0), min(sides[2], i2 + lows[2])
    end = max(end, begin)
    to = 0
    for c in range(channels):
        for r0 in range(sides[0]):
            z0 = first * dilation[0] + r0 - lows[0]
            for r1 in range(sides[1]):
                z1 = r1 - lows[1]
                if z0 < 0 or z0 >= i0 or z1 < 0 or z1 >= i1 or begin >= end:
                    fill(planes, to, sides[2] * step, x, 0, 0, 0)
                    to += sides[2] * step
                    continue
                fill(planes, to, begin * step, x, 0, 0, 0)
                fill(planes, to + end * step, (sides[2] - end) * step, x, 0, 0, 0)
                row = c * of_channel + z0 * s0 + z1 * s1 - lows[2]
                for n in range(0, images, lanes):
                    for q in range(begin, end, lanes):
                        transpose(
                            x, row + n * of_image + q, of_image, images - n, end - q,
                            planes, to + q * step + n, step, lanes,
                        )  # fmt: skip
                to += sides[2] * step


@kernel("x", "w")
def gather(x, w, y, tasks, tables, planes, held, sums):
    """Do tasks (group, the first image and the end, the first filter and the end).

    x (n, g, c, i0, i1, i2), w (g, o, c, k0, k1, k2), y (g, o, n, j) contiguous; ``planes`` are for
    the input, ``held`` for rows of w, ``sums`` for the results with the images side by side.
    """
    sides, lows, dilation = tables[0:3], tables[3:6], tables[6:9]
    rows, together, step, width = tables[9], tables[10], tables[11], tables[12]
    vectors, lanes, whole, places = tables[13], tables[14], tables[15], tables[16:]
    channels, depth, k1, k2 = x.shape[2], w.shape[3], w.shape[4], w.shape[5]
    of_row, of_line = w.strides[3] // w.itemsize, w.strides[4] // w.itemsize
    plane = sides[0] * sides[1] * sides[2] * step
    length, results = vectors * lanes, y.shape[3]
    pairs = np.empty((together * rows * k1 * k2, 2), np.int64)
    for r in range(len(pairs)):
        q2, rest = r % k2, r // k2
        q1, rest = rest % k1, rest // k1
        q0, c = rest % rows, rest // rows
        at = (q0 * dilation[0] * sides[1] + q1 * dilation[1]) * sides[2] + q2 * dilation[2]
        pairs[r, 0], pairs[r, 1] = r, c * plane + at * step
    flat = y.reshape(-1)
    for task in range(len(tasks)):
        group, begin, end, low, high = tasks[task]
        again = task > 0 and whole == 1
        again = again and tasks[task - 1, 0] == group and tasks[task - 1, 1] == begin
        sums[: (high - low) * length] = 0
        for channel in range(0, channels, together):
            some = min(together, channels - channel)
            for first in range(0, depth, rows):
                count = min(rows, depth - first)
                if not again:
                    source = x[begin:end, group, channel : channel + some]
                    _lay_out(source, first, rows, lows, dilation, sides, step, lanes, planes)
                number = some * rows * k1 * k2
                if count < rows:
                    number = count * k1 * k2  # of one channel: there are no more together
                for o in range(low, high, ROWS):
                    filters = min(ROWS, high - o)
                    for m in range(filters):
                        to = m * number
                        for c in range(some):
                            kernel = w[group, o + m, channel + c]
                            for r in range(count):
                                for i in range(k1):
                                    at = (first + r) * of_row + i * of_line
                                    copy(held, to, kernel, at, k2)
                                    to += k2
                    for place in range(0, vectors, width):
                        at = (o - low) * length + place * lanes
                        _multiply(
                            held, number, pairs[:number], planes, places, place, width,
                            sums, at, length, filters,
                        )  # fmt: skip
        for o in range(low, high):
            for n in range(begin, end, lanes):
                for j in range(0, results, lanes):
                    transpose(
                        sums, (o - low) * length + j * step + n - begin, step,
                        results - j, end - n, flat,
                        ((group * w.shape[1] + o) * y.shape[2] + n) * results + j, results,
                        results - j,
                    )  # fmt: skip
