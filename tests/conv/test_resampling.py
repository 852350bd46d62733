"""Images of another size, against PyTorch and against what undoes them."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tensorgrad as tg
from tensorgrad.errors import ShapeError

FACTORS = [0.3, 0.5, 0.6, 1, 1.25, 1.5, 1.7, 2, 2.5, 3]
LAYOUTS = [("NCW", "NWC"), ("NCHW", "NHWC"), ("NCDHW", "NDHWC")]


@pytest.fixture(scope="module", name="torch")
def torch_with_one_thread():
    torch = pytest.importorskip("torch", reason="the bench extra is not installed")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several wait for each other longer than they compute
    yield torch
    torch.set_num_threads(threads)


@given(st.data())
def test_interpolation_is_that_of_torch(torch, data):
    n = data.draw(st.integers(1, 3))
    sides = tuple(data.draw(st.integers(1, 6)) for _ in range(n))
    linear = ("linear", "bilinear", "trilinear")[n - 1]
    mode = data.draw(st.sampled_from(["nearest", linear]))
    options = {"mode": mode}
    if mode != "nearest":
        options["align_corners"] = data.draw(st.booleans())
    if data.draw(st.booleans()):
        options["size"] = tuple(data.draw(st.integers(1, 9)) for _ in range(n))
    else:
        options["scale_factor"] = tuple(
            data.draw(st.sampled_from([f for f in FACTORS if int(i * f) >= 1])) for i in sides
        )
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    x = rng.normal(size=(2, 3, *sides))
    leaf = torch.tensor(x, requires_grad=True)
    y = torch.nn.functional.interpolate(leaf, **options)
    value, pullback = tg.vjp(lambda x: tg.interpolate(x, **options), x)
    assert value.shape == tuple(y.shape)
    # a side that a factor does not change stays as it is: with the mode "nearest" PyTorch has that
    # for two axes, and in its gradients for one and three, but not in their values
    if n == 2 or mode != "nearest" or not any(map(int.__eq__, sides, value.shape[2:])):
        np.testing.assert_allclose(value, y.detach().numpy(), rtol=1e-11, atol=1e-11)
    g = rng.normal(size=value.shape)
    (expected,) = torch.autograd.grad(y, leaf, torch.tensor(g))
    np.testing.assert_allclose(pullback(g)[0], expected.numpy(), rtol=1e-11, atol=1e-11)
    if mode != "nearest":  # by the name for any number of axes
        assert np.array_equal(tg.interpolate(x, **{**options, "mode": "linear"}), value)
    for layout in LAYOUTS[n - 1]:
        images = x if layout.startswith("NC") else np.moveaxis(x, 1, -1)
        for one, result in zip(images, value, strict=True):
            found = tg.interpolate(one, layout=layout, **options)
            found = found if layout.startswith("NC") else np.moveaxis(found, -1, 0)
            np.testing.assert_allclose(found, result, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("entries", [1, 2, 3, 7, 30])
def test_nearest_entries_are_counted_exactly(entries):
    x = np.arange(entries)
    for new in range(1, 120):
        found = tg.interpolate(x[None, None], size=new)[0, 0]
        assert found.tolist() == [j * entries // new for j in range(new)]
    for factor in (1.1, 1.3, 2.3):  # of which multiples by whole numbers are not exact
        found = tg.interpolate(x[None, None], scale_factor=factor)[0, 0]
        if found.size == entries:
            continue
        places = np.floor(np.arange(int(entries * factor)) * 10 / round(10 * factor))
        assert np.array_equal(found, np.minimum(places, entries - 1))


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_a_side_that_stays_the_same_is_not_changed(mode):
    x = np.arange(4.0).reshape(1, 1, 2, 2)
    y = tg.interpolate(x, scale_factor=(1.25, 2), mode=mode)
    assert np.array_equal(y, tg.interpolate(x, size=(2, 4), mode=mode))


def test_interpolation_is_exact_on_straight_lines_and_local():
    x = np.arange(5.0)[None, None]
    y = tg.interpolate(x, size=9, mode="linear", align_corners=True)
    assert y.tolist() == [[[j / 2 for j in range(9)]]]
    x[0, 0, 2] = np.inf
    with np.errstate(invalid="ignore"):  # 0 * inf
        y = tg.interpolate(x, scale_factor=2, mode="linear")[0, 0]
    assert np.isfinite(y).tolist() == [True] * 3 + [False] * 4 + [True] * 3


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "c8", "i4", "?"])
def test_dtypes(dtype):
    x = (np.arange(6).reshape(1, 1, 6) % 4).astype(dtype)
    nearest = tg.interpolate(x, scale_factor=2)
    assert nearest.dtype == x.dtype
    assert np.array_equal(nearest, np.repeat(x, 2, axis=-1))
    linear = tg.interpolate(x, scale_factor=2, mode="linear")
    assert linear.dtype == (x.dtype if x.dtype.kind in "fc" else float)
    expected = tg.interpolate(x.astype("c16"), scale_factor=2, mode="linear")
    np.testing.assert_allclose(linear, expected, rtol=1e-6)


@given(st.data())
def test_pixels_are_shuffled_as_torch_does(torch, data):
    r, c, h, w = (data.draw(st.integers(1, 3)) for _ in range(4))
    n = data.draw(st.integers(0, 2))
    x = np.arange(n * c * r * r * h * w).reshape(n, c * r * r, h, w).astype(float)
    y = tg.pixel_shuffle(x, upscale_factor=r)
    expected = torch.nn.functional.pixel_shuffle(torch.tensor(x), r)
    assert np.array_equal(y, expected.numpy())
    assert np.array_equal(tg.pixel_unshuffle(y, downscale_factor=r), x)
    last = tg.pixel_shuffle(np.moveaxis(x, 1, -1), upscale_factor=r, layout="NHWC")
    assert np.array_equal(last, np.moveaxis(y, 1, -1))
    back = tg.pixel_unshuffle(last, downscale_factor=r, layout="NHWC")
    assert np.array_equal(back, np.moveaxis(x, 1, -1))
    for image, result in zip(x, y, strict=True):
        assert np.array_equal(tg.pixel_shuffle(image, upscale_factor=r), result)
    _, pullback = tg.vjp(lambda x: tg.pixel_shuffle(x, upscale_factor=r), x)
    assert np.array_equal(pullback(y)[0], x)


X = np.ones((1, 3, 4, 6))
MISTAKES = [
    (lambda: tg.interpolate(X), ["size=None, scale_factor=None", "Either"]),
    (lambda: tg.interpolate(X, size=2, scale_factor=2), ["size=2, scale_factor=2", "one of them"]),
    (lambda: tg.interpolate(X, size=(2, 0)), ["size=(2, 0)", "at least 1"]),
    (lambda: tg.interpolate(X, size=2.5), ["size=2.5", "integer"]),
    (lambda: tg.interpolate(X, scale_factor=-1), ["scale_factor=-1", "positive"]),
    (
        lambda: tg.interpolate(X, scale_factor=(2, 2, 2), layout="NCHW"),
        ["layout='NCHW'", "'NCDHW'"],
    ),
    (lambda: tg.interpolate(X, scale_factor="2"), ["scale_factor='2'", "positive"]),
    (lambda: tg.interpolate(X, scale_factor=0.2), ["new_sides=(0, 1)", "greater factor"]),
    (lambda: tg.interpolate(X, size=2, mode="cubic"), ["mode='cubic'", "'bilinear'"]),
    (lambda: tg.interpolate(X, size=2, mode="trilinear"), ["mode='trilinear'", "spatial_axes=2"]),
    (lambda: tg.interpolate(X, size=2, align_corners=True), ["align_corners=True", "nearest"]),
    (lambda: tg.interpolate(X[..., :0], size=2), ["input_sides=(4, 0)", "Pad"]),
    (lambda: tg.interpolate(X, size=2, layout="HW"), ["layout='HW'", "NCHW"]),
    (lambda: tg.interpolate(X[0, 0], size=2), ["x_shape=(4, 6)", "np.expand_dims"]),
    (lambda: tg.pixel_shuffle(X, upscale_factor=2), ["channels=3", "upscale_factor=2", "divide"]),
    (lambda: tg.pixel_shuffle(X, upscale_factor=0), ["upscale_factor=0", "positive"]),
    (lambda: tg.pixel_unshuffle(X, downscale_factor=4), ["sides=(4, 6)", "downscale_factor=4"]),
    (lambda: tg.pixel_unshuffle(X[0, 0], downscale_factor=2), ["x_shape=(4, 6)", "layout='NCHW'"]),
]


@pytest.mark.parametrize(("call", "parts"), MISTAKES)
def test_mistakes_are_explained(call, parts):
    with pytest.raises(ShapeError) as caught:
        call()
    for part in parts:
        assert part in str(caught.value)
