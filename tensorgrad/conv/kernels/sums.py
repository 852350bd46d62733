"""The sums over images and positions: what the gradient by a bias is."""

from math import prod

import numpy as np

from tensorgrad.conv import threads
from tensorgrad.typing import Array

SMALL = 4_000  # entries for which NumPy's own sums are faster than calls of BLAS
LARGE = 8_000  # entries of an image for which BLAS would start threads of its own


def channel_sums(g: Array) -> Array:
    """(n, o, *j) -> (o,), for any array that follows NumPy's protocols."""
    if not isinstance(g, np.ndarray):
        return np.sum(g, (0, *range(2, g.ndim)))
    if g.size < SMALL or g.dtype.char not in "fdFD":
        return np.add.reduce(g, (0, *range(2, g.ndim)))
    lines = g.reshape(*g.shape[:2], prod(g.shape[2:]))
    ones, sums = np.ones(lines.shape[2], g.dtype), np.empty(g.shape[:2], g.dtype)

    def work(images: slice) -> None:
        np.matmul(lines[images], ones, out=sums[images])  # by BLAS: the fastest

    if prod(g.shape[1:]) < LARGE:
        work(slice(None))
    else:
        threads.run(work, [slice(n, n + 1) for n in range(len(g))])
    return np.sum(sums, 0)
