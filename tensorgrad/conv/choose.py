"""The algorithms by name, and which of them computes a convolution."""

from collections.abc import Callable
from functools import lru_cache, partial
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np

from tensorgrad.conv import costs, threads
from tensorgrad.conv.costs import Problem
from tensorgrad.conv.geometry import Geometry
from tensorgrad.conv.kernels import Kernel
from tensorgrad.conv.kernels.fft import conv_by_fft
from tensorgrad.conv.kernels.gemm import conv_by_gemm
from tensorgrad.conv.kernels.phases import conv_by_phases
from tensorgrad.conv.kernels.rows import conv_by_rows
from tensorgrad.conv.kernels.taps import conv_by_taps
from tensorgrad.conv.kernels.winograd import conv_by_winograd
from tensorgrad.errors import UnsupportedError, explain
from tensorgrad.typing import Array, Shape


class Algorithm(NamedTuple):
    """A way to compute convolutions.

    ``prepare`` returns what computes a convolution; ``refuses`` says why it cannot, or returns
    None; ``seconds`` estimates; ``held`` returns the bytes of what it makes of the whole kernel. Of
    the kind "direct" is what only multiplies and adds the entries that meet.
    """

    name: str
    kind: str
    prepare: Callable[[Problem], Kernel]
    refuses: Callable[[Problem], str | None]
    seconds: Callable[[Problem], float]
    held: Callable[[Problem], int] = lambda _: 0

    def refusal(self, problem: Problem, asked: str) -> str | None:
        """Say why it is not taken: it cannot; or, unless asked for, it takes too much memory."""
        reason = self.refuses(problem)
        if reason is None and asked not in (self.name, self.kind):
            held = self.held(problem)
            if 2 * held > problem.bytes:  # and threads have memory of their own
                reason = f"{held / 1e6:.3g} MB is much, beside the arguments and the result"
        return reason

    def run(self, x: Array, w: Array, geometry: Geometry, b: Array | None) -> Array:
        """Compute a convolution."""
        return self.prepare(Problem(x.shape, w.shape, geometry, np.result_type(x, w)))(x, w, b)


def _in_numpy(kernel: Callable[[Array, Array, Geometry], Array]) -> Callable[[Problem], Kernel]:
    """Return how to prepare a kernel to which a bias is added afterwards."""

    def prepare(problem: Problem) -> Kernel:
        def run(x: Array, w: Array, b: Array | None) -> Array:
            y = kernel(x, w, problem.geometry)
            if b is not None:
                column = b.reshape(-1, *(1,) * (y.ndim - 2))
                threads.run(lambda image: np.add(image, column, out=image), y)
            return y

        return run

    return prepare


def _undilated(problem: Problem) -> str | None:
    return "it takes no dilated input" if problem.is_dilated else None


def _compiled(problem: Problem) -> Kernel:
    from tensorgrad.conv.kernels.compiled.run import plan

    x_shape, w_shape, geometry, dtype = problem
    return plan(x_shape, w_shape, geometry, dtype.itemsize, threads.get_num_threads())


def _compiled_in_place(problem: Problem) -> Kernel:
    from tensorgrad.conv.kernels.compiled.inplace import plan

    x_shape, w_shape, geometry, dtype = problem
    return plan(x_shape, w_shape, geometry, dtype.itemsize, threads.get_num_threads()).apply


def _not_compiled_in_place(problem: Problem) -> str | None:
    if len(problem.x_shape) > 4:
        return "it takes one axis or two"
    if problem.reach >= 1 << 31:
        return "it counts in 31 bits"
    if problem.geometry.stride[-1] > 1 and problem.geometry.dilation[-1] > 1:
        return "it is for stride 1 or dilation 1 along the last axis"
    return _undilated(problem) or _not_compiled(problem)


def _compiled_winograd(problem: Problem) -> Kernel:
    from tensorgrad.conv.kernels.compiled.winograd import conv_winograd

    return lambda x, w, b: conv_winograd(x, w, problem.geometry, b)


def _not_compiled_winograd(problem: Problem) -> str | None:
    if problem.w_shape[2:] != (3, 3):
        return "it is for kernels of 3x3"
    if {*problem.geometry.stride, *problem.geometry.dilation} != {1}:
        return "it is for stride 1 and dilation 1"
    return _undilated(problem) or _not_compiled(problem)


def _not_compiled(problem: Problem) -> str | None:
    if find_spec("numba") is None:
        return "Numba is not installed: python -m pip install 'tensorgrad[numba]'"
    if problem.dtype not in (np.float32, np.float64):
        return "it computes in float32 and float64"
    if len(problem.x_shape) > 5:
        return "it takes up to three axes"
    if 0 in (*problem.x_shape, *problem.w_shape) or min(problem.out) < 1:
        return "there is nothing to compute"
    return None


def _not_inexact(problem: Problem) -> str | None:
    if problem.dtype not in (np.float32, np.float64, np.complex64, np.complex128):
        return "it computes in float32, float64, complex64 and complex128"
    return _undilated(problem)


def _not_winograd(problem: Problem) -> str | None:
    small = problem.out if problem.has_few_results else problem.w_shape[2:]
    if not 1 <= len(small) <= 2 or min(small) < 2 or max(small) > 5:
        return "it is for kernels, or else results, of 2 to 5 entries along one axis or two"
    if problem.geometry.groups > 1:
        return "it is for one group"
    if set(problem.geometry.stride) != {1}:
        return "it is for stride 1"
    if problem.has_few_results and set(problem.geometry.dilation) != {1}:
        return "it is for dilation 1 where the result is smaller than the kernel"
    return _not_inexact(problem)


def _not_fft(problem: Problem) -> str | None:
    if {*problem.geometry.stride, *problem.geometry.dilation} != {1}:
        return "it is for stride 1 and dilation 1"
    return _not_inexact(problem)


ALGORITHMS = {
    algorithm.name: algorithm
    for algorithm in (
        Algorithm("compiled", "direct", _compiled, _not_compiled, costs.compiled),
        Algorithm(
            "compiled in place",
            "direct",
            _compiled_in_place,
            _not_compiled_in_place,
            costs.compiled_in_place,
        ),
        Algorithm(
            "compiled winograd",
            "winograd",
            _compiled_winograd,
            _not_compiled_winograd,
            costs.compiled_winograd,
            costs.held_by_compiled_winograd,
        ),
        Algorithm("gemm", "direct", _in_numpy(conv_by_gemm), _undilated, costs.gemm),
        Algorithm("rows", "direct", _in_numpy(conv_by_rows), _undilated, costs.rows),
        Algorithm(
            "winograd", "winograd", _in_numpy(conv_by_winograd), _not_winograd, costs.winograd
        ),
        Algorithm("fft", "fft", _in_numpy(conv_by_fft), _not_fft, costs.fft),
        Algorithm("taps", "direct", _in_numpy(conv_by_taps), _undilated, lambda _: 2e3),
    )
}
NAMES = tuple(dict.fromkeys(["auto", *(a.kind for a in ALGORITHMS.values()), *ALGORITHMS]))


def require_algorithm(operation: str, algorithm: str) -> None:
    """Raise unless there is an algorithm, or a kind of them, of this name."""
    if not isinstance(algorithm, str) or algorithm not in NAMES:
        raise UnsupportedError(
            explain(
                operation,
                f"algorithm is one of {', '.join(map(repr, NAMES))}.",
                "Pass algorithm='auto'.",
                algorithm=algorithm,
            )
        )


@lru_cache(maxsize=4096)
def choose(problem: Problem, algorithm: str) -> Algorithm | None:
    """Return the fastest of the algorithms that a name allows, and that can do it.

    A derivative is given the name that its convolution was given, and may be of another kind: an
    algorithm that cannot do it gives way to the fastest. None can do a dilated input, perhaps.
    """
    if problem.dtype.kind not in "biufc":  # memory that holds objects must not be lent
        raise UnsupportedError(
            explain(
                "conv",
                "The entries are numbers of one of NumPy's own types.",
                "Convert them first, as with x.astype(float).",
                dtype=str(problem.dtype),
            )
        )
    able = [a for a in ALGORITHMS.values() if a.refusal(problem, algorithm) is None]
    allowed = [a for a in able if algorithm in (a.name, a.kind)]
    return min(allowed or able, key=lambda a: a.seconds(problem), default=None)


def convolve(
    x: Array, w: Array, geometry: Geometry, b: Array | None = None, *, algorithm: str
) -> Array:
    """Convolve arrays of NumPy by the algorithm of a name, or one that a name allows."""
    number = threads.get_num_threads()
    return _prepared(x.shape, w.shape, geometry, x.dtype, w.dtype, algorithm, number)(x, w, b)


@lru_cache(maxsize=4096)
def _prepared(
    x_shape: Shape,
    w_shape: Shape,
    geometry: Geometry,
    of_x: np.dtype,
    of_w: np.dtype,
    algorithm: str,
    number: int,  # noqa: ARG001  # of threads, for which it is prepared
) -> Kernel:
    problem = Problem(x_shape, w_shape, geometry, np.result_type(of_x, of_w))
    chosen = choose(problem, algorithm)
    if chosen is not None:
        return chosen.prepare(problem)
    part = partial(convolve, algorithm=algorithm)
    return _in_numpy(partial(conv_by_phases, part))(problem)
