"""Flatten: the images of a batch become its vectors."""

import math

import numpy as np

from nn.checks import Shape
from nn.layer import Layer


class Flatten(Layer):
    """(N, H, W, C) -> (N, H*W*C), in the order of memory: row by row, pixel by pixel, channel by channel.

    The result is a view of x, and dx a view of dy; no number moves. An `out` array receives a copy.
    """

    returns_view = True

    def output_shape(self, image_shape: Shape) -> tuple[int]:
        if len(tuple(image_shape)) == 0 or min(image_shape) < 1:
            raise ValueError(f"{self.label} expected one image's shape such as (H, W, C), got {tuple(image_shape)}")
        return (math.prod(image_shape),)

    def forward(self, x: np.ndarray, training: bool = False, out: np.ndarray | None = None) -> np.ndarray:
        x = self._check_input(x)
        if training:
            self._saved = x.shape, x.dtype
        return self._reshape(x, (len(x), math.prod(x.shape[1:])), out)

    def backward(self, dy: np.ndarray, input_gradient: bool = True, out: np.ndarray | None = None) -> np.ndarray | None:
        shape, dtype = self._take_saved()
        dy = self._check_gradient(dy, (shape[0], math.prod(shape[1:])), dtype)
        return self._reshape(dy, shape, out) if input_gradient else None

    def _reshape(self, array: np.ndarray, shape: Shape, out: np.ndarray | None) -> np.ndarray:
        view = array.reshape(shape)
        if out is None:
            return view
        self._output(out, shape, array)[...] = view
        return out
