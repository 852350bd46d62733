"""Layouts of images: where the axes of batch, channels and space are."""

from typing import Any

import numpy as np

from tensorgrad.errors import ShapeError, explain
from tensorgrad.ops.dispatch import operand
from tensorgrad.typing import ArrayLike

# of one, two and three spatial axes, with the channels first and last
LAYOUTS = (("NCW", "NWC"), ("NCHW", "NHWC"), ("NCDHW", "NDHWC"))


def spatial_last(
    operation: str, x: ArrayLike, layout: str | None, n: int | None = None
) -> tuple[Any, int]:
    """Return x with its n spatial axes last, and n.

    Without a layout, all axes but the first two, of batch and channels, are spatial. With one, the
    batch axis may be missing.
    """
    x = operand(x)
    known = LAYOUTS if n is None else LAYOUTS[n - 1 : n]
    if layout is not None and not any(layout in names for names in known):
        raise ShapeError(
            explain(
                operation,
                f"layout is one of {', '.join(name for names in known for name in names)}.",
                "Transpose arrays of other layouts.",
                layout=layout,
            )
        )
    axes = x.ndim - 2 if layout is None else len(layout) - 2
    if axes < 1 or x.ndim not in (axes + 1, axes + 2):
        rule = "x has the axes of its layout, with or without the batch."
        if layout is None:
            rule = "Without a layout, x has the axes of batch and channels, and then spatial ones."
        raise ShapeError(
            explain(
                operation,
                rule,
                "Name the layout, or add axes with np.expand_dims.",
                x_shape=x.shape,
                layout=layout,
            )
        )
    return (np.moveaxis(x, -1, -1 - axes) if channels_last(layout) else x), axes


def channels_last(layout: str | None) -> bool:
    """Return whether the channels are the last axis."""
    return layout is not None and layout.endswith("C")


def restored(y: Any, layout: str | None, n: int) -> Any:
    """Return y, whose n spatial axes are last, with its axes in the order of the layout."""
    return np.moveaxis(y, -1 - n, -1) if channels_last(layout) else y
