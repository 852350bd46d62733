"""Convolution with 3x3 kernels by fewer multiplications: Winograd's F(4x4, 3x3).

A tile of 6x6 entries of the input and a kernel, both transformed, are multiplied entry by entry,
and the sum over the channels, transformed back, is a tile of 4x4 results:

    y = A' [ sum over c of (G w G') * (B' x B) ] A

36 multiplications in place of 144 (Lavin and Gray, "Fast algorithms for convolutional neural
networks", 2016). The matrices evaluate polynomials at five points and at infinity; the points 0,
+-3/4, +-4/3 keep the rounding error of float32 near 3e-6 of the largest result at 512 channels.
"""

from fractions import Fraction
from itertools import product

import numpy as np

from tensorgrad.conv import threads
from tensorgrad.conv.geometry import Geometry
from tensorgrad.conv.kernels.compiled.finite import all_finite
from tensorgrad.conv.kernels.compiled.outer import multiply_narrow, multiply_wide
from tensorgrad.conv.kernels.compiled.planes import entry_by_entry
from tensorgrad.conv.kernels.compiled.run import conv_compiled
from tensorgrad.conv.kernels.compiled.tiles import (
    copy,
    deinterleave,
    interleave,
    jit,
    kernel,
    lanes,
    sandwich,
)
from tensorgrad.typing import Array

POINTS = (Fraction(0), Fraction(3, 4), Fraction(-3, 4), Fraction(4, 3), Fraction(-4, 3))
OUT, TAPS, TILE = 4, 3, 6  # sides of a tile of results, of the kernel, of a tile of the input
CACHE = 1_000_000  # bytes of the input that are held at a time
VECTORS = 3  # of tiles that are transformed at a time

Matrix = list[list[float]]


def matrices() -> tuple[Matrix, Matrix, Matrix]:
    """Return A', G and B' for `POINTS` and infinity."""

    def coefficients(roots: list[Fraction]) -> list[Fraction]:
        """Of the polynomial with these roots, the lowest power first."""
        result = [Fraction(1)]
        for root in roots:
            shifted = [Fraction(0), *result]
            result = [s - root * r for s, r in zip(shifted, [*result, Fraction(0)], strict=True)]
        return result

    others = [[q for q in POINTS if q != p] for p in POINTS]
    scales = [coefficients(roots) for roots in others]
    values = [sum(c * p**i for i, c in enumerate(cs)) for cs, p in zip(scales, POINTS, strict=True)]
    back = [[p**i for p in POINTS] + [Fraction(i == OUT - 1)] for i in range(OUT)]
    kernel = [[p**i / v for i in range(TAPS)] for p, v in zip(POINTS, values, strict=True)]
    kernel.append([Fraction(i == TAPS - 1) for i in range(TAPS)])
    image = [[*cs, Fraction(0)] for cs in scales] + [coefficients(list(POINTS))]
    a, g, b = ([[float(e) for e in row] for row in m] for m in (back, kernel, image))
    return a, g, b


_back, _kernel, _image = matrices()
transform_image, transform_kernel, transform_back = map(sandwich, (_image, _kernel, _back))
weave, part = interleave(OUT), deinterleave(OUT)


@kernel("w")
def transform_filters(w, u, padded, begin, end, lanes):
    """Transform some of the filters w (o, c, 3, 3) to u (36, o c ...), c padded with zeros."""
    channels = w.shape[1]
    taps = np.zeros(9 * padded, w.dtype)
    places = np.arange(9) * padded
    flat = u.reshape(-1)
    for o in range(begin, end):
        for c in range(channels):
            for i in range(3):
                for j in range(3):
                    taps[(3 * i + j) * padded + c] = w[o, c, i, j]
        for c in range(0, padded, lanes):
            transform_kernel(taps, c, places, flat, o * padded + c, u.shape[1])


@jit
def take_apart(x, first, low, rows, line, planes, at, distance, pitch, lanes):
    """Put entry (4 a + i, 4 b + j) of a padded image x (h, w) into plane (i, j), at (a, b).

    From row 4 * first on. Planes are ``distance`` apart, their lines ``pitch``; ``line`` is for a
    line of the padded image.
    """
    height, width = x.shape
    step = x.strides[0] // x.itemsize
    begin, end = min(max(low[1], 0), len(line)), min(len(line), width + low[1])
    end = max(end, begin)
    line[:begin] = 0
    line[end:] = 0
    for r in range(rows):
        z = 4 * first + r - low[0]
        target = at + (r % 4) * 4 * distance + (r // 4) * pitch
        if z < 0 or z >= height:
            for j in range(4):
                planes[target + j * distance : target + j * distance + pitch] = 0
            continue
        copy(line, begin, x, z * step + begin - low[1], end - begin)
        for q in range(0, pitch, lanes):  # what goes beyond the line is written over by the next
            part(line, 4 * q, planes, target + q, distance)


@jit
def put_tiles(
    products,
    start,
    used,
    y,
    image,
    images,
    group,
    first,
    rows,
    pitch,
    whole,
    b,
    places,
    tile,
    lines,
    lanes,
):
    """Transform the products of a block of tiles back, and put them in place, row by row."""
    filters, height, width = y.shape[2:]
    columns = -(-width // OUT)
    block = VECTORS * lanes
    flat = y.reshape(-1)
    for o in range(filters):
        for v in range(used):
            transform_back(products, o * block + v * lanes, places, tile, 0, lanes)
            for i in range(OUT):
                at = (i * VECTORS + v) * OUT * lanes
                weave(tile, i * OUT * lanes, lanes, b, group * filters + o, lines, at)
        q = start
        while q < start + block:
            n, t0, t1 = q // whole, q % whole // pitch, q % pitch
            if n >= images:
                break
            count = min(pitch - t1, start + block - q)
            entries = min(OUT * min(count, columns - t1), width - OUT * t1)
            if t0 < rows and entries > 0:
                to = (((image + n) * y.shape[1] + group) * filters + o) * height
                for i in range(min(OUT, height - OUT * (first + t0))):
                    row = to + OUT * (first + t0) + i
                    copy(
                        flat,
                        row * width + OUT * t1,
                        lines,
                        i * OUT * block + OUT * (q - start),
                        entries,
                    )
            q += count


@kernel("x", "b")
def convolve(
    x, u, padded, b, y, tasks, low, rows, pitch, together, blocks, lanes, planes, spectra, products
):
    """Do tasks (first image, group, first row of tiles).

    x (n, g, c, h, w), u (36, g o c ...), b (g o,), y (n, g, o, h, w). Tiles are numbered as they
    lie in the planes: the lines of an image one after another, then those of the next.
    """
    channels, filters = x.shape[2], y.shape[2]
    whole, block = (rows + 1) * pitch, VECTORS * lanes
    span = (together - 1) * whole + rows * pitch - 1
    distance = len(planes) // (16 * channels)
    image_step, result_step = len(spectra) // 36, len(products) // 36
    line = np.empty((pitch + lanes) * OUT, x.dtype)
    tile = np.empty(16 * lanes, x.dtype)
    lines = np.empty(OUT * OUT * block, x.dtype)
    zero = np.zeros(filters, x.dtype)
    offsets = np.empty(36, np.int64)
    for i in range(TILE):
        for j in range(TILE):
            offsets[TILE * i + j] = (i % 4 * 4 + j % 4) * distance + i // 4 * pitch + j // 4
    pairs = np.empty((channels, 2), np.int64)
    for c in range(channels):
        pairs[c, 0], pairs[c, 1] = c, c * block
    vectors = np.empty(36 * VECTORS, np.int64)
    for k in range(36):
        for v in range(VECTORS):
            vectors[k * VECTORS + v] = k * image_step + v * lanes
    places = np.arange(36) * result_step
    weights = u.reshape(-1)
    for task in range(len(tasks)):
        image, group, first = tasks[task]
        images = min(together, x.shape[0] - image)
        for n in range(images):
            for c in range(channels):
                take_apart(
                    x[image + n, group, c],
                    first,
                    low,
                    4 * rows + 2,
                    line,
                    planes,
                    c * 16 * distance + n * whole,
                    distance,
                    pitch,
                    lanes,
                )
        for index in range(blocks):
            start = index * block
            if start >= images * whole:
                break
            used = min(VECTORS, -(-(span - start) // lanes))
            for c in range(channels):
                for v in range(used):
                    at = c * 16 * distance + start + v * lanes
                    transform_image(planes, at, offsets, spectra, c * block + v * lanes, image_step)
            for k in range(36):
                row = k * u.shape[1] + group * filters * padded
                at = k * result_step
                if used == VECTORS:
                    multiply_wide(
                        weights,
                        row,
                        padded,
                        pairs,
                        spectra,
                        vectors,
                        k * VECTORS,
                        zero,
                        0,
                        products,
                        at,
                        block,
                        filters,
                    )
                else:
                    multiply_narrow(
                        weights,
                        row,
                        padded,
                        pairs,
                        spectra,
                        vectors,
                        k * VECTORS,
                        zero,
                        0,
                        products,
                        at,
                        block,
                        filters,
                    )
            put_tiles(
                products,
                start,
                used,
                y,
                image,
                images,
                group,
                first,
                rows,
                pitch,
                whole,
                b,
                places,
                tile,
                lines,
                lanes,
            )


def _shares(images: int, tiles: int, pitch: int, line: int, lanes: int) -> tuple[int, int]:
    """Return how many rows of tiles of how many images to do at a time.

    So that what is held of the input, ``line`` bytes for each row, stays in the cache, and the
    fewest vectors are left partly empty.
    """

    def vectors(rows: int, together: int) -> float:
        count = -(-(((together - 1) * (rows + 1) + rows) * pitch - 1) // lanes)
        return count * -(-tiles // rows) * -(-images // together)

    def fits(rows: int, together: int) -> bool:
        return (rows + 1) * together * line <= CACHE

    if not fits(tiles, 1):
        return min(
            (r for r in range(1, tiles + 1) if r == 1 or fits(r, 1)),
            key=lambda r: (vectors(r, 1), -r),
        ), 1
    most = max(images // threads.get_num_threads(), 1)
    return tiles, min(
        (m for m in range(1, most + 1) if m == 1 or fits(tiles, m)),
        key=lambda m: (vectors(tiles, m), m),
    )


def conv_winograd(x: Array, w: Array, geometry: Geometry, b: Array | None) -> Array:
    """(n, g c, h, w) * (g o, c, 3, 3) + (g o,) -> (n, g o, *j), at stride 1, undilated."""
    x, w, b = entry_by_entry(x, w, b)
    n, groups = x.shape[0], geometry.groups
    c, o, count = w.shape[1], w.shape[0] // groups, lanes(x.itemsize)
    height, width = geometry.output_sides(x.shape[2:], w.shape[2:])
    tiles, pitch = -(-height // OUT), -(-width // OUT) + 1
    rows, together = _shares(n, tiles, pitch, c * 16 * pitch * x.itemsize, count)
    block = VECTORS * count
    blocks = -(-((together - 1) * (rows + 1) * pitch + rows * pitch - 1) // block)
    distance = max(together * (rows + 1) * pitch, blocks * block) + pitch + 1 + count
    # an odd number of vectors apart, or what is read together would be in the same set of the cache
    distance = (-(-distance // count) | 1) * count
    steps = [(channels * VECTORS | 1) * count for channels in (c, o)]
    shapes = ((c * 16 * distance,), (36 * steps[0],), (36 * steps[1],))
    y = np.empty((n, groups, o, height, width), x.dtype)
    images = x.reshape(n, groups, c, *x.shape[2:])
    low = np.array([low for low, _ in geometry.padding])
    tasks = np.array(list(product(range(0, n, together), range(groups), range(0, tiles, rows))))
    cuts = np.linspace(0, w.shape[0], min(2 * threads.get_num_threads(), w.shape[0]) + 1)
    ranges = np.stack([cuts[:-1], cuts[1:]], 1).astype(int)

    def work(part: Array, *memories: Array) -> None:
        convolve(
            images, u, padded, b, y, part, low, rows, pitch, together, blocks, count, *memories
        )

    # likewise: what belongs to one point is a vector more than a line of the cache's sets apart
    padded = -(-c // count) * count
    with threads.scratch(x.dtype, (TILE * TILE, w.shape[0] * padded + count)) as (u,):
        threads.share(
            lambda part: transform_filters(w, u, padded, part[0, 0], part[-1, 1], count),
            ranges,
            8 * w.size,
            x.dtype,
        )
        threads.share(work, tasks, n * height * width * w.size // 4, x.dtype, *shapes)
    if not all_finite(y):  # it may have spread over a tile
        return conv_compiled(x, w, geometry, b)
    return y.reshape(n, w.shape[0], height, width)
