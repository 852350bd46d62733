"""Every error tensorgrad raises, and the one way their messages are put together.

A message names the operation, shows the offending ``name=value``, says the rule, and ends with the
remedy. Each class is also the built-in exception that NumPy users would expect to catch.
"""

from typing import Any


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


def explain(operation: str, rule: str, remedy: str = "", **values: Any) -> str:
    """Put a message together: ``operation: name=value, ...: rule remedy``.

    >>> explain("conv2d", "Sides must be positive.", "Pass stride=1.", stride=0)
    'conv2d: stride=0. Sides must be positive. Pass stride=1.'
    """
    shown = ", ".join(f"{name}={plain(value)!r}" for name, value in values.items())
    return " ".join(part for part in (f"{operation}: {shown}." if shown else f"{operation}:", rule, remedy) if part)


def plain(value: Any) -> Any:
    """Turn NumPy integers, also inside tuples, into ints, so that sizes print as plain numbers."""
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    if hasattr(value, "__index__") and not isinstance(value, bool) and getattr(value, "ndim", 0) == 0:
        return value.__index__()
    return value
