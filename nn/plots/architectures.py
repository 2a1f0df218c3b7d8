"""A network's architecture as the papers draw it: LeNet-5's Figure 2, AlexNet's Figure 2."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from nn.network import Network
from nn.plots.blocks import Block, read_blocks
from nn.plots.oblique import Box, body_size, draw_box, draw_fan, draw_rays, draw_window
from nn.plots.style import DPI, GREY, picture

# Pixels.
PAGE, MARGIN = 1320, 32
TALLEST, TALLEST_TOWERS, TALLEST_BAR = 210, 385, 270  # the largest image or map, all towers together, vector
BAR = 11  # a vector's thickness
GAP, TOWER_GAP, TEXT_GAP = 30, 12, 13  # at least between blocks, towers and texts
LINE = 15  # of a caption
SHORTEST = 1.2  # of a block's maps, however few
LONGEST = np.linspace(95, 30, 40)  # of the block of most maps: the first that lets everything fit the page
THICKEST, WIDEST_GAP = 12, 130  # one map; what is left of the page is shared out between blocks up to this
VOLUME_SIZE, PARTS_SIZE, NAME_SIZE, CAPTION_SIZE = 8.5, 7.5, 8.5, 8  # points

# Where in the image the number sits whose window is drawn: (row, column) as shares, in turns from block to block.
PLACES = ((0.34, 0.22), (0.66, 0.22))


def architecture(path: str | Path, network: Network, image_shape: Sequence[int] | None = None, title: str = "") -> None:
    """Draw a network as a row of blocks in perspective, with what one number of each sees of the block before.

    Above each block stands its volume, height x width x maps; below, the layer that made it and what follows without
    changing the volume. Lengths are to scale, on the scales that the foot of the figure names. A convolution of two
    groups makes two towers, as in AlexNet's paper. image_shape: if the network was made for no particular one.
    """
    blocks = read_blocks(network, image_shape)
    plan = _plan(blocks)
    if not title:
        count = network.multiply_adds(image_shape)
        title = f"{network.name}: {network.num_parameters:,} parameters, {count:,} multiply-adds"
    tops = max(top for _, top in (_extent(plan, index) for index in range(len(blocks))))
    below = -min(bottom for bottom, _ in (_extent(plan, index) for index in range(len(blocks))))
    captions = LINE * (1 + max(len(block.caption) for block in blocks))
    height = 58 + 2 * LINE + tops + below + 16 + captions + 46 + LINE
    middle = height - 58 - 2 * LINE - tops
    with picture(path, plan.page / DPI, height / DPI, layout=None) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, plan.page), ylim=(-middle, height - middle))
        axes.axis("off")
        axes.text(MARGIN, height - middle - 22, title, fontsize=12, weight="bold", va="top")
        axes.text(MARGIN, -middle + 16, _foot(plan), fontsize=8, color=GREY, va="bottom")
        _draw_blocks(axes, plan)
        for index in range(len(blocks)):
            _write(axes, plan, index, -below - 16)


@dataclass
class _Plan:
    """Where everything stands: boxes[i] are block i's towers, upper first; heights are counted from the middle."""

    blocks: list[Block]
    boxes: list[list[Box]]
    page: float
    words: str  # what the scales are

    def centre(self, index: int) -> float:
        first = self.boxes[index][0]
        return first.x + body_size(first.length, first.height, first.width)[0] / 2


def _plan(blocks: list[Block]) -> _Plan:
    """Choose the scales, then put the blocks side by side, as close as the texts allow, and share out what is left."""
    maps = [block for block in blocks if not block.flat]
    side, side_word = _scale([length for block in maps for length in block.shape[:2]], 12)
    count, count_word = _scale([block.shape[2] // block.towers for block in maps], 24)
    unit, unit_word = _scale([block.shape[-1] for block in blocks if block.flat], 12)
    pixels = _pixels_a_side(maps, side)
    bar_pixels = TALLEST_BAR / max((unit(block.shape[-1]) for block in blocks if block.flat), default=1)
    bar_pixels = min(bar_pixels, 6.0 if unit(4) == 4 else 16.0)  # ten units alone make no tower

    def sizes(map_pixels: float) -> list[tuple[float, float, float]]:
        return [
            (BAR, bar_pixels * unit(block.shape[-1]), BAR)
            if block.flat
            else (
                max(SHORTEST, map_pixels * count(block.shape[2] // block.towers)),
                pixels * side(block.shape[0]),
                pixels * side(block.shape[1]),
            )
            for block in blocks
        ]

    # As long as the page allows, but not longer than is needed to see the maps.
    most = max((count(block.shape[2] // block.towers) for block in maps), default=1)
    for longest in LONGEST:
        lengths = sizes(min(THICKEST, longest / most))
        lefts, end = _side_by_side(blocks, lengths)
        if end <= PAGE - MARGIN:
            break
    page = max(PAGE, math.ceil(end + MARGIN))
    spare = min(WIDEST_GAP, (page - MARGIN - end) / max(1, len(blocks) - 1))
    lefts = [left + index * spare for index, left in enumerate(lefts)]
    boxes = [_towers(block, left, *size) for block, left, size in zip(blocks, lefts, lengths)]
    words = [f"heights and widths {side_word}", f"numbers of maps {count_word}"] if maps else []
    words += [f"units of a vector {unit_word}"] if any(block.flat for block in blocks) else []
    return _Plan(blocks, boxes, page, f"Each kind of length has its own scale: {', '.join(words)}.")


def _scale(values: Sequence[int], most: float) -> tuple[Callable[[int], float], str]:
    """Lengths as they are if the largest is at most so many times the smallest, else their square roots."""
    if not values or max(values) <= most * min(values):
        return float, "linear"
    return math.sqrt, "as square roots"


def _pixels_a_side(maps: list[Block], side: Callable[[int], float]) -> float:
    """Pixels for one unit of height or width, so that the tallest block and the tallest towers fit."""
    pixels = math.inf
    for block in maps:
        tall, wide = side(block.shape[0]), side(block.shape[1])
        pixels = min(pixels, TALLEST / max(tall, wide))
        room = TALLEST_TOWERS - TOWER_GAP * (block.towers - 1)
        pixels = min(pixels, room / (block.towers * body_size(0, tall, wide)[1]))
    return pixels


def _side_by_side(blocks: list[Block], sizes: list[tuple[float, float, float]]) -> tuple[list[float], float]:
    """Each block's left end, and where the last block or its text ends."""
    lefts: list[float] = []
    body_end = text_end = 0.0
    for index, (block, size) in enumerate(zip(blocks, sizes)):
        body, text = body_size(*size)[0], _text_width(block)
        left = body_end + GAP if index else MARGIN
        middle = max(left + body / 2, text_end + (TEXT_GAP if index else MARGIN) + text / 2)
        lefts.append(middle - body / 2)
        body_end, text_end = middle + body / 2, middle + text / 2
    return lefts, max(body_end, text_end)


def _towers(block: Block, left: float, length: float, height: float, width: float) -> list[Box]:
    """The block's boxes, one above the other around the middle, the upper one first."""
    tall = body_size(length, height, width)[1]
    total = block.towers * tall + (block.towers - 1) * TOWER_GAP
    bottoms = [total / 2 - tall - tower * (tall + TOWER_GAP) for tower in range(block.towers)]
    return [Box(left, bottom, length, height, width) for bottom in bottoms]


def _extent(plan: _Plan, index: int) -> tuple[float, float]:
    """A block's lowest and highest point."""
    upper, lower = plan.boxes[index][0], plan.boxes[index][-1]
    return lower.y, upper.y + body_size(upper.length, upper.height, upper.width)[1]


def _draw_blocks(axes: Axes, plan: _Plan) -> None:
    for block, boxes in zip(plan.blocks, plan.boxes):
        for box in boxes:
            draw_box(axes, box, block.kind, 0 if block.flat else block.shape[2] // block.towers)
    for index in range(1, len(plan.blocks)):
        before, block = plan.blocks[index - 1], plan.blocks[index]
        if block.window is None or before.flat:
            for box in plan.boxes[index - 1]:
                draw_fan(axes, box, plan.boxes[index][0])
        else:
            _draw_windows(axes, plan, index, PLACES[index % 2])


def _draw_windows(axes: Axes, plan: _Plan, index: int, place: tuple[float, float]) -> None:
    """In each tower, what one number sees: of its own half, or of all there is."""
    before, block = plan.blocks[index - 1], plan.blocks[index]
    window = tuple(min(1.0, length / side) for length, side in zip(block.window, before.shape))
    own_half = before.towers == block.towers and (block.kind == "pooling" or block.groups == block.towers)
    # Of the maps in each box: all, or one group's share if the groups are too many to be drawn apart.
    depth = 0 if block.kind == "pooling" else min(1, before.towers / block.groups) if block.groups > 1 else 1
    for box in plan.boxes[index - 1]:
        draw_window(axes, box, window, place, depth)
    for tower, target in enumerate(plan.boxes[index]):
        for source, box in enumerate(plan.boxes[index - 1]):
            if source == tower or not own_half:
                draw_rays(axes, box, window, place if not block.flat else (0.5, 0.5), target)


def _write(axes: Axes, plan: _Plan, index: int, top: float) -> None:
    """The volume above the block, the operation below all of them."""
    block, x = plan.blocks[index], plan.centre(index)
    highest = _extent(plan, index)[1]
    halves = _halves(block)
    # On white, above all lines: those to a vector may pass behind.
    above = {"ha": "center", "va": "bottom", "zorder": 8, "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 0}}
    if halves:
        axes.text(x, highest + 5, halves, fontsize=PARTS_SIZE, color=GREY, **above)
    axes.text(x, highest + (20 if halves else 5), block.volume, fontsize=VOLUME_SIZE, **above)
    axes.text(x, top, block.name, fontsize=NAME_SIZE, weight="bold", ha="center", va="top")
    for line, text in enumerate(block.caption, start=1):
        axes.text(x, top - LINE * line, text, fontsize=CAPTION_SIZE, ha="center", va="top")


def _foot(plan: _Plan) -> str:
    windows = any(block.window is not None for block in plan.blocks)
    return plan.words + ("\nOrange: what one number sees of the block before." if windows else "")


def _halves(block: Block) -> str:
    """Such as "48 + 48", the maps of each tower."""
    return "" if block.towers == 1 else " + ".join([str(block.shape[2] // block.towers)] * block.towers)


def _text_width(block: Block) -> float:
    """Pixels that the widest text above or below a block takes."""
    texts = [(block.volume, VOLUME_SIZE, "normal"), (_halves(block), PARTS_SIZE, "normal")]
    texts += [(block.name, NAME_SIZE, "bold")] + [(line, CAPTION_SIZE, "normal") for line in block.caption]
    return max(_measure(*text) for text in texts if text[0])


@cache
def _measure(text: str, size: float, weight: str) -> float:
    font = FontProperties(family="DejaVu Sans", weight=weight)
    return TextPath((0, 0), text, size=size, prop=font).get_extents().width * DPI / 72
