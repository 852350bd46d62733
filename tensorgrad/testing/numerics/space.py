"""Tuples of arrays as one real vector: what numerical derivatives are about."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tensorgrad.engine.tensor import value_of
from tensorgrad.typing import Array


@dataclass(frozen=True)
class Space:
    """Tuples of arrays of these shapes and dtypes, laid end to end as real vectors."""

    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[np.dtype[Any], ...]

    @classmethod
    def of(cls, arrays: Sequence[Array]) -> "Space":
        """Return the space that arrays are in."""
        return cls(tuple(a.shape for a in arrays), tuple(a.dtype for a in arrays))

    @property
    def sizes(self) -> list[int]:
        """The number of real numbers in each array."""
        return [
            int(np.prod(shape, dtype=int)) * (2 if dtype.kind == "c" else 1)
            for shape, dtype in zip(self.shapes, self.dtypes, strict=True)
        ]

    @property
    def is_real(self) -> bool:
        """Whether no array is complex."""
        return all(dtype.kind != "c" for dtype in self.dtypes)

    def pack(self, arrays: Sequence[Array]) -> Array:
        """Lay arrays end to end, complex numbers as pairs."""
        parts = [_pairs(np.asarray(value_of(a))) for a in arrays]
        return np.concatenate(parts) if parts else np.zeros(0)

    def unpack(self, v: Array) -> list[Array]:
        """Cut a vector into arrays: in double precision, complex if the vector is."""
        return [
            _from_pairs(piece).reshape(shape) if dtype.kind == "c" else piece
            for piece, shape, dtype in zip(self.cut(v), self.shapes, self.dtypes, strict=True)
        ]

    def cut(self, v: Array) -> list[Array]:
        """Cut a vector into real arrays: those of complex numbers have another axis, (re, im)."""
        pieces = np.split(v, np.cumsum(self.sizes)[:-1]) if self.shapes else []
        return [
            piece.reshape((*shape, 2) if dtype.kind == "c" else shape)
            for piece, shape, dtype in zip(pieces, self.shapes, self.dtypes, strict=True)
        ]


def _from_pairs(v: Array) -> Array:
    return v[..., 0] + 1j * v[..., 1]


def _pairs(a: Array) -> Array:
    a = np.ravel(a)
    return a.astype(complex).view(float) if a.dtype.kind == "c" else a.astype(float)
