"""Depthwise convolution, one plane with one small kernel: read where the input lies.

A tile of results, some rows of one vector, stays in registers, and a vector of the input serves all
rows that it meets. The gradient by the kernel keeps its sums in registers and goes over the planes.
Outside of the input, masks read zeros.
"""

from math import prod
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from tensorgrad.conv import threads
from tensorgrad.conv.geometry import Geometry
from tensorgrad.conv.kernels.compiled.finite import all_finite
from tensorgrad.conv.kernels.compiled.planes import entry_by_entry
from tensorgrad.conv.kernels.compiled.tiles import INDEX, Emitter, kernel, lanes
from tensorgrad.conv.kernels.gemm import conv_by_gemm
from tensorgrad.typing import Array, Shape

SIDES = (3, 5, 7)  # of the kernels that there are tiles for
FILLED = 0.6  # the fraction of the vectors' lanes that make them worth it


def _columns(e: Emitter, low: Any, width: Any, shifts: int) -> list[Any]:
    """Return for each shift which lanes, from ``-low`` on, are columns of the input."""
    masks = []
    for shift in range(shifts):
        before = e.builder.sub(low, INDEX(shift))
        inside = e.mask(e.builder.add(before, width))
        masks.append(e.builder.and_(inside, e.builder.not_(e.mask(before))))
    return masks


def _row(e: Emitter, r: Any, height: Any, masks: list[Any]) -> list[Any]:
    """Return the masks, or empty ones where r is no row of the input."""
    inside = e.builder.icmp_unsigned("<", r, height)
    nowhere = ir.Constant(masks[0].type, [0] * e.lanes)
    return [e.builder.select(inside, mask, nowhere) for mask in masks]


def result_tile(side: int, rows: int, *, edge: bool) -> Any:
    """Make ``y[r, q] = b + sum over i, j of w[i, j] * x[top + r + i, q + j - low]``, q a vector."""

    @intrinsic
    def tile(
        _typing: Any,
        x: Any,
        x_at: Any,
        x_row: Any,
        top: Any,
        height: Any,
        low: Any,
        width: Any,
        w: Any,
        w_at: Any,
        b: Any,
        b_at: Any,
        y: Any,
        y_at: Any,
        y_row: Any,
        count: Any,
    ) -> Any:
        index = types.int64

        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            x, x_at, x_row, top, height, low, width, w, w_at, b, b_at, y, y_at, y_row, count = args
            e = Emitter(context, builder, sig.args[0].dtype)
            masks = _columns(e, low, width, side)
            weights, origin = e.address(w, sig.args[7], w_at), e.address(x, sig.args[0], x_at)
            sums = [e.splat(e.address(b, sig.args[9], b_at))] * rows
            for j in range(side):
                column = [e.splat(e.at(weights, INDEX(i * side + j))) for i in range(side)]
                for r in range(rows + side - 1):
                    mask = masks[j]
                    if edge:
                        (mask,) = _row(e, builder.add(top, INDEX(r)), height, [mask])
                    at = builder.add(builder.mul(x_row, INDEX(r)), INDEX(j))
                    vector = e.load_some(e.at(origin, at), mask)
                    for i in range(max(r - rows + 1, 0), min(r + 1, side)):
                        sums[r - i] = e.fma(column[i], vector, sums[r - i])
            target, used = e.address(y, sig.args[11], y_at), e.mask(count)
            for r in range(rows):
                e.store_some(sums[r], e.at(target, builder.mul(y_row, INDEX(r))), used)
            return context.get_dummy_value()

        return types.void(
            x, index, index, index, index, index, index, w, index, b, index, y, index, index, index
        ), emit

    return tile


def kernel_tile(side: int, begin: int, end: int) -> Any:
    """Make ``y[i, j] = sum over r, q of g[r, q] * x[r + i - top, q + j - low]``, j in a range.

    All of one plane g (rows, columns) and one plane x (height, width).
    """

    @intrinsic
    def tile(
        _typing: Any,
        g: Any,
        g_at: Any,
        g_row: Any,
        rows: Any,
        columns: Any,
        x: Any,
        x_at: Any,
        x_row: Any,
        top: Any,
        height: Any,
        low: Any,
        width: Any,
        y: Any,
        y_at: Any,
    ) -> Any:
        index = types.int64

        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            g, g_at, g_row, rows, columns, x, x_at, x_row, top, height, low, width, y, y_at = args
            e = Emitter(context, builder, sig.args[5].dtype)
            g_origin, x_origin = e.address(g, sig.args[0], g_at), e.address(x, sig.args[5], x_at)
            vectors = builder.sdiv(builder.add(columns, INDEX(e.lanes - 1)), INDEX(e.lanes))
            meeting = builder.add(rows, INDEX(side - 1))  # rows of the input

            def column(v: Any, *sums: Any) -> list[Any]:
                q = builder.mul(v, INDEX(e.lanes))
                used = [e.mask(builder.sub(columns, q))]
                masks = _columns(e, builder.sub(low, q), width, end)[begin:]
                left = builder.sub(q, low)

                def row(r: Any, *state: Any) -> list[Any]:
                    # a row of x meets this row of g, and those that are kept, from before
                    kept, sums = list(state[: side - 1]), list(state[side - 1 :])
                    at = builder.add(builder.mul(r, g_row), q)
                    new = e.load_some(e.at(g_origin, at), _row(e, r, rows, used)[0])
                    met = [new, *kept]
                    here = builder.sub(r, top)
                    inside = _row(e, here, height, masks)
                    for n, j in enumerate(range(begin, end)):
                        at = builder.add(builder.mul(here, x_row), builder.add(left, INDEX(j)))
                        vector = e.load_some(e.at(x_origin, at), inside[n])
                        for i in range(side):
                            k = i * (end - begin) + n
                            sums[k] = e.fma(met[i], vector, sums[k])
                    return [*met[:-1], *sums]

                state = e.loop(meeting, [*[e.zeros()] * (side - 1), *sums], row)
                return state[side - 1 :]

            sums = e.loop(vectors, [e.zeros()] * (side * (end - begin)), column)
            for i in range(side):
                some = sums[i * (end - begin) : (i + 1) * (end - begin)]
                for n in range(0, len(some), e.lanes):
                    part = some[n : n + e.lanes]
                    place = e.address(y, sig.args[12], y_at, INDEX(i * side + begin + n))
                    e.store_some(e.sums(part), place, e.mask(INDEX(len(part))))
            return context.get_dummy_value()

        return types.void(
            g, index, index, index, index, x, index, index, index, index, index, index, y, index
        ), emit

    return tile


# Numba reads names: of a side, whole blocks of rows inside the input and at its edge, single rows,
# and the gradient in one pass or several
block_3, edge_3, row_3 = (result_tile(3, n, edge=e) for n, e in ((8, False), (8, True), (1, True)))
block_5, edge_5, row_5 = (result_tile(5, n, edge=e) for n, e in ((8, False), (8, True), (1, True)))
block_7, edge_7, row_7 = (result_tile(7, n, edge=e) for n, e in ((8, False), (8, True), (1, True)))
ROWS = 8
kernel_3, kernel_5, rest_5 = kernel_tile(3, 0, 3), kernel_tile(5, 0, 3), kernel_tile(5, 3, 5)
kernel_7, next_7, rest_7 = kernel_tile(7, 0, 3), kernel_tile(7, 3, 6), kernel_tile(7, 6, 7)


@kernel("x", "w", "b")
def results(x, w, b, y, tasks, top, low, lanes):
    """Do tasks (image, channel): x (n, c, h, w), w (c, k, k), b (c,), y (n, c, j0, j1)."""
    height, width = x.shape[2], x.shape[3]
    rows, columns = y.shape[2], y.shape[3]
    s0, s1, s2 = x.strides[0] // x.itemsize, x.strides[1] // x.itemsize, x.strides[2] // x.itemsize
    side = w.shape[1]
    flat = y.reshape(-1)
    for task in range(len(tasks)):
        image, channel = tasks[task]
        plane = image * s0 + channel * s1
        to = (image * y.shape[1] + channel) * rows * columns
        for q in range(0, columns, lanes):
            r = 0
            while r < rows:
                step = ROWS if rows >= ROWS else 1
                r = min(r, rows - step)  # the last block may do some rows again
                first = r - top
                left = (x, plane + first * s2 + q - low, s2, first, height, low - q, width)
                right = (w, channel * side * side, b, channel)
                end = (flat, to + r * columns + q, columns, columns - q)
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


@kernel("x", "g")
def gradients(x, g, y, tasks, top, low):
    """Do tasks (image, channel): x (n, c, h, w), g (c, j0, j1), y (n, c, k, k)."""
    s0, s1, s2 = x.strides[0] // x.itemsize, x.strides[1] // x.itemsize, x.strides[2] // x.itemsize
    g1, g2 = g.strides[0] // g.itemsize, g.strides[1] // g.itemsize
    side, flat = y.shape[2], y.reshape(-1)
    for task in range(len(tasks)):
        image, channel = tasks[task]
        left = (g, channel * g1, g2, g.shape[1], g.shape[2])
        right = (x, image * s0 + channel * s1, s2, top, x.shape[2], low, x.shape[3])
        to = (image * y.shape[1] + channel) * side * side
        if side == 3:
            kernel_3(*left, *right, flat, to)
        elif side == 5:
            kernel_5(*left, *right, flat, to)
            rest_5(*left, *right, flat, to)
        else:
            kernel_7(*left, *right, flat, to)
            next_7(*left, *right, flat, to)
            rest_7(*left, *right, flat, to)


def is_depthwise(x_shape: Shape, w_shape: Shape, geometry: Geometry, itemsize: int) -> bool:
    """Whether there are tiles for it, and their vectors are not mostly empty."""
    if len(w_shape) != 4 or not geometry.groups == x_shape[1] == w_shape[0]:
        return False
    if {*geometry.stride, *geometry.input_dilation, *geometry.dilation} != {1}:
        return False
    out, n = geometry.output_sides(x_shape[2:], w_shape[2:]), lanes(itemsize)
    kernel, large = sorted((w_shape[2:], out), key=prod)
    width = large[-1]
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

    def work(part: Array) -> None:
        if few:
            gradients(x, kernels, y, part, top, low)
        else:
            results(x, kernels, start, y, part, top, low, lanes(x.itemsize))

    work_of_all = 4 * y[0, 0].size * x.shape[0] * w.size
    threads.share(work, tasks, work_of_all, x.dtype)
    if few and not all_finite(y):  # zeros beyond its border may have met what no result meets
        y = conv_by_gemm(x, w, geometry)
    return y + start.reshape(-1, 1, 1) if few and b is not None else y
