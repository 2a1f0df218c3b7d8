"""A right answer to exercise 7."""

import numpy as np


def max_pool(x, kernel, stride):
    N, H, W, C = x.shape
    OH, OW = (H - kernel) // stride + 1, (W - kernel) // stride + 1
    y = np.full((N, OH, OW, C), -np.inf, x.dtype)
    for i in range(kernel):
        for j in range(kernel):
            y = np.maximum(y, x[:, i : i + (OH - 1) * stride + 1 : stride, j : j + (OW - 1) * stride + 1 : stride])
    return y


def max_pool_backward(dy, x, kernel, stride):
    y = max_pool(x, kernel, stride)
    OH, OW = y.shape[1:3]
    dx = np.zeros_like(x)
    free = np.ones(y.shape, bool)  # the windows whose largest has not been found yet
    for i in range(kernel):
        for j in range(kernel):
            seen = np.s_[:, i : i + (OH - 1) * stride + 1 : stride, j : j + (OW - 1) * stride + 1 : stride]
            here = free & (x[seen] == y)
            dx[seen] += dy * here
            free &= ~here
    return dx
