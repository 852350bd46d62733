"""The names of the Array API standard: one file a chapter of the standard.

NumPy's functions differentiate when a Tensor is among their arguments. Those here call them, with
the standard's parameters; they turn whatever they are given into Tensors first, and so always
return Tensors. `tensorgrad.linalg` and `tensorgrad.fft` are the extensions of the standard.
"""
