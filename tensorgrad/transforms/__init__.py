"""Functions of functions: from f to its derivatives."""

from tensorgrad.transforms.checkpoint import checkpoint as checkpoint
from tensorgrad.transforms.custom import custom_jvp as custom_jvp
from tensorgrad.transforms.custom import custom_vjp as custom_vjp
from tensorgrad.transforms.gradient import grad as grad
from tensorgrad.transforms.gradient import stop_gradient as stop_gradient
from tensorgrad.transforms.gradient import value_and_grad as value_and_grad
from tensorgrad.transforms.jacobian import hessian as hessian
from tensorgrad.transforms.jacobian import hvp as hvp
from tensorgrad.transforms.jacobian import jacfwd as jacfwd
from tensorgrad.transforms.jacobian import jacobian as jacobian
from tensorgrad.transforms.jacobian import jacrev as jacrev
from tensorgrad.transforms.products import jvp as jvp
from tensorgrad.transforms.products import linearize as linearize
from tensorgrad.transforms.products import vjp as vjp
from tensorgrad.transforms.vmap import vmap as vmap
