"""The exponential linear unit: ReLU with a soft knee, whose outputs can be negative."""

import math

import numpy as np

from layers.activations import Activation
from nn.backend import accelerated
from nn.checks import number


@accelerated
def elu(x, alpha, y):
    """y = x where x > 0, else alpha (exp(x) - 1); y may be x itself."""
    y[...] = np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


@accelerated
def elu_backward(dy, y, alpha, dx):
    """dx = dy where y > 0, else dy (y + alpha), as alpha exp(x) = y + alpha there; dx may be dy itself."""
    dx[...] = np.where(y > 0, dy, dy * (y + alpha))


class ELU(Activation):
    """Exponential linear unit: y = x where x > 0, else alpha (exp(x) - 1);  dx = dy where x > 0, else dy (y + alpha).

    As with ReLU the slope does not fade for large x, but outputs below 0 bring their mean nearer to 0, and a unit whose
    input is negative still learns. alpha > 0: y levels off at -alpha.

    Raises TypeError or ValueError for an alpha that is not a positive number, and what every activation raises.
    Source: Clevert, Unterthiner, Hochreiter 2015.
    """

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = number(alpha, "ELU: alpha", lambda alpha: 0 < alpha < math.inf, "a positive number")
        self.bounds = (-self.alpha, math.inf)

    def function(self, x: np.ndarray, y: np.ndarray) -> None:
        elu(x, self.alpha, y)

    def derivative(self, dy: np.ndarray, y: np.ndarray, dx: np.ndarray) -> None:
        elu_backward(dy, y, self.alpha, dx)
