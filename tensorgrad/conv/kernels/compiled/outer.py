"""Convolution with vectors of results: for every plane position, each weight meets a vector.

Results are computed for runs of positions that go on from row to row of a plane, past the ends of
the rows: a few are computed in vain, and no vector is left partly empty at the end of each row.
"""

from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np

from tensorgrad.conv import threads
from tensorgrad.conv.geometry import Geometry
from tensorgrad.conv.kernels.compiled.planes import Axis, fill_planes, make_planes
from tensorgrad.conv.kernels.compiled.tiles import MANY_REGISTERS, copy, jit, lanes, outer_tile
from tensorgrad.typing import Array, Shape

CACHE = 400_000  # bytes of planes that are held at a time, for the second level of cache
ROWS = 32  # of results that are computed before they are put in place

tile_8x3, tile_4x3, tile_2x3, tile_1x3 = (outer_tile(rows, 3) for rows in (8, 4, 2, 1))
tile_8x2, tile_4x2, tile_2x2, tile_1x2 = (outer_tile(rows, 2) for rows in (8, 4, 2, 1))
tile_4x6, tile_3x6, tile_2x6, tile_1x6 = (outer_tile(rows, 6) for rows in (4, 3, 2, 1))


@jit
def multiply_wide(w, w_at, taps, offsets, x, at, place, b, b_at, y, y_at, y_row, count):
    """Compute ``count`` rows of results, three vectors each."""
    o = 0
    while o < count:
        weights, here, start = w_at + o * taps, y_at + o * y_row, b_at + o
        if MANY_REGISTERS and count - o >= 8:
            tile_8x3(w, weights, taps, offsets, x, at, place, b, start, y, here, y_row)
            o += 8
        elif count - o >= 4:
            tile_4x3(w, weights, taps, offsets, x, at, place, b, start, y, here, y_row)
            o += 4
        elif count - o >= 2:
            tile_2x3(w, weights, taps, offsets, x, at, place, b, start, y, here, y_row)
            o += 2
        else:
            tile_1x3(w, weights, taps, offsets, x, at, place, b, start, y, here, y_row)
            o += 1


tile_2x12, tile_1x12 = outer_tile(2, 12), outer_tile(1, 12)


@jit
def multiply_narrow(w, w_at, taps, offsets, x, at, place, b, b_at, y, y_at, y_row, count):
    """Compute ``count`` rows of results, two vectors each."""
    o = 0
    while o < count:
        weights, here, start = w_at + o * taps, y_at + o * y_row, b_at + o
        if MANY_REGISTERS and count - o >= 8:
            tile_8x2(w, weights, taps, offsets, x, at, place, b, start, y, here, y_row)
            o += 8
        elif count - o >= 4:
            tile_4x2(w, weights, taps, offsets, x, at, place, b, start, y, here, y_row)
            o += 4
        elif count - o >= 2:
            tile_2x2(w, weights, taps, offsets, x, at, place, b, start, y, here, y_row)
            o += 2
        else:
            tile_1x2(w, weights, taps, offsets, x, at, place, b, start, y, here, y_row)
            o += 1


@jit
def multiply_long(w, w_at, taps, offsets, x, at, place, b, b_at, y, y_at, y_row, count):
    """Compute ``count`` rows of results, six vectors each: better for few rows."""
    o = 0
    while o < count:
        weights, here, start = w_at + o * taps, y_at + o * y_row, b_at + o
        if MANY_REGISTERS and count - o >= 4:
            tile_4x6(w, weights, taps, offsets, x, at, place, b, start, y, here, y_row)
            o += 4
        elif MANY_REGISTERS and count - o == 3:
            tile_3x6(w, weights, taps, offsets, x, at, place, b, start, y, here, y_row)
            o += 3
        elif count - o >= 2:
            tile_2x6(w, weights, taps, offsets, x, at, place, b, start, y, here, y_row)
            o += 2
        else:
            tile_1x6(w, weights, taps, offsets, x, at, place, b, start, y, here, y_row)
            o += 1


@jit
def multiply_longest(w, w_at, taps, offsets, x, at, place, b, b_at, y, y_at, y_row, count):
    """Compute ``count`` rows of results, twelve vectors each: better for one or two rows."""
    o = 0
    while o < count:
        weights, here, start = w_at + o * taps, y_at + o * y_row, b_at + o
        if MANY_REGISTERS and count - o >= 2:
            tile_2x12(w, weights, taps, offsets, x, at, place, b, start, y, here, y_row)
            o += 2
        else:
            tile_1x12(w, weights, taps, offsets, x, at, place, b, start, y, here, y_row)
            o += 1


class Outer(NamedTuple):
    """A convolution of three axes, planned: what `convolve` needs but for the arrays."""

    x_shape: Shape  # (n, g, c, i0, i1, i2)
    w_shape: Shape  # (g, o, c taps)
    tasks: Array  # (tasks, 3): image, group, first row of results
    tables: Array  # all the rest, in integers, as `convolve` reads it
    scratch: int  # entries of memory that a thread needs
    multiplications: int

    def apply(self, x: Array, w: Array, b: Array, y: Array) -> None:
        """Put x (n, g c, *i) * w (g o, c, *k) + b into the memory of y."""
        images, weights = x.reshape(self.x_shape), w.reshape(self.w_shape)

        def work(tasks: Array) -> None:
            with threads.scratch(x.dtype, (self.scratch,)) as (memory,):
                convolve(images, weights, b, y, tasks, self.tables, memory)

        threads.run(work, threads.parts(self.tasks, self.multiplications))


def plan_outer(
    x_shape: Shape,
    w_shape: Shape,
    geometry: Geometry,
    itemsize: int,
    origin: int,
    strides: Shape,
) -> Outer:
    """Plan a convolution of three axes.

    The results (n, g o, j0, j1, j2) are the entries of y from the origin on, at these strides.
    """
    out = geometry.output_sides(x_shape[2:], w_shape[2:])
    images, groups = x_shape[0], geometry.groups
    channels, filters = w_shape[1], w_shape[0] // groups
    axes = [
        Axis(low, s, tuple(d * t for t in range(k)), o)
        for (low, _), s, d, k, o in zip(
            geometry.padding, geometry.stride, geometry.dilation, w_shape[2:], out, strict=True
        )
    ]
    whole = make_planes(axes, out[0])
    row = channels * whole.size // whole.shape[1] * itemsize
    halo = axes[0].reach
    rows = min(max(CACHE // row - halo, 2 * halo, 1), out[0])
    rows = -(-out[0] // -(-out[0] // rows))  # evenly
    together = min(max(CACHE // (row * (rows + halo)), 1), images) if rows == out[0] else 1
    planes = make_planes(axes, rows)
    n = lanes(itemsize)
    places, lines = _vectors(planes.shape[1:], (rows, *out[1:]), n)
    vectors = len(places)
    of_all = [(i, *line, i * vectors * n + lane) for i in range(together) for line, lane in lines]
    places = [i * channels * planes.size + place for i in range(together) for place in places]
    # more vectors where there are few filters, so that enough sums are under way at a time
    widths = (12, 6) if filters < 3 else (6,) if filters < 8 else (3, 2)
    width = min(widths, key=lambda w: -(-len(places) // w) * w)
    block = n * width
    blocks = -(-len(places) // width)
    # of each block: its lanes, and the image, row, position in y from that row, length of results
    runs: list[list[tuple[int, ...]]] = [[] for _ in range(blocks)]
    for image, r, i, lane in of_all:  # a line may go on from block to block
        for index in range(lane // block, (lane + out[2] - 1) // block + 1):
            first, last = max(lane, index * block), min(lane + out[2], (index + 1) * block)
            at = r * strides[2] + i * strides[3] + (first - lane) * strides[4]
            runs[index].append((first - index * block, image, r, at, last - first))
    places += [places[-1]] * (blocks * width - len(places))
    spread = (strides[0], strides[1] * filters, *strides[1:])
    counts = (len(planes.starts), len(places), sum(map(len, runs)), blocks)
    tables = (
        (*planes.shape, *planes.lows, *planes.steps, origin, *spread, together, out[0], width, n),
        counts,
        planes.table,
        planes.starts,
        places,
        [run for block in runs for run in block],
        np.cumsum([0, *map(len, runs)]),
    )
    ranges = range(0, images, together), range(groups), range(0, out[0], rows)
    return Outer(
        (images, groups, channels, *x_shape[2:]),
        (groups, filters, channels * prod(w_shape[2:])),
        np.array(list(product(*ranges))),
        np.concatenate([np.ravel(table) for table in tables]),
        together * channels * planes.size + n,
        images * prod(out) * prod(w_shape),
    )


def _vectors(
    sides: Shape, out: Shape, n: int
) -> tuple[list[int], list[tuple[tuple[int, int], int]]]:
    """Return where vectors of n lanes begin in a plane, and the lane that each line begins in.

    Either through the ends of lines, or anew for each: whichever needs fewer vectors.
    """
    lines = [((r, i), (r * sides[1] + i) * sides[2]) for r in range(out[0]) for i in range(out[1])]
    through = -(-(lines[-1][1] + out[2]) // n)
    each = -(-out[2] // n)
    if through <= each * len(lines):
        return [v * n for v in range(through)], lines
    places = [at + v * n for _, at in lines for v in range(each)]
    return places, [(line, i * each * n) for i, (line, _) in enumerate(lines)]


@jit
def convolve(x, w, b, y, tasks, tables, memory):
    """Do tasks (image, group, first row): fill planes, multiply, and put results in place.

    x (n, g, c, i0, i1, i2), w (g, o, c taps), b (g o,), y and the planes' ``memory`` flat.
    """
    shape = (tables[0], tables[1], tables[2], tables[3])
    lows, steps, origin, strides = tables[4:7], tables[7:10], tables[10], tables[11:17]
    together, left, width, lanes = tables[17], tables[18], tables[19], tables[20]
    at = 25
    table = tables[at : at + 3 * shape[0]].reshape(shape[0], 3)
    at += 3 * shape[0]
    starts = tables[at : at + tables[21]]
    at += tables[21]
    places = tables[at : at + tables[22]]
    at += tables[22]
    runs = tables[at : at + 5 * tables[23]].reshape(tables[23], 5)
    begins = tables[at + 5 * tables[23] :]
    channels, count, taps = x.shape[2], w.shape[1], w.shape[2]
    size = shape[0] * shape[1] * shape[2] * shape[3]
    planes = memory[: together * channels * size].reshape(
        (together, channels, shape[0], shape[1], shape[2], shape[3])
    )
    offsets = np.empty(taps, np.int64)
    for c in range(channels):
        for t in range(len(starts)):
            offsets[c * len(starts) + t] = c * size + starts[t]
    block, step = width * lanes, strides[5]
    results = np.empty(ROWS * block, x.dtype)
    weights = w.reshape(-1)
    for task in range(len(tasks)):
        image, group, first = tasks[task]
        images, rows = min(together, x.shape[0] - image), left - first
        for i in range(images):
            for c in range(channels):
                fill_planes(x[image + i, group, c], table, lows, steps, first, planes[i, c])
        base = origin + image * strides[0] + group * strides[1] + first * strides[3]
        for index in range(len(begins) - 1):
            begin, end = begins[index], begins[index + 1]
            if runs[begin, 1] >= images or runs[begin, 2] >= rows:
                continue
            place = index * width
            whole = step == 1 and end - begin == 1 and runs[begin, 4] == block
            for o in range(0, count, ROWS):
                number = min(ROWS, count - o)
                row = group * count + o
                if whole:
                    target, distance = y, strides[2]
                    to = base + runs[begin, 1] * strides[0] + o * strides[2] + runs[begin, 3]
                else:
                    target, to, distance = results, 0, block
                tile = (weights, row * taps, taps, offsets, memory, places, place, b, row)
                if width == 3:
                    multiply_wide(*tile, target, to, distance, number)
                elif width == 2:
                    multiply_narrow(*tile, target, to, distance, number)
                elif width == 6:
                    multiply_long(*tile, target, to, distance, number)
                else:
                    multiply_longest(*tile, target, to, distance, number)
                if whole:
                    continue
                for r in range(begin, end):
                    lane, i, j, position, length = runs[r]
                    if i >= images or j >= rows:
                        continue
                    for m in range(number):
                        source = m * block + lane
                        to = base + i * strides[0] + (o + m) * strides[2] + position
                        if step == 1:
                            copy(y, to, results, source, length)
                        else:
                            for q in range(length):
                                y[to + q * step] = results[source + q]
