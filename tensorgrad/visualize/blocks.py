"""Repeated blocks: what a drawing may show once, with the number of times that it is there.

A graph is a tree: scopes with operations and scopes in them. The items of a scope, each an
operation or a scope inside, make a sequence in creation order, and every item has a mark: equal for
operations that do the same, and for scopes of equal items that are wired alike, all the way down. A
repeat is a stretch of such a sequence with a period: items one period apart have equal marks, and
what they take is made by items one period apart, or is a leaf of the same type. Of what was made a
period before, or more, it is enough that equal operations made it: copies may share a value, and
derivatives run against their operations. The first copy may take anything from before the stretch,
as the input of a network in place of what the other copies get from each other; and the last copy
anything from behind it, as scopes do where derivatives are part of them. A graph without scopes is
one sequence of operations.

Leaves stand in no sequence, because weights are often made long before they are used. A leaf
belongs to the copy that alone takes it, if each copy has one in that place.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tensorgrad.visualize.node import GraphNode

# A repeat is worth a fold where that hides at least so many operations.
FEWEST_HIDDEN = 3
# How many periods are tried in a sequence: the most frequent distances between equal items.
MOST_PERIODS = 64
# How many operations a name lists.
LONGEST_NAME = 3

# an integer of an index, not a bound of a slice
_ALONE = re.compile(r"(?<![^( ])-?\d+(?![^,)])")

Scope = tuple[str, ...]
Item = int | Scope


@dataclass(frozen=True)
class Repeat:
    """A block that is there several times.

    Attributes
    ----------
    name
        What the scopes of the copies have in common, or some of the operations.
    scope
        The scope that the copies stand in; () in none.
    copies
        For each copy the numbers of its nodes, in creation order.
    """

    name: str
    scope: Scope
    copies: tuple[tuple[int, ...], ...]

    @property
    def label(self) -> str:
        """The name and the number of copies, as in ``block x12``."""
        return f"{self.name} x{len(self.copies)}"


def repeats(nodes: Sequence[GraphNode]) -> tuple[Repeat, ...]:
    """Return the repeated blocks of a graph, the outermost first; see `Graph.repeated`."""
    ids: dict[Hashable, int] = {}  # the same number for equal descriptions
    whats = [ids.setdefault(_what(node), len(ids)) for node in nodes]
    marks: dict[Item, int] = {node.number: whats[node.number] for node in nodes}
    members: dict[Item, list[int]] = {node.number: [node.number] for node in nodes}
    tree = _tree(nodes)
    sequences = []
    for scope in sorted(tree, key=len, reverse=True):  # the mark of a scope needs those inside it
        items = tree[scope]
        members[scope] = sorted(number for item in items for number in members[item])
        sequence = _Sequence(nodes, items, marks, members, whats)
        marks[scope] = ids.setdefault(sequence.description(), len(ids))
        sequences.append((scope, sequence))
    owned = _Owned(nodes)
    return tuple(
        Repeat(
            _name(copies[0], nodes),
            scope,
            owned.by([sorted(n for item in copy for n in members[item]) for copy in copies]),
        )
        for scope, sequence in sorted(sequences, key=lambda pair: _outermost(pair[0], members))
        for copies in sequence.repeats()
    )


def _outermost(scope: Scope, members: dict[Item, list[int]]) -> tuple[int, int]:
    return len(scope), min(members[scope], default=0)


def _what(node: GraphNode) -> Hashable:
    """Describe what a node does, whatever it takes."""
    constants = tuple(i is None for i in node.inputs)
    params = dict(node.params)
    if "index" in params:  # a step of a loop takes x[0], the next x[1]
        params["index"] = _ALONE.sub("i", params["index"])
    return node.op, node.type, tuple(params.items()), node.arguments, node.order, constants


def _tree(nodes: Sequence[GraphNode]) -> dict[Scope, list[Item]]:
    """Return the items of each scope in creation order; of the whole graph as those of ()."""
    tree: dict[Scope, list[Item]] = {(): []}
    for node in nodes:
        if node.kind == "op":
            for depth in range(len(node.scope)):
                inner = node.scope[: depth + 1]
                if inner not in tree:
                    tree[inner] = []
                    tree[node.scope[:depth]].append(inner)
            tree[node.scope].append(node.number)
    return tree


class _Taken(NamedTuple):
    """Something that an item takes from outside itself.

    ``item`` is the place in the sequence of the item that it is in, and ``at`` its place there.
    What is in no item of the sequence has the item -1, and its number; a leaf, of which only the
    type matters, has the item -2, and 0. ``what`` is equal where operations, or leaves, are.
    """

    item: int
    at: int
    what: int


class _Sequence:
    """The items of a scope, and what each takes from outside itself, leaves apart."""

    def __init__(
        self,
        nodes: Sequence[GraphNode],
        items: Sequence[Item],
        marks: dict[Item, int],
        members: dict[Item, list[int]],
        whats: Sequence[int],
    ) -> None:
        self.items = items
        self.marks = [marks[item] for item in items]
        self.sizes = [len(members[item]) for item in items]
        place = {
            number: _Taken(i, at, whats[number])
            for i, item in enumerate(items)
            for at, number in enumerate(members[item])
        }

        def taken(source: int) -> _Taken:
            if nodes[source].kind == "leaf":
                return _Taken(-2, 0, whats[source])
            return place.get(source) or _Taken(-1, source, whats[source])

        self.taken = [
            [
                found
                for number in members[item]
                for source in nodes[number].inputs
                if source is not None and (found := taken(source)).item != i
            ]
            for i, item in enumerate(items)
        ]

    def description(self) -> Hashable:
        """Describe the items and how they are wired; not what they take from outside."""
        return tuple(
            (mark, tuple(None if t.item < 0 else (i - t.item, t.at) for t in taken))
            for i, (mark, taken) in enumerate(zip(self.marks, self.taken, strict=True))
        )

    def repeats(self) -> Iterator[list[list[Item]]]:
        """Yield the copies of each repeat, in creation order."""
        stretches = [s for period in self._periods() for s in self._stretches(period)]
        # those that cover most come first, and in the shortest period that does
        stretches.sort(key=lambda s: (-((s[1] - s[0]) // s[2] * s[2]), s[2], s[0]))
        free = bytearray([1]) * len(self.items)
        found = []
        for low, high, period in stretches:
            for start, end in _free_parts(free, low, high):
                count = (end - start) // period
                if count < 2:
                    continue
                first = self._best_start(start, end - count * period, period)
                hidden = sum(self.sizes[first + period : first + count * period])
                if hidden >= FEWEST_HIDDEN:
                    free[first : first + count * period] = bytes(count * period)
                    found.append((first, count, period))
        for first, count, period in sorted(found):
            bounds = range(first, first + count * period, period)
            yield [list(self.items[i : i + period]) for i in bounds]

    def _periods(self) -> list[int]:
        """Return the most frequent distances between an item and the next with the same mark.

        In a stretch, what is there once a period is as far from the next as the period is long.
        """
        last: dict[int, int] = {}
        distances: Counter[int] = Counter()
        for i, mark in enumerate(self.marks):
            if mark in last:
                distances[i - last[mark]] += 1
            last[mark] = i
        return [period for period, _ in distances.most_common(MOST_PERIODS)]

    def _stretches(self, period: int) -> Iterator[tuple[int, int, int]]:
        """Yield where stretches of at least two periods begin and end."""
        marks = self.marks
        last = len(marks) - period
        low = 0
        while low < last:
            if marks[low] != marks[low + period]:
                low += 1
                continue
            # between low and high items are alike, but some do not take alike
            odd: dict[int, int] = {}  # the last item that the first of the two takes from
            late: list[int] = []  # where the second of the two takes from what follows it
            high = low
            while high < last and marks[high] == marks[high + period]:
                for a, b in self._taken_otherwise(high, period):
                    if b.item >= high + 2 * period and abs(a.item - high) >= period:
                        late.append(high)
                    else:
                        odd[high] = max(a.item, odd.get(high, a.item))
                high += 1
            # a stretch begins with all that is alike, behind an odd one, or behind what that takes
            starts = {low, *(i + 1 for i in odd), *(i + 1 for i in odd.values() if i >= low)}
            places = list(odd)
            for start in sorted(starts):
                end = high
                for i in places[bisect_left(places, start) :]:
                    if i >= start + period or odd[i] >= start:
                        end = i
                        break
                if (behind := bisect_left(late, start)) < len(late):
                    end = min(end, late[behind] + period)
                if end - start >= period:
                    yield start, end + period, period
            low = high

    def _taken_otherwise(self, i: int, period: int) -> Iterator[tuple[_Taken, _Taken]]:
        """Yield what the items at i and i + period take that is not alike.

        Items with equal marks take as much. Whatever is alike is in the same place of the same
        copy, or is in another copy, or in none.
        """
        for a, b in zip(self.taken[i], self.taken[i + period], strict=True):
            apart = a.item >= 0 and b == (a.item + period, a.at, a.what)
            far = 0 <= a.item <= i - period and 0 <= b.item <= i and a.what == b.what
            same = a == b and a.item < 0
            if not (apart or far or same):
                yield a, b

    def _best_start(self, start: int, latest: int, period: int) -> int:
        """Return where to cut a stretch into copies, so that the fewest values cross the cuts."""

        def crossing(first: int) -> int:
            second = range(first + period, first + 2 * period)
            return len({t for i in second for t in self.taken[i] if t.item < first + period})

        # of equals the last: blocks end with what ends the stretch
        return min(range(latest, start - 1, -1), key=crossing)


def _free_parts(free: bytearray, low: int, high: int) -> Iterator[tuple[int, int]]:
    """Yield the stretches between low and high that are free."""
    start = free.find(1, low, high)
    while start >= 0:
        end = free.find(0, start, high)
        end = high if end < 0 else end
        yield start, end
        start = free.find(1, end, high)


class _Owned:
    """Which leaves belong to a copy."""

    def __init__(self, nodes: Sequence[GraphNode]) -> None:
        self.nodes = nodes
        self.takers: dict[int, set[int]] = {}
        for node in nodes:
            for source in node.inputs:
                # not the derivatives, which take again what the operations took
                if source is not None and self._is_leaf_of(source, node):
                    self.takers.setdefault(source, set()).add(node.number)

    def _is_leaf_of(self, source: int, node: GraphNode) -> bool:
        return self.nodes[source].kind == "leaf" and self.nodes[source].order == node.order

    def by(self, copies: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
        """Return the numbers of the nodes of each copy, with those of its leaves."""
        whole = [set(copy) for copy in copies]
        for same in zip(*copies, strict=True):
            # what all copies take in the same place
            for sources in zip(*(self.nodes[number].inputs for number in same), strict=True):
                if all(
                    source in self.takers and self.takers[source] <= copy
                    for source, copy in zip(sources, whole, strict=True)
                ):
                    for source, numbers in zip(sources, whole, strict=True):
                        numbers.add(source)
        return tuple(tuple(sorted(numbers)) for numbers in whole)


def _name(copy: Sequence[Item], nodes: Sequence[GraphNode]) -> str:
    names = [_stem(item[-1]) if isinstance(item, tuple) else nodes[item].op for item in copy]
    shown = ", ".join(names[:LONGEST_NAME])
    return f"{shown} ..." if len(names) > LONGEST_NAME else shown


def _stem(scope: str) -> str:
    """Return a name without its number: ``block`` for ``block3`` and ``block.3``."""
    return re.sub(r"[\W_]*\d+$", "", scope) or "block"
