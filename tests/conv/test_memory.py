"""What convolutions need beside their arguments and results, and what gradients do."""

import tracemalloc
from threading import Thread

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad.conv.choose import choose
from tensorgrad.conv.costs import Problem
from tensorgrad.conv.geometry import Geometry

pytest.importorskip("numba", reason="the numba extra is not installed")

# of networks: images, channels, side, filters, side of the kernel, stride
LAYERS = {
    "few channels": (8, 3, 64, 32, 7, 2),
    "early": (2, 64, 56, 64, 3, 1),
    "middle": (4, 128, 28, 128, 3, 1),
    "late": (4, 256, 14, 256, 3, 1),
    "last": (4, 512, 7, 512, 3, 1),
    "of one entry": (4, 64, 28, 256, 1, 1),
}
OF_EACH_THREAD = 1_000_000  # what its cache holds


def extra_memory(compute):
    """Return the bytes that a function needs at most, beside the arrays of its result.

    It runs in a thread that has no memory to begin with, after a run that compiles.
    """
    found = []

    def measure():
        tg.set_num_threads(tg.get_num_threads())  # others
        tracemalloc.start()
        try:
            results = compute()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        found.append(peak - sum(array.nbytes for array in results))

    for target in (compute, measure):
        thread = Thread(target=target)
        thread.start()
        thread.join()
    return found[0]


def arguments(layer, dtype):
    n, c, side, o, k, stride = LAYERS[layer]
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(s).astype(dtype) for s in ((n, c, side, side), (o, c, k, k)))
    return x, w, Geometry((stride,) * 2, ((k // 2,) * 2,) * 2, (1, 1), (1, 1), 1)


@pytest.fixture(params=[1, 2])
def number(request):
    before = tg.get_num_threads()
    tg.set_num_threads(request.param)
    yield request.param
    tg.set_num_threads(before)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_and_its_gradients_need_no_more_than_they_are(layer, dtype, number):
    x, w, geometry = arguments(layer, dtype)
    leaves = [tg.tensor(a, requires_grad=True) for a in (x, w, np.zeros(w.shape[0], dtype))]
    problem = Problem(x.shape, w.shape, geometry, x.dtype)
    seed = np.ones((x.shape[0], w.shape[0], *problem.out), dtype)

    def compute():
        y = tg.conv2d(*leaves, stride=geometry.stride, padding=geometry.padding)
        y.backward(seed)
        gradients = [leaf.grad.numpy() for leaf in leaves]
        for leaf in leaves:
            leaf.grad = None
        return [y.numpy(), *gradients]

    assert extra_memory(compute) <= problem.bytes + number * OF_EACH_THREAD


def test_winograd_is_taken_where_its_kernels_are_small_or_if_it_is_asked_for():
    x, w, geometry = arguments("late", "f4")
    problem = Problem(x.shape, w.shape, geometry, x.dtype)
    assert choose(problem, "auto").name == "compiled"
    assert choose(problem, "winograd").name == "compiled winograd"
    rows = tg.explain_conv(x, w, padding=1)
    refused = next(row for row in rows if row.algorithm == "compiled winograd")
    assert refused.refusal.startswith("9.44 MB is much")  # 256 * 256 * 36 entries
    x, w, geometry = arguments("early", "f4")
    assert choose(Problem(x.shape, w.shape, geometry, x.dtype), "auto").name == "compiled winograd"
