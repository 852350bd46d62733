"""Running a function on fresh variables, and what its graph then says about the result."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tensorgrad.engine.graph import ancestors, descendants
from tensorgrad.engine.node import Leaf, Node
from tensorgrad.engine.tensor import Tensor, own, require_differentiable
from tensorgrad.errors import UnsupportedError, explain
from tensorgrad.ops.shape import copy_
from tensorgrad.transforms.tree import Structure, flatten, unflatten
from tensorgrad.typing import Array, Tree


@dataclass
class Recording:
    """One run of a function: its variables, its results, and what these depend on besides.

    ``live`` are the nodes by which a derivative of the results may itself be differentiated: those
    that depend on something recorded outside, such as the variable of an enclosing transformation.
    """

    inputs: list[Node]
    outputs: list[Any]
    structure: Structure
    aux: Any
    live: set[Node]
    keeps_tensors: bool  # Tensors were given, so Tensors are returned

    @property
    def recorded(self) -> list[tuple[int, Node]]:
        """The results that a variable may have had an influence on, with their places."""
        found = []
        for place, y in enumerate(self.outputs):
            if isinstance(y, Tensor) and y._node is not None:
                found.append((place, y._node))
        return found

    def release(self, x: Any) -> Any:
        """Hand a value out: as an array, unless it depends on a recorded Tensor or Tensors were given."""
        if not isinstance(x, Tensor):
            return Tensor(own(x)) if self.keeps_tensors and isinstance(x, (np.ndarray, np.generic)) else x
        if x._node is not None and x._node in self.live:
            return x
        return Tensor(x._value) if self.keeps_tensors else _own_array(x._value)

    def value(self) -> Tree:
        """Return the results in the container the function gave them in."""
        return unflatten(self.structure, [self.release(y) for y in self.outputs])


def _own_array(value: Array) -> Array:
    """Return an array that its receiver may write to."""
    if isinstance(value, np.generic):
        return value
    return value.copy()


def record(operation: str, f: Callable[..., Any], trees: Sequence[Tree], has_aux: bool) -> tuple[Recording, list[Structure]]:
    """Call f with every array in the containers replaced by a fresh variable."""
    variables: list[Tensor] = []
    structures: list[Structure] = []
    call_args = []
    outside: list[Node] = []
    keeps_tensors = False
    for place, tree in enumerate(trees):
        leaves, structure = flatten(tree)
        fresh = []
        for leaf in leaves:
            keeps_tensors |= isinstance(leaf, Tensor)
            variable = _variable(operation, leaf, place)
            if isinstance(leaf, Tensor) and leaf._node is not None:
                outside.append(variable._node)  # type: ignore[arg-type]
            fresh.append(variable)
        variables += fresh
        structures.append(structure)
        call_args.append(unflatten(structure, fresh))
    result = f(*call_args)
    aux = None
    if has_aux:
        if not isinstance(result, tuple) or len(result) != 2:
            raise UnsupportedError(
                explain(operation, "With has_aux=True the function returns a pair (value, aux).", returned=type(result).__name__)
            )
        result, aux = result
    outputs, structure = flatten(result)
    inputs = [v._node for v in variables if v._node is not None]
    live = _live(outputs, aux, inputs, outside)
    run = Recording(inputs, outputs, structure, None, live, keeps_tensors)
    if has_aux:
        leaves, form = flatten(aux)
        run.aux = unflatten(form, [run.release(leaf) for leaf in leaves])
    return run, structures


def _variable(operation: str, leaf: Any, place: int) -> Tensor:
    if isinstance(leaf, Tensor):
        require_differentiable(operation, leaf.dtype, f"argument_{place}_dtype")
        if leaf._node is not None:
            return _alias(leaf)
        return Tensor(leaf._value, Leaf(leaf._value))
    value = own(leaf)
    require_differentiable(operation, value.dtype, f"argument_{place}_dtype")
    return Tensor(value, Leaf(value))


def _alias(x: Tensor) -> Tensor:
    """Return a variable that stands for x, with a node of its own to differentiate by."""
    node = Node(copy_, (x._node,), {}, (), x.shape, x.dtype)
    return Tensor(x._value, node)


def _live(outputs: list[Any], aux: Any, inputs: list[Node], outside: list[Node]) -> set[Node]:
    leaves = [*outputs, *flatten(aux)[0]]
    ends = [y._node for y in leaves if isinstance(y, Tensor) and y._node is not None]
    since = min((node.index for node in inputs), default=0)
    nodes = ancestors(ends, since)
    own_inputs = set(inputs) - set(outside)
    sources: set[Node] = set(outside)
    for node in (*nodes, *ends):
        older = {p for p in node.parents if p is not None and p.index < since}
        if older and node not in sources:
            sources |= older
        if not node.parents and node not in own_inputs:
            sources.add(node)  # a leaf of somebody else's
        if node.index < since:
            sources.add(node)
    return descendants(nodes, sources)
