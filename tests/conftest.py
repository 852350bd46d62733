"""Settings of all tests. HYPOTHESIS_PROFILE chooses: quick (the default), ci or thorough."""

import os
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import Phase, settings

# an example may take its time on a busy machine; the phase left out, explain, reruns every failure
# many times to name lines that only failures reach
PHASES = [phase for phase in Phase if phase is not Phase.explain]
settings.register_profile("quick", deadline=None, phases=PHASES, max_examples=50)
settings.register_profile("ci", settings.get_profile("quick"), print_blob=True)
settings.register_profile("thorough", settings.get_profile("ci"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="a skipped test fails")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, Any]:
    return _refuse_skip(item.config, (yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    return _refuse_skip(collector.config, (yield))


def _refuse_skip(config: pytest.Config, report: Any) -> Any:
    if report.skipped and config.getoption("--no-skips"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but nothing may skip here: {report.longrepr}"
    return report
