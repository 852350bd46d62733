"""Images of another size: by nearest entries, by straight lines, and by channels that become space.

All of it is linear in the image, and separable: one axis after the other.
"""

import math
from collections.abc import Sequence
from itertools import product
from typing import Any, TypeAlias

import numpy as np

from tensorgrad.conv.geometry import per_axis, positive_integer
from tensorgrad.conv.layouts import is_channels_last, layouts
from tensorgrad.conv.pooling.average import window_sum
from tensorgrad.conv.pooling.layouts import axes_of, restored, spatial_last
from tensorgrad.conv.pooling.windows import taps
from tensorgrad.engine.declare import composite
from tensorgrad.engine.primitive import Case
from tensorgrad.errors import ShapeError, explain
from tensorgrad.typing import Array, ArrayLike, Draw, Shape

# which entries are used, and for how many spatial axes there is this name
MODES: dict[str, int | None] = {"nearest": None, "linear": None, "bilinear": 2, "trilinear": 3}
# the distance of new entries among the old: a quotient, so that whole numbers come out whole
Step: TypeAlias = tuple[int, float]


def _new_sides(
    sides: Shape, size: int | Shape | None, scale_factor: float | Sequence[float] | None
) -> tuple[Shape, tuple[Step, ...]]:
    """Return the new sides, and along each axis how far apart new entries are among the old."""
    n = len(sides)
    if (size is None) == (scale_factor is None):
        raise ShapeError(
            explain(
                "interpolate",
                "Either size or scale_factor says what is asked for.",
                "Pass one of them.",
                size=size,
                scale_factor=scale_factor,
            )
        )
    if 0 in sides:
        rule = "There is nothing between the entries of an axis that has none."
        raise ShapeError(explain("interpolate", rule, "Pad x first.", input_sides=sides))
    if size is not None:
        out = per_axis("interpolate", "size", size, n)
        return out, tuple(zip(sides, out, strict=True))
    several: Any = scale_factor if axes_of(scale_factor) is not None else (scale_factor,) * n
    factors = tuple(several)
    real = all(isinstance(factor, (int, float, np.integer, np.floating)) for factor in factors)
    if len(factors) != n or not real or any(not 0 < factor < np.inf for factor in factors):
        raise ShapeError(
            explain(
                "interpolate",
                f"scale_factor is a positive number, or {n} of them.",
                "Pass scale_factor=2.0 for twice the sides.",
                scale_factor=scale_factor,
            )
        )
    out = tuple(math.floor(i * factor) for i, factor in zip(sides, factors, strict=True))
    if min(out) < 1:
        raise ShapeError(
            explain(
                "interpolate",
                "The new sides, floor(side * scale_factor), are positive.",
                "Use a greater factor, or size.",
                input_sides=sides,
                scale_factor=scale_factor,
                new_sides=out,
            )
        )
    return out, tuple((1, factor) for factor in factors)


def _nearest(entries: int, new: int, step: Step) -> Array:
    """Return which entry each new one repeats: floor(j * step)."""
    over, under = step if entries != new else (1, 1)
    places = np.floor(np.arange(new) * over / under).astype(int)
    return np.minimum(places, entries - 1)


def _positions(entries: int, new: int, step: Step, align_corners: bool) -> Array:
    """Return where new entries lie among the old ones, whose centers are at 0, 1, 2, ..."""
    numbers = np.arange(new)
    if align_corners:
        return numbers * ((entries - 1) / (new - 1) if new > 1 else 0.0)
    over, under = step
    return (numbers + 0.5) * over / under - 0.5


def _lines(x: Any, axis: int, positions: Array) -> Any:
    """Read x between its entries along an axis, by straight lines; beyond the last it is constant.

    At position p, between i and i + 1: (i + 1 - p) x[i] + (p - i) x[i + 1].
    """
    x = np.moveaxis(x, axis, -1)
    entries = x.shape[-1]
    before = np.floor(positions).astype(int)
    after_weights = positions - before
    # the outermost entries have no neighbor on one side, and there all the weight
    before_weights = np.where(before == entries - 1, 1, 1 - after_weights)
    after_weights = np.where(before == -1, 1, after_weights)
    left, right = (
        window_sum(x, taps=(taps(entries, places, 1),)) * weights.astype(x.dtype)
        for places, weights in ((before, before_weights), (before + 1, after_weights))
    )
    return np.moveaxis(left + right, -1, axis)


def _draw_interpolate(draw: Draw) -> Case:
    n = draw.choice([1, 2, 2, 3])
    mode = draw.choice(["nearest", "linear", ["linear", "bilinear", "trilinear"][n - 1]])
    sides = tuple(draw.integer(1, 4) for _ in range(n))
    layout = draw.choice(layouts(n))
    channels = (draw.integer(1, 2),)
    params: dict[str, Any] = {
        "mode": mode,
        "layout": layout,
        "align_corners": mode != "nearest" and draw.boolean(),
    }
    if draw.boolean():
        params["size"] = tuple(draw.integer(1, 6) for _ in range(n))
    else:
        params["scale_factor"] = tuple(draw.choice([2, 1, 3, 1.5]) for _ in range(n))
    batch = draw.choice([(2,), (), (0,)])
    space = sides + channels if is_channels_last(layout) else channels + sides
    return (draw.array(batch + space),), params


def _by_entries(
    x: Array,
    *,
    size: Shape | None = None,
    scale_factor: Sequence[float] | None = None,
    mode: str,
    align_corners: bool,
    layout: str,
) -> Array:
    x, n = spatial_last("interpolate", x, layout, axes_of(scale_factor if size is None else size))
    sides = x.shape[-n:]
    out, steps = _new_sides(sides, size, scale_factor)
    y: Array = np.zeros((*x.shape[:-n], *out), x.dtype)
    for new in np.ndindex(*out):
        found = []
        for j, m, o, (over, under) in zip(new, sides, out, steps, strict=True):
            if mode == "nearest":
                found.append([(j if m == o else min(math.floor(j * over / under), m - 1), 1.0)])
                continue
            p = (
                j * (m - 1) / max(o - 1, 1)
                if align_corners
                else max((j + 0.5) * over / under - 0.5, 0)
            )
            i = min(int(p), m - 1)
            found.append([(i, 1 - (p - i)), (min(i + 1, m - 1), p - i)])
        for corner in product(*found):
            weight = math.prod(weight for _, weight in corner)
            y[(..., *new)] += weight * x[(..., *(i for i, _ in corner))]
    return restored(y, layout, n)


@composite(name="interpolate", samples=_draw_interpolate, reference=_by_entries)
def interpolate(
    x: ArrayLike,
    *,
    size: int | Shape | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool = False,
    layout: str = "NC*",
) -> Any:
    r"""Resize images, up or down, over any number of spatial axes.

    A new entry is read off the old ones at its place among them: with an image stretched over the
    same area, entry j of m new ones is centered at ``(j + 1/2) side / m - 1/2``. Nothing is
    smoothed before: use `avg_pool` or `adaptive_avg_pool` to average what falls together.

    Parameters
    ----------
    x : (N, C, \*I), or (N, \*I, C) with channels last
    size, scale_factor
        Either the new spatial sides, or what to multiply the sides by, rounded down; one for all
        axes, or one for each. A factor is also what the places are computed with; but the same side
        stays as it is.
    mode
        "nearest" repeats the entry ``floor(j side / m)``. "linear" draws straight lines between the
        centers of entries, along one axis after the other, and is constant beyond the outermost;
        "bilinear" and "trilinear" are its names for two and three axes.
    align_corners
        Whether the outermost centers, and not the outermost edges, lie at the same place:
        ``j (side - 1) / (m - 1)``.
    layout
        As for `max_pool`.

    Returns
    -------
    (N, C, \*J), or (N, \*J, C): an array given an array, a Tensor given a Tensor; linear modes make
    floats of integers.

    Raises
    ------
    ShapeError
        If sizes, factors, mode and layout do not fit together.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> x = [[[1.0, 3.0]]]
    >>> tg.interpolate(x, scale_factor=2).tolist()
    [[[1.0, 1.0, 3.0, 3.0]]]
    >>> tg.interpolate(x, scale_factor=2, mode="linear").tolist()
    [[[1.0, 1.5, 2.5, 3.0]]]
    >>> tg.interpolate(x, size=3, mode="linear", align_corners=True).tolist()
    [[[1.0, 2.0, 3.0]]]
    """
    x, n = spatial_last("interpolate", x, layout, axes_of(scale_factor if size is None else size))
    if mode not in MODES or MODES[mode] not in (None, n):
        raise ShapeError(
            explain(
                "interpolate",
                "mode is 'nearest', 'linear', or for two axes 'bilinear', for three 'trilinear'.",
                "Pass mode='linear' for any number of axes.",
                mode=mode,
                spatial_axes=n,
            )
        )
    if mode == "nearest" and align_corners:
        raise ShapeError(
            explain(
                "interpolate",
                "The mode 'nearest' has no centers to align.",
                "Leave align_corners out, or use mode='linear'.",
                mode=mode,
                align_corners=align_corners,
            )
        )
    sides = x.shape[-n:]
    out, steps = _new_sides(sides, size, scale_factor)
    if mode == "nearest":
        read = tuple(
            taps(i, _nearest(i, o, step), 1) for i, o, step in zip(sides, out, steps, strict=True)
        )
        return restored(window_sum(x, taps=read), layout, n)
    if x.dtype.kind in "iub":
        x = x.astype(float)
    for axis, (i, o, step) in enumerate(zip(sides, out, steps, strict=True), -n):
        if i != o:
            x = _lines(x, axis, _positions(i, o, step, align_corners))
    return restored(x, layout, n)


# ---- channels and space -------------------------------------------------------------------------


def pixel_shuffle(x: ArrayLike, *, upscale_factor: int, layout: str = "NCHW") -> Any:
    """Make each r^2 channels of images into r x r pixels of one channel.

    ``y[n, c, r h + i, r w + j] = x[n, r^2 c + r i + j, h, w]``, with r = upscale_factor.

    Parameters
    ----------
    x : (N, C r^2, H, W), or (N, H, W, C r^2) with layout "NHWC"; without N for a single image
    upscale_factor
        The positive integer r.
    layout
        "NCHW" or "NHWC"; the channels are in the same order in both.

    Returns
    -------
    (N, C, H r, W r), or (N, H r, W r, C): an array given an array, a Tensor given a Tensor.

    Raises
    ------
    ShapeError
        If the channels do not divide by r^2, or x does not fit the layout.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.pixel_shuffle([[[1.0]], [[2.0]], [[3.0]], [[4.0]]], upscale_factor=2).tolist()
    [[[1.0, 2.0], [3.0, 4.0]]]
    """
    r = positive_integer("pixel_shuffle", "upscale_factor", upscale_factor)
    x, n = spatial_last("pixel_shuffle", x, layout, 2)
    *lead, channels, height, width = x.shape
    if channels % r**2:
        raise ShapeError(
            explain(
                "pixel_shuffle",
                "The channels divide by the square of upscale_factor.",
                "Check the layout.",
                channels=channels,
                upscale_factor=r,
                layout=layout,
            )
        )
    c = channels // r**2
    # (..., c, i, j, h, w) -> (..., c, h, i, w, j)
    y = np.reshape(x, (*lead, c, r, r, height, width))
    y = np.moveaxis(y, (-4, -3), (-3, -1))
    return restored(np.reshape(y, (*lead, c, height * r, width * r)), layout, n)


def pixel_unshuffle(x: ArrayLike, *, downscale_factor: int, layout: str = "NCHW") -> Any:
    """Make each r x r pixels of images into r^2 channels: what `pixel_shuffle` undoes.

    ``y[n, r^2 c + r i + j, h, w] = x[n, c, r h + i, r w + j]``, with r = downscale_factor.

    Parameters
    ----------
    x : (N, C, H r, W r), or (N, H r, W r, C) with layout "NHWC"; without N for a single image
    downscale_factor
        The positive integer r.
    layout
        "NCHW" or "NHWC"; the channels are in the same order in both.

    Returns
    -------
    (N, C r^2, H, W), or (N, H, W, C r^2): an array given an array, a Tensor given a Tensor.

    Raises
    ------
    ShapeError
        If the sides do not divide by r, or x does not fit the layout.

    Examples
    --------
    >>> import tensorgrad as tg
    >>> tg.pixel_unshuffle([[[1.0, 2.0], [3.0, 4.0]]], downscale_factor=2).tolist()
    [[[1.0]], [[2.0]], [[3.0]], [[4.0]]]
    """
    r = positive_integer("pixel_unshuffle", "downscale_factor", downscale_factor)
    x, n = spatial_last("pixel_unshuffle", x, layout, 2)
    *lead, c, height, width = x.shape
    if height % r or width % r:
        raise ShapeError(
            explain(
                "pixel_unshuffle",
                "The spatial sides divide by downscale_factor.",
                "Crop or pad x first.",
                sides=(height, width),
                downscale_factor=r,
                layout=layout,
            )
        )
    # (..., c, h, i, w, j) -> (..., c, i, j, h, w)
    y = np.reshape(x, (*lead, c, height // r, r, width // r, r))
    y = np.moveaxis(y, (-3, -1), (-4, -3))
    return restored(np.reshape(y, (*lead, c * r**2, height // r, width // r)), layout, n)
