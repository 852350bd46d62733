"""How convolution is computed: one file an algorithm, each for the whole family."""

from collections.abc import Callable

from tensorgrad.typing import Array

# (n, g c, *i) * (g o, c, *k) + (g o,), or None in place of the last, -> (n, g o, *j)
Kernel = Callable[[Array, Array, Array | None], Array]
