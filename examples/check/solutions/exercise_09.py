"""A right answer to exercise 9."""


def momentum_step(w, v, dw, lr, momentum, weight_decay):
    v = momentum * v - lr * weight_decay * w - lr * dw
    return w + v, v
