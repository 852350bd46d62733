"""Convolution as matrix products of numpy arrays: windows gathered, then BLAS.

Two ways to gather, for the two ends of the family: for every image all its windows side by side,
where the output is larger than the kernel; for every output position the windows of all images,
where it is smaller, as in the gradient by the kernel.
"""

from itertools import product
from math import prod

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tensorgrad.conv.geometry import Geometry
from tensorgrad.conv.kernels.taps import dilate_and_pad
from tensorgrad.typing import Array, Shape


def conv_by_gemm(x: Array, w: Array, geometry: Geometry) -> Array:
    """(n, g c, *i) * (g o, c, *k) -> (n, g o, *j) for arrays of NumPy, undilated."""
    stride, padding, input_dilation, dilation, groups = geometry
    out = geometry.output_sides(x.shape[2:], w.shape[2:])
    x = dilate_and_pad(x, padding, input_dilation)
    matrix = w.reshape(
        groups, w.shape[0] // groups, -1 if w.size else prod(w.shape[1:])
    )  # (g, o, c k)
    gather = _by_image if prod(out) >= prod(w.shape[2:]) else _by_position
    y = gather(x, matrix, w.shape[1:], out, stride, dilation)
    return y.reshape(x.shape[0], w.shape[0], *out)


def _by_image(
    x: Array, matrix: Array, ck: Shape, out: Shape, stride: Shape, dilation: Shape
) -> Array:
    n, groups = x.shape[0], matrix.shape[0]
    step = x.strides[2:]
    windows = as_strided(
        x,
        (n, x.shape[1], *ck[1:], *out),
        (
            *x.strides[:2],
            *(d * b for d, b in zip(dilation, step, strict=True)),
            *(s * b for s, b in zip(stride, step, strict=True)),
        ),
        writeable=False,
    )  # (n, g c, *k, *j)
    y = np.empty((n, *matrix.shape[:2], prod(out)), np.result_type(x, matrix))
    for image, result in zip(windows, y, strict=True):
        np.matmul(matrix, image.reshape(groups, prod(ck), prod(out)), out=result)
    return y  # (n, g, o, j)


def _by_position(
    x: Array, matrix: Array, ck: Shape, out: Shape, stride: Shape, dilation: Shape
) -> Array:
    n, groups = x.shape[0], matrix.shape[0]
    weights = matrix.transpose(0, 2, 1)  # (g, c k, o)
    y = np.empty((n, *matrix.shape[:2], *out), np.result_type(x, matrix))
    for position in product(*map(range, out)):
        window = tuple(
            slice(p * s, p * s + (k - 1) * d + 1, d)
            for p, s, k, d in zip(position, stride, ck[1:], dilation, strict=True)
        )
        rows = x[(..., *window)].reshape(n, groups, prod(ck)).transpose(1, 0, 2)  # (g, n, c k)
        y[(..., *position)] = np.matmul(rows, weights).transpose(1, 0, 2)
    return y  # (n, g, o, *j)
