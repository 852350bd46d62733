"""The forward walk: push tangents through every rule, from the inputs to the outputs."""

from collections.abc import Container, Sequence
from typing import Any

from tensorgrad.engine.graph import ancestors
from tensorgrad.engine.node import Node
from tensorgrad.engine.primitive import Primitive
from tensorgrad.engine.space import fit_tangent, zeros
from tensorgrad.typing import Array


def forward(
    inputs: Sequence[Node],
    tangents: Sequence[Array],
    outputs: Sequence[Node],
    *,
    live: Container[Node] = (),
) -> dict[Node, Array]:
    """Push the tangents of inputs forward to outputs, in creation order.

    ``live`` is as in the backward walk. Returns the tangent of each output that depends on an input.
    """
    known: dict[Node, Any] = dict(zip(inputs, tangents, strict=True))
    for node in ancestors(outputs, since=min((node.index for node in inputs), default=0)):
        if node in known or known.keys().isdisjoint(node.parents):
            continue
        primitive = node.primitive
        saved = primitive.restore(node, live) if live else node.saved
        if primitive.jointly_linear:
            t = _apply_to_tangents(primitive, node, saved, known)
        else:
            t = None
            for argnum, parent in enumerate(node.parents):
                rule = primitive.jvp(argnum) if parent in known else None
                if rule is not None:
                    part = fit_tangent(
                        rule(known[parent], saved, node.params, argnum), node.shape, node.dtype
                    )
                    t = part if t is None else t + part
        if t is not None:
            known[node] = fit_tangent(t, node.shape, node.dtype)
    return {node: known[node] for node in outputs if node in known}


def _apply_to_tangents(primitive: Primitive, node: Node, saved: Any, known: dict[Node, Any]) -> Array:
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
