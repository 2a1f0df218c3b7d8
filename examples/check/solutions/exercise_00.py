"""A right answer to exercise 0."""

import numpy as np


def matrix_product(a, b):
    N, K = a.shape
    M = b.shape[1]
    c = np.zeros((N, M), a.dtype)
    for i in range(N):
        for j in range(M):
            for k in range(K):
                c[i, j] += a[i, k] * b[k, j]
    return c
