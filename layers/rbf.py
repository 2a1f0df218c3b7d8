"""Euclidean radial basis functions: how far is the input from each of some fixed prototypes?"""

from collections.abc import Sequence

import numpy as np

from nn.backend import accelerated
from nn.checks import Shape
from nn.layer import Layer


class EuclideanRBF(Layer):
    """y[n, c] = - sum over j of (x[n, j] - w[c, j])^2;   dx[n, j] = -2 sum over c of dy[n, c] * (x[n, j] - w[c, j]).

    The paper's units give the distance and the smallest is the answer; here its sign is reversed, so that the largest
    output is the answer in every network. The prototypes w are fixed: they are `state` and have no gradient.

    With Y = dy summed over classes:  dx = -2 (Y x - dy W).

    Shapes: x (N, features), prototypes (classes, features), y (N, classes). float32 or float64.

    Raises ValueError for a wrong shape, TypeError for a wrong dtype, RuntimeError for backward without
    forward(training=True). Source: LeCun et al. 1998, section II.B, equation 7.
    """

    fixed_state = True

    def __init__(self, prototypes: Sequence[Sequence[float]] | np.ndarray) -> None:
        super().__init__()
        prototypes = np.array(prototypes, dtype=np.float32)
        if prototypes.ndim != 2 or 0 in prototypes.shape or not np.isfinite(prototypes).all():
            raise ValueError(f"EuclideanRBF needs finite prototypes, shape (classes, features), got {prototypes.shape}")
        self.classes, self.features = prototypes.shape
        self._add_state("prototypes", prototypes)

    @property
    def prototypes(self) -> np.ndarray:
        return self.state["prototypes"]

    def output_shape(self, image_shape: Shape) -> tuple[int]:
        self._check_image_shape(image_shape, 1, self.features)
        return (self.classes,)

    def multiply_adds(self, image_shape: Shape) -> int:
        return self.features * self.output_shape(image_shape)[0]

    def forward(self, x: np.ndarray, training: bool = False, out: np.ndarray | None = None) -> np.ndarray:
        x = self._check_input(x, ("N", self.features))
        y = self._output(out, (len(x), self.classes), x)
        euclidean_rbf(x, self.prototypes, y)
        if training:
            self._saved = x
        return y

    def backward(self, dy: np.ndarray, input_gradient: bool = True, out: np.ndarray | None = None) -> np.ndarray | None:
        x = self._take_saved()
        dy = self._check_gradient(dy, (len(x), self.classes), x.dtype)
        if not input_gradient:
            return None
        dx = self._output(out, x.shape, x)
        euclidean_rbf_backward(dy, x, self.prototypes, dx)
        return dx


@accelerated
def euclidean_rbf(x, prototypes, y):
    """y[n, c] = - sum over j of (x[n, j] - prototypes[c, j])^2."""
    for c in range(len(prototypes)):
        # The differences themselves, not x^2 - 2 x w + w^2, which loses the digits that matter where x is near w.
        difference = x - prototypes[c]
        y[:, c] = -(difference * difference).sum(axis=1)


@accelerated
def euclidean_rbf_backward(dy, x, prototypes, dx):
    """dx = -2 (Y x - dy W), with Y = dy summed over classes and W the prototypes."""
    np.matmul(dy, prototypes, out=dx)
    dx -= dy.sum(axis=1, keepdims=True) * x
    dx *= 2
