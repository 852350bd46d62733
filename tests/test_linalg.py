"""Linear algebra where the laws do not go: ties, low rank, phases, other libraries."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import tensorgrad as tg
from tensorgrad.engine.primitive import NUMPY
from tensorgrad.errors import ShapeError, SingularPointError, UnsupportedError
from tensorgrad.testing import check_grad
from tensorgrad.testing.strategies import matrices

linalg = np.linalg
dtypes = st.sampled_from([np.float64, np.complex128])
both = pytest.mark.parametrize("dtype", [np.float64, np.complex128])


def random(seed, *shape, dtype=np.float64):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    return x + 1j * rng.standard_normal(shape) if dtype == np.complex128 else x


def adjoint(x):
    return np.conj(np.swapaxes(x, -1, -2))


def pushed(f, x, t):
    return tg.jvp(f, (x,), (t,))[1]


# ---- determinants -------------------------------------------------------------------------------


def minors(a):
    """The matrix of cofactors, by its definition."""
    n = len(a)
    rows = [
        [
            (-1) ** (i + j) * linalg.det(np.delete(np.delete(a, i, 0), j, 1)) if n > 1 else 1
            for j in range(n)
        ]
        for i in range(n)
    ]
    return np.array(rows)


@given(data=st.data(), n=st.integers(1, 4), dtype=dtypes)
def test_gradient_of_det_is_the_cofactors_whatever_the_rank(data, n, dtype):
    rank = data.draw(st.integers(0, n - 1))
    a = data.draw(matrices("singular", sides=n, rank=rank, dtype=dtype))
    gradient = tg.grad(lambda a: np.real(linalg.det(a)))(a)
    assert_allclose(np.conj(gradient), minors(a), atol=1e-14)
    # second derivatives: the gradient is a polynomial of degree n - 1, so this is exact
    t = random(n, n, n, dtype=dtype)
    if n <= 3:
        found = pushed(tg.grad(lambda a: np.real(linalg.det(a))), a, t)
        assert_allclose(np.conj(found), (minors(a + t) - minors(a - t)) / 2, atol=1e-12)


def test_third_derivative_of_det_where_the_rank_is_zero():
    f = tg.grad(tg.grad(tg.grad(lambda x: linalg.det(x * np.eye(3)))))
    assert_allclose([f(0.0), f(1.0)], [6, 6])


def test_a_stack_of_matrices_of_every_rank():
    a = np.stack([np.eye(2), np.ones((2, 2)), np.zeros((2, 2))])
    expected = [np.eye(2), [[1, -1], [-1, 1]], np.zeros((2, 2))]
    assert_allclose(tg.grad(lambda a: np.sum(linalg.det(a)))(a), expected, atol=1e-15)


def test_what_has_no_inverse_raises_as_in_numpy():
    for f in (linalg.inv, lambda a: linalg.solve(a, np.ones(2)), lambda a: linalg.cholesky(-a)):
        with pytest.raises(linalg.LinAlgError):
            f(tg.tensor(np.ones((2, 2))))


@both
def test_a_logarithm_that_is_infinite_has_no_derivative(dtype):
    # it does not spoil those of other matrices of a stack, nor its own where it does not matter
    a = np.stack([np.ones((2, 2)), np.diag([1.0, 4.0])]).astype(dtype)

    def logarithms(a):
        return linalg.slogdet(a)[1]

    gradient, tangent = tg.grad(lambda a: np.sum(logarithms(a)))(a), pushed(logarithms, a, a)
    assert np.isnan(gradient[0]).all()
    assert np.isnan(tangent[0])
    assert_allclose(gradient[1], np.diag([1.0, 0.25]))
    assert_allclose(tangent[1], 2)
    others = tg.grad(lambda a: np.sum(np.where([False, True], logarithms(a), 0)))
    assert_allclose(others(a)[0], 0)
    assert np.isfinite(tg.grad(lambda a: np.sum(np.real(others(a))))(a)).all()
    with tg.strict(), pytest.raises(SingularPointError):
        tg.grad(lambda a: np.sum(logarithms(a)))(a)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_matrix_that_is_not_a_number_spoils_no_other():
    a = np.stack([np.ones((2, 2)), np.array([[1.0, np.nan], [0.0, 1.0]])])
    gradient = tg.grad(lambda a: np.sum(linalg.det(a)))(a)
    assert_allclose(gradient[0], [[1, -1], [-1, 1]])
    assert np.isnan(gradient[1]).all()
    assert np.isnan(tg.grad(lambda a: linalg.cond(a, 1))(a[1])).any()


# ---- triangles ----------------------------------------------------------------------------------

READ = {
    "cholesky": (linalg.cholesky, np.tril),
    "cholesky, upper": (lambda a: linalg.cholesky(a, upper=True), np.triu),
    "eigvalsh": (linalg.eigvalsh, np.tril),
    "eigvalsh, upper": (lambda a: linalg.eigvalsh(a, UPLO="U"), np.triu),
    "eigh": (lambda a: linalg.eigh(a)[1], np.tril),
    "svd": (lambda a: linalg.svd(a, hermitian=True)[0], np.tril),
    "pinv": (lambda a: linalg.pinv(a, hermitian=True), np.tril),
}


@pytest.mark.parametrize(("f", "part"), READ.values(), ids=READ.keys())
@both
def test_only_the_triangle_that_is_read_has_a_gradient(f, part, dtype):
    x = random(0, 3, 3, dtype=dtype)
    a = x @ adjoint(x) + np.eye(3)
    weights = random(1, *f(a).shape, dtype=dtype)

    def loss(a):
        return np.sum(np.real(f(a) * weights))

    def whole(a):  # the same function of all entries
        lower = part(a) if part(np.ones((2, 2)))[1, 0] else adjoint(part(a))
        mirrored = lower + adjoint(lower) - np.real(lower) * np.eye(3)
        return loss(mirrored)

    gradient = tg.grad(loss)(a)
    assert_array_equal(gradient, part(gradient))
    assert_allclose(gradient, tg.grad(whole)(a), atol=1e-12)
    assert check_grad(loss, a)


# ---- equal values -------------------------------------------------------------------------------


def turned(values, seed=0, dtype=np.float64):
    """A Hermitian matrix with these eigenvalues."""
    q = linalg.qr(random(seed, len(values), len(values), dtype=dtype))[0]
    return (q * values) @ adjoint(q)


@both
def test_equal_eigenvalues_share_the_gradient(dtype):
    a = turned([1.0, 2.0, 2.0], dtype=dtype)
    v = linalg.eigh(a)[1]
    for f in (
        linalg.eigvalsh,
        lambda a: linalg.eigvalsh(a, "U"),
        lambda a: linalg.eigh(a)[0],
        lambda a: np.real(linalg.eigvals(a)[np.argsort(linalg.eigvals(a).numpy().real)]),
    ):

        def hermitian(a, f=f):
            return f((a + adjoint(a)) / 2)

        # the sum over an eigenspace is smooth, and its derivative the projection
        space = v[:, 1:] @ adjoint(v[:, 1:])
        assert_allclose(tg.grad(lambda a: np.sum(hermitian(a)[1:]))(a), space, atol=1e-7)
        assert_allclose(tg.grad(lambda a: hermitian(a)[2])(a), space / 2, atol=1e-7)
        t = random(3, 3, 3, dtype=dtype)
        t = t + adjoint(t)
        slopes = pushed(hermitian, a, t)
        assert_allclose(slopes[1:], np.real(np.trace(space @ t)) / 2, atol=1e-7)


@both
def test_equal_and_vanishing_singular_values(dtype):
    u, _, vh = linalg.svd(random(0, 4, 4, dtype=dtype))
    a = (u * [3.0, 3.0, 1.0, 0.0]) @ vh
    for values in (linalg.svdvals, lambda a: linalg.svd(a)[1]):
        largest = tg.grad(lambda a, values=values: values(a)[0])(a)
        assert_allclose(largest, u[:, :2] @ vh[:2] / 2, atol=1e-14)
        nuclear = tg.grad(lambda a, values=values: np.sum(values(a)))(a)
        assert_allclose(nuclear, u[:, :3] @ vh[:3], atol=1e-14)
    assert_allclose(tg.grad(lambda a: linalg.norm(a, "nuc"))(a), nuclear)
    assert_allclose(tg.grad(lambda a: linalg.norm(a, 2))(a), largest)


def logarithm(a):
    w, v = linalg.eigh(a)
    return (v * np.log(w)) @ adjoint(v)


def root(a):
    w, v = linalg.eigh(a)
    return (v * np.sqrt(w)) @ adjoint(v)


def rebuilt(a):
    u, s, vh = linalg.svd(a)
    return (u * s) @ vh


@pytest.mark.parametrize("f", [logarithm, root, rebuilt])
def test_no_number_is_made_up_for_vectors_of_equal_values(f):
    # these have derivatives, but not through the vectors: the terms that are missing may not be 0
    a = np.eye(2)
    assert np.isnan(tg.grad(lambda a: np.sum(f(a) * [[1.0, 2.0], [3.0, 5.0]]))(a)).any()
    assert np.isnan(pushed(f, a, np.array([[1.0, 2.0], [2.0, 5.0]]))).any()
    assert np.isfinite(tg.grad(lambda a: np.sum(f(a)))(np.diag([1.0, 2.0]))).all()


def test_rebuilding_a_singular_matrix_is_nan_in_both_modes():
    a = np.diag([2.0, 1.0, 0.0])
    assert np.isnan(tg.grad(lambda a: np.sum(rebuilt(a)))(a)).any()
    assert np.isnan(pushed(rebuilt, a, np.eye(3))).any()


@both
@pytest.mark.parametrize("seed", range(3))
def test_vectors_of_equal_values_that_nobody_uses_do_no_harm(seed, dtype):
    # principal components of a matrix of rank 2 have derivatives, though 0 is an eigenvalue thrice
    x = random(seed, 5, 2, dtype=dtype)
    a = x @ adjoint(x)

    def projection(a):
        v = linalg.eigh((a + adjoint(a)) / 2)[1][:, -2:]
        return v @ adjoint(v)

    def of_singular_vectors(a):
        u, s, vh = linalg.svd(a)
        return (u[:, :2] * s[:2]) @ vh[:2]

    for f in (projection, of_singular_vectors):
        assert check_grad(f, a)


def test_strict_mode_raises_where_values_are_equal():
    for f in (
        linalg.eigvalsh,
        lambda a: linalg.eigh(a)[1],
        linalg.eigvals,
        lambda a: linalg.eig(a)[0],
        linalg.svdvals,
        lambda a: linalg.svd(a)[2],
    ):
        gradient = tg.grad(lambda a, f=f: np.sum(f(a)))
        with tg.strict(), pytest.raises(SingularPointError):
            gradient(np.eye(3))
        with tg.strict():
            gradient(np.diag([1.0, 2.0, 4.0]))


# ---- phases -------------------------------------------------------------------------------------

VECTORS = {
    "eigh": lambda a: linalg.eigh(a)[1],
    "eigh, upper": lambda a: linalg.eigh(a, UPLO="U")[1],
    "eig": lambda a: linalg.eig(a)[1],
    "svd u": lambda a: linalg.svd(a, full_matrices=False)[0],
    "svd vh": lambda a: linalg.svd(a, full_matrices=False)[2],
    "svd u, wide": lambda a: linalg.svd(a[:2], full_matrices=False)[0],
    "svd vh, wide": lambda a: linalg.svd(a[:2], full_matrices=False)[2],
    "svd u, tall": lambda a: linalg.svd(a[:, :2], full_matrices=False)[0],
    "svd vh, tall": lambda a: linalg.svd(a[:, :2], full_matrices=False)[2],
    "svd, Hermitian": lambda a: linalg.svd(a, hermitian=True)[2],
    "qr": lambda a: linalg.qr(a[:, :2])[0],
}


@pytest.mark.parametrize("f", VECTORS.values(), ids=VECTORS.keys())
@settings(max_examples=3)
@given(seed=st.integers(0, 1000))
def test_the_phases_of_complex_vectors_are_those_that_numpy_returns(f, seed):
    # the sum of all entries changes with the phases
    assert check_grad(lambda a: np.sum(f(a)), random(seed, 4, 4, dtype=np.complex128))


def test_where_a_phase_jumps_there_is_no_derivative():
    a = np.diag([1.0 + 0j, 2.0])  # any complex entry beside the diagonal turns the second vector
    assert np.isnan(tg.grad(lambda a: np.sum(np.imag(linalg.eigh(a)[1])))(a)).any()
    sizes = tg.grad(lambda a: np.sum(np.abs(linalg.eigh(a)[1]) ** 2))(a)  # 2, whatever a is
    assert_allclose(sizes, 0, atol=1e-15)


def test_where_another_entry_may_become_the_real_one():
    # of the vectors (1, i) and (1, -i), over sqrt(2), either entry may be the greatest, and so real
    a = np.array([[0.0, -1.0], [1.0, 0.0]])
    assert np.isnan(tg.grad(lambda a: np.sum(np.real(linalg.eig(a)[1])))(a)).any()
    t = np.array([[1.0, 2.0], [3.0, -4.0]])
    assert np.isnan(pushed(lambda a: linalg.eig(a)[1], a, t)).any()
    assert_allclose(tg.grad(lambda a: np.sum(np.abs(linalg.eig(a)[1]) ** 2))(a), 0, atol=1e-15)
    # of (1, 1) as well, but both are real: the average of both sides
    a = np.array([[0.0, -1.0], [0.0, -1.0]]) + 0j
    t = t * (1 + 2j)
    sides = [(linalg.eig(a + h * t)[1] - linalg.eig(a)[1]) / h for h in (1e-7, -1e-7)]
    assert np.abs(sides[0] - sides[1]).max() > 0.1
    tangent = pushed(lambda a: linalg.eig(a)[1], a, t)
    assert_allclose(tangent, np.mean(sides, axis=0), atol=1e-5)


def test_real_matrices_with_complex_eigenvalues():
    a = np.array([[1.0, -2.0], [3.0, 1.5]])
    w, v = linalg.eig(tg.tensor(a))
    assert w.dtype == v.dtype == complex
    for f in (linalg.eigvals, lambda a: linalg.eig(a)[0], lambda a: linalg.eig(a)[1]):

        def loss(a, f=f):
            return np.sum(np.abs(f(a) - 1) ** 3)

        assert tg.grad(loss)(a).dtype == float
        assert check_grad(loss, a, order=2)


def test_eig_may_order_eigenvalues_in_another_way_than_eigvals(monkeypatch):
    a, weights = random(0, 4, 4), np.arange(4.0)
    gradient = tg.grad(lambda a: np.real(np.sum(linalg.eigvals(a) * weights)))
    tangent = pushed(linalg.eigvals, a, a)
    expected, eig = gradient(a), linalg.eig
    monkeypatch.setattr(linalg, "eig", lambda a: tuple(y[..., ::-1] for y in eig(a)))
    assert_allclose(gradient(a), expected, atol=1e-12)
    assert_allclose(pushed(linalg.eigvals, a, a), tangent, atol=1e-12)


def test_a_phase_that_is_not_fixed_as_expected_has_no_derivative(monkeypatch):
    eigh = linalg.eigh

    def turned_by_another_library(a, uplo="L"):
        w, v = eigh(a, uplo)
        return w, v * 1j

    a = random(0, 3, 3, dtype=np.complex128)
    monkeypatch.setattr(linalg, "eigh", turned_by_another_library)
    vectors = NUMPY[eigh]
    assert np.isnan(tg.grad(lambda a: np.sum(np.real(vectors(a)[1])))(a)).any()
    assert np.isfinite(tg.grad(lambda a: np.sum(np.abs(vectors(a)[1]) ** 4))(a)).all()


# ---- vectors that complete a basis --------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "shape"),
    [
        (lambda a: linalg.svd(a)[0], (4, 2)),
        (lambda a: linalg.svd(a)[2], (2, 4)),
        (lambda a: linalg.qr(a, mode="complete")[0], (4, 2)),
    ],
)
@both
def test_vectors_that_numpy_chooses_as_it_likes_are_refused(f, shape, dtype):
    a = random(0, *shape, dtype=dtype)
    with pytest.raises(UnsupportedError, match="complete a basis"):
        tg.grad(lambda a: np.sum(np.real(f(a))))(a)
    assert check_grad(lambda a: f(a)[:, :2] if shape == (4, 2) else f(a)[:2], a)
    assert np.isnan(pushed(f, a, a)).any()


@pytest.mark.parametrize(
    ("f", "shape"),
    [
        (lambda a: linalg.svd(a)[0], (4, 3)),
        (lambda a: linalg.svd(a)[2], (3, 4)),
        (lambda a: linalg.qr(a, mode="complete")[0], (4, 3)),
    ],
)
def test_a_single_real_vector_completes_a_basis(f, shape):
    assert check_grad(f, random(0, *shape), order=2)
    with pytest.raises(UnsupportedError, match="complete a basis"):
        tg.grad(lambda a: np.sum(np.real(f(a))))(random(0, *shape, dtype=np.complex128))


def test_qr_of_a_matrix_without_full_rank():
    with pytest.raises(linalg.LinAlgError, match="full rank"):
        tg.grad(lambda a: np.sum(linalg.qr(a)[1]))(np.ones((3, 2)))


# ---- generalized inverses -----------------------------------------------------------------------


@settings(max_examples=10)
@given(seed=st.integers(0, 1000), m=st.integers(2, 4), n=st.integers(2, 4), dtype=dtypes)
def test_along_matrices_of_constant_rank(seed, m, n, dtype):
    x, y = random(seed, m, 1, dtype=dtype), random(seed + 1, 1, n, dtype=dtype)
    b = random(seed + 2, m, dtype=dtype)
    assert check_grad(lambda x, y: linalg.pinv(x @ y), x, y, order=2)
    assert check_grad(lambda x, y, b: linalg.lstsq(x @ y, b)[0], x, y, b)


@both
def test_pinv_that_leaves_out_more_than_rounding(dtype):
    assert check_grad(lambda a: linalg.pinv(a, rcond=0.5), random(0, 3, 4, dtype=dtype), order=2)


@pytest.mark.parametrize("shape", [(4, 2), (2, 4), (3, 3), (3, 1), (0, 2), (2, 0), (0, 0)])
@pytest.mark.parametrize("columns", [(), (2,), (0,)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64])
def test_lstsq_returns_what_numpy_does(shape, columns, dtype):
    a, b = random(0, *shape).astype(dtype), random(1, shape[0], *columns).astype(dtype)
    found, expected = linalg.lstsq(tg.tensor(a), b), linalg.lstsq(a, b)
    for y, want in zip(found, expected, strict=True):
        assert isinstance(y, tg.Tensor)
        assert (y.shape, y.dtype) == (np.shape(want), want.dtype)
        assert_allclose(y.numpy(), want, rtol=1e-5, atol=1e-6)


# ---- norms --------------------------------------------------------------------------------------

VECTOR_ORDERS = [None, 0, 1, 2, 3, 0.5, -1, -2.5, np.inf, -np.inf]
MATRIX_ORDERS = [None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf]


@pytest.mark.parametrize("order", VECTOR_ORDERS)
@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.float64, np.complex64])
def test_vector_norms_of_zeros_and_of_nothing(order, dtype):
    x = np.array([[0, 0, 0], [0, 3, -4]], dtype)
    for y in (x, x[:0], x[:, :0]):
        if y.shape[1] == 0 and order in (-np.inf,):
            continue  # nothing to choose from, for NumPy neither
        with np.errstate(all="ignore"):
            expected = linalg.norm(y, order, axis=1)
        found = linalg.norm(tg.tensor(y), order, axis=1)
        assert found.dtype == expected.dtype
        assert_allclose(found.numpy(), expected, rtol=1e-6)
    if dtype == np.float64:
        gradient = tg.grad(lambda x: np.sum(linalg.norm(x, order, axis=1)))(x)
        assert_array_equal(gradient[0], 0)
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("order", MATRIX_ORDERS)
def test_matrix_norms_of_zeros(order):
    zeros = np.zeros((2, 3))
    assert linalg.norm(tg.tensor(zeros), order).item() == 0
    assert_array_equal(tg.grad(lambda x: linalg.norm(x, order))(zeros), 0)


def test_a_matrix_without_a_condition_number():
    a = np.stack([np.diag([1.0, 2.0]), np.ones((2, 2))])
    for p in (None, 1, "fro"):
        y = linalg.cond(tg.tensor(a), p)
        expected = linalg.cond(a, p)
        assert_allclose(y.numpy(), expected)
        gradient = tg.grad(lambda a, p=p: linalg.cond(a, p)[0])(a)
        assert_allclose(gradient[0], tg.grad(lambda a, p=p: linalg.cond(a, p))(a[0]))


# ---- forms, and errors --------------------------------------------------------------------------


def test_results_have_names():
    a = tg.tensor(np.diag([1.0, 2.0]))
    assert linalg.eigh(a).eigenvectors.shape == (2, 2)
    assert linalg.eig(a).eigenvalues.shape == (2,)
    assert linalg.svd(a).S.shape == (2,)
    assert linalg.qr(a).R.shape == (2, 2)
    assert linalg.slogdet(a).logabsdet.shape == ()
    assert isinstance(linalg.eigh(a), type(linalg.eigh(np.eye(2))))


def test_integers_become_floating_point_numbers():
    a = tg.tensor(np.array([[2, 1], [1, 3]]))
    for f in (linalg.inv, linalg.det, linalg.cholesky, linalg.pinv, linalg.norm, linalg.svdvals):
        assert f(a).dtype == float
        assert_allclose(f(a).numpy(), f(a.numpy()))


SQUARE = [
    linalg.inv,
    linalg.det,
    linalg.slogdet,
    linalg.cholesky,
    linalg.eigh,
    linalg.eigvalsh,
    linalg.eig,
    linalg.eigvals,
    lambda a: linalg.solve(a, np.ones(2)),
    lambda a: linalg.matrix_power(a, 2),
    lambda a: linalg.cond(a, 1),
    lambda a: linalg.pinv(a, hermitian=True),
    lambda a: linalg.svd(a, hermitian=True),
]


@pytest.mark.parametrize("f", SQUARE)
def test_matrices_that_are_not_square_are_refused(f):
    with pytest.raises(ShapeError, match=r"np\.linalg\.\w+: shape=\(2, 3\)\. .* square"):
        f(tg.tensor(np.ones((2, 3))))


WRONG = {
    "vector": (lambda a: linalg.svd(a[0]), ShapeError, "last two axes"),
    "power": (lambda a: linalg.matrix_power(a, 0.5), UnsupportedError, "n=0.5"),
    "mode": (lambda a: linalg.qr(a, mode="raw"), UnsupportedError, "mode='raw'"),
    "UPLO, a number": (lambda a: linalg.eigvalsh(a, UPLO=1), ShapeError, "UPLO=1"),
    "UPLO": (lambda a: linalg.eigh(a, UPLO="X"), ShapeError, "UPLO='X'"),
    "names": (lambda a: linalg.pinv(a, rcond=0.1, rtol=0.1), UnsupportedError, "rtol=0.1"),
    "ord of vectors": (lambda a: linalg.norm(a[0], "fro"), ShapeError, "ord='fro'"),
    "ord of matrices": (lambda a: linalg.norm(a, 3), ShapeError, "ord=3"),
    "axes": (lambda a: linalg.norm(a, 2, axis=(0, 0)), ShapeError, r"axis=\(0, 0\)"),
    "one factor": (lambda a: linalg.multi_dot([a]), ShapeError, "arrays=1"),
    "a stack": (lambda a: linalg.multi_dot([a, a[np.newaxis], a]), ShapeError, "matrices"),
    "ind": (lambda a: linalg.tensorinv(a, ind=0), ShapeError, "ind=0"),
    "tensorsolve": (lambda a: linalg.tensorsolve(a, np.ones(3)), ShapeError, r"b_shape=\(3,\)"),
    "tensorsolve, axes": (
        lambda a: linalg.tensorsolve(a, np.ones(2), axes=(-1,)),
        ShapeError,
        r"axes=\(-1,\)",
    ),
    "lstsq": (lambda a: linalg.lstsq(a, np.ones(3)), ShapeError, r"b_shape=\(3,\)"),
}


@pytest.mark.parametrize(("f", "error", "message"), WRONG.values(), ids=WRONG.keys())
def test_what_is_refused(f, error, message):
    with pytest.raises(error, match=message):
        f(tg.tensor(np.diag([1.0, 2.0])))


def test_the_factors_of_a_chain_may_be_arrays_or_tensors():
    x = tg.tensor(np.ones((2, 3)), requires_grad=True)
    y = linalg.multi_dot([np.ones(2), x, np.ones((3, 4)), np.ones(4)])
    assert y.item() == 24
    y.backward()
    assert_array_equal(x.grad.numpy(), np.full((2, 3), 4.0))


# ---- the same in PyTorch -------------------------------------------------------------------------

# functions of a that do not change with the phases of vectors
TORCH = {
    "inv": (linalg.inv, lambda torch, a: torch.linalg.inv(a)),
    "det": (linalg.det, lambda torch, a: torch.linalg.det(a)),
    "logabsdet": (
        lambda a: linalg.slogdet(a)[1],
        lambda torch, a: torch.linalg.slogdet(a)[1],
    ),
    "cholesky": (
        lambda a: linalg.cholesky(a @ adjoint(a)),
        lambda torch, a: torch.linalg.cholesky(a @ a.mH),
    ),
    "eigvalsh": (
        lambda a: linalg.eigvalsh(a + adjoint(a)),
        lambda torch, a: torch.linalg.eigvalsh(a + a.mH),
    ),
    "eigh": (
        lambda a: np.abs(linalg.eigh(a + adjoint(a))[1]) ** 2,
        lambda torch, a: torch.linalg.eigh(a + a.mH)[1].abs() ** 2,
    ),
    "eig": (
        lambda a: np.sum(linalg.eig(a)[0] ** 3),
        lambda torch, a: (torch.linalg.eig(a)[0] ** 3).sum(),
    ),
    "svd": (
        lambda a: np.abs(linalg.svd(a)[0]) ** 2 * linalg.svd(a)[1],
        lambda torch, a: torch.linalg.svd(a)[0].abs() ** 2 * torch.linalg.svd(a)[1],
    ),
    "qr": (
        lambda a: np.abs(linalg.qr(a)[0]) ** 2 + np.abs(linalg.qr(a)[1]) ** 2,
        lambda torch, a: torch.linalg.qr(a)[0].abs() ** 2 + torch.linalg.qr(a)[1].abs() ** 2,
    ),
    "pinv": (lambda a: linalg.pinv(a[:2]), lambda torch, a: torch.linalg.pinv(a[:2])),
    "solve": (
        lambda a: linalg.solve(a, a[:, :1]) + linalg.solve(a, adjoint(a)),
        lambda torch, a: torch.linalg.solve(a, a[:, :1]) + torch.linalg.solve(a, a.mH),
    ),
    "power": (
        lambda a: linalg.matrix_power(a, -3),
        lambda torch, a: torch.linalg.matrix_power(a, -3),
    ),
    "cond": (linalg.cond, lambda torch, a: torch.linalg.cond(a)),
    "nuclear norm": (
        lambda a: linalg.norm(a, "nuc"),
        lambda torch, a: torch.linalg.norm(a, "nuc"),
    ),
}


@pytest.mark.parametrize(("f", "g"), TORCH.values(), ids=TORCH.keys())
@settings(max_examples=5)
@given(a=matrices("invertible", sides=3, dtype=dtypes))
def test_against_torch(f, g, a):
    torch = pytest.importorskip("torch", reason="compares with PyTorch: pip install torch")
    leaf = torch.tensor(a, requires_grad=True)
    theirs = g(torch, leaf)
    weights = np.cos(np.arange(theirs.numel())).reshape(tuple(theirs.shape))
    (theirs * torch.tensor(weights)).sum().real.backward()
    ours = tg.grad(lambda a: np.real(np.sum(f(a) * weights)))(a)
    expected = leaf.grad.resolve_conj().numpy()
    assert_allclose(ours, expected, atol=1e-9 * max(1, np.abs(expected).max()))
