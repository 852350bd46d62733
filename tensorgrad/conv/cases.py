"""The cases that the laws try the public convolutions on."""

from tensorgrad.conv.geometry import Pads, dilated, explicit_pads, per_axis
from tensorgrad.conv.layouts import is_channels_last, layouts
from tensorgrad.conv.primitive import padded_side
from tensorgrad.engine.primitive import Case
from tensorgrad.typing import Draw, Shape

_MODES = ("zeros", "zeros", "zeros", "reflect", "replicate", "edge", "circular")


def draw_arguments(draw: Draw, n: int | None, *, transposed: bool) -> Case:
    """Draw a convolution of n axes, or of some number of them, near where rules go wrong.

    Strides leave remainders; parameters differ between the axes; channels are often equal in
    number; kernels reach the size of the padded input; the batch may be empty, or missing.
    """
    names = slice(None) if n is None else slice(2, None)  # those with letters
    n = draw.choice([2, 1, 4]) if n is None else n
    most = 3 if n < 3 else 2  # of many axes, each is short
    groups, c = draw.choice([1, 2, 3][:most]), draw.integer(1, most - 1)
    o = draw.choice([c, 1, 2])  # a mistake in the order of channels is silent where they agree
    kernel = _each(draw, n, 1, most)
    stride = draw.choice([1, 2, *(_each(draw, n, 1, most) for _ in range(4))])
    dilation = draw.choice([1, 2, *(_each(draw, n, 1, most) for _ in range(2))])
    pairs = tuple(zip(_each(draw, n, 0, 1), _each(draw, n, 1, 2), strict=True))
    paddings = [0, 1, _each(draw, n, 0, 1), pairs, "same", "valid"]
    if not transposed:
        paddings += [_each(draw, n, -1, most), "full", *(["causal"] if n == 1 else [])]
    params = {
        "stride": stride,
        "padding": draw.choice(paddings),
        "dilation": dilation,
        "groups": groups,
        "layout": draw.choice(layouts(n)[names]),
        "algorithm": draw.choice(["auto", "direct"]),
    }
    padding = 0 if isinstance(params["padding"], str) else params["padding"]
    strides, dilations = per_axis("", "", stride, n), per_axis("", "", dilation, n)
    pads, spans = explicit_pads("", padding, n), tuple(map(dilated, kernel, dilations))
    if transposed:
        # of a side i, (i - 1) s + k' - low - high entries remain
        least = (
            max(-(-(sum(p) + 1 - span) // s) + 1, 1)
            for p, span, s in zip(pads, spans, strides, strict=True)
        )
        sides = tuple(i + draw.integer(0, 1) for i in least)
        if params["padding"] != "same" and draw.boolean():
            params["output_padding"] = tuple(
                draw.integer(0, max(s, d) - 1) for s, d in zip(strides, dilations, strict=True)
            )
    else:
        sides = sides_met(draw, spans, strides, pads)
        params["padding_mode"] = draw.choice(_MODES)
    x_channels, w_channels = (groups * c,), (groups * c, o) if transposed else (groups * o, c)
    batch = draw.choice([(), (1,), (2,), (2,), (0,)])
    if is_channels_last(params["layout"]):
        x_shape = batch + sides + x_channels
        w_shape = kernel + (w_channels if transposed else w_channels[::-1])
    else:
        x_shape = batch + x_channels + sides
        w_shape = w_channels + kernel
    bias = (draw.array((groups * o,)),) if draw.boolean() else ()
    return (draw.array(x_shape), draw.array(w_shape), *bias), params


def _each(draw: Draw, n: int, low: int, high: int) -> Shape:
    return tuple(draw.integer(low, high) for _ in range(n))


def sides_met(draw: Draw, spans: Shape, strides: Shape, pads: Pads) -> Shape:
    """Draw sides that, padded, the kernel fits into."""
    many = len(spans) > 2
    padded = (
        span + draw.integer(0, s) if many else padded_side(draw, span, s)
        for span, s in zip(spans, strides, strict=True)
    )
    return tuple(max(side - sum(p), 1) for side, p in zip(padded, pads, strict=True))
