"""Planted errors are named, with the right axis, factor and shift; unrelated arrays are not."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tensorgrad.testing.diagnosis.patterns import pattern

TOLERANCE = 1e-9
seeds = st.integers(0, 2**32 - 1)
# most tests here run once for each of many errors
few = settings(max_examples=max(settings.default.max_examples // 10, 10))


def noisy(x, rng):
    """Return x, with errors that the tolerance allows for."""
    return x + rng.uniform(-0.2, 0.2, x.shape) * TOLERANCE


def normal(shape, seed, complex_numbers=False):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    return (x + 1j * rng.normal(size=shape) if complex_numbers else x), rng


# ---- pattern: errors of the same shape ----------------------------------------------------------
# Each takes the right gradient x, of three axes with three to five entries, one of the axes, a
# shift k that is less than its length, and a generator, and returns a wrong gradient with its name.


ERRORS = []


def planted(error):
    ERRORS.append(error)
    return error


def index(x, axis):
    return np.indices(x.shape)[axis]


@planted
def factor(x, axis, k, rng):
    c = rng.uniform(2.1, 2.9)
    return c * x, f"multiplied by {c:.6g}"


@planted
def off_factor(x, axis, k, rng):
    return x * (1 + 1e-6), "multiplied by 1.00000100 (a relative error of 1e-06: a constant is"


@planted
def divided_by_length(x, axis, k, rng):
    n = x.shape[axis]
    return x / n, f"divided by {n} (the length of axis {x.shape.index(n)})"


@planted
def multiplied_by_size(x, axis, k, rng):
    return x * x.size, f"multiplied by {x.size} (the number of entries)"


@planted
def ddof(x, axis, k, rng):
    n = x.shape[axis]
    return x * n / (n - 1), f"multiplied by {n}/{n - 1} "


@planted
def flipped(x, axis, k, rng):
    return np.flip(x, axis), f"flipped along axis {axis}"


@planted
def flipped_twice(x, axis, k, rng):
    a, b = sorted({0, 1, 2} - {axis})
    return np.flip(x, (a, b)), f"flipped along axes {a} and {b}"


@planted
def flipped_and_negated(x, axis, k, rng):
    return -np.flip(x, axis), f"flipped along axis {axis} and negated"


@planted
def rolled(x, axis, k, rng):
    n = x.shape[axis]
    shortest = min((k, k - n), key=lambda k: (abs(k), k < 0))
    return np.roll(x, k, axis), f"rolled by {shortest} along axis {axis}"


def padded(x, axis, k, edge):
    """Return x moved by k along an axis, with other entries moving in."""
    x, edge = np.moveaxis(x, axis, 0), np.moveaxis(np.broadcast_to(edge, x.shape), axis, 0)
    return np.moveaxis(np.concatenate([edge[:k], x[:-k]]), 0, axis)


@planted
def shifted(x, axis, k, rng):
    return padded(x, axis, k, 0), f"shifted by {k} along axis {axis}, zeros moving in"


@planted
def shifted_back(x, axis, k, rng):
    back = np.flip(padded(np.flip(x, axis), axis, k, 0), axis)
    return back, f"shifted by -{k} along axis {axis}, zeros moving in"


@planted
def shifted_along_two(x, axis, k, rng):
    a, b = sorted({0, 1, 2} - {axis})
    return padded(padded(x, a, 1, 0), b, 1, 0), f"shifted by 1 along axes {a} and {b}, zeros"


@planted
def shifted_but_for_the_edge(x, axis, k, rng):
    found = padded(x, axis, 1, rng.normal(size=x.shape))
    return found, f"shifted by 1 along axis {axis}, except for what moves in"


@planted
def averaged(x, axis, k, rng):
    mean = x.sum(axis, keepdims=True) / x.shape[axis]
    return mean + 0 * x, f"everywhere along axis {axis} the mean of the right"


@planted
def summed(x, axis, k, rng):
    found = x.sum(axis, keepdims=True) + 0 * x
    return found, f"everywhere along axis {axis} the sum of the right"


@planted
def detached(x, axis, k, rng):
    return 0 * x, "zero everywhere"


@planted
def entry_dropped(x, axis, k, rng):
    place = tuple(int(rng.integers(side)) for side in x.shape)
    found = x.copy()
    found[place] = 0
    return found, f"zero at {place}"


@planted
def entry_wrong(x, axis, k, rng):
    place = tuple(int(rng.integers(side)) for side in x.shape)
    found = x.copy()
    found[place] += rng.normal()
    return found, f"wrong only at {place}"


@planted
def slice_dropped(x, axis, k, rng):
    last = x.shape[axis] - 1
    name = "the last index" if k == last else f"index {k}"
    return np.where(index(x, axis) == k, 0, x), f"zero at {name} along axis {axis}"


@planted
def some_dropped(x, axis, k, rng):
    mask = np.zeros(x.shape, bool)
    mask[0, 0, 0] = mask[1, 1, 1] = mask[2, 2, 0] = True
    return np.where(mask, 0, x), "zero at (0, 0, 0), (1, 1, 1), (2, 2, 0)"


@planted
def half_negated(x, axis, k, rng):
    n = x.shape[axis]
    where = "the last index" if k == n - 1 else f"index >= {k}"
    return np.where(index(x, axis) >= k, -x, x), f"negated at {where} along axis {axis}"


@planted
def half_doubled(x, axis, k, rng):
    where = "index 0" if k == 1 else f"index < {k}"
    found = np.where(index(x, axis) < k, 2 * x, x)
    return found, f"multiplied by 2 at {where} along axis {axis}"


@planted
def half_wrong(x, axis, k, rng):
    where = "the last index" if k == x.shape[axis] - 1 else f"index >= {k}"
    found = np.where(index(x, axis) >= k, rng.normal(size=x.shape), x)
    return found, f"wrong only at {where} along axis {axis}"


@planted
def every_second_wrong(x, axis, k, rng):
    name = "index 1" if x.shape[axis] == 3 else "index % 2 == 1"
    found = np.where(index(x, axis) % 2 == 1, rng.normal(size=x.shape), x)
    return found, f"wrong only at {name} along axis {axis}"


@planted
def above_diagonal_wrong(x, axis, k, rng):
    above = np.where(np.tri(*x.shape[-2:]), x, rng.normal(size=x.shape))
    return above, "wrong only above the diagonal of the last two axes"


@planted
def absolute(x, axis, k, rng):
    return abs(x), "absolute"


@planted
def nan_at_index(x, axis, k, rng):
    last = x.shape[axis] - 1
    name = "the last index" if k == last else f"index {k}"
    return np.where(index(x, axis) == k, np.nan, x), f"NaN at {name} along axis {axis}"


@planted
def centred(x, axis, k, rng):
    return x - x.mean(axis, keepdims=True), f"off by the same amount along axis {axis}"


@planted
def off_by_constant(x, axis, k, rng):
    return x + 0.25, "off by 0.25 everywhere"


@planted
def in_any_order(x, axis, k, rng):
    return rng.permutation(x.ravel()).reshape(x.shape), "the right numbers in another order"


@planted
def fortran_order(x, axis, k, rng):
    return x.ravel(order="F").reshape(x.shape), "read in Fortran order"


@planted
def three_digits(x, axis, k, rng):
    error = rng.uniform(1e-4, 9e-4, x.shape) * abs(x).max()
    return x + error * rng.choice([-1, 1], x.shape), "right to 3 digits"


@planted
def in_float32(x, axis, k, rng):
    error = rng.uniform(-2e-7, 2e-7, x.shape) * abs(x).max()
    return x + error, "right to 6 digits of the largest entry only: as if computed in float32"


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
@few
@given(st.permutations([3, 4, 5]), st.integers(0, 2), st.data(), seeds)
def test_an_error_is_named(error, shape, axis, data, seed):
    x, rng = normal(shape, seed)
    k = data.draw(st.integers(1, shape[axis] - 1))
    found, name = error(x, axis, k, rng)
    guess = pattern(noisy(found, rng), x, tolerance=TOLERANCE)
    assert guess is not None
    assert guess.startswith(name)


# ---- pattern: other errors ----------------------------------------------------------------------


ORDERED = "transposed: its axes in the order"
RESHAPED = "the right numbers in the shape"


@pytest.mark.parametrize("axes", [(0, 1), (1, 2), (0, 2)])
@few
@given(seeds)
def test_two_exchanged_axes_are_named(axes, seed):
    x, rng = normal((4, 4, 4), seed)
    guess = pattern(noisy(np.swapaxes(x, *axes), rng), x, tolerance=TOLERANCE)
    assert guess == f"transposed: axes {axes[0]} and {axes[1]} exchanged"


@pytest.mark.parametrize("order", [(1, 2, 0), (2, 0, 1)])
def test_a_cycle_of_axes_is_named(order):
    x, _ = normal((3, 3, 3), 0)
    found = np.einsum(f"abc->{''.join('abc'[axis] for axis in order)}", x)
    assert pattern(found, x, tolerance=0) == f"{ORDERED} {order}"


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (np.conj, "conjugated"),
        (lambda x: 1j * x, "multiplied by i"),
        (lambda x: -1j * x, "multiplied by -i"),
        (lambda x: (1 + 2j) * x, "multiplied by 1+2j"),
        (lambda x: x.real, "real part only"),
        (lambda x: np.conj(x.T), "transposed: axes 0 and 1 exchanged and conjugated"),
        (lambda x: np.asarray(x, "complex64"), "rounded to float32"),
    ],
)
@few
@given(seeds)
def test_errors_of_complex_numbers_are_named(error, name, seed):
    x, _ = normal((3, 3), seed, complex_numbers=True)
    assert pattern(error(x), x, tolerance=TOLERANCE) == name


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@given(seeds)
def test_rounding_is_named(dtype, seed):
    x, _ = normal((3, 4), seed)
    assert pattern(x.astype(dtype).astype(float), x, tolerance=1e-12) == f"rounded to {dtype}"


@given(seeds)
def test_a_relative_error_too_small_to_see_elsewhere_is_a_factor(seed):
    x, _ = normal((3, 4), seed)
    for power in range(3, 12):
        guess = pattern(x * (1 - 10.0**-power), x, tolerance=abs(x) * 1e-14)
        assert guess.startswith(f"multiplied by {1 - 10.0**-power:.{power + 2}f} (a relative error")


@given(seeds)
def test_the_gradient_of_another_argument_is_named(seed):
    x, rng = normal((3, 4), seed)
    others = {"a": rng.normal(size=(3, 4)), "b": rng.normal(size=(3, 4)), "c": rng.normal(size=2)}
    guess = pattern(noisy(others["b"], rng), x, tolerance=TOLERANCE, others=others)
    assert guess == "the gradient with respect to b"


def test_entries_that_should_be_zero_are_named():
    x, _ = normal((4, 4), 0)
    assert (
        pattern(x, np.tril(x), tolerance=TOLERANCE)
        == "not zero above the diagonal of the last two axes, where it should be"
    )


@pytest.mark.parametrize(
    ("found_shape", "shape", "error", "name"),
    [
        ((4, 3), (3,), lambda g: g.sum(0), "not summed over axis 0"),
        ((4, 3), (4, 1), lambda g: g.sum(1)[:, np.newaxis], "not summed over axis 1"),
        ((4, 3, 2), (3,), lambda g: g.sum((0, 2)), "not summed over axes 0 and 2"),
        ((4, 3), (3, 4), lambda g: g.T, "transposed: axes 0 and 1 exchanged"),
        ((2, 3, 4), (3, 4, 2), lambda g: np.moveaxis(g, 0, 2), f"{ORDERED} (2, 0, 1)"),
        ((12,), (3, 4), lambda g: g.reshape(3, 4), f"{RESHAPED} (12,) in place of (3, 4)"),
        ((3,), (4, 3), lambda g: np.stack([g] * 4), "of shape (3,), not expanded to (4, 3)"),
        ((4,), (4, 3), lambda g: np.stack([g] * 3, 1), "of shape (4,), not expanded to (4, 3)"),
        ((4, 1), (4, 3), lambda g: np.hstack([g] * 3), "of shape (4, 1), not expanded to (4, 3)"),
    ],
)
@few
@given(seeds)
def test_errors_of_shape_are_named(found_shape, shape, error, name, seed):
    found, rng = normal(found_shape, seed)
    expected = error(found)
    assert expected.shape == shape
    assert pattern(found, expected, tolerance=TOLERANCE) == name
    assert pattern(rng.normal(size=found_shape), expected, tolerance=TOLERANCE) is None


def test_the_order_of_transposed_axes_is_from_right_to_found():
    x, _ = normal((2, 3, 4), 0)
    guess = pattern(np.transpose(x, (2, 0, 1)), x, tolerance=0)
    assert guess == f"{ORDERED} (2, 0, 1)"


# ---- pattern: what is not known, and what is not claimed ----------------------------------------


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (lambda x: -x, "negated"),
        (lambda x: 2.37 * x, "multiplied by 2.37"),
        (lambda x: np.flip(x, 1), "flipped along axis 1"),
        (lambda x: np.roll(x, 1, 0), "rolled by 1 along axis 0"),
        (lambda x: 0 * x, "zero everywhere: detached, or not passed on"),
    ],
)
@few
@given(seeds, st.integers(7, 30))
def test_a_few_known_entries_tell(error, name, seed, known):
    # more than there are where a flip moves nothing, or what a roll moves to the same place
    x, rng = normal((5, 6), seed)
    mask = rng.permutation(x.size).reshape(x.shape) < known
    assert pattern(error(x), np.where(mask, x, np.nan), tolerance=TOLERANCE) == name


@given(st.lists(st.integers(1, 4), max_size=3), seeds, st.booleans(), st.floats(0.1, 1))
def test_nothing_is_claimed_of_unrelated_arrays(shape, seed, complex_numbers, part):
    x, _ = normal(shape, seed, complex_numbers)
    found, rng = normal(shape, seed + 1, complex_numbers)
    expected = np.where(rng.random(shape) < part, x, np.nan)
    others = {"y": rng.normal(size=shape)}
    assert pattern(found, expected, tolerance=TOLERANCE, others=others) is None


@given(seeds, st.floats(1e-3, 0.3))
def test_nothing_is_claimed_where_the_tolerance_is_wide(seed, tolerance):
    x, _ = normal((4, 5), seed)
    found, _ = normal((4, 5), seed + 1)
    assert pattern(found, x, tolerance=tolerance) is None


@given(seeds, st.floats(1e-6, 0.1))
def test_errors_just_beyond_the_tolerance_are_no_pattern(seed, tolerance):
    x, rng = normal((4, 5), seed)
    found = x + tolerance * rng.uniform(-1.5, 1.5, x.shape)
    guess = pattern(found, x, tolerance=tolerance)
    # which entries are wrong, and how little, may be said
    assert guess is None or guess.startswith(("wrong only at", "right to"))


@given(st.lists(st.integers(-2, 2), min_size=1, max_size=6), st.data())
def test_what_is_claimed_of_whole_numbers_is_true(entries, data):
    x = np.array(entries, float)
    n = len(x)
    found = np.array(data.draw(st.lists(st.integers(-2, 2), min_size=n, max_size=n)), float)
    true_of = {
        "negated": -x,
        "absolute": abs(x),
        "zero everywhere: detached, or not passed on": 0 * x,
        "flipped along axis 0": x[::-1],
        "flipped along axis 0 and negated": -x[::-1],
        "multiplied by 2": 2 * x,
        "divided by 2": x / 2,
    }
    for k in range(-n, n + 1):
        true_of[f"rolled by {k} along axis 0"] = [x[(i - k) % n] for i in range(n)]
        true_of[f"zero at ({k})"] = [0 if i == k else x[i] for i in range(n)]
    guess = pattern(found, x, tolerance=0)
    assert (guess is None) or not np.array_equal(found, x)
    if guess in true_of:
        np.testing.assert_array_equal(found, true_of[guess])


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_of_one_entry_only_simple_factors_are_claimed(shape):
    x = np.full(shape, 1.7)
    assert pattern(-x, x, tolerance=TOLERANCE) == "negated"
    assert pattern(2 * x, x, tolerance=TOLERANCE) == "multiplied by 2"
    assert pattern(x / 2, x, tolerance=TOLERANCE) == "divided by 2"
    assert pattern(0 * x, x, tolerance=TOLERANCE).startswith("zero everywhere")
    assert pattern(1.234 * x, x, tolerance=TOLERANCE) is None
    assert pattern(1.005 * x, x, tolerance=TOLERANCE) is None
    assert pattern(1.0000001 * x, x, tolerance=TOLERANCE).startswith("right to")
    assert pattern(np.nan * x, x, tolerance=TOLERANCE) == "NaN everywhere"
    assert pattern(np.inf * x, x, tolerance=TOLERANCE) == "not finite everywhere"


def test_nothing_is_said_where_nothing_is_wrong():
    x, rng = normal((3, 4), 0)
    assert pattern(noisy(x, rng), x, tolerance=TOLERANCE) is None
    assert pattern(-x, np.full((3, 4), np.nan), tolerance=TOLERANCE) is None
    assert pattern(np.zeros((0, 3)), np.zeros((0, 3)), tolerance=TOLERANCE) is None
    assert pattern(np.zeros((0, 3)), np.zeros((0, 4)), tolerance=TOLERANCE) is None


def test_one_known_zero_is_no_evidence():
    found, _ = normal((3, 3), 0)
    found[1, 0] = 0
    expected = np.full((3, 3), np.nan)
    expected[0, 1] = 0
    assert pattern(found, expected, tolerance=TOLERANCE) is None


def test_what_explains_a_part_of_the_known_entries_is_not_claimed():
    expected = np.array([[1.0, 2.0], [4.0, np.nan]])
    found = np.array([[2.5, 7.0], [2.5, 3.0]])
    assert pattern(found, expected, tolerance=TOLERANCE) is None


def test_entries_without_a_tolerance_are_not_judged():
    x, rng = normal((3, 4), 0)
    tolerance = np.where(rng.random((3, 4)) < 0.3, np.nan, TOLERANCE)
    found = np.where(np.isnan(tolerance), 7.0, -x)
    assert pattern(found, x, tolerance=tolerance) == "negated"


def test_of_indices_of_which_nothing_is_known_nothing_is_said():
    x, rng = normal((3, 6), 0)
    expected = x.copy()
    expected[:, 3:] = np.nan
    found = np.where(index(x, 1) >= 2, rng.normal(size=x.shape), x)
    assert pattern(found, expected, tolerance=TOLERANCE) is None
