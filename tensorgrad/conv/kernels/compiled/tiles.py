"""The innermost loops, as vector instructions: a tile of results that stays in registers.

LLVM does not keep a tile of accumulators in registers when it is given loops over arrays. So these
are emitted: functions that make the instructions of a tile, for the vectors of this processor.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from inspect import signature
from pathlib import Path
from threading import Lock
from typing import Any

import numba
from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.extending import intrinsic

INDEX = ir.IntType(64)
_features = binding.get_host_cpu_features()
VECTOR_BYTES = 64 if _features.get("avx512f") else 32 if _features.get("avx2") else 16

# AVX-512 has 32, enough for tiles of 24 vectors; others make do with 12
MANY_REGISTERS = VECTOR_BYTES == 64


def lanes(itemsize: int) -> int:
    """Return how many entries a vector has."""
    return VECTOR_BYTES // itemsize


class Emitter:
    """Vector instructions for one type of entries."""

    def __init__(self, context: Any, builder: Any, dtype: Any) -> None:
        self.context, self.builder = context, builder
        self.scalar = context.get_value_type(dtype)
        self.itemsize = dtype.bitwidth // 8
        self.lanes = lanes(self.itemsize)
        self.vector = ir.VectorType(self.scalar, self.lanes)
        self.name = f"v{self.lanes}f{dtype.bitwidth}"

    def address(self, array: Any, array_type: Any, *offsets: Any) -> Any:
        """Return the address of an entry, given by offsets that are added."""
        data = self.context.make_array(array_type)(self.context, self.builder, array).data
        for offset in offsets:
            data = self.at(data, offset)
        return data

    def at(self, address: Any, offset: Any) -> Any:
        """Return the address of an entry so many behind another."""
        return self.builder.gep(address, [offset])

    def load(self, address: Any) -> Any:
        """Load a vector."""
        address = self.builder.bitcast(address, self.vector.as_pointer())
        return self.builder.load(address, align=self.itemsize)

    def store(self, value: Any, address: Any) -> None:
        """Store a vector."""
        address = self.builder.bitcast(address, value.type.as_pointer())
        self.builder.store(value, address, align=self.itemsize)

    def mask(self, count: Any) -> Any:
        """Return which lanes come before a count."""
        return self.builder.icmp_signed("<", self.order(range(self.lanes)), self._everywhere(count))

    def inside(self, first: Any, end: Any) -> Any:
        """Return which lanes, counted from a number on, have one from 0 to before an end."""
        numbers = self.builder.add(self._everywhere(first), self.order(range(self.lanes)))
        return self.builder.icmp_unsigned("<", numbers, self._everywhere(end))

    def if_below(self, number: Any, end: Any, mask: Any) -> Any:
        """Return the mask, or an empty one unless a number is from 0 to before an end."""
        inside = self.builder.icmp_unsigned("<", number, end)
        return self.builder.select(inside, mask, ir.Constant(mask.type, [0] * self.lanes))

    def _everywhere(self, number: Any) -> Any:
        """Return a short integer in all lanes."""
        short = ir.IntType(32)
        undefined = ir.Constant(ir.VectorType(short, self.lanes), ir.Undefined)
        first = self.builder.insert_element(
            undefined, self.builder.trunc(number, short), ir.Constant(short, 0)
        )
        return self.shuffle(first, [0] * self.lanes)

    def load_some(self, address: Any, mask: Any) -> Any:
        """Load the lanes of a mask, and zeros for the others."""
        pointer = self.vector.as_pointer()
        kind = ir.FunctionType(self.vector, [pointer, ir.IntType(32), mask.type, self.vector])
        function = self._of_memory("load", kind)
        address = self.builder.bitcast(address, pointer)
        align = ir.Constant(ir.IntType(32), self.itemsize)
        return self.builder.call(function, [address, align, mask, self.zeros()])

    def store_some(self, value: Any, address: Any, mask: Any) -> None:
        """Store the lanes of a mask."""
        pointer = self.vector.as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [self.vector, pointer, ir.IntType(32), mask.type])
        address = self.builder.bitcast(address, pointer)
        align = ir.Constant(ir.IntType(32), self.itemsize)
        self.builder.call(self._of_memory("store", kind), [value, address, align, mask])

    def _of_memory(self, name: str, kind: Any) -> Any:
        opaque = str(self.vector.as_pointer()) == "ptr"  # as of LLVM 17
        pointer = "p0" if opaque else f"p0{self.name}"
        return cgutils.get_or_insert_function(
            self.builder.module, kind, f"llvm.masked.{name}.{self.name}.{pointer}"
        )

    def splat(self, address: Any) -> Any:
        """Load one entry into all lanes."""
        entry = self.builder.load(address)
        undefined = ir.Constant(self.vector, ir.Undefined)
        first = self.builder.insert_element(undefined, entry, ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(first, undefined, zeros)

    def fma(self, x: Any, y: Any, z: Any) -> Any:
        """Return x * y + z, rounded once."""
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        function = cgutils.get_or_insert_function(
            self.builder.module, kind, f"llvm.fma.{self.name}"
        )
        return self.builder.call(function, [x, y, z])

    def sums(self, vectors: Sequence[Any]) -> Any:
        """Return a vector of the sums over the lanes of at most so many vectors as it has lanes."""
        undefined = ir.Constant(self.vector, ir.Undefined)
        while len(vectors) < self.lanes:
            vectors = [*vectors, undefined]
        halves = [[2 * i + odd for i in range(self.lanes)] for odd in (0, 1)]
        while len(vectors) > 1:  # neighbours are added, until there is one left of each vector
            pairs = list(zip(vectors[::2], vectors[1::2], strict=True))
            vectors = [
                undefined
                if one is undefined
                else self.builder.fadd(
                    *(self.builder.shuffle_vector(one, other, self.order(h)) for h in halves)
                )
                for one, other in pairs
            ]
        return vectors[0]

    def order(self, entries: Sequence[int]) -> Any:
        """Return which lanes a shuffle takes."""
        return ir.Constant(ir.VectorType(ir.IntType(32), len(entries)), list(entries))

    def zeros(self) -> Any:
        """Return a vector of zeros."""
        return ir.Constant(self.vector, [0.0] * self.lanes)

    def constant(self, value: float) -> Any:
        """Return a vector of one number."""
        return ir.Constant(self.vector, [value] * self.lanes)

    def shuffle(self, vector: Any, order: Sequence[int]) -> Any:
        """Return lanes of a vector in an order."""
        undefined = ir.Constant(vector.type, ir.Undefined)
        return self.builder.shuffle_vector(vector, undefined, self.order(order))

    def joined(self, vectors: Sequence[Any]) -> Any:
        """Return vectors, a power of two of them, as one long vector."""
        while len(vectors) > 1:
            count = vectors[0].type.count
            order = self.order(range(2 * count))
            pairs = zip(vectors[::2], vectors[1::2], strict=True)
            vectors = [self.builder.shuffle_vector(a, b, order) for a, b in pairs]
        return vectors[0]

    def weighted(self, weights: Sequence[float], vectors: Sequence[Any]) -> Any:
        """Return a weighted sum; None if all weights are zero."""
        total = None
        for weight, vector in zip(weights, vectors, strict=True):
            if weight == 0:
                continue
            if total is None:
                total = vector if weight == 1 else self.builder.fmul(self.constant(weight), vector)
            elif weight == 1:
                total = self.builder.fadd(total, vector)
            elif weight == -1:
                total = self.builder.fsub(total, vector)
            else:
                total = self.fma(self.constant(weight), vector, total)
        return total

    def product(self, matrix: Sequence[Sequence[float]], vectors: Sequence[Any]) -> list[Any]:
        """Return matrix @ vectors; rows that differ in signs share their sums."""
        results: list[Any] = [None] * len(matrix)
        for i, row in enumerate(matrix):
            if results[i] is not None:
                continue
            twin = next(
                (
                    k
                    for k in range(i + 1, len(matrix))
                    if all(abs(a) == abs(b) for a, b in zip(row, matrix[k], strict=True))
                ),
                None,
            )
            if twin is None:
                results[i] = self.weighted(row, vectors)
                continue
            pairs = list(zip(row, matrix[twin], strict=True))
            alike = self.weighted([a if a == b else 0 for a, b in pairs], vectors)
            other = self.weighted([a if a != b else 0 for a, b in pairs], vectors)
            results[i] = self.builder.fadd(alike, other)
            results[twin] = self.builder.fsub(alike, other)
        return results

    def not_unrolled(self) -> Any:
        """Return what keeps LLVM from unrolling a loop: a tile has no registers left for that."""
        module = self.builder.module
        text = ir.MetaDataString(module, "llvm.loop.unroll.disable")
        mark = module.add_metadata([text, module.add_metadata([text])])
        mark.operands = (mark, module.add_metadata([text]))  # it names itself, to be unique
        return mark

    def loop(
        self, count: Any, carried: Sequence[Any], body: Callable[..., Sequence[Any]]
    ) -> list[Any]:
        """Run a body count times (at least once), handing on the values that it returns."""
        b = self.builder
        before = b.block
        inside, after = b.append_basic_block("loop"), b.append_basic_block("after")
        b.branch(inside)
        b.position_at_end(inside)
        i = b.phi(INDEX)
        i.add_incoming(INDEX(0), before)
        values = [b.phi(value.type) for value in carried]
        for phi, value in zip(values, carried, strict=True):
            phi.add_incoming(value, before)
        results = list(body(i, *values))
        following = b.add(i, INDEX(1))
        i.add_incoming(following, b.block)
        for phi, value in zip(values, results, strict=True):
            phi.add_incoming(value, b.block)
        back = b.cbranch(b.icmp_signed("<", following, count), inside, after)
        back.set_metadata("llvm.loop", self.not_unrolled())
        b.position_at_end(after)
        return results


def outer_tile(rows: int, vectors: int, *, onto: bool = False) -> Any:
    """Make ``y[m, v] = b[m] + sum over r of w[m, pairs[r, 0]] * x[at[v] + pairs[r, 1]]``.

    v is in vectors: each entry of w meets a vector of x, a tile of an outer product. ``onto`` adds
    to what is in y instead of b.
    """

    @intrinsic
    def tile(
        _typing: Any,
        w: Any,
        w_at: Any,
        w_row: Any,
        pairs: Any,
        x: Any,
        at: Any,
        at_at: Any,
        b: Any,
        b_at: Any,
        y: Any,
        y_at: Any,
        y_row: Any,
    ) -> Any:
        index = types.int64
        signature = types.void(w, index, index, pairs, x, at, index, b, index, y, index, index)

        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            w, w_at, w_row, pairs, x, at, at_at, b, b_at, y, y_at, y_row = args
            e = Emitter(context, builder, sig.args[4].dtype)
            entries = context.make_array(sig.args[3])(context, builder, pairs).nitems
            count = builder.lshr(entries, INDEX(1))
            table = e.address(pairs, sig.args[3])
            places = e.address(at, sig.args[5], at_at)
            read = [
                e.address(x, sig.args[4], builder.load(e.at(places, INDEX(v))))
                for v in range(vectors)
            ]
            weights = e.address(w, sig.args[0], w_at)
            targets = [
                e.address(y, sig.args[9], y_at, builder.mul(y_row, INDEX(m))) for m in range(rows)
            ]
            start = []
            for m, target in enumerate(targets):
                if onto:
                    start += [e.load(e.at(target, INDEX(v * e.lanes))) for v in range(vectors)]
                else:
                    start += [e.splat(e.address(b, sig.args[7], b_at, INDEX(m)))] * vectors

            def body(i: Any, *sums: Any) -> list[Any]:
                pair = e.at(table, builder.shl(i, INDEX(1)))
                offset = builder.load(e.at(pair, INDEX(1)))
                xs = [e.load(e.at(address, offset)) for address in read]
                results = []
                column = e.at(weights, builder.load(pair))
                for m in range(rows):
                    # from one address: eight would not leave registers for the rest
                    weight = e.splat(e.at(column, builder.mul(w_row, INDEX(m))))
                    results += [e.fma(weight, xs[v], sums[m * vectors + v]) for v in range(vectors)]
                return results

            sums = e.loop(count, start, body)
            for m, target in enumerate(targets):
                for v in range(vectors):
                    e.store(sums[m * vectors + v], e.at(target, INDEX(v * e.lanes)))
            return context.get_dummy_value()

        return signature, emit

    return tile


def inner_tile(rows: int, columns: int) -> Any:
    """Make ``y[m, n] = sum over i, q of g[m, i, q] * x[i, offsets[n] + q]``, q in vectors.

    A tile of inner products: images i, one after another at a distance, and positions q of each.
    They are added to what is in y where ``add`` is 1, not 0.
    """

    @intrinsic
    def tile(
        _typing: Any,
        g: Any,
        g_at: Any,
        g_row: Any,
        g_image: Any,
        x: Any,
        x_image: Any,
        offsets: Any,
        first: Any,
        images: Any,
        count: Any,
        y: Any,
        y_at: Any,
        y_row: Any,
        add: Any,
    ) -> Any:
        index = types.int64
        signature = types.void(
            g, index, index, index, x, index, offsets, index, index, index, y, index, index, index
        )

        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            (
                g,
                g_at,
                g_row,
                g_image,
                x,
                x_image,
                offsets,
                first,
                images,
                count,
                y,
                y_at,
                y_row,
                add,
            ) = args
            e = Emitter(context, builder, sig.args[4].dtype)
            table = e.address(offsets, sig.args[6], first)
            read = [
                e.address(x, sig.args[4], builder.load(e.at(table, INDEX(n))))
                for n in range(columns)
            ]
            held = [
                e.address(g, sig.args[0], g_at, builder.mul(g_row, INDEX(m))) for m in range(rows)
            ]

            def image(i: Any, *sums: Any) -> list[Any]:
                xs = [e.at(address, builder.mul(i, x_image)) for address in read]
                gs = [e.at(address, builder.mul(i, g_image)) for address in held]

                def body(q: Any, *sums: Any) -> list[Any]:
                    step = builder.mul(q, INDEX(e.lanes))
                    seen = [e.load(e.at(address, step)) for address in gs]
                    results = list(sums)
                    for n in range(columns):
                        vector = e.load(e.at(xs[n], step))
                        for m in range(rows):
                            k = m * columns + n
                            results[k] = e.fma(seen[m], vector, sums[k])
                    return results

                return e.loop(count, sums, body)

            sums = e.loop(images, [e.zeros()] * (rows * columns), image)
            for m in range(rows):
                row = e.address(y, sig.args[10], y_at, builder.mul(y_row, INDEX(m)))
                for n in range(0, columns, e.lanes):
                    some = sums[m * columns : (m + 1) * columns][n : n + e.lanes]
                    place, width = e.at(row, INDEX(n)), INDEX(len(some))
                    before = e.load_some(place, e.mask(builder.mul(add, width)))
                    e.store_some(builder.fadd(before, e.sums(some)), place, e.mask(width))
            return context.get_dummy_value()

        return signature, emit

    return tile


def sandwich(matrix: Sequence[Sequence[float]]) -> Any:
    """Make ``y = matrix @ x @ matrix.T`` for square x, every entry of which is a vector.

    The entries of x lie where ``offsets`` says, those of y ``step`` apart.
    """
    n = len(matrix[0])

    @intrinsic
    def transform(
        _typing: Any, x: Any, x_at: Any, offsets: Any, y: Any, y_at: Any, step: Any
    ) -> Any:
        index = types.int64

        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            x, x_at, offsets, y, y_at, step = args
            e = Emitter(context, builder, sig.args[0].dtype)
            origin, table = e.address(x, sig.args[0], x_at), e.address(offsets, sig.args[2])
            target = e.address(y, sig.args[3], y_at)
            entries = [
                e.load(e.at(origin, builder.load(e.at(table, INDEX(i))))) for i in range(n * n)
            ]
            columns = [e.product(matrix, entries[j::n]) for j in range(n)]
            for i in range(len(matrix)):
                row = e.product(matrix, [column[i] for column in columns])
                for j, entry in enumerate(row):
                    place = INDEX(i * len(matrix) + j)
                    e.store(entry, e.at(target, builder.mul(step, place)))
            return context.get_dummy_value()

        return types.void(x, index, offsets, y, index, index), emit

    return transform


def interleave(parts: int) -> Any:
    """Make ``y[parts * q + p] = x[p * step + q] + b`` for one vector of each part."""

    @intrinsic
    def weave(
        _typing: Any, x: Any, x_at: Any, step: Any, b: Any, b_at: Any, y: Any, y_at: Any
    ) -> Any:
        index = types.int64

        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            x, x_at, step, b, b_at, y, y_at = args
            e = Emitter(context, builder, sig.args[0].dtype)
            origin = e.address(x, sig.args[0], x_at)
            bias = e.splat(e.address(b, sig.args[3], b_at))
            vectors = [
                builder.fadd(e.load(e.at(origin, builder.mul(step, INDEX(p)))), bias)
                for p in range(parts)
            ]
            order = [p * e.lanes + q for q in range(e.lanes) for p in range(parts)]
            woven = e.shuffle(e.joined(vectors), order)
            e.store(woven, e.address(y, sig.args[5], y_at))
            return context.get_dummy_value()

        return types.void(x, index, index, b, index, y, index), emit

    return weave


def deinterleave(parts: int) -> Any:
    """Make ``y[p * step + q] = x[parts * q + p]`` for one vector of each part."""

    @intrinsic
    def part(_typing: Any, x: Any, x_at: Any, y: Any, y_at: Any, step: Any) -> Any:
        index = types.int64

        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            x, x_at, y, y_at, step = args
            e = Emitter(context, builder, sig.args[0].dtype)
            origin, target = e.address(x, sig.args[0], x_at), e.address(y, sig.args[2], y_at)
            together = e.joined([e.load(e.at(origin, INDEX(p * e.lanes))) for p in range(parts)])
            for p in range(parts):
                vector = e.shuffle(together, [parts * q + p for q in range(e.lanes)])
                e.store(vector, e.at(target, builder.mul(step, INDEX(p))))
            return context.get_dummy_value()

        return types.void(x, index, y, index, index), emit

    return part


def _transpose() -> Any:
    """Make ``y[y_at + i y_step + r] = x[x_at + r x_step + i]`` for less than a vector of i and r.

    Where i is beyond ``columns`` nothing is written. Beyond ``rows`` rows repeat the last, and
    nothing is written beyond ``used``.
    """

    @intrinsic
    def transpose(
        _typing: Any,
        x: Any,
        x_at: Any,
        x_step: Any,
        rows: Any,
        columns: Any,
        y: Any,
        y_at: Any,
        y_step: Any,
        used: Any,
    ) -> Any:
        index = types.int64

        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            x, x_at, x_step, rows, columns, y, y_at, y_step, used = args
            e = Emitter(context, builder, sig.args[0].dtype)
            origin, target = e.address(x, sig.args[0], x_at), e.address(y, sig.args[5], y_at)
            last, inside = builder.sub(rows, INDEX(1)), e.mask(columns)
            vectors = []
            for r in range(e.lanes):
                before = builder.icmp_signed("<", last, INDEX(r))
                row = builder.select(before, last, INDEX(r))
                vectors.append(e.load_some(e.at(origin, builder.mul(row, x_step)), inside))
            half = e.lanes // 2
            while half:  # each time all are woven with those half of them further on
                pairs = zip(vectors[: e.lanes // 2], vectors[e.lanes // 2 :], strict=True)
                vectors = [
                    builder.shuffle_vector(a, b, e.order([k for q in part for k in q]))
                    for a, b in pairs
                    for part in (
                        [(q, q + e.lanes) for q in range(e.lanes // 2)],
                        [(q, q + e.lanes) for q in range(e.lanes // 2, e.lanes)],
                    )
                ]
                half //= 2
            kept = e.mask(used)
            for i, vector in enumerate(vectors):
                wanted = builder.icmp_signed("<", INDEX(i), columns)
                with builder.if_then(wanted):
                    e.store_some(vector, e.at(target, builder.mul(y_step, INDEX(i))), kept)
            return context.get_dummy_value()

        return types.void(x, index, index, index, index, y, index, index, index), emit

    return transpose


def pick(parts: int) -> Any:
    """Make ``y[q] = x[parts * q]`` for one vector, reading no entry beyond the last of these."""

    @intrinsic
    def vector(_typing: Any, x: Any, x_at: Any, y: Any, y_at: Any) -> Any:
        index = types.int64

        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            x, x_at, y, y_at = args
            e = Emitter(context, builder, sig.args[0].dtype)
            origin, target = e.address(x, sig.args[0], x_at), e.address(y, sig.args[2], y_at)
            last = (parts - 1) * (e.lanes - 1)  # where the last vector is read
            places = [*range(0, (parts - 1) * e.lanes, e.lanes), last]
            together = e.joined([e.load(e.at(origin, INDEX(place))) for place in places])
            ahead = (parts - 1) * e.lanes - last
            order = [
                k + ahead * (k >= (parts - 1) * e.lanes) for k in range(0, last + e.lanes, parts)
            ]
            e.store(e.shuffle(together, order), target)
            return context.get_dummy_value()

        return types.void(x, index, y, index), emit

    return vector


def _fill() -> Any:
    """Make ``to[to_at:][:length]`` zero but for ``[begin:end]``, that is ``source[source_at:]``.

    Whole vectors are written: up to one less than a vector of zeros behind that.
    """

    @intrinsic
    def fill(
        _typing: Any,
        to: Any,
        to_at: Any,
        length: Any,
        source: Any,
        source_at: Any,
        begin: Any,
        end: Any,
    ) -> Any:
        index = types.int64

        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            to, to_at, length, source, source_at, begin, end = args
            e = Emitter(context, builder, sig.args[0].dtype)
            target = e.address(to, sig.args[0], to_at)
            origin = e.address(source, sig.args[3], builder.sub(source_at, begin))

            def body(i: Any) -> list[Any]:
                at = builder.mul(i, INDEX(e.lanes))
                behind = e.mask(builder.sub(end, at))
                before = e.mask(builder.sub(begin, at))
                mask = builder.and_(behind, builder.not_(before))
                e.store(e.load_some(e.at(origin, at), mask), e.at(target, at))
                return []

            vectors = builder.sdiv(builder.add(length, INDEX(e.lanes - 1)), INDEX(e.lanes))
            with builder.if_then(builder.icmp_signed(">", vectors, INDEX(0))):
                e.loop(vectors, [], body)
            return context.get_dummy_value()

        return types.void(to, index, index, source, index, index, index), emit

    return fill


def _copy() -> Any:
    """Make ``to[to_at:][:count] = source[source_at:][:count]``, of entries in memory order."""

    @intrinsic
    def copy(_typing: Any, to: Any, to_at: Any, source: Any, source_at: Any, count: Any) -> Any:
        index = types.int64

        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            to, to_at, source, source_at, count = args
            e = Emitter(context, builder, sig.args[0].dtype)
            target = e.address(to, sig.args[0], to_at)
            origin = e.address(source, sig.args[2], source_at)
            if not MANY_REGISTERS:  # nor quick stores of some lanes
                cgutils.raw_memcpy(builder, target, origin, count, INDEX(e.itemsize))
                return context.get_dummy_value()

            def body(i: Any) -> list[Any]:
                at = builder.mul(i, INDEX(e.lanes))
                mask = e.mask(builder.sub(count, at))
                e.store_some(e.load_some(e.at(origin, at), mask), e.at(target, at), mask)
                return []

            vectors = builder.sdiv(builder.add(count, INDEX(e.lanes - 1)), INDEX(e.lanes))
            with builder.if_then(builder.icmp_signed(">", vectors, INDEX(0))):
                e.loop(vectors, [], body)
            return context.get_dummy_value()

        return types.void(to, index, source, index, index), emit

    return copy


fill, copy, transpose = _fill(), _copy(), _transpose()

# What is compiled is kept in files for later processes. By itself Numba sees that such a file is
# out of date by the source of the function alone, not by that of others which it calls.
_SOURCES = sorted(Path(__file__).parent.glob("*.py"))
_VERSION = sha256(b"".join(source.read_bytes() for source in _SOURCES)).hexdigest()[:16]


def jit(function: Callable[..., Any], *, inline: bool = False) -> Any:
    """Compile a function when it is called, anew after a change to any source of this folder.

    Written ``inline``, it is a part of what calls it: to hand on many arrays takes as long as a
    small tile.
    """
    if not function.__qualname__.endswith(_VERSION):
        function.__qualname__ += f"-{_VERSION}"  # the file is named after it
    compiled = numba.njit(nogil=True, error_model="numpy", forceinline=inline)(function)
    with suppress(RuntimeError):  # if there is a folder that it can be kept in
        compiled.enable_caching()
    return compiled


def compiled_for(function: Callable[..., Any], kinds: Sequence[Any]) -> Any:
    """Compile a function for arguments of these types, and for no others."""
    compiled = jit(function)
    compiled.compile(tuple(kinds))
    compiled.disable_compile()
    return compiled


def kernel(*names: str) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function that Python calls, once for each type of entries.

    Arguments of these names may lie in memory in any way, and be read-only. Left to itself, Numba
    compiles anew for each of them.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        free = [name in names for name in signature(function).parameters]
        lock = Lock()
        known: dict[Any, Any] = {}

        def call(*args: Any) -> Any:
            dtype = args[0].dtype
            compiled = known.get(dtype)
            if compiled is None:
                with lock:  # one thread compiles, and others wait for it
                    if dtype not in known:
                        known[dtype] = compiled_for(function, [*map(kind, args, free)])
                compiled = known[dtype]
            return compiled(*args)

        return call

    def kind(arg: Any, free: bool) -> Any:
        own = numba.typeof(arg)
        return types.Array(own.dtype, own.ndim, "A", readonly=True) if free else own

    return decorate
