"""Small drawings of a Summary, each a string of SVG that stands by itself on any page."""

from collections import defaultdict
from itertools import groupby

from tensorgrad.visualize.node import space_text
from tensorgrad.visualize.values import Summary, short

# Palettes that read without seeing red and green apart, as colours to go through at equal steps.
# Viridis for what has one sign; where there are two, blue below zero and vermilion above.
_VIRIDIS = [
    *("440154", "482878", "3e4989", "31688e", "26828e"),
    *("1f9e89", "35b779", "6ece58", "b5de2b", "fde725"),
]
_DIVERGING = ["0072b2", "f2f2f2", "d55e00"]
# colours that are told apart
_LEVELS = 40
# pixels on the screen: the longest side of a heat map, and the shortest; a histogram
_LONG, _SHORT = 128, 10
_WIDTH, _HEIGHT = 128, 44


def heat_map_svg(summary: Summary) -> str:
    """Draw the picture of an array in colours; what is not finite is hatched.

    Colours go from the least pixel to the greatest, and from minus to plus the largest magnitude
    where there are both signs.

    Examples
    --------
    >>> from tensorgrad.visualize.values import summarize
    >>> heat_map_svg(summarize([[1.0, 2.0]]))[:46]
    '<svg xmlns="http://www.w3.org/2000/svg" role="'
    """
    height, width = len(summary.pixels), max(map(len, summary.pixels), default=0)
    finite = [v for row in summary.pixels for v in row if v is not None]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    palette = _VIRIDIS
    if low < 0 < high:
        palette, low, high = _DIVERGING, min(low, -high), max(high, -low)
    # the runs of equal colour along each row, by colour
    strokes: defaultdict[str, str] = defaultdict(str)
    holes = ""
    for y, row in enumerate(summary.pixels):
        x = 0
        colours = [None if v is None else _colour(v, low, high, palette) for v in row]
        for colour, run in groupby(colours):
            n = len(list(run))
            if colour is None:
                holes += "".join(f"M{x + i} {y + 1}l1-1m-1 .5l.5-.5m0 1l.5-.5" for i in range(n))
            else:
                strokes[colour] += f"M{x} {y}.5h{n}"
            x += n
    lines = "".join(f'<path stroke="#{colour}" d="{d}"/>' for colour, d in strokes.items())
    if holes:
        lines += f'<path stroke="currentColor" stroke-width=".08" d="{holes}"/>'
    scale = _LONG / max(height, width, 4)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{_label(summary)}" '
        f'width="{max(width * scale, _SHORT):g}" height="{max(height * scale, _SHORT):g}" '
        f'viewBox="0 0 {width} {height}" preserveAspectRatio="none" shape-rendering="crispEdges">'
        f"{lines}</svg>"
    )


def histogram_svg(summary: Summary) -> str:
    """Draw the histogram of an array, with its ends, a line at zero, and how much is not finite.

    Examples
    --------
    >>> from tensorgrad.visualize.values import summarize
    >>> histogram_svg(summarize([1.0, 2.0, 2.0])).count("<rect")
    2
    """
    bars, top, bottom = "", 2, _HEIGHT - 13
    step = _WIDTH / max(len(summary.counts), 1)
    for i, count in enumerate(summary.counts):
        if count:
            # a bar that can be seen, however small
            height = max((bottom - top) * count / max(summary.counts), 1.0)
            bars += f'<rect x="{i * step + 0.5:g}" y="{bottom - height:g}" width="{step - 1:g}" '
            bars += f'height="{height:g}" fill="currentColor" fill-opacity=".55"/>'
    low, high, texts = summary.low, summary.high, ""
    if low is not None and high is not None:
        texts += _text(0, "start", short(low))
        texts += _text(_WIDTH, "end", short(high)) if high > low else ""
        if low < 0 < high:
            zero = _WIDTH * (low / 2) / (low / 2 - high / 2)
            bars += f'<path d="M{zero:g} {top}V{bottom + 3}" stroke="currentColor"/>'
    odd = ((summary.nans, "NaN"), (summary.infinities, "inf"))
    texts += _text(_WIDTH / 2, "middle", ", ".join(f"{n} {name}" for n, name in odd if n))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{_label(summary)}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}">'
        f'{bars}<path d="M0 {bottom}.5H{_WIDTH}" stroke="currentColor" stroke-opacity=".4"/>'
        f"{texts}</svg>"
    )


def _text(x: float, anchor: str, text: str) -> str:
    return (
        f'<text x="{x:g}" y="{_HEIGHT - 2}" text-anchor="{anchor}" fill="currentColor" '
        f'font-family="system-ui, sans-serif" font-size="10">{text}</text>'
        if text
        else ""
    )


def _label(summary: Summary) -> str:
    """Say what is drawn, for who does not see it."""
    parts = [space_text(summary.dtype, summary.shape)]
    if summary.low is not None and summary.high is not None:
        parts.append(f"from {short(summary.low)} to {short(summary.high)}")
    odd = ((summary.zeros, "zero"), (summary.nans, "NaN"), (summary.infinities, "infinite"))
    return ", ".join(parts + [f"{n} {name}" for n, name in odd if n])


def _colour(value: float, low: float, high: float, palette: list[str]) -> str:
    """Return the colour of a value between low and high, as six hexadecimal digits."""
    # of halves, whose difference is finite
    width = high / 2 - low / 2
    place = (value / 2 - low / 2) / width if width else 0.5
    place = round(place * _LEVELS) / _LEVELS * (len(palette) - 1)
    i = min(int(place), len(palette) - 2)
    share = place - i
    ends = zip(bytes.fromhex(palette[i]), bytes.fromhex(palette[i + 1]), strict=True)
    return bytes(round(a + (b - a) * share) for a, b in ends).hex()
