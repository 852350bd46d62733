"""Random programs: that each is valid, what they reach, and what they find."""

import inspect
import random
from collections import Counter
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import assume, find, given, settings, strategies as st
from hypothesis.errors import NoSuchExample
from numpy.testing import assert_allclose, assert_array_equal

import tensorgrad as tg
from tensorgrad.engine import backward as engine
from tensorgrad.engine.declare import composite, elementwise
from tensorgrad.engine.primitive import REGISTRY, Rule
from tensorgrad.testing.programs.growing import differentiable_operations, random_program
from tensorgrad.testing.programs.program import Call, Fit, surface
from tensorgrad.testing.programs.quick import check_program
from tensorgrad.testing.strategies import programs

SAMPLE = [random_program(seed) for seed in range(400)]


def leaves_of(program):
    return [tg.tensor(x, requires_grad=True) for x in program.inputs]


def value_of(y):
    return y.numpy() if isinstance(y, tg.Tensor) else y


# ---- every program is right, and valid ----------------------------------------------------------


@settings(max_examples=200)
@given(programs())
def test_first_order(program):
    check_program(program)


@settings(max_examples=60)
@given(programs())
def test_second_order(program):
    check_program(program, order=2)


@settings(max_examples=100)
@given(programs(max_ops=5))
def test_what_a_program_is(program):
    assert 1 <= len(program.steps) <= 5
    results = program.run()
    assert all(np.isfinite(y).all() and np.abs(y).max(initial=0) < 1e9 for y in results)
    for found in (
        program.run(*program.inputs),
        program.reference(),
        [value_of(y) for y in program.run(*leaves_of(program))],
    ):
        for y, expected in zip(found, results, strict=True):
            assert_allclose(y, expected, rtol=1e-11, atol=1e-11)
    used = [name for step in program.steps for name in step.arguments()]
    made = [name for step in program.steps for name in step.results if name is not None]
    assert set(program.sinks) == set(made) - set(used)
    assert {f"x{i}" for i in range(len(program.inputs))} <= set(used)  # every input has its use


@settings(max_examples=100)
@given(programs())
def test_source_stands_alone(program):
    names = {}
    exec(program.source(), names)
    for y, expected in zip(names["results"], program.run(), strict=True):
        assert_array_equal(y, expected, strict=True)
    assert str(program) == program.source()
    assert len(repr(program)) < 400


def test_source_reads_as_python_would_be_written():
    source = random_program(3, [REGISTRY["numpy.sum"], REGISTRY["multiply"]], max_ops=3).source()
    assert "np.sum(" in source
    assert "np.multiply(" in source
    assert "REGISTRY" not in source
    (conv,) = (step.source() for step in random_program(0, [REGISTRY["conv2d"]], max_ops=1).steps)
    assert conv.startswith("v0 = tg.conv2d(x0, x1")


def test_nothing_in_a_program_can_be_replaced():
    with pytest.raises(FrozenInstanceError):
        SAMPLE[0].steps = ()


def test_the_graph_has_the_inputs_by_name():
    program = random_program(0, [REGISTRY["sin"], REGISTRY["add"]], max_ops=4)
    graph = program.graph()
    assert {step.name for step in program.steps} <= {node.op for node in graph} | {"fit"}
    assert {node.name for node in graph if node.op == "leaf"} == {
        f"x{i}" for i in range(len(program.inputs))
    }


# ---- what programs reach ------------------------------------------------------------------------


def test_most_differentiable_operations_occur():
    found = {step.name for program in SAMPLE for step in program.steps}
    known = {operation.name for operation in differentiable_operations()}
    # a sample that makes something of what it draws, as a matrix, has no use for other values
    assert len(known - found) < 0.15 * len(known)


def test_values_are_used_more_than_once_and_by_different_steps():
    def uses(program):
        return Counter(name for step in program.steps for name in step.arguments())

    assert sum(max(uses(program).values()) > 1 for program in SAMPLE) > 0.5 * len(SAMPLE)
    depths = []
    for program in SAMPLE:
        depth = Counter()
        for step in program.steps:
            longest = 1 + max(depth[name] for name in step.arguments())
            depth.update(dict.fromkeys(filter(None, step.results), longest))
        depths.append(max(depth.values()))
    assert np.mean(depths) > 3


def test_values_stay_tame_however_long_a_program_is():
    program = random_program(1, max_ops=300)
    assert len(program.steps) == 300
    values = program.evaluate(program.inputs, surface)
    taken = [values[name] for step in program.steps for name in step.arguments()]
    sizes = np.array([np.abs(value).max() for value in taken if np.size(value)])
    assert sizes.max() < 1e6
    assert np.median(sizes) > 0.3


def test_only_the_operations_asked_for():
    for seed in range(20):
        program = random_program(seed, [REGISTRY["sin"], REGISTRY["numpy.outer"]])
        assert {step.name for step in program.steps} <= {"sin", "numpy.outer", "fit"}


@pytest.fixture
def registry():
    """The registry, which forgets what a test declares."""
    before = set(REGISTRY)
    yield
    for name in set(REGISTRY) - before:
        del REGISTRY[name]


@pytest.mark.usefixtures("registry")
def test_operations_of_users_take_part():
    def samples(draw):
        return ({"both": [draw.array((2,)), draw.array((3,))]},), {"weight": draw.array(())}

    def softplus(x, /):
        return np.log1p(np.exp(x))

    def pair(tree, *, weight):
        first, second = tree["both"]
        return {"sum": np.sum(first) * weight, "rest": (second, np.sin(first))}

    elementwise(softplus, lambda g, x: g / (1 + np.exp(-x)), name="softplus")
    composite(name="pair", samples=samples, reference=pair)(pair)
    for seed in range(20):
        program = random_program(seed, [REGISTRY["softplus"], REGISTRY["pair"]], max_ops=4)
        check_program(program, order=2)
        assert "REGISTRY['softplus']" in program.source() or "REGISTRY['pair']" in program.source()


# ---- what programs find -------------------------------------------------------------------------


def breadth_first(outputs, nodes):
    order = list(dict.fromkeys(outputs))
    for node in order:
        order += [p for p in dict.fromkeys(node.parents) if p in nodes and p not in order]
    return order


def wrong_walk(old, new):
    """Return the backward walk with a mistake in it."""
    source = inspect.getsource(engine.walk)
    assert source.count(old) == 1
    names = {**vars(engine), "breadth_first": breadth_first}
    exec(source.replace(old, new), names)
    return names["walk"]


def plant_rule(patch, name, mode, formula):
    primitive = REGISTRY[name]
    wrong = Rule.read(formula, primitive.arrays, name).compile(primitive.layout)
    rules = getattr(primitive, mode)
    patch.setattr(primitive, mode, (wrong, *rules[1:]))


ENGINE = {
    "a second cotangent replaces the first": ("if parent in pending:", "if False:"),
    "nodes in the order of a search": (
        "in reversed(nodes)",
        "in breadth_first(outputs, set(nodes))",
    ),
    "added to a cotangent that others hold": ("if node in ours and ", "if "),
}
RULES = {
    "flip as the identity": ("flip", "vjps", lambda g: g),
    "wrong forward only": ("exp", "jvps", lambda t, ans: t * ans * (1 + 1e-6)),
}


def calls(program):
    return [step for step in program.steps if isinstance(step, Call)]


def smallest_that_fails(order=1):
    def fails(program):
        try:
            check_program(program, order=order)
        except Exception:  # a walk that breaks down is wrong as well
            return True
        return False

    plan = settings(max_examples=700, database=None)
    return find(programs(), fails, settings=plan, random=random.Random(0))


@pytest.mark.parametrize(("old", "new"), ENGINE.values(), ids=ENGINE.keys())
def test_a_mistake_in_the_engine_is_found_and_shrunk(old, new, monkeypatch):
    monkeypatch.setattr(engine, "walk", wrong_walk(old, new))
    assert len(calls(smallest_that_fails())) <= 6


@pytest.mark.parametrize(("name", "mode", "formula"), RULES.values(), ids=RULES.keys())
def test_a_mistake_in_a_rule_is_found_and_shrunk(name, mode, formula, monkeypatch):
    plant_rule(monkeypatch, name, mode, formula)
    program = smallest_that_fails()
    assert len(calls(program)) <= 2
    assert any(node.op == name for node in program.graph())


def test_a_mistake_in_the_second_order_is_found(monkeypatch):
    def once(g, x):
        return g * np.cos(x.detach() if isinstance(x, tg.Tensor) else x)

    plant_rule(monkeypatch, "sin", "vjps", once)
    with pytest.raises(NoSuchExample):
        smallest_that_fails()
    assert len(calls(smallest_that_fails(order=2))) <= 2


def test_wrong_values_are_found(monkeypatch):
    monkeypatch.setattr(REGISTRY["sin"], "fun", lambda x: np.sin(x) + 1e-6)
    program = random_program(0, [REGISTRY["sin"]], max_ops=1)
    with pytest.raises(AssertionError, match="value"):
        check_program(program)


# ---- against PyTorch ----------------------------------------------------------------------------


def torch_functions(torch):
    """Return the operations as PyTorch has them, and in what shape it wants the parameters."""

    def reduced(x, axis, keepdims):
        return x.sum(axis, keepdim=keepdims) if axis else x * 1.0

    def taken(x, places):
        return x.reshape(-1)[torch.tensor(places)]

    def padded(x, widths):
        flat = [width for pair in reversed(widths) for width in pair]
        return torch.nn.functional.pad(x, flat)

    def scattered(x, index, shape):
        places = np.arange(int(np.prod(shape))).reshape(shape)[index]
        zeros = torch.zeros(int(np.prod(shape)), dtype=x.dtype)
        return zeros.index_add(0, torch.tensor(places).reshape(-1), x.reshape(-1)).reshape(shape)

    def written(x, v, index):
        # which entry of v, if any, each entry of x is replaced by: the last that was written
        target = np.zeros(x.shape)[index].shape
        writers = np.full(tuple(x.shape), -1)
        writers[index] = np.arange(int(np.prod(target))).reshape(target)
        while v.ndim > len(target):
            v = v[0]
        flat = torch.cat([v.broadcast_to(target).reshape(-1), torch.zeros(1, dtype=x.dtype)])
        return torch.where(torch.tensor(writers < 0), x, flat[torch.tensor(writers)])

    same_name = ["sin", "cos", "tan", "tanh", "exp", "expm1", "log", "log1p", "sqrt", "square"]
    same_name += ["sinh", "cosh", "arcsin", "arctan", "negative", "reciprocal", "add", "subtract"]
    same_name += ["multiply", "divide", "arctan2", "hypot", "maximum", "logaddexp", "matmul"]
    return {
        **{name: getattr(torch, name) for name in same_name},
        "power": torch.pow,
        "absolute": torch.abs,
        "sum": reduced,
        "cumsum": lambda x, axis: torch.cumsum(x, axis),
        "transpose": lambda x, axes: x.permute(axes),
        "reshape": lambda x, shape: x.reshape(shape),
        "broadcast_to": lambda x, shape: x.broadcast_to(shape),
        "flip": lambda x, axis: torch.flip(x, axis),
        "roll": lambda x, shift, axis: torch.roll(x, shift, axis),
        "pad": padded,
        "concatenate": lambda *xs, axis: torch.cat(xs, axis),
        "einsum": lambda *xs, subscripts, optimize: torch.einsum(subscripts, *xs),
        "where": lambda x, y, condition: torch.where(torch.tensor(condition), x, y),
        "getitem": lambda x, index: taken(x, np.arange(x.numel()).reshape(x.shape)[index]),
        "scatter": scattered,
        "setitem": written,
        "fit": lambda x, step: (
            torch.as_tensor(np.asarray(step.middle))
            + step.radius
            * torch.sin((x if step.places is None else taken(x, step.places)) / step.scale)
        ),
    }


def inner(xs, ys):
    return sum((x * y).sum() for x, y in zip(xs, ys, strict=True))


@settings(max_examples=100)
@given(st.data())
def test_gradients_of_two_orders_are_those_of_pytorch(data):
    torch = pytest.importorskip("torch", reason="compares with PyTorch: pip install torch")
    functions = torch_functions(torch)
    program = data.draw(programs([name for name in functions if name != "fit"]))
    rng = np.random.default_rng(0)

    def in_torch(step):
        if isinstance(step, Fit):
            return lambda x: functions["fit"](x, step)
        return functions[step.name]

    theirs = [torch.tensor(x, requires_grad=True) for x in program.inputs]
    values = program.evaluate(theirs, in_torch)
    # PyTorch takes x ** 0 for a constant, also where the exponent is differentiated by
    powers = [step for step in program.steps if step.name == "power"]
    assume(not any((values[name] == 0).any() for step in powers for name in step.arguments()))
    expected = [values[name] for name in program.sinks]
    ours, pullback = tg.vjp(program.run, *program.inputs)
    for y, e in zip(ours, expected, strict=True):
        assert_allclose(y, e.detach().numpy(), rtol=1e-10, atol=1e-10)
    gs = tuple(rng.standard_normal(y.shape) for y in ours)
    ts = tuple(rng.standard_normal(x.shape) for x in program.inputs)
    loss = inner([torch.tensor(g) for g in gs], expected)
    first = torch.autograd.grad(loss, theirs, create_graph=True, materialize_grads=True)
    scale = max(float(g.detach().abs().max()) if g.numel() else 0.0 for g in first)
    for g, e in zip(pullback(gs), first, strict=True):
        assert_allclose(g, e.detach().numpy(), rtol=1e-9, atol=1e-11 * max(scale, 1))
    slope = inner(first, [torch.tensor(t) for t in ts])
    second = [torch.zeros(x.shape) for x in theirs]
    if slope.requires_grad:
        second = torch.autograd.grad(slope, theirs, materialize_grads=True)
    _, found = tg.jvp(lambda *xs: tg.vjp(program.run, *xs)[1](gs), program.inputs, ts)
    scale = max(float(h.abs().max()) if h.numel() else 0.0 for h in second)
    for h, e in zip(found, second, strict=True):
        assert_allclose(h, e.numpy(force=True), rtol=1e-8, atol=1e-10 * max(scale, 1))


@settings(max_examples=100)
@given(programs())
def test_backward_fills_the_same_gradients(program):
    rng = np.random.default_rng(0)
    values, pullback = tg.vjp(program.run, *program.inputs)
    gs = tuple(rng.standard_normal(y.shape) for y in values)
    leaves = leaves_of(program)
    loss = sum(np.sum(g * np.real(y)) for g, y in zip(gs, program.run(*leaves), strict=True))
    if isinstance(loss, tg.Tensor) and loss.requires_grad:
        loss.backward()
    for leaf, g in zip(leaves, pullback(gs), strict=True):
        found = 0 * g if leaf.grad is None else leaf.grad.numpy()  # None: it was of no influence
        scale = max(1.0, np.abs(g).max(initial=0))
        assert_allclose(found, g, rtol=1e-12, atol=1e-12 * scale)
