"""What gradient checks find, and what they object to without reason: ours beside those of others.

``python -m benchmarks.gradient_checks`` prints the tables.
"""

import argparse
import logging
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks import report
from benchmarks.report import row
from tensorgrad.conv.geometry import Geometry
from tensorgrad.engine.backward import backward
from tensorgrad.engine.node import Leaf
from tensorgrad.engine.primitive import REGISTRY, Case, Operation, Primitive
from tensorgrad.engine.tensor import Tensor
from tensorgrad.testing.checks import check_grad
from tensorgrad.testing.draw import RandomDraw
from tensorgrad.testing.handwritten import HANDWRITTEN
from tensorgrad.testing.laws import LAWS, as_function
from tensorgrad.testing.mutants import Mutant, kills, score
from tensorgrad.typing import Array, Domain, Shape

PREFACE = """\
# Gradient checks

Made by `python -m benchmarks.gradient_checks`. {machine}, {versions}.

Each check is given the same gradients, right ones and wrong ones, and is run as it is published, at
its default tolerances, in double precision. To the other libraries a gradient is posed as a
function of NumPy arrays with its vector-Jacobian product (`torch.autograd.Function`,
`jax.custom_vjp` with `pure_callback`, autograd's `primitive` and `defvjp`); they are asked for the
first order in reverse mode. Ours gets the operation, which is what lets it look at float32 and at
memory.
"""
# The first mutants are errors in the rules of single operations; the others need a program, a
# second derivative, or complex numbers.
IN_RULES = HANDWRITTEN[:32]
# What people write down when they test an operation: shapes, and parameters.
TYPICAL: dict[str, tuple[Sequence[Shape], dict[str, Any]]] = {
    "conv": (
        [(2, 3, 5, 5), (4, 3, 3, 3)],
        {
            "geometry": Geometry((1, 1), ((1, 1), (1, 1)), (1, 1), (1, 1), 1),
            "algorithm": "auto",
        },
    ),
    "bias": ([(2, 3, 4, 4), (3,)], {}),
    "multiply": ([(3, 4), (3, 4)], {}),
    "divide": ([(3, 4), (3, 4)], {}),
    "numpy.take": ([(3, 4)], {"indices": [0, 2], "axis": 0}),
    "softmax": ([(3, 4)], {"axis": -1}),
    "max": ([(3, 4)], {"axis": (1,), "keepdims": False}),
    "gelu": ([(3, 4)], {}),
    "matmul": ([(3, 4), (4, 2)], {}),
    "sum": ([(3, 4)], {"axis": (1,), "keepdims": False}),
    "1e-8 sin": ([(3, 4)], {}),
    "dense": ([(2, 64), (64, 64)], {}),
    "leaky_relu": ([(3, 4)], {}),
}

# ---- cases --------------------------------------------------------------------------------------


class NormalDraw(RandomDraw):
    """Draws normal entries; whole numbers half the time where an operation chooses one of them."""

    def __init__(self, seed: int, scaled: bool) -> None:
        super().__init__(seed)
        self.scaled = scaled

    def _entries(self, shape: Shape, domain: Domain) -> Array:
        x = self.rng.standard_normal(shape)
        if domain.distinct and self.boolean():
            x = np.rint(x)
        return x * 10 ** self.rng.uniform(-3, 3) if self.scaled else x


def typical(operation: Operation) -> Case:
    shapes, params = TYPICAL[operation.name]
    rng = np.random.default_rng(0)
    return tuple(rng.standard_normal(shape) for shape in shapes), params


def drawn(operation: Operation, seed: int, *, scaled: bool = False) -> Case:
    """Draw a case that has entries in all arrays."""
    for attempt in count():
        args, params = operation.samples(NormalDraw(seed + 1_000_000 * attempt, scaled))
        arrays = [arg for arg in args if isinstance(arg, np.ndarray)]
        if all(x.size for x in (*arrays, np.asarray(operation.reference(*args, **params)))):
            return args, params
    raise AssertionError


@dataclass(frozen=True)
class Problem:
    """An operation on one case, and the same as a function of arrays with its gradient."""

    operation: Operation
    args: tuple[Any, ...]
    params: dict[str, Any]

    @property
    def xs(self) -> list[Array]:
        return as_function(self.operation, self.operation, self.args, self.params)[1]

    def value(self, *xs: Array) -> Array:
        function, _ = as_function(self.operation.reference, self.operation, self.args, self.params)
        return np.asarray(function(*xs)[0])

    def pullback(self, g: Array, *xs: Array) -> tuple[Array, ...]:
        function, _ = as_function(self.operation, self.operation, self.args, self.params)
        leaves = [Leaf(x) for x in xs]
        (y,) = function(*map(Tensor, xs, leaves))
        found = backward([y._node], [g], leaves)
        return tuple(found[leaf] for leaf in leaves)


# ---- the checks: each returns or raises ---------------------------------------------------------

Check = Callable[[Problem], Any]


def ours(problem: Problem) -> None:
    operation, args, params = problem.operation, problem.args, problem.params
    function, xs = as_function(operation, operation, args, params)
    check_grad(function, *xs)
    rng = np.random.default_rng(0)
    for law in ("layouts", "ownership"):
        LAWS[law].holds(operation, args, params, rng)
    first, *rest = args
    LAWS["spaces"].holds(operation, (first.astype(np.float32), *rest), params, rng)


def torch_check(*, fast: bool) -> Check:
    import torch

    def check(problem: Problem) -> None:
        class Posed(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, *ts: Any) -> Any:
                ctx.save_for_backward(*ts)
                return torch.tensor(problem.value(*(t.detach().numpy() for t in ts)))

            @staticmethod
            def backward(ctx: Any, g: Any) -> Any:
                xs = [t.detach().numpy() for t in ctx.saved_tensors]
                return tuple(torch.tensor(np.array(x)) for x in problem.pullback(g.numpy(), *xs))

        ts = [torch.tensor(x, requires_grad=True) for x in problem.xs]
        torch.autograd.gradcheck(Posed.apply, ts, fast_mode=fast)

    return check


def jax_check() -> Check:
    import jax
    from jax.test_util import check_grads

    jax.config.update("jax_enable_x64", True)
    logging.getLogger("jax").setLevel(logging.CRITICAL)  # it reports what rules raise

    # XLA compiles each function that it calls back once for each shape, so these stay the same
    problem: Problem

    def value(*xs: Any) -> Array:
        return problem.value(*map(np.asarray, xs))

    def pullback(g: Any, *xs: Any) -> tuple[Array, ...]:
        return problem.pullback(np.asarray(g), *map(np.asarray, xs))

    def like(x: Any) -> Any:
        return jax.ShapeDtypeStruct(x.shape, x.dtype)

    @jax.custom_vjp
    def posed(*xs: Any) -> Any:
        return jax.pure_callback(value, like(problem.value(*problem.xs)), *xs)

    def pull_back(xs: Any, g: Any) -> Any:
        return jax.pure_callback(pullback, tuple(map(like, xs)), g, *xs)

    posed.defvjp(lambda *xs: (posed(*xs), xs), pull_back)

    def check(given: Problem) -> None:
        nonlocal problem
        problem = given
        check_grads(posed, tuple(problem.xs), order=1, modes=("rev",))

    return check


def autograd_check() -> Check:
    from autograd.extend import defvjp, primitive
    from autograd.test_util import check_grads

    def check(problem: Problem) -> None:
        def part(i: int) -> Callable[..., Any]:
            return lambda _ans, *xs: lambda g: problem.pullback(g, *xs)[i]

        posed = primitive(problem.value)
        defvjp(posed, *map(part, range(len(problem.xs))))
        np.random.seed(0)  # noqa: NPY002  (its directions are drawn from there)
        argnums = tuple(range(len(problem.xs))) if len(problem.xs) > 1 else 0
        check_grads(posed, argnums, modes=["rev"], order=1)(*problem.xs)

    return check


# by name: the package, and what makes the check
CHECKS: dict[str, tuple[str, Callable[[], Check]]] = {
    "tensorgrad": ("tensorgrad", lambda: ours),
    "torch gradcheck": ("torch", lambda: torch_check(fast=False)),
    "torch gradcheck, fast": ("torch", lambda: torch_check(fast=True)),
    "jax check_grads": ("jax", jax_check),
    "autograd check_grads": ("autograd", autograd_check),
}


class Judge:
    """A check with what it has cost so far."""

    def __init__(self, check: Check) -> None:
        self.check = check
        self.seconds: list[float] = []

    def objects(self, problem: Problem) -> bool:
        """Whether it does not accept a gradient; an error in computing it counts as well."""
        begin = time.perf_counter()
        try:
            with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
                self.check(problem)
        except Exception:
            return True
        finally:
            self.seconds.append(time.perf_counter() - begin)
        return False

    def first_objection(self, mutant: Mutant, cases: Sequence[Case]) -> int | None:
        """Return how many of the cases it needs to find an error."""
        assert mutant.operation is not None
        for number, case in enumerate(cases, 1):
            with mutant.plant():
                if self.objects(Problem(mutant.operation, *case)):
                    return number
        return None


# ---- the tables ---------------------------------------------------------------------------------


def side_by_side(names: Sequence[str], examples: int) -> Iterator[str]:
    """Plant the errors in rules, and none at all, and ask every check."""
    judges = {name: Judge(CHECKS[name][1]()) for name in names}
    operations = list(dict.fromkeys(m.operation for m in IN_RULES if m.operation))
    cases = {op: [drawn(op, seed) for seed in range(examples)] for op in operations}
    scaled = {op: [drawn(op, seed, scaled=True) for seed in range(examples)] for op in operations}
    fixed = {
        name: [judge.first_objection(m, [typical(m.operation)]) for m in IN_RULES]
        for name, judge in judges.items()
    }
    generated = {
        name: [judge.first_objection(m, cases[m.operation]) for m in IN_RULES]
        for name, judge in judges.items()
    }
    alarms = {
        name: [
            [sum(judge.objects(Problem(op, *case)) for case in some[op]) for op in operations]
            for some in (cases, scaled)
        ]
        for name, judge in judges.items()
    }
    yield f"## {len(IN_RULES)} errors in rules, and {len(operations)} right ones\n"
    yield row(["", *names])
    yield row(["---", *("---:" for _ in names)])
    yield row(["found on one typical case", *(_found(fixed[name]) for name in names)])
    yield row(
        [f"found on up to {examples} drawn ones", *(_found(generated[name]) for name in names)]
    )
    yield row(["examples needed: median", *(_needed(generated[name], median) for name in names)])
    yield row(["examples needed: most", *(_needed(generated[name], max) for name in names)])
    n = examples * len(operations)
    for kind, title in enumerate(("normal", "scaled by 10**U(-3, 3)")):
        cells = (str(sum(alarms[name][kind])) for name in names)
        yield row([f"false alarms in {n}, {title}", *cells])
    yield row(
        ["milliseconds a check", *(f"{1e3 * median(j.seconds):.2g}" for j in judges.values())]
    )
    yield "\nOn the typical case, and the drawn one that told:\n"
    yield row(["error", "can be seen", *names])
    yield row(["---", "---", *("---:" for _ in names)])
    for i, mutant in enumerate(IN_RULES):
        cells = (f"{_mark(fixed[name][i])} / {generated[name][i] or '-'}" for name in names)
        yield row([mutant.name, mutant.shows, *cells])
    yield "\nFalse alarms, normal and scaled:\n"
    yield row(["right rule", *names])
    yield row(["---", *("---:" for _ in names)])
    for i, operation in enumerate(operations):
        cells = (f"{alarms[name][0][i]} / {alarms[name][1][i]}" for name in names)
        yield row([operation.name, *cells])


def _mark(needed: int | None) -> str:
    return "found" if needed else "-"


def _found(needed: Sequence[int | None]) -> str:
    return str(sum(n is not None for n in needed))


def _needed(needed: Sequence[int | None], statistic: Callable[[list[int]], float]) -> str:
    return f"{statistic([n for n in needed if n is not None]):g}"


def kill_rate(examples: int, every: int) -> Iterator[str]:
    """Plant every mutation in every rule of (every n-th operation of) the registry."""
    begin = time.perf_counter()
    primitives = [p for p in REGISTRY.values() if isinstance(p, Primitive)][::every]
    scores = [score(primitive, examples) for primitive in primitives]
    seconds = time.perf_counter() - begin
    killed = [kill.examples for s in scores for kill in s.killed.values()]
    equivalent = [name for s in scores for name in s.equivalent]
    survivors = [name for s in scores for name in s.survivors]
    by_hand = {mutant.name: kills(mutant, examples) for mutant in HANDWRITTEN}
    needed = [kill.examples for kill in by_hand.values() if kill is not None]
    missed = [name for name, kill in by_hand.items() if kill is None]
    yield f"## Every mutation of every rule of {len(primitives)} operations\n"
    yield "By the laws of `tensorgrad.testing`, on the operations' own samples.\n"
    yield row(["", "mutants", "equivalent", "killed", "rate", "examples: median", "most"])
    yield row(["---", *("---:" for _ in range(6))])
    for title, n, same, found in (
        (
            "generic",
            len(killed) + len(equivalent) + len(survivors),
            len(equivalent),
            killed,
        ),
        ("by hand, with the engine's", len(HANDWRITTEN), 0, needed),
    ):
        rate = f"{len(found) / (n - same):.2%}"
        numbers = [n, same, len(found), rate, f"{median(found):g}", max(found)]
        yield row([title, *map(str, numbers)])
    yield f"\nIn {seconds:.0f} s. Survivors: {', '.join(survivors + missed) or 'none'}."
    rules = dict.fromkeys(name.rsplit(" by ")[0] for name in equivalent)
    yield f"Equivalent mutants are of {', '.join(rules) or 'none'}."


def tables(packages: Sequence[str], *, quick: bool) -> str:
    """Return all tables, of the checks in these packages."""
    names = [name for name, (package, _) in CHECKS.items() if package in ("tensorgrad", *packages)]
    examples, every = (1, 250) if quick else (100, 1)
    parts = [*side_by_side(names, examples), "", *kill_rate(100, every), ""]
    listed = dict.fromkeys(["numpy", *(CHECKS[name][0] for name in names)])
    versions = ", ".join(f"{package} {version(package)}" for package in listed)
    machine = f"{date.today()}: {report.cpu()}"
    return "\n".join([PREFACE.format(machine=machine, versions=versions), *parts])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gradient_checks")
    parser.add_argument("--quick", action="store_true", help="few examples of few operations")
    parser.add_argument("--output", type=Path, help="write the tables to this file, too")
    options = parser.parse_args()
    installed = {package for package, _ in CHECKS.values() if find_spec(package)}
    text = tables(sorted(installed), quick=options.quick)
    print(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
