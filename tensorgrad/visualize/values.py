"""Summaries of arrays, small enough to keep and to draw: statistics, a histogram, a picture."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import frexp, isfinite, prod, sqrt

import numpy as np

from tensorgrad.engine.tensor import value_of
from tensorgrad.errors import UnsupportedError, explain
from tensorgrad.typing import Array, ArrayLike, Shape

# bins of a histogram, and the longest side of a picture
BINS, SIDE = 16, 32
# entries that are looked at together: few enough to stay in the cache
_BLOCK = 1 << 15


@dataclass(frozen=True)
class Summary:
    """What there is to see of an array, as plain numbers; of the magnitudes where it is complex.

    Attributes
    ----------
    shape, dtype
        Of the array.
    low, mean, high, deviation
        Of the finite entries; None if there are none.
    zeros, nans, infinities
        How many entries are zero, NaN, infinite.
    counts
        The histogram of the finite entries: of equally wide bins from low to high.
    pixels
        Rows of a picture of the array, at most 32 by 32 numbers; None for what is not finite.
    """

    shape: Shape
    dtype: str
    low: float | None
    mean: float | None
    high: float | None
    deviation: float | None
    zeros: int
    nans: int
    infinities: int
    counts: tuple[int, ...]
    pixels: tuple[tuple[float | None, ...], ...]


def summarize(array: ArrayLike) -> Summary:
    """Return what there is to see of an array.

    All numbers are of all entries, computed in float64; nothing is sampled. The picture is of the
    array as a row or a matrix; of an array of more axes it shows the first matrix along the last
    two, or along the two before them where the last has 1 or 3 channels and those are longer. Where
    a side is longer than 32, a pixel is the mean of a block, and None if anything in it is not
    finite.

    Parameters
    ----------
    array
        Booleans, integers, floats or complex numbers, of any shape.

    Raises
    ------
    UnsupportedError
        If the entries are something else.

    Examples
    --------
    >>> summary = summarize([[1.0, 2.0], [3.0, float("nan")]])
    >>> summary.low, summary.mean, summary.high, summary.nans
    (1.0, 2.0, 3.0, 1)
    >>> summary.pixels
    ((1.0, 2.0), (3.0, None))
    """
    array = value_of(array)
    if not hasattr(array, "__array_function__"):
        array = np.asarray(array)
    if array.dtype.kind not in "biufc":
        raise UnsupportedError(
            explain(
                "summarize",
                "A summary is of booleans, integers, floats or complex numbers.",
                dtype=str(array.dtype),
            )
        )
    with np.errstate(all="ignore"):
        low, high, zeros, nans, infinities = _extremes(array)
        scale = _scale(low, high)
        mean, deviation, counts = _distribution(array, low, high, scale)
        pixels = _picture(array, scale)
    return Summary(
        shape=tuple(array.shape),
        dtype=str(array.dtype),
        low=low,
        mean=mean,
        high=high,
        deviation=deviation,
        zeros=zeros,
        nans=nans,
        infinities=infinities,
        counts=counts,
        pixels=pixels,
    )


def short(value: float) -> str:
    """Print a number in few characters, with a minus sign as wide as a plus.

    >>> [short(v) for v in (3.0, -0.123456, 12345.6, 2e-9, -0.0)]
    ['3', '−0.123', '12346', '2e−9', '0']
    """
    places = ".3g" if abs(value) < 1000 or abs(value) >= 1e5 else ".0f"
    text = format(value + 0.0, places)
    mantissa, e, exponent = text.partition("e")
    return (mantissa + e + (str(int(exponent)) if e else "")).replace("-", "−")


def _magnitudes(array: Array) -> Array:
    """Return the entries in float64: the magnitudes of complex ones."""
    if array.dtype.kind == "c":
        array = np.abs(array)
    return array.astype(np.float64, copy=False)


def _finite_blocks(array: Array) -> Iterator[tuple[Array, Array]]:
    """Yield the entries, some at a time, and of these the finite ones."""
    flat: Array = np.reshape(array, (-1,))
    for start in range(0, prod(array.shape), _BLOCK):
        block = _magnitudes(flat[start : start + _BLOCK])
        finite = np.isfinite(block)
        yield block, block if bool(np.all(finite)) else block[finite]


def _extremes(array: Array) -> tuple[float | None, float | None, int, int, int]:
    """Return the least and the greatest finite entry, and the numbers of zeros, NaN, infinities."""
    lows, highs, zeros, nans, others = [], [], 0, 0, 0
    for block, finite in _finite_blocks(array):
        entries = prod(finite.shape)
        if entries:
            lows.append(float(np.min(finite)))
            highs.append(float(np.max(finite)))
            zeros += entries - int(np.count_nonzero(finite))
        if finite is not block:
            nans += int(np.count_nonzero(np.isnan(block)))
            others += prod(block.shape) - entries
    return min(lows, default=None), max(highs, default=None), zeros, nans, others - nans


def _scale(low: float | None, high: float | None) -> float:
    """Return a power of two that takes all finite entries into [-1, 1], so that no sum overflows.

    Of subnormal numbers none is finite that does, but 2 ** 1022 takes them far enough.
    """
    if low is None or high is None:
        return 1.0
    _, exponent = frexp(max(abs(low), abs(high)))
    return 2.0 ** -max(exponent, -1022)


def _distribution(
    array: Array, low: float | None, high: float | None, scale: float
) -> tuple[float | None, float | None, tuple[int, ...]]:
    """Return mean, deviation and histogram of the finite entries.

    They are those of the places (v - low) / (high - low), which lie in [0, 1] and fill it: so their
    variance is no small difference of large numbers.
    """
    if low is None or high is None:
        return None, None, ()
    start, width = low * scale, high * scale - low * scale
    bins = BINS if array.dtype.kind in "fc" else min(BINS, int(high - low) + 1)
    n, total, squares, counts = 0, 0.0, 0.0, [0] * (bins + 1)
    for _, finite in _finite_blocks(array):
        n += prod(finite.shape)
        if not width:
            continue
        places = finite * scale
        places -= start
        places /= width
        total += float(np.sum(places))
        squares += float(places @ places)
        places *= bins
        found = np.bincount(places.astype(np.intp), minlength=bins + 1)
        counts = [sum(pair) for pair in zip(counts, found.tolist(), strict=True)]
    if not width:
        return low, 0.0, (n,)
    *counts, greatest = counts  # the greatest entries belong to the last bin
    counts[-1] += greatest
    mean = total / n
    variance = max(squares / n - mean * mean, 0.0)
    return (start + width * mean) / scale, width * sqrt(variance) / scale, tuple(counts)


def _picture(array: Array, scale: float) -> tuple[tuple[float | None, ...], ...]:
    """Return a matrix of at most 32 by 32 numbers that looks like the array."""
    matrix = _matrix(array)
    rows, columns = matrix.shape
    if rows <= SIDE and columns <= SIDE:
        pixels = _magnitudes(matrix)
    else:
        # (rows, columns) -> (32, columns) -> (32, 32), at most
        bands = [np.mean(_magnitudes(matrix[part]) * scale, axis=0) for part in _parts(rows)]
        band = np.stack(bands)
        pixels = np.stack([np.mean(band[:, part], axis=1) for part in _parts(columns)], 1) / scale
    return tuple(
        tuple(v if isfinite(v) else None for v in row) for row in pixels.tolist() if len(row)
    )


def _matrix(array: Array) -> Array:
    """Return the first matrix of an array, or its entries as a row."""
    if array.ndim < 2:
        return np.reshape(array, (1, -1))
    if 0 in array.shape:
        return np.reshape(array, (0, 0))
    if array.ndim > 2 and array.shape[-1] in (1, 3) and min(array.shape[-3:-1]) > 3:
        array = array[..., 0]
    return array[(0,) * (array.ndim - 2)]


def _parts(side: int) -> list[slice]:
    """Cut a side into at most 32 nearly equal parts."""
    n = min(side, SIDE)
    bounds = [side * i // n for i in range(n + 1)]
    return [slice(low, high) for low, high in pairwise(bounds)]
