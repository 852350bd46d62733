"""Choosing and writing entries: forms that the laws do not draw, and what is refused."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import tensorgrad as tg
from tensorgrad.errors import GraphError, UnsupportedError

MASK = np.array([[True, False, True], [False, False, True]])
ARRAYS = {
    "f8": np.array([[0.5, -1.0, 2.0], [3.0, 0.25, -0.75]]),
    "f4": np.array([[0.5, -1.0, 2.0], [3.0, 0.25, -0.75]], "f4"),
    "i8": np.arange(6).reshape(2, 3),
    "c16": np.arange(6).reshape(2, 3) * 1j,
    "b1": MASK,
    "Fortran order": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "0-d": np.array(2.0),
    "empty": np.zeros((0, 3)),
}
arrays = pytest.mark.parametrize("x", ARRAYS.values(), ids=ARRAYS.keys())

WRITES = {
    "put": lambda x: np.put(x, [0, 2], [7, 8]),
    "put one number": lambda x: np.put(x, 1, 7),
    "put a fraction": lambda x: np.put(x, 1, 0.5),
    "put, a place twice": lambda x: np.put(x, [0, 0, 1], [1, 2]),
    "put nothing": lambda x: np.put(x, [0], []),
    "put nowhere": lambda x: np.put(x, [], [1]),
    "put out of bounds": lambda x: np.put(x, 6, 1),
    "put, wrapped": lambda x: np.put(x, [7, -8], [1, 0], mode="wrap"),
    "put, clipped": lambda x: np.put(x, [7, -8], [1, 0], "clip"),
    "put, named": lambda x: np.put(a=x, v=[1], ind=[0]),
    "place": lambda x: np.place(x, MASK, [7, 8]),
    "place nothing": lambda x: np.place(x, MASK, []),
    "place by a mask of another size": lambda x: np.place(x, [True], [1]),
    "putmask": lambda x: np.putmask(x, MASK, [7, 8]),
    "putmask, a fraction": lambda x: np.putmask(x, MASK, 0.5),
    "copyto": lambda x: np.copyto(x, [7, 8, 9]),
    "copyto, a fraction": lambda x: np.copyto(x, 0.5),
    "copyto, a fraction as it may be": lambda x: np.copyto(x, 0.5, casting="unsafe"),
    "copyto where": lambda x: np.copyto(x, 7, where=[True, False, True]),
    "put_along_axis": lambda x: np.put_along_axis(x, np.array([[0], [2]]), 7, 1),
    "put_along_axis, twice": lambda x: np.put_along_axis(x, np.array([[1, 1]]), [[7, 8]], -1),
    "put_along_axis of fractions": lambda x: np.put_along_axis(x, np.array([[1]]), 0.5, 0),
}
CHOICES = {
    "choose": lambda x: np.choose([0, 1, 0], [x, x[0]]),
    "choose from an array": lambda x: np.choose([0, 1, 1], x),
    "choose, mixed": lambda x: np.choose([0, 1, 2], [x, 1, 2.5]),
    "choose, out of bounds": lambda x: np.choose([0, 2, 0], x),
    "choose, wrapped": lambda x: np.choose([0, 3, -1], x, mode="wrap"),
    "choose, clipped": lambda x: np.choose([0, 3, -1], x, mode="clip"),
    "choose by fractions": lambda x: np.choose([0.5, 1], x),
    "choose by x": lambda x: np.choose(x, [[1, 2, 3], [4, 5, 6.5]], mode="clip"),
    "select": lambda x: np.select([x.real > 0, x.real < 0], [x, x * 2], 7),
    "select, nothing else": lambda x: np.select([x.real > 0], [x]),
    "select, by a fraction else": lambda x: np.select([x.real > 0], [x], default=0.5),
    "select, broadcast": lambda x: np.select([[True, False, False], True], [x, 1]),
    "select without conditions": lambda x: np.select([], [], x),
    "select by numbers": lambda x: np.select([x], [x]),
    "select, too few": lambda x: np.select([x.real > 0, x.real < 0], [x]),
    "piecewise": lambda x: np.piecewise(x, [x.real < 0, x.real > 1], [lambda x: x * x, 7]),
    "piecewise, else": lambda x: np.piecewise(x, [x.real < 0, x.real > 1], [1, 2, lambda x: x]),
    "piecewise, one condition": lambda x: np.piecewise(x, x.real > 1, [5, lambda x: x * 2]),
    "piecewise, fractions": lambda x: np.piecewise(x, [x.real > 0], [0.5]),
    "piecewise, twice": lambda x: np.piecewise(x, [x.real < 1, x.real < 2], [1, 2]),
    "piecewise, too many": lambda x: np.piecewise(x, [x.real < 0], [1, 2, 3]),
    "piecewise with arguments": lambda x: np.piecewise(
        x, [x.real > 0], [lambda x, a, b: x * a + b], 2, b=1
    ),
}


def outcome(f, x):
    try:
        return f(x)
    except (ValueError, TypeError, IndexError) as error:
        return error


def assert_same(found, expected):
    if isinstance(expected, Exception):
        assert isinstance(found, Exception), f"{found!r}; NumPy: {expected!r}"
        return
    assert isinstance(found, tg.Tensor), repr(found)
    np.testing.assert_array_equal(found.numpy(), expected, strict=True)


@arrays
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_writes(write, x):
    def written(x):
        write(x)
        return x

    expected = outcome(written, x.copy())
    assert_same(outcome(written, tg.tensor(x)), expected)


@arrays
@pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES.keys())
def test_choices(choice, x):
    expected = outcome(choice, x)
    assert_same(
        outcome(choice, tg.tensor(x)),
        np.asarray(expected) if not isinstance(expected, Exception) else expected,
    )


WRITTEN = {
    "put": lambda x, v: np.put(x, [0, 1, 0], v),
    "place": lambda x, v: np.place(x, np.array([True, False, True]), v),
    "putmask": lambda x, v: np.putmask(x, np.array([True, False, True]), v),
    "copyto": lambda x, v: np.copyto(x, v, where=[True, False, True]),
    "put_along_axis": lambda x, v: np.put_along_axis(x, np.array([2, 0, 2]), v, 0),
    "put, a method": lambda x, v: x.put([0, 1, 0], v),
}
written = pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN.keys())


@written
def test_what_is_written_is_differentiated(write):
    x, v = np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0, 30.0])

    def f(x, v):
        y = x * 1
        before = np.sum(y * y)
        write(y, v)
        return y, before

    expected, numbers = x.copy(), np.arange(3.0)
    write(expected, v) if write is not WRITTEN["put, a method"] else expected.put([0, 1, 0], v)
    numbers[:] = -1
    write(numbers, np.arange(3.0))  # which value went where
    (y, _), pullback = tg.vjp(f, x, v)
    assert_array_equal(y, expected)
    seed = np.array([5.0, 7.0, 11.0])
    gx, gv = pullback((seed, np.array(1.0)))
    assert_array_equal(gx, 2 * x + seed * (numbers < 0))
    assert_array_equal(gv, [np.sum(seed[numbers == i]) for i in range(3)])


@written
def test_what_cannot_be_written_is_refused(write):
    leaf = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    with pytest.raises(GraphError, match="leaf"):
        write(leaf, [7.0, 8.0, 9.0])
    with pytest.raises(UnsupportedError):
        write(tg.tensor([1, 2, 3]), leaf)
    if write is not WRITTEN["put, a method"]:
        with pytest.raises(UnsupportedError, match="plain array"):
            write(np.zeros(3), leaf)
    else:
        with pytest.raises(UnsupportedError):
            write(np.zeros(3), leaf)
    assert leaf.tolist() == [1.0, 2.0, 3.0]


def test_what_is_not_chosen_has_no_influence():
    x = np.array([-1.0, 0.0, 4.0])
    for f in (
        lambda x: np.select([x > 0], [np.sqrt(np.where(x > 0, x, 1))], 0 * x),
        lambda x: np.piecewise(x, [x > 0], [np.sqrt, lambda x: 0 * x]),
        lambda x: np.choose(x > 0, [0 * x, np.sqrt(np.where(x > 0, x, 1))]),
    ):
        assert_array_equal(tg.grad(lambda x, f=f: np.sum(f(x)))(x), [0, 0, 0.25])
    nan = np.array([np.nan, 1.0])
    for f in (
        lambda x, y: np.select([[False, True]], [x], y),
        lambda x, y: np.choose([1, 0], [x, y]),
    ):
        assert_array_equal(tg.vjp(f, nan, nan[::-1])[1](np.ones(2)), [[0, 1], [1, 0]])


def test_piecewise_differentiates_by_its_arguments_and_by_what_it_closes_over():
    x = np.array([-2.0, 3.0])

    def f(scale, shift, held):
        return np.piecewise(
            tg.tensor(x), [x < 0], [lambda x, a, b: a * x + b, lambda x, *_, **__: held * x],
            scale, b=shift,
        ).sum()  # fmt: skip

    assert tg.grad(f, argnums=(0, 1, 2))(2.0, 1.0, 5.0) == (-2.0, 1.0, 3.0)


def test_functions_that_would_drop_the_gradient_are_refused():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    for f in (np.vectorize(lambda x: x * 2), np.frompyfunc(lambda x: x * 2, 1, 1)):
        with pytest.raises(UnsupportedError):
            f(x)


def test_put_along_no_axis_in_any_layout():
    # into other than C order, NumPy refuses to write
    x = tg.tensor(np.asfortranarray(np.arange(6.0).reshape(2, 3)))
    np.put_along_axis(x, np.array([4, 0]), [7.0, 8.0], None)
    assert x.tolist() == [[8.0, 1.0, 2.0], [3.0, 7.0, 5.0]]
