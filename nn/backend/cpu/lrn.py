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

from nn.backend.cpu.simd import add, clear, flat, zeros
from nn.backend.runtime.jit import compiled_loop, part_of_a_loop


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
    # x / s, and not x * s^(-beta - 1), which is 0 in float32 long before the product is
    dx[...] = dy * s**-beta - (2 * alpha * beta) * x * _window_sum(dy * s**-beta * (x / s), size, region)


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


@part_of_a_loop
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


@part_of_a_loop
def _sum_windows(padded, size, total):
    """total[i] = padded[i] + ... + padded[i + size - 1]."""
    clear(total, 0, len(total))
    for shift in range(size):
        add(padded, shift, total, 0, len(total))


@part_of_a_loop
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


@compiled_loop
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


@compiled_loop
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


# "within" works on a picture row at a time as well: what lies around its pixels is added up row by row first, and then
# along the row, so that each step is a long loop.


@part_of_a_loop
def _sum_around(values, h, height, line, channels, size, padded, total):
    """total (W, C) = the sums of values (H, W, C) over the size x size pixels around each pixel of row h that exist."""
    half = size // 2
    clear(padded, 0, len(padded))
    for i in range(max(0, h - half), min(height, h + half + 1)):
        add(values, i * line, padded, half * channels, line)
    clear(total, 0, line)
    for j in range(size):
        add(padded, j * channels, total, 0, line)


@part_of_a_loop
def _scales_within(squares, h, height, line, channels, size, constants, padded, s, power):
    """s and s^-beta of a picture's row h, where `squares` (H, W, C) has those of all its numbers."""
    alpha, beta, k = constants[0], constants[1], constants[2]
    _sum_around(squares, h, height, line, channels, size, padded, s)
    for i in range(np.uint64(line)):
        s[i] = k + alpha * s[i]
    _inverse_power(s, beta, power)


@part_of_a_loop
def _square(pixels, start, squares):
    """squares[i] = pixels[start + i]^2."""
    for i in range(np.uint64(len(squares))):
        squares[i] = pixels[start + i] * pixels[start + i]


@compiled_loop
def _lrn_within(x, size, constants, y):
    images, height, width, channels = x.shape
    pixels, results, line = flat(x), flat(y), width * channels
    squares, padded = zeros(height * line, x), zeros(line + (size - 1) * channels, x)
    s, power = zeros(line, x), zeros(line, x)
    for n in range(images):
        _square(pixels, np.uint64(n * height * line), squares)
        for h in range(height):
            _scales_within(squares, h, height, line, channels, size, constants, padded, s, power)
            at = np.uint64((n * height + h) * line)
            for i in range(np.uint64(line)):
                results[at + i] = pixels[at + i] * power[i]


@compiled_loop
def _lrn_within_backward(dy, x, size, constants, dx):
    images, height, width, channels = x.shape
    gradients, pixels, results, line = flat(dy), flat(x), flat(dx), width * channels
    cross = -(constants[0] * constants[1] + constants[0] * constants[1])  # -2 alpha beta
    squares, terms = zeros(height * line, x), zeros(height * line, x)
    padded, s, power = zeros(line + (size - 1) * channels, x), zeros(line, x), zeros(line, x)
    for n in range(images):
        _square(pixels, np.uint64(n * height * line), squares)
        for h in range(height):
            _scales_within(squares, h, height, line, channels, size, constants, padded, s, power)
            here, at = np.uint64(h * line), np.uint64((n * height + h) * line)
            for i in range(np.uint64(line)):
                power[i] *= gradients[at + i]
                terms[here + i] = power[i] * pixels[at + i] / s[i]
                results[at + i] = power[i]
        for h in range(height):
            _sum_around(terms, h, height, line, channels, size, padded, s)
            at = np.uint64((n * height + h) * line)
            for i in range(np.uint64(line)):
                results[at + i] += cross * pixels[at + i] * s[i]
