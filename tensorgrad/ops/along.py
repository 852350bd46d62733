"""Functions that call a function of the user's own, row by row or axis by axis."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite
from tensorgrad.engine.primitive import Case
from tensorgrad.errors import ShapeError, explain
from tensorgrad.ops.dispatch import operand
from tensorgrad.ops.joining import stacked
from tensorgrad.ops.reductions import one_axis
from tensorgrad.typing import ArrayLike, Draw


def _draw_rows(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_ndim=1, max_side=3, min_side=1))
    axis = draw.integer(-x.ndim, x.ndim - 1)
    fun, args = draw.choice(
        [
            (np.sum, ()),
            (np.multiply, (2.0,)),
            (np.outer, (np.array([1.0, 2.0]),)),
            (lambda row, power: np.sum(row**power), (3,)),
        ]
    )
    return (fun, axis, x, *args), {}


@composite(np.apply_along_axis, samples=_draw_rows)
def apply_along_axis(
    func1d: Callable[..., ArrayLike], axis: int, arr: ArrayLike, *args: Any, **kwargs: Any
) -> Any:
    """Call a function with every row along an axis; the axes of its results take its place."""
    arr = operand(arr)
    axis = one_axis(axis, arr.ndim)
    rows = np.moveaxis(arr, axis, -1)
    others = rows.shape[:-1]
    if 0 in others:
        rule = "Without any row nobody knows of which shape the results are."
        raise ShapeError(
            explain("np.apply_along_axis", rule, "Treat it apart.", shape=arr.shape, axis=axis)
        )
    results = [stacked(func1d(rows[place], *args, **kwargs)) for place in np.ndindex(others)]
    first = results[0]
    results = [y if y.dtype == first.dtype else y.astype(first.dtype) for y in results]
    joined = np.reshape(np.stack(results), others + first.shape)
    n = len(others)
    return np.transpose(joined, (*range(axis), *range(n, joined.ndim), *range(axis, n)))


def _draw_axes(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_ndim=1, min_side=1))
    fun = draw.choice([np.sum, np.cumsum, lambda x, axis: np.mean(x, axis, keepdims=True)])
    return (fun, x, draw.choice([0, [0, -1], tuple(range(x.ndim))])), {}


@composite(np.apply_over_axes, samples=_draw_axes)
def apply_over_axes(func: Callable[..., Any], a: ArrayLike, axes: int | Sequence[int]) -> Any:
    """Call a function of an array and an axis for one axis after the other, which stay."""
    a = operand(a)
    ndim = a.ndim
    for axis in np.atleast_1d(axes).tolist():
        place = axis + ndim if axis < 0 else axis
        y = operand(func(a, place))
        y = y if y.ndim == ndim else np.expand_dims(y, place)
        if y.ndim != ndim:
            rule = "The function keeps the axes, or takes away the one it is told."
            raise ShapeError(
                explain("np.apply_over_axes", rule, "Pass such a function.", shape=y.shape)
            )
        a = y
    return a
