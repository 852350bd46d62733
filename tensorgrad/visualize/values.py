"""Summaries of arrays, small enough to keep and to draw: statistics, a histogram, a picture."""

from dataclasses import dataclass

from tensorgrad.typing import Shape


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
        Rows of a picture of the array, at most 32 by 32 numbers; None for an entry that is not finite.
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
