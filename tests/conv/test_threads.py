"""The crew of threads: every task once, errors, calls within calls, forks, ends, and BLAS."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
import weakref
from importlib.util import find_spec

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

import tensorgrad as tg
from tensorgrad.conv import threads, workers

# those that were there when the first convolution was computed
tg.conv2d(np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3)), algorithm="gemm")
BLAS = ThreadpoolController().select(user_api="blas").lib_controllers


@pytest.fixture(params=["asleep", "awake"])
def waiting(request, monkeypatch):
    """How threads wait: where Numba is installed, for a moment awake."""
    if request.param == "asleep":
        monkeypatch.setattr(workers, "watch", workers.Watch())
    elif find_spec("numba") is None:
        pytest.skip("the numba extra is not installed")
    else:
        from tensorgrad.conv.kernels.compiled import awake

        awake.stay_awake()
    return request.param


@pytest.fixture(params=[1, 2, 5])
def number(request, waiting):
    before = tg.get_num_threads()
    tg.set_num_threads(request.param)
    yield request.param
    tg.set_num_threads(before)


def blas_threads():
    return [library.get_num_threads() for library in BLAS]


def test_every_task_is_done_once(number):
    done = []
    threads.run(done.append, range(1000))
    assert sorted(done) == list(range(1000))
    threads.run(done.append, iter(()))
    assert len(done) == 1000


def test_as_many_threads_work_as_are_set(number):
    # each task waits until all threads have one
    together = threading.Barrier(number)
    threads.run(lambda _: together.wait(timeout=10), range(number))


def test_an_error_is_raised_when_no_task_goes_on(number):
    begun, going_on = [], set()

    def work(task):
        begun.append(task)
        going_on.add(task)
        time.sleep(0.001)
        going_on.remove(task)
        if task == 3:
            raise KeyError("three")

    with pytest.raises(KeyError, match="three"):
        threads.run(work, range(1000))
    assert not going_on
    assert len(begun) < 100
    assert begun == sorted(begun)
    test_every_task_is_done_once(number)  # the pool survives


def test_a_task_may_run_tasks(number):
    done = []

    def work(task):
        threads.run(lambda inner: done.append((task, inner)), range(5))

    threads.run(work, range(20))
    assert sorted(done) == [(task, inner) for task in range(20) for inner in range(5)]


def test_threads_of_the_user_may_convolve_at_once(number):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 8, 40, 40)), rng.standard_normal((8, 8, 3, 3))
    want, results, before = tg.conv2d(x, w), [], blas_threads()
    users = [
        threading.Thread(target=lambda: results.extend(tg.conv2d(x, w) for _ in range(10)))
        for _ in range(4)
    ]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert len(results) == 40
    assert all(np.array_equal(y, want) for y in results)
    assert blas_threads() == before


def test_blas_has_one_thread_in_a_task_and_gets_its_own_back(number):
    before, inside = blas_threads(), []
    assert before
    for library in BLAS:
        library.set_num_threads(2)

    def work(_):
        inside.append(blas_threads())
        threads.run(lambda _: inside.append(blas_threads()), range(2))
        inside.append(blas_threads())

    threads.run(work, range(4))
    assert inside == [[1] * len(before)] * 16
    assert blas_threads() == [2] * len(before)
    with pytest.raises(ZeroDivisionError):
        threads.run(lambda task: 1 // task, range(4))
    assert blas_threads() == [2] * len(before)
    for library, many in zip(BLAS, before, strict=True):
        library.set_num_threads(many)


def test_errstate_holds_in_tasks(number):
    together = threading.Barrier(number)

    def divide(_):
        together.wait(timeout=10)
        np.divide(np.ones(3), 0)

    with np.errstate(divide="ignore"):
        threads.run(divide, range(number))
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        threads.run(divide, range(number))


def test_the_number_may_change_while_tasks_run():
    before = tg.get_num_threads()
    done = []

    def work(task):
        done.append(task)
        if task == 5:
            changing.start()
        time.sleep(0.001)

    changing = threading.Thread(target=tg.set_num_threads, args=(3,))
    try:
        threads.run(work, range(100))
        changing.join(timeout=10)
        assert tg.get_num_threads() == 3
    finally:
        tg.set_num_threads(before)
    assert sorted(done) == list(range(100))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("in_a_task", [False, True])
def test_a_forked_process_convolves(in_a_task):
    before = tg.get_num_threads()
    tg.set_num_threads(2)
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((4, 8, 40, 40)), rng.standard_normal((8, 8, 3, 3))
    want, limits = tg.conv2d(x, w), blas_threads()
    children = []

    def fork(_):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # there are threads
            child = os.fork()
        if child == 0:
            signal.alarm(20)  # ends what hangs
            right = blas_threads() == limits and np.array_equal(tg.conv2d(x, w), want)
            together = threading.Barrier(2)  # there is a second thread again
            threads.run(lambda _: together.wait(timeout=5), range(2))
            os._exit(0 if right else 1)
        children.append(child)

    if in_a_task:  # while BLAS is limited
        threads.run(fork, [0])
    else:
        fork(0)
    tg.set_num_threads(before)
    assert os.waitpid(children[0], 0)[1] == 0


def test_scratch_memory_is_kept_and_never_lent_twice():
    dtype = np.dtype(np.float32)
    with threads.scratch(dtype, (3, 5), (), (0, 4)) as (a, b, empty):
        assert (a.shape, b.shape, empty.shape, a.dtype) == ((3, 5), (), (0, 4), dtype)
        a[...], b[...] = 1, 2
        with threads.scratch(dtype, (3, 5)) as (c,):
            c[...] = 3
            assert not np.shares_memory(a, c)
        assert np.all(a == 1)
        assert b == 2
    with threads.scratch(dtype, (2, 2)) as (d,):
        assert np.shares_memory(a, d)


def test_a_conv_within_a_worker_is_right(number):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 4, 20, 20)), rng.standard_normal((4, 4, 3, 3))
    want = [tg.conv2d(x * k, w) for k in range(6)]
    got = [None] * 6

    def work(k):
        got[k] = tg.conv2d(x * k, w)

    threads.run(work, range(6))
    assert all(np.array_equal(a, b) for a, b in zip(got, want, strict=True))


def ours():
    return {thread for thread in threading.enumerate() if isinstance(thread, workers.Worker)}


def test_threads_end_when_there_are_to_be_fewer(number):
    together = threading.Barrier(number)
    threads.run(lambda _: together.wait(timeout=10), range(number))
    assert len(ours()) == number - 1
    tg.set_num_threads(1)
    assert not ours()


def test_those_who_work_end_when_they_have_done_it(number):
    together = threading.Barrier(number)

    def work(_):
        together.wait(timeout=10)
        tg.set_num_threads(number)  # others

    before = ours()
    threads.run(work, range(number))
    for thread in before | ours():
        if thread not in threads._threads.crew._idle:
            thread.join(timeout=10)
            assert not thread.is_alive()


class Data:
    pass


@pytest.mark.parametrize("kind", ["done", "called off", "failed"])
def test_nothing_is_kept_of_what_has_been_done(number, kind):
    together = threading.Barrier(number)

    def alive():
        data = Data()

        def work(_, data=data):
            if kind == "done":
                together.wait(timeout=10)
            elif kind == "failed":
                raise KeyError

        try:
            # some of these are over before another thread is awake
            for _ in range(20 if kind == "called off" else 1):
                threads.run(work, range(number))
        except KeyError:
            pass
        return weakref.ref(data)

    gc.disable()
    try:
        assert alive()() is None
    finally:
        gc.enable()


def test_an_interruption_while_others_work_loses_no_thread(number, monkeypatch):
    if number == 1:
        return
    go_on, together = threading.Event(), threading.Barrier(number)

    def work(_):
        together.wait(timeout=10)
        if threading.current_thread() is not threading.main_thread():
            go_on.wait(timeout=10)

    def interrupted(worker):
        raise KeyboardInterrupt

    finish = workers.Worker.finish
    monkeypatch.setattr(workers.Worker, "finish", interrupted)
    with pytest.raises(KeyboardInterrupt):
        threads.run(work, range(number))
    monkeypatch.setattr(workers.Worker, "finish", finish)
    lost = ours()
    assert len(lost) == number - 1
    test_as_many_threads_work_as_are_set(number)  # while the lost ones still work
    go_on.set()
    for thread in lost:
        thread.join(timeout=10)
        assert not thread.is_alive()
    test_every_task_is_done_once(number)


PROGRAM = """
import threading, time, numpy as np, tensorgrad as tg
from tensorgrad.conv import threads
tg.set_num_threads(3)
x, w = np.ones((4, 16, 40, 40)), np.ones((16, 16, 3, 3))
tg.conv2d(x, w)
if {busy}:  # a thread of the user's that nobody waits for
    def convolve():
        while True:
            tg.conv2d(x, w)
    threading.Thread(target=convolve, daemon=True).start()
    time.sleep(0.2)
print("done", flush=True)
"""


@pytest.mark.parametrize("busy", [False, True])
def test_a_process_ends(busy):
    arguments = [sys.executable, "-X", "faulthandler", "-c", PROGRAM.format(busy=busy)]
    result = subprocess.run(arguments, check=False, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout, result.stderr) == (0, "done\n", "")


def test_where_no_thread_can_be_hired_the_caller_does_the_work(number, monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(workers.Worker, "start", refuse)
    test_every_task_is_done_once(number)
    monkeypatch.undo()
    test_as_many_threads_work_as_are_set(number)


def test_interruptions_leave_blas_and_threads_as_they_were(number):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 8, 40, 40)), rng.standard_normal((8, 8, 3, 3))
    before, main = blas_threads(), threading.main_thread().ident
    assert threading.current_thread().ident == main
    ended = threading.Event()

    def interrupt():
        for wait in rng.uniform(0, 0.004, 200):
            time.sleep(wait)
            if not ended.is_set():
                signal.raise_signal(signal.SIGUSR1)
        ended.set()

    class Interruption(BaseException):
        pass

    def interrupted(*_):
        raise Interruption

    handler = signal.signal(signal.SIGUSR1, interrupted)
    other = threading.Thread(target=interrupt)
    try:
        other.start()
        while not ended.is_set():
            try:
                while not ended.is_set():
                    tg.conv2d(x, w, algorithm="gemm")
            except Interruption:
                pass
    finally:
        signal.signal(signal.SIGUSR1, handler)
    other.join()
    gc.collect()
    want = tg.conv2d(x, w, algorithm="gemm")
    assert np.allclose(want, tg.conv2d(x, w, algorithm="taps"))
    assert not threads._threads.runs
    assert blas_threads() == before
