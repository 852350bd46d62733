"""From what the engine recorded to plain data."""

import linecache
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from types import CodeType
from typing import Any

import numpy as np

from tensorgrad.engine.graph import ancestors
from tensorgrad.engine.node import Leaf, Node
from tensorgrad.engine.notes import Note
from tensorgrad.engine.several import Together
from tensorgrad.engine.space import Space, revealed
from tensorgrad.transforms.call import Call
from tensorgrad.transforms.tree import flatten
from tensorgrad.typing import Array
from tensorgrad.visualize.node import GraphNode, Saved, Source, constant_text, space_text
from tensorgrad.visualize.params import shown_params
from tensorgrad.visualize.values import Summary, summarize

NO_NOTE = Note()
Scope = tuple[str, ...]


@dataclass
class Known:
    """What is known of nodes besides what they hold.

    Attributes
    ----------
    names
        What to call them.
    seeds
        Those that a backward pass begins with.
    passes
        For each backward pass the index at which it began, and its order.
    constants
        For each argument its text, where it is a constant.
    values, gradients
        What to summarize of them.
    """

    names: dict[Node, str] = field(default_factory=dict)
    seeds: set[Node] = field(default_factory=set)
    passes: list[tuple[int, int]] = field(default_factory=list)
    constants: dict[Node, tuple[str | None, ...]] = field(default_factory=dict)
    values: dict[Node, Array] = field(default_factory=dict)
    gradients: dict[Node, Array] = field(default_factory=dict)

    def order_of(self, node: Node) -> int:
        """Return 0 for what the user computed, 1 for its derivative ..."""
        for began, order in reversed(self.passes):
            if node.index >= began:
                return order
        return node.note.order if node.note else 0


def read(
    outputs: Sequence[Node], known: Known, inputs: Sequence[Node] = ()
) -> tuple[tuple[GraphNode, ...], tuple[int, ...]]:
    """Return what outputs were computed from, inputs included, and the numbers of the outputs."""
    nodes = ancestors([*outputs, *inputs])
    numbers = {node: number for number, node in enumerate(nodes)}
    by_index = {node.index: number for node, number in numbers.items()}
    shown = set(outputs)
    sources, scopes = _Sources(), _Scopes(nodes)

    def entry(node: Node) -> GraphNode:
        note = node.note or NO_NOTE
        return GraphNode(
            number=numbers[node],
            op="seed" if node in known.seeds else op_of(node),
            kind="leaf" if node.primitive is None else "op",
            is_output=node in shown,
            name=known.names.get(node),
            shape=tuple(node.shape),
            dtype=_dtype(node),
            nbytes=sum(prod(shape) * np.dtype(dtype).itemsize for shape, dtype in _spaces(node)),
            params=shown_params(node.params),
            inputs=tuple([None if p is None else numbers[p] for p in node.parents]),
            arguments=_arguments(node),
            constants=_constants(node, known),
            scope=scopes.of(note),
            source=sources.of(note),
            order=known.order_of(node),
            rule_of=None if note.rule_of is None else by_index.get(note.rule_of),
            saved=tuple(
                Saved(argument, numbers.get(maker) if maker else None, _nbytes(value))
                for argument, maker, value in kept(node)
            ),
            values=_summary(known.values.get(node)),
            gradient=_summary(known.gradients.get(node)),
        )

    return tuple(map(entry, nodes)), tuple(numbers[node] for node in outputs)


def kept(node: Node) -> Iterator[tuple[str, Node | None, Any]]:
    """Yield what the rule of a node keeps: name, the node that made it, and the value.

    Nothing where it was freed.
    """
    primitive = node.primitive
    if primitive is None or node.saved is None:
        return
    if isinstance(primitive, Call):
        (packed,) = node.parents
        values, more = node.saved
        makers: Sequence[Node | None] = packed.parents if packed else (None,) * len(values)
        for i, (maker, value) in enumerate(zip(makers, values, strict=True)):
            yield f"x[{i}]", maker, value
        for value in flatten(more)[0]:
            if hasattr(value, "nbytes"):
                yield "kept", None, value
        return
    # other steps of the engine keep shapes, and have no layout
    for name, value in zip(primitive.layout, node.saved, strict=False):
        if value is None or name.endswith("_shape"):
            continue
        if name == "ans":
            yield name, node, value
        elif primitive.variadic:
            for i, (maker, part) in enumerate(zip(node.parents, value, strict=True)):
                yield f"{name}[{i}]", maker, part
        else:
            yield name, node.parents[primitive.arrays.index(name)], value


def values_held(nodes: Sequence[Node]) -> dict[Node, Array]:
    """Return the values that rules keep, by the nodes that made them."""
    return {
        maker: value
        for node in nodes
        for _, maker, value in kept(node)
        if maker is not None and hasattr(value, "dtype")
    }


def gradients_held(nodes: Sequence[Node]) -> dict[Node, Array]:
    """Return the gradients that leaves hold."""
    return {n: n.grad._value for n in nodes if isinstance(n, Leaf) and n.grad is not None}


def _nbytes(value: Any) -> int:
    if isinstance(value, tuple):
        return sum(map(_nbytes, value))
    return int(getattr(value, "nbytes", np.dtype(type(value)).itemsize))


def _summary(value: Array | None) -> Summary | None:
    return None if value is None else summarize(revealed(value))


def _spaces(node: Node) -> tuple[Space, ...]:
    return node.spaces if isinstance(node, Together) else ((node.shape, node.dtype),)


def _dtype(node: Node) -> str:
    if not isinstance(node, Together):
        return str(node.dtype)
    return f"({', '.join(space_text(dtype, shape) for shape, dtype in node.spaces)})"


def op_of(node: Node) -> str:
    """Return what a node is called after: its operation, or how it begins a graph."""
    if node.primitive is None:
        return "leaf" if isinstance(node, Leaf) else "variable"
    return node.primitive.name


def _arguments(node: Node) -> tuple[str, ...]:
    if node.primitive is None:
        return ()
    if node.primitive.variadic:
        (name,) = node.primitive.arrays
        return tuple(f"{name}[{i}]" for i in range(len(node.parents)))
    return node.primitive.arrays


def _constants(node: Node, known: Known) -> tuple[str | None, ...]:
    """Return the texts of the arguments that nothing recorded; () where none is known."""
    if node in known.constants:
        texts = known.constants[node]
    else:
        of = {name: constant_text(value) for name, maker, value in kept(node) if maker is None}
        texts = tuple(of.get(name) for name in _arguments(node))
    pairs = zip(texts, node.parents, strict=True)
    found = tuple(None if parent is not None else text for text, parent in pairs)
    return found if any(found) else ()


class _Scopes:
    """The scopes as they are called in one graph.

    Where one is entered again, it is the same if that brings only what it did not have, as
    ``stage/block1`` after ``stage/block0``. Else it is one more of its kind: ``block 2``.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        # the scopes inside of each visit; None stands for operations. Leaves come at any time.
        self.inside: defaultdict[int, set[str | None]] = defaultdict(set)
        for note in (node.note for node in nodes if node.primitive is not None):
            if note is not None and note.scope:
                for visit, inner in zip(note.visits, (*note.scope[1:], None), strict=True):
                    self.inside[visit].add(inner)
        self.known: dict[int, Scope] = {}  # by visit
        self.has: defaultdict[Scope, set[str | None]] = defaultdict(set)
        self.numbers: defaultdict[Scope, int] = defaultdict(lambda: 1)

    def of(self, note: Note) -> Scope:
        """Return the names of the scopes around what a note is about."""
        path: Scope = ()
        for name, visit in zip(note.scope, note.visits, strict=True):
            if visit not in self.known:
                plain = (*path, name)
                called = self._numbered(plain)
                while self.has[called] & self.inside[visit]:
                    self.numbers[plain] += 1
                    called = self._numbered(plain)
                self.has[called] |= self.inside[visit]
                self.known[visit] = called
            path = self.known[visit]
        return path

    def _numbered(self, plain: Scope) -> Scope:
        number = self.numbers[plain]
        return plain if number == 1 else (*plain[:-1], f"{plain[-1]} {number}")


class _Sources:
    """The lines that notes are about, each looked up once."""

    def __init__(self) -> None:
        self.known: dict[tuple[CodeType, int], Source | None] = {}

    def of(self, note: Note) -> Source | None:
        """Return the line that a note is about.

        None for a derivative: there it is that of ``backward()``, which says nothing.
        """
        if note.code is None or note.order:
            return None
        place = note.code, note.lasti
        if place not in self.known:
            self.known[place] = source_of(note)
        return self.known[place]


def source_of(note: Note) -> Source | None:
    """Return the line that a note is about; None if it does not know."""
    line = note.line
    if note.code is None or line is None:
        return None
    file = note.code.co_filename
    return Source(file, line, note.code.co_qualname, linecache.getline(file, line).strip())
