"""Windows that slide over images: how many fit, and which pixels lie in them. Convolution and pooling share this.

Window (oh, ow) begins at pixel (oh SH - PH, ow SW - PW) and has KH x KW places (i, j), each with a pixel in it. Here
kernel = (KH, KW), stride = (SH, SW), padding = (PH, PW); x is (N, H, W, C) and y, with an element for each window,
(N, OH, OW, C).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nn.backend import accelerated
from nn.checks import Shape
from nn.layer import Layer

Size = tuple[int, int]


def count_windows(
    layer: Layer, image_shape: Shape, kernel: Size, stride: Size, padding: Size = (0, 0), ceil_mode: bool = False
) -> Size:
    """OH = floor((H + 2 PH - KH) / SH) + 1, and OW likewise.

    With ceil_mode the division rounds up, so that a last window may run off the far edge, unless it would start beyond
    the image and its near padding (PyTorch's rule). Raises ValueError, in the layer's name, if no window fits.
    """
    counts = []
    for length, size, step, border in zip(image_shape, kernel, stride, padding, strict=False):
        room = length + 2 * border - size
        count = (-(-room // step) if ceil_mode else room // step) + 1
        if ceil_mode and (count - 1) * step >= length + border:
            count -= 1
        counts.append(count)
    if min(counts) < 1:
        raise ValueError(
            f"{layer.label} cannot fit its {kernel[0]}x{kernel[1]} window into images of {image_shape[0]}x"
            f"{image_shape[1]} with padding {padding}: the output would be empty"
        )
    return counts[0], counts[1]


def with_border(x: np.ndarray, kernel: Size, stride: Size, padding: Size, y_shape: Shape) -> np.ndarray:
    """A copy of x with its padding around it, all 0, and as much more at the far edges as windows reach beyond."""
    far = [
        max(border, (count - 1) * step + size - border - length)
        for length, size, step, border, count in zip(x.shape[1:3], kernel, stride, padding, y_shape[1:3], strict=True)
    ]
    return np.pad(x, ((0, 0), (padding[0], far[0]), (padding[1], far[1]), (0, 0)))


def without_border(bordered: np.ndarray, padding: Size, x_shape: Shape) -> np.ndarray:
    """The images within the border, a view."""
    (PH, PW), (H, W) = padding, x_shape[1:3]
    return bordered[:, PH : PH + H, PW : PW + W]


def each_place(kernel: Size, stride: Size, y_shape: Shape, *bordered: np.ndarray) -> Iterator[tuple]:
    """Yield each place (i, j) in the kernel, and of each bordered array a view (N, OH, OW, C): the pixel at that place
    in every window. These pixels are all different, so that one can add to all of them at once."""
    (KH, KW), (SH, SW), (OH, OW) = kernel, stride, y_shape[1:3]
    for i in range(KH):
        for j in range(KW):
            rows, columns = slice(i, i + (OH - 1) * SH + 1, SH), slice(j, j + (OW - 1) * SW + 1, SW)
            yield (i, j), *(array[:, rows, columns] for array in bordered)


@accelerated
def scale_windows(y: np.ndarray, shares: np.ndarray) -> None:
    """Multiply what y (N, OH, OW, C) has of each window with that window's share (OH, OW, 1), in place."""
    y *= shares
