"""Reading and writing by every form of index: NumPy's values, and gradients by counting.

An array of numbers that says which entry is which tells, moved by NumPy, where each result came
from. The gradient of a weighted sum of the results adds up, for each entry, the weights of those.
"""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_array_equal

import tensorgrad as tg
from tensorgrad.errors import GraphError, IndexingError, TensorgradError, UnsupportedError

SHAPE = (3, 4, 2)
MASK = np.arange(24).reshape(SHAPE) % 3 == 0
FORMS = {
    "integer": 1,
    "negative integer": -1,
    "integers": (1, -2, 0),
    "integer of NumPy": np.int8(-1),
    "array of no axes": np.array(2),
    "slice": slice(1, None),
    "backwards": (slice(None, None, -2), slice(3, 0, -1)),
    "nothing": slice(2, 1),
    "no index": (),
    "ellipsis": ...,
    "ellipsis between": (0, ..., -1),
    "new axes": (None, slice(None), None, 1),
    "new axes and ellipsis": (..., None, 0, None),
    "bounds of NumPy": slice(np.int64(0), np.array(2), np.uint8(1)),
    "list": [0, 2, 0],
    "list of lists": [[0, 1], [2, 0]],
    "tuple in a tuple": ((0, 0, 1),),
    "range": (slice(None), range(3)),
    "empty list": [],
    "arrays that broadcast": ([[0], [2]], [1, 3, 1]),
    "array and integer": ([0, 2], 1),
    "array after a slice": (slice(None), [0, 0, 3]),
    "arrays apart": ([0, 2], slice(None), [1, 0]),
    "arrays apart by a new axis": ([0, 2], None, [1, 0]),
    "array, slice and integer": (np.array([[0, 1]]), slice(1, 3), 1),
    "array and ellipsis": (..., [1, 1, 0]),
    "mask": MASK,
    "mask as a list": [True, False, True],
    "mask of one axis": (slice(None), np.array([True, False, True, True])),
    "mask of two axes": MASK[:, :, 0],
    "mask and slice": (MASK[:, :, 0], slice(None, None, -1)),
    "mask and array": (np.array([True, False, True]), [1, 3]),
    "mask and integer": (slice(None), 2, np.array([True, False])),
    "mask and new axis": (None, np.array([True, False, True]), None),
    "mask of nothing": np.zeros(SHAPE, bool),
    "true": True,
    "false": False,
    "true of NumPy": np.True_,
    "true among others": (0, True, [1, 2]),
    "tensor": tg.tensor([2, 0, 2]),
    "tensor of no axes": (slice(None), tg.tensor(1)),
    "mask in a tensor": tg.tensor(MASK),
    "tensors in a list": [tg.tensor(0), tg.tensor(-1)],
    "bounds in tensors": slice(tg.tensor(0), tg.tensor(2)),
}
WRONG = {
    "out of bounds": 3,
    "too many": (0, 0, 0, 0),
    "two ellipses": (..., ...),
    "a fraction": 1.0,
    "fractions": [0.0, 1.0],
    "a word": "field",
    "a mask of another size": [True, False],
    "arrays of different lengths": ([0, 1], [0, 1, 2]),
    "a step of zero": slice(None, None, 0),
    "a bound between": slice(0.5, None),
}
forms = pytest.mark.parametrize("index", FORMS.values(), ids=FORMS.keys())
rng = np.random.default_rng(0)


def bare(index):
    """The index with arrays in place of Tensors, as NumPy takes it."""
    if isinstance(index, tg.Tensor):
        return index.numpy()
    if isinstance(index, tuple | list):
        return type(index)(map(bare, index))
    if isinstance(index, slice):
        return slice(*map(bare, (index.start, index.stop, index.step)))
    return index


def assert_reads(index, shape):
    x = rng.uniform(-1, 1, shape)
    y, pullback = tg.vjp(lambda x: x[index], x)
    expected = x[bare(index)]
    assert_array_equal(y, expected, strict=True)
    weights = rng.integers(-9, 9, expected.shape).astype(float)
    places = np.arange(x.size).reshape(shape)[bare(index)]
    counted = np.bincount(np.ravel(places), np.ravel(weights), x.size).reshape(shape)
    assert_array_equal(pullback(weights)[0], counted)
    assert_array_equal(tg.jvp(lambda x: x[index], (x,), (x,))[1], expected)


def assert_writes(index, shape, v_shape):
    x, v = rng.uniform(-1, 1, shape), rng.uniform(-1, 1, v_shape)

    def write(x, v):
        y = +x
        y[index] = v
        return y

    expected = x.copy()
    expected[bare(index)] = v
    y, pullback = tg.vjp(write, x, v)
    assert_array_equal(y, expected)
    sources = np.arange(x.size).reshape(shape)
    sources[bare(index)] = x.size + np.arange(v.size).reshape(v_shape)
    weights = rng.integers(-9, 9, shape).astype(float)
    counted = np.bincount(np.ravel(sources), np.ravel(weights), x.size + v.size)
    g_x, g_v = pullback(weights)
    assert_array_equal(g_x, counted[: x.size].reshape(shape))
    assert_array_equal(g_v, counted[x.size :].reshape(v_shape))
    tangents = rng.uniform(-1, 1, shape), rng.uniform(-1, 1, v_shape)
    pushed = np.concatenate([np.ravel(t) for t in tangents])[sources]
    assert_array_equal(tg.jvp(write, (x, v), tangents)[1], pushed)


@forms
def test_reads(index):
    assert_reads(index, SHAPE)


@forms
def test_writes(index):
    target = np.zeros(SHAPE)[bare(index)].shape
    for v_shape in {target, target[1:], (1,) * len(target), ()}:
        assert_writes(index, SHAPE, v_shape)


@st.composite
def cases(draw):
    """A shape, and an index of basic items, integer arrays and masks that fits it."""
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=1, max_side=4))
    many = draw(hnp.array_shapes(min_dims=1, max_dims=2, max_side=3))

    def item(side):
        places = st.integers(-side, side - 1)
        kind = draw(st.sampled_from(["slice", "slice", "integer", "array", "stretched"]))
        if kind == "slice":
            return draw(st.slices(side))
        if kind == "integer":
            return draw(places)
        shape = many if kind == "array" else (1,) * len(many)
        return draw(hnp.arrays(int, shape, elements=places))

    items = [item(side) for side in shape[: draw(st.integers(0, len(shape)))]]
    for extra in draw(st.lists(st.sampled_from([None, "mask"]), max_size=2)):
        if extra is None:
            items.insert(draw(st.integers(0, len(items))), None)
        elif not any(isinstance(i, np.ndarray) for i in items) and items.count(None) == 0:
            axis = draw(st.integers(0, len(items)))
            used = sum(1 for _ in items[:axis])
            span = draw(st.integers(0, len(shape) - used))
            mask = draw(hnp.arrays(bool, shape[used : used + span]))
            items = [*items[:axis], mask, *items[axis + span :]]
    if draw(st.booleans()):
        items.append(...)
    return shape, tuple(items)


@given(cases())
def test_reads_any(case):
    shape, index = case
    assert_reads(index, shape)


@given(cases(), st.data())
def test_writes_any(case, data):
    shape, index = case
    target = np.zeros(shape)[index].shape
    kept = target[data.draw(st.integers(0, len(target))) :]
    assert_writes(index, shape, tuple(n if data.draw(st.booleans()) else 1 for n in kept))


@pytest.mark.parametrize("index", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_index_is_refused(index):
    x = tg.tensor(np.zeros(SHAPE), requires_grad=True)
    with pytest.raises(TensorgradError):
        x[index]
    y = x.copy()
    with pytest.raises(TensorgradError):
        y[index] = 0.0
    assert_array_equal(y.numpy(), 0.0)


def test_values_that_do_not_fit_are_refused():
    y = tg.tensor(np.zeros(SHAPE)) + 0.0
    with pytest.raises(TensorgradError):
        y[0] = np.zeros(3)
    with pytest.raises(UnsupportedError, match="setitem"):
        y[0] = 1j
    integers = tg.tensor([1, 2])
    with pytest.raises(UnsupportedError, match="setitem"):
        integers[0] = tg.tensor(1.0, requires_grad=True)
    leaf = tg.tensor([1.0], requires_grad=True)
    with pytest.raises(GraphError):
        leaf[0] = 0.0
    with pytest.raises(IndexingError):
        leaf[9]


@pytest.mark.parametrize("bound", [np.array(1), tg.tensor(1)], ids=["array", "tensor"])
def test_an_index_that_changes_later_changes_nothing_recorded(bound):
    x = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = np.sum(x[bound:])
    bound += 1
    y.backward()
    assert_array_equal(x.grad.numpy(), [0, 1, 1])


def test_a_list_of_places_that_changes_later_changes_nothing_recorded():
    x = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    for places in ([0, 0], np.array([0, 0]), tg.tensor([0, 0])):
        y = np.sum(x[places])
        places[0] = 2
        x.grad = None
        y.backward()
        assert_array_equal(x.grad.numpy(), [2, 0, 0])
