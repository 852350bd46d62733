"""Every registered operation on a batch is what it is on each example: value and derivatives."""

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad.engine.primitive import REGISTRY
from tensorgrad.testing.draw import RandomDraw
from tensorgrad.testing.laws import as_function, vectors_like

EXAMPLES = 3
TRIES = 6
# whose shapes, or whether they can be had at all, depend on values
SHAPED_BY_VALUES = {
    *("numpy.nonzero", "numpy.flatnonzero", "numpy.argwhere", "numpy.extract"),
    *("unique", "numpy.unique", "numpy.unique_all", "numpy.unique_counts", "numpy.unique_inverse"),
    *("numpy.unique_values", "numpy.union1d", "numpy.intersect1d", "numpy.setdiff1d"),
    *("numpy.setxor1d",),
}
# not a function of arrays to arrays
NO_ARRAYS = {"numpy.astype", "numpy.common_type"}


def draw_batch(operation, seed):
    """A function of float arrays, and for each of these either examples of it, or one for all."""
    rng = np.random.default_rng(seed)
    args, params = operation.samples(RandomDraw(seed))
    function, arrays = as_function(operation, operation, args, params)
    if not arrays:
        return None
    chosen = rng.random(len(arrays)) < 0.7
    chosen[rng.integers(len(arrays))] = True
    # all within the domain, if the case is
    factors = np.array([1.0, 0.995, 0.99])
    stacks, axes = [], []
    for x, batched in zip(arrays, chosen, strict=True):
        if not batched:
            stacks.append(x)
            axes.append(None)
            continue
        axis = int(rng.integers(x.ndim + 1))
        stack = np.stack([(x * c).astype(x.dtype) for c in factors], axis)
        stacks.append(stack)
        axes.append(axis)
    return function, stacks, tuple(axes), rng


def example(stacks, axes, n):
    return [
        x if axis is None else np.take(x, n, axis) for x, axis in zip(stacks, axes, strict=True)
    ]


def assert_stacked(found, per_example, what):
    for i, y in enumerate(found):
        expected = np.stack([np.asarray(ys[i]) for ys in per_example])
        assert y.shape == expected.shape, f"{what}: {y.shape}, expected {expected.shape}"
        assert y.dtype == expected.dtype, f"{what}: {y.dtype}, expected {expected.dtype}"
        np.testing.assert_allclose(y, expected, rtol=1e-9, atol=1e-9, err_msg=what)


@pytest.mark.parametrize("name", sorted(REGISTRY.keys() - SHAPED_BY_VALUES - NO_ARRAYS))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_operation_on_a_batch(name):
    operation = REGISTRY[name]
    for seed in range(TRIES):
        case = draw_batch(operation, seed)
        if case is None:
            continue
        check(operation, seed, *case)


def check(operation, seed, function, stacks, axes, rng):
    name = operation.name
    try:
        values = [function(*example(stacks, axes, n)) for n in range(EXAMPLES)]
    except (ValueError, TypeError):
        return  # a case that is out of the domain when scaled
    if not values[0]:
        return
    batched = tg.vmap(function, in_axes=axes)
    assert_stacked(batched(*stacks), values, f"{name} value, seed {seed}, {axes}")
    if not operation.differentiable:
        return
    gs = [vectors_like(ys, rng) for ys in values]
    stacked_gs = tuple(np.stack(column) for column in zip(*gs, strict=True))
    # inside: the derivatives of each example
    pulled = [tg.vjp(function, *example(stacks, axes, n))[1](gs[n]) for n in range(EXAMPLES)]
    inside = tg.vmap(lambda g, *xs: tg.vjp(function, *xs)[1](g), in_axes=(0, *axes))
    assert_stacked(inside(stacked_gs, *stacks), pulled, f"{name} vjp inside, seed {seed}")
    # outside: the sum over examples for what is the same for all
    outside = tg.vjp(batched, *stacks)[1](stacked_gs)
    for i, (g, axis) in enumerate(zip(outside, axes, strict=True)):
        parts = [np.asarray(p[i]) for p in pulled]
        expected = np.sum(parts, axis=0) if axis is None else np.stack(parts, axis)
        np.testing.assert_allclose(
            g, expected, rtol=1e-9, atol=1e-9, err_msg=f"{name} vjp outside, seed {seed}"
        )
    ts = vectors_like(stacks, rng)
    pushed = [
        tg.jvp(function, example(stacks, axes, n), example(ts, axes, n))[1] for n in range(EXAMPLES)
    ]
    assert_stacked(tg.jvp(batched, stacks, ts)[1], pushed, f"{name} jvp outside, seed {seed}")
    pushing = tg.vmap(lambda xs, ts: tg.jvp(function, xs, ts)[1], in_axes=(list(axes), list(axes)))
    assert_stacked(pushing(stacks, list(ts)), pushed, f"{name} jvp inside, seed {seed}")
