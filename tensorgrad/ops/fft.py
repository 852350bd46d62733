"""Fourier transforms: four along one axis, of which all the others are made.

With w = exp(-2 pi i / n), which is a symmetric matrix of powers, the complex transforms

    fft(x)[j] = sum over k of w**(j k) x[k],    ifft(y)[k] = 1/n sum over j of w**(-j k) y[j]

are their own transposes. The real ones keep the m = n // 2 + 1 frequencies from 0 on, of which the
real signal determines the others: rfft computes just these, and irfft adds the others, the
conjugates, again. So each is the transpose of the other, but for a conjugate, the scale, and a
factor of 2 at the frequencies that stand for two.
"""

import operator
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from tensorgrad.engine.declare import composite, linear
from tensorgrad.engine.primitive import Case, Primitive
from tensorgrad.errors import ShapeError, explain
from tensorgrad.ops.dispatch import operand, refuse
from tensorgrad.ops.reductions import one_axis
from tensorgrad.typing import Array, ArrayLike, Axis, Draw, Shape

Norm: TypeAlias = Literal["backward", "ortho", "forward"]
# The direction that the other norm scales: scaled forward, a transform is the inverse of the other
# direction's, unscaled; the orthonormal ones are each other's inverses.
_SWAPPED: dict[Norm, Norm] = {"backward": "forward", "ortho": "ortho", "forward": "backward"}

# ---- primitives: transforms of a whole axis -----------------------------------------------------


def _fft(x: Array, /, *, axis: int, norm: Norm) -> Array:
    return np.fft.fft(x, axis=axis, norm=norm)


def _ifft(x: Array, /, *, axis: int, norm: Norm) -> Array:
    return np.fft.ifft(x, axis=axis, norm=norm)


def _rfft(x: Array, /, *, axis: int, norm: Norm) -> Array:
    return np.fft.rfft(x, axis=axis, norm=norm)


def _irfft(x: Array, /, *, n: int, axis: int, norm: Norm) -> Array:
    return np.fft.irfft(x, n, axis, norm)


def _multiplicity(y: Array, n: int, axis: int) -> Array:
    """Return how many of n frequencies each one that is kept stands for, along an axis of y."""
    counts: Array = np.full(n // 2 + 1, 2.0, np.finfo(y.dtype).dtype)
    counts[0] = 1
    if n % 2 == 0:
        counts[-1] = 1
    return counts.reshape(-1, *(1,) * (y.ndim - 1 - axis))


def _draw_axis(draw: Draw, x: Array) -> dict[str, Any]:
    return {"axis": draw.integer(0, x.ndim - 1), "norm": draw.choice(list(_SWAPPED))}


def _draw_whole(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_ndim=1, min_side=1))
    return (x,), _draw_axis(draw, x)


def _draw_half(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_ndim=1, min_side=1))
    params = _draw_axis(draw, x)
    m = x.shape[params["axis"]]  # which is n // 2 + 1 for two n
    return (x,), {"n": max(1, 2 * m - 2 + draw.boolean()), **params}


fft_: Primitive = linear(
    _fft, lambda g, axis, norm: fft_(g, axis=axis, norm=norm), samples=_draw_whole
)
ifft_: Primitive = linear(
    _ifft, lambda g, axis, norm: ifft_(g, axis=axis, norm=norm), samples=_draw_whole
)
# x[k] = Re(sum of w**(j k) g[j]), which irfft of the conjugate sums as if it were Hermitian
rfft_: Primitive = linear(
    _rfft,
    lambda g, x_shape, axis, norm: irfft_(
        np.conj(g) / _multiplicity(g, x_shape[axis], axis),
        n=x_shape[axis],
        axis=axis,
        norm=_SWAPPED[norm],
    ),
    samples=_draw_whole,
)
irfft_: Primitive = linear(
    _irfft,
    lambda g, n, axis, norm: (
        np.conj(rfft_(g, axis=axis, norm=_SWAPPED[norm])) * _multiplicity(g, n, axis)
    ),
    samples=_draw_half,
    holomorphic=False,
)

# ---- one axis -----------------------------------------------------------------------------------


def _resized(a: Any, n: int, axis: int) -> Any:
    """Crop an axis, or pad it with zeros, to a length."""
    side = a.shape[axis]
    if n < side:
        return a[(slice(None),) * axis + (slice(n),)]
    if n > side:
        return np.pad(a, [(0, n - side if i == axis else 0) for i in range(a.ndim)])
    return a


def _length(function: str, n: int | None, default: int) -> int:
    """Return the length of a transform."""
    n = default if n is None else operator.index(n)
    if n < 1:
        raise ShapeError(
            explain(
                f"np.fft.{function}",
                "The length of a transform is positive.",
                "Pass n, or an axis that is not empty.",
                n=n,
            )
        )
    return n


def _norm(function: str, norm: Norm | None) -> Norm:
    norm = "backward" if norm is None else norm
    if norm not in _SWAPPED:
        raise ShapeError(
            explain(
                f"np.fft.{function}",
                "The norm says which direction is scaled by 1/n, or both by its root.",
                "Pass 'backward' (the default), 'ortho' or 'forward'.",
                norm=norm,
            )
        )
    return norm


def _transform(
    primitive: Primitive, a: ArrayLike, n: int | None, axis: int, norm: Norm | None
) -> Any:
    a, name = operand(a), primitive.name
    axis = one_axis(axis, a.ndim)
    n = _length(name, n, a.shape[axis])
    return primitive(_resized(a, n, axis), axis=axis, norm=_norm(name, norm))


def _draw_length(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_ndim=1, min_side=1))
    axis = draw.integer(-x.ndim, x.ndim - 1)
    norm = draw.choice([None, *_SWAPPED])
    return (x,), {"n": draw.choice([None, draw.integer(1, 6)]), "axis": axis, "norm": norm}


def _draw_half_length(draw: Draw) -> Case:
    (x,), params = _draw_length(draw)
    if params["n"] is None and x.shape[params["axis"]] == 1:
        params["n"] = 1
    return (x,), params


@composite(np.fft.fft, samples=_draw_length)
def fft(
    a: ArrayLike, n: int | None = None, axis: int = -1, norm: Norm | None = None, out: None = None
) -> Any:
    """Transform along an axis, which is cropped or padded with zeros to length n."""
    refuse("np.fft.fft", out=out)
    return _transform(fft_, a, n, axis, norm)


@composite(np.fft.ifft, samples=_draw_length)
def ifft(
    a: ArrayLike, n: int | None = None, axis: int = -1, norm: Norm | None = None, out: None = None
) -> Any:
    """Transform back along an axis, which is cropped or padded with zeros to length n."""
    refuse("np.fft.ifft", out=out)
    return _transform(ifft_, a, n, axis, norm)


@composite(np.fft.rfft, samples=_draw_length)
def rfft(
    a: ArrayLike, n: int | None = None, axis: int = -1, norm: Norm | None = None, out: None = None
) -> Any:
    """Transform real numbers; return the frequencies from 0 to n // 2."""
    refuse("np.fft.rfft", out=out)
    return _transform(rfft_, a, n, axis, norm)


@composite(np.fft.irfft, samples=_draw_half_length)
def irfft(
    a: ArrayLike, n: int | None = None, axis: int = -1, norm: Norm | None = None, out: None = None
) -> Any:
    """Transform the frequencies from 0 to n // 2 back to n real numbers.

    The imaginary parts of the first, and for even n of the last frequency, have no influence.
    """
    refuse("np.fft.irfft", out=out)
    a = operand(a)
    axis = one_axis(axis, a.ndim)
    n = _length("irfft", n, 2 * (a.shape[axis] - 1))
    return irfft_(_resized(a, n // 2 + 1, axis), n=n, axis=axis, norm=_norm("irfft", norm))


@composite(np.fft.hfft, samples=_draw_half_length)
def hfft(
    a: ArrayLike, n: int | None = None, axis: int = -1, norm: Norm | None = None, out: None = None
) -> Any:
    """Transform the first half of a Hermitian signal, whose n frequencies are real."""
    refuse("np.fft.hfft", out=out)
    return np.fft.irfft(np.conj(a), n, axis, _SWAPPED[_norm("hfft", norm)])


@composite(np.fft.ihfft, samples=_draw_length)
def ihfft(
    a: ArrayLike, n: int | None = None, axis: int = -1, norm: Norm | None = None, out: None = None
) -> Any:
    """Transform n real frequencies back to the first half of a Hermitian signal."""
    refuse("np.fft.ihfft", out=out)
    return np.conj(np.fft.rfft(a, n, axis, _SWAPPED[_norm("ihfft", norm)]))


# ---- several axes -------------------------------------------------------------------------------


def _lengths(
    function: str, a: Any, s: Sequence[int | None] | None, axes: Sequence[int] | None
) -> list[tuple[int | None, int]]:
    """Pair each axis with the length of the transform along it; None for its own length.

    Axes may be named twice. Without axes, the lengths are those of the last ones; -1 in place of a
    length is the number of entries along the axis.
    """
    if s is not None:
        s = list(s)
    if axes is None:
        axes = range(-(a.ndim if s is None else len(s)), 0)
    places = [one_axis(axis, a.ndim) for axis in axes]
    if s is None:
        s = [-1] * len(places)
    if len(s) != len(places):
        raise ShapeError(
            explain(
                f"np.fft.{function}",
                "Every axis has one length.",
                "Pass as many lengths as axes, -1 to keep one.",
                s=s,
                axes=axes,
            )
        )
    return [(a.shape[axis] if n == -1 else n, axis) for n, axis in zip(s, places, strict=True)]


def _draw_lengths(draw: Draw, ndim: int, *, half: bool = False) -> Case:
    x = draw.array(draw.shape(min_ndim=ndim, min_side=2 if half else 1))
    axes = draw.permutation(x.ndim)[:2]
    if draw.boolean():
        axes.append(axes[0])  # an axis named twice
    params: dict[str, Any] = {"norm": draw.choice([None, *_SWAPPED])}
    if draw.boolean():
        params["axes"] = tuple(axis - x.ndim * draw.boolean() for axis in axes)
        if draw.boolean():
            params["s"] = [draw.choice([-1, draw.integer(1, 5)]) for _ in axes]
    elif ndim == 2:
        params["s"] = draw.choice([None, (draw.integer(1, 5), -1)])
    return (x,), params


def _several(ndim: int, *, half: bool = False) -> Callable[[Draw], Case]:
    return lambda draw: _draw_lengths(draw, ndim, half=half)


@composite(np.fft.fftn, samples=_several(1))
def fftn(
    a: ArrayLike,
    s: Shape | None = None,
    axes: Sequence[int] | None = None,
    norm: Norm | None = None,
    out: None = None,
) -> Any:
    """Transform along several axes, by default all."""
    refuse("np.fft.fftn", out=out)
    return _along_all(np.fft.fft, "fftn", a, s, axes, norm)


@composite(np.fft.ifftn, samples=_several(1))
def ifftn(
    a: ArrayLike,
    s: Shape | None = None,
    axes: Sequence[int] | None = None,
    norm: Norm | None = None,
    out: None = None,
) -> Any:
    """Transform back along several axes, by default all."""
    refuse("np.fft.ifftn", out=out)
    return _along_all(np.fft.ifft, "ifftn", a, s, axes, norm)


def _along_all(
    transform: Callable[..., Any],
    function: str,
    a: ArrayLike,
    s: Shape | None,
    axes: Sequence[int] | None,
    norm: Norm | None,
) -> Any:
    a = operand(a)
    for n, axis in reversed(_lengths(function, a, s, axes)):
        a = transform(a, n, axis, norm)
    return a


def _real_axis(
    function: str, a: Any, s: Shape | None, axes: Sequence[int] | None
) -> tuple[list[tuple[int | None, int]], tuple[int | None, int]]:
    """Part the complex transforms from the real one, along the last of the axes."""
    lengths = _lengths(function, a, s, axes)
    if not lengths:
        raise ShapeError(
            explain(
                f"np.fft.{function}",
                "The real transform is that of the last axis.",
                "Name at least one.",
                shape=a.shape,
                axes=axes,
            )
        )
    return lengths[:-1], lengths[-1]


@composite(np.fft.rfftn, samples=_several(1))
def rfftn(
    a: ArrayLike,
    s: Shape | None = None,
    axes: Sequence[int] | None = None,
    norm: Norm | None = None,
    out: None = None,
) -> Any:
    """Transform real numbers along several axes; along the last, half of the frequencies remain."""
    refuse("np.fft.rfftn", out=out)
    a = operand(a)
    rest, last = _real_axis("rfftn", a, s, axes)
    a = np.fft.rfft(a, *last, norm)
    for n, axis in reversed(rest):
        a = np.fft.fft(a, n, axis, norm)
    return a


@composite(np.fft.irfftn, samples=_several(1, half=True))
def irfftn(
    a: ArrayLike,
    s: Shape | None = None,
    axes: Sequence[int] | None = None,
    norm: Norm | None = None,
    out: None = None,
) -> Any:
    """Transform back along several axes to real numbers, from half of the frequencies of the last.

    The last side is even, unless s says otherwise.
    """
    refuse("np.fft.irfftn", out=out)
    a = operand(a)
    rest, (n, last) = _real_axis("irfftn", a, s, axes)
    if s is None:
        n = 2 * (a.shape[last] - 1)
    for length, axis in rest:
        a = np.fft.ifft(a, length, axis, norm)
    return np.fft.irfft(a, n, last, norm)


@composite(np.fft.fft2, samples=_several(2))
def fft2(
    a: ArrayLike,
    s: Shape | None = None,
    axes: Sequence[int] | None = (-2, -1),
    norm: Norm | None = None,
    out: None = None,
) -> Any:
    """Transform along two axes."""
    refuse("np.fft.fft2", out=out)
    return np.fft.fftn(a, s, axes, norm)


@composite(np.fft.ifft2, samples=_several(2))
def ifft2(
    a: ArrayLike,
    s: Shape | None = None,
    axes: Sequence[int] | None = (-2, -1),
    norm: Norm | None = None,
    out: None = None,
) -> Any:
    """Transform back along two axes."""
    refuse("np.fft.ifft2", out=out)
    return np.fft.ifftn(a, s, axes, norm)


@composite(np.fft.rfft2, samples=_several(2))
def rfft2(
    a: ArrayLike,
    s: Shape | None = None,
    axes: Sequence[int] | None = (-2, -1),
    norm: Norm | None = None,
    out: None = None,
) -> Any:
    """Transform real numbers along two axes; along the last, half of the frequencies remain."""
    refuse("np.fft.rfft2", out=out)
    return np.fft.rfftn(a, s, axes, norm)


@composite(np.fft.irfft2, samples=_several(2, half=True))
def irfft2(
    a: ArrayLike,
    s: Shape | None = None,
    axes: Sequence[int] | None = (-2, -1),
    norm: Norm | None = None,
    out: None = None,
) -> Any:
    """Transform back along two axes to real numbers, from half of the frequencies of the last."""
    refuse("np.fft.irfft2", out=out)
    return np.fft.irfftn(a, s, axes, norm)


# ---- order --------------------------------------------------------------------------------------


def _draw_shift(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_ndim=1))
    axes = draw.permutation(x.ndim)[:2]
    forms = [None, *axes, axes, tuple(axis - x.ndim for axis in axes), [*axes, *axes]]
    return (x,), {"axes": draw.choice(forms)}


@composite(np.fft.fftshift, samples=_draw_shift)
def fftshift(x: ArrayLike, axes: Axis = None) -> Any:
    """Move frequency 0 to the middle of each axis."""
    return _shifted(x, axes, lambda side: side // 2)


@composite(np.fft.ifftshift, samples=_draw_shift)
def ifftshift(x: ArrayLike, axes: Axis = None) -> Any:
    """Move frequency 0 from the middle of each axis to its beginning."""
    return _shifted(x, axes, lambda side: -(side // 2))


def _shifted(x: ArrayLike, axes: Axis, shift: Callable[[int], int]) -> Any:
    x = operand(x)
    if axes is None:
        axes = tuple(range(x.ndim))
    places = [axes] if isinstance(axes, (int, np.integer)) else list(axes)
    turns = [0] * x.ndim  # an axis may be named twice
    for place in places:
        axis = one_axis(place, x.ndim)
        turns[axis] += shift(x.shape[axis])
    return np.roll(x, turns, range(x.ndim))
