"""Convolution by Winograd's minimal filtering, for small kernels, and for the gradient by them.

Along one axis, p = m + r - 1 points make m results of a kernel of r taps from p entries of the
input, with p multiplications instead of m r. Multiplying polynomials u and v of m and r
coefficients at p points, and finding the product from its values there, is

    V^-1 [(V_m u) * (V_r v)],    V the Vandermonde matrix of the points, V_m its first m columns.

It is bilinear in u and v. Its transpose in u takes a tile d of p entries to m results of a kernel
v, and its transpose in v takes d to the r results of a tile u of a large kernel:

    V_m^T [(V_r v) * (V^-T d)],        V_r^T [(V_m u) * (V^-T d)].

The product * is that of matrices over channels, or over tiles; along several axes the matrices are
Kronecker products.
"""

from functools import cache, reduce
from itertools import product
from math import prod

import numpy as np

from tensorgrad.conv import threads
from tensorgrad.conv.geometry import Geometry
from tensorgrad.conv.kernels.blocks import Box, boxes, cut_out, lengths, pieces, reach, windows
from tensorgrad.conv.kernels.finite import all_finite
from tensorgrad.conv.kernels.gemm import conv_by_gemm
from tensorgrad.typing import Array, Shape

# The points beside infinity: where they are 0, 1, -1, ... matters for rounding. Measured.
_POINTS = {4: (0.0, 1.0, -1.0), 6: (0.0, 0.75, -0.75, 1.5, -1.5)}
_TRANSFORMED = 1 << 22  # bytes of tiles that are transformed before they are multiplied
_BLOCK = 1 << 19  # bytes of what one task transforms
_PARTS = 8  # the products at all points are cut into about so many tasks


@cache
def _matrices(p: int, taps: Shape, dtype: np.dtype) -> tuple[Array, Array, Array]:
    """Return V_m, V_r and V^-T along all axes.

    The rows of V^-T are scaled so that they are whole numbers where the points are, and the rows
    of V_r inversely.
    """
    inverse = np.linalg.inv(_values(p, p)).T
    # the factors of Lagrange's polynomials
    scale: Array = np.append(inverse[:-1, p - 2], 1)[:, None]
    axes = [(_values(p, p + 1 - r), _values(p, r) * scale, inverse / scale) for r in taps]
    u, v, d = (reduce(np.kron, factors).astype(dtype) for factors in zip(*axes, strict=True))
    return u, v, d


def _values(p: int, size: int) -> Array:
    """Return the matrix that takes coefficients to the values at the points."""
    points = np.array(_POINTS[p])[:, None]
    return np.vstack([points ** np.arange(size), np.eye(size)[-1:]])  # at infinity: the last one


def conv_by_winograd(x: Array, w: Array, geometry: Geometry) -> Array:
    """(n, c, *i) * (o, c, *k) -> (n, o, *j) for arrays of NumPy, undilated, stride 1, one group."""
    dtype = np.result_type(x, w)
    out = geometry.output_sides(x.shape[2:], w.shape[2:])
    if not (x.size and w.size):
        return np.zeros((x.shape[0], w.shape[0], *out), dtype)
    lows = tuple(low for low, _ in geometry.padding)
    with np.errstate(all="ignore"):
        y = _convolve(
            x.astype(dtype, copy=False), w.astype(dtype, copy=False), out, lows, geometry.dilation
        )
    # An infinity spreads over its tile; directly, it meets fewer results.
    return y if all_finite(y) else conv_by_gemm(x, w, geometry)


def _convolve(x: Array, w: Array, out: Shape, lows: Shape, dilation: Shape) -> Array:
    if set(dilation) == {1}:
        by = _by_results if prod(out) >= prod(w.shape[2:]) else _by_terms
        return by(x, w, out, lows)
    y = np.empty((x.shape[0], w.shape[0], *out), x.dtype)
    for phase in product(*map(range, map(min, dilation, out))):
        # every d-th result meets every d-th entry, as if there was no dilation
        results = y[(..., *(slice(a, None, d) for a, d in zip(phase, dilation, strict=True)))]
        places = [a - low for a, low in zip(phase, lows, strict=True)]
        entries = x[(..., *(slice(p % d, None, d) for p, d in zip(places, dilation, strict=True)))]
        crops = tuple(-(p // d) for p, d in zip(places, dilation, strict=True))
        results[...] = _by_results(entries, w, results.shape[2:], crops)
    return y


def points_for(taps: Shape, out: Shape) -> int:
    """Return the number of points that needs the fewest multiplications."""

    def multiplications(p: int) -> int:
        return prod(p * -(-j // (p + 1 - r)) for j, r in zip(out, taps, strict=True))

    return min((p for p in _POINTS if p > max(taps)), key=multiplications)


def _transform(
    matrix: Array, x: Array, starts: Shape, tile: Shape, step: Shape, counts: Shape, result: Array
) -> None:
    """Multiply a matrix with the tiles of x: (p, tile) (tile, c n t) -> (p, c, n t)."""
    n, c = x.shape[:2]
    ones = (1,) * len(step)
    sides = tuple((t - 1) * s + e for t, s, e in zip(counts, step, tile, strict=True))
    with threads.scratch(x.dtype, (n, c, *sides), (*tile, c, n, *counts)) as (padded, tiles):
        view = windows(cut_out(x, starts, padded), tile, ones, counts, step)  # (n, c, *tile, *t)
        np.copyto(tiles, np.moveaxis(view, (0, 1), (len(tile) + 1, len(tile))))
        np.matmul(matrix, tiles.reshape(prod(tile), -1), out=result.reshape(len(result), -1))


def _by_results(x: Array, w: Array, out: Shape, lows: Shape) -> Array:
    (n, c, *_), (o, _, *taps) = x.shape, w.shape
    p = points_for(tuple(taps), out)
    m = tuple(p + 1 - r for r in taps)
    at_results, at_taps, at_tile = _matrices(p, tuple(taps), x.dtype)
    grid = tuple(-(-j // step) for j, step in zip(out, m, strict=True))
    y = np.empty((n, o, *out), x.dtype)

    count = len(at_tile)
    most = _TRANSFORMED // (x.itemsize * count * c)  # tiles
    images = pieces(n, most // prod(grid))
    areas = list(boxes(grid, most))

    def convolve(task: tuple[slice, Box]) -> None:
        image, area = task
        met = lengths(area)
        tiles = (image.stop - image.start) * prod(met)
        starts, _ = reach(area, m, lows, m)

        def transform(part: slice) -> None:
            block = x[image, part]
            _transform(at_tile, block, starts, (p,) * len(m), m, met, transformed[:, part])

        def multiply(part: slice) -> None:
            size = part.stop - part.start
            with threads.scratch(
                x.dtype,
                (*taps, size, c),
                (count, size, c),
                (count, size, tiles),
                (*m, size, image.stop - image.start, *met),
            ) as (kernel, values, products, results):
                np.copyto(kernel, np.moveaxis(w[part], (0, 1), (-2, -1)))
                np.matmul(
                    at_taps, kernel.reshape(at_taps.shape[1], -1), out=values.reshape(count, -1)
                )
                np.matmul(values, transformed, out=products)
                np.matmul(
                    at_results.T,
                    products.reshape(count, -1),
                    out=results.reshape(prod(m), -1),
                )
                for entry in np.ndindex(*m):
                    # results a, a + m, ... along each axis
                    ends = [
                        min(piece.stop * s, j) for piece, s, j in zip(area, m, out, strict=True)
                    ]
                    every = tuple(
                        slice(piece.start * s + a, end, s)
                        for piece, a, s, end in zip(area, entry, m, ends, strict=True)
                    )
                    target = y[(image, part, *every)]
                    kept = tuple(slice(0, side) for side in target.shape[2:])
                    target[...] = results[(*entry, slice(None), slice(None), *kept)].swapaxes(0, 1)

        with threads.scratch(x.dtype, (count, c, tiles)) as (transformed,):
            threads.run(transform, pieces(c, _BLOCK // (x.itemsize * count * tiles)))
            threads.run(multiply, pieces(o, max(2 * _BLOCK // (x.itemsize * count * tiles), 16)))

    tasks = list(product(images, areas))
    if len(tasks) > 3:
        threads.run(convolve, tasks)
    else:
        for task in tasks:
            convolve(task)
    return y


def _by_terms(x: Array, w: Array, out: Shape, lows: Shape) -> Array:
    # the large kernel is cut into tiles of m entries, each of which makes r results
    (n, c, *_), (o, _, *kernel) = x.shape, w.shape
    p = points_for(out, tuple(kernel))
    m = tuple(p + 1 - r for r in out)
    at_terms, at_out, at_tile = _matrices(p, out, x.dtype)
    grid = tuple(-(-k // step) for k, step in zip(kernel, m, strict=True))
    count, nowhere = len(at_tile), (0,) * len(m)
    x, w = x.swapaxes(0, 1), w.swapaxes(0, 1)  # (c, n, *i), (c, o, *k)
    products = np.zeros((count, o, n), x.dtype)

    def add_products(channel: slice, area: Box) -> None:
        """Add those of the tiles of some channels: (p, o, c t) (p, c t, n) -> (p, o, n)."""
        met = lengths(area)
        tiles = (channel.stop - channel.start) * prod(met)
        with threads.scratch(x.dtype, (count, n, tiles), (count, o, tiles)) as (of_x, of_w):

            def transform(task: tuple[Array, slice]) -> None:
                result, part = task
                if result is of_x:
                    block, starts = x[channel, part], reach(area, m, lows, m)[0]
                    _transform(at_tile, block, starts, (p,) * len(m), m, met, of_x[:, part])
                else:
                    block, starts = w[channel, part], reach(area, m, nowhere, m)[0]
                    _transform(at_terms, block, starts, m, m, met, of_w[:, part])

            def multiply(part: slice) -> None:
                total = products[part]
                with threads.scratch(x.dtype, total.shape) as (summand,):
                    total += np.matmul(of_w[part], of_x[part].swapaxes(1, 2), out=summand)

            most = _BLOCK // (x.itemsize * count * tiles)
            threads.run(
                transform, [(a, part) for a in (of_x, of_w) for part in pieces(a.shape[1], most)]
            )
            threads.run(multiply, pieces(count, count // _PARTS))

    most = 2 * _TRANSFORMED // (x.itemsize * count * (n + o))
    for channel, area in product(pieces(c, most // prod(grid)), boxes(grid, most)):
        add_products(channel, area)

    # in memory as the gradient by the kernel wants it: (o, n, *j)
    y = np.empty((o, n, prod(out)), x.dtype)

    def collect(part: slice) -> None:
        size = part.stop - part.start
        with threads.scratch(x.dtype, (count, size, n), (prod(out), size, n)) as (block, results):
            np.copyto(block, products[:, part])
            np.matmul(at_out.T, block.reshape(count, -1), out=results.reshape(prod(out), -1))
            y[part] = np.moveaxis(results, 0, -1)

    threads.run(collect, pieces(o, _BLOCK // (x.itemsize * count * n)))
    return np.moveaxis(y.reshape(o, n, *out), 0, 1)
