"""New tensors, and NumPy's functions that make an array like another."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite, constant
from tensorgrad.engine.modes import is_recording
from tensorgrad.engine.primitive import Case
from tensorgrad.engine.tensor import Tensor, require_differentiable, tensor
from tensorgrad.errors import ShapeError, explain
from tensorgrad.ops.dispatch import operand, refuse
from tensorgrad.ops.indexing import castable
from tensorgrad.ops.joining import stacked
from tensorgrad.ops.shape import copy_, draw_one
from tensorgrad.typing import ArrayLike, Device, Draw, DTypeLike, Shape


def zeros(
    shape: int | Shape,
    dtype: DTypeLike = None,
    *,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of zeros.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.zeros((2, 3)).shape
    (2, 3)
    """
    return tensor(np.zeros(shape, dtype, device=device), requires_grad=requires_grad)


def ones(
    shape: int | Shape,
    dtype: DTypeLike = None,
    *,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of ones.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.ones(2, requires_grad=True)
    tensor([1., 1.], requires_grad=True)
    """
    return tensor(np.ones(shape, dtype, device=device), requires_grad=requires_grad)


def full(
    shape: int | Shape,
    fill_value: ArrayLike,
    dtype: DTypeLike = None,
    *,
    device: Device = None,
) -> Tensor:
    """Return a tensor filled with a value, which may be a Tensor, and then is differentiated.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.full((2, 2), 0.5)
    tensor([[0.5, 0.5],
            [0.5, 0.5]])
    """
    if isinstance(fill_value, Tensor):
        value = fill_value if dtype is None else fill_value.astype(dtype)
        return copy_(np.broadcast_to(value, shape))
    return tensor(np.full(shape, fill_value, dtype, device=device))


def arange(
    start: float,
    /,
    stop: float | None = None,
    step: float = 1,
    *,
    dtype: DTypeLike = None,
    device: Device = None,
) -> Tensor:
    """Return evenly spaced numbers: ``arange(stop)``, ``arange(start, stop, step)``.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.arange(3.0)
    tensor([0., 1., 2.])
    """
    return tensor(np.arange(start, stop, step, dtype=dtype, device=device))


def linspace(
    start: float,
    stop: float,
    num: int = 50,
    *,
    endpoint: bool = True,
    dtype: DTypeLike = None,
    device: Device = None,
) -> Tensor:
    """Return ``num`` evenly spaced numbers from start to stop, which may be Tensors.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.linspace(0, 1, 5)
    tensor([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    numbers = np.linspace(start, stop, num, endpoint, dtype=dtype, device=device)
    return numbers if isinstance(numbers, Tensor) else Tensor(numbers)


def eye(
    n: int,
    m: int | None = None,
    k: int = 0,
    dtype: DTypeLike = None,
    *,
    device: Device = None,
) -> Tensor:
    """Return a matrix with ones on a diagonal.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    return tensor(np.eye(n, m, k, dtype, device=device))


def _draw_empty(draw: Draw) -> Case:  # whose entries are not known otherwise
    return (draw.array((0, draw.integer(0, 2))),), {}


def _draw_side(draw: Draw) -> Case:
    return (draw.integer(0, 3),), {}


def _draw_no_entries(draw: Draw) -> Case:
    return ((0, draw.integer(0, 2)),), {}


constant(np.zeros_like, np.ones_like, steps=False)
constant(np.empty_like, samples=_draw_empty, steps=False)
# these arrive here by like=tensor, and make tensors
constant(np.zeros, np.ones, np.eye, np.identity, np.tri, samples=_draw_side, steps=False)
constant(np.empty, samples=_draw_no_entries, steps=False)


def _draw_full_like(draw: Draw) -> Case:
    a, value = draw.array((2, 3)), draw.array(draw.choice([(), (3,)]))
    params = draw.choice([{}, {"shape": (3, 3)}])
    return (a, castable(value, a)), params


@composite(np.full_like, samples=_draw_full_like)
def full_like(
    a: ArrayLike,
    fill_value: ArrayLike,
    dtype: DTypeLike = None,
    order: str = "K",  # noqa: ARG001  (of no consequence: layouts are not observed)
    subok: bool = True,  # noqa: ARG001
    shape: Shape | None = None,
    *,
    device: Device = None,
) -> Any:
    """Return a tensor of the shape and dtype of another, filled with a value."""
    refuse("np.full_like", device=device)
    a = operand(a)
    fill_value = operand(fill_value)
    if isinstance(a, Tensor) and not isinstance(fill_value, Tensor):
        fill_value = Tensor(fill_value)
    dtype = a.dtype if dtype is None else np.dtype(dtype)
    if isinstance(fill_value, Tensor) and fill_value.requires_grad and is_recording():
        require_differentiable("np.full_like", dtype)
    return copy_(np.broadcast_to(fill_value.astype(dtype), a.shape if shape is None else shape))


def _draw_full(draw: Draw) -> Case:
    return (draw.choice([3, (2, 3)]), draw.array(draw.choice([(), (3,)]))), {}


@composite(np.full, samples=_draw_full, name="numpy.full")
def full_by_like(
    shape: int | Shape,
    fill_value: ArrayLike,
    dtype: DTypeLike = None,
    order: str = "C",  # noqa: ARG001
    *,
    device: Device = None,
    like: ArrayLike = None,  # noqa: ARG001  (a tensor: it brought the call here)
) -> Any:
    """Return a tensor filled with a value."""
    refuse("np.full", device=device)
    return full(shape, stacked(fill_value), dtype)


def _draw_array(draw: Draw) -> Case:
    shape = draw.shape(max_ndim=2)
    object = draw.choice([draw.array(shape), [draw.array(shape), draw.array(shape)]])
    return (object,), {"copy": draw.choice([True, None]), "ndmin": draw.integer(0, 4)}


@composite(np.array, samples=_draw_array)
def array(
    object: ArrayLike,
    dtype: DTypeLike = None,
    *,
    copy: bool | None = True,
    order: str = "K",  # noqa: ARG001
    subok: bool = False,  # noqa: ARG001
    ndmin: int = 0,
    ndmax: int = 0,
    like: ArrayLike = None,  # noqa: ARG001
) -> Any:
    """Return a tensor, of numbers and Tensors in nested lists."""
    refuse("np.array", ndmax=ndmax or None)
    x = stacked(object)
    x = x if isinstance(x, Tensor) else Tensor(np.array(x))
    x = x if dtype is None or x.dtype == dtype else x.astype(dtype)
    if x.ndim < ndmin:
        x = np.reshape(x, (1,) * (ndmin - x.ndim) + x.shape)
    if copy is False and x is not object:
        rule = "Here a copy cannot be avoided."
        raise ShapeError(explain("np.array", rule, "Pass copy=None.", copy=copy))
    return copy_(x) if copy else x


def _draw_asarray(draw: Draw) -> Case:
    return (draw.array(draw.shape()),), {"copy": draw.choice([True, None])}


@composite(np.asarray, samples=_draw_asarray)
def asarray(
    a: ArrayLike,
    dtype: DTypeLike = None,
    order: str | None = None,  # noqa: ARG001
    *,
    device: Device = None,
    copy: bool | None = None,
    like: ArrayLike = None,  # noqa: ARG001
) -> Any:
    """Return a tensor, the same one if it is one."""
    refuse("np.asarray", device=device)
    return array(a, dtype, copy=copy)


@composite(np.asanyarray, samples=_draw_asarray)
def asanyarray(
    a: ArrayLike,
    dtype: DTypeLike = None,
    order: str | None = None,  # noqa: ARG001
    *,
    device: str | None = None,
    copy: bool | None = None,
    like: ArrayLike = None,  # noqa: ARG001
) -> Any:
    """Return a tensor, the same one if it is one."""
    refuse("np.asanyarray", device=device)
    return array(a, dtype, copy=copy)


@composite(
    np.ascontiguousarray,
    np.asfortranarray,
    samples=draw_one,
)
def ascontiguousarray(a: ArrayLike, dtype: DTypeLike = None, *, like: ArrayLike = None) -> Any:  # noqa: ARG001
    """Return a tensor of one axis or more. How it lies in memory is not promised."""
    return array(a, dtype, copy=None, ndmin=1)


def _draw_require(draw: Draw) -> Case:
    return (draw.array(draw.shape()),), {"requirements": draw.choice([None, "W", ["C", "O"]])}


@composite(np.require, samples=_draw_require)
def require(
    a: ArrayLike,
    dtype: DTypeLike = None,
    requirements: str | Sequence[str] | None = None,
    *,
    like: ArrayLike = None,  # noqa: ARG001
) -> Any:
    """Return a tensor, of its own if anything is required of it."""
    return array(a, dtype, copy=True if requirements else None)
