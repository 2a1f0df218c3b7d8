"""Exercise 6: the convolution backwards.

Each y[n, oh, ow, o] is a sum of products x * weight. So each dy[n, oh, ow, o] gives, for all i, j, c, with
h = oh*stride - padding + i and w = ow*stride - padding + j, where that is within the image:

    dx[n, h, w, c]     += dy[n, oh, ow, o] * weight[i, j, c, o]
    dw[i, j, c, o]     += dy[n, oh, ow, o] * x[n, h, w, c]
    db[o]              += dy[n, oh, ow, o]

    image [[1, 2, 3],   kernel [[1, 0],   dy [[1, 0],   db = 1 + 10 = 11
           [4, 5, 6],           [0, 2]]       [0, 10]]   dw = 1 * [[1, 2], [4, 5]] + 10 * [[5, 6], [8, 9]]
           [7, 8, 9]]                                    dx = [[1, 0, 0], [0, 2 + 10, 0], [0, 0, 20]]

    lenet check 6 THIS_FILE
"""

import numpy as np


def convolution_backward(dy, x, weight, stride, padding):
    """dy (N, OH, OW, C_out), x (N, H, W, C_in), weight (KH, KW, C_in, C_out)
    -> dx, dw, db of the shapes of x, weight and (C_out,), of the dtype of x.
    """
    raise NotImplementedError
