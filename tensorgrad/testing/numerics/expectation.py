"""What the derivatives of a function should be, along directions chosen to find out much."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tensorgrad.testing.numerics.slopes import Slope, doubt_the_graph, second_opinion, slope
from tensorgrad.testing.numerics.subject import Subject
from tensorgrad.testing.report import count
from tensorgrad.typing import Array

# Up to so many entries, each is varied by itself; else directions are drawn.
WHOLE = 64
# A sum of products may be off by this much of the sum of their sizes.
RELATIVE = 1e-10
# The same in units of rounding, where that is more, or where there is no other error.
ROUNDINGS = 64


@dataclass
class Expectation:
    """The derivatives of a function along some directions, found numerically.

    Attributes
    ----------
    subject
        The function.
    directions
        Rows of a matrix, scaled to the sizes of the entries.
    slopes
        The derivative along each.
    whole
        Whether they are the entries one by one, and so make up the Jacobian.
    """

    subject: Subject
    directions: Array
    slopes: list[Slope]
    whole: bool

    @classmethod
    def along(cls, subject: Subject, directions: Array, *, whole: bool = False) -> "Expectation":
        """Find the derivatives along the rows of a matrix, in units of the sizes of the entries."""
        directions = directions * subject.scale
        return cls(subject, directions, [slope(subject, t) for t in directions], whole)

    @classmethod
    def of(cls, subject: Subject, rng: np.random.Generator) -> "Expectation":
        """Choose directions: all entries if they are few, else random, single and sparse ones."""
        n = subject.x.size
        doubt_the_graph(subject, rng.normal(size=n) * subject.scale)
        if n <= WHOLE:
            return cls.by_entries(subject)
        sparse = rng.normal(size=(1, n)) * (rng.random((1, n)) < 0.1)
        rows = [rng.normal(size=(3, n)), _single(n, rng.choice(n, 8, replace=False)), sparse]
        return cls.along(subject, np.concatenate(rows))

    @classmethod
    def brief(cls, subject: Subject, rng: np.random.Generator) -> "Expectation":
        """Choose two directions: one of all entries, one of a single entry."""
        n = subject.x.size
        rows = [rng.normal(size=(1, n)), _single(n, rng.integers(n, size=1))]
        return cls.along(subject, np.concatenate(rows))

    @classmethod
    def across(cls, subject: Subject, rng: np.random.Generator) -> "Expectation":
        """Choose directions that lead away from a kink between the axes.

        What is right along each axis need not be right in between: entries that tie, and all count
        in full, show best where all of them grow.
        """
        n = subject.x.size
        rows = [np.abs(rng.normal(size=(1, n))), rng.normal(size=(3, n))]
        return cls.along(subject, np.concatenate(rows))

    @classmethod
    def by_entries(cls, subject: Subject) -> "Expectation":
        """Vary each entry by itself."""
        return cls.along(subject, np.eye(subject.x.size), whole=True)

    @property
    def method(self) -> str:
        """How the derivatives were found."""
        text = " and ".join(dict.fromkeys(s.method for s in self.slopes))
        return (
            text if self.whole else f"{text}, {count(len(self.slopes), 'direction', 'directions')}"
        )

    @property
    def kinks(self) -> Array:
        """Which directions lead away from a kink."""
        return np.array([s.kink for s in self.slopes], dtype=bool)

    def stacked(self) -> tuple[Array, Array, Array]:
        """Return the lower and upper bounds and the errors: (directions, entries of the result)."""
        shape = len(self.slopes), self.subject.base.y.size
        low, high, error = (
            np.reshape([getattr(s, name) for s in self.slopes], shape)
            for name in ("low", "high", "error")
        )
        return low, high, error

    def reconsider(self, places: Array) -> None:
        """Ask for a second opinion on some of the directions."""
        for k in places:
            self.slopes[k] = second_opinion(self.subject, self.directions[k], self.slopes[k])

    @property
    def relative(self) -> float:
        """How exact a sum of products is, relative to the sum of their sizes."""
        rounding = ROUNDINGS * self.subject.rounding
        return rounding if self.method.startswith("linear") else max(RELATIVE, rounding)

    def label(self, k: int, names: Sequence[str]) -> str:
        """Return words for a direction; names are those of the arrays of the argument."""
        if not self.whole:
            return f"along direction {k}"
        domain = self.subject.domain
        ends = np.cumsum(domain.sizes)
        which = int(np.searchsorted(ends, k, side="right"))
        numbers = domain.cut(np.arange(self.subject.x.size))[which]
        place = ", ".join(map(str, np.argwhere(numbers == k)[0]))
        return f"along {names[which]}[{place}]" if place else f"along {names[which]}"

    def floor(self) -> Array:
        """Return, for each direction, what rounding of results of size 1 does to a derivative."""
        if self.method.startswith("linear"):
            return np.zeros(len(self.slopes))
        longest = np.max(np.abs(self.directions), axis=1, initial=0)
        return 16 * self.subject.rounding * np.maximum(1, longest / 16)


def _single(n: int, places: Array) -> Array:
    """Return rows of zeros with a single 1, at these places."""
    return (np.arange(n) == places[:, np.newaxis]).astype(float)
