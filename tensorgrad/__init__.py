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
from tensorgrad.conv import conv2d as conv2d, conv_transpose2d as conv_transpose2d
from tensorgrad.engine.modes import no_grad as no_grad, strict as strict
from tensorgrad.engine.tensor import Tensor as Tensor, tensor as tensor
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
from tensorgrad.visualize.graph import Graph as Graph, graph as graph

if TYPE_CHECKING:
    from tensorgrad import special as special
else:

    def __getattr__(name: str) -> object:
        """Import `tensorgrad.special`, which needs SciPy, when it is asked for."""
        if name == "special":
            import tensorgrad.special

            return tensorgrad.special
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
