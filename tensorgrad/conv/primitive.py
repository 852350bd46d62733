"""The one convolution: n-dimensional, and closed under differentiation.

``conv(x, w)`` is the cross-correlation that deep-learning libraries call convolution,

    (n, g c, *i) * (g o, c, *k) -> (n, g o, *j),

of an input dilated by ``input_dilation`` and padded, with a kernel dilated by ``dilation``, at
every ``stride``-th position, in ``groups`` of channels that do not mix. It is bilinear, and each of
its two transposes is again such a convolution, of the output gradient with the argument that is
held: so derivatives of every order and mode are members of the family.
"""

from functools import lru_cache
from itertools import count
from math import prod

import numpy as np

from tensorgrad.conv.choose import convolve
from tensorgrad.conv.geometry import Geometry, dilated, remainder
from tensorgrad.conv.kernels.sums import channel_sums
from tensorgrad.conv.kernels.taps import conv_by_taps
from tensorgrad.engine.declare import bilinear, general
from tensorgrad.engine.primitive import Case
from tensorgrad.typing import Array, Draw, Shape


def _conv(x: Array, w: Array, /, *, geometry: Geometry, algorithm: str) -> Array:
    if type(x) is type(w) is np.ndarray:
        return convolve(x, w, geometry, algorithm=algorithm)
    duck = next((a for a in (x, w) if not isinstance(a, np.ndarray)), None)
    if duck is not None:  # it may have a way of its own
        params = {"geometry": geometry, "algorithm": algorithm}
        y = duck.__array_function__(_conv, (type(duck),), (x, w), params)
        return conv_by_taps(x, w, geometry) if y is NotImplemented else y
    return convolve(x, w, geometry, algorithm=algorithm)


def _conv_bias(x: Array, w: Array, b: Array, /, *, geometry: Geometry, algorithm: str) -> Array:
    alike = type(x) is type(w) is type(b) is np.ndarray and x.dtype == w.dtype == b.dtype
    if not alike and not _is_narrow(b, x, w):
        return _conv(x, w, geometry=geometry, algorithm=algorithm) + _column(b, x.ndim)
    return convolve(x, w, geometry, b, algorithm=algorithm)


def _is_narrow(b: Array, x: Array, w: Array) -> bool:
    """Whether all are arrays, and the bias does not widen the type of the result."""
    arrays = all(isinstance(a, np.ndarray) for a in (x, w, b))
    return arrays and np.result_type(x, w) == np.result_type(x, w, b)


def _column(b: Array, ndim: int) -> Array:
    """(o,) -> (o, 1, 1), to be added to (n, o, *j)."""
    return np.reshape(b, (-1, *(1,) * (ndim - 2)))


def transposed_kernel(w: Array, groups: int) -> Array:
    """Mirror the kernel, and exchange its channels: (g o, c, *k) -> (g c, o, *k)."""
    w = _mirrored(w)
    if groups == 1:
        return _swapped(w)
    o, c = w.shape[0] // groups, w.shape[1]
    w = np.swapaxes(np.reshape(w, (groups, o, c, *w.shape[2:])), 1, 2)
    return np.reshape(w, (groups * c, o, *w.shape[3:]))


def _mirrored(w: Array) -> Array:
    if type(w) is np.ndarray:
        return w[_MIRROR[w.ndim]]  # as np.flip does, in a fifth of the time
    return np.flip(w, tuple(range(2, w.ndim)))


def _swapped(x: Array) -> Array:
    return x.swapaxes(0, 1) if type(x) is np.ndarray else np.swapaxes(x, 0, 1)


_MIRROR = {n: (..., *(slice(None, None, -1),) * (n - 2)) for n in range(2, 33)}


@lru_cache(maxsize=4096)
def geometry_by_input(geometry: Geometry, sides: Shape, kernel: Shape, out: Shape) -> Geometry:
    """Return where the kernel goes over the output gradient, which is dilated by the stride.

    The padding is what the kernel reaches beyond that of the input: k' - 1 - low at the low side,
    k' - 1 - high at the high one, and there also the remainder of the stride, which no window met
    and which gets no gradient.
    """
    stride, padding, input_dilation, dilation, groups = geometry
    pads = tuple(
        (dilated(k, d) - 1 - p[0], dilated(k, d) - 1 - p[1] + remainder(i, k, o, s, p, a, d))
        for i, k, o, s, p, a, d in zip(
            sides, kernel, out, stride, padding, input_dilation, dilation, strict=True
        )
    )
    return Geometry(input_dilation, pads, stride, dilation, groups)


@lru_cache(maxsize=4096)
def geometry_by_kernel(geometry: Geometry, sides: Shape, kernel: Shape, out: Shape) -> Geometry:
    """Return where the output gradient, dilated by the stride, goes over the input.

    The padding is without the remainder of the stride, which no window met.
    """
    stride, padding, input_dilation, dilation, groups = geometry
    pads = tuple(
        (p[0], p[1] - remainder(i, k, o, s, p, a, d))
        for i, k, o, s, p, a, d in zip(
            sides, kernel, out, stride, padding, input_dilation, dilation, strict=True
        )
    )
    return Geometry(dilation, pads, input_dilation, stride, groups)


def wrt_input(g: Array, w: Array, x_shape: Shape, geometry: Geometry, algorithm: str) -> Array:
    """Return the gradient by x: g dilated by the stride, padded, * the mirrored kernel."""
    return conv(
        g,
        transposed_kernel(w, geometry.groups),
        geometry=geometry_by_input(geometry, x_shape[2:], w.shape[2:], g.shape[2:]),
        algorithm=algorithm,
    )


def wrt_kernel(g: Array, x: Array, w_shape: Shape, geometry: Geometry, algorithm: str) -> Array:
    """Return the gradient by w: the input * the output gradient.

    Batch and channels change places, so that the sum goes over the images; so do stride and
    dilation. The remainder of the stride is cropped.
    """
    sides, kernel, out = x.shape[2:], w_shape[2:], g.shape[2:]
    geometry = geometry_by_kernel(geometry, sides, kernel, out)
    groups = geometry.groups
    if groups == 1:
        w = conv(_swapped(x), _swapped(g), geometry=geometry, algorithm=algorithm)
        return _swapped(w)  # (c, o, *k) -> (o, c, *k)
    n, c, o = x.shape[0], w_shape[1], w_shape[0]
    apart = 0 < n * prod(w_shape) <= prod(x.shape)
    if apart:  # image by image, as groups of their own: nothing is laid out anew
        images = np.swapaxes(np.reshape(x, (n * groups, c, *sides)), 0, 1)
        gradients = np.reshape(g, (n * o, 1, *out))
        geometry = geometry._replace(groups=n * groups)
    else:
        # (n, g c, *i) -> (c, g n, *i), (n, g o, *j) -> (g o, n, *j)
        images = np.moveaxis(np.reshape(x, (n, groups, c, *sides)), 2, 0)
        images = np.reshape(np.swapaxes(images, 1, 2), (c, groups * n, *sides))
        gradients = np.swapaxes(g, 0, 1)
    w = conv(images, gradients, geometry=geometry, algorithm=algorithm)
    if apart:  # (c, n g o, *k) -> (c, g o, *k)
        w = np.sum(np.reshape(w, (c, n, o, *kernel)), 1)
    return _swapped(w)  # (c, g o, *k) -> (g o, c, *k)


def draw_conv(draw: Draw) -> Case:
    """Draw a convolution of 1 to 3 axes, with different parameters along each.

    Sides are made from what a kernel meets: the stride often leaves a remainder, and the kernel may
    be as large as the padded input.
    """
    n = draw.choice([1, 2, 2, 3])
    groups, c, o = draw.choice([1, 2]), draw.integer(1, 2), draw.integer(1, 2)
    axes = range(n)
    kernel = tuple(draw.integer(1, 3) for _ in axes)
    stride = tuple(draw.choice([1, 2, 3, 2, 3]) for _ in axes)
    dilation = tuple(draw.integer(1, 3) for _ in axes)
    input_dilation = tuple(draw.choice([1, 1, 2]) for _ in axes)
    padding = tuple((draw.integer(-1, 3), draw.integer(-1, 3)) for _ in axes)
    sides = []
    for k, s, d, a, pads in zip(kernel, stride, dilation, input_dilation, padding, strict=True):
        met = padded_side(draw, dilated(k, d), s)
        cropped = max(-pads[0], 0) + max(-pads[1], 0)
        sides.append(next(i for i in count(cropped + 1) if dilated(i, a) + sum(pads) >= met))
    x = draw.array((draw.choice([1, 2, 1, 2, 0]), groups * c, *sides))
    w = draw.array((groups * o, c, *kernel))
    return (x, w), {
        "geometry": Geometry(stride, padding, input_dilation, dilation, groups),
        "algorithm": draw.choice(["auto", "direct"]),
    }


def padded_side(draw: Draw, span: int, stride: int) -> int:
    """Draw a side that a kernel of this span fits into once to three times, and a remainder."""
    return span + draw.integer(0, 2) * stride + draw.integer(0, stride - 1)


def _reference(x: Array, w: Array, *, geometry: Geometry, algorithm: str) -> Array:  # noqa: ARG001
    return conv_by_taps(x, w, geometry)


conv = bilinear(_conv, wrt_input, wrt_kernel, samples=draw_conv, reference=_reference)


def _draw_biased(draw: Draw) -> Case:
    (x, w), params = draw_conv(draw)
    return (x, w, draw.array(w.shape[:1])), params


conv_bias = general(
    _conv_bias,
    (
        wrt_input,
        wrt_kernel,
        lambda g: channel_sums(g),
    ),
    (
        lambda t, w, **params: conv(t, w, **params),
        lambda t, x, **params: conv(x, t, **params),
        lambda t, x_shape: _column(t, len(x_shape)),
    ),
    samples=_draw_biased,
    reference=lambda x, w, b, **params: _reference(x, w, **params) + _column(b, x.ndim),
)
