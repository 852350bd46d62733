"""Differentiable programs: straight lines of registered operations, and how they read as Python.

Beside it, `growing` makes random ones and `quick` checks them.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from inspect import signature
from typing import Any

import numpy as np

from tensorgrad.engine.graph import ancestors
from tensorgrad.engine.primitive import NUMPY, Operation
from tensorgrad.engine.tensor import Tensor, tensor
from tensorgrad.testing.literal import Ref, literal
from tensorgrad.transforms.tree import flatten
from tensorgrad.typing import Array
from tensorgrad.visualize.graph import graph

# ---- what a program is --------------------------------------------------------------------------

# Of a program, by their names.
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
        return names_in((self.args, self.params))

    def run(self, values: Values, function: Callable[..., Any]) -> None:
        """Apply a function to the arguments, and put its results among the values."""
        params = self.params and _look_up(self.params, values)
        found = function(*_look_up(self.args, values), **params)
        for name, value in zip(self.results, leaves_of(found), strict=True):
            if name is not None:
                values[name] = value

    def function(self) -> Callable[..., Any] | None:
        """Return the function of NumPy that hands such a call on to the operation, if one does."""
        function = _functions().get(self.operation)
        if function is None or isinstance(function, np.ufunc):
            return function
        # those that make arrays look only at ``like``
        return None if "like" in signature(function).parameters else function

    def public_name(self) -> str:
        """Return how to write the function in Python."""
        if self.function() is None and self.operation in _functions():
            return f"REGISTRY[{self.operation.name!r}]"
        return public_name(self.operation)

    def source(self) -> str:
        """Return a line of Python."""
        given = [literal(arg) for arg in self.args]
        given += [f"{name}={literal(value)}" for name, value in self.params.items()]
        left = ", ".join(name or "_" for name in self.results)
        if self.form != "array" and len(self.results) == 1:
            left += ","
        call = f"{self.public_name()}({', '.join(given)})"
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
    >>> from tensorgrad.testing.programs.growing import random_program
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

    def run(self, *inputs: Any) -> tuple[Any, ...]:
        """Evaluate it on arrays or Tensors; without any, on its own inputs."""
        return self._results(self.evaluate(inputs or self.inputs, surface))

    def reference(self, *inputs: Any) -> tuple[Array, ...]:
        """Evaluate it on arrays with the independent implementations of its operations."""
        return self._results(self.evaluate(inputs or self.inputs, reference))

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
        named: dict[str, Any] = {n: x for n, x in leaves.items() if x._node in reached}
        return graph(*recorded, **named)

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
    return step.function() or step.operation


def reference(step: Step) -> Callable[..., Any]:
    """Return the independent implementation; of a fit, which has none, the fit itself."""
    return step if isinstance(step, Fit) else step.operation.reference


def names_in(arguments: Any) -> Iterator[str]:
    """Go through the names of the values among arguments."""
    if type(arguments) is Ref:
        yield arguments.name
    elif type(arguments) in (tuple, list):
        for argument in arguments:
            yield from names_in(argument)
    elif type(arguments) is dict:
        yield from names_in(list(arguments.values()))


def _look_up(arguments: Any, values: Values) -> Any:
    kind = type(arguments)
    if kind is Ref:
        return values[arguments.name]
    if kind is tuple or kind is list:
        return kind([_look_up(argument, values) for argument in arguments])
    if kind is dict:
        return {name: _look_up(argument, values) for name, argument in arguments.items()}
    return arguments


def leaves_of(found: Any) -> Sequence[Any]:
    """Return what an operation returned, without the container."""
    return (found,) if _is_array(found) else flatten(found)[0]


def form_of(found: Any) -> str:
    """Return the ``form`` of a call that returned this."""
    if _is_array(found):
        return "array"
    return "sequence" if type(found) in (tuple, list) and all(map(_is_array, found)) else "tree"


def _is_array(found: Any) -> bool:
    return isinstance(found, (Tensor, np.ndarray, np.generic))


# ---- a program as text --------------------------------------------------------------------------


def public_name(operation: Operation) -> str:
    """Return how to write an operation in Python.

    >>> from tensorgrad.engine.primitive import REGISTRY
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


def _imports(steps: Sequence[Step], lines: Sequence[str]) -> list[str]:
    text = "\n".join(lines)
    found = ["import numpy as np"]
    if "tg." in text:
        found.append("import tensorgrad as tg")
    if "flatten(" in text:
        found.append("from tensorgrad.transforms.tree import flatten")
    if "REGISTRY[" not in text:
        return found
    modules = {
        getattr(step.operation.fun, "__module__", None) or "numpy"
        for step in steps
        if isinstance(step, Call) and step.public_name().startswith("REGISTRY")
    }
    found.append("from tensorgrad.engine.primitive import REGISTRY")
    # the user's, which register their operations when they are imported
    ours = ("numpy", "tensorgrad", "__main__")
    theirs = sorted(module for module in modules if module.split(".")[0] not in ours)
    return [*found, *(f"import {module}" for module in theirs)]
