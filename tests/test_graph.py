"""Graphs as data, as listings and as drawings, against what the program did."""

import gc
import json
import os
import re
import shutil
import subprocess
import sys
import weakref
from ast import literal_eval
from dataclasses import FrozenInstanceError, asdict
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tensorgrad as tg
from tensorgrad.visualize.node import param_text


def leaf(*shape):
    return tg.tensor(np.ones(shape), requires_grad=True)


# ---- golden ------------------------------------------------------------------------------------


def small():
    x, y = leaf(3), leaf(2, 3)
    return tg.graph(2 * np.sin(x) - y, x=x)


def test_listing_of_a_small_expression():
    assert small().text() == (
        "x:  float64[3]    = leaf(requires_grad)\n"
        "t1: float64[2, 3] = leaf(requires_grad)\n"
        "t2: float64[3]    = sin(x)\n"
        "t3: float64[3]    = multiply(const, t2)\n"
        "t4: float64[2, 3] = subtract(t3, t1)\n"
        "return t4"
    )
    assert str(small()) == small().text()
    assert repr(small()) == "Graph(5 nodes, 2 leaves)"
    assert repr(tg.graph(leaf(1))) == "Graph(1 node, 1 leaf)"


def test_drawing_of_a_small_expression():
    header, statements = small().to_dot().split("\tn0 ", 1)
    assert header.startswith("digraph {\n\tgraph [")
    const = (
        'label="const" shape="plaintext" style="solid" fontsize="10" fontcolor="#7f7f7f" '
        'margin="0.02" height="0.2" width="0.2"'
    )
    blue = 'shape="ellipse" style="filled" fillcolor="#bfdcf2" color="#2f7fb8"'
    amber = 'peripheries="2" penwidth="1.6" fillcolor="#fbdca6" color="#b8720a"'
    assert "\tn0 " + statements == (
        rf"""	n0 [label="leaf\nx: float64[3]" {blue}]
	n1 [label="leaf\nt1: float64[2, 3]" {blue}]
	n2 [label="sin\nt2: float64[3]"]
	n0 -> n2
	n3 [label="multiply\nt3: float64[3]"]
	n3_const0 [{const}]
	n3_const0 -> n3
	n2 -> n3
	n4 [label="subtract\nt4: float64[2, 3]\noutput" {amber}]
	n3 -> n4 [label=" x"]
	n1 -> n4 [label=" y"]
}}
"""
    )


def test_conv2d_and_its_gradient():
    x, w = leaf(1, 4, 8, 8), leaf(6, 2, 3, 3)
    y = tg.conv2d(x, w, stride=2, padding=1, groups=2)
    forward = tg.graph(y, x=x, w=w, y=y)
    assert forward.text() == (
        "x: float64[1, 4, 8, 8] = leaf(requires_grad)\n"
        "w: float64[6, 2, 3, 3] = leaf(requires_grad)\n"
        "y: float64[1, 6, 4, 4] = conv(x, w, stride=(2, 2), padding=((1, 1), (1, 1)), "
        "input_dilation=(1, 1), dilation=(1, 1), groups=2, algorithm='auto')\n"
        "return y"
    )
    dot = forward.to_dot()
    assert r'n2 [label="conv\ny: float64[1, 6, 4, 4]\nstride=(2, 2)\npadding=((1, 1)' in dot
    assert '\tn0 -> n2 [label=" x"]\n\tn1 -> n2 [label=" w"]\n' in dot


def test_the_gradient_of_conv2d_is_drawn_as_the_textbooks_state_it():
    # Mirror the kernel, exchange its channels, convolve over the output gradient, which is dilated
    # by the stride and padded by k - 1 - padding = 1, plus a remainder of (8 + 2 - 3) % 2 = 1.
    x, w = leaf(1, 4, 8, 8), leaf(6, 4, 3, 3)
    tg.conv2d(x, w, stride=2, padding=1).backward(np.ones((1, 6, 4, 4)), create_graph=True)
    backward = tg.graph(x.grad, w=w, dx=x.grad)
    assert [node.op for node in backward] == ["leaf", "flip", "transpose", "conv"]
    conv = backward.nodes[-1]
    assert conv.arguments == ("x", "w")
    assert conv.inputs == (None, 2)
    assert conv.params == {
        "stride": "(1, 1)",
        "padding": "((1, 2), (1, 2))",
        "input_dilation": "(2, 2)",
        "dilation": "(1, 1)",
        "groups": "1",
        "algorithm": "'auto'",
    }
    assert backward.text().endswith("return dx")
    tg.conv2d(x, w).backward(leaf(1, 6, 6, 6), create_graph=True)  # draws as well
    assert len(tg.graph(x.grad, w.grad).outputs) == 2


def test_parameters_are_printed_without_arrays_or_addresses():
    x = leaf(3, 4)
    index = np.array([0, 2])
    mask = np.ones((3, 4), bool)
    joined = np.concatenate([x[index, 1:][:, ::-1], np.where(mask, x, 0.0)[np.int64(0), None, :3]])
    params = {(node.op, *node.params.items()) for node in tg.graph(joined)}
    assert ("getitem", ("index", "(int64[2], 1:)")) in params
    assert ("getitem", ("index", "(:, ::-1)")) in params
    assert ("getitem", ("index", "(0, None, :3)")) in params
    assert ("where", ("condition", "bool[3, 4]")) in params
    assert ("concatenate", ("axis", "0")) in params
    kinds = (np.float64(0.5), np.float32, np.dtype(int), np.sin, None, object(), "a'b", [True])
    printed = """(0.5, float32, int64, sin, None, object, "a'b", [True])"""
    assert param_text(kinds) == printed
    assert param_text(((0,), ())) == "((0,), ())"
    assert [node.params for node in tg.graph(x.astype(np.float32))][-1] == {"dtype": "float32"}


# ---- structure ---------------------------------------------------------------------------------

EMPTY = np.ones(0)  # every operation below takes (0,) to (0,)
OPS = {
    "sin": (np.sin, 1),
    "negative": (np.negative, 1),
    "subtract": (np.subtract, 2),
    "multiply": (np.multiply, 2),
    "arctan2": (np.arctan2, 2),
    "concatenate": (lambda *xs: np.concatenate(xs), None),
}
SYMMETRIC = {"multiply"}
EDGE = re.compile(r'\tn(\w+) -> n(\d+)(?: \[label=" ([^"]*)"\])?\n')


@st.composite
def programs(draw):
    """Draw a list of (op, operands): numbers of earlier lines, None for a constant."""
    lines = [("leaf", ())] * draw(st.integers(1, 3))
    for _ in range(draw(st.integers(0, 12))):
        op = draw(st.sampled_from(sorted(OPS)))
        arity = OPS[op][1] or draw(st.integers(1, 4))
        operand = st.none() | st.integers(0, len(lines) - 1)
        operands = draw(st.lists(operand, min_size=arity, max_size=arity))
        # at least one operand is recorded
        operands[draw(st.integers(0, arity - 1))] = draw(st.integers(0, len(lines) - 1))
        lines.append((op, tuple(operands)))
    return lines


def run(program):
    tensors = []
    for op, operands in program:
        if op == "leaf":
            tensors.append(leaf(0))
        else:
            args = [EMPTY if i is None else tensors[i] for i in operands]
            tensors.append(OPS[op][0](*args))
    return tensors


def reached(program, outputs):
    """Number the lines that the outputs depend on, in the order of the program."""
    found = set()

    def visit(line):
        found.add(line)
        for operand in set(program[line][1]) - found - {None}:
            visit(operand)

    for line in outputs:
        visit(line)
    return {line: number for number, line in enumerate(sorted(found))}


@given(programs(), st.data())
def test_a_graph_says_what_the_program_did(program, data):
    outputs = data.draw(st.lists(st.integers(0, len(program) - 1), min_size=1, max_size=3))
    tensors = run(program)
    numbers = reached(program, outputs)
    graph = tg.graph(*[tensors[line] for line in outputs])

    assert graph.outputs == tuple(numbers[line] for line in outputs)
    assert len(graph) == len(numbers)
    for (line, number), node in zip(numbers.items(), graph, strict=True):
        op, operands = program[line]
        assert (node.number, node.op) == (number, op)
        assert node.kind == ("leaf" if op == "leaf" else "op")
        assert node.is_output == (line in outputs)
        assert node.inputs == tuple(None if i is None else numbers[i] for i in operands)
        assert len(node.arguments) == len(operands)
        assert (node.shape, node.dtype, node.nbytes) == ((0,), "float64", 0)

    # the same edges in the drawing: in order, as often as the program has them
    edges = [
        (f"{numbers[line]}_const{place}" if i is None else f"{numbers[i]}", f"{numbers[line]}")
        for line in numbers
        for place, i in enumerate(program[line][1])
    ]
    drawn = EDGE.findall(graph.to_dot())
    assert [edge[:2] for edge in drawn] == edges
    for _, head, role in drawn:
        node = graph.nodes[int(head)]
        assert bool(role) == (len(node.inputs) > 1 and node.op not in SYMMETRIC)

    # and in the listing: what is read was defined in a line before, and outputs are returned
    defined = set()
    *lines, last = graph.text().split("\n")
    for text, line in zip(lines, numbers, strict=True):
        name, call = re.fullmatch(r"(t\d+): +float64\[0\] = (.*)", text).groups()
        op, operands = program[line]
        if op != "leaf":
            used = re.findall(r"\bt\d+|\bconst\b", call)
            assert used == ["const" if i is None else f"t{numbers[i]}" for i in operands]
            assert defined >= set(used) - {"const"}
        defined.add(name)
    assert last == "return " + ", ".join(f"t{numbers[line]}" for line in outputs)


@given(programs())
def test_a_graph_is_plain_data_and_the_same_in_every_run(program):
    first, second = (tg.graph(run(program)[-1]) for _ in range(2))
    assert first == second
    assert first.to_dot() == second.to_dot()
    assert json.loads(json.dumps(asdict(first)))["outputs"] == [len(first) - 1]


def test_sizes_are_plain_ints_and_bytes_those_of_the_result():
    x = tg.tensor(np.ones((2, 3), np.float32), requires_grad=True)
    node = tg.graph(np.broadcast_to(x, (np.int64(4), 2, 3))).nodes[-1]
    assert (node.shape, node.dtype, node.nbytes) == ((4, 2, 3), "float32", 4 * 2 * 3 * 4)
    assert {type(side) for side in node.shape} == {int}
    for record, field in ((node, "op"), (small(), "nodes")):
        with pytest.raises(FrozenInstanceError):
            setattr(record, field, ())


def test_a_graph_keeps_nothing_alive():
    x = leaf(3)
    y = np.where(x.numpy() > 0, x, 1.0) * x
    graph, nodes = tg.graph(y, x=x), [weakref.ref(x._node), weakref.ref(y._node)]
    del x, y
    gc.collect()
    assert [node() for node in nodes] == [None, None]
    assert "where" in graph.text()


def test_the_source_does_not_depend_on_the_process():
    program = (
        "import numpy as np, tensorgrad as tg\n"
        "x, y = (tg.tensor(np.ones((1, 1, 4, 4)), requires_grad=True) for _ in 'xy')\n"
        "g = tg.graph(tg.conv2d(x, y, padding='full') ** 2, np.sin(x), x=x, y=y)\n"
        "print(g.text(), g.to_dot(), sep='\\n')\n"
    )
    texts = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert texts[0] == texts[1] != b""


def test_a_chain_of_50_000_operations():
    y = leaf(1)
    for _ in range(50_000):
        y = np.negative(y)
    graph = tg.graph(y)
    assert len(graph) == 50_001
    assert graph.text().endswith("= negative(t49999)\nreturn t50000")
    assert "\tn49999 -> n50000\n" in graph.to_dot()


def test_the_argument_of_a_transformation_is_a_variable():
    seen = []

    def f(x):
        y = np.exp(x)
        seen.append(tg.graph(y, x=x))
        return y

    tg.grad(f)(1.0)
    assert seen[0].text() == "x:  float64[] = variable()\nt1: float64[] = exp(x)\nreturn t1"


# ---- names -------------------------------------------------------------------------------------

HOSTILE = [
    'say "hi"',
    "back\\slash",
    "\\",
    '\\"',
    "\\N and \\l",
    "two\nlines\r\n",
    "\0\x1b[31m",
    "<b>html</b>",
    "&lt;&#65;&amp;",
    "-->]; n9 [x",
    "\N{PARTY POPPER}",
    "\N{RIGHT-TO-LEFT OVERRIDE}abc",
    "\ud800",
    "",
    " ",
    "const",
    "t0",
    "t1",
    "return",
    "x" * 10_000,
    '"' * 10_000,
]
# one statement: words or an arrow, then attributes with quoted values
STRING = r'"(?:[^"\\\n]|\\.)*"'
STATEMENT = re.compile(rf"\t\w+(?: -> \w+)?(?: \[\w+={STRING}(?: \w+={STRING})*\])?")
LABEL = re.compile(rf"\tn0 \[label=({STRING})")


def named_leaf(name):
    x = leaf(2)
    return tg.graph(np.sin(x) * x, **{name: x})


def shown_label(dot):
    """Read the label of the first node as Graphviz does."""
    text = re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), LABEL.search(dot)[1][1:-1])
    return text.replace("&amp;", "&")


@given(st.one_of(st.text(), st.sampled_from(HOSTILE)))
def test_hostile_names_are_data(name):
    graph = named_leaf(name)
    assert graph.nodes[0].name == name
    *lines, last = graph.text().split("\n")
    assert len(lines) == 3
    assert last == "return t2"
    assert all(map(str.isprintable, lines))
    label = re.split(r": +float64\[2\] = ", lines[0])[0]
    assert literal_eval(label) == name if label != name else name.isidentifier()
    assert lines[1].index("=") < 80  # a long name does not widen the other lines
    assert label not in {"t0", "t1", "t2", "const", "return"}

    dot = graph.to_dot()
    dot.encode()
    opening, *statements, closing, rest = dot.split("\n")
    assert (opening, closing, rest) == ("digraph {", "}", "")
    assert len(statements) == 9  # three of defaults, three nodes, three edges
    for statement in statements:
        assert STATEMENT.fullmatch(statement), statement
    op, named = shown_label(dot).split("\n")
    assert op == "leaf"
    whole = f"{label}: float64[2]"
    if len(whole) <= 44:
        assert named == whole
    else:  # cut in the middle
        assert len(named) <= 44
        assert (named[:20], named[-20:]) == (whole[:20], whole[-20:])
        assert "…" in named[20:-20]


@pytest.mark.skipif(shutil.which("dot") is None, reason="the program dot is not installed")
def test_graphviz_shows_hostile_names_as_they_are():
    for name in HOSTILE:
        dot = named_leaf(name).to_dot()
        done = subprocess.run(
            ["dot", "-Tsvg"], input=dot.encode(), capture_output=True, check=True, timeout=60
        )
        texts = ElementTree.fromstring(done.stdout).iter("{http://www.w3.org/2000/svg}text")
        shown = [text.text.replace("\N{NO-BREAK SPACE}", " ") for text in texts]
        assert shown[:2] == shown_label(dot).split("\n")
        assert done.stderr == b""


# ---- graphviz ----------------------------------------------------------------------------------


def test_the_digraph_has_the_same_source_and_runs_nothing(monkeypatch):
    graphviz = pytest.importorskip("graphviz")
    monkeypatch.setenv("PATH", "")
    digraph = small().to_graphviz()
    assert isinstance(digraph, graphviz.Digraph)
    assert digraph.source == small().to_dot()


def test_a_missing_package_is_explained(monkeypatch):
    monkeypatch.setitem(sys.modules, "graphviz", None)
    with pytest.raises(tg.errors.TensorgradError, match="pip install graphviz"):
        small().to_graphviz()
    assert small().to_dot()


# ---- mistakes ----------------------------------------------------------------------------------

X, Y = leaf(3), leaf(2)
MISTAKES = [
    (lambda: tg.graph(X.numpy()), TypeError, ["argument_0='ndarray'", "tg.tensor"]),
    (lambda: tg.graph([X, Y]), TypeError, ["argument_0='list'", "one by one"]),
    (lambda: tg.graph(X, 1.0), TypeError, ["argument_1='float'"]),
    (lambda: tg.graph(X, a=None), TypeError, ["a='NoneType'"]),
    (lambda: tg.graph(X.detach()), RuntimeError, ["argument_0_shape=(3,)", "requires_grad=True"]),
    (lambda: tg.graph(X, w=tg.tensor(2.0)), RuntimeError, ["w depends on no", "w_shape=()"]),
    (lambda: tg.graph(X, y=Y), RuntimeError, ["name='y'", "shape=(2,)", "does not depend"]),
    (lambda: tg.graph(X, a=X, b=X), RuntimeError, ["name='b'", "other_name='a'", "Keep one"]),
]


@pytest.mark.parametrize(("call", "kind", "parts"), MISTAKES)
def test_mistakes_are_explained(call, kind, parts):
    with pytest.raises(tg.errors.TensorgradError) as caught:
        call()
    assert isinstance(caught.value, kind)
    for part in ["graph: ", *parts]:
        assert part in str(caught.value)
