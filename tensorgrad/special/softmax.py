"""Sums of exponentials, and the shares in them."""

from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite, general
from tensorgrad.engine.primitive import Case
from tensorgrad.ops.dispatch import constant_value, operand
from tensorgrad.ops.reductions import all_axes
from tensorgrad.special.declare import sp
from tensorgrad.typing import POSITIVE, Array, ArrayLike, Axis, Draw

__all__ = ["log_softmax", "logsumexp", "softmax"]


def _draw_axis(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_ndim=1, min_side=1))
    axes = tuple(i - x.ndim * draw.boolean() for i in range(x.ndim) if draw.boolean())
    return (x,), {"axis": draw.choice([None, axes, *range(-x.ndim, x.ndim)])}


def _greatest(a: Any, axis: tuple[int, ...]) -> Any:
    """Return what to take off before exponentials are taken: a constant, which changes nothing."""
    greatest = np.max(np.real(constant_value(a)), axis=axis, keepdims=True)
    return np.where(np.isfinite(greatest), greatest, 0).astype(greatest.dtype)


def _logsumexp(a: Array, /, *, axis: tuple[int, ...]) -> Array:
    greatest = _greatest(a, axis)
    with np.errstate(divide="ignore"):  # the sum vanishes where all entries are -inf
        return np.log(np.sum(np.exp(a - greatest), axis=axis, keepdims=True)) + greatest


def _shares(a: Array, ans: Array, axis: tuple[int, ...]) -> Array:
    """Return exp(a - ans), what each entry contributes to the sum.

    An infinite sum is that of its infinite entries, in equal shares; one of zero, of all entries.
    """
    limit = np.isinf(np.real(ans))
    alike = np.where(limit, np.real(a) == np.real(ans), 1.0)
    shares = np.exp(np.where(limit, 0, a) - np.where(limit, 0, ans))
    return np.where(limit, alike / np.sum(alike, axis=axis, keepdims=True), shares)


def _draw_logsumexp(draw: Draw) -> Case:
    (x,), params = _draw_axis(draw)
    return (x,), {"axis": all_axes(params["axis"], x.ndim)}


_sum_of_exponentials = general(
    _logsumexp,
    lambda g, a, ans, axis: g * _shares(a, ans, axis),
    lambda t, a, ans, axis: np.sum(t * _shares(a, ans, axis), axis=axis, keepdims=True),
    samples=_draw_logsumexp,
    name="special.logsumexp_value",
    reference=lambda a, axis: sp.logsumexp(a, axis=axis, keepdims=True),
    singular=lambda ans: np.isinf(np.real(ans)),
)


def _draw_weighted(draw: Draw) -> Case:
    (x,), params = _draw_axis(draw)
    params["keepdims"] = draw.boolean()
    if draw.boolean():
        params["b"] = draw.array(x.shape[draw.integer(0, x.ndim) :], POSITIVE)
    params["return_sign"] = draw.boolean()
    return (x,), params


@composite(samples=_draw_weighted, name="special.logsumexp", reference=sp.logsumexp)
def logsumexp(
    a: ArrayLike,
    axis: Axis = None,
    b: ArrayLike = None,
    keepdims: bool = False,
    return_sign: bool = False,
) -> Any:
    """Return the logarithm of the sum of b * exp(a), and its sign if that is asked for."""
    a = operand(a)
    if b is None and not return_sign:
        axes = all_axes(axis, a.ndim)
        y = _sum_of_exponentials(a, axis=axes)
        return y if keepdims else np.squeeze(y, axes)
    b = np.ones_like(constant_value(a)) if b is None else operand(b)
    a, b = np.broadcast_arrays(a, b)
    axes = all_axes(axis, a.ndim)
    absent = constant_value(b) == 0
    if not getattr(b, "requires_grad", False):
        a = np.where(absent, -np.inf, a)
    greatest = _greatest(np.where(absent, -np.inf, constant_value(a)), axes)
    total = np.sum(b * np.exp(a - greatest), axis=axes, keepdims=True)
    size = np.abs(total) if return_sign or total.dtype.kind != "c" else total
    with np.errstate(divide="ignore"):
        y = np.log(size) + greatest
    sign = np.sign(total)
    if not keepdims:
        y, sign = np.squeeze(y, axes), np.squeeze(sign, axes)
    if return_sign:
        return y, sign
    return y if total.dtype.kind == "c" else np.where(sign < 0, np.nan, y)


@composite(
    samples=_draw_axis,
    name="special.softmax",
    reference=sp.softmax,
)
def softmax(x: ArrayLike, axis: Axis = None) -> Any:
    """Return exp(x) over its sum along the axes, by default over all."""
    x = operand(x)
    axes = all_axes(axis, x.ndim)
    y = np.exp(x - _greatest(x, axes))
    return y / np.sum(y, axis=axes, keepdims=True)


@composite(
    samples=_draw_axis,
    name="special.log_softmax",
    reference=sp.log_softmax,
)
def log_softmax(x: ArrayLike, axis: Axis = None) -> Any:
    """Return the logarithm of softmax, exact where that underflows."""
    x = operand(x)
    axes = all_axes(axis, x.ndim)
    x = x - _greatest(x, axes)
    return x - np.log(np.sum(np.exp(x), axis=axes, keepdims=True))
