"""The benchmark command on its smallest cases, and how it counts and sums up."""

import subprocess
import sys
from pathlib import Path

import numpy as np

import tensorgrad as tg
from benchmarks import conv, fit_conv, picture, report
from tensorgrad.conv.choose import ALGORITHMS

ROOT = Path(__file__).parents[1]


def rows(text: str, heading: str) -> list[list[str]]:
    """Return the cells of the rows below a heading."""
    table = text.split(f"## {heading}\n\n")[1].split("\n\n", maxsplit=1)[0].splitlines()
    return [line[2:-2].split(" | ") for line in table[2:]]


def test_the_command_prints_and_writes_tables(tmp_path):
    folder = tmp_path / "new"
    options = ["--quick", "--libraries", "tensorgrad", "--rounds", "1", "--output", str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    ops, text, checks = ((folder / f"{name}.md").read_text() for name in ("OPS", "CONV", "CHECKS"))
    assert done.stdout == f"{ops}\n{text}\n{checks}\n"
    assert "# Gradient checks" in checks
    chain = rows(ops, "A chain of 200 operations, float64, 10 entries: microseconds an operation")
    assert [case for _, case, _ in chain] == ["chain", "chain"]
    assert all(float(time) > 0 for _, _, time in chain)
    for collection, names in (
        ("the list", ["notebook", "lenet1"]),
        ("beyond the list", ["to_rgb"]),
    ):
        for dtype in ("float32", "float64"):
            table = f"Convolution, {dtype}, {collection}"
            times = rows(text, f"{table}: milliseconds")
            assert [row[:2] for row in times] == [[p, n] for p in report.PASSES for n in names]
            assert all(float(time) > 0 for _, _, time in times)
            speeds = rows(text, f"{table}: GFLOP/s")
            names_and_product = ["matrix product", *names]
            assert [row[1] for row in speeds] == 2 * names_and_product
            assert speeds[0][2].endswith("(1.00)")  # of itself
            if "# Convolution: memory" in text:
                assert [name for _, name, _ in rows(text, f"{table}: MB")] == names


def test_the_shapes_and_the_work_of_each_layer():
    for layer in conv.layers(quick=False):
        stride, padding, dilation = zip(*layer.convolution.per_axis(), strict=True)
        transposed = layer.convolution.transposed
        size = tg.conv_transpose_output_size if transposed else tg.conv_output_size
        sides = size(layer.x[2:], layer.w[2:], stride=stride, padding=padding, dilation=dilation)
        assert layer.y[2:] == tuple(sides)
        # each entry of w meets, in each image, one entry of the other array for each place it is at
        places = layer.x if transposed else layer.y
        assert layer.work == np.prod([places[0], *places[2:], *layer.w])
        assert layer.x[1] == layer.w[0 if transposed else 1] * layer.convolution.groups
        assert layer.y[1] == layer.channels


LAYERS = conv.layers(quick=True)


def made_up(ratios: dict[str, float]) -> report.Outcomes:
    """Return times of every quick layer: 2 s, 4 s for PyTorch, and as many times that for ours."""
    return {
        layer: {
            "PyTorch": {run: [2.0, 4.0] for run in report.PASSES},
            "tensorgrad": {run: [2 * r, 4 * r] for run in report.PASSES},
            "JAX": "no gradients",
        }
        for layer in LAYERS
        for r in [ratios[layer.name]]
    }


def test_the_summary_of_a_table():
    outcomes = made_up({"notebook": 0.5, "lenet1": 8.0, "to_rgb": 1.5})
    text = report.times(outcomes, ["PyTorch", "tensorgrad", "JAX"])
    times = rows(text, "Convolution, float64, the list: milliseconds")
    assert times[:5] == [
        ["forward", "notebook", "3.00e+03", "1.50e+03 (0.50)", "-"],
        ["forward", "lenet1", "3.00e+03", "2.40e+04 (8.00)", "-"],
        ["forward", "**geometric mean**", "", "(2.00) of 2", ""],
        ["forward", "**worst**", "", "(8.00) lenet1", ""],
        ["forward", "**above 1.5**", "", "1", ""],
    ]
    assert "JAX, not timed: no gradients (notebook, lenet1)." in text


def test_speeds_are_fractions_of_that_of_a_product():
    outcomes = made_up({"notebook": 1.0, "lenet1": 1.0, "to_rgb": 2.0})
    seconds = {"forward": [1.0, 2.0], "forward+backward": [3.0, 6.0]}
    products = {p: {"PyTorch": seconds, "tensorgrad": seconds} for p in conv.products()}
    text = report.speeds(outcomes, products, ["PyTorch", "tensorgrad"])
    speeds = rows(text, "Convolution, float32, beyond the list: GFLOP/s")
    peak = 2 * 1920**3 / 1.5 / 1e9
    layer = next(layer for layer in LAYERS if layer.name == "to_rgb")
    work = 2 * 64 * 3 * 9 * 2 * 96 * 96
    part = work / 2 / (2 * 1920**3)  # of PyTorch, which takes twice as long as the product
    assert layer.work * 2 == work
    expected = [
        ("forward", "matrix product", peak, 1.0, peak, 1.0),
        ("forward", "to_rgb", work / 3e9, part, work / 6e9, part / 2),
        ("forward+backward", "matrix product", peak, 1.0, peak, 1.0),
        ("forward+backward", "to_rgb", work / 1e9, 3 * part, work / 2e9, 3 * part / 2),
    ]
    for row, (run, name, *numbers) in zip(speeds, expected, strict=True):
        assert row[:2] == [run, name]
        cells = " ".join(row[2:]).replace("(", "").replace(")", "").split()
        np.testing.assert_allclose([float(cell) for cell in cells], numbers, rtol=0.01, atol=0.005)


def test_the_picture_is_green_where_ours_is_faster(tmp_path):
    outcomes = made_up({"notebook": 0.5, "lenet1": 8.0, "to_rgb": 0.9})
    picture.draw(outcomes, ["PyTorch", "tensorgrad", "JAX"], tmp_path / "CONV.svg")
    svg = (tmp_path / "CONV.svg").read_text()
    assert all(f">{layer.name}<" in svg for layer in LAYERS)
    assert svg.count("stroke: #2ca02c") == 2 * svg.count("stroke: #d62728") == 8


def test_the_convolutions_that_are_fitted_to_are_gradients():
    rng = np.random.default_rng(0)
    for _ in range(50):
        layer = fit_conv.draw_layer(rng)
        by_input, by_kernel = fit_conv.gradients(layer)
        assert by_input.out == layer.x_shape[2:]
        assert by_kernel.out == layer.w_shape[2:]
        # each pair of entries that meet, meets in both gradients
        work = layer.multiplications
        assert by_kernel.multiplications == work
        assert by_input.multiplications >= work


def test_constants_are_found_that_explain_the_times():
    rng = np.random.default_rng(1)
    layers = [fit_conv.draw_layer(rng) for _ in range(6)]
    times = {
        layer: {
            name: algorithm.seconds(layer)
            for name, algorithm in ALGORITHMS.items()
            if algorithm.refuses(layer) is None
        }
        for layer in layers
    }
    before = fit_conv.constants()
    fit_conv.put({name: value * rng.uniform(0.2, 5) for name, value in before.items()})
    try:
        off = np.log(fit_conv.estimates(times) / fit_conv.seconds_in(times))
        fitted = fit_conv.fit(times)
        fit_conv.put(fitted)
        errors = np.log(fit_conv.estimates(times) / fit_conv.seconds_in(times))
        losses = fit_conv.losses(times, list(ALGORITHMS))
    finally:
        fit_conv.put(before)
    assert np.abs(off).max() > 0.5
    weights = [min(by.values()) / s for by in times.values() for s in by.values()]
    assert np.abs(errors[np.array(weights) > 0.3]).max() < 0.1
    assert max(losses) < 1.2
