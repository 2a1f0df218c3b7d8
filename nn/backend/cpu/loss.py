"""The loss of `nn.loss`, of LeNet's 64 times 10 numbers at a time: NumPy takes a microsecond or more for each operation
on so few, and there are thirty. In one loop they take about five in all."""

from __future__ import annotations

import numpy as np

from nn.backend.runtime.jit import compiled_loop


def cross_entropy(z, labels, shifted, log_sums, loss):
    """On one thread: even a thousand classes are nothing beside the network that tells them apart."""
    _cross_entropy(z, labels.astype(np.int64, copy=False), np.finfo(z.dtype).max, shifted, log_sums, loss)


def softmax_gradient(z, log_sums, labels, dz):
    """In one pass."""
    _softmax_gradient(z, log_sums, labels.astype(np.int64, copy=False), dz)


@compiled_loop
def _cross_entropy(z, labels, most, shifted, log_sums, loss):
    total = 0.0
    for n in range(len(z)):
        largest = z[n, 0]
        for c in range(1, z.shape[1]):
            largest = z[n, c] if z[n, c] > largest else largest
        exponentials = 0.0
        for c in range(z.shape[1]):
            shifted[n, c] = z[n, c] - largest
            exponentials += np.exp(shifted[n, c])
        log_sums[n, 0] = np.log(exponentials)
        total += np.float64(log_sums[n, 0]) - (np.float64(z[n, labels[n]]) - np.float64(largest))
    mean = total / len(z)
    loss[0] = min(mean, np.float64(most)) if mean < np.inf else mean


@compiled_loop
def _softmax_gradient(z, log_sums, labels, dz):
    one, count = z.dtype.type(1), z.dtype.type(len(z))
    for n in range(len(z)):
        for c in range(z.shape[1]):
            p = np.exp(z[n, c] - log_sums[n, 0])
            dz[n, c] = (p - one if c == labels[n] else p) / count
