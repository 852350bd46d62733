"""What the walks do at points where a formula, or the derivative itself, does not exist."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import copy_context
from typing import Any

import numpy as np

from tensorgrad.engine.node import Node
from tensorgrad.engine.primitive import Compiled
from tensorgrad.engine.several import Step
from tensorgrad.engine.space import Parts, revealed
from tensorgrad.engine.tensor import Tensor, value_of
from tensorgrad.errors import SingularPointError, explain
from tensorgrad.typing import Array

MANY = 10_000  # entries that are better read once


class Alarm:
    """Hears, during a walk, that NumPy computed an invalid value, as 0 * inf and 0 / 0 are.

    An entry of an elementwise operation whose result does not matter contributes nothing, even
    where its partial derivative is infinite or undefined: so the branch that
    ``np.where(x > 0, np.log(x), 0)`` does not take cannot spoil the other. A zero seed alone says
    less: that of the root in ``sqrt(x) ** 2`` is zero at 0, but the derivative is not. See `Probe`.

    NumPy watches for invalid values anyway, so that a walk without any pays nothing. What is
    computed from a NaN passes unheard: once it has rung, an alarm does not stop.

    A rule may walk over a graph of its own, with seeds of which only the walk outside can tell
    whether zeros among them matter. There its `outer` alarm rings as well.
    """

    __slots__ = ("_errstate", "_outside", "_probe", "_reached", "_said", "rung")

    def __init__(self, probe: Callable[["Alarm"], Mapping[Node, Any]]) -> None:
        self.rung = False
        self._probe = probe
        self._reached: Mapping[Node, Any] | None = None
        self._said = False  # what is wrong
        self._outside = copy_context()  # to be asked when it rings, and not before
        self._errstate = np.errstate(invalid="call", call=self)

    def __call__(self, *_: Any) -> None:
        """Ring: what NumPy calls."""
        self.rung = True

    def __enter__(self) -> "Alarm":
        self._errstate.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._errstate.__exit__(*error)
        del self._errstate  # which holds this in turn
        if self.rung and self.outer is not None:
            self.outer.rung = True

    @property
    def outer(self) -> "Alarm | None":
        """The alarm of the walk inside of which this one is."""
        outer = self._outside.run(np.geterrcall)
        return outer if isinstance(outer, Alarm) else None

    def missed(self, results: Iterable[Any]) -> bool:
        """Ring if the results of a walk are spoiled; it is to be repeated, now with the alarm on.

        A NaN that is there when the walk begins, as the root of -1, makes no sound.
        """
        spoiled = any(map(_has_nan, results))
        if spoiled:
            self.rung = True
            self._said = True
        return spoiled

    def answer(
        self,
        rule: Compiled,  # noqa: ARG002
        node: Node,
        argnum: int,
        part: Any,
        seed: Any,
        seeded: Any,
    ) -> Any:
        """Return what a rule of a node made of the seed of another, with zeros where none counts.

        The other is the node itself in a backward walk, and a parent in a forward one.
        """
        primitive: Any = node.primitive
        if isinstance(part, Parts) and _is_spoiled(part):
            # of what walks over a graph of its own
            marked = self._marks(node.parents[argnum] if seeded is node else node)
            return _of_marked(part, marked)
        if primitive.kind != "elementwise":
            return part
        value, weight = value_of(part), value_of(seed)
        spoiled = (weight == 0) & ~np.isfinite(value)
        if np.any(revealed(spoiled)):
            spoiled = spoiled & ~np.isnan(self._marks(seeded))
            part = _without(part, spoiled)
            value = value_of(part)
        invalid = np.isnan(value) & ~np.isnan(weight)
        handling = "ignore" if self._said else self._outside.run(np.geterr)["invalid"]
        if handling in ("warn", "raise") and np.any(revealed(invalid)):
            message = f"invalid value in the derivative of {primitive.name}"
            if handling == "raise":
                raise FloatingPointError(message)
            warnings.warn(message, RuntimeWarning, stacklevel=2)
        return part

    def _marks(self, node: Any) -> Any:
        if self._reached is None:
            nobody: Any = None
            with np.errstate(all="ignore", call=nobody):
                self._reached = self._probe(self)
        return self._reached[node]


class Probe:
    """Finds, by a second walk with NaN for seeds, which entries matter: those that a NaN reaches.

    No value can make a zero of a NaN. So one that does not get through was stopped by an operation
    that chooses, by its parameters, and without regard to how entries vary: by ``np.where``, by an
    index, or by a factor that is a constant zero.
    """

    rung = True

    def __init__(self) -> None:
        self.reached: dict[Node, Any] = {}

    def answer(
        self, rule: Compiled, node: Node, argnum: int, part: Any, seed: Any, seeded: Any
    ) -> Any:
        """Return the marks that a rule of a node makes of others; see `Alarm.answer`."""
        self.reached[seeded] = seed
        primitive: Any = node.primitive
        if primitive.kind != "elementwise":
            return part
        if not _has_constant_partial(node, argnum):
            return np.where(seed == 0, 0, part)
        ones = np.isnan(seed).astype(seed.dtype)
        return marks(rule(ones, node.saved, node.params, argnum))


def marks(seed: Any, *, varies: bool = False) -> Any:
    """Return NaN for what is not zero, and for what may vary."""
    value = value_of(seed)
    nan = complex(np.nan, np.nan) if value.dtype.kind == "c" else np.nan
    varies |= isinstance(seed, Tensor) and seed.requires_grad
    return np.where((value == 0) & (not varies), 0, value.dtype.type(nan))


def _has_constant_partial(node: Node, argnum: int) -> bool:
    """Return whether the partial derivative of an elementwise operation is made of constants."""
    primitive: Any = node.primitive
    rule = primitive.rules["vjp"][argnum]
    makers = {"ans": node, **dict(zip(primitive.arrays, node.parents, strict=True))}
    return all(makers.get(need) is None for need in rule.needs)


def _is_spoiled(parts: Parts) -> bool:
    return any(map(_has_nan, parts.components.values()))


def _of_marked(parts: Parts, marked: Parts) -> Parts:
    components = dict(parts.components)
    for i, part in components.items():
        value = value_of(part)
        spoiled = ~np.isfinite(value) & (marked.components[i] == 0)
        if np.any(revealed(spoiled)):
            components[i] = _without(part, spoiled)
    return Parts(components, parts.spaces)


def _has_nan(x: Any) -> bool:
    if type(x) is np.ndarray and x.dtype.kind == "f":
        if x.size > MANY:
            return bool(np.isnan(np.min(x)))
        x = x.ravel("K")  # in memory order, as a transposed one would be copied
        most = x.item(x.argmax()) if x.size else 0.0  # to argmax, a NaN is more than all others
        return bool(most != most)  # noqa: PLR0124  # nothing else differs from itself
    value = revealed(value_of(x))
    return bool(np.count_nonzero(value != value))  # noqa: PLR0124


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
