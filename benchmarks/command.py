"""Measure tensorgrad beside its peers, and print the tables: ``python -m benchmarks --help``."""

import argparse
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from benchmarks import conv, gradient_checks, picture, report
from benchmarks.libraries import LIBRARIES, OURS
from benchmarks.measure import PAGES, Case, Outcomes, extra_memory, measure, workers
from benchmarks.ops import Chain

HOW = """\
Each library runs in a process of its own, one at a time, on the same data. In brackets: the ratio
to {base}, the median of the ratios of the rounds; below 1 is better. *forward* computes the result,
and records it where the library has a tape; *forward+backward* computes it and the gradients of all
arguments. Before anything is timed, every library's results and gradients are compared with those
of the first that has the operation. Of each round the fastest run counts. Do not trust tables with
more than a few disturbed measurements: they flatter whatever uses one thread.
"""

OPS = """\
# The cost of an operation

Made by `python -m benchmarks --only ops`. {machine}

{how}
JAX runs the chain operation by operation.
"""

CONV = """\
# Convolution

Made by `python -m benchmarks --only conv`. {machine}

{how}
JAX compiles each layer with its gradients. *tensorgrad (NumPy alone)* is tensorgrad where Numba is
not installed. A geometric mean covers the rows that have a ratio; a peer that was too slow for some
would have a higher one with them.
"""

PICTURE = """\
![The time of tensorgrad by that of {base}, layer by layer](CONV.svg)
"""

SPEED = """\
# Convolution: speed

Two operations for each multiplication of the definition, also by the zeros of the padding; each of
the two gradients counts as much as the result. In brackets: the fraction of the speed at which
NumPy multiplies two square matrices, {side} x {side}, with as many threads in the same rounds. Its
BLAS may not use the widest vectors of the processor, and some algorithms make do with fewer
multiplications: so fractions above 1 are possible.
"""

MEMORY = """\
# Convolution: memory

Of one forward+backward: the most that was resident, less what was before, and less what the result
and the gradients take; each library on each layer in a process of its own, which computed the layer
once before, and then freed what its threads keep. The kernel's account is off by up to {off:g} MB,
and less than that counts as that.
"""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    installed = [name for name, cls in LIBRARIES.items() if all(map(find_spec, cls.packages))]
    parser.add_argument("--only", choices=("ops", "conv", "checks"), help="measure one cost")
    parser.add_argument(
        "--libraries",
        nargs="+",
        choices=LIBRARIES,
        default=installed,
        help="by default those that are installed; the ratios are to the first",
    )
    parser.add_argument("--threads", type=int, default=2, help="of each library (default: 2)")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--quick", action="store_true", help="small layers, short measurements")
    parser.add_argument(
        "--output", type=Path, help="write OPS.md, CONV.md and CHECKS.md into this folder, too"
    )
    return parser.parse_args()


def timed(options: argparse.Namespace, cases: Sequence[Case]) -> tuple[Outcomes, str]:
    """Time the cases, and say where and how."""
    with workers(options.libraries, options.threads) as pools:
        outcomes, remark = measure(
            pools, cases, options.rounds, budget=0.01 if options.quick else 0.1
        )
    machine = report.machine(options.libraries, options.threads)
    return outcomes, f"{machine} Medians of {options.rounds} rounds. {remark}"


def ops_report(options: argparse.Namespace) -> str:
    outcomes, machine = timed(options, [Chain()])
    how = HOW.format(base=options.libraries[0])
    return OPS.format(machine=machine, how=how) + "\n" + report.times(outcomes, options.libraries)


def conv_report(options: argparse.Namespace) -> str:
    base, *others = libraries = options.libraries
    layers, products = conv.layers(options.quick), conv.products()
    outcomes, machine = timed(options, [*products, *layers])
    times = {layer: outcomes[layer] for layer in layers}
    parts = [CONV.format(machine=machine, how=HOW.format(base=base))]
    if options.output and others:
        picture.draw(times, libraries, options.output / "CONV.svg")
        parts.append(PICTURE.format(base=base))
    parts.append(report.times(times, libraries))
    compared = [base, *(name for name in others if name in OURS)]
    if "tensorgrad" in compared:
        speeds = report.speeds(times, {p: outcomes[p] for p in products}, compared)
        parts += [SPEED.format(side=conv.Product.side), speeds]
    memory = extra_memory(compared, layers, options.threads)
    if memory:
        parts += [MEMORY.format(off=PAGES * 1e-6), report.memory(memory, compared)]
    return "\n".join(parts)


def checks_report(options: argparse.Namespace) -> str:
    packages = [package for name in options.libraries for package in LIBRARIES[name].packages]
    return gradient_checks.tables(packages, quick=options.quick)


REPORTS = {"ops": ops_report, "conv": conv_report, "checks": checks_report}


def main() -> None:
    options = arguments()
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
    for name, report_of in REPORTS.items():
        if options.only in (None, name):
            text = report_of(options)
            print(text)
            if options.output:
                (options.output / f"{name.upper()}.md").write_text(text, encoding="utf-8")
