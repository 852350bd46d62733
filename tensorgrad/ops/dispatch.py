"""NumPy's two protocols: where ``np.f(tensor)`` arrives, and what is not supported is refused."""

import sys
from importlib import import_module
from inspect import unwrap
from typing import Any

import numpy as np

from tensorgrad.engine.primitive import NUMPY, Operation, as_tensors
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


# what answers for the methods of ufuncs, and for calls with keywords; filled by their chapter
UFUNC_METHODS: dict[str, Any] = {}


# libraries with universal functions of their own, and the modules of rules for these
LOADED_WHEN_CALLED = {"scipy.special": "tensorgrad.special"}


def _loaded(ufunc: np.ufunc) -> Operation | None:
    """Import the rules of a library when the first of its functions arrives."""
    for library, rules in LOADED_WHEN_CALLED.items():
        function: Any = getattr(sys.modules.get(library), ufunc.__name__, None)
        if unwrap(function) is ufunc:  # a library may wrap its functions
            import_module(rules)
            if ufunc not in NUMPY:
                raise UnsupportedError(
                    explain(
                        f"{library}.{ufunc.__name__}",
                        "This function has no derivative rule.",
                        "Use x.numpy() to compute without gradients.",
                    )
                )
    return NUMPY.get(ufunc)


def array_ufunc(_: Tensor, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """Answer for a universal function of NumPy called with a Tensor."""
    operation = NUMPY.get(ufunc) or _loaded(ufunc)
    if operation is None:
        raise UnsupportedError(
            explain(
                f"np.{ufunc.__name__}",
                "This function of NumPy has no derivative rule.",
                "Use x.numpy() to compute without gradients.",
            )
        )
    if method == "__call__" and not kwargs:
        return operation(*inputs)
    return UFUNC_METHODS[method](*inputs, ufunc=ufunc, **kwargs)


def array_function(_: Tensor, function: Any, _types: Any, args: Any, kwargs: Any) -> Any:
    """Answer for any other function of NumPy called with a Tensor."""
    operation = NUMPY.get(function)
    if operation is not None and kwargs.get("out") is None:
        # a result that depends on no tensor, as polyint(x, m=0, k=k), may be a plain array
        return as_tensors(operation(*args, **kwargs), copy=True)
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
