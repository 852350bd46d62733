"""How the universal functions of SciPy get their rules."""

from collections.abc import Callable, Sequence
from inspect import unwrap
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np

from tensorgrad.engine.declare import elementwise
from tensorgrad.engine.primitive import Case, Samples
from tensorgrad.engine.tensor import Tensor
from tensorgrad.errors import UnsupportedError, explain
from tensorgrad.ops.dispatch import constant_value
from tensorgrad.typing import REAL, Array, ArrayLike, Domain, Draw, Shape

try:
    import scipy.special
except ImportError as error:
    raise ImportError(
        "tensorgrad.special needs SciPy: python -m pip install tensorgrad[special]"
    ) from error


def _bare(function: Any) -> Any:
    # SCIPY_ARRAY_API=1 wraps universal functions in others
    return unwrap(function) if isinstance(unwrap(function), np.ufunc) else function


# SciPy's functions by their names
sp: Any = SimpleNamespace(**{name: _bare(f) for name, f in vars(scipy.special).items()})


def differentiable(
    name: str,
    *formulas: Callable[..., Array],
    domain: Domain | Sequence[Domain] = REAL,
    samples: Samples | None = None,
    **declaration: Any,
) -> Any:
    """Give a universal function of SciPy its rules, and return it.

    Its arguments are called x, y, z, w. The declaration is as for `elementwise`.
    """
    ufunc = getattr(sp, name)
    domains = [domain] * len(formulas) if isinstance(domain, Domain) else domain
    samples = samples or _together(domains)
    elementwise(ufunc, *formulas, name=f"special.{name}", samples=samples, **declaration)
    return ufunc


def small_shape(draw: Draw) -> Shape:
    """Draw a shape of few entries, each of which takes SciPy long, and seldom of none."""
    return draw.shape(max_ndim=2, min_side=draw.integer(0, 1), max_side=3)


def _together(domains: Sequence[Domain]) -> Samples:
    """Draw an array from each domain: one of the common shape, and others that broadcast to it."""

    def draw_case(draw: Draw) -> Case:
        shape, whole = small_shape(draw), draw.integer(0, len(domains) - 1)
        places = (0 if i == whole else draw.integer(0, len(shape)) for i in range(len(domains)))
        return tuple(draw.array(shape[k:], d) for k, d in zip(places, domains, strict=True)), {}

    return draw_case


def unknown(name: str, argument: str) -> Callable[[Array], NoReturn]:
    """Return the rule of an argument by which no derivative is known."""

    def rule(g: Array) -> NoReturn:  # noqa: ARG001
        refuse_derivative(name, argument)

    return rule


def refuse_derivative(name: str, argument: str) -> NoReturn:
    """Raise because no derivative by an argument is known."""
    raise UnsupportedError(
        explain(
            f"special.{name}",
            f"The derivative by {argument} is not known in closed form.",
            f"Pass {argument}.numpy() to hold it constant.",
        )
    )


def held(name: str, **argument: ArrayLike) -> Any:
    """Return the bare value of an argument by which nothing is differentiated."""
    ((label, value),) = argument.items()
    if isinstance(value, Tensor) and value.requires_grad:
        refuse_derivative(name, label)
    return constant_value(value)


def after(*constants: Any, domain: Domain = REAL, real: bool = False) -> Samples:
    """Draw an array, after one of the choices for each constant argument before it.

    With ``real`` there are no complex numbers among the entries.
    """

    def draw_case(draw: Draw) -> Case:
        x = draw.array(small_shape(draw), domain)
        chosen = (draw.choice(choices) for choices in constants)
        return (*chosen, np.array(x.real) if real else x), {}

    return draw_case
