"""Reading and writing entries: ``x[index]``, ``x[index] = v``, and functions that are indexing."""

import math
import operator
from collections.abc import Callable
from inspect import signature
from sys import getrefcount
from typing import Any, NamedTuple
from weakref import ref

import numpy as np

from tensorgrad.engine.declare import linear
from tensorgrad.engine.modes import is_recording
from tensorgrad.engine.node import Leaf, Node
from tensorgrad.engine.primitive import NUMPY, Case, Operation, Primitive, Samples
from tensorgrad.engine.space import sum_to
from tensorgrad.engine.tensor import Tensor, own
from tensorgrad.errors import (
    GraphError,
    IndexingError,
    UnsupportedError,
    explain,
)
from tensorgrad.ops.dispatch import constant_value
from tensorgrad.ops.joining import stacked
from tensorgrad.typing import Array, ArrayLike, Draw, Shape

# One index of NumPy: what stands between the brackets.
Index = Any


def plain_index(index: Index) -> Index:
    """Copy an index, with every sequence and tensor in it as an array of integers or booleans."""
    if isinstance(index, tuple):
        return tuple(_plain_item(item) for item in index)
    return _plain_item(index)


def _plain_item(item: Any) -> Any:
    if item is None or item is Ellipsis or isinstance(item, (bool, int)):
        return item
    if isinstance(item, slice):  # whose bounds may be arrays and tensors, which can be written to
        return slice(*map(_plain_bound, (item.start, item.stop, item.step)))
    places = own(constant_value(item))
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
    return places.item() if isinstance(places, np.ndarray) and not places.ndim else places


def _plain_bound(bound: Any) -> int | None:
    if bound is None or isinstance(bound, int):
        return bound
    try:
        return operator.index(bound)
    except TypeError as error:
        rule = "The bounds and the step of a slice are integers."
        raise IndexingError(
            explain("getitem", rule, "Convert a computed one with int().", bound=bound)
        ) from error


def _may_repeat(index: Index) -> bool:
    items = index if isinstance(index, tuple) else (index,)
    return any(hasattr(item, "dtype") and item.dtype != bool for item in items)


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
    places = getitem_(numbers, index=index)
    ticket = np.arange(places.size).reshape(places.shape)
    last: Array = setitem_(np.zeros(shape, dtype=int), ticket, index=index)
    return getitem_(last, index=index) == ticket


def _setitem_value(g: Array, v_shape: Shape, index: Index) -> Array:
    part = getitem_(g, index=index)
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
    return (x, castable(v, x)), {"index": index}


getitem_: Primitive = linear(
    _getitem,
    lambda g, x_shape, index: scatter(g, index=index, shape=x_shape),
    samples=_draw_getitem,
    view=True,
)
scatter: Primitive = linear(
    _scatter, lambda g, index: getitem_(g, index=index), samples=_draw_scatter
)
setitem_: Primitive = linear(
    _setitem,
    lambda g, index: setitem_(g, 0.0, index=index),
    _setitem_value,
    samples=_draw_setitem,
)


def castable(v: Array, x: Array) -> Array:
    """Return a sample as what can be written into x: real, if x is."""
    return v if np.iscomplexobj(x) or np.isrealobj(v) else v.real.copy()


def getitem(x: Tensor, index: Index) -> Tensor:
    """Read entries: basic, integer, boolean and mixed indices, as NumPy does."""
    index = plain_index(index)
    items = index if isinstance(index, tuple) else (index,)
    window = Window.onto(x, index) if _opens_a_window(items, x.ndim) else None
    y = getitem_(x, index=index)
    y._window = window
    return y


def _opens_a_window(items: tuple[Any, ...], ndim: int) -> bool:
    """Whether NumPy reads a view by this index: neither a copy of entries, nor a single number."""
    if any(isinstance(item, bool) or getattr(item, "ndim", 0) for item in items):
        return False
    # an array of no axes that is left is an integer for each example of a batch
    integers = sum(isinstance(item, int) or hasattr(item, "dtype") for item in items)
    return integers < max(len(items), ndim)


class Window(NamedTuple):
    """The tensor that another is a view of, what it was then, and the index that was read.

    A source that nobody can reach any more need not be written to, so that it is not kept alive,
    unless it is itself a view of one that can be reached.
    """

    source: Callable[[], Tensor | None]
    root: "ref[Tensor]"
    value: Array
    index: Index

    @classmethod
    def onto(cls, x: Tensor, index: Index) -> "Window":
        """Return the window that reading x by a basic index opens."""
        through: Window | None = getattr(x, "_window", None)
        if through is not None and through.root() is not None:
            return cls(lambda: x, through.root, x._value, index)
        if through is None and not _stands_alone(x):
            return cls(lambda: x, ref(x), x._value, index)  # which refuses to be written to
        if through is None:
            x._window = None  # whatever shares its memory from now on is a view of it
        return cls(ref(x), ref(x), x._value, index)


def _stands_alone(x: Tensor) -> bool:
    """Whether no write to x would have to reach another tensor, of which NumPy had made a view.

    A tensor has a `Window`; or None in place of one, if it stands alone; or neither, if nobody has
    looked yet.
    """
    if hasattr(x, "_window"):
        return x._window is None
    maker = x._node
    if getattr(x._value, "base", None) is None or not (maker is None or _is_view(maker)):
        return True
    while maker is not None and _is_view(maker):
        maker = maker.parents[0]
    saved = () if maker is None else maker.saved or ()
    # besides the view itself and what is saved for the rules, only this call refers to memory that
    # nobody else can reach any more, as in x = tg.arange(6.0).reshape(2, 3)
    return getrefcount(x._value.base) <= 2 + sum(value is x._value.base for value in saved)


def _is_view(node: Node) -> bool:
    return getattr(node.primitive, "view", False)


def _write_through(x: Tensor, result: Tensor, operation: str) -> None:
    """Write a result for x also to what x is a window onto."""
    window: Window | None = getattr(x, "_window", None)
    source = window.source() if window is not None else None
    if window is None or source is None:
        return
    if source._value is not window.value:
        raise GraphError(
            explain(
                operation,
                "This tensor is a view of another, which was written to since.",
                "Read it again, as in y = x[i], or write to a copy().",
                shape=x.shape,
            )
        )
    assign(source, setitem_(source, result, index=window.index), operation)
    x._window = window._replace(value=source._value)


def setitem(x: Tensor, index: Index, v: ArrayLike) -> None:
    """Write entries: from here on the tensor stands for the new array, which depends on both.

    What was computed from the tensor before keeps the values, and the gradients, it had.
    """
    assign(x, setitem_(x, writable_value("setitem", x, v), index=plain_index(index)), "setitem")


def writable_value(operation: str, x: Tensor, v: ArrayLike) -> Any:
    """Return v as an array; refused if to write it into x would lose a gradient or a half of it."""
    v = stacked(v)
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


def is_number(x: Tensor) -> bool:
    """Whether NumPy has a number here, which never changes, and not an array of no axes."""
    if x.ndim or isinstance(x._value, np.ndarray) or isinstance(x._node, Leaf):
        return False
    return isinstance(x._value, np.generic) or _stands_alone(x)


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
    if getattr(x, "_window", None) is not None:
        _write_through(x, result, operation)
    elif not _stands_alone(x):
        raise GraphError(
            explain(
                operation,
                "This tensor is a view of another, which the write would not reach.",
                "Write to the other tensor itself, as in x[i, j] = v, or to a copy().",
                shape=x.shape,
            )
        )
    value = result._value
    x._value = np.asarray(value) if isinstance(value, np.generic) else value  # still no number
    if not isinstance(node, Leaf):
        x._node = result._node


class InPlace(Operation):
    """What answers for a function of NumPy that writes into its first argument.

    The operation behind it, which is the one in the registry, returns what is to be there; the
    handle is then let stand for that, as for ``x[i] = v``.
    """

    kind = "in place"

    def __init__(self, written: Operation, function: Callable[..., Any]) -> None:
        self.name = f"np.{function.__name__}"
        self.fun, self.samples, self.reference = written.fun, written.samples, written.reference
        self.differentiable = True
        self.written = written
        NUMPY[function] = self

    def __call__(self, *args: Any, **params: Any) -> None:
        """Let the first argument stand for what the operation returns."""
        a = signature(self.fun).bind(*args, **params).args[0]
        if not isinstance(a, Tensor):
            raise UnsupportedError(
                explain(
                    self.name,
                    "Nothing written into a plain array can be differentiated.",
                    "Make it a tensor first, with tg.tensor(a).",
                    a=type(a).__name__,
                )
            )
        assign(a, self.written(*args, **params), self.name)


def in_place(function: Callable[..., Any], *, samples: Samples) -> Callable[..., Any]:
    """Declare the function that returns what one of NumPy's leaves in its first argument."""

    def reference(a: Array, *args: Any, **params: Any) -> Array:
        a = np.array(a)
        function(a, *args, **params)
        return a

    def declare(fun: Callable[..., Any]) -> Callable[..., Any]:
        InPlace(Operation(fun.__name__, fun, samples, reference), function)
        return fun

    return declare
