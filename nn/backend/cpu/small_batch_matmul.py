"""The products of a few rows with a large matrix and with its transpose, for fully connected layers.

A matrix product is fast when each number that comes from memory is used many times. For that, BLAS first copies parts
of both matrices to where they lie best. With ten rows there are ten uses of a weight: the copy takes longer than the
product. Here the weights are read once and left where they are. (Only who keeps a copy anyway, for one image, has it
in strips: `write_strips`.)

Arrays here: x (N, I), w (I, O), y (N, O), C-contiguous; transposed: dy (N, O), w (I, O), dx (N, I).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nn.backend.cpu.simd import (
    ONE,
    VECTOR_BYTES,
    ZERO,
    add,
    add_scaled,
    clear,
    copy,
    flat,
    lanes_of,
    number_at,
    rows_for,
    transpose_block,
    zeros,
)
from nn.backend.runtime.jit import compiled_loop, part_of_a_loop
from nn.backend.runtime.pool import in_parts
from nn.backend.runtime.tasks import share_out

# Of one row: parts of the work, at most, so many weights each. In a part a thread reads two runs of rows side by side,
# each from beginning to end: memory delivers more to who reads from several places and goes straight on in each.
MOST_BLOCKS, BLOCK_WEIGHTS = 8, 1 << 17
STRIP = 1024  # columns of w, whose sums stay in the nearest cache while weights pass through it
TERMS = 16  # rows of w at a time: as many streams as a processor foresees
TRANSPOSED_TERMS = 64  # columns of w at a time, where it is transposed


def one_row_product_plain(x, w, bias, y):
    """y = x w + bias for a single row, N = 1."""
    np.matmul(x, w, out=y)
    y += bias


def one_row_product_fast(x, w, bias, y):
    """The same; w may also be the bits of float16 numbers, as uint16."""
    for loop in one_row_product_loops(x, w, bias, y):
        loop()


def write_strips(some, rows, shape, numbers):
    """Write some rows of a matrix of this shape (I, O) to where they lie in `numbers` (I * O,), which has its columns
    in strips: first the rows of the first STRIP columns, one after the other, then those of the next. In a strip of C
    columns, of which the first is f, w_io is number f I + i C + (o - f)."""
    inputs, outputs = shape
    for first in range(0, outputs, STRIP):
        last = first + STRIP  # the last strip ends where the arrays do
        numbers[first * inputs : last * inputs].reshape(inputs, -1)[rows] = some[:, first:last]


def one_row_product_loops(x, w, bias, y, scales=None, in_strips=False) -> list[Callable[[], None]]:
    """One loop or two that do it, one after the other. w may also be two arrays that whole numbers are kept in
    (`simd.number_at`); scales (I,): what each row of w is multiplied by; in_strips: w lies as `write_strips` has it.

    Each thread takes whole rows, of w or of its strips: parts of rows are read more slowly. The partial sums, as many
    as the shapes say, are added in a fixed order."""
    size = x.size * y.size
    blocks = max(1, min(MOST_BLOCKS, size // BLOCK_WEIGHTS))
    sums = y if blocks == 1 else np.empty_like(y, shape=(blocks, y.size))
    weights = tuple(part.reshape(-1) for part in w) if isinstance(w, tuple) else w.reshape(-1)
    width = STRIP if in_strips else y.size

    def multiply():
        _one_row_product(in_parts(blocks, size), x, weights, width, scales, bias, sums)

    def add_up():
        _add_up(in_parts(1, sums.size), sums, y)

    return [multiply] if sums is y else [multiply, add_up]


@compiled_loop
def _add_up(part, sums, y):
    """y = the sum of the rows of sums (blocks, O)."""
    if share_out(part):
        return
    numbers, results = flat(sums), flat(y)
    blocks, outputs = sums.shape
    copy(numbers, ZERO, results, ZERO, outputs)
    for block in range(1, blocks):
        add(numbers, block * outputs, results, ZERO, outputs)


@part_of_a_loop
def _factor(x, scales, i):
    """What row i of the weights is multiplied by."""
    return x[i] if scales is None else x[i] * scales[i]


@compiled_loop(fastmath={"contract"})
def _one_row_product(part, x, weights, width, scales, bias, sums):
    if share_out(part):
        return
    inputs, outputs = x.shape[1], sums.shape[1]
    factors, results = flat(x), flat(sums)
    for block in range(part[0], part[1]):
        if block == 0:
            copy(bias, ZERO, results, ZERO, outputs)
        else:
            clear(results, block * outputs, outputs)
        first, last = inputs * block // len(sums), inputs * (block + 1) // len(sums)
        run = (last - first) // 2
        for left in range(0, outputs, width):
            strip, columns, at = left * inputs, min(width, outputs - left), np.uint64(block * outputs + left)
            for i in range(first, first + run):
                f, g = _factor(factors, scales, i), _factor(factors, scales, i + run)
                a, b = np.uint64(strip + i * columns), np.uint64(strip + (i + run) * columns)
                for o in range(np.uint64(columns)):
                    results[at + o] += f * number_at(weights, a + o) + g * number_at(weights, b + o)
            for i in range(first + 2 * run, last):
                f, a = _factor(factors, scales, i), np.uint64(strip + i * columns)
                for o in range(np.uint64(columns)):
                    results[at + o] += f * number_at(weights, a + o)


def one_row_backward_fast(dy, x, w, dw, dx):
    """dw = x^T dy and dx = dy w^T for a single row, N = 1: a row of w and of dw (I, O) at a time. dx None: not wanted.
    The plain way is that of `layers.linear`."""
    _one_row_backward(in_parts(len(w), 2 * w.size), dy, x, w, dw, dx)


@compiled_loop(fastmath={"contract", "reassoc"})  # several partial sums of dx, in an order of the compiler's choice
def _one_row_backward(part, dy, x, w, dw, dx):
    if share_out(part):
        return
    outputs = np.uint64(w.shape[1])
    factors, gradients, weights, results = flat(x), flat(dy), flat(w), flat(dw)
    for i in range(np.uint64(part[0]), np.uint64(part[1])):
        factor, at = factors[i], i * outputs
        if dx is None:
            for o in range(outputs):
                results[at + o] = factor * gradients[o]
        else:
            total = dx.dtype.type(0)
            for o in range(outputs):
                results[at + o] = factor * gradients[o]
                total += weights[at + o] * gradients[o]
            dx[0, i] = total


def few_rows_product_plain(x, w, y):
    """y = x w."""
    np.matmul(x, w, out=y)


def few_rows_product_fast(x, w, y):
    """The same; columns that do not fill a vector are left to BLAS."""
    lanes = VECTOR_BYTES // x.itemsize
    vectors = y.shape[1] // lanes
    if vectors * lanes < y.shape[1]:
        np.matmul(x, w[:, vectors * lanes :], out=y[:, vectors * lanes :])
    # Two parts per thread: broad strips of the weights, whose rows are read from memory faster than narrow ones.
    _few_rows_product(in_parts(vectors, w.size, a_thread=2), x, w, y, rows_for(len(x)))


@compiled_loop
def _few_rows_product(part, x, w, y, rows):
    if share_out(part):
        return
    images, inputs = x.shape
    outputs, lanes, height = w.shape[1], lanes_of(x), len(rows)
    first, vectors = part[0] * lanes, part[1] - part[0]
    groups = -(-images // height)
    weights, results, sums = flat(w), flat(y), zeros(vectors * groups * height * lanes, x)
    transposed = zeros(TERMS * groups * height, x)  # some columns of x, each in a row; room for missing images
    for i in range(0, inputs, TERMS):
        terms = min(TERMS, inputs - i)
        for n in range(images):
            for k in range(terms):
                transposed[k * groups * height + n] = x[n, i + k]
        for v in range(vectors):
            for group in range(groups):
                add_scaled(
                    transposed, group * height, ONE, ZERO, groups * height,
                    weights, i * outputs + first + v * lanes, ZERO, outputs, ONE, terms,
                    sums, (v * groups + group) * height * lanes, rows,
                )  # fmt: skip
    for n in range(images):
        for v in range(vectors):
            here = ((v * groups + n // height) * height + n % height) * lanes
            copy(sums, here, results, n * outputs + first + v * lanes, lanes)


def few_rows_transposed_plain(dy, w, dx):
    """dx = dy w^T."""
    np.matmul(dy, w.T, out=dx)


def few_rows_transposed_fast(dy, w, dx):
    """The same; rows of w that do not fill a vector, and columns that do not fill vectors, are left to BLAS."""
    lanes = VECTOR_BYTES // dy.itemsize
    vectors = dx.shape[1] // lanes if dy.shape[1] % lanes == 0 else 0
    if vectors * lanes < dx.shape[1]:
        np.matmul(dy, w[vectors * lanes :].T, out=dx[:, vectors * lanes :])
    _few_rows_transposed(in_parts(vectors, w.size), dy, w, dx, rows_for(len(dy)))


@compiled_loop
def _few_rows_transposed(part, dy, w, dx, rows):
    if share_out(part):
        return
    images, outputs = dy.shape
    lanes, height = lanes_of(dy), len(rows)
    groups = -(-images // height)
    weights, results, inputs = flat(w), flat(dx), len(w)
    sums, block = zeros(groups * height * lanes, dy), zeros(TRANSPOSED_TERMS * lanes, dy)
    transposed = zeros(outputs * groups * height, dy)  # the columns of dy in rows; room for missing images
    for n in range(images):
        for o in range(outputs):
            transposed[o * groups * height + n] = dy[n, o]
    for v in range(part[0], part[1]):
        clear(sums, 0, len(sums))
        for o in range(0, outputs, TRANSPOSED_TERMS):
            terms = min(TRANSPOSED_TERMS, outputs - o)
            for k in range(0, terms, lanes):
                transpose_block(weights, v * lanes * outputs + o + k, outputs, block, k * lanes, lanes)
            for group in range(groups):
                add_scaled(
                    transposed, (o * groups + group) * height, ONE, ZERO, groups * height,
                    block, ZERO, ZERO, lanes, ONE, terms, sums, group * height * lanes, rows,
                )  # fmt: skip
        for n in range(images):
            copy(sums, n * lanes, results, n * inputs + v * lanes, lanes)
