"""The libraries, each with the few things that differ between them.

A library is made in a process of its own, where it is the only one that is ever imported. It turns
a function of arrays, written with its own operations, into two runs:

- ``forward`` computes the result; a library with a tape records it;
- ``forward+backward`` computes the result, and its gradient by every argument, weighted by a seed.

Both return lists of the library's own arrays, complete when the call returns.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

Array = np.ndarray
Function = Callable[..., Any]
Run = Callable[[], Sequence[Any]]


class MissingOpError(Exception):
    """The library has no operation for a case; the message says what is missing."""


class Library:
    """The parts of a library that the benchmarks use; `Tensorgrad` is the plainest example."""

    package: ClassVar[str]

    def sin(self, x: Any) -> Any:
        return np.sin(x)

    def conv2d(self, stride: int, padding: int, dilation: int, groups: int) -> Function:
        """Return a function of x (n, c, h, w), w (o, c / groups, kh, kw) and b (o,)."""
        raise NotImplementedError

    def runs(self, fun: Function, inputs: list[Array], seed: Array) -> dict[str, Run]:
        """Return the two runs of a function."""
        raise NotImplementedError

    def compiled_runs(self, fun: Function, inputs: list[Array], seed: Array) -> dict[str, Run]:
        """Return the two runs of a function, compiled where the library has a compiler."""
        return self.runs(fun, inputs, seed)

    def numpy(self, result: Any) -> Array:
        return np.asarray(result)


class Tensorgrad(Library):
    package = "tensorgrad"

    def __init__(self) -> None:
        import tensorgrad

        self.tg = tensorgrad

    def conv2d(self, stride: int, padding: int, dilation: int, groups: int) -> Function:
        return lambda x, w, b: self.tg.conv2d(
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


class PyTorch(Library):
    package = "torch"

    def __init__(self) -> None:
        import torch

        self.torch = torch

    def sin(self, x: Any) -> Any:
        return self.torch.sin(x)

    def conv2d(self, stride: int, padding: int, dilation: int, groups: int) -> Function:
        conv = self.torch.nn.functional.conv2d
        return lambda x, w, b: conv(x, w, b, stride, padding, dilation, groups)

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
    package = "jax"

    def __init__(self) -> None:
        import jax

        jax.config.update("jax_enable_x64", True)
        self.jax = jax

    def sin(self, x: Any) -> Any:
        return self.jax.numpy.sin(x)

    def conv2d(self, stride: int, padding: int, dilation: int, groups: int) -> Function:
        def conv(x: Any, w: Any, b: Any) -> Any:
            y = self.jax.lax.conv_general_dilated(
                x,
                w,
                window_strides=(stride, stride),
                padding=((padding, padding), (padding, padding)),
                rhs_dilation=(dilation, dilation),
                feature_group_count=groups,
            )
            return y + b[:, None, None]

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
    package = "mygrad"

    def __init__(self) -> None:
        import mygrad
        import mygrad.nnet

        self.mg = mygrad

    def conv2d(self, stride: int, padding: int, dilation: int, groups: int) -> Function:
        if groups != 1:
            raise MissingOpError("groups")

        def conv(x: Any, w: Any, b: Any) -> Any:
            for i, k in zip(x.shape[2:], w.shape[2:], strict=True):
                if (i + 2 * padding - dilation * (k - 1) - 1) % stride:
                    raise MissingOpError("stride with a remainder")
            y = self.mg.nnet.layers.conv_nd(x, w, stride=stride, padding=padding, dilation=dilation)
            return y + self.mg.reshape(b, (-1, 1, 1))

        return conv

    def runs(self, fun: Function, inputs: list[Array], seed: Array) -> dict[str, Run]:
        leaves = [self.mg.tensor(a) for a in inputs]

        def backward() -> list[Any]:
            y = fun(*leaves)
            y.backward(seed)
            return [y.data, *(leaf.grad for leaf in leaves)]

        return {"forward": lambda: [fun(*leaves).data], "forward+backward": backward}


class Autograd(Library):
    package = "autograd"

    def __init__(self) -> None:
        import autograd
        import autograd.numpy
        import autograd.scipy.signal

        self.autograd = autograd
        self.anp = autograd.numpy
        self.convolve = autograd.scipy.signal.convolve

    def sin(self, x: Any) -> Any:
        return self.anp.sin(x)

    def conv2d(self, stride: int, padding: int, dilation: int, groups: int) -> Function:
        for name, value in (("stride", stride), ("dilation", dilation), ("groups", groups)):
            if value != 1:
                raise MissingOpError(name)
        border = ((0, 0), (0, 0), (padding, padding), (padding, padding))

        def conv(x: Any, w: Any, b: Any) -> Any:
            x = self.anp.pad(x, border, "constant")
            mirrored = w[:, :, ::-1, ::-1]
            y = self.convolve(x, mirrored, axes=([2, 3], [2, 3]), dot_axes=([1], [1]), mode="valid")
            return y + self.anp.reshape(b, (-1, 1, 1))

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
    "JAX": JAX,
    "MyGrad": MyGrad,
    "autograd": Autograd,
}
