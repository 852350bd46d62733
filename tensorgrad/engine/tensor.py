"""Tensor: a value, and the node that recorded where it came from."""

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from tensorgrad.engine.modes import is_recording
from tensorgrad.engine.node import Leaf, Node
from tensorgrad.errors import GraphError, IndexingError, ShapeError, UnsupportedError, explain
from tensorgrad.typing import Array, ArrayLike, DTypeLike, Shape


def _references() -> int:
    """Return how many references Python counts to an object that one variable has; 0 if none.

    As of Python 3.14 the argument of the function that counts is no longer one of them.
    """
    x = object()
    return sys.getrefcount(x) if sys.implementation.name == "cpython" else 0


_ALONE = _references()

if TYPE_CHECKING:  # the methods live one layer up, which puts them on the class when it is imported
    from tensorgrad.ops.methods import Methods
else:
    Methods = object


class Tensor(Methods):
    """An array whose history is recorded, so that it can be differentiated.

    A Tensor is a handle: the pair of a value and the `Node` that made it (None for a constant).
    Make one with `tensorgrad.tensor`; NumPy's functions, operators and methods make the others.
    """

    # _window is there for views only, for the code that writes through them
    __slots__ = ("__weakref__", "_node", "_value", "_window")
    _window: Any
    __hash__ = None  # type: ignore[assignment]  # == compares elementwise, as for numpy.ndarray

    def __init__(self, value: Array, node: Node | None = None) -> None:
        self._value = value
        self._node = node

    # ---- what it is ------------------------------------------------------------------------------

    @property
    def shape(self) -> Shape:
        """The side lengths."""
        return self._value.shape

    @property
    def dtype(self) -> DTypeLike:
        """The NumPy dtype of the entries."""
        return self._value.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._value.ndim

    @property
    def size(self) -> int:
        """The number of entries."""
        return self._value.size

    @property
    def itemsize(self) -> int:
        """The bytes of one entry."""
        return self._value.itemsize

    @property
    def nbytes(self) -> int:
        """The bytes of all entries."""
        return self._value.nbytes

    @property
    def requires_grad(self) -> bool:
        """Whether operations on this tensor are recorded."""
        return self._node is not None

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made this tensor."""
        return self._node is None or self._node.primitive is None

    @property
    def grad(self) -> "Tensor | None":
        """The gradient that ``backward()`` has added up in this leaf; None before the first.

        The gradient of a real loss L with respect to a complex leaf is dL/dRe + i dL/dIm.
        """
        return self._node.grad if isinstance(self._node, Leaf) else None

    @grad.setter
    def grad(self, value: "Tensor | ArrayLike | None") -> None:
        if not isinstance(self._node, Leaf):
            raise GraphError(
                explain(
                    "grad",
                    "Only a leaf made with requires_grad=True holds a gradient.",
                    "Use tg.grad or tg.vjp for the gradient of another tensor.",
                    requires_grad=self.requires_grad,
                )
            )
        if value is not None:
            value = value.detach() if isinstance(value, Tensor) else Tensor(np.array(value))
            if value.shape != self.shape:
                raise ShapeError(
                    explain(
                        "grad",
                        "A gradient has the shape of its tensor.",
                        "Reshape it first.",
                        shape=value.shape,
                        expected=self.shape,
                    )
                )
        self._node.grad = value

    def __repr__(self) -> str:
        if isinstance(self._value, (np.ndarray, np.generic)):
            body = np.array2string(np.asarray(self._value), separator=", ", prefix="tensor(")
        else:
            body = repr(self._value)
        notes = [body]
        if self.dtype not in (np.dtype(float), np.dtype(bool), np.dtype(int), np.dtype(complex)):
            notes.append(f"dtype={self.dtype}")
        if isinstance(self._node, Leaf):
            notes.append("requires_grad=True")
        elif self._node is not None and self._node.primitive is not None:
            notes.append(f"op={self._node.primitive.name}")
        return f"tensor({', '.join(notes)})"

    def __format__(self, spec: str) -> str:
        return (
            format(self._value.item() if self.ndim == 0 else self.numpy(), spec)
            if spec
            else str(self)
        )

    def __str__(self) -> str:
        return repr(self)

    # ---- ways out of the graph -------------------------------------------------------------------

    def numpy(self) -> Array:
        """Return the value as a read-only array, without a copy and without the history."""
        view = (
            np.asarray(self._value).view()
            if isinstance(self._value, np.generic)
            else self._value.view()
        )
        if isinstance(view, np.ndarray):
            view.flags.writeable = False
        return view

    def item(self, *index: Any) -> Any:
        """Return the only entry, or that at an index, as a Python number, without the history."""
        try:
            return self._value.item(*index)
        except (ValueError, IndexError) as error:
            raise (IndexingError if isinstance(error, IndexError) else ShapeError)(
                explain(
                    "item",
                    "A number is the only entry, or one that an index names.",
                    "Name one that there is, as in x.item(0), or use x.tolist() for all.",
                    shape=self.shape,
                    index=index,
                )
            ) from error

    def tolist(self) -> Any:
        """Return the entries as nested lists of Python numbers, without the history."""
        return self._value.tolist()

    def detach(self) -> "Tensor":
        """Return a constant with the same value."""
        return Tensor(self._value)

    def __array__(self, dtype: DTypeLike = None, copy: bool | None = None) -> Array:
        self._refuse(
            "conversion to an array",
            "Use np.stack or np.concatenate for several tensors, x.numpy() for the value.",
        )
        if dtype is None or np.dtype(dtype) == self.dtype:
            return np.array(self._value) if copy else self.numpy()
        return np.asarray(self._value).astype(dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        """Let copy and pickle make a tensor of its own, with a node of its own, and no history."""
        if self._node is not None and not isinstance(self._node, Leaf):
            raise UnsupportedError(
                explain(
                    "copy or pickle",
                    "The history of a recorded tensor stays where it is.",
                    "Use x.copy() within the graph, or x.detach() for the value.",
                    shape=self.shape,
                    requires_grad=True,
                )
            )
        return _remade, (self._value, self.requires_grad, self.grad)

    def __float__(self) -> float:
        self._refuse("float", "Use x.item() for the number, np.sin(x) in place of math.sin(x).")
        return float(self._value)

    def __complex__(self) -> complex:
        self._refuse("complex", "Use x.item() for the number.")
        return complex(self._value)

    def __int__(self) -> int:
        self._refuse("int", "Use int(x.item()) for the number.")
        return int(self._value)

    def __index__(self) -> int:
        if self.dtype.kind not in "iu" or self.ndim:
            raise UnsupportedError(
                explain(
                    "index",
                    "Only a single integer counts, or names a place.",
                    "Use int(x.item()), or x.astype(int) of a tensor that is not recorded.",
                    dtype=str(self.dtype),
                    shape=self.shape,
                )
            )
        return self._value.__index__()

    def __bool__(self) -> bool:
        return bool(self._value)

    def __len__(self) -> int:
        return len(self._value)

    def _refuse(self, conversion: str, remedy: str) -> None:
        if self._node is not None and is_recording():
            raise UnsupportedError(
                explain(
                    conversion,
                    "The conversion of a recorded tensor would silently drop its gradient.",
                    remedy,
                    shape=self.shape,
                    requires_grad=True,
                )
            )


def value_of(x: Any) -> Any:
    """Return the value of a Tensor, and anything else as it is."""
    return x._value if isinstance(x, Tensor) else x


def own(data: ArrayLike, dtype: DTypeLike = None) -> Array:
    """Copy data into an array nobody else can write to; a duck array is copied as what it is."""
    if isinstance(data, Tensor):
        data = data._value
    if hasattr(data, "__array_function__") and not isinstance(data, np.ndarray):
        return data.copy() if dtype is None else data.astype(dtype)
    return np.array(data, dtype=dtype)


def take(arrays: dict[Any, Any], key: Any) -> Array:
    """Remove an array from a dictionary, as one that nobody else can write to.

    It is copied, unless the dictionary had the only reference to it, and it all of its memory.
    """
    x = arrays.pop(key)
    if type(x) is not np.ndarray or not (_ALONE and x.flags.writeable):
        return own(x)
    if sys.getrefcount(x) != _ALONE:
        return own(x)
    memory = x.base  # of a view, as a transpose is one
    if memory is None:
        return x if x.flags.owndata else own(x)
    alone = type(memory) is np.ndarray and sys.getrefcount(memory) == _ALONE + 1
    whole = alone and memory.flags.owndata and memory.nbytes == x.nbytes
    return x if whole and min(x.strides, default=1) > 0 else own(x)


def _remade(value: Array, requires_grad: bool, grad: Tensor | None) -> Tensor:
    made = tensor(value, requires_grad=requires_grad)
    if grad is not None:
        made.grad = grad
    return made


def require_differentiable(
    operation: str,
    dtype: DTypeLike,
    remedy: str = "Pass floats, as in 3.0 or x.astype(float).",
    *,
    name: str = "dtype",
) -> None:
    """Raise unless values of this dtype have derivatives."""
    if dtype.kind not in "fc":
        raise UnsupportedError(
            explain(
                operation,
                "Only floating-point and complex values have a gradient.",
                remedy,
                **{name: str(dtype)},
            )
        )


def tensor(data: ArrayLike, dtype: DTypeLike = None, *, requires_grad: bool = False) -> Tensor:
    """Copy data into a Tensor.

    Parameters
    ----------
    data
        Numbers, nested sequences, arrays or Tensors (whose history is left behind).
    dtype
        The dtype of the result; what NumPy would choose by default.
    requires_grad
        Whether to record what is computed from it, so that ``backward()`` can fill ``.grad``.

    Raises
    ------
    UnsupportedError
        If gradients are asked for of integers or booleans.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """
    value = own(data, dtype)
    if not requires_grad:
        return Tensor(value)
    require_differentiable("tensor", value.dtype)
    return Tensor(value, Leaf(value))
