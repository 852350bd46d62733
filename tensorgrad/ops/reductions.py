"""Reductions and running sums, with every keyword NumPy gives them.

The primitives reduce whole arrays over a tuple of axes; everything else (``where=``, ``initial=``,
``dtype=``) is written with them.
"""

import math
from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite, constant, general, linear
from tensorgrad.engine.primitive import Case, Primitive
from tensorgrad.engine.tensor import Tensor
from tensorgrad.errors import ShapeError, UnsupportedError, explain
from tensorgrad.ops.dispatch import NoValue, constant_value, operand, refuse
from tensorgrad.typing import (
    DISTINCT,
    NONZERO,
    REAL,
    Array,
    ArrayLike,
    Axis,
    Domain,
    Draw,
    DTypeLike,
)


def all_axes(axis: Axis, ndim: int) -> tuple[int, ...]:
    """Return the axes as a sorted tuple of distinct non-negative integers; None means all."""
    if axis is None:
        return tuple(range(ndim))
    return tuple(sorted(np.lib.array_utils.normalize_axis_tuple(axis, ndim)))


def _reduced(axis: Axis, ndim: int) -> tuple[int, ...]:
    # a ufunc, unlike the functions made of it, reduces a number along axis 0
    return () if ndim == 0 and axis in (0, -1) else all_axes(axis, ndim)


def one_axis(axis: int, ndim: int) -> int:
    """Return an axis as a non-negative integer."""
    return np.lib.array_utils.normalize_axis_index(axis, ndim)


# ---- primitives ---------------------------------------------------------------------------------


def _draw_axes(domain: Domain, min_side: int = 0) -> Any:
    def draw_case(draw: Draw) -> Case:
        x = draw.array(draw.shape(min_side=min_side), domain)
        axes = tuple(i for i in range(x.ndim) if draw.boolean())
        return (x,), {"axis": axes, "keepdims": draw.boolean()}

    return draw_case


def _sum(x: Array, /, *, axis: tuple[int, ...], keepdims: bool) -> Array:
    return np.sum(x, axis=axis, keepdims=keepdims)


def _prod(x: Array, /, *, axis: tuple[int, ...], keepdims: bool) -> Array:
    return np.prod(x, axis=axis, keepdims=keepdims)


def _max(x: Array, /, *, axis: tuple[int, ...], keepdims: bool) -> Array:
    return np.max(x, axis=axis, keepdims=keepdims)


def _min(x: Array, /, *, axis: tuple[int, ...], keepdims: bool) -> Array:
    return np.min(x, axis=axis, keepdims=keepdims)


def _beside(y: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    """Return a reduced array with sides of length 1 for the axes: it broadcasts to the entries."""
    return y if keepdims else np.expand_dims(y, axis)


def _product_of_others(x: Array, axis: tuple[int, ...]) -> Array:
    """For each entry the product of all the others along the axes, right where entries are zero."""
    kept = tuple(i for i in range(x.ndim) if i not in axis)
    rows = np.transpose(x, (*kept, *axis))  # (kept sides, reduced sides)
    shape = rows.shape
    flat = np.reshape(rows, (*shape[: len(kept)], math.prod(shape[len(kept) :])))
    back = np.argsort((*kept, *axis))
    return np.transpose(np.reshape(_exclusive_products(flat), shape), back)


def _exclusive_products(x: Array) -> Array:
    # a pair (a, b) inside a row: others(a) = b * others(ab), others(b) = a * others(ab)
    n = x.shape[-1]
    if n <= 1:
        return np.ones_like(x)
    if n % 2:
        x = np.concatenate([x, np.ones_like(x[..., :1])], axis=-1)
    a, b = x[..., 0::2], x[..., 1::2]
    outside = _exclusive_products(a * b)
    pairs = np.stack([outside * b, outside * a], axis=-1)
    return np.reshape(pairs, x.shape)[..., :n]


def _shares(x: Array, ans: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    # the extremum is split equally between the entries that attain it; a NaN is attained by NaNs
    ans = _beside(ans, axis, keepdims)
    attained = (x == ans) | (np.isnan(x) & np.isnan(ans))
    return attained / np.sum(attained, axis=axis, keepdims=True)


def _shared(seed: Array, shares: Array) -> Array:
    return np.where(shares > 0, seed * shares, 0)  # where there is no share, not 0 * inf either


sum_ = linear(
    _sum,
    lambda g, x_shape, axis, keepdims: np.broadcast_to(_beside(g, axis, keepdims), x_shape),
    samples=_draw_axes(REAL),
    name="sum",
)
prod_ = general(
    _prod,
    lambda g, x, axis, keepdims: _beside(g, axis, keepdims) * _product_of_others(x, axis),
    lambda t, x, axis, keepdims: np.sum(
        t * _product_of_others(x, axis), axis=axis, keepdims=keepdims
    ),
    samples=_draw_axes(REAL),
    name="prod",
)
max_, min_ = (
    general(
        fun,
        lambda g, x, ans, axis, keepdims: _shared(
            _beside(g, axis, keepdims), _shares(x, ans, axis, keepdims)
        ),
        lambda t, x, ans, axis, keepdims: np.sum(
            _shared(t, _shares(x, ans, axis, keepdims)), axis=axis, keepdims=keepdims
        ),
        samples=_draw_axes(DISTINCT, min_side=1),
        branches=lambda x, ans, axis, keepdims: np.real(x) == np.real(_beside(ans, axis, keepdims)),
        singular=lambda x, ans, axis, keepdims: (
            np.sum(_shares(x, ans, axis, keepdims) > 0, axis=axis, keepdims=keepdims) > 1
        ),
    )
    for fun in (_max, _min)
)


def _cumsum(x: Array, /, *, axis: int) -> Array:
    return np.cumsum(x, axis=axis)


def _draw_cumsum(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_ndim=1))
    return (x,), {"axis": draw.integer(0, x.ndim - 1)}


cumsum_: Primitive = linear(
    _cumsum,
    lambda g, axis: np.flip(cumsum_(np.flip(g, axis), axis=axis), axis),
    samples=_draw_cumsum,
)


def _root(x: Array, /) -> Array:
    return np.sqrt(x)


def _root_slope(g: Array, ans: Array) -> Array:
    # 1 / (2 sqrt(x)), and 0 at x = 0: the root of a sum of squares, where these all vanish
    vanishes = ans == 0
    return np.where(vanishes, 0, 0.5 * g / np.where(vanishes, 1, ans))


root = general(
    _root,
    _root_slope,
    _root_slope,
    samples=lambda draw: ((draw.array(draw.shape(), Domain(0.5, 3)),), {}),
    branches=lambda ans: ans == 0,
    singular=lambda ans: ans == 0,
)

# ---- NumPy's functions --------------------------------------------------------------------------


def keeps(keepdims: Any) -> bool:
    """Return whether ``keepdims`` was given, and true."""
    return keepdims is not NoValue and bool(keepdims)


def draw_axes_forms(draw: Draw, ndim: int) -> dict[str, Any]:
    """Draw ``keepdims``, and ``axis`` in one of the forms it has."""
    params: dict[str, Any] = {"keepdims": draw.boolean()}
    if ndim:
        axes = tuple(i - ndim * draw.boolean() for i in range(ndim) if draw.boolean())
        params["axis"] = draw.choice([None, axes, draw.integer(-ndim, ndim - 1)])
    return params


def _draw_reduction(domain: Domain = REAL, min_side: int = 0, *, selects: bool = False) -> Any:
    """Draw an array, axes in every form, and what to leave out and begin with.

    An operation that selects an entry must be given one to begin with where it may leave out all.
    """

    def draw_case(draw: Draw) -> Case:
        x = draw.array(draw.shape(min_side=min_side), domain)
        params = draw_axes_forms(draw, x.ndim)
        if draw.boolean():
            mask: Array = np.ones(x.shape[draw.integer(0, x.ndim) :], dtype=bool)
            mask.reshape(-1)[::3] = draw.boolean()
            params["where"] = mask
        if draw.boolean() or (selects and "where" in params):
            # below or above all entries
            initial = draw.array((), draw.choice([Domain(-4.0, -3.0), Domain(20.0, 21.0)]))
            params["initial"] = np.asarray(initial.real)
        return (x,), params

    return draw_case


def _draw_average(draw: Draw, domain: Domain = REAL, min_side: int = 1) -> Case:
    """Draw an array, axes in every form, and a mask that leaves out one entry of four at most."""
    shape = draw.shape(min_side=min_side)
    params = draw_axes_forms(draw, len(shape))
    if params.get("axis", ()) != () and draw.boolean():
        mask: Array = np.ones((4,) * len(shape), dtype=bool)
        mask[(-1,) * len(shape)] = False
        params["where"] = mask[tuple(slice(side) for side in shape)]
    return (draw.array(shape, domain),), params


def _masked(a: Any, where: Any, filler: Any) -> Any:
    """Put the filler, which must not change a's dtype, in place of the entries left out."""
    if where is True:
        return a
    mask = np.broadcast_to(constant_value(where), a.shape)
    return np.where(mask, a, operand(filler).astype(a.dtype))


def _given(initial: ArrayLike) -> bool:
    return initial is not NoValue and initial is not None


def _first(y: Any, initial: Any, function: str) -> Any:
    """Return the value to begin with in the dtype of the result y, as NumPy takes it."""
    initial = initial if isinstance(initial, Tensor) else np.asarray(initial, y.dtype)
    if initial.ndim:
        raise ShapeError(
            explain(function, "The value to begin with is one number.", initial_shape=initial.shape)
        )
    return initial.astype(y.dtype)


def _converted(a: ArrayLike, dtype: DTypeLike) -> Any:
    return operand(a) if dtype is None else operand(a).astype(dtype)


def _as_asked(y: Any, dtype: DTypeLike) -> Any:
    """Return a result in the dtype asked for; unasked, NumPy adds small integers as large ones."""
    return y if dtype is None or y.dtype == dtype else y.astype(dtype)


@composite(np.sum, samples=_draw_reduction())
def sum(
    a: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: None = None,
    keepdims: bool = False,
    initial: ArrayLike = NoValue,
    where: ArrayLike = True,
) -> Any:
    """Sum over axes."""
    refuse("np.sum", out=out)
    a = _masked(_converted(a, dtype), where, 0)
    y = _as_asked(sum_(a, axis=_reduced(axis, a.ndim), keepdims=keeps(keepdims)), dtype)
    return y + _first(y, initial, "np.sum") if _given(initial) else y


@composite(np.prod, samples=_draw_reduction())
def prod(
    a: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: None = None,
    keepdims: bool = False,
    initial: ArrayLike = NoValue,
    where: ArrayLike = True,
) -> Any:
    """Multiply over axes; the gradient is right also where entries are zero."""
    refuse("np.prod", out=out)
    a = _masked(_converted(a, dtype), where, 1)
    y = _as_asked(prod_(a, axis=_reduced(axis, a.ndim), keepdims=keeps(keepdims)), dtype)
    return y * _first(y, initial, "np.prod") if _given(initial) else y


@composite(np.max, np.amax, samples=_draw_reduction(DISTINCT, 1, selects=True))
def max(
    a: ArrayLike,
    axis: Axis = None,
    out: None = None,
    keepdims: bool = False,
    initial: ArrayLike = NoValue,
    where: ArrayLike = True,
) -> Any:
    """Take the greatest entry over axes; entries that tie share the gradient equally."""
    refuse("np.max", out=out)
    return _extremum(max_, np.maximum, a, axis, keepdims, initial, where)


@composite(np.min, np.amin, samples=_draw_reduction(DISTINCT, 1, selects=True))
def min(
    a: ArrayLike,
    axis: Axis = None,
    out: None = None,
    keepdims: bool = False,
    initial: ArrayLike = NoValue,
    where: ArrayLike = True,
) -> Any:
    """Take the least entry over axes; entries that tie share the gradient equally."""
    refuse("np.min", out=out)
    return _extremum(min_, np.minimum, a, axis, keepdims, initial, where)


def _extremum(
    reduce: Any, combine: Any, a: Any, axis: Axis, keepdims: bool, initial: Any, where: Any
) -> Any:
    a, function = operand(a), f"np.{reduce.name}"
    axes = _reduced(axis, a.ndim)
    if not _given(initial):
        if where is not True:
            raise ShapeError(
                explain(
                    function,
                    "With where= some results may have nothing to choose from.",
                    "Pass initial= as well.",
                )
            )
        return reduce(a, axis=axes, keepdims=keeps(keepdims))
    initial = _first(a, initial, function)
    if any(a.shape[i] == 0 for i in axes):  # nothing to choose from, which sums to 0
        return np.add(sum_(a, axis=axes, keepdims=keeps(keepdims)), initial)
    filler = initial
    if a.dtype.kind == "f":  # below what there is to begin with, so that they never tie
        below = -np.inf if combine is np.maximum else np.inf
        filler = np.nextafter(constant_value(initial), a.dtype.type(below))
    extremum = reduce(_masked(a, where, filler), axis=axes, keepdims=keeps(keepdims))
    return combine(extremum, initial)


def _count(a: Any, axes: tuple[int, ...], where: Any, keepdims: bool, taken_off: Any = 0) -> Any:
    """Count the entries that a reduction takes in: a divisor in a's precision."""
    if where is True:
        count = math.prod(a.shape[i] for i in axes) - taken_off
        return count if count > 0 else 0
    mask = np.broadcast_to(constant_value(where), a.shape)
    counts = np.maximum(np.sum(mask, axis=axes, keepdims=keepdims) - taken_off, 0)
    return counts if a.dtype.kind in "iub" else counts.astype(np.finfo(a.dtype).dtype)


def _mean(a: Any, axes: tuple[int, ...], where: Any, keepdims: bool) -> Any:
    total = sum_(_masked(a, where, 0), axis=axes, keepdims=keepdims)
    return total / _count(a, axes, where, keepdims)


def _accurate(a: Any) -> Any:
    # sums of squares, or of many numbers, soon are more than half precision can hold
    return a.astype(np.float32) if a.dtype == np.float16 else a


@composite(np.mean, samples=_draw_average)
def mean(
    a: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: None = None,
    keepdims: bool = False,
    *,
    where: ArrayLike = True,
) -> Any:
    """Average over axes."""
    refuse("np.mean", out=out)
    a = _converted(a, dtype)
    axes = all_axes(axis, a.ndim)
    y = _mean(_accurate(a), axes, where, keeps(keepdims))
    return _as_asked(y, np.float16 if a.dtype == np.float16 else dtype)


def _draw_var(draw: Draw) -> Case:
    (x,), params = _draw_average(draw, DISTINCT, min_side=2)
    params["ddof"] = draw.choice([0, 0.5])
    if draw.boolean():
        kept = np.sum(x, axis=params.get("axis"), keepdims=True).shape
        mean = draw.array(kept, Domain(-4.0, -3.0))
        params["mean"] = mean if np.iscomplexobj(x) or np.isrealobj(mean) else mean.real.copy()
    return (x,), params


@composite(np.var, samples=_draw_var)
def var(
    a: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: None = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: ArrayLike = True,
    mean: ArrayLike = NoValue,
    correction: float = NoValue,
) -> Any:
    """Average the squared distance from the mean, with ddof taken off the number of entries."""
    refuse("np.var", out=out)
    a = _in_precision("np.var", a, dtype)
    axes = all_axes(axis, a.ndim)
    ddof = _ddof("np.var", ddof, correction)
    y = _var(_accurate(a), axes, where, mean, ddof, keeps(keepdims))
    return _in_precision_of(a, y, dtype)


def _in_precision(function: str, a: ArrayLike, dtype: DTypeLike) -> Any:
    a = operand(a)
    if dtype is not None and np.dtype(dtype).kind not in ("c" if a.dtype.kind == "c" else "fc"):
        raise UnsupportedError(
            explain(
                function,
                "Deviations from the mean are computed in floating-point numbers, and complex ones"
                " as such.",
                "Leave the dtype out, and convert the result.",
                dtype=str(np.dtype(dtype)),
                a_dtype=str(a.dtype),
            )
        )
    return _converted(a, dtype)


def _in_precision_of(a: Any, y: Any, dtype: DTypeLike) -> Any:
    if a.dtype == np.float16 and y.dtype == np.float32:  # see _accurate
        return y.astype(np.float16)
    return _as_asked(y, dtype)


def _ddof(function: str, ddof: float, correction: float) -> float:
    if correction is NoValue:
        return ddof
    if ddof != 0:
        raise UnsupportedError(
            explain(
                function,
                "Two names for one number.",
                "Pass one of them.",
                ddof=ddof,
                correction=correction,
            )
        )
    return correction


def _var(a: Any, axes: tuple[int, ...], where: Any, mean: Any, ddof: float, keepdims: bool) -> Any:
    # what is left out is left out first: a NaN in it would find its way into the gradient
    a = _masked(a, where, 0)
    distance = _masked(
        a - (_mean(a, axes, where, keepdims=True) if mean is NoValue else mean), where, 0
    )
    if a.dtype.kind == "c":
        squares = np.real(distance) ** 2 + np.imag(distance) ** 2
    else:
        squares = distance * distance
    total = sum_(squares, axis=axes, keepdims=keepdims)
    return total / _count(squares, axes, where, keepdims, ddof)


def _draw_std(draw: Draw) -> Case:
    (x,), params = _draw_var(draw)
    if x.ndim == 0 or params.get("axis") == ():  # the deviation of a single number is 0, a kink
        x, params["axis"] = np.stack([x, x + 1]), 0
        params.pop("mean", None)
        params.pop("where", None)
    return (x,), params


@composite(np.std, samples=_draw_std)
def std(
    a: ArrayLike,
    axis: Axis = None,
    dtype: DTypeLike = None,
    out: None = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: ArrayLike = True,
    mean: ArrayLike = NoValue,
    correction: float = NoValue,
) -> Any:
    """Return the root of the variance; its gradient is 0 where all entries are equal."""
    refuse("np.std", out=out)
    a = _in_precision("np.std", a, dtype)
    axes = all_axes(axis, a.ndim)
    ddof = _ddof("np.std", ddof, correction)
    y = root(_var(_accurate(a), axes, where, mean, ddof, keeps(keepdims)))
    return _in_precision_of(a, y, dtype)


def _draw_cumsum_call(draw: Draw) -> Case:
    x = draw.array(draw.shape())
    return (x,), {"axis": draw.choice([None, *range(-x.ndim, x.ndim)])}


@composite(np.cumsum, samples=_draw_cumsum_call)
def cumsum(a: ArrayLike, axis: int | None = None, dtype: DTypeLike = None, out: None = None) -> Any:
    """Add up along an axis, or along the flattened array."""
    refuse("np.cumsum", out=out)
    a = _converted(a, dtype)
    if axis is None or (a.ndim == 0 and axis in (0, -1)):
        a, axis = np.ravel(a), axis or 0
    return _as_asked(cumsum_(a, axis=one_axis(axis, a.ndim)), dtype)


# ---- locally constant ---------------------------------------------------------------------------


def _nonempty(draw: Draw) -> Case:
    return (draw.array(draw.shape(min_ndim=1, min_side=1), DISTINCT),), {}


constant(np.argmax, np.argmin, np.argsort, np.argwhere, samples=_nonempty)
constant(np.nonzero, np.flatnonzero, np.count_nonzero, np.any, np.all, samples=_nonempty)
constant(
    np.searchsorted,
    samples=lambda draw: ((np.arange(5.0), draw.array(draw.shape(), NONZERO)), {}),
)
