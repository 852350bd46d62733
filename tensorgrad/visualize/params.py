"""The parameters of an operation as a reader would pass them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tensorgrad.conv.geometry import Geometry
from tensorgrad.conv.pooling.windows import Taps, taps
from tensorgrad.visualize.node import param_text


def shown_params(params: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters of an operation as they are printed.

    Of a geometry its entries are. Windows, which pooling keeps as what each of their taps
    meets, are told by the numbers that make them.

    >>> from tensorgrad.conv.pooling.windows import windows_over
    >>> windows = windows_over("pool", (9, 8), 3, 2, 1, 1, ceil_mode=False)
    >>> for name, text in shown_params({"taps": windows.taps}).items():
    ...     print(name, text)
    kernel_size (3, 3)
    stride (2, 2)
    padding ((1, 1), (1, 0))
    dilation (1, 1)
    """
    shown: dict[str, str] = {}
    told = (
        value._asdict() if isinstance(value, Geometry) else {name: value}
        for name, value in params.items()
    )
    for name, value in (entry for entries in told for entry in entries.items()):
        is_windows = isinstance(value, tuple) and value and isinstance(value[0], Taps)
        shown |= _windows(value) if is_windows else {name: param_text(value)}
    return shown


def _windows(along: tuple[Taps, ...]) -> dict[str, str]:
    """Describe windows that are all alike, or the transposes of such, by the numbers for each axis.

    Others are described by how many entries there are, and how many windows.
    """
    more = {}
    numbers = [_regular(one) for one in along]
    if None in numbers and all(one.windows >= one.entries for one in along):
        numbers = [_regular(one.transposed) for one in along]
        more = {"transposed": "True"}
    if None in numbers:
        return {"windows": f"({', '.join(f'{one.entries} -> {one.windows}' for one in along)})"}
    names = ("kernel_size", "stride", "padding", "dilation")
    columns = zip(*filter(None, numbers), strict=True)
    return dict(zip(names, map(param_text, columns), strict=True)) | more


def _regular(along: Taps) -> tuple[int, int, tuple[int, int], int] | None:
    """Return kernel size, stride, padding and dilation of windows; None if they are not alike.

    Of the padding it is what windows reach, and of a kernel what is not always in the padding.
    """
    if not along.met or any(isinstance(places, np.ndarray) for met in along.met for places in met):
        return None
    strides = {
        entries.step // windows.step
        for windows, entries in along.met
        if windows.stop - windows.start > windows.step
    }
    stride = min(strides, default=along.entries)  # a single window may be anywhere
    starts = [entries.start - stride * windows.start for windows, entries in along.met]
    dilation = starts[1] - starts[0] if len(starts) > 1 else 1
    if starts[0] > 0 or stride < 1 or dilation < 1:
        return None
    end = starts[-1] + 1  # of the first window
    low, high = -starts[0], max(end + stride * (along.windows - 1) - along.entries, 0)
    fit = (along.entries + high - end) // stride + 1
    made = taps(along.entries, np.arange(fit) * stride - low, len(starts), dilation)
    return (len(starts), stride, (low, high), dilation) if made == along else None
