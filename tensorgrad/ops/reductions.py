"""Reductions and running sums, with every keyword NumPy gives them.

The primitives reduce whole arrays over a tuple of axes and keep these as sides of length 1;
everything else (``where=``, ``initial=``, ``keepdims=``, ``dtype=``) is written with them.
"""

from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite, constant, general, linear
from tensorgrad.engine.primitive import Case
from tensorgrad.errors import ShapeError, explain
from tensorgrad.ops.dispatch import REDUCTIONS, NoValue, constant_value, operand, refuse
from tensorgrad.typing import DISTINCT, NONZERO, REAL, Array, ArrayLike, Axis, Domain, Draw, DTypeLike, Shape


def all_axes(axis: Axis, ndim: int) -> tuple[int, ...]:
    """Return the axes as a sorted tuple of distinct non-negative integers; None means all."""
    if axis is None:
        return tuple(range(ndim))
    return tuple(sorted(np.lib.array_utils.normalize_axis_tuple(axis, ndim)))


# ---- primitives -----------------------------------------------------------------------------------


def _draw_axes(domain: Domain, min_side: int = 0) -> Any:
    def draw_case(draw: Draw) -> Case:
        x = draw.array(draw.shape(min_side=min_side), domain)
        return (x,), {"axis": tuple(i for i in range(x.ndim) if draw.boolean())}

    return draw_case


def _sum(x: Array, /, *, axis: tuple[int, ...]) -> Array:
    return np.sum(x, axis=axis, keepdims=True)


def _prod(x: Array, /, *, axis: tuple[int, ...]) -> Array:
    return np.prod(x, axis=axis, keepdims=True)


def _max(x: Array, /, *, axis: tuple[int, ...]) -> Array:
    return np.max(x, axis=axis, keepdims=True)


def _min(x: Array, /, *, axis: tuple[int, ...]) -> Array:
    return np.min(x, axis=axis, keepdims=True)


def _product_of_others(x: Array, axis: tuple[int, ...]) -> Array:
    """For each entry the product of all the others along the axes, right where entries are zero."""
    kept = tuple(i for i in range(x.ndim) if i not in axis)
    rows = np.transpose(x, (*kept, *axis))  # (kept sides, reduced sides)
    shape = rows.shape
    flat = np.reshape(rows, (*shape[: len(kept)], int(np.prod(shape[len(kept) :]))))
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


def _shares(x: Array, ans: Array, axis: tuple[int, ...]) -> Array:
    # the extremum is split equally between the entries that attain it; a NaN is attained by NaNs
    attained = (x == ans) | (np.isnan(x) & np.isnan(ans))
    return attained / np.sum(attained, axis=axis, keepdims=True)


sum_ = linear(
    _sum, lambda g, x_shape: np.broadcast_to(g, x_shape), samples=_draw_axes(REAL), name="sum"
)
prod_ = general(
    _prod,
    lambda g, x, axis: g * _product_of_others(x, axis),
    lambda t, x, axis: np.sum(t * _product_of_others(x, axis), axis=axis, keepdims=True),
    samples=_draw_axes(REAL),
    name="prod",
)
max_, min_ = (
    general(
        fun,
        lambda g, x, ans, axis: g * _shares(x, ans, axis),
        lambda t, x, ans, axis: np.sum(t * _shares(x, ans, axis), axis=axis, keepdims=True),
        samples=_draw_axes(DISTINCT, min_side=1),
    )
    for fun in (_max, _min)
)


def _cumsum(x: Array, /, *, axis: int) -> Array:
    return np.cumsum(x, axis=axis)


def _draw_cumsum(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_ndim=1))
    return (x,), {"axis": draw.integer(0, x.ndim - 1)}


cumsum_ = linear(
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
    _root, _root_slope, _root_slope, samples=lambda draw: ((draw.array(draw.shape(), Domain(0.5, 3)),), {})
)

# ---- NumPy's functions ----------------------------------------------------------------------------


def _squeeze_unless(keepdims: bool, y: Any, axes: tuple[int, ...]) -> Any:
    if keepdims is True or keepdims == 1:
        return y
    return np.reshape(y, tuple(side for i, side in enumerate(y.shape) if i not in axes))


def _draw_reduction(domain: Domain = REAL, min_side: int = 0, **options: str) -> Any:
    """Draw an array, axes in every form, keepdims, and of where= and initial= what there is."""

    def draw_case(draw: Draw) -> Case:
        x = draw.array(draw.shape(min_side=min_side), domain)
        params: dict[str, Any] = {"keepdims": draw.boolean()}
        if x.ndim:
            axes = tuple(i - x.ndim * draw.boolean() for i in range(x.ndim) if draw.boolean())
            params["axis"] = draw.choice([None, axes, draw.integer(-x.ndim, x.ndim - 1)])
        if "where" in options and draw.boolean():
            mask = np.ones(x.shape[draw.integer(0, x.ndim) :], dtype=bool)
            mask.reshape(-1)[::3] = options["where"] == "any" and draw.boolean()
            params["where"] = mask
        if "initial" in options and (draw.boolean() or (options["initial"] == "needed" and "where" in params)):
            params["initial"] = 0.75
        return (x,), params

    return draw_case


def _masked(a: Any, where: Any, neutral: Any) -> Any:
    if where is True:
        return a
    return np.where(constant_value(where), a, neutral)


@composite(np.sum, samples=_draw_reduction(where="any", initial="any"))
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
    a = _masked(operand(a) if dtype is None else np.astype(operand(a), dtype), where, 0)
    axes = all_axes(axis, a.ndim)
    y = _squeeze_unless(keepdims, sum_(a, axis=axes), axes)
    return y if initial is NoValue else y + initial


@composite(np.prod, samples=_draw_reduction(where="any", initial="any"))
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
    a = _masked(operand(a) if dtype is None else np.astype(operand(a), dtype), where, 1)
    axes = all_axes(axis, a.ndim)
    y = _squeeze_unless(keepdims, prod_(a, axis=axes), axes)
    return y if initial is NoValue else y * initial


@composite(np.max, np.amax, samples=_draw_reduction(DISTINCT, 1, where="any", initial="needed"))
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


@composite(np.min, np.amin, samples=_draw_reduction(DISTINCT, 1, where="any", initial="needed"))
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
    a = operand(a)
    if where is not True:
        if initial is NoValue:
            raise ShapeError(
                explain(
                    f"np.{reduce.name}",
                    "With where= some results may have nothing to choose from.",
                    "Pass initial= as well.",
                    initial=None,
                )
            )
        a = np.where(constant_value(where), a, -np.inf if reduce is max_ else np.inf)
    axes = all_axes(axis, a.ndim)
    if initial is not NoValue and any(a.shape[i] == 0 for i in axes):
        y = np.broadcast_to(initial, tuple(1 if i in axes else side for i, side in enumerate(a.shape)))
        return _squeeze_unless(keepdims, y, axes)
    y = _squeeze_unless(keepdims, reduce(a, axis=axes), axes)
    return y if initial is NoValue else combine(y, initial)


def _draw_mean(draw: Draw) -> Case:
    args, params = _draw_reduction(min_side=1, where="all")(draw)
    return args, params


def count(shape: Shape, axes: tuple[int, ...], where: Any) -> Any:
    """Count the entries that a reduction over axes takes in, keeping the axes."""
    if where is True:
        return int(np.prod([shape[i] for i in axes], dtype=int))
    mask = np.broadcast_to(constant_value(where), shape)
    return np.sum(mask, axis=axes, keepdims=True)


def _mean(a: Any, axes: tuple[int, ...], where: Any) -> Any:
    return sum_(_masked(a, where, 0), axis=axes) / count(a.shape, axes, where)


@composite(np.mean, samples=_draw_mean)
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
    a = operand(a) if dtype is None else np.astype(operand(a), dtype)
    axes = all_axes(axis, a.ndim)
    return _squeeze_unless(keepdims, _mean(a, axes, where), axes)


def _draw_var(draw: Draw) -> Case:
    (x,), params = _draw_mean(draw)
    return (draw.array(x.shape, DISTINCT),), params | {"ddof": draw.choice([0, 0.5])}


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
    """Average the squared distance from the mean over axes, with ddof degrees of freedom taken off."""
    refuse("np.var", out=out)
    a = operand(a) if dtype is None else np.astype(operand(a), dtype)
    axes = all_axes(axis, a.ndim)
    ddof = ddof if correction is NoValue else correction
    distance = a - (_mean(a, axes, where) if mean is NoValue else mean)
    if distance.dtype.kind == "c":
        squares = np.real(distance) ** 2 + np.imag(distance) ** 2
    else:
        squares = distance * distance
    total = sum_(_masked(squares, where, 0), axis=axes)
    freedom = np.maximum(count(a.shape, axes, where) - ddof, 0)
    return _squeeze_unless(keepdims, total / freedom, axes)


def _draw_std(draw: Draw) -> Case:
    while True:  # where everything is masked, or equal, there is no deviation to speak of
        (x,), params = _draw_var(draw)
        if np.all(np.var(x, **params) > 1e-3):
            return (x,), params
        if x.size <= 1:
            return (np.array([0.5, -1.0, 0.25]),), {}


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
    return root(var(a, axis, dtype, None, ddof, keepdims, where=where, mean=mean, correction=correction))


@composite(
    np.cumsum,
    samples=lambda draw: (
        (x := draw.array(draw.shape()),),
        {"axis": draw.choice([None, *range(-x.ndim, x.ndim)])},
    ),
)
def cumsum(a: ArrayLike, axis: int | None = None, dtype: DTypeLike = None, out: None = None) -> Any:
    """Add up along an axis, or along the flattened array."""
    refuse("np.cumsum", out=out)
    a = operand(a) if dtype is None else np.astype(operand(a), dtype)
    if axis is None:
        a, axis = np.reshape(a, -1), 0
    (axis,) = all_axes(axis, a.ndim)
    return cumsum_(a, axis=axis)


REDUCTIONS.update({np.add: sum, np.multiply: prod, np.maximum: max, np.minimum: min})

# ---- locally constant -----------------------------------------------------------------------------


def _nonempty(draw: Draw) -> Case:
    return (draw.array(draw.shape(min_ndim=1, min_side=1), DISTINCT),), {}


constant(np.argmax, np.argmin, np.argsort, np.argwhere, samples=_nonempty)
constant(np.nonzero, np.flatnonzero, np.count_nonzero, np.any, np.all, samples=_nonempty)
constant(
    np.searchsorted,
    samples=lambda draw: ((np.arange(5.0), draw.array(draw.shape(), NONZERO)), {}),
)
