"""im2col and col2im: turn a convolution into a matrix product, and its gradient back into an image.

A convolution's output at one position is the product of a patch of the input with each kernel. Lay every patch out
as one row of a matrix, lay the kernels out as columns of another, and a single matrix product is the convolution:
Chellapilla, Puri, Simard 2006, "High performance convolutional neural networks for document processing", section 2.

Arrays here: x (N, H, W, C); patches (N * rows * OW, KH * KW * C), one row for each output position of the wanted output
rows, within it kernel row by kernel row, and within these pixel by pixel, so that a kernel row of a patch is one
contiguous run of the image. kernel, stride and padding are (height, width) pairs; `rows` is (start, stop), the output
rows wanted, of `width` positions each.

The compiled loops count with unsigned integers: an index that may be negative could mean "from the end", and testing
for that at every element keeps the compiler from moving eight numbers at a time. It is what makes them four times
faster.
"""

from __future__ import annotations

import numpy as np

from nn.backend.cpu.simd import clear, copy
from nn.backend.runtime.jit import compiled_loop


def im2col_plain(x, kernel, stride, padding, rows, width, patches):
    """Fill `patches` with the patches of x for the output rows [rows[0], rows[1])."""
    images, height, channels = len(x), rows[1] - rows[0], x.shape[3]
    (kh, kw), (sh, sw), (ph, pw) = kernel, stride, padding
    x = np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)))
    view = patches.reshape(images, height, width, kh, kw, channels)
    top = rows[0] * sh
    for i in range(kh):
        for j in range(kw):
            # The pixel (i, j) of every patch at once: the image, shifted by (i, j), taken every stride pixels.
            view[:, :, :, i, j] = x[
                :, top + i : top + i + (height - 1) * sh + 1 : sh, j : j + (width - 1) * sw + 1 : sw
            ]


def im2col_fast(x, kernel, stride, padding, rows, width, patches):
    """The same without a padded copy of x: run by run where runs are long, column by column where they are short."""
    (_im2col_columns if kernel[1] * x.shape[3] < 16 else _im2col_runs)(x, kernel, stride, padding, rows, width, patches)


@compiled_loop
def _im2col_runs(x, kernel, stride, padding, rows, width, patches):
    images, x_height, x_width, channels = x.shape
    lines = x.reshape(images, x_height, x_width * channels)
    run = kernel[1] * channels
    index = 0
    for n in range(images):
        for oh in range(rows[0], rows[1]):
            for ow in range(width):
                patch = patches[index]
                index += 1
                left = ow * stride[1] - padding[1]
                first, last = max(0, -left), min(kernel[1], x_width - left)  # the kernel columns inside the image
                for kh in range(kernel[0]):
                    ih = oh * stride[0] - padding[0] + kh
                    at = kh * run
                    if ih < 0 or ih >= x_height or last <= first:
                        clear(patch, at, run)
                        continue
                    if last - first < kernel[1]:
                        clear(patch, at, run)
                    copy(
                        lines[n, ih],
                        (left + first) * channels,
                        patch,
                        at + first * channels,
                        (last - first) * channels,
                    )


@compiled_loop
def _im2col_columns(x, kernel, stride, padding, rows, width, patches):
    images, x_height, x_width, channels = x.shape
    lines = x.reshape(images, x_height, x_width * channels)
    step = np.uint64(stride[1] * channels)
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
                    # The positions [first, last) whose pixel lies inside the image.
                    first = min(width, max(0, (stride[1] - 1 - left) // stride[1]))
                    last = max(first, min(width, (x_width - 1 - left) // stride[1] + 1))
                    if outside:
                        first = last = width
                    for channel in range(channels):
                        for ow in range(first):
                            block[ow, column] = 0
                        at = np.uint64((first * stride[1] + left) * channels + channel)
                        for ow in range(np.uint64(first), np.uint64(last)):
                            block[ow, column] = line[at]
                            at += step
                        for ow in range(last, width):
                            block[ow, column] = 0
                        column += 1


def col2im_plain(patches, kernel, stride, padding, width, x):
    """Add every row of `patches` to the place in x (N, H, W, C) that im2col cut it from.

    Patches overlap, so a pixel receives as many terms as there are patches that hold it: the transpose of im2col.
    """
    (kh, kw), (sh, sw), (ph, pw) = kernel, stride, padding
    images, x_height, x_width, channels = x.shape
    height = len(patches) // (images * width)
    view = patches.reshape(images, height, width, kh, kw, channels)
    padded = np.zeros_like(x, shape=(images, x_height + 2 * ph, x_width + 2 * pw, channels))
    for i in range(kh):
        for j in range(kw):
            padded[:, i : i + (height - 1) * sh + 1 : sh, j : j + (width - 1) * sw + 1 : sw] += view[:, :, :, i, j]
    x += padded[:, ph : ph + x_height, pw : pw + x_width]


@compiled_loop
def col2im_fast(patches, kernel, stride, padding, width, x):
    """The same, pixel run by pixel run and without a padded copy of x."""
    images, x_height, x_width, channels = x.shape
    lines = x.reshape(images, x_height, x_width * channels)
    height = len(patches) // (images * width)
    run = kernel[1] * channels
    index = 0
    for n in range(images):
        for oh in range(height):
            for ow in range(width):
                patch = patches[index]
                index += 1
                left = ow * stride[1] - padding[1]
                first, last = max(0, -left), min(kernel[1], x_width - left)
                if last <= first:
                    continue
                for kh in range(kernel[0]):
                    ih = oh * stride[0] - padding[0] + kh
                    if ih < 0 or ih >= x_height:
                        continue
                    line = lines[n, ih]
                    start = np.uint64((left + first) * channels)
                    at = np.uint64(kh * run + first * channels)
                    for i in range(np.uint64((last - first) * channels)):
                        line[start + i] += patch[at + i]
