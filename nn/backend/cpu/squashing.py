"""The log-sigmoid, in one pass over memory instead of one for each arithmetic operation.

Arrays here: x and y, of any one shape, C-contiguous; y may be x itself.
"""

from __future__ import annotations

import numpy as np

from nn.backend.cpu.simd import copy
from nn.backend.runtime.jit import compiled_loop
from nn.backend.runtime.tasks import share_out
from nn.backend.runtime.threads import in_parts

LARGEST = np.float32(87)  # exp of it, and one over that, are float32 numbers of full precision
LOG2_E = np.float32(1.4426950408889634)
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)  # so short that k * LN2_HIGH is exact
ROUND = np.float32(3 << 22)  # numbers of this size have no places behind the point
FACTORS = tuple(np.float32(1 / n) for n in range(1, 8))
ZERO, ONE = np.float32(0), np.float32(1)


def sigmoid_plain(x, y):
    """y = 1 / (1 + exp(-x))."""
    np.negative(x, out=y)
    with np.errstate(over="ignore"):  # exp of a large number is infinity, and 1 / infinity is the 0 that is meant
        np.exp(y, out=y)
    y += 1
    np.reciprocal(y, out=y)


def sigmoid_fast(x, y):
    """The same, in float32 in one pass. Below 1e-38 it is 0."""
    if y.dtype == np.float64:
        sigmoid_plain(x, y)
        return
    _sigmoid(in_parts(y.size, 2 * y.size), x.reshape(-1), y.reshape(-1), y is x)


# The compiler has no exponential that takes many numbers at once, so here is one. With k the whole number nearest to
# z / ln 2 and r = z - k ln 2, exp(z) = 2^k exp(r): r is at most ln 2 / 2, so that eight terms of the power series do,
# and 2^k is made by writing k into a number's exponent. "contract": multiply and add may be one instruction.


@compiled_loop(fastmath={"contract"})
def _sigmoid(part, x, y, in_place):
    if share_out(part):
        return
    first, last = np.uint64(part[0]), np.uint64(part[1])
    if not in_place:  # one array to work on: were there two, the compiler would have to expect them to overlap
        copy(x, first, y, first, last - first)
    for i in range(first, last):
        z = -y[i]
        tiny = z > LARGEST
        z = LARGEST if tiny else z  # compared so that NaN stays what it is
        z = -LARGEST if z < -LARGEST else z
        rounded = z * LOG2_E + ROUND  # its last bits are k
        k = rounded - ROUND
        r = (z - k * LN2_HIGH) - k * LN2_LOW
        series = ONE
        for n in range(6, -1, -1):  # 1 + r/1 (1 + r/2 (1 + r/3 (...)))
            series = ONE + r * FACTORS[n] * series
        exponent = np.float32(rounded).view(np.int32) << np.int32(23)
        power = np.int32(exponent + np.int32(127 << 23)).view(np.float32)
        y[i] = ZERO if tiny else ONE / (ONE + series * power)
