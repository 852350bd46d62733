"""What is true of every registered operation, whatever it computes.

A law is a function of an operation, one case to try it on (its arguments), and a generator for the
directions; it raises AssertionError where it does not hold. `LAWS` says which operations each is
about, and what entries it is tried on; `check` draws a case and tries it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from tensorgrad.engine.backward import backward
from tensorgrad.engine.node import Leaf
from tensorgrad.engine.primitive import Operation
from tensorgrad.engine.tensor import Tensor, tensor
from tensorgrad.testing.draw import NumberDraw, RandomDraw
from tensorgrad.testing.numerical import directional_derivative
from tensorgrad.transforms import jvp, vjp
from tensorgrad.transforms.tree import flatten, map_leaves, unflatten
from tensorgrad.typing import Array

Args = tuple[Any, ...]
Params = dict[str, Any]
Function = Callable[..., tuple[Any, ...]]

ROUNDING = 1e-11  # of a few operations in double precision
NUMERICAL = 1e-8  # of numerical derivatives
SINGLE = 2e-4  # of a few operations, and their derivatives, in single precision


# ---- what the laws are written with -------------------------------------------------------------


def _is_variable(leaf: Any) -> bool:
    return isinstance(leaf, np.ndarray) and leaf.dtype.kind in "fc"


def as_function(
    call: Callable[..., Any], operation: Operation, args: Args, params: Params
) -> tuple[Function, list[Array]]:
    """Return call as a function of its floating-point arrays, and these.

    The arrays may stand in containers and, where the operation is composed of others, in keywords.
    The function returns a tuple of those results that are floating-point arrays.
    """
    varied = (args, params if operation.kind == "composite" else {})
    leaves, structure = flatten(varied)
    places = [i for i, leaf in enumerate(leaves) if _is_variable(leaf)]

    def function(*xs: Any) -> tuple[Any, ...]:
        full = list(leaves)
        for i, x in zip(places, xs, strict=True):
            full[i] = x
        args, keywords = unflatten(structure, full)
        results, _ = flatten(call(*args, **{**params, **keywords}))
        return tuple(y for y in results if getattr(y, "dtype", np.dtype(bool)).kind in "fc")

    return function, [leaves[i] for i in places]


def pulled_back(f: Function, gs: Sequence[Array]) -> Function:
    """Return the function of xs, and of cotangents like gs, to the gradients of f."""

    def function(*xs_and_gs: Any) -> tuple[Any, ...]:
        n = len(xs_and_gs) - len(gs)
        _, pullback = vjp(f, *xs_and_gs[:n])
        return pullback(tuple(xs_and_gs[n:]))

    return function


def vectors_like(arrays: Sequence[Any], rng: np.random.Generator) -> tuple[Array, ...]:
    """Return random vectors of the spaces that arrays are in."""

    def one(x: Any) -> Array:
        v = rng.uniform(-1, 1, x.shape)
        if x.dtype.kind == "c":
            v = v + 1j * rng.uniform(-1, 1, x.shape)
        return np.asarray(v, x.dtype)

    return tuple(map(one, arrays))


def whole_vectors_like(arrays: Sequence[Any], rng: np.random.Generator) -> tuple[Array, ...]:
    """Return random vectors of whole numbers."""
    return tuple(rng.integers(-3, 4, x.shape).astype(x.dtype) for x in arrays)


def inner(xs: Sequence[Array], ys: Sequence[Array]) -> float:
    """Return the inner product of the real vector space that tuples of arrays are."""
    return sum(float(np.real(np.vdot(x, y))) for x, y in zip(xs, ys, strict=True))


def assert_close(
    found: Sequence[Any], expected: Sequence[Any], tolerance: float, what: str
) -> None:
    """Raise unless arrays agree, relative to the greatest entry (or 1, if that is more)."""
    assert len(found) == len(expected), f"{what}: {len(found)} results for {len(expected)}"
    for a, b in zip(map(np.asarray, found), map(np.asarray, expected), strict=True):
        assert a.shape == b.shape, f"{what}: shape {a.shape}, expected {b.shape}"
        scale: float = np.max(np.abs(b), initial=1.0, where=np.isfinite(b))
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * scale, err_msg=what)


def assert_same(found: Sequence[Any], expected: Sequence[Any], what: str) -> None:
    """Raise unless arrays agree exactly."""
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=what, strict=True)


def assert_in_spaces_of(found: Sequence[Any], arrays: Sequence[Any], what: str) -> None:
    """Raise unless found have the shapes and dtypes of arrays."""
    spaces, expected = ([(x.shape, x.dtype.name) for x in xs] for xs in (found, arrays))
    assert spaces == expected, f"{what} in {spaces}, expected {expected}"


# ---- the laws -----------------------------------------------------------------------------------


def value(operation: Operation, args: Args, params: Params, _: np.random.Generator) -> None:
    """On Tensors, recorded or not, the value is the reference's: container, shape and dtype."""
    expected, structure = flatten(operation.reference(*args, **params))
    variables = [leaf for leaf in flatten((args, params))[0] if _is_variable(leaf)]
    tolerance = (
        SINGLE if any(x.dtype in (np.float32, np.complex64) for x in variables) else ROUNDING
    )
    for recorded in (False, True):

        def hand_in(leaf: Any, recorded: bool = recorded) -> Any:
            return tensor(leaf, requires_grad=recorded) if _is_variable(leaf) else leaf

        keywords = map_leaves(hand_in, params) if operation.kind == "composite" else params
        found, form = flatten(operation(*map_leaves(hand_in, args), **keywords))
        assert form == structure, f"results in {form}, expected {structure}"
        for y, want in zip(found, expected, strict=True):
            if isinstance(want, np.ndarray | np.generic):
                assert isinstance(y, Tensor), f"a {type(y).__name__} in place of a Tensor"
                assert_in_spaces_of([y], [want], "value")
                assert_close([y.numpy()], [want], tolerance, "value")
            else:
                assert (y.item() if isinstance(y, Tensor) else y) == want


def adjoint(operation: Operation, args: Args, params: Params, rng: np.random.Generator) -> None:
    """Both modes are the same linear map: <g, jvp(t)> = <vjp(g), t>."""
    f, xs = as_function(operation, operation, args, params)
    _assert_adjoint(f, xs, rng, vectors_like, ROUNDING)


def _assert_adjoint(
    f: Function, xs: Sequence[Array], rng: np.random.Generator, draw: Any, tolerance: float
) -> None:
    ts = draw(xs, rng)
    ys, dys = jvp(f, tuple(xs), ts)
    gs = draw(ys, rng)
    gradients = vjp(f, *xs)[1](gs)
    left, right = inner(gs, dys), inner(gradients, ts)
    scale = max(1.0, *(np.max(np.abs(v), initial=0) for v in (*dys, *gradients)))
    assert abs(left - right) <= tolerance * scale, f"<g, jvp(t)> = {left}, <vjp(g), t> = {right}"


def slope(operation: Operation, args: Args, params: Params, rng: np.random.Generator) -> None:
    """The derivative is that of the reference, found numerically."""
    f, xs = as_function(operation, operation, args, params)
    plain, _ = as_function(operation.reference, operation, args, params)
    ts = vectors_like(xs, rng)
    _, found = jvp(f, tuple(xs), ts)
    assert_close(found, directional_derivative(plain, xs, ts), NUMERICAL, "derivative")


def second_adjoint(
    operation: Operation, args: Args, params: Params, rng: np.random.Generator
) -> None:
    """The gradient has derivatives in both modes, and these are the same linear map."""
    f, xs = as_function(operation, operation, args, params)
    gs = vectors_like(vjp(f, *xs)[0], rng)
    _assert_adjoint(pulled_back(f, gs), [*xs, *gs], rng, vectors_like, ROUNDING)


def second_slope(
    operation: Operation, args: Args, params: Params, rng: np.random.Generator
) -> None:
    """The derivative of the gradient is what is found numerically."""
    f, xs = as_function(operation, operation, args, params)
    gs = vectors_like(vjp(f, *xs)[0], rng)
    gradient = pulled_back(f, gs)
    primals = (*xs, *gs)
    ts = vectors_like(primals, rng)
    _, found = jvp(gradient, primals, ts)
    assert_close(
        found, directional_derivative(gradient, primals, ts), NUMERICAL, "second derivative"
    )


def exact(operation: Operation, args: Args, params: Params, rng: np.random.Generator) -> None:
    """What is linear in its arguments is its own derivative, to the last bit on whole numbers."""
    f, xs = as_function(operation, operation, args, params)
    _assert_adjoint(f, xs, rng, whole_vectors_like, 0)
    moves = [whole_vectors_like(xs, rng)]
    if operation.kind == "bilinear":  # linear in one while the other is held
        moves = [
            tuple(t if i == moved else np.zeros_like(t) for i, t in enumerate(moves[0]))
            for moved in range(len(xs))
        ]
    for ts in moves:
        ys, found = jvp(f, tuple(xs), ts)
        moved = f(*(x + t for x, t in zip(xs, ts, strict=True)))
        assert_same(found, [b - a for a, b in zip(ys, moved, strict=True)], "derivative")


def spaces(operation: Operation, args: Args, params: Params, rng: np.random.Generator) -> None:
    """A gradient has the shape and dtype of its argument, a tangent those of its result."""
    f, xs = as_function(operation, operation, args, params)
    ys, dys = jvp(f, tuple(xs), vectors_like(xs, rng))
    assert_in_spaces_of(dys, ys, "tangents")
    gs = vectors_like(ys, rng)
    assert_in_spaces_of(vjp(f, *xs)[1](gs), xs, "gradients")
    second = vjp(pulled_back(f, gs), *xs, *gs)[1](vectors_like(xs, rng))
    assert_in_spaces_of(second, [*xs, *gs], "second gradients")


def precision(operation: Operation, args: Args, params: Params, rng: np.random.Generator) -> None:
    """In single precision, values and gradients are those of double precision, less accurately."""
    f, xs = as_function(operation, operation, args, params)
    ys, pullback = vjp(f, *xs)
    gs = vectors_like(ys, rng)
    single = (*ys, *pullback(gs))
    double = map_leaves(_in_double, (args, params))
    f, xs = as_function(operation, operation, *double)
    ys, pullback = vjp(f, *xs)
    assert_close(single, (*ys, *pullback(tuple(map(_in_double, gs)))), SINGLE, "single precision")


def _in_double(leaf: Any) -> Any:
    return leaf.astype(np.result_type(leaf.dtype, np.float64)) if _is_variable(leaf) else leaf


def layouts(operation: Operation, args: Args, params: Params, rng: np.random.Generator) -> None:
    """It makes no difference how arrays lie in memory, nor whether they are read-only."""
    f, xs = as_function(operation, operation, args, params)
    ts = vectors_like(xs, rng)
    gs = vectors_like(_values_and_products(f, xs, ts)[0], rng)
    for name, lay_out in LAYOUTS.items():
        laid_out = [[lay_out(v) for v in vectors] for vectors in (xs, ts, gs)]
        found = _values_and_products(f, *laid_out)
        expected = _values_and_products(
            f, *([np.array(v, order="C") for v in vs] for vs in laid_out)
        )
        for some, same in zip(found, expected, strict=True):
            assert_close(some, same, ROUNDING, f"layout {name}")


def _values_and_products(
    f: Function, xs: Sequence[Array], ts: Sequence[Array], gs: Sequence[Array] | None = None
) -> tuple[Sequence[Array], ...]:
    """Return the values, tangents and gradients of f: the engine's, which copies nothing."""
    leaves = [Leaf(x) for x in xs]
    ys = f(*map(Tensor, xs, leaves))
    values = [y.numpy() for y in ys]
    if gs is None:
        return (values,)
    _, dys = jvp(f, tuple(map(Tensor, xs)), tuple(ts))
    ends = [(y._node, g) for y, g in zip(ys, gs, strict=True) if y._node is not None]
    found = backward([node for node, _ in ends], [g for _, g in ends], leaves)
    gradients = [found.get(leaf, np.zeros(leaf.shape, leaf.dtype)) for leaf in leaves]
    return values, [dy.numpy() for dy in dys], gradients


def _read_only(x: Array) -> Array:
    x = x.copy()
    x.flags.writeable = False
    return x


def _every_other(x: Array) -> Array:
    return np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x


def _backwards(x: Array) -> Array:
    return np.flip(np.flip(x).copy())


def _repeated(x: Array) -> Array:
    return np.broadcast_to(x[..., :1], x.shape) if x.ndim and x.shape[-1] else x


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "read-only": _read_only,
    "Fortran": lambda x: x.copy(order="F"),
    "every other entry": _every_other,
    "backwards": _backwards,
    "one entry repeated": _repeated,
}


def ownership(operation: Operation, args: Args, params: Params, rng: np.random.Generator) -> None:
    """Nothing handed in is written to, and nothing handed out shares memory with anything."""
    f, xs = as_function(operation, operation, args, params)
    ts = vectors_like(xs, rng)
    ys, dys = jvp(f, tuple(xs), ts)
    gs = vectors_like(ys, rng)
    before = [v.copy() for v in (*xs, *ts, *gs)]
    values, pullback = vjp(f, *xs)
    gradients = pullback(gs)
    _values_and_products(f, xs, ts, gs)  # without the copies made at the surface
    assert_same([*xs, *ts, *gs], before, "written to")
    results = [*ys, *dys, *values, *gradients]
    for i, result in enumerate(results):
        assert isinstance(result, np.generic) or result.flags.writeable
        for other in (*xs, *ts, *gs, *results[:i]):
            assert not np.may_share_memory(result, other), "shared memory"


def unrecorded(operation: Operation, args: Args, params: Params, _: np.random.Generator) -> None:
    """The results of a constant operation remember nothing of its arguments."""
    record = tuple(tensor(arg, requires_grad=True) if _is_variable(arg) else arg for arg in args)
    for y in flatten(operation(*record, **params))[0]:
        assert not isinstance(y, Tensor) or not y.requires_grad, f"{y!r} is recorded"


# ---- which law is about what --------------------------------------------------------------------

SMOOTH = frozenset({"elementwise", "linear", "bilinear", "general", "composite"})


@dataclass(frozen=True)
class Law:
    """A law, the kinds of operation it is about, and the entries it is tried on.

    Where dtypes are both real and complex, each argument has one of them, if the operation takes
    complex numbers at all.
    """

    holds: Callable[[Operation, Args, Params, np.random.Generator], None]
    kinds: frozenset[str] = SMOOTH
    dtypes: tuple[str, ...] = ("f8", "c16")
    integers: bool = False
    name: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.holds.__name__)


ALL = (
    Law(value, SMOOTH | {"constant"}, ("f8", "f4", "c16")),
    Law(adjoint),
    Law(slope),
    Law(second_adjoint),
    Law(second_slope),
    Law(exact, frozenset({"linear", "bilinear"}), integers=True),
    Law(spaces, dtypes=("f8", "f4", "c16", "c8")),
    Law(precision, dtypes=("f4", "c8")),
    Law(layouts),
    Law(ownership),
    Law(unrecorded, frozenset({"constant"})),
)
LAWS: dict[str, Law] = {law.name: law for law in ALL}


@cache
def takes_complex(operation: Operation) -> bool:
    """Return whether the reference of an operation computes with complex numbers."""
    for seed in range(20):
        args, params = operation.samples(RandomDraw(seed, ["c16"]))
        try:
            operation.reference(*args, **params)
        except TypeError:
            return False
    return True


def check(law: Law, operation: Operation, draw: NumberDraw) -> None:
    """Draw a case for an operation and raise AssertionError unless the law holds."""
    real = tuple(dtype for dtype in law.dtypes if np.dtype(dtype).kind != "c")
    draw.dtypes = law.dtypes if takes_complex(operation) else real
    draw.integers = law.integers
    args, params = operation.samples(draw)
    law.holds(operation, args, params, draw.rng)
