"""Exercise 4: convolution, with stride and padding.

    y[n, oh, ow, o] = bias[o] + sum over i, j, c of  x[n, oh*stride - padding + i, ow*stride - padding + j, c]
                                                     * weight[i, j, c, o]

and 0 for pixels outside the image. OH = (H + 2 padding - KH) // stride + 1, OW likewise.

    image [[1, 2, 3],   kernel [[1, 0],    bias 0:   [[1*1 + 5*2, 2*1 + 6*2],  =  [[11, 14],
           [4, 5, 6],           [0, 2]]               [4*1 + 8*2, 5*1 + 9*2]]      [20, 23]]
           [7, 8, 9]]

    lenet check 4 THIS_FILE
"""

import numpy as np


def conv2d(x, weight, bias, stride, padding):
    """x (N, H, W, C_in), weight (KH, KW, C_in, C_out), bias (C_out,) -> y (N, OH, OW, C_out), of the dtype of x."""
    raise NotImplementedError
