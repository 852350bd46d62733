"""The drawing of a graph in DOT, the language of Graphviz.

Leaves are blue ellipses and operations grey boxes; an output has a double border and says so; a
constant is the small word ``const``. A node with a note has a thick red border and ends with the
note. Fills carry their own dark text, and lines and labels are
mid-grey, so the picture reads on light and dark pages; no meaning is in the colour alone.
"""

from collections.abc import Iterator, Mapping, Sequence

from tensorgrad.visualize.node import CONST, GraphNode

# longer lines of a label are cut in the middle
LONGEST_LINE = 44
# operations whose arguments play the same part, so that their edges need no names
SYMMETRIC = frozenset(
    ["add", "fmax", "fmin", "hypot", "logaddexp", "logaddexp2", "maximum", "minimum", "multiply"]
)

MID_GREY = "#7f7f7f"
FONT = "Helvetica,Arial,sans-serif"
DEFAULTS = {
    "graph": {"rankdir": "TB", "bgcolor": "transparent", "nodesep": "0.3", "ranksep": "0.35"},
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
OUTPUT = {"peripheries": "2", "penwidth": "1.6", "fillcolor": "#fbdca6", "color": "#b8720a"}
NOTED = {"color": "#c62828", "penwidth": "3", "fillcolor": "#f7c6c5"}
CONSTANT = {
    "label": CONST,
    "shape": "plaintext",
    "style": "solid",
    "fontsize": "10",
    "fontcolor": MID_GREY,
    "margin": "0.02",
    "height": "0.2",
    "width": "0.2",
}


def dot_lines(nodes: Sequence[GraphNode], notes: Mapping[int, str]) -> Iterator[str]:
    """Write the statements of the drawing, one a line, without the braces around them.

    ``notes`` are by the number of the node that they mark.
    """
    for subject, attributes in DEFAULTS.items():
        yield _statement(subject, attributes)
    for node in nodes:
        note = notes.get(node.number)
        label, look = _label(node), _look(node)
        if note is not None:
            label, look = f"{label}\n{note}", look | NOTED
        yield _statement(f"n{node.number}", {"label": label, **look})
        roles_matter = len(node.inputs) > 1 and node.op not in SYMMETRIC
        for place, (source, argument) in enumerate(zip(node.inputs, node.arguments, strict=True)):
            tail = f"n{source}"
            if source is None:
                tail = f"n{node.number}_const{place}"
                yield _statement(tail, CONSTANT)
            # the space keeps the label off the line
            role = {"label": f" {argument}"} if roles_matter else {}
            yield _statement(f"{tail} -> n{node.number}", role)


def quoted(text: str) -> str:
    """Write a DOT string that shows the text as it is, line breaks included."""
    for plain, escaped in (("\\", r"\\"), ('"', r"\""), ("\n", r"\n"), ("&", "&amp;")):
        text = text.replace(plain, escaped)
    return f'"{text}"'


def _statement(subject: str, attributes: dict[str, str]) -> str:
    if not attributes:
        return f"\t{subject}\n"
    listed = " ".join(f"{key}={quoted(value)}" for key, value in attributes.items())
    return f"\t{subject} [{listed}]\n"


def _look(node: GraphNode) -> dict[str, str]:
    return (LEAF if node.kind == "leaf" else {}) | (OUTPUT if node.is_output else {})


def _label(node: GraphNode) -> str:
    lines = [node.op, f"{node.label}: {node.type}"]
    lines += [f"{name}={value}" for name, value in node.params.items()]
    if node.is_output:
        lines.append("output")
    return "\n".join(map(_cut, lines))


def _cut(line: str) -> str:
    half = LONGEST_LINE // 2
    return line if len(line) <= LONGEST_LINE else f"{line[:half]}…{line[-half + 1 :]}"
