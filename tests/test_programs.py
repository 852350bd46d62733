"""Random programs: straight lines of operations with fan-out, differentiated to second order.

A program is a list of steps, each an operation applied to earlier values. Everything that no later
step uses is summed with random weights, so that each sink has its say. The gradients are compared
with PyTorch's where it is installed, and always with the definition of the derivative.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import tensorgrad as tg

# Every value has one of these shapes, so that any two broadcast and most operations apply.
SHAPES = [(), (3,), (2, 1), (2, 3)]


@dataclass(frozen=True)
class Step:
    name: str
    inputs: tuple[int, ...]
    option: Any = None


@dataclass(frozen=True)
class Program:
    shapes: tuple[tuple[int, ...], ...]  # of the inputs
    steps: tuple[Step, ...]
    seed: int  # of the weights


# Each operation twice: for NumPy, which serves tensorgrad too, and for torch.
# All are smooth on the values that occur, which run_step keeps within (-1.2, 1.2).
UNARY = {
    "sin": (lambda np, x, _: np.sin(x), lambda torch, x, _: torch.sin(x)),
    "cos": (lambda np, x, _: np.cos(x), lambda torch, x, _: torch.cos(x)),
    "tanh": (lambda np, x, _: np.tanh(x), lambda torch, x, _: torch.tanh(x)),
    "exp": (lambda np, x, _: np.exp(0.3 * x), lambda torch, x, _: torch.exp(0.3 * x)),
    "log": (lambda np, x, _: np.log(x * x + 1.5), lambda torch, x, _: torch.log(x * x + 1.5)),
    "sqrt": (lambda np, x, _: np.sqrt(x * x + 0.5), lambda torch, x, _: torch.sqrt(x * x + 0.5)),
    "power": (lambda np, x, _: x**3, lambda torch, x, _: x**3),
    "reciprocal": (lambda np, x, _: 1 / (2 + x * x), lambda torch, x, _: 1 / (2 + x * x)),
    "negative": (lambda np, x, _: -x, lambda torch, x, _: -x),
    "sum": (
        lambda np, x, k: np.sum(x, axis=axis_of(x, k)),
        lambda torch, x, k: x if x.ndim == 0 else x.sum(axis_of(x, k)),
    ),
    "mean": (
        lambda np, x, k: np.mean(x, axis=axis_of(x, k), keepdims=True),
        lambda torch, x, k: x if x.ndim == 0 else x.mean(axis_of(x, k), keepdim=True),
    ),
    "prod": (lambda np, x, _: np.prod(x), lambda torch, x, _: x.prod()),
    "var": (
        lambda np, x, _: np.var(x),
        lambda torch, x, _: x.var(correction=0) if x.ndim else x * 0,
    ),
    "cumsum": (
        lambda np, x, _: np.cumsum(x, axis=-1) if x.ndim else x,
        lambda torch, x, _: x.cumsum(-1) if x.ndim else x,
    ),
    "transpose": (
        lambda np, x, _: np.transpose(x),
        lambda torch, x, _: x.permute(*range(x.ndim)[::-1]) if x.ndim else x,
    ),
    "reshape": (
        lambda np, x, k: np.reshape(x, (-1, 1) if k else -1),
        lambda torch, x, k: x.reshape((-1, 1) if k else (-1,)),
    ),
    "broadcast": (
        lambda np, x, _: np.broadcast_to(x, (2, *x.shape)),
        lambda torch, x, _: x.expand(2, *x.shape),
    ),
    "flip": (
        lambda np, x, _: np.flip(x),
        lambda torch, x, _: x.flip(tuple(range(x.ndim))) if x.ndim else x,
    ),
    "slice": (
        lambda np, x, k: x[..., k:] if x.ndim else x,
        lambda torch, x, k: x[..., k:] if x.ndim else x,
    ),
    "gather": (
        lambda np, x, k: x[[0, -1, 0]] if x.ndim and x.shape[0] else x,
        lambda torch, x, k: x[[0, -1, 0]] if x.ndim and x.shape[0] else x,
    ),
    "integer": (lambda np, x, k: x[-k] if x.ndim and x.shape[0] else x,) * 2,
}
BINARY = {
    "add": (lambda np, x, y, _: x + y,) * 2,
    "subtract": (lambda np, x, y, _: x - y,) * 2,
    "multiply": (lambda np, x, y, _: x * y,) * 2,
    "divide": (lambda np, x, y, _: x / (y * y + 1.5),) * 2,
    "power": (
        lambda np, x, y, _: np.power(x * x + 0.5, y),
        lambda torch, x, y, _: torch.pow(x * x + 0.5, y),
    ),
    "arctan2": (
        lambda np, x, y, _: np.arctan2(x, y * y + 0.5),
        lambda torch, x, y, _: torch.arctan2(x, y * y + 0.5),
    ),
    "where": (
        lambda np, x, y, _: np.where(np.array([True, False, True]), x, y),
        lambda torch, x, y, _: torch.where(torch.tensor([True, False, True]), x, y),
    ),
    "concatenate": (
        lambda np, x, y, _: np.concatenate([np.reshape(x, -1), np.reshape(y, -1)]),
        lambda torch, x, y, _: torch.cat([x.reshape(-1), y.reshape(-1)]),
    ),
    "stack": (
        lambda np, x, y, k: np.stack([x + 0 * y, y + 0 * x], axis=-k),
        lambda torch, x, y, k: torch.stack([x + 0 * y, y + 0 * x], dim=-k),
    ),
    "matmul": (
        lambda np, x, y, _: (
            np.reshape(x, (1, -1)) @ (np.reshape(x, (-1, 1)) * np.reshape(y, (1, -1)))
        ),
        lambda torch, x, y, _: x.reshape(1, -1) @ (x.reshape(-1, 1) * y.reshape(1, -1)),
    ),
    "einsum": (
        lambda np, x, y, _: np.einsum("i,j,i->ij", np.ravel(x), np.ravel(y), np.ravel(x)),
        lambda torch, x, y, _: torch.einsum("i,j,i->ij", x.ravel(), y.ravel(), x.ravel()),
    ),
    "setitem": (lambda np, x, y, k: written(x, y, k),) * 2,
    "update": (lambda np, x, y, _: updated(x, y),) * 2,
}
ALL = {**{f"{name} of one": rule for name, rule in UNARY.items()}, **BINARY}


def axis_of(x, k):
    return -1 if x.ndim == 1 else (k if x.ndim else None)


def copied(x):
    return x.clone() if hasattr(x, "clone") else x * 1.0


def written(x, y, k):
    """Write one entry of y into x."""
    if not x.ndim or not x.shape[0]:
        return x
    z = copied(x)
    flat = y.reshape(-1)
    z[k % x.shape[0]] = flat[0]
    return z


def updated(x, y):
    z = copied(x)
    z *= y.reshape(-1)[0]
    z += 0.5
    return z


def applies(step: Step, values: list[Any]) -> bool:
    """Whether the shapes of this step's operands fit, and the result stays small and not empty."""
    try:
        y = ALL[step.name][0](np, *(values[i] for i in step.inputs), step.option)
    except ValueError:
        return False
    return 0 < np.size(y) <= 40 and np.ndim(y) <= 3


@st.composite
def programs(draw):
    shapes = tuple(draw(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3)))
    values: list[Any] = [np.ones(shape) for shape in shapes]
    steps = []
    for _ in range(draw(st.integers(1, 8))):
        name = draw(st.sampled_from(sorted(ALL)))
        operands = 1 if name.endswith(" of one") else 2
        inputs = tuple(draw(st.integers(0, len(values) - 1)) for _ in range(operands))
        step = Step(name, inputs, draw(st.integers(0, 1)))
        if applies(step, values):
            steps.append(step)
            values.append(np.ones(np.shape(run_step(np, 0, step, values))))
    return Program(shapes, tuple(steps), draw(st.integers(0, 2**32 - 1)))


def run_step(library, which: int, step: Step, values: list[Any]) -> Any:
    y = ALL[step.name][which](library, *(values[i] for i in step.inputs), step.option)
    return 1.2 * library.tanh(y)  # keeps the values small, however long the program


def run(program: Program, inputs, library=np, which: int = 0, constant=lambda c: c) -> Any:
    """Evaluate a program to one number: all sinks, summed with weights."""
    values = list(inputs)
    for step in program.steps:
        values.append(run_step(library, which, step, values))
    used = {i for step in program.steps for i in step.inputs}
    rng = np.random.default_rng(program.seed)
    total = 0.0
    for i, value in enumerate(values):
        weights = constant(rng.normal(size=tuple(value.shape)))
        if i not in used:
            total = total + (weights * value).sum()
    return total


def points(program: Program) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(program.seed + 1)
    return tuple(rng.uniform(-1, 1, size=shape) for shape in program.shapes)


def directions(program: Program) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(program.seed + 2)
    return tuple(rng.normal(size=shape) for shape in program.shapes)


def inner(left, right):
    return sum(np.sum(a * b) for a, b in zip(left, right, strict=True))


def moved(at, along, distance):
    return tuple(x + distance * v for x, v in zip(at, along, strict=True))


@settings(max_examples=200)
@given(programs())
def test_first_and_second_order_by_definition(program):
    at, along = points(program), directions(program)

    def f(inputs):
        return run(program, inputs)

    value, gradient = tg.value_and_grad(f)(at)
    assert_allclose(value, f(at), rtol=1e-12)  # recording does not change the value
    for g, x in zip(gradient, at, strict=True):
        assert g.shape == x.shape
        assert g.dtype == x.dtype
    _, tangent = tg.jvp(f, (at,), (along,))
    slope = inner(gradient, along)
    assert_allclose(tangent, slope, rtol=1e-9, atol=1e-9)
    step = 1e-5
    measured = (f(moved(at, along, step)) - f(moved(at, along, -step))) / (2 * step)
    assert_allclose(slope, measured, rtol=1e-5, atol=1e-5)
    # one order up: the gradient of the slope, in three modes and by differences of gradients
    hvp = tg.grad(lambda x: inner(tg.grad(f)(x), along))(at)
    _, forward_over_reverse = tg.jvp(tg.grad(f), (at,), (along,))
    reverse_over_forward = tg.grad(lambda x: tg.jvp(f, (x,), (along,))[1])(at)
    up, down = tg.grad(f)(moved(at, along, step)), tg.grad(f)(moved(at, along, -step))
    for h, fr, rf, u, d in zip(
        hvp, forward_over_reverse, reverse_over_forward, up, down, strict=True
    ):
        assert_allclose(h, fr, rtol=1e-8, atol=1e-8)
        assert_allclose(h, rf, rtol=1e-8, atol=1e-8)
        assert_allclose(h, (u - d) / (2 * step), rtol=1e-4, atol=1e-4)


@settings(max_examples=200)
@given(programs())
def test_backward_fills_the_same_gradients(program):
    at = points(program)
    leaves = [tg.tensor(x, requires_grad=True) for x in at]
    run(program, leaves).backward()
    for leaf, g in zip(leaves, tg.grad(lambda x: run(program, x))(at), strict=True):
        found = 0 * g if leaf.grad is None else leaf.grad.numpy()  # None: it was of no influence
        assert_allclose(found, g, rtol=1e-12, atol=1e-12)


@settings(max_examples=200)
@given(programs())
def test_against_torch(program):
    torch = pytest.importorskip("torch", reason="compares with PyTorch: pip install torch")
    at, along = points(program), directions(program)
    theirs = [torch.tensor(x, requires_grad=True) for x in at]
    value = run(program, theirs, torch, 1, torch.tensor)
    expected = torch.autograd.grad(value, theirs, create_graph=True, materialize_grads=True)
    ours, gradient = tg.value_and_grad(lambda x: run(program, x))(at)
    assert_allclose(ours, value.item(), rtol=1e-10, atol=1e-12)
    for g, e in zip(gradient, expected, strict=True):
        assert_allclose(g, e.detach().numpy(), rtol=1e-8, atol=1e-10)
    slope = sum((e * torch.tensor(v)).sum() for e, v in zip(expected, along, strict=True))
    second = [np.zeros(shape) for shape in program.shapes]
    if slope.requires_grad:
        found = torch.autograd.grad(slope, theirs, materialize_grads=True)
        second = [s.numpy() for s in found]
    hvp = tg.grad(lambda x: inner(tg.grad(lambda x: run(program, x))(x), along))(at)
    for h, s in zip(hvp, second, strict=True):
        assert_allclose(h, s, rtol=1e-7, atol=1e-9)


def test_every_operation_occurs():
    """Each operation alone, where the random programs might leave it out."""
    for name in ALL:
        operands = 1 if name.endswith(" of one") else 2
        shapes = ((2, 3), (2, 3))[:operands]
        step = Step(name, tuple(range(operands)), 1)
        assert applies(step, [np.ones(shape) for shape in shapes]), name
        program = Program(shapes, (step,), 0)
        at, along = points(program), directions(program)
        slope = inner(tg.grad(lambda x, p=program: run(p, x))(at), along)
        up, down = (run(program, moved(at, along, s)) for s in (1e-6, -1e-6))
        assert_allclose(slope, (up - down) / 2e-6, rtol=1e-6, atol=1e-8, err_msg=name)
