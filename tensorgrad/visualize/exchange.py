"""A graph as that of another package."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from tensorgrad.errors import TensorgradError, explain
from tensorgrad.visualize.node import GraphNode

# read off a node without those of its parts
FIELDS = tuple(field.name for field in fields(GraphNode))


def to_networkx(nodes: Sequence[GraphNode]) -> Any:
    """Return a ``networkx.MultiDiGraph``; see `Graph.to_networkx`."""
    try:
        from networkx import MultiDiGraph
    except ImportError as error:
        raise TensorgradError(
            explain(
                "to_networkx",
                "The Python package networkx is missing.",
                "Install it with: python -m pip install networkx.",
            )
        ) from error
    graph = MultiDiGraph()
    for node in nodes:
        graph.add_node(node.number, label=node.label, **{f: getattr(node, f) for f in FIELDS})
    for node in nodes:
        for place, (source, argument) in enumerate(zip(node.inputs, node.arguments, strict=True)):
            if source is not None:
                graph.add_edge(source, node.number, key=place, argument=argument)
    return graph
