"""The transposes of the convolutions, as maps of the input."""

from functools import partial
from typing import Any

from tensorgrad.conv import primitive
from tensorgrad.conv.cases import draw_arguments
from tensorgrad.conv.choose import require_algorithm
from tensorgrad.conv.geometry import (
    Geometry,
    Padding,
    dilated,
    per_axis,
    positive_integer,
    transposed_crops,
)
from tensorgrad.conv.layouts import (
    channels_first,
    require_bias,
    restored,
    shapes_first,
    spatial_axes,
)
from tensorgrad.conv.primitive import transposed_kernel
from tensorgrad.engine.declare import composite
from tensorgrad.ops.dispatch import operand
from tensorgrad.typing import ArrayLike, Shape


def _transpose(
    operation: str,
    n: int,
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None,
    stride: int | Shape,
    padding: Padding,
    output_padding: int | Shape,
    output_size: int | Shape | None,
    dilation: int | Shape,
    groups: int,
    layout: str,
    algorithm: str,
) -> Any:
    """Apply the transpose of a convolution along n axes."""
    x, w = operand(x), operand(w)
    groups = positive_integer(operation, "groups", groups)
    strides = per_axis(operation, "stride", stride, n)
    dilations = per_axis(operation, "dilation", dilation, n)
    require_algorithm(operation, algorithm)
    single = x.ndim == n + 1
    shapes_first(operation, n, x.shape, w.shape, layout, groups, transposed=True)
    x, w = channels_first(x, w, layout, transposed=True)
    sides, kernel = x.shape[2:], w.shape[2:]
    crops = transposed_crops(
        operation, padding, sides, kernel, strides, dilations, output_padding, output_size
    )
    # the input dilated by the stride, padded by what the kernel reaches, less what is cropped
    reaches = [dilated(k, d) - 1 for k, d in zip(kernel, dilations, strict=True)]
    pads = tuple(
        (reach - low, reach - high) for reach, (low, high) in zip(reaches, crops, strict=True)
    )
    geometry = Geometry((1,) * n, pads, strides, dilations, groups)
    params = {"geometry": geometry, "algorithm": algorithm}
    w = transposed_kernel(w, groups)
    if b is None:
        y = primitive.conv(x, w, **params)
    else:
        b = operand(b)
        require_bias(operation, b.shape, w.shape[0])
        y = primitive.conv_bias(x, w, b, **params)
    return restored(y, layout, single=single)


def _by_taps(*args: Any, **params: Any) -> Any:
    """Compute any of them in the plainest way."""
    return conv_transpose(*args, **{**params, "algorithm": "taps"})


@composite(
    name="conv_transpose_nd",
    samples=partial(draw_arguments, n=None, transposed=True),
    reference=_by_taps,
)
def conv_transpose(
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None = None,
    *,
    stride: int | Shape = 1,
    padding: Padding = 0,
    output_padding: int | Shape = 0,
    output_size: int | Shape | None = None,
    dilation: int | Shape = 1,
    groups: int = 1,
    layout: str = "NC*",
    algorithm: str = "auto",
) -> Any:
    r"""Apply the transpose of a convolution, as a map from its output to its input.

    Every entry of x puts a kernel, times its value, into the result, ``stride`` entries apart:
    ``y[n, o, s i + d k - low] += x[n, c, i] * w[c, o, k]``, where i and k are places along all
    spatial axes; ``padding`` is cropped. The gradient of ``conv(u, w, ...)`` by u, for the output
    gradient g, is ``conv_transpose(g, w, ..., output_size=u.shape[2:])``.

    Parameters
    ----------
    x : (N, C_in, \*I), or (N, \*I, C_in) with channels last; without N for a single example
    w : (C_in, C_out / groups, \*K), or (\*K, C_in, C_out / groups)
        The kernel of that convolution with channels first; with channels last its last two axes
        exchanged.
    b : (C_out,), optional
    stride, dilation, groups, layout, algorithm
        As for `conv`.
    padding
        The padding of the convolution whose transpose this is, cropped from the result, in any of
        the forms of `conv` but "causal". With "same" the size is I * stride unless output_size
        says another.
    output_padding
        Entries added at the high side, where several sizes of the input of a strided convolution
        give the same size of its output: less than the stride or the dilation.
    output_size
        Or the size to return: one of those, an integer, or one for each axis.

    Returns
    -------
    (N, C_out, \*J), or (N, \*J, C_out): an array given arrays, a Tensor given a Tensor, where
    ``J = (I - 1) * stride - low - high + dilation * (K - 1) + output_padding + 1``.

    Raises
    ------
    ShapeError
        If sizes, channels or parameters do not fit together.
    UnsupportedError
        If there is no such algorithm.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.conv_transpose([[1.0, 2.0]], [[[1.0, 10.0, 100.0]]], stride=2)
    array([[  1.,  10., 102.,  20., 200.]])
    >>> tg.conv_transpose([[1.0, 2.0]], [[[1.0, 10.0, 100.0]]], stride=2, output_size=6)
    array([[  1.,  10., 102.,  20., 200.,   0.]])
    """
    w = operand(w)
    n = spatial_axes("conv_transpose", w)
    return _transpose(
        "conv_transpose",
        n,
        x,
        w,
        b,
        stride,
        padding,
        output_padding,
        output_size,
        dilation,
        groups,
        layout,
        algorithm,
    )


@composite(samples=partial(draw_arguments, n=1, transposed=True), reference=_by_taps)
def conv_transpose1d(
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None = None,
    *,
    stride: int | Shape = 1,
    padding: Padding = 0,
    output_padding: int | Shape = 0,
    output_size: int | Shape | None = None,
    dilation: int | Shape = 1,
    groups: int = 1,
    layout: str = "NCW",
    algorithm: str = "auto",
) -> Any:
    """Apply the transpose of a convolution of sequences, as `conv_transpose` does.

    Parameters
    ----------
    x : (N, C_in, W), or (N, W, C_in) with layout "NWC"; without N for a single sequence
    w : (C_in, C_out / groups, K), or (K, C_in, C_out / groups)
    b : (C_out,), optional
    stride, padding, output_padding, output_size, dilation, groups, layout, algorithm
        As for `conv_transpose`.

    Returns
    -------
    (N, C_out, W_out), or (N, W_out, C_out)

    Raises
    ------
    ShapeError, UnsupportedError
        As `conv_transpose`.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.conv_transpose1d([[1.0, 2.0]], [[[1.0, 10.0]]], stride=2)
    array([[ 1., 10.,  2., 20.]])
    """
    return _transpose(
        "conv_transpose1d",
        1,
        x,
        w,
        b,
        stride,
        padding,
        output_padding,
        output_size,
        dilation,
        groups,
        layout,
        algorithm,
    )


@composite(samples=partial(draw_arguments, n=2, transposed=True), reference=_by_taps)
def conv_transpose2d(
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None = None,
    *,
    stride: int | Shape = 1,
    padding: Padding = 0,
    output_padding: int | Shape = 0,
    output_size: int | Shape | None = None,
    dilation: int | Shape = 1,
    groups: int = 1,
    layout: str = "NCHW",
    algorithm: str = "auto",
) -> Any:
    """Apply the transpose of a convolution of images, as `conv_transpose` does.

    Parameters
    ----------
    x : (N, C_in, H, W), or (N, H, W, C_in) with layout "NHWC"; without N for a single image
    w : (C_in, C_out / groups, KH, KW), or (KH, KW, C_in, C_out / groups)
    b : (C_out,), optional
    stride, padding, output_padding, output_size, dilation, groups, layout, algorithm
        As for `conv_transpose`.

    Returns
    -------
    (N, C_out, H_out, W_out), or (N, H_out, W_out, C_out)

    Raises
    ------
    ShapeError, UnsupportedError
        As `conv_transpose`.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> x = np.array([[[1.0, 2.0]]])
    >>> w = np.array([[[[1.0, 10.0, 100.0]]]])
    >>> tg.conv_transpose2d(x, w, stride=(1, 2)).tolist()
    [[[1.0, 10.0, 102.0, 20.0, 200.0]]]
    """
    return _transpose(
        "conv_transpose2d",
        2,
        x,
        w,
        b,
        stride,
        padding,
        output_padding,
        output_size,
        dilation,
        groups,
        layout,
        algorithm,
    )


@composite(samples=partial(draw_arguments, n=3, transposed=True), reference=_by_taps)
def conv_transpose3d(
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None = None,
    *,
    stride: int | Shape = 1,
    padding: Padding = 0,
    output_padding: int | Shape = 0,
    output_size: int | Shape | None = None,
    dilation: int | Shape = 1,
    groups: int = 1,
    layout: str = "NCDHW",
    algorithm: str = "auto",
) -> Any:
    """Apply the transpose of a convolution of volumes, as `conv_transpose` does.

    Parameters
    ----------
    x : (N, C_in, D, H, W), or (N, D, H, W, C_in) with layout "NDHWC"; without N for a single volume
    w : (C_in, C_out / groups, KD, KH, KW), or (KD, KH, KW, C_in, C_out / groups)
    b : (C_out,), optional
    stride, padding, output_padding, output_size, dilation, groups, layout, algorithm
        As for `conv_transpose`.

    Returns
    -------
    (N, C_out, D_out, H_out, W_out), or (N, D_out, H_out, W_out, C_out)

    Raises
    ------
    ShapeError, UnsupportedError
        As `conv_transpose`.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> x, w = np.ones((2, 5, 4, 4, 4)), np.ones((5, 3, 3, 3, 3))
    >>> tg.conv_transpose3d(x, w, stride=(1, 2, 2), padding="same").shape
    (2, 3, 4, 8, 8)
    """
    return _transpose(
        "conv_transpose3d",
        3,
        x,
        w,
        b,
        stride,
        padding,
        output_padding,
        output_size,
        dilation,
        groups,
        layout,
        algorithm,
    )
