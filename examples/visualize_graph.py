"""Pictures of graphs: a formula, a convolution and its backward pass, a ResNet whole and folded.

python examples/visualize_graph.py [--output FOLDER]
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_digits

import tensorgrad as tg

# channels of the stages of the network, and blocks in each
CHANNELS, BLOCKS = (8, 16, 32), 4


def main(folder: Path) -> None:
    """Draw one picture after the other."""
    folder.mkdir(parents=True, exist_ok=True)
    x, mean, width = np.linspace(-1, 1, 5), 0.2, 0.5

    print("1. A formula")
    graph = tg.trace(gaussian, x, mean, width)
    print(graph)
    show(graph.save(folder / "formula.svg"))

    print("\n2. A convolution of stride 2, and its backward pass beside it")
    image, kernel = np.ones((1, 3, 8, 8)), np.ones((4, 3, 3, 3))
    graph = tg.trace(strided, image, kernel, backward=True)
    print(graph.summary())
    show(graph.save(folder / "convolution.svg"))

    print("\n3. A small ResNet on ten images of digits")
    images = load_digits().images[:10, np.newaxis] / 16
    graph = tg.trace(lambda weights: scores(weights, images), random_weights())
    print(graph.summary())
    show(graph.save(folder / "resnet.svg"))
    folded = folder / "resnet_folded.svg"
    folded.write_text(graph.to_svg(fold=True))
    show(folded)
    print("   to walk through it:")
    show(graph.save(folder / "resnet.html"))

    print(f"\nThe pictures are in {folder}")


def show(path: Path) -> None:
    """Say what was written."""
    print(f"   {path.name}: {path.stat().st_size / 1000:.0f} kB")


# 1. a formula


def gaussian(x: np.ndarray, mean: float, width: float) -> np.ndarray:
    """Return the density of a normal distribution."""
    return np.exp(-(((x - mean) / width) ** 2) / 2) / (width * np.sqrt(2 * np.pi))


# 2. a convolution


def strided(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Convolve at every second place, which puts zeros between the entries of the gradient."""
    return tg.conv2d(x, w, stride=2, padding=1)


# 3. a residual network


class Block(NamedTuple):
    """The kernels of a residual block, OIHW; that of the shortcut where it changes the shape."""

    first: np.ndarray
    second: np.ndarray
    shortcut: np.ndarray | None


class Weights(NamedTuple):
    """The kernels of the network, and the matrix that makes scores of channels."""

    stem: np.ndarray
    stages: list[list[Block]]
    head: np.ndarray


def random_weights() -> Weights:
    """Return weights that keep the size of what goes through."""
    random = np.random.default_rng(0)

    def kernel(out: int, into: int, side: int) -> np.ndarray:
        return random.normal(scale=np.sqrt(2 / (into * side**2)), size=(out, into, side, side))

    def block(out: int, into: int) -> Block:
        shortcut = kernel(out, into, 1) if out != into else None
        return Block(kernel(out, into, 3), kernel(out, out, 3), shortcut)

    stages, into = [], CHANNELS[0]
    for out in CHANNELS:
        stages.append([block(out, into)] + [block(out, out) for _ in range(BLOCKS - 1)])
        into = out
    return Weights(kernel(CHANNELS[0], 1, 3), stages, random.normal(size=(CHANNELS[-1], 10)))


def scores(weights: Weights, images: np.ndarray) -> np.ndarray:
    """Return for every image the score of each digit: (N, 1, 8, 8) -> (N, 10)."""
    with tg.scope("stem"):
        x = relu(tg.conv2d(images, weights.stem, padding=1))
    for i, stage in enumerate(weights.stages):
        for j, block in enumerate(stage):
            with tg.scope(f"stage{i}"), tg.scope(f"block{j}"):
                x = residual(x, block)
    with tg.scope("head"):
        return np.mean(x, axis=(2, 3)) @ weights.head


def residual(x: np.ndarray, block: Block) -> np.ndarray:
    """Add to x what two convolutions find in it; where channels become more, sides are halved."""
    stride = 1 if block.shortcut is None else 2
    y = relu(tg.conv2d(x, block.first, stride=stride, padding=1))
    y = tg.conv2d(y, block.second, padding=1)
    if block.shortcut is not None:
        x = tg.conv2d(x, block.shortcut, stride=stride)
    return relu(x + y)


def relu(x: np.ndarray) -> np.ndarray:
    """Return x where it is positive, and 0 elsewhere."""
    return np.maximum(x, 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("output/visualize_graph"),
        help="folder for the pictures",
    )
    main(parser.parse_args().output.resolve())
