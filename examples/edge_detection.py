"""Edges in a photograph, the gradient of a convolution by hand, and filters learned back.

python examples/edge_detection.py [--output FOLDER]
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from sklearn.datasets import load_sample_image
from tqdm import tqdm

import tensorgrad as tg

# 3x3 kernels, HWIO: one input channel, two output channels
HORIZONTAL = np.array([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [-1.0, -1.0, -1.0]])
NAMES = ("horizontal", "vertical")
FILTERS = np.stack([HORIZONTAL, HORIZONTAL.T], axis=-1)[:, :, np.newaxis, :]
CENTRED = {"ha": "center", "va": "center", "fontsize": 9}


def main(folder: Path) -> None:
    """Tell the story in order."""
    folder.mkdir(parents=True, exist_ok=True)
    print("1. Edges in a photograph")
    photo = load_photo()
    edges = convolve(photo, FILTERS)
    print(f"   photograph {photo.shape}, filters {FILTERS.shape}, edges {edges.shape}")
    save(draw_edges(photo, edges), folder / "edges.png")

    print("\n2. The input gradient by hand: pad, mirror, swap channels, convolve")
    # the loss is half the sum of the squared edges, so the output gradient is the edges themselves
    _, pull_back = tg.vjp(lambda x: tg.conv2d(x, FILTERS, layout="NHWC"), photo)
    (by_vjp,) = pull_back(edges)
    # nothing differs, not even by rounding: the rule of the engine is this very convolution
    require("by hand and by tg.vjp, the photograph", input_gradient(edges, FILTERS), by_vjp, 1e-12)
    save(draw_padded_gradient(photo), folder / "padded_gradient.png")

    print("\n3. Numerical derivatives, at every pixel, weight and bias")
    check_numerically()

    print("\n4. The filters, learned back from the photograph and its edges")
    start = np.random.default_rng(0).normal(scale=0.5, size=FILTERS.shape)
    learned, losses = learn(photo, edges, start)
    print(f"   loss {losses[0]:.1e} at first, {losses[-1]:.1e} after {len(losses)} steps")
    require("learned and true filters", learned, FILTERS, 1e-6)
    save(draw_losses(losses), folder / "loss.png")
    save(draw_filters(start, learned), folder / "filters.png")

    print(f"\nThe pictures are in {folder}")


def convolve(x: np.ndarray, w: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
    """Convolve arrays in the layout of this story: NHWC, and weights HWIO."""
    return tg.conv2d(x, w, b, layout="NHWC")


def require(what: str, got: np.ndarray, expected: np.ndarray, bound: float) -> None:
    """Print the largest difference, and raise if it exceeds the bound."""
    difference = np.max(np.abs(got - expected))
    print(f"   {what}: {got.size} numbers, largest difference {difference:.1e}")
    if not difference <= bound:  # so that a NaN fails as well
        raise AssertionError(f"{what} differ by {difference:.1e}, more than {bound:.0e}")


def save(figure: Figure, picture: Path) -> None:
    """Write a picture, and say so."""
    figure.savefig(picture)
    print(f"   picture: {picture.name}")


# 1. edges


def load_photo() -> np.ndarray:
    """Return the photograph that scikit-learn ships, as grey between 0 and 1: (1, 427, 640, 1)."""
    rgb = load_sample_image("china.jpg")
    grey = rgb @ np.array([0.299, 0.587, 0.114]) / 255
    return grey[np.newaxis, :, :, np.newaxis]


def draw_edges(photo: np.ndarray, edges: np.ndarray) -> Figure:
    """Draw the photograph beside its two edge maps."""
    figure = Figure(figsize=(15, 3.2), layout="constrained", dpi=120)
    left, *others = figure.subplots(1, 3)
    shown = left.imshow(photo[0, :, :, 0], cmap="gray", vmin=0, vmax=1)
    figure.colorbar(shown, ax=left, label="grey value", shrink=0.8)
    left.set_title("photograph")
    for axes, name, channel in zip(others, NAMES, np.moveaxis(edges[0], -1, 0), strict=True):
        shown = axes.imshow(channel, cmap="gray", vmin=-1, vmax=1)
        axes.set_title(f"{name} edges")
    figure.colorbar(shown, ax=others, label="response of the filter", extend="both", shrink=0.8)
    for axes in figure.axes[:3]:
        axes.set_axis_off()
    return figure


# 2. the input gradient by hand


def padded_and_mirrored(g: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the output gradient with k - 1 zeros around it, and the mirrored kernel."""
    height, width = w.shape[0] - 1, w.shape[1] - 1
    padded = np.pad(g, ((0, 0), (height, height), (width, width), (0, 0)))
    mirrored = np.swapaxes(w[::-1, ::-1], 2, 3)  # HWIO -> HWOI: the channels change places
    return padded, mirrored


def input_gradient(g: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Return what reaches the input of a convolution with w when g reaches its output."""
    return convolve(*padded_and_mirrored(g, w))


def draw_padded_gradient(photo: np.ndarray) -> Figure:
    """Draw how one entry of the input gradient comes about, on 8x8 pixels and one filter."""
    patch = np.round(255 * photo[:, 228:236, 230:238])  # whole grey levels are easy to add up
    w = FILTERS[..., :1]
    g = convolve(patch, w)  # again the edges are the output gradient
    padded, mirrored = padded_and_mirrored(g, w)
    gradient = convolve(padded, mirrored)

    figure = Figure(figsize=(15, 5.9), layout="constrained", dpi=120)
    left, middle, right = figure.subplots(1, 3)
    draw_cells(left, patch[0, :, :, 0], 0, 255)
    left.set_title("8x8 pixels of the photograph\n")
    limit = np.max(np.abs(g))
    draw_cells(middle, padded[0, :, :, 0], -limit, limit)
    middle.set_title(
        "their output gradient (blue), padded by\nk - 1 = 2 zeros, under the mirrored kernel"
    )
    limit = np.max(np.abs(gradient))
    draw_cells(right, gradient[0, :, :, 0], -limit, limit)
    right.set_title(
        "their input gradient: the entry in orange\nis the sum of products under the kernel"
    )
    for axes in (left, right):  # on the scale of the ten cells between them
        axes.set(xlim=(-1.5, 8.5), ylim=(8.5, -1.5))

    row, column = 1, 3
    outline(middle, 2, 2, 6, "tab:blue")
    outline(middle, row, column, 3, "tab:orange")
    outline(right, row, column, 1, "tab:orange")
    for (i, j), weight in np.ndenumerate(mirrored[:, :, 0, 0]):
        badge = {"facecolor": "tab:orange", "edgecolor": "none", "pad": 1}
        middle.text(column + j, row + i + 0.33, f"× {weight:z.0f}", bbox=badge, **CENTRED)
    return figure


def draw_cells(axes: Axes, values: np.ndarray, low: float, high: float, form: str = ".0f") -> None:
    """Draw a small matrix as grey cells with its numbers in them."""
    axes.imshow(values, cmap="gray", vmin=low, vmax=high)
    for (i, j), value in np.ndenumerate(values):
        ink = "white" if value < low + 0.45 * (high - low) else "black"
        axes.text(j, i, f"{value:{form}}", color=ink, **CENTRED)
    axes.set_axis_off()


def outline(axes: Axes, row: int, column: int, side: int, colour: str) -> None:
    """Draw a frame around square cells."""
    corner = (column - 0.5, row - 0.5)
    axes.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=colour, linewidth=3))


# 3. numerical derivatives


def check_numerically() -> None:
    """Compare the gradients of a batch with five channels to central differences, one by one."""
    random = np.random.default_rng(0)
    x, w, b = (random.normal(size=shape) for shape in ((2, 10, 11, 5), (2, 3, 5, 4), (4,)))
    y, pull_back = tg.vjp(lambda *arrays: tg.conv2d(*arrays, layout="NHWC"), x, w, b)
    g = random.normal(size=y.shape)
    gradients = pull_back(g)

    def loss(*arrays: np.ndarray) -> float:
        return np.sum(g * convolve(*arrays))

    names = ("input", "kernel", "bias")
    for place, (name, gradient) in enumerate(zip(names, gradients, strict=True)):
        numerical = central_differences(loss, (x, w, b), place)
        require(f"{name} {gradient.shape}", gradient, numerical, 1e-8)
    require("by hand and by tg.vjp, the same input", input_gradient(g, w), gradients[0], 1e-12)


def central_differences(
    f: Callable[..., float], arrays: tuple[np.ndarray, ...], place: int
) -> np.ndarray:
    """Return the derivative of f by every entry of one of its arrays.

    A convolution is linear in each argument alone, so that a difference quotient is exact at any
    step up to rounding, and a step as large as 1 loses the fewest digits.
    """
    gradient = np.empty_like(arrays[place])
    for index in np.ndindex(gradient.shape):
        values = []
        for step in (-0.5, 0.5):
            moved = [array.copy() for array in arrays]
            moved[place][index] += step
            values.append(f(*moved))
        gradient[index] = values[1] - values[0]
    return gradient


# 4. learning


def learn(
    photo: np.ndarray, edges: np.ndarray, w: np.ndarray, steps: int = 300
) -> tuple[np.ndarray, list[float]]:
    """Find filters that take the photograph to its edges, by gradient descent with momentum."""
    # Without its mean the photograph is a better conditioned problem. Its edges stay the same,
    # because each true filter sums to zero.
    x, target = (photo - photo.mean()) / photo.std(), edges / photo.std()

    def loss(w: np.ndarray) -> tg.Tensor:
        return np.mean((tg.conv2d(x, w, layout="NHWC") - target) ** 2)

    loss_and_gradient = tg.value_and_grad(loss)
    velocity, losses = np.zeros_like(w), []
    for _ in (progress := tqdm(range(steps), desc="   learning", ncols=80)):
        value, gradient = loss_and_gradient(w)
        velocity = 0.85 * velocity - 0.25 * gradient
        w = w + velocity
        losses.append(float(value))
        progress.set_postfix(loss=f"{value:.1e}", refresh=False)
    return w, losses


def draw_losses(losses: list[float]) -> Figure:
    """Draw the loss over the steps."""
    figure = Figure(figsize=(7, 4.2), layout="constrained", dpi=120)
    axes = figure.subplots()
    axes.semilogy(losses, color="black")
    axes.set(title="learning the filters back", xlabel="step", ylabel="mean squared difference")
    axes.grid(alpha=0.3)
    return figure


def draw_filters(start: np.ndarray, learned: np.ndarray) -> Figure:
    """Draw the filters before and after learning, beside the true ones."""
    figure = Figure(figsize=(8, 5.4), layout="constrained", dpi=120)
    grid = figure.subplots(2, 3)
    stages = {"random start": start, "learned": learned, "true": FILTERS}
    limit = max(np.max(np.abs(w)) for w in stages.values())
    for row, name in enumerate(NAMES):
        for axes, (stage, w) in zip(grid[row], stages.items(), strict=True):
            draw_cells(axes, w[:, :, 0, row], -limit, limit, "z.3f")
            axes.set_title(f"{name}, {stage}")
    figure.colorbar(axes.images[0], ax=grid, label="weight", shrink=0.8)
    return figure


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--output", type=Path, default=Path("output/edge_detection"), help="folder for the pictures"
    )
    main(parser.parse_args().output.resolve())
