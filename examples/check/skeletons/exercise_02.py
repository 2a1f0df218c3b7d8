"""Exercise 2: backpropagation through two layers.

The network of lesson 2:

    a = sigmoid(x @ W1 + b1)        y = sigmoid(a @ W2 + b2)        loss = the mean of all (y - target)**2

Its gradients, from the loss backwards, with sigmoid' = y (1 - y):

    dz2 = 2 (y - target) / (how many numbers y has) * y (1 - y)
    dW2 = a.T @ dz2        db2 = the sum of dz2 over the examples        da = dz2 @ W2.T
    dz1 = da * a (1 - a)   dW1 = x.T @ dz1                               db1 = the sum of dz1 over the examples

    One of each: x = 1, target = 0, W1 = 1, b1 = 0, W2 = 2, b2 = 0:
    a = 0.7311, y = 0.8119, dz2 = 0.2480, dW2 = 0.1813, db2 = 0.2480, dW1 = db1 = 0.0975

    lenet check 2 THIS_FILE
"""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def backward(x, target, W1, b1, W2, b2):
    """x (N, inputs), target (N, outputs), W1 (inputs, hidden), b1 (hidden,), W2 (hidden, outputs), b2 (outputs,)
    -> dW1, db1, dW2, db2, of the shapes of W1, b1, W2, b2.
    """
    raise NotImplementedError
