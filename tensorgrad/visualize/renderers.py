"""Graphviz as a program of its own: it may be missing, fail or hang, and never takes us with it."""

import os
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from tempfile import TemporaryFile

# Graphviz needs 5 s for so many nodes, and minutes for some times more
MOST_NODES = 1500
SECONDS = 30.0

# pygraphviz brings Graphviz as a library; in another process that can be ended, and may crash
_PYGRAPHVIZ = """
import sys, pygraphviz
drawing = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode())
sys.stdout.buffer.write(drawing.draw(format=sys.argv[1], prog="dot"))
"""


class RenderError(Exception):
    """Why Graphviz did not draw, as a sentence."""


def render(source: str, form: str, nodes: int) -> bytes:
    """Let Graphviz draw DOT source in the form ``"svg"``, ``"png"`` or ``"pdf"``.

    Raises
    ------
    RenderError
        If it is not there, fails, takes too long, or would for so many nodes.
    """
    if nodes > MOST_NODES:
        raise RenderError(f"Graphviz takes too long for {nodes} nodes, more than {MOST_NODES}.")
    if dot := shutil.which("dot"):
        return _run("the program dot", [dot, f"-T{form}"], source)
    if find_spec("pygraphviz"):
        return _run("pygraphviz", [sys.executable, "-P", "-c", _PYGRAPHVIZ, form], source)
    raise RenderError(
        "Graphviz is missing: there is no program dot, and no package pygraphviz. "
        "Install it with: python -m pip install 'pygraphviz>=2'."
    )


def _run(name: str, command: list[str], source: str) -> bytes:
    # files in place of pipes: a pipe stays open as long as any process that the command left behind
    with TemporaryFile() as given, TemporaryFile() as drawn, TemporaryFile() as said:
        given.write(source.encode())
        given.seek(0)
        try:
            process = subprocess.Popen(
                command, stdin=given, stdout=drawn, stderr=said, start_new_session=True
            )
        except OSError as error:
            raise RenderError(f"{name} does not start: {error}.") from error
        try:
            status = process.wait(SECONDS)
        except subprocess.TimeoutExpired as error:
            raise RenderError(f"{name} was stopped after {SECONDS:g} s.") from error
        finally:
            if process.poll() is None:  # also where the user interrupts
                _end(process)
        drawn.seek(0)
        said.seek(0)
        result = drawn.read()
        if status or not result:
            words = said.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
            raise RenderError(f"{name} failed with status {status}: {words[-1][:200]}.")
        return result


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and, where groups are known, what it started."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
