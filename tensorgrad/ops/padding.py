"""Borders around arrays: np.pad in all its modes.

Axes are padded one after the other, so that a corner is the border of a border. Everything that is
put there is written with other operations, and so the border is differentiated like the rest.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite, linear
from tensorgrad.engine.primitive import Case, Constant
from tensorgrad.errors import ShapeError, UnsupportedError, explain
from tensorgrad.ops.dispatch import constant_value, operand
from tensorgrad.ops.indexing import castable, writable_value
from tensorgrad.ops.reductions import one_axis
from tensorgrad.ops.shape import copy_
from tensorgrad.typing import DISTINCT, Array, ArrayLike, Draw, Shape

# How many entries to put before and after, an axis.
Widths = tuple[tuple[int, int], ...]


def _pad(x: Array, /, *, widths: Widths) -> Array:
    return np.pad(x, widths)


def _inner(x_shape: Shape, widths: Widths) -> tuple[slice, ...]:
    return tuple(slice(low, low + side) for side, (low, _) in zip(x_shape, widths, strict=True))


def _draw_pad(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_ndim=1))
    return (x,), {"widths": tuple((draw.integer(0, 3), draw.integer(0, 3)) for _ in x.shape)}


pad_ = linear(_pad, lambda g, x_shape, widths: g[_inner(x_shape, widths)], samples=_draw_pad)

# ---- what stands in a border, along one axis ----------------------------------------------------


def _along(x: Any, axis: int, entries: Any) -> Any:
    return x[(slice(None),) * axis + (entries,)]


def _column(values: Array, x: Any, axis: int) -> Any:
    """Give one number for each entry along an axis of x, in its precision."""
    return np.reshape(values, (-1,) + (1,) * (x.ndim - axis - 1)).astype(x.dtype)


def _extended(x: Any, axis: int, width: tuple[int, int], mode: str) -> Any:
    """Pad with entries of x itself: NumPy says which entry comes where."""
    return _along(x, axis, np.pad(np.arange(x.shape[axis]), width, mode))  # type: ignore[call-overload]


def _mirrored(x: Any, axis: int, width: int, mode: str) -> Any:
    """Return what follows x where it is mirrored in both ends, upside down each time.

    Twice the last entry less the mirror image: x[n-1+i] = 2 x[n-1] - x[n-1-i] by reflection, the
    same with n-i by symmetry. Two mirrors are a translation, which adds 2 (x[n-1] - x[0]).
    """
    n = x.shape[axis]
    shared = mode == "reflect"  # whether the entry in the mirror is its own image
    period = 2 * (n - shared)
    turns, places = np.divmod(np.arange(n, n + width), period)
    returning = places >= n
    source = np.where(returning, period - 1 + shared - places, places)
    first, last = _along(x, axis, slice(0, 1)), _along(x, axis, slice(n - 1, n))
    image = _along(x, axis, source)
    image = np.where(_column(returning, x, axis) != 0, 2 * last - image, image)
    turns = _column(turns, x, axis)
    return image + np.where(turns != 0, 2 * turns * (last - first), 0)


def _odd(x: Any, axis: int, width: tuple[int, int], mode: str) -> Any:
    before = np.flip(_mirrored(np.flip(x, axis), axis, width[0], mode), axis)
    return np.concatenate([before, x, _mirrored(x, axis, width[1], mode)], axis)


def _ramp(edge: Any, end: Any, axis: int, width: int) -> Any:
    """Go from the end value, which is reached, to the edge, which is not."""
    stop = np.squeeze(edge, axis)
    return np.linspace(end, stop, width, endpoint=False, dtype=edge.dtype, axis=axis)


def _constant(part: Any, value: Any, axis: int, width: int) -> Any:
    shape = (*part.shape[:axis], width, *part.shape[axis + 1 :])
    return np.broadcast_to(value, shape)


STATISTICS: dict[str, Callable[..., Any]] = {
    "maximum": np.max,
    "mean": np.mean,
    "median": np.median,
    "minimum": np.min,
}


def _statistic(x: Any, axis: int, length: Any, mode: str, *, before: bool) -> Any:
    n = x.shape[axis]
    length = n if length is None else min(int(length), n)
    if length < 0 or (length == 0 and mode in ("maximum", "minimum")):
        rule = "A statistic is that of so many entries."
        raise ShapeError(explain("np.pad", rule, "Pass 1 or more.", stat_length=length))
    nearest = _along(x, axis, slice(0, length) if before else slice(n - length, n))
    return STATISTICS[mode](nearest, axis=axis, keepdims=True)


def _bordered(
    x: Any, axis: int, width: tuple[int, int], mode: str, pair: tuple[Any, Any], kind: str
) -> Any:
    """Pad one axis; pair is what the mode's keyword says about both sides, kind reflect_type."""
    n = x.shape[axis]
    if mode in ("edge", "wrap") or (mode == "reflect" and n == 1):
        return _extended(x, axis, width, "wrap" if mode == "wrap" else "edge")
    if mode in ("reflect", "symmetric"):
        return (_odd if kind == "odd" else _extended)(x, axis, width, mode)
    if mode == "linear_ramp":
        first, last = _along(x, axis, slice(0, 1)), _along(x, axis, slice(n - 1, n))
        left = _ramp(first, pair[0], axis, width[0])
        right = np.flip(_ramp(last, pair[1], axis, width[1]), axis)
    else:
        if mode != "constant":
            pair = tuple(
                _statistic(x, axis, length, mode, before=i == 0) for i, length in enumerate(pair)
            )
        left, right = (_constant(x, v, axis, w) for v, w in zip(pair, width, strict=True))
    return np.concatenate([left, x, right], axis)


# ---- np.pad -------------------------------------------------------------------------------------

# what a mode can be told, and what it takes for granted
KEYWORDS: dict[str, dict[str, Any]] = {
    "constant": {"constant_values": 0},
    "linear_ramp": {"end_values": 0},
    **{mode: {"stat_length": None} for mode in STATISTICS},
    **{mode: {"reflect_type": "even"} for mode in ("reflect", "symmetric")},
    **{mode: {} for mode in ("edge", "wrap", "empty")},
}


def _draw_pad_call(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_side=1, max_ndim=2, max_side=3), DISTINCT)
    widths = draw.choice([1, (1, 2), ((0, 2), (7, 1))[: x.ndim] or 0, {0: 2} if x.ndim else 0, 0])
    mode = draw.choice(list(KEYWORDS))
    params = {"mode": mode}
    if draw.boolean():
        for keyword in KEYWORDS[mode]:
            pairs = (x.ndim, 2) if x.ndim else ()
            values = castable(draw.array(draw.choice([(), (2,), pairs])), x)
            several = [castable(draw.array(()), x), 1.5]
            params[keyword] = {
                "stat_length": draw.choice([None, 1, 2, (1, 5)]),
                "reflect_type": draw.choice(["odd", "even"]),
            }.get(keyword, draw.choice([values, several, 2]))
    return (x, widths), params


def _reference(array: Array, pad_width: Any, mode: str = "constant", **kwargs: Any) -> Array:
    if mode == "empty":  # of which NumPy leaves the border as it finds it
        mode = "constant"
    return np.pad(array, pad_width, mode, **kwargs)  # type: ignore[call-overload]


def _draw_numbers(draw: Draw) -> Case:
    return (np.arange(draw.integer(1, 4)), 2, draw.choice(["mean", "edge", "linear_ramp"])), {}


# of integers, which it rounds: nothing is differentiated
_pad_integers = Constant("pad_integers", np.pad, _draw_numbers, np.pad, steps=False)


@composite(np.pad, samples=_draw_pad_call, reference=_reference)
def pad(
    array: ArrayLike, pad_width: Any, mode: str | Callable[..., None] = "constant", **kwargs: Any
) -> Any:
    """Put a border around: in any mode of NumPy's, or by a function of rows that writes into them.

    The entries that the mode "empty" leaves open are zeros.
    """
    array = operand(array)
    widths = _pad_widths(pad_width, array.ndim)
    if not callable(mode) and (mode not in KEYWORDS or kwargs.keys() - KEYWORDS[mode].keys()):
        raise UnsupportedError(
            explain(
                "np.pad",
                "A mode and its keyword are one of those of NumPy.",
                f"Here {', '.join(KEYWORDS.get(mode, KEYWORDS))} can be given.",
                mode=mode,
                **kwargs,
            )
        )
    if not widths:
        return copy_(array)
    if callable(mode):
        return _pad_by(mode, pad_(array, widths=widths), widths, kwargs)
    given = {**KEYWORDS[mode], **kwargs}
    pairs: list[tuple[Any, Any]] = [(None, None)] * array.ndim
    for keyword in ("constant_values", "end_values"):
        if keyword in given:
            pairs = _pairs(array, keyword, given[keyword])
    if array.dtype.kind not in "fc":
        return _pad_integers(array, widths, mode, **kwargs)
    if given.get("stat_length") is not None:
        lengths = np.broadcast_to(constant_value(given["stat_length"]), (array.ndim, 2))
        pairs = [(int(low), int(high)) for low, high in lengths]
    zeros = mode == "constant" and isinstance(given["constant_values"], (int, float))
    if mode == "empty" or (zeros and given["constant_values"] == 0):
        return pad_(array, widths=widths)
    padded = copy_(array)
    for axis, (width, pair) in enumerate(zip(widths, pairs, strict=True)):
        if width == (0, 0):
            continue
        if mode != "constant" and array.shape[axis] == 0:
            raise ShapeError(
                explain(
                    "np.pad",
                    "An axis without entries has none to make a border of.",
                    "Use the modes constant or empty.",
                    shape=array.shape,
                    mode=mode,
                )
            )
        padded = _bordered(padded, axis, width, mode, pair, given.get("reflect_type", "even"))
    return padded


def _pad_widths(pad_width: Any, ndim: int) -> Widths:
    """Return (before, after) for every axis, from any form in which NumPy takes it."""
    if isinstance(pad_width, dict):
        by_axis = {one_axis(i, ndim): width for i, width in pad_width.items()}
        pad_width = [np.broadcast_to(by_axis.get(i, 0), 2) for i in range(ndim)]
    widths = np.asarray(constant_value(pad_width))
    if widths.size and (widths.dtype.kind not in "iu" or np.any(widths < 0)):
        raise ShapeError(
            explain(
                "np.pad",
                "Widths are whole numbers, and not negative.",
                "Use indexing to crop.",
                pad_width=pad_width,
            )
        )
    return tuple((int(low), int(high)) for low, high in np.broadcast_to(widths, (ndim, 2)))


def _pairs(array: Any, keyword: str, values: ArrayLike) -> list[tuple[Any, Any]]:
    """Return the values before and after, for every axis, in the dtype of the array."""
    values = writable_value(f"np.pad: {keyword}", array, values)
    pairs = np.broadcast_to(values.astype(array.dtype), (array.ndim, 2))
    return [(pairs[i, 0], pairs[i, 1]) for i in range(array.ndim)]


def _pad_by(
    function: Callable[..., None], padded: Any, widths: Widths, kwargs: dict[str, Any]
) -> Any:
    """Let a function write the border into every row along every axis, as NumPy does."""
    for axis, width in enumerate(widths):
        rows = np.moveaxis(padded, axis, -1)
        written = []
        for place in np.ndindex(rows.shape[:-1]):
            row = copy_(rows[place])
            function(row, width, axis, kwargs)
            written.append(row)
        if written:
            padded = np.moveaxis(np.reshape(np.stack(written), rows.shape), -1, axis)
    return padded
