"""GraphNode: one recorded operation as plain data, and how its parts are printed."""

import math
import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tensorgrad.typing import Shape
from tensorgrad.visualize.values import Summary

# what stands for an operand that nothing recorded, and of which nothing is known
CONST = "const"
# longer constants are rounded
LONGEST_NUMBER = 8
# names that a listing gives itself
_TAKEN = re.compile(rf"{CONST}|return|t\d+")
# parameters that may be there for each axis, and what they consist of where they change nothing
_NEUTRAL = {
    "kernel_size": None,
    "stride": "1",
    "padding": "0",
    "input_dilation": "1",
    "dilation": "1",
    "groups": "1",
    "algorithm": "'auto'",
    "keepdims": "False",
}
# names that need no quotes, as x, layers[0].weight, params['w'] and grad x
_PLAIN = re.compile(r"((grad|seed) )*[^\W\d]\w*(\.[^\W\d]\w*|\[\d+\]|\['\w+'\])*")


@dataclass(frozen=True)
class Source:
    """The line of the user's code that called an operation."""

    file: str
    line: int
    function: str
    text: str


@dataclass(frozen=True)
class Saved:
    """A value that the derivative rule of an operation keeps until the backward pass.

    Attributes
    ----------
    argument
        Its name in the rule: that of an argument, or ``ans``.
    number
        The node that made it; None for a constant, or for what the operation computed on the side.
    nbytes
        Its size in bytes.
    """

    argument: str
    number: int | None
    nbytes: int


@dataclass(frozen=True)
class GraphNode:
    """One step of a computation. It holds numbers and strings only.

    Attributes
    ----------
    number
        The place in creation order, from 0; so every input has a smaller number.
    op
        The operation; ``leaf`` for a tensor made with ``requires_grad=True``, ``variable`` for the
        argument of a transformation or of a traced function, ``seed`` for the ones that a backward
        pass begins with.
    kind
        ``leaf`` where the graph begins, ``op`` elsewhere.
    is_output
        Whether the graph was asked for this tensor.
    name
        What the caller named the tensor; None without a name.
    shape, dtype, nbytes
        Of the result. A node of several results has the shape (), and all of them in its dtype.
    params
        The parameters of the operation as they are printed; arrays as dtype and shape.
    inputs
        For each array argument, in order, the number of the node that made it; None for a constant.
    arguments
        The names of these arguments in the operation.
    constants
        For each of them what it is, where it is a constant: the value of a single number, as in
        ``2.0``, or dtype and shape of an array. It is known in a traced function, or where the
        derivative rule keeps it. Else None; or () where none is known.
    scope
        The names of the scopes that it was recorded in, the outermost first.
    source
        The line that called it; None where lines were not recorded.
    order
        0 in what the user computed, 1 in its derivative, 2 in the derivative of that ...
    rule_of
        The number of the operation whose derivative rule computed this one; None where none did.
    saved
        What its derivative rule keeps.
    values, gradient
        Summaries of the result and of the gradient by it, where they were asked for.
    seconds
        The time that it took; None where it was not measured.
    """

    number: int
    op: str
    kind: Literal["leaf", "op"]
    is_output: bool
    name: str | None
    shape: Shape
    dtype: str
    nbytes: int
    params: dict[str, str]
    inputs: tuple[int | None, ...]
    arguments: tuple[str, ...]
    constants: tuple[str | None, ...] = ()
    scope: tuple[str, ...] = ()
    source: Source | None = None
    order: int = 0
    rule_of: int | None = None
    saved: tuple[Saved, ...] = ()
    values: Summary | None = None
    gradient: Summary | None = None
    seconds: float | None = None

    @property
    def label(self) -> str:
        """The name to print: the caller's, quoted where it does not read as one, or t<number>."""
        if self.name is None:
            return f"t{self.number}"
        plain = _PLAIN.fullmatch(self.name) and not _TAKEN.fullmatch(self.name)
        return self.name if plain else repr(self.name)

    def constant(self, slot: int) -> str:
        """Return what stands for an argument that nothing recorded, ``const`` if it is unknown."""
        return (self.constants[slot] if self.constants else None) or CONST

    @property
    def type(self) -> str:
        """Dtype and shape, as in ``float64[2, 3]``; of all results where there are several."""
        return self.dtype if self.dtype.startswith("(") else space_text(self.dtype, self.shape)

    @property
    def notable_params(self) -> dict[str, str]:
        """The parameters for a drawing: without those that change nothing, as a stride of 1.

        What is the same along all axes is told once.
        """
        shown = {}
        for name, value in self.params.items():
            parts = set(re.findall(r"[^(), ]+", value)) if name in _NEUTRAL else set()
            text = parts.pop() if len(parts) == 1 else value
            if name not in _NEUTRAL or text != _NEUTRAL[name]:
                shown[name] = text
        return shown


def space_text(dtype: Any, shape: Shape) -> str:
    """Print dtype and shape.

    >>> space_text("float32", (2, 3))
    'float32[2, 3]'
    """
    return f"{dtype}[{', '.join(map(str, shape))}]"


def param_text(value: Any) -> str:
    """Print a parameter the same way in every run: never an address, never the entries of an array.

    >>> param_text((slice(1, None, 2), ..., None, 3))
    '(1::2, ..., None, 3)'
    """
    if isinstance(value, (np.generic, np.ndarray)) and value.ndim == 0:
        value = value.item()
    if isinstance(value, (tuple, list)):
        items = ", ".join(map(param_text, value))
        if isinstance(value, list):
            return f"[{items}]"
        return f"({items},)" if len(value) == 1 else f"({items})"
    if isinstance(value, slice):
        bounds = ["" if b is None else param_text(b) for b in (value.start, value.stop, value.step)]
        return ":".join(bounds if bounds[2] else bounds[:2])
    if value is Ellipsis:
        return "..."
    if value is None or isinstance(value, (bool, int, float, complex, str)):
        return repr(value)
    if isinstance(value, np.dtype):
        return str(value)
    if isinstance(value, type) or not hasattr(value, "dtype"):
        return getattr(value, "__name__", type(value).__name__)
    return space_text(value.dtype, value.shape)


def constant_text(value: Any) -> str | None:
    """Print a number in few characters, and of an array dtype and shape; None of anything else.

    >>> [constant_text(v) for v in (2.0, 2, np.float32(0.5), 1 / 3, np.ones(1), [1.0])]
    ['2.0', '2', '0.5', '0.3333', 'float64[1]', None]
    """
    if isinstance(value, (np.generic, np.ndarray)) and value.ndim == 0:
        value = value.item()
    if not isinstance(value, (bool, int, float, complex)):
        return space_text(value.dtype, value.shape) if hasattr(value, "dtype") else None
    text = repr(value)
    return text if len(text) <= LONGEST_NUMBER else f"{value:.4g}"


def bytes_text(nbytes: int) -> str:
    """Print a number of bytes with three digits at most.

    >>> [bytes_text(n) for n in (864, 1536, 999_999, 40_000_000_000)]
    ['864 B', '1.54 kB', '1 MB', '40 GB']
    """
    if nbytes < 1000:
        return f"{nbytes} B"
    size = float(f"{nbytes:.3g}")  # before the unit is chosen, so that 999,999 is 1 MB
    unit = min(int(math.log10(size) + 1e-9) // 3, 4)
    return f"{size / 1000**unit:.3g} {'kMGT'[unit - 1]}B"


def one_line(text: str, width: int) -> str:
    """Print text on one line, cut in the middle, with escapes for what cannot be seen.

    >>> one_line("a line" + chr(10) + "and another", 14)
    'a line…another'
    """
    if len(text) > width:
        text = f"{text[: (width - 1) // 2]}…{text[len(text) - width // 2 :]}"
    if text.isprintable():
        return text
    return one_line("".join(c if c.isprintable() else ascii(c)[1:-1] for c in text), width)
