"""What a wrong gradient looks like, and which examples it is wrong for: guesses for a report.

`pattern` compares two arrays and says in a sentence how they relate. `separating` compares examples
that fail with examples that pass, each made by `describe`, and says by which of their parameters
they differ. Neither knows the operation: they only look.
"""

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import chain, combinations, permutations
from math import comb, log10, prod
from typing import Any, TypeAlias

import numpy as np

from tensorgrad.conv.geometry import dilated, pads_for, per_axis
from tensorgrad.errors import ShapeError, plain
from tensorgrad.typing import Array, Shape

# ---- how two arrays relate ----------------------------------------------------------------------

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
        _multiplied_along_axis,
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
        # where the ratio of found and right is known to a tenth
        self.precise = self.known & (abs(expected) > 10 * self.tolerance)
        inexact = found.dtype if found.dtype.kind in "fc" else np.dtype(float)
        self.epsilon = float(np.finfo(inexact).eps)
        self._glance = np.linspace(0, max(found.size - 1, 0), 32).astype(int)

    def explained_by(self, candidate: Array, slack: Array = 0.0) -> bool:
        """Tell whether found is the candidate, wherever that is known.

        Parameters
        ----------
        candidate
            Made of expected; NaN where this depends on unknown entries.
        slack
            How far entries may be apart, where that is more than the tolerance.
        """
        candidate, slack = np.asarray(candidate), np.broadcast_to(slack, self.found.shape)
        arrays = (candidate, slack, self.found, self.tolerance)
        # nearly all candidates are dismissed at a glance
        if not self._agree(*(x.flat[self._glance] for x in arrays)) or not self._agree(*arrays):
            return False
        compared = np.isfinite(candidate) & np.isfinite(self.found)
        if compared.sum() < self.known.sum():
            return False
        residual, right = abs(self.found - candidate)[compared], abs(candidate)[compared]
        # what is compared must say something: of few entries, more than that zeros are zeros
        largest = np.fmax(np.fmax(right, abs(self.found[compared])), abs(self.expected[compared]))
        allowed = np.fmax(self.tolerance, slack)[compared]
        informative = (largest > np.fmax(allowed, 0)).sum()
        if informative < (1 if self.known.all() else 2):
            return False
        unexplained = np.linalg.norm(residual)
        return bool(unexplained <= _LEFT_OVER * np.linalg.norm(self.error[self.known]))

    def _agree(self, candidate: Array, slack: Array, found: Array, tolerance: Array) -> bool:
        allowed = np.fmax(np.fmax(tolerance, slack), 0) + 8 * self.epsilon * abs(candidate)
        # a comparison with NaN is False: what is not known is no objection
        return not (abs(found - candidate) > allowed).any()

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

    for factor, name in _factors(lengths):
        if fits(factor):
            return name
    factor = gap.factor(informative)
    # one entry is always some multiple of another
    if (mask & gap.precise).sum() < 2 or not fits(factor):
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


def _factors(lengths: Mapping[int, str]) -> Iterator[tuple[complex, str]]:
    """Yield the factors that have a reason, and what to call them."""
    yield -1, "negated"
    yield 1j, "multiplied by i"
    yield -1j, "multiplied by -i"
    for n in sorted({2, 3, 4, *lengths}):
        reason = f" ({lengths[n]})" if n in lengths else ""
        for sign, lead in (1, ""), (-1, "negated and "):
            yield sign * n, f"{lead}multiplied by {n}{reason}"
            yield sign / n, f"{lead}divided by {n}{reason}"
    for n, name in lengths.items():
        if n > 1:
            yield n / (n - 1), f"multiplied by {n}/{n - 1} (n / (n - 1), n {name})"
            yield (n - 1) / n, f"multiplied by {n - 1}/{n} ((n - 1) / n, n {name})"
    fractions = {Fraction(p, q) for p in range(1, 9) for q in range(1, 9)}
    for fraction in sorted(fractions - {1}, key=lambda x: (x.denominator, x.numerator)):
        yield float(fraction), f"multiplied by {fraction}"
        yield -float(fraction), f"multiplied by -{fraction}"


def _multiplied_along_axis(gap: _Gap) -> str | None:
    right, found = (np.where(gap.precise, x, 0) for x in (gap.expected, gap.found))
    for axis, side in enumerate(gap.found.shape):
        rest = tuple(other for other in range(gap.found.ndim) if other != axis)
        if side < 2 or gap.precise.sum(axis=rest).min() < 2:
            continue
        squares = (abs(right) ** 2).sum(axis=rest, keepdims=True)
        factors = (np.conj(right) * found).sum(axis=rest, keepdims=True) / squares
        if gap.explained_by(factors * gap.expected, (1 + abs(factors)) * gap.tolerance):
            listed = ", ".join(f"{factor:.6g}" for factor in factors.flat[:_LISTED])
            more = ", ..." if side > _LISTED else ""
            return f"multiplied by a factor for each index along axis {axis}: {listed}{more}"
    return None


def _off_by_a_constant(gap: _Gap) -> str | None:
    if not gap.known.all():
        return None
    difference = gap.found - gap.expected
    if gap.found.size > 1:
        amount = difference.mean()
        if gap.explained_by(gap.expected + amount, 2 * gap.tolerance.max()):
            return f"off by {amount:.6g} everywhere"
    for axis, side in enumerate(gap.found.shape):
        amounts = difference.mean(axis=axis, keepdims=True)
        slack = 2 * gap.tolerance.max(axis=axis, keepdims=True)
        if side > 1 and gap.explained_by(gap.expected + amounts, slack):
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
    for axis in long:
        steps = range(1, min(shape[axis], _FARTHEST + 1))
        for k in chain.from_iterable((step, -step) for step in steps):
            yield (
                f"shifted by {k} along axis {axis}, zeros moving in{hint}",
                partial(_shift, k=k, axes=(axis,)),
            )
            yield f"rolled by {k} along axis {axis}", partial(np.roll, shift=k, axis=axis)
    for axes in _subsets(long):
        for k in (1, -1, 2, -2) if len(axes) > 1 else ():
            yield (
                f"shifted by {k} along each of {_axes(axes)}, zeros moving in",
                partial(_shift, k=k, axes=axes),
            )
            ks = (k,) * len(axes)
            yield (
                f"rolled by {k} along each of {_axes(axes)}",
                partial(np.roll, shift=ks, axis=axes),
            )
    for axes in _subsets(long):
        for what, reduce in ("mean", np.mean), ("sum", np.sum):
            yield (
                f"everywhere along {_axes(axes)} the {what} of the right entries along it",
                partial(_spread, reduce=reduce, axes=axes),
            )
    for axis in long:
        for what, i in ("first", 0), ("last", -1):
            yield (
                f"the {what} of the right entries along axis {axis}, repeated along it",
                partial(_repeat, i=i, axis=axis),
            )
    if len(long) > 1:
        yield "read in Fortran order in place of C order", lambda x: x.ravel("F").reshape(x.shape)
        yield (
            "read in C order in place of Fortran order",
            lambda x: x.ravel().reshape(x.shape, order="F"),
        )


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


def _repeat(x: Array, i: int, axis: int) -> Array:
    return np.broadcast_to(np.take(x, [i], axis=axis), x.shape)


def _reordered(gap: _Gap) -> str | None:
    for axis, side in enumerate(gap.found.shape):
        if side < 2 or side > 64:
            continue
        order = _slices_found(gap, axis)
        if order is not None and gap.explained_by(
            np.take(gap.expected, order, axis), np.take(gap.tolerance, order, axis)
        ):
            shown = f": {', '.join(map(str, order))}" if side <= 2 * _LISTED else ""
            return f"the right entries in another order along axis {axis}{shown}"
    if gap.known.all() and gap.found.size > 2:
        candidate = np.empty_like(gap.expected)
        candidate.flat[np.argsort(gap.found, axis=None)] = np.sort(gap.expected, axis=None)
        if gap.explained_by(candidate, gap.tolerance.max()):
            return "the right numbers in another order"
    return None


def _slices_found(gap: _Gap, axis: int) -> list[int] | None:
    """Return for each slice along an axis which of the right ones it is, each of them once."""
    right = np.moveaxis(gap.expected, axis, 0)
    bounds = np.moveaxis(gap.tolerance, axis, 0)
    rest = list(range(len(right)))
    order = []
    for found in np.moveaxis(gap.found, axis, 0):
        same = (i for i in rest if (abs(found - right[i]) <= bounds[i]).all())
        if (i := next(same, None)) is None:
            return None
        order.append(i)
        rest.remove(i)
    return order


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


# ---- which parameters decide --------------------------------------------------------------------

# The values of parameters, shapes and so on, by name.
Example: TypeAlias = Mapping[str, Any]
# An example taken apart: also the entries of tuples, and what follows from several values.
Facts: TypeAlias = dict[str, Any]

# How likely a separation may be an accident.
_ACCIDENT = 0.1
# The part of the passing examples that "fails only if" may hold for.
_FEW = 0.25
# What is special about sizes and parameters, as one would rather say it: "> 1" before "!= 1".
_SPECIAL = (
    ("==", (0, 1)),
    (">", (0, 1, 2)),
    ("<", (0, 2, 3)),
    ("==", (-1,)),
    ("!=", (0, 1, -1)),
)
_REMAINDER = "remainder"
_LEGEND = f", {_REMAINDER} = (side + low + high - dilation * (kernel - 1) - 1) % stride"


@dataclass(frozen=True)
class Predicate:
    """Something that is true of some examples: in words, and as a function of their facts."""

    text: str
    holds: Callable[[Facts], bool]


def separating(failing: Sequence[Example], passing: Sequence[Example]) -> str | None:
    """Say which parameters decide whether an example fails.

    Parameters
    ----------
    failing, passing
        Examples as `describe` returns them. They should be drawn independently: of examples that a
        search has moved to one place, much is true that decides nothing.

    Returns
    -------
    str or None
        The simplest condition that holds for all failing examples and no passing one; else one that
        holds for all failing and few passing, with the numbers of both. None where there is none,
        where so few examples were seen that some condition would hold by accident, or with fewer
        than two of each.

    Examples
    --------
    >>> strides = [(1, 1), (1, 2), (2, 1), (2, 2), (3, 2), (3, 3)]
    >>> failing = [{"stride": (s, t), "groups": g} for s, t in strides for g in (1, 2) if s != t]
    >>> passing = [{"stride": (s, t), "groups": g} for s, t in strides for g in (1, 2) if s == t]
    >>> separating(failing, passing)
    'fails exactly when stride[0] != stride[1] (6 of 6 failing, 0 of 6 passing)'
    """
    if min(len(failing), len(passing)) < 2:
        return None
    n, total = len(failing), len(failing) + len(passing)
    rows = [_facts(example) for example in (*failing, *passing)]
    # If what fails were drawn by lot, a condition that is true of n + k examples would be true of
    # all n failing ones with probability C(n + k, n) / C(total, n). This times the number of
    # different conditions that were tried bounds the probability that any of them is.
    tried: set[tuple[bool, ...]] = set()
    best, best_k = "", len(passing)
    given = list(dict.fromkeys(chain(*failing, *passing)))
    for level in _levels(rows, given):
        columns = [(tuple(map(predicate.holds, rows)), predicate.text) for predicate in level]
        tried.update(column for column, _ in columns if any(column) and not all(column))
        for column, text in columns:
            k = sum(column[n:])
            accident = len(tried) * comb(n + k, n) / comb(total, n)
            few = k <= _FEW * len(passing) and k < best_k
            if all(column[:n]) and few and accident <= _ACCIDENT:
                best, best_k = text, k
        if best_k == 0:
            break
    if not best:
        return None
    verdict = "fails only if" if best_k else "fails exactly when"
    legend = _LEGEND if _REMAINDER in best else ""
    counts = f"({n} of {n} failing, {best_k} of {len(passing)} passing)"
    return f"{verdict} {best}{legend} {counts}"


def _facts(example: Example) -> Facts:
    facts: Facts = {}
    for name, value in example.items():
        facts.update(_entries(name, value))
    if (remainders := _remainders(example)) is not None:
        facts.update(_entries(_REMAINDER, remainders))
    shape = next((value for name, value in example.items() if name.endswith(".shape")), None)
    axis = example.get("axis")
    if shape and type(axis) is int and -len(shape) <= axis < len(shape):
        facts["axis from the end"] = axis % len(shape) - len(shape)
        facts["the length of the axis"] = shape[axis]
    return facts


def _entries(name: str, value: Any) -> Facts:
    """Return a value, and if it is a tuple its entries and what they have in common."""
    facts = {name: value}
    if type(value) is not tuple:
        return facts
    array = name.removesuffix(".shape")
    if array != name:
        facts |= {f"{array}.ndim": len(value), f"{array}.size": prod(value)}
    for i, entry in enumerate(value):
        facts.update(_entries(f"{name}[{i}]", entry))
    if array != name:
        return facts | {f"{name}[{i}]": value[i] for i in (-1, -2) if len(value) >= -i}
    numbers = [entry for entry in facts.values() if type(entry) is int]
    if numbers:
        facts |= {f"max({name})": max(numbers), f"min({name})": min(numbers)}
    return facts


def _remainders(example: Example) -> tuple[int, ...] | None:
    """Return how many entries the windows of a convolution leave over along each axis."""
    x, w = example.get("x.shape"), example.get("w.shape")
    if "stride" not in example or x is None or w is None or len(w) < 3:
        return None
    n = len(w) - 2
    last = str(example.get("layout", "")).endswith("C")
    sides, kernel = (x[-n - 1 : -1], w[:n]) if last else (x[-n:], w[-n:])
    try:
        stride, dilation, holes = (
            per_axis("separating", name, example.get(name, 1), n)
            for name in ("stride", "dilation", "input_dilation")
        )
        pads = pads_for("separating", example.get("padding", 0), sides, kernel, stride, dilation)
    except ShapeError:  # not the parameters of a convolution
        return None
    return tuple(
        (dilated(i, a) + low + high - dilated(k, d)) % s
        for i, a, (low, high), k, d, s in zip(
            sides, holes, pads, kernel, dilation, stride, strict=True
        )
    )


def _levels(rows: Sequence[Facts], given: Iterable[str]) -> Iterator[list[Predicate]]:
    """Yield predicates about facts, the simplest first, and on what is given at all."""
    values: dict[str, dict[Any, None]] = {}
    for row in rows:
        for name, value in row.items():
            values.setdefault(name, {})[value] = None
    numbers = [name for name, found in values.items() if any(type(v) is int for v in found)]
    yield [
        *(predicate for name in given for predicate in _presence(name)),
        *(predicate for name, found in values.items() for predicate in _flags(name, found)),
    ]
    yield [
        Predicate(f"{name} {symbol} {c}", _compared(name, _RELATIONS[symbol], c))
        for symbol, constants in _SPECIAL
        for name in numbers
        for c in constants
    ]
    yield [predicate for name, found in values.items() for predicate in _constants(name, found)]
    wholes = [name for name, found in values.items() if any(type(v) in (tuple, str) for v in found)]
    yield [_relation(a, op, b) for op in ("==", "!=") for a, b in combinations(wholes, 2)]
    pairs = [
        (a, b)
        for a, b in combinations(numbers, 2)
        if min(len(values[a]), len(values[b])) > 1 and "(" not in a + b
    ]
    for akin in True, False:
        chosen = [pair for pair in pairs if _akin(*pair) is akin]
        yield [_relation(a, op, b) for op in _RELATIONS for a, b in chosen]


def _presence(name: str) -> Iterator[Predicate]:
    yield Predicate(f"{name} is given", lambda row: name in row)
    yield Predicate(f"{name} is not given", lambda row: name not in row)


def _flags(name: str, found: Iterable[Any]) -> Iterator[Predicate]:
    if any(value is None for value in found):
        yield Predicate(f"{name} is None", lambda row: name in row and row[name] is None)
        yield Predicate(f"{name} is not None", lambda row: row.get(name) is not None)
    if any(type(value) is bool for value in found):
        yield Predicate(name, lambda row: row.get(name) is True)
        yield Predicate(f"not {name}", lambda row: row.get(name) is False)


def _constants(name: str, found: Iterable[Any]) -> Iterator[Predicate]:
    for value in found:
        if value is not None and type(value) is not bool:
            for symbol in "==", "!=":
                holds = _compared(name, _RELATIONS[symbol], value)
                yield Predicate(f"{name} {symbol} {value!r}", holds)
        if type(value) is int:
            yield Predicate(f"{name} % 2 == {value % 2}", _compared(name, _same_parity, value))


def _same_parity(a: int, b: int) -> bool:
    return a % 2 == b % 2


def _compared(
    name: str, compare: Callable[[Any, Any], bool], constant: Any
) -> Callable[[Facts], bool]:
    """Return what compares a fact, where it is known and of the same type, with a constant."""
    return lambda row: type(row.get(name)) is type(constant) and compare(row[name], constant)


_RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}


def _relation(a: str, symbol: str, b: str) -> Predicate:
    """Return what compares two facts, where both are known and of the same type."""
    compare = _RELATIONS[symbol]

    def holds(row: Facts) -> bool:
        return a in row and b in row and type(row[a]) is type(row[b]) and compare(row[a], row[b])

    return Predicate(f"{a} {symbol} {b}", holds)


def _akin(a: str, b: str) -> bool:
    """Tell whether two facts are entries of one tuple, or have the same place in two."""
    (a, _, i), (b, _, j) = a.partition("["), b.partition("[")
    return a == b or (i == j != "")


# ---- what an example is described by ------------------------------------------------------------


def describe(
    args: Sequence[Any], params: Mapping[str, Any], names: Sequence[str]
) -> dict[str, Any]:
    """Return the values by which `separating` tells calls of a function apart.

    Parameters
    ----------
    args, params
        What the function is called with: positional arguments and keywords, arrays among them.
    names
        What to call the positional arguments, one for each.

    Returns
    -------
    dict
        Numbers, strings and tuples as they are; of an array its shape, dtype and layout, and of one
        of integers whether entries repeat and the smallest; of anything else its type.

    Examples
    --------
    >>> import numpy as np
    >>> describe([np.zeros((2, 3)).T], {"axis": -1}, ["x"])
    {'axis': -1, 'x.shape': (3, 2), 'x.dtype': 'float64', 'x.layout': 'Fortran-contiguous'}
    """
    described: dict[str, Any] = {}
    for name, value in (*params.items(), *zip(names, args, strict=True)):
        described.update(_described(name, value))
    return described


def _described(name: str, value: Any) -> dict[str, Any]:
    value = plain(value)
    if isinstance(value, (tuple, list)) and _is_simple(value):
        return {name: _as_tuple(value)}
    if isinstance(value, (tuple, list, dict)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        described: dict[str, Any] = {f"len({name})": len(value)}
        for key, item in items:
            described.update(_described(f"{name}[{key!r}]", item))
        return described
    if _is_simple(value):
        return {name: value}
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return {name: np.dtype(value).name}
    if not hasattr(value, "shape") or not hasattr(value, "dtype"):
        return {f"type({name})": type(value).__name__}
    described = {f"{name}.shape": tuple(value.shape), f"{name}.dtype": str(value.dtype)}
    if isinstance(value, np.ndarray):
        described[f"{name}.layout"] = _layout(value)
        if value.dtype.kind in "iu" and value.size:
            described[f"{name} has repeated entries"] = np.unique(value).size < value.size
            described[f"{name}.min()"] = int(value.min())
    return described


def _is_simple(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(map(_is_simple, value))
    return value is None or type(value) in (bool, int, float, complex, str)


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, (tuple, list)) else value


def _layout(x: Array) -> str:
    strides = [stride for stride, side in zip(x.strides, x.shape, strict=True) if side > 1]
    if x.size and 0 in strides:
        return "broadcast"
    if x.flags.c_contiguous:
        return "C-contiguous"
    if x.flags.f_contiguous:
        return "Fortran-contiguous"
    return "with negative strides" if min(strides) < 0 else "strided"
