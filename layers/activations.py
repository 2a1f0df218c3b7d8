"""The squashing functions between the layers: without them, layers in a row would collapse into a single one.

All are element-wise on arrays of any shape, float32 or float64, and have no parameters; x, y, dy and dx have one shape.
They raise TypeError for another dtype, ValueError for a gradient of another shape and RuntimeError for backward without
forward(training=True). The backward pass reads y: each derivative is written in terms of the function's own value.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable

import numpy as np

from nn.backend.kernels import relu_gradient, sigmoid, sigmoid_gradient
from nn.backend.runtime.threads import run_parallel, split_images
from nn.layer import Layer


def _on_all_threads(function: Callable[..., None], *arrays: np.ndarray) -> None:
    """Call function(*arrays) on all threads, for some elements each."""
    flat = [array.reshape(-1) for array in arrays]
    run_parallel(lambda part: function(*(array[part] for array in flat)), split_images(flat[0]))


class _Activation(Layer):
    """What all of them have in common."""

    elementwise = True
    reads_output = True
    bounds: tuple[float, float]
    """The values that y levels off at, below and above: near them the slope is next to 0 and the unit hardly learns."""

    def forward(self, x: np.ndarray, training: bool = False, out: np.ndarray | None = None) -> np.ndarray:
        x = self._check_input(x, ("N", *("any length",) * (len(getattr(x, "shape", ())) - 1)))
        y = self._output(out, x.shape, x)
        self._function(x, y)
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
        self._derivative(dy, saved, dx)
        return dx

    def kept_outputs(self) -> np.ndarray | None:
        return self._saved

    def _keep(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return y.copy()

    @abstractmethod
    def _function(self, x: np.ndarray, y: np.ndarray) -> None:
        """Write f(x) to y; the two may be the same array."""

    @abstractmethod
    def _derivative(self, dy: np.ndarray, y: np.ndarray, dx: np.ndarray) -> None:
        """Write dy * f'(x) to dx, with f' written in terms of y = f(x); dy and dx may be the same array."""


class ReLU(_Activation):
    """Rectified linear unit: y = max(0, x);  dx = dy where x > 0, else 0 (at x = 0 too).

    Its slope never fades, however large x is: AlexNet's authors trained six times faster with it than with tanh.
    Source: Krizhevsky et al. 2012, section 3.1; Nair, Hinton 2010.
    """

    bounds = (0.0, math.inf)

    def _function(self, x, y):
        _on_all_threads(lambda x, y: np.maximum(x, 0, out=y), x, y)

    def _derivative(self, dy, y, dx):
        relu_gradient(dy, y, dx)

    def _keep(self, x, y):
        return x  # x > 0 exactly where y > 0, so no copy is needed


class Sigmoid(_Activation):
    """Log-sigmoid (logistic function): y = 1 / (1 + exp(-x)), between 0 and 1;  dx = dy * y * (1 - y).

    Its slope is at most 1/4, so that gradients shrink from layer to layer: why a log-sigmoid LeNet starts slowly.
    """

    bounds = (0.0, 1.0)

    def _function(self, x, y):
        sigmoid(x, y)

    def _derivative(self, dy, y, dx):
        sigmoid_gradient(dy, y, dx)


class Tanh(_Activation):
    """Hyperbolic tangent: y = tanh(x), between -1 and 1;  dx = dy * (1 - y^2)."""

    bounds = (-1.0, 1.0)

    def _function(self, x, y):
        _on_all_threads(lambda x, y: np.tanh(x, out=y), x, y)

    def _derivative(self, dy, y, dx):
        _on_all_threads(lambda dy, y, dx: np.multiply(dy, 1 - y * y, out=dx), dy, y, dx)


class ScaledTanh(_Activation):
    """LeNet-5's squashing function: y = A tanh(S x) with A = 1.7159, S = 2/3;  dx = dy * S * (A - y^2 / A).

    The constants make f(1) = 1 and f(-1) = -1, with the strongest curvature there: targets of +1 and -1 are reached
    where the unit is still alive. Source: LeCun et al. 1998, section II.B and appendix A.
    """

    amplitude = 1.7159
    slope = 2.0 / 3.0
    bounds = (-amplitude, amplitude)

    def _function(self, x, y):
        def squash(x, y):
            np.multiply(x, self.slope, out=y)
            np.tanh(y, out=y)
            y *= self.amplitude

        _on_all_threads(squash, x, y)

    def _derivative(self, dy, y, dx):
        def differentiate(dy, y, dx):
            np.multiply(dy, self.slope * (self.amplitude - y * y / self.amplitude), out=dx)

        _on_all_threads(differentiate, dy, y, dx)
