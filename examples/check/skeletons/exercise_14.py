"""Exercise 14: local response normalisation, forward and backward (Krizhevsky et al. 2012, section 3.3).

The neighbours of channel c are the channels from c - size // 2 to c + size // 2 at the same place, c among them, as far
as they exist.

    s[c] = k + alpha * (sum over the neighbours j of c of x[j]**2)            y[c] = x[c] / s[c]**beta

alpha is not divided by size. Backward, since x[c] is in the sum s[j] of each of its neighbours:

    dx[c] = dy[c] / s[c]**beta - 2 alpha beta x[c] * (sum over the neighbours j of c of dy[j] x[j] / s[j]**(beta + 1))

    x = [1, 2, 0] at one place, size 3, alpha 1, beta 1, k 2:   s = [7, 7, 6],   y = [1/7, 2/7, 0]

    lenet check 14 THIS_FILE
"""

import numpy as np


def lrn(x, size, alpha, beta, k):
    """x (N, H, W, C), size odd -> y (N, H, W, C), of the dtype of x."""
    raise NotImplementedError


def lrn_backward(dy, x, size, alpha, beta, k):
    """dy and x (N, H, W, C) -> dx (N, H, W, C), of the dtype of x."""
    raise NotImplementedError
