"""Pooling against loops that follow the definition, and against PyTorch."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tensorgrad as tg
from tensorgrad.errors import IndexingError, ShapeError, UnsupportedError

NUMBERED = {
    kind: [getattr(tg, f"{kind}{n}d") for n in (1, 2, 3)]
    for kind in (
        *("max_pool", "avg_pool", "lp_pool", "max_unpool"),
        *("adaptive_avg_pool", "adaptive_max_pool"),
    )
}
LAYOUTS = [("NCW", "NWC"), ("NCHW", "NHWC"), ("NCDHW", "NDHWC")]


@pytest.fixture(scope="module", name="torch")
def torch_with_one_thread():
    torch = pytest.importorskip("torch", reason="the bench extra is not installed")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several wait for each other longer than they compute
    yield torch
    torch.set_num_threads(threads)


def naive_windows(sides, kernel_size, stride, padding, dilation, ceil_mode):
    """For each window in order: the places it meets, and how many there are with the padding."""
    out = []
    for i, k, s, (low, high), d in zip(
        sides, kernel_size, stride or kernel_size, padding, dilation, strict=True
    ):
        starts = [-low]  # there is one at least
        while True:
            start = starts[-1] + s
            last = start + d * (k - 1)
            fits = last < i + high
            # with ceil_mode also one that fits in part, if it is the first, and starts before the
            # padding
            partly = ceil_mode and last - s < i + high - 1 and start < i
            if not fits and not partly:
                break
            starts.append(start)
        out.append(starts)
    shape = tuple(map(len, out))
    found = {}
    for window in np.ndindex(*shape):
        met, padded = [], 0
        for tap in np.ndindex(*kernel_size):
            place = [
                starts[w] + d * t
                for starts, w, d, t in zip(out, window, dilation, tap, strict=True)
            ]
            padded += all(
                p < i + high for p, i, (_, high) in zip(place, sides, padding, strict=True)
            )
            if all(0 <= p < i for p, i in zip(place, sides, strict=True)):
                met.append(tuple(place))
        found[window] = met, padded
    return shape, found


@st.composite
def poolings(draw, symmetric=False, dilated=True):
    """Draw images, and windows over them of which each meets an entry."""
    n = draw(st.integers(1, 3))
    number = st.integers(1, 3)
    kernel, stride = (tuple(draw(number) for _ in range(n)) for _ in range(2))
    dilation = tuple(draw(st.integers(1, 2)) if dilated else 1 for _ in range(n))
    pads, sides = [], []
    for k, d in zip(kernel, dilation, strict=True):
        low, high = draw(st.integers(0, k // 2)), draw(st.integers(0, k // 2))
        high = low if symmetric else high
        pads.append((low, high))
        least = max(d * (k - 1) + 1 - low - high, d)
        sides.append(least + draw(st.integers(0, 4)))
    lead = (draw(st.sampled_from([1, 2, 0])), draw(st.integers(1, 2)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.permutation(np.prod(lead + tuple(sides))).reshape(*lead, *sides) / 4
    options = {
        "kernel_size": kernel,
        "stride": draw(st.sampled_from([stride, None])),
        "padding": tuple(pads),
        "ceil_mode": draw(st.booleans()),
    }
    return x, {**options, "dilation": dilation} if dilated else options, rng


def in_all_forms(function, x, **options):
    """Yield what a function makes of images: channels first and last, and of the first alone."""
    n = x.ndim - 2
    yield function(x, **options)
    yield back_to_first(function(np.moveaxis(x, 1, -1), layout=LAYOUTS[n - 1][1], **options))
    if len(x):
        one = function(x[0], layout=LAYOUTS[n - 1][0], **options)
        rest = function(x[1:], **options)
        if isinstance(one, tuple):
            yield tuple(np.concatenate([a[None], b]) for a, b in zip(one, rest, strict=True))
        else:
            yield np.concatenate([one[None], rest])


def back_to_first(y):
    if isinstance(y, tuple):
        return tuple(map(back_to_first, y))
    return np.moveaxis(y, -1, 1)


@given(poolings())
def test_maxima_and_averages_are_their_definitions(case):
    x, options, _ = case
    n = x.ndim - 2
    shape, windows = naive_windows(x.shape[2:], **options)
    maxima, total, met_by, padded_by = (np.zeros(x.shape[:2] + shape) for _ in range(4))
    places = np.zeros(maxima.shape, int)
    for window, (met, padded) in windows.items():
        entries = np.stack([x[(..., *place)] for place in met], axis=-1)
        numbers = np.array([np.ravel_multi_index(place, x.shape[2:]) for place in met])
        at = (..., *window)
        maxima[at] = entries.max(-1)
        places[at] = numbers[entries.argmax(-1)]
        total[at] = entries.sum(-1)
        met_by[at], padded_by[at] = len(met), padded
    for pool in (tg.max_pool, NUMBERED["max_pool"][n - 1]):
        for y, indices in in_all_forms(pool, x, **options, return_indices=True):
            assert np.array_equal(y, maxima)
            assert np.array_equal(indices, places)
            assert isinstance(indices, np.ndarray)
            assert indices.dtype == np.intp
    for pool in (tg.avg_pool, NUMBERED["avg_pool"][n - 1]):
        for expected, more in (
            (total / padded_by, {}),
            (total / met_by, {"count_include_pad": False}),
            (total / 3, {"divisor_override": 3}),
        ):
            for y in in_all_forms(pool, x, **options, **more):
                np.testing.assert_allclose(y, expected, rtol=1e-14)


def assert_as_torch(torch, ours, theirs, x, rng):
    """Assert that values and derivatives, to the second order, are those of PyTorch."""
    leaf = torch.tensor(x, requires_grad=True)
    y = theirs(leaf)
    g = rng.integers(-4, 5, tuple(y.shape)) / 4
    g_leaf = torch.tensor(g, requires_grad=True)
    value, pullback = tg.vjp(ours, x)
    np.testing.assert_allclose(value, y.detach().numpy(), rtol=1e-12, atol=1e-12)
    (first,) = torch.autograd.grad(y, leaf, g_leaf, create_graph=True)
    np.testing.assert_allclose(pullback(g)[0], first.detach().numpy(), rtol=1e-11, atol=1e-11)
    second = torch.autograd.grad((first**3).sum(), [g_leaf, leaf], allow_unused=True)
    found = tg.grad(lambda g, x: np.sum(tg.vjp(ours, x)[1](g)[0] ** 3), (0, 1))(g, x)
    for mine, other in zip(found, second, strict=True):
        expected = np.zeros_like(mine) if other is None else other.numpy()
        np.testing.assert_allclose(mine, expected, rtol=1e-9, atol=1e-9)


def torch_options(options):
    pads = tuple(low for low, _ in options["padding"])
    stride = options["stride"] or options["kernel_size"]
    return {**options, "padding": pads, "stride": stride}


@given(poolings(symmetric=True))
def test_max_pooling_is_that_of_torch(torch, case):
    x, options, rng = case
    if 0 in x.shape:
        return
    n = x.ndim - 2
    theirs = getattr(torch.nn.functional, f"max_pool{n}d")
    spans = [
        d * (k - 1) + 1 for k, d in zip(options["kernel_size"], options["dilation"], strict=True)
    ]
    if any(2 * low > span for (low, _), span in zip(options["padding"], spans, strict=True)):
        return
    assert_as_torch(
        torch,
        lambda x: tg.max_pool(x, **options),
        lambda x: theirs(x, **torch_options(options)),
        x,
        rng,
    )
    y, indices = theirs(torch.tensor(x), **torch_options(options), return_indices=True)
    found, places = tg.max_pool(x, **options, return_indices=True)
    assert np.array_equal(found, y.numpy())
    assert np.array_equal(places, indices.numpy())


@given(poolings(symmetric=True, dilated=False), st.booleans(), st.sampled_from([1, 2, 3, 2.5]))
def test_average_and_lp_pooling_are_those_of_torch(torch, case, flag, p):
    x, options, rng = case
    # which asks that kernels fit into the input without its padding
    if not len(x) or any(np.array(x.shape[2:]) < options["kernel_size"]):
        return
    n = x.ndim - 2
    theirs = getattr(torch.nn.functional, f"avg_pool{n}d")
    more = {"count_include_pad": flag}
    if p == 3 and n > 1:
        more["divisor_override"] = 5
    assert_as_torch(
        torch,
        lambda x: NUMBERED["avg_pool"][n - 1](x, **options, **more),
        lambda x: theirs(x, **torch_options(options), **more),
        x,
        rng,
    )
    powers = torch_options(options)
    del powers["padding"]
    if n == 1:
        powers |= {"kernel_size": powers["kernel_size"][0], "stride": powers["stride"][0]}
    theirs = getattr(torch.nn.functional, f"lp_pool{n}d")
    assert_as_torch(
        torch,
        lambda x: NUMBERED["lp_pool"][n - 1](x, norm_type=p, **powers),
        lambda x: theirs(x, p, **powers),
        1 + x / x.size,
        rng,
    )


@given(st.data())
def test_adaptive_pooling_is_that_of_torch(torch, data):
    n = data.draw(st.integers(1, 3))
    side = st.integers(1, 7)
    sides = tuple(data.draw(side) for _ in range(n))
    sizes = tuple(data.draw(st.one_of(side, st.none())) for _ in range(n))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    x = rng.permutation(4 * np.prod(sides)).reshape(2, 2, *sides) / 4
    asked = sizes if n > 1 else (sizes[0] or sides[0],)
    for kind in ("adaptive_avg_pool", "adaptive_max_pool"):
        theirs = getattr(torch.nn.functional, f"{kind}{n}d")
        ours = NUMBERED[kind][n - 1]
        assert_as_torch(
            torch,
            lambda x, ours=ours: ours(x, output_size=sizes),
            lambda x, theirs=theirs: theirs(x, asked),
            x,
            rng,
        )
        for y in in_all_forms(getattr(tg, kind), x, output_size=sizes):
            np.testing.assert_allclose(y, ours(x, output_size=sizes), rtol=1e-14)
    y, indices = theirs(torch.tensor(x), asked, return_indices=True)
    for found in in_all_forms(tg.adaptive_max_pool, x, output_size=sizes, return_indices=True):
        assert np.array_equal(found[0], y.numpy())
        assert np.array_equal(found[1], indices.numpy())


@pytest.mark.parametrize("k", [1, 2, 3, 4])
@pytest.mark.parametrize("stride", [1, 2, 3, 5])
def test_ceil_mode_makes_as_many_windows_as_torch(torch, k, stride):
    for side in range(1, 12):
        for pad in range(k // 2 + 1):
            try:
                y = torch.nn.functional.max_pool1d(
                    torch.zeros(1, 1, side), k, stride, pad, ceil_mode=True
                )
            except RuntimeError:
                with pytest.raises(ShapeError):
                    tg.max_pool1d(
                        np.zeros((1, 1, side)), kernel_size=k, stride=stride, padding=pad,
                        ceil_mode=True,
                    )  # fmt: skip
                continue
            found = tg.max_pool1d(
                np.zeros((1, 1, side)), kernel_size=k, stride=stride, padding=pad, ceil_mode=True
            )
            assert found.shape == tuple(y.shape)


def naive_max_gradient(x, g, windows):
    """Share g of each window equally among the entries that attain its maximum."""
    total = np.zeros(x.shape)
    for window, (met, _) in windows.items():
        for lead in np.ndindex(*x.shape[:2]):
            entries = [x[lead + place] for place in met]
            tied = [
                place
                for place, entry in zip(met, entries, strict=True)
                if entry == max(entries) or np.isnan(entry)
            ]
            if any(map(np.isnan, entries)):
                tied = [place for place in tied if np.isnan(x[lead + place])]
            for place in tied:
                total[lead + place] += g[lead + window] / len(tied)
    return total


@given(poolings(), st.sampled_from([np.nan, -np.inf, np.inf, 0.0]))
def test_entries_that_tie_share_the_gradient(case, special):
    x, options, rng = case
    x = np.floor(x) % 3
    x[rng.random(x.shape) < 0.2] = special
    y, pullback = tg.vjp(lambda x: tg.max_pool(x, **options), x)
    g = rng.uniform(-1, 1, y.shape)
    _, windows = naive_windows(x.shape[2:], **options)
    np.testing.assert_allclose(pullback(g)[0], naive_max_gradient(x, g, windows), atol=1e-12)
    for window, (met, _) in windows.items():
        expected = np.max([x[(..., *place)] for place in met], axis=0)
        np.testing.assert_array_equal(y[(..., *window)], expected)


def test_more_entries_tie_than_small_integers_count():
    x = np.zeros((1, 1, 20, 20))
    g = tg.grad(lambda x: np.sum(tg.max_pool2d(x, kernel_size=20)))(x)
    np.testing.assert_allclose(g, 1 / 400, rtol=1e-15)


def test_an_infinite_cotangent_stays_where_it_belongs():
    x = np.array([[[1.0, 3.0, 2.0, 0.0]]])
    _, pullback = tg.vjp(lambda x: tg.max_pool(x, kernel_size=2), x)
    assert pullback(np.array([[[np.inf, 1.0]]]))[0].tolist() == [[[0.0, np.inf, 1.0, 0.0]]]


def test_indices_of_nan_are_those_of_torch(torch):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 3, (3, 2, 6, 7)).astype(float)
    x[rng.random(x.shape) < 0.2] = np.nan
    options = {"kernel_size": 3, "stride": 2, "padding": 1}
    y, indices = torch.nn.functional.max_pool2d(torch.tensor(x), **options, return_indices=True)
    found, places = tg.max_pool2d(x, **options, return_indices=True)
    np.testing.assert_array_equal(found, y.numpy())
    assert np.array_equal(places, indices.numpy())


@given(poolings(dilated=False))
def test_unpooling_puts_entries_back_and_is_linear(case):
    x, options, rng = case
    n = x.ndim - 2
    options |= {"dilation": 1, "ceil_mode": False}
    if any(
        i + sum(p) < k
        for i, p, k in zip(x.shape[2:], options["padding"], options["kernel_size"], strict=True)
    ):
        return
    y, indices = tg.max_pool(x, **options, return_indices=True)
    kept = {name: options[name] for name in ("kernel_size", "stride", "padding")}
    z = rng.integers(-4, 5, y.shape) / 4
    expected = np.zeros((*x.shape[:2], np.prod(x.shape[2:])))
    for lead in np.ndindex(*x.shape[:2]):
        np.add.at(expected[lead], indices[lead].ravel(), z[lead].ravel())
    expected = expected.reshape(x.shape)
    for unpool in (tg.max_unpool, NUMBERED["max_unpool"][n - 1]):
        found = unpool(z, indices, **kept, output_size=x.shape[2:])
        assert np.array_equal(found, expected)
        last = unpool(
            np.moveaxis(z, 1, -1), np.moveaxis(indices, 1, -1), **kept, output_size=x.shape[2:],
            layout=LAYOUTS[n - 1][1],
        )  # fmt: skip
        assert np.array_equal(np.moveaxis(last, -1, 1), expected)
    _, pullback = tg.vjp(lambda z: tg.max_unpool(z, indices, **kept, output_size=x.shape[2:]), z)
    read = np.take_along_axis(
        x.reshape(*x.shape[:2], -1), indices.reshape(*x.shape[:2], -1), -1
    ).reshape(y.shape) if x.size else y  # fmt: skip
    assert np.array_equal(pullback(x)[0], read)
    assert np.array_equal(read, y)


def test_unpooling_to_the_plainest_size_is_that_of_torch(torch):
    x = np.random.default_rng(0).normal(size=(2, 3, 7, 8))
    options = {"kernel_size": (3, 2), "stride": (3, 2), "padding": (1, 0)}
    y, indices = tg.max_pool2d(x, **options, return_indices=True)
    for more in ({}, {"output_size": (7, 9)}, {"output_size": (8, 8)}):
        expected = torch.nn.functional.max_unpool2d(
            torch.tensor(y), torch.tensor(indices), **options, **more
        )
        assert np.array_equal(tg.max_unpool2d(y, indices, **options, **more), expected.numpy())


def test_global_pooling():
    x = np.random.default_rng(0).integers(0, 9, (2, 3, 4, 5, 2)).astype(float)
    for n in (1, 2, 3):
        y = x.reshape(2, 3, *((40,), (20, 2), (4, 5, 2))[n - 1])
        for layout, images in (
            ("NC*", y),
            (LAYOUTS[n - 1][0], y),
            (LAYOUTS[n - 1][1], np.moveaxis(y, 1, -1)),
        ):
            np.testing.assert_allclose(tg.global_avg_pool(images, layout=layout), x.mean((2, 3, 4)))
            assert np.array_equal(tg.global_max_pool(images, layout=layout), x.max((2, 3, 4)))
            if layout != "NC*":
                one = tg.global_max_pool(images[1], layout=layout)
                assert np.array_equal(one, x[1].max((1, 2, 3)))


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i8", "u1", "?"])
def test_dtypes(dtype):
    x = (np.arange(32).reshape(1, 2, 4, 4) % 5).astype(dtype)
    expected = x.reshape(1, 2, 2, 2, 2, 2)
    y = tg.max_pool2d(x, kernel_size=2, padding=0)
    assert y.dtype == x.dtype
    assert np.array_equal(y, expected.max((3, 5)))
    padded = tg.max_pool2d(x, kernel_size=2, padding=1)
    assert padded.dtype == x.dtype
    assert padded[0, 0, 0, 0] == x[0, 0, 0, 0]
    mean = tg.avg_pool2d(x, kernel_size=2)
    assert mean.dtype == np.mean(x).dtype
    np.testing.assert_allclose(mean, expected.mean((3, 5)), rtol=1e-3 if dtype == "f2" else 1e-6)
    mixed = tg.avg_pool2d(x, kernel_size=2, padding=1, count_include_pad=False)
    assert mixed.dtype == mean.dtype


def test_averages_of_complex_numbers_and_of_large_half_floats():
    x = np.arange(8.0).reshape(1, 1, 8) * (1 + 2j)
    expected = np.arange(0.5, 8, 2) * (1 + 2j)
    assert np.allclose(tg.avg_pool1d(x, kernel_size=2)[0, 0], expected)
    large = np.full((1, 1, 8, 8), 6e4, np.float16)
    assert np.array_equal(tg.avg_pool2d(large, kernel_size=4), np.full((1, 1, 2, 2), 6e4, "f2"))


@pytest.mark.parametrize("kind", ["max_pool", "avg_pool", "lp_pool"])
def test_padding_by_name(kind):
    pool, more = getattr(tg, kind), {"norm_type": 2} if kind == "lp_pool" else {}
    for side in (4, 5, 7):
        for k, s in ((2, 1), (3, 2), (3, 3), (4, 3)):
            x = np.arange(1.0, side + 1).reshape(1, 1, side)
            options = {"kernel_size": k, "stride": s, **more}
            same = pool(x, padding="same", **options)
            total = max((-(-side // s) - 1) * s + k - side, 0)
            pads = ((total // 2, total - total // 2),)
            assert same.shape[2] == -(-side // s)
            assert np.array_equal(same, pool(x, padding=pads, **options))
            assert np.array_equal(pool(x, padding="valid", **options), pool(x, **options))
            full = pool(x, padding="full", **options)
            assert np.array_equal(full, pool(x, padding=((k - 1, k - 1),), **options))


def test_max_pooling_of_what_was_before():
    # more padding than half of the kernel, which PyTorch does not take
    x = np.array([[[3.0, 1.0, 2.0, 0.0, 5.0]]])
    y = tg.max_pool1d(x, kernel_size=3, stride=1, padding=((2, 0),))
    assert y.tolist() == [[[3.0, 3.0, 3.0, 2.0, 5.0]]]


@pytest.mark.parametrize("p", [1, 2, 3, 2.5])
def test_lp_pooling_of_zeros_has_the_gradient_zero(p):
    x = np.array([[[0.0, 0.0, 3.0, 4.0]]])
    g = tg.grad(lambda x: np.sum(tg.lp_pool(x, norm_type=p, kernel_size=2)))(x)
    size = (3.0**p + 4.0**p) ** (1 / p)
    expected = (np.array([3.0, 4.0]) / size) ** (p - 1)
    np.testing.assert_allclose(g[0, 0], [*((1, 1) if p == 1 else (0, 0)), *expected], rtol=1e-14)
    if p != 1:
        with tg.strict(), pytest.raises(tg.errors.SingularPointError):
            tg.grad(lambda x: np.sum(tg.lp_pool(x, norm_type=p, kernel_size=2)))(x)


@pytest.mark.parametrize("p", [2, 3])
def test_pooling_of_a_batch_of_arguments(p):
    x = np.random.default_rng(0).uniform(1, 2, (3, 1, 2, 5))
    indices = np.argsort(x, axis=0)[:, :, :, :4]
    for f in (
        lambda x: tg.lp_pool(x, norm_type=p, kernel_size=2),
        lambda x: tg.adaptive_max_pool(x, output_size=3),
        lambda x: tg.adaptive_avg_pool(x, output_size=7),
        lambda x: tg.max_pool(x, kernel_size=2, return_indices=True)[1],
    ):
        assert np.array_equal(tg.vmap(f)(x), np.stack([f(one) for one in x]))
    unpool = lambda x, i: tg.max_unpool(x, i, kernel_size=2, stride=1)  # noqa: E731
    each = np.stack([unpool(a[..., :4], i) for a, i in zip(x, indices, strict=True)])
    assert np.array_equal(tg.vmap(unpool)(x[..., :4], indices), each)


X = np.ones((1, 2, 4, 5))
MISTAKES = [
    (
        lambda: tg.max_pool2d(X, kernel_size=6),
        ShapeError,
        ["max_pool2d", "input_sides=(4, 5)", "kernel_size=(6, 6)", "must fit"],
    ),
    (
        lambda: tg.max_pool2d(X, kernel_size=2, dilation=4),
        ShapeError,
        ["dilation=(4, 4)", "must fit"],
    ),
    (
        lambda: tg.avg_pool2d(X, kernel_size=2, padding=2),
        ShapeError,
        ["avg_pool2d", "padding=((2, 2), (2, 2))", "and not only padding"],
    ),
    (
        lambda: tg.max_pool2d(X, kernel_size=2, padding=-1),
        ShapeError,
        ["padding=-1", "not negative"],
    ),
    (lambda: tg.max_pool2d(X, kernel_size=0), ShapeError, ["kernel_size=0", "at least 1"]),
    (
        lambda: tg.max_pool2d(X, kernel_size=(2, 2, 2)),
        ShapeError,
        ["kernel_size=(2, 2, 2)", "or 2 of them"],
    ),
    (lambda: tg.max_pool2d(X, kernel_size=2, stride=0), ShapeError, ["stride=0", "at least 1"]),
    (
        lambda: tg.max_pool2d(X, kernel_size=2, layout="NCW"),
        ShapeError,
        ["layout='NCW'", "'NCHW', 'NHWC'"],
    ),
    (lambda: tg.max_pool(X, kernel_size=2, layout="CHWN"), ShapeError, ["layout='CHWN'", "'N*C'"]),
    (
        lambda: tg.max_pool(X[0, 0], kernel_size=2),
        ShapeError,
        ["x_shape=(4, 5)", "np.expand_dims"],
    ),
    (
        lambda: tg.max_pool2d(X[0, 0], kernel_size=2),
        ShapeError,
        ["x_shape=(4, 5)", "layout='NCHW'"],
    ),
    (
        lambda: tg.max_pool2d(X * 1j, kernel_size=2),
        UnsupportedError,
        ["complex128", "have an order"],
    ),
    (lambda: tg.max_pool2d(X[..., :0], kernel_size=1), ShapeError, ["input_sides=(4, 0)"]),
    (
        lambda: tg.avg_pool2d(X, kernel_size=2, divisor_override=0),
        ShapeError,
        ["divisor_override=0"],
    ),
    (
        lambda: tg.lp_pool2d(X, norm_type=0, kernel_size=2),
        ShapeError,
        ["lp_pool2d", "norm_type=0", "positive"],
    ),
    (
        lambda: tg.lp_pool2d(X, norm_type=np.inf, kernel_size=2),
        ShapeError,
        ["norm_type=inf", "max_pool"],
    ),
    (lambda: tg.adaptive_avg_pool2d(X, output_size=0), ShapeError, ["output_size=0", "positive"]),
    (
        lambda: tg.adaptive_max_pool2d(X, output_size=(1, 2, 3)),
        ShapeError,
        ["output_size=(1, 2, 3)", "2 of them"],
    ),
    (lambda: tg.adaptive_max_pool2d(X[..., :0], output_size=1), ShapeError, ["input_sides=(4, 0)"]),
    (
        lambda: tg.global_avg_pool(X[..., :0]),
        ShapeError,
        ["global_avg_pool", "x_shape=(1, 2, 4, 0)"],
    ),
    (lambda: tg.max_unpool2d(X, X, kernel_size=2), ShapeError, ["indices_dtype='float64'"]),
    (
        lambda: tg.max_unpool2d(X, X[0].astype(int), kernel_size=2),
        ShapeError,
        ["indices_shape=(2, 4, 5)"],
    ),
    (
        lambda: tg.max_unpool2d(X, 80 * X.astype(int), kernel_size=2),
        IndexingError,
        ["greatest=80", "output_size=(8, 10)"],
    ),
    (lambda: tg.max_unpool2d(X, -X.astype(int), kernel_size=2), IndexingError, ["least=-1"]),
    (
        lambda: tg.max_unpool2d(X, X.astype(int), kernel_size=2, output_size=(8, 12)),
        ShapeError,
        ["output_size=(8, 12)", "less than the stride"],
    ),
]


@pytest.mark.parametrize(("call", "kind", "parts"), MISTAKES)
def test_mistakes_are_explained(call, kind, parts):
    with pytest.raises(kind) as caught:
        call()
    for part in parts:
        assert part in str(caught.value)
    assert "np.int64" not in str(caught.value)
