"""Kernels that are compiled with Numba when they are first called: vector code for this processor.

Both work on *planes*: the input padded, and taken apart by the steps at which it is read, so that
what one vector instruction reads lies side by side whatever the stride and the dilation.
"""
