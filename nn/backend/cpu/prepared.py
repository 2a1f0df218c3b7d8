"""The calls of a forward pass, made ready where the weights stay as they are (`nn.compiled`).

    convolution     by Winograd's way: its weights are transformed once, which at each pass may take longer than is
                    saved, and laid out in the order in which they are used (`winograd_few_tiles`, `panel_products`)
    relu            after such a convolution: taken as the outputs are written
    linear          of several images: its weights are laid out in the order in which they are used
                    of one image, where to read the weights is all the work: large ones are kept in three bytes each
                    (`weights_in_24_bits`), or all in two, as float16, where that is asked for
    max_pool        the numbers alone, not where they were

Compiled loops that follow one another are called without Python between them (`nn.backend.runtime.sequence`).

Sources: as in `winograd`; float16 is binary16 of IEEE 754-2008, section 3.6.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate, groupby

import numpy as np

from nn.backend import Call
from nn.backend.cpu import winograd, winograd_few_tiles
from nn.backend.cpu.convolution import convolve, without_patches
from nn.backend.cpu.dense import LARGE_BYTES, contiguous_bias, linear
from nn.backend.cpu.elementwise import relu, sigmoid
from nn.backend.cpu.panel_products import FEWEST_ROWS, large_product_fast, lay_out, panels_of
from nn.backend.cpu.pooling import largest, max_pool, sum_pool
from nn.backend.cpu.response_norm import lrn, lrn_loops
from nn.backend.cpu.simd import VECTOR_BYTES, knows_half
from nn.backend.cpu.small_batch_matmul import one_row_product_loops, write_strips
from nn.backend.cpu.weights_in_24_bits import in_24_bits
from nn.backend.runtime.sequence import in_sequence, note
from nn.backend.runtime.workspace import Scratch, aligned

Step = tuple[list[Callable[[], None]], Callable[[], None]]  # compiled loops one after the other, and what else does it


def prepared(calls: Sequence[Call], half: bool) -> list[Callable[[], None]]:
    """Functions that do what the calls did, to be called again and again, with other numbers in the first's array.

    half: whether the weights of a fully connected layer are rounded to float16. Raises ValueError where they cannot be.
    """
    steps, calls, scratch = [], list(calls), Scratch()
    while calls:
        function, arguments = calls.pop(0)
        otherwise = partial(function, *arguments)
        step: Step = [], otherwise
        if function is convolve:
            y = arguments[-1]
            rectify = bool(calls) and calls[0][0] is relu and calls[0][1][0] is calls[0][1][1] is y
            fast = _convolution(*arguments, rectify, scratch)
            if fast:
                step = fast
                if rectify:
                    calls.pop(0)
            else:
                loop = without_patches(*arguments)
                step = [loop] if loop else [], otherwise
        elif function is linear:
            step = (_linear_in_half if half else _linear)(*arguments)
        elif function is lrn:
            step = lrn_loops(*arguments), otherwise
        elif function is max_pool:
            step = [partial(largest, *arguments[:-1])], otherwise
        elif function in (relu, sigmoid, sum_pool):
            step = [otherwise], otherwise
        steps.append((partial(_do, *step), _noted(step[0])))
    together = groupby(steps, lambda step: bool(step[1]))
    return [call for are_noted, some in together for call in _together(are_noted, *zip(*some, strict=True))]


def _do(loops, otherwise) -> None:
    """The loops, where there are any that do for the numbers that the arrays hold."""
    try:
        for loop in loops or [otherwise]:
            loop()
    except OverflowError:
        otherwise()


def _noted(loops) -> list[np.ndarray]:
    """What `sequence` needs to call them; an empty list where it cannot."""
    try:
        rows = [note(loop) for loop in loops]
    except OverflowError:
        return []
    noted = [row for row in rows if row is not None]
    return noted if len(noted) == len(rows) else []


def _together(are_noted: bool, calls, loops) -> list[Callable[[], None]]:
    if not are_noted:
        return list(calls)
    run, ends = in_sequence([row for rows in loops for row in rows]), list(accumulate(map(len, loops)))

    def again() -> None:
        done = run()
        if done < ends[-1]:  # a loop raised
            for call in calls[bisect(ends, done) :]:
                call()

    return [again]


def _linear(x, weight, bias, y) -> Step:
    """Large weights are kept in 24 bits for one image and laid out for several, which takes as much memory again."""
    otherwise, bias = partial(linear, x, weight, bias, y), contiguous_bias(bias, y)
    if len(x) == 1 and weight.flags.c_contiguous:
        bits = in_24_bits(weight) if weight.nbytes >= LARGE_BYTES else None
        weights, scales = (bits[:2], bits[2]) if bits else (weight, None)
        return one_row_product_loops(x, weights, bias, y, scales, in_strips=bits is not None), otherwise
    if len(x) < FEWEST_ROWS or weight.nbytes < LARGE_BYTES or y.shape[1] * y.itemsize < VECTOR_BYTES:
        return [], otherwise
    return [partial(large_product_fast, x, lay_out(weight), bias, y)], otherwise


def _linear_in_half(x, weight, bias, y) -> Step:
    """y = x w + bias, with each weight w off by 2^-11 of itself at most; the products are added as ever."""
    most = float(np.finfo(np.float16).max)
    if len(x) > 1:
        raise ValueError(f"half=True is for a single image, where it saves time, got {len(x)} images; leave it out")
    if not knows_half():
        raise ValueError("half=True needs instructions for float16, which this processor does not have; leave it out")
    if not np.abs(weight).max() <= most:
        raise ValueError(f"half=True needs weights up to {most:.0f}, and there is a larger one or a NaN; leave it out")
    numbers = aligned((weight.size,), np.empty(0, np.float16))
    write_strips(weight, slice(None), weight.shape, numbers)
    loops = one_row_product_loops(x, numbers.view(np.uint16), contiguous_bias(bias, y), y, in_strips=True)
    return loops, partial(linear, x, weight, bias, y)


def _convolution(x, weight, bias, stride, padding, groups, y, rectify, scratch) -> Step | None:
    """By Winograd's way, with the weights transformed here; None where another way is taken. rectify: then `relu`."""
    way = weight, stride, padding, groups, y.shape
    if not winograd.is_faster(*way, transformed=True) or not winograd.fits(weight):
        return None
    arguments = x, weight, bias, stride[0], padding[0], groups, y

    def otherwise() -> None:
        convolve(x, weight, bias, stride, padding, groups, y)
        if rectify:
            relu(y, y)

    loops = winograd_few_tiles.made_ready(*arguments, rectify, scratch)
    if loops:
        return loops, otherwise
    if not winograd.is_faster(*way):
        return None
    blocks = winograd.in_blocks(weight, stride[0])
    g, panels = winograd.tiles_for(blocks, y.shape).g, panels_of(blocks, groups)
    u, _ = winograd.transform_weight(blocks, panels, g, lambda _, shape, like: aligned(shape, like))

    def some_images_at_a_time() -> None:
        if not winograd.convolve(*arguments, u, rectify):  # the numbers are too large for it
            otherwise()

    return [], some_images_at_a_time
