"""The products of a fully connected layer whose weights fit into a core's cache, as LeNet's: compiled, on all threads.

To have BLAS compute parts of one on several threads takes longer than the product: they pass each other Python's lock
(`tasks`). Here blocks of some rows times some columns are added up in registers, and both matrices are read where they
lie. (Of larger ones the weights are laid out first: `panel_products`.)

Arrays here: x and dx (N, I), w and dw (I, O), y and dy (N, O), all C-contiguous.
"""

from __future__ import annotations

import numpy as np

from nn.backend.cpu.panel_products import FEWEST_ROWS, VECTORS, add_block, rows_of
from nn.backend.cpu.rows import copy_rows
from nn.backend.cpu.simd import ONE, VECTOR_BYTES, ZERO, copy, flat, lanes_of, transpose_block, zeros
from nn.backend.runtime.jit import compiled_loop, part_of_a_loop
from nn.backend.runtime.pool import in_parts
from nn.backend.runtime.tasks import share_out

MOST_BYTES = 1 << 20  # of weights
NUMBER_PRODUCTS = 16  # multiplications that take as long as to read or write a number


def is_for(x, w) -> bool:
    """Do the weights fit into the cache, and are there images and inputs enough for a block?"""
    if w.nbytes > MOST_BYTES or not w.flags.c_contiguous:
        return False
    return len(x) >= FEWEST_ROWS and len(w) >= max(FEWEST_ROWS, VECTORS * VECTOR_BYTES // x.itemsize)


def product(x, w, bias, y):
    """y = x w + bias."""
    _product(*_blocks(y, x.shape[1]), x, x.shape[1], 1, w, bias, y, _vectors(y))


def weight_gradient(x, dy, dw):
    """dw = x^T dy."""
    nothing = np.zeros(dw.shape[1], dw.dtype)
    _product(*_blocks(dw, len(x)), x, 1, x.shape[1], dy, nothing, dw, _vectors(dw))


def input_gradient(dy, w, dx):
    """dx = dy w^T."""
    nothing, vectors = np.zeros(dx.shape[1], dx.dtype), _vectors(dx)
    panels = -(-dx.shape[1] * dx.itemsize // (len(vectors) * VECTOR_BYTES))
    part = in_parts(panels, dx.size * dy.shape[1] // NUMBER_PRODUCTS)
    _product_with_transpose(part, dy, w, nothing, dx, rows_of(len(dx)), vectors)


def _vectors(target):
    """So many side by side that the columns fill them, or one."""
    return (None,) * max(1, min(VECTORS, target.shape[1] * target.itemsize // VECTOR_BYTES))


def _blocks(target, terms):
    """The blocks of rows, on all threads, and how many rows each has."""
    rows = rows_of(len(target))
    return in_parts(-(-len(target) // len(rows)), target.size * terms // NUMBER_PRODUCTS), rows


# Shared out are rows. Forward these are images, of which a thread mostly has those that it had in the layer before;
# and it adds up the gradients of those weights that SGD then has it change. So what it reads lies in its own core's
# cache: another core's can be as far away as memory.


@compiled_loop
def _product(part, rows, a, a_row, a_step, b, bias, target, vectors):
    """target[i, o] = bias[o] + sum over k of  a[i * a_row + k * a_step] * b[k, o], for some blocks of rows."""
    if share_out(part):
        return
    terms, outputs = b.shape
    width = len(vectors) * lanes_of(a)
    if outputs < width:  # b and bias in rows of whole vectors
        broad, broad_bias = zeros(terms * width, a), zeros(width, a)
        copy_rows(flat(b), ZERO, terms, outputs, broad, ZERO, width)
        copy(bias, 0, broad_bias, 0, outputs)
        _columns(part, a, a_row, a_step, broad, ZERO, width, terms, broad_bias, target, ZERO, rows, vectors)
        return
    for start in range(0, outputs, width):
        column = min(start, outputs - width)  # the last overlap those before it
        _columns(part, a, a_row, a_step, flat(b), column, outputs, terms, bias, target, column, rows, vectors)


@compiled_loop
def _product_with_transpose(part, dy, w, nothing, dx, rows, vectors):
    if share_out(part):
        return
    inputs, outputs = w.shape
    lanes = lanes_of(dy)
    width, whole = len(vectors) * lanes, outputs // lanes * lanes
    blocks = ZERO, -(-len(dy) // len(rows)), ZERO
    weights, panel_of_w = flat(w), zeros(outputs * width, dy)  # (O, width)
    for panel in range(part[0], part[1]):
        first = min(panel * width, inputs - width)
        for i in range(0, width, lanes):
            for o in range(0, whole, lanes):
                transpose_block(weights, (first + i) * outputs + o, outputs, panel_of_w, o * width + i, width)
        for i in range(width):
            for o in range(whole, outputs):
                panel_of_w[o * width + i] = weights[(first + i) * outputs + o]
        _columns(blocks, dy, outputs, ONE, panel_of_w, ZERO, width, outputs, nothing, dx, first, rows, vectors)


@part_of_a_loop
def _columns(blocks, a, a_row, a_step, b, b_at, b_step, terms, bias, target, column, rows, vectors):
    """The columns of the target from this one on that fill the vectors, in some blocks of rows."""
    count, outputs = target.shape
    width = len(vectors) * lanes_of(a)
    numbers, results, sums = flat(a), flat(target), zeros(len(rows) * width, a)
    for block in range(blocks[0], blocks[1]):
        row = min(block * len(rows), count - len(rows))  # the last overlap those before them
        for i in range(len(rows)):
            copy(bias, column, sums, i * width, width)
        add_block(
            numbers, row * a_row, a_row, a_step, b, b_at, b_step, terms, ZERO, ZERO, sums, ZERO, width, rows, vectors
        )
        for i in range(len(rows)):
            copy(sums, i * width, results, (row + i) * outputs + column, min(width, outputs))
