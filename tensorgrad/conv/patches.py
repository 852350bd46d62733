"""Patches: what a kernel meets at each of its places, as the columns of a matrix.

``im2col`` reads patches, and ``col2im`` adds them up where they were read. Both are linear, and
each is the transpose of the other. A convolution is a product of its kernel with the columns.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from math import prod
from typing import Any

import numpy as np

from tensorgrad.conv.cases import sides_met
from tensorgrad.conv.geometry import (
    Geometry,
    Padding,
    Pads,
    dilated,
    explicit_pads,
    pads_for,
    per_axis,
    require_fit,
)
from tensorgrad.conv.kernels.taps import dilate_and_pad
from tensorgrad.engine.declare import composite, linear
from tensorgrad.engine.primitive import Case, Primitive
from tensorgrad.errors import ShapeError, explain
from tensorgrad.ops.dispatch import operand
from tensorgrad.typing import Array, ArrayLike, Draw, Shape

# ---- primitives ---------------------------------------------------------------------------------


def _out(sides: Shape, kernel: Shape, stride: Shape, padding: Pads, dilation: Shape) -> Shape:
    """Return how many patches there are along each axis of an image of these sides."""
    return Geometry(stride, padding, (1,) * len(sides), dilation, 1).output_sides(sides, kernel)


def _taps(out: Shape, kernel: Shape, stride: Shape, dilation: Shape) -> Iterator[tuple[slice, ...]]:
    """Yield, for each entry of a patch, where the padded array has it for all patches."""
    for tap in product(*map(range, kernel)):
        yield tuple(
            slice(t * d, t * d + (o - 1) * s + 1, s)
            for t, d, o, s in zip(tap, dilation, out, stride, strict=True)
        )


def _im2col(x: Array, /, *, kernel: Shape, stride: Shape, padding: Pads, dilation: Shape) -> Array:
    """(n, c, *i) -> (n, c k, o), where k and o are the products of their sides."""
    n, c, sides = x.shape[0], x.shape[1], x.shape[2:]
    out = _out(sides, kernel, stride, padding, dilation)
    padded = dilate_and_pad(x, padding, (1,) * len(sides))
    parts = [padded[(..., *met)] for met in _taps(out, kernel, stride, dilation)]  # (n, c, *o)
    return np.reshape(np.stack(parts, axis=2), (n, c * prod(kernel), prod(out)))


def _col2im(
    columns: Array,
    /,
    *,
    sides: Shape,
    kernel: Shape,
    stride: Shape,
    padding: Pads,
    dilation: Shape,
) -> Array:
    """(n, c k, o) -> (n, c, *sides)."""
    n, c = columns.shape[0], columns.shape[1] // prod(kernel)
    out = _out(sides, kernel, stride, padding, dilation)
    parts = np.reshape(columns, (n, c, prod(kernel), *out))
    padded = (i + low + high for i, (low, high) in zip(sides, padding, strict=True))
    total = np.zeros_like(columns, shape=(n, c, *padded))
    for tap, met in enumerate(_taps(out, kernel, stride, dilation)):
        total[(..., *met)] += parts[:, :, tap]
    # what was padded is cropped, and where it was cropped there is nothing
    return dilate_and_pad(total, tuple((-low, -high) for low, high in padding), (1,) * len(sides))


def _windows(x: Array, /, *, kernel: Shape, stride: Shape, padding: Pads, dilation: Shape) -> Array:
    """Read patches from NumPy's view of every window, at every stride-th place."""
    axes = tuple(range(2, x.ndim))
    x = np.pad(x, [(0, 0), (0, 0), *((max(low, 0), max(high, 0)) for low, high in padding)])
    for i, (low, high) in zip(axes, padding, strict=True):
        x = np.take(x, range(max(-low, 0), x.shape[i] - max(-high, 0)), axis=i)
    spans = tuple(map(dilated, kernel, dilation))
    windows = np.lib.stride_tricks.sliding_window_view(x, spans, axes)  # (n, c, *o, *k)
    windows = windows[(..., *(slice(None, None, step) for step in (*stride, *dilation)))]
    out = windows.shape[2 : x.ndim]
    windows = np.moveaxis(windows, axes, range(-len(axes), 0))
    return windows.reshape(x.shape[0], x.shape[1] * prod(kernel), prod(out))


def _added(columns: Array, /, *, sides: Shape, kernel: Shape, **where: Any) -> Array:
    """Number the entries of an image, read patches of numbers, and add there, one by one."""
    n, c = columns.shape[0], columns.shape[1] // prod(kernel)
    numbers = np.arange(1, c * prod(sides) + 1).reshape(1, c, *sides)
    total = np.zeros((n, 1 + numbers.size), columns.dtype)  # the first is for the padding
    places = _windows(numbers, kernel=kernel, **where)[0]
    np.add.at(total, (slice(None), places), columns)
    return total[:, 1:].reshape(n, c, *sides)


def _draw_where(draw: Draw) -> tuple[Shape, dict[str, Any]]:
    """Draw the sides of an image, and where patches are: strides leave a rest, pads may crop."""
    n = draw.choice([1, 2, 2, 3])
    most = 3 if n < 3 else 2  # of many axes, each is short
    kernel, stride, dilation = (tuple(draw.integer(1, most) for _ in range(n)) for _ in range(3))
    padding = tuple((draw.integer(-1, 2), draw.integer(-1, 2)) for _ in range(n))
    sides = sides_met(draw, tuple(map(dilated, kernel, dilation)), stride, padding)
    return sides, {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}


def _draw_im2col(draw: Draw) -> Case:
    sides, where = _draw_where(draw)
    return (draw.array((draw.choice([1, 2, 0]), draw.integer(1, 2), *sides)),), where


def _draw_col2im(draw: Draw) -> Case:
    sides, where = _draw_where(draw)
    rows = draw.integer(1, 2) * prod(where["kernel"])
    columns = draw.array((draw.choice([1, 2, 0]), rows, prod(_out(sides, *where.values()))))
    return (columns,), {"sides": sides, **where}


im2col_: Primitive = linear(
    _im2col,
    lambda g, x_shape, **where: col2im_(g, sides=tuple(x_shape[2:]), **where),
    samples=_draw_im2col,
    reference=_windows,
)
col2im_: Primitive = linear(
    _col2im,
    lambda g, kernel, stride, padding, dilation: im2col_(
        g, kernel=kernel, stride=stride, padding=padding, dilation=dilation
    ),
    samples=_draw_col2im,
    reference=_added,
)

# ---- the public functions -----------------------------------------------------------------------


def _kernel_sides(operation: str, kernel_size: int | Sequence[int]) -> Shape:
    """Return the sides of a kernel; one integer is for two spatial axes."""
    n = max(len(kernel_size), 1) if isinstance(kernel_size, (Sequence, np.ndarray)) else 2
    return per_axis(operation, "kernel_size", kernel_size, n)


def _where(
    operation: str,
    sides: Shape,
    kernel: Shape,
    stride: int | Sequence[int],
    padding: Padding,
    dilation: int | Sequence[int],
) -> dict[str, Any]:
    """Return the parameters of the primitives, if the kernel fits."""
    strides = per_axis(operation, "stride", stride, len(kernel))
    dilations = per_axis(operation, "dilation", dilation, len(kernel))
    pads = pads_for(operation, padding, sides, kernel, strides, dilations)
    require_fit(operation, sides, kernel, pads, dilations)
    return {"kernel": kernel, "stride": strides, "padding": pads, "dilation": dilations}


def _read(
    apply: Callable[..., Any],
    x: ArrayLike,
    kernel_size: int | Sequence[int],
    *,
    stride: int | Sequence[int],
    padding: Padding,
    dilation: int | Sequence[int],
) -> Any:
    x, kernel = operand(x), _kernel_sides("im2col", kernel_size)
    n = len(kernel)
    if x.ndim not in (n + 1, n + 2):
        raise ShapeError(
            explain(
                "im2col",
                f"x has {n + 2} axes, or {n + 1} without the batch: one for each side of the "
                "kernel, after the channels.",
                "Pass a kernel_size with one integer for each spatial axis.",
                x_shape=x.shape,
                kernel_size=kernel,
            )
        )
    where = _where("im2col", x.shape[-n:], kernel, stride, padding, dilation)
    if x.ndim == n + 1:
        return np.squeeze(apply(np.expand_dims(x, 0), **where), 0)
    return apply(x, **where)


def _add(
    apply: Callable[..., Any],
    columns: ArrayLike,
    output_size: int | Sequence[int],
    kernel_size: int | Sequence[int],
    *,
    stride: int | Sequence[int],
    padding: Padding,
    dilation: int | Sequence[int],
) -> Any:
    columns, kernel = operand(columns), _kernel_sides("col2im", kernel_size)
    sides = per_axis("col2im", "output_size", output_size, len(kernel))
    where = _where("col2im", sides, kernel, stride, padding, dilation)
    out = _out(sides, **where)
    if (
        columns.ndim not in (2, 3)
        or columns.shape[-2] % prod(kernel)
        or columns.shape[-1] != prod(out)
    ):
        raise ShapeError(
            explain(
                "col2im",
                "columns is (N, C * entries of a patch, patches), or that without N.",
                "Pass the sizes and parameters that the columns were read with.",
                columns_shape=columns.shape,
                entries_of_a_patch=prod(kernel),
                patches=prod(out),
                kernel_size=kernel,
                output_size=sides,
            )
        )
    if columns.ndim == 2:
        return np.squeeze(apply(np.expand_dims(columns, 0), sides=sides, **where), 0)
    return apply(columns, sides=sides, **where)


def _draw_options(draw: Draw) -> tuple[Shape, int | Shape, dict[str, Any]]:
    """Draw the sides of an image, a kernel, and parameters in any of their forms."""
    square = draw.boolean()
    n = 2 if square else draw.choice([1, 2, 3])
    axes, most = range(n), 3 if n < 3 else 2
    kernel = (draw.integer(1, 3),) * n if square else tuple(draw.integer(1, most) for _ in axes)
    stride = draw.choice([1, 2, tuple(draw.integer(1, most) for _ in axes)])
    dilation = draw.choice([1, 2, tuple(draw.integer(1, most) for _ in axes)])
    pairs = tuple((draw.integer(-1, 2), draw.integer(0, 2)) for _ in axes)
    padding = draw.choice([0, 1, (1, 0, 2)[:n], pairs, "same", "valid", "full"])
    strides, dilations = per_axis("", "stride", stride, n), per_axis("", "dilation", dilation, n)
    pads = explicit_pads("", 0 if isinstance(padding, str) else padding, n)
    sides = sides_met(draw, tuple(map(dilated, kernel, dilations)), strides, pads)
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    return sides, kernel[0] if square else kernel, options


def _draw_im2col_call(draw: Draw) -> Case:
    sides, kernel_size, options = _draw_options(draw)
    batch = draw.choice([(), (1,), (2,), (0,)])
    return (draw.array((*batch, draw.integer(1, 2), *sides)), kernel_size), options


def _draw_col2im_call(draw: Draw) -> Case:
    sides, kernel_size, options = _draw_options(draw)
    where = _where("col2im", sides, _kernel_sides("col2im", kernel_size), **options)
    batch, rows = draw.choice([(), (1,), (2,), (0,)]), draw.integer(1, 2) * prod(where["kernel"])
    columns = draw.array((*batch, rows, prod(_out(sides, **where))))
    return (columns, sides, kernel_size), options


@composite(name="tensorgrad.im2col", samples=_draw_im2col_call, reference=partial(_read, _windows))
def im2col(
    x: ArrayLike,
    kernel_size: int | Sequence[int],
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = 0,
    dilation: int | Sequence[int] = 1,
) -> Any:
    """Read the patches that a kernel meets, each as a column, for any number of spatial axes.

    A convolution is a product with these columns: ``w.reshape(C_out, -1) @ im2col(x, (KH, KW))``
    has the entries of ``conv2d(x, w)``. The derivative is `col2im`, which adds overlapping patches
    up.

    Parameters
    ----------
    x : (N, C, *sides), or (C, *sides)
    kernel_size
        One positive integer for each spatial axis; a single one is for both of two.
    stride, dilation
        Positive integers: one, or one for each axis.
    padding
        The zeros at each border, negative to crop: as for `conv2d`.

    Returns
    -------
    (N, C * prod(kernel_size), patches), or without N: an array given an array, a Tensor given a
    Tensor. Rows are in the order of (C, *kernel_size), columns in that of the patches.

    Raises
    ------
    ShapeError
        If sizes and parameters do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> x = np.arange(9.0).reshape(1, 3, 3)
    >>> tg.im2col(x, 2)
    array([[0., 1., 3., 4.],
           [1., 2., 4., 5.],
           [3., 4., 6., 7.],
           [4., 5., 7., 8.]])
    >>> w = np.array([1.0, 10.0, 100.0, 1000.0])
    >>> w @ tg.im2col(x, 2)
    array([4310., 5421., 7643., 8754.])
    >>> tg.conv2d(x, w.reshape(1, 1, 2, 2)).ravel()
    array([4310., 5421., 7643., 8754.])
    """
    return _read(im2col_, x, kernel_size, stride=stride, padding=padding, dilation=dilation)


@composite(name="tensorgrad.col2im", samples=_draw_col2im_call, reference=partial(_add, _added))
def col2im(
    columns: ArrayLike,
    output_size: int | Sequence[int],
    kernel_size: int | Sequence[int],
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = 0,
    dilation: int | Sequence[int] = 1,
) -> Any:
    """Add patches up where `im2col` reads them: its transpose.

    So this is what takes the output gradient of a product with patches to the gradient by the
    image. It is not the inverse: each entry is taken as often as patches meet it.

    Parameters
    ----------
    columns : (N, C * prod(kernel_size), patches), or (C * prod(kernel_size), patches)
    output_size
        The sides of the image: one positive integer, or one for each spatial axis.
    kernel_size, stride, padding, dilation
        What the patches of an image of this size are read with: as for `im2col`.

    Returns
    -------
    (N, C, *output_size), or without N: an array given an array, a Tensor given a Tensor.

    Raises
    ------
    ShapeError
        If sizes and parameters do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> columns = tg.im2col(np.ones((1, 3, 3)), 2)
    >>> tg.col2im(columns, 3, 2)
    array([[[1., 2., 1.],
            [2., 4., 2.],
            [1., 2., 1.]]])
    """
    return _add(
        col2im_,
        columns,
        output_size,
        kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
    )
