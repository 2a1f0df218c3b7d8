"""Flatten: the pictures of a batch become its vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nn.layer import Layer


class Flatten(Layer):
    """(N, H, W, C) -> (N, H*W*C), in the order of memory: row by row, pixel by pixel, channel by channel.

    The result is a view of x, and dx a view of dy; no number moves. An `out` array receives a copy.
    """

    returns_view = True

    def output_shape(self, image_shape: Sequence[int]) -> tuple[int]:
        if len(tuple(image_shape)) == 0 or min(image_shape) < 1:
            raise ValueError(f"{self.label} expected one image's shape such as (H, W, C), got {tuple(image_shape)}")
        return (math.prod(image_shape),)

    def forward(self, x: np.ndarray, training: bool = False, out: np.ndarray | None = None) -> np.ndarray:
        x = self._check_input(x, ("N", *("any length",) * (len(getattr(x, "shape", ())) - 1)))
        if training:
            self._saved = x.shape, x.dtype
        return self._reshape(x, (len(x), math.prod(x.shape[1:])), out)

    def backward(self, dy: np.ndarray, input_gradient: bool = True, out: np.ndarray | None = None) -> np.ndarray | None:
        shape, dtype = self._take_saved()
        dy = self._check_gradient(dy, (shape[0], math.prod(shape[1:])), dtype)
        return self._reshape(dy, shape, out) if input_gradient else None

    def _reshape(self, array: np.ndarray, shape: Sequence[int], out: np.ndarray | None) -> np.ndarray:
        view = array.reshape(shape)
        if out is None:
            return view
        self._output(out, shape, array)[...] = view
        return out
