"""Third order, for half of the registry; the laws go to the second for all of it."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad.engine.primitive import REGISTRY
from tensorgrad.testing import check_grad
from tensorgrad.testing.draw import RandomDraw
from tensorgrad.testing.laws import as_function, vectors_like

SAMPLE = sorted(name for name, operation in REGISTRY.items() if operation.differentiable)[::2]


def along_a_line(operation, seed):
    """A smooth function of a number, whose third derivative meets those of the operation."""
    args, params = operation.samples(RandomDraw(seed, ["f8"]))
    f, xs = as_function(operation, operation, args, params)
    rng = np.random.default_rng(seed)
    ts = vectors_like(xs, rng)
    gs = vectors_like([y.numpy() for y in f(*map(tg.tensor, xs))], rng)

    def line(s):
        ys = f(*(x + s * t for x, t in zip(xs, ts, strict=True)))
        return np.real(sum(np.sum(g * np.sin(y)) for g, y in zip(gs, ys, strict=True)) + 0 * s)

    return line


@pytest.mark.filterwarnings("ignore::tensorgrad.testing.report.InconclusiveWarning")
@pytest.mark.parametrize("name", SAMPLE)
def test_third_derivatives(name):
    with np.errstate(all="ignore"):
        second = tg.grad(tg.grad(along_a_line(REGISTRY[name], seed=0)))
        check_grad(second, 0.0)  # raises where it is wrong; a case may have no entries


@pytest.mark.filterwarnings("ignore::tensorgrad.testing.report.InconclusiveWarning")
def test_most_cases_have_something_to_compare():
    compared = 0
    with np.errstate(all="ignore"):
        for name in SAMPLE[::8]:
            second = tg.grad(tg.grad(along_a_line(REGISTRY[name], seed=0)))
            compared += bool(check_grad(second, 0.0))
    assert compared > 0.7 * len(SAMPLE[::8])


def test_a_wrong_third_derivative_is_found():
    @tg.custom_jvp
    def cube(x):
        return x**3

    @tg.custom_jvp
    def slope(x):
        return 3 * x**2

    cube.defjvp(lambda x, t: (cube.f(*x), slope(*x) * t[0]))
    slope.defjvp(lambda x, t: (slope.f(*x), 6 * tg.stop_gradient(x[0]) * t[0]))
    assert check_grad(tg.grad(cube), 2.0)
    with pytest.raises(AssertionError, match="gradient"):
        check_grad(tg.grad(tg.grad(cube)), 2.0)
