"""Where windows lie: which entries of an axis each of them meets.

Windows over several axes are products of windows along each axis. So maxima, sums, and what pulls
cotangents back through them, go along one axis after the other, and over all taps of a window at
once: the n-th tap is the n-th entry of every window, a strided slice.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from tensorgrad.conv.geometry import Padding, dilated, pads_for, per_axis
from tensorgrad.conv.layouts import is_channels_last, layouts
from tensorgrad.errors import ShapeError, explain
from tensorgrad.typing import Array, Draw, Shape

# Places along an axis, in ascending order: as a slice, where they are equally far apart.
Places: TypeAlias = slice | Array


class Taps(NamedTuple):
    """What the windows along one axis meet, one tap of all windows after the other.

    Each of ``met`` says of some windows, by number, which entries they meet: the first of the
    windows the first of the entries, and so on. Within one of them neither comes twice, so that it
    can be read in both directions.
    """

    entries: int
    windows: int
    met: tuple[tuple[Places, Places], ...]

    @property
    def transposed(self) -> "Taps":
        """The same with entries and windows exchanged."""
        return Taps(self.windows, self.entries, tuple((e, w) for w, e in self.met))

    def along(self, axis: int) -> Iterator[tuple[Any, Any]]:
        """Yield for each tap two indices: of windows, and of what they meet, along a last axis."""
        rest = (slice(None),) * (-1 - axis)
        for windows, entries in self.met:
            yield (..., windows, *rest), (..., entries, *rest)


def _places(numbers: Array) -> Places:
    steps = np.diff(numbers)
    step = int(steps[0]) if steps.size else 1
    if np.all(steps == step):
        return slice(int(numbers[0]), int(numbers[-1]) + 1, step)
    return numbers


def taps(entries: int, starts: Array, counts: Array | int, dilation: int = 1) -> Taps:
    """Return the taps of windows that start in ascending order, and have so many entries each.

    What lies outside of the axis is met by no window.
    """
    numbers = np.arange(len(starts))
    met = []
    for tap in range(int(np.max(counts))):
        place = starts + tap * dilation
        windows = numbers[(tap < counts) & (place >= 0) & (place < entries)]
        if not windows.size:
            continue
        # windows that meet the same entry are neighbours: take them apart
        shared = np.bincount(place[windows]).max()
        for first in range(shared):
            some = windows[windows % shared == first]
            if some.size:
                met.append((_places(some), _places(place[some])))
    return Taps(entries, len(starts), tuple(met))


@lru_cache(maxsize=512)
def _regular_taps(entries: int, windows: int, k: int, s: int, d: int, low: int) -> Taps:
    return taps(entries, np.arange(windows) * s - low, k, d)


@lru_cache(maxsize=512)
def adaptive_taps(entries: int, windows: int) -> Taps:
    """Return the taps of windows that cut an axis into nearly equal parts, overlapping by one.

    >>> adaptive_taps(4, 2).met
    ((slice(0, 2, 1), slice(0, 3, 2)), (slice(0, 2, 1), slice(1, 4, 2)))
    """
    return taps(entries, *adaptive_windows(entries, windows))


def adaptive_windows(entries: int, windows: int) -> tuple[Array, Array]:
    """Return where windows that cut an axis into nearly equal parts start, and their lengths.

    >>> [part.tolist() for part in adaptive_windows(5, 3)]
    [[0, 1, 3], [2, 3, 2]]
    """
    numbers = np.arange(windows)
    starts: Array = numbers * entries // windows
    return starts, -((numbers + 1) * -entries // windows) - starts


class Windows(NamedTuple):
    """Windows over the last axes of an array, all alike: numbers for each axis."""

    sides: Shape
    kernel: Shape
    stride: Shape
    dilation: Shape
    pads: tuple[tuple[int, int], ...]
    out: Shape

    @property
    def taps(self) -> tuple[Taps, ...]:
        """What they meet along each axis."""
        lows = (low for low, _ in self.pads)
        return tuple(
            map(_regular_taps, self.sides, self.out, self.kernel, self.stride, self.dilation, lows)
        )

    def counts(self, *, padding: bool) -> tuple[Array, ...]:
        """Return how many entries each window meets along each axis, with those of the padding.

        What a window reaches beyond the padding, as the last may with ceil_mode, counts never.
        """
        found = []
        for i, o, k, s, d, (low, high) in zip(
            self.sides, self.out, self.kernel, self.stride, self.dilation, self.pads, strict=True
        ):
            places = s * np.arange(o)[:, np.newaxis] + d * np.arange(k) - low
            first, end = (-low, i + high) if padding else (0, i)
            found.append(np.count_nonzero((places >= first) & (places < end), axis=1))
        return tuple(found)


def windows_over(
    operation: str,
    sides: Shape,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None,
    padding: Padding,
    dilation: int | Sequence[int],
    ceil_mode: bool,
) -> Windows:
    """Return the windows that fit over so many entries, each of which must meet one at least."""
    n = len(sides)
    kernel = per_axis(operation, "kernel_size", kernel_size, n)
    strides = kernel if stride is None else per_axis(operation, "stride", stride, n)
    dilations = per_axis(operation, "dilation", dilation, n)
    pads = pads_for(operation, padding, sides, kernel, strides, dilations)
    if any(low < 0 or high < 0 for low, high in pads):
        raise ShapeError(
            explain(operation, "Padding is not negative.", "Use x[...] to crop.", padding=padding)
        )
    out = tuple(map(_output_side, sides, kernel, strides, dilations, pads, (ceil_mode,) * n))
    windows = Windows(tuple(sides), kernel, strides, dilations, pads, out)
    if min(out, default=1) < 1:
        raise ShapeError(
            explain(
                operation,
                "A window, dilation * (kernel_size - 1) + 1 entries wide, must fit into the padded "
                "input.",
                "Use a smaller kernel_size or dilation, or pad more.",
                input_sides=tuple(sides),
                kernel_size=kernel,
                dilation=dilations,
                padding=pads,
            )
        )
    if any(np.any(count == 0) for count in windows.counts(padding=False)):
        raise ShapeError(
            explain(
                operation,
                "Each window must meet an entry of the input, and not only padding.",
                "Pad less: half of the kernel_size is always possible.",
                input_sides=tuple(sides),
                kernel_size=kernel,
                stride=strides,
                dilation=dilations,
                padding=pads,
            )
        )
    return windows


def _output_side(i: int, k: int, s: int, d: int, pads: tuple[int, int], ceil_mode: bool) -> int:
    low, high = pads
    over = i + low + high - dilated(k, d)
    if not ceil_mode:
        return over // s + 1
    o = -(-over // s) + 1
    # the last window must start before the padding at the high side
    return o - 1 if (o - 1) * s >= i + low else o


def draw_pooling(draw: Draw) -> tuple[Shape, dict[str, Any]]:
    """Draw the shape of some images, and how to ask for windows over them."""
    n = draw.choice([1, 2, 2, 3])
    sides, params = draw_windows(draw, n)
    batch, channels = draw.choice([(1,), (), (2,), (0,)]), (draw.integer(1, 2),)
    layout = draw.choice(layouts(n))
    space = sides + channels if is_channels_last(layout) else channels + sides
    return batch + space, {**params, "layout": layout}


def draw_windows(draw: Draw, n: int) -> tuple[Shape, dict[str, Any]]:
    """Draw windows over n axes of a few entries: the sides of these, and how to ask for windows."""
    params = {
        name: tuple(draw.integer(1, most) for _ in range(n))
        for name, most in (("kernel_size", 3), ("stride", 3), ("dilation", 2))
    }
    pads, sides = [], []
    for k, s, d in zip(*params.values(), strict=True):
        low, high = draw.integer(0, k // 2), draw.integer(0, k // 2)
        pads.append((low, high))
        # dilated, the entries of a window may lie in the padding at both sides of few entries
        fits = max(dilated(k, d) - low - high, d, 1)
        sides.append(fits + draw.choice([0, 1, s]))
    return tuple(sides), {**params, "padding": tuple(pads), "ceil_mode": draw.boolean()}


def draw_taps(draw: Draw) -> tuple[Shape, tuple[Taps, ...]]:
    """Draw the shape of an array, and windows over its last axes."""
    n = draw.choice([1, 2, 2, 3])
    lead = draw.choice([(2,), (), (0,), (1, 2)])
    if draw.integer(0, 3) == 3:
        sides = tuple(draw.integer(1, 4) for _ in range(n))
        return lead + sides, tuple(adaptive_taps(side, draw.integer(1, 4)) for side in sides)
    sides, params = draw_windows(draw, n)
    return lead + sides, windows_over("pool", sides, **params).taps


def met_by_windows(taps: Sequence[Taps]) -> Iterator[tuple[Shape, list[Shape]]]:
    """Yield for each window, by its place, the places of the entries it meets, in order."""
    tables: list[dict[int, list[int]]] = []
    for along in taps:
        table: dict[int, list[int]] = {}
        for windows, entries in along.met:
            pairs = (np.arange(along.windows)[windows], np.arange(along.entries)[entries])
            for window, entry in zip(*map(np.ndarray.tolist, pairs), strict=True):
                table.setdefault(window, []).append(entry)
        tables.append(table)
    for window in product(*tables):
        rows = (table[i] for table, i in zip(tables, window, strict=True))
        yield window, list(product(*rows))
