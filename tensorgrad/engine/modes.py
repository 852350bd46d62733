"""Whether operations are recorded; a setting of the current thread or task, never a global one."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

_recording: ContextVar[bool] = ContextVar("recording", default=True)
is_recording = _recording.get


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
