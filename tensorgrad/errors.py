"""Every error tensorgrad raises, and the one way their messages are put together.

A message names the operation, shows the offending ``name=value``, says the rule, and ends with the
remedy. Each class is also the built-in exception that NumPy users would expect to catch.
"""

from typing import Any

import numpy as np

# Characters of a value that a message shows.
_LONGEST = 200


class TensorgradError(Exception):
    """The base of every error raised on purpose by tensorgrad."""


class ShapeError(TensorgradError, ValueError):
    """Sizes or values of arguments do not fit together."""


class IndexingError(TensorgradError, IndexError):
    """An index does not fit the tensor it is applied to."""


class UnsupportedError(TensorgradError, TypeError):
    """A function, keyword, dtype or conversion that would lose the gradient, or has none."""


class GraphError(TensorgradError, RuntimeError):
    """A recorded graph is used in a way it does not allow."""


class SingularPointError(TensorgradError, ArithmeticError):
    """A derivative is asked for where there is none, in strict mode."""


class DrawingWarning(UserWarning):
    """A drawing was made in another way than asked for, and why."""


class NonFiniteError(TensorgradError, ArithmeticError):
    """A NaN or an infinity comes up inside `tensorgrad.debug`.

    Attributes
    ----------
    graph
        The `tensorgrad.Graph` of what led to it; None where nothing of that was recorded.
    notes
        What a drawing says about nodes of that graph, by their numbers: the culprit is among them.
        ``error.graph.to_dot(error.notes)`` marks it.
    """

    def __init__(
        self, message: str, graph: Any = None, notes: dict[int, str] | None = None
    ) -> None:
        super().__init__(message)
        self.graph = graph
        self.notes = notes or {}


def explain(operation: str, rule: str, remedy: str = "", /, **values: Any) -> str:
    """Put a message together: ``operation: name=value, ...: rule remedy``.

    >>> explain("conv2d", "Sides must be positive.", "Pass stride=1.", stride=0)
    'conv2d: stride=0. Sides must be positive. Pass stride=1.'
    """
    shown = ", ".join(f"{name}={_shown(value)}" for name, value in values.items())
    lead = f"{operation}: {shown}." if shown else f"{operation}:"
    return " ".join(part for part in (lead, rule, remedy) if part)


def _shown(value: Any) -> str:
    text = repr(plain(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def plain(value: Any) -> Any:
    """Turn NumPy integers, also inside containers, into ints, so that sizes print as numbers."""
    if isinstance(value, np.integer):
        return int(value)
    if type(value) in (tuple, list):
        return type(value)(plain(item) for item in value)
    return value
