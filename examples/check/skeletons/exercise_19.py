"""Exercise 19: saliency. Which pixels does the score of a class depend on?

The network: x = the image in one row, z = x @ W1 + b1, hidden = max(z, 0), scores = hidden @ W2 + b2, without softmax.

The saliency of a pixel is the gradient of the score of the label with respect to it: without its sign, and of the
channels of a pixel the largest.

    one pixel with one channel, x = 2, W1 = [[3, -1]], b1 = [0, 0], W2 = [[1, 5], [7, 4]], label 1:
    z = [6, -2], so only the first hidden unit is active, and the gradient is 3 * 5 = 15

    lenet check 19 THIS_FILE
"""

import numpy as np


def saliency(images, W1, b1, W2, b2, labels):
    """images (N, H, W, C), W1 (H * W * C, hidden), b1 (hidden,), W2 (hidden, classes), b2 (classes,), labels (N,)
    -> maps (N, H, W), of the dtype of images.
    """
    raise NotImplementedError
