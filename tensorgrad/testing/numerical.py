"""Derivatives from function values alone."""

from collections.abc import Callable, Sequence

from tensorgrad.typing import Array

# f'(x) = sum_k w_k (f(x + kh) - f(x - kh)) / h + O(h^8), for k = 1, 2, 3, 4
WEIGHTS = (4 / 5, -1 / 5, 4 / 105, -1 / 280)
# h^8 = 5e-20, and rounding errors grow by 1/h = 256: where functions vary over lengths of about 1,
# both stay far below 1e-9. A power of two, so that x + kh is rounded little.
STEP = 2.0**-8


def directional_derivative(
    f: Callable[..., Sequence[Array]], xs: Sequence[Array], ts: Sequence[Array]
) -> tuple[Array, ...]:
    """Return the derivative of f at xs in the direction ts, by central differences on eight points.

    Parameters
    ----------
    f
        A function of several arrays to a sequence of arrays, smooth within ``4 * STEP`` of xs.
    xs, ts
        Where, and in which direction: of the same shapes, in double precision.

    Returns
    -------
    tuple of arrays
        One for each result, of its shape.

    Examples
    --------
    >>> import numpy as np
    >>> (slope,) = directional_derivative(lambda x: (np.sin(x),), [0.5], [1.0])
    >>> abs(slope - np.cos(0.5)) < 1e-12
    np.True_
    """

    def at(k: int) -> Sequence[Array]:
        return f(*(x + k * STEP * t for x, t in zip(xs, ts, strict=True)))

    differences = [
        [above - below for above, below in zip(at(k), at(-k), strict=True)]
        for k in range(1, len(WEIGHTS) + 1)
    ]
    return tuple(
        sum(w * d for w, d in zip(WEIGHTS, column, strict=True)) / STEP
        for column in zip(*differences, strict=True)
    )
