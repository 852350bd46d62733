"""What differs between two graphs, by structure: where a node stands in the numbering is no matter.

Nodes of the two are paired in three steps, each among what is left by those before:

1. the same operation on inputs that are the same all the way up;
2. the same operation whose result goes into what is the same all the way down;
3. in creation order, by a shortest edit script: first those that do the same, then those of the
   same operation, then, where one or several stand in the place of as many, whatever it is.

So an edit in the middle touches what is there, and neither what comes before nor what follows.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

from tensorgrad.visualize.node import GraphNode, one_line

# Edits beyond which the search for a shortest script ends: it takes time and memory of the square.
MOST_EDITS = 500
# In a listing of differences, longer lines are cut in the middle.
WIDTH = 100

Nodes = Sequence[GraphNode]
# The pairs found so far: from the numbers in one graph to those in the other.
Pairs = dict[int, int]


@dataclass(frozen=True)
class Change:
    """A node that stands in both graphs, but not as it was.

    Attributes
    ----------
    before, after
        The node in the one graph and in the other.
    what
        For each property that changed: its name, and how it reads before and after.
    """

    before: GraphNode
    after: GraphNode
    what: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Diff:
    """What differs between two graphs; false where nothing does.

    Attributes
    ----------
    removed
        The nodes of the first graph that the second has not.
    added
        The nodes of the second graph that the first has not.
    changed
        Those that both have, but that differ.
    same
        How many nodes are the same in both.
    outputs
        The outputs that both graphs have at other nodes: how all read before and after; else None.
    """

    removed: tuple[GraphNode, ...]
    added: tuple[GraphNode, ...]
    changed: tuple[Change, ...]
    same: int
    outputs: tuple[str, str] | None

    def __bool__(self) -> bool:
        return bool(self.removed or self.added or self.changed or self.outputs)

    def text(self) -> str:
        """Return the differences line by line: ``-`` removed, ``+`` added, ``~`` changed."""
        counts = [
            f"{n} {word}"
            for n, word in (
                (len(self.removed), "removed"),
                (len(self.added), "added"),
                (len(self.changed), "changed"),
                (self.same, "the same"),
            )
            if n
        ]
        lines = [(node.number, 0, f"- {_line(node)}") for node in self.removed]
        lines += [(node.number, 1, f"+ {_line(node)}") for node in self.added]
        for change in self.changed:
            said = "; ".join(f"{name} {old} -> {new}" for name, old, new in change.what)
            lines.append((change.after.number, 2, f"~ {_line(change.after)}: {said}"))
        shown = [one_line(line, WIDTH) for _, _, line in sorted(lines)]
        if self.outputs:
            returned = f"~ return {self.outputs[0]} -> {self.outputs[1]}"
            shown.append(one_line(returned, WIDTH))
        return "\n".join([", ".join(counts), *shown])

    def __str__(self) -> str:
        return self.text()


def diff(old: Nodes, old_outputs: Sequence[int], new: Nodes, new_outputs: Sequence[int]) -> Diff:
    """Return what differs between two graphs; see `Graph.diff`."""
    pairs = _paired(old, new)
    changed = []
    for i, j in sorted(pairs.items()):
        what = _changes(old[i], new[j], old, new, pairs)
        if what:
            changed.append(Change(old[i], new[j], what))
    found = set(pairs.values())
    outputs = None
    if [pairs.get(i) for i in old_outputs] != list(new_outputs):
        outputs = (_labels(old_outputs, old), _labels(new_outputs, new))
    return Diff(
        removed=tuple(node for node in old if node.number not in pairs),
        added=tuple(node for node in new if node.number not in found),
        changed=tuple(changed),
        same=len(pairs) - len(changed),
        outputs=outputs,
    )


# ---- pairs ---------------------------------------------------------------------------------------


def _paired(old: Nodes, new: Nodes) -> Pairs:
    ids: dict[Hashable, int] = {}  # the same numbers for the same structure in both graphs

    def upwards(nodes: Nodes) -> list[int]:
        known: list[int] = []
        seen: dict[Hashable, int] = {}
        for node in nodes:
            inputs = tuple(-1 if i is None else known[i] for i in node.inputs)
            key: Hashable = ("up", _doing(node), node.name, inputs)
            if node.kind == "leaf":  # like others, but not the same
                seen[key] = seen.get(key, -1) + 1
                key = (key, seen[key])
            known.append(ids.setdefault(key, len(ids)))
        return known

    def downwards(nodes: Nodes) -> list[int]:
        takers: list[list[tuple[int, int]]] = [[] for _ in nodes]
        known = [0] * len(nodes)
        for node in reversed(nodes):
            taken = tuple(sorted(takers[node.number]))
            key = ("down", _doing(node), node.name, node.is_output, taken)
            known[node.number] = ids.setdefault(key, len(ids))
            for place, source in enumerate(node.inputs):
                if source is not None:
                    takers[source].append((known[node.number], place))
        return known

    pairs: Pairs = {}
    for marks in (upwards, downwards):
        _pair_equals(old, new, marks(old), marks(new), pairs)
    for mark in (_doing, lambda node: node.op):
        _pair_in_order(old, new, mark, pairs)
    _pair_in_place(old, new, pairs)
    return pairs


def _doing(node: GraphNode) -> Hashable:
    """Return what a node does, whatever it does it to."""
    return (node.op, node.kind, node.type, tuple(node.params.items()), node.arguments, node.order)


def _rest(nodes: Nodes, paired: Iterable[int]) -> list[GraphNode]:
    known = set(paired)
    return [node for node in nodes if node.number not in known]


def _pair_equals(
    old: Nodes, new: Nodes, old_marks: Sequence[int], new_marks: Sequence[int], pairs: Pairs
) -> None:
    """Pair nodes with equal marks: the first of one graph with the first of the other ..."""
    waiting: dict[int, list[int]] = {}
    for node in reversed(_rest(new, pairs.values())):
        waiting.setdefault(new_marks[node.number], []).append(node.number)
    for node in _rest(old, pairs):
        found = waiting.get(old_marks[node.number])
        if found:
            pairs[node.number] = found.pop()


def _pair_in_order(
    old: Nodes, new: Nodes, mark: Callable[[GraphNode], Hashable], pairs: Pairs
) -> None:
    olds, news = _rest(old, pairs), _rest(new, pairs.values())
    for i, j in aligned([mark(node) for node in olds], [mark(node) for node in news]):
        pairs[olds[i].number] = news[j].number


def _pair_in_place(old: Nodes, new: Nodes, pairs: Pairs) -> None:
    """Pair what stands between the same two neighbours, where it is as much in both graphs."""
    found = {j: i for i, j in pairs.items()}
    gaps: dict[int, list[int]] = {}
    last = -1
    for node in new:
        last = found.get(node.number, last)
        if node.number not in found:
            gaps.setdefault(last, []).append(node.number)
    start = -1
    unpaired: dict[int, list[int]] = {}
    for node in old:
        if node.number in pairs:
            start = node.number
        else:
            unpaired.setdefault(start, []).append(node.number)
    for start, olds in unpaired.items():
        news = gaps.get(start, [])
        kinds = [[old[i].kind for i in olds], [new[j].kind for j in news]]
        if kinds[0] == kinds[1]:
            pairs.update(zip(olds, news, strict=True))


def aligned(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Return which items stay where one sequence becomes another by the fewest edits.

    The greedy algorithm of E. Myers: O((n + m) d) for d edits. Where it would need more than
    `MOST_EDITS`, only what both begin with and end with stays.

    >>> aligned("abcd", "axcd")
    [(0, 0), (2, 2), (3, 3)]
    """
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    end = 0
    while end < min(len(a), len(b)) - start and a[-1 - end] == b[-1 - end]:
        end += 1
    n, m = len(a) - start - end, len(b) - start - end
    head = [(i, i) for i in range(start)]
    tail = [(len(a) - i, len(b) - i) for i in range(end, 0, -1)]

    # reach[k]: how far in a one gets with the edits so far, when k more were removed than added
    reach = {1: 0}
    history = []
    for edits in range(min(n + m, MOST_EDITS) + 1):
        history.append(dict(reach))
        for k in range(-edits, edits + 1, 2):
            down = k == -edits or (k != edits and reach[k - 1] < reach[k + 1])
            x = reach[k + 1] if down else reach[k - 1] + 1
            while x < n and x - k < m and a[start + x] == b[start + x - k]:
                x += 1
            reach[k] = x
            if x >= n and x - k >= m:
                middle = _traced(history, n, m)
                return [*head, *((start + i, start + j) for i, j in middle), *tail]
    return [*head, *tail]


def _traced(history: Sequence[dict[int, int]], n: int, m: int) -> list[tuple[int, int]]:
    """Follow the way to (n, m) back, and return the steps where nothing was edited."""
    stay = []
    x, k = n, n - m
    for edits in range(len(history) - 1, -1, -1):
        reach = history[edits]
        down = k == -edits or (k != edits and reach[k - 1] < reach[k + 1])
        k_before = k + 1 if down else k - 1
        x_before = reach[k_before]
        since = x_before if down else x_before + 1
        stay += [(i, i - k) for i in range(x - 1, since - 1, -1)]
        x, k = x_before, k_before
    return stay[::-1]


# ---- changes -------------------------------------------------------------------------------------


def _changes(
    old: GraphNode, new: GraphNode, olds: Nodes, news: Nodes, pairs: Pairs
) -> tuple[tuple[str, str, str], ...]:
    what = [
        (name, before, after)
        for name, before, after in (
            ("op", old.op, new.op),
            ("type", old.type, new.type),
            ("name", repr(old.name), repr(new.name)),
            ("scope", "/".join(old.scope) or "none", "/".join(new.scope) or "none"),
        )
        if before != after
    ]
    what += [
        (name, old.params.get(name, "none"), new.params.get(name, "none"))
        for name in dict.fromkeys([*old.params, *new.params])
        if old.params.get(name) != new.params.get(name)
    ]
    mates = [None if i is None else pairs.get(i, -1) for i in old.inputs]
    if mates != list(new.inputs):
        what.append(("inputs", f"({_taken(old, olds)})", f"({_taken(new, news)})"))
    elif old.constants and new.constants:
        each = zip(new.arguments, old.constants, new.constants, strict=True)
        what += [(name, a, b) for name, a, b in each if a is not None and b is not None and a != b]
    return tuple(what)


def _taken(node: GraphNode, nodes: Nodes) -> str:
    sources = enumerate(node.inputs)
    return ", ".join(node.constant(slot) if i is None else nodes[i].label for slot, i in sources)


def _labels(numbers: Sequence[int], nodes: Nodes) -> str:
    return ", ".join(nodes[i].label for i in numbers)


def _line(node: GraphNode) -> str:
    return f"{node.label}: {node.type} = {node.op}"
