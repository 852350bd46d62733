"""Where channels stand: arguments put into the form of the primitive, and results back.

The primitive has channels before the spatial axes: x is (n, c, *i), and w is (o, c, *k).
"""

from functools import cache
from typing import Any

import numpy as np

from tensorgrad.errors import ShapeError, explain
from tensorgrad.typing import Shape

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


def shapes_first(
    operation: str,
    n: int,
    x_shape: Shape,
    w_shape: Shape,
    layout: str,
    groups: int,
    *,
    transposed: bool,
) -> tuple[Shape, Shape]:
    """Return the shapes of what `channels_first` returns, if axes and channels fit together."""
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
    if len(x_shape) not in (n + 1, n + 2) or len(w_shape) != n + 2:
        raise ShapeError(
            explain(
                operation,
                f"x has {n + 2} axes, or {n + 1} without the batch, and w has {n + 2}.",
                "Add the axes that are missing with np.expand_dims.",
                x_shape=x_shape,
                w_shape=w_shape,
                layout=layout,
            )
        )
    if len(x_shape) == n + 1:
        x_shape = (1, *x_shape)
    if is_channels_last(layout):
        x_shape = (x_shape[0], x_shape[-1], *x_shape[1:-1])
        w_shape = tuple(w_shape[axis] for axis in _kernel_axes(n, transposed=transposed))
    needed = w_shape[0] if transposed else w_shape[1] * groups
    if x_shape[1] != needed or w_shape[0] % groups:
        one, other = ("input", "output") if transposed else ("output", "input")
        raise ShapeError(
            explain(
                operation,
                f"w is for ({one} channels, {other} channels of one group); the former divide by "
                "groups.",
                "Check groups, and that x and w follow the layout.",
                input_channels=x_shape[1],
                needed=needed,
                channels_of_w=w_shape[:2],
                groups=groups,
                layout=layout,
            )
        )
    return x_shape, w_shape


def _kernel_axes(n: int, *, transposed: bool) -> Shape:
    """Return the axes of a kernel with channels last, the channels first."""
    # (*k, c, o): transposed or not, the input channels come first
    return (n, n + 1, *range(n)) if transposed else (n + 1, n, *range(n))


def channels_first(x: Any, w: Any, layout: str, *, transposed: bool) -> tuple[Any, Any]:
    """Return x as (n, c, *i), with a batch axis, and w as (o, c, *k); transposed as (c, o, *k)."""
    if x.ndim < w.ndim:
        x = np.expand_dims(x, 0)
    if is_channels_last(layout):
        x = np.moveaxis(x, -1, 1)
        w = np.transpose(w, _kernel_axes(w.ndim - 2, transposed=transposed))
    return x, w


def restored(y: Any, layout: str, *, single: bool) -> Any:
    """Return a result (n, o, *j) in the layout; single without the batch."""
    if is_channels_last(layout):
        y = np.moveaxis(y, 1, -1)
    return np.squeeze(y, 0) if single else y


def require_bias(operation: str, b_shape: Shape, channels: int) -> None:
    """Raise unless a bias of this shape is for so many output channels."""
    if b_shape != (channels,):
        raise ShapeError(
            explain(
                operation,
                "b has one entry for each output channel.",
                "Pass b=None for no bias.",
                b_shape=b_shape,
                output_channels=channels,
            )
        )
