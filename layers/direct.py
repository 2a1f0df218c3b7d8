"""Convolution of few channels without patches: what `Conv2d` computes, for 1 to 8 input channels.

A patch of a grey picture has 25 numbers for a 5x5 kernel, and LeNet's first layer multiplies each by no more than six
weights: to write the patches takes longer than the products. So they are read where they lie, in the picture, and this
file only shares the work out among threads. The loops are in `nn.kernels.direct`, which takes one picture after the
other, and `nn.kernels.abreast`, which takes sixteen at once and is faster for layers as narrow as LeNet's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nn import kernels
from nn.threads import on_cpu, run_parallel, split

if TYPE_CHECKING:
    from layers.conv import Conv2d

FEW_CHANNELS = 8
FEW_OUTPUTS = 6  # channels; with more, a register full of them is used well enough
ABREAST_BYTES = 4 << 20  # of turned pictures, which should stay in the processor's cache
PARTIAL_SUMS = 8  # of the gradients, at most; fixed, so that the number of threads changes no bit
PART_PRODUCTS = 1 << 21  # multiplications that are worth a part of their own


def pays(convolution: Conv2d) -> bool:
    """Is this the faster way? Not on a graphics card: its matrix products are so fast that patches always pay."""
    return on_cpu(convolution.params["weight"]) and convolution.in_channels <= FEW_CHANNELS and convolution.groups == 1


def forward(convolution: Conv2d, x: np.ndarray, y: np.ndarray) -> None:
    """Write the convolution of x to y."""
    weight, bias = _row_by_row(convolution.params["weight"]), convolution.params["bias"]
    narrow = _is_narrow(convolution, x)
    convolve = kernels.convolve_abreast if narrow else kernels.convolve
    groups = _groups(x, narrow)

    def convolve_part(part):
        images, rows = part
        convolve(x[images], weight, bias, convolution.stride, convolution.padding, rows, y[images])

    run_parallel(convolve_part, _parts(convolution, groups, y.shape))


def backward(convolution: Conv2d, x: np.ndarray, dy: np.ndarray, dx: np.ndarray | None) -> None:
    """Write the gradients by weight and bias to `grads`, and that by x to dx unless it is None."""
    weight, stride, padding = _row_by_row(convolution.params["weight"]), convolution.stride, convolution.padding
    narrow = _is_narrow(convolution, x)
    weight_gradient = kernels.weight_gradient_abreast if narrow else kernels.weight_gradient
    together = stride == (1, 1) and _fit_abreast(dy)
    input_gradient = kernels.input_gradient_abreast if together else kernels.input_gradient
    lanes = _join(_groups(x, narrow or together), _lanes(convolution, dy.shape))
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


def _is_narrow(convolution: Conv2d, x: np.ndarray) -> bool:
    """Would a register of output channels be left half empty, and can pictures fill it?"""
    return convolution.out_channels <= FEW_OUTPUTS and _fit_abreast(x)


def _fit_abreast(pictures: np.ndarray) -> bool:
    """Are there enough pictures to go abreast, and are they small enough?"""
    abreast = kernels.pictures_abreast(pictures.dtype)
    return len(pictures) >= abreast and abreast * pictures[0].nbytes <= ABREAST_BYTES


def _row_by_row(weight: np.ndarray) -> np.ndarray:
    """The kernels as the compiled loops expect them in memory: somebody may have put a transposed array into params."""
    return np.ascontiguousarray(weight) if isinstance(weight, np.ndarray) else weight


def _lanes(convolution: Conv2d, y_shape: Sequence[int]) -> int:
    """How many parts the work is cut into: fewer where there is little to do."""
    products = math.prod(y_shape) * convolution.params["weight"][..., 0].size
    return min(PARTIAL_SUMS, 1 << (products // PART_PRODUCTS).bit_length())


def _groups(x: np.ndarray, abreast: bool) -> list[slice]:
    """The images that are taken at once: as many as go abreast, or each by itself."""
    size = kernels.pictures_abreast(x.dtype) if abreast else 1
    return [slice(start, min(start + size, len(x))) for start in range(0, len(x), size)]


def _join(groups: list[slice], parts: int) -> list[slice]:
    """Neighbouring groups as one, so that at most so many parts are left."""
    return [slice(groups[some.start].start, groups[some.stop - 1].stop) for some in split(len(groups), parts)]


def _parts(convolution: Conv2d, groups: list[slice], y_shape: Sequence[int]) -> list[tuple[slice, tuple[int, int]]]:
    """Cut the forward pass into (images, output rows): of few groups of images, threads take rows each.

    Each part lays out its own copy of the pictures, with their padding: little beside the products.
    """
    lanes, height = _lanes(convolution, y_shape), y_shape[1]
    if len(groups) >= lanes:
        return [(part, (0, height)) for part in _join(groups, lanes)]
    rows = split(height, -(-lanes // len(groups)))
    return [(group, (some.start, some.stop)) for group in groups for some in rows]
