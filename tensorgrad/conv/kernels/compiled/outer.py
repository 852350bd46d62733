"""Convolution with vectors of results: for every plane position, each weight meets a vector.

Results are computed for runs of positions that go on from row to row of a plane, past the ends of
the rows: a few are computed in vain, and no vector is left partly empty at the end of each row.
"""

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np

from tensorgrad.conv import threads
from tensorgrad.conv.kernels.compiled.planes import Axis, fill_planes, make_planes
from tensorgrad.conv.kernels.compiled.tiles import (
    MANY_REGISTERS,
    copy,
    jit,
    kernel,
    lanes,
    outer_tile,
)
from tensorgrad.conv.kernels.phases import Phase
from tensorgrad.typing import Array, Shape

CACHE = 420_000  # bytes of planes that are held at a time, for the second level of cache
ROWS = 32  # of results that are computed before they are put in place

tile_8x3, tile_4x3, tile_2x3, tile_1x3 = (outer_tile(rows, 3) for rows in (8, 4, 2, 1))
tile_8x2, tile_4x2, tile_2x2, tile_1x2 = (outer_tile(rows, 2) for rows in (8, 4, 2, 1))
tile_4x6, tile_3x6, tile_2x6, tile_1x6 = (outer_tile(rows, 6) for rows in (4, 3, 2, 1))


@jit
def multiply_wide(w, w_at, w_row, pairs, x, at, place, b, b_at, y, y_at, y_row, count):
    """Compute ``count`` rows of results, three vectors each."""
    o = 0
    while o < count:
        left = (w, w_at + o * w_row, w_row, pairs, x, at, place)
        right = (b, b_at + o, y, y_at + o * y_row, y_row)
        if MANY_REGISTERS and count - o >= 8:
            tile_8x3(*left, *right)
            o += 8
        elif count - o >= 4:
            tile_4x3(*left, *right)
            o += 4
        elif count - o >= 2:
            tile_2x3(*left, *right)
            o += 2
        else:
            tile_1x3(*left, *right)
            o += 1


tile_2x12, tile_1x12 = outer_tile(2, 12), outer_tile(1, 12)


@jit
def multiply_narrow(w, w_at, w_row, pairs, x, at, place, b, b_at, y, y_at, y_row, count):
    """Compute ``count`` rows of results, two vectors each."""
    o = 0
    while o < count:
        left = (w, w_at + o * w_row, w_row, pairs, x, at, place)
        right = (b, b_at + o, y, y_at + o * y_row, y_row)
        if MANY_REGISTERS and count - o >= 8:
            tile_8x2(*left, *right)
            o += 8
        elif count - o >= 4:
            tile_4x2(*left, *right)
            o += 4
        elif count - o >= 2:
            tile_2x2(*left, *right)
            o += 2
        else:
            tile_1x2(*left, *right)
            o += 1


@jit
def multiply_long(w, w_at, w_row, pairs, x, at, place, b, b_at, y, y_at, y_row, count):
    """Compute ``count`` rows of results, six vectors each: better for few rows."""
    o = 0
    while o < count:
        left = (w, w_at + o * w_row, w_row, pairs, x, at, place)
        right = (b, b_at + o, y, y_at + o * y_row, y_row)
        if MANY_REGISTERS and count - o >= 4:
            tile_4x6(*left, *right)
            o += 4
        elif MANY_REGISTERS and count - o == 3:
            tile_3x6(*left, *right)
            o += 3
        elif count - o >= 2:
            tile_2x6(*left, *right)
            o += 2
        else:
            tile_1x6(*left, *right)
            o += 1


@jit
def multiply_longest(w, w_at, w_row, pairs, x, at, place, b, b_at, y, y_at, y_row, count):
    """Compute ``count`` rows of results, twelve vectors each: better for one or two rows."""
    o = 0
    while o < count:
        left = (w, w_at + o * w_row, w_row, pairs, x, at, place)
        right = (b, b_at + o, y, y_at + o * y_row, y_row)
        if MANY_REGISTERS and count - o >= 2:
            tile_2x12(*left, *right)
            o += 2
        else:
            tile_1x12(*left, *right)
            o += 1


class Outer(NamedTuple):
    """A convolution of three axes, planned: what `convolve` needs but for the arrays."""

    tasks: Array  # (tasks, 3): image, group, first row of results
    tables: Array  # all the rest, in integers, as `convolve` reads it
    scratch: int  # entries of memory that a thread needs
    multiplications: int

    def apply(self, x: Array, w: Array, b: Array, y: Array) -> None:
        """Put x (n, g, c, *i) * w (g, o, c, *k) + b into the memory of y."""

        def work(tasks: Array, memory: Array) -> None:
            convolve(x, w, b, y, tasks, self.tables, memory)

        threads.share(work, self.tasks, self.multiplications, x.dtype, (self.scratch,))


class _Placed(NamedTuple):
    """A phase of one axis: its first result, how many, the taps, and where these start reading."""

    first: int
    results: int
    taps: range
    starts: list[int]


def _place(phase: Phase, kernel: int, out: int, low: int) -> _Placed:
    results, taps = range(out)[phase.results], range(kernel)[phase.taps]
    starts = [low - phase.pads[0] + phase.dilation * t for t in range(len(taps))]
    return _Placed(results.start, len(results), taps, starts)


def plan_outer(
    x_shape: Shape,
    w_shape: Shape,
    y_shape: Shape,
    axes: Sequence[Sequence[Phase]],
    groups: int,
    itemsize: int,
) -> Outer:
    """Plan a convolution of three axes, each of which has one phase or several.

    All phases read the same planes. Their results lie between each other in y.
    """
    images, channels, filters = x_shape[0], w_shape[1], w_shape[0] // groups
    strides = [prod(y_shape[i + 1 :]) for i in range(len(y_shape))]
    placed: list[list[_Placed]] = []
    joined: list[Axis] = []
    for side, k, out, phases in zip(x_shape[2:], w_shape[2:], y_shape[2:], axes, strict=True):
        low = max(phase.pads[0] for phase in phases)
        placed.append([_place(phase, k, out, low) for phase in phases])
        starts = sorted({start for one in placed[-1] for start in one.starts})
        most = max(one.results for one in placed[-1])
        joined.append(Axis(side, low, phases[0].stride, tuple(starts), most))
    counts = tuple(axis.length for axis in joined)
    whole = make_planes(joined, counts[0])
    row = channels * whole.size // whole.shape[1] * itemsize
    halo = joined[0].reach
    rows = min(max(CACHE // row - halo, 2 * halo, 1), counts[0])
    rows = -(-counts[0] // -(-counts[0] // rows))  # evenly
    together = min(max(CACHE // (row * (rows + halo)), 1), images) if rows == counts[0] else 1
    planes = make_planes(joined, rows)
    n = lanes(itemsize)
    places, lines = _vectors(planes.shape[1:], (rows, *counts[1:]), n)
    vectors = len(places)
    of_all = [(i, *line, i * vectors * n + lane) for i in range(together) for line, lane in lines]
    places = [i * channels * planes.size + place for i in range(together) for place in places]
    # more vectors where there are few filters, so that enough sums are under way at a time
    widths = (12, 6) if filters < 3 else (6,) if filters < 8 else (3, 2)
    width = min(widths, key=lambda w: -(-len(places) // w) * w)
    block = n * width
    blocks = -(-len(places) // width)
    # of each block: its lanes, and the image, row, line, column and length of the results in them
    runs: list[list[tuple[int, ...]]] = [[] for _ in range(blocks)]
    for image, r, i, lane in of_all:  # a line may go on from block to block
        for index in range(lane // block, (lane + counts[2] - 1) // block + 1):
            first, last = max(lane, index * block), min(lane + counts[2], (index + 1) * block)
            runs[index].append((first - index * block, image, r, i, first - lane, last - first))
    places += [places[-1]] * (blocks * width - len(places))
    parts, taps = [], []
    for phase in product(*placed):
        origin = sum(one.first * s for one, s in zip(phase, strides[2:], strict=True))
        at = [
            [axis.starts.index(start) for start in one.starts]
            for one, axis in zip(phase, joined, strict=True)
        ]
        met = list(product(*(one.taps for one in phase)))
        parts.append((len(met), origin, *(one.results for one in phase)))
        found = zip(met, planes.starts[np.ix_(*at)].flat, strict=True)
        taps += [(*tap, start) for tap, start in found]
    steps = [s * phases[0].results.step for s, phases in zip(strides[2:], axes, strict=True)]
    spread = (strides[0], strides[1] * filters, strides[1], *steps)
    sizes = (together, width, n, len(places), sum(map(len, runs)), blocks, len(parts), len(taps))
    tables = (
        (*planes.shape, *planes.lows, *planes.steps, *spread, *sizes),
        planes.table,
        places,
        [run for block in runs for run in block],
        np.cumsum([0, *map(len, runs)]),
        parts,
        taps,
    )
    ranges = range(0, images, together), range(groups), range(0, counts[0], rows)
    return Outer(
        np.array(list(product(*ranges))),
        np.concatenate([np.ravel(table) for table in tables]),
        together * channels * planes.size + n,
        images * channels * filters * groups * sum(prod(part[2:]) * part[0] for part in parts),
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


@kernel("x", "w", "b")
def convolve(x, w, b, y, tasks, tables, memory):
    """Do tasks (image, group, first row): fill planes, multiply, and put results in place.

    x (n, g, c, i0, i1, i2), w (g, o, c, k0, k1, k2), b (g o,), y and the planes' ``memory`` flat.
    """
    shape = (tables[0], tables[1], tables[2], tables[3])
    lows, steps, strides = tables[4:7], tables[7:10], tables[10:16]
    together, width, lanes = tables[16], tables[17], tables[18]
    at = 24
    table = tables[at : at + 5 * shape[0]].reshape(shape[0], 5)
    at += 5 * shape[0]
    places = tables[at : at + tables[19]]
    at += tables[19]
    runs = tables[at : at + 6 * tables[20]].reshape(tables[20], 6)
    at += 6 * tables[20]
    begins = tables[at : at + tables[21] + 1]
    at += tables[21] + 1
    parts = tables[at : at + 5 * tables[22]].reshape(tables[22], 5)
    at += 5 * tables[22]
    taps = tables[at:].reshape(tables[23], 4)
    channels, count = x.shape[2], w.shape[1]
    size = shape[0] * shape[1] * shape[2] * shape[3]
    planes = memory[: together * channels * size].reshape(
        (together, channels, shape[0], shape[1], shape[2], shape[3])
    )
    of_group, of_filter, of_channel = w.strides[0], w.strides[1], w.strides[2]
    pairs = np.empty((channels * len(taps), 2), np.int64)
    t = 0
    for part in range(len(parts)):
        number = parts[part, 0]
        for c in range(channels):
            for k in range(number):
                tap, at = taps[t + k], channels * t + c * number + k
                way = tap[0] * w.strides[3] + tap[1] * w.strides[4] + tap[2] * w.strides[5]
                pairs[at, 0] = (c * of_channel + way) // w.itemsize
                pairs[at, 1] = c * size + tap[3]
        t += number
    block, step, row = width * lanes, strides[5], of_filter // w.itemsize
    results = np.empty(ROWS * block, x.dtype)
    for task in range(len(tasks)):
        image, group, first = tasks[task]
        images = min(together, x.shape[0] - image)
        for i in range(images):
            fill_planes(x[image + i, group], table, lows, steps, first, planes[i])
        begin_tap = 0
        for part in range(len(parts)):
            number, rows, width1, width2 = (
                parts[part, 0], parts[part, 2] - first, parts[part, 3], parts[part, 4],
            )  # fmt: skip
            met = pairs[channels * begin_tap : channels * (begin_tap + number)]
            begin_tap += number
            base = parts[part, 1] + image * strides[0] + group * strides[1] + first * strides[3]
            for index in range(len(begins) - 1):
                begin, end = begins[index], begins[index + 1]
                if runs[begin, 1] >= images:
                    break
                useful = False
                for r in range(begin, end):
                    useful |= runs[r, 2] < rows
                if not useful:
                    continue
                place = index * width
                whole = step == 1 and runs[begin, 5] == block
                whole &= runs[begin, 3] < width1 and runs[begin, 4] + block <= width2
                for o in range(0, count, ROWS):
                    filters = min(ROWS, count - o)
                    if whole:
                        target, distance = y, strides[2]
                        to = base + runs[begin, 1] * strides[0] + runs[begin, 2] * strides[3]
                        to += o * strides[2] + runs[begin, 3] * strides[4] + runs[begin, 4]
                    else:
                        target, to, distance = results, 0, block
                    left = (w, (group * of_group + o * of_filter) // w.itemsize, row, met)
                    right = (memory, places, place, b, group * count + o)
                    if width == 3:
                        multiply_wide(*left, *right, target, to, distance, filters)
                    elif width == 2:
                        multiply_narrow(*left, *right, target, to, distance, filters)
                    elif width == 6:
                        multiply_long(*left, *right, target, to, distance, filters)
                    else:
                        multiply_longest(*left, *right, target, to, distance, filters)
                    if whole:
                        continue
                    for r in range(begin, end):
                        lane, n, i, j, column, length = runs[r]
                        length = min(length, width2 - column)
                        if n >= images or i >= rows or j >= width1 or length <= 0:
                            continue
                        to = base + n * strides[0] + i * strides[3] + j * strides[4] + column * step
                        to += o * strides[2]
                        for m in range(filters):
                            source = m * block + lane
                            if step == 1:
                                copy(y, to, results, source, length)
                            else:
                                for q in range(length):
                                    y[to + q * step] = results[source + q]
                            to += strides[2]
