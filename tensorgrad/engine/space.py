"""The vector space that cotangents and tangents live in, and the way back into it.

Rules may be careless of broadcasting, precision and realness: `fit_cotangent` and `fit_tangent` put
their results right, once, after every rule. All of it is written with NumPy's functions, so it
serves arrays and Tensors alike.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tensorgrad.typing import Array, DTypeLike, Shape

# The shape and dtype of an array, which say in what space its cotangents are.
Space = tuple[Shape, DTypeLike]
# Arrays that have no axes but those of their shape, and of the dtypes that most have.
PLAIN = frozenset({np.ndarray, np.float64, np.float32})


class BatchShape(tuple[int, ...]):
    """The shape of one example of a batch, and the axes, hidden from it, that these lie along."""

    hidden: tuple[Any, ...]

    def __new__(cls, sides: Shape, hidden: tuple[Any, ...]) -> "BatchShape":
        """Make a shape of these sides, with these axes hidden."""
        shape = super().__new__(cls, sides)
        shape.hidden = hidden
        return shape


def hidden_axes(shape: Shape) -> tuple[Any, ...]:
    """Return the axes of a batch that are hidden from a shape."""
    return shape.hidden if isinstance(shape, BatchShape) else ()


def revealed(x: Array) -> Array:
    """Return an array with the hidden axes of a batch as its first: all examples together."""
    for axis in reversed(hidden_axes(np.shape(x))):
        x = axis.show(x)
    return x


def zeros(shape: Shape, dtype: DTypeLike) -> Array:
    """The zero vector: one stored number, broadcast to the shape."""
    return np.broadcast_to(np.zeros((), dtype), shape)


def batched_zeros(shape: Shape, dtype: DTypeLike) -> Array:
    """The zero vector of each example, with the hidden axes that the shape has."""
    hidden = hidden_axes(shape)
    x = zeros((*(axis.size for axis in hidden), *shape), dtype)
    for axis in hidden:
        x = axis.hide(x)
    return x


def sum_to(g: Array, shape: Shape) -> Array:
    """Sum over the axes along which an array of this shape was broadcast: the adjoint of that."""
    lead = g.ndim - len(shape)
    if lead < 0:  # x[index] = v drops leading sides of length 1 from v
        return np.reshape(sum_to(g, shape[-lead:]), shape)
    stretched = tuple(
        i + lead for i, side in enumerate(shape) if side == 1 and g.shape[i + lead] != 1
    )
    g = np.sum(g, axis=(*range(lead), *stretched))
    return np.reshape(g, shape) if stretched else g


def cast(g: Array, dtype: DTypeLike) -> Array:
    """Change precision, and take the real part where the space is real."""
    if g.dtype.kind == "c" and dtype.kind != "c":
        g = np.real(g)
    return g.astype(dtype)


def array_of(g: Any) -> Any:
    """Return what has no dtype as an array."""
    # 1j times a numpy.float64 is a complex of Python's
    return g if hasattr(g, "dtype") else np.asarray(g)


def fit_cotangent(g: Array, shape: Shape, dtype: DTypeLike) -> Array:
    """Put a cotangent back into the space of the argument it belongs to."""
    g = array_of(g)
    for axis in hidden_axes(g.shape):
        if axis.closed and axis not in hidden_axes(shape):
            g = axis.total(g)  # the argument was the same for all examples
    if g.shape != shape:
        g = sum_to(g, shape)
    return g if g.dtype == dtype else cast(g, dtype)


def fit_tangent(t: Array, shape: Shape, dtype: DTypeLike) -> Array:
    """Put a tangent into the space of the result it belongs to."""
    t = array_of(t)
    if t.shape != shape:
        t = np.broadcast_to(t, shape)
    return t if t.dtype == dtype else cast(t, dtype)


class Parts:
    """A vector of the space that several arrays make together: its components that are not zero.

    What travels between an operation of several results and each of them.
    """

    __slots__ = ("components", "spaces")

    shape: Shape = ()  # a node of several results has the same, so that nothing needs to fit
    dtype: DTypeLike = None

    def __init__(self, components: Mapping[int, Array], spaces: Sequence[Space]) -> None:
        self.components = components
        self.spaces = spaces

    def __add__(self, other: "Parts") -> "Parts":
        total: dict[int, Any] = dict(self.components)
        for i, g in other.components.items():
            total[i] = total[i] + g if i in total else g
        return Parts(total, self.spaces)

    def dense(self) -> tuple[Array, ...]:
        """Return all components."""
        return tuple(
            self.components[i] if i in self.components else zeros(*space)
            for i, space in enumerate(self.spaces)
        )
