"""How a wrong gradient relates to the right one, in a sentence: a guess for a report."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import partial
from itertools import chain, combinations, permutations
from math import log10, prod
from typing import TypeAlias

import numpy as np

from tensorgrad.typing import Array, Shape

# The right entries were moved or replaced by others of them: the same map also moves the tolerance.
Move: TypeAlias = Callable[[Array], Array]

# Shifts that are tried: gradients are off by one or by a padding, rarely by more.
_FARTHEST = 16
# An explanation leaves at most this part of the error: where the tolerance is wide, so that many
# would do, none is given.
_LEFT_OVER = 0.1
# Entries, indices and factors that a sentence lists.
_LISTED = 6


def pattern(
    found: Array, expected: Array, *, tolerance: Array, others: Mapping[str, Array] | tuple[()] = ()
) -> str | None:
    """Guess in one sentence how a wrong gradient relates to the right one.

    Parameters
    ----------
    found
        The wrong gradient, real or complex.
    expected
        The right one; NaN where it is not known. Of the same shape as a rule, but a gradient of
        another shape is recognised where it was not transposed, summed or expanded.
    tolerance
        How far entries may be apart: a number, or an array that broadcasts to ``expected``.
    others
        The right gradients with respect to the other arguments, by name.

    Returns
    -------
    str or None
        What explains every known entry within the tolerance, the simplest first; None where no
        entry is wrong, or where nothing that is tried explains them all.

    Examples
    --------
    >>> import numpy as np
    >>> right = np.array([[1.0, 2.0, 4.0], [3.0, 5.0, 9.0]])
    >>> pattern(-right, right, tolerance=1e-9)
    'negated'
    >>> pattern(right / 6, right, tolerance=1e-9)
    'divided by 6 (the number of entries)'
    >>> pattern(np.roll(right, 1, axis=1), right, tolerance=1e-9)
    'rolled by 1 along axis 1'
    >>> pattern(right * [1, 1, 0], right, tolerance=1e-9)
    'zero at the last index along axis 1'
    """
    found, expected = np.asarray(found), np.asarray(expected)
    tolerance = np.broadcast_to(np.asarray(tolerance, float), expected.shape)
    if found.shape != expected.shape:
        return _other_shape(found, expected, tolerance)
    guesses = (
        _not_finite,
        _zero,
        partial(_swapped, others=dict(others)),
        _multiplied,
        _each_changed,
        _part,
        _moved,
        _moved_but_for_the_edge,
        _off_by_a_constant,
        _reordered,
        _only_somewhere,
        _few_digits,
    )
    # sums and products that overflow explain nothing
    with np.errstate(all="ignore"):
        gap = _Gap(found, expected, tolerance)
        if not gap.wrong.any():
            return None
        return next(filter(None, (guess(gap) for guess in guesses)), None)


class _Gap:
    """A wrong gradient beside the right one."""

    def __init__(self, found: Array, expected: Array, tolerance: Array) -> None:
        self.known = np.isfinite(expected) & ~np.isnan(tolerance)
        self.found, self.expected = found, np.where(self.known, expected, np.nan)
        self.tolerance = np.where(self.known, tolerance, np.nan)
        self.error = abs(found - self.expected)
        self.wrong = self.known & ~(self.error <= self.tolerance)
        inexact = found.dtype if found.dtype.kind in "fc" else np.dtype(float)
        self.epsilon = float(np.finfo(inexact).eps)

    def explained_by(self, candidate: Array, slack: Array = 0.0) -> bool:
        """Tell whether found is the candidate, wherever that is known.

        Parameters
        ----------
        candidate
            Made of expected; NaN where this depends on unknown entries.
        slack
            How far entries may be apart, where that is more than the tolerance.
        """
        candidate = np.asarray(candidate)
        allowed = np.fmax(np.fmax(self.tolerance, slack), 0)
        apart = abs(self.found - candidate)
        # a comparison with NaN is False: what is not known is no objection
        if (apart > allowed + 8 * self.epsilon * abs(candidate)).any():
            return False
        compared = np.isfinite(apart)
        if compared.sum() < self.known.sum():
            return False
        # what is compared must say something: of few entries, more than that zeros are zeros
        largest = np.fmax(np.fmax(abs(candidate), abs(self.found)), abs(self.expected))
        informative = (largest > allowed)[compared].sum()
        if informative < (1 if self.known.all() else 2):
            return False
        unexplained = np.linalg.norm(apart[compared])
        return bool(unexplained <= _LEFT_OVER * np.linalg.norm(self.error[self.known]))

    def factor(self, mask: Array) -> complex:
        """Return the number that takes the right entries under a mask nearest to the found."""
        right, found = self.expected[mask], self.found[mask]
        factor = complex(np.vdot(right, found) / np.vdot(right, right))
        return factor if factor.imag else factor.real


def _not_finite(gap: _Gap) -> str | None:
    bad = gap.known & ~np.isfinite(gap.found)
    if not bad.any():
        return None
    what = "NaN" if np.isnan(gap.found[bad]).all() else "not finite"
    if bad[gap.known].all():
        return f"{what} everywhere"
    where = (name for name, mask in _regions(gap, bad) if (bad == mask)[gap.known].all())
    return f"{what} {next(where)}"


def _zero(gap: _Gap) -> str | None:
    if gap.explained_by(np.where(gap.known, 0.0, np.nan)):
        return "zero everywhere: detached, or not passed on"
    return None


def _swapped(gap: _Gap, others: Mapping[str, Array]) -> str | None:
    for name, other in others.items():
        if np.shape(other) == gap.found.shape and gap.explained_by(np.asarray(other)):
            return f"the gradient with respect to {name}"
    return None


# ---- factors ------------------------------------------------------------------------------------


def _multiplied(gap: _Gap) -> str | None:
    return _factor_under(gap, gap.known, _lengths(gap.expected.shape))


def _each_changed(gap: _Gap) -> str | None:
    for name, change in ("conjugated", np.conj), ("real part only", np.real), ("absolute", np.abs):
        if gap.explained_by(change(gap.expected)):
            return name
    return None


def _lengths(shape: Shape) -> dict[int, str]:
    """Return what numbers there are to divide by, or to multiply with, where a mean is taken."""
    names: dict[int, str] = {}
    for axes in _subsets(axis for axis, side in enumerate(shape) if side > 1):
        names.setdefault(prod(shape[axis] for axis in axes), f"the length of {_axes(axes)}")
    size = prod(shape)
    if len([side for side in shape if side > 1]) > 1:
        names[size] = "the number of entries"
    return names


def _factor_under(gap: _Gap, mask: Array, lengths: Mapping[int, str]) -> str | None:
    """Return by which factor the entries under a mask are wrong, if it is the same for all."""
    informative = mask & (abs(gap.expected) > gap.tolerance)
    if not informative.any():
        return None

    def fits(factor: complex) -> bool:
        candidate = np.where(mask, factor * gap.expected, gap.expected)
        return gap.explained_by(candidate, (1 + abs(factor)) * gap.tolerance)

    factor = gap.factor(informative)
    for exact, name in _factors(factor, lengths):
        if fits(exact):
            return name
    # one entry is always some multiple of another, and what is nearly zero nearly any
    if (mask & (abs(gap.expected) > 10 * gap.tolerance)).sum() < 2 or not fits(factor):
        return None
    if isinstance(factor, complex):
        return f"multiplied by {factor:.6g}"
    off = abs(factor - 1)
    if off < 0.01:
        digits = 2 - round(log10(off))
        return (
            f"multiplied by {factor:.{digits}f} "
            f"(a relative error of {off:.1g}: a constant is slightly off)"
        )
    return f"multiplied by {factor:.6g}"


def _factors(near: complex, lengths: Mapping[int, str]) -> Iterator[tuple[complex, str]]:
    """Yield factors that have a reason, and what to call them."""
    yield -1, "negated"
    yield 1j, "multiplied by i"
    yield -1j, "multiplied by -i"
    for n, name in lengths.items():
        for sign, lead in (1, ""), (-1, "negated and "):
            yield sign * n, f"{lead}multiplied by {n} ({name})"
            yield sign / n, f"{lead}divided by {n} ({name})"
        if n > 1:
            yield n / (n - 1), f"multiplied by {n}/{n - 1} (n / (n - 1), n {name})"
            yield (n - 1) / n, f"multiplied by {n - 1}/{n} ((n - 1) / n, n {name})"
    if np.isfinite(near):
        simple = Fraction(near.real).limit_denominator(8)
        if 0 < abs(simple.numerator) <= 8:
            divided = abs(simple.numerator) == 1
            lead = "negated and " if divided and simple < 0 else ""
            what = f"divided by {simple.denominator}" if divided else f"multiplied by {simple}"
            yield float(simple), lead + what


def _off_by_a_constant(gap: _Gap) -> str | None:
    if not gap.known.all():
        return None
    difference = gap.found - gap.expected
    if gap.found.size > 1:
        amount = difference.mean()
        if gap.explained_by(gap.expected + amount, 2 * gap.tolerance.max()):
            return f"off by {amount:.6g} everywhere"
    for axis in (axis for axis, side in enumerate(gap.found.shape) if side > 1):
        amounts = difference.mean(axis=axis, keepdims=True)
        slack = 2 * gap.tolerance.max(axis=axis, keepdims=True)
        if gap.explained_by(gap.expected + amounts, slack):
            return f"off by the same amount along axis {axis}: a sum or mean along it is missing"
    return None


# ---- entries that stand in the wrong place ------------------------------------------------------


def _moved(gap: _Gap) -> str | None:
    signs: list[tuple[str, Move]] = [("", lambda x: x), (" and negated", np.negative)]
    if np.iscomplexobj(gap.expected):
        signs.append((" and conjugated", np.conj))
    for more, change in signs:
        for name, move in _moves(gap.expected.shape):
            if gap.explained_by(move(change(gap.expected)), move(gap.tolerance)):
                return name + more
    return None


def _moves(shape: Shape) -> Iterator[tuple[str, Move]]:
    """Yield the ways to move entries that give an array of the same shape, the simplest first."""
    long = [axis for axis, side in enumerate(shape) if side > 1]
    hint = ": as from wrong padding or a forgotten remainder of the stride"
    for order in _orders(len(shape)):
        if tuple(shape[axis] for axis in order) == shape:
            yield _transposed(order), partial(np.transpose, axes=order)
    for axes in _subsets(long):
        yield f"flipped along {_axes(axes)}", partial(np.flip, axis=axes)
    for axes in _subsets(long):
        shortest = min(shape[axis] for axis in axes)
        farthest = min(shortest, _FARTHEST if len(axes) == 1 else 2)
        for k in chain.from_iterable((step, -step) for step in range(1, farthest + 1)):
            shifted = f"shifted by {k} along {_axes(axes)}, zeros moving in"
            yield shifted + hint, partial(_shift, k=k, axes=axes)
            if len(axes) == 1:
                rolled = f"rolled by {k} along {_axes(axes)}"
                yield rolled, partial(np.roll, shift=k, axis=axes[0])
    for axes in _subsets(long):
        for what, reduce in ("mean", np.mean), ("sum", np.sum):
            yield (
                f"everywhere along {_axes(axes)} the {what} of the right entries along it",
                partial(_spread, reduce=reduce, axes=axes),
            )
    if len(long) > 1:
        yield "read in Fortran order in place of C order", lambda x: x.ravel("F").reshape(x.shape)


def _orders(ndim: int) -> Iterator[tuple[int, ...]]:
    """Yield orders of axes: first those that exchange two."""
    for a, b in combinations(range(ndim), 2):
        order = list(range(ndim))
        order[a], order[b] = b, a
        yield tuple(order)
    if ndim <= 5:
        yield from permutations(range(ndim))


def _transposed(order: Sequence[int]) -> str:
    moved = [axis for axis, source in enumerate(order) if axis != source]
    if len(moved) == 2:
        return f"transposed: {_axes(moved)} exchanged"
    return f"transposed: its axes in the order {tuple(order)}"


def _shift(x: Array, k: int, axes: tuple[int, ...]) -> Array:
    """Return x moved by k towards higher indices along each of the axes, with zeros moving in."""
    moved = np.zeros_like(x)
    to, origin = [slice(None)] * x.ndim, [slice(None)] * x.ndim
    for axis in axes:
        to[axis] = slice(k, None) if k > 0 else slice(None, k)
        origin[axis] = slice(None, -k) if k > 0 else slice(-k, None)
    moved[tuple(to)] = x[tuple(origin)]
    return moved


def _moved_but_for_the_edge(gap: _Gap) -> str | None:
    """Recognise a shift where something other than zeros, which was outside before, moves in."""
    long = [axis for axis, side in enumerate(gap.expected.shape) if side > 1]
    for axes in _subsets(long):
        for k in 1, -1, 2, -2:
            inner = _shift(np.ones(gap.expected.shape), k, axes) == 1
            compared = inner & (abs(_shift(gap.expected, k, axes)) > gap.tolerance)
            if 2 * inner.sum() < inner.size or (compared & gap.wrong).sum() < 2:
                continue
            candidate = np.where(inner, _shift(gap.expected, k, axes), gap.found)
            if gap.explained_by(candidate, _shift(gap.tolerance, k, axes)):
                return f"shifted by {k} along {_axes(axes)}, except for what moves in"
    return None


def _spread(x: Array, reduce: Callable[..., Array], axes: tuple[int, ...]) -> Array:
    return np.broadcast_to(reduce(x, axis=axes, keepdims=True), x.shape)


def _reordered(gap: _Gap) -> str | None:
    if not gap.known.all() or gap.found.size < 3:
        return None
    candidate = np.empty_like(gap.expected)
    candidate.flat[np.argsort(gap.found, axis=None)] = np.sort(gap.expected, axis=None)
    moved = gap.explained_by(candidate, gap.tolerance.max())
    return "the right numbers in another order" if moved else None


# ---- only some entries are wrong ----------------------------------------------------------------


def _part(gap: _Gap) -> str | None:
    """Say what the entries that are wrong have in common, where others are right."""
    if gap.wrong[gap.known].all():
        return None
    regions = [*_regions(gap, gap.wrong)]
    for where, mask in regions:
        if gap.explained_by(np.where(mask, 0 * gap.expected, gap.expected)):
            return f"zero {where}"
    if (abs(gap.expected[gap.wrong]) <= gap.tolerance[gap.wrong]).all():
        return f"not zero {regions[0][0]}, where it should be"
    for where, mask in regions:
        if (name := _factor_under(gap, mask, {})) is not None:
            return f"{name} {where}"
    return None


def _only_somewhere(gap: _Gap) -> str | None:
    if gap.wrong[gap.known].all():
        return None
    *named, (listed, _) = _regions(gap, gap.wrong)
    for where, mask in named:
        if (gap.wrong == mask)[gap.known].all():
            return f"wrong only {where}"
    return f"wrong only {listed}" if gap.wrong.sum() <= min(_LISTED, gap.known.sum() / 4) else None


def _regions(gap: _Gap, chosen: Array) -> Iterator[tuple[str, Array]]:
    """Yield sets of entries, not all, that hold the chosen, and what to call them.

    Small ones come first. The last is the list of the chosen.
    """
    regions = [box] if (box := _box(gap, chosen)) is not None else []
    if chosen.ndim > 1:
        row, column = np.indices(chosen.shape)[-2:]
        for name, mask in ("above", row < column), ("below", row > column), ("on", row == column):
            if mask.any() and not mask.all() and not (chosen & ~mask).any():
                regions.append((f"{name} the diagonal of the last two axes", mask))
    yield from sorted(regions, key=lambda region: region[1].sum())
    yield _list_of(chosen), chosen


def _box(gap: _Gap, chosen: Array) -> tuple[str, Array] | None:
    """Return the product of sets of indices, one an axis, that holds the chosen entries."""
    sets = [np.unique(indices).tolist() for indices in np.argwhere(chosen).T]
    proper = [axis for axis, side in enumerate(chosen.shape) if len(sets[axis]) < side]
    if not proper:
        return None
    for axis in proper:  # of an index of which nothing is known, nothing is said
        rest = tuple(other for other in range(chosen.ndim) if other != axis)
        if not gap.known.any(axis=rest).all():
            return None
    mask = np.zeros(chosen.shape, bool)
    mask[np.ix_(*sets)] = True
    if mask.sum() == 1:
        return _list_of(mask), mask
    where = " and ".join(
        f"{_indices(sets[axis], chosen.shape[axis])} along axis {axis}" for axis in proper
    )
    return f"at {where}", mask


def _indices(indices: Sequence[int], side: int) -> str:
    """Name some of the indices below side."""
    first, n = indices[0], len(indices)
    if n == 1:
        return "the last index" if first == side - 1 else f"index {first}"
    if indices == list(range(n)):
        return f"index < {n}"
    if indices == list(range(side - n, side)):
        return f"index >= {first}"
    step = indices[1] - first
    if indices == list(range(first % step, side, step)):
        return f"index % {step} == {first % step}"
    listed = ", ".join(map(str, indices[:_LISTED]))
    return f"indices {listed}" + (", ..." if n > _LISTED else "")


def _list_of(mask: Array) -> str:
    places = np.argwhere(mask)
    listed = ", ".join(f"({', '.join(map(str, place))})" for place in places[:_LISTED].tolist())
    if len(places) <= _LISTED:
        return f"at {listed}"
    return f"at {len(places)} of {mask.size} entries: {listed}, ..."


# ---- the right numbers, nearly, or in another shape ---------------------------------------------


def _few_digits(gap: _Gap) -> str | None:
    largest = abs(gap.expected[gap.known]).max()
    error = gap.error[gap.known].max()
    # the first digits of two or three entries can agree by accident
    if not error < (0.01 if gap.known.sum() > 3 else 1e-5) * largest:
        return None
    for name in "float16", "float32":
        if gap.explained_by(_rounded(gap.expected, name)):
            return f"rounded to {name}"
    digits = int(-log10(error / largest))
    hint = ": as if computed in float32" if digits in (6, 7) else ": an approximation"
    return f"right to {digits} digits of the largest entry only{hint}"


def _rounded(x: Array, dtype: str) -> Array:
    real = x.real.astype(dtype).astype(float)
    return real + 1j * x.imag.astype(dtype) if np.iscomplexobj(x) else real


def _other_shape(found: Array, expected: Array, tolerance: Array) -> str | None:
    known = np.isfinite(expected)

    def same(candidate: Array) -> bool:
        if candidate.shape != expected.shape or not known.any():
            return False
        return bool((abs(candidate - expected)[known] <= tolerance[known]).all())

    for order in _orders(found.ndim):
        if same(found.transpose(order)):
            return f"{_transposed(np.argsort(order).tolist())}"
    if found.size == expected.size and same(found.reshape(expected.shape)):
        return f"the right numbers in the shape {found.shape} in place of {expected.shape}"
    for axes in _subsets(range(found.ndim)):
        for keepdims in False, True:
            if same(found.sum(axis=axes, keepdims=keepdims)):
                return f"not summed over {_axes(axes)}"
    for axes in [(), *_subsets(range(expected.ndim))]:
        if found.ndim + len(axes) == expected.ndim:
            column = np.expand_dims(found, axes)
            sides = zip(column.shape, expected.shape, strict=True)
            fits = all(side in (1, whole) for side, whole in sides)
            if fits and same(np.broadcast_to(column, expected.shape)):
                return f"of shape {found.shape}, not expanded to {expected.shape}"
    return None


def _subsets(axes: Iterable[int]) -> Iterator[tuple[int, ...]]:
    """Yield sets of up to four axes, small ones first."""
    axes = list(axes)
    return chain.from_iterable(combinations(axes, n) for n in range(1, min(len(axes), 4) + 1))


def _axes(axes: Sequence[int]) -> str:
    *most, last = map(str, axes)
    return f"axes {', '.join(most)} and {last}" if most else f"axis {last}"
