"""Convolution of rows laid end to end, so that BLAS and NumPy see long vectors.

An image padded on its sides is one long vector, and every tap of the kernel meets a contiguous part
of it: the results of a row, and then some that nobody asked for, where a window reaches from the
end of one row to the beginning of the next. They are computed too, and then left out: long vectors
are faster than short rows. With a stride, it is so for every s-th entry along each axis.

Where there are fewer filters than channels, it is the products with the filters that are moved and
added, not the channels that are gathered. Where the result is smaller than the kernel, each result
is a product of long vectors.
"""

from itertools import product
from math import prod

import numpy as np

from tensorgrad.conv import threads
from tensorgrad.conv.geometry import Geometry, dilated
from tensorgrad.conv.kernels.blocks import Box, boxes, cut_out, lengths, pieces, reach
from tensorgrad.conv.kernels.gemm import conv_by_gemm
from tensorgrad.typing import Array, Shape

_BLOCK = 1 << 20  # bytes of vectors that are multiplied at a time: they fit a second-level cache


def conv_by_rows(x: Array, w: Array, geometry: Geometry) -> Array:
    """(n, g c, *i) * (g o, c, *k) -> (n, g o, *j) for arrays of NumPy, undilated."""
    given = x, w, geometry
    dtype = np.result_type(x, w)
    groups = geometry.groups
    out = geometry.output_sides(x.shape[2:], w.shape[2:])
    if not (x.size and w.size):
        return np.zeros((x.shape[0], w.shape[0], *out), dtype)
    x, w = x.astype(dtype, copy=False), w.astype(dtype, copy=False)
    x = x.reshape(x.shape[0], groups, w.shape[1], *x.shape[2:])
    w = w.reshape(groups, -1, *w.shape[1:])
    if prod(out) >= prod(w.shape[3:]):
        shifted = 2 * w.shape[1] <= w.shape[2] and set(geometry.stride) == {1}
        return (_by_shifts if shifted else _by_patches)(x, w, out, geometry)
    with np.errstate(all="ignore"):
        y = _by_terms(x, w, out, geometry)
    # A zero between rows of the kernel may have met an infinity, which no tap meets.
    return y if np.isfinite(y).all() else conv_by_gemm(*given)


_TASKS = 4  # work is cut into this many tasks at least, if it can be
_ALL = (slice(None),) * 3  # images, groups, channels


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
            place = (*_ALL, *phase, slice(shift, shift + self.length))
            self.places.append((offset, place))

    def fill(self, x: Array, padded: Array, vectors: Array) -> None:
        """(n, g, c, *i) -> (n, g, c, *s, q)."""
        if set(self.step) == {1}:
            padded = vectors.reshape(padded.shape)
        block = cut_out(x, self.starts, padded)
        if block is padded and set(self.step) == {1}:
            return
        rows = vectors.reshape(*vectors.shape[:-1], *self.sides)
        for phase in np.ndindex(*self.step):
            every = tuple(slice(a, None, s) for a, s in zip(phase, self.step, strict=True))
            rows[(*_ALL, *phase)] = block[(..., *every)]

    def kept(self, products: Array) -> Array:
        """(..., q) -> (..., *j): what belongs to windows that do not reach over a row's end."""
        rows = products.reshape(*products.shape[:-1], *self.whole)
        return rows[(..., *map(slice, self.counts))]


def _by_patches(x: Array, w: Array, out: Shape, geometry: Geometry) -> Array:
    stride, padding, _, dilation, groups = geometry
    n, (_, o, c, *kernel) = len(x), w.shape
    lows = tuple(low for low, _ in padding)
    y = np.empty((n, groups, o, *out), x.dtype)
    matrix = np.ascontiguousarray(w.reshape(groups, o, -1))  # (g, o, c k)
    most = max(_BLOCK // x.itemsize // (matrix.shape[2] + o), 64)

    def multiply(task: tuple[slice, slice, _Rows]) -> None:
        # (g, o, c k) (n, g, c k, j) -> (n, g, o, j)
        image, band, rows = task
        block = x[image, band]
        lead = block.shape[:2]
        with threads.scratch(
            x.dtype,
            (*lead, c, *rows.padded_sides),
            (*lead, c, *stride, prod(rows.sides)),
            (*lead, c, *kernel, rows.length),
            (*lead, o, prod(rows.whole)),
        ) as (padded, vectors, patches, products):
            rows.fill(block, padded, vectors)
            for tap, place in rows.places:
                patches[(*_ALL, *tap)] = vectors[place]
            columns = patches.reshape(*lead, -1, rows.length)
            np.matmul(matrix[band], columns, out=products[..., : rows.length])
            y[(image, band, slice(None), *rows.area)] = rows.kept(products)

    areas = [_Rows(area, stride, lows, tuple(kernel), dilation) for area in boxes(out, most)]
    images, bands = pieces(n, most // (prod(out) * groups)), pieces(groups, most // prod(out))
    threads.run(multiply, product(images, bands, areas))
    return y.reshape(n, groups * o, *out)


def _by_shifts(x: Array, w: Array, out: Shape, geometry: Geometry) -> Array:
    _, padding, _, dilation, groups = geometry
    n, (_, o, c, *kernel) = len(x), w.shape
    lows, ones = tuple(low for low, _ in padding), (1,) * len(out)
    y = np.empty((n, groups, o, *out), x.dtype)
    matrix = w.reshape(groups, o, c, -1).swapaxes(2, 3).reshape(groups, -1, c)  # (g, o k, c)
    most = max(_BLOCK // x.itemsize // (matrix.shape[1] + c), 64)

    def multiply(task: tuple[slice, slice, _Rows]) -> None:
        # (g, o k, c) (n, g, c, i) -> (n, g, o k, i), of which each tap's part is added elsewhere
        image, band, rows = task
        block = x[image, band]
        lead = block.shape[:2]
        with threads.scratch(
            x.dtype,
            (*lead, c, *rows.padded_sides),
            (*lead, c, *ones, prod(rows.sides)),
            (*lead, o, *kernel, prod(rows.sides)),
            (*lead, o, prod(rows.whole)),
        ) as (padded, vectors, products, results):
            rows.fill(block, padded, vectors)
            np.matmul(
                matrix[band],
                vectors.reshape(*lead, c, -1),
                out=products.reshape(*lead, -1, prod(rows.sides)),
            )
            total = results[..., : rows.length]
            for tap, place in rows.places:
                part = products[(*_ALL, *tap, place[-1])]
                if any(tap):
                    total += part
                else:
                    total[...] = part
            y[(image, band, slice(None), *rows.area)] = rows.kept(results)

    areas = [_Rows(area, ones, lows, tuple(kernel), dilation) for area in boxes(out, most)]
    images, bands = pieces(n, most // (prod(out) * groups)), pieces(groups, most // prod(out))
    threads.run(multiply, product(images, bands, areas))
    return y.reshape(n, groups * o, *out)


def _by_terms(x: Array, w: Array, out: Shape, geometry: Geometry) -> Array:
    stride, padding, _, dilation, groups = geometry
    (n, _, c, *_), (_, o, _, *kernel) = x.shape, w.shape
    lows = tuple(low for low, _ in padding)
    most = _BLOCK // x.itemsize
    areas = [_Rows(area, dilation, lows, out, stride) for area in boxes(tuple(kernel), most)]
    images, bands = pieces(n, -(-n // _TASKS)), pieces(groups, most // (prod(kernel) * (n + o)))
    if len(bands) >= _TASKS:
        images = pieces(n, n)
    y = np.zeros((groups, n, o, *out), x.dtype)

    def multiply(task: tuple[slice, slice]) -> None:
        # (g, n, k) (g, k, o) -> (g, n, o), for each result, summed over the channels
        image, band = task
        total = y[band, image]
        lead = total.shape[:2]
        for channel, rows in product(range(c), areas):
            with threads.scratch(
                x.dtype,
                (*lead, 1, *rows.padded_sides),
                (*lead, 1, *dilation, prod(rows.sides)),
                (lead[0], o, prod(rows.whole)),
            ) as (padded, vectors, factors):
                block = x[image, band, channel : channel + 1].swapaxes(0, 1)
                rows.fill(block, padded, vectors)
                # zeros for what a window reaches between the end of one row and the next
                factors[...] = 0
                rows.kept(factors)[...] = w[(band, slice(None), channel, *rows.area)]
                columns = factors[..., : rows.length].swapaxes(1, 2)
                for j, place in rows.places:
                    total[(..., *j)] += np.matmul(vectors[place][:, :, 0], columns)

    threads.run(multiply, product(images, bands))
    return np.moveaxis(y, 0, 1).reshape(n, groups * o, *out)
