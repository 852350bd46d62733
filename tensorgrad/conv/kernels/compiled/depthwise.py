"""Depthwise convolution: each channel by itself, at stride 1 or 2.

At stride 2 a plane and its gradients are those of stride 1, with zeros between the entries of what
has fewer: vectors that are half empty, but nothing is laid out beforehand.
"""

from itertools import chain
from math import prod

import numpy as np

from tensorgrad.conv import threads
from tensorgrad.conv.geometry import Geometry, dilated
from tensorgrad.conv.kernels.compiled.finite import all_finite
from tensorgrad.conv.kernels.compiled.planes import entry_by_entry, pick_2
from tensorgrad.conv.kernels.compiled.planewise import kernel_tile, result_tile, spread
from tensorgrad.conv.kernels.compiled.tiles import jit, kernel, lanes
from tensorgrad.conv.kernels.gemm import conv_by_gemm
from tensorgrad.conv.kernels.phases import conv_by_phases
from tensorgrad.typing import Array, Shape

SIDES = (3, 5, 7)  # of the kernels that there are tiles for
FILLED = 0.6  # the fraction of the vectors' lanes that make them worth it
ONES, TWOS = (1, 1), (2, 2)
# stride, input dilation and dilation: of many results, and of few
STEPS_TO_MANY = ((ONES, ONES, ONES), (TWOS, ONES, ONES), (ONES, TWOS, ONES))
STEPS_TO_FEW = ((ONES, ONES, ONES), (ONES, ONES, TWOS))

# Numba reads names: of a side, whole blocks of rows inside the input and at its edge, single rows,
# and the gradient in one pass or several
block_3, edge_3, row_3 = (result_tile(3, n, edge=e) for n, e in ((8, False), (8, True), (1, True)))
block_5, edge_5, row_5 = (result_tile(5, n, edge=e) for n, e in ((8, False), (8, True), (1, True)))
block_7, edge_7, row_7 = (result_tile(7, n, edge=e) for n, e in ((8, False), (8, True), (1, True)))
ROWS = 8
kernel_3, kernel_5, rest_5 = kernel_tile(3, 0, 3), kernel_tile(5, 0, 3), kernel_tile(5, 3, 5)
kernel_7, next_7, rest_7 = kernel_tile(7, 0, 3), kernel_tile(7, 3, 6), kernel_tile(7, 6, 7)


@jit
def _lay_apart(x, at, s1, height, width, plane, lanes):
    """Put every entry of a plane of x in the place of a square of four, with three zeros.

    Up to two vectors of zeros are written behind them.
    """
    for r in range(height):
        for q in range(0, width, lanes):
            spread(x, at + r * s1 + q, width - q, plane, 4 * r * width + 2 * q)


@jit
def _pick(plane, width, y, to, rows, columns, lanes):
    """Take the entries in even rows and columns of a plane of this width."""
    for r in range(rows):
        source, end = 2 * r * width, to + (r + 1) * columns
        q = to + r * columns
        while q + lanes <= end:
            pick_2(plane, source, y, q)
            source += 2 * lanes
            q += lanes
        while q < end:
            y[q] = plane[source]
            source += 2
            q += 1


@jit
def _results(
    x, at, s1, height, width, w, w_at, side, b, channel, y, to, rows, columns, top, low, lanes
):
    """Convolve one plane, of rows of entries side by side, with one kernel."""
    for q in range(0, columns, lanes):
        r = 0
        while r < rows:
            step = ROWS if rows >= ROWS else 1
            r = min(r, rows - step)  # the last block may do some rows again
            first = r - top
            left = (x, at + first * s1 + q - low, s1, first, height, low - q, width)
            right = (w, w_at, b, channel)
            end = (y, to + r * columns + q, columns, columns - q)
            inside = first >= 0 and first + step + side - 1 <= height
            if side == 3:
                if step == 1:
                    row_3(*left, *right, *end)
                elif inside:
                    block_3(*left, *right, *end)
                else:
                    edge_3(*left, *right, *end)
            elif side == 5:
                if step == 1:
                    row_5(*left, *right, *end)
                elif inside:
                    block_5(*left, *right, *end)
                else:
                    edge_5(*left, *right, *end)
            elif step == 1:
                row_7(*left, *right, *end)
            elif inside:
                block_7(*left, *right, *end)
            else:
                edge_7(*left, *right, *end)
            r += step


@kernel("x", "w", "b")
def results(x, w, b, y, tasks, top, low, stride, apart, lanes, plane):
    """Do tasks (image, channel): x (n, c, h, w), w (c, k, k), b (c,), y (n, c, j0, j1).

    With a stride of 2, or the entries of x ``apart``, there is memory for a ``plane``.
    """
    height, width, item = x.shape[2], x.shape[3], x.itemsize
    rows, columns, side = y.shape[2], y.shape[3], w.shape[1]
    s0, s1, s2 = x.strides[0] // item, x.strides[1] // item, x.strides[2] // item
    flat = y.reshape(-1)
    if apart:
        plane[:] = 0
    for task in range(len(tasks)):
        image, channel = tasks[task]
        at, to = image * s0 + channel * s1, (image * y.shape[1] + channel) * rows * columns
        kernel = (w, channel * side * side, side, b, channel)
        if apart:
            _lay_apart(x, at, s2, height, width, plane, lanes)
            sides = (2 * width, 2 * height - 1, 2 * width - 1)
            _results(plane, 0, *sides, *kernel, flat, to, rows, columns, top, low, lanes)
        elif stride == 2:
            full = (2 * rows - 1, 2 * columns - 1)
            _results(x, at, s2, height, width, *kernel, plane, 0, *full, top, low, lanes)
            _pick(plane, 2 * columns - 1, flat, to, rows, columns, lanes)
        else:
            _results(x, at, s2, height, width, *kernel, flat, to, rows, columns, top, low, lanes)


@jit
def _gradient(g, at, s1, height, width, right, side, y, to):
    """Convolve a plane of x with one of g, of rows of entries side by side."""
    left = (g, at, s1, height, width)
    if side == 3:
        kernel_3(*left, *right, y, to)
    elif side == 5:
        kernel_5(*left, *right, y, to)
        rest_5(*left, *right, y, to)
    else:
        kernel_7(*left, *right, y, to)
        next_7(*left, *right, y, to)
        rest_7(*left, *right, y, to)


@kernel("x", "g")
def gradients(x, g, y, tasks, top, low, apart, lanes, plane):
    """Do tasks (image, channel): x (n, c, h, w), g (c, j0, j1), y (n, c, k, k).

    With the entries of g ``apart`` there is memory for a ``plane``.
    """
    s0, s1, s2 = x.strides[0] // x.itemsize, x.strides[1] // x.itemsize, x.strides[2] // x.itemsize
    g1, g2 = g.strides[0] // g.itemsize, g.strides[1] // g.itemsize
    height, width = g.shape[1], g.shape[2]
    side, flat = y.shape[2], y.reshape(-1)
    if apart:
        plane[:] = 0
    for task in range(len(tasks)):
        image, channel = tasks[task]
        right = (x, image * s0 + channel * s1, s2, top, x.shape[2], low, x.shape[3])
        to = (image * y.shape[1] + channel) * side * side
        if apart:
            _lay_apart(g, channel * g1, g2, height, width, plane, lanes)
            _gradient(plane, 0, 2 * width, 2 * height - 1, 2 * width - 1, right, side, flat, to)
        else:
            _gradient(g, channel * g1, g2, height, width, right, side, flat, to)


def is_depthwise(x_shape: Shape, w_shape: Shape, geometry: Geometry, itemsize: int) -> bool:
    """Whether there are tiles for it, and their vectors are not mostly empty."""
    if len(w_shape) != 4 or not geometry.groups == x_shape[1] == w_shape[0]:
        return False
    out, n = geometry.output_sides(x_shape[2:], w_shape[2:]), lanes(itemsize)
    few = prod(out) < prod(w_shape[2:])
    stride, padding, input_dilation, dilation, _ = geometry
    if max(map(abs, chain(*padding))) >= 1 << 31:  # masks are made of short integers
        return False
    if (stride, input_dilation, dilation) not in (STEPS_TO_FEW if few else STEPS_TO_MANY):
        return False
    kernel, large = (out, w_shape[2:]) if few else (w_shape[2:], out)
    step = 2 if TWOS in (stride, dilation) else 1
    width = dilated(large[-1], step)
    return kernel[0] == kernel[1] and kernel[0] in SIDES and width / (-(-width // n) * n) > FILLED


def conv_depthwise(x: Array, w: Array, geometry: Geometry, b: Array | None) -> Array:
    """(n, c, h, w) * (c, 1, k, k) + (c,) -> (n, c, *j), or with a large kernel and few results."""
    x, w, start = entry_by_entry(x, w, b)
    out = geometry.output_sides(x.shape[2:], w.shape[2:])
    y = np.empty((*x.shape[:2], *out), x.dtype)
    (top, _), (low, _) = geometry.padding
    tasks = np.ascontiguousarray(np.indices(x.shape[:2]).reshape(2, -1).T)
    few = prod(out) < prod(w.shape[2:])
    kernels = w[:, 0]
    if not few or kernels.strides[-1] != w.itemsize:
        kernels = np.ascontiguousarray(kernels)
    stride, apart = geometry.stride[0], TWOS in (geometry.input_dilation, geometry.dilation)
    held = w.shape[2:] if few else x.shape[2:] if apart else out
    n = lanes(x.itemsize)
    of_thread = (4 * prod(held) + 2 * n if apart or stride == 2 else 0,)

    def work(part: Array, plane: Array) -> None:
        if few:
            gradients(x, kernels, y, part, top, low, apart, n, plane)
        else:
            results(x, kernels, start, y, part, top, low, stride, apart, n, plane)

    threads.share(work, tasks, 4 * y[0, 0].size * x.shape[0] * w.size, x.dtype, of_thread)
    # zeros between entries, or beyond the border, may have met what no result meets
    finite = all_finite(y) if few else not apart or all_finite(kernels)
    if finite and not few:
        return y  # with its bias
    if not finite:
        y = conv_by_phases(conv_by_gemm, x, w, geometry)
    return y if b is None else y + start.reshape(-1, 1, 1)
