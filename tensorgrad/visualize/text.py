"""The listing of a graph: one line a node, as in a program."""

from collections.abc import Sequence

from tensorgrad.visualize.node import CONST, GraphNode

# a column is padded up to this width; what is longer moves only its own line
WIDEST_COLUMN = 40


def listing(nodes: Sequence[GraphNode], outputs: Sequence[int]) -> str:
    """Write each node as ``name: dtype[shape] = op(arguments, parameters)``."""
    labels = [f"{node.label}:" for node in nodes]
    types = [node.type for node in nodes]
    name_width, type_width = _width(labels), _width(types)
    lines = [
        f"{label:<{name_width}} {type_:<{type_width}} = {_call(node, nodes)}"
        for label, type_, node in zip(labels, types, nodes, strict=True)
    ]
    lines.append(f"return {', '.join(nodes[i].label for i in outputs)}")
    return "\n".join(lines)


def _width(column: Sequence[str]) -> int:
    return min(max(map(len, column)), WIDEST_COLUMN)


def _call(node: GraphNode, nodes: Sequence[GraphNode]) -> str:
    if node.op == "leaf":
        return "leaf(requires_grad)"
    arguments = [CONST if i is None else nodes[i].label for i in node.inputs]
    arguments += [f"{name}={value}" for name, value in node.params.items()]
    return f"{node.op}({', '.join(arguments)})"
