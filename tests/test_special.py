"""Special functions: the laws, derivatives from elsewhere, conventions, how rules are loaded."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.special
from numpy.testing import assert_allclose

import tensorgrad as tg
from tensorgrad import special
from tensorgrad.engine.primitive import REGISTRY
from tensorgrad.errors import ShapeError, UnsupportedError
from tensorgrad.testing import check_grad, check_op

INF = np.inf


@pytest.mark.parametrize("name", [name for name in REGISTRY if name.startswith("special.")])
def test_operation(name):
    assert check_op(name, examples=4)


# function, point, first and second derivative: from differences in 40 digits
DERIVATIVES = [
    (special.rgamma, -3.0, -6.0, 15.0734120212),
    (special.rgamma, 0.0, 1.0, 1.1544313298),
    (special.rgamma, -2.5, 1.16698028564, 8.80378218339),
    (special.rgamma, 4.0, -0.209352944739, 0.215668106868),
    (special.gamma, -1.5, 1.66175026067, 23.3341798436),
    (special.gamma, 0.1, -99.1664728746, 1998.67348392),
    (special.gamma, 20.0, 3.61349689303e17, 1.07963476607e18),
    (special.gammaln, -2.5, 1.10315664065, 9.53924664499),
    (special.gammaln, 0.001, -1000.57557193, 1000001.64253),
    (special.gammaln, 1000000.0, 13.815510058, 1.0000005e-06),
    (special.psi, -1.5, 9.37924664499, -0.236204051642),
    (special.psi, 0.01, 10001.6212135, -2000002.3404),
    (special.psi, 100000.0, 1.00000500002e-05, -1.00001000005e-10),
    (special.erfcx, -2.0, -436.891996727, 1965.44979569),
    (special.erfcx, 0.5, -0.512688822903, 0.718691865483),
    (special.erfcx, 9.9, -0.00567051970663, 0.00112862368632),
    (special.erfcx, 10.5, -0.00504927241767, 0.00094907872214),
    (special.erfcx, 10000.0, -5.64189575085e-09, 1.12837913324e-12),
    (special.dawsn, -10000.0, -5.000000075e-09, -1.00000003e-12),
    (special.dawsn, -10.5, -0.00459829555848, -0.000888178579699),
    (special.dawsn, 0.5, 0.575563616498, -1.4244363835),
    (special.dawsn, 9.9, -0.00518166290573, 0.0010634242299),
    (special.dawsn, 300.0, -5.55564815072e-06, 3.70382716564e-08),
    (special.log_ndtr, -10000.0, 10000.0001, -0.99999999),
    (special.log_ndtr, -40.0, 40.0249688472, -0.999377331621),
    (special.log_ndtr, -1.0, 1.52513527616, -0.80090233443),
    (special.log_ndtr, 3.0, 0.00443783904213, -0.0133332115417),
    (special.erfinv, 0.999, 198.939517764, 184171.549853),
    (special.ndtri, 1e-10, 1535723698.2, -1.50028871306e19),
    (special.ndtri, 0.9, 5.69805985612, 41.609270292),
    (special.expit, -50.0, 1.92874984796e-22, 1.92874984796e-22),
    (special.expit, 50.0, 1.92874984796e-22, -1.92874984796e-22),
    (special.expit, 0.3, 0.244458311691, -0.0363961839556),
    (special.log_expit, -50.0, 1.0, -1.92874984796e-22),
    (special.log_expit, 50.0, 1.92874984796e-22, -1.92874984796e-22),
    (special.spence, 1.0, -1.0, 0.5),
    (special.spence, 0.999, -1.00050033358, 0.500667417468),
    (special.spence, 1.4, -0.841180591553, 0.317237193168),
    (special.spence, 1.6, -0.783339382076, 0.263898970127),
    (special.spence, 0.2, -2.01179739054, 3.73525326182),
    (special.spence, 50.0, -0.0798372041924, 0.0012211674325),
    (special.exprel, 1e-06, 0.500000333333, 0.333333583333),
    (special.exprel, -30.0, 0.00111111111111, 7.40740740707e-05),
    (special.exprel, 2.0, 2.09726402473, 1.59726402473),
    (special.ellipk, -30.0, 0.00622077734557, 0.000257366722772),
    (special.ellipk, 0.0, 0.392699081699, 0.441786466911),
    (special.ellipk, 0.5, 0.847213084794, 1.8540746773),
    (special.ellipk, 0.999, 499.16399313, 499875.824108),
    (special.ellipe, -30.0, -0.0873886340905, -0.00135279761241),
    (special.ellipe, 0.0, -0.392699081699, -0.147262155637),
    (special.ellipe, 0.5, -0.503430796254, -0.34378228854),
    (special.ellipe, 0.999, -1.92140228715, -248.870165587),
    (special.j0, 0.0, 0.0, -0.5),
    (special.j0, -3.0, 0.339058958526, 0.373071607744),
    (special.j0, 30.0, 0.118751062617, 0.0824096148272),
    (special.j1, 0.0, 0.5, 0.0),
    (special.j1, -3.0, -0.373071607744, 0.177028538331),
    (special.j1, 30.0, -0.0824096148272, 0.121366104152),
    (special.y0, 0.1, 6.4589510947, -63.0552722957),
    (special.y0, 30.0, -0.0844255706617, 0.120109917375),
    (special.y1, 0.1, 63.0552722957, -1269.98888133),
    (special.y1, 30.0, -0.120109917375, -0.0803281005596),
    (special.i0e, -2.0, 0.0932390333047, 0.078843421985),
    (special.i0e, 5.0, -0.0195685456648, 0.00634263794066),
    (special.i1e, -2.0, -0.0143956113197, 0.0178282940129),
    (special.i1e, 5.0, -0.0132259077241, 0.00286143428194),
    (special.k0e, 0.1, -8.20785658079, 92.4861136689),
    (special.k0e, 5.0, -0.0524662944748, 0.0151221828081),
    (special.k1e, 0.1, -100.69397025, 2003.47185713),
    (special.k1e, 5.0, -0.0675884772829, 0.022406467),
    (special.cosm1, 0.001, -0.000999999833333, -0.9999995),
    (special.cotdg, 30.0, -0.0698131700798, 0.00422090278353),
    (special.wrightomega, -5.0, 0.00664850207007, 0.00656039079146),
    (special.wrightomega, 3.0, 0.688273474517, 0.0668818920186),
    (lambda x: special.jv(0.5, x), 0.3, 0.674179313628, -1.48194257018),
    (lambda x: special.jv(0.5, x), 20.0, 0.0687348856887, -0.166215707662),
    (lambda x: special.kv(0.25, x), 0.3, -3.38950604622, 13.7519812783),
    (lambda x: special.kv(0.25, x), 20.0, -5.89246711584e-10, 6.04552386602e-10),
    (lambda x: special.spherical_jn(2, x), 0.3, 0.0394876393544, 0.128222537343),
    (lambda x: special.spherical_jn(2, x), 20.0, -0.0108669114342, 0.0487267318214),
    (lambda x: special.gammainc(2.5, x), 0.1, 0.0215245634495, 0.301343888294),
    (lambda x: special.gammainc(2.5, x), 7.0, 0.012704263326, -0.00998192118471),
    (lambda x: special.betainc(2.5, 0.5, x), 0.1, 0.0282942121052, 0.440132188304),
    (lambda x: special.betainc(2.5, 0.5, x), 0.9, 2.29183118052, 15.2788745368),
    (lambda y: special.boxcox(3.0, y), 0.0, 0.603474480406, 0.441989653381),
    (lambda y: special.boxcox(3.0, y), 1e-09, 0.603474480848, 0.441989653745),
    (lambda y: special.boxcox(3.0, y), -2.0, 0.161188206185, 0.09413548614),
    (lambda y: special.boxcox(3.0, y), 4.0, 17.2468988455, 15.8172670337),
    (lambda y: special.inv_boxcox(0.7, y), 1e-09, -0.493369412749, 0.581353624281),
    (lambda y: special.inv_boxcox(0.7, y), -0.8, -1.9696959367, 5.29453720504),
    (lambda y: special.inv_boxcox(0.7, y), 2.0, -0.113143555461, 0.0555123567118),
    (lambda x: special.pseudo_huber(x, 0.3), 0.001, 0.298004999977, -1.99000009259),
    (lambda x: special.pseudo_huber(x, 0.3), 1.0, 0.00185693611221, -0.00526085554861),
    (lambda x: special.pseudo_huber(x, 0.3), 10000.0, 2.02499999818e-15, -6.07499999089e-19),
    (lambda x: special.polygamma(2, x), -0.5, 193.409091034, -3.47424982667),
    (lambda x: special.polygamma(2, x), 0.3, 743.141764655, -9883.4685555),
    (lambda x: special.polygamma(2, x), 9.0, 0.00323439604595, -0.00113637327564),
    (lambda x: special.hyp2f1(0.3, 1.2, 2.1, x), -3.0, 0.0428065134862, 0.0114972532379),
    (lambda x: special.hyp2f1(0.3, 1.2, 2.1, x), 0.5, 0.3158566464, 0.531145100693),
    (lambda x: special.sici(x)[0], 0.001, 0.999999833333, -0.0003333333),
    (lambda x: special.sici(x)[0], 20.0, 0.0456472625364, 0.0181217399639),
    (lambda x: special.shichi(x)[1], 0.001, 1000.0005, -999999.5),
    (lambda x: special.shichi(x)[1], 20.0, 12129129.8852, 11522673.391),
]


@pytest.mark.parametrize(("f", "x", "first", "second"), DERIVATIVES)
def test_derivatives(f, x, first, second):
    slope = tg.grad(f)
    assert_allclose(slope(x), first, rtol=1e-10)
    assert_allclose(tg.grad(slope)(x), second, rtol=1e-10)


# function, arguments, gradient by each
EDGES = {
    "xlogy(0, 0)": (special.xlogy, (0.0, 0.0), (0, 0)),
    "xlogy(0, y)": (special.xlogy, (0.0, 2.0), (np.log(2), 0)),
    "xlog1py(0, -1)": (special.xlog1py, (0.0, -1.0), (0, 0)),
    "rel_entr(0, 0)": (special.rel_entr, (0.0, 0.0), (0, 0)),
    "kl_div(0, 0)": (special.kl_div, (0.0, 0.0), (0, 1)),
    "kl_div(0, y)": (lambda y: special.kl_div(0.0, y), (2.0,), (1,)),
    "entr(0)": (special.entr, (0.0,), (INF,)),
    "erfinv(1)": (special.erfinv, (1.0,), (INF,)),
    "ndtri(0)": (special.ndtri, (0.0,), (INF,)),
    "sici(0), of which one slope is infinite": (lambda x: special.sici(x)[0], (0.0,), (1,)),
    "i0e(0), a kink": (special.i0e, (0.0,), (0,)),
    "huber at its corner": (special.huber, (1.0, 1.0), (0, 1)),
    "pseudo_huber(0, 0)": (special.pseudo_huber, (0.0, 0.0), (0, 0)),
    "boxcox(x, 0)": (special.boxcox, (2.0, 0.0), (0.5, np.log(2) ** 2 / 2)),
    "factorial(-1)": (special.factorial, (-1.5,), (0,)),
    "logsumexp of nothing": (special.logsumexp, (np.full(4, -INF),), (np.full(4, 0.25),)),
    "logsumexp of infinities": (
        special.logsumexp,
        (np.array([INF, 1.0, INF]),),
        (np.array([0.5, 0, 0.5]),),
    ),
    "logsumexp without a zero share": (
        lambda a: special.logsumexp(a, b=[0.0, 1.0]),
        (np.array([1e4, 1.0]),),
        (np.array([0, 1]),),
    ),
    "logsumexp by a share that is zero": (
        lambda b: special.logsumexp(np.array([1.0, 1.0]), b=b),
        (np.array([0.0, 1.0]),),
        (np.array([1, 1]),),
    ),
}


@pytest.mark.parametrize(("f", "args", "expected"), EDGES.values(), ids=EDGES.keys())
def test_edges(f, args, expected):
    args = [np.asarray(arg) for arg in args]
    with np.errstate(divide="ignore"):
        value, pullback = tg.vjp(f, *args)
        gradients = pullback(np.ones_like(value))
    for found, want in zip(gradients, expected, strict=True):
        assert_allclose(found, want, rtol=1e-14)


def test_mixed_second_derivatives_at_zero():
    # x log(y) by x and y is 1 / y, also where x is 0
    mixed = tg.grad(lambda y: tg.grad(lambda x: special.xlogy(x, y))(0.0))(2.0)
    assert_allclose(mixed, 0.5)
    mixed = tg.grad(lambda x: tg.grad(lambda y: special.xlogy(x, y))(2.0))(0.0)
    assert_allclose(mixed, 0.5)


@pytest.mark.parametrize(
    "f",
    [
        special.gamma,
        special.loggamma,
        special.rgamma,
        special.psi,
        special.wofz,
        special.spence,
        lambda z: special.jv(0.5, z),
        lambda z: special.lambertw(z, 2),
    ],
)
def test_complex_numbers_to_second_order(f):
    assert check_grad(f, np.array([1.3 + 0.8j, 0.4 - 1.1j, -1.6 + 0.7j]), order=2)


def test_where_functions_of_complex_numbers_are_poor():
    # steps into the complex plane tell nothing of SciPy's jv, whose imaginary part is rounded there
    assert check_grad(lambda x: special.jv(3, x), np.array([1.44, 1.2]))


def test_order_three():
    for f, x in ((special.erfcx, 0.5), (special.gammaln, 2.5), (special.j1, 0.0)):
        third = tg.grad(tg.grad(tg.grad(f)))
        h = 1e-3
        second = tg.grad(tg.grad(f))
        assert_allclose(third(x), (second(x + h) - second(x - h)) / (2 * h), rtol=1e-4)


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )


def test_functions_of_scipy_find_their_rules():
    done = run(
        "import sys, numpy as np, tensorgrad as tg\n"
        "assert not any(name.startswith('scipy') for name in sys.modules)\n"
        "import scipy.special\n"
        "assert 'tensorgrad.special' not in sys.modules\n"
        "print(tg.grad(scipy.special.gammaln)(1.0))\n"
    )
    assert done.returncode == 0, done.stderr
    assert_allclose(float(done.stdout), -np.euler_gamma)


def test_special_is_imported_when_it_is_asked_for():
    done = run(
        "import sys, tensorgrad as tg\n"
        "assert 'tensorgrad.special' not in sys.modules and not hasattr(tg, 'spezial')\n"
        "print(tg.special.gammaln(1.0), tg.special is sys.modules['tensorgrad.special'])\n"
    )
    assert done.stdout == "0.0 True\n", done.stderr


def test_without_scipy_the_error_says_how_to_install_it():
    for use in ("import tensorgrad.special", "import tensorgrad; tensorgrad.special"):
        done = run(f"import sys; sys.modules['scipy'] = None; {use}")
        assert "python -m pip install tensorgrad[special]" in done.stderr.splitlines()[-1]


X = tg.tensor([1.5, 2.5], requires_grad=True)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: special.jv(X, 1.0).sum().backward(), UnsupportedError, r"special\.jv: .* by v"),
        (lambda: special.gammainc(X, 1.0).sum().backward(), UnsupportedError, r"gammainc: .* by a"),
        (lambda: special.spherical_jn(X, 1.0), UnsupportedError, r"spherical_jn: .* by n"),
        (lambda: special.zeta(X), UnsupportedError, r"special\.zeta: .* by x"),
        (lambda: special.polygamma(X, 1.0), UnsupportedError, r"special\.polygamma: .* by n"),
        (lambda: special.factorial(X, exact=True), UnsupportedError, r"factorial: exact=True"),
        (lambda: special.multigammaln(X, 7), ShapeError, r"special\.multigammaln: d=7"),
        (lambda: scipy.special.struve(1, X), UnsupportedError, r"scipy\.special\.struve: "),
        (lambda: special.erf(X, out=np.zeros(2)), UnsupportedError, r"erf: out="),
        (
            lambda: special.ive(1, X * 1j).real.sum().backward(),
            UnsupportedError,
            r"special\.ive: .* complex",
        ),
        # these are no universal functions in SciPy, which would drop the gradient
        (lambda: scipy.special.logsumexp(X), UnsupportedError, "drop its gradient"),
    ],
)
def test_errors_say_what_is_wrong(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_constants_may_be_tensors():
    order = tg.tensor([0, 1])
    assert_allclose(special.jv(order, X).numpy(), scipy.special.jv([0, 1], [1.5, 2.5]))
    assert_allclose(special.zeta(tg.tensor(2.0)).item(), np.pi**2 / 6)
    assert_allclose(special.zeta(2.0), np.pi**2 / 6)
    assert special.jv(np.array([0], np.uint8), X).requires_grad
    slope = tg.grad(lambda x: special.jv(np.uint8(0), x))(1.0)
    assert_allclose(slope, -scipy.special.j1(1.0))
