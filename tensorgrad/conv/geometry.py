"""The arithmetic of sizes: what stride, padding and dilation mean, and whether they fit.

Letters: ``i`` input side, ``k`` kernel side, ``o`` output side, ``s`` stride, ``d`` dilation,
``a`` input dilation (``a - 1`` zeros between entries of the input), ``(low, high)`` padding,
negative where it crops.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from tensorgrad.errors import ShapeError, explain
from tensorgrad.typing import Shape

Pads = tuple[tuple[int, int], ...]
# what users pass: an integer, one or a pair (low, high) for each axis, or a name
Padding: TypeAlias = int | str | Sequence[int] | Sequence[Sequence[int]]


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
    if type(value) is int and value >= least:  # as nearly always
        return (value,) * n
    if isinstance(value, np.ndarray):
        value = value.tolist()
    values = tuple(value) if isinstance(value, Sequence) else (value,) * n
    if len(values) != n or any(
        not isinstance(v, (int, np.integer)) or isinstance(v, bool) or v < least for v in values
    ):
        raise ShapeError(
            explain(
                operation,
                f"{name} is an integer of at least {least}, or {n} of them.",
                f"Pass {name}={(max(least, 1),) * n if n > 1 else max(least, 1)}, for example.",
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
    padding: Padding,
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
    if not isinstance(padding, str):
        return explicit_pads(operation, padding, n)
    if padding == "valid":
        return ((0, 0),) * n
    spans = [dilated(k, d) for k, d in zip(kernel, dilation, strict=True)]
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
    if type(padding) is int:  # as nearly always
        return ((padding, padding),) * n
    items = (padding,) * n if isinstance(padding, np.integer) else padding
    try:
        if len(items) != n or isinstance(items, str):
            raise TypeError
        pairs = [(v, v) if isinstance(v, (int, np.integer)) else tuple(v) for v in items]
        if any(isinstance(v, bool) for pair in pairs for v in pair):
            raise TypeError
        return tuple((int(low.__index__()), int(high.__index__())) for low, high in pairs)
    except (TypeError, ValueError, AttributeError):
        causal = "'causal', " if n == 1 else ""
        raise ShapeError(
            explain(
                operation,
                f"padding is an integer, {n} integers, {n} pairs (low, high), {causal}"
                "'same', 'valid' or 'full'.",
                f"Pass padding=0 for none, {((0, 1),) * n} for one entry at each high side.",
                padding=padding,
            )
        ) from None


def input_sides(
    operation: str,
    padding: Padding,
    sides: Sequence[int],
    kernel: Sequence[int],
    stride: Shape,
    dilation: Shape,
) -> tuple[range, ...]:
    """Return, for each axis, the sides of the input that a convolution takes to these sides."""
    if isinstance(padding, str) and padding == "same":  # ceil(i / s) = o
        least = [(o - 1) * s + 1 for o, s in zip(sides, stride, strict=True)]
    else:  # of the input, other paddings ask nothing
        pads = pads_for(operation, padding, sides, kernel, stride, dilation)
        least = [
            (o - 1) * s + dilated(k, d) - sum(p)
            for o, k, s, p, d in zip(sides, kernel, stride, pads, dilation, strict=True)
        ]
    return tuple(range(max(i, 1), max(i + s, 1)) for i, s in zip(least, stride, strict=True))


def transposed_crops(
    operation: str,
    padding: Padding,
    sides: Sequence[int],
    kernel: Sequence[int],
    stride: Shape,
    dilation: Shape,
    output_padding: int | Sequence[int],
    output_size: int | Sequence[int] | None,
) -> Pads:
    """Return what the transpose of a convolution crops from (i - 1) s + d (k - 1) + 1 entries.

    That is the padding of the convolution. At the high side there are more entries, which its
    windows did not reach: ``output_padding`` of them, or as many as make ``output_size``.
    """
    n = len(sides)
    extra = per_axis(operation, "output_padding", output_padding, n, least=0)
    if isinstance(padding, str) and padding == "causal":
        raise ShapeError(
            explain(
                operation,
                "The transpose of a causal convolution sees the future, and that only.",
                "Pass padding=((dilation * (k - 1), 0),) for it, or "
                "padding=((0, dilation * (k - 1)),) for a result that sees the past only.",
                padding=padding,
            )
        )
    if isinstance(padding, str) and padding == "same" and output_size is None:
        output_size = tuple(i * s for i, s in zip(sides, stride, strict=True))
    if output_size is None:
        if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)):
            raise ShapeError(
                explain(
                    operation,
                    "output_padding is smaller than the stride or the dilation.",
                    "Pass output_padding=0, or pad the result.",
                    output_padding=output_padding,
                    stride=stride,
                    dilation=dilation,
                )
            )
        pads = pads_for(operation, padding, sides, kernel, stride, dilation)
    else:
        goal = per_axis(operation, "output_size", output_size, n)
        if any(extra):
            raise ShapeError(
                explain(
                    operation,
                    "output_padding is what output_size, or padding='same', leaves to say.",
                    "Pass one of them.",
                    output_padding=output_padding,
                    output_size=goal,
                    padding=padding,
                )
            )
        possible = input_sides(operation, padding, sides, kernel, stride, dilation)
        if any(o not in fitting for o, fitting in zip(goal, possible, strict=True)):
            raise ShapeError(
                explain(
                    operation,
                    "output_size is one that the convolution takes to the size of the input: "
                    f"{_among(possible)}.",
                    "Leave it out for the least of them (the greatest with padding='same').",
                    output_size=goal,
                    input_size=tuple(sides),
                    kernel_size=tuple(kernel),
                    stride=stride,
                    padding=padding,
                    dilation=dilation,
                )
            )
        pads = pads_for(operation, padding, goal, kernel, stride, dilation)
        extra = tuple(
            remainder(o, k, i, s, p, 1, d)
            for o, k, i, s, p, d in zip(goal, kernel, sides, stride, pads, dilation, strict=True)
        )
    crops = tuple((low, high - e) for (low, high), e in zip(pads, extra, strict=True))
    returned = transposed_sides(sides, kernel, stride, crops, dilation)
    if min(*sides, *kernel, *returned) < 1:
        raise ShapeError(
            explain(
                operation,
                "Each side of the result, (i - 1) * stride + dilation * (k - 1) + 1 - low - high "
                "+ output_padding, must be positive.",
                "Use less padding.",
                input_size=tuple(sides),
                kernel_size=tuple(kernel),
                padding=pads,
                sides=returned,
            )
        )
    return crops


def transposed_sides(
    sides: Sequence[int], kernel: Sequence[int], stride: Shape, crops: Pads, dilation: Shape
) -> Shape:
    """Return the sides of what a transposed convolution leaves of its result."""
    return tuple(
        dilated(i, s) + dilated(k, d) - 1 - sum(crop)
        for i, k, s, crop, d in zip(sides, kernel, stride, crops, dilation, strict=True)
    )


def _among(possible: Sequence[range]) -> str:
    """Write ranges as text.

    >>> _among([range(3, 5), range(7, 8)])
    '3 to 4, 7'
    """
    return ", ".join(
        f"{some[0]} to {some[-1]}" if len(some) > 1 else str(some[0]) if some else "none"
        for some in possible
    )


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
