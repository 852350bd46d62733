"""A convolution of a digit, and its two gradients, as windows that slide.

python examples/sliding_window.py [--output FOLDER]
"""

import argparse
from pathlib import Path

from sklearn.datasets import load_digits

import tensorgrad as tg

# what the left has more than the right
EDGES = [[1, 0, -1], [2, 0, -2], [1, 0, -1]]


def main(folder: Path) -> None:
    """Write a page to play with, and a drawing of each gradient."""
    folder.mkdir(parents=True, exist_ok=True)
    digit = load_digits().images[0]  # (8, 8), of 0 to 16
    for name, gradient, step in (
        ("convolution.html", None, 0),
        ("gradient_by_input.svg", "input", 29),
        ("gradient_by_kernel.svg", "kernel", 5),
    ):
        picture = tg.show_conv(digit, EDGES, stride=2, padding=1, gradient=gradient)
        print(picture.save(folder / name, step).name)
    print(f"The pictures are in {folder}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--output", type=Path, default=Path("output/sliding_window"), help="folder for the pictures"
    )
    main(parser.parse_args().output.resolve())
