"""Finding nodes in a graph, and the part of a graph that lies between, before or behind them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from tensorgrad.errors import GraphError, IndexingError, UnsupportedError, explain
from tensorgrad.typing import DTypeLike, Shape
from tensorgrad.visualize.node import GraphNode

# A node, or what tells it apart in its graph: its number, its name, or its label in the listing.
Reference = int | str | GraphNode
Direction = Literal["up", "down", "both"]
# The nodes and the outputs of a graph.
Part = tuple[tuple[GraphNode, ...], tuple[int, ...]]


def locate(operation: str, nodes: Sequence[GraphNode], where: Reference) -> int:
    """Return the number of the node that is meant."""
    if isinstance(where, GraphNode):
        if where.number < len(nodes) and nodes[where.number] == where:
            return where.number
        raise GraphError(
            explain(
                operation,
                "This node is of another graph: each graph numbers its own.",
                "Pass a node that find() of this graph returned.",
                number=where.number,
                op=where.op,
            )
        )
    if isinstance(where, str):
        return _by_name(operation, nodes, where)
    if not isinstance(where, (int, np.integer)) or isinstance(where, bool):
        raise UnsupportedError(
            explain(
                operation,
                "A node is given by its number, by its name, or as a GraphNode.",
                "Pass one of those; find() looks for others.",
                node=type(where).__name__,
            )
        )
    if not 0 <= where < len(nodes):
        raise IndexingError(
            explain(operation, f"Nodes have the numbers 0 to {len(nodes) - 1}.", number=where)
        )
    return int(where)


def _by_name(operation: str, nodes: Sequence[GraphNode], name: str) -> int:
    for node in nodes:
        if node.name == name:
            return node.number
    for node in nodes:
        if node.label == name:
            return node.number
    named = [node.name for node in nodes if node.name is not None]
    raise GraphError(
        explain(
            operation,
            "No node has this name.",
            "Name tensors in the call that makes the graph, as in tg.graph(y, x=x).",
            name=name,
            names=named,
        )
    )


def find(
    nodes: Sequence[GraphNode],
    op: str | None = None,
    name: str | None = None,
    scope: str | tuple[str, ...] | None = None,
    dtype: DTypeLike | str | None = None,
    shape: Shape | int | None = None,
) -> tuple[GraphNode, ...]:
    """Return the nodes with all properties that are given; see `Graph.find`."""
    for which, text in (("op", op), ("name", name)):
        if not isinstance(text, str | None):
            rule = "Operations and tensors are found by their names."
            raise UnsupportedError(explain("find", rule, f"Pass {which}='...'.", **{which: text}))
    within = None if scope is None else _within(scope)
    if dtype is not None and not str(dtype).startswith("("):  # that of several results
        dtype = _dtype_name(dtype)
    shape = None if shape is None else _sides(shape)
    return tuple(
        node
        for node in nodes
        if (op is None or node.op == op)
        and (name is None or node.name == name)
        and (within is None or within.match(f"{'/'.join(node.scope)}/"))
        and (dtype is None or node.dtype == dtype)
        and (shape is None or node.shape == shape)
    )


def _within(scope: Any) -> re.Pattern[str]:
    """Return what the path of a scope, and of all those inside it, begins with."""
    if isinstance(scope, str):
        scope = (scope,)
    if not isinstance(scope, (tuple, list)) or not all(isinstance(name, str) for name in scope):
        raise UnsupportedError(
            explain(
                "find",
                "A scope is given by its path, or by the names in it.",
                "Pass scope='block1/head', or scope=('block1', 'head').",
                scope=scope,
            )
        )
    # the separators keep block1 apart from block10
    return re.compile("".join(f"{_visits(name)}/" for name in "/".join(scope).split("/")))


def _visits(name: str) -> str:
    """Return a pattern of all visits of a scope, of which those after the first have a number.

    The number 1 says that the first is meant, unless it belongs to the name.
    """
    each = rf"{re.escape(name)}( \d+)?"
    first = name.removesuffix(" 1")
    return each if first == name else f"({each}|{re.escape(first)})"


def _sides(shape: Any) -> Shape:
    if isinstance(shape, (int, np.integer)):
        return (int(shape),)
    if isinstance(shape, (tuple, list)) and all(isinstance(n, (int, np.integer)) for n in shape):
        return tuple(map(int, shape))
    raise UnsupportedError(
        explain("find", "A shape is made of integers.", "Pass shape=(2, 3).", shape=shape)
    )


def _dtype_name(dtype: DTypeLike | str) -> str:
    try:
        return str(np.dtype(dtype))
    except TypeError as error:
        raise UnsupportedError(
            explain("find", "NumPy knows no such dtype.", "Pass one as in 'float32'.", dtype=dtype)
        ) from error


def ancestors(nodes: Sequence[GraphNode], number: int) -> set[int]:
    """Return the numbers of what a node is computed from, its own included."""
    found = {number}
    pending = [number]
    while pending:
        for source in nodes[pending.pop()].inputs:
            if source is not None and source not in found:
                found.add(source)
                pending.append(source)
    return found


def descendants(nodes: Sequence[GraphNode], number: int) -> set[int]:
    """Return the numbers of what is computed from a node, its own included."""
    found = {number}
    for node in nodes[number + 1 :]:  # inputs have smaller numbers
        if not found.isdisjoint(node.inputs):
            found.add(node.number)
    return found


def path(nodes: Sequence[GraphNode], a: Reference, b: Reference) -> tuple[GraphNode, ...]:
    """Return the nodes on all paths between two; see `Graph.path`."""
    first, last = sorted(locate("path", nodes, where) for where in (a, b))
    between = descendants(nodes, first) & ancestors(nodes, last)
    return tuple(nodes[number] for number in sorted(between))


def cone(
    nodes: Sequence[GraphNode], outputs: Sequence[int], where: Reference, direction: Direction
) -> Part:
    """Return the part of a graph before or behind a node; see `Graph.cone`."""
    number = locate("cone", nodes, where)
    if direction not in ("up", "down", "both"):
        raise UnsupportedError(
            explain(
                "cone",
                "A cone goes up to what a node is computed from, or down to what needs it.",
                "Pass 'up', 'down' or 'both'.",
                direction=direction,
            )
        )
    inside: set[int] = set()
    if direction != "down":
        inside |= ancestors(nodes, number)
    if direction != "up":
        inside |= descendants(nodes, number)
    return part(nodes, outputs, inside)


def part(nodes: Sequence[GraphNode], outputs: Sequence[int], inside: Iterable[int]) -> Part:
    """Return some nodes as a graph of their own, numbered anew.

    What they take from outside becomes a constant. Its outputs are those outputs that are inside,
    and the nodes that none of the others takes.
    """
    kept = sorted(inside)
    anew: dict[int | None, int] = {number: i for i, number in enumerate(kept)}
    taken = {source for number in kept for source in nodes[number].inputs}
    shown = [number for number in outputs if number in anew]
    shown += [number for number in kept if number not in taken and number not in shown]

    def renumbered(node: GraphNode) -> GraphNode:
        changes: dict[str, Any] = {
            "number": anew[node.number],
            "inputs": tuple(anew.get(source) for source in node.inputs),
            "is_output": node.number in shown,
        }
        if node.rule_of is not None:
            changes["rule_of"] = anew.get(node.rule_of)
        if node.saved:
            changes["saved"] = tuple(replace(s, number=anew.get(s.number)) for s in node.saved)
        return replace(node, **changes)

    found = tuple(renumbered(nodes[number]) for number in kept)
    return found, tuple(anew[number] for number in shown)
