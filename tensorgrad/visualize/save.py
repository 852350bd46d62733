"""Saving a graph: what the name of a file ends in says what is written."""

import warnings
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tensorgrad.errors import DrawingWarning, ShapeError, UnsupportedError, explain
from tensorgrad.visualize.renderers import RenderError, render

if TYPE_CHECKING:
    from tensorgrad.visualize.graph import Graph

Engine = Literal["auto", "graphviz"]

# what needs nothing
TEXTS: dict[str, Callable[["Graph"], str]] = {
    ".svg": lambda graph: graph.to_svg(),
    ".html": lambda graph: graph.to_html(),
    ".json": lambda graph: graph.to_json(),
    ".dot": lambda graph: graph.to_dot(),
    ".mmd": lambda graph: graph.to_mermaid(),
}
# what Graphviz draws
DRAWN = (".svg", ".png", ".pdf")


def save(graph: "Graph", path: str | PathLike[str], engine: Engine) -> Path:
    """Write the graph to a file, and return the path of what was written; see `Graph.save`."""
    if not isinstance(path, str | PathLike):
        raise UnsupportedError(
            explain("save", "A file is given by its path.", "Pass save('g.html').", path=path)
        )
    path = Path(path)
    suffix = path.suffix.lower()
    _check(path, suffix, engine)
    if engine == "graphviz" or suffix not in TEXTS:
        try:
            drawn = render(graph.to_dot(), suffix.removeprefix("."), len(graph))
        except RenderError as error:
            # a drawing all the same, in a file that says what it is and replaces no other
            path = path if suffix == ".svg" else path.with_name(f"{path.name}.svg")
            suffix = ".svg"
            reason = explain("save", f"{error} The built-in drawing is in {path} instead.")
            warnings.warn(DrawingWarning(reason), stacklevel=3)
        else:
            path.write_bytes(drawn)
            return path
    path.write_text(TEXTS[suffix](graph), "utf-8", newline="\n")
    return path


def _check(path: Path, suffix: str, engine: str) -> None:
    if suffix not in TEXTS and suffix not in DRAWN:
        raise ShapeError(
            explain(
                "save",
                "The ending of the name says what to write.",
                f"Use one of {', '.join([*TEXTS, *DRAWN[1:]])}.",
                path=str(path),
            )
        )
    if engine not in ("auto", "graphviz") or (engine == "graphviz" and suffix not in DRAWN):
        raise ShapeError(
            explain(
                "save",
                f"The engine is 'auto', or 'graphviz' for one of {', '.join(DRAWN)}.",
                "Leave it out.",
                path=str(path),
                engine=engine,
            )
        )
