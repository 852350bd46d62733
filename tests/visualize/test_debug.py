"""debug stops at the first number that is not finite, and says where it comes from."""

import threading
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st

import tensorgrad as tg
from tensorgrad.engine.primitive import REGISTRY, Unary
from tensorgrad.errors import NonFiniteError
from tensorgrad.testing.draw import RandomDraw
from tensorgrad.transforms.tree import flatten, unflatten

# value, and the partial derivatives by the arguments, in plain NumPy
OPERATIONS = {
    "sin": (np.sin, [np.cos]),
    "exp": (np.exp, [np.exp]),
    "log": (np.log, [lambda x: 1 / x]),
    "sqrt": (np.sqrt, [lambda x: 0.5 / np.sqrt(x)]),
    "square": (np.square, [lambda x: 2 * x]),
    "negative": (np.negative, [lambda x: -np.ones_like(x)]),
    "add": (np.add, [lambda x, y: np.ones_like(x), lambda x, y: np.ones_like(x)]),
    "subtract": (np.subtract, [lambda x, y: np.ones_like(x), lambda x, y: -np.ones_like(x)]),
    "multiply": (np.multiply, [lambda x, y: y, lambda x, y: x]),
    "divide": (np.divide, [lambda x, y: 1 / y, lambda x, y: -x / y**2]),
}
VALUES = st.sampled_from([-2.0, -0.0, 0.0, 0.5, 1.0, 3.0, 20.0, 1e160])


@st.composite
def programs(draw):
    """Steps (operation, numbers of its arguments), and the two leaves, numbers 0 and 1."""
    steps = []
    for number in range(2, 2 + draw(st.integers(1, 8))):
        name = draw(st.sampled_from(sorted(OPERATIONS)))
        count = len(OPERATIONS[name][1])
        recent = st.integers(max(0, number - 3), number - 1)
        steps.append((name, draw(st.tuples(*[recent] * count))))
    leaves = [np.array(draw(st.lists(VALUES, min_size=3, max_size=3))) for _ in range(2)]
    return steps, leaves


def run(steps, values):
    """Run a program, each step in a scope that tells its number."""
    values = list(values)
    for number, (name, arguments) in enumerate(steps, len(values)):
        with tg.scope(str(number)):
            values.append(OPERATIONS[name][0](*[values[i] for i in arguments]))
    return values


@contextmanager
def stopped(match=None):
    """A block of debug that ends with the error."""
    with pytest.raises(NonFiniteError, match=match) as caught, tg.debug():
        yield caught


def tensors(leaves):
    return [tg.tensor(x, requires_grad=True) for x in leaves]


def culprit(error):
    """The marked node of the operation; there may be marks on what came in."""
    (node,) = [error.graph.nodes[i] for i in error.notes if error.graph.nodes[i].kind == "op"]
    return node


def is_finite(x):
    return bool(np.all(np.isfinite(x)))


class TestForward:
    @given(programs())
    def test_the_culprit_is_the_first_of_a_replay(self, program):
        steps, leaves = program
        with np.errstate(all="ignore"):
            values = run(steps, leaves)
        spoiled = [i for i, value in enumerate(values) if not is_finite(value)]
        if not spoiled:
            with tg.debug():
                run(steps, tensors(leaves))
            return
        with stopped() as caught:
            run(steps, tensors(leaves))
        node = culprit(caught.value)
        first = spoiled[0]
        assert node.scope == (str(first),)
        assert node.op == steps[first - 2][0]
        place = np.flatnonzero(~np.isfinite(values[first]))[0]
        assert f"{node.op}: " in str(caught.value)
        assert f"the first at [{place}]." in str(caught.value)
        count = np.count_nonzero(np.isnan(values[first]))
        assert (f"{count} NaN" in str(caught.value)) == bool(count)

    @given(programs(), st.integers(0, 1), st.sampled_from([np.nan, np.inf, -np.inf]))
    def test_what_came_in_from_outside(self, program, number, value):
        steps, leaves = program
        leaves[number] = np.array([1.0, value, 2.0])
        with np.errstate(all="ignore"):
            values = run(steps, leaves)
        first = next((i for i in range(2, len(values)) if not is_finite(values[i])), None)
        assume(first is not None)
        came_in = number in steps[first - 2][1]
        with stopped() as caught:
            run(steps, tensors(leaves))
        assert culprit(caught.value).scope == (str(first),)
        assert ("came in from outside" in str(caught.value)) == came_in
        marks = [text for i, text in caught.value.notes.items() if "from outside" in text]
        assert len(marks) == came_in

    def test_names_line_and_arguments(self):
        x = tg.tensor(np.array([[4.0, -1.0]], np.float32), requires_grad=True)
        with stopped() as caught:
            np.power(x, 0.5)
        lines = str(caught.value).splitlines()
        assert lines[0] == "power: 1 NaN among 2 numbers in the result, the first at [0, 1]."
        assert "float32[1, 2], from -1 to 4; -1 at [0, 1]" in lines[1]
        assert lines[2].strip() == "y: float64[] = 0.5"
        assert lines[3].endswith("arguments: np.power(x, 0.5)")
        assert __file__ in lines[3]
        assert "np.where" in lines[4]

    def test_overflow_says_so(self):
        with stopped(r"outgrew float32, which ends at 3\.4e"):
            np.exp(tg.tensor(np.float32(200)))

    def test_what_is_not_recorded(self):
        with stopped("log: 1 infinity in the result") as caught, tg.no_grad():
            np.log(tg.tensor(0.0, requires_grad=True))
        assert caught.value.graph is None
        assert "np.log(tg.tensor(0.0" in str(caught.value)

    def test_several_results_and_several_arguments(self):
        x = tg.tensor([1.0, 2.0], requires_grad=True)
        with stopped(r"divmod|remainder") as caught:
            np.divmod(x, np.array([1.0, 0.0]))
        assert caught.value.graph is not None
        with stopped(r"with xs\[1\]"):
            np.concatenate([x, np.array([np.nan])])

    def test_each_example_of_vmap(self):
        with stopped(r"the first at \[1\]"):
            tg.vmap(np.log)(np.array([1.0, 0.0]))
        with stopped(r"the first at \[1, 2\]"):
            tg.vmap(lambda a, b: a / b)(np.array([1.0, 2.0]), np.array([[1.0, 2, 3], [4, 5, 0]]))

    def test_the_drawing_marks_it(self):
        with stopped() as caught:
            np.log(tg.tensor([0.0], requires_grad=True) * 2.0)
        dot = caught.value.graph.to_dot(caught.value.notes)
        marked = [line for line in dot.splitlines() if "the first that is not finite" in line]
        assert len(marked) == 1
        assert "log" in marked[0]


def replayed(steps, values):
    """The step whose rule first makes something that is not finite, and by which argument.

    None where nothing does; "unclear" where that depends on whether a zero matters.
    """
    gradients = {len(values) - 1: np.ones(3)}
    for number in range(len(values) - 1, 1, -1):
        name, arguments = steps[number - 2]
        g = gradients.pop(number, None)
        if g is None:
            continue
        if not is_finite(g):
            return number, None
        for place, argument in enumerate(arguments):
            partial = OPERATIONS[name][1][place](*[values[i] for i in arguments])
            if np.any((g == 0) & ~np.isfinite(partial)):
                return "unclear"
            if not is_finite(g * partial):
                return number, place
            gradients[argument] = gradients.get(argument, 0) + g * partial
    spoiled = [i for i in (1, 0) if not is_finite(gradients.get(i, 0.0))]
    return (spoiled[0], None) if spoiled else None


class TestBackward:
    @given(programs())
    def test_the_culprit_is_the_first_of_a_replay(self, program):
        steps, leaves = program
        with np.errstate(all="ignore"):
            values = run(steps, leaves)
            assume(all(map(is_finite, values)))
            expected = replayed(steps, values)
        assume(expected != "unclear")

        def gradient():
            run(steps, tensors(leaves))[-1].backward(np.ones(3))

        if expected is None:
            with tg.debug():
                gradient()
            return
        with stopped() as caught:
            gradient()
        ((number, _),) = caught.value.notes.items()
        node = caught.value.graph.nodes[number]
        step, argument = expected
        if step < 2:
            assert node.op == "leaf"
            assert "gradient by its result" in str(caught.value)
            return
        assert node.scope == (str(step),)
        if argument is None:
            assert "gradient by its result" in str(caught.value)
        else:
            assert f"in the gradient by {'xy'[argument]}" in str(caught.value)
            assert str(caught.value).startswith(f"derivative of {node.op}: ")
            assert "OPERATIONS[name][0]" in str(caught.value)  # the line of the forward call

    @given(st.sampled_from(sorted(REGISTRY)), st.integers(0, 1000))
    def test_silent_where_all_is_finite(self, name, seed):
        operation = REGISTRY[name]
        args, params = operation.samples(RandomDraw(seed))
        leaves, structure = flatten(args)

        def gradients():
            inputs = [
                tg.tensor(x, requires_grad=True)
                if isinstance(x, np.ndarray) and x.dtype.kind in "fc"
                else x
                for x in leaves
            ]
            results = flatten(operation(*unflatten(structure, inputs), **params))[0]
            found = [y for y in results if isinstance(y, tg.Tensor) and y.dtype.kind in "fc"]
            for y in found:
                if y.requires_grad:
                    y.backward(np.ones(y.shape, y.dtype), retain_graph=True)
            found += [x.grad for x in inputs if isinstance(x, tg.Tensor) and x.grad is not None]
            return [y.numpy() for y in found]

        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = gradients()
        assume(all(map(is_finite, [*leaves_of_floats(leaves), *expected])))
        with tg.debug(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for found, wanted in zip(gradients(), expected, strict=True):
                np.testing.assert_array_equal(found, wanted)

    def test_a_branch_that_is_not_taken_is_no_culprit(self):
        x = tg.tensor([0.0, 4.0], requires_grad=True)
        with tg.debug():
            np.where(x > 1, np.sqrt(x), 0.0).sum().backward()
        assert x.grad.tolist() == [0.0, 0.25]

    def test_nor_is_one_that_was_there_before(self):
        x = tg.tensor([np.nan, 0.0], requires_grad=True)
        y = np.where(np.isnan(x), 0.0, np.exp(x)).sum()
        with tg.debug():
            y.backward()
        assert x.grad.tolist() == [0.0, 1.0]

    def test_nor_is_one_inside_a_checkpoint(self):
        """Only outside of it is known that the infinite slope at zero does not matter."""
        x = tg.tensor([0.0, 4.0], requires_grad=True)
        root = tg.checkpoint(np.sqrt)

        def guarded():
            return np.where(np.array([False, True]), root(x), 0.0).sum()

        with tg.debug():
            guarded().backward()
        assert x.grad.tolist() == [0.0, 0.25]
        with stopped("^derivative of power:"):
            (np.power(x, 0.5).sum() + guarded()).backward()

    def test_the_seed(self):
        x = tg.tensor([1.0, 2.0], requires_grad=True)
        with stopped("with the seed of the backward pass"):
            (x * 2.0).backward([1.0, np.nan])

    def test_what_was_there_before(self):
        x = tg.tensor([np.inf, 2.0], requires_grad=True)
        y = (x * x).sum()
        with stopped("before the backward pass, in") as caught:
            y.backward()
        assert "tg.debug() had not begun" in str(caught.value)

    def test_inside_a_checkpoint(self):
        x = tg.tensor([0.0, 2.0], requires_grad=True)
        with stopped() as caught:
            np.sum(tg.checkpoint(lambda v: np.sqrt(v) * 2.0)(x)).backward()
        assert str(caught.value).startswith("derivative of sqrt:")
        assert "by the derivative of <lambda>, called at" in str(caught.value)

    def test_of_a_derivative(self):
        with stopped() as caught:
            slope = tg.grad(lambda v: v**1.5)
            tg.grad(slope)(0.0)
        lines = [line.strip() for line in str(caught.value).splitlines()]
        assert lines[0].startswith("derivative of power:")
        (history,) = [line for line in lines if line.startswith("by the derivative of power")]
        assert history.endswith("slope = tg.grad(lambda v: v**1.5)")

    def test_in_forward_mode(self):
        with stopped("derivative of sqrt: 1 infinity in its tangent"):
            tg.jvp(np.sqrt, (0.0,), (1.0,))

    def test_under_vmap(self):
        with stopped(r"derivative of sqrt: .* the first at \[1\]"):
            tg.vmap(tg.grad(np.sqrt))(np.array([1.0, 0.0]))


def leaves_of_floats(leaves):
    return [x for x in leaves if isinstance(x, np.ndarray) and x.dtype.kind in "fc"]


class TestBlock:
    def test_leaves_nothing_behind(self):
        before, call = np.geterr(), Unary.__call__
        with stopped():
            np.log(tg.tensor(0.0))
        assert np.geterr() == before
        assert Unary.__call__ is call
        with pytest.warns(RuntimeWarning, match="divide by zero"):
            np.log(tg.tensor(0.0))

    def test_goes_on_after_an_error_that_is_caught(self):
        x = tg.tensor([0.0], requires_grad=True)
        with tg.debug():
            for _ in range(2):
                with pytest.raises(NonFiniteError, match="derivative of sqrt"):
                    np.sqrt(x).backward()
            np.sqrt(x + 1.0).backward()
        assert x.grad.tolist() == [0.5]

    def test_says_in_which_scope(self):
        x = tg.tensor([0.0], requires_grad=True)
        with stopped(", scope net/head: "), tg.scope("net"), tg.scope("head"):
            np.log(x)
        with stopped(", scope net: y = "):
            with tg.scope("net"):
                y = np.sqrt(x)
            y.backward()

    def test_as_a_decorator(self):
        @tg.debug()
        def reciprocal(x):
            return 1.0 / x

        for _ in range(2):
            with pytest.raises(NonFiniteError, match="divide"):
                reciprocal(tg.tensor(0.0))

    def test_only_in_its_own_thread(self):
        found = []

        def work():
            with np.errstate(all="ignore"):
                found.append(np.log(tg.tensor(0.0)).item())

        with tg.debug():
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        assert found == [-np.inf]
