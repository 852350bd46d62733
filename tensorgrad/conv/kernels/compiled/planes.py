"""The input of a compiled kernel, laid out so that vectors are read from it whole.

A kernel reads the padded input at ``start + step * q``, for some starts and q = 0, 1, ..., along
each axis: with the taps as starts and the stride as step, or for a gradient with the results as
starts and the dilation as step. So the padded input is taken apart by ``start mod step`` into
planes; in its plane what a start reads is a run, ``start // step`` entries in. Planes keep whole
rows, and a run goes on through the rows that follow.

Everything has three axes here; what has fewer gets axes of length 1 in the middle, so that rows are
counted along the first.
"""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from tensorgrad.conv.kernels.compiled.tiles import VECTOR_BYTES, fill, jit, pick
from tensorgrad.typing import Array, Shape

AXES = 3


def three(values: Sequence, filling: object) -> tuple:
    """Put entries for missing axes before the last: (h, w) -> (h, filling, w)."""
    missing = AXES - len(values)
    return (*values[:-1], *[filling] * missing, values[-1])


def entry_by_entry(x: Array, w: Array, b: Array | None) -> tuple[Array, Array, Array]:
    """Return all in one type, x with the entries of a row side by side, and zeros for no bias."""
    dtype = x.dtype
    if not (w.dtype == dtype and dtype.isnative and x.flags.aligned and w.flags.aligned):
        dtype = np.result_type(x, w)
        x, w = _aligned(x, dtype), _aligned(w, dtype)
    if x.strides[-1] != x.itemsize:
        x = np.ascontiguousarray(x)
    return x, w, np.zeros(w.shape[0], dtype) if b is None else np.ascontiguousarray(b, dtype)


def _aligned(x: Array, dtype: np.dtype) -> Array:
    """Return x, copied where its strides are not whole entries, as in a field of packed records."""
    x = np.asarray(x, dtype)
    return x if x.flags.aligned else x.copy()


class Axis(NamedTuple):
    """Along one axis: the input and the zeros before it, the step, and where runs start."""

    side: int  # of the input
    low: int
    step: int
    starts: tuple[int, ...]
    length: int  # positions that a run reads

    @property
    def phases(self) -> tuple[int, ...]:
        """The remainders of the starts, each of which has planes of its own."""
        return tuple(sorted({start % self.step for start in self.starts}))

    @property
    def reach(self) -> int:
        """How many entries a plane has beyond those of a run that starts at 0."""
        return max(start // self.step for start in self.starts)


class Planes(NamedTuple):
    """What `fill_planes` needs to know, and where runs start in what it makes."""

    shape: Shape  # (planes, rows, *sides) of one channel
    # (planes, 5): the phase of each plane along the first axes; along the last one its entry q is
    # that of the input at q * step - shift, for q from begin to end
    table: Array
    lows: Array
    steps: Array
    starts: Array  # where the run of each start begins, by the number of the start along each axis

    @property
    def size(self) -> int:
        """Entries of all planes of one channel."""
        return int(np.prod(self.shape))


def make_planes(axes: Sequence[Axis], rows: int) -> Planes:
    """Lay out planes for runs of so many rows, that is positions along the first axis."""
    phases = list(product(*(axis.phases for axis in axes)))
    counts = (rows, *(axis.length for axis in axes[1:]))
    sides = tuple(count + axis.reach for count, axis in zip(counts, axes, strict=True))
    size = int(np.prod(sides))
    number = {phase: i for i, phase in enumerate(phases)}
    starts = []
    for start in product(*(axis.starts for axis in axes)):
        phase = tuple(s % axis.step for s, axis in zip(start, axes, strict=True))
        i, j, k = (s // axis.step for s, axis in zip(start, axes, strict=True))
        starts.append(number[phase] * size + (i * sides[1] + j) * sides[2] + k)
    last, width, table = axes[-1], sides[-1], []
    for phase in phases:
        shift = last.low - phase[-1]
        begin = min(max(-(-shift // last.step), 0), width)
        end = max(min((last.side - 1 + shift) // last.step + 1, width), begin)
        table.append((*phase[:-1], shift, begin, end))
    return Planes(
        (len(phases), *sides),
        np.array(table),
        np.array([axis.low for axis in axes]),
        np.array([axis.step for axis in axes]),
        np.array(starts).reshape([len(axis.starts) for axis in axes]),
    )


pick_2, pick_4 = pick(2), pick(4)


@jit
def fill_planes(x, table, lows, steps, first, planes):
    """Fill the planes (c, p, r0, r1, r2) of channels x (c, i0, i1, i2), from row ``first`` on.

    Up to a vector of zeros is written behind them.
    """
    channels, count, n0, n1, n2 = planes.shape
    i0, i1 = x.shape[1], x.shape[2]
    step, lanes = steps[2], VECTOR_BYTES // x.itemsize
    flat = planes.reshape(-1)
    s0, s1, s2 = x.strides[1] // x.itemsize, x.strides[2] // x.itemsize, x.strides[3] // x.itemsize
    of_channel = x.strides[0] // x.itemsize
    to = 0
    for c in range(channels):
        for p in range(count):
            shift, begin, end = table[p, 2], table[p, 3], table[p, 4]
            for r0 in range(n0):
                z0 = (first + r0) * steps[0] + table[p, 0] - lows[0]
                for r1 in range(n1):
                    z1 = r1 * steps[1] + table[p, 1] - lows[1]
                    source = c * of_channel + z0 * s0 + z1 * s1 - shift
                    if z0 < 0 or z0 >= i0 or z1 < 0 or z1 >= i1:
                        fill(flat, to, n2, x, 0, 0, 0)
                    elif step * s2 == 1:
                        fill(flat, to, n2, x, source + begin, begin, end)
                    else:
                        flat[to : to + begin] = 0
                        flat[to + end : to + n2] = 0
                        q = begin
                        quick = s2 == 1 and step in (2, 4) and end - begin >= lanes
                        while quick and q < end:
                            q = min(q, end - lanes)
                            if step == 2:
                                pick_2(x, source + q * step, flat, to + q)
                            else:
                                pick_4(x, source + q * step, flat, to + q)
                            q += lanes
                        while q < end:
                            flat[to + q] = x[c, z0, z1, q * step - shift]
                            q += 1
                    to += n2
