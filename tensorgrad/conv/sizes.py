"""The sizes of what convolutions take and return, along one axis or along several.

Sizes are those of the spatial axes, without batch and channels: one integer, or one for each axis.
The results are in the form of the first argument: integers for an integer, tuples for a sequence.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

from tensorgrad.conv.geometry import (
    Padding,
    dilated,
    input_sides,
    output_side,
    pads_for,
    per_axis,
    require_fit,
    transposed_crops,
    transposed_sides,
)
from tensorgrad.typing import Shape

Size: TypeAlias = int | Sequence[int]


def conv_output_size(
    input_size: Size,
    kernel_size: Size,
    *,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
) -> Any:
    """Return the size of the result of a convolution.

    Parameters
    ----------
    input_size, kernel_size
        The sizes without batch and channels: an integer, or one for each axis.
    stride, padding, dilation
        As for `conv`.

    Returns
    -------
    int, or tuple of int
        ``floor((input + low + high - dilation * (kernel - 1) - 1) / stride) + 1``.

    Raises
    ------
    ShapeError
        If the kernel does not fit into the padded input, or for a wrong parameter.

    Examples
    --------
    >>> conv_output_size(28, 5, stride=2, padding=2)
    14
    >>> conv_output_size((224, 112), 7, stride=2, padding="same")
    (112, 56)
    """
    operation = "conv_output_size"
    sides, kernel, strides, dilations = _sizes(
        operation, {"input_size": input_size}, kernel_size, stride, dilation, least=0
    )
    pads = pads_for(operation, padding, sides, kernel, strides, dilations)
    require_fit(operation, sides, kernel, pads, dilations)
    ones = (1,) * len(sides)
    return _like(input_size, map(output_side, sides, kernel, strides, pads, ones, dilations))


def conv_padding(
    input_size: Size,
    kernel_size: Size,
    *,
    padding: Padding,
    stride: Size = 1,
    dilation: Size = 1,
) -> Any:
    """Return the padding of a convolution as numbers: what "same" means, for example.

    Parameters
    ----------
    input_size, kernel_size
        The sizes without batch and channels: an integer, or one for each axis.
    padding, stride, dilation
        As for `conv`.

    Returns
    -------
    (low, high), or a tuple of such pairs
        Negative where the input is cropped.

    Raises
    ------
    ShapeError
        For a wrong parameter.

    Examples
    --------
    >>> conv_padding(8, 4, padding="same")
    (1, 2)
    >>> conv_padding((7, 8), 3, padding="same", stride=2)
    ((1, 1), (0, 1))
    >>> conv_padding(8, 3, padding="causal", dilation=4)
    (8, 0)
    """
    operation = "conv_padding"
    sides, kernel, strides, dilations = _sizes(
        operation, {"input_size": input_size}, kernel_size, stride, dilation, least=0
    )
    return _like(input_size, pads_for(operation, padding, sides, kernel, strides, dilations))


def conv_input_sizes(
    output_size: Size,
    kernel_size: Size,
    *,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
) -> Any:
    """Return the sizes that a convolution takes to one size: those its transpose can return.

    Parameters
    ----------
    output_size, kernel_size
        The sizes without batch and channels: an integer, or one for each axis. The output of the
        convolution is the input of its transpose.
    stride, padding, dilation
        As for `conv`.

    Returns
    -------
    range, or tuple of range
        As many sizes as the stride, empty if they would not be positive. Any of them may be the
        ``output_size`` of `conv_transpose`.

    Raises
    ------
    ShapeError
        For a wrong parameter.

    Examples
    --------
    >>> conv_input_sizes(4, 3, stride=2, padding=1)
    range(7, 9)
    >>> [conv_output_size(i, 3, stride=2, padding=1) for i in (6, 7, 8, 9)]
    [3, 4, 4, 5]
    """
    operation = "conv_input_sizes"
    sides, kernel, strides, dilations = _sizes(
        operation, {"output_size": output_size}, kernel_size, stride, dilation
    )
    return _like(output_size, input_sides(operation, padding, sides, kernel, strides, dilations))


def conv_transpose_output_size(
    input_size: Size,
    kernel_size: Size,
    *,
    stride: Size = 1,
    padding: Padding = 0,
    output_padding: Size = 0,
    dilation: Size = 1,
) -> Any:
    """Return the size of the result of a transposed convolution.

    Parameters
    ----------
    input_size, kernel_size
        The sizes without batch and channels: an integer, or one for each axis.
    stride, padding, output_padding, dilation
        As for `conv_transpose`.

    Returns
    -------
    int, or tuple of int
        ``(input - 1) * stride - low - high + dilation * (kernel - 1) + output_padding + 1``.

    Raises
    ------
    ShapeError
        If nothing remains of the result, or for a wrong parameter.

    Examples
    --------
    >>> conv_transpose_output_size(4, 3, stride=2, padding=1)
    7
    >>> conv_transpose_output_size((4, 5), 3, stride=2, padding="same")
    (8, 10)
    """
    operation = "conv_transpose_output_size"
    sides, kernel, strides, dilations = _sizes(
        operation, {"input_size": input_size}, kernel_size, stride, dilation
    )
    crops = transposed_crops(
        operation, padding, sides, kernel, strides, dilations, output_padding, None
    )
    return _like(input_size, transposed_sides(sides, kernel, strides, crops, dilations))


def conv_transpose_output_padding(
    input_size: Size,
    kernel_size: Size,
    output_size: Size,
    *,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
) -> Any:
    """Return the ``output_padding`` with which a transposed convolution returns a size.

    Parameters
    ----------
    input_size, kernel_size, output_size
        The sizes without batch and channels: an integer, or one for each axis.
    stride, padding, dilation
        As for `conv_transpose`.

    Returns
    -------
    int, or tuple of int
        What remains at the high side where the windows of the convolution end.

    Raises
    ------
    ShapeError
        If it cannot return this size, or for a wrong parameter.

    Examples
    --------
    >>> conv_transpose_output_padding(4, 3, 8, stride=2, padding=1)
    1
    """
    operation = "conv_transpose_output_padding"
    sides, kernel, strides, dilations = _sizes(
        operation, {"input_size": input_size}, kernel_size, stride, dilation
    )
    goal = per_axis(operation, "output_size", output_size, len(sides))
    crops = transposed_crops(operation, padding, sides, kernel, strides, dilations, 0, goal)
    pads = pads_for(operation, padding, goal, kernel, strides, dilations)
    extra = (high - kept for (_, high), (_, kept) in zip(pads, crops, strict=True))
    return _like(input_size, extra)


def receptive_span(kernel_size: Size, *, dilation: Size = 1) -> Any:
    """Return how many entries lie between the first and the last that a kernel meets, and these.

    Parameters
    ----------
    kernel_size, dilation
        An integer, or one for each axis.

    Returns
    -------
    int, or tuple of int
        ``dilation * (kernel - 1) + 1``.

    Raises
    ------
    ShapeError
        For a wrong parameter.

    Examples
    --------
    >>> receptive_span(3, dilation=4)
    9
    """
    kernel, _, _, dilations = _sizes("receptive_span", {"kernel_size": kernel_size}, 1, 1, dilation)
    return _like(kernel_size, map(dilated, kernel, dilations))


def _sizes(
    operation: str,
    size: dict[str, Size],
    kernel_size: Size,
    stride: Size,
    dilation: Size,
    least: int = 1,
) -> tuple[Shape, Shape, Shape, Shape]:
    """Return all with an entry for each axis, of which there are as many as the named size has."""
    ((name, sides),) = size.items()
    n = len(sides) if isinstance(sides, (Sequence, np.ndarray)) else 1
    return (
        per_axis(operation, name, sides, max(n, 1), least),
        per_axis(operation, "kernel_size", kernel_size, n),
        per_axis(operation, "stride", stride, n),
        per_axis(operation, "dilation", dilation, n),
    )


def _like(size: Size, values: Iterable[Any]) -> Any:
    """Return the value for one axis if its size was an integer, else a tuple."""
    results = tuple(values)
    return results if isinstance(size, (Sequence, np.ndarray)) else results[0]
