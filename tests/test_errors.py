"""What is said about bad input: the operation, name=value, the rule, and the remedy."""

import math
import operator
import re

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad.errors import (
    GraphError,
    IndexingError,
    ShapeError,
    TensorgradError,
    UnsupportedError,
    explain,
)


def leaf(value):
    return tg.tensor(value, requires_grad=True)


x = leaf([1.0, 2.0, 3.0])
m = leaf(np.ones((2, 3)))
number = leaf(1.0)


def freed():
    y = np.exp(leaf(1.0))
    y.backward()
    return y


def write(target, index, value):
    target[index] = value


def pullback_of_a_dict():
    return tg.vjp(lambda x: {"a": x, "b": x * 2}, np.ones(2))[1]


# what goes wrong: the call, the class of its error, and what the message says
CASES = {
    # shapes
    "add": (
        lambda: x + np.ones(4),
        ShapeError,
        r"^add: x.shape=\(3,\), y.shape=\(4,\).*equal or 1",
    ),
    "multiply by a list": (
        lambda: x * [1, 2],
        ShapeError,
        r"^multiply: x.shape=\(3,\), y=\[1, 2\].*reshape one",
    ),
    "matmul": (lambda: m @ m, ShapeError, r"^matmul: .*\(2, 3\), .*\(2, 3\).*must agree.*reshape"),
    "polyfit of one position": (
        lambda: np.polyfit(leaf(np.ones(5)), np.arange(5.0), 1, cov=True),
        np.linalg.LinAlgError,
        r"^np.polyfit: rank=1, deg=1.*residual.*distinct positions",
    ),
    "concatenate": (
        lambda: np.concatenate([x, m]),
        ShapeError,
        r"^concatenate: .*\(3,\), .*\(2, 3\), axis=0.*All sides but the one along the axis",
    ),
    "reshape": (
        lambda: x.reshape(2, 2),
        ShapeError,
        r"^reshape: x.shape=\(3,\), shape=\(2, 2\).*multiply to the size",
    ),
    "reshape -1": (
        lambda: x.reshape(-1, 2),
        ShapeError,
        r"^np.reshape: size=3, shape=\(-1, 2\)\. .*divide the size",
    ),
    "update": (
        lambda: operator.iadd(x * 1, np.ones((2, 3))),
        ShapeError,
        r"^\+=: shape=\(3,\), result_shape=\(2, 3\)\. .*keeps the shape.*x = x \+ y",
    ),
    # dtypes
    "integer leaf": (
        lambda: tg.tensor([1, 2], requires_grad=True),
        UnsupportedError,
        r"^tensor: dtype='int64'\. Only floating-point and complex.*x\.astype\(float\)",
    ),
    "boolean leaf": (
        lambda: tg.tensor(True, requires_grad=True),
        UnsupportedError,
        r"^tensor: dtype='bool'",
    ),
    "integer argument": (
        lambda: tg.grad(lambda x, n: x * n, 1)(2.0, 3),
        UnsupportedError,
        r"^grad: argument_1_dtype='int64'\. .*as in 3\.0",
    ),
    "text argument": (
        lambda: tg.vjp(lambda x: x, "a"),
        UnsupportedError,
        "^vjp: argument_0_dtype=",
    ),
    "astype(int)": (
        lambda: x.astype(int),
        UnsupportedError,
        r"^astype: dtype='int64'\. Only floating-point.*x\.detach\(\)",
    ),
    "astype to real": (
        lambda: leaf(1j).astype(float),
        UnsupportedError,
        r"^astype: dtype='float64'\. .*drops the imaginary part.*np\.real\(x\)",
    ),
    "update of dtype": (
        lambda: operator.imul(x * 1, 1j),
        UnsupportedError,
        r"^\*=: dtype='float64', result_dtype='complex128'\. .*keeps the dtype.*x = x",
    ),
    # ways around the graph
    "np.array of tensors": (
        lambda: np.array([x, x]),
        UnsupportedError,
        r"^conversion to an array: shape=\(3,\).*silently drop.*np\.stack.*x\.numpy\(\)",
    ),
    "np.asarray": (lambda: np.asarray(x), UnsupportedError, r"^conversion to an array: shape="),
    "list of tensors": (lambda: np.sum([x, x]), UnsupportedError, r"np\.stack"),
    "float": (lambda: float(number), UnsupportedError, r"^float: shape=\(\).*x\.item\(\)"),
    "int": (lambda: int(number), UnsupportedError, r"^int: shape=\(\).*int\(x\.item\(\)\)"),
    "complex": (lambda: complex(number), UnsupportedError, r"^complex: .*x\.item\(\)"),
    "math.sin": (lambda: math.sin(number), UnsupportedError, r"np\.sin\(x\) in place of math"),
    "range": (lambda: range(number), UnsupportedError, r"^index: dtype='float64'.*int\(x\.item"),
    "write into an array": (lambda: write(np.ones(3), ..., x), UnsupportedError, "silently drop"),
    # functions and keywords
    "function": (
        lambda: np.packbits(x),
        UnsupportedError,
        r"^np\.packbits: .*not supported for tensors.*x\.numpy\(\)",
    ),
    "ufunc": (
        lambda: np.isnat(x),
        UnsupportedError,
        r"^np\.isnat: .*no derivative rule.*numpy\(\)",
    ),
    "out=": (
        lambda: np.sin(x, out=np.ones(3)),
        UnsupportedError,
        r"^np\.sin: out=.*keyword out is not supported.*a = a \+ x",
    ),
    "out= of a number": (
        lambda: np.sum(x, out=np.ones(())),
        UnsupportedError,
        r"^np\.sum: out=array\(1\.\)",
    ),
    "array += tensor": (lambda: operator.iadd(np.ones(3), x), UnsupportedError, r"a = a \+ x"),
    "where=": (
        lambda: np.add(x, x, where=[True, False, True]),
        UnsupportedError,
        r"^np\.add: where=\[True, False, True\]\. .*np\.where\(mask",
    ),
    "tensor as a parameter": (
        lambda: np.sum(m, axis=number),
        UnsupportedError,
        r"^iteration: shape=\(\)\. .*x\.item\(\)",
    ),
    "tensor as a parameter of a primitive": (
        lambda: tg.ops.moving.roll_(x, shift=tg.tensor(1), axis=(0,)),
        UnsupportedError,
        r"^roll: shift=tensor\(1\)\. A parameter is not differentiated.*shift\.numpy\(\)",
    ),
    "None": (lambda: x + None, UnsupportedError, r"^add: x\.shape=\(3,\), y=None"),
    # backward
    "freed graph": (
        lambda: freed().backward(),
        GraphError,
        r"^backward: op='exp'\. .*freed by an earlier backward\(\).*retain_graph=True",
    ),
    "no seed": (
        (x * 1).backward,
        ShapeError,
        r"^backward: shape=\(3,\)\. .*needs a seed.*y\.sum\(\)",
    ),
    "shape of the seed": (
        lambda: (x * 1).backward(np.ones(2)),
        ShapeError,
        r"^backward: seed_shape=\(2,\), shape=\(3,\)\. .*has the shape of the result.*reshape",
    ),
    "complex seed": (
        lambda: (x * 1).backward(1j * np.ones(3)),
        UnsupportedError,
        r"^backward: seed_dtype='complex128'\. .*is real.*real part",
    ),
    "backward of a constant": (
        lambda: tg.tensor(1.0).backward(),
        GraphError,
        r"^backward: shape=\(\), requires_grad=False\. .*requires_grad=True\)",
    ),
    "grad of no leaf": (
        lambda: setattr(x * 1, "grad", np.ones(3)),
        GraphError,
        r"^grad: .*Only a leaf.*tg\.vjp",
    ),
    "shape of grad": (
        lambda: setattr(x, "grad", np.ones(2)),
        ShapeError,
        r"^grad: shape=\(2,\), expected=\(3,\)\. .*shape of its tensor",
    ),
    # transformations
    "grad of an array": (
        lambda: tg.grad(np.sin)(np.ones(3)),
        ShapeError,
        r"^grad: shapes=\(\(3,\),\)\. Only a function whose result is one number.*np\.sum.*tg\.vjp",
    ),
    "grad of two numbers": (lambda: tg.grad(lambda x: (x, x))(1.0), ShapeError, r"\(\(\), \(\)\)"),
    "grad of None": (lambda: tg.grad(lambda x: None)(1.0), ShapeError, r"^grad: shapes=\(\)\. "),
    "grad of text": (
        lambda: tg.grad(lambda x: "a")(1.0),
        UnsupportedError,
        "^grad: result='a'. Only",
    ),
    "grad of a complex number": (
        lambda: tg.grad(lambda x: x * 1j)(1.0),
        UnsupportedError,
        r"^grad: dtype='complex128'\. .*depends on a direction.*np\.real",
    ),
    "grad of a Python complex": (
        lambda: tg.grad(lambda x: 1j)(1.0),
        UnsupportedError,
        "complex128",
    ),
    "argnums": (
        lambda: tg.grad(np.add, (0, 2))(1.0, 1.0),
        ShapeError,
        r"^grad: argnums=\(0, 2\), positional=2\. .*by position",
    ),
    "argnums twice": (
        lambda: tg.grad(np.add, (0, -2))(1.0, 1.0),
        ShapeError,
        r"^grad: argnums=\(0, -2\)\. .*each argument once",
    ),
    "has_aux": (
        lambda: tg.vjp(lambda x: x, 1.0, has_aux=True),
        UnsupportedError,
        r"^vjp: returned='Tensor'\. .*pair \(value, aux\)",
    ),
    "jvp without tuples": (
        lambda: tg.jvp(np.sin, 1.0, 1.0),
        UnsupportedError,
        r"^jvp: primals='float', tangents='float'\. .*Write \(x,\)",
    ),
    "number of tangents": (
        lambda: tg.jvp(np.sin, (1.0,), ()),
        ShapeError,
        r"^jvp: primals=1, tangents=0\. .*same length",
    ),
    "shape of a tangent": (
        lambda: tg.jvp(np.sin, (1.0,), (np.ones(2),)),
        ShapeError,
        r"^jvp: tangent_shape=\(2,\), shape=\(\)\. .*shape of its argument",
    ),
    "structure of a tangent": (
        lambda: tg.jvp(lambda x: x[0], ((1.0,),), (1.0,)),
        ShapeError,
        r"^jvp: tangent='array', argument=\('array',\)\. .*same containers",
    ),
    "complex tangent": (
        lambda: tg.jvp(np.sin, (1.0,), (1j,)),
        UnsupportedError,
        r"^jvp: tangent_dtype='complex128'\. .*real",
    ),
    "structure of a cotangent": (
        lambda: pullback_of_a_dict()(np.ones(2)),
        ShapeError,
        r"^pullback: cotangent='array', result=\{'a': 'array', 'b': 'array'\}\. .*structure",
    ),
    "shape of a cotangent": (
        lambda: pullback_of_a_dict()({"a": np.ones(2), "b": np.ones(3)}),
        ShapeError,
        r"^pullback: seed_shape=\(3,\), shape=\(2,\)",
    ),
    # indices and writing
    "float index": (lambda: x[1.0], IndexingError, r"^getitem: .*index.*\.astype\(int\)"),
    "float indices": (
        lambda: x[np.array([1.0])],
        IndexingError,
        r"^getitem: index_dtype='float64'\. .*\.astype\(int\)",
    ),
    "tensor index": (lambda: x[number], IndexingError, r"^getitem: index_dtype='float64'"),
    "index too large": (
        lambda: x[5],
        IndexingError,
        r"^getitem: x\.shape=\(3,\), index=5\. .*-n to n - 1",
    ),
    "numpy index too large": (
        lambda: x[None, np.int64(5)],
        IndexingError,
        r"index=\(None, 5\)\. Index 5 is out of",
    ),
    "too many indices": (lambda: x[0, 0], IndexingError, r"index=\(0, 0\)\. Too many indices"),
    "mask": (lambda: x[[True, False]], IndexingError, "A mask has the shape of the axes"),
    "index of a write": (
        lambda: write(x * 1, 9, 1.0),
        IndexingError,
        r"^setitem: x\.shape=\(3,\), v\.shape=\(\), index=9",
    ),
    "write to a leaf": (
        lambda: write(x, 0, 1.0),
        GraphError,
        r"^setitem: shape=\(3,\), requires_grad=True\. A leaf.*x\.copy\(\).*with tg\.no_grad\(\):",
    ),
    "write to a view": (
        lambda: write(x.reshape(3, 1), 0, 1.0),
        GraphError,
        r"^setitem: shape=\(3, 1\)\. .*view of another.*copy\(\)",
    ),
    "write of a fraction to integers": (
        lambda: write(tg.tensor([1, 2]), 0, number),
        UnsupportedError,
        r"^setitem: dtype='int64', value_dtype='float64'\. .*lose",
    ),
}


@pytest.mark.parametrize(("call", "kind", "message"), CASES.values(), ids=CASES.keys())
def test_messages(call, kind, message):
    with pytest.raises(kind) as caught:
        call()
    text = str(caught.value)
    assert re.search(message, text), text
    assert not re.search(r"np\.u?int\d|array\(\d+\)|PyTreeSpec|<tensorgrad", text), text
    assert text == text.strip()
    assert text.endswith("."), text
    assert " . " not in text


def test_errors_are_those_that_users_of_numpy_would_catch():
    assert issubclass(ShapeError, ValueError)
    assert issubclass(IndexingError, IndexError)
    assert issubclass(UnsupportedError, TypeError)
    assert issubclass(GraphError, RuntimeError)
    for kind in (ShapeError, IndexingError, UnsupportedError, GraphError):
        assert issubclass(kind, TensorgradError)


def test_the_error_of_numpy_is_kept_as_the_cause():
    with pytest.raises(ShapeError) as caught:
        x + np.ones(4)
    assert type(caught.value.__cause__) is ValueError


def test_sizes_print_as_plain_numbers():
    message = explain(
        "f", "Rule.", "Remedy.", a=np.int64(3), b=(np.int32(1), (np.int64(2),)), c=[np.int8(4)]
    )
    assert message == "f: a=3, b=(1, (2,)), c=[4]. Rule. Remedy."


def test_long_values_are_cut():
    message = explain("f", "Rule.", values=list(range(10**5)))
    assert len(message) < 300
    assert message.endswith(".... Rule.")


def test_names_of_values_do_not_clash_with_the_message():
    assert explain("f", "Rule.", rule="g", remedy=1, operation=2) == (
        "f: rule='g', remedy=1, operation=2. Rule."
    )


def test_conversions_of_constants_are_allowed():
    constant = tg.tensor(2.0)
    assert float(constant) == 2.0
    assert int(constant) == 2
    assert complex(constant) == 2
    assert math.sqrt(tg.tensor(4.0)) == 2.0
    assert np.asarray(tg.tensor([1.0, 2.0])).tolist() == [1.0, 2.0]
    assert list(range(tg.tensor(3))) == [0, 1, 2]
    with tg.no_grad():
        assert float(number) == 1.0
        assert np.asarray(x).tolist() == [1.0, 2.0, 3.0]
