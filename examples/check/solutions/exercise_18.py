"""A right answer to exercise 18."""

import math

import numpy as np


def difference(right_a, right_b):
    d = right_a.astype(float) - right_b
    return d.mean(), d.std(ddof=1) / np.sqrt(len(d))


def sign_test(right_a, right_b):
    a_only, b_only = int(np.sum(right_a & ~right_b)), int(np.sum(right_b & ~right_a))
    few, m = min(a_only, b_only), a_only + b_only
    return min(1.0, 2 * sum(math.comb(m, i) for i in range(few + 1)) / 2**m)
