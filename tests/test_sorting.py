"""Sorts and sets where entries tie: what no numerical derivative tells."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import tensorgrad as tg

# few values, so that many entries are equal
rows = st.lists(st.integers(-2, 3), min_size=1, max_size=9).map(lambda x: np.array(x, float))
OTHERS = np.array([-1.0, 2.0, 2.0, 7.0])

OF_ONE = {
    "sort": np.sort,
    "sort downwards": lambda x: np.flip(np.sort(x)),
    "partition": lambda x: np.partition(x, len(x) // 2),
    "partition at several places": lambda x: np.partition(x, [0, -1]),
    "sort_complex": np.sort_complex,
    "unique": np.unique,
    "unique, unordered": lambda x: np.unique(x, sorted=False),
    "unique_all": lambda x: np.unique_all(x).values,
    "unique_counts": lambda x: np.unique_counts(x).values,
    "unique_inverse": lambda x: np.unique_inverse(x).values,
    "unique_values": np.unique_values,
    "unique rows": lambda x: np.unique(np.stack([x, -x], axis=1), axis=0)[:, 0],
    "union1d": lambda x: np.union1d(x, x[:3]),
    "intersect1d": lambda x: np.intersect1d(x, x[:3]),
    "intersect1d, with places": lambda x: np.intersect1d(x, x[:3], return_indices=True)[0],
    "setdiff1d": lambda x: np.setdiff1d(x, OTHERS),
    "setdiff1d of distinct values": lambda x: np.setdiff1d(x, OTHERS, assume_unique=True),
    "setxor1d": lambda x: np.setxor1d(x, x[:3]),
}
# these are given some entries twice
TAKEN_TWICE = [f for name, f in OF_ONE.items() if name[:5] in ("union", "inter", "setxo")]
functions = pytest.mark.parametrize("f", OF_ONE.values(), ids=OF_ONE.keys())


def warped(x):
    """Increase with x, by another amount at each: what moves so keeps all ties and the order."""
    return x**3 + 5 * x + 1


@functions
@given(x=rows)
def test_entries_that_move_together_remain_what_they_are(f, x):
    value, tangent = tg.jvp(f, (x,), (warped(x),))
    assert_array_equal(value, f(x))
    assert_allclose(tangent, warped(value), rtol=1e-14)


@functions
@given(x=rows)
def test_equal_entries_share_the_gradient(f, x):
    value, pullback = tg.vjp(f, x)
    seed = np.arange(1.0, value.size + 1).astype(value.dtype)
    (g,) = pullback(seed)
    assert_allclose(np.sum(g * warped(x)), np.sum(seed * warped(value)), rtol=1e-12)
    if f in TAKEN_TWICE or f is OF_ONE["setdiff1d of distinct values"]:
        return
    for v in np.unique(x):
        assert np.ptp(g[x == v]) <= 1e-12


@given(x=rows)
def test_rows_are_sorted_each_by_itself(x):
    many = np.stack([x, -x, x[::-1]])
    seed = np.random.default_rng(0).normal(size=many.shape)
    for arrange in (np.sort, lambda x, axis=-1: np.partition(x, 0, axis)):
        (found,) = tg.vjp(arrange, many)[1](seed)
        for row, g, one in zip(many, found, seed, strict=True):
            assert_array_equal(tg.vjp(arrange, row)[1](one)[0], g)
        (along,) = tg.vjp(lambda x, f=arrange: f(x.T, axis=0).T, many)[1](seed)
        assert_array_equal(along, found)


ODD = {
    "not a number": np.array([2.0, np.nan, 1.0, np.nan, -np.inf]),
    "two zeros": np.array([0.0, -0.0, 1.0, -0.0]),
    "complex": np.array([1 + 1j, 1 - 1j, 0, 1 + 1j]),
    "integers": np.array([3, 1, 3]),
    "booleans": np.array([True, False, True]),
    "single precision": np.array([2.0, 1.0], "f4"),
    "nothing": np.zeros(0),
    "matrix": np.array([[2.0, 1.0], [2.0, 1.0]]),
}
FORMS = {
    **OF_ONE,
    "sort of all": lambda x: np.sort(x, axis=None, kind="mergesort"),
    "sort of all, stable": lambda x: np.sort(x, None, stable=True),
    "unique, NaN by NaN": lambda x: np.unique(x, equal_nan=False),
    "unique, all of it": lambda x: np.unique(x, True, True, True, axis=0),
    "unique_all": np.unique_all,
    "unique_counts": np.unique_counts,
    "unique_inverse": np.unique_inverse,
    "union1d with a list": lambda x: np.union1d(x, [1, 5]),
    "setdiff1d from a list": lambda x: np.setdiff1d([1, 5], x),
    "intersect1d, with places": lambda x: np.intersect1d(x, [1, 5], return_indices=True),
    "isin": lambda x: np.isin(x, [1, 2], invert=True),
    "lexsort": lambda x: np.lexsort((x, -x)) if x.dtype != bool else np.lexsort((x,)),
    "digitize": lambda x: np.digitize(x.real, [0, 1]),
}


def outcome(f, x):
    try:
        y = f(x)
    except (ValueError, TypeError, IndexError) as error:
        return error
    results = y if isinstance(y, tuple) else (y,)
    return type(y) if isinstance(y, tuple) else None, [
        r.numpy() if isinstance(r, tg.Tensor) else np.asarray(r) for r in results
    ]


@pytest.mark.parametrize("x", ODD.values(), ids=ODD.keys())
@pytest.mark.parametrize("f", FORMS.values(), ids=FORMS.keys())
def test_values_are_those_of_numpy(f, x):
    expected, found = outcome(f, x), outcome(f, tg.tensor(x))
    if isinstance(expected, Exception):
        assert isinstance(found, tg.errors.TensorgradError), (expected, found)
        return
    assert not isinstance(found, Exception), found
    assert found[0] is expected[0]
    for a, b in zip(found[1], expected[1], strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


def test_a_tensor_is_sorted_in_place():
    x = tg.tensor([[3.0, 1.0], [0.0, 2.0]], requires_grad=True)
    y, z = x * 1, x * 1
    before = np.sum(y * np.array([[1.0, 2.0], [3.0, 4.0]]))
    y.sort(axis=0)
    z.partition(0)
    np.sum(y * np.array([[1.0, 10.0], [100.0, 1000.0]]) + z * 1e4).backward(retain_graph=True)
    assert_array_equal(y.numpy(), [[0, 1], [3, 2]])
    assert_array_equal(x.grad.numpy(), [[10100, 10010], [10001, 11000]])
    x.grad = None
    before.backward()
    assert_array_equal(x.grad.numpy(), [[1, 2], [3, 4]])
    with pytest.raises(tg.errors.GraphError, match="sort: "):
        x.sort()
    with pytest.raises(TypeError):
        y.sort(axis=None)


def test_methods_that_return_places():
    x = tg.tensor([3.0, 1.0, 2.0])
    assert x.argsort(kind="stable").tolist() == [1, 2, 0]
    assert x.argpartition(0)[0].item() == 1
    assert np.sort(x).searchsorted([1.0, 2.5], side="right").tolist() == [1, 2]
    assert x.searchsorted(2.5, sorter=[1, 2, 0]).item() == 2
