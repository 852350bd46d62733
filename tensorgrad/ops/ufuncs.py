"""What universal functions share: the keywords of their calls, and their methods.

A method of a ufunc that has no function of its own (as ``add.reduce`` has in ``sum``) applies the
ufunc step by step, so that it is as differentiable as the ufunc is.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite
from tensorgrad.engine.modes import branch_watcher, is_recording
from tensorgrad.engine.primitive import NUMPY, REGISTRY, Case, Constant
from tensorgrad.engine.tensor import Tensor
from tensorgrad.errors import IndexingError, ShapeError, UnsupportedError, explain
from tensorgrad.ops import reductions
from tensorgrad.ops.calculus import cumprod, recurrence
from tensorgrad.ops.dispatch import UFUNC_METHODS, NoValue, constant_value, operand, refuse
from tensorgrad.ops.indexing import assign, plain_index, scatter, setitem_
from tensorgrad.ops.nans import extremum_of_numbers
from tensorgrad.ops.reductions import one_axis
from tensorgrad.typing import POSITIVE, Array, ArrayLike, Axis, Domain, Draw, DTypeLike

# ---- calls with keywords ------------------------------------------------------------------------


def call(
    *inputs: ArrayLike,
    ufunc: np.ufunc,
    out: None = None,
    where: Any = True,
    order: str = "K",  # noqa: ARG001  # how the result lies in memory
    subok: bool = True,  # noqa: ARG001  # Tensor has no subclasses
    casting: str = "same_kind",
    dtype: DTypeLike = None,
    signature: Any = None,
    axes: Any = None,
    axis: int | None = None,
    keepdims: bool = False,
) -> Any:
    """Call a ufunc in the precision that dtype or signature ask for, along the axes named."""
    name = f"np.{ufunc.__name__}"
    refuse(name, out=_given(out), where=None if where is True else where)
    if dtype is not None or signature is not None:
        inputs = _converted(ufunc, inputs, dtype, signature, casting)
    elif casting != "same_kind":
        _converted(ufunc, inputs, None, None, casting)  # which says if it may not be
    if ufunc.signature is None:
        return NUMPY[ufunc](*inputs)
    return _along_axes(ufunc, inputs, axes, axis, keepdims)


def _given(out: Any) -> Any:
    # NumPy hands on out=None as (None,)
    return None if isinstance(out, tuple) and all(x is None for x in out) else out


def _converted(
    ufunc: np.ufunc, inputs: Any, dtype: DTypeLike, signature: Any, casting: str
) -> tuple[Any, ...]:
    given = [type(x) if type(x) in (int, float, complex) else operand(x).dtype for x in inputs]
    if dtype is not None:
        signature = (None,) * ufunc.nin + (np.dtype(dtype),) * ufunc.nout
    wanted = {} if signature is None else {"signature": signature}
    found = _by_numpy(
        f"np.{ufunc.__name__}",
        ufunc.resolve_dtypes,
        (*given, *(None,) * ufunc.nout),
        casting=casting,
        **wanted,
    )
    xs = map(operand, inputs)
    return tuple(x if x.dtype == to else x.astype(to) for x, to in zip(xs, found, strict=False))


def _along_axes(ufunc: np.ufunc, inputs: Any, axes: Any, axis: Any, keepdims: bool) -> Any:
    """Call a ufunc of vectors or matrices, which it finds along its last axes, along others."""
    xs = [operand(x) for x in inputs]
    if axis is not None:
        axes = [axis] * len(xs) + ([axis] if keepdims else [])
    if axes is not None:
        ours = [_as_tuple(one) for one in axes]
        xs = [
            np.moveaxis(x, one, range(-len(one), 0))
            for x, one in zip(xs, ours, strict=False)
            if one
        ]
    y = NUMPY[ufunc](*xs)
    if keepdims:
        y = np.expand_dims(y, -1)
    if axes is None or len(ours) == len(xs) or not ours[-1]:
        return y
    return np.moveaxis(y, range(-len(ours[-1]), 0), ours[-1])


def _as_tuple(axes: Any) -> tuple[int, ...]:
    return tuple(axes) if isinstance(axes, (tuple, list)) else (axes,)


def _by_numpy(name: str, function: Callable[..., Any], *args: Any, **params: Any) -> Any:
    """Return what NumPy computes on bare values; its errors say what was called."""
    args = tuple(x._value if isinstance(x, Tensor) else x for x in args)
    params = {key: x._value if isinstance(x, Tensor) else x for key, x in params.items()}
    try:
        return function(*args, **params)
    except (TypeError, ValueError, IndexError) as error:
        kinds = {TypeError: UnsupportedError, IndexError: IndexingError, ValueError: ShapeError}
        kind = next(ours for theirs, ours in kinds.items() if isinstance(error, theirs))
        shown = {key: value for key, value in params.items() if value is not NoValue}
        raise kind(explain(name, f"{error}.".replace("..", "."), "", **shown)) from error


# ---- methods ------------------------------------------------------------------------------------

_SUMS = {
    np.add: reductions.sum,
    np.multiply: reductions.prod,
    np.maximum: reductions.max,
    np.minimum: reductions.min,
}
_EXTREMA_OF_NUMBERS = {np.fmax: (reductions.max, -np.inf), np.fmin: (reductions.min, np.inf)}
_RUNNING = {np.add: reductions.cumsum, np.multiply: cumprod}


def _constant(ufunc: np.ufunc, ans: Any) -> Any:
    operation, note = NUMPY[ufunc], branch_watcher()
    if note is not None and isinstance(operation, Constant) and operation.steps:
        note(ans)
    return Tensor(ans)


def _draw_reduce(draw: Draw) -> Case:
    x = np.asarray(draw.array(draw.shape(min_ndim=1, min_side=1), Domain(distinct=True)).real)
    ufunc = draw.choice([np.logaddexp, np.subtract, np.hypot, np.fmax, np.minimum])
    params: dict[str, Any] = {"axis": draw.integer(-x.ndim, x.ndim - 1)}
    if draw.boolean():
        params["where"] = np.asarray(np.arange(x.size).reshape(x.shape) % 3 > 0)
        params["initial"] = np.asarray(draw.array((), Domain(8.0, 9.0)).real)
    return (x,), {**params, "ufunc": ufunc, "keepdims": draw.boolean()}


@composite(
    name="ufunc.reduce",
    samples=_draw_reduce,
    reference=lambda array, *, ufunc, **params: ufunc.reduce(array, **params),
)
def reduce(
    array: ArrayLike,
    /,
    axis: Axis = 0,
    dtype: DTypeLike = None,
    out: None = None,
    keepdims: bool = False,
    initial: ArrayLike = NoValue,
    where: ArrayLike = True,
    *,
    ufunc: np.ufunc,
) -> Any:
    """Combine the entries along axes, from the first to the last."""
    name = f"np.{ufunc.__name__}.reduce"
    refuse(name, out=_given(out))
    keywords = {"initial": initial, "where": where}
    ans = _by_numpy(
        name, ufunc.reduce, array, axis=axis, dtype=dtype, keepdims=keepdims, **keywords
    )
    if not NUMPY[ufunc].differentiable:
        return _constant(ufunc, ans)
    a = operand(array)
    a = a if a.dtype == ans.dtype else a.astype(ans.dtype)
    if ufunc in _SUMS:
        return _SUMS[ufunc](a, axis, keepdims=keepdims, **keywords)
    if ufunc in _EXTREMA_OF_NUMBERS:
        function, filler = _EXTREMA_OF_NUMBERS[ufunc]
        return extremum_of_numbers(function, filler, a, axis, keepdims, initial, where)[0]
    if ufunc is np.hypot and a.size != ans.size:
        return np.where(np.isinf(ans), ans, _length(a, axis, keepdims, initial, where))
    axes = reductions.all_axes(axis, a.ndim) if a.ndim else ()
    masked = where is not True
    begin = ufunc.identity if initial is NoValue else initial
    mask = np.broadcast_to(constant_value(where), a.shape)
    a, mask = (np.moveaxis(x, axes, range(len(axes))) for x in (a, mask))
    # NumPy's own loop for arctan2 and power may combine the first with the last entry only
    rows, kept = math.prod(a.shape[: len(axes)]), a.shape[len(axes) :]
    a, mask = (np.reshape(x, (rows, *kept)) for x in (a, mask))
    if begin is None:
        total, first = a[0], 1
    else:
        total, first = np.broadcast_to(operand(begin).astype(ans.dtype), kept), 0
    for i in range(first, len(a)):
        y = ufunc(total, a[i])
        total = np.where(mask[i], y, total) if masked else y
    return np.reshape(total, ans.shape) if rows else _constant(ufunc, ans)


def _length(a: Any, axis: Axis, keepdims: bool, initial: Any, where: Any) -> Any:
    """Return the length of vectors, in units in which no square overflows: smooth at zeros."""
    begin = operand(0 if initial is NoValue or initial is None else initial).astype(a.dtype)
    if where is not True:
        a = np.where(constant_value(where), a, a.dtype.type(0))
    axes = reductions.all_axes(axis, a.ndim)
    sizes = np.max(
        np.abs(constant_value(a)), axes, keepdims=True, initial=abs(constant_value(begin))
    )
    units = np.where(np.isfinite(sizes) & (sizes > 0), sizes, a.dtype.type(1))
    unit = units if keepdims else np.squeeze(units, axes)
    squares = reductions.sum((a / units) ** 2, axis, keepdims=keepdims)
    return reductions.root(squares + (begin / unit) ** 2) * unit


def _lengths(a: Any) -> Any:
    """Return the lengths of the first entries along the first axis, in units as in `_length`."""
    sizes = np.fmax.accumulate(np.abs(constant_value(a)))
    sizes = np.fmin(sizes, np.finfo(a.dtype).max)
    least = np.min(sizes, 0, initial=np.inf, where=sizes > 0)  # zeros take the unit that follows
    units = np.where(sizes > 0, sizes, np.where(np.isfinite(least), least, a.dtype.type(1)))
    shrinking = np.concatenate([units[:1], units[:-1]]) / units
    squares = recurrence(shrinking**2, (a / units) ** 2, axis=0)
    return np.concatenate([a[:1], (reductions.root(squares) * units)[1:]])


def _draw_accumulate(draw: Draw) -> Case:
    x = np.asarray(draw.array(draw.shape(min_ndim=1), POSITIVE).real)
    ufunc = draw.choice([np.multiply, np.add, np.logaddexp, np.subtract, np.hypot, np.divide])
    return (x,), {"axis": draw.integer(-x.ndim, x.ndim - 1), "ufunc": ufunc}


@composite(
    name="ufunc.accumulate",
    samples=_draw_accumulate,
    reference=lambda array, *, ufunc, **params: ufunc.accumulate(array, **params),
)
def accumulate(
    array: ArrayLike,
    /,
    axis: int = 0,
    dtype: DTypeLike = None,
    out: None = None,
    *,
    ufunc: np.ufunc,
) -> Any:
    """Combine the entries along an axis, and return what there is after each."""
    name = f"np.{ufunc.__name__}.accumulate"
    refuse(name, out=_given(out))
    ans = _by_numpy(name, ufunc.accumulate, array, axis=axis, dtype=dtype)
    if not NUMPY[ufunc].differentiable:
        return _constant(ufunc, ans)
    a = operand(array)
    a = a if a.dtype == ans.dtype else a.astype(ans.dtype)
    if ufunc in _RUNNING:
        return _RUNNING[ufunc](a, axis)
    axis = one_axis(axis, a.ndim)
    a = np.moveaxis(a, axis, 0)
    if len(a) == 0:
        return _constant(ufunc, ans)
    if ufunc is np.hypot:
        return np.where(np.isinf(ans), ans, np.moveaxis(_lengths(a), 0, axis))
    steps = [a[0]]
    for i in range(1, len(a)):
        steps.append(ufunc(steps[-1], a[i]))
    return np.stack(steps, axis)


def _draw_reduceat(draw: Draw) -> Case:
    x = np.asarray(draw.array(draw.shape(min_ndim=1, min_side=1), POSITIVE).real)
    axis = draw.integer(-x.ndim, x.ndim - 1)
    indices = [draw.integer(0, x.shape[axis] - 1) for _ in range(draw.integer(1, 4))]
    ufunc = draw.choice([np.add, np.multiply, np.logaddexp, np.subtract])
    return (x, np.array(indices)), {"axis": axis, "ufunc": ufunc}


@composite(
    name="ufunc.reduceat",
    samples=_draw_reduceat,
    reference=lambda array, indices, *, ufunc, **params: ufunc.reduceat(array, indices, **params),
)
def reduceat(
    array: ArrayLike,
    indices: ArrayLike,
    /,
    axis: int = 0,
    dtype: DTypeLike = None,
    out: None = None,
    *,
    ufunc: np.ufunc,
) -> Any:
    """Combine the entries from each index to the next; only the first, if that is not greater."""
    name = f"np.{ufunc.__name__}.reduceat"
    refuse(name, out=_given(out))
    ans = _by_numpy(name, ufunc.reduceat, array, indices, axis=axis, dtype=dtype)
    starts = np.asarray(constant_value(indices))
    if not NUMPY[ufunc].differentiable or starts.size == 0:
        return _constant(ufunc, ans)
    a = operand(array)
    a = a if a.dtype == ans.dtype else a.astype(ans.dtype)
    axis = one_axis(axis, a.ndim)
    ends = [*starts[1:].tolist(), a.shape[axis]]
    pieces = []
    for start, end in zip(starts.tolist(), ends, strict=True):
        index = (slice(None),) * axis + (slice(start, max(end, start + 1)),)
        pieces.append(reduce(a[index], axis, initial=None, ufunc=ufunc))
    return np.stack(pieces, axis)


def _draw_outer(draw: Draw) -> Case:
    xs = (np.asarray(draw.array(draw.shape(max_ndim=2), POSITIVE).real) for _ in range(2))
    return tuple(xs), {"ufunc": draw.choice([np.subtract, np.divide, np.logaddexp])}


@composite(
    name="ufunc.outer",
    samples=_draw_outer,
    reference=lambda A, B, *, ufunc, **params: ufunc.outer(A, B, **params),
)
def outer(A: ArrayLike, B: ArrayLike, /, *, ufunc: np.ufunc, **keywords: Any) -> Any:
    """Combine each entry of the first with each of the second."""
    x, y = operand(A), operand(B)
    return call(np.reshape(x, x.shape + (1,) * y.ndim), y, ufunc=ufunc, **keywords)


# ---- in place -----------------------------------------------------------------------------------


def at(a: Any, indices: Any, *b: ArrayLike, ufunc: np.ufunc) -> None:
    """Apply the ufunc to entries in place, as often as an index names them.

    From here on the tensor stands for the new array; see `tensorgrad.ops.indexing.setitem`.
    """
    name = f"np.{ufunc.__name__}.at"
    if not isinstance(a, Tensor):
        raise UnsupportedError(
            explain(
                name,
                "An array cannot hold the gradient of what is written to it.",
                "Write to tg.tensor(a).",
                a=type(a).__name__,
            )
        )
    index = plain_index(indices)
    ans = np.array(a._value)
    _by_numpy(name, ufunc.at, ans, index, *b)
    recorded = is_recording() and any(isinstance(x, Tensor) and x.requires_grad for x in (a, *b))
    assign(a, _applied(ufunc, a, index, *b) if recorded else Tensor(ans), name)


def _draw_at(draw: Draw) -> Case:
    x = np.asarray(draw.array((4,), POSITIVE).real)
    index = np.array([draw.integer(-4, 3) for _ in range(3)])
    v = np.asarray(draw.array(draw.choice([(), (3,)]), POSITIVE).real)
    ufunc = draw.choice([np.add, np.subtract, np.multiply, np.divide, np.logaddexp])
    return (x, index, v.astype(x.dtype)), {"ufunc": ufunc}


def _at_by_numpy(x: Array, index: Any, *b: Array, ufunc: np.ufunc) -> Array:
    y = x.copy()
    ufunc.at(y, index, *b)
    return y


@composite(
    name="ufunc.at",
    samples=_draw_at,
    reference=_at_by_numpy,
)
def applied(x: Any, index: Any, /, *b: ArrayLike, ufunc: np.ufunc) -> Any:
    """Return x with the ufunc applied to entries, as often as an index names them."""
    return _applied(ufunc, x, index, *b)


def _applied(ufunc: np.ufunc, x: Any, index: Any, *b: ArrayLike) -> Any:
    x = operand(x)
    numbers = np.arange(x.size).reshape(x.shape)[index]  # of the entries that are named
    others = [np.broadcast_to(operand(v), numbers.shape) for v in b]
    if ufunc in (np.add, np.subtract):
        y = ufunc(x, scatter(others[0], index=index, shape=x.shape))
        return y if y.dtype == x.dtype else y.astype(x.dtype)
    # each round applies it once to every entry that is named yet another time
    places = numbers.ravel()
    order = np.argsort(places, kind="stable")
    turn = np.empty_like(places)
    turn[order] = np.arange(places.size) - np.searchsorted(places[order], places[order])
    flat = np.ravel(x)
    for round_ in range(turn.max(initial=-1) + 1):
        now = turn == round_
        v = ufunc(flat[places[now]], *(np.ravel(other)[now] for other in others))
        flat = setitem_(flat, v if v.dtype == x.dtype else v.astype(x.dtype), index=places[now])
    return np.copy(np.reshape(flat, x.shape))


UFUNC_METHODS.update(
    {
        "__call__": call,
        "at": at,
        **{
            name: REGISTRY[f"ufunc.{name}"]
            for name in ("reduce", "accumulate", "reduceat", "outer")
        },
    }
)
