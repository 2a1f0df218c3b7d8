"""A right answer to exercise 11."""

import numpy as np


def subsample(x, weight, bias):
    N, H, W, C = x.shape
    return x.reshape(N, H // 2, 2, W // 2, 2, C).sum(axis=(2, 4)) * weight + bias


def table_convolution(x, weight, bias, table):
    connected = np.zeros(weight.shape[2:], weight.dtype)
    for o, maps in enumerate(table):
        connected[list(maps), o] = 1
    KH, KW = weight.shape[:2]
    OH, OW = x.shape[1] - KH + 1, x.shape[2] - KW + 1
    y = np.zeros((len(x), OH, OW, len(table)), x.dtype) + bias
    for i in range(KH):
        for j in range(KW):
            y += x[:, i : i + OH, j : j + OW] @ (weight[i, j] * connected)
    return y
