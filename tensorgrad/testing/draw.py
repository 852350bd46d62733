"""Where sample cases come from: from hypothesis, which shrinks what fails, or from a generator."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from tensorgrad.typing import REAL, Array, Domain, Shape

# What a Domain promises: the distance to the points to avoid, and between distinct entries.
MARGIN = 0.3
GAP = 0.1
# Imaginary parts stay smaller than the distance from sampled domains to branch cuts.
IMAGINARY = Domain(-0.4, 0.4)


class NumberDraw(ABC):
    """A `tensorgrad.typing.Draw` of which everything follows from drawing an integer.

    Shapes and choices are drawn number by number; the entries of arrays come from a generator
    seeded with one more.

    Parameters
    ----------
    dtypes
        Each array has one of these, drawn for it alone.
    integers
        Entries are whole numbers from -3 to 3, whatever the domain: sums and products of a few of
        them are exact, so that derivatives of linear functions can be compared exactly.

    Attributes
    ----------
    scaled
        Each array is multiplied by a power of two, up to 256 times smaller or larger.
    """

    def __init__(self, dtypes: Sequence[str] = ("f8",), *, integers: bool = False) -> None:
        self.dtypes = dtypes
        self.integers = integers
        self.scaled = False

    @abstractmethod
    def integer(self, low: int, high: int) -> int:
        """Draw an integer between low and high, both included."""

    @cached_property
    def rng(self) -> np.random.Generator:
        """The generator that entries come from."""
        return np.random.default_rng(self.integer(0, 2**32 - 1))

    def boolean(self) -> bool:
        """Draw True or False."""
        return bool(self.integer(0, 1))

    def choice(self, options: Sequence[Any]) -> Any:
        """Draw one of the options; the first is the simplest."""
        return options[self.integer(0, len(options) - 1)]

    def permutation(self, n: int) -> list[int]:
        """Draw an order of the integers below n; the simplest is theirs."""
        rest = list(range(n))
        return [rest.pop(self.integer(0, len(rest) - 1)) for _ in range(n)]

    def shape(
        self, min_ndim: int = 0, max_ndim: int = 3, min_side: int = 0, max_side: int = 4
    ) -> Shape:
        """Draw a shape."""
        ndim = self.integer(min_ndim, max_ndim)
        if ndim > 1 and self.boolean():  # a wrong transpose goes unnoticed unless sides are equal
            return (self.integer(min_side, max_side),) * ndim
        return tuple(self.integer(min_side, max_side) for _ in range(ndim))

    def broadcastable(self, n: int) -> list[Shape]:
        """Draw n shapes that broadcast together."""
        common = self.shape()

        def one() -> Shape:
            if self.boolean():
                return common
            kept = common[self.integer(0, len(common)) :]
            return tuple(side if self.boolean() else 1 for side in kept)

        return [one() for _ in range(n)]

    def array(self, shape: Shape, domain: Domain = REAL) -> Array:
        """Draw a floating-point array of this shape."""
        dtype = np.dtype(self.choice(self.dtypes))
        entries = self._entries(shape, domain)
        if dtype.kind == "c":
            entries = entries + 1j * self._entries(shape, IMAGINARY)
        if self.scaled:
            entries = entries * 2.0 ** self.integer(-8, 8)
        return np.asarray(entries, dtype)

    def _entries(self, shape: Shape, domain: Domain) -> Array:
        """Draw real numbers, of two decimals where the domain has such: a reader sees them."""
        if self.integers:
            return self.rng.integers(-3, 4, shape)
        x = self._anywhere(int(np.prod(shape)), domain).reshape(shape)
        short = np.asarray(x.round(2))
        return short if lies_in(short, domain) else x

    def _anywhere(self, size: int, domain: Domain) -> Array:
        rng, low, high = self.rng, domain.low, domain.high
        if domain.step is not None:
            points = low + domain.step * np.arange(round((high - low) / domain.step) + 1)
            return rng.choice(points, size, replace=not domain.distinct)
        if domain.distinct:  # more of them may reach beyond the interval
            gap = max((high - low) / max(size, 1), 1.25 * GAP)
            return low + gap * (rng.permutation(size) + rng.uniform(0, 0.2, size))
        x = rng.uniform(low, high, size)
        while (near := _near(x, domain.avoid)).any():
            x[near] = rng.uniform(low, high, int(near.sum()))
        return x


def lies_in(x: Array, domain: Domain) -> bool:
    """Say whether entries of real numbers keep what a domain promises.

    >>> lies_in(np.array([0.5, 1.0]), REAL), lies_in(np.array([0.2]), Domain(avoid=(0.0,)))
    (True, False)
    """
    if not x.size:
        return True
    if x.min() < domain.low or (x.max() > domain.high and not domain.distinct):
        return False
    if domain.step is not None:
        places = (x - domain.low) / domain.step
        if (places != places.round()).any():
            return False
    if domain.avoid and _near(x.reshape(-1), domain.avoid).any():
        return False
    return not domain.distinct or x.size < 2 or np.diff(np.sort(x, axis=None)).min() >= GAP


def _near(x: Array, points: Sequence[float]) -> Array:
    return (abs(x[:, np.newaxis] - np.asarray(points, float)) < MARGIN).any(axis=1)


def _every_other(x: Array) -> Array:
    return np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x


def _backwards(x: Array) -> Array:
    return np.flip(np.flip(x).copy())


def _repeated(x: Array) -> Array:
    return np.broadcast_to(x[..., :1], x.shape) if x.ndim and x.shape[-1] else x


def _read_only(x: Array) -> Array:
    x = x.copy()
    x.flags.writeable = False
    return x


# How an array may lie in memory, and what lays it out so. "broadcast" repeats the first entry along
# the last axis; numbers lie in one way only.
LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "C": lambda x: x.copy(order="C"),
    "F": lambda x: x.copy(order="F"),
    "strided": _every_other,
    "negative": _backwards,
    "broadcast": _repeated,
    "read-only": _read_only,
}


class RandomDraw(NumberDraw):
    """Sample cases from a generator: the same ones for the same seed."""

    def __init__(
        self,
        seed: int | tuple[int, ...],
        dtypes: Sequence[str] = ("f8",),
        *,
        integers: bool = False,
    ) -> None:
        super().__init__(dtypes, integers=integers)
        self._numbers = np.random.default_rng(seed)

    def integer(self, low: int, high: int) -> int:
        """Draw an integer between low and high, both included."""
        return int(self._numbers.integers(low, high, endpoint=True))


class HypothesisDraw(NumberDraw):
    """Sample cases from hypothesis.

    Parameters
    ----------
    data
        What ``hypothesis.strategies.data()`` hands to a test, or the function ``draw`` that
        ``hypothesis.strategies.composite`` hands to a strategy.
    dtypes, integers
        As for `NumberDraw`.

    Raises
    ------
    ImportError
        If hypothesis is not installed.
    """

    def __init__(
        self, data: Any, dtypes: Sequence[str] = ("f8",), *, integers: bool = False
    ) -> None:
        super().__init__(dtypes, integers=integers)
        try:
            from hypothesis import strategies
        except ImportError as error:
            raise ImportError("HypothesisDraw needs hypothesis: pip install hypothesis") from error
        self._draw = data if callable(data) else data.draw
        self._strategies = strategies

    def integer(self, low: int, high: int) -> int:
        """Draw an integer between low and high, both included."""
        return self._draw(self._strategies.integers(low, high))
