"""The checks: right functions pass, wrong ones fail, and the report says why."""

import warnings

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tensorgrad as tg
from tensorgrad.conv.geometry import Geometry
from tensorgrad.engine.declare import elementwise, general, linear
from tensorgrad.engine.primitive import REGISTRY
from tensorgrad.errors import UnsupportedError
from tensorgrad.testing import (
    GradientError,
    InconclusiveWarning,
    Verdict,
    check_grad,
    check_op,
    check_pair,
    check_vjp,
)
from tensorgrad.testing.mutants import unlisted

RNG = np.random.default_rng(0)


def outcome(check, *args, **kwargs):
    """Return the report, whatever its verdict."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InconclusiveWarning)
        try:
            return check(*args, **kwargs)
        except GradientError as error:
            return error.report


def scaled(*shape, decades=3):
    return RNG.normal(size=shape) * 10 ** RNG.uniform(-decades, decades, size=shape)


def softmax(x):
    e = np.exp(x - np.max(x))
    return e / np.sum(e)


def near_singular_solve(x):
    # 2x2 by Cramer's rule, with a determinant of 1e-7
    a = np.array([[1.0, 1.0], [1.0, 1.0 + 1e-7]])
    return np.stack([x[0] * a[1, 1] - x[1] * a[0, 1], x[1] * a[0, 0] - x[0] * a[1, 0]]) / 1e-7


# ---- right functions ----------------------------------------------------------------------------

RIGHT = {
    "badly scaled entries": (lambda x: np.log(np.abs(x)) * 1e-8, scaled(8, decades=6)),
    "badly scaled terms": (lambda x: np.sum(x**3) + 1e-6 * np.sin(x[0]), scaled(6)),
    "steep": (lambda x: np.exp(np.exp(x)), np.array([1.5, 2.0, 3.0])),
    "flat": (lambda x: np.tanh(x), np.array([12.0, -15.0, 0.1])),
    "stable softmax, saturated": (lambda x: np.log(softmax(x)[1]), RNG.normal(size=5) * 30),
    "log of a sum of exponentials": (
        lambda x: np.log(np.sum(np.exp(x - np.max(x)))) + np.max(x),
        RNG.normal(size=5) * 100,
    ),
    "cancellation": (lambda x: (1 - np.cos(x)) / x**2, np.array([1e-3, 0.5])),
    "nearly singular": (near_singular_solve, np.array([1.0, 2.0])),
    "kinks hit": (lambda x: np.maximum(x, 0) + np.abs(x - 1), np.array([0.0, 1.0, 2.0])),
    "kinks nearly hit": (lambda x: np.abs(x), np.array([1e-12, -1e-9, 1e-5])),
    "all tied": (np.max, np.ones((3, 2))),
    "tied, and subtracted": (
        lambda u: (
            np.max(u @ np.array([[0, 0, 1.0], [1, 0, 0]]))
            - np.max(u @ np.array([[0, 1, 1.0], [1, 0, 0]]))
        ),
        np.zeros(2),
    ),
    "a clip at its bounds": (lambda x: np.clip(x, -1, 1) ** 2, np.array([-1.0, 0.5, 1.0])),
    "a norm at the origin": (lambda x: np.sqrt(np.sum(x**2) + 1.0), np.zeros(3)),
    "a branch of Python's": (lambda x: x**2 if x[0] > 0 else 3 * x, np.array([1.0, 2.0])),
    "a mask": (lambda x: np.where(x > 0, x**2, np.sin(x)), np.array([0.5, -0.5, 1e-9])),
    "float32": (lambda x: np.tanh(x) * np.exp(-(x**2)), RNG.normal(size=6).astype("f4")),
    "float32, badly scaled": (lambda x: np.log1p(x**2), scaled(6).astype("f4")),
    "float16": (lambda x: x * np.sin(x), RNG.normal(size=4).astype("f2")),
    "float32 inside": (lambda x: np.sin(x.astype("f4")) ** 2, RNG.normal(size=4)),
    "complex": (lambda z: np.abs(z) * np.exp(z), RNG.normal(size=3) + 1j * RNG.normal(size=3)),
    "complex and conjugated": (lambda z: z * np.conj(z) ** 2, RNG.normal(size=2) * (1 + 2j)),
    "large": (lambda x: np.sin(x) @ x, RNG.normal(size=500)),
    "a loop": (lambda x: sum(x**k for k in range(1, 6)), RNG.normal(size=3)),
    "writing to a copy": (lambda x: _written(x), RNG.normal(size=4)),
}


def _written(x):
    y = x * 1.0
    y[1:] = y[:-1] * y[1:]
    return y


@pytest.mark.parametrize(("f", "x"), RIGHT.values(), ids=RIGHT.keys())
def test_right_functions_pass(f, x):
    report = outcome(check_grad, f, x)
    assert report.verdict is Verdict.PASS, str(report)
    assert report.compared
    if x.size < 100:  # at a kink there is no second derivative: then little can be compared
        assert outcome(check_grad, f, x, order=2).verdict is not Verdict.FAIL


@given(st.integers(0, 10**6))
def test_no_false_alarms_for_a_network(seed):
    rng = np.random.default_rng(seed)
    x, w, v = rng.normal(size=(3, 4)), rng.normal(size=(4, 5)), rng.normal(size=5)
    scale = 10 ** rng.uniform(-3, 3)

    def loss(w, v):
        return np.mean(np.logaddexp(0, np.maximum(scale * x @ w, 0) @ v)) + np.sum(np.abs(v))

    assert outcome(check_grad, loss, w, v).verdict is not Verdict.FAIL


def test_arguments_of_all_kinds():
    def f(params, n, *rest):
        return params["w"] @ params["b"] * n + rest[0]

    params = {"w": RNG.normal(size=(2, 3)), "b": RNG.normal(size=3)}
    assert check_grad(f, params, 3, 2.0)
    report = check_grad(f, params, 3, 2.0, wrt=2)
    assert [finding.aspect for finding in report.findings] == ["gradient by rest[0]", "tangent"]
    assert check_grad(f, params, 3, 2.0, wrt=(0, -1), modes=("rev",)).compared == 10
    assert check_grad(lambda x: {"a": x, "b": (np.sin(x), 3)}, np.ones(2))
    assert check_grad(lambda x: np.sum(x**3), np.ones(2), order=3)


def test_a_function_may_close_over_a_leaf():
    w = tg.tensor([1.0, 2.0], requires_grad=True)
    assert check_grad(lambda x: np.sum(w * x**2), np.ones(2), order=2)
    assert check_grad(lambda x: np.sum(w * x**2), np.ones(2, "f4"))
    assert w.grad is None


# ---- wrong functions ----------------------------------------------------------------------------


def planted(formula, fun=lambda x, /: np.sin(x), **options):
    return elementwise(fun, formula, name="planted", **options)


WRONG = {
    "negated": (lambda g, x: -g * np.cos(x), "negated"),
    "doubled": (lambda g, x: 2 * g * np.cos(x), "multiplied by 2"),
    "a little off": (lambda g, x: 1.000001 * g * np.cos(x), "1.000001"),
    "zero": (lambda g, x: 0 * g * x, "zero everywhere"),
    "backwards": (lambda g, x: (g * np.cos(x))[::-1], "flipped along axis 0"),
    "shifted": (lambda g, x: np.roll(g * np.cos(x), 1, 0), "along axis 0"),
    "one entry": (lambda g, x: g * np.cos(x) * (np.arange(4) != 2), "(2)"),
    "in single precision": (lambda g, x: (g * np.cos(x)).astype("f4") * 1.0, "float32"),
}


@pytest.mark.parametrize(("formula", "hint"), WRONG.values(), ids=WRONG.keys())
def test_wrong_rules_fail_with_a_hint(formula, hint):
    x = np.array([0.3, -0.7, 1.1, 2.0])
    with unlisted():
        op = planted(formula)
        report = outcome(check_grad, op, x)
        assert report.verdict is Verdict.FAIL
        assert hint in str(report)
        assert outcome(check_vjp, op, x).verdict is Verdict.FAIL


def test_tiny_gradients_are_checked():
    with unlisted():
        op = planted(lambda g, x: 2e-8 * g * np.cos(x), fun=lambda x, /: 1e-8 * np.sin(x))
        assert outcome(check_grad, op, np.ones(3)).verdict is Verdict.FAIL


def test_one_wrong_entry_among_thousands_is_found_and_named():
    with unlisted():
        op = linear(
            lambda x, /: x * 1.0,
            lambda g: g * (np.arange(1000) != 777),
            samples=lambda draw: ((draw.array((1000,)),), {}),
            name="planted",
        )
        report = outcome(check_grad, op, RNG.normal(size=1000), modes=("rev",))
    assert report.verdict is Verdict.FAIL
    assert "wrong at 1 of 1000 entries" in str(report)
    assert "(777)" in str(report)


def test_only_the_second_order_is_wrong():
    with unlisted():
        op = planted(
            lambda g, x: g * np.cos(x.detach() if isinstance(x, tg.Tensor) else x),
        )
        assert check_grad(op, np.ones(3))
        report = outcome(check_grad, op, np.ones(3), order=2)
    assert report.verdict is Verdict.FAIL
    assert "of the gradient: gradient by" in str(report)


def test_ties_that_all_count_in_full():
    with unlisted():
        op = general(
            lambda x, /: np.max(x),
            lambda g, x, ans: g * (x == ans),
            lambda t, x, ans: np.sum(t * (x == ans)),
            samples=lambda draw: ((draw.array((3,)),), {}),
            branches=lambda x, ans: x == ans,
            name="planted",
        )
        assert check_grad(op, np.array([3.0, 1.0, 2.0]))
        report = outcome(check_grad, op, np.array([3.0, 1.0, 3.0]))
    assert report.verdict is Verdict.FAIL
    assert "at a kink" in str(report)


def test_a_gradient_that_leaves_the_graph():
    report = outcome(check_grad, lambda x: np.sin(x.numpy()) + x, np.ones(3))
    assert report.verdict is Verdict.FAIL
    report = outcome(check_grad, lambda x: x * tg.stop_gradient(x), np.ones(3))
    assert report.verdict is Verdict.FAIL


def test_a_rule_of_another_shape_is_seen_before_the_engine_mends_it():
    with unlisted():
        op = linear(
            lambda x, /: x * 1.0,
            lambda g: np.stack([0.25 * g] * 4),  # which sums to g
            samples=lambda draw: ((draw.array((3,)),), {}),
            name="planted",
        )
        assert check_grad(op, np.ones(3), modes=("rev",))
        report = outcome(check_vjp, op, np.ones(3))
        assert report.verdict is Verdict.FAIL
        assert "the rule returns the shape (4, 3) for an argument of shape (3,)" in str(report)
        assert outcome(check_op, op, examples=3).verdict is Verdict.FAIL


def test_a_rule_that_writes_to_its_cotangent():
    def overwrite(g, x):
        g *= np.cos(x)
        return g

    with unlisted():
        report = outcome(check_vjp, planted(overwrite), np.ones(3))
    assert report.verdict is Verdict.FAIL
    assert "writes to its cotangent" in str(report)


def test_float32_gradients_that_lose_digits():
    with unlisted():
        # right in double precision; in single precision, 1e4 swallows digits
        op = planted(lambda g, x: g * ((np.cos(x) + 1e4) - 1e4))
        assert check_grad(op, np.array([0.3, 1.2]))
        report = outcome(check_grad, op, np.array([0.3, 1.2], "f4"))
    assert report.verdict is Verdict.FAIL
    assert "float32" in str(report)


# ---- what cannot be checked ---------------------------------------------------------------------


def test_nothing_passes_vacuously():
    with pytest.warns(InconclusiveWarning, match="no gradient leads from the result"):
        report = check_grad(lambda x: np.ones(3), np.ones(2))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert not report
    w = tg.tensor([1.0, 2.0], requires_grad=True)
    assert outcome(check_grad, lambda x: w * 2, np.ones(2)).verdict is Verdict.INCONCLUSIVE
    report = outcome(check_grad, lambda x: np.tanh(x), np.array([50.0]))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.unchecked == 2
    report = outcome(check_grad, lambda x: np.sqrt(x), np.array([0.0]))
    assert "no finite derivative" in str(report)
    assert report.verdict is Verdict.INCONCLUSIVE


NOISE = np.random.default_rng(3)


def _overwrites(x):
    x[0] = 1.0
    return x**2


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: None, "returns no floating-point number or array"),
        (lambda x: "text", "returns no floating-point number or array, but str"),
        (lambda x: np.argmax(x), "returns no floating-point number or array, but Tensor"),
        (lambda x: x * NOISE.random(), "the function is random"),
        (_overwrites, "writes into its argument"),
        (lambda x: x.reshape(7), "raises ShapeError"),
        (lambda x: 1 / 0, "raises ZeroDivisionError"),
    ],
)
def test_functions_that_are_no_functions(f, message):
    report = outcome(check_grad, f, np.array([0.5, 2.0]))
    assert report.verdict is Verdict.FAIL
    assert message in str(report)
    assert not report.compared


def test_bad_calls():
    with pytest.raises(UnsupportedError, match=r"check_grad: .*nothing to differentiate by"):
        check_grad(np.sin, 3)
    with pytest.raises(UnsupportedError, match=r"check_grad: order=0"):
        check_grad(np.sin, 3.0, order=0)
    with pytest.raises(UnsupportedError, match=r'modes=\("back",\)|modes=\(.back.,\)'):
        check_grad(np.sin, 3.0, modes=("back",))
    with pytest.raises(UnsupportedError, match=r"check_grad: wrt=2"):
        check_grad(np.sin, 3.0, wrt=2)
    with pytest.raises(UnsupportedError, match=r"check_op: op='sine'"):
        check_op("sine")
    with pytest.raises(UnsupportedError, match=r"check_vjp: .*Only a primitive has rules"):
        check_vjp(np.var, np.ones(3))
    with pytest.raises(UnsupportedError, match=r"check_pair: .*nothing to differentiate by"):
        check_pair(np.sum, np.sum, 3)


# ---- functions of other libraries ---------------------------------------------------------------


def test_pairs():
    x, y = RNG.normal(size=(2, 3)), RNG.normal(size=3)

    def value(x, y):
        return np.sum(np.sin(x) * y)

    assert check_pair(value, lambda x, y: (np.cos(x) * y, np.sin(x).sum(0)), x, y)
    report = outcome(check_pair, value, lambda x, y: (np.cos(x) * y, np.sin(x).mean(0)), x, y)
    assert "divided by" in str(report)
    assert report.failures[0].aspect == "gradient by y"
    # at a kink any subgradient will do, and no other
    for slope, verdict in ((0.0, Verdict.PASS), (-1.0, Verdict.PASS), (1.5, Verdict.FAIL)):
        pair = (lambda x: np.abs(x).sum(), lambda x, s=slope: (np.where(x == 0, s, np.sign(x)),))
        assert outcome(check_pair, *pair, np.array([0.0, 1.0])).verdict is verdict


@pytest.mark.parametrize(
    ("value", "gradient", "message"),
    [
        (lambda x: x, lambda x: (x,), "value_fn must return one real number"),
        (np.sum, lambda x: np.ones(3), "grad_fn must return a tuple"),
        (np.sum, lambda x: (np.ones(3), 1), "grad_fn must return a tuple"),
        (np.sum, lambda x: (np.ones((1, 3)),), "is float64[1, 3], its argument float64[3]"),
        (np.sum, lambda x: (np.ones(3, "f4"),), "is float32[3], its argument float64[3]"),
        (lambda x: NOISE.random(), lambda x: (x,), "value_fn is random"),
        (np.sum, lambda x: (x * NOISE.random(),), "grad_fn is random"),
        (lambda x: np.sum(np.multiply(x, 2, out=x)), lambda x: (x,), "writes into its argument"),
        (np.sum, lambda x: x[5], "grad_fn raises IndexError"),
    ],
)
def test_pairs_that_are_none(value, gradient, message):
    report = outcome(check_pair, value, gradient, np.array([1.0, 2.0, 3.0]))
    assert report.verdict is Verdict.FAIL
    assert message in str(report)


@pytest.mark.parametrize("width", [0.1, 0.01, 1e-3, 1e-4])
@pytest.mark.parametrize("seed", range(5))
def test_narrow_features_are_not_stepped_over(width, seed):
    rng = np.random.default_rng(seed)
    centre = rng.normal(size=4)
    x = centre + width * rng.normal(size=4)

    def value(x):
        return np.sum(np.exp(-(((x - centre) / width) ** 2)))

    def right(x):
        z = (x - centre) / width
        return (-2 * z / width * np.exp(-(z**2)),)

    assert check_pair(value, right, x)
    assert outcome(check_pair, value, lambda x: (0 * x,), x).verdict is Verdict.FAIL


def test_a_function_may_raise_beside_the_point():
    def value(x):
        if (x > 1).any():
            raise RuntimeError("out of domain")
        return np.sum(np.sqrt(1 - x * x))

    x = np.array([0.999, 0.5])
    assert check_pair(value, lambda x: (-x / np.sqrt(1 - x * x),), x)


def test_a_gradient_in_low_precision_is_judged_against_double_precision():
    x = RNG.normal(size=6).astype("f4")

    def value(x):
        return np.sum(np.sin(x) * x)

    def gradient(x, factor=1.0):
        return ((np.cos(x) * x + np.sin(x)) * x.dtype.type(factor),)

    assert check_pair(value, gradient, x)
    report = outcome(check_pair, value, lambda x: gradient(x, 1.0001), x)
    assert report.verdict is Verdict.FAIL


def as_pair(torch, f):
    def value(*xs):
        return f(*map(torch.tensor, xs)).sum().item()

    def gradient(*xs):
        ts = [torch.tensor(x, requires_grad=True) for x in xs]
        f(*ts).sum().backward()
        return tuple(t.grad.numpy() for t in ts)

    return value, gradient


def test_what_torch_has_wrong_is_found_and_what_it_has_right_passes():
    torch = pytest.importorskip("torch", reason="checks PyTorch: pip install torch")
    singular = np.array([[1.0, 2.0], [2.0, 4.0]])
    wrong = {
        "the cofactors of a singular matrix are not zero": (torch.linalg.det, [singular]),
        "hypot at the origin is NaN": (torch.hypot, [np.zeros(1), np.zeros(1)]),
        "hardsigmoid rounds 1/6": (torch.nn.functional.hardsigmoid, [np.array([0.2])]),
    }
    right = {
        "ties": (torch.amax, [np.array([1.0, 1.0, 0.0])]),
        "softmax": (lambda x: torch.softmax(x, 0)[0], [RNG.normal(size=4) * 10]),
        "three that tie": (torch.median, [np.full(3, 2.0)]),
        "one of three that tie": (lambda x: torch.kthvalue(x, 2).values, [np.full(3, 2.0)]),
        "equal singular values": (lambda x: torch.linalg.svdvals(x)[0], [np.eye(2)]),
        "a bent line": (torch.relu, [np.array([0.0, 1.0, -1.0])]),
        "solve": (torch.linalg.solve, [RNG.normal(size=(3, 3)), RNG.normal(size=3)]),
        "gelu": (torch.nn.functional.gelu, [RNG.normal(size=5)]),
    }
    for cases, verdict in ((wrong, Verdict.FAIL), (right, Verdict.PASS)):
        for name, (f, xs) in cases.items():
            report = outcome(check_pair, *as_pair(torch, f), *xs)
            assert report.verdict is verdict, f"{name}: {report}"


# ---- operations ---------------------------------------------------------------------------------


def test_an_operation_of_ones_own():
    names = set(REGISTRY)
    with unlisted():
        cube = elementwise(lambda x, /: x**3, lambda g, x: 3 * g * x**2, name="cube")
        report = check_op(cube, examples=5)
        assert report.verdict is Verdict.PASS
        assert {"value", "slope", "layouts", "ownership"} <= {f.aspect for f in report.findings}
    assert set(REGISTRY) == names


def test_a_wrong_operation_is_reported_with_its_smallest_case_and_what_such_cases_share():
    def fun(x, /, *, axis):
        return np.flip(x, axis)

    with unlisted():
        op = linear(
            fun,
            lambda g, axis: np.flip(g, 0 if axis == 1 else axis),
            samples=lambda draw: (
                (draw.array((draw.integer(1, 4),) * 2),),
                {"axis": draw.integer(0, 1)},
            ),
            name="planted",
        )
        report = outcome(check_op, op, examples=50, seed=1)
        same = outcome(check_op, op, examples=50, seed=1)
    assert report.verdict is Verdict.FAIL
    assert "axis = 1" in report.case
    assert "axis" in report.predicate
    assert __file__ in report.rule
    assert "check_op('planted', seed=1)" in report.rerun or "--grad-seed 1" in report.rerun
    assert str(same) == str(report)


def test_the_laws_of_one_kind_of_operation():
    assert check_op(np.argmax, examples=5)
    assert check_op("conv2d", examples=3)
    assert check_vjp(np.multiply, np.ones((2, 1)), np.arange(3.0))
    assert check_vjp("conv", RNG.normal(size=(1, 1, 4)), RNG.normal(size=(2, 1, 3)), **CONV)


CONV = {"geometry": Geometry((2,), ((1, 0),), (1,), (1,), 1), "algorithm": "auto"}
