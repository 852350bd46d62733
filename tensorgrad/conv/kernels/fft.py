"""Convolution by Fourier transforms of tiles, for kernels so large that windows overlap a lot.

The transform of a convolution is the product of transforms. Along each axis the longer of the two,
the results or the kernel, is cut into tiles, so that what is transformed is not much longer than
the shorter one: of the results, each tile is made from the input that it meets (overlap and save);
of the kernel, the products of tiles are summed before they are transformed back.
"""

from functools import cache
from itertools import product
from math import log2, prod

import numpy as np

from tensorgrad.conv import threads
from tensorgrad.conv.geometry import Geometry
from tensorgrad.conv.kernels.blocks import Box, cut_out, lengths, pieces, reach
from tensorgrad.conv.kernels.gemm import conv_by_gemm
from tensorgrad.typing import Array, Shape

_BLOCK = 1 << 21  # bytes of transformed kernels that a task holds
_TASKS = 4  # work is cut into this many tasks at least, if it can be
# What else there is to do for each entry of a tile, in units of a step of its transform.
_OTHER_STEPS = 10


def conv_by_fft(x: Array, w: Array, geometry: Geometry) -> Array:
    """(n, g c, *i) * (g o, c, *k) -> (n, g o, *j) for arrays of NumPy, undilated, at stride 1."""
    given = x, w, geometry
    _, padding, _, _, groups = geometry
    dtype = np.result_type(x, w)
    out = geometry.output_sides(x.shape[2:], w.shape[2:])
    if not (x.size and w.size):
        return np.zeros((x.shape[0], w.shape[0], *out), dtype)
    x, w = x.astype(dtype, copy=False), w.astype(dtype, copy=False)
    n, c, kernel = x.shape[0], w.shape[1], w.shape[2:]
    x = x.reshape(n, groups, c, *x.shape[2:])
    w = np.flip(w.reshape(groups, -1, *w.shape[1:]), tuple(range(3, w.ndim + 1)))
    o, n_axes = w.shape[1], len(kernel)
    y = np.empty((n, groups, o, *out), dtype)

    sides = tuple(map(best_side, out, kernel))
    most = [
        (side - k + 1, k) if j >= k else (j, side - j + 1)
        for side, j, k in zip(sides, out, kernel, strict=True)
    ]
    areas = list(product(*(pieces(j, tile) for j, (tile, _) in zip(out, most, strict=True))))
    parts = list(product(*(pieces(k, tile) for k, (_, tile) in zip(kernel, most, strict=True))))
    spans = lengths(parts[0])
    ones, lows = (1,) * n_axes, tuple(low for low, _ in padding)

    def convolve(task: tuple[slice, slice, list[tuple[int, Box]]]) -> None:
        band, outs, places = task

        def transformed_kernel(part: Box) -> Array:
            # w is flipped: the part begins at k - stop
            flipped = (slice(k - p.stop, k - p.start) for p, k in zip(part, kernel, strict=True))
            return _transform(w[(band, outs, slice(None), *flipped)], sides)

        known = transformed_kernel(parts[0]) if len(parts) == 1 else None
        for image, area in places:
            total: Array = 0
            for part in parts:
                # The windows end where the part does, and are as long as the longest one.
                ends = tuple(low + k - p.stop for low, k, p in zip(lows, spans, part, strict=True))
                starts, met = reach(area, ones, ends, spans)
                block = x[image, band]
                with threads.scratch(dtype, (*block.shape[:2], *met)) as (padded,):
                    tiles = _transform(cut_out(block, starts, padded), sides)
                factor = transformed_kernel(part) if known is None else known
                if c == 1:
                    total = total + tiles * factor[:, :, 0]
                else:
                    total = total + np.einsum("gc...,goc...->go...", tiles, factor)
            y[(image, band, outs, *area)] = _transform_back(
                total, sides, tuple(k - 1 for k in spans), lengths(area), dtype.kind == "f"
            )

    held = prod(sides) * c * dtype.itemsize
    bands = pieces(groups, _BLOCK // (held * o))
    outs = pieces(o, _BLOCK // held)
    places = list(product(range(n), areas))
    spread = pieces(len(places), -(-len(places) * len(bands) * len(outs) // _TASKS))
    with np.errstate(all="ignore"):
        threads.run(convolve, [(b, o, places[s]) for b, o, s in product(bands, outs, spread)])
    # An infinity spreads over its tile; directly, it meets fewer results.
    return y.reshape(n, groups * o, *out) if np.isfinite(y).all() else conv_by_gemm(*given)


@cache
def best_side(j: int, k: int) -> int:
    """Return how many entries to transform along an axis with j results and a kernel of k."""
    short, long = min(j, k), max(j, k)

    def cost(side: int) -> float:
        return -(-long // (side - short + 1)) * side * (log2(side) + _OTHER_STEPS)

    smooth = [
        2**a * 3**b * 5**c
        for a, b, c in product(range(long.bit_length() + 3), range(4), range(3))
        if short <= 2**a * 3**b * 5**c
    ]
    return min(smooth, key=cost)


def _transform(x: Array, sides: Shape) -> Array:
    """Transform along the last axes, with zeros beyond the end up to these sides."""
    axes = range(-len(sides), 0)
    transform = np.fft.fft if np.iscomplexobj(x) else np.fft.rfft
    x = transform(x, sides[-1], axis=-1)
    for axis, side in zip(axes[:-1], sides[:-1], strict=True):
        x = np.fft.fft(x, side, axis=axis)
    return x


def _transform_back(x: Array, sides: Shape, starts: Shape, counts: Shape, real: bool) -> Array:
    """Return so many entries, from the starts on, along the last axes, of what was transformed."""
    *others, last = [slice(a, a + j) for a, j in zip(starts, counts, strict=True)]
    for axis, kept in enumerate(others, start=-len(sides)):
        x = np.fft.ifft(x, axis=axis)[(..., kept, *(slice(None),) * (-axis - 1))]
    inverse = np.fft.irfft if real else np.fft.ifft
    return inverse(x, sides[-1], axis=-1)[..., last]
