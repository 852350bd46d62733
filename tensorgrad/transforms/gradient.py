"""grad: the gradient of a function of arrays to a number, as a function."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from tensorgrad.engine.tensor import Tensor
from tensorgrad.errors import ShapeError, UnsupportedError, explain
from tensorgrad.transforms.products import pull_back
from tensorgrad.transforms.record import record
from tensorgrad.transforms.tree import map_leaves
from tensorgrad.typing import Tree


def value_and_grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, *, has_aux: bool = False
) -> Callable[..., Any]:
    """Return a function that gives the value of f together with its gradient.

    Parameters
    ----------
    f
        A function whose result is one real number.
    argnums
        The positional argument, or arguments, to differentiate by: arrays or containers of arrays.
    has_aux
        Whether f returns a pair, of which only the first is differentiated.

    Returns
    -------
    function
        Called like f, returns ``(value, gradient)``, or ``((value, aux), gradient)``. The gradient
        has the structure of the argument; with several argnums it is a tuple.

    Raises
    ------
    ShapeError
        If the result is not one number.
    UnsupportedError
        If an argument is made of integers, or the result is complex.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> value, gradient = tg.value_and_grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
    >>> float(value), gradient.tolist()
    (5.0, [2.0, 4.0])
    """

    @wraps(f)
    def function(*args: Any, **kwargs: Any) -> Any:
        places = positions("grad", argnums, len(args))

        def varied(*chosen: Tree) -> Any:
            full = list(args)
            for i, arg in zip(places, chosen, strict=True):
                full[i] = arg
            return f(*full, **kwargs)

        run = record("grad", varied, {i: args[i] for i in places}, has_aux)
        _require_number(run.outputs)
        gradients = pull_back("grad", run, [None])
        gradient = gradients[0] if isinstance(argnums, (int, np.integer)) else gradients
        return ((run.value, run.aux) if has_aux else run.value), gradient

    return function


def grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, *, has_aux: bool = False
) -> Callable[..., Any]:
    """Return the function that computes the gradient of f.

    Parameters, errors and the shape of the gradient are those of `value_and_grad`; with ``has_aux``
    the result is ``(gradient, aux)``.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> float(tg.grad(np.sin)(0.0))
    1.0
    >>> float(tg.grad(tg.grad(lambda x: x**3))(2.0))
    12.0
    """
    with_value = value_and_grad(f, argnums, has_aux=has_aux)

    @wraps(f)
    def function(*args: Any, **kwargs: Any) -> Any:
        value, gradient = with_value(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return function


def positions(operation: str, argnums: int | Sequence[int], positional: int) -> list[int]:
    """Return the numbers of the arguments to differentiate by, counted from the first."""
    places = [argnums] if isinstance(argnums, (int, np.integer)) else list(argnums)
    if any(not -positional <= i < positional for i in places):
        raise ShapeError(
            explain(
                operation,
                "argnums name positional arguments.",
                "Pass the argument by position.",
                argnums=argnums,
                positional=positional,
            )
        )
    places = [i % positional for i in places]
    if len(set(places)) < len(places):
        raise ShapeError(
            explain(
                operation, "argnums name each argument once.", "Leave one out.", argnums=argnums
            )
        )
    return places


def _require_number(outputs: list[Any]) -> None:
    if len(outputs) != 1 or getattr(outputs[0], "size", 1) != 1:
        raise ShapeError(
            explain(
                "grad",
                "Only a function whose result is one number has a gradient.",
                "Reduce the result, as with np.sum, or use tg.vjp with a seed.",
                shapes=tuple(getattr(y, "shape", ()) for y in outputs),
            )
        )
    (y,) = outputs
    dtype = y.dtype if hasattr(y, "dtype") else np.asarray(y).dtype
    if dtype.kind == "c":
        raise UnsupportedError(
            explain(
                "grad",
                "The gradient of a complex result depends on a direction.",
                "Take np.real or np.abs of it, or use tg.vjp with a seed.",
                dtype=str(dtype),
            )
        )
    if dtype.kind not in "fiub":
        raise UnsupportedError(
            explain("grad", "Only numbers have a gradient.", "Return a number.", result=y)
        )


def stop_gradient(x: Tree) -> Tree:
    """Return the same values as constants: no derivative passes through, in either mode.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> float(tg.grad(lambda x: x * tg.stop_gradient(x))(3.0))
    3.0
    """
    return map_leaves(lambda leaf: leaf.detach() if isinstance(leaf, Tensor) else leaf, x)
