"""What functions of NumPy, and of our primitives, do to each example of a batch, all at once.

A rule has the signature of its function, and some of its arguments are batched. It returns
NotImplemented where it has nothing to say.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from tensorgrad.conv.geometry import Geometry
from tensorgrad.conv.primitive import conv
from tensorgrad.ops.contraction import LABELS, spell_out
from tensorgrad.ops.dispatch import NoValue
from tensorgrad.ops.indexing import getitem_, scatter, setitem_
from tensorgrad.ops.reductions import one_axis
from tensorgrad.transforms.batching.batched import (
    Batched,
    full,
    levels_of,
    sides,
    spread,
)
from tensorgrad.transforms.batching.entries import (
    getitem,
    scatter as scatter_entries,
    setitem as set_entries,
)
from tensorgrad.transforms.batching.ufuncs import along, entrywise, reduce
from tensorgrad.typing import Axis, Shape

RULES: dict[Callable[..., Any], Callable[..., Any]] = {}
_function: Any
_names: Any
# these write into an argument, which may be an array that does not know of examples
WRITING = {np.copyto, np.put, np.place, np.putmask, np.fill_diagonal, np.put_along_axis}
SHAPED_BY_VALUES = {
    *(np.nonzero, np.flatnonzero, np.argwhere, np.unique, np.extract, np.trim_zeros, np.union1d),
    *(np.intersect1d, np.setdiff1d, np.setxor1d, np.unique_all, np.unique_counts),
    *(np.unique_inverse, np.unique_values),
}


def rule(*functions: Callable[..., Any]) -> Callable[..., Any]:
    """Declare a rule for these functions."""

    def declare(answer: Callable[..., Any]) -> Callable[..., Any]:
        RULES.update(dict.fromkeys(functions, answer))
        return answer

    return declare


def _lone(x: Any, *others: Any) -> bool:
    """Return whether x is batched, and nothing else is."""
    return isinstance(x, Batched) and not levels_of(others)


# ---- what does not depend on values -------------------------------------------------------------

RULES[np.shape] = lambda a: a.shape
RULES[np.ndim] = lambda a: a.ndim
RULES[np.size] = lambda a, axis=None: a.size if axis is None else a.shape[axis]
RULES[np.iscomplexobj] = lambda x: x.dtype.kind == "c"
RULES[np.isrealobj] = lambda x: x.dtype.kind != "c"
RULES[np.result_type] = lambda *xs: np.result_type(*map(_dtype, xs))
RULES[np.can_cast] = lambda from_, to, casting="safe": np.can_cast(_dtype(from_), to, casting)
RULES[np.array_repr] = RULES[np.array_str] = RULES[np.array2string] = lambda a, *_, **__: repr(a)
RULES[np.may_share_memory] = RULES[np.shares_memory] = lambda a, b, **_: a is b


def _dtype(x: Any) -> Any:
    return x.dtype if isinstance(x, Batched) else x


# ---- entry by entry -----------------------------------------------------------------------------

RULES[np.isclose] = partial(entrywise, np.isclose)


@rule(np.where)
def _where(condition: Any, x: Any = NoValue, y: Any = NoValue, /) -> Any:
    if x is NoValue or y is NoValue:
        return np.nonzero(condition)
    return entrywise(np.where, condition, x, y)


def _each(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make the rule of a function of each entry of one array; others are its parameters."""

    def answer(x: Any, *args: Any, **kwargs: Any) -> Any:
        if not _lone(x, *args, *kwargs.values()):
            return NotImplemented
        return Batched(function(x.data, *args, **kwargs), x.levels)

    return answer


for _function in (
    *(np.real, np.imag, np.angle, np.copy, np.round, np.around, np.fix, np.isreal, np.iscomplex),
    *(np.isneginf, np.isposinf, np.nan_to_num, np.i0, np.sinc, np.astype),
):
    RULES[_function] = _each(_function)


def _like_of(function: Callable[..., Any]) -> Callable[..., Any]:
    def answer(
        a: Any,
        dtype: Any = None,
        order: str = "K",  # noqa: ARG001
        subok: bool = True,  # noqa: ARG001
        shape: Any = None,
        **_: Any,
    ) -> Any:
        seen = a.shape if shape is None else np.empty(shape, bool).shape
        return Batched(function(a.data, dtype, shape=sides(a.levels) + tuple(seen)), a.levels)

    return answer


for _function in (np.zeros_like, np.ones_like, np.empty_like):
    RULES[_function] = _like_of(_function)


@rule(np.full_like)
def _full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: str = "K",  # noqa: ARG001
    subok: bool = True,  # noqa: ARG001
    shape: Any = None,
    **_: Any,
) -> Any:
    levels = levels_of([a, fill_value])
    seen = tuple(a.shape if shape is None else np.empty(shape, bool).shape)
    values = spread(fill_value, levels, len(seen)) if levels_of([fill_value]) else fill_value
    like = a.data if isinstance(a, Batched) else a
    return Batched(np.full_like(like, values, dtype, shape=sides(levels) + seen), levels)


# ---- reductions, and what goes along an axis ----------------------------------------------------


def _reduction(function: Callable[..., Any], *names: str) -> Callable[..., Any]:
    """Make the rule of ``function(a, axis, *names)``."""

    def answer(a: Any, axis: Axis = None, *args: Any, **kwargs: Any) -> Any:
        return reduce(function, a, axis, **dict(zip(names, args, strict=False)), **kwargs)

    return answer


for _function, _names in {
    np.sum: ("dtype", "out", "keepdims", "initial", "where"),
    np.prod: ("dtype", "out", "keepdims", "initial", "where"),
    np.max: ("out", "keepdims", "initial", "where"),
    np.min: ("out", "keepdims", "initial", "where"),
    np.amax: ("out", "keepdims", "initial", "where"),
    np.amin: ("out", "keepdims", "initial", "where"),
    np.any: ("out", "keepdims"),
    np.all: ("out", "keepdims"),
    np.mean: ("dtype", "out", "keepdims"),
    np.var: ("dtype", "out", "ddof", "keepdims"),
    np.std: ("dtype", "out", "ddof", "keepdims"),
    np.count_nonzero: (),
    np.nansum: ("dtype", "out", "keepdims", "initial", "where"),
    np.nanprod: ("dtype", "out", "keepdims", "initial", "where"),
    np.nanmax: ("out", "keepdims", "initial", "where"),
    np.nanmin: ("out", "keepdims", "initial", "where"),
    np.nanmean: ("dtype", "out", "keepdims"),
    np.ptp: ("out", "keepdims"),
    np.median: ("out", "overwrite_input", "keepdims"),
    np.flip: (),
}.items():
    RULES[_function] = _reduction(_function, *_names)


@rule(np.fft.fftshift)
def _fftshift(x: Any, axes: Axis = None) -> Any:
    return reduce(lambda data, axis: np.fft.fftshift(data, axis), x, axes)


@rule(np.fft.ifftshift)
def _ifftshift(x: Any, axes: Axis = None) -> Any:
    return reduce(lambda data, axis: np.fft.ifftshift(data, axis), x, axes)


def _going_along(
    function: Callable[..., Any], default: int | None, *names: str
) -> Callable[..., Any]:
    """Make the rule of ``function(a, axis, *names)``, where the axis is one, or None for a row."""

    def answer(a: Any, axis: int | None = default, *args: Any, **kwargs: Any) -> Any:
        return along(function, a, axis, **dict(zip(names, args, strict=False)), **kwargs)

    return answer


for _function, _default, *_names in (
    (np.cumsum, None, "dtype", "out"),
    (np.cumprod, None, "dtype", "out"),
    (np.nancumsum, None, "dtype", "out"),
    (np.nancumprod, None, "dtype", "out"),
    (np.argmax, None, "out"),
    (np.argmin, None, "out"),
    (np.sort, -1, "kind", "order"),
    (np.argsort, -1, "kind", "order"),
):
    RULES[_function] = _going_along(_function, _default, *_names)


@rule(np.partition)
def _partition(a: Any, kth: Any, axis: int | None = -1, **kwargs: Any) -> Any:
    return along(np.partition, a, axis, kth, **kwargs)


@rule(np.argpartition)
def _argpartition(a: Any, kth: Any, axis: int | None = -1, **kwargs: Any) -> Any:
    return along(np.argpartition, a, axis, kth, **kwargs)


# ---- shapes -------------------------------------------------------------------------------------


@rule(np.reshape)
def _reshape(a: Any, /, shape: Any, order: Any = "C", *, copy: bool | None = None) -> Any:
    if order != "C":
        return NotImplemented
    sizes: Any = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    if -1 in sizes:
        known = -math.prod(sizes)
        sizes = tuple(a.size // max(known, 1) if n == -1 else n for n in sizes)
    return Batched(np.reshape(a.data, sides(a.levels) + sizes, copy=copy), a.levels)


@rule(np.ravel)
def _ravel(a: Any, order: Any = "C") -> Any:
    return np.reshape(a, (a.size,), order)


@rule(np.transpose, np.permute_dims)
def _transpose(a: Any, axes: Sequence[int] | None = None) -> Any:
    h = len(a.levels)
    order = range(a.ndim)[::-1] if axes is None else [one_axis(i, a.ndim) for i in axes]
    return Batched(np.transpose(a.data, (*range(h), *(h + i for i in order))), a.levels)


@rule(np.swapaxes)
def _swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    h = len(a.levels)
    i, j = one_axis(axis1, a.ndim), one_axis(axis2, a.ndim)
    return Batched(np.swapaxes(a.data, h + i, h + j), a.levels)


@rule(np.matrix_transpose)
def _matrix_transpose(x: Any, /) -> Any:
    return np.swapaxes(x, -1, -2)


@rule(np.moveaxis)
def _moveaxis(a: Any, source: Any, destination: Any) -> Any:
    h = len(a.levels)
    places = (
        tuple(h + i for i in np.lib.array_utils.normalize_axis_tuple(axes, a.ndim))
        for axes in (source, destination)
    )
    return Batched(np.moveaxis(a.data, *places), a.levels)


@rule(np.expand_dims)
def _expand_dims(a: Any, axis: Any) -> Any:
    new = (axis,) if isinstance(axis, (int, np.integer)) else tuple(axis)
    places = np.lib.array_utils.normalize_axis_tuple(new, a.ndim + len(new))
    return Batched(np.expand_dims(a.data, tuple(len(a.levels) + i for i in places)), a.levels)


@rule(np.squeeze)
def _squeeze(a: Any, axis: Axis = None) -> Any:
    axes = tuple(i for i, side in enumerate(a.shape) if side == 1) if axis is None else axis
    return reduce(np.squeeze, a, axes)


@rule(np.broadcast_to)
def _broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:  # noqa: ARG001
    seen = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    if len(seen) < array.ndim:
        return NotImplemented  # which NumPy refuses
    data = spread(array, array.levels, len(seen))
    return Batched(np.broadcast_to(data, sides(array.levels) + seen), array.levels)


@rule(np.roll)
def _roll(a: Any, shift: Any, axis: Axis = None) -> Any:
    if not _lone(a, shift):
        return NotImplemented
    if axis is None:
        return np.reshape(np.roll(np.ravel(a), shift, 0), a.shape)
    axes = (axis,) if isinstance(axis, (int, np.integer)) else tuple(axis)
    places = tuple(len(a.levels) + one_axis(i, a.ndim) for i in axes)
    return Batched(np.roll(a.data, shift, places), a.levels)


@rule(np.lib.stride_tricks.sliding_window_view)
def _sliding_window_view(x: Any, window_shape: Any, axis: Axis = None, **kwargs: Any) -> Any:
    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    places = tuple(len(x.levels) + one_axis(i, x.ndim) for i in axes)
    windows = np.lib.stride_tricks.sliding_window_view(x.data, window_shape, places, **kwargs)
    return Batched(windows, x.levels)


@rule(np.pad)
def _pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    if mode != "constant" or kwargs or not _lone(array) or isinstance(pad_width, dict):
        return NotImplemented
    widths = np.broadcast_to(pad_width, (array.ndim, 2)).tolist()
    return Batched(np.pad(array.data, [[0, 0]] * len(array.levels) + widths), array.levels)


@rule(np.concatenate, np.concat)
def _concatenate(arrays: Sequence[Any], /, axis: int | None = 0, **kwargs: Any) -> Any:
    levels = levels_of(arrays)
    if axis is None:
        arrays, axis = [np.ravel(x) for x in arrays], 0
    ndims = {np.ndim(x) for x in arrays}
    if len(ndims) > 1 or 0 in ndims:
        return NotImplemented  # which NumPy refuses
    place = len(levels) + one_axis(axis, *ndims)
    return Batched(np.concatenate([full(x, levels) for x in arrays], place, **kwargs), levels)


@rule(np.stack)
def _stack(arrays: Sequence[Any], axis: int = 0, **kwargs: Any) -> Any:
    arrays = list(arrays)
    return np.concatenate([np.expand_dims(x, axis) for x in arrays], axis=axis, **kwargs)


@rule(np.diagonal)
def _diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    h = len(a.levels)
    i, j = one_axis(axis1, a.ndim), one_axis(axis2, a.ndim)
    return Batched(np.diagonal(a.data, offset, h + i, h + j), a.levels)


# ---- entries ------------------------------------------------------------------------------------

RULES[getitem_.fun] = getitem
RULES[setitem_.fun] = set_entries
RULES[scatter.fun] = scatter_entries


@rule(np.take_along_axis)
def _take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    if axis is None:
        arr, axis = np.ravel(arr), 0
    if np.ndim(arr) != np.ndim(indices):
        return NotImplemented  # which NumPy refuses
    levels = levels_of([arr, indices])
    place = len(levels) + one_axis(axis, np.ndim(arr))
    return Batched(np.take_along_axis(full(arr, levels), full(indices, levels), place), levels)


# ---- products -----------------------------------------------------------------------------------


@rule(np.einsum)
def _einsum(*operands: Any, optimize: Any = False, **kwargs: Any) -> Any:
    subscripts, *xs = operands
    if not isinstance(subscripts, str) or any(v is not None for v in kwargs.values()):
        return NotImplemented
    levels = levels_of(xs)
    spelled = spell_out(subscripts, [np.shape(x) for x in xs])
    free = [letter for letter in LABELS if letter not in spelled][: len(levels)]
    if len(free) < len(levels):
        return NotImplemented
    letters = dict(zip(levels, free, strict=True))
    terms, result = spelled.split("->")

    def lead(x: Any) -> str:
        return "".join(letters[level] for level in x.levels) if isinstance(x, Batched) else ""

    batched_terms = [lead(x) + term for x, term in zip(xs, terms.split(","), strict=True)]
    formula = f"{','.join(batched_terms)}->{''.join(free)}{result}"
    values = [x.data if isinstance(x, Batched) else x for x in xs]
    return Batched(np.einsum(formula, *values, optimize=optimize), levels)


@rule(conv.fun)
def _conv(x: Any, w: Any, /, *, geometry: Geometry, algorithm: str) -> Any:
    """Fold the batch into the images, or into the groups where each example has its kernel."""
    levels = levels_of([x, w])
    b = math.prod(sides(levels))
    if not isinstance(w, Batched):
        # (b, n, g c, *i) -> (b n, g c, *i)
        images = np.reshape(full(x, levels), (b * x.shape[0], *x.shape[1:]))
        y = conv.fun(images, w, geometry=geometry, algorithm=algorithm)
        return Batched(np.reshape(y, (*sides(levels), x.shape[0], *y.shape[1:])), levels)
    n, c = x.shape[:2]
    # (b, n, g c, *i) -> (n, b g c, *i), (b, g o, c, *k) -> (b g o, c, *k)
    images = np.reshape(full(x, levels), (b, *x.shape))
    images = np.reshape(np.swapaxes(images, 0, 1), (n, b * c, *x.shape[2:]))
    kernels: Any = np.reshape(full(w, levels), (b * w.shape[0], *w.shape[1:]))
    geometry = geometry._replace(groups=b * geometry.groups)
    y = conv.fun(images, kernels, geometry=geometry, algorithm=algorithm)
    y = np.swapaxes(np.reshape(y, (n, b, w.shape[0], *y.shape[2:])), 0, 1)
    return Batched(np.reshape(y, (*sides(levels), *y.shape[1:])), levels)


# ---- linear algebra: matrices are the last axes -------------------------------------------------


def _of_matrices(function: Callable[..., Any]) -> Callable[..., Any]:
    def answer(a: Any, *args: Any, **kwargs: Any) -> Any:
        if not _lone(a, *args, *kwargs.values()) or a.ndim < 2:
            return NotImplemented
        ans = function(a.data, *args, **kwargs)
        if not isinstance(ans, tuple):
            return Batched(ans, a.levels)
        parts = [Batched(y, a.levels) for y in ans]
        return type(ans)(*parts) if hasattr(ans, "_fields") else tuple(parts)

    return answer


for _function in (
    *(np.linalg.inv, np.linalg.det, np.linalg.slogdet, np.linalg.cholesky, np.linalg.qr),
    *(np.linalg.eigh, np.linalg.eigvalsh, np.linalg.svd, np.linalg.svdvals, np.linalg.pinv),
    *(np.linalg.matrix_power, np.linalg.matrix_rank, np.linalg.cond, np.tril, np.triu),
):
    RULES[_function] = _of_matrices(_function)


@rule(np.linalg.solve)
def _solve(a: Any, b: Any) -> Any:
    if np.ndim(b) == 1:
        return np.squeeze(np.linalg.solve(a, np.expand_dims(b, -1)), -1)
    levels = levels_of([a, b])
    depth = max(np.ndim(a), np.ndim(b))
    left, right = (spread(x, levels, depth) if isinstance(x, Batched) else x for x in (a, b))
    return Batched(np.linalg.solve(left, right), levels)


# ---- Fourier transforms -------------------------------------------------------------------------


def _transform(function: Callable[..., Any]) -> Callable[..., Any]:
    def answer(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
        return along(function, a, axis, n=n, norm=norm)

    return answer


def _transforms(function: Callable[..., Any], default: Shape | None) -> Callable[..., Any]:
    def answer(a: Any, s: Any = None, axes: Any = default, norm: str | None = None) -> Any:
        if axes is None:
            axes = tuple(range(a.ndim))[-len(s) if s is not None else None :]
        places = tuple(len(a.levels) + one_axis(i, a.ndim) for i in axes)
        return Batched(function(a.data, s=s, axes=places, norm=norm), a.levels)

    return answer


for _name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"):
    RULES[getattr(np.fft, _name)] = _transform(getattr(np.fft, _name))
for _name in ("fft", "ifft", "rfft", "irfft"):
    RULES[getattr(np.fft, f"{_name}2")] = _transforms(getattr(np.fft, f"{_name}2"), (-2, -1))
    RULES[getattr(np.fft, f"{_name}n")] = _transforms(getattr(np.fft, f"{_name}n"), None)
