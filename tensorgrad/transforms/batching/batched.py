"""Batched: the examples of a batch as one array, of which only one example's shape is seen.

The examples of a `Level`, which is one call of `vmap`, lie along an axis of their own, in front of
the axes that are seen. Where calls are nested there are several such axes, in the order of their
levels. What NumPy's functions do with it, by their protocols, is said in `protocols`.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from tensorgrad.engine.modes import is_recording
from tensorgrad.engine.node import Node, next_index
from tensorgrad.engine.several import Step
from tensorgrad.engine.space import BatchShape
from tensorgrad.engine.tensor import Tensor
from tensorgrad.errors import UnsupportedError, explain
from tensorgrad.typing import Array, DTypeLike, Shape

# the calls of `vmap` that are over, but part of which is being done again
_reopened: ContextVar[frozenset["Level"]] = ContextVar("reopened", default=frozenset())


class Level:
    """One call of `vmap`: the number of its examples, and whether the call is over.

    While it goes on, derivatives are those of each example. To what comes after, and pulls a
    cotangent back through it, an array that was the same for all examples was broadcast to them.
    """

    __slots__ = ("_over", "since", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self._over = False
        self.since = next_index()  # what is recorded later, before it is closed, is within it

    def __enter__(self) -> "Level":
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True

    def __repr__(self) -> str:
        return f"{self.size} examples"

    @property
    def closed(self) -> bool:
        """Whether the call is over, and no part of it is being done again."""
        return self._over and self not in _reopened.get()

    def show(self, x: Array) -> Array:
        """Make the examples the first axis."""
        return show(x, self)

    def hide(self, x: Array) -> Array:
        """Take the first axis, along which the examples lie, out of sight."""
        return hide(x, self)

    def total(self, x: Array) -> Array:
        """Sum over the examples: the transpose of broadcasting to them."""
        return np.sum(show(x, self), axis=0)


Levels = tuple[Level, ...]


@contextmanager
def reopened(levels: Iterable[Level]) -> Iterator[None]:
    """Compute inside as within these calls of `vmap`: derivatives are those of each example."""
    token = _reopened.set(_reopened.get().union(levels))
    try:
        yield
    finally:
        _reopened.reset(token)


class OneByOneError(UnsupportedError):
    """A value was asked for that is another for each example.

    An operation that meets this error can be applied to the examples one by one: ``retry`` does.
    """

    # how to apply a function of arrays to each example; set by the file that knows
    retry: Callable[..., Any]


class Batched(NDArrayOperatorsMixin):
    """An array for each example of a batch, all of one shape; see the head of this file.

    ``data`` has the sides of ``levels`` first, and then ``shape``.
    """

    __slots__ = ("data", "shape")

    if TYPE_CHECKING:  # what `protocols` puts on the class
        __array_ufunc__: Any
        __array_function__: Any
        __getitem__: Any
        __setitem__: Any

    def __init__(self, data: Array, levels: Levels) -> None:
        self.data = data
        self.shape = BatchShape(data.shape[len(levels) :], levels)

    @property
    def levels(self) -> Levels:
        """What the hidden axes are."""
        return self.shape.hidden

    @property
    def dtype(self) -> DTypeLike:
        """The dtype of the entries."""
        return self.data.dtype

    @property
    def ndim(self) -> int:
        """The number of axes of an example."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of entries of an example."""
        return int(np.prod(self.shape, dtype=int))

    @property
    def itemsize(self) -> int:
        """The bytes of one entry."""
        return self.data.itemsize

    @property
    def nbytes(self) -> int:
        """The bytes of an example."""
        return self.size * self.itemsize

    @property
    def base(self) -> Any:
        """The array whose memory this one shares, or None."""
        return self.data.base

    def __repr__(self) -> str:
        sides = " of ".join(map(repr, self.levels))
        return f"<{sides}: {self.dtype}{list(self.shape)}>"

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    # ---- what the examples have different answers to ---------------------------------------------

    def _refuse(self, operation: str, remedy: str) -> NoReturn:
        raise OneByOneError(
            explain(
                operation,
                "Under vmap a tensor stands for many examples at once: their values differ, and no "
                "single one can be had.",
                remedy,
                shape=tuple(self.shape),
                examples=tuple(level.size for level in self.levels),
            )
        )

    def __array__(self, dtype: DTypeLike = None, copy: bool | None = None) -> NoReturn:
        self._refuse("np.asarray", "Use NumPy's functions on the tensor itself.")

    def __bool__(self) -> NoReturn:  # noqa: PLE0304
        self._refuse("bool", "Use np.where(condition, a, b) in place of if, and of and and or.")

    def __float__(self) -> NoReturn:
        self._refuse("float", "Use NumPy's functions, as np.sin(x) in place of math.sin(x).")

    def __complex__(self) -> NoReturn:
        self._refuse("complex", "Use x.astype(complex).")

    def __int__(self) -> NoReturn:
        self._refuse("int", "Use x.astype(int); sizes cannot depend on values.")

    def __index__(self) -> NoReturn:  # noqa: PLE0305
        self._refuse("index", "Use y[x] or np.take(y, x); sizes and slices cannot depend on it.")

    def item(self, *_: Any) -> NoReturn:
        """Refuse: there is no single number."""
        self._refuse("item", "Return the tensor from the function, and read it afterwards.")

    def tolist(self) -> NoReturn:
        """Refuse: there is no single list."""
        self._refuse("tolist", "Return the tensor from the function, and read it afterwards.")

    def view(self, *_: Any) -> NoReturn:
        """Refuse: there is no single array."""
        self._refuse("numpy", "Use NumPy's functions on the tensor; x.detach() for a constant.")

    # ---- attributes and methods, as of numpy.ndarray ---------------------------------------------

    @property
    def T(self) -> Any:
        """The array with its axes reversed."""
        return np.transpose(self)

    @property
    def mT(self) -> Any:
        """The array with its last two axes exchanged."""
        return np.swapaxes(self, -1, -2)

    @property
    def real(self) -> Any:
        """The real part."""
        return Batched(self.data.real, self.levels)

    @property
    def imag(self) -> Any:
        """The imaginary part."""
        return Batched(self.data.imag, self.levels)

    def astype(self, dtype: DTypeLike, *, copy: bool = True) -> Any:
        """Convert to another dtype."""
        return Batched(self.data.astype(dtype, copy=copy), self.levels)

    def copy(self) -> Any:
        """Return an array of its own."""
        return Batched(self.data.copy(), self.levels)

    def conj(self) -> Any:
        """Return the complex conjugate."""
        return np.conjugate(self)

    def reshape(self, *shape: Any) -> Any:
        """Arrange the entries in another shape."""
        return np.reshape(self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Any:
        """Permute the axes."""
        return np.transpose(self, axes[0] if len(axes) == 1 else axes or None)


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Batched, *args: Any, **kwargs: Any) -> Any:
        return function(self, *args, **kwargs)

    method.__doc__ = f"See `numpy.{function.__name__}`."
    return method


for _function in (
    *(np.sum, np.prod, np.mean, np.std, np.var, np.max, np.min, np.any, np.all),
    *(np.argmax, np.argmin, np.argsort, np.cumsum, np.cumprod, np.swapaxes, np.squeeze, np.ravel),
    *(np.repeat, np.take, np.diagonal, np.trace, np.clip, np.round, np.dot, np.nonzero),
):
    setattr(Batched, _function.__name__, _method(_function))


def batched(data: Array, levels: Levels) -> Any:
    """Return data, with the sides of levels first, as an array of these levels."""
    return Batched(data, levels) if levels else data


def levels_of(xs: Iterable[Any]) -> Levels:
    """Return the levels that any of xs has, in order."""
    found = {level for x in xs if isinstance(x, Batched) for level in x.levels}
    return tuple(sorted(found, key=lambda level: level.since))


def spread(x: Batched, levels: Levels, ndim: int = 0) -> Array:
    """Return the data with an axis for each of levels, and for each example at least ndim axes.

    Sides of length 1 stand for the levels that x does not have.
    """
    sides = tuple(level.size if level in x.levels else 1 for level in levels)
    return x.data.reshape(sides + (1,) * (ndim - x.ndim) + x.shape)


def full(x: Any, levels: Levels) -> Array:
    """Return the data of any array with all sides of levels first."""
    data = spread(x, levels) if isinstance(x, Batched) else np.asarray(x)
    return np.broadcast_to(data, (*(level.size for level in levels), *np.shape(x)))


# ---- hiding an axis, and showing it again --------------------------------------------------------


def hide(x: Array, level: Level) -> Any:
    """Take the first axis, along which the examples of level lie, out of sight."""
    return _recorded(_HIDE, _hide, x, level)


def show(x: Array, level: Level) -> Any:
    """Make the examples of level the first axis; what is the same for all of them is repeated."""
    return _recorded(_SHOW, _show, x, level)


def _hide(x: Array, level: Level) -> Array:
    levels = levels_of([x])
    data = x.data if levels else np.asarray(x)
    place = sum(other.since < level.since for other in levels)
    moved = np.moveaxis(data, len(levels), place)
    return Batched(moved, (*levels[:place], level, *levels[place:]))


def _show(x: Array, level: Level) -> Array:
    levels = levels_of([x])
    if level not in levels:
        return np.broadcast_to(x, (level.size, *np.shape(x)))
    place = levels.index(level)
    rest = (*levels[:place], *levels[place + 1 :])
    return batched(np.moveaxis(x.data, place, len(rest)), rest)


def _recorded(step: Step, function: Callable[..., Array], x: Array, level: Level) -> Any:
    if type(x) is not Tensor:
        return function(x, level)
    value = function(x._value, level)
    if x._node is None or not is_recording():
        return Tensor(value)
    params = {"level": level}
    return Tensor(value, Node(step, (x._node,), params, (), value.shape, value.dtype))


# each is the transpose of the other
_HIDE = Step(
    "batch",
    lambda g, _saved, params, _argnum: show(g, **params),
    lambda t, _saved, params, _argnum: hide(t, **params),
)
_SHOW = Step(
    "unbatch",
    lambda g, _saved, params, _argnum: hide(g, **params),
    lambda t, _saved, params, _argnum: show(t, **params),
)


def sides(levels: Levels) -> Shape:
    """Return the sizes of the hidden axes."""
    return tuple(level.size for level in levels)
