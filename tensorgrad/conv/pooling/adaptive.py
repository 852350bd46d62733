"""Pooling to a size that is asked for, with windows that cut the input into nearly equal parts."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from tensorgrad.conv.pooling.average import average
from tensorgrad.conv.pooling.layouts import axes_of, restored, spatial_last
from tensorgrad.conv.pooling.max import max_over
from tensorgrad.conv.pooling.windows import adaptive_taps, adaptive_windows
from tensorgrad.errors import ShapeError, explain
from tensorgrad.typing import ArrayLike, Shape

# One size for all axes, or one for each; None is that of the input.
OutputSize: TypeAlias = int | Sequence[int | None] | None


def _output_sides(operation: str, output_size: OutputSize, sides: Shape) -> Shape:
    n = len(sides)
    several: Any = output_size if axes_of(output_size) is not None else (output_size,) * n
    sizes = tuple(several)
    good = len(sizes) == n and all(
        size is None
        or (isinstance(size, (int, np.integer)) and not isinstance(size, bool) and size > 0)
        for size in sizes
    )
    if not good or 0 in sides:
        raise ShapeError(
            explain(
                operation,
                f"output_size is a positive integer, or {n} of them, with None for the size of the "
                "input, which has entries.",
                "Pass output_size=1 for one window.",
                output_size=output_size,
                input_sides=sides,
            )
        )
    return tuple(
        side if size is None else int(size) for size, side in zip(sizes, sides, strict=True)
    )


def _adaptive_avg_pool(
    operation: str, n: int | None, x: ArrayLike, output_size: OutputSize, layout: str
) -> Any:
    x, n = spatial_last(operation, x, layout, n)
    sides = x.shape[-n:]
    pairs = list(zip(sides, _output_sides(operation, output_size, sides), strict=True))
    counts = [adaptive_windows(*pair)[1] for pair in pairs]
    taps = tuple(adaptive_taps(*pair) for pair in pairs)
    return restored(average(x, taps, counts), layout, n)


def _adaptive_max_pool(
    operation: str,
    n: int | None,
    x: ArrayLike,
    output_size: OutputSize,
    return_indices: bool,
    layout: str,
) -> Any:
    x, n = spatial_last(operation, x, layout, n)
    sides = x.shape[-n:]
    out = _output_sides(operation, output_size, sides)
    return max_over(x, tuple(map(adaptive_taps, sides, out)), return_indices, layout)


def adaptive_avg_pool(x: ArrayLike, *, output_size: OutputSize, layout: str = "NC*") -> Any:
    r"""Average windows that cut the input into as many nearly equal parts as are asked for.

    Along each axis window j of m goes from ``floor(j side / m)`` to ``ceil((j + 1) side / m)``.

    Parameters
    ----------
    x : (N, C, \*I), or (N, \*I, C) with channels last; averages of integers are floats
    output_size
        How many windows there are: one integer, or one for each spatial axis; None for as many as
        entries.
    layout
        As for `max_pool`.

    Returns
    -------
    (N, C, \*J), or (N, \*J, C): an array given an array, a Tensor given a Tensor.

    Raises
    ------
    ShapeError
        If sizes are not positive, or do not fit the layout.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.adaptive_avg_pool([[[1.0, 3.0, 5.0]]], output_size=2).tolist()
    [[[2.0, 4.0]]]
    """
    return _adaptive_avg_pool("adaptive_avg_pool", axes_of(output_size), x, output_size, layout)


def adaptive_avg_pool1d(x: ArrayLike, *, output_size: OutputSize, layout: str = "NCW") -> Any:
    """Average nearly equal parts of one spatial axis; see `adaptive_avg_pool`.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.adaptive_avg_pool1d([[1.0, 3.0, 5.0]], output_size=2).tolist()
    [[2.0, 4.0]]
    """
    return _adaptive_avg_pool("adaptive_avg_pool1d", 1, x, output_size, layout)


def adaptive_avg_pool2d(x: ArrayLike, *, output_size: OutputSize, layout: str = "NCHW") -> Any:
    """Average nearly equal parts of two spatial axes; see `adaptive_avg_pool`.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.adaptive_avg_pool2d([[[1.0, 3.0], [2.0, 6.0]]], output_size=(None, 1)).tolist()
    [[[2.0], [4.0]]]
    """
    return _adaptive_avg_pool("adaptive_avg_pool2d", 2, x, output_size, layout)


def adaptive_avg_pool3d(x: ArrayLike, *, output_size: OutputSize, layout: str = "NCDHW") -> Any:
    """Average nearly equal parts of three spatial axes; see `adaptive_avg_pool`.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.adaptive_avg_pool3d([[[[1.0, 3.0], [2.0, 6.0]]]], output_size=1).tolist()
    [[[[3.0]]]]
    """
    return _adaptive_avg_pool("adaptive_avg_pool3d", 3, x, output_size, layout)


def adaptive_max_pool(
    x: ArrayLike,
    *,
    output_size: OutputSize,
    return_indices: bool = False,
    layout: str = "NC*",
) -> Any:
    r"""Take the greatest entry of each of as many nearly equal parts of the input as are asked for.

    Entries of a window that tie for the greatest share its gradient equally.

    Parameters
    ----------
    x : (N, C, \*I), or (N, \*I, C) with channels last; real numbers
    output_size
        As for `adaptive_avg_pool`, which has the same windows.
    return_indices, layout
        As for `max_pool`.

    Returns
    -------
    (N, C, \*J), or (N, \*J, C), or a pair: an array given an array, a Tensor given a Tensor.

    Raises
    ------
    ShapeError
        If sizes are not positive, or do not fit the layout.
    UnsupportedError
        If x is complex.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.adaptive_max_pool([[[1.0, 3.0, 5.0]]], output_size=2).tolist()
    [[[3.0, 5.0]]]
    """
    return _adaptive_max_pool(
        "adaptive_max_pool", axes_of(output_size), x, output_size, return_indices, layout
    )


def adaptive_max_pool1d(
    x: ArrayLike,
    *,
    output_size: OutputSize,
    return_indices: bool = False,
    layout: str = "NCW",
) -> Any:
    """Take the maxima of nearly equal parts of one spatial axis; see `adaptive_max_pool`.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.adaptive_max_pool1d([[1.0, 3.0, 5.0]], output_size=2).tolist()
    [[3.0, 5.0]]
    """
    return _adaptive_max_pool("adaptive_max_pool1d", 1, x, output_size, return_indices, layout)


def adaptive_max_pool2d(
    x: ArrayLike,
    *,
    output_size: OutputSize,
    return_indices: bool = False,
    layout: str = "NCHW",
) -> Any:
    """Take the maxima of nearly equal parts of two spatial axes; see `adaptive_max_pool`.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.adaptive_max_pool2d([[[1.0, 3.0], [2.0, 6.0]]], output_size=(None, 1)).tolist()
    [[[3.0], [6.0]]]
    """
    return _adaptive_max_pool("adaptive_max_pool2d", 2, x, output_size, return_indices, layout)


def adaptive_max_pool3d(
    x: ArrayLike,
    *,
    output_size: OutputSize,
    return_indices: bool = False,
    layout: str = "NCDHW",
) -> Any:
    """Take the maxima of nearly equal parts of three spatial axes; see `adaptive_max_pool`.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.adaptive_max_pool3d([[[[1.0, 3.0], [2.0, 6.0]]]], output_size=1).tolist()
    [[[[6.0]]]]
    """
    return _adaptive_max_pool("adaptive_max_pool3d", 3, x, output_size, return_indices, layout)


# ---- over all of the input ----------------------------------------------------------------------


def _of_entries(operation: str, x: ArrayLike, layout: str) -> tuple[Any, tuple[int, ...]]:
    """Return x with its spatial axes last, and these, along which there are entries."""
    x, n = spatial_last(operation, x, layout)
    if 0 in x.shape[-n:]:
        rule = "There is nothing to pool along an axis without entries."
        raise ShapeError(explain(operation, rule, "Pad x first.", x_shape=x.shape, layout=layout))
    return x, tuple(range(-n, 0))


def global_avg_pool(x: ArrayLike, *, layout: str = "NC*") -> Any:
    r"""Average over all spatial axes, which are gone from the result.

    Use ``adaptive_avg_pool(x, output_size=1)`` to keep them, with sides of 1.

    Parameters
    ----------
    x : (N, C, \*I), or (N, \*I, C) with channels last
    layout
        As for `max_pool`.

    Returns
    -------
    (N, C), or (C,) without a batch axis: an array given an array, a Tensor given a Tensor.

    Raises
    ------
    ShapeError
        If x does not fit the layout, or has no entries along a spatial axis.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.global_avg_pool([[[1.0, 2.0, 6.0]]]).tolist()
    [[3.0]]
    """
    x, axes = _of_entries("global_avg_pool", x, layout)
    return np.mean(x, axis=axes)


def global_max_pool(x: ArrayLike, *, layout: str = "NC*") -> Any:
    r"""Take the greatest entry over all spatial axes, which are gone from the result.

    Entries that tie for the greatest share its gradient equally. Use
    ``adaptive_max_pool(x, output_size=1)`` to keep the axes, with sides of 1.

    Parameters
    ----------
    x : (N, C, \*I), or (N, \*I, C) with channels last
    layout
        As for `max_pool`.

    Returns
    -------
    (N, C), or (C,) without a batch axis: an array given an array, a Tensor given a Tensor.

    Raises
    ------
    ShapeError
        If x does not fit the layout, or has no entries along a spatial axis.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.global_max_pool([[[1.0, 2.0, 6.0]]]).tolist()
    [[6.0]]
    """
    x, axes = _of_entries("global_max_pool", x, layout)
    return np.max(x, axis=axes)
