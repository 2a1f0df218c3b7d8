"""Matrix products with weights that are laid out in panels: for Winograd's method, and for fully connected layers.

    product[value, t, o] = sum over c of  v[value, t, c] * weight[value, c, o]      y = x w + bias

A processor multiplies at its best rate where each number that it reads takes part in many products: here a block of
some rows times some output channels is added up in registers, and each step reads a row of weights and a column of the
other matrix. BLAS does the same, and first copies both matrices to where they lie best, each time. Here the weights are
laid out once, and the other matrix is read where it lies.

Arrays here: v (values, tiles, C_in), product (values, tiles, C_out), x (N, C_in), y (N, C_out), weight (..., C_in,
C_out); laid out it is (..., panels, C_in, width). A panel has `width` neighbouring output channels. The last of a group
overlaps the one before it where they do not come out even.

Source: Goto, van de Geijn 2008, "Anatomy of high-performance matrix multiplication", sections 4 and 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import NamedTuple

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from nn.backend.cpu.simd import CHOICES, INDEX, ONE, VECTOR_BYTES, Vectors, address, constant, copy, fetch, flat, zeros
from nn.backend.runtime.jit import compiled_loop
from nn.backend.runtime.pool import in_parts, split
from nn.backend.runtime.tasks import share_out
from nn.backend.runtime.workspace import aligned

VECTORS = 2 if len(CHOICES) > 1 else 1  # side by side: there are twice as many registers where they are twice as large
FEWEST_ROWS = min(CHOICES)
TERMS = 512  # whose weights stay in the processor's nearer cache until all rows have met them


def panels_of(weight: np.ndarray, groups: int, vectors: int = VECTORS) -> list[slice]:
    """The output channels of each panel, `vectors` wide, or one where a group has no more."""
    outputs, lanes = weight.shape[-1] // groups, VECTOR_BYTES // weight.itemsize
    width = min(vectors, outputs // lanes) * lanes
    firsts = [min(first, outputs - width) for first in range(0, outputs, width)]
    return [slice(at + first, at + first + width) for at in range(0, groups * outputs, outputs) for first in firsts]


def lay_out(weight: np.ndarray) -> np.ndarray:
    """The weights of one group in panels, a new array."""
    panels = panels_of(weight, 1)
    shape = *weight.shape[:-2], len(panels), weight.shape[-2], panels[0].stop - panels[0].start
    return np.stack([weight[..., panel] for panel in panels], axis=-3, out=aligned(shape, weight))


class Block(NamedTuple):
    """Some output channels of a group."""

    inputs: slice  # the channels that they see
    outputs: slice
    panels: slice


def blocks_of(laid_out: np.ndarray, panels: Sequence[slice], groups: int, most: int) -> list[Block]:
    """Cut the output channels of each group into blocks whose weights take about so many bytes."""
    count, depth, blocks = len(panels) // groups, laid_out.shape[2], []
    for group in range(groups):
        for some in split(count, -(-laid_out.nbytes // groups // most)):
            first, last = group * count + some.start, group * count + some.stop
            outputs = slice(panels[first].start, panels[last - 1].stop)
            blocks.append(Block(slice(group * depth, (group + 1) * depth), outputs, slice(first, last)))
    return blocks


def multiply_plain(v, weight, product):
    """weight as it is in a layer."""
    np.matmul(v, weight, out=product)


def multiply_fast(v, laid_out, panels, product):
    """The same, of FEWEST_ROWS at least and of these panels of the weights laid out."""
    vectors = (None,) * (laid_out.shape[3] * v.itemsize // VECTOR_BYTES)
    _multiply(v, laid_out, panels.start, panels.stop, product, rows_of(v.shape[1]), vectors)


@cache
def rows_of(tiles: int, choices: tuple[int, ...] = CHOICES) -> tuple:
    """So many tiles at a time that the fewest are computed twice; a step takes as long as one more."""
    fitting = (rows for rows in choices if rows <= tiles)
    return (None,) * min(fitting, key=lambda rows: -(-tiles // rows) * (rows + 1))


def _block(from_zero):
    """target[at + i * row + lane] = sum over k of  a[a_at + i * a_row + k * a_step] * b[b_at + k * b_step + lane]

    for k < terms, i < len(rows) and the lanes of len(vectors) vectors; or added to what is there. Meanwhile what is
    wanted after that, b[ahead + k * ahead_step], is brought nearer; beyond the end of the array that does nothing."""

    @intrinsic
    def block(
        typing, a, a_at, a_row, a_step, b, b_at, b_step, terms, ahead, ahead_step, target, at, row, rows, vectors
    ):
        def generate(context, builder, signature, arguments):
            a_data, b_data, target_data = (
                address(context, builder, signature, arguments, place) for place in (0, 4, 10)
            )
            _, a_at, a_row, a_step, _, b_at, b_step, terms, ahead, ahead_step, _, at, row, _, _ = arguments
            kind = Vectors(context, builder, a.dtype)
            places = [(i, j) for i in range(rows.count) for j in range(vectors.count)]
            offsets = [constant(j * kind.lanes) for j in range(vectors.count)]
            totals = {place: cgutils.alloca_once(builder, kind.type) for place in places}
            for i, j in places:
                here = builder.add(at, builder.mul(constant(i), row))
                before = kind.zero if from_zero else kind.load(target_data, here, offsets[j])
                builder.store(before, totals[i, j])
            with cgutils.for_range(builder, terms, intp=INDEX) as step:
                a_here = builder.add(a_at, builder.mul(step.index, a_step))
                b_here = builder.add(b_at, builder.mul(step.index, b_step))
                fetch(builder, builder.gep(b_data, [builder.add(ahead, builder.mul(step.index, ahead_step))]))
                factors = [kind.load(b_data, b_here, offset) for offset in offsets]
                for i in range(rows.count):
                    number = kind.load_everywhere(a_data, a_here, builder.mul(constant(i), a_row))
                    for j, factor in enumerate(factors):
                        product = builder.fmul(number, factor, flags=("contract",))
                        total = totals[i, j]
                        builder.store(builder.fadd(builder.load(total), product, flags=("contract",)), total)
            for i, j in places:
                here = builder.add(at, builder.mul(constant(i), row))
                kind.store(builder.load(totals[i, j]), target_data, here, offsets[j])
            return context.get_dummy_value()

        number = types.int64
        kinds = a, *[number] * 3, b, *[number] * 5, target, number, number, rows, vectors
        return types.none(*kinds), generate

    return block


sum_block, add_block = _block(from_zero=True), _block(from_zero=False)

if numba.config.DISABLE_JIT:

    def _block_in_python(
        a, a_at, a_row, a_step, b, b_at, b_step, terms, ahead, ahead_step, target, at, row, rows, vectors, from_zero
    ):
        width = len(vectors) * VECTOR_BYTES // a.itemsize
        steps = b_at + np.arange(terms) * b_step
        assert steps[-1] + width <= len(b), "the compiled code would leave the array"
        for i in range(len(rows)):
            numbers, result = a[a_at + i * a_row :: a_step][:terms], target[at + i * row :][:width]
            result[...] = numbers @ b[steps[:, None] + np.arange(width)] + (0 if from_zero else result)

    sum_block, add_block = (partial(_block_in_python, from_zero=from_zero) for from_zero in (True, False))


@compiled_loop
def _multiply(v, weight, first_panel, last_panel, product, rows, vectors):
    values, tiles, channels = v.shape
    _, panels, _, width = weight.shape
    outputs, passes, size = product.shape[2], -(-tiles // len(rows)), channels * width
    numbers, weights, results = flat(v), flat(weight), flat(product)
    for value in range(values):
        for panel in range(first_panel, last_panel):
            first = min((panel - first_panel) * width, outputs - width)
            for t in range(0, tiles, len(rows)):
                tile = value * tiles + min(t, tiles - len(rows))
                at, block = (value * panels + panel) * size, t // len(rows)
                sum_block(
                    numbers, tile * channels, channels, ONE, weights, at, width, channels,
                    at + size + size * block // passes, width // passes,
                    results, tile * outputs + first, outputs, rows, vectors,
                )  # fmt: skip


def large_product_plain(x, weight, bias, y):
    """y = x w + bias."""
    np.matmul(x, weight, out=y)
    y += bias


def large_product_fast(x, laid_out, bias, y):
    """The same, of FEWEST_ROWS at least, with the weights laid out."""
    vectors = (None,) * (laid_out.shape[2] * x.itemsize // VECTOR_BYTES)
    _large_product(in_parts(len(laid_out), laid_out.size), x, laid_out, bias, y, rows_of(len(x)), vectors)


@compiled_loop
def _large_product(part, x, weight, bias, y, rows, vectors):
    if share_out(part):
        return
    count, inputs = x.shape
    _, _, width = weight.shape
    outputs, blocks = y.shape[1], -(-count // len(rows))
    size = len(rows) * width
    numbers, weights, results, sums = flat(x), flat(weight), flat(y), zeros(blocks * size, x)
    for panel in range(part[0], part[1]):
        channel = min(panel * width, outputs - width)
        for row in range(blocks * len(rows)):
            copy(bias, channel, sums, row * width, width)
        for k in range(0, inputs, TERMS):
            at, terms = (panel * inputs + k) * width, min(TERMS, inputs - k)
            for block in range(blocks):
                add_block(
                    numbers, min(block * len(rows), count - len(rows)) * inputs + k, inputs, ONE,
                    weights, at, width, terms, at + terms * width + terms * width * block // blocks, width // blocks,
                    sums, block * size, width, rows, vectors,
                )  # fmt: skip
        for block in range(blocks):
            for i in range(len(rows)):
                row = min(block * len(rows), count - len(rows)) + i
                copy(sums, block * size + i * width, results, row * outputs + channel, width)
