"""The picture of a convolution and of its gradients: a window that slides."""

from tensorgrad.visualize.sliding.window import (
    SlidingWindow as SlidingWindow,
    show_conv as show_conv,
)
