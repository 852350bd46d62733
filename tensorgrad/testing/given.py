"""Tests of gradients on drawn arguments, shrunk to the smallest that fails."""

import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import wraps
from inspect import Parameter, Signature, signature
from time import monotonic
from typing import Any
from unittest import SkipTest

from tensorgrad.errors import UnsupportedError, explain
from tensorgrad.testing import checks
from tensorgrad.testing.diagnosis import predicates
from tensorgrad.testing.functions import Arrays
from tensorgrad.testing.literal import IMPORTS, assignments, case_text
from tensorgrad.testing.report import (
    Finding,
    GradientError,
    InconclusiveWarning,
    Report,
    Verdict,
    count,
)
from tensorgrad.testing.run import Options, new_seed, options, rerun_line

Values = dict[str, Any]

# Examples drawn after a failure, to see what separates those that fail.
_SURVEYED = 60


def given_grad(
    *,
    order: int = 1,
    modes: Sequence[checks.Mode] = checks.MODES,
    wrt: str | tuple[str, ...] | None = None,
    **strategies: Any,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a test of a function: its derivatives are right on arguments drawn by hypothesis.

    The function takes what the strategies draw, and pytest's fixtures and parameters beside it. It
    is differentiated by the floating-point and complex values that are drawn; integers, booleans
    and strings are parameters. The decorated function has the attribute ``check(**values)``, which
    checks it at one point.

    Parameters
    ----------
    order, modes
        As for `check_grad`.
    wrt
        The names of the arguments to differentiate by, where these are not all.
    **strategies
        A hypothesis strategy for each argument to draw.

    Raises
    ------
    GradientError
        When the test runs: if a derivative is wrong, with the smallest arguments for which it is;
        if the function raises for some of them; if nothing could be compared for any of them.
    UnsupportedError
        If wrt names something that is not drawn.
    ImportError
        If hypothesis is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from hypothesis import strategies as st
    >>> from tensorgrad.testing import given_grad
    >>> @given_grad(x=st.floats(-2, 2), order=2)
    ... def test_softplus(x):
    ...     return np.logaddexp(0, x)
    >>> test_softplus()
    >>> bool(test_softplus.check(x=0.5))
    True
    """
    try:
        from hypothesis import Phase, given, seed, settings
    except ImportError as error:
        raise ImportError("given_grad needs hypothesis: pip install hypothesis") from error
    names = (wrt,) if isinstance(wrt, str) else tuple(strategies) if wrt is None else tuple(wrt)
    for name in names:
        if name not in strategies:
            raise UnsupportedError(
                explain(
                    "given_grad",
                    "Only arguments that are drawn can be differentiated by.",
                    "Name a strategy for it.",
                    wrt=name,
                    drawn=tuple(strategies),
                )
            )

    def decorate(f: Callable[..., Any]) -> Callable[..., Any]:
        bound = signature(f).bind

        def check(**values: Any) -> Report:
            """Check the derivatives at one point."""
            try:
                return _check(f, values, names, order, modes)
            except GradientError as error:
                error.revise(
                    replace(
                        error.report,
                        subject=f.__name__,
                        case=case_text(values),
                        replay=_replay(f, values),
                    )
                )
                raise

        template = given(**strategies)(f)

        @wraps(template)
        def test(*args: Any, **kwargs: Any) -> None:
            asked = options()
            # where hypothesis keeps what its decorators above this one were told
            chosen = test._hypothesis_internal_use_settings  # type: ignore[attr-defined]
            source = test._hypothesis_internal_use_seed  # type: ignore[attr-defined]
            explicit = getattr(test, "hypothesis_explicit_examples", [])
            if asked.examples is not None:
                chosen = settings(chosen, max_examples=asked.examples)
            if asked.seed is not None:
                source = asked.seed
            elif source is None and not chosen.derandomize:
                source = new_seed()
            run = _Run(f.__name__, check, tuple(strategies), source, asked)

            def draw(example: Callable[[Values], None], *phases: Phase) -> None:
                @wraps(f, updated=())
                def one(*args: Any, **kwargs: Any) -> None:
                    example(bound(*args, **kwargs).arguments)

                drawn = settings(
                    chosen,
                    deadline=None,
                    phases=[phase for phase in phases if phase in chosen.phases],
                )(given(**strategies)(one))
                drawn.hypothesis_explicit_examples = explicit  # type: ignore[attr-defined]
                if source is not None:
                    drawn = seed(source)(drawn)
                drawn(*args, **kwargs)

            run.search(
                lambda: draw(
                    run.example, Phase.explicit, Phase.generate, Phase.target, Phase.shrink
                )
            )
            if run.failure is not None:
                run.survey(lambda: draw(run.look, Phase.generate))
            if (error := run.error()) is not None:
                raise error

        test.check = check  # type: ignore[attr-defined]
        test.is_gradient_test = True  # type: ignore[attr-defined]
        return test

    return decorate


# ---- one point ----------------------------------------------------------------------------------


def _replay(f: Callable[..., Any], values: Values) -> str:
    """Return a script that checks these values; nothing where that takes more than their text."""
    try:
        case = assignments(values)
    except UnsupportedError:  # as for fixtures, and self
        return ""
    if not f.__qualname__.isidentifier():
        return ""
    passed = ", ".join(f"{name}={name}" for name in values)
    call = f"{f.__name__}.check({passed})"
    return f"{IMPORTS}\nfrom {f.__module__} import {f.__name__}\n\n{case}\n{call}\n"


def _check(
    f: Callable[..., Any],
    values: Values,
    names: tuple[str, ...],
    order: int,
    modes: Sequence[checks.Mode],
) -> Report:
    from hypothesis.errors import HypothesisException

    arrays = Arrays([values[name] for name in names], names)
    if not any(x.size for x in arrays.values):
        nothing = Finding("arguments", Verdict.INCONCLUSIVE, "they hold no floating-point number")
        return Report(f.__name__, (nothing,))
    left: list[Exception] = []

    def function(*xs: Any) -> Any:
        try:
            return f(**{**values, **dict(zip(names, xs, strict=True))})
        except (HypothesisException, SkipTest) as error:  # assume(), and the like
            left.append(error)
            raise

    function.__name__ = f.__name__
    parameters = [Parameter(name, Parameter.POSITIONAL_ONLY) for name in names]
    function.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    try:
        return checks.check_grad(function, *(values[n] for n in names), order=order, modes=modes)
    except GradientError:
        if left:
            raise left[0] from None
        raise


# ---- many points --------------------------------------------------------------------------------


class _OutOfTime(SkipTest):
    """The budget is spent: hypothesis lets go of a test that skips."""

    def __init__(self) -> None:
        super().__init__("the budget is spent")


class _CallError(GradientError):
    """The function raises: not to be mixed up with wrong gradients while shrinking."""


class _Run:
    """What the examples of one run of a test come to.

    Attributes
    ----------
    tried, passed, inconclusive
        Numbers of examples of the search.
    unclear
        What the last inconclusive example came to.
    failures
        What the last failing example of each kind raised: hypothesis tries only smaller ones after
        it has found one, so that the last is the smallest.
    failing, passing
        Examples of the survey, drawn without looking at what became of others.
    """

    def __init__(
        self,
        name: str,
        check: Callable[..., Report],
        drawn: tuple[str, ...],
        seed: int | None,
        options: Options,
    ) -> None:
        self.name = name
        self.check = check
        self.drawn = drawn
        self.seed = seed
        self.options = options
        self.start = monotonic()
        self.tried = self.passed = self.inconclusive = 0
        self.unclear: Report | None = None
        self.failures: dict[type, GradientError] = {}
        self.failing: list[Values] = []
        self.passing: list[Values] = []

    @property
    def failure(self) -> GradientError | None:
        """What to report: a wrong gradient rather than an exception of the function."""
        return self.failures.get(GradientError) or self.failures.get(_CallError)

    def out_of_time(self) -> bool:
        """Return whether the budget is spent."""
        budget = self.options.budget
        return budget is not None and monotonic() - self.start > budget

    def search(self, draw_examples: Callable[[], None]) -> None:
        """Look for the smallest example that fails."""
        try:
            draw_examples()
        except _OutOfTime:
            self.options.tell(f"{self.name}: budget spent after {self.count()}")
        except Exception:  # hypothesis says how it came to the failure, or to no example at all
            if self.failure is None and (self.passed or not self.inconclusive):
                raise

    def example(self, values: Values) -> None:
        """Try an example of the search."""
        from hypothesis import reject

        if self.tried and self.out_of_time():
            raise _OutOfTime
        self.tried += 1
        try:
            report = self._checked(values)
        except GradientError as error:
            self.failures[type(error)] = error
            raise
        if not report:
            self.inconclusive += 1
            self.unclear = report
            reject()
        self.passed += 1

    def survey(self, draw_examples: Callable[[], None]) -> None:
        """Look which examples fail as the smallest one does."""
        with suppress(Exception):  # it is only to know more about a failure that is known
            draw_examples()

    def look(self, values: Values) -> None:
        """Try an example of the survey."""
        if len(self.failing) + len(self.passing) >= _SURVEYED or self.out_of_time():
            raise _OutOfTime
        assert self.failure is not None
        try:
            if self._checked(values):
                self.passing.append(values)
        except GradientError as error:
            if type(error) is type(self.failure):
                self.failing.append(values)

    def _checked(self, values: Values) -> Report:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InconclusiveWarning)
            try:
                return self.check(**values)
            except GradientError as error:
                if any(finding.aspect == "call" for finding in error.report.failures):
                    raise _CallError(error.report) from None
                raise

    def count(self) -> str:
        """Say how many examples there were."""
        text = count(self.tried, "example", "examples")
        return f"{text} ({self.inconclusive} inconclusive)" if self.inconclusive else text

    def error(self) -> GradientError | None:
        """Return what is wrong."""
        if self.failure is not None:
            return self._wrong(self.failure)
        if self.passed or self.unclear is None:
            return None
        nothing = Finding(
            "examples",
            Verdict.FAIL,
            f"Nothing could be compared in any of {self.count()}. The last:\n{self.unclear}",
        )
        return GradientError(Report(self.name, (nothing,), rerun=rerun_line(self.seed)))

    def _wrong(self, error: GradientError) -> GradientError:
        return GradientError(
            replace(
                error.report,
                subject=f"{self.name}, the smallest of {self.count()}",
                predicate=self._predicate(),
                rerun=rerun_line(self.seed),
            )
        )

    def _predicate(self) -> str:
        failing, passing = (
            [predicates.describe((), {name: one[name] for name in self.drawn}, ()) for one in those]
            for those in (self.failing, self.passing)
        )
        if (found := predicates.separating(failing, passing)) is not None:
            return found
        return f"{len(failing)} of {len(failing) + len(passing)} examples drawn at random fail"
