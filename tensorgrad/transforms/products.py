"""vjp and jvp: products of a cotangent, or a tangent, with the Jacobian of a function."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tensorgrad.engine.backward import backward
from tensorgrad.engine.forward import forward
from tensorgrad.engine.node import Node
from tensorgrad.engine.space import zeros
from tensorgrad.engine.tensor import Tensor
from tensorgrad.errors import ShapeError, UnsupportedError, explain
from tensorgrad.ops.dispatch import operand
from tensorgrad.ops.methods import seed_like
from tensorgrad.transforms.record import Recording, hand_out, record, require_vmap_goes_on
from tensorgrad.transforms.tree import Structure, flatten, outline, unflatten
from tensorgrad.typing import Tree


def pull_back(operation: str, run: Recording, seeds: Sequence[Any]) -> tuple[Tree, ...]:
    """Return the gradient of each argument of a run, in the container it came in."""
    require_vmap_goes_on(operation, run)
    ends, gs = [], []
    for end, seed in zip(run.ends, seeds, strict=True):
        if end is not None:
            ends.append(end)
            gs.append(seed_like(operation, end, seed))
    found = backward(ends, gs, run.inputs, live=run.live)
    as_tensors = run.gives_tensors or any(isinstance(seed, Tensor) for seed in seeds)
    leaves = []
    for node in run.inputs:
        g = found[node] if node in found else zeros(node.shape, node.dtype)
        # cotangents are transposes inside, and conjugate at the surface
        leaves.append(hand_out(np.conj(g) if node.dtype.kind == "c" else g, as_tensors))
    return _rebuild(run.arguments, leaves)


def _rebuild(structures: list[Structure], leaves: list[Any]) -> tuple[Tree, ...]:
    """Deal leaves out to the containers they belong to."""
    queue = iter(leaves)
    return tuple(
        unflatten(structure, [next(queue) for _ in range(structure.num_leaves)])
        for structure in structures
    )


def vjp(f: Callable[..., Any], *args: Tree, has_aux: bool = False) -> tuple[Any, ...]:
    """Evaluate f, and return its value with the function that pulls cotangents back.

    Parameters
    ----------
    f
        A function of arrays, or containers of arrays, to an array or a container of arrays.
    *args
        Where to evaluate it: floating-point or complex.
    has_aux
        Whether f returns a pair, of which only the first is differentiated.

    Returns
    -------
    value, pullback
        ``pullback(g)`` takes a cotangent of the structure and shapes of the value to a tuple with
        the gradient of each argument, as often as one likes. With ``has_aux`` the auxiliary value
        comes third. Complex gradients are dL/dRe + i dL/dIm for the real part L of the product of
        conj(g) with the value.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> value, pullback = tg.vjp(lambda x, y: x * np.sin(y), 2.0, 0.0)
    >>> [float(g) for g in pullback(1.0)]
    [0.0, 2.0]
    """
    run = record("vjp", f, dict(enumerate(args)), has_aux)

    def pullback(cotangent: Tree) -> tuple[Tree, ...]:
        seeds, structure = flatten(cotangent)
        if structure != run.structure:
            raise ShapeError(
                explain(
                    "pullback",
                    "A cotangent has the structure of the result.",
                    "Pass the containers that the function returned, with an array in every place.",
                    cotangent=outline(structure),
                    result=outline(run.structure),
                )
            )
        return pull_back("pullback", run, seeds)

    return (run.value, pullback, run.aux) if has_aux else (run.value, pullback)


def jvp(
    f: Callable[..., Any],
    primals: Sequence[Tree],
    tangents: Sequence[Tree],
    *,
    has_aux: bool = False,
) -> tuple[Any, ...]:
    """Evaluate f, and its derivative in a direction.

    Parameters
    ----------
    f
        As for `vjp`.
    primals
        A tuple with the arguments.
    tangents
        A tuple with the direction each moves in: same structures and shapes.
    has_aux
        Whether f returns a pair, of which only the first is differentiated.

    Returns
    -------
    value, tangent
        With ``has_aux`` the auxiliary value comes third.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> value, tangent = tg.jvp(lambda x: x**3, (2.0,), (1.0,))
    >>> float(value), float(tangent)
    (8.0, 12.0)
    """
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise UnsupportedError(
            explain(
                "jvp",
                "Arguments and tangents come as tuples.",
                "Write (x,) for a single one.",
                primals=type(primals).__name__,
                tangents=type(tangents).__name__,
            )
        )
    if len(primals) != len(tangents):
        raise ShapeError(
            explain(
                "jvp",
                "Every argument has its tangent.",
                "Pass two tuples of the same length.",
                primals=len(primals),
                tangents=len(tangents),
            )
        )
    run = record("jvp", f, dict(enumerate(primals)), has_aux)
    tangent = push_forward("jvp", run, tangents)
    return (run.value, tangent, run.aux) if has_aux else (run.value, tangent)


def push_forward(operation: str, run: Recording, tangents: Sequence[Tree]) -> Tree:
    """Return the tangent of the value of a run, given those of its arguments."""
    directions: list[Any] = []
    for argument, tangent in zip(run.arguments, tangents, strict=True):
        leaves, structure = flatten(tangent)
        if structure != argument:
            raise ShapeError(
                explain(
                    operation,
                    "A tangent has the structure of its argument.",
                    "Pass the same containers, with an array in every place.",
                    tangent=outline(structure),
                    argument=outline(argument),
                )
            )
        directions += leaves
    as_tensors = run.gives_tensors or any(isinstance(t, Tensor) for t in directions)
    seeds = [_fit_seed(operation, node, t) for node, t in zip(run.inputs, directions, strict=True)]
    found = forward(run.inputs, seeds, [end for end in run.ends if end is not None], live=run.live)
    ts = []
    for y, end in zip(run.outputs, run.ends, strict=True):
        t = found[end] if end in found else zeros(np.shape(y), operand(y).dtype)
        ts.append(hand_out(t, as_tensors))
    return unflatten(run.structure, ts)


def linearize(f: Callable[..., Any], *primals: Tree, has_aux: bool = False) -> tuple[Any, ...]:
    """Evaluate f, and return its value with the linear function that is its derivative there.

    Parameters
    ----------
    f
        As for `vjp`.
    *primals
        Where to evaluate it.
    has_aux
        Whether f returns a pair, of which only the first is differentiated.

    Returns
    -------
    value, pushforward
        ``pushforward(*tangents)`` takes a direction for each argument to that of the value, as
        often as one likes; f is evaluated only once. With ``has_aux`` the auxiliary value comes
        third.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> value, pushforward = tg.linearize(np.sin, 0.0)
    >>> float(value), float(pushforward(1.0)), float(pushforward(2.0))
    (0.0, 1.0, 2.0)
    """
    run = record("linearize", f, dict(enumerate(primals)), has_aux)

    def pushforward(*tangents: Tree) -> Tree:
        if len(tangents) != len(primals):
            raise ShapeError(
                explain(
                    "pushforward",
                    "Every argument has its tangent.",
                    "Pass as many as the function has arguments.",
                    tangents=len(tangents),
                    arguments=len(primals),
                )
            )
        return push_forward("pushforward", run, tangents)

    return (run.value, pushforward, run.aux) if has_aux else (run.value, pushforward)


def _fit_seed(operation: str, node: Node, t: Any) -> Any:
    t = operand(t)
    if t.shape != node.shape:
        raise ShapeError(
            explain(
                operation,
                "A tangent has the shape of its argument.",
                "Broadcast it first.",
                tangent_shape=t.shape,
                shape=node.shape,
            )
        )
    if t.dtype.kind == "c" and node.dtype.kind != "c":
        raise UnsupportedError(
            explain(
                operation,
                "The tangent of a real argument is real.",
                "Pass its real part.",
                tangent_dtype=str(t.dtype),
            )
        )
    return t if t.dtype == node.dtype else t.astype(node.dtype)
