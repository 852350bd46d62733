"""Graphs as data: queries, differences, JSON, blocks, totals and derivatives."""

import inspect
import json
import sys
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st
from material import make_node

import tensorgrad as tg
from tensorgrad.engine.graph import ancestors
from tensorgrad.testing.strategies import programs
from tensorgrad.visualize.diff import MOST_EDITS, aligned
from tensorgrad.visualize.graph import Graph
from tensorgrad.visualize.node import Saved, Source
from tensorgrad.visualize.values import Summary

SMOOTH = ["sin", "add", "multiply", "matmul", "concatenate", "sum", "tanh", "transpose"]


def leaf(*shape):
    return tg.tensor(np.ones(shape), requires_grad=True)


@st.composite
def recorded(draw):
    """Draw the graph of a random program."""
    program = draw(programs(max_ops=8))
    try:
        return program.graph()
    except tg.errors.GraphError:
        assume(False)


@st.composite
def drawn_graphs(draw, ops="abc", most=25):
    """Draw a graph of nonsense operations: nodes only, with many equal ones."""
    nodes = [make_node(0, "leaf")]
    for number in range(1, draw(st.integers(1, most))):
        if draw(st.integers(0, 5)) == 0:
            nodes.append(make_node(number, "leaf"))
        else:
            inputs = draw(st.lists(st.none() | st.integers(0, number - 1), min_size=1, max_size=3))
            nodes.append(make_node(number, draw(st.sampled_from(ops)), inputs))
    nodes[-1] = replace(nodes[-1], is_output=True)
    return Graph(tuple(nodes), (len(nodes) - 1,))


def networkx_of(graph):
    """Build the graph of another package, by the inputs alone."""
    made = nx.MultiDiGraph()
    made.add_nodes_from(range(len(graph)))
    made.add_edges_from(
        (source, node.number) for node in graph for source in node.inputs if source is not None
    )
    return made


# ---- queries -----------------------------------------------------------------------------------


@given(recorded() | drawn_graphs(), st.data())
def test_paths_and_cones_are_those_of_networkx(graph, data):
    a, b = (data.draw(st.integers(0, len(graph) - 1)) for _ in range(2))
    reference = networkx_of(graph)
    low, high = min(a, b), max(a, b)
    between = {n for way in nx.all_simple_paths(nx.DiGraph(reference), low, high) for n in way}
    between |= {a} if a == b else set()
    assert [node.number for node in graph.path(a, b)] == sorted(between)

    up, down = nx.ancestors(reference, a) | {a}, nx.descendants(reference, a) | {a}
    for direction, inside in (("up", up), ("down", down), ("both", up | down)):
        part = graph.cone(a, direction)
        numbers = sorted(inside)
        assert [node.op for node in part] == [graph.nodes[n].op for n in numbers]
        for number, found in enumerate(part):
            whole = graph.nodes[numbers[number]]
            assert found.number == number
            assert found.inputs == tuple(
                numbers.index(i) if i in inside else None for i in whole.inputs
            )
            changed = ("number", "inputs", "is_output", "rule_of", "saved")
            assert {k: v for k, v in vars(found).items() if k not in changed} == {
                k: v for k, v in vars(whole).items() if k not in changed
            }
        shown = {i for i, n in enumerate(numbers) if n in graph.outputs}
        shown |= {i for i, n in enumerate(numbers) if inside.isdisjoint(reference.successors(n))}
        assert sorted(set(part.outputs)) == sorted(shown)
        assert len(part.outputs) == len(shown) or len(set(graph.outputs)) < len(graph.outputs)
        assert shown == {node.number for node in part if node.is_output}


def test_cones_of_derivatives_know_their_operations():
    x, w = leaf(2, 3), leaf(3, 2)
    whole = tg.graph(np.sum(np.tanh(x @ w) ** 2), x=x, w=w, backward=2)
    for number in range(len(whole)):
        for direction in ("up", "down"):
            reference = networkx_of(whole)
            inside = (nx.ancestors if direction == "up" else nx.descendants)(reference, number)
            numbers = sorted(inside | {number})
            anew = {old: new for new, old in enumerate(numbers)}
            for old, node in zip(numbers, whole.cone(number, direction), strict=True):
                before = whole.nodes[old]
                assert node.rule_of == anew.get(before.rule_of)
                assert [s.number for s in node.saved] == [anew.get(s.number) for s in before.saved]
                assert [s.nbytes for s in node.saved] == [s.nbytes for s in before.saved]


@given(recorded())
def test_find_returns_what_has_all_the_properties(graph):
    for one in graph:
        found = graph.find(op=one.op, shape=one.shape, dtype=one.dtype)
        assert one in found
        assert found == tuple(
            other
            for other in graph
            if (other.op, other.shape, other.dtype) == (one.op, one.shape, one.dtype)
        )
    assert graph.find() == graph.nodes


def test_find_knows_scopes_names_and_types():
    x = leaf(3)
    with tg.scope("block1"):
        y = np.sin(x)
        with tg.scope("head/2"):
            y = np.cos(y)
    with tg.scope("block10"):
        y = y.astype(np.float32)
    graph = tg.graph(y, x=x)

    def ops(**properties):
        return [node.op for node in graph.find(**properties)]

    assert ops(scope="block1") == ops(scope=("block1",)) == ["sin", "cos"]
    assert ops(scope="block1/head/2") == ops(scope=("block1", "head/2")) == ["cos"]
    assert ops(scope="head/2") == []
    assert ops(dtype=np.float32) == ops(dtype="f4") == ["astype"]
    assert ops(shape=3, dtype=float) == ["leaf", "sin", "cos"]
    assert ops(name="x") == ["leaf"]


def test_find_knows_all_visits_of_a_scope_and_each_of_them():
    def visited(x, last):
        for function in (np.sin, np.cos, np.tanh):
            with tg.scope("block"), tg.scope("head"):
                x = function(np.exp2(x))
        with tg.scope("block2"), tg.scope("head"):
            return last(x)

    def f(x):
        for last in (np.expm1, np.exp):
            with tg.scope("net"):
                x = visited(x, last)
        return x

    graph = tg.trace(f, 1.0)

    def ops(scope):
        return [node.op for node in graph.find(scope=scope) if node.op != "exp2"]

    three = ["sin", "cos", "tanh"]
    assert ops("net") == [*three, "expm1", *three, "exp"]
    assert ops("net 1") == [*three, "expm1"]
    assert ops("net 2") == [*three, "exp"]
    assert ops("net/block") == ops(("net", "block", "head")) == 2 * three
    assert ops("net 2/block") == three
    assert ops("net/block 3") == ["tanh", "tanh"]
    assert ops(("net 1", "block 1")) == ["sin"]
    assert ops("net/block 4") == ops("block") == ops("net/bloc") == ops("ne.") == []
    assert ops("net/block2") == ["expm1", "exp"]


@given(st.lists(st.text("ab1 ./", max_size=4), min_size=1, max_size=3).map(tuple))
def test_find_finds_each_scope_by_its_own_name(scope):
    graph = Graph((make_node(0, scope=scope), make_node(1, scope=(*scope, "more"))), (1,))
    assert graph.find(scope=scope) == graph.find(scope="/".join(scope)) == graph.nodes


def test_nodes_are_known_by_number_name_label_and_themselves():
    x = leaf(2)
    graph = tg.graph(np.sin(np.cos(x)), x=x)
    for where in (0, np.int64(0), "x", graph.nodes[0]):
        assert graph.path(where, 1) == graph.path(where, "t1") == graph.nodes[:2]
    named = tg.graph(np.sin(x), t1=x)
    assert named.path("t1", "t1") == named.nodes[:1]  # names come before labels


def mistakes():
    graph = tg.graph(np.sin(leaf(2)))
    other = tg.graph(np.cos(leaf(2)))
    return [
        (lambda: graph.path(0, 2), IndexError, ["path: number=2", "0 to 1"]),
        (lambda: graph.cone(-1), IndexError, ["cone: number=-1"]),
        (lambda: graph.path("w", 0), RuntimeError, ["path: name='w'", "tg.graph(y, x=x)"]),
        (lambda: graph.path(other.nodes[1], 0), RuntimeError, ["op='cos'", "another graph"]),
        (lambda: graph.path(1.0, 0), TypeError, ["node='float'"]),
        (lambda: graph.path(True, 0), TypeError, ["node='bool'"]),
        (lambda: graph.cone(0, "left"), TypeError, ["direction='left'", "'up'"]),
        (lambda: graph.find(dtype="float33"), TypeError, ["find: dtype='float33'"]),
        (lambda: graph.find(np.sin), TypeError, ["find: op=<ufunc 'sin'>", "names"]),
        (lambda: graph.find(name=3), TypeError, ["find: name=3", "Pass name='...'"]),
        (lambda: graph.find(scope=3), TypeError, ["find: scope=3", "block1/head"]),
        (lambda: graph.find(scope=("a", 3)), TypeError, ["find: scope=('a', 3)"]),
        (lambda: graph.find(shape="23"), TypeError, ["find: shape='23'", "(2, 3)"]),
        (lambda: graph.find(shape=(2.0,)), TypeError, ["find: shape=(2.0,)", "integers"]),
        (lambda: graph.diff(3), TypeError, ["diff: other='int'", "tg.graph(y)"]),
        (lambda: graph.diff(graph.nodes), TypeError, ["diff: other='tuple'"]),
        (lambda: graph.to_svg(["a"]), TypeError, ["to_svg: notes=['a']", "0 to 1"]),
        (lambda: graph.to_dot({2: "a"}), TypeError, ["to_dot: notes={2: 'a'}", "a dict"]),
        (lambda: graph.to_graphviz({0: 1}), TypeError, ["to_graphviz: notes={0: 1}"]),
        (lambda: graph.save(3), TypeError, ["save: path=3", "save('g.html')"]),
        (lambda: tg.trace(3), TypeError, ["trace: f='int'", "tg.trace(f, x)"]),
        (lambda: tg.profile(graph), TypeError, ["profile: f='Graph'", "tg.profile(f, x)"]),
        (lambda: tg.graph(leaf(2), backward=-1), TypeError, ["graph: backward=-1"]),
        (lambda: tg.graph(leaf(2), backward=leaf(2)), TypeError, ["backward='Tensor'"]),
        (lambda: tg.trace(np.sign, 1.0), RuntimeError, ["trace: ", "Nothing is recorded"]),
        (lambda: tg.trace(np.sin, 1), RuntimeError, ["trace: ", "floating-point"]),
        (lambda: tg.Graph.from_json("{}"), RuntimeError, ["from_json", "'format'"]),
    ]


@pytest.mark.parametrize(("call", "kind", "parts"), mistakes())
def test_mistakes_are_explained(call, kind, parts):
    with pytest.raises(tg.errors.TensorgradError) as caught:
        call()
    assert isinstance(caught.value, kind)
    for part in parts:
        assert part in str(caught.value)


# ---- other forms -------------------------------------------------------------------------------


@given(recorded() | drawn_graphs())
def test_networkx_gets_nodes_and_edges(graph):
    made = graph.to_networkx()
    assert sorted(made) == list(range(len(graph)))
    edges = sorted((a, b) for a, b, _ in made.edges)
    assert edges == sorted((a, b) for a, b, _ in networkx_of(graph).edges)
    for one in graph:
        assert made.nodes[one.number]["op"] == one.op
        assert made.nodes[one.number]["label"] == one.label
        for source, _, place, argument in made.in_edges(one.number, keys=True, data="argument"):
            assert one.inputs[place] == source
            assert one.arguments[place] == argument


def test_a_missing_networkx_is_explained(monkeypatch):
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(tg.errors.TensorgradError, match="pip install networkx"):
        tg.graph(leaf(1)).to_networkx()


NUMBERS = st.floats(allow_nan=True)
SUMMARIES = st.builds(
    Summary,
    shape=st.just((2, 3)),
    dtype=st.just("float32"),
    low=st.none() | NUMBERS,
    mean=st.none() | NUMBERS,
    high=st.none() | NUMBERS,
    deviation=st.none() | NUMBERS,
    zeros=st.integers(0),
    nans=st.integers(0),
    infinities=st.integers(0),
    counts=st.lists(st.integers(0), max_size=3).map(tuple),
    pixels=st.lists(
        st.lists(st.none() | NUMBERS, min_size=2, max_size=2).map(tuple), max_size=2
    ).map(tuple),
)
FIELDS = st.fixed_dictionaries(
    {
        "name": st.none() | st.text(),
        "params": st.dictionaries(st.text(), st.text(), max_size=2),
        "scope": st.lists(st.text(), max_size=2).map(tuple),
        "constants": st.just(()) | st.tuples(*3 * [st.none() | st.text()]),
        "source": st.none() | st.builds(Source, st.text(), st.integers(), st.text(), st.text()),
        "order": st.integers(0, 2),
        "saved": st.lists(
            st.builds(Saved, st.text(), st.none() | st.just(0), st.integers(0)), max_size=2
        ).map(tuple),
        "values": st.none() | SUMMARIES,
        "gradient": st.none() | SUMMARIES,
        "seconds": st.none() | NUMBERS,
        "rule_of": st.none() | st.just(0),
    }
)


@given(drawn_graphs(most=4), st.lists(FIELDS, min_size=4, max_size=4))
def test_json_and_back_is_the_same(graph, fields):
    nodes = [
        replace(one, **more | {"constants": more["constants"][: len(one.inputs)]})
        for one, more in zip(graph.nodes, fields, strict=False)
    ]
    graph = Graph(tuple(nodes), graph.outputs)
    text = graph.to_json()
    text.encode("ascii")
    json.loads(text, parse_constant=pytest.fail)  # NaN is no JSON
    back = Graph.from_json(text)
    assert repr(back.nodes) == repr(graph.nodes)  # NaN equals no NaN
    assert back.outputs == graph.outputs
    assert back.to_json() == text


@given(recorded())
def test_recorded_graphs_survive_json(graph):
    assert Graph.from_json(graph.to_json()) == graph


BROKEN = {
    "cut": lambda text: text[:-1],
    "empty": lambda text: "",
    "list": lambda text: "[]",
    "deep": lambda text: "[" * 100_000,
    "other format": lambda text: text.replace("tensorgrad graph", "onnx"),
    "later version": lambda text: text.replace('"version":1', '"version":2'),
    "unknown field": lambda text: text.replace('"op":', '"operator":', 1),
    "input behind": lambda text: text.replace('"inputs":[0]', '"inputs":[1]'),
    "input outside": lambda text: text.replace('"inputs":[0]', '"inputs":[-1]'),
    "output outside": lambda text: text.replace('"outputs":[1]', '"outputs":[2]'),
    "other number": lambda text: text.replace('"number":1', '"number":2'),
    "argument missing": lambda text: text.replace('"arguments":["x"]', '"arguments":[]'),
    "constant too many": lambda text: text.replace(
        '"arguments":["x"]', '"arguments":["x"],"constants":[null,"2.0"]'
    ),
    "saved outside": lambda text: text.replace('"number":0,"nbytes"', '"number":7,"nbytes"'),
}


@pytest.mark.parametrize("damage", BROKEN)
def test_other_json_is_refused(damage):
    text = tg.graph(np.sin(leaf(2))).to_json()
    broken = BROKEN[damage](text)
    assert broken != text
    with pytest.raises(tg.errors.GraphError, match="from_json"):
        Graph.from_json(broken)


# ---- differences -------------------------------------------------------------------------------


def longest_common(a, b):
    """The length of the longest common subsequence, by the textbook's table."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            longer = max(table[i][j + 1], table[i + 1][j])
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else longer
    return table[-1][-1]


@given(st.text("abc", max_size=14), st.text("abc", max_size=14))
def test_an_alignment_is_a_longest_common_subsequence(a, b):
    found = aligned(a, b)
    assert all(a[i] == b[j] for i, j in found)
    assert all(i < k and j < m for (i, j), (k, m) in pairwise(found))
    assert len(found) == longest_common(a, b)


def test_an_alignment_that_takes_too_long_keeps_both_ends():
    a = [("a", i) for i in range(2 * MOST_EDITS)]
    b = [("b", i) for i in range(2 * MOST_EDITS)]
    found = aligned(["x", *a, "y"], ["x", *b, "y"])
    assert found == [(0, 0), (len(a) + 1, len(a) + 1)]


def reordered(graph, rng):
    """Number the nodes in another order that is possible, and leaves in their own order."""
    done, order = set(), []
    leaves = [node.number for node in graph if node.kind == "leaf"]
    while len(order) < len(graph):
        ready = [
            node.number
            for node in graph
            if node.number not in done and done.issuperset(set(node.inputs) - {None})
        ]
        ready = [
            n for n in ready if n not in leaves or n == next(m for m in leaves if m not in done)
        ]
        order.append(rng.choice(ready))
        done.add(order[-1])
    anew = {int(number): i for i, number in enumerate(order)} | {None: None}
    nodes = tuple(
        replace(
            graph.nodes[number],
            number=i,
            inputs=tuple(anew[source] for source in graph.nodes[number].inputs),
        )
        for i, number in enumerate(order)
    )
    return Graph(nodes, tuple(anew[i] for i in graph.outputs))


@given(drawn_graphs(), st.integers(0, 2**32 - 1))
def test_no_difference_is_found_where_only_the_order_differs(graph, seed):
    other = reordered(graph, np.random.default_rng(seed))
    diff = graph.diff(other)
    # operations that say the same are the same, whichever of them a node takes
    unlike = [what for change in diff.changed for what in change.what]
    assert not diff.removed
    assert not diff.added
    assert {name for name, _, _ in unlike} <= {"inputs"}
    assert diff.same + len(diff.changed) == len(graph)
    if len({(one.op, one.inputs) for one in graph if one.kind == "op"}) == sum(
        one.kind == "op" for one in graph
    ):
        assert not diff
        assert diff.text() == f"{len(graph)} the same"


@given(drawn_graphs(), drawn_graphs())
def test_every_node_is_accounted_for_once(old, new):
    diff = old.diff(new)
    kept = diff.same + len(diff.changed)
    assert kept + len(diff.removed) == len(old)
    assert kept + len(diff.added) == len(new)
    numbers = [one.number for one in diff.removed] + [c.before.number for c in diff.changed]
    assert len(numbers) == len(set(numbers))
    if not diff:  # then the two are the same graph
        assert nx.is_isomorphic(
            described(old), described(new), node_match=lambda a, b: a["what"] == b["what"]
        )


def described(graph):
    made = nx.DiGraph(networkx_of(graph))
    for one in graph:
        made.nodes[one.number]["what"] = (one.op, one.is_output, len(one.inputs))
    return made


@given(drawn_graphs(), st.data())
def test_an_operation_put_in_between_is_all_that_is_added(graph, data):
    wired = [one for one in graph if any(i is not None for i in one.inputs)]
    assume(wired)
    at = data.draw(st.sampled_from(wired)).number

    def moved(i):
        return i if i is None or i < at else i + 1

    taken = next(i for i in graph.nodes[at].inputs if i is not None)
    nodes = list(graph.nodes[:at])
    nodes.append(make_node(at, "new", (taken,)))
    for one in graph.nodes[at:]:
        inputs = tuple(moved(i) for i in one.inputs)
        if one.number == at:
            inputs = tuple(at if i == taken else i for i in graph.nodes[at].inputs)
        nodes.append(replace(one, number=one.number + 1, inputs=inputs))
    edited = Graph(tuple(nodes), tuple(moved(i) for i in graph.outputs))
    ops = [one for one in graph if one.kind == "op"]
    if len({(one.op, one.inputs) for one in ops}) == len(ops):  # then none is like another
        edited = reordered(edited, np.random.default_rng(data.draw(st.integers(0, 99))))
    diff = graph.diff(edited)
    assert not diff.removed
    assert [one.op for one in diff.added] == ["new"]
    assert "inputs" in {name for change in diff.changed for name, _, _ in change.what}


def test_a_difference_reads_as_what_was_edited():
    def before(x, w):
        y = x @ w
        y = np.tanh(y)
        return np.sum(np.sin(y) * 2)

    def after(x, w):
        y = x @ w
        y = np.maximum(y, 0)
        y = np.cos(np.exp(y)) * 2
        return np.sum(y, keepdims=True), y

    x, w = np.ones((2, 3)), np.ones((3, 4), np.float32)
    old, new = tg.trace(before, x, w), tg.trace(after, x, w)
    assert old.diff(new).text() == (
        "2 removed, 3 added, 2 changed, 3 the same\n"
        "- t3: float64[2, 4] = tanh\n"
        "+ t3: float64[2, 4] = maximum\n"
        "- t4: float64[2, 4] = sin\n"
        "+ t4: float64[2, 4] = exp\n"
        "+ t5: float64[2, 4] = cos\n"
        "~ t6: float64[2, 4] = multiply: inputs (t4, 2) -> (t5, 2)\n"
        "~ t7: float64[1, 1] = sum: type float64[] -> float64[1, 1]; keepdims False -> True\n"
        "~ return t6 -> t7, t6"
    )
    assert old.diff(tg.trace(lambda x, w: np.sum(np.sin(np.exp(x @ w)) * 2), x, w)).text() == (
        "1 changed, 6 the same\n~ t3: float64[2, 4] = exp: op tanh -> exp"
    )
    half = tg.trace(before, x.astype(np.float32), w)
    assert not old.diff(old)
    assert old.diff(half).changed[0].what == (("type", "float64[2, 3]", "float32[2, 3]"),)
    assert old.diff(half).same == 1
    scoped = tg.scope("net")(before)
    assert {c.what for c in old.diff(tg.trace(scoped, x, w)).changed} == {
        (("scope", "none", "net"),)
    }


# ---- repeated blocks ---------------------------------------------------------------------------


def stack(draw_block, copies, seed):
    """Build a graph: a few leaves, then copies of a block that take the one before and a weight."""
    rng = np.random.default_rng(seed)
    nodes = [make_node(0, "leaf", shape=(5,))]
    nodes += [make_node(1 + i, "leaf") for i in range(copies)]
    stem = int(rng.integers(0, 3))
    for i in range(stem):
        nodes.append(make_node(len(nodes), f"stem{i}", (len(nodes) - 1 if i else 0,)))
    last = len(nodes) - 1 if stem else 0
    for copy in range(copies):
        first = len(nodes)
        for i, (op, wires) in enumerate(draw_block):
            sources = {"last": last, "weight": 1 + copy, "const": None}
            inputs = tuple(
                sources[wire] if isinstance(wire, str) else first + min(wire, i - 1)
                for wire in wires
            )
            nodes.append(make_node(first + i, op, inputs))
        last = len(nodes) - 1
    nodes.append(make_node(len(nodes), "tail", (last,)))
    return Graph(tuple(nodes), (len(nodes) - 1,)), stem


@st.composite
def blocks(draw):
    size = draw(st.integers(1, 6))
    block = []
    for i in range(size):
        wires = [i - 1 if i else "last"]
        if i == size - 1 and size > 1:
            wires.append(draw(st.sampled_from(["last", "weight", "const"])))
        elif draw(st.booleans()):
            wires.append(draw(st.sampled_from(["weight", "const"])))
        block.append((f"op{i}", tuple(wires)))
    return block


@given(blocks(), st.integers(2, 9), st.integers(0, 99))
def test_the_copies_of_a_block_are_found(block, copies, seed):
    assume((copies - 1) * len(block) >= 3)
    graph, stem = stack(block, copies, seed)
    (repeat,) = graph.repeated()
    first = 1 + copies + stem
    size = len(block)
    for copy, numbers in enumerate(repeat.copies):
        start = first + copy * size
        expected = set(range(start, start + size))
        if any("weight" in wires for _, wires in block):
            expected.add(1 + copy)
        assert set(numbers) == expected
    assert len(repeat.copies) == copies
    assert repeat.label == f"{repeat.name} x{copies}"


@given(blocks(), st.integers(3, 9), st.integers(0, 99), st.data())
def test_a_copy_that_differs_ends_the_repeat(block, copies, seed, data):
    graph, stem = stack(block, copies, seed)
    odd = data.draw(st.integers(0, copies - 1))
    size = len(block)
    at = 1 + copies + stem + odd * size + data.draw(st.integers(0, size - 1))
    nodes = list(graph.nodes)
    nodes[at] = replace(nodes[at], params={"axis": "0"})
    found = Graph(tuple(nodes), graph.outputs).repeated()
    assert all(at not in numbers for repeat in found for numbers in repeat.copies)


def check_repeats(graph):
    """Check what holds of every answer: copies are alike, apart, and nested or disjoint."""
    covered = []
    for repeat in graph.repeated():
        assert len(repeat.copies) >= 2
        descriptions = set()
        for numbers in repeat.copies:
            assert list(numbers) == sorted(set(numbers))
            inside = [graph.nodes[n] for n in numbers]
            assert all(one.scope[: len(repeat.scope)] == repeat.scope for one in inside)
            ops = [one for one in inside if one.kind == "op"]
            place = {one.number: i for i, one in enumerate(ops)}
            descriptions.add(
                tuple(
                    (
                        one.op,
                        one.type,
                        tuple(one.params.items()),
                        one.order,
                        # where in the copy an input is made, or that it is made elsewhere
                        tuple("const" if i is None else place.get(i) for i in one.inputs),
                    )
                    for one in ops
                )
            )
        assert len(descriptions) == 1
        together = [n for numbers in repeat.copies for n in numbers]
        assert len(together) == len(set(together))
        assert (len(repeat.copies) - 1) * len(descriptions.pop()) >= 3
        ops = {n for n in together if graph.nodes[n].kind == "op"}
        for other in covered:
            assert ops.isdisjoint(other) or any(ops <= copy for copy in other.copies)
        covered.append(Covered(ops, [set(numbers) for numbers in repeat.copies]))


class Covered(set):
    def __init__(self, ops, copies):
        super().__init__(ops)
        self.copies = copies


@given(drawn_graphs(ops="ab", most=40), st.lists(st.integers(0, 3), min_size=40, max_size=40))
def test_repeats_of_any_graph_are_copies(graph, scopes):
    check_repeats(graph)
    names = [(), ("a",), ("a", "b1"), ("a", "b2")]
    check_repeats(
        Graph(
            tuple(
                replace(one, scope=names[i]) for one, i in zip(graph.nodes, scopes, strict=False)
            ),
            graph.outputs,
        )
    )


def chain_of_blocks(*wires):
    """Build a graph of copies of ``a, b, c``: c of each takes what is named, the others a chain."""
    nodes = [make_node(0, "leaf"), make_node(1, "stem", (0,))]
    for wire in wires:
        i = len(nodes)
        nodes += [make_node(i, "a", (i - 1,)), make_node(i + 1, "b", (i,))]
        taken = {"b": i + 1, "a": i, "stem": 1, "first": 2, "last": i - 1}[wire]
        nodes.append(make_node(i + 2, "c", (taken, i + 1)))
    return Graph(tuple(nodes), (len(nodes) - 1,))


def test_copies_are_wired_alike_inside_and_outside():
    def copies(*wires):
        graph = chain_of_blocks(*wires)
        check_repeats(graph)
        return [repeat.copies for repeat in graph.repeated()]

    whole = [((2, 3, 4), (5, 6, 7), (8, 9, 10), (11, 12, 13))]
    assert copies("b", "b", "b", "b") == whole
    assert copies("last", "last", "last", "last") == whole
    assert copies("stem", "stem", "stem", "stem") == whole  # they share a value from before
    assert copies("stem", "last", "last", "last") == whole  # the first takes it from elsewhere
    assert copies("a", "b", "b", "b") == [whole[0][1:]]
    (three,) = copies("b", "b", "b", "a")
    assert len(three) == 3
    assert 13 not in three[-1]
    # what the first makes and takes itself, the others take from outside
    assert copies("first", "first", "first", "first") == [whole[0][1:]]


def test_copies_are_cut_where_the_fewest_values_cross():
    graph = chain_of_blocks("a", "a", "a", "a")
    # what is before them is what each of them ends with
    nodes = (graph.nodes[0], make_node(1, "c", (0, 0)), *graph.nodes[2:])
    (repeat,) = Graph(nodes, graph.outputs).repeated()
    assert repeat.copies == ((2, 3, 4), (5, 6, 7), (8, 9, 10), (11, 12, 13))


def layers(x, weights):
    for i, w in enumerate(weights):
        with tg.scope(f"block{i + 1}"):
            with tg.scope("fc"):
                h = x @ w
            with tg.scope("act"):
                h = np.tanh(h) * 2
            x = x + h
    return np.sum(x)


def test_scopes_are_folded_by_structure():
    weights = [np.ones((3, 3))] * 12
    graph = tg.trace(layers, np.ones((2, 3)), weights)
    (repeat,) = graph.repeated()
    assert repeat.label == "block x12"
    assert repeat.scope == ()
    for i, numbers in enumerate(repeat.copies):
        inside = [graph.nodes[n] for n in numbers]
        assert {one.name for one in inside if one.kind == "leaf"} == {f"weights[{i}]"}
        assert {one.scope[0] for one in inside if one.kind == "op"} == {f"block{i + 1}"}
    weights[5] = np.ones((3, 3), np.float32)
    odd = tg.trace(layers, np.ones((2, 3), np.float32), [w.astype("f4") for w in weights])
    assert [repeat.label for repeat in odd.repeated()] == ["block x12"]


@pytest.mark.parametrize("scoped", [False, True])
def test_steps_of_a_loop_are_folded(scoped):
    def rnn(xs, w, h):
        for t in range(20):
            with tg.scope("step") if scoped else nullcontext():
                h = np.tanh(xs[t] @ w + h @ w)
        return h

    graph = tg.trace(rnn, np.ones((20, 2, 3)), np.ones((3, 3)), np.ones((2, 3)))
    (repeat,) = graph.repeated()
    assert repeat.label == ("step x20" if scoped else "getitem, matmul, matmul ... x20")
    assert "x20" in graph.to_svg(fold=True)


def test_steps_that_take_other_slices_are_not_folded():
    graph = tg.trace(lambda x: [np.tanh(x[i : 6 - i]) for i in range(3)], np.ones(6))
    assert graph.repeated() == ()
    gates = tg.trace(lambda x: [np.sin(np.tanh(x[:, i : i + 3])) for i in (0, 3)], np.ones((2, 6)))
    assert gates.repeated() == ()


def test_two_copies_are_folded():
    def f(x):
        for _ in range(2):
            with tg.scope("block"):
                x = np.sin(np.tanh(x)) * 2
        return x

    assert [repeat.label for repeat in tg.trace(f, np.ones(3)).repeated()] == ["block x2"]


def test_stages_are_folded_apart_and_outer_blocks_first():
    def net(x):
        for stage in range(2):
            with tg.scope(f"stage{stage}"):
                for i in range(4):
                    with tg.scope(f"block{i}"):
                        x = np.sin(np.cos(x)) + x
            if stage == 0:
                x = np.concatenate([x, x])
        return x

    graph = tg.trace(net, np.ones(3))
    assert [(r.label, r.scope) for r in graph.repeated()] == [
        ("block x4", ("stage0",)),
        ("block x4", ("stage1",)),
    ]
    check_repeats(graph)

    def same(x):
        for stage in range(3):
            with tg.scope(f"stage{stage}"):
                for i in range(4):
                    with tg.scope(f"block{i}"):
                        x = np.sin(np.cos(x)) + x
        return x

    graph = tg.trace(same, np.ones(3))
    assert [r.label for r in graph.repeated()] == ["stage x3", *["block x4"] * 3]
    check_repeats(graph)


def test_derivatives_of_blocks_are_blocks():
    def net(x, weights):
        for w in weights:
            x = np.tanh(x @ w) + x
        return x

    graph = tg.trace(net, np.ones((2, 3)), [np.ones((3, 3))] * 8, backward=True)
    forward, backward = graph.repeated()
    assert forward.label == "matmul, tanh, add x8"
    assert {graph.nodes[n].order for numbers in backward.copies for n in numbers} == {1}
    assert len(backward.copies) == 7  # there is nothing to be added to in the last layer
    check_repeats(graph)


def test_scopes_with_their_derivatives_are_folded_to_the_last():
    def chain(x, weights):
        x = np.cos(x)
        for i, w in enumerate(weights):
            with tg.scope(f"layer{i}"):
                x = np.tanh(x @ w)
        return np.sum(x * x)

    graph = tg.trace(chain, np.ones((2, 3)), [np.ones((3, 3))] * 6, backward=True)
    (repeat,) = graph.repeated()
    assert repeat.label == "layer x6"
    orders = {tuple(graph.nodes[n].order for n in numbers) for numbers in repeat.copies}
    assert len(orders) == 1
    assert set(orders.pop()) == {0, 1}
    check_repeats(graph)


def test_ten_thousand_nodes_are_folded():
    weights = [np.ones((1, 1))] * 2500
    graph = tg.trace(layers, np.ones((1, 1)), weights)
    assert len(graph) > 10_000
    assert [repeat.label for repeat in graph.repeated()] == ["block x2500"]
    rng = np.random.default_rng(0)
    drawn = (
        make_node(i, f"op{rng.integers(5)}", (int(rng.integers(i)),)) for i in range(1, 10_000)
    )
    check_repeats(Graph((make_node(0, "leaf"), *drawn), (9_999,)))


# ---- totals ------------------------------------------------------------------------------------


@given(programs(max_ops=8))
def test_totals_are_those_of_the_recorded_nodes(program):
    leaves = [tg.tensor(x, requires_grad=True) for x in program.inputs]
    ys = [y for y in program.run(*leaves) if isinstance(y, tg.Tensor) and y.requires_grad]
    assume(ys)
    totals = tg.graph(*ys).summary()
    nodes = ancestors(y._node for y in ys)
    ops = [node for node in nodes if node.primitive is not None]
    assert totals.ops == Counter(node.primitive.name for node in ops)
    assert list(totals.ops.values()) == sorted(totals.ops.values(), reverse=True)
    assert (totals.nodes, totals.leaves) == (len(nodes), len(nodes) - len(ops))

    depth = {}
    for one in nodes:
        below = [depth[parent] for parent in one.parents if parent is not None]
        depth[one] = max(below, default=0) + (one.primitive is not None)
    assert totals.depth == max(depth.values())

    kept = {}  # each array once
    for one in ops:
        for name, value in zip(one.primitive.layout, one.saved, strict=False):
            if value is not None and not name.endswith("_shape"):
                for part in value if isinstance(value, tuple) else (value,):
                    which = id(part) if hasattr(part, "nbytes") else (one, name)
                    kept[which] = np.asarray(part).nbytes
    assert totals.saved_bytes == sum(kept.values())


def test_the_depth_of_a_long_chain():
    y = leaf(1)
    for _ in range(10_000):
        y = np.negative(y)
    graph = tg.graph(y)
    assert graph.summary().depth == 10_000
    assert len(graph.path(0, 10_000)) == 10_001
    assert len(graph.cone(10_000)) == len(graph.cone(0, "down")) == 10_001
    assert graph.diff(graph).same == 10_001
    assert [repeat.label for repeat in graph.repeated()] == ["negative x10000"]
    assert Graph.from_json(graph.to_json()) == graph
    assert len(tg.graph(y, backward=True)) == 20_002


# ---- derivatives -------------------------------------------------------------------------------


def close(summary, array):
    """Compare a summary with an array of which it should be one."""
    assert summary.shape == array.shape
    assert summary.dtype == str(array.dtype)
    if array.size:
        found = (summary.low, summary.mean, summary.high)
        wanted = (array.min(), array.mean(), array.max())
        # a mean may be a small difference of large numbers
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12 * np.abs(array).max())


@settings(max_examples=60)
@given(programs(SMOOTH, max_ops=6))
def test_the_recorded_gradients_are_the_gradients(program):
    def total(*xs):
        return sum(np.sum(y) for y in program.run(*xs))

    leaves = [tg.tensor(x, requires_grad=True) for x in program.inputs]
    ys = [y for y in program.run(*leaves) if isinstance(y, tg.Tensor) and y.requires_grad]
    assume(ys)
    names = {f"x{i}": x for i, x in enumerate(leaves)}
    used = {node.number for node in tg.graph(*ys)}
    graph = tg.graph(*ys, **names, backward=2, values=True)
    assert all(x.grad is None for x in leaves)

    expected = tg.grad(total, tuple(range(len(leaves))))(*program.inputs)
    for name, gradient in zip(names, expected, strict=True):
        found = [one for one in graph if name_is(one, f"grad {name}")]
        assert len(found) == 1
        close(found[0].values, gradient)
        close(graph.find(name=name)[0].gradient, gradient)
        assert found[0].is_output

    second = tg.grad(
        lambda *xs: sum(np.sum(g) for g in tg.grad(total, tuple(range(len(xs))))(*xs)),
        tuple(range(len(leaves))),
    )(*program.inputs)
    for name, gradient in zip(names, second, strict=True):
        found = [one for one in graph if name_is(one, f"grad grad {name}")]
        if found:
            close(found[0].values, gradient)
        else:
            assert not np.any(gradient)

    for one in graph:
        assert (one.order == 0) == (one.number in used)
        if one.order and one.op != "seed" and one.rule_of is not None:
            assert graph.nodes[one.rule_of].order < one.order
            assert graph.nodes[one.rule_of].kind == "op"
    for y in ys[:-1]:  # nothing was freed
        np.sum(y).backward(retain_graph=True)


def name_is(one, name):
    return one.name is not None and name in one.name.split(", ")


def test_gradients_that_are_one_share_their_node():
    x, y = leaf(2), leaf(2)
    graph = tg.graph(x + y, x=x, y=y, backward=True)
    assert [node.name for node in graph] == ["x", "y", None, "grad x, grad y"]
    assert graph.outputs == (2, 3)


def test_an_output_that_is_named_twice_counts_twice():
    x = leaf(2)
    y = x * 3
    graph = tg.graph(y, y, x=x, backward=True, values=True)
    assert graph.find(name="grad x")[0].values.mean == 6.0
    assert graph.find(op="seed")[0].name == "seed t1"


def test_a_derivative_that_is_constant_ends_the_passes():
    x = leaf(2)
    graph = tg.graph(x + x, x=x, backward=5)
    assert max(node.order for node in graph) == 1
    assert [node.name for node in graph.nodes if node.is_output] == [None, "grad x"]


def test_rules_belong_to_their_operation_and_its_scope():
    x = leaf(2)
    with tg.scope("net"):
        y = np.sin(x) * x
    graph = tg.graph(np.sum(y), x=x, backward=True)
    rules = {graph.nodes[one.rule_of].op: one.scope for one in graph if one.rule_of is not None}
    assert rules == {"sum": (), "multiply": ("net",), "sin": ("net",)}
    (cos,) = graph.find(op="cos")
    assert graph.nodes[cos.rule_of].op == "sin"
    (saved,) = graph.find(op="sin")[0].saved
    assert saved == Saved("x", 0, 16)
    assert {s.argument for s in graph.find(op="multiply")[0].saved} == {"x", "y"}


def test_all_that_several_arguments_save_is_told_apart():
    x, y = leaf(2, 3), leaf(3, 4)
    (einsum,) = tg.graph(np.einsum("ij,jk,k", x, y, np.ones(4))).find(op="einsum")
    assert einsum.saved == (
        Saved("xs[0]", 0, 48),
        Saved("xs[1]", 1, 96),
        Saved("xs[2]", None, 32),
    )


def test_values_are_added_to_the_same_graph():
    def f(x, w):
        return np.sum(np.tanh(x @ w))

    x, w = np.ones((2, 3)), np.ones((3, 2))
    plain, full = (tg.trace(f, x, w, backward=2, values=values) for values in (False, True))
    assert tuple(replace(one, values=None, gradient=None) for one in full) == plain.nodes
    assert any(one.rule_of is not None for one in full)


def test_derivatives_are_of_no_line():
    x = leaf(2)
    with tg.source_lines():
        np.sum(np.sin(x)).backward(create_graph=True)
    graph = tg.graph(x.grad)
    assert {one.order for one in graph if one.kind == "op"} == {1}
    assert {one.source for one in graph} == {None}


def test_a_freed_graph_says_so():
    x = leaf(2)
    y = np.sum(np.sin(x))
    y.backward()
    assert tg.graph(y).find(op="sin")[0].saved == ()
    with pytest.raises(tg.errors.GraphError, match="retain_graph"):
        tg.graph(y, backward=True)


def test_complex_gradients_are_those_of_the_surface():
    x = tg.tensor([1 + 2j, 3.0], requires_grad=True)
    y = np.sum(np.abs(x) ** 2)
    graph = tg.graph(y, x=x, backward=True, values=True)
    assert graph.find(name="grad x")[0].op == "conjugate"
    assert graph.nodes[0].gradient == graph.find(name="grad x")[0].values
    y.backward()
    assert tg.graph(np.sin(x), values=True).nodes[0].gradient == graph.nodes[0].gradient


def test_values_are_those_that_rules_keep():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = np.exp(np.negative(x) * 3)
    graph = tg.graph(y, values=True)
    assert [one.values is not None for one in graph] == [False, False, False, True]
    assert graph.nodes[-1].values.high == np.exp(-3)
    assert tg.graph(y, x=x, values=True).nodes[0].values.low == 1.0
    assert tg.graph(y).nodes[-1].values is None


# ---- trace -------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(programs(SMOOTH, max_ops=6))
def test_a_trace_has_the_values_of_all_nodes(program):
    def f(*xs):
        return program.run(*xs)

    results = program.run(*program.inputs)
    graph = tg.trace(f, *program.inputs, values=True)
    assert all(one.values is not None for one in graph)
    for one, x in zip(graph, program.inputs, strict=False):
        assert (one.name, one.op) == (f"xs[{one.number}]", "variable")
        close(one.values, x)
    for number, y in zip(graph.outputs, results, strict=True):
        close(graph.nodes[number].values, np.asarray(y))


def test_a_graph_of_no_nodes_is_shown():
    empty = Graph((), ())
    assert empty.text() == "return"
    assert Graph.from_json(empty.to_json()) == empty
    assert not empty.diff(empty)
    assert empty.repeated() == ()
    for drawing in (empty.to_svg(fold=True), empty.to_dot(), empty.to_mermaid(), empty.to_html()):
        assert drawing


def test_inputs_have_the_names_of_arguments():
    def names(f, *args):
        return [one.name for one in tg.trace(f, *args) if one.kind == "leaf"]

    params = {"b": [1.0, (2.0, np.ones(2))], "w": np.ones(2), "steps": 3, "mode": None}
    assert names(lambda x, /, params: x * params["w"], 1.0, params) == [
        "x",
        "params['b'][0]",
        "params['b'][1][0]",
        "params['b'][1][1]",
        "params['w']",
    ]
    assert names(lambda x, *rest, key=1: x + rest[1], 1.0, 2.0, 3.0) == ["x", "rest[0]", "rest[1]"]
    assert names(np.add, 1.0, 2.0) == ["x", "y"] or names(np.add, 1.0, 2.0) == ["x1", "x2"]
    assert names(np.sin, tg.tensor(1.0)) == ["x"]


def test_an_input_without_use_is_there():
    graph = tg.trace(lambda x, y: np.sin(x), 1.0, 2.0, values=True, backward=True)
    (y,) = graph.find(name="y")
    assert y.values.mean == 2.0
    assert graph.find(name="grad y") == ()


def test_a_trace_leaves_tensors_alone():
    x, w = leaf(2), leaf(2)
    graph = tg.trace(lambda x: np.sin(x) * w, x * 2, backward=True)
    assert [one.op for one in graph][:4] == ["leaf", "variable", "sin", "multiply"]
    assert x.grad is None
    assert w.grad is None
    with tg.no_grad():
        assert len(tg.trace(np.sin, x)) == 2


def test_lines_are_those_of_the_caller():
    def f(x):
        y = np.sin(x)
        return helper(y)

    def helper(y):
        return np.cos(y)

    first = inspect.getsourcelines(f)[1]
    graph = tg.trace(f, 1.0, backward=True)
    assert [one.source for one in graph][:3] == [
        None,
        Source(__file__, first + 1, f.__qualname__, "y = np.sin(x)"),
        Source(__file__, first + 5, helper.__qualname__, "return np.cos(y)"),
    ]
    assert {one.source for one in graph if one.order} == {None}
    assert {one.source for one in tg.graph(f(leaf(1)))} == {None}


def test_examples_of_vmap_have_values():
    def f(x):
        return tg.vmap(lambda row: np.sum(np.sin(row)))(x)

    graph = tg.trace(f, np.ones((3, 2)), backward=True, values=True)
    assert graph.find(op="sin")[0].values.shape == (3, 2)
    assert graph.find(op="sin")[0].shape == (2,)
    close(graph.nodes[0].gradient, np.cos(np.ones((3, 2))))
