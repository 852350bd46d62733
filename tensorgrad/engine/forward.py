"""The forward walk: push tangents through every rule, from the inputs to the outputs."""

from collections.abc import Container, Sequence
from typing import Any

from tensorgrad.engine.graph import ancestors
from tensorgrad.engine.modes import is_strict
from tensorgrad.engine.node import Node
from tensorgrad.engine.primitive import Primitive
from tensorgrad.engine.singular import Alarm, Probe, marks, refuse_singular_arguments
from tensorgrad.engine.space import fit_tangent, zeros
from tensorgrad.engine.watch import Walk, unwatched, walked
from tensorgrad.typing import Array

# the tangent of each node reached so far
Tangents = dict[Node | None, Any]


def forward(
    inputs: Sequence[Node],
    tangents: Sequence[Array],
    outputs: Sequence[Node],
    *,
    live: Container[Node] = (),
) -> dict[Node, Array]:
    """Push the tangents of inputs forward to outputs, in creation order.

    ``live`` is as in the backward walk. Outputs that depend on no input are left out.
    """
    nodes = ancestors(outputs, min((n.index for n in inputs), default=0), frozenset(inputs))

    def walk(
        seeds: Sequence[Array],
        alarm: Alarm | Probe,
        live: Container[Node] = (),
        watch: Walk | None = None,
    ) -> Tangents:
        known: Tangents = dict(zip(inputs, seeds, strict=True))
        strict = is_strict() and isinstance(alarm, Alarm)
        for node in nodes:
            primitive = node.primitive
            if primitive is None or node in known or known.keys().isdisjoint(node.parents):
                continue
            if watch:
                watch.arrive(node, None)
            saved = primitive.restore(node, live)
            if strict and primitive.singular is not None:
                moved = [known[parent] for parent in node.parents if parent in known]
                refuse_singular_arguments(node, moved)
            if primitive.jointly_linear:
                t = apply_to_tangents(primitive, node, saved, known)
            else:
                t = _sum_of_parts(primitive, node, saved, known, alarm)
            if t is not None:
                known[node] = t = fit_tangent(t, node.shape, node.dtype)
                if watch:
                    watch.deliver(node, None, t)
        return known

    def chosen(known: Tangents) -> dict[Node, Array]:
        return {node: known[node] for node in outputs if node in known}

    def probe(alarm: Alarm) -> dict[Node, Any]:
        seeds = [marks(t, varies=alarm.outer is not None) for t in tangents]
        with unwatched():
            walk(seeds, found := Probe())
        return found.reached

    with Alarm(probe) as alarm, walked(outputs, nodes, alarm, live) as watch:
        found = chosen(walk(tangents, alarm, live, watch))
        if alarm.missed(found.values()):
            found = chosen(walk(tangents, alarm, live, watch))
        if watch:
            watch.end(found)
    return found


def _sum_of_parts(
    primitive: Primitive, node: Node, saved: tuple[Any, ...], known: Tangents, alarm: Alarm | Probe
) -> Array | None:
    t = None
    for argnum, parent in enumerate(node.parents):
        rule = primitive.jvps[argnum] if parent in known else None
        if rule is not None:
            part = rule(known[parent], saved, node.params, argnum)
            if alarm.rung:
                part = alarm.answer(rule, node, argnum, part, known[parent], parent)
            part = fit_tangent(part, node.shape, node.dtype)
            t = part if t is None else t + part
    return t


def apply_to_tangents(
    primitive: Primitive, node: Node, saved: tuple[Any, ...], known: Tangents
) -> Array:
    """Apply an operation that is linear in all its arguments together to their tangents."""
    if len(node.parents) == 1:
        return primitive(known[node.parents[0]], **node.params)
    sizes = dict(zip(primitive.layout, saved, strict=True))
    if primitive.variadic:
        shapes = sizes[f"{primitive.arrays[0]}_shape"]
    else:
        shapes = [sizes[f"{name}_shape"] for name in primitive.arrays]
    tangents = [
        known[parent] if parent in known else zeros(shape, node.dtype)
        for parent, shape in zip(node.parents, shapes, strict=True)
    ]
    return primitive(*tangents, **node.params)
