"""check_vjp: a rule by itself, before the engine puts its result into the space of its argument.

The engine sums over broadcast axes and casts; a wrong rule may hide behind what that repairs. So
here its result must have the shape of its argument, but for axes along which that was broadcast.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tensorgrad.engine.node import Variable
from tensorgrad.engine.primitive import NUMPY, REGISTRY, Every, Operation, Primitive
from tensorgrad.engine.several import Component
from tensorgrad.engine.space import Parts, fit_cotangent
from tensorgrad.engine.tensor import Tensor
from tensorgrad.errors import UnsupportedError, explain
from tensorgrad.testing.functions import Arrays, is_variable, names_of, same
from tensorgrad.testing.literal import case_text
from tensorgrad.testing.numerics.compare import compare_gradient
from tensorgrad.testing.numerics.expectation import Expectation
from tensorgrad.testing.numerics.subject import Subject
from tensorgrad.testing.report import Finding, Report, Verdict, conclude, failed, raised
from tensorgrad.typing import Array, Shape


def recorded(
    primitive: Primitive, args: Sequence[Any], params: dict[str, Any]
) -> tuple[Tensor, ...]:
    """Apply a primitive to variables with these values, and return its results."""
    return results(
        primitive(
            *(
                Tensor(np.asarray(x), Variable(np.asarray(x))) if is_variable(x) else x
                for x in args
            ),
            **params,
        )
    )


def results(ys: Any) -> tuple[Any, ...]:
    """Return the results of a primitive, of which most have one."""
    return ys if isinstance(ys, tuple) else (ys,)


def pulled_by_rules(ys: Sequence[Tensor], gs: Sequence[Array]) -> dict[int, Array]:
    """Return what the rule of each argument makes of cotangents of the results of a primitive."""
    node: Any = ys[0]._node
    g: Any = gs[0]
    if node is None or node.primitive is None:
        return {}
    if isinstance(node.primitive, Component):
        (node,) = node.parents
        g = Parts(dict(enumerate(gs)), node.spaces)
    found = {}
    for argnum, parent in enumerate(node.parents):
        rule = node.primitive.vjps[argnum] if parent is not None else None
        if rule is not None:
            found[argnum] = np.asarray(
                rule(g, node.primitive.restore(node, ()), node.params, argnum)
            )
    return found


def fits(raw: Shape, x: Shape, y: Shape) -> bool:
    """Return whether a rule may return this shape for an argument and a result of those shapes.

    Sides, aligned from the right, are those of the argument; where it was stretched, or had none,
    they may be those of the result.

    >>> fits((2, 3), (3,), (2, 3)), fits((3, 2), (3, 1), (3, 2)), fits((4, 3), (3,), (2, 3))
    (True, True, False)
    """
    if len(raw) < len(x):
        return False
    padded = (1,) * (len(raw) - len(x)) + x
    results = (1,) * max(0, len(raw) - len(y)) + y[max(0, len(y) - len(raw)) :]
    return all(
        r == side or (side == 1 and r == result)
        for r, side, result in zip(raw, padded, results, strict=True)
    )


def argument_names(operation: Operation, n: int) -> list[str]:
    """Return the names of the positional arguments of a call."""
    if not isinstance(operation, Primitive):
        return names_of(operation.fun, n)
    if operation.variadic:
        return [f"{operation.arrays[0]}[{i}]" for i in range(n)]
    return list(operation.arrays[:n])


def location(primitive: Primitive, argnum: int, mode: str = "vjp") -> str:
    """Return where the rule of an argument is written, as ``file:line``."""
    rules = primitive.rules[mode]
    rule = rules[0 if isinstance(primitive.vjps, Every) else argnum] if rules else None
    return source_of(primitive.fun if rule is None else rule.formula)


def source_of(function: Callable[..., Any]) -> str:
    """Return where a function is written, as ``file:line``; nothing for one not in Python."""
    code = getattr(function, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else ""


def registered(function: str, op: Any) -> Operation:
    """Return the operation that is meant by itself, its name, or a function of NumPy."""
    if isinstance(op, Operation):
        return op
    if isinstance(op, str):
        operation = REGISTRY.get(op)
    else:
        operation = NUMPY.get(op) or next((o for o in REGISTRY.values() if o.fun is op), None)
    if operation is None:
        raise UnsupportedError(
            explain(
                function,
                "No such operation is registered.",
                "Declare it first, or pass check_grad a function.",
                op=op,
            )
        )
    return operation


def check_vjp(op: Any, *args: Any, **params: Any) -> Report:
    """Check the rules of one operation by themselves, before the engine repairs what they return.

    Parameters
    ----------
    op
        A registered operation with rules, its name, or the function of NumPy it answers for.
    *args, **params
        What to call it with; floating-point arrays are varied.

    Returns
    -------
    Report
        As of `check_grad`.

    Raises
    ------
    GradientError
        If a rule returns a wrong gradient; one of a shape that is neither its argument's nor the
        one this was broadcast to; or if it writes to its cotangent or to a saved value.
    UnsupportedError
        If the operation is not registered, or has no rules of its own.

    Examples
    --------
    >>> import numpy as np
    >>> from tensorgrad.testing import check_vjp
    >>> bool(check_vjp(np.multiply, np.ones((2, 1)), np.array([1.0, 2.0, 3.0])))
    True
    """
    operation = registered("check_vjp", op)
    if not isinstance(operation, Primitive):
        raise UnsupportedError(
            explain(
                "check_vjp",
                "Only a primitive has rules.",
                "Use check_op, or check_grad for a function.",
                operation=repr(operation),
            )
        )
    arrays = Arrays(args, argument_names(operation, len(args)))
    report = Report(
        operation.name,
        case=case_text({**dict(zip(arrays.names, arrays.values, strict=True)), **params}),
        rule=location(operation, 0),
    )

    def function(*xs: Any) -> tuple[Any, ...]:
        return results(operation(*arrays.replaced(xs), **params))

    def gradient(x: Array) -> Array:
        ys = recorded(operation, arrays.replaced(subject.domain.unpack(x)), params)
        inside = [np.conj(v).astype(y.dtype) for v, y in zip(gs, ys, strict=True)]
        found = pulled_by_rules(ys, inside)
        parts = [
            np.conj(fit_cotangent(found[argnum], shape, np.dtype(dtype)))
            if (argnum := places[i]) in found
            else np.zeros(shape, dtype)
            for i, (shape, dtype) in enumerate(
                zip(subject.domain.shapes, subject.domain.dtypes, strict=True)
            )
        ]
        return subject.domain.pack(parts)

    places = [i for i, arg in enumerate(args) if is_variable(arg)]
    rng = np.random.default_rng(0)
    try:
        subject = Subject(function, arrays.values)
        g = rng.normal(size=subject.base.y.size)
        gs = [np.asarray(v) for v in subject.codomain.unpack(g)]
        findings = _raw(operation, arrays, params, gs)
        if not failed(findings):
            expectation = Expectation.of(subject, rng)
            findings += compare_gradient(expectation, g, gradient, arrays.names)
    except Exception as error:  # a rule that cannot be computed is wrong as well
        findings = [raised("derivative", "a rule", error)]
    return conclude(report.with_findings(*findings))


def _raw(
    primitive: Primitive, arrays: Arrays, params: dict[str, Any], gs: Sequence[Array]
) -> list[Finding]:
    """Look at what the rules return, and at what they leave behind."""
    ys = recorded(primitive, arrays.replaced(arrays.values), params)
    gs = [np.array(g, y.dtype) for g, y in zip(gs, ys, strict=True)]
    before = [x.copy() for x in (*gs, *arrays.values)]
    found = pulled_by_rules(ys, gs)
    findings = []
    for argnum, raw in found.items():
        name = argument_names(primitive, argnum + 1)[-1]
        shape = np.shape(arrays.replaced(arrays.values)[argnum])
        if not any(fits(raw.shape, shape, y.shape) for y in ys):
            message = (
                f"the rule returns the shape {raw.shape} for an argument of shape {shape} and a"
                f" result of shape {' or '.join(str(y.shape) for y in ys)}"
            )
            findings.append(Finding(f"shape of the gradient by {name}", Verdict.FAIL, message))
    if not same([*gs, *arrays.values], before):
        message = "a rule writes to its cotangent, or to a value that was saved for it"
        findings.append(Finding("memory", Verdict.FAIL, message))
    return findings
