"""Graph: what was recorded, as plain data that can show itself."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from tensorgrad.engine.graph import ancestors
from tensorgrad.engine.node import Leaf, Node
from tensorgrad.engine.several import Together
from tensorgrad.engine.space import Space
from tensorgrad.engine.tensor import Tensor
from tensorgrad.errors import GraphError, TensorgradError, UnsupportedError, explain
from tensorgrad.visualize.dot import dot_lines
from tensorgrad.visualize.node import GraphNode, param_text, space_text
from tensorgrad.visualize.text import listing


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
        """Return the listing: one line a node, each name defined before it is used."""
        return listing(self.nodes, self.outputs)

    def to_dot(self, notes: Mapping[int, str] | None = None) -> str:
        """Return the drawing as the source text of Graphviz, the same in every run.

        ``notes`` are shown in the nodes with these numbers, which are marked in red.
        """
        return "".join(["digraph {\n", *dot_lines(self.nodes, notes or {}), "}\n"])

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
        return Digraph(body=dot_lines(self.nodes, notes or {}))

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


def graph(y: Tensor, /, *more: Tensor, **names: Tensor) -> Graph:
    """Return the graph that recorded one or several tensors.

    Parameters
    ----------
    y, *more
        The tensors to look at.
    **names
        What to call tensors in the picture, as in ``tg.graph(loss, x=x, w=w)``.

    Raises
    ------
    UnsupportedError
        If an argument is not a Tensor.
    GraphError
        If a tensor is not recorded, or a name is for a tensor outside the graph, or named already.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> x = tg.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    >>> print(tg.graph(np.sin(x).T * 2, x=x))
    x:  float64[1, 3] = leaf(requires_grad)
    t1: float64[1, 3] = sin(x)
    t2: float64[3, 1] = transpose(t1, axes=(1, 0))
    t3: float64[3, 1] = multiply(t2, const)
    return t3
    """
    outputs = [_node_of(tensor, f"argument_{i}") for i, tensor in enumerate((y, *more))]
    nodes = ancestors(outputs)
    numbers = {node: number for number, node in enumerate(nodes)}
    named = _named({name: _node_of(tensor, name) for name, tensor in names.items()}, numbers)
    shown = set(outputs)

    def entry(node: Node) -> GraphNode:
        return GraphNode(
            number=numbers[node],
            op=_op(node),
            kind="leaf" if node.primitive is None else "op",
            is_output=node in shown,
            name=named.get(node),
            shape=node.shape,
            dtype=_dtype(node),
            nbytes=sum(prod(shape) * np.dtype(dtype).itemsize for shape, dtype in _spaces(node)),
            params={name: param_text(value) for name, value in node.params.items()},
            inputs=tuple([None if p is None else numbers[p] for p in node.parents]),
            arguments=_arguments(node),
        )

    return Graph(tuple(map(entry, nodes)), tuple(numbers[node] for node in outputs))


def _spaces(node: Node) -> tuple[Space, ...]:
    return node.spaces if isinstance(node, Together) else ((node.shape, node.dtype),)


def _dtype(node: Node) -> str:
    if not isinstance(node, Together):
        return str(node.dtype)
    return f"({', '.join(space_text(dtype, shape) for shape, dtype in node.spaces)})"


def _op(node: Node) -> str:
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


def _named(nodes: dict[str, Node], graph: dict[Node, int]) -> dict[Node, str]:
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
