"""Every kernel exists twice: the fast one must agree with the plain one on whatever shapes hypothesis thinks of.

The arrays hold small whole numbers, so that every sum is exact in any order and "agree" can mean "equal".

With NUMBA_DISABLE_JIT=1 the fast ones run as plain Python: `make coverage` does so to see which of their lines and
branches are tested. It also shows an index beyond an array's end, which compiled code reads in silence.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layers.conv import convolve, convolve_backward
from nn.backend.cpu import (
    conv_batched,
    conv_depthwise,
    conv_direct,
    im2col,
    simd,
    small_batch_matmul,
    winograd_tiles,
)
from tests import oracles
from tests.kernel_cases import convolutions, dtypes, quiet, whole_numbers


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


FAST = conv_direct.convolve, conv_direct.weight_gradient, conv_direct.input_gradient
ABREAST = conv_batched.convolve, conv_batched.weight_gradient, conv_batched.input_gradient
DEPTHWISE = conv_depthwise.convolve, conv_depthwise.weight_gradient, conv_depthwise.input_gradient


def plainly_convolved(x, weight, bias, dy, stride, padding, groups=1):
    """y, dx, dweight and dbias by what is written in `layers.conv`."""
    y, dx, dweight, dbias = (np.full_like(like, 99) for like in (dy, x, weight, bias))
    convolve.plain(x, weight, bias, stride, padding, groups, y)
    convolve_backward.plain(dy, x, weight, stride, padding, groups, dweight, dbias, dx)
    return y, dx, dweight, dbias


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
    arguments = x, weight, bias, dy, stride, padding
    results = [plainly_convolved(*arguments), convolved(FAST, *arguments)]
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
    arguments = x, weight, bias, dy, stride, padding
    y, dx, *gradients = plainly_convolved(*arguments)
    results = convolved(ABREAST[:count], *arguments)
    for plain, fast in zip((y, dx if count == 3 else np.full_like(x, 99), *gradients), results, strict=True):
        assert np.array_equal(plain, fast)


@quiet
@given(convolutions(), st.integers(1, 40), st.integers(1, 3), st.sampled_from([1, 1 << 17]), dtypes, st.integers(0, 99))
def test_depthwise_convolution(sizes, channels, each, slice_bytes, dtype, seed):
    (N, H, W, _), kernel, stride, padding, _, OW = sizes
    OH = (H + 2 * padding[0] - kernel[0]) // stride[0] + 1
    rng, outputs = np.random.default_rng(seed), channels * each
    shapes = (N, H, W, channels), (*kernel, 1, outputs), (outputs,), (N, OH, OW, outputs)
    arguments = (*(whole_numbers(rng, shape, dtype) for shape in shapes), stride, padding)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conv_depthwise, "SLICE_BYTES", slice_bytes)
        results = [plainly_convolved(*arguments, channels), convolved(DEPTHWISE, *arguments)]
    for plain, fast in zip(*results, strict=True):
        assert np.array_equal(plain, fast)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_unused_lanes_do_not_spoil_the_sums(dtype):
    """A picture of infinities in a full group must not reach the last group, whose lanes are not all used."""
    rng = np.random.default_rng(0)
    lanes = conv_batched.images_at_once(dtype)
    x, dy = whole_numbers(rng, (lanes + 1, 5, 5, 1), dtype), whole_numbers(rng, (lanes + 1, 4, 4, 2), dtype)
    x[1], dy[1] = np.inf, 0
    dy[2] = np.inf
    dweight, dbias = np.empty((2, 2, 1, 2), dtype), np.empty(2, dtype)
    with np.errstate(invalid="ignore"):
        conv_batched.weight_gradient(x[lanes:], dy[lanes:], (1, 1), (0, 0), dweight, dbias)
        alone = dweight.copy()
        conv_batched.weight_gradient(x, dy, (1, 1), (0, 0), dweight, dbias)
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
    arguments = x, weight, bias, dy, stride, padding
    results = [plainly_convolved(*arguments), convolved(FAST, *arguments)]
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


@quiet
@given(st.integers(1, 70), st.integers(1, 70), dtypes)
def test_the_product_of_one_row(inputs, outputs, dtype):
    rng = np.random.default_rng(inputs)
    x, w, bias = (whole_numbers(rng, shape, dtype) for shape in ((1, inputs), (inputs, outputs), (outputs,)))
    plain, fast, of_half = np.full((3, 1, outputs), 99, dtype)
    small_batch_matmul.one_row_product_plain(x, w, bias, plain)
    small_batch_matmul.one_row_product_fast(x, w, bias, fast)
    small_batch_matmul.one_row_product_fast(x, w.astype(np.float16).view(np.uint16), bias, of_half)
    assert np.array_equal(plain, fast) and np.array_equal(plain, x @ w + bias) and np.array_equal(plain, of_half)


def test_the_product_of_one_row_in_several_blocks():
    rng = np.random.default_rng(0)
    x, w, bias = (rng.integers(-8, 9, shape).astype(np.float32) for shape in ((1, 1031), (1031, 300), (300,)))
    fast = np.full((1, 300), 99, np.float32)
    small_batch_matmul.one_row_product_fast(x, w, bias, fast)
    assert w.size // small_batch_matmul.BLOCK_WEIGHTS > 1 and np.array_equal(fast, x @ w + bias)


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
