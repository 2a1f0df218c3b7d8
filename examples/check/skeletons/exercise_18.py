"""Exercise 18: which of two classifiers is better?

Both have been asked about the same N test images. right_a[n] is True where a's answer to image n is right.

difference: with d[n] = right_a[n] - right_b[n], which is 1, 0 or -1, return the mean of d and its standard error,
the standard deviation of d (divided by N - 1) over the root of N.

    right_a = [T, T, T, F], right_b = [T, F, F, F]:   d = [0, 1, 1, 0],   mean 0.5,   error 0.5774 / 2 = 0.2887

sign_test: only images count that one of them reads and the other does not: m of them, of which the one that wins more
seldom wins f. If both were equally good, each would be won by the toss of a coin. Return the probability of a result at
least as one-sided, to either side:

    p = 2 * (sum over i from 0 to f of C(m, i)) / 2**m,   at most 1              (math.comb(m, i) is C(m, i))

    above: m = 2, f = 0:   p = 2 * 1 / 4 = 0.5

    lenet check 18 THIS_FILE
"""

import math

import numpy as np


def difference(right_a, right_b):
    """Two arrays of bools (N,) -> mean, error: two numbers."""
    raise NotImplementedError


def sign_test(right_a, right_b):
    """Two arrays of bools (N,) -> p, a number."""
    raise NotImplementedError
