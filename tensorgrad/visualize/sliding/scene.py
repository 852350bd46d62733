"""Scenes: a convolution and its two gradients, each as a window that slides over a field."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np

from tensorgrad.conv.functional import conv2d
from tensorgrad.conv.geometry import Geometry, Pads, dilated
from tensorgrad.conv.primitive import geometry_by_input, geometry_by_kernel
from tensorgrad.transforms import vjp
from tensorgrad.typing import Array, Shape

# What a cell of the field is: an entry, a zero of the padding, or a zero put between entries.
Kind = Literal["entry", "padding", "between"]
Place = tuple[int, int]


@dataclass(frozen=True)
class Term:
    """A product under the window: of a cell of the field and an entry of the kernel.

    Attributes
    ----------
    entry
        The index of the entry in the array that the field is made of; None for a zero.
    weight
        The index of the weight in the kernel, before it was mirrored.
    values
        The two factors.
    """

    entry: Place | None
    weight: Place
    values: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Scene:
    """One convolution as a picture: a window slides over a field, and fills in a result.

    Attributes
    ----------
    field_name, kernel_name, result_name
        The letters for its arrays: x, w, y, their gradients dx, dw, and g for that by y.
    source, kernel, result
        The arrays, all of them matrices; the kernel before it is mirrored.
    mirrored
        Whether the kernel slides turned by 180 degrees.
    geometry
        How the source becomes the field, and where the window goes.
    axes
        1 or 2: how many of the axes of the matrices, the last ones, are those of the caller.
    forward
        Of the gradient by the input: the convolution; None of the others.
    """

    field_name: str
    kernel_name: str
    result_name: str
    source: Array
    kernel: Array
    result: Array
    mirrored: bool
    geometry: Geometry
    axes: int
    forward: "Scene | None" = None

    @property
    def steps(self) -> list[Place]:
        """The places of the result, in the order they are filled in."""
        rows, columns = self.result.shape
        return list(product(range(rows), range(columns)))

    @property
    def extent(self) -> tuple[range, range]:
        """The rows and the columns that are drawn, counted from the first entry of the source."""
        rows, columns = (
            range(min(-low, 0), side + max(high, 0))
            for (low, high), side in zip(self.geometry.padding, self._spread, strict=True)
        )
        return rows, columns

    @property
    def _spread(self) -> Shape:
        """The sides of the source with zeros between its entries."""
        pairs = zip(self.source.shape, self.geometry.input_dilation, strict=True)
        return tuple(dilated(side, a) for side, a in pairs)

    def kind(self, place: Place) -> Kind:
        """Say what a cell of the extent is."""
        if any(u < 0 or u >= side for u, side in zip(place, self._spread, strict=True)):
            return "padding"
        between = any(u % a for u, a in zip(place, self.geometry.input_dilation, strict=True))
        return "between" if between else "entry"

    def entry(self, place: Place) -> Place | None:
        """Return the index in the source of a cell; None for a zero."""
        if self.kind(place) != "entry":
            return None
        (row, dr), (column, dc) = zip(place, self.geometry.input_dilation, strict=True)
        return row // dr, column // dc

    def value(self, place: Place) -> float:
        """Return the number in a cell."""
        entry = self.entry(place)
        return 0.0 if entry is None else float(self.source[entry])

    def corner(self, step: Place) -> Place:
        """Return the cell under the first entry of the window."""
        row, column = (
            s * j - low
            for j, s, (low, _) in zip(
                step, self.geometry.stride, self.geometry.padding, strict=True
            )
        )
        return row, column

    def taps(self) -> Iterator[tuple[Place, Place]]:
        """Yield the cells of the window, counted from its corner, and the weight over each."""
        rows, columns = self.kernel.shape
        dr, dc = self.geometry.dilation
        for i, j in product(range(rows), range(columns)):
            weight = (rows - 1 - i, columns - 1 - j) if self.mirrored else (i, j)
            yield (dr * i, dc * j), weight

    def window(self, step: Place) -> list[Place]:
        """Return the cells under the window."""
        row, column = self.corner(step)
        return [(row + i, column + j) for (i, j), _ in self.taps()]

    def terms(self, step: Place) -> list[Term]:
        """Return the products whose sum is the result at a step."""
        weights = (weight for _, weight in self.taps())
        return [
            Term(self.entry(place), weight, (self.value(place), float(self.kernel[weight])))
            for place, weight in zip(self.window(step), weights, strict=True)
        ]


def scenes(
    x: Array, w: Array, g: Array, stride: Shape, padding: Pads, dilation: Shape, axes: int
) -> tuple[Scene, Scene, Scene]:
    """Return the convolution of two matrices, its gradient by x, and its gradient by w."""

    def convolved(x: Array, w: Array) -> Array:
        x, w = np.reshape(x, (1, 1, *x.shape)), np.reshape(w, (1, 1, *w.shape))
        # nothing but products and sums of what meets: whole numbers stay whole
        params = {"stride": stride, "padding": padding, "dilation": dilation}
        return conv2d(x, w, **params, algorithm="direct")[0, 0]

    y, pull_back = vjp(convolved, x, w)
    dx, dw = pull_back(g)
    ones = (1, 1)
    forward = Geometry(stride, padding, ones, dilation, 1)
    convolution = Scene("x", "w", "y", x, w, y, False, forward, axes)
    spread = geometry_by_input(forward, x.shape, w.shape, y.shape)
    exchanged = geometry_by_kernel(forward, x.shape, w.shape, y.shape)
    return (
        convolution,
        Scene("g", "w", "dx", g, w, dx, True, spread, axes, forward=convolution),
        Scene("x", "g", "dw", x, g, dw, False, exchanged, axes),
    )
