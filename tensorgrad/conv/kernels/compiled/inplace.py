"""Convolution by tiles that read rows where they lie: nothing is laid out beforehand.

A tile of results, or of sums for a large kernel, stays in registers. Outside of the input, masks
read zeros.
"""

from functools import lru_cache, partial
from itertools import chain
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numba.core import cgutils, types
from numba.extending import intrinsic

from tensorgrad.conv import threads
from tensorgrad.conv.geometry import Geometry
from tensorgrad.conv.kernels.compiled.inner import evenly, ranges
from tensorgrad.conv.kernels.compiled.planes import entry_by_entry
from tensorgrad.conv.kernels.compiled.tiles import (
    INDEX,
    MANY_REGISTERS,
    Emitter,
    jit,
    kernel,
    lanes,
)
from tensorgrad.typing import Array, Shape

inlined = partial(jit, inline=True)
# of a tile, at most; Numba reads the names of the tiles, which tell these numbers
FILTERS = 4 if MANY_REGISTERS else 2
ROWS, TAPS = 4, 6


class _Laid:
    """Where the entries of an array are: its first one, its sides, and the steps along each."""

    def __init__(self, e: Emitter, array: Any, kind: Any) -> None:
        made = e.context.make_array(kind)(e.context, e.builder, array)
        self.e, self.data = e, made.data
        self.sides = cgutils.unpack_tuple(e.builder, made.shape, kind.ndim)
        size = INDEX(e.itemsize)
        strides = cgutils.unpack_tuple(e.builder, made.strides, kind.ndim)
        self.steps = [e.builder.sdiv(stride, size) for stride in strides]

    def way(self, axis: int, count: Any) -> Any:
        """Return how far so many entries along an axis are."""
        return self.e.builder.mul(self.steps[axis], count)


def results_tile(filters: int, rows: int, *, edge: bool) -> Any:
    """Make ``y[o, i, j] = b[o] + sum over c, k, l of w[o, c, k, l] * x[c, s i + d k, j + d l]``.

    j is a vector. The first entry that is read is in row ``top`` and column ``low`` of x.
    """

    @intrinsic
    def tile(
        _typing: Any,
        x: Any,
        x_at: Any,
        top: Any,
        low: Any,
        w: Any,
        w_at: Any,
        b: Any,
        b_at: Any,
        y: Any,
        y_at: Any,
        count: Any,
        stride: Any,
        of_row: Any,
        of_column: Any,
    ) -> Any:
        index = types.int64

        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            x, x_at, top, low, w, w_at, b, b_at, y, y_at, count, stride, of_row, of_column = args
            e = Emitter(context, builder, sig.args[0].dtype)
            x, w, y = _Laid(e, x, sig.args[0]), _Laid(e, w, sig.args[4]), _Laid(e, y, sig.args[8])
            _, _, height, width = x.sides
            _, channels, kh, kw = w.sides
            at = builder.add(x_at, builder.add(x.way(2, top), low))
            origin, weights = e.at(x.data, at), e.at(w.data, w_at)
            apart = [builder.mul(stride, INDEX(r)) for r in range(rows)]
            lines = [x.way(2, rows_apart) for rows_apart in apart]
            start = []
            for o in range(filters):
                start += [e.splat(e.address(b, sig.args[6], b_at, INDEX(o)))] * rows

            def column(q: Any, *sums: Any) -> list[Any]:
                right = builder.mul(q, of_column)
                mask = e.inside(builder.add(low, right), width)

                def row(k: Any, *sums: Any) -> list[Any]:
                    down = builder.mul(k, of_row)
                    masks = [mask] * rows
                    if edge:
                        places = (builder.add(top, builder.add(down, step)) for step in apart)
                        masks = [e.if_below(place, height, mask) for place in places]
                    of_x = e.at(e.at(origin, right), x.way(2, down))
                    of_w = e.at(e.at(weights, w.way(3, q)), w.way(2, k))

                    def channel(c: Any, *sums: Any) -> list[Any]:
                        source, taps = e.at(of_x, x.way(1, c)), e.at(of_w, w.way(1, c))
                        xs = [
                            e.load_some(e.at(source, line), some)
                            for line, some in zip(lines, masks, strict=True)
                        ]
                        made = []
                        for o in range(filters):
                            weight = e.splat(e.at(taps, w.way(0, INDEX(o))))
                            made += [e.fma(weight, xs[r], sums[o * rows + r]) for r in range(rows)]
                        return made

                    return e.loop(channels, sums, channel)

                return e.loop(kh, sums, row)

            sums = e.loop(kw, start, column)
            used, target = e.mask(count), e.at(y.data, y_at)
            for o in range(filters):
                for r in range(rows):
                    way = builder.add(y.way(1, INDEX(o)), y.way(2, INDEX(r)))
                    e.store_some(sums[o * rows + r], e.at(target, way), used)
            return context.get_dummy_value()

        return types.void(
            x, index, index, index, w, index, b, index, y, index, index, index, index, index
        ), emit

    return tile


def sums_tile(filters: int, taps: int) -> Any:
    """Make ``y[o, t] = b[o] + sum over c, k, l of w[o, c, k, l] * x[c, top[t] + d k, low[t] + l]``.

    The sum goes over vectors of l. ``places`` are the pairs (top, low); of t the first ``count``
    are stored.
    """

    @intrinsic
    def tile(
        _typing: Any,
        x: Any,
        x_at: Any,
        places: Any,
        first: Any,
        w: Any,
        w_at: Any,
        b: Any,
        b_at: Any,
        y: Any,
        y_at: Any,
        count: Any,
        of_row: Any,
    ) -> Any:
        index = types.int64

        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            x, x_at, places, first, w, w_at, b, b_at, y, y_at, count, of_row = args
            e = Emitter(context, builder, sig.args[0].dtype)
            table = e.address(places, sig.args[2], builder.shl(first, INDEX(1)))
            x, w, y = _Laid(e, x, sig.args[0]), _Laid(e, w, sig.args[4]), _Laid(e, y, sig.args[8])
            _, _, height, width = x.sides
            _, channels, kh, kw = w.sides
            tops = [builder.load(e.at(table, INDEX(2 * t))) for t in range(taps)]
            lows = [builder.load(e.at(table, INDEX(2 * t + 1))) for t in range(taps)]
            starts = [builder.add(x.way(2, top), low) for top, low in zip(tops, lows, strict=True)]
            origin, weights = e.at(x.data, x_at), e.at(w.data, w_at)
            vectors = builder.sdiv(builder.add(kw, INDEX(e.lanes - 1)), INDEX(e.lanes))

            def column(v: Any, *sums: Any) -> list[Any]:
                right = builder.mul(v, INDEX(e.lanes))
                used = e.mask(builder.sub(kw, right))
                masks = [
                    builder.and_(used, e.inside(builder.add(low, right), width)) for low in lows
                ]

                def row(k: Any, *sums: Any) -> list[Any]:
                    down = builder.mul(k, of_row)
                    inside = [
                        e.if_below(builder.add(top, down), height, mask)
                        for top, mask in zip(tops, masks, strict=True)
                    ]
                    of_x = e.at(e.at(origin, right), x.way(2, down))
                    of_w = e.at(e.at(weights, right), w.way(2, k))

                    def channel(c: Any, *sums: Any) -> list[Any]:
                        source, line = e.at(of_x, x.way(1, c)), e.at(of_w, w.way(1, c))
                        ws = [
                            e.load_some(e.at(line, w.way(0, INDEX(o))), used)
                            for o in range(filters)
                        ]
                        made = list(sums)
                        for t in range(taps):
                            vector = e.load_some(e.at(source, starts[t]), inside[t])
                            for o in range(filters):
                                made[o * taps + t] = e.fma(ws[o], vector, sums[o * taps + t])
                        return made

                    return e.loop(channels, sums, channel)

                return e.loop(kh, sums, row)

            sums = e.loop(vectors, [e.zeros()] * (filters * taps), column)
            target = e.at(y.data, y_at)
            for o in range(filters):
                of_o = e.at(target, y.way(1, INDEX(o)))
                start = e.splat(e.address(b, sig.args[6], b_at, INDEX(o)))
                for t in range(0, taps, e.lanes):
                    some = sums[o * taps + t : min(o * taps + t + e.lanes, (o + 1) * taps)]
                    rest = builder.sub(count, INDEX(t))
                    e.store_some(
                        builder.fadd(e.sums(some), start), e.at(of_o, INDEX(t)), e.mask(rest)
                    )
            return context.get_dummy_value()

        return types.void(x, index, places, index, w, index, b, index, y, index, index, index), emit

    return tile


results_1x4, results_2x4, results_3x4, results_4x4 = (
    results_tile(n, ROWS, edge=False) for n in (1, 2, 3, 4)
)
edge_1x4, edge_2x4, edge_3x4, edge_4x4 = (results_tile(n, ROWS, edge=True) for n in (1, 2, 3, 4))
edge_1x1, edge_2x1, edge_3x1, edge_4x1 = (results_tile(n, 1, edge=True) for n in (1, 2, 3, 4))
sums_1x6, sums_2x6, sums_3x6, sums_4x6 = (sums_tile(n, TAPS) for n in (1, 2, 3, 4))


@inlined
def _results(height, inside, filters, left, right):
    """Compute a tile of so many rows and filters, which reads only rows of the input or others."""
    if height == ROWS and not inside:
        if filters == 4:
            edge_4x4(*left, *right)
        elif filters == 3:
            edge_3x4(*left, *right)
        elif filters == 2:
            edge_2x4(*left, *right)
        else:
            edge_1x4(*left, *right)
    elif height == ROWS:
        if filters == 4:
            results_4x4(*left, *right)
        elif filters == 3:
            results_3x4(*left, *right)
        elif filters == 2:
            results_2x4(*left, *right)
        else:
            results_1x4(*left, *right)
    elif filters == 4:
        edge_4x1(*left, *right)
    elif filters == 3:
        edge_3x1(*left, *right)
    elif filters == 2:
        edge_2x1(*left, *right)
    else:
        edge_1x1(*left, *right)


@inlined
def _sums(filters, args):
    """Compute a tile of so many filters."""
    if filters == 4:
        sums_4x6(*args)
    elif filters == 3:
        sums_3x6(*args)
    elif filters == 2:
        sums_2x6(*args)
    else:
        sums_1x6(*args)


@kernel("x", "w", "b")
def convolve(x, w, b, y, table):
    """Convolve x (n, g c, h, w) and w (g o, c, k, l), and b (g o,), into y (n, g o, i, j).

    The table begins with which tiles: of the filters of all groups of all images. It ends with
    where in x each result begins to read, if these are few.
    """
    begin, end, few, of_tile, blocks = table[0], table[1], table[2], table[3], table[4]
    lanes, stride, of_row, of_column = table[5], table[6], table[7], table[8]
    top, low, places = table[9], table[10], table[11:]
    item = x.itemsize
    of_image, of_channel, of_filter = (
        x.strides[0] // item, x.strides[1] // item, w.strides[0] // item,
    )  # fmt: skip
    channels, (_, _, rows, columns) = w.shape[1], y.shape
    groups = x.shape[1] // channels
    filters, height = w.shape[0] // groups, ROWS if rows >= ROWS else 1
    for tile in range(begin, end):
        image, rest = tile // (groups * blocks), tile % (groups * blocks)
        group, block = rest // blocks, rest % blocks
        x_at = image * of_image + group * channels * of_channel
        o = group * filters + block * of_tile
        some = min(of_tile, filters - block * of_tile)
        y_at = (image * w.shape[0] + o) * rows * columns
        if few == 1:
            for t in range(0, rows * columns, TAPS):
                left = (x, x_at, places, t, w, o * of_filter, b, o)
                _sums(some, (*left, y, y_at + t, rows * columns - t, of_row))
            continue
        for q in range(0, columns, lanes):
            for i in range(0, rows, height):
                first = min(i, rows - height)  # the last rows may be done again
                above = first * stride - top
                below = above + (height - 1) * stride + (w.shape[2] - 1) * of_row
                inside = above >= 0 and below < x.shape[2]
                left = (x, x_at, above, q - low, w, o * of_filter, b, o)
                to = y_at + first * columns + q
                right = (y, to, columns - q, stride, of_row, of_column)
                _results(height, inside, some, left, right)


class InPlace(NamedTuple):
    """A convolution of up to two axes, planned: what `convolve` needs but for the arrays."""

    shape: Shape  # of the result
    x_shape: Shape  # (n, g c, i0, i1)
    w_shape: Shape  # (g o, c, k0, k1)
    y_shape: Shape  # (n, g o, j0, j1)
    few: bool  # whether vectors are of positions of the kernel, not of results
    tables: list[Array]  # for each part of the work: integers, as `convolve` reads them

    def apply(self, x: Array, w: Array, b: Array | None) -> Array:
        """(n, g c, *i) * (g o, c, *k) + (g o,) -> (n, g o, *j)."""
        x, w, start = entry_by_entry(x, w, b)
        if self.few and w.strides[-1] != w.itemsize:
            w = np.ascontiguousarray(w)
        of_one_axis = x.ndim < 4
        if of_one_axis:
            x, w = x.reshape(self.x_shape), w.reshape(self.w_shape)
        y = np.empty(self.y_shape, x.dtype)
        if len(self.tables) == 1:
            convolve(x, w, start, y, self.tables[0])
        else:
            tables = self.tables
            threads.run(lambda table: convolve(x, w, start, y, table), tables, with_blas=False)
        return y.reshape(self.shape) if of_one_axis else y


@lru_cache(maxsize=1024)
def plan(x_shape: Shape, w_shape: Shape, geometry: Geometry, itemsize: int, number: int) -> InPlace:
    """Plan a convolution of an undilated input, for a number of threads.

    Along the last axis the stride or the dilation is 1.
    """
    shape = (x_shape[0], w_shape[0], *geometry.output_sides(x_shape[2:], w_shape[2:]))
    missing = 4 - len(x_shape)
    x, w, y = ((*s[:2], *(1,) * missing, *s[2:]) for s in (x_shape, w_shape, shape))
    stride, dilation = ((1,) * missing + of for of in (geometry.stride, geometry.dilation))
    top, low = (0,) * missing + tuple(before for before, _ in geometry.padding)
    n, taps = lanes(itemsize), -(-prod(y[2:]) // TAPS) * TAPS
    # products of vectors of results, and of positions of the kernel
    results, positions = y[2] * -(-y[3] // n) * w[3], taps * -(-w[3] // n)
    few = stride[1] > 1 or (dilation[1] == 1 and positions < results)
    of_group = w[0] // geometry.groups
    of_tile = evenly(of_group, FILTERS)
    blocks = -(-of_group // of_tile)
    places = [(stride[0] * i - top, stride[1] * j - low) for i, j in np.ndindex(*y[2:])]
    places += [places[-1]] * (taps - len(places))
    # what `convolve` unpacks, but for the first and the last tile of each part
    table = [few, of_tile, blocks, n, stride[0], *dilation, top, low]
    if few:
        table += chain.from_iterable(places)
    tiles, number = x[0] * geometry.groups * blocks, threads.worth(prod(y) * prod(w[1:]), number)
    parts = 1 if number == 1 else min(4 * number, tiles)
    tables = [np.array([*some, *table]) for some in ranges(tiles, parts)]
    return InPlace(shape, x, w, y, few, tables)
