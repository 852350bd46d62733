"""The pytest plugin in a project of its own, run as a user runs it."""

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytest_plugins = "pytester"

MODULE = """
import numpy as np
from tensorgrad.engine.declare import elementwise

# the derivative of x |x| / 2 is |x|: this rule forgets the sign
signed_square = elementwise(
    lambda x, /: np.abs(x) * x / 2, lambda g, x: g * x, name="mine.signed_square"
)
cube = elementwise(lambda x, /: x**3, lambda g, x: g * 3 * x**2, name="mine.cube")
"""

GIVEN = """
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mine import cube, signed_square
from tensorgrad.testing import given_grad

ENTRIES = st.integers(-3, 3).filter(bool).map(float)

@given_grad(x=arrays(float, st.integers(1, 4), elements=ENTRIES), n=st.integers(1, 3))
def test_wrong(x, n):
    return n * signed_square(x)

@given_grad(x=arrays(float, 3, elements=ENTRIES))
def test_right(x):
    return cube(x)
"""


@pytest.fixture
def project(pytester, monkeypatch):
    # under CI pytest prints the whole error a second time, in its summary
    for variable in ("CI", "BUILD_NUMBER"):
        monkeypatch.delenv(variable, raising=False)
    pytester.makepyfile(mine=MODULE)
    return pytester


def run(project, *args):
    return project.runpytest_subprocess("-p", "no:cacheprovider", *args)


def named_files(result):
    return [
        Path(line.removeprefix("file: "))
        for line in map(str.strip, result.outlines)
        if line.startswith("file: ")
    ]


def test_every_run_of_pytest_loads_the_plugin_but_not_hypothesis():
    (module,) = {e.module for e in entry_points(group="pytest11", name="tensorgrad")}
    code = f"import sys, {module}; print('hypothesis' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_failure_of_given_grad(project):
    project.makepyfile(test_mine=GIVEN)
    result = run(project, "--grad-seed", "7")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "test_wrong, the smallest of * examples: FAIL, *",
            "    x = np.array([[]-1.0[]])",
            "    n = 1",
            "  FAIL         gradient by x (*",
            "*pattern: negated",
            "rerun: pytest test_mine.py::test_wrong --grad-seed 7",
            "file: *.tensorgrad*test_wrong*.py",
            "file: *.tensorgrad*test_wrong*",
        ]
    )
    script, picture = named_files(result)
    assert "wrong gradient by x" in picture.read_text(encoding="utf-8")
    again = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, cwd="/", check=False
    )
    assert again.returncode
    assert "GradientError: test_wrong: FAIL" in again.stderr
    assert "    x = np.array([-1.0])\n    n = 1\n  FAIL         gradient by x" in again.stderr


def test_rerun_line_runs_it_again(project):
    project.makepyfile(test_mine=GIVEN)
    first = run(project)
    (line,) = [line for line in first.outlines if line.startswith("rerun: ")]
    _, _, *args = line.split()
    second = run(project, *args)
    second.assert_outcomes(failed=1)
    about = [line for line in first.outlines if line.startswith("test_wrong, the smallest")]
    assert about == [
        line for line in second.outlines if line.startswith("test_wrong, the smallest")
    ]


def test_failure_of_a_plain_check(project):
    project.makepyfile(
        test_mine="""
        import numpy as np
        from mine import signed_square
        from tensorgrad.testing import check_grad

        def test_plain():
            check_grad(signed_square, np.array([1.0, -2.0]))
        """
    )
    result = run(project)
    result.stdout.fnmatch_lines(["*x = np.array([[]1.0, -2.0[]])", "*pattern: negated at (1)"])
    result.stdout.fnmatch_lines(["*rerun: pytest test_mine.py::test_plain"])
    result.stdout.no_fnmatch_line("*checks.py*")
    script = next((project.path / ".tensorgrad").glob("*.py"))
    assert "#     x = np.array([1.0, -2.0])" in script.read_text(encoding="utf-8")
    again = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, cwd="/", check=False
    )
    assert again.returncode
    assert "pattern: negated at (1)" in again.stdout


def test_output_folder_and_xdist(project):
    project.makepyfile(test_mine=GIVEN)
    result = run(project, "-n", "2", "--grad-output", "made/here", "--grad-seed", "7")
    result.assert_outcomes(passed=1, failed=1)
    assert len(list((project.path / "made/here").iterdir())) == 2
    result.stdout.fnmatch_lines(["rerun: pytest test_mine.py::test_wrong --grad-seed 7"])


def test_examples_budget_and_seed_reach_a_test(project):
    project.makepyfile(
        """
        import numpy as np
        from hypothesis import strategies as st
        from tensorgrad.testing import given_grad

        drawn = []

        @given_grad(x=st.floats(1, 2).map(lambda x: drawn.append(x) or x))
        def test_square(x):
            return x**2

        def test_count():
            print("drawn", len(drawn), drawn)
        """
    )

    def drawn(*options):
        result = run(project, "-s", *options)
        result.assert_outcomes(passed=2)
        return next(line for line in result.outlines if "drawn" in line).partition("drawn ")[2]

    assert drawn("--grad-examples", "4").startswith("4 ")
    assert drawn("--grad-seed", "1") == drawn("--grad-seed", "1") != drawn("--grad-seed", "2")
    result = run(project, "--grad-budget", "0")
    result.stdout.fnmatch_lines(["*::test_square: test_square: budget spent after 1 example"])


def test_marker(project):
    project.makepyfile(test_mine=GIVEN, test_other="def test_other(): pass")
    run(project, "-m", "not grad", "--strict-markers").assert_outcomes(passed=1, deselected=2)


# ---- registered operations -----------------------------------------------------------------------

EVERY_OP = """
import mine
from tensorgrad.testing import check_op

def test_op(registered_op):
    check_op(registered_op, examples=20)
"""


def test_one_test_for_each_operation(project):
    project.makepyfile(test_ops=EVERY_OP)
    code = "import mine; from tensorgrad.engine.primitive import REGISTRY; print(*sorted(REGISTRY))"
    registered = subprocess.check_output(
        [sys.executable, "-c", code], text=True, cwd=project.path
    ).split()
    assert {"mine.cube", "numpy.floor", "sin"} <= set(registered)
    result = run(project, "--collect-only", "-q", "-m", "grad")
    found = [line for line in result.outlines if "::" in line]
    assert found == [f"test_ops.py::test_op[{name}]" for name in registered]


def assert_one_wrong_rule(result):
    outcomes = result.parseoutcomes()
    assert (outcomes.get("failed"), outcomes.get("passed")) == (1, 1)
    result.stdout.fnmatch_lines(["mine.signed_square, law *: FAIL, *", "rule: *mine.py:*"])


def test_wrong_rule_of_an_operation(project):
    project.makepyfile(test_ops=EVERY_OP)
    result = run(project, "--grad-seed", "3", "test_ops.py", "-k", "mine")
    assert_one_wrong_rule(result)
    result.stdout.fnmatch_lines(["rerun: pytest *test_op[[]mine.signed_square[]]* --grad-seed 3"])
    script, picture = named_files(result)
    assert "wrong" in picture.read_text(encoding="utf-8")
    again = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, cwd="/", check=False
    )
    (said,) = [line for line in result.outlines if line.startswith("mine.signed_square, law")]
    assert again.returncode
    assert said in again.stderr


def test_pattern_makes_tests_that_can_be_named(project):
    project.makepyfile(test_other="import mine\n\ndef test_other():\n    pass\n")
    few = "--grad-examples", "20"
    result = run(project, "--grad-ops", "mine.*", "-m", "grad", *few)
    assert_one_wrong_rule(result)
    (line,) = [line for line in result.outlines if line.startswith("rerun: ")]
    assert line.startswith("rerun: pytest grad-ops::mine.signed_square --grad-seed ")
    _, _, *args = line.split()
    second = run(project, *args, "grad-ops::mine.cube", *few)
    assert_one_wrong_rule(second)
    (said,) = [line for line in result.outlines if line.startswith("mine.signed_square, law")]
    assert said in second.outlines


def test_pattern_that_no_operation_matches(project):
    result = run(project, "--grad-ops", "mime.*")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*pattern='mime.[*]'. No registered operation has such a name*"])


def test_no_operation_is_tested_unless_asked_for(project):
    project.makepyfile("import mine\n\ndef test_nothing():\n    pass\n")
    run(project).assert_outcomes(passed=1)


def test_budget_of_an_operation(project):
    result = run(project, "--grad-ops", "sin", "--grad-budget", "0")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["grad-ops::sin: sin: budget spent after * cases"])
