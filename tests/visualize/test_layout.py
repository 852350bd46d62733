"""The layout: what every picture has to be, for drawn graphs."""

import subprocess
import sys
from itertools import combinations, pairwise

import pytest
from hypothesis import given, strategies as st

from tensorgrad.visualize.layout import Edge, Frame, layout
from tensorgrad.visualize.layout.ordering import crossings


@st.composite
def graphs(draw, most=14, framed=True):
    """Sizes, edges, frames and the frame of each box: frames hold boxes that follow each other."""
    count = draw(st.integers(1, most))
    sizes = draw(
        st.lists(st.tuples(st.integers(1, 200), st.integers(1, 90)), min_size=count, max_size=count)
    )
    ends = (
        []
        if count == 1
        else draw(
            st.lists(
                st.tuples(st.integers(0, count - 2), st.integers(1, count - 1), st.booleans()),
                max_size=2 * count,
            )
        )
    )
    edges = [
        Edge(a, b, count + b if rises else a, rises, draw(st.booleans()))
        for a, b, rises in dict.fromkeys(ends)
        if a < b
    ]
    frames, frame_of, opened = [], [], []
    for _ in range(count if framed else 0):
        path = draw(st.lists(st.integers(0, 1), max_size=3))
        depth = 0
        while depth < min(len(path), len(opened)) and opened[depth][0] == path[depth]:
            depth += 1
        del opened[depth:]
        for name in path[depth:]:
            parent = opened[-1][1] if opened else -1
            top, lane = draw(st.sampled_from([0.0, 25.0])), draw(st.integers(0, 2))
            opened.append((name, len(frames)))
            frames.append(Frame(parent, top=top, bottom=5.0, side=7.0, least_width=40.0, lane=lane))
        frame_of.append(opened[-1][1] if opened else -1)
    return sizes, edges, frames, frame_of


def overlap(a, b):
    return (
        a.x < b.x + b.width - 1e-6
        and b.x < a.x + a.width - 1e-6
        and a.y < b.y + b.height - 1e-6
        and b.y < a.y + a.height - 1e-6
    )


def holds(outer, inner):
    return (
        outer.x <= inner.x + 1e-6
        and outer.y <= inner.y + 1e-6
        and inner.x + inner.width <= outer.x + outer.width + 1e-6
        and inner.y + inner.height <= outer.y + outer.height + 1e-6
    )


@given(graphs())
def test_boxes_and_frames_lie_apart_or_within(graph):
    sizes, _, frames, frame_of = graph
    place = layout(*graph)
    assert [(r.width, r.height) for r in place.boxes] == sizes
    # what lies immediately in one frame, or in none
    parts = [
        (parent, rectangle, 0)
        for parent, rectangle in zip(frame_of or [-1] * len(sizes), place.boxes, strict=True)
    ]
    parts += [
        (frame.parent, rectangle, frame.lane)
        for frame, rectangle in zip(frames, place.frames, strict=True)
    ]
    for parent, rectangle, _ in parts:
        if parent >= 0:
            assert holds(place.frames[parent], rectangle)
        assert rectangle.x >= 0
        assert rectangle.y >= 0
        assert rectangle.x + rectangle.width <= place.width + 1e-6
        assert rectangle.y + rectangle.height <= place.height + 1e-6
    for (parent, one, lane), (other_parent, other, other_lane) in combinations(parts, 2):
        if parent == other_parent:
            assert not overlap(one, other)
            left, right = (one, other) if lane < other_lane else (other, one)
            assert lane == other_lane or left.x + left.width < right.x


@given(graphs())
def test_edges_lead_down_and_end_at_their_boxes(graph):
    _, edges, _, _ = graph
    place = layout(*graph)
    for edge, points in zip(edges, place.lines, strict=True):
        upper, lower = place.boxes[edge.upper], place.boxes[edge.lower]
        assert upper.y + upper.height < lower.y
        assert all(a[1] <= b[1] + 1e-6 for a, b in pairwise(points))
        # one end is at the edge's own box, the other at the box of the net or on a line of the net
        bottom = points[0][1] == pytest.approx(upper.y + upper.height) and inside(upper, points[0])
        top = points[-1][1] == pytest.approx(lower.y) and inside(lower, points[-1])
        others = [
            line
            for other, line in zip(edges, place.lines, strict=True)
            if other.net == edge.net and line is not points
        ]
        if edge.rises:
            assert bottom
            assert top or any(on(line, points[-1]) for line in others)
        else:
            assert top
            assert bottom or any(on(line, points[0]) for line in others)


def inside(box, point):
    return box.x - 1e-6 <= point[0] <= box.x + box.width + 1e-6


def on(line, point):
    return any(abs(x - point[0]) < 1e-6 and abs(y - point[1]) < 1e-6 for x, y in line) or any(
        a[0] == pytest.approx(b[0]) == pytest.approx(point[0]) and a[1] <= point[1] <= b[1]
        for a, b in pairwise(line)
    )


@given(graphs())
def test_lines_pass_beside_the_boxes(graph):
    place = layout(*graph)
    for points in place.lines:
        for a, b in pairwise(points):
            left, right = sorted((a[0], b[0]))
            for box in place.boxes:
                passes = a[1] < box.y + box.height - 1e-6 and box.y + 1e-6 < b[1]
                assert not (passes and left < box.x + box.width and box.x < right)


@given(graphs(framed=False), st.randoms())
def test_the_order_of_the_edges_does_not_matter(graph, random):
    sizes, edges, _, _ = graph
    edges = [edge._replace(is_minor=False) for edge in edges]
    shuffled = random.sample(edges, len(edges))
    assert layout(sizes, edges).boxes == layout(sizes, shuffled).boxes


def residual(blocks):
    """A network: each block is a number of operations with parameters, and an edge around them."""
    sizes, edges = [(90, 40)], []

    def step(*sources):
        sizes.append((90 + 10 * (len(sizes) % 3), 40))
        edges.extend(Edge(source, len(sizes) - 1, source) for source in sources)
        return len(sizes) - 1

    last, column = 0, [0]
    for operations in blocks:
        start = last
        for _ in range(operations):
            sizes.append((80, 40))
            parameter = len(sizes) - 1
            last = step(last, parameter)
            column.append(last)
        if operations > 1:
            last = step(last, start)
            column.append(last)
    return sizes, edges, column


blocks = st.lists(st.integers(1, 4), min_size=1, max_size=5)


@given(blocks)
def test_a_residual_network_is_a_straight_column_without_crossings(sizes):
    boxes, edges, column = residual(sizes)
    place = layout(boxes, edges)
    middles = {round(place.boxes[i].x + place.boxes[i].width / 2, 6) for i in column[1:]}
    assert len(middles) == 1
    pieces = [
        (edge.net, a, b)
        for edge, points in zip(edges, place.lines, strict=True)
        for a, b in pairwise(points)
        if a != b
    ]
    for (net, a, b), (other, c, d) in combinations(pieces, 2):
        assert net == other or not cross(a, b, c, d)


def cross(a, b, c, d):
    def side(p, q, r):
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return side(a, b, c) * side(a, b, d) < -1e-9 and side(c, d, a) * side(c, d, b) < -1e-9


@given(blocks, st.data())
def test_a_small_edit_moves_what_is_below_down_and_nothing_else(sizes, data):
    boxes, edges, column = residual(sizes)
    before = layout(boxes, edges)
    # one more operation below one of the column, as if it had been there when the graph was made
    at = data.draw(st.sampled_from(column[1:]))
    number = [i if i <= at else i + 1 for i in range(len(boxes))]
    edited = [
        Edge(
            at + 1 if edge.upper == at else number[edge.upper],
            number[edge.lower],
            number[edge.upper],
        )
        for edge in edges
    ]
    after = layout([*boxes[: at + 1], (90, 40), *boxes[at + 1 :]], [*edited, Edge(at, at + 1, at)])
    moved = [
        (round(after.boxes[number[i]].x - box.x, 6), round(after.boxes[number[i]].y - box.y, 6))
        for i, box in enumerate(before.boxes)
    ]
    assert len({moved[i][0] for i in column}) == 1
    # a parameter may now stand beside another box, which is as wide as that or up to 20 less
    assert all(abs(x - moved[at][0]) <= 20 for x, _ in moved)
    # the new operation is as high as all, and the layers are equally far apart
    downs = {y for _, y in moved}
    assert downs <= {0.0, max(downs)}
    assert all(y == 0.0 for i, (_, y) in enumerate(moved) if i <= at and i in column)


@given(st.data())
def test_crossings_are_counted_as_by_comparing_all_pairs(data):
    upper = data.draw(st.integers(1, 6))
    lower = data.draw(st.integers(1, 6))
    ends = st.tuples(st.integers(0, upper - 1), st.integers(0, lower - 1))
    segments = data.draw(st.lists(ends, max_size=12))
    below = {}
    for a, b in segments:
        below.setdefault(a, []).append((upper + b, 0.0))
    order = [list(range(upper)), list(range(upper, upper + lower))]
    expected = sum((a - c) * (b - d) < 0 for (a, b), (c, d) in combinations(segments, 2))
    assert crossings(order, below) == expected


def test_parameters_stand_just_above_what_takes_them():
    # a chain of four, whose last takes a parameter that was made first
    place = layout([(50, 20)] * 5, [Edge(1, 2, 1), Edge(2, 3, 2), Edge(3, 4, 3), Edge(0, 4, 0)])
    assert place.boxes[0].y == place.boxes[3].y
    assert place.boxes[3].x == place.boxes[4].x


def test_a_long_chain_with_a_parameter_that_all_of_it_takes():
    count = 10_000
    edges = [Edge(i, i + 1, i) for i in range(1, count)] + [Edge(0, i, 0) for i in range(2, count)]
    place = layout([(50, 20)] * (count + 1), edges)
    assert len({box.x for box in place.boxes[1:]}) == 1
    assert sum(map(len, place.lines)) < 8 * len(edges)


def test_lines_that_would_be_far_too_long_are_not_drawn():
    # the last of a chain takes all the others: as lines that is a wall
    count = 2000
    chain = [Edge(i, i + 1, i) for i in range(count)]
    far = [Edge(i, count, i) for i in range(count - 1)]
    place = layout([(50, 20)] * (count + 1), chain + far)
    assert all(place.lines[: len(chain)])
    assert not all(place.lines)
    assert sum(map(len, place.lines)) < 100 * count


def test_nothing_is_a_picture_too():
    assert layout([], []) == ([], [], [], 0.0, 0.0)


@pytest.mark.parametrize(
    ("edges", "frames", "frame_of"),
    [
        ([Edge(0, 1, 0), Edge(1, 0, 1)], [], []),
        # out of a frame and back into it
        ([Edge(0, 1, 0), Edge(1, 2, 1)], [Frame()], [0, -1, 0]),
    ],
)
def test_a_cycle_is_refused(edges, frames, frame_of):
    with pytest.raises(ValueError, match="cycle"):
        layout([(10, 10)] * 3, edges, frames, frame_of)


def test_it_comes_out_the_same_in_every_process():
    program = (
        "from tensorgrad.visualize.layout import *\n"
        "edges = [Edge(i, j, i) for i in range(30) for j in range(i + 1, 30, 3 + i % 5)]\n"
        "print(layout([(40 + i, 20) for i in range(30)], edges))\n"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1
