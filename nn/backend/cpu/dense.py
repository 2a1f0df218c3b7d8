"""The products of a fully connected layer, cut so that all threads have work and weights are read from memory once."""

from __future__ import annotations

import numpy as np

from nn.backend.cpu import small_matmul
from nn.backend.cpu.rows import sum_rows
from nn.backend.cpu.small_batch_matmul import (
    few_rows_product_fast,
    few_rows_transposed_fast,
    one_row_backward_fast,
    one_row_product_fast,
)
from nn.backend.runtime.pool import run_parallel, split

BLOCK_PRODUCTS = 1 << 22  # multiplications that are worth a part of their own
READ_PRODUCTS = 16  # that take as long as to read one weight from memory
# Up to so many images and from so many bytes of weights on, BLAS takes longer to copy the weights than to use them.
FEW_IMAGES, LARGE_BYTES = 40, 4 << 20
LINE = 16  # numbers that are not taken apart
BLOCKS = 8  # parts of one matrix product at most; fixed, so that results are bit-identical for any number of threads


def contiguous_bias(bias, y):
    """As the compiled loops expect it in memory: there may be a strided array in a layer's params, or none."""
    return np.zeros_like(y, shape=y.shape[-1:]) if bias is None else np.ascontiguousarray(bias)


def linear(x, weight, bias, y):
    """As in `layers.linear`."""
    if len(x) == 1 and weight.flags.c_contiguous:  # to read the weights is all the work
        one_row_product_fast(x, weight, contiguous_bias(bias, y), y)
    elif _are_few(x, weight):
        few_rows_product_fast(x, weight, y)
        if bias is not None:
            y += bias
    elif small_matmul.is_for(x, weight):
        small_matmul.product(x, weight, contiguous_bias(bias, y), y)
    else:

        def multiply(outputs):
            block = y[:, outputs]
            np.matmul(x, weight[:, outputs], out=block)
            if bias is not None:
                np.add(block, bias[outputs], out=block)

        run_parallel(multiply, _blocks(x, weight, y.shape[1]))


def linear_backward(dy, x, weight, dweight, dbias, dx):
    """As in `layers.linear`."""
    if dbias is not None:
        sum_rows(dy, dbias)
    if len(x) == 1 and weight.flags.c_contiguous:
        one_row_backward_fast(dy, x, weight, dweight, dx)
        return
    if small_matmul.is_for(x, weight):
        small_matmul.weight_gradient(x, dy, dweight)
        if dx is not None:
            small_matmul.input_gradient(dy, weight, dx)
        return
    few = _are_few(x, weight)

    def differentiate(inputs):
        np.matmul(x[:, inputs].T, dy, out=dweight[inputs])
        if dx is not None and not few:
            np.matmul(dy, weight[inputs].T, out=dx[:, inputs])

    run_parallel(differentiate, _blocks(x, weight, len(weight)))
    if dx is not None and few:
        few_rows_transposed_fast(dy, weight, dx)


def _are_few(x, weight) -> bool:
    """Are there so few images, and so many weights, that BLAS is not the fastest way?"""
    return len(x) <= FEW_IMAGES and weight.nbytes >= LARGE_BYTES and weight.flags.c_contiguous


def _blocks(x, weight, features: int) -> list[slice]:
    """Cut the matrix product into blocks of features that threads can compute at the same time."""
    products = (len(x) + READ_PRODUCTS) * weight.size
    lines = split(-(-features // LINE), min(BLOCKS, products // BLOCK_PRODUCTS))
    return [slice(some.start * LINE, min(some.stop * LINE, features)) for some in lines]
