"""Measure tensorgrad beside its peers, and print the tables: ``python -m benchmarks --help``."""

import argparse
from importlib.util import find_spec
from pathlib import Path

from benchmarks import conv, gradient_checks, ops, report
from benchmarks.libraries import LIBRARIES
from benchmarks.measure import Case, measure, workers

PREFACE = """\
# Benchmarks

Made by `python -m benchmarks`. {machine}

Each library runs in a process of its own, one at a time, on the same data. In brackets: the ratio
to {base}, the median of the ratios of the rounds; below 1 is faster. *forward* computes the result,
and records it where the library has a tape; *forward+backward* computes it and the gradients of all
arguments. JAX compiles each convolution (with its gradients), and runs the chain operation by
operation. Before anything is timed, every library's results and gradients are compared with those
of the first that has the operation. Of each round the fastest run counts. Do not trust tables with
more than a few disturbed measurements: they flatter whatever uses one thread. A geometric mean
covers the rows that have a ratio; a peer that was too slow for some would have a higher one with
them.
"""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    installed = [name for name, cls in LIBRARIES.items() if find_spec(cls.package)]
    parser.add_argument("--only", choices=("conv", "ops", "checks"), help="measure one cost")
    parser.add_argument(
        "--libraries",
        nargs="+",
        choices=LIBRARIES,
        default=installed,
        help="by default those that are installed; the ratios are to the first",
    )
    parser.add_argument("--threads", type=int, default=2, help="of each library (default: 2)")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--quick", action="store_true", help="two small layers, short measurements")
    parser.add_argument("--output", type=Path, help="write the tables to this file, too")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    cases: list[Case] = []
    if options.only in (None, "ops"):
        cases.append(ops.Chain())
    if options.only in (None, "conv"):
        cases.extend(conv.layers(options.quick))
    parts = []
    if cases:
        with workers(options.libraries, options.threads) as pools:
            outcomes, remark = measure(
                pools, cases, options.rounds, budget=0.01 if options.quick else 0.1
            )
        machine = report.machine(options.libraries, options.threads, options.rounds)
        parts.append(PREFACE.format(machine=f"{machine} {remark}", base=options.libraries[0]))
        for title in dict.fromkeys(case.table for case in cases):
            rows = {case: by for case, by in outcomes.items() if case.table == title}
            parts.append(report.table(title, rows, options.libraries) + "\n")
    if options.only in (None, "checks"):
        packages = [LIBRARIES[name].package for name in options.libraries]
        parts.append(gradient_checks.tables(packages, quick=options.quick))
    text = "\n".join(parts)
    print(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
