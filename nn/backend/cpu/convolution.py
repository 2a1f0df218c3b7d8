"""Which way a convolution takes on the processor. All ways compute what `layers.conv` says, up to rounding.

    conv_direct     up to 8 input channels: each patch is read where it lies, in the image
    conv_batched    the same of many images with few output channels, as LeNet's: sixteen images at a time
    conv_depthwise  a group for each input channel: the lanes of a register are neighbouring channels
    winograd        3x3 and 5x5 kernels, of pixels or, forward, of blocks of pixels where there is a stride, with enough
                    channels and images: a quarter or a sixth of the multiplications
    patches         everything else: matrix products of patches (im2col)

Winograd's way can overflow where the sums themselves do not. It finds out as it reads the numbers, and then the patches
are taken.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from nn.backend import patches
from nn.backend.cpu import conv_batched, conv_depthwise, conv_direct, winograd
from nn.backend.cpu.dense import contiguous_bias
from nn.backend.cpu.im2col import col2im_fast, im2col_fast

FEW_CHANNELS = 8
FEW_OUTPUTS = 6  # channels; with more, a register full of them is used well enough
BATCH_BYTES = 4 << 20  # of transposed images, which should stay in the processor's cache


def convolve(x, weight, bias, stride, padding, groups, y):
    """As in `layers.conv`."""
    if winograd.is_faster(weight, stride, padding, groups, y.shape) and winograd.convolve(
        x, weight, bias, stride[0], padding[0], groups, y
    ):
        return
    fast = without_patches(x, weight, bias, stride, padding, groups, y)
    if fast is not None:
        fast()
    else:
        patches.convolve(im2col_fast, x, weight, bias, stride, padding, groups, y)


def without_patches(x, weight, bias, stride, padding, groups, y) -> Callable[[], None] | None:
    """The function that does it without patches, where they would take longer than the products; else None."""
    way = _way(x, weight, groups)
    return way and partial(way.convolve, x, _contiguous(weight), contiguous_bias(bias, y), stride, padding, y)


def convolve_backward(dy, x, weight, stride, padding, groups, dweight, dbias, dx):
    """As in `layers.conv`."""
    if (
        stride == (1, 1)
        and winograd.is_faster(weight, stride, padding, groups, dy.shape)
        and winograd.convolve_backward(dy, x, weight, padding[0], groups, dweight, dx)
    ):
        if dbias is not None:
            patches.sum_positions(dy, dbias)
        return
    way = _way(x, weight, groups)
    if way is not None:
        if dbias is None:
            dbias = np.empty_like(weight, shape=dy.shape[3:])
        way.weight_gradient(x, dy, stride, padding, dweight, dbias)
        if dx is not None:
            if way is not conv_depthwise:
                way = conv_batched if stride == (1, 1) and _can_be_batched(dy) else conv_direct
            way.input_gradient(dy, _contiguous(weight), stride, padding, dx)
    else:
        patches.convolve_backward(im2col_fast, col2im_fast, dy, x, weight, stride, padding, groups, dweight, dbias, dx)


def _way(x, weight, groups):
    """The module of a way without patches, where they would take longer than the products; else None."""
    if groups > 1:
        return conv_depthwise if weight.shape[2] == 1 else None
    if weight.shape[2] > FEW_CHANNELS:
        return None
    return conv_batched if _is_narrow(x, weight) else conv_direct


def _is_narrow(x, weight) -> bool:
    """Would a register of output channels be left half empty, and can images fill it?"""
    return weight.shape[3] <= FEW_OUTPUTS and _can_be_batched(x)


def _can_be_batched(images) -> bool:
    """Are there enough images for a register, and are they small enough?"""
    count = conv_batched.images_at_once(images.dtype)
    return len(images) >= count and count * images[0].nbytes <= BATCH_BYTES


def _contiguous(weight):
    """The kernels as the compiled loops expect them in memory: there may be a transposed array in a layer's params."""
    return np.ascontiguousarray(weight)
