"""What Jupyter shows of a Graph and of a Tensor. Importing this file puts the method on Tensor."""

from collections.abc import Callable, Collection
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from tensorgrad.engine.node import Leaf
from tensorgrad.engine.tensor import Tensor
from tensorgrad.typing import Array
from tensorgrad.visualize.node import bytes_text
from tensorgrad.visualize.outline import printable
from tensorgrad.visualize.thumbnails import heat_map_svg, histogram_svg
from tensorgrad.visualize.values import Summary, short, summarize

if TYPE_CHECKING:
    from tensorgrad.visualize.graph import Graph

# nodes: a listing to read, a picture to look at, a page to explore
MOST_LISTED, MOST_DRAWN, MOST_EXPLORED = 60, 120, 5000
# rows of the value of a tensor and characters of a row, and entries that are summarized
MOST_ROWS, LONGEST_ROW, MOST_ENTRIES = 24, 100, 10_000_000
LONGEST_PLAIN = 40_000  # characters: NumPy shortens long axes, but not many short ones

# A page brings its own colours for text and ground; mid-grey reads on both.
BOX = "overflow:auto;max-height:60em"
FRAME = "width:100%;height:36em;border:0"
BESIDE = "display:flex;flex-wrap:wrap;gap:.5em 1.5em"
TABLE = "color:inherit;border-collapse:collapse;margin:.3em 0"
CELL = "text-align:left;vertical-align:top;padding:.15em 1em .15em 0"
HEAD = f"{CELL};font-weight:normal;white-space:nowrap;color:#7f7f7f"
PLAIN = "margin:0;padding:0;border:0;background:none;color:inherit;line-height:1.25"

Bundle = dict[str, str]
# media types that the front end asks for, and that it does not want
Choice = Collection[str] | None


def graph_bundle(graph: "Graph", include: Choice, exclude: Choice) -> Bundle:
    """Return what shows a graph, by media type: a drawing or, of a large one, a page to explore."""
    makers: dict[str, Callable[[Any], str]] = {"text/plain": _listing}
    if len(graph) <= MOST_DRAWN:
        makers |= {"image/svg+xml": lambda graph: graph.to_svg(), "text/html": _drawing}
    elif len(graph) <= MOST_EXPLORED:
        makers |= {"text/html": _explorer}
    return _bundle(graph, makers, include, exclude)


def tensor_bundle(tensor: Tensor, include: Choice = None, exclude: Choice = None) -> Bundle:
    """Return what shows a tensor, by media type."""
    return _bundle(tensor, {"text/plain": _plain, "text/html": _table}, include, exclude)


Tensor._repr_mimebundle_ = tensor_bundle  # type: ignore[attr-defined]


def _bundle(
    shown: Any, makers: dict[str, Callable[[Any], str]], include: Choice, exclude: Choice
) -> Bundle:
    bundle: Bundle = {}
    for media, make in makers.items():
        if (include and media not in include) or (exclude and media in exclude):
            continue
        try:
            bundle[media] = make(shown)
        except Exception as error:  # what was computed is fine: say why it does not show, and go on
            text = bundle.get("text/plain", f"<{type(shown).__name__}>")
            reason = f"{type(error).__name__}: {error}"
            bundle["text/plain"] = f"{text}\n({media} cannot be shown: {reason})"
    return bundle


# ---- a graph -----------------------------------------------------------------------------------


def _listing(graph: "Graph") -> str:
    if len(graph) <= MOST_LISTED:
        return graph.text()
    return f"{graph!r}: text() lists it, save('graph.html') is a page to explore it"


def _drawing(graph: "Graph") -> str:
    return f'<div style="{BOX}">{graph.to_svg()}</div>'


def _explorer(graph: "Graph") -> str:
    # in a frame, so that the page and the notebook do not see each other's styles and scripts
    return (
        f'<iframe title="graph" style="{FRAME}" srcdoc="{escape(graph.to_html())}"></iframe>'
        f"<div>{escape(repr(graph))}</div>"  # also where a front end leaves frames out
    )


# ---- a tensor ----------------------------------------------------------------------------------


def _plain(tensor: Tensor) -> str:
    text, half = repr(tensor), LONGEST_PLAIN // 2
    return text if len(text) <= LONGEST_PLAIN else f"{text[:half]}\n...\n{text[-half:]}"


def _table(tensor: Tensor) -> str:
    value = tensor._value
    rows = {
        "value": _value(value),
        "shape": f"{tuple(tensor.shape)}, {bytes_text(tensor.nbytes)}",
        "dtype": escape(str(tensor.dtype)),
        "made by": escape(printable(_origin(tensor))),
        "gradient": _gradient(tensor),
    }
    cells = "".join(
        f'<tr style="background:none"><th style="{HEAD}">{name}</th>'
        f'<td style="{CELL}">{cell}</td></tr>'
        for name, cell in rows.items()
    )
    return f'<div style="{BOX}"><table style="{TABLE}">{cells}</table></div>'


def _origin(tensor: Tensor) -> str:
    if tensor._node is None:
        return "nothing recorded: a constant"
    if tensor._node.primitive is not None:
        return tensor._node.primitive.name
    return "the user: a leaf" if isinstance(tensor._node, Leaf) else "a transformation: a variable"


def _gradient(tensor: Tensor) -> str:
    if tensor._node is None:
        return "not required"
    if not isinstance(tensor._node, Leaf):
        return "required, kept in leaves only"
    if tensor.grad is None:
        return "required, none yet: call backward()"
    return _value(tensor.grad._value)


def _value(value: Array) -> str:
    """Show the entries and, of more than a few, a picture and statistics beside them."""
    entries = f'<pre style="{PLAIN}">{escape(_entries(value))}</pre>'
    if not 16 < value.size <= MOST_ENTRIES or value.dtype.kind not in "biufc":
        return entries
    summary = summarize(value)
    picture = heat_map_svg(summary) if value.ndim > 1 else histogram_svg(summary)
    beside = f'<div>{picture}<div style="color:#7f7f7f">{_statistics(summary)}</div></div>'
    return f'<div style="{BESIDE}">{entries}{beside}</div>'


def _entries(value: Array) -> str:
    if not isinstance(value, (np.ndarray, np.generic)):
        text = repr(value)
    else:
        # an axis more is another factor of 2 edgeitems + 1
        edge = 3 if value.ndim <= 2 else 1
        text = np.array2string(
            np.asarray(value), 90, precision=4, separator=", ", threshold=100, edgeitems=edge
        )
    rows = text.split("\n")
    if len(rows) > MOST_ROWS:
        rows = [*rows[: MOST_ROWS // 2], "...", *rows[-MOST_ROWS // 2 :]]
    return "\n".join(r if len(r) <= LONGEST_ROW else f"{r[:LONGEST_ROW]}..." for r in rows)


def _statistics(summary: Summary) -> str:
    words = []
    if summary.low is not None and summary.high is not None and summary.mean is not None:
        words = [f"{short(summary.low)} to {short(summary.high)}", f"mean {short(summary.mean)}"]
    odd = {"NaN": summary.nans, "infinite": summary.infinities}
    return ", ".join([*words, *(f"{count} {name}" for name, count in odd.items() if count)])
