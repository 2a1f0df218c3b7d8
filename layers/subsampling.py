"""LeNet-5's subsampling: a window's sum, scaled and shifted by two trainable numbers a map."""

import numpy as np

from layers.pooling import sum_pool, sum_pool_backward
from nn.backend import accelerated
from nn.checks import Pair, Seed, Shape, pair, positive
from nn.layer import Layer
from nn.windows import count_windows


@accelerated
def scale_and_shift(x, weight, bias, y):
    """y = weight x + bias, one weight and one bias per map: x and y (N, H, W, C), weight and bias (C,). y may be x."""
    y[...] = x * weight + bias


class Subsampling2d(Layer):
    """y[n, oh, ow, c] = w[c] * s[n, oh, ow, c] + b[c], where s is the sum of a KH x KW window; windows do not overlap.

        db[c] = sum over n, oh, ow of  dy[n, oh, ow, c]
        dw[c] = sum over n, oh, ow of  dy[n, oh, ow, c] * s[n, oh, ow, c]
        dx    = w[c] * dy of the window that holds the element

    With w = 1/(KH*KW) and b = 0 it is average-pooling. With a small w the squashing that follows is nearly linear and
    the unit blurs; with a large w it is a soft "or" or "and" of its inputs, and b sets the threshold.

    Shapes: x (N, H, W, C), weight (C,), bias (C,), y (N, H // KH, W // KW, C); rows and columns left over at the far
    edge are ignored, as by a convolution. float32 or float64.

    rng: an integer or a numpy Generator for the initial weights, U(-2.4/F, 2.4/F), where F = KH*KW inputs; biases
    start at 0.

    Raises ValueError for a wrong shape or an empty output, TypeError for a wrong dtype, RuntimeError for backward
    without forward(training=True). Source: LeCun et al. 1998, section II.B (layers S2 and S4).
    """

    def __init__(self, channels: int, kernel_size: Pair = 2, rng: Seed = None) -> None:
        super().__init__()
        self.channels = positive(channels, "Subsampling2d: channels")
        self.kernel_size = pair(kernel_size, "Subsampling2d: kernel_size", 1)
        limit = 2.4 / (self.kernel_size[0] * self.kernel_size[1])
        weight = np.random.default_rng(rng).uniform(-limit, limit, channels).astype(np.float32)
        self._add_param("weight", weight)
        self._add_param("bias", np.zeros(channels, np.float32))

    def output_shape(self, image_shape: Shape) -> tuple[int, int, int]:
        self._check_image_shape(image_shape, 3, self.channels)
        return *count_windows(self, image_shape, self.kernel_size, self.kernel_size), self.channels

    def multiply_adds(self, image_shape: Shape) -> int:
        height, width, channels = self.output_shape(image_shape)
        return height * width * channels

    def forward(self, x: np.ndarray, training: bool = False, out: np.ndarray | None = None) -> np.ndarray:
        x = self._check_input(x, ("N", "H", "W", self.channels))
        y = self._output(out, (len(x), *self.output_shape(x.shape[1:])), x)
        sums = np.empty_like(y) if training else y
        weight, bias = self.params["weight"], self.params["bias"]
        sum_pool(x, self.kernel_size, self.kernel_size, (0, 0), 1.0, sums)
        scale_and_shift(sums, weight, bias, y)
        if training:
            self._saved = x.shape, sums
        return y

    def backward(self, dy: np.ndarray, input_gradient: bool = True, out: np.ndarray | None = None) -> np.ndarray | None:
        x_shape, sums = self._take_saved()
        dy = self._check_gradient(dy, sums.shape, sums.dtype)
        np.sum(dy, axis=(0, 1, 2), out=self.grads["bias"])
        np.sum(dy * sums, axis=(0, 1, 2), out=self.grads["weight"])
        if not input_gradient:
            return None
        dx = self._output(out, x_shape, dy)
        sum_pool_backward(dy * self.params["weight"], self.kernel_size, self.kernel_size, (0, 0), 1.0, dx)
        return dx
