"""Back from the places of maxima: max pooling, read in the other direction."""

import math
from typing import Any

import numpy as np

from tensorgrad.conv.geometry import Padding, explicit_pads, per_axis
from tensorgrad.conv.layouts import is_channels_last
from tensorgrad.conv.pooling.layouts import axes_of, restored, spatial_last
from tensorgrad.conv.pooling.max import max_pool
from tensorgrad.conv.pooling.windows import draw_pooling
from tensorgrad.engine.declare import composite
from tensorgrad.engine.primitive import Case
from tensorgrad.engine.space import revealed
from tensorgrad.errors import IndexingError, ShapeError, explain
from tensorgrad.ops.dispatch import constant_value
from tensorgrad.ops.indexing import scatter
from tensorgrad.typing import Array, ArrayLike, Draw, Shape


def _output_sides(
    operation: str,
    sides: Shape,
    kernel_size: int | Shape,
    stride: int | Shape | None,
    padding: Padding,
    output_size: int | Shape | None,
) -> Shape:
    """Return the sides asked for, if pooling takes them to these sides, or the plainest such."""
    n = len(sides)
    kernel = per_axis(operation, "kernel_size", kernel_size, n)
    strides = kernel if stride is None else per_axis(operation, "stride", stride, n)
    pads = explicit_pads(operation, padding, n)
    plain = tuple(
        (i - 1) * s + k - sum(pad)
        for i, s, k, pad in zip(sides, strides, kernel, pads, strict=True)
    )
    asked = plain if output_size is None else per_axis(operation, "output_size", output_size, n)
    if (
        any(abs(a - b) >= s for a, b, s in zip(asked, plain, strides, strict=True))
        or min(asked) < 1
    ):
        raise ShapeError(
            explain(
                operation,
                "A side of the result is positive, and differs from (side - 1) * stride "
                "+ kernel_size - low - high by less than the stride.",
                "Pass as output_size the spatial sides that were pooled.",
                sides=sides,
                kernel_size=kernel,
                stride=strides,
                padding=pads,
                output_size=asked,
            )
        )
    return asked


def _max_unpool(
    operation: str,
    n: int | None,
    x: ArrayLike,
    indices: ArrayLike,
    kernel_size: int | Shape,
    stride: int | Shape | None,
    padding: Padding,
    output_size: int | Shape | None,
    layout: str,
) -> Any:
    x, n = spatial_last(operation, x, layout, n)
    indices, _ = spatial_last(operation, constant_value(indices), layout, n)
    lead = x.shape[:-n]
    out = _output_sides(operation, x.shape[-n:], kernel_size, stride, padding, output_size)
    if indices.shape != x.shape or indices.dtype.kind not in "iu":
        raise ShapeError(
            explain(
                operation,
                "There is one index, an integer, for each entry of x.",
                "Pass those that max_pool returns with return_indices=True.",
                x_shape=x.shape,
                indices_shape=indices.shape,
                indices_dtype=str(indices.dtype),
            )
        )
    images, entries = math.prod(lead), math.prod(out)
    bare = revealed(indices)
    if bare.size and (bare.min() < 0 or bare.max() >= entries):
        raise IndexingError(
            explain(
                operation,
                "An index is the number of an entry among those of all spatial axes.",
                "Pass as output_size the spatial sides that were pooled.",
                least=bare.min(),
                greatest=bare.max(),
                output_size=out,
            )
        )
    # one row for all images, those of each after those of the one before
    places = np.reshape(indices, (images, x.size // max(images, 1)))
    places = np.reshape(places + entries * np.arange(images)[:, np.newaxis], (x.size,))
    y = scatter(np.reshape(x, (x.size,)), index=(places,), shape=(images * entries,))
    return restored(np.reshape(y, lead + out), layout, n)


def _draw_unpool(draw: Draw) -> Case:
    shape, params = draw_pooling(draw)
    params |= {"dilation": 1, "ceil_mode": False}
    entries: Array = np.arange(math.prod(shape)) * 7 % 11
    y, indices = max_pool(entries.reshape(shape), **params, return_indices=True)
    kept = {name: params[name] for name in ("kernel_size", "stride", "padding", "layout")}
    n = len(params["kernel_size"])
    sides = shape[-n - 1 : -1] if is_channels_last(params["layout"]) else shape[-n:]
    return (draw.array(y.shape), indices), {**kept, "output_size": sides}


def _unpool_by_entries(
    x: Array, indices: Array, *, output_size: Shape, layout: str, **_: Any
) -> Array:
    x, n = spatial_last("max_unpool", x, layout, len(output_size))
    indices, _n = spatial_last("max_unpool", indices, layout, n)
    y: Array = np.zeros((*x.shape[:-n], *output_size), x.dtype)
    index: Any
    for place, index in np.ndenumerate(indices):
        y[place[:-n] + np.unravel_index(index, output_size)] += x[place]
    return restored(y, layout, n)


@composite(name="max_unpool", samples=_draw_unpool, reference=_unpool_by_entries)
def max_unpool(
    x: ArrayLike,
    indices: ArrayLike,
    *,
    kernel_size: int | Shape,
    stride: int | Shape | None = None,
    padding: Padding = 0,
    output_size: int | Shape | None = None,
    layout: str = "NC*",
) -> Any:
    r"""Put entries where `max_pool` found its maxima, and zeros everywhere else.

    Entries with the same index, as overlapping windows may have, are added up: so the result is
    linear in x, whatever the indices.

    Parameters
    ----------
    x : (N, C, \*J), or (N, \*J, C) with channels last
    indices : the integers that `max_pool` returns with ``return_indices=True``
    kernel_size, stride, padding, layout
        As they were given to `max_pool`; padding in numbers.
    output_size
        The spatial sides of the result; by default (side - 1) * stride + kernel_size - low - high,
        of the sides that pooling takes to those of x the one that leaves nothing over.

    Returns
    -------
    (N, C, \*J), or (N, \*J, C): an array given an array, a Tensor given a Tensor.

    Raises
    ------
    ShapeError
        If x and indices differ in shape, or pooling does not take output_size to it.
    IndexingError
        If an index is beyond the result.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> y, indices = tg.max_pool([[[1.0, 3.0, 2.0, 0.0]]], kernel_size=2, return_indices=True)
    >>> indices.tolist()
    [[[1, 2]]]
    >>> tg.max_unpool(10 * y, indices, kernel_size=2).tolist()
    [[[0.0, 30.0, 20.0, 0.0]]]
    """
    return _max_unpool(
        "max_unpool",
        axes_of(kernel_size),
        x,
        indices,
        kernel_size,
        stride,
        padding,
        output_size,
        layout,
    )


def max_unpool1d(
    x: ArrayLike,
    indices: ArrayLike,
    *,
    kernel_size: int | Shape,
    stride: int | Shape | None = None,
    padding: Padding = 0,
    output_size: int | Shape | None = None,
    layout: str = "NCW",
) -> Any:
    """Put entries where `max_pool1d` found its maxima over one spatial axis; see `max_unpool`.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.max_unpool1d([[3.0, 2.0]], [[1, 2]], kernel_size=2).tolist()
    [[0.0, 3.0, 2.0, 0.0]]
    """
    return _max_unpool(
        "max_unpool1d", 1, x, indices, kernel_size, stride, padding, output_size, layout
    )


def max_unpool2d(
    x: ArrayLike,
    indices: ArrayLike,
    *,
    kernel_size: int | Shape,
    stride: int | Shape | None = None,
    padding: Padding = 0,
    output_size: int | Shape | None = None,
    layout: str = "NCHW",
) -> Any:
    """Put entries where `max_pool2d` found its maxima over two spatial axes; see `max_unpool`.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.max_unpool2d([[[3.0]]], [[[2]]], kernel_size=2).tolist()
    [[[0.0, 0.0], [3.0, 0.0]]]
    """
    return _max_unpool(
        "max_unpool2d", 2, x, indices, kernel_size, stride, padding, output_size, layout
    )


def max_unpool3d(
    x: ArrayLike,
    indices: ArrayLike,
    *,
    kernel_size: int | Shape,
    stride: int | Shape | None = None,
    padding: Padding = 0,
    output_size: int | Shape | None = None,
    layout: str = "NCDHW",
) -> Any:
    """Put entries where `max_pool3d` found its maxima over three spatial axes; see `max_unpool`.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.max_unpool3d([[[[3.0]]]], [[[[2]]]], kernel_size=(1, 2, 2)).tolist()
    [[[[0.0, 0.0], [3.0, 0.0]]]]
    """
    return _max_unpool(
        "max_unpool3d", 3, x, indices, kernel_size, stride, padding, output_size, layout
    )
