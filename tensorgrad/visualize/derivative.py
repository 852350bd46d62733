"""The backward pass of a graph as a recorded graph, up to any order."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tensorgrad.engine.backward import backward
from tensorgrad.engine.graph import ancestors
from tensorgrad.engine.modes import recording
from tensorgrad.engine.node import Node, Variable
from tensorgrad.engine.notes import rules_noted
from tensorgrad.engine.primitive import Primitive
from tensorgrad.engine.singular import Alarm
from tensorgrad.engine.space import batched_zeros
from tensorgrad.engine.tensor import Tensor, value_of
from tensorgrad.engine.watch import Act, Walk, watching
from tensorgrad.errors import UnsupportedError, explain
from tensorgrad.typing import Array
from tensorgrad.visualize.node import GraphNode, constant_text
from tensorgrad.visualize.reading import Known, read


class Recorder:
    """Looks on at what is computed, and keeps the constants of nodes, their values and gradients.

    Parameters
    ----------
    values
        Whether to keep more than the constants.
    """

    def __init__(self, values: bool) -> None:
        self.keeps_values = values
        self.constants: dict[Node, tuple[str | None, ...]] = {}
        self.values: dict[Node, Array] = {}
        self.gradients: dict[Node, Array] = {}

    def call(self, act: Act, primitive: Primitive, args: Any, params: Any) -> Any:
        """Call a primitive, and keep its arguments and results."""
        ans = act(primitive, *args, **params)
        results = ans if isinstance(ans, tuple) else (ans,)
        node = results[0]._node if isinstance(results[0], Tensor) else None
        if node is not None and isinstance(ans, tuple):
            (node,) = node.parents  # the operation, and not one of its results
        if node is not None and node.primitive is primitive:
            self.constants[node] = tuple(map(constant_text, args))
        if self.keeps_values:
            for x in (*args, *results):
                if isinstance(x, Tensor) and x._node is not None:
                    self.values[x._node] = x._value
        return ans

    def walk(self, outputs: Sequence[Node], alarm: Alarm) -> Walk:  # noqa: ARG002
        """Return who looks on at a backward walk."""
        return _Gradients(self.gradients) if self.keeps_values else Walk()


class _Gradients(Walk):
    def __init__(self, gradients: dict[Node, Array]) -> None:
        self.gradients = gradients

    def arrive(self, node: Node, seed: Any) -> None:
        super().arrive(node, seed)
        self._keep(node, seed)

    def end(self, found: Mapping[Node, Any]) -> None:
        for node, g in found.items():
            self._keep(node, g)

    def _keep(self, node: Node, g: Any) -> None:
        value = value_of(g)
        if getattr(value, "dtype", None) is not None:  # parts of several results have none
            self.gradients[node] = value  # its magnitudes are those of its conjugate, the gradient


def differentiate(
    outputs: Sequence[Node], orders: int, known: Known, recorder: Recorder
) -> list[Node]:
    """Record the backward pass of outputs, and that of what it finds, up to an order.

    Each begins with ones, at a node of its own: so that every step depends on something recorded.

    Returns
    -------
    list of Node
        The gradients by the leaves, of every order, and their names in ``known``. One that does not
        depend on anything recorded, as a zero, has no node.
    """
    nodes = ancestors(outputs)
    labels = {node: known.names.get(node, f"t{number}") for number, node in enumerate(nodes)}
    leaves = [node for node in nodes if node.primitive is None]
    found: list[Node] = []
    ends: dict[Node, list[str]] = {}  # several names where a sum has an end several times
    for node in outputs:
        ends.setdefault(node, []).append(labels[node])
    for _ in range(orders):
        if not ends:  # the derivatives so far are constants
            break
        order = 1 + max(map(known.order_of, ends))
        seeds = [_seed(end, len(names)) for end, names in ends.items()]
        known.passes.append((seeds[0]._node.index, order))
        with recording(on=True), rules_noted(), watching(recorder):
            gs = backward(list(ends), seeds, leaves, live=set(ancestors(ends)))
            gradients = {leaf: g for leaf in leaves if (g := _gradient(gs.get(leaf)))}
        begins = zip(seeds, ends.values(), strict=True)
        ends = {}
        for leaf, g in gradients.items():
            labels[leaf] = f"grad {labels[leaf]}"
            # the gradients by two leaves may be one
            ends.setdefault(g, []).append(labels[leaf])
        known.names.update((g, ", ".join(names)) for g, names in ends.items())
        for seed, names in begins:
            known.seeds.add(seed._node)
            # it may be the gradient, where a leaf is an output
            said = ", ".join(f"seed {name}" for name in dict.fromkeys(names))
            known.names.setdefault(seed._node, said)
        if recorder.keeps_values:
            known.values.update((seed._node, seed._value) for seed in seeds)
            if not known.gradients:  # those of the first pass
                known.gradients, recorder.gradients = recorder.gradients, {}
        found += ends
    return found


def _seed(end: Node, times: int) -> Any:
    seed = batched_zeros(end.shape, end.dtype) + times
    return Tensor(seed, Variable(seed))


def _gradient(g: Any) -> Node | None:
    """Return the node of a gradient, as it is at the surface; None for a constant."""
    if not isinstance(g, Tensor) or g._node is None:
        return None
    # inside, cotangents are transposes
    return np.conj(g)._node if g.dtype.kind == "c" else g._node


def order_number(operation: str, backward: bool | int) -> int:
    """Return how many backward passes are asked for."""
    if isinstance(backward, (bool, int, np.integer)) and backward >= 0:
        return int(backward)
    raise UnsupportedError(
        explain(
            operation,
            "backward is True, or the number of backward passes: 2 with the second derivatives.",
            "To name a tensor backward, use another name.",
            backward=backward
            if isinstance(backward, (int, np.integer))
            else type(backward).__name__,
        )
    )


def completed(
    outputs: Sequence[Node],
    orders: int,
    known: Known,
    recorder: Recorder,
    inputs: Sequence[Node] = (),
) -> tuple[tuple[GraphNode, ...], tuple[int, ...]]:
    """Return a graph as data, with its backward passes and what a recorder has seen."""
    gradients = differentiate(outputs, orders, known, recorder)
    known.constants = recorder.constants
    known.values |= recorder.values
    return read([*outputs, *gradients], known, inputs)
