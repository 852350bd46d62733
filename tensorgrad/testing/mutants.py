"""Planted errors: the proof that the tests of derivatives find what is wrong.

A `Mutant` is one error, with a way to plant it and to take it out again. `generic` makes them of
the rules of any operation: negated, one entry dropped, in half the precision, and so on. `kills`
counts the examples that the laws need to find one; `differs` tells whether there is anything to
find. `score` and `assert_kills` do both for all of an operation, also one of your own.

Errors as people make them, in rules and in the engine, are in `tensorgrad.testing.handwritten`.
"""

import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from types import FunctionType
from typing import Any, NoReturn

import numpy as np

from tensorgrad.engine.primitive import NUMPY, REGISTRY, Compiled, Every, Operation, Primitive, Rule
from tensorgrad.engine.tensor import Tensor, tensor
from tensorgrad.errors import explain
from tensorgrad.testing.draw import RandomDraw
from tensorgrad.testing.functions import pulled_back
from tensorgrad.testing.laws import LAWS, as_function, check, takes_complex, vectors_like
from tensorgrad.testing.programs.growing import random_program
from tensorgrad.testing.programs.quick import check_program
from tensorgrad.transforms import jvp, vjp
from tensorgrad.typing import Array

Plant = Callable[[], AbstractContextManager[None]]
# Makes a wrong rule of a right one.
Mutation = Callable[[Compiled], Compiled]


@dataclass(frozen=True)
class Mutant:
    """One planted error.

    Attributes
    ----------
    name
        What is wrong.
    shows
        The condition under which somebody could notice.
    plant
        Returns a context manager, inside of which the error is there. Plant before you record:
        it holds for all threads.
    operation
        The operation to try; None for an error of the engine, to be found by random programs.
    """

    name: str
    shows: str
    plant: Plant
    operation: Operation | None = None


@dataclass(frozen=True)
class Kill:
    """How many examples were needed to find an error, and the law that did not hold."""

    examples: int
    law: str


# ---- planting -----------------------------------------------------------------------------------


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Give an object another attribute for a while."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def mutated(
    primitive: Primitive, mutation: Mutation, mode: str = "vjp", argnum: int = 0
) -> AbstractContextManager[None]:
    """Make one rule of an operation wrong for a while."""
    rules = getattr(primitive, f"{mode}s")
    wrong = mutation(rules[argnum])
    if isinstance(rules, Every):
        return replaced(rules, "rule", wrong)
    return replaced(primitive, f"{mode}s", (*rules[:argnum], wrong, *rules[argnum + 1 :]))


@contextmanager
def edited(function: Callable[..., Any], old: str, new: str) -> Iterator[None]:
    """Change the source of a function for a while, wherever it has been imported to."""
    forget = getattr(function, "cache_clear", lambda: None)
    function = inspect.unwrap(function)
    assert isinstance(function, FunctionType)
    source = textwrap.dedent(inspect.getsource(function))
    *_, source = re.split(r"^(?=def )", source, maxsplit=1, flags=re.MULTILINE)  # no decorators
    if source.count(old) != 1:
        raise ValueError(f"{function.__qualname__} has {old!r} {source.count(old)} times, not once")
    namespace: dict[str, Any] = {}
    exec(source.replace(old, new), dict(function.__globals__), namespace)
    with replaced(function, "__code__", namespace[function.__name__].__code__):
        forget()
        yield
    forget()


def rewritten(
    primitive: Primitive, formula: Callable[..., Any], argnum: int = 0, modes: str = "vjp"
) -> Plant:
    """Return the planting of another formula as the rule of one argument, in one or more modes."""
    wrong = Rule.read(formula, primitive.arrays, primitive.name).compile(primitive.layout)

    @contextmanager
    def plant() -> Iterator[None]:
        with ExitStack() as stack:
            for mode in modes.split():
                stack.enter_context(mutated(primitive, lambda _: wrong, mode, argnum))
            yield

    return plant


@contextmanager
def unlisted() -> Iterator[None]:
    """Take the operations that are declared inside out of the registry again."""
    tables: tuple[dict[Any, Operation], ...] = (REGISTRY, NUMPY)
    before = [(table, dict(table)) for table in tables]
    try:
        yield
    finally:
        for table, content in before:
            table.clear()
            table.update(content)


# ---- mutations of any rule ----------------------------------------------------------------------


def _result(change: Callable[[Any], Any]) -> Mutation:
    return lambda rule: lambda g, saved, params, argnum: change(rule(g, saved, params, argnum))


def _without_last(r: Any) -> Any:
    kept: Array = np.ones(np.shape(r), dtype=bool)
    kept.reshape(-1)[-1:] = False
    return r * kept


def _transposed(r: Any) -> Any:
    return np.swapaxes(r, -1, -2) if r.ndim > 1 and r.shape[-1] == r.shape[-2] else r


# NumPy has no complex numbers below complex64
HALF = {"float64": np.float32, "complex128": np.complex64, "float32": np.float16}


def _halved(r: Any) -> Any:
    return r.astype(HALF[r.dtype.name]) if r.dtype.name in HALF else r


def _overwriting(rule: Compiled) -> Compiled:
    def wrong(g: Array, saved: Any, params: dict[str, Any], argnum: int) -> Array:
        r = np.copy(rule(g, saved, params, argnum))  # it may be g itself
        g *= 2
        return r

    return wrong


def _reusing_its_buffer(rule: Compiled) -> Compiled:
    buffers: dict[Any, Array] = {}

    def wrong(g: Array, saved: Any, params: dict[str, Any], argnum: int) -> Array:
        r = rule(g, saved, params, argnum)
        if type(r) is not np.ndarray:
            return r
        buffer = buffers.setdefault((r.shape, r.dtype), np.empty_like(r))
        buffer[...] = r
        return buffer

    return wrong


def in_memory_order(g: Any) -> Any:
    """Read an array as if its entries lay in memory in the order of its axes."""
    return g.ravel("K").reshape(g.shape) if isinstance(g, np.ndarray) else g


def _ignoring_strides(rule: Compiled) -> Compiled:
    return lambda g, saved, params, argnum: rule(in_memory_order(g), saved, params, argnum)


MUTATIONS: dict[str, Mutation] = {
    "negated": _result(lambda r: -r),
    "doubled": _result(lambda r: 2 * r),
    "off by a millionth": _result(lambda r: r + 1e-6 * np.abs(r)),
    "one entry dropped": _result(_without_last),
    "rolled along the last axis": _result(lambda r: np.roll(r, 1, -1) if np.ndim(r) else r),
    "transposed where square": _result(_transposed),
    "detached": _result(lambda r: r.detach() if isinstance(r, Tensor) else r),
    "in half the precision": _result(_halved),
    "overwriting what it is given": _overwriting,
    "reusing the memory of its result": _reusing_its_buffer,
    "ignoring strides": _ignoring_strides,
}


def generic(primitive: Primitive) -> list[Mutant]:
    """Return every mutation of every rule of an operation.

    Examples
    --------
    >>> from tensorgrad.engine.primitive import REGISTRY
    >>> len(generic(REGISTRY["sin"])) == 2 * len(MUTATIONS)  # one rule for each mode
    True
    >>> generic(REGISTRY["sin"])[0].name
    'sin: vjp by x negated'
    """
    found = []
    for mode in ("vjp", "jvp"):
        rules = getattr(primitive, f"{mode}s")
        places = range(1) if isinstance(rules, Every) else range(len(rules))
        for argnum in (i for i in places if _returns(primitive.rules[mode][i])):
            for name, mutation in MUTATIONS.items():
                found.append(
                    Mutant(
                        f"{primitive.name}: {mode} by {primitive.arrays[argnum]} {name}",
                        "unless equivalent",
                        partial(mutated, primitive, mutation, mode, argnum),
                        primitive,
                    )
                )
    return found


def _returns(rule: Rule | None) -> bool:
    """Return whether there is a rule to spoil, and not one that only raises."""
    return rule is not None and rule.formula.__annotations__.get("return") is not NoReturn


# ---- whether there is anything to find ----------------------------------------------------------


@np.errstate(all="ignore")  # whole numbers may lie outside of the domain
def _observed(operation: Operation, seed: int) -> list[Array]:
    """Return all that a user could see of an operation's derivatives, on one case drawn for it."""
    dtypes = [("f8",), ("f4",), ("f8", "c16") if takes_complex(operation) else ("f8", "f4")]
    # whole numbers, whatever the domain: entries tie, and some are where a derivative jumps
    draw = RandomDraw(seed, dtypes[seed % 3], integers=seed % 4 == 3)
    f, xs = as_function(operation, operation, *operation.samples(draw))

    n = len(xs)
    ys = f(*xs)
    us = vectors_like(ys, draw.rng)

    def program(*zs: Any) -> tuple[Any, ...]:
        # once beside another use of its cotangent, which is not in the order of memory; and by each
        # argument alone, twice
        once, again, more, others = zs[:n], zs[n : 2 * n], zs[2 * n : 3 * n], zs[3 * n :]
        results = [np.transpose(y + u) for y, u in zip(f(*once), others, strict=True)]
        for i in range(n):
            for z in (again[i], more[i]):
                results.extend(f(*xs[:i], z, *xs[i + 1 :]))
        return tuple(results)

    def pushed_forward(*zs: Any) -> tuple[Any, ...]:
        return jvp(f, zs[:n], zs[n:])[1]

    seen: list[Any] = []
    for function, at in (
        (program, (*xs, *xs, *xs, *us)),
        (pulled_back(f, ys), (*xs, *us)),
        (pushed_forward, (*xs, *vectors_like(xs, draw.rng))),
    ):
        ts = _columns_first(vectors_like(at, draw.rng))
        values, dys = jvp(function, at, ts)
        gs = _columns_first(vectors_like(values, draw.rng))
        _, pullback = vjp(function, *at)
        seen += [*values, *dys, *pullback(gs), *pullback(gs), *at, *ts, *gs]
    leaves = [tensor(x, requires_grad=True) for x in (*xs, *xs, *xs, *us)]
    for y in program(*leaves):
        if isinstance(y, Tensor) and y.requires_grad:
            y.backward(np.ones(y.shape, y.dtype), retain_graph=True)
    return [*seen, *(leaf.grad.numpy() for leaf in leaves if leaf.grad is not None)]


def _columns_first(arrays: Iterable[Array]) -> tuple[Array, ...]:
    return tuple(x.copy(order="F") for x in arrays)


@lru_cache(maxsize=1000)
def _observed_unmutated(operation: Operation, seed: int) -> list[Array]:
    return _observed(operation, seed)


def differs(mutant: Mutant, cases: int = 300) -> bool:
    """Return whether a user could see any difference, in any of the cases drawn.

    A mutant without one is equivalent: no test can find it. Values are compared exactly, with their
    shapes and dtypes; what is looked at are values, both modes, ``.backward()``, the second order,
    two uses in one program, cotangents in every order of memory, and the arguments afterwards.
    """
    operation = mutant.operation
    if operation is None:
        raise ValueError(f"{mutant.name}: an error of the engine has no operation to look at")
    for seed in range(cases):
        expected = _observed_unmutated(operation, seed)
        with mutant.plant():
            try:
                found = _observed(operation, seed)
            except Exception:  # a rule that cannot be computed can be seen as well
                return True
        if len(found) != len(expected) or not all(map(_same, found, expected)):
            return True
    return False


def _same(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=True)


# ---- hunting ------------------------------------------------------------------------------------


def objection(operation: Operation | None, seed: int) -> str | None:
    """Return the first law that does not hold for an operation, on cases drawn for one seed.

    Without an operation, try a random program.
    """
    if operation is None:
        try:
            check_program(random_program(seed), order=2)
        except Exception:
            return "programs"
        return None
    for name, law in LAWS.items():
        if operation.kind in law.kinds:
            try:
                check(law, operation, RandomDraw(seed))
            except Exception:  # a rule that cannot be computed is wrong as well
                return name
    return None


def kills(mutant: Mutant, examples: int = 100) -> Kill | None:
    """Return how many examples the laws need to find an error, or None if they do not find it.

    An example is one case for each law.

    Examples
    --------
    >>> from tensorgrad.engine.primitive import REGISTRY
    >>> kills(generic(REGISTRY["sin"])[0])
    Kill(examples=1, law='slope')
    """
    with mutant.plant():
        for seed in range(examples):
            law = objection(mutant.operation, seed)
            if law is not None:
                return Kill(seed + 1, law)
    return None


@dataclass(frozen=True)
class Score:
    """What became of the mutants of an operation.

    Attributes
    ----------
    killed
        How many examples each needed, and which law it broke, by the name of the mutant.
    equivalent
        The names of those that nobody could tell from the operation, on cases drawn from its
        samples. Where a whole rule is among them, its samples may never come to where it matters.
    survivors
        The names of those that somebody could, but the laws did not.
    """

    killed: dict[str, Kill]
    equivalent: tuple[str, ...]
    survivors: tuple[str, ...]

    def __str__(self) -> str:
        n = len(self.killed) + len(self.equivalent) + len(self.survivors)
        return "\n".join(
            [
                f"{len(self.killed)} of {n} mutants killed, {len(self.equivalent)} equivalent",
                *(f"    equivalent: {name}" for name in self.equivalent),
                *(f"    survived: {name}" for name in self.survivors),
            ]
        )


def score(primitive: Primitive, examples: int = 100) -> Score:
    """Hunt every generic mutant of an operation, with so many examples at most.

    Examples
    --------
    >>> from tensorgrad.engine.primitive import REGISTRY
    >>> print(score(REGISTRY["tanh"]))
    22 of 22 mutants killed, 0 equivalent
    """
    killed: dict[str, Kill] = {}
    equivalent: list[str] = []
    survivors: list[str] = []
    for mutant in generic(primitive):
        if not differs(mutant):  # asked first: to hunt in vain takes longest
            equivalent.append(mutant.name)
        elif (kill := kills(mutant, examples)) is not None:
            killed[mutant.name] = kill
        else:
            survivors.append(mutant.name)
    return Score(killed, tuple(equivalent), tuple(survivors))


def assert_kills(primitive: Primitive, examples: int = 100) -> Score:
    """Raise unless the laws, on an operation's own samples, find every error in its rules.

    This asks whether the samples are good for anything: laws that hold although a rule is negated,
    or transposed where it is square, were not tried on the cases that would tell.

    Parameters
    ----------
    primitive
        An operation, declared as in `tensorgrad.engine.declare`.
    examples
        How many cases of each law to try.

    Returns
    -------
    Score
        What became of each mutant. Look at those called equivalent.

    Raises
    ------
    AssertionError
        If a law does not hold without any error, or if errors remain that somebody could notice.

    Examples
    --------
    >>> from tensorgrad.engine.primitive import REGISTRY
    >>> assert_kills(REGISTRY["tanh"], examples=30).equivalent
    ()
    """
    for seed in range(examples):
        law = objection(primitive, seed)
        if law is not None:
            raise AssertionError(
                explain(
                    primitive.name,
                    f"The law {law!r} does not hold, and no error is planted yet.",
                    "Correct the operation first.",
                    seed=seed,
                )
            )
    found = score(primitive, examples)
    if found.survivors:
        raise AssertionError(
            explain(
                primitive.name,
                f"No law noticed these errors.\n{found}\n",
                "Let the samples draw cases that tell them from the rule.",
                examples=examples,
            )
        )
    return found
