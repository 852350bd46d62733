"""tensorgrad: a NumPy autograd engine with a convolution primitive."""

from tensorgrad import errors as errors
from tensorgrad import ops as ops
from tensorgrad.conv import conv2d as conv2d
from tensorgrad.conv import conv_transpose2d as conv_transpose2d
from tensorgrad.engine.modes import no_grad as no_grad
from tensorgrad.engine.tensor import Tensor as Tensor
from tensorgrad.engine.tensor import tensor as tensor
from tensorgrad.ops.creation import arange as arange
from tensorgrad.ops.creation import eye as eye
from tensorgrad.ops.creation import full as full
from tensorgrad.ops.creation import linspace as linspace
from tensorgrad.ops.creation import ones as ones
from tensorgrad.ops.creation import zeros as zeros
from tensorgrad.transforms import grad as grad
from tensorgrad.transforms import jvp as jvp
from tensorgrad.transforms import stop_gradient as stop_gradient
from tensorgrad.transforms import value_and_grad as value_and_grad
from tensorgrad.transforms import vjp as vjp
from tensorgrad.visualize.graph import Graph as Graph
from tensorgrad.visualize.graph import graph as graph
