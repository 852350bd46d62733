"""The greatest entry of each window, where it is, and back from there."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tensorgrad.conv.geometry import Padding
from tensorgrad.conv.pooling.layouts import axes_of, restored, spatial_last
from tensorgrad.conv.pooling.windows import (
    Taps,
    draw_pooling,
    draw_taps,
    met_by_windows,
    windows_over,
)
from tensorgrad.engine.declare import composite, general, linear
from tensorgrad.engine.modes import branch_watcher
from tensorgrad.engine.primitive import Case, Constant, Primitive
from tensorgrad.engine.space import revealed
from tensorgrad.engine.tensor import Tensor
from tensorgrad.errors import UnsupportedError, explain
from tensorgrad.ops.dispatch import constant_value
from tensorgrad.typing import DISTINCT, Array, ArrayLike, Draw, Shape

# ---- along one axis after the other -------------------------------------------------------------


def _lowest(dtype: Any) -> Any:
    """Return what no entry of a dtype is below."""
    if dtype.kind == "f":
        return -np.inf
    if dtype.kind in "iu":
        return np.iinfo(dtype).min
    if dtype.kind == "b":
        return False
    raise UnsupportedError(
        explain(
            "max_pool",
            "Only real numbers have an order.",
            "Pool np.abs(x), or the parts of x.",
            dtype=str(dtype),
        )
    )


def _side(x: Array, axis: int, side: int) -> Shape:
    """Return the shape of x with another side."""
    place = x.ndim + axis
    return (*x.shape[:place], side, *x.shape[place + 1 :])


def _max_along(x: Array, axis: int, taps: Taps) -> Array:
    y: Array = np.full_like(x, _lowest(x.dtype), shape=_side(x, axis, taps.windows))
    for windows, entries in taps.along(axis):
        best = y[windows]
        y[windows] = np.maximum(best, x[entries], out=best)
    return y


def _stages(x: Array, taps: Sequence[Taps]) -> list[tuple[Array, Array, int, Taps]]:
    """Return for each axis the array before, the maxima along it, the axis, and its taps."""
    stages = []
    for axis, along in enumerate(taps, -len(taps)):
        y = _max_along(x, axis, along)
        stages.append((x, y, axis, along))
        x = y
    return stages


def _attained(x: Array, y: Array, axis: int, taps: Taps) -> Iterator[tuple[Any, Any, Array]]:
    """Yield indices of windows, and of what they meet, and whether this is their maximum."""
    maxima = revealed(y)
    some_nan = np.count_nonzero(maxima != maxima)  # noqa: PLR0124  # nothing else does
    for windows, entries in taps.along(axis):
        met = x[entries]
        attained = met == y[windows]
        if some_nan:  # a NaN is attained by NaNs
            attained |= met != met  # noqa: PLR0124
        yield windows, entries, attained


def _counts(stages: Sequence[tuple[Array, Array, int, Taps]]) -> Array:
    """Count for each window the entries that attain its maximum."""
    most = math.prod(len(taps.met) for *_, taps in stages)
    dtype = np.uint8 if most < 256 else np.int64  # small numbers are added many at a time
    counts: Any = None
    for x, y, axis, taps in stages:
        total: Array = np.zeros_like(y, dtype=dtype)
        for windows, entries, attained in _attained(x, y, axis, taps):
            total[windows] += attained if counts is None else attained * counts[entries]
        counts = total
    return counts


def _keeping(v: Array) -> Callable[[Array, Array], Array]:
    """Return how to keep the entries of parts of v that are in a mask, with zeros for the others.

    To multiply is many times faster than to choose, but for 0 * inf.
    """
    if np.all(np.isfinite(revealed(v))):
        return np.multiply
    return lambda part, mask: np.where(mask, part, 0)


# ---- primitives ---------------------------------------------------------------------------------


def _window_max(x: Array, /, *, taps: tuple[Taps, ...]) -> Array:
    return _stages(x, taps)[-1][1]


def _spread(g: Array, /, *, x: Array, taps: tuple[Taps, ...]) -> Array:
    """Share what each window has among the entries of x that attain its maximum."""
    stages = _stages(x, taps)
    share = (g / _counts(stages)).astype(g.dtype, copy=False)
    for before, after, axis, along in reversed(stages):
        kept = _keeping(share)
        total: Array = np.zeros_like(share, shape=before.shape)
        for windows, entries, attained in _attained(before, after, axis, along):
            total[entries] += kept(share[windows], attained)
        share = total
    return share


def _gather(t: Array, /, *, x: Array, taps: tuple[Taps, ...]) -> Array:
    """Average for each window the entries of t where x attains its maximum."""
    stages = _stages(x, taps)
    for before, after, axis, along in stages:
        kept = _keeping(t)
        total: Array = np.zeros_like(t, shape=after.shape)
        for windows, entries, attained in _attained(before, after, axis, along):
            total[windows] += kept(t[entries], attained)
        t = total
    return (t / _counts(stages)).astype(t.dtype, copy=False)


def _attaining(x: Array, taps: tuple[Taps, ...]) -> Array:
    """Return which entries attain the maximum of which window, in one row."""
    return np.concatenate(
        [
            np.reshape(attained, (-1,))
            for stage in _stages(x, taps)
            for *_, attained in _attained(*stage)
        ]
    )


def _held(x: Array, taps: tuple[Taps, ...]) -> Array:
    """Return the bare x: rules use nothing of it but which entries attain a maximum."""
    x = constant_value(x)
    if (note := branch_watcher()) is not None:
        note(_attaining(x, taps))
    return x


def _draw_window_max(draw: Draw) -> Case:
    shape, taps = draw_taps(draw)
    return (draw.array(shape, DISTINCT),), {"taps": taps}


def _draw_pulled(draw: Draw) -> Case:
    shape, taps = draw_taps(draw)
    x = np.real(draw.array(shape))
    x = np.round(x) if draw.boolean() else x  # so that some tie
    out = (*shape[: -len(taps)], *(along.windows for along in taps))
    return (draw.array(out),), {"x": x, "taps": taps}


def _draw_pushed(draw: Draw) -> Case:
    (_,), params = _draw_pulled(draw)
    return (draw.array(params["x"].shape),), params


def _max_by_windows(x: Array, /, *, taps: tuple[Taps, ...]) -> Array:
    lead = x.shape[: -len(taps)]
    y: Array = np.empty((*lead, *(along.windows for along in taps)), x.dtype)
    for window, entries in met_by_windows(taps):
        for place in np.ndindex(lead):
            y[place + window] = max(x[place + entry].item() for entry in entries)
    return y


def _pull_by_windows(g: Array, /, *, x: Array, taps: tuple[Taps, ...]) -> Array:
    total: Array = np.zeros(x.shape, g.dtype)
    for window, entries in met_by_windows(taps):
        for place in np.ndindex(x.shape[: -len(taps)]):
            greatest = max(x[place + entry] for entry in entries)
            tied = [entry for entry in entries if x[place + entry] == greatest]
            for entry in tied:
                total[place + entry] += g[place + window] / len(tied)
    return total


def _push_by_windows(t: Array, /, *, x: Array, taps: tuple[Taps, ...]) -> Array:
    y: Array = np.empty((*x.shape[: -len(taps)], *(along.windows for along in taps)), t.dtype)
    for window, entries in met_by_windows(taps):
        for place in np.ndindex(x.shape[: -len(taps)]):
            greatest = max(x[place + entry] for entry in entries)
            y[place + window] = np.mean(
                [t[place + entry] for entry in entries if x[place + entry] == greatest]
            )
    return y


# Each is the transpose of the other; which entries attain a maximum is a constant.
spread: Primitive = linear(
    _spread,
    lambda g, x, taps: gather(g, x=x, taps=taps),
    name="window_max_spread",
    samples=_draw_pulled,
    reference=_pull_by_windows,
)
gather: Primitive = linear(
    _gather,
    lambda g, x, taps: spread(g, x=x, taps=taps),
    name="window_max_gather",
    samples=_draw_pushed,
    reference=_push_by_windows,
)
window_max = general(
    _window_max,
    lambda g, x, taps: spread(g, x=_held(x, taps), taps=taps),
    lambda t, x, taps: gather(t, x=_held(x, taps), taps=taps),
    samples=_draw_window_max,
    reference=_max_by_windows,
    branches=_attaining,
    singular=lambda x, taps: _counts(_stages(x, taps)) > 1,
)


def _places_of_maxima(x: Array, *, taps: tuple[Taps, ...]) -> Array:
    """Return where the maxima are: numbers of entries over all windowed axes together.

    Of equal entries the first, and the last NaN, as PyTorch does.
    """
    sides = x.shape[-len(taps) :]
    number = np.broadcast_to(np.arange(math.prod(sides)).reshape(sides), x.shape)
    for axis, along in reversed([*enumerate(taps, -len(taps))]):
        shape = _side(x, axis, along.windows)
        best: Array = np.full_like(x, _lowest(x.dtype), shape=shape)
        place: Array = np.full_like(x, -1, shape=shape, dtype=np.intp)
        for windows, entries in along.along(axis):
            met = x[entries]
            better = (met > best[windows]) | (place[windows] < 0) | (met != met)  # noqa: PLR0124
            best[windows] = np.where(better, met, best[windows])
            place[windows] = np.where(better, number[entries], place[windows])
        x, number = best, place
    return number


def _argmax_by_windows(x: Array, *, taps: tuple[Taps, ...]) -> Array:
    sides = x.shape[-len(taps) :]
    lead = x.shape[: -len(taps)]
    y: Array = np.empty((*lead, *(along.windows for along in taps)), np.intp)
    for window, entries in met_by_windows(taps):
        for place in np.ndindex(lead):
            values = [x[place + entry].item() for entry in entries]
            first = entries[values.index(max(values))]
            y[place + window] = np.ravel_multi_index(first, sides)
    return y


places_of_maxima = Constant(
    "window_argmax", _places_of_maxima, _draw_window_max, _argmax_by_windows
)

# ---- max pooling --------------------------------------------------------------------------------


def max_over(x: Any, taps: tuple[Taps, ...], return_indices: bool, layout: str) -> Any:
    """Return the maxima over windows in the order of a layout, and perhaps where they are."""
    y = restored(window_max(x, taps=taps), layout, len(taps))
    if not return_indices:
        return y
    find = places_of_maxima if isinstance(x, Tensor) else _places_of_maxima
    return y, restored(find(x, taps=taps), layout, len(taps))


def _max_pool(
    operation: str,
    n: int | None,
    x: ArrayLike,
    kernel_size: int | Shape,
    stride: int | Shape | None,
    padding: Padding,
    dilation: int | Shape,
    ceil_mode: bool,
    return_indices: bool,
    layout: str,
) -> Any:
    x, n = spatial_last(operation, x, layout, n)
    windows = windows_over(
        operation, x.shape[-n:], kernel_size, stride, padding, dilation, ceil_mode
    )
    return max_over(x, windows.taps, return_indices, layout)


def _draw_max_pool(draw: Draw) -> Case:
    shape, params = draw_pooling(draw)
    return (draw.array(shape, DISTINCT),), {**params, "return_indices": draw.boolean()}


def _reference(
    x: Array,
    *,
    layout: str,
    return_indices: bool,
    **params: Any,
) -> Any:
    x, n = spatial_last("max_pool", x, layout, len(params["kernel_size"]))
    taps = windows_over("max_pool", x.shape[-n:], **params).taps
    y = restored(_max_by_windows(x, taps=taps), layout, n)
    return (y, restored(_argmax_by_windows(x, taps=taps), layout, n)) if return_indices else y


@composite(name="max_pool", samples=_draw_max_pool, reference=_reference)
def max_pool(
    x: ArrayLike,
    *,
    kernel_size: int | Shape,
    stride: int | Shape | None = None,
    padding: Padding = 0,
    dilation: int | Shape = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    layout: str = "NC*",
) -> Any:
    r"""Take the greatest entry of each window, over any number of spatial axes.

    Where several entries of a window tie for the greatest, they share its gradient equally. A NaN
    is greater than any number, and the padding is less.

    Parameters
    ----------
    x : (N, C, \*I), or (N, \*I, C) with channels last; real numbers
    kernel_size
        The entries of a window: one integer, or one for each spatial axis.
    stride
        How far apart windows are; by default as far as they are wide.
    padding
        What windows may reach beyond the input: an integer; one for each axis; a pair (low, high)
        for each axis; "valid" for nothing; "same" for ceil(side / stride) windows; "full" for every
        window that meets an entry. Any padding goes with which each window meets an entry.
    dilation
        How far apart the entries of a window are.
    ceil_mode
        Whether the last window may reach beyond the padding at the high side, if it starts before
        that padding.
    return_indices
        Whether to return also where the maxima are: numbers of entries in the order of all spatial
        axes together, of those that tie the first. `max_unpool` takes them.
    layout
        "NC*" or "N*C", for x and the result; or with letters for up to three spatial axes: "NCW",
        "NWC", "NCHW", "NHWC", "NCDHW", "NDHWC". Where the layout, or a parameter with a number for
        each axis, says how many there are, the axis N may be missing.

    Returns
    -------
    (N, C, \*J), or (N, \*J, C), or a pair of such: arrays given an array, Tensors given a Tensor,
    where ``J = floor((I + low + high - dilation * (kernel_size - 1) - 1) / stride) + 1``; rounded
    up with ceil_mode.

    Raises
    ------
    ShapeError
        If no window fits, or one would meet nothing but padding.
    UnsupportedError
        If x is complex.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> x = tg.tensor([[[1.0, 3.0, 2.0, 2.0]]], requires_grad=True)
    >>> y = tg.max_pool(x, kernel_size=2)
    >>> y
    tensor([[[3., 2.]]], op=window_max)
    >>> y.sum().backward()
    >>> x.grad
    tensor([[[0. , 1. , 0.5, 0.5]]])
    """
    return _max_pool(
        "max_pool",
        axes_of(kernel_size),
        x,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        return_indices,
        layout,
    )


def max_pool1d(
    x: ArrayLike,
    *,
    kernel_size: int | Shape,
    stride: int | Shape | None = None,
    padding: Padding = 0,
    dilation: int | Shape = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    layout: str = "NCW",
) -> Any:
    """Take the greatest entry of each window over one spatial axis; see `max_pool`.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.max_pool1d([[1.0, 3.0, 2.0, 5.0]], kernel_size=2).tolist()
    [[3.0, 5.0]]
    """
    return _max_pool(
        "max_pool1d",
        1,
        x,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        return_indices,
        layout,
    )


def max_pool2d(
    x: ArrayLike,
    *,
    kernel_size: int | Shape,
    stride: int | Shape | None = None,
    padding: Padding = 0,
    dilation: int | Shape = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    layout: str = "NCHW",
) -> Any:
    """Take the greatest entry of each window over two spatial axes; see `max_pool`.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.max_pool2d([[[1.0, 3.0], [2.0, 5.0]]], kernel_size=(1, 2)).tolist()
    [[[3.0], [5.0]]]
    """
    return _max_pool(
        "max_pool2d",
        2,
        x,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        return_indices,
        layout,
    )


def max_pool3d(
    x: ArrayLike,
    *,
    kernel_size: int | Shape,
    stride: int | Shape | None = None,
    padding: Padding = 0,
    dilation: int | Shape = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    layout: str = "NCDHW",
) -> Any:
    """Take the greatest entry of each window over three spatial axes; see `max_pool`.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.max_pool3d([[[[1.0, 3.0], [2.0, 5.0]]]], kernel_size=(1, 2, 2)).tolist()
    [[[[5.0]]]]
    """
    return _max_pool(
        "max_pool3d",
        3,
        x,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        return_indices,
        layout,
    )
