"""What there is to see: a card for every node and folded block, and the lines between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

from tensorgrad.visualize.blocks import Repeat, repeats
from tensorgrad.visualize.node import GraphNode, bytes_text
from tensorgrad.visualize.outline import arrows, label_lines, line, printable


@dataclass(frozen=True)
class Card:
    """A box of the drawing.

    Attributes
    ----------
    name
        Its id in the drawing.
    kind
        ``block`` for the copies of a repeated block, drawn as one.
    node
        What it shows; of a block the last of its operations.
    scope
        The scopes that it lies in.
    lines
        What is written on it.
    hint
        What a pointer that rests on it is told.
    note
        What marks it in red; None where nothing does.
    rule_of
        The place of the card whose derivative rule computed it; None where none did.
    is_output
        Whether the graph was asked for it.
    """

    name: str
    kind: Literal["leaf", "op", "block"]
    node: GraphNode
    scope: tuple[str, ...]
    lines: tuple[str, ...]
    hint: str
    note: str | None = None
    rule_of: int | None = None
    is_output: bool = False


@dataclass(frozen=True)
class Line:
    """An arrow from one card to another, by their places, with words beside its head.

    The ``slot`` is that of the argument; 0 where the arrow stands for several.
    """

    source: int
    target: int
    slot: int
    words: str
    is_saved: bool


def cards_and_lines(
    nodes: Sequence[GraphNode], notes: Mapping[int, str], fold: bool
) -> tuple[list[Card], list[Line]]:
    """Return the cards, each behind those that lead to it, and the lines between them.

    Lines for what was saved come last, so that they branch off the others and not these off them.
    """
    blocks = _blocks(nodes) if fold else {}
    cards: list[Card] = []
    lines: dict[Line, None] = {}
    place: dict[int, int] = {}  # of the card that shows a node
    for node in nodes:
        block = blocks.get(node.number)
        if block is None:
            place[node.number] = len(cards)
            rule_of = None if node.rule_of is None else place[node.rule_of]
            cards.append(_node_card(node, notes.get(node.number), rule_of))
        elif node.number == block.operations[0]:  # leaves may come long before
            place |= dict.fromkeys(block.members, len(cards))
            cards.append(_block_card(block, nodes, notes))
        for arrow in arrows(node, nodes):
            if arrow.source is None:
                continue
            source, here = place[arrow.source], place[node.number]
            if block is None:
                lines[Line(source, here, arrow.slot, arrow.words, arrow.is_saved)] = None
            elif source != here:
                lines[Line(source, here, 0, "", False)] = None
    return cards, sorted(lines, key=lambda line: line.is_saved)


@dataclass(frozen=True)
class _Block:
    repeat: Repeat
    operations: tuple[int, ...]
    members: tuple[int, ...]  # all nodes: with leaves, and the derivatives of the operations


def _blocks(nodes: Sequence[GraphNode]) -> dict[int, _Block]:
    """Return for the nodes of repeated blocks which one it is; the outermost where they nest.

    Derivatives are not compared: they go with what they are derivatives of.
    """
    chosen: list[tuple[Repeat, list[int]]] = []
    found: dict[int, int] = {}  # which of these a node is in
    for repeat in repeats(tuple(takewhile(lambda node: not node.order, nodes))):
        inside = {number for copy in repeat.copies for number in copy}
        operations = sorted(number for number in inside if nodes[number].kind == "op")
        between = nodes[operations[0] : operations[-1] + 1]
        # nothing comes in between, which would lead out of the block and back into it
        is_whole = all(node.kind == "leaf" or node.number in inside for node in between)
        if is_whole and not inside & found.keys():
            found |= dict.fromkeys(inside, len(chosen))
            chosen.append((repeat, operations))
    for node in nodes:
        if node.rule_of in found:
            found[node.number] = found[node.rule_of]
    members: list[list[int]] = [[] for _ in chosen]
    for number in sorted(found):
        members[found[number]].append(number)
    blocks = [
        _Block(repeat, tuple(operations), tuple(inside))
        for (repeat, operations), inside in zip(chosen, members, strict=True)
    ]
    return {number: blocks[i] for number, i in found.items()}


def _node_card(node: GraphNode, note: str | None, rule_of: int | None) -> Card:
    op, result, *rest = label_lines(node)
    constants = [
        f"{argument}={node.constant(slot)}"
        for slot, argument in enumerate(node.arguments)
        if node.inputs[slot] is None
    ]
    return Card(
        name=f"n{node.number}",
        kind=node.kind,
        node=node,
        scope=node.scope,
        lines=(op, result, *map(line, constants), *rest),
        hint=hint(node),
        note=note,
        rule_of=rule_of,
        is_output=node.is_output,
    )


def _block_card(block: _Block, nodes: Sequence[GraphNode], notes: Mapping[int, str]) -> Card:
    members = [nodes[number] for number in block.members]
    last = nodes[block.operations[-1]]
    each = len(block.operations) // len(block.repeat.copies)
    has_derivatives = any(node.order for node in members)
    texts = [
        block.repeat.label,
        f"{each} operations each",
        *["and their derivatives"] * has_derivatives,
        f"{last.label}: {last.type}",
    ]
    is_output = any(node.is_output and not node.order for node in members)
    marks = [notes[number] for number in block.members if number in notes]
    size = sum(node.nbytes for node in members)
    return Card(
        name=f"n{block.operations[0]}",
        kind="block",
        node=last,
        scope=block.repeat.scope,
        lines=tuple(line(text) for text in texts + ["output"] * is_output),
        hint=printable(f"{block.repeat.label}: {len(members)} nodes, {bytes_text(size)}"),
        note=marks[0] if marks else None,
        is_output=is_output,
    )


def hint(node: GraphNode) -> str:
    """Say more about a node than its card does, in several lines."""
    texts = [f"{node.op} {node.label}: {node.type}", bytes_text(node.nbytes)]
    texts += [f"{name}={value}" for name, value in node.params.items()]
    if node.saved:
        kept = ", ".join(f"{s.argument} ({bytes_text(s.nbytes)})" for s in node.saved)
        texts.append(f"keeps for its derivative: {kept}")
    if node.scope:
        texts.append(f"in {' / '.join(node.scope)}")
    if node.source is not None:
        texts.append(f"{node.source.file}:{node.source.line} in {node.source.function}")
        texts.append(node.source.text)
    return "\n".join(map(printable, texts))
