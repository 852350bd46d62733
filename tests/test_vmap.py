"""vmap is the loop over examples: axes, containers, nesting, derivatives, and what it refuses."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tensorgrad as tg
from tensorgrad import extend
from tensorgrad.errors import GraphError, ShapeError, SingularPointError, UnsupportedError
from tensorgrad.testing.mutants import unlisted
from tensorgrad.transforms.batching.one_by_one import one_by_one

rng = np.random.default_rng(0)


def assert_close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


@given(st.data())
def test_the_examples_may_lie_along_any_axis(data):
    shape = (2, 3, 4)
    x, y = rng.normal(size=shape), rng.normal(size=4)
    i = data.draw(st.integers(-3, 2))
    o = data.draw(st.integers(-3, 2))
    examples = np.moveaxis(x, i, 0)

    def f(x, y):
        return np.sin(x) * np.sum(y), np.sum(x)

    found, total = tg.vmap(f, in_axes=(i, None), out_axes=(o, 0))(x, y)
    assert_close(found, np.stack([f(e, y)[0] for e in examples], o))
    assert_close(total, [f(e, y)[1] for e in examples])


def test_axes_of_containers():
    tree = {"a": rng.normal(size=(3, 2)), "b": [rng.normal(size=(2, 3)), rng.normal(size=4)]}

    def f(tree, scale, *, bias):
        a, (b, c) = tree["a"], tree["b"]
        return {"y": (a * b).sum() * scale + bias, "c": c}

    axes = ({"a": 0, "b": [1, None]}, None)
    found = tg.vmap(f, in_axes=axes, out_axes={"y": 0, "c": None})(tree, 2.0, bias=np.arange(3.0))
    a, (b, c) = tree["a"], tree["b"]
    assert_close(found["y"], 2 * np.sum(a * b.T, axis=1) + np.arange(3))
    assert_close(found["c"], c)
    assert isinstance(found["y"], np.ndarray)


def test_a_constant_result_is_repeated():
    assert_close(tg.vmap(lambda x: 7.0)(np.ones(3)), [7, 7, 7])
    assert_close(tg.vmap(lambda: np.arange(2.0), axis_size=3)(), np.tile(np.arange(2.0), (3, 1)))


def test_dtypes_stay():
    x = rng.normal(size=(3, 2)).astype(np.float32)
    assert tg.vmap(lambda x: np.exp(x) * 2)(x).dtype == np.float32
    assert tg.vmap(tg.grad(lambda x: np.sum(np.exp(x) * 2)))(x).dtype == np.float32
    assert tg.vmap(lambda x: x > 0)(x).dtype == bool


def test_vmap_in_vmap():
    x, y = rng.normal(size=(3, 2)), rng.normal(size=(4, 2))
    outer = tg.vmap(tg.vmap(np.dot, in_axes=(None, 0)), in_axes=(0, None))
    assert_close(outer(x, y), x @ y.T)

    # the inner one goes on inside a gradient of the outer one's example
    def f(x):
        return np.sum(tg.vmap(lambda r: np.sum(np.sin(r * x)))(y))

    expected = [sum(r * np.cos(r * e) for r in y) for e in x]
    assert_close(tg.vmap(tg.grad(f))(x), expected)


def loss(w, x):
    hidden = np.tanh(w["a"] @ x)
    return np.sum((w["b"] @ hidden) ** 2) + np.max(hidden)


def network():
    w = {"a": rng.normal(size=(4, 3)), "b": rng.normal(size=(2, 4))}
    return w, rng.normal(size=(5, 3))


def test_gradients_of_every_example():
    w, xs = network()
    found = tg.vmap(tg.grad(loss), in_axes=(None, 0))(w, xs)
    loop = [tg.grad(loss)(w, x) for x in xs]
    for name in w:
        assert_close(found[name], np.stack([g[name] for g in loop]))


def test_derivatives_of_any_order_through_vmap():
    w, xs = network()

    def batch(w):  # depends on w inside and outside of the inner gradient
        norms = tg.vmap(lambda x: sum(np.sum(g**2) for g in tg.grad(loss)(w, x).values()))(xs)
        return np.sum(norms * np.sum(w["b"]))

    def loop(w):
        norms = [sum(np.sum(g**2) for g in tg.grad(loss)(w, x).values()) for x in xs]
        return sum(n * np.sum(w["b"]) for n in norms)

    def second(f):
        return lambda w: sum(np.sum(np.sin(g)) for g in tg.grad(f)(w).values())

    for name in w:
        assert_close(tg.grad(batch)(w)[name], tg.grad(loop)(w)[name])
        assert_close(tg.grad(second(batch))(w)[name], tg.grad(second(loop))(w)[name])
    t = {name: np.cos(value) for name, value in w.items()}
    assert_close(
        tg.jvp(tg.grad(batch), (w,), (t,))[1]["a"], tg.jvp(tg.grad(loop), (w,), (t,))[1]["a"]
    )


def test_a_linear_function_made_before_is_differentiated_by_its_direction():
    w, xs = rng.normal(size=3), rng.normal(size=(5, 3))
    _, push = tg.linearize(lambda w: tg.vmap(lambda x: np.sin(x @ w))(xs), w)
    expected = np.cos(xs @ w)[:, None] * xs
    assert_close(
        tg.grad(lambda t: np.sum(push(t) ** 2))(np.ones(3)), 2 * expected.T @ expected @ np.ones(3)
    )


def test_leaves_inside_and_outside():
    w = tg.tensor(rng.normal(size=3), requires_grad=True)
    x = tg.tensor(rng.normal(size=(5, 3)), requires_grad=True)
    tg.vmap(lambda x: np.sum(w**2 * x))(x).sum().backward()
    assert_close(w.grad.numpy(), 2 * w.numpy() * x.numpy().sum(0))
    assert_close(x.grad.numpy(), np.tile(w.numpy() ** 2, (5, 1)))
    with pytest.raises(GraphError, match="leaf holds one gradient"):
        tg.vmap(lambda x: np.sum(w * x).backward())(x)


def test_what_is_the_same_for_all_examples_has_its_own_derivative_in_each():
    # also where the examples are gone through one by one
    def f(c, x):
        return np.sum(np.interp(x, [0.0, 1.0, 2.0], c))

    c, xs = np.array([1.0, 2.0, 4.0]), rng.uniform(0, 2, size=(3, 4))
    assert_close(tg.vmap(tg.grad(f), (None, 0))(c, xs), [tg.grad(f)(c, x) for x in xs])


def product(a, b):
    return np.sin(a) * np.sum(b) + np.sum(a) * b


def product_by_vjp():
    f = tg.custom_vjp(product)
    f.defvjp(
        lambda a, b: (product(a, b), (a, b)),
        lambda ab, g: tuple(np.conj(d) * one(ab[1]) for d in pulled(np.conj(g), *ab)),
    )
    return f


def one(b):
    # by the derivative of another call, by what is the same for all examples
    size = np.abs(b)
    return tg.grad(lambda c: np.sum(c * size))(np.ones(b.shape)) / size


def pulled(g, a, b):
    return g * np.cos(a) * np.sum(b) + np.sum(g * b), np.sum(g * np.sin(a)) + g * np.sum(a)


def product_by_jvp():
    f = tg.custom_jvp(product)
    f.defjvp(lambda xs, ts: (product(*xs), sum(pushed(*xs, *ts))))
    return f


def pushed(a, b, s, t):
    yield s * np.cos(a) * np.sum(b) + np.sum(s) * b
    yield np.sin(a) * np.sum(t) + np.sum(a) * t


def primitive(**rule):
    return lambda: extend.primitive(**rule)(lambda a, b, /: product(a, b))


def checkpointed():
    return tg.checkpoint(lambda a, b: product(a, b) * one(b))


@pytest.mark.parametrize(
    "make",
    [
        *(product_by_vjp, product_by_jvp, checkpointed, lambda: tg.checkpoint(product_by_vjp())),
        primitive(
            vjp=(lambda g, a, b: pulled(g, a, b)[0], lambda g, a, b: pulled(g, a, b)[1]), name="p"
        ),
        primitive(
            jvp=(
                lambda t, a, b: next(pushed(a, b, t, t)),
                lambda t, a, b: list(pushed(a, b, t, t))[1],
            ),
            name="q",
        ),
    ],
    ids=["custom_vjp", "custom_jvp", "checkpoint", "both", "primitive by vjp", "by jvp"],
)
@pytest.mark.parametrize(
    "derive",
    [
        lambda f, w, xs: tg.vmap(tg.grad(lambda w, x: np.sum(f(x, w) ** 2), (0, 1)), (None, 0))(
            w, xs
        ),
        lambda f, w, xs: tg.grad(lambda w: np.sum(tg.vmap(lambda x: f(x, w) ** 2)(xs)))(w),
        lambda f, w, xs: tg.grad(lambda x: np.sum(tg.vmap(lambda x: f(w, x) ** 2)(x)))(xs),
        lambda f, w, xs: tg.jvp(lambda w: tg.vmap(lambda x: f(w, x))(xs), (w,), (w + 1,))[1],
        lambda f, w, xs: tg.vmap(tg.hessian(lambda x: np.sum(f(x, w) ** 2)))(xs),
        lambda f, w, xs: tg.hessian(lambda w: np.sum(tg.vmap(lambda x: f(x, w) ** 2)(xs)))(w),
        lambda f, w, xs: tg.hessian(lambda x: np.sum(tg.vmap(lambda x: f(x, w) ** 2)(x)))(xs),
        lambda f, w, xs: tg.jacrev(lambda w: f(xs[0], w))(w),
        lambda f, w, xs: tg.grad(
            lambda w: np.sum(tg.vmap(tg.grad(lambda x: np.sum(f(x, w) ** 2)))(xs) ** 2)
        )(w),
        lambda f, w, xs: tg.vmap(lambda x: tg.vmap(lambda y: f(x * y, w))(xs))(xs),
        lambda f, w, xs: tg.grad(
            lambda w: np.sum(np.abs(tg.vmap(lambda x: f(x, w))(xs * (1 + 2j))) ** 2)
        )(w - 1j),
    ],
)
def test_functions_with_rules_of_their_own(make, derive):
    w, xs = rng.normal(size=2), rng.normal(size=(3, 2))
    with unlisted():
        found = derive(make(), w, xs)
    expected = derive(product, w, xs)
    pairs = zip(found, expected, strict=True) if isinstance(found, tuple) else [(found, expected)]
    for y, z in pairs:
        assert_close(y, z)


def test_a_pullback_is_of_no_use_outside():
    pullbacks = []

    def f(x):
        pullbacks.append(tg.vjp(lambda w: np.sum(w * x), np.ones(2))[1])
        return x

    tg.vmap(f)(rng.normal(size=(3, 2)))
    with pytest.raises(GraphError, match="in the function that vmap is given"):
        pullbacks[0](1.0)


@given(st.data())
def test_reading_and_writing_at_places_that_differ(data):
    x = rng.normal(size=(3, 4, 5))
    i = np.array(data.draw(st.lists(st.integers(-3, 2), min_size=4, max_size=4)))
    j = rng.integers(-4, 4, size=(4, 2))
    index = data.draw(
        st.sampled_from(
            [
                lambda i, j: i,
                lambda i, j: (i, slice(None), 0),
                lambda i, j: (slice(None), j),
                lambda i, j: (i, j),
                lambda i, j: (i, ..., [0, 1]),
                lambda i, j: (slice(1, None), j, None),
            ]
        )
    )
    shared = data.draw(st.booleans())
    xs = x if shared else np.stack([x, x + 1, x * 2, -x])
    axes = (None if shared else 0, 0, 0)

    def read(x, i, j):
        return np.sin(x[index(i, j)])

    def write(x, i, j):
        y = x.copy()
        y[index(i, j)] = 2 * x[index(i, j)]
        return y * y

    def examples():
        return [(x if shared else xs[n], i[n], j[n]) for n in range(4)]

    for f in (read, write):

        def total(x, i, j, f=f):
            return np.sum(f(x, i, j) ** 2)

        tensors = [(tg.tensor(x), i, j) for x, i, j in examples()]
        assert_close(tg.vmap(f, axes)(xs, i, j), np.stack([f(*e).numpy() for e in tensors]))
        loop = np.stack([tg.grad(total)(*e) for e in examples()])
        assert_close(tg.vmap(tg.grad(total), axes)(xs, i, j), loop)


def test_writing_where_a_mask_holds():
    def f(x):
        y = x.copy()
        y[x < 0] = 0.0
        return np.sum(y**2)

    x = rng.normal(size=(3, 4))
    assert_close(tg.vmap(tg.grad(f))(x), 2 * np.maximum(x, 0))


@pytest.mark.parametrize("batched", ["x", "w", "both"])
def test_convolution(batched):
    x, w = rng.normal(size=(3, 2, 4, 6, 5)), rng.normal(size=(3, 6, 2, 3, 2))
    axes = (0 if batched != "w" else None, 0 if batched != "x" else None)
    args = tuple(a if axis == 0 else a[0] for a, axis in zip((x, w), axes, strict=True))

    def f(x, w):
        return np.sum(np.sin(tg.conv2d(x, w, stride=2, padding=1, groups=2)))

    found = tg.vmap(tg.grad(f, (0, 1)), axes)(*args)
    loop = [
        tg.grad(f, (0, 1))(*(a[n] if axis == 0 else a for a, axis in zip(args, axes, strict=True)))
        for n in range(3)
    ]
    for k in range(2):
        assert_close(found[k], np.stack([g[k] for g in loop]))


@pytest.mark.parametrize(
    ("f", "says"),
    [
        (lambda x: x if np.sum(x) > 0 else -x, "np.where"),
        (lambda x: float(np.sum(x)), "float"),
        (lambda x: x.sum().item(), "item"),
        (lambda x: x.numpy(), "numpy"),
        (lambda x: x.tolist(), "tolist"),
        (lambda x: np.ones(int(x[0])), "int"),
        (lambda x: x[x > 0], "mask"),
        (lambda x: np.nonzero(x)[0], "nonzero"),
        (lambda x: np.unique(x), "unique"),
        (lambda x: "text", "arrays"),
    ],
)
def test_values_of_single_examples_are_refused(f, says):
    with pytest.raises(UnsupportedError, match=says):
        tg.vmap(f)(np.ones((3, 2)))


@pytest.mark.parametrize(
    ("in_axes", "out_axes", "args", "says"),
    [
        (0, 0, (np.ones(3), np.ones(2)), "number of examples"),
        ((None, None), 0, (np.ones(3), np.ones(3)), "axis_size"),
        ((1, 0), 0, (np.ones(3), np.ones(3)), "in_axes"),
        ((0,), 0, (np.ones(3), np.ones(3)), "in_axes"),
        (0, None, (np.ones(3), np.ones(3)), "out_axes"),
        (0, 1, (np.ones(3), np.ones(3)), "out_axes"),
    ],
)
def test_axes_that_do_not_fit_are_refused(in_axes, out_axes, args, says):
    with pytest.raises(ShapeError, match=says):
        tg.vmap(lambda x, y: x + y, in_axes, out_axes)(*args)


def test_a_branch_that_is_not_taken_spoils_nothing():
    x = np.array([[1.0, 0.0], [2.0, -1.0]])
    with np.errstate(all="ignore"):
        found = tg.vmap(tg.grad(lambda x: np.sum(np.where(x > 0, np.log(x), 0))))(x)
    assert_close(found, [[1, 0], [0.5, 0]])


def test_strict_mode_knows_every_example():
    ranked = tg.vmap(tg.grad(lambda x: np.sum(np.sort(x) * np.array([1.0, 2.0]))))
    with tg.strict():
        assert_close(ranked(np.array([[1.0, 2.0], [4.0, 3.0]])), [[1, 2], [2, 1]])
        with pytest.raises(SingularPointError, match="entries=2"):
            ranked(np.array([[1.0, 2.0], [3.0, 3.0]]))


def test_a_callback_that_closes_over_a_variable_is_refused_not_summed():
    def f(v, x):
        return np.sum(one_by_one(lambda x: v * x, (x,), {}))

    with pytest.raises(UnsupportedError, match="closes over"):
        tg.vmap(tg.grad(f), (None, 0))(2.0, rng.normal(size=(3, 4)))
    # by what is outside of vmap, the derivative is the sum
    xs = rng.normal(size=(3, 4))
    total = tg.grad(lambda v: np.sum(tg.vmap(lambda x: f(v, x))(xs)))(2.0)
    assert_close(total, np.sum(xs))


def test_windows_of_no_examples():
    # all at once: what goes through the examples one by one refuses where there is none
    def windows(x):
        return np.lib.stride_tricks.sliding_window_view(x, 2, axis=-1)

    assert tg.vmap(windows)(np.ones((0, 3, 4))).shape == (0, 3, 3, 2)
    assert tg.vmap(tg.grad(lambda x: np.sum(windows(x) ** 2)))(np.ones((0, 3, 4))).shape == (
        0,
        3,
        4,
    )
