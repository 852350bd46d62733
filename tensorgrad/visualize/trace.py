"""trace: the graph of a function, called once."""

from collections.abc import Callable, Sequence
from inspect import Parameter, signature
from typing import Any

import optree

from tensorgrad.engine.modes import recording
from tensorgrad.engine.node import Node
from tensorgrad.engine.notes import source_lines
from tensorgrad.engine.tensor import Tensor
from tensorgrad.engine.watch import watching
from tensorgrad.errors import GraphError, UnsupportedError, explain
from tensorgrad.transforms.record import variable
from tensorgrad.transforms.tree import flatten, unflatten
from tensorgrad.typing import Array, Tree
from tensorgrad.visualize.derivative import Recorder, completed, order_number
from tensorgrad.visualize.graph import Graph
from tensorgrad.visualize.reading import Known


def trace(
    f: Callable[..., Any], /, *args: Tree, backward: bool | int = False, values: bool = False
) -> Graph:
    """Call a function, and return the graph of what it computed, with the lines that did.

    Parameters
    ----------
    f
        A function of arrays, or containers of arrays, to an array or a container of arrays.
    *args
        Where to call it. Floating-point and complex arrays, numbers and Tensors among them become
        the inputs of the graph, named as f names its arguments; everything else is passed on.
    backward, values
        As for `tensorgrad.graph`; values are those of all nodes.

    Returns
    -------
    Graph
        Also inputs that the result does not depend on are in it.

    Raises
    ------
    GraphError
        If the result depends on nothing recorded.
    UnsupportedError
        If f is no function.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> def loss(x, params):
    ...     return np.sum(np.tanh(x @ params["w"]))
    >>> g = tg.trace(loss, np.ones(3), {"w": np.ones((3, 2))})
    >>> [node.label for node in g if node.kind == "leaf"]
    ['x', "params['w']"]
    >>> g.find(op="tanh")[0].source.text
    'return np.sum(np.tanh(x @ params["w"]))'
    """
    orders = order_number("trace", backward)
    require_callable("trace", f)
    call_args, inputs = as_inputs("trace", f, args)
    known = Known({node: name for node, (name, _) in inputs.items()})
    if values:
        known.values = {node: value for node, (_, value) in inputs.items()}
    recorder = Recorder(values)
    with recording(on=True), source_lines(), watching(recorder):
        results = flatten(f(*call_args))[0]
    outputs = [y._node for y in results if isinstance(y, Tensor) and y._node is not None]
    if not outputs:
        raise GraphError(
            explain(
                "trace",
                "Nothing is recorded: the result depends on no floating-point argument.",
                "Pass what it depends on as an argument of floating-point numbers.",
                result=[type(y).__name__ for y in results],
            )
        )
    return Graph(*completed(outputs, orders, known, recorder, list(inputs)))


def require_callable(operation: str, f: Any) -> None:
    """Raise unless f can be called."""
    if not callable(f):
        raise UnsupportedError(
            explain(
                operation,
                "The first argument is a function, and those after it are what it is called with.",
                f"Pass the function itself, as in tg.{operation}(f, x); tg.graph(y) is for a"
                " result.",
                f=type(f).__name__,
            )
        )


def as_inputs(
    operation: str, f: Callable[..., Any], args: Sequence[Tree]
) -> tuple[list[Tree], dict[Node, tuple[str, Array]]]:
    """Make fresh inputs of a graph of what varies among arguments.

    Returns
    -------
    list of Tree
        The arguments, with Tensors in the place of floating-point and complex arrays and numbers.
    dict of (str, Array)
        For the nodes of these what f calls them, and their values.
    """
    inputs: dict[Node, tuple[str, Array]] = {}
    call_args = list[Tree]()
    for name, arg in zip(_argument_names(f, len(args)), args, strict=True):
        leaves, structure = flatten(arg)
        for i, accessor in enumerate(optree.treespec_accessors(structure)):
            if _varies(leaves[i]):
                value, node = variable(operation, leaves[i], len(call_args), False)
                leaves[i] = Tensor(value, node)
                inputs[node] = accessor.codify(name), value
        call_args.append(unflatten(structure, leaves))
    return call_args, inputs


def _argument_names(f: Callable[..., Any], count: int) -> list[str]:
    """Return what a function calls its positional arguments."""
    try:
        parameters = signature(f).parameters.values()
    except (ValueError, TypeError):  # some of those written in C do not tell
        parameters = {}.values()
    names = [
        p.name
        for p in parameters
        if p.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    ][:count]
    rest = next((p.name for p in parameters if p.kind is Parameter.VAR_POSITIONAL), "arguments")
    return names + [f"{rest}[{i}]" for i in range(count - len(names))]


def _varies(leaf: Any) -> bool:
    dtype = getattr(leaf, "dtype", None)
    return isinstance(leaf, (float, complex)) or getattr(dtype, "kind", "") in ("f", "c")
