"""Local response normalisation: neighbours compete, and the strongest is damped least."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nn.kernels import lrn, lrn_backward
from nn.layer import Layer, positive
from nn.threads import on_cpu, run_parallel, split_images


class LocalResponseNorm(Layer):
    """y_i = x_i / s_i^beta  with  s_i = k + alpha * sum of x_j^2 over the neighbours j of i (i is one of them).

        dx_i = dy_i * s_i^-beta  -  2 alpha beta x_i * sum of dy_j * y_j / s_j over the neighbours j of i

    The first term is i's own numerator; the second is i's part in the denominator of every neighbour j, and it is
    x_i (the one differentiated by) times dy_j x_j s_j^(-beta-1) (the one that is divided), which are easily confused.

    region="across": the neighbours are the `size` channels around i at the same pixel (fewer at the ends): AlexNet.
    region="within": the neighbours are the size x size pixels around i in its own map (fewer at the borders): the
        `rnorm` layers of the CIFAR-10 networks that AlexNet's author published.

    alpha is as in the paper: it is never divided by the number of neighbours. Others divide: for the 2012 code, Caffe
    and PyTorch's alpha A, take alpha = A / size (A / size^2 within a map).

    Shapes: x and y (N, H, W, C). float32 or float64. No parameters.

    size: odd. alpha >= 0, k > 0 (else s could be 0). The defaults are the paper's.

    Raises ValueError for a wrong shape or constant, TypeError for a wrong dtype, RuntimeError for backward without
    forward(training=True). Source: Krizhevsky et al. 2012, section 3.3.
    """

    def __init__(
        self, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0, region: str = "across"
    ) -> None:
        super().__init__()
        self.size = positive(size, "LocalResponseNorm: size")
        if size % 2 == 0:
            raise ValueError(f"LocalResponseNorm: size is {size}, expected an odd number so that i is in the middle")
        for name, value in (("alpha", alpha), ("beta", beta), ("k", k)):
            if isinstance(value, bool) or not isinstance(value, int | float | np.floating | np.integer):
                raise TypeError(f"LocalResponseNorm: {name} is {value!r}, expected a number")
        if not (0 <= alpha < np.inf and 0 <= beta < np.inf and 0 < k < np.inf):
            raise ValueError(
                f"LocalResponseNorm: got alpha={alpha}, beta={beta}, k={k}, expected alpha >= 0, beta >= 0 and k > 0"
            )
        if region not in ("across", "within"):
            raise ValueError(f"LocalResponseNorm: region is {region!r}, expected 'across' or 'within'")
        self.alpha, self.beta, self.k, self.region = float(alpha), float(beta), float(k), region

    def output_shape(self, image_shape: Sequence[int]) -> tuple[int, int, int]:
        self._check_image_shape(image_shape, 3)
        return tuple(image_shape)

    def forward(self, x: np.ndarray, training: bool = False, out: np.ndarray | None = None) -> np.ndarray:
        x = self._check_input(x, ("N", "H", "W", "C"))
        y = self._output(out, x.shape, x)
        self._run(lrn, [x], y)
        if training:
            self._saved = x
        return y

    def backward(self, dy: np.ndarray, input_gradient: bool = True, out: np.ndarray | None = None) -> np.ndarray | None:
        x = self._take_saved()
        dy = self._check_gradient(dy, x.shape, x.dtype)
        if not input_gradient:
            return None
        dx = self._output(out, x.shape, x)
        self._run(lrn_backward, [dy, x], dx)
        return dx

    def _run(self, kernel: Callable, arrays: Sequence[np.ndarray], result: np.ndarray) -> None:
        """Share the pictures out to the threads. x is the last of `arrays`; where the squares of its numbers would
        overflow float32, they are taken in float64. (On a graphics card the kernel always adds in float64, and asking
        for the sum would make us wait for the card.)"""
        sources, results = [self._pictures(array) for array in arrays], self._pictures(result)
        largest = np.finfo(result.dtype).max / max(self.alpha, 1)

        def run_part(part):
            *gradients, x = (array[part] for array in sources)
            # The sum of all squares, as no sum of a few of them is greater.
            if not on_cpu(x) or np.vdot(x, x) < largest:
                kernel(*gradients, x, *self._constants, results[part])
            else:
                wide = np.empty(x.shape, np.float64)
                kernel(*(array[part].astype(np.float64) for array in sources), *self._constants, wide)
                results[part] = wide

        run_parallel(run_part, split_images(results))

    def _pictures(self, array: np.ndarray) -> np.ndarray:
        """What threads can share out: pictures, or single rows of them where neighbours lie across channels."""
        return array if self.region == "within" else array.reshape(-1, 1, *array.shape[2:])

    @property
    def _constants(self) -> tuple:
        return self.size, self.alpha, self.beta, self.k, self.region
