"""Numbers beside the bounds between which they should lie."""

from dataclasses import dataclass

import numpy as np

from tensorgrad.typing import Array

# A number is checked if its tolerance is less than this part of it.
RESOLUTION = 0.01
# Lines of the table of wrong numbers.
_ROWS = 8


@dataclass(frozen=True)
class Comparison:
    """Entries of derivatives, between which bounds they should lie, and how exactly one can tell.

    Attributes
    ----------
    found
        The derivatives under test.
    low, high
        Between which bounds they should lie: the same numbers, but for kinks.
    tolerance
        How far outside is still within the errors of both sides.
    kink
        Which of them are at a kink.
    """

    found: Array
    low: Array
    high: Array
    tolerance: Array
    kink: Array

    @property
    def expected(self) -> Array:
        """What is expected: at a kink the middle of what is allowed; NaN where nothing is."""
        return np.where(self.known, self.low + (self.high - self.low) / 2, np.nan)

    @property
    def known(self) -> Array:
        """For which numbers there is an expectation.

        Where a derivative is infinite, differences find anything: that does not speak against it.
        """
        size = np.fmax(np.abs(self.low), np.abs(self.high))
        vague = ~np.isfinite(self.found) & (self.tolerance > RESOLUTION * size) & (size > 0)
        finite = np.isfinite(self.low) & np.isfinite(self.high) & np.isfinite(self.tolerance)
        return finite & ~vague

    @property
    def wrong(self) -> Array:
        """Which numbers contradict the expectation."""
        return self.known & ~within(self.found, self.low, self.high, self.tolerance)

    @property
    def checked(self) -> Array:
        """Which numbers can be told from rounding errors, or are exactly zero as they should be."""
        size = np.fmax(np.abs(self.found), np.fmax(np.abs(self.low), np.abs(self.high)))
        zero = (self.found == 0) & (self.low == 0) & (self.high == 0)
        return self.known & (zero | (self.tolerance <= RESOLUTION * size) | self.wrong)

    def over(self, units: Array) -> "Comparison":
        """Return the same numbers in other units."""
        found, low, high, tolerance = (
            v / units for v in (self.found, self.low, self.high, self.tolerance)
        )
        return Comparison(found, low, high, tolerance, self.kink)

    @property
    def bound(self) -> float:
        """The greatest relative tolerance of what is checked."""
        with np.errstate(all="ignore"):
            errors = self.tolerance / np.fmax(np.abs(self.low), np.abs(self.high))
        return float(np.max(errors, where=self.checked & np.isfinite(errors), initial=0))

    def table(self) -> str:
        """List the wrong numbers: index, found, expected, ratio."""
        wrong = np.argwhere(self.wrong)
        rows = [("index", "derivative", "expected", "ratio")]
        for place in map(tuple, wrong[:_ROWS]):
            found, low, high = self.found[place], self.low[place], self.high[place]
            expected = _number(low) if low == high else f"{_number(low)} to {_number(high)}"
            middle = self.expected[place]
            ratio = _ratio(found / middle) if middle else ""
            index = f"({', '.join(map(str, place))})" if place else "()"
            rows.append((index, _number(found), expected, ratio))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        if len(wrong) > _ROWS:
            lines.append(f"... and {len(wrong) - _ROWS} more")
        return "\n".join(lines)


def within(found: Array, low: Array, high: Array, tolerance: Array) -> Array:
    """Return which entries lie between bounds, give or take the tolerance; NaN lies nowhere."""
    if np.iscomplexobj(found):
        return np.abs(found - low) <= tolerance
    return (found >= low - tolerance) & (found <= high + tolerance)


def _ratio(ratio: float) -> str:
    """Write a ratio; of one close to 1, how close.

    >>> _ratio(0.5), _ratio(1 + 3e-8)
    ('0.5', '1 + 3e-08')
    """
    beyond = ratio - 1
    if 0 < abs(beyond) < 1e-3:
        return f"1 {'+' if beyond > 0 else '-'} {abs(beyond):.0e}"
    return f"{ratio:.4g}"


def _number(x: complex) -> str:
    return f"{x:.10g}"
