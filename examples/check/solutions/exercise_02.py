"""A right answer to exercise 2."""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def backward(x, target, W1, b1, W2, b2):
    a = sigmoid(x @ W1 + b1)
    y = sigmoid(a @ W2 + b2)
    dz2 = 2 * (y - target) / y.size * y * (1 - y)
    dz1 = dz2 @ W2.T * a * (1 - a)
    return x.T @ dz1, dz1.sum(axis=0), a.T @ dz2, dz2.sum(axis=0)
