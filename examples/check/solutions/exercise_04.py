"""A right answer to exercise 4."""

import numpy as np


def conv2d(x, weight, bias, stride, padding):
    KH, KW = weight.shape[:2]
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    OH, OW = (x.shape[1] - KH) // stride + 1, (x.shape[2] - KW) // stride + 1
    y = np.zeros((len(x), OH, OW, weight.shape[3]), x.dtype) + bias
    for i in range(KH):
        for j in range(KW):
            seen = x[:, i : i + OH * stride : stride, j : j + OW * stride : stride][:, :OH, :OW]
            y += seen @ weight[i, j]
    return y
