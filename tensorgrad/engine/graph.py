"""Finding the part of a recorded graph that a walk is about."""

from collections.abc import Iterable
from operator import attrgetter

from tensorgrad.engine.node import Node

creation_order = attrgetter("index")


def ancestors(outputs: Iterable[Node], since: int = 0) -> list[Node]:
    """Return the nodes that outputs depend on, themselves included, in creation order.

    ``since`` stops the search at nodes created earlier: no node depends on a later one.
    """
    found = {node for node in outputs if node.index >= since}
    pending = list(found)
    while pending:
        for parent in pending.pop().parents:
            if parent is not None and parent.index >= since and parent not in found:
                found.add(parent)
                pending.append(parent)
    return sorted(found, key=creation_order)


def descendants(nodes: list[Node], sources: Iterable[Node]) -> set[Node]:
    """Return those of the nodes (in creation order) that depend on a source, and the sources."""
    reached = set(sources)
    for node in nodes:
        if not reached.isdisjoint(node.parents):
            reached.add(node)
    return reached
