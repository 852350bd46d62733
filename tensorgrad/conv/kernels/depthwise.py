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

_BLOCK = 1 << 19  # bytes of vectors that are multiplied at a time: they fit a second-level cache


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


def _row_sides(sides: Shape, step: Shape) -> Shape:
    """Return the sides of every s-th entry."""
    return tuple(-(-side // s) for side, s in zip(sides, step, strict=True))


def _lay_out(x: Array, starts: Shape, padded: Array, every: Array, step: Shape) -> None:
    """Write x, from these indices on, as vectors of its every s-th entries.

    (..., *i) -> (..., *s, *q), of which the last axes are contiguous.
    """
    block = cut_out(x, starts, padded)
    lead, n = block.shape[: -len(step)], len(step)
    for phase in np.ndindex(*step):
        part = block[(..., *(slice(a, None, s) for a, s in zip(phase, step, strict=True)))]
        every[(*(slice(None),) * len(lead), *phase)] = part


def _vectors(every: Array, shifts: Shape, step: Shape, counts: Shape, length: int) -> Array:
    """Return, for each of the counts, the vector that begins at count * shift: a list of views."""


def _by_results(x: Array, w: Array, out: Shape, geometry: Geometry) -> Array:
    stride, padding, _, dilation, groups = geometry
    n, (_, o, c, *kernel) = len(x), w.shape
    lows, spans = [low for low, _ in padding], list(map(dilated, kernel, dilation))
    taps = list(np.ndindex(*kernel))
    y = np.empty((n, groups, o, *out), x.dtype)
    matrix = w.reshape(groups, o, -1)  # (g, o, c k)

    most = max(_BLOCK // x.itemsize // (matrix.shape[2] + o), 64)
    areas = list(boxes(out, most))
    bands = pieces(groups, most // prod(out))

    def multiply(task: tuple[int, slice, Box]) -> None:
        image, band, area = task
        block, met = x[image, band], lengths(area)
        starts, sides = reach(area, stride, lows, spans)
        rows = tuple(-(-side // s) for side, s in zip(sides, stride, strict=True))
        # a step along an axis is so many steps in the vector
        steps = [prod(rows[axis + 1 :]) for axis in range(len(rows))]
        length = sum((j - 1) * step for j, step in zip(met, steps, strict=True)) + 1
        size = band.stop - band.start
        with threads.scratch(
            x.dtype,
            (size, c, *(q * s for q, s in zip(rows, stride, strict=True))),
            (size, c, *stride, prod(rows)),
            (size, c, len(taps), length),
            (size, o, met[0] * steps[0]),
        ) as (padded, every, patches, products):
            _lay_out(block, starts, padded, every.reshape(size, c, *stride, *rows), stride)
            for t, tap in enumerate(taps):
                at = [i * d for i, d in zip(tap, dilation, strict=True)]
                phase = tuple(a % s for a, s in zip(at, stride, strict=True))
                shift = sum(a // s * step for a, s, step in zip(at, stride, steps, strict=True))
                patches[:, :, t] = every[(slice(None), slice(None), *phase)][
                    ..., shift : shift + length
                ]
            np.matmul(
                matrix[band], patches.reshape(size, -1, length), out=products[..., :length]
            )
            kept = products.reshape(size, o, met[0], *rows[1:])
            y[(image, band, slice(None), *area)] = kept[(..., *(slice(0, j) for j in met))]

    threads.run(multiply, list(product(range(n), bands, areas)))
    return y.reshape(n, groups * o, *out)


def _by_terms(x: Array, w: Array, out: Shape, geometry: Geometry) -> Array:
    stride, padding, _, dilation, groups = geometry
    (n, _, c, *_), (_, o, _, *kernel) = x.shape, w.shape
    lows, spans = [low for low, _ in padding], list(map(dilated, out, stride))
    results = list(np.ndindex(*out))
    y = np.empty((groups, n, o, len(results)), x.dtype)
    most = _BLOCK // x.itemsize // 4
    areas = list(boxes(tuple(kernel), most))
    bands = pieces(groups, most // (prod(kernel) * (n + o)))

    def multiply(band: slice) -> None:
        total = y[band]
        total[...] = 0
        size = band.stop - band.start
        for channel, area in product(range(c), areas):
            met = lengths(area)
            starts, sides = reach(area, dilation, lows, spans)
            rows = tuple(-(-side // s) for side, s in zip(sides, dilation, strict=True))
            steps = [prod(rows[axis + 1 :]) for axis in range(len(rows))]
            length = sum((k - 1) * step for k, step in zip(met, steps, strict=True)) + 1
            with threads.scratch(
                x.dtype,
                (size, n, *(q * s for q, s in zip(rows, dilation, strict=True))),
                (size, n, *dilation, prod(rows)),
                (size, o, met[0] * steps[0]),
            ) as (padded, every, factors):
                block = x[:, band, channel].swapaxes(0, 1)
                _lay_out(block, starts, padded, every.reshape(size, n, *dilation, *rows), dilation)
                factors[...] = 0
                factors.reshape(size, o, met[0], *rows[1:])[
                    (..., *(slice(0, k) for k in met))
                ] = w[(band, slice(None), channel, *area)]
                for t, position in enumerate(results):
                    at = [j * s for j, s in zip(position, stride, strict=True)]
                    phase = tuple(a % d for a, d in zip(at, dilation, strict=True))
                    shift = sum(a // d * step for a, d, step in zip(at, dilation, steps, strict=True))
                    met_by = every[(slice(None), slice(None), *phase)][
                        ..., None, shift : shift + length
                    ]
                    total[..., t] += np.vecdot(met_by, factors[:, None, :, :length])

    threads.run(multiply, bands)
    return np.moveaxis(y, 0, 1).reshape(n, groups * o, *out)
