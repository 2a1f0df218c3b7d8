"""The gradient of the cross-entropy of softmax, in one go. `nn.SoftmaxCrossEntropy` has the formulas.

Arrays here: logits z (N, classes), for each row the log of its sum of exponentials, log_sums (N, 1), labels (N,), and
the gradient dz of the mean loss, of z's shape. There is a plain version and one for graphics cards (`nn.backend.cuda`)
alone: on the processor the logits of a batch are too few to cost time.
"""

from __future__ import annotations

import numpy as np


def softmax_gradient_plain(z, log_sums, labels, dz):
    """p = exp(z - log_sums);  dz = (p - one_hot(labels)) / N."""
    np.exp(z - log_sums, out=dz)
    dz[np.arange(len(labels), like=labels), labels] -= 1
    dz /= len(labels)
