"""The squashing functions between the layers: without them, layers in a row would collapse into a single one.

All are element-wise on arrays of any shape, float32 or float64, and have no parameters; x, y, dy and dx have one shape.
They raise TypeError for another dtype, ValueError for a gradient of another shape and RuntimeError for backward without
forward(training=True). The backward pass reads y: each derivative is written in terms of the function's own value.
"""

import math
from abc import abstractmethod

import numpy as np

from nn.backend import accelerated
from nn.layer import Layer

# y = f(x), and dx = dy f'(x) written in terms of y. y may be the same array as x, and dx the same as dy.


@accelerated
def relu(x, y):
    """y = max(0, x)."""
    np.maximum(x, 0, out=y)


@accelerated
def relu_backward(dy, y, dx):
    """dx = dy where y > 0, else 0."""
    dx[...] = np.where(y > 0, dy, 0)


@accelerated
def sigmoid(x, y):
    """y = 1 / (1 + exp(-x))."""
    with np.errstate(over="ignore"):  # exp of a large number is infinity, and 1 / infinity is the 0 that is meant
        y[...] = 1 / (1 + np.exp(-x))


@accelerated
def sigmoid_backward(dy, y, dx):
    """dx = dy y (1 - y)."""
    dx[...] = dy * (y * (1 - y))


@accelerated
def tanh(x, y):
    """y = tanh(x)."""
    np.tanh(x, out=y)


@accelerated
def tanh_backward(dy, y, dx):
    """dx = dy (1 - y^2)."""
    dx[...] = dy * (1 - y * y)


@accelerated
def scaled_tanh(x, amplitude, slope, y):
    """y = A tanh(S x), with A the amplitude and S the slope."""
    y[...] = amplitude * np.tanh(slope * x)


@accelerated
def scaled_tanh_backward(dy, y, amplitude, slope, dx):
    """dx = dy S (A - y^2 / A)."""
    dx[...] = dy * (slope * (amplitude - y * y / amplitude))


class Activation(Layer):
    """What all of them have in common. A new one has two methods, `function` and `derivative`, and its `bounds`."""

    elementwise = True
    reads_output = True
    bounds: tuple[float, float] = (-math.inf, math.inf)
    """The values that y levels off at, below and above: near them the slope is next to 0 and the unit hardly learns."""

    def forward(self, x: np.ndarray, training: bool = False, out: np.ndarray | None = None) -> np.ndarray:
        x = self._check_input(x)
        y = self._output(out, x.shape, x)
        self.function(x, y)
        if training:
            # An array lent as out= is promised to stay as it is until the backward pass; a result that the caller owns
            # may be changed by the caller.
            self._saved = y if out is not None else self._keep(x, y)
        return y

    def backward(self, dy: np.ndarray, input_gradient: bool = True, out: np.ndarray | None = None) -> np.ndarray | None:
        saved = self._take_saved()
        dy = self._check_gradient(dy, saved.shape, saved.dtype)
        if not input_gradient:
            return None
        dx = self._output(out, dy.shape, dy)
        self.derivative(dy, saved, dx)
        return dx

    @abstractmethod
    def function(self, x: np.ndarray, y: np.ndarray) -> None:
        """Write f(x) to y; the two may be the same array."""

    @abstractmethod
    def derivative(self, dy: np.ndarray, y: np.ndarray, dx: np.ndarray) -> None:
        """Write dy * f'(x) to dx, with f' written in terms of y = f(x); dy and dx may be the same array."""

    def kept_outputs(self) -> np.ndarray | None:
        return self._saved

    def _keep(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return y.copy()


class ReLU(Activation):
    """Rectified linear unit: y = max(0, x);  dx = dy where x > 0, else 0 (at x = 0 too).

    Its slope never fades, however large x is: AlexNet's authors trained six times faster with it than with tanh.
    Source: Krizhevsky et al. 2012, section 3.1; Nair, Hinton 2010.
    """

    bounds = (0.0, math.inf)
    function = staticmethod(relu)
    derivative = staticmethod(relu_backward)

    def _keep(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return x  # x > 0 exactly where y > 0, so no copy is needed


class Sigmoid(Activation):
    """Log-sigmoid, the logistic sigmoid (not its logarithm, PyTorch's LogSigmoid): y = 1 / (1 + exp(-x)), 0 < y < 1.

    dx = dy * y * (1 - y). Its slope is at most 1/4, so that gradients shrink from layer to layer: LeNet starts slowly.
    """

    bounds = (0.0, 1.0)
    function = staticmethod(sigmoid)
    derivative = staticmethod(sigmoid_backward)


class Tanh(Activation):
    """Hyperbolic tangent: y = tanh(x), between -1 and 1;  dx = dy * (1 - y^2)."""

    bounds = (-1.0, 1.0)
    function = staticmethod(tanh)
    derivative = staticmethod(tanh_backward)


class ScaledTanh(Activation):
    """LeNet-5's squashing function: y = A tanh(S x) with A = 1.7159, S = 2/3;  dx = dy * S * (A - y^2 / A).

    The constants make f(1) = 1 and f(-1) = -1, with the strongest curvature there: targets of +1 and -1 are reached
    where the unit is still alive. Source: LeCun et al. 1998, section II.B and appendix A.
    """

    amplitude = 1.7159
    slope = 2.0 / 3.0
    bounds = (-amplitude, amplitude)

    def function(self, x: np.ndarray, y: np.ndarray) -> None:
        scaled_tanh(x, self.amplitude, self.slope, y)

    def derivative(self, dy: np.ndarray, y: np.ndarray, dx: np.ndarray) -> None:
        scaled_tanh_backward(dy, y, self.amplitude, self.slope, dx)
