"""Functions of functions: from f to its derivatives."""

from tensorgrad.transforms.gradient import grad as grad
from tensorgrad.transforms.gradient import stop_gradient as stop_gradient
from tensorgrad.transforms.gradient import value_and_grad as value_and_grad
from tensorgrad.transforms.products import jvp as jvp
from tensorgrad.transforms.products import vjp as vjp
