"""Choosing entries from several arrays: those not chosen have no influence.

What is chosen is asked of NumPy itself, which chooses among the numbers of the entries.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite
from tensorgrad.engine.primitive import Case
from tensorgrad.engine.tensor import Tensor
from tensorgrad.errors import ShapeError, explain
from tensorgrad.ops.dispatch import constant_value, operand, refuse
from tensorgrad.ops.indexing import castable, setitem, writable_value
from tensorgrad.ops.joining import stacked
from tensorgrad.typing import Array, ArrayLike, Draw


def _chosen(options: Sequence[ArrayLike], choose: Callable[[list[Any]], Array]) -> Any:
    """Return what ``choose(options)`` does, which only puts their entries in other places."""
    options = [x if isinstance(x, (bool, int, float, complex)) else stacked(x) for x in options]
    dtype = choose([constant_value(x) for x in options]).dtype
    arrays = [operand(x) for x in options]
    ends = list(accumulate(x.size for x in arrays))
    numbers = [
        np.arange(end - x.size, end).reshape(x.shape) for x, end in zip(arrays, ends, strict=True)
    ]
    entries = np.concatenate([np.ravel(x).astype(dtype) for x in arrays])[choose(numbers)]
    return entries if isinstance(entries, Tensor) else Tensor(entries)


def _draw_choose(draw: Draw) -> Case:
    first, *rest = draw.broadcastable(draw.integer(2, 4))
    mode = draw.choice(["raise", "wrap", "clip"])
    low, high = (0, len(rest) - 1) if mode == "raise" else (-5, 5)
    n = int(np.prod(first))
    a = np.array([draw.integer(low, high) for _ in range(n)], dtype=int).reshape(first)
    return (a, [draw.array(shape) for shape in rest]), {"mode": mode}


@composite(np.choose, samples=_draw_choose)
def choose(
    a: ArrayLike, choices: Sequence[ArrayLike], out: None = None, mode: Any = "raise"
) -> Any:
    """Take each entry from the array, of those given, that an integer names."""
    refuse("np.choose", out=out)
    a = constant_value(a)
    return _chosen(list(choices), lambda options: np.choose(a, options, mode=mode))


def _draw_conditions(draw: Draw, shapes: Sequence[Any]) -> list[Array]:
    return [draw.array(shape).real > 0 for shape in shapes]


def _draw_select(draw: Draw) -> Case:
    n = draw.integer(1, 3)
    shapes = draw.broadcastable(2 * n + 1)
    conditions = _draw_conditions(draw, shapes[:n])
    choices = [draw.array(shape) for shape in shapes[n:-1]]
    return (conditions, choices), {"default": draw.choice([0, 1.5, draw.array(shapes[-1])])}


@composite(np.select, samples=_draw_select)
def select(
    condlist: Sequence[ArrayLike], choicelist: Sequence[ArrayLike], default: ArrayLike = 0
) -> Any:
    """Take each entry from the array that goes with the first condition that holds there."""
    conditions = [constant_value(condition) for condition in condlist]
    return _chosen(
        [*choicelist, default], lambda options: np.select(conditions, options[:-1], options[-1])
    )


def _draw_piecewise(draw: Draw) -> Case:
    x = draw.array(draw.shape())
    n = draw.integer(1, 3)
    conditions = _draw_conditions(draw, [x.shape] * n)
    functions = [lambda x: x * x, np.negative, 1.5, lambda _: 2.0, lambda x, *_, **__: x + 1]
    chosen = [draw.choice(functions) for _ in range(n + draw.boolean())]
    return (x, conditions, chosen), {}


def _draw_piecewise_call(draw: Draw) -> Case:
    (x, conditions, functions), _ = _draw_piecewise(draw)
    if draw.boolean():
        return (x, conditions, functions), {}
    scaled = [lambda x, scale, shift: x * scale + shift for _ in functions]
    scale, shift = (castable(draw.array(()), x) for _ in range(2))
    return (x, conditions, scaled, scale), {"shift": shift}


@composite(np.piecewise, samples=_draw_piecewise_call)
def piecewise(
    x: ArrayLike,
    condlist: ArrayLike,
    funclist: Sequence[Callable[..., Any] | ArrayLike],
    *args: Any,
    **kw: Any,
) -> Any:
    """Compute each entry by the function that goes with the last condition that holds there.

    One function more than there are conditions serves where none of them holds. Numbers may stand
    for functions. The result has the dtype of x.
    """
    x = operand(x)
    conditions = np.asarray(constant_value(condlist), dtype=bool)
    if conditions.ndim == 0 or (conditions.ndim == 1 and x.ndim != 0):
        conditions = conditions[np.newaxis]
    if len(funclist) == len(conditions) + 1:
        conditions = np.concatenate([conditions, ~np.any(conditions, axis=0, keepdims=True)])
    if len(funclist) != len(conditions):
        raise ShapeError(
            explain(
                "np.piecewise",
                "There is one function for each condition, and perhaps one for all else.",
                "Pass as many of both.",
                conditions=len(conditions),
                functions=len(funclist),
            )
        )
    y = Tensor(np.zeros(x.shape, x.dtype))
    for condition, function in zip(conditions, funclist, strict=True):
        value = function
        if callable(function):
            entries = x[condition]
            if not entries.size:
                continue
            value = function(entries, *args, **kw)
        setitem(y, condition, writable_value("np.piecewise", y, value))
    return y
