"""Exercise 16: a convolution in groups, as on AlexNet's two GPUs.

The C_in input channels and the C_out kernels are cut into `groups` equal parts, neighbours together. The kernels of
group g see the input channels of group g alone, so each has C_in / groups channels. Stride 1, no padding.

    y[n, h, w, o] = bias[o] + sum over i, j, c of  x[n, h + i, w + j, g * C_in/groups + c] * weight[i, j, c, o]
                    where g = o // (C_out/groups) is the group of kernel o

    2 groups, a pixel with the channels [1, 2], two kernels 1x1 with weight[0, 0, 0] = [10, 100]:   y = [10, 200]

    lenet check 16 THIS_FILE
"""

import numpy as np


def grouped_convolution(x, weight, bias, groups):
    """x (N, H, W, C_in), weight (KH, KW, C_in/groups, C_out), bias (C_out,)
    -> y (N, H - KH + 1, W - KW + 1, C_out), of the dtype of x.
    """
    raise NotImplementedError
