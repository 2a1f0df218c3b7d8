"""Winograd's convolution of the few tiles that an image has, by weights that stay as they are.

`winograd` has the formulas. It takes some tiles from beginning to end, and all weights pass by for them; but where
tiles are few, the weights are most of what is read. So here a thread takes some output channels from beginning to end,
a panel of weights (`panel_products`) for all tiles: P = V U, and y = A^T P A while P is in its own cache. Each weight
is read once, in the order in which they lie, and the next come from memory while these are multiplied.

Larger tiles take fewer products, but there are n^2 transformed weights for each pair of channels. The size is the one
for which both together take least: for one image of 13x13 pixels it is 5, for three or more 7.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from nn.backend.cpu import winograd
from nn.backend.cpu.dense import contiguous_bias
from nn.backend.cpu.elementwise import refuse_large
from nn.backend.cpu.panel_products import VECTORS, panels_of, rows_of, sum_block
from nn.backend.cpu.simd import CHOICES, ONE, ZERO, flat, zeros
from nn.backend.cpu.winograd_tiles import by_sums, gather_tiles_fast, transform, write_row
from nn.backend.runtime.jit import compiled_loop
from nn.backend.runtime.pool import in_parts
from nn.backend.runtime.tasks import share_out
from nn.backend.runtime.threads import num_threads
from nn.backend.runtime.workspace import aligned

READING = 16  # tiles whose products take as long as to read a weight from memory
MOST_BYTES = 800 << 10  # of P of a panel, for each thread: most of a core's own cache
MANY_PANELS = 4  # for each thread; where there are fewer, they are narrower
ROWS = (*CHOICES, 13) if VECTORS > 1 else (5, *CHOICES)  # 25 tiles are two times 13, or five times 5


def made_ready(x, weight, bias, stride, padding, groups, y, rectify, scratch) -> list[Callable[[], None]]:
    """The loops that one after the other convolve the numbers that x has then, by the weights as they are now. The
    first raises OverflowError where numbers are too large (`winograd.fits`) or NaN. An empty list where
    `winograd.convolve` is faster.

    scratch: memory that outlives this call, as the loops write to it; they may share it with those of other layers."""
    weight = winograd.in_blocks(weight, stride)
    tiles = winograd.tiles_for(weight, y.shape, READING)
    vectors = VECTORS if len(panels_of(weight, groups)) >= MANY_PANELS * num_threads() else 1
    panels = panels_of(weight, groups, vectors)
    n, grid, width = len(tiles.g), tiles.grid, panels[0].stop - panels[0].start
    most = MOST_BYTES // tiles.bytes_of(width, y.itemsize)  # images at a time
    if most < len(x) and (most == 0 or n * n * weight[0, 0].nbytes < winograd.CACHED_WEIGHTS):
        return []
    images = -(-len(x) // -(-len(x) // most))
    count = max(images * tiles.count, min(ROWS))

    laid_out = aligned((len(panels), n * n, weight.shape[2], width), weight)  # U, one panel after the other
    winograd.transform_weight(weight, panels, tiles.g, lambda *_, like: laid_out.swapaxes(0, 1))
    lines, firsts = images * grid[0], np.array([panel.start for panel in panels])
    backwards = *by_sums(tiles.a.tobytes(), tiles.a.shape, x.dtype), tiles.outputs
    bias, options = contiguous_bias(bias, y), (rectify, rows_of(count, ROWS), (None,) * vectors)

    v = scratch("v", (groups * n, n, count, weight.shape[2]), like=x)

    def gather(some) -> None:
        part = in_parts(groups * lines, v.size)
        gather_tiles_fast(x[some], tiles.b_transposed, tiles.outputs, padding, grid, v, 0, part, 0, stride)

    def multiply_and_scatter(some) -> None:
        part = in_parts(len(panels), laid_out.size)
        _multiply_and_scatter(part, v, laid_out, firsts, groups, *backwards, grid, bias, y[some], *options)

    loops = [partial(refuse_large, x, winograd.too_large(x.dtype))]
    for start in range(0, len(x), images):
        first = min(start, len(x) - images)  # the last overlap those before them
        some = slice(first, first + images)
        loops += [partial(gather, some), partial(multiply_and_scatter, some)]
    return loops


@compiled_loop
def _multiply_and_scatter(
    part, v, weight, firsts, groups, order, factors, pairs, size, grid, bias, y, rectify, rows, vectors
):
    """y = A^T P A + bias for some panels, with P = V U. v (groups * n, n, tiles or more, C_in/groups), weight (panels,
    n^2, C_in/groups, width), y (N, OH, OW, C_out)."""
    if share_out(part):
        return
    panels, values, inputs, width = weight.shape
    _, n, tiles, _ = v.shape
    images, height, across, depth = y.shape
    block, passes = inputs * width, -(-tiles // len(rows))
    length = tiles * width  # of all tiles at one place
    span = size * length
    numbers, weights, pixels = flat(v), flat(weight), flat(y)
    products, lines, transformed = zeros(values * length, v), zeros(n * span, v), zeros(size * span, v)
    for panel in range(part[0], part[1]):
        first = firsts[panel]
        group = first // (depth // groups)
        for value in range(values):
            at = (panel * values + value) * block
            for i in range(passes):
                tile = min(i * len(rows), tiles - len(rows))  # the last overlap those before them
                sum_block(
                    numbers, ((group * values + value) * tiles + tile) * inputs, inputs, ONE,
                    weights, at, width, inputs, at + block + block * i // passes, width // passes,
                    products, value * length + tile * width, width, rows, vectors,
                )  # fmt: skip
        for i in range(n):
            here = i * n * length
            transform(factors, pairs, True, products, here, order, length, lines, i * span, length, length)
        transform(factors, pairs, True, lines, ZERO, order, span, transformed, ZERO, span, span)
        for line in range(images * grid[0]):
            image, a = line // grid[0], line % grid[0]
            for k in range(min(size, height - a * size)):
                pixel = (image * height + a * size + k) * across * depth + first
                at = k * span + line * grid[1] * width
                write_row(transformed, at, length, size, width, bias, first, pixels, pixel, y, rectify)
