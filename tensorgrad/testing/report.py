"""What a check found: findings, the report they make up, and the error a failure raises."""

import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from tensorgrad.errors import TensorgradError
from tensorgrad.testing.numerics.comparison import Comparison


class Verdict(Enum):
    """What a check comes to."""

    PASS = "PASS"
    FAIL = "FAIL"
    # nothing could be compared: error bounds too wide, no entries, no influence on the result
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    aspect
        What, as in ``gradient by x`` or ``memory``.
    verdict
        What came of it.
    message
        A sentence, where there is something to say.
    compared, unchecked, kinks
        Numbers of entries: compared with an expectation, below what can be told from rounding, and
        (among those compared) at a kink, where a derivative is one of many.
    method
        How the expectation was found, as in ``complex step``.
    bound
        The greatest error of the expectation, relative to it, over the entries compared.
    mismatch
        The wrong entries.
    hint
        A guess at what went wrong.
    """

    aspect: str
    verdict: Verdict
    message: str = ""
    compared: int = 0
    unchecked: int = 0
    kinks: int = 0
    method: str = ""
    bound: float = 0.0
    mismatch: Comparison | None = None
    hint: str = ""

    def __str__(self) -> str:
        details = []
        if self.method:
            details.append(self.method)
        if self.compared:
            details.append(f"{count(self.compared, 'entry', 'entries')} compared")
        if self.kinks:
            details.append(f"{self.kinks} at a kink")
        if self.unchecked:
            details.append(f"{self.unchecked} unchecked, below what rounding lets one see")
        if self.bound:
            details.append(f"bound {self.bound:.1g}")
        lines = [f"{self.verdict.value:12} {self.aspect}"]
        if details:
            lines[0] += f" ({', '.join(details)})"
        if self.message:
            lines.append(_indented(self.message, 4))
        if self.mismatch is not None:
            lines.append(_indented(self.mismatch.table(), 8))
        if self.hint:
            lines.append(f"    pattern: {self.hint}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Report:
    """Everything a check looked at. It is true if the verdict is PASS, and prints as a page.

    Attributes
    ----------
    subject
        What was checked.
    findings
        What was looked at, and what came of it.
    case
        The case, as lines of Python that evaluate it.
    predicate
        What separates the examples that fail from those that pass.
    rule
        Where the rule is defined, as ``file:line``.
    rerun
        What to type to see it again.
    files
        What was written about it.
    replay
        A script that raises it again.
    drawing
        The graph in the language of Graphviz, wrong gradients marked.
    """

    subject: str
    findings: tuple[Finding, ...] = ()
    case: str = ""
    predicate: str = ""
    rule: str = ""
    rerun: str = ""
    files: tuple[str, ...] = ()
    replay: str = field(default="", repr=False)
    drawing: str = field(default="", repr=False)

    @property
    def verdict(self) -> Verdict:
        """FAIL if anything failed, PASS if something was compared wherever there was something."""
        verdicts = {finding.verdict for finding in self.findings}
        if Verdict.FAIL in verdicts:
            return Verdict.FAIL
        if Verdict.INCONCLUSIVE in verdicts or not self.compared:
            return Verdict.INCONCLUSIVE
        return Verdict.PASS

    def __bool__(self) -> bool:
        return self.verdict is Verdict.PASS

    @property
    def compared(self) -> int:
        """How many entries were compared with an expectation."""
        return sum(finding.compared for finding in self.findings)

    @property
    def unchecked(self) -> int:
        """How many entries were too small to be told from rounding."""
        return sum(finding.unchecked for finding in self.findings)

    @property
    def kinks(self) -> int:
        """How many of the entries compared were at a kink."""
        return sum(finding.kinks for finding in self.findings)

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings that failed."""
        return tuple(f for f in self.findings if f.verdict is Verdict.FAIL)

    def __str__(self) -> str:
        lines = [f"{self.subject}: {self.verdict.value}, {self.summary()}"]
        if self.case:
            lines += ["case:", _indented(self.case, 4)]
        worst = sorted(self.findings, key=lambda finding: _GRAVITY[finding.verdict])
        lines += [_indented(str(finding), 2) for finding in worst]
        for title in ("predicate", "rule", "rerun"):
            if text := getattr(self, title):
                lines.append(f"{title}: {text}")
        lines += [f"file: {name}" for name in self.files]
        return "\n".join(lines)

    def summary(self) -> str:
        """Count the entries, in words."""
        text = f"{count(self.compared, 'entry', 'entries')} compared"
        if self.kinks:
            text += f", {self.kinks} at a kink"
        if self.unchecked:
            text += f", {self.unchecked} unchecked"
        return text

    def with_findings(self, *findings: Finding) -> "Report":
        """Return the report with more findings."""
        return replace(self, findings=(*self.findings, *findings))


_GRAVITY = {Verdict.FAIL: 0, Verdict.INCONCLUSIVE: 1, Verdict.PASS: 2}


class GradientError(TensorgradError, AssertionError):
    """A derivative is wrong. ``report`` says which, where, and how to see it again."""

    def __init__(self, report: Report) -> None:
        super().__init__(str(report))
        self.report = report

    def revise(self, report: Report) -> None:
        """Say something else, as where the files are."""
        self.args = (str(report),)
        self.report = report


class InconclusiveWarning(UserWarning):
    """A check could compare nothing, so it says nothing: its report is not a PASS."""


def count(n: int, one: str, many: str) -> str:
    """Return a number with its noun.

    >>> count(1, "entry", "entries"), count(2, "entry", "entries")
    ('1 entry', '2 entries')
    """
    return f"{n} {one if n == 1 else many}"


def _indented(text: str, by: int) -> str:
    return "\n".join(" " * by + line for line in text.splitlines())


def failed(findings: Sequence[Finding]) -> bool:
    """Return whether any of the findings failed."""
    return any(finding.verdict is Verdict.FAIL for finding in findings)


def raised(aspect: str, what: str, error: Exception) -> Finding:
    """Report an exception, and where it comes from."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    message = f"{what} raises {type(error).__name__}: {error}\n({where.filename}:{where.lineno})"
    return Finding(aspect, Verdict.FAIL, message)


def conclude(report: Report) -> Report:
    """Return a report; raise if it is a FAIL, and warn if it says nothing."""
    if report.verdict is Verdict.FAIL:
        raise GradientError(report)
    if report.verdict is Verdict.INCONCLUSIVE:
        warnings.warn(InconclusiveWarning(str(report)), stacklevel=3)
    return report
