"""Local response normalisation: the array loops behind `layers.LocalResponseNorm`, which explains the formulas.

    y_i  = x_i * s_i^-beta                with  s_i = k + alpha * sum of x_j^2 over the neighbours j of i
    dx_i = dy_i * s_i^-beta - 2 alpha beta x_i * sum of dy_j * y_j / s_j over the neighbours j of i

"across": the neighbours of a channel are the `size` channels around it, at the same pixel. "within": the neighbours
of a pixel are the size x size pixels around it, in the same channel. Both sets are symmetric: j is a neighbour of i
exactly when i is one of j, which is why the sum in dx runs over the same window as the sum in s.

Arrays here: x, y, dy, dx (N, H, W, C). Nothing is kept from the forward pass: s is computed again from x, which takes
less time than reading it back from memory.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from nn.compiled import COMPILED
from nn.kernels.registers import clear, flat, zeros


def _window_sum(x, size, region):
    """The sum over every element's neighbours, itself included; what lies outside counts as 0."""
    half = size // 2
    total = np.zeros_like(x)
    if region == "across":
        padded = np.pad(x, ((0, 0), (0, 0), (0, 0), (half, half)))
        for shift in range(size):
            total += padded[..., shift : shift + x.shape[3]]
    else:
        padded = np.pad(x, ((0, 0), (half, half), (half, half), (0, 0)))
        for i in range(size):
            for j in range(size):
                total += padded[:, i : i + x.shape[1], j : j + x.shape[2]]
    return total


def lrn_plain(x, size, alpha, beta, k, region, y):
    """Write the normalised x to `y`."""
    y[...] = x * (k + alpha * _window_sum(x * x, size, region)) ** -beta


def lrn_backward_plain(dy, x, size, alpha, beta, k, region, dx):
    """Write the gradient by x to `dx`."""
    s = k + alpha * _window_sum(x * x, size, region)
    dx[...] = dy * s**-beta - (2 * alpha * beta) * x * _window_sum(dy * x * s ** (-beta - 1), size, region)


def lrn_fast(x, size, alpha, beta, k, region, y):
    """The same, pixel by pixel, in one pass over memory."""
    constants = np.array([alpha, beta, k], dtype=x.dtype)
    (_lrn_across if region == "across" else _lrn_within)(x, size, constants, y)


def lrn_backward_fast(dy, x, size, alpha, beta, k, region, dx):
    """The same, pixel by pixel, in one pass over memory."""
    constants = np.array([alpha, beta, k], dtype=x.dtype)
    (_lrn_across_backward if region == "across" else _lrn_within_backward)(dy, x, size, constants, dx)


# The constants come as an array of x's dtype, because a float argument would draw all arithmetic to float64.
# s^-0.75, the papers' power, is written with two square roots: seven times faster than a power.


@njit(**COMPILED)
def _inverse_power(s, beta, result):
    """result = s^-beta, element by element."""
    if beta == 0.75:
        one = beta / beta
        for i in range(np.uint64(len(s))):
            root = one / np.sqrt(s[i])
            result[i] = root * np.sqrt(root)
    else:
        for i in range(np.uint64(len(s))):
            result[i] = s[i] ** -beta


# "across" works on a picture row at a time. Its pixels lie side by side with `half` zeros before and after each,
# so that no window needs clipping and every loop runs over the whole row: what comes out for the zeros is never read.


@njit(**COMPILED)
def _sum_windows(padded, size, total):
    """total[i] = padded[i] + ... + padded[i + size - 1]."""
    clear(total, 0, len(total))
    for shift in range(np.uint64(size)):
        for i in range(np.uint64(len(total))):
            total[i] += padded[i + shift]


@njit(**COMPILED)
def _row_scales(pixels, at, width, channels, size, constants, padded, s, power):
    """s and s^-beta of the picture row (W, C) at pixels[at], with its squares left in `padded`."""
    alpha, beta, k = constants[0], constants[1], constants[2]
    half = size // 2
    for w in range(width):
        here, there = np.uint64(at + w * channels), np.uint64(w * (channels + 2 * half) + half)
        for c in range(np.uint64(channels)):
            padded[there + c] = pixels[here + c] * pixels[here + c]
    _sum_windows(padded, size, s)
    for i in range(np.uint64(len(s))):
        s[i] = k + alpha * s[i]
    _inverse_power(s, beta, power)


@njit(**COMPILED)
def _lrn_across(x, size, constants, y):
    images, height, width, channels = x.shape
    pixels, results = flat(x), flat(y)
    span = channels + 2 * (size // 2)
    padded, s, power = zeros(width * span + span - channels, x), zeros(width * span, x), zeros(width * span, x)
    for row in range(images * height):
        at = row * width * channels
        _row_scales(pixels, at, width, channels, size, constants, padded, s, power)
        for w in range(width):
            here, there = np.uint64(at + w * channels), np.uint64(w * span)
            for c in range(np.uint64(channels)):
                results[here + c] = pixels[here + c] * power[there + c]


@njit(**COMPILED)
def _lrn_across_backward(dy, x, size, constants, dx):
    images, height, width, channels = x.shape
    gradients, pixels, results = flat(dy), flat(x), flat(dx)
    cross = -(constants[0] * constants[1] + constants[0] * constants[1])  # -2 alpha beta
    half = size // 2
    span = channels + 2 * half
    padded, s, power = zeros(width * span + 2 * half, x), zeros(width * span, x), zeros(width * span, x)
    for row in range(images * height):
        at = row * width * channels
        _row_scales(pixels, at, width, channels, size, constants, padded, s, power)
        for w in range(width):
            here, there, middle = np.uint64(at + w * channels), np.uint64(w * span), np.uint64(w * span + half)
            for c in range(np.uint64(channels)):
                power[there + c] *= gradients[here + c]
                padded[middle + c] = power[there + c] * pixels[here + c] / s[there + c]
        _sum_windows(padded, size, s)
        for w in range(width):
            here, there = np.uint64(at + w * channels), np.uint64(w * span)
            for c in range(np.uint64(channels)):
                results[here + c] = power[there + c] + cross * pixels[here + c] * s[there + c]


@njit(**COMPILED)
def _add_window(values, size, h, w, total):
    """total = the sum of values (H, W, C) over the size x size pixels around (h, w) that exist."""
    height, width, channels = values.shape
    half = size // 2
    total[:] = 0
    for i in range(max(0, h - half), min(height, h + half + 1)):
        for j in range(max(0, w - half), min(width, w + half + 1)):
            pixel = values[i, j]
            for c in range(channels):
                total[c] += pixel[c]


@njit(**COMPILED)
def _lrn_within(x, size, constants, y):
    images, height, width, channels = x.shape
    alpha, beta, k = constants[0], constants[1], constants[2]
    s = np.empty(channels, x.dtype)
    power = np.empty(channels, x.dtype)
    for n in range(images):
        squares = x[n] * x[n]
        for h in range(height):
            for w in range(width):
                _add_window(squares, size, h, w, s)
                for c in range(channels):
                    s[c] = k + alpha * s[c]
                _inverse_power(s, beta, power)
                for c in range(channels):
                    y[n, h, w, c] = x[n, h, w, c] * power[c]


@njit(**COMPILED)
def _lrn_within_backward(dy, x, size, constants, dx):
    images, height, width, channels = x.shape
    alpha, beta, k = constants[0], constants[1], constants[2]
    cross = -(alpha * beta + alpha * beta)
    s = np.empty(channels, x.dtype)
    power = np.empty(channels, x.dtype)
    terms = np.empty((height, width, channels), x.dtype)
    for n in range(images):
        squares = x[n] * x[n]
        for h in range(height):
            for w in range(width):
                _add_window(squares, size, h, w, s)
                for c in range(channels):
                    s[c] = k + alpha * s[c]
                _inverse_power(s, beta, power)
                for c in range(channels):
                    direct = dy[n, h, w, c] * power[c]
                    dx[n, h, w, c] = direct
                    terms[h, w, c] = direct * x[n, h, w, c] / s[c]
        for h in range(height):
            for w in range(width):
                _add_window(terms, size, h, w, s)
                for c in range(channels):
                    dx[n, h, w, c] += cross * x[n, h, w, c] * s[c]
