"""The names that signatures in this package are written in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

# A numpy.ndarray, a NumPy scalar, or a duck array that follows NumPy's protocols (CuPy, Dask).
Array: TypeAlias = Any
# Whatever NumPy turns into an array: numbers, nested lists, arrays, Tensors.
ArrayLike: TypeAlias = Any
DTypeLike: TypeAlias = Any
Shape: TypeAlias = tuple[int, ...]
Axis: TypeAlias = int | tuple[int, ...] | None
# Where an array is stored; None for where it is stored anyway.
Device: TypeAlias = Literal["cpu"] | None
# A container (tuple, list, dict, dataclass) of arrays, nested as deep as one likes.
Tree: TypeAlias = Any


@dataclass(frozen=True)
class Domain:
    """The interval an argument is sampled from, and the points (kinks, poles) to keep away from."""

    low: float = -2.0
    high: float = 2.0
    avoid: tuple[float, ...] = ()
    # Only the points low, low + step, ...; with ``distinct`` none of them twice.
    step: float | None = None
    distinct: bool = False


REAL = Domain()
POSITIVE = Domain(0.5, 3.0)
NONZERO = Domain(avoid=(0.0,))
UNIT = Domain(-0.7, 0.7)
# no two entries tie in a max or a sort
DISTINCT = Domain(distinct=True)


class Draw(Protocol):
    """Where the sample cases of an op come from: hypothesis in tests, a generator elsewhere."""

    def boolean(self) -> bool:
        """Draw True or False."""

    def integer(self, low: int, high: int) -> int:
        """Draw an integer between low and high, both included."""

    def choice(self, options: Sequence[Any]) -> Any:
        """Draw one of the options; the first is the simplest."""

    def permutation(self, n: int) -> list[int]:
        """Draw an order of the integers below n; the simplest is theirs."""

    def shape(
        self, min_ndim: int = 0, max_ndim: int = 3, min_side: int = 0, max_side: int = 4
    ) -> Shape:
        """Draw a shape."""

    def broadcastable(self, n: int) -> list[Shape]:
        """Draw n shapes that broadcast together."""

    def array(self, shape: Shape, domain: Domain = REAL) -> Array:
        """Draw a floating-point array of this shape."""
