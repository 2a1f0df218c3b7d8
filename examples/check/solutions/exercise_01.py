"""A right answer to exercise 1."""

import numpy as np


def layer(x, weight, bias):
    z = x @ weight + bias
    with np.errstate(over="ignore"):  # exp may be infinite: 1 / inf is 0, as it should be
        return 1 / (1 + np.exp(-z))
