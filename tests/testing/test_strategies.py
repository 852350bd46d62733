"""What each strategy promises holds for all that it draws, and what it is to reach is reached."""

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings, strategies as st
from numpy.testing import assert_allclose

import tensorgrad as tg
from tensorgrad.conv.geometry import dilated, output_side, pads_for, per_axis, remainder
from tensorgrad.engine.primitive import REGISTRY
from tensorgrad.errors import ShapeError, TensorgradError, UnsupportedError
from tensorgrad.testing import strategies as tst
from tensorgrad.testing.draw import GAP, LAYOUTS, MARGIN
from tensorgrad.typing import DISTINCT, NONZERO, POSITIVE, REAL, UNIT, Domain


def drawn(strategy, n):
    """Return n values that a strategy draws."""
    found = []

    @settings(
        max_examples=n,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def look(value):
        found.append(value)

    look()
    return found


# ---- arrays -------------------------------------------------------------------------------------


@given(
    st.data(),
    st.sampled_from(["f4", "f8", "c8", "c16", "i8"]),
    st.tuples(st.integers(0, 3), st.integers(0, 3)),
)
def test_arrays_have_the_dtype_and_shape_asked_for(data, dtype, shape):
    x = data.draw(tst.arrays(dtype, shape))
    assert x.dtype == np.dtype(dtype)
    assert x.shape == shape
    assert np.isfinite(x).all()
    assert data.draw(tst.arrays(st.just(dtype), st.just(shape))).shape == shape
    assert data.draw(tst.arrays(shape=3)).shape == (3,)


@given(
    st.data(),
    st.sampled_from([REAL, POSITIVE, NONZERO, UNIT, Domain(0.95, 1.05), Domain(avoid=(-1.0, 1.0))]),
)
def test_entries_lie_in_the_domain(data, domain):
    x = data.draw(tst.arrays(domain=domain, layout="C"))
    assert (x >= domain.low).all()
    assert (x <= domain.high).all()
    for point in domain.avoid:
        assert (abs(x - point) >= MARGIN).all()


@given(tst.arrays(domain=DISTINCT, shape=(3, 4), layout="C"))
def test_distinct_entries_are_apart(x):
    assert np.diff(np.sort(x, axis=None)).min() >= GAP * (1 - 1e-9)


@given(tst.arrays(domain=Domain(-1.75, 1.75, step=0.5), layout="C"))
def test_entries_on_a_grid(x):
    places = (x + 1.75) / 0.5
    assert (places == places.round()).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout):
    @settings(max_examples=20)
    @given(tst.arrays(shape=(3, 4), layout=layout))
    def holds(x):
        row, entry = x.strides
        assert x.shape == (3, 4)
        assert x.flags.writeable == (layout not in ("broadcast", "read-only"))
        expected = {"F": (8, 24), "strided": (64, 16), "negative": (-32, -8)}.get(layout, (32, 8))
        if layout == "broadcast":
            assert entry == 0
            assert (x == x[:, :1]).all()
        else:
            assert (row, entry) == expected

    holds()


def test_every_layout_is_drawn_and_the_simplest_is_first():
    strides = {x.strides for x in drawn(tst.arrays(shape=(3, 4)), 100)}
    assert len(strides) == 5  # read-only arrays lie as those in C
    assert find(tst.arrays(), lambda x: True).flags.c_contiguous


def test_orders_of_magnitude():
    x = np.concatenate(drawn(tst.arrays(shape=100, domain=POSITIVE, layout="C", decades=6), 30))
    assert np.log10(x).max() - np.log10(x).min() > 5.5
    assert (x > 0.5e-3).all()
    assert (x < 3e3).all()


@given(tst.tensors())
def test_tensors_are_leaves_in_any_layout(x):
    assert x.requires_grad
    assert x.is_leaf
    np.sum(x * x).backward()
    assert_allclose(x.grad.numpy(), 2 * x.numpy(), rtol=1e-15)


def test_the_value_of_a_tensor_lies_in_memory_as_drawn():
    for layout in ("F", "strided", "negative"):
        x = find(tst.tensors(shape=(3, 4), layout=layout), lambda x: True)
        assert (
            x.numpy().strides
            == find(tst.arrays(shape=(3, 4), layout=layout), lambda x: True).strides
        )


# ---- shapes, axes and indices -------------------------------------------------------------------


@given(st.integers(1, 4).flatmap(tst.broadcastable))
def test_shapes_broadcast(shapes):
    np.broadcast_shapes(*shapes)


@given(st.data(), st.integers(0, 4))
def test_axes_are_valid(data, ndim):
    np.sum(np.ones((2,) * ndim), axis=data.draw(tst.axes(ndim)))


def test_axes_of_every_form():
    found = drawn(tst.axes(3), 300)
    assert {None, 0, 1, 2, -1, -2, -3} <= set(found)
    sizes = Counter(len(axis) for axis in found if isinstance(axis, tuple))
    assert set(sizes) == {0, 1, 2, 3}


@given(st.data(), tst.shapes())
def test_indices_are_valid(data, shape):
    x = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    assert x[data.draw(tst.indices(shape))].size <= 3**3 * max(x.size, 1)


def test_indices_of_every_form():
    found = drawn(tst.indices((3, 4)), 300)
    items = [item for index in found if isinstance(index, tuple) for item in index]
    kinds = {type(item) for item in items}
    assert {int, slice, np.ndarray, type(None), type(...)} <= kinds
    assert {item.dtype.kind for item in items if isinstance(item, np.ndarray)} == {"i", "b"}


# ---- convolutions -------------------------------------------------------------------------------


def boundaries(case, name):
    """Return which boundaries a case is at."""
    (x, w, *_), params = case
    batch, layout = x.shape[:1], params.get("layout", "NCHW")
    if name == "conv":
        stride, pads, inner, dilation, groups = params["geometry"]
        sides, kernel, channels = x.shape[2:], w.shape[2:], (x.shape[1], w.shape[0])
    else:
        groups = params["groups"]
        batch = batch if x.ndim == 4 else (1,)
        last = layout == "NHWC"
        sides, kernel = (x.shape[-3:-1], w.shape[:2]) if last else (x.shape[-2:], w.shape[2:])
        channels = (x.shape[-1], w.shape[-1]) if last else (x.shape[-3], w.shape[0])
        stride, dilation = (per_axis("", "", params[key], 2) for key in ("stride", "dilation"))
        pads, inner = pads_for("", params["padding"], sides, kernel, stride, dilation), (1, 1)
    axes = list(zip(sides, kernel, stride, pads, inner, dilation, strict=True))
    rests = [
        remainder(i, k, output_side(i, k, s, p, a, d), s, p, a, d) for i, k, s, p, a, d in axes
    ]
    return {
        "a remainder": any(rests),
        "no remainder": not any(rests),
        "s != d": stride != dilation,
        "sh != sw": len(set(stride)) > 1,
        "ph != pw": len(set(pads)) > 1,
        "h != w": len(set(sides)) > 1,
        "as many channels": channels[0] == channels[1],
        "as many channels, and some": channels[0] == channels[1] > 1,
        "groups": groups > 1,
        "as large as the padded input": any(
            dilated(k, d) == dilated(i, a) + sum(p) for i, k, s, p, a, d in axes
        ),
        "k = 1": 1 in kernel,
        "padding >= kernel": any(max(p) >= k for i, k, s, p, a, d in axes),
        **{f"{n} images": batch[0] == n for n in (0, 1, 2)},
    }


@pytest.mark.parametrize("name", ["conv", "conv2d"])
def test_convolutions_are_at_boundaries(name):
    found = drawn(tst.conv_cases(name), 1000)  # of which many are alike
    counts = Counter()
    for case in found:
        counts.update(what for what, holds in boundaries(case, name).items() if holds)
    least = {
        **dict.fromkeys(["a remainder", "s != d", "sh != sw", "ph != pw", "h != w"], 0.35),
        **dict.fromkeys(["as many channels", "groups", "1 images", "2 images"], 0.25),
        "as many channels, and some": 0.2,
        **dict.fromkeys(["no remainder", "k = 1", "padding >= kernel"], 0.15),
        **dict.fromkeys(["as large as the padded input", "0 images"], 0.05),
    }
    shares = {what: counts[what] / len(found) for what in least}
    assert all(shares[what] >= share for what, share in least.items()), shares


@settings(max_examples=50)
@given(tst.conv_cases("conv2d"))
def test_convolutions_are_valid(case):
    args, params = case
    assert tg.conv2d(*args, **params).ndim == args[0].ndim


# ---- matrices -----------------------------------------------------------------------------------

KINDS = [kind for kind in tst.MATRICES if kind != "singular"]


def conjugate_transpose(a):
    return np.conj(np.swapaxes(a, -1, -2))


@given(
    st.data(),
    st.sampled_from(KINDS),
    st.integers(1, 5),
    st.sampled_from([(), (2,), (0,), (2, 3)]),
    st.sampled_from([1.0, 10.0, 1e6]),
    st.sampled_from(["f8", "c16"]),
)
def test_matrices(data, kind, side, batch, condition, dtype):
    a = data.draw(tst.matrices(kind, sides=side, batch=batch, condition=condition, dtype=dtype))
    assert a.shape == (*batch, side, side)
    assert a.dtype == np.dtype(dtype)
    expected = 1 if kind == "orthogonal" or side == 1 else condition
    assert_allclose(np.linalg.cond(a), np.full(batch, expected), rtol=1e-9)
    adjoint = conjugate_transpose(a)
    if kind in ("spd", "symmetric"):
        assert (a == adjoint).all()
        negative = np.linalg.eigvalsh(a) < 0
        assert negative.any(-1).all() == (kind == "symmetric" and side > 1) or a.size == 0
    if kind == "orthogonal":
        assert_allclose(a @ adjoint, np.broadcast_to(np.eye(side), a.shape), atol=1e-12)
    if kind in ("lower", "upper"):
        assert (a == (np.tril if kind == "lower" else np.triu)(a)).all()


@given(st.data(), st.integers(1, 5), st.integers(0, 4))
def test_singular_matrices_have_the_rank_asked_for(data, side, rank):
    a = data.draw(tst.matrices("singular", sides=side, rank=min(rank, side)))
    assert np.linalg.matrix_rank(a) == min(rank, side)
    assert np.linalg.matrix_rank(data.draw(tst.matrices("singular", sides=side))) == side - 1


@given(tst.matrices(sides=(3, 5), condition=100.0))
def test_matrices_need_not_be_square(a):
    assert a.shape == (3, 5)
    assert_allclose(np.linalg.cond(a), 100, rtol=1e-9)


# ---- operations ---------------------------------------------------------------------------------


def test_operations():
    found = {operation.name for operation in drawn(tst.ops(), 1000)}
    assert len(found) > 100
    assert all(REGISTRY[name].differentiable for name in found)
    assert {op.kind for op in drawn(tst.ops("bilinear"), 20)} == {"bilinear"}


@settings(max_examples=50)
@given(st.data())
def test_cases_fit_their_operation(data):
    operation = data.draw(tst.ops())
    args, params = data.draw(tst.cases(operation))
    operation.reference(*args, **params)


def test_cases_have_the_dtypes_asked_for():
    found = {args[0].dtype.name for args, _ in drawn(tst.cases("sin", ("f4", "c16")), 40)}
    assert found == {"float32", "complex128"}


def test_examples_are_shown_as_what_they_are():
    @settings(max_examples=30, database=None)
    @given(tst.programs(["sin"]))
    def fails(program):
        assert len(program.steps) < 2

    with pytest.raises(AssertionError) as info:
        fails()
    shown = "".join(info.value.__notes__)
    assert "program=<Program sin sin; inputs []>" in shown
    assert "v1 = np.sin(v0)" in shown


# ---- bad input ----------------------------------------------------------------------------------

WRONG = {
    "a dtype without numbers": (lambda: tst.arrays("U1"), UnsupportedError, "dtype='<U1'"),
    "a layout": (lambda: tst.arrays(layout="A"), UnsupportedError, "layout='A'"),
    "whole tensors": (lambda: tst.tensors("i8"), UnsupportedError, "dtype='int64'"),
    "a kind": (lambda: tst.matrices("round"), UnsupportedError, "kind='round'"),
    "whole matrices": (lambda: tst.matrices(dtype="i8"), UnsupportedError, "dtype='int64'"),
    "sides": (lambda: tst.matrices("spd", sides=(2, 3)), ShapeError, r"sides=\(2, 3\)"),
    "a rank": (lambda: tst.matrices("spd", sides=2, rank=1), ShapeError, "rank=1"),
    "too high a rank": (lambda: tst.matrices("singular", sides=2, rank=3), ShapeError, "rank=3"),
    "an operation": (lambda: tst.cases("sine"), TensorgradError, "op='sine'"),
    "operations": (lambda: tst.programs(["sine"]), TensorgradError, "op='sine'"),
    "no operations": (lambda: tst.programs([]), TensorgradError, r"ops=\[\]"),
    "no steps": (lambda: tst.programs(max_ops=0), TensorgradError, "max_ops=0"),
    "a kind of operation": (lambda: tst.ops("cubic"), TensorgradError, "kind='cubic'"),
}


@pytest.mark.parametrize(("make", "error", "message"), WRONG.values(), ids=WRONG.keys())
def test_bad_input(make, error, message):
    with pytest.raises(error, match=message):
        find(make(), lambda value: True)


def test_without_hypothesis():
    program = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "import tensorgrad.testing\n"
        "from tensorgrad.testing import strategies\n"
        "from tensorgrad.testing.programs import growing, quick\n"
        "quick.check_program(growing.random_program(0))\n"
        "try:\n"
        "    strategies.arrays()\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "pip install hypothesis" in done.stdout
