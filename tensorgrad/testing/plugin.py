"""What pytest loads of tensorgrad, in every run of an environment where it is installed."""

from collections.abc import Generator
from fnmatch import fnmatchcase
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

# Node ids of the tests that --grad-ops makes, which can be given to pytest again.
_PREFIX = "grad-ops::"
_PATTERNS = pytest.StashKey[list[str]]()
_ONLY = pytest.StashKey[bool]()
_PACKAGE = Path(__file__).parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("tensorgrad", "gradients")
    group.addoption("--grad-examples", type=int, metavar="N", help="examples to draw for a test")
    group.addoption(
        "--grad-budget", type=float, metavar="SECONDS", help="when to stop drawing for a test"
    )
    group.addoption(
        "--grad-seed", type=int, metavar="N", help="draw the same examples for the same seed"
    )
    group.addoption(
        "--grad-output",
        default=".tensorgrad",
        metavar="DIR",
        help="where failures leave a reproducer and a drawing (default: %(default)s)",
    )
    group.addoption(
        "--grad-ops",
        metavar="PATTERN",
        help="make a test of each registered operation whose name matches, as in 'numpy.fft.*'",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, and take the node ids of operations for what they are."""
    config.addinivalue_line("markers", "grad: a test of gradients")
    ids = [arg for arg in config.args if arg.startswith(_PREFIX)]
    others = [arg for arg in config.args if arg not in ids]
    config.stash[_ONLY] = bool(ids) and not others
    if config.stash[_ONLY]:  # the modules of the project are imported, for what they register
        others = config.getini("testpaths") or [str(config.invocation_params.dir)]
    config.args[:] = others
    pattern = config.getoption("--grad-ops")
    config.stash[_PATTERNS] = [arg.removeprefix(_PREFIX) for arg in ids]
    config.stash[_PATTERNS] += [pattern] if pattern else []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test with the argument ``registered_op`` for each registered operation."""
    if "registered_op" in metafunc.fixturenames:
        marked = [
            pytest.param(operation, id=name, marks=pytest.mark.grad)
            for name, operation in _operations("*")
        ]
        metafunc.parametrize("registered_op", marked)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Mark the tests of gradients, and make those that were asked for by a pattern."""
    for item in items:
        if getattr(getattr(item, "function", None), "is_gradient_test", False):
            item.add_marker("grad")
    if session.config.stash[_ONLY]:
        session.config.hook.pytest_deselected(items=items[:])
        items.clear()
    named = {
        name: operation
        for pattern in session.config.stash[_PATTERNS]
        for name, operation in _operations(pattern) or [(pattern, None)]
    }
    items += [
        OperationItem.from_parent(
            session, name=name, nodeid=f"{_PREFIX}{name}", operation=operation
        )
        for name, operation in named.items()
    ]


def _operations(pattern: str) -> list[tuple[str, Any]]:
    from tensorgrad.engine.primitive import REGISTRY

    return [(name, REGISTRY[name]) for name in sorted(REGISTRY) if fnmatchcase(name, pattern)]


class OperationItem(pytest.Item):
    """The test of a registered operation that --grad-ops asks for."""

    def __init__(self, *, operation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.operation = operation
        self.add_marker("grad")

    def runtest(self) -> None:
        """Check the operation."""
        if self.operation is None:
            pytest.fail(
                f"--grad-ops: pattern={self.name!r}. No registered operation has such a name. "
                "Collect a test module that imports the one that declares it.",
                pytrace=False,
            )
        from tensorgrad.testing.operations import check_op

        check_op(self.operation)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Head the failure with the name."""
        return self.config.rootpath, None, self.nodeid


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Let the checks of a test follow the options."""
    examples, budget, seed = (
        item.config.getoption(f"--grad-{name}") for name in ("examples", "budget", "seed")
    )
    if examples is None and budget is None and seed is None:
        return (yield)
    from tensorgrad.testing.run import Options, using

    def tell(line: str) -> None:
        item.user_properties.append(("tensorgrad", line))

    with using(Options(examples, budget, seed, tell)):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, Any, Any]:
    """Write the files of a wrong gradient before its report is printed, so that it names them."""
    excinfo = call.excinfo
    if excinfo is None or not hasattr(excinfo.value, "report"):
        return (yield)
    from tensorgrad.testing.report import GradientError
    from tensorgrad.testing.reproduce import write_files

    error = excinfo.value
    if not isinstance(error, GradientError):
        return (yield)
    folder = item.config.rootpath / item.config.getoption("--grad-output")
    error.revise(write_files(error.report, item.nodeid, item.config.rootpath, folder))
    if not item.config.getoption("fulltrace"):
        _end_at_the_call(excinfo.tb)
    report = yield
    if item.get_closest_marker("grad"):  # there is nothing of the user's on the way to the error
        report.longrepr = excinfo.getrepr(style="value")
    return report


def _end_at_the_call(traceback: TracebackType) -> None:
    """Let a traceback show how the test came to the check, and not what went on inside of it."""
    call, entry = traceback, traceback.tb_next
    while entry is not None:
        if not Path(entry.tb_frame.f_code.co_filename).is_relative_to(_PACKAGE):
            call = entry
        entry = entry.tb_next
    call.tb_next = None


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say which tests stopped early."""
    lines = [
        f"{report.nodeid}: {text}"
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, text in getattr(report, "user_properties", ())
        if name == "tensorgrad"
    ]
    if lines:
        terminalreporter.section("gradients")
        terminalreporter.write_line("\n".join(lines))
