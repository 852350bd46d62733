"""Whether what was computed is finite."""

from tensorgrad.conv import threads
from tensorgrad.conv.kernels.compiled.tiles import kernel
from tensorgrad.typing import Array


@kernel("entries")
def _spoiled(entries):
    """Count the entries that are not finite."""
    count = 0
    for i in range(len(entries)):
        count += (entries[i] - entries[i]) != 0
    return count


def all_finite(y: Array) -> bool:
    """Return whether all entries of a convolution's result are finite."""
    entries, counts = y.ravel(order="K"), []
    threads.share(lambda part: counts.append(_spoiled(part)), entries, len(entries), y.dtype)
    return not any(counts)
