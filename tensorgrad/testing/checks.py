"""check_grad: whether the derivatives of a function are right."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from tensorgrad.engine.node import Variable
from tensorgrad.engine.tensor import Tensor, value_of
from tensorgrad.errors import UnsupportedError, explain
from tensorgrad.testing.functions import (
    Arrays,
    floating,
    in_double,
    names_of,
    pulled_back,
    same,
    space_of,
)
from tensorgrad.testing.numerics.compare import compare_derivatives, found_by
from tensorgrad.testing.numerics.comparison import Comparison
from tensorgrad.testing.numerics.expectation import ROUNDINGS, Expectation
from tensorgrad.testing.numerics.rounding import disturbed_gradient
from tensorgrad.testing.numerics.subject import Subject
from tensorgrad.testing.numerics.trace import Function, trace
from tensorgrad.testing.report import Finding, Report, Verdict, conclude, failed, raised
from tensorgrad.testing.reproduce import drawing
from tensorgrad.transforms import vjp
from tensorgrad.transforms.tree import flatten
from tensorgrad.typing import Array, Tree

Mode = Literal["rev", "fwd"]
MODES: tuple[Mode, ...] = ("rev", "fwd")
# How many units of single precision a gradient may lose, beside what its condition costs.
SINGLE_ROUNDINGS = 256


def check_grad(
    f: Callable[..., Any],
    *args: Tree,
    order: int = 1,
    modes: Sequence[Mode] = MODES,
    wrt: int | Sequence[int] | None = None,
) -> Report:
    """Check the derivatives of a function against numerical ones.

    Parameters
    ----------
    f
        A function of arrays, or containers of arrays, to such; it is called with Tensors.
    *args
        Where to check it. Floating-point and complex arrays are varied, anything else is held. What
        is in single precision is compared with double precision, and this with numbers.
    order
        Up to which order: 2 checks the derivatives of the gradient as well.
    modes
        ``"rev"`` for `tensorgrad.vjp`, ``"fwd"`` for `tensorgrad.jvp`.
    wrt
        The positional arguments to differentiate by; None for all.

    Returns
    -------
    Report
        True if the verdict is PASS; it says how many entries were compared, and how. If none could
        be, the verdict is INCONCLUSIVE, and an `InconclusiveWarning` says so as well.

    Raises
    ------
    GradientError
        If a derivative is wrong; if f is random, writes into its arguments, raises, or returns
        nothing that could be differentiated.
    UnsupportedError
        If there is nothing to differentiate by, or an option is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from tensorgrad.testing import check_grad
    >>> report = check_grad(lambda x: np.sum(np.sin(x) ** 2), np.array([0.5, 1.0]))
    >>> report.verdict, report.compared
    (<Verdict.PASS: 'PASS'>, 4)
    """
    if order < 1 or isinstance(modes, str) or not modes or set(modes) - set(MODES):
        raise UnsupportedError(
            explain(
                "check_grad",
                "There is no such check.",
                'Pass order=1 or more, and a tuple of "rev" and "fwd" as modes.',
                order=order,
                modes=modes,
            )
        )
    chosen = _argnums(wrt, len(args))
    arrays = Arrays(args, names_of(f, len(args)), chosen)
    arrays.require_entries("check_grad", args)
    subject = getattr(f, "__name__", type(f).__name__)
    findings, function = _first_look(f, arrays)
    if function is not None:
        findings += _derivatives(function, arrays.values, arrays.names, order, modes)
    report = Report(subject, tuple(findings), case=arrays.text())
    if function is not None and failed(findings):
        picture = drawing(function, arrays.values, arrays.names, findings)
        report = replace(report, drawing=picture)
    return conclude(report)


# ---- how -----------------------------------------------------------------------------------------


def _argnums(wrt: int | Sequence[int] | None, n: int) -> set[int] | None:
    if wrt is None:
        return None
    chosen = {wrt} if isinstance(wrt, int) else set(wrt)
    if any(not -n <= i < n for i in chosen):
        raise UnsupportedError(
            explain("check_grad", "wrt names positional arguments.", wrt=wrt, positional=n)
        )
    return {i % n for i in chosen}


def _first_look(f: Callable[..., Any], arrays: Arrays) -> tuple[list[Finding], Function | None]:
    """Run f, and say what is wrong with it before any derivative is; return it flattened."""

    def function(*xs: Any) -> tuple[Any, ...]:
        return floating(f(*arrays.replaced(xs)))

    handles = [Tensor(x, Variable(x)) for x in arrays.values]
    nodes = [handle._node for handle in handles]
    before = [x.copy() for x in arrays.values]
    try:
        with np.errstate(all="ignore"):
            first = f(*arrays.replaced(handles))
            again = function(*(Tensor(x, Variable(x)) for x in arrays.values))
    except Exception as error:  # whatever it is, it is about f
        return [raised("call", "the function", error)], None
    rebound = any(handle._node is not node for handle, node in zip(handles, nodes, strict=True))
    if rebound or not same(arrays.values, before):
        message = "the function writes into its argument: let it work on a copy"
        return [Finding("arguments", Verdict.FAIL, message)], None
    ys = floating(first)
    if not ys:
        kinds = ", ".join(dict.fromkeys(type(leaf).__name__ for leaf in flatten(first)[0]))
        kinds = kinds or repr(first)
        message = f"the function returns no floating-point number or array, but {kinds}"
        return [Finding("result", Verdict.FAIL, message)], None
    if not same([np.asarray(value_of(y)) for y in ys], [np.asarray(value_of(y)) for y in again]):
        message = "the function is random: the same arguments gave two results. Fix its seed"
        return [Finding("result", Verdict.FAIL, message)], None
    return [], function


def _derivatives(
    f: Function, xs: Sequence[Array], names: Sequence[str], order: int, modes: Sequence[Mode]
) -> list[Finding]:
    """Check the derivatives of a function of arrays to a tuple of arrays, order by order."""
    rng = np.random.default_rng(0)
    try:
        with np.errstate(all="ignore"):  # infinite derivatives are for the comparison to judge
            subject = Subject(f, xs)
            expectation = Expectation.of(subject, rng)
            findings = compare_derivatives(subject, expectation, rng, names, modes)
            g = rng.normal(size=subject.base.y.size)
            gs = [np.asarray(part) for part in subject.codomain.unpack(g)]
            findings += _single_precision(f, xs, gs, names)
            findings += _lost(subject)
    except Exception as error:  # a rule that cannot be computed is wrong as well
        return [raised("derivative", "a rule", error)]
    if order == 1 or any(finding.verdict is Verdict.FAIL for finding in findings):
        return findings
    higher = _derivatives(
        pulled_back(f, gs),
        [*map(in_double, xs), *gs],
        [*names, *(f"cotangent {i}" for i in range(len(gs)))],
        order - 1,
        modes,
    )
    return findings + [_of_the_gradient(finding) for finding in higher]


def _of_the_gradient(finding: Finding) -> Finding:
    return replace(finding, aspect=f"of the gradient: {finding.aspect}")


def _single_precision(
    f: Function, xs: Sequence[Array], gs: Sequence[Array], names: Sequence[str]
) -> list[Finding]:
    """Compare gradients by arguments in low precision with those in double precision."""
    if not any(np.finfo(x.dtype).eps > np.finfo(float).eps for x in xs):
        return []
    ys, pullback = vjp(f, *xs)
    low_gs = tuple(np.asarray(g, value_of(y).dtype) for g, y in zip(gs, ys, strict=True))
    found = list(map(value_of, pullback(low_gs)))
    expected = _gradients_in_double(f, xs, low_gs)
    rng = np.random.default_rng(0)
    near = [_gradients_in_double(f, [_moved(x, rng) for x in xs], low_gs) for _ in range(2)]
    low_trace = trace(f, xs)
    disturbed = [disturbed_gradient(low_trace, low_gs, rng) for _ in range(2)]
    # a rule may have terms of the size of the results, or of the argument
    total = sum(float(np.abs(g).sum()) for g in low_gs)
    greatest = max((float(np.max(np.abs(value_of(y)), initial=0)) for y in ys), default=0.0)
    findings = []
    for i, (x, name) in enumerate(zip(xs, names, strict=True)):
        limits = np.finfo(x.dtype)
        aspect = f"gradient by {name} in {x.dtype}"
        if found[i].dtype != x.dtype or found[i].shape != x.shape:
            message = f"is {space_of(found[i])}, its argument {space_of(x)}"
            findings.append(Finding(aspect, Verdict.FAIL, message))
            continue
        right = expected[i]
        spread = np.max(
            [
                *(np.abs(g[i] - right) for g in near),
                *(np.abs(np.asarray(g[i], right.dtype) - found[i]) for g in disturbed),
            ],
            axis=0,
        )
        terms = total * np.fmax(1, greatest / np.fmax(np.abs(x), limits.tiny))
        tolerance = 8 * spread + limits.eps * (SINGLE_ROUNDINGS * np.abs(right) + ROUNDINGS * terms)
        known = np.isfinite(right) & np.isfinite(tolerance) & (np.abs(right) < limits.max / 8)
        if x.dtype == np.float16:  # whose range even small numbers leave on the way
            known &= np.isfinite(found[i])
        nowhere: Array = np.zeros(x.shape, dtype=bool)
        low = Comparison(found[i], right, right, np.where(known, tolerance, np.inf), nowhere)
        finding = found_by(low, aspect, "double precision")
        if finding.verdict is Verdict.INCONCLUSIVE:  # of few digits, all may be lost
            finding = replace(finding, verdict=Verdict.PASS)
        findings.append(finding)
    return findings


def _moved(x: Array, rng: np.random.Generator) -> Array:
    units = 4 * np.finfo(x.dtype).eps * rng.integers(-1, 2, x.shape)
    return np.asarray(x * (1 + units), x.dtype)


def _gradients_in_double(
    f: Function, xs: Sequence[Array], gs: Sequence[Array]
) -> tuple[Array, ...]:
    ys, pullback = vjp(f, *map(in_double, xs))
    doubled_gs = tuple(np.asarray(g, value_of(y).dtype) for g, y in zip(gs, ys, strict=True))
    return tuple(map(value_of, pullback(doubled_gs)))


def _lost(subject: Subject) -> list[Finding]:
    """Say so if no argument has any influence on the result."""
    if subject.trace is None or not set(subject.trace.inputs).isdisjoint(subject.trace.nodes):
        return []
    message = (
        "no gradient leads from the result to an argument: either the result does not depend on it,"
        " or the graph was left, as by .numpy(), .detach() or float()"
    )
    return [Finding("influence", Verdict.INCONCLUSIVE, message)]
