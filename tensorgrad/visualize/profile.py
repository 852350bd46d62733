"""profile: where the time of a function goes, operation by operation."""

import gc
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from os import PathLike
from pathlib import Path
from time import perf_counter
from typing import Any, Literal, NamedTuple

import numpy as np

from tensorgrad.engine.backward import backward
from tensorgrad.engine.graph import ancestors
from tensorgrad.engine.node import Node
from tensorgrad.engine.notes import note_here, source_lines
from tensorgrad.engine.primitive import Primitive
from tensorgrad.engine.several import spaces_of
from tensorgrad.engine.singular import Alarm
from tensorgrad.engine.space import Space
from tensorgrad.engine.tensor import Tensor
from tensorgrad.engine.watch import Act, Walk, watching
from tensorgrad.errors import GraphError, explain
from tensorgrad.transforms.tree import flatten
from tensorgrad.typing import Tree
from tensorgrad.visualize.graph import Graph
from tensorgrad.visualize.node import Source, bytes_text, one_line, space_text
from tensorgrad.visualize.reading import Known, op_of, read, source_of
from tensorgrad.visualize.trace import as_inputs, require_callable

Phase = Literal["forward", "backward"]

# rows of the table, and characters of a line of code in it
MOST_ROWS, WIDEST_LINE = 30, 50


@dataclass(frozen=True)
class Event:
    """One operation that was computed, or the derivative rule of one.

    Attributes
    ----------
    op
        The operation.
    is_rule
        Whether its rule was computed, not the operation itself.
    phase
        ``backward`` in a backward pass, for a rule and for all that it calls; else ``forward``.
    start
        When it began, in seconds.
    seconds, own_seconds
        How long it took, with and without the operations inside it that have events of their own.
    results
        The dtype and shape of each result, as in ``float64[2, 3]``; empty for a rule.
    nbytes
        The size of the results.
    source
        The line that called the operation; None where it is unknown.
    """

    op: str
    is_rule: bool
    phase: Phase
    start: float
    seconds: float
    own_seconds: float
    results: tuple[str, ...]
    nbytes: int
    source: Source | None


class Row(NamedTuple):
    """What the calls of an operation from one line took together, with their derivative rules."""

    op: str
    source: Source | None
    calls: int
    forward: float
    backward: float
    nbytes: int


@dataclass(frozen=True, repr=False)
class Profile:
    """What a function spent its time on. Print it for a table.

    Attributes
    ----------
    events
        Operations and derivative rules, in the order in which they began.
    graph
        The `tensorgrad.Graph` of the result; each operation in it has its own seconds.
    seconds
        How long everything took.
    overhead
        How much of that was spent on taking the times of the events.
    """

    events: tuple[Event, ...]
    graph: Graph
    seconds: float
    overhead: float

    @property
    def rows(self) -> tuple[Row, ...]:
        """The operations by line, the slowest first; times are their own seconds."""
        found: dict[tuple[str, Source | None], Row] = {}
        for event in self.events:
            key = event.op, event.source
            row = found.get(key, Row(*key, 0, 0.0, 0.0, 0))
            spent = {event.phase: getattr(row, event.phase) + event.own_seconds}
            found[key] = row._replace(
                calls=row.calls + (not event.is_rule), nbytes=row.nbytes + event.nbytes, **spent
            )
        return tuple(sorted(found.values(), key=lambda row: -row.forward - row.backward))

    def to_chrome_trace(self) -> dict[str, Any]:
        """Return the events in the format of Chrome's tracing, which Perfetto reads as well.

        Forward and backward are two tracks; the arguments of an event are its results and its line.
        """
        tracks = {"forward": 1, "backward": 2}
        names = [
            {"ph": "M", "name": "thread_name", "pid": 1, "tid": tid, "args": {"name": name}}
            for name, tid in tracks.items()
        ]
        return {
            "displayTimeUnit": "ms",
            "traceEvents": [*names, *(_trace_event(e, tracks[e.phase]) for e in self.events)],
        }

    def save(self, path: str | PathLike[str]) -> Path:
        """Write `to_chrome_trace` to a JSON file, for ui.perfetto.dev or chrome://tracing."""
        path = Path(path)
        path.write_text(json.dumps(self.to_chrome_trace()), encoding="utf-8")
        return path

    def __repr__(self) -> str:
        return f"Profile({len(self.events)} events, {_ms(self.seconds)} ms)"

    def __str__(self) -> str:
        rows = self.rows
        inside = sum(row.forward + row.backward for row in rows)
        header = ("op", "calls", "forward ms", "backward ms", "%", "bytes", "line")
        table = [header, *(_cells(row, inside) for row in rows[:MOST_ROWS])]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [_aligned(cells, widths) for cells in table]
        if len(rows) > MOST_ROWS:
            rest = sum(row.forward + row.backward for row in rows[MOST_ROWS:])
            lines.append(f"... and {len(rows) - MOST_ROWS} more: {_ms(rest)} ms")
        lines.append(
            f"{_ms(self.seconds)} ms in all: {_ms(inside)} in operations and their rules, recording"
            f" included; {_ms(self.overhead)} in taking these times;"
            f" {_ms(self.seconds - inside - self.overhead)} elsewhere."
        )
        return "\n".join(lines)


def profile(f: Callable[..., Any], /, *args: Tree) -> Profile:
    """Call a function, and measure what its operations on Tensors take.

    If it returns a single number that requires a gradient, the backward pass is run and measured as
    well; the gradients are thrown away. All of it runs once: to leave out what only the first run
    has to do, as to compile a kernel, profile twice.

    Parameters
    ----------
    f, *args
        What to call: ``f(*args)``. If that computes nothing with Tensors, it is called again, with
        its floating-point and complex arguments as inputs to differentiate by, as by
        `tensorgrad.trace`.

    Returns
    -------
    Profile
        Its ``str`` is a table; ``graph`` can be drawn with the times; ``save`` writes a timeline.
        What an operation takes includes recording it, about two microseconds here. Python's garbage
        collector waits meanwhile.

    Raises
    ------
    GraphError
        If there is nothing that Tensors could compute.
    UnsupportedError
        If f is no function.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> w = tg.tensor(np.ones((3, 2)), requires_grad=True)
    >>> p = tg.profile(lambda x: np.sum(np.tanh(x @ w)), np.ones((4, 3)))
    >>> sorted((row.op, row.calls, row.nbytes) for row in p.rows)
    [('matmul', 1, 64), ('sum', 1, 8), ('tanh', 1, 64)]
    >>> print(p)  # doctest: +SKIP
    op      calls  forward ms  backward ms     %  bytes  line
    tanh        1       0.008        0.012  46.2  64 B   model.py:3 in <lambda>: p = ...
    """
    require_callable("profile", f)
    measured = _measured(f, args, Known())
    if not measured.events:
        call_args, inputs = as_inputs("profile", f, args)
        known = Known({node: name for node, (name, _) in inputs.items()})
        measured = _measured(f, call_args, known)
    if not measured.events:
        raise GraphError(
            explain(
                "profile",
                "No operation on a Tensor was called, nor on a floating-point argument.",
                "Pass what it computes with as an argument.",
                arguments=[type(arg).__name__ for arg in args],
            )
        )
    return measured


def _measured(f: Callable[..., Any], args: Sequence[Tree], known: Known) -> Profile:
    recorder = _Recorder()
    start = perf_counter()
    with _uncollected(), source_lines(), watching(recorder):
        result = f(*args)
        if isinstance(result, Tensor) and result._node is not None and result.shape == ():
            backward([result._node], [np.ones((), result.dtype)])
        seconds = perf_counter() - start
    outputs = [y._node for y in flatten(result)[0] if isinstance(y, Tensor) and y._node is not None]
    return Profile(
        tuple(span.event(start) for span in sorted(recorder.spans, key=lambda s: s.start)),
        _timed(outputs, recorder.spans, known),
        seconds,
        recorder.overhead,
    )


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep Python's garbage collector from stopping, inside, whatever happens to run just then."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Span:
    """A stretch of time that is spent on an operation or a rule. It keeps no array alive."""

    __slots__ = (
        "entered",
        "index",
        "inside",
        "is_rule",
        "note",
        "op",
        "phase",
        "spaces",
        "start",
        "stop",
    )

    def __init__(self, op: str, phase: Phase, node: Node | None = None) -> None:
        self.entered = perf_counter()  # from here on time is spent on looking on, until the start
        self.op = op
        self.phase = phase
        self.is_rule = node is not None
        self.index = node.index if node is not None else None
        self.note = node.note if node is not None else None
        self.spaces: Sequence[Space] = ()
        self.inside = 0.0  # what the spans inside this one take, with looking on at them
        self.start = self.stop = perf_counter()

    def event(self, zero: float) -> Event:
        """Return this as plain data, with times since zero."""
        # the line of what a rule recorded is that of backward(), which says nothing
        note = self.note if self.note is not None and not self.note.order else None
        return Event(
            op=self.op,
            is_rule=self.is_rule,
            phase=self.phase,
            start=self.start - zero,
            seconds=self.stop - self.start,
            own_seconds=self.stop - self.start - self.inside,
            results=tuple(space_text(dtype, shape) for shape, dtype in self.spaces),
            nbytes=sum(prod(shape) * np.dtype(dtype).itemsize for shape, dtype in self.spaces),
            source=source_of(note) if note is not None else None,
        )


class _Recorder:
    """Looks on, and takes the time."""

    def __init__(self) -> None:
        self.spans: list[_Span] = []
        self.open: list[_Span] = []
        self.overhead = 0.0

    def call(self, act: Act, primitive: Primitive, args: Any, params: Any) -> Any:
        """Call a primitive, and take the time."""
        span = self.begin(_Span(primitive.name, self.open[-1].phase if self.open else "forward"))
        try:
            ans = act(primitive, *args, **params)
        finally:
            self.stop()
        results = [y for y in (ans if isinstance(ans, tuple) else (ans,)) if isinstance(y, Tensor)]
        if results:
            node = results[0]._node
            if node is not None and isinstance(ans, tuple):
                (node,) = node.parents  # the operation, and not one of its results
            span.spaces = spaces_of(results)
            span.index = node.index if node is not None else None
            span.note = node.note if node is not None else note_here()
            self.keep(span)
        return ans  # what rules compute with arrays is their own time

    def walk(self, outputs: Sequence[Node], alarm: Alarm) -> Walk:  # noqa: ARG002
        """Return who looks on at a walk."""
        return _Steps(self)

    def begin(self, span: _Span) -> _Span:
        """Let a span be the innermost that is open."""
        self.open.append(span)
        return span

    def stop(self) -> None:
        """Close the innermost span."""
        self.open.pop().stop = perf_counter()

    def keep(self, span: _Span) -> None:
        """Count a closed span."""
        self.spans.append(span)
        taken = perf_counter() - span.entered
        self.overhead += taken - (span.stop - span.start)
        if self.open:
            self.open[-1].inside += taken


class _Steps(Walk):
    """Takes the time of each step of a walk."""

    def __init__(self, recorder: _Recorder) -> None:
        self.recorder = recorder
        self.step: _Span | None = None

    def arrive(self, node: Node, seed: Any) -> None:
        self.close()
        phase: Phase = "forward" if seed is None else "backward"
        self.step = self.recorder.begin(_Span(op_of(node), phase, node))
        super().arrive(node, seed)
        self.step.start = perf_counter()

    def close(self) -> None:
        if self.step is not None:
            self.recorder.stop()
            self.recorder.keep(self.step)
            self.step = None


def _timed(outputs: Sequence[Node], spans: Sequence[_Span], known: Known) -> Graph:
    """Return the graph of outputs, each node with the own seconds of its operation."""
    if not outputs:
        return Graph((), ())
    seconds = {s.index: s.stop - s.start - s.inside for s in spans if not s.is_rule}
    nodes, numbers = read(outputs, known)
    timed = zip(nodes, ancestors(outputs), strict=True)
    return Graph(
        tuple(replace(shown, seconds=seconds.get(node.index)) for shown, node in timed), numbers
    )


# ---- the table and the timeline ------------------------------------------------------------------


def _cells(row: Row, inside: float) -> tuple[str, ...]:
    spent = row.forward + row.backward
    return (
        row.op,
        str(row.calls),
        _ms(row.forward),
        _ms(row.backward),
        f"{100 * spent / inside:.1f}",
        bytes_text(row.nbytes),
        _line(row.source),
    )


def _line(source: Source | None) -> str:
    if source is None:
        return ""
    place = f"{Path(source.file).name}:{source.line} in {source.function}"
    return f"{place}: {one_line(source.text, WIDEST_LINE)}"


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Put numbers on the right, and text on the left."""
    op, *numbers, line = cells
    middle = [f"{cell:>{width}}" for cell, width in zip(numbers, widths[1:-1], strict=True)]
    return "  ".join([f"{op:<{widths[0]}}", *middle, line]).rstrip()


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.3f}"


def _trace_event(event: Event, track: int) -> dict[str, Any]:
    details = {"results": ", ".join(event.results), "bytes": event.nbytes}
    return {
        "ph": "X",
        "name": f"{event.op} (derivative)" if event.is_rule else event.op,
        "cat": event.phase,
        "pid": 1,
        "tid": track,
        "ts": 1e6 * event.start,
        "dur": 1e6 * event.seconds,
        "args": ({} if event.is_rule else details) | {"line": _line(event.source)},
    }
