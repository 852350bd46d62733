"""The README says what is so: its code runs (as a doctest), and its table is generated."""

from pathlib import Path

from tensorgrad.testing.coverage import table

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def test_the_coverage_table_is_generated():
    how = "run python -m tensorgrad.testing.coverage and paste its table"
    assert table() in README, how
