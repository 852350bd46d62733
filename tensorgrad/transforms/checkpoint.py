"""checkpoint: compute again what would have been kept."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from tensorgrad.engine.backward import backward
from tensorgrad.engine.forward import forward
from tensorgrad.engine.graph import ancestors, creation_order, descendants
from tensorgrad.engine.modes import is_recording, recording
from tensorgrad.engine.node import Node, next_index
from tensorgrad.engine.space import revealed, zeros
from tensorgrad.engine.tensor import Tensor
from tensorgrad.errors import GraphError, UnsupportedError, explain
from tensorgrad.transforms.call import record_call
from tensorgrad.transforms.record import variable
from tensorgrad.transforms.tree import Structure, flatten, unflatten
from tensorgrad.typing import Array, Tree

# How far values computed again may be off: the order of a sum may change with memory alignment.
_SAME = {"f": 1e-5, "d": 1e-12, "F": 1e-5, "D": 1e-12}


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return f with less memory: what is inside is not kept, but computed again for derivatives.

    Parameters
    ----------
    f
        A function of arrays, or containers of arrays. It must return the same values each time:
        no random numbers but from a generator made inside. Tensors that it uses without taking
        them as arguments are differentiated by as well.

    Returns
    -------
    function
        Called like f. The graph holds one node for a call, with its arguments and results.

    Raises
    ------
    GraphError
        During a derivative, if f returns other values than at first: what it reads has changed.
    UnsupportedError
        If f writes to an argument.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> layer = tg.checkpoint(lambda x: np.sin(np.cos(x) ** 2))
    >>> float(tg.grad(layer)(0.5)) == float(tg.grad(layer.__wrapped__)(0.5))
    True
    """
    name = getattr(f, "__name__", "checkpoint")

    @wraps(f)
    def function(*args: Tree, **kwargs: Tree) -> Any:
        if not is_recording():
            return f(*args, **kwargs)
        leaves, structure = flatten((args, kwargs))
        places = [i for i, x in enumerate(leaves) if isinstance(x, Tensor) and x.requires_grad]
        arguments = [leaves[i] for i in places]
        first = _Run(f, leaves, structure, places, [x.detach() for x in arguments])
        for i, n in first.passed_through.items():
            first.results[i] = arguments[n]
        if not first.ends:
            return unflatten(first.structure, first.results)
        outer = first.outer
        others = [None if i in places else leaf for i, leaf in enumerate(leaves)]

        def again(args: Sequence[Any], kept: Sequence[Array]) -> _Run:
            second = _Run(f, others, structure, places, args[: len(places)])
            second.require_same(name, kept, outer)
            return second

        def pull(gs: Sequence[Array], args: Sequence[Any], kept: Any) -> Sequence[Array | None]:
            second = again(args, kept)
            found = backward(second.ends, gs, second.inputs, live=second.live(args))
            return [found.get(node) for node in second.inputs]

        def push(ts: Sequence[Array], args: Sequence[Any], kept: Any) -> Sequence[Array]:
            second = again(args, kept)
            found = forward(second.inputs, ts, second.ends, live=second.live(args))
            return [
                found[end] if end in found else zeros(end.shape, end.dtype) for end in second.ends
            ]

        arguments += [Tensor(zeros(node.shape, node.dtype), node) for node in outer]
        values = [first.results[i]._value for i in first.recorded]
        made = record_call(name, arguments, values, pull, push, values)
        for i, y in zip(first.recorded, made, strict=True):
            first.results[i] = y
        return unflatten(first.structure, first.results)

    return function


class _Run:
    """One run of a function on fresh variables in place of its recorded arguments.

    Attributes
    ----------
    results, structure
        What the function returned.
    recorded, ends
        The numbers of the results that it computed, and their nodes.
    passed_through
        For a result that is an argument, the number of that.
    outer
        The nodes outside that the results depend on, but for the arguments.
    inputs
        The variables, and the outer nodes.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        leaves: Sequence[Any],
        structure: Structure,
        places: Sequence[int],
        values: Sequence[Any],
    ) -> None:
        full = list(leaves)
        variables: list[Node] = []
        for i, x in zip(places, values, strict=True):
            value, node = variable(
                "checkpoint", x if isinstance(x, Tensor) else Tensor(x), i, nested=True
            )
            full[i] = Tensor(value, node)
            variables.append(node)
        start = next_index()
        args, kwargs = unflatten(structure, full)
        with recording(on=True):
            self.results, self.structure = flatten(f(*args, **kwargs))
        for i, node in zip(places, variables, strict=True):
            if full[i]._node is not node:
                raise UnsupportedError(
                    explain(
                        "checkpoint",
                        "A function under checkpoint must not write to its arguments.",
                        "Write to a copy, and return it.",
                        written_to=i,
                        shape=full[i].shape,
                    )
                )
        nodes = {i: y._node for i, y in enumerate(self.results) if isinstance(y, Tensor)}
        self.passed_through = {i: variables.index(n) for i, n in nodes.items() if n in variables}
        made = {i: n for i, n in nodes.items() if n is not None and n.index > start}
        self.recorded, self.ends = list(made), list(made.values())
        self._inside = ancestors(self.ends, start)
        before = {p for n in self._inside for p in n.parents if p is not None and p.index < start}
        self.outer = sorted(before.difference(variables), key=creation_order)
        self.inputs = [*variables, *self.outer]

    def live(self, args: Sequence[Any]) -> set[Node]:
        """Return the nodes that depend on an argument, or an outer node, that is a Tensor here."""
        sources = [
            node
            for node, arg in zip(self.inputs, args, strict=True)
            if isinstance(arg, Tensor) and arg.requires_grad
        ]
        return descendants(self._inside, sources) if sources else set()

    def require_same(self, name: str, values: Sequence[Array], outer: Sequence[Node]) -> None:
        """Raise unless this run went as the one before."""
        found = [self.results[i]._value for i in self.recorded]
        if self.outer != list(outer) or not all(map(_is_same, found, values)):
            raise GraphError(
                explain(
                    name,
                    "A function under checkpoint returned other values when it was computed again"
                    " for the derivative.",
                    "Pass what changes as an argument, and make random generators inside.",
                )
            )


def _is_same(x: Array, y: Array) -> bool:
    x, y = revealed(x), revealed(y)
    if x.shape != y.shape or x.dtype != y.dtype:
        return False
    tolerance = _SAME.get(x.dtype.char, 1e-2)
    scale: float = np.max(np.abs(y), initial=0.0, where=np.isfinite(y))
    return bool(np.allclose(x, y, rtol=0, atol=tolerance * scale, equal_nan=True))
