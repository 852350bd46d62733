"""The libraries, each with the few things that differ between them.

A library is made in a process of its own, where it is the only one that is ever imported. It turns
a function of arrays, written with its own operations, into two runs:

- ``forward`` computes the result; a library with a tape records it;
- ``forward+backward`` computes the result, and its gradient by every argument, weighted by a seed.

Both return lists of the library's own arrays, complete when the call returns.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

Array = np.ndarray
Shape = tuple[int, ...]
Function = Callable[..., Any]
Run = Callable[[], Sequence[Any]]


class MissingOpError(Exception):
    """The library has no operation for a case; the message says what is missing."""


class Convolution(NamedTuple):
    """The parameters of a convolution, written as briefly as users do."""

    axes: int
    stride: int | Shape = 1
    padding: int | Shape | tuple[tuple[int, int], ...] = 0
    dilation: int | Shape = 1
    groups: int = 1
    transposed: bool = False

    def per_axis(self) -> list[tuple[int, tuple[int, int], int]]:
        """Return stride, (low, high) padding and dilation for each axis."""
        stride, padding, dilation = (
            (value,) * self.axes if isinstance(value, int) else value
            for value in (self.stride, self.padding, self.dilation)
        )
        pairs = ((p, p) if isinstance(p, int) else p for p in padding)
        return list(zip(stride, pairs, dilation, strict=True))

    @property
    def one_sided(self) -> bool:
        return any(low != high for _, (low, high), _ in self.per_axis())


class Library:
    """The parts of a library that the benchmarks use; `Tensorgrad` is the plainest example."""

    packages: ClassVar[Sequence[str]]

    def sin(self, x: Any) -> Any:
        return np.sin(x)

    def conv(self, convolution: Convolution) -> Function:
        """Return a function of x (n, c, *i), w (o, c / groups, *k) and b (o,).

        Of a transposed convolution w is (c, o / groups, *k).
        """
        raise NotImplementedError

    def runs(self, fun: Function, inputs: list[Array], seed: Array) -> dict[str, Run]:
        """Return the two runs of a function."""
        raise NotImplementedError

    def compiled_runs(self, fun: Function, inputs: list[Array], seed: Array) -> dict[str, Run]:
        """Return the two runs of a function, compiled where the library has a compiler."""
        return self.runs(fun, inputs, seed)

    def numpy(self, result: Any) -> Array:
        return np.asarray(result)

    def forget(self) -> None:
        """Free the memory that the library's threads keep for the next call."""


class Tensorgrad(Library):
    packages = ("tensorgrad",)

    def __init__(self) -> None:
        import tensorgrad
        from tensorgrad.conv import threads

        self.tg, self.threads = tensorgrad, threads

    def conv(self, convolution: Convolution) -> Function:
        axes, stride, padding, dilation, groups, transposed = convolution
        conv = getattr(self.tg, f"conv_transpose{axes}d" if transposed else f"conv{axes}d")
        return lambda x, w, b: conv(
            x, w, b, stride=stride, padding=padding, dilation=dilation, groups=groups
        )

    def runs(self, fun: Function, inputs: list[Array], seed: Array) -> dict[str, Run]:
        leaves = [self.tg.tensor(a, requires_grad=True) for a in inputs]

        def backward() -> list[Any]:
            y = fun(*leaves)
            y.backward(seed)
            gradients = [leaf.grad for leaf in leaves]
            for leaf in leaves:
                leaf.grad = None
            return [y, *gradients]

        return {"forward": lambda: [fun(*leaves)], "forward+backward": backward}

    def numpy(self, result: Any) -> Array:
        return result.numpy()

    def forget(self) -> None:
        self.threads.set_num_threads(self.threads.get_num_threads())  # a new pool


class TensorgradInNumPy(Tensorgrad):
    """tensorgrad as it is where Numba is not installed."""

    packages = ("tensorgrad", "numba")

    def __init__(self) -> None:
        sys.modules["numba"] = None  # importing it raises ImportError from now on
        super().__init__()


class PyTorch(Library):
    packages = ("torch",)

    def __init__(self) -> None:
        import torch

        self.torch = torch

    def sin(self, x: Any) -> Any:
        return self.torch.sin(x)

    def conv(self, convolution: Convolution) -> Function:
        axes, stride, padding, dilation, groups, transposed = convolution
        functional = self.torch.nn.functional
        if transposed:
            transpose = getattr(functional, f"conv_transpose{axes}d")
            return lambda x, w, b: transpose(x, w, b, stride, padding, 0, groups, dilation)
        conv = getattr(functional, f"conv{axes}d")
        if not convolution.one_sided:
            return lambda x, w, b: conv(x, w, b, stride, padding, dilation, groups)
        border = [p for pair in reversed(padding) for p in pair]
        return lambda x, w, b: conv(functional.pad(x, border), w, b, stride, 0, dilation, groups)

    def runs(self, fun: Function, inputs: list[Array], seed: Array) -> dict[str, Run]:
        leaves = [self.torch.tensor(a, requires_grad=True) for a in inputs]
        weight = self.torch.tensor(seed)

        def backward() -> list[Any]:
            y = fun(*leaves)
            y.backward(weight)
            gradients = [leaf.grad for leaf in leaves]
            for leaf in leaves:
                leaf.grad = None
            return [y, *gradients]

        return {"forward": lambda: [fun(*leaves)], "forward+backward": backward}

    def numpy(self, result: Any) -> Array:
        return result.detach().numpy()


class JAX(Library):
    packages = ("jax",)

    def __init__(self) -> None:
        import jax

        jax.config.update("jax_enable_x64", True)
        self.jax = jax

    def sin(self, x: Any) -> Any:
        return self.jax.numpy.sin(x)

    def conv(self, convolution: Convolution) -> Function:
        axes, groups = convolution.axes, convolution.groups
        stride, padding, dilation = zip(*convolution.per_axis(), strict=True)
        lax = self.jax.lax
        channels_first = lax.ConvDimensionNumbers(*(tuple(range(axes + 2)),) * 3)

        def conv(x: Any, w: Any, b: Any) -> Any:
            if convolution.transposed:
                reaches = [d * (k - 1) for d, k in zip(dilation, w.shape[2:], strict=True)]
                y = lax.conv_transpose(
                    x,
                    w,
                    stride,
                    [(r - low, r - high) for r, (low, high) in zip(reaches, padding, strict=True)],
                    dilation,
                    channels_first,
                    transpose_kernel=True,
                )
            else:
                y = lax.conv_general_dilated(
                    x, w, stride, padding, rhs_dilation=dilation, feature_group_count=groups
                )
            return y + self.jax.numpy.reshape(b, (-1, *(1,) * axes))

        return conv

    def runs(self, fun: Function, inputs: list[Array], seed: Array) -> dict[str, Run]:
        return self._runs(fun, inputs, seed, lambda fun: fun)

    def compiled_runs(self, fun: Function, inputs: list[Array], seed: Array) -> dict[str, Run]:
        return self._runs(fun, inputs, seed, self.jax.jit)

    def _runs(
        self, fun: Function, inputs: list[Array], seed: Array, build: Callable[[Function], Function]
    ) -> dict[str, Run]:
        def result_and_gradients(weight: Any, *arrays: Any) -> list[Any]:
            y, pullback = self.jax.vjp(fun, *arrays)
            return [y, *pullback(weight)]

        arrays = [self.jax.numpy.asarray(a) for a in inputs]
        weight = self.jax.numpy.asarray(seed)
        forward, backward = build(fun), build(result_and_gradients)
        wait = self.jax.block_until_ready
        return {
            "forward": lambda: [wait(forward(*arrays))],
            "forward+backward": lambda: wait(backward(weight, *arrays)),
        }


class MyGrad(Library):
    packages = ("mygrad",)

    def __init__(self) -> None:
        import mygrad
        import mygrad.nnet

        self.mg = mygrad

    def conv(self, convolution: Convolution) -> Function:
        axes, stride, padding, dilation, groups, transposed = convolution
        if groups != 1:
            raise MissingOpError("groups")
        if transposed:
            raise MissingOpError("transposed convolution")
        if convolution.one_sided:
            raise MissingOpError("padding of one side")

        def conv(x: Any, w: Any, b: Any) -> Any:
            sizes = zip(x.shape[2:], w.shape[2:], convolution.per_axis(), strict=True)
            if any((i + 2 * p - d * (k - 1) - 1) % s for i, k, (s, (p, _), d) in sizes):
                raise MissingOpError("stride with a remainder")
            y = self.mg.nnet.layers.conv_nd(x, w, stride=stride, padding=padding, dilation=dilation)
            return y + self.mg.reshape(b, (-1, *(1,) * axes))

        return conv

    def runs(self, fun: Function, inputs: list[Array], seed: Array) -> dict[str, Run]:
        leaves = [self.mg.tensor(a) for a in inputs]

        def backward() -> list[Any]:
            y = fun(*leaves)
            y.backward(seed)
            return [y.data, *(leaf.grad for leaf in leaves)]

        return {"forward": lambda: [fun(*leaves).data], "forward+backward": backward}


class Autograd(Library):
    packages = ("autograd",)

    def __init__(self) -> None:
        import autograd
        import autograd.numpy
        import autograd.scipy.signal

        self.autograd = autograd
        self.anp = autograd.numpy
        self.convolve = autograd.scipy.signal.convolve

    def sin(self, x: Any) -> Any:
        return self.anp.sin(x)

    def conv(self, convolution: Convolution) -> Function:
        axes, stride, _, dilation, groups, transposed = convolution
        for name, value in (("stride", stride), ("dilation", dilation), ("groups", groups)):
            if value != 1:
                raise MissingOpError(name)
        if transposed:
            raise MissingOpError("transposed convolution")
        border = ((0, 0), (0, 0), *(pair for _, pair, _ in convolution.per_axis()))
        spatial = list(range(2, axes + 2))

        def conv(x: Any, w: Any, b: Any) -> Any:
            x = self.anp.pad(x, border, "constant")
            mirrored = w[(..., *(slice(None, None, -1),) * axes)]
            y = self.convolve(
                x, mirrored, axes=(spatial, spatial), dot_axes=([1], [1]), mode="valid"
            )
            return y + self.anp.reshape(b, (-1, *(1,) * axes))

        return conv

    def runs(self, fun: Function, inputs: list[Array], seed: Array) -> dict[str, Run]:
        record = self.autograd.make_vjp(lambda arrays: fun(*arrays))
        arrays = tuple(inputs)

        def backward() -> list[Any]:
            pullback, y = record(arrays)
            return [y, *pullback(seed)]

        return {"forward": lambda: [record(arrays)[1]], "forward+backward": backward}


LIBRARIES: dict[str, type[Library]] = {
    "PyTorch": PyTorch,
    "tensorgrad": Tensorgrad,
    "tensorgrad (NumPy alone)": TensorgradInNumPy,
    "JAX": JAX,
    "MyGrad": MyGrad,
    "autograd": Autograd,
}
OURS = tuple(name for name, library in LIBRARIES.items() if issubclass(library, Tensorgrad))
