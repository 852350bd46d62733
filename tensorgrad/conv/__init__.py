"""Convolution: sizes, the primitive, its kernels, and the public functions."""

from tensorgrad.conv.functional import conv2d as conv2d, conv_transpose2d as conv_transpose2d
