"""explain_conv: what it says is what is run."""

from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from loops import configurations, quarters

import tensorgrad as tg
from tensorgrad.conv import choose
from tensorgrad.conv.choose import ALGORITHMS, NAMES


@contextmanager
def witnessed(numba=True):
    """Note which algorithms compute which convolutions, with or without Numba to be found."""
    runs = []

    def noting(algorithm):
        def prepare(problem):
            def run(x, w, b):
                assert problem[:2] == (x.shape, w.shape)
                runs.append((problem, algorithm.name))
                return algorithm.prepare(problem)(x, w, b)

            return run

        return algorithm._replace(prepare=prepare)

    with pytest.MonkeyPatch.context() as patch:
        for name, algorithm in ALGORITHMS.items():
            patch.setitem(ALGORITHMS, name, noting(algorithm))
        if not numba:
            patch.setattr(choose, "find_spec", lambda name: None)
        forget()
        yield runs
    forget()


def forget():
    choose.choose.cache_clear()
    choose._prepared.cache_clear()


def chosen(explanation):
    return [(row.problem, row.algorithm) for row in explanation if row.chosen]


DTYPES = st.sampled_from(["f4", "f8", "c8", "f2"])
BORDERS = st.sampled_from(["zeros", "zeros", "circular"])


@settings(max_examples=150)
@given(
    configurations(least=-1), DTYPES, DTYPES, BORDERS, st.sampled_from(NAMES), *[st.booleans()] * 3
)
def test_what_it_says_is_what_is_run(case, of_x, of_w, mode, name, last, numba, biased):
    x, w, b, stride, pads, dilation, groups, rng = case
    x, w, b = x.astype(of_x), w.astype(of_w), b.astype("f2")
    if last:
        x, w = np.moveaxis(x, 1, -1), np.moveaxis(w, (1, 0), (-2, -1))
    options = {
        "stride": stride,
        "padding": pads,
        "dilation": dilation,
        "groups": groups,
        "padding_mode": mode,
        "algorithm": name,
        "layout": "N*C" if last else "NC*",
    }
    arrays = (x, w, b) if biased else (x, w)
    with witnessed(numba) as runs:
        explanation = tg.explain_conv(x, w, **options)
        assert not runs
        y, pullback = tg.vjp(lambda *arrays: tg.conv(*arrays, **options), *arrays)
        pullback(quarters(rng, *y.shape).astype(y.dtype))
        assert runs == chosen(explanation)
        # Tensors, and shapes with dtypes, say as much
        assert tg.explain_conv(tg.tensor(x), tg.tensor(w), **options) == explanation
        if of_x == of_w:
            given_shapes = tg.explain_conv(x.shape, list(w.shape), dtype=of_x, **options)
            assert given_shapes == explanation


@given(configurations(), st.sampled_from(NAMES), st.booleans())
def test_there_is_a_reason_or_an_estimate(case, name, numba):
    x, w, _, stride, pads, dilation, groups, _ = case
    options = {"stride": stride, "padding": pads, "dilation": dilation, "groups": groups}
    with witnessed(numba):
        explanation = tg.explain_conv(x, w, algorithm=name, **options)
    for convolution in dict.fromkeys(row.convolution for row in explanation):
        rows = [row for row in explanation if row.convolution == convolution]
        assert [row.algorithm for row in rows] == list(ALGORITHMS)
        assert all((row.seconds is None) != (row.refusal is None) for row in rows)
        able = [row for row in rows if row.refusal is None]
        allowed = [r for r in able if name in (r.algorithm, ALGORITHMS[r.algorithm].kind)] or able
        best = [row for row in rows if row.chosen]
        assert len(best) == bool(able)
        assert all(row.seconds == min(r.seconds for r in allowed) for row in best)
        assert all(row in allowed for row in best)


def test_as_text_it_is_a_table():
    options = {"stride": 2, "padding": "same", "algorithm": "gemm"}
    with witnessed(numba=False):
        explanation = tg.explain_conv((2, 4, 8, 9), (6, 2, 3, 3), groups=2, dtype="f4", **options)
    lines = str(explanation).splitlines()
    assert lines == repr(explanation).splitlines()
    assert lines[0] == "y: (2, 4, 8, 9) * (6, 2, 3, 3) -> (2, 6, 4, 5), float32"
    assert "stride=(2, 2)" in lines[1]
    assert "padding=((0, 1), (1, 1))" in lines[1]
    # 2 images, 6 filters of 2 x 3 x 3 entries, 4 x 5 places; 576 + 108 + 240 entries
    assert "4.32e+03 multiplications, 0.0037 MB" in lines[2]
    names = [line.split()[:2] for line in lines[3 : 3 + len(ALGORITHMS)]]
    assert names[list(ALGORITHMS).index("gemm")] == [">", "gemm"]
    assert sum(line.lstrip().startswith(">") for line in lines) == 6  # one of y, of w, of 4 phases
    assert "    compiled          Numba is not installed: python -m pip install" in lines[3]
    assert any(line.startswith("gradient by x, phase 4 of 4: (2, 6, 4, 5)") for line in lines)
    assert any(line.startswith("gradient by w: (2, 4, 8, 9)") for line in lines)


def test_of_what_is_given_as_a_shape_the_dtype_is_that_of_the_other():
    w = np.ones((3, 2, 3), "f4")
    assert {row.problem.dtype for row in tg.explain_conv((2, 9), w)} == {np.dtype("f4")}
    assert {row.problem.dtype for row in tg.explain_conv((2, 9), w, dtype="c8")} == {np.dtype("c8")}
    assert {row.problem.dtype for row in tg.explain_conv((2, 9), w.shape)} == {np.dtype("f8")}
    assert {row.convolution for row in tg.explain_conv((2, 9), w.astype(int))} == {"y"}


def test_nothing_is_computed():
    huge = tg.explain_conv((10**6, 64, 10**4, 10**4), (64, 64, 3, 3), padding=1, stride=2)
    assert huge[0].problem.out == (5000, 5000)


@pytest.mark.parametrize(
    ("arguments", "options", "part"),
    [
        (((2, 3, 8), (4, 2, 3)), {}, "input_channels=3, needed=2"),
        (((2, 2, 8), (4, 2, 3)), {"stride": 0}, "stride=0"),
        (((2, 2, 8), (4, 2, 3)), {"algorithm": "quick"}, "algorithm='quick'"),
        (((2, 2, 2), (4, 2, 3)), {}, "padded_input=(2,)"),
        (((2, 2, 8), (4,)), {}, "w_shape=(4,)"),
    ],
)
def test_mistakes_are_those_of_conv(arguments, options, part):
    with pytest.raises(tg.errors.TensorgradError) as caught:
        tg.explain_conv(*arguments, **options)
    assert part in str(caught.value)
