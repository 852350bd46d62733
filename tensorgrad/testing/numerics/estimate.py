"""Numerical derivatives for anybody to use: values, and how far they may be off."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tensorgrad.errors import ShapeError, UnsupportedError, explain
from tensorgrad.testing.functions import Arrays, floating, names_of
from tensorgrad.testing.numerics.slopes import Slope, slope
from tensorgrad.testing.numerics.space import Space
from tensorgrad.testing.numerics.subject import Subject
from tensorgrad.typing import Array, Tree


class Estimate(NamedTuple):
    """A derivative found numerically.

    Attributes
    ----------
    value
        The derivative; at a kink the average of those on both sides.
    error
        A bound of the error of each entry, in the containers of the value.
    method
        How it was found: ``linear``, ``complex step``, ``Richardson`` or ``one-sided``.
    evaluations
        How often the function was called.
    """

    value: Tree
    error: Tree
    method: str
    evaluations: int


def numerical_jvp(
    f: Callable[..., Any], primals: Sequence[Tree], tangents: Sequence[Tree]
) -> Estimate:
    """Return the derivative of a function along a direction, found numerically.

    Parameters
    ----------
    f
        A function of arrays, or containers of arrays, to such. If it takes Tensors, what it records
        tells which methods apply; else it gets arrays.
    primals, tangents
        Where, and in which direction: tuples of arguments of the same structure.

    Returns
    -------
    Estimate
        Its value is a tuple with the tangent of each result that is a floating-point array.

    Raises
    ------
    ShapeError
        If tangents and primals differ in number or shape.

    Examples
    --------
    >>> import numpy as np
    >>> from tensorgrad.testing import numerical_jvp
    >>> (t,), (error,), method, _ = numerical_jvp(lambda x: np.exp(x), (0.0,), (1.0,))
    >>> bool(abs(t - 1) <= error < 1e-12), method
    (True, 'complex step')
    """
    subject = _subject(f, primals)
    directions = Arrays(tangents, [""] * len(tangents)).values
    if Space.of(directions).shapes != subject.domain.shapes:
        raise ShapeError(
            explain(
                "numerical_jvp",
                "Each argument has a tangent of its shape.",
                primals=subject.domain.shapes,
                tangents=Space.of(directions).shapes,
            )
        )
    found = slope(subject, subject.domain.pack(directions))
    value, error = (tuple(subject.codomain.unpack(v)) for v in (found.middle, found.error))
    return Estimate(value, error, found.method, subject.evaluations)


def numerical_vjp(f: Callable[..., Any], primals: Sequence[Tree], cotangents: Tree) -> Estimate:
    """Return the gradient that is pulled back from a cotangent, found numerically.

    Parameters
    ----------
    f, primals
        As for `numerical_jvp`.
    cotangents
        A cotangent for each result of f that is a floating-point array, in a tuple; the array
        itself where there is one result.

    Returns
    -------
    Estimate
        Its value is a tuple with the gradient by each floating-point array of the primals; of
        complex ones dL/dRe + i dL/dIm.

    Raises
    ------
    ShapeError
        If a cotangent is missing, or has another shape than its result.

    Examples
    --------
    >>> import numpy as np
    >>> from tensorgrad.testing import numerical_vjp
    >>> numerical_vjp(np.multiply, (2.0, 5.0), 1.0).value
    (array(5.), array(2.))
    """
    subject = _subject(f, primals)
    gs = [np.asarray(g) for g in (cotangents if isinstance(cotangents, tuple) else (cotangents,))]
    if Space.of(gs).shapes != subject.codomain.shapes:
        raise ShapeError(
            explain(
                "numerical_vjp",
                "Each result has a cotangent of its shape.",
                "Pass a tuple of arrays.",
                results=subject.codomain.shapes,
                cotangents=Space.of(gs).shapes,
            )
        )
    g = subject.codomain.pack(gs)
    slopes = _slopes(subject)
    value = np.array([g @ s.middle for s in slopes]) / subject.scale
    error = np.array([np.abs(g) @ s.error for s in slopes]) / subject.scale
    return Estimate(
        tuple(subject.domain.unpack(value)),
        tuple(subject.domain.unpack(error)),
        _methods(slopes),
        subject.evaluations,
    )


def numerical_jacobian(f: Callable[..., Any], *args: Tree) -> Estimate:
    """Return the Jacobian of a function with one real result, found numerically.

    Parameters
    ----------
    f
        As for `numerical_jvp`.
    *args
        Where: real arrays, or containers of such.

    Returns
    -------
    Estimate
        Its value is a tuple with an array of shape ``result.shape + x.shape`` for each array x.

    Raises
    ------
    UnsupportedError
        If f has several results, or if numbers are complex.

    Examples
    --------
    >>> import numpy as np
    >>> from tensorgrad.testing import numerical_jacobian
    >>> numerical_jacobian(np.cumsum, np.array([1.0, 5.0])).value
    (array([[1., 0.],
           [1., 1.]]),)
    """
    subject = _subject(f, args)
    if len(subject.codomain.shapes) != 1 or not (
        subject.domain.is_real and subject.codomain.is_real
    ):
        raise UnsupportedError(
            explain(
                "numerical_jacobian",
                "There is one Jacobian only for one real result.",
                "Use numerical_jvp.",
                arguments=[str(dtype) for dtype in subject.domain.dtypes],
                results=[str(dtype) for dtype in subject.codomain.dtypes],
            )
        )
    slopes = _slopes(subject)
    value = np.stack([s.middle for s in slopes], axis=-1) / subject.scale  # (results, arguments)
    error = np.stack([s.error for s in slopes], axis=-1) / subject.scale
    return Estimate(
        _blocks(subject, value), _blocks(subject, error), _methods(slopes), subject.evaluations
    )


def _subject(f: Callable[..., Any], args: Sequence[Tree]) -> Subject:
    arrays = Arrays(args, names_of(f, len(args)))

    def function(*xs: Any) -> tuple[Any, ...]:
        return floating(f(*arrays.replaced(xs)))

    try:
        return Subject(function, arrays.values)
    except (TypeError, AttributeError):  # it takes arrays only
        return Subject(function, arrays.values, traced=False)


def _slopes(subject: Subject) -> list[Slope]:
    return [slope(subject, t) for t in np.diag(subject.scale)]


def _methods(slopes: Sequence[Slope]) -> str:
    return " and ".join(dict.fromkeys(s.method for s in slopes))


def _blocks(subject: Subject, matrix: Array) -> tuple[Array, ...]:
    (result,) = subject.codomain.shapes
    pieces = np.split(matrix, np.cumsum(subject.domain.sizes)[:-1], axis=-1)
    return tuple(
        piece.reshape(result + shape)
        for piece, shape in zip(pieces, subject.domain.shapes, strict=True)
    )
