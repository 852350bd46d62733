"""The layout of a graph whose boxes lie in frames, which lie in frames.

Each frame is laid out by itself, the innermost first, and is one box of the level around it. So
frames hold what is theirs, lie side by side and never overlap. A line that crosses the border of a
frame does so at a port, which both levels know.
"""

from collections.abc import Sequence
from typing import NamedTuple

from tensorgrad.visualize.layout.layered import Arrangement, Box, Link, Point, arrange


class Edge(NamedTuple):
    """A line from a box down to another one.

    Edges with the same ``net`` show one value: they share their upper end, or where they ``rise``
    (arrows that point up) their lower end, and one line as far as they go the same way; it is given
    with the first of them. What ``is_minor`` gives way where not all lines can be straight.
    """

    upper: int
    lower: int
    net: int
    rises: bool = False
    is_minor: bool = False


class Frame(NamedTuple):
    """A rectangle around boxes and other frames, with room inside above, below and at the sides.

    ``parent`` is the number of the frame that it lies in, a smaller one than its own; -1 where it
    lies in none. A frame with a ``lane`` lies to the right of all in its parent with a smaller one;
    boxes have the lane 0.
    """

    parent: int = -1
    top: float = 0.0
    bottom: float = 0.0
    side: float = 0.0
    least_width: float = 0.0
    lane: int = 0


class Rectangle(NamedTuple):
    """Left, top, width and height."""

    x: float
    y: float
    width: float
    height: float


class Layout(NamedTuple):
    """Where everything is.

    Attributes
    ----------
    boxes, frames
        Their rectangles, in the order given.
    lines
        For each edge the points of its own part of the line, downwards: vertical where the line
        passes a layer, and from one layer to the next as a curve is to lead. What it shares with an
        edge of the same net is given with one of them only. Without points where the line would be
        so long that it is better not drawn.
    width, height
        Of all together.
    """

    boxes: list[Rectangle]
    frames: list[Rectangle]
    lines: list[list[Point]]
    width: float
    height: float


def layout(
    sizes: Sequence[tuple[float, float]],
    edges: Sequence[Edge],
    frames: Sequence[Frame] = (),
    frame_of: Sequence[int] = (),
    keys: Sequence[int] = (),
) -> Layout:
    """Lay out boxes and the edges between them from top to bottom.

    Parameters
    ----------
    sizes
        Width and height of each box.
    edges
        Each leads down; there must be no cycle, also not between frames.
    frames, frame_of
        The frames, and for each box the number of the innermost one that it lies in or -1; by
        default there are none.
    keys
        The order from left to right to begin with; by default that of the boxes.

    Raises
    ------
    ValueError
        If there is a cycle.

    Examples
    --------
    >>> place = layout([(80, 30), (80, 30)], [Edge(0, 1, net=0)])
    >>> place.boxes[1].x == place.boxes[0].x, place.boxes[1].y > place.boxes[0].y + 30
    (True, True)
    """
    keys = keys or range(len(sizes))
    frame_of = frame_of or [-1] * len(sizes)
    levels = {number: _Level() for number in range(-1, len(frames))}
    for i, size in enumerate(sizes):
        levels[frame_of[i]].add(("box", i), Box(*size, keys[i]))

    paths: dict[int, tuple[int, ...]] = {-1: ()}
    for number, frame in enumerate(frames):
        paths[number] = (*paths[frame.parent], number)
    ways = [_way(edge, levels, paths, frame_of, keys) for edge in edges]

    for number in reversed(range(len(frames))):  # what lies inside comes first
        frame, level = frames[number], levels[number]
        level.arrange(frame.top, frame.bottom, levels)
        key = min((box.key for box in level.boxes.values() if not box.port), default=0)
        width = max(level.arranged.width + 2 * frame.side, frame.least_width)
        inside = Box(width, level.arranged.height, key, has_ports=True, lane=frame.lane)
        levels[frame.parent].add(("frame", number), inside)
    levels[-1].arrange(0.0, 0.0, levels)
    return _assembled(sizes, frames, levels, ways)


# a box, a frame, or the port of a net
Part = tuple[str, int]


class _Level:
    """What lies immediately in one frame, and the links between that."""

    def __init__(self) -> None:
        self.boxes: dict[Part, Box] = {}
        self.links: dict[tuple[Part, Part, int], tuple[int, Edge]] = {}
        self.place: dict[Part, int] = {}
        self.left = self.top = 0.0

    def add(self, part: Part, box: Box) -> None:
        self.boxes[part] = box

    def link(self, upper: Part, lower: Part, edge: Edge) -> tuple[int, bool]:
        """Return the number of the link for an edge, and whether the edge is the first on it."""
        known = len(self.links)
        number, _ = self.links.setdefault((upper, lower, edge.net), (known, edge))
        return number, number == known

    def arrange(self, top: float, bottom: float, levels: "dict[int, _Level]") -> None:
        lanes = {part: box.lane for part, box in self.boxes.items() if not box.port}
        for upper, lower, _ in self.links:
            for port, inside in ((upper, lower), (lower, upper)):
                if self.boxes[port].port:  # it has the first lane that it leads to
                    lanes[port] = min(lanes.get(port, lanes[inside]), lanes[inside])
        parts = sorted(self.boxes, key=lambda part: (self.boxes[part].key, part))
        self.place = {part: i for i, part in enumerate(parts)}

        def shift(part: Part, port: Part) -> float:
            if part[0] != "frame":
                return 0.0
            inner = levels[part[1]]
            return inner.x_of(port) - inner.arranged.width / 2

        links = [
            Link(
                self.place[upper],
                self.place[lower],
                net,
                edge.rises,
                edge.is_minor,
                shift(upper, ("bottom", net)),
                shift(lower, ("top", net)),
            )
            for (upper, lower, net), (_, edge) in self.links.items()
        ]
        self.arranged: Arrangement = arrange(
            [self.boxes[part]._replace(lane=lanes[part]) for part in parts], links, top, bottom
        )

    def x_of(self, part: Part) -> float:
        return self.arranged.middles[self.place[part]][0]


def _way(
    edge: Edge,
    levels: dict[int, _Level],
    paths: dict[int, tuple[int, ...]],
    frame_of: Sequence[int],
    keys: Sequence[int],
) -> list[tuple[int, int]]:
    """Make the links of an edge; return frame and number of those that it is the first on."""
    upper, lower = paths[frame_of[edge.upper]], paths[frame_of[edge.lower]]
    common = 0
    while common < min(len(upper), len(lower)) and upper[common] == lower[common]:
        common += 1
    key = keys[edge.lower if edge.rises else edge.upper]
    ways = []

    def connect(frame: int, start: Part, end: Part) -> None:
        for part in (start, end):
            if part[0] in ("top", "bottom"):
                levels[frame].boxes.setdefault(part, Box(0.0, 0.0, key, port=part[0]))
        number, is_first = levels[frame].link(start, end, edge)
        if is_first:
            ways.append((frame, number))

    start: Part = ("box", edge.upper)
    for frame in reversed(upper[common:]):  # out of the frames of the upper box
        connect(frame, start, ("bottom", edge.net))
        start = ("frame", frame)
    inwards: list[tuple[int, Part]] = []
    end: Part = ("box", edge.lower)
    for frame in reversed(lower[common:]):  # into the frames of the lower box
        inwards.append((frame, end))
        end = ("frame", frame)
    connect(upper[common - 1] if common else -1, start, end)
    for frame, inner in reversed(inwards):
        connect(frame, ("top", edge.net), inner)
    return ways


def _assembled(
    sizes: Sequence[tuple[float, float]],
    frames: Sequence[Frame],
    levels: dict[int, _Level],
    ways: list[list[tuple[int, int]]],
) -> Layout:
    """Bring every level to its place in the whole."""
    boxes = [Rectangle(0.0, 0.0, 0.0, 0.0)] * len(sizes)
    rectangles = [Rectangle(0.0, 0.0, 0.0, 0.0)] * len(frames)
    for level in [levels[number] for number in range(-1, len(frames))]:  # the outermost first
        for (kind, number), i in level.place.items():
            x, y = level.arranged.middles[i]
            width, height = level.boxes[kind, number].width, level.boxes[kind, number].height
            rectangle = Rectangle(
                level.left + x - width / 2, level.top + y - height / 2, width, height
            )
            if kind == "box":
                boxes[number] = rectangle
            elif kind == "frame":
                rectangles[number] = rectangle
                inner = levels[number]
                inner.left = rectangle.x + (width - inner.arranged.width) / 2
                inner.top = rectangle.y
    lines = []
    for way in ways:
        points: list[Point] = []
        for number, link in way:
            level = levels[number]
            for x, y in level.arranged.lines[link]:
                at = (level.left + x, level.top + y)
                if not points or at != points[-1]:
                    points.append(at)
        lines.append(points)
    whole = levels[-1].arranged
    return Layout(boxes, rectangles, lines, whole.width, whole.height)
