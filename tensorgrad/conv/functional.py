"""The public convolutions: arguments checked, and put into the form of the primitive."""

from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np

from tensorgrad.conv import primitive
from tensorgrad.conv.cases import draw_arguments
from tensorgrad.conv.choose import require_algorithm
from tensorgrad.conv.geometry import (
    Geometry,
    Padding,
    Pads,
    pads_for,
    per_axis,
    positive_integer,
    require_fit,
)
from tensorgrad.conv.layouts import (
    channels_first,
    is_channels_last,
    require_bias,
    restored,
    shapes_first,
    spatial_axes,
)
from tensorgrad.engine.declare import composite
from tensorgrad.errors import ShapeError, explain
from tensorgrad.ops.dispatch import operand
from tensorgrad.typing import ArrayLike, Shape

# what np.pad calls the ways to go on beyond the border
_MODES = {"reflect": "reflect", "replicate": "edge", "edge": "edge", "circular": "wrap"}


class _Call(NamedTuple):
    """What the arguments of a convolution ask for."""

    params: dict[str, Any]  # of the primitive
    pads: Pads
    single: bool  # whether x is without the batch
    extended: bool  # whether it goes on beyond its border in another way than by zeros
    plain: bool  # whether the primitive takes the arrays as they are


def _read(
    operation: str,
    n: int,
    x_shape: Shape,
    w_shape: Shape,
    b_shape: Shape | None,
    stride: int | Shape,
    padding: Padding,
    dilation: int | Shape,
    groups: int,
    layout: str,
    padding_mode: str,
    algorithm: str,
) -> _Call:
    """Return what the arguments ask for, if they fit together."""
    groups = positive_integer(operation, "groups", groups)
    single = len(x_shape) == n + 1
    x_shape, w_shape = shapes_first(
        operation, n, x_shape, w_shape, layout, groups, transposed=False
    )
    sides, kernel = x_shape[2:], w_shape[2:]
    strides = per_axis(operation, "stride", stride, n)
    dilations = per_axis(operation, "dilation", dilation, n)
    require_algorithm(operation, algorithm)
    pads = pads_for(operation, padding, sides, kernel, strides, dilations)
    require_fit(operation, sides, kernel, pads, dilations)
    if b_shape is not None:
        require_bias(operation, b_shape, w_shape[0])
    extended = not (isinstance(padding_mode, str) and padding_mode == "zeros")
    zeros = ((0, 0),) * n if extended else pads
    geometry = Geometry(strides, zeros, (1,) * n, dilations, groups)
    params = {"geometry": geometry, "algorithm": algorithm}
    plain = not (extended or single or is_channels_last(layout))
    return _Call(params, pads, single, extended, plain)


_USUAL = frozenset({int, str})  # types of settings
_read_before = lru_cache(maxsize=4096)(_read)


def _convolve(
    operation: str,
    n: int,
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None,
    stride: int | Shape,
    padding: Padding,
    dilation: int | Shape,
    groups: int,
    layout: str,
    padding_mode: str,
    algorithm: str,
) -> Any:
    """Convolve along n axes."""
    x, w = operand(x), operand(w)
    b = None if b is None else operand(b)
    shapes = x.shape, w.shape, None if b is None else b.shape
    settings: Any = stride, padding, dilation, groups, layout, padding_mode, algorithm
    # as nearly always; what else equals one of these, as True does, is to be refused
    usual = _USUAL.issuperset(map(type, settings))
    read = _read_before if usual else _read
    params, pads, single, extended, plain = read(operation, n, *shapes, *settings)
    if not plain:
        x, w = channels_first(x, w, layout, transposed=False)
        if extended:
            x = beyond_border(operation, x, pads, padding_mode)
    y = primitive.conv(x, w, **params) if b is None else primitive.conv_bias(x, w, b, **params)
    return y if plain else restored(y, layout, single=single)


def beyond_border(operation: str, x: Any, pads: Pads, mode: str) -> Any:
    """Return x from -low to i + high along each axis, as it goes on beyond its border."""
    if not isinstance(mode, str) or mode not in _MODES:
        raise ShapeError(
            explain(
                operation,
                f"padding_mode is one of 'zeros', {', '.join(map(repr, _MODES))}.",
                "Pad x with np.pad in other modes.",
                padding_mode=mode,
            )
        )
    if 0 in x.shape[2:]:
        raise ShapeError(
            explain(
                operation,
                "A side without entries has none to put beyond its border.",
                "Pass padding_mode='zeros'.",
                input_size=x.shape[2:],
                padding_mode=mode,
            )
        )
    widths = [(max(low, 0), max(high, 0)) for low, high in pads]
    if any(map(any, widths)):
        x = np.pad(x, [(0, 0), (0, 0), *widths], _MODES[mode])  # type: ignore[call-overload]
    cropped = tuple(
        slice(max(-low, 0), side - max(-high, 0))
        for (low, high), side in zip(pads, x.shape[2:], strict=True)
    )
    return x[(..., *cropped)] if any(low < 0 or high < 0 for low, high in pads) else x


def _by_taps(*args: Any, **params: Any) -> Any:
    """Compute any of them in the plainest way."""
    return conv(*args, **{**params, "algorithm": "taps"})


@composite(
    name="conv_nd", samples=partial(draw_arguments, n=None, transposed=False), reference=_by_taps
)
def conv(
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None = None,
    *,
    stride: int | Shape = 1,
    padding: Padding = 0,
    dilation: int | Shape = 1,
    groups: int = 1,
    layout: str = "NC*",
    padding_mode: str = "zeros",
    algorithm: str = "auto",
) -> Any:
    r"""Convolve along any number of axes: the cross-correlation that deep learning calls so.

    ``y[n, o, j] = b[o] + sum over c, k of x[n, c, s j + d k - low] * w[o, c, k]``, where j and k
    are places along all spatial axes, and x goes on beyond its border as ``padding_mode`` says. Its
    gradients are convolutions again: by x that of the padded output gradient with the mirrored
    kernel, its channels exchanged; by w that of x with the output gradient.

    Parameters
    ----------
    x : (N, C_in, \*I), or (N, \*I, C_in) with channels last; without N for a single example
    w : (C_out, C_in / groups, \*K), or (\*K, C_in / groups, C_out)
        As many spatial axes as w has are convolved.
    b : (C_out,), optional
    stride, dilation
        Positive integers: one, or one for each axis.
    padding
        The entries beyond each border that count: one integer; one for each axis; one pair
        (low, high) for each axis, negative to crop; or by name

        - "valid": none;
        - "same": so many that J = ceil(I / stride), an odd one at the high side;
        - "full": dilation * (K - 1) at both sides, so that every overlap counts;
        - "causal", along a single axis: these at the low side alone, so that no result sees what
          comes later.
    groups
        The number of groups of channels that do not mix.
    layout
        "NC*" or "N*C", for x, w and the result; or with letters for up to three axes: "NCW",
        "NWC", "NCHW", "NHWC", "NCDHW", "NDHWC".
    padding_mode
        What stands beyond the border: "zeros"; the entries "reflect"-ed in the first and the last
        one; the nearest entry with "replicate", or "edge"; the next period with "circular". They
        go on as far as padding asks for.
    algorithm
        How it is computed, and its derivatives: "auto" for the fastest, "direct" for nothing but
        products and sums of entries that meet, or the name of an algorithm.

    Returns
    -------
    (N, C_out, \*J), or (N, \*J, C_out): an array given arrays, a Tensor given a Tensor, where
    ``J = floor((I + low + high - dilation * (K - 1) - 1) / stride) + 1``.

    Raises
    ------
    ShapeError
        If sizes, channels or parameters do not fit together.
    UnsupportedError
        If there is no such algorithm.

    See Also
    --------
    conv_transpose : its transpose, as a map of x.
    conv_output_size : the size of the result.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> x = np.arange(16.0).reshape(1, 1, 2, 2, 2, 2)
    >>> tg.conv(x, np.ones((3, 1, 2, 2, 2, 2))).shape  # four axes, all of them met at once
    (1, 3, 1, 1, 1, 1)
    >>> tg.conv([[1.0, 2.0, 4.0]], [[[1.0, 1.0]]], padding="same", padding_mode="circular")
    array([[3., 6., 5.]])
    """
    w = operand(w)
    n = spatial_axes("conv", w)
    return _convolve(
        "conv",
        n,
        x,
        w,
        b,
        stride,
        padding,
        dilation,
        groups,
        layout,
        padding_mode,
        algorithm,
    )


@composite(samples=partial(draw_arguments, n=1, transposed=False), reference=_by_taps)
def conv1d(
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None = None,
    *,
    stride: int | Shape = 1,
    padding: Padding = 0,
    dilation: int | Shape = 1,
    groups: int = 1,
    layout: str = "NCW",
    padding_mode: str = "zeros",
    algorithm: str = "auto",
) -> Any:
    """Convolve sequences with kernels, as `conv` does along one axis.

    Parameters
    ----------
    x : (N, C_in, W), or (N, W, C_in) with layout "NWC"; without N for a single sequence
    w : (C_out, C_in / groups, K), or (K, C_in / groups, C_out)
    b : (C_out,), optional
    stride, padding, dilation, groups, layout, padding_mode, algorithm
        As for `conv`. With padding "causal" no result sees what comes later.

    Returns
    -------
    (N, C_out, W_out), or (N, W_out, C_out)

    Raises
    ------
    ShapeError, UnsupportedError
        As `conv`.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.conv1d([[1.0, 2.0, 4.0, 8.0]], [[[10.0, 1.0]]], padding="causal")
    array([[ 1., 12., 24., 48.]])
    """
    return _convolve(
        "conv1d",
        1,
        x,
        w,
        b,
        stride,
        padding,
        dilation,
        groups,
        layout,
        padding_mode,
        algorithm,
    )


@composite(samples=partial(draw_arguments, n=2, transposed=False), reference=_by_taps)
def conv2d(
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None = None,
    *,
    stride: int | Shape = 1,
    padding: Padding = 0,
    dilation: int | Shape = 1,
    groups: int = 1,
    layout: str = "NCHW",
    padding_mode: str = "zeros",
    algorithm: str = "auto",
) -> Any:
    """Convolve images with kernels: the cross-correlation that deep-learning libraries call so.

    ``y[n, o, i, j] = b[o] + sum over c, k, l of x[n, c, s i + d k, s j + d l] * w[o, c, k, l]``,
    with x padded. Its gradients are convolutions again: by x that of the padded output gradient
    with the mirrored kernel, its channels exchanged; by w that of x with the output gradient.

    Parameters
    ----------
    x : (N, C_in, H, W), or (N, H, W, C_in) with layout "NHWC"; without N for a single image
    w : (C_out, C_in / groups, KH, KW), or (KH, KW, C_in / groups, C_out)
    b : (C_out,), optional
    stride, dilation
        Positive integers: one, or one for each axis.
    padding
        The entries beyond each border that count: one integer; one for each axis; one pair
        (low, high) for each axis, negative to crop; "valid" for none; "same" so that
        H_out = ceil(H / stride), an odd one going to the high side; "full" for
        dilation * (K - 1), so that every overlap counts.
    groups
        The number of groups of channels that do not mix.
    layout
        "NCHW" or "NHWC", for x, w and the result.
    padding_mode
        What stands beyond the border: "zeros", "reflect", "replicate" (or "edge"), "circular".
    algorithm
        "auto" for the fastest, "direct" for nothing but products and sums of entries that meet, or
        the name of an algorithm.

    Returns
    -------
    (N, C_out, H_out, W_out), or (N, H_out, W_out, C_out): an array given arrays, a Tensor given a
    Tensor, where
    ``H_out = floor((H + low + high - dilation * (KH - 1) - 1) / stride) + 1``.

    Raises
    ------
    ShapeError
        If sizes, channels or parameters do not fit together.
    UnsupportedError
        If there is no such algorithm.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> x = tg.tensor(np.arange(16.0).reshape(1, 1, 4, 4), requires_grad=True)
    >>> w = np.ones((1, 1, 2, 2))
    >>> y = tg.conv2d(x, w, stride=2)
    >>> y.numpy()[0, 0].tolist()
    [[10.0, 18.0], [42.0, 50.0]]
    >>> y.sum().backward()
    >>> x.grad.shape
    (1, 1, 4, 4)
    """
    return _convolve(
        "conv2d",
        2,
        x,
        w,
        b,
        stride,
        padding,
        dilation,
        groups,
        layout,
        padding_mode,
        algorithm,
    )


@composite(samples=partial(draw_arguments, n=3, transposed=False), reference=_by_taps)
def conv3d(
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None = None,
    *,
    stride: int | Shape = 1,
    padding: Padding = 0,
    dilation: int | Shape = 1,
    groups: int = 1,
    layout: str = "NCDHW",
    padding_mode: str = "zeros",
    algorithm: str = "auto",
) -> Any:
    """Convolve volumes with kernels, as `conv` does along three axes.

    Parameters
    ----------
    x : (N, C_in, D, H, W), or (N, D, H, W, C_in) with layout "NDHWC"; without N for one volume
    w : (C_out, C_in / groups, KD, KH, KW), or (KD, KH, KW, C_in / groups, C_out)
    b : (C_out,), optional
    stride, padding, dilation, groups, layout, padding_mode, algorithm
        As for `conv`.

    Returns
    -------
    (N, C_out, D_out, H_out, W_out), or (N, D_out, H_out, W_out, C_out)

    Raises
    ------
    ShapeError, UnsupportedError
        As `conv`.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> x = np.ones((2, 3, 4, 8, 8))
    >>> tg.conv3d(x, np.ones((5, 3, 3, 3, 3)), stride=(1, 2, 2), padding="same").shape
    (2, 5, 4, 4, 4)
    """
    return _convolve(
        "conv3d",
        3,
        x,
        w,
        b,
        stride,
        padding,
        dilation,
        groups,
        layout,
        padding_mode,
        algorithm,
    )
