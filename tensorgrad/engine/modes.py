"""Whether operations are recorded; a setting of the current thread or task, never a global one."""

from contextlib import ContextDecorator
from contextvars import ContextVar, Token
from types import TracebackType

_recording: ContextVar[bool] = ContextVar("recording", default=True)
is_recording = _recording.get


class no_grad(ContextDecorator):
    """Record nothing inside: results are constants, and leaves may be written in place.

    Works as a context manager and as a decorator, and only for the current thread or task.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> w = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> with tg.no_grad():
    ...     w -= 0.5
    >>> w
    tensor([0.5, 1.5], requires_grad=True)
    """

    def __init__(self) -> None:
        self._tokens: list[Token[bool]] = []

    def __enter__(self) -> None:
        self._tokens.append(_recording.set(False))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _recording.reset(self._tokens.pop())
