"""Sums over windows, averages, and roots of averaged powers."""

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from tensorgrad.conv.geometry import Padding, positive_integer
from tensorgrad.conv.pooling.layouts import axes_of, restored, spatial_last
from tensorgrad.conv.pooling.windows import (
    Taps,
    draw_pooling,
    draw_taps,
    met_by_windows,
    windows_over,
)
from tensorgrad.engine.declare import composite, linear
from tensorgrad.engine.primitive import Case, Primitive
from tensorgrad.errors import ShapeError, explain
from tensorgrad.ops.dispatch import constant_value
from tensorgrad.ops.elementwise import singular_where
from tensorgrad.ops.reductions import root
from tensorgrad.typing import POSITIVE, Array, ArrayLike, Draw, Shape

# ---- the primitive ------------------------------------------------------------------------------


def _window_sum(x: Array, /, *, taps: tuple[Taps, ...]) -> Array:
    """Add up what each window meets, along one of the last axes after the other."""
    for axis, along in enumerate(taps, -len(taps)):
        place = x.ndim + axis
        y: Array = np.zeros_like(x, shape=(*x.shape[:place], along.windows, *x.shape[place + 1 :]))
        for windows, entries in along.along(axis):
            y[windows] += x[entries]
        x = y
    return x


def _draw_window_sum(draw: Draw) -> Case:
    shape, taps = draw_taps(draw)
    if draw.boolean():
        shape = (*shape[: -len(taps)], *(along.windows for along in taps))
        taps = tuple(along.transposed for along in taps)
    return (draw.array(shape),), {"taps": taps}


def _sum_by_windows(x: Array, /, *, taps: tuple[Taps, ...]) -> Array:
    lead = x.shape[: -len(taps)]
    y: Array = np.zeros((*lead, *(along.windows for along in taps)), x.dtype)
    for window, entries in met_by_windows(taps):
        for entry in entries:
            y[(..., *window)] += x[(..., *entry)]
    return y


# its transpose is itself, with windows and entries exchanged
window_sum: Primitive = linear(
    _window_sum,
    lambda g, taps: window_sum(g, taps=tuple(along.transposed for along in taps)),
    samples=_draw_window_sum,
    reference=_sum_by_windows,
)

# ---- average pooling ----------------------------------------------------------------------------


def average(x: Any, taps: tuple[Taps, ...], counts: Sequence[Array]) -> Any:
    """Return the sum of each window divided by its count, a product of counts along the axes."""
    if x.dtype.kind == "b":
        x = x.astype(int)
    if x.dtype == np.float16:  # which sums soon leave
        return average(x.astype(np.float32), taps, counts).astype(np.float16)
    divisor = reduce(np.multiply.outer, counts)
    if divisor.size and np.all(divisor == divisor.flat[0]):
        divisor = int(divisor.flat[0])
    elif x.dtype.kind in "fc":
        divisor = divisor.astype(np.finfo(x.dtype).dtype)
    return window_sum(x, taps=taps) / divisor


def _avg_pool(
    operation: str,
    n: int | None,
    x: ArrayLike,
    kernel_size: int | Shape,
    stride: int | Shape | None,
    padding: Padding,
    dilation: int | Shape,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
    layout: str,
) -> Any:
    x, n = spatial_last(operation, x, layout, n)
    windows = windows_over(
        operation, x.shape[-n:], kernel_size, stride, padding, dilation, ceil_mode
    )
    counts = windows.counts(padding=count_include_pad)
    if divisor_override is not None:
        divisor = positive_integer(operation, "divisor_override", divisor_override)
        counts = (np.array(divisor),)
    return restored(average(x, windows.taps, counts), layout, n)


def _draw_avg_pool(draw: Draw) -> Case:
    shape, params = draw_pooling(draw)
    counted = {
        "count_include_pad": draw.boolean(),
        "divisor_override": draw.choice([None, None, 3]),
    }
    return (draw.array(shape),), {**params, **counted}


def _average_by_windows(
    x: Array,
    *,
    kernel_size: Shape,
    stride: Shape,
    padding: Sequence[tuple[int, int]],
    dilation: Shape,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
    layout: str,
) -> Array:
    x, n = spatial_last("avg_pool", x, layout, len(kernel_size))
    lead, sides = x.shape[:-n], x.shape[-n:]
    windows = windows_over("avg_pool", sides, kernel_size, stride, padding, dilation, ceil_mode)
    y: Array = np.empty((*lead, *windows.out), x.dtype)
    for window in np.ndindex(*windows.out):
        total: Array = np.zeros(lead, x.dtype)
        count = 0
        for tap in np.ndindex(*kernel_size):
            axes = list(zip(window, stride, tap, dilation, padding, sides, strict=True))
            place = tuple(w * s + t * d - low for w, s, t, d, (low, _), _ in axes)
            if all(0 <= p < i for p, i in zip(place, sides, strict=True)):
                total = total + x[(..., *place)]
                count += 1
            elif count_include_pad:
                count += all(
                    p < i + high for p, (*_, (_, high), i) in zip(place, axes, strict=True)
                )
        y[(..., *window)] = total / (divisor_override or count)
    return restored(y, layout, n)


@composite(name="avg_pool", samples=_draw_avg_pool, reference=_average_by_windows)
def avg_pool(
    x: ArrayLike,
    *,
    kernel_size: int | Shape,
    stride: int | Shape | None = None,
    padding: Padding = 0,
    dilation: int | Shape = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    layout: str = "NC*",
) -> Any:
    r"""Average the entries of each window, over any number of spatial axes.

    Parameters
    ----------
    x : (N, C, \*I), or (N, \*I, C) with channels last; averages of integers are floats
    kernel_size, stride, padding, dilation, ceil_mode, layout
        As for `max_pool`; the padding is zeros.
    count_include_pad
        Whether to divide by the number of all entries of a window, or of those alone that are not
        padding. What a window reaches beyond the padding, with ceil_mode, counts never.
    divisor_override
        A positive integer to divide by instead.

    Returns
    -------
    (N, C, \*J), or (N, \*J, C), as of `max_pool`: an array given an array, a Tensor given a Tensor.

    Raises
    ------
    ShapeError
        If no window fits, or one would meet nothing but padding.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> x = [[[1.0, 3.0, 2.0, 8.0]]]
    >>> tg.avg_pool(x, kernel_size=2).tolist()
    [[[2.0, 5.0]]]
    >>> tg.avg_pool(x, kernel_size=2, padding=1, count_include_pad=False).tolist()
    [[[1.0, 2.5, 8.0]]]
    """
    return _avg_pool(
        "avg_pool",
        axes_of(kernel_size),
        x,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        count_include_pad,
        divisor_override,
        layout,
    )


def avg_pool1d(
    x: ArrayLike,
    *,
    kernel_size: int | Shape,
    stride: int | Shape | None = None,
    padding: Padding = 0,
    dilation: int | Shape = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    layout: str = "NCW",
) -> Any:
    """Average the entries of each window over one spatial axis; see `avg_pool`.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.avg_pool1d([[1.0, 3.0, 2.0, 5.0]], kernel_size=2).tolist()
    [[2.0, 3.5]]
    """
    return _avg_pool(
        "avg_pool1d",
        1,
        x,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        count_include_pad,
        divisor_override,
        layout,
    )


def avg_pool2d(
    x: ArrayLike,
    *,
    kernel_size: int | Shape,
    stride: int | Shape | None = None,
    padding: Padding = 0,
    dilation: int | Shape = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    layout: str = "NCHW",
) -> Any:
    """Average the entries of each window over two spatial axes; see `avg_pool`.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.avg_pool2d([[[1.0, 3.0], [2.0, 5.0]]], kernel_size=(1, 2)).tolist()
    [[[2.0], [3.5]]]
    """
    return _avg_pool(
        "avg_pool2d",
        2,
        x,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        count_include_pad,
        divisor_override,
        layout,
    )


def avg_pool3d(
    x: ArrayLike,
    *,
    kernel_size: int | Shape,
    stride: int | Shape | None = None,
    padding: Padding = 0,
    dilation: int | Shape = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    layout: str = "NCDHW",
) -> Any:
    """Average the entries of each window over three spatial axes; see `avg_pool`.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.avg_pool3d([[[[1.0, 3.0], [2.0, 6.0]]]], kernel_size=(1, 2, 2)).tolist()
    [[[[3.0]]]]
    """
    return _avg_pool(
        "avg_pool3d",
        3,
        x,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        count_include_pad,
        divisor_override,
        layout,
    )


# ---- pooling by powers --------------------------------------------------------------------------


def _lp_pool(
    operation: str,
    n: int | None,
    x: ArrayLike,
    norm_type: float,
    kernel_size: int | Shape,
    stride: int | Shape | None,
    padding: Padding,
    dilation: int | Shape,
    ceil_mode: bool,
    layout: str,
) -> Any:
    real = isinstance(norm_type, (int, float, np.integer, np.floating))
    if not real or isinstance(norm_type, bool) or not 0 < norm_type < np.inf:
        raise ShapeError(
            explain(
                operation,
                "norm_type is a positive number.",
                "Use max_pool of np.abs(x) for the greatest size.",
                norm_type=norm_type,
            )
        )
    x, n = spatial_last(operation, x, layout, n)
    windows = windows_over(
        operation, x.shape[-n:], kernel_size, stride, padding, dilation, ceil_mode
    )
    powers = average(x**norm_type, windows.taps, windows.counts(padding=True))
    return restored(_root(powers * math.prod(windows.kernel), norm_type), layout, n)


def _root(x: Any, order: float) -> Any:
    """Return ``x ** (1 / order)``, with the derivative 0 at 0, as norms have it."""
    if order == 1:
        return x
    if order == 2:
        return root(x)
    vanishes = constant_value(x) == 0
    return singular_where(vanishes, np.where(vanishes, 0, np.where(vanishes, 1, x) ** (1 / order)))


def _draw_lp_pool(draw: Draw) -> Case:
    shape, params = draw_pooling(draw)
    # other powers of negative numbers have no root
    return (draw.array(shape, POSITIVE),), {**params, "norm_type": draw.choice([2, 1, 4])}


def _lp_by_windows(x: Array, *, norm_type: float, kernel_size: Shape, **params: Any) -> Array:
    params |= {"count_include_pad": True, "divisor_override": None}
    powers = _average_by_windows(x**norm_type, kernel_size=kernel_size, **params)
    return np.asarray((powers * math.prod(kernel_size)) ** (1 / norm_type))


@composite(name="lp_pool", samples=_draw_lp_pool, reference=_lp_by_windows)
def lp_pool(
    x: ArrayLike,
    *,
    norm_type: float,
    kernel_size: int | Shape,
    stride: int | Shape | None = None,
    padding: Padding = 0,
    dilation: int | Shape = 1,
    ceil_mode: bool = False,
    layout: str = "NC*",
) -> Any:
    r"""Take the p-th root of the sum of p-th powers of each window, over any number of axes.

    ``y = (sum of x**p)**(1 / p)``, with p = norm_type; pass np.abs(x) for an odd p. A window that
    reaches beyond the padding, with ceil_mode, counts as if it were full: its powers are averaged,
    and multiplied by the number of entries of the kernel. The derivative of a sum that is 0 is 0.

    Parameters
    ----------
    x : (N, C, \*I), or (N, \*I, C) with channels last
    norm_type
        The power, a positive number.
    kernel_size, stride, padding, dilation, ceil_mode, layout
        As for `max_pool`; the padding is zeros.

    Returns
    -------
    (N, C, \*J), or (N, \*J, C), as of `max_pool`: an array given an array, a Tensor given a Tensor.

    Raises
    ------
    ShapeError
        If norm_type is not positive, no window fits, or one would meet nothing but padding.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.lp_pool([[[3.0, 4.0, 0.0, 2.0]]], norm_type=2, kernel_size=2).tolist()
    [[[5.0, 2.0]]]
    """
    return _lp_pool(
        "lp_pool",
        axes_of(kernel_size),
        x,
        norm_type,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        layout,
    )


def lp_pool1d(
    x: ArrayLike,
    *,
    norm_type: float,
    kernel_size: int | Shape,
    stride: int | Shape | None = None,
    padding: Padding = 0,
    dilation: int | Shape = 1,
    ceil_mode: bool = False,
    layout: str = "NCW",
) -> Any:
    """Take roots of sums of powers in windows over one spatial axis; see `lp_pool`.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.lp_pool1d([[3.0, 4.0, 0.0, 2.0]], norm_type=2, kernel_size=2).tolist()
    [[5.0, 2.0]]
    """
    return _lp_pool(
        "lp_pool1d",
        1,
        x,
        norm_type,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        layout,
    )


def lp_pool2d(
    x: ArrayLike,
    *,
    norm_type: float,
    kernel_size: int | Shape,
    stride: int | Shape | None = None,
    padding: Padding = 0,
    dilation: int | Shape = 1,
    ceil_mode: bool = False,
    layout: str = "NCHW",
) -> Any:
    """Take roots of sums of powers in windows over two spatial axes; see `lp_pool`.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.lp_pool2d([[[3.0, 4.0], [0.0, 2.0]]], norm_type=2, kernel_size=(1, 2)).tolist()
    [[[5.0], [2.0]]]
    """
    return _lp_pool(
        "lp_pool2d",
        2,
        x,
        norm_type,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        layout,
    )


def lp_pool3d(
    x: ArrayLike,
    *,
    norm_type: float,
    kernel_size: int | Shape,
    stride: int | Shape | None = None,
    padding: Padding = 0,
    dilation: int | Shape = 1,
    ceil_mode: bool = False,
    layout: str = "NCDHW",
) -> Any:
    """Take roots of sums of powers in windows over three spatial axes; see `lp_pool`.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.lp_pool3d([[[[2.0, 4.0], [4.0, 0.0]]]], norm_type=2, kernel_size=(1, 2, 2)).tolist()
    [[[[6.0]]]]
    """
    return _lp_pool(
        "lp_pool3d",
        3,
        x,
        norm_type,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        layout,
    )
