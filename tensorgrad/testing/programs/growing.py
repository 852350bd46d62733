"""Random programs, with fan-out, of any registered operations.

A program is made from the operations' own samples, which are handed a `Draw` that gives them values
computed earlier where it can. So any operation of the registry takes part, a user's too.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from math import log2, prod
from types import FunctionType
from typing import Any

import numpy as np

from tensorgrad.engine.primitive import REGISTRY, Binary, Operation, Unary
from tensorgrad.testing.draw import GAP, MARGIN, NumberDraw, lies_in
from tensorgrad.testing.literal import Ref
from tensorgrad.testing.programs.program import (
    Call,
    Fit,
    Program,
    Step,
    form_of,
    leaves_of,
)
from tensorgrad.transforms.tree import flatten
from tensorgrad.typing import REAL, Array, Domain, Shape

# Larger values, and those without entries, are results of a program but go into nothing else.
LARGEST = 48
# Bytes from which a step is made: more than most samples ask for.
GENES = 40


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
            found = _Value(self._entries(shape, domain))
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
            return self._entries(shape, domain), GAP / 8
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
        # few functions of NumPy look for a tensor among their keywords
        if not self._takes(given) or not _can_be_written((given, params)):
            return
        args = self._refer(given)
        named = self._refer(params) if operation.kind == "composite" else params
        found = operation.reference(*given, **params)
        results = tuple([self._result(leaf) for leaf in leaves_of(found)])
        self.steps.append(Call(operation, args, named, results, form_of(found)))

    def _takes(self, arguments: Any) -> bool:
        """Whether a value of the program is among the arguments."""
        return any(id(leaf) in self._taken for leaf in flatten(arguments)[0])

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


def _can_be_written(arguments: Any) -> bool:
    """Whether arguments are none of the functions that only a sample knows."""
    return not any(type(leaf) is FunctionType for leaf in flatten(arguments)[0])


def differentiable_operations() -> list[Operation]:
    """Return the operations of the registry that have derivatives, the simplest first.

    A program that shrinks becomes one of additions, if it can. Special functions are left out: they
    are registered or not, by whether one was called before.
    """
    operations = [
        operation
        for operation in REGISTRY.values()
        if operation.differentiable and not operation.name.startswith("special.")
    ]
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
