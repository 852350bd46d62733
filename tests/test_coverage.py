"""Nothing of NumPy is forgotten: each function is differentiable, constant, refused or outside."""

import re

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad.engine.primitive import NUMPY, REGISTRY
from tensorgrad.errors import UnsupportedError
from tensorgrad.testing.coverage import OUTSIDE, REFUSED, public_functions

FUNCTIONS = dict(public_functions())
REASONS = {
    name: reason
    for reasons in (REFUSED, OUTSIDE)
    for reason, names in reasons.items()
    for name in names.split()
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_accounted_for(name):
    assert (FUNCTIONS[name] in NUMPY) != (name in REASONS), name


def test_the_lists_name_functions_of_numpy():
    # "row_stack" went with NumPy 2.5
    assert REASONS.keys() - FUNCTIONS.keys() <= {"row_stack"}


def test_no_name_is_listed_twice():
    names = [
        name
        for reasons in (REFUSED, OUTSIDE)
        for names in reasons.values()
        for name in names.split()
    ]
    assert len(names) == len(set(names))


X = tg.tensor([1.0, 2.0], requires_grad=True)
# how a recorded tensor would get into a function that refuses it
CALLS = {
    "busday_count": lambda: np.busday_count(X, X),
    "busday_offset": lambda: np.busday_offset(X, 1),
    "fromiter": lambda: np.fromiter(X, float),
    "frombuffer": lambda: np.frombuffer(X),
    "frompyfunc": lambda: np.frompyfunc(abs, 1, 1)(X),
    "kaiser": lambda: np.kaiser(3, X[0]),
    "bmat": lambda: np.bmat([[X]]),
    "nested_iters": lambda: np.nested_iters(np.atleast_2d(X), [[0], [1]]),
    "save": lambda: np.save("", X),
    "savetxt": lambda: np.savetxt("", X),
    "savez": lambda: np.savez("", X),
    "savez_compressed": lambda: np.savez_compressed("", X),
    "base_repr": lambda: np.base_repr(X[0]),
    "binary_repr": lambda: np.binary_repr(X[0]),
    "arange": lambda: np.arange(X[0]),
    "format_float_positional": lambda: np.format_float_positional(X[0]),
    "format_float_scientific": lambda: np.format_float_scientific(X[0]),
}
# NumPy asks these for what a Tensor has not, before it asks the tensor
OTHER_ERRORS = {
    "frombuffer": TypeError,
    "fromiter": ValueError,
    "isfortran": AttributeError,
    "nested_iters": TypeError,
}


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("name", [name for names in REFUSED.values() for name in names.split()])
def test_what_is_refused_raises(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OTHER_ERRORS.get(name, UnsupportedError)):
        CALLS.get(name, lambda: FUNCTIONS[name](X))()


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.fft.fftfreq(4, x),
        lambda x: np.fft.rfftfreq(5, x),
        lambda x: np.fromfunction(lambda i: x * i, (3,)),
    ],
)
def test_what_is_outside_passes_gradients_on(f):
    _, tangent = tg.jvp(f, (2.0,), (1.0,))
    h = 1e-6
    np.testing.assert_allclose(tangent, (f(2 + h) - f(2 - h)) / (2 * h), atol=1e-9)


def test_operations_have_names_that_a_command_line_takes():
    assert [name for name in REGISTRY if not re.fullmatch(r"[\w.]+", name)] == []
