"""Tiles seen in another basis: the array loops behind `winograd`, which explains what they are for.

A tile is a square of size x size pixels; `matrix` (n, size) transforms its rows and its columns, channel by channel:

    gather_tiles     tiles[i, j] = sum over k, l of  matrix[i, k] * matrix[j, l] * pixel[k, l]
    scatter_tiles    pixel[k, l] = sum over i, j of  matrix[i, k] * matrix[j, l] * tiles[i, j]

gather: tile (a, b) begins at pixel (a * step - padding, b * step - padding), so tiles overlap where size > step; what
lies outside the image is 0. scatter: tiles lie edge to edge, the first in the corner; what lies outside the image is
dropped.

Arrays here: x (N, H, W, C); tiles (n, n, T, C), of which these images' tiles, grid[0] * grid[1] each, are those from
number `first` on; the matrix is of float64, whatever the others are. n and size are at most TERMS.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from nn.backend.cpu.simd import ZERO, clear, copy, flat, zeros
from nn.backend.runtime.jit import compiled_loop, part_of_a_loop
from nn.backend.runtime.tasks import share_out

TERMS = 8
SUMS = 3  # pairs of numbers of which sums and differences are taken
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


def scatter_tiles_plain(tiles, matrix, grid, x, first, start):
    """Write to the pixels of x the tiles that lie on them, transformed by the transpose of `matrix`, plus `start`."""
    n, size = matrix.shape
    matrix = np.asarray(matrix, dtype=x.dtype, like=x)
    transformed = tiles[:, :, first : first + len(x) * grid[0] * grid[1]].reshape(n, n, len(x), *grid, x.shape[3])
    pixels = np.einsum("ik,jl,ijnabc->nakblc", matrix, matrix, transformed)
    pixels = pixels.reshape(len(x), grid[0] * size, grid[1] * size, x.shape[3])
    x[...] = pixels[:, : x.shape[1], : x.shape[2]] + start


def _frame(x, size, step, padding, grid):
    """x with zeros around it: `padding` before, and after it as many as the last tiles need."""
    after = [
        max(0, (count - 1) * step + size - padding - length) for count, length in zip(grid, x.shape[1:3], strict=True)
    ]
    return np.pad(x, ((0, 0), (padding, after[0]), (padding, after[1]), (0, 0)))


def _each(size, step, count):
    """For every place in a tile: where the pixels at that place are, in all tiles of a row or column."""
    return [slice(place, place + (count - 1) * step + 1, step) for place in range(size)]


def gather_tiles_fast(x, matrix, step, padding, grid, tiles, first, part=None, channel=0, block=1):
    """The same, a row of tiles at a time: first the rows, then the columns.

    part: None for this thread alone, or what `in_parts` makes of len(x) * grid[0] rows of tiles; where `tiles` has room
    for several groups of channels, (groups * n, n, T, C/groups), of as many for each. channel: the first of those that
    are wanted, where tiles have fewer than x. block: read x as if block x block pixels were one, with block * block * C
    channels; `padding` counts pixels of x.
    """
    size = matrix.shape[1]
    across, columns = _new_order(matrix.tobytes(), matrix.shape, step, grid[1])
    part = part or (0, len(x) * grid[0], 0)
    order, factors, pairs = _by_terms(matrix.tobytes(), matrix.shape, x.dtype)
    _gather(part, x, factors, pairs, size, order, columns, across, step, padding, grid, tiles, first, channel, block)


def scatter_tiles_fast(tiles, matrix, grid, x, first, start, part=None, channel=0, rectify=False):
    """The same, a row of tiles at a time: first the columns, then the rows.

    part, channel: as above. rectify: write 0 instead of what is below 0.
    """
    size = matrix.shape[1]
    part = part or (0, len(x) * grid[0], 0)
    order, factors, pairs = by_sums(matrix.tobytes(), matrix.shape, x.dtype)
    _scatter(part, tiles, factors, pairs, order, size, grid, x, first, start, channel, rectify)


# Both work on a row of tiles at a time, in which the pixels lie in another order: first, of all tiles, those at the
# tile's first column, then those at its second ... (the columns beyond `step` are also a neighbour's first ones).
# So what happens to one tile happens to all tiles of the row in one long loop. `columns`: where the first tile's
# columns are in this order, in pixels; rows lie one after the other.


@cache
def _new_order(numbers, shape, step, tiles):
    """How many pixels lie at the same column of a tile, and at which places the columns of the row's first tile are, in
    the order in which they are read."""
    across = tiles + (shape[1] - 1) // step
    order, _, _ = _by_terms(numbers, shape, np.float64)
    return across, order % step * across + order // step


# In Winograd's matrices the rows of the points p and -p differ by signs alone. So two results need few more
# multiplications than one: gather adds the terms that keep their sign and those that change it, and takes the sum and
# the difference of both; scatter, the transpose, first takes sums and differences of what it reads. Any other matrix is
# taken row by row.


def _mirrored(matrix):
    """The first row of each pair that differs by signs alone, the columns that keep their sign, and those that do not.

    Empty where there are no such rows, or too many columns of one kind."""
    firsts, row = [], 0
    while row + 1 < len(matrix):
        mirrored = np.any(matrix[row]) and np.array_equal(abs(matrix[row]), abs(matrix[row + 1]))
        firsts += [row] if mirrored else []
        row += 2 if mirrored else 1
    kept, changed, either = [], [], []
    for column, (a, b) in enumerate(zip(matrix[firsts].T, matrix[[row + 1 for row in firsts]].T, strict=True)):
        fitting = [kind for kind, is_it in ((kept, a == b), (changed, a == -b)) if np.all(is_it)]
        if not fitting:
            return [], [], []
        (either if len(fitting) == 2 else fitting[0]).append(column)
    for column in either:  # zeros
        min(kept, changed, key=len).append(column)
    return (firsts, kept, changed) if max(len(kept), len(changed)) <= TERMS // 2 else ([], [], [])


@cache
def _by_terms(numbers, shape, dtype):
    """For gather: in which order columns are read, the factors in this order, and the pairs of rows (the second is -1
    where a row is alone). The first half of the columns are those that keep their sign. What is read in other places
    has the factor 0."""
    matrix = np.frombuffer(numbers).reshape(shape)
    firsts, kept, changed = _mirrored(matrix)
    if not firsts:
        kept, changed = np.split(np.arange(shape[1]), [TERMS // 2])
    pairs = [(row, row + 1) for row in firsts]
    paired = {row for pair in pairs for row in pair}
    pairs += [(row, -1) for row in range(shape[0]) if row not in paired]
    return _arrays(matrix, [*enumerate(kept), *enumerate(changed, TERMS // 2)], pairs, dtype)


@cache
def by_sums(numbers, shape, dtype):
    """For scatter, the same of the transpose. First in the order are the pairs that sums and differences are taken of;
    of two results, the first is made of sums, the second of differences."""
    matrix = np.frombuffer(numbers).reshape(shape)
    firsts, kept, changed = _mirrored(matrix)
    alone = [row for row in range(shape[0]) if row not in firsts and row - 1 not in firsts]
    if not firsts or len(firsts) > SUMS or len(alone) > TERMS - 2 * SUMS:
        return _arrays(matrix.T, list(enumerate(range(shape[0]))), [(row, -1) for row in range(shape[1])], dtype)
    places = [(2 * i + k, row + k) for i, row in enumerate(firsts) for k in (0, 1)]
    places += enumerate(alone, 2 * SUMS)
    both = min(len(kept), len(changed))
    pairs = [*zip(kept, changed, strict=False), *((row, -1) for row in (*kept[both:], *changed[both:]))]
    return _arrays(matrix.T, places, pairs, dtype)


def _arrays(matrix, places, pairs, dtype):
    order, factors = np.zeros(TERMS, np.int64), np.zeros((len(matrix), TERMS), dtype)
    for place, column in places:
        order[place], factors[:, place] = column, matrix[:, column]
    return order, factors, np.array(pairs)


# Below, one expression has all terms, so that every number is written just once. All arrays are one-dimensional and all
# counters unsigned: `nn.backend.cpu.im2col` says why.


@part_of_a_loop
def _starts(start, places, unit):
    """Where each of the terms begins."""
    a, b, c, d = places[0], places[1], places[2], places[3]
    e, f, g, h = places[4], places[5], places[6], places[7]
    return (
        np.uint64(start + a * unit), np.uint64(start + b * unit), np.uint64(start + c * unit),
        np.uint64(start + d * unit), np.uint64(start + e * unit), np.uint64(start + f * unit),
        np.uint64(start + g * unit), np.uint64(start + h * unit),
    )  # fmt: skip


@part_of_a_loop
def _factors(factors, row):
    """Those of a row."""
    line = factors[row]
    return line[0], line[1], line[2], line[3], line[4], line[5], line[6], line[7]


@part_of_a_loop
def _one(factors, row, source, start, places, unit, target, at, length):
    """target[at + i] = sum over k of  factors[row, k] * source[start + places[k] * unit + i],  for i < length."""
    f0, f1, f2, f3, f4, f5, f6, f7 = _factors(factors, row)
    s0, s1, s2, s3, s4, s5, s6, s7 = _starts(start, places, unit)
    at = np.uint64(at)
    for i in range(np.uint64(length)):
        target[at + i] = (f0 * source[s0 + i] + f1 * source[s1 + i] + f2 * source[s2 + i] + f3 * source[s3 + i]) + (
            f4 * source[s4 + i] + f5 * source[s5 + i] + f6 * source[s6 + i] + f7 * source[s7 + i]
        )


@part_of_a_loop
def _two_by_terms(factors, row, source, start, places, unit, target, at, other, length):
    """The same, and at target[other + i] the sum with the last four terms' signs changed."""
    f0, f1, f2, f3, f4, f5, f6, f7 = _factors(factors, row)
    s0, s1, s2, s3, s4, s5, s6, s7 = _starts(start, places, unit)
    at, other = np.uint64(at), np.uint64(other)
    for i in range(np.uint64(length)):
        kept = f0 * source[s0 + i] + f1 * source[s1 + i] + f2 * source[s2 + i] + f3 * source[s3 + i]
        changed = f4 * source[s4 + i] + f5 * source[s5 + i] + f6 * source[s6 + i] + f7 * source[s7 + i]
        target[at + i] = kept + changed
        target[other + i] = kept - changed


@part_of_a_loop
def _two_by_sums(factors, row, second, source, start, places, unit, target, at, other, length):
    """The results of two rows: target[at + i] of sums of the first three pairs of numbers, target[other + i] of their
    differences, and both of the last two numbers."""
    f0, _, f2, _, f4, _, f6, f7 = _factors(factors, row)
    g0, _, g2, _, g4, _, g6, g7 = _factors(factors, second)
    s0, s1, s2, s3, s4, s5, s6, s7 = _starts(start, places, unit)
    at, other = np.uint64(at), np.uint64(other)
    for i in range(np.uint64(length)):
        a, b, c, d = source[s0 + i], source[s1 + i], source[s2 + i], source[s3 + i]
        e, f, g, h = source[s4 + i], source[s5 + i], source[s6 + i], source[s7 + i]
        target[at + i] = (f0 * (a + b) + f2 * (c + d)) + (f4 * (e + f) + (f6 * g + f7 * h))
        target[other + i] = (g0 * (a - b) + g2 * (c - d)) + (g4 * (e - f) + (g6 * g + g7 * h))


@part_of_a_loop
def transform(factors, pairs, by_sums, source, start, places, unit, target, at, apart, length):
    """All results, `apart` from each other."""
    for strip in range(0, length, STRIP):
        here, count, there = start + strip, min(STRIP, length - strip), at + strip
        for pair in range(len(pairs)):
            row, second = pairs[pair, 0], pairs[pair, 1]
            one, other = there + row * apart, there + second * apart
            if second < 0:
                _one(factors, row, source, here, places, unit, target, one, count)
            elif by_sums:
                _two_by_sums(factors, row, second, source, here, places, unit, target, one, other, count)
            else:
                _two_by_terms(factors, row, source, here, places, unit, target, one, other, count)


@part_of_a_loop
def write_row(tiles, at, apart, size, channels, start, channel, pixels, pixel, x, rectify):
    """A row of pixels of x, from the tiles that lie on it: in each `size` numbers of each channel, `apart` from each
    other. start: what is added to each channel from number `channel` on. rectify: 0 instead of what is below 0."""
    nothing, width, depth = x.dtype.type(0), x.shape[2], x.shape[3]
    for w in range(width):
        here, there = np.uint64(at + w % size * apart + w // size * channels), np.uint64(pixel + w * depth)
        first = np.uint64(channel)
        for c in range(np.uint64(channels)):
            value = tiles[here + c] + start[first + c]
            pixels[there + c] = nothing if rectify and value < nothing else value  # NaN stays what it is


@compiled_loop
def _gather(part, x, factors, pairs, size, rows, columns, across, step, padding, grid, tiles, first, channel, block):
    if share_out(part):
        return
    _, height, width, depth = x.shape
    channels = tiles.shape[3]
    wide = channels // (block * block)  # numbers of a pixel
    n = len(factors)
    span = step * across * channels
    frame = zeros(size * span, x)  # the rows of pixels under a row of tiles
    lines = zeros(n * span, x)  # the same, transformed
    pixels, results = flat(x), flat(tiles)
    length = grid[1] * channels
    plane = tiles.shape[2] * channels  # from tiles[i, j] to tiles[i, j + 1]
    rows_of_tiles = len(x) * grid[0]
    for unit in range(part[0], part[1]):
        group, line = unit // rows_of_tiles, unit % rows_of_tiles
        image, a = line // grid[0], line % grid[0]
        at = group * n * n * plane + first * channels + line * length
        for k in range(size):
            for w in range((grid[1] - 1) * step + size):
                place = k * span + (w % step * across + w // step) * channels
                left = w * block - padding
                begin, end = max(0, -left), min(block, width - left)  # the columns of the block inside the image
                for i in range(block):
                    h, there = (a * step + k) * block + i - padding, place + i * block * wide
                    if h < 0 or h >= height or end - begin < block:
                        clear(frame, there, block * wide)
                    if 0 <= h < height and begin < end:
                        pixel = (image * height + h) * width + left + begin
                        number = pixel * depth + group * wide + channel
                        copy(pixels, number, frame, there + begin * wide, (end - begin) * wide)
        transform(factors, pairs, False, frame, ZERO, rows, span, lines, ZERO, span, span)
        for i in range(n):
            transform(
                factors, pairs, False, lines, i * span, columns, channels, results, i * n * plane + at, plane, length
            )  # fmt: skip


@compiled_loop
def _scatter(part, tiles, factors, pairs, order, size, grid, x, first, start, channel, rectify):
    if share_out(part):
        return
    _, height, width, depth = x.shape
    n, _, _, channels = tiles.shape
    length = grid[1] * channels  # of all tiles at one place
    span = size * length
    lines, transformed = zeros(n * span, x), zeros(size * span, x)
    pixels, source = flat(x), flat(tiles)
    plane = tiles.shape[2] * channels
    for unit in range(part[0], part[1]):
        image, a = unit // grid[0], unit % grid[0]
        at = first * channels + unit * length
        for i in range(n):
            here = i * n * plane + at
            transform(factors, pairs, True, source, here, order, plane, lines, i * span, length, length)
        transform(factors, pairs, True, lines, ZERO, order, span, transformed, ZERO, span, span)
        for k in range(min(size, height - a * size)):
            pixel = ((image * height + a * size + k) * width) * depth + channel
            write_row(transformed, k * span, length, size, channels, start, channel, pixels, pixel, x, rectify)
