"""Exercise 12: sigmoid, tanh and ReLU backwards, from their outputs.

y is what the function has answered, dy the gradient of the loss with respect to it. By the chain rule dx = dy * slope,
and each slope can be told from y:

    sigmoid: y (1 - y)         tanh: 1 - y**2         ReLU: 1 where y is positive, else 0

    y = 0.5, dy = 2:   sigmoid 2 * 0.25 = 0.5,   tanh 2 * 0.75 = 1.5,   ReLU 2

    lenet check 12 THIS_FILE
"""

import numpy as np


def sigmoid_backward(dy, y):
    """dy and y of one shape -> dx, of the same shape and dtype."""
    raise NotImplementedError


def tanh_backward(dy, y):
    """dy and y of one shape -> dx, of the same shape and dtype."""
    raise NotImplementedError


def relu_backward(dy, y):
    """dy and y of one shape -> dx, of the same shape and dtype."""
    raise NotImplementedError
