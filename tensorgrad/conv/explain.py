"""Which algorithm a convolution and its gradients take, and why."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from tensorgrad.conv import functional, primitive
from tensorgrad.conv.choose import ALGORITHMS, choose
from tensorgrad.conv.costs import Problem
from tensorgrad.conv.geometry import Padding
from tensorgrad.conv.kernels.phases import divided
from tensorgrad.conv.threads import get_num_threads
from tensorgrad.ops.dispatch import operand
from tensorgrad.typing import Array, ArrayLike, DTypeLike, Shape


class Candidate(NamedTuple):
    """An algorithm that a convolution might take.

    ``convolution`` is "y", "gradient by x" or "gradient by w", or a phase of one, where no
    algorithm takes the zeros between the entries of its input. ``problem`` says which convolution
    that is: of the shapes ``x_shape`` and ``w_shape``, with a ``geometry``. ``seconds`` are an
    estimate; None where there is a ``refusal``, that is a reason why the algorithm is not taken.
    """

    convolution: str
    problem: Problem
    algorithm: str
    chosen: bool
    seconds: float | None
    refusal: str | None


class Explanation(tuple[Candidate, ...]):
    """What `explain_conv` returns: every candidate, convolution by convolution; a table as text."""

    __slots__ = ()

    def __str__(self) -> str:
        lines = []
        told = None
        for row in self:
            if row.convolution != told:
                told = row.convolution
                lines += _heading(told, row.problem)
            found = row.refusal if row.seconds is None else f"{1e3 * row.seconds:.3g} ms"
            lines.append(f"  {'>' if row.chosen else ' '} {row.algorithm:<18}{found}")
        return "\n".join(lines)

    __repr__ = __str__


def _heading(name: str, problem: Problem) -> list[str]:
    x, w, geometry, dtype = problem
    y = (x[0], w[0], *problem.out)
    work = f"{problem.multiplications:.3g} multiplications, {problem.bytes / 1e6:.3g} MB"
    return [
        f"{name}: {x} * {w} -> {y}, {dtype}",
        f"    {', '.join(f'{key}={value}' for key, value in geometry._asdict().items())}",
        f"    {work}, threads: {get_num_threads()}",
    ]


class _Shaped:
    """An array that has a shape and a dtype, and no entries; it notes what convolves with it."""

    def __init__(self, shape: Shape, dtype: DTypeLike, notes: list[Problem]) -> None:
        self.shape, self.dtype, self.notes = shape, np.dtype(dtype), notes

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def zeros(self) -> Array:
        return np.broadcast_to(np.zeros((), self.dtype), self.shape)

    def like(self, array: Array) -> "_Shaped":
        return _Shaped(array.shape, self.dtype, self.notes)

    def __getitem__(self, index: Any) -> "_Shaped":
        return self.like(self.zeros()[index])

    def __array_function__(self, function: Any, _types: Any, args: Any, kwargs: Any) -> "_Shaped":
        if function is not primitive.conv.fun:
            return self.like(
                function(*(a.zeros() if isinstance(a, _Shaped) else a for a in args), **kwargs)
            )
        x, w = args
        problem = Problem(x.shape, w.shape, kwargs["geometry"], np.result_type(x.dtype, w.dtype))
        self.notes.append(problem)
        return _Shaped((x.shape[0], w.shape[0], *problem.out), problem.dtype, self.notes)


def explain_conv(
    x: ArrayLike | Shape,
    w: ArrayLike | Shape,
    *,
    stride: int | Shape = 1,
    padding: Padding = 0,
    dilation: int | Shape = 1,
    groups: int = 1,
    layout: str = "NC*",
    padding_mode: str = "zeros",
    algorithm: str = "auto",
    dtype: DTypeLike = None,
) -> Explanation:
    """Say how `conv` would compute a convolution and its gradients, and why; compute nothing.

    Each of them is a convolution of its own, for which every algorithm either gives a reason to
    refuse it, or estimates the seconds it takes. Of those that ``algorithm`` allows, or where all
    of these refuse, of the others, the fastest is chosen.

    Parameters
    ----------
    x, w
        Arrays or Tensors as for `conv`, or their shapes: tuples, or lists, of integers.
    stride, padding, dilation, groups, layout, padding_mode, algorithm
        As for `conv`.
    dtype
        The dtype of x and w. By default their own; a shape has that of the other, or float64.

    Returns
    -------
    Explanation
        A tuple of `Candidate`, that is ``(convolution, problem, algorithm, chosen, seconds,
        refusal)``, and as text a table. There are no gradients of integers.

    Raises
    ------
    ShapeError, UnsupportedError
        As `conv`.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> reasons = tg.explain_conv((8, 16, 32, 32), (4, 16, 3, 3), padding="same", algorithm="gemm")
    >>> for row in reasons:
    ...     if row.chosen:
    ...         print(row.convolution, row.problem.w_shape, row.problem.out, row.algorithm)
    y (4, 16, 3, 3) (32, 32) gemm
    gradient by x (16, 4, 3, 3) (32, 32) gemm
    gradient by w (4, 8, 32, 32) (3, 3) gemm
    >>> strided = tg.explain_conv((8, 16, 32, 32), (4, 16, 3, 3), stride=2)
    >>> next(row.refusal for row in strided if row.algorithm == "fft")
    'it is for stride 1 and dilation 1'

    ``print(reasons)`` shows the whole table.
    """
    notes: list[Problem] = []
    shapes, dtypes = zip(*map(_described, (x, w)), strict=True)
    known = [own for own in dtypes if own is not None]
    other = np.result_type(*known) if known else float
    if dtype is not None:
        dtypes = (dtype, dtype)
    arrays = [
        _Shaped(shape, other if own is None else own, notes)
        for shape, own in zip(shapes, dtypes, strict=True)
    ]
    functional.conv(
        *arrays,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        layout=layout,
        padding_mode=padding_mode,
        algorithm=algorithm,
    )
    (forward,) = notes
    images, kernel = (_Shaped(a, forward.dtype, notes) for a in forward[:2])
    if forward.dtype.kind in "fc":
        g = _Shaped((images.shape[0], kernel.shape[0], *forward.out), forward.dtype, notes)
        primitive.wrt_input(g, kernel, images.shape, forward.geometry, algorithm)
        primitive.wrt_kernel(g, images, kernel.shape, forward.geometry, algorithm)
    names = ("y", "gradient by x", "gradient by w")
    return Explanation(
        row
        for name, problem in zip(names, notes, strict=False)
        for row in _candidates(name, problem, algorithm)
    )


def _described(x: ArrayLike | Shape) -> tuple[Shape, DTypeLike]:
    """Return the shape and the dtype of an array, or a shape and None."""
    if isinstance(x, (tuple, list)) and all(isinstance(i, (int, np.integer)) for i in x):
        return tuple(map(int, x)), None
    x = operand(x)
    return x.shape, x.dtype


def _candidates(name: str, problem: Problem, algorithm: str) -> Iterator[Candidate]:
    chosen = choose(problem, algorithm)
    for a in ALGORITHMS.values():
        refusal = a.refusal(problem, algorithm)
        seconds = a.seconds(problem) if refusal is None else None
        yield Candidate(name, problem, a.name, a is chosen, seconds, refusal)
    if chosen is None:
        kernel = np.broadcast_to(0, problem.w_shape)
        parts = list(divided(problem.x_shape[2:], problem.w_shape[2:], problem.geometry))
        for number, (_, taps, geometry) in enumerate(parts, start=1):
            part = problem._replace(w_shape=kernel[(..., *taps)].shape, geometry=geometry)
            yield from _candidates(f"{name}, phase {number} of {len(parts)}", part, algorithm)
