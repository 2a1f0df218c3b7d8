"""Exercise 1: a layer of neurons.

Each neuron o multiplies its inputs by its weights, adds its bias, and answers by the sigmoid:

    z[n, o] = sum over i of  x[n, i] * weight[i, o]  +  bias[o]
    y[n, o] = 1 / (1 + exp(-z[n, o]))

    x = [[1, 2]], weight = [[0.5], [-1]], bias = [1]:   z = 0.5 - 2 + 1 = -0.5,   y = [[0.3775]]

A z of minus a thousand is no mistake: y is 0 then, and not nan.

    lenet check 1 THIS_FILE
"""

import numpy as np


def layer(x, weight, bias):
    """x (N, inputs), weight (inputs, outputs), bias (outputs,) -> y (N, outputs), of the dtype of x."""
    raise NotImplementedError
