"""The drawing in SVG: golden files, hostile names, and what every picture has to show.

To renew the golden files, look at what changes: python -m tests.visualize.test_svg
"""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from material import HOSTILE, make_node

import tensorgrad as tg
from tensorgrad.errors import ShapeError
from tensorgrad.visualize.graph import Graph
from tensorgrad.visualize.node import Saved, Source
from tensorgrad.visualize.outline import line as shown
from tensorgrad.visualize.svg import letters
from tensorgrad.visualize.svg.colours import KINDS, VIRIDIS, text_on

GOLDEN = Path(__file__).parent / "golden"
SVG = "{http://www.w3.org/2000/svg}"


def leaf(*shape):
    return tg.tensor(np.ones(shape), requires_grad=True)


# ---- golden ------------------------------------------------------------------------------------


def formula():
    x, w = leaf(3, 4), leaf(4, 2)
    y = np.sum(np.tanh(x @ w) * 2)
    return tg.graph(y, x=x, w=w, y=y).to_svg(notes={3: "here"})


def convolution():
    x, w = leaf(1, 4, 8, 8), leaf(6, 4, 3, 3)
    y = tg.conv2d(x, w, stride=2, padding=1)
    return tg.graph(y, image=x, kernel=w, backward=True).to_svg()


def network(blocks):
    x = leaf(4)
    weights = [leaf(4, 4) for _ in range(blocks)]
    y = x
    for i, w in enumerate(weights):
        with tg.scope(f"block{i}"):
            with tg.scope("linear"):
                z = w @ y
            y = np.tanh(z) + y
    return np.sum(y)


def scopes():
    return tg.graph(network(2)).to_svg(colour="memory")


def folded():
    return tg.graph(network(3), backward=True).to_svg(fold=True)


PICTURES = {picture.__name__: picture for picture in (formula, convolution, scopes, folded)}


@pytest.mark.parametrize("name", PICTURES)
def test_the_picture_is_the_one_that_was_looked_at(name):
    picture = PICTURES[name]()
    assert picture == (GOLDEN / f"{name}.svg").read_text("utf-8")
    assert not re.search(r"[^\w.]-0[^\d.]", picture)  # zero has no sign


# ---- what is in every picture --------------------------------------------------------------------


def read(svg):
    """Read a picture: its cards by id, each with its rectangle and its lines of text."""
    root = ElementTree.fromstring(svg)
    cards = {}
    for group in root.iter(f"{SVG}g"):
        if "tabindex" in group.attrib:
            sides = [rectangle.attrib for rectangle in group.findall(f"{SVG}rect")]
            front = next(r for r in sides[::-1] if "c" in r["class"] and r["fill"] != "none")
            texts = [text.text or "" for text in group.findall(f"{SVG}text")]
            assert group[0].tag == f"{SVG}title"
            assert group.attrib["id"] not in cards
            cards[group.attrib["id"]] = (
                *(float(front[key]) for key in ("x", "y", "width", "height")),
                texts,
            )
    return root, cards


def heads(root):
    """Return the points of arrows and whether they point up."""
    found = []
    for path in root.iter(f"{SVG}path"):
        if "fill" in path.attrib:
            for x, y, down in re.findall(r"M(\S+) (\S+?)l-3.5 (\S+?)h7z", path.attrib["d"]):
                found.append((float(x), float(y), float(down) > 0))
    return found


UNARY, BINARY = (np.sin, np.cos, np.tanh, np.arctan), (np.add, np.multiply, np.subtract)


@st.composite
def programs(draw):
    """The result of a drawn computation on small tensors, in drawn scopes."""
    values = [leaf(2) for _ in range(draw(st.integers(1, 3)))]
    operand = st.integers(1, 4).map(lambda back: values[-min(back, len(values))])
    for _ in range(draw(st.integers(1, 10))):
        scope = draw(st.sampled_from(["", "a", "b"]))
        if draw(st.booleans()):
            call = (draw(st.sampled_from(UNARY)), draw(operand))
        else:
            call = (draw(st.sampled_from(BINARY)), draw(operand), draw(operand))
        function, *arguments = call
        if scope:
            with tg.scope(scope):
                values.append(function(*arguments))
        else:
            values.append(function(*arguments))
    return values[-1]


@given(programs(), st.booleans())
@settings(deadline=None)
def test_every_node_has_its_card_and_every_argument_its_arrow(y, backward):
    graph = tg.graph(np.sum(y), backward=backward)
    root, cards = read(graph.to_svg())
    assert list(cards) == [f"n{node.number}" for node in graph]
    for node in graph:
        *_, texts = cards[f"n{node.number}"]
        named = node.kind == "leaf" and node.name is not None
        lines = [node.label, node.type] if named else [node.op, f"{node.label}: {node.type}"]
        assert texts[:2] == [*map(shown, lines)]
        known = node.constants or (None,) * len(node.inputs)
        for argument, source, text in zip(node.arguments, node.inputs, known, strict=True):
            assert (f"{argument}={text or 'const'}" in texts) == (source is None)
        assert node.is_output == ("output" in texts)
    points = heads(root)
    assert len(points) == sum(i is not None for node in graph for i in node.inputs)
    for node in graph:
        x, y, width, height, _ = cards[f"n{node.number}"]
        ends = [
            (at, up)
            for at, to, up in points
            if x <= at <= x + width and abs(to - (y + height if up else y)) < 0.11
        ]
        assert len(ends) == sum(i is not None for i in node.inputs)


@given(programs())
@settings(deadline=None)
def test_a_derivative_lies_to_the_right_of_its_operation_and_is_read_from_below(y):
    graph = tg.graph(np.sum(y), backward=True)
    _, cards = read(graph.to_svg())
    for node in graph:
        x, y, _, _, _ = cards[f"n{node.number}"]
        if node.rule_of is not None:
            left, _, width, _, _ = cards[f"n{node.rule_of}"]
            assert left + width < x
        for i in node.inputs:
            if i is not None and (node.rule_of or i) > i:
                continue
            if i is not None and graph.nodes[i].order and graph.nodes[i].rule_of != node.rule_of:
                # a cotangent, from the derivative of what came later
                assert y < cards[f"n{i}"][1]


def test_text_is_as_wide_as_the_font_says():
    afm = pytest.importorskip("matplotlib._afm")
    import matplotlib

    path = Path(matplotlib.get_data_path()) / "fonts" / "pdfcorefonts" / "Helvetica.afm"
    with path.open("rb") as file:
        font = afm.AFM(file)
    printable = {chr(code): font.get_width_char(code) for code in range(32, 127)}
    printable |= {"'": font.get_width_from_char_name("quotesingle")}
    printable |= {"`": font.get_width_from_char_name("grave")}
    for c, width in printable.items():
        assert letters.width(c, 1000) == pytest.approx(1.05 * width)


@given(programs(), st.sampled_from([None, "dtype", "order", "memory"]))
@settings(deadline=None)
def test_text_stays_within_its_card(y, colour):
    _, cards = read(tg.graph(y, backward=True).to_svg(colour=colour))
    for _, _, width, height, texts in cards.values():
        assert all(letters.width(text, 11.0, is_bold=True) < width for text in texts)
        assert len(texts) * 15 < height


def test_a_picture_of_a_long_chain():
    x = leaf()
    y = x
    for _ in range(10_000):
        y = np.sin(y)
    assert tg.graph(y).to_svg().count('tabindex="0"') == 10_001


def test_it_comes_out_the_same_in_every_process():
    program = "from test_svg import *; print(convolution(), scopes(), folded())"
    texts = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            cwd=GOLDEN.parent,
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1


# ---- what names can hold -------------------------------------------------------------------------

names = st.text() | st.sampled_from(HOSTILE)


@given(names, names, names)
@settings(deadline=None)
def test_any_text_gives_a_picture_and_is_in_it_as_text(one, other, third):
    first = make_node(
        0,
        "leaf",
        name=one,
        dtype=other,
        scope=(other,) if other else (),
        source=Source(one, 3, other, third),
        saved=(Saved(third, 0, 16),),
    )
    last = replace(
        first,
        number=1,
        op=third,
        kind="op",
        is_output=True,
        params={one: other},
        inputs=(0, None),
        arguments=(other, third),
    )
    svg = Graph((first, last), (1,)).to_svg(notes={0: third}, colour="dtype")
    svg.encode("utf-8")
    root, cards = read(svg)
    assert {shown(first.label), shown(first.type), *map(shown, third.split("\n"))} <= {
        *cards["n0"][-1]
    }
    assert shown(f"{one}={other}") in cards["n1"][-1]
    assert shown(f"{third}=const") in cards["n1"][-1]
    if other:
        assert shown(other) in [text.text for text in root.iter(f"{SVG}text")]
    assert not root.findall(".//script")


def test_derivatives_that_frames_cannot_keep_apart_are_drawn_all_the_same():
    def f(x):
        return tg.hessian(lambda v: np.sum(v**3))(x)

    graph = tg.trace(f, np.ones(3), backward=2)
    root, cards = read(graph.to_svg())
    assert list(cards) == [f"n{node.number}" for node in graph]
    assert len(heads(root)) == sum(i is not None for node in graph for i in node.inputs)
    for node in graph:
        for source in node.inputs:
            if source is not None:
                assert cards[f"n{source}"][1] < cards[f"n{node.number}"][1]


def test_a_card_tells_more_to_a_pointer():
    x = leaf(2)
    with tg.source_lines(), tg.scope("block1"):
        y = np.sin(x)
    root, _ = read(tg.graph(y).to_svg())
    hints = [group[0].text for group in root.iter(f"{SVG}g") if "tabindex" in group.attrib]
    assert "keeps for its derivative: x (16 B)" in hints[1]
    assert "in block1\n" in hints[1]
    assert hints[1].endswith("y = np.sin(x)")
    assert "test_svg.py:" in hints[1]


def test_a_note_marks_its_node_in_red():
    x = leaf(2)
    root, _ = read(tg.graph(np.sin(np.exp(x))).to_svg(notes={1: "too large"}))
    marked = [
        group.attrib["id"] for group in root.iter(f"{SVG}g") if "noted" in group.get("class", "")
    ]
    assert marked == ["n1"]


# ---- folds and colours ---------------------------------------------------------------------------


@pytest.mark.parametrize("backward", [False, True])
def test_repeated_blocks_are_one_card(backward):
    graph = tg.graph(network(12), backward=backward)
    _, cards = read(graph.to_svg(fold=True))
    texts = [texts for *_, texts in cards.values()]
    (block,) = [lines for lines in texts if lines[0] == "block x12"]
    each = sum(node.scope[:1] == ("block0",) and not node.order for node in graph)
    assert block[1] == f"{each} operations each"
    assert ("and their derivatives" in block) == backward
    folded = sum(node.scope != () for node in graph) + 12  # with the weights
    assert len(cards) == len(graph) - folded + 1


def test_a_parameter_made_within_the_first_of_the_blocks_stands_above_them_all():
    y = leaf(2)
    for i in range(4):
        y = np.tanh(y)
        if i == 0:
            w = leaf(2)
        y = np.sin(y * w)
    _, cards = read(tg.graph(y, w=w).to_svg(fold=True))
    tops = {text: y for _, y, _, _, texts in cards.values() for text in texts}
    assert tops["w"] < tops["3 operations each"]


def test_blocks_with_others_in_between_are_not_folded():
    y, total = leaf(2), leaf(2)
    for _ in range(4):
        y = np.tanh(np.sin(y))
        total = total + y
    graph = tg.graph(total)
    steps = (replace(node, scope=("step",)) if node.op != "add" else node for node in graph)
    graph = Graph(tuple(steps), graph.outputs)
    assert graph.repeated()
    _, cards = read(graph.to_svg(fold=True))
    assert len(cards) == len(graph)


def test_a_fold_of_nothing_is_the_picture_itself():
    graph = tg.graph(np.sin(leaf(2)))
    assert graph.to_svg(fold=True) == graph.to_svg()


def fills(svg):
    root, _ = read(svg)
    found = {}
    for group in root.iter(f"{SVG}g"):
        if "tabindex" in group.attrib:
            style = group.find(f"{SVG}rect").get("style", "")
            found[group.attrib["id"]] = style.removeprefix("fill:")
    return found


def test_colours_say_what_their_legend_says():
    x = tg.tensor(np.ones((4, 8), np.float32), requires_grad=True)
    y = np.sum(np.sin(x), axis=1).astype(np.float64)
    graph = tg.graph(y)
    # 128, 128, 16 and 32 bytes, of 128
    memory = graph.to_svg(colour="memory")
    assert fills(memory) == {"n0": VIRIDIS[4], "n1": VIRIDIS[4], "n2": VIRIDIS[0], "n3": VIRIDIS[1]}
    assert ">128 B</text>" in memory
    dtype = graph.to_svg(colour="dtype")
    assert fills(dtype) == {"n0": KINDS[0], "n1": KINDS[0], "n2": KINDS[0], "n3": KINDS[1]}
    assert ">float32</text>" in dtype
    timed = Graph(
        tuple(replace(node, seconds=node.number * 1e-3 or None) for node in graph), graph.outputs
    )
    time = timed.to_svg(colour="time")
    assert fills(time) == {"n0": "", "n1": VIRIDIS[1], "n2": VIRIDIS[3], "n3": VIRIDIS[4]}
    assert ">3 ms</text>" in time


@pytest.mark.parametrize("fill", [*VIRIDIS, *KINDS])
def test_text_is_readable_on_every_fill(fill):
    # the contrast that the Web Content Accessibility Guidelines ask for
    def luminance(colour):
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))

    low, high = sorted((luminance(fill), luminance(text_on(fill))))
    assert (high + 0.05) / (low + 0.05) >= 4.5


@pytest.mark.parametrize("colour", ["size", "time", ""])
def test_colours_that_there_are_not(colour):
    with pytest.raises(ShapeError, match=f"to_svg: colour='{colour}'"):
        tg.graph(np.sin(leaf(2))).to_svg(colour=colour)


if __name__ == "__main__":
    for name, picture in PICTURES.items():
        (GOLDEN / f"{name}.svg").write_text(picture(), "utf-8")
