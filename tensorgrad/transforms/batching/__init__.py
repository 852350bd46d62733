"""Arrays of examples with hidden axes, and how NumPy's functions compute on them."""

from tensorgrad.transforms.batching import protocols as protocols
