"""The algorithms by name, and which of them computes a convolution."""

from collections.abc import Callable
from functools import cache, partial
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np

from tensorgrad.conv import threads
from tensorgrad.conv.geometry import Geometry
from tensorgrad.conv.kernels.gemm import conv_by_gemm
from tensorgrad.conv.kernels.phases import conv_by_phases
from tensorgrad.conv.kernels.taps import conv_by_taps
from tensorgrad.errors import UnsupportedError, explain
from tensorgrad.typing import Array, Shape


class Problem(NamedTuple):
    """A convolution, as far as its cost depends on it."""

    x_shape: Shape
    w_shape: Shape
    geometry: Geometry
    dtype: np.dtype


class Algorithm(NamedTuple):
    """A way to compute convolutions.

    ``run`` computes one; ``refuses`` says why it cannot, or returns None; ``seconds`` estimates.
    An algorithm is ``exact`` if all it does is multiply and add the entries that meet, and
    ``complete`` if it takes dilated inputs and a bias as well.
    """

    name: str
    run: Callable[..., Array]  # (x, w, geometry), and (x, w, geometry, b) if it is complete
    refuses: Callable[[Problem], str | None]
    seconds: Callable[[Problem], float]
    exact: bool
    complete: bool = False


def _anything(_problem: Problem) -> None:
    return None


def _compiled(x: Array, w: Array, geometry: Geometry, b: Array | None) -> Array:
    from tensorgrad.conv.kernels.compiled.run import conv_compiled

    return conv_compiled(x, w, geometry, b)


def _not_compiled(problem: Problem) -> str | None:
    if find_spec("numba") is None:
        return "Numba is not installed: python -m pip install 'tensorgrad[numba]'"
    if problem.dtype not in (np.float32, np.float64):
        return "it computes in float32 and float64"
    if len(problem.x_shape) > 5:
        return "it takes up to three axes"
    sides = problem.geometry.output_sides(problem.x_shape[2:], problem.w_shape[2:])
    if 0 in (*problem.x_shape, *problem.w_shape) or min(sides) < 1:
        return "there is nothing to compute"
    return None


ALGORITHMS = {
    algorithm.name: algorithm
    for algorithm in (
        Algorithm("compiled", _compiled, _not_compiled, lambda _: 0.5, exact=True, complete=True),
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
def choose(problem: Problem, algorithm: str) -> Algorithm | None:
    """Return the fastest of the algorithms that a name allows, and that can do it.

    A derivative is given the name that its convolution was given, and may be of another kind: an
    algorithm that cannot do it gives way to the fastest. None can do a dilated input, perhaps.
    """
    dilated = max(problem.geometry.input_dilation, default=1) > 1
    able = [
        a
        for a in ALGORITHMS.values()
        if (a.complete or not dilated) and a.refuses(problem) is None
    ]
    allowed = [a for a in able if algorithm == a.name or (algorithm == "direct" and a.exact)]
    return min(allowed or able, key=lambda a: a.seconds(problem), default=None)


def convolve(
    x: Array, w: Array, geometry: Geometry, b: Array | None = None, *, algorithm: str
) -> Array:
    """Convolve arrays of NumPy by the algorithm of a name, or one that a name allows."""
    chosen = choose(Problem(x.shape, w.shape, geometry, np.result_type(x, w)), algorithm)
    if chosen is not None and chosen.complete:
        return chosen.run(x, w, geometry, b)
    if chosen is not None:
        y = chosen.run(x, w, geometry)
    else:
        y = conv_by_phases(partial(convolve, algorithm=algorithm), x, w, geometry)
    if b is not None:
        column = b.reshape(-1, *(1,) * (y.ndim - 2))
        threads.run(lambda image: np.add(image, column, out=image), y)
    return y
