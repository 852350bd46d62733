"""NumPy's protocols for a batch: a rule where there is one, else our own composite, or a loop.

A function that the registry has as a composite is written in other functions of NumPy, and so can
be called on a batch as it stands. Whatever else has no rule goes through the examples one by one.
"""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, NoReturn

import numpy as np

from tensorgrad.engine.primitive import NUMPY
from tensorgrad.engine.tensor import Tensor
from tensorgrad.errors import explain
from tensorgrad.transforms.batching.batched import Batched, OneByOneError
from tensorgrad.transforms.batching.entries import getitem, setitem
from tensorgrad.transforms.batching.one_by_one import one_by_one
from tensorgrad.transforms.batching.rules import RULES, SHAPED_BY_VALUES, WRITING
from tensorgrad.transforms.batching.ufuncs import ufunc
from tensorgrad.transforms.tree import flatten

# these, and what answers for them
_SHAPED_BY_VALUES = SHAPED_BY_VALUES | {NUMPY[f].fun for f in SHAPED_BY_VALUES if f in NUMPY}
# composites that are being evaluated: one that calls the function it answers for goes no further
_inside: ContextVar[frozenset[Any]] = ContextVar("inside", default=frozenset())


def evaluate(function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Apply a function of NumPy, or that of a primitive, to arrays of which some are batched."""
    name = getattr(function, "__name__", str(function))
    if kwargs.get("out") is not None or function in WRITING:
        _refuse_to_write(name)
    if function in _SHAPED_BY_VALUES:
        raise OneByOneError(
            explain(
                f"np.{name}",
                "Under vmap the shape of a result cannot depend on the values of an example.",
                "Use np.where(condition, a, b), which keeps the shape.",
            )
        )
    rule = RULES.get(function)
    answer = NotImplemented if rule is None else rule(*args, **kwargs)
    if answer is not NotImplemented:
        return answer
    operation = NUMPY.get(function)
    if operation is not None and operation.kind == "composite" and function not in _inside.get():
        token = _inside.set(_inside.get() | {function})
        try:
            answer = operation.fun(*args, **kwargs)
            if not any(isinstance(y, Tensor) for y in flatten(answer)[0]):
                return answer
        except (OneByOneError, AttributeError):  # it asks for values, or for what Tensors have
            pass
        finally:
            _inside.reset(token)
    return one_by_one(function, args, kwargs)


def _refuse_to_write(name: str) -> NoReturn:
    # to the array of all examples, which the loop over them would do many times
    raise OneByOneError(
        explain(f"np.{name}", "Under vmap nothing is written in place.", "Use the result.")
    )


def _array_ufunc(_: Batched, function: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    if any(type(x) is Tensor for x in inputs):
        return NotImplemented
    if method == "at":
        _refuse_to_write(f"{function.__name__}.at")
    (target,) = kwargs.pop("out", (None,))
    answer = ufunc(function, method, inputs, kwargs)
    if answer is NotImplemented:
        answer = one_by_one(getattr(function, method), inputs, kwargs)
    if target is None:
        return answer
    target[...] = answer  # a += b
    return target


def _array_function(_: Batched, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
    return NotImplemented if Tensor in types else evaluate(function, args, kwargs)


def _write(x: Batched, index: Any, value: Any) -> None:
    written = setitem(x, value, index=index)
    if written.levels == x.levels:
        x.data[...] = written.data
    elif x.base is None:
        x.data, x.shape = written.data, written.shape
    else:  # a view, which would no longer be one
        raise OneByOneError(
            explain("x[index] = v", "Under vmap this view cannot hold v.", "Write to a copy().")
        )


Batched.__array_ufunc__ = _array_ufunc
Batched.__array_function__ = _array_function
Batched.__getitem__ = lambda x, index: getitem(x, index=index)
Batched.__setitem__ = _write
OneByOneError.retry = staticmethod(evaluate)
