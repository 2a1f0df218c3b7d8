"""Convolution without patches, for pictures of few channels: the array loops behind `layers.direct`.

With one or three channels, writing a patch takes longer than multiplying it by the kernels. Here the patches stay where
they are, in the picture, and the sums stay in the processor's registers.

Arrays here: x (N, H, W, C), weight (KH, KW, C, O), bias (O,), y (N, OH, OW, O), C-contiguous; stride and padding are
(height, width) pairs; `rows` is (start, stop), the output rows wanted.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from nn.kernels.registers import ONE, VECTOR_BYTES, ZERO, rows_for, sum_scaled, zeros


def convolve_plain(x, weight, bias, stride, padding, rows, y):
    """Write the output rows [rows[0], rows[1]) to y: for each place in the kernel, its pixels times its weights."""
    y[:, rows[0] : rows[1]] = bias
    for i, j, pixels in _places(x, weight.shape, stride, padding, rows, y.shape[2]):
        y[:, rows[0] : rows[1]] += pixels @ weight[i, j]


def weight_gradient_plain(x, dy, stride, padding, dweight, dbias):
    """Sum over positions: gradients to dbias, and pixels times gradients, for each place in the kernel, to dweight."""
    dbias[...] = dy.sum(axis=(0, 1, 2))
    for i, j, pixels in _places(x, dweight.shape, stride, padding, (0, dy.shape[1]), dy.shape[2]):
        dweight[i, j] = np.tensordot(pixels, dy, axes=([0, 1, 2], [0, 1, 2]))


def input_gradient_plain(dy, weight, stride, padding, dx):
    """Write to dx, for each place in the kernel: gradients times weights, added to the pixels that they came from."""
    framed = np.pad(np.zeros_like(dx), ((0, 0), (padding[0],) * 2, (padding[1],) * 2, (0, 0)))
    for i, j, pixels in _places(framed, weight.shape, stride, (0, 0), (0, dy.shape[1]), dy.shape[2]):
        pixels += dy @ weight[i, j].T
    dx[...] = framed[:, padding[0] : padding[0] + dx.shape[1], padding[1] : padding[1] + dx.shape[2]]


def _places(x, weight_shape, stride, padding, rows, width):
    """Yield every place (i, j) in the kernel, with the pixels that lie there: (N, output rows, OW, C), a view."""
    if padding != (0, 0):
        x = np.pad(x, ((0, 0), (padding[0],) * 2, (padding[1],) * 2, (0, 0)))
    for i in range(weight_shape[0]):
        for j in range(weight_shape[1]):
            top, bottom = (row * stride[0] + i for row in (rows[0], rows[1] - 1))
            yield i, j, x[:, top : bottom + 1 : stride[0], j : j + (width - 1) * stride[1] + 1 : stride[1]]


# The fast versions rest on `sum_scaled`. Forward, its rows are output positions, its terms the places in the kernel,
# and its vector runs over output channels. For the weights' gradient, rows are places in the kernel and terms
# positions. For the input's, rows are positions, terms output channels, and the vector runs along a row of the patch.


@njit(cache=True, nogil=True, error_model="numpy")
def _copy_rows(source, start, count, length, target, at, step):
    """Copy `count` rows of `length` numbers, which lie close together, to places `step` apart."""
    for row in range(count):
        here, there = np.uint64(start + row * length), np.uint64(at + row * step)
        for i in range(np.uint64(length)):
            target[there + i] = source[here + i]


def convolve_fast(x, weight, bias, stride, padding, rows, y):
    """The same, several output positions at a time."""
    _convolve(x, weight, bias, stride, padding, rows, y, rows_for(y.shape[2]))


@njit(cache=True, nogil=True, error_model="numpy")
def _convolve(x, weight, bias, stride, padding, rows, y, together):
    images, height, width, channels = x.shape
    kh, kw, _, outputs = weight.shape
    lanes = VECTOR_BYTES // x.itemsize
    vectors = -(-outputs // lanes)
    broad = vectors * lanes
    run = kw * channels
    kernels = zeros(kh * run * broad, x)  # the weights, in rows of whole vectors
    _copy_rows(weight.reshape(-1), ZERO, kh * run, outputs, kernels, ZERO, broad)
    span = (width + 2 * padding[1]) * channels
    step = stride[1] * channels
    # The picture in its padding, and room for positions beyond the last, where fewer are left than are taken together.
    frame = np.zeros((height + 2 * padding[0]) * span + len(together) * step, x.dtype)
    sums = zeros(len(together) * lanes, x)
    pixels, results = x.reshape(-1), y.reshape(-1)
    for n in range(images):
        start, corner = n * height * width * channels, padding[0] * span + padding[1] * channels
        _copy_rows(pixels, start, height, width * channels, frame, corner, span)
        for oh in range(rows[0], rows[1]):
            for ow in range(0, y.shape[2], len(together)):
                a_at = oh * stride[0] * span + ow * step
                for v in range(vectors):
                    b_at = v * lanes
                    sum_scaled(
                        *(frame, a_at, step, span, ONE, kernels, b_at, run * broad, broad),
                        *(kh, run, sums, ZERO, together),
                    )
                    first, count = np.uint64(v * lanes), np.uint64(min(outputs - v * lanes, lanes))
                    for i in range(min(len(together), y.shape[2] - ow)):
                        at = np.uint64(((n * y.shape[1] + oh) * y.shape[2] + ow + i) * outputs) + first
                        here = np.uint64(i * lanes)
                        for o in range(count):
                            results[at + o] = sums[here + o] + bias[first + o]


def weight_gradient_fast(x, dy, stride, padding, dweight, dbias):
    """The same, several places in the kernel at a time."""
    _weight_gradient(x, dy, stride, padding, dweight, dbias, rows_for(dweight.shape[1] * dweight.shape[2]))


@njit(cache=True, nogil=True, error_model="numpy")
def _weight_gradient(x, dy, stride, padding, dweight, dbias, together):
    images, height, width, channels = x.shape
    kh, kw, _, outputs = dweight.shape
    lanes = VECTOR_BYTES // x.itemsize
    vectors = -(-outputs // lanes)
    broad = vectors * lanes
    run = kw * channels
    span = (width + 2 * padding[1]) * channels
    step = stride[1] * channels
    positions = dy.shape[1] * dy.shape[2]
    frame = np.zeros((height + 2 * padding[0]) * span + len(together), x.dtype)
    gradients = zeros(positions * broad, x)  # dy of one image, in rows of whole vectors
    sums = zeros(len(together) * lanes, x)
    pixels, dy_all, total = x.reshape(-1), dy.reshape(-1), dweight.reshape(-1)
    total[:] = 0
    dbias[:] = 0
    bias_sums = np.zeros(broad, x.dtype)
    for n in range(images):
        start, corner = n * height * width * channels, padding[0] * span + padding[1] * channels
        _copy_rows(pixels, start, height, width * channels, frame, corner, span)
        _copy_rows(dy_all, n * positions * outputs, positions, outputs, gradients, ZERO, broad)
        bias_sums[:] = 0  # of one image: sums of sums keep more digits than one long sum
        for p in range(positions):
            at = np.uint64(p * broad)
            for o in range(np.uint64(broad)):
                bias_sums[o] += gradients[at + o]
        for o in range(outputs):
            dbias[o] += bias_sums[o]
        for i in range(kh):
            for j in range(0, run, len(together)):
                a_at = i * span + j
                for v in range(vectors):
                    sum_scaled(
                        *(frame, a_at, ONE, stride[0] * span, step, gradients, v * lanes, dy.shape[2] * broad, broad),
                        *(dy.shape[1], dy.shape[2], sums, ZERO, together),
                    )
                    count = np.uint64(min(outputs - v * lanes, lanes))
                    for k in range(min(len(together), run - j)):
                        at, here = np.uint64((i * run + j + k) * outputs + v * lanes), np.uint64(k * lanes)
                        for o in range(count):
                            total[at + o] += sums[here + o]


def input_gradient_fast(dy, weight, stride, padding, dx):
    """The same, several output positions at a time."""
    _input_gradient(dy, weight, stride, padding, dx, rows_for(dy.shape[1]))


@njit(cache=True, nogil=True, error_model="numpy")
def _input_gradient(dy, weight, stride, padding, dx, together):
    images, height, width, channels = dx.shape
    kh, kw, _, outputs = weight.shape
    lanes = VECTOR_BYTES // dy.itemsize
    run = kw * channels
    vectors = -(-run // lanes)
    broad = vectors * lanes
    kernels = zeros(kh * outputs * broad, dy)  # for each kernel row and output: a row of the patch
    flat = weight.reshape(-1)
    for i in range(kh):
        for t in range(run):
            for o in range(outputs):
                kernels[(i * outputs + o) * broad + t] = flat[(i * run + t) * outputs + o]
    span = (width + 2 * padding[1]) * channels
    step = stride[1] * channels
    frame = np.empty((height + 2 * padding[0]) * span + broad, dy.dtype)
    size = dy.shape[1] * dy.shape[2] * outputs
    line = dy.shape[2] * outputs
    gradients = np.zeros(size + len(together) * line, dy.dtype)  # dy of one image
    sums = zeros(len(together) * lanes, dy)
    dy_all, results = dy.reshape(-1), dx.reshape(-1)
    for n in range(images):
        frame[:] = 0
        _copy_rows(dy_all, n * size, ONE, size, gradients, ZERO, ZERO)
        # Those taken together lie below each other: what they are added to does not overlap, and no sum waits.
        for oh in range(0, dy.shape[1], len(together)):
            for ow in range(dy.shape[2]):
                for i in range(kh):
                    for v in range(vectors):
                        sum_scaled(
                            *(gradients, oh * line + ow * outputs, line, ZERO, ONE),
                            *(
                                kernels,
                                i * outputs * broad + v * lanes,
                                ZERO,
                                broad,
                                ONE,
                                outputs,
                                sums,
                                ZERO,
                                together,
                            ),
                        )
                        for k in range(min(len(together), dy.shape[1] - oh)):
                            at = np.uint64(((oh + k) * stride[0] + i) * span + ow * step + v * lanes)
                            here = np.uint64(k * lanes)
                            for lane in range(np.uint64(min(lanes, run - v * lanes))):
                                frame[at + lane] += sums[here + lane]
        corner = padding[0] * span + padding[1] * channels
        for h in range(height):
            here, at = np.uint64(h * span + corner), np.uint64((n * height + h) * width * channels)
            for i in range(np.uint64(width * channels)):
                results[at + i] = frame[here + i]
