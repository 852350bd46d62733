"""Shapes, joining, padding and ranges: NumPy's results in every form, and what laws cannot draw."""

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from hypothesis.extra import numpy as hnp
from numpy.lib.stride_tricks import sliding_window_view
from numpy.testing import assert_allclose, assert_array_equal
from test_forms import assert_as_numpy

import tensorgrad as tg
from tensorgrad.engine.node import Leaf
from tensorgrad.errors import GraphError, ShapeError, UnsupportedError


def fill(row, width, _, kwargs):
    """Write a border into a row, as a function that np.pad calls."""
    row[: width[0]] = kwargs.get("v", 7)
    if width[1]:
        row[-width[1] :] = 1


# expressions in x, whose results, or refusals, are those of NumPy for each of the arrays
FORMS = """
np.reshape(x, (3, -1), order="F")
np.reshape(x, (3, -1), order="A")
np.reshape(x.T, (3, -1), order="A")
np.reshape(x, (3, -1), order="K")
np.reshape(x, -1, copy=False)
np.reshape(x.T, -1, copy=False)
np.reshape(x, np.array([3, 2]))
np.reshape(x, (3.0, 2))
np.reshape(x, 6.5)
np.ravel(x, "F")
np.ravel(x.T, "A")
np.ravel(x.T, "K")
np.ravel(x[::-1], "K")
np.ravel(x, order="Q")
x.flatten("F")
x.reshape(-1, order="F")
x.reshape((3, 2))
x.reshape(3, 2)
x.reshape([3, 2])
x.reshape(())
x.transpose()
x.transpose(None)
x.transpose(1, 0)
x.transpose((1, 0))
x.transpose([1, 0])
x.transpose(np.array([1, 0]))
x.transpose(())
x.transpose(0)
x.transpose(-1, -2)
x.swapaxes(0, -1)
x.repeat(2)
x.repeat([2], axis=-1)
x.diagonal()
x.diagonal(1)
x.compress([True, False])
x.compress([0, 1], axis=0)
x.compress([True], axis=1)
x.compress([True] * 9, axis=0)
x.compress([[True]], axis=0)
x.take([0, 1])
x.take([0, 7], mode="wrap")
x.take([0, -7, 99], mode="clip", axis=0)
x.take([], axis=0)
x.squeeze()
x.squeeze(0)
x.copy("F")
x.astype("f4", casting="same_kind")
x.astype("i4", casting="safe")
x.astype("c16")
x.astype(bool)
x.item(2)
x.item(0, -1)
x.item((1, 0))
x.repeat([1, 2], axis=1)
x.ravel("F")
np.transpose(x, (0,))
np.moveaxis(x, 0, -1)
np.moveaxis(x, [0, 1], [1, 0])
np.rollaxis(x, 1)
np.rollaxis(x, -1, 2)
np.rollaxis(x, 0, -1)
np.rollaxis(x, 0, 5)
np.rollaxis(x, 0, -3)
np.squeeze(x[None], 0)
np.squeeze(x[None], (0,))
np.expand_dims(x, [0, -1])
np.expand_dims(x, (0, 0))
np.expand_dims(x, 7)
np.broadcast_to(x, (2,) + x.shape)
np.broadcast_to(x, (5,))
np.broadcast_arrays(x, 1.5, [1])
np.atleast_2d(x, 3)
np.flip(x, (0, 1))
np.rot90(x)
np.rot90(x, -1, (1, 0))
np.roll(x, (1, 2), (0, 1))
np.roll(x, 1, axis=(0, 1))
np.roll(x, (1, 2), axis=0)
np.roll(x, 1, 0)
np.roll(x, 1.0)
np.tile(x, (2, 1, 2))
np.tile(x, 0)
np.tile(x, np.array([2, 1]))
np.tile(x, ())
np.repeat(x, 2)
np.repeat(x, [1, 2], axis=0)
np.repeat(x, np.array([1, 2, 0]), axis=1)
np.repeat(x, [3], axis=0)
np.repeat(x, [1, 2, 3], axis=0)
np.repeat(x, 2.5)
np.repeat(x, -1)
np.repeat(x, 2, axis=0)
np.resize(x, (4, 3))
np.resize(x, 7)
np.resize(x, (0,))
np.resize(x, (2, -1))
np.resize(x, ())
np.append(x, [1, 2])
np.append(x, x, axis=0)
np.append(x, x, axis=1)
np.append(x, 1.5)
np.append(x, [[1, 2, 3]], axis=0)
np.append(x, [1, 2, 3], axis=0)
np.insert(x, 1, 5)
np.insert(x, 1, 5.7)
np.insert(x, 0, [1, 2], axis=0)
np.insert(x, 1, [1, 2], axis=1)
np.insert(x, [1], [[1], [2]], axis=1)
np.insert(x, [0, 2], [7, 8], axis=1)
np.insert(x, [0, 2], 7, axis=1)
np.insert(x, [2, 0, 0], [7, 8, 9])
np.insert(x, -1, [7, 8, 9])
np.insert(x, slice(0, 2), 9)
np.insert(x, slice(0, 2), [1, 2])
np.insert(x, np.array([True, False, True]), 9, axis=1)
np.insert(x, 99, 9)
np.insert(x, [], [])
np.insert(x, [], 9, axis=0)
np.insert(x, [0, 1], [1, 2, 3])
np.insert(x, np.array([[1]]), 3)
np.insert(x, 1, 2, axis=5)
np.insert(x, 1, x, axis=0)
np.insert(x, [1], x, axis=0)
np.insert(x, 1, True)
np.delete(x, 1)
np.delete(x, -1, axis=1)
np.delete(x, [0, 0], axis=1)
np.delete(x, slice(None, None, 2), axis=1)
np.delete(x, slice(None, None, -2))
np.delete(x, np.array([True, False, True]), axis=1)
np.delete(x, [True, False, True], axis=1)
np.delete(x, np.array([True, False]), axis=1)
np.delete(x, 99)
np.delete(x, [])
np.delete(x, [], axis=0)
np.delete(x, np.array([]))
np.delete(x, 1.0)
np.delete(x, [[0, 1]])
np.trim_zeros(x)
np.trim_zeros(x, "f", axis=1)
np.trim_zeros(x, "b", axis=(0, 1))
np.trim_zeros(x, "q")
np.trim_zeros(np.pad(x, 2))
np.trim_zeros(np.pad(x, (1, 2)), "b")
np.trim_zeros(x * 0)
np.trim_zeros(x * 0, axis=0)
np.compress([1, 0], x)
np.compress(np.array([True, False, True]), x, axis=-1)
np.extract(x > 1, x)
np.extract([1, 0, 1], x)
np.extract(True, x)
np.extract([True] * 99, x)
np.kron(x, [1, 2])
np.kron([[1, 2], [3, 4]], x)
np.kron(x, 2)
np.kron(x, x)
np.kron(np.ones((2, 1, 2)), x)
np.vander(x)
np.vander(np.ravel(x))
np.vander(np.ravel(x), 2)
np.vander(np.ravel(x), 3, True)
np.vander(np.ravel(x), 0)
np.vander(np.ravel(x), -1)
np.tril(x, 1)
np.triu(x, -1)
np.tril(np.ravel(x))
np.diag(np.ravel(x), -2)
np.diag(x, 1)
np.diag(x, 9)
np.diagflat(x, -1)
np.diagflat([x[0], x[0]], 1)
np.diagonal(x, -1)
np.diagonal(x, 5)
np.diagonal(x, 0, 1, 0)
np.diagonal(x, 0, 0, 0)
np.diagonal(x[None], 1, 2, 1)
np.trace(x, 1)
np.unstack(x)
np.unstack(x, axis=-1)
np.unstack(x, axis=3)
np.stack([x, x], 1)
np.stack([x, x[0]])
np.stack([x, x], dtype="f4")
np.stack([x, x], dtype="i4", casting="unsafe")
np.concatenate([x, x], dtype="i4", casting="no")
np.concatenate([x, x], casting="safe")
np.concatenate([x, x], dtype="c8", casting="same_kind")
np.concatenate([x, 1.0])
np.concatenate([x, 1.0], None)
np.concatenate([2j, x, 1], None)
np.concatenate([x, [[1, 2, 3]]])
np.vstack([x, x], dtype="f4", casting="unsafe")
np.hstack([x, x])
np.dstack([x, x])
np.column_stack([x, x])
np.column_stack([x, [1, 2]])
np.block(x)
np.block([x, x])
np.block([[x, x], [x, x]])
np.block([[x, np.ones((2, 1))], [1, 2, 3, 4]])
np.block([[x], [[1, 2, 3]]])
np.block([x, [x]])
np.block([[x, 1]])
np.block([x[0], 1, 2.5])
np.block([[[x]], [[x]]])
np.array_split(x, 4, axis=1)
np.array_split(x, [1, 2], axis=-1)
np.array_split(x, 0)
np.split(x, 3, axis=1)
np.split(x, 3.0, axis=1)
np.split(x, [1.0])
np.split(x, [0, 5, 1])
np.split(x, np.array([1]))
np.split(x, 2, axis=1)
np.hsplit(x, [1])
np.dsplit(x[..., None], 1)
np.dsplit(x, 1)
np.meshgrid(x, [1, 2])
np.meshgrid(x, [1, 2], indexing="ij")
np.meshgrid(x, [1, 2], sparse=True)
np.meshgrid(x, [1, 2], 2, copy=False)
np.meshgrid(x, indexing="zz")
np.ix_(np.ravel(x), [1, 2])
np.ix_(np.ravel(x), [True, False])
np.ix_(x, [1])
np.ix_([], np.ravel(x))
np.linspace(x, 1, 3)
np.linspace(0, x, 3, axis=-1)
np.linspace(x, [1, 2, 3], 4, endpoint=False)
np.linspace(x, 2, 1)
np.linspace(x, 2, 0)
np.linspace(x, 2, -1)
np.linspace(x, 2, 3.0)
np.linspace(x, 2, 5, retstep=True)
np.linspace(x, 10, 7, dtype=int)
np.linspace(x, 10, 7, dtype="f4")
np.linspace(x, np.float32(2), 4)
np.linspace(x, 2j, 4)
np.linspace(x, 5)[3:9]
np.logspace(x, 1, 3)
np.logspace(x, 1, 3, base=2)
np.logspace(x, 1, 3, base=[2.0, 3.0, 1.0])
np.logspace(x, 1, 3, base=[2.0, 3.0, 1.0], axis=-1)
np.logspace(x, 1, 3, dtype="f4")
np.logspace(0, 1, 3, base=x * 0 + 2, axis=1)
np.geomspace(x * x + 1, 9, 4)
np.geomspace(x * x + 1, 9, 4, endpoint=False, axis=-1)
np.geomspace(x, 9, 4)
np.geomspace(1, x * x + 1, 1)
np.geomspace(1, x * x + 1, 5, dtype="c16")
np.geomspace(1, x * x + 1, 5, dtype="f4")
np.geomspace(1j, x * x + 1, 5)
np.zeros_like(x, dtype="f4", shape=(2,))
np.ones_like(x)
np.full_like(x, 7.5)
np.full_like(x, [1, 2, 3], dtype="f4")
np.full_like(x, 2, shape=(1, 2))
np.apply_along_axis(np.sum, 0, x)
np.apply_along_axis(lambda r: r[::-1], 1, x)
np.apply_along_axis(lambda r: np.outer(r, r), -1, x)
np.apply_along_axis(lambda r: [r[0], 2], 0, x)
np.apply_along_axis(lambda r, a, b=1: r * a + b, 0, x, 2, b=3)
np.apply_along_axis(np.sum, 3, x)
np.apply_over_axes(np.sum, x, [0, 1])
np.apply_over_axes(np.sum, x, -1)
sw(x, 2, axis=1)
sw(x, (1, 2))
sw(x, (2, 2), (1, 1))
sw(x, 9, axis=0)
sw(x, 2)
sw(x, -1, axis=0)
sw(x, 0, axis=0)
sw(np.ravel(x), 2)
sw(x, 1.5, axis=0)
sw(x, (1, 1.5))
sw(x, 1, axis=0.0)
np.pad(x, 1, "edge")
np.pad(x, ((1, 2), (3, 4)), "reflect")
np.pad(x, ((1, 2), (3, 4)), "reflect", reflect_type="odd")
np.pad(x, 9, "reflect", reflect_type="odd")
np.pad(x, ((9, 2), (3, 14)), "symmetric", reflect_type="odd")
np.pad(x, 7, "symmetric")
np.pad(x, 7, "wrap")
np.pad(x, (2, 1), "linear_ramp")
np.pad(x, (2, 3), "linear_ramp", end_values=5)
np.pad(x, (2, 3), "linear_ramp", end_values=(5, -4))
np.pad(x, 2, "mean")
np.pad(x, 2, "mean", stat_length=1)
np.pad(x, 2, "maximum")
np.pad(x, 2, "minimum", stat_length=(1, 2))
np.pad(x, 2, "minimum", stat_length=0)
np.pad(x, 2, constant_values=(1.7, 2))
np.pad(x, [[1], [2]])
np.pad(x, (1, 2), constant_values=3)
np.pad(x, [(1,)], "edge")
np.pad(x, {0: 1, 1: (2, 0)}, "wrap")
np.pad(x, {0: 1}, "reflect")
np.pad(x, {-1: 1, 1: 2})
np.pad(x, -1)
np.pad(x, 2, "nonsense")
np.pad(x, 2, "edge", constant_values=1)
np.pad(x, 2, "constant", stat_length=1)
np.pad(x, 2, "reflect", reflect_type="weird")
np.pad(x, 2, fill)
np.pad(x, ((0, 1), (2, 0)), fill, v=3)
np.pad(x, ())
np.pad(x, 0, "mean")
np.pad(x, ((0, 0), (1, 0)), "reflect")
np.pad(x, ((1, 0), (0, 0)), "symmetric")
np.pad(x, 1, "constant", constant_values=True)
np.take(x, [1, -1], 1)
np.take(x, [9])
np.take(x, 9, mode="wrap")
np.take(x, [], mode="clip")
np.take(x, [0], mode="clip")
np.take(x, [0], axis=0, mode="weird")
np.copy(x, order="F")
np.astype(x, "f4")
np.broadcast_arrays(x, x[0], subok=True)
np.tril_indices_from(x)
np.triu_indices_from(x, 1)
np.diag_indices_from(x)
np.unravel_index(x, (9, 9))
"""


@pytest.mark.parametrize("form", FORMS.strip().split("\n"))
def test_forms(form):
    def f(x):
        return eval(form, {"np": np, "sw": sliding_window_view, "fill": fill, "x": x})

    assert_as_numpy(f)


# ---- order --------------------------------------------------------------------------------------


@st.composite
def laid_out(draw):
    """An array that lies in memory in one of many ways."""
    x = np.arange(1.0, 25.0).reshape(draw(st.sampled_from([(24,), (4, 6), (2, 3, 4), (2, 1, 12)])))
    x = np.transpose(x, draw(st.permutations(range(x.ndim))))
    if draw(st.booleans()):
        x = np.asfortranarray(x)
    if draw(st.booleans()):
        x = x[tuple(slice(None, None, draw(st.sampled_from([1, 2, -1]))) for _ in x.shape)]
    if draw(st.booleans()):
        x = np.moveaxis(np.broadcast_to(x, (2, *x.shape)), 0, draw(st.integers(0, x.ndim)))
    return x


@given(laid_out(), st.sampled_from("CFAK"))
def test_entries_are_read_in_the_order_of_numpy(x, order):
    t = tg.Tensor(x)  # shares memory, and so how it lies there
    assert_array_equal(np.ravel(t, order).numpy(), np.ravel(x, order))
    assert_array_equal(t.flatten(order).numpy(), x.flatten(order))
    if order != "K":
        assert_array_equal(np.reshape(t, (-1, 2), order).numpy(), np.reshape(x, (-1, 2), order))


@given(laid_out(), st.sampled_from("CFAK"))
def test_gradients_go_back_to_where_entries_were_read(x, order):
    assume(np.unique(x).size == x.size)
    leaf = Leaf(x)
    y = np.ravel(tg.Tensor(x, leaf), order)
    weights = np.arange(1.0, x.size + 1)
    np.sum(y * weights).backward()
    weight_of = dict(zip(np.ravel(x, order), weights, strict=True))
    expected = np.reshape([weight_of[entry] for entry in x.flat], x.shape)
    assert_array_equal(leaf.grad.numpy(), expected)


# ---- padding ------------------------------------------------------------------------------------

MODES = ["edge", "linear_ramp", "maximum", "mean", "minimum", "reflect", "symmetric", "wrap"]


@given(
    hnp.arrays(float, hnp.array_shapes(max_dims=2, max_side=4), elements=st.integers(-9, 9)),
    st.sampled_from(MODES),
    st.data(),
)
def test_padding_is_that_of_numpy_however_wide(x, mode, data):
    widths = data.draw(hnp.arrays(int, (x.ndim, 2), elements=st.integers(0, 13)))
    params = {}
    if mode in ("reflect", "symmetric"):
        params["reflect_type"] = data.draw(st.sampled_from(["even", "odd"]))
    if mode in ("maximum", "mean", "minimum"):
        params["stat_length"] = data.draw(hnp.arrays(int, (x.ndim, 2), elements=st.integers(1, 5)))
    if mode == "linear_ramp":
        params["end_values"] = data.draw(
            hnp.arrays(float, (x.ndim, 2), elements=st.integers(-9, 9))
        )
    expected = np.pad(x, widths, mode, **params)
    # all of it is linear in the entries, or the greatest of them: the rules forward and backward
    y, pullback = tg.vjp(lambda x: np.pad(x, widths, mode, **params), x)
    assert_allclose(y, expected, rtol=1e-12, atol=1e-11)
    g = np.random.default_rng(0).uniform(-1, 1, y.shape)
    t = np.random.default_rng(1).uniform(-1, 1, x.shape)
    if mode in ("maximum", "minimum"):
        return
    moved = np.pad(x + t, widths, mode, **params) - expected
    assert_allclose(np.vdot(pullback(g)[0], t), np.vdot(g, moved), atol=1e-9)


def test_borders_of_tensors_among_numbers_are_differentiated():
    def border(a, b):
        x = tg.tensor([1.0, 2.0])
        constant = np.pad(x, (1, 2), constant_values=[a, 3.0])
        ramp = np.pad(x, (2, 0), "linear_ramp", end_values=[b, 0.0])
        return np.concatenate([constant, ramp])

    (a, b), weights = (5.0, 7.0), np.arange(9.0)
    y, pullback = tg.vjp(border, a, b)
    assert_array_equal(y, [5, 1, 2, 3, 3, 7, 4, 1, 2])
    assert_array_equal(pullback(weights), [0, 5 + 6 / 2])


def test_a_function_that_pads_is_differentiated():
    def mirrored(row, width, _, kwargs):
        row[: width[0]] = kwargs["factor"] * row[width[0]]

    def padded(x, factor):
        return np.pad(x, ((0, 0), (1, 0)), mirrored, factor=factor)

    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    y, pullback = tg.vjp(padded, x, 10.0)
    assert_array_equal(y, [[10, 1, 2], [30, 3, 4]])
    g_x, g_factor = pullback(np.array([[1.0, 0, 0], [0.0, 0, 1]]))
    assert_array_equal(g_x, [[10, 0], [0, 1]])
    assert_array_equal(g_factor, 1)


# ---- lists that hold tensors --------------------------------------------------------------------

LISTS = {
    "append": lambda x, a: np.append(x, [a, 2.0]),
    "append to an array": lambda x, a: np.append(np.zeros(2), x * a),
    "insert": lambda x, a: np.insert(x, [0, 2], [a, a * a]),
    "block": lambda x, a: np.block([[x, a], [a, x]]),
    "np.array": lambda x, a: np.array([[x[0], a], [2.0, 3.0 * a]], like=x),
    "np.full": lambda x, a: np.full((2, 2), [a, 1.0], like=x),
    "diagflat": lambda x, a: np.diagflat(x * a, 1),
    "apply_along_axis": lambda x, a: np.apply_along_axis(lambda row: [row[0] * a, 1.0], 0, x),
}


@pytest.mark.parametrize("f", LISTS.values(), ids=LISTS.keys())
def test_tensors_in_lists_are_seen(f):
    x, a = np.array([1.5, -2.0, 0.5]), 3.0
    y, pullback = tg.vjp(f, x, a)
    g = np.random.default_rng(0).uniform(-1, 1, y.shape)
    g_x, g_a = pullback(g)
    step = 1e-6

    def slope(dx, da):
        ends = [tg.vjp(f, x + s * step * dx, a + s * step * da)[0] for s in (1, -1)]
        return np.vdot(g, ends[0] - ends[1]) / (2 * step)

    assert_allclose(g_x, [slope(dx, 0) for dx in np.eye(3)], atol=1e-8)
    assert_allclose(g_a, slope(0, 1), atol=1e-8)


# ---- what depends on the values, and what writes ------------------------------------------------


@given(hnp.arrays(int, hnp.array_shapes(max_dims=3, max_side=4), elements=st.integers(-1, 1)))
def test_zeros_are_trimmed_as_by_numpy(x):
    for trim in ("fb", "f", "b"):
        for axis in (None, 0, -1):
            y, pullback = tg.vjp(
                lambda x, trim=trim, axis=axis: np.trim_zeros(x, trim, axis), x.astype(float)
            )
            assert_array_equal(y, np.trim_zeros(x, trim, axis))
            numbers = np.zeros(x.shape)
            kept = pullback(np.ones(y.shape))[0].astype(bool)
            assert kept.sum() == y.size
            assert_array_equal(x[kept], np.ravel(y))
            assert_array_equal(numbers, 0)


def test_a_diagonal_is_filled_in_place():
    a, v = tg.tensor(np.ones((4, 2)), requires_grad=True), tg.tensor([5.0, 6.0], requires_grad=True)
    x = a * 2
    before = np.sum(x)
    assert np.fill_diagonal(x, v) is None
    assert_array_equal(x.numpy(), [[5, 2], [2, 6], [2, 2], [2, 2]])
    (np.sum(x * x) + before).backward()
    assert_array_equal(a.grad.numpy(), 2 + 8 * (x.numpy() == 2))
    assert_array_equal(v.grad.numpy(), [10, 12])


def test_a_leaf_and_a_plain_array_are_not_filled():
    leaf = tg.tensor(np.ones((2, 2)), requires_grad=True)
    with pytest.raises(GraphError, match="fill_diagonal"):
        np.fill_diagonal(leaf, 1.0)
    with pytest.raises(UnsupportedError):
        np.fill_diagonal(np.ones((2, 2)), leaf)
    with pytest.raises(ShapeError):
        np.fill_diagonal(tg.tensor([1.0]), 1.0)


def test_a_tensor_is_not_resized():
    with pytest.raises(UnsupportedError, match=r"np\.resize"):
        tg.tensor([1.0, 2.0]).resize(3)


@pytest.mark.parametrize(
    "conversion",
    [
        np.array,
        np.asarray,
        np.asanyarray,
        np.ascontiguousarray,
        np.asfortranarray,
        np.asarray_chkfinite,
        np.require,
        np.arange,
        lambda x: np.full(3, x),
        lambda x: np.full(3, x, dtype=float),
        lambda x: np.full_like(np.zeros(3), x),
        lambda x: np.array([x, 1.0]),
        lambda x: np.pad(np.zeros(2), 1, constant_values=x),
        lambda x: np.lib.stride_tricks.as_strided(x, (2,), (0,)),
        lambda x: np.r_[x, 1.0],
        lambda x: np.mgrid[0:x],
    ],
)
def test_a_conversion_that_would_lose_the_gradient_is_refused(conversion):
    x = tg.tensor(2.0, requires_grad=True)
    with pytest.raises(UnsupportedError):
        conversion(x)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (tg.linspace, [0.75, 0.5, 0.25]),
        (np.linspace, [0.75, 0.5, 0.25]),
        (np.geomspace, [0.75 * 2**0.25, 0.5 * 2**0.5, 0.25 * 2**0.75]),
    ],
)
def test_ranges_are_differentiated_by_their_ends(function, expected):
    # of y = start**(1 - w) stop**w, from 1 to 2, the derivative by start is (1 - w) y
    y, pullback = tg.vjp(lambda start: function(start, 2.0, 5), 1.0)
    assert len(y) == 5
    found = [float(pullback(weight)[0]) for weight in np.eye(5)]
    assert_allclose(found, [1, *expected, 0], atol=1e-15)
