"""Hypothesis strategies for what gradients are tested on.

All are ordinary strategies: they combine with those of hypothesis, and what fails shrinks. Shapes,
axes and the structure of programs are drawn number by number; the entries of arrays come from a
generator seeded with one number more. Importing this module needs no hypothesis; calling any of it
does.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tensorgrad.engine.node import Leaf
from tensorgrad.engine.primitive import REGISTRY, Case, Operation
from tensorgrad.engine.tensor import Tensor, require_differentiable
from tensorgrad.errors import ShapeError, TensorgradError, UnsupportedError, explain
from tensorgrad.ops.indexing import draw_index
from tensorgrad.testing.draw import IMAGINARY, LAYOUTS, HypothesisDraw
from tensorgrad.testing.programs.growing import GENES, build, differentiable_operations
from tensorgrad.testing.programs.program import Program
from tensorgrad.typing import REAL, Array, Domain, DTypeLike, Shape

# A hypothesis.strategies.SearchStrategy of these values.
Strategy = Any
MATRICES = (
    "general",
    "invertible",
    "spd",
    "symmetric",
    "orthogonal",
    "lower",
    "upper",
    "singular",
)


def _hypothesis() -> Any:
    try:
        from hypothesis import strategies
    except ImportError as error:
        raise ImportError(
            "tensorgrad.testing.strategies needs hypothesis: pip install hypothesis"
        ) from error
    return strategies


def _drawn(name: str, make: Callable[[HypothesisDraw, Callable[[Any], Any]], Any]) -> Strategy:
    """Return the strategy of what a function makes of a `Draw`, and of parameters to draw."""
    st = _hypothesis()

    def drawn(draw: Callable[[Strategy], Any]) -> Any:
        def value(parameter: Any) -> Any:
            return draw(parameter) if isinstance(parameter, st.SearchStrategy) else parameter

        return make(HypothesisDraw(draw), value)

    drawn.__name__ = name
    return st.composite(drawn)()


# ---- arrays and their parts ---------------------------------------------------------------------


def shapes(min_ndim: int = 0, max_ndim: int = 3, min_side: int = 0, max_side: int = 4) -> Strategy:
    """Draw the shape of an array.

    >>> from hypothesis import find
    >>> find(shapes(min_ndim=2, min_side=1), lambda shape: True)
    (1, 1)
    """
    return _drawn("shapes", lambda draw, _: draw.shape(min_ndim, max_ndim, min_side, max_side))


def arrays(
    dtype: DTypeLike | Strategy = np.float64,
    shape: int | Shape | Strategy | None = None,
    domain: Domain | Strategy = REAL,
    layout: str | Strategy | None = None,
    *,
    decades: float = 0,
) -> Strategy:
    """Draw an array of numbers, in any memory layout.

    Parameters
    ----------
    dtype
        Of floating-point, complex or whole numbers.
    shape
        By default any of `shapes`.
    domain
        Where real parts lie; imaginary ones stay near 0.
    layout
        ``"C"``, ``"F"``, ``"strided"`` (every other entry of a larger array), ``"negative"``
        (strides), ``"broadcast"`` (a stride of 0 along the last axis) or ``"read-only"``; by
        default any of these.
    decades
        Over how many orders of magnitude entries are scaled, around those in the domain.

    Each of the first four may be a strategy.

    Returns
    -------
    strategy of numpy.ndarray

    Raises
    ------
    UnsupportedError
        If the dtype is of anything else, or a layout is unknown.
    ImportError
        If hypothesis is not installed.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(arrays(shape=(2, 2), layout="F"), lambda x: True).flags.f_contiguous
    True
    """
    return _drawn("arrays", _arrays(dtype, shape, domain, layout, decades))


def _arrays(
    dtype: Any, shape: Any, domain: Any, layout: Any, decades: float
) -> Callable[[HypothesisDraw, Callable[[Any], Any]], Array]:
    def make(draw: HypothesisDraw, value: Callable[[Any], Any]) -> Array:
        drawn = draw.shape() if shape is None else value(shape)
        sides = (drawn,) if isinstance(drawn, int) else tuple(drawn)
        chosen = draw.choice(list(LAYOUTS)) if layout is None else value(layout)
        if chosen not in LAYOUTS:
            raise UnsupportedError(
                explain("arrays", f"A layout is one of {', '.join(LAYOUTS)}.", layout=chosen)
            )
        x = _entries(draw, sides, value(domain), np.dtype(value(dtype)), decades)
        return LAYOUTS[chosen](x)

    return make


def _entries(
    draw: HypothesisDraw, shape: Shape, domain: Domain, dtype: DTypeLike, decades: float
) -> Array:
    if dtype.kind not in "fciu":
        raise UnsupportedError(
            explain(
                "arrays",
                "Entries are floating-point, complex or whole numbers.",
                "Compare with 0 for booleans.",
                dtype=str(dtype),
            )
        )
    x = draw._entries(shape, domain)
    if decades:
        x = x * 10.0 ** draw.rng.uniform(-decades / 2, decades / 2, shape)
    if dtype.kind == "c":
        x = x + 1j * draw._entries(shape, IMAGINARY)
    return np.asarray(x.round() if dtype.kind in "iu" else x, dtype)


def tensors(
    dtype: DTypeLike | Strategy = np.float64,
    shape: int | Shape | Strategy | None = None,
    domain: Domain | Strategy = REAL,
    layout: str | Strategy | None = None,
    *,
    decades: float = 0,
) -> Strategy:
    """Draw a tensor to differentiate by: a leaf, whose value lies in memory as drawn.

    The parameters are those of `arrays`.

    Raises
    ------
    UnsupportedError
        If values of the dtype have no derivatives.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(tensors(shape=2), lambda x: True).requires_grad
    True
    """
    array = _arrays(dtype, shape, domain, layout, decades)

    def make(draw: HypothesisDraw, value: Callable[[Any], Any]) -> Tensor:
        x = array(draw, value)
        require_differentiable("tensors", x.dtype)
        return Tensor(x, Leaf(x))

    return _drawn("tensors", make)


def broadcastable(n: int) -> Strategy:
    """Draw n shapes that broadcast together.

    >>> from hypothesis import find
    >>> one, other = find(broadcastable(2), lambda shapes: shapes[0] != shapes[1])
    >>> len(np.broadcast_shapes(one, other)) == max(len(one), len(other))
    True
    """
    return _drawn("broadcastable", lambda draw, _: tuple(draw.broadcastable(n)))


def axes(ndim: int) -> Strategy:
    """Draw what to give as ``axis`` for an array of ndim axes: None, a number, or some of them.

    >>> from hypothesis import find
    >>> axis = find(axes(3), lambda axis: isinstance(axis, tuple) and len(axis) == 2)
    >>> np.ones((2, 3, 4)).sum(axis).ndim
    1
    """

    def make(draw: HypothesisDraw, _: Any) -> int | tuple[int, ...] | None:
        form = draw.integer(0, 2 if ndim else 0)
        if form == 0:
            return None
        if form == 1:
            return draw.integer(0, ndim - 1) - ndim * draw.boolean()
        some = draw.permutation(ndim)[: draw.integer(0, ndim)]
        return tuple(axis - ndim * draw.boolean() for axis in some)

    return _drawn("axes", make)


def indices(shape: Shape) -> Strategy:
    """Draw an index for an array: slices, integers, masks, arrays, None and Ellipsis.

    >>> from hypothesis import find
    >>> index = find(indices((2, 3)), lambda index: np.ones((2, 3))[index].ndim == 0)
    >>> float(np.ones((2, 3))[index])
    1.0
    """
    return _drawn("indices", lambda draw, _: draw_index(draw, tuple(shape)))


# ---- matrices -----------------------------------------------------------------------------------


def matrices(
    kind: str | Strategy = "general",
    *,
    sides: int | tuple[int, int] | Strategy | None = None,
    batch: Shape | Strategy = (),
    condition: float | Strategy = 10.0,
    rank: int | Strategy | None = None,
    dtype: DTypeLike | Strategy = np.float64,
) -> Strategy:
    """Draw matrices for linear algebra, with the condition number asked for.

    Parameters
    ----------
    kind
        ``"general"`` of any two sides; ``"invertible"``; ``"spd"``, positive definite and
        symmetric (Hermitian, if complex); ``"symmetric"``, with eigenvalues of both signs;
        ``"orthogonal"`` (unitary); ``"lower"`` or ``"upper"`` triangular; ``"singular"``.
    sides
        Rows and columns, or one number for both; by default from 1 to 4.
    batch
        The axes before them.
    condition
        The greatest singular value, which is 1, divided by the least that is not 0. An orthogonal
        matrix has 1, and so has every matrix of one row or column.
    rank
        Of a singular matrix; by default one less than full.
    dtype
        Floating-point or complex.

    Each may be a strategy.

    Raises
    ------
    UnsupportedError
        If the kind is unknown, or the dtype neither.
    ShapeError
        If the sides do not suit the kind, or the rank does not suit the sides.

    Examples
    --------
    >>> import numpy as np
    >>> from hypothesis import find
    >>> a = find(matrices("spd", sides=3, condition=100.0), lambda a: True)
    >>> float(np.linalg.cond(a).round(6))
    100.0
    """

    def make(draw: HypothesisDraw, value: Callable[[Any], Any]) -> Array:
        chosen = value(kind)
        if chosen not in MATRICES:
            raise UnsupportedError(
                explain("matrices", f"A kind is one of {', '.join(MATRICES)}.", kind=chosen)
            )
        given = value(sides)
        if given is None:
            given = draw.integer(1, 4)
            given = (given, draw.integer(1, 4)) if chosen == "general" else given
        m, n = (given, given) if isinstance(given, int) else given
        if m != n and chosen != "general":
            raise ShapeError(
                explain("matrices", "Such a matrix is square.", kind=chosen, sides=(m, n))
            )
        kept = value(rank)
        kept = min(m, n) - (chosen == "singular") if kept is None else kept
        if not 0 <= kept <= min(m, n) or (kept < min(m, n) and chosen != "singular"):
            raise ShapeError(
                explain(
                    "matrices",
                    "Only a singular matrix has a rank, of at most its side.",
                    "Pass kind='singular'.",
                    kind=chosen,
                    sides=(m, n),
                    rank=kept,
                )
            )
        target = np.dtype(value(dtype))
        require_differentiable("matrices", target, "Use np.float64 or np.complex128.")
        values = np.zeros(min(m, n))
        values[:kept] = np.geomspace(1, 1 / value(condition), kept) if kept > 1 else 1.0
        return _matrix(draw.rng, chosen, m, n, tuple(value(batch)), values, target.kind).astype(
            target
        )

    return _drawn("matrices", make)


def _matrix(
    rng: np.random.Generator, kind: str, m: int, n: int, batch: Shape, values: Array, field: str
) -> Array:
    """Return a matrix of a kind with these singular values, from random unitary factors."""

    def unitary(side: int) -> Array:
        a = rng.standard_normal((*batch, side, side))
        if field == "c":
            a = a + 1j * rng.standard_normal(a.shape)
        return np.linalg.qr(a)[0]

    left = unitary(m)
    if kind == "orthogonal":
        return left
    if kind in ("spd", "symmetric"):
        if kind == "symmetric":
            values = values * (-1.0) ** np.arange(m)
        a = (left * values) @ np.conj(np.swapaxes(left, -1, -2))
        return (a + np.conj(np.swapaxes(a, -1, -2))) / 2  # exactly
    k = len(values)
    a = (left[..., :, :k] * values) @ unitary(n)[..., :k, :]
    if kind in ("upper", "lower"):  # a = q r, and r has the singular values of a
        r = np.triu(np.linalg.qr(a)[1])
        return r if kind == "upper" else np.swapaxes(r, -1, -2)
    return a


# ---- operations, their cases, and programs ------------------------------------------------------


def _operation(op: str | Operation) -> Operation:
    if isinstance(op, Operation):
        return op
    if op not in REGISTRY:
        raise TensorgradError(
            explain(
                "strategies",
                "No operation of this name is registered.",
                "Import the module that registers it; REGISTRY has all names.",
                op=op,
            )
        )
    return REGISTRY[op]


def ops(kind: str | None = None) -> Strategy:
    """Draw a registered operation that has derivatives, of one kind or of all.

    >>> from hypothesis import find
    >>> find(ops("bilinear"), lambda op: True)
    <bilinear matmul>
    """
    found = [op for op in differentiable_operations() if kind is None or op.kind == kind]
    if not found:
        raise TensorgradError(
            explain(
                "ops",
                "No differentiable operation is of this kind.",
                "Pass elementwise, linear, bilinear, general or composite.",
                kind=kind,
            )
        )
    return _hypothesis().sampled_from(found)


def cases(op: str | Operation, dtypes: Sequence[str] = ("f8",)) -> Strategy:
    """Draw arguments for an operation, as its declaration says: the positional and the keywords.

    >>> from hypothesis import find
    >>> (x,), params = find(cases("cumsum"), lambda case: case[0][0].ndim == 1)
    >>> params
    {'axis': 0}
    """
    operation = _operation(op)

    def make(draw: HypothesisDraw, _: Any) -> Case:
        draw.dtypes = dtypes
        return operation.samples(draw)

    return _drawn("cases", make)


def conv_cases(op: str | Operation = "conv2d", dtypes: Sequence[str] = ("f8",)) -> Strategy:
    """Draw arguments for a convolution, most of them at some boundary.

    The stride often leaves a remainder, kernels may be as large as the padded input or a single
    entry, padding as large as the kernel; parameters differ between the axes, the numbers of
    channels often agree, and a batch may be empty.

    >>> from hypothesis import find
    >>> (x, w, *b), params = find(conv_cases(), lambda case: case[1]["groups"] == 2)
    >>> params["groups"]
    2
    """
    return cases(op, dtypes)


def programs(ops: Sequence[str | Operation] | None = None, *, max_ops: int = 8) -> Strategy:
    """Draw a random differentiable program; see `tensorgrad.testing.programs.program.Program`.

    Parameters
    ----------
    ops
        The operations it is made of, or their names; by default all that have derivatives.
    max_ops
        The greatest number of steps.

    Returns
    -------
    strategy of Program

    Examples
    --------
    >>> from hypothesis import find
    >>> program = find(programs(["sin"]), lambda program: len(program.steps) == 2)
    >>> program.source().count("np.sin")
    2
    """
    st = _hypothesis()
    chosen = differentiable_operations() if ops is None else [_operation(op) for op in ops]
    if not chosen or max_ops < 1:
        raise TensorgradError(explain("programs", "A program has steps.", ops=ops, max_ops=max_ops))

    # One draw a step, because each costs as much as the step: hypothesis shrinks single bytes.
    genes = st.lists(st.binary(min_size=GENES, max_size=GENES), min_size=1, max_size=max_ops)
    seeds = st.integers(0, 2**32 - 1)

    @st.composite
    def program(draw: Callable[[Strategy], Any]) -> Program:
        return build(draw(seeds), draw(genes), chosen, max_ops)

    return program().filter(lambda made: made.steps)
