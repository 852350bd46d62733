"""Inverses, linear equations, determinants, and powers and products of matrices."""

import operator
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.linalg._linalg import SlogdetResult

from tensorgrad.engine.declare import composite, general, several
from tensorgrad.engine.primitive import Case
from tensorgrad.errors import ShapeError, UnsupportedError, explain
from tensorgrad.ops.dispatch import operand, refuse
from tensorgrad.ops.linalg.matrices import (
    adjoint,
    bare,
    draw_batch,
    draw_conditioned,
    draw_invertible,
    identity_like,
    matrix_operand,
    transposed,
)
from tensorgrad.typing import Array, ArrayLike, Draw

# What counts as a singular value of zero, relative to the greatest, where a determinant is
# differentiated: what follows is exact wherever the line is drawn, and accurate if it is here.
NEARLY_SINGULAR = 1e-4

# ---- inverses and equations ---------------------------------------------------------------------


def _inv(a: Array, /) -> Array:
    return np.linalg.inv(a)


# d(a^-1) = -a^-1 da a^-1
inv_ = general(
    _inv,
    lambda g, ans: -(transposed(ans) @ g @ transposed(ans)),
    lambda t, ans: -(ans @ t @ ans),
    samples=lambda draw: ((draw_invertible(draw),), {}),
)


@composite(np.linalg.inv, samples=lambda draw: ((draw_invertible(draw),), {}))
def inv(a: ArrayLike) -> Any:
    """Invert square matrices."""
    return inv_(matrix_operand("np.linalg.inv", a, square=True))


def _solve(a: Array, b: Array, /) -> Array:
    return np.linalg.solve(a, b)


def _solve_left(g: Array, a: Array, ans: Array) -> Array:
    # -(a^-T g) x^T
    return -(np.linalg.solve(transposed(a), g) @ transposed(ans))


def _draw_equations(draw: Draw) -> Case:
    n = draw.integer(0, 3)
    left, right = draw.choice([((), ()), ((2,), (2,)), ((), (3,)), ((2, 1), (3,))])
    a = draw_conditioned(draw, n, n, left)
    return (a, draw.array((*right, n, draw.integer(0, 2)))), {}


# (..., n, n), (..., n, k) -> (..., n, k); the engine sums over batch axes that were broadcast
solve_ = general(
    _solve,
    (_solve_left, lambda g, a: np.linalg.solve(transposed(a), g)),
    (
        lambda t, a, ans: -np.linalg.solve(a, t @ ans),
        lambda t, a: np.linalg.solve(a, t),
    ),
    samples=_draw_equations,
)


def _draw_solve(draw: Draw) -> Case:
    if draw.boolean():
        return _draw_equations(draw)
    a = draw_invertible(draw)
    return (a, draw.array(a.shape[-1:])), {}


@composite(np.linalg.solve, samples=_draw_solve)
def solve(a: ArrayLike, b: ArrayLike) -> Any:
    """Solve a @ x = b; b holds columns of matrices, or is one vector."""
    a, b = matrix_operand("np.linalg.solve", a, square=True), operand(b)
    if b.ndim == 1:
        return np.squeeze(solve_(a, np.expand_dims(b, -1)), -1)
    return solve_(a, b)


def _draw_tensorsolve(draw: Draw) -> Case:
    a = draw_conditioned(draw, 6, 6, ())
    b = draw.array((2, 3))
    return draw.choice(
        [
            ((a.reshape(2, 3, 3, 2), b), {}),
            ((a.reshape(2, 3, 6), b), {}),
            ((np.moveaxis(a.reshape(2, 3, 3, 2), 2, 0), b), {"axes": (0,)}),
        ]
    )


@composite(np.linalg.tensorsolve, samples=_draw_tensorsolve)
def tensorsolve(a: ArrayLike, b: ArrayLike, axes: Sequence[int] | None = None) -> Any:
    """Solve tensordot(a, x, x.ndim) = b, with these axes of a moved to its end."""
    a, b = operand(a), operand(b)
    if axes is not None:
        order = list(range(a.ndim))
        for axis in axes:
            if axis not in order:
                raise ShapeError(
                    explain(
                        "np.linalg.tensorsolve",
                        "The axes to be moved to the end of a are counted from 0.",
                        a_shape=a.shape,
                        axes=axes,
                    )
                )
            order.remove(axis)
            order.append(axis)
        a = np.transpose(a, order)
    shape = a.shape[b.ndim - a.ndim :] if a.ndim > b.ndim else ()
    side = int(np.prod(shape))
    if a.size != side**2 or b.size != side:
        raise ShapeError(
            explain(
                "np.linalg.tensorsolve",
                "The axes of a beyond those of b must have as many entries as b.",
                "Check the order of axes.",
                a_shape=a.shape,
                b_shape=b.shape,
                axes=axes,
            )
        )
    return np.reshape(np.linalg.solve(np.reshape(a, (side, side)), np.ravel(b)), shape)


def _draw_tensorinv(draw: Draw) -> Case:
    shape, params = draw.choice([((2, 3, 6), {}), ((6, 3, 2), {"ind": 1}), ((2, 3, 3, 2), {})])
    return (draw_conditioned(draw, 6, 6, ()).reshape(shape),), params


@composite(np.linalg.tensorinv, samples=_draw_tensorinv)
def tensorinv(a: ArrayLike, ind: int = 2) -> Any:
    """Invert the matrix whose rows are numbered by the first axes, ind of them."""
    a = operand(a)
    rows, columns = a.shape[:ind], a.shape[ind:]
    side = int(np.prod(columns))
    if ind <= 0 or int(np.prod(rows)) != side:
        raise ShapeError(
            explain(
                "np.linalg.tensorinv",
                "The first axes must have as many entries as the others.",
                "Pass their number as ind, which is positive.",
                shape=a.shape,
                ind=ind,
            )
        )
    return np.reshape(np.linalg.inv(np.reshape(a, (side, side))), columns + rows)


# ---- determinants -------------------------------------------------------------------------------


def cofactors(a: Array) -> Array:
    """Return the matrices of cofactors, the gradient of the determinant, for any rank.

    Of an invertible matrix this is det(a) a^-T. Others are taken apart,

        a = u b v,    b = [[p, q],    p invertible, and a small rest  z = s - r p^-1 q
                           [r, s]]

    with u and v unitary. Then det(a) is a constant times det(p) det(z), and adj(b), the transpose
    of the cofactors, is made of p^-1, of det(z) and adj(z). As polynomials of z these need no
    division, so that derivatives of any order are right.
    """
    value = bare(a)
    u, s, v = np.linalg.svd(np.where(np.isnan(value), 0, value))
    kept = s > NEARLY_SINGULAR * np.max(s, axis=-1, keepdims=True, initial=0)
    ranks = np.count_nonzero(kept, axis=-1)
    if np.all(ranks == a.shape[-1]):
        return np.linalg.det(a)[..., np.newaxis, np.newaxis] * transposed(np.linalg.inv(a))
    found = [
        _cofactors_by_parts(a[i], u[i], v[i], int(ranks[i])) for i in np.ndindex(value.shape[:-2])
    ]
    return np.reshape(np.stack(found), a.shape)


def _cofactors_by_parts(a: Array, u: Array, v: Array, rank: int) -> Array:
    b = adjoint(u) @ a @ adjoint(v)
    p, q, r, s = b[:rank, :rank], b[:rank, rank:], b[rank:, :rank], b[rank:, rank:]
    first, last = np.split(np.eye(len(u), dtype=u.dtype), [rank], axis=1)
    inverse = np.linalg.inv(p)
    det, adj = _determinant_and_adjugate(s - r @ inverse @ q)
    # adj(b) = det(p) (det(z) [p^-1, 0; 0, 0] + [-p^-1 q; 1] adj(z) [-r p^-1, 1])
    left = last - first @ inverse @ q
    right = last.T - r @ inverse @ first.T
    adj_b = np.linalg.det(p) * (det * (first @ inverse @ first.T) + left @ adj @ right)
    # adj(u b v) = adj(v) adj(b) adj(u), and adj(u) = det(u) u^-1
    outer = np.linalg.det(u) * np.linalg.det(v)
    return transposed(outer * (adjoint(v) @ adj_b @ adjoint(u)))


def _determinant_and_adjugate(z: Array) -> tuple[Array, Array]:
    # By Faddeev and LeVerrier: the characteristic polynomial, from its leading coefficient on.
    # They divide by 1, ..., n only; here z is small, and so are all that is subtracted.
    n = z.shape[-1]
    one = np.eye(n, dtype=z.dtype)
    coefficient, matrix = np.ones((), z.dtype), np.zeros_like(one)
    for i in range(1, n + 1):
        matrix = z @ matrix + coefficient * one
        coefficient = -np.trace(z @ matrix) / i
    return (-1) ** n * coefficient, (-1) ** (n - 1) * matrix if n else matrix


def _det(a: Array, /) -> Array:
    return np.linalg.det(a)


def _scaled_to(g: Array) -> Array:
    return np.expand_dims(g, (-2, -1))


def _draw_square(draw: Draw) -> Case:
    # of any rank, where entries are whole numbers
    n = draw.integer(0, 4)
    return (draw.array((*draw_batch(draw), n, n)),), {}


det_ = general(
    _det,
    lambda g, a: _scaled_to(g) * cofactors(a),
    lambda t, a: np.sum(t * cofactors(a), axis=(-2, -1)),
    samples=_draw_square,
)


@composite(np.linalg.det, samples=_draw_square)
def det(a: ArrayLike) -> Any:
    """Return the determinant; its derivatives are right for singular matrices, too."""
    return det_(matrix_operand("np.linalg.det", a, square=True))


def _slogdet(a: Array, /) -> tuple[Array, Array]:
    return tuple(np.linalg.slogdet(a))


def _singular(ans: tuple[Array, Array]) -> Array:
    """Say which determinants are zero: their logarithms have no derivatives."""
    return bare(ans[0]) == 0


def _invertible(a: Array, singular: Array) -> Array:
    """Put a matrix that has an inverse in place of those that have none."""
    return np.where(_scaled_to(singular), identity_like(a), a) if np.any(singular) else a


def _nan_at(singular: Array, x: Array) -> Array:
    """Put NaN where a singular matrix matters."""
    return np.where(singular & (bare(x) != 0), np.nan, x) if np.any(singular) else x


def _slogdet_vjp(g: tuple[Array, Array], a: Array, ans: tuple[Array, Array]) -> Array:
    # Re(h tr(a^-1 da)) is the sum of both parts below
    h = g[1] + 1j * np.imag(g[0] * ans[0]) if np.iscomplexobj(a) else g[1]
    singular = _singular(ans)
    inverse = np.linalg.inv(_invertible(a, singular))
    return _scaled_to(_nan_at(singular, h)) * transposed(inverse)


def _slogdet_jvp(t: Array, a: Array, ans: tuple[Array, Array]) -> tuple[Array, Array]:
    # log(det) = log|det| + i angle, and d log(det) = tr(a^-1 da)
    singular = _singular(ans)
    t = _nan_at(_scaled_to(singular), t)
    d = np.trace(np.linalg.solve(_invertible(a, singular), t), axis1=-2, axis2=-1)
    return 1j * np.imag(d) * ans[0], np.real(d)


slogdet_ = several(
    _slogdet,
    _slogdet_vjp,
    _slogdet_jvp,
    outputs=("sign", "logabsdet"),
    singular=lambda ans: (_singular(ans), _singular(ans)),
    samples=lambda draw: ((draw_invertible(draw),), {}),
    holomorphic=False,
)


@composite(np.linalg.slogdet, samples=lambda draw: ((draw_invertible(draw),), {}))
def slogdet(a: ArrayLike) -> Any:
    """Return the sign (of complex matrices, the phase) of the determinant, and its logarithm."""
    return SlogdetResult(*slogdet_(matrix_operand("np.linalg.slogdet", a, square=True)))


# ---- powers and products ------------------------------------------------------------------------


def _draw_power(draw: Draw) -> Case:
    return (draw_invertible(draw),), {"n": draw.choice([2, 0, 1, 3, 5, -1, -2])}


@composite(np.linalg.matrix_power, samples=_draw_power)
def matrix_power(a: ArrayLike, n: int) -> Any:
    """Multiply a matrix with itself, or its inverse with itself where n is negative."""
    a = matrix_operand("np.linalg.matrix_power", a, square=True)
    try:
        n = operator.index(n)
    except TypeError as error:
        raise UnsupportedError(
            explain(
                "np.linalg.matrix_power",
                "The exponent is a whole number.",
                "For others, take powers of the eigenvalues.",
                n=n,
            )
        ) from error
    if n == 0:
        return np.zeros_like(a) + identity_like(a).astype(a.dtype)
    if n == 1:
        return np.copy(a)
    if n < 0:
        a, n = np.linalg.inv(a), -n
    result = None  # a**(the bits of n so far), while a is squared
    while True:
        if n % 2:
            result = a if result is None else result @ a
        n //= 2
        if n == 0:
            return result
        a = a @ a


def _draw_chain(draw: Draw) -> Case:
    sides = [draw.integer(1, 4) for _ in range(draw.integer(3, 6))]
    chain = [draw.array((m, n)) for m, n in pairwise(sides)]
    if draw.boolean():
        chain[0] = chain[0][0]
    if draw.boolean():
        chain[-1] = chain[-1][:, 0]
    return (chain,), {}


@composite(np.linalg.multi_dot, samples=_draw_chain)
def multi_dot(arrays: Sequence[ArrayLike], *, out: None = None) -> Any:
    """Multiply matrices, of which the first and the last may be vectors, in the cheapest order."""
    refuse("np.linalg.multi_dot", out=out)
    chain = [operand(a) for a in arrays]
    if len(chain) < 2:
        raise ShapeError(
            explain("np.linalg.multi_dot", "There must be two at least.", arrays=len(chain))
        )
    if len(chain) == 2:
        return np.dot(*chain)
    shapes = [a.shape for a in chain]
    if any(len(shape) != 2 for shape in shapes[1:-1]) or not all(
        1 <= len(shape) <= 2 for shape in shapes
    ):
        raise ShapeError(
            explain(
                "np.linalg.multi_dot",
                "All must be matrices, and the first and last matrices or vectors.",
                "Use np.matmul for stacks of them.",
                shapes=tuple(shapes),
            )
        )
    # rows of each, and columns of the last
    sides = [shape[0] for shape in shapes] + [(*shapes[-1], 1)[1]]
    sides[0] = 1 if len(shapes[0]) == 1 else sides[0]

    @cache
    def cheapest(first: int, end: int) -> tuple[int, int]:
        """Return the multiplications that chain[first:end] takes, and where it is split."""
        if end - first == 1:
            return 0, end
        return min(
            (
                cheapest(first, cut)[0]
                + cheapest(cut, end)[0]
                + sides[first] * sides[cut] * sides[end],
                cut,
            )
            for cut in range(first + 1, end)
        )

    def product(first: int, end: int) -> Any:
        if end - first == 1:
            return chain[first]
        cut = cheapest(first, end)[1]
        return np.dot(product(first, cut), product(cut, end))

    return product(0, len(chain))
