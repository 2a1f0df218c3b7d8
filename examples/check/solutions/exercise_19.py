"""A right answer to exercise 19."""

import numpy as np


def saliency(images, W1, b1, W2, b2, labels):
    x = images.reshape(len(images), -1)
    active = x @ W1 + b1 > 0
    dx = (W2[:, labels].T * active) @ W1.T
    return np.abs(dx.reshape(images.shape)).max(axis=3)
