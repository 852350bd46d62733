"""The methods and operators of Tensor. Importing this file puts them on the class.

They are written as a class of their own so that the engine, one layer down, need not know them;
type checkers see it as the base class of Tensor.
"""

import math
import operator
from collections.abc import Iterator, Sequence
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from tensorgrad.engine.backward import backward
from tensorgrad.engine.graph import ancestors
from tensorgrad.engine.node import Leaf, Node
from tensorgrad.engine.space import hidden_axes
from tensorgrad.engine.tensor import Tensor, take
from tensorgrad.errors import GraphError, ShapeError, UnsupportedError, explain
from tensorgrad.ops import elementwise as ew
from tensorgrad.ops.contraction import matmul
from tensorgrad.ops.dispatch import operand
from tensorgrad.ops.indexing import assign, getitem, is_number, setitem, writable_value
from tensorgrad.ops.shape import copy_, ravel, reshape
from tensorgrad.typing import ArrayLike, Axis, DTypeLike, Shape

# the versions of the Array API standard that the package follows
API_VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12")


def seed_like(operation: str, end: Node, seed: ArrayLike | None) -> Any:
    """Return the cotangent to begin with at a node: 1 for a single number, else the seed."""
    if seed is None:
        if math.prod(end.shape) != 1:
            raise ShapeError(
                explain(
                    operation,
                    "The gradient of more than one number needs a seed: the weight of each.",
                    "Pass a seed of that shape, or reduce to one number, as with y.sum().",
                    shape=end.shape,
                )
            )
        return np.ones(end.shape, end.dtype)
    seed = operand(seed)
    if seed.shape != end.shape:
        raise ShapeError(
            explain(
                operation,
                "A seed has the shape of the result.",
                "Broadcast or reshape it.",
                seed_shape=seed.shape,
                shape=end.shape,
            )
        )
    if seed.dtype.kind == "c" and end.dtype.kind != "c":
        raise UnsupportedError(
            explain(
                operation,
                "The seed of a real result is real.",
                "Pass its real part.",
                seed_dtype=str(seed.dtype),
            )
        )
    # at the surface gradients are conjugates of the cotangents inside
    if seed.dtype.kind == "c":
        seed = np.conj(seed)
    return seed.astype(end.dtype, copy=False)


class Methods:  # noqa: PLW1641  # Tensor says that it has no hash
    """What a Tensor can do, by the names of NumPy and, for gradients, of PyTorch."""

    if TYPE_CHECKING:
        shape: Any
        ndim: Any
        dtype: Any

    # ---- gradients ----------------------------------------------------------------------------

    def backward(
        self: Any,
        seed: ArrayLike | None = None,
        *,
        retain_graph: bool = False,
        create_graph: bool = False,
    ) -> None:
        """Add the gradient of this tensor to the ``.grad`` of every leaf it depends on.

        Parameters
        ----------
        seed
            The weight of each entry of this tensor, of its shape; needed unless it is one number.
        retain_graph
            Keep what the graph saved, so that ``backward()`` can be called again.
        create_graph
            Record the computation of the gradients, so that they can be differentiated.

        Raises
        ------
        GraphError
            If nothing recorded this tensor, or its graph was freed.
        ShapeError
            If a seed is needed, or has another shape.

        Examples
        --------
        >>> import tensorgrad as tg
        >>> x = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
        >>> (x**2).backward([1.0, 10.0, 100.0])
        >>> x.grad
        tensor([  2.,  40., 600.])
        """
        node = self._node
        if hidden_axes(self.shape):
            raise GraphError(
                explain(
                    "backward",
                    "Under vmap a tensor stands for many examples, and a leaf holds one gradient.",
                    "Use tg.grad inside, or call backward() of what vmap returns.",
                    shape=tuple(self.shape),
                )
            )
        if node is None:
            raise GraphError(
                explain(
                    "backward",
                    "This tensor depends on no tensor that requires a gradient.",
                    "Make one with tg.tensor(data, requires_grad=True).",
                    shape=self.shape,
                    requires_grad=False,
                )
            )
        if isinstance(seed, Tensor) and not create_graph:
            seed = seed.numpy()
        g = seed_like("backward", node, seed)
        live = set(ancestors([node])) if create_graph else ()
        found = backward([node], [g], live=live, free=not (retain_graph or create_graph))
        for leaf in [node for node in found if isinstance(node, Leaf)]:
            if leaf.dtype.kind == "c":
                found[leaf] = np.conj(found[leaf])
            recorded = isinstance(found[leaf], Tensor)
            gradient = found.pop(leaf) if recorded else Tensor(take(found, leaf))
            leaf.grad = gradient if leaf.grad is None else leaf.grad + gradient

    # ---- operators ----------------------------------------------------------------------------

    def __add__(self, other: ArrayLike) -> Tensor:
        return ew.add(self, other)

    def __radd__(self, other: ArrayLike) -> Tensor:
        return ew.add(other, self)

    def __sub__(self, other: ArrayLike) -> Tensor:
        return ew.subtract(self, other)

    def __rsub__(self, other: ArrayLike) -> Tensor:
        return ew.subtract(other, self)

    def __mul__(self, other: ArrayLike) -> Tensor:
        return ew.multiply(self, other)

    def __rmul__(self, other: ArrayLike) -> Tensor:
        return ew.multiply(other, self)

    def __truediv__(self, other: ArrayLike) -> Tensor:
        return ew.divide(self, other)

    def __rtruediv__(self, other: ArrayLike) -> Tensor:
        return ew.divide(other, self)

    def __pow__(self, other: ArrayLike) -> Tensor:
        return ew.power(self, other)

    def __rpow__(self, other: ArrayLike) -> Tensor:
        return ew.power(other, self)

    def __matmul__(self, other: ArrayLike) -> Tensor:
        return matmul(self, other)

    def __rmatmul__(self, other: ArrayLike) -> Tensor:
        return matmul(other, self)

    def __mod__(self, other: ArrayLike) -> Tensor:
        return ew.remainder(self, other)

    def __rmod__(self, other: ArrayLike) -> Tensor:
        return ew.remainder(other, self)

    def __floordiv__(self, other: ArrayLike) -> Tensor:
        return np.floor_divide(self, other)

    def __rfloordiv__(self, other: ArrayLike) -> Tensor:
        return np.floor_divide(other, self)

    def __divmod__(self, other: ArrayLike) -> tuple[Tensor, Tensor]:
        return ew.divmod(self, other)

    def __rdivmod__(self, other: ArrayLike) -> tuple[Tensor, Tensor]:
        return ew.divmod(other, self)

    def __neg__(self) -> Tensor:
        return ew.negative(self)

    def __pos__(self) -> Tensor:
        return ew.positive(self)

    def __abs__(self) -> Tensor:
        return ew.absolute(self)

    def __invert__(self) -> Tensor:
        return np.invert(self)

    def __and__(self, other: ArrayLike) -> Tensor:
        return np.bitwise_and(self, other)

    def __rand__(self, other: ArrayLike) -> Tensor:
        return np.bitwise_and(other, self)

    def __or__(self, other: ArrayLike) -> Tensor:
        return np.bitwise_or(self, other)

    def __ror__(self, other: ArrayLike) -> Tensor:
        return np.bitwise_or(other, self)

    def __xor__(self, other: ArrayLike) -> Tensor:
        return np.bitwise_xor(self, other)

    def __rxor__(self, other: ArrayLike) -> Tensor:
        return np.bitwise_xor(other, self)

    def __lshift__(self, other: ArrayLike) -> Tensor:
        return np.left_shift(self, other)

    def __rlshift__(self, other: ArrayLike) -> Tensor:
        return np.left_shift(other, self)

    def __rshift__(self, other: ArrayLike) -> Tensor:
        return np.right_shift(self, other)

    def __rrshift__(self, other: ArrayLike) -> Tensor:
        return np.right_shift(other, self)

    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]
        return np.equal(self, other)

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]
        return np.not_equal(self, other)

    def __lt__(self, other: ArrayLike) -> Tensor:
        return np.less(self, other)

    def __le__(self, other: ArrayLike) -> Tensor:
        return np.less_equal(self, other)

    def __gt__(self, other: ArrayLike) -> Tensor:
        return np.greater(self, other)

    def __ge__(self, other: ArrayLike) -> Tensor:
        return np.greater_equal(self, other)

    def _update(self: Any, symbol: str, result: Tensor) -> Tensor:
        """Let the handle stand for a result of the same shape and dtype, as in ``x += y``.

        A number is not changed: as of numbers of Python, ``x`` becomes another.
        """
        if is_number(self):
            return result
        if result.shape != self.shape:
            raise ShapeError(
                explain(
                    symbol,
                    "An update keeps the shape.",
                    "Write x = x + y.",
                    shape=self.shape,
                    result_shape=result.shape,
                )
            )
        if not np.can_cast(result.dtype, self.dtype, "same_kind"):
            raise UnsupportedError(
                explain(
                    symbol,
                    "An update keeps the dtype.",
                    "Write x = x + y.",
                    dtype=str(self.dtype),
                    result_dtype=str(result.dtype),
                )
            )
        result = result if result.dtype == self.dtype else result.astype(self.dtype)
        assign(self, result, symbol)
        return self

    def __iadd__(self, other: ArrayLike) -> Tensor:
        return self._update("+=", ew.add(self, other))

    def __isub__(self, other: ArrayLike) -> Tensor:
        return self._update("-=", ew.subtract(self, other))

    def __imul__(self, other: ArrayLike) -> Tensor:
        return self._update("*=", ew.multiply(self, other))

    def __itruediv__(self, other: ArrayLike) -> Tensor:
        return self._update("/=", ew.divide(self, other))

    def __ipow__(self, other: ArrayLike) -> Tensor:
        return self._update("**=", ew.power(self, other))

    def __imod__(self, other: ArrayLike) -> Tensor:
        return self._update("%=", ew.remainder(self, other))

    def __ifloordiv__(self, other: ArrayLike) -> Tensor:
        return self._update("//=", np.floor_divide(self, other))

    def __imatmul__(self, other: ArrayLike) -> Tensor:
        return self._update("@=", matmul(self, other))

    def __iand__(self, other: ArrayLike) -> Tensor:
        return self._update("&=", np.bitwise_and(self, other))

    def __ior__(self, other: ArrayLike) -> Tensor:
        return self._update("|=", np.bitwise_or(self, other))

    def __ixor__(self, other: ArrayLike) -> Tensor:
        return self._update("^=", np.bitwise_xor(self, other))

    def __ilshift__(self, other: ArrayLike) -> Tensor:
        return self._update("<<=", np.left_shift(self, other))

    def __irshift__(self, other: ArrayLike) -> Tensor:
        return self._update(">>=", np.right_shift(self, other))

    # ---- entries ------------------------------------------------------------------------------

    def __getitem__(self: Any, index: Any) -> Tensor:
        return getitem(self, index)

    def __setitem__(self: Any, index: Any, value: ArrayLike) -> None:
        setitem(self, index, value)

    def __iter__(self: Any) -> Iterator[Tensor]:
        if self.ndim == 0:
            raise UnsupportedError(
                explain(
                    "iteration",
                    "A single number has no axis to go along.",
                    "Use x.item() for the number.",
                    shape=self.shape,
                )
            )
        return (self[i] for i in range(len(self)))

    def fill(self: Any, value: ArrayLike) -> None:
        """Write one value everywhere."""
        setitem(self, ..., writable_value("fill", self, value))

    def take(
        self, indices: ArrayLike, axis: int | None = None, out: None = None, mode: Any = "raise"
    ) -> Tensor:
        """Read entries along an axis; see `numpy.take`."""
        return np.take(self, indices, axis, out, mode)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
        """Read the diagonals; see `numpy.diagonal`."""
        return np.diagonal(self, offset, axis1, axis2)

    def trace(
        self, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: DTypeLike = None
    ) -> Tensor:
        """Sum the diagonals; see `numpy.trace`."""
        return np.trace(self, offset, axis1, axis2, dtype)

    # ---- reductions ---------------------------------------------------------------------------

    def sum(
        self,
        axis: Axis = None,
        dtype: DTypeLike = None,
        out: None = None,
        keepdims: bool = False,
        **kw: Any,
    ) -> Tensor:
        """Sum over axes; see `numpy.sum`."""
        return np.sum(self, axis, dtype, out, keepdims, **kw)

    def prod(
        self,
        axis: Axis = None,
        dtype: DTypeLike = None,
        out: None = None,
        keepdims: bool = False,
        **kw: Any,
    ) -> Tensor:
        """Multiply over axes; see `numpy.prod`."""
        return np.prod(self, axis, dtype, out, keepdims, **kw)

    def mean(
        self,
        axis: Axis = None,
        dtype: DTypeLike = None,
        out: None = None,
        keepdims: bool = False,
        **kw: Any,
    ) -> Tensor:
        """Average over axes; see `numpy.mean`."""
        return np.mean(self, axis, dtype, out, keepdims, **kw)

    def var(
        self,
        axis: Axis = None,
        dtype: DTypeLike = None,
        out: None = None,
        ddof: float = 0,
        keepdims: bool = False,
        **kw: Any,
    ) -> Tensor:
        """Return the variance over axes; see `numpy.var`."""
        return np.var(self, axis, dtype, out, ddof, keepdims, **kw)

    def std(
        self,
        axis: Axis = None,
        dtype: DTypeLike = None,
        out: None = None,
        ddof: float = 0,
        keepdims: bool = False,
        **kw: Any,
    ) -> Tensor:
        """Return the standard deviation over axes; see `numpy.std`."""
        return np.std(self, axis, dtype, out, ddof, keepdims, **kw)

    def max(self, axis: Axis = None, out: None = None, keepdims: bool = False, **kw: Any) -> Tensor:
        """Take the greatest entry over axes; see `numpy.max`."""
        return np.max(self, axis, out, keepdims, **kw)

    def min(self, axis: Axis = None, out: None = None, keepdims: bool = False, **kw: Any) -> Tensor:
        """Take the least entry over axes; see `numpy.min`."""
        return np.min(self, axis, out, keepdims, **kw)

    def cumsum(self, axis: int | None = None, dtype: DTypeLike = None, out: None = None) -> Tensor:
        """Add up along an axis; see `numpy.cumsum`."""
        return np.cumsum(self, axis, dtype, out)

    def cumprod(self, axis: int | None = None, dtype: DTypeLike = None, out: None = None) -> Tensor:
        """Multiply up along an axis; see `numpy.cumprod`."""
        return np.cumprod(self, axis, dtype, out)

    def argmax(
        self, axis: int | None = None, out: None = None, *, keepdims: bool = False
    ) -> Tensor:
        """Return where the greatest entry is; see `numpy.argmax`."""
        return np.argmax(self, axis, out=out, keepdims=keepdims)

    def argmin(
        self, axis: int | None = None, out: None = None, *, keepdims: bool = False
    ) -> Tensor:
        """Return where the least entry is; see `numpy.argmin`."""
        return np.argmin(self, axis, out=out, keepdims=keepdims)

    def sort(
        self: Any,
        axis: int = -1,
        kind: Any = None,
        order: None = None,
        *,
        stable: bool | None = None,
    ) -> None:
        """Put the entries along an axis in order, in place; see `numpy.sort`."""
        assign(self, np.sort(self, operator.index(axis), kind, order, stable=stable), "sort")

    def partition(
        self: Any,
        kth: ArrayLike,
        axis: int = -1,
        kind: Any = "introselect",
        order: None = None,
    ) -> None:
        """Put some entries along an axis where ``sort`` would, in place; see `numpy.partition`."""
        assign(self, np.partition(self, kth, operator.index(axis), kind, order), "partition")

    def argsort(
        self,
        axis: int | None = -1,
        kind: Any = None,
        order: None = None,
        *,
        stable: bool | None = None,
    ) -> Tensor:
        """Return the order that sorts; see `numpy.argsort`."""
        return np.argsort(self, axis, kind, order, stable=stable)

    def argpartition(
        self,
        kth: ArrayLike,
        axis: int | None = -1,
        kind: Any = "introselect",
        order: None = None,
    ) -> Tensor:
        """Return the order that partitions; see `numpy.argpartition`."""
        return np.argpartition(self, kth, axis, kind, order)

    def searchsorted(self: Any, v: ArrayLike, side: Any = "left", sorter: ArrayLike = None) -> Any:
        """Return where entries would keep this row in order; see `numpy.searchsorted`."""
        return np.searchsorted(self, v, side, sorter)

    def choose(
        self: Any, choices: Sequence[ArrayLike], out: None = None, mode: Any = "raise"
    ) -> Tensor:
        """Take each entry from the array that an integer names; see `numpy.choose`."""
        return np.choose(self, choices, out, mode)

    def put(self, indices: ArrayLike, values: ArrayLike, mode: Any = "raise") -> None:
        """Write values to places in the flattened tensor; see `numpy.put`."""
        np.put(self, indices, values, mode)

    def nonzero(self) -> tuple[Any, ...]:
        """Return where entries are not zero; see `numpy.nonzero`."""
        return np.nonzero(self)

    def any(
        self,
        axis: Axis = None,
        out: None = None,
        keepdims: bool = False,
        *,
        where: ArrayLike = True,
    ) -> Tensor:
        """Return whether an entry is not zero; see `numpy.any`."""
        return np.any(self, axis, out=out, keepdims=keepdims, where=where)

    def all(
        self,
        axis: Axis = None,
        out: None = None,
        keepdims: bool = False,
        *,
        where: ArrayLike = True,
    ) -> Tensor:
        """Return whether every entry is not zero; see `numpy.all`."""
        return np.all(self, axis, out=out, keepdims=keepdims, where=where)

    # ---- shape --------------------------------------------------------------------------------

    @property
    def T(self) -> Tensor:
        """The tensor with its axes reversed."""
        return np.transpose(self)

    @property
    def mT(self) -> Tensor:
        """The tensor with its last two axes exchanged."""
        return np.matrix_transpose(self)

    def reshape(self, *shape: Any, order: str = "C", copy: bool | None = None) -> Tensor:
        """Arrange the entries in another shape; see `numpy.reshape`."""
        return reshape(self, shape[0] if len(shape) == 1 else shape, order, copy=copy)

    def transpose(self, *axes: Any) -> Tensor:
        """Permute the axes; see `numpy.transpose`."""
        if not axes:
            return np.transpose(self)
        return np.transpose(
            self, axes[0] if len(axes) == 1 and (axes[0] is None or np.ndim(axes[0])) else axes
        )

    def swapaxes(self, axis1: int, axis2: int) -> Tensor:
        """Exchange two axes; see `numpy.swapaxes`."""
        return np.swapaxes(self, axis1, axis2)

    def ravel(self, order: str = "C") -> Tensor:
        """Lay all entries in one row; see `numpy.ravel`."""
        return ravel(self, order)

    def flatten(self, order: str = "C") -> Tensor:
        """Lay all entries in one row of its own."""
        return copy_(ravel(self, order))

    def squeeze(self, axis: Axis = None) -> Tensor:
        """Drop sides of length 1; see `numpy.squeeze`."""
        return np.squeeze(self, axis)

    def repeat(self: Any, repeats: int | Shape, axis: int | None = None) -> Any:
        """Repeat each entry; see `numpy.repeat`."""
        return np.repeat(self, repeats, axis)

    def compress(self, condition: ArrayLike, axis: int | None = None, out: None = None) -> Tensor:
        """Keep the entries where conditions hold; see `numpy.compress`."""
        return np.compress(condition, self, axis, out)

    def resize(self, *new_shape: Any, refcheck: bool = True) -> None:  # noqa: ARG002
        """Refuse: a tensor keeps its shape."""
        raise UnsupportedError(
            explain(
                "resize",
                "A tensor keeps its shape.",
                "Use np.resize(x, shape), which returns another and repeats the entries.",
                shape=self.shape,
                new_shape=new_shape,
            )
        )

    def copy(self, order: str = "C") -> Tensor:  # noqa: ARG002
        """Return a tensor of its own, which may be written to; the gradient passes through."""
        return copy_(self)

    def astype(
        self,
        dtype: DTypeLike,
        order: str = "K",  # noqa: ARG002
        casting: Any = "unsafe",
        subok: bool = True,  # noqa: ARG002
        copy: bool = True,
    ) -> Tensor:
        """Convert to another dtype; the gradient comes back in this one."""
        if not np.can_cast(self.dtype, dtype, casting):
            raise UnsupportedError(
                explain(
                    "astype",
                    "This conversion is not of the kind that casting allows.",
                    "Pass casting='unsafe'.",
                    dtype=str(self.dtype),
                    to=str(np.dtype(dtype)),
                    casting=casting,
                )
            )
        return ew.astype(self, dtype, copy=copy)

    # ---- arithmetic ---------------------------------------------------------------------------

    @property
    def real(self) -> Tensor:
        """The real part."""
        return np.real(self)

    @property
    def imag(self) -> Tensor:
        """The imaginary part."""
        return np.imag(self)

    def conj(self) -> Tensor:
        """Return the complex conjugate: of a real tensor, as of an array, itself."""
        return np.conjugate(self) if self.dtype.kind == "c" else self  # type: ignore[return-value]

    conjugate = conj

    def dot(self, b: ArrayLike) -> Tensor:
        """Multiply matrices; see `numpy.dot`."""
        return np.dot(self, b)

    def clip(
        self, min: ArrayLike = None, max: ArrayLike = None, out: None = None, **kw: Any
    ) -> Tensor:
        """Limit the values to an interval; see `numpy.clip`."""
        return np.clip(self, min, max, out, **kw)

    def round(self, decimals: int = 0, out: None = None) -> Any:
        """Round to decimals: a constant."""
        return np.round(self, decimals, out=out)

    # ---- the Array API standard ---------------------------------------------------------------

    def __array_namespace__(self, *, api_version: str | None = None) -> ModuleType:
        if api_version not in (None, *API_VERSIONS):
            raise ShapeError(
                explain(
                    "__array_namespace__",
                    f"The versions of the Array API standard are {', '.join(API_VERSIONS)}.",
                    api_version=api_version,
                )
            )
        return import_module("tensorgrad")  # by its name, as it stands above all of its parts

    @property
    def device(self: Any) -> Any:
        """Where the value is stored: ``"cpu"`` for NumPy's arrays."""
        return self._value.device

    def to_device(self: Any, device: Any, /, *, stream: Any = None) -> Tensor:
        """Return this tensor if it is stored there; nothing else is possible."""
        if device != self.device or stream is not None:
            raise UnsupportedError(
                explain(
                    "to_device",
                    "A tensor stays where it is.",
                    "Make another of x.numpy() on that device.",
                    device=device,
                    stream=stream,
                )
            )
        return self

    def __dlpack__(
        self: Any,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: Any = None,
        copy: bool | None = None,
    ) -> Any:
        self._refuse("__dlpack__", "Use x.detach() for the value.")
        value = self.numpy()
        if max_version is None or max_version < (1, 0):
            # the old protocol cannot say that memory is not to be written to, so that what is
            # handed out is a copy, unless the consumer forbids it
            value = np.asarray(self._value)
            copy = copy is not False
        return value.__dlpack__(
            stream=stream, max_version=max_version, dl_device=dl_device, copy=copy
        )

    def __dlpack_device__(self: Any) -> tuple[int, int]:
        return self.numpy().__dlpack_device__()


for name, method in vars(Methods).items():
    if name not in (
        "__module__",
        "__dict__",
        "__weakref__",
        "__doc__",
        "__qualname__",
        "__hash__",
        "__annotations__",
    ):
        setattr(Tensor, name, method)
