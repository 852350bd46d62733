"""Fit the constants of `tensorgrad.conv.costs` to what the algorithms take on small convolutions.

``python -m benchmarks.fit_conv`` prints the constants, and how good the estimates and the choices
are with those that are in the file and with the fitted ones.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from math import exp
from pathlib import Path
from statistics import geometric_mean
from typing import NamedTuple

import numpy as np

from benchmarks import report
from benchmarks.measure import seconds_of
from tensorgrad.conv import costs, threads
from tensorgrad.conv.choose import ALGORITHMS
from tensorgrad.conv.costs import Problem
from tensorgrad.conv.geometry import Geometry, remainder
from tensorgrad.conv.primitive import transposed_pads

PREFACE = """\
# The costs of the algorithms

Made by `python -m benchmarks.fit_conv`. {machine}

Each algorithm computed {problems} convolutions: results and gradients of {layers} layers, drawn with
sizes as networks have them. Constants are those of `tensorgrad/conv/costs.py`, fitted by least
squares of the logarithms of the times; a time counts the less, the slower it is than the fastest of
its convolution. Those that the times do not tell stay. {disturbed} of {measurements} measurements
were disturbed by other processes.
"""

REFERENCE = "taps"  # it is never the fastest
WORK = 3e5, 1e8  # multiplications of a layer
STAY = 0.02  # how much it counts that a constant stays, beside a measurement

Constants = dict[tuple[str, int | None], float]  # by name, and key where it is a table
Times = dict[Problem, dict[str, float]]  # seconds by algorithm

# ---- convolutions -------------------------------------------------------------------------------


def draw_layer(rng: np.random.Generator) -> Problem:
    """Draw a convolution as networks have them."""

    def one_of(*values: int) -> int:
        return values[rng.integers(len(values))]

    while True:
        axes = one_of(1, 2, 2, 2, 2, 3)
        n, c, o = (
            one_of(1, 2, 4, 8, 32),
            one_of(1, 3, 8, 16, 32, 64, 128, 256),
            one_of(3, 8, 32, 128),
        )
        side = one_of(5, 7, 8, 14, 17, 28, 32, 56, 64, 112, 224, 1000)
        k, s, d = one_of(1, 3, 3, 3, 5, 7, 11, 31), one_of(1, 1, 1, 2), one_of(1, 1, 1, 1, 2)
        groups = one_of(1, 1, 1, c)
        if groups > 1:
            o = c
        low = min(d * (k - 1) // 2, side)
        if side + 2 * low < d * (k - 1) + 1:
            continue
        geometry = Geometry((s,) * axes, ((low, low),) * axes, (1,) * axes, (d,) * axes, groups)
        dtype = np.dtype((one_of(4, 8) == 4 and np.float32) or np.float64)
        layer = Problem((n, c, *(side,) * axes), (o, c // groups, *(k,) * axes), geometry, dtype)
        if WORK[0] < layer.multiplications < WORK[1]:
            return layer


def gradients(layer: Problem) -> Iterator[Problem]:
    """Yield the convolutions that are its gradients, by the input and by the kernel."""
    (n, _, *sides), (_, _, *kernel), out = layer.x_shape, layer.w_shape, layer.out
    stride, padding, ones, dilation, groups = layer.geometry
    _, c, o = layer.channels
    pads = transposed_pads(padding, tuple(sides), tuple(kernel), out, stride, ones, dilation)
    yield Problem(
        (n, groups * o, *out),
        (groups * c, o, *kernel),
        Geometry(ones, pads, stride, dilation, groups),
        layer.dtype,
    )
    axes = zip(sides, kernel, out, stride, padding, ones, dilation, strict=True)
    pads = tuple(
        (low, high - remainder(*axis)) for axis, (low, high) in zip(axes, padding, strict=True)
    )
    yield Problem(
        (c, groups * n, *sides),
        (groups * o, n, *out),
        Geometry(dilation, pads, ones, stride, groups),
        layer.dtype,
    )


def time_all(problems: Sequence[Problem], budget: float) -> tuple[Times, list[bool]]:
    """Return what every algorithm takes, and which of the measurements were disturbed."""
    rng = np.random.default_rng(0)
    times: Times = {}
    disturbances = []
    for number, problem in enumerate(problems):
        print(f"\r{number + 1} of {len(problems)}", end="", file=sys.stderr)
        x, w = (
            rng.standard_normal(shape, problem.dtype)
            for shape in (problem.x_shape, problem.w_shape)
        )
        times[problem] = {}
        for name, algorithm in ALGORITHMS.items():
            if name != REFERENCE and algorithm.refuses(problem) is None:
                run = algorithm.run
                run(x, w, problem.geometry, None)  # compiles
                seconds, disturbed = seconds_of(
                    lambda: run(x, w, problem.geometry, None),
                    budget,  # noqa: B023
                )
                times[problem][name] = seconds
                disturbances.append(disturbed)
    print(file=sys.stderr)
    return {problem: by for problem, by in times.items() if by}, disturbances


# ---- constants ----------------------------------------------------------------------------------


def constants() -> Constants:
    """Return the constants of the cost model: numbers, and tables of numbers."""
    found: Constants = {}
    for name, value in vars(costs).items():
        if name.isupper() and isinstance(value, float):
            found[name, None] = value
        elif name.isupper() and isinstance(value, dict):
            found |= {(name, key): number for key, number in value.items()}
    return found


def put(values: Constants) -> None:
    """Give the constants these values."""
    for (name, key), value in values.items():
        if key is None:
            setattr(costs, name, value)
        else:
            getattr(costs, name)[key] = value


def estimates(times: Times) -> np.ndarray:
    """Return the logarithms of the estimates for all that was measured."""
    return np.log([ALGORITHMS[name].seconds(p) for p, by in times.items() for name in by])


def fit(times: Times) -> Constants:
    """Return the constants whose estimates are nearest to the times, by damped Gauss-Newton steps."""
    names, start = list(constants()), np.log(list(constants().values()))
    measured = np.log([seconds for by in times.values() for seconds in by.values()])
    weights = np.sqrt([min(by.values()) / s for by in times.values() for s in by.values()])

    def residuals(logs: np.ndarray) -> np.ndarray:
        put(dict(zip(names, map(float, np.exp(logs)), strict=True)))
        return np.append(weights * (estimates(times) - measured), STAY * (logs - start))

    logs, damping = start, 1.0
    errors = residuals(logs)
    for _ in range(100):
        steps = 1e-4 * np.eye(len(logs))
        jacobian = np.transpose([(residuals(logs + step) - errors) / 1e-4 for step in steps])
        matrix = jacobian.T @ jacobian
        better = logs - np.linalg.solve(matrix + damping * np.eye(len(logs)), jacobian.T @ errors)
        found = residuals(better)
        if found @ found < errors @ errors:
            logs, errors, damping = better, found, damping / 4
        else:
            damping *= 4
    put(dict(zip(names, np.exp(start), strict=True)))
    return {name: float(f"{value:.2g}") for name, value in zip(names, np.exp(logs), strict=True)}


# ---- tables -------------------------------------------------------------------------------------


class Choices(NamedTuple):
    """How good the choices among some algorithms are."""

    losses: list[float]  # of each convolution: the time of the chosen by that of the fastest

    def row(self) -> list[str]:
        n = len(self.losses)
        fastest, near = (sum(loss <= most for loss in self.losses) / n for most in (1, 1.1))
        cells = [f"{fastest:.0%}", f"{near:.0%}", f"{geometric_mean(self.losses):.3f}"]
        return [str(n), *cells, f"{max(self.losses):.2f}"]


def choices(times: Times, names: Sequence[str]) -> Choices:
    """Choose by the present constants, where two of the algorithms at least can do it."""
    losses = []
    for problem, by in times.items():
        able = [name for name in names if name in by]
        if len(able) > 1:
            chosen = min(able, key=lambda name: ALGORITHMS[name].seconds(problem))
            losses.append(by[chosen] / min(by[name] for name in able))
    return Choices(losses)


def tables(times: Times, fitted: Constants) -> Iterator[str]:
    old = constants()
    names = [name for name in ALGORITHMS if any(name in by for by in times.values())]
    alone = [name for name in names if not name.startswith("compiled")]
    yield "## Constants\n"
    yield report.row(["constant", "bytes", "in the file", "fitted"])
    yield report.row(["---", "---:", "---:", "---:"])
    for (name, key), value in fitted.items():
        yield report.row([name, str(key or ""), f"{old[name, key]:.2g}", f"{value:.2g}"])
    predicted = {}
    rows = {"accuracy": [], "choices": []}
    for title, values in (("in the file", old), ("fitted", fitted)):
        put(values)
        logs = iter(estimates(times))
        predicted[title] = {p: {name: exp(next(logs)) for name in by} for p, by in times.items()}
        for kinds, some in (("all", names), ("NumPy alone", alone)):
            rows["choices"].append([title, kinds, *choices(times, some).row()])
    put(old)
    yield "\n## Choices\n"
    yield (
        "The time of the algorithm that the estimates choose, by that of the fastest; where at least"
        " two can do it.\n"
    )
    head = ["constants", "algorithms", "convolutions", "is the fastest", "within 10%"]
    yield report.row([*head, "geometric mean", "worst"])
    yield report.row(["---", "---", *("---:" for _ in range(5))])
    yield from map(report.row, rows["choices"])
    yield "\n## Estimates by times\n"
    yield report.row(
        [
            "algorithm",
            "convolutions",
            "in the file: median",
            "middle 80%",
            "fitted: median",
            "middle 80%",
        ]
    )
    yield report.row(["---", *("---:" for _ in range(5))])
    for name in names:
        cells = []
        for estimated in predicted.values():
            ratios = [estimated[p][name] / by[name] for p, by in times.items() if name in by]
            low, middle, high = np.quantile(ratios, [0.1, 0.5, 0.9])
            cells += [f"{middle:.2f}", f"{low:.2f} to {high:.2f}"]
        yield report.row([name, str(len(ratios)), *cells])
    yield "\n## Times: microseconds, and as estimated with the fitted constants\n"
    yield report.row(["input", "kernel", "stride", "dilation", "groups", "dtype", *names])
    yield report.row(["---"] * 6 + ["---:"] * len(names))
    for problem, by in sorted(times.items(), key=lambda item: min(item[1].values())):
        yield report.row(_cells(problem, by, predicted["fitted"][problem], names))


def _cells(
    problem: Problem, by: dict[str, float], estimated: dict[str, float], names: Sequence[str]
) -> Iterator[str]:
    stride, _, input_dilation, dilation, groups = problem.geometry
    yield "x".join(map(str, problem.x_shape))
    yield "x".join(map(str, problem.w_shape))
    yield str(stride[0]) if max(input_dilation) == 1 else f"1/{input_dilation[0]}"
    yield from (str(dilation[0]), str(groups), problem.dtype.name)
    for name in names:
        if name not in by:
            yield "-"
        else:
            cell = f"{by[name] * 1e6:.0f} ({estimated[name] * 1e6:.0f})"
            yield f"**{cell}**" if by[name] == min(by.values()) else cell


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fit_conv", description=__doc__)
    parser.add_argument("--layers", type=int, default=60, help="how many to draw (default: 60)")
    parser.add_argument("--threads", type=int, default=2, help="default: 2")
    parser.add_argument("--quick", action="store_true", help="short measurements")
    parser.add_argument("--output", type=Path, help="write the tables to this file, too")
    options = parser.parse_args()
    threads.set_num_threads(options.threads)
    rng = np.random.default_rng(0)
    layers = [draw_layer(rng) for _ in range(options.layers)]
    problems = [problem for layer in layers for problem in (layer, *gradients(layer))]
    times, disturbances = time_all(problems, 0.002 if options.quick else 0.03)
    preface = PREFACE.format(
        machine=report.machine(["tensorgrad"], options.threads, 1),
        problems=len(times),
        layers=len(layers),
        disturbed=sum(disturbances),
        measurements=len(disturbances),
    )
    text = "\n".join([preface, *tables(times, fit(times)), ""])
    print(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
