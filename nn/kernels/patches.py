"""im2col and col2im: turn a convolution into a matrix product, and its gradient back into a picture.

A convolution's output at one position is the product of a patch of the input with each kernel. Lay every patch out
as one row of a matrix, lay the kernels out as columns of another, and a single matrix product is the convolution:
Chellapilla, Puri, Simard 2006, "High performance convolutional neural networks for document processing", section 2.

Arrays here: x (N, H, W, C); patches (N * rows * OW, KH * KW * channels), one row for each output position of the
wanted output rows, within it kernel row by kernel row, and within these pixel by pixel, so that a kernel row of a
patch is one contiguous run of the picture. kernel, stride and padding are (height, width) pairs; `rows` and
`channels` are (start, stop): the output rows wanted and the input channels that the group sees.
"""

from __future__ import annotations

import numpy as np
from numba import njit


def im2col_plain(x, kernel, stride, padding, rows, width, channels, patches):
    """Fill `patches` with the patches of x for the output rows [rows[0], rows[1]) of `width` positions each."""
    images, height = len(x), rows[1] - rows[0]
    (kh, kw), (sh, sw), (ph, pw) = kernel, stride, padding
    x = np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)))[..., channels[0] : channels[1]]
    view = patches.reshape(images, height, width, kh, kw, channels[1] - channels[0])
    top = rows[0] * sh
    for i in range(kh):
        for j in range(kw):
            # The pixel (i, j) of every patch at once: the picture, shifted by (i, j), taken every stride pixels.
            view[:, :, :, i, j] = x[
                :, top + i : top + i + (height - 1) * sh + 1 : sh, j : j + (width - 1) * sw + 1 : sw
            ]


@njit(cache=True, nogil=True)
def _copy(source, start, target, at, length):
    """target[at : at + length] = source[start : start + length], both one-dimensional."""
    if length < 32:  # a slice copies faster, but takes longer to begin
        for i in range(length):
            target[at + i] = source[start + i]
    else:
        target[at : at + length] = source[start : start + length]


def im2col_fast(x, kernel, stride, padding, rows, width, channels, patches):
    """The same without a padded copy of x: run by run where runs are long, and column by column where they are short."""
    run = kernel[1] * (channels[1] - channels[0])
    (_im2col_columns if run < 16 else _im2col_runs)(x, kernel, stride, padding, rows, width, channels, patches)


@njit(cache=True, nogil=True)
def _im2col_runs(x, kernel, stride, padding, rows, width, channels, patches):
    images, x_height, x_width, x_channels = x.shape
    lines = x.reshape(images, x_height, x_width * x_channels)
    depth = channels[1] - channels[0]
    run = kernel[1] * depth
    index = 0
    for n in range(images):
        for oh in range(rows[0], rows[1]):
            for ow in range(width):
                patch = patches[index]
                index += 1
                left = ow * stride[1] - padding[1]
                first, last = max(0, -left), min(kernel[1], x_width - left)  # the kernel columns inside the picture
                if last - first < kernel[1]:
                    patch[:] = 0
                for kh in range(kernel[0]):
                    ih = oh * stride[0] - padding[0] + kh
                    at = kh * run
                    if ih < 0 or ih >= x_height:
                        for i in range(run):
                            patch[at + i] = 0
                    elif depth == x_channels:
                        line = lines[n, ih]
                        _copy(line, (left + first) * depth, patch, at + first * depth, (last - first) * depth)
                    else:
                        line = lines[n, ih]
                        for kw in range(first, last):
                            _copy(line, (left + kw) * x_channels + channels[0], patch, at + kw * depth, depth)


@njit(cache=True, nogil=True)
def _im2col_columns(x, kernel, stride, padding, rows, width, channels, patches):
    images, x_height, x_width, x_channels = x.shape
    lines = x.reshape(images, x_height, x_width * x_channels)
    step = stride[1] * x_channels
    top = 0
    for n in range(images):
        for oh in range(rows[0], rows[1]):
            block = patches[top : top + width]  # the patches of one output row
            top += width
            column = 0
            for kh in range(kernel[0]):
                ih = oh * stride[0] - padding[0] + kh
                outside = ih < 0 or ih >= x_height
                line = lines[n, 0 if outside else ih]
                for kw in range(kernel[1]):
                    left = kw - padding[1]
                    # The positions [first, last) whose pixel lies inside the picture.
                    first = min(width, max(0, (stride[1] - 1 - left) // stride[1]))
                    last = max(first, min(width, (x_width - 1 - left) // stride[1] + 1))
                    if outside:
                        first = last = width
                    for channel in range(channels[0], channels[1]):
                        for ow in range(first):
                            block[ow, column] = 0
                        at = (first * stride[1] + left) * x_channels + channel
                        for ow in range(first, last):
                            block[ow, column] = line[at]
                            at += step
                        for ow in range(last, width):
                            block[ow, column] = 0
                        column += 1


def col2im_plain(patches, kernel, stride, padding, width, channels, x):
    """Add every row of `patches` to the place in x (N, H, W, C) that im2col cut it from.

    Patches overlap, so a pixel receives as many terms as there are patches that hold it: the transpose of im2col.
    """
    (kh, kw), (sh, sw), (ph, pw) = kernel, stride, padding
    images, x_height, x_width, _ = x.shape
    height = len(patches) // (images * width)
    view = patches.reshape(images, height, width, kh, kw, channels[1] - channels[0])
    padded = np.zeros_like(x, shape=(images, x_height + 2 * ph, x_width + 2 * pw, channels[1] - channels[0]))
    for i in range(kh):
        for j in range(kw):
            padded[:, i : i + (height - 1) * sh + 1 : sh, j : j + (width - 1) * sw + 1 : sw] += view[:, :, :, i, j]
    x[..., channels[0] : channels[1]] += padded[:, ph : ph + x_height, pw : pw + x_width]


@njit(cache=True, nogil=True)
def col2im_fast(patches, kernel, stride, padding, width, channels, x):
    """The same, pixel run by pixel run and without a padded copy of x."""
    images, x_height, x_width, x_channels = x.shape
    depth = channels[1] - channels[0]
    height = len(patches) // (images * width)
    index = 0
    for n in range(images):
        for oh in range(height):
            for ow in range(width):
                patch = patches[index]
                index += 1
                left = ow * stride[1] - padding[1]
                first, last = max(0, -left), min(kernel[1], x_width - left)
                for kh in range(kernel[0]):
                    ih = oh * stride[0] - padding[0] + kh
                    if ih < 0 or ih >= x_height:
                        continue
                    for kw in range(first, last):
                        pixel = x[n, ih, left + kw]
                        at = (kh * kernel[1] + kw) * depth
                        for c in range(depth):
                            pixel[channels[0] + c] += patch[at + c]
