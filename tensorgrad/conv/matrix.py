"""Convolution as a product with a matrix: sparse, and the same for every image."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from tensorgrad.conv.functional import beyond_border
from tensorgrad.conv.geometry import Padding, pads_for, per_axis, positive_integer, require_fit
from tensorgrad.conv.layouts import channels_first, is_channels_last, shapes_first, spatial_axes
from tensorgrad.conv.patches import im2col_
from tensorgrad.engine.tensor import Tensor
from tensorgrad.errors import ShapeError, UnsupportedError, explain
from tensorgrad.typing import ArrayLike, Shape


def conv_matrix(
    w: ArrayLike,
    input_shape: Sequence[int],
    *,
    stride: int | Shape = 1,
    padding: Padding = 0,
    dilation: int | Shape = 1,
    groups: int = 1,
    layout: str = "NC*",
    padding_mode: str = "zeros",
) -> Any:
    """Return the sparse matrix that takes a flattened image to its flattened convolution.

    ``conv_matrix(w, x.shape) @ x.ravel()`` has the entries of ``conv(x, w)``. The transpose of the
    matrix takes the output gradient to that by the image: it is the transposed convolution.

    Parameters
    ----------
    w : (C_out, C_in / groups, *K), or (*K, C_in / groups, C_out) where the layout says so
        Values: a sparse matrix of SciPy has no derivative.
    input_shape
        The shape of one image, without a batch: (C_in, *sides), or (*sides, C_in).
    stride, padding, dilation, groups, layout, padding_mode
        As for `conv`.

    Returns
    -------
    scipy.sparse.csr_array
        Of the shape (entries of the result, entries of the image), in the precision of w. It holds
        the weights that meet an entry of the image, also those that are 0.

    Raises
    ------
    ShapeError
        If sizes, channels or parameters do not fit together.
    UnsupportedError
        If w requires a gradient.
    ImportError
        If SciPy is not installed.

    Examples
    --------
    A stride of 2 puts every other row away; the transpose lets two entries overlap.

    >>> import numpy as np
    >>> import tensorgrad as tg
    >>> matrix = tg.conv_matrix([[[1, 10, 100]]], (1, 5), stride=2)
    >>> matrix.toarray()
    array([[  1,  10, 100,   0,   0],
           [  0,   0,   1,  10, 100]])
    >>> matrix.T @ [2, 3]
    array([  2,  20, 203,  30, 300])
    """
    try:
        from scipy.sparse import coo_array
    except ImportError as error:
        raise ImportError(
            "conv_matrix needs SciPy: python -m pip install tensorgrad[special]"
        ) from error
    operation = "conv_matrix"
    if isinstance(w, Tensor) and w.requires_grad:
        raise UnsupportedError(
            explain(
                operation,
                "A sparse matrix of SciPy has no derivative by its entries.",
                "Use conv, or a product with im2col, which have; or pass w.numpy().",
                w_shape=w.shape,
            )
        )
    w = np.asarray(w)
    n = spatial_axes(operation, w)
    if np.shape(input_shape) != (n + 1,):
        raise ShapeError(
            explain(
                operation,
                f"input_shape is that of one image: its channels, and {n} spatial sides.",
                "Pass x.shape[1:] for images with a batch axis.",
                input_shape=input_shape,
                w_shape=w.shape,
            )
        )
    shape = per_axis(operation, "input_shape", input_shape, n + 1)
    groups = positive_integer(operation, "groups", groups)
    strides = per_axis(operation, "stride", stride, n)
    dilations = per_axis(operation, "dilation", dilation, n)
    # the image holds the numbers of its entries, from 1: 0 is for what the padding puts there
    numbers = np.arange(1, prod(shape) + 1).reshape(shape)
    shapes_first(operation, n, numbers.shape, w.shape, layout, groups, transposed=False)
    numbers, w = channels_first(numbers, w, layout, transposed=False)
    kernel = w.shape[2:]
    pads = pads_for(operation, padding, numbers.shape[2:], kernel, strides, dilations)
    require_fit(operation, numbers.shape[2:], kernel, pads, dilations)
    if padding_mode != "zeros":
        numbers, pads = beyond_border(operation, numbers, pads, padding_mode), ((0, 0),) * n
    columns = im2col_(numbers, kernel=kernel, stride=strides, padding=pads, dilation=dilations)
    # an entry for each (g, o, c k, l): which entry is met, by which weight, and for which result
    outs, entries, patches = w.shape[0], prod(w.shape[1:]), columns.shape[-1]
    results = np.arange(outs * patches)
    results = results.reshape(-1, outs).T if is_channels_last(layout) else results
    met, weights, rows = np.broadcast_arrays(
        columns.reshape(groups, 1, entries, patches),
        w.reshape(groups, outs // groups, entries, 1),
        results.reshape(groups, outs // groups, 1, patches),
    )
    inside = met > 0
    matrix = coo_array(
        (weights[inside], (rows[inside], met[inside] - 1)), shape=(results.size, prod(shape))
    )
    return matrix.tocsr()  # this adds up weights that meet the same entry, as they do at a border
