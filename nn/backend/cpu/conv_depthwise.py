"""Depthwise convolution: each output channel sees one input channel (groups = input channels).

By patches it is a matrix product for each channel, of a matrix with a single column: nearly all the time goes into the
patches. Here the lanes of a register are neighbouring channels, y[n, oh, ow, o] += x[n, h, w, o] * w[i, j, o] for all
of them at once, and the sums of several positions stay in registers until their last term. With 16 channels or more it
takes a fortieth to a ninth of the time, with three a third. Beside PyTorch, channels last, on two threads, a forward
and backward pass take 0.3 to 0.9 of its time, by shape, and a forward pass alone 0.8 to 1.9.

The image is laid into a frame first, a slice of rows at a time, which stays in the processor's cache. There its pixels
stand amid the padding, and each channel as often as outputs see it. The gradient with respect to x is the same loop
over a frame of dy, whose pixels stand `stride` apart, with the kernel rotated by 180 degrees.
"""

from __future__ import annotations

import numpy as np

from nn.backend.cpu.conv_direct import UNITS, add_partial_sums
from nn.backend.cpu.rows import copy_rows
from nn.backend.cpu.simd import ONE, ZERO, add, add_products, clear, copy, flat, lanes_of, rows_for, zeros
from nn.backend.runtime.jit import compiled_loop, part_of_a_loop
from nn.backend.runtime.pool import in_parts
from nn.backend.runtime.tasks import share_out

SLICE_BYTES = 1 << 17  # of a frame: half of a core's second cache, or less


def convolve(x, weight, bias, stride, padding, y):
    """y[n, oh, ow, o] = bias[o] + sum over i, j of the frame's [oh * SH + i, ow * SW + j, o] * weight[i, j, 0, o]."""
    _slide(x, padding, (1, 1), y.shape[3] // x.shape[3], weight, bias, stride, ONE, y)


def input_gradient(dy, weight, stride, padding, dx):
    """dx[n, h, w, c] = sum over i, j and c's outputs o of the frame's [h + i, w + j, o] * the rotated weight of o."""
    corner = weight.shape[0] - 1 - padding[0], weight.shape[1] - 1 - padding[1]
    rotated, bias = np.ascontiguousarray(weight[::-1, ::-1]), np.zeros_like(weight, shape=dy.shape[3])
    _slide(dy, corner, stride, 1, rotated, bias, (1, 1), dy.shape[3] // dx.shape[3], dx)


def weight_gradient(x, dy, stride, padding, dweight, dbias):
    """dweight[i, j, 0, o] = sum over n, oh, ow of the frame's [oh * SH + i, ow * SW + j, o] * dy[n, oh, ow, o]."""
    slices = _slices(dy, stride, dweight)
    together = (None,) * (3 if dweight.shape[1] <= 3 else 5)
    add_partial_sums(_weight_gradient, len(x) * slices, x, dy, stride, padding, dweight, dbias, slices, together)


def _slices(y, stride, weight):
    """How many slices the rows of each output image are cut into; it depends on shapes alone."""
    row = y.shape[2] * stride[1] * weight.shape[3] * y.itemsize
    rows = max(1, min(SLICE_BYTES // row // stride[0], y.shape[1] * len(y) // UNITS))
    return -(-y.shape[1] // rows)


def _slide(source, corner, gap, repeat, kernel, bias, stride, fold, target):
    slices = _slices(target, stride, kernel)
    part = in_parts(len(target) * slices, source.size + target.size)
    together = rows_for(target.shape[2])
    _convolve(part, slices, source, corner, gap, repeat, kernel, bias, stride, fold, target, together)


@part_of_a_loop
def _lay(source, n, first, count, corner, gap, repeat, frame, span):
    """Lay `count` rows of the frame of image n, from row `first` on: pixel (h, w) lies at corner + gap * (h, w), each
    channel `repeat` times; elsewhere are zeros, which are there already in rows with pixels."""
    _, height, width, channels = source.shape
    pixels, wide = flat(source), channels * repeat
    left, right = max(0, -(corner[1] // gap[1])), min(width, (span // wide - 1 - corner[1]) // gap[1] + 1)
    run = max(1, right - left) if gap[1] == 1 else 1  # pixels that lie side by side
    for row in range(count):
        h, rest = (first + row - corner[0]) // gap[0], (first + row - corner[0]) % gap[0]
        if rest or h < 0 or h >= height:
            clear(frame, row * span, span)
            continue
        for w in range(left, right, run):
            start, at = ((n * height + h) * width + w) * channels, row * span + (corner[1] + w * gap[1]) * wide
            if repeat == 1:
                copy(pixels, start, frame, at, run * channels)
            else:
                for k in range(np.uint64(run * channels * repeat)):
                    frame[np.uint64(at) + k] = pixels[np.uint64(start) + k // np.uint64(repeat)]


@compiled_loop
def _convolve(part, slices, source, corner, gap, repeat, kernel, bias, stride, fold, target, together):
    if share_out(part):
        return
    _, height, width, channels = target.shape
    kh, kw, _, outputs = kernel.shape  # outputs: `fold` for each channel of the target, which are added up
    lanes = lanes_of(source)
    vectors = -(-outputs // lanes)
    broad = vectors * lanes
    kernels, begin = zeros(kh * kw * broad, source), zeros(broad, source)  # in rows of whole vectors
    copy_rows(flat(kernel), ZERO, kh * kw, outputs, kernels, ZERO, broad)
    copy(flat(bias), 0, begin, 0, outputs)
    span, step = ((width - 1) * stride[1] + kw) * outputs, stride[1] * outputs
    # Room for positions beyond the last, where fewer are left than are taken together.
    frame = zeros((-(-height // slices) * stride[0] + kh) * span + len(together) * step + lanes, source)
    line, sums, results = zeros(width * outputs, source), zeros(len(together) * lanes, source), flat(target)
    for unit in range(part[0], part[1]):
        n, slice = unit // slices, unit % slices
        top, bottom = height * slice // slices, height * (slice + 1) // slices
        _lay(source, n, top * stride[0], (bottom - 1 - top) * stride[0] + kh, corner, gap, repeat, frame, span)
        for oh in range(top, bottom):
            result = (n * height + oh) * width * channels
            for ow in range(0, width, len(together)):
                a_at = (oh - top) * stride[0] * span + ow * step
                for v in range(vectors):
                    for i in range(len(together)):
                        copy(begin, v * lanes, sums, i * lanes, lanes)
                    add_products(
                        frame, a_at + v * lanes, step, span, outputs, kernels, v * lanes, kw * broad, broad,
                        kh, kw, sums, ZERO, together,
                    )  # fmt: skip
                    used = min(lanes, outputs - v * lanes)
                    for i in range(min(len(together), width - ow)):
                        at = (ow + i) * outputs + v * lanes
                        if used < lanes:
                            copy(sums, i * lanes, line, at, used)
                        else:  # a constant number, which is one instruction
                            copy(sums, i * lanes, line, at, lanes)
            if fold == 1:
                copy(line, 0, results, result, width * channels)
            else:
                for k in range(width * channels):
                    total = line[k * fold]
                    for i in range(1, fold):
                        total += line[k * fold + i]
                    results[result + k] = total


@compiled_loop
def _weight_gradient(part, x, dy, stride, padding, dweights, dbiases, slices, together):
    if share_out(part):
        return
    images, height, width, outputs = dy.shape
    partial_sums, kh, kw, _, _ = dweights.shape
    lanes = lanes_of(x)
    line, span = width * outputs, ((width - 1) * stride[1] + kw) * outputs
    most = -(-height // slices)
    frame = zeros((most * stride[0] + kh) * span + len(together) * outputs + lanes, x)
    gradients = zeros(most * line + lanes, x)  # a slice of dy
    sums, bias_sums = zeros(len(together) * lanes, x), zeros(outputs, x)
    dy_all, totals, bias_totals = flat(dy), flat(dweights), flat(dbiases)
    units = images * slices
    for number in range(part[0], part[1]):
        for unit in range(units * number // partial_sums, units * (number + 1) // partial_sums):
            n, slice = unit // slices, unit % slices
            top, bottom = height * slice // slices, height * (slice + 1) // slices
            rows = bottom - top
            _lay(
                x, n, top * stride[0], (rows - 1) * stride[0] + kh, padding, (1, 1),
                outputs // x.shape[3], frame, span,
            )  # fmt: skip
            copy(dy_all, (n * height + top) * line, gradients, 0, rows * line)
            clear(bias_sums, 0, outputs)  # of one slice: sums of sums keep more digits than one long sum
            for p in range(rows * width):
                add(gradients, p * outputs, bias_sums, 0, outputs)
            add(bias_sums, 0, bias_totals, number * outputs, outputs)
            for v in range(0, outputs, lanes):
                for i in range(kh):
                    for j in range(0, kw, len(together)):
                        clear(sums, 0, len(sums))
                        add_products(
                            frame, i * span + j * outputs + v, outputs, stride[0] * span, stride[1] * outputs,
                            gradients, v, line, outputs, rows, width, sums, ZERO, together,
                        )  # fmt: skip
                        for k in range(min(len(together), kw - j)):
                            place = ((number * kh + i) * kw + j + k) * outputs + v
                            add(sums, k * lanes, totals, place, min(lanes, outputs - v))
