"""Random differentiable programs: straight lines of registered operations, with fan-out.

A program is made from the operations' own samples, which are handed a `Draw` that gives them values
computed earlier where it can. So any operation of the registry takes part, a user's too.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from math import log2, prod
from typing import Any, NamedTuple
from warnings import catch_warnings

import numpy as np

from tensorgrad.engine.forward import forward
from tensorgrad.engine.graph import ancestors
from tensorgrad.engine.primitive import NUMPY, REGISTRY, Binary, Operation, Unary
from tensorgrad.engine.tensor import Tensor, tensor
from tensorgrad.testing.draw import GAP, MARGIN, NumberDraw, lies_in
from tensorgrad.testing.literal import literal
from tensorgrad.transforms import jvp, vjp
from tensorgrad.transforms.products import pull_back
from tensorgrad.transforms.record import record
from tensorgrad.transforms.tree import flatten
from tensorgrad.typing import REAL, Array, Domain, Shape
from tensorgrad.visualize.graph import graph

# Larger values, and those without entries, are results of a program but go into nothing else.
LARGEST = 48
# Bytes from which a step is made: more than most samples ask for.
GENES = 40
# Directional derivatives agree to this part of what they are summed from.
EXACT = 1e-11
# Of differences, and how closely they agree: where a function is too steep for one step, truncation
# errors shrink with the fourth power of the next, and rounding errors grow.
STEPS = ((2.0**-9, 1e-8), (2.0**-13, 1e-8), (2.0**-17, 1e-8), (2.0**-21, 1e-7))
# Of complex steps: its square vanishes beside any value.
TINY = 2.0**-100
# One-step programs on which an operation is tried.
TRIALS = 20


# ---- what a program is --------------------------------------------------------------------------


@dataclass(frozen=True)
class Ref:
    """A value of the program, by its name, among the arguments of a step."""

    name: str


Values = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Call:
    """A step that applies an operation.

    Attributes
    ----------
    operation
        What is applied.
    args, params
        Its arguments: a `Ref` where a value of the program stands, else a constant.
    results
        The names of the floating-point arrays it returns, with None for everything else.
    form
        What it returns: ``"array"``; ``"sequence"``, a tuple or list of arrays; or ``"tree"``, any
        other container.
    """

    operation: Operation
    args: tuple[Any, ...]
    params: dict[str, Any]
    results: tuple[str | None, ...]
    form: str

    @property
    def name(self) -> str:
        """The name of the operation."""
        return self.operation.name

    def arguments(self) -> Iterator[str]:
        """Go through the names of the values it is applied to."""
        return _names((self.args, self.params))

    def run(self, values: Values, function: Callable[..., Any]) -> None:
        """Apply a function to the arguments, and put its results among the values."""
        params = self.params and _look_up(self.params, values)
        found = function(*_look_up(self.args, values), **params)
        for name, value in zip(self.results, _leaves(found), strict=True):
            if name is not None:
                values[name] = value

    def source(self) -> str:
        """Return a line of Python."""
        given = [_text(arg) for arg in self.args]
        given += [f"{name}={_text(value)}" for name, value in self.params.items()]
        left = ", ".join(name or "_" for name in self.results)
        if self.form != "array" and len(self.results) == 1:
            left += ","
        call = f"{public_name(self.operation)}({', '.join(given)})"
        return f"{left} = flatten({call})[0]" if self.form == "tree" else f"{left} = {call}"


@dataclass(frozen=True, eq=False)
class Fit:
    """A step that brings a value into another shape and domain.

    The result is ``middle + radius * sin(x / scale)``, which stays in the domain wherever the
    inputs are; of some entries of x, where ``places`` says which.
    """

    argument: Ref
    places: Array | None
    scale: float
    middle: Any
    radius: float
    results: tuple[str]

    name = "fit"

    def arguments(self) -> Iterator[str]:
        """Go through the names of the values it is applied to."""
        yield self.argument.name

    def __call__(self, x: Any) -> Any:
        """Compute the result."""
        if self.places is not None:
            x = np.take(x, self.places)
        return self.middle + self.radius * np.sin(x / self.scale)

    def run(self, values: Values, function: Callable[..., Any]) -> None:
        """Put the result among the values."""
        values[self.results[0]] = function(values[self.argument.name])

    def source(self) -> str:
        """Return a line of Python."""
        x = self.argument.name
        if self.places is not None:
            x = f"np.take({x}, {literal(self.places)})"
        x = x if self.scale == 1 else f"{x} / {self.scale!r}"
        middle = f"{literal(self.middle)} + " if np.any(self.middle) else ""
        return f"{self.results[0]} = {middle}{self.radius!r} * np.sin({x})"


Step = Call | Fit


@dataclass(frozen=True, eq=False, repr=False)
class Program:
    """A random differentiable function: a straight line of operations.

    It returns the tuple of all values that no later step uses.

    Attributes
    ----------
    inputs
        Where it is to be differentiated: floating-point arrays.
    steps
        What is computed, in this order.

    Examples
    --------
    >>> from tensorgrad.testing.programs import random_program
    >>> program = random_program(3, max_ops=2)
    >>> len(program.steps)
    2
    >>> all((y == z).all() for y, z in zip(program.run(*program.inputs), program.run()))
    True
    """

    inputs: tuple[Array, ...]
    steps: tuple[Step, ...]

    @cached_property
    def sinks(self) -> list[str]:
        """The names of the values that it returns."""
        used = {name for step in self.steps for name in step.arguments()}
        made = [name for step in self.steps for name in step.results if name is not None]
        return [name for name in made if name not in used]

    @cached_property
    def holomorphic(self) -> bool:
        """Whether a complex step gives its derivative."""
        calls = [step for step in self.steps if isinstance(step, Call)]
        return all(takes_complex_steps(step.operation) for step in calls)

    def run(self, *inputs: Any) -> tuple[Any, ...]:
        """Evaluate it on arrays or Tensors; without any, on its own inputs."""
        return self._results(self.evaluate(inputs or self.inputs, surface))

    def reference(self, *inputs: Any) -> tuple[Array, ...]:
        """Evaluate it on arrays with the independent implementations of its operations."""
        return self._results(self.evaluate(inputs or self.inputs, _reference))

    def evaluate(self, inputs: Sequence[Any], choose: Callable[[Step], Any]) -> Values:
        """Return every value by its name; ``choose`` says by which function to make a step."""
        values = {f"x{i}": x for i, x in enumerate(inputs)}
        for step in self.steps:
            step.run(values, choose(step))
        return values

    def _results(self, values: Values) -> tuple[Any, ...]:
        return tuple(values[name] for name in self.sinks)

    def graph(self) -> Any:
        """Return the recorded graph of one run, as `tensorgrad.graph` does.

        Raises
        ------
        GraphError
            If none of its results depends on an input, as those of ``np.sign``.
        """
        leaves = {f"x{i}": tensor(x, requires_grad=True) for i, x in enumerate(self.inputs)}
        results = [
            tensor(y) if not isinstance(y, Tensor) else y for y in self.run(*leaves.values())
        ]
        recorded = [y for y in results if y.requires_grad] or results
        reached = ancestors([y._node for y in recorded if y._node is not None])
        return graph(*recorded, **{n: x for n, x in leaves.items() if x._node in reached})

    def source(self) -> str:
        """Return the program as Python that stands alone, and ends with ``results``."""
        lines = [f"x{i} = {literal(x)}" for i, x in enumerate(self.inputs)]
        lines += [step.source() for step in self.steps]
        lines.append(f"results = ({', '.join(self.sinks)},)")
        return "\n".join([*_imports(self.steps, lines), "", *lines, ""])

    def __str__(self) -> str:
        return self.source()

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """Show the source where hypothesis and IPython show a value."""
        printer.text(f"{self!r}\n\n{self.source()}")

    def __repr__(self) -> str:
        names = " ".join(step.name for step in self.steps)
        shapes = ", ".join(str(list(x.shape)) for x in self.inputs)
        return f"<Program {names}; inputs {shapes}>"


@cache
def _functions() -> dict[Operation, Callable[..., Any]]:
    functions: dict[Operation, Callable[..., Any]] = {}
    for function, operation in NUMPY.items():
        functions.setdefault(operation, function)
    return functions


def surface(step: Step) -> Callable[..., Any]:
    """Return the function that a user would call: NumPy's where the operation answers for one."""
    if isinstance(step, Fit):
        return step
    return _functions().get(step.operation, step.operation)


def _reference(step: Step) -> Callable[..., Any]:
    return step if isinstance(step, Fit) else step.operation.reference


def _names(arguments: Any) -> Iterator[str]:
    if type(arguments) is Ref:
        yield arguments.name
    elif type(arguments) in (tuple, list):
        for argument in arguments:
            yield from _names(argument)
    elif type(arguments) is dict:
        yield from _names(list(arguments.values()))


def _look_up(arguments: Any, values: Values) -> Any:
    kind = type(arguments)
    if kind is Ref:
        return values[arguments.name]
    if kind is tuple or kind is list:
        return kind([_look_up(argument, values) for argument in arguments])
    if kind is dict:
        return {name: _look_up(argument, values) for name, argument in arguments.items()}
    return arguments


def _leaves(found: Any) -> Sequence[Any]:
    return (found,) if _is_array(found) else flatten(found)[0]


def _form(found: Any) -> str:
    if _is_array(found):
        return "array"
    return "sequence" if type(found) in (tuple, list) and all(map(_is_array, found)) else "tree"


def _is_array(found: Any) -> bool:
    return isinstance(found, (Tensor, np.ndarray, np.generic))


# ---- a program as text --------------------------------------------------------------------------


def public_name(operation: Operation) -> str:
    """Return how to write an operation in Python.

    >>> public_name(REGISTRY["numpy.sum"]), public_name(REGISTRY["conv2d"])
    ('np.sum', 'tg.conv2d')
    """
    function = _functions().get(operation)
    module = getattr(function, "__module__", None) or "numpy"
    if function is not None and module.split(".")[0] == "numpy":
        return f"{module.replace('numpy', 'np', 1)}.{function.__name__}"
    if getattr(sys.modules.get("tensorgrad"), operation.name, None) is operation.fun:
        return f"tg.{operation.name}"
    return f"REGISTRY[{operation.name!r}]"


def _text(value: Any) -> str:
    """Return an expression for an argument: the name of a value, or a constant."""
    kind = type(value)
    if kind is Ref:
        return value.name
    if kind is tuple:
        return f"({', '.join(map(_text, value))}{',' if len(value) == 1 else ''})"
    if kind is list:
        return f"[{', '.join(map(_text, value))}]"
    if kind is dict:
        return f"{{{', '.join(f'{literal(name)}: {_text(v)}' for name, v in value.items())}}}"
    return literal(value)


def _imports(steps: Sequence[Step], lines: Sequence[str]) -> list[str]:
    text = "\n".join(lines)
    found = ["import numpy as np"]
    if "tg." in text:
        found.append("import tensorgrad as tg")
    if "flatten(" in text:
        found.append("from tensorgrad.transforms.tree import flatten")
    if "REGISTRY[" not in text:
        return found
    named = {step.operation for step in steps if isinstance(step, Call)}
    modules = {
        getattr(operation.fun, "__module__", None) or "numpy"
        for operation in named
        if public_name(operation).startswith("REGISTRY")
    }
    found.append("from tensorgrad.engine.primitive import REGISTRY")
    # the user's, which register their operations when they are imported
    ours = ("numpy", "tensorgrad", "__main__")
    theirs = sorted(module for module in modules if module.split(".")[0] not in ours)
    return [*found, *(f"import {module}" for module in theirs)]


# ---- how a program is made ----------------------------------------------------------------------


class _Value:
    """A value of a program that is being made.

    It has no name until a step takes it; ``fit`` is the step that makes it, if it is one.
    """

    __slots__ = ("array", "fit", "greatest", "least", "name")

    def __init__(self, array: Array, name: str = "", fit: Fit | None = None) -> None:
        self.array = array
        self.name = name
        self.fit = fit
        self.least: Any = 0.0
        self.greatest: Any = 0.0
        if array.size and array.dtype.kind == "f":
            self.least, self.greatest = array.min(), array.max()

    @property
    def size(self) -> float:
        """The absolute value of the greatest entry."""
        return max(-self.least, self.greatest)

    def lies_in(self, domain: Domain) -> bool:
        """Say whether all entries are safely in a domain."""
        if domain is REAL:  # at whose ends there is nothing special
            return self.size <= 2 * REAL.high
        if domain.step is not None:
            return False
        inside = self.least >= domain.low and self.greatest <= domain.high
        return inside and lies_in(self.array, domain)


class ProgramDraw(NumberDraw):
    """A `tensorgrad.typing.Draw` that gives samples the values of a growing program.

    Shapes are shapes of values that exist, and arrays are such values, where they fit; a value that
    does not is brought into the shape and the domain by a `Fit`, or a new input is made. What is
    taken becomes a part of the program when the sample turns out to use it.

    Parameters
    ----------
    operations
        What steps are made of.
    max_ops
        The greatest number of steps.
    seed
        Of the generator that entries come from.

    Attributes
    ----------
    inputs, steps
        What has been made of the program.
    """

    def __init__(self, operations: Sequence[Operation], max_ops: int, seed: int) -> None:
        super().__init__()
        self.rng = np.random.default_rng(seed)
        self._operations = operations
        # Of which a third of the steps is made, because where values meet, gradients add up.
        self._joins = [op for op in operations if isinstance(op, Binary)] or operations
        self._room = max_ops
        self._numbers: Iterator[int] = iter(())
        self.inputs: list[Array] = []
        self.steps: list[Step] = []
        self._values: list[_Value] = []  # that may be used again, the newest first
        self._taken: dict[int, _Value] = {}  # in this step, by the identity of the array
        self._fits = 0
        self._made = 0

    # ---- numbers ---------------------------------------------------------------------------------

    def integer(self, low: int, high: int) -> int:
        """Take an integer between low and high from the bytes of the step; low after their end."""
        span = high - low + 1
        if span <= 1:
            return low
        number = next(self._numbers, 0)
        reach = 256
        while reach < 4 * span:
            number = 256 * number + next(self._numbers, 0)
            reach *= 256
        return low + number % span

    # ---- what samples ask for --------------------------------------------------------------------

    def shape(
        self, min_ndim: int = 0, max_ndim: int = 3, min_side: int = 0, max_side: int = 4
    ) -> Shape:
        """Draw the shape of a value that exists, or a new one."""
        fitting = [
            shape
            for value in self._values
            if min_ndim <= len(shape := value.array.shape) <= max_ndim
            and all(min_side <= side <= max_side for side in shape)
        ]
        choice = self.integer(0, len(fitting))
        if choice < len(fitting):
            return fitting[choice]
        if self.integer(0, 15) < 15:  # seldom without entries
            min_side, max_side = max(min_side, 1), min(max_side, 3)
        return super().shape(min_ndim, max_ndim, min_side, max(min_side, max_side))

    def broadcastable(self, n: int) -> list[Shape]:
        """Draw n shapes that broadcast together, of values that exist where there are such."""
        common = self.shape()
        shapes = [common]
        for _ in range(n - 1):
            fitting = [
                shape
                for value in self._values
                if (joined := _joined(shape := value.array.shape, common)) is not None
                and prod(joined) <= LARGEST
            ]
            choice = self.integer(0, len(fitting))
            if choice < len(fitting):
                shapes.append(fitting[choice])
            else:
                kept = common[self.integer(0, len(common)) :]
                shapes.append(tuple(side if self.boolean() else 1 for side in kept))
            common = _joined(shapes[-1], common) or ()
        # any of them may be the one that is broadcast
        return [shapes[i] for i in self.permutation(n)]

    def array(self, shape: Shape, domain: Domain = REAL) -> Array:
        """Take a value of this shape, fit one to it, or make a new input."""
        shape = tuple(shape)
        options: list[_Value | None] = [v for v in self._values if v.array.shape == shape]
        options.append(None)
        options += [  # an argument may be the same new input as the one before it
            value
            for value in self._taken.values()
            if not value.name and value.fit is None and value.array.shape == shape
        ]
        if prod(shape) and self._can_fit():  # gathered entries make any shape of any value
            options += [v for v in self._values if v.array.shape != shape][:1]
        found = self.choice(options)
        if found is not None and (found.array.shape != shape or not found.lies_in(domain)):
            found = self._fitted(found, shape, domain) if found.name and self._can_fit() else None
        if found is None:
            found = _Value(np.asarray(self._entries(shape, domain), float).round(2)[...])
        self._taken[id(found.array)] = found
        return found.array

    def _can_fit(self) -> bool:
        return self._fits + 1 < self._room - len(self.steps)

    def _fitted(self, value: _Value, shape: Shape, domain: Domain) -> _Value:
        self._fits += 1
        places = None
        if value.array.shape != shape:
            places = self.rng.integers(0, value.array.size, shape)
        size = value.size
        # small values stay small: they may be differences, which are steep beside their size
        scale = 2.0 ** round(log2(size)) if size > 2 else 1.0
        middle, radius = self._disc(shape, domain)
        fit = Fit(Ref(value.name), places, scale, middle, radius, ("",))
        return _Value(np.asarray(fit(value.array)), fit=fit)

    def _disc(self, shape: Shape, domain: Domain) -> tuple[Any, float]:
        """Return the middle and radius of an interval of a domain; for each entry, if need be."""
        if domain.step is not None:
            return self._entries(shape, domain), domain.step / 8
        if domain.distinct:
            return self._entries(shape, domain).round(2), GAP / 8
        bounds = [domain.low, *(p for a in sorted(domain.avoid) for p in (a - MARGIN, a + MARGIN))]
        bounds.append(domain.high)
        low, high = self.choice(
            [(a, b) for a, b in zip(bounds[::2], bounds[1::2], strict=True) if a <= b][::-1]
        )
        return round((low + high) / 2, 3), round((high - low) / 2, 3)

    # ---- steps -----------------------------------------------------------------------------------

    def step(self, numbers: Iterable[int]) -> None:
        """Add an operation, applied to what there is, unless no value of the program goes in."""
        if len(self.steps) >= self._room:
            return
        self._numbers = iter(numbers)
        self._taken, self._fits = {}, 0
        operation = self.choice(self._operations if self.integer(0, 2) else self._joins)
        given, params = operation.samples(self)
        args = self._refer(given)
        named = self._refer(params) if operation.kind == "composite" else params
        if next(_names((args, named)), None) is None:
            return
        found = operation.reference(*given, **params)
        results = tuple([self._result(leaf) for leaf in _leaves(found)])
        self.steps.append(Call(operation, args, named, results, _form(found)))

    def _refer(self, arguments: Any) -> Any:
        kind = type(arguments)
        if kind is np.ndarray:
            value = self._taken.get(id(arguments))
            return arguments if value is None else Ref(self._name(value))
        if kind is tuple or kind is list:
            return kind([self._refer(argument) for argument in arguments])
        if kind is dict:
            return {name: self._refer(argument) for name, argument in arguments.items()}
        return arguments

    def _name(self, value: _Value) -> str:
        """Return the name of a value, which now becomes a part of the program if it is none yet."""
        if not value.name:
            if value.fit is None:
                value.name = f"x{len(self.inputs)}"
                self.inputs.append(value.array)
            else:
                value.name = self._new_name()
                self.steps.append(replace(value.fit, results=(value.name,)))
            self._keep(value)
        return value.name

    def _new_name(self) -> str:
        self._made += 1
        return f"v{self._made - 1}"

    def _keep(self, value: _Value) -> None:
        if 0 < value.array.size <= LARGEST:
            self._values.insert(0, value)

    def _result(self, leaf: Any) -> str | None:
        if getattr(leaf, "dtype", np.dtype(bool)).kind not in "fc":
            return None
        value = _Value(np.array(leaf), self._new_name())
        if value.array.dtype == np.float64:
            self._keep(value)
        return value.name


def _joined(one: Shape, other: Shape) -> Shape | None:
    """Return the shape that two broadcast to; None where they do not."""
    if len(one) < len(other):
        one, other = other, one
    sides = list(one)
    for i in range(1, len(other) + 1):
        if sides[-i] == 1:
            sides[-i] = other[-i]
        elif other[-i] not in (1, sides[-i]):
            return None
    return tuple(sides)


def differentiable_operations() -> list[Operation]:
    """Return the operations of the registry that have derivatives, the simplest first.

    A program that shrinks becomes one of additions, if it can.
    """
    operations = [operation for operation in REGISTRY.values() if operation.differentiable]
    return sorted(
        operations,
        key=lambda op: (
            not isinstance(op, Binary),
            not isinstance(op, Unary),
            op.kind == "composite",
            op.name,
        ),
    )


def build(
    seed: int, genes: Iterable[Iterable[int]], operations: Sequence[Operation], max_ops: int
) -> Program:
    """Return the program that numbers below 256 stand for: some for each step.

    It has at most max_ops steps; fewer than genes where a sample has no use for an array. The seed
    is that of the entries.
    """
    draw = ProgramDraw(operations, max_ops, seed)
    for numbers in genes:
        draw.step(numbers)
    return Program(tuple(draw.inputs), tuple(draw.steps))


def random_program(
    seed: int, operations: Sequence[Operation] | None = None, max_ops: int = 8
) -> Program:
    """Return a program of some of the operations: the same one for the same seed.

    >>> random_program(0, [REGISTRY["sin"], REGISTRY["add"]], max_ops=3)
    <Program sin add add; inputs [1], [1], [1]>
    """
    rng = np.random.default_rng(seed)
    genes = [rng.bytes(GENES) for _ in range(max_ops)]
    return build(seed, genes, operations or differentiable_operations(), max_ops)


# ---- the quick check ----------------------------------------------------------------------------


def check(program: Program, *, order: int = 1) -> None:
    """Raise AssertionError unless the values and derivatives of a program are right.

    Values are compared with those of the reference implementations; both modes with their
    derivative along one direction, found by a complex step where every operation allows it, else
    by differences. At order 2 the same is done for the gradient.
    """
    rng = np.random.default_rng(0)
    ts = _directions(program.inputs, rng)
    # one recording for what vjp and jvp would each make their own for
    run = record("check", program.run, dict(enumerate(program.inputs)), has_aux=False)
    values = [y.numpy() if isinstance(y, Tensor) else y for y in run.outputs]
    gs = tuple(_vector_like(y, rng) for y in values)
    gradient = pull_back("check", run, gs)
    _require_same_spaces(gradient, program.inputs)
    tangents = forward(run.inputs, ts, [end for end in run.ends if end is not None])
    slopes = [
        tangents[end] if end in tangents else np.zeros(y.shape, y.dtype)
        for end, y in zip(run.ends, values, strict=True)
    ]
    if program.holomorphic:
        expected, oracle = complex_step(program, ts)
        _compare(slopes, gs, gradient, ts, oracle, EXACT)
    else:
        expected = program.reference()
        _with_shorter_steps(
            lambda step, tolerance: _compare(
                slopes, gs, gradient, ts, differences(program, ts, step), tolerance
            )
        )
    _require_close(values, expected, EXACT, 1.0, "value")
    if order > 1:
        _check_second(program, gs, ts)


def _check_second(program: Program, gs: Sequence[Array], ts: Sequence[Array]) -> None:
    """Compare Hessian-vector products in two modes with differences of gradients."""

    def gradient(*xs: Any) -> Any:
        return vjp(program.run, *xs)[1](gs)

    def along(*xs: Any) -> Any:
        slope = jvp(program.run, xs, ts)[1]
        return sum(np.sum(np.real(np.conj(g) * dy)) for g, dy in zip(gs, slope, strict=True))

    _, pushed = jvp(gradient, program.inputs, ts)
    _require_same_spaces(pushed, program.inputs)
    pulled = vjp(along, *program.inputs)[1](1.0)

    def compare(step: float, tolerance: float) -> None:
        oracle, scale = _central(gradient, program.inputs, ts, step)
        _require_close(pushed, oracle, tolerance, scale, "second order, forward over reverse")
        _require_close(pulled, oracle, tolerance, scale, "second order, reverse over forward")

    _with_shorter_steps(compare)


def _with_shorter_steps(compare: Callable[[float, float], None]) -> None:
    """Compare with differences: with shorter and less exact ones where the first do not agree."""
    for step, tolerance in STEPS[:-1]:
        try:
            return compare(step, tolerance)
        except AssertionError:
            pass
    return compare(*STEPS[-1])


class Slopes(NamedTuple):
    """Derivatives in a direction, and the absolute value of the greatest entry on the way."""

    values: list[Array]
    scale: float


def complex_step(program: Program, ts: Sequence[Array]) -> tuple[tuple[Array, ...], Slopes]:
    """Return the results, and their derivatives in a direction."""
    inputs = [x + TINY * 1j * t for x, t in zip(program.inputs, ts, strict=True)]
    values = program.evaluate(inputs, _reference)
    tangents = {name: np.imag(value) / TINY for name, value in values.items()}
    results = tuple(np.real(values[name]) for name in program.sinks)
    return results, Slopes([tangents[name] for name in program.sinks], _greatest(tangents.values()))


def differences(program: Program, ts: Sequence[Array], step: float) -> Slopes:
    """Return the derivatives of the results in a direction."""
    names: list[str] = []

    def function(*xs: Array) -> list[Array]:
        values = program.evaluate(xs, _reference)
        names[:] = values
        return list(values.values())

    tangents, scale = _central(function, program.inputs, ts, step)
    by_name = dict(zip(names, tangents, strict=True))
    return Slopes([by_name[name] for name in program.sinks], scale)


def _central(
    f: Callable[..., Sequence[Array]], xs: Sequence[Array], ts: Sequence[Array], step: float
) -> Slopes:
    # f'(x) = (8 (f(x + h) - f(x - h)) - (f(x + 2h) - f(x - 2h))) / 12 h + O(h^4)
    a, b, c, d = (
        f(*(x + k * step * t for x, t in zip(xs, ts, strict=True))) for k in (1, -1, 2, -2)
    )
    found = [(8 * (p - q) - (r - s)) / (12 * step) for p, q, r, s in zip(a, b, c, d, strict=True)]
    return Slopes(found, _greatest([*found, *a]))


def _greatest(arrays: Iterable[Array]) -> float:
    return max((float(abs(x).max()) for x in arrays if x.size), default=0.0)


def _directions(xs: Sequence[Array], rng: np.random.Generator) -> tuple[Array, ...]:
    return tuple(rng.uniform(-1, 1, x.shape) for x in xs)


def _vector_like(y: Array, rng: np.random.Generator) -> Array:
    g = rng.standard_normal(y.shape)
    return g + 1j * rng.standard_normal(y.shape) if y.dtype.kind == "c" else g


def _inner(xs: Sequence[Array], ys: Sequence[Array]) -> tuple[float, float]:
    """Return the inner product of two vectors, and the sum of the sizes of what is summed."""
    products = [np.real(np.conj(x) * y) for x, y in zip(xs, ys, strict=True)]
    return float(sum(map(np.sum, products))), float(sum(np.sum(abs(p)) for p in products))


def _compare(
    slopes: Sequence[Array],
    gs: Sequence[Array],
    gradient: Sequence[Array],
    ts: Sequence[Array],
    oracle: Slopes,
    tolerance: float,
) -> None:
    _require_close(slopes, oracle.values, tolerance, oracle.scale, "forward mode")
    left, size = _inner(gs, oracle.values)
    right, other_size = _inner(gradient, ts)
    bound = tolerance * max(1.0, oracle.scale, size, other_size)
    assert abs(left - right) <= bound, f"reverse mode: <gradient, t> = {right}, expected {left}"


def _require_close(
    found: Sequence[Any], expected: Sequence[Any], tolerance: float, scale: float, what: str
) -> None:
    for i, (a, b) in enumerate(zip(found, expected, strict=True)):
        assert a.shape == b.shape, f"{what}: result {i} of shape {a.shape}, expected {b.shape}"
        bound = tolerance * max(1.0, scale, _greatest([b]))
        assert (abs(a - b) <= bound).all(), f"{what}: result {i} is {a}, expected {b}"


def _require_same_spaces(found: Sequence[Any], expected: Sequence[Any]) -> None:
    spaces = [[(x.shape, x.dtype) for x in xs] for xs in (found, expected)]
    assert spaces[0] == spaces[1], f"gradients in {spaces[0]}, of inputs in {spaces[1]}"


@cache
def takes_complex_steps(operation: Operation) -> bool:
    """Return whether complex steps through an operation's reference give its derivative.

    It is tried: on programs of this operation alone, against differences.
    """
    rng = np.random.default_rng(0)
    for _ in range(TRIALS):
        program = build(0, [rng.bytes(GENES)], [operation], 1)
        ts = _directions(program.inputs, rng)
        try:
            with catch_warnings(action="error"):
                values, slopes = complex_step(program, ts)
            _require_close(values, program.reference(), EXACT, 1.0, "value")
            measured = differences(program, ts, STEPS[0][0])
            _require_close(slopes.values, measured.values, 1e-7, slopes.scale, "slope")
        except (AssertionError, ArithmeticError, TypeError, ValueError, Warning):
            return False
    return True
