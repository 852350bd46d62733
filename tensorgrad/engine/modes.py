"""Whether operations are recorded, and who watches what they choose.

Settings of the current thread or task, never global ones.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any

_recording: ContextVar[bool] = ContextVar("recording", default=True)
is_recording = _recording.get
_branch_watcher: ContextVar[Callable[[Any], None] | None] = ContextVar("watcher", default=None)
branch_watcher = _branch_watcher.get


@contextmanager
def recording(on: bool) -> Iterator[None]:
    """Record the operations inside, or do not."""
    token = _recording.set(on)
    try:
        yield
    finally:
        _recording.reset(token)


def no_grad() -> AbstractContextManager[None]:
    """Record nothing inside: results are constants, and leaves may be written in place.

    Works as a context manager and as a decorator, and only for the current thread or task. Inside,
    `tensorgrad.grad` and its kin still differentiate by their own arguments.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> w = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> with tg.no_grad():
    ...     w -= 0.5
    >>> w
    tensor([0.5, 1.5], requires_grad=True)
    """
    return recording(on=False)


@contextmanager
def watching_branches(note: Callable[[Any], None]) -> Iterator[None]:
    """Call note with each result of an operation that is constant in pieces, as comparisons are."""
    token = _branch_watcher.set(note)
    try:
        yield
    finally:
        _branch_watcher.reset(token)
