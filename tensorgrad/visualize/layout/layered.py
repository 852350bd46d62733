"""One level of a layout: boxes on layers, and links that lead down from one to another.

The method is that of Sugiyama, Tagawa and Toda: put the boxes on layers, give every link a place on
the layers that it passes, order the layers so that few links cross, then find columns and heights.
Every step is a loop over layers, so a chain of any length works.
"""

from collections import defaultdict
from itertools import pairwise
from typing import NamedTuple

from tensorgrad.visualize.layout.columns import columns
from tensorgrad.visualize.layout.ordering import MAIN, MINOR, RISING, Segment, ordered

# between boxes on a layer, between lines on a layer, and between layers
BOX_GAP, LINE_GAP, LAYER_GAP = 28.0, 16.0, 42.0
# where links lead far to the side, the layers are further apart, so that no link is flat
SLOPE, HIGHEST_GAP = 0.08, 84.0
# where the links together would pass more layers than this for each box, the longest are cut
PASSES_PER_BOX = 30
# between the ends of links at one side of a box, and from the corners of the box
END_GAP, CORNER = 18.0, 12.0

Point = tuple[float, float]


class Box(NamedTuple):
    """What is put on a layer.

    ``key`` orders a layer to begin with. A ``port`` is the point where links cross the border of
    this level: at the "top" or the "bottom". Ends of links keep their shifts where ``has_ports``,
    and are spread over the side of the box otherwise. A box with a greater ``lane`` lies to the
    right of all with a smaller one.
    """

    width: float
    height: float
    key: int
    port: str = ""
    has_ports: bool = False
    lane: int = 0


class Link(NamedTuple):
    """A line from a box down to another; the shifts are from the middles of the boxes.

    Links with the same ``net`` share their upper end, or where they ``rise`` their lower end, and
    one line from there as far as they go the same way. What ``is_minor`` gives way to the others.
    """

    upper: int
    lower: int
    net: int
    rises: bool = False
    is_minor: bool = False
    upper_shift: float = 0.0
    lower_shift: float = 0.0


class Arrangement(NamedTuple):
    """The middles of the boxes, and for each link the points of its own part, downwards.

    A link that was cut, because it would pass too many layers, has no points.
    """

    middles: list[Point]
    lines: list[list[Point]]
    width: float
    height: float


class Threads(NamedTuple):
    """Boxes, and behind them the places of links on the layers that they pass: the items."""

    layer: list[int]
    key: list[tuple[int, int]]  # lane and key
    is_side: list[bool]  # belongs to a parameter or a constant
    segments: list[Segment]
    ways: list[list[int]]  # for each link the items on its own part of the line, downwards


def arrange(boxes: list[Box], links: list[Link], top: float, bottom: float) -> Arrangement:
    """Lay out one level, with this much room above the first boxes and below the last."""
    layer = layers(boxes, links)
    threads = thread(boxes, links, layer)
    widths = [box.width + (LINE_GAP if box.port else BOX_GAP) for box in boxes]
    widths += [LINE_GAP] * (len(threads.layer) - len(boxes))
    order = ordered(threads.layer, threads.key, threads.segments, widths)
    x = columns(order, widths, threads.segments, threads.is_side, len(boxes))
    for lane in sorted({box.lane for box in boxes})[1:]:
        left = min(x[i] - box.width / 2 for i, box in enumerate(boxes) if box.lane >= lane)
        right = max(x[i] + box.width / 2 for i, box in enumerate(boxes) if box.lane < lane)
        aside = max(right + BOX_GAP - left, 0.0)
        x = [at + aside * (key[0] >= lane) for at, key in zip(x, threads.key, strict=True)]
    edges = [0.0 if box.port else box.width / 2 for box in boxes]
    edges += [0.0] * (len(x) - len(boxes))
    left = min((at - half for at, half in zip(x, edges, strict=True)), default=0.0)
    right = max((at + half for at, half in zip(x, edges, strict=True)), default=0.0)
    x = [at - left for at in x]

    begins, ends = _heights(boxes, threads, x, top, bottom)
    height = ends[-1] + (0 if any(box.port == "bottom" for box in boxes) else bottom)
    fed = {link.lower for link in links}
    y = []
    for i, box in enumerate(boxes):
        room = ends[layer[i]] - begins[layer[i]] - box.height
        # a parameter stands close to what takes it
        y.append(begins[layer[i]] + box.height / 2 + (min(room / 2, 36.0) if i in fed else room))
    shifts = _end_shifts(boxes, links, threads.ways, x)

    def line(number: int) -> list[Point]:
        way, link = threads.ways[number], links[number]
        points: list[Point] = []
        for item in way:
            begin, end = begins[threads.layer[item]], ends[threads.layer[item]]
            at, stops = x[item], (begin, end)
            if item < len(boxes):
                half = boxes[item].height / 2
                if item == way[0]:
                    at += shifts.get((item, "bottom", link.net), link.upper_shift)
                    stops = (y[item] + half, end)
                else:
                    at += shifts.get((item, "top", link.net), link.lower_shift)
                    stops = (begin, y[item] - half)
            elif item == way[0]:  # the line branches off where the layer ends
                stops = (end, end)
            elif item == way[-1]:
                stops = (begin, begin)
            points += [(at, stop) for stop in stops]
        return points

    lines = [line(number) for number in range(len(links))]
    return Arrangement(list(zip(x, y, strict=False)), lines, right - left, height)


def layers(boxes: list[Box], links: list[Link]) -> list[int]:
    """Put each box on the first layer below all that leads to it.

    Then pull down, as far as it goes, what feeds more boxes than feed it. Parameters and constants,
    and what is made of these alone for one box, count for nothing there; so they come to stand just
    above what takes them.
    """
    above: list[set[int]] = [set() for _ in boxes]
    below: list[set[int]] = [set() for _ in boxes]
    for link in links:
        above[link.lower].add(link.upper)
        below[link.upper].add(link.lower)
    first = int(any(box.port == "top" for box in boxes))
    layer = [0 if box.port == "top" else first for box in boxes]
    waiting = [len(found) for found in above]
    sequence = [i for i, count in enumerate(waiting) if not count]
    for i in sequence:  # which grows on the way
        for j in below[i]:
            layer[j] = max(layer[j], layer[i] + 1)
            waiting[j] -= 1
            if not waiting[j]:
                sequence.append(j)
    if len(sequence) < len(boxes):
        raise ValueError("layout: The edges, or the frames that they connect, form a cycle.")

    light = [False] * len(boxes)
    for i in sequence:
        single = len(below[i]) == 1 or not above[i]
        light[i] = single and not boxes[i].port and all(light[j] for j in above[i])
    last = max((at for at, box in zip(layer, boxes, strict=True) if not box.port), default=-1)
    for i in reversed(sequence):
        if boxes[i].port == "bottom":
            layer[i] = last + 1
        elif not boxes[i].port and sum(not light[j] for j in above[i]) < len(below[i]):
            layer[i] = min(layer[j] for j in below[i]) - 1
    return layer


def thread(boxes: list[Box], links: list[Link], layer_of_box: list[int]) -> Threads:
    """Give links their places on the layers that they pass."""
    fed = {link.lower for link in links}
    layer, key = list(layer_of_box), [(box.lane, box.key) for box in boxes]
    is_side = [i not in fed and not box.port for i, box in enumerate(boxes)]
    segments: list[Segment] = []
    ways: list[list[int]] = [[] for _ in links]
    places: dict[tuple[int, int], int] = {}  # of a net on a layer
    room = PASSES_PER_BOX * len(boxes) + 1000
    for number, link in enumerate(links):
        # from the end that is the link's own, towards the end that it shares with others
        own, shared, step = link.lower, link.upper, -1
        if link.rises:
            own, shared, step = shared, own, 1
        passed = range(layer[own] + step, layer[shared], step)
        way, joins = [own], shared
        for at in passed:
            known = places.get((link.net, at))
            if known is not None:
                joins, passed = known, range(passed.start, at, step)
                break
        room -= len(passed)
        if room < 0:
            continue
        for at in passed:
            way.append(len(layer))
            places[link.net, at] = len(layer)
            layer.append(at)
            key.append(key[shared])
            is_side.append(is_side[shared])
        way.append(joins)
        rank = MINOR if link.is_minor else RISING if link.rises else MAIN
        ways[number] = way = way if link.rises else way[::-1]
        shift = {link.upper: link.upper_shift, link.lower: -link.lower_shift}
        segments += [
            Segment(upper, lower, shift.get(upper, 0.0) + shift.get(lower, 0.0), rank)
            for upper, lower in pairwise(way)
        ]
    return Threads(layer, key, is_side, segments, ways)


def _heights(
    boxes: list[Box], threads: Threads, x: list[float], top: float, bottom: float
) -> tuple[list[float], list[float]]:
    """Return the y at which each layer begins and ends."""
    count = max(threads.layer, default=0) + 1
    heights, gaps = [0.0] * count, [LAYER_GAP] * count
    ports = {box.port for box in boxes}
    y = top
    if "top" in ports:
        y, gaps[0] = 0.0, top
    if "bottom" in ports:
        gaps[-2] = bottom
    for i, box in enumerate(boxes):
        heights[threads.layer[i]] = max(heights[threads.layer[i]], box.height)
    for upper, lower, shift, _ in threads.segments:
        aside = abs(x[upper] + shift - x[lower])
        gap = min(LAYER_GAP / 2 + SLOPE * aside, HIGHEST_GAP) if aside > 1 else 0.0
        gaps[threads.layer[upper]] = max(gaps[threads.layer[upper]], gap)
    begins = []
    for height, gap in zip(heights, gaps, strict=True):
        begins.append(y)
        y += height + gap
    return begins, [begin + height for begin, height in zip(begins, heights, strict=True)]


def _end_shifts(
    boxes: list[Box], links: list[Link], ways: list[list[int]], x: list[float]
) -> dict[tuple[int, str, int], float]:
    """Spread the ends of nets over the sides of boxes, in the order of where they come from.

    One that comes straight from above or below stays in the middle of the box.
    """
    sides: dict[tuple[int, str], dict[int, float]] = defaultdict(dict)
    for link, way in zip(links, ways, strict=True):
        if way:
            shift = {link.upper: link.upper_shift, link.lower: link.lower_shift}
            for box, other, side in ((way[0], way[1], "bottom"), (way[-1], way[-2], "top")):
                if box < len(boxes):
                    sides[box, side].setdefault(link.net, x[other] + shift.get(other, 0.0))
    shifts = {}
    for (box, side), nets in sides.items():
        if len(nets) > 1 and not boxes[box].has_ports and not boxes[box].port:
            ends = sorted(nets, key=lambda net: (nets[net], net))
            straight = [k for k, net in enumerate(ends) if abs(nets[net] - x[box]) < 1]
            middle = straight[0] if straight else (len(ends) - 1) / 2
            widest = max(middle, len(ends) - 1 - middle)
            room = max(boxes[box].width / 2 - CORNER, boxes[box].width / 4)
            step = min(END_GAP, room / widest)
            for k, net in enumerate(ends):
                shifts[box, side, net] = (k - middle) * step
    return shifts
