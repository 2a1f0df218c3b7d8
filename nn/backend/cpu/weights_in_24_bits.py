"""Weights of a fully connected layer in three bytes instead of four, for one image, when to read them is all the work.

A float32 spends eight bits on an exponent of its own. Here each row of w (I, O) has one scale for all its weights, and
a weight is a whole number q of 24 bits times that scale (fixed point):

    s_i = max_o |w_io| / (2^23 - 1)        q_io = w_io / s_i, rounded        y_o = sum_i (x_i s_i) q_io + bias_o

No weight moves by more than s_i / 2, at most the distance from the row's largest weight to the next float32. So y moves
by at most sum_i |x_i| s_i / 2; products are taken and added in float32 as ever, which rounds y by as much. The upper 16
bits of all q lie in one array, the lower 8 in another, so that the compiler can make vectors of either; both are laid
out in strips, in the order in which they are read (`small_batch_matmul.write_strips`).

Source: J. H. Wilkinson, Rounding Errors in Algebraic Processes (1963), which calls such vectors block-floating.
"""

from __future__ import annotations

import numpy as np

from nn.backend.cpu.small_batch_matmul import write_strips
from nn.backend.runtime.workspace import aligned

MOST = 2**23 - 1
SMALLEST = 1e-20  # of a row's largest weight: times a smaller one's scale, x might leave float32's range
ROWS = 256  # at a time, to need little memory


def in_24_bits(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """The upper 16 bits of q in strips (int16), the lower 8 (uint8), and the scales (I,) (float32). None where the
    weights (I, O) are not float32 or not all finite, or where the largest of a row is not 0, but at most SMALLEST."""
    largest = np.abs(weight).max(axis=1)
    if weight.dtype != np.float32 or not np.all((largest == 0) | (largest > SMALLEST) & np.isfinite(largest)):
        return None
    scales = np.where(largest == 0, 1, largest / np.float32(MOST)).astype(np.float32)
    high, low = (aligned((weight.size,), np.empty(0, dtype)) for dtype in (np.int16, np.uint8))
    for first in range(0, len(weight), ROWS):
        some = slice(first, first + ROWS)
        q = np.rint(weight[some] / scales[some, None].astype(np.float64)).astype(np.int32)
        write_strips(q >> 8, some, weight.shape, high)
        write_strips(q & 255, some, weight.shape, low)
    return high, low, scales
