"""Scopes, source lines, and whose derivative rule recorded a node."""

import copy
import pickle
import sys
import threading
import weakref

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tensorgrad as tg
from tensorgrad.engine.graph import ancestors
from tensorgrad.engine.node import Node, next_index
from tensorgrad.engine.notes import Note, open_blocks
from tensorgrad.engine.primitive import Binary, Primitive, Unary
from tensorgrad.engine.watch import Walk, watching
from tensorgrad.errors import UnsupportedError

# a tree of scopes: each a name, and what is inside
TREES = st.recursive(
    st.just([]),
    lambda inside: st.lists(
        st.tuples(st.sampled_from(["a", "b", "block 1", "é/</script>"]), inside)
    ),
    max_leaves=12,
)


def leaf(*values):
    return tg.tensor(list(values) or [0.3, 0.7], requires_grad=True)


def scope_of(y):
    return y._node.note.scope if y._node.note else ()


def walk_tree(tree, path, x, found):
    """Record something before, inside and after each scope, with the path it ought to have."""
    for name, inside in tree:
        found.append((path, np.sin(x)))
        with tg.scope(name):
            walk_tree(inside, (*path, name), x, found)
            found.append(((*path, name), x * 2.0))
        found.append((path, np.sum(x)))


class TestScope:
    @given(TREES)
    def test_scopes_nest(self, tree):
        found = []
        walk_tree(tree, (), leaf(), found)
        assert [scope_of(y) for _, y in found] == [path for path, _ in found]
        assert not open_blocks

    @given(TREES, TREES)
    def test_each_thread_has_scopes_of_its_own(self, one, other):
        founds = [], []
        together = threading.Barrier(2)

        def work(tree, found):
            x = leaf()
            together.wait()
            walk_tree(tree, (), x, found)

        with tg.scope("outside"):
            threads = [
                threading.Thread(target=work, args=pair)
                for pair in zip((one, other), founds, strict=True)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        for found in founds:
            assert [scope_of(y) for _, y in found] == [path for path, _ in found]

    def test_as_a_decorator(self):
        @tg.scope("inner")
        def layer(x):
            return np.tanh(x)

        with tg.scope("outer"):
            assert scope_of(layer(leaf())) == ("outer", "inner")
        assert scope_of(layer(leaf())) == ("inner",)

    def test_ends_with_an_error(self):
        with pytest.raises(ZeroDivisionError), tg.scope("a"):
            raise ZeroDivisionError
        assert np.sin(leaf())._node.note is None

    @pytest.mark.parametrize("name", ["", 3, None, ("a", "b")])
    def test_needs_a_name(self, name):
        with pytest.raises(UnsupportedError, match="scope: name="):
            tg.scope(name)

    @given(TREES)
    def test_each_visit_with_operations_has_a_name_of_its_own(self, tree):
        found = []
        walk_tree(tree, (), leaf(), found)
        outputs = [y for path, y in found if path] or [np.sin(leaf())]
        graph = tg.graph(*outputs)
        names, seen = {}, set()
        for number, y in zip(graph.outputs, outputs, strict=True):
            named, note = graph.nodes[number].scope, y._node.note or Note()
            for depth, visit in enumerate(note.visits):
                assert names.setdefault(visit, named[: depth + 1]) == named[: depth + 1]
                plain = (*named[:depth], note.scope[depth])
                if plain not in seen:  # the first keeps its name
                    assert named[depth] == note.scope[depth]
                assert named[depth].startswith(note.scope[depth])
                seen.add(plain)
            assert len(named) == len(note.scope)
        # walk_tree records an operation in every scope
        assert len(set(names.values())) == len(names)

    def test_a_scope_that_is_entered_again_for_other_scopes_is_the_same(self):
        y = leaf()
        for stage, block in ((0, 0), (0, 1), (1, 0), (1, 0), (1, 1)):
            with tg.scope(f"stage{stage}"), tg.scope(f"block{block}"):
                y = np.sin(y)
        assert ["/".join(node.scope) for node in list(tg.graph(y))[1:]] == [
            "stage0/block0",
            "stage0/block1",
            "stage1/block0",
            "stage1 2/block0",
            "stage1 2/block1",
        ]

    def test_weights_made_in_a_scope_are_in_it(self):
        with tg.scope("net"), tg.scope("layer"):
            w = leaf()
        with tg.scope("net"), tg.scope("layer"):
            y = np.sin(w)
        assert {node.scope for node in tg.graph(y)} == {("net", "layer")}

    def test_visits_are_numbered_in_each_graph_around_numbers_of_the_user(self):
        x = leaf()
        for _ in range(2):
            y = x
            for name in ("block", "block 2", "block", "block"):
                with tg.scope(name):
                    y = np.sin(y)
            names = [scope for (scope,) in (node.scope for node in list(tg.graph(y))[1:])]
            assert names == ["block", "block 2", "block 3", "block 4"]

    def test_rules_stay_in_the_visit_of_their_operation(self):
        y = leaf()
        for _ in range(3):
            with tg.scope("block"):
                y = np.sin(y)
        graph = tg.graph(y, backward=True)
        rules = [node for node in graph if node.rule_of is not None]
        assert len({node.scope for node in rules}) == 3
        assert all(node.scope == graph.nodes[node.rule_of].scope for node in rules)

    def test_goes_over_to_what_the_rules_record(self):
        x = leaf()
        with tg.scope("block"):
            y = np.sin(x)
        before = next_index()
        (y * y).sum().backward(create_graph=True)
        made = [node for node in ancestors([x.grad._node]) if node.index > before]
        inside = [n for n in made if n.note and n.note.scope == ("block",)]
        assert {n.note.rule_of for n in inside} == {y._node.index}
        assert "cos" in {n.primitive.name for n in inside}


def here():
    """The line of the caller, plus one."""
    return sys._getframe(1).f_lineno + 1


@tg.custom_vjp
def twice(x):
    return x * 2.0


twice.defvjp(lambda x: (x * 2.0, None), lambda _, g: (g * 2.0,))


class TestSourceLines:
    @pytest.mark.parametrize(
        "compute",
        [
            lambda x: (here(),
                       np.sin(x)),
            lambda x: (here(),
                       x * 2.0),
            lambda x: (here(),
                       2.0 / x),
            lambda x: (here(),
                       x.sum()),
            lambda x: (here(),
                       x[0]),
            lambda x: (here(),
                       np.einsum("i,i", x, x)),
            lambda x: (here(),
                       np.linalg.norm(x)),
            lambda x: (here(),
                       np.divmod(x, 0.2)[1]),
            lambda x: (here(),
                       tg.conv1d(x[None, None], np.ones((1, 1, 2)))),
            lambda x: (here(),
                       np.concatenate([x, x])),
            lambda x: (here(),
                       twice(x)),
            lambda x: (here(),
                       tg.checkpoint(np.sin)(x)),
            lambda x: (here(),
                       tg.vmap(np.sin)(x)),
            lambda x: (here(),
                       tg.sin(x)),
            lambda x: (here(),
                       tg.tensor([1.0], requires_grad=True)),
        ],
    )  # fmt: skip
    def test_is_that_of_the_call(self, compute):
        x = leaf()
        with tg.source_lines():
            line, y = compute(x)
        note = y._node.note
        assert note.code.co_filename == __file__
        assert note.line == line
        assert compute(x)[1]._node.note is None

    def test_keeps_no_values_alive(self):
        def model(x):
            array = np.ones(2).view(Held)
            held.append(weakref.ref(array))
            return np.sin(x) * 2.0

        class Held(np.ndarray):
            pass

        held = []
        with tg.source_lines():
            y = model(leaf())
        assert y._node.note.code is model.__code__
        assert held[0]() is None

    def test_code_that_has_no_file(self):
        found = {"np": np, "x": leaf()}
        with tg.source_lines():
            exec("y = 1\ny = np.sin(x)", found)
        assert found["y"]._node.note.line == 2


class Arrivals(Walk):
    """Counts nodes whenever a walk comes to one: what is recorded until the next is by its rule."""

    def __init__(self, log):
        self.log = log

    def arrive(self, node, seed):
        super().arrive(node, seed)
        self.log.append((next_index(), node))

    def end(self, found):
        self.log.append((next_index(), None))


class Watcher:
    def __init__(self, log):
        self.log = log

    def call(self, act, primitive, args, params):
        return act(primitive, *args, **params)

    def walk(self, outputs, alarm):
        return Arrivals(self.log)


STEPS = {
    "sin": np.sin,
    "tanh": np.tanh,
    "double": lambda x: x + x,
    "square": lambda x: x * x,
    "roll": lambda x: np.roll(x, 1) * x,
    "mean": lambda x: x - np.mean(x),
    "mod": lambda x: np.divmod(x, 0.4)[1],
    "twice": twice,
    "vmap": tg.vmap(np.cos),
}


class TestWhoseRule:
    @given(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=5), st.integers(1, 3))
    def test_recorded_a_node(self, names, order):
        """By the count of nodes at each step of the walks, which knows nothing of notes."""
        x = leaf()
        log = []
        orders = {x._node: 0}
        with tg.source_lines(), watching(Watcher(log)):
            y = x
            for name in names:
                y = STEPS[name](y)
            y = np.sum(y * y)
            for node in ancestors([y._node]):
                assert (node.note.order if node.note else 0, node.index) == (0, node.index)
                orders[node] = 0
            for _ in range(order):
                x.grad = None
                y.backward(create_graph=True)
                if x.grad._node is None:
                    break
                for node in ancestors([x.grad._node]):
                    if node in orders:
                        continue
                    started = [at for index, at in log if index < node.index]
                    if started[-1] is None:  # between walks
                        orders[node] = 0
                        continue
                    assert node.note.rule_of == started[-1].index
                    orders[node] = node.note.order
                    assert node.note.order == orders[started[-1]] + 1
                y = np.sum(x.grad)

    def test_forward_mode(self):
        x = leaf()
        with tg.source_lines():
            y, t = tg.jvp(lambda v: np.sin(v) * 3.0, (x,), (np.ones(2),))
        cosine = next(n for n in ancestors([t._node]) if n.primitive and n.primitive.name == "cos")
        (rule_of,) = (n for n in ancestors([y._node, t._node]) if n.index == cosine.note.rule_of)
        assert (rule_of.primitive.name, cosine.note.order) == ("sin", 1)


class Names(Watcher):
    def __init__(self):
        self.seen = []

    def call(self, act, primitive, args, params):
        self.seen.append(primitive.name)
        return super().call(act, primitive, args, params)


class TestOff:
    def test_nothing_is_noted(self):
        x = leaf()
        y = np.sum(np.sin(x) * 2.0)
        y.backward(create_graph=True)
        assert {node._jotting for node in ancestors([y._node, x.grad._node])} == {None}

    def test_calls_are_what_they_were(self):
        calls = [kind.__call__ for kind in (Primitive, Unary, Binary)]
        with pytest.raises(ZeroDivisionError), watching(Watcher([])), watching(Watcher([])):
            1 / (Unary.__call__ is calls[1])
        assert [kind.__call__ for kind in (Primitive, Unary, Binary)] == calls

    def test_the_innermost_looks_on(self):
        outer, inner = Names(), Names()
        with watching(outer):
            np.sin(leaf())
            with watching(inner):
                np.cos(leaf())
            np.tan(leaf())
        assert (outer.seen, inner.seen) == (["sin", "tan"], ["cos"])

    def test_walks_are_looked_at_without_notes(self):
        log = []
        y = np.sum(np.sin(leaf()))
        with watching(Watcher(log)):
            y.backward()
        assert [node.primitive.name if node else None for _, node in log] == ["sum", "sin", None]

    def test_another_thread_is_not_looked_at(self):
        names = Names()
        with watching(names):
            thread = threading.Thread(target=lambda: np.sin(leaf()))
            thread.start()
            thread.join()
            np.cos(leaf())
        assert names.seen == ["cos"]


def test_tensors_with_notes_are_copied_without():
    with tg.scope("a"), tg.source_lines():
        x = leaf()
    for copied in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert copied.requires_grad
        assert copied._node.note is None
    assert isinstance(x._node, Node)
    assert x._node.note.scope == ("a",)
