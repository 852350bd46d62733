"""The threads of the convolution kernels: one crew for all, BLAS at one thread in its work.

Kernels cut work into tasks that do not depend on the number of threads, and each entry of a result
is written by one task: so results are the same from run to run, whichever thread does a task.
"""

import atexit
import os
from collections import deque
from collections.abc import Callable, Iterable
from functools import cache
from math import prod
from threading import Lock, local
from typing import Any
from weakref import WeakSet

import numpy as np
from threadpoolctl import LibController, ThreadpoolController

from tensorgrad.conv.workers import Crew, Worker
from tensorgrad.errors import ShapeError, explain
from tensorgrad.typing import Array, Shape

# A thread keeps its scratch memory for the next call, up to this many bytes.
KEPT = 1 << 24
# Multiplications that take about as long as it takes to wake a thread, and to share at all.
_WORTH, _SHARED = 2_000_000, 200_000


class _Run:
    """A call of `run`; one that an interruption ended is not counted, as nothing refers to it."""

    __slots__ = ("__weakref__",)


class _Threads:
    """The number of threads, the crew of the others, and the limit on those of BLAS."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.number = _available()
        self.crew = Crew(self.number - 1)
        self.runs: WeakSet[_Run] = WeakSet()  # that go on at the moment
        self.limited: list[tuple[LibController, int]] = []  # what gives BLAS its threads back

    def resize(self, number: int) -> None:
        with self.lock:
            crew, self.crew, self.number = self.crew, Crew(number - 1), number
        crew.close()

    def begin(self, run: "_Run") -> None:
        with self.lock:
            self.runs.add(run)
            if not self.limited:  # it is a setting of the whole process
                for library in _blas():
                    self.limited.append((library, library.get_num_threads()))
                    library.set_num_threads(1)

    def end(self, run: "_Run") -> None:
        with self.lock:
            self.runs.discard(run)
            if not self.runs:
                self.restore()

    def restore(self) -> None:
        while self.limited:
            library, number = self.limited.pop()
            library.set_num_threads(number)

    def after_fork(self) -> None:  # threads do not survive it, nor do the runs of others
        self.lock, self.crew, self.runs = Lock(), Crew(self.number - 1), WeakSet()
        self.restore()


def _available() -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return cores or 1


_threads = _Threads()
atexit.register(lambda: _threads.crew.close())  # a thread must not end where Python has ended
if hasattr(os, "register_at_fork"):  # not on Windows
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
def _blas() -> list[LibController]:
    return ThreadpoolController().select(user_api="blas").lib_controllers


def run(work: Callable[[Any], None], tasks: Iterable[Any], *, with_blas: bool = True) -> None:
    """Do all tasks, on this thread and those of the crew: each takes the next when it is free.

    Where one raises, no other is begun, and the error is raised when those under way have ended.
    BLAS has one thread meanwhile; where tasks do not call it, that need not be arranged.
    """
    if not with_blas and isinstance(tasks, list) and len(tasks) == 1:
        work(tasks[0])
        return
    rest = deque(tasks)
    errors: list[BaseException] = []

    def work_off() -> None:
        try:
            while True:
                try:
                    task = rest.popleft()
                except IndexError:
                    return
                work(task)
        except BaseException as error:  # raised by the thread that waits for all
            rest.clear()
            errors.append(error)

    crew, workers, this = _threads.crew, list[Worker](), _Run()
    try:
        if with_blas:
            _threads.begin(this)
        crew.call(min(_threads.number, len(rest)) - 1, workers)
        for worker in workers:
            worker.tell(work_off)
        work_off()
        for worker in workers:
            worker.finish()
        crew.send_back(workers)
    except BaseException:  # as an interruption
        rest.clear()
        crew.lose(workers)
        raise
    finally:
        if with_blas:
            _threads.end(this)
    try:
        if errors:
            raise errors[0]
    finally:
        errors.clear()  # its traceback holds on to this list


class _Local(local):
    """What each thread has of its own."""

    def __init__(self) -> None:
        self.memories: list[Array] = []  # its scratch memory, when nobody uses it


_local = _Local()


class scratch:  # noqa: N801  # it is used as a function
    """Lend arrays of these shapes, uninitialized, from memory that the thread keeps.

    Fresh memory costs as much as what a kernel does with it: the system clears each page.
    """

    __slots__ = ("_dtype", "_memory", "_shapes")

    def __init__(self, dtype: np.dtype, *shapes: Shape) -> None:
        self._dtype, self._shapes = dtype, shapes

    def __enter__(self) -> list[Array]:
        starts = [0]
        for shape in self._shapes:  # each begins a cache line
            starts.append(starts[-1] + -(-prod(shape) * self._dtype.itemsize // 64) * 64)
        memory = _local.memories.pop() if _local.memories else None
        if memory is None or memory.size < starts[-1]:
            memory = np.empty(starts[-1], np.uint8)
        self._memory = memory
        return [
            np.ndarray(shape, self._dtype, memory, start)
            for shape, start in zip(self._shapes, starts, strict=False)
        ]

    def __exit__(self, *error: object) -> None:
        if self._memory.size <= KEPT:
            _local.memories.append(self._memory)


def parts(tasks: Array, work: int) -> list[Array]:
    """Cut tasks into some for each thread; none are worth a thread for little work.

    ``work`` is counted in multiplications.
    """
    number = worth(work, _threads.number)
    return [tasks] if number == 1 else np.array_split(tasks, min(len(tasks), 4 * number))


def worth(work: int, number: int) -> int:
    """Return how many threads, of so many at most, so many multiplications are worth."""
    return 1 if work < _WORTH else number


def share(
    work: Callable[..., None], tasks: Array, multiplications: int, dtype: np.dtype, *shapes: Shape
) -> None:
    """Do tasks by ``work(tasks, *arrays)``, where each thread has scratch arrays of these shapes.

    The work does not call BLAS.
    """
    if multiplications < _SHARED:
        work(tasks, *[np.empty(shape, dtype) for shape in shapes])
        return

    def work_in_scratch(part: Array) -> None:
        with scratch(dtype, *shapes) as memories:
            work(part, *memories)

    run(work_in_scratch, parts(tasks, multiplications), with_blas=False)
