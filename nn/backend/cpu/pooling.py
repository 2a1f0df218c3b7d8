"""Pooling: each window of each map becomes one number, its largest element or its sum.

Arrays here: x (N, H, W, C), y (N, OH, OW, C). kernel, stride and padding are (height, width) pairs. A window may reach
over the padding and, with ceil_mode, over the far edge as well; only its elements inside the picture take part.

`winners` (N, OH, OW, C), int32, holds where in its window each maximum was found: kernel row * KW + kernel column.
The first of equal elements wins, and NaN wins over everything, so that it is never hidden.
"""

from __future__ import annotations

import numpy as np

from nn.backend.cpu.simd import clear, copy, flat, zeros
from nn.backend.runtime.jit import compiled_loop
from nn.backend.runtime.tasks import share_out
from nn.backend.runtime.threads import in_parts


def _windows(x, kernel, stride, padding, y_shape):
    """Yield, for each place (i, j) of the window, its number and that element of every window: (N, OH, OW, C); 0 where
    it lies outside the picture."""
    _, oh, ow, _ = y_shape
    below = max(0, (oh - 1) * stride[0] + kernel[0] - padding[0] - x.shape[1])
    right = max(0, (ow - 1) * stride[1] + kernel[1] - padding[1] - x.shape[2])
    x = np.pad(x, ((0, 0), (padding[0], below), (padding[1], right), (0, 0)))
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            rows = slice(i, i + (oh - 1) * stride[0] + 1, stride[0])
            columns = slice(j, j + (ow - 1) * stride[1] + 1, stride[1])
            yield i * kernel[1] + j, x[:, rows, columns]


def max_pool_plain(x, kernel, stride, padding, y, winners):
    """Write the largest element of each window to `y` and its place in the window to `winners`."""
    winners[...] = -1
    for place, element in _windows(x, kernel, stride, padding, y.shape):
        # `winners < 0`: the first element inside the picture leads, whatever it is; y holds nothing before.
        inside = np.asarray(_inside(x.shape, kernel, stride, padding, y.shape, place), like=x)
        better = ((element > y) | (np.isnan(element) & ~np.isnan(y)) | (winners < 0)) & inside
        y[...] = np.where(better, element, y)
        winners[...] = np.where(better, place, winners)


def _inside(x_shape, kernel, stride, padding, y_shape, place):
    """For each window (1, OH, OW, 1): does its element number `place` lie inside the picture?"""
    i, j = divmod(place, kernel[1])
    rows = np.arange(y_shape[1]) * stride[0] - padding[0] + i
    columns = np.arange(y_shape[2]) * stride[1] - padding[1] + j
    rows, columns = (rows >= 0) & (rows < x_shape[1]), (columns >= 0) & (columns < x_shape[2])
    return (rows[:, None] & columns[None, :])[None, :, :, None]


def max_pool_fast(x, kernel, stride, padding, y, winners):
    """The same, window by window, all channels of a pixel at once."""
    _max_pool(in_parts(len(x), x.size), x, kernel, stride, padding, y, winners)


@compiled_loop
def _max_pool(part, x, kernel, stride, padding, y, winners):
    if share_out(part):
        return
    _, x_height, x_width, channels = x.shape
    _, height, width, _ = y.shape
    pixels, best, places = flat(x), flat(y), flat(winners)
    at = np.uint64(part[0] * height * width * channels)
    for n in range(part[0], part[1]):
        for oh in range(height):
            top = oh * stride[0] - padding[0]
            for ow in range(width):
                left = ow * stride[1] - padding[1]
                first = True
                for ih in range(max(0, top), min(x_height, top + kernel[0])):
                    for iw in range(max(0, left), min(x_width, left + kernel[1])):
                        pixel = np.uint64(((n * x_height + ih) * x_width + iw) * channels)
                        here = np.int32((ih - top) * kernel[1] + iw - left)
                        if first:
                            first = False
                            copy(pixels, pixel, best, at, channels)
                            for c in range(np.uint64(channels)):
                                places[at + c] = here
                        else:
                            for c in range(np.uint64(channels)):
                                leader, other = best[at + c], pixels[pixel + c]
                                # "not <=" is true for a NaN pixel as well; a NaN that leads already is kept
                                better = (not other <= leader) and leader == leader
                                best[at + c] = other if better else leader
                                places[at + c] = here if better else places[at + c]
                at += np.uint64(channels)


def max_pool_backward_plain(dy, winners, kernel, stride, padding, dx):
    """Write each window's gradient to the one element of `dx` that won it, added to what that has won already."""
    dx[...] = 0
    _add_by_place(lambda place: np.where(winners == place, dy, 0), dy.shape, kernel, stride, padding, dx)


def _add_by_place(gradients, dy_shape, kernel, stride, padding, dx):
    """Add gradients(place), one number for each window, to the elements of `dx` at this place in the windows, for every
    place. Elements at one place are all different, so that nothing is lost."""
    _, oh, ow, _ = dy_shape
    height = max(dx.shape[1] + 2 * padding[0], (oh - 1) * stride[0] + kernel[0])
    width = max(dx.shape[2] + 2 * padding[1], (ow - 1) * stride[1] + kernel[1])
    padded = np.zeros_like(dx, shape=(len(dx), height, width, dx.shape[3]))
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            rows = slice(i, i + (oh - 1) * stride[0] + 1, stride[0])
            columns = slice(j, j + (ow - 1) * stride[1] + 1, stride[1])
            padded[:, rows, columns] += gradients(i * kernel[1] + j)
    dx += padded[:, padding[0] : padding[0] + dx.shape[1], padding[1] : padding[1] + dx.shape[2]]


def max_pool_backward_fast(dy, winners, kernel, stride, padding, dx):
    """The same, window by window."""
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


def sum_pool_plain(x, kernel, stride, padding, factor, y):
    """Write the sum of each window, times the factor, to `y`; padding counts as 0."""
    y[...] = 0
    for _, element in _windows(x, kernel, stride, padding, y.shape):
        y += element
    y *= factor


def _beginnings(width, channels, stride):
    """Where in a padded row of pixels each element of a row of windows begins."""
    return (np.arange(width)[:, None] * (stride * channels) + np.arange(channels)).reshape(-1)


# Both fast versions work on whole rows, padding included, in loops that are long whatever the number of channels.


def sum_pool_fast(x, kernel, stride, padding, factor, y):
    """The same: the rows of a window are added up first, then its columns."""
    begins = _beginnings(y.shape[2], x.shape[3], stride[1])
    _sum_pool(in_parts(len(x), x.size), x, kernel, stride, padding, begins, x.dtype.type(factor), y)


@compiled_loop
def _sum_pool(part, x, kernel, stride, padding, begins, factor, y):
    if share_out(part):
        return
    _, x_height, x_width, channels = x.shape
    pixels, results = flat(x), flat(y)
    span = max(x_width + padding[1], (y.shape[2] - 1) * stride[1] + kernel[1]) * channels
    line, sums = zeros(span, x), zeros(span, x)
    inside, margin = np.uint64(x_width * channels), np.uint64(padding[1] * channels)
    target = np.uint64(part[0] * y.shape[1] * len(begins))
    for n in range(part[0], part[1]):
        for oh in range(y.shape[1]):
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
            for i in range(np.uint64(len(begins))):
                results[target + i] = factor * sums[begins[i]]
            target += np.uint64(len(begins))


def sum_pool_backward_plain(dy, kernel, stride, padding, factor, dx):
    """Write to each element of `dx` the sum of the gradients, times the factor, of the windows that it is in."""
    dx[...] = 0
    _add_by_place(lambda place: dy * factor, dy.shape, kernel, stride, padding, dx)


def sum_pool_backward_fast(dy, kernel, stride, padding, factor, dx):
    """The same: a row of windows is spread over its columns first, then over its rows."""
    begins = _beginnings(dy.shape[2], dy.shape[3], stride[1])
    _sum_pool_backward(in_parts(len(dx), dx.size), dy, kernel, stride, padding, begins, dy.dtype.type(factor), dx)


@compiled_loop
def _sum_pool_backward(part, dy, kernel, stride, padding, begins, factor, dx):
    if share_out(part):
        return
    _, x_height, x_width, channels = dx.shape
    _, height, width, _ = dy.shape
    gradients, results = flat(dy), flat(dx)
    span = max(x_width + padding[1], (width - 1) * stride[1] + kernel[1]) * channels
    spread, line = zeros(span, dx), zeros(span, dx)
    row = x_width * channels
    inside, margin = np.uint64(row), np.uint64(padding[1] * channels)
    start = np.uint64(part[0] * height * len(begins))
    for n in range(part[0], part[1]):
        written = 0  # rows of this picture; windows come from top to bottom
        for oh in range(height):
            for i in range(np.uint64(len(begins))):
                spread[begins[i]] = factor * gradients[start + i]
            start += np.uint64(len(begins))
            copy(spread, 0, line, 0, span)
            for j in range(1, kernel[1]):
                right = np.uint64(j * channels)
                for i in range(np.uint64(span) - right):
                    line[i + right] += spread[i]
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
