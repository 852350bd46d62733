"""Colours of nodes by what they cost or are, for eyes of every kind."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from tensorgrad.errors import ShapeError, explain
from tensorgrad.visualize.node import GraphNode, bytes_text
from tensorgrad.visualize.outline import line as shortened

Colour = Literal["time", "memory", "dtype", "order"]

# viridis, from nothing to the largest: brighter is more, also in print
VIRIDIS = ("#440154", "#3b528b", "#21918c", "#5ec962", "#fde725")
# the palette of Okabe and Ito; more kinds than these share the last
KINDS = ("#56b4e9", "#e69f00", "#009e73", "#f0e442", "#cc79a7", "#0072b2", "#d55e00", "#bbbbbb")


class Colouring(NamedTuple):
    """The fill of each node by its number, and what the fills mean, in the order to show them."""

    fills: dict[int, str]
    legend: list[tuple[str, str]]  # text and fill


def colouring(colour: Colour, nodes: Sequence[GraphNode]) -> Colouring:
    """Return the fills of nodes and their legend; a node without the number has no fill."""
    if colour == "time":
        seconds = {node.number: node.seconds for node in nodes if node.seconds is not None}
        if not seconds:
            rule = "Nothing was timed."
            raise ShapeError(
                explain("to_svg", rule, "Draw the graph of tg.profile(f).", colour=colour)
            )
        return _shares(seconds, _seconds_text)
    if colour == "memory":
        sizes = {node.number: node.nbytes for node in nodes}
        return _shares(sizes, lambda size: bytes_text(round(size)))
    if colour == "dtype":
        return _kinds({node.number: node.dtype for node in nodes})
    if colour == "order":
        return _kinds({node.number: _order_text(node.order) for node in nodes})
    raise ShapeError(
        explain(
            "to_svg",
            "Nodes are coloured by what they cost or are.",
            "Use 'time', 'memory', 'dtype' or 'order'.",
            colour=colour,
        )
    )


def text_on(fill: str) -> str:
    """Return black or white: what is easier to read on the fill.

    >>> text_on("#440154"), text_on("#fde725")
    ('#ffffff', '#000000')
    """
    red, green, blue = ((int(fill[i : i + 2], 16) / 255) ** 2.2 for i in (1, 3, 5))
    return "#000000" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.18 else "#ffffff"


def _shares(numbers: Mapping[int, float], text: Callable[[float], str]) -> Colouring:
    largest = max(numbers.values(), default=0) or 1
    last = len(VIRIDIS) - 1
    fills = {i: VIRIDIS[round(last * value / largest)] for i, value in numbers.items()}
    legend = [(text(largest * step / last), fill) for step, fill in enumerate(VIRIDIS)]
    return Colouring(fills, legend)


def _kinds(kinds: dict[int, str]) -> Colouring:
    listed = dict.fromkeys(kinds.values())
    fill = {kind: KINDS[min(i, len(KINDS) - 1)] for i, kind in enumerate(listed)}
    legend = [(shortened(kind), colour) for kind, colour in fill.items()]
    return Colouring({i: fill[kind] for i, kind in kinds.items()}, legend)


def _order_text(order: int) -> str:
    return ("computed", "derivative", "second derivative")[order] if order < 3 else f"order {order}"


def _seconds_text(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"
