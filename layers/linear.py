"""The fully connected layer: every output sees every input."""

import numpy as np

from nn.backend import accelerated
from nn.checks import Seed, Shape, positive
from nn.initialisers import he_normal
from nn.layer import Layer


class Linear(Layer):
    """y = x W + b.

        y[n, o]  = b[o] + sum over i of  x[n, i] * W[i, o]
        db[o]    = sum over n of  dy[n, o]
        dW[i, o] = sum over n of  x[n, i] * dy[n, o]          dW = x^T dy
        dx[n, i] = sum over o of  dy[n, o] * W[i, o]          dx = dy W^T

    Shapes: x (N, in_features); weight (in_features, out_features); bias (out_features,); y (N, out_features).
    float32 or float64, the output has the input's.

    rng: an integer or a numpy Generator for the initial weights, N(0, 2 / in_features); biases start at 0.
    bias: False leaves b out.

    Raises ValueError for a wrong shape, TypeError for a wrong dtype, RuntimeError for backward without
    forward(training=True). Source: Rumelhart, Hinton, Williams 1986, "Learning representations by back-propagating
    errors", equations 1 and 6.
    """

    def __init__(self, in_features: int, out_features: int, rng: Seed = None, bias: bool = True) -> None:
        super().__init__()
        self.in_features = positive(in_features, "Linear: in_features")
        self.out_features = positive(out_features, "Linear: out_features")
        shape = (in_features, out_features)
        self._add_param("weight", he_normal(np.random.default_rng(rng), shape, in_features))
        if bias:
            self._add_param("bias", np.zeros(out_features, np.float32))

    def output_shape(self, image_shape: Shape) -> tuple[int]:
        self._check_image_shape(image_shape, 1, self.in_features)
        return (self.out_features,)

    def multiply_adds(self, image_shape: Shape) -> int:
        return self.in_features * self.output_shape(image_shape)[0]

    def forward(self, x: np.ndarray, training: bool = False, out: np.ndarray | None = None) -> np.ndarray:
        x = self._check_input(x, ("N", self.in_features))
        y = self._output(out, (len(x), self.out_features), x)
        linear(x, self.params["weight"], self.params.get("bias"), y)
        if training:
            self._saved = x
        return y

    def backward(self, dy: np.ndarray, input_gradient: bool = True, out: np.ndarray | None = None) -> np.ndarray | None:
        x = self._take_saved()
        dy = self._check_gradient(dy, (len(x), self.out_features), x.dtype)
        dx = self._output(out, x.shape, x) if input_gradient else None
        linear_backward(dy, x, self.params["weight"], self.grads["weight"], self.grads.get("bias"), dx)
        return dx


@accelerated
def linear(x, weight, bias, y):
    """y = x W + b. bias None: no b."""
    np.matmul(x, weight, out=y)
    if bias is not None:
        y += bias


@accelerated
def linear_backward(dy, x, weight, dweight, dbias, dx):
    """dW = x^T dy, db = the sum of dy over the batch, dx = dy W^T. dbias, dx: None where they are not wanted."""
    np.matmul(x.T, dy, out=dweight)
    if dbias is not None:
        np.sum(dy, axis=0, out=dbias)
    if dx is not None:
        np.matmul(dy, weight.T, out=dx)
