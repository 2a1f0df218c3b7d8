"""Winograd's convolution: a quarter (3x3 kernels) or a sixth (5x5) of the multiplications.

Arrays here: x (N, H, W, C_in), weight (K, K, C_in/groups, C_out), bias (C_out,) or None, y (N, OH, OW, C_out); padding
is one number, and so is the stride, most often 1.

A convolution is a product of polynomials in disguise: the coefficients of w(p) * v(p) are sums of products of the
coefficients of w and v, just as outputs are sums of products of weights and pixels. And such a product can be had more
cheaply: take the values of both polynomials at some points, multiply value by value, and find the one polynomial that
has the resulting values. Only "value by value" multiplies the unknown numbers with each other; the rest multiplies them
by constants. For R coefficients w and M coefficients v, n = M + R - 1 products do (one for each of n - 1 points, and
one for infinity: that of the highest coefficients) instead of M * R:

    w * v = B ((G w) * (A v))            G (n, R) and A (n, M) take values; B (n, n) finds the polynomial (Lagrange)

What a network calls a convolution slides R weights over n pixels and gives M outputs. As a function of the pixels it is
the transpose of that product with w: B is transposed and comes first, A is transposed and comes last.

    y = A^T ((G w) * (B^T x))            x: n pixels, y: M outputs

In two dimensions each matrix is applied to rows and columns:

    y = A^T ((G w G^T) * (B^T x B)) A    n^2 products for M^2 outputs, instead of M^2 R^2

and the sum over input channels is taken between the products and A, so that for each of the n^2 values there is one
matrix product (tiles, C_in) (C_in, C_out). Let V = B^T x B for every tile and channel, U = G w G^T, and P = V U, all
(n^2, ...). Every step is linear, so backwards each is replaced by its transpose:

    dP = A dy A^T,    dU = V^T dP,    dw = G^T dU G

and dx is itself a convolution, of dy with the weights turned by half a turn.

A convolution of stride S is one of stride 1 over blocks of S x S pixels, each of them one pixel with S^2 times as many
channels; the kernels are filled up with zeros to whole blocks. So AlexNet's first, 11x11 with stride 4 on 3 channels,
is one of 3x3 kernels on 48, of which Winograd takes a quarter. Backwards that gains little, and is not done.

Here n is 5 to 8, whichever takes the fewest products: that depends on how many outputs of the last tiles lie beyond the
image. 13x13 outputs of 3x3 kernels are nine tiles of 7x7 pixels, and would be sixteen of 6x6. The price is a few
roundings more: in float32 the results are right to about 1e-5 of the largest instead of 1e-6. And a number of x, w or
dy above 1e14, or infinite, could overflow in V, U or P where the sums themselves do not: then `convolve` and
`convolve_backward` return False, and the ordinary way must be taken. They find out as they read the numbers.

Sources: Winograd 1980, "Arithmetic complexity of computations"; Lavin, Gray 2016, "Fast algorithms for convolutional
neural networks", section 4. The matrices for any points: Toom 1963, Cook 1966.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import NamedTuple

import numpy as np

from nn.backend.cpu.dense import contiguous_bias
from nn.backend.cpu.panel_products import FEWEST_ROWS, Block, blocks_of, multiply_fast, panels_of
from nn.backend.cpu.winograd_tiles import gather_tiles_fast, scatter_tiles_fast
from nn.backend.patches import channel_groups
from nn.backend.runtime.pool import run_parallel, split
from nn.backend.runtime.threads import num_threads
from nn.backend.runtime.workspace import Scratch

KERNELS = 3, 5
# For each n. Points near 0 and 1 keep the numbers of one size; plus and minus leave zeros in the matrices.
POINTS = {
    5: (3 / 4, -3 / 4, 3 / 2, -3 / 2),
    6: (0, 3 / 4, -3 / 4, 3 / 2, -3 / 2),
    7: (1 / 4, -1 / 4, 7 / 8, -7 / 8, 7 / 4, -7 / 4),
    8: (0, 1, -1, 1 / 2, -1 / 2, 2, -2),
}
IMAGE_BYTES = 48 << 20  # of V and P; larger images go through patches
CHUNK_BYTES = 48 << 20  # of V and P at a time, backward
CACHED_WEIGHTS = 10 << 20  # of U at a time, forward: they stay in the processor's last cache, all threads read them
CACHED_BYTES = 3 << 20  # of V and P of each thread, forward, which stay there too
PARTS = 12  # that threads may work on at the same time
ROOM = 1e10  # B, G and A make numbers two million times larger at most, and thousands of parts are added up
FEWEST_CHANNELS = 16  # below, the matrix products are too small
FEWEST_TILES = 60  # below, transforming the weights takes longer than is saved
FEWEST_TILES_OF_BLOCKS = 480  # below, `conv_direct` is as fast for few channels


def is_faster(weight: np.ndarray, stride, padding, groups: int, y_shape: Sequence[int], transformed=False) -> bool:
    """Is this the faster way to outputs of this shape? transformed: whether the weights are already."""
    KH, KW, inputs, outputs = weight.shape
    if KH != KW or stride[0] != stride[1] or padding[0] != padding[1] or (stride[0] > 1 and groups > 1):
        return False
    kernel, inputs = -(-KH // stride[0]), inputs * stride[0] ** 2
    if kernel not in KERNELS or min(inputs, outputs // groups) < FEWEST_CHANNELS:
        return False
    tiles = _tiles_for(kernel, *y_shape[:3], 0)
    fewest = FEWEST_TILES if stride[0] == 1 else FEWEST_TILES_OF_BLOCKS
    if y_shape[0] * tiles.count < fewest and not transformed:
        return False
    return tiles.bytes_of(inputs * groups + outputs, weight.itemsize) <= IMAGE_BYTES


def in_blocks(weight: np.ndarray, stride: int) -> np.ndarray:
    """The weights for blocks of stride x stride pixels, as if each were one pixel with as many more channels."""
    if stride == 1:
        return weight
    size, (inputs, outputs) = -(-len(weight) // stride), weight.shape[2:]
    filled = np.zeros_like(weight, shape=(size * stride, size * stride, inputs, outputs))
    filled[: len(weight), : len(weight)] = weight
    filled = filled.reshape(size, stride, size, stride, inputs, outputs).swapaxes(1, 2)
    return filled.reshape(size, size, -1, outputs)


class Tiles(NamedTuple):
    """How images are cut into tiles, and the matrices for them."""

    outputs: int  # M: of M x M outputs each
    grid: tuple[int, int]  # as many of them below and beside each other
    b_transposed: np.ndarray  # (n, n)
    g: np.ndarray  # (n, kernel)
    a: np.ndarray  # (n, M)

    @property
    def count(self) -> int:
        """The number of tiles of one image."""
        return self.grid[0] * self.grid[1]

    def bytes_of(self, channels: int, itemsize: int) -> int:
        """What V or P of one image take, or both together, with so many channels."""
        return len(self.g) ** 2 * self.count * channels * itemsize


def tiles_for(weight: np.ndarray, y_shape: Sequence[int], reading: int = 0) -> Tiles:
    """The tiles that cover these outputs with the fewest products, by kernels of this shape. reading: to read a weight
    takes as long as so many tiles' products with it."""
    return _tiles_for(len(weight), *y_shape[:3], reading)


@cache
def _tiles_for(kernel: int, images: int, height: int, width: int, reading: int) -> Tiles:
    def grid(n: int) -> tuple[int, int]:
        outputs = n + 1 - kernel
        return -(-height // outputs), -(-width // outputs)

    sizes = (n for n in POINTS if n > kernel)  # or a tile has but one output
    n = min(sizes, key=lambda n: n * n * (images * grid(n)[0] * grid(n)[1] + reading))
    return Tiles(n + 1 - kernel, grid(n), *matrices(kernel, n))


def matrices(kernel: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """B^T (n, n), G (n, kernel) and A (n, M)."""
    points = POINTS[n]
    b_transposed, g, a = np.zeros((n, n)), np.zeros((n, kernel)), np.zeros((n, n + 1 - kernel))
    for row, point in enumerate(points):
        others = [other for other in points if other != point]
        # The polynomial that is 0 at all other points (Lagrange); what it is at this one, G divides by.
        b_transposed[row, :-1] = np.polynomial.polynomial.polyfromroots(others)
        g[row] = point ** np.arange(kernel) / np.prod([point - other for other in others])
        a[row] = point ** np.arange(a.shape[1])
    b_transposed[-1] = np.polynomial.polynomial.polyfromroots(points)
    g[-1, -1] = a[-1, -1] = 1
    return b_transposed, g, a


def convolve(x, weight, bias, stride: int, padding: int, groups: int, y, u=None, rectify=False) -> bool:
    """Write the convolution of x to y; or return False where the numbers are too large for that. u: what
    `transform_weight` made of the weight, laid out, if it is there already. rectify: and then take `relu` of y."""
    weight = in_blocks(weight, stride)
    tiles = tiles_for(weight, y.shape)
    n, (lines, across), bias = len(tiles.g), tiles.grid, contiguous_bias(bias, y)
    with Scratch() as scratch:
        panels = panels_of(weight, groups)
        u, weight_fits = transform_weight(weight, panels, tiles.g, scratch) if u is None else (u, True)
        blocks = blocks_of(u, panels, groups, CACHED_WEIGHTS)
        depths = weight.shape[2], max(block.outputs.stop - block.outputs.start for block in blocks)
        parts = _rows_of_tiles(tiles.bytes_of(sum(depths), y.itemsize) // lines, len(y) * lines)
        room = n * n * max(FEWEST_ROWS, across * max(part.stop - part.start for part in parts))
        # Each thread works on some rows of tiles from beginning to end, so that V and P stay in its own cache.
        places = list(range(num_threads()))
        vs, products = (
            scratch(name, (len(places), room * depth), like=y)
            for name, depth in zip(("v", "product"), depths, strict=True)
        )
        fit = [weight_fits]

        def compute(task: tuple[Block, slice]) -> None:
            (inputs, outputs, its_panels), some = task
            images = slice(some.start // lines, -(-some.stop // lines))
            if inputs.start == 0 == outputs.start:
                fit.append(fits(x[images]))  # which brings x to the cache, where the next line finds it
            if not all(fit):
                return
            place, count = places.pop(), max(FEWEST_ROWS, (some.stop - some.start) * across)
            v, product = (
                array[place, : n * n * count * depth].reshape(n, n, count, depth)
                for array, depth in ((vs, inputs.stop - inputs.start), (products, outputs.stop - outputs.start))
            )
            part, first = (some.start, some.stop, 0), -some.start * across
            gather_tiles_fast(
                x, tiles.b_transposed, tiles.outputs, padding, tiles.grid, v, first, part, inputs.start, stride
            )
            multiply_fast(v.reshape(-1, *v.shape[2:]), u, its_panels, product.reshape(-1, *product.shape[2:]))
            scatter_tiles_fast(product, tiles.a, tiles.grid, y, first, bias, part, outputs.start, rectify)
            places.append(place)

        run_parallel(compute, [(block, part) for block in blocks for part in parts])
    return all(fit)


def _rows_of_tiles(row_bytes: int, rows: int) -> list[slice]:
    """Cut all rows of tiles into slices whose V and P take about CACHED_BYTES, and one for each thread."""
    return split(rows, max(num_threads(), -(-rows * row_bytes // CACHED_BYTES)))


def convolve_backward(dy, x, weight, padding: int, groups: int, dweight, dx) -> bool:
    """Write dw to dweight, and dx unless it is None; or return False. For stride 1 alone: blocks of pixels gain little
    here."""
    tiles = tiles_for(weight, dy.shape)
    halves = channel_groups(weight, groups)
    with Scratch() as scratch:
        du = scratch("u", (len(tiles.g) ** 2, *weight.shape[2:]), like=weight)
        for images in _chunks(weight, groups, tiles, len(dy)):
            v, x_fits = _gather("v", x[images], tiles.b_transposed, tiles, padding, scratch)
            dproduct, dy_fits = _gather("product", dy[images], tiles.a, tiles, 0, scratch)
            if not (x_fits and dy_fits):
                return False
            run_parallel(partial(_differentiate, halves, v, dproduct, du, images.start == 0), split(len(v), PARTS))
        _transform_weight_back(du, tiles.g, dweight)
    return dx is None or convolve(dy, _transposed(weight, groups), None, 1, len(weight) - 1 - padding, groups, dx)


def _transposed(weight: np.ndarray, groups: int) -> np.ndarray:
    """The weights of the convolution that makes dx of dy: turned by half a turn, inputs and outputs exchanged."""
    K, _, inputs, outputs = weight.shape
    turned = np.empty_like(weight, shape=(K, K, outputs // groups, groups * inputs))

    def turn(kernel: int) -> None:
        there = weight[K - 1 - kernel // K, K - 1 - kernel % K].reshape(inputs, groups, -1)
        turned[kernel // K, kernel % K].reshape(-1, groups, inputs)[...] = there.transpose(2, 1, 0)

    run_parallel(turn, range(K * K))
    return turned


def fits(array: np.ndarray) -> bool:
    """Are the numbers so small that nothing overflows? All sums of products here are below the root of the product of
    two arrays' sums of squares, times what the matrices and adding up the parts make of it. (NaN fits, and stays.)"""
    flat = array.reshape(-1)
    return not np.vdot(flat, flat) >= too_large(array.dtype)


@cache
def too_large(dtype: np.dtype) -> float:
    return float(np.finfo(dtype).max) / ROOM


def _differentiate(halves, v, dproduct, du, first: bool, some: slice) -> None:
    """dU = V^T dP, added to that of earlier images, for some of the n^2 values."""
    for inputs, outputs in halves:
        vt, dp = v[some, :, inputs].swapaxes(1, 2), dproduct[some, :, outputs]
        if first:
            np.matmul(vt, dp, out=du[some, :, outputs])
        else:
            du[some, :, outputs] += np.matmul(vt, dp)


def _chunks(weight: np.ndarray, groups: int, tiles: Tiles, images: int) -> list[slice]:
    """Cut the batch into slices of images whose V and P take about CHUNK_BYTES: many, as all add to dU."""
    channels = weight.shape[2] * groups + weight.shape[3]
    return split(images, -(-images * tiles.bytes_of(channels, weight.itemsize) // CHUNK_BYTES))


def _gather(
    name: str, x: np.ndarray, matrix: np.ndarray, tiles: Tiles, padding: int, scratch: Scratch
) -> tuple[np.ndarray, bool]:
    """The tiles of x, transformed by the matrix: (n^2, tiles, C); and whether the numbers of x fit."""
    n, channels = len(matrix), x.shape[3]
    transformed = scratch(name, (n, n, len(x) * tiles.count, channels), like=x)
    fit = []

    def transform(some: slice) -> None:
        fit.append(fits(x[some]))  # which brings x to the cache, where the next line finds it
        gather_tiles_fast(x[some], matrix, tiles.outputs, padding, tiles.grid, transformed, some.start * tiles.count)

    run_parallel(transform, split(len(x), PARTS))
    return transformed.reshape(n * n, -1, channels), all(fit)


def transform_weight(
    weight: np.ndarray, panels: Sequence[slice], g: np.ndarray, scratch: Callable
) -> tuple[np.ndarray, bool]:
    """U = G w G^T for all channels, with the two G's made one; laid out in panels, (n^2, panels, C_in/groups, width).
    And whether the weights fit."""
    shape = len(g) ** 2, len(panels), weight.shape[2], panels[0].stop - panels[0].start
    u = scratch("u", shape, like=weight)
    both, columns = np.kron(g, g).astype(weight.dtype), u.reshape(*shape[:2], -1)
    fit = []

    def transform(panel: int) -> None:
        w = np.ascontiguousarray(weight[..., panels[panel]]).reshape(both.shape[1], -1)
        np.matmul(both, w, out=columns[:, panel])
        fit.append(fits(w))

    run_parallel(transform, range(len(panels)))
    return u, all(fit)


def _transform_weight_back(du: np.ndarray, g: np.ndarray, dweight: np.ndarray) -> None:
    """dw = G^T dU G for all channels."""
    both = np.kron(g, g).astype(du.dtype)
    dw, du = dweight.reshape(len(dweight) ** 2, -1), du.reshape(len(du), -1)
    run_parallel(
        lambda some: np.matmul(both.T, du[:, some], out=dw[:, some]), split(dw.shape[1], -(-dw.shape[1] // 4096))
    )
