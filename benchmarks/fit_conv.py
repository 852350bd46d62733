"""Fit the constants of `tensorgrad.conv.costs` to what the algorithms take on small convolutions.

``python -m benchmarks.fit_conv`` prints them, and how good the estimates and the choices are, with
the constants of the file and with the fitted ones.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import geometric_mean

import numpy as np

from benchmarks import report
from benchmarks.measure import remark, seconds_of
from tensorgrad.conv import costs, threads
from tensorgrad.conv.choose import ALGORITHMS
from tensorgrad.conv.costs import Problem
from tensorgrad.conv.geometry import Geometry
from tensorgrad.conv.primitive import geometry_by_input, geometry_by_kernel

PREFACE = """\
# The costs of the algorithms

Made by `python -m benchmarks.fit_conv`. {machine} {remark}

{problems} convolutions, the results and the gradients of {layers} layers, drawn with sizes that
networks have, by each algorithm that can do them, and would not take {hopeless} times as long as
another by its estimate. The constants are fitted to these times by least squares of logarithms; a
time counts the less, the slower it is than the fastest of its convolution, and a constant that the
times do not tell stays as it is.
"""

WORK = 3e4, 1e8  # multiplications of a layer
HOPELESS = 100
STAY = 0.02  # how much it counts that a constant stays as it is, beside one measurement

Constants = dict[tuple[str, int | None], float]  # by name, and by key where it is a table
Times = dict[Problem, dict[str, float]]  # seconds by algorithm

# ---- convolutions -------------------------------------------------------------------------------


def draw_layer(rng: np.random.Generator) -> Problem:
    """Draw a convolution as networks have them."""

    def one_of(*values: int) -> int:
        return values[rng.integers(len(values))]

    while True:
        axes, n = one_of(1, 2, 2, 2, 2, 3), one_of(1, 2, 4, 8, 32)
        c, o = (one_of(1, 3, 8, 16, 32, 64, 128, 256) for _ in range(2))
        groups = one_of(1, 1, 1, c)
        side = one_of(5, 7, 8, 14, 17, 28, 32, 56, 64, 112, 224, 1000)
        k, s, d = one_of(1, 3, 3, 3, 5, 7, 11, 31), one_of(1, 1, 1, 2), one_of(1, 1, 1, 1, 2)
        pad = d * (k - 1) // 2
        layer = Problem(
            (n, c, *(side,) * axes),
            (o if groups == 1 else c, c // groups, *(k,) * axes),
            Geometry((s,) * axes, ((pad, pad),) * axes, (1,) * axes, (d,) * axes, groups),
            np.dtype(f"f{one_of(4, 8)}"),
        )
        if pad < side and WORK[0] < layer.multiplications < WORK[1]:
            return layer


def gradients(layer: Problem) -> Iterator[Problem]:
    """Yield the convolutions that are its gradients, by the input and by the kernel."""
    n, sides, kernel, out = layer.x_shape[0], layer.x_shape[2:], layer.w_shape[2:], layer.out
    groups, c, o = layer.channels
    geometry = geometry_by_input(layer.geometry, sides, kernel, out)
    yield Problem((n, groups * o, *out), (groups * c, o, *kernel), geometry, layer.dtype)
    geometry = geometry_by_kernel(layer.geometry, sides, kernel, out)
    yield Problem((c, groups * n, *sides), (groups * o, n, *out), geometry, layer.dtype)


def time_all(problems: Sequence[Problem], budget: float) -> tuple[Times, list[bool]]:
    """Return what the algorithms take, and which of the measurements were disturbed."""
    rng = np.random.default_rng(0)
    times: Times = {}
    disturbances = []
    for number, problem in enumerate(problems, start=1):
        print(f"\r{number} of {len(problems)}", end="", file=sys.stderr)
        x = rng.standard_normal(problem.x_shape, problem.dtype)
        w = rng.standard_normal(problem.w_shape, problem.dtype)
        able = [a for a in ALGORITHMS.values() if a.refuses(problem) is None]
        most = HOPELESS * min((a.seconds(problem) for a in able), default=0)
        by = {}
        for algorithm in able:
            if algorithm.seconds(problem) <= most:
                run = partial(algorithm.run, x, w, problem.geometry, None)
                run()  # compiles
                by[algorithm.name], disturbed = seconds_of(run, budget)
                disturbances.append(disturbed)
        if by:
            times[problem] = by
    print(file=sys.stderr)
    return times, disturbances


# ---- constants ----------------------------------------------------------------------------------


def constants() -> Constants:
    """Return the constants of the cost model: numbers, and tables of numbers."""
    found: Constants = {}
    for name, value in vars(costs).items():
        if name.isupper():
            table = value if isinstance(value, dict) else {None: value}
            found |= {(name, key): number for key, number in table.items()}
    return found


def put(values: Constants) -> None:
    """Give the constants of the cost model these values."""
    for (name, key), value in values.items():
        if key is None:
            setattr(costs, name, value)
        else:
            getattr(costs, name)[key] = value


def estimates(times: Times) -> np.ndarray:
    """Return what the present constants say, of all that was measured."""
    return np.array([ALGORITHMS[name].seconds(p) for p, by in times.items() for name in by])


def seconds_in(times: Times) -> np.ndarray:
    """Return all that was measured, in the same order."""
    return np.array([seconds for by in times.values() for seconds in by.values()])


def fit(times: Times) -> Constants:
    """Return the constants whose estimates are nearest to the times: damped Gauss-Newton steps."""
    old = constants()
    start = np.log(list(old.values()))
    seconds = seconds_in(times)
    weights = np.sqrt([min(by.values()) / s for by in times.values() for s in by.values()])

    def residuals(logs: np.ndarray) -> np.ndarray:
        put(dict(zip(old, np.exp(logs), strict=True)))
        return np.append(weights * np.log(estimates(times) / seconds), STAY * (logs - start))

    logs, errors, damping, h = start, residuals(start), 1.0, 1e-4
    identity = np.eye(len(start))
    for _ in range(60):
        jacobian = np.transpose([(residuals(logs + h * step) - errors) / h for step in identity])
        matrix = jacobian.T @ jacobian + damping * identity
        better = logs - np.linalg.solve(matrix, jacobian.T @ errors)
        found = residuals(better)
        if found @ found < errors @ errors:
            logs, errors, damping = better, found, damping / 4
        else:
            damping *= 4
    put(old)
    return {name: float(f"{np.exp(log):.2g}") for name, log in zip(old, logs, strict=True)}


# ---- tables -------------------------------------------------------------------------------------


def losses(times: Times, names: Sequence[str]) -> list[float]:
    """Return the times of what is chosen among these algorithms, by those of the fastest."""
    found = []
    for problem, by in times.items():
        able = [name for name in names if name in by]
        if len(able) > 1:
            chosen = min(able, key=lambda name: ALGORITHMS[name].seconds(problem))
            found.append(by[chosen] / min(by[name] for name in able))
    return found


def tables(times: Times, fitted: Constants) -> Iterator[str]:
    old = constants()
    names = [name for name in ALGORITHMS if any(name in by for by in times.values())]
    alone = [name for name in names if not name.startswith("compiled")]
    yield "## Constants\n"
    yield report.row(["constant", "of", "in the file", "fitted"])
    yield report.row(["---", "---", "---:", "---:"])
    for (name, key), value in fitted.items():
        yield report.row([name, str(key or ""), f"{old[name, key]:.2g}", f"{value:.2g}"])

    yield "\n## Choices\n"
    yield "Where there is one; the time of the chosen algorithm by that of the fastest.\n"
    head = ["constants", "choice", "convolutions", "the fastest", "within 10%"]
    yield report.row([*head, "geometric mean", "worst"])
    yield report.row(["---", "---", *("---:" for _ in range(5))])
    accuracy = []
    for title, values in (("in the file", old), ("fitted", fitted)):
        put(values)
        for among, some in (("of all", names), ("of those in NumPy alone", alone)):
            found = losses(times, some)
            best, near = (f"{np.mean(np.array(found) <= most):.0%}" for most in (1, 1.1))
            numbers = [str(len(found)), best, near, f"{geometric_mean(found):.3f}"]
            yield report.row([title, among, *numbers, f"{max(found):.2f}"])
        accuracy += [[title, *cells] for cells in _accuracy(times, names)]

    yield "\n## Estimates by times\n"
    yield "All but a tenth at either end lie between low and high.\n"
    yield report.row(["constants", "algorithm", "convolutions", "low", "median", "high"])
    yield report.row(["---", "---", *("---:" for _ in range(4))])
    yield from map(report.row, accuracy)

    yield "\n## Times\n"
    yield "In microseconds; in brackets as estimated with the fitted constants.\n"
    yield report.row(["input", "kernel", "stride", "dilation", "groups", "dtype", *names])
    yield report.row(["---"] * 6 + ["---:"] * len(names))
    for problem, by in sorted(times.items(), key=lambda item: min(item[1].values())):
        yield report.row(_cells(problem, by, names))
    put(old)


def _accuracy(times: Times, names: Sequence[str]) -> Iterator[list[str]]:
    for name in names:
        ratios = [ALGORITHMS[name].seconds(p) / by[name] for p, by in times.items() if name in by]
        quantiles = np.quantile(ratios, [0.1, 0.5, 0.9])
        yield [name, str(len(ratios)), *(f"{quantile:.2f}" for quantile in quantiles)]


def _cells(problem: Problem, by: dict[str, float], names: Sequence[str]) -> Iterator[str]:
    stride, _, input_dilation, dilation, groups = problem.geometry
    yield "x".join(map(str, problem.x_shape))
    yield "x".join(map(str, problem.w_shape))
    yield f"1/{input_dilation[0]}" if problem.is_dilated else str(stride[0])
    yield from (str(dilation[0]), str(groups), problem.dtype.name)
    for name in names:
        if name not in by:
            yield "-"
        else:
            cell = f"{1e6 * by[name]:.0f} ({1e6 * ALGORITHMS[name].seconds(problem):.0f})"
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
        machine=report.machine(["tensorgrad"], options.threads),
        remark=remark(disturbances),
        problems=len(times),
        layers=len(layers),
        hopeless=HOPELESS,
    )
    text = "\n".join([preface, *tables(times, fit(times)), ""])
    print(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
