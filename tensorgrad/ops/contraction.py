"""Products that sum over shared axes. Two primitives do the work: matmul and einsum."""

import math
from collections.abc import Sequence
from string import ascii_lowercase, ascii_uppercase
from typing import Any

import numpy as np

from tensorgrad.engine.declare import bilinear, composite, general
from tensorgrad.engine.primitive import Case
from tensorgrad.engine.space import sum_to
from tensorgrad.errors import ShapeError, UnsupportedError, explain
from tensorgrad.ops.dispatch import operand, refuse
from tensorgrad.typing import Array, ArrayLike, Draw, Shape

# in the order in which NumPy numbers them where labels are given as integers
LABELS = ascii_uppercase + ascii_lowercase

# ---- matmul -------------------------------------------------------------------------------------


def _matmul(x: Array, y: Array, /) -> Array:
    return np.matmul(x, y)


def _draw_matrices(draw: Draw) -> Case:
    m, k, n = (draw.integer(0, 3) for _ in range(3))
    left, right = draw.choice([((), ()), ((2,), ()), ((), (3,)), ((2, 1), (3,))])
    return (draw.array((*left, m, k)), draw.array((*right, k, n))), {}


# (..., m, k) @ (..., k, n) -> (..., m, n); the engine sums over batch axes that were broadcast
matmul_ = bilinear(
    _matmul,
    lambda g, y: g @ np.swapaxes(y, -1, -2),
    lambda g, x: np.swapaxes(x, -1, -2) @ g,
    samples=_draw_matrices,
)


def _draw_matmul(draw: Draw) -> Case:
    k = draw.integer(0, 3)
    x = draw.choice([(k,), (2, k), (3, 2, k)])
    y = draw.choice([(k,), (k, 4), (3, k, 2), (1, k, 1)])
    return (draw.array(x), draw.array(y)), {}


@composite(np.matmul, samples=_draw_matmul)
def matmul(x1: ArrayLike, x2: ArrayLike, /) -> Any:
    """Multiply matrices, stacks of them, and vectors."""
    x1, x2 = operand(x1), operand(x2)
    if x1.ndim == 0 or x2.ndim == 0 or x1.shape[-1] != x2.shape[max(-2, -x2.ndim)]:
        raise ShapeError(
            explain(
                "matmul",
                "The last side of the first and the next to last of the second must agree.",
                "Transpose or reshape one of them.",
                x1_shape=x1.shape,
                x2_shape=x2.shape,
            )
        )
    row, column = x1.ndim == 1, x2.ndim == 1
    x1 = np.expand_dims(x1, 0) if row else x1
    x2 = np.expand_dims(x2, -1) if column else x2
    y = matmul_(x1, x2)
    if row or column:
        y = np.reshape(
            y, y.shape[:-2] + (() if row else y.shape[-2:-1]) + (() if column else y.shape[-1:])
        )
    return y


def _draw_dot(draw: Draw) -> Case:
    k = draw.integer(0, 3)
    x = draw.choice([(), (k,), (2, k), (3, 2, k)])
    y = draw.choice([(k,), (k, 4), (3, k, 2), ()])
    return (draw.array(x), draw.array(y)), {}


@composite(np.dot, samples=_draw_dot)
def dot(a: ArrayLike, b: ArrayLike, out: None = None) -> Any:
    """Sum over the last axis of a and the next to last of b; multiply numbers."""
    refuse("np.dot", out=out)
    a, b = operand(a), operand(b)
    if a.ndim == 0 or b.ndim == 0:
        return np.multiply(a, b)
    if a.ndim <= 2 and b.ndim <= 2:
        return np.matmul(a, b)
    return np.tensordot(a, b, (-1, -1 if b.ndim == 1 else -2))


def _draw_vectors(draw: Draw) -> Case:
    k = draw.integer(0, 3)
    return (draw.array(draw.choice([(k,), (2, k)])), draw.array(draw.choice([(k,), (3, k)]))), {}


@composite(np.inner, samples=_draw_vectors)
def inner(a: ArrayLike, b: ArrayLike, /) -> Any:
    """Sum over the last axes of both."""
    a, b = operand(a), operand(b)
    return np.multiply(a, b) if a.ndim == 0 or b.ndim == 0 else np.tensordot(a, b, (-1, -1))


@composite(np.vdot, samples=lambda draw: ((draw.array((2, 3)), draw.array((3, 2))), {}))
def vdot(a: ArrayLike, b: ArrayLike, /) -> Any:
    """Sum the products of all entries, those of a conjugated."""
    a = operand(a)
    return np.dot(np.ravel(np.conj(a) if a.dtype.kind == "c" else a), np.ravel(b))


def _draw_outer(draw: Draw) -> Case:
    return (draw.array(draw.shape()), draw.array(draw.shape())), {}


@composite(np.outer, samples=_draw_outer)
def outer(a: ArrayLike, b: ArrayLike, out: None = None) -> Any:
    """Multiply every entry of a with every entry of b."""
    refuse("np.outer", out=out)
    return np.multiply(np.expand_dims(np.ravel(a), 1), np.ravel(b))


def _draw_tensordot(draw: Draw) -> Case:
    a = draw.array((2, 3, 4))
    return draw.choice(
        [
            ((a, draw.array((3, 4, 2))), {"axes": 2}),
            ((a, draw.array((5, 3))), {"axes": (1, 1)}),
            ((a, draw.array((4, 2))), {"axes": ([0, -1], [1, 0])}),
            ((a, draw.array((2,))), {"axes": 0}),
        ]
    )


@composite(np.tensordot, samples=_draw_tensordot)
def tensordot(a: ArrayLike, b: ArrayLike, axes: int | Sequence[Any] = 2) -> Any:
    """Sum over pairs of axes: the last of a with the first of b, or those that are named."""
    a, b = operand(a), operand(b)
    if isinstance(axes, (int, np.integer)):
        pairs: Any = tuple(range(a.ndim - axes, a.ndim)), tuple(range(axes))
    else:
        pairs = axes
    left, right = (
        np.lib.array_utils.normalize_axis_tuple(side, x.ndim)
        for side, x in zip(pairs, (a, b), strict=True)
    )
    if len(left) != len(right) or any(
        a.shape[i] != b.shape[j] for i, j in zip(left, right, strict=False)
    ):
        raise ShapeError(
            explain(
                "np.tensordot",
                "Paired axes must have the same length.",
                "Check the order of axes.",
                a_shape=a.shape,
                b_shape=b.shape,
                axes=axes,
            )
        )
    rows = [i for i in range(a.ndim) if i not in left]
    columns = [j for j in range(b.ndim) if j not in right]
    sides = tuple(a.shape[i] for i in rows), tuple(b.shape[j] for j in columns)
    k = math.prod(a.shape[i] for i in left)
    m, n = map(math.prod, sides)
    # (rows, left) @ (right, columns)
    x: Any = np.reshape(np.transpose(a, (*rows, *left)), (m, k))
    y: Any = np.reshape(np.transpose(b, (*right, *columns)), (k, n))
    return np.reshape(np.matmul(x, y), sides[0] + sides[1])


# ---- einsum -------------------------------------------------------------------------------------


def _einsum(*xs: Array, subscripts: str, optimize: Any) -> Array:
    return np.einsum(subscripts, *xs, optimize=optimize)


def _einsum_vjp(
    g: Array, xs: Sequence[Array], xs_shape: Sequence[Shape], argnum: int, subscripts: str
) -> Array:
    # The transpose in one argument is again an einsum, of g and the other arguments. A label that
    # only this argument has was summed away: ones bring it back. A label that it has twice reads a
    # diagonal: an identity matrix writes it back.
    terms, result = subscripts.split("->")
    labels = terms.split(",")
    own = labels.pop(argnum)
    others = [x for i, x in enumerate(xs) if i != argnum]
    free = iter(letter for letter in LABELS if letter not in subscripts)
    target = ""
    for label, side in zip(own, xs_shape[argnum], strict=True):
        if label in target:
            twin = next(free)
            labels.append(label + twin)
            others.append(np.eye(side, dtype=g.dtype))
            target += twin
            continue
        if not any(label in other for other in (result, *labels)):
            labels.append(label)
            others.append(np.ones(side, dtype=g.dtype))
        target += label
    part = np.einsum(f"{','.join([result, *labels])}->{target}", g, *others, optimize=True)
    # sides of length 1 were broadcast: those of the others, or those of this argument
    shape = xs_shape[argnum]
    return sum_to(np.broadcast_to(part, np.broadcast_shapes(part.shape, shape)), shape)


def _einsum_jvp(
    t: Array, xs: Sequence[Array], argnum: int, subscripts: str, optimize: Any
) -> Array:
    return einsum_(*xs[:argnum], t, *xs[argnum + 1 :], subscripts=subscripts, optimize=optimize)


def _draw_einsum_operands(draw: Draw, forms: Sequence[str]) -> tuple[str, list[Array]]:
    subscripts = draw.choice(forms)
    sides = {"i": 2, "j": 3, "k": draw.integer(0, 2), "l": 1}
    terms = subscripts.split("->")[0].replace("...", draw.choice(["", "ij"])).split(",")
    shapes = [[sides[label] for label in term] for term in terms]
    for shape, term in zip(shapes, terms, strict=True):
        if draw.integer(0, 3) == 3 and len(set(term)) == len(term):  # not on a diagonal
            shape[:1] = [1] * len(shape[:1])  # which is broadcast against the other operands
    return subscripts, [draw.array(tuple(shape)) for shape in shapes]


EXPLICIT = [
    "ij,jk->ik",
    "i->",
    "ij->ji",
    "ii->i",
    "ii->",
    "ij,ij->j",
    "ij,ij,ij->",
    "ij,kj,k->i",
    "i,j->ij",
    "iij,j->i",
    ",i->i",
]
IMPLICIT = ["ij,jk", "ji", "ii", "...k,k", "...k,...k->...", "i...->...i"]


def _draw_einsum_primitive(draw: Draw) -> Case:
    subscripts, xs = _draw_einsum_operands(draw, EXPLICIT)
    return tuple(xs), {"subscripts": subscripts, "optimize": False}


def _draw_einsum(draw: Draw) -> Case:
    if draw.integer(0, 4) == 4:  # the form without letters
        return (draw.array((2, 3)), [0, 1], draw.array((3, 4)), [1, 2], [2, 0]), {}
    subscripts, xs = _draw_einsum_operands(draw, EXPLICIT + IMPLICIT)
    return (subscripts, *xs), {"optimize": draw.boolean()}


einsum_ = general(_einsum, _einsum_vjp, _einsum_jvp, samples=_draw_einsum_primitive)
einsum_.view = True  # of one operand, as for "ii->i"


def spell_out(subscripts: str, shapes: Sequence[Shape]) -> str:
    """Write subscripts with an explicit result and letters in place of every ellipsis."""
    terms, arrow, result = subscripts.replace(" ", "").partition("->")
    labels = terms.split(",")
    named = [len(label.replace("...", "")) for label in labels]
    if len(labels) != len(shapes) or any(
        len(shape) < n or (len(shape) > n and "..." not in label)
        for label, n, shape in zip(labels, named, shapes, strict=False)
    ):
        raise ShapeError(
            explain(
                "np.einsum",
                "There must be one term for each operand, with a letter for each of its axes.",
                "Add letters, or an ellipsis.",
                subscripts=subscripts,
                shapes=tuple(shapes),
            )
        )
    hidden = [len(shape) - n for n, shape in zip(named, shapes, strict=True)]
    depth = max(hidden)
    if depth and arrow and "..." not in result:
        raise ShapeError(
            explain(
                "np.einsum",
                "Axes that an ellipsis stands for cannot be summed.",
                "Put an ellipsis into the result, or letters in place of it.",
                subscripts=subscripts,
                shapes=tuple(shapes),
            )
        )
    common = "".join([letter for letter in LABELS if letter not in subscripts][:depth])
    # an ellipsis aligns from the right, as broadcasting does
    spelled = [
        label.replace("...", common[depth - n :]) for label, n in zip(labels, hidden, strict=True)
    ]
    if arrow:
        result = result.replace("...", common)
    else:
        once = [letter for letter in terms if letter.isalpha() and terms.count(letter) == 1]
        result = common + "".join(sorted(once))
    return ",".join(spelled) + "->" + result


@composite(np.einsum, samples=_draw_einsum)
def einsum(
    *operands: Any,
    out: None = None,
    optimize: Any = False,
    dtype: Any = None,
    order: str | None = None,
    casting: str | None = None,
) -> Any:
    """Sum products over labelled axes, in every form that NumPy takes."""
    refuse(
        "np.einsum",
        out=out,
        order=None if order == "K" else order,
        casting=None if casting == "safe" else casting,
    )
    if isinstance(operands[0], str):
        subscripts, *xs = operands
    else:  # einsum(x, [0, 1], y, [1, 2], [0, 2])
        xs = list(operands[0 : len(operands) - len(operands) % 2 : 2])

        def spell(labels: Sequence[Any]) -> str:
            return "".join("..." if n is Ellipsis else LABELS[n] for n in labels)

        subscripts = ",".join(spell(labels) for labels in operands[1::2])
        subscripts += f"->{spell(operands[-1])}" if len(operands) % 2 else ""
    xs = [operand(x) if dtype is None else operand(x).astype(dtype) for x in xs]
    if any(x.dtype.kind not in "biufc" for x in xs):
        raise UnsupportedError(
            explain(
                "np.einsum", "Operands must be numbers.", dtypes=tuple(str(x.dtype) for x in xs)
            )
        )
    return einsum_(*xs, subscripts=spell_out(subscripts, [x.shape for x in xs]), optimize=optimize)
