"""Convolution: the same small kernels, applied at every position of the picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layers import direct, winograd
from nn.backend.kernels import col2im, im2col
from nn.backend.runtime.threads import on_cpu, run_parallel, split
from nn.backend.runtime.workspace import Scratch
from nn.initialisers import he_normal
from nn.layer import Layer, pair, positive, row_by_row

PATCH_BYTES = 2 << 20  # of patches at a time: small enough to stay in the processor's cache until they are multiplied
CARD_PATCH_BYTES = 1 << 29  # the same on a graphics card, which is best at large products
# Up to so many patches and from so many weights on, the weights are the larger matrix: threads take columns of it.
FEW_PATCHES, MANY_WEIGHTS = 1 << 10, 1 << 16
FEWEST_CHUNKS = 2  # of a batch; more threads would each get too small a matrix product of a single image
PARTIAL_SUMS = 8  # of the gradients; fixed, so that the number of threads changes no bit


class Conv2d(Layer):
    """2-D convolution (strictly, cross-correlation: the kernel is not flipped), with bias.

        y[n, oh, ow, o] = b[o] + sum over i, j, c of  x[n, oh*SH - PH + i, ow*SW - PW + j, c] * w[i, j, c, o]

    and 0 for pixels outside the picture. Its derivatives, for dy = dLoss/dy:

        db[o]          = sum over n, oh, ow of  dy[n, oh, ow, o]
        dw[i, j, c, o] = sum over n, oh, ow of  x[n, oh*SH - PH + i, ow*SW - PW + j, c] * dy[n, oh, ow, o]
        dx[n, h, w, c] = sum over i, j, o and the positions (oh, ow) whose element (i, j) lies on (h, w)
                         of  dy[n, oh, ow, o] * w[i, j, c, o]

    All three are matrix products. Let each row of P (im2col) be the patch under one output position, and W be w with
    its first three axes made one. Then  y = P W + b,  dW = P^T dy,  dP = dy W^T,  and dx adds each row of dP to the
    pixels that its patch came from (col2im).

    That is what this file does. Two other files compute the same, up to rounding, where they do it faster:
    `layers.direct`, without patches, for up to 8 channels; `layers.winograd`, with fewer multiplications, for 3x3 and
    5x5 kernels and enough pictures at a time.

    Shapes: x (N, H, W, C_in); weight (KH, KW, C_in/groups, C_out); bias (C_out,); y (N, OH, OW, C_out) with
    OH = floor((H + 2 PH - KH) / SH) + 1. float32 or float64, the output has the input's.

    kernel_size, stride, padding: a number or a (height, width) pair.
    groups: output group g sees input channels of group g only. AlexNet's two GPUs are groups=2.
    connections: for each output map, the input maps that it sees, as LeNet-5's table has it; the weights that the
        table leaves out stay 0 and are not counted as parameters.
    rng: an integer or a numpy Generator for the initial weights, N(0, 2 / fan_in); biases start at 0.

    Raises ValueError for a wrong shape, for groups that do not divide the channels and for an empty output,
    TypeError for a wrong dtype, RuntimeError for backward without forward(training=True).

    Source: LeCun et al. 1998, section II.A; groups: Krizhevsky et al. 2012, section 3.2; as a matrix product:
    Chellapilla et al. 2006.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        groups: int = 1,
        connections: Sequence[Sequence[int]] | None = None,
        rng: int | np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.in_channels = positive(in_channels, "Conv2d: in_channels")
        self.out_channels = positive(out_channels, "Conv2d: out_channels")
        self.kernel_size = pair(kernel_size, "Conv2d: kernel_size", 1)
        self.stride = pair(stride, "Conv2d: stride", 1)
        self.padding = pair(padding, "Conv2d: padding", 0)
        self.groups = positive(groups, "Conv2d: groups")
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"Conv2d: groups={groups} does not divide both in_channels={in_channels} and "
                f"out_channels={out_channels}"
            )
        shape = (*self.kernel_size, in_channels // groups, out_channels)
        self.connected = None if connections is None else self._connected(connections)
        inputs = shape[2] if self.connected is None else np.maximum(1, self.connected.sum(axis=0))
        fan_in = self.kernel_size[0] * self.kernel_size[1] * inputs  # with connections: an array, one for each output
        weight = he_normal(np.random.default_rng(rng), shape, 1)
        weight /= np.sqrt(fan_in).astype(np.float32)
        if self.connected is not None:
            weight *= self.connected
        self._add_param("weight", weight)
        self._add_param("bias", np.zeros(out_channels, np.float32))

    def present(self, name: str) -> np.ndarray | None:
        return self.connected if name == "weight" else None

    def _connected(self, connections: Sequence[Sequence[int]]) -> np.ndarray:
        """The table as booleans (C_in, C_out)."""
        if self.groups != 1:
            raise ValueError(f"Conv2d: connections need groups=1, got groups={self.groups}")
        if len(connections) != self.out_channels:
            raise ValueError(
                f"Conv2d: connections has {len(connections)} rows, expected {self.out_channels}, one an output map"
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

    def output_shape(self, image_shape: Sequence[int]) -> tuple[int, int, int]:
        self._check_image_shape(image_shape, 3, self.in_channels)
        height, width = (
            (length + 2 * padding - kernel) // stride + 1
            for length, padding, kernel, stride in zip(
                image_shape, self.padding, self.kernel_size, self.stride, strict=False
            )
        )
        if height < 1 or width < 1:
            raise ValueError(
                f"{self.label} cannot fit its {self.kernel_size[0]}x{self.kernel_size[1]} kernel into images of "
                f"{image_shape[0]}x{image_shape[1]} with padding {self.padding}: the output would be empty"
            )
        return height, width, self.out_channels

    def multiply_adds(self, image_shape: Sequence[int]) -> int:
        height, width, _ = self.output_shape(image_shape)
        return height * width * (self.num_parameters - self.out_channels)

    def forward(self, x: np.ndarray, training: bool = False, out: np.ndarray | None = None) -> np.ndarray:
        x = self._check_input(x, ("N", "H", "W", self.in_channels))
        height, width, _ = self.output_shape(x.shape[1:])
        y = self._output(out, (len(x), height, width, self.out_channels), x)
        if direct.pays(self):
            direct.forward(self, x, y)
        elif not (winograd.pays(self, y.shape) and winograd.forward(self, x, y)):
            self._forward(x, y)
        if training:
            self._saved = x, y.shape
        return y

    def _forward(self, x: np.ndarray, y: np.ndarray) -> None:
        """y = P W + b, a chunk of patches at a time."""
        height, width = y.shape[1:3]
        weight, bias = self.params["weight"].reshape(-1, self.out_channels), self.params["bias"]
        groups = self.channel_groups()
        by_columns = on_cpu(x) and len(x) * height * width <= FEW_PATCHES and weight.size >= MANY_WEIGHTS
        chunks = self._chunks(x, height, width, fewest=1 if by_columns else FEWEST_CHUNKS)
        parts = [(images, rows, groups) for images, rows in chunks]
        if by_columns:  # each thread takes some columns of the weights and reads no others
            halves = groups if self.groups > 1 else [(slice(None), some) for some in split(self.out_channels, 2)]
            parts = [(images, rows, [half]) for half in halves for images, rows in chunks]

        def multiply(part):
            images, rows, groups = part
            result = y[images, rows].reshape(-1, self.out_channels)
            with Scratch() as scratch:
                for inputs, outputs in groups:
                    patches = self._patches(x[images, ..., inputs], rows, width, scratch)
                    product = result[:, outputs]
                    if not (on_cpu(x) or product.flags.c_contiguous):  # CuPy would need another array to write to it
                        product = scratch("product", product.shape, like=x)
                    np.matmul(patches, weight[:, outputs], out=product)
                    np.add(product, bias[outputs], out=result[:, outputs])

        run_parallel(multiply, parts, like=x)

    def backward(self, dy: np.ndarray, input_gradient: bool = True, out: np.ndarray | None = None) -> np.ndarray | None:
        x, y_shape = self._take_saved()
        dy = self._check_gradient(dy, y_shape, x.dtype)
        dx = self._output(out, x.shape, x) if input_gradient else None
        if direct.pays(self):
            direct.backward(self, x, dy, dx)
        else:
            if not (winograd.pays(self, y_shape) and winograd.backward(self, x, dy, dx)):
                self._backward(x, dy, dx)
            self._add_up(dy)
        if self.connected is not None:
            self.grads["weight"] *= np.asarray(self.connected, like=x)
        return dx

    def _backward(self, x: np.ndarray, dy: np.ndarray, dx: np.ndarray | None) -> None:
        """dW = P^T dy and dP = dy W^T, a chunk of patches at a time; dx adds up dP."""
        height, width = dy.shape[1:3]
        weight = self.params["weight"].reshape(-1, self.out_channels)
        # Each lane adds up the gradients of its own images; the lanes' sums are added when all are done.
        chunks = self._chunks(x, height, width, whole_images=True)
        lanes = [chunks[start::PARTIAL_SUMS] for start in range(min(PARTIAL_SUMS, len(chunks)))]
        dweights = np.zeros_like(weight, shape=(len(lanes), *weight.shape))

        def differentiate(lane):
            with Scratch() as scratch:
                for images, rows in lanes[lane]:
                    dy_rows = dy[images].reshape(-1, self.out_channels)
                    for inputs, outputs in self.channel_groups():
                        patches = self._patches(x[images, ..., inputs], rows, width, scratch)
                        dweight = dweights[lane][:, outputs]
                        np.add(dweight, patches.T @ dy_rows[:, outputs], out=dweight)
                        if dx is not None:
                            dpatches = np.matmul(dy_rows[:, outputs], weight[:, outputs].T, out=patches)
                            dx_group = np.zeros_like(dx[images, ..., inputs], order="C")
                            col2im(dpatches, self.kernel_size, self.stride, self.padding, width, dx_group)
                            dx[images, ..., inputs] = dx_group

        run_parallel(differentiate, range(len(lanes)), like=x)
        np.sum(dweights, axis=0, out=self.grads["weight"].reshape(weight.shape))

    def _add_up(self, dy: np.ndarray) -> None:
        """db, the sum of dy over images and positions."""
        parts = split(len(dy), PARTIAL_SUMS, like=dy)
        sums = np.empty_like(dy, shape=(len(parts), dy.shape[2] * self.out_channels))  # of each output column
        run_parallel(lambda n: np.sum(dy[parts[n]].reshape(-1, sums.shape[1]), axis=0, out=sums[n]), range(len(parts)))
        np.sum(sums.reshape(-1, self.out_channels), axis=0, out=self.grads["bias"])

    def channel_groups(self) -> list[tuple[slice, slice]]:
        """For each group: its input channels and its output channels."""
        inputs, outputs = self.in_channels // self.groups, self.out_channels // self.groups
        return [
            (slice(g * inputs, (g + 1) * inputs), slice(g * outputs, (g + 1) * outputs)) for g in range(self.groups)
        ]

    def _patches(self, x: np.ndarray, rows: slice, width: int, scratch: Scratch) -> np.ndarray:
        """The patches of x for the output rows `rows`, each as one row of a matrix."""
        x = row_by_row(x)  # a group's channels, side by side
        patch = self.kernel_size[0] * self.kernel_size[1] * x.shape[3]
        patches = scratch("patches", (len(x) * (rows.stop - rows.start) * width, patch), like=x)
        im2col(x, self.kernel_size, self.stride, self.padding, (rows.start, rows.stop), width, patches)
        return patches

    def _chunks(
        self, x: np.ndarray, height: int, width: int, whole_images: bool = False, fewest: int = 1
    ) -> list[tuple[slice, slice]]:
        """Cut the work into (images, output rows), each of about PATCH_BYTES of patches: the patch matrix of a whole
        batch, 25 times the size of the picture for a 5x5 kernel, never exists."""
        images = len(x)
        patch = self.kernel_size[0] * self.kernel_size[1] * (self.in_channels // self.groups)
        rows = max(1, (PATCH_BYTES if on_cpu(x) else CARD_PATCH_BYTES) // (width * patch * x.itemsize))
        if on_cpu(x):
            rows = min(rows, -(-height * images // fewest))  # of few images, threads take rows each
        if rows >= height or whole_images:
            step = max(1, rows // height)
            return [(slice(n, min(n + step, images)), slice(0, height)) for n in range(0, images, step)]
        return [
            (slice(n, n + 1), slice(top, min(top + rows, height)))
            for n in range(images)
            for top in range(0, height, rows)
        ]
