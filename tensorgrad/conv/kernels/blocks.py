"""Cutting a convolution into blocks that fit a cache, and what of the input each of them meets."""

from collections.abc import Iterator
from itertools import product
from math import prod

from numpy.lib.stride_tricks import as_strided

from tensorgrad.typing import Array, Shape

Box = tuple[slice, ...]


def pieces(side: int, most: int) -> list[slice]:
    """Cut a side into as few slices as make none longer than ``most``, of about equal length.

    >>> pieces(7, 3)
    [slice(0, 3, None), slice(3, 6, None), slice(6, 7, None)]
    >>> pieces(0, 3)
    []
    """
    count = -(-side // max(most, 1))
    step = -(-side // max(count, 1))
    return [slice(i, min(i + step, side)) for i in range(0, side, max(step, 1))]


def boxes(sides: Shape, most: int) -> Iterator[Box]:
    """Cut an array into boxes of about ``most`` entries, each contiguous in it.

    Leading axes are cut into single indices, one axis into pieces, and trailing axes not at all.

    >>> [flat(box, (2, 4, 3)) for box in boxes((2, 4, 3), 6)]
    [slice(0, 6, None), slice(6, 12, None), slice(12, 18, None), slice(18, 24, None)]
    """
    cuts: list[list[slice]] = []
    rest = 1
    for side in reversed(sides):
        cuts.append(pieces(side, most // rest))
        rest *= side
    return product(*reversed(cuts))


def flat(box: Box, sides: Shape) -> slice:
    """Return where a contiguous box lies in the flattened array.

    >>> flat((slice(1, 2), slice(2, 4), slice(0, 3)), (2, 4, 3))
    slice(18, 24, None)
    """
    start = 0
    for piece, side in zip(box, sides, strict=True):
        start = start * side + piece.start
    return slice(start, start + prod(lengths(box)))


def lengths(box: Box) -> Shape:
    """Return the sides of a box."""
    return tuple(piece.stop - piece.start for piece in box)


def reach(area: Box, steps: Shape, lows: Shape, spans: Shape) -> tuple[Shape, Shape]:
    """Return the first index, and the sides, of the input that windows at these positions meet."""
    starts = tuple(p.start * s - low for p, s, low in zip(area, steps, lows, strict=True))
    sides = tuple((j - 1) * s + e for j, s, e in zip(lengths(area), steps, spans, strict=True))
    return starts, sides


def cut_out(x: Array, starts: Shape, padded: Array) -> Array:
    """Return what lies in x from these indices on, with zeros where there is no x.

    It is a view of x if it lies inside, else written to ``padded``, which says how large it is.
    """
    before = x.ndim - len(starts)
    sides = padded.shape[before:]
    if all(
        start >= 0 and start + side <= i
        for start, side, i in zip(starts, sides, x.shape[before:], strict=True)
    ):
        return x[(..., *(slice(a, a + side) for a, side in zip(starts, sides, strict=True)))]
    inside, source = [], []
    for axis, start in enumerate(starts, start=before):
        side, i = padded.shape[axis], x.shape[axis]
        begin = min(max(-start, 0), side)
        end = max(min(i - start, side), begin)
        if begin:
            padded[(*(slice(None),) * axis, slice(0, begin))] = 0
        if end < side:
            padded[(*(slice(None),) * axis, slice(end, side))] = 0
        inside.append(slice(begin, end))
        source.append(slice(begin + start, end + start) if end > begin else slice(0, 0))
    padded[(..., *inside)] = x[(..., *source)]
    return padded


def windows(x: Array, offsets: Shape, offset_steps: Shape, counts: Shape, steps: Shape) -> Array:
    """Return a view of shape (..., *offsets, *counts): x at offset * its step + count * its step.

    >>> import numpy as np
    >>> windows(np.arange(7), (2,), (1,), (3,), (2,))
    array([[0, 2, 4],
           [1, 3, 5]])
    """
    before = x.ndim - len(counts)
    strides = x.strides[before:]
    return as_strided(
        x,
        (*x.shape[:before], *offsets, *counts),
        (
            *x.strides[:before],
            *(step * stride for step, stride in zip(offset_steps, strides, strict=True)),
            *(step * stride for step, stride in zip(steps, strides, strict=True)),
        ),
        writeable=False,
    )
