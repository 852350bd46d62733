"""Images in any layout, as arrays whose spatial axes are the last ones."""

from typing import Any

import numpy as np

from tensorgrad.conv.layouts import is_channels_last, layouts
from tensorgrad.errors import ShapeError, explain
from tensorgrad.ops.dispatch import operand
from tensorgrad.typing import ArrayLike


def axes_of(parameter: Any) -> int | None:
    """Return how many axes a parameter has a value for each of; None if one value is for all."""
    return len(parameter) if isinstance(parameter, (list, tuple, np.ndarray)) else None


def spatial_last(
    operation: str, x: ArrayLike, layout: str, n: int | None = None
) -> tuple[Any, int]:
    """Return x with its n spatial axes last, and n.

    If neither n nor the layout says how many there are, x has a batch axis.
    """
    x = operand(x)
    if n is None:
        n = next((m for m in (1, 2, 3) if layout in layouts(m)[2:]), x.ndim - 2)
    if layout not in layouts(n):
        raise ShapeError(
            explain(
                operation,
                f"layout is one of {', '.join(map(repr, layouts(n)))}.",
                "Transpose arrays of other layouts.",
                layout=layout,
            )
        )
    if n < 1 or x.ndim not in (n + 1, n + 2):
        n = max(n, 1)
        raise ShapeError(
            explain(
                operation,
                f"x has {n + 2} axes, or {n + 1} without the batch.",
                "Add the axes that are missing with np.expand_dims.",
                x_shape=x.shape,
                layout=layout,
            )
        )
    return (np.moveaxis(x, -1, -1 - n) if is_channels_last(layout) else x), n


def restored(y: Any, layout: str, n: int) -> Any:
    """Return y, whose n spatial axes are last, with its axes in the order of the layout."""
    return np.moveaxis(y, -1 - n, -1) if is_channels_last(layout) else y
