"""Local response normalisation, a gain control: each number is divided by what is around it, itself included."""

import numpy as np

from nn.backend import accelerated
from nn.checks import Shape, number, positive
from nn.layer import Layer


@accelerated
def lrn(x, size, alpha, beta, k, region, y):
    """y = x s^-beta with s = k + alpha * sum of x_j^2; x and y (N, H, W, C), size and region as of the layer below.

    In float64, where the square of no float32 number is too large.
    """
    wide = x.astype(np.float64)
    s = k + alpha * sum_of_neighbours(wide * wide, size, region)
    y[...] = wide * s**-beta


@accelerated
def lrn_backward(dy, x, size, alpha, beta, k, region, dx):
    """dx = dy s^-beta - 2 alpha beta x * sum of dy_j y_j / s_j; dy, x and dx (N, H, W, C). In float64, too."""
    dy, x = dy.astype(np.float64), x.astype(np.float64)
    s = k + alpha * sum_of_neighbours(x * x, size, region)
    # y / s written as s^-beta (x / s), and not as x s^(-beta - 1), which may be 0 long before the product is
    cross = sum_of_neighbours(dy * s**-beta * (x / s), size, region)
    dx[...] = dy * s**-beta - 2 * alpha * beta * x * cross


def sum_of_neighbours(x, size, region):
    """For every element the sum over its neighbours, itself included; what lies outside counts as 0.

    j is a neighbour of i exactly when i is one of j's, which is why forward and backward sum over the same windows.
    """
    half, (H, W, C) = size // 2, x.shape[1:]
    if region == "across":
        padded = np.pad(x, ((0, 0), (0, 0), (0, 0), (half, half)))
        return sum(padded[..., c : c + C] for c in range(size))
    padded = np.pad(x, ((0, 0), (half, half), (half, half), (0, 0)))
    return sum(padded[:, i : i + H, j : j + W] for i in range(size) for j in range(size))


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
        self.alpha = number(alpha, "LocalResponseNorm: alpha", lambda a: 0 <= a < np.inf, "a finite number, at least 0")
        self.beta = number(beta, "LocalResponseNorm: beta", lambda b: 0 <= b < np.inf, "a finite number, at least 0")
        self.k = number(k, "LocalResponseNorm: k", lambda k: 0 < k < np.inf, "a positive number")
        if region not in ("across", "within"):
            raise ValueError(f"LocalResponseNorm: region is {region!r}, expected 'across' or 'within'")
        self.region = region

    def output_shape(self, image_shape: Shape) -> tuple[int, ...]:
        return self._check_image_shape(image_shape, 3)

    def forward(self, x: np.ndarray, training: bool = False, out: np.ndarray | None = None) -> np.ndarray:
        x = self._check_input(x, ("N", "H", "W", "C"))
        y = self._output(out, x.shape, x)
        lrn(x, *self._constants, y)
        if training:
            self._saved = x
        return y

    def backward(self, dy: np.ndarray, input_gradient: bool = True, out: np.ndarray | None = None) -> np.ndarray | None:
        x = self._take_saved()
        dy = self._check_gradient(dy, x.shape, x.dtype)
        if not input_gradient:
            return None
        dx = self._output(out, x.shape, x)
        lrn_backward(dy, x, *self._constants, dx)
        return dx

    @property
    def _constants(self) -> tuple:
        return self.size, self.alpha, self.beta, self.k, self.region
