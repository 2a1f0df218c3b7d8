"""The calls of a forward pass, made ready where the weights stay as they are (`nn.compiled`).

    convolution     by Winograd's way: its weights are transformed once, which at each pass may take longer than is
                    saved, and laid out in the order in which they are used (`winograd_few_tiles`, `panel_products`)
    relu            after such a convolution: taken as the outputs are written
    linear          of several images: its weights are laid out in the order in which they are used
                    of one image, where to read the weights is all the work: large ones are kept in three bytes each
                    (`weights_in_24_bits`), or all in two, as float16, where that is asked for
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
from nn.backend.cpu import winograd, winograd_few_tiles
from nn.backend.cpu.convolution import convolve, without_patches
from nn.backend.cpu.dense import LARGE_BYTES, contiguous_bias, linear
from nn.backend.cpu.elementwise import relu, sigmoid
from nn.backend.cpu.panel_products import FEWEST_ROWS, large_product_fast, lay_out, panels_of
from nn.backend.cpu.pooling import largest, max_pool, sum_pool
from nn.backend.cpu.simd import VECTOR_BYTES, knows_half
from nn.backend.cpu.small_batch_matmul import one_row_product_fast
from nn.backend.cpu.weights_in_24_bits import in_24_bits, one_row_product
from nn.backend.runtime.sequence import in_sequence, note
from nn.backend.runtime.workspace import aligned


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
            fast = None if half else _linear_in_24_bits(*arguments)
            if fast:
                ready.append((fast, None))
                continue
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


def _linear_in_24_bits(x, weight, bias, y) -> Callable[[], None] | None:
    """Of large weights and one image; None where the weights stay as they are."""
    bits = in_24_bits(weight) if len(x) == 1 and weight.nbytes >= LARGE_BYTES else None
    return bits and partial(one_row_product, x, *bits, contiguous_bias(bias, y), y)


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
    arguments = x, weight, bias, stride[0], padding[0], groups, y
    fast = winograd_few_tiles.made_ready(*arguments, rectify)
    if fast is None:
        if not winograd.is_faster(*way):
            return None
        blocks = winograd.in_blocks(weight, stride[0])
        g, panels = winograd.tiles_for(blocks, y.shape).g, panels_of(blocks, groups)
        u, _ = winograd.transform_weight(blocks, panels, g, lambda _, shape, like: aligned(shape, like))
        fast = partial(winograd.convolve, *arguments, u, rectify)

    def run() -> None:
        if not fast():  # the numbers are too large for it
            convolve(x, weight, bias, stride, padding, groups, y)
            if rectify:
                relu(y, y)

    return run
