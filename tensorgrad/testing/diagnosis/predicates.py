"""Which parameters decide whether an example fails.

`separating` compares examples that fail with examples that pass, each made by `describe`, and says
by which of their parameters they differ. It knows no operation but convolution, whose remainder of
the stride is no parameter by itself.
"""

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from math import comb, prod
from typing import Any, TypeAlias

import numpy as np

from tensorgrad.conv.geometry import Geometry, dilated, pads_for, per_axis
from tensorgrad.errors import ShapeError, plain
from tensorgrad.typing import Array

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
    ordered = symbol in {"<", ">"}

    def holds(row: Facts) -> bool:
        if a not in row or b not in row or type(row[a]) is not type(row[b]):
            return False
        # tuples of numbers and of pairs are not in any order
        return (not ordered or type(row[a]) in (int, float)) and compare(row[a], row[b])

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
    if isinstance(value, Geometry):  # what users name
        return dict(value._asdict())
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
