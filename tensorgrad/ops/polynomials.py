"""Polynomials, as rows of coefficients with that of the highest power first."""

import warnings
from typing import Any

import numpy as np

from tensorgrad.engine.declare import composite
from tensorgrad.engine.primitive import Case
from tensorgrad.engine.tensor import Tensor
from tensorgrad.errors import ShapeError, explain
from tensorgrad.ops.dispatch import constant_value, operand
from tensorgrad.typing import Array, ArrayLike, Draw


def _coefficients(function: str, p: ArrayLike) -> Any:
    p = operand(p)
    if p.ndim != 1:
        raise ShapeError(
            explain(function, "Coefficients are a row of numbers.", "Ravel them.", shape=p.shape)
        )
    return p


def _draw_row(draw: Draw, low: int = 1) -> Array:
    # never zero: the number of coefficients that count depends on where zeros are
    x = draw.array((draw.integer(low, 4),))
    return np.asarray(2 + x / (1 + np.abs(x)))


def _draw_two(draw: Draw) -> Case:
    return (_draw_row(draw), _draw_row(draw)), {}


# ---- values and roots ---------------------------------------------------------------------------


@composite(np.polyval, samples=lambda draw: ((_draw_row(draw, 0), draw.array(draw.shape())), {}))
def polyval(p: ArrayLike, x: ArrayLike) -> Any:
    """Return the values of a polynomial at all entries of x, or at another polynomial."""
    if isinstance(x, np.poly1d):
        composed = operand(p)[:1]
        for coefficient in operand(p)[1:]:
            composed = np.polyadd(np.polymul(composed, x.coeffs), coefficient)
        return composed
    x = operand(x)
    y: Any = np.zeros_like(x)
    for coefficient in operand(p):
        y = y * x + coefficient
    return y


def _draw_roots(draw: Draw) -> Case:
    return (draw.array((draw.integer(1, 4),)),), {}


@composite(np.poly, samples=_draw_roots)
def poly(seq_of_zeros: ArrayLike) -> Any:
    """Return the polynomial with these roots, or the characteristic polynomial of a matrix."""
    roots = np.atleast_1d(operand(seq_of_zeros))
    if roots.ndim == 2 and roots.shape[0] == roots.shape[1] != 0:
        roots = np.linalg.eigvals(roots)
    elif roots.ndim != 1:
        raise ShapeError(
            explain("np.poly", "Roots are a row, or a square matrix.", shape=roots.shape)
        )
    else:
        dtype = np.dtype(np.mintypecode(roots.dtype.char))
        roots = roots if roots.dtype == dtype else roots.astype(dtype)
    if len(roots) == 0:
        return 1.0
    p: Any = np.ones(1, roots.dtype)
    for root in roots:
        p = np.convolve(p, np.stack([np.ones_like(root), -root]))
    values = np.asarray(constant_value(roots), complex)
    if p.dtype.kind == "c" and (np.sort(values) == np.sort(values.conj())).all():
        return np.real(p)  # in conjugate pairs, the roots of a real polynomial
    return p


def _draw_simple_roots(draw: Draw) -> Case:
    # real roots far apart: where two meet, there is no derivative
    x = draw.array((draw.integer(1, 3),))
    x = 8.0 * np.arange(len(x)) + x / (1 + np.abs(x))
    return (np.poly(x).astype(x.dtype) * 2,), {}


@composite(np.roots, samples=_draw_simple_roots)
def roots(p: ArrayLike) -> Any:
    """Return the roots of a polynomial; the derivative is that of simple roots."""
    p = _coefficients("np.roots", np.atleast_1d(p))
    (places,) = np.nonzero(constant_value(p))
    if len(places) == 0:
        return np.real(p[:0]) if p.dtype.kind == "c" else p[:0]
    p = p[int(places[0]) :]
    p = p if p.dtype.kind in "fc" else p.astype(float)
    if len(p) == 1:
        return np.zeros(0)
    first = -p[1:] / p[0]
    companion = np.concatenate(
        [np.expand_dims(first, 0), np.eye(len(p) - 2, len(p) - 1, dtype=first.dtype)]
    )
    found = np.linalg.eigvals(companion)
    # NumPy finds roots at 0 without the matrix, and puts them last
    left = constant_value(found).copy()
    order = []
    for root in np.roots(constant_value(p)):
        order.append(int(np.nanargmin(np.abs(left - root))))
        left[order[-1]] = np.nan
    return found[np.array(order)]


# ---- arithmetic ---------------------------------------------------------------------------------


@composite(np.polyadd, samples=_draw_two)
def polyadd(a1: ArrayLike, a2: ArrayLike) -> Any:
    """Add polynomials."""
    a1, a2 = _alike(a1, a2)
    return a1 + a2


@composite(np.polysub, samples=_draw_two)
def polysub(a1: ArrayLike, a2: ArrayLike) -> Any:
    """Subtract polynomials."""
    a1, a2 = _alike(a1, a2)
    return a1 - a2


def _alike(a1: ArrayLike, a2: ArrayLike) -> tuple[Any, Any]:
    """Put zeros in front of the shorter one."""
    a1, a2 = np.atleast_1d(operand(a1)), np.atleast_1d(operand(a2))
    n = max(len(a1), len(a2))
    a1, a2 = (
        x if len(x) == n else np.concatenate([np.zeros(n - len(x), x.dtype), x]) for x in (a1, a2)
    )
    return a1, a2


@composite(np.polymul, samples=_draw_two)
def polymul(a1: ArrayLike, a2: ArrayLike) -> Any:
    """Multiply polynomials; zeros in front of their coefficients are dropped."""
    return np.convolve(*(_trimmed(_coefficients("np.polymul", np.atleast_1d(a))) for a in (a1, a2)))


def _trimmed(p: Any) -> Any:
    (places,) = np.nonzero(constant_value(p))
    return p[int(places[0]) :] if len(places) else np.zeros(1, p.dtype)


def _draw_division(draw: Draw) -> Case:
    u, v = _draw_row(draw), _draw_row(draw)
    v[0] = 2  # by which numbers are divided exactly: NumPy takes zeros off the remainder
    return (u, v), {}


@composite(np.polydiv, samples=_draw_division)
def polydiv(u: ArrayLike, v: ArrayLike) -> tuple[Any, Any]:
    """Divide polynomials: return the quotient, and the remainder without zeros in front."""
    u, v = np.atleast_1d(operand(u)) + 0.0, np.atleast_1d(operand(v)) + 0.0
    dtype = np.result_type(u.dtype, v.dtype)
    m, n = len(u), len(v)
    rest = u if u.dtype == dtype else u.astype(dtype)
    scale = 1.0 / v[0]
    quotient = []
    for k in range(m - n + 1):
        d = scale * rest[k]
        quotient.append(d)
        rest = np.concatenate([rest[:k], rest[k : k + n] - d * v, rest[k + n :]])
    while len(rest) > 1 and np.allclose(constant_value(rest)[0], 0, rtol=1e-14):
        rest = rest[1:]
    return np.stack(quotient) if quotient else np.zeros_like(rest[:1]), rest


# ---- calculus -----------------------------------------------------------------------------------


def _draw_order(draw: Draw) -> Case:
    return (_draw_row(draw),), {"m": draw.integer(0, 3)}


def _order(function: str, m: int) -> int:
    if int(m) < 0:
        raise ShapeError(
            explain(function, "The order is not negative.", "Use np.polyint or np.polyder.", m=m)
        )
    return int(m)


@composite(np.polyder, samples=_draw_order)
def polyder(p: ArrayLike, m: int = 1) -> Any:
    """Differentiate a polynomial m times."""
    p = _coefficients("np.polyder", p)
    for _ in range(_order("np.polyder", m)):
        p = p[:-1] * np.arange(len(p) - 1, 0, -1)
    return p


def _draw_integral(draw: Draw) -> Case:
    m = draw.integer(0, 3)
    return (_draw_row(draw),), {"m": m, "k": draw.choice([None, draw.array(()), draw.array((m,))])}


@composite(np.polyint, samples=_draw_integral)
def polyint(p: ArrayLike, m: int = 1, k: ArrayLike = None) -> Any:
    """Integrate a polynomial m times, with the constants k, the first of them first."""
    m, p = _order("np.polyint", m), _coefficients("np.polyint", p)
    constants: Any = np.zeros(m) if k is None else np.atleast_1d(operand(k))
    if len(constants) == 1 and m > 1:
        constants = constants[0] * np.ones(m)
    if len(constants) < m:
        raise ShapeError(
            explain(
                "np.polyint",
                "There is one constant for all integrations, or one for each.",
                "Pass as many as m.",
                m=m,
                k_shape=constants.shape,
            )
        )
    for i in range(m):
        p = np.concatenate([p / np.arange(len(p), 0, -1), constants[i : i + 1]])
    return p


# ---- fitting ------------------------------------------------------------------------------------


def _draw_fit(draw: Draw) -> Case:
    n = draw.integer(5, 6)
    x = draw.array((n,))
    x = np.arange(n) + x / (1 + np.abs(x)) / 4  # distinct whatever is drawn
    params: dict[str, Any] = {"deg": draw.integer(0, 2), "rcond": draw.choice([None, 1e-9])}
    if draw.boolean():
        w = draw.array((n,)).real
        params["w"] = np.asarray(2 + w / (1 + np.abs(w)))
    if draw.boolean():
        params |= draw.choice([{"cov": True}, {"cov": "unscaled"}, {"full": True}])
    return (x.real, draw.array(draw.choice([(n,), (n, 2)]))), params


@composite(np.polyfit, samples=_draw_fit)
def polyfit(
    x: ArrayLike,
    y: ArrayLike,
    deg: int,
    rcond: float | None = None,
    full: bool = False,
    w: ArrayLike = None,
    cov: bool | str = False,
) -> Any:
    """Fit a polynomial to points by least squares, each with its weight.

    Differentiable by positions, values and weights; ``full`` adds what `numpy.linalg.lstsq` says.
    """
    x, y, order = operand(x) + 0.0, operand(y) + 0.0, int(deg) + 1
    if order < 1 or x.ndim != 1 or len(x) == 0 or y.ndim not in (1, 2) or len(x) != len(y):
        raise ShapeError(
            explain(
                "np.polyfit",
                "A degree is not negative; there is a row of positions, and a value for each.",
                "Pass x of shape (n,) and y of shape (n,) or (n, k).",
                deg=deg,
                x_shape=x.shape,
                y_shape=y.shape,
            )
        )
    rcond = len(x) * np.finfo(x.dtype).eps if rcond is None else rcond
    rows: Any = np.vander(x, order)
    if w is not None:
        weights = operand(w) + 0.0
        if weights.shape != x.shape:
            raise ShapeError(
                explain(
                    "np.polyfit",
                    "Each point has one weight.",
                    "Pass as many as there are points.",
                    w_shape=weights.shape,
                    x_shape=x.shape,
                )
            )
        rows = rows * np.expand_dims(weights, 1)
        y = y * (np.expand_dims(weights, 1) if y.ndim == 2 else weights)
    scale = np.sqrt(np.sum(rows * rows, axis=0))
    rows = rows / scale
    c, residuals, rank, values = np.linalg.lstsq(rows, y, rcond)
    c = np.transpose(np.transpose(c) / scale)
    if full:
        return c, residuals, rank, values, Tensor(rcond) if isinstance(rcond, np.generic) else rcond
    scaled = cov and cov != "unscaled"
    if scaled and len(x) <= order:
        raise ShapeError(
            explain(
                "np.polyfit",
                "The covariance is scaled by what more points there are than coefficients.",
                'Pass more points, or cov="unscaled".',
                points=len(x),
                deg=deg,
            )
        )
    if scaled and rank < order:
        raise np.linalg.LinAlgError(
            explain(
                "np.polyfit",
                "The covariance is scaled by a residual, and positions that determine fewer "
                "coefficients leave none.",
                "Pass more distinct positions, or a lower degree.",
                rank=int(rank),
                deg=deg,
            )
        )
    if rank != order:
        warnings.warn("Polyfit may be poorly conditioned", np.exceptions.RankWarning, stacklevel=3)
    if not cov:
        return c
    base = np.linalg.inv(np.matmul(np.transpose(rows), rows)) / np.outer(scale, scale)
    factor: Any = residuals / (len(x) - order) if scaled else 1
    return c, base * factor if y.ndim == 1 else np.expand_dims(base, 2) * factor
