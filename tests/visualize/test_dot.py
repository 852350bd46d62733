"""Drawings in DOT and Mermaid, as Graphviz itself and a reader of our own understand them."""

import html
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, strategies as st
from material import HOSTILE, make_node

import tensorgrad as tg
from tensorgrad.visualize.graph import Graph
from tensorgrad.visualize.node import Saved, bytes_text

GOLDEN = Path(__file__).parent / "golden"
needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="the program dot is missing")


def leaf(*shape):
    return tg.tensor(np.ones(shape), requires_grad=True)


# ---- golden ------------------------------------------------------------------------------------


def formula():
    x, y = leaf(3), leaf(2, 3)
    with tg.scope("model"):
        with tg.scope("left"):
            a = np.sin(x) * 2
        b = a - y
    return tg.graph(b, x=x)


def layer():
    def loss(x, w):
        with tg.scope("layer"):
            y = np.sin(x @ w)
        return np.sum(y)

    return tg.trace(loss, np.ones((4, 3)), np.ones((3, 2)), backward=True)


def second_derivative():
    return tg.trace(lambda x: np.sin(x) * x, 1.0, backward=2)


@pytest.mark.parametrize("picture", [formula, layer, second_derivative])
@pytest.mark.parametrize("language", ["dot", "mermaid"])
def test_drawings_stay_as_they_were_looked_at(picture, language):
    text = getattr(picture(), f"to_{language}")()
    path = GOLDEN / f"{picture.__name__}.{language}"
    if not path.exists():
        path.write_text(text, encoding="utf-8")
        pytest.fail(f"{path} is new: look at it, and commit it")
    assert text == path.read_text(encoding="utf-8"), f"to renew it, delete {path}"


def test_parameters_that_change_nothing_are_left_to_the_listing():
    neutral = {
        "stride": "(1, 1)",
        "padding": "((0, 0), (0, 0))",
        "input_dilation": "(1,)",
        "dilation": "1",
        "groups": "1",
        "algorithm": "'auto'",
        "keepdims": "False",
    }
    telling = {
        "stride": "(1, 2)",
        "padding": "((0, 1), (0, 0))",
        "dilation": "()",
        "groups": "10",
        "algorithm": "'fft'",
        "keepdims": "True",
        "axis": "(1, 1)",
    }
    even = {"stride": "(2, 2)", "padding": "((1, 1), (1, 1))", "kernel_size": "(1, 1)"}
    once = {"stride": "2", "padding": "1", "kernel_size": "1"}
    for params, shown in ((neutral, {}), (telling, telling), (even, once)):
        graph = Graph((make_node(0), make_node(1, "conv", (0,), params=params)), (1,))
        said = [f"{name}={value}" for name, value in params.items()]
        drawn = [f"{name}={value}" for name, value in shown.items()]
        in_dot = re.search(r'n1 \[label="([^"]*)"', graph.to_dot())[1].split("\\n")
        in_mermaid = re.search(r'n1\("(.*)"\)', graph.to_mermaid())[1].split("<br/>")
        in_svg = re.findall(r"<text[^>]*>([^<]*)</text>", graph.to_svg())
        for lines in (in_dot, in_mermaid, in_svg):
            texts = [html.unescape(line.replace("#39;", "'")) for line in lines]
            assert [text for text in texts if re.match("[a-z_]+=", text)] == drawn
        listed = graph.text()
        assert all(text in listed for text in said)


# ---- structure ---------------------------------------------------------------------------------

names = st.text(max_size=20) | st.sampled_from(HOSTILE)


@st.composite
def graphs(draw):
    """Draw nodes in scopes, some computed by the rules of others, with saved values."""
    scopes = st.lists(names, max_size=3).map(tuple)
    nodes = []
    for number in range(draw(st.integers(1, 8))):
        earlier = st.none() | st.integers(0, number - 1) if number else st.none()
        inputs = draw(st.lists(earlier, max_size=3))
        rule_of, order = None, 0
        if number and inputs and draw(st.booleans()):
            rule_of = draw(st.integers(0, number - 1))
            order = nodes[rule_of].order + 1
        kept = {i for i in inputs if i is not None}
        nodes.append(
            make_node(
                number,
                draw(st.sampled_from(["sin", "multiply"]) | names),
                inputs,
                # of an argument that a node made, the value is not shown
                constants=tuple(draw(st.none() | st.just(f"{i}.5")) for i in range(len(inputs))),
                scope=draw(scopes),
                order=order,
                rule_of=rule_of,
                name=draw(st.none() | names),
                is_output=draw(st.booleans()),
                saved=tuple(Saved("x", i, 10 * i) for i in sorted(kept)),
            )
        )
    return Graph(tuple(nodes), (len(nodes) - 1,))


def seen(text):
    """What can be seen of a text, at most 44 characters."""
    if len(text) > 44:
        text = text[:22] + "…" + text[-21:]
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def label(node):
    named = node.kind == "leaf" and node.name is not None
    lines = [node.label, "float64[2]"] if named else [node.op, f"{node.label}: float64[2]"]
    lines += ["output"] if node.is_output else []
    return [seen(line) for line in lines]


def expected_edges(graph):
    """Tail, head, words, whether it is dashed, for every argument; a constant by its place."""
    for head in graph:
        for place, tail in enumerate(head.inputs):
            words = []
            if len(head.inputs) > 1 and head.op != "multiply":
                words.append("xyz"[place])
            dashed = False
            if tail is not None:
                source = graph.nodes[tail]
                rule = None if head.rule_of is None else graph.nodes[head.rule_of]
                if rule and source.order < head.order and tail in [s.number for s in rule.saved]:
                    dashed = True
                    words.append(f"saved, {10 * tail} B")
                elif source.order and head.order and source.rule_of != head.rule_of:
                    words.append("float64[2]")
            name = f"n{head.number}_const{place}" if tail is None else f"n{tail}"
            yield name, f"n{head.number}", ": ".join(words), dashed


def expected_constants(graph):
    """What is written in the place of each constant."""
    return {
        f"n{n.number}_const{place}": n.constants[place] or "const"
        for n in graph
        for place, source in enumerate(n.inputs)
        if source is None
    }


def shown(text):
    """Read a label as Graphviz does."""
    text = re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), text)
    return text.replace("&amp;", "&")


def frames_by_title(drawing):
    """The title of each frame of a drawing that pygraphviz read, and the nodes in it."""
    for frame in drawing.subgraphs():
        yield shown(frame.graph_attr["label"]), frozenset(frame.nodes())
        yield from frames_by_title(frame)


def expected_frames(graph):
    inside = {}
    for n in graph:
        place = n.scope if n.rule_of is None else (*n.scope, n.rule_of)
        consts = [f"n{n.number}_const{i}" for i, source in enumerate(n.inputs) if source is None]
        for depth in range(1, len(place) + 1):
            inside.setdefault(place[:depth], set()).update([f"n{n.number}", *consts])
    for place, members in inside.items():
        title = place[-1]
        if isinstance(title, int):
            of = graph.nodes[title]
            title = f"derivative of {of.op} {of.label}"
        yield seen(title), frozenset(members)


@given(graphs())
def test_graphviz_reads_what_the_graph_says(graph):
    pygraphviz = pytest.importorskip("pygraphviz")
    drawing = pygraphviz.AGraph(string=graph.to_dot())
    for n in graph:
        read = drawing.get_node(f"n{n.number}")
        assert shown(read.attr["label"]).split("\n") == label(n)
        assert ("dashed" in read.attr["style"]) == (n.order > 0 and n.kind == "op")
        assert (read.attr["peripheries"] == "2") == n.is_output
    consts = expected_constants(graph)
    assert len(drawing) == len(graph) + len(consts)
    assert {name: drawing.get_node(name).attr["label"] for name in consts} == consts

    drawn = Counter()
    for edge in drawing.edges():
        back = edge.attr["dir"] == "back"
        tail, head = edge[::-1] if back else edge
        dashed = edge.attr["style"] == "dashed"
        assert dashed == (edge.attr["constraint"] == "false")
        drawn[tail, head, (edge.attr["label"] or "").strip(), dashed] += 1
        orders = [graph.nodes[int(n.split("_")[0][1:])].order for n in (tail, head)]
        assert back == (orders[0] == orders[1] and orders[0] % 2 == 1)
    assert drawn == Counter(expected_edges(graph))
    assert Counter(frames_by_title(drawing)) == Counter(expected_frames(graph))


@given(graphs())
def test_a_digraph_has_the_same_source(graph):
    digraph = graph.to_graphviz()
    assert digraph.source == graph.to_dot()
    assert graph.to_dot() == Graph(graph.nodes, graph.outputs).to_dot()


@needs_dot
def test_graphviz_shows_hostile_scopes_and_names_as_they_are():
    for name in HOSTILE:
        graph = Graph((make_node(0, name=name, scope=(f"{name} in", name)),), (0,))
        done = subprocess.run(
            ["dot", "-Tsvg"],
            input=graph.to_dot().encode(),
            capture_output=True,
            check=True,
            timeout=60,
        )
        assert done.stderr == b""
        texts = ElementTree.fromstring(done.stdout).iter("{http://www.w3.org/2000/svg}text")
        read = [(text.text or "").replace("\N{NO-BREAK SPACE}", " ") for text in texts]
        wanted = [seen(f"{name} in"), seen(name), *label(graph.nodes[0])]
        assert sorted(filter(str.strip, read)) == sorted(filter(str.strip, wanted))


# ---- a chain of derivatives, and its size ------------------------------------------------------


def test_a_deep_scope_needs_no_recursion():
    deep = Graph((make_node(0, scope=("s",) * 3000),), (0,))
    assert deep.to_dot().count("subgraph") == deep.to_mermaid().count("subgraph") == 3000


def test_bytes_are_printed_with_three_digits():
    for exponent in range(15):
        for size in (10**exponent, 10**exponent * 999 // 1000, 10**exponent * 1234 // 1000):
            number, unit = bytes_text(size).split()
            factor = 1000 ** ["B", "kB", "MB", "GB", "TB"].index(unit)
            assert float(number) * factor == pytest.approx(size, rel=5e-3)
            assert len(number.replace(".", "")) <= 3


# ---- Mermaid -----------------------------------------------------------------------------------

TEXT = r"\"((?:[^\"#<>&`\\]|#\d+;|<br/>)*)\""
MERMAID_NODE = re.compile(rf"(\w+)(\(\[|\(|\[){TEXT}(?:\]\)|\)|\]):::(\w+)")
MERMAID_EDGE = re.compile(rf"(\w+) (-->|-\.->)(?:\|{TEXT}\|)? (\w+)")
MERMAID_FRAME = re.compile(rf"subgraph f(\d+)\[{TEXT}\]")
MERMAID_REST = re.compile(r"flowchart TB|end|class f\d+ \w+|classDef \w+ [\w:#,. -]+")


def decoded(text):
    text = html.unescape(re.sub(r"#(\d+);", r"&#\1;", text.replace("<br/>", "\n")))
    assert "\\n" not in text  # Mermaid would break the line there, if nothing were between
    return text.replace("\\\N{WORD JOINER}", "\\")


@given(graphs())
def test_mermaid_says_what_the_graph_says(graph):
    drawn, nodes, frames, open_frames = Counter(), {}, {}, []
    for line in graph.to_mermaid().splitlines():
        if match := MERMAID_NODE.fullmatch(line):
            nodes[match[1]] = decoded(match[3]).split("\n")
            for frame in open_frames:
                frames[frame][1].add(match[1].replace("_c", "_const"))
        elif match := MERMAID_FRAME.fullmatch(line):
            open_frames.append(match[1])
            frames[match[1]] = (decoded(match[2]), set())
        elif match := MERMAID_EDGE.fullmatch(line):
            dashed = match[2] == "-.->"
            tail = match[1].replace("_c", "_const")
            drawn[tail, match[4], decoded(match[3] or ""), dashed] += 1
        else:
            assert MERMAID_REST.fullmatch(line), line
            if line == "end":
                open_frames.pop()
    assert not open_frames
    assert drawn == Counter(expected_edges(graph))
    shown_frames = Counter((title, frozenset(inside)) for title, inside in frames.values())
    # a space stands for nothing, which Mermaid does not take
    assert shown_frames == Counter(
        (title or " ", inside) for title, inside in expected_frames(graph)
    )
    assert {f"n{n.number}": label(n) for n in graph}.items() <= nodes.items()
    consts = {
        name.replace("_const", "_c"): [text] for name, text in expected_constants(graph).items()
    }
    assert consts.items() <= nodes.items()
