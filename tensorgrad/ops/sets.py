"""Arrays as sets: the values that are in them, each once.

Entries that are equal share the derivative of their value equally, as they do in a sort.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite, constant, general
from tensorgrad.engine.primitive import NUMPY, Case, Operation, Samples
from tensorgrad.engine.tensor import Tensor
from tensorgrad.ops.dispatch import constant_value, operand
from tensorgrad.ops.indexing import scatter
from tensorgrad.ops.reductions import one_axis
from tensorgrad.ops.sorting import draw_rows
from tensorgrad.typing import Array, ArrayLike, Draw

# ---- primitive ----------------------------------------------------------------------------------


def _unique(x: Array, /, *, equal_nan: bool) -> Array:
    return np.unique(x, axis=0, equal_nan=equal_nan)


def _groups(x: Array, equal_nan: bool) -> tuple[Array, Array]:
    """Return for each entry along the first axis the place of its value, and for each how many."""
    x = constant_value(x)
    _, places, counts = np.unique(
        x, return_inverse=True, return_counts=True, axis=0, equal_nan=equal_nan
    )
    return places.reshape(-1), counts.reshape((-1,) + (1,) * (x.ndim - 1))


def _unique_vjp(g: Array, x: Array, equal_nan: bool) -> Array:
    places, counts = _groups(x, equal_nan)
    return (g / counts)[places]


def _unique_jvp(t: Array, x: Array, ans: Array, equal_nan: bool) -> Array:
    places, counts = _groups(x, equal_nan)
    return scatter(t, index=places, shape=ans.shape) / counts


def _draw_distinct(draw: Draw) -> Case:
    return (draw_rows(draw, alike=1),), {"equal_nan": draw.boolean()}


unique_ = general(
    _unique,
    _unique_vjp,
    _unique_jvp,
    samples=_draw_distinct,
    branches=lambda x, equal_nan: _groups(x, equal_nan)[0],
    singular=lambda x, equal_nan: _groups(x, equal_nan)[1] > 1,
)

# ---- NumPy's functions --------------------------------------------------------------------------


def _among(x: ArrayLike, values: Array) -> Any:
    """Return the entries of x that have these values."""
    x = unique_(np.ravel(x), equal_nan=True)
    return x[np.searchsorted(constant_value(x), values)]


def _draw_unique(draw: Draw) -> Case:
    x = draw_rows(draw, alike=1)
    flags = ("return_index", "return_inverse", "return_counts", "equal_nan")
    params = {flag: draw.boolean() for flag in flags}
    params["sorted"] = x.size > 1 or draw.boolean()  # else NumPy's order is another in each dtype
    return (x,), {**params, "axis": draw.choice([None, draw.integer(-x.ndim, x.ndim - 1)])}


@composite(np.unique, samples=_draw_unique)
def unique(
    ar: ArrayLike,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Any:
    """Return the distinct values, or slices along an axis; equal ones share the gradient equally.

    Their places and numbers, asked for by the first three flags, are constants.
    """
    ar = operand(ar)
    flags: Any = (return_index, return_inverse, return_counts, axis)
    found: Any = np.unique(constant_value(ar), *flags, equal_nan=equal_nan, sorted=sorted)
    values, *constants = found if isinstance(found, tuple) else (found,)
    if axis is None or ar.ndim == 1:
        row = unique_(np.ravel(ar), equal_nan=equal_nan)
        y = row if sorted else row[np.searchsorted(constant_value(row), values)]
    else:
        axis = one_axis(axis, ar.ndim)
        y = np.moveaxis(unique_(np.moveaxis(ar, axis, 0), equal_nan=equal_nan), 0, axis)
    return (y, *map(Tensor, constants)) if constants else y


def _draw_row(draw: Draw) -> Case:
    return (draw_rows(draw, alike=1),), {}


@composite(np.unique_all, samples=_draw_row)
def unique_all(x: ArrayLike) -> Any:
    """Return the distinct values, and, as constants, their places and numbers."""
    return _values_first(np.unique_all, x)


@composite(np.unique_counts, samples=_draw_row)
def unique_counts(x: ArrayLike) -> Any:
    """Return the distinct values, and, as constants, how often each comes."""
    return _values_first(np.unique_counts, x)


@composite(np.unique_inverse, samples=_draw_row)
def unique_inverse(x: ArrayLike) -> Any:
    """Return the distinct values, and, as constants, the place among them of each entry."""
    return _values_first(np.unique_inverse, x)


def _values_first(function: Any, x: ArrayLike) -> Any:
    found = function(constant_value(x))
    values = unique_(np.ravel(x), equal_nan=False)
    return type(found)(values, *map(Tensor, found[1:]))


@composite(np.unique_values, samples=lambda draw: ((draw.array((draw.integer(0, 1),)),), {}))
def unique_values(x: ArrayLike) -> Any:
    """Return the distinct values, in an order of NumPy's."""
    return np.unique(x, equal_nan=False, sorted=False)


def _draw_two(draw: Draw) -> Case:
    # apart from each other: where two values meet, they become one
    rows = draw_rows(draw, alike=1).ravel()
    cut = draw.integer(0, rows.size)
    return (rows[:cut].copy(), rows[cut:].copy()), {}


def _draw_two_assumed(draw: Draw) -> Case:
    args, _ = _draw_two(draw)
    return args, {"assume_unique": draw.boolean()}


@composite(np.union1d, samples=_draw_two)
def union1d(ar1: ArrayLike, ar2: ArrayLike) -> Any:
    """Return the distinct values of two arrays together."""
    return np.unique(_both(ar1, ar2))


@composite(np.setdiff1d, samples=_draw_two_assumed)
def setdiff1d(ar1: ArrayLike, ar2: ArrayLike, assume_unique: bool = False) -> Any:
    """Return the distinct values of one array that are not in the other."""
    row = np.ravel(ar1) if assume_unique else np.unique(ar1)
    return row[constant_value(np.isin(row, ar2, invert=True))]


@composite(np.setxor1d, samples=_draw_two_assumed)
def setxor1d(ar1: ArrayLike, ar2: ArrayLike, assume_unique: bool = False) -> Any:
    """Return the values that are in one of two arrays only."""
    values = np.setxor1d(constant_value(ar1), constant_value(ar2), assume_unique)
    return _among(_both(ar1, ar2), values)


def intersect1d(
    ar1: ArrayLike, ar2: ArrayLike, assume_unique: bool = False, return_indices: bool = False
) -> Any:
    """Return the values that are in both of two arrays; equal entries share the gradient."""
    flags: Any = (assume_unique, return_indices)
    found: Any = np.intersect1d(constant_value(ar1), constant_value(ar2), *flags)
    values, *places = found if return_indices else (found,)
    y = _among(_both(ar1, ar2), values)
    return (y, *map(Tensor, places)) if return_indices else y


def _draw_overlapping(draw: Draw) -> Case:
    row = draw_rows(draw, alike=1).ravel()
    flags = {"assume_unique": draw.boolean(), "return_indices": draw.boolean()}
    return (row, row[: draw.integer(0, row.size)].copy()), flags


class _Untried(Operation):
    """An operation that is not in the registry, because there is nothing to differentiate.

    Where two entries are equal, moving one of them changes the shape of the result.
    """

    def __init__(
        self, fun: Callable[..., Any], samples: Samples, numpy: Callable[..., Any]
    ) -> None:
        self.name, self.fun, self.samples = f"numpy.{numpy.__name__}", fun, samples
        self.reference, self.differentiable = numpy, True
        NUMPY[numpy] = self


_Untried(intersect1d, _draw_overlapping, np.intersect1d)


def _both(ar1: ArrayLike, ar2: ArrayLike) -> Any:
    return np.concatenate((operand(ar1), operand(ar2)), axis=None)


constant(np.isin, samples=lambda draw: ((draw.array(draw.shape()), [0.5, 1.0]), {}))
