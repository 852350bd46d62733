"""The parameter that decides is named, and accidents are not; what examples are described by."""

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st

from tensorgrad.conv.primitive import draw_conv
from tensorgrad.testing.diagnosis.predicates import describe, separating
from tensorgrad.testing.draw import RandomDraw

seeds = st.integers(0, 2**32 - 1)
# most tests here run once for each of many errors
few = settings(max_examples=max(settings.default.max_examples // 10, 10))


# ---- separating ---------------------------------------------------------------------------------


@cache
def all_convolutions():
    return [describe(*draw_conv(RandomDraw(seed)), ["x", "w"]) for seed in range(600)]


def convolutions(n, seed):
    """Return n random convolutions, of x with w, described."""
    places = np.random.default_rng(seed).permutation(len(all_convolutions()))
    return [all_convolutions()[i] for i in places[:n]]


def leaves_a_remainder(p, axis):
    """Tell whether the last window ends before the padded input does, by sliding it."""
    side = (p["x.shape"][axis + 2] - 1) * p["input_dilation"][axis] + 1 + sum(p["padding"][axis])
    end = (p["w.shape"][axis + 2] - 1) * p["dilation"][axis] + 1
    while end + p["stride"][axis] <= side:
        end += p["stride"][axis]
    return end < side


CONV_RULES = {
    "stride != dilation": lambda p: p["stride"] != p["dilation"],
    "stride[0] > dilation[0]": lambda p: p["stride"][0] > p["dilation"][0],
    "stride[0] > 2": lambda p: p["stride"][0] == 3,
    "max(stride) > 2": lambda p: any(s == 3 for s in p["stride"]),
    "groups > 1": lambda p: p["groups"] > 1,
    "x.size == 0": lambda p: p["x.shape"][0] == 0,
    "x.ndim == 4": lambda p: len(p["x.shape"]) == 4,
    "x.shape[1] == w.shape[0]": lambda p: p["x.shape"][1] == p["w.shape"][0],
    "padding[0][0] != padding[0][1]": lambda p: p["padding"][0][0] != p["padding"][0][1],
    "min(padding) < 0": lambda p: any(side < 0 for pair in p["padding"] for side in pair),
    "remainder[0] > 0": lambda p: leaves_a_remainder(p, 0),
    "max(remainder) > 0": lambda p: any(
        leaves_a_remainder(p, axis) for axis in range(len(p["stride"]))
    ),
}


@pytest.mark.parametrize("rule", CONV_RULES)
@few
@given(seeds)
def test_what_decides_over_a_convolution_is_found(rule, seed):
    examples = convolutions(150, seed)
    failing = [example for example in examples if CONV_RULES[rule](example)]
    passing = [example for example in examples if not CONV_RULES[rule](example)]
    assume(len(failing) > 15 and len(passing) > 15)
    legend = ", remainder = (side + low + high - dilation * (kernel - 1) - 1) % stride"
    counts = f"({len(failing)} of {len(failing)} failing, 0 of {len(passing)} passing)"
    text = f"{rule}{legend if 'remainder' in rule else ''}"
    assert separating(failing, passing) == f"fails exactly when {text} {counts}"


def reductions(n, seed):
    """Return n descriptions of np.sum with its keywords, given or not."""
    rng = np.random.default_rng(seed)
    examples = []
    for _ in range(n):
        x = rng.normal(size=rng.integers(1, 4, rng.integers(1, 4)))
        axis = int(rng.integers(-x.ndim, x.ndim))
        axis = [axis, axis, axis, None, tuple(range(x.ndim))][rng.integers(5)]
        params = {
            "axis": axis,
            "keepdims": bool(rng.integers(2)),
            "dtype": ["f4", "f8"][rng.integers(2)],
        }
        for name in "keepdims", "dtype":
            if rng.integers(3) == 0:
                del params[name]
        layout = rng.integers(3)
        if layout == 1:
            x = np.asfortranarray(x)
        if layout == 2:
            x = np.broadcast_to(x, (2, *x.shape))[0:2]
        examples.append(describe([x], params, ["x"]))
    return examples


SUM_RULES = {
    "keepdims": lambda p: p.get("keepdims") is True,
    "not keepdims": lambda p: p.get("keepdims") is False,
    "keepdims is given": lambda p: "keepdims" in p,
    "keepdims is not given": lambda p: "keepdims" not in p,
    "axis is None": lambda p: p["axis"] is None,
    "axis is not None": lambda p: p["axis"] is not None,
    "axis < 0": lambda p: type(p["axis"]) is int and p["axis"] < 0,
    "axis from the end == -1": lambda p: (
        type(p["axis"]) is int and p["axis"] in (-1, len(p["x.shape"]) - 1)
    ),
    "the length of the axis == 1": lambda p: (
        type(p["axis"]) is int and p["x.shape"][p["axis"]] == 1
    ),
    "dtype == 'f4'": lambda p: p.get("dtype") == "f4",
    "x.layout == 'broadcast'": lambda p: p["x.layout"] == "broadcast",
    "x.ndim > 2": lambda p: len(p["x.shape"]) > 2,
    "x.size % 2 == 1": lambda p: math.prod(p["x.shape"]) % 2 == 1,
}


@pytest.mark.parametrize("rule", SUM_RULES)
@few
@given(seeds)
def test_what_decides_over_a_sum_is_found(rule, seed):
    examples = reductions(150, seed)
    failing = [example for example in examples if SUM_RULES[rule](example)]
    passing = [example for example in examples if not SUM_RULES[rule](example)]
    assume(len(failing) > 10 and len(passing) > 10)
    assert separating(failing, passing).startswith(f"fails exactly when {rule} (")


@few
@given(seeds, st.integers(2, 40), st.integers(2, 40))
def test_a_condition_holds_as_often_as_is_said(seed, n, m):
    # a rule with two conditions, which no single one separates
    def rule(p):
        return p["groups"] > 1 and p["stride"][0] != p["dilation"][0]

    examples = convolutions(n + m, seed)
    failing = [example for example in examples if rule(example)]
    passing = [example for example in examples if not rule(example)]
    text = separating(failing, passing)
    if text is not None and text.startswith("fails only if groups > 1 "):
        k = sum(example["groups"] == 2 for example in passing)
        assert 0 < k <= len(passing) / 4
        counts = f"({len(failing)} of {len(failing)} failing, {k} of {len(passing)} passing)"
        assert text.endswith(counts)


def test_what_fails_only_sometimes_is_said_to():
    examples = [{"a": a, "b": b, "c": c} for a in range(6) for b in range(6) for c in range(3)]
    failing = [p for p in examples if p["a"] == 2 and p["b"] % 3 != p["c"]]
    passing = [p for p in examples if p not in failing]
    assert (
        separating(failing, passing) == "fails only if a == 2 (12 of 12 failing, 6 of 96 passing)"
    )


def test_accidents_are_rare():
    wrong = 0
    for seed in range(60):
        examples = convolutions(12, 1000 * seed)
        fails = np.random.default_rng(seed).random(12) < 0.4
        failing = [p for p, fail in zip(examples, fails, strict=True) if fail]
        passing = [p for p, fail in zip(examples, fails, strict=True) if not fail]
        wrong += separating(failing, passing) is not None
    assert wrong <= 6


def test_too_few_examples_say_nothing():
    many = [{"a": 1}] * 50
    assert separating([{"a": 2}], many) is None
    assert separating(many, [{"a": 2}]) is None
    assert separating([], many) is None
    assert separating([{"a": 2}] * 2, many) is not None
    assert separating(many, many) is None


# ---- describe -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "layout"),
    [
        (np.ones((2, 3)), "C-contiguous"),
        (np.float64(1), None),
        (np.ones((2, 3)).T, "Fortran-contiguous"),
        (np.ones((4, 6))[::2, ::2], "strided"),
        (np.ones((4, 6))[:, ::-1], "with negative strides"),
        (np.broadcast_to(np.ones(3), (2, 3)), "broadcast"),
        (np.ones((0, 3))[:, ::-1], "C-contiguous"),
        (np.ones(()), "C-contiguous"),
    ],
)
def test_layouts_are_described(x, layout):
    described = describe([x], {}, ["x"])
    assert described.get("x.layout") == layout
    assert (described["x.shape"], described["x.dtype"]) == (x.shape, "float64")


def test_parameters_are_described():
    index = np.array([3, 1, 3])
    params = {
        "stride": np.int64(2),
        "padding": [(0, 1), [2, 3]],
        "dtype": np.float32,
        "axis": None,
        "index": (index, slice(3)),
        "options": {"ord": "fro"},
    }
    assert describe([[np.ones(2), np.ones(3)]], params, ["xs"]) == {
        "stride": 2,
        "padding": ((0, 1), (2, 3)),
        "dtype": "float32",
        "axis": None,
        "len(index)": 2,
        "index[0].shape": (3,),
        "index[0].dtype": "int64",
        "index[0].layout": "C-contiguous",
        "index[0] has repeated entries": True,
        "index[0].min()": 1,
        "type(index[1])": "slice",
        "len(options)": 1,
        "options['ord']": "fro",
        "len(xs)": 2,
        "xs[0].shape": (2,),
        "xs[0].dtype": "float64",
        "xs[0].layout": "C-contiguous",
        "xs[1].shape": (3,),
        "xs[1].dtype": "float64",
        "xs[1].layout": "C-contiguous",
    }
