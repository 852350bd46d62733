"""Planted wrong rules: what the laws of the registry, and the table of kinks, are worth."""

import numpy as np
import pytest
import test_kinks as kinks

import tensorgrad as tg
from tensorgrad.engine import backward
from tensorgrad.engine.primitive import REGISTRY, Rule
from tensorgrad.ops import indexing
from tensorgrad.testing.draw import RandomDraw
from tensorgrad.testing.laws import LAWS, check

CASES = 60


def objections(name):
    """Return the names of the laws that do not hold for an operation."""
    operation = REGISTRY[name]
    found = set()
    for law in LAWS.values():
        if operation.kind in law.kinds:
            try:
                for seed in range(CASES):
                    check(law, operation, RandomDraw(seed))
            except Exception:  # a rule that cannot be computed is wrong as well
                found.add(law.name)
    return found


def replace_rule(patch, name, formula, argnum=0, mode="vjp"):
    primitive = REGISTRY[name]
    wrong = Rule.read(formula, primitive.arrays, name).compile(primitive.layout)
    rules = getattr(primitive, f"{mode}s")
    if primitive.variadic:
        patch.setattr(rules, "rule", wrong)
    else:
        patch.setattr(primitive, f"{mode}s", (*rules[:argnum], wrong, *rules[argnum + 1 :]))


def wrong_rule(name, formula, argnum=0, mode="vjp"):
    return name, lambda patch: replace_rule(patch, name, formula, argnum, mode)


def wrong_function(name, fun):
    return name, lambda patch: patch.setattr(REGISTRY[name], "fun", fun)


def double_rule(name, formula):
    """Plant a formula in both modes: it remains a linear map and its transpose."""

    def plant(patch):
        replace_rule(patch, name, formula)
        replace_rule(patch, name, formula, mode="jvp")

    return name, plant


def overwrite(g, y):
    g *= y
    return g


def scatter_without_adding(x, /, *, index, shape):
    total = np.zeros(shape, x.dtype)
    total[index] = x
    return total


def fit_without_inner_axes(g, shape, dtype):
    g = np.sum(g, axis=tuple(range(g.ndim - len(shape))))
    return np.broadcast_to(g[tuple(slice(side) for side in shape)], shape).astype(dtype)


def fit_by_averaging(g, shape, dtype):
    scale = max(1, np.prod(g.shape, dtype=int)) / max(1, np.prod(shape, dtype=int))
    return backward_fit(g, shape, dtype) / scale


def fit_without_casting(g, shape, dtype):
    return backward_fit(g, shape, g.dtype)


backward_fit = backward.fit_cotangent


def engine(name, fit):
    return name, lambda patch: patch.setattr(backward, "fit_cotangent", fit)


def var_without_ddof(a, ddof=0, **params):
    return REGISTRY_VAR(a, **params)


def sum_of_all(a, where=True, **params):
    return REGISTRY_SUM(a, **params)


def detached_tile(A, reps):
    return REGISTRY_TILE(tg.stop_gradient(A), reps)


REGISTRY_VAR, REGISTRY_SUM, REGISTRY_TILE = (
    REGISTRY[name].fun for name in ("numpy.var", "numpy.sum", "numpy.tile")
)

MUTANTS = {
    "negated": wrong_rule("sin", lambda g, x: -g * np.cos(x)),
    "2.001 for 2": double_rule("square", lambda g, x: 2.001 * g * x),
    "wrong in forward mode only": wrong_rule("exp", lambda t, ans: t * ans * 2, mode="jvp"),
    "wrong in second order only": double_rule(
        "exp", lambda g, ans: g * (ans if type(ans) is not tg.Tensor else ans.detach())
    ),
    "the rule of the other argument": wrong_rule("divide", lambda g, ans, y: -g * ans / y),
    "inner broadcast axes not summed": engine("multiply", fit_without_inner_axes),
    "broadcast axes averaged": engine("add", fit_by_averaging),
    "float64 gradient for float32": engine("multiply", fit_without_casting),
    "cotangent overwritten": wrong_rule("multiply", overwrite),
    "memory order of the cotangent": wrong_rule(
        "negative", lambda g: -np.asarray(g).ravel("K").reshape(g.shape)
    ),
    "no conjugate": wrong_rule("conjugate", lambda g: g),
    "flip as the identity": wrong_rule("flip", lambda g: g),
    "cumsum flipped once": wrong_rule("cumsum", lambda g, axis: np.cumsum(np.flip(g, axis), axis)),
    "matmul without transposes": wrong_rule("matmul", lambda g, y: g @ y),
    "reading twice, adding once": wrong_function("scatter", scatter_without_adding),
    "reading twice, through take": (
        "numpy.take",
        lambda patch: patch.setattr(REGISTRY["scatter"], "fun", scatter_without_adding),
    ),
    "writing twice, counting both": (
        "setitem",
        lambda patch: patch.setattr(indexing, "_written_last", lambda *_: True),
    ),
    "einsum without the other operands": wrong_rule("einsum", lambda g, xs_shape, argnum: g),
    "max to the first of the entries": wrong_rule("max", lambda g, x: g * (x == x.flat[0])),
    "var without ddof": wrong_function("numpy.var", var_without_ddof),
    "sum of what is left out": wrong_function("numpy.sum", sum_of_all),
    "history lost": wrong_function("numpy.tile", detached_tile),
}


@pytest.mark.parametrize(("name", "plant"), MUTANTS.values(), ids=MUTANTS.keys())
def test_the_laws_object(name, plant, monkeypatch):
    assert not objections(name)
    plant(monkeypatch)
    assert objections(name)


def test_the_table_objects_to_ties_that_each_count_in_full(monkeypatch):
    for name in ("max, two of three", "maximum"):
        kinks.test_gradient(*kinks.KINKS[name])
    replace_rule(monkeypatch, "max", lambda g, x, ans: g * (x == ans))
    replace_rule(monkeypatch, "maximum", lambda g, x, y: g * (x >= y))
    for name in ("max, two of three", "maximum"):
        with pytest.raises(AssertionError):
            kinks.test_gradient(*kinks.KINKS[name])
