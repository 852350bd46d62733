"""Convolution as a sum over the taps of the kernel, in NumPy's functions alone.

It serves any array that follows NumPy's protocols, and is the reference for the faster kernels.
"""

from itertools import product
from typing import Any

import numpy as np

from tensorgrad.conv.geometry import Geometry, Pads, dilated
from tensorgrad.typing import Array, Shape


def dilate_and_pad(x: Array, pads: Pads, input_dilation: Shape) -> Array:
    """Put zeros between the entries of x and around them; where pads are negative, crop."""
    sides = x.shape[2:]
    grown = [dilated(i, a) for i, a in zip(sides, input_dilation, strict=True)]
    if any(a != 1 for a in input_dilation) or any(low > 0 or high > 0 for low, high in pads):
        lows = [max(low, 0) for low, _ in pads]
        shape = [
            low + i + max(high, 0) for low, i, (_, high) in zip(lows, grown, pads, strict=True)
        ]
        padded = np.zeros_like(x, shape=(*x.shape[:2], *shape))
        inside = tuple(
            slice(low, low + i, a) for low, i, a in zip(lows, grown, input_dilation, strict=True)
        )
        padded[(..., *inside)] = x
        x = padded
    if any(low < 0 or high < 0 for low, high in pads):
        x = x[
            (
                ...,
                *(
                    slice(max(-low, 0), side - max(-high, 0))
                    for (low, high), side in zip(pads, x.shape[2:], strict=True)
                ),
            )
        ]
    return x


def conv_by_taps(x: Array, w: Array, geometry: Geometry) -> Array:
    """(n, g c, *i) * (g o, c, *k) -> (n, g o, *j), for any array that follows NumPy's protocols."""
    stride, padding, input_dilation, dilation, groups = geometry
    kernel = w.shape[2:]
    out = geometry.output_sides(x.shape[2:], kernel)
    x = dilate_and_pad(x, padding, input_dilation)
    x = np.reshape(x, (x.shape[0], groups, w.shape[1], *x.shape[2:]))
    w = np.reshape(w, (groups, w.shape[0] // groups, *w.shape[1:]))
    total: Any = 0
    for tap in product(*map(range, kernel)):
        met = tuple(
            slice(t * d, t * d + (o - 1) * s + 1, s)
            for t, d, o, s in zip(tap, dilation, out, stride, strict=True)
        )
        # (n, g, c, *j), (g, o, c) -> (n, g, o, *j)
        total = total + np.einsum("ngc...,goc->ngo...", x[(..., *met)], w[(..., *tap)])
    return np.reshape(total, (x.shape[0], -1 if total.size else w.shape[0] * w.shape[1], *out))
