"""Finding the part of a recorded graph that a walk is about."""

from collections.abc import Container, Iterable
from operator import attrgetter

from tensorgrad.engine.node import Node

creation_order = attrgetter("index")


def ancestors(outputs: Iterable[Node], since: int = 0, stops: Container[Node] = ()) -> list[Node]:
    """Return the nodes that outputs depend on, themselves included, in creation order.

    The search does not go on behind ``stops``, nor to nodes created before ``since``: no node
    depends on a later one.
    """
    found = {node for node in outputs if node.index >= since}
    pending = list(found)
    while pending:
        for parent in pending.pop().parents:
            if parent is not None and parent.index >= since and parent not in found:
                found.add(parent)
                if parent not in stops:
                    pending.append(parent)
    return sorted(found, key=creation_order)


def descendants(nodes: list[Node], sources: Iterable[Node]) -> set[Node]:
    """Return those of the nodes (in creation order) that depend on a source, and the sources."""
    reached = set(sources)
    for node in nodes:
        if not reached.isdisjoint(node.parents):
            reached.add(node)
    return reached
