"""Pooling: each window of each map becomes one number, its largest element or its sum.

Arrays here: x (N, H, W, C), y (N, OH, OW, C). kernel, stride and padding are (height, width) pairs. A window may reach
over the padding and, with ceil_mode, over the far edge as well; only its elements inside the picture take part.

`winners` (N, OH, OW, C), int32, holds where in its window each maximum was found: kernel row * KW + kernel column.
The first of equal elements wins, and NaN wins over everything, so that it is never hidden.
"""

from __future__ import annotations

import numpy as np
from numba import njit


def _windows(x, kernel, stride, padding, y_shape, fill):
    """Yield, for each place (i, j) of the window, its number and that element of every window: (N, OH, OW, C)."""
    _, oh, ow, _ = y_shape
    below = max(0, (oh - 1) * stride[0] + kernel[0] - padding[0] - x.shape[1])
    right = max(0, (ow - 1) * stride[1] + kernel[1] - padding[1] - x.shape[2])
    x = np.pad(x, ((0, 0), (padding[0], below), (padding[1], right), (0, 0)), constant_values=fill)
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            rows = slice(i, i + (oh - 1) * stride[0] + 1, stride[0])
            columns = slice(j, j + (ow - 1) * stride[1] + 1, stride[1])
            yield i * kernel[1] + j, x[:, rows, columns]


def max_pool_plain(x, kernel, stride, padding, y, winners):
    """Write the largest element of each window to `y` and its place in the window to `winners`."""
    y[...] = -np.inf
    winners[...] = -1
    for place, element in _windows(x, kernel, stride, padding, y.shape, fill=-np.inf):
        # `winners < 0`: a window of nothing but -infinity still has a first element, unless that lies outside.
        inside = _inside(x.shape, kernel, stride, padding, y.shape, place)
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


@njit(cache=True, nogil=True, error_model="numpy")
def max_pool_fast(x, kernel, stride, padding, y, winners):
    """The same, window by window, all channels of a pixel at once."""
    images, x_height, x_width, channels = x.shape
    for n in range(images):
        for oh in range(y.shape[1]):
            top = oh * stride[0] - padding[0]
            for ow in range(y.shape[2]):
                left = ow * stride[1] - padding[1]
                best, place = y[n, oh, ow], winners[n, oh, ow]
                first = True
                for ih in range(max(0, top), min(x_height, top + kernel[0])):
                    for iw in range(max(0, left), min(x_width, left + kernel[1])):
                        pixel = x[n, ih, iw]
                        here = np.int32((ih - top) * kernel[1] + iw - left)
                        if first:
                            first = False
                            for c in range(channels):
                                best[c] = pixel[c]
                                place[c] = here
                        else:
                            for c in range(channels):
                                # "not <=" is true for a NaN pixel as well; a NaN that leads already is kept
                                better = (not pixel[c] <= best[c]) and best[c] == best[c]
                                best[c] = pixel[c] if better else best[c]
                                place[c] = here if better else place[c]


def max_pool_backward_plain(dy, winners, kernel, stride, padding, dx):
    """Add each window's gradient to the one element of `dx` that won it; `dx` must be zero before."""
    n, oh, ow, c = np.indices(dy.shape)
    ih = oh * stride[0] - padding[0] + winners // kernel[1]
    iw = ow * stride[1] - padding[1] + winners % kernel[1]
    np.add.at(dx, (n, ih, iw, c), dy)


@njit(cache=True, nogil=True, error_model="numpy")
def max_pool_backward_fast(dy, winners, kernel, stride, padding, dx):
    """The same, window by window."""
    images, height, width, channels = dy.shape
    for n in range(images):
        for oh in range(height):
            top = oh * stride[0] - padding[0]
            for ow in range(width):
                left = ow * stride[1] - padding[1]
                for c in range(channels):
                    place = winners[n, oh, ow, c]
                    row = place // kernel[1]
                    dx[n, top + row, left + place - row * kernel[1], c] += dy[n, oh, ow, c]


def sum_pool_plain(x, kernel, stride, padding, y):
    """Write the sum of each window to `y`; padding counts as 0."""
    y[...] = 0
    for _, element in _windows(x, kernel, stride, padding, y.shape, fill=0):
        y += element


@njit(cache=True, nogil=True, error_model="numpy")
def sum_pool_fast(x, kernel, stride, padding, y):
    """The same, window by window."""
    images, x_height, x_width, channels = x.shape
    for n in range(images):
        for oh in range(y.shape[1]):
            top = oh * stride[0] - padding[0]
            for ow in range(y.shape[2]):
                left = ow * stride[1] - padding[1]
                total = y[n, oh, ow]
                total[:] = 0
                for ih in range(max(0, top), min(x_height, top + kernel[0])):
                    for iw in range(max(0, left), min(x_width, left + kernel[1])):
                        pixel = x[n, ih, iw]
                        for c in range(channels):
                            total[c] += pixel[c]


def sum_pool_backward_plain(dy, kernel, stride, padding, dx):
    """Add each window's gradient to every element of `dx` in that window; `dx` must be zero before."""
    _, oh, ow, _ = dy.shape
    height = max(dx.shape[1] + 2 * padding[0], (oh - 1) * stride[0] + kernel[0])
    width = max(dx.shape[2] + 2 * padding[1], (ow - 1) * stride[1] + kernel[1])
    padded = np.zeros_like(dx, shape=(len(dx), height, width, dx.shape[3]))
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            padded[:, i : i + (oh - 1) * stride[0] + 1 : stride[0], j : j + (ow - 1) * stride[1] + 1 : stride[1]] += dy
    dx += padded[:, padding[0] : padding[0] + dx.shape[1], padding[1] : padding[1] + dx.shape[2]]


@njit(cache=True, nogil=True, error_model="numpy")
def sum_pool_backward_fast(dy, kernel, stride, padding, dx):
    """The same, window by window."""
    _, x_height, x_width, channels = dx.shape
    images, height, width, _ = dy.shape
    for n in range(images):
        for oh in range(height):
            top = oh * stride[0] - padding[0]
            for ow in range(width):
                left = ow * stride[1] - padding[1]
                gradient = dy[n, oh, ow]
                for ih in range(max(0, top), min(x_height, top + kernel[0])):
                    for iw in range(max(0, left), min(x_width, left + kernel[1])):
                        pixel = dx[n, ih, iw]
                        for c in range(channels):
                            pixel[c] += gradient[c]
