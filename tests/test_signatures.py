"""NumPy's functions have NumPy's parameters: each is tried by the laws, or refused by name."""

import inspect

import numpy as np
import pytest

import tensorgrad as tg
from tensorgrad.engine.primitive import NUMPY
from tensorgrad.errors import UnsupportedError
from tensorgrad.ops.dispatch import NoValue
from tensorgrad.testing import laws
from tensorgrad.testing.draw import RandomDraw

COMPOSITES = {
    function: operation
    for function, operation in NUMPY.items()
    if operation.kind in ("composite", "in place") and not isinstance(function, np.ufunc)
}
functions = pytest.mark.parametrize("function", COMPOSITES, ids=lambda f: f.__name__)

# keywords that are refused, with a value that NumPy would accept
REFUSED = {
    "out": np.zeros(3),
    "casting": "unsafe",
    "device": "cpu",
    "copy": False,
    "order": "F",
    "mode": "clip",
    "ndmax": 3,
    "writeable": True,
}
# keywords that change nothing a user of tensors can observe
WITHOUT_EFFECT = {
    "subok": "Tensor has no subclasses",
    "order": "of np.copy and np.full_like: only the layout in memory differs",
    "copy": "of np.astype: exercised by its samples",
    "overwrite_input": "which NumPy may write to, or not",
    "like": "a tensor: it brings the call here",
}
# functions that take fewer keywords by name than NumPy shows, or more
SPELLED_OUT = {np.einsum: "NumPy shows **kwargs in place of dtype, order and casting"}


def parameters(f):
    return {p.name: p for p in inspect.signature(f).parameters.values()}


def exercised(operation):
    """Return the names of the parameters that samples give a value to."""
    names = set()
    for seed in range(60):
        args, params = operation.samples(RandomDraw(seed))
        names |= inspect.signature(operation.fun).bind(*args, **params).arguments.keys()
    return names


@functions
def test_parameters_are_those_of_numpy(function):
    if function in SPELLED_OUT:
        return
    theirs, ours = parameters(function), parameters(COMPOSITES[function].fun)
    assert [(p.name, p.kind) for p in ours.values()] == [(p.name, p.kind) for p in theirs.values()]
    for name, parameter in ours.items():
        if theirs[name].default is not NoValue and parameter.default is not NoValue:
            assert parameter.default == theirs[name].default, name


@functions
def test_every_parameter_is_tried_or_refused(function):
    operation = COMPOSITES[function]
    names = parameters(operation.fun).keys() - exercised(operation)
    args, params = operation.samples(RandomDraw(3))
    args = laws.map_leaves(
        lambda leaf: tg.tensor(leaf) if isinstance(leaf, np.ndarray) else leaf, args
    )
    if "like" in parameters(operation.fun):
        params = {**params, "like": tg.tensor(0.0)}
    for name in names - WITHOUT_EFFECT.keys() - {"dtype", "correction", "kwargs"}:
        with pytest.raises(UnsupportedError, match=rf"np\.([\w.]+\.)?{function.__name__}: {name}="):
            function(*args, **(params | {name: REFUSED[name]}))


WITH_DTYPE = [
    operation
    for function, operation in COMPOSITES.items()
    if "dtype" in parameters(operation.fun) and function is not np.astype
]


@pytest.mark.parametrize("operation", WITH_DTYPE, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.complex128])
def test_dtype(operation, dtype):
    if operation.name.endswith(("var", "std")) and dtype is np.complex128:
        return  # NumPy takes the square, not the absolute square, of real numbers as complex ones
    for seed in range(20):
        draw = RandomDraw(seed, ["f4"])
        args, params = operation.samples(draw)
        params = {**params, "dtype": dtype} | ({"retstep": False} if "retstep" in params else {})
        if operation.reference(*args, **params).dtype != dtype:
            # NumPy returns a view of a single operand, and weighs in double precision
            assert operation.name in ("numpy.einsum", "numpy.cov")
            continue
        laws.value(operation, args, params, draw.rng)
        laws.spaces(operation, args, params, draw.rng)
        laws.precision(operation, args, params, draw.rng)


def test_correction_is_another_name_of_ddof():
    x = tg.tensor([1.0, 2.0, 4.0], requires_grad=True)
    for f in (np.var, np.std):
        assert f(x, correction=1).item() == f(x, ddof=1).item()
        with pytest.raises(UnsupportedError, match="correction"):
            f(x, ddof=1, correction=1)


@pytest.mark.parametrize("keyword", ["out", "where"])
def test_keywords_of_ufuncs_are_refused(keyword):
    x = tg.tensor([1.0, 2.0])
    value = {"out": np.zeros(2), "where": [True, False]}[keyword]
    for function in (np.add, np.floor_divide):
        with pytest.raises(UnsupportedError, match=rf"np\.{function.__name__}: {keyword}="):
            function(x, x, **{keyword: value})


def test_out_is_refused_where_the_function_is_constant():
    place = tg.tensor([0.0, 0.0])
    with pytest.raises(UnsupportedError, match=r"np\.round: out="):
        np.round(tg.tensor([1.5, 2.5]), out=place)
    assert place.tolist() == [0.0, 0.0]


UNREGISTERED = {
    "np.copyto": lambda x: np.copyto(np.zeros(2), x),
    "np.add.at": lambda x: np.add.at(np.zeros(2), [0], x),
}


@pytest.mark.parametrize("name", UNREGISTERED)
@pytest.mark.parametrize("recorded", [False, True])
def test_a_function_without_a_rule_is_refused(name, recorded):
    x = tg.tensor([1.0, 2.0], requires_grad=recorded)
    with pytest.raises(UnsupportedError, match=name.replace(".", r"\.")):
        UNREGISTERED[name](x)
