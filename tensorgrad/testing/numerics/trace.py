"""One run of a function on recorded variables: its values, and what the graph says about them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tensorgrad.engine.graph import ancestors
from tensorgrad.engine.modes import watching_branches
from tensorgrad.engine.node import Node, Variable
from tensorgrad.engine.space import revealed
from tensorgrad.engine.tensor import Tensor, value_of
from tensorgrad.transforms.tree import flatten
from tensorgrad.typing import Array

# A function of arrays, or of Tensors, to a tuple of such.
Function = Callable[..., tuple[Any, ...]]
# Which formula held for each entry of each operation that is smooth in pieces.
Branch = tuple[bytes, ...]


@dataclass(frozen=True)
class Trace:
    """What one run of a function recorded.

    Attributes
    ----------
    values
        The results.
    inputs
        The variables that stood for the arguments.
    ends
        For each result the node that made it; None for a constant.
    nodes
        The operations and variables they depend on, in creation order.
    branch
        Two runs of which this is the same went through the same smooth formulas.
    """

    values: tuple[Array, ...]
    inputs: tuple[Node, ...]
    ends: tuple[Node | None, ...]
    nodes: tuple[Node, ...]
    branch: Branch

    @cached_property
    def operations(self) -> tuple[str, ...]:
        """The names of the operations, in the order of their creation."""
        return tuple(node.primitive.name for node in self.nodes if node.primitive is not None)

    @property
    def holomorphic(self) -> bool:
        """Whether every operation has a complex derivative where it takes complex numbers."""
        return all(node.primitive is None or node.primitive.holomorphic for node in self.nodes)

    @property
    def linear(self) -> bool:
        """Whether every operation is linear in all that varies, by its declaration."""
        return not self.branch and all(map(_is_linear, self.nodes))

    @property
    def rounding(self) -> float:
        """The rounding unit of the coarsest precision that anything was computed in."""
        dtypes = [node.dtype for node in self.nodes if node.dtype is not None]
        dtypes += [y.dtype for y in self.values if y.dtype.kind in "fc"]
        return max((float(np.finfo(dtype).eps) for dtype in dtypes), default=0.0)


def trace(f: Function, xs: Sequence[Array]) -> Trace:
    """Run f on variables with these values, and return what it recorded."""
    noted: list[bytes] = []
    inputs = tuple(Variable(x) for x in xs)
    with watching_branches(lambda result: noted.extend(_marks(result))):
        ys = f(*map(Tensor, xs, inputs))
    ends = tuple(y._node if isinstance(y, Tensor) else None for y in ys)
    nodes = tuple(ancestors({end for end in ends if end is not None}))
    for node in nodes:
        if node.primitive is not None and node.primitive.branches is not None:
            noted.extend(_marks(node.primitive.branch(node)))
    values = tuple(y._value if isinstance(y, Tensor) else np.asarray(y) for y in ys)
    return Trace(values, inputs, ends, nodes, tuple(noted))


def _is_linear(node: Node) -> bool:
    if node.primitive is None or node.primitive.jointly_linear:
        return True
    return node.primitive.kind == "bilinear" and None in node.parents


def _marks(result: Any) -> list[bytes]:
    # + 0, because there are two zeros
    return [(np.asarray(revealed(value_of(leaf))) + 0).tobytes() for leaf in flatten(result)[0]]
