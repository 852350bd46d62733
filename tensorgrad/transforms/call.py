"""A call of a function recorded as one node, whatever happens inside."""

from collections.abc import Callable, Container, Sequence
from typing import Any

from tensorgrad.engine.backward import backward
from tensorgrad.engine.modes import recording
from tensorgrad.engine.node import Node, Variable
from tensorgrad.engine.primitive import raise_freed
from tensorgrad.engine.several import Component, Step, Together, pack, spaces_of
from tensorgrad.engine.space import Parts, Space, batched_zeros, fit_cotangent, fit_tangent, zeros
from tensorgrad.engine.tensor import Tensor
from tensorgrad.transforms.batching.batched import Levels, levels_of, reopened
from tensorgrad.transforms.record import live_nodes
from tensorgrad.typing import Array

# From cotangents of the results, and the arguments, to cotangents of the arguments; and from
# tangents of the arguments, and these, to tangents of the results. What a call kept comes last.
Pull = Callable[[Sequence[Array], Sequence[Any], Any], Sequence[Array | None]]
Push = Callable[[Sequence[Array], Sequence[Any], Any], Sequence[Array]]


class Call(Step):
    """What records a call: rules that are about all arguments and all results at once.

    What they do under `vmap` they do for each example, also when it is over.
    """

    def __init__(
        self, name: str, spaces: Sequence[Space], levels: Levels, pull: Pull, push: Push
    ) -> None:
        def pulled(g: Any, saved: Any, _params: dict[str, Any], _argnum: int) -> Any:
            with reopened(levels):
                parts = pull(g.dense(), *saved)
            return Parts(
                {
                    i: fit_cotangent(part, *space)
                    for i, (part, space) in enumerate(zip(parts, spaces, strict=True))
                    if part is not None
                },
                spaces,
            )

        def pushed(t: Any, saved: Any, _params: dict[str, Any], _argnum: int) -> Any:
            with reopened(levels):
                return Parts(dict(enumerate(push(t.dense(), *saved))), ())

        super().__init__(name, pulled, pushed)

    def restore(self, node: Node, live: Container[Node]) -> tuple[Any, ...]:
        """Return the arguments, as Tensors where their nodes are live, and what the call kept."""
        if node.saved is None:
            raise_freed(self.name)
        values, kept = node.saved
        (packed,) = node.parents
        makers = packed.parents if packed is not None else ()
        args = [
            Tensor(value, maker) if maker is not None and maker in live else value
            for value, maker in zip(values, makers, strict=True)
        ]
        return args, kept


def record_call(
    name: str,
    args: Sequence[Tensor],
    results: Sequence[Array],
    pull: Pull,
    push: Push,
    kept: Any = None,
) -> list[Tensor]:
    """Return the results of a call as Tensors recorded by one node with these rules."""
    values = tuple(arg._value for arg in args)
    spaces = spaces_of(values)
    packed = pack([arg._node for arg in args], spaces)
    call = Call(name, spaces, levels_of(results), pull, push)
    node = Together(call, (packed,), {}, (values, kept), spaces_of(results))
    return [Component(f"{name}[{i}]", i).of(node, value) for i, value in enumerate(results)]


def transpose(
    linear: Callable[..., Sequence[Any]], spaces: Sequence[Space], gs: Sequence[Array]
) -> list[Array]:
    """Apply the transpose of a linear function of arrays in these spaces to cotangents."""
    points = [batched_zeros(*space) for space in spaces]
    inputs = [Variable(x) for x in points]
    with recording(on=True):
        results = linear(*map(Tensor, points, inputs))
    ends, seeds = [], []
    for y, g in zip(results, gs, strict=True):
        if isinstance(y, Tensor) and y._node is not None:
            ends.append(y._node)
            seeds.append(fit_tangent(g, y.shape, y.dtype))
    live = live_nodes(results, inputs)
    found = backward(ends, seeds, inputs, live=live)
    return [
        found[v] if v in found else zeros(*space) for v, space in zip(inputs, spaces, strict=True)
    ]
