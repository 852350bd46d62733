"""What the drawings in DOT and Mermaid have in common: frames, words and arrows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tensorgrad.visualize.node import GraphNode, bytes_text

# longer lines of a label are cut in the middle
LONGEST_LINE = 44
# operations whose arguments play the same part, so that their edges need no names
SYMMETRIC = frozenset(
    ["add", "fmax", "fmin", "hypot", "logaddexp", "logaddexp2", "maximum", "minimum", "multiply"]
)
# where a node stands: in which scopes, and last in the rule of which operation
Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Frame:
    """What goes around nodes: a scope, or the derivative rule of an operation.

    Attributes
    ----------
    number
        Its own, by first appearance.
    title
        The scope's name, or of which operation it is the derivative.
    is_rule
        Whether it is around a derivative rule.
    """

    number: int
    title: str
    is_rule: bool


@dataclass(frozen=True)
class Arrow:
    """An argument on its way to an operation.

    Attributes
    ----------
    slot
        Which argument it is.
    source
        The number of the node that made it; None for a constant.
    words
        What to write beside it; may be empty.
    is_saved
        Whether it is a value that an operation saved for its derivative rule.
    is_cotangent
        Whether it runs within a derivative, which goes through the operations backward.
    """

    slot: int
    source: int | None
    words: str
    is_saved: bool
    is_cotangent: bool


def framed(nodes: Sequence[GraphNode]) -> Iterator[Frame | GraphNode | None]:
    """Yield each node once, and around what stands together a Frame before and None after it."""
    frames: dict[Place, Frame] = {}
    rows = []
    for node in nodes:
        place: Place = node.scope if node.rule_of is None else (*node.scope, node.rule_of)
        around = []
        for depth in range(1, len(place) + 1):
            if place[:depth] not in frames:
                frames[place[:depth]] = _frame(len(frames), place[depth - 1], nodes)
            around.append(frames[place[:depth]])
        rows.append((around, node))
    opened: list[Frame] = []
    # a frame comes where its first node does, after the nodes that stand beside it
    for around, node in sorted(rows, key=lambda row: [frame.number for frame in row[0]]):
        shared = sum(frame in around for frame in opened)
        yield from [None] * (len(opened) - shared)
        yield from around[shared:]
        yield node
        opened = around
    yield from [None] * len(opened)


def _frame(number: int, place: str | int, nodes: Sequence[GraphNode]) -> Frame:
    if isinstance(place, str):
        return Frame(number, line(place), is_rule=False)
    of = nodes[place]
    return Frame(number, line(f"derivative of {of.op} {of.label}"), is_rule=True)


def label_lines(node: GraphNode) -> list[str]:
    """Return what is written in a node: first what to know it by."""
    is_known = node.kind == "leaf" and node.name is not None
    lines = [node.label, node.type] if is_known else [node.op, f"{node.label}: {node.type}"]
    lines += [f"{name}={value}" for name, value in node.notable_params.items()]
    if node.is_output:
        lines.append("output")
    return [line(text) for text in lines]


def arrows(node: GraphNode, nodes: Sequence[GraphNode]) -> Iterator[Arrow]:
    """Yield the arguments of a node in order."""
    roles_matter = len(node.inputs) > 1 and node.op not in SYMMETRIC
    kept = {} if node.rule_of is None else {s.number: s for s in nodes[node.rule_of].saved}
    for slot, (source, argument) in enumerate(zip(node.inputs, node.arguments, strict=True)):
        # a constant in a derivative counts as a part of it
        order = node.order if source is None else nodes[source].order
        is_saved = source is not None and source in kept and order < node.order
        words = [argument] if roles_matter else []
        if is_saved:
            words.append(f"saved, {bytes_text(kept[source].nbytes)}")
        elif source is not None and order and node.order and nodes[source].rule_of != node.rule_of:
            words.append(nodes[source].type)
        yield Arrow(
            slot=slot,
            source=source,
            words=line(": ".join(words)),
            is_saved=is_saved,
            # the derivative of a derivative goes through that backward, so forward again
            is_cotangent=node.order % 2 == 1 and order == node.order,
        )


def line(text: str) -> str:
    """Make one line of a label: short, and without characters that cannot be seen."""
    half = LONGEST_LINE // 2
    if len(text) > LONGEST_LINE:
        text = f"{text[:half]}…{text[-half + 1 :]}"
    return printable(text)


def printable(text: str) -> str:
    r"""Write characters that cannot be seen as a string of Python does.

    >>> printable("a\tb")
    'a\\tb'
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
