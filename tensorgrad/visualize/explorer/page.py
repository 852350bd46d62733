"""The page of the explorer: its code, its looks and the nodes of one graph in a single file."""

import json
import re
from base64 import b64encode
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from math import isfinite
from string import Template
from typing import Any

import numpy as np

from tensorgrad.visualize.blocks import repeats
from tensorgrad.visualize.node import GraphNode
from tensorgrad.visualize.values import Summary

# the parts of the program, in the order of the page; one module when put together
SCRIPTS = ("data", "tree", "layout", "scene", "colour", "draw", "panel", "main")


def page(nodes: Sequence[GraphNode], outputs: Sequence[int]) -> str:
    """Return the explorer of a graph as the text of an HTML file.

    The file holds everything: it loads nothing and works without a network. Names and source lines
    are data in it, and never become markup.
    """
    return _template().substitute(
        style=_asset("explorer.css"), script=_script(), data=payload(nodes, outputs)
    )


def payload(nodes: Sequence[GraphNode], outputs: Sequence[int]) -> str:
    r"""Write the nodes as JSON that may stand in a script element.

    JSON has ``<`` in strings only, where ``\u003c`` means the same; so nothing in the data can end
    the element or begin a comment.
    """
    columns = {
        "op": _shared(node.op for node in nodes),
        "kind": _shared(node.kind for node in nodes),
        "name": _shared(None if node.name is None else node.label for node in nodes),
        "type": _shared(node.type for node in nodes),
        "dtype": _shared(node.dtype for node in nodes),
        "nbytes": _shared(node.nbytes for node in nodes),
        "params": _shared(tuple(node.params.items()) for node in nodes),
        "shown": _shared((*_constants(node), *node.notable_params.items()) for node in nodes),
        "inputs": [node.inputs for node in nodes],
        "arguments": _shared(node.arguments for node in nodes),
        "constants": _shared(node.constants for node in nodes),
        "scope": _shared(node.scope for node in nodes),
        "source": _shared(
            node.source
            and (node.source.file, node.source.line, node.source.function, node.source.text)
            for node in nodes
        ),
        "order": _shared(node.order for node in nodes),
        "ruleOf": _shared(node.rule_of for node in nodes),
        "saved": _shared(
            tuple((kept.argument, kept.number, kept.nbytes) for kept in node.saved)
            for node in nodes
        ),
        "values": _own(node.values for node in nodes),
        "gradient": _own(node.gradient for node in nodes),
        "seconds": _shared(node.seconds for node in nodes),
    }
    text = json.dumps(
        {"outputs": outputs, "columns": columns, "repeats": _forward_repeats(nodes)},
        separators=(",", ":"),
        allow_nan=False,
    )
    return text.replace("<", "\\u003c")


def _constants(node: GraphNode) -> Iterator[tuple[str, str]]:
    """Yield the arguments that are known numbers, with these."""
    for argument, text in zip(node.arguments, node.constants, strict=False):
        if text is not None:
            yield argument, text


def _forward_repeats(nodes: Sequence[GraphNode]) -> list[dict[str, Any]]:
    """Find the repeated blocks of what the user computed, whose rules go with their operations."""
    forward = [node for node in nodes if node.order == 0]
    place = {node.number: i for i, node in enumerate(forward)}
    if len(forward) < len(nodes):
        forward = [
            replace(
                node,
                number=i,
                inputs=tuple(None if i is None else place.get(i) for i in node.inputs),
            )
            for i, node in enumerate(forward)
        ]
    numbers = list(place)
    return [
        {
            "name": repeat.name,
            "scope": repeat.scope,
            "copies": [[numbers[i] for i in copy] for copy in repeat.copies],
        }
        for repeat in repeats(forward)
    ]


def _shared(values: Iterable[Hashable]) -> dict[str, Any]:
    """Write a column whose entries repeat: the distinct ones, and the place of each among them."""
    places: dict[Hashable, int] = {}
    index = [places.setdefault(value, len(places)) for value in values]
    column: dict[str, Any] = {"distinct": list(places)}
    return column | {"index": index} if len(places) > 1 else column


def _own(summaries: Iterable[Summary | None]) -> dict[str, Any] | list[Any]:
    """Write a column of summaries, of which no two are alike."""
    column = [None if summary is None else _summary(summary) for summary in summaries]
    return column if any(column) else {"distinct": [None]}


def _summary(summary: Summary) -> dict[str, Any]:
    levels, least, greatest = _levels(summary.pixels)
    numbers = {
        name: getattr(summary, name)
        for name in ("low", "mean", "high", "deviation", "zeros", "nans", "infinities")
    }
    return {
        # the deviation of huge numbers overflows, and JSON has no infinity
        **{name: x if x is None or isfinite(x) else str(x) for name, x in numbers.items()},
        "counts": summary.counts,
        "columns": len(summary.pixels[0]) if summary.pixels else 0,
        "levels": levels,
        "least": least,
        "greatest": greatest,
    }


def _levels(pixels: Sequence[Sequence[float | None]]) -> tuple[str, float, float]:
    """Write a picture as one byte a pixel: 0 where it is not finite, else 1 to 255."""
    halves = np.array(pixels, dtype=float) / 2  # whose differences do not overflow
    is_finite = ~np.isnan(halves)
    finite = halves[is_finite]
    least, greatest = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    span = greatest - least or 1.0
    levels = np.where(is_finite, 1 + np.rint(254 * ((halves - least) / span)), 0)
    return b64encode(levels.astype(np.uint8)).decode(), 2 * float(least), 2 * float(greatest)


@cache
def _template() -> Template:
    return Template(_asset("page.html"))


@cache
def _script() -> str:
    return "\n".join(_asset(f"{name}.js") for name in SCRIPTS)


@cache
def _asset(name: str) -> str:
    """Read a part of the program, without what is there for people only: comments and spaces."""
    text = files(__package__).joinpath(name).read_text(encoding="utf-8")
    lines = (re.sub(r"(^| )// .*", "", line.strip()) for line in text.splitlines())
    dense = "\n".join(_dense(line.strip()) for line in lines if line)
    # where a line cannot end a statement, its end is a space as well
    return re.sub(r"([{(\[,;])\n", r"\1", dense)


def _dense(line: str) -> str:
    """Leave out spaces beside signs; not in strings, nor in a line that is harder to read."""
    parts = re.split(r'("[^"]*"|`(?:[^`$]|\$\{[^`{}]*\})*`)', line)
    # a slash between spaces divides; another may begin a regular expression
    if any(re.search(r"['`\\]|/(?! )|(?<! )/", part) for part in parts[::2]):
        return line
    parts[::2] = [
        re.sub(r" ?(!?[=<>?:,;{}()&|*+]+) ?| ([-/]) ", r"\1\2", part) for part in parts[::2]
    ]
    return "".join(parts)
