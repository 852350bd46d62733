"""New tensors, and NumPy's functions that make an array like another."""

from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite, constant
from tensorgrad.engine.modes import is_recording
from tensorgrad.engine.primitive import Case
from tensorgrad.engine.tensor import Tensor, require_differentiable, tensor
from tensorgrad.ops.dispatch import operand, refuse
from tensorgrad.ops.shape import copy_
from tensorgrad.typing import ArrayLike, Draw, DTypeLike, Shape


def zeros(shape: int | Shape, dtype: DTypeLike = float, *, requires_grad: bool = False) -> Tensor:
    """Return a tensor of zeros.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.zeros((2, 3)).shape
    (2, 3)
    """
    return tensor(np.zeros(shape, dtype), requires_grad=requires_grad)


def ones(shape: int | Shape, dtype: DTypeLike = float, *, requires_grad: bool = False) -> Tensor:
    """Return a tensor of ones.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.ones(2, requires_grad=True)
    tensor([1., 1.], requires_grad=True)
    """
    return tensor(np.ones(shape, dtype), requires_grad=requires_grad)


def full(shape: int | Shape, fill_value: ArrayLike, dtype: DTypeLike = None) -> Tensor:
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
    return tensor(np.full(shape, fill_value, dtype))


def arange(*args: float, dtype: DTypeLike = None) -> Tensor:
    """Return evenly spaced numbers: ``arange(stop)``, ``arange(start, stop, step)``.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.arange(3.0)
    tensor([0., 1., 2.])
    """
    return tensor(np.arange(*args, dtype=dtype))


def linspace(
    start: float, stop: float, num: int = 50, *, endpoint: bool = True, dtype: DTypeLike = None
) -> Tensor:
    """Return ``num`` evenly spaced numbers from start to stop.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.linspace(0, 1, 5)
    tensor([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    return tensor(np.linspace(start, stop, num, endpoint, dtype=dtype))


def eye(n: int, m: int | None = None, k: int = 0, dtype: DTypeLike = float) -> Tensor:
    """Return a matrix with ones on a diagonal.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    return tensor(np.eye(n, m, k, dtype))


def _draw_empty(draw: Draw) -> Case:  # whose entries are not known otherwise
    return (draw.array((0, draw.integer(0, 2))),), {}


constant(np.zeros_like, np.ones_like, steps=False)
constant(np.empty_like, samples=_draw_empty, steps=False)


def _draw_full_like(draw: Draw) -> Case:
    a, value = draw.array((2, 3)), draw.array(draw.choice([(), (3,)]))
    params = draw.choice([{}, {"shape": (3, 3)}])
    return (a, value if np.iscomplexobj(a) or np.isrealobj(value) else value.real.copy()), params


@composite(np.full_like, samples=_draw_full_like)
def full_like(
    a: ArrayLike,
    fill_value: ArrayLike,
    dtype: DTypeLike = None,
    order: str = "K",  # noqa: ARG001  (of no consequence: layouts are not observed)
    subok: bool = True,  # noqa: ARG001
    shape: Shape | None = None,
    *,
    device: str | None = None,
) -> Any:
    """Return a tensor of the shape and dtype of another, filled with a value."""
    refuse("np.full_like", device=device)
    a = operand(a)
    fill_value = operand(fill_value)
    dtype = a.dtype if dtype is None else np.dtype(dtype)
    if isinstance(fill_value, Tensor) and fill_value.requires_grad and is_recording():
        require_differentiable("np.full_like", dtype)
    return copy_(np.broadcast_to(fill_value.astype(dtype), a.shape if shape is None else shape))
