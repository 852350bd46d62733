"""The order of the items on each layer, with few crossings."""

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

SWEEPS = 8
# lines that lead down, that lead up, and that give way to both
MAIN, RISING, MINOR = range(3)


class Segment(NamedTuple):
    """A piece of a line from one layer to the next, between items.

    Straight means that the x of the lower item is that of the upper one and ``shift``. Where not
    all can be straight, those of a lower ``rank`` come first.
    """

    upper: int
    lower: int
    shift: float
    rank: int


Neighbours = dict[int, list[tuple[int, float]]]


def ordered(
    layer: Sequence[int],
    key: Sequence[tuple[int, int]],
    segments: Sequence[Segment],
    widths: Sequence[float],
) -> list[list[int]]:
    """Put the items of each layer in order, from left to right; a key is lane and first place.

    It begins with the order of the keys and keeps what a sweep makes of it only where that has
    fewer crossings; so a small change to a graph is a small change to its picture.
    """
    order: list[list[int]] = [[] for _ in range(max(layer, default=-1) + 1)]
    for item in sorted(range(len(layer)), key=key.__getitem__):
        order[layer[item]].append(item)
    above: Neighbours = defaultdict(list)
    below: Neighbours = defaultdict(list)
    for upper, lower, shift, _ in segments:
        above[lower].append((upper, shift / widths[upper] if shift else 0.0))
        below[upper].append((lower, -shift / widths[lower] if shift else 0.0))
    best, fewest = order, crossings(order, below)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        # up first: inputs go in the order of what takes them
        order = _swept(order, key, above if sweep % 2 else below, downwards=bool(sweep % 2))
        count = crossings(order, below)
        if count < fewest:
            best, fewest = order, count
    return best


def crossings(order: Sequence[Sequence[int]], below: Neighbours) -> int:
    """Count the crossings of segments: pairs whose upper ends and lower ends are in other order."""
    total = 0
    for upper, lower in pairwise(order):
        place = {item: at for at, item in enumerate(lower)}
        seen: list[float] = []
        for item in upper:
            ends = sorted(place[end] + shift for end, shift in below.get(item, ()))
            for end in ends:
                total += len(seen) - bisect_right(seen, end)
            for end in ends:
                insort(seen, end)
    return total


def _swept(
    order: Sequence[Sequence[int]],
    key: Sequence[tuple[int, int]],
    neighbours: Neighbours,
    downwards: bool,
) -> list[list[int]]:
    """Sort each layer by the middle of its neighbours on the layer before; ties keep their order.

    An item without neighbours keeps its place.
    """
    result: list[list[int]] = []
    place: dict[int, int] = {}
    for items in order if downwards else reversed(order):
        middle = {
            item: (
                key[item][0],
                sum(place[end] + shift for end, shift in neighbours[item]) / len(neighbours[item]),
            )
            for item in items
            if item in neighbours
        }
        moved = iter(sorted(middle, key=middle.__getitem__))
        result.append([next(moved) if item in middle else item for item in items])
        place = {item: at for at, item in enumerate(result[-1])}
    return result if downwards else result[::-1]
