"""A forward pass that has been made ready: for few images, where what precedes the arithmetic takes most of the time.

Before a layer computes, it checks its input, asks for memory and chooses among ways. For LeNet and one digit that takes
four times as long as the arithmetic. And for a number of images it comes out the same every time. So here it is done
once: a pass runs, the functions that it calls are entered in a list together with their arrays (`nn.backend.recorded`),
and from then on they are called again, on the same arrays.

What depends on the weights alone is done once as well, and compiled loops are called without Python between them
(`nn.backend.cpu.prepared`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import numpy as np

from nn.backend import recorded
from nn.backend.runtime.blas import single_threaded_blas
from nn.buffers import Buffers
from nn.network import Network

LARGE = 1 << 22  # multiplications; beside fewer, to hold BLAS to one thread, some microseconds, would be felt


class CompiledForward:
    """`network.forward(x)` for a fixed number of images and the weights that the network has now.

        fast = CompiledForward(network, 1)
        logits = fast(x)                # x (1, H, W, C), in the network's dtype; logits (1, classes), a new array

    When the weights have changed, make a new one. Several threads may call it; they take turns. It computes the same as
    `forward`, up to rounding: 3x3 and 5x5 convolutions may take Winograd's way.

    It keeps the weights of large fully connected layers a second time: for several images in another order, 235 MB for
    AlexNet; for one image, where to read them is all the work, in 24 bits, 176 MB. That moves the outputs by about as
    much as rounding does (`nn.backend.cpu.weights_in_24_bits`).

    half: keep the weights of fully connected layers in float16, three decimal digits, and compute in float32: still
        fewer bytes for a single image.

    Raises ValueError for a network on a GPU or without an image shape; for one with a layer that computes outside the
    functions of `nn.backend`, whose pass cannot be repeated; for a number of images below 1; and, with half, for
    several images, for weights above 65504, and on processors that do not know float16.
    """

    def __init__(self, network: Network, batch: int, half: bool = False) -> None:
        from nn.backend.cpu.prepared import prepared  # here, as it takes a moment

        self._name = network.name
        if network.device != "cpu":
            raise ValueError(f"{self._name} lies on a GPU, expected a network on the processor; to('cpu') moves it")
        if network.image_shape is None:
            raise ValueError(f"{self._name} has no image shape; make it with Network(..., image_shape=(H, W, C))")
        if not isinstance(batch, int) or batch < 1:
            raise ValueError(
                f"CompiledForward of {self._name}: expected a number of images of at least 1, got {batch!r}"
            )
        self._x = np.zeros((batch, *network.image_shape), network.dtype)
        self._turn = threading.Lock()
        once = single_threaded_blas(network._run)  # as in `forward`
        with recorded() as calls:
            self._y = once(self._x, False, Buffers())[0]
        self._is_large = True  # so that BLAS adds in the order that it has in `once`
        self._calls: list[Callable[[], None]] = [partial(function, *arguments) for function, arguments in calls]
        trial = np.asarray(np.random.default_rng(0).normal(size=self._x.shape), self._x.dtype)
        if not np.array_equal(self(trial), once(trial, False, Buffers())[0], equal_nan=True):
            raise ValueError(
                f"{self._name} cannot be compiled, because one of its layers computes outside the functions that "
                "nn.backend.accelerated decorates; use forward"
            )
        self._calls = prepared(calls, half)
        self._is_large = batch * network.multiply_adds() > LARGE

    def __call__(self, x: np.ndarray) -> np.ndarray:
        if not isinstance(x, np.ndarray) or x.shape != self._x.shape or x.dtype != self._x.dtype:
            got = f"{x.dtype} {x.shape}" if isinstance(x, np.ndarray) else type(x).__name__
            raise ValueError(f"{self._name} was compiled for {self._x.dtype} {self._x.shape}, got {got}")
        with self._turn:
            self._x[...] = x
            (_repeat_held if self._is_large else _repeat)(self._calls)
            return self._y.copy()


def _repeat(calls: list[Callable[[], None]]) -> None:
    for call in calls:
        call()


_repeat_held = single_threaded_blas(_repeat)
