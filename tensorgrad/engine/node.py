"""The record of one operation: what the walks over a graph meet."""

from itertools import count
from typing import TYPE_CHECKING, Any

from tensorgrad.engine.notes import Note, jot_down, open_blocks, read
from tensorgrad.typing import Array, DTypeLike, Shape

if TYPE_CHECKING:
    from tensorgrad.engine.primitive import Primitive

next_index = count().__next__


class Node:
    """One recorded operation. Nothing in it changes, except that backward() may free ``saved``.

    Attributes
    ----------
    primitive
        The operation; None for a variable, where a graph begins.
    parents
        For each array argument the node that made it, or None for a constant.
    params
        The keyword parameters of the call.
    saved
        The values that the rules of the primitive asked for, laid out as ``primitive.layout``;
        None once they have been freed.
    shape, dtype
        The space in which the result, and so its cotangent, lives.
    index
        Creation order, which is also a topological order.
    """

    __slots__ = (
        "__weakref__",
        "_jotting",
        "dtype",
        "index",
        "params",
        "parents",
        "primitive",
        "saved",
        "shape",
    )

    def __init__(
        self,
        primitive: "Primitive | None",
        parents: "tuple[Node | None, ...]",
        params: dict[str, Any],
        saved: tuple[Any, ...] | None,
        shape: Shape,
        dtype: DTypeLike,
    ) -> None:
        self.primitive = primitive
        self.parents = parents
        self.params = params
        self.saved = saved
        self.shape = shape
        self.dtype = dtype
        self.index = next_index()
        self._jotting = jot_down() if open_blocks else None

    @property
    def note(self) -> Note | None:
        """Where it was recorded; None unless somebody asked, see `engine.notes`."""
        return None if self._jotting is None else read(self._jotting)

    def __repr__(self) -> str:
        name = "variable" if self.primitive is None else self.primitive.name
        return f"<Node {self.index} {name} {self.dtype}{list(self.shape)}>"


class Variable(Node):
    """Where a graph begins: what a transformation differentiates by."""

    __slots__ = ()

    def __init__(self, value: Array) -> None:
        super().__init__(None, (), {}, (), value.shape, value.dtype)


class Leaf(Variable):
    """A variable of the user's own, where ``.backward()`` leaves the gradient."""

    __slots__ = ("grad",)

    def __init__(self, value: Array) -> None:
        super().__init__(value)
        self.grad: Any = None
