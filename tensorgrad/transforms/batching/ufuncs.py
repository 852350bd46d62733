"""NumPy's universal functions of each example: entries are aligned behind the hidden axes."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tensorgrad.ops.reductions import one_axis
from tensorgrad.transforms.batching.batched import Batched, levels_of, spread


def ufunc(function: np.ufunc, method: str, inputs: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Evaluate a universal function, or a method of it; NotImplemented where no rule fits."""
    if method == "__call__":
        return (
            _products(function, inputs, kwargs)
            if function.signature
            else entrywise(function, *inputs, **kwargs)
        )
    if method == "reduce":
        x, axis, rest = _first(inputs, {"axis": 0, **kwargs})
        return reduce(function.reduce, x, axis, **rest)
    if method == "accumulate":
        x, axis, rest = _first(inputs, {"axis": 0, **kwargs})
        if levels_of(rest.values()):
            return NotImplemented
        return along(function.accumulate, x, axis, **rest)
    return NotImplemented


def _first(inputs: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
    x, *more = inputs
    axis = more[0] if more else kwargs["axis"]
    return x, axis, {name: value for name, value in kwargs.items() if name != "axis"}


def entrywise(function: Callable[..., Any], *xs: Any, **kwargs: Any) -> Any:
    """Apply a function that broadcasts its arguments; a mask may be one of the keywords."""
    named = {name: value for name, value in kwargs.items() if isinstance(value, Batched)}
    levels = levels_of([*xs, *named.values()])
    ndim = max((np.ndim(x) for x in (*xs, *named.values()) if x is not None), default=0)
    values = [spread(x, levels, ndim) if isinstance(x, Batched) else x for x in xs]
    kwargs |= {name: spread(value, levels, ndim) for name, value in named.items()}
    ans = function(*values, **kwargs)
    if isinstance(ans, tuple):
        return tuple(Batched(y, levels) for y in ans)
    return Batched(ans, levels)


def reduce(function: Callable[..., Any], x: Any, axis: Any, **kwargs: Any) -> Any:
    """Apply a function that reduces the axes it is given, all of them for None."""
    if not isinstance(x, Batched) or levels_of(kwargs.values()):
        return NotImplemented
    h = len(x.levels)
    if axis is None:
        axis = tuple(range(x.ndim))
    elif not x.ndim and axis in (0, -1):  # which ufuncs take for a number
        axis = ()
    axes = np.lib.array_utils.normalize_axis_tuple(axis, x.ndim)
    if kwargs.get("where") is not None and np.ndim(kwargs["where"]) > x.ndim:
        return NotImplemented
    return Batched(function(x.data, axis=tuple(h + i for i in axes), **kwargs), x.levels)


def along(function: Callable[..., Any], x: Any, axis: int | None, *args: Any, **kwargs: Any) -> Any:
    """Apply a function that goes along one axis, or along the entries in a row for None."""
    if not isinstance(x, Batched) or levels_of([*args, *kwargs.values()]):
        return NotImplemented
    if axis is None:
        if kwargs.get("keepdims"):
            return NotImplemented
        x, axis = np.reshape(x, (x.size,)), 0
    place = len(x.levels) + one_axis(axis, x.ndim)
    return Batched(function(x.data, *args, axis=place, **kwargs), x.levels)


# the axes, counted from the last, that each argument of a product over axes has of its own
_OWN_AXES = {
    np.matmul: (2, 2),
    np.vecdot: (1, 1),
    **{
        getattr(np, name): axes
        for name, axes in (("matvec", (2, 1)), ("vecmat", (1, 2)))
        if hasattr(np, name)
    },
}


def _products(function: np.ufunc, inputs: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    own = _OWN_AXES.get(function)
    if own is None or kwargs:
        return NotImplemented
    x, y = inputs
    if function is np.matmul and 1 in (np.ndim(x), np.ndim(y)):
        row, column = np.ndim(x) == 1, np.ndim(y) == 1
        product = np.matmul(
            np.expand_dims(x, 0) if row else x, np.expand_dims(y, -1) if column else y
        )
        dropped = (*((-2,) if row else ()), *((-1,) if column else ()))
        return np.squeeze(product, dropped)
    if np.ndim(x) < own[0] or np.ndim(y) < own[1]:
        return NotImplemented
    levels = levels_of(inputs)
    depth = max(np.ndim(x) - own[0], np.ndim(y) - own[1])
    values = [
        spread(z, levels, depth + n) if isinstance(z, Batched) else z
        for z, n in zip(inputs, own, strict=True)
    ]
    return Batched(function(*values), levels)
