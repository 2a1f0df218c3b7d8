"""Exercise 9: a step with momentum and weight decay, as in the paper of AlexNet (section 5).

    v <- momentum * v - lr * weight_decay * w - lr * dw
    w <- w + v                                              with the new v

    w = [1], v = [0], dw = [2], lr = 0.1, momentum = 0.9, weight_decay = 0:   v = [-0.2], w = [0.8]

Return new arrays: the w, v and dw that are given stay as they are.

    lenet check 9 THIS_FILE
"""

import numpy as np


def momentum_step(w, v, dw, lr, momentum, weight_decay):
    """w, v, dw of one shape; lr, momentum, weight_decay: numbers -> the new w and v, of the dtype of w."""
    raise NotImplementedError
