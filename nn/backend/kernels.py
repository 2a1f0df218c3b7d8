"""The few array loops that cost time. Each exists twice, side by side: plain (NumPy, to be read) and fast (numba); most
exist a third time, for graphics cards (`nn.backend.cuda`).

This is the one place that chooses between them, by the array it is given: NumPy arrays go to the fast version, CuPy
arrays to the CUDA one, any other kind of array to the plain one. The kernels know arrays and nothing else: they check
no arguments. Those that a layer calls for a whole batch share it out among the threads (`runtime.tasks`); the
others (patches, tiles, normalisation) run in the thread that calls them, for a part that `run_parallel` gave it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import numpy as np

from nn.backend import cuda
from nn.backend.cpu import conv_batched, conv_direct, small_batch_matmul, winograd_tiles
from nn.backend.cpu import im2col as patches


def _dispatch(fast: Callable, plain: Callable, on_device: Callable | None = None) -> Callable:
    @wraps(plain)
    def kernel(array, *arguments):
        if isinstance(array, np.ndarray):
            return fast(array, *arguments)
        if on_device is not None and type(array).__module__.startswith("cupy"):
            return on_device(array, *arguments)
        return plain(array, *arguments)

    return kernel


im2col = _dispatch(patches.im2col_fast, patches.im2col_plain, cuda.im2col_cuda)
col2im = _dispatch(patches.col2im_fast, patches.col2im_plain, cuda.col2im_cuda)
convolve = _dispatch(conv_direct.convolve_fast, conv_direct.convolve_plain)
weight_gradient = _dispatch(conv_direct.weight_gradient_fast, conv_direct.weight_gradient_plain)
input_gradient = _dispatch(conv_direct.input_gradient_fast, conv_direct.input_gradient_plain)
pictures_abreast = conv_batched.pictures_abreast
convolve_abreast = _dispatch(conv_batched.convolve_abreast, conv_direct.convolve_plain)
weight_gradient_abreast = _dispatch(conv_batched.weight_gradient_abreast, conv_direct.weight_gradient_plain)
input_gradient_abreast = _dispatch(conv_batched.input_gradient_abreast, conv_direct.input_gradient_plain)
gather_tiles = _dispatch(winograd_tiles.gather_tiles_fast, winograd_tiles.gather_tiles_plain)
scatter_tiles = _dispatch(winograd_tiles.scatter_tiles_fast, winograd_tiles.scatter_tiles_plain)
few_rows_product = _dispatch(small_batch_matmul.few_rows_product_fast, small_batch_matmul.few_rows_product_plain)
few_rows_transposed = _dispatch(
    small_batch_matmul.few_rows_transposed_fast, small_batch_matmul.few_rows_transposed_plain
)
