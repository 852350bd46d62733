"""The arithmetic of sizes: what stride, padding and dilation mean, and whether they fit.

Letters: ``i`` input side, ``k`` kernel side, ``o`` output side, ``s`` stride, ``d`` dilation,
``a`` input dilation (``a - 1`` zeros between entries of the input), ``(low, high)`` padding,
negative where it crops.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tensorgrad.errors import ShapeError, explain
from tensorgrad.typing import Shape

Pads = tuple[tuple[int, int], ...]


class Geometry(NamedTuple):
    """Where a kernel goes: the parameters of a member of the family, an entry for each axis."""

    stride: Shape
    padding: Pads
    input_dilation: Shape
    dilation: Shape
    groups: int

    def output_sides(self, sides: Shape, kernel: Shape) -> Shape:
        """Return the spatial shape of the result."""
        return tuple(
            map(
                output_side,
                sides,
                kernel,
                self.stride,
                self.padding,
                self.input_dilation,
                self.dilation,
            )
        )


def dilated(side: int, dilation: int) -> int:
    """Return the length of a side with ``dilation - 1`` zeros between its entries.

    >>> dilated(3, 2)
    5
    """
    return (side - 1) * dilation + 1 if side else 0


def output_side(i: int, k: int, s: int, pads: tuple[int, int], a: int, d: int) -> int:
    """Return how many times a kernel fits: ``floor((i' + low + high - k') / s) + 1``.

    >>> output_side(8, 3, 2, (1, 1), 1, 1)
    4
    """
    return (dilated(i, a) + sum(pads) - dilated(k, d)) // s + 1


def remainder(i: int, k: int, o: int, s: int, pads: tuple[int, int], a: int, d: int) -> int:
    """Return how many entries at the high side of the padded input no window reaches.

    >>> remainder(8, 3, 4, 2, (1, 1), 1, 1)
    1
    """
    return dilated(i, a) + sum(pads) - dilated(k, d) - (o - 1) * s


def per_axis(
    operation: str, name: str, value: int | Sequence[int], n: int, least: int = 1
) -> Shape:
    """Return one integer an axis, from one for all or one for each."""
    values = tuple(value) if isinstance(value, (Sequence, np.ndarray)) else (value,) * n
    if len(values) != n or any(
        not isinstance(v, (int, np.integer)) or isinstance(v, bool) or v < least for v in values
    ):
        raise ShapeError(
            explain(
                operation,
                f"{name} is an integer of at least {least}, or {n} of them.",
                f"Pass {name}={max(least, 1)}.",
                **{name: value},
            )
        )
    return tuple(int(v) for v in values)


def positive_integer(operation: str, name: str, value: int) -> int:
    """Return the value as an int, if it is a positive integer."""
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        raise ShapeError(
            explain(operation, f"{name} is a positive integer.", f"Pass {name}=1.", **{name: value})
        )
    return int(value)


def pads_for(
    operation: str,
    padding: int | str | Sequence[Any],
    sides: Sequence[int],
    kernel: Sequence[int],
    stride: Shape,
    dilation: Shape,
) -> Pads:
    """Return (low, high) for each axis.

    ``"valid"`` adds nothing; ``"same"`` makes ceil(i / s) windows fit, an odd entry going to the
    high side; ``"full"`` lets every window that meets the input count; ``"causal"``, along a single
    axis, lets window j end at entry s j.
    """
    n = len(sides)
    spans = [dilated(k, d) for k, d in zip(kernel, dilation, strict=True)]
    if not isinstance(padding, str):
        return explicit_pads(operation, padding, n)
    if padding == "valid":
        return ((0, 0),) * n
    if padding == "full":
        return tuple((span - 1, span - 1) for span in spans)
    if padding == "same":
        totals = [
            max((-(-i // s) - 1) * s + span - i, 0)
            for i, s, span in zip(sides, stride, spans, strict=True)
        ]
        return tuple((total // 2, total - total // 2) for total in totals)
    if padding == "causal":
        if n != 1:
            raise ShapeError(
                explain(
                    operation,
                    "'causal' is for one spatial axis: of several, which one is the time?",
                    "Pass (dilation * (k - 1), 0) for that axis, and a pair for each other one.",
                    padding=padding,
                    spatial_axes=n,
                )
            )
        return ((spans[0] - 1, 0),)
    return explicit_pads(operation, padding, n)


def explicit_pads(operation: str, padding: Any, n: int) -> Pads:
    """Return (low, high) for each axis from an int, one int an axis, or one pair an axis."""
    items = (padding,) * n if isinstance(padding, (int, np.integer)) else padding
    try:
        if len(items) != n or isinstance(items, str):
            raise TypeError
        pairs = [(v, v) if isinstance(v, (int, np.integer)) else tuple(v) for v in items]
        return tuple((int(low.__index__()), int(high.__index__())) for low, high in pairs)
    except (TypeError, ValueError, AttributeError):
        raise ShapeError(
            explain(
                operation,
                f"padding is an integer, {n} integers, {n} pairs (low, high), "
                f"'same', 'valid'{_CAUSAL if n == 1 else ''} or 'full'.",
                "Pass padding=0 for none.",
                padding=padding,
            )
        ) from None


class Upsampling(NamedTuple):
    """What a transposed convolution does: the sides of its result, what it crops, what it adds."""

    sides: Shape
    crops: Pads
    extra: Shape


def upsampling(
    operation: str,
    padding: int | str | Sequence[Any],
    sides: Sequence[int],
    kernel: Sequence[int],
    stride: Shape,
    dilation: Shape,
    output_padding: int | Sequence[int],
    output_size: int | Sequence[int] | None,
) -> Upsampling:
    """Return the sizes of the transpose of a convolution, that goes from these sides back.

    The convolution takes s sizes of its input to the same size: ``output_size`` names the one to
    return, ``output_padding`` its distance from the least. ``"same"`` returns the greatest, i s.
    """
    n = len(sides)
    extra = per_axis(operation, "output_padding", output_padding, n, least=0)
    spans = tuple(dilated(k, d) for k, d in zip(kernel, dilation, strict=True))
    if min(sides) < 1 or min(spans) < 1:
        raise ShapeError(
            explain(
                operation,
                "Each side of the input and of the kernel must be positive.",
                input_size=tuple(sides),
                kernel_size=tuple(kernel),
            )
        )
    if isinstance(padding, str) and padding == "causal":
        raise ShapeError(
            explain(
                operation,
                "The transpose of a causal convolution sees nothing but the future.",
                "Pass padding=((dilation * (k - 1), 0),) for that, or "
                "padding=((0, dilation * (k - 1)),) for a result that does not see the future.",
                padding=padding,
            )
        )
    if output_size is None and isinstance(padding, str) and padding == "same":
        output_size = tuple(i * s for i, s in zip(sides, stride, strict=True))
    goal = None if output_size is None else per_axis(operation, "output_size", output_size, n)
    if goal and any(extra):
        raise ShapeError(
            explain(
                operation,
                "output_size, or padding='same', says what output_padding would say.",
                "Leave output_padding out.",
                output_size=goal,
                output_padding=output_padding,
            )
        )
    crops = pads_for(operation, padding, goal or sides, kernel, stride, dilation)
    least = tuple(
        (i - 1) * s + span - low - high
        for i, s, span, (low, high) in zip(sides, stride, spans, crops, strict=True)
    )
    ...


def require_fit(
    operation: str, sides: Sequence[int], kernel: Sequence[int], pads: Pads, dilation: Shape
) -> None:
    """Raise unless the kernel fits into the padded input along every axis."""
    padded = tuple(i + low + high for i, (low, high) in zip(sides, pads, strict=True))
    spans = tuple(dilated(k, d) for k, d in zip(kernel, dilation, strict=True))
    if any(span > side or span < 1 for span, side in zip(spans, padded, strict=True)):
        raise ShapeError(
            explain(
                operation,
                "A kernel must have entries, and must not be larger than the padded input.",
                "Pad more, or use a smaller kernel or dilation.",
                kernel=tuple(kernel),
                dilation=dilation,
                dilated_kernel=spans,
                padding=pads,
                padded_input=padded,
            )
        )
