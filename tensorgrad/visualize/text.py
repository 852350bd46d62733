"""The listing of a graph: one line a node, as in a program."""

from collections.abc import Iterator, Sequence
from os.path import basename

from tensorgrad.visualize.node import GraphNode, bytes_text, one_line
from tensorgrad.visualize.totals import saved_bytes

# no line is wider
WIDTH = 100
# a column is padded up to this width; what is longer moves only its own line
WIDEST_COLUMN = 40
# what is longer is cut in the middle; a name is then left to a remark
LONGEST_NAME, LONGEST_TYPE, LONGEST_ARGUMENT = 32, 40, 60
INDENT, HANGING = "  ", " " * 8
DEEPEST = 8


def listing(nodes: Sequence[GraphNode], outputs: Sequence[int]) -> str:
    """Write a graph as a program; see `Graph.text`."""
    labels = [_label(node) for node in nodes]
    names = [f"{_indent(node)}{label}:" for node, label in zip(nodes, labels, strict=True)]
    types = [one_line(node.type, LONGEST_TYPE) for node in nodes]
    name_width, type_width = _width(names), _width(types)
    lines: list[str] = []
    previous = None
    for node, name, type_ in zip(nodes, names, types, strict=True):
        lines += _headings(node, previous, nodes, labels)
        lead = f"{name:<{name_width}} {type_:<{type_width}} ="
        lines += _wrapped(lead, _call(node, labels), _indent(node) + HANGING)
        lines += _remarks(node, lines)
        previous = node
    returned = [labels[i] for i in outputs]
    lines += _wrapped("return", [f"{label}," for label in returned[:-1]] + returned[-1:], HANGING)
    if kept := saved_bytes(nodes):
        lines.append(f"# saved for the backward pass: {bytes_text(kept)}")
    return "\n".join(lines)


def _width(column: Sequence[str]) -> int:
    return min(max(map(len, column), default=0), WIDEST_COLUMN)


def _indent(node: GraphNode) -> str:
    return INDENT * (0 if node.order else min(len(node.scope), DEEPEST))


def _label(node: GraphNode) -> str:
    return node.label if len(node.label) <= LONGEST_NAME else f"t{node.number}"


def _call(node: GraphNode, labels: Sequence[str]) -> list[str]:
    """Return the call of an operation in pieces that may each begin a line."""
    op = one_line(node.op, LONGEST_ARGUMENT)
    if node.op == "leaf":
        return ["leaf(requires_grad)"]
    arguments = _arguments(node, labels)
    arguments += [
        one_line(f"{name}={value}", LONGEST_ARGUMENT) for name, value in node.params.items()
    ]
    if not arguments:
        return [f"{op}()"]
    pieces = [f"{argument}," for argument in arguments[:-1]] + [f"{arguments[-1]})"]
    return [f"{op}({pieces[0]}", *pieces[1:]]


def _arguments(node: GraphNode, labels: Sequence[str]) -> list[str]:
    sources = enumerate(node.inputs)
    return [node.constant(slot) if i is None else labels[i] for slot, i in sources]


def _wrapped(lead: str, pieces: Sequence[str], hanging: str) -> Iterator[str]:
    """Fill lines with pieces, one after the other."""
    line = lead
    for piece in pieces:
        if len(line) + 1 + len(piece) > WIDTH:
            yield line
            line = hanging + piece
        else:
            line = f"{line} {piece}"
    yield line


def _remarks(node: GraphNode, lines: list[str]) -> Iterator[str]:
    """Add to the last of the lines what a node saves, or return it as the next line."""
    said = []
    if len(node.label) > LONGEST_NAME:
        said.append(f"named {one_line(node.label, LONGEST_NAME)}")
    if node.saved:
        said.append(f"saves {bytes_text(sum(saved.nbytes for saved in node.saved))}")
    if said:
        remark = f"# {', '.join(said)}"
        if len(lines[-1]) + 2 + len(remark) <= WIDTH:
            lines[-1] += f"  {remark}"
        else:
            yield f"{_indent(node)}{HANGING}{remark}"


def _headings(
    node: GraphNode,
    previous: GraphNode | None,
    nodes: Sequence[GraphNode],
    labels: Sequence[str],
) -> Iterator[str]:
    """Say where a node stands, where that is not where the one before it stands."""
    if node.order:
        if previous is None or (previous.order, previous.rule_of) != (node.order, node.rule_of):
            yield f"# {one_line(_rule(node, nodes, labels), WIDTH - 2)}"
        return
    around = previous.scope if previous is not None and not previous.order else ()
    shared = 0
    while node.scope[:shared] != node.scope and node.scope[: shared + 1] == around[: shared + 1]:
        shared += 1
    if shared < len(node.scope):
        indent = INDENT * min(shared, DEEPEST)
        yield f"{indent}# {one_line('/'.join(node.scope[shared:]), WIDTH - len(indent) - 2)}"
    source = node.source
    if source is not None and (previous is None or source != previous.source):
        said = f"{basename(source.file)}:{source.line} in {source.function}: {source.text}"
        yield f"{_indent(node)}# {one_line(said, WIDTH - len(_indent(node)) - 2)}"


def _rule(node: GraphNode, nodes: Sequence[GraphNode], labels: Sequence[str]) -> str:
    if node.rule_of is not None:
        of = nodes[node.rule_of]
        arguments = _arguments(of, labels)
        arguments += ["..."] if of.params else []
        return f"backward of {labels[of.number]} = {of.op}({', '.join(arguments)})"
    what = "backward pass" if node.op == "seed" else "between rules"
    return what if node.order == 1 else f"{what}, order {node.order}"
