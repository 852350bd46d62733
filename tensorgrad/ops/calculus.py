"""Running products, differences, and the derivatives and integrals made of them."""

from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite, general
from tensorgrad.engine.primitive import Case, Primitive
from tensorgrad.errors import ShapeError, UnsupportedError, explain
from tensorgrad.ops.dispatch import NoValue, operand, refuse
from tensorgrad.ops.reductions import one_axis
from tensorgrad.typing import Array, ArrayLike, Axis, Draw, DTypeLike

# ---- running products ---------------------------------------------------------------------------


def _recurrence(x: Array, b: Array, /, *, axis: int) -> Array:
    """Return r with r[k] = x[k] r[k-1] + b[k] along an axis, and r[-1] = 0."""
    r = np.array(b, np.result_type(x, b))
    steps, factors = np.moveaxis(r, axis, 0), np.moveaxis(x, axis, 0)
    for k in range(1, len(steps)):
        steps[k] += factors[k] * steps[k - 1]
    return r


def _shifted(x: Array, by: int, axis: int, fill: float) -> Array:
    """Move the entries on by one place; the place that becomes free is filled."""
    side = x.shape[axis]
    edge = np.full_like(x, fill, shape=(*x.shape[:axis], min(side, 1), *x.shape[axis + 1 :]))
    kept = x[(slice(None),) * axis + (slice(None, -1) if by > 0 else slice(1, None),)]
    return np.concatenate([edge, kept] if by > 0 else [kept, edge], axis)


def _backwards(x: Array, g: Array, axis: int) -> Array:
    # the transpose in b: s[k] = x[k+1] s[k+1] + g[k]
    following = np.flip(_shifted(x, -1, axis, 0.0), axis)
    return np.flip(recurrence(following, np.flip(g, axis), axis=axis), axis)


def _draw_rows(draw: Draw) -> Case:
    shape = draw.shape(min_ndim=1)
    return (draw.array(shape), draw.array(shape)), {"axis": draw.integer(0, len(shape) - 1)}


recurrence: Primitive = general(
    _recurrence,
    (
        lambda g, x, ans, axis: _backwards(x, g, axis) * _shifted(ans, 1, axis, 0.0),
        lambda g, x, axis: _backwards(x, g, axis),
    ),
    (
        lambda t, x, ans, axis: recurrence(x, t * _shifted(ans, 1, axis, 0.0), axis=axis),
        lambda t, x, axis: recurrence(x, t, axis=axis),
    ),
    samples=_draw_rows,
)


def _cumprod(x: Array, /, *, axis: int) -> Array:
    return np.cumprod(x, axis=axis)


def _draw_row(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_ndim=1))
    return (x,), {"axis": draw.integer(0, x.ndim - 1)}


# y[k] = x[k] y[k-1]: no division, so that zeros do no harm
cumprod_ = general(
    _cumprod,
    lambda g, x, ans, axis: _backwards(x, g, axis) * _shifted(ans, 1, axis, 1.0),
    lambda t, x, ans, axis: recurrence(x, t * _shifted(ans, 1, axis, 1.0), axis=axis),
    samples=_draw_row,
)


def _draw_running(draw: Draw) -> Case:
    x = draw.array(draw.shape())
    return (x,), {"axis": draw.choice([None, *range(-x.ndim, x.ndim)])}


@composite(np.cumprod, samples=_draw_running)
def cumprod(
    a: ArrayLike, axis: int | None = None, dtype: DTypeLike = None, out: None = None
) -> Any:
    """Multiply up along an axis, or along the flattened array."""
    refuse("np.cumprod", out=out)
    a = operand(a) if dtype is None else operand(a).astype(dtype)
    if axis is None or (a.ndim == 0 and axis in (0, -1)):
        a, axis = np.ravel(a), axis or 0
    return cumprod_(a, axis=one_axis(axis, a.ndim))


def _draw_cumulative(draw: Draw) -> Case:
    x = draw.array(draw.shape())
    axes = list(range(-x.ndim, x.ndim))
    axis = draw.choice([None, *axes] if x.ndim < 2 else axes)
    return (x,), {"axis": axis, "include_initial": draw.boolean()}


@composite(np.cumulative_sum, samples=_draw_cumulative)
def cumulative_sum(
    x: ArrayLike,
    /,
    *,
    axis: int | None = None,
    dtype: DTypeLike = None,
    out: None = None,
    include_initial: bool = False,
) -> Any:
    """Add up along an axis; include_initial puts a zero before the first."""
    refuse("np.cumulative_sum", out=out)
    return _cumulative(np.cumsum, x, axis, dtype, 0 if include_initial else None)


@composite(np.cumulative_prod, samples=_draw_cumulative)
def cumulative_prod(
    x: ArrayLike,
    /,
    *,
    axis: int | None = None,
    dtype: DTypeLike = None,
    out: None = None,
    include_initial: bool = False,
) -> Any:
    """Multiply up along an axis; include_initial puts a one before the first."""
    refuse("np.cumulative_prod", out=out)
    return _cumulative(np.cumprod, x, axis, dtype, 1 if include_initial else None)


def _cumulative(
    accumulate: Any, x: ArrayLike, axis: int | None, dtype: DTypeLike, initial: int | None
) -> Any:
    x = np.atleast_1d(operand(x))
    if axis is None and x.ndim > 1:
        raise ShapeError(
            explain(
                f"np.cumulative_{accumulate.__name__.removeprefix('cum')}",
                "Of several axes one must be named.",
                "Pass axis=, or flatten the array.",
                axis=axis,
                shape=x.shape,
            )
        )
    axis = one_axis(axis or 0, x.ndim)
    y = accumulate(x, axis=axis, dtype=dtype)
    if initial is None:
        return y
    first: Array = np.full((*x.shape[:axis], 1, *x.shape[axis + 1 :]), initial, y.dtype)
    return np.concatenate([first, y], axis)


# ---- differences --------------------------------------------------------------------------------


def _along(axis: int, start: int | None, stop: int | None) -> tuple[slice, ...]:
    return (slice(None),) * axis + (slice(start, stop),)


def _draw_diff(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_ndim=1))
    axis = draw.integer(-x.ndim, x.ndim - 1)
    params: dict[str, Any] = {"n": draw.integer(0, 3), "axis": axis}
    for name in ("prepend", "append"):
        side = list(x.shape)
        side[axis] = draw.integer(1, 2)
        if draw.boolean():
            params[name] = draw.array(draw.choice([(), tuple(side)]))
    return (x,), params


@composite(np.diff, samples=_draw_diff)
def diff(
    a: ArrayLike,
    n: int = 1,
    axis: int = -1,
    prepend: ArrayLike = NoValue,
    append: ArrayLike = NoValue,
) -> Any:
    """Subtract neighbours along an axis, n times, after joining what is prepended and appended."""
    if n == 0:
        return a
    a = operand(a)
    if n < 0 or a.ndim == 0:
        raise ShapeError(
            explain(
                "np.diff",
                "Differences are taken along an axis, once or more often.",
                "Pass an array with an axis, and n=1.",
                shape=a.shape,
                n=n,
            )
        )
    axis = one_axis(axis, a.ndim)
    edge = (*a.shape[:axis], 1, *a.shape[axis + 1 :])
    before, after = (
        [] if x is NoValue else [np.broadcast_to(x, edge) if operand(x).ndim == 0 else operand(x)]
        for x in (prepend, append)
    )
    if before or after:
        a = np.concatenate([*before, a, *after], axis)
    subtract = np.not_equal if a.dtype == bool else np.subtract
    for _ in range(n):
        a = subtract(a[_along(axis, 1, None)], a[_along(axis, None, -1)])
    return a


def _draw_ediff(draw: Draw) -> Case:
    x = draw.array(draw.shape())
    ends = [draw.array(draw.shape(max_ndim=2)) for _ in range(2)]
    return (x,), {
        name: end if np.iscomplexobj(x) else end.real.copy()
        for name, end in zip(("to_end", "to_begin"), ends, strict=True)
        if draw.boolean()
    }


@composite(np.ediff1d, samples=_draw_ediff)
def ediff1d(ary: ArrayLike, to_end: ArrayLike = None, to_begin: ArrayLike = None) -> Any:
    """Subtract neighbours of the flattened array, between numbers put before and after."""
    row = np.ravel(operand(ary))
    parts = [row[1:] - row[:-1]]
    for name, end in (("to_begin", to_begin), ("to_end", to_end)):
        if end is None:
            continue
        extra = np.ravel(operand(end))
        if not np.can_cast(extra.dtype, row.dtype, "same_kind"):
            raise UnsupportedError(
                explain(
                    "np.ediff1d",
                    f"What {name} holds takes the dtype of the differences.",
                    "Convert the array first.",
                    dtype=str(row.dtype),
                    **{f"{name}_dtype": str(extra.dtype)},
                )
            )
        extra = extra if extra.dtype == row.dtype else extra.astype(row.dtype)
        parts = [extra, *parts] if name == "to_begin" else [*parts, extra]
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


# ---- derivatives and integrals ------------------------------------------------------------------


def _draw_positions(draw: Draw, side: int) -> Array:
    # far enough apart to stay distinct whatever is drawn
    return 8.0 * np.arange(side) + draw.array((side,)).real


def _draw_gradient(draw: Draw) -> Case:
    order = draw.integer(1, 2)
    f = draw.array(draw.shape(min_ndim=1, max_ndim=2, min_side=order + 1))
    axes = draw.choice([None, draw.integer(-f.ndim, f.ndim - 1), tuple(draw.permutation(f.ndim))])
    sides = f.shape if axes is None else np.take(f.shape, np.atleast_1d(axes)).tolist()
    steps = draw.choice(
        [
            (),
            (8.0 + draw.array(()).real,),
            tuple(8.0 + draw.array(()).real for _ in sides),
            tuple(_draw_positions(draw, side) for side in sides),
        ]
    )
    return (f, *map(np.asarray, steps)), {"axis": axes, "edge_order": order}


@composite(np.gradient, samples=_draw_gradient)
def gradient(f: ArrayLike, *varargs: ArrayLike, axis: Axis = None, edge_order: int = 1) -> Any:
    """Differentiate along axes by central differences, one-sided at the edges.

    Differentiable by the distances or positions in varargs as well.
    """
    f = operand(f)
    axes = range(f.ndim) if axis is None else np.lib.array_utils.normalize_axis_tuple(axis, f.ndim)
    spacings = [operand(spacing) for spacing in varargs] or [np.asarray(1.0)]
    if len(spacings) == 1 and spacings[0].ndim == 0:
        spacings *= len(axes)
    if len(spacings) != len(axes) or any(
        s.ndim > 1 or (s.ndim == 1 and len(s) != f.shape[i])
        for s, i in zip(spacings, axes, strict=True)
    ):
        raise ShapeError(
            explain(
                "np.gradient",
                "There is one spacing for all axes, or for each a distance or a row of positions.",
                "Pass as many as there are axes.",
                shape=f.shape,
                axis=axis,
                spacings=tuple(s.shape for s in spacings),
            )
        )
    if edge_order not in (1, 2) or any(f.shape[i] < edge_order + 1 for i in axes):
        raise ShapeError(
            explain(
                "np.gradient",
                "The order at the edges is 1 or 2, with more entries along each axis.",
                "Pass edge_order=1.",
                shape=f.shape,
                edge_order=edge_order,
            )
        )
    dtype = f.dtype if f.dtype.kind in "fc" else np.dtype(float)
    f = f.astype(float) if f.dtype.kind in "iu" else f
    slopes = [_slope(f, s, i, edge_order) for s, i in zip(spacings, axes, strict=True)]
    slopes = [y if y.dtype == dtype else y.astype(dtype) for y in slopes]
    return slopes[0] if len(slopes) == 1 else tuple(slopes)


def _slope(f: Any, spacing: Any, axis: int, edge_order: int) -> Any:
    """Differentiate along one axis: the slopes of lines, or of parabolas through three points."""

    def at(start: int | None, stop: int | None) -> Any:
        return f[_along(axis, start, stop)]

    def line(start: int | None, stop: int | None) -> Any:
        return np.diff(at(start, stop), axis=axis)

    if spacing.ndim == 0:
        inner = (at(2, None) - at(None, -2)) / (2.0 * spacing)
        if edge_order == 1:
            first, last = line(0, 2) / spacing, line(-2, None) / spacing
        else:
            first = (-1.5 * at(0, 1) + 2.0 * at(1, 2) - 0.5 * at(2, 3)) / spacing
            last = (0.5 * at(-3, -2) - 2.0 * at(-2, -1) + 1.5 * at(-1, None)) / spacing
        return np.concatenate([first, inner, last], axis)
    spacing = spacing.astype(float) if spacing.dtype.kind in "iu" else spacing
    shape = (-1,) + (1,) * (f.ndim - axis - 1)
    dx = np.reshape(np.diff(spacing), shape)
    quotient = np.diff(f, axis=axis) / dx  # the slopes of the lines between neighbours
    before, after = quotient[_along(axis, None, -1)], quotient[_along(axis, 1, None)]
    # the parabola through three points has, in the middle, the average of both slopes, each
    # weighted with the other distance, and 2 * slope - middle at the ends
    inner = (dx[1:] * before + dx[:-1] * after) / (dx[:-1] + dx[1:])
    first, last = quotient[_along(axis, 0, 1)], quotient[_along(axis, -1, None)]
    if edge_order == 2:
        first = 2.0 * first - inner[_along(axis, 0, 1)]
        last = 2.0 * last - inner[_along(axis, -1, None)]
    return np.concatenate([first, inner, last], axis)


def _draw_trapezoid(draw: Draw) -> Case:
    y = draw.array(draw.shape(min_ndim=1, min_side=1))
    axis = draw.integer(-y.ndim, y.ndim - 1)
    params = draw.choice(
        [
            {},
            {"dx": draw.array(())},
            {"x": draw.array((y.shape[axis],))},
            {"x": draw.array(y.shape)},
        ]
    )
    return (y,), {**params, "axis": axis}


@composite(np.trapezoid, samples=_draw_trapezoid)
def trapezoid(y: ArrayLike, x: ArrayLike = None, dx: ArrayLike = 1.0, axis: int = -1) -> Any:
    """Integrate along an axis by trapezoids, at positions x or a distance dx apart."""
    y = operand(y)
    along = one_axis(axis, y.ndim)
    if x is None:
        width = dx
    else:
        x = operand(x)
        width = np.diff(x, axis=axis if x.ndim > 1 else -1)
        if x.ndim == 1:
            width = np.reshape(width, (-1,) + (1,) * (y.ndim - along - 1))
    sides = y[_along(along, 1, None)] + y[_along(along, None, -1)]
    return np.sum(width * sides / 2.0, axis=axis)
