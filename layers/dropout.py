"""Dropout: in training, each unit is set to 0 with probability p, so that none can rely on another."""

import numpy as np

from nn.checks import Seed, Shape, number
from nn.layer import Layer


class Dropout(Layer):
    """y = x * mask / (1 - p) in training, y = x otherwise;  dx = dy * mask / (1 - p).

    `mask` is drawn anew at every forward(training=True): True with probability 1 - p. The division ("inverted" dropout)
    keeps each unit's expectation as it is, so that nothing needs scaling afterwards. The paper multiplies by 1 - p at
    test time instead: the same functions can be learned, but with the same rate and weights training goes differently.

    x, y: any shape, float32 or float64. No parameters. Outside training the result is x itself, as a view.

    p: 0 <= p < 1. rng: an integer or a numpy Generator; masks are drawn on the CPU on every backend.
    mask: the last mask drawn, a boolean array, or None before the first.

    Raises ValueError for p outside [0, 1), RuntimeError for backward without forward(training=True).
    Source: Krizhevsky et al. 2012, section 4.2; Hinton et al. 2012, "Improving neural networks by preventing
    co-adaptation of feature detectors".
    """

    elementwise = True

    def __init__(self, p: float = 0.5, rng: Seed = None) -> None:
        super().__init__()
        self.p = number(p, "Dropout: p", lambda p: 0 <= p < 1, "a probability of at least 0 and below 1")
        self.rng = np.random.default_rng(rng)
        self.mask: np.ndarray | None = None

    def without_noise(self) -> None:
        self.p = 0.0

    def forward(self, x: np.ndarray, training: bool = False, out: np.ndarray | None = None) -> np.ndarray:
        x = self._check_input(x)
        if not training and out is None:
            return x.view()
        y = self._output(out, x.shape, x)
        if not training:
            if y is not x:
                y[...] = x
            return y
        self.mask = self.draw(x.shape)
        dropped = np.asarray(~self.mask, like=x)
        self._drop(dropped, x, y)
        self._saved = dropped, x.dtype
        return y

    def backward(self, dy: np.ndarray, input_gradient: bool = True, out: np.ndarray | None = None) -> np.ndarray | None:
        dropped, dtype = self._take_saved()
        dy = self._check_gradient(dy, dropped.shape, dtype)
        if not input_gradient:
            return None
        dx = self._output(out, dy.shape, dy)
        self._drop(dropped, dy, dx)
        return dx

    def __getstate__(self) -> dict:
        """A copy has drawn no mask yet."""
        return super().__getstate__() | {"mask": None}

    def draw(self, shape: tuple[int, ...]) -> np.ndarray:
        """A mask of this shape: True with probability 1 - p."""
        return self.rng.random(shape, dtype=np.float32) >= self.p

    def skip(self, shape: Shape) -> None:
        """Draw the mask of images of this shape and drop it, so that the next mask is the one after it: where processes
        share a batch, each has the masks that one process alone would have."""
        self.rng.random(shape, dtype=np.float32)

    def _drop(self, dropped: np.ndarray, source: np.ndarray, target: np.ndarray) -> None:
        """target = source / (1 - p), and 0 where `dropped`."""
        np.multiply(source, 1.0 / (1.0 - self.p), out=target)
        np.copyto(target, 0, where=dropped)  # and not times the mask: infinity times 0 would be NaN
