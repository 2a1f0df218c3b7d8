"""Exercise 15: inverted dropout.

In training each number of x is dropped with probability p, by itself; what stays is divided by 1 - p:

    mask = 0 with probability p, else 1 / (1 - p), for each number of x         y = x * mask         dx = dy * mask

Otherwise (training is False) y is x, and the mask is 1 everywhere.

    x = [[3, 5, 7, 9]], p = 0.5:   the mask may be [[2, 0, 0, 2]], then y = [[6, 0, 0, 18]]

    lenet check 15 THIS_FILE
"""

import numpy as np


def dropout(x, p, training, rng):
    """x of any shape, p from 0 to below 1, training: True or False, rng: a NumPy Generator
    -> y, mask: both of the shape and dtype of x.
    """
    raise NotImplementedError


def dropout_backward(dy, mask):
    """dy and mask of one shape -> dx, of the same shape and dtype."""
    raise NotImplementedError
