"""What pytest was told about a run: how many examples, for how long, and from which seed."""

import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from secrets import randbits


@dataclass(frozen=True)
class Options:
    """What the options of the pytest plugin say; None where they say nothing.

    Attributes
    ----------
    examples
        How many examples to draw for a test.
    budget
        After how many seconds to stop drawing.
    seed
        Where the examples come from: the same ones for the same seed.
    tell
        What to do with a line about how it went.
    """

    examples: int | None = None
    budget: float | None = None
    seed: int | None = None
    tell: Callable[[str], None] = print


NOTHING_ASKED = Options()
_options: ContextVar[Options] = ContextVar("options", default=NOTHING_ASKED)
options = _options.get


@contextmanager
def using(chosen: Options) -> Iterator[None]:
    """Let tests inside follow these options."""
    token = _options.set(chosen)
    try:
        yield
    finally:
        _options.reset(token)


def new_seed() -> int:
    """Return a seed that is not the same each time."""
    return randbits(32)


def rerun_line(seed: int | None = None) -> str:
    """Return what to type to run the current test again; nothing outside of pytest."""
    test, _, _ = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")
    if not test:
        return ""
    line = f"pytest {shlex.quote(test)}"
    return line if seed is None else f"{line} --grad-seed {seed}"
