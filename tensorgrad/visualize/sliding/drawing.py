"""Scenes as SVG: the field with its window, the kernel, the products, the result.

The drawing takes its text colour from the page around it, and tints cells over the page's own
background, so it reads on a light page and on a dark one.
"""

from html import escape
from itertools import product
from typing import NamedTuple

import numpy as np

from tensorgrad.typing import Array
from tensorgrad.visualize.sliding.scene import Place, Scene
from tensorgrad.visualize.sliding.words import TITLES, index_text, names, numbers
from tensorgrad.visualize.values import short

# pixels: the side of a cell, the space between the parts, the height of a line of text
CELL, GAP, LINE = 40, 40, 20
# about how wide a letter is, in a caption and elsewhere
_BOLD, _LETTER = 8.4, 7.6

_NAMES = {
    "x": "the input x",
    "w": "the kernel w",
    "y": "the result y",
    "g": "g, the gradient by y",
    "dx": "dx, the gradient by x",
    "dw": "dw, the gradient by w",
}
_KINDS = {
    "padding": "zero of the padding",
    "between": "zero put in between",
    "unmet": "met by no window",
}

STYLE = """
.tg-sliding{font:14px system-ui,sans-serif}
.tg-sliding text{fill:currentColor;text-anchor:middle}
.tg-sliding .left{text-anchor:start}
.tg-sliding .caption{font-weight:600}
.tg-sliding .small{font-size:10px;font-weight:600}
.tg-sliding .index{font-size:10px;opacity:.6}
.tg-sliding .faint{opacity:.55}
.tg-sliding .grid{stroke:currentColor;stroke-opacity:.35;fill:none}
.tg-sliding .plus{fill:#d55e00}
.tg-sliding .minus{fill:#0072b2}
.tg-sliding .hatch{stroke:currentColor;stroke-opacity:.28;fill:none}
.tg-sliding .mark{fill:none;stroke:#009e73;stroke-width:4;stroke-linejoin:round}
.tg-sliding .span{fill:none;stroke:#009e73;stroke-width:2;stroke-dasharray:5 4}
.tg-sliding .chip{fill:#00795a}
.tg-sliding .chip+text{fill:#fff}
.tg-sliding .later>:not(.target),.tg-sliding .away,.tg-sliding .met>.span{visibility:hidden}
.tg-sliding .met.end>.span{visibility:visible}
.tg-sliding .target{fill:none;pointer-events:all}
"""
# of a drawing that stands alone: it cannot know the page around it
_ALONE = """
.tg-sliding.alone{color:#222;background:#fff}
@media(prefers-color-scheme:dark){.tg-sliding.alone{color:#ddd;background:#111}}
"""


class Part(NamedTuple):
    """A captioned piece of the drawing, with its sides in cells."""

    caption: str
    shape: tuple[int, int]
    content: str

    @property
    def width(self) -> float:
        """In pixels."""
        return max(self.shape[1] * CELL, len(self.caption) * _BOLD)

    @property
    def height(self) -> int:
        """In pixels, with the caption."""
        return LINE + 10 + self.shape[0] * CELL


def drawing(scene: Scene, step: Place, *, alone: bool) -> str:
    """Return the SVG of a scene at a step; alone with its style, its title and its sum."""
    columns = [
        [_field(scene, _window(scene, step))],
        [_kernel(scene), _products(scene, step)],
        [_result(scene, step)],
    ]
    if scene.forward is not None:
        columns.append([_uses(scene, scene.forward, step)])
    pieces, x, below = [], 0.0, 0.0
    top = 1.5 * LINE if alone else 0.0
    for column in columns:
        y = top
        for part in column:
            caption = f'<text class="left caption" y="{LINE - 4}">{part.caption}</text>'
            pieces.append(_moved(x, y, caption + _moved(0, LINE, part.content)))
            y += part.height
        x += max(part.width for part in column) + GAP
        below = max(below, y)
    width = x - GAP
    legend, legend_width = _legend(scene)
    pieces.append(_moved(0, below, legend))
    width, height, style = max(width, legend_width), below + LINE + 4, ""
    if alone:
        style = f"<style>{STYLE}{_ALONE}</style>"
        title = TITLES[scene.result_name]
        pieces.append(f'<text class="left caption" y="{LINE - 6}">{title}</text>')
        height += LINE / 2
        for line in [*_wrapped(names(scene, step), width), *_wrapped(numbers(scene, step), width)]:
            height += LINE
            pieces.append(f'<text class="left" y="{height - 6:g}">{escape(line)}</text>')
    # marks reach over the border of a cell
    margin = 12 if alone else 2
    label = escape(f"{TITLES[scene.result_name]}: {names(scene, step)} {numbers(scene, step)}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="tg-sliding{" alone" * alone}" role="img" '
        f'aria-label="{label}" width="{width + 2 * margin:.0f}" height="{height + 2 * margin:.0f}" '
        f'viewBox="-{margin} -{margin} {width + 2 * margin:.0f} {height + 2 * margin:.0f}">'
        f"{style}{''.join(pieces)}</svg>"
    )


def _wrapped(text: str, width: float) -> list[str]:
    """Break a sum into lines that fit, at its plus signs."""
    lines = [""]
    for part in text.split(" + "):
        joined = f"{lines[-1]} + {part}" if lines[-1] else part
        if len(joined) * _LETTER > width and lines[-1]:
            lines.append(f"+ {part}")
        else:
            lines[-1] = joined
    return lines


def at_cell(scene: Scene, place: Place) -> tuple[int, int]:
    """Return where a cell of the field is drawn, in pixels: (x, y)."""
    rows, columns = scene.extent
    return (place[1] - columns.start) * CELL, (place[0] - rows.start) * CELL


def product_texts(scene: Scene, step: Place) -> list[str]:
    """Return the factors under each cell of the window."""
    return [f"{short(a)}·{short(b)}" for a, b in (term.values for term in scene.terms(step))]


def _moved(x: float, y: float, content: str, attributes: str = "") -> str:
    return f'<g transform="translate({x:g} {y:g})"{attributes}>{content}</g>'


def _grid(rows: int, columns: int) -> str:
    """Draw the lines between cells."""
    width, height = columns * CELL, rows * CELL
    lines = [f"M0 {i * CELL}h{width}" for i in range(rows + 1)]
    lines += [f"M{j * CELL} 0v{height}" for j in range(columns + 1)]
    return f'<path class="grid" d="{"".join(lines)}"/>'


def _square(row: int, column: int, attributes: str) -> str:
    x, y = column * CELL, row * CELL
    return f'<rect x="{x}" y="{y}" width="{CELL}" height="{CELL}"{attributes}/>'


def _label(row: int, column: int, text: str, classes: str = "", longest: int = 0) -> str:
    """Write into a cell, as large as the longest text that may stand there allows."""
    size = min(14.0, (CELL - 6) / (0.58 * max(len(text), longest)))
    attributes = f' class="{classes}"' if classes else ""
    attributes += "" if size == 14.0 else f' font-size="{size:.3g}"'
    x, y = (column + 0.5) * CELL, (row + 0.5) * CELL + 3
    return f'<text x="{x:g}" y="{y:g}"{attributes}>{text}</text>'


def _tint(row: int, column: int, value: float, largest: float) -> str:
    """Colour a cell: vermilion above zero, blue below, the stronger the further away."""
    if not value:
        return ""
    opacity = 0.1 + 0.5 * abs(value / largest)
    sign = "plus" if value > 0 else "minus"
    return _square(row, column, f' class="{sign}" opacity="{opacity:.2f}"')


def _largest(matrix: Array) -> float:
    return float(abs(matrix).max())


def _chip(right: float, bottom: float, text: str) -> str:
    """Write into a corner of a cell."""
    width = 5 + 6 * len(text)
    return (
        f'<rect class="chip" x="{right - width}" y="{bottom - 12}" width="{width}" height="12"/>'
        f'<text class="small" x="{right - width / 2:g}" y="{bottom - 2.5:g}">{text}</text>'
    )


def _hatch(row: int, column: int, kind: str) -> str:
    """Draw what tells a zero of the padding, a zero between entries, and an unmet cell apart."""
    x, y, c = column * CELL, row * CELL, CELL
    if kind == "padding":
        lines = "".join(f"M{x} {y + d}L{x + d} {y}" for d in range(10, c + 1, 10))
        lines += "".join(f"M{x + d} {y + c}L{x + c} {y + d}" for d in range(10, c, 10))
    elif kind == "between":  # a frame within the frame
        lines = f"M{x + 6} {y + 6}h{c - 12}v{c - 12}h{12 - c}z"
    else:
        lines = f"M{x} {y}l{c} {c}m0 {-c}l{-c} {c}"
    return f'<path class="hatch" d="{lines}"/>'


def _field(scene: Scene, above: str) -> Part:
    """Draw the field, and something above it."""
    rows, columns = scene.extent
    largest = _largest(scene.source)
    met = {place for step in scene.steps for place in scene.window(step)}
    cells = []
    for place in product(rows, columns):
        i, j = place[0] - rows.start, place[1] - columns.start
        kind, value = scene.kind(place), scene.value(place)
        if kind == "entry":
            cells += [_tint(i, j, value, largest), _label(i, j, short(value))]
            cells += [] if place in met else [_hatch(i, j, "unmet")]
        else:
            cells += [_hatch(i, j, kind), _label(i, j, "0", "faint")]
    cells.append(_grid(len(rows), len(columns)))
    kinds = {scene.kind(place) for place in met}
    how = " and ".join(["spread out"] * ("between" in kinds) + ["padded"] * ("padding" in kinds))
    caption = _NAMES[scene.field_name] + (f", {how}" if how else "")
    return Part(caption, (len(rows), len(columns)), "".join(cells) + above)


def _window(scene: Scene, step: Place) -> str:
    """Draw the window, with the weight in the corner of each of its cells."""
    marks = [_span(scene)]
    for (i, j), weight in scene.taps():
        marks.append(_square(i, j, ' class="mark"'))
        text = short(float(scene.kernel[weight]))
        marks.append(_chip((j + 1) * CELL - 2, (i + 1) * CELL - 2, text))
    return _moved(*at_cell(scene, scene.corner(step)), "".join(marks), ' class="window"')


def _span(scene: Scene) -> str:
    """Draw the outline of a window with its corner at the origin."""
    *_, ((i, j), _) = scene.taps()
    return f'<rect class="span" width="{(j + 1) * CELL}" height="{(i + 1) * CELL}"/>'


def _kernel(scene: Scene) -> Part:
    kernel = scene.kernel[::-1, ::-1] if scene.mirrored else scene.kernel
    largest = _largest(kernel)
    weights = [weight for _, weight in scene.taps()]
    cells = [_grid(*kernel.shape)]
    for ((i, j), value), weight in zip(np.ndenumerate(kernel), weights, strict=True):
        cells += [_tint(i, j, value, largest), _label(i, j, short(float(value)))]
        index = index_text(weight, scene.axes)
        cells.append(
            f'<text class="index" x="{(j + 0.5) * CELL:g}" y="{(i + 1) * CELL - 4}">{index}</text>'
        )
    caption = _NAMES[scene.kernel_name] + ", mirrored" * scene.mirrored
    return Part(caption, kernel.shape, "".join(cells))


def _products(scene: Scene, step: Place) -> Part:
    rows, columns = scene.kernel.shape
    longest = max(len(text) for place in scene.steps for text in product_texts(scene, place))
    cells = [_grid(rows, columns)]
    texts_and_terms = zip(product_texts(scene, step), scene.terms(step), strict=True)
    for i, (text, term) in enumerate(texts_and_terms):
        classes = "product faint" if term.entry is None else "product"
        cells.append(_label(i // columns, i % columns, text, classes, longest))
    return Part("products", (rows, columns), "".join(cells))


def _result(scene: Scene, step: Place) -> Part:
    """Draw the result, as far as it is filled in; the entry of this step is marked."""
    largest, now = _largest(scene.result), scene.steps.index(step)
    cells = [_grid(*scene.result.shape)]
    for number, (i, j) in enumerate(scene.steps):
        value = float(scene.result[i, j])
        content = _tint(i, j, value, largest) + _label(i, j, short(value))
        # it takes clicks also where it is empty
        content += _square(i, j, ' class="target"')
        cells.append(f'<g class="result{" later" * (number > now)}">{content}</g>')
    i, j = step
    mark = _square(0, 0, ' class="mark"')
    cells.append(_moved(j * CELL, i * CELL, mark, ' class="now"'))
    return Part(_NAMES[scene.result_name], scene.result.shape, "".join(cells))


def _uses(scene: Scene, forward: Scene, step: Place) -> Part:
    """Draw the convolution that this is the gradient of: an entry, and the windows that met it."""
    met, windows = met_windows(scene, step), []
    for number, place in enumerate(forward.steps):
        # all are named, but only the first and the last outlined: nine outlines hide each other
        classes = "met" if number in met else "met away"
        classes += " end" if number in (*met[:1], *met[-1:]) else ""
        content = _span(forward) + _chip(CELL - 1, 13, f"y{index_text(place, scene.axes)}")
        corner = at_cell(forward, forward.corner(place))
        windows.append(_moved(*corner, content, f' class="{classes}"'))
    entry = _moved(*at_cell(forward, step), _square(0, 0, ' class="mark"'), ' class="used"')
    field = _field(forward, entry + "".join(windows))
    return field._replace(caption="where the entry of x was used")


def met_windows(scene: Scene, step: Place) -> list[int]:
    """Return the numbers of the windows whose gradients are added up at a step."""
    columns = scene.source.shape[1]
    entries = (term.entry for term in scene.terms(step))
    return [entry[0] * columns + entry[1] for entry in entries if entry is not None]


def _legend(scene: Scene) -> tuple[str, float]:
    """Name the kinds of cells that there are; and return how wide that is."""
    cells = set(product(*scene.extent))
    met = {place for step in scene.steps for place in scene.window(step)}
    kinds: set[str] = {scene.kind(place) for place in cells}
    if any(scene.entry(place) is not None for place in cells - met):
        kinds.add("unmet")
    items, x = [], 0.0
    for kind, text in _KINDS.items():
        if kind in kinds:
            sample = f'<g transform="scale({LINE / CELL})">{_hatch(0, 0, kind)}{_grid(1, 1)}</g>'
            words = f'<text class="left" x="{LINE + 8}" y="15">{text}</text>'
            items.append(_moved(x, 0, sample + words))
            x += LINE + 32 + _LETTER * len(text)
    return "".join(items), x
