"""The sliding window against sums over windows that are counted out, and in a browser."""

import json
import re
import shutil
import subprocess
from html import unescape
from itertools import product
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

import tensorgrad as tg
from tensorgrad.errors import IndexingError, ShapeError, UnsupportedError
from tensorgrad.visualize.sliding.words import names, numbers

SVG = "{http://www.w3.org/2000/svg}"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
GRADIENTS = (None, "input", "kernel")


@st.composite
def configurations(draw):
    """The arguments of show_conv: with remainders of the stride, uneven and negative padding."""
    axes = draw(st.integers(1, 2))
    stride, dilation, pads, sides, kernel = [], [], [], [], []
    for _ in range(axes):
        k, s, d = draw(st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 2)))
        low, high = draw(st.tuples(st.integers(-1, 3), st.integers(-1, 3)))
        met = d * (k - 1) + 1 + draw(st.integers(0, 2)) * s + draw(st.integers(0, s - 1))
        for many, one in zip((stride, dilation, pads, kernel), (s, d, (low, high), k), strict=True):
            many.append(one)
        sides.append(max(met - low - high, 1, -low - high + 1))
    whole = st.integers(-9, 9).map(float)
    x = draw(hnp.arrays(np.float64, tuple(sides), elements=whole))
    w = draw(hnp.arrays(np.float64, tuple(kernel), elements=whole))
    return x, w, {"stride": tuple(stride), "padding": tuple(pads), "dilation": tuple(dilation)}


def meetings(x, w, stride, padding, dilation):
    """The entries that meet: (place of the result, of the input, of the kernel), one by one."""
    reached = [
        [
            (j, s * j + d * k - low, k)
            for j in range((i + low + high - d * (m - 1) - 1) // s + 1)
            for k in range(m)
            if 0 <= s * j + d * k - low < i
        ]
        for i, m, s, d, (low, high) in zip(x.shape, w.shape, stride, dilation, padding, strict=True)
    ]
    return [tuple(zip(*pairs, strict=True)) for pairs in product(*reached)]


def inner(scene, place):
    """An index as long as the arrays of the caller have axes."""
    return place[-scene.axes :]


@given(configurations())
def test_each_step_sums_up_what_met(configuration):
    x, w, params = configuration
    picture = tg.show_conv(x, w, **params)
    met = meetings(x, w, **params)
    g = picture.scenes[1].source.reshape(picture.scenes[1].source.shape[-x.ndim :])
    factors = {"y": (x, w), "dx": (g, w), "dw": (x, g)}
    for scene in picture.scenes:
        name, arrays = scene.result_name, factors[scene.result_name]
        expected = {}
        for j, i, k in met:
            key, left, right = {"y": (j, i, k), "dx": (i, j, k), "dw": (k, i, j)}[name]
            expected.setdefault(key, set()).add((left, right))
        for step in scene.steps:
            terms = scene.terms(step)
            real = {
                (inner(scene, term.entry), inner(scene, term.weight))
                for term in terms
                if term.entry is not None
            }
            assert real == expected.get(inner(scene, step), set())
            # whole numbers, so that nothing is rounded
            assert sum(a * b for a, b in (term.values for term in terms)) == scene.result[step]
            assert scene.result[step] == sum(arrays[0][p] * arrays[1][q] for p, q in real)
            for term in terms:
                shown = arrays[0][inner(scene, term.entry)] if term.entry is not None else 0
                assert term.values == (shown, arrays[1][inner(scene, term.weight)])


@given(configurations())
def test_the_numbers_are_those_of_the_library(configuration):
    x, w, params = configuration
    conv = tg.conv1d if x.ndim == 1 else tg.conv2d
    y, pull_back = tg.vjp(lambda x, w: conv(x[None, None], w[None, None], **params)[0, 0], x, w)
    g = 1 + np.arange(y.size, dtype=float).reshape(y.shape)
    expected = (y, *pull_back(g))
    for scene, array in zip(tg.show_conv(x, w, **params).scenes, expected, strict=True):
        np.testing.assert_allclose(scene.result.reshape(array.shape), array, rtol=1e-9, atol=1e-9)


@given(configurations())
def test_the_field_holds_the_zeros_that_are_put_in(configuration):
    x, w, params = configuration
    picture = tg.show_conv(x, w, **params)
    for scene in picture.scenes:
        # as many windows as fit into it, and no more
        sides = scene.geometry.output_sides(scene.source.shape, scene.kernel.shape)
        assert sides == scene.result.shape
        rows, columns = scene.extent
        cells = list(product(rows, columns))
        entries = [scene.entry(cell) for cell in cells if scene.kind(cell) == "entry"]
        # every entry is drawn, once and in order, also where the padding cuts it off
        assert entries == list(np.ndindex(*scene.source.shape))
        assert all(scene.value(c) == 0 for c in cells if scene.kind(c) != "entry")
        for step in scene.steps:
            assert set(scene.window(step)) <= set(cells)
        height, width = scene.source.shape
        above, below = (a - 1 for a in scene.geometry.input_dilation)
        spread = (height + above * (height - 1)) * (width + below * (width - 1))
        assert sum(scene.kind(c) == "between" for c in cells) == spread - height * width


def drawn(svg):
    """The parsed drawing, which refers to nothing outside."""
    assert "href" not in svg
    assert "url(" not in svg
    return ElementTree.fromstring(svg)


def having(root, name):
    """The elements of a class."""
    return [element for element in root.iter() if name in (element.get("class") or "").split()]


def moved(element):
    return tuple(
        map(int, re.fullmatch(r"translate\((\d+) (\d+)\)", element.get("transform")).groups())
    )


@given(configurations(), st.sampled_from(GRADIENTS), st.data())
def test_a_drawing_shows_its_step(configuration, gradient, data):
    x, w, params = configuration
    picture = tg.show_conv(x, w, **params, gradient=gradient)
    scene = picture.scenes[GRADIENTS.index(gradient)]
    number = data.draw(st.integers(0, len(scene.steps) - 1))
    step = scene.steps[number]
    root = drawn(picture.to_svg(number))
    assert picture.to_svg(number - len(scene.steps)) == picture.to_svg(number)
    assert ["later" in cell.get("class") for cell in having(root, "result")] == [
        i > number for i in range(len(scene.steps))
    ]
    (window,), (now,) = having(root, "window"), having(root, "now")
    assert moved(now) == (40 * step[1], 40 * step[0])
    rows, columns = scene.extent
    row, column = scene.window(step)[0]
    assert moved(window) == (40 * (column - columns.start), 40 * (row - rows.start))
    weights = [int(text.text.replace("−", "-")) for text in having(window, "small")]
    assert weights == [term.values[1] for term in scene.terms(step)]
    products = [text.text.replace("−", "-").split("·") for text in having(root, "product")]
    assert [(float(a), float(b)) for a, b in products] == [t.values for t in scene.terms(step)]
    texts = " ".join(text.text for text in having(root, "left"))
    assert names(scene, step).split(" + ")[0] in texts
    if gradient == "input":
        shown = [i for i, met in enumerate(having(root, "met")) if "away" not in met.get("class")]
        columns = scene.source.shape[1]
        entries = [term.entry for term in scene.terms(step) if term.entry is not None]
        assert shown == sorted(row * columns + column for row, column in entries)


def test_the_sum_is_spelt_out():
    picture = tg.show_conv([[1, 2, 3], [4, 5, 6]], [[1, 0], [2, -1]], [[7, 8]])
    y, dx, dw = picture.scenes
    assert (
        names(y, (0, 1)) == "y[0,1] = x[0,1]·w[0,0] + x[0,2]·w[0,1] + x[1,1]·w[1,0] + x[1,2]·w[1,1]"
    )
    assert numbers(y, (0, 1)) == "= 2·1 + 3·0 + 5·2 + 6·(−1) = 6"
    assert names(dx, (1, 1)) == "dx[1,1] = g[0,0]·w[1,1] + g[0,1]·w[1,0]"
    assert numbers(dx, (1, 1)) == "= 7·(−1) + 8·2 = 9"
    assert names(dw, (0, 1)) == "dw[0,1] = x[0,1]·g[0,0] + x[0,2]·g[0,1]"
    assert numbers(dw, (0, 1)) == "= 2·7 + 3·8 = 38"


def test_sequences_have_one_index():
    (_, dx, _) = tg.show_conv([1, 2, 4], [1, 10], padding=((1, 0),)).scenes
    assert names(dx, (0, 0)) == "dx[0] = g[0]·w[1] + g[1]·w[0]"


def test_what_is_rounded_is_not_said_to_be_equal():
    (y, _, _) = tg.show_conv([1 / 3], [3.0]).scenes
    assert numbers(y, (0, 0)) == "= 0.333·3 ≈ 1"


def test_zeros_alone_are_said_to_be_zeros():
    (y, _, dw) = tg.show_conv([5.0], [1.0], padding=1).scenes
    assert numbers(y, (0, 0)) == "= 0, since only zeros lie under the window"
    assert numbers(dw, (0, 0)) == "= 5·2 = 10"


def test_a_long_sum_is_cut():
    (_, _, dw) = tg.show_conv(np.ones((6, 6)), np.ones((2, 2)), np.ones((5, 5))).scenes
    assert numbers(dw, (0, 0)) == f"= {'1·1 + ' * 16}… (9 more) = 25"


def test_the_page_needs_nothing_else():
    picture = tg.show_conv(np.ones((4, 4)), np.ones((2, 2)), stride=2)
    page = picture.to_html()
    assert set(re.findall(r"https?://[^\"<> ]+", page)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<link|<img|@import|url\(|\bsrc=", page)
    code = "".join(re.findall(r"<style>.*?</style>|<script>.*?</script>", page, re.DOTALL))
    assert len(code) < 15_000
    assert page.startswith("<!doctype html>")
    assert picture._repr_html_() in page
    # two of them on a page share no names
    assert " id=" not in page


def test_files_are_what_their_ending_says(tmp_path):
    picture = tg.show_conv([1, 2, 4], [1, 10], gradient="kernel")
    assert picture.save(tmp_path / "a.html") == tmp_path / "a.html"
    picture.save(str(tmp_path / "a.svg"), step=0)
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == picture.to_html()
    assert (tmp_path / "a.svg").read_text(encoding="utf-8") == picture.to_svg(0)
    with pytest.raises(UnsupportedError, match=r"Use \.html or \.svg"):
        picture.save(tmp_path / "a.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "a.svg"]


@pytest.mark.parametrize(
    ("arguments", "params", "kind", "message"),
    [
        (([[1, 2]], [1]), {}, ShapeError, r"Choose one, as in x\[0, 0\] and w\[0, 0\]"),
        ((np.ones((1, 1, 4, 4)), np.ones((1, 1, 2, 2))), {}, ShapeError, "one channel"),
        (([1, 2], [1, 2, 3]), {}, ShapeError, "must not be larger than the padded input"),
        (([1, 2], [1], [1, 2, 3]), {}, ShapeError, r"g_shape=\(3,\), result_shape=\(2,\)"),
        (([1, 2], [1]), {"stride": 0}, ShapeError, "stride=0"),
        (([1, 2], [1]), {"gradient": "x"}, UnsupportedError, "gradient='x'"),
        ((np.ones(25), [1]), {}, ShapeError, "a side of 25; up to 24"),
        (([1.0] * 13, [1]), {"stride": 2, "padding": 6}, ShapeError, "a side of 25"),
        (([1j], [1]), {}, UnsupportedError, "real and finite"),
        (([np.nan], [1]), {}, UnsupportedError, "real and finite"),
        (([1], []), {}, UnsupportedError, "w has entries"),
    ],
)
def test_what_cannot_be_shown_says_why(arguments, params, kind, message):
    with pytest.raises(kind, match=f"show_conv: .*{message}"):
        tg.show_conv(*arguments, **params)


def test_there_are_as_many_steps_as_entries():
    picture = tg.show_conv([1, 2, 4], [1, 10])
    for wrong in (2, -3):
        with pytest.raises(IndexingError, match=f"to_svg: step={wrong}. There are 2 steps"):
            picture.to_svg(wrong)


# Presses keys and writes down what the page then shows.
DRIVER = """
<script>
const root = document.querySelector(".tg-conv"), tabs = [...root.querySelectorAll("[role=tab]")];
const press = (key, target = root) =>
  target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const seen = () => {
  const panel = root.querySelector("[role=tabpanel]:not([hidden])");
  const window = panel.querySelector(".window").style.transform.match(/\\d+/g).map(Number);
  return {
    names: root.querySelector(".names").textContent,
    numbers: root.querySelector(".numbers").textContent,
    products: [...panel.querySelectorAll(".product")].map(text => text.textContent),
    filled: panel.querySelectorAll(".result:not(.later)").length,
    met: [...panel.querySelectorAll(".met")]
      .flatMap((window, i) => (window.classList.contains("away") ? [] : [i])),
    window,
    slider: Number(root.querySelector("input").value),
  };
};
const log = tabs.map(tab => {
  tab.click();
  press("Home");
  const steps = [seen()];
  const last = Number(root.querySelector("input").max);
  for (let i = 0; i < last + 2; i++) { press("ArrowRight"); steps.push(seen()); }
  return steps;
});
tabs[0].focus();
press("ArrowLeft", tabs[0]); // round to the last tab
const round = tabs.findIndex(tab => tab === document.activeElement);
press("Home");
press("ArrowRight");
press("ArrowLeft");
const back = seen().slider;
root.querySelector("[role=tabpanel]:not([hidden])").querySelectorAll(".result")[1]
  .dispatchEvent(new MouseEvent("click", { bubbles: true }));
const clicked = seen().slider;
press("End");
const end = seen().slider;
press(" ");
const playing = [seen().slider, root.querySelector(".play").getAttribute("aria-label")];
press(" ");
const paused = root.querySelector(".play").getAttribute("aria-label");
document.body.innerHTML = "<pre></pre>";
const all = { log, round, back, clicked, end, playing, paused };
document.querySelector("pre").textContent = JSON.stringify(all);
</script></body>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no browser: install chromium")
def test_a_browser_steps_through(tmp_path):
    x, w = np.arange(30.0).reshape(5, 6) - 7, np.array([[1.0, -2.0, 3.0], [0.0, 4.0, 5.0]])
    picture = tg.show_conv(x, w, stride=(1, 2), padding=((0, 1), (2, 1)), dilation=(2, 1))
    page = tmp_path / "page.html"
    page.write_text(picture.to_html().replace("</body>", DRIVER), encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    flags += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command = [CHROMIUM, *flags, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    seen = json.loads(unescape(re.search(r"<pre>(.*)</pre>", run.stdout, re.DOTALL).group(1)))
    for scene, log in zip(picture.scenes, seen["log"], strict=True):
        # two presses more than there are steps change nothing
        steps = [*scene.steps, scene.steps[-1], scene.steps[-1]]
        for number, (step, shown) in enumerate(zip(steps, log, strict=True)):
            here = min(number, len(scene.steps) - 1)
            svg = drawn(page_drawing(picture, scene, here))
            assert shown["names"] == names(scene, step)
            assert shown["numbers"] == numbers(scene, step)
            assert shown["products"] == [text.text for text in having(svg, "product")]
            assert shown["filled"] == here + 1 == shown["slider"] + 1
            assert tuple(shown["window"]) == moved(having(svg, "window")[0])
            met = [i for i, m in enumerate(having(svg, "met")) if "away" not in m.get("class")]
            assert shown["met"] == met
    assert (seen["round"], seen["back"], seen["clicked"]) == (2, 0, 1)
    assert seen["end"] == len(picture.scenes[2].steps) - 1
    assert (seen["playing"], seen["paused"]) == ([0, "Pause"], "Play")


def page_drawing(picture, scene, number):
    """The drawing of a step of any of the scenes."""
    gradient = GRADIENTS[picture.scenes.index(scene)]
    return type(picture)(picture.scenes, gradient).to_svg(number)
