"""Discrete Fourier transforms, as the Array API standard has them; see `numpy.fft`."""

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

import numpy as np

from tensorgrad.array_api.creation import lifted
from tensorgrad.array_api.table import named_after
from tensorgrad.engine.tensor import Tensor, tensor
from tensorgrad.typing import ArrayLike, Axis, Device, DTypeLike

__all__ = [
    "fft",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfftn",
    "rfft",
    "rfftfreq",
    "rfftn",
]


# Which way is divided by the number of entries.
Norm: TypeAlias = Literal["backward", "ortho", "forward"]


class AlongOneAxis(Protocol):
    """A transform along one axis, of its first n entries."""

    def __call__(
        self, x: ArrayLike, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward"
    ) -> Tensor:
        """Transform."""


class OverAxes(Protocol):
    """A transform over axes, of the first s entries along each."""

    def __call__(
        self,
        x: ArrayLike,
        /,
        *,
        s: Sequence[int] | None = None,
        axes: Sequence[int] | None = None,
        norm: Norm = "backward",
    ) -> Tensor:
        """Transform."""


def along_one_axis(name: str) -> AlongOneAxis:
    """Take NumPy's transform along one axis."""
    numpy = getattr(np.fft, name)

    def function(
        x: ArrayLike, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward"
    ) -> Tensor:
        return numpy(lifted(x), n, axis, norm)

    return named_after(numpy, name, function)


def over_axes(name: str) -> OverAxes:
    """Take NumPy's transform over axes."""
    numpy = getattr(np.fft, name)

    def function(
        x: ArrayLike,
        /,
        *,
        s: Sequence[int] | None = None,
        axes: Sequence[int] | None = None,
        norm: Norm = "backward",
    ) -> Tensor:
        return numpy(lifted(x), s, axes, norm)

    return named_after(numpy, name, function)


fft = along_one_axis("fft")
hfft = along_one_axis("hfft")
ifft = along_one_axis("ifft")
ihfft = along_one_axis("ihfft")
irfft = along_one_axis("irfft")
rfft = along_one_axis("rfft")

fftn = over_axes("fftn")
ifftn = over_axes("ifftn")
irfftn = over_axes("irfftn")
rfftn = over_axes("rfftn")


def fftfreq(n: int, /, *, d: float = 1.0, dtype: DTypeLike = None, device: Device = None) -> Tensor:
    """Return the frequencies of the entries of a transform; see `numpy.fft.fftfreq`."""
    return tensor(np.fft.fftfreq(n, d, device=device), dtype)


def rfftfreq(
    n: int, /, *, d: float = 1.0, dtype: DTypeLike = None, device: Device = None
) -> Tensor:
    """Return the frequencies of the entries of a real transform; see `numpy.fft.rfftfreq`."""
    return tensor(np.fft.rfftfreq(n, d, device=device), dtype)


def fftshift(x: ArrayLike, /, *, axes: Axis = None) -> Tensor:
    """Move the frequency zero to the middle; see `numpy.fft.fftshift`."""
    return np.fft.fftshift(lifted(x), axes)


def ifftshift(x: ArrayLike, /, *, axes: Axis = None) -> Tensor:
    """Move the frequency zero back to the beginning; see `numpy.fft.ifftshift`."""
    return np.fft.ifftshift(lifted(x), axes)
