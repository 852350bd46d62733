"""Reading and writing entries: ``x[index]``, ``x[index] = v``, and functions that are indexing."""

import math
from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite, linear
from tensorgrad.engine.modes import is_recording
from tensorgrad.engine.node import Leaf
from tensorgrad.engine.primitive import Case, Primitive
from tensorgrad.engine.space import sum_to
from tensorgrad.engine.tensor import Tensor
from tensorgrad.errors import (
    GraphError,
    IndexingError,
    ShapeError,
    UnsupportedError,
    explain,
)
from tensorgrad.ops.dispatch import constant_value, operand, refuse
from tensorgrad.ops.reductions import one_axis
from tensorgrad.typing import Array, ArrayLike, Draw, Shape

# One index of NumPy: what stands between the brackets.
Index = Any


def plain_index(index: Index) -> Index:
    """Copy an index, with every sequence and tensor in it as an array of integers or booleans."""
    if isinstance(index, tuple):
        return tuple(_plain_item(item) for item in index)
    return _plain_item(index)


def _plain_item(item: Any) -> Any:
    if item is None or item is Ellipsis or isinstance(item, (slice, bool, int)):
        return item
    places = np.array(constant_value(item))
    if places.size == 0 and isinstance(item, (list, tuple)):
        places = places.astype(int)  # NumPy makes floats of an empty sequence
    if places.dtype.kind not in "iub":
        raise IndexingError(
            explain(
                "getitem",
                "An index is made of integers, booleans, slices, None and Ellipsis.",
                "Convert it with .astype(int).",
                index_dtype=str(places.dtype),
            )
        )
    return places if places.ndim else places.item()


def _may_repeat(index: Index) -> bool:
    items = index if isinstance(index, tuple) else (index,)
    return any(isinstance(item, np.ndarray) and item.dtype != bool for item in items)


def _getitem(x: Array, /, *, index: Index) -> Array:
    return x[index]


def _scatter(x: Array, /, *, index: Index, shape: Shape) -> Array:
    """Add the entries of x into zeros where the index reads them: the transpose of reading."""
    total = np.zeros(shape, x.dtype)
    if _may_repeat(index):
        np.add.at(total, index, x)
    else:
        total[index] = x
    return total


def _setitem(x: Array, v: Array, /, *, index: Index) -> Array:
    written = np.array(x)
    written[index] = v
    return written


def _written_last(shape: Shape, index: Index) -> Array:
    # where an index names an entry more than once, only the value written last counts
    numbers = np.arange(math.prod(shape)).reshape(shape)
    places = numbers[index]
    ticket = np.arange(places.size).reshape(places.shape)
    last: Array = np.zeros(shape, dtype=int)
    last[index] = ticket
    return last[index] == ticket


def _setitem_value(g: Array, v_shape: Shape, index: Index) -> Array:
    part = g[index]
    if _may_repeat(index):
        part = part * _written_last(g.shape, index)
    # v was broadcast to what it is written to, or has more axes than that, of length 1
    return sum_to(part, v_shape)


def draw_index(draw: Draw, shape: Shape) -> Index:
    """Draw a basic, integer, boolean or mixed index that fits the shape."""

    def one(side: int) -> Any:
        kind = draw.choice(["slice", "int", "mask", "array", "array"] if side else ["slice"])
        if kind == "int":
            return draw.integer(-side, side - 1)
        if kind == "array":
            return np.array([draw.integer(-side, side - 1) for _ in range(3)])
        if kind == "mask":
            return np.array([draw.boolean() for _ in range(side)])
        step = draw.choice([None, 1, 2, -1, -2])
        if draw.boolean():
            return slice(None, None, step)
        return slice(draw.choice([None, 0, 1, -2]), draw.choice([None, 2, -1]), step)

    if draw.integer(0, 5) == 5:
        return np.asarray(np.arange(math.prod(shape)).reshape(shape) % 3 == 0)  # one for all axes
    items = [one(side) for side in shape[: draw.integer(0, len(shape))]]
    masks = [
        i for i, item in enumerate(items) if isinstance(item, np.ndarray) and item.dtype == bool
    ]
    arrays = [i for i, item in enumerate(items) if isinstance(item, np.ndarray)]
    if masks and len(arrays) > 1:  # they would have to agree in number
        for i in masks:
            items[i] = slice(None)
    if draw.boolean():
        items.insert(draw.integer(0, len(items)), None)
    if draw.boolean():
        items.append(Ellipsis)
    return tuple(items)


def _draw_getitem(draw: Draw) -> Case:
    x = draw.array(draw.shape())
    return (x,), {"index": draw_index(draw, x.shape)}


def _draw_scatter(draw: Draw) -> Case:
    shape = draw.shape()
    index = draw_index(draw, shape)
    return (draw.array(np.zeros(shape)[index].shape),), {"index": index, "shape": shape}


def _draw_setitem(draw: Draw) -> Case:
    x = draw.array(draw.shape())
    index = draw_index(draw, x.shape)
    target = x[index].shape
    # NumPy takes more axes, of length 1, except for numbers and for a mask of all axes
    masked = any(
        isinstance(i, np.ndarray) for i in (index if isinstance(index, tuple) else (index,))
    )
    wider = target if masked or not target else (1, *target)
    v = draw.array(draw.choice([target, target[1:], (), wider]))
    v = v if np.iscomplexobj(x) or np.isrealobj(v) else v.real.copy()
    return (x, v), {"index": index}


getitem_ = linear(
    _getitem,
    lambda g, x_shape, index: scatter(g, index=index, shape=x_shape),
    samples=_draw_getitem,
    view=True,
)
scatter: Primitive = linear(_scatter, lambda g, index: g[index], samples=_draw_scatter)
setitem_: Primitive = linear(
    _setitem,
    lambda g, index: setitem_(g, 0.0, index=index),
    _setitem_value,
    samples=_draw_setitem,
)


def getitem(x: Tensor, index: Index) -> Tensor:
    """Read entries: basic, integer, boolean and mixed indices, as NumPy does."""
    return getitem_(x, index=plain_index(index))


def setitem(x: Tensor, index: Index, v: ArrayLike) -> None:
    """Write entries: from here on the tensor stands for the new array, which depends on both.

    What was computed from the tensor before keeps the values, and the gradients, it had.
    """
    assign(x, setitem_(x, writable_value("setitem", x, v), index=plain_index(index)), "setitem")


def writable_value(operation: str, x: Tensor, v: ArrayLike) -> Any:
    """Return v, refused if to write it into x would lose its gradient or its imaginary part."""
    v = operand(v)
    loses_gradient = isinstance(v, Tensor) and v.requires_grad and x.dtype.kind not in "fc"
    if is_recording() and (loses_gradient or (v.dtype.kind == "c" and x.dtype.kind != "c")):
        raise UnsupportedError(
            explain(
                operation,
                "Values are cast to the dtype they are written to, which would lose part of these.",
                "Make the target with a dtype that can hold them.",
                dtype=str(x.dtype),
                value_dtype=str(v.dtype),
            )
        )
    return v


def assign(x: Tensor, result: Tensor, operation: str) -> None:
    """Let the handle x stand for a new result; refused where NumPy's meaning could not be kept."""
    node = x._node
    if isinstance(node, Leaf) and is_recording():
        raise GraphError(
            explain(
                operation,
                "A leaf that requires a gradient cannot be written in place.",
                "Write to y = x.copy(), or update it inside 'with tg.no_grad():'.",
                shape=x.shape,
                requires_grad=True,
            )
        )
    base = getattr(x._value, "base", None)
    if base is not None and (node is None or getattr(node.primitive, "view", False)):
        raise GraphError(
            explain(
                operation,
                "This tensor is a view of another, which the write would not reach.",
                "Write to the other tensor itself, as in x[i, j] = v, or to a copy().",
                shape=x.shape,
            )
        )
    x._value = result._value
    if not isinstance(node, Leaf):
        x._node = result._node


# ---- functions of NumPy -------------------------------------------------------------------------


def _draw_take(draw: Draw) -> Case:
    x = draw.array((3, *draw.shape(max_ndim=2, min_side=1)))
    return (x, draw.choice([1, [0, 2, 0], np.array([[1, 0], [-1, 1]])])), {
        "axis": draw.choice([None, 0, -3 if x.ndim == 3 else 0])
    }


@composite(np.take, samples=_draw_take)
def take(
    a: ArrayLike, indices: ArrayLike, axis: int | None = None, out: None = None, mode: str = "raise"
) -> Any:
    """Read entries along an axis, or of the flattened array."""
    refuse("np.take", out=out, mode=None if mode == "raise" else mode)
    a = operand(a)
    if axis is None or (a.ndim == 0 and axis in (0, -1)):
        a, axis = np.ravel(a), axis or 0
    axis = one_axis(axis, a.ndim)
    places = np.asarray(constant_value(indices))
    places = places.astype(int) if places.dtype == bool else places  # here they are 0 and 1
    return a[(slice(None),) * axis + (places,)]


def _draw_along(draw: Draw) -> Case:
    shape = draw.choice([(3, 4), (3, 1), (1, 4), (2, 3, 2)])
    x, axis = draw.array(shape), draw.choice([0, 1, -1])
    shape = list(shape)
    shape[axis] = draw.integer(0, 3)
    shape[axis - 1] = draw.choice([shape[axis - 1], 1])  # which is broadcast
    places = [draw.integer(-x.shape[axis], x.shape[axis] - 1) for _ in range(math.prod(shape))]
    return (x, np.array(places, dtype=int).reshape(shape)), {"axis": axis}


@composite(np.take_along_axis, samples=_draw_along)
def take_along_axis(arr: ArrayLike, indices: ArrayLike, axis: int | None = -1) -> Any:
    """Read entries along an axis by an array of indices, as argsort returns it."""
    arr, indices = operand(arr), constant_value(indices)
    if axis is None:
        arr, axis = np.ravel(arr), 0
    if indices.ndim != arr.ndim or indices.dtype.kind not in "iu":
        raise IndexingError(
            explain(
                "np.take_along_axis",
                "Indices are integers, in an array with as many axes as the other.",
                "Use np.take for indices of another shape.",
                indices_shape=indices.shape,
                indices_dtype=str(indices.dtype),
                shape=arr.shape,
            )
        )
    axis = one_axis(axis, arr.ndim)
    grid: list[Any] = list(np.ogrid[tuple(slice(side) for side in arr.shape)])
    grid[axis] = indices
    return arr[tuple(grid)]


def _draw_diagonal(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_ndim=2))
    first, second, *_ = draw.permutation(x.ndim)
    axes = {"axis1": first - x.ndim * draw.boolean(), "axis2": second - x.ndim * draw.boolean()}
    return (x,), {"offset": draw.integer(-2, 2), **axes}


@composite(np.diagonal, samples=_draw_diagonal)
def diagonal(a: ArrayLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Read the diagonals of the planes of two axes; they become the last axis."""
    a = np.moveaxis(a, (axis1, axis2), (-2, -1))
    rows, columns = a.shape[-2:]
    n = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    i = np.arange(n)
    return a[..., i - min(offset, 0), i + max(offset, 0)]


@composite(np.trace, samples=_draw_diagonal)
def trace(
    a: ArrayLike,
    offset: int = 0,
    axis1: int = 0,
    axis2: int = 1,
    dtype: Any = None,
    out: None = None,
) -> Any:
    """Sum the diagonals of the planes of two axes."""
    refuse("np.trace", out=out)
    return np.sum(np.diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype)


def _draw_diag(draw: Draw) -> Case:
    shape = draw.choice([(3,), (3, 3), (2, 4), (4, 2), (0,)])
    return (draw.array(shape),), {"k": draw.integer(-1, 2)}


@composite(np.diag, samples=_draw_diag)
def diag(v: ArrayLike, k: int = 0) -> Any:
    """Read the diagonal of a matrix, or build a matrix from its diagonal."""
    v = operand(v)
    if v.ndim == 2:
        return np.diagonal(v, k)
    if v.ndim != 1:
        raise ShapeError(
            explain("np.diag", "One or two axes are needed.", "Use np.diagonal.", shape=v.shape)
        )
    side = v.shape[0] + abs(k)
    i = np.arange(v.shape[0])
    return scatter(v, index=(i - min(k, 0), i + max(k, 0)), shape=(side, side))


def _draw_matrix(draw: Draw) -> Case:
    return (draw.array(draw.shape(min_ndim=2)),), {"k": draw.integer(-2, 2)}


@composite(np.tril, samples=_draw_matrix)
def tril(m: ArrayLike, k: int = 0) -> Any:
    """Keep the entries on and below a diagonal."""
    return _keep(m, k, below=True)


@composite(np.triu, samples=_draw_matrix)
def triu(m: ArrayLike, k: int = 0) -> Any:
    """Keep the entries on and above a diagonal."""
    return _keep(m, k - 1, below=False)


def _keep(m: ArrayLike, k: int, *, below: bool) -> Any:
    m = operand(m)
    rows, columns = m.shape[-2:] if m.ndim != 1 else m.shape * 2  # a row stands for all rows
    lower: Array = np.tri(rows, columns, k, dtype=bool)
    return np.where(lower == below, m, np.zeros((), m.dtype))
