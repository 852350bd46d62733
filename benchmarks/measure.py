"""Timing libraries side by side: a process for each, of which one is at work at a time."""

import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from threading import Thread
from typing import TypeAlias

import numpy as np

from benchmarks.conv import Layer, Product
from benchmarks.libraries import LIBRARIES, OURS, Array, Library, MissingOpError, Run
from benchmarks.ops import Chain

Case: TypeAlias = Layer | Product | Chain
Workers: TypeAlias = dict[str, ProcessPoolExecutor]
# of a library and a case: the seconds of each round by the name of the run, or why there are none
Outcome: TypeAlias = dict[str, list[float]] | str
Outcomes: TypeAlias = dict[Case, dict[str, Outcome]]

SLOWEST = 2.0  # seconds: a peer that takes longer for one run of a case is not timed on it
ATTEMPTS = 4  # at a measurement that other processes do not disturb
DISTURBANCE = 0.15  # the share of one core that other processes may use meanwhile
CLOCK = 0.02  # seconds by which the kernel's account of processor time may be off
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")  # of a process, on Linux
PAGES = 5e5  # bytes by which the kernel's account of resident memory may be off
# how far results may be apart, relative to the largest entry: rounding, also of transformed kernels
TOLERANCE = {"float32": 1e-3, "float64": 1e-10}
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NPROC",  # XLA's
)
# glibc gives freed blocks of more than 64 kB back at once, so that what is resident is in use
RETURN_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 16)}

# ---- in the process of one library --------------------------------------------------------------

_library: Library


def _start(name: str, threads: int) -> None:
    global _library  # noqa: PLW0603
    if hasattr(os, "sched_setaffinity"):  # for libraries that count the cores themselves
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    _library = LIBRARIES[name]()


@cache
def _runs(case: Case) -> dict[str, Run]:
    return case.runs(_library)


def _come_to_rest() -> None:
    """Wait for this process's idle threads to sleep: OpenBLAS's keep a core busy for 0.1 s."""
    busy = True
    while busy:
        before = time.process_time()
        time.sleep(0.01)
        busy = time.process_time() - before > 0.001


def _solve(case: Case) -> tuple[list[Array], float] | str:
    """Return the result and the gradients, and the seconds for them; or what the library lacks."""
    seconds = 0.0
    try:
        run = _runs(case)["forward+backward"]
        for _ in range(2):  # the first one imports, compiles and touches memory
            if seconds < 5 * SLOWEST:
                begin = time.perf_counter()
                results = run()
                seconds = time.perf_counter() - begin
    except MissingOpError as missing:
        return f"no {missing}"
    _come_to_rest()
    return [_library.numpy(result) for result in results], seconds


def _seconds_of_others() -> float:
    """Return the processor time that other processes have used so far; 0 where nothing tells it."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0
    user, nice, system = (int(field) for field in stat.read_text().split(maxsplit=4)[1:4])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK") - time.process_time()


def _time_once(run: Run, budget: float) -> tuple[float, bool]:
    run()  # wakes the threads
    seconds = []
    others = _seconds_of_others()
    begin = now = time.perf_counter()
    while now - begin < budget:
        run()
        before, now = now, time.perf_counter()
        seconds.append(now - before)
    share = (_seconds_of_others() - others - CLOCK) / (now - begin)
    return min(seconds), share > DISTURBANCE


def seconds_of(run: Run, budget: float) -> tuple[float, bool]:
    """Return the seconds of the fastest run that the budget allows, and whether it was disturbed.

    Another process on one of the cores does not slow all libraries alike: one whose threads wait
    for each other can become a thousand times slower, one that uses a single thread hardly at all.
    So neither ratios nor medians are safe, and a disturbed measurement is made again.
    """
    for _ in range(ATTEMPTS):
        seconds, disturbed = _time_once(run, budget)
        _come_to_rest()
        if not disturbed:
            break
    return seconds, disturbed


def _time(case: Case, name: str, budget: float) -> tuple[float, bool]:
    return seconds_of(_runs(case)[name], budget)


def _resident(field: str) -> int:
    """Return the bytes that are resident now (VmRSS), or were at most (VmHWM)."""
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(lines[field].split()[0]) * 1024


def _extra_memory(case: Layer) -> float:
    """Return the bytes that forward+backward needs at most, beside arguments and results."""
    run = _runs(case)["forward+backward"]
    # it imports, compiles, and keeps memory for its thread, which ends
    warm = Thread(target=run)
    warm.start()
    warm.join()
    _library.forget()
    before = _resident("VmRSS")
    RESET.write_text("5")  # the peak is the present
    results = run()
    extra = _resident("VmHWM") - before - sum(_library.numpy(r).nbytes for r in results)
    return max(extra, PAGES)


# ---- in the main process ------------------------------------------------------------------------


@contextmanager
def workers(
    libraries: Sequence[str], threads: int, cases_each: int | None = None
) -> Iterator[Workers]:
    """Start a process for each library, and a new one after so many cases."""
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    pools = {
        name: ProcessPoolExecutor(
            1,
            get_context("spawn"),
            initializer=_start,
            initargs=(name, threads),
            max_tasks_per_child=cases_each,
        )
        for name in libraries
    }
    try:
        yield pools
    finally:
        for pool in pools.values():
            pool.shutdown()


def agree(results: list[Array], expected: list[Array], dtype: str) -> bool:
    """Whether the results are the expected ones, up to rounding."""
    return all(
        r.shape == e.shape and np.abs(r - e).max() <= TOLERANCE[dtype] * np.abs(e).max()
        for r, e in zip(results, expected, strict=True)
    )


def solve(pools: Workers, cases: Sequence[Case]) -> Outcomes:
    """Run each case once in every library, and find out who can do it, in time, and rightly.

    Cases run in the order of their work, so that a peer's best pace so far tells which of the
    larger ones it need not begin. Ours and the first library are timed however slow.
    """
    outcomes: Outcomes = {case: {} for case in cases}
    base = next(iter(pools))
    pace: dict[tuple[str, str], float] = {}  # seconds for a unit of work, at best
    for case in sorted(cases, key=lambda case: case.work):
        expected = None
        for library, pool in pools.items():
            known = pace.get((library, case.table), np.inf)
            patience = np.inf if library in (*OURS, base) else SLOWEST
            if patience < known * case.work < np.inf:
                outcomes[case][library] = f"more than {SLOWEST:g} s"
                continue
            answer = pool.submit(_solve, case).result()
            if isinstance(answer, str):
                outcomes[case][library] = answer
                continue
            results, seconds = answer
            expected = expected or results
            pace[library, case.table] = min(seconds / case.work, known)
            if not agree(results, expected, case.dtype):
                outcomes[case][library] = "a wrong result"
            elif seconds > patience:
                outcomes[case][library] = f"more than {SLOWEST:g} s"
            else:
                outcomes[case][library] = defaultdict(list)
    return outcomes


def remark(disturbances: Sequence[bool]) -> str:
    """Say how many measurements other processes disturbed."""
    return f"Other processes disturbed {sum(disturbances)} of {len(disturbances)} measurements."


def measure(
    pools: Workers, cases: Sequence[Case], rounds: int, budget: float
) -> tuple[Outcomes, str]:
    """Time every library on every case, in rounds that each go through all of them.

    Returns the outcomes, and a sentence on how many measurements other processes disturbed.
    """
    outcomes = solve(pools, cases)
    disturbances: list[bool] = []
    for round in range(rounds):
        print(f"round {round + 1} of {rounds}", file=sys.stderr)
        for case in cases:
            for run in ("forward", "forward+backward"):
                for library, times in outcomes[case].items():
                    if not isinstance(times, str):
                        seconds, disturbed = (
                            pools[library].submit(_time, case, run, budget).result()
                        )
                        times[run].append(seconds)
                        disturbances.append(disturbed)
    return outcomes, remark(disturbances)


def extra_memory(libraries: Sequence[str], layers: Sequence[Layer], threads: int) -> Outcomes:
    """Measure what memory each library needs for each layer, in a process for each of them.

    Where the system does not tell the peak of a process from some moment on, return nothing.
    """
    if not RESET.exists():
        return {}
    os.environ.update(RETURN_MEMORY)
    with workers(libraries, threads, 1) as pools:
        return {
            layer: {
                library: {"memory": [pool.submit(_extra_memory, layer).result()]}
                for library, pool in pools.items()
            }
            for layer in layers
        }
