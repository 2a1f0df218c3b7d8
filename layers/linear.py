"""The fully connected layer: every output sees every input."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nn.backend.kernels import few_rows_product, few_rows_transposed
from nn.backend.runtime.threads import on_cpu, run_parallel, split
from nn.initialisers import he_normal
from nn.layer import Layer, positive

BLOCK_PRODUCTS = 1 << 22  # multiplications that are worth a part of their own
READ_PRODUCTS = 16  # that take as long as to read one weight from memory
# Up to so many images and from so many bytes of weights on, BLAS takes longer to copy the weights than to use them.
FEW_IMAGES, LARGE_BYTES = 40, 4 << 20
LINE = 16  # numbers that are not taken apart
BLOCKS = 8  # parts of one matrix product at most; fixed, so that the number of threads changes no bit


class Linear(Layer):
    """y = x W + b.

        y[n, o]  = b[o] + sum over i of  x[n, i] * W[i, o]
        db[o]    = sum over n of  dy[n, o]
        dW[i, o] = sum over n of  x[n, i] * dy[n, o]          dW = x^T dy
        dx[n, i] = sum over o of  dy[n, o] * W[i, o]          dx = dy W^T

    Shapes: x (N, in_features); weight (in_features, out_features); bias (out_features,); y (N, out_features).
    float32 or float64, the output has the input's.

    rng: an integer or a numpy Generator for the initial weights, N(0, 2 / in_features); biases start at 0.

    Raises ValueError for a wrong shape, TypeError for a wrong dtype, RuntimeError for backward without
    forward(training=True). Source: Rumelhart, Hinton, Williams 1986, "Learning representations by back-propagating
    errors", equations 1 and 6.
    """

    def __init__(self, in_features: int, out_features: int, rng: int | np.random.Generator | None = None) -> None:
        super().__init__()
        self.in_features = positive(in_features, "Linear: in_features")
        self.out_features = positive(out_features, "Linear: out_features")
        shape = (in_features, out_features)
        self._add_param("weight", he_normal(np.random.default_rng(rng), shape, in_features))
        self._add_param("bias", np.zeros(out_features, np.float32))

    def output_shape(self, image_shape: Sequence[int]) -> tuple[int]:
        self._check_image_shape(image_shape, 1, self.in_features)
        return (self.out_features,)

    def multiply_adds(self, image_shape: Sequence[int]) -> int:
        self._check_image_shape(image_shape, 1, self.in_features)
        return self.in_features * self.out_features

    def forward(self, x: np.ndarray, training: bool = False, out: np.ndarray | None = None) -> np.ndarray:
        x = self._check_input(x, ("N", self.in_features))
        y = self._output(out, (len(x), self.out_features), x)
        weight, bias = self.params["weight"], self.params["bias"]

        if len(x) == 1:  # to read the weights is all the work, and rows are read faster than parts of rows:
            # each thread takes some inputs, and the partial sums are added in a fixed order
            blocks = self._blocks(x, self.in_features)
            sums = np.empty_like(x, shape=(len(blocks), self.out_features))
            run_parallel(
                lambda n: np.matmul(x[:, blocks[n]], weight[blocks[n]], out=sums[n : n + 1]), range(len(blocks))
            )
            np.add(sums.sum(axis=0), bias, out=y[0])
        elif self._few(x):
            few_rows_product(x, weight, y)
            y += bias
        else:

            def multiply(outputs):
                block = y[:, outputs]
                np.matmul(x, weight[:, outputs], out=block)
                np.add(block, bias[outputs], out=block)

            run_parallel(multiply, self._blocks(x, self.out_features))
        if training:
            self._saved = x
        return y

    def backward(self, dy: np.ndarray, input_gradient: bool = True, out: np.ndarray | None = None) -> np.ndarray | None:
        x = self._take_saved()
        dy = self._check_gradient(dy, (len(x), self.out_features), x.dtype)
        weight, dweight = self.params["weight"], self.grads["weight"]
        dx = self._output(out, x.shape, x) if input_gradient else None
        few = self._few(x)

        def differentiate(inputs):
            # Of one image the product is a column times a row, which NumPy's matmul takes seven times as long for.
            product = np.multiply if len(x) == 1 else np.matmul
            product(x[:, inputs].T, dy, out=dweight[inputs])
            if input_gradient and not few:
                np.matmul(dy, weight[inputs].T, out=dx[:, inputs])

        run_parallel(differentiate, self._blocks(x, self.in_features))
        if input_gradient and few:
            few_rows_transposed(dy, weight, dx)
        np.sum(dy, axis=0, out=self.grads["bias"])
        return dx

    def _few(self, x: np.ndarray) -> bool:
        """Are there so few images, and so many weights, that BLAS is not the fastest way?"""
        weight = self.params["weight"]
        return on_cpu(x) and len(x) <= FEW_IMAGES and weight.nbytes >= LARGE_BYTES and weight.flags.c_contiguous

    def _blocks(self, x: np.ndarray, features: int) -> list[slice]:
        """Cut the matrix product into blocks of features that threads can compute side by side."""
        products = (len(x) + READ_PRODUCTS) * self.in_features * self.out_features
        lines = split(-(-features // LINE), min(BLOCKS, products // BLOCK_PRODUCTS), like=x)
        return [slice(some.start * LINE, min(some.stop * LINE, features)) for some in lines]
