"""The kernels once more, for GPUs: the .cu files in this folder are CUDA C, and CuPy compiles and runs them.

Each function here has the name, the signature and the meaning of the `accelerated` one that it stands for.
(`im2col_cuda` and `col2im_cuda` serve convolutions.) It starts a thread for each element of the output (im2col:
for each column of a patch); of very large outputs, a thread takes several elements. Every element is written by one
thread, which gathers what it needs. No two threads add to the same place, so that results do not depend on which comes
first.

The arrays must be CuPy's, on the current device and C-contiguous, with one dtype, float32 or float64. The work
goes to the current stream and is not waited for. Convolutions have im2col only: on a GPU the matrix product
is so fast that patches are the faster way for any number of channels.

Each source is compiled for the numbers and for the indices it is called with, REAL and INDEX. Indices have 32 bits
where that is enough, because GPUs divide numbers of 64 bits several times more slowly.

CuPy is imported when the first kernel runs, so that the library does not need it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from nn.backend import patches

THREADS = 256  # in a block
BLOCKS = 1 << 16  # at most; that many blocks fill any GPU many times over

SOURCES = {
    "patches": ("im2col", "col2im"),
    "pooling": ("max_pool", "max_pool_backward", "sum_pool", "sum_pool_backward"),
    "normalisation": (
        "lrn_across",
        "lrn_across_terms",
        "lrn_across_backward",
        "lrn_within",
        "lrn_within_terms",
        "lrn_within_backward",
    ),
    "slopes": ("relu_backward", "sigmoid_backward"),
    "softmax": ("softmax_gradient",),
    "update": ("sgd_paper", "sgd_pytorch"),
    "sampling": ("affine",),
}
REALS = {"float32": "float", "float64": "double"}
INDICES = {"int": np.int32, "long long": np.int64}
WHOLE, REAL = (int, np.integer), (float, np.floating)  # numbers as Python and NumPy have them


def source_of(name: str) -> Path:
    """The .cu file that has the kernel of this name."""
    return Path(__file__).with_name(next(file for file, names in SOURCES.items() if name in names) + ".cu")


def index_type(size: int, arguments: tuple) -> str:
    """What INDEX is: int where every element of every array can be counted with it, and a thread's next one as well."""
    lengths = [getattr(argument, "size", argument) for argument in arguments if not isinstance(argument, REAL)]
    return "int" if max(size, *lengths) + THREADS * BLOCKS < 1 << 31 else "long long"


def c_arguments(size: int, arguments: tuple, index: str) -> tuple:
    """What the C function is given: `size`, the number of threads' tasks, then the arguments. A whole number becomes an
    INDEX and any other number a double. Of an array the C function gets the address alone, which does not say how the
    elements lie: the array must be C-contiguous."""
    whole = INDICES[index]
    return tuple([_c_argument(argument, whole) for argument in (size, *arguments)])


def _c_argument(argument, whole):
    if isinstance(argument, WHOLE):
        return whole(argument)
    if isinstance(argument, REAL):
        return np.float64(argument)
    if not argument.flags.c_contiguous:
        raise ValueError(
            f"a CUDA kernel got an array of shape {tuple(argument.shape)} that is not contiguous; "
            "use cupy.ascontiguousarray"
        )
    return argument


def _launch(name, size, *arguments):
    """Run the kernel `name` with `size` tasks, most often one for each output element. The first argument is an array;
    REAL is its type."""
    if size == 0:
        return  # CUDA knows no empty grid
    index = index_type(size, arguments)
    kernel = _kernel(name, REALS[arguments[0].dtype.name], index)
    kernel((min(-(-size // THREADS), BLOCKS),), (THREADS,), c_arguments(size, arguments, index))


@cache  # CuPy would make a new one each time, and look its code up again
def _kernel(name: str, real: str, index: str):
    return _module(source_of(name), real, index).get_function(name)


@cache
def _module(source: Path, real: str, index: str):
    code, options = source.read_text(encoding="utf-8"), (f"-DREAL={real}", f"-DINDEX={index}")
    return load_cupy().RawModule(code=code, options=options)


@cache
def load_cupy():
    """The module cupy; ImportError without it, RuntimeError where it finds no GPU to work on."""
    try:
        import cupy
    except ImportError as error:
        raise ImportError(
            "the device cuda needs CuPy, which cannot be imported: pip install 'cupy-cuda12x[ctk]'"
        ) from error
    try:
        devices = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:  # no driver, or one that is too old
        raise RuntimeError(f"the device cuda needs a GPU that CUDA can use, but: {error}") from error
    if devices == 0:
        raise RuntimeError("the device cuda needs a GPU that CUDA can use, but there is none")
    return cupy


def convolve(x, weight, bias, stride, padding, groups, y):
    """As in `layers.conv`. (A fully connected layer needs nothing here: its plain functions are CuPy's products.)"""
    patches.convolve(im2col_cuda, x, weight, bias, stride, padding, groups, y)


def convolve_backward(dy, x, weight, stride, padding, groups, dweight, dbias, dx):
    """As in `layers.conv`."""
    patches.convolve_backward(im2col_cuda, col2im_cuda, dy, x, weight, stride, padding, groups, dweight, dbias, dx)


def im2col_cuda(x, kernel, stride, padding, rows, width, patches):
    """As `im2col_plain`."""
    height, columns = rows[1] - rows[0], patches.size // kernel[0]
    _launch("im2col", columns, x, *x.shape[1:], *kernel, *stride, *padding, rows[0], height, width, patches)


def col2im_cuda(patches, kernel, stride, padding, width, x):
    """As `col2im_plain`."""
    height = len(patches) // (len(x) * width)
    _launch("col2im", x.size, patches, *kernel, *stride, *padding, height, width, *x.shape[1:], x)


def max_pool(x, kernel, stride, padding, y, winners):
    """As `max_pool`."""
    _launch("max_pool", y.size, x, *x.shape[1:], *kernel, *stride, *padding, *y.shape[1:3], y, winners)


def max_pool_backward(dy, winners, kernel, stride, padding, dx):
    """As `max_pool_backward`."""
    window = (*kernel, *stride, *padding)
    _launch("max_pool_backward", dx.size, dy, winners, *dy.shape[1:3], *window, *dx.shape[1:], dx)


def sum_pool(x, kernel, stride, padding, factor, y):
    """As `sum_pool`."""
    _launch("sum_pool", y.size, x, *x.shape[1:], *kernel, *stride, *padding, *y.shape[1:3], float(factor), y)


def sum_pool_backward(dy, kernel, stride, padding, factor, dx):
    """As `sum_pool_backward`."""
    window = (*kernel, *stride, *padding)
    _launch("sum_pool_backward", dx.size, dy, *dy.shape[1:3], *window, *dx.shape[1:], float(factor), dx)


def lrn(x, size, alpha, beta, k, region, y):
    """As `lrn`, and the squares cannot overflow float32."""
    sizes, constants = _neighbourhood(x, size, region), (float(alpha), float(beta), float(k))
    _launch(f"lrn_{region}", y.size, x, *sizes, *constants, y)


def lrn_backward(dy, x, size, alpha, beta, k, region, dx):
    """As `lrn_backward`, and the squares cannot overflow float32."""
    sizes, constants = _neighbourhood(x, size, region), (float(alpha), float(beta), float(k))
    terms = np.empty_like(x, dtype=np.float64)
    _launch(f"lrn_{region}_terms", terms.size, dy, x, *sizes, *constants, terms)
    _launch(f"lrn_{region}_backward", dx.size, dy, x, terms, *sizes, *constants, dx)


def _neighbourhood(x, size, region):
    """The lengths of the axes along which neighbours lie, and inside them; then how far away a neighbour may be."""
    return (*x.shape[3 if region == "across" else 1 :], size // 2)


def relu_backward(dy, y, dx):
    """As `relu_backward`; dx may be dy itself."""
    _launch("relu_backward", dx.size, dy, y, dx)


def sigmoid_backward(dy, y, dx):
    """As `sigmoid_backward`; dx may be dy itself."""
    _launch("sigmoid_backward", dx.size, dy, y, dx)


def softmax_gradient(z, log_sums, labels, dz):
    """As `softmax_gradient`."""
    _launch("softmax_gradient", dz.size, z, log_sums, labels.astype(np.int64, copy=False), *z.shape, dz)


def sgd_paper(w, v, g, lr, momentum, weight_decay):
    """As `sgd_paper`."""
    _launch("sgd_paper", w.size, w, v, g, float(lr), float(momentum), float(weight_decay))


def sgd_pytorch(w, v, g, lr, momentum, weight_decay):
    """As `sgd_pytorch`."""
    _launch("sgd_pytorch", w.size, w, v, g, float(lr), float(momentum), float(weight_decay))


def affine(images, maps, fill, out):
    """As `affine`."""
    maps = maps.astype(np.float64, copy=False)
    _launch("affine", out.size, images, maps, *images.shape[1:], float(fill), out)
