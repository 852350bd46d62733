"""The benchmark command, on the smallest cases and without peers."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_command_prints_and_writes_a_table_of_times(tmp_path):
    output = tmp_path / "results.md"
    options = ["--quick", "--libraries", "tensorgrad", "--rounds", "1", "--output", str(output)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert output.read_text() in done.stdout
    lines = [line for line in done.stdout.splitlines() if line.startswith("| forward")]
    rows = [line.strip("| ").split(" | ") for line in lines]
    layers = ["notebook", "lenet1"]
    for run in ("forward", "forward+backward"):
        cases = [case for name, case, _ in rows if name == run]
        assert cases == ["chain", *layers, *layers]  # layers in float32 and in float64
    assert all(float(time) > 0 for _, _, time in rows)
