"""check_pair: gradients that any library computed."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tensorgrad.testing.functions import Arrays, in_double, names_of, same, space_of
from tensorgrad.testing.numerics.compare import compare_gradient
from tensorgrad.testing.numerics.expectation import Expectation
from tensorgrad.testing.numerics.subject import Subject
from tensorgrad.testing.numerics.trace import Function
from tensorgrad.testing.report import Finding, Report, Verdict, conclude, raised
from tensorgrad.transforms.tree import flatten
from tensorgrad.typing import Array


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
    arrays.require_entries("check_pair", args)
    subject = getattr(grad_fn, "__name__", type(grad_fn).__name__)
    findings = _foreign(value_fn, grad_fn, arrays)
    return conclude(Report(subject, tuple(findings), case=arrays.text()))


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
        message = f"value_fn must return one real number, not {space_of(y)}"
        return [Finding("value_fn", Verdict.FAIL, message)]
    if not isinstance(gs, (tuple, list)) or len(gs) != len(arrays.values):
        got = f"{len(gs)} of them" if isinstance(gs, (tuple, list)) else type(gs).__name__
        message = f"grad_fn must return a tuple, one gradient for each of {arrays.names}, not {got}"
        return [Finding("grad_fn", Verdict.FAIL, message)]
    for x, g, name in zip(arrays.values, map(np.asarray, gs), arrays.names, strict=True):
        if g.shape != x.shape or g.dtype != x.dtype:
            message = f"is {space_of(g)}, its argument {space_of(x)}"
            findings.append(Finding(f"gradient by {name}", Verdict.FAIL, message))
    if any(np.shape(g) != x.shape for x, g in zip(arrays.values, gs, strict=True)):
        return findings
    subject = _in_double(value, arrays.values, y) or Subject(value, arrays.values, traced=False)
    expectation = Expectation.of(subject, np.random.default_rng(0))
    # from here on, it is about the gradient, in the precision of the arguments
    subject.rounding = max(subject.rounding, *(float(np.finfo(x.dtype).eps) for x in arrays.values))

    def gradient(x: Array) -> Array:
        parts = zip(subject.domain.unpack(x), arrays.values, strict=True)
        return subject.domain.pack(gradients(*(part.astype(like.dtype) for part, like in parts)))

    return findings + compare_gradient(expectation, np.ones(1), gradient, arrays.names)


def _in_double(value: Function, xs: Sequence[Array], y: Array) -> Subject | None:
    """Return the function in double precision, if it takes that and xs are in a lower one."""
    doubles = list(map(in_double, xs))
    if all(x.dtype == double.dtype for x, double in zip(xs, doubles, strict=True)):
        return None
    try:
        subject = Subject(value, doubles, traced=False)
    except Exception:  # it takes no double precision
        return None
    agrees = np.allclose(subject.base.y, y, rtol=0.01, atol=0.01)
    return subject if agrees and subject.rounding == np.finfo(float).eps else None


def _first_look_at_foreign(aspect: str, fn: Callable[..., Any], arrays: Arrays) -> list[Finding]:
    copies = [x.copy() for x in arrays.values]
    handed = arrays.replaced(copies)
    try:
        first, again = ([np.array(y) for y in flatten(fn(*handed))[0]] for _ in range(2))
    except Exception as error:  # whatever it is, it is about the function
        return [raised(aspect, aspect, error)]
    message = ""
    if not same(copies, arrays.values):
        message = f"{aspect} writes into its argument"
    elif not same(first, again):
        message = f"{aspect} is random: the same arguments gave two results. Fix its seed"
    return [Finding(aspect, Verdict.FAIL, message)] if message else []
