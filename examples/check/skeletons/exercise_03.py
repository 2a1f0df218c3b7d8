"""Exercise 3: the measured gradient, by central differences.

    gradient[i] = (f(x with h added to element i) - f(x with h subtracted from element i)) / (2 h)

    f(x) = x[0]**3, x = [2], h = 0.01:   (2.01**3 - 1.99**3) / 0.02 = 12.0001

Afterwards x must be as it was, to the last bit.

    lenet check 3 THIS_FILE
"""

import numpy as np


def measured_gradient(f, x, h):
    """f: a function of an array like x that returns a number; x of any shape -> gradient, of the shape of x."""
    raise NotImplementedError
