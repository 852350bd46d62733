"""Jacobians and Hessians: one walk for all rows, or all columns, at once."""

import math
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from tensorgrad.engine.backward import backward
from tensorgrad.engine.forward import forward
from tensorgrad.engine.graph import ancestors, descendants
from tensorgrad.engine.node import Node
from tensorgrad.engine.space import zeros
from tensorgrad.errors import UnsupportedError, explain
from tensorgrad.transforms.batching.batched import Level, hide, show
from tensorgrad.transforms.gradient import grad, positions
from tensorgrad.transforms.products import jvp
from tensorgrad.transforms.record import Recording, hand_out, record, require_vmap_goes_on
from tensorgrad.transforms.tree import unflatten
from tensorgrad.typing import Array, DTypeLike, Shape, Tree

Argnums = int | Sequence[int]
# The derivative of each output by each input, of shape (*output, *input), by their numbers.
Blocks = dict[tuple[int, int], Array]


def jacfwd(f: Callable[..., Any], argnums: Argnums = 0, *, has_aux: bool = False) -> Any:
    """Return the function that computes the Jacobian of f, all columns in one forward walk.

    Parameters, results and errors are those of `jacobian`. This mode is the cheaper one where f has
    fewer inputs than outputs.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> tg.jacfwd(lambda x: np.stack([x, x**2]))(3.0).tolist()
    [1.0, 6.0]
    """
    return _differentiated("jacfwd", f, argnums, has_aux, lambda _n, _m: True)


def jacrev(f: Callable[..., Any], argnums: Argnums = 0, *, has_aux: bool = False) -> Any:
    """Return the function that computes the Jacobian of f, all rows in one backward walk.

    Parameters, results and errors are those of `jacobian`. This mode is the cheaper one where f has
    fewer outputs than inputs.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> tg.jacrev(lambda x: np.cumsum(x))(np.ones(2)).tolist()
    [[1.0, 0.0], [1.0, 1.0]]
    """
    return _differentiated("jacrev", f, argnums, has_aux, lambda _n, _m: False)


def jacobian(f: Callable[..., Any], argnums: Argnums = 0, *, has_aux: bool = False) -> Any:
    """Return the function that computes the Jacobian of f in the mode that is cheaper.

    Parameters
    ----------
    f
        A function of arrays, or containers of arrays, to an array or a container of arrays.
    argnums
        The positional argument, or arguments, to differentiate by: floating-point or complex.
    has_aux
        Whether f returns a pair, of which only the first is differentiated; then the result is
        ``(jacobian, aux)``.

    Returns
    -------
    function
        Called like f. It returns, in the container of the result of f, for each array in it the
        container of the argument, with an array of shape ``(*output, *input)`` in every place; with
        several argnums a tuple of these.

        A real output has by a complex input z the derivative d/dRe z + i d/dIm z, as in `grad`; a
        complex one has the complex derivative, which only holomorphic functions have; by a real
        input both have the ordinary derivative.

    Raises
    ------
    UnsupportedError
        If an argument is made of integers, or an output is complex and computed from a complex
        input by a function that is not holomorphic, such as ``np.conj``.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> tg.jacobian(lambda x: x**2)(np.array([1.0, 2.0])).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """
    # a column costs about as much as a row, but needs no graph to be held in reverse order
    return _differentiated("jacobian", f, argnums, has_aux, lambda n, m: n <= m)


def hessian(f: Callable[..., Any], argnums: Argnums = 0, *, has_aux: bool = False) -> Any:
    """Return the function that computes the second derivatives of f: forward over reverse.

    Parameters and errors are those of `jacobian`.

    Returns
    -------
    function
        Called like f. It returns the Jacobian of the Jacobian: arrays of shape
        ``(*output, *input, *input)``, in the container of the result of f, each place of which
        holds the container of the argument, each place of which holds it again. For a complex input
        of a real output, it is what `jacobian` makes of the gradient, if that is holomorphic.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> tg.hessian(lambda x: x[0] * x[1] ** 2)(np.array([3.0, 2.0])).tolist()
    [[0.0, 4.0], [4.0, 6.0]]
    """
    return jacfwd(jacrev(f, argnums, has_aux=has_aux), argnums, has_aux=has_aux)


def hvp(f: Callable[..., Any], primals: Sequence[Tree], tangents: Sequence[Tree]) -> Tree:
    """Return the product of the Hessian of f with a direction, without the Hessian itself.

    Parameters
    ----------
    f
        A function whose result is one real number.
    primals, tangents
        Tuples with the arguments, and with the direction each moves in, as for `jvp`.

    Returns
    -------
    gradient's derivative in that direction: of the structure of the argument; with several
    arguments a tuple.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> x, v = np.array([1.0, 2.0]), np.array([1.0, 0.0])
    >>> tg.hvp(lambda x: np.sum(x**3), (x,), (v,)).tolist()
    [6.0, 0.0]
    """
    argnums = 0 if len(primals) == 1 else tuple(range(len(primals)))
    return jvp(grad(f, argnums), primals, tangents)[1]


def _differentiated(
    name: str,
    f: Callable[..., Any],
    argnums: Argnums,
    has_aux: bool,
    by_columns: Callable[[int, int], bool],
) -> Callable[..., Any]:
    @wraps(f)
    def function(*args: Any, **kwargs: Any) -> Any:
        places = positions(name, argnums, len(args))

        def varied(*chosen: Tree) -> Any:
            full = list(args)
            for i, arg in zip(places, chosen, strict=True):
                full[i] = arg
            return f(*full, **kwargs)

        run = record(name, varied, {i: args[i] for i in places}, has_aux)
        _require_derivatives(name, run)
        n = sum(math.prod(node.shape) for node in run.inputs)
        m = sum(math.prod(end.shape) for end in run.ends if end is not None)
        blocks = _columns(run) if by_columns(n, m) else _rows(run)
        jacobian = _arranged(run, blocks, single=isinstance(argnums, (int, np.integer)))
        return (jacobian, run.aux) if has_aux else jacobian

    return function


def _require_derivatives(name: str, run: Recording) -> None:
    """Raise where a complex output may have no complex derivative by a complex input."""
    ends = [end for end in run.ends if end is not None and end.dtype.kind == "c"]
    inputs = [node for node in run.inputs if node.dtype.kind == "c"]
    if not ends or not inputs:
        return
    nodes = ancestors(ends, min(node.index for node in inputs))
    for node in descendants(nodes, inputs):
        primitive = node.primitive
        if primitive is not None and not primitive.holomorphic and node not in inputs:
            raise UnsupportedError(
                explain(
                    name,
                    "Only a holomorphic function has complex derivatives.",
                    "Split the result into np.real and np.imag of it, or use tg.vjp or tg.jvp with "
                    "a direction.",
                    not_holomorphic=primitive.name,
                )
            )


# ---- all directions at once ----------------------------------------------------------------------


def _directions(spaces: Sequence[tuple[Shape, DTypeLike]], units: Sequence[complex]) -> list[Array]:
    """Return for every entry of every space, times each unit, a vector: (directions, *shape)."""
    sizes = [math.prod(shape) for shape, _ in spaces]
    total = sum(sizes)
    made, first = [], 0
    for (shape, dtype), size in zip(spaces, sizes, strict=True):
        block: Array = np.zeros((len(units), total, size), dtype)
        for unit, part in zip(units, block, strict=True):
            if dtype.kind == "c" or unit == 1:
                part[first + np.arange(size), np.arange(size)] = unit
        made.append(block.reshape(len(units) * total, *shape))
        first += size
    return made


def _spaces(nodes: Sequence[Node]) -> list[tuple[Shape, DTypeLike]]:
    return [(tuple(node.shape), node.dtype) for node in nodes]


def _pieces(g: Array, spaces: Sequence[tuple[Shape, DTypeLike]], units: int) -> list[list[Array]]:
    """Cut (units * directions, *shape) into what belongs to each space, for each unit."""
    total = sum(math.prod(shape) for shape, _ in spaces)
    found, first = [], 0
    for shape, _ in spaces:
        size = math.prod(shape)
        cuts = [slice(u * total + first, u * total + first + size) for u in range(units)]
        found.append([np.reshape(g[cut], (*shape, *g.shape[1:])) for cut in cuts])
        first += size
    return found


def _rows(run: Recording) -> Blocks:
    """Pull the unit vectors of all outputs back."""
    require_vmap_goes_on("jacobian", run)
    numbers = [i for i, end in enumerate(run.ends) if end is not None]
    ends: list[Any] = [run.ends[i] for i in numbers]
    spaces = _spaces(ends)
    # where the input is real, 1 and -i bring back the real and the imaginary part of the row
    mixed = any(end.dtype.kind == "c" for end in ends) and any(
        node.dtype.kind != "c" for node in run.inputs
    )
    seeds = _directions(spaces, [1, -1j] if mixed else [1])
    blocks: Blocks = {}
    if not seeds or not len(seeds[0]):
        return blocks
    with Level(len(seeds[0])) as level:
        found = backward(ends, [hide(s, level) for s in seeds], run.inputs, live=run.live)
        shown = {j: show(found[node], level) for j, node in enumerate(run.inputs) if node in found}
    for j, g in shown.items():
        complex_input = run.inputs[j].dtype.kind == "c"
        for i, end, parts in zip(numbers, ends, _pieces(g, spaces, 1 + mixed), strict=True):
            block = parts[0]
            if end.dtype.kind == "c" and not complex_input:
                block = block + 1j * parts[1]
            elif end.dtype.kind != "c" and complex_input:
                block = np.conj(block)  # as gradients are, at the surface
            blocks[i, j] = block
    return blocks


def _columns(run: Recording) -> Blocks:
    """Push the unit vectors of all inputs forward."""
    ends: list[Any] = [end for end in run.ends if end is not None]
    spaces = _spaces(run.inputs)
    # a real output moves with the real and with the imaginary part of a complex input
    mixed = any(end.dtype.kind != "c" for end in ends) and any(
        node.dtype.kind == "c" for node in run.inputs
    )
    seeds = _directions(spaces, [1, 1j] if mixed else [1])
    blocks: Blocks = {}
    if not seeds or not len(seeds[0]):
        return blocks
    with Level(len(seeds[0])) as level:
        found = forward(run.inputs, [hide(s, level) for s in seeds], ends, live=run.live)
        shown = {end: show(t, level) for end, t in found.items()}
    for i, end in enumerate(run.ends):
        if end not in shown:
            continue
        k = len(end.shape)
        for j, parts in enumerate(_pieces(shown[end], spaces, 1 + mixed)):
            block = parts[0]
            if mixed and end.dtype.kind != "c" and run.inputs[j].dtype.kind == "c":
                block = block + 1j * parts[1]
            n = np.ndim(block) - k  # (*input, *output) -> (*output, *input)
            blocks[i, j] = np.transpose(block, (*range(n, n + k), *range(n)))
    return blocks


def _arranged(run: Recording, blocks: Blocks, *, single: bool) -> Tree:
    """Put the blocks into the container of the result, and in each place that of the arguments."""
    rows = []
    for i, y in enumerate(run.outputs):
        leaves = []
        for j, node in enumerate(run.inputs):
            if (i, j) in blocks:
                block = blocks[i, j]
            else:
                shape = (*np.shape(y), *node.shape)
                block = zeros(shape, np.result_type(node.dtype, getattr(y, "dtype", node.dtype)))
            leaves.append(hand_out(block, run.gives_tensors))
        trees, first = [], 0
        for structure in run.arguments:
            trees.append(unflatten(structure, leaves[first : first + structure.num_leaves]))
            first += structure.num_leaves
        rows.append(trees[0] if single else tuple(trees))
    return unflatten(run.structure, rows)
