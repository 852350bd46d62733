"""What the algorithms cost, in seconds: arithmetic, memory and calls, each at a measured rate.

The rates are those of one thread; `choose` compares estimates, so that only their ratios matter.
"""

from itertools import chain
from math import log2, prod
from typing import NamedTuple

import numpy as np

from tensorgrad.conv import threads
from tensorgrad.conv.geometry import Geometry
from tensorgrad.conv.kernels.fft import best_side as fft_side
from tensorgrad.conv.kernels.winograd import points_for as winograd_points
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
    def reach(self) -> int:
        """How far from the first entry of the input a window may begin or end, along any axis."""
        stride, padding, _, dilation, _ = self.geometry
        windows = [j * s for j, s in zip(self.out, stride, strict=True)]
        kernels = [k * d for k, d in zip(self.w_shape[2:], dilation, strict=True)]
        return max(map(abs, (*self.x_shape, *windows, *kernels, *chain(*padding))))

    @property
    def results(self) -> int:
        """How many entries the result has."""
        return self.x_shape[0] * self.w_shape[0] * prod(self.out)

    @property
    def bytes(self) -> int:
        """The bytes of the arguments and the result."""
        entries = prod(self.x_shape) + prod(self.w_shape) + self.results
        return entries * self.dtype.itemsize

    @property
    def channels(self) -> tuple[int, int, int]:
        """The number of groups, and of the input and the output channels of each."""
        groups = self.geometry.groups
        return groups, self.w_shape[1], self.w_shape[0] // groups

    @property
    def has_few_results(self) -> bool:
        """Whether the result is smaller than the kernel, as in the gradient by a kernel."""
        return prod(self.out) < prod(self.w_shape[2:])

    @property
    def is_dilated(self) -> bool:
        """Whether there are zeros between the entries of the input."""
        return max(self.geometry.input_dilation, default=1) > 1


# multiplications a second of compiled vector code, by the bytes of an entry
COMPILED = {4: 120e9, 8: 62e9}
# seconds to transform a channel's tile, and the 3x3 kernel of two channels, and to move a line
TILES = {4: 12e-9, 8: 18e-9}
KERNELS = {4: 17e-9, 8: 50e-9}
LINE = 9e-9
# seconds to go on to another image or group
TASK = 100e-9
# seconds to begin and end a tile of sums in registers, and to go on in it
TILE, STEP = 15e-9, 0.9e-9
# seconds for a byte of memory that is new, as what is too large to be kept between calls
FRESH = 0.25e-9
# The same of BLAS, for matrices of more than a few rows, and of sums of products of vectors.
PRODUCTS = {4: 33e9, 8: 21e9}
DOTS = {4: 6.4e9, 8: 4.3e9}
# seconds to write a result
RESULT = 0.5e-9
# seconds to copy a byte into a block, and to begin with the next row
COPY = 0.05e-9
ROW = 2.6e-9
# seconds to transform an entry by Fourier, for each factor of two of their number
FOURIER = 0.28e-9
# seconds to multiply a pair of transformed entries
COMPLEX = 2.8e-9
# seconds to call one of NumPy's functions
CALL = 1.2e-6


def compiled(problem: Problem) -> float:
    """Lines laid out, and vectors of results, of the kernel's positions or of images."""
    (groups, c, o), n, kernel = problem.channels, problem.x_shape[0], problem.w_shape[2:]
    lanes = 64 // problem.dtype.itemsize
    lines = groups * c * prod(problem.x_shape[2:-1])  # of an image
    products: float
    moved: float
    if not problem.has_few_results or problem.is_dilated:
        phases = problem.geometry.input_dilation
        out = [-(-j // a) for j, a in zip(problem.out, phases, strict=True)]  # of one of them
        rows = prod(out[:-1])
        through = -(-rows * (out[-1] + kernel[-1] - 1) // lanes)
        vectors = n * groups * min(through, rows * -(-out[-1] // lanes)) * c * prod(kernel)
        products = vectors * (o + 2)
        moved = n * (lines + groups * o * prod(problem.out[:-1]) / 2)
    elif 4 * n >= 3 * (-(-n // lanes) * lanes) and o >= 8:
        products = 1.2 * -(-n // lanes) * groups * o * prod(problem.out) * c * prod(kernel)
        moved = n * lines * -(-problem.x_shape[-1] // lanes) * 0.4
    else:
        vectors = -(-prod(kernel[:-1]) * (kernel[-1] + problem.out[-1] - 1) // lanes)
        products = 1.3 * problem.results * c * vectors
        moved = n * lines + groups * o * c * prod(kernel[:-1]) + problem.results / 5
    apart = problem.geometry.dilation if problem.has_few_results else problem.geometry.stride
    if apart[-1] > 1:  # entry by entry
        moved *= 2
    small = problem.out if problem.has_few_results else kernel
    if c == o == 1 and small in {(3, 3), (5, 5), (7, 7)}:  # planes are read where they lie
        products, moved = products * 0.6, 0
    seconds = products * lanes / COMPILED[problem.dtype.itemsize] + moved * LINE
    seconds += n * groups * TASK + 4 * CALL
    return seconds / threads.get_num_threads()


def compiled_in_place(problem: Problem) -> float:
    """Tiles of results of four filters in four rows, or of sums for six of few results."""
    (groups, c, o), n, kernel = problem.channels, problem.x_shape[0], problem.w_shape[2:]
    size, out, lanes = problem.dtype.itemsize, problem.out, 64 // problem.dtype.itemsize
    steps: float
    of_tile = o / -(-o // 4)
    results = prod(out[:-1]) * -(-out[-1] // lanes) * prod(kernel)
    sums = prod(out) * prod(kernel[:-1]) * -(-kernel[-1] // lanes)
    if problem.geometry.stride[-1] > 1 or (sums < results and problem.geometry.dilation[-1] == 1):
        tiles, height = -(-prod(out) // 6), 6
        steps = prod(kernel[:-1]) * -(-kernel[-1] // lanes) * (c + 1) * 2
    else:
        height = 4 if len(out) == 2 and out[0] >= 4 else 1
        tiles = -(-prod(out[:-1]) // height) * -(-out[-1] // lanes)
        steps = prod(kernel) * c
        if c > 32 or of_tile * steps * size > 1 << 15:  # too much for the first level of cache
            steps *= 2
    products = of_tile * height * lanes / COMPILED[size] / 2
    tiles *= n * groups * -(-o // 4)
    seconds = tiles * (TILE + steps * (STEP + products)) + 2 * CALL
    return seconds / threads.get_num_threads()


def compiled_winograd(problem: Problem) -> float:
    """Tiles of 4x4 results: 36 products of matrices, and the transformations."""
    size = problem.dtype.itemsize
    lanes = 64 // size
    groups = problem.geometry.groups
    c, o = problem.w_shape[1], problem.w_shape[0] // groups
    rows, columns = (-(-side // 4) for side in problem.out)
    tiles = problem.x_shape[0] * rows * (columns + 1)
    tiles = -(-tiles // lanes) * lanes
    lines = problem.x_shape[0] * 4 * rows * (c + o)
    products = tiles * 36 * c * o / COMPILED[size]
    transforms = tiles * (c + o) * TILES[size] + c * o * KERNELS[size]
    held = held_by_compiled_winograd(problem)
    fresh = held * FRESH if held > threads.KEPT else 0
    begun = problem.x_shape[0] * (c + o) * TASK  # each channel of each image
    seconds = groups * (products + transforms + lines * LINE + begun) + fresh + 5 * CALL
    return seconds / threads.get_num_threads()


def held_by_compiled_winograd(problem: Problem) -> int:
    """Return the bytes of the transformed kernels."""
    return 36 * prod(problem.w_shape[:2]) * problem.dtype.itemsize


def _of_reals(problem: Problem) -> tuple[int, int]:
    """Return the bytes of a real number, and how many multiplications of them make one."""
    is_complex = problem.dtype.kind == "c"
    return problem.dtype.itemsize // (1 + is_complex), 4 if is_complex else 1


def _products(problem: Problem, rows: float, others: float, columns: float) -> float:
    """Multiply matrices of a few rows and many columns, or the other way round."""
    size, each = _of_reals(problem)
    wasted = (1 + 4 / max(rows, 1)) * (1 + 4 / max(columns, 1))
    return each * rows * others * columns * wasted / PRODUCTS.get(size, 1e9)


def _copies(problem: Problem, entries: float, row: int) -> float:
    return entries * (problem.dtype.itemsize * COPY + ROW / max(row, 1))


def gemm(problem: Problem) -> float:
    """Patches, and products of matrices with them."""
    (groups, c, o), (n, *_), out = problem.channels, problem.x_shape, problem.out
    kernel = problem.w_shape[2:]
    entries = n * groups * c * prod(kernel) * prod(out)
    if problem.has_few_results:
        row = kernel[-1]
        products = groups * _products(problem, o, c * prod(kernel), n * prod(out))
        whole = prod(out) == 1 and {*problem.geometry.dilation} == {1}
    else:
        row = out[-1] if out else 1
        products = n * groups * _products(problem, o, c * prod(kernel), prod(out))
        whole = prod(kernel) == 1 and {*problem.geometry.stride} == {1}
    copies = 0 if whole else _copies(problem, entries, row)
    calls = 15 * CALL * (1 + entries * problem.dtype.itemsize / (1 << 19))
    return (products + copies + calls + problem.results * RESULT) / threads.get_num_threads()


def winograd(problem: Problem) -> float:
    """Tiles, products of matrices at each point, and the transformations."""
    (_, c, o), (n, *_), out = problem.channels, problem.x_shape, problem.out
    kernel = problem.w_shape[2:]
    if problem.has_few_results:
        n, c, out, kernel = c, n, kernel, out  # the kernel is tiled, the results are few
    p = winograd_points(kernel, out)
    steps = [p + 1 - r for r in kernel]
    points = p ** len(kernel)
    grid = [-(-j // m) for j, m in zip(out, steps, strict=True)]
    tiles = n * prod(grid)
    rows, columns = (c, o) if problem.has_few_results else (o, tiles)
    others = tiles * c * o / max(rows * columns, 1)
    products = points * _products(problem, rows, others, columns)
    transforms = (
        tiles
        * (
            c * _products(problem, points, points, 1 << 10)
            + o * _products(problem, prod(steps), points, 1 << 10)
        )
        / (1 << 10)
    )
    transforms += c * o * _products(problem, prod(kernel), points, 1 << 10) / (1 << 10)
    copies = _copies(problem, tiles * (c * points + o * prod(steps)), grid[-1])
    copies += _copies(problem, c * o * points, 1 << 10 if problem.has_few_results else 3)
    held = tiles * c * points * problem.dtype.itemsize
    calls = 60 * CALL * (1 + held / (1 << 19))
    return (products + transforms + copies + calls) / threads.get_num_threads()


def fft(problem: Problem) -> float:
    """Transforms of tiles, and products of transforms."""
    (groups, c, o), (n, *_), out = problem.channels, problem.x_shape, problem.out
    kernel = problem.w_shape[2:]
    sides = [fft_side(j, k) for j, k in zip(out, kernel, strict=True)]
    tiles = prod(
        -(-max(j, k) // (side - min(j, k) + 1))
        for j, k, side in zip(out, kernel, sides, strict=True)
    )
    size = prod(sides)
    held = size * c * problem.dtype.itemsize / (1 << 21)
    again = max(min(held, 1) * o, 1)  # inputs are transformed again for other filters
    results = n * o * groups * (1 if problem.has_few_results else tiles)
    transforms = n * c * groups * tiles * again + o * c * groups * tiles + results
    products = n * groups * o * c * tiles * size * COMPLEX
    seconds = transforms * size * log2(size + 1) * FOURIER + products
    calls = 20 * CALL * n * tiles * max(groups * o * held, 1)
    return (seconds + calls) / threads.get_num_threads()


def rows(problem: Problem) -> float:
    """Rows end to end, gathered or moved by shifts, and products of them."""
    (groups, c, o), (n, *_), out = problem.channels, problem.x_shape, problem.out
    kernel, size = problem.w_shape[2:], problem.dtype.itemsize
    real, each = _of_reals(problem)
    products = each * problem.multiplications / DOTS.get(real, 1e9)
    if problem.has_few_results:
        a, b = (n, o) if n < o else (o, n)
        others = groups * c * prod(kernel) * prod(out)
        copies = _copies(problem, groups * c * prod(kernel) * (n + o), kernel[-1])
        steps = c * max(groups * (n + o) * prod(kernel) * size / (1 << 20), min(n, 4))
        calls = (2 * prod(out) + 12) * CALL * steps
    else:
        shifted = 2 * o <= c and set(problem.geometry.stride) == {1}
        a, b = (c, o * prod(kernel)) if shifted else (o, c * prod(kernel))
        others = n * groups * prod(out)
        moved = n * groups * prod(out) * prod(kernel) * (2 * o if shifted else c)
        copies = _copies(problem, moved + n * groups * c * prod(out), prod(out))
        calls = (prod(kernel) + 12) * CALL * (1 + moved * size / (1 << 20))
    products = min(products, _products(problem, a, others, b))
    return (products + copies + calls + problem.results * RESULT) / threads.get_num_threads()
