"""Local response normalisation: neighbours compete, and the strongest is damped least."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from nn.backend.kernels import lrn, lrn_backward
from nn.backend.runtime.threads import on_cpu, run_parallel, split_images
from nn.layer import Layer, positive

SMALL_GRADIENT = 1e-8  # elements of dy down to here are to keep all their digits


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
        self._run(lrn, [x], y, self.beta)
        if training:
            self._saved = x
        return y

    def backward(self, dy: np.ndarray, input_gradient: bool = True, out: np.ndarray | None = None) -> np.ndarray | None:
        x = self._take_saved()
        dy = self._check_gradient(dy, x.shape, x.dtype)
        if not input_gradient:
            return None
        dx = self._output(out, x.shape, x)
        # The cross term has s^-beta, x_j / s_j (at least s^-1/2, where it counts) and 2 alpha x_i as factors.
        self._run(lrn_backward, [dy, x], dx, self.beta + 0.5, spare=math.sqrt(self.alpha) / SMALL_GRADIENT)
        return dx

    def _run(self, kernel: Callable, arrays: Sequence[np.ndarray], result: np.ndarray, power: float, spare: float = 1):
        """Share the pictures out to the threads. x is the last of `arrays`. A picture (or row) in which squares might
        overflow float32, or s^-power / spare leave the numbers that have all their digits, is worked on in float64.
        Each decides by itself, so that neither the number of threads nor the other pictures change a bit. (On a
        graphics card the kernel always adds in float64, and asking for the sum would make us wait for the card.)"""
        sources, results = [self._pictures(array) for array in arrays], self._pictures(result)
        largest = _largest_sum(result.dtype, self.alpha, self.k, power, spare)

        def run_part(part):
            # The sum of all squares, as no sum of a few of them is greater. If it is well below the limit, so is that
            # of every picture, however it is rounded; otherwise each is asked.
            x = sources[-1][part]
            if not on_cpu(x) or np.vdot(x, x) < largest / 4:
                kernel(*(array[part] for array in sources), *self._constants, results[part])
                return
            for n in range(part.start, part.stop):
                picture = slice(n, n + 1)
                x, out = sources[-1][picture], results[picture]
                if np.vdot(x, x) < largest:
                    kernel(*(array[picture] for array in sources), *self._constants, out)
                else:
                    wide = np.empty(x.shape, np.float64)
                    kernel(*(array[picture].astype(np.float64) for array in sources), *self._constants, wide)
                    out[...] = wide

        run_parallel(run_part, split_images(results))

    def _pictures(self, array: np.ndarray) -> np.ndarray:
        """What threads can share out: pictures, or single rows of them where neighbours lie across channels."""
        return array if self.region == "within" else array.reshape(-1, 1, *array.shape[2:])

    @property
    def _constants(self) -> tuple:
        return self.size, self.alpha, self.beta, self.k, self.region


@cache
def _largest_sum(dtype: np.dtype, alpha: float, k: float, power: float, spare: float) -> float:
    """The sum of squares S from which on numbers of this dtype do not do: k + alpha S, the largest possible s, must be
    one of them, and s^power * spare so small that its inverse, to eight digits, is one."""
    numbers = np.finfo(dtype)
    most = float(numbers.max)
    if max(alpha, k) > most:
        return 0.0
    largest = most / max(alpha, 1)
    if power == 0 or alpha == 0:
        return largest
    exponent = (math.log(most * float(numbers.eps)) - math.log(spare)) / power  # the logarithm of the largest s
    s = math.exp(min(exponent, math.log(most) - 1))
    return max(0.0, min(largest, (s - k) / alpha))
