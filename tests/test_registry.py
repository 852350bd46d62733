"""Every registered operation obeys every law that is about its kind.

HYPOTHESIS_PROFILE=thorough tries each pair on many more cases.
"""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tensorgrad as tg
from tensorgrad.engine.primitive import REGISTRY
from tensorgrad.testing.draw import HypothesisDraw, RandomDraw
from tensorgrad.testing.laws import LAWS, SMOOTH, as_function, check

PAIRS = [
    (name, law)
    for name in sorted(REGISTRY)
    for law in LAWS
    if REGISTRY[name].kind in LAWS[law].kinds
]
EXAMPLES = 200 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 8


@pytest.mark.parametrize(("name", "law"), PAIRS)
def test_law(name, law):
    # decorated anew for each pair: hypothesis lets the settings of one function that runs more
    # than a thousand times refer to each other, deeper than Python's stack
    @settings(max_examples=EXAMPLES)
    @given(data=st.data())
    def holds(data):
        check(LAWS[law], REGISTRY[name], HypothesisDraw(data))

    holds()


@pytest.mark.parametrize(
    "name", [name for name in sorted(REGISTRY) if REGISTRY[name].kind in SMOOTH]
)
def test_that_the_laws_are_about_something(name):
    # the cases drawn have entries to differentiate by, and results that depend on them
    operation = REGISTRY[name]

    def entries(seed):
        f, xs = as_function(operation, operation, *operation.samples(RandomDraw(seed)))
        ys, _ = tg.vjp(f, *xs)
        return min(sum(x.size for x in xs), sum(y.size for y in ys))

    assert any(entries(seed) for seed in range(20))
