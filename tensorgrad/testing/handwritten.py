"""Errors as people make them, in rules and in the engine, for `tensorgrad.testing.mutants`.

Each stands where such an error would: in a rule of the registry, in the engine, or, where there is
no such operation, in one that is declared here and taken out of the registry again.
"""

import math
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from tensorgrad.conv.geometry import Geometry
from tensorgrad.conv.primitive import conv, geometry_by_input, geometry_by_kernel, transposed_kernel
from tensorgrad.engine import backward, primitive
from tensorgrad.engine.declare import bilinear, elementwise, general, linear
from tensorgrad.engine.node import Node
from tensorgrad.engine.primitive import REGISTRY, Case, Primitive
from tensorgrad.engine.space import fit_cotangent, sum_to
from tensorgrad.engine.tensor import Tensor
from tensorgrad.ops import indexing
from tensorgrad.ops.indexing import scatter
from tensorgrad.ops.reductions import _shares, _var
from tensorgrad.testing.mutants import (
    MUTATIONS,
    Mutant,
    Plant,
    edited,
    mutated,
    replaced,
    rewritten,
    unlisted,
)
from tensorgrad.typing import NONZERO, Array, Draw, Shape

# ---- operations to plant errors in, where the registry has none ---------------------------------


def _softmax(x: Array, /, *, axis: int) -> Array:
    e = np.exp(x - np.max(np.real(x), axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def _softmax_rule(g: Array, ans: Array, axis: int) -> Array:
    # the Jacobian diag(ans) - ans ans^T is symmetric: this serves both modes
    return ans * (g - np.sum(g * ans, axis=axis, keepdims=True))


def _draw_softmax(draw: Draw) -> Case:
    x = draw.array(draw.shape(min_ndim=1, min_side=1))
    return (x,), {"axis": draw.integer(-x.ndim, x.ndim - 1)}


def _gelu(x: Array, /) -> Array:
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def _gelu_rule(c: float = 0.044715, k: float = math.sqrt(2 / math.pi)) -> Callable[..., Array]:
    def rule(g: Array, x: Array) -> Array:
        th = np.tanh(k * (x + c * x**3))
        return g * (0.5 * (1 + th) + 0.5 * x * (1 - th * th) * k * (1 + 3 * c * x * x))

    return rule


def _leaky_relu(x: Array, /) -> Array:
    return np.where(np.signbit(x), 0.01 * x, x)


def _faint(x: Array, /) -> Array:
    return 1e-8 * np.sin(x)


def _dense(x: Array, w: Array, /) -> Array:
    return x @ w


def _add_bias(y: Array, b: Array, /) -> Array:
    return y + b[:, None, None]  # (n, o, h, w) + (o,)


def _draw_bias(draw: Draw) -> Case:
    shape = draw.shape(min_ndim=4, max_ndim=4)
    return (draw.array(shape), draw.array(shape[1:2])), {}


with unlisted():
    softmax = general(_softmax, _softmax_rule, _softmax_rule, samples=_draw_softmax, name="softmax")
    gelu = elementwise(_gelu, _gelu_rule(), name="gelu")
    leaky_relu = elementwise(
        _leaky_relu,
        lambda g, x: g * np.where(np.signbit(x), 0.01, 1.0),
        domain=NONZERO,
        name="leaky_relu",
    )
    faint = elementwise(_faint, lambda g, x: 1e-8 * g * np.cos(x), name="1e-8 sin")
    dense = bilinear(
        _dense,
        lambda g, w: g @ np.swapaxes(w, 0, 1),
        lambda g, x: np.swapaxes(x, 0, 1) @ g,
        samples=lambda draw: ((draw.array((draw.integer(1, 3), 64)), draw.array((64, 64))), {}),
        name="dense",
    )
    add_bias = linear(
        _add_bias,
        lambda g: g,
        lambda g: np.sum(g, axis=(0, 2, 3)),
        samples=_draw_bias,
        name="bias",
    )

# ---- errors that people make --------------------------------------------------------------------


def _breadth_first(outputs: Iterable[Node], since: int = 0) -> list[Node]:
    """Return ancestors in an order in which a node may come before one that depends on it."""
    found = dict.fromkeys(node for node in outputs if node.index >= since)
    queue = list(found)
    for node in queue:
        for parent in node.parents:
            if parent is not None and parent.index >= since and parent not in found:
                found[parent] = None
                queue.append(parent)
    return queue[::-1]


def _swapped_unless_square(x: Array) -> Array:
    return x if x.shape[-1] == x.shape[-2] else np.swapaxes(x, -1, -2)


def _one_entry_more(g: Array, x: Array) -> Array:
    factor: Array = np.ones((64, 64))
    factor[17, 42] = 1.1
    return np.swapaxes(x, 0, 1) @ g * factor


def _named(name: str) -> Primitive:
    operation = REGISTRY[name]
    assert isinstance(operation, Primitive)
    return operation


_matmul, _sum, _max, _divide, _multiply = map(
    _named, ("matmul", "sum", "max", "divide", "multiply")
)
_by_x, _by_w = (rule.formula for rule in conv.rules["vjp"] if rule is not None)
_BOTH = "vjp jvp"


def _exchanged(name: str) -> Plant:
    """Give the rule of conv by x a parameter with its axes in the wrong order."""

    def formula(g: Array, w: Array, x_shape: Shape, geometry: Geometry, algorithm: str) -> Array:
        exchanged = geometry._replace(**{name: getattr(geometry, name)[::-1]})
        return _by_x(g, w, x_shape, exchanged, algorithm)

    return rewritten(conv, formula)


HANDWRITTEN = (
    # ---- convolution ----
    Mutant(
        "conv by x: the kernel is not mirrored",
        "always",
        rewritten(
            conv,
            lambda g, w, x_shape, **params: _by_x(
                g, np.flip(w, tuple(range(2, w.ndim))), x_shape, **params
            ),
        ),
        conv,
    ),
    Mutant(
        "conv by x: channels are not exchanged where that goes unnoticed",
        "as many channels come in as go out",
        partial(
            edited,
            transposed_kernel,
            "_swapped(w)\n",
            "_swapped(w) if w.shape[0] != w.shape[1] else w\n",
        ),
        conv,
    ),
    Mutant(
        "conv by x: the remainder of the stride goes to the low side",
        "(i + 2 p - d (k - 1) - 1) % s != 0",
        partial(
            edited,
            geometry_by_input,
            "p[0], dilated(k, d) - 1 - p[1] + remainder(i, k, o, s, p, a, d))",
            "p[0] + remainder(i, k, o, s, p, a, d), dilated(k, d) - 1 - p[1])",
        ),
        conv,
    ),
    Mutant(
        "conv by w: dilated by the dilation in place of the stride",
        "s != d",
        partial(
            edited,
            geometry_by_kernel,
            "pads, input_dilation, stride, groups)",
            "pads, input_dilation, dilation, groups)",
        ),
        conv,
    ),
    Mutant(
        "conv by x: dilations of the axes exchanged",
        "they differ",
        _exchanged("dilation"),
        conv,
    ),
    Mutant(
        "conv by x: cropped one entry too far",
        "there is padding",
        rewritten(
            conv,
            lambda g, w, x_shape, geometry, algorithm: _by_x(
                g,
                w,
                x_shape,
                geometry._replace(
                    padding=tuple((a + 1, b - 1) if a > 0 else (a, b) for a, b in geometry.padding)
                ),
                algorithm,
            ),
        ),
        conv,
    ),
    Mutant(
        "conv by x: paddings of the axes exchanged",
        "they differ",
        _exchanged("padding"),
        conv,
    ),
    Mutant(
        "conv by x: strides of the axes exchanged",
        "they differ",
        _exchanged("stride"),
        conv,
    ),
    Mutant(
        "conv by x: the weights of the first group serve all",
        "there are groups",
        rewritten(
            conv,
            lambda g, w, x_shape, geometry, algorithm: _by_x(
                g,
                np.concatenate([w[: w.shape[0] // geometry.groups]] * geometry.groups),
                x_shape,
                geometry,
                algorithm,
            ),
        ),
        conv,
    ),
    Mutant(
        "conv by w: of the last image only",
        "more than one image",
        rewritten(
            conv, lambda g, x, w_shape, **params: _by_w(g[-1:], x[-1:], w_shape, **params), 1
        ),
        conv,
    ),
    Mutant(
        "conv by w: averaged over images",
        "more than one image",
        rewritten(
            conv,
            lambda g, x, w_shape, **params: _by_w(g, x, w_shape, **params) / max(g.shape[0], 1),
            1,
        ),
        conv,
    ),
    Mutant(
        "bias: averaged over places, not summed",
        "more than one place",
        rewritten(add_bias, lambda g: np.mean(g, axis=(0, 2, 3)), 1),
        add_bias,
    ),
    Mutant(
        "conv by x: the cotangent is taken to be contiguous",
        "it is not",
        partial(mutated, conv, MUTATIONS["ignoring strides"]),
        conv,
    ),
    # ---- other rules ----
    Mutant(
        "broadcasting: sides of length 1 not summed over",
        "a side of length 1 was broadcast",
        partial(
            edited,
            sum_to,
            "axis=(*range(lead), *stretched))",
            "axis=tuple(range(lead)))[tuple(map(slice, shape))]",
        ),
        _multiply,
    ),
    Mutant(
        "broadcasting: averaged, not summed",
        "an argument was broadcast",
        partial(edited, sum_to, "np.sum(", "np.mean("),
        _multiply,
    ),
    Mutant(
        "multiply by x: overwrites its cotangent",
        "the cotangent is used again",
        partial(mutated, _multiply, MUTATIONS["overwriting what it is given"]),
        _multiply,
    ),
    Mutant(
        "divide by y: without the square",
        "always",
        rewritten(_divide, lambda g, ans: -g * ans, 1, _BOTH),
        _divide,
    ),
    Mutant(
        "divide by y: sign",
        "always",
        rewritten(_divide, lambda g, ans, y: g * ans / y, 1, _BOTH),
        _divide,
    ),
    Mutant(
        "take: entries read twice get one share",
        "an index repeats",
        partial(edited, scatter.fun, "np.add.at(total, index, x)", "total[index] = x"),
        REGISTRY["numpy.take"],
    ),
    Mutant(
        "softmax: always along the last axis",
        "along another",
        rewritten(softmax, lambda g, ans: _softmax_rule(g, ans, -1), 0, _BOTH),
        softmax,
    ),
    Mutant(
        "softmax: without the sum",
        "always",
        rewritten(softmax, lambda g, ans: g * ans, 0, _BOTH),
        softmax,
    ),
    Mutant(
        "max: entries that tie get all of it each",
        "entries tie",
        partial(edited, _shares, "np.sum(attained, axis=axis, keepdims=True)", "1.0"),
        _max,
    ),
    Mutant(
        "max: to another entry",
        "more than one entry",
        partial(edited, _shares, "return attained /", "return np.roll(attained, 1) /"),
        _max,
    ),
    Mutant("gelu: 0.0447", "always", rewritten(gelu, _gelu_rule(0.0447), 0, _BOTH), gelu),
    Mutant("gelu: 0.04471", "always", rewritten(gelu, _gelu_rule(0.04471), 0, _BOTH), gelu),
    Mutant("gelu: 0.7979", "always", rewritten(gelu, _gelu_rule(k=0.7979), 0, _BOTH), gelu),
    Mutant(
        "matmul by x: y is not transposed where that goes unnoticed",
        "y is square",
        rewritten(_matmul, lambda g, y: g @ _swapped_unless_square(y)),
        _matmul,
    ),
    Mutant(
        "sum: repeated along the wrong axis where that goes unnoticed",
        "the array is square",
        partial(mutated, _sum, MUTATIONS["transposed where square"]),
        _sum,
    ),
    Mutant(
        "a gradient of 1e-8, doubled",
        "always",
        rewritten(faint, lambda g, x: 2e-8 * g * np.cos(x), 0, _BOTH),
        faint,
    ),
    Mutant("one entry of 4,096", "always", rewritten(dense, _one_entry_more, 1), dense),
    Mutant(
        "leaky relu: slope 0.1",
        "for negative entries",
        rewritten(leaky_relu, lambda g, x: g * np.where(np.signbit(x), 0.1, 1.0), 0, _BOTH),
        leaky_relu,
    ),
    Mutant(
        "a float64 gradient of float32",
        "other arguments are float64",
        partial(
            edited, fit_cotangent, "return g if g.dtype == dtype else cast(g, dtype)", "return g"
        ),
        _multiply,
    ),
    # ---- the engine ----
    Mutant(
        "cotangents overwritten, not added",
        "a value is used twice",
        partial(edited, backward.walk, "accumulate(parent, part)", "pending[parent] = part"),
    ),
    Mutant(
        "the walk in breadth-first order",
        "paths of different length",
        partial(replaced, backward, "ancestors", _breadth_first),
    ),
    Mutant(
        "cotangents added in place that somebody else holds",
        "a value is used beside another",
        partial(edited, backward.walk, "node in ours and type(old)", "type(old)"),
    ),
    Mutant(
        "flip: its transpose is the identity",
        "it occurs",
        rewritten(_named("flip"), lambda g: g),
    ),
    Mutant(
        "the backward walk is not differentiated",
        "in the second order",
        partial(
            edited,
            backward.walk,
            "rule(g, saved, params, argnum)",
            "rule(getattr(g, '_value', g), saved, params, argnum)",
        ),
    ),
    Mutant(
        "operands are saved without a copy",
        "an array is written to later",
        partial(replaced, primitive, "_copied", lambda value: value),
        _multiply,
    ),
    Mutant(
        "backward() replaces what it should add to",
        "called twice",
        partial(edited, Tensor.backward, "leaf.grad + gradient", "gradient"),
        _multiply,
    ),
    Mutant(
        "the gradient of a view is written to a copy",
        "an entry is read",
        partial(edited, scatter.fun, "total[index] = x", "np.array(total[index])[...] = x"),
        REGISTRY["getitem"],
    ),
    # ---- more of them ----
    Mutant(
        "square: 2.001 for 2",
        "always",
        rewritten(_named("square"), lambda g, x: 2.001 * g * x, 0, _BOTH),
        REGISTRY["square"],
    ),
    Mutant(
        "exp: its result taken for a constant",
        "in the second order",
        rewritten(
            _named("exp"),
            lambda g, ans: g * (ans.detach() if isinstance(ans, Tensor) else ans),
            0,
            _BOTH,
        ),
        REGISTRY["exp"],
    ),
    Mutant(
        "conjugate: forgotten",
        "for complex numbers",
        rewritten(_named("conjugate"), lambda g: g, 0, _BOTH),
        REGISTRY["conjugate"],
    ),
    Mutant(
        "cumsum: flipped once",
        "more than one entry",
        rewritten(_named("cumsum"), lambda g, axis: np.cumsum(np.flip(g, axis), axis)),
        REGISTRY["cumsum"],
    ),
    Mutant(
        "setitem: entries written twice count twice",
        "an index repeats",
        partial(replaced, indexing, "_written_last", lambda *_: True),
        REGISTRY["setitem"],
    ),
    Mutant(
        "einsum: without the other operands",
        "there are others",
        rewritten(_named("einsum"), lambda g: g),
        REGISTRY["einsum"],
    ),
    Mutant(
        "var: ddof ignored",
        "it is not 0",
        partial(edited, _var, "keepdims, ddof)", "keepdims)"),
        REGISTRY["numpy.var"],
    ),
    Mutant(
        "sum: entries left out are counted",
        "some are left out",
        partial(
            edited,
            REGISTRY["numpy.sum"].fun,
            "_masked(_converted(a, dtype), where, 0)",
            "_converted(a, dtype)",
        ),
        REGISTRY["numpy.sum"],
    ),
    Mutant(
        "tile: forgets where it came from",
        "always",
        partial(replaced, REGISTRY["numpy.tile"], "fun", lambda A, reps: np.tile(A.numpy(), reps)),
        REGISTRY["numpy.tile"],
    ),
)
