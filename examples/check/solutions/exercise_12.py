"""A right answer to exercise 12."""


def sigmoid_backward(dy, y):
    return dy * y * (1 - y)


def tanh_backward(dy, y):
    return dy * (1 - y**2)


def relu_backward(dy, y):
    return dy * (y > 0)
