"""What Jupyter shows: right, small, and never an exception."""

import math
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import tensorgrad as tg
from tensorgrad.visualize import notebook
from tensorgrad.visualize.graph import Graph

SVG = "{http://www.w3.org/2000/svg}svg"


def leaf(*shape):
    return tg.tensor(np.ones(shape), requires_grad=True)


def chain(length):
    y = leaf(2)
    for _ in range(length - 1):
        y = np.negative(y)
    return tg.graph(y)


def rows(tensor):
    """The table that shows a tensor, read as XML: the cell of each row by its title."""
    page = ElementTree.fromstring(tensor._repr_mimebundle_()["text/html"])
    return {row[0].text: row[1] for row in page.iter("tr")}


def text(cell):
    return "".join(cell.itertext())


# ---- a tensor ----------------------------------------------------------------------------------

dtypes = st.sampled_from(["?", "i1", "u8", "f2", "f4", "f8", "c8", "c16"])


@given(
    dtypes.flatmap(
        lambda dtype: arrays(dtype, array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=3))
    )
)
def test_a_tensor_shows_what_it_is(array):
    tensor = tg.tensor(array)
    bundle = tensor._repr_mimebundle_()
    assert bundle.keys() == {"text/plain", "text/html"}
    assert bundle["text/plain"] == repr(tensor)
    assert len(bundle["text/html"]) < 60_000
    cells = rows(tensor)
    assert text(cells["shape"]).startswith(f"{array.shape}, ")
    assert text(cells["dtype"]) == str(array.dtype)
    assert text(cells["gradient"]) == "not required"

    # every entry, to the digits that are there, where they are few
    (entries,) = cells["value"].iter("pre")
    if array.size <= 100 and array.ndim <= 2:
        numbers = re.sub(r"\bTrue\b", "1", re.sub(r"\bFalse\b", "0", entries.text))
        read = eval(numbers, {"nan": math.nan, "inf": math.inf, "infj": complex(0, math.inf),
                              "nanj": complex(0, math.nan)})  # fmt: skip
        np.testing.assert_array_equal(np.isnan(read).ravel(), np.isnan(array).ravel())
        with np.errstate(over="ignore"):
            is_moderate = np.all(np.abs(array) < 1e300)  # not rounded up to infinity
        if is_moderate:
            np.testing.assert_allclose(np.reshape(read, array.shape), array, 1e-3, 1e-4)
    assert len(list(cells["value"].iter(SVG))) == (array.size > 16)


def test_the_state_of_the_gradient_is_said():
    x = leaf(3)
    y = np.sin(x) * x
    assert text(rows(x)["gradient"]) == "required, none yet: call backward()"
    assert text(rows(y)["gradient"]) == "required, kept in leaves only"
    assert text(rows(x)["made by"]) == "the user: a leaf"
    assert text(rows(y)["made by"]) == "multiply"
    y.sum().backward()
    gradient = np.array(eval(text(rows(x)["gradient"])))
    np.testing.assert_allclose(gradient, np.sin(1) + np.cos(1) * np.ones(3), atol=1e-4)
    seen = []
    tg.grad(lambda x: (seen.append(rows(x)), x)[1])(1.0)
    assert text(seen[0]["made by"]) == "a transformation: a variable"


def test_a_large_tensor_is_not_shown_at_length():
    for shape in [(10**6,), (1000, 1000), (3,) * 9, (1,) * 30, (10**6, 0)]:
        bundle = tg.tensor(np.random.default_rng(0).random(shape))._repr_mimebundle_()
        assert len(bundle["text/plain"]) < 60_000
        assert len(bundle["text/html"]) < 60_000
        assert bundle["text/html"].count("\n") < 60


def test_the_ends_of_every_axis_are_shown():
    array = np.arange(30.0**3).reshape(30, 30, 30)
    shown = text(rows(tg.tensor(array))["value"])
    for corner in np.ndindex(2, 2, 2):
        assert re.search(rf"\b{array[tuple(-i for i in corner)]:.0f}\.", shown), corner


def test_nothing_is_asked_of_an_array_of_another_library():
    class Elsewhere:
        shape, dtype, ndim, size, nbytes = (2,), np.dtype(float), 1, 2, 16

        def __array_function__(self, *args):
            raise NotImplementedError

        def __repr__(self):
            return "Elsewhere<&>"

    cells = rows(tg.Tensor(Elsewhere()))
    assert text(cells["value"]) == "Elsewhere<&>"


# ---- a graph -----------------------------------------------------------------------------------


def test_a_small_graph_is_a_drawing_and_a_listing():
    graph = chain(5)
    bundle = graph._repr_mimebundle_()
    assert bundle["text/plain"] == graph.text()
    assert bundle["image/svg+xml"] == graph.to_svg()
    assert graph.to_svg() in bundle["text/html"]


class Frames(HTMLParser):
    """Collects what frames show, as a browser reads it."""

    def __init__(self, page):
        super().__init__()
        self.pages = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag == "iframe":
            self.pages.append(dict(attributes)["srcdoc"])


def test_a_larger_graph_is_a_page_to_explore():
    graph = chain(notebook.MOST_DRAWN + 1)
    bundle = graph._repr_mimebundle_()
    assert bundle.keys() == {"text/plain", "text/html"}
    assert Frames(bundle["text/html"]).pages == [graph.to_html()]
    assert "save('graph.html')" in bundle["text/plain"]
    assert repr(graph) in bundle["text/plain"]


def test_a_huge_graph_is_a_line():
    bundle = chain(notebook.MOST_EXPLORED + 1)._repr_mimebundle_()
    assert bundle.keys() == {"text/plain"}
    assert len(bundle["text/plain"]) < 200


def test_no_graph_fills_a_notebook():
    for length in (notebook.MOST_LISTED, notebook.MOST_DRAWN, notebook.MOST_EXPLORED):
        bundle = chain(length)._repr_mimebundle_()
        assert sum(map(len, bundle.values())) < 4_000_000, length


# ---- whatever happens --------------------------------------------------------------------------

hostile = st.text() | st.sampled_from(
    [
        "</script>",
        "</iframe>",
        "]]>",
        "\0",
        "\ud800",
        '"' * 10_000,
        "<!--",
        "&quot;",
        "\N{PARTY POPPER}",
    ]
)


@given(hostile, hostile.filter(bool), st.sampled_from([1, notebook.MOST_DRAWN]))
def test_hostile_names_are_shown(name, scope, length):
    x = leaf(2)
    with tg.scope(scope):
        y = np.sin(x)
        for _ in range(length):
            y = np.negative(y)
    graph = tg.graph(y, **{name: x})
    bundle = graph._repr_mimebundle_()
    assert not any("cannot be shown" in shown for shown in bundle.values())
    for page in Frames(bundle["text/html"]).pages:
        assert page == graph.to_html()
    if length == 1:
        assert ElementTree.fromstring(bundle["image/svg+xml"]).tag == SVG


def test_a_display_never_raises(monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("no luck")

    monkeypatch.setattr(notebook, "summarize", broken)
    tensor = tg.tensor(np.ones((5, 5)))
    assert tensor._repr_mimebundle_() == {
        "text/plain": f"{tensor!r}\n(text/html cannot be shown: RuntimeError: no luck)"
    }
    monkeypatch.setattr(Graph, "to_svg", broken)
    graph = chain(3)
    reasons = [
        f"({m} cannot be shown: RuntimeError: no luck)" for m in ("image/svg+xml", "text/html")
    ]
    assert graph._repr_mimebundle_() == {"text/plain": "\n".join([graph.text(), *reasons])}
    monkeypatch.setattr(Graph, "text", broken)
    reasons = ["<Graph>", "(text/plain cannot be shown: RuntimeError: no luck)", *reasons]
    assert graph._repr_mimebundle_() == {"text/plain": "\n".join(reasons)}


def test_a_front_end_gets_what_it_asks_for():
    for shown, media in [(leaf(2), {"text/plain", "text/html"}),
                         (chain(2), {"text/plain", "text/html", "image/svg+xml"})]:  # fmt: skip
        assert shown._repr_mimebundle_().keys() == media
        assert shown._repr_mimebundle_(include=["text/html"]).keys() == {"text/html"}
        assert shown._repr_mimebundle_(exclude={"text/html"}).keys() == media - {"text/html"}


# ---- Jupyter -----------------------------------------------------------------------------------

CELLS = [
    "import numpy as np\nimport tensorgrad as tg\nx = tg.tensor(np.eye(6), requires_grad=True)\nx",
    "tg.graph(np.sin(x), **{'<b>': x})",
    "y = x\nfor _ in range(200):\n    y = np.negative(y)\ntg.graph(y)",
]


def test_a_notebook_runs_and_becomes_a_page():
    nbformat = pytest.importorskip("nbformat")
    nbconvert = pytest.importorskip("nbconvert")
    pytest.importorskip("ipykernel")
    run = nbconvert.preprocessors.ExecutePreprocessor(timeout=120)
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    book, _ = run.preprocess(nbformat.v4.new_notebook(cells=cells))
    outputs = [cell.outputs for cell in book.cells]
    tensor, drawing, explorer = (output.data for (output,) in outputs)
    assert tensor.keys() == {"text/plain", "text/html"}
    assert drawing.keys() == {"text/plain", "text/html", "image/svg+xml"}
    assert explorer.keys() == {"text/plain", "text/html"}

    page, _ = nbconvert.HTMLExporter().from_notebook_node(book)
    assert "required, none yet: call backward()" in page
    assert Frames(page).pages == Frames(explorer["text/html"]).pages != []
    drawn = drawing["image/svg+xml"].count("<svg") + tensor["text/html"].count("<svg")
    assert page.count("<svg") - explorer["text/html"].count("<svg") >= drawn
