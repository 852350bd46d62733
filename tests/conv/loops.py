"""Convolutions as loops that follow their definitions, and where their rules may go wrong."""

from itertools import product

import numpy as np
from hypothesis import strategies as st

# the entry of 0 to i - 1 that stands at any place p, or None for a zero
BEYOND = {
    "zeros": lambda p, i: p if 0 <= p < i else None,
    "replicate": lambda p, i: min(max(p, 0), i - 1),
    "circular": lambda p, i: p % i,
    "reflect": lambda p, i: min(p % (2 * i - 2), -p % (2 * i - 2)) if i > 1 else 0,
}
BEYOND["edge"] = BEYOND["replicate"]


def naive_conv(x, w, b, stride, pads, dilation, groups, mode="zeros"):
    """Compute b[o] + sum over c, k of x[n, c, s j + d k - low] w[o, c, k], a place at a time."""
    sides, kernel = x.shape[2:], w.shape[2:]
    out = tuple(
        len([p for p in range(-low, i + high - d * (k - 1)) if (p + low) % s == 0])
        for i, k, s, d, (low, high) in zip(sides, kernel, stride, dilation, pads, strict=True)
    )
    per_group, outs = w.shape[1], w.shape[0] // groups
    y = np.zeros((x.shape[0], w.shape[0], *out)) + b.reshape(-1, *(1,) * len(out))
    for j, k in product(np.ndindex(*out), np.ndindex(*kernel)):
        place = tuple(
            BEYOND[mode](s * jj + d * kk - low, i)
            for s, jj, d, kk, (low, _), i in zip(stride, j, dilation, k, pads, sides, strict=True)
        )
        for group in range(groups if None not in place else 0):
            met = x[(slice(None), slice(group * per_group, (group + 1) * per_group), *place)]
            here = slice(group * outs, (group + 1) * outs)
            y[(slice(None), here, *j)] += met @ w[(here, slice(None), *k)].T
    return y


def naive_conv_transpose(x, w, b, stride, pads, extra, dilation, groups):
    """Let every entry add: y[n, o, s i + d k - low] += x[n, c, i] w[c, o, k]."""
    sides, kernel = x.shape[2:], w.shape[2:]
    out = tuple(
        (i - 1) * s + d * (k - 1) + 1 - low - high + e
        for i, k, s, d, (low, high), e in zip(
            sides, kernel, stride, dilation, pads, extra, strict=True
        )
    )
    per_group, outs = w.shape[0] // groups, w.shape[1]
    y = np.zeros((x.shape[0], outs * groups, *out)) + b.reshape(-1, *(1,) * len(out))
    for i, k in product(np.ndindex(*sides), np.ndindex(*kernel)):
        place = tuple(
            s * ii + d * kk - low
            for s, ii, d, kk, (low, _) in zip(stride, i, dilation, k, pads, strict=True)
        )
        if all(0 <= p < o for p, o in zip(place, out, strict=True)):
            for group in range(groups):
                channels = slice(group * per_group, (group + 1) * per_group)
                there = (slice(None), slice(group * outs, (group + 1) * outs), *place)
                y[there] += x[(slice(None), channels, *i)] @ w[(channels, slice(None), *k)]
    return y


def quarters(rng, *shape):
    """Return numbers whose products and sums are exact, in any order."""
    return rng.integers(-4, 5, shape) / 4


@st.composite
def configurations(draw, least=0, symmetric=False):
    """Draw a convolution along 1 to 3 axes near the borders where rules go wrong.

    Half the strides leave a remainder; stride and dilation, and the axes, differ; channels are
    often equal in number; kernels reach the size of the padded input; the batch may be empty.
    """
    n = draw(st.integers(1, 3))
    most = 3 if n < 3 else 2
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    c = draw(st.integers(1, 2))
    o = c if draw(st.booleans()) else draw(st.integers(1, 3))
    kernel, stride, dilation = (
        tuple(draw(st.integers(1, most)) for _ in range(n)) for _ in range(3)
    )
    pads = tuple((draw(st.integers(least, most)), draw(st.integers(least, most))) for _ in range(n))
    if symmetric:
        pads = tuple((low, low) for low, _ in pads)
    sides = []
    for k, s, d, p in zip(kernel, stride, dilation, pads, strict=True):
        fit = max(d * (k - 1) + 1 - sum(p), 1)
        more = [0, 0, 1, s - 1, s, 2 * s + 1]
        sides.append(fit + draw(st.sampled_from(more if n < 3 else more[:4])))
    images = draw(st.sampled_from([1, 2, 0]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = quarters(rng, images, groups * c, *sides)
    w, b = quarters(rng, groups * o, c, *kernel), quarters(rng, groups * o)
    return x, w, b, stride, pads, dilation, groups, rng


def upsampled(data, w, stride, pads, groups, rng):
    """Draw the arguments of a transposed convolution that its padding leaves something of."""
    w = quarters(rng, w.shape[0], 2, *w.shape[2:])
    more = st.integers(1, 3 if len(stride) < 3 else 1)
    sides = tuple(
        data.draw(more) + max(-(-sum(p) // s), 0) for p, s in zip(pads, stride, strict=True)
    )
    x = quarters(rng, data.draw(st.sampled_from([1, 2, 0])), w.shape[0], *sides)
    return x, w, quarters(rng, 2 * groups)
