"""What the tests of the backends draw: sizes for which a window fits, and numbers whose sums are exact in any order;
and for each function the arguments that it is called with."""

import pkgutil
from functools import cache
from importlib import import_module

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

import layers
import nn.data
from tests import oracles

# The same examples on every machine, no clock (numba compiles during the first one), nothing written to disk.
quiet = settings(max_examples=80, deadline=None, derandomize=True, database=None)
dtypes = st.sampled_from([np.float32, np.float64])


def whole_numbers(rng, shape, dtype):
    return rng.integers(-9, 10, shape).astype(dtype)


@st.composite
def windows(draw, wide_padding):
    """Sizes for which at least one window fits: x's shape, kernel, stride, padding, and the output's (OH, OW)."""
    N, C = draw(st.integers(1, 3)), draw(st.integers(1, 5))
    ceil_mode = not wide_padding and draw(st.booleans())
    axes = []
    for _ in range(2):
        K, S, size = draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(st.integers(1, 9))
        P = draw(st.integers(0, K + 1 if wide_padding else K // 2))
        size = max(size, K - 2 * P)
        axes.append((size, K, S, P, len(oracles.window_starts(size, K, S, P, ceil_mode))))
    (H, W), kernel, stride, padding, output = zip(*axes, strict=True)
    return (N, H, W, C), kernel, stride, padding, output


@st.composite
def convolutions(draw):
    """The same, with the output rows wanted."""
    shape, kernel, stride, padding, (OH, OW) = draw(windows(wide_padding=True))
    rows = tuple(sorted(draw(st.lists(st.integers(0, OH), min_size=2, max_size=2, unique=True))))
    return shape, kernel, stride, padding, rows, OW


@cache
def accelerated_functions() -> dict:
    """All that are decorated with `accelerated` in layers/, nn/loss.py, nn/sgd.py and nn/data, by name."""
    names = [
        f"{room.__name__}.{file.name}" for room in (layers, nn.data) for file in pkgutil.iter_modules(room.__path__)
    ]
    found = {}
    for module in map(import_module, ["nn.loss", "nn.sgd", *names]):
        for name, function in vars(module).items():
            if hasattr(function, "plain") and function.__module__ == module.__name__:
                assert name not in found and name == function.__name__, f"two functions are called {name}"
                found[name] = function
    return found


def plain_functions() -> dict:
    return {name: function.plain for name, function in accelerated_functions().items()}


factors = st.sampled_from([1, 0.5, 3])


# Each gives the arguments of one function, and which of them are outputs. The numbers are whole or have few binary
# places, so that every result is exact and "agree" can mean "equal". Outputs that are not read are 99 before, or 999
# where 99 could be right.
def _window_sizes(draw, dtype, rng, wide_padding=False):
    shape, kernel, stride, padding, output = draw(windows(wide_padding=wide_padding))
    x, dy = (whole_numbers(rng, size, dtype) for size in (shape, (shape[0], *output, shape[3])))
    return x, dy, (kernel, stride, padding)


def _im2col(draw, dtype, rng):
    shape, kernel, stride, padding, rows, width = draw(convolutions())
    result = np.full((shape[0] * (rows[1] - rows[0]) * width, kernel[0] * kernel[1] * shape[3]), 99, dtype)
    return (whole_numbers(rng, shape, dtype), kernel, stride, padding, rows, width, result), [6]


def _col2im(draw, dtype, rng):
    x, dy, (kernel, stride, padding) = _window_sizes(draw, dtype, rng, wide_padding=True)
    height, width = dy.shape[1:3]
    height = draw(st.integers(1, height))  # the patches of the first rows only
    gradient = rng.integers(1, 10, (len(x) * height * width, kernel[0] * kernel[1] * x.shape[3])).astype(dtype)
    return (gradient, kernel, stride, padding, width, x), [5]


def _max_pool(draw, dtype, rng):
    x, y, window = _window_sizes(draw, dtype, rng)
    x = -rng.integers(1, draw(st.sampled_from([3, 10, 1000])), x.shape).astype(dtype)  # many ties, or few
    return (x, *window, np.full_like(y, 99), np.full(y.shape, 99, np.int32)), [4, 5]


def _max_pool_backward(draw, dtype, rng):
    (x, *window, y, winners), _ = _max_pool(draw, dtype, rng)
    plain_functions()["max_pool"](x, *window, y, winners)
    return (rng.integers(1, 10, y.shape).astype(dtype), winners, *window, whole_numbers(rng, x.shape, dtype)), [5]


def _sum_pool(draw, dtype, rng):
    x, y, window = _window_sizes(draw, dtype, rng)
    return (x, *window, draw(factors), np.full_like(y, 999)), [5]


def _sum_pool_backward(draw, dtype, rng):
    x, dy, window = _window_sizes(draw, dtype, rng)
    return (np.abs(dy) + 1, *window, draw(factors), x), [5]


def _slope(draw, dtype, rng):
    shape = tuple(draw(st.lists(st.integers(1, 6), min_size=1, max_size=4)))
    return (whole_numbers(rng, shape, dtype), whole_numbers(rng, shape, dtype), np.full(shape, 999, dtype)), [2]


def _sgd(draw, dtype, rng):
    w, v, g = rng.integers(-9, 10, (3, draw(st.integers(1, 40)))).astype(dtype)
    return (w, v, g, *(draw(st.sampled_from([0, 1, 0.5, 0.75, 0.125])) for _ in range(3))), [0, 1]


def _affine(draw, dtype, rng):
    shape = tuple(draw(st.integers(1, most)) for most in (3, 7, 7, 4))
    maps = rng.integers(-8, 9, (shape[0], 2, 3)) / 4 * draw(st.sampled_from([1, 1, 50]))
    maps = maps.astype(draw(dtypes))  # whole, half and eighth pixels
    return (whole_numbers(rng, shape, dtype), maps, draw(st.sampled_from([0, -3.5])), np.full(shape, 99, dtype)), [3]


def _lrn(draw, dtype, rng):
    shape = tuple(draw(st.integers(1, most)) for most in (2, 5, 5, 9))
    x, dx = rng.normal(0, 2, shape).astype(dtype), np.full(shape, 99, dtype)
    beta, k = draw(st.sampled_from([0.75, 0.5, 1, 0.6])), draw(st.sampled_from([1, 2.0]))
    region = draw(st.sampled_from(["across", "within"]))
    return (x, draw(st.sampled_from([1, 3, 5, 7])), draw(st.sampled_from([0, 0.01, 1])), beta, k, region, dx), [6]


def _lrn_backward(draw, dtype, rng):
    arguments, _ = _lrn(draw, dtype, rng)
    return (rng.normal(size=arguments[0].shape).astype(dtype), *arguments), [7]


def _softmax_gradient(draw, dtype, rng):
    shape = draw(st.integers(1, 9)), draw(st.integers(1, 12))
    labels = rng.integers(0, shape[1], shape[0]).astype(draw(st.sampled_from([np.int64, np.int32, np.uint8])))
    z = rng.normal(0, 3, shape).astype(dtype)
    log_sums = np.log(np.exp(z).sum(axis=1, keepdims=True))
    return (z, log_sums, labels, np.full(shape, 99, dtype)), [3]


def _cross_entropy(draw, dtype, rng):
    (z, log_sums, labels, dz), _ = _softmax_gradient(draw, dtype, rng)
    return (z, labels, dz, np.full_like(log_sums, 99), np.full(1, 99, dtype)), [2, 3, 4]


def _activation(draw, dtype, rng):
    shape = tuple(draw(st.lists(st.integers(1, 6), min_size=1, max_size=4)))
    return (rng.normal(0, 3, shape).astype(dtype), np.full(shape, 99, dtype)), [1]


def _scaled_tanh(draw, dtype, rng):
    (x, y), _ = _activation(draw, dtype, rng)
    return (x, 1.7159, 2 / 3, y), [3]


def _gradient_of(draw, dtype, rng, *constants):
    (dy, dx), _ = _activation(draw, dtype, rng)
    return (dy, rng.uniform(-1, 1, dy.shape).astype(dtype), *constants, dx), [2 + len(constants)]


def _scaled_tanh_backward(draw, dtype, rng):
    return _gradient_of(draw, dtype, rng, 1.7159, 2 / 3)


def _elu(draw, dtype, rng):
    (x, y), _ = _activation(draw, dtype, rng)
    return (x, 0.5, y), [2]


def _elu_backward(draw, dtype, rng):
    return _gradient_of(draw, dtype, rng, 1.5)


def _scale_and_shift(draw, dtype, rng):
    shape = tuple(draw(st.integers(1, most)) for most in (3, 5, 5, 9))
    x, weight, bias = (whole_numbers(rng, size, dtype) for size in (shape, shape[-1], shape[-1]))
    return (x, weight, bias, np.full(shape, 999, dtype)), [3]


def _convolve(draw, dtype, rng):
    shape, kernel, stride, padding, output = draw(windows(wide_padding=True))
    groups, outputs = draw(st.sampled_from([1, 1, 2, 3, 19])), draw(st.integers(1, 5))
    shape = (*shape[:3], 1) if groups == 19 else shape  # depthwise, with more channels than lanes
    x = whole_numbers(rng, (*shape[:3], shape[3] * groups), dtype)
    weight, bias = (
        whole_numbers(rng, size, dtype) for size in ((*kernel, shape[3], outputs * groups), outputs * groups)
    )
    return (x, weight, bias, stride, padding, groups, np.full((len(x), *output, len(bias)), 9999, dtype)), [6]


def _convolve_backward(draw, dtype, rng):
    (x, weight, bias, *options, y), _ = _convolve(draw, dtype, rng)
    dy, results = whole_numbers(rng, y.shape, dtype), [np.full_like(array, 9999) for array in (weight, bias, x)]
    return (dy, x, weight, *options, *results), [6, 7, 8]


def _linear(draw, dtype, rng):
    images, inputs, outputs = (draw(st.integers(1, most)) for most in (45, 70, 70))
    x, weight = whole_numbers(rng, (images, inputs), dtype), whole_numbers(rng, (inputs, outputs), dtype)
    return (x, weight, whole_numbers(rng, outputs, dtype), np.full((images, outputs), 9999, dtype)), [3]


def _linear_backward(draw, dtype, rng):
    (x, weight, bias, y), _ = _linear(draw, dtype, rng)
    results = [np.full_like(array, 9999) for array in (weight, bias, x)]
    return (whole_numbers(rng, y.shape, dtype), x, weight, *results), [3, 4, 5]


CASES = {
    "im2col_cuda": _im2col,
    "col2im_cuda": _col2im,
    "convolve": _convolve,
    "convolve_backward": _convolve_backward,
    "linear": _linear,
    "linear_backward": _linear_backward,
    "max_pool": _max_pool,
    "max_pool_backward": _max_pool_backward,
    "sum_pool": _sum_pool,
    "sum_pool_backward": _sum_pool_backward,
    "lrn": _lrn,
    "lrn_backward": _lrn_backward,
    "relu": _activation,
    "relu_backward": _slope,
    "sigmoid": _activation,
    "sigmoid_backward": _slope,
    "tanh": _activation,
    "tanh_backward": _gradient_of,
    "scaled_tanh": _scaled_tanh,
    "scaled_tanh_backward": _scaled_tanh_backward,
    "elu": _elu,
    "elu_backward": _elu_backward,
    "scale_and_shift": _scale_and_shift,
    "cross_entropy": _cross_entropy,
    "softmax_gradient": _softmax_gradient,
    "sgd_paper": _sgd,
    "sgd_pytorch": _sgd,
    "affine": _affine,
}


def call(function, arguments, outputs):
    """Call it with copies of the arrays; return the outputs, after seeing that it left all other arrays alone."""
    copies = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
    function(*copies)
    for position, (before, after) in enumerate(zip(arguments, copies, strict=True)):
        assert position in outputs or np.array_equal(before, after), f"argument {position} is no output"
    return [copies[position] for position in outputs]
