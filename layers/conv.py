"""Convolution: the same small kernels, applied at every position of the image."""

from collections.abc import Sequence

import numpy as np

from nn.backend import accelerated
from nn.checks import Pair, Seed, Shape, pair, positive
from nn.initialisers import he_normal
from nn.layer import Layer
from nn.windows import count_windows, each_place, with_border, without_border


class Conv2d(Layer):
    """2-D convolution (strictly, cross-correlation: the kernel is not flipped), with bias.

        y[n, oh, ow, o] = b[o] + sum over i, j, c of  x[n, oh*SH - PH + i, ow*SW - PW + j, c] * w[i, j, c, o]

    and 0 for pixels outside the image. The gradients with respect to b, w and x, from dy = dLoss/dy:

        db[o]          = sum over n, oh, ow of  dy[n, oh, ow, o]
        dw[i, j, c, o] = sum over n, oh, ow of  x[n, oh*SH - PH + i, ow*SW - PW + j, c] * dy[n, oh, ow, o]
        dx[n, h, w, c] = sum over i, j, o and the positions (oh, ow) whose element (i, j) lies on (h, w)
                         of  dy[n, oh, ow, o] * w[i, j, c, o]

    `convolve` and `convolve_backward`, below the class, are these sums, one place (i, j) in the kernel after the other.

    Shapes: x (N, H, W, C_in); weight (KH, KW, C_in/groups, C_out); bias (C_out,); y (N, OH, OW, C_out) with
    OH = floor((H + 2 PH - KH) / SH) + 1. float32 or float64, the output has the input's.

    kernel_size, stride, padding: a number or a (height, width) pair.
    groups: output group g sees input channels of group g only. AlexNet's two GPUs are groups=2.
    connections: for each output map, the input maps that it sees, as LeNet-5's table has it; the weights that the
        table leaves out stay 0 and are not counted as parameters.
    rng: an integer or a numpy Generator for the initial weights, N(0, 2 / fan_in); biases start at 0.
    bias: False leaves b out, for a layer whose outputs are shifted in another way, as by batch normalisation.

    Raises ValueError for a wrong shape, for groups that do not divide the channels and for an empty output,
    TypeError for a wrong dtype, RuntimeError for backward without forward(training=True).

    Source: LeCun et al. 1998, section II.A; groups: Krizhevsky et al. 2012, section 3.2.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair = 0,
        groups: int = 1,
        connections: Sequence[Sequence[int]] | None = None,
        rng: Seed = None,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.in_channels = positive(in_channels, "Conv2d: in_channels")
        self.out_channels = positive(out_channels, "Conv2d: out_channels")
        self.kernel_size = pair(kernel_size, "Conv2d: kernel_size", 1)
        self.stride = pair(stride, "Conv2d: stride", 1)
        self.padding = pair(padding, "Conv2d: padding", 0)
        self.groups = positive(groups, "Conv2d: groups")
        if in_channels % groups or out_channels % groups:
            raise ValueError(f"Conv2d: groups={groups} does not divide both {in_channels=} and {out_channels=}")
        shape = (*self.kernel_size, in_channels // groups, out_channels)
        self.connected = None if connections is None else self._connected(connections)
        inputs = shape[2] if self.connected is None else np.maximum(1, self.connected.sum(axis=0))
        fan_in = self.kernel_size[0] * self.kernel_size[1] * inputs  # with connections: an array, one for each output
        weight = he_normal(np.random.default_rng(rng), shape, 1)
        weight /= np.sqrt(fan_in).astype(np.float32)
        if self.connected is not None:
            weight *= self.connected
        self._add_param("weight", weight)
        if bias:
            self._add_param("bias", np.zeros(out_channels, np.float32))

    def present(self, name: str) -> np.ndarray | None:
        return self.connected if name == "weight" else None

    def _connected(self, connections: Sequence[Sequence[int]]) -> np.ndarray:
        """The table as booleans (C_in, C_out)."""
        if self.groups != 1:
            raise ValueError(f"Conv2d: connections need groups=1, got groups={self.groups}")
        if len(connections) != self.out_channels:
            raise ValueError(
                f"Conv2d: connections has {len(connections)} rows, expected {self.out_channels}, one per output map"
            )
        connected = np.zeros((self.in_channels, self.out_channels), dtype=bool)
        for output, inputs in enumerate(connections):
            if not all(0 <= channel < self.in_channels for channel in inputs):
                raise ValueError(
                    f"Conv2d: connections of output map {output} are {tuple(inputs)}, "
                    f"expected input maps from 0 to {self.in_channels - 1}"
                )
            connected[list(inputs), output] = True
        return connected

    @property
    def num_parameters(self) -> int:
        absent = 0 if self.connected is None else np.count_nonzero(~self.connected)
        return super().num_parameters - int(absent) * self.kernel_size[0] * self.kernel_size[1]

    def output_shape(self, image_shape: Shape) -> tuple[int, int, int]:
        self._check_image_shape(image_shape, 3, self.in_channels)
        return *count_windows(self, image_shape, self.kernel_size, self.stride, self.padding), self.out_channels

    def multiply_adds(self, image_shape: Shape) -> int:
        height, width, _ = self.output_shape(image_shape)
        biases = self.out_channels if "bias" in self.params else 0
        return height * width * (self.num_parameters - biases)

    def forward(self, x: np.ndarray, training: bool = False, out: np.ndarray | None = None) -> np.ndarray:
        x = self._check_input(x, ("N", "H", "W", self.in_channels))
        y = self._output(out, (len(x), *self.output_shape(x.shape[1:])), x)
        convolve(x, self.params["weight"], self.params.get("bias"), self.stride, self.padding, self.groups, y)
        if training:
            self._saved = x, y.shape
        return y

    def backward(self, dy: np.ndarray, input_gradient: bool = True, out: np.ndarray | None = None) -> np.ndarray | None:
        x, y_shape = self._take_saved()
        dy = self._check_gradient(dy, y_shape, x.dtype)
        dx = self._output(out, x.shape, x) if input_gradient else None
        weight, dweight, dbias = self.params["weight"], self.grads["weight"], self.grads.get("bias")
        convolve_backward(dy, x, weight, self.stride, self.padding, self.groups, dweight, dbias, dx)
        if self.connected is not None:
            dweight *= np.asarray(self.connected, like=x)
        return dx


@accelerated
def convolve(x, weight, bias, stride, padding, groups, y):
    """y = b + for each place (i, j) in the kernel: the pixels under it times its weights. bias None: no b."""
    y[...] = 0 if bias is None else bias
    kernel = weight.shape[:2]
    bordered = with_border(x, kernel, stride, padding, y.shape)
    for (i, j), pixels in each_place(kernel, stride, y.shape, bordered):
        for inputs, outputs in channel_groups(weight.shape, groups):
            y[..., outputs] += np.tensordot(pixels[..., inputs], weight[i, j, :, outputs], axes=1)


@accelerated
def convolve_backward(dy, x, weight, stride, padding, groups, dweight, dbias, dx):
    """Of each product of the forward pass, pixel * weight, the weight gets pixel * dy and the pixel gets weight * dy.

    dbias, dx: None where they are not wanted.
    """
    kernel, over_images = weight.shape[:2], ((0, 1, 2), (0, 1, 2))
    bordered = with_border(x, kernel, stride, padding, dy.shape)
    dx_bordered = np.zeros_like(bordered)
    for (i, j), pixels, dpixels in each_place(kernel, stride, dy.shape, bordered, dx_bordered):
        for inputs, outputs in channel_groups(weight.shape, groups):
            dweight[i, j, :, outputs] = np.tensordot(pixels[..., inputs], dy[..., outputs], axes=over_images)
            if dx is not None:
                dpixels[..., inputs] += np.tensordot(dy[..., outputs], weight[i, j, :, outputs].T, axes=1)
    if dbias is not None:
        dbias[...] = dy.sum(axis=(0, 1, 2))
    if dx is not None:
        dx[...] = without_border(dx_bordered, padding, x.shape)


def channel_groups(weight_shape: Shape, groups: int) -> list[tuple[slice, slice]]:
    """For each group: its input channels and its output channels."""
    inputs, outputs = weight_shape[2], weight_shape[3] // groups
    return [(slice(g * inputs, (g + 1) * inputs), slice(g * outputs, (g + 1) * outputs)) for g in range(groups)]
