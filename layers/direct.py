"""Convolution of few channels without patches: what `Conv2d` computes, for 1 to 8 input channels.

A patch of a grey picture has 25 numbers for a 5x5 kernel, and LeNet's first layer multiplies each by no more than six
weights: to write the patches takes longer than the products. So they are read where they lie, in the picture. This file
only chooses between two loops that do it: `nn.backend.cpu.conv_direct`, which takes one picture after the other, and
`nn.backend.cpu.conv_batched`, which takes sixteen at once and is faster for layers as narrow as LeNet's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nn.backend import kernels
from nn.backend.runtime.threads import on_cpu

if TYPE_CHECKING:
    from layers.conv import Conv2d

FEW_CHANNELS = 8
FEW_OUTPUTS = 6  # channels; with more, a register full of them is used well enough
ABREAST_BYTES = 4 << 20  # of turned pictures, which should stay in the processor's cache


def pays(convolution: Conv2d) -> bool:
    """Is this the faster way? Not on a graphics card: its matrix products are so fast that patches always pay."""
    return on_cpu(convolution.params["weight"]) and convolution.in_channels <= FEW_CHANNELS and convolution.groups == 1


def forward(convolution: Conv2d, x: np.ndarray, y: np.ndarray) -> None:
    """Write the convolution of x to y."""
    weight, bias = _row_by_row(convolution.params["weight"]), convolution.params["bias"]
    convolve = kernels.convolve_abreast if _is_narrow(convolution, x) else kernels.convolve
    convolve(x, weight, bias, convolution.stride, convolution.padding, y)


def backward(convolution: Conv2d, x: np.ndarray, dy: np.ndarray, dx: np.ndarray | None) -> None:
    """Write the gradients by weight and bias to `grads`, and that by x to dx unless it is None."""
    weight, stride, padding = _row_by_row(convolution.params["weight"]), convolution.stride, convolution.padding
    narrow, together = _is_narrow(convolution, x), stride == (1, 1) and _fit_abreast(dy)
    weight_gradient = kernels.weight_gradient_abreast if narrow else kernels.weight_gradient
    weight_gradient(x, dy, stride, padding, convolution.grads["weight"], convolution.grads["bias"])
    if dx is not None:
        input_gradient = kernels.input_gradient_abreast if together else kernels.input_gradient
        input_gradient(dy, weight, stride, padding, dx)


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
