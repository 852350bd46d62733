"""custom_vjp and custom_jvp: functions that bring their own derivative."""

from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import Any

import numpy as np

from tensorgrad.engine.modes import is_recording, recording
from tensorgrad.engine.several import spaces_of
from tensorgrad.engine.space import Space, array_of, zeros
from tensorgrad.engine.tensor import Tensor, value_of
from tensorgrad.errors import GraphError, ShapeError, UnsupportedError, explain
from tensorgrad.transforms.call import record_call, transpose
from tensorgrad.transforms.tree import Structure, flatten, map_leaves, outline, unflatten
from tensorgrad.typing import Array, Tree


class _Arguments:
    """The positional arguments of a call, of which the recorded leaves vary."""

    def __init__(self, args: Sequence[Tree]) -> None:
        self.leaves, self.structure = flatten(tuple(args))
        self.places = [i for i, leaf in enumerate(self.leaves) if _is_recorded(leaf)]
        self.varying: list[Tensor] = [self.leaves[i] for i in self.places]
        # what stands for the others: they cannot be differentiated by
        self.constants = [None if _is_recorded(leaf) else leaf for leaf in self.leaves]

    def filled(self, values: Sequence[Any]) -> tuple[Tree, ...]:
        """Return the arguments with these in place of the varying leaves."""
        leaves = list(self.constants)
        for i, value in zip(self.places, values, strict=True):
            leaves[i] = value
        return unflatten(self.structure, leaves)


class _Results:
    """What a call returned, of which the floating-point and complex leaves are differentiated."""

    def __init__(self, value: Tree) -> None:
        self.leaves, self.structure = flatten(value)
        self.places = [i for i, leaf in enumerate(self.leaves) if _has_tangent(leaf)]
        self.values = [array_of(value_of(self.leaves[i])) for i in self.places]

    def filled(self, values: Sequence[Any], others: Sequence[Any]) -> Tree:
        """Return the container with these in place of the differentiated leaves."""
        leaves = list(others)
        for i, value in zip(self.places, values, strict=True):
            leaves[i] = value
        return unflatten(self.structure, leaves)

    def cotangent(self, gs: Sequence[Array]) -> Tree:
        """Return a cotangent of the whole value, None where there is none."""
        return self.filled([np.conj(g) for g in gs], [None] * len(self.leaves))


def _is_recorded(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) and leaf._node is not None


def _has_tangent(leaf: Any) -> bool:
    dtype = getattr(leaf, "dtype", None)
    return isinstance(leaf, (float, complex)) or (dtype is not None and dtype.kind in "fc")


class _Custom:
    """A function, and the rule that is to be used in place of its own derivative."""

    _rule: str
    _remedy: str

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f = f
        self.name = getattr(f, "__name__", "custom")
        update_wrapper(self, f)  # type: ignore[arg-type]

    def _constant(self, value: Tree) -> Tree:
        """Return a value, which must not depend on anything recorded but the arguments."""
        for leaf in flatten(value)[0]:
            if _is_recorded(leaf):
                raise UnsupportedError(
                    explain(
                        self.name,
                        "The function uses a recorded tensor that is not among its arguments, and"
                        f" to which {self._rule} would pass no gradient.",
                        "Pass it as an argument.",
                        shape=leaf.shape,
                    )
                )
        return value

    def _missing(self) -> GraphError:
        return GraphError(explain(self.name, f"{self._rule} has no rule yet.", self._remedy))


class custom_vjp(_Custom):  # noqa: N801  # a decorator, by the name that JAX gives it
    """Replace the derivative of a function by a rule for cotangents.

    Parameters
    ----------
    f
        A function of arrays, or containers of arrays, to an array or a container.

    Notes
    -----
    ``f.defvjp(fwd, bwd)`` sets the rule. ``fwd`` takes the arguments of f to a pair
    ``(value, residuals)``; ``bwd`` takes ``(residuals, g)``, with a cotangent ``g`` like the value,
    to a tuple with the gradient of each argument, or None for zero. Complex cotangents are as those
    of `tensorgrad.vjp`. Written in NumPy, the rule serves every order, and forward mode as well:
    there its transpose is taken. For higher orders fwd runs again.

    Raises
    ------
    GraphError
        If f is differentiated before it has a rule.
    UnsupportedError
        If f uses a recorded tensor that is not an argument: it would get no gradient.
    ShapeError
        If a gradient has not the shape of its argument.

    Examples
    --------
    The gradient of log(1 + exp(x)) that does not overflow:

    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> @tg.custom_vjp
    ... def softplus(x):
    ...     return np.logaddexp(x, 0)
    >>> softplus.defvjp(
    ...     lambda x: (np.logaddexp(x, 0), x),
    ...     lambda x, g: (g * 0.5 * (1 + np.tanh(x / 2)),),
    ... )
    >>> float(tg.grad(softplus)(0.0)), float(tg.grad(tg.grad(softplus))(0.0))
    (0.5, 0.25)
    """

    _rule = "custom_vjp"
    _remedy = "Call defvjp(fwd, bwd) first."

    def __init__(self, f: Callable[..., Any]) -> None:
        super().__init__(f)
        self._rules: tuple[Callable[..., Any], Callable[..., Any]] | None = None

    def defvjp(self, fwd: Callable[..., Any], bwd: Callable[..., Any]) -> None:
        """Set the rule; see `custom_vjp`."""
        self._rules = fwd, bwd

    def __call__(self, *args: Tree) -> Any:
        """Call the function."""
        arguments = _Arguments(args)
        if not arguments.places or not is_recording():
            return self._constant(self.f(*args))
        if self._rules is None:
            raise self._missing()
        fwd, bwd = self._rules
        value, residuals = self._constant(self._pair(fwd(*arguments.filled(_bare(arguments)))))
        results = _Results(value)

        def gradients(residuals: Tree, gs: Sequence[Array]) -> list[Array | None]:
            return self._checked(bwd(residuals, results.cotangent(gs)), arguments)

        def residuals_of(args: Sequence[Any], kept: Tree) -> Tree:
            if not any(map(_is_recorded, args)):
                return kept
            with recording(on=True):
                return self._pair(fwd(*arguments.filled(args)))[1]

        def pull(gs: Sequence[Array], args: Sequence[Any], kept: Tree) -> Sequence[Array | None]:
            return gradients(residuals_of(args, kept), gs)

        def push(ts: Sequence[Array], args: Sequence[Any], kept: Tree) -> Sequence[Array]:
            residuals = residuals_of(args, kept)
            inputs = spaces_of(arguments.varying)

            def linear(*gs: Any) -> list[Any]:
                found = gradients(residuals, gs)
                return [
                    zeros(*space) if part is None else part
                    for part, space in zip(found, inputs, strict=True)
                ]

            return transpose(linear, spaces_of(results.values), ts)

        kept = map_leaves(value_of, residuals)
        recorded = record_call(self.name, arguments.varying, results.values, pull, push, kept)
        return results.filled(recorded, results.leaves)

    def _pair(self, returned: Any) -> Any:
        if not isinstance(returned, tuple) or len(returned) != 2:
            raise UnsupportedError(
                explain(
                    f"{self.name}.defvjp",
                    "fwd returns a pair (value, residuals).",
                    "Return the two as a tuple.",
                    returned=type(returned).__name__,
                )
            )
        return returned

    def _checked(self, gradients: Any, arguments: _Arguments) -> list[Array | None]:
        """Return the gradient of each varying leaf, as cotangents are inside."""
        spans = arguments.structure.children()
        if not isinstance(gradients, (tuple, list)) or len(gradients) != len(spans):
            raise ShapeError(
                explain(
                    f"{self.name}.defvjp",
                    "bwd returns a tuple with a gradient, or None, for every argument.",
                    "Write (g,) for a single one.",
                    returned=type(gradients).__name__,
                    arguments=len(spans),
                )
            )
        leaves: list[Any] = []
        for gradient, span in zip(gradients, spans, strict=True):
            leaves += _leaves_like(self.name, gradient, span)
        return [
            _gradient(self.name, leaves[i], x)
            for i, x in zip(arguments.places, arguments.varying, strict=True)
        ]


def _bare(arguments: _Arguments) -> list[Tensor]:
    return [x.detach() for x in arguments.varying]


def _leaves_like(name: str, gradient: Tree, structure: Structure) -> list[Any]:
    if gradient is None:
        return [None] * structure.num_leaves
    leaves, found = flatten(gradient)
    if found != structure:
        raise ShapeError(
            explain(
                name,
                "The gradient of an argument has its structure.",
                "Return the same containers, or None for zero.",
                gradient=outline(found),
                argument=outline(structure),
            )
        )
    return leaves


def _gradient(name: str, gradient: Any, x: Tensor) -> Array | None:
    if gradient is None:
        return None
    if np.shape(gradient) != x.shape:
        raise ShapeError(
            explain(
                name,
                "A gradient, or a tangent, has the shape of what it belongs to.",
                "Sum over axes that were broadcast.",
                shape=np.shape(gradient),
                expected=x.shape,
            )
        )
    return np.conj(array_of(gradient))


class custom_jvp(_Custom):  # noqa: N801
    """Replace the derivative of a function by a rule for tangents.

    Parameters
    ----------
    f
        A function of arrays, or containers of arrays, to an array or a container.

    Notes
    -----
    ``f.defjvp(jvp)`` sets the rule. ``jvp`` takes ``(primals, tangents)``, two tuples with the
    arguments and the directions these move in, to ``(value, tangent)``. Leaves that are not arrays
    of floating-point or complex numbers have the tangent None. The tangent must be linear in the
    tangents, and written in NumPy: reverse mode takes its transpose.

    Raises
    ------
    GraphError, UnsupportedError, ShapeError
        As `custom_vjp`.

    Examples
    --------
    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> @tg.custom_jvp
    ... def cube(x):
    ...     return x * x * x
    >>> cube.defjvp(lambda primals, tangents: (primals[0] ** 3, 3 * primals[0] ** 2 * tangents[0]))
    >>> float(tg.grad(cube)(2.0)), float(tg.grad(tg.grad(cube))(2.0))
    (12.0, 12.0)
    """

    _rule = "custom_jvp"
    _remedy = "Call defjvp(jvp) first."

    def __init__(self, f: Callable[..., Any]) -> None:
        super().__init__(f)
        self._jvp: Callable[..., Any] | None = None

    def defjvp(self, jvp: Callable[..., Any]) -> None:
        """Set the rule; see `custom_jvp`."""
        self._jvp = jvp

    def __call__(self, *args: Tree) -> Any:
        """Call the function."""
        arguments = _Arguments(args)
        if not arguments.places or not is_recording():
            return self._constant(self.f(*args))
        rule = self._jvp
        if rule is None:
            raise self._missing()
        results = _Results(self._constant(self.f(*arguments.filled(_bare(arguments)))))
        still = [
            np.zeros(np.shape(leaf), np.result_type(value_of(leaf))) if _has_tangent(leaf) else None
            for leaf in arguments.leaves
        ]

        def push(ts: Sequence[Array], args: Sequence[Any], _kept: None) -> Sequence[Array]:
            leaves: list[Any] = list(still)
            for i, t in zip(arguments.places, ts, strict=True):
                leaves[i] = t
            returned = rule(arguments.filled(args), unflatten(arguments.structure, leaves))
            return self._tangents(returned, results)

        def pull(gs: Sequence[Array], args: Sequence[Any], _kept: None) -> Sequence[Array]:
            inputs: Sequence[Space] = spaces_of(arguments.varying)
            return transpose(lambda *ts: push(ts, args, None), inputs, gs)

        recorded = record_call(self.name, arguments.varying, results.values, pull, push)
        return results.filled(recorded, results.leaves)

    def _tangents(self, returned: Any, results: _Results) -> list[Array]:
        if not isinstance(returned, tuple) or len(returned) != 2:
            raise UnsupportedError(
                explain(
                    f"{self.name}.defjvp",
                    "The rule returns a pair (value, tangent).",
                    "Return the two as a tuple.",
                    returned=type(returned).__name__,
                )
            )
        leaves = _leaves_like(self.name, returned[1], results.structure)
        tangents = []
        for i, y in zip(results.places, results.values, strict=True):
            t = leaves[i]
            if t is not None and np.shape(t) != y.shape:
                raise ShapeError(
                    explain(
                        f"{self.name}.defjvp",
                        "A tangent has the shape of the value.",
                        "Broadcast it.",
                        tangent_shape=np.shape(t),
                        shape=y.shape,
                    )
                )
            tangents.append(zeros(y.shape, y.dtype) if t is None else t)
        return tangents
