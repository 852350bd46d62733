"""How far rounding may put a derivative off: the walks over a graph, with every product disturbed.

Where terms cancel, what is left is uncertain by the rounding of the terms, of which neither the
arguments nor the results need show anything: x - max(x) adds 1 and -1 to the gradient of the
greatest entry. So each contribution to a cotangent or tangent is multiplied by 1 + u, with u a few
random units of rounding, and what that does to the derivative is its noise (as in stochastic
arithmetic: Vignes, 1993).
"""

from collections.abc import Callable, Sequence
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from tensorgrad.engine.backward import reached
from tensorgrad.engine.forward import apply_to_tangents
from tensorgrad.engine.node import Node
from tensorgrad.engine.singular import Alarm
from tensorgrad.engine.space import Parts, fit_cotangent, fit_tangent, zeros
from tensorgrad.testing.numerics.trace import Trace
from tensorgrad.typing import Array

# Units of rounding that a contribution is disturbed by, at most.
UNITS = 4.0


def disturbed_gradient(
    run: Trace, cotangents: Sequence[Array], rng: np.random.Generator
) -> list[Array]:
    """Return the gradient by the inputs of a trace, with each contribution disturbed."""
    disturb = _disturber(run, rng)
    pending: dict[Node, Array] = {}

    def receive(node: Node, part: Array) -> None:
        part = disturb(fit_cotangent(part, node.shape, node.dtype))
        pending[node] = pending[node] + part if node in pending else part

    ends, gs = [], []
    for end, g in zip(run.ends, cotangents, strict=True):
        if end is not None:
            ends.append(end)
            gs.append(np.asarray(np.conj(g), end.dtype))  # inside, rules are plain transposes
            receive(end, gs[-1])
    with Alarm(lambda alarm: reached(alarm, ends, gs)) as alarm:
        for node in reversed(run.nodes):
            primitive = node.primitive
            if primitive is None or node not in pending:
                continue
            g, saved = pending.pop(node), primitive.restore(node, ())
            for argnum, parent in enumerate(node.parents):
                rule = primitive.vjps[argnum] if parent is not None else None
                if rule is not None and parent is not None:
                    part = rule(g, saved, node.params, argnum)
                    if alarm.rung:
                        part = alarm.answer(rule, node, argnum, part, g, node)
                    receive(parent, part)
    return [np.conj(pending.get(node, zeros(node.shape, node.dtype))) for node in run.inputs]


def disturbed_tangent(
    run: Trace, tangents: Sequence[Array], rng: np.random.Generator
) -> list[Array]:
    """Return the tangent of the results of a trace, with each contribution disturbed."""
    disturb = _disturber(run, rng)
    known: dict[Node | None, Any] = dict(zip(run.inputs, tangents, strict=True))
    for node in run.nodes:
        primitive = node.primitive
        if primitive is None or known.keys().isdisjoint(node.parents):
            continue
        saved = primitive.restore(node, ())
        if primitive.jointly_linear:
            parts = [apply_to_tangents(primitive, node, saved, known)]
        else:
            rules = (
                (primitive.jvps[argnum], parent, argnum)
                for argnum, parent in enumerate(node.parents)
                if parent in known
            )
            parts = [
                rule(known[parent], saved, node.params, argnum)
                for rule, parent, argnum in rules
                if rule is not None
            ]
        if parts:
            known[node] = reduce(
                add, (disturb(fit_tangent(t, node.shape, node.dtype)) for t in parts)
            )
    return [
        known[end] if end in known else np.zeros(y.shape, y.dtype)
        for end, y in zip(run.ends, run.values, strict=True)
    ]


def _disturber(run: Trace, rng: np.random.Generator) -> Callable[[Array], Array]:
    size = UNITS * run.rounding

    def disturb(part: Any) -> Any:
        if isinstance(part, Parts):
            return Parts({i: disturb(g) for i, g in part.components.items()}, part.spaces)
        return part * (1 + size * rng.uniform(-1, 1, part.shape))

    return disturb
