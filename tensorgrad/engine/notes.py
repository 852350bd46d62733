"""What a node remembers of where it was recorded: scopes, the caller's line, whose rule it was.

Nobody pays for this who does not ask. Notes are taken, by this thread or task, inside of

    with tg.scope("block1"):   the names of the scopes, the outermost first
    with tg.source_lines():    the line of the caller's code; drawings, `tg.debug` and `tg.profile`
                               open such a block themselves

and in a walk that records (``create_graph=True``, nested `grad`), where either is open or a node
that it meets has a note. There a node remembers also which node's rule recorded it, and its order.
A scope goes over to what the rules of its operations record.

A reader of the graph finds all of it in ``node.note``, a `Note`, or None where none was taken.
``note.line`` works out the number of the line; ``note.code.co_filename`` is its file.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from itertools import count, islice
from sys import _getframe
from types import CodeType, FrameType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import optree

from tensorgrad.errors import UnsupportedError, explain

if TYPE_CHECKING:
    from tensorgrad.engine.node import Node


class Note(NamedTuple):
    """Where a node was recorded.

    Attributes
    ----------
    scope
        The names of the scopes around it, the outermost first.
    code, lasti
        The caller's code, and the place in it; None where lines were not recorded.
    rule_of
        The index of the node whose derivative rule recorded it; None where none did.
    order
        0 in what the user computed, 1 in its derivative, 2 in the derivative of that ...
    visits
        For each scope a number of its own for each time that it was entered.
    """

    scope: tuple[str, ...] = ()
    code: CodeType | None = None
    lasti: int = -1
    rule_of: int | None = None
    order: int = 0
    visits: tuple[int, ...] = ()

    @property
    def line(self) -> int | None:
        """The number of the caller's line; None where it is unknown."""
        if self.code is None:
            return None
        # the interpreter has an entry for each code unit of two bytes
        start, *_ = next(islice(self.code.co_positions(), self.lasti // 2, None))
        return start


@dataclass(frozen=True, slots=True)
class _Setting:
    """What the nodes recorded from now on are to remember: a note, but for the line."""

    scope: tuple[str, ...] = ()
    rule_of: int | None = None
    order: int = 0
    with_lines: bool = False
    visits: tuple[int, ...] = ()


# A note as nodes keep it: in half the time that it takes to make a Note.
Jotting = tuple[_Setting, CodeType | None, int]


def read(jotting: Jotting) -> Note:
    """Return what a node has jotted down."""
    setting, code, lasti = jotting
    return Note(setting.scope, code, lasti, setting.rule_of, setting.order, setting.visits)


_setting: ContextVar[_Setting | None] = ContextVar("notes", default=None)
_current = _setting.get
# One entry for each block, in any thread, that is open: while there is none, nobody looks further.
open_blocks: list[None] = []
_visits = count()


@contextmanager
def _changed(change: Callable[[_Setting], _Setting]) -> Iterator[None]:
    token = _setting.set(change(_current() or _Setting()))
    open_blocks.append(None)
    try:
        yield
    finally:
        open_blocks.pop()
        _setting.reset(token)


def scope(name: str) -> AbstractContextManager[None]:
    """Give what is recorded inside a name, under which drawings keep it together.

    Scopes nest. Works as a context manager and as a decorator, only for the current thread or task.
    Where a graph has a scope with the same in it several times, drawings number it: ``block``,
    ``block 2`` ...

    Parameters
    ----------
    name
        Any text that is not empty.

    Raises
    ------
    UnsupportedError
        If the name is no text, or empty.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> with tg.scope("block1"), tg.scope("head"):
    ...     y = np.tanh(x)
    >>> [node.scope for node in tg.graph(y)]
    [(), ('block1', 'head')]
    """
    if not isinstance(name, str) or not name:
        raise UnsupportedError(
            explain(
                "scope", "A scope has a name.", 'Pass text, as in tg.scope("block1").', name=name
            )
        )

    return _changed(
        lambda setting: replace(
            setting, scope=(*setting.scope, name), visits=(*setting.visits, next(_visits))
        )
    )


def source_lines() -> AbstractContextManager[None]:
    """Remember for what is recorded inside which line of the caller's code called it.

    Listings and drawings then show it. Works as a context manager and as a decorator, only for the
    current thread or task; it costs 0.2 to 0.3 microseconds an operation. `tensorgrad.debug` and
    `tensorgrad.profile` do it themselves.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> with tg.source_lines():
    ...     y = np.tanh(x)
    >>> [node.source.text for node in tg.graph(y) if node.source]
    ['y = np.tanh(x)']
    """
    return _changed(lambda setting: replace(setting, with_lines=True))


def rules_noted() -> AbstractContextManager[None]:
    """Let what is recorded inside a walk say whose rule recorded it; see `note_rule_of`."""
    return _changed(lambda setting: setting)


def note_rule_of(node: "Node") -> None:
    """Say whose rule records what follows, until the enclosing `rules_noted` ends."""
    note = node.note or Note()
    lines = (_current() or _Setting()).with_lines
    _setting.set(_Setting(note.scope, node.index, note.order + 1, lines, note.visits))


def is_in_rule() -> bool:
    """Return whether what is computed now is part of a derivative rule, as far as notes tell."""
    setting = _current()
    return setting is not None and setting.rule_of is not None


def jot_down() -> Jotting | None:
    """Return what a node recorded now is to remember."""
    setting = _current()
    if setting is None:  # the open blocks are of other threads
        return None
    if setting.with_lines:
        frame: FrameType | None = _getframe(3)
        while frame is not None:
            code = frame.f_code
            if code is _last.caller or (code is not _last.other and _is_caller(code)):
                return setting, code, frame.f_lasti
            frame = frame.f_back
    return setting, None, -1


def note_here() -> Note | None:
    """Return the note that a node recorded now would have; None if it would have none."""
    jotting = jot_down()
    return read(jotting) if jotting is not None else None


# the caller's frame is the first outside of these
_PACKAGES = tuple(
    os.path.join(os.path.dirname(file), "")
    for file in (os.path.dirname(__file__), np.__file__, optree.__file__)
)
_is_callers: dict[str, bool] = {}


@dataclass(slots=True)
class _Last:
    """The code that was seen last, the caller's and other: mostly it comes again."""

    caller: CodeType | None = None
    other: CodeType | None = None


_last = _Last()


def _is_caller(code: CodeType) -> bool:
    file = code.co_filename
    if file not in _is_callers:
        _is_callers[file] = not file.startswith(_PACKAGES)
    if _is_callers[file]:
        _last.caller = code
    else:
        _last.other = code
    return _is_callers[file]
