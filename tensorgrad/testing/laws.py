"""What is true of every registered operation, whatever it computes.

A law is a function of an operation, one case to try it on (its arguments), and a generator for the
directions. It returns how many entries it compared, and raises AssertionError where it does not
hold. `LAWS` says which operations each is about, and what entries it is tried on; `check` draws a
case and tries it.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from tensorgrad.engine.backward import backward
from tensorgrad.engine.node import Leaf
from tensorgrad.engine.primitive import Case, Operation, Primitive
from tensorgrad.engine.tensor import Tensor, tensor
from tensorgrad.testing.draw import LAYOUTS, NumberDraw, RandomDraw
from tensorgrad.testing.functions import Arrays, in_double, pulled_back
from tensorgrad.testing.numerics.compare import compare_derivatives, found_by
from tensorgrad.testing.numerics.comparison import Comparison
from tensorgrad.testing.numerics.expectation import Expectation
from tensorgrad.testing.numerics.space import Space
from tensorgrad.testing.numerics.subject import Subject
from tensorgrad.testing.numerics.trace import Function
from tensorgrad.testing.report import GradientError, Report, failed
from tensorgrad.testing.rules import argument_names, fits, pulled_by_rules, recorded
from tensorgrad.transforms import jvp, vjp
from tensorgrad.transforms.tree import flatten, map_leaves
from tensorgrad.typing import Array

Args = tuple[Any, ...]
Params = dict[str, Any]

ROUNDING = 1e-11  # of a few operations in double precision
SINGLE = 2e-5  # of a few operations, and their derivatives, in single precision


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
    arrays = _arrays(operation, args, params)

    def function(*xs: Any) -> tuple[Any, ...]:
        full = arrays.replaced(xs)
        keywords = dict(zip(params, full[len(args) :], strict=False))
        results, _ = flatten(call(*full[: len(args)], **{**params, **keywords}))
        return tuple(y for y in results if getattr(y, "dtype", np.dtype(bool)).kind in "fc")

    return function, arrays.values


def _arrays(operation: Operation, args: Args, params: Params) -> Arrays:
    varied = params if operation.kind == "composite" else {}
    names = argument_names(operation, len(args))
    return Arrays([*args, *varied.values()], [*names, *varied], select=_is_variable)


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


def count_of(arrays: Sequence[Any]) -> int:
    """Return the number of entries of all arrays."""
    # what NumPy calls a type, as np.common_type does, is one thing, though its class has a size
    return sum(1 if isinstance(a, type) else int(np.size(a)) for a in arrays)


def assert_close(found: Sequence[Any], expected: Sequence[Any], tolerance: float, what: str) -> int:
    """Raise unless arrays agree, relative to the greatest entry (or 1, if that is more)."""
    assert len(found) == len(expected), f"{what}: {len(found)} results for {len(expected)}"
    for a, b in zip(map(np.asarray, found), map(np.asarray, expected), strict=True):
        assert a.shape == b.shape, f"{what}: shape {a.shape}, expected {b.shape}"
        scale: float = np.max(np.abs(b), initial=1.0, where=np.isfinite(b))
        if not np.allclose(a, b, rtol=0, atol=tolerance * scale, equal_nan=True):
            space = Space.of([a])
            (x,), (y,) = space.cut(space.pack([a])), space.cut(space.pack([b]))
            nowhere = np.zeros(x.shape, dtype=bool)
            comparison = Comparison(x, y, y, np.full_like(x, tolerance * scale), nowhere)
            raise GradientError(Report(what, (found_by(comparison, what, ""),)))
    return count_of(found)


def assert_same(found: Sequence[Any], expected: Sequence[Any], what: str) -> None:
    """Raise unless arrays agree exactly."""
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=what, strict=True)


def assert_in_spaces_of(found: Sequence[Any], arrays: Sequence[Any], what: str) -> None:
    """Raise unless found have the shapes and dtypes of arrays."""
    spaces, expected = ([(x.shape, x.dtype.name) for x in xs] for xs in (found, arrays))
    assert spaces == expected, f"{what} in {spaces}, expected {expected}"


# ---- the laws -----------------------------------------------------------------------------------


def value(operation: Operation, args: Args, params: Params, _: np.random.Generator) -> int:
    """On Tensors, recorded or not, the value is the reference's: container, shape and dtype."""
    expected, structure = flatten(operation.reference(*args, **params))
    variables = [leaf for leaf in flatten((args, params))[0] if _is_variable(leaf)]
    tolerance = (
        SINGLE if any(x.dtype in (np.float32, np.complex64) for x in variables) else ROUNDING
    )
    for requires_grad in (False, True):

        def hand_in(leaf: Any, requires_grad: bool = requires_grad) -> Any:
            return tensor(leaf, requires_grad=requires_grad) if _is_variable(leaf) else leaf

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
    return count_of(expected) + len(expected)


def adjoint(operation: Operation, args: Args, params: Params, rng: np.random.Generator) -> int:
    """Both modes are the same linear map: <g, jvp(t)> = <vjp(g), t>."""
    f, xs = as_function(operation, operation, args, params)
    return _assert_adjoint(f, xs, rng, vectors_like, ROUNDING)


def _assert_adjoint(
    f: Function, xs: Sequence[Array], rng: np.random.Generator, draw: Any, tolerance: float
) -> int:
    ts = draw(xs, rng)
    ys, dys = jvp(f, tuple(xs), ts)
    gs = draw(ys, rng)
    gradients = vjp(f, *xs)[1](gs)
    left, right = inner(gs, dys), inner(gradients, ts)
    scale = max(1.0, *(np.max(np.abs(v), initial=0) for v in (*dys, *gradients)))
    assert abs(left - right) <= tolerance * scale, f"<g, jvp(t)> = {left}, <vjp(g), t> = {right}"
    return min(count_of(xs), count_of(ys))


def slope(operation: Operation, args: Args, params: Params, rng: np.random.Generator) -> int:
    """Derivatives in both modes are what is found numerically."""
    f, xs = as_function(operation, operation, args, params)
    return _assert_slopes(f, xs, _arrays(operation, args, params).names, rng)


def _assert_slopes(
    f: Function, xs: Sequence[Array], names: Sequence[str], rng: np.random.Generator
) -> int:
    if not count_of(xs):
        return 0
    subject = Subject(f, xs)
    findings = compare_derivatives(subject, Expectation.brief(subject, rng), rng, names)
    if failed(findings):
        raise GradientError(Report("slope", tuple(findings)))
    return sum(finding.compared for finding in findings)


def second_adjoint(
    operation: Operation, args: Args, params: Params, rng: np.random.Generator
) -> int:
    """The gradient has derivatives in both modes, and these are the same linear map."""
    f, xs = as_function(operation, operation, args, params)
    gs = vectors_like(vjp(f, *xs)[0], rng)
    return _assert_adjoint(pulled_back(f, gs), [*xs, *gs], rng, vectors_like, ROUNDING)


def second_slope(operation: Operation, args: Args, params: Params, rng: np.random.Generator) -> int:
    """Derivatives of the gradient are what is found numerically."""
    f, xs = as_function(operation, operation, args, params)
    gs = vectors_like(vjp(f, *xs)[0], rng)
    names = [*_arrays(operation, args, params).names, *(f"cotangent {i}" for i in range(len(gs)))]
    return _assert_slopes(pulled_back(f, gs), [*xs, *gs], names, rng)


def second_modes(operation: Operation, args: Args, params: Params, rng: np.random.Generator) -> int:
    """<g, jvp(t)> = <vjp(g), t> remains true when both sides are differentiated."""
    f, xs = as_function(operation, operation, args, params)
    ts, gs = vectors_like(xs, rng), vectors_like(vjp(f, *xs)[0], rng)

    def pushed_forward(*xs_and_ts: Any) -> tuple[Any, ...]:
        return jvp(f, xs_and_ts[: len(xs)], xs_and_ts[len(xs) :])[1]

    left = vjp(pushed_forward, *xs, *ts)[1](gs)
    right = vjp(pulled_back(f, gs), *xs, *gs)[1](ts)
    expected = (*right[: len(xs)], *vjp(f, *xs)[1](gs))
    return assert_close(left, expected, ROUNDING, "derivative of jvp")


def kinks(operation: Operation, args: Args, params: Params, rng: np.random.Generator) -> int:
    """At whole numbers, where zeros and ties are, derivatives are right, if there are any.

    Where formulas meet, the derivative lies between theirs; by a single entry of an elementwise
    operation, in the middle.
    """
    f, xs = as_function(operation, operation, args, params)
    if not count_of(xs):
        return 0
    with np.errstate(all="ignore"):  # whole numbers may lie outside of the domain
        subject = Subject(f, xs)
        bends = subject.trace is not None and bool(subject.trace.branch)
        expectation = (Expectation.of if bends else Expectation.brief)(subject, rng)
        names = _arrays(operation, args, params).names
        findings = compare_derivatives(subject, expectation, rng, names)
        if failed(findings):
            raise GradientError(Report("kinks", tuple(findings)))
        if operation.kind == "elementwise":
            _assert_middle(subject, expectation)
    return sum(finding.compared for finding in findings)


def second_kinks(operation: Operation, args: Args, params: Params, rng: np.random.Generator) -> int:
    """At whole numbers, derivatives of the gradient are right, if there are any."""
    with np.errstate(all="ignore"):
        return second_slope(operation, args, params, rng)


def magnitude(operation: Operation, args: Args, params: Params, rng: np.random.Generator) -> int:
    """Derivatives are right for small and large arguments."""
    with np.errstate(all="ignore"):  # large numbers may lie outside of the domain
        return slope(operation, args, params, rng)


def _assert_middle(subject: Subject, expectation: Expectation) -> None:
    """Raise unless the derivative by a single entry is the average of the one-sided ones."""
    for t, slope in zip(expectation.directions, expectation.slopes, strict=True):
        if not slope.kink or np.count_nonzero(t) > 1:
            continue
        _, dys = jvp(subject.f, *(tuple(subject.domain.unpack(v)) for v in (subject.x, t)))
        found = subject.codomain.pack(dys)
        wrong = np.abs(found - slope.middle) > slope.error + ROUNDING
        assert not np.any(wrong & np.isfinite(slope.error)), (
            f"at a kink the derivative is {found}, not the average {slope.middle} of the slopes"
            f" {slope.low} and {slope.high}"
        )


def exact(operation: Operation, args: Args, params: Params, rng: np.random.Generator) -> int:
    """What is linear in its arguments is its own derivative.

    So it is to the last bit on whole numbers, if it multiplies by such only: no Fourier transform
    does.
    """
    f, xs = as_function(operation, operation, args, params)
    tolerance = 0 if _multiplies_by_whole_numbers(f, xs) else ROUNDING
    _assert_adjoint(f, xs, rng, whole_vectors_like, tolerance)
    moves = [whole_vectors_like(xs, rng)]
    if operation.kind == "bilinear":  # linear in one while the other is held
        moves = [
            tuple(t if i == moved else np.zeros_like(t) for i, t in enumerate(moves[0]))
            for moved in range(len(xs))
        ]
    for ts in moves:
        ys, found = jvp(f, tuple(xs), ts)
        moved = f(*(x + t for x, t in zip(xs, ts, strict=True)))
        differences = [b - a for a, b in zip(ys, moved, strict=True)]
        if tolerance:
            assert_close(found, differences, tolerance, "derivative")
        else:
            assert_same(found, differences, "derivative")
    return len(moves) * count_of(ys)


def _multiplies_by_whole_numbers(f: Function, xs: Sequence[Array]) -> bool:
    space = Space.of(xs)
    columns = (jvp(f, tuple(xs), tuple(space.unpack(e)))[1] for e in np.eye(sum(space.sizes)))
    return all(np.array_equal(y, np.rint(y)) for ys in columns for y in ys)


def spaces(operation: Operation, args: Args, params: Params, rng: np.random.Generator) -> int:
    """A gradient has the shape and dtype of its argument, a tangent those of its result."""
    f, xs = as_function(operation, operation, args, params)
    ys, dys = jvp(f, tuple(xs), vectors_like(xs, rng))
    assert_in_spaces_of(dys, ys, "tangents")
    gs = vectors_like(ys, rng)
    assert_in_spaces_of(vjp(f, *xs)[1](gs), xs, "gradients")
    second = vjp(pulled_back(f, gs), *xs, *gs)[1](vectors_like(xs, rng))
    assert_in_spaces_of(second, [*xs, *gs], "second gradients")
    return count_of(xs)


def precision(operation: Operation, args: Args, params: Params, rng: np.random.Generator) -> int:
    """In single precision, values and gradients are those of double precision, less accurately."""
    f, xs = as_function(operation, operation, args, params)
    ys, pullback = vjp(f, *xs)
    gs = vectors_like(ys, rng)
    single = (*ys, *pullback(gs))
    double = map_leaves(_in_double, (args, params))
    f, xs = as_function(operation, operation, *double)
    ys, pullback = vjp(f, *xs)
    expected = (*ys, *pullback(tuple(map(_in_double, gs))))
    return assert_close(single, expected, SINGLE, "single precision")


def _in_double(leaf: Any) -> Any:
    return in_double(leaf) if _is_variable(leaf) else leaf


def layouts(operation: Operation, args: Args, params: Params, rng: np.random.Generator) -> int:
    """It makes no difference how arrays lie in memory, nor whether they are read-only."""
    f, xs = as_function(operation, operation, args, params)
    ts = vectors_like(xs, rng)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where entries are repeated, distances vanish
        for name, lay_out in LAYOUTS.items():
            laid_out = [[lay_out(v) for v in vectors] for vectors in (xs, ts)]
            try:
                # the shape of a result may depend on which entries are repeated
                gs = vectors_like(_values_and_products(f, *laid_out)[0], rng)
                laid_out.append([lay_out(g) for g in gs])
                found = _values_and_products(f, *laid_out)
            except np.linalg.LinAlgError:
                if name == "broadcast":  # a matrix of equal columns, which has no inverse
                    continue
                raise
            expected = _values_and_products(
                f, *([np.array(v, order="C") for v in vs] for vs in laid_out)
            )
            if name == "broadcast" and _made_of_rounding(expected):
                continue
            for some, same in zip(found, expected, strict=True):
                assert_close(some, same, ROUNDING, f"layout {name}")
    return len(LAYOUTS) * count_of(xs)


def _made_of_rounding(results: Sequence[Sequence[Array]]) -> bool:
    """Say whether a matrix of equal columns was inverted, as rounding may make it possible."""
    return any(np.abs(y).max(initial=0) > 1e10 for ys in results for y in ys)


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


def ownership(operation: Operation, args: Args, params: Params, rng: np.random.Generator) -> int:
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
    return count_of(results)


def independence(operation: Operation, args: Args, params: Params, rng: np.random.Generator) -> int:
    """By one argument alone, used twice in one program, derivatives are those by all together."""
    f, xs = as_function(operation, operation, args, params)
    if not xs:
        return 0
    i = int(rng.integers(len(xs)))

    def alone(x: Any) -> tuple[Any, ...]:
        return f(*xs[:i], x, *xs[i + 1 :])

    def twice(x: Any, z: Any) -> tuple[Any, ...]:
        return (*alone(x), *alone(z))

    ys, pullback = vjp(f, *xs)
    gs, more_gs = vectors_like(ys, rng), vectors_like(ys, rng)
    gradients = vjp(twice, xs[i], xs[i])[1]((*gs, *more_gs))
    expected = (pullback(gs)[i], pullback(more_gs)[i])
    assert_close(gradients, expected, ROUNDING, "gradients of two uses")
    t, more_t = vectors_like([xs[i], xs[i]], rng)
    _, tangents = jvp(twice, (xs[i], xs[i]), (t, more_t))
    moves = [
        tuple(d if k == i else np.zeros_like(x) for k, x in enumerate(xs)) for d in (t, more_t)
    ]
    separate = [dy for ts in moves for dy in jvp(f, tuple(xs), ts)[1]]
    assert_close(tangents, separate, ROUNDING, "tangents of two uses")
    return count_of(gradients)


def identity(operation: Operation, args: Args, params: Params, rng: np.random.Generator) -> int:
    """One Tensor may stand for several arguments, and be returned more than once."""
    f, xs = as_function(operation, operation, args, params)
    alike = [i for i, x in enumerate(xs) if x.shape == xs[0].shape and x.dtype == xs[0].dtype]
    if not alike:
        return 0
    shared = [xs[0] if i in alike else x for i, x in enumerate(xs)]

    def by_one(x: Any) -> tuple[Any, ...]:
        ys = f(*(x if i in alike else other for i, other in enumerate(shared)))
        return (*ys, *ys, x)

    with np.errstate(all="ignore"):
        ys, pullback = vjp(f, *shared)
        if not all(np.isfinite(y).all() for y in ys):
            return 0
        one, other, own = vectors_like(ys, rng), vectors_like(ys, rng), vectors_like(xs[:1], rng)
        (found,) = vjp(by_one, xs[0])[1]((*one, *other, *own))
        both = pullback(tuple(a + b for a, b in zip(one, other, strict=True)))
    if not all(np.isfinite(g).all() for g in both):
        return 0
    return assert_close([found], [own[0] + sum(both[i] for i in alike)], ROUNDING, "gradient")


def closure(operation: Operation, args: Args, params: Params, rng: np.random.Generator) -> int:
    """What a function closes over is differentiated by, as if it had been passed."""
    f, xs = as_function(operation, operation, args, params)
    if len(xs) < 2:
        return 0
    i, j = rng.permutation(len(xs))[:2]
    gs = vectors_like(vjp(f, *xs)[0], rng)
    ts = tuple(vectors_like([x], rng)[0] if k == i else np.zeros_like(x) for k, x in enumerate(xs))
    expected = vjp(lambda *xs: vjp(f, *xs)[1](gs), *xs)[1](ts)[j]

    def by_i(z: Any) -> Any:
        def only(held: dict[str, Any]) -> tuple[Any, ...]:
            return f(*(held["x"] if k == i else z if k == j else x for k, x in enumerate(xs)))

        return vjp(only, {"x": xs[i], "unused": xs[j]})[1](gs)[0]["x"]

    (found,) = vjp(by_i, xs[j])[1](ts[i])
    leaf = tensor(xs[j], requires_grad=True)
    gradient = by_i(leaf)
    left = np.zeros_like(xs[j])
    if isinstance(gradient, Tensor) and gradient.requires_grad:
        gradient.backward(ts[i])
        left = left if leaf.grad is None else leaf.grad.numpy()
    return assert_close([found, left], [expected, expected], ROUNDING, "gradient by what is held")


def leaves(operation: Operation, args: Args, params: Params, rng: np.random.Generator) -> int:
    """``.backward()`` adds the gradient to a leaf each time, whatever arrays are written to."""
    f, xs = as_function(operation, operation, args, params)
    if not xs:
        return 0
    i = int(rng.integers(len(xs)))
    ys, pullback = vjp(f, *xs)
    gs = vectors_like(ys, rng)
    leaf = tensor(xs[i], requires_grad=True)
    constants = [x.copy() for x in xs]
    results = f(*constants[:i], leaf, *constants[i + 1 :])
    for x in constants:
        x[...] = 7
    for y, g in zip(results, gs, strict=True):
        if isinstance(y, Tensor) and y.requires_grad:
            y.backward(g, retain_graph=True)
            y.backward(g, retain_graph=True)
    found = np.zeros_like(xs[i]) if leaf.grad is None else leaf.grad.numpy()
    return assert_close([found], [2 * pullback(gs)[i]], ROUNDING, "gradient of a leaf")


def linearity(operation: Operation, args: Args, params: Params, rng: np.random.Generator) -> int:
    """A gradient is linear in the cotangent, zero for zero, and the same each time."""
    f, xs = as_function(operation, operation, args, params)
    ys, pullback = vjp(f, *xs)
    one, other = vectors_like(ys, rng), vectors_like(ys, rng)
    combined = pullback(tuple(a + 3 * b for a, b in zip(one, other, strict=True)))
    first = pullback(one)
    separate = tuple(a + 3 * b for a, b in zip(first, pullback(other), strict=True))
    assert_close(combined, separate, ROUNDING, "gradient for a sum of cotangents")
    # a power of two changes no digit, and zeros among the entries change no other entry
    larger = pullback(tuple(1024 * g for g in one))
    assert_same(larger, [1024 * g for g in first], "gradient for 1024 times the cotangent")
    masks = [rng.integers(0, 2, y.shape) for y in ys]
    parts = [
        pullback(tuple(g * (mask == kept) for g, mask in zip(one, masks, strict=True)))
        for kept in (0, 1)
    ]
    whole = [a + b for a, b in zip(*parts, strict=True)]
    assert_close(whole, first, ROUNDING, "gradient for two parts of the cotangent")
    nothing = pullback(tuple(np.zeros_like(y) for y in ys))
    assert_same(nothing, [np.zeros_like(x) for x in xs], "gradient for a cotangent of zeros")
    assert_same(pullback(one), first, "gradient for the same cotangent again")
    return count_of(xs)


def isolation(operation: Operation, args: Args, params: Params, rng: np.random.Generator) -> int:
    """What a rule returns has the shape of its argument, or of what that was broadcast to."""
    assert isinstance(operation, Primitive)
    ys = recorded(operation, args, params)
    found = pulled_by_rules(ys, vectors_like([y.numpy() for y in ys], rng))
    for argnum, raw in found.items():
        shape = np.shape(args[argnum])
        assert any(fits(raw.shape, shape, y.shape) for y in ys), (
            f"the rule of argument {argnum} returns the shape {raw.shape} for an argument of shape"
            f" {shape} and results of shapes {[y.shape for y in ys]}"
        )
    return count_of(list(found.values()))


def unrecorded(operation: Operation, args: Args, params: Params, _: np.random.Generator) -> int:
    """The results of a constant operation remember nothing of its arguments."""
    record = tuple(tensor(arg, requires_grad=True) if _is_variable(arg) else arg for arg in args)
    for y in flatten(operation(*record, **params))[0]:
        assert not isinstance(y, Tensor) or not y.requires_grad, f"{y!r} is recorded"
    return count_of([arg for arg in args if _is_variable(arg)])


def flatness(operation: Operation, args: Args, params: Params, rng: np.random.Generator) -> int:
    """The results of a constant operation stay the same while its arguments move a little."""

    def moved(leaf: Any, size: float) -> Any:
        if not _is_variable(leaf):
            return leaf
        return np.asarray(leaf + size * vectors_like([leaf], rng)[0])

    beside = [moved(arg, 1e-3) for arg in args]  # off the whole numbers, where steps are
    before, after = (
        [y for y in flatten(operation.fun(*case, **params))[0] if _is_variable(y)]
        for case in (beside, [moved(arg, 1e-9) for arg in beside])
    )
    assert_same(after, before, "result for arguments that moved a little")
    return count_of(before)


# ---- which law is about what --------------------------------------------------------------------

SMOOTH = frozenset({"elementwise", "linear", "bilinear", "general", "composite"})


@dataclass(frozen=True)
class Law:
    """A law, the kinds of operation it is about, and the entries it is tried on.

    Where dtypes are both real and complex, each argument has one of them, if the operation takes
    complex numbers at all. What is essential must have something to compare.
    """

    holds: Callable[[Operation, Args, Params, np.random.Generator], int]
    kinds: frozenset[str] = SMOOTH
    dtypes: tuple[str, ...] = ("f8", "c16")
    integers: bool = False
    scaled: bool = False
    essential: bool = False
    name: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.holds.__name__)


ALL = (
    Law(value, SMOOTH | {"constant"}, ("f8", "f4", "c16"), essential=True),
    Law(slope, essential=True),
    Law(adjoint),
    Law(second_slope),
    Law(second_adjoint),
    Law(second_modes),
    Law(exact, frozenset({"linear", "bilinear"}), integers=True),
    Law(kinks, dtypes=("f8",), integers=True),
    Law(second_kinks, dtypes=("f8",), integers=True),
    Law(magnitude, scaled=True),
    Law(spaces, dtypes=("f8", "f4", "c16", "c8")),
    Law(precision, dtypes=("f4", "c8")),
    Law(layouts),
    Law(ownership),
    Law(independence),
    Law(identity),
    Law(closure),
    Law(leaves),
    Law(linearity),
    Law(isolation, SMOOTH - {"composite"}),
    Law(unrecorded, frozenset({"constant"})),
    Law(flatness, frozenset({"constant"}), dtypes=("f8",)),
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


def draw_case(law: Law, operation: Operation, draw: NumberDraw) -> Case:
    """Draw a case to try a law on."""
    real = tuple(dtype for dtype in law.dtypes if np.dtype(dtype).kind != "c")
    draw.dtypes = law.dtypes if takes_complex(operation) else real
    draw.integers, draw.scaled = law.integers, law.scaled
    return operation.samples(draw)


def check(law: Law, operation: Operation, draw: NumberDraw) -> int:
    """Draw a case for an operation; raise AssertionError unless the law holds.

    Returns how many entries were compared.
    """
    args, params = draw_case(law, operation, draw)
    return law.holds(operation, args, params, draw.rng)
