"""The checks: whether the derivatives of a function, of a rule, of an operation are right."""

import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from tensorgrad.engine.node import Variable
from tensorgrad.engine.primitive import Primitive
from tensorgrad.engine.space import fit_cotangent
from tensorgrad.engine.tensor import Tensor
from tensorgrad.errors import UnsupportedError, explain
from tensorgrad.testing.compare import compare_derivatives, compare_gradient
from tensorgrad.testing.expectation import Expectation
from tensorgrad.testing.functions import Arrays, floating, is_variable, names_of, pulled_back
from tensorgrad.testing.lawful import law_report, registered
from tensorgrad.testing.literal import case_text
from tensorgrad.testing.numerical import Subject
from tensorgrad.testing.report import (
    Finding,
    GradientError,
    InconclusiveWarning,
    Report,
    Verdict,
    failed,
)
from tensorgrad.testing.reproduce import drawing
from tensorgrad.testing.rules import (
    argument_names,
    fits,
    location,
    pulled_by_rules,
    recorded,
)
from tensorgrad.testing.run import options
from tensorgrad.testing.trace import Function, plain
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
    if order < 1 or not modes or set(modes) - set(MODES):
        raise UnsupportedError(
            explain(
                "check_grad",
                "There is no such check.",
                'Pass order=1 or more, and modes of "rev" and "fwd".',
                order=order,
                modes=modes,
            )
        )
    chosen = _argnums(wrt, len(args))
    arrays = Arrays(args, names_of(f, len(args)), chosen)
    if not any(x.size for x in arrays.values):
        raise UnsupportedError(
            explain(
                "check_grad",
                "There is nothing to differentiate by.",
                "Pass an argument that holds floating-point numbers.",
                arguments=tuple(type(arg).__name__ for arg in args),
                wrt=wrt,
            )
        )
    subject = getattr(f, "__name__", type(f).__name__)
    findings, function = _first_look(f, arrays)
    if function is not None:
        findings += _derivatives(function, arrays.values, arrays.names, order, modes)
    report = Report(subject, tuple(findings), case=_case(arrays))
    if function is not None and failed(findings):
        picture = drawing(function, arrays.values, arrays.names, findings)
        report = replace(report, drawing=picture)
    return conclude(report)


def check_vjp(op: Any, *args: Any, **params: Any) -> Report:
    """Check the rules of one operation by themselves, before the engine repairs what they return.

    Parameters
    ----------
    op
        A registered operation with rules, its name, or the function of NumPy it answers for.
    *args, **params
        What to call it with; floating-point arrays are varied.

    Returns
    -------
    Report
        As of `check_grad`.

    Raises
    ------
    GradientError
        If a rule returns a wrong gradient; one of a shape that is neither its argument's nor the
        one this was broadcast to; or if it writes to its cotangent or to a saved value.
    UnsupportedError
        If the operation is not registered, or has no rules of its own.

    Examples
    --------
    >>> import numpy as np
    >>> from tensorgrad.testing import check_vjp
    >>> bool(check_vjp(np.multiply, np.ones((2, 1)), np.array([1.0, 2.0, 3.0])))
    True
    """
    operation = registered("check_vjp", op)
    if not isinstance(operation, Primitive):
        raise UnsupportedError(
            explain(
                "check_vjp",
                "Only a primitive has rules.",
                "Use check_op, or check_grad for a function.",
                operation=repr(operation),
            )
        )
    arrays = Arrays(args, argument_names(operation, len(args)))
    report = Report(
        operation.name,
        case=case_text({**dict(zip(arrays.names, arrays.values, strict=True)), **params}),
        rule=location(operation, 0),
    )

    def function(*xs: Any) -> tuple[Any, ...]:
        return (operation(*arrays.replaced(xs), **params),)

    def gradient(x: Array) -> Array:
        y = recorded(operation, arrays.replaced(subject.domain.unpack(x)), params)
        found = pulled_by_rules(y, np.conj(g_array).astype(y.dtype))
        parts = [
            np.conj(fit_cotangent(found[argnum], shape, np.dtype(dtype)))
            if (argnum := places[i]) in found
            else np.zeros(shape, dtype)
            for i, (shape, dtype) in enumerate(
                zip(subject.domain.shapes, subject.domain.dtypes, strict=True)
            )
        ]
        return subject.domain.pack(parts)

    places = [i for i, arg in enumerate(args) if is_variable(arg)]
    rng = np.random.default_rng(0)
    try:
        subject = Subject(function, arrays.values)
        g = rng.normal(size=subject.base.y.size)
        (g_array,) = subject.codomain.unpack(g)
        findings = _raw(operation, arrays, params, np.asarray(g_array))
        if not failed(findings):
            expectation = Expectation.of(subject, rng)
            findings += compare_gradient(expectation, g, gradient, arrays.names)
    except Exception as error:  # a rule that cannot be computed is wrong as well
        findings = [_raised("derivative", "a rule", error)]
    return conclude(report.with_findings(*findings))


def _raw(primitive: Primitive, arrays: Arrays, params: dict[str, Any], g: Array) -> list[Finding]:
    """Look at what the rules return, and at what they leave behind."""
    y = recorded(primitive, arrays.replaced(arrays.values), params)
    g = np.array(g, y.dtype)
    before = g.copy(), [x.copy() for x in arrays.values]
    found = pulled_by_rules(y, g)
    findings = []
    for argnum, raw in found.items():
        name = argument_names(primitive, argnum + 1)[-1]
        shape = np.shape(arrays.replaced(arrays.values)[argnum])
        if not fits(raw.shape, shape, y.shape):
            message = (
                f"the rule returns the shape {raw.shape} for an argument of shape {shape} and a"
                f" result of shape {y.shape}"
            )
            findings.append(Finding(f"shape of the gradient by {name}", Verdict.FAIL, message))
    if not _same([g, *arrays.values], [before[0], *before[1]]):
        message = "a rule writes to its cotangent, or to a value that was saved for it"
        findings.append(Finding("memory", Verdict.FAIL, message))
    return findings


def check_op(op: Any, *, examples: int = 100, seed: int | None = None) -> Report:
    """Check everything that is known to hold for a registered operation, on drawn cases.

    Parameters
    ----------
    op
        A registered operation, its name, or the function of NumPy it answers for.
    examples
        How many cases to draw for each law; see `tensorgrad.testing.laws`.
    seed
        The same cases are drawn for the same seed; None draws new ones.

    Returns
    -------
    Report
        A finding for each law, with the number of entries compared.

    Raises
    ------
    GradientError
        If a law does not hold: with the smallest case for which it does not.
    UnsupportedError
        If the operation is not registered.
    ImportError
        If hypothesis is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from tensorgrad.testing import check_op
    >>> bool(check_op(np.sin, examples=5))
    True
    """
    operation = registered("check_op", op)
    chosen = options()
    return conclude(
        law_report(
            operation,
            chosen.examples or examples,
            chosen.seed if seed is None else seed,
            chosen.budget,
        )
    )


def check_pair(value_fn: Callable[..., Any], grad_fn: Callable[..., Any], *args: Array) -> Report:
    """Check a gradient that any library computed, given as a function beside that of the value.

    Parameters
    ----------
    value_fn
        A function of NumPy arrays to one real number.
    grad_fn
        A function of the same arrays to a tuple with the gradient by each.
    *args
        Where to check: arrays or numbers, of which the floating-point ones are varied.

    Returns
    -------
    Report
        As of `check_grad`.

    Raises
    ------
    GradientError
        If a gradient is wrong, or has another shape or dtype than its argument; if a function is
        random, writes into its arguments, raises, or returns something else.

    Examples
    --------
    >>> import numpy as np
    >>> from tensorgrad.testing import check_pair
    >>> x = np.array([0.5, 1.0])
    >>> bool(check_pair(lambda x: np.sum(x**3), lambda x: (3 * x**2,), x))
    True
    """
    arrays = Arrays(args, names_of(value_fn, len(args)))
    if not any(x.size for x in arrays.values):
        raise UnsupportedError(
            explain(
                "check_pair", "There is nothing to differentiate by.", "Pass an array of floats."
            )
        )
    subject = getattr(grad_fn, "__name__", type(grad_fn).__name__)
    findings = _foreign(value_fn, grad_fn, arrays)
    return conclude(Report(subject, tuple(findings), case=_case(arrays)))


def conclude(report: Report) -> Report:
    """Return a report; raise if it is a FAIL, and warn if it says nothing."""
    if report.verdict is Verdict.FAIL:
        raise GradientError(report)
    if report.verdict is Verdict.INCONCLUSIVE:
        warnings.warn(InconclusiveWarning(str(report)), stacklevel=3)
    return report


# ---- a function of tensorgrad -------------------------------------------------------------------


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
        return [_raised("call", "the function", error)], None
    if any(
        handle._node is not node or not np.array_equal(x, old, equal_nan=True)
        for handle, node, x, old in zip(handles, nodes, arrays.values, before, strict=True)
    ):
        message = "the function writes into its argument: let it work on a copy"
        return [Finding("arguments", Verdict.FAIL, message)], None
    ys = floating(first)
    if not ys:
        kinds = ", ".join(dict.fromkeys(type(leaf).__name__ for leaf in flatten(first)[0]))
        message = (
            f"the function returns no floating-point number or array, but {kinds or 'nothing'}"
        )
        return [Finding("result", Verdict.FAIL, message)], None
    if not _same([np.asarray(plain(y)) for y in ys], [np.asarray(plain(y)) for y in again]):
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
        return [_raised("derivative", "a rule", error)]
    if order == 1 or any(finding.verdict is Verdict.FAIL for finding in findings):
        return findings
    doubled = [np.asarray(x, np.result_type(x.dtype, float)) for x in xs]
    higher = _derivatives(
        pulled_back(f, gs),
        [*doubled, *gs],
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
    low_gs = tuple(np.asarray(g, np.asarray(y).dtype) for g, y in zip(gs, ys, strict=True))
    found = pullback(low_gs)
    expected = _gradients_in_double(f, xs, low_gs)
    rng = np.random.default_rng(0)
    findings = []
    near = []
    for _ in range(2):
        moved = [
            np.asarray(x * (1 + 4 * np.finfo(x.dtype).eps * rng.integers(-1, 2, x.shape)), x.dtype)
            for x in xs
        ]
        near.append(_gradients_in_double(f, moved, low_gs))
    for i, (x, name) in enumerate(zip(xs, names, strict=True)):
        eps = np.finfo(x.dtype).eps
        if found[i].dtype != x.dtype or found[i].shape != x.shape:
            message = f"is {_space(found[i])}, its argument {_space(x)}"
            findings.append(Finding(f"gradient by {name}", Verdict.FAIL, message))
            continue
        spread = np.max([np.abs(g[i] - expected[i]) for g in near], axis=0)
        size = np.max(np.abs(expected[i]), initial=0, where=np.isfinite(expected[i]))
        tolerance = 8 * spread + SINGLE_ROUNDINGS * eps * np.fmax(np.abs(expected[i]), size)
        wrong = ~(np.abs(found[i] - expected[i]) <= tolerance) & np.isfinite(expected[i])
        verdict = Verdict.FAIL if wrong.any() else Verdict.PASS
        message = ""
        if wrong.any():
            place = tuple(map(int, np.argwhere(wrong)[0]))
            message = (
                f"in {x.dtype} it is {found[i][place]}, in double precision {expected[i][place]}, "
                f"at {place}; {int(wrong.sum())} of {wrong.size} differ by more than rounding"
            )
        aspect = f"gradient by {name} in {x.dtype}"
        findings.append(
            Finding(aspect, verdict, message, compared=x.size, method="double precision", bound=eps)
        )
    return findings


def _gradients_in_double(
    f: Function, xs: Sequence[Array], gs: Sequence[Array]
) -> tuple[Array, ...]:
    doubled = [np.asarray(x, np.result_type(x.dtype, float)) for x in xs]
    ys, pullback = vjp(f, *doubled)
    return pullback(tuple(np.asarray(g, np.asarray(y).dtype) for g, y in zip(gs, ys, strict=True)))


def _space(x: Array) -> str:
    return f"{x.dtype}{list(x.shape)}"


def _lost(subject: Subject) -> list[Finding]:
    """Say so if no argument has any influence on the result."""
    if subject.trace is None or subject.trace.nodes:
        return []
    message = (
        "no gradient leads from the result to an argument: either the result does not depend on it,"
        " or the graph was left, as by .numpy(), .detach() or float()"
    )
    return [Finding("influence", Verdict.INCONCLUSIVE, message)]


def _raised(aspect: str, what: str, error: Exception) -> Finding:
    where = traceback.extract_tb(error.__traceback__)[-1]
    message = f"{what} raises {type(error).__name__}: {error}\n({where.filename}:{where.lineno})"
    return Finding(aspect, Verdict.FAIL, message)


# ---- a function of another library --------------------------------------------------------------


def _foreign(
    value_fn: Callable[..., Any], grad_fn: Callable[..., Any], arrays: Arrays
) -> list[Finding]:
    findings = [
        *_first_look_at_foreign("value_fn", value_fn, arrays),
        *_first_look_at_foreign("grad_fn", grad_fn, arrays),
    ]
    if findings:
        return findings

    def value(*xs: Array) -> tuple[Array, ...]:
        return (np.asarray(value_fn(*arrays.replaced([x.copy() for x in xs]))),)

    def gradients(*xs: Array) -> Any:
        return grad_fn(*arrays.replaced([x.copy() for x in xs]))

    (y,), gs = value(*arrays.values), gradients(*arrays.values)
    if y.size != 1 or y.dtype.kind not in "fiu":
        message = f"value_fn returns one real number, not {_space(y)}"
        return [Finding("value_fn", Verdict.FAIL, message)]
    if not isinstance(gs, (tuple, list)) or len(gs) != len(arrays.values):
        got = f"{len(gs)} of them" if isinstance(gs, (tuple, list)) else type(gs).__name__
        message = f"grad_fn returns a tuple, one gradient for each of {arrays.names}, not {got}"
        return [Finding("grad_fn", Verdict.FAIL, message)]
    for x, g, name in zip(arrays.values, map(np.asarray, gs), arrays.names, strict=True):
        if g.shape != x.shape or g.dtype != x.dtype:
            message = f"is {_space(g)}, its argument {_space(x)}"
            findings.append(Finding(f"gradient by {name}", Verdict.FAIL, message))
    if any(np.shape(g) != x.shape for x, g in zip(arrays.values, gs, strict=True)):
        return findings
    subject = Subject(value, arrays.values, traced=False)
    expectation = Expectation.of(subject, np.random.default_rng(0))

    def gradient(x: Array) -> Array:
        return subject.domain.pack(gradients(*subject.arrays(x)))

    return findings + compare_gradient(expectation, np.ones(1), gradient, arrays.names)


def _first_look_at_foreign(aspect: str, fn: Callable[..., Any], arrays: Arrays) -> list[Finding]:
    copies = [x.copy() for x in arrays.values]
    handed = arrays.replaced(copies)
    try:
        first, again = ([np.array(y) for y in flatten(fn(*handed))[0]] for _ in range(2))
    except Exception as error:  # whatever it is, it is about the function
        return [_raised(aspect, aspect, error)]
    message = ""
    if not _same(copies, arrays.values):
        message = f"{aspect} writes into its argument"
    elif not _same(first, again):
        message = f"{aspect} is random: the same arguments gave two results. Fix its seed"
    return [Finding(aspect, Verdict.FAIL, message)] if message else []


def _same(some: Sequence[Array], others: Sequence[Array]) -> bool:
    return len(some) == len(others) and all(
        np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
        for a, b in zip(some, others, strict=True)
    )


# ---- what is printed ----------------------------------------------------------------------------


def _case(arrays: Arrays) -> str:
    return case_text(dict(zip(arrays.names, arrays.values, strict=True)))
