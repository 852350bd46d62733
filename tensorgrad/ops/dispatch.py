"""NumPy's two protocols: where ``np.f(tensor)`` arrives, and what is not supported is refused."""

from typing import Any

import numpy as np

from tensorgrad.engine.primitive import NUMPY
from tensorgrad.engine.tensor import Tensor
from tensorgrad.errors import UnsupportedError, explain
from tensorgrad.typing import Array, ArrayLike

# NumPy's own mark of an argument that was not given.
NoValue: Any = np._NoValue

_remedies = {
    "out": "Use the result, as in a = a + x for a += x: no array is written in place.",
    "where": "Use np.where(mask, result, other) instead.",
}


def refuse(function: str, **keywords: Any) -> None:
    """Raise for keywords that were given but are not supported."""
    for name, value in keywords.items():
        if value is not None and value is not NoValue:
            raise UnsupportedError(
                explain(
                    function,
                    f"The keyword {name} is not supported for tensors.",
                    _remedies.get(
                        name, "Leave it out, or use x.numpy() to compute without gradients."
                    ),
                    **{name: value},
                )
            )


def operand(x: ArrayLike) -> Any:
    """Return x as it is if it has a shape, else as an array."""
    return x if hasattr(x, "shape") else np.asarray(x)


def constant_value(x: ArrayLike) -> Array:
    """Return the bare value of what nothing is differentiated by: a mask, an index."""
    if isinstance(x, Tensor):
        return x._value
    if isinstance(x, (list, tuple)):
        return np.asarray([constant_value(item) for item in x])
    return x


def array_ufunc(_: Tensor, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """Answer for a universal function of NumPy called with a Tensor."""
    operation = NUMPY.get(ufunc)
    if operation is not None and method == "__call__" and not kwargs:
        return operation(*inputs)
    name = f"np.{ufunc.__name__}"
    if operation is None:
        raise UnsupportedError(
            explain(
                name,
                "This function of NumPy has no derivative rule.",
                "Use x.numpy() to compute without gradients.",
            )
        )
    if method == "reduce" and ufunc in REDUCTIONS:
        return REDUCTIONS[ufunc](inputs[0], **{"axis": 0, **kwargs})
    if method == "accumulate" and ufunc is np.add:
        return np.cumsum(inputs[0], **{"axis": 0, **kwargs})
    if method == "outer" and not kwargs:
        x, y = map(operand, inputs)
        return operation(np.reshape(x, x.shape + (1,) * y.ndim), y)
    if method != "__call__":
        raise UnsupportedError(
            explain(
                f"{name}.{method}",
                "This method of a ufunc has no derivative rule.",
                "Use np.sum, np.prod, np.cumsum or indexing.",
            )
        )
    dtype = kwargs.pop("dtype", None)
    if kwargs.get("where") is True:
        del kwargs["where"]
    refuse(name, **kwargs)
    if dtype is not None:
        inputs = tuple(operand(x).astype(dtype) for x in inputs)
    return operation(*inputs)


# the reductions that are a ufunc repeated; filled by the chapter on reductions
REDUCTIONS: dict[np.ufunc, Any] = {}


def array_function(_: Tensor, function: Any, _types: Any, args: Any, kwargs: Any) -> Any:
    """Answer for any other function of NumPy called with a Tensor."""
    operation = NUMPY.get(function)
    if operation is not None and kwargs.get("out") is None:
        return operation(*args, **kwargs)
    name = f"{function.__module__}.{function.__name__}".replace("numpy", "np", 1)
    if operation is None:
        raise UnsupportedError(
            explain(
                name,
                "This function of NumPy is not supported for tensors.",
                "Write it with supported functions, or use x.numpy() to compute without gradients.",
            )
        )
    refuse(name, out=kwargs.get("out"))
    return operation(*args, **kwargs)


Tensor.__array_ufunc__ = array_ufunc  # type: ignore[attr-defined]
Tensor.__array_function__ = array_function  # type: ignore[attr-defined]
