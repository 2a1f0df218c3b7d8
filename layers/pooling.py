"""Pooling: a map shrinks to the largest element, or the mean, of each window.

The functions first, then the layers. Arrays: x and dx (N, H, W, C); y, dy and winners (N, OH, OW, C). kernel, stride
and padding are (height, width) pairs. A window may reach over the padding and, with ceil_mode, over the far edge too.
"""

import math

import numpy as np

from nn.backend import accelerated
from nn.checks import Pair, Shape, pair
from nn.layer import Layer
from nn.windows import Size, count_windows, each_place, scale_windows, with_border, without_border


@accelerated
def max_pool(x, kernel, stride, padding, y, winners):
    """Write the largest element of each window to y, and where in the window it is, i * KW + j, to winners (int32).

    Only elements inside the image take part. The first of equal elements wins, and NaN wins over everything, so that it
    is never hidden.
    """
    _, H, W, _ = x.shape
    x = with_border(x, kernel, stride, padding, y.shape)
    image = with_border(np.ones_like(x, bool, shape=(1, H, W, 1)), kernel, stride, padding, y.shape)
    winners[...] = -1  # y holds nothing yet: the first element inside the image leads, whatever it is
    for (i, j), inside, element in each_place(kernel, stride, y.shape, image, x):
        better = inside & ((winners < 0) | (element > y) | (np.isnan(element) & ~np.isnan(y)))
        y[...] = np.where(better, element, y)
        winners[...] = np.where(better, i * kernel[1] + j, winners)


@accelerated
def max_pool_backward(dy, winners, kernel, stride, padding, dx):
    """Write to each element of dx the sum of dy over the windows that it won."""
    bordered = with_border(np.zeros_like(dx), kernel, stride, padding, dy.shape)
    for (i, j), gradients in each_place(kernel, stride, dy.shape, bordered):
        gradients += np.where(winners == i * kernel[1] + j, dy, 0)
    dx[...] = without_border(bordered, padding, dx.shape)


@accelerated
def sum_pool(x, kernel, stride, padding, factor, y):
    """Write the sum of each window, times the factor, to y; padding counts as 0."""
    y[...] = 0
    for _, element in each_place(kernel, stride, y.shape, with_border(x, kernel, stride, padding, y.shape)):
        y += element
    y *= factor


@accelerated
def sum_pool_backward(dy, kernel, stride, padding, factor, dx):
    """Write to each element of dx the sum of dy, times the factor, over the windows that it is in."""
    bordered = with_border(np.zeros_like(dx), kernel, stride, padding, dy.shape)
    for _, gradients in each_place(kernel, stride, dy.shape, bordered):
        gradients += dy * factor
    dx[...] = without_border(bordered, padding, dx.shape)


class _Pool2d(Layer):
    """What max-pooling and average-pooling share: their windows.

    OH = floor((H + 2 PH - KH) / SH) + 1, and OW likewise; ceil_mode rounds up (see `nn.windows.count_windows`).
    """

    def __init__(
        self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        kind = type(self).__name__
        self.kernel_size = pair(kernel_size, f"{kind}: kernel_size", 1)
        self.stride = self.kernel_size if stride is None else pair(stride, f"{kind}: stride", 1)
        self.padding = pair(padding, f"{kind}: padding", 0)
        self.ceil_mode = bool(ceil_mode)
        if any(2 * padding > kernel for padding, kernel in zip(self.padding, self.kernel_size, strict=True)):
            raise ValueError(
                f"{kind}: padding {self.padding} is more than half of kernel_size {self.kernel_size}, "
                "so that a window could lie in the padding alone"
            )

    def output_shape(self, image_shape: Shape) -> tuple[int, int, int]:
        self._check_image_shape(image_shape, 3)
        return *count_windows(self, image_shape, *self._window, self.ceil_mode), image_shape[2]

    @property
    def _window(self) -> tuple[Size, Size, Size]:
        return self.kernel_size, self.stride, self.padding


class MaxPool2d(_Pool2d):
    """y[n, oh, ow, c] = the largest x[n, oh*SH - PH + i, ow*SW - PW + j, c] with i < KH, j < KW, inside the image.

        dx = dy at the element that won its window, 0 elsewhere; an element that won several windows gets their sum

    The first of equal elements wins, alone. Padding never wins. Where stride < kernel_size, windows overlap, as in
    AlexNet (3 and 2). Padding and ceil_mode as in PyTorch.

    Shapes: x (N, H, W, C), y (N, OH, OW, C). float32 or float64. No parameters.

    kernel_size, stride (default: kernel_size), padding: a number or a (height, width) pair.

    Raises ValueError for a wrong shape or an empty output, TypeError for a wrong dtype, RuntimeError for backward
    without forward(training=True). Source: Krizhevsky et al. 2012, section 3.4.
    """

    def forward(self, x: np.ndarray, training: bool = False, out: np.ndarray | None = None) -> np.ndarray:
        x = self._check_input(x, ("N", "H", "W", "C"))
        y = self._output(out, (len(x), *self.output_shape(x.shape[1:])), x)
        winners = np.empty_like(x, shape=y.shape, dtype=np.int32)
        max_pool(x, *self._window, y, winners)
        if training:
            self._saved = x.shape, x.dtype, winners
        return y

    def backward(self, dy: np.ndarray, input_gradient: bool = True, out: np.ndarray | None = None) -> np.ndarray | None:
        x_shape, dtype, winners = self._take_saved()
        dy = self._check_gradient(dy, winners.shape, dtype)
        if not input_gradient:
            return None
        dx = self._output(out, x_shape, dy)
        max_pool_backward(dy, winners, *self._window, dx)
        return dx


class AvgPool2d(_Pool2d):
    """y[n, oh, ow, c] = the mean of the window's elements, x[n, oh*SH - PH + i, ow*SW - PW + j, c], i < KH, j < KW.

        dx = the sum, over the windows that hold an element, of dy / (number of elements)

    Padding counts as elements of value 0, and the mean divides by the elements inside the padded image: KH*KW, or
    fewer where ceil_mode lets a window run off the padded edge. As in PyTorch.

    Shapes: x (N, H, W, C), y (N, OH, OW, C). float32 or float64. No parameters.

    kernel_size, stride (default: kernel_size), padding: a number or a (height, width) pair.

    Raises ValueError for a wrong shape or an empty output, TypeError for a wrong dtype, RuntimeError for backward
    without forward(training=True). Source: LeCun et al. 1998, section II.A (there with a trainable weight and bias:
    `Subsampling2d`).
    """

    def forward(self, x: np.ndarray, training: bool = False, out: np.ndarray | None = None) -> np.ndarray:
        x = self._check_input(x, ("N", "H", "W", "C"))
        y = self._output(out, (len(x), *self.output_shape(x.shape[1:])), x)
        share, shares = self._shares(x.shape, y)
        sum_pool(x, *self._window, share, y)
        if shares is not None:
            scale_windows(y, shares)
        if training:
            self._saved = x.shape, y.shape, x.dtype
        return y

    def backward(self, dy: np.ndarray, input_gradient: bool = True, out: np.ndarray | None = None) -> np.ndarray | None:
        x_shape, y_shape, dtype = self._take_saved()
        dy = self._check_gradient(dy, y_shape, dtype)
        if not input_gradient:
            return None
        dx = self._output(out, x_shape, dy)
        share, shares = self._shares(x_shape, dy)
        sum_pool_backward(dy if shares is None else dy * shares, *self._window, share, dx)
        return dx

    def _shares(self, x_shape: Shape, y: np.ndarray) -> tuple[float, np.ndarray | None]:
        """One over the number of elements of each window inside the padded image: a factor for all windows and, with
        ceil_mode, by which some may run off, factors (OH, OW, 1) besides."""
        if not self.ceil_mode:
            return 1.0 / math.prod(self.kernel_size), None
        lengths = [length + 2 * padding for length, padding in zip(x_shape[1:3], self.padding, strict=True)]
        sizes = list(zip(y.shape[1:3], self.stride, self.kernel_size, lengths, strict=True))
        counts = [np.minimum(kernel, length - stride * np.arange(count)) for count, stride, kernel, length in sizes]
        shares = 1.0 / (counts[0][:, None] * counts[1][None, :])
        return 1.0, np.asarray(shares[:, :, None].astype(y.dtype), like=y)
