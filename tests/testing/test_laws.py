"""Rules that are wrong only somewhere: each is found by a law that goes there."""

import numpy as np
import pytest

from tensorgrad.engine.primitive import REGISTRY, Constant
from tensorgrad.engine.tensor import Tensor
from tensorgrad.testing import GradientError, check_op
from tensorgrad.testing.mutants import mutated, unlisted


def value(x):
    return x._value if isinstance(x, Tensor) else x


def doubled_where(condition):
    """Double a rule where the condition on (cotangent, values of x or the result, params) holds."""

    def mutation(operation):
        saved_x = next(i for i, name in enumerate(operation.layout) if "shape" not in name)

        def wrong(rule):
            return lambda g, saved, params, argnum: (
                rule(g, saved, params, argnum) * (1 + condition(value(g), value(saved[saved_x])))
            )

        return wrong

    return mutation


def doubled_for(condition):
    """Double a rule for some parameters."""
    return lambda operation: (
        lambda rule: (
            lambda g, saved, params, argnum: (
                rule(g, saved, params, argnum) * (1 + condition(params))
            )
        )
    )


def scaled(condition, factor):
    return lambda operation: (
        lambda rule: (
            lambda g, saved, params, argnum: (
                rule(g, saved, params, argnum) * (factor if condition(value(g)) else 1)
            )
        )
    )


def has_negative_step(params):
    items = params["index"] if isinstance(params["index"], tuple) else (params["index"],)
    return any(isinstance(item, slice) and (item.step or 1) < 0 for item in items)


PLANTED = {
    "exp of more than 2.5": ("exp", doubled_where(lambda g, y: y > np.exp(2.5))),
    "log of more than 4": ("log", doubled_where(lambda g, x: np.real(x) > 4)),
    "arctan beyond 1": ("arctan", doubled_where(lambda g, x: np.abs(x) > 1)),
    "powers of zero": ("power", doubled_where(lambda g, x: x == 0)),
    "products with zeros": ("prod", doubled_where(lambda g, x: (x == 0).any())),
    "slices that go backwards": ("getitem", doubled_for(has_negative_step)),
    "large cotangents": ("sin", doubled_where(lambda g, x: np.abs(g) > 10)),
    "cotangents with zeros": ("sin", doubled_where(lambda g, x: np.any(g == 0))),
    "single precision, a little": ("sin", scaled(lambda g: g.dtype == np.float32, 1 + 1e-4)),
    "numbers without axes": ("cos", doubled_where(lambda g, x: x.ndim == 0)),
    "sides of length 1": ("tanh", doubled_where(lambda g, x: 1 in x.shape)),
    "reduced axes that are kept": ("sum", doubled_for(lambda params: params["keepdims"])),
    "strides above 2": ("conv", doubled_for(lambda params: max(params["geometry"].stride) > 2)),
    "groups with strides": (
        "conv",
        doubled_for(
            lambda params: params["geometry"].groups > 1 and max(params["geometry"].stride) > 1
        ),
    ),
}


@pytest.mark.parametrize(("name", "mutation"), PLANTED.values(), ids=PLANTED.keys())
def test_a_rule_that_is_wrong_somewhere(name, mutation):
    operation = REGISTRY[name]
    with mutated(operation, mutation(operation)), pytest.raises(GradientError) as caught:
        check_op(operation, examples=100, seed=0)
    assert caught.value.report.failures


def pair(draw):
    return (draw.array((3,)), draw.array((3,))), {}


@pytest.mark.parametrize("function", [np.nextafter, np.add, lambda x, y: (x > y) * y])
def test_a_function_that_is_not_constant(function):
    with unlisted():
        Constant("no constant", function, pair, function)
        with pytest.raises(GradientError, match="flatness"):
            check_op("no constant", examples=20)
