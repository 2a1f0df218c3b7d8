"""Convolution of few channels without patches: what `Conv2d` computes, for 1 to 8 input channels.

A patch of a grey picture has 25 numbers for a 5x5 kernel, and LeNet's first layer multiplies each by no more than six
weights: to write the patches takes longer than the products. So they are read where they lie, in the picture, and this
file only shares the work out among threads; `nn.kernels.direct` has the loops.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nn.kernels import convolve, input_gradient, weight_gradient
from nn.threads import on_cpu, run_parallel, split

if TYPE_CHECKING:
    from layers.conv import Conv2d

FEW_CHANNELS = 8
PARTIAL_SUMS = 8  # of the gradients, at most; fixed, so that the number of threads changes no bit
PART_PRODUCTS = 1 << 21  # multiplications that are worth a part of their own


def pays(convolution: Conv2d) -> bool:
    """Is this the faster way? Not on a graphics card: its matrix products are so fast that patches always pay."""
    return on_cpu(convolution.params["weight"]) and convolution.in_channels <= FEW_CHANNELS and convolution.groups == 1


def forward(convolution: Conv2d, x: np.ndarray, y: np.ndarray) -> None:
    """Write the convolution of x to y."""
    weight, bias = _row_by_row(convolution.params["weight"]), convolution.params["bias"]

    def convolve_part(part):
        images, rows = part
        convolve(x[images], weight, bias, convolution.stride, convolution.padding, rows, y[images])

    run_parallel(convolve_part, _parts(convolution, y.shape))


def backward(convolution: Conv2d, x: np.ndarray, dy: np.ndarray, dx: np.ndarray | None) -> None:
    """Write the gradients by weight and bias to `grads`, and that by x to dx unless it is None."""
    weight, stride, padding = _row_by_row(convolution.params["weight"]), convolution.stride, convolution.padding
    lanes = split(len(x), _lanes(convolution, dy.shape))
    # Each lane adds up the gradients of its own images; the lanes' sums are added when all are done.
    dweights = np.empty_like(weight, shape=(len(lanes), *weight.shape))
    dbiases = np.empty_like(weight, shape=(len(lanes), weight.shape[-1]))

    def differentiate(lane):
        images = lanes[lane]
        weight_gradient(x[images], dy[images], stride, padding, dweights[lane], dbiases[lane])
        if dx is not None:
            input_gradient(dy[images], weight, stride, padding, dx[images])

    run_parallel(differentiate, range(len(lanes)))
    np.sum(dweights, axis=0, out=convolution.grads["weight"])
    np.sum(dbiases, axis=0, out=convolution.grads["bias"])


def _row_by_row(weight: np.ndarray) -> np.ndarray:
    """The kernels as the compiled loops expect them in memory: somebody may have put a transposed array into params."""
    return np.ascontiguousarray(weight) if isinstance(weight, np.ndarray) else weight


def _lanes(convolution: Conv2d, y_shape: Sequence[int]) -> int:
    """How many parts the work is cut into: fewer where there is little to do."""
    products = math.prod(y_shape) * convolution.params["weight"][..., 0].size
    return min(PARTIAL_SUMS, 1 << (products // PART_PRODUCTS).bit_length())


def _parts(convolution: Conv2d, y_shape: Sequence[int]) -> list[tuple[slice, tuple[int, int]]]:
    """Cut the forward pass into (images, output rows): of few images, threads take rows each.

    Each part lays out its own copy of the picture, with its padding: little beside the products.
    """
    images, height = y_shape[:2]
    lanes = _lanes(convolution, y_shape)
    if images >= lanes:
        return [(part, (0, height)) for part in split(images, lanes)]
    rows = split(height, -(-lanes // images))
    return [(slice(n, n + 1), (some.start, some.stop)) for n in range(images) for some in rows]
