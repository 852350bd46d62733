"""check_op: the laws of one operation, tried on drawn cases."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tensorgrad.engine.primitive import Operation, Primitive
from tensorgrad.errors import UnsupportedError
from tensorgrad.testing.diagnosis import predicates
from tensorgrad.testing.draw import HypothesisDraw, NumberDraw, RandomDraw
from tensorgrad.testing.laws import LAWS, Law, as_function, draw_case
from tensorgrad.testing.literal import IMPORTS, assignments, case_text
from tensorgrad.testing.report import Finding, GradientError, Report, Verdict, conclude, count
from tensorgrad.testing.reproduce import drawing
from tensorgrad.testing.rules import argument_names, location, registered, source_of
from tensorgrad.testing.run import new_seed, options, rerun_line

# Cases looked at to see what separates those that fail, cases tried to find a small one, and for
# how long.
_SURVEYED = 60
_SHRUNK = 300
_SECONDS = 5


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


def law_report(
    operation: Operation, examples: int, seed: int | None = None, budget: float | None = None
) -> Report:
    """Try the laws that are about an operation; stop at the first that does not hold.

    Parameters
    ----------
    operation
        What they are tried on.
    examples
        How many cases for each law.
    seed
        Where the cases come from; None for new ones.
    budget
        After how many seconds to draw no more.
    """
    seed = new_seed() if seed is None else seed
    end = time.monotonic() + (float("inf") if budget is None else budget)
    report = Report(operation.name)
    in_time, drawn = True, 0
    for law in LAWS.values():
        if operation.kind not in law.kinds:
            continue
        compared = tried = 0
        for number in range(examples):
            in_time = time.monotonic() <= end
            if tried and not in_time:
                break
            tried += 1
            drawn += 1
            case = _Case.drawn(law, operation, RandomDraw((seed, number)))
            if case.error is not None:
                return _failed(law, operation, case, seed)
            compared += case.compared
        if compared or law.essential:
            verdict = Verdict.PASS if compared else Verdict.INCONCLUSIVE
            method = count(tried, "case", "cases")
            finding = Finding(law.name, verdict, compared=compared, method=method)
            report = report.with_findings(finding)
    if not in_time:
        options().tell(f"{operation.name}: budget spent after {count(drawn, 'case', 'cases')}")
    return report


@dataclass
class _Case:
    """A case a law was tried on, and what came of it."""

    law: Law
    operation: Operation
    args: tuple[Any, ...]
    params: dict[str, Any]
    seed: int
    compared: int = 0
    error: Exception | None = None

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        try:
            self.compared = self.law.holds(self.operation, self.args, self.params, rng)
        except Exception as error:  # a rule that cannot be computed is wrong as well
            self.error = error

    @classmethod
    def drawn(cls, law: Law, operation: Operation, draw: NumberDraw) -> "_Case":
        """Draw a case and try a law on it."""
        return cls(law, operation, *draw_case(law, operation, draw), draw.integer(0, 99))

    @property
    def names(self) -> list[str]:
        """What to call the positional arguments."""
        return argument_names(self.operation, len(self.args))

    def described(self) -> dict[str, Any]:
        """Return what may separate this case from others."""
        return predicates.describe(self.args, self.params, self.names)

    def replay(self) -> str:
        """Return Python that tries the law on this case again; nothing where it cannot be told."""
        module = _module(self.operation)
        try:
            case = assignments({"args": self.args, "params": self.params})
        except UnsupportedError:
            return ""
        call = f"check_law({self.operation.name!r}, {self.law.name!r}, args, params, {self.seed})"
        return (
            f"{IMPORTS}\nimport {module}\nfrom tensorgrad.testing.operations import check_law\n\n"
            f"{case}\n{call}\n"
        )

    def drawing(self, findings: Sequence[Finding]) -> str:
        """Return the graph of the operation, the wrong gradients marked."""
        f, xs = as_function(self.operation, self.operation, self.args, self.params)
        return drawing(f, xs, [f"x{i}" for i in range(len(xs))], findings)

    def findings(self) -> tuple[Finding, ...]:
        """Say what the law says."""
        if isinstance(self.error, GradientError):
            return self.error.report.failures
        message = str(self.error).strip()
        if not isinstance(self.error, AssertionError):
            message = f"{type(self.error).__name__}: {message}"
        return (Finding("", Verdict.FAIL, message),)


def check_law(
    op: Any, law: str, args: tuple[Any, ...], params: dict[str, Any], seed: int = 0
) -> Report:
    """Try one law on one case; raise GradientError if it does not hold.

    Parameters
    ----------
    op
        A registered operation, its name, or the function of NumPy it answers for.
    law
        The name of a law; see `tensorgrad.testing.laws`.
    args, params
        What the operation is called with.
    seed
        Of the directions that the law chooses.
    """
    operation = registered("check_law", op)
    case = _Case(LAWS[law], operation, args, params, seed)
    if case.error is not None:
        raise GradientError(_report_of(case))
    return Report(operation.name, (Finding(law, Verdict.PASS, compared=case.compared),))


def _failed(law: Law, operation: Operation, case: _Case, seed: int) -> Report:
    """Report the smallest case for which a law does not hold, and what sets such cases apart."""
    report = _report_of(_smallest(law, operation, seed) or case)
    survey: list[_Case] = []
    end = time.monotonic() + _SECONDS
    while len(survey) < _SURVEYED and time.monotonic() < end:
        survey.append(_Case.drawn(law, operation, RandomDraw((seed, len(survey)))))
    predicate = predicates.separating(
        [one.described() for one in survey if one.error is not None],
        [one.described() for one in survey if one.error is None],
    )
    rerun = rerun_line(seed) or f"check_op({operation.name!r}, seed={seed})"
    return replace(report, predicate=predicate or "", rerun=rerun)


def _report_of(case: _Case) -> Report:
    values = dict(zip(case.names, case.args, strict=True)) | case.params
    findings = [
        replace(finding, aspect=f"{case.law.name}: {finding.aspect}".rstrip(": "))
        for finding in case.findings()
    ]
    doc = (case.law.holds.__doc__ or "").partition("\n")[0]
    findings[0] = replace(findings[0], message=f"{doc}\n{findings[0].message}".strip())
    return Report(
        f"{case.operation.name}, law {case.law.name}",
        tuple(findings),
        case=case_text(values),
        rule=_location(case.operation),
        replay=case.replay(),
        drawing=case.drawing(findings),
    )


def _smallest(law: Law, operation: Operation, seed: int) -> _Case | None:
    """Let hypothesis look for a small case for which a law does not hold."""
    try:
        from hypothesis import HealthCheck, Phase, given, seed as seeded, settings, strategies as st
    except ImportError:
        return None
    smallest: list[_Case] = []
    end = time.monotonic() + _SECONDS

    @seeded(seed)
    @settings(
        max_examples=_SHRUNK,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def holds(data: Any) -> None:
        if time.monotonic() > end:  # the smallest so far will do
            return
        case = _Case.drawn(law, operation, HypothesisDraw(data))
        if case.error is not None:
            smallest[:] = [case]
            raise AssertionError

    with suppress(Exception):  # how hypothesis came to it is not of interest
        holds()
    return smallest[0] if smallest else None


def _location(operation: Operation) -> str:
    if isinstance(operation, Primitive):
        return location(operation, 0)
    return source_of(operation.fun)


def _module(operation: Operation) -> str:
    """Return the module that declares an operation, as far as its functions tell."""
    functions = [operation.fun]
    if isinstance(operation, Primitive):
        rules = [rule for mode in operation.rules.values() for rule in mode if rule is not None]
        functions = [*(rule.formula for rule in rules), operation.fun]
    return next((f.__module__ for f in functions if getattr(f, "__module__", None)), "tensorgrad")
