"""The threads of the convolution kernels: one pool for all, BLAS at one thread inside it.

Work is cut into tasks that do not depend on the number of threads, except where a kernel sums
parts; so results are the same from run to run for a given number of threads.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

from tensorgrad.errors import ShapeError, explain


class _Threads:
    """The number of threads, and the pool that has them, made when it is first needed."""

    def __init__(self) -> None:
        self.number = _available()
        self.pool: ThreadPoolExecutor | None = None

    def resize(self, number: int) -> None:
        if self.pool is not None:
            self.pool.shutdown()
        self.number, self.pool = number, None

    def after_fork(self) -> None:  # threads do not survive it
        self.pool = None


def _available() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return cores or 1


_threads = _Threads()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.after_fork)


def get_num_threads() -> int:
    """Return how many threads a convolution may use.

    >>> import tensorgrad as tg
    >>> tg.get_num_threads() >= 1
    True
    """
    return _threads.number


def set_num_threads(number: int) -> None:
    """Let a convolution use this many threads; at first, as many as this process has cores.

    >>> import tensorgrad as tg
    >>> before = tg.get_num_threads()
    >>> tg.set_num_threads(1)
    >>> tg.get_num_threads()
    1
    >>> tg.set_num_threads(before)

    Raises
    ------
    ShapeError
        Unless it is a positive integer.
    """
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ShapeError(
            explain(
                "set_num_threads",
                "It takes a positive integer.",
                "Pass 1 for no parallel work.",
                number=number,
            )
        )
    _threads.resize(number)


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")


def run(work: Callable[[Any], None], tasks: Iterable[Any]) -> None:
    """Do all tasks, on the threads of the pool, each of which takes the next when it is free."""
    tasks = list(tasks)
    workers = min(_threads.number, len(tasks))
    if workers <= 1:
        for task in tasks:
            work(task)
        return
    if _threads.pool is None:
        _threads.pool = ThreadPoolExecutor(_threads.number - 1, "tensorgrad")
    rest = iter(tasks)  # its next() is atomic

    def work_off() -> None:
        for task in rest:
            work(task)

    with _blas().limit(limits=1):
        others = [_threads.pool.submit(work_off) for _ in range(workers - 1)]
        work_off()
        for other in others:
            other.result()
