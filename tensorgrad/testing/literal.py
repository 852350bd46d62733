"""Values as Python that makes them again, entry by entry and stride by stride."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tensorgrad.engine.tensor import Tensor
from tensorgrad.errors import UnsupportedError, explain
from tensorgrad.typing import Array

# What these lines of Python need.
IMPORTS = "import numpy as np\nimport tensorgrad as tg"
# Characters of a line that is still read.
_LONGEST = 2000
_PLAIN = (bool, int, str, bytes, type(None), type(...), slice, range)


@dataclass(frozen=True)
class Ref:
    """A value that has been made already, by its name."""

    name: str


def assignments(values: Mapping[str, Any]) -> str:
    """Return Python that gives names to values.

    Parameters
    ----------
    values
        Arrays, Tensors, numbers, strings, and lists, tuples (named ones too) and dictionaries of
        such.

    Returns
    -------
    str
        Lines that need `IMPORTS`, and make equal values, of the same dtypes and memory layouts.

    Raises
    ------
    UnsupportedError
        If a value is something else.

    Examples
    --------
    >>> import numpy as np
    >>> print(assignments({"x": np.array([0.1, np.inf], "float32"), "axis": -1}))
    x = np.array([0.1, np.inf], dtype='float32')
    axis = -1
    """
    lines = []
    for name, value in values.items():
        lines.append(f"{name} = {literal(value)}")
        if isinstance(value, np.ndarray) and not value.flags.writeable:
            lines.append(f"{name}.setflags(write=False)")
    return "\n".join(lines)


def case_text(values: Mapping[str, Any]) -> str:
    """Return `assignments` for a reader: what is long, or no Python is known for, is described."""
    lines = []
    for name, value in values.items():
        try:
            line = assignments({name: value})
        except UnsupportedError:
            line = ""
        if not line or len(line) > _LONGEST:
            space = f"{value.dtype}{list(value.shape)}" if hasattr(value, "dtype") else ""
            line = f"{name} = ...  # {space or type(value).__name__}"
        lines.append(line)
    return "\n".join(lines)


def literal(value: Any) -> str:
    """Return a Python expression for a value; see `assignments`."""
    if isinstance(value, Ref):
        return value.name
    if isinstance(value, Tensor):
        recorded = ", requires_grad=True" if value.requires_grad else ""
        return f"tg.tensor({literal(value.numpy())}{recorded})"
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, np.generic):
        return f"np.{type(value).__name__}({_number(value)})"
    if type(value) in (float, complex):
        return _number(value)
    if type(value) in _PLAIN:
        return repr(value)
    name = getattr(value, "__name__", "")
    if callable(value) and getattr(np, name, None) is value:
        return f"np.{name}"
    if isinstance(value, np.dtype):
        return f"np.dtype({value.name!r})"
    if type(value) is list:
        return f"[{', '.join(map(literal, value))}]"
    if type(value) is tuple:
        return f"({', '.join(map(literal, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        kind = type(value)
        made = f"__import__('importlib').import_module({kind.__module__!r}).{kind.__qualname__}"
        return f"{made}({', '.join(map(literal, value))})"
    if type(value) is dict:
        return f"{{{', '.join(f'{literal(k)}: {literal(v)}' for k, v in value.items())}}}"
    raise UnsupportedError(
        explain(
            "literal",
            "No Python is known that makes such a value.",
            "Use arrays, numbers, strings, and containers of such.",
            type=type(value).__name__,
        )
    )


def _array(x: Array) -> str:
    if x.size == 0:
        return f"np.zeros({x.shape}, dtype={_dtype(x)})"
    if x.flags.c_contiguous:
        return f"np.array({_entries(x)})"
    if x.flags.f_contiguous:
        return f"np.array({_entries(x)}, order='F')"
    if any(stride % x.itemsize for stride in x.strides):
        return f"np.array({_entries(x)})"
    # a view: the memory from its first entry to its last, and how to walk over it
    forward = x[tuple(slice(None, None, -1 if stride < 0 else 1) for stride in x.strides)]
    offset = -sum((n - 1) * s for n, s in zip(x.shape, x.strides, strict=True) if s < 0)
    extent = sum((n - 1) * abs(s) for n, s in zip(x.shape, x.strides, strict=True))
    memory = np.lib.stride_tricks.as_strided(
        forward, (extent // x.itemsize + 1,), (x.itemsize,), writeable=False
    )
    return (
        f"np.ndarray({x.shape}, {_dtype(x)}, {_array(memory)}, "
        f"offset={offset}, strides={x.strides})"
    )


def _dtype(x: Array) -> str:
    return repr(x.dtype.name if x.dtype.kind in "fciub" else x.dtype.str)


def _entries(x: Array) -> str:
    guessed = x.dtype in (np.dtype(kind) for kind in (float, complex, int, bool))
    return _nested(x) if guessed else f"{_nested(x)}, dtype={_dtype(x)}"


def _nested(x: Array) -> str:
    return f"[{', '.join(map(_nested, x))}]" if x.ndim else _number(x[()])


def _number(x: Any) -> str:
    if isinstance(x, complex | np.complexfloating):
        # 1-0j would lose the sign of its zero
        if x.real and x.imag and np.isfinite(x):
            return str(x)
        return f"complex({_number(x.real)}, {_number(x.imag)})"
    if isinstance(x, float | np.floating) and not np.isfinite(x):
        return "np.nan" if np.isnan(x) else "np.inf" if x > 0 else "-np.inf"
    return repr(str(x)) if isinstance(x, str) else str(x)
