"""The tiles of a depthwise convolution: one plane with one small kernel, read where it lies.

A tile of results, some rows of one vector, stays in registers, and a vector of the input serves all
rows that it meets. The gradient by the kernel keeps its sums in registers and goes over the planes.
Outside of the input, masks read zeros.
"""

from typing import Any

from numba.core import types
from numba.extending import intrinsic

from tensorgrad.conv.kernels.compiled.tiles import INDEX, Emitter


def _columns(e: Emitter, low: Any, width: Any, shifts: int) -> list[Any]:
    """Return for each shift which lanes, from ``-low`` on, are columns of the input."""
    return [e.inside(e.builder.sub(INDEX(shift), low), width) for shift in range(shifts)]


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
                        mask = e.if_below(builder.add(top, INDEX(r)), height, mask)
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
                used = e.mask(builder.sub(columns, q))
                masks = _columns(e, builder.sub(low, q), width, end)[begin:]
                left = builder.sub(q, low)

                def row(r: Any, *state: Any) -> list[Any]:
                    # a row of x meets this row of g, and those that are kept, from before
                    kept, sums = list(state[: side - 1]), list(state[side - 1 :])
                    at = builder.add(builder.mul(r, g_row), q)
                    new = e.load_some(e.at(g_origin, at), e.if_below(r, rows, used))
                    met = [new, *kept]
                    here = builder.sub(r, top)
                    inside = [e.if_below(here, height, mask) for mask in masks]
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


@intrinsic
def spread(_typing: Any, x: Any, x_at: Any, count: Any, y: Any, y_at: Any) -> Any:
    """Make ``y[2 * q] = x[q]``, with zeros between, for a vector of which the first entries count.

    Two whole vectors are written.
    """
    index = types.int64

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        x, x_at, count, y, y_at = args
        e = Emitter(context, builder, sig.args[0].dtype)
        vector = e.load_some(e.address(x, sig.args[0], x_at), e.mask(count))
        order = [place for q in range(e.lanes) for place in (q, e.lanes)]
        both = builder.shuffle_vector(vector, e.zeros(), e.order(order))
        e.store(both, e.address(y, sig.args[3], y_at))
        return context.get_dummy_value()

    return types.void(x, index, index, y, index), emit
