"""Functions of containers as functions of the floating-point arrays in them, and back."""

from collections.abc import Callable, Container, Sequence
from inspect import Parameter, signature
from typing import Any

import numpy as np

from tensorgrad.engine.tensor import Tensor, value_of
from tensorgrad.errors import UnsupportedError, explain
from tensorgrad.testing.literal import case_text
from tensorgrad.testing.numerics.trace import Function
from tensorgrad.transforms import vjp
from tensorgrad.transforms.tree import flatten, unflatten
from tensorgrad.typing import Array, Tree


class Arrays:
    """The floating-point arrays in a container, which may be replaced.

    Parameters
    ----------
    tree
        A sequence of arguments: arrays, or containers of such.
    names
        What to call each argument.
    wrt
        The numbers of those to look into; None for all.
    select
        Which leaves are meant: by default, whatever can be differentiated by.

    Attributes
    ----------
    values
        The arrays, without what is recorded about them.
    names
        What to call each of them, after where it stands.
    """

    def __init__(
        self,
        tree: Sequence[Tree],
        names: Sequence[str],
        wrt: Container[int] | None = None,
        *,
        select: Callable[[Any], bool] | None = None,
    ) -> None:
        select = select or is_variable
        self.values: list[Array] = []
        self.names: list[str] = []
        self._parts = []
        for number, (part, name) in enumerate(zip(tree, names, strict=True)):
            leaves, structure = flatten(part)
            varies = wrt is None or number in wrt
            places = [i for i, leaf in enumerate(leaves) if varies and select(leaf)]
            self._parts.append((leaves, structure, places))
            self.values += [np.asarray(value_of(leaves[i])) for i in places]
            alone = len(leaves) == 1
            self.names += [name if alone else f"{name}[{i}]" for i in places]

    def replaced(self, xs: Sequence[Any]) -> list[Any]:
        """Return the container's parts with other values in place of the arrays."""
        rest = iter(xs)
        parts = []
        for leaves, structure, places in self._parts:
            full = [value_of(leaf) for leaf in leaves]
            for i in places:
                full[i] = next(rest)
            parts.append(unflatten(structure, full))
        return parts

    def require_entries(self, function: str, args: Sequence[Tree]) -> None:
        """Raise unless there is an entry to differentiate by among the arguments of a check."""
        if not any(x.size for x in self.values):
            raise UnsupportedError(
                explain(
                    function,
                    "There is nothing to differentiate by.",
                    "Pass floating-point numbers, as by .astype(float), and at least one of them.",
                    arguments=tuple(
                        space_of(a) if hasattr(a, "dtype") else type(a).__name__ for a in args
                    ),
                )
            )

    def text(self) -> str:
        """Write them as Python."""
        return case_text(dict(zip(self.names, self.values, strict=True)))


def is_variable(leaf: Any) -> bool:
    """Return whether something can be differentiated by: a floating-point or complex number."""
    if isinstance(leaf, (float, complex)):
        return True
    return isinstance(leaf, (np.ndarray, np.generic, Tensor)) and leaf.dtype.kind in "fc"


def floating(results: Tree) -> tuple[Any, ...]:
    """Return those results in a container that are floating-point or complex arrays."""
    return tuple(y for y in flatten(results)[0] if is_variable(y))


def pulled_back(f: Function, gs: Sequence[Array]) -> Function:
    """Return the function of xs, and of cotangents like gs, to the gradients of f."""

    def function(*xs_and_gs: Any) -> tuple[Any, ...]:
        n = len(xs_and_gs) - len(gs)
        _, pullback = vjp(f, *xs_and_gs[:n])
        return pullback(tuple(xs_and_gs[n:]))

    return function


def names_of(f: Callable[..., Any], n: int) -> list[str]:
    """Return names for the first n positional arguments of a function."""
    try:
        parameters = list(signature(f).parameters.values())
    except (TypeError, ValueError):  # as of builtins
        parameters = []
    named = [p.name for p in parameters if p.kind is not Parameter.VAR_POSITIONAL][:n]
    rest = next((p.name for p in parameters if p.kind is Parameter.VAR_POSITIONAL), "args")
    return named + [f"{rest}[{i}]" for i in range(n - len(named))]


def same(some: Sequence[Array], others: Sequence[Array]) -> bool:
    """Return whether arrays are equal, NaN to NaN."""
    return len(some) == len(others) and all(
        np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
        for a, b in zip(some, others, strict=True)
    )


def space_of(x: Array) -> str:
    """Write dtype and shape."""
    return f"{x.dtype}{list(x.shape)}"


def in_double(x: Array) -> Array:
    """Return an array in double precision, complex if it is complex."""
    return np.asarray(x, np.result_type(x.dtype, float))
