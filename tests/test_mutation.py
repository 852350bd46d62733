"""Writing into arrays and tensors: what was recorded before never changes, nor do gradients."""

import weakref

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal

import tensorgrad as tg
from tensorgrad.testing import check_grad


def leaf(value):
    return tg.tensor(value, requires_grad=True)


# ---- x[index] = v --------------------------------------------------------------------------------

SHAPE = (3, 4)
INDICES = {
    "integer": 1,
    "negative": -1,
    "integers": (2, -3),
    "slice": slice(0, 2),
    "step": (slice(None), slice(None, None, 2)),
    "backwards": slice(None, None, -1),
    "ellipsis": ...,
    "ellipsis and integer": (..., 0),
    "None": (None, 1),
    "array": np.array([2, 0]),
    "list": [0, 2],
    "arrays": (np.array([0, 2, 1]), np.array([1, 1, 3])),
    "array of two axes": np.array([[0, 1], [2, 0]])[:, :1],
    "mixed": (slice(1, None), np.array([3, 0])),
    "mask": np.arange(12).reshape(3, 4) % 3 == 1,
    "mask of an axis": np.array([True, False, True]),
    "mask and integer": (np.array([True, False, True]), 2),
    "empty": slice(0, 0),
    "empty list": [],
    "tensor": tg.tensor([1, 0]),
    "mask tensor": tg.tensor(np.arange(12).reshape(3, 4) > 7),
    "numpy integer": np.int64(2),
    "boolean": True,
}
indices = pytest.mark.parametrize("index", INDICES.values(), ids=INDICES.keys())


def plain(index):
    if isinstance(index, tuple):
        return tuple(map(plain, index))
    return index.numpy() if isinstance(index, tg.Tensor) else index


@indices
@pytest.mark.parametrize("kind", ["full", "number", "row"])
def test_a_write_is_differentiated_like_its_linear_map(index, kind):
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=SHAPE), rng.normal(size=SHAPE)
    target = x[plain(index)].shape
    v = rng.normal(size={"full": target, "number": (), "row": target[1:]}[kind])

    def written(x, v):
        y = x * 1.0
        y[index] = v
        return y

    expected = x.copy()
    expected[plain(index)] = v
    assert_array_equal(tg.vjp(written, x, v)[0], expected)
    gx, gv = tg.grad(lambda x, v: np.sum(written(x, v) * w), (0, 1))(x, v)
    kept = np.ones(SHAPE)
    kept[plain(index)] = 0.0
    assert_array_equal(gx, w * kept)
    # the map is linear, so a unit step in each entry of v measures its derivative
    for place in np.ndindex(v.shape):
        step = np.zeros_like(v)
        step[place] = 1.0
        moved = np.zeros(SHAPE)
        moved[plain(index)] = step
        assert_allclose(gv[place], np.sum(moved * w), atol=1e-14)
    _, tangent = tg.jvp(written, (x, v), (w, np.ones_like(v)))
    assert_array_equal(tangent, np.where(kept, w, 1.0))


@given(
    st.lists(st.integers(-4, 3), min_size=1, max_size=6),
    st.integers(0, 2**32 - 1),
)
def test_where_an_entry_is_written_twice_the_last_value_counts(places, seed):
    rng = np.random.default_rng(seed)
    v, w = rng.normal(size=len(places)), rng.normal(size=4)
    expected = np.zeros(len(places))
    last = {place % 4: k for k, place in enumerate(places)}
    for place, k in last.items():
        expected[k] = w[place]

    def f(v):
        y = tg.zeros(4)
        y[np.array(places)] = v
        return np.sum(y * w)

    assert_array_equal(tg.grad(f)(v), expected)


def test_a_value_with_leading_sides_of_one():
    # NumPy lets v of shape (1, 1, 3) be written into a place of shape (3,)
    for shape in ((1, 3), (1, 1, 3), (1, 1, 1)):
        v = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)

        def f(v):
            y = tg.zeros((2, 3))
            y[1] = v
            return np.sum(y * np.array([[9.0, 9.0, 9.0], [1.0, 2.0, 4.0]]))

        expected = np.array([1.0, 2.0, 4.0]) if shape[-1] == 3 else np.array(7.0)
        assert_array_equal(tg.grad(f)(v), expected.reshape(shape))


def test_before_and_after_a_write():
    x = leaf([1.0, 2.0, 3.0])
    y = x * 2
    before = y * y
    y[1] = 10.0
    after = y * y
    assert_array_equal(before.numpy(), [4.0, 16.0, 36.0])
    assert_array_equal(after.numpy(), [4.0, 100.0, 36.0])
    (before.sum() + after.sum()).backward()
    assert_array_equal(x.grad.numpy(), [16.0, 16.0, 48.0])


def test_a_constant_becomes_recorded_by_what_is_written():
    x, y = leaf(2.0), tg.zeros((2, 2))
    y[0, 1] = x
    y[1] = x * x
    assert y.requires_grad
    assert not tg.zeros(2).requires_grad
    y.sum().backward()
    assert x.grad.item() == 1 + 2 * 2 * 2.0


def test_writing_a_constant_over_everything():
    x = leaf([1.0, 2.0])
    y = x * 2
    y[:] = 5.0
    y.sum().backward()
    assert_array_equal(x.grad.numpy(), [0.0, 0.0])


def test_writing_a_tensor_into_itself():
    x = leaf([1.0, 2.0, 3.0])
    y = x * 1
    y[1:] = y[:-1]
    y[0] = y[2] * y[1]
    assert_array_equal(y.numpy(), [2.0, 1.0, 2.0])
    y.sum().backward()
    assert_array_equal(x.grad.numpy(), [1 + 2.0, 1 + 1.0, 0.0])


def test_a_function_may_write_to_its_argument():
    x = np.array([2.0, 3.0])

    def f(x):
        x[0] = 0.0
        x *= 2
        return np.sum(x * x)

    assert_array_equal(tg.grad(f)(x), [0.0, 24.0])
    assert_array_equal(tg.jvp(f, (x,), (np.ones(2),))[1], 24.0)
    assert_array_equal(x, [2.0, 3.0])
    for argument in (tg.tensor(x), leaf(x), leaf(x) * 1):
        assert_array_equal(tg.grad(f)(argument).numpy(), [0.0, 24.0])
        assert_array_equal(argument.numpy(), x)


def test_a_write_to_a_result_does_not_reach_its_pullback():
    def f(x):
        value, pullback = tg.vjp(lambda x: x * x, x)
        value[0] = 0.0
        return np.sum(pullback(np.ones(2))[0]) + np.sum(value)

    assert_array_equal(tg.grad(f)(np.array([2.0, 3.0])), [2.0, 2 + 6.0])


def test_a_value_that_does_not_fit():
    with pytest.raises(tg.errors.ShapeError, match="setitem"):
        tg.zeros(3)[:2] = np.ones(3)
    with pytest.raises(tg.errors.UnsupportedError, match="dtype='int64', value_dtype='float64'"):
        tg.tensor([1, 2])[0] = leaf(1.5)
    with pytest.raises(tg.errors.UnsupportedError, match="value_dtype='complex128'"):
        tg.zeros(3)[0] = 1j
    counts = tg.tensor([1, 2])
    counts[0] = 5  # no gradient to lose
    assert counts.tolist() == [5, 2]


def test_a_narrow_target_casts_the_value_and_its_gradient():
    v = leaf(np.float64(2.0))
    y = tg.zeros(2, np.float32)
    y[0] = v
    assert y.dtype == np.float32
    y.sum().backward()
    assert v.grad.dtype == np.float64
    assert v.grad.item() == 1.0


# ---- x += y --------------------------------------------------------------------------------------

UPDATES = {
    "+=": (lambda x, y: x.__iadd__(y), np.add),
    "-=": (lambda x, y: x.__isub__(y), np.subtract),
    "*=": (lambda x, y: x.__imul__(y), np.multiply),
    "/=": (lambda x, y: x.__itruediv__(y), np.divide),
    "**=": (lambda x, y: x.__ipow__(y), np.power),
    "%=": (lambda x, y: x.__imod__(y), np.remainder),
    "@=": (lambda x, y: x.__imatmul__(y), np.matmul),
}


@pytest.mark.parametrize("symbol", UPDATES)
def test_updates(symbol):
    update, function = UPDATES[symbol]
    x, y = np.array([[1.5, 2.5], [0.5, 4.5]]), np.array([[2.0, 1.0], [3.0, 2.0]])

    def f(x, y):
        z = x * 1.0
        alias = z
        z = update(z, y)
        assert z is alias  # every name for the tensor sees the update
        return np.sum(z * x)

    expected = tg.grad(lambda x, y: np.sum(function(x, y) * x), (0, 1))(x, y)
    for g, e in zip(tg.grad(f, (0, 1))(x, y), expected, strict=True):
        assert_allclose(g, e)
    with pytest.raises(tg.errors.GraphError, match=r"leaf.*x\.copy\(\)"):
        update(leaf(x), y)


def test_floor_division_updates_to_a_constant():
    y = leaf([5.0, 7.0]) * 1
    y //= 2.0
    assert_array_equal(y.numpy(), [2.0, 3.0])
    assert not y.requires_grad


def test_an_update_keeps_shape_and_dtype():
    x = leaf(np.ones(3)) * 1
    with pytest.raises(tg.errors.ShapeError, match=r"\+=: shape=\(3,\), result_shape=\(2, 3\)"):
        x += np.ones((2, 3))
    x = leaf(np.ones(3, np.float32)) * 1
    x += np.ones(3)
    assert x.dtype == np.float32
    with pytest.raises(tg.errors.UnsupportedError, match=r"\*=: dtype='float32', result_dtype='c"):
        x *= 1j
    n = tg.tensor([1, 2])
    with pytest.raises(tg.errors.UnsupportedError, match="result_dtype='float64'"):
        n += 0.5
    n += 1
    assert n.tolist() == [2, 3]


# ---- leaves and views ----------------------------------------------------------------------------


def test_a_leaf_is_written_only_without_recording():
    w = leaf([1.0, 2.0])
    np.sum(w * w).backward()
    for write in (
        lambda: w.__setitem__(0, 5.0),
        lambda: w.__iadd__(1.0),
        lambda: w.fill(0.0),
    ):
        with pytest.raises(tg.errors.GraphError, match=r"with tg\.no_grad\(\):"):
            write()
    assert w.tolist() == [1.0, 2.0]
    y = w * w
    with tg.no_grad():
        w -= 0.5 * w.grad
        w[0] = 7.0
    assert w.tolist() == [7.0, 0.0]
    assert w.is_leaf
    assert w.requires_grad
    assert w.grad.tolist() == [2.0, 4.0]
    np.sum(y).backward()  # recorded before the update, at the values of then
    assert w.grad.tolist() == [4.0, 8.0]


VIEWS = {
    "reshape": lambda x: x.reshape(-1),
    "ravel": lambda x: x.ravel(),
    "T": lambda x: x.T,
    "transpose": lambda x: np.transpose(x, (1, 0)),
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "expand": lambda x: np.expand_dims(x, 0),
    "squeeze": lambda x: np.squeeze(x[None]),
    "broadcast": lambda x: np.broadcast_to(x, (2, 2, 2)),
    "flip": lambda x: np.flip(x, 0),
    "einsum": lambda x: np.einsum("ij->ji", x),
    "a window of a view": lambda x: x.T[0],
    "a window of a window of a view": lambda x: x.reshape(-1)[1:][::2],
    "a view of a window": lambda x: x[1:].reshape(-1),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
@pytest.mark.parametrize("recorded", [True, False])
def test_writing_through_a_view_raises(view, recorded):
    x = tg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=recorded)
    x = x * 1
    y = view(x)
    with pytest.raises(tg.errors.GraphError, match=r"view of another.*copy\(\)"):
        y[...] = 0.0
    with pytest.raises(tg.errors.GraphError, match="view of another"):
        y += 1.0
    z = y.copy()
    z[...] = 0.0
    assert x.tolist() == [[1.0, 2.0], [3.0, 4.0]]


WINDOWS = {
    "row": lambda x: x[0],
    "columns": lambda x: x[:, 1:],
    "a new axis": lambda x: x[None, 0],
    "backwards": lambda x: x[::-1, 1],
    "iteration": lambda x: next(iter(x)),
    "a window of a window": lambda x: x[1:][0, ::2],
    "all": lambda x: x[...],
    "split": lambda x: np.split(x, 2)[0],
    "not turned": lambda x: np.rot90(x, 4)[0],
    "real": lambda x: np.real(x)[1:],
    "conjugate": lambda x: x.conj()[1:],
}


def in_place(view, x, scale):
    y = view(x)
    y *= scale
    y += 1.0
    y[..., :1] = y[..., -1:] * x[0, 0]
    x *= y.sum()
    return x


@pytest.mark.parametrize("view", WINDOWS.values(), ids=WINDOWS.keys())
def test_what_is_written_to_a_window_is_written_to_the_tensor(view):
    start = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    expected = in_place(view, start.copy(), 2.0)

    def f(x, scale):
        return in_place(view, x * 1, scale)

    np.testing.assert_allclose(f(tg.tensor(start), 2.0).numpy(), expected)
    assert check_grad(f, start, 2.0)


def summed(x):
    y = x * 2
    total = y[0]
    for i in range(1, 3):
        total += y[i]
    return total, y


def test_a_number_that_is_read_is_no_view():
    x = np.array([[1.0, 2.0, 4.0], [3.0, 5.0, 7.0]])
    for row in x:
        total, y = summed(tg.tensor(row, requires_grad=True))
        assert (total.item(), y.tolist()) == (2 * row.sum(), (2 * row).tolist())
    totals, ys = tg.vmap(summed)(x)
    assert_array_equal(totals, 2 * x.sum(axis=1))
    assert_array_equal(ys, 2 * x)
    assert check_grad(summed, x[0])
    assert check_grad(tg.vmap(summed), x)


def shared(x):
    total = np.sum(x)
    other = total
    other += 1.0
    return total * other


def squared(x):
    y = x
    y += 1.0
    y *= x
    return y


def test_numbers_are_not_updated_in_place():
    x = np.array([1.0, 2.0])
    assert tg.vjp(shared, x)[0] == shared(x)
    assert check_grad(shared, x)
    for number in (0.5, np.float64(0.5)):
        assert tg.vjp(squared, number)[0] == squared(number) == 0.75
        assert tg.grad(squared)(number) == 2.0
    for examples in (x, tg.tensor(x), tg.tensor(x, requires_grad=True)):
        assert tg.vmap(squared)(examples).tolist() == [2.0, 6.0]
    assert tg.vmap(tg.grad(squared))(x).tolist() == [3.0, 5.0]
    total = np.sum(tg.tensor(x))
    total += x  # becomes an array, as in NumPy
    assert total.tolist() == [4.0, 5.0]


def test_arrays_without_axes_are_updated_in_place():
    array = np.array(0.5)
    assert tg.vjp(squared, array)[0] == squared(array.copy()) == 2.25
    t = u = tg.zeros(())
    t += 1.0
    t += 1.0
    assert u.item() == 2.0
    w = leaf(2.0)
    for _ in range(2):
        (w * w).backward()
        with tg.no_grad():
            w -= 0.25 * w.grad
        w.grad = None
    assert w.is_leaf
    assert w.item() == 0.5


def test_a_row_of_each_example_is_a_window():
    def f(x):
        y = x * 1
        row = y[np.argmax(y[:, 0])]  # another one in each example
        row *= y[0]
        return y

    x = np.random.default_rng(2).normal(size=(3, 4, 2))
    assert_array_equal(tg.vmap(f)(x), np.stack([f(example) for example in x]))
    assert check_grad(tg.vmap(f), x)


def test_the_real_part_of_complex_numbers_is_a_view():
    z = tg.tensor([1 + 2j, 3.0], requires_grad=True) * 1
    for part in (z.real, z.imag):
        with pytest.raises(tg.errors.GraphError, match="view of another"):
            part[0] = 1.0
    assert z.tolist() == [1 + 2j, 3.0]
    part = np.real(np.exp(z))  # of what nobody else can reach
    part += 1.0
    assert_allclose(part.numpy(), np.exp(z.numpy()).real + 1.0)


def test_views_of_what_nobody_else_can_reach_may_be_written():
    x = tg.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    a, b = np.exp(x).reshape(2, 2)
    a += b
    b *= a
    (a.sum() + b.sum()).backward()
    e = np.exp(x.numpy())
    p, q = e[:2], e[2:]  # a = p + q, b = q (p + q)
    assert_allclose(x.grad.numpy(), [*(p * (1 + q)), *(q * (1 + p + 2 * q))])


def test_tensors_in_a_list_are_written():
    def f(x):
        y = x * x
        y[1:] = [y[0], 2.0 * x[1]]
        return y

    assert_array_equal(tg.vjp(f, np.array([3.0, 5.0, 7.0]))[0], [9.0, 9.0, 10.0])
    assert check_grad(f, np.array([3.0, 5.0, 7.0]))


def test_updates_of_a_part():
    def f(x):
        y = np.zeros_like(x)
        y[1:] += x[:-1]
        y[0] -= x[2]
        y[::2] *= x[::2]
        y[y > 100] /= 2.0
        return y

    np.testing.assert_allclose(f(np.array([1.0, 2.0, 3.0])), [-3.0, 1.0, 6.0])
    assert check_grad(f, np.array([1.0, 2.0, 3.0]))


def test_a_window_that_is_no_longer_up_to_date_is_not_written_through():
    x = tg.tensor([1.0, 2.0, 3.0]) * 1
    row = x[:2]
    x[0] = 7.0
    with pytest.raises(tg.errors.GraphError, match="written to since"):
        row += 1.0
    assert x.tolist() == [7.0, 2.0, 3.0]


def test_windows_keep_nothing_alive():
    x = tg.tensor(np.ones(2000)) * 1
    seen = weakref.ref(x)
    for _ in range(1000):
        x = x[1:]
    assert seen() is None
    x += 1.0
    assert x.tolist() == [2.0] * 1000


def test_a_window_of_a_leaf_is_not_written():
    w = leaf([1.0, 2.0])
    with pytest.raises(tg.errors.GraphError, match="leaf"):
        w[:1] += 1.0
    with tg.no_grad():
        w[:1] += 1.0
    assert w.tolist() == [2.0, 2.0]


RESULTS = {
    "add": lambda x: x + 1,
    "matmul": lambda x: x @ x,
    "einsum": lambda x: np.einsum("ij,jk->ki", x, x),
    "flatten": lambda x: x.flatten(),
    "concatenate": lambda x: np.concatenate([x, x]),
    "stack": lambda x: np.stack([x, x]),
    "gather": lambda x: x[[0, 1]],
    "repeat": lambda x: np.repeat(x, 2),
    "pad": lambda x: np.pad(x, 1),
    "a row of a temporary": lambda x: np.exp(x).reshape(-1)[:2],
    "cumsum": lambda x: np.cumsum(x, 0),
}


@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS.keys())
@pytest.mark.parametrize("recorded", [True, False])
def test_results_of_their_own_may_be_written(result, recorded):
    x = tg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=recorded)
    y = result(x)
    y[0] = 0.0
    assert not np.any(y.numpy()[0])
    assert x.tolist() == [[1.0, 2.0], [3.0, 4.0]]


# ---- what others hold ----------------------------------------------------------------------------


def test_a_tensor_copies_its_data():
    data = np.array([1.0, 2.0])
    x, c = leaf(data), tg.tensor(data)
    data[:] = 100.0
    assert x.tolist() == c.tolist() == [1.0, 2.0]
    assert tg.tensor(x)._value is not x._value
    x.grad = data
    data[:] = 0.0
    assert x.grad.tolist() == [100.0, 100.0]


def test_values_are_handed_out_read_only():
    for x in (leaf([1.0]), tg.tensor([1.0]), leaf([1.0]) * 2, np.sum(leaf([1.0]))):
        value = x.numpy()
        with pytest.raises(ValueError, match="read-only"):
            value[...] = 5.0
    constant = tg.tensor([1.0])
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(constant)[0] = 5.0
    np.array(constant)[0] = 5.0
    assert constant.tolist() == [1.0]


A = np.array([[0.5, 1.5], [2.5, 3.5]])

OPERATIONS = {
    "multiply": lambda x, a: x * a,
    "reflected": lambda x, a: a * x,
    "divide": lambda x, a: x / a,
    "power": lambda x, a: x**a,
    "base": lambda x, a: a**x,
    "maximum": np.maximum,
    "arctan2": lambda x, a: np.arctan2(a, x),
    "matmul": lambda x, a: x @ a,
    "matmul left": lambda x, a: np.matmul(a, x),
    "einsum": lambda x, a: np.einsum("ij,jk,ik->ik", a, x, a),
    "tensordot": lambda x, a: np.tensordot(x, a, 1),
    "dot": lambda x, a: np.dot(a, x),
    "outer": np.outer,
    "inner": np.inner,
    "where": lambda x, a: np.where(a > 1, x, a),
    "mask": lambda x, a: np.where(a > 1, x * a, 0),
    "clip": lambda x, a: np.clip(x, 0.0, a),
    "concatenate": lambda x, a: np.concatenate([x, a]) ** 2,
    "hypot": np.hypot,
    # these return constants beside what is recorded
    "broadcast_arrays": lambda x, a: np.multiply(*np.broadcast_arrays(x, a)),
    "atleast_1d": lambda x, a: np.multiply(*np.atleast_1d(x, a)),
    "atleast_2d": lambda x, a: np.multiply(*np.atleast_2d(x, a)),
    "atleast_3d": lambda x, a: np.multiply(*np.atleast_3d(x, a)),
    "meshgrid": lambda x, a: np.multiply(*np.meshgrid(x, a)),
    "meshgrid, sparse": lambda x, a: np.multiply(*np.meshgrid(x, a, sparse=True)),
    "no differences": lambda x, a: x * np.diff(a, 0, prepend=x),
}


@pytest.mark.parametrize("through_view", [False, True])
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_writing_to_an_operand_later_does_not_reach_the_gradient(operation, through_view):
    def gradients(write):
        a = A.copy()
        view = a.reshape(-1)[::-1]
        x = leaf(A.T + 0.25)
        y = np.sum(operation(x, a) * 3.0)
        if write:
            (view if through_view else a)[...] = 77.0
        y.backward(create_graph=True)
        first = x.grad
        if first.requires_grad:
            np.sum(first * first).backward()
        return first.numpy(), x.grad.numpy()

    for untouched, written in zip(gradients(write=False), gradients(write=True), strict=True):
        assert_array_equal(untouched, written)


def spoil(array):
    array[...] = 1 if array.dtype != bool else ~array


def set_at(x, index):
    y = x * 1
    y[index] = x * 2
    return y


INDEXING = {
    "getitem": (np.array([2, 0, 2]), lambda x, i: x[i]),
    "mask": (np.array([True, False, True]), lambda x, i: x[i]),
    "tuple": (np.array([2, 0, 2]), lambda x, i: x[None, i]),
    "setitem": (np.array([2, 0, 2]), set_at),
    "take": (np.array([2, 0, 2]), np.take),
    "take_along_axis": (np.array([2, 0, 2]), lambda x, i: np.take_along_axis(x, i, 0)),
    "repeat": (np.array([2, 0, 2]), np.repeat),
    "where": (np.array([True, False, True]), lambda x, m: np.where(m, x, 0.0)),
    "sum where": (np.array([True, False, True]), lambda x, m: np.sum(x, where=m)),
    "mean where": (np.array([True, False, True]), lambda x, m: np.mean(x, where=m)),
    "max where": (
        np.array([True, False, True]),
        lambda x, m: np.max(x, where=m, initial=-9.0),
    ),
    "split": (np.array([2]), lambda x, i: np.split(x, i)[0]),
    "bincount": (np.array([2, 0, 2]), lambda x, i: np.bincount(i, weights=x) ** 2),
}


@pytest.mark.parametrize(("index", "operation"), INDEXING.values(), ids=INDEXING.keys())
def test_writing_to_an_index_later_does_not_reach_the_gradient(index, operation):
    def gradient(write):
        mine = index.copy()
        x = leaf([1.0, 2.0, 4.0])
        y = operation(x, mine)
        y = np.sum(y * np.arange(1.0, 1 + y.size).reshape(y.shape))
        if write:
            spoil(mine)
        y.backward()
        return x.grad.numpy()

    assert_array_equal(gradient(write=False), gradient(write=True))


def test_writing_to_a_list_later_does_not_reach_the_gradient():
    operand, index = [2.0, 3.0], [1, 0]
    x = leaf([1.0, 2.0])
    y = np.sum((x * operand)[index] * np.array([1.0, 10.0]))
    operand[:] = [0.0, 0.0]
    index[:] = [0, 0]
    y.backward()
    assert_array_equal(x.grad.numpy(), [20.0, 3.0])


def test_writing_to_a_primal_later_does_not_reach_the_pullback():
    x, seed = np.array([1.0, 2.0]), np.array([1.0, 1.0])
    value, pullback = tg.vjp(lambda x: x * x, x)
    x[:] = 100.0
    value[:] = 100.0
    assert_array_equal(pullback(seed)[0], [2.0, 4.0])
    assert_array_equal(seed, [1.0, 1.0])


# ---- gradients belong to whoever gets them -------------------------------------------------------

FUNCTIONS = {
    "identity": lambda x, y: x,
    "sum": lambda x, y: x + y,
    "twice": lambda x, y: (x, x, y),
    "both": lambda x, y: (x, y, x + y),
    "copy": lambda x, y: np.positive(x),
    "broadcast": lambda x, y: np.broadcast_to(x, (2, 2, 2)),
    "reshape": lambda x, y: (x.reshape(4), y.T),
    "reduced": lambda x, y: np.sum(x),
    "unused": lambda x, y: np.ones((2, 2)),
    "constant": lambda x, y: x * 0 + 1,
    "read": lambda x, y: x[:1],
    "complex": lambda x, y: np.conj(x * 1j + y),
}


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS.keys())
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("as_tensors", [False, True])
def test_no_two_results_share_memory(f, order, as_tensors):
    x, y = np.asarray(A, order=order), np.asarray(A + 1, order=order)
    make = tg.tensor if as_tensors else lambda x: x
    value, pullback = tg.vjp(f, make(x), make(y))
    leaves, shape = (list(value), tuple) if isinstance(value, tuple) else ([value], list)
    seeds = [np.full(np.shape(v), 1.0) for v in leaves]
    gradients = pullback(tuple(seeds) if shape is tuple else seeds[0])
    again = pullback(tuple(seeds) if shape is tuple else seeds[0])
    tangents = [np.ones_like(x), np.ones_like(y)]
    _, pushed = tg.jvp(f, (make(x), make(y)), tuple(tangents))
    pushed = list(pushed) if isinstance(pushed, tuple) else [pushed]
    results = [*leaves, *gradients, *again, *pushed]
    raw = [r._value if isinstance(r, tg.Tensor) else r for r in results]
    everything = [*raw, x, y, *seeds, *tangents]
    for i, one in enumerate(raw):
        for other in everything[i + 1 :]:
            assert not np.shares_memory(one, other)
        if not as_tensors and isinstance(one, np.ndarray):
            assert one.flags.writeable
            assert one.flags.owndata


def test_the_gradients_of_backward_share_no_memory():
    x, y, seed = leaf([1.0, 2.0]), leaf([3.0, 4.0]), np.ones(2)
    (x + y).backward(seed)
    grads = [x.grad._value, y.grad._value]
    assert not np.shares_memory(*grads)
    for g in grads:
        assert not np.shares_memory(g, seed)
        assert g.flags.owndata


@given(hnp.arrays(float, (3,), elements=st.floats(-2, 2)))
def test_a_gradient_may_be_written_without_consequences(x):
    def f(x, y):
        return np.sum(x * y + x + y)

    gx, gy = tg.grad(f, (0, 1))(x, x)
    expected = gy.copy()
    gx[:] = 7.0
    assert_array_equal(gy, expected)
    assert_array_equal(tg.grad(f)(x, x), x + 1)
