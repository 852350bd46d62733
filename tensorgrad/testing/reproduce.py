"""What a failure leaves behind: a script that shows it again, and a drawing of the graph."""

import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

from tensorgrad.engine.graph import ancestors
from tensorgrad.engine.tensor import Tensor, tensor
from tensorgrad.testing.report import Finding, Report, Verdict, count
from tensorgrad.typing import Array
from tensorgrad.visualize.graph import graph

_LONGEST_NAME = 80
_LAYOUT_SECONDS = 20


def drawing(
    f: Callable[..., tuple[Any, ...]],
    xs: Sequence[Array],
    names: Sequence[str],
    findings: Sequence[Finding],
) -> str:
    """Return the graph of f at xs in the language of Graphviz, wrong gradients marked.

    Nothing, where f records nothing.
    """
    leaves = [tensor(x, requires_grad=True) for x in xs]
    try:
        ys = [y for y in f(*leaves) if isinstance(y, Tensor) and y.requires_grad]
    except Exception:  # the report says what f raises
        ys = []
    if not ys:
        return ""
    recorded = set(ancestors(y._node for y in ys if y._node is not None))
    named: dict[str, Any] = {
        n: leaf for n, leaf in zip(names, leaves, strict=True) if leaf._node in recorded
    }
    shown = graph(*ys, **named)
    wrong = [finding for finding in findings if finding.verdict is Verdict.FAIL]
    notes = {}
    for node in shown:
        about = re.compile(rf"gradient by {re.escape(node.name or '')}( in \w+)?$")
        if found := [finding for finding in wrong if about.search(finding.aspect)]:
            notes[node.number] = _note(found[0])
    if not notes and wrong:  # nothing is said about one argument
        notes = dict.fromkeys(shown.outputs, f"wrong: {wrong[0].aspect}")
    return shown.to_dot(notes)


def _note(finding: Finding) -> str:
    note = f"wrong {finding.aspect}"
    if finding.mismatch is not None:
        wrong = finding.mismatch.wrong
        note += f": {int(wrong.sum())} of {count(wrong.size, 'entry', 'entries')}"
    return f"{note}\n{finding.hint}" if finding.hint else note


def write_files(report: Report, test: str, root: Path, folder: Path) -> Report:
    """Write the reproducer and the drawing of a failed test, and return a report that names them.

    Parameters
    ----------
    report
        What the test found.
    test
        The node id of the test.
    root
        Where pytest runs it.
    folder
        Where to write; it is made if it does not exist.
    """
    rerun = report.rerun or f"pytest {shlex.quote(test)}"
    folder.mkdir(parents=True, exist_ok=True)
    words = re.sub(r"\W+", "_", test.rpartition("/")[2]).strip("_")
    path = folder / f"{words[:_LONGEST_NAME]}_{crc32(test.encode()):08x}.py"
    page = replace(report, rerun=rerun)
    path.write_text(_script(page, root), encoding="utf-8")
    paths = [path]
    if report.drawing:
        paths.append(_draw(report.drawing, path.with_suffix(".dot")))
    return replace(page, files=tuple(map(str, paths)))


def _script(report: Report, root: Path) -> str:
    lines = [f"# {line}".rstrip() for line in str(report).splitlines()]
    lines += ["", "import sys", "", f"sys.path[:0] = {_search_path(root)}", ""]
    if report.replay:
        return "\n".join([*lines, report.replay])
    # what the check was called with is not known in full: the test itself knows it
    arguments = shlex.split(report.rerun)[1:]
    lines += ["import os", "", "import pytest", "", f"os.chdir({str(root)!r})"]
    return "\n".join([*lines, f"sys.exit(pytest.main({arguments!r}))", ""])


def _search_path(root: Path) -> list[str]:
    """Return where modules were found, but for those places that any Python knows."""
    kinds = ("stdlib", "platstdlib", "purelib", "platlib", "scripts")
    known = [Path(sysconfig.get_path(kind)).resolve() for kind in kinds]
    entries = dict.fromkeys(Path(entry).resolve() for entry in [*sys.path, str(root)])
    return [
        str(path)
        for path in entries
        if path.is_dir() and not any(path.is_relative_to(place) for place in known)
    ]


def _draw(source: str, path: Path) -> Path:
    """Write a drawing, laid out where Graphviz is installed, and return where."""
    path.write_text(source, encoding="utf-8")
    if shutil.which("dot") is None:
        return path
    picture = path.with_suffix(".svg")
    try:
        subprocess.run(
            ["dot", "-Tsvg", "-o", str(picture), str(path)],
            check=True,
            capture_output=True,
            timeout=_LAYOUT_SECONDS,
        )
    except subprocess.SubprocessError:  # a graph too big to lay out is still there as text
        return path
    path.unlink()
    return picture
