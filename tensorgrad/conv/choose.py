"""The algorithms by name, and which of them computes a convolution."""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from tensorgrad.conv.geometry import Geometry
from tensorgrad.conv.kernels.gemm import conv_by_gemm
from tensorgrad.conv.kernels.taps import conv_by_taps
from tensorgrad.errors import UnsupportedError, explain
from tensorgrad.typing import Array, Shape


class Problem(NamedTuple):
    """A convolution, as far as its cost depends on it; its input is not dilated."""

    x_shape: Shape
    w_shape: Shape
    geometry: Geometry
    dtype: np.dtype


class Algorithm(NamedTuple):
    """A way to compute convolutions.

    ``run`` computes one; ``refuses`` says why it cannot, or returns None; ``seconds`` estimates.
    An algorithm is ``exact`` if all it does is multiply and add the entries that meet.
    """

    name: str
    run: Callable[[Array, Array, Geometry], Array]
    refuses: Callable[[Problem], str | None]
    seconds: Callable[[Problem], float]
    exact: bool


def _anything(_problem: Problem) -> None:
    return None


ALGORITHMS = {
    algorithm.name: algorithm
    for algorithm in (
        Algorithm("gemm", conv_by_gemm, _anything, lambda _: 1.0, exact=True),
        Algorithm("taps", conv_by_taps, _anything, lambda _: 2.0, exact=True),
    )
}
NAMES = ("auto", "direct", *ALGORITHMS)


def require_algorithm(operation: str, algorithm: str) -> None:
    """Raise unless there is an algorithm of this name."""
    if algorithm not in NAMES:
        raise UnsupportedError(
            explain(
                operation,
                f"algorithm is one of {', '.join(map(repr, NAMES))}.",
                "Pass algorithm='auto'.",
                algorithm=algorithm,
            )
        )


@cache
def choose(problem: Problem, algorithm: str) -> Algorithm:
    """Return the fastest of the algorithms that a name allows, and that can do it.

    A derivative is given the name that its convolution was given, and may be of another kind: an
    algorithm that cannot do it gives way to the fastest.
    """
    able = [a for a in ALGORITHMS.values() if a.refuses(problem) is None]
    allowed = [a for a in able if algorithm == a.name or (algorithm == "direct" and a.exact)]
    return min(allowed or able, key=lambda a: a.seconds(problem))
