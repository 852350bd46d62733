"""Graph: what was recorded, as plain data that can show itself."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from tensorgrad.engine.graph import ancestors
from tensorgrad.engine.node import Node
from tensorgrad.engine.tensor import Tensor
from tensorgrad.errors import GraphError, TensorgradError, UnsupportedError, explain
from tensorgrad.typing import DTypeLike, Shape
from tensorgrad.visualize.blocks import Repeat, repeats
from tensorgrad.visualize.derivative import Recorder, completed, order_number
from tensorgrad.visualize.diff import Diff, diff
from tensorgrad.visualize.dot import dot_lines
from tensorgrad.visualize.exchange import to_networkx
from tensorgrad.visualize.explorer.page import page
from tensorgrad.visualize.mermaid import mermaid_lines
from tensorgrad.visualize.node import GraphNode
from tensorgrad.visualize.notebook import Bundle, Choice, graph_bundle
from tensorgrad.visualize.queries import Direction, Reference, cone, find, path
from tensorgrad.visualize.reading import Known, gradients_held, values_held
from tensorgrad.visualize.save import Engine, save
from tensorgrad.visualize.serialize import from_json, to_json
from tensorgrad.visualize.svg import Colour, svg
from tensorgrad.visualize.text import listing
from tensorgrad.visualize.totals import Totals, totals


@dataclass(frozen=True, repr=False)
class Graph:
    """A recorded computation as plain data: no tensor or array is kept alive.

    Attributes
    ----------
    nodes
        The operations and leaves in creation order.
    outputs
        The numbers of the nodes that `graph` was asked for, in that order.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> x = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> g = tg.graph(np.sin(x) * 2, x=x)
    >>> g
    Graph(3 nodes, 1 leaf)
    >>> [node.op for node in g]
    ['leaf', 'sin', 'multiply']
    """

    nodes: tuple[GraphNode, ...]
    outputs: tuple[int, ...]

    def text(self) -> str:
        """Return the listing: one line a node, each name defined before it is used.

        Scopes are indented, below their name; lines of source code, where they were recorded, come
        before what they computed, and derivatives below the operation that they are of. No line is
        longer than 100 characters, but the graph is whole.
        """
        return listing(self.nodes, self.outputs)

    def find(
        self,
        op: str | None = None,
        *,
        name: str | None = None,
        scope: str | tuple[str, ...] | None = None,
        dtype: DTypeLike | str | None = None,
        shape: Shape | int | None = None,
    ) -> tuple[GraphNode, ...]:
        """Return the nodes with all the properties that are given, in creation order.

        Parameters
        ----------
        op, name
            The operation, and the name that the caller gave.
        scope
            A scope, with those inside it: ``"block1/head"``, or the tuple of its names. Of one that
            was entered several times ``"block"`` finds all visits, and ``"block 2"`` the second.
        dtype, shape
            Of the result.

        Raises
        ------
        UnsupportedError
            If a property is of another kind than that.

        Examples
        --------
        >>> import numpy as np
        >>> import tensorgrad as tg
        >>> g = tg.trace(lambda x: np.sin(x) + np.sin(2 * x), 1.0)
        >>> [node.label for node in g.find(op="sin")]
        ['t1', 't3']
        """
        return find(self.nodes, op, name, scope, dtype, shape)

    def path(self, a: Reference, b: Reference) -> tuple[GraphNode, ...]:
        """Return the nodes on all paths between two, both included; none if there is no path.

        A node is given by its number, its name, its label in the listing, or as a `GraphNode`.

        Raises
        ------
        GraphError, IndexingError, UnsupportedError
            If there is no such node in this graph.

        Examples
        --------
        >>> import numpy as np
        >>> import tensorgrad as tg
        >>> g = tg.trace(lambda x, w: np.sin(x) + np.cos(w) * x, 1.0, 2.0)
        >>> [node.op for node in g.path("w", g.outputs[0])]
        ['variable', 'cos', 'multiply', 'add']
        """
        return path(self.nodes, a, b)

    def cone(self, node: Reference, direction: Direction = "up") -> "Graph":
        """Return the part of the graph that a node depends on, or that depends on it.

        Parameters
        ----------
        node
            As for `path`.
        direction
            ``"up"`` to what it is computed from, ``"down"`` to what is computed from it, or
            ``"both"``.

        Returns
        -------
        Graph
            With numbers of its own. What it takes from outside is a constant of it; what nothing in
            it takes is an output.

        Raises
        ------
        GraphError, IndexingError, UnsupportedError
            If there is no such node in this graph, or no such direction.

        Examples
        --------
        >>> import numpy as np
        >>> import tensorgrad as tg
        >>> g = tg.trace(lambda x, w: np.sin(x) + np.cos(w) * x, 1.0, 2.0)
        >>> [node.op for node in g.cone("t3")]
        ['variable', 'cos']
        """
        return Graph(*cone(self.nodes, self.outputs, node, direction))

    def diff(self, other: "Graph") -> Diff:
        """Return what another graph has that this one has not, and the other way round.

        Nodes are told apart by what they do and how they are wired, not by their numbers, so an
        edit in the middle of a program shows only there.

        Raises
        ------
        UnsupportedError
            If the other is no graph.

        Examples
        --------
        >>> import numpy as np
        >>> import tensorgrad as tg
        >>> before = tg.trace(lambda x: np.sum(np.sin(x) * 2), np.ones(3))
        >>> after = tg.trace(lambda x: np.sum(np.cos(x) * 2, keepdims=True), np.ones(3))
        >>> print(before.diff(after))
        2 changed, 2 the same
        ~ t1: float64[3] = cos: op sin -> cos
        ~ t3: float64[1] = sum: type float64[] -> float64[1]; keepdims False -> True
        """
        if not isinstance(other, Graph):
            raise UnsupportedError(
                explain(
                    "diff",
                    "A graph is compared with another graph.",
                    "Make one with tg.graph(y) or tg.trace(f, x).",
                    other=type(other).__name__,
                )
            )
        return diff(self.nodes, self.outputs, other.nodes, other.outputs)

    def repeated(self) -> tuple[Repeat, ...]:
        """Return the blocks that are there several times in a row, the outermost first.

        They are found by structure: scopes of the same operations, shapes and wiring, whatever
        their names, and such sequences of operations where there are no scopes. Of two repeats
        either one lies in a copy of the other, or they have no operation in common.

        Examples
        --------
        >>> import numpy as np
        >>> import tensorgrad as tg
        >>> def f(x, weights):
        ...     for w in weights:
        ...         x = np.tanh(x @ w) + x
        ...     return x
        >>> g = tg.trace(f, np.ones((2, 3)), [np.ones((3, 3))] * 12)
        >>> [block.label for block in g.repeated()]
        ['matmul, tanh, add x12']
        """
        return repeats(self.nodes)

    def summary(self) -> Totals:
        """Return what there is in numbers: operations, bytes, bytes kept for derivatives, depth.

        Examples
        --------
        >>> import numpy as np
        >>> import tensorgrad as tg
        >>> print(tg.trace(lambda x: np.sum(np.sin(x) * np.sin(x)), np.ones(100)).summary())
        nodes       5, 1 of them leaves
        operations  sin 2, multiply 1, sum 1
        depth       3
        results     3.21 kB
        saved       2.4 kB
        """
        return totals(self.nodes)

    def to_json(self) -> str:
        """Return the graph as JSON, from which `from_json` makes an equal one.

        Examples
        --------
        >>> import tensorgrad as tg
        >>> g = tg.graph(tg.tensor(1.0, requires_grad=True) * 2)
        >>> tg.Graph.from_json(g.to_json()) == g
        True
        """
        return to_json(self.nodes, self.outputs)

    @classmethod
    def from_json(cls, text: str) -> "Graph":
        """Return the graph that `to_json` wrote.

        Raises
        ------
        GraphError
            If it is anything else.
        """
        return cls(*from_json(text))

    def to_networkx(self) -> Any:
        """Return the graph as a ``networkx.MultiDiGraph``.

        Its nodes are the numbers, with the fields of `GraphNode` and the label as attributes. An
        edge goes from an input to the operation; its key is the place among the arguments, and its
        attribute ``argument`` the name of that. Constants are no nodes.

        Raises
        ------
        TensorgradError
            If the Python package ``networkx`` is missing.
        """
        return to_networkx(self.nodes)

    def to_svg(
        self,
        notes: Mapping[int, str] | None = None,
        *,
        fold: bool = False,
        colour: Colour | None = None,
    ) -> str:
        """Return the drawing as SVG, the same in every run; it needs nothing installed.

        The computation is read from above, each derivative beside its operation from below. Scopes
        are frames. Values kept for a derivative are dashed lines with their bytes.

        Parameters
        ----------
        notes
            Shown in the nodes with these numbers, which are marked in red.
        fold
            Whether blocks that are there several times in a row are drawn once; see `repeated`.
        colour
            What the colours of nodes stand for: ``"time"`` (of `tensorgrad.profile`), ``"memory"``,
            ``"dtype"`` or ``"order"`` of the derivative; by default for what kind of node it is.

        Raises
        ------
        ShapeError
            If there is no such colouring, or nothing was timed.
        UnsupportedError
            If the notes are no texts by the numbers of nodes.

        Examples
        --------
        >>> import tensorgrad as tg
        >>> g = tg.graph(tg.tensor(1.0, requires_grad=True) * 2)
        >>> g.to_svg().startswith('<svg xmlns="http://www.w3.org/2000/svg"')
        True
        """
        return svg(self.nodes, self._checked("to_svg", notes), fold, colour)

    def to_dot(self, notes: Mapping[int, str] | None = None) -> str:
        """Return the drawing as the source text of Graphviz, the same in every run.

        ``notes`` are shown in the nodes with these numbers, which are marked in red.

        Raises
        ------
        UnsupportedError
            If the notes are no texts by the numbers of nodes.
        """
        return "".join(["digraph {\n", *self._dot_lines("to_dot", notes), "}\n"])

    def to_graphviz(self, notes: Mapping[int, str] | None = None) -> Any:
        """Return the drawing as a ``graphviz.Digraph`` with the source of `to_dot`.

        Rendering that needs the ``dot`` program; making it does not.

        Raises
        ------
        TensorgradError
            If the Python package ``graphviz`` is missing.

        Examples
        --------
        >>> import tensorgrad as tg
        >>> g = tg.graph(tg.tensor(1.0, requires_grad=True) * 2)
        >>> g.to_graphviz().source == g.to_dot()
        True
        """
        try:
            from graphviz import Digraph
        except ImportError as error:
            raise TensorgradError(
                explain(
                    "to_graphviz",
                    "The Python package graphviz is missing.",
                    "Install it with: python -m pip install graphviz, or use to_dot().",
                )
            ) from error
        return Digraph(body=self._dot_lines("to_graphviz", notes))

    def _dot_lines(self, operation: str, notes: Any) -> Iterator[str]:
        return dot_lines(self.nodes, self._checked(operation, notes))

    def _checked(self, operation: str, notes: Any) -> Mapping[int, str]:
        if notes is None:
            return {}
        if not isinstance(notes, Mapping) or not all(
            number in range(len(self)) and isinstance(note, str) for number, note in notes.items()
        ):
            raise UnsupportedError(
                explain(
                    operation,
                    f"Notes are texts, by the numbers of nodes: 0 to {len(self) - 1}.",
                    "Pass a dict, as in notes={0: 'look here'}.",
                    notes=notes,
                )
            )
        return notes

    def to_mermaid(self) -> str:
        """Return the drawing as the source text of Mermaid, which GitHub draws within a text.

        Examples
        --------
        >>> import tensorgrad as tg
        >>> print(tg.graph(tg.tensor(1.0, requires_grad=True) * 2).to_mermaid()[:42])
        flowchart TB
        n0(["leaf<br/>t0: float64[]"]
        """
        return "".join(mermaid_lines(self.nodes))

    def to_html(self) -> str:
        """Return the explorer: one HTML page that needs no network, to walk through the graph.

        Examples
        --------
        >>> import tensorgrad as tg
        >>> tg.graph(tg.tensor(1.0, requires_grad=True) * 2).to_html()[:15]
        '<!doctype html>'
        """
        return page(self.nodes, self.outputs)

    def save(self, path: str | PathLike[str], *, engine: Engine = "auto") -> Path:
        """Write the graph to a file, and return the path of what was written.

        Parameters
        ----------
        path
            Its ending says what to write: ``.svg``, ``.png`` and ``.pdf`` are drawings, ``.html``
            is a page to explore it, ``.json`` is the data, ``.dot`` and ``.mmd`` are sources for
            Graphviz and Mermaid.
        engine
            ``"auto"`` draws ``.svg`` with the built-in layout and the others with Graphviz, which
            ``"graphviz"`` uses for ``.svg`` as well. Where Graphviz is missing, fails, takes too
            long, or would because there are more than 1,500 nodes, a `DrawingWarning` says so, and
            the built-in drawing is written: for ``g.png`` into ``g.png.svg``.

        Raises
        ------
        ShapeError
            If nothing is known that the name could end in, or the engine does not draw it.
        UnsupportedError
            If the path is none.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> import tensorgrad as tg
        >>> g = tg.graph(tg.tensor(1.0, requires_grad=True) * 2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = g.save(Path(folder, "g.dot"))
        ...     path.name, path.read_text() == g.to_dot()
        ('g.dot', True)
        """
        return save(self, path, engine)

    def _repr_mimebundle_(self, include: Choice = None, exclude: Choice = None) -> Bundle:
        return graph_bundle(self, include, exclude)

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[GraphNode]:
        return iter(self.nodes)

    def __repr__(self) -> str:
        leaves = sum(node.kind == "leaf" for node in self.nodes)
        nodes = "1 node" if len(self) == 1 else f"{len(self)} nodes"
        return f"Graph({nodes}, {'1 leaf' if leaves == 1 else f'{leaves} leaves'})"

    def __str__(self) -> str:
        return self.text()


def graph(
    y: Tensor,
    /,
    *more: Tensor,
    backward: bool | int = False,
    values: bool = False,
    **names: Tensor,
) -> Graph:
    """Return the graph that recorded one or several tensors.

    Parameters
    ----------
    y, *more
        The tensors to look at.
    backward
        Whether to add the backward pass of their sum, recorded step by step: what the rule of each
        operation computes, down to the gradients by the leaves, which are named ``grad x``. 2 adds
        also the backward pass of that, and so on. No ``.grad`` changes, and nothing is freed.
    values
        Whether to summarize values and gradients: of the nodes whose value some rule keeps, and
        with ``backward`` of all that it computes; otherwise gradients are those of the leaves.
    **names
        What to call tensors in the picture, as in ``tg.graph(loss, x=x, w=w)``.

    Raises
    ------
    UnsupportedError
        If an argument is not a Tensor, or ``backward`` no order.
    GraphError
        If a tensor is not recorded, or a name is for a tensor outside the graph, or named already;
        with ``backward`` also if the graph was freed.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> x = tg.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    >>> y = np.sin(x).T * 2
    >>> print(tg.graph(y, x=x, backward=True))
    x:       float64[1, 3] = leaf(requires_grad)
    t1:      float64[1, 3] = sin(x)  # saves 24 B
    t2:      float64[3, 1] = transpose(t1, axes=(1, 0))
    t3:      float64[3, 1] = multiply(t2, 2)  # saves 8 B
    # backward pass
    seed t3: float64[3, 1] = seed()
    # backward of t3 = multiply(t2, 2)
    t5:      float64[3, 1] = multiply(seed t3, 2)  # saves 8 B
    # backward of t2 = transpose(t1, ...)
    t6:      float64[1, 3] = transpose(t5, axes=(1, 0))
    # backward of t1 = sin(x)
    t7:      float64[1, 3] = cos(x)  # saves 24 B
    grad x:  float64[1, 3] = multiply(t6, t7)  # saves 48 B
    return t3, grad x
    # saved for the backward pass: 32 B
    """
    orders = order_number("graph", backward)
    tensors = {f"argument_{i}": tensor for i, tensor in enumerate((y, *more))}
    outputs = [_node_of(tensor, name) for name, tensor in tensors.items()]
    nodes = ancestors(outputs)
    named = {name: _node_of(tensor, name) for name, tensor in names.items()}
    known = Known(_named(named, set(nodes)))
    if values:
        known.values = values_held(nodes)
        known.values |= dict(zip(outputs, (x._value for x in tensors.values()), strict=True))
        known.values |= {named[name]: x._value for name, x in names.items()}
        known.gradients = {} if orders else gradients_held(nodes)
    return Graph(*completed(outputs, orders, known, Recorder(values)))


def _node_of(tensor: Any, name: str) -> Node:
    if not isinstance(tensor, Tensor):
        raise UnsupportedError(
            explain(
                "graph",
                "Only a Tensor has a graph.",
                "Pass tensors one by one, computed from tg.tensor(data, requires_grad=True).",
                **{name: type(tensor).__name__},
            )
        )
    if tensor._node is None:
        raise GraphError(
            explain(
                "graph",
                f"Nothing is recorded: {name} depends on no tensor that requires a gradient.",
                "Make one with tg.tensor(data, requires_grad=True).",
                **{f"{name}_shape": tensor.shape},
                requires_grad=False,
            )
        )
    return tensor._node


def _named(nodes: dict[str, Node], graph: set[Node]) -> dict[Node, str]:
    """Return the name of each node that has one."""
    named: dict[Node, str] = {}
    for name, node in nodes.items():
        if node not in graph:
            raise GraphError(
                explain(
                    "graph",
                    "What is drawn does not depend on this tensor.",
                    "Leave the name out, or pass the tensor as one to look at.",
                    name=name,
                    shape=node.shape,
                )
            )
        if node in named:
            raise GraphError(
                explain(
                    "graph",
                    "Both names are for one tensor.",
                    "Keep one of them.",
                    name=name,
                    other_name=named[node],
                )
            )
        named[node] = name
    return named
