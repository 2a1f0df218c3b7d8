"""Convolution of many images of few channels, sixteen images at a time: what `conv_direct` computes, in another order.

A register of the processor holds sixteen numbers. Were they output channels, as in `conv_direct`, LeNet's six would
leave ten lanes idle. Here they are images: the arrays are transposed first, so that the image's number runs
fastest. Then one register holds the same pixel of sixteen images, and each weight multiplies all of them at once.

Arrays as in `conv_direct`. Transposed arrays have one axis for the elements of an image or row and a last one for
`lanes` images; where there are fewer, some lanes go unused. Channels are taken ROWS at a time, so that transposed rows
of them are as long as whole groups of ROWS (`broad`).
"""

from __future__ import annotations

import numpy as np

from nn.backend.cpu.conv_direct import add_partial_sums, parts_for, slices_for
from nn.backend.cpu.simd import (
    CHOICES,
    ONE,
    VECTOR_BYTES,
    ZERO,
    add_products_abreast,
    add_scaled,
    add_scaled_abreast,
    clear,
    copy,
    flat,
    lanes_of,
    transpose_block,
    zeros,
)
from nn.backend.runtime.jit import compiled_loop, part_of_a_loop
from nn.backend.runtime.tasks import share_out

ROWS = 6  # channels at a time: LeNet's
SIX_ROWS = (None,) * ROWS
# Six sums keep the processor waiting for them. So there are two positions at a time, or two places in the kernel, where
# there are registers enough.
ALONE = (None,)
ABREAST = ALONE * (2 if len(CHOICES) > 1 else 1)


def images_at_once(dtype) -> int:
    """How many images of this dtype are taken at a time: the lanes of a register."""
    return VECTOR_BYTES // np.dtype(dtype).itemsize


def _groups(images):
    """How many groups of `images_at_once` images."""
    return -(-len(images) // images_at_once(images.dtype))


@part_of_a_loop
def _transpose(source, start, step, count, length, target, at, stride):
    """target[at + e * stride + n] = source[start + n * step + e] for n < count, e < length."""
    lanes = lanes_of(source)
    if count < lanes or length < lanes:
        for e in range(length):
            for n in range(count):
                target[np.uint64(at + e * stride + n)] = source[np.uint64(start + n * step + e)]
        return
    for left in range(0, count, lanes):
        n = min(left, count - lanes)  # the last blocks overlap those before them
        for top in range(0, length, lanes):
            e = min(top, length - lanes)
            transpose_block(source, start + n * step + e, step, target, at + e * stride + n, stride)


@part_of_a_loop
def _transpose_images(x, n, count, first, last, padding, frame):
    """Transpose the rows [first, last) of `count` images from number n on; `frame` (H + 2 PH, W + 2 PW, C, lanes) is 0
    where the padding is."""
    _, height, width, channels = x.shape
    lanes = lanes_of(x)
    pixels, row = flat(x), width * channels
    for h in range(first, last):
        at = ((h + padding[0]) * (width + 2 * padding[1]) + padding[1]) * channels * lanes
        _transpose(pixels, (n * height + h) * row, height * row, count, row, frame, at, lanes)


@part_of_a_loop
def _transpose_row(source, start, step, count, positions, channels, row):
    """Transpose one row of `count` images: `row` (positions, broad, lanes)."""
    lanes = lanes_of(source)
    broad = -(-channels // ROWS) * ROWS
    if broad == channels:  # no gaps: all positions in one go
        _transpose(source, start, step, count, positions * channels, row, ZERO, lanes)
    else:
        for p in range(positions):
            _transpose(source, start + p * channels, step, count, channels, row, p * broad * lanes, lanes)


@part_of_a_loop
def _transpose_row_back(row, count, positions, channels, target, at, stride):
    lanes = lanes_of(row)
    broad = -(-channels // ROWS) * ROWS
    if broad == channels:
        _transpose(row, ZERO, lanes, positions * channels, count, target, at, stride)
    else:
        for p in range(positions):
            _transpose(row, p * broad * lanes, lanes, channels, count, target, at + p * channels, stride)


def convolve(x, weight, bias, stride, padding, y):
    """For each output position, all its places in the kernel: pixels times weights, six output channels at a time."""
    slices = slices_for(_groups(x), y.shape[1])
    part = parts_for(_groups(x) * slices, y.size * weight[..., 0].size)
    _convolve(part, slices, x, weight, bias, stride, padding, y)


@compiled_loop
def _convolve(part, slices, x, weight, bias, stride, padding, y):
    if share_out(part):
        return
    images, height, width, channels = x.shape
    kh, kw, _, outputs = weight.shape
    lanes = lanes_of(x)
    run, span = kw * channels, (width + 2 * padding[1]) * channels
    broad = -(-outputs // ROWS) * ROWS
    kernels, biases, weights = zeros(kh * run * broad, x), zeros(y.shape[2] * broad * lanes, x), flat(weight)
    for o in range(outputs):
        for ow in range(y.shape[2]):
            for lane in range(lanes):
                biases[(ow * broad + o) * lanes + lane] = bias[o]
        for t in range(kh * run):
            kernels[t * broad + o] = weights[t * outputs + o]
    # With room for a position beyond the last
    frame = zeros(((height + 2 * padding[0]) * span + stride[1] * channels) * lanes, x)
    row, results = zeros((y.shape[2] + 1) * broad * lanes, x), flat(y)
    size = y.shape[1] * y.shape[2] * outputs
    for unit in range(part[0], part[1]):
        n, slice = unit // slices * lanes, unit % slices
        top, bottom = y.shape[1] * slice // slices, y.shape[1] * (slice + 1) // slices
        first, last = max(0, top * stride[0] - padding[0]), min(height, (bottom - 1) * stride[0] - padding[0] + kh)
        count = min(lanes, images - n)
        _transpose_images(x, n, count, first, last, padding, frame)
        for oh in range(top, bottom):
            copy(biases, 0, row, 0, len(biases))
            for ow in range(0, y.shape[2], len(ABREAST)):
                corner = (oh * stride[0] * span + ow * stride[1] * channels) * lanes
                for o in range(0, outputs, ROWS):
                    here = (ow * broad + o) * lanes
                    add_scaled_abreast(
                        kernels, o, ONE, run * broad, broad, frame, corner, span * lanes, lanes,
                        kh, run, row, here, SIX_ROWS, ABREAST, stride[1] * channels * lanes, broad * lanes,
                    )  # fmt: skip
            _transpose_row_back(row, count, y.shape[2], outputs, results, n * size + oh * y.shape[2] * outputs, size)


def weight_gradient(x, dy, stride, padding, dweight, dbias):
    """For each place in the kernel: pixels times gradients, added up over the positions in a row, then over rows and
    images."""
    slices = slices_for(_groups(x), dy.shape[1])
    add_partial_sums(_weight_gradient, _groups(x) * slices, x, dy, stride, padding, dweight, dbias, slices)


@compiled_loop
def _weight_gradient(part, x, dy, stride, padding, dweights, dbiases, slices):
    if share_out(part):
        return
    images, height, width, channels = x.shape
    partial_sums, kh, kw, _, outputs = dweights.shape
    lanes = lanes_of(x)
    units = -(-images // lanes) * slices
    run, span = kw * channels, (width + 2 * padding[1]) * channels
    broad = -(-outputs // ROWS) * ROWS
    frame = zeros((height + 2 * padding[0]) * span * lanes, x)
    row, gradients = zeros(dy.shape[2] * broad * lanes, x), flat(dy)
    sums, bias_sums = zeros(kh * run * broad * lanes, x), zeros(broad * lanes, x)
    size, step = dy.shape[1] * dy.shape[2] * outputs, stride[1] * channels * lanes
    for number in range(part[0], part[1]):
        clear(sums, 0, len(sums))
        clear(bias_sums, 0, len(bias_sums))
        for unit in range(units * number // partial_sums, units * (number + 1) // partial_sums):
            n, slice = unit // slices * lanes, unit % slices
            top, bottom = dy.shape[1] * slice // slices, dy.shape[1] * (slice + 1) // slices
            first, last = max(0, top * stride[0] - padding[0]), min(height, (bottom - 1) * stride[0] - padding[0] + kh)
            count = min(lanes, images - n)
            if count < lanes:  # unused lanes must not hold what earlier images left
                clear(frame, 0, len(frame))
                clear(row, 0, len(row))
            _transpose_images(x, n, count, first, last, padding, frame)
            for oh in range(top, bottom):
                _transpose_row(gradients, n * size + oh * dy.shape[2] * outputs, size, count, dy.shape[2], outputs, row)
                for ow in range(dy.shape[2]):
                    at = np.uint64(ow * broad * lanes)
                    for i in range(np.uint64(broad * lanes)):
                        bias_sums[i] += row[at + i]
                for i in range(kh):
                    corner, whole = (oh * stride[0] + i) * span, run // len(ABREAST) * len(ABREAST)
                    for j in range(0, whole, len(ABREAST)):
                        _add_places(row, dy.shape[2], frame, corner + j, step, sums, i * run + j, broad, ABREAST)
                    for j in range(whole, run):
                        _add_places(row, dy.shape[2], frame, corner + j, step, sums, i * run + j, broad, ALONE)
        _add_lanes(sums, kh * run, outputs, flat(dweights[number]))
        _add_lanes(bias_sums, ONE, outputs, dbiases[number])


@part_of_a_loop
def _add_places(row, positions, frame, corner, step, sums, place, broad, places):
    """To the sums of neighbouring places in the kernel add the products of one row of positions."""
    lanes = lanes_of(row)
    for o in range(0, broad, ROWS):
        add_products_abreast(
            row, o * lanes, lanes, ZERO, broad * lanes, frame, corner * lanes, ZERO, step, ONE, positions,
            sums, (place * broad + o) * lanes, SIX_ROWS, places, lanes, broad * lanes,
        )  # fmt: skip


@part_of_a_loop
def _add_lanes(sums, places, channels, totals):
    """totals (places, channels): the sum over the lanes of `sums` (places, broad, lanes)."""
    lanes = lanes_of(sums)
    broad = -(-channels // ROWS) * ROWS
    for place in range(places):
        for c in range(channels):
            at = (place * broad + c) * lanes
            total = sums[at]
            for lane in range(1, lanes):
                total += sums[at + lane]
            totals[place * channels + c] = total


def input_gradient(dy, weight, stride, padding, dx):
    """For each pixel, all output positions that saw it: gradients times weights, ROWS channels at once. stride is 1."""
    slices = slices_for(_groups(dy), dx.shape[1])
    part = parts_for(_groups(dy) * slices, dy.size * weight[..., 0].size)
    _input_gradient(part, slices, dy, weight, stride, padding, dx)


@compiled_loop
def _input_gradient(part, slices, dy, weight, stride, padding, dx):
    if share_out(part):
        return
    images, height, width, channels = dx.shape
    kh, kw, _, outputs = weight.shape
    lanes = lanes_of(dy)
    broad = -(-channels // ROWS) * ROWS
    # Seen from a pixel, the output position that sees it with the kernel's last row comes first: kernels are flipped.
    kernels = zeros(kh * kw * outputs * broad, dy)
    for i in range(kh):
        for j in range(kw):
            flipped = (kh - 1 - i) * kw + kw - 1 - j
            for c in range(channels):
                for o in range(outputs):
                    kernels[(flipped * outputs + o) * broad + c] = weight[i, j, c, o]
    oh, ow = dy.shape[1:3]
    size, x_size = oh * ow * outputs, height * width * channels
    transposed, results = zeros(size * lanes, dy), flat(dx)
    row = zeros(width * broad * lanes, dy)
    for unit in range(part[0], part[1]):
        n, slice = unit // slices * lanes, unit % slices
        upper, lower = height * slice // slices, height * (slice + 1) // slices
        # The output rows that see these rows of pixels
        start, stop = max(0, upper + padding[0] - (kh - 1)) * ow * outputs, min(oh, lower + padding[0]) * ow * outputs
        count = min(lanes, images - n)
        _transpose(flat(dy), n * size + start, size, count, stop - start, transposed, start * lanes, lanes)
        for h in range(upper, lower):
            clear(row, 0, len(row))
            top = h + padding[0] - (kh - 1)  # the first such position's row, perhaps outside
            first, last = max(0, -top), min(kh, oh - top)
            for w in range(width):
                left = w + padding[1] - (kw - 1)
                begin, end = max(0, -left), min(kw, ow - left)
                corner = ((top + first) * ow + left + begin) * outputs * lanes
                place = (first * kw + begin) * outputs * broad
                for c in range(0, channels, ROWS):
                    add_scaled(
                        kernels, place + c, ONE, kw * outputs * broad, broad,
                        transposed, corner, ow * outputs * lanes, lanes, last - first, (end - begin) * outputs,
                        row, (w * broad + c) * lanes, SIX_ROWS,
                    )  # fmt: skip
            _transpose_row_back(row, count, width, channels, results, n * x_size + h * width * channels, x_size)
