"""Interpolation and histograms: what the laws do not draw."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import tensorgrad as tg
from tensorgrad.errors import TensorgradError

NAN, INF = np.nan, np.inf
XP, FP = np.array([-1.0, 0.0, 0.0, 2.0, 5.0]), np.array([3.0, -2.0, 4.0, 4.0, 1.0])
X = np.array([-INF, -3.0, -1.0, -0.3, 0.0, 1.0, 2.0, 4.5, 5.0, 9.0, INF, NAN])
INTERPS = {
    "plain": lambda x, xp, fp: np.interp(x, xp, fp),
    "left and right": lambda x, xp, fp: np.interp(x, xp, fp, left=7, right=-7),
    "left of a tensor": lambda x, xp, fp: np.interp(x, xp, fp, fp[1] * 2),
    "periodic": lambda x, xp, fp: np.interp(x[1:-2], xp, fp, period=3.5),
    "periodic, by a tensor": lambda x, xp, fp: np.interp(x[1:-2], xp, fp, period=xp[-1]),
    "one point": lambda x, xp, fp: np.interp(x, xp[:1], fp[:1]),
    "one number": lambda x, xp, fp: np.interp(0.7, xp, fp),
    "complex": lambda x, xp, fp: np.interp(x, xp, fp * 1j + xp),
    "no points": lambda x, xp, fp: np.interp(x, xp[:0], fp[:0]),
    "too few values": lambda x, xp, fp: np.interp(x, xp, fp[:2]),
    "no period": lambda x, xp, fp: np.interp(x, xp, fp, period=0),
    "single precision": lambda x, xp, fp: np.interp(
        x.astype("f4"), xp.astype("f4"), [1, 2, 3, 4, 5]
    ),
    "not a number": lambda x, xp, fp: np.interp(x, xp, fp * [1, NAN, 1, 1, 1]),
}


def outcome(f, *args):
    with np.errstate(all="ignore"):
        try:
            return f(*args)
        except (ValueError, TypeError) as error:
            return error


@pytest.mark.parametrize("f", INTERPS.values(), ids=INTERPS.keys())
def test_interp_is_that_of_numpy(f):
    expected = outcome(f, X, XP, FP)
    found = outcome(f, tg.tensor(X), tg.tensor(XP), tg.tensor(FP))
    if isinstance(expected, Exception):
        assert isinstance(found, TensorgradError)
        return
    assert isinstance(found, tg.Tensor), found
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    assert_allclose(found.numpy(), expected, rtol=1e-14)


def test_interp_between_infinite_values():
    x, xp = np.array([0.5, 1.0, 1.5, 2.5]), np.arange(4.0)
    for fp in ([0, INF, INF, 1], [-INF, 0, 1, INF], [1, 2, NAN, 3]):
        with np.errstate(invalid="ignore"):
            found = np.interp(tg.tensor(x), xp, fp)
        assert_array_equal(found.numpy(), np.interp(x, xp, fp))


numbers = st.lists(st.integers(-8, 8), min_size=1, max_size=9).map(lambda x: np.array(x) / 4)


@given(a=numbers, n=st.integers(1, 5), how=st.sampled_from(["", "range", "edges", "rule"]))
def test_a_histogram_moves_and_stretches_with_its_samples(a, n, how):
    weights = np.cos(np.arange(a.size)) + 2

    def histogram(a, weights, one, shift):
        # whichever way the edges are given, they move as the samples do
        given = {
            "": (n, None),
            "range": (n, (one * -2 + shift, one * 3 + shift)),
            "edges": (np.linspace(-2, 3, n + 1) * one + shift, None),
            "rule": ("sqrt", None),
        }[how]
        return np.histogram(a * one + shift, *given, True, None if how == "rule" else weights)

    one, shift = np.array(1.0), np.array(0.0)
    (density, edges), pullback = tg.vjp(lambda *args: histogram(*args), a, weights, one, shift)
    expected = histogram(a, weights, 1.0, 0.0)
    assert_allclose(density, expected[0], rtol=1e-13)
    assert_allclose(edges, expected[1], rtol=1e-13)
    flat = np.ptp(a) == 0 and how in ("", "rule")  # edges half a unit to either side
    seed = np.sin(np.arange(density.size)) + 2, np.zeros(edges.size)
    _, by_weights, by_one, by_shift = pullback(seed)
    # a density does not change with the scale of weights, shrinks as its bins are stretched
    assert_allclose(np.sum(by_weights * weights), 0, atol=1e-12)
    assert_allclose(by_shift, 0, atol=1e-12)
    if not flat:
        assert_allclose(by_one, -np.sum(seed[0] * density), rtol=1e-10)
    by_edges = pullback((np.zeros(density.size), np.ones(edges.size)))
    assert_allclose(by_edges[3], edges.size, rtol=1e-12)
    assert_allclose(by_edges[2], np.sum(edges) if not flat else a[0] * edges.size, atol=1e-10)


FORMS = {
    "histogram": lambda a: np.histogram(a),
    "histogram by a rule": lambda a: np.histogram(a, "fd"),
    "histogram in a range": lambda a: np.histogram(a, 3, (0, 1)),
    "histogram of integer weights": lambda a: np.histogram(a, 3, weights=np.arange(a.size)),
    "histogram of complex weights": lambda a: np.histogram(a, 3, weights=1j * np.arange(a.size)),
    "histogram by edges": lambda a: np.histogram(a, [0, 1, 4], density=True),
    "histogram, edges in no order": lambda a: np.histogram(a, [0, 4, 1]),
    "histogram in no bins": lambda a: np.histogram(a, 0),
    "histogram_bin_edges": lambda a: np.histogram_bin_edges(a, "auto"),
    "histogram2d": lambda a: np.histogram2d(a, a[::-1]),
    "histogram2d by edges": lambda a: np.histogram2d(a, a, [0, 1, 2, 9]),
    "histogram2d by edges of each": lambda a: np.histogram2d(a, a, [[0, 1, 2, 9], 3]),
    "histogramdd of a row": lambda a: np.histogramdd(a, 3),
    "histogramdd of a list": lambda a: np.histogramdd([a, a * a], [2, [0, 1, 5]]),
    "histogramdd of a matrix": lambda a: np.histogramdd(np.stack([a, a, a], 1), 2, density=True),
    "histogramdd in a range": lambda a: np.histogramdd([a, a], 2, [None, (0, 3)]),
    "histogramdd, too many bins": lambda a: np.histogramdd([a, a], [2, 2, 2]),
}
SAMPLES = {
    "f8": np.array([0.5, 2.0, 1.25, 3.5, 2.0]),
    "f4": np.array([0.5, 2.0, 1.25, 3.5, 2.0], "f4"),
    "i8": np.array([1, 4, 2, 2]),
    "equal": np.array([2.0, 2.0]),
    "not a number": np.array([NAN, 1.0]),
}


@pytest.mark.parametrize("a", SAMPLES.values(), ids=SAMPLES.keys())
@pytest.mark.parametrize("f", FORMS.values(), ids=FORMS.keys())
def test_histograms_are_those_of_numpy(f, a):
    expected, found = outcome(f, a), outcome(f, tg.tensor(a))
    if isinstance(expected, Exception):
        assert isinstance(found, TensorgradError), found
        return
    assert not isinstance(found, Exception), found
    for x, y in zip(flat(found), flat(expected), strict=True):
        assert isinstance(x, tg.Tensor)
        assert (x.shape, x.dtype) == (y.shape, y.dtype)
        assert_allclose(x.numpy(), y, rtol=1e-6 if y.dtype == "f4" else 1e-13)


def flat(results):
    if isinstance(results, tuple | list):
        return [leaf for result in results for leaf in flat(result)]
    return [results]


def test_bincount():
    x = tg.tensor([1, 3, 1])
    assert np.bincount(x, minlength=5).tolist() == [0, 2, 0, 1, 0]
    assert_array_equal(tg.grad(lambda w: np.bincount([1, 3, 1], w)[1])(np.ones(3)), [1, 0, 1])
    with pytest.raises(TensorgradError, match=r"np\.bincount: "):
        np.bincount(tg.tensor([0.5]))
