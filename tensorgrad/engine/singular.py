"""What the walks do at points where a formula, or the derivative itself, does not exist."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from tensorgrad.engine.node import Node
from tensorgrad.engine.primitive import Primitive
from tensorgrad.engine.several import Step
from tensorgrad.engine.space import Parts, revealed
from tensorgrad.engine.tensor import Tensor, value_of
from tensorgrad.errors import SingularPointError, explain
from tensorgrad.typing import Array


class Alarm:
    """Hears, during a walk, that NumPy computed an invalid value, as 0 * inf and 0 / 0 are.

    An entry of an elementwise operation whose result does not matter (its cotangent is zero)
    contributes nothing, even where its partial derivative is infinite or undefined: so the branch
    that ``np.where(x > 0, np.log(x), 0)`` does not take cannot spoil the other. NumPy watches for
    invalid values anyway, so that a walk without any pays nothing. What is computed from a NaN
    passes unheard: once it has rung, an alarm does not stop.
    """

    __slots__ = ("_errstate", "_handling", "rung")

    def __init__(self) -> None:
        self.rung = False
        self._handling = np.geterr()["invalid"]
        self._errstate = np.errstate(invalid="call", call=self)

    def __call__(self, *_: Any) -> None:
        """Ring: what NumPy calls."""
        self.rung = True

    def __enter__(self) -> "Alarm":
        self._errstate.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._errstate.__exit__(*error)

    def answer(self, primitive: Primitive, part: Any, seed: Any) -> Any:
        """Return what a rule made of a seed, with zeros where the seed is zero."""
        if primitive.kind != "elementwise":
            return part
        value, weight = value_of(part), value_of(seed)
        spoiled = (weight == 0) & ~np.isfinite(value)
        if np.any(revealed(spoiled)):
            part = _without(part, spoiled)
            value = value_of(part)
        invalid = np.isnan(value) & ~np.isnan(weight)
        if self._handling in ("warn", "raise") and np.any(revealed(invalid)):
            message = f"invalid value in the derivative of {primitive.name}"
            if self._handling == "raise":
                raise FloatingPointError(message)
            warnings.warn(message, RuntimeWarning, stacklevel=2)
        return part


def _without(part: Any, spoiled: Array) -> Any:
    value = np.where(spoiled, 0, value_of(part)).astype(part.dtype)
    if not isinstance(part, Tensor):
        return value
    node = part._node
    if node is None:
        return Tensor(value)
    return Tensor(value, Node(_unspoiled, (node,), {}, (spoiled,), value.shape, value.dtype))


def _pull(g: Any, saved: tuple[Any, ...], _params: dict[str, Any], _argnum: int) -> Any:
    # the values behind this are spoiled for certain
    alarm = np.geterrcall()
    if isinstance(alarm, Alarm):
        alarm()
    return np.where(saved[0], 0, g)


_unspoiled = Step("unspoiled", _pull, lambda t, saved, _params, _argnum: np.where(saved[0], 0, t))


def refuse_singular_results(node: Node, cotangent: Any) -> None:
    """Raise where a cotangent meets an entry of a result that has no derivative."""
    primitive: Any = node.primitive
    masks = primitive.singularities(node)
    if masks is None:
        return
    if isinstance(cotangent, Parts):
        for i, g in cotangent.components.items():
            _refuse(primitive.name, (masks[i] | np.zeros(g.shape, bool)) & (g != 0))
    else:
        _refuse(primitive.name, masks & (cotangent != 0))


def refuse_singular_arguments(node: Node, tangents: Sequence[Array]) -> None:
    """Raise where the tangent of an argument meets an entry of a result without a derivative."""
    primitive: Any = node.primitive
    masks = primitive.singularities(node)
    if masks is None:
        return
    for mask in masks if isinstance(masks, tuple) else (masks,):
        if primitive.kind == "elementwise":
            for t in tangents:
                _refuse(primitive.name, mask & (t != 0))
        else:  # a tangent may be zero because of the point, as that of a sum of squares at 0
            _refuse(primitive.name, mask)


def _refuse(operation: str, met: Any) -> None:
    met = np.asarray(revealed(met))
    if met.any():
        raise SingularPointError(
            explain(
                operation,
                "There is no derivative at these entries of the result, and strict mode takes"
                " none by convention.",
                "Keep away from the point, or leave strict mode.",
                entries=np.count_nonzero(met),
                first=tuple(np.argwhere(met)[0].tolist()),
            )
        )
