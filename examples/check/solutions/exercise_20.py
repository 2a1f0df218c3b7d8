"""A right answer to exercise 20."""


def training_work(multiply_adds, learns):
    backward, below_learns = 0, False
    for work, own in zip(multiply_adds, learns):
        backward += work * own + work * below_learns
        below_learns = below_learns or own
    return sum(multiply_adds), backward


def slower_step(w, v, dw, lr, momentum, weight_decay, share):
    if share == 0:
        return w.copy(), v.copy()
    rate = share * lr
    v = momentum * v - rate * weight_decay * w - rate * dw
    return w + v, v
