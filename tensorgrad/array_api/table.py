"""What tables of functions are made with."""

from collections.abc import Callable
from typing import TypeVar

Function = TypeVar("Function", bound=Callable[..., object])


def named_after(numpy: Callable[..., object], name: str, function: Function) -> Function:
    """Give a function that calls NumPy's its name, and the first line of its documentation."""
    summary = next((line for line in (numpy.__doc__ or "").splitlines()[1:] if line.strip()), "")
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{summary.strip()}\n\nSee `{numpy.__module__}.{numpy.__name__}`."
    return function
