"""Arrays as tiles on paper: maps, kernels, vectors and matrices, put side by side in one array of pixels.

Nothing is coloured here. A tile keeps its numbers, and NaN is paper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

# Pixels.
WIDEST, HIGHEST, LARGEST = 1180, 720, 150  # all tiles together, and the longer side of one
GAP, LINE = 6, 18  # between tiles; what a line of text takes
BEST_ASPECT = 2.4  # width to height of all tiles
MOST_UNITS = 10_000
MOST_OUTPUTS, MOST_INPUTS = 128, 512  # of a matrix
MOST_CHANNELS = 16  # of the inputs of a table of kernels


@dataclass
class Mosaic:
    """Numbers by pixel, (height, width) or (height, width, 3), with what is written beside them."""

    values: np.ndarray
    frames: list[tuple[float, float, float, float, bool]] = field(default_factory=list)
    """x, y, width and height of each tile, and whether it is zero throughout."""
    dots: np.ndarray | None = None  # booleans (height, width): a dot in each cell that is zero
    row_labels: list[tuple[float, float, str]] = field(default_factory=list)  # right end x, middle y, text
    column_labels: list[tuple[float, float, str]] = field(default_factory=list)  # middle x, bottom y, text
    caption: str = ""


def maps(array: np.ndarray, limit: int, noun: str = "maps") -> Mosaic:
    """(H, W, C) as one tile per channel; (H, W, C, 3) in colour. Each row begins with the number of its first tile."""
    tiles = np.moveaxis(array, 2, 0)
    shown = tiles[:limit]
    rows, columns, size = _arrange(len(shown), *shown.shape[1:3])
    mosaic = _empty(rows, columns, size, shown.shape[3:])
    labelled = _round_numbers(rows, math.ceil(LINE / (size[0] + GAP)))
    for index, tile in enumerate(shown):
        row, column = divmod(index, columns)
        _put(mosaic, tile, row * (size[0] + GAP), column * (size[1] + GAP), size)
        if column == 0 and rows > 1 and row in labelled:
            mosaic.row_labels.append((-8, row * (size[0] + GAP) + size[0] / 2, str(index)))
    mosaic.caption = how_many(len(shown), len(tiles), noun)
    if rows > 1:
        mosaic.caption += "; beside each row the number of its first"
    return mosaic


def pairs(weight: np.ndarray, limit: int) -> Mosaic:
    """Kernels (KH, KW, C_in, C_out) as a table of tiles: a row for each output, a column for each input.

    A long table is cut into pieces that stand side by side.
    """
    KH, KW, C_in, C_out = weight.shape
    inputs = min(C_in, MOST_CHANNELS, limit)
    outputs = min(C_out, max(1, limit // inputs))
    wide_enough = (n for n in range(1, outputs + 1) if n * inputs >= 1.3 * math.ceil(outputs / n))
    pieces = next(wide_enough, outputs)
    rows = math.ceil(outputs / pieces)
    pieces = math.ceil(outputs / rows)
    between = 40  # pixels between pieces, for the labels
    size = _size(KH, KW, rows, pieces * inputs, (pieces - 1) * between)
    mosaic = _empty(rows, pieces * inputs, size, (), (pieces - 1) * between)
    for output in range(outputs):
        piece, row = divmod(output, rows)
        left, top = piece * (inputs * (size[1] + GAP) + between), row * (size[0] + GAP)
        mosaic.row_labels.append((left - 8, top + size[0] / 2, str(output)))
        for channel in range(inputs):
            x = left + channel * (size[1] + GAP)
            _put(mosaic, weight[:, :, channel, output], top, x, size)
            if row == 0:
                mosaic.column_labels.append((x + size[1] / 2, -7, str(channel)))
    mosaic.caption = (
        f"rows: {how_many(outputs, C_out, 'outputs')}; columns: {how_many(inputs, C_in, 'inputs')} that they see"
    )
    return mosaic


def matrix(weight: np.ndarray) -> Mosaic:
    """Weights (inputs, outputs), a row for each output."""
    shown = weight[:MOST_INPUTS, :MOST_OUTPUTS].T
    width = max(1, min(24, WIDEST // shown.shape[1]))
    height = max(1, min(max(width, 8), HIGHEST // shown.shape[0]))
    values = np.repeat(np.repeat(shown, height, axis=0), width, axis=1)
    mosaic = Mosaic(values, [(0, 0, values.shape[1], values.shape[0], False)])
    for output in _round_numbers(len(shown), math.ceil(LINE / height)):
        mosaic.row_labels.append((-8, (output + 0.5) * height, str(output)))
    for channel in _round_numbers(shown.shape[1], math.ceil(40 / width)):
        mosaic.column_labels.append(((channel + 0.5) * width, -7, str(channel)))
    mosaic.caption = (
        f"rows: {how_many(len(shown), weight.shape[1], 'outputs')}; "
        f"columns: {how_many(shown.shape[1], weight.shape[0], 'inputs')}"
    )
    return mosaic


def cells(vector: np.ndarray) -> Mosaic:
    """(units,) as a grid of cells, in reading order."""
    shown = vector[:MOST_UNITS]
    columns = next(count for count in (100, 50, 20, 10) if count <= max(10, math.sqrt(5 * len(shown))))
    rows = math.ceil(len(shown) / columns)
    side = min(32, WIDEST // columns, HIGHEST // rows)
    grid = np.full(rows * columns, np.nan)
    grid[: len(shown)] = shown
    values = np.repeat(np.repeat(grid.reshape(rows, columns), side, axis=0), side, axis=1)
    if side >= 8:  # a thin line of paper between cells
        values[side - 1 :: side] = values[:, side - 1 :: side] = np.nan
    inner = np.arange(values.shape[0]) % side, np.arange(values.shape[1]) % side
    near = [np.abs(place - (side - 1) // 2) <= (side >= 10) for place in inner]
    mosaic = Mosaic(values, dots=(values == 0) & near[0][:, None] & near[1])
    for row in _round_numbers(rows, math.ceil(LINE / side)):
        mosaic.row_labels.append((-8, (row + 0.5) * side, str(row * columns)))
    mosaic.caption = how_many(len(shown), len(vector), "units") + f", {columns} a row"
    return mosaic


def how_many(shown: int, there: int, noun: str) -> str:
    """Such as "all 96 maps" or "the first 128 of 384 maps"."""
    if there == 1:
        return f"1 {noun.removesuffix('s')}"
    return f"all {there:,} {noun}" if shown == there else f"the first {shown:,} of {there:,} {noun}"


def _round_numbers(count: int, step: int) -> range:
    """0, 5, 10, ... with a step of 1, 2, 5, 10, ... that is at least `step`."""
    power = 10 ** math.floor(math.log10(step))
    return range(0, count, next(int(power * digit) for digit in (1, 2, 5, 10) if power * digit >= step))


def _arrange(count: int, height: int, width: int) -> tuple[int, int, tuple[int, int]]:
    """Rows, columns and a tile's size: tiles nearly as large as possible, in full rows, wide rather than high."""
    choices = []
    for columns in range(1, count + 1):
        rows = math.ceil(count / columns)
        aspect = columns * width / (rows * height)
        choices.append((rows * columns - count, abs(math.log(aspect / BEST_ASPECT)), rows, columns))
    sizes = [_size(height, width, rows, columns) for *_, rows, columns in choices]
    largest = max(sizes)[0]
    *_, rows, columns = min(choice for choice, size in zip(choices, sizes) if size[0] >= 0.65 * largest)
    return rows, columns, _size(height, width, rows, columns)


def _size(height: int, width: int, rows: int, columns: int, taken: int = 0) -> tuple[int, int]:
    """A tile's height and width on paper. A small map's numbers all get the same whole number of pixels."""
    scale = min(
        (WIDEST - taken - GAP * (columns - 1)) / columns / width,
        (HIGHEST - GAP * (rows - 1)) / rows / height,
        LARGEST * (2 if rows * columns < 4 else 1) / max(height, width),
    )
    scale = math.floor(scale) if scale >= 3 else scale
    return max(2, round(scale * height)), max(2, round(scale * width))


def _empty(rows: int, columns: int, size: tuple[int, int], channels: Sequence[int], more: int = 0) -> Mosaic:
    height, width = rows * (size[0] + GAP) - GAP, columns * (size[1] + GAP) - GAP + more
    return Mosaic(np.full((height, width, *channels), np.nan))


def _put(mosaic: Mosaic, tile: np.ndarray, top: int, left: int, size: tuple[int, int]) -> None:
    """Copy a tile, resized, to its place."""
    mosaic.values[top : top + size[0], left : left + size[1]] = _resize(tile, size)
    mosaic.frames.append((left, top, size[1], size[0], not tile.any()))


def _resize(tile: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The tile in so many pixels: each pixel is the mean of the part of the tile that it covers."""
    if size[0] % tile.shape[0] == 0 and size[1] % tile.shape[1] == 0:
        return np.repeat(np.repeat(tile, size[0] // tile.shape[0], axis=0), size[1] // tile.shape[1], axis=1)
    if tile.ndim == 3:
        return np.stack([_resize(tile[..., channel], size) for channel in range(tile.shape[2])], axis=2)
    fine = np.repeat(np.repeat(tile, 4, axis=0), 4, axis=1).astype(np.float32)
    return np.asarray(Image.fromarray(fine).resize(size[::-1], Image.Resampling.BOX))
