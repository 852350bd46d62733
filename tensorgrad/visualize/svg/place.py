"""Which card lies beside and within what: from cards and lines to a layout.

The derivative of an operation lies beside it, to its right, and what leads from one derivative to
the next runs upwards; so a backward pass is a column of its own that is read from below, next to
the computation, which is read from above.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import takewhile
from typing import Literal, NamedTuple

from tensorgrad.visualize.layout import Edge, Frame, Layout, layout
from tensorgrad.visualize.outline import line as shortened, printable
from tensorgrad.visualize.svg import letters
from tensorgrad.visualize.svg.cards import Card, Line

TITLE_SIZE = 11.0


class Title(NamedTuple):
    """What is written on a frame, and said of it; frames without one only keep cards together."""

    text: str
    hint: str
    kind: Literal["scope", "rule"]


class Picture(NamedTuple):
    """Where everything is; the frames and lines are those of the layout."""

    layout: Layout
    edges: list[Edge]
    titles: list[Title | None]
    frame_of: list[int]


def place(
    cards: Sequence[Card], lines: Sequence[Line], sizes: list[tuple[float, float]]
) -> Picture:
    """Lay out the cards."""
    incoming: list[list[Line]] = [[] for _ in cards]
    outgoing: list[list[Line]] = [[] for _ in cards]
    for line in lines:
        incoming[line.target].append(line)
        outgoing[line.source].append(line)
    base = _bases(cards, incoming, outgoing)
    rising = _rising(cards, incoming, base)
    frames, titles, frame_of = _frames(cards, outgoing, base)
    nets: dict[tuple[int, ...], int] = {}
    seen: set[tuple[int, int]] = set()
    edges = []
    for line in lines:
        rises = line in rising
        value: tuple[int, ...] = (line.source, rises)
        if (line.source, line.target) in seen:
            value += (line.target, line.slot)  # a second line between two cards goes its own way
        seen.add((line.source, line.target))
        net = nets.setdefault(value, len(nets))
        upper, lower = (line.target, line.source) if rises else (line.source, line.target)
        edges.append(Edge(upper, lower, net, rises, is_minor=line.is_saved))

    # leaves in the order of what takes them, as its arguments, and before itself
    first = [(i, 0, 0) for i in range(len(cards))]
    for i, card in enumerate(cards):
        if card.kind == "leaf" and outgoing[i]:
            first[i] = min((line.target, -1, line.slot) for line in outgoing[i])
    keys = [0] * len(cards)
    for rank, i in enumerate(sorted(range(len(cards)), key=first.__getitem__)):
        keys[i] = rank
    try:
        return Picture(layout(sizes, edges, frames, frame_of, keys), edges, titles, frame_of)
    except ValueError:
        # Derivatives that the user computed may be mixed with those beside them, so that frames
        # lead into each other. Without frames, with every line down, there is always a picture.
        edges = [
            e._replace(upper=e.lower, lower=e.upper, rises=False) if e.rises else e for e in edges
        ]
        return Picture(layout(sizes, edges, keys=keys), edges, [], [-1] * len(cards))


def _bases(
    cards: Sequence[Card], incoming: list[list[Line]], outgoing: list[list[Line]]
) -> list[int]:
    """Return for each card the one that it lies beside: what it is a derivative of, or itself."""
    base = list(range(len(cards)))
    for i, card in enumerate(cards):
        if card.rule_of is not None:
            base[i] = base[card.rule_of]
        elif card.kind == "leaf":
            if any(not cards[line.target].node.order for line in outgoing[i]):
                base[i] = -1  # before everything, also where it was made late
        elif card.node.order:
            # nobody's rule: it goes with the derivatives that it takes
            taken = [base[line.source] for line in incoming[i] if cards[line.source].node.order]
            base[i] = min(taken, default=i)
    return base


def _rising(cards: Sequence[Card], incoming: list[list[Line]], base: list[int]) -> set[Line]:
    """Return the lines that lead upwards: to the derivatives of what came before."""
    rising: set[Line] = set()
    # derivatives that a cotangent from below flows into; what is made of saved values only does not
    flows = [False] * len(cards)
    for i in range(len(cards)):
        for line in incoming[i]:
            start = line.source
            same_rule = base[start] == base[i] and cards[start].node.order == cards[i].node.order
            if base[start] > base[i] or (same_rule and flows[start]):
                flows[i] = True
                rising.add(line)
    return rising


def _frames(
    cards: Sequence[Card], outgoing: list[list[Line]], base: list[int]
) -> tuple[list[Frame], list[Title | None], list[int]]:
    """Return the frames with their titles, and the one that each card lies in."""
    frames: list[Frame] = []
    titles: list[Title | None] = []

    def add(parent: int, title: Title | None, lane: int = 0) -> int:
        frame = Frame(parent, top=8.0, bottom=8.0, lane=lane)
        if title is not None:
            least = letters.width(title.text, TITLE_SIZE) + 24
            # around a rule there is room for the words at arrows
            top, bottom = (38.0, 22.0) if title.kind == "rule" else (30.0, 12.0)
            frame = Frame(parent, top, bottom, side=14.0, least_width=least, lane=lane)
        frames.append(frame)
        titles.append(title)
        return len(frames) - 1

    frame_of = [-1] * len(cards)
    # a scope that is left and comes back later is drawn again
    opened: list[tuple[str, int]] = []
    for i, card in enumerate(cards):
        if base[i] != i or card.kind == "leaf":
            continue
        depth = 0
        while depth < min(len(opened), len(card.scope)) and opened[depth][0] == card.scope[depth]:
            depth += 1
        del opened[depth:]
        for name in card.scope[depth:]:
            parent = opened[-1][1] if opened else -1
            opened.append((name, add(parent, Title(shortened(name), printable(name), "scope"))))
        frame_of[i] = opened[-1][1] if opened else -1

    beside: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for i, card in enumerate(cards):
        if base[i] != i and card.kind != "leaf" and card.node.order:
            beside[base[i]][card.node.order].append(i)
    for i, orders in beside.items():
        frame_of[i] = add(frame_of[i], None)
        for order, rule in orders.items():
            node = cards[i].node
            text, hint = f"{'∂' * order} {node.op}", f"derivative of {node.op} {node.label}"
            title = Title(shortened(text), printable(hint), "rule")
            inner = add(frame_of[i], title if len(rule) > 1 else None, lane=order)
            for j in rule:
                frame_of[j] = inner
    above = [frame.parent for frame in frames]
    for i, card in enumerate(cards):
        if card.kind == "leaf":
            takers = {base[line.target] for line in outgoing[i]}
            common = _common([frame_of[line.target] for line in outgoing[i]], above)
            # a parameter lies with the one operation that takes it; what several take, as inputs
            # are, lies where it was made
            depth = len(common) if len(takers) == 1 else len(card.scope) + 1
            frame_of[i] = common[:depth][-1]
    return frames, titles, frame_of


def _common(frames: list[int], above: list[int]) -> list[int]:
    """Return the frames that hold all of these, the outermost first, which is -1 for none."""
    paths = []
    for frame in dict.fromkeys(frames) or [-1]:
        path = [frame]
        while path[-1] >= 0:
            path.append(above[path[-1]])
        paths.append(path[::-1])
    same = takewhile(lambda found: len(set(found)) == 1, zip(*paths, strict=False))
    return [found[0] for found in same]
