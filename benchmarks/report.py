"""The measurements as Markdown."""

import os
import platform
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import geometric_mean, median

from benchmarks.libraries import LIBRARIES
from benchmarks.measure import Case, Outcome


def cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def machine(libraries: Iterable[str], threads: int, rounds: int) -> str:
    """Where and how it was measured."""
    packages = ["numpy", *(LIBRARIES[name].package for name in libraries)]
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    return (
        f"{date.today()}: {cpu()}, {os.cpu_count()} cores, {threads} threads; "
        f"Python {platform.python_version()}, {versions}. Medians of {rounds} rounds."
    )


def row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _rows(
    run: str, outcomes: dict[Case, dict[str, Outcome]], libraries: Sequence[str]
) -> Iterator[str]:
    base = libraries[0]
    ratios: dict[str, list[float]] = defaultdict(list)
    for case, by_library in outcomes.items():
        cells = []
        for library in libraries:
            times, reference = by_library[library], by_library[base]
            if isinstance(times, str):
                cells.append("-")
                continue
            cell = f"{median(times[run]) * case.per_second:#.3g}".rstrip(".")
            if library != base and not isinstance(reference, str):
                # rounds are paired, so that a change of the clock rate between them cancels
                pairs = zip(times[run], reference[run], strict=True)
                ratio = median(ours / theirs for ours, theirs in pairs)
                ratios[library].append(ratio)
                cell += f" ({ratio:.2f})"
            cells.append(cell)
        yield row([run, case.name, *cells])
    if len(outcomes) > 1 and len(libraries) > 1:
        means = (
            f"({geometric_mean(ratios[name]):.2f}) of {len(ratios[name])}" if ratios[name] else ""
            for name in libraries
        )
        yield row([run, "**geometric mean**", *means])


def _remarks(outcomes: dict[Case, dict[str, Outcome]], libraries: Sequence[str]) -> Iterator[str]:
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


def table(title: str, outcomes: dict[Case, dict[str, Outcome]], libraries: Sequence[str]) -> str:
    """One table: the time of each library, and in brackets its ratio to the first."""
    lines = [
        f"## {title}\n",
        row(["pass", "case", *libraries]),
        row(["---", "---", *("---:" for _ in libraries)]),
        *_rows("forward", outcomes, libraries),
        *_rows("forward+backward", outcomes, libraries),
        *_remarks(outcomes, libraries),
    ]
    return "\n".join(lines)
