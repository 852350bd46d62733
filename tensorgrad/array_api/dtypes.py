"""Data types, which are NumPy's, and the functions that compute with them."""

from builtins import bool as boolean
from typing import Any

import numpy as np
from numpy import (
    bool,
    complex64,
    complex128,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    isdtype,
    uint8,
    uint16,
    uint32,
    uint64,
)

from tensorgrad.array_api.creation import asarray, require_cpu
from tensorgrad.engine.tensor import Tensor
from tensorgrad.typing import ArrayLike, Device, DTypeLike

__all__ = [
    "astype",
    "bool",
    "can_cast",
    "complex64",
    "complex128",
    "finfo",
    "float32",
    "float64",
    "iinfo",
    "int8",
    "int16",
    "int32",
    "int64",
    "isdtype",
    "result_type",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
]


def astype(
    x: ArrayLike, dtype: DTypeLike, /, *, copy: boolean = True, device: Device = None
) -> Tensor:
    """Convert to another dtype; the gradient comes back in this one."""
    require_cpu("astype", device)
    return asarray(x).astype(dtype, copy=copy)


def can_cast(from_: DTypeLike | Tensor, to: DTypeLike, /) -> boolean:
    """Say whether values of one dtype fit into another; see `numpy.can_cast`."""
    return np.can_cast(_dtype(from_), to)


def finfo(type: DTypeLike | Tensor, /) -> Any:
    """Return the limits of a dtype of floating-point numbers; see `numpy.finfo`."""
    return np.finfo(_dtype(type))


def iinfo(type: DTypeLike | Tensor, /) -> Any:
    """Return the limits of a dtype of integers; see `numpy.iinfo`."""
    return np.iinfo(_dtype(type))


def result_type(*arrays_and_dtypes: ArrayLike | DTypeLike) -> DTypeLike:
    """Return the dtype of what is computed from them together; see `numpy.result_type`."""
    return np.result_type(*map(_dtype, arrays_and_dtypes))


def _dtype(x: Any) -> Any:
    return x.dtype if isinstance(x, Tensor) else x
