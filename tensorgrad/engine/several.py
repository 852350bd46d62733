"""Operations of several results, and functions of several arguments taken together.

A node has one result. Where there are several, one node stands for all of them, and each is a
`Component` of it; where a rule is about all arguments at once, `pack` makes one node of them. What
travels along the edges between such nodes are `Parts`.
"""

from collections.abc import Callable, Container, Sequence
from typing import Any

from tensorgrad.engine.node import Node
from tensorgrad.engine.primitive import Compiled, Every, Primitive, raise_freed
from tensorgrad.engine.space import Parts, Space, zeros
from tensorgrad.engine.tensor import Tensor
from tensorgrad.typing import Array


def spaces_of(values: Sequence[Any]) -> tuple[Space, ...]:
    """Return the shape and dtype of each."""
    return tuple((value.shape, value.dtype) for value in values)


class Together(Node):
    """The record of several arrays at once."""

    __slots__ = ("spaces",)

    def __init__(
        self,
        primitive: Primitive,
        parents: tuple[Node | None, ...],
        params: dict[str, Any],
        saved: tuple[Any, ...],
        spaces: tuple[Space, ...],
    ) -> None:
        super().__init__(primitive, parents, params, saved, Parts.shape, Parts.dtype)
        self.spaces = spaces


class Step(Primitive):
    """A primitive outside the registry: one of the ways in which the engine records others.

    ``pull`` and ``push`` are its rules, ready for the walks; see `Compiled`.
    """

    def __init__(self, name: str, pull: Compiled, push: Compiled) -> None:
        self.name = name
        self.kind = "general"
        self.arrays, self.variadic, self.layout = ("x",), False, ()
        self.branches = self.singular = None
        self.holomorphic, self.jointly_linear = True, False
        self.rules = {"vjp": (), "jvp": ()}
        self.vjps, self.jvps = [pull], [push]

    def restore(self, node: Node, live: Container[Node]) -> tuple[Any, ...]:  # noqa: ARG002
        """Return what a node saved: nothing that anything could be differentiated by."""
        if node.saved is None:
            raise_freed(self.name)
        return node.saved


class Component(Step):
    """One of several results."""

    def __init__(self, name: str, index: int) -> None:
        self.index = index
        super().__init__(
            name,
            lambda g, saved, _params, _argnum: Parts({index: g}, saved),
            lambda t, _saved, _params, _argnum: t.components[index],
        )

    def of(self, together: Together, value: Array) -> Tensor:
        """Return the handle of this result."""
        node = Node(self, (together,), {}, together.spaces, value.shape, value.dtype)
        return Tensor(value, node)


class Pack(Step):
    """Several arguments as one."""

    def __init__(self) -> None:
        super().__init__(
            "pack",
            lambda g, saved, _params, argnum: (
                g.components[argnum] if argnum in g.components else zeros(*saved[argnum])
            ),
            lambda t, saved, _params, argnum: Parts({argnum: t}, saved),
        )
        self.variadic = True
        self.vjps, self.jvps = Every(self.vjps[0]), Every(self.jvps[0])


_pack = Pack()


def pack(parents: Sequence[Node | None], spaces: tuple[Space, ...]) -> Together:
    """Return one node for several arrays, made by parents (None for a constant)."""
    return Together(_pack, tuple(parents), {}, spaces, spaces)


class Several(Primitive):
    """A primitive of several results: it returns a tuple.

    Its rules are as any others, but that ``g`` and ``ans`` are tuples, and that the rule forward
    returns one. The cotangent of a result that nothing depends on is zero.
    """

    def __init__(self, name: str, *args: Any, outputs: Sequence[str], **keywords: Any) -> None:
        super().__init__(name, *args, **keywords)
        self.components = [Component(f"{name}.{output}", i) for i, output in enumerate(outputs)]
        self.vjps = _with(self.vjps, _of_dense)
        self.jvps = _with(self.jvps, _to_parts)

    def _constant(self, ans: tuple[Array, ...]) -> Any:
        return tuple(Tensor(y) for y in ans)

    def _record(
        self,
        ans: tuple[Array, ...],
        parents: tuple[Node | None, ...],
        params: dict[str, Any],
        saved: tuple[Any, ...],
    ) -> Any:
        return self._handle(ans, Together(self, parents, params, saved, spaces_of(ans)))

    def _handle(self, ans: tuple[Array, ...], node: Any) -> Any:
        return tuple(
            component.of(node, y) for component, y in zip(self.components, ans, strict=True)
        )


def _with(
    rules: Sequence[Compiled | None] | Every, wrap: Callable[[Compiled], Compiled]
) -> Sequence[Compiled | None] | Every:
    if isinstance(rules, Every):
        return Every(wrap(rules.rule)) if rules.rule else rules
    return tuple(None if rule is None else wrap(rule) for rule in rules)


def _of_dense(rule: Compiled) -> Compiled:
    return lambda g, saved, params, argnum: rule(g.dense(), saved, params, argnum)


def _to_parts(rule: Compiled) -> Compiled:
    def push(t: Array, saved: Any, params: dict[str, Any], argnum: int) -> Any:
        ts = rule(t, saved, params, argnum)
        return Parts(dict(enumerate(ts)), ())

    return push
