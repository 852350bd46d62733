"""trace: the graph of a function, called once."""

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any

import optree

from tensorgrad.engine.modes import recording
from tensorgrad.engine.notes import source_lines
from tensorgrad.engine.tensor import Tensor
from tensorgrad.errors import GraphError, explain
from tensorgrad.transforms.record import variable
from tensorgrad.transforms.tree import flatten, unflatten
from tensorgrad.typing import Tree
from tensorgrad.visualize.derivative import Recorder, completed, looked_on_by, order_number
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
    known = Known()
    inputs, call_args = [], list[Tree]()
    for name, arg in zip(_argument_names(f, len(args)), args, strict=True):
        leaves, structure = flatten(arg)
        for i, accessor in enumerate(optree.treespec_accessors(structure)):
            if _varies(leaves[i]):
                value, node = variable("trace", leaves[i], len(call_args), False)
                leaves[i] = Tensor(value, node)
                inputs.append(node)
                known.names[node] = accessor.codify(name)
                if values:
                    known.values[node] = value
        call_args.append(unflatten(structure, leaves))
    recorder = Recorder() if values else None
    with recording(on=True), source_lines(), looked_on_by(recorder):
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
    return Graph(*completed(outputs, orders, known, recorder, inputs))


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
