"""From places to the text of an SVG file.

The picture is written for readers without style sheets, as they are in viewers and editors; a style
sheet inside adds what it can: dark pages, and a mark on the card that has the focus. Leaves are
blue and round, operations grey; a derivative is green, or purple where it is of higher order, with
a dashed border; an output has two borders and says so. No meaning is in the colour alone.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from xml.sax.saxutils import escape

from tensorgrad.visualize.layout import Edge, Layout, Point, Rectangle
from tensorgrad.visualize.node import GraphNode
from tensorgrad.visualize.outline import line as shortened
from tensorgrad.visualize.svg import letters
from tensorgrad.visualize.svg.cards import Card, Line, cards_and_lines
from tensorgrad.visualize.svg.colours import Colour, Colouring, colouring, text_on
from tensorgrad.visualize.svg.place import Picture, Title, place

FONT = "Helvetica,Arial,'Liberation Sans',sans-serif"
TEXT_SIZE, WORDS_SIZE, LINE_HEIGHT = 11.0, 10.0, 15.0
# around the text of a card, and around everything
SIDE, ABOVE, MARGIN = 13.0, 8.0, 18.0
MID_GREY = "#7f7f7f"
# fill, border and text of cards, on light pages and on dark ones
LOOKS = {
    "leaf": ("#bfdcf2", "#2f7fb8", "#1f4a68", "#6fb4e3"),
    "op": ("#ececec", "#7f7f7f", "#3a3a3c", "#8e8e93"),
    "rule": ("#c9e8dc", "#00805c", "#1d4a3c", "#4fc3a1"),
    "higher": ("#ecd3e4", "#a04d80", "#532a45", "#d58fb9"),
    "output": ("#fbdca6", "#b8720a", "#5c4413", "#e6a94a"),
    "noted": ("#f7c6c5", "#c62828", "#6b2322", "#f0716e"),
}
# arrows: up through the derivatives, and down elsewhere, dashed for what was saved
LINE_COLOURS = {"saved": "#8f8f8f", "forward": "#7f7f7f", "back": "#2a9d78"}
# an arrow goes straight for a while before its head
HEAD, STUB = 7.0, 9.0
DARK_TEXT, LIGHT_TEXT = "#1a1a1a", "#f2f2f2"
TITLE_GAP = 10.0
# how far the copies of a folded block look out from behind it
STACK = 4.0


def svg(
    nodes: Sequence[GraphNode], notes: Mapping[int, str], fold: bool, colour: Colour | None
) -> str:
    """Draw a graph; see `Graph.to_svg`."""
    fills = Colouring({}, []) if colour is None else colouring(colour, nodes)
    cards, lines = cards_and_lines(nodes, notes, fold)
    picture = place(cards, lines, [_size(card) for card in cards])
    spot = picture.layout
    legend_width, legend_height = _legend_size(fills)
    width = max(spot.width, legend_width) + 2 * MARGIN
    height = spot.height + legend_height + 2 * MARGIN
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="tg-graph" role="img" '
        f'width="{_n(width)}" height="{_n(height)}" viewBox="0 0 {_n(width)} {_n(height)}" '
        f'font-family="{FONT}" font-size="{_n(TEXT_SIZE)}">\n'
    )
    parts = [
        opening,
        f"<title>{escape(_summary(nodes))}</title>\n<desc>{escape(_outputs(nodes))}</desc>\n",
        f"<style>{_style()}</style>\n",
        *_legend(fills),
        f'<g transform="translate({_n(MARGIN)} {_n(MARGIN + legend_height)})">\n',
        *_frames(picture.titles, spot),
        *_lines(lines, picture.edges, spot, cards),
        *(
            _card(card, box, fills.fills.get(card.node.number))
            for card, box in zip(cards, spot.boxes, strict=True)
        ),
        *_words(lines, picture),
        "</g>\n</svg>\n",
    ]
    return "".join(parts)


def _summary(nodes: Sequence[GraphNode]) -> str:
    leaves = sum(node.kind == "leaf" for node in nodes)
    return f"Graph of {len(nodes)} nodes, {leaves} of them leaves"


def _outputs(nodes: Sequence[GraphNode]) -> str:
    shown = [f"{node.label}: {node.type}" for node in nodes if node.is_output]
    return f"Computes {', '.join(map(shortened, shown))}."


def _style() -> str:
    """Return what viewers with style sheets do better: dark pages, and the focus."""
    dark = "".join(
        f".tg-graph .{look} .c{{fill:{fill};stroke:{border}}}"
        for look, (_, _, fill, border) in LOOKS.items()
    )
    return (
        ".tg-graph [tabindex]:focus{outline:none}"
        ".tg-graph [tabindex]:focus .c{stroke-width:3}"
        "@media(prefers-color-scheme:dark){"
        f"{dark}.tg-graph .node{{fill:{LIGHT_TEXT}}}}}"
    )


def _size(card: Card) -> tuple[float, float]:
    lines = _card_lines(card)
    widest = max(letters.width(text, TEXT_SIZE, is_bold=i == 0) for i, text in enumerate(lines))
    stacked = 2 * STACK if card.kind == "block" else 0.0
    height = len(lines) * LINE_HEIGHT + 2 * ABOVE - 3
    return max(widest + 2 * SIDE, 56.0) + stacked, height + stacked


def _card_lines(card: Card) -> list[str]:
    notes = [] if card.note is None else [shortened(text) for text in card.note.split("\n")]
    return [*card.lines, *notes]


def _look(card: Card) -> str:
    if card.note is not None:
        return "noted"
    if card.is_output:
        return "output"
    if card.kind == "leaf":
        return "leaf"
    return ("op", "rule", "higher")[min(card.node.order, 2)]


def _card(card: Card, box: Rectangle, fill: str | None) -> str:
    hint = f"<title>{escape(card.hint)}</title>"
    if card.kind == "block":
        width, height = box.width - 2 * STACK, box.height - 2 * STACK
        box = Rectangle(box.x, box.y + 2 * STACK, width, height)
    look = _look(card)
    plain, border, *_ = LOOKS[look]
    colour = DARK_TEXT if fill is None else text_on(fill)
    # what style sheets say about a class gives way to a fill that means something
    style = "" if fill is None else f' style="fill:{fill}"'
    dashes = ' stroke-dasharray="4 2"' if card.node.order and card.kind != "leaf" else ""
    thick = {"noted": 3, "output": 1.6}.get(look, 1)
    paint = f'class="c" fill="{plain}" stroke="{border}" stroke-width="{thick}"{dashes}{style}'
    round_ = min(box.height / 2, 24.0) if card.kind == "leaf" else 5.0
    shapes = [_rectangle(box, round_, paint)]
    if card.kind == "block":
        for i in (1, 2):
            behind = Rectangle(box.x + i * STACK, box.y - i * STACK, box.width, box.height)
            shapes.insert(0, _rectangle(behind, round_, paint))
    if card.is_output:
        inner = Rectangle(box.x + 3, box.y + 3, box.width - 6, box.height - 6)
        second = f'class="c" fill="none" stroke="{border}" style="fill:none"'
        shapes.append(_rectangle(inner, max(round_ - 3, 3), second))
    middle = box.x + box.width / 2
    first = box.y + ABOVE + 9.5
    lines = [
        _text(middle, first + i * LINE_HEIGHT, text, is_bold=i == 0)
        for i, text in enumerate(_card_lines(card))
    ]
    style = "" if fill is None else f' style="fill:{colour}"'
    return (
        f'<g id="{card.name}" class="node {look}" tabindex="0" fill="{colour}"{style}>'
        f"{hint}{''.join(shapes)}{''.join(lines)}</g>\n"
    )


def _rectangle(box: Rectangle, radius: float, paint: str) -> str:
    return (
        f'<rect x="{_n(box.x)}" y="{_n(box.y)}" width="{_n(box.width)}" '
        f'height="{_n(box.height)}" rx="{_n(radius)}" {paint}/>'
    )


def _text(x: float, y: float, text: str, anchor: str = "middle", is_bold: bool = False) -> str:
    bold = ' font-weight="bold"' if is_bold else ""
    return f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}"{bold}>{escape(text)}</text>'


def _frames(titles: Sequence[Title | None], spot: Layout) -> Iterator[str]:
    crossed: dict[float, list[float]] = defaultdict(list)  # where lines pass the tops of frames
    for points in spot.lines:
        for x, y in points:
            crossed[y].append(x)
    for title, box in zip(titles, spot.frames, strict=True):
        if title is None:
            continue
        dashes = ' stroke-dasharray="2 3"' if title.kind == "rule" else ""
        paint = f'fill-opacity=".07" stroke="{MID_GREY}"{dashes}'
        # where it fits between the lines, and otherwise at the left
        inside = [x for x in sorted(crossed[box.y]) if box.x < x < box.x + box.width]
        length = letters.width(title.text, TEXT_SIZE) + 2 * TITLE_GAP
        bounds = pairwise([box.x, *inside, box.x + box.width])
        start = next((left for left, right in bounds if right - left >= length), box.x)
        text = _text(start + TITLE_GAP, box.y + 16, title.text, "start")
        yield (
            f'<g fill="{MID_GREY}"><title>{escape(title.hint)}</title>'
            f"{_rectangle(box, 8, paint)}{text}</g>\n"
        )


def _lines(
    lines: Sequence[Line], edges: Sequence[Edge], spot: Layout, cards: Sequence[Card]
) -> Iterator[str]:
    """Write the lines, and at the sides of cards the names of what is too far for one."""
    for kind, colour in LINE_COLOURS.items():
        paths, heads, far = [], [], []
        for line, edge, points in zip(lines, edges, spot.lines, strict=True):
            if _line_kind(line, edge) != kind:
                continue
            if points:
                paths.append(_path(points, edge.rises))
                heads.append(_head(points, edge.rises))
            else:
                box = spot.boxes[line.target]
                name = f"{cards[line.source].node.label} \u25b8"
                far.append(_text(box.x - 4, box.y + box.height / 2 + 4, shortened(name), "end"))
        dashes = ' stroke-dasharray="5 3"' if kind == "saved" else ""
        if paths or far:
            yield (
                f'<g class="{kind}" fill="none" stroke="{colour}" stroke-width="1.2"{dashes}>'
                f"{''.join(paths)}</g>\n"
                f'<path fill="{colour}" d="{"".join(heads)}"/>\n'
                f'<g fill="{colour}" font-size="{_n(WORDS_SIZE)}">{"".join(far)}</g>\n'
            )


def _line_kind(line: Line, edge: Edge) -> str:
    return "saved" if line.is_saved else "back" if edge.rises else "forward"


def _path(points: Sequence[Point], rises: bool) -> str:
    points = list(points)
    # the head of the arrow covers the end
    if rises:
        points[0] = (points[0][0], points[0][1] + HEAD)
    else:
        points[-1] = (points[-1][0], points[-1][1] - HEAD)
    at_start, at_end = (STUB, 0.0) if rises else (0.0, STUB)
    parts = [f"M{_at(points[0])}"]
    for i, ((x, y), (to_x, to_y)) in enumerate(pairwise(points), 1):
        if _n(to_x) != _n(x):
            start = y + at_start * (i == 1)
            end = to_y - at_end * (i == len(points) - 1)
            half = (start + end) / 2
            curve = f"C{_at((x, half))} {_at((to_x, half))} {_at((to_x, end))}"
            parts.append(f"V{_n(start)}{curve}V{_n(to_y)}")
        else:
            parts.append(f"V{_n(to_y)}")
    return f'<path d="{"".join(parts)}"/>'


def _at(point: Point) -> str:
    return f"{_n(point[0])} {_n(point[1])}"


def _head(points: Sequence[Point], rises: bool) -> str:
    (x, y), down = (points[0], HEAD) if rises else (points[-1], -HEAD)
    return f"M{_at((x, y))}l-3.5 {_n(down)}h7z"


def _words(lines: Sequence[Line], picture: Picture) -> Iterator[str]:
    """Write beside the heads of arrows what they bring.

    At the first of several heads at one side of a card that is to the left, at others to the right,
    if the frame is wide enough.
    """
    spot = picture.layout
    ends: dict[tuple[int, bool], list[float]] = defaultdict(list)
    for line, edge, points in zip(lines, picture.edges, spot.lines, strict=True):
        if points:
            ends[line.target, edge.rises].append(points[0 if edge.rises else -1][0])
    # the place of the first head of several
    first = {side: min(heads) for side, heads in ends.items() if len(heads) > 1}
    texts = []
    for line, edge, points in zip(lines, picture.edges, spot.lines, strict=True):
        if line.words and points:
            x, y = points[0] if edge.rises else points[-1]
            y += 13 if edge.rises else -6
            frame = picture.frame_of[line.target]
            right = spot.width if frame < 0 else spot.frames[frame].x + spot.frames[frame].width
            is_wide = x + 6 + letters.width(line.words, WORDS_SIZE) > right
            if is_wide or x == first.get((line.target, edge.rises)):
                texts.append(_text(x - 6, y, line.words, "end"))
            else:
                texts.append(_text(x + 6, y, line.words, "start"))
    if texts:
        yield f'<g fill="{MID_GREY}" font-size="{_n(WORDS_SIZE)}">{"".join(texts)}</g>\n'


def _legend_size(fills: Colouring) -> tuple[float, float]:
    if not fills.legend:
        return 0.0, 0.0
    return sum(letters.width(text, TEXT_SIZE) + 34 for text, _ in fills.legend), 30.0


def _legend(fills: Colouring) -> Iterator[str]:
    x = MARGIN
    for text, fill in fills.legend:
        swatch = Rectangle(x, MARGIN - 4, 14, 14)
        yield _rectangle(swatch, 3, f'fill="{fill}" stroke="{MID_GREY}"')
        yield f'<g fill="{MID_GREY}">{_text(x + 19, MARGIN + 7, text, "start")}</g>\n'
        x += letters.width(text, TEXT_SIZE) + 34


def _n(number: float) -> str:
    """Print a number with at most one digit after the point."""
    text = f"{number:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text
