"""What the author of a new operation imports.

`primitive` declares one by a rule for either mode. The declarations of NumPy's own functions are
here as well, for rules of a special form: `elementwise`, `linear`, `bilinear`, `general`,
`several`, `constant`, and `composite`. Everything declared is in the registry, so that the pytest
plugin and `tensorgrad.testing.check_op` try the laws of gradients on it.
"""

from collections.abc import Callable, Sequence
from typing import Any

from tensorgrad.engine.declare import (
    bilinear,
    composite,
    constant,
    elementwise,
    general,
    linear,
    several,
)
from tensorgrad.engine.primitive import (
    NUMPY,
    REGISTRY,
    Case,
    Operation,
    Primitive,
    Rule,
    Samples,
    array_names,
)
from tensorgrad.engine.space import fit_cotangent, fit_tangent
from tensorgrad.errors import UnsupportedError, explain
from tensorgrad.transforms.call import transpose
from tensorgrad.typing import DISTINCT, NONZERO, POSITIVE, REAL, UNIT, Array, Domain, Draw

__all__ = [
    "DISTINCT",
    "NONZERO",
    "POSITIVE",
    "REAL",
    "UNIT",
    "Domain",
    "Draw",
    "bilinear",
    "composite",
    "constant",
    "elementwise",
    "general",
    "linear",
    "primitive",
    "several",
    "unregister",
]

Formula = Callable[..., Any]


def primitive(
    vjp: Formula | Sequence[Formula | None] | None = None,
    jvp: Formula | Sequence[Formula | None] | None = None,
    *,
    samples: Samples | None = None,
    reference: Callable[..., Any] | None = None,
    name: str | None = None,
    branches: Callable[..., Any] | None = None,
    singular: Callable[..., Any] | None = None,
    holomorphic: bool = True,
) -> Callable[[Callable[..., Array]], Primitive]:
    """Declare a function of arrays, by its derivative, as an operation of its own.

    Parameters
    ----------
    vjp
        A rule for each array argument: from the cotangent ``g`` of the result to that of the
        argument. By its further names a rule asks for the arguments of the function, for ``ans``,
        its result, and for its parameters; the one rule of a function of ``*arrays`` also for
        ``argnum``. Complex cotangents are plain transposes here: nothing is conjugated. Written in
        NumPy, a rule serves every order.
    jvp
        The same for tangents: from the tangent ``t`` of an argument to that of the result. One of
        the two is enough, the other is made as its transpose.
    samples
        Draws a case, ``(arguments, keywords)``, for the laws; by default arrays of one shape.
    reference
        An independent implementation to compare values with.
    name
        What pictures and errors call it; the name of the function by default.
    branches
        For a function that is smooth in pieces: from values as in a rule to an array of integers or
        booleans that is the same wherever the same formula holds.
    singular
        From such values to a mask of the entries of the result that have no derivative.
    holomorphic
        Whether the function has a complex derivative where it takes complex numbers.

    Returns
    -------
    decorator
        Of a function whose arrays are positional-only and whose parameters are keywords. It is
        called with arrays, and returns an array.

    Raises
    ------
    UnsupportedError
        If there is no rule at all.
    TensorgradError
        If another operation has this name.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> from tensorgrad.extend import primitive, unregister
    >>> from tensorgrad.testing import check_op
    >>> @primitive(vjp=lambda g, ans: g * ans * (1 - ans))
    ... def logistic(x, /):
    ...     return 1 / (1 + np.exp(-x))
    >>> bool(check_op(logistic, examples=3))
    True
    >>> float(tg.grad(logistic)(0.0)), float(tg.grad(tg.grad(logistic))(0.0))
    (0.25, 0.0)
    >>> unregister(logistic)
    """

    def declare(fun: Callable[..., Array]) -> Primitive:
        shown = name or fun.__name__
        if vjp is None and jvp is None:
            raise UnsupportedError(
                explain(
                    shown, "An operation has a rule for one of the modes.", "Pass vjp= or jvp=."
                )
            )
        known = REGISTRY.get(shown)
        if known is not None and _is_older_version(known.fun, fun):
            unregister(known)
        arrays, variadic, _ = array_names(fun)
        pulls, pushes = (_read(rules, arrays, shown) for rules in (vjp, jvp))
        return general(
            fun,
            pulls
            or [
                r and _transposed_push(r, x, variadic) for r, x in zip(pushes, arrays, strict=True)
            ],
            pushes or [r and _transposed_pull(r) for r in pulls],
            samples=samples or _same_shape(2 if variadic else len(arrays)),
            name=shown,
            reference=reference,
            branches=branches,
            singular=singular,
            holomorphic=holomorphic,
        )

    return declare


def unregister(operation: Operation) -> None:
    """Take an operation out of the registry: the laws are no longer tried on it."""
    REGISTRY.pop(operation.name, None)
    for function in [f for f, known in NUMPY.items() if known is operation]:
        del NUMPY[function]


def _is_older_version(known: Callable[..., Any], fun: Callable[..., Any]) -> bool:
    # a cell of a notebook that runs again
    return (known.__module__, known.__qualname__) == (fun.__module__, fun.__qualname__)


def _read(
    formulas: Formula | Sequence[Formula | None] | None, arrays: Sequence[str], name: str
) -> list[Rule | None]:
    if formulas is None:
        return []
    each = [formulas] if callable(formulas) else formulas
    return [f and Rule.read(f, arrays, name) for f in each]


def _same_shape(n: int) -> Samples:
    def draw_arrays(draw: Draw) -> Case:
        shape = draw.shape()
        return tuple(draw.array(shape) for _ in range(n)), {}

    return draw_arrays


def _transposed_pull(rule: Rule) -> Rule:
    """Make the rule for tangents: the transpose of the one for cotangents."""
    needs = rule.needs if "ans" in rule.needs else (*rule.needs, "ans")

    def push(t: Array, *values: Any, **params: Any) -> Array:
        ans = values[needs.index("ans")]
        held = values[: len(rule.needs)]

        def pull(g: Array) -> tuple[Array]:
            return (fit_cotangent(rule.formula(g, *held, **params), t.shape, t.dtype),)

        return transpose(pull, [(ans.shape, ans.dtype)], [t])[0]

    return Rule(push, needs, rule.params, everything=rule.everything, argnum=rule.argnum)


def _transposed_push(rule: Rule, array: str, variadic: bool) -> Rule:
    """Make the rule for cotangents: the transpose of the one for tangents."""
    shape = f"{array}_shape"
    needs = rule.needs if shape in rule.needs else (*rule.needs, shape)

    def pull(g: Array, *values: Any, **params: Any) -> Array:
        x_shape = values[needs.index(shape)]
        if variadic:
            x_shape = x_shape[params["argnum"]]
        held = values[: len(rule.needs)]

        def push(t: Array) -> tuple[Array]:
            return (fit_tangent(rule.formula(t, *held, **params), g.shape, g.dtype),)

        return transpose(push, [(x_shape, g.dtype)], [g])[0]

    return Rule(pull, needs, rule.params, everything=rule.everything, argnum=rule.argnum)
