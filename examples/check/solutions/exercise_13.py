"""A right answer to exercise 13."""


def split(n, n_validation, n_test, rng):
    order = rng.permutation(n)
    held_out = n_validation + n_test
    return order[held_out:], order[:n_validation], order[n_validation:held_out]


def standardise(training, validation, test):
    mean, std = training.mean(axis=(0, 1, 2)), training.std(axis=(0, 1, 2))
    return (training - mean) / std, (validation - mean) / std, (test - mean) / std
