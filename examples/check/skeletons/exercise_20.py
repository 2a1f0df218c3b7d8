"""Exercise 20: a training step in which some layers are frozen and others learn slower.

training_work: how many multiplications are one image's forward and backward pass, where layer n takes
multiply_adds[n] forward, and learns[n] says whether it learns? Layers are counted from the image on. Forward all of
them run. Backward a layer takes multiply_adds[n] once more for the gradient of its weights, if it learns; and once more
for the gradient of its input, if any layer below it learns.

    multiply_adds = [5, 3, 2], learns = [False, True, True]:   forward 5 + 3 + 2 = 10,   backward 3 + 2 + 2 = 7

slower_step: the step of SGD with momentum for weights that learn at a share of the learning rate:

    v <- momentum * v - share * lr * weight_decay * w - share * lr * dw
    w <- w + v                                              with the new v

and with share 0 they are frozen: w and v stay as they are, even if v is not 0. Return new arrays in any case.

    w = [1], v = [0], dw = [2], lr = 0.1, momentum = 0.9, weight_decay = 0, share = 0.5:   v = [-0.1], w = [0.9]

    lenet check 20 THIS_FILE
"""

import numpy as np


def training_work(multiply_adds, learns):
    """A list of numbers and a list of bools, of the same length -> forward, backward: two numbers."""
    raise NotImplementedError


def slower_step(w, v, dw, lr, momentum, weight_decay, share):
    """w, v, dw of one shape; the others: numbers -> the new w and v, of the dtype of w."""
    raise NotImplementedError
