"""show_conv: a convolution, and its gradients, as a window that slides."""

from dataclasses import dataclass
from math import prod
from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np

from tensorgrad.conv.geometry import Geometry, Padding, pads_for, per_axis, require_fit
from tensorgrad.engine.tensor import value_of
from tensorgrad.errors import IndexingError, ShapeError, UnsupportedError, explain
from tensorgrad.typing import Array, ArrayLike, Shape
from tensorgrad.visualize.sliding.drawing import drawing
from tensorgrad.visualize.sliding.page import fragment, page
from tensorgrad.visualize.sliding.scene import Scene, scenes

# cells along a side that a picture holds
_LONGEST = 24

Gradient = Literal["input", "kernel"] | None


@dataclass(frozen=True, eq=False, repr=False)
class SlidingWindow:
    """The picture of a convolution and of its gradients, as `show_conv` returns it.

    A notebook shows it by itself.

    Attributes
    ----------
    scenes
        The convolution, its gradient by the input, its gradient by the kernel.
    gradient
        Which of them to begin with.
    """

    scenes: tuple[Scene, Scene, Scene]
    gradient: Gradient

    def to_html(self) -> str:
        """Return a page that needs nothing else: all three, to play and to step through."""
        return page(self.scenes, self._first)

    def to_svg(self, step: int = -1) -> str:
        """Return the drawing of one step.

        Parameters
        ----------
        step
            The number of an entry of the result, in rows from the top; from the end if negative.

        Raises
        ------
        IndexingError
            If there is no such step.

        Examples
        --------
        >>> import tensorgrad as tg
        >>> picture = tg.show_conv([1, 2, 4], [1, 10])
        >>> "= 1·1 + 2·10 = 21" in picture.to_svg(0)
        True
        """
        scene = self.scenes[self._first]
        try:
            place = scene.steps[step]
        except IndexError:
            n = len(scene.steps)
            raise IndexingError(
                explain("to_svg", f"There are {n} steps.", f"Pass 0 to {n - 1}.", step=step)
            ) from None
        return drawing(scene, place, alone=True)

    def save(self, path: str | PathLike[str], step: int = -1) -> Path:
        """Write the page, or the drawing of one step, as the ending of the path says.

        Raises
        ------
        UnsupportedError
            If the path ends neither in .html nor in .svg.
        """
        path = Path(path)
        if path.suffix not in (".html", ".svg"):
            raise UnsupportedError(
                explain(
                    "save",
                    "The picture is a page or a drawing.",
                    "Use .html or .svg.",
                    path=str(path),
                )
            )
        text = self.to_html() if path.suffix == ".html" else self.to_svg(step)
        path.write_text(text, encoding="utf-8")
        return path

    def _repr_html_(self) -> str:
        return fragment(self.scenes, self._first)

    def __repr__(self) -> str:
        scene = self.scenes[0]
        arrays = (scene.source, scene.kernel, scene.result)
        x, w, y = (list(array.shape[-scene.axes :]) for array in arrays)
        return f"SlidingWindow(input {x}, kernel {w}, result {y})"

    @property
    def _first(self) -> int:
        return [None, "input", "kernel"].index(self.gradient)


def show_conv(
    x: ArrayLike,
    w: ArrayLike,
    g: ArrayLike | None = None,
    *,
    stride: int | Shape = 1,
    padding: Padding = 0,
    dilation: int | Shape = 1,
    gradient: Gradient = None,
) -> SlidingWindow:
    """Show a convolution, and its gradients, as a window that slides over numbers.

    The gradients of a convolution are convolutions: by the input that of the output gradient,
    spread out by the stride and padded, with the mirrored kernel; by the kernel that of the padded
    input with the output gradient. The picture shows all three, entry by entry, with the
    numbers that `conv2d` and `vjp` compute.

    Parameters
    ----------
    x : (H, W) or (W,)
        One channel of one image, or of one sequence.
    w : (KH, KW) or (K,)
        The kernel for it.
    g : the shape of the result, optional
        The gradient by the result; 1, 2, 3 ... if left out, so that its entries can be told apart.
    stride, padding, dilation
        As for `conv`.
    gradient
        What to begin with: the convolution, its gradient by the "input", or by the "kernel".

    Raises
    ------
    ShapeError
        If the arrays do not fit together, or are too large to draw: no side, with what is put in
        between and around its entries, may be longer than 24.
    UnsupportedError
        If the entries are not real and finite, or for another ``gradient``.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> picture = tg.show_conv([[1, 2, 0], [0, 1, 3], [2, 1, 1]], [[1, 0], [2, -1]], padding=1)
    >>> picture
    SlidingWindow(input [3, 3], kernel [2, 2], result [4, 4])
    >>> picture.scenes[0].result.tolist()[1]
    [0.0, 0.0, 1.0, 6.0]
    >>> picture.to_html()[:15]  # or picture.save("picture.html")
    '<!doctype html>'
    """
    operation = "show_conv"
    if gradient not in (None, "input", "kernel"):
        raise UnsupportedError(
            explain(
                operation,
                "There are the convolution and two gradients.",
                "Pass None, 'input' or 'kernel'.",
                gradient=gradient,
            )
        )
    image, kernel = _numbers("x", x), _numbers("w", w)
    axes = image.ndim
    if axes not in (1, 2) or kernel.ndim != axes:
        raise ShapeError(
            explain(
                operation,
                "The picture is of one channel: two matrices, or two sequences.",
                "Choose one, as in x[0, 0] and w[0, 0].",
                x_shape=image.shape,
                w_shape=kernel.shape,
            )
        )
    strides = per_axis(operation, "stride", stride, axes)
    dilations = per_axis(operation, "dilation", dilation, axes)
    pads = pads_for(operation, padding, image.shape, kernel.shape, strides, dilations)
    require_fit(operation, image.shape, kernel.shape, pads, dilations)
    if axes == 1:  # a matrix of one row
        image, kernel = image[np.newaxis], kernel[np.newaxis]
        strides, dilations, pads = (1, *strides), (1, *dilations), ((0, 0), *pads)
    out = Geometry(strides, pads, (1, 1), dilations, 1).output_sides(image.shape, kernel.shape)
    cotangent = np.arange(1.0, prod(out) + 1) if g is None else _numbers("g", g)
    if g is not None and cotangent.shape != out[-axes:]:
        raise ShapeError(
            explain(
                operation,
                "The gradient by the result has its shape.",
                "Leave g out for 1, 2, 3 ...",
                g_shape=cotangent.shape,
                result_shape=out[-axes:],
            )
        )
    made = scenes(image, kernel, cotangent.reshape(out), strides, pads, dilations, axes)
    longest = max(len(side) for scene in made for side in scene.extent)
    if longest > _LONGEST:
        raise ShapeError(
            explain(
                operation,
                f"The input, or the gradient by the result, spread out and padded, has a side of "
                f"{longest}; up to {_LONGEST} cells can be read.",
                "Show a part, as in x[:8, :8].",
                x_shape=image.shape[-axes:],
                w_shape=kernel.shape[-axes:],
                stride=stride,
                padding=padding,
                dilation=dilation,
            )
        )
    return SlidingWindow(made, gradient)


def _numbers(name: str, values: ArrayLike) -> Array:
    """Return what an argument holds, as floats."""
    array = np.asarray(value_of(values))
    if array.dtype.kind not in "biuf" or not array.size or not np.isfinite(array).all():
        raise UnsupportedError(
            explain(
                "show_conv",
                f"{name} has entries, which are real and finite.",
                "Pass numbers.",
                **{name: array},
            )
        )
    return array.astype(np.float64)
