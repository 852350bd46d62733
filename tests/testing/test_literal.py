"""Values survive being printed as Python."""

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, basic_indices

import tensorgrad as tg
from tensorgrad.errors import UnsupportedError
from tensorgrad.testing.literal import IMPORTS, assignments, case_text

DTYPES = st.sampled_from(["f8", "f4", "f2", "c16", "c8", "i8", "i4", "u1", "?"])


def evaluated(values):
    made = {}
    exec(f"{IMPORTS}\n{assignments(values)}", made)
    return {name: made[name] for name in values}


def bits(x):
    return np.ascontiguousarray(x).tobytes()


@given(st.data())
def test_arrays_keep_entries_and_layout(data):
    x = data.draw(arrays(data.draw(DTYPES), array_shapes(min_dims=1, max_dims=3, min_side=0)))
    view = x[data.draw(basic_indices(x.shape, allow_newaxis=True))]
    if isinstance(view, np.ndarray):
        view = data.draw(st.sampled_from([view, view.T, np.broadcast_to(view, (2, *view.shape))]))
    y = evaluated({"y": view})["y"]
    assert type(y) is type(view)
    assert (y.dtype, y.shape) == (view.dtype, view.shape)
    # a NaN is a NaN, whatever its bits
    nan = np.isnan(view)
    assert np.array_equal(np.isnan(y), nan)
    assert bits(np.where(nan, 0, y)) == bits(np.where(nan, 0, view))
    if isinstance(view, np.ndarray):
        assert y.flags.writeable == view.flags.writeable
        if view.size > 1:
            walked = [n > 1 for n in view.shape]
            assert np.array_equal(np.array(y.strides)[walked], np.array(view.strides)[walked])


class Shape(NamedTuple):
    sides: Any
    order: Any


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.tuples(inner)
        | st.builds(Shape, inner, inner)  # a named tuple
        | st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
    max_leaves=5,
)


@given(PLAIN)
def test_plain_values(value):
    assert repr(evaluated({"value": value})["value"]) == repr(value)


def test_tensors_and_parameters():
    values = {
        "x": tg.tensor([1.0, 2.0], dtype="float32", requires_grad=True),
        "at": (slice(1, None), ..., None),
        "dtype": np.dtype("float32"),
        "kind": np.complex64,
        "nan": float("nan"),
        "z": complex(1, -0.0),
    }
    made = evaluated(values)
    assert made["x"].requires_grad
    assert repr(made) == repr(values)


def test_what_no_python_is_known_for():
    with pytest.raises(UnsupportedError, match="type='object'"):
        assignments({"x": object()})
    text = case_text({"x": object(), "y": np.arange(1000.0), "n": 2})
    assert text == "x = ...  # object\ny = ...  # float64[1000]\nn = 2"
