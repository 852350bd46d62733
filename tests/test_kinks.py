"""The derivative where there is none, or where NumPy's formula would divide by zero: a table."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tensorgrad as tg

NAN, INF = np.nan, np.inf
ORIGIN = [0.0, 0.0]

# name: function, arguments, gradients of the sum of its values
KINKS = {
    "abs": (np.abs, [[-2.0, 0.0, 3.0]], [[-1, 0, 1]]),
    "abs of a complex number": (np.abs, [[0j, 3 + 4j]], [[0, 0.6 + 0.8j]]),
    "fabs": (np.fabs, [[0.0]], [[0]]),
    "sign of a complex number": (np.sign, [[0j, 2.0 + 0j]], [[0, 0]]),
    "sign": (np.sign, [[0.0, 2.0]], [[0, 0]]),
    "maximum": (np.maximum, [[1.0, 2.0, 0.0], [1.0, 0.0, 3.0]], [[0.5, 1, 0], [0.5, 0, 1]]),
    "minimum": (np.minimum, [[1.0, 2.0, 0.0], [1.0, 0.0, 3.0]], [[0.5, 0, 1], [0.5, 1, 0]]),
    "fmax takes a number before NaN": (np.fmax, [[NAN, 1.0], [2.0, NAN]], [[0, 1], [1, 0]]),
    "fmin takes a number before NaN": (np.fmin, [[NAN, 1.0], [2.0, NAN]], [[0, 1], [1, 0]]),
    "maximum takes NaN before a number": (np.maximum, [[NAN, 1.0], [2.0, NAN]], [[1, 0], [0, 1]]),
    "fmax, tied": (np.fmax, [[1.0], [1.0]], [[0.5], [0.5]]),
    "max, two of three": (np.max, [[2.0, 1.0, 2.0]], [[0.5, 0, 0.5]]),
    "max, four": (np.max, [[[2.0, 2.0], [2.0, 2.0]]], [[[0.25, 0.25], [0.25, 0.25]]]),
    "max along an axis": (
        lambda x: np.max(x, axis=1),
        [[[1.0, 1.0], [0.0, 3.0]]],
        [[[0.5, 0.5], [0, 1]]],
    ),
    "min": (np.min, [[1.0, 1.0, 3.0]], [[0.5, 0.5, 0]]),
    "max, tied with where it begins": (lambda x: np.max(x, initial=2.0), [[1.0, 2.0]], [[0, 0.5]]),
    "max of some, tied with where it begins": (
        lambda x, i: np.max(x, initial=i, where=[True, True, False]),
        [[1.0, 2.0, 5.0], 2.0],
        [[0, 0.5, 0], 0.5],
    ),
    "max_pool, tied in windows that overlap": (
        lambda x: tg.max_pool(x, kernel_size=2, stride=1),
        [[[[2.0, 2.0, 1.0, 2.0]]]],
        [[[[0.5, 1.5, 0, 1]]]],
    ),
    "max_pool, two in one row of three that tie": (
        lambda x: tg.max_pool(x, kernel_size=2),
        [[[[[3.0, 3.0], [3.0, 0.0]]]]],
        [[[[[1 / 3, 1 / 3], [1 / 3, 0]]]]],
    ),
    "max_pool of NaN": (
        lambda x: tg.max_pool(x, kernel_size=3),
        [[[[NAN, 3.0, NAN]]]],
        [[[[0.5, 0, 0.5]]]],
    ),
    "lp_pool of zeros": (
        lambda x: tg.lp_pool(x, norm_type=2, kernel_size=2),
        [[[[0.0, 0.0, 3.0, 4.0]]]],
        [[[[0, 0, 0.6, 0.8]]]],
    ),
    "clip at its bounds": (
        lambda x: np.clip(x, -1, 1),
        [[-2.0, -1.0, 0.5, 1.0, 2.0]],
        [[0, 0.5, 1, 0.5, 0]],
    ),
    "clip passes the rest to its bounds": (
        np.clip,
        [[-2.0, -1.0, 0.0, 2.0], -1.0, 1.0],
        [[0, 0.5, 1, 0], 1.5, 1],
    ),
    "std of equal numbers": (np.std, [[3.0, 3.0, 3.0]], [[0, 0, 0]]),
    "std of one number": (np.std, [2.0], [0]),
    "hypot at the origin": (np.hypot, [0.0, 0.0], [0, 0]),
    "hypot of small numbers": (np.hypot, [3e-200, 4e-200], [0.6, 0.8]),
    "arctan2 at the origin": (np.arctan2, [0.0, 0.0], [0, 0]),
    "arctan2 of small numbers": (
        lambda x, y: np.arctan2(x, y) * 1e-200,
        [3e-200, 4e-200],
        [0.16, -0.12],
    ),
    "copysign": (lambda x: np.copysign(x, -1.0), [[0.0, 2.0]], [[0, -1]]),
    "heaviside": (lambda x: np.heaviside(x, 0.5), [[0.0, 2.0]], [[0, 0]]),
    "prod with one zero": (np.prod, [[2.0, 0.0, 3.0]], [[0, 6, 0]]),
    "prod with two zeros": (np.prod, [[0.0, 0.0, 3.0]], [[0, 0, 0]]),
    "prod of one number": (np.prod, [[0.0]], [[1]]),
    "x**0 at 0": (lambda x: x**0, [0.0], [0]),
    "x**0.0 at 0": (lambda x: x**0.0, [0.0], [0]),
    "x**1 at 0": (lambda x: x**1, [0.0], [1]),
    "x**2 at 0": (lambda x: x**2, [0.0], [0]),
    "x**y at 0, for an array y": (lambda x: x ** np.array([0, 1, 2]), [[0.0] * 3], [[0, 1, 0]]),
    "x**y at an unsigned y = 0": (lambda x: x ** np.zeros(1, np.uint8), [[30.0]], [[0]]),
    "x**y of a small integer x": (lambda y: np.uint8(3) ** y, [2.0], [9 * np.log(3.0)]),
    "x**y of a negative x": (lambda y: (-1.0) ** y, [1 + 0j], [1j * np.pi]),
    "0**y": (lambda y: 0.0**y, [2.0], [0]),
    "where takes no NaN from the branch not taken": (
        lambda x, y: np.where([True, False], x, y),
        [[1.0, NAN], [NAN, 2.0]],
        [[1, 0], [0, 1]],
    ),
    "sort, three that tie": (
        lambda x: np.sort(x) * np.array([1.0, 10.0, 100.0, 1000.0]),
        [[2.0, 1.0, 2.0, 2.0]],
        [[370, 1, 370, 370]],
    ),
    "sort of equal numbers is at both ends what max and min are": (
        lambda x: np.sort(x)[[0, -1]] * np.array([1.0, 10.0]),
        [[2.0, 2.0]],
        [[5.5, 5.5]],
    ),
    "partition": (lambda x: np.partition(x, 1)[1], [[2.0, 1.0, 2.0, 3.0]], [[0.5, 0, 0.5, 0]]),
    "unique": (
        lambda x: np.unique(x) * np.array([1.0, 10.0]),
        [[2.0, 1.0, 2.0]],
        [[5, 1, 5]],
    ),
    "intersect1d": (np.intersect1d, [[2.0, 1.0, 2.0], [2.0, 5.0]], [[1 / 3, 0, 1 / 3], [1 / 3, 0]]),
    "interp at its points": (
        lambda x, xp, fp: np.interp(x, xp, fp),
        [[0.0, 1.0, 3.0], [0.0, 1.0, 3.0], [0.0, 2.0, 3.0]],
        [[1, 1.25, 0.25], [-1, -1.25, -0.25], [1, 1, 1]],
    ),
    "interp outside of its points": (
        lambda x, left, right: np.interp(x, [0.0, 1.0], [0.0, 2.0], left, right),
        [[-1.0, 0.5, 2.0], 5.0, 7.0],
        [[0, 2, 0], 1, 1],
    ),
    "interp where it jumps": (
        lambda x, left, right: np.interp(x, [0.0, 1.0], [0.0, 2.0], left, right),
        [[0.0, 1.0], 5.0, 7.0],
        [[2, 2], 0, 0],
    ),
    "interp where it does not": (
        lambda x, left, right: np.interp(x, [0.0, 1.0], [0.0, 2.0], left, right),
        [[0.0, 1.0], 0.0, 2.0],
        [[1, 1], 0, 0],
    ),
    "interp takes nothing from beside a jump": (
        lambda x, xp, fp: np.interp(x, xp, fp),
        [[0.5], [0.0, 1.0, 1.0, 2.0, 3.0], [0.0, 2.0, 4.0, NAN, 5.0]],
        [[2], [-1, -1, 0, 0, 0], [0.5, 0.5, 0, 0, 0]],
    ),
    "choose takes no NaN from what is not chosen": (
        lambda x, y: np.choose([0, 1], [x, y]),
        [[1.0, NAN], [NAN, 2.0]],
        [[1, 0], [0, 1]],
    ),
    "sum where not NaN": (lambda x: np.sum(x, where=~np.isnan(x)), [[NAN, 2.0]], [[0, 1]]),
    "var where not NaN": (
        lambda x: np.var(x, where=~np.isnan(x)),
        [[NAN, 2.0, 4.0]],
        [[0, -1, 1]],
    ),
    "logaddexp of two logarithms of zero": (np.logaddexp, [-INF, -INF], [0.5, 0.5]),
    "logaddexp of one logarithm of zero": (np.logaddexp, [-INF, 1.0], [0, 1]),
    "logaddexp2 of two logarithms of zero": (np.logaddexp2, [-INF, -INF], [0.5, 0.5]),
    "logaddexp of infinities": (
        np.logaddexp,
        [[INF, INF, 1.0], [1.0, INF, INF]],
        [[1, 0.5, 0], [0, 0.5, 1]],
    ),
    "logaddexp of large numbers": (
        np.logaddexp,
        [1e15, 1e15 - 1],
        [1 / (1 + np.exp(-1.0)), 1 / (1 + np.exp(1.0))],
    ),
    "expm1 far below 0": (np.expm1, [[-40.0, 0.0]], [[np.exp(-40.0), 1]]),
    "arcsinh of a large number": (np.arcsinh, [[1e200, 0.0]], [[1e-200, 1]]),
    "arccosh": (np.arccosh, [[1e200, 1 + 2.0**-40]], [[1e-200, (2.0**-39 + 2.0**-80) ** -0.5]]),
    "arcsin near 1": (np.arcsin, [1 - 2.0**-40], [(2.0**-39 - 2.0**-80) ** -0.5]),
    "arctanh near 1": (np.arctanh, [1 - 2.0**-40], [1 / (2.0**-39 - 2.0**-80)]),
    "arcsin on its branch cut, from above": (np.arcsin, [2 + 0j], [-1j * 3**-0.5]),
    "arccos on its branch cut, from above": (np.arccos, [2 + 0j], [1j * 3**-0.5]),
    "arccos on its branch cut, from below": (np.arccos, [complex(2, -0.0)], [-1j * 3**-0.5]),
    "arcsinh on its branch cut": (np.arcsinh, [complex(0, -2)], [-1j * 3**-0.5]),
    "norm at the origin": (np.linalg.norm, [ORIGIN], [ORIGIN]),
    "norm of order 3 at the origin": (lambda x: np.linalg.norm(x, 3), [ORIGIN], [ORIGIN]),
    "norm of order inf, tied": (lambda x: np.linalg.norm(x, np.inf), [[3.0, -3.0]], [[0.5, -0.5]]),
    "norm of order 1 of a matrix, tied": (
        lambda x: np.linalg.norm(x, 1),
        [[[3.0, -1.0], [0.0, 2.0]]],
        [[[0.5, -0.5], [0, 0.5]]],
    ),
    "spectral norm, tied": (lambda x: np.linalg.norm(x, 2), [-np.eye(2)], [-np.eye(2) / 2]),
    "nuclear norm of a singular matrix": (
        lambda x: np.linalg.norm(x, "nuc"),
        [np.diag([2.0, 0.0])],
        [np.diag([1, 0])],
    ),
    "the least of equal eigenvalues": (
        lambda x: np.linalg.eigvalsh(x)[0],
        [2 * np.eye(2)],
        [np.eye(2) / 2],
    ),
    "det of a singular matrix": (np.linalg.det, [np.ones((2, 2))], [[[1, -1], [-1, 1]]]),
    "det of a matrix of rank 0": (np.linalg.det, [np.zeros((3, 3))], [np.zeros((3, 3))]),
    "cbrt": (np.cbrt, [[-8.0, 8.0]], [[1 / 12, 1 / 12]]),
    "sinc at 0": (np.sinc, [[0.0, 1.0]], [[0, -1]]),
    "i0 at 0": (np.i0, [0.0], [0]),
    "median of two that tie in the middle": (np.median, [[1.0, 3.0, 1.0]], [[0.5, 0, 0.5]]),
    "median of equal numbers": (np.median, [[2.0, 2.0, 2.0, 2.0]], [[0.25, 0.25, 0.25, 0.25]]),
    "nanmedian": (np.nanmedian, [[NAN, 1.0, 4.0, 2.0]], [[0, 0, 0, 1]]),
    "quantile at an entry, by q": (lambda q: np.quantile(tg.tensor([0.0, 1, 4]), q), [0.5], [4]),
    "quantile of all, by q": (lambda q: np.quantile(tg.tensor([0.0, 1, 4]), q), [1.0], [6]),
    "quantile of none, by q": (lambda q: np.quantile(tg.tensor([0.0, 1, 4]), q), [0.0], [2]),
    "quantile that jumps, by q": (
        lambda q: np.quantile(tg.tensor([0.0, 1, 4]), q, method="lower"),
        [0.7],
        [0],
    ),
    "quantile below all, by q": (
        lambda q: np.quantile(tg.tensor([0.0, 1, 4]), q, method="weibull"),
        [0.1],
        [0],
    ),
    "weighted quantile of equal numbers, one of which has the weight": (
        lambda x: np.quantile(x, 0.5, method="inverted_cdf", weights=[1.0, 5.0, 2.0]),
        [[3.0, 3.0, 3.0]],
        [[0, 1, 0]],
    ),
    "weighted quantile of equal numbers, one of which has no weight": (
        lambda x: np.quantile(x, 0.5, method="inverted_cdf", weights=[1.0, 1.0, 0.0, 1.0]),
        [[3.0, 3.0, 3.0, 9.0]],
        [[0.5, 0.5, 0, 0]],
    ),
    "weighted quantile of equal numbers, where a share is reached exactly": (
        lambda x: np.quantile(x, 0.8, method="inverted_cdf", weights=[0.1, 0.3, 0.1]),
        [[0.0, 1.0, 1.0]],
        [[0, 1, 0]],
    ),
    "weighted quantiles of an infinity, and of equal numbers": (
        lambda x: np.quantile(
            x, 1.0, axis=1, method="inverted_cdf", weights=[[1.0, 1.0], [0.0, 1.0]]
        ),
        [[[INF, 1.0], [2.0, 2.0]]],
        [[[1, 0], [0, 1]]],
    ),
    "weighted quantile of infinities": (
        lambda x: np.quantile(x, 0.5, method="inverted_cdf", weights=[1.0, 5.0, 2.0]),
        [[-INF, INF, INF]],
        [[0, 0.5, 0.5]],
    ),
    "nanmax": (np.nanmax, [[NAN, 3.0, 3.0, 1.0]], [[0, 0.5, 0.5, 0]]),
    "nanmax of infinities": (np.nanmax, [[NAN, -INF, -INF]], [[0, 0.5, 0.5]]),
    "nanmin of infinities by rows": (
        lambda x: np.nanmin(x, axis=1),
        [[[NAN, INF], [NAN, 2.0]]],
        [[[0, 1], [0, 1]]],
    ),
    "nanmean": (np.nanmean, [[NAN, 3.0, 5.0]], [[0, 0.5, 0.5]]),
    "nanprod": (np.nanprod, [[NAN, 0.0, 5.0]], [[0, 5, 0]]),
    "nanvar": (np.nanvar, [[NAN, 2.0, 4.0]], [[0, -1, 1]]),
    "nan_to_num": (np.nan_to_num, [[NAN, INF, -INF, 2.0]], [[0, 0, 0, 1]]),
    "nan_to_num of a complex number": (np.nan_to_num, [[complex(NAN, 2)]], [[0]]),
    "cumprod with two zeros": (np.cumprod, [[2.0, 0.0, 3.0, 0.0]], [[1, 8, 0, 0]]),
    "modf at a whole number": (lambda x: np.modf(x)[0], [[2.0, -2.5]], [[1, 1]]),
    "root of a polynomial at 0": (lambda p: np.roots(p)[-1], [[2.0, 4.0, 0.0]], [[0, 0, -0.25]]),
    "ptp of equal numbers": (np.ptp, [[1.0, 1.0]], [[0, 0]]),
    "remainder of a negative number": (np.remainder, [-3.5, 2.0], [1, 2]),
    "fmod of a negative number": (np.fmod, [-3.5, 2.0], [1, 1]),
}


def gradient(f, *args):
    value, pullback = tg.vjp(f, *(np.array(arg) for arg in args))
    return pullback(np.ones_like(value))


@pytest.mark.parametrize(("f", "args", "expected"), KINKS.values(), ids=KINKS.keys())
def test_gradient(f, args, expected):
    for found, want in zip(gradient(f, *args), expected, strict=True):
        np.testing.assert_allclose(found, want, rtol=1e-14, atol=0)


@pytest.mark.parametrize(("f", "args", "expected"), KINKS.values(), ids=KINKS.keys())
def test_both_modes_agree(f, args, expected):
    rng = np.random.default_rng(0)
    ts = [rng.uniform(-1, 1, np.shape(arg)) for arg in args]
    _, tangent = tg.jvp(f, tuple(np.array(arg) for arg in args), tuple(ts))
    pulled = sum(np.sum(np.real(np.conj(g) * t)) for g, t in zip(expected, ts, strict=True))
    np.testing.assert_allclose(np.real(np.sum(tangent)), pulled, rtol=1e-13, atol=1e-14)


def test_second_derivatives_where_a_formula_begins_with_a_zero():
    # x**2 and x**3 by array exponents, the product rule of prod, and x * |x| at 0
    second = tg.grad(tg.grad(lambda x: np.sum(x ** np.array([2, 3]))))
    assert_array_equal(second(0.0), 2)
    for f, want in (
        (lambda x: np.prod(np.stack([x, x, 3.0])), 6),
        (lambda x: np.prod(np.stack([x, x, x])), 0),
        (lambda x: x * np.abs(x), 0),
    ):
        assert_array_equal(tg.grad(tg.grad(f))(0.0), want)
