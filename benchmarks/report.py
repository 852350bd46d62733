"""The measurements as Markdown."""

import os
import platform
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import geometric_mean, median

from benchmarks.libraries import LIBRARIES
from benchmarks.measure import Case, Outcome, Outcomes

PASSES = ("forward", "forward+backward")


def cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def machine(libraries: Iterable[str], threads: int) -> str:
    """Where and how it was measured."""
    packages = ["numpy", *(p for name in libraries for p in LIBRARIES[name].packages)]
    versions = ", ".join(f"{package} {version(package)}" for package in dict.fromkeys(packages))
    return (
        f"{date.today()}: {cpu()}, {os.cpu_count()} cores, {threads} threads; "
        f"Python {platform.python_version()}, {versions}."
    )


def row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: float) -> str:
    return f"{value:#.3g}".rstrip(".")


def ratio(outcome: Outcome, reference: Outcome, run: str) -> float | None:
    """Return how much more a library needs than another, if both were measured."""
    if isinstance(outcome, str) or isinstance(reference, str):
        return None
    # rounds are paired, so that a change of the clock rate between them cancels
    pairs = zip(outcome[run], reference[run], strict=True)
    return median(ours / theirs for ours, theirs in pairs)


def _rows(
    run: str,
    outcomes: Outcomes,
    libraries: Sequence[str],
    scale: Callable[[Case], float],
    bar: float,
) -> Iterator[str]:
    base, *others = libraries
    ratios: dict[str, dict[str, float]] = {library: {} for library in others}
    for case, by_library in outcomes.items():
        cells = []
        for library, outcome in by_library.items():
            if isinstance(outcome, str):
                cells.append("-")
                continue
            cell = _number(median(outcome[run]) * scale(case))
            found = ratio(outcome, by_library[base], run)
            if library != base and found is not None:
                ratios[library][case.name] = found
                cell += f" ({found:.2f})"
            cells.append(cell)
        yield row([run, case.name, *cells])
    if len(outcomes) > 1 and others:
        yield from _summary(run, [ratios[library] for library in others], bar)


def _summary(run: str, ratios: Sequence[dict[str, float]], bar: float) -> Iterator[str]:
    """Sum up the ratios of each library, by case."""
    statistics: dict[str, Callable[[dict[str, float]], str]] = {
        "geometric mean": lambda by: f"({geometric_mean(by.values()):.2f}) of {len(by)}",
        "worst": lambda by: "({1:.2f}) {0}".format(*max(by.items(), key=lambda item: item[1])),
        f"above {bar:g}": lambda by: str(sum(value > bar for value in by.values())),
    }
    for name, statistic in statistics.items():
        yield row([run, f"**{name}**", "", *(statistic(by) if by else "" for by in ratios)])


def _remarks(outcomes: Outcomes, libraries: Sequence[str]) -> Iterator[str]:
    for library in libraries:
        reasons: dict[str, list[str]] = defaultdict(list)
        for case, by_library in outcomes.items():
            outcome = by_library[library]
            if isinstance(outcome, str):
                reasons[outcome].append(case.name)
        if reasons:
            yield (
                f"\n{library}, not timed: "
                + "; ".join(f"{reason} ({', '.join(names)})" for reason, names in reasons.items())
                + "."
            )


def _by_table(outcomes: Outcomes) -> Iterator[tuple[str, Outcomes]]:
    for title in dict.fromkeys(case.table for case in outcomes):
        yield title, {case: by for case, by in outcomes.items() if case.table == title}


def _heading(title: str, first: str, libraries: Sequence[str]) -> Iterator[str]:
    yield f"## {title}\n"
    yield row([first, "case", *libraries])
    yield row(["---", "---", *("---:" for _ in libraries)])


def times(outcomes: Outcomes, libraries: Sequence[str]) -> str:
    """Tables of the time of each library, and in brackets its ratio to the first."""
    lines: list[str] = []
    for title, rows in _by_table(outcomes):
        unit = next(iter(rows)).unit
        lines += _heading(f"{title}: {unit}", "pass", libraries)
        for run in PASSES:
            lines += _rows(run, rows, libraries, lambda case: case.per_second, 1.5)
        lines += [*_remarks(rows, libraries), ""]
    return "\n".join(lines)


def memory(outcomes: Outcomes, libraries: Sequence[str]) -> str:
    """Tables of the memory that each library needs, and in brackets its ratio to the first."""
    lines: list[str] = []
    for title, rows in _by_table(outcomes):
        lines += _heading(f"{title}: MB", "", libraries)
        lines += [*_rows("memory", rows, libraries, lambda _: 1e-6, 1.0), ""]
    return "\n".join(lines)


def speeds(layers: Outcomes, products: Outcomes, libraries: Sequence[str]) -> str:
    """Tables of GFLOP/s, and in brackets the fraction of NumPy's speed at matrix products."""
    lines: list[str] = []
    for title, rows in _by_table(layers):
        dtype = next(iter(rows)).dtype
        product = next(case for case in products if case.dtype == dtype)
        best = products[product]["tensorgrad"]["forward"]
        lines += _heading(f"{title}: GFLOP/s", "pass", libraries)
        for run in PASSES:
            directions = 1 if run == "forward" else 3
            for case, by_library in {product: products[product], **rows}.items():
                cells = []
                for library in libraries:
                    seconds = by_library[library][run]
                    pairs = zip(seconds, best, strict=True)
                    work = directions * case.work
                    fraction = median(work / s / (product.work / b) for s, b in pairs)
                    cells.append(f"{_number(2e-9 * work / median(seconds))} ({fraction:.2f})")
                lines.append(row([run, case.name, *cells]))
        lines.append("")
    return "\n".join(lines)
