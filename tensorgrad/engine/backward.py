"""The backward walk: pull a cotangent through every rule, from the outputs to the inputs."""

from collections.abc import Container, Sequence
from typing import Any, NoReturn

import numpy as np

from tensorgrad.engine.graph import ancestors, descendants
from tensorgrad.engine.node import Node
from tensorgrad.engine.space import fit_cotangent
from tensorgrad.errors import GraphError, explain
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
        Where to stop; by default at the leaves.
    live
        The nodes that the result is to be differentiable by: rules meet what these saved as Tensors,
        so that what they compute is recorded. Everything else is plain NumPy.
    free
        Let go of saved values on the way.

    Returns
    -------
    dict
        The cotangent of each input (or leaf) that the outputs depend on.
    """
    since = min((node.index for node in inputs), default=0) if inputs is not None else 0
    nodes = ancestors(outputs, since)
    wanted = set(nodes) if inputs is None else descendants(nodes, inputs)
    stops = {node for node in nodes if not node.parents} if inputs is None else set(inputs)
    pending: dict[Node, Any] = {}
    ours: set[Node] = set()  # nodes whose pending cotangent is an array of this walk's own

    def accumulate(node: Node, old: Any, g: Any) -> None:
        if node in ours and type(old) is np.ndarray and type(g) is np.ndarray:
            np.add(old, g, out=old)
        else:
            pending[node] = old + g
            ours.add(node)

    for node, g in zip(outputs, cotangents, strict=True):
        if node in pending:
            accumulate(node, pending[node], g)
        elif node in wanted:
            pending[node] = g
    for node in reversed(nodes):
        if node in stops or node not in pending:
            continue
        g = pending.pop(node)
        primitive, saved, params = node.primitive, node.saved, node.params
        if saved is None:
            _raise_freed(primitive.name)
        if live:
            saved = primitive.restore(node, live)
        argnum = -1
        for parent in node.parents:
            argnum += 1
            if parent not in wanted:
                continue
            rule = primitive.vjp(argnum)
            if rule is None:
                continue
            part = rule(g, saved, params, argnum)
            if part.dtype is not parent.dtype or part.shape != parent.shape:
                part = fit_cotangent(part, parent.shape, parent.dtype)
            if parent in pending:
                accumulate(parent, pending[parent], part)
            else:
                pending[parent] = part
        if free:
            node.saved = None
    return {node: pending[node] for node in stops if node in pending}


def _raise_freed(op: str) -> NoReturn:
    raise GraphError(
        explain(
            "backward",
            "The values saved for this graph were freed by an earlier backward().",
            "Pass retain_graph=True to the earlier call.",
            op=op,
        )
    )
