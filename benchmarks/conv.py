"""The cost of convolution: layers of well-known networks, and some that are hard for a reason."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from benchmarks.conv_layers import BEYOND, LAYERS
from benchmarks.libraries import Array, Convolution, Library, Run, Shape

QUICK = ("notebook", "lenet1", "to_rgb")
COLLECTIONS = ("the list", "beyond the list")


@dataclass(frozen=True)
class Layer:
    """One layer in one precision, with random inputs and a random upstream gradient."""

    name: str
    collection: str
    x: Shape
    w: Shape
    convolution: Convolution
    dtype: str

    unit: ClassVar[str] = "milliseconds"
    per_second: ClassVar[float] = 1e3

    @property
    def table(self) -> str:
        return f"Convolution, {self.dtype}, {self.collection}"

    @property
    def channels(self) -> int:
        """The channels of the result."""
        return self.w[1] * self.convolution.groups if self.convolution.transposed else self.w[0]

    @property
    def y(self) -> Shape:
        sides = (
            (i - 1) * s + d * (k - 1) + 1 - low - high
            if self.convolution.transposed
            else (i + low + high - d * (k - 1) - 1) // s + 1
            for i, k, (s, (low, high), d) in zip(
                self.x[2:], self.w[2:], self.convolution.per_axis(), strict=True
            )
        )
        return self.x[0], self.channels, *sides

    @property
    def work(self) -> int:
        """Multiplications of the forward pass, those by the zeros of the padding among them."""
        places = self.x if self.convolution.transposed else self.y  # where the kernel is put
        return places[0] * prod(places[2:]) * prod(self.w)

    def inputs(self) -> tuple[list[Array], Array]:
        rng = np.random.default_rng(0)
        x, w, b, seed = (
            rng.standard_normal(shape, self.dtype)
            for shape in (self.x, self.w, (self.channels,), self.y)
        )
        return [x, w, b], seed

    def runs(self, library: Library) -> dict[str, Run]:
        return library.compiled_runs(library.conv(self.convolution), *self.inputs())


@dataclass(frozen=True)
class Product:
    """A product of two large square matrices: about as fast as a processor can be."""

    dtype: str

    name: ClassVar[str] = "matrix product"
    side: ClassVar[int] = 1920
    work: ClassVar[int] = side**3

    @property
    def table(self) -> str:
        return f"Matrix product, {self.dtype}"

    def runs(self, library: Library) -> dict[str, Run]:
        rng = np.random.default_rng(0)
        x, w, seed = (rng.standard_normal((self.side, self.side), self.dtype) for _ in range(3))
        return library.runs(lambda x, w: x @ w, [x, w], seed)


def products() -> list[Product]:
    return [Product(dtype) for dtype in ("float32", "float64")]


def layers(quick: bool) -> list[Layer]:
    listed = [
        (
            name,
            (n, c, h, w),
            (f, c // groups, kh, kw),
            {"stride": s, "padding": p, "dilation": d, "groups": groups},
        )
        for name, n, c, h, w, f, kh, kw, s, p, d, groups in LAYERS
    ]
    return [
        Layer(name, collection, x, w, Convolution(len(x) - 2, **params), dtype)
        for collection, some in zip(COLLECTIONS, (listed, BEYOND), strict=True)
        for dtype in ("float32", "float64")
        for name, x, w, params in some
        if name in QUICK or not quick
    ]
