"""tensorgrad: a NumPy autograd engine with a convolution primitive."""

from typing import TYPE_CHECKING

from tensorgrad import errors as errors, fft as fft, linalg as linalg, ops as ops

# the Array API standard: NumPy's names for what NumPy has
from tensorgrad.array_api.creation import *  # noqa: F403
from tensorgrad.array_api.dtypes import *  # noqa: F403
from tensorgrad.array_api.elementwise import *  # noqa: F403
from tensorgrad.array_api.manipulation import *  # noqa: F403
from tensorgrad.array_api.multiplication import *  # noqa: F403
from tensorgrad.array_api.namespace import *  # noqa: F403
from tensorgrad.array_api.searching import *  # noqa: F403
from tensorgrad.array_api.statistics import *  # noqa: F403
from tensorgrad.conv import (
    adaptive_avg_pool as adaptive_avg_pool,
    adaptive_avg_pool1d as adaptive_avg_pool1d,
    adaptive_avg_pool2d as adaptive_avg_pool2d,
    adaptive_avg_pool3d as adaptive_avg_pool3d,
    adaptive_max_pool as adaptive_max_pool,
    adaptive_max_pool1d as adaptive_max_pool1d,
    adaptive_max_pool2d as adaptive_max_pool2d,
    adaptive_max_pool3d as adaptive_max_pool3d,
    avg_pool as avg_pool,
    avg_pool1d as avg_pool1d,
    avg_pool2d as avg_pool2d,
    avg_pool3d as avg_pool3d,
    col2im as col2im,
    conv as conv,
    conv1d as conv1d,
    conv2d as conv2d,
    conv3d as conv3d,
    conv_input_sizes as conv_input_sizes,
    conv_matrix as conv_matrix,
    conv_output_size as conv_output_size,
    conv_padding as conv_padding,
    conv_transpose as conv_transpose,
    conv_transpose1d as conv_transpose1d,
    conv_transpose2d as conv_transpose2d,
    conv_transpose3d as conv_transpose3d,
    conv_transpose_output_size as conv_transpose_output_size,
    explain_conv as explain_conv,
    get_num_threads as get_num_threads,
    global_avg_pool as global_avg_pool,
    global_max_pool as global_max_pool,
    im2col as im2col,
    interpolate as interpolate,
    lp_pool as lp_pool,
    lp_pool1d as lp_pool1d,
    lp_pool2d as lp_pool2d,
    lp_pool3d as lp_pool3d,
    max_pool as max_pool,
    max_pool1d as max_pool1d,
    max_pool2d as max_pool2d,
    max_pool3d as max_pool3d,
    max_unpool as max_unpool,
    max_unpool1d as max_unpool1d,
    max_unpool2d as max_unpool2d,
    max_unpool3d as max_unpool3d,
    pixel_shuffle as pixel_shuffle,
    pixel_unshuffle as pixel_unshuffle,
    set_num_threads as set_num_threads,
)
from tensorgrad.engine.modes import no_grad as no_grad, strict as strict
from tensorgrad.engine.notes import scope as scope, source_lines as source_lines
from tensorgrad.engine.tensor import Tensor as Tensor, tensor as tensor
from tensorgrad.ops.selecting import sliding_window_view as sliding_window_view
from tensorgrad.transforms import (
    checkpoint as checkpoint,
    custom_jvp as custom_jvp,
    custom_vjp as custom_vjp,
    grad as grad,
    hessian as hessian,
    hvp as hvp,
    jacfwd as jacfwd,
    jacobian as jacobian,
    jacrev as jacrev,
    jvp as jvp,
    linearize as linearize,
    stop_gradient as stop_gradient,
    value_and_grad as value_and_grad,
    vjp as vjp,
    vmap as vmap,
)
from tensorgrad.visualize.debug import debug as debug
from tensorgrad.visualize.graph import Graph as Graph, graph as graph
from tensorgrad.visualize.profile import profile as profile
from tensorgrad.visualize.sliding import show_conv as show_conv
from tensorgrad.visualize.trace import trace as trace

if TYPE_CHECKING:
    from tensorgrad import special as special
else:

    def __getattr__(name: str) -> object:
        """Import `tensorgrad.special`, which needs SciPy, when it is asked for."""
        if name == "special":
            import tensorgrad.special

            return tensorgrad.special
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
