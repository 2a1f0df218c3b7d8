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
    dense,
    im2col,
    panel_products,
    pooling,
    simd,
    small_batch_matmul,
    small_matmul,
    winograd_tiles,
)
from nn.backend.runtime import pool
from tests import oracles
from tests.kernel_cases import convolutions, dtypes, quiet, whole_numbers, windows


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
@given(st.integers(6, 45), st.integers(32, 130), st.integers(1, 130), dtypes)
def test_products_with_weights_that_fit_into_the_cache(images, inputs, outputs, dtype):
    rng = np.random.default_rng(images)
    x, w, bias, dy = (
        whole_numbers(rng, shape, dtype)
        for shape in ((images, inputs), (inputs, outputs), (outputs,), (images, outputs))
    )
    assert small_matmul.is_for(x, w)
    y, dw, dx = np.full_like(dy, 99), np.full_like(w, 99), np.full_like(x, 99)
    small_matmul.product(x, w, bias, y)
    small_matmul.weight_gradient(x, dy, dw)
    small_matmul.input_gradient(dy, w, dx)
    assert np.array_equal(y, x @ w + bias) and np.array_equal(dw, x.T @ dy) and np.array_equal(dx, dy @ w.T)


@pytest.mark.parametrize("images, inputs, outputs", [(5, 64, 64), (9, 5, 64), (9, 1025, 128)])
def test_products_that_are_left_to_others(images, inputs, outputs):
    rng = np.random.default_rng(0)
    x, w, dy = (
        whole_numbers(rng, shape, np.float64) for shape in ((images, inputs), (inputs, outputs), (images, outputs))
    )
    assert not small_matmul.is_for(x, w)
    y, dw, dx = np.empty_like(dy), np.empty(w.shape), np.empty_like(x)
    dense.linear(x, w, None, y)
    dense.linear_backward(dy, x, w, dw, None, dx)
    assert np.array_equal(y, x @ w) and np.array_equal(dw, x.T @ dy) and np.array_equal(dx, dy @ w.T)


def test_products_with_a_transposed_array_for_weights():
    """There may be one in a layer's params."""
    rng = np.random.default_rng(0)
    x, w, dy = (whole_numbers(rng, shape, np.float32) for shape in ((9, 64), (64, 64), (9, 64)))
    y, dw, dx = np.empty_like(dy), np.empty_like(w), np.empty_like(x)
    dense.linear(x, w.T, None, y)
    dense.linear_backward(dy, x, w.T, dw, None, dx)
    assert np.array_equal(y, x @ w.T) and np.array_equal(dw, x.T @ dy) and np.array_equal(dx, dy @ w)


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


@quiet
@given(st.integers(1, 70), st.integers(1, 70))
def test_the_product_of_one_row_with_whole_numbers_of_24_bits(inputs, outputs):
    """Exact: a single term is not zero, and no q has more than 24 bits."""
    rng = np.random.default_rng(inputs)
    q = rng.integers(-(2**23), 2**23, (inputs, outputs))
    q.flat[:2] = -(2**23), 2**23 - 1
    x, zero, fast = (
        np.zeros((1, inputs), np.float32),
        np.zeros(outputs, np.float32),
        np.full((1, outputs), 9, np.float32),
    )
    row = rng.integers(inputs)
    x[0, row] = 2
    bits = (q >> 8).astype(np.int16), (q & 255).astype(np.uint8)
    small_batch_matmul.one_row_product_fast(x, bits, zero, fast)
    assert np.array_equal(fast[0], 2 * q[row])


@quiet
@given(st.integers(1, 70), st.integers(1, 70), dtypes)
def test_the_gradients_of_one_row(inputs, outputs, dtype):
    rng = np.random.default_rng(inputs)
    dy, x, w = (whole_numbers(rng, shape, dtype) for shape in ((1, outputs), (1, inputs), (inputs, outputs)))
    dw, alone, dx = np.full_like(w, 99), np.full_like(w, 99), np.full_like(x, 99)
    small_batch_matmul.one_row_backward_fast(dy, x, w, dw, dx)
    small_batch_matmul.one_row_backward_fast(dy, x, w, alone, None)
    assert np.array_equal(dw, x.T @ dy) and np.array_equal(alone, dw) and np.array_equal(dx, dy @ w.T)


def test_the_gradients_of_one_row_on_all_threads():
    rng = np.random.default_rng(0)
    dy, x, w = (whole_numbers(rng, shape, np.float32) for shape in ((1, 300), (1, 1031), (1031, 300)))
    dw, dx = np.full_like(w, 99), np.full_like(x, 99)
    assert w.size > pool.WAKING_SIZE
    small_batch_matmul.one_row_backward_fast(dy, x, w, dw, dx)
    assert np.array_equal(dw, x.T @ dy) and np.array_equal(dx, dy @ w.T)


def test_the_product_of_one_row_in_several_blocks():
    rng = np.random.default_rng(0)
    x, w, bias = (rng.integers(-8, 9, shape).astype(np.float32) for shape in ((1, 1031), (1031, 300), (300,)))
    fast = np.full((1, 300), 99, np.float32)
    small_batch_matmul.one_row_product_fast(x, w, bias, fast)
    assert w.size // small_batch_matmul.BLOCK_WEIGHTS > 1 and np.array_equal(fast, x @ w + bias)


@st.composite
def tilings(draw):
    """A picture's shape, a matrix, and where its tiles lie; the tiles need not cover the picture, nor lie inside it.

    Of some matrices neighbouring rows differ by signs alone, as Winograd's do."""
    shape = tuple(draw(st.integers(1, most)) for most in (3, 9, 9, 20))
    n, size, step = (draw(st.integers(1, 8)) for _ in range(3))
    padding, grid = draw(st.integers(0, 3)), (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    rows = draw(st.lists(st.lists(st.integers(-3, 3), min_size=size, max_size=size), min_size=n, max_size=n))
    matrix = np.array(rows, np.float64).reshape(n, size)
    first, signs = draw(st.integers(0, 1)), draw(st.lists(st.sampled_from([1, -1]), min_size=size, max_size=size))
    for row in range(first, n - 1, 2) if draw(st.booleans()) else ():
        matrix[row + 1] = signs * matrix[row]
    return shape, matrix, step, padding, grid


@quiet
@given(tilings(), st.integers(0, 2), dtypes, st.integers(0, 999))
def test_tiles_are_gathered(tiling, more, dtype, seed):
    """more: channels before and behind those that are wanted."""
    shape, matrix, step, padding, grid = tiling
    n, size = matrix.shape
    rng = np.random.default_rng(seed)
    x = whole_numbers(rng, (*shape[:3], shape[3] + 2 * more), dtype)
    inner = np.ascontiguousarray(x[..., more : more + shape[3]])
    count = shape[0] * grid[0] * grid[1]
    plain, fast = (np.full((n, n, count + 3, shape[3]), 99, dtype) for _ in range(2))
    winograd_tiles.gather_tiles_plain(inner, matrix, step, padding, grid, plain, 2)
    winograd_tiles.gather_tiles_fast(x, matrix, step, padding, grid, fast, 2, channel=more)
    assert np.array_equal(plain, fast)

    assert np.all(plain[:, :, :2] == 99) and np.all(plain[:, :, 2 + count :] == 99), "tiles of other pictures"
    # One tile from the definition.
    image, a, b = (int(rng.integers(length)) for length in (shape[0], *grid))
    tile = np.zeros((size, size, shape[3]))
    for row, column in np.ndindex(size, size):
        h, w = a * step + row - padding, b * step + column - padding
        if 0 <= h < shape[1] and 0 <= w < shape[2]:
            tile[row, column] = inner[image, h, w]
    expected = np.einsum("ik,jl,klc->ijc", matrix, matrix, tile)
    assert np.array_equal(plain[:, :, 2 + (image * grid[0] + a) * grid[1] + b], expected)


@quiet
@given(tilings(), st.integers(2, 4), dtypes, st.integers(0, 999))
def test_tiles_of_blocks_of_pixels(tiling, block, dtype, seed):
    """As of a picture in which each block of pixels is one, with all of their channels."""
    (N, H, W, C), matrix, step, padding, grid = tiling
    n, size = matrix.shape
    x = whole_numbers(np.random.default_rng(seed), (N, H, W, C), dtype)
    blocks = [(count - 1) * step + size for count in grid]
    framed = np.zeros((N, blocks[0] * block + padding + H, blocks[1] * block + padding + W, C), dtype)
    framed[:, padding : padding + H, padding : padding + W] = x
    framed = framed[:, : blocks[0] * block, : blocks[1] * block].reshape(N, blocks[0], block, blocks[1], block, C)
    joined = np.ascontiguousarray(framed.swapaxes(2, 3)).reshape(N, *blocks, -1)
    plain, fast = (np.full((n, n, N * grid[0] * grid[1], joined.shape[3]), 99, dtype) for _ in range(2))
    winograd_tiles.gather_tiles_plain(joined, matrix, step, 0, grid, plain, 0)
    winograd_tiles.gather_tiles_fast(x, matrix, step, padding, grid, fast, 0, block=block)
    assert np.array_equal(plain, fast)


@quiet
@given(tilings(), st.integers(0, 2), st.booleans(), dtypes, st.integers(0, 999))
def test_tiles_are_scattered(tiling, more, rectify, dtype, seed):
    (N, _, _, C), matrix, _, _, grid = tiling
    n, size = matrix.shape
    rng = np.random.default_rng(seed)
    H, W = (int(rng.integers(1, count * size + 1)) for count in grid)
    source = whole_numbers(rng, (n, n, N * grid[0] * grid[1] + 3, C), dtype)
    start = whole_numbers(rng, (C + 2 * more,), dtype)
    plain, fast = np.full((N, H, W, C), 99, dtype), np.full((N, H, W, C + 2 * more), 99, dtype)
    inner = slice(more, more + C)
    winograd_tiles.scatter_tiles_plain(source, matrix, grid, plain, 2, start[inner])
    winograd_tiles.scatter_tiles_fast(source, matrix, grid, fast, 2, start, channel=more, rectify=rectify)
    assert np.array_equal(np.maximum(plain, 0) if rectify else plain, fast[..., inner])
    assert np.all(fast[..., :more] == 99) and np.all(fast[..., more + C :] == 99), "other channels"
    # One pixel from the definition.
    image, h, w = (int(rng.integers(length)) for length in (N, H, W))
    tile = source[:, :, 2 + (image * grid[0] + h // size) * grid[1] + w // size].astype(np.float64)
    expected = np.einsum("i,j,ijc->c", matrix[:, h % size], matrix[:, w % size], tile) + start[inner]
    assert np.array_equal(plain[image, h, w], expected)


@quiet
@given(
    st.integers(1, 3),
    st.integers(panel_products.FEWEST_ROWS, 40),
    st.integers(1, 20),
    st.integers(16, 80),
    st.integers(1, 3),
    st.integers(1, 20000),
    dtypes,
)
def test_products_with_weights_laid_out(values, tiles, inputs, outputs, groups, most, dtype):
    rng = np.random.default_rng(tiles * outputs)
    v = whole_numbers(rng, (values, tiles, groups * inputs), dtype)
    weight = whole_numbers(rng, (values, inputs, groups * outputs), dtype)
    panels = panel_products.panels_of(weight, groups)
    laid_out = np.stack([weight[..., panel] for panel in panels], axis=1)
    blocks = panel_products.blocks_of(laid_out, panels, groups, most)
    met = np.zeros(groups * outputs, bool)
    for block in blocks:
        results = []
        for multiply, weights in (
            (panel_products.multiply_plain, (weight[..., block.outputs],)),
            (panel_products.multiply_fast, (laid_out, block.panels)),
        ):
            product = np.full((values, tiles, block.outputs.stop - block.outputs.start), 99, dtype)
            multiply(np.ascontiguousarray(v[..., block.inputs]), *weights, product)
            results.append(product)
        assert np.array_equal(*results)
        met[block.outputs] = True
        assert block.inputs.start // inputs == block.outputs.start // outputs, "of another group"
        assert block.outputs.stop <= (block.outputs.start // outputs + 1) * outputs, "beyond the group"
    assert met.all(), "some outputs were forgotten"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [panel_products.FEWEST_ROWS, 13, 40])
@pytest.mark.parametrize("inputs, outputs", [(1, 16), (700, 33), (513, 100)])
def test_a_large_product_with_weights_laid_out(rows, inputs, outputs, dtype):
    rng = np.random.default_rng(outputs)
    x, weight, bias = (whole_numbers(rng, shape, dtype) for shape in ((rows, inputs), (inputs, outputs), (outputs,)))
    plain, fast = (np.full((rows, outputs), 99, dtype) for _ in range(2))
    panel_products.large_product_plain(x, weight, bias, plain)
    panel_products.large_product_fast(x, panel_products.lay_out(weight), bias, fast)
    assert np.array_equal(plain, fast) and np.array_equal(plain, oracles.linear(x, weight, bias))


@quiet
@given(windows(wide_padding=False), dtypes, st.integers(0, 999))
def test_the_largest_of_each_window(sizes, dtype, seed):
    """As `max_pool` has them, which also says where they were; NaN as well."""
    shape, kernel, stride, padding, output = sizes
    rng = np.random.default_rng(seed)
    x = whole_numbers(rng, shape, dtype)
    x[rng.random(shape) < 0.05] = np.nan
    y, expected = (np.full((shape[0], *output, shape[3]), 99, dtype) for _ in range(2))
    pooling.largest(x, kernel, stride, padding, y)
    pooling.max_pool(x, kernel, stride, padding, expected, np.empty(y.shape, np.int32))
    assert np.array_equal(y, expected, equal_nan=True)
