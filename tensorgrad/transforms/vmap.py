"""vmap: a function of one example, as a function of many at once."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
import optree

from tensorgrad.engine.space import hidden_axes
from tensorgrad.engine.tensor import Tensor, own
from tensorgrad.errors import ShapeError, UnsupportedError, explain
from tensorgrad.transforms.batching.batched import Level, hide, show
from tensorgrad.transforms.record import hand_out
from tensorgrad.transforms.tree import NAMESPACE, flatten, outline, unflatten
from tensorgrad.typing import Tree


def vmap(
    f: Callable[..., Any],
    in_axes: Tree = 0,
    out_axes: Tree = 0,
    *,
    axis_size: int | None = None,
) -> Callable[..., Any]:
    """Return a function that applies f to every example of a batch, without a loop over them.

    Inside f every tensor has the shape of one example. The function can be differentiated, and f
    may itself differentiate: ``vmap(grad(loss), in_axes=(None, 0, 0))`` gives a gradient for each
    example. A function that has no rule for batches is applied to the examples one by one.

    Parameters
    ----------
    f
        A function of arrays, or containers of arrays, to an array or a container of arrays.
    in_axes
        The axis of the arguments along which the examples lie, or None for an argument that is the
        same for all: one for all positional arguments, or a tuple with one for each, which may be a
        container with one for each of its arrays. Keyword arguments have the examples along axis 0.
    out_axes
        The axis of the results along which the examples are to lie: one, or a container of the form
        of the result; None for a result that is the same for all examples.
    axis_size
        The number of examples, needed only where no argument tells.

    Returns
    -------
    function
        Called like f, with arguments that have one axis more.

    Raises
    ------
    ShapeError
        If the numbers of examples differ, an axis does not exist, or containers do not fit.
    UnsupportedError
        Where f needs the value of a single example: ``if``, ``float``, a mask as an index.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> tg.vmap(np.dot, in_axes=(0, None))(np.ones((3, 2)), np.array([1.0, 2.0]))
    array([3., 3., 3.])
    >>> loss = lambda w, x: np.sum((w * x) ** 2)
    >>> tg.vmap(tg.grad(loss), in_axes=(None, 0))(np.array([1.0, 2.0]), np.ones((3, 2))).shape
    (3, 2)
    """

    @wraps(f)
    def function(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = flatten((args, kwargs))
        chosen = tuple(in_axes) if isinstance(in_axes, list) else in_axes
        axes = [
            _one_axis("in_axes", axis, np.ndim(leaf))
            for axis, leaf in zip(
                _prefix("in_axes", (chosen, 0), (args, kwargs)), leaves, strict=True
            )
        ]
        size = _size([np.shape(x)[i] for x, i in zip(leaves, axes, strict=True) if i is not None])
        gives_tensors = any(isinstance(leaf, Tensor) for leaf in leaves)
        with Level(size) as level:
            examples = [_enter(x, axis, level) for x, axis in zip(leaves, axes, strict=True)]
            call_args, call_kwargs = unflatten(structure, examples)
            result = f(*call_args, **call_kwargs)
            outputs, form = flatten(result)
            places = _prefix("out_axes", out_axes, result)
            ys = [_leave(y, axis, level) for y, axis in zip(outputs, places, strict=True)]
        return unflatten(form, [_released(y, gives_tensors) for y in ys])

    def _size(sizes: list[int]) -> int:
        known = {*sizes, *(() if axis_size is None else (axis_size,))}
        if len(known) != 1:
            raise ShapeError(
                explain(
                    "vmap",
                    "All arguments have one number of examples."
                    if known
                    else "Some argument, or axis_size, tells the number of examples.",
                    "Check in_axes.",
                    sizes=sizes,
                    in_axes=in_axes,
                    axis_size=axis_size,
                )
            )
        return known.pop()

    return function


_SAME: Any = object()  # for None, which a container would not show as a leaf


def _prefix(name: str, prefix: Tree, tree: Tree) -> list[int | None]:
    """Return an axis for each array of a tree, from one for each part of it."""
    marked = optree.tree_map(
        lambda axis: _SAME if axis is None else axis,
        prefix,
        none_is_leaf=True,
        namespace=NAMESPACE,
    )
    flatten(tree)  # which makes dataclasses known
    try:
        axes = optree.broadcast_prefix(marked, tree, namespace=NAMESPACE)
    except ValueError:
        _, structure = flatten(tree[0] if name == "in_axes" else tree)
        raise ShapeError(
            explain(
                "vmap",
                f"{name} is one axis, or a container that begins as what it is about does.",
                "Pass one axis for every part.",
                **{
                    name: prefix[0] if name == "in_axes" else prefix,
                    "about": outline(structure),
                },
            )
        ) from None
    return [None if axis is _SAME else axis for axis in axes]


def _one_axis(name: str, axis: Any, ndim: int) -> int | None:
    if axis is None:
        return None
    if not isinstance(axis, (int, np.integer)) or not -ndim <= axis < ndim:
        raise ShapeError(
            explain(
                "vmap",
                "Each of the axes is a whole number, and an axis that the array has; or None.",
                "Pass None for what is the same for all examples.",
                **{name: axis, "ndim": ndim},
            )
        )
    return int(axis) % ndim


def _enter(x: Any, axis: int | None, level: Level) -> Any:
    """Return what f is to see of an argument."""
    if axis is None:
        return Tensor(own(x)) if isinstance(x, np.ndarray) else x
    if isinstance(x, Tensor):
        first: Any = np.moveaxis(x, axis, 0) if axis else x  # type: ignore[type-var]
        example = hide(first, level)
        example._window = None  # no view: what f writes to its argument does not reach the caller
        return example
    return Tensor(hide(own(np.moveaxis(own(x), axis, 0)), level))


def _leave(y: Any, axis: int | None, level: Level) -> Any:
    """Return a result with the axis of the examples where it is asked for."""
    if not isinstance(y, Tensor):
        value = y if hasattr(y, "__array_function__") else np.asarray(y)
        if value.dtype.kind not in "biufc":
            raise UnsupportedError(
                explain("vmap", "The function returns arrays.", "Return arrays only.", result=y)
            )
        y = Tensor(value)
    if axis is not None:
        place = _one_axis("out_axes", axis, y.ndim + 1)
        shown: Any = show(y, level)
        return np.moveaxis(shown, 0, place) if place else shown
    if level in hidden_axes(y.shape):
        raise ShapeError(
            explain(
                "vmap",
                "out_axes=None is for a result that is the same for all examples.",
                "Pass the axis along which they are to lie.",
                shape=tuple(y.shape),
                examples=level.size,
            )
        )
    return y


def _released(y: Tensor, gives_tensors: bool) -> Any:
    return y if y.requires_grad else hand_out(y, gives_tensors or bool(hidden_axes(y.shape)))
