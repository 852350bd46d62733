"""Other shapes and orders of the same entries."""

from collections.abc import Sequence

import numpy as np

from tensorgrad.array_api.creation import asarray, lifted
from tensorgrad.engine.tensor import Tensor
from tensorgrad.typing import ArrayLike, Axis, Shape

__all__ = [
    "broadcast_arrays",
    "broadcast_to",
    "concat",
    "expand_dims",
    "flip",
    "moveaxis",
    "permute_dims",
    "repeat",
    "reshape",
    "roll",
    "squeeze",
    "stack",
    "take",
    "take_along_axis",
    "tile",
    "unstack",
]


def broadcast_arrays(*arrays: ArrayLike) -> list[Tensor]:
    """Repeat along sides of length 1 until all have one shape; see `numpy.broadcast_arrays`."""
    return list(np.broadcast_arrays(*map(lifted, arrays)))


def broadcast_to(x: ArrayLike, /, shape: Shape) -> Tensor:
    """Repeat along sides of length 1; see `numpy.broadcast_to`."""
    return np.broadcast_to(lifted(x), shape)


def concat(arrays: Sequence[ArrayLike], /, *, axis: int | None = 0) -> Tensor:
    """Join along an axis that there is; see `numpy.concat`."""
    return np.concat(list(map(lifted, arrays)), axis=axis)


def expand_dims(x: ArrayLike, /, axis: int | Shape) -> Tensor:
    """Insert sides of length 1; see `numpy.expand_dims`."""
    return np.expand_dims(lifted(x), axis)


def flip(x: ArrayLike, /, *, axis: Axis = None) -> Tensor:
    """Reverse the order along axes; see `numpy.flip`."""
    return np.flip(lifted(x), axis)


def moveaxis(x: ArrayLike, source: int | Shape, destination: int | Shape, /) -> Tensor:
    """Move axes, and keep the order of the others; see `numpy.moveaxis`."""
    return np.moveaxis(lifted(x), source, destination)


def permute_dims(x: ArrayLike, /, axes: Shape) -> Tensor:
    """Permute the axes; see `numpy.permute_dims`."""
    return np.permute_dims(lifted(x), axes)


def repeat(x: ArrayLike, repeats: ArrayLike, /, *, axis: int | None = None) -> Tensor:
    """Repeat each entry; see `numpy.repeat`."""
    return asarray(np.repeat(lifted(x), repeats, axis))


def reshape(x: ArrayLike, /, shape: Shape, *, copy: bool | None = None) -> Tensor:
    """Arrange the entries in another shape; see `numpy.reshape`."""
    return asarray(np.reshape(lifted(x), shape), copy=copy)


def roll(x: ArrayLike, /, shift: int | Shape, *, axis: Axis = None) -> Tensor:
    """Shift along axes, and in again at the other end; see `numpy.roll`."""
    return np.roll(lifted(x), shift, axis)


def squeeze(x: ArrayLike, /, axis: int | Shape) -> Tensor:
    """Drop sides of length 1; see `numpy.squeeze`."""
    return np.squeeze(lifted(x), axis)


def stack(arrays: Sequence[ArrayLike], /, *, axis: int = 0) -> Tensor:
    """Join along a new axis; see `numpy.stack`."""
    return np.stack(list(map(lifted, arrays)), axis=axis)


def take(x: ArrayLike, indices: ArrayLike, /, *, axis: int | None = None) -> Tensor:
    """Read entries along an axis; see `numpy.take`."""
    return np.take(lifted(x), lifted(indices), axis)


def take_along_axis(x: ArrayLike, indices: ArrayLike, /, *, axis: int = -1) -> Tensor:
    """Read at indices of their own in each line along an axis; see `numpy.take_along_axis`."""
    return np.take_along_axis(lifted(x), lifted(indices), axis)


def tile(x: ArrayLike, repetitions: Shape, /) -> Tensor:
    """Repeat the whole; see `numpy.tile`."""
    return np.tile(lifted(x), repetitions)


def unstack(x: ArrayLike, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """Part along an axis, which goes away; see `numpy.unstack`."""
    return tuple(np.moveaxis(lifted(x), axis, 0))
