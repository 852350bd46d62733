"""The public convolutions: arguments checked, and put into the form of the primitive."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from tensorgrad.conv.geometry import (
    dilated,
    explicit_pads,
    pads_for,
    per_axis,
    positive_integer,
    require_fit,
)
from tensorgrad.conv.primitive import conv, padded_side, transposed_kernel
from tensorgrad.engine.declare import composite
from tensorgrad.engine.primitive import Case
from tensorgrad.errors import ShapeError, explain
from tensorgrad.ops.dispatch import operand
from tensorgrad.typing import ArrayLike, Draw, Shape

Padding: TypeAlias = int | str | Sequence[int] | Sequence[tuple[int, int]]
LAYOUTS = ("NCHW", "NHWC")
# HWIO -> OIHW, and for the transposed convolution HWIO -> IOHW
_WEIGHTS_FIRST = {"conv2d": (3, 2, 0, 1), "conv_transpose2d": (2, 3, 0, 1)}


def _channels_first(operation: str, x: Any, w: Any, layout: str) -> tuple[Any, Any]:
    """Return x as (n, c, h, w), with a batch axis, and w with its channels first."""
    if layout not in LAYOUTS:
        raise ShapeError(
            explain(
                operation,
                "layout is 'NCHW' (weights OIHW) or 'NHWC' (weights HWIO).",
                "Transpose arrays of other layouts.",
                layout=layout,
            )
        )
    if x.ndim not in (3, 4) or w.ndim != 4:
        raise ShapeError(
            explain(
                operation,
                "x has the axes of its layout, with or without the batch, and w has four.",
                "Add the axes that are missing with np.expand_dims.",
                x_shape=x.shape,
                w_shape=w.shape,
                layout=layout,
            )
        )
    if x.ndim == 3:
        x = np.expand_dims(x, 0)
    if layout == "NHWC":
        x = np.moveaxis(x, -1, 1)
        w = np.transpose(w, _WEIGHTS_FIRST[operation])
    return x, w


def _finish(operation: str, y: Any, b: Any, layout: str, single: bool) -> Any:
    """Add the bias, and put the result into the layout of the input."""
    if b is not None:
        b = operand(b)
        if b.shape != (y.shape[1],):
            raise ShapeError(
                explain(
                    operation,
                    "b has one entry for each output channel.",
                    "Pass b=None for no bias.",
                    b_shape=b.shape,
                    output_channels=y.shape[1],
                )
            )
        y = y + np.reshape(b, (-1, 1, 1))
    if layout == "NHWC":
        y = np.moveaxis(y, 1, -1)
    return np.squeeze(y, 0) if single else y


def _require_channels(
    operation: str, groups: int, x: Any, w: Any, needed: int, rule: str, layout: str
) -> None:
    """Raise unless x, with its channels second, has the channels that w needs."""
    if x.shape[1] != needed or w.shape[0] % groups:
        raise ShapeError(
            explain(
                operation,
                rule,
                "Check groups, and that x and w follow the layout.",
                input_channels=x.shape[1],
                needed=needed,
                channels_of_w=w.shape[:2],
                groups=groups,
                layout=layout,
            )
        )


def _conv2d(
    apply: Callable[..., Any],
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None = None,
    *,
    stride: int | Shape = 1,
    padding: Padding = 0,
    dilation: int | Shape = 1,
    groups: int = 1,
    layout: str = "NCHW",
) -> Any:
    x, w = operand(x), operand(w)
    single = x.ndim == 3
    x, w = _channels_first("conv2d", x, w, layout)
    strides = per_axis("conv2d", "stride", stride, 2)
    dilations = per_axis("conv2d", "dilation", dilation, 2)
    groups = positive_integer("conv2d", "groups", groups)
    rule = "w is for (output channels, input channels of one group); the former divide by groups."
    _require_channels("conv2d", groups, x, w, w.shape[1] * groups, rule, layout)
    pads = pads_for("conv2d", padding, x.shape[2:], w.shape[2:], strides, dilations)
    require_fit("conv2d", x.shape[2:], w.shape[2:], pads, dilations)
    y = apply(
        x,
        w,
        stride=strides,
        padding=pads,
        input_dilation=(1, 1),
        dilation=dilations,
        groups=groups,
    )
    return _finish("conv2d", y, b, layout, single)


def _draw_arguments(draw: Draw, transposed: bool) -> Case:
    groups, c = draw.choice([1, 2, 3]), draw.integer(1, 2)
    o = draw.choice([c, 1, 2])  # a mistake in the order of channels is silent where they agree
    kernel = (draw.integer(1, 3), draw.integer(1, 3))
    dilation = draw.choice([(1, 1), (2, 2), (1, 2), (3, 1)])
    stride = draw.choice([1, 2, (3, 2), (1, 3), (2, 3)])
    pads = [0, 1, (1, 0), ((0, 1), (1, 2)), "same", "valid"]
    padding = draw.choice(pads + ([] if transposed else [(2, 3), "full"]))
    spans = tuple(map(dilated, kernel, dilation))
    if transposed:  # sides that even at stride 1 the padding leaves something of
        sides = tuple(4 + draw.integer(0, 2) for _ in spans)
    else:
        known = explicit_pads("conv2d", 0 if isinstance(padding, str) else padding, 2)
        sides = tuple(
            max(padded_side(draw, span, s) - low - high, 1)
            for span, s, (low, high) in zip(
                spans, per_axis("conv2d", "stride", stride, 2), known, strict=True
            )
        )
    layout = draw.choice(LAYOUTS)
    batch = draw.choice([(), (1,), (2,), (2,), (0,)])
    x_channels = (groups * c,)
    if layout == "NCHW":
        x_shape = batch + x_channels + sides
        w_shape = ((groups * c, o) if transposed else (groups * o, c)) + kernel
    else:
        x_shape = batch + sides + x_channels
        w_shape = kernel + ((groups * c, o) if transposed else (c, groups * o))
    bias = (draw.array((groups * o,)),) if draw.boolean() else ()
    return (draw.array(x_shape), draw.array(w_shape), *bias), {
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
        "layout": layout,
    }


@composite(
    name="conv2d",
    samples=partial(_draw_arguments, transposed=False),
    reference=partial(_conv2d, partial(conv, algorithm="taps")),
)
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
) -> Any:
    """Convolve images with kernels: the cross-correlation that deep-learning libraries call so.

    ``y[n, o, i, j] = b[o] + sum over c, k, l of x[n, c, s i + d k, s j + d l] * w[o, c, k, l]``,
    with x padded by zeros. Its gradients are convolutions again: by x that of the padded output
    gradient with the mirrored kernel, its channels exchanged; by w that of x with the output
    gradient.

    Parameters
    ----------
    x : (N, C_in, H, W), or (N, H, W, C_in) with layout "NHWC"; without N for a single image
    w : (C_out, C_in / groups, KH, KW), or (KH, KW, C_in / groups, C_out)
    b : (C_out,), optional
    stride, dilation
        Positive integers: one, or one for each axis.
    padding
        The zeros at each border: one integer; one for each axis; one pair (low, high) for each
        axis, negative to crop; "valid" for none; "same" so that H_out = ceil(H / stride), an odd
        zero going to the high side; "full" for dilation * (K - 1), so that every overlap counts.
    groups
        The number of groups of channels that do not mix.
    layout
        "NCHW" or "NHWC", for x, w and the result.

    Returns
    -------
    (N, C_out, H_out, W_out), or (N, H_out, W_out, C_out): an array given arrays, a Tensor given a
    Tensor, where
    ``H_out = floor((H + low + high - dilation * (KH - 1) - 1) / stride) + 1``.

    Raises
    ------
    ShapeError
        If sizes, channels or parameters do not fit together.

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
    return _conv2d(
        partial(conv, algorithm="auto"),
        x,
        w,
        b,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        layout=layout,
    )


def _transposed_crop(padding: Padding, spans: Shape, strides: Shape) -> tuple[tuple[int, int], ...]:
    """Return what the padding of the convolution, of which this is the transpose, crops here."""
    if not isinstance(padding, str):
        return explicit_pads("conv_transpose2d", padding, len(spans))
    if padding == "valid":
        return ((0, 0),) * len(spans)
    if padding == "full":
        return tuple((span - 1, span - 1) for span in spans)
    if padding == "same":  # the result has s entries for each of the input
        lows = [max(span - s, 0) // 2 for span, s in zip(spans, strides, strict=True)]
        return tuple(
            (low, span - s - low) for low, span, s in zip(lows, spans, strides, strict=True)
        )
    return explicit_pads("conv_transpose2d", padding, len(spans))


def _conv_transpose2d(
    apply: Callable[..., Any],
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None = None,
    *,
    stride: int | Shape = 1,
    padding: Padding = 0,
    output_padding: int | Shape = 0,
    dilation: int | Shape = 1,
    groups: int = 1,
    layout: str = "NCHW",
) -> Any:
    name = "conv_transpose2d"
    x, w = operand(x), operand(w)
    single = x.ndim == 3
    x, w = _channels_first(name, x, w, layout)
    strides = per_axis(name, "stride", stride, 2)
    dilations = per_axis(name, "dilation", dilation, 2)
    extra = per_axis(name, "output_padding", output_padding, 2, least=0)
    groups = positive_integer(name, "groups", groups)
    rule = "w is for (input channels, output channels of one group); the former divide by groups."
    _require_channels(name, groups, x, w, w.shape[0], rule, layout)
    if any(e >= max(s, d) for e, s, d in zip(extra, strides, dilations, strict=True)):
        raise ShapeError(
            explain(
                name,
                "output_padding is smaller than the stride or the dilation.",
                "Pass output_padding=0, or pad the result.",
                output_padding=output_padding,
                stride=stride,
                dilation=dilation,
            )
        )
    spans = tuple(map(dilated, w.shape[2:], dilations))
    crops = _transposed_crop(padding, spans, strides)
    sides = tuple(
        (i - 1) * s + span - low - high + e
        for i, s, span, (low, high), e in zip(
            x.shape[2:], strides, spans, crops, extra, strict=True
        )
    )
    if min(sides) < 1 or min(spans) < 1 or min(x.shape[2:]) < 1:
        raise ShapeError(
            explain(
                name,
                "Each side of the result, (i - 1) * stride + dilation * (k - 1) + 1 - low - high "
                "+ output_padding, must be positive.",
                "Use less padding.",
                x_shape=x.shape,
                w_shape=w.shape,
                padding=crops,
                sides=sides,
            )
        )
    y = apply(
        x,
        transposed_kernel(w, groups),
        stride=(1, 1),
        padding=tuple(
            (span - 1 - low, span - 1 - high + e)
            for span, (low, high), e in zip(spans, crops, extra, strict=True)
        ),
        input_dilation=strides,
        dilation=dilations,
        groups=groups,
    )
    return _finish(name, y, b, layout, single)


@composite(
    name="conv_transpose2d",
    samples=partial(_draw_arguments, transposed=True),
    reference=partial(_conv_transpose2d, partial(conv, algorithm="taps")),
)
def conv_transpose2d(
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None = None,
    *,
    stride: int | Shape = 1,
    padding: Padding = 0,
    output_padding: int | Shape = 0,
    dilation: int | Shape = 1,
    groups: int = 1,
    layout: str = "NCHW",
) -> Any:
    """Apply the transpose of a convolution, as a map from its output to its input.

    Every entry of x puts a kernel, times its value, into the result, ``stride`` entries apart:
    ``y[n, o, s i + d k, s j + d l] += x[n, c, i, j] * w[c, o, k, l]``; ``padding`` is cropped.

    Parameters
    ----------
    x : (N, C_in, H, W), or (N, H, W, C_in) with layout "NHWC"; without N for a single image
    w : (C_in, C_out / groups, KH, KW), or (KH, KW, C_in, C_out / groups)
    b : (C_out,), optional
    stride, dilation, groups, layout
        As for `conv2d`.
    padding
        The padding of the convolution whose transpose this is, cropped from the result: as for
        `conv2d`; "same" makes H_out = H * stride.
    output_padding
        Entries added at the high side, where several inputs of a strided convolution give the same
        output: less than the stride or the dilation.

    Returns
    -------
    (N, C_out, H_out, W_out), or (N, H_out, W_out, C_out): an array given arrays, a Tensor given a
    Tensor, where
    ``H_out = (H - 1) * stride - low - high + dilation * (KH - 1) + output_padding + 1``.

    Raises
    ------
    ShapeError
        If sizes, channels or parameters do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> x = np.array([[[1.0, 2.0]]])
    >>> w = np.array([[[[1.0, 10.0, 100.0]]]])
    >>> tg.conv_transpose2d(x, w, stride=(1, 2)).tolist()
    [[[1.0, 10.0, 102.0, 20.0, 200.0]]]
    """
    return _conv_transpose2d(
        partial(conv, algorithm="auto"),
        x,
        w,
        b,
        stride=stride,
        padding=padding,
        output_padding=output_padding,
        dilation=dilation,
        groups=groups,
        layout=layout,
    )
