"""Exercise 13: training, validation and test set.

split deals the numbers 0 to n - 1 out to three sets: mixed by the rng that is given, each number in one set only.

    split(10, 3, 2, rng) may return [4, 0, 8, 5, 9], [1, 7, 3] and [2, 6]

standardise brings each channel to mean 0 and standard deviation 1, by

    (images - mean[c]) / std[c]

where mean and std of a channel are those over all images, rows and columns of the TRAINING set, for all three sets.

    lenet check 13 THIS_FILE
"""

import numpy as np


def split(n, n_validation, n_test, rng):
    """rng: a NumPy Generator -> training, validation, test: three arrays of whole numbers, of the lengths
    n - n_validation - n_test, n_validation and n_test.
    """
    raise NotImplementedError


def standardise(training, validation, test):
    """Three arrays (N, H, W, C), each with an N of its own -> the three standardised, of the same shapes and dtypes."""
    raise NotImplementedError
