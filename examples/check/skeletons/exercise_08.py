"""Exercise 8: softmax with cross-entropy.

    p[n, k]       = exp(logits[n, k]) / sum over j of exp(logits[n, j])
    loss          = - the mean over n of log(p[n, label of n])
    dlogits[n, k] = (p[n, k] - (1 if k is the label of n, else 0)) / N

    logits [[0, 0]], label 1:   p = [[0.5, 0.5]],   loss = 0.6931,   dlogits = [[0.5, -0.5]]

Logits of a thousand are no mistake, and the loss of an image may be 800: nothing may become inf or nan.

    lenet check 8 THIS_FILE
"""

import numpy as np


def softmax_cross_entropy(logits, labels):
    """logits (N, K), labels (N,) from 0 to K - 1 -> loss (a number), dlogits (N, K), of the dtype of logits."""
    raise NotImplementedError
