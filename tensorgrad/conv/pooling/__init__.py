"""Pooling: maxima, averages and powers over windows, and back from the places of maxima."""

from tensorgrad.conv.pooling.adaptive import (
    adaptive_avg_pool as adaptive_avg_pool,
    adaptive_avg_pool1d as adaptive_avg_pool1d,
    adaptive_avg_pool2d as adaptive_avg_pool2d,
    adaptive_avg_pool3d as adaptive_avg_pool3d,
    adaptive_max_pool as adaptive_max_pool,
    adaptive_max_pool1d as adaptive_max_pool1d,
    adaptive_max_pool2d as adaptive_max_pool2d,
    adaptive_max_pool3d as adaptive_max_pool3d,
    global_avg_pool as global_avg_pool,
    global_max_pool as global_max_pool,
)
from tensorgrad.conv.pooling.average import (
    avg_pool as avg_pool,
    avg_pool1d as avg_pool1d,
    avg_pool2d as avg_pool2d,
    avg_pool3d as avg_pool3d,
    lp_pool as lp_pool,
    lp_pool1d as lp_pool1d,
    lp_pool2d as lp_pool2d,
    lp_pool3d as lp_pool3d,
)
from tensorgrad.conv.pooling.max import (
    max_pool as max_pool,
    max_pool1d as max_pool1d,
    max_pool2d as max_pool2d,
    max_pool3d as max_pool3d,
)
from tensorgrad.conv.pooling.unpool import (
    max_unpool as max_unpool,
    max_unpool1d as max_unpool1d,
    max_unpool2d as max_unpool2d,
    max_unpool3d as max_unpool3d,
)
