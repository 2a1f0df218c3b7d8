"""Exercise 0: the matrix product, by loops.

Row i of a and column j of b are multiplied number by number, and the products added:

    c[i, j] = sum over k of  a[i, k] * b[k, j]

    [[1, 2],  times  [[5, 6],  is  [[1*5 + 2*7, 1*6 + 2*8],  =  [[19, 22],
     [3, 4]]          [7, 8]]       [3*5 + 4*7, 3*6 + 4*8]]      [43, 50]]

    lenet check 0 THIS_FILE
"""

import numpy as np


def matrix_product(a, b):
    """a (N, K), b (K, M) -> c (N, M), of the dtype of a. With loops, without @."""
    raise NotImplementedError
