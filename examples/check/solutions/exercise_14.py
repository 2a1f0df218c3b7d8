"""A right answer to exercise 14."""

import numpy as np


def of_neighbours(numbers, size):
    """For each channel the sum over its neighbours, itself included."""
    C = numbers.shape[-1]
    return np.stack([numbers[..., max(0, c - size // 2) : c + size // 2 + 1].sum(axis=-1) for c in range(C)], axis=-1)


def sums(x, size, alpha, k):
    return k + alpha * of_neighbours(x**2, size)


def lrn(x, size, alpha, beta, k):
    return x / sums(x, size, alpha, k) ** beta


def lrn_backward(dy, x, size, alpha, beta, k):
    s = sums(x, size, alpha, k)
    crossed = of_neighbours(dy * x * s ** (-beta - 1), size)
    return dy * s**-beta - 2 * alpha * beta * x * crossed
