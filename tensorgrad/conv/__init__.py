"""Convolution: sizes, the primitive, its kernels, and the public functions."""

from tensorgrad.conv.functional import (
    conv as conv,
    conv1d as conv1d,
    conv2d as conv2d,
    conv3d as conv3d,
)
from tensorgrad.conv.matrix import conv_matrix as conv_matrix
from tensorgrad.conv.patches import col2im as col2im, im2col as im2col
from tensorgrad.conv.sizes import (
    conv_input_sizes as conv_input_sizes,
    conv_output_size as conv_output_size,
    conv_padding as conv_padding,
    conv_transpose_output_size as conv_transpose_output_size,
)
from tensorgrad.conv.transposed import (
    conv_transpose as conv_transpose,
    conv_transpose1d as conv_transpose1d,
    conv_transpose2d as conv_transpose2d,
    conv_transpose3d as conv_transpose3d,
)
