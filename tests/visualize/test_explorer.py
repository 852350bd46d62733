"""The explorer: what its file holds, and, in a browser, what it shows and does."""

import base64
import io
import json
import math
import re
import shutil
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from material import HOSTILE, make_node

import tensorgrad as tg
from tensorgrad.visualize.explorer.page import SCRIPTS, _asset, page, payload
from tensorgrad.visualize.node import GraphNode, Saved, Source
from tensorgrad.visualize.values import Summary, summarize

FOLDER = Path(tg.__file__).parent / "visualize" / "explorer"


class Builder:
    """Makes graphs node by node."""

    def __init__(self) -> None:
        self.nodes: list[GraphNode] = []

    def add(self, op: str, *inputs: int | None, **fields: Any) -> int:
        number = len(self.nodes)
        plain = {"kind": "leaf" if op == "leaf" else "op", "shape": (2, 3), "nbytes": 48}
        self.nodes.append(make_node(number, op, inputs, **plain | fields))
        return number


def formula() -> list[GraphNode]:
    """sum(x * w) and sin(x): 5 nodes, two of them outputs."""
    b = Builder()
    x, w = b.add("leaf", name="x"), b.add("leaf", name="w")
    product = b.add("multiply", x, w)
    b.add("sum", product, shape=(), is_output=True, params={"axis": "None"})
    b.add("sin", x, is_output=True)
    return b.nodes


def network(blocks: int) -> list[GraphNode]:
    """A chain of equal blocks in scopes; what they compute from one another is (x @ w) tanh."""
    b = Builder()
    x = b.add("leaf", name="x")
    for i in range(blocks):
        scope = ("body", f"block{i}")
        w = b.add("leaf", name=f"w{i}", scope=scope)
        x = b.add("tanh", b.add("matmul", x, w, scope=scope), scope=scope)
    b.add("sum", x, scope=("head",), is_output=True)
    return b.nodes


def with_derivative() -> list[GraphNode]:
    """sin(x), its derivative and the derivative of that."""
    b = Builder()
    x = b.add("leaf", name="x")
    sin = b.add("sin", x, saved=(Saved("x", x, 48),))
    seed = b.add("seed", order=1)
    cos = b.add("cos", x, order=1, rule_of=sin)
    g = b.add("multiply", seed, cos, order=1, rule_of=sin)
    seed2 = b.add("seed", order=2)
    second = b.add("multiply", seed2, seed, order=2, rule_of=g)
    minus = b.add("negative", b.add("sin", x, order=2, rule_of=cos), order=2, rule_of=cos)
    b.add("multiply", second, minus, order=2, rule_of=cos, is_output=True)
    return b.nodes


def random_graph(size: int, seed: int = 0) -> list[GraphNode]:
    rng = np.random.default_rng(seed)
    b = Builder()
    for i in range(5):
        b.add("leaf", name=f"x{i}")
    while len(b.nodes) < size:
        near = len(b.nodes) - 1 - rng.integers(0, min(20, len(b.nodes)), rng.integers(1, 3))
        b.add(str(rng.choice(["add", "sin", "exp"])), *map(int, near))
    return b.nodes


def ancestors_of(nodes: list[GraphNode], number: int) -> set[int]:
    found = {number}
    for node in reversed(nodes):
        if node.number in found:
            found.update(i for i in node.inputs if i is not None)
    return found


def descendants_of(nodes: list[GraphNode], number: int) -> set[int]:
    found = {number}
    for node in nodes:
        if found & set(node.inputs):
            found.add(node.number)
    return found


def outputs_of(nodes: list[GraphNode]) -> list[int]:
    return [node.number for node in nodes if node.is_output]


# ---- what the file holds


class Markup(HTMLParser):
    """The tags of a page in order, with their attributes, and the text of its data."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.data = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_comment(self, data: str) -> None:
        self.tags.append(("comment", []))

    def handle_data(self, data: str) -> None:
        if self.tags and ("id", "graph") in self.tags[-1][1]:
            self.data += data


def columns_of(text: str) -> dict[str, list[Any]]:
    def entries(column: Any) -> list[Any]:
        if isinstance(column, list):
            return column
        count = len(data["columns"]["inputs"])
        return [column["distinct"][i] for i in column.get("index", [0] * count)]

    data = json.loads(text)
    return {name: entries(column) for name, column in data["columns"].items()}


texts = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=20))


@st.composite
def hostile_graphs(draw: st.DrawFn) -> list[GraphNode]:
    b = Builder()
    for number in range(draw(st.integers(1, 5))):
        b.add(
            draw(texts),
            *draw(
                st.lists(st.none() | st.integers(0, number - 1), max_size=2)
                if number
                else st.just([])
            ),
            name=draw(st.none() | texts),
            dtype=draw(texts),
            scope=tuple(draw(st.lists(texts, max_size=2))),
            params=draw(st.dictionaries(texts, texts, max_size=2)),
            source=draw(st.none() | st.builds(Source, texts, st.integers(0), texts, texts)),
            seconds=draw(st.none() | st.floats(0, 10)),
        )
    return b.nodes


@given(hostile_graphs())
def test_whatever_the_names_are_the_markup_is_the_same(nodes):
    plain, hostile = Markup(page(formula(), [3])), Markup(page(nodes, [0]))
    assert hostile.tags == plain.tags
    columns = columns_of(hostile.data)
    assert columns["op"] == [node.op for node in nodes]
    assert columns["name"] == [None if node.name is None else node.label for node in nodes]
    assert columns["scope"] == [list(node.scope) for node in nodes]
    assert columns["params"] == [[list(pair) for pair in node.params.items()] for node in nodes]
    assert columns["inputs"] == [list(node.inputs) for node in nodes]
    assert columns["seconds"] == [node.seconds for node in nodes]


# their differences do not overflow
tame = st.floats(-1e300, 1e300) | st.sampled_from([math.nan, math.inf, -math.inf])


@given(st.lists(tame, max_size=40), st.integers(1, 3))
def test_a_summary_is_told_with_a_picture_in_255_levels(numbers, columns):
    array = np.array(numbers + [0.0] * (-len(numbers) % columns)).reshape(-1, columns)
    summary = summarize(array)
    node = Builder()
    node.add("leaf", values=summary)
    (told,) = columns_of(payload(node.nodes, []))["values"]
    assert (told["zeros"], told["nans"], told["infinities"]) == (
        summary.zeros,
        summary.nans,
        summary.infinities,
    )
    assert told["counts"] == list(summary.counts)
    levels = base64.b64decode(told["levels"])
    pixels = [pixel for row in summary.pixels for pixel in row]
    assert len(levels) == len(pixels)
    half = told["greatest"] / 508 - told["least"] / 508  # of the distance between two levels
    for level, pixel in zip(levels, pixels, strict=True):
        if level == 0:
            assert pixel is None
            continue
        shown = told["least"] + (level - 1) * (told["greatest"] / 254 - told["least"] / 254)
        assert math.isclose(shown, pixel, rel_tol=1e-6, abs_tol=1.001 * half)


def test_what_json_cannot_write_is_told_in_words():
    b = Builder()
    b.add(
        "leaf", values=Summary((1,), "float64", 0.0, 0.0, 0.0, math.inf, 1, 0, 0, (1,), ((0.0,),))
    )
    (told,) = columns_of(payload(b.nodes, []))["values"]
    assert told["deviation"] == "inf"


def test_the_file_loads_nothing():
    text = page(formula(), [3])
    markup = Markup(text)
    loading = {"src", "href", "srcset", "action", "formaction", "poster", "background"}
    assert not loading & {name for _, attributes in markup.tags for name, _ in attributes}
    assert not {"link", "img", "iframe", "object", "embed", "base"} & {
        tag for tag, _ in markup.tags
    }
    assert not re.search(r"@import|url\(|\bimport\b|fetch\(|XMLHttp|WebSocket|innerHTML", text)
    # the one address is a name: that of SVG
    assert set(re.findall(r"\w+://[^\"' ]+", text)) == {"http://www.w3.org/2000/svg"}
    policy = next(
        dict(attrs)["content"]
        for tag, attrs in markup.tags
        if ("http-equiv", "Content-Security-Policy") in attrs
    )
    assert policy.startswith("default-src 'none'")


def test_a_wheel_takes_the_program_along():
    pyproject = Path(__file__).parents[2] / "pyproject.toml"
    settings = tomllib.loads(pyproject.read_text("utf-8"))["tool"]["setuptools"]
    patterns = settings["package-data"]["tensorgrad"]
    package = Path(tg.__file__).parent
    taken = {file for pattern in patterns for file in package.glob(pattern)}
    assets = {file for file in FOLDER.iterdir() if file.suffix in {".js", ".css", ".html"}}
    assert len(assets) == 10
    assert assets <= taken


def test_the_program_is_small():
    assert len(page([], []).encode()) < 60_000


TOKEN = re.compile(
    r"""[^\S\n]+|//[^\n]*|(?P<kept>\n|"(?:\\.|[^"\\\n])*"|`[^`\n]*`|[\w$]+
    |\?\?=|\.\.\.|===|!==|\*\*=?|=>|[=!<>]=|&&=?|\|\|=?|\?\?|\?\.(?!\d)|\+\+|--|[-+*/%&|^]=|.)""",
    re.VERBOSE,
)


def tokens_of(script: str) -> list[str]:
    """The tokens of a program, with the ends of lines where they may end a statement."""
    found: list[str] = []
    for token in filter(None, (match["kept"] for match in TOKEN.finditer(script.strip()))):
        if token != "\n" or (found and found[-1] not in "{[(,;\n"):
            found.append(token)
    return found


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_short_program_is_the_program(name):
    script = (FOLDER / f"{name}.js").read_text("utf-8")
    tokens = tokens_of(_asset(f"{name}.js"))
    assert tokens == tokens_of(script)
    assert len(tokens) > 500


def test_a_graph_of_no_nodes_or_ten_thousand():
    assert Markup(page([], [])).data
    nodes = random_graph(10_000)
    assert columns_of(Markup(page(nodes, [9_999])).data)["inputs"] == [
        list(n.inputs) for n in nodes
    ]


# ---- in a browser


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not chromedriver:
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (
        "headless=new",
        "no-sandbox",
        "disable-gpu",
        "disable-dev-shm-usage",
        "window-size=1200,800",
    ):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(chromedriver))
    yield driver
    driver.quit()


class Explorer:
    """A page in the browser, with what a reader can do and see."""

    def __init__(self, driver: Any, file: Path) -> None:
        self.driver = driver
        self.file = file

    def open(self, nodes: list[GraphNode]) -> None:
        self.file.write_text(page(nodes, outputs_of(nodes)), "utf-8")
        self.driver.get_log("browser")
        self.driver.get_log("performance")
        self.driver.get(self.file.as_uri())
        self.settle()

    def settle(self) -> None:
        # drawing waits for a frame
        self.driver.execute_async_script(
            "requestAnimationFrame(() => requestAnimationFrame(arguments[0]))"
        )

    def script(self, text: str, *arguments: Any) -> Any:
        return self.driver.execute_script(text, *arguments)

    def find(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def press(self, keys: str) -> None:
        self.driver.switch_to.active_element.send_keys(keys)
        self.settle()

    def click(self, selector: str) -> None:
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).move_to_element(self.find(selector)).click().perform()
        self.settle()

    def type(self, selector: str, text: str) -> None:
        self.find(selector).send_keys(text)
        self.settle()

    @property
    def titles(self) -> dict[int, str]:
        """The first line of each visible box."""
        boxes = self.script(
            "return [...document.querySelectorAll('.cell')].map("
            "cell => [cell.dataset.item, cell.querySelector('.title').textContent])"
        )
        return {int(item): title for item, title in boxes}

    def places(self) -> dict[int, tuple[float, float, float, float]]:
        """Left, top, right and bottom of each visible box on the screen."""
        boxes = self.script(
            "return [...document.querySelectorAll('.cell')].map(cell => {"
            "const box = cell.querySelector('.box').getBoundingClientRect();"
            "return [cell.dataset.item, box.left, box.top, box.right, box.bottom]})"
        )
        return {int(item): tuple(box) for item, *box in boxes}

    def marked(self, name: str) -> set[int]:
        items = self.script(
            f"return [...document.querySelectorAll('.{name}[data-item]')].map(e => e.dataset.item)"
        )
        return set(map(int, items))

    def text(self, selector: str) -> str:
        return self.script("return document.querySelector(arguments[0]).textContent", selector)

    def picture(self) -> np.ndarray:
        from PIL import Image

        with Image.open(io.BytesIO(self.find("#stage").screenshot_as_png)) as image:
            return np.asarray(image.convert("RGB"), dtype=float)


@pytest.fixture
def explorer(driver: Any, tmp_path: Path) -> Iterator[Explorer]:
    explorer = Explorer(driver, tmp_path / "graph.html")
    yield explorer
    assert [entry["message"] for entry in driver.get_log("browser")] == []
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = [
        e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"
    ]
    assert asked  # or the log says nothing
    assert {url.partition(":")[0] for url in asked} == {"file"}


def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@pytest.mark.parametrize(
    "make", [formula, with_derivative, lambda: network(3), lambda: random_graph(150)]
)
def test_boxes_do_not_overlap_and_values_flow_down(explorer, make):
    nodes = make()
    explorer.open(nodes)
    explorer.press("e")
    places = explorer.places()
    assert set(places) == {node.number for node in nodes}
    for item, place in places.items():
        assert not any(overlap(place, other) for at, other in places.items() if at != item)
    for node in nodes:
        for source in node.inputs:
            if source is not None and node.order == 0:
                assert places[source][3] < places[node.number][1]


def test_a_rule_stands_beside_its_operation(explorer):
    explorer.open(with_derivative())
    places = explorer.places()
    sin, others = places[1], [places[number] for number in range(2, 10)]
    assert all(left > sin[2] for left, *_ in others)
    first, second = places[4], places[9]
    assert first[2] < second[0]
    # within a rule, cotangents flow up
    assert places[3][1] > places[4][3]
    assert {explorer.titles[4], explorer.titles[9]} == {"∇ multiply", "∇² multiply"}


def test_a_click_shows_the_node_and_pins_what_it_is_computed_from(explorer):
    nodes = formula()
    explorer.open(nodes)
    explorer.click('[data-item="2"] .box')
    assert explorer.marked("selected") == {2}
    panel = explorer.text("#panel")
    assert "multiply" in panel
    assert "float64[2, 3]" in panel
    everything = {node.number for node in nodes}
    assert explorer.marked("faded") == everything - ancestors_of(nodes, 2)
    explorer.click("[data-cone=down]")
    assert explorer.marked("faded") == everything - descendants_of(nodes, 2)
    explorer.click("[data-cone=none]")
    assert explorer.marked("faded") == set()
    explorer.press("u")
    explorer.press("\ue00c")  # Escape
    assert explorer.marked("selected") | explorer.marked("faded") == set()
    assert not explorer.find("#panel").is_displayed()


def test_the_panel_tells_everything(explorer):
    b = Builder()
    x = b.add("leaf", name="x")
    b.add(
        "conv2d",
        x,
        None,
        params={"stride": "(2, 2)"},
        arguments=("x", "w"),
        source=Source("train.py", 12, "loss", "y = conv2d(x, w)"),
        saved=(Saved("w", None, 4096),),
        seconds=0.0015,
        values=summarize([[1.0, -2.0], [0.0, float("nan")]]),
        gradient=summarize([3.0, 4.0]),
        scope=("net", "stem"),
    )
    explorer.open(b.nodes)
    explorer.press("e")
    explorer.click('[data-item="1"] .box')
    panel = explorer.text("#panel")
    wanted = ["(2, 2)", "48 B", "1.5 ms", "net / stem", "train.py:12 in loss", "y = conv2d(x, w)"]
    wanted += ["constant", "4.1 kB", "norm 5", "NaN1", "zeros1", "least-2"]
    assert [text for text in wanted if text not in panel] == []
    assert len(explorer.driver.find_elements("css selector", "#panel .histogram")) == 2
    thumbnail = explorer.find("#panel .thumbnail")
    assert thumbnail.get_attribute("aria-label") == "Picture of 2 by 2 entries"


def test_the_short_looks_are_the_looks(explorer):
    explorer.open(Builder().nodes)
    rules = """const sheet = new CSSStyleSheet();
        sheet.replaceSync(arguments[0]);
        return [...sheet.cssRules].map((rule) => rule.cssText);"""
    looks = (FOLDER / "explorer.css").read_text("utf-8")
    assert explorer.script(rules, _asset("explorer.css")) == explorer.script(rules, looks)


def test_cards_leave_out_what_changes_nothing(explorer):
    b = Builder()
    x = b.add("leaf", name="x")
    b.add("conv", x, params={"stride": "(2, 2)", "dilation": "(1, 1)", "groups": "1"})
    explorer.open(b.nodes)
    assert "stride=2" in explorer.text("#drawing")
    assert "dilation" not in explorer.text("#drawing")
    explorer.click('[data-item="1"] .box')
    assert "dilation" in explorer.text("#panel")


def test_constants_are_shown_with_their_value(explorer):
    b = Builder()
    x = b.add("leaf", name="x")
    b.add("multiply", x, None, constants=(None, "2.0"))
    b.add("add", x, None)
    explorer.open(b.nodes)
    assert "y=2.0" in explorer.text('[data-item="1"]')
    assert "y=" not in explorer.text('[data-item="2"]')
    for item, value in ((1, "2.0"), (2, "constant")):
        explorer.click(f'[data-item="{item}"] .box')
        assert f"y: {value}" in explorer.text("#panel")


def test_search_finds_and_reveals_what_is_folded(explorer):
    explorer.open(network(12))
    assert 30 not in explorer.titles
    explorer.press("/")
    explorer.type("#query", "tanh block9")
    assert "1 found" in explorer.text("#found")
    explorer.type("#query", "\ue007")  # Enter
    assert explorer.marked("selected") == explorer.marked("found") == {30}
    left, top, right, bottom = explorer.places()[30]
    stage = explorer.find("#stage").rect
    assert stage["x"] < left < right < stage["x"] + stage["width"]
    assert stage["y"] < top < bottom < stage["y"] + stage["height"]
    explorer.type("#query", " no such thing")
    assert "nothing found" in explorer.text("#found")
    explorer.type("#query", "\ue00c")
    assert explorer.marked("found") == set()


def test_search_shows_an_order_that_was_hidden(explorer):
    explorer.open(with_derivative())
    explorer.click("[data-order='2']")
    assert 8 not in explorer.titles
    explorer.type("#query", "negative\ue007")
    assert explorer.titles[8] == "∇² negative"
    assert explorer.marked("selected") == {8}


@pytest.mark.parametrize("words", ["matmul", "w7", "body block7", "float64[2, 3] head", "SUM"])
def test_search_is_by_op_name_scope_and_shape(explorer, words):
    nodes = network(12)
    explorer.open(nodes)
    explorer.type("#query", words)
    found = [
        node
        for node in nodes
        if all(
            word in f"{node.op} {node.label} {node.type} {'/'.join(node.scope)}".lower()
            for word in words.lower().split()
        )
    ]
    assert f"{len(found)} found" in explorer.text("#found")


def test_repeated_blocks_are_folded_and_open(explorer):
    explorer.open(network(12))
    run = next(item for item, title in explorer.titles.items() if title == "⊞ block ×12")
    explorer.click(f'[data-item="{run}"] .box')
    assert "36" in explorer.text("#panel")
    explorer.press("\ue007")
    blocks = [title for title in explorer.titles.values() if "block" in title]
    assert blocks == [f"⊞ block{i}" for i in range(12)]
    explorer.press("\ue007")
    assert explorer.titles[run] == "⊞ block ×12"
    explorer.press("e")
    assert len(explorer.titles) == len(network(12))
    explorer.press("f")
    assert sorted(explorer.titles.values()) == ["x", "⊞ body", "⊞ head"]


def test_a_scope_closes_around_what_is_selected(explorer):
    explorer.open(network(4))
    explorer.press("e")
    explorer.click('[data-item="3"] .box')
    explorer.press("c")
    assert 3 not in explorer.titles
    assert "⊞ block0" in explorer.titles.values()
    explorer.press("c")
    assert "⊞ block ×4" in explorer.titles.values()


@pytest.mark.parametrize("backward", [False, True])
def test_a_parameter_lies_with_the_one_operation_that_takes_it(explorer, backward):
    def f(x, first, second, shared, twice):
        with tg.scope("stem"):
            y = np.tanh(x @ first) * shared
        with tg.scope("head"):
            return np.sum((y @ second * shared + twice) * twice)

    arguments = [np.ones((2, 2))] * 3 + [np.ones(2)] * 2
    explorer.open(list(tg.trace(f, *arguments, backward=backward).nodes))
    explorer.press("f")
    # x and what is first cannot be told apart
    outside = {"x", "first", "shared", "twice", "⊞ stem", "⊞ head"}
    assert outside <= set(explorer.titles.values())
    assert "second" not in explorer.titles.values()
    explorer.press("e")
    assert "second" in explorer.titles.values()


def test_arrows_walk_along_edges(explorer):
    nodes = formula()
    explorer.open(nodes)
    explorer.click('[data-item="1"] .box')
    walked = [1]
    for key in ("\ue015", "\ue015", "\ue013", "\ue013"):  # down, down, up, up
        explorer.press(key)
        (selected,) = explorer.marked("selected")
        one, other = sorted((walked[-1], selected))
        assert one in nodes[other].inputs
        walked.append(selected)
    assert walked[2] in outputs_of(nodes)
    explorer.press("\ue00c")
    explorer.press("\ue015")
    (first,) = explorer.marked("selected")
    assert nodes[first].kind == "leaf"
    assert nodes[first].label in explorer.text("#live")


def test_orders_and_kept_values_can_be_hidden(explorer):
    nodes = with_derivative()
    explorer.open(nodes)
    for hidden in ({2}, {1, 2}):
        explorer.click(f"[data-order='{min(hidden)}']")
        assert set(explorer.titles) == {n.number for n in nodes if n.order not in hidden}
    kept = ".edge.kept"
    assert explorer.find(kept).is_displayed()  # sin keeps x, whether its rule is there or not
    assert explorer.find(f"{kept} text").text == "48 B"
    explorer.click("#saved")
    assert not explorer.find(kept).is_displayed()


def test_a_kept_value_goes_beside_cards_where_it_can(explorer):
    def f(x):
        return np.sum(np.sin(x))

    explorer.open(list(tg.trace(f, np.ones(3), backward=True).nodes))
    lines = explorer.script(
        "return [...document.querySelectorAll('.edge.kept path:not(.head)')].map(path => {"
        "const { a, b, c, d, e, f } = path.getScreenCTM();"
        "return [...Array(200).keys()].map(i => {"
        "const { x, y } = path.getPointAtLength(path.getTotalLength() * i / 199);"
        "return [a * x + c * y + e, b * x + d * y + f]})})"
    )
    cards = explorer.places()
    titles = explorer.titles
    (line,) = lines  # from x to cos, which stands below the gradient by x
    met = {
        titles[item]
        for x, y in line
        for item, (left, top, right, bottom) in cards.items()
        if left + 2 < x < right - 2 and top + 2 < y < bottom - 2
    }
    assert met == set()


def test_help_opens_and_closes(explorer):
    explorer.open(formula())
    explorer.press("?")
    assert explorer.find("#help").is_displayed()
    explorer.press("\ue00c")
    assert not explorer.find("#help").is_displayed()


def test_the_first_nan_is_in_the_colour_and_in_words(explorer):
    b = Builder()
    x = b.add("leaf", values=summarize([0.0]))
    log = b.add("log", x, values=summarize([-np.inf]))
    b.add("multiply", log, x, values=summarize([np.nan]))
    explorer.open(b.nodes)
    explorer.script("colour.value = 'nan'; colour.onchange()")
    explorer.settle()
    lines = explorer.script(
        "return [...document.querySelectorAll('.cell')].map("
        "cell => cell.querySelectorAll('text')[1].textContent)"
    )
    assert lines == ["finite", "first NaN or infinity", "not finite"]


def test_colour_by_time_says_the_time(explorer):
    from matplotlib import colormaps
    from matplotlib.colors import to_rgb

    b = Builder()
    x = b.add("leaf")
    for milliseconds in (1, 5, 25):
        x = b.add("sin", x, seconds=milliseconds / 1000)
    explorer.open(b.nodes)
    modes = explorer.script("return [...colour.options].map(option => option.value)")
    assert modes == ["kind", "time", "memory", "dtype"]
    explorer.script("colour.value = 'time'; colour.onchange()")
    explorer.settle()
    fills = explorer.script(
        "return [...document.querySelectorAll('.box')].map(b => b.getAttribute('fill'))"
    )
    # 5 is the geometric mean of 1 and 25
    for fill, place in zip(fills[1:], (0.0, 0.5, 1.0), strict=True):
        assert to_rgb(fill) == pytest.approx(colormaps["viridis"](place)[:3], abs=0.02)
    assert explorer.text('[data-item="2"]') == "sin5 ms"


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text(explorer, name):
    b = Builder()
    x = b.add("leaf", name=name, scope=(name,))
    b.add(
        name, x, params={name: name}, dtype=name, source=Source(name, 1, name, name), is_output=True
    )
    explorer.open(b.nodes)
    explorer.press("e")
    explorer.click('[data-item="1"] .box')
    assert explorer.script("return window.hacked === undefined")
    assert explorer.script("return document.querySelectorAll('img, #panel script').length") == 0
    if len(name) < 36 and name != "\ud800":  # which no message to the browser can hold
        assert explorer.titles[1] == name


def test_many_nodes_are_drawn_on_a_canvas(explorer):
    nodes = random_graph(2_500)
    explorer.open(nodes)
    assert explorer.find("#stage").get_attribute("data-drawing") == "canvas"
    name = "x3"
    explorer.type("#query", name + "\ue007")
    explorer.press("\ue00c")
    picture = explorer.picture()
    assert 0.02 < np.mean(np.abs(picture - picture[2, 2]).max(-1) > 40) < 0.6
    # the search went there: it is in the middle of the stage
    from selenium.webdriver import ActionChains

    ActionChains(explorer.driver).move_to_element(explorer.find("#stage")).click().perform()
    explorer.settle()
    assert name in explorer.text("#panel h2")


def test_a_drag_moves_what_is_painted_and_paints_only_what_was_out_of_sight(explorer):
    from selenium.webdriver import ActionChains

    explorer.open(random_graph(2_500))
    explorer.script(
        "window.painted = 0; const { fillText } = CanvasRenderingContext2D.prototype;"
        "CanvasRenderingContext2D.prototype.fillText ="
        " function (...all) { window.painted++; fillText.apply(this, all); }"
    )

    def drag(x, y):
        start = ActionChains(explorer.driver).move_to_element(explorer.find("#stage"))
        start.click_and_hold().move_by_offset(x, y).release().perform()
        explorer.settle()
        return explorer.script("return window.painted")

    assert drag(150, -90) == 0
    pictures = [explorer.picture()]
    assert drag(300, -200) > 0  # the room beside the stage is used up
    pictures.append(explorer.picture())
    drag(-300, 200)
    for _ in range(2):  # the other theme and back: all is painted again
        explorer.press("t")
    pictures.append(explorer.picture())
    # without the ring around what has the focus
    first, second, third = (picture[5:-5, 5:-5] for picture in pictures)
    assert np.abs(second - first).mean() > 1
    assert np.mean(np.abs(third - first).max(-1) > 8) < 1e-3


def test_what_is_too_far_away_to_read_leaves_a_mark(explorer):
    b = Builder()
    for _ in range(2_100):
        b.add("leaf")
    explorer.open(b.nodes)
    explorer.press("0")
    picture = explorer.picture()
    marked = (np.abs(picture - picture[2, 2]).max(-1) > 40)[:400]  # above the minimap
    assert marked.any(0)[50:-50].all()
    assert marked.any(1).sum() < 5


def test_the_minimap_shows_the_way(explorer):
    nodes = network(12)
    explorer.open(nodes)
    assert not explorer.find("#minimap").is_displayed()  # all is in sight
    explorer.press("e")
    last = nodes[-1].number
    height = explorer.find("#stage").rect["height"]
    assert explorer.places()[last][1] > height
    from selenium.webdriver import ActionChains

    minimap = explorer.find("#minimap")
    actions = ActionChains(explorer.driver)
    actions.move_to_element_with_offset(minimap, 0, minimap.rect["height"] / 2 - 8)
    actions.click().perform()
    explorer.settle()
    assert 0 < explorer.places()[last][1] < height


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_picture_has_ink_in_both_themes(explorer, theme):
    explorer.open(formula())
    if explorer.script("return document.documentElement.dataset.theme") != theme:
        explorer.press("t")
    picture = explorer.picture()
    background = picture[2, 2]
    assert (background.mean() < 128) == (theme == "dark")
    assert 0.005 < np.mean(np.abs(picture - background).max(-1) > 100) < 0.2
    # what there is to see is in the middle
    rows, columns = np.nonzero(np.abs(picture - background).max(-1) > 100)
    assert abs(rows.mean() / picture.shape[0] - 0.5) < 0.1
    assert abs(columns.mean() / picture.shape[1] - 0.5) < 0.1


def test_drag_moves_and_wheel_zooms(explorer):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    explorer.open(formula())
    before = explorer.places()
    stage = explorer.find("#stage")
    actions = ActionChains(explorer.driver)
    actions.move_to_element_with_offset(stage, 300, 200).click_and_hold().move_by_offset(40, -25)
    actions.release().perform()
    explorer.settle()
    moved = explorer.places()
    for item, (left, top, *_) in before.items():
        assert moved[item][:2] == pytest.approx((left + 40, top - 25), abs=1)
    assert explorer.marked("selected") == set()
    origin = ScrollOrigin.from_element(stage)
    ActionChains(explorer.driver).scroll_from_origin(origin, 0, -200).perform()
    explorer.settle()
    zoomed = explorer.places()
    for item, (left, _, right, _) in moved.items():
        width = zoomed[item][2] - zoomed[item][0]
        assert width == pytest.approx((right - left) * math.exp(0.5), rel=0.02)


def test_derivatives_of_a_hessian_are_drawn(explorer):
    graph = tg.trace(tg.hessian(lambda v: np.sum(v**3)), np.ones(3), backward=2)
    explorer.open(list(graph.nodes))
    explorer.press("e")
    assert set(explorer.titles) == {node.number for node in graph}


def test_a_recorded_graph(explorer):
    x = tg.tensor(np.ones((2, 3)), requires_grad=True)
    graph = tg.graph(np.sin(x) * 2, x=x)
    assert graph.to_html() == page(graph.nodes, graph.outputs)
    explorer.open(list(graph.nodes))
    assert list(explorer.titles.values()) == ["x", "sin", "multiply"]


def test_a_chain_of_50000_operations_and_scopes_200_deep(explorer):
    b = Builder()
    x = b.add("leaf", name="x")
    for _ in range(50_000):
        x = b.add("sin", x)
    deep = tuple(f"scope{i}" for i in range(200))
    for _ in range(40):
        x = b.add("cos", x, scope=deep)
    explorer.open(b.nodes)
    assert "⊞ sin ×50000" in explorer.titles.values()
    explorer.press("e")
    assert explorer.text("#status") == f"{len(b.nodes)} nodes"
