"""Graphs as data and as listings, against what the program did."""

import gc
import json
import os
import re
import subprocess
import sys
import weakref
from ast import literal_eval
from contextlib import ExitStack
from dataclasses import FrozenInstanceError, asdict
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, example, given, strategies as st
from material import HOSTILE

import tensorgrad as tg
from tensorgrad.engine.declare import several
from tensorgrad.testing.mutants import unlisted
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
        "t2: float64[3]    = sin(x)  # saves 24 B\n"
        "t3: float64[3]    = multiply(2, t2)  # saves 8 B\n"
        "t4: float64[2, 3] = subtract(t3, t1)\n"
        "return t4\n"
        "# saved for the backward pass: 32 B"
    )
    assert str(small()) == small().text()
    assert repr(small()) == "Graph(5 nodes, 2 leaves)"
    assert repr(tg.graph(leaf(1))) == "Graph(1 node, 1 leaf)"


CONV_LISTING = """
x:      float64[1, 4, 8, 8] = leaf(requires_grad)
w:      float64[6, 4, 3, 3] = leaf(requires_grad)
y:      float64[1, 6, 4, 4] = conv(x, w, stride=(2, 2), padding=((1, 1), (1, 1)),
        input_dilation=(1, 1), dilation=(1, 1), groups=1, algorithm='auto')  # saves 3.78 kB
# backward pass
seed y: float64[1, 6, 4, 4] = seed()
# backward of y = conv(x, w, ...)
t4:     float64[6, 4, 3, 3] = flip(w, axis=(2, 3))
t5:     float64[4, 6, 3, 3] = transpose(t4, axes=(1, 0, 2, 3))
grad x: float64[1, 4, 8, 8] = conv(seed y, t5, stride=(1, 1), padding=((1, 2), (1, 2)),
        input_dilation=(2, 2), dilation=(1, 1), groups=1, algorithm='auto')  # saves 2.5 kB
"""


def test_the_gradient_of_conv2d_is_listed_as_the_textbooks_state_it():
    # Mirror the kernel, exchange its channels, convolve over the output gradient, which is dilated
    # by the stride and padded by k - 1 - padding = 1, plus a remainder of (8 + 2 - 3) % 2 = 1.
    x, w = leaf(1, 4, 8, 8), leaf(6, 4, 3, 3)
    y = tg.conv2d(x, w, stride=2, padding=1)
    graph = tg.graph(y, x=x, w=w, y=y, backward=True)
    assert graph.text().startswith(CONV_LISTING.strip())
    *_, returned, kept = graph.text().split("\n")
    assert (returned, kept) == (
        "return y, grad x, grad w",
        "# saved for the backward pass: 3.78 kB",
    )
    (conv,) = graph.find(name="grad x")
    assert (conv.order, conv.rule_of, conv.arguments) == (1, 2, ("x", "w"))
    assert conv.params == {
        "stride": "(1, 1)",
        "padding": "((1, 2), (1, 2))",
        "input_dilation": "(2, 2)",
        "dilation": "(1, 1)",
        "groups": "1",
        "algorithm": "'auto'",
    }
    # by the kernel: stride and dilation change places, and the remainder is cropped
    conv = graph.find(op="conv")[-1]
    assert (conv.order, conv.rule_of, conv.params["dilation"]) == (1, 2, "(2, 2)")
    assert conv.params["padding"] == "((1, 0), (1, 0))"


def test_scopes_and_lines_are_headings():
    def f(x):
        with tg.scope("net"):
            y = np.sin(x)
            with tg.scope("block\n1"), tg.scope("head"):
                y = y * y
            return np.cos(y)

    lines = tg.trace(f, np.ones(2)).text().split("\n")
    assert [re.sub(r"test_graph.py:\d+ in \S+:", "HERE", line) for line in lines] == [
        "x:        float64[2] = variable()",
        "# net",
        "  # HERE y = np.sin(x)",
        "  t1:     float64[2] = sin(x)  # saves 16 B",
        r"  # block\n1/head",
        "      # HERE y = y * y",
        "      t2: float64[2] = multiply(t1, t1)  # saves 32 B",
        "  # HERE return np.cos(y)",
        "  t3:     float64[2] = cos(t2)  # saves 16 B",
        "return t3",
        "# saved for the backward pass: 48 B",
    ]


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

    # and in the listing: what is read was defined in a line before, and outputs are returned
    defined = set()
    *lines, last = graph.text().split("\n")
    for text, line in zip(lines, numbers, strict=True):
        name, call = re.fullmatch(r"(t\d+): +float64\[0\] = (.*)", text).groups()
        op, operands = program[line]
        if op != "leaf":
            used = re.findall(r"\bt\d+|\bconst\b", call.replace("float64[0]", "const"))
            assert used == ["const" if i is None else f"t{numbers[i]}" for i in operands]
            assert defined >= set(used) - {"const"}
        defined.add(name)
    assert last == "return " + ", ".join(f"t{numbers[line]}" for line in outputs)


@given(programs())
def test_a_graph_is_plain_data_and_the_same_in_every_run(program):
    first, second = (tg.graph(run(program)[-1]) for _ in range(2))
    assert first == second
    assert first.text() == second.text()
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


def test_the_argument_of_a_transformation_is_a_variable():
    seen = []

    def f(x):
        y = np.exp(x)
        seen.append(tg.graph(y, x=x))
        return y

    tg.grad(f)(1.0)
    assert seen[0].text() == (
        "x:  float64[] = variable()\n"
        "t1: float64[] = exp(x)  # saves 8 B\n"
        "return t1\n"
        "# saved for the backward pass: 8 B"
    )


# ---- names -------------------------------------------------------------------------------------


@given(st.one_of(st.text(), st.sampled_from(HOSTILE)))
def test_hostile_names_are_data(name):
    x = leaf(2)
    graph = tg.graph(np.sin(x) * x, **{name: x})
    assert graph.nodes[0].name == name
    label = graph.nodes[0].label
    assert label == name or literal_eval(label) == name
    assert label not in {"t0", "t1", "t2", "const", "return"}
    lines = graph.text().split("\n")
    assert all(map(str.isprintable, lines))
    assert max(map(len, lines)) <= 100
    made, sine, product, returned = [line for line in lines if not re.match(" *#", line)]
    shown, call = re.match(r"(.*): +float64\[2\] = (.*)", made).groups()
    assert shown == (label if len(label) <= 32 else "t0")
    assert call.startswith("leaf(requires_grad)")
    assert f" = sin({shown})" in sine
    assert f" = multiply(t1, {shown})" in product
    assert returned == "return t2"
    assert (len(label) > 32) == ("# named " in graph.text())


@given(st.lists(st.text(min_size=1), max_size=4), st.text())
def test_hostile_scopes_stay_on_their_line(scopes, name):
    x = leaf(2)
    with ExitStack() as stack:
        for scope in scopes:
            stack.enter_context(tg.scope(scope))
        y = np.sin(x)
    graph = tg.graph(y, x=x)
    assert graph.nodes[1].scope == tuple(scopes)
    lines = graph.text().split("\n")
    assert len(lines) == 4 + bool(scopes)
    assert all(map(str.isprintable, lines))
    assert max(map(len, lines)) <= 100


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


# ---- constants and parameters ------------------------------------------------------------------

NUMBERS = st.one_of(
    st.integers(-(10**9), 10**9),
    st.floats(-1e100, 1e100),
    st.booleans(),
    st.complex_numbers(max_magnitude=1e100),
    st.floats(-1, 1).map(np.float64),
    st.floats(-1, 1).map(np.array),
)


@given(NUMBERS, st.sampled_from([np.add, np.multiply, np.arctan2, np.hypot]), st.booleans())
def test_a_constant_number_is_shown_with_its_value(number, function, is_first):
    if function in (np.arctan2, np.hypot) and np.iscomplexobj(number):
        number = number.real

    def f(x):
        return function(number, x) if is_first else function(x, number)

    graph = tg.trace(f, np.ones(3))
    _, node = graph.nodes
    text = node.constants[0 if is_first else 1]
    assert node.constants == ((text, None) if is_first else (None, text))
    assert np.isclose(literal_eval(text), number, rtol=1e-3, atol=0)
    assert len(text) <= 24
    if len(repr(number)) <= 8 and type(number) in (int, float, bool):
        assert text == repr(number)
    assert f"{node.op}({text}, x)" if is_first else f"{node.op}(x, {text})" in graph.text()
    # of live tensors what rules keep is known
    live = tg.graph(f(leaf(3))).nodes[1]
    assert live.constants in (node.constants, ())
    assert (live.constants != ()) == any(kept.number is None for kept in live.saved)


def test_constant_arrays_are_shown_as_dtype_and_shape():
    def f(x):
        return np.matmul(np.ones((2, 3), np.float32), x * [1.0, 2.0, 3.0]) + np.ones((1, 1))

    traced, live = tg.trace(f, np.ones(3)).text(), tg.graph(f(leaf(3))).text()
    assert "multiply(x, const)" in traced
    assert re.search(r"add\(t\d, float64\[1, 1\]\)", traced)
    assert re.search(r"add\(t\d, const\)", live)
    for text in (traced, live):
        assert re.search(r"matmul\(float32\[2, 3\], t\d\)", text)


def test_a_constant_that_changed_is_a_difference():
    one, other = (tg.trace(lambda x, c=c: np.sin(x * c) + 1, 2.0) for c in (2.0, 3.0))
    assert one.diff(other).text() == (
        "1 changed, 3 the same\n~ t1: float64[] = multiply: y 2.0 -> 3.0"
    )
    assert not one.diff(one)


def test_constants_of_an_operation_with_several_results():
    with unlisted():
        both = several(
            lambda x, y, /: (x + y, x - y),
            (lambda g: g[0] + g[1], lambda g: g[0] - g[1]),
            (lambda t: (t, t), lambda t: (t, -t)),
            outputs=("sum", "difference"),
            name="both",
            samples=lambda draw: ((draw.array((2,)), draw.array((2,))), {}),
        )
    graph = tg.trace(lambda x: both(x, 0.5)[1], np.ones(2))
    assert [node.constants for node in graph] == [(), (None, "0.5"), ()]


def test_what_was_freed_is_no_longer_known():
    y = leaf(4) * 3.0
    assert tg.graph(y).nodes[-1].constants == (None, "3.0")
    y.sum().backward()
    assert tg.graph(y).nodes[-1].constants == ()


@st.composite
def windows(draw):
    """Draw the sides of two axes, and how to ask for windows over them."""
    kernel, stride, dilation = (draw(st.tuples(*2 * [st.integers(1, n)])) for n in (3, 3, 3))
    padding = draw(st.tuples(*2 * [st.tuples(*2 * [st.integers(0, 2)])]))
    sides = draw(st.tuples(*2 * [st.integers(2, 9)]))
    names = ("kernel_size", "stride", "padding", "dilation")
    return sides, dict(zip(names, (kernel, stride, padding, dilation), strict=True))


def met_by_windows(sides, kernel_size, stride, padding, dilation):
    """The entries that each window meets, by definition."""
    numbers = np.arange(np.prod(sides)).reshape(sides)
    numbers = np.pad(numbers, padding, constant_values=-1)
    firsts = [
        range(0, n - d * (k - 1), s)
        for n, d, k, s in zip(numbers.shape, dilation, kernel_size, stride, strict=True)
    ]
    met = []
    for i, j in product(*firsts):
        rows = i + dilation[0] * np.arange(kernel_size[0])
        columns = j + dilation[1] * np.arange(kernel_size[1])
        met.append(set(numbers[np.ix_(rows, columns)].flat) - {-1})
    return met


# what is far apart, and lies in the padding for one of the two windows
APART = {"kernel_size": (2, 1), "stride": (1, 1), "padding": ((0, 2), (0, 0)), "dilation": (3, 1)}


@given(windows(), st.sampled_from([tg.max_pool2d, tg.avg_pool2d]))
@example(((3, 4), APART), tg.max_pool2d)
def test_pooling_is_told_by_what_makes_its_windows(drawn, pool):
    sides, asked = drawn
    params = dict(asked)
    if pool is tg.avg_pool2d:
        del params["dilation"]  # it takes none
    try:
        graph = tg.trace(lambda x: pool(x, **params), np.ones((1, 1, *sides)), backward=True)
    except tg.errors.ShapeError:  # a window that meets nothing but padding
        assume(False)
    if "windows" in graph.nodes[1].params:  # the first of dilated entries may always be padding
        assert max(params.get("dilation", (1, 1))) > 1
        assert max(map(max, params["padding"])) > 0
        return
    told = {name: literal_eval(text) for name, text in graph.nodes[1].params.items()}
    asked = {"dilation": (1, 1), **params}
    assert told.keys() == asked.keys()
    assert met_by_windows(sides, **told) == met_by_windows(sides, **asked)
    if pool is tg.max_pool2d:  # the derivative is by the same windows
        (spread,) = graph.find(op="window_max_spread")
        assert spread.params.items() >= graph.nodes[1].params.items()


def test_the_derivative_of_average_pooling_is_told_as_its_transpose():
    def f(x):
        return tg.avg_pool2d(x, kernel_size=(3, 2), stride=2, padding=((1, 1), (0, 0)))

    forward, backward = tg.trace(f, np.ones((1, 9, 8)), backward=True).find(op="window_sum")
    assert forward.notable_params == {
        "kernel_size": "(3, 2)",
        "stride": "2",
        "padding": "((1, 1), (0, 0))",
    }
    assert backward.params == {**forward.params, "transposed": "True"}


def test_windows_that_are_not_alike_are_told_by_how_many_they_are():
    graph = tg.trace(lambda x: tg.adaptive_avg_pool2d(x, output_size=(4, 2)), np.ones((1, 7, 6)))
    assert graph.find(op="window_sum")[0].params == {"windows": "(7 -> 4, 6 -> 2)"}
    graph = tg.trace(lambda x: tg.adaptive_max_pool2d(x, output_size=(1, 2)), np.ones((1, 7, 6)))
    told = graph.find(op="window_max")[0].params
    assert (told["kernel_size"], told["stride"]) == ("(7, 3)", "(7, 3)")
