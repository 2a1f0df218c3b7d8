"""The product of a few rows with a large matrix, for fully connected layers.

A matrix product is fast when each number that comes from memory is used many times. For that, BLAS first copies parts
of both matrices to where they lie best. With ten rows there are ten uses of a weight: the copy takes longer than the
product. Here the weights are read once and left where they are.

Arrays here: x (N, I), w (I, O), y (N, O), C-contiguous; `columns` is a slice of the O columns.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from nn.compiled import COMPILED
from nn.kernels.registers import ONE, VECTOR_BYTES, ZERO, add_scaled, rows_for, zeros

TERMS = 16  # rows of w at a time: as many streams as a processor foresees


def few_rows_product_plain(x, w, columns, y):
    """y = x w, for some columns."""
    np.matmul(x, w[:, columns], out=y[:, columns])


def few_rows_product_fast(x, w, columns, y):
    """The same; columns that do not fill a vector are left to BLAS."""
    lanes = VECTOR_BYTES // x.itemsize
    whole = slice(columns.start, columns.stop - (columns.stop - columns.start) % lanes)
    if whole.stop < columns.stop:
        few_rows_product_plain(x, w, slice(whole.stop, columns.stop), y)
    _few_rows_product(x, w, whole.start, whole.stop, y, rows_for(len(x)))


@njit(**COMPILED)
def _few_rows_product(x, w, first, last, y, rows):
    images, inputs = x.shape
    outputs, lanes, height = w.shape[1], VECTOR_BYTES // x.itemsize, len(rows)
    vectors, groups = (last - first) // lanes, -(-images // height)
    # The last rows are copied, so that there is something to read where some are missing.
    full = images // height * height
    x_rows, rest_rows, weights = x.reshape(-1), np.zeros(height * inputs, x.dtype), w.reshape(-1)
    for i in range((images - full) * inputs):
        rest_rows[i] = x_rows[full * inputs + i]
    sums = zeros(groups * vectors * height * lanes, x)
    for i in range(0, inputs, TERMS):
        length = min(TERMS, inputs - i)
        for n in range(0, images, height):
            source, start = (x_rows, n * inputs + i) if n < full else (rest_rows, i)
            for v in range(vectors):
                here = (n // height * vectors + v) * height * lanes
                add_scaled(
                    *(source, start, inputs, ZERO, ONE),
                    *(weights, i * outputs + first + v * lanes, ZERO, outputs, ONE, length, sums, here, rows),
                )
    for n in range(images):
        for v in range(vectors):
            here = ((n // height * vectors + v) * height + n % height) * lanes
            for lane in range(lanes):
                y[n, first + v * lanes + lane] = sums[here + lane]
