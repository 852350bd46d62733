"""The backward walk: pull a cotangent through every rule, from the outputs to the inputs."""

from collections.abc import Container, Sequence
from typing import Any, NamedTuple

import numpy as np

from tensorgrad.engine.graph import ancestors, descendants
from tensorgrad.engine.modes import is_strict
from tensorgrad.engine.node import Node
from tensorgrad.engine.singular import Alarm, Probe, marks, refuse_singular_results
from tensorgrad.engine.space import PLAIN, fit_cotangent
from tensorgrad.engine.watch import Walk, unwatched, walked
from tensorgrad.typing import Array


def backward(
    outputs: Sequence[Node],
    cotangents: Sequence[Array],
    inputs: Sequence[Node] | None = None,
    *,
    live: Container[Node] = (),
    free: bool = False,
) -> dict[Node, Array]:
    """Pull the cotangents of outputs back to inputs, in reverse creation order.

    Parameters
    ----------
    outputs, cotangents
        Where to begin, and with what; a cotangent has the shape and dtype of its output.
    inputs
        Where to stop; by default at the variables.
    live
        The nodes that the result is to be differentiable by: rules meet the values that these made
        as Tensors, so that what they compute is recorded. Everything else is plain NumPy.
    free
        Let go of saved values afterwards.

    Returns
    -------
    dict
        The cotangent of each input (or variable) that the outputs depend on.
    """
    route = _route(outputs, inputs)
    with (
        Alarm(lambda alarm: reached(alarm, outputs, cotangents, inputs)) as alarm,
        walked(outputs, route.nodes, alarm, live) as watch,
    ):
        found = walk(outputs, cotangents, route, alarm, live, watch)
        if alarm.missed(found.values()):
            found = walk(outputs, cotangents, route, alarm, live, watch)
        if watch:
            watch.end(found)
    if free:
        for node in route.nodes:
            if node.primitive is not None:
                node.saved = None
    return found


def reached(
    alarm: Alarm,
    outputs: Sequence[Node],
    cotangents: Sequence[Array],
    inputs: Sequence[Node] | None = None,
) -> dict[Node, Any]:
    """Return for the nodes of a backward walk which of their entries matter; see `Probe`."""
    probe = Probe()
    seeds = [marks(g, varies=alarm.outer is not None) for g in cotangents]
    with unwatched():
        walk(outputs, seeds, _route(outputs, inputs), probe)
    return probe.reached


class _Route(NamedTuple):
    nodes: list[Node]  # in creation order
    wanted: set[Node]  # those through which a cotangent is to go
    stops: frozenset[Node]


def _route(outputs: Sequence[Node], inputs: Sequence[Node] | None) -> _Route:
    since = min((node.index for node in inputs), default=0) if inputs is not None else 0
    stops = frozenset(inputs or ())
    nodes = ancestors(outputs, since, stops)
    return _Route(nodes, set(nodes) if inputs is None else descendants(nodes, inputs), stops)


def walk(
    outputs: Sequence[Node],
    cotangents: Sequence[Array],
    route: _Route,
    alarm: Alarm | Probe,
    live: Container[Node] = (),
    watch: Walk | None = None,
) -> dict[Node, Any]:
    """Pull cotangents along a route, while an alarm listens to what the rules make of them."""
    nodes, wanted, stops = route
    pending: dict[Node, Any] = {}
    ours: set[Node] = set()  # nodes whose pending cotangent is an array that only this walk holds

    def accumulate(node: Node, g: Any) -> None:
        old = pending[node]
        if node in ours and type(old) is np.ndarray and type(g) is np.ndarray:
            np.add(old, g, out=old)
        else:
            pending[node] = old + g
            ours.add(node)

    for node, g in zip(outputs, cotangents, strict=True):
        if node in pending:
            accumulate(node, g)
        elif node in wanted:
            pending[node] = g
    strict = is_strict() and isinstance(alarm, Alarm)
    for node in reversed(nodes):
        primitive = node.primitive
        if primitive is None or node not in pending or node in stops:
            continue
        g = pending.pop(node)
        if watch:
            watch.arrive(node, g)
        saved, params = node.saved, node.params  # the usual case, without a call
        if live or saved is None:
            saved = primitive.restore(node, live)
        if strict and primitive.singular is not None:
            refuse_singular_results(node, g)
        for argnum, parent in enumerate(node.parents):
            if parent is None or parent not in wanted:
                continue
            rule = primitive.vjps[argnum]
            if rule is None:
                continue
            part = rule(g, saved, params, argnum)
            if alarm.rung:
                part = alarm.answer(rule, node, argnum, part, g, node)
            if (
                type(part) not in PLAIN
                or part.dtype is not parent.dtype
                or part.shape != parent.shape
            ):
                part = fit_cotangent(part, parent.shape, parent.dtype)
            if watch:
                watch.deliver(node, argnum, part)
            if parent in pending:
                accumulate(parent, part)
            else:
                pending[parent] = part
    return pending  # every other node was popped on the way
