"""Every kernel exists twice: the fast one must agree with the plain one on whatever shapes hypothesis thinks of.

The arrays hold small whole numbers, so that every sum is exact in any order and "agree" can mean "equal".

With NUMBA_DISABLE_JIT=1 the fast ones run as plain Python: `make coverage` does so to see which of their lines and
branches are tested. It also shows an index beyond an array's end, which compiled code reads in silence.
"""

import os
import sys
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn.backend import kernels
from nn.backend.cpu import (
    conv_batched,
    conv_direct,
    im2col,
    lrn,
    pooling,
    sgd,
    simd,
    slopes,
    small_batch_matmul,
    softmax,
    squashing,
    winograd_tiles,
)
from tests import oracles
from tests.kernel_cases import convolutions, dtypes, quiet, whole_numbers, windows


@pytest.fixture(scope="module", autouse=True)
def registers_without_a_compiler():
    """What is written in the compiler's own language: where nothing is compiled, plain Python takes its place."""
    if os.environ.get("NUMBA_DISABLE_JIT", "0") == "0":
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        for module in [module for name, module in sys.modules.items() if name.startswith("nn.backend.kernels.")]:
            for name, function in IN_PYTHON.items():
                if hasattr(module, name):
                    patch.setattr(module, name, function)
        yield


def copy_in_python(source, start, target, at, count):
    assert 0 <= start <= start + count <= len(source) and 0 <= at <= at + count <= len(target), (
        "it would leave the array"
    )
    target[int(at) : int(at + count)] = source[int(start) : int(start + count)]


def clear_in_python(target, at, count):
    assert 0 <= at <= at + count <= len(target), "it would leave the array"
    target[int(at) : int(at + count)] = 0


def add_in_python(source, start, target, at, count):
    assert 0 <= start <= start + count <= len(source) and 0 <= at <= at + count <= len(target), (
        "it would leave the array"
    )
    target[int(at) : int(at + count)] += source[int(start) : int(start + count)]


def flat_in_python(array):
    assert array.flags.c_contiguous, "it must lie row by row"
    return array.reshape(-1)


def sums_in_python(
    a, a_at, a_i, a_run, a_step, b, b_at, b_run, b_step, runs, length, sums, at, rows, a_is_vector, from_zero
):
    """The formula at the beginning of `nn.backend.cpu.simd`."""
    lanes = simd.VECTOR_BYTES // a.itemsize

    def vector(array, start):
        assert start >= 0 and start + lanes <= len(array), "the compiled code would leave the array"
        return array[start : start + lanes]

    for i in range(len(rows)):
        place = vector(sums, at + i * lanes)
        total = np.zeros(lanes, a.dtype) if from_zero else place.copy()
        for r in range(runs):
            for k in range(length):
                here = a_at + i * a_i + r * a_run + k * a_step
                factor = vector(a, here) if a_is_vector else a[here]
                total += factor * vector(b, b_at + r * b_run + k * b_step)
        place[...] = total


def transpose_in_python(source, start, step, target, at, stride):
    lanes = simd.VECTOR_BYTES // source.itemsize
    for n, k in np.ndindex(lanes, lanes):
        target[at + k * stride + n] = source[start + n * step + k]


IN_PYTHON = {
    "share_out": lambda part: False,
    "lanes_of": lambda array: simd.VECTOR_BYTES // array.itemsize,
    "flat": flat_in_python,
    "zeros": lambda size, like: np.zeros(size, like.dtype),
    "copy": copy_in_python,
    "clear": clear_in_python,
    "add": add_in_python,
    "sum_scaled": partial(sums_in_python, a_is_vector=False, from_zero=True),
    "add_scaled": partial(sums_in_python, a_is_vector=False, from_zero=False),
    "add_products": partial(sums_in_python, a_is_vector=True, from_zero=False),
    "transpose_block": transpose_in_python,
}


@quiet
@given(convolutions(), dtypes, st.integers(0, 999))
def test_im2col_and_col2im(sizes, dtype, seed):
    shape, kernel, stride, padding, rows, width = sizes
    rng = np.random.default_rng(seed)
    x = whole_numbers(rng, shape, dtype)
    count = shape[0] * (rows[1] - rows[0]) * width
    depth = kernel[0] * kernel[1] * shape[3]
    plain, fast = (np.full((count, depth), 99, dtype) for _ in range(2))  # 99: nothing may be left as it was
    im2col.im2col_plain(x, kernel, stride, padding, rows, width, plain)
    im2col.im2col_fast(x, kernel, stride, padding, rows, width, fast)
    assert np.array_equal(plain, fast)

    # Entry by entry, from the definition.
    view = plain.reshape(shape[0], rows[1] - rows[0], width, *kernel, shape[3])
    for n, oh, ow, i, j, c in np.ndindex(view.shape):
        h, w = (rows[0] + oh) * stride[0] - padding[0] + i, ow * stride[1] - padding[1] + j
        inside = 0 <= h < shape[1] and 0 <= w < shape[2]
        assert view[n, oh, ow, i, j, c] == (x[n, h, w, c] if inside else 0)


@quiet
@given(convolutions(), dtypes, st.integers(0, 999))
def test_col2im_is_the_transpose_of_im2col(sizes, dtype, seed):
    shape, kernel, stride, padding, rows, width = sizes
    rows = (0, rows[1])  # col2im takes all output rows from the first
    rng = np.random.default_rng(seed)
    x = whole_numbers(rng, shape, dtype)
    columns = np.empty((shape[0] * rows[1] * width, kernel[0] * kernel[1] * shape[3]), dtype)
    im2col.im2col_plain(x, kernel, stride, padding, rows, width, columns)
    gradient = whole_numbers(rng, columns.shape, dtype)
    before = whole_numbers(rng, shape, dtype)
    plain, fast = before.copy(), before.copy()
    im2col.col2im_plain(gradient, kernel, stride, padding, width, plain)
    im2col.col2im_fast(gradient, kernel, stride, padding, width, fast)
    assert np.array_equal(plain, fast)
    added = plain - before
    assert np.sum(columns * gradient) == np.sum(x * added), "<im2col(x), p> must equal <x, col2im(p)>"


PLAIN = conv_direct.convolve_plain, conv_direct.weight_gradient_plain, conv_direct.input_gradient_plain
FAST = conv_direct.convolve_fast, conv_direct.weight_gradient_fast, conv_direct.input_gradient_fast
ABREAST = conv_batched.convolve_abreast, conv_batched.weight_gradient_abreast, conv_batched.input_gradient_abreast


def convolved(functions, x, weight, bias, dy, stride, padding):
    """y, dx, dweight and dbias by these functions; what none of them writes stays 99."""
    y, dx, dweight, dbias = (np.full_like(like, 99) for like in (dy, x, weight, bias))
    functions[0](x, weight, bias, stride, padding, y)
    functions[1](x, dy, stride, padding, dweight, dbias)
    for input_gradient in functions[2:]:
        input_gradient(dy, weight, stride, padding, dx)
    return y, dx, dweight, dbias


@quiet
@given(convolutions(), st.integers(1, 40), dtypes, st.integers(0, 999))
def test_convolution_without_patches(sizes, outputs, dtype, seed):
    shape, kernel, stride, padding, _, OW = sizes
    N, H, W, C = shape
    OH = len(oracles.window_starts(H, kernel[0], stride[0], padding[0]))
    rng = np.random.default_rng(seed)
    x, weight, bias, dy = (
        whole_numbers(rng, size, dtype) for size in (shape, (*kernel, C, outputs), (outputs,), (N, OH, OW, outputs))
    )
    results = [convolved(kernels, x, weight, bias, dy, stride, padding) for kernels in (PLAIN, FAST)]
    for plain, fast in zip(*results, strict=True):
        assert np.array_equal(plain, fast)

    # The plain version from the definition; and the gradients are the transposes.
    y, dx, dweight, dbias = results[0]
    assert np.array_equal(y, oracles.conv2d(x, weight, bias, stride, padding))
    no_bias = oracles.conv2d(x, weight, np.zeros(outputs), stride, padding)
    assert np.sum(no_bias * dy) == np.sum(x * dx) == np.sum(weight * dweight)
    assert np.array_equal(dbias, dy.sum(axis=(0, 1, 2)))


@quiet
@given(convolutions(), st.sampled_from([1, 8, 17, 35]), st.integers(1, 8), dtypes, st.integers(0, 999))
def test_convolution_of_pictures_abreast(sizes, images, outputs, dtype, seed):
    """For one picture, too few, some over, and several times as many as go abreast."""
    (_, *image_shape), kernel, stride, padding, _, OW = sizes
    rng = np.random.default_rng(seed)
    x = whole_numbers(rng, (images, *image_shape), dtype)
    OH = (image_shape[0] + 2 * padding[0] - kernel[0]) // stride[0] + 1
    weight = whole_numbers(rng, (*kernel, image_shape[2], outputs), dtype)
    bias, dy = whole_numbers(rng, outputs, dtype), whole_numbers(rng, (images, OH, OW, outputs), dtype)
    # The gradient by the input is for stride 1 only.
    count = 3 if stride == (1, 1) else 2
    results = [convolved(each[:count], x, weight, bias, dy, stride, padding) for each in (PLAIN, ABREAST)]
    for plain, fast in zip(*results, strict=True):
        assert np.array_equal(plain, fast)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_unused_lanes_do_not_spoil_the_sums(dtype):
    """A picture of infinities in a full group must not reach the last group, whose lanes are not all used."""
    rng = np.random.default_rng(0)
    lanes = conv_batched.pictures_abreast(dtype)
    x, dy = whole_numbers(rng, (lanes + 1, 5, 5, 1), dtype), whole_numbers(rng, (lanes + 1, 4, 4, 2), dtype)
    x[1], dy[1] = np.inf, 0
    dy[2] = np.inf
    dweight, dbias = np.empty((2, 2, 1, 2), dtype), np.empty(2, dtype)
    with np.errstate(invalid="ignore"):
        conv_batched.weight_gradient_abreast(x[lanes:], dy[lanes:], (1, 1), (0, 0), dweight, dbias)
        alone = dweight.copy()
        conv_batched.weight_gradient_abreast(x, dy, (1, 1), (0, 0), dweight, dbias)
    assert np.isfinite(alone).all() and not np.isfinite(dweight).any()


@pytest.mark.parametrize("choices", [(6,), (6, 10, 11)])
@pytest.mark.parametrize("width", [10, 11, 23, 28, 55])
def test_convolution_with_any_number_of_sums_at_a_time(choices, width, monkeypatch):
    monkeypatch.setattr(simd, "CHOICES", choices)
    rng = np.random.default_rng(0)
    x, weight, bias, dy = (
        whole_numbers(rng, shape, np.float32)
        for shape in ((2, 11, width, 3), (1, 4, 3, 7), (7,), (2, 11, width + 1, 7))
    )
    stride, padding = (1, 1), (0, 2)
    results = [convolved(kernels, x, weight, bias, dy, stride, padding) for kernels in (PLAIN, FAST)]
    for plain, fast in zip(*results, strict=True):
        assert np.array_equal(plain, fast)


@pytest.mark.parametrize("count, rows", [(1, 6), (6, 6), (7, 10), (10, 10), (12, 6), (28, 10), (55, 11)])
def test_sums_are_divided_into_rows_that_leave_little_idle(count, rows, monkeypatch):
    monkeypatch.setattr(simd, "CHOICES", (6, 10, 11))
    assert len(simd.rows_for(count)) == rows


@quiet
@given(st.integers(1, 45), st.integers(1, 70), st.one_of(st.integers(1, 70), st.sampled_from([16, 80, 144])), dtypes)
def test_products_of_a_few_rows(images, inputs, outputs, dtype):
    rng = np.random.default_rng(images)
    x, w = whole_numbers(rng, (images, inputs), dtype), whole_numbers(rng, (inputs, outputs), dtype)
    plain, fast = np.full((2, images, outputs), 99, dtype)
    small_batch_matmul.few_rows_product_plain(x, w, plain)
    small_batch_matmul.few_rows_product_fast(x, w, fast)
    assert np.array_equal(plain, fast) and np.array_equal(plain, x @ w)

    dy = whole_numbers(rng, (images, outputs), dtype)
    plain, fast = np.full((2, images, inputs), 99, dtype)
    small_batch_matmul.few_rows_transposed_plain(dy, w, plain)
    small_batch_matmul.few_rows_transposed_fast(dy, w, fast)
    assert np.array_equal(plain, fast) and np.array_equal(plain, dy @ w.T)


@st.composite
def tilings(draw):
    """A picture's shape, a matrix, and where its tiles lie; the tiles need not cover the picture, nor lie inside it."""
    shape = tuple(draw(st.integers(1, most)) for most in (3, 9, 9, 20))
    n, size, step = (draw(st.integers(1, 8)) for _ in range(3))
    padding, grid = draw(st.integers(0, 3)), (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    return shape, (n, size), step, padding, grid


@quiet
@given(tilings(), dtypes, st.integers(0, 999))
def test_tiles(sizes, dtype, seed):
    shape, matrix_shape, step, padding, grid = sizes
    rng = np.random.default_rng(seed)
    x, matrix = whole_numbers(rng, shape, dtype), rng.integers(-3, 4, matrix_shape).astype(np.float64)
    n, size = matrix_shape
    count = shape[0] * grid[0] * grid[1]
    results = []
    source = whole_numbers(rng, (n, n, count + 3, shape[3]), dtype)
    for gather, scatter in (
        (winograd_tiles.gather_tiles_plain, winograd_tiles.scatter_tiles_plain),
        (winograd_tiles.gather_tiles_fast, winograd_tiles.scatter_tiles_fast),
    ):
        gathered, scattered = np.full(source.shape, 99, dtype), x.copy()
        gather(x, matrix, step, padding, grid, gathered, 2)
        scatter(source, matrix, step, padding, grid, scattered, 2)
        results.append((gathered, scattered))
    for plain, fast in zip(*results, strict=True):
        assert np.array_equal(plain, fast)

    gathered, scattered = results[0]
    assert np.all(gathered[:, :, :2] == 99) and np.all(gathered[:, :, 2 + count :] == 99), "tiles of other pictures"
    gathered = gathered[:, :, 2 : 2 + count]
    added = scattered.astype(np.float64) - x
    assert np.sum(gathered.astype(np.float64) * source[:, :, 2 : 2 + count]) == np.sum(x * added), "the transpose"
    # One tile from the definition.
    image, a, b = (int(rng.integers(length)) for length in (shape[0], *grid))
    tile = np.zeros((size, size, shape[3]))
    for row, column in np.ndindex(size, size):
        h, w = a * step + row - padding, b * step + column - padding
        if 0 <= h < shape[1] and 0 <= w < shape[2]:
            tile[row, column] = x[image, h, w]
    expected = np.einsum("ik,jl,klc->ijc", matrix, matrix, tile)
    assert np.array_equal(gathered[:, :, (image * grid[0] + a) * grid[1] + b], expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["relu_gradient", "sigmoid_gradient"])
def test_slopes(name, dtype):
    rng = np.random.default_rng(0)
    dy, y = rng.normal(size=(2, 3, 5, 7, 4)).astype(dtype)
    y[0, 0, 0] = 0
    plain, fast, in_place = np.empty_like(dy), np.empty_like(dy), dy.copy()
    getattr(slopes, name + "_plain")(dy, y, plain)
    getattr(slopes, name + "_fast")(dy, y, fast)
    getattr(slopes, name + "_fast")(in_place, y, in_place)
    np.testing.assert_allclose(fast, plain, rtol=3 * np.finfo(dtype).eps)
    assert np.array_equal(in_place, fast)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid(dtype):
    """Against NumPy's longest numbers; beyond 87 the result is no float32 of full precision."""
    rng = np.random.default_rng(0)
    x = np.concatenate([np.linspace(-87, 87, 20001), rng.normal(0, 3, 20001), rng.normal(0, 1e-4, 1001)]).astype(dtype)
    results = []
    for function in (squashing.sigmoid_plain, squashing.sigmoid_fast):
        y, in_place = np.full_like(x, 99), x.copy()
        function(x, y)
        function(in_place, in_place)
        assert np.array_equal(in_place, y)
        results.append(y)
    expected = 1 / (1 + np.exp(-x.astype(np.longdouble)))
    for y in results:
        # exp, the sum and the quotient: each is right to one unit in the last place, or two.
        np.testing.assert_allclose(y, expected.astype(dtype), rtol=4 * np.finfo(dtype).eps)
    ends = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 0, -0.0], dtype)
    for function in (squashing.sigmoid_plain, squashing.sigmoid_fast):
        y = np.empty_like(ends)
        function(ends, y)
        assert np.array_equal(y, [np.nan, 1, 0, 1, 0, 0.5, 0.5], equal_nan=True)


@quiet
@given(windows(wide_padding=False), dtypes, st.sampled_from([3, 10, 1000]), st.integers(0, 999))
def test_max_pool(sizes, dtype, levels, seed):
    shape, kernel, stride, padding, output = sizes
    rng = np.random.default_rng(seed)
    x = -rng.integers(1, levels, shape).astype(dtype)  # negative, so that padding would show; few levels: many ties
    results = []
    for forward, backward in (
        (pooling.max_pool_plain, pooling.max_pool_backward_plain),
        (pooling.max_pool_fast, pooling.max_pool_backward_fast),
    ):
        y = np.full((shape[0], *output, shape[3]), 99, dtype)
        winners = np.full(y.shape, 99, np.int32)
        forward(x, kernel, stride, padding, y, winners)
        dx = np.full_like(x, 99)
        backward(whole_numbers(np.random.default_rng(seed), y.shape, dtype), winners, kernel, stride, padding, dx)
        results.append((y, winners, dx))
    for plain, fast in zip(*results, strict=True):
        assert np.array_equal(plain, fast)
    y, winners, _ = results[0]
    for n, i, j, c in np.ndindex(y.shape):
        h = i * stride[0] - padding[0] + winners[n, i, j, c] // kernel[1]
        w = j * stride[1] - padding[1] + winners[n, i, j, c] % kernel[1]
        assert x[n, h, w, c] == y[n, i, j, c], "the winner is not where it should be"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_max_pool_with_infinities_and_nan(dtype):
    values = np.array([np.nan, -np.inf, np.inf, -1.0, 2.0], dtype)
    x = np.random.default_rng(0).choice(values, size=(4, 9, 9, 6), p=[0.1, 0.5, 0.1, 0.2, 0.1])
    results = []
    for forward in (pooling.max_pool_plain, pooling.max_pool_fast):
        y, winners = np.empty((4, 5, 5, 6), dtype), np.empty((4, 5, 5, 6), np.int32)
        forward(x, (3, 3), (2, 2), (1, 1), y, winners)
        results.append((y, winners))
    (y, winners), (y_fast, winners_fast) = results
    np.testing.assert_array_equal(y, y_fast)
    np.testing.assert_array_equal(winners, winners_fast)
    window = x[0, 1:4, 1:4, 0]  # of output (1, 1)
    assert np.array_equal(y[0, 1, 1, 0], window.max(), equal_nan=True)


@quiet
@given(windows(wide_padding=False), dtypes, st.sampled_from([1.0, 0.25, 3.0]), st.integers(0, 999))
def test_sum_pool(sizes, dtype, factor, seed):
    shape, kernel, stride, padding, output = sizes
    rng = np.random.default_rng(seed)
    x, dy = whole_numbers(rng, shape, dtype), whole_numbers(rng, (shape[0], *output, shape[3]), dtype)
    results = []
    for forward, backward in (
        (pooling.sum_pool_plain, pooling.sum_pool_backward_plain),
        (pooling.sum_pool_fast, pooling.sum_pool_backward_fast),
    ):
        y, dx = np.full(dy.shape, 99, dtype), np.full_like(x, 99)
        forward(x, kernel, stride, padding, factor, y)
        backward(dy, kernel, stride, padding, factor, dx)
        results.append((y, dx))
    for plain, fast in zip(*results, strict=True):
        assert np.array_equal(plain, fast)
    y, dx = results[0]
    assert np.sum(y * dy) == np.sum(x * dx), "the backward must be the transpose of the forward"


@quiet
@given(
    st.tuples(st.integers(1, 2), st.integers(1, 5), st.integers(1, 5), st.integers(1, 9)),
    st.sampled_from([1, 3, 5, 7]),
    st.sampled_from([0.75, 0.5, 1.0, 0.6]),
    st.sampled_from(["across", "within"]),
    dtypes,
    st.integers(0, 999),
)
def test_lrn(shape, size, beta, region, dtype, seed):
    rng = np.random.default_rng(seed)
    x, dy = rng.normal(0, 2, shape).astype(dtype), rng.normal(size=shape).astype(dtype)
    arguments = (size, 1.0, beta, 2.0, region)
    plain, fast = np.full((2, 2, *shape), np.nan, dtype)
    lrn.lrn_plain(x, *arguments, plain[0])
    lrn.lrn_fast(x, *arguments, fast[0])
    lrn.lrn_backward_plain(dy, x, *arguments, plain[1])
    lrn.lrn_backward_fast(dy, x, *arguments, fast[1])
    # About 50 terms of size 1, each rounded a few times.
    np.testing.assert_allclose(fast, plain, rtol=0, atol=100 * np.finfo(dtype).eps * max(1, np.abs(plain).max()))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("form", ["sgd_paper", "sgd_pytorch"])
def test_sgd_update(form, dtype):
    rng = np.random.default_rng(0)
    w, v, g = rng.normal(size=(3, 1001)).astype(dtype)
    copies = w.copy(), v.copy()
    getattr(sgd, form + "_plain")(w, v, g, 0.1, 0.9, 0.01)
    getattr(sgd, form + "_fast")(*copies, g, 0.1, 0.9, 0.01)
    for plain, fast in zip((w, v), copies, strict=True):
        np.testing.assert_allclose(fast, plain, rtol=0, atol=8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_gradient(dtype):
    rng = np.random.default_rng(0)
    z, labels = rng.normal(0, 3, (5, 7)).astype(dtype), rng.integers(0, 7, 5)
    log_sums = np.log(np.exp(z.astype(float)).sum(axis=1, keepdims=True)).astype(dtype)
    dz = np.full_like(z, 99)
    softmax.softmax_gradient_plain(z, log_sums, labels, dz)
    expected = (oracles.softmax(z) - np.eye(7)[labels]) / 5
    # exp is as exact as its argument, which is two roundings of a number below 20.
    np.testing.assert_allclose(dz, expected, rtol=0, atol=40 * np.finfo(dtype).eps)
    assert dz.dtype == dtype


def array_of(module):
    """An array of another library, as far as the dispatcher can see."""
    return type("ndarray", (), {"__module__": module})()


def test_the_dispatcher_chooses_by_the_kind_of_array():
    def version(name):
        return lambda array, argument: (name, argument)

    kernel = kernels._dispatch(version("fast"), version("plain"), version("cuda"))
    assert kernel(np.zeros(3), 1) == ("fast", 1)
    assert kernel(array_of("cupy"), 2) == ("cuda", 2)
    assert kernel(array_of("cupy._core.core"), 3) == ("cuda", 3)
    assert kernel(array_of("torch"), 4) == ("plain", 4)
    assert kernel(array_of("not_cupy"), 5) == ("plain", 5)


def test_an_array_of_cupy_goes_to_the_plain_version_where_there_is_none_for_cuda():
    kernel = kernels._dispatch(lambda array: "fast", lambda array: "plain")
    assert kernel(array_of("cupy")) == "plain"
    assert kernel(np.zeros(3)) == "fast"


def test_each_kernel_is_dispatched_to_the_three_versions_of_its_own_name():
    for name, cuda_version in vars(kernels.cuda).items():
        if name.endswith("_cuda"):
            kernel = getattr(kernels, name.removesuffix("_cuda"))
            versions = [cell.cell_contents for cell in kernel.__closure__]
            assert cuda_version in versions, f"{name} is never chosen"
            assert {version.__name__.rpartition("_")[0] for version in versions} == {kernel.__name__[: -len("_plain")]}
