"""A rule by itself: what it returns before the engine puts it into the space of its argument.

The engine sums over broadcast axes and casts; a wrong rule may hide behind what that repairs. So
here its result must have the shape of its argument, but for axes along which that was broadcast.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tensorgrad.engine.node import Variable
from tensorgrad.engine.primitive import Every, Operation, Primitive
from tensorgrad.engine.tensor import Tensor
from tensorgrad.testing.functions import is_variable, names_of
from tensorgrad.typing import Array, Shape


def recorded(primitive: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Tensor:
    """Apply a primitive to variables with these values."""
    return primitive(
        *(Tensor(np.asarray(x), Variable(np.asarray(x))) if is_variable(x) else x for x in args),
        **params,
    )


def pulled_by_rules(y: Tensor, g: Array) -> dict[int, Array]:
    """Return what the rule of each argument makes of a cotangent of a recorded result."""
    node = y._node
    if node is None or node.primitive is None:
        return {}
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
