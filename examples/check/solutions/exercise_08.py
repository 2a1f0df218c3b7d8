"""A right answer to exercise 8."""

import numpy as np


def softmax_cross_entropy(logits, labels):
    N = len(logits)
    z = logits - logits.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    dlogits = np.exp(log_p)
    dlogits[np.arange(N), labels] -= 1
    return -log_p[np.arange(N), labels].mean(), dlogits / N
