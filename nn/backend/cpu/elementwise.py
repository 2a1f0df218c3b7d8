"""The functions of `layers.activations`, and `scale_and_shift` of `layers.subsampling`: each in one pass over memory
instead of one for each arithmetic operation, or NumPy's own function for some elements on each thread.

Arrays have one shape, any, and are C-contiguous; y may be x itself, and dx may be dy itself.
"""

from __future__ import annotations

import math

import numpy as np

from nn.backend.cpu.simd import copy, flat
from nn.backend.runtime.jit import compiled_loop
from nn.backend.runtime.pool import in_parts, run_parallel, split_images
from nn.backend.runtime.tasks import share_out

LARGEST = np.float32(87)  # exp of it, and one over that, are float32 numbers of full precision
LOG2_E = np.float32(1.4426950408889634)
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)  # so short that k * LN2_HIGH is exact
ROUND = np.float32(3 << 22)  # numbers of this size have no places behind the point
FACTORS = tuple(np.float32(1 / math.factorial(n)) for n in range(8))
ZERO, ONE = np.float32(0), np.float32(1)


def _on_all_threads(function, *arrays):
    """Call function(*arrays) on all threads, for some elements each."""
    flat = [array.reshape(-1) for array in arrays]
    run_parallel(lambda part: function(*(array[part] for array in flat)), split_images(flat[0]))


def refuse_large(x, most):
    """Raise OverflowError where the sum of the squares of x is not below `most`."""
    _refuse_large(in_parts(1, x.size), x, most)


@compiled_loop(fastmath={"contract", "reassoc"})  # several partial sums, in an order of the compiler's choice
def _refuse_large(part, x, most):
    if share_out(part):
        return
    total = x.dtype.type(0)
    for number in flat(x):
        total += number * number
    if not total < most:
        raise OverflowError


def relu(x, y):
    _relu(in_parts(y.size, y.size), x.reshape(-1), y.reshape(-1), y is x)


def relu_backward(dy, y, dx):
    _relu_backward(in_parts(dx.size, dx.size), dy.reshape(-1), y.reshape(-1), dx.reshape(-1), dx is dy)


def sigmoid(x, y):
    """float32 in one pass; below 1e-38 it is 0. float64, which is not for training, with NumPy's exponential."""
    if y.dtype == np.float64:
        np.negative(x, out=y)
        with np.errstate(over="ignore"):  # exp of a large number is infinity, and 1 / infinity is the 0 that is meant
            np.exp(y, out=y)
        y += 1
        np.reciprocal(y, out=y)
    else:
        _sigmoid(in_parts(y.size, 2 * y.size), x.reshape(-1), y.reshape(-1), y is x)


def sigmoid_backward(dy, y, dx):
    _sigmoid_backward(in_parts(dx.size, dx.size), dy.reshape(-1), y.reshape(-1), dx.reshape(-1), dx is dy)


def tanh(x, y):
    _on_all_threads(lambda x, y: np.tanh(x, out=y), x, y)


def tanh_backward(dy, y, dx):
    _on_all_threads(lambda dy, y, dx: np.multiply(dy, 1 - y * y, out=dx), dy, y, dx)


def scaled_tanh(x, amplitude, slope, y):
    def squash(x, y):
        np.multiply(x, slope, out=y)
        np.tanh(y, out=y)
        y *= amplitude

    _on_all_threads(squash, x, y)


def scaled_tanh_backward(dy, y, amplitude, slope, dx):
    def differentiate(dy, y, dx):
        np.multiply(dy, slope * (amplitude - y * y / amplitude), out=dx)

    _on_all_threads(differentiate, dy, y, dx)


def scale_and_shift(x, weight, bias, y):
    """Some images on each thread."""

    def run_part(part):
        np.multiply(x[part], weight, out=y[part])
        y[part] += bias

    run_parallel(run_part, split_images(y))


# The compiled loops change one array in place, as a network asks for. Were they to read one array and write another,
# and the two the same, the compiled code would find that they overlap and handle one element at a time.


@compiled_loop
def _relu(part, x, y, in_place):
    if share_out(part):
        return
    first, last = np.uint64(part[0]), np.uint64(part[1])
    if not in_place:
        copy(x, first, y, first, last - first)
    zero = y.dtype.type(0)
    for i in range(first, last):
        y[i] = zero if y[i] < zero else y[i]  # NaN stays what it is


@compiled_loop
def _relu_backward(part, dy, y, dx, in_place):
    if share_out(part):
        return
    first, last = np.uint64(part[0]), np.uint64(part[1])
    if not in_place:
        copy(dy, first, dx, first, last - first)
    zero = y.dtype.type(0)
    for i in range(first, last):
        dx[i] = dx[i] if y[i] > zero else zero


@compiled_loop
def _sigmoid_backward(part, dy, y, dx, in_place):
    if share_out(part):
        return
    first, last = np.uint64(part[0]), np.uint64(part[1])
    if not in_place:
        copy(dy, first, dx, first, last - first)
    one = y.dtype.type(1)
    for i in range(first, last):
        dx[i] *= y[i] * (one - y[i])


# The compiler has no exponential that takes many numbers at once, so here is one. With k the whole number nearest to
# z / ln 2 and r = z - k ln 2, exp(z) = 2^k exp(r): r is at most ln 2 / 2, so that eight terms of the power series do,
# and 2^k is made by writing k into a number's exponent. "contract": multiply and add may be one instruction.


@compiled_loop(fastmath={"contract"})
def _sigmoid(part, x, y, in_place):
    if share_out(part):
        return
    first, last = np.uint64(part[0]), np.uint64(part[1])
    if not in_place:
        copy(x, first, y, first, last - first)
    for i in range(first, last):
        z = -y[i]
        tiny = z > LARGEST
        z = LARGEST if tiny else z  # compared so that NaN stays what it is
        z = -LARGEST if z < -LARGEST else z
        rounded = z * LOG2_E + ROUND  # its last bits are k
        k = rounded - ROUND
        r = (z - k * LN2_HIGH) - k * LN2_LOW
        series = FACTORS[7]
        for n in range(6, -1, -1):  # 1/0! + r (1/1! + r (1/2! + ...))
            series = FACTORS[n] + r * series
        exponent = np.float32(rounded).view(np.int32) << np.int32(23)
        power = np.int32(exponent + np.int32(127 << 23)).view(np.float32)
        y[i] = ZERO if tiny else ONE / (ONE + series * power)
