"""Looking on while operations are computed and walked over, as debuggers and profilers do.

While nobody looks on, calls are what they are otherwise: the classes of primitives get another
``__call__`` for as long as somebody, in any thread, does.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from operator import attrgetter
from threading import Lock
from typing import Any, Protocol

from tensorgrad.engine.modes import setting
from tensorgrad.engine.node import Node
from tensorgrad.engine.notes import note_rule_of, open_blocks, rules_noted
from tensorgrad.engine.primitive import Binary, Primitive, Unary
from tensorgrad.engine.singular import Alarm

# the act of calling a primitive: its class's own __call__
Act = Callable[..., Any]


class Walk:
    """Looks on at one walk. This one only sees to it that nodes note whose rule recorded them."""

    def arrive(self, node: Node, seed: Any) -> None:  # noqa: ARG002
        """Hear that the walk comes to a node; a backward one, with this cotangent of it."""
        note_rule_of(node)

    def deliver(self, node: Node, argnum: int | None, part: Any) -> None:
        """Hear what the rule of a node made.

        That is, in a backward walk, its part of the cotangent of an argument; in a forward one,
        where argnum is None, the tangent of the node.
        """

    def end(self, found: Mapping[Node, Any]) -> None:
        """Hear what the walk has found."""

    def close(self) -> None:
        """Hear that the walk is over, also where it failed."""


class Watch(Protocol):
    """Looks on at calls of primitives, and sends others to look on at walks."""

    def call(self, act: Act, primitive: Primitive, args: Any, params: Any) -> Any:
        """Call a primitive: return ``act(primitive, *args, **params)``."""

    def walk(self, outputs: Sequence[Node], alarm: Alarm) -> Walk:
        """Return who looks on at a walk that begins, to which an alarm listens."""


_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)
_watches = 0  # how many look on, in all threads
_jotting_of = attrgetter("_jotting")


def walked(
    outputs: Sequence[Node], nodes: Sequence[Node], alarm: Alarm, live: Container[Node]
) -> AbstractContextManager[Walk | None]:
    """Return who looks on at a walk over nodes: nobody, as a rule.

    Where nodes of it have notes, what is recorded by their rules (if anything is live) has, too.
    """
    if open_blocks or _watches or (live and any(map(_jotting_of, nodes))):
        return _noted(outputs, alarm)
    return _nobody


_nobody: AbstractContextManager[None] = nullcontext()


@contextmanager
def _noted(outputs: Sequence[Node], alarm: Alarm) -> Iterator[Walk]:
    watch = _watch.get()
    walk = watch.walk(outputs, alarm) if watch else Walk()
    with rules_noted():
        try:
            yield walk
        finally:
            walk.close()


_lock = Lock()
_acts = {kind: kind.__call__ for kind in (Primitive, Unary, Binary)}


@contextmanager
def watching(watch: Watch) -> Iterator[None]:
    """Let one look on at what the current thread or task computes inside; the innermost does."""
    _count(+1)
    try:
        with setting(_watch, watch):
            yield
    finally:
        _count(-1)


def unwatched() -> AbstractContextManager[None]:
    """Let nobody look on inside, where what is computed are not values but marks."""
    return setting(_watch, None)


def _count(change: int) -> None:
    global _watches  # noqa: PLW0603
    with _lock:
        _watches += change
        for kind, act in _acts.items():
            kind.__call__ = _watched(act) if _watches else act  # type: ignore[method-assign]


def _watched(act: Act) -> Act:
    def call(primitive: Primitive, *args: Any, **params: Any) -> Any:
        watch = _watch.get()
        if watch is None:  # somebody looks on in another thread
            return act(primitive, *args, **params)
        return watch.call(act, primitive, args, params)

    return call
