"""What is supported, as a table made from the registry.

``python -m tensorgrad.testing.coverage`` prints it.
"""

from collections.abc import Callable
from typing import Any

import tensorgrad.conv
import tensorgrad.ops  # noqa: F401  (these fill the registry)
from tensorgrad.engine.primitive import NUMPY


def table() -> str:
    """Return the supported functions of NumPy as a Markdown table."""
    names: dict[str, set[str]] = {"differentiable": set(), "locally constant": set()}
    for function, operation in NUMPY.items():
        names["differentiable" if operation.differentiable else "locally constant"].add(
            _short(function)
        )
    rows = [
        f"| {kind} | {len(found)} | {' '.join(f'`{name}`' for name in sorted(found))} |"
        for kind, found in names.items()
    ]
    return "\n".join(["| of NumPy | | functions |", "|---|--:|---|", *rows])


def _short(function: Callable[..., Any]) -> str:
    module = getattr(function, "__module__", None) or "numpy"
    return f"{module}.{function.__name__}".removeprefix("numpy.")


if __name__ == "__main__":
    print(table())
