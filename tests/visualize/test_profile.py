"""profile measures each operation, and its derivative rule, once."""

import gc
import json
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tensorgrad as tg
from tensorgrad.errors import GraphError

STEPS = {
    "sin": lambda x, y: np.sin(x),
    "multiply": lambda x, y: x * y,
    "matmul": lambda x, y: x @ y.T,
    "mod": lambda x, y: np.divmod(x, 0.4)[1] + y,
    "concatenate": lambda x, y: np.concatenate([x, y])[:3],
    "scaled": lambda x, y: x - np.mean(y),
    "svd": lambda x, y: np.linalg.svd(x)[1] + y,
}
PROGRAMS = st.lists(
    st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 5), st.integers(0, 5)), max_size=6
)


def leaf(shape=(3, 3)):
    return tg.tensor(np.random.default_rng(0).random(shape) + 0.1, requires_grad=True)


def run(steps, x):
    """A number that depends on every step."""
    values = [x]
    for name, i, j in steps:
        values.append(STEPS[name](values[i % len(values)], values[j % len(values)]))
    return sum(np.sum(np.tanh(value)) for value in values)


def results_of_several(graph):
    """The nodes that are one of several results: not operations, but parts of what one returns."""
    several = {node.number for node in graph if node.dtype.startswith("(")}
    return {node.number for node in graph if several.intersection(node.inputs)}


def inside(event, other):
    return (
        other.start <= event.start
        and event.start + event.seconds <= other.start + other.seconds + 1e-12
    )


class TestEvents:
    @given(PROGRAMS)
    def test_calls_are_the_operations_of_the_graph(self, steps):
        x = leaf()
        result = tg.profile(run, steps, x)
        graph = tg.graph(run(steps, x))
        parts = results_of_several(graph)
        operations = Counter(n.op for n in graph if n.kind == "op" and n.number not in parts)
        calls = Counter()
        for row in result.rows:
            calls[row.op] += row.calls
        assert +calls == operations
        assert [n.op for n in result.graph] == [n.op for n in graph]
        for node in result.graph:
            measured = node.kind == "op" and node.number not in parts
            assert (node.seconds is not None) == measured

    @given(PROGRAMS)
    def test_the_rule_of_each_runs_once(self, steps):
        x = leaf()
        result = tg.profile(run, steps, x)
        rules = Counter(event.op for event in result.events if event.is_rule)
        assert rules == Counter(node.op for node in result.graph if node.kind == "op")
        assert all(e.phase == ("backward" if e.is_rule else "forward") for e in result.events)

    @given(PROGRAMS)
    def test_times_add_up(self, steps):
        result = tg.profile(run, steps, leaf())
        own = sum(event.own_seconds for event in result.events)
        assert result.overhead > 0
        assert 0 < own <= result.seconds - result.overhead
        assert sum(row.forward + row.backward for row in result.rows) == pytest.approx(own)
        for event in result.events:
            assert -1e-12 < event.own_seconds <= event.seconds
        starts = [event.start for event in result.events]
        assert starts == sorted(starts)
        assert sum(n.seconds or 0.0 for n in result.graph) == pytest.approx(
            sum(e.own_seconds for e in result.events if not e.is_rule)
        )

    def test_the_time_is_that_of_the_operation(self):
        """By a rule that is known to take long."""

        @tg.custom_vjp
        def slow(x):
            return np.sin(x)

        def pull(x, g):
            time.sleep(0.02)
            return (g * np.cos(x),)

        slow.defvjp(lambda x: (np.sin(x), x), pull)
        result = tg.profile(lambda x: np.sum(slow(x)), leaf())
        (row,) = (row for row in result.rows if row.op == "slow")
        assert row.backward >= 0.02
        assert row.source.text == "result = tg.profile(lambda x: np.sum(slow(x)), leaf())"

    @pytest.mark.parametrize(
        "f",
        [
            tg.vmap(tg.checkpoint(lambda v: np.sum(np.sin(v) * 2.0))),
            tg.checkpoint(tg.vmap(tg.grad(lambda v: np.sum(np.sin(v) * v)))),
        ],
    )
    def test_of_one_inside_another(self, f):
        """Under vmap an operation calls those on the batch: each has its own time."""
        events = tg.profile(lambda x: f(x).sum(), leaf()).events
        for i, event in enumerate(events):
            for other in events[i + 1 :]:
                assert inside(other, event) or other.start >= event.start + event.seconds
        backward = [e for e in events if e.phase == "backward" and not e.is_rule]
        assert "sin" in {e.op for e in backward}  # the checkpoint computes it again
        own = sum(event.own_seconds for event in events)
        outermost = sum(
            e.seconds
            for e in events
            if not any(inside(e, other) for other in events if other is not e)
        )
        assert own < outermost  # without the time of looking on at those inside

    def test_bytes_and_types_of_results(self):
        result = tg.profile(lambda x: np.divmod(x, 0.3)[1].astype(np.float32).sum(), leaf((4, 5)))
        found = {event.op: (event.nbytes, event.results) for event in result.events if event.nbytes}
        assert found["astype"] == (80, ("float32[4, 5]",))
        assert found["sum"] == (4, ("float32[]",))

    def test_goes_on_after_an_error_that_the_function_catches(self):
        def f(x):
            with pytest.raises(tg.errors.ShapeError):
                x @ np.ones((7, 7))
            with pytest.raises(ZeroDivisionError):
                tg.grad(fails)(x)
            return np.sum(np.sin(x))

        @tg.custom_vjp
        def broken(x):
            return x * 1.0

        def refuse(_, g):
            raise ZeroDivisionError

        broken.defvjp(lambda x: (x * 1.0, None), refuse)

        def fails(x):
            return np.sum(broken(x))

        result = tg.profile(f, leaf())
        found = {event.op: event.phase for event in result.events if not event.is_rule}
        assert found["sin"] == "forward"
        assert "matmul" not in found
        assert sum(event.own_seconds for event in result.events) <= result.seconds


class TestRun:
    def test_calls_once_and_leaves_no_gradient(self):
        x = leaf()
        calls = []

        def f(v):
            calls.append(v)
            return np.sum(np.sin(v))

        result = tg.profile(f, x)
        assert len(calls) == 1
        assert calls[0] is x
        assert x.grad is None
        assert any(event.is_rule for event in result.events)

    @pytest.mark.parametrize(
        "f", [np.sin, lambda x: np.sum(np.sin(x.detach())), lambda x: {"a": np.sin(x)}]
    )
    def test_no_backward_pass_but_of_one_number(self, f):
        result = tg.profile(f, leaf())
        assert {event.phase for event in result.events} == {"forward"}
        assert "sin" in {row.op for row in result.rows}

    def test_the_garbage_collector_waits(self):
        found = []
        tg.profile(lambda x: found.append(gc.isenabled()) or np.sin(x), leaf())
        with pytest.raises(ZeroDivisionError):
            tg.profile(lambda x: 1 / 0, leaf())
        assert found == [False]
        assert gc.isenabled()

    def test_nothing_to_see(self):
        with pytest.raises(GraphError, match=r"profile: arguments=\['ndarray'\]"):
            tg.profile(np.sin, np.ones(3, int))

    @given(st.data())
    def test_it_takes_what_trace_takes(self, data):
        def f(x, params, times):
            for _ in range(times):
                x = np.tanh(params["w"] * x + params["b"])
            return np.sum(x)

        kinds = st.sampled_from([np.asarray, tg.tensor, lambda v: leaf(np.shape(v))])
        x, w, b = (data.draw(kinds)(value) for value in (np.ones(3), 2.0 * np.ones(3), np.ones(1)))
        args = (x, {"w": w, "b": b}, data.draw(st.integers(1, 3)))
        result = tg.profile(f, *args)
        graph = tg.trace(f, *args)
        counts = Counter(node.op for node in graph if node.kind == "op")
        if not any(isinstance(v, tg.Tensor) for v in (x, w, b)):
            assert {row.op: row.calls for row in result.rows} == counts
            assert tuple(replace(node, seconds=None) for node in result.graph) == graph.nodes
            assert {row.op for row in result.rows if row.backward} == counts.keys()
        assert sum(row.calls for row in result.rows) > 0

    def test_it_calls_again_only_where_nothing_was_recorded(self):
        w, ran = leaf(()), []
        tg.profile(lambda x: ran.append(type(x)) or np.sum(w * x), np.ones(3))
        assert ran == [np.ndarray]
        tg.profile(lambda x: ran.append(type(x)) or np.sum(2 * x), np.ones(3))
        assert ran[1:] == [np.ndarray, tg.Tensor]

    def test_forward_mode_is_forward(self):
        result = tg.profile(lambda x: tg.jvp(np.sin, (x,), (1.0,)), 2.0)
        assert {(e.op, e.is_rule, e.phase) for e in result.events} == {
            ("sin", False, "forward"),
            ("sin", True, "forward"),
        }

    def test_derivatives_inside_the_function(self):
        result = tg.profile(lambda x: np.sum(tg.grad(lambda v: np.sum(v**3))(x)), leaf())
        power = [e for e in result.events if e.op == "power" and e.is_rule]
        assert len(power) == 1 + 1  # once recording, and once the rule of what it recorded
        recorded = [e for e in result.events if e.phase == "backward" and not e.is_rule]
        assert all(any(inside(e, p) for p in result.events if p.is_rule) for e in recorded)
        assert {event.source for event in recorded} == {None}


class TestOutput:
    def make(self):
        def f(v):
            return np.sum(np.sin(v) * np.ones((3, 3)))

        return tg.profile(f, leaf())

    def test_table(self):
        result = self.make()
        header, *rows, footer = str(result).splitlines()
        assert header.split() == [
            "op",
            "calls",
            "forward",
            "ms",
            "backward",
            "ms",
            "%",
            "bytes",
            "line",
        ]
        assert [row.split()[0] for row in rows] == [row.op for row in result.rows]
        shares = [float(row.split()[4]) for row in rows]
        assert sum(shares) == pytest.approx(100, abs=0.1 * len(rows))
        assert all("test_profile.py:" in row and "np.sin(v)" in row for row in rows)
        assert "ms in all" in footer
        assert repr(result).startswith("Profile(6 events, ")

    def test_a_long_table_ends(self):
        x = leaf()
        source = "def f(x):\n" + "    x = np.sin(x)\n" * 40 + "    return np.sum(x)\n"
        found = {"np": np}
        exec(source, found)
        lines = str(tg.profile(found["f"], x)).splitlines()
        assert len(lines) == 1 + 30 + 1 + 1
        assert lines[-2].startswith("... and 11 more: ")

    def test_chrome_trace(self, tmp_path):
        result = self.make()
        path = result.save(tmp_path / "trace.json")
        trace = json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)
        assert trace == json.loads(json.dumps(result.to_chrome_trace()))
        tracks = {
            event["tid"]: event["args"]["name"]
            for event in trace["traceEvents"]
            if event["ph"] == "M"
        }
        assert sorted(tracks.values()) == ["backward", "forward"]
        shown = [event for event in trace["traceEvents"] if event["ph"] == "X"]
        assert len(shown) == len(result.events)
        for event, measured in zip(shown, result.events, strict=True):
            assert tracks[event["tid"]] == measured.phase
            assert event["name"].split()[0] == measured.op
            assert event["ts"] / 1e6 == pytest.approx(measured.start)
            assert event["dur"] / 1e6 == pytest.approx(measured.seconds)
            assert "np.sin(v)" in event["args"]["line"]
            assert ("results" in event["args"]) == (not measured.is_rule)
