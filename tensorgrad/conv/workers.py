"""Threads that wait for work: for a moment awake, if compiled code can watch for it; then asleep.

To wake a sleeping thread takes as long as some millions of multiplications.
"""

from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from threading import Lock, Thread

import numpy as np

from tensorgrad.typing import Array

# Where the counts of a worker are, each in a cache line of its own.
ORDERS, DONE = 0, 8


class Watch:
    """How to wait awake. In Python that would keep other threads from running at all.

    ``wait(counts, place, last)`` returns when a count is no longer the last one, or after a while;
    ``report(counts, done)`` stores that count first, and waits for orders.
    """

    wait: Callable[[Array, int, int], None] | None = None
    report: Callable[[Array, int], None] | None = None


watch = Watch()


class Worker(Thread):
    """A thread that does what it is told, one order after the other."""

    def __init__(self) -> None:
        super().__init__(name="tensorgrad", daemon=True)
        self._counts: Array = np.zeros(16, np.int64)
        self._work: Callable[[], None] | None = None
        self._context: Context | None = None
        self._order, self._end = Lock(), Lock()  # released when there is one, and when it is done
        self._order.acquire()
        self._end.acquire()
        self.start()

    def tell(self, work: Callable[[], None]) -> None:
        """Have it do this, in a context like that of the caller: NumPy's errstate is in it."""
        self._work, self._context = work, copy_context()
        self._order.release()
        self._counts[ORDERS] += 1

    def finish(self) -> None:
        """Wait until it has done what it was told; what it has not begun is called off."""
        if self._order.acquire(blocking=False):
            self._work = self._context = None
            self._counts[ORDERS] -= 1
            return
        if watch.wait is not None:
            watch.wait(self._counts, DONE, int(self._counts[ORDERS]) - 1)
        self._end.acquire()

    def dismiss(self) -> None:
        """Let it end, when it has done what it was told."""
        self._work = None
        if self._order.locked():
            self._order.release()

    def run(self) -> None:
        """Work until dismissed."""
        done = 0
        while True:
            if watch.report is not None:
                watch.report(self._counts, done)
            self._order.acquire()
            work, context = self._work, self._context
            if work is None or context is None:
                return
            context.run(work)
            work = context = self._work = self._context = None  # they hold on to arrays
            done += 1
            self._end.release()


class Crew:
    """So many workers, hired when they are first needed."""

    def __init__(self, number: int) -> None:
        self._lock = Lock()
        self._idle: list[Worker] = []
        self._vacant = number
        self._closed = False

    def call(self, number: int, called: list[Worker]) -> None:
        """Put so many workers into a list of the caller's; fewer, where others have work for them.

        None are hired where the system has no threads left, or Python is about to end.
        """
        with self._lock, suppress(RuntimeError):
            while len(called) < number and (self._idle or self._vacant):
                if not self._idle:
                    self._idle.append(Worker())
                    self._vacant -= 1
                called.append(self._idle.pop())

    def send_back(self, workers: list[Worker]) -> None:
        """Take workers back that have finished."""
        with self._lock:
            if not self._closed:
                self._idle += workers
                return
        for worker in workers:
            worker.dismiss()

    def lose(self, workers: list[Worker]) -> None:
        """Give up workers for whose end nobody waited."""
        with self._lock:
            self._vacant += len(workers)
        for worker in workers:
            worker.dismiss()

    def close(self) -> None:
        """Dismiss all, those who work as soon as they are sent back."""
        with self._lock:
            idle, self._idle, self._vacant, self._closed = self._idle, [], 0, True
        for worker in idle:
            worker.dismiss()
            worker.join()
