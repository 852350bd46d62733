"""Whether operations are recorded, how strictly, and who watches what they choose.

Settings of the current thread or task, never global ones.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any

_recording: ContextVar[bool] = ContextVar("recording", default=True)
is_recording = _recording.get
_strict: ContextVar[bool] = ContextVar("strict", default=False)
is_strict = _strict.get
_branch_watcher: ContextVar[Callable[[Any], None] | None] = ContextVar("watcher", default=None)
branch_watcher = _branch_watcher.get


@contextmanager
def setting(variable: ContextVar[Any], value: Any) -> Iterator[None]:
    """Let a variable of the current thread or task have a value inside."""
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def recording(on: bool) -> AbstractContextManager[None]:
    """Record the operations inside, or do not."""
    return setting(_recording, on)


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


def strict() -> AbstractContextManager[None]:
    """Raise inside where a function has no derivative, instead of following a convention.

    Works as a context manager and as a decorator, only for the current thread or task, and for the
    derivatives that are computed inside. A point whose result does not matter raises nothing.

    Raises
    ------
    SingularPointError
        At a kink, a tie, a pole or a point of degeneracy: ``abs`` at 0, ``max`` of equal numbers,
        ``sqrt`` at 0, the eigenvectors of a repeated eigenvalue.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> float(tg.grad(np.abs)(0.0))
    0.0
    >>> with tg.strict():
    ...     tg.grad(np.abs)(0.0)
    Traceback (most recent call last):
    ...
    tensorgrad.errors.SingularPointError: absolute: entries=1, first=(). There is no derivative ...
    """
    return setting(_strict, True)


def watching_branches(note: Callable[[Any], None]) -> AbstractContextManager[None]:
    """Call note with each result of an operation that is constant in pieces, as comparisons are."""
    return setting(_branch_watcher, note)
