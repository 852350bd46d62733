"""The declarations from which every operation of the registry is made.

Each takes the function and the least that determines its derivative, and makes both modes of it:

- `elementwise`: one formula an argument, the product of a seed with the partial derivative. The
  Jacobian is diagonal, so the same formula serves cotangents and tangents;
- `linear`: the transpose an argument; forward it is the function itself;
- `bilinear`: the two transposes, with the other argument held; forward it is the product rule;
- `general`: both rules by hand;
- `several`: the same for a function of several results;
- `constant`: derivative zero wherever it exists;
- `composite`: a function written with other operations.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tensorgrad.engine.primitive import (
    Binary,
    Case,
    Constant,
    Formulas,
    Operation,
    Primitive,
    Rule,
    Samples,
    Unary,
    array_names,
)
from tensorgrad.engine.several import Several
from tensorgrad.typing import REAL, Array, Domain, Draw

Function = Callable[..., Any]


def _name(fun: Function, name: str | None) -> str:
    return name or fun.__name__.strip("_")


def _numpy(fun: Function, numpy: Function | None) -> tuple[Function, ...]:
    if numpy is None and isinstance(fun, np.ufunc):
        numpy = fun
    return () if numpy is None else (numpy,)


def elementwise(
    fun: Function,
    *formulas: Callable[..., Array] | None,
    domain: Domain | Sequence[Domain] = REAL,
    name: str | None = None,
    samples: Samples | None = None,
    reference: Function | None = None,
    numpy: Function | None = None,
    branches: Function | None = None,
    singular: Function | None = None,
    holomorphic: bool = True,
) -> Primitive:
    """Declare a function of each entry (after broadcasting): ``formula(g, ...) = g * partial``."""
    arrays = array_names(fun).names
    domains = [domain] * len(arrays) if isinstance(domain, Domain) else domain

    def draw_broadcastable(draw: Draw) -> Case:
        shapes = draw.broadcastable(len(arrays))
        return tuple(draw.array(s, d) for s, d in zip(shapes, domains, strict=True)), {}

    return _form(fun)(
        _name(fun, name),
        fun,
        formulas,
        formulas,
        kind="elementwise",
        samples=samples or draw_broadcastable,
        reference=reference or fun,
        numpy=_numpy(fun, numpy),
        branches=branches,
        singular=singular,
        holomorphic=holomorphic,
    )


def _form(fun: Function) -> type[Primitive]:
    arrays = array_names(fun)
    if arrays.variadic or arrays.params:
        return Primitive
    return {1: Unary, 2: Binary}.get(len(arrays.names), Primitive)


def linear(
    fun: Function,
    *transposes: Callable[..., Array] | None,
    samples: Samples,
    name: str | None = None,
    reference: Function | None = None,
    numpy: Function | None = None,
    view: bool = False,
    holomorphic: bool = True,
) -> Primitive:
    """Declare a function that is linear in all its arrays together.

    A transpose may ask for shapes and parameters, never for values. ``view=True`` says that the
    result may share memory with the argument. ``holomorphic`` is as in `Primitive`.
    """
    return _form(fun)(
        _name(fun, name),
        fun,
        transposes,
        (),
        kind="linear",
        samples=samples,
        reference=reference or fun,
        numpy=_numpy(fun, numpy),
        view=view,
        holomorphic=holomorphic,
    )


def bilinear(
    fun: Function,
    left: Callable[..., Array],
    right: Callable[..., Array],
    *,
    samples: Samples,
    name: str | None = None,
    reference: Function | None = None,
) -> Primitive:
    """Declare a function of two arrays, linear in each while the other is held.

    ``left(g, ...)`` is the cotangent of the first argument, ``right(g, ...)`` of the second.
    """
    x, y = array_names(fun).names
    primitive = _form(fun)(
        _name(fun, name),
        fun,
        (left, right),
        (
            Rule(lambda t, held, **params: primitive(t, held, **params), needs=(y,)),
            Rule(lambda t, held, **params: primitive(held, t, **params), needs=(x,)),
        ),
        kind="bilinear",
        samples=samples,
        reference=reference or fun,
        numpy=_numpy(fun, None),
    )
    return primitive


def general(
    fun: Function,
    vjp: Formulas,
    jvp: Formulas,
    *,
    samples: Samples,
    name: str | None = None,
    reference: Function | None = None,
    branches: Function | None = None,
    singular: Function | None = None,
    holomorphic: bool = True,
) -> Primitive:
    """Declare a function by its rules for both modes, one of each an array argument.

    ``branches``, ``singular`` and ``holomorphic`` are as in `Primitive`.
    """
    return _form(fun)(
        _name(fun, name),
        fun,
        vjp,
        jvp,
        kind="general",
        samples=samples,
        reference=reference or fun,
        numpy=_numpy(fun, None),
        branches=branches,
        singular=singular,
        holomorphic=holomorphic,
    )


def several(
    fun: Function,
    vjp: Formulas,
    jvp: Formulas,
    *,
    outputs: Sequence[str],
    samples: Samples,
    name: str | None = None,
    reference: Function | None = None,
    branches: Function | None = None,
    singular: Function | None = None,
    holomorphic: bool = True,
) -> Several:
    """Declare a function of several results, a tuple of arrays, by its rules for both modes.

    ``outputs`` names the results. To the rules ``g`` and ``ans`` are tuples, with a zero for the
    cotangent of a result that nothing depends on; the rule forward returns a tuple.
    """
    return Several(
        _name(fun, name),
        fun,
        vjp,
        jvp,
        kind="general",
        samples=samples,
        reference=reference or fun,
        branches=branches,
        singular=singular,
        holomorphic=holomorphic,
        outputs=outputs,
    )


def _one_array(draw: Draw) -> Case:
    return (draw.array(draw.shape()),), {}


def constant(*functions: Function, samples: Samples = _one_array, steps: bool = True) -> None:
    """Declare functions of NumPy whose derivative is zero wherever it exists.

    ``steps`` says whether they jump from one constant to another; see `Constant`.
    """
    for fun in functions:
        Constant(_qualified(fun), fun, samples, fun, numpy=(fun,), steps=steps)


def composite(
    *numpy: Function,
    samples: Samples,
    name: str | None = None,
    reference: Function | None = None,
) -> Callable[[Function], Function]:
    """Declare a function written with other operations, which answers for functions of NumPy."""

    def declare(fun: Function) -> Function:
        shown = name or (_qualified(numpy[0]) if numpy else fun.__name__)
        Operation(shown, fun, samples, reference or numpy[0], numpy=numpy)
        return fun

    return declare


def _qualified(fun: Function) -> str:
    return f"{getattr(fun, '__module__', None) or 'numpy'}.{fun.__name__}"
