"""Tiles seen in another basis: the array loops behind `winograd`, which explains what they are for.

A tile is a square of size x size pixels; `matrix` (n, size) transforms its rows and its columns, channel by channel:

    gather_tiles     tiles[i, j] = sum over k, l of  matrix[i, k] * matrix[j, l] * pixel[k, l]
    scatter_tiles    pixel[k, l] += sum over i, j of  matrix[i, k] * matrix[j, l] * tiles[i, j]

Tile (a, b) begins at pixel (a * step - padding, b * step - padding), so tiles overlap where size > step. gather reads
0 outside the image and scatter drops what falls there: each is the transpose of the other. With the unit matrix,
gather is im2col and scatter is col2im.

Arrays here: x (N, H, W, C); tiles (n, n, T, C), of which these images' tiles, grid[0] * grid[1] each, are those from
number `first` on. n and size are at most TERMS.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from nn.backend.cpu.simd import ZERO, add, clear, copy, flat, zeros
from nn.backend.runtime.jit import compiled_loop, part_of_a_loop
from nn.backend.runtime.tasks import share_out

TERMS = 8
STRIP = 512  # numbers of each place: all together stay in the processor's nearest cache while they are read n times


def gather_tiles_plain(x, matrix, step, padding, grid, tiles, first):
    """Write the tiles of x, transformed by `matrix`, to `tiles`."""
    n, size = matrix.shape
    matrix = np.asarray(matrix, dtype=x.dtype, like=x)
    framed = _frame(x, size, step, padding, grid)
    pixels = [
        [framed[:, rows, columns] for columns in _each(size, step, grid[1])] for rows in _each(size, step, grid[0])
    ]
    transformed = np.einsum("ik,jl,klnabc->ijnabc", matrix, matrix, np.stack([np.stack(row) for row in pixels]))
    tiles[:, :, first : first + len(x) * grid[0] * grid[1]] = transformed.reshape(n, n, -1, x.shape[3])


def scatter_tiles_plain(tiles, matrix, step, padding, grid, x, first):
    """Add the tiles, transformed by the transpose of `matrix`, to the pixels of x that they lie on."""
    n, size = matrix.shape
    matrix = np.asarray(matrix, dtype=x.dtype, like=x)
    transformed = tiles[:, :, first : first + len(x) * grid[0] * grid[1]].reshape(n, n, len(x), *grid, x.shape[3])
    pixels = np.einsum("ik,jl,ijnabc->klnabc", matrix, matrix, transformed)
    framed = np.zeros_like(_frame(x, size, step, padding, grid))
    for k, rows in enumerate(_each(size, step, grid[0])):
        for l, columns in enumerate(_each(size, step, grid[1])):  # noqa: E741 (the formula's name)
            framed[:, rows, columns] += pixels[k, l]
    x += framed[:, padding : padding + x.shape[1], padding : padding + x.shape[2]]


def _frame(x, size, step, padding, grid):
    """x with zeros around it: `padding` before, and after it as many as the last tiles need."""
    after = [
        max(0, (count - 1) * step + size - padding - length) for count, length in zip(grid, x.shape[1:3], strict=True)
    ]
    return np.pad(x, ((0, 0), (padding, after[0]), (padding, after[1]), (0, 0)))


def _each(size, step, count):
    """For every place in a tile: where the pixels at that place are, in all tiles of a row or column."""
    return [slice(place, place + (count - 1) * step + 1, step) for place in range(size)]


def gather_tiles_fast(x, matrix, step, padding, grid, tiles, first, part=None):
    """The same, a row of tiles at a time: first the rows, then the columns.

    part: None for this thread alone, or what `in_parts` makes of len(x) * grid[0] rows of tiles.
    """
    size = matrix.shape[1]
    across, columns = _new_order(x.shape[2], size, step, padding, grid[1])
    part = part or (0, len(x) * grid[0], 0)
    _gather(part, x, _factors(matrix, x), size, _one_by_one(size), columns, across, step, padding, grid, tiles, first)


def scatter_tiles_fast(tiles, matrix, step, padding, grid, x, first, part=None):
    """The same, a row of tiles at a time: first the columns, then the rows. part: as above, but only where tiles do not
    overlap, size = step."""
    n, size = matrix.shape
    across, columns = _new_order(x.shape[2], size, step, padding, grid[1])
    part = part or (0, len(x) * grid[0], 0)
    _scatter(part, tiles, _factors(matrix.T, x), n, _one_by_one(n), columns, across, step, padding, grid, x, first)


# Both work on a row of tiles at a time, in which the pixels lie in another order: first, of all tiles, those at the
# tile's first column, then those at its second ... (the columns beyond `step` are also a neighbour's first ones).
# So what happens to one tile happens to all tiles of the row in one long loop. `columns`: where the first tile's
# columns are in this order, in pixels; `rows`: 0, 1, ..., as rows lie one after the other.


@cache
def _new_order(width, size, step, padding, tiles):
    """How many pixels lie at the same column of a tile, and at which places the columns of the row's first tile are."""
    across = max(tiles + (size - 1) // step, (width + padding - 1) // step + 1)
    columns = _one_by_one(size)
    return across, columns % step * across + columns // step


@cache
def _one_by_one(count):
    """0, 1, ..., count - 1, and the last again up to TERMS places: what is read there is not wanted."""
    return np.minimum(np.arange(TERMS), count - 1)


def _factors(matrix, x):
    """The rows of the matrix in x's dtype, each filled up with zeros to TERMS."""
    factors = np.zeros((len(matrix), TERMS), x.dtype)
    factors[:, : matrix.shape[1]] = matrix
    return factors


@part_of_a_loop
def _combine(factors, row, source, start, places, unit, target, at, length):
    """target[at + i] = sum over k of  factors[row, k] * source[start + places[k] * unit + i],  for i < length.

    One expression for all terms, so that every element is written just once; what is not wanted has the factor 0.
    All arrays are one-dimensional and all counters unsigned: `nn.backend.cpu.im2col` says why.
    """
    f0, f1, f2, f3 = factors[row, 0], factors[row, 1], factors[row, 2], factors[row, 3]
    f4, f5, f6, f7 = factors[row, 4], factors[row, 5], factors[row, 6], factors[row, 7]
    s0, s1 = np.uint64(start + places[0] * unit), np.uint64(start + places[1] * unit)
    s2, s3 = np.uint64(start + places[2] * unit), np.uint64(start + places[3] * unit)
    s4, s5 = np.uint64(start + places[4] * unit), np.uint64(start + places[5] * unit)
    s6, s7 = np.uint64(start + places[6] * unit), np.uint64(start + places[7] * unit)
    at = np.uint64(at)
    for i in range(np.uint64(length)):
        target[at + i] = (f0 * source[s0 + i] + f1 * source[s1 + i] + f2 * source[s2 + i] + f3 * source[s3 + i]) + (
            f4 * source[s4 + i] + f5 * source[s5 + i] + f6 * source[s6 + i] + f7 * source[s7 + i]
        )


@part_of_a_loop
def _transform(factors, source, start, places, unit, target, at, apart, length):
    """_combine for every row of the factors; the results lie `apart` from each other."""
    for strip in range(0, length, STRIP):
        for row in range(len(factors)):
            _combine(
                factors, row, source, start + strip, places, unit, target, at + row * apart + strip,
                min(STRIP, length - strip),
            )  # fmt: skip


@compiled_loop
def _gather(part, x, factors, size, rows, columns, across, step, padding, grid, tiles, first):
    if share_out(part):
        return
    _, height, width, channels = x.shape
    n = len(factors)
    span = step * across * channels
    frame = zeros(size * span, x)  # the rows of pixels under a row of tiles
    lines = zeros(n * span, x)  # the same, transformed
    pixels, results = flat(x), flat(tiles)
    length = grid[1] * channels
    plane = tiles.shape[2] * channels  # from tiles[i, j] to tiles[i, j + 1]
    for unit in range(part[0], part[1]):
        image, a = unit // grid[0], unit % grid[0]
        at = first * channels + unit * length
        for k in range(size):
            h = a * step + k - padding
            for w in range(width):
                place = k * span + ((w + padding) % step * across + (w + padding) // step) * channels
                if 0 <= h < height:
                    copy(pixels, ((image * height + h) * width + w) * channels, frame, place, channels)
                else:
                    clear(frame, place, channels)
        _transform(factors, frame, ZERO, rows, span, lines, ZERO, span, span)
        for i in range(n):
            _transform(factors, lines, i * span, columns, channels, results, i * n * plane + at, plane, length)


@compiled_loop
def _scatter(part, tiles, factors, n, rows, columns, across, step, padding, grid, x, first):
    if share_out(part):
        return
    _, height, width, channels = x.shape
    size = len(factors)
    span = step * across * channels
    lines = zeros(n * span, x)
    transformed = zeros(size * max(span, grid[1] * channels), x)
    pixels, source = flat(x), flat(tiles)
    length = grid[1] * channels
    plane = tiles.shape[2] * channels
    for unit in range(part[0], part[1]):
        image, a = unit // grid[0], unit % grid[0]
        at = first * channels + unit * length
        if size != step:  # each column of a row of tiles is written once only where they lie edge to edge
            clear(lines, 0, len(lines))
        for i in range(n):
            if size == step:
                _transform(factors, source, i * n * plane + at, rows, plane, lines, i * span, across * channels, length)
                continue
            _transform(factors, source, i * n * plane + at, rows, plane, transformed, ZERO, length, length)
            for k in range(size):
                add(transformed, k * length, lines, i * span + columns[k] * channels, length)
        _transform(factors, lines, ZERO, rows, span, transformed, ZERO, span, span)
        for k in range(size):
            h = a * step + k - padding
            if 0 <= h < height:
                for w in range(width):
                    place = k * span + ((w + padding) % step * across + (w + padding) // step) * channels
                    add(transformed, place, pixels, ((image * height + h) * width + w) * channels, channels)
