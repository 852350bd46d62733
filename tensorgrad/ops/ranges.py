"""Evenly spaced numbers between ends that are differentiated, and grids made of rows of numbers."""

import operator
from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite
from tensorgrad.engine.primitive import Case
from tensorgrad.errors import ShapeError, explain
from tensorgrad.ops.dispatch import constant_value, operand, refuse
from tensorgrad.ops.shape import copy_, reshape_
from tensorgrad.typing import Array, ArrayLike, Draw, DTypeLike


def _draw_range(draw: Draw, *, positive: bool = False) -> Case:
    start, stop = (draw.array(shape) for shape in draw.broadcastable(2))
    if positive:  # there is a logarithm of it, which jumps at the negative numbers
        start, stop = (
            np.asarray(np.abs(x) + 1 + (1j * x.imag if np.iscomplexobj(x) else 0), x.dtype)
            for x in (start, stop)
        )
    if draw.boolean():
        stop = 3
    ndim = max(start.ndim, np.ndim(stop))
    params = {"endpoint": draw.boolean(), "axis": draw.integer(-ndim - 1, ndim)}
    return (start, stop, draw.integer(0, 4)), params


def _inexact(*values: Any) -> Any:
    """Return the floating-point dtype of a range between values; Python's numbers give way."""
    return np.result_type(*(v if not hasattr(v, "dtype") else v.dtype for v in values), 0.0)


def _count(function: str, num: Any) -> int:
    num = operator.index(num)
    if num < 0:
        raise ShapeError(explain(function, "There are no fewer than 0 numbers.", num=num))
    return num


def _draw_linspace(draw: Draw) -> Case:
    args, params = _draw_range(draw)
    gaps = args[-1] - params["endpoint"]
    return args, {**params, "retstep": gaps > 0 and draw.boolean()}  # else the step is NaN


@composite(np.linspace, samples=_draw_linspace)
def linspace(
    start: ArrayLike,
    stop: ArrayLike,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: DTypeLike = None,
    axis: int = 0,
    *,
    device: str | None = None,
) -> Any:
    """Return evenly spaced numbers from start to stop, differentiable by both."""
    refuse("np.linspace", device=device)
    num = _count("np.linspace", num)
    start, stop = (x if isinstance(x, (int, float, complex)) else operand(x) for x in (start, stop))
    exact = _inexact(start, stop)
    start, stop = (operand(x).astype(exact) for x in (start, stop))
    delta = stop - start
    gaps = num - 1 if endpoint else num
    step = delta / gaps if gaps > 0 else np.nan
    numbers = np.reshape(np.arange(num).astype(exact), (-1,) + (1,) * delta.ndim)
    y = start + numbers * (step if gaps > 0 else delta)
    if endpoint and num > 1:  # the last one without rounding
        last = np.broadcast_to(stop, delta.shape)
        y = np.concatenate([y[:-1], np.expand_dims(last, 0)])
    if axis != 0:
        y = np.moveaxis(y, 0, axis)
    if dtype is not None:
        y = (np.floor(y) if np.issubdtype(dtype, np.integer) else y).astype(dtype)
    return (y, step) if retstep else y


def _draw_logspace(draw: Draw) -> Case:
    (start, stop, num), params = _draw_range(draw)
    shape = draw.choice([(), np.broadcast_shapes(start.shape, np.shape(stop))])
    base = draw.choice([2, np.abs(draw.array(shape)) + 1])
    return (start, stop, num), {**params, "base": base}


@composite(np.logspace, samples=_draw_logspace)
def logspace(
    start: ArrayLike,
    stop: ArrayLike,
    num: int = 50,
    endpoint: bool = True,
    base: ArrayLike = 10.0,
    dtype: DTypeLike = None,
    axis: int = 0,
) -> Any:
    """Return powers of a base with evenly spaced exponents, differentiable by all three."""
    if np.ndim(base):
        start, stop, base = map(operand, (start, stop, base))
        ndim = max(start.ndim, stop.ndim, base.ndim)
        start, stop, base = (
            reshape_(x, shape=(1,) * (ndim - x.ndim) + x.shape) for x in (start, stop, base)
        )
        base = np.expand_dims(base, axis)
    y = np.power(base, np.linspace(start, stop, num, endpoint, axis=axis))
    return y if dtype is None else y.astype(dtype)


@composite(np.geomspace, samples=lambda draw: _draw_range(draw, positive=True))
def geomspace(
    start: ArrayLike,
    stop: ArrayLike,
    num: int = 50,
    endpoint: bool = True,
    dtype: DTypeLike = None,
    axis: int = 0,
) -> Any:
    """Return numbers in geometric progression from start to stop, differentiable by both."""
    num = _count("np.geomspace", num)
    start, stop = operand(start), operand(stop)
    if np.any(constant_value(start) == 0) or np.any(constant_value(stop) == 0):
        raise ShapeError(
            explain("np.geomspace", "There is no progression from or to 0.", "Use np.linspace.")
        )
    exact = np.result_type(start.dtype, stop.dtype, float(num), np.zeros((), dtype))
    start, stop = start.astype(exact), stop.astype(exact)
    # y = start (stop / start)**w, where w goes from 0 to 1; turned together, so that start is a
    # positive number, of which there is a logarithm
    turn = np.sign(constant_value(start))
    growth = np.log(stop / turn) - np.log(start / turn)
    w: Array = np.linspace(0, 1, num, endpoint, dtype=growth.real.dtype)
    y = start * np.exp(np.reshape(w, (-1,) + (1,) * growth.ndim) * growth)
    # the ends themselves are taken without rounding
    ends = [np.expand_dims(np.broadcast_to(x, growth.shape), 0) for x in (start, stop)]
    if num > 0:
        y = np.concatenate(
            [ends[0], y[1:-1], ends[1]] if endpoint and num > 1 else [ends[0], y[1:]]
        )
    if axis != 0:
        y = np.moveaxis(y, 0, axis)
    return y if dtype is None else y.astype(dtype)


# ---- grids --------------------------------------------------------------------------------------


def _draw_rows(draw: Draw) -> tuple[Array, ...]:
    return tuple(draw.array((draw.integer(0, 3),)) for _ in range(draw.integer(1, 3)))


def _on_axis(x: ArrayLike, axis: int, ndim: int) -> Any:
    x = operand(x)
    return reshape_(x, shape=tuple(x.size if i == axis else 1 for i in range(ndim)))


def _draw_meshgrid(draw: Draw) -> Case:
    params = {
        "copy": draw.boolean(),
        "sparse": draw.boolean(),
        "indexing": draw.choice(["xy", "ij"]),
    }
    return (*_draw_rows(draw), draw.array(())), params


@composite(
    np.meshgrid,
    samples=_draw_meshgrid,
    reference=lambda *xs, **params: tuple(np.meshgrid(*xs, **params)),
)
def meshgrid(
    *xi: ArrayLike, copy: bool = True, sparse: bool = False, indexing: str = "xy"
) -> tuple[Any, ...]:
    """Return, for each row of numbers, its numbers at the points of the grid they span."""
    if indexing not in ("xy", "ij"):
        raise ShapeError(
            explain("np.meshgrid", "Axes are named xy or ij.", "Pass one.", indexing=indexing)
        )
    axes = list(range(len(xi)))
    if indexing == "xy":
        axes[:2] = axes[:2][::-1]
    rows = tuple(_on_axis(x, axis, len(xi)) for axis, x in zip(axes, xi, strict=True))
    grids = rows if sparse else np.broadcast_arrays(*rows)
    return tuple(copy_(grid) for grid in grids) if copy else grids


@composite(np.ix_, samples=lambda draw: (_draw_rows(draw), {}))
def ix_(*args: ArrayLike) -> tuple[Any, ...]:
    """Return each row of numbers along an axis of its own; a mask gives the places it selects."""
    rows = [operand(x if np.size(x) or hasattr(x, "shape") else np.zeros(0, int)) for x in args]
    if any(x.ndim != 1 for x in rows):
        shapes = [x.shape for x in rows]
        raise ShapeError(explain("np.ix_", "A row has one axis.", "Use np.ravel.", shapes=shapes))
    rows = [np.nonzero(x)[0] if x.dtype == bool else x for x in rows]
    return tuple(_on_axis(x, axis, len(rows)) for axis, x in enumerate(rows))
