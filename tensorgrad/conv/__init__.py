"""Convolution: sizes, the primitive, its kernels, and the public functions."""

from tensorgrad.conv.explain import explain_conv as explain_conv
from tensorgrad.conv.functional import (
    conv as conv,
    conv1d as conv1d,
    conv2d as conv2d,
    conv3d as conv3d,
)
from tensorgrad.conv.matrix import conv_matrix as conv_matrix
from tensorgrad.conv.patches import col2im as col2im, im2col as im2col
from tensorgrad.conv.pooling import (
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
    global_avg_pool as global_avg_pool,
    global_max_pool as global_max_pool,
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
)
from tensorgrad.conv.resampling import (
    interpolate as interpolate,
    pixel_shuffle as pixel_shuffle,
    pixel_unshuffle as pixel_unshuffle,
)
from tensorgrad.conv.sizes import (
    conv_input_sizes as conv_input_sizes,
    conv_output_size as conv_output_size,
    conv_padding as conv_padding,
    conv_transpose_output_size as conv_transpose_output_size,
)
from tensorgrad.conv.threads import (
    get_num_threads as get_num_threads,
    set_num_threads as set_num_threads,
)
from tensorgrad.conv.transposed import (
    conv_transpose as conv_transpose,
    conv_transpose1d as conv_transpose1d,
    conv_transpose2d as conv_transpose2d,
    conv_transpose3d as conv_transpose3d,
)
