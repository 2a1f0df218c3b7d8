"""Convolution as matrix products, for any kernel: on the processor and on a GPU.

Let each row of P (im2col) be the patch under one output position, and W be the weights with their first three axes made
one. Then  y = P W + b,  dW = P^T dy,  dP = dy W^T,  and dx adds each row of dP to the pixels that its patch came from
(col2im). P of a whole batch, 25 times the size of the images for a 5x5 kernel, never exists: it is made in chunks.

im2col, col2im: the functions that do it for this kind of array (`nn.backend.cpu.im2col` says what they are given).

Source: Chellapilla, Puri, Simard 2006, "High performance convolutional neural networks for document processing".
"""

from __future__ import annotations

import numpy as np

from nn.backend.runtime.pool import on_cpu, run_parallel, split
from nn.backend.runtime.workspace import Scratch

PATCH_BYTES = 2 << 20  # of patches at a time: small enough to stay in the processor's cache until they are multiplied
GPU_PATCH_BYTES = 1 << 29  # the same on a GPU, which is best at large products
# Up to so many patches and from so many weights on, the weights are the larger matrix: threads take columns of it.
FEW_PATCHES, MANY_WEIGHTS = 1 << 10, 1 << 16
FEWEST_CHUNKS = 2  # of a batch; more threads would each get too small a matrix product of a single image
PARTIAL_SUMS = 8  # of the gradients; fixed, so that results are bit-identical for any number of threads


def convolve(im2col, x, weight, bias, stride, padding, groups, y):
    """y = P W + b, a chunk of patches at a time."""
    OH, OW, channels = y.shape[1:]
    kernel, halves, weight = weight.shape[:3], channel_groups(weight, groups), weight.reshape(-1, channels)
    by_columns = on_cpu(x) and len(x) * OH * OW <= FEW_PATCHES and weight.size >= MANY_WEIGHTS
    chunks = _chunks(x, kernel, OH, OW, fewest=1 if by_columns else FEWEST_CHUNKS)
    parts = [(images, rows, halves) for images, rows in chunks]
    if by_columns:  # each thread takes some columns of the weights and reads no others
        halves = halves if groups > 1 else [(slice(None), some) for some in split(channels, 2)]
        parts = [(images, rows, [half]) for half in halves for images, rows in chunks]

    def multiply(part):
        images, rows, halves = part
        result = y[images, rows].reshape(-1, channels)
        with Scratch() as scratch:
            for inputs, outputs in halves:
                patches = _patches(im2col, x[images, ..., inputs], kernel, stride, padding, rows, OW, scratch)
                product = target = result[:, outputs]
                if not (on_cpu(x) or target.flags.c_contiguous):  # CuPy would need another array to write to it
                    product = scratch("product", target.shape, like=x)
                np.matmul(patches, weight[:, outputs], out=product)
                if bias is not None:
                    np.add(product, bias[outputs], out=target)
                elif product is not target:
                    target[...] = product

    run_parallel(multiply, parts, like=x)


def convolve_backward(im2col, col2im, dy, x, weight, stride, padding, groups, dweight, dbias, dx):
    """dW = P^T dy and dP = dy W^T, a chunk of patches at a time; dx adds up dP."""
    OH, OW, channels = dy.shape[1:]
    kernel, halves, weight = weight.shape[:3], channel_groups(weight, groups), weight.reshape(-1, channels)
    # Each accumulator adds up the gradients of its own images; their sums are added when all are done.
    chunks = _chunks(x, kernel, OH, OW, whole_images=True)
    shares = [chunks[start::PARTIAL_SUMS] for start in range(min(PARTIAL_SUMS, len(chunks)))]
    accumulators = np.zeros_like(weight, shape=(len(shares), *weight.shape))

    def differentiate(share):
        with Scratch() as scratch:
            for images, rows in shares[share]:
                dy_rows = dy[images].reshape(-1, channels)
                for inputs, outputs in halves:
                    patches = _patches(im2col, x[images, ..., inputs], kernel, stride, padding, rows, OW, scratch)
                    accumulator = accumulators[share][:, outputs]
                    np.add(accumulator, patches.T @ dy_rows[:, outputs], out=accumulator)
                    if dx is not None:
                        dpatches = np.matmul(dy_rows[:, outputs], weight[:, outputs].T, out=patches)
                        dx_group = np.zeros_like(dx[images, ..., inputs], order="C")
                        col2im(dpatches, kernel[:2], stride, padding, OW, dx_group)
                        dx[images, ..., inputs] = dx_group

    run_parallel(differentiate, range(len(shares)), like=x)
    np.sum(accumulators, axis=0, out=dweight.reshape(weight.shape))
    if dbias is not None:
        sum_positions(dy, dbias)


def sum_positions(dy, dbias):
    """db, the sum of dy over images and positions."""
    parts = split(len(dy), PARTIAL_SUMS, like=dy)
    sums = np.empty_like(dy, shape=(len(parts), dy.shape[2] * dy.shape[3]))  # of each output column
    run_parallel(lambda n: np.sum(dy[parts[n]].reshape(-1, sums.shape[1]), axis=0, out=sums[n]), range(len(parts)))
    np.sum(sums.reshape(-1, dy.shape[3]), axis=0, out=dbias)


def channel_groups(weight, groups):
    """For each group: its input channels and its output channels."""
    inputs, outputs = weight.shape[2], weight.shape[3] // groups
    return [(slice(g * inputs, (g + 1) * inputs), slice(g * outputs, (g + 1) * outputs)) for g in range(groups)]


def _patches(im2col, x, kernel, stride, padding, rows, width, scratch):
    """The patches of x for the output rows `rows`, each as one row of a matrix."""
    if not x.flags.c_contiguous:  # a group's channels
        x = np.ascontiguousarray(x, like=x)
    patches = scratch("patches", (len(x) * (rows.stop - rows.start) * width, kernel[0] * kernel[1] * kernel[2]), like=x)
    im2col(x, kernel[:2], stride, padding, (rows.start, rows.stop), width, patches)
    return patches


def _chunks(x, kernel, height, width, whole_images=False, fewest=1):
    """Cut the work into (images, output rows), each of about PATCH_BYTES of patches."""
    images, patch = len(x), kernel[0] * kernel[1] * kernel[2]
    rows = max(1, (PATCH_BYTES if on_cpu(x) else GPU_PATCH_BYTES) // (width * patch * x.itemsize))
    if on_cpu(x):
        rows = min(rows, -(-height * images // fewest))  # of few images, threads take rows each
    if rows >= height or whole_images:
        step = max(1, rows // height)
        return [(slice(n, min(n + step, images)), slice(0, height)) for n in range(0, images, step)]
    return [
        (slice(n, n + 1), slice(top, min(top + rows, height))) for n in range(images) for top in range(0, height, rows)
    ]
