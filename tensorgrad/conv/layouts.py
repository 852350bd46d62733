"""Where channels stand: arguments put into the form of the primitive, and results back.

The primitive has channels before the spatial axes: x is (n, c, *i), and w is (o, c, *k).
"""

from functools import cache
from typing import Any

import numpy as np

from tensorgrad.conv import primitive
from tensorgrad.errors import ShapeError, explain
from tensorgrad.ops.dispatch import operand
from tensorgrad.typing import ArrayLike

# by the number of spatial axes; of more, they have no letters
_SPATIAL = {1: "W", 2: "HW", 3: "DHW"}


@cache
def layouts(n: int) -> tuple[str, ...]:
    """Return the names of the layouts for n spatial axes: channels first, channels last, ...

    >>> layouts(2), layouts(4)
    (('NC*', 'N*C', 'NCHW', 'NHWC'), ('NC*', 'N*C'))
    """
    letters = ["*", _SPATIAL[n]] if n in _SPATIAL else ["*"]
    return tuple(name for axes in letters for name in (f"NC{axes}", f"N{axes}C"))


def spatial_axes(operation: str, w: Any) -> int:
    """Return how many axes of w are spatial: all but those of channels."""
    if w.ndim < 3:
        raise ShapeError(
            explain(
                operation,
                "w has two axes of channels, and at least one that is convolved along.",
                "Use np.matmul where there is none.",
                w_shape=w.shape,
            )
        )
    return w.ndim - 2


def is_channels_last(layout: str) -> bool:
    """Return whether the channels come after the spatial axes."""
    return layout.endswith("C")


def channels_first(
    operation: str, n: int, x: Any, w: Any, layout: str, groups: int, *, transposed: bool
) -> tuple[Any, Any]:
    """Return x as (n, c, *i), with a batch axis, and w as (o, c, *k); transposed as (c, o, *k).

    Raise unless their numbers of axes and of channels fit together.
    """
    if not isinstance(layout, str) or layout not in layouts(n):
        first, last = ("IO*", "*IO") if transposed else ("OI*", "*IO")
        raise ShapeError(
            explain(
                operation,
                f"layout is one of {', '.join(map(repr, layouts(n)))}: channels before the "
                f"spatial axes *, with weights {first}, or after them, with weights {last}.",
                "Transpose arrays of other layouts.",
                layout=layout,
            )
        )
    if x.ndim not in (n + 1, n + 2) or w.ndim != n + 2:
        raise ShapeError(
            explain(
                operation,
                f"x has {n + 2} axes, or {n + 1} without the batch, and w has {n + 2}.",
                "Add the axes that are missing with np.expand_dims.",
                x_shape=x.shape,
                w_shape=w.shape,
                layout=layout,
            )
        )
    if x.ndim == n + 1:
        x = np.expand_dims(x, 0)
    if is_channels_last(layout):
        x = np.moveaxis(x, -1, 1)
        # (*k, c, o): transposed or not, the input channels come first
        w = np.transpose(w, (n, n + 1, *range(n)) if transposed else (n + 1, n, *range(n)))
    needed = w.shape[0] if transposed else w.shape[1] * groups
    if x.shape[1] != needed or w.shape[0] % groups:
        one, other = ("input", "output") if transposed else ("output", "input")
        raise ShapeError(
            explain(
                operation,
                f"w is for ({one} channels, {other} channels of one group); the former divide by "
                "groups.",
                "Check groups, and that x and w follow the layout.",
                input_channels=x.shape[1],
                needed=needed,
                channels_of_w=w.shape[:2],
                groups=groups,
                layout=layout,
            )
        )
    return x, w


def apply(
    operation: str,
    x: Any,
    w: Any,
    b: ArrayLike | None,
    layout: str,
    params: dict[str, Any],
    *,
    single: bool,
) -> Any:
    """Convolve with the primitive, and put the result into the layout; single without the batch."""
    if b is None:
        y = primitive.conv(x, w, **params)
    else:
        b = operand(b)
        if b.shape != w.shape[:1]:
            raise ShapeError(
                explain(
                    operation,
                    "b has one entry for each output channel.",
                    "Pass b=None for no bias.",
                    b_shape=b.shape,
                    output_channels=w.shape[0],
                )
            )
        y = primitive.conv_bias(x, w, b, **params)
    if is_channels_last(layout):
        y = np.moveaxis(y, 1, -1)
    return np.squeeze(y, 0) if single else y
