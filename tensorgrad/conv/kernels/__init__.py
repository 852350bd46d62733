"""How convolution is computed: one file an algorithm, each for the whole family."""
