"""The x of every item on its layer: long lines straight, boxes above one another.

The method is that of Brandes and Koepf: join items to vertical columns, each with at most one item
on a layer, pack the columns as far to one side as they go, do so from all four corners, and take
the middle of the four results, which keeps every order and every distance.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from tensorgrad.visualize.layout.ordering import Segment

Ends = list[list[tuple[int, float]]]  # for each item the ends of its segments and their shifts


class _View(NamedTuple):
    """The layers as they are seen from one corner: that is always the upper left one."""

    order: list[list[int]]
    widths: Sequence[float]
    above: Ends


def columns(
    order: list[list[int]],
    widths: Sequence[float],
    segments: Sequence[Segment],
    is_side: Sequence[bool],
    boxes: int,
) -> list[float]:
    """Return the x of the middle of each item; the widths hold the room between them.

    The first ``boxes`` items are boxes, the others places of lines. What ``is_side`` never takes
    the column of a box from what is not.
    """
    place = [0] * len(widths)
    for items in order:
        for at, item in enumerate(items):
            place[item] = at
    above, below = _joinable(order, place, segments, is_side, boxes)
    results = []
    for upwards in (False, True):
        for mirrored in (False, True):
            view = order[::-1] if upwards else order
            ends = below if upwards else above
            if mirrored:
                view = [items[::-1] for items in view]
                ends = [[(end, -shift) for end, shift in reversed(found)] for found in ends]
            x = _packed(_View(view, widths, ends))
            results.append([-at for at in x] if mirrored else x)
    return _middle(results, widths)


def _joinable(
    order: list[list[int]],
    place: list[int],
    segments: Sequence[Segment],
    is_side: Sequence[bool],
    boxes: int,
) -> tuple[Ends, Ends]:
    """Return the segments that may join items to a column: by lower and by upper end.

    Lines go straight through; so a segment that crosses one inside a long line is left out. Of the
    segments at one end of an item those of the lowest rank come first, of these what leads to or
    from a box before long lines; and parameters come last.
    """

    def rank(segment: Segment, item: int) -> int:
        return 2 * segment.rank + (2 if is_side[segment.upper] else int(item >= boxes))

    inside: dict[int, list[tuple[int, int]]] = {}  # by the place of the lower end
    layer = [0] * len(place)
    for number, items in enumerate(order):
        for item in items:
            layer[item] = number
    for upper, lower, *_ in segments:
        if upper >= boxes and lower >= boxes:
            inside.setdefault(layer[lower], []).append((place[lower], place[upper]))
    for pairs in inside.values():
        pairs.sort()

    def is_free(upper: int, lower: int) -> bool:
        pairs = inside.get(layer[lower])
        if pairs is None or (upper >= boxes and lower >= boxes):
            return True
        at = bisect_left(pairs, (place[lower],))
        left, right = pairs[at - 1 : at] if at else [], pairs[at : at + 1]
        return all(p < place[upper] for _, p in left) and all(p > place[upper] for _, p in right)

    above: Ends = [[] for _ in place]
    below: Ends = [[] for _ in place]
    best = [9] * len(place)
    for segment in segments:
        best[segment.lower] = min(best[segment.lower], rank(segment, segment.upper))
    kept = [
        segment
        for segment in segments
        if rank(segment, segment.upper) == best[segment.lower]
        and is_free(segment.upper, segment.lower)
    ]
    best = [9] * len(place)
    for segment in kept:
        best[segment.upper] = min(best[segment.upper], rank(segment, segment.lower))
    for segment in kept:
        if rank(segment, segment.lower) == best[segment.upper]:
            above[segment.lower].append((segment.upper, segment.shift))
            below[segment.upper].append((segment.lower, -segment.shift))
    for ends in (above, below):
        for found in ends:
            found.sort(key=lambda end: place[end[0]])
    return above, below


def _packed(view: _View) -> list[float]:
    """Join the items to columns and pack these to the left."""
    count = len(view.widths)
    column = list(range(count))  # the first item of its column
    shift = [0.0] * count  # from the x of that item
    place = [0] * count
    for items in view.order:
        for at, item in enumerate(items):
            place[item] = at
    for items in view.order:
        reached = -1
        for item in items:
            ends = view.above[item]
            # the middle one, or else the other middle one
            for end, by in ends[(len(ends) - 1) // 2 : len(ends) // 2 + 1]:
                if place[end] > reached:
                    reached = place[end]
                    column[item], shift[item] = column[end], shift[end] + by
                    break

    right: list[list[tuple[int, float]]] = [[] for _ in range(count)]  # neighbours and distances
    waiting = [0] * count
    for items in view.order:
        for a, b in pairwise(items):
            distance = (view.widths[a] + view.widths[b]) / 2 + shift[a] - shift[b]
            right[column[a]].append((column[b], distance))
            waiting[column[b]] += 1
    x = [0.0] * count
    sequence = [c for c in range(count) if column[c] == c and not waiting[c]]
    for c in sequence:  # which grows on the way
        for neighbour, distance in right[c]:
            x[neighbour] = max(x[neighbour], x[c] + distance)
            waiting[neighbour] -= 1
            if not waiting[neighbour]:
                sequence.append(neighbour)
    for c in reversed(sequence):
        if right[c]:  # close up to the neighbours
            x[c] = max(x[c], min(x[neighbour] - distance for neighbour, distance in right[c]))
    return [x[column[i]] + shift[i] for i in range(count)]


def _middle(results: list[list[float]], widths: Sequence[float]) -> list[float]:
    """Bring the results over the narrowest and take the mean of the middle two for each item."""
    if not widths:
        return []
    spans = [
        (
            min(at - width / 2 for at, width in zip(x, widths, strict=True)),
            max(at + width / 2 for at, width in zip(x, widths, strict=True)),
        )
        for x in results
    ]
    left, right = min(spans, key=lambda span: span[1] - span[0])
    moved = [
        [at + (right - end if mirrored else left - start) for at in x]
        for x, (start, end), mirrored in zip(results, spans, (False, True) * 2, strict=True)
    ]
    return [sum(sorted(four)[1:3]) / 2 for four in zip(*moved, strict=True)]
