"""Convolution without patches, for images of up to 8 channels.

A patch of a grey image has 25 numbers for a 5x5 kernel, and LeNet's first layer multiplies each by no more than six
weights: writing the patches takes longer than the products. Here they are read where they lie, in the image, and the
accumulators stay in the processor's registers.

Arrays here: x (N, H, W, C), weight (KH, KW, C, O), bias (O,), y (N, OH, OW, O), C-contiguous; stride and padding are
(height, width) pairs.
"""

from __future__ import annotations

import numpy as np

from nn.backend.cpu.rows import copy_rows, sum_rows
from nn.backend.cpu.simd import ONE, ZERO, add, clear, copy, flat, lanes_of, rows_for, sum_scaled, zeros
from nn.backend.runtime.jit import compiled_loop
from nn.backend.runtime.pool import in_parts
from nn.backend.runtime.tasks import share_out

# What the threads share out: forward, slices of rows of each image (in `conv_batched`: of each sixteen), at least
# UNITS of them; backward, images. The weights' gradient has several accumulators. How many depends on the arrays'
# shapes alone, so that results are bit-identical for any number of threads.

UNITS = 8
PARTIAL_SUMS = 8  # at most
SUM_PRODUCTS = 1 << 21  # multiplications that are worth an accumulator of their own
NUMBER_PRODUCTS = 16  # multiplications that take as long as to read or write a number


def slices_for(groups, height):
    """How many slices the rows of each group of images are cut into."""
    return min(height, -(-UNITS // max(1, groups)))


def partial_sums_for(groups, products):
    """How many accumulators there are, of some groups of images each."""
    return max(1, min(PARTIAL_SUMS, 1 << (products // SUM_PRODUCTS).bit_length(), groups))


def parts_for(units, products):
    """All units, on all threads; products: how many multiplications they are."""
    return in_parts(units, products // NUMBER_PRODUCTS)


# The fast versions rest on `sum_scaled`. Forward, its rows are output positions, its terms the places in the kernel,
# and its vector runs over output channels. For the weights' gradient, rows are places in the kernel and terms
# positions. For the input's, rows are positions, terms output channels, and the vector runs along a row of the patch.


def convolve(x, weight, bias, stride, padding, y):
    """Write the convolution to y, several output positions at a time."""
    slices = slices_for(len(x), y.shape[1])
    part = parts_for(len(x) * slices, y.size * weight[..., 0].size)
    _convolve(part, slices, x, weight, bias, stride, padding, y, rows_for(y.shape[2]))


@compiled_loop
def _convolve(part, slices, x, weight, bias, stride, padding, y, together):
    if share_out(part):
        return
    _, height, width, channels = x.shape
    kh, kw, _, outputs = weight.shape
    lanes = lanes_of(x)
    vectors = -(-outputs // lanes)
    broad = vectors * lanes
    run = kw * channels
    kernels = zeros(kh * run * broad, x)  # the weights, in rows of whole vectors
    copy_rows(flat(weight), ZERO, kh * run, outputs, kernels, ZERO, broad)
    span = (width + 2 * padding[1]) * channels
    step = stride[1] * channels
    # The image in its padding, and room for positions beyond the last, where fewer are left than are taken together.
    frame = zeros((height + 2 * padding[0]) * span + len(together) * step, x)
    sums = zeros(len(together) * lanes, x)
    pixels, results = flat(x), flat(y)
    for unit in range(part[0], part[1]):
        n, slice = unit // slices, unit % slices
        top, bottom = y.shape[1] * slice // slices, y.shape[1] * (slice + 1) // slices
        first = max(0, top * stride[0] - padding[0])  # the rows of the image that these output rows see
        count = min(height, (bottom - 1) * stride[0] - padding[0] + kh) - first
        start, corner = (n * height + first) * width * channels, (padding[0] + first) * span + padding[1] * channels
        copy_rows(pixels, start, count, width * channels, frame, corner, span)
        for oh in range(top, bottom):
            for ow in range(0, y.shape[2], len(together)):
                a_at = oh * stride[0] * span + ow * step
                for v in range(vectors):
                    b_at = v * lanes
                    sum_scaled(
                        frame, a_at, step, span, ONE, kernels, b_at, run * broad, broad,
                        kh, run, sums, ZERO, together,
                    )  # fmt: skip
                    channel, used = np.uint64(v * lanes), np.uint64(min(outputs - v * lanes, lanes))
                    for i in range(min(len(together), y.shape[2] - ow)):
                        at = np.uint64(((n * y.shape[1] + oh) * y.shape[2] + ow + i) * outputs) + channel
                        here = np.uint64(i * lanes)
                        for o in range(used):
                            results[at + o] = sums[here + o] + bias[channel + o]


def weight_gradient(x, dy, stride, padding, dweight, dbias):
    """Write the gradients with respect to weight and bias, several places in the kernel at a time."""
    add_partial_sums(
        _weight_gradient, len(x), x, dy, stride, padding, dweight, dbias, rows_for(dweight[0, ..., 0].size)
    )


def add_partial_sums(loop, groups, x, dy, stride, padding, dweight, dbias, *more):
    """The gradients that this compiled loop computes. It adds to accumulators for dweight and dbias: to several, where
    there is enough to do for several threads, or to the results themselves."""
    products = dy.size * dweight[..., 0].size
    sums = partial_sums_for(groups, products)
    results = dweight, dbias
    if sums == 1:
        for result in results:
            result.fill(0)
        loop(parts_for(sums, products), x, dy, stride, padding, *(result[np.newaxis] for result in results), *more)
        return
    accumulators = [np.zeros((sums, *result.shape), result.dtype) for result in results]
    loop(parts_for(sums, products), x, dy, stride, padding, *accumulators, *more)
    for result, rows in zip(results, accumulators, strict=True):
        sum_rows(rows, result)


@compiled_loop
def _weight_gradient(part, x, dy, stride, padding, dweights, dbiases, together):
    if share_out(part):
        return
    images, height, width, channels = x.shape
    partial_sums, kh, kw, _, outputs = dweights.shape
    lanes = lanes_of(x)
    vectors = -(-outputs // lanes)
    broad = vectors * lanes
    run = kw * channels
    span = (width + 2 * padding[1]) * channels
    step = stride[1] * channels
    positions = dy.shape[1] * dy.shape[2]
    frame = zeros((height + 2 * padding[0]) * span + len(together), x)
    gradients = zeros(positions * broad, x)  # dy of one image, in rows of whole vectors
    sums = zeros(len(together) * lanes, x)
    pixels, dy_all = flat(x), flat(dy)
    totals, bias_totals = flat(dweights), flat(dbiases)
    bias_sums = zeros(broad, x)
    for number in range(part[0], part[1]):
        for n in range(images * number // partial_sums, images * (number + 1) // partial_sums):
            start, corner = n * height * width * channels, padding[0] * span + padding[1] * channels
            copy_rows(pixels, start, height, width * channels, frame, corner, span)
            copy_rows(dy_all, n * positions * outputs, positions, outputs, gradients, ZERO, broad)
            clear(bias_sums, 0, broad)  # of one image: sums of sums keep more digits than one long sum
            for p in range(positions):
                add(gradients, p * broad, bias_sums, ZERO, broad)
            add(bias_sums, ZERO, bias_totals, number * outputs, outputs)
            for i in range(kh):
                for j in range(0, run, len(together)):
                    a_at = i * span + j
                    for v in range(vectors):
                        b_at, b_run = v * lanes, dy.shape[2] * broad
                        sum_scaled(
                            frame, a_at, ONE, stride[0] * span, step, gradients, b_at, b_run, broad,
                            dy.shape[1], dy.shape[2], sums, ZERO, together,
                        )  # fmt: skip
                        count = min(outputs - v * lanes, lanes)
                        for k in range(min(len(together), run - j)):
                            place = (number * kh + i) * run + j + k
                            add(sums, k * lanes, totals, place * outputs + v * lanes, count)


def input_gradient(dy, weight, stride, padding, dx):
    """Write the gradient with respect to x, several output positions at a time."""
    part = parts_for(len(dy), dy.size * weight[..., 0].size)
    _input_gradient(part, dy, weight, stride, padding, dx, rows_for(dy.shape[1]))


@compiled_loop
def _input_gradient(part, dy, weight, stride, padding, dx, together):
    if share_out(part):
        return
    _, height, width, channels = dx.shape
    kh, kw, _, outputs = weight.shape
    lanes = lanes_of(dy)
    run = kw * channels
    vectors = -(-run // lanes)
    broad = vectors * lanes
    kernels = zeros(kh * outputs * broad, dy)  # for each kernel row and output: a row of the patch
    weights = flat(weight)
    for i in range(kh):
        for t in range(run):
            for o in range(outputs):
                kernels[(i * outputs + o) * broad + t] = weights[(i * run + t) * outputs + o]
    span = (width + 2 * padding[1]) * channels
    step = stride[1] * channels
    frame = zeros((height + 2 * padding[0]) * span + broad, dy)
    size = dy.shape[1] * dy.shape[2] * outputs
    line = dy.shape[2] * outputs
    gradients = zeros(size + len(together) * line, dy)  # dy of one image
    sums = zeros(len(together) * lanes, dy)
    dy_all, results = flat(dy), flat(dx)
    for n in range(part[0], part[1]):
        clear(frame, 0, len(frame))
        copy_rows(dy_all, n * size, ONE, size, gradients, ZERO, ZERO)
        # Those taken together lie below each other: what they are added to does not overlap, and no sum waits.
        for oh in range(0, dy.shape[1], len(together)):
            for ow in range(dy.shape[2]):
                for i in range(kh):
                    for v in range(vectors):
                        sum_scaled(
                            gradients, oh * line + ow * outputs, line, ZERO, ONE,
                            kernels, i * outputs * broad + v * lanes, ZERO, broad, ONE, outputs, sums, ZERO, together,
                        )  # fmt: skip
                        for k in range(min(len(together), dy.shape[1] - oh)):
                            at = ((oh + k) * stride[0] + i) * span + ow * step + v * lanes
                            add(sums, k * lanes, frame, at, min(lanes, run - v * lanes))
        corner = padding[0] * span + padding[1] * channels
        for h in range(height):
            copy(frame, h * span + corner, results, (n * height + h) * width * channels, width * channels)
