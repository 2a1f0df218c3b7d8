"""The calls of a forward pass, made ready where the weights stay as they are (`nn.compiled`).

    convolution     by Winograd's way: its weights are transformed once; for few images, where to do so at each pass
                    would take longer than is saved, they are also laid out in the order in which they are used
    relu            after such a convolution: taken as the outputs are written
    linear          of several images: its weights are laid out in the order in which they are used
                    of one image, where that is asked for: its weights are rounded to float16. To read them is all the
                    work, and these are half as many bytes
    max_pool        the numbers alone, not where they were

Small loops that follow one another are called without Python between them (`nn.backend.runtime.sequence`).

Sources: as in `winograd`; float16 is binary16 of IEEE 754-2008, section 3.6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby

import numpy as np

from nn.backend import Call
from nn.backend.cpu import winograd
from nn.backend.cpu.convolution import convolve, without_patches
from nn.backend.cpu.dense import LARGE_BYTES, contiguous_bias, linear
from nn.backend.cpu.elementwise import relu, sigmoid
from nn.backend.cpu.panel_products import FEWEST_ROWS, large_product_fast, lay_out, panels_of
from nn.backend.cpu.pooling import largest, max_pool, sum_pool
from nn.backend.cpu.simd import (
    ONE,
    VECTOR_BYTES,
    ZERO,
    add_scaled,
    clear,
    copy,
    flat,
    knows_half,
    lanes_of,
    prefetch,
    zeros,
)
from nn.backend.cpu.small_batch_matmul import one_row_product_fast
from nn.backend.cpu.winograd_tiles import gather_tiles_fast, scatter_tiles_fast
from nn.backend.runtime.jit import compiled_loop
from nn.backend.runtime.pool import in_parts
from nn.backend.runtime.sequence import in_sequence, note
from nn.backend.runtime.tasks import share_out

ROWS = 8  # tiles at a time: all of a 13x13 image are twice as many
TERMS = 32  # input channels at a time


def prepared(calls: Sequence[Call], half: bool) -> list[Callable[[], None]]:
    """Functions that do what the calls did, to be called again and again, with other numbers in the first's array.

    half: whether the weights of a fully connected layer are rounded to float16. Raises ValueError where they cannot be.
    """
    ready: list[tuple[Callable[[], None], np.ndarray | None]] = []  # and the loop that it is, if it is a small one
    calls = list(calls)
    while calls:
        function, arguments = calls.pop(0)
        if function is convolve:
            y = arguments[-1]
            rectify = bool(calls) and calls[0][0] is relu and calls[0][1][0] is calls[0][1][1] is y
            fast = _convolution(*arguments, rectify)
            if fast:
                ready.append((fast, None))
                if rectify:
                    calls.pop(0)
                continue
            loop = without_patches(*arguments)
        elif function is linear:
            loop = (_linear_in_half if half else _linear)(*arguments)
        elif function is max_pool:
            loop = partial(largest, *arguments[:-1])
        else:
            loop = partial(function, *arguments) if function in (relu, sigmoid, sum_pool) else None
        ready.append((loop, note(loop)) if loop else (partial(function, *arguments), None))
    together = groupby(ready, lambda pair: pair[1] is not None)
    return [call for are_loops, some in together for call in _together(are_loops, *zip(*some, strict=True))]


def _together(are_loops: bool, calls, loops) -> list[Callable[[], None]]:
    if not are_loops:
        return list(calls)
    run = in_sequence(loops)

    def again() -> None:
        if not run():  # memory ran out; the calls, which are also what keeps the arrays, raise that
            for call in calls:
                call()

    return [again]


def _linear(x, weight, bias, y) -> Callable[[], None]:
    """Of large weights and several images, with the weights laid out, which takes as much memory again."""
    if len(x) == 1 and weight.flags.c_contiguous:
        return partial(one_row_product_fast, x, weight, contiguous_bias(bias, y), y)
    if len(x) < FEWEST_ROWS or weight.nbytes < LARGE_BYTES or y.shape[1] * y.itemsize < VECTOR_BYTES:
        return partial(linear, x, weight, bias, y)
    return partial(large_product_fast, x, lay_out(weight), contiguous_bias(bias, y), y)


def _linear_in_half(x, weight, bias, y) -> Callable[[], None]:
    """y = x w + bias, with each weight w off by 2^-11 of itself at most; the products are added as ever."""
    most = float(np.finfo(np.float16).max)
    if len(x) > 1:
        raise ValueError(f"half=True is for a single image, where it saves time, got {len(x)} images; leave it out")
    if not knows_half():
        raise ValueError("half=True needs instructions for float16, which this processor does not have; leave it out")
    if not np.abs(weight).max() <= most:
        raise ValueError(f"half=True needs weights up to {most:.0f}, and there is a larger one or a NaN; leave it out")
    bits = np.ascontiguousarray(weight, np.float16).view(np.uint16)
    return partial(one_row_product_fast, x, bits, contiguous_bias(bias, y), y)


def _convolution(x, weight, bias, stride, padding, groups, y, rectify) -> Callable[[], None] | None:
    """By Winograd's way, with the weights transformed here; None where another way is taken. rectify: then `relu`."""
    way = weight, stride, padding, groups, y.shape
    if not winograd.is_faster(*way, transformed=True) or not winograd.fits(weight):
        return None
    many = winograd.is_faster(*way)  # tiles
    # Of few tiles, to read U takes as long as to multiply: not 7x7 values where 6x6 do for one and a third of the work.
    blocks = winograd.in_blocks(weight, stride[0])
    tiles = winograd.tiles_for(blocks, y.shape, tuple(winograd.POINTS) if many else (6, 8))
    panels = panels_of(blocks, groups) if many else panels_of(blocks, groups, 1)
    u, _ = winograd.transform_weight(blocks, panels, tiles.g, lambda _, shape, like: np.empty_like(like, shape=shape))
    if many:
        fast = partial(winograd.convolve, x, weight, bias, stride[0], padding[0], groups, y, u, rectify)
    elif weight.shape[3] % (groups * VECTOR_BYTES // x.itemsize):
        return None
    else:
        fast = _of_few_tiles(x, u, tiles, contiguous_bias(bias, y), padding[0], groups, y, rectify)

    def run() -> None:
        if not fast():  # the numbers are too large for it
            convolve(x, weight, bias, stride, padding, groups, y)
            if rectify:
                relu(y, y)

    return run


def _of_few_tiles(x, u, tiles, bias, padding, groups, y, rectify) -> Callable[[], bool]:
    """y = A^T P A for all tiles, with P = V U and V = B^T x B, as `winograd` has it; in memory of its own."""
    n, lines = len(tiles.g), len(x) * tiles.grid[0]
    count = lines * tiles.grid[1]
    v = np.zeros((n, n, -(-count // ROWS) * ROWS, x.shape[3]), x.dtype)
    product = np.empty((n, n, count, y.shape[3]), x.dtype)
    rows = (None,) * ROWS

    def fast() -> bool:
        if not winograd.fits(x):
            return False
        part = in_parts(lines, v.size)
        gather_tiles_fast(x, tiles.b_transposed, tiles.outputs, padding, tiles.grid, v, 0, part)
        _multiply(in_parts(u.shape[0] * u.shape[1], u.size), v, u, groups, product, rows)
        scatter_tiles_fast(product, tiles.a, tiles.grid, y, 0, bias, in_parts(lines, product.size), 0, rectify)
        return True

    return fast


@compiled_loop
def _multiply(part, v, u, groups, product, rows):
    """P = V U. v (n, n, tiles or more, C_in), u (n^2, C_out/lanes, C_in/groups, lanes), product (n, n, tiles, C_out)"""
    if share_out(part):
        return
    _, vectors, inputs, _ = u.shape
    _, _, tiles, outputs = product.shape
    _, _, room, channels = v.shape
    lanes, passes = lanes_of(v), -(-tiles // len(rows))
    numbers, weights, results, sums = flat(v), flat(u), flat(product), zeros(len(rows) * lanes, v)
    for unit in range(part[0], part[1]):
        value, vector = unit // vectors, unit % vectors
        first = vector * groups // vectors * inputs  # of the input channels of the vector's group
        for t in range(0, tiles, len(rows)):
            clear(sums, 0, len(sums))
            for k in range(0, inputs, TERMS):
                terms = min(TERMS, inputs - k)
                # The weights that come next are fetched from memory meanwhile, some of them in each pass over these.
                ahead = ((unit + 1) * inputs + (t // len(rows) * inputs + k) // passes) * lanes
                for line in range(-(-terms // passes)):
                    prefetch(weights, ahead + line * lanes)
                add_scaled(
                    numbers, (value * room + t) * channels + first + k, channels, ZERO, ONE,
                    weights, (unit * inputs + k) * lanes, ZERO, lanes, ONE, terms, sums, ZERO, rows,
                )  # fmt: skip
            for i in range(min(len(rows), tiles - t)):
                copy(sums, i * lanes, results, (value * tiles + t + i) * outputs + vector * lanes, lanes)
