"""The cost of one operation: a long chain of cheap ones on an array too small to matter."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.libraries import Library, Run

OPS = 200


@dataclass(frozen=True)
class Chain:
    """``x = sin(x * 0.9 + c) - 0.1`` again and again; x and c have 10 entries and a gradient."""

    name = "chain"
    table = f"A chain of {OPS} operations, float64, 10 entries"
    unit = "microseconds an operation"
    per_second = 1e6 / OPS
    dtype = "float64"
    work = OPS

    def runs(self, library: Library) -> dict[str, Run]:
        sin = library.sin

        def chain(x: Any, c: Any) -> Any:
            for _ in range(OPS // 4):
                x = x * 0.9
                x = x + c
                x = sin(x)
                x = x - 0.1
            return x

        x, c, seed = np.random.default_rng(0).standard_normal((3, 10))
        return library.runs(chain, [x, c], seed)  # never compiled: a user's loop is not, either
