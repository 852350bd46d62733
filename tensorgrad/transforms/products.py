"""vjp and jvp: products of a cotangent, or a tangent, with the Jacobian of a function."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tensorgrad.engine.backward import backward
from tensorgrad.engine.forward import forward
from tensorgrad.engine.space import zeros
from tensorgrad.engine.tensor import Tensor
from tensorgrad.errors import ShapeError, explain
from tensorgrad.ops.methods import seed_like
from tensorgrad.transforms.record import Recording, record
from tensorgrad.transforms.tree import Structure, flatten, unflatten
from tensorgrad.typing import Tree


def pull_back(
    operation: str, run: Recording, structures: list[Structure], seeds: Sequence[Any]
) -> tuple[Tree, ...]:
    """Return the gradient of each argument of a run, in the container it came in."""
    nodes, gs = [], []
    for place, node in run.recorded:
        nodes.append(node)
        gs.append(seed_like(operation, run.outputs[place], seeds[place]))
    found = backward(nodes, gs, run.inputs, live=run.live)
    given: set[int] = set()
    leaves = []
    for node in run.inputs:
        g = found.get(node)
        if g is None:
            g = np.zeros(node.shape, node.dtype)
        elif node.dtype.kind == "c":
            g = np.conj(g)
        if not isinstance(g, Tensor):
            if not isinstance(g, np.generic) and (id(g) in given or not g.flags.owndata or any(g is s for s in gs)):
                g = g.copy()  # nobody else holds what we hand out
            given.add(id(g))
            g = Tensor(g) if run.keeps_tensors else g
        leaves.append(g)
    return rebuild(structures, leaves)


def rebuild(structures: list[Structure], leaves: list[Any]) -> tuple[Tree, ...]:
    """Deal leaves out to the containers they belong to."""
    queue = iter(leaves)
    return tuple(
        unflatten(structure, [next(queue) for _ in range(structure.num_leaves)]) for structure in structures
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
        ``pullback(g)`` takes a cotangent of the structure, shapes and dtypes of the value to a tuple
        with the gradient of each argument. With ``has_aux`` the auxiliary value comes third. Complex
        gradients are dL/dRe + i dL/dIm for the real part L of the product of conj(g) with the value.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> value, pullback = tg.vjp(lambda x, y: x * np.sin(y), 2.0, 0.0)
    >>> [float(g) for g in pullback(1.0)]
    [0.0, 2.0]
    """
    run, structures = record("vjp", f, args, has_aux)

    def pullback(cotangent: Tree) -> tuple[Tree, ...]:
        seeds, structure = flatten(cotangent)
        if structure != run.structure:
            raise ShapeError(
                explain(
                    "pullback",
                    "A cotangent has the structure of the result.",
                    cotangent=str(structure),
                    result=str(run.structure),
                )
            )
        return pull_back("pullback", run, structures, seeds)

    return (run.value(), pullback, run.aux) if has_aux else (run.value(), pullback)


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
    if len(primals) != len(tangents):
        raise ShapeError(
            explain("jvp", "Every argument has its tangent.", primals=len(primals), tangents=len(tangents))
        )
    run, structures = record("jvp", f, primals, has_aux)
    ts = []
    for structure, tangent in zip(structures, tangents, strict=True):
        leaves, form = flatten(tangent)
        if form != structure:
            raise ShapeError(
                explain("jvp", "A tangent has the structure of its argument.", tangent=str(form), argument=str(structure))
            )
        ts += leaves
    inputs = run.inputs
    seeds = [_fit_seed(node, t) for node, t in zip(inputs, ts, strict=True)]
    keeps = run.keeps_tensors or any(isinstance(t, Tensor) for t in ts)
    recorded = run.recorded
    found = forward(inputs, seeds, [node for _, node in recorded], live=run.live)
    pushed = dict(recorded)
    outputs = []
    for place, y in enumerate(run.outputs):
        node = pushed.get(place)
        t = found.get(node) if node is not None else None
        if t is None:
            y = y if isinstance(y, Tensor) else np.asarray(y)  # noqa: PLW2901
            t = np.array(zeros(y.shape, y.dtype))
        if not isinstance(t, Tensor):
            t = t if isinstance(t, np.generic) else t.copy()
            t = Tensor(t) if keeps else t
        outputs.append(t)
    tangent = unflatten(run.structure, outputs)
    return (run.value(), tangent, run.aux) if has_aux else (run.value(), tangent)


def _fit_seed(node: Any, t: Any) -> Any:
    if not isinstance(t, Tensor):
        t = np.asarray(t)
    if t.shape != node.shape:
        raise ShapeError(
            explain("jvp", "A tangent has the shape of its argument.", "Broadcast it first.", tangent_shape=t.shape, shape=node.shape)
        )
    if t.dtype.kind == "c" and node.dtype.kind != "c":
        raise ShapeError(
            explain("jvp", "The tangent of a real argument is real.", "Pass its real part.", tangent_dtype=str(t.dtype))
        )
    return t if t.dtype == node.dtype else t.astype(node.dtype)
