"""Running a function on fresh variables, and what its graph then says about the result."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tensorgrad.engine.graph import ancestors
from tensorgrad.engine.modes import is_recording, recording
from tensorgrad.engine.node import Leaf, Node, Variable
from tensorgrad.engine.space import hidden_axes
from tensorgrad.engine.tensor import Tensor, own, require_differentiable
from tensorgrad.errors import GraphError, UnsupportedError, explain
from tensorgrad.ops.shape import copy_
from tensorgrad.transforms.tree import Structure, flatten, unflatten
from tensorgrad.typing import Array, Tree


@dataclass
class Recording:
    """One run of a function on fresh variables: what went in, and what came out.

    Attributes
    ----------
    arguments
        The containers of the arguments, without their leaves.
    inputs
        The variables that stood for the leaves of the arguments.
    value, aux
        What the function returned, fit for the caller.
    outputs
        The leaves of the value as the function returned them.
    ends
        For each output the node that made it, or None for a constant.
    structure
        The container of the value.
    live
        The nodes that depend on something recorded outside the run, such as the variable of an
        enclosing transformation: by these a derivative of the run may itself be differentiated.
    gives_tensors
        Whether Tensors were given, and so Tensors are returned.
    """

    arguments: list[Structure]
    inputs: list[Node]
    value: Tree
    aux: Tree
    outputs: list[Any]
    ends: list[Node | None]
    structure: Structure
    live: set[Node]
    gives_tensors: bool


def record(
    operation: str, f: Callable[..., Any], arguments: dict[int, Tree], has_aux: bool
) -> Recording:
    """Call f with every array in the arguments, by their numbers, replaced by a fresh variable."""
    opened = {number: flatten(tree) for number, tree in arguments.items()}
    gives_tensors = any(
        isinstance(leaf, Tensor) for leaves, _ in opened.values() for leaf in leaves
    )
    nested = is_recording()  # else there is nothing outside to be differentiated by
    call_args = []
    inputs = []
    for number, (leaves, structure) in opened.items():
        variables = [variable(operation, leaf, number, nested) for leaf in leaves]
        # kept before the call: f may write to its arguments, which makes them other nodes
        inputs += [node for _, node in variables]
        call_args.append(unflatten(structure, [Tensor(value, node) for value, node in variables]))
    with recording(on=True):
        result = f(*call_args)
    aux = None
    if has_aux:
        if not isinstance(result, tuple) or len(result) != 2:
            raise UnsupportedError(
                explain(
                    operation,
                    "With has_aux=True the function returns a pair (value, aux).",
                    "Return the two as a tuple.",
                    returned=type(result).__name__,
                )
            )
        result, aux = result
    outputs, structure = flatten(result)
    ends = [y._node if isinstance(y, Tensor) else None for y in outputs]
    aux_leaves, aux_structure = flatten(aux)
    live = live_nodes([*outputs, *aux_leaves], inputs) if nested else set()

    def release(y: Any) -> Any:
        if isinstance(y, Tensor):
            return y if y._node in live else hand_out(y._value, gives_tensors)
        return hand_out(y, True) if gives_tensors and isinstance(y, (np.ndarray, np.generic)) else y

    return Recording(
        arguments=[structure for _, structure in opened.values()],
        inputs=inputs,
        value=unflatten(structure, [release(y) for y in outputs]),
        aux=unflatten(aux_structure, [release(y) for y in aux_leaves]),
        outputs=outputs,
        ends=ends,
        structure=structure,
        live=live,
        gives_tensors=gives_tensors,
    )


def require_vmap_goes_on(operation: str, run: Recording) -> None:
    """Raise where a run is about examples of a call of vmap that is over.

    Then cotangents are summed over them; see `Level`.
    """
    for end in run.ends:
        if end is not None and any(level.closed for level in hidden_axes(end.shape)):
            raise GraphError(
                explain(
                    operation,
                    "This was computed under vmap, which is over: there is a gradient for each"
                    " example, and these can no longer be told apart.",
                    "Call it in the function that vmap is given.",
                    shape=tuple(end.shape),
                    examples=tuple(level.size for level in hidden_axes(end.shape)),
                )
            )


def hand_out(x: Any, as_tensor: bool) -> Any:
    """Return a value that nobody else can write to: as an array, unless it is recorded."""
    if isinstance(x, Tensor):
        if x.requires_grad:
            return x
        x = x._value
    value = x if isinstance(x, np.generic) else x.copy()
    return Tensor(value) if as_tensor else value


def variable(operation: str, leaf: Any, number: int, nested: bool) -> tuple[Array, Node]:
    """Return the value of a leaf, and a node to differentiate by that stands for it."""
    value = leaf._value if isinstance(leaf, Tensor) else own(leaf)
    if isinstance(leaf, (float, complex, np.generic)):
        value = value[()]  # a number, as it is in NumPy, and not an array of no axes
    require_differentiable(operation, value.dtype, name=f"argument_{number}_dtype")
    if nested and isinstance(leaf, Tensor) and leaf._node is not None:
        return value, Node(copy_, (leaf._node,), {}, (), value.shape, value.dtype)
    return value, Variable(value)


def live_nodes(leaves: Sequence[Any], inputs: Sequence[Node]) -> set[Node]:
    """Return the nodes of a run that depend on what was recorded before it, or on a leaf."""
    since = min((node.index for node in inputs), default=0)
    ends = [y._node for y in leaves if isinstance(y, Tensor) and y._node]
    live: set[Node] = {end for end in ends if end.index < since}
    for node in ancestors(ends, since):
        live.update(parent for parent in node.parents if parent and parent.index < since)
        if isinstance(node, Leaf) or not live.isdisjoint(node.parents):
            live.add(node)
    return live
