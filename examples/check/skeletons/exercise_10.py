"""Exercise 10: how large is LeNet? Shapes and parameters, counted.

Each layer is a tuple:

    ("conv", channels, kernel, stride, padding)      kernel x kernel, with a bias for each output channel
    ("pool", kernel, stride)                         no parameters, the channels stay
    ("linear", features)                             reads all numbers before it, H * W * C, with a bias each

A kernel fits (size + 2 padding - kernel) // stride + 1 times along a side. Behind a linear layer the shape is
(1, 1, features). Return a row (H, W, C, parameters) for each layer: its output's shape, and how many it learns.

    an image (2, 3, 1) and [("linear", 4)]:   [[1, 1, 4, 28]],   28 = 2 * 3 * 1 * 4 weights + 4 biases

    lenet check 10 THIS_FILE
"""

import numpy as np


def count(image_shape, layers):
    """image_shape (H, W, C), layers: tuples as above -> an array of whole numbers (layers, 4)."""
    raise NotImplementedError
