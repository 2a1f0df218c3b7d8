"""Exercise 5: im2col. Every window becomes a row, so that a convolution is one matrix product.

    rows[(n * OH + oh) * OW + ow, (i * KW + j) * C + c] = x[n, oh*stride + i, ow*stride + j, c]

One row for each window: those of the first image first, row by row. Within a row the window's numbers in the order
(KH, KW, C). OH = (H - KH) // stride + 1, OW likewise.

    image [[1, 2, 3],   windows 2x2:   [[1, 2, 4, 5],
           [4, 5, 6],                   [2, 3, 5, 6],
           [7, 8, 9]]                   [4, 5, 7, 8],
                                        [5, 6, 8, 9]]

    lenet check 5 THIS_FILE
"""

import numpy as np


def im2col(x, KH, KW, stride):
    """x (N, H, W, C) -> rows (N * OH * OW, KH * KW * C), of the dtype of x."""
    raise NotImplementedError
