"""Softmax, and the gradient of its cross-entropy, in one go. `nn.SoftmaxCrossEntropy` has the formulas.

Arrays here: logits z (N, classes), labels (N,), and of the same shape as z the probabilities p and the gradient dz of
the mean loss. There is a plain version and one for graphics cards (`nn.kernels.cuda`) alone: on the processor the
logits of a batch are too few to cost time.
"""

from __future__ import annotations

import numpy as np


def softmax_gradient_plain(z, labels, p, dz):
    """p = exp(z) / (sum of exp(z) over the row);  dz = (p - one_hot(labels)) / N."""
    with np.errstate(over="ignore"):  # a difference that overflows is -infinity, and exp of it the 0 that is meant
        p[...] = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    dz[...] = p
    dz[np.arange(len(labels)), labels] -= 1
    dz /= len(labels)
