"""Planted errors: what the laws of the registry, random programs, and the table of kinks are worth.

`python -m benchmarks.gradient_checks` plants every mutation in every rule; here, some in each.
"""

from contextlib import nullcontext

import numpy as np
import pytest
import test_kinks as kinks

from tensorgrad.engine import backward
from tensorgrad.engine.declare import elementwise
from tensorgrad.engine.primitive import NUMPY, REGISTRY, Primitive
from tensorgrad.testing.handwritten import HANDWRITTEN
from tensorgrad.testing.mutants import (
    MUTATIONS,
    Mutant,
    assert_kills,
    differs,
    edited,
    generic,
    kills,
    objection,
    rewritten,
    score,
    unlisted,
)

EXAMPLES = 100
PRIMITIVES = [p for p in REGISTRY.values() if isinstance(p, Primitive)]
STRIDE = 7  # each operation is tried with one of so many of its mutants, other ones than the next

by_name = pytest.mark.parametrize("mutant", HANDWRITTEN, ids=lambda mutant: mutant.name)


@by_name
def test_an_error_that_people_make_is_found(mutant):
    assert kills(mutant, EXAMPLES)


@by_name
def test_an_error_is_taken_out_again(mutant):
    def rules():
        p = mutant.operation
        return (p.vjps, p.jvps, p.fun.__code__) if type(p) is Primitive else None

    before = rules(), backward.walk.__code__, backward.fit_cotangent
    with pytest.raises(KeyError, match="inside"), mutant.plant():
        raise KeyError("inside")
    assert (rules(), backward.walk.__code__, backward.fit_cotangent) == before
    assert not any(objection(mutant.operation, seed) for seed in range(2))


@pytest.mark.parametrize("number", range(len(PRIMITIVES)), ids=[p.name for p in PRIMITIVES])
def test_an_error_in_any_rule_is_found_unless_nobody_could_see_it(number):
    for mutant in generic(PRIMITIVES[number])[number % STRIDE :: STRIDE]:
        if differs(mutant, 40):
            assert kills(mutant, EXAMPLES), mutant.name
        else:
            assert kills(mutant, 2) is None, mutant.name


def test_all_mutations_are_tried():
    tried = [
        mutant.name
        for number, primitive in enumerate(PRIMITIVES)
        for mutant in generic(primitive)[number % STRIDE :: STRIDE]
    ]
    for mutation in MUTATIONS:
        assert any(name.endswith(mutation) for name in tried)


def test_nobody_can_see_an_error_in_a_derivative_that_is_zero():
    # copysign does not depend on the size of its second argument
    negated, *_ = [m for m in generic(REGISTRY["copysign"]) if "vjp by y negated" in m.name]
    assert not differs(negated, 40)
    assert kills(negated, 3) is None
    assert not differs(Mutant("nothing", "never", nullcontext, REGISTRY["sin"]), 50)


def test_what_only_one_use_can_see_differs():
    # each is seen by one of the ways to use an operation, and by no other
    def mutant(formula, modes):
        return Mutant("", "", rewritten(exp, formula, 0, modes), exp)

    exp = REGISTRY["exp"]
    assert differs(mutant(lambda t, ans: 2 * t * ans, "jvp"))
    assert differs(mutant(lambda g, ans: 2 * g * ans, "vjp"))
    assert differs(mutant(lambda g, ans: g * np.exp(np.log(ans)), "vjp jvp"))  # in the last bits


def test_what_is_declared_for_a_while_answers_for_numpy_no_longer():
    before = NUMPY[np.sinh]
    with unlisted():
        assert elementwise(np.sinh, lambda g: g, name="wrong") is NUMPY[np.sinh]
    assert NUMPY[np.sinh] is before
    assert "wrong" not in REGISTRY


def test_a_rule_is_edited_where_it_says_so_only_once():
    with pytest.raises(ValueError, match=r"walk has 'no such text' 0 times, not once"):
        edited(backward.walk, "no such text", "").__enter__()
    with pytest.raises(ValueError, match=r"walk has 'node' \d\d times, not once"):
        edited(backward.walk, "node", "").__enter__()


def test_samples_come_to_where_each_rule_matters():
    zero = (
        "copysign: vjp by y",
        "copysign: jvp by y",
        "heaviside: vjp by x",
        "heaviside: jvp by x",
    )
    doubled = [m for p in PRIMITIVES for m in generic(p) if m.name.endswith("doubled")]
    for mutant in doubled:
        assert differs(mutant, 50) != mutant.name.startswith(zero), mutant.name


def test_the_mutation_score_of_an_operation():
    def numbers(draw):
        return (draw.array(()),), {}

    def mostly_numbers(draw):
        return (draw.array(() if draw.integer(0, 9) else (3,)),), {}

    def sinh(name, **options):
        return elementwise(np.sinh, lambda g, x: g * np.cosh(x), name=name, **options)

    with unlisted():
        good, poor = sinh("good"), sinh("poor", samples=numbers)
        lazy = sinh("lazy", samples=mostly_numbers)
        wrong = elementwise(np.sinh, lambda g, x: g * np.sinh(x), name="wrong")
    assert {"good", "poor", "lazy", "wrong"}.isdisjoint(REGISTRY)
    assert len(score(good, 30).killed) == 2 * len(MUTATIONS)
    # a number has no axes to roll along: nobody who is given numbers could tell
    (rolled,) = [m for m in generic(poor) if m.name == "poor: vjp by x rolled along the last axis"]
    assert not differs(rolled, 30)
    with pytest.raises(
        AssertionError, match=r"survived: lazy: vjp by x rolled along the last axis"
    ):
        assert_kills(lazy, 2)
    with pytest.raises(AssertionError, match=r"wrong: seed=0. The law '\w+' does not hold"):
        assert_kills(wrong, 2)


def test_the_table_of_kinks_objects_to_ties_that_each_count_in_full():
    for name in ("max, two of three", "maximum"):
        kinks.test_gradient(*kinks.KINKS[name])
    for operation, kink, formula in (
        ("max", "max, two of three", lambda g, x, ans: g * (x == ans)),
        ("maximum", "maximum", lambda g, x, y: g * (x >= y)),
    ):
        with rewritten(REGISTRY[operation], formula)(), pytest.raises(AssertionError):
            kinks.test_gradient(*kinks.KINKS[kink])
