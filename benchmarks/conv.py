"""The cost of conv2d: layers of well-known networks, and some that are hard for one reason each."""

from dataclasses import dataclass
from math import prod

import numpy as np

from benchmarks.conv_layers import LAYERS
from benchmarks.libraries import Array, Library, Run

QUICK = ("notebook", "lenet1")


@dataclass(frozen=True)
class Layer:
    """One layer in one precision, with random inputs and a random upstream gradient."""

    name: str
    x: tuple[int, int, int, int]
    w: tuple[int, int, int, int]
    stride: int
    padding: int
    dilation: int
    groups: int
    dtype: str

    per_second = 1e3  # milliseconds

    @property
    def table(self) -> str:
        return f"Convolution, {self.dtype}: milliseconds"

    @property
    def y(self) -> tuple[int, int, int, int]:
        rows, columns = (
            (i + 2 * self.padding - self.dilation * (k - 1) - 1) // self.stride + 1
            for i, k in zip(self.x[2:], self.w[2:], strict=True)
        )
        return self.x[0], self.w[0], rows, columns

    @property
    def work(self) -> int:
        """Multiplications of the forward pass."""
        return prod(self.y) * prod(self.w[1:])

    def inputs(self) -> tuple[list[Array], Array]:
        rng = np.random.default_rng(0)
        x, w, b, seed = (
            rng.standard_normal(shape).astype(self.dtype)
            for shape in (self.x, self.w, self.w[:1], self.y)
        )
        return [x, w, b], seed

    def runs(self, library: Library) -> dict[str, Run]:
        conv = library.conv2d(self.stride, self.padding, self.dilation, self.groups)
        return library.compiled_runs(conv, *self.inputs())


def layers(quick: bool) -> list[Layer]:
    return [
        Layer(name, (n, c, h, w), (f, c // groups, kh, kw), s, p, d, groups, dtype)
        for dtype in ("float32", "float64")
        for name, n, c, h, w, f, kh, kw, s, p, d, groups in LAYERS
        if name in QUICK or not quick
    ]
