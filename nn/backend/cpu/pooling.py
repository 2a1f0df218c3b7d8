"""The functions of `layers.pooling`, compiled, and on all threads: each thread works on some of the images.

No window is padded. Each is clipped to the image, which costs less than a copy of the image with a border.
"""

from __future__ import annotations

import numpy as np

from nn.backend.cpu.simd import add, clear, copy, flat, lanes_of, zeros
from nn.backend.runtime.jit import compiled_loop, part_of_a_loop
from nn.backend.runtime.pool import in_parts
from nn.backend.runtime.tasks import share_out

NOWHERE = np.empty(0, np.int32)


def max_pool(x, kernel, stride, padding, y, winners):
    """Window by window, all channels of a pixel at once; the threads share out rows of windows. winners may
    be empty."""
    _max_pool(in_parts(len(y) * y.shape[1], x.size), x, kernel, stride, padding, y, winners)


@part_of_a_loop
def _take_two(pixels, one, its_place, two, place, best, places, at, channels):
    """best becomes the largest of what it was and two pixels, `places` the place of that. Of one pixel alone, the
    compiler would write only those numbers that are larger, which without AVX-512 takes three times as long."""
    one, two, its_place, place = np.uint64(one), np.uint64(two), np.int32(its_place), np.int32(place)
    if len(places) == 0:
        for c in range(np.uint64(channels)):
            leader, other, third = best[at + c], pixels[one + c], pixels[two + c]
            # "not <=" is true for a NaN pixel as well; a NaN that leads already is kept
            leader = other if (not other <= leader) and leader == leader else leader
            best[at + c] = third if (not third <= leader) and leader == leader else leader
    else:
        for c in range(np.uint64(channels)):
            leader, other, third = best[at + c], pixels[one + c], pixels[two + c]
            better = (not other <= leader) and leader == leader
            leader, where = (other, its_place) if better else (leader, places[at + c])
            better = (not third <= leader) and leader == leader
            best[at + c], places[at + c] = (third, place) if better else (leader, where)


@compiled_loop
def _max_pool(part, x, kernel, stride, padding, y, winners):
    if share_out(part):
        return
    _, x_height, x_width, channels = x.shape
    _, height, width, _ = y.shape
    pixels, best, places = flat(x), flat(y), flat(winners)
    at = np.uint64(part[0] * width * channels)
    for row in range(part[0], part[1]):
        n, top = row // height, row % height * stride[0] - padding[0]
        for ow in range(width):
            left = ow * stride[1] - padding[1]
            seen, one, its_place = 0, 0, 0
            for ih in range(max(0, top), min(x_height, top + kernel[0])):
                for iw in range(max(0, left), min(x_width, left + kernel[1])):
                    pixel, place = ((n * x_height + ih) * x_width + iw) * channels, (ih - top) * kernel[1] + iw - left
                    if seen == 0:
                        copy(pixels, pixel, best, at, channels)
                        for c in range(np.uint64(channels if len(places) else 0)):
                            places[at + c] = np.int32(place)
                    elif seen % 2:
                        one, its_place = pixel, place
                    else:
                        _take_two(pixels, one, its_place, pixel, place, best, places, at, channels)
                    seen += 1
            if seen and seen % 2 == 0:  # one is left over
                _take_two(pixels, one, its_place, one, its_place, best, places, at, channels)
            at += np.uint64(channels)


def largest(x, kernel, stride, padding, y):
    """max_pool for who does not ask which pixel it was."""
    max_pool(x, kernel, stride, padding, y, NOWHERE)


def max_pool_backward(dy, winners, kernel, stride, padding, dx):
    """Window by window."""
    _, _, x_width, channels = dx.shape
    rows, columns = np.indices(kernel)
    steps = ((rows * x_width + columns) * channels).reshape(-1)  # from a window's corner to each of its places
    _max_pool_backward(in_parts(len(dx), dx.size), dy, winners, steps, stride, padding, dx)


@compiled_loop
def _max_pool_backward(part, dy, winners, steps, stride, padding, dx):
    if share_out(part):
        return
    _, x_height, x_width, channels = dx.shape
    _, height, width, _ = dy.shape
    gradients, places, results = flat(dy), flat(winners), flat(dx)
    start = np.uint64(part[0] * height * width * channels)
    size = x_height * x_width * channels
    clear(results, part[0] * size, (part[1] - part[0]) * size)
    for n in range(part[0], part[1]):
        for oh in range(height):
            for ow in range(width):
                top, left = oh * stride[0] - padding[0], ow * stride[1] - padding[1]
                corner = ((n * x_height + top) * x_width + left) * channels
                for c in range(np.uint64(channels)):
                    results[corner + np.int64(c) + steps[places[start + c]]] += gradients[start + c]
                start += np.uint64(channels)


# Sum-pooling works on whole rows, padding included, in loops that are long whatever the number of channels.


def sum_pool(x, kernel, stride, padding, factor, y):
    """The rows of a window are added up first, then its columns."""
    _sum_pool(in_parts(len(x), x.size), x, kernel, stride, padding, x.dtype.type(factor), y)


@compiled_loop
def _sum_pool(part, x, kernel, stride, padding, factor, y):
    if share_out(part):
        return
    _, x_height, x_width, channels = x.shape
    _, height, width, _ = y.shape
    pixels, results, lanes = flat(x), flat(y), lanes_of(x)
    span = max(x_width + padding[1], (width - 1) * stride[1] + kernel[1]) * channels
    line, sums, row = zeros(span, x), zeros(span + lanes, x), zeros(width * channels + lanes, x)
    inside, margin = np.uint64(x_width * channels), np.uint64(padding[1] * channels)
    target, size = np.uint64(part[0] * height * width * channels), np.uint64(width * channels)
    for n in range(part[0], part[1]):
        for oh in range(height):
            top = oh * stride[0] - padding[0]
            first = max(0, top)
            for ih in range(first, min(x_height, top + kernel[0])):
                at = np.uint64((n * x_height + ih) * x_width * channels)
                if ih == first:
                    copy(pixels, at, line, margin, inside)
                else:
                    for i in range(inside):
                        line[margin + i] += pixels[at + i]
            copy(line, 0, sums, 0, span)
            for j in range(1, kernel[1]):
                right = np.uint64(j * channels)
                for i in range(np.uint64(span) - right):
                    sums[i] += line[i + right]
            for ow in range(width):  # whole vectors: what is too much of one window, the next overwrites
                for c in range(0, channels, lanes):
                    copy(sums, ow * stride[1] * channels + c, row, ow * channels + c, lanes)
            for i in range(size):
                results[target + i] = factor * row[i]
            target += size


def sum_pool_backward(dy, kernel, stride, padding, factor, dx):
    """A row of windows is spread over its columns first, then over its rows."""
    _sum_pool_backward(in_parts(len(dx), dx.size), dy, kernel, stride, padding, dy.dtype.type(factor), dx)


@compiled_loop
def _sum_pool_backward(part, dy, kernel, stride, padding, factor, dx):
    if share_out(part):
        return
    _, x_height, x_width, channels = dx.shape
    _, height, width, _ = dy.shape
    gradients, results, lanes = flat(dy), flat(dx), lanes_of(dx)
    span = max(x_width + padding[1], (width - 1) * stride[1] + kernel[1]) * channels
    scaled, line = zeros(width * channels + lanes, dx), zeros(span + lanes, dx)
    row = x_width * channels
    inside, margin = np.uint64(row), np.uint64(padding[1] * channels)
    start, size = np.uint64(part[0] * height * width * channels), np.uint64(width * channels)
    for n in range(part[0], part[1]):
        written = 0  # rows of this image; windows come from top to bottom
        for oh in range(height):
            for i in range(size):
                scaled[i] = factor * gradients[start + i]
            start += size
            clear(line, 0, len(line))
            for ow in range(width):
                for j in range(kernel[1]):
                    at = (ow * stride[1] + j) * channels
                    if kernel[1] != stride[1]:  # windows overlap, or there are gaps between them
                        add(scaled, ow * channels, line, at, channels)
                        continue
                    for c in range(0, channels, lanes):  # whole vectors, as above; behind the last there is 0
                        copy(scaled, ow * channels + c, line, at + c, lanes)
            top = oh * stride[0] - padding[0]
            for ih in range(max(0, top), min(x_height, top + kernel[0])):
                at = np.uint64((n * x_height + ih) * row)
                if ih < written:
                    for i in range(inside):
                        results[at + i] += line[margin + i]
                    continue
                # no window reaches the rows between the last that was written and this one
                clear(results, (n * x_height + written) * row, (ih - written) * row)
                written = ih + 1
                copy(line, margin, results, at, inside)
        clear(results, (n * x_height + written) * row, (x_height - written) * row)
