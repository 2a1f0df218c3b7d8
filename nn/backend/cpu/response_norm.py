"""The functions of `layers.normalisation`, which has the formulas: compiled, and on all threads.

Nothing is kept from the forward pass: s is computed again from x, which takes less time than reading it back from
memory. The plain functions add in float64; here that would halve the speed, so that an image is first asked whether
float32 is enough for its squares and powers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial

import numpy as np

from nn.backend.cpu.elementwise import refuse_large
from nn.backend.cpu.simd import add, clear, flat, zeros
from nn.backend.runtime.jit import compiled_loop, part_of_a_loop
from nn.backend.runtime.pool import in_parts, run_parallel, split
from nn.backend.runtime.tasks import share_out

FEW_NUMBERS = 1 << 20  # of which one thread finds the sum of squares in no time
CACHED_NUMBERS = 1 << 18  # that are still in the processor's cache when they are read again
POWER_NUMBERS = 8  # that could be read or written while a power is computed
SMALL_GRADIENT = 1e-8  # elements of dy down to here are to keep all their digits


def lrn(x, size, alpha, beta, k, region, y):
    """Image by image, in one pass over memory."""
    any_numbers = partial(_in_float32_where_that_is_enough, _forward, [x], (size, alpha, beta, k, region), y, beta)
    try:
        for loop in lrn_loops(x, size, alpha, beta, k, region, y) or [any_numbers]:
            loop()
    except OverflowError:
        any_numbers()


def lrn_loops(x, size, alpha, beta, k, region, y) -> list[Callable[[], None]]:
    """Two loops that do it for few numbers, one after the other, of which the first raises OverflowError where they are
    too large or NaN. An empty list where that is not the way."""
    most = _largest_sum(x.dtype, alpha, k, beta, 1) / 4
    if region != "across" or x.size > FEW_NUMBERS or most == 0:
        return []
    constants = np.array([alpha, beta, k], dtype=x.dtype)

    def normalise():
        _lrn_across(in_parts(len(x) * x.shape[1], POWER_NUMBERS * x.size), x, size, constants, y)

    return [partial(refuse_large, x, most), normalise]


def lrn_backward(dy, x, size, alpha, beta, k, region, dx):
    """Image by image, in one pass over memory."""
    # The cross term has s^-beta, x_j / s_j (at least s^-1/2, where it counts) and 2 alpha x_i as factors.
    spare = math.sqrt(alpha) / SMALL_GRADIENT
    _in_float32_where_that_is_enough(_backward, [dy, x], (size, alpha, beta, k, region), dx, beta + 0.5, spare)


def _in_float32_where_that_is_enough(function, arrays, constants, result, power, spare=1):
    """Share the images out to the threads. x is the last of `arrays`. An image (or row) in which squares might overflow
    float32, or s^-power / spare leave the numbers that have all their digits, is worked on in float64. Each decides by
    itself, so that results are bit-identical for any number of threads and any other images."""
    _, alpha, _, k, region = constants
    sources, results = [_independent(array, region) for array in arrays], _independent(result, region)
    largest = _largest_sum(result.dtype, alpha, k, power, spare)

    def run_part(part):
        # The sum of all squares, as no sum of a few of them is greater. If it is well below the limit, so is that
        # of every image, however it is rounded; otherwise each is asked.
        x = sources[-1][part]
        if np.vdot(x, x) < largest / 4:
            function(*(array[part] for array in sources), *constants, results[part])
            return
        for n in range(part.start, part.stop):
            image = slice(n, n + 1)
            x, out = sources[-1][image], results[image]
            if np.vdot(x, x) < largest:
                function(*(array[image] for array in sources), *constants, out)
            else:
                wide = np.empty(x.shape, np.float64)
                function(*(array[image].astype(np.float64) for array in sources), *constants, wide)
                out[...] = wide

    run_parallel(run_part, split(len(results), -(-results.size // CACHED_NUMBERS)))


def _independent(array, region):
    """What threads can share out: images, or single rows of them where neighbours lie across channels."""
    return array if region == "within" else array.reshape(-1, 1, *array.shape[2:])


@cache
def _largest_sum(dtype: np.dtype, alpha: float, k: float, power: float, spare: float) -> float:
    """The sum of squares S from which on numbers of this dtype do not do: k + alpha S, the largest possible s, must be
    one of them, and s^power * spare so small that its inverse, to eight digits, is one."""
    numbers = np.finfo(dtype)
    most = float(numbers.max)
    if max(alpha, k) > most:
        return 0.0
    largest = most / max(alpha, 1)
    if power == 0 or alpha == 0:
        return largest
    exponent = (math.log(most * float(numbers.eps)) - math.log(spare)) / power  # the logarithm of the largest s
    s = math.exp(min(exponent, math.log(most) - 1))
    return max(0.0, min(largest, (s - k) / alpha))


def _forward(x, size, alpha, beta, k, region, y):
    constants = np.array([alpha, beta, k], dtype=x.dtype)
    if region == "across":
        _lrn_across((0, len(x) * x.shape[1], 0), x, size, constants, y)
    else:
        _lrn_within(x, size, constants, y)


def _backward(dy, x, size, alpha, beta, k, region, dx):
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


# "across" works on an image row at a time. Its pixels lie side by side with `half` zeros before and after each,
# so that no window needs clipping and every loop runs over the whole row: what comes out for the zeros is never read.


@part_of_a_loop
def _sum_windows(padded, size, total):
    """total[i] = padded[i] + ... + padded[i + size - 1]; five, the papers' size, in one pass."""
    if size == 5:
        one, two, three, four = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
        for i in range(np.uint64(len(total))):
            total[i] = (padded[i] + padded[i + one]) + (padded[i + two] + padded[i + three]) + padded[i + four]
        return
    clear(total, 0, len(total))
    for shift in range(size):
        add(padded, shift, total, 0, len(total))


@part_of_a_loop
def _row_scales(pixels, at, width, channels, size, constants, padded, s, power):
    """s and s^-beta of the image row (W, C) at pixels[at], with its squares left in `padded`."""
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
def _lrn_across(part, x, size, constants, y):
    if share_out(part):
        return
    _, _, width, channels = x.shape
    pixels, results = flat(x), flat(y)
    span = channels + 2 * (size // 2)
    padded, s, power = zeros(width * span + span - channels, x), zeros(width * span, x), zeros(width * span, x)
    for row in range(part[0], part[1]):
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


# "within" works on an image row at a time as well: what lies around its pixels is added up row by row first, and then
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
    """s and s^-beta of an image's row h, where `squares` (H, W, C) has those of all its numbers."""
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
