"""A right answer to exercise 15."""

import numpy as np


def dropout(x, p, training, rng):
    if not training:
        return x.copy(), np.ones_like(x)
    mask = ((rng.random(x.shape) >= p) / (1 - p)).astype(x.dtype)
    return x * mask, mask


def dropout_backward(dy, mask):
    return dy * mask
