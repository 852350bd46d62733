"""What the algorithms cost, in seconds: arithmetic, memory and calls, each at a measured rate.

The rates are those of one thread; `choose` compares estimates, so that only their ratios matter.
"""

from math import prod
from typing import NamedTuple

import numpy as np

from tensorgrad.conv import threads
from tensorgrad.conv.geometry import Geometry
from tensorgrad.typing import Shape


class Problem(NamedTuple):
    """A convolution, as far as its cost depends on it."""

    x_shape: Shape
    w_shape: Shape
    geometry: Geometry
    dtype: np.dtype

    @property
    def out(self) -> Shape:
        """The sides of the result."""
        return self.geometry.output_sides(self.x_shape[2:], self.w_shape[2:])

    @property
    def multiplications(self) -> int:
        """How many pairs of entries meet, those with the padding and inserted zeros included."""
        return self.x_shape[0] * prod(self.out) * prod(self.w_shape)

    @property
    def is_dilated(self) -> bool:
        """Whether there are zeros between the entries of the input."""
        return max(self.geometry.input_dilation, default=1) > 1


# multiplications a second of compiled vector code, by the bytes of an entry
COMPILED = {4: 110e9, 8: 55e9}
# seconds to transform an entry of a channel's tile, and a pair of channels' 3x3 kernel, by bytes
TILES = {4: 5e-9, 8: 10e-9}
KERNELS = {4: 20e-9, 8: 40e-9}


def compiled(problem: Problem) -> float:
    """Vectors of results or of the kernel's positions, of which those at the ends are not full."""
    work = problem.multiplications / prod(problem.geometry.input_dilation)
    return work / COMPILED[problem.dtype.itemsize] / threads.get_num_threads()


def compiled_winograd(problem: Problem) -> float:
    """Tiles of 4x4 results: 36 products of matrices, and the transformations."""
    size = problem.dtype.itemsize
    lanes = 64 // size
    groups = problem.geometry.groups
    c, o = problem.w_shape[1], problem.w_shape[0] // groups
    rows, columns = (-(-side // 4) for side in problem.out)
    tiles = problem.x_shape[0] * rows * (columns + 1)
    tiles = -(-tiles // lanes) * lanes
    products = tiles * 36 * c * o / COMPILED[size]
    transforms = tiles * (c + o) * TILES[size] + c * o * KERNELS[size]
    return groups * (products + transforms) / threads.get_num_threads()
