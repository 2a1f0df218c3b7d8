"""Batch normalisation: each channel gets the mean and the spread that learning wants, whatever the layers before do."""

import numpy as np

from nn.backend import accelerated
from nn.checks import Shape, number, positive
from nn.layer import Layer


class BatchNorm2d(Layer):
    """y[n, h, w, c] = weight[c] * z[n, h, w, c] + bias[c]  with  z = (x - mean[c]) / sqrt(variance[c] + epsilon).

    In training, mean and variance are those of the batch: over its M = N*H*W values of a channel,

        mean = 1/M sum of x,    variance = 1/M sum of (x - mean)^2.

    Each training pass also moves two running averages, in `state`, towards them:

        running_mean     <- (1 - momentum) running_mean     + momentum mean
        running_variance <- (1 - momentum) running_variance + momentum variance M / (M - 1)

    Outside training these take the place of the batch's, so that an image's output does not depend on the others.

    With respect to x, where the batch's mean and variance depend on x themselves,

        dx = weight / sqrt(variance + epsilon) * (dy - 1/M (dbias + z dweight)),
        dweight = sum of dy z,    dbias = sum of dy.

    Shapes: x and y (N, H, W, C); weight, bias, running_mean and running_variance (C,). float32 or float64; sums are
    made in float64.

    epsilon: at least 0, keeps the division finite where a channel is constant. momentum: 0 to 1, the weight of the
    newest batch in the running averages; at first they are 0 and 1.

    An SGD with weight decay pulls `weight` towards 0 like any other parameter, though its size says little about how
    complex the network is: decay_multipliers={"bn1.weight": 0, "bias": 0} leaves it, and all biases, out. A bias of the
    layer before has no effect, for the mean takes it away.

    Raises ValueError for a wrong shape and for a single value per channel in training, whose variance would be 0;
    TypeError for a wrong dtype; RuntimeError for backward without forward(training=True).
    Source: Ioffe, Szegedy 2015, "Batch normalization: accelerating deep network training by reducing internal covariate
    shift", algorithms 1 and 2. The running averages instead of algorithm 2's averages over whole batches are PyTorch's.
    """

    def __init__(self, channels: int, epsilon: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.channels = positive(channels, "BatchNorm2d: channels")
        self.epsilon = number(epsilon, "BatchNorm2d: epsilon", lambda e: 0 <= e < np.inf, "a finite number, at least 0")
        self.momentum = number(momentum, "BatchNorm2d: momentum", lambda m: 0 <= m <= 1, "a number from 0 to 1")
        self._add_param("weight", np.ones(channels, np.float32))
        self._add_param("bias", np.zeros(channels, np.float32))
        self._add_state("running_mean", np.zeros(channels, np.float32))
        self._add_state("running_variance", np.ones(channels, np.float32))

    def without_noise(self) -> None:
        self.frozen = True  # training, too, uses the running averages and leaves them as they are

    def output_shape(self, image_shape: Shape) -> tuple[int, ...]:
        return self._check_image_shape(image_shape, 3, self.channels)

    def multiply_adds(self, image_shape: Shape) -> int:
        """One for each value, with the scale weight / sqrt(variance + epsilon)."""
        return int(np.prod(self.output_shape(image_shape)))

    def forward(self, x: np.ndarray, training: bool = False, out: np.ndarray | None = None) -> np.ndarray:
        x = self._check_input(x, ("N", "H", "W", self.channels))
        y = self._output(out, x.shape, x)
        of_batch = training and not self.frozen
        mean, variance = self.state["running_mean"], self.state["running_variance"]
        if of_batch:
            mean, variance = np.empty_like(mean), np.empty_like(variance)
            self._check_count(x)
            batch_statistics(x, mean, variance)
        batch_norm(x, self.params["weight"], self.params["bias"], mean, variance, self.epsilon, y)
        if of_batch:
            self._follow(mean, variance, x.size // self.channels)
        if training:
            self._saved = x, mean, variance, of_batch
        return y

    def backward(self, dy: np.ndarray, input_gradient: bool = True, out: np.ndarray | None = None) -> np.ndarray | None:
        x, mean, variance, of_batch = self._take_saved()
        dy = self._check_gradient(dy, x.shape, x.dtype)
        dx = self._output(out, x.shape, x) if input_gradient else None
        weight, dweight, dbias = self.params["weight"], self.grads["weight"], self.grads["bias"]
        batch_norm_backward(dy, x, weight, mean, variance, self.epsilon, of_batch, dweight, dbias, dx)
        return dx

    def _check_count(self, x: np.ndarray) -> None:
        if x.size == self.channels:
            raise ValueError(
                f"{self.label} got a single value per channel, {tuple(x.shape)}, expected at least two in training: a "
                "larger batch or larger images"
            )

    def _follow(self, mean: np.ndarray, variance: np.ndarray, count: int) -> None:
        """Move the running averages towards a batch of `count` values per channel."""
        unbiased = variance * (count / (count - 1))
        for name, value in (("running_mean", mean), ("running_variance", unbiased)):
            running = self.state[name]
            running[...] = (1 - self.momentum) * running + self.momentum * value


@accelerated
def batch_statistics(x, mean, variance):
    """Mean and variance of each channel. The sums are in float64: over a large batch, float32 would lose digits."""
    M = x[..., 0].size
    mean[...] = x.sum(axis=(0, 1, 2), dtype=np.float64) / M
    variance[...] = np.square(x - mean).sum(axis=(0, 1, 2), dtype=np.float64) / M


@accelerated
def batch_norm(x, weight, bias, mean, variance, epsilon, y):
    """y = weight z + bias with z = (x - mean) / sqrt(variance + epsilon); x and y (N, H, W, C), the others (C,)."""
    np.subtract(x, mean, out=y)
    y *= weight / np.sqrt(variance + epsilon)
    y += bias


@accelerated
def batch_norm_backward(dy, x, weight, mean, variance, epsilon, of_batch, dweight, dbias, dx):
    """dbias = the sum of dy, dweight = the sum of dy z, over M = N H W values per channel; and with those sums

        dx = weight / sqrt(variance + epsilon) * (dy - (dbias + z dweight) / M)

    of_batch: mean and variance are those of x, so that changing x changes them as well; else dx lacks the second term.
    dx: None where it is not wanted.
    """
    spread = np.sqrt(variance + epsilon)
    z = (x - mean) / spread
    M = x[..., 0].size
    dweight[...] = (dy * z).sum(axis=(0, 1, 2), dtype=np.float64)
    dbias[...] = dy.sum(axis=(0, 1, 2), dtype=np.float64)
    if dx is not None:
        dx[...] = dy - (dbias + z * dweight) / M if of_batch else dy
        dx *= weight / spread
