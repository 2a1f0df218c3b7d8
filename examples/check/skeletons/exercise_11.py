"""Exercise 11: LeNet-5 of 1998: subsampling, and the table of connections.

Subsampling: the four numbers of each window 2x2 are added; each map has one weight and one bias.

    y[n, h, w, c] = weight[c] * (x[n, 2h, 2w, c] + x[n, 2h, 2w+1, c] + x[n, 2h+1, 2w, c] + x[n, 2h+1, 2w+1, c])
                    + bias[c]

    window [[1, 2], [3, 4]], weight 0.5, bias 1:   10 * 0.5 + 1 = 6

Convolution with a table: output map o sees only the input maps that table[o] names. Stride 1, no padding.

    y[n, h, w, o] = bias[o] + sum over i, j and the maps c in table[o] of  x[n, h+i, w+j, c] * weight[i, j, c, o]

    x has 3 maps, table = ((0, 2), (1,)): output map 0 sees the maps 0 and 2, output map 1 the map 1. The weights of
    what is not in the table, such as weight[:, :, 1, 0], are there and must have no effect.

    lenet check 11 THIS_FILE
"""

import numpy as np


def subsample(x, weight, bias):
    """x (N, H, W, C) with even H and W, weight (C,), bias (C,) -> y (N, H/2, W/2, C), of the dtype of x."""
    raise NotImplementedError


def table_convolution(x, weight, bias, table):
    """x (N, H, W, C_in), weight (KH, KW, C_in, C_out), bias (C_out,), table: for each output map a tuple of input maps
    -> y (N, H - KH + 1, W - KW + 1, C_out), of the dtype of x.
    """
    raise NotImplementedError
