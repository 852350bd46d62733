"""The package as a namespace of the Array API standard, and libraries that take such namespaces."""

import os
import subprocess
import sys
from inspect import signature

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from numpy.testing import assert_array_equal

import tensorgrad as tg
from tensorgrad.testing import check_grad

A = np.array([[2.0, 0.5, -0.25], [0.5, 3.0, 0.75], [-0.25, 0.75, 1.5]])
ROW = np.array([1.5, -0.5, 0.25])
INTEGERS = np.array([3, 1, 2])
TRUTHS = np.array([True, False, True])

# what the standard says, chapter by chapter, of functions whose results have no gradient
CONSTANT = {
    "creation": {
        "arange": lambda xp, _: xp.arange(1, 7, 2, dtype=xp.float32),
        "empty": lambda xp, _: xp.empty((0, 2)),
        "empty_like": lambda xp, x: xp.empty_like(x)[:0],
        "eye": lambda xp, _: xp.eye(2, 3, k=1),
        "from_dlpack": lambda xp, _: xp.from_dlpack(ROW),
        "full": lambda xp, _: xp.full((2,), 1.5),
        "linspace": lambda xp, _: xp.linspace(0.0, 1.0, 5, endpoint=False),
        "ones": lambda xp, _: xp.ones((2, 3)),
        "ones_like": lambda xp, x: xp.ones_like(x),
        "zeros": lambda xp, _: xp.zeros(2, dtype=xp.complex64),
        "zeros_like": lambda xp, x: xp.zeros_like(x, dtype=xp.int8),
        "full_like": lambda xp, x: xp.full_like(x, 1.5),
    },
    "elementwise": {
        "bitwise_and": lambda xp, _: xp.bitwise_and(INTEGERS, 2),
        "bitwise_invert": lambda xp, _: xp.bitwise_invert(INTEGERS),
        "bitwise_left_shift": lambda xp, _: xp.bitwise_left_shift(INTEGERS, 2),
        "bitwise_or": lambda xp, _: xp.bitwise_or(INTEGERS, 2),
        "bitwise_right_shift": lambda xp, _: xp.bitwise_right_shift(INTEGERS, 1),
        "bitwise_xor": lambda xp, _: xp.bitwise_xor(INTEGERS, 2),
        "ceil": lambda xp, x: xp.ceil(x),
        "equal": lambda xp, x: xp.equal(x, 0.5),
        "floor": lambda xp, x: xp.floor(x),
        "floor_divide": lambda xp, x: xp.floor_divide(x, 0.4),
        "greater": lambda xp, x: xp.greater(x, 0.5),
        "greater_equal": lambda xp, x: xp.greater_equal(x, 0.5),
        "isfinite": lambda xp, x: xp.isfinite(x),
        "isinf": lambda xp, x: xp.isinf(x),
        "isnan": lambda xp, x: xp.isnan(x),
        "less": lambda xp, x: xp.less(x, 0.5),
        "less_equal": lambda xp, x: xp.less_equal(x, 0.5),
        "logical_and": lambda xp, _: xp.logical_and(TRUTHS, False),
        "logical_not": lambda xp, _: xp.logical_not(TRUTHS),
        "logical_or": lambda xp, _: xp.logical_or(TRUTHS, False),
        "logical_xor": lambda xp, _: xp.logical_xor(TRUTHS, True),
        "not_equal": lambda xp, x: xp.not_equal(x, 0.5),
        "round": lambda xp, x: xp.round(x),
        "sign": lambda xp, x: xp.sign(x),
        "signbit": lambda xp, x: xp.signbit(x),
        "trunc": lambda xp, x: xp.trunc(x),
    },
    "searching": {
        "argmax": lambda xp, x: xp.argmax(x, axis=1, keepdims=True),
        "argmin": lambda xp, x: xp.argmin(x, axis=1),
        "argsort": lambda xp, x: xp.argsort(x, axis=0),
        "count_nonzero": lambda xp, x: xp.count_nonzero(x, axis=0),
        "nonzero": lambda xp, x: xp.nonzero(x),
        "searchsorted": lambda xp, _: xp.searchsorted(INTEGERS, 2, side="right", sorter=[1, 2, 0]),
        "unique_all": lambda xp, _: xp.unique_all(INTEGERS),
        "unique_counts": lambda xp, _: xp.unique_counts(INTEGERS),
        "unique_inverse": lambda xp, _: xp.unique_inverse(INTEGERS),
    },
    "statistics": {
        "all": lambda xp, x: xp.all(x, axis=0),
        "any": lambda xp, x: xp.any(x, axis=0, keepdims=True),
    },
    "linalg": {"linalg.matrix_rank": lambda xp, x: xp.linalg.matrix_rank(x, rtol=0.1)},
    "fft": {
        "fft.fftfreq": lambda xp, _: xp.fft.fftfreq(5, d=0.5),
        "fft.rfftfreq": lambda xp, _: xp.fft.rfftfreq(5, d=0.5),
    },
}
UNARY = (
    "abs acos acosh asin asinh atan atanh conj cos cosh exp expm1 imag log log1p log2 log10 "
    "negative positive real reciprocal sin sinh sqrt square tan tanh"
)
BINARY = (
    "add atan2 copysign divide hypot logaddexp maximum minimum multiply nextafter pow remainder "
    "subtract"
)
ONE_AXIS = "fft hfft ifft ihfft irfft rfft"
AXES = "fftn ifftn irfftn rfftn"


def inner(x):
    """Put any numbers into (0, 1), or (1, 2) for acosh, where all functions have derivatives."""
    return 1 / (1 + np.exp(-x))


def unary(name):
    shift = name == "acosh"
    return lambda xp, x: getattr(xp, name)(inner(x) + shift)


def binary(name):
    return lambda xp, x: getattr(xp, name)(inner(x) + 0.1, ROW)


def one_axis(name):
    return lambda xp, x: getattr(xp.fft, name)(x, n=4, axis=0, norm="ortho")


def over_axes(name):
    return lambda xp, x: getattr(xp.fft, name)(x, s=(2, 4), axes=(1, 0), norm="forward")


# and of those that are differentiated
DIFFERENTIABLE = {
    "creation": {
        "asarray": lambda xp, x: xp.asarray(x),
        "meshgrid": lambda xp, x: xp.meshgrid(x[0], ROW, indexing="ij"),
        "tril": lambda xp, x: xp.tril(x, k=1),
        "triu": lambda xp, x: xp.triu(x, k=-1),
    },
    "dtypes": {"astype": lambda xp, x: xp.astype(x, xp.float32)},
    "elementwise": {
        **{name: unary(name) for name in UNARY.split()},
        **{name: binary(name) for name in BINARY.split()},
        "clip": lambda xp, x: xp.clip(x, -0.3, 0.6),
        "where": lambda xp, x: xp.where(TRUTHS, x, 2.0),
    },
    "manipulation": {
        "broadcast_arrays": lambda xp, x: xp.broadcast_arrays(x, x[0]),
        "broadcast_to": lambda xp, x: xp.broadcast_to(x, (2, 3, 3)),
        "concat": lambda xp, x: xp.concat([x, x[:1]], axis=0),
        "expand_dims": lambda xp, x: xp.expand_dims(x, axis=1),
        "flip": lambda xp, x: xp.flip(x, axis=0),
        "moveaxis": lambda xp, x: xp.moveaxis(x, 0, 1),
        "permute_dims": lambda xp, x: xp.permute_dims(x, (1, 0)),
        "repeat": lambda xp, x: xp.repeat(x, INTEGERS, axis=1),
        "reshape": lambda xp, x: xp.reshape(x, (9,), copy=True),
        "roll": lambda xp, x: xp.roll(x, 2, axis=1),
        "squeeze": lambda xp, x: xp.squeeze(x[:1], axis=0),
        "stack": lambda xp, x: xp.stack((x, x), axis=-1),
        "take": lambda xp, x: xp.take(x, np.array([2, 0]), axis=1),
        "take_along_axis": lambda xp, x: xp.take_along_axis(x, np.array([[2, 0, 1]]), axis=0),
        "tile": lambda xp, x: xp.tile(x, (2, 1)),
        "unstack": lambda xp, x: xp.unstack(x, axis=1),
    },
    "multiplication": {
        "matmul": lambda xp, x: xp.matmul(x, ROW),
        "matrix_transpose": lambda xp, x: xp.matrix_transpose(x),
        "tensordot": lambda xp, x: xp.tensordot(x, A, axes=((0,), (1,))),
        "vecdot": lambda xp, x: xp.vecdot(x, ROW, axis=0),
    },
    "searching": {
        "sort": lambda xp, x: xp.sort(x, axis=0),
        "unique_values": lambda xp, x: xp.unique_values(x[0]),
    },
    "statistics": {
        "cumulative_prod": lambda xp, x: xp.cumulative_prod(x, axis=1),
        "cumulative_sum": lambda xp, x: xp.cumulative_sum(x, axis=1, include_initial=True),
        "diff": lambda xp, x: xp.diff(x, axis=0, n=2, prepend=x[:1]),
        "max": lambda xp, x: xp.max(x, axis=1, keepdims=True),
        "mean": lambda xp, x: xp.mean(x, axis=(0, 1)),
        "min": lambda xp, x: xp.min(x, axis=1),
        "prod": lambda xp, x: xp.prod(x, axis=0, dtype=xp.float64),
        "std": lambda xp, x: xp.std(x, axis=0, correction=1.5),
        "sum": lambda xp, x: xp.sum(x, axis=0, keepdims=True),
        "var": lambda xp, x: xp.var(x, axis=1, correction=1, keepdims=True),
    },
    "linalg": {
        "linalg.cholesky": lambda xp, x: xp.linalg.cholesky(x, upper=True),
        "linalg.cross": lambda xp, x: xp.linalg.cross(x, A[::-1], axis=0),
        "linalg.det": lambda xp, x: xp.linalg.det(x),
        "linalg.diagonal": lambda xp, x: xp.linalg.diagonal(x, offset=1),
        "linalg.eigh": lambda xp, x: xp.linalg.eigh(x),
        "linalg.eigvalsh": lambda xp, x: xp.linalg.eigvalsh(x),
        "linalg.inv": lambda xp, x: xp.linalg.inv(x),
        "linalg.matmul": lambda xp, x: xp.linalg.matmul(A, x),
        "linalg.matrix_norm": lambda xp, x: xp.linalg.matrix_norm(x, ord="nuc", keepdims=True),
        "linalg.matrix_power": lambda xp, x: xp.linalg.matrix_power(x, 3),
        "linalg.matrix_transpose": lambda xp, x: xp.linalg.matrix_transpose(x),
        "linalg.outer": lambda xp, x: xp.linalg.outer(x[0], ROW),
        "linalg.pinv": lambda xp, x: xp.linalg.pinv(x[:2], rtol=1e-9),
        "linalg.qr": lambda xp, x: xp.linalg.qr(x[:, :2], mode="reduced"),
        "linalg.slogdet": lambda xp, x: xp.linalg.slogdet(x)[1],
        "linalg.solve": lambda xp, x: xp.linalg.solve(x, A[::-1]),
        "linalg.svd": lambda xp, x: xp.linalg.svd(x[:2], full_matrices=False),
        "linalg.svdvals": lambda xp, x: xp.linalg.svdvals(x),
        "linalg.tensordot": lambda xp, x: xp.linalg.tensordot(x, A),
        "linalg.trace": lambda xp, x: xp.linalg.trace(x, offset=-1, dtype=xp.complex128),
        "linalg.vecdot": lambda xp, x: xp.linalg.vecdot(ROW, x),
        "linalg.vector_norm": lambda xp, x: xp.linalg.vector_norm(x, axis=1, ord=3),
    },
    "fft": {
        **{f"fft.{name}": one_axis(name) for name in ONE_AXIS.split()},
        **{f"fft.{name}": over_axes(name) for name in AXES.split()},
        "fft.fftshift": lambda xp, x: xp.fft.fftshift(x, axes=(0,)),
        "fft.ifftshift": lambda xp, x: xp.fft.ifftshift(x),
    },
}
CONSTANT = {name: case for chapter in CONSTANT.values() for name, case in chapter.items()}
DIFFERENTIABLE = {
    name: case for chapter in DIFFERENTIABLE.values() for name, case in chapter.items()
}
DTYPES = (
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128"
)
# what takes no arrays, or gives none
OTHERS = f"e inf nan newaxis pi can_cast finfo iinfo isdtype result_type {DTYPES}".split()


def function(name):
    """Find linalg.det in the package."""
    found = tg
    for part in name.split("."):
        found = getattr(found, part)
    return found


def flat(result):
    return result if isinstance(result, (list, tuple)) else [result]


def test_every_public_function_has_a_case():
    chapters = [m for n, m in sys.modules.items() if n.startswith("tensorgrad.array_api.")]
    names = {n for m in chapters for n in getattr(m, "__all__", ()) if not n.startswith("_")}
    names |= {f"{m}.{n}" for m in ("linalg", "fft") for n in getattr(tg, m).__all__}
    assert len(names) > 180
    assert names == {*CONSTANT, *DIFFERENTIABLE, *OTHERS}


@pytest.mark.parametrize("name", [*CONSTANT, *DIFFERENTIABLE])
@pytest.mark.parametrize("kind", ["recorded", "constant", "ndarray"])
def test_results_are_tensors_with_the_values_of_numpy(name, kind):
    case = {**CONSTANT, **DIFFERENTIABLE}[name]
    x = A.copy() if kind == "ndarray" else tg.tensor(A, requires_grad=kind == "recorded")
    ours, theirs = flat(case(tg, x)), flat(case(np, A))
    assert len(ours) == len(theirs)
    for our, their in zip(ours, theirs, strict=True):
        assert type(our) is tg.Tensor
        assert our.dtype == their.dtype
        assert_array_equal(our.numpy(), their, strict=True)
    recorded = any(result.requires_grad for result in ours)
    assert recorded == (kind == "recorded" and name in DIFFERENTIABLE)


# without two that have no numerical derivative: the imaginary part of real numbers is always 0, and
# numbers in single precision change in steps
@pytest.mark.parametrize(
    "name", [name for name in DIFFERENTIABLE if name not in ("imag", "astype")]
)
def test_results_are_differentiated(name):
    def symmetric(x):  # what eigh and cholesky need
        return DIFFERENTIABLE[name](tg, (x + np.swapaxes(x, 0, 1)) / 2)

    def gauge(x):  # vectors that are unique up to their sign
        parts = DIFFERENTIABLE[name](tg, x)
        return [np.abs(part) for part in parts]

    vectors = name in ("linalg.svd", "linalg.qr")
    f = gauge if vectors else symmetric if name.startswith("linalg.") else None
    assert check_grad(f or (lambda x: DIFFERENTIABLE[name](tg, x)), A)


@pytest.mark.parametrize("name", [*CONSTANT, *DIFFERENTIABLE])
def test_functions_introduce_themselves(name):
    f = function(name)
    assert f.__name__ == name.split(".")[-1]
    assert f.__module__.startswith("tensorgrad.")
    assert f.__doc__.strip()
    assert signature(f).return_annotation is not signature(f).empty


def test_numbers_of_python_leave_the_dtype_to_others():
    x = tg.tensor([1.0, 2.0], dtype=np.float32)
    assert tg.add(x, 1.5).dtype == tg.pow(2.0, x).dtype == tg.where(x > 1, x, 0.5).dtype == "f4"
    assert tg.clip(x, 0.5, 1.5).dtype == "f4"
    assert tg.add(x, np.float64(1.5)).dtype == "f8"
    assert tg.add(1, 2).dtype == np.dtype(int)


@pytest.mark.parametrize("f", [tg.sum, tg.prod, tg.cumulative_sum])
@pytest.mark.parametrize("dtype", [None, np.uint8, np.int16, np.float32])
def test_small_integers_are_added_in_the_dtype_asked_for(f, dtype):
    data = np.array([200, 100, 3], dtype=np.uint8)
    theirs = getattr(np, f.__name__)(data, dtype=dtype)
    assert_array_equal(f(tg.tensor(data), dtype=dtype).numpy(), theirs, strict=True)


# ---- from data to tensors ------------------------------------------------------------------------


def test_asarray_keeps_the_history():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    assert tg.asarray(x) is x
    assert tg.asarray(x, copy=False) is x
    assert tg.asarray(x, copy=True) is not x
    nested = [[x[0], 3.0], (x[1], x[0] * x[1])]
    assert tg.asarray(nested).tolist() == [[1.0, 3.0], [2.0, 2.0]]
    assert check_grad(lambda x: tg.asarray([[x[0], 3.0], (x[1], x[0] * x[1])]), x.numpy())
    assert tg.asarray([x[0], 1], dtype=np.float32).dtype == "f4"
    assert tg.asarray(x, dtype=np.float32).requires_grad


def test_asarray_owns_its_values():
    data = np.array([1.0, 2.0])
    x = tg.asarray(data)
    data[:] = 7.0
    assert x.tolist() == [1.0, 2.0]
    for other, options in ((data, {}), ([1.0], {}), (x, {"dtype": np.float32})):
        with pytest.raises(ValueError, match=r"asarray: copy=False.*Leave copy out"):
            tg.asarray(other, copy=False, **options)


@pytest.mark.parametrize("f", [tg.asarray, tg.zeros_like, lambda x, **kw: tg.full_like(x, 1, **kw)])
def test_there_is_one_device(f):
    assert f(tg.zeros(2), device="cpu").device == "cpu"
    with pytest.raises((ValueError, TypeError), match=r"gpu|[Oo]nly"):
        f(tg.zeros(2), device="gpu")


def test_to_device():
    x = tg.zeros(2)
    assert x.to_device("cpu") is x
    with pytest.raises(tg.errors.UnsupportedError, match=r"to_device: device='gpu'"):
        x.to_device("gpu")


def test_dlpack_hands_out_what_cannot_spoil_a_gradient():
    x = tg.tensor([1.0, 2.0])
    shared = np.from_dlpack(x)
    assert not shared.flags.writeable
    assert np.shares_memory(shared, x.numpy())
    assert x.__dlpack_device__() == shared.__dlpack_device__()
    assert tg.from_dlpack(x) is x

    class Old:  # a consumer of the first version of the protocol
        def __dlpack__(self, **_):
            return x.__dlpack__()

        __dlpack_device__ = x.__dlpack_device__

    copied = np.from_dlpack(Old())
    assert not np.shares_memory(copied, x.numpy())
    assert copied.tolist() == [1.0, 2.0]

    with pytest.raises(tg.errors.UnsupportedError, match="would silently drop its gradient"):
        np.from_dlpack(tg.tensor([1.0], requires_grad=True))


def test_from_dlpack_copies():
    data = np.array([1.0, 2.0])
    x = tg.from_dlpack(data)
    data[:] = 7.0
    assert x.tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="copy=False"):
        tg.from_dlpack(data, copy=False)


# ---- the namespace -------------------------------------------------------------------------------


def test_a_tensor_knows_its_namespace():
    x = tg.zeros(2)
    assert x.__array_namespace__() is tg
    assert x.__array_namespace__(api_version="2022.12") is tg
    assert tg.__array_api_version__ == "2024.12"
    with pytest.raises(ValueError, match=r"api_version='2030\.12'.*2024\.12"):
        x.__array_namespace__(api_version="2030.12")


def test_the_namespace_knows_itself():
    info = tg.__array_namespace_info__()
    assert info.default_device() == "cpu"
    assert info.dtypes(kind="real floating") == {"float32": np.float32, "float64": np.float64}
    assert info.default_dtypes()["real floating"] == tg.zeros(()).dtype


def test_functions_of_dtypes():
    x = tg.tensor([1.0], dtype=np.float32)
    assert tg.result_type(x, np.float64, 1j) == np.complex128
    assert tg.result_type(x, 1.0) == np.float32
    assert tg.can_cast(x, np.float64)
    assert not tg.can_cast(np.float64, np.float32)
    assert tg.finfo(x).bits == 32
    assert tg.iinfo(tg.arange(3, dtype=tg.int16)).max == 2**15 - 1
    assert tg.isdtype(x.dtype, "real floating")


SYMBOLS = ["&", "|", "^", "<<", ">>"]


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_operators_of_integers(symbol):
    data = np.array([6, 3], dtype=np.int32)
    for code in (f"x {symbol} 1", f"3 {symbol} x", f"x {symbol} x"):
        ours, theirs = (eval(code, {"x": x}) for x in (tg.tensor(data), data))
        assert_array_equal(ours.numpy(), theirs, strict=True)
    x = same = tg.tensor(data)
    theirs = data.copy()
    exec(f"x {symbol}= 2", given := {"x": x})
    exec(f"x {symbol}= 2", {"x": theirs})
    assert given["x"] is same
    assert_array_equal(same.numpy(), theirs, strict=True)


def test_a_view_of_what_nobody_sees_can_be_written_to():
    x = tg.arange(6.0).reshape(2, 3)
    x[0] = 7.0
    assert x.tolist() == [[7.0, 7.0, 7.0], [3.0, 4.0, 5.0]]
    base = tg.arange(6.0)
    y = base.reshape(2, 3)
    with pytest.raises(tg.errors.GraphError, match="view of another"):
        y[0] = 7.0
    del base
    y[0] = 7.0
    assert y.tolist() == x.tolist()


# ---- sorting, which the standard can do in descending order --------------------------------------

KEYS = hnp.arrays(int, st.integers(0, 12), elements=st.integers(0, 3))


@given(KEYS, st.booleans())
def test_argsort_is_stable_in_both_directions(keys, descending):
    expected = sorted(range(len(keys)), key=keys.__getitem__, reverse=descending)
    assert tg.argsort(tg.tensor(keys), descending=descending).tolist() == expected


@given(KEYS, st.booleans())
def test_sort_in_both_directions(keys, descending):
    expected = sorted(keys.tolist(), reverse=descending)
    assert tg.sort(tg.tensor(keys), descending=descending).tolist() == expected


def test_sort_in_descending_order_is_differentiated():
    assert check_grad(lambda x: tg.sort(x, axis=0, descending=True), A)


# ---- other libraries -----------------------------------------------------------------------------

SCIPY = """
import numpy as np
import scipy.cluster.vq, scipy.fft, scipy.integrate, scipy.optimize, scipy.signal, scipy.special
import scipy.stats
from tensorgrad.testing import check_grad

x = np.array([0.3, 1.2, -0.7, 2.1, 0.4])
positive = np.array([0.3, 1.2, 0.7, 2.1, 0.4])
matrix = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.3, 0.2, 2.0]])

for f, at in [
    (scipy.special.logsumexp, x),
    (scipy.special.softmax, x),
    (lambda x: scipy.integrate.trapezoid(x**2, x), x),
    (scipy.integrate.cumulative_trapezoid, x),
    (scipy.stats.zscore, x),
    (scipy.stats.skew, x),
    (scipy.stats.kurtosis, x),
    (scipy.stats.gmean, positive),
    (scipy.stats.circmean, x),
    (scipy.cluster.vq.whiten, matrix),
    (lambda x: scipy.signal.fftconvolve(x, x**2), x),
    (lambda x: np.abs(scipy.fft.rfft(x)), x),
    (scipy.optimize.rosen, x),
]:
    assert check_grad(f, at), f
"""


def test_functions_of_scipy_are_differentiated():
    pytest.importorskip("scipy", minversion="1.15")
    # which SciPy reads when it is imported
    environment = {**os.environ, "SCIPY_ARRAY_API": "1"}
    code = [sys.executable, "-W", "error", "-c", SCIPY]
    done = subprocess.run(code, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_einops_is_differentiated():
    einops = pytest.importorskip("einops.array_api")
    x = np.arange(24.0).reshape(4, 6) ** 1.5
    assert check_grad(lambda x: einops.rearrange(x, "(a b) c -> a c b", a=2), x)
    assert check_grad(lambda x: einops.reduce(x * x, "a (b c) -> b", "mean", b=2), x)
    assert check_grad(lambda x: einops.reduce(x, "a (b c) -> c", "max", b=2), x)
    assert check_grad(lambda x: einops.repeat(x, "a b -> b a c", c=2), x)


def test_array_api_extra_is_differentiated():
    xpx = pytest.importorskip("array_api_extra")
    assert check_grad(xpx.cov, A)
    assert check_grad(lambda x: xpx.kron(x, x), A)
    assert check_grad(lambda x: xpx.at(x * 2, x > 0.6).multiply(x[x > 0.6]), A)
    assert check_grad(lambda x: xpx.apply_where(x > 0.6, x, np.sqrt, fill_value=0.0), A)
    assert check_grad(lambda x: xpx.create_diagonal(x), A)
