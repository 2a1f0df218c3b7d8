"""A right answer to exercise 16."""

import numpy as np


def grouped_convolution(x, weight, bias, groups):
    KH, KW, C, C_out = weight.shape
    OH, OW = x.shape[1] - KH + 1, x.shape[2] - KW + 1
    y = np.zeros((len(x), OH, OW, C_out), x.dtype) + bias
    for g in range(groups):
        own = slice(g * C, (g + 1) * C)
        kernels = slice(g * C_out // groups, (g + 1) * C_out // groups)
        for i in range(KH):
            for j in range(KW):
                y[..., kernels] += x[:, i : i + OH, j : j + OW, own] @ weight[i, j, :, kernels]
    return y
