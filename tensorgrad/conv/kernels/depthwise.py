"""Convolution of few channels a group: rows of one image end to end, so that BLAS sees vectors.

An image padded on its sides is one long vector, and every tap of the kernel meets a contiguous part
of it: the results of a row, and then some that nobody asked for, where a window reaches from the
end of one row to the beginning of the next. They are multiplied too, and then left out: long
vectors are faster than short rows. With a stride, it is so for every s-th entry along each axis.
"""

from itertools import product
from math import prod

import numpy as np

from tensorgrad.conv import threads
from tensorgrad.conv.geometry import Geometry, dilated
from tensorgrad.conv.kernels.blocks import Box, boxes, cut_out, lengths, pieces, reach
from tensorgrad.typing import Array, Shape

_BLOCK = 1 << 20  # bytes of vectors that are multiplied at a time: they fit a second-level cache


def conv_by_depthwise(x: Array, w: Array, geometry: Geometry) -> Array:
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


class _Rows:
    """Every s-th entry along each axis of a block of the input, as one vector for each phase.

    A block is what windows at the positions of an area, ``step`` apart, meet; each of them is at
    some offsets from its position. Then a step along an axis is so many steps in the vector, and
    windows meet parts of the vectors that are ``length`` long, at the places of the offsets.
    """

    def __init__(self, area: Box, step: Shape, lows: Shape, offsets: Shape, apart: Shape) -> None:
        self.area, self.step, self.counts = area, step, lengths(area)
        spans = tuple(map(dilated, offsets, apart))
        self.starts, sides = reach(area, step, lows, spans)
        self.sides = tuple(-(-side // s) for side, s in zip(sides, step, strict=True))
        self.padded_sides = tuple(q * s for q, s in zip(self.sides, step, strict=True))
        steps = tuple(prod(self.sides[axis + 1 :]) for axis in range(len(sides)))
        self.length = sum((j - 1) * one for j, one in zip(self.counts, steps, strict=True)) + 1
        self.whole = (self.counts[0], *self.sides[1:])
        self.places = []
        for offset in np.ndindex(*offsets):
            index = [i * d for i, d in zip(offset, apart, strict=True)]
            phase = [i % s for i, s in zip(index, step, strict=True)]
            shift = sum(i // s * one for i, s, one in zip(index, step, steps, strict=True))
            place = (slice(None), slice(None), *phase, slice(shift, shift + self.length))
            self.places.append((offset, place))

    def fill(self, x: Array, padded: Array, vectors: Array) -> None:
        """(a, b, *i) -> (a, b, *s, q)."""
        if set(self.step) == {1}:
            padded = vectors.reshape(padded.shape)
        block = cut_out(x, self.starts, padded)
        if block is padded and set(self.step) == {1}:
            return
        rows = vectors.reshape(*vectors.shape[:-1], *self.sides)
        for phase in np.ndindex(*self.step):
            every = tuple(slice(a, None, s) for a, s in zip(phase, self.step, strict=True))
            rows[(slice(None), slice(None), *phase)] = block[(..., *every)]

    def kept(self, products: Array) -> Array:
        """(a, b, q) -> (a, b, *j): what belongs to windows that do not reach over a row's end."""
        rows = products.reshape(*products.shape[:-1], *self.whole)
        return rows[(..., *map(slice, self.counts))]


def _by_results(x: Array, w: Array, out: Shape, geometry: Geometry) -> Array:
    stride, padding, _, dilation, groups = geometry
    n, (_, o, c, *kernel) = len(x), w.shape
    lows = tuple(low for low, _ in padding)
    y = np.empty((n, groups, o, *out), x.dtype)
    matrix = np.ascontiguousarray(w.reshape(groups, o, -1))  # (g, o, c k)
    most = max(_BLOCK // x.itemsize // (matrix.shape[2] + o), 64)

    def multiply(task: tuple[int, slice, _Rows]) -> None:
        # (g, o, c k) (g, c k, j) -> (g, o, j)
        image, band, rows = task
        size = band.stop - band.start
        with threads.scratch(
            x.dtype,
            (size, c, *rows.padded_sides),
            (size, c, *stride, prod(rows.sides)),
            (size, c, *kernel, rows.length),
            (size, o, prod(rows.whole)),
        ) as (padded, vectors, patches, products):
            rows.fill(x[image, band], padded, vectors)
            for tap, place in rows.places:
                patches[(slice(None), slice(None), *tap)] = vectors[place]
            np.matmul(
                matrix[band],
                patches.reshape(size, -1, rows.length),
                out=products[..., : rows.length],
            )
            y[(image, band, slice(None), *rows.area)] = rows.kept(products)

    areas = [_Rows(area, stride, lows, tuple(kernel), dilation) for area in boxes(out, most)]
    threads.run(multiply, product(range(n), pieces(groups, most // prod(out)), areas))
    return y.reshape(n, groups * o, *out)


def _by_terms(x: Array, w: Array, out: Shape, geometry: Geometry) -> Array:
    stride, padding, _, dilation, groups = geometry
    (n, _, c, *_), (_, o, _, *kernel) = x.shape, w.shape
    lows = tuple(low for low, _ in padding)
    y = np.zeros((groups, n, o, *out), x.dtype)
    most = _BLOCK // x.itemsize
    areas = [_Rows(area, dilation, lows, out, stride) for area in boxes(tuple(kernel), most)]

    def multiply(band: slice) -> None:
        # (g, n, k) (g, k, o) -> (g, n, o), for each result, summed over the channels
        total, size = y[band], band.stop - band.start
        for channel, rows in product(range(c), areas):
            with threads.scratch(
                x.dtype,
                (size, n, *rows.padded_sides),
                (size, n, *dilation, prod(rows.sides)),
                (size, o, prod(rows.whole)),
            ) as (padded, vectors, factors):
                rows.fill(x[:, band, channel].swapaxes(0, 1), padded, vectors)
                # zeros for what a window reaches between the end of one row and the next
                factors[...] = 0
                rows.kept(factors)[...] = w[(band, slice(None), channel, *rows.area)]
                columns = factors[..., : rows.length].swapaxes(1, 2)
                for j, place in rows.places:
                    total[(..., *j)] += np.matmul(vectors[place], columns)

    threads.run(multiply, pieces(groups, most // (prod(kernel) * (n + o))))
    return np.moveaxis(y, 0, 1).reshape(n, groups * o, *out)
