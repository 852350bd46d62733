"""The drawing of a graph in DOT, the language of Graphviz.

Leaves are blue ellipses and operations grey boxes; an output has a double border and says so; a
constant is small, and the word ``const`` where nothing is known of it. A scope is a frame around
its nodes. What a derivative rule computed is green with a dashed border, purple where it is the
derivative of a derivative, in a dashed frame that names the operation; arrows point up in the first
derivative, and in every other one, so that it stands beside what it differentiates. A dashed arrow
is a value that an operation saved for its rule. A node with a note has a thick red border and ends
with the note. Fills carry their own dark text, and lines and labels are mid-grey, so the picture
reads on light and dark pages; no meaning is in the colour alone.
"""

from collections.abc import Iterator, Mapping, Sequence

from tensorgrad.visualize.node import GraphNode
from tensorgrad.visualize.outline import Arrow, Frame, arrows, framed, label_lines, printable

MID_GREY = "#7f7f7f"
FONT = "Helvetica,Arial,sans-serif"
DEFAULTS = {
    "graph": {
        "rankdir": "TB",
        "bgcolor": "transparent",
        "nodesep": "0.3",
        "ranksep": "0.35",
        "fontname": FONT,
        "fontsize": "11",
        "fontcolor": MID_GREY,
        "color": MID_GREY,
        "style": "rounded",
        "labeljust": "l",
    },
    "node": {
        "fontname": FONT,
        "fontsize": "11",
        "fontcolor": "#1a1a1a",
        "style": "filled,rounded",
        "shape": "box",
        "margin": "0.14,0.07",
        "color": MID_GREY,
        "fillcolor": "#ececec",
    },
    "edge": {
        "fontname": FONT,
        "fontsize": "10",
        "fontcolor": MID_GREY,
        "color": MID_GREY,
        "arrowsize": "0.7",
    },
}
LEAF = {"shape": "ellipse", "style": "filled", "fillcolor": "#bfdcf2", "color": "#2f7fb8"}
DERIVATIVE = {"style": "filled,rounded,dashed", "fillcolor": "#c9e8dc", "color": "#00805c"}
HIGHER = {"style": "filled,rounded,dashed", "fillcolor": "#ecd3e4", "color": "#a04d80"}
OUTPUT = {"peripheries": "2", "penwidth": "1.6", "fillcolor": "#fbdca6", "color": "#b8720a"}
NOTED = {"color": "#c62828", "penwidth": "3", "fillcolor": "#f7c6c5"}
CONSTANT = {
    "shape": "plaintext",
    "style": "solid",
    "fontsize": "10",
    "fontcolor": MID_GREY,
    "margin": "0.02",
    "height": "0.2",
    "width": "0.2",
}
SAVED = {"style": "dashed", "constraint": "false"}
# tail and head are exchanged, so that the head stands above
COTANGENT = {"dir": "back", "color": "#2a9d78"}


def dot_lines(nodes: Sequence[GraphNode], notes: Mapping[int, str]) -> Iterator[str]:
    """Write the statements of the drawing, one a line, without the braces around them.

    ``notes`` are by the number of the node that they mark.
    """
    for subject, attributes in DEFAULTS.items():
        yield _statement(subject, attributes)
    for part in framed(nodes):
        if part is None:
            yield "\t}\n"
        elif isinstance(part, Frame):
            yield f"\tsubgraph cluster_{part.number} {{\n"
            style = "rounded,dashed" if part.is_rule else "rounded"
            yield _statement("graph", {"label": part.title, "style": style})
        else:
            yield _statement(f"n{part.number}", _node_attributes(part, notes.get(part.number)))
            for slot, source in enumerate(part.inputs):
                if source is None:
                    yield _statement(
                        f"n{part.number}_const{slot}", {"label": part.constant(slot)} | CONSTANT
                    )
    # edges come last, because a node belongs to every frame that mentions it
    for node in nodes:
        for arrow in arrows(node, nodes):
            yield _edge(arrow, f"n{node.number}")


def _node_attributes(node: GraphNode, note: str | None) -> dict[str, str]:
    lines = label_lines(node)
    if note is not None:
        lines += [printable(line) for line in note.split("\n")]
    attributes = {"label": "\n".join(lines)}
    if node.kind == "leaf":
        attributes |= LEAF
    elif node.order:
        attributes |= DERIVATIVE if node.order == 1 else HIGHER
    if node.is_output:
        attributes |= OUTPUT
    return attributes if note is None else attributes | NOTED


def _edge(arrow: Arrow, head: str) -> str:
    tail = f"{head}_const{arrow.slot}" if arrow.source is None else f"n{arrow.source}"
    # the space keeps the label off the line
    attributes = {"label": f" {arrow.words}"} if arrow.words else {}
    if arrow.is_saved:
        attributes |= SAVED
    if arrow.is_cotangent:
        tail, head, attributes = head, tail, attributes | COTANGENT
    return _statement(f"{tail} -> {head}", attributes)


def _statement(subject: str, attributes: dict[str, str]) -> str:
    if not attributes:
        return f"\t{subject}\n"
    listed = " ".join(f"{key}={quoted(value)}" for key, value in attributes.items())
    return f"\t{subject} [{listed}]\n"


def quoted(text: str) -> str:
    """Write a DOT string that shows the text as it is, line breaks included."""
    for plain, escaped in (("\\", r"\\"), ('"', r"\""), ("\n", r"\n"), ("&", "&amp;")):
        text = text.replace(plain, escaped)
    return f'"{text}"'
