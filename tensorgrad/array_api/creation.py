"""From data to tensors, and tensors like another."""

from typing import Any, Literal

import numpy as np

from tensorgrad.engine.tensor import Tensor, tensor
from tensorgrad.errors import ShapeError, UnsupportedError, explain
from tensorgrad.ops.creation import arange, eye, full, linspace, ones, zeros
from tensorgrad.typing import ArrayLike, Device, DTypeLike, Shape

__all__ = [
    "arange",
    "asarray",
    "empty",
    "empty_like",
    "eye",
    "from_dlpack",
    "full",
    "full_like",
    "linspace",
    "meshgrid",
    "ones",
    "ones_like",
    "tril",
    "triu",
    "zeros",
    "zeros_like",
]


def asarray(
    obj: ArrayLike,
    /,
    *,
    dtype: DTypeLike = None,
    device: Device = None,
    copy: bool | None = None,
) -> Tensor:
    """Return a Tensor as it is, and anything else as a constant Tensor of its own.

    Unlike `tensorgrad.tensor` it keeps the history, also of Tensors inside of lists.

    Parameters
    ----------
    obj
        Numbers, nested sequences, arrays or Tensors.
    dtype
        The dtype of the result; what NumPy would choose by default.
    device
        Only ``"cpu"``.
    copy
        True for a tensor that is not ``obj`` itself. False to forbid a copy, which only a Tensor
        can do without: nobody else may write to the values that gradients are computed from.

    Raises
    ------
    ValueError
        If a copy is needed but forbidden.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> x = tg.tensor(3.0, requires_grad=True)
    >>> y = tg.asarray([x, 2 * x])
    >>> y.sum().backward()
    >>> x.grad
    tensor(3.)
    """
    require_cpu("asarray", device)
    if isinstance(obj, Tensor) and dtype in (None, obj.dtype):
        return obj.copy() if copy else obj
    if copy is False:
        raise ShapeError(
            explain(
                "asarray",
                "Only a Tensor that has the dtype already needs no copy.",
                "Leave copy out.",
                copy=copy,
                obj=type(obj).__name__,
                dtype=dtype,
            )
        )
    if _holds_tensor(obj):
        together = obj if isinstance(obj, Tensor) else np.stack([asarray(item) for item in obj])
        return together if dtype is None else together.astype(dtype)
    return tensor(obj, dtype)


def lifted(x: ArrayLike) -> Any:
    """Return x as a Tensor, to be given to NumPy's functions, whose stubs know of arrays only."""
    return asarray(x)


def _holds_tensor(obj: Any) -> bool:
    return isinstance(obj, Tensor) or (
        isinstance(obj, (list, tuple)) and any(map(_holds_tensor, obj))
    )


def require_cpu(operation: str, device: Device) -> None:
    """Raise for any device but the processor."""
    if device not in (None, "cpu"):
        raise UnsupportedError(
            explain(operation, "Tensors live in main memory.", "Pass 'cpu'.", device=device)
        )


def from_dlpack(x: Any, /, *, device: Device = None, copy: bool | None = None) -> Tensor:
    """Copy an array of another library, by the DLPack protocol; a Tensor is returned as it is.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.from_dlpack(np.ones(2))
    tensor([1., 1.])
    """
    if not isinstance(x, Tensor):
        x = np.from_dlpack(x, device=device)
    return asarray(x, device=device, copy=copy)


def empty(shape: int | Shape, *, dtype: DTypeLike = None, device: Device = None) -> Tensor:
    """Return a tensor whose entries are not set."""
    return tensor(np.empty(shape, dtype, device=device))


def empty_like(x: ArrayLike, /, *, dtype: DTypeLike = None, device: Device = None) -> Tensor:
    """Return a tensor of the shape and dtype of x whose entries are not set."""
    return np.empty_like(lifted(x), dtype, device=device)


def zeros_like(x: ArrayLike, /, *, dtype: DTypeLike = None, device: Device = None) -> Tensor:
    """Return a tensor of zeros of the shape and dtype of x."""
    return np.zeros_like(lifted(x), dtype, device=device)


def ones_like(x: ArrayLike, /, *, dtype: DTypeLike = None, device: Device = None) -> Tensor:
    """Return a tensor of ones of the shape and dtype of x."""
    return np.ones_like(lifted(x), dtype, device=device)


def full_like(
    x: ArrayLike,
    /,
    fill_value: ArrayLike,
    *,
    dtype: DTypeLike = None,
    device: Device = None,
) -> Tensor:
    """Return a tensor of the shape and dtype of x, filled with a value."""
    require_cpu("full_like", device)
    return np.full_like(lifted(x), fill_value, dtype)


def meshgrid(*arrays: ArrayLike, indexing: Literal["xy", "ij"] = "xy") -> list[Tensor]:
    """Return the coordinates of the points of a grid; see `numpy.meshgrid`."""
    return list(np.meshgrid(*map(lifted, arrays), indexing=indexing))


def tril(x: ArrayLike, /, *, k: int = 0) -> Tensor:
    """Return the entries on and below a diagonal, and zeros above it; see `numpy.tril`."""
    return np.tril(lifted(x), k)


def triu(x: ArrayLike, /, *, k: int = 0) -> Tensor:
    """Return the entries on and above a diagonal, and zeros below it; see `numpy.triu`."""
    return np.triu(lifted(x), k)
