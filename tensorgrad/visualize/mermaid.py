"""The drawing of a graph in Mermaid, which GitHub and many editors show within a text."""

from collections.abc import Iterator, Sequence

from tensorgrad.visualize.node import GraphNode
from tensorgrad.visualize.outline import Arrow, Frame, arrows, framed, label_lines

# dark text on the same fills as in DOT; a derivative has a dashed border, an output a thick one
CLASSES = {
    "leaf": "fill:#bfdcf2,stroke:#2f7fb8,color:#1a1a1a",
    "op": "fill:#ececec,stroke:#7f7f7f,color:#1a1a1a",
    "derivative": "fill:#c9e8dc,stroke:#00805c,color:#1a1a1a,stroke-dasharray:4 3",
    "higher": "fill:#ecd3e4,stroke:#a04d80,color:#1a1a1a,stroke-dasharray:4 3",
    "output": "fill:#fbdca6,stroke:#b8720a,color:#1a1a1a,stroke-width:3px",
    "const": "fill:none,stroke:none,color:#7f7f7f",
    "frame": "fill:none,stroke:#7f7f7f,color:#7f7f7f",
    "rule": "fill:none,stroke:#7f7f7f,color:#7f7f7f,stroke-dasharray:4 3",
}


def mermaid_lines(nodes: Sequence[GraphNode]) -> Iterator[str]:
    """Write the drawing, one statement a line."""
    yield "flowchart TB\n"
    classes = []
    for part in framed(nodes):
        if part is None:
            yield "end\n"
        elif isinstance(part, Frame):
            yield f"subgraph f{part.number}[{_text([part.title])}]\n"
            classes.append(f"class f{part.number} {'rule' if part.is_rule else 'frame'}\n")
        else:
            yield from _node(part)
    for node in nodes:
        for arrow in arrows(node, nodes):
            yield _edge(arrow, f"n{node.number}")
    yield from classes
    yield from (f"classDef {name} {style}\n" for name, style in CLASSES.items())


def _node(node: GraphNode) -> Iterator[str]:
    if node.is_output:
        kind = "output"
    elif node.kind == "leaf":
        kind = "leaf"
    else:
        kind = ("op", "derivative", "higher")[min(node.order, 2)]
    opening, closing = ("([", "])") if node.kind == "leaf" else ("(", ")")
    yield f"n{node.number}{opening}{_text(label_lines(node))}{closing}:::{kind}\n"
    for slot, source in enumerate(node.inputs):
        if source is None:
            yield f"n{node.number}_c{slot}[{_text([node.constant(slot)])}]:::const\n"


def _edge(arrow: Arrow, head: str) -> str:
    tail = f"{head}_c{arrow.slot}" if arrow.source is None else f"n{arrow.source}"
    line = "-.->" if arrow.is_saved else "-->"
    return f"{tail} {line}{f'|{_text([arrow.words])}|' if arrow.words else ''} {head}\n"


def _text(lines: Sequence[str]) -> str:
    """Quote the lines of a label, in codes what could have a meaning in Mermaid."""
    text = "<br/>".join("".join(map(_coded, line)) for line in lines)
    return f'"{text or " "}"'  # no text at all is an error there


def _coded(character: str) -> str:
    if character.isalnum() or character in " .,:_'=()[]…":
        return character
    # even in code, a backslash before an n breaks the line, unless something invisible is between
    return f"#{ord(character)};" + ("#8288;" if character == "\\" else "")
