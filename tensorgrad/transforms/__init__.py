"""Functions of functions: from f to its derivatives."""

from tensorgrad.transforms.checkpoint import checkpoint as checkpoint
from tensorgrad.transforms.custom import custom_jvp as custom_jvp, custom_vjp as custom_vjp
from tensorgrad.transforms.gradient import (
    grad as grad,
    stop_gradient as stop_gradient,
    value_and_grad as value_and_grad,
)
from tensorgrad.transforms.jacobian import (
    hessian as hessian,
    hvp as hvp,
    jacfwd as jacfwd,
    jacobian as jacobian,
    jacrev as jacrev,
)
from tensorgrad.transforms.products import jvp as jvp, linearize as linearize, vjp as vjp
from tensorgrad.transforms.vmap import vmap as vmap
