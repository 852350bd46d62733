"""The way that is always open: a function applied to the examples one by one."""

from collections.abc import Callable, Container, Sequence
from typing import Any

import numpy as np

from tensorgrad.engine.graph import ancestors
from tensorgrad.engine.node import Node, next_index
from tensorgrad.engine.tensor import Tensor, value_of
from tensorgrad.errors import ShapeError, UnsupportedError, explain
from tensorgrad.transforms.batching.batched import Level, hide, levels_of, show
from tensorgrad.transforms.tree import flatten, unflatten


def one_by_one(function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Apply a function to each example of the arrays and Tensors in its arguments."""
    name = getattr(function, "__name__", "vmap")
    leaves, structure = flatten((tuple(args), kwargs))
    levels = levels_of(map(value_of, leaves))
    if not levels:
        return function(*args, **kwargs)
    level = levels[-1]
    if not level.size:
        raise ShapeError(
            explain(
                name,
                "This function goes through the examples one by one, and needs at least one to "
                "know the shape of its result.",
                "Pass at least one example.",
                examples=0,
            )
        )
    since = next_index()
    # what is recorded, and the same for all examples, is repeated: each has a derivative by it
    columns = {
        i: show(leaf, level)
        for i, leaf in enumerate(leaves)
        if level in levels_of([value_of(leaf)]) or (isinstance(leaf, Tensor) and leaf.requires_grad)
    }
    results = []
    for n in range(level.size):
        picked = [columns[i][n] if i in columns else leaf for i, leaf in enumerate(leaves)]
        results.append(one_by_one(function, *unflatten(structure, picked)))
    opened = [flatten(result) for result in results]
    given = {leaf._node for leaf in leaves if isinstance(leaf, Tensor)}
    _refuse_captured(name, [y for ys, _ in opened for y in ys], given, since, level)
    _, form = opened[0]
    joined = []
    for column in zip(*(parts for parts, _ in opened), strict=True):
        shapes = {tuple(np.shape(part)) for part in column}
        if len(shapes) > 1:
            raise ShapeError(
                explain(
                    name,
                    "Under vmap the results for all examples have one shape, which cannot depend "
                    "on values.",
                    "Use np.where, which keeps shapes.",
                    shapes=sorted(shapes),
                )
            )
        joined.append(hide(np.stack(column), level))
    return unflatten(form, joined)


def _refuse_captured(
    name: str, results: Sequence[Any], given: Container[Node | None], since: int, level: Level
) -> None:
    """Raise where results depend on a variable of this vmap that the function was not given.

    The derivatives of the examples by it would be one sum.
    """
    ends = [y._node for y in results if isinstance(y, Tensor) and y._node is not None]
    for node in ancestors(ends, since):
        for parent in node.parents:
            if parent and level.since < parent.index < since and parent not in given:
                raise UnsupportedError(
                    explain(
                        name,
                        "This function goes through the examples one by one, and cannot be "
                        "differentiated by what a function that is given to it closes over.",
                        "Compute with NumPy's functions in place of a callback.",
                        node=parent,
                    )
                )
