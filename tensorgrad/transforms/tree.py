"""Containers of arrays, taken apart and put together: tuples, lists, dicts and dataclasses."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from threading import Lock
from typing import Any

import numpy as np
import optree

from tensorgrad.engine.tensor import Tensor
from tensorgrad.typing import Array, Tree

NAMESPACE = "tensorgrad"
_registered: set[type] = set()
_registering = Lock()

Structure = Any


def flatten(tree: Tree) -> tuple[list[Array], Structure]:
    """Return the leaves of a container, and what it takes to build it again."""
    leaves, structure = optree.tree_flatten(tree, is_leaf=_register_dataclass, namespace=NAMESPACE)
    return leaves, structure


def unflatten(structure: Structure, leaves: list[Any]) -> Tree:
    """Build a container of this structure from leaves."""
    return optree.tree_unflatten(structure, leaves)


def outline(structure: Structure) -> Tree:
    """Return a container of this structure that shows, in a message, where its leaves are."""
    return unflatten(structure, ["array"] * structure.num_leaves)


def map_leaves(function: Callable[[Any], Any], tree: Tree) -> Tree:
    """Apply a function to every leaf."""
    leaves, structure = flatten(tree)
    return unflatten(structure, [function(leaf) for leaf in leaves])


def _register_dataclass(node: Any) -> bool:
    """Make the class of a dataclass known to optree, which asks whether an object is a leaf."""
    kind = type(node)
    if kind not in _registered and is_dataclass(kind):
        with _registering:
            if kind not in _registered:
                register: Any = optree.register_pytree_node
                register(kind, _open, _closer(kind), namespace=NAMESPACE)
                _registered.add(kind)
    return False


def _is_data(value: Any) -> bool:
    kinds = (Tensor, np.ndarray, np.generic, float, complex, list, tuple, dict)
    return (
        isinstance(value, kinds)
        or is_dataclass(type(value))
        or hasattr(value, "__array_function__")
    )


def _open(instance: Any) -> tuple[tuple[Any, ...], Any, tuple[str, ...]]:
    """Split an instance: fields with arrays or containers vary, the others are part of its form."""
    values = {field.name: getattr(instance, field.name) for field in fields(instance)}
    data = tuple(name for name, value in values.items() if _is_data(value))
    rest = tuple((name, value) for name, value in values.items() if name not in data)
    return tuple(values[name] for name in data), (data, rest), data


def _closer(kind: type) -> Callable[[Any, tuple[Any, ...]], Any]:
    def close(form: Any, children: tuple[Any, ...]) -> Any:
        data, rest = form
        instance: Any = object.__new__(kind)  # as it was, without running __init__ again
        for name, value in (*zip(data, children, strict=True), *rest):
            object.__setattr__(instance, name, value)
        return instance

    return close
