"""Matrices taken apart: Cholesky, QR, eigenvalues and vectors, singular values and vectors.

The derivatives are those of what NumPy, and so LAPACK, returns:

- A Hermitian matrix is read from one triangle, and so the other gets a gradient of zero.
- Complex vectors are unique up to a phase, which LAPACK fixes by making certain entries real. A
  change of the matrix that would make such an entry complex turns the whole vector back.
- Where eigenvalues or singular values are equal, the single vectors have no derivative: whatever
  is computed with them gets a gradient of NaN. By the values alone there is a gradient, of which
  equal ones have equal shares.

A cotangent ``g`` and a change ``t`` meet in Re sum(g * t), without any conjugate.
"""

from typing import Any, Literal

import numpy as np
from numpy.linalg._linalg import EighResult, EigResult, QRResult, SVDResult

from tensorgrad.engine.declare import composite, general, several
from tensorgrad.engine.primitive import Case
from tensorgrad.errors import ShapeError, UnsupportedError, explain
from tensorgrad.ops.linalg.matrices import (
    adjoint,
    bare,
    diagonal,
    draw_conditioned,
    draw_invertible,
    folded,
    hermitian,
    identity_like,
    matrix_operand,
    scale_of,
    transposed,
    triangle,
)
from tensorgrad.typing import Array, ArrayLike, Draw

Results = tuple[Array, ...]

# ---- Cholesky -----------------------------------------------------------------------------------


def _draw_positive(draw: Draw) -> Array:
    x = draw_invertible(draw)
    return _of_two_halves(x @ adjoint(x))


def _of_two_halves(x: Array) -> Array:
    """Return a matrix whose triangles belong to two Hermitian ones, with equal eigenvalues.

    With only one, it would make no difference which triangle is read.
    """
    signs: Array = (-1) ** np.arange(x.shape[-1])
    return np.asarray(np.tril(x) + np.triu(x * np.multiply.outer(signs, signs), 1), x.dtype)


def _cholesky(a: Array, /) -> Array:
    return np.linalg.cholesky(a)


def _half(x: Array) -> Array:
    """Keep the lower triangle, and half of the diagonal."""
    return np.tril(x, -1) + 0.5 * (x * identity_like(x))


def _cholesky_vjp(g: Array, ans: Array) -> Array:
    # ans^-T half(ans^T g) conj(ans)^-1
    inner = np.linalg.solve(transposed(ans), _half(transposed(ans) @ g))
    return folded(transposed(np.linalg.solve(adjoint(ans), transposed(inner))))


def _cholesky_jvp(t: Array, ans: Array) -> Array:
    # ans half(ans^-1 t ans^-H)
    inner = np.linalg.solve(ans, hermitian(t))
    return ans @ _half(adjoint(np.linalg.solve(ans, adjoint(inner))))


cholesky_ = general(
    _cholesky,
    _cholesky_vjp,
    _cholesky_jvp,
    samples=lambda draw: ((_draw_positive(draw),), {}),
    holomorphic=False,
)


def _draw_cholesky(draw: Draw) -> Case:
    return (_draw_positive(draw),), {"upper": draw.boolean()}


@composite(np.linalg.cholesky, samples=_draw_cholesky)
def cholesky(a: ArrayLike, /, *, upper: bool = False) -> Any:
    """Return l with a = l @ l^H, from the lower triangle of a, or l^H from its upper one."""
    a = matrix_operand("np.linalg.cholesky", a, square=True)
    return adjoint(cholesky_(adjoint(a))) if upper else cholesky_(a)


# ---- values that are equal ----------------------------------------------------------------------


def _rounding(values: Array) -> Array:
    """Return how far eigenvalues or singular values, of the last axis, may be off."""
    largest = np.max(np.abs(values), axis=-1, keepdims=True, initial=0)
    return 8 * values.shape[-1] * np.finfo(values.dtype).eps * largest


def _tied(values: Array) -> Array:
    """Return which pairs of values are equal, each with itself among them: (..., n, n)."""
    values = bare(values)
    gaps = np.abs(values[..., np.newaxis, :] - values[..., np.newaxis])
    return gaps <= _rounding(values)[..., np.newaxis]


def _others(tied: Array) -> Array:
    return tied & ~identity_like(tied)


def _reciprocal(x: Array, absent: Array) -> Array:
    """Return 1 / x, and 0 where there is none."""
    return np.where(absent, 0, 1 / np.where(absent, 1, x))


def _reciprocal_gaps(values: Array, tied: Array) -> Array:
    """Return 1 / (values[j] - values[i]) at (i, j), and 0 where they are tied."""
    return _reciprocal(values[..., np.newaxis, :] - values[..., np.newaxis], tied)


def _shared(x: Array, tied: Array) -> Array:
    """Let tied entries have equal shares of their sum."""
    shares = tied / np.sum(tied, axis=-1, keepdims=True)
    return np.squeeze(shares.astype(np.finfo(x.dtype).dtype) @ np.expand_dims(x, -1), -1)


def _on_diagonal(x: Array) -> Array:
    """Return diagonal matrices."""
    n = x.shape[-1]
    return np.expand_dims(x, -1) * np.eye(n, dtype=bool)


def _ties(values: Array) -> Array:
    """Say which values equal others: these, and their vectors, have no derivatives."""
    return np.any(_others(_tied(values)), axis=-1)


def _ties_of_pair(ans: Results) -> Results:
    """Say the same of eigenvalues and of their vectors, the columns."""
    ties = _ties(ans[0])
    return ties, _column(ties)


def _absent(g: Array) -> bool:
    """Say whether a cotangent is the engine's zero: nothing depends on the result at all."""
    return isinstance(g, np.ndarray) and not any(g.strides) and not g.any()


def _used(g: Array, axis: int) -> Array:
    """Say which vectors, along the other axis, have a cotangent that is not zero."""
    return np.any(bare(g) != 0, axis=axis)


def _nan_where(doubt: Array, x: Array) -> Array:
    """Put NaN where the mask, broadcast, says that there is no derivative."""
    return x * np.where(doubt, np.nan, 1).astype(np.finfo(x.dtype).dtype) if np.any(doubt) else x


def _column(x: Array) -> Array:
    """Make of numbers, one a vector, something to multiply the columns by."""
    return np.expand_dims(x, -2)


def _whole(doubt: Array) -> Array:
    """Make of a mask, one a matrix, a mask of its entries."""
    return np.asarray(doubt)[..., np.newaxis, np.newaxis]


def _noticeable(x: Array, scale: Array) -> Array:
    """Say which numbers are not rounding errors, beside matrices of this size."""
    x, scale = np.abs(bare(x)), np.abs(bare(scale))
    largest = np.max(scale, axis=(-2, -1), keepdims=True, initial=0)
    limit = 1e3 * np.finfo(scale.dtype).eps * largest
    return x > (limit if x.ndim == scale.ndim else limit[..., 0])


# ---- phases -------------------------------------------------------------------------------------


class _Phases:
    """How the phases of complex vectors, the columns of v, are fixed: by entries that are real.

    ``rows[j]`` picks the row of v whose entry in column j is real, or several by their shares: an
    array of (columns, rows). If dv = v x + i v diag(c), it stays real for
    c[j] = -Im((v x)[row, j]) / v[row, j].
    """

    def __init__(self, v: Array, rows: Array) -> None:
        self._rows = rows
        self._picked = rows @ v  # (whose row it is, column)
        fixed = diagonal(self._picked)
        value, limit = bare(fixed), 1e3 * np.finfo(fixed.dtype).eps
        # where it is zero, and were it not real, nothing is known of the phase
        self._unknown = (np.abs(value) <= limit) | (np.abs(np.imag(value)) > limit)
        self._over = _reciprocal(np.real(fixed), self._unknown)

    def turn(self, dv: Array) -> Array:
        """Return c where v x is dv."""
        off = np.imag(diagonal(self._rows @ dv))
        return _nan_where(self._unknown & _noticeable(off, dv), -off * self._over)

    def pull(self, s: Array) -> Array:
        """Return the part of the cotangent of x that comes by c, for the one of x + i diag(c)."""
        by_c = np.imag(diagonal(s))
        by_c = _nan_where(self._unknown & _noticeable(by_c, s), by_c * self._over)
        return -1j * transposed(self._picked) * _column(by_c)


def _row(v: Array, index: int) -> Array:
    """Pick one row of v for all columns."""
    rows: Array = np.zeros((v.shape[-1], v.shape[-2]), bool)
    rows[:, index] = True
    return rows


# ---- eigenvalues of Hermitian matrices ----------------------------------------------------------


def _uplo(lower: bool) -> Literal["L", "U"]:
    return "L" if lower else "U"


def _eigh(a: Array, /, *, lower: bool) -> Results:
    return tuple(np.linalg.eigh(a, _uplo(lower)))


def _phases_of_eigh(v: Array, lower: bool) -> _Phases:
    return _Phases(v, _row(v, 0 if lower else -1))


def _eigh_vjp(g: Results, ans: Results, lower: bool) -> Array:
    # With m = v^H da v, dw = diag(m) and dv = v x, where x = m / gaps + i diag(c)
    gw, gv = g
    w, v = ans
    if not w.size:
        return np.zeros_like(v)
    tied = _tied(w)
    if _absent(gv):
        return _pulled_by_values(_shared(gw, tied), v, lower)
    s = transposed(v) @ gv
    if np.iscomplexobj(v):
        s = s + _phases_of_eigh(v, lower).pull(s)
    inner = s * _reciprocal_gaps(w, tied) + _on_diagonal(gw)
    used = _used(gv, -2) | (bare(gw) != 0)
    doubt = np.any(_others(tied) & used[..., np.newaxis], axis=(-2, -1))
    return folded(_nan_where(_whole(doubt), np.conj(v) @ inner @ transposed(v)), lower)


def _pulled_by_values(gw: Array, v: Array, lower: bool) -> Array:
    return folded((np.conj(v) * _column(gw)) @ transposed(v), lower)


def _eigh_jvp(t: Array, ans: Results, lower: bool) -> Results:
    w, v = ans
    if not w.size:
        return np.zeros_like(w), np.zeros_like(v)
    tied = _tied(w)
    m = adjoint(v) @ hermitian(t, lower) @ v
    dw = _shared(np.real(diagonal(m)), tied)
    dv = v @ (m * _reciprocal_gaps(w, tied))
    if np.iscomplexobj(v):
        dv = dv + 1j * v * _column(_phases_of_eigh(v, lower).turn(dv))
    return dw, _nan_where(_column(_split(m, dw, tied)), dv)


def _split(m: Array, dw: Array, tied: Array) -> Array:
    """Say which vectors are of values that were equal and no longer are."""
    apart = bare(m) - _on_diagonal(bare(dw))
    return np.any(tied & _noticeable(apart, m), axis=-2) & np.any(_others(tied), axis=-2)


def _draw_hermitian(draw: Draw) -> Array:
    x = draw_invertible(draw)
    square = x @ adjoint(x)  # with eigenvalues from 0.5 to 4, times that of the scale
    return _of_two_halves(square - 2 * scale_of(x) ** 2 * np.eye(x.shape[-1], dtype=x.dtype))


def _draw_lower(draw: Draw) -> Case:
    return (_draw_hermitian(draw),), {"lower": draw.boolean()}


eigh_ = several(
    _eigh,
    _eigh_vjp,
    _eigh_jvp,
    outputs=("eigenvalues", "eigenvectors"),
    singular=lambda ans: _ties_of_pair(ans),
    samples=_draw_lower,
    holomorphic=False,
)


def _eigvalsh(a: Array, /, *, lower: bool) -> Array:
    return np.linalg.eigvalsh(a, _uplo(lower))


def _eigvalsh_vjp(g: Array, a: Array, lower: bool) -> Array:
    w, v = np.linalg.eigh(a, _uplo(lower))
    return _pulled_by_values(_shared(g, _tied(w)), v, lower) if w.size else np.zeros_like(a)


def _eigvalsh_jvp(t: Array, a: Array, lower: bool) -> Array:
    w, v = np.linalg.eigh(a, _uplo(lower))
    if not w.size:
        return np.zeros_like(w)
    return _shared(np.real(diagonal(adjoint(v) @ hermitian(t, lower) @ v)), _tied(w))


eigvalsh_ = general(
    _eigvalsh,
    _eigvalsh_vjp,
    _eigvalsh_jvp,
    samples=_draw_lower,
    singular=lambda ans: _ties(ans),
    holomorphic=False,
)


def _draw_uplo(draw: Draw) -> Case:
    return (_draw_hermitian(draw),), {"UPLO": draw.choice(["L", "U", "l", "u"])}


def _reads_lower(function: str, uplo: str) -> bool:
    if str(uplo).upper() not in ("L", "U"):
        raise ShapeError(
            explain(
                function,
                "The triangle that is read is the lower or the upper one.",
                "Pass UPLO='L' or UPLO='U'.",
                UPLO=uplo,
            )
        )
    return uplo.upper() == "L"


@composite(np.linalg.eigh, samples=_draw_uplo)
def eigh(a: ArrayLike, UPLO: str = "L") -> Any:
    """Return eigenvalues and vectors of Hermitian matrices, of which one triangle is read."""
    a = matrix_operand("np.linalg.eigh", a, square=True)
    return EighResult(*eigh_(a, lower=_reads_lower("np.linalg.eigh", UPLO)))


@composite(np.linalg.eigvalsh, samples=_draw_uplo)
def eigvalsh(a: ArrayLike, UPLO: str = "L") -> Any:
    """Return the eigenvalues of Hermitian matrices, of which one triangle is read."""
    a = matrix_operand("np.linalg.eigvalsh", a, square=True)
    return eigvalsh_(a, lower=_reads_lower("np.linalg.eigvalsh", UPLO))


# ---- eigenvalues of other matrices --------------------------------------------------------------


def _eig(a: Array, /) -> Results:
    return tuple(np.linalg.eig(a))


def _phases_of_eig(v: Array) -> _Phases:
    # The greatest entry of each vector is real. Of several that are equal and real, any may become
    # the greatest, and all share the turn; of those that are not real, a phase is about to jump.
    value = bare(v)
    size, eps = np.abs(value), 1e3 * np.finfo(value.dtype).eps
    greatest = size >= (1 - eps) * np.max(size, axis=-2, keepdims=True)
    slanted = greatest & (np.abs(np.imag(value)) > eps * size)
    signs = np.where(
        np.any(slanted, axis=-2, keepdims=True),
        slanted * np.sign(np.imag(value)),
        greatest * np.sign(np.real(value)),
    )
    return _Phases(v, transposed(signs / np.sum(greatest, axis=-2, keepdims=True, dtype=eps.dtype)))


def _eig_vjp(g: Results, ans: Results) -> Array:
    # As for eigh, with v^-1 for v^H; and each vector keeps its length: dv = v x + v diag(r) with
    # r = -Re diag(v^H v x)
    gw, gv = g
    w, v = ans
    if not w.size:
        return np.zeros_like(v)
    tied = _tied(w)
    if _absent(gv):
        return _pulled_by_eigenvalues(_shared(gw, tied), v)
    s = transposed(v) @ gv
    lengths = -transposed(adjoint(v) @ v) * _column(np.real(diagonal(s)))
    s = s + lengths + (_phases_of_eig(v).pull(s) if np.iscomplexobj(v) else 0)
    inner = s * _reciprocal_gaps(w, tied) + _on_diagonal(gw)
    used = _used(gv, -2) | (bare(gw) != 0)
    doubt = np.any(_others(tied) & used[..., np.newaxis], axis=(-2, -1))
    return _nan_where(_whole(doubt), np.linalg.solve(transposed(v), inner @ transposed(v)))


def _pulled_by_eigenvalues(gw: Array, v: Array) -> Array:
    return np.linalg.solve(transposed(v), np.expand_dims(gw, -1) * transposed(v))


def _eig_jvp(t: Array, ans: Results) -> Results:
    w, v = ans
    if not w.size:
        return np.zeros_like(w), np.zeros_like(v)
    tied = _tied(w)
    m = np.linalg.solve(v, t @ v)
    dw = _shared(diagonal(m), tied)
    dv = v @ (m * _reciprocal_gaps(w, tied))
    c = -np.real(np.sum(np.conj(v) * dv, axis=-2))
    if np.iscomplexobj(v):
        c = c + 1j * _phases_of_eig(v).turn(dv)
    return dw, _nan_where(_column(_split(m, dw, tied)), dv + v * _column(c))


def _draw_general(draw: Draw) -> Case:
    n = draw.integer(0, 4)
    x = draw_conditioned(draw, n, n)
    if draw.boolean():  # eigenvalues near 0, 3, 6, ...
        base = np.diag(3.0 * np.arange(n))
    else:  # imaginary ones, with vectors whose entries are of different size
        ones: Array = np.ones((n, n))
        base = (np.triu(ones, 1) - np.tril(ones, -1)) * np.multiply.outer(
            1.5 ** np.arange(n), 1.5 ** -np.arange(n)
        )
    return (np.asarray(0.1 * x + scale_of(x) * base, x.dtype),), {}


eig_ = several(
    _eig,
    _eig_vjp,
    _eig_jvp,
    outputs=("eigenvalues", "eigenvectors"),
    singular=lambda ans: _ties_of_pair(ans),
    samples=_draw_general,
    holomorphic=False,
)


@composite(np.linalg.eig, samples=_draw_general)
def eig(a: ArrayLike) -> Any:
    """Return eigenvalues and vectors of square matrices; complex if any of them is."""
    return EigResult(*eig_(matrix_operand("np.linalg.eig", a, square=True)))


def _eigvals(a: Array, /) -> Array:
    return np.linalg.eigvals(a)


def _places(w: Array, values: Array) -> Array:
    """Say where among w, which eig orders in its own way, each of the values is."""
    gaps = np.abs(bare(values)[..., np.newaxis] - bare(w)[..., np.newaxis, :])
    return np.argmin(gaps, axis=-1)[..., np.newaxis] == np.arange(w.shape[-1])


def _eigvals_vjp(g: Array, a: Array, ans: Array) -> Array:
    if not ans.size:
        return np.zeros_like(a)
    w, v = np.linalg.eig(a)
    placed = np.squeeze(np.expand_dims(g, -2) @ _places(w, ans), -2)
    return _pulled_by_eigenvalues(_shared(placed, _tied(w)), v)


def _eigvals_jvp(t: Array, a: Array, ans: Array) -> Array:
    if not ans.size:
        return np.zeros_like(ans)
    w, v = np.linalg.eig(a)
    dw = _shared(diagonal(np.linalg.solve(v, t @ v)), _tied(w))
    return np.squeeze(_places(w, ans) @ np.expand_dims(dw, -1), -1)


eigvals_ = general(
    _eigvals, _eigvals_vjp, _eigvals_jvp, samples=_draw_general, singular=lambda ans: _ties(ans)
)


@composite(np.linalg.eigvals, samples=_draw_general)
def eigvals(a: ArrayLike) -> Any:
    """Return the eigenvalues of square matrices; complex if any of them is."""
    return eigvals_(matrix_operand("np.linalg.eigvals", a, square=True))


# ---- singular values ----------------------------------------------------------------------------


def _svd(a: Array, /, *, full_matrices: bool) -> Results:
    return tuple(np.linalg.svd(a, full_matrices=full_matrices))


def _vanishing(s: Array) -> Array:
    """Say which singular values are zero, but for rounding."""
    s = bare(s)
    return s <= _rounding(s)


def _refuse_complement(function: str, what: str, g: Array) -> None:
    """Raise if a cotangent of vectors that NumPy chooses as it likes is not zero."""
    if np.any(bare(g) != 0):
        raise UnsupportedError(
            explain(
                function,
                f"The {what} that complete a basis have no derivative.",
                "Use the others only, or ask for no others.",
                columns=g.shape[-1],
            )
        )


def _one_real(others: Array) -> bool:
    # the only vector orthogonal to the others, but for its sign
    return others.shape[-1] == 1 and not np.iscomplexobj(others)


def _svd_vjp(g: Results, ans: Results) -> Array:
    gu, gs, gvh = g
    u, s, vh = ans
    if not s.size:
        return np.zeros((*s.shape[:-1], u.shape[-2], vh.shape[-1]), u.dtype)
    if _absent(gu) and _absent(gvh):
        k = s.shape[-1]
        return _pulled_by_singular_values(gs, u[..., :k], s, vh[..., :k, :])
    if u.shape[-2] >= vh.shape[-1]:
        return _tall_svd_vjp(gu, gs, adjoint(gvh), u, s, adjoint(vh))
    # a^H = v s u^H
    return adjoint(_tall_svd_vjp(adjoint(gvh), gs, gu, adjoint(vh), s, u))


def _pulled_by_singular_values(gs: Array, u: Array, s: Array, vh: Array) -> Array:
    gs = np.where(_vanishing(s), 0, _shared(gs, _tied(s)))
    return (np.conj(u) * _column(gs)) @ np.conj(vh)


def _tall_svd_vjp(gu: Array, gs: Array, gv: Array, u: Array, s: Array, v: Array) -> Array:
    # With p = u^H da v, ds = Re diag(p), and x = u^H du, y = v^H dv are
    #     x = (p s + s p^H) / gaps + i diag(a),    gaps[i, j] = s[j]**2 - s[i]**2
    #     y = (s p + p^H s) / gaps + i diag(b),    a - b = Im diag(p) / s
    # where b keeps the first row of v real. What da adds outside of the columns of u is du, too.
    n = s.shape[-1]
    tied, zero = _tied(s), _vanishing(s)
    over_s = _reciprocal(s, zero)
    u, gu, rest, g_rest = u[..., :n], gu[..., :n], u[..., n:], gu[..., n:]
    su, sv = transposed(u) @ gu, transposed(v) @ gv
    gp = gs
    doubt = _doubtful_svd(gu, gs, gv, tied, zero, tall=u.shape[-2] > n)
    if np.iscomplexobj(u):
        by_a = np.imag(diagonal(su))
        gp = gs + 1j * by_a * over_s
        doubt = doubt | np.any(zero & _noticeable(by_a, su), axis=-1)
        sv = sv + _Phases(v, _row(v, 0)).pull(sv + 1j * _on_diagonal(by_a))
    gaps = _reciprocal_gaps(s * s, tied)
    x, y = su * gaps, sv * gaps
    inner = (x + adjoint(x)) * _column(s) + np.expand_dims(s, -1) * (y + adjoint(y))
    ga = np.conj(u) @ (inner + _on_diagonal(gp)) @ transposed(v)
    if u.shape[-2] > n:
        outside = gu * _column(over_s)
        ga = ga + (outside - np.conj(u) @ (transposed(u) @ outside)) @ transposed(v)
    if _one_real(rest):
        ga = ga - rest @ ((transposed(g_rest) @ u) * _column(over_s)) @ transposed(v)
        doubt = doubt | np.any(zero, axis=-1) & np.any(_used(g_rest, -2), axis=-1)
    else:
        _refuse_complement("np.linalg.svd", "singular vectors", g_rest)
    return _nan_where(_whole(doubt), ga)


def _doubtful_svd(
    gu: Array, gs: Array, gv: Array, tied: Array, zero: Array, *, tall: bool
) -> Array:
    """Say for which matrices a cotangent asks for a vector that has no derivative.

    These are the vectors of equal singular values, and those on the longer side of zero. Where the
    value zero has a cotangent itself, its sign and that of the vectors would be needed together.
    """
    on_the_longer_side = _used(gu, -2)
    by_value = bare(gs) != 0
    used = on_the_longer_side | _used(gv, -2) | by_value
    alone = zero & (by_value | (on_the_longer_side & tall))
    return np.any(alone, axis=-1) | np.any(_others(tied) & used[..., np.newaxis], axis=(-2, -1))


def _svd_jvp(t: Array, ans: Results) -> Results:
    u, s, vh = ans
    if not s.size:
        return np.zeros_like(u), np.zeros_like(s), np.zeros_like(vh)
    if u.shape[-2] >= vh.shape[-1]:
        du, ds, dv = _tall_svd_jvp(t, u, s, adjoint(vh))
        return du, ds, adjoint(dv)
    dv, ds, du = _tall_svd_jvp(adjoint(t), adjoint(vh), s, u)
    return du, ds, adjoint(dv)


def _tall_svd_jvp(t: Array, u: Array, s: Array, v: Array) -> Results:
    n = s.shape[-1]
    tied, zero = _tied(s), _vanishing(s)
    over_s = _reciprocal(s, zero)
    u, rest = u[..., :n], u[..., n:]
    p = adjoint(u) @ t @ v
    columns, rows = _column(s), np.expand_dims(s, -1)
    gaps = _reciprocal_gaps(s * s, tied)
    du = u @ ((p * columns + rows * adjoint(p)) * gaps)
    dv = v @ ((rows * p + adjoint(p) * columns) * gaps)
    if np.iscomplexobj(u):
        b = _Phases(v, _row(v, 0)).turn(dv)
        dv = dv + 1j * v * _column(b)
        du = du + 1j * u * _column(b + np.imag(diagonal(p)) * over_s)
    if u.shape[-2] > n:
        outside = t @ v - u @ p
        du = du + outside * _column(over_s)
        lost = np.any(_noticeable(outside, t), axis=-2)
    else:
        lost = np.zeros_like(zero)
    kept = _shared(np.real(diagonal(p)), tied)
    lost = zero & (lost | _noticeable(diagonal(p), t))
    split = _split(p, kept, tied)
    du, dv = _nan_where(_column(split | lost), du), _nan_where(_column(split), dv)
    if rest.shape[-1]:
        d_rest = -u @ (adjoint(adjoint(rest) @ t @ v) * np.expand_dims(over_s, -1))
        unknown = np.any(zero, axis=-1) | (not _one_real(rest))
        du = np.concatenate([du, _nan_where(_whole(unknown), d_rest)], axis=-1)
    return du, np.where(zero, 0, kept), dv


def _singular_parts(ans: Results) -> Results:
    """Say which parts have no derivatives; vectors that complete a basis count with the last."""
    u, s, vh = ans
    parts = _ties(s) | _vanishing(s)
    columns, rows = (
        np.concatenate([parts, np.repeat(parts[..., -1:], n - s.shape[-1], axis=-1)], axis=-1)
        for n in (u.shape[-1], vh.shape[-2])
    )
    return _column(columns), parts, rows[..., np.newaxis]


def _draw_any_matrix(draw: Draw) -> Array:
    m, n = draw.integer(0, 4), draw.integer(0, 4)
    return draw_conditioned(draw, m, n)


def _has_basis(x: Array, full: bool) -> bool:
    """Say whether all that the singular value decomposition returns has derivatives."""
    m, n = x.shape[-2:]
    return not full or m == n or (abs(m - n) == 1 and not np.iscomplexobj(x))


def _draw_svd(draw: Draw) -> Case:
    x, full = _draw_any_matrix(draw), draw.boolean()
    return (x,), {"full_matrices": full and _has_basis(x, full)}


svd_ = several(
    _svd,
    _svd_vjp,
    _svd_jvp,
    outputs=("u", "s", "vh"),
    samples=_draw_svd,
    singular=lambda ans: _singular_parts(ans),
    holomorphic=False,
)


def _svdvals(x: Array, /) -> Array:
    return np.linalg.svdvals(x)


def _svdvals_vjp(g: Array, x: Array) -> Array:
    u, s, vh = np.linalg.svd(x, full_matrices=False)
    return _pulled_by_singular_values(g, u, s, vh) if s.size else np.zeros_like(x)


def _svdvals_jvp(t: Array, x: Array) -> Array:
    u, s, vh = np.linalg.svd(x, full_matrices=False)
    if not s.size:
        return np.zeros_like(s)
    p = adjoint(u) @ t @ adjoint(vh)
    return np.where(_vanishing(s), 0, _shared(np.real(diagonal(p)), _tied(s)))


svdvals_ = general(
    _svdvals,
    _svdvals_vjp,
    _svdvals_jvp,
    samples=lambda draw: ((_draw_any_matrix(draw),), {}),
    singular=lambda ans: _ties(ans) | _vanishing(ans),
    holomorphic=False,
)


@composite(np.linalg.svdvals, samples=lambda draw: ((_draw_any_matrix(draw),), {}))
def svdvals(x: ArrayLike, /) -> Any:
    """Return the singular values; the derivative of a zero is zero."""
    return svdvals_(matrix_operand("np.linalg.svdvals", x))


def _draw_svd_call(draw: Draw) -> Case:
    form = draw.integer(0, 3)
    if form == 3:
        return (_draw_hermitian(draw),), {"hermitian": True, "compute_uv": draw.boolean()}
    x = _draw_any_matrix(draw)
    if form == 2:
        return (x,), {"compute_uv": False, "full_matrices": draw.boolean()}
    return (x,), {"full_matrices": _has_basis(x, full=True) and draw.boolean()}


@composite(np.linalg.svd, samples=_draw_svd_call)
def svd(
    a: ArrayLike, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    """Return a = u @ diag(s) @ vh, or s alone.

    The vectors that ``full_matrices`` adds, to complete a basis, have no derivative, unless there
    is one of them only, and that real.
    """
    a = matrix_operand("np.linalg.svd", a, square=hermitian)
    if hermitian:
        return _svd_of_hermitian(a, compute_uv)
    if compute_uv:
        return SVDResult(*svd_(a, full_matrices=bool(full_matrices)))
    return svdvals_(a)


def _svd_of_hermitian(a: Array, compute_uv: bool) -> Any:
    if not compute_uv:
        return np.flip(np.sort(np.abs(eigvalsh_(a, lower=True)), axis=-1), -1)
    w, u = eigh_(a, lower=True)
    signs = np.copysign(1, bare(w))
    s = w * signs
    order = np.flip(np.argsort(bare(s), axis=-1), -1)
    signs = np.take_along_axis(signs, order, axis=-1)
    s = np.take_along_axis(s, order, axis=-1)
    u = np.take_along_axis(u, order[..., np.newaxis, :], axis=-1)
    return SVDResult(u, s, adjoint(u * _column(signs)))


# ---- QR -----------------------------------------------------------------------------------------


def _qr(a: Array, /, *, mode: Literal["reduced", "complete"]) -> Results:
    return tuple(np.linalg.qr(a, mode))


def _qr_vjp(g: Results, ans: Results) -> Array:
    # a = [a1, a2] = q [r1, r2] with r1 square
    (gq, gr), (q, r) = g, ans
    m, n = q.shape[-2], r.shape[-1]
    if m >= n:
        return _tall_qr_vjp(gq, gr[..., :n, :], q, r[..., :n, :])
    r1, r2, g1, g2 = r[..., :m], r[..., m:], gr[..., :m], gr[..., m:]
    # r2 = q^H a2
    gq = gq + np.conj(q @ r2 @ transposed(g2))
    return np.concatenate([_tall_qr_vjp(gq, g1, q, r1), np.conj(q) @ g2], axis=-1)


def _tall_qr_vjp(gq: Array, gr: Array, q: Array, r: Array) -> Array:
    # With b = da r^-1 and c = q^H b,
    #     dq = b - q c + q w,    dr = (c - w) r
    # where w = below(c) - below(c)^H + i Im diag(c), because r is triangular, with a real diagonal
    n = r.shape[-1]
    _require_full_rank(r)
    q, gq, rest, g_rest = q[..., :n], gq[..., :n], q[..., n:], gq[..., n:]
    d = transposed(q) @ gq - gr @ transposed(r)
    gc = triangle(d - adjoint(d), lower=True) - d
    if np.iscomplexobj(d):
        gc = gc + 1j * np.imag(d) * identity_like(d)
    gb = gq + np.conj(q) @ gc
    if _one_real(rest):
        # the only vector orthogonal to q: it turns as they do
        gb = gb - rest @ (transposed(g_rest) @ q)
    else:
        _refuse_complement("np.linalg.qr", "columns of q", g_rest)
    return transposed(np.linalg.solve(r, transposed(gb)))


def _require_full_rank(r: Array) -> None:
    sizes = np.abs(diagonal(bare(r)))
    if np.any(sizes <= _rounding(sizes)):
        raise np.linalg.LinAlgError(
            explain("np.linalg.qr", "Of a matrix without full rank, q and r have no derivative.")
        )


def _qr_jvp(t: Array, ans: Results) -> Results:
    q, r = ans
    m, n = q.shape[-2], r.shape[-1]
    if m >= n:
        return _tall_qr_jvp(t, q, r)
    r1, r2 = r[..., :m], r[..., m:]
    dq, dr = _tall_qr_jvp(t[..., :m], q, r1)
    return dq, np.concatenate([dr, adjoint(dq) @ q @ r2 + adjoint(q) @ t[..., m:]], axis=-1)


def _tall_qr_jvp(t: Array, q: Array, r: Array) -> Results:
    n, rows = r.shape[-1], r.shape[-2]
    r = r[..., :n, :]
    _require_full_rank(r)
    q, rest = q[..., :n], q[..., n:]
    b = transposed(np.linalg.solve(transposed(r), transposed(t)))
    c = adjoint(q) @ b
    below = triangle(c, lower=True)
    w = below - adjoint(below)
    if np.iscomplexobj(c):
        w = w + 1j * np.imag(c) * identity_like(c)
    dq, dr = b - q @ (c - w), np.triu((c - w) @ r)
    if rest.shape[-1]:
        d_rest = _nan_where(np.asarray(not _one_real(rest)), -q @ adjoint(adjoint(rest) @ b))
        dq = np.concatenate([dq, d_rest], axis=-1)
        dr = np.concatenate([dr, np.zeros_like(dr, shape=(*dr.shape[:-2], rows - n, n))], axis=-2)
    return dq, dr


def _draw_qr(draw: Draw) -> Case:
    x = _draw_any_matrix(draw)
    m, n = x.shape[-2:]
    complete = m <= n or (m - n == 1 and not np.iscomplexobj(x))
    return (x,), {"mode": draw.choice(["reduced", "complete"] if complete else ["reduced"])}


qr_ = several(_qr, _qr_vjp, _qr_jvp, outputs=("q", "r"), samples=_draw_qr, holomorphic=False)


def _draw_qr_call(draw: Draw) -> Case:
    (x,), params = _draw_qr(draw)
    return (x,), draw.choice([params, {"mode": "r"}])


@composite(np.linalg.qr, samples=_draw_qr_call)
def qr(a: ArrayLike, mode: str = "reduced") -> Any:
    """Return orthogonal columns q and a triangle r with a = q @ r, or r alone.

    The columns that ``mode="complete"`` adds have no derivative, unless there is one of them only,
    and that real.
    """
    a = matrix_operand("np.linalg.qr", a)
    if mode not in ("reduced", "complete", "r"):
        raise UnsupportedError(
            explain(
                "np.linalg.qr",
                "The reflections that LAPACK returns are not differentiated.",
                "Pass mode='reduced', 'complete' or 'r'.",
                mode=mode,
            )
        )
    if mode == "r":
        return qr_(a, mode="reduced")[1]
    return QRResult(*qr_(a, mode=mode))
