"""Exercise 7: max-pooling, forward and backward.

    y[n, oh, ow, c] = the largest of x[n, oh*stride + i, ow*stride + j, c] for i and j from 0 to kernel - 1

Backward, each dy goes to the pixel that was the largest, to the first in reading order where several are; a pixel that
is the largest of several windows gets the sum. OH = (H - kernel) // stride + 1, OW likewise.

    [[1, 5, 2],   kernel 2, stride 1:   y = [[5, 5],   dy = [[1, 10],       ->   dx = [[0, 11, 0],
     [4, 3, 0],                              [6, 6]]         [100, 1000]]               [0, 0, 0],
     [0, 6, 1]]                                                                         [0, 1100, 0]]

    lenet check 7 THIS_FILE
"""

import numpy as np


def max_pool(x, kernel, stride):
    """x (N, H, W, C) -> y (N, OH, OW, C), of the dtype of x."""
    raise NotImplementedError


def max_pool_backward(dy, x, kernel, stride):
    """dy (N, OH, OW, C), x (N, H, W, C) -> dx (N, H, W, C), of the dtype of x."""
    raise NotImplementedError
