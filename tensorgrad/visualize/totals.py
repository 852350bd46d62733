"""What there is in a graph, in numbers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tensorgrad.visualize.node import GraphNode, bytes_text


@dataclass(frozen=True)
class Totals:
    """A graph in numbers; as text, a table.

    Attributes
    ----------
    nodes, leaves
        How many there are.
    ops
        How many of each operation, the most frequent first; those that derivatives consist of are
        counted apart, in ``derivatives``.
    nbytes
        Of all results, leaves included.
    saved_bytes
        Of what the operations, not the derivatives, keep for the backward pass; what several of
        them keep counts once.
    depth
        The number of operations on the longest path.
    """

    nodes: int
    leaves: int
    ops: dict[str, int]
    derivatives: dict[str, int]
    nbytes: int
    saved_bytes: int
    depth: int

    def __str__(self) -> str:
        rows = [
            ("nodes", f"{self.nodes}, {self.leaves} of them leaves"),
            ("operations", _counts(self.ops)),
            ("derivatives", _counts(self.derivatives)),
            ("depth", f"{self.depth}"),
            ("results", bytes_text(self.nbytes)),
            ("saved", bytes_text(self.saved_bytes)),
        ]
        return "\n".join(f"{name:<12}{value}" for name, value in rows if value)


def _counts(ops: dict[str, int]) -> str:
    return ", ".join(f"{op} {n}" for op, n in ops.items())


def totals(nodes: Sequence[GraphNode]) -> Totals:
    """Count what there is; see `Graph.summary`."""
    ops: Counter[str] = Counter()
    derivatives: Counter[str] = Counter()
    depths: list[int] = []
    for node in nodes:
        deepest = max((depths[i] for i in node.inputs if i is not None), default=0)
        depths.append(deepest + (node.kind == "op"))
        if node.kind == "op":
            (derivatives if node.order else ops)[node.op] += 1
    return Totals(
        nodes=len(nodes),
        leaves=sum(node.kind == "leaf" for node in nodes),
        ops=_sorted(ops),
        derivatives=_sorted(derivatives),
        nbytes=sum(node.nbytes for node in nodes),
        saved_bytes=saved_bytes(nodes),
        depth=max(depths, default=0),
    )


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def saved_bytes(nodes: Sequence[GraphNode]) -> int:
    """Return the bytes that operations keep: of each value once, whoever keeps it."""
    shared: dict[int, int] = {}
    own = 0
    for node in nodes:
        for saved in () if node.order else node.saved:
            if saved.number is None:
                own += saved.nbytes
            else:
                shared[saved.number] = saved.nbytes
    return own + sum(shared.values())
