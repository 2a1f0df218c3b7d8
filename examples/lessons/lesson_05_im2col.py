# %% [markdown]
# # Lesson 5: convolution as one matrix product
#
# The loops of lesson 4 are right and slow. Now all patches become the rows of one matrix, and the
# convolution becomes one matrix product, which computers are very good at. The trick is called
# **im2col**, "image to columns". On the way we must know in which order the numbers of an image lie
# in memory; there are two customs, and confusing them is a mistake that raises no error.

# %%
import timeit

import numpy as np
from numba import njit
from threadpoolctl import threadpool_limits

from examples.lessons.drawings import im2col as drawings
from layers import Conv2d, Flatten, Linear
from nn import Layer
from nn.backend.runtime.threads import set_num_threads

# %% [markdown]
# ## A small image, cut into patches
#
# Take an image of 4 x 4 pixels and a kernel of 3 x 3. It fits in four places. Its first patch is on
# the left; write its three rows one after the other, and it is a row of nine numbers:
#
#     0  2  3
#     0  3  1    becomes    0  2  3  0  3  1  1  2  0
#     1  2  0
#
# An output is patch times kernel, added up (lesson 4). If the kernel, too, is written as nine
# numbers in a column, that is a row times a column: one number of a matrix product (lesson 0). So
# write all four patches as the rows of a matrix P (4, 9), and each kernel as a column of a matrix
# W. Then P W is every patch times every kernel: all outputs of all maps, in one product. In the
# figure two of the four patches are outlined, wherever they occur. Column 0 of Y, row by row, is
# the first map.

# %%
image = np.array([[0, 2, 3, 1], [0, 3, 1, 0], [1, 2, 0, 0], [2, 2, 0, 1]])
places = [(0, 0), (0, 1), (1, 0), (1, 1)]
P = np.array([image[oh : oh + 3, ow : ow + 3].reshape(9) for oh, ow in places])
vertical = np.array([[-1, 0, 1]] * 3)
W = np.stack([vertical.reshape(9), vertical.T.reshape(9)], axis=1)  # a kernel in each column
Y = P @ W
print("P:", P, "Y:", Y, sep="\n")
assert P[0].tolist() == [0, 2, 3, 0, 3, 1, 1, 2, 0]
for row, (oh, ow) in enumerate(places):
    assert Y[row, 0] == (image[oh : oh + 3, ow : ow + 3] * vertical).sum()
drawings.one_product(image, P, W, Y, 2, 2)

# %% [markdown]
# ## im2col
#
# For N images of C channels, P has a row for each image and place and a column for each number of a
# patch: shape (N OH OW, KH KW C). W is (KH KW C_in, C_out), and a bias for each map is added to
# every row. It is a linear layer whose examples are patches:
#
# $$Y = P\, W + b$$
#
# To build P we need no loop over the places. Pixel (i, j) of *all* patches at once is the image,
# shifted by (i, j): nine slices for a kernel of 3 x 3, however large the image is. (`np.empty`
# makes an array without filling it. `reshape` gives a second **view** of the same memory, so what
# is written into `patches` is in `rows`. `out` lends the function memory for its result; that is
# for the end of the lesson.)


# %%
def im2col(x, KH, KW, out=None):
    N, H, W, C = x.shape
    OH, OW = H - KH + 1, W - KW + 1
    rows = np.empty((N * OH * OW, KH * KW * C), x.dtype) if out is None else out
    patches = rows.reshape(N, OH, OW, KH, KW, C)  # the same memory with other axes
    for i in range(KH):
        for j in range(KW):
            patches[:, :, :, i, j] = x[:, i : i + OH, j : j + OW]
    return rows


assert np.array_equal(im2col(image[None, :, :, None], 3, 3), P)

# %% [markdown]
# ## The order of a row
#
# With several channels a row of P is in the order (KH, KW, C): all channels of the top left pixel,
# then all of its right neighbour, and so on. Why not in another? Any will do, but **a column of W
# needs the very same order**, or pixels meet the weights of other pixels. The shapes fit either
# way, and nothing warns you. Our weights (KH, KW, C_in, C_out) have this order already: `reshape`
# to (KH KW C_in, C_out) moves no number.
#
# Below is an image of 3 x 3 pixels and 2 channels whose numbers say where they are: 120 is row 1,
# column 2, channel 0. (`np.fromfunction` computes each number from its indices.)

# %%
x = np.fromfunction(lambda n, h, w, c: 100 * h + 10 * w + c, (1, 3, 3, 2), dtype=int)
print("2x2 patches of 2 channels, as rows:", *im2col(x, 2, 2), sep="\n    ")
assert im2col(x, 2, 2)[0].tolist() == [0, 1, 10, 11, 100, 101, 110, 111]
weight = np.random.default_rng(0).normal(size=(2, 2, 2, 5))  # (KH, KW, C_in, C_out)
right = [(x[0, :2, :2] * weight[..., o]).sum() for o in range(5)]
other_order = weight.transpose(2, 0, 1, 3)  # (C_in, KH, KW, C_out): fits as well, and is wrong
assert np.allclose(im2col(x, 2, 2)[0] @ weight.reshape(8, 5), right)
assert not np.allclose(im2col(x, 2, 2)[0] @ other_order.reshape(8, 5), right)

# %% [markdown]
# ## Channels last, channels first
#
# Memory is one long row, and an array is written into it with the last axis running fastest: a
# table row by row (**row-major**, as in C). So the order of the axes is the order in memory. We
# keep the channels of a pixel together: shape (N, H, W, C), called **channels last** or **NHWC**.
# PyTorch and Caffe keep each channel as a whole image: (N, C, H, W), **channels first** or
# **NCHW**. The figure shows the memory of a 2 x 2 image of red, green and blue both ways: G01 is
# the green of row 0, column 1. The number of row h, column w, channel c is at the place
#
# $$(h\, W + w)\, C + c \quad \text{channels last}, \qquad (c\, H + h)\, W + w \quad \text{first}$$
#
# To go from one to the other, name the axes in their new order: `transpose(0, 3, 1, 2)` takes N, H,
# W, C to N, C, H, W, and `transpose(0, 2, 3, 1)` leads back. `reshape` does *not* do it: it never
# reorders numbers, it cuts the same row of numbers into other pieces. Neither order is the right
# one. Channels last suits us: the channels of a patch lie side by side, where im2col copies them in
# long runs, and the rows of Y already are the pixels of the output.

# %%
last = x  # 100 h + 10 w + c; shape (1, 3, 3, 2)
first = np.ascontiguousarray(last.transpose(0, 3, 1, 2))  # copied, so in memory too
print("channels last, in memory: ", last.ravel())  # ravel: all in one row
print("channels first, in memory:", first.ravel())
h, w, c = 2, 0, 1
assert last.ravel()[(h * 3 + w) * 2 + c] == first.ravel()[(c * 3 + h) * 3 + w] == 201
assert np.array_equal(first.transpose(0, 2, 3, 1), last)
assert first.shape == last.reshape(1, 2, 3, 3).shape
assert not np.array_equal(first, last.reshape(1, 2, 3, 3))  # the same shape, another image
drawings.layouts(2, 2)

# %% [markdown]
# What becomes of im2col? With channels first, a patch is naturally in the order (C, KH, KW), and
# PyTorch's weights, (C_out, C_in, KH, KW), are too. One writes the patches of an image as
# *columns*, and the kernels as rows: then W P, one product for each image, is (C_out, OH OW), which
# again has its channels first. Hence the name, image to *columns*. (PyTorch calls it `unfold`.)
# Numbers and sums are the same, only their places differ: with our weights transposed into that
# order, both give one result.


# %%
def im2col_channels_first(x, KH, KW):
    N, C, H, W = x.shape
    OH, OW = H - KH + 1, W - KW + 1
    patches = np.empty((N, C, KH, KW, OH, OW), x.dtype)
    for i in range(KH):
        for j in range(KW):
            patches[:, :, i, j] = x[:, :, i : i + OH, j : j + OW]
    return patches.reshape(N, C * KH * KW, OH * OW)


rng = np.random.default_rng(1)
images = rng.normal(size=(4, 3, 6, 7))  # (N, C, H, W), and weights as PyTorch has them
kernels = rng.normal(size=(5, 3, 2, 2))  # (C_out, C_in, KH, KW)
maps = (kernels.reshape(5, -1) @ im2col_channels_first(images, 2, 2)).reshape(4, 5, 5, 6)

ours = kernels.transpose(2, 3, 1, 0)  # (KH, KW, C_in, C_out)
rows = im2col(images.transpose(0, 2, 3, 1), 2, 2) @ ours.reshape(-1, 5)
assert np.allclose(rows.reshape(4, 5, 6, 5).transpose(0, 3, 1, 2), maps)
print("channels first and last: the same maps,", maps.shape)

# %% [markdown]
# ## Flatten, and the weights behind it
#
# Behind the last convolution a network is **flattened**: each image's maps become one row of
# numbers, the inputs of a linear layer. `Flatten` takes them in the order of memory, which differs.
# Two maps of 2 x 2 pixels:
#
#     channels last    0   1  10  11 100 101 110 111
#     channels first   0  10 100 110   1  11 101 111
#
# The linear layer has a weight for each of these inputs. So weights that another library learned
# cannot be used as they are: its second weight belongs to number 10, and ours to number 1, which is
# pixel 0 of the other map. PyTorch stores them as (outputs, inputs). Take the inputs apart into (C,
# H, W), transpose, and put them together again, as in the last lines below. Left as they are, the
# weights fit, and the network answers something else. (`models/foreign.py` does this with whole
# files.)

# %%
flat_last, flat_first = x[:, :2, :2].reshape(-1), first[:, :, :2, :2].reshape(-1)
assert flat_last.tolist() == [0, 1, 10, 11, 100, 101, 110, 111]
assert flat_first.tolist() == [0, 10, 100, 110, 1, 11, 101, 111]

fc = rng.normal(size=(10, 5 * 5 * 6))  # as PyTorch has it: (outputs, C H W)
theirs = maps.reshape(4, -1) @ fc.T

conv, linear = Conv2d(3, 5, 2).astype(np.float64), Linear(150, 10).astype(np.float64)
conv.params["weight"][...] = ours
linear.params["weight"][...] = fc.reshape(10, 5, 5, 6).transpose(2, 3, 1, 0).reshape(150, 10)
flat = Flatten()(conv(images.transpose(0, 2, 3, 1)))
assert np.allclose(linear(flat), theirs)
wrong = np.abs(flat @ fc.T - theirs).max()  # their weights, left as they were
print("weights put into our order: the same answers")
size = theirs.std()
print(f"left as they were: wrong by up to {wrong:.0f}; the answers themselves are {size:.0f} or so")
assert wrong > size

# %% [markdown]
# ## How much faster, and why
#
# Here are several ways to the same numbers: six maps of 28 x 28, sixteen kernels of 5 x 5. All use
# one thread; the best of several runs counts. The second way is the first one's loops, translated
# into machine code by numba, a compiler. In the fourth P is there already, which shows what making
# it costs.


# %%
def loops(x, weight, y):
    for n, oh, ow, o in np.ndindex(y.shape):
        for i in range(weight.shape[0]):
            for j in range(weight.shape[1]):
                for c in range(weight.shape[2]):
                    y[n, oh, ow, o] += x[n, oh + i, ow + j, c] * weight[i, j, c, o]
    return y


set_num_threads(1)  # in the library's layers
threadpool_limits(1)  # in NumPy's matrix products
layer = Conv2d(6, 16, 5, rng=0)
weight, W = layer.params["weight"], layer.params["weight"].reshape(-1, 16)
batch = rng.normal(size=(128, 28, 28, 6)).astype(np.float32)
one, shape = batch[:1], (1, 24, 24, 16)
compiled, P = njit(loops), im2col(one, 5, 5)
ways = {
    "Python loops": lambda: loops(one, weight, np.zeros(shape, np.float32)),
    "the loops, compiled": lambda: compiled(one, weight, np.zeros(shape, np.float32)),
    "im2col and product": lambda: (im2col(one, 5, 5) @ W).reshape(shape),
    "the product alone": lambda: (P @ W).reshape(shape),
    "layers.Conv2d": lambda: layer.forward(one),
}
right, products, times = layer.forward(one), P.size * 16, {}
assert (*P.shape, W.shape[1]) == (576, 150, 16)
print(f"one image, {products:,} multiplications and additions:")
for name, way in ways.items():
    assert np.allclose(way(), right, rtol=0, atol=1e-4)  # the compiler compiles here
    runs = timeit.repeat(way, number=1, repeat=1 if name == "Python loops" else 20)
    times[name] = min(runs) * 1e3
    speed = products / times[name] / 1e3
    print(f"  {name:20}{times[name]:8.2f} ms, {speed:9,.1f} million a second")

# %% [markdown]
# The number of multiplications is the same in all of them (the library may do with fewer, see
# below). What differs is everything else. Python spends its time on finding out, for each number
# anew, what `+` and `*` mean. Compiled loops do not, but these take one number after the other. A
# matrix product gains over them in two ways. One instruction of a processor multiplies 4, 8 or 16
# numbers that lie side by side (**SIMD**: single instruction, multiple data). And memory is slow: a
# number that was fetched should be used often. In P W each weight is used 576 times, for as many
# places, and each number of P 16 times; a good program works on blocks so small that they stay
# close to the processor meanwhile. Such programs have been perfected for decades under the name
# **GEMM** (general matrix multiplication; NumPy calls OpenBLAS, MKL or Apple's Accelerate). That is
# why im2col writes every pixel up to 25 times and is still worth it: it turns a new problem into
# one that is solved. Chellapilla, Puri and Simard described it for convolutional networks in 2006,
# and Caffe made it common.
#
# Is one product then the fastest way? No. `Conv2d` goes on from here (in
# `nn/backend/cpu/convolution.py`). With up to 8 channels, as here, it makes no patches: it reads
# them where they lie in the image, and keeps sums in the processor itself, in its registers. With
# many channels and kernels of 3 x 3 or 5 x 5 it may use Winograd's formulas, which need fewer
# multiplications. For all else it does what we did, on several threads and in chunks. (With
# `NN_BACKEND=plain` it does none of it.)

# %% [markdown]
# ## What it costs, and chunks
#
# P is large: a pixel lies in up to KH KW patches. For the second layer of AlexNet (lesson 16) and
# 128 images P would have 896 MB. And what does not fit into the **cache**, a small fast memory
# beside the processor, must be written to main memory and read back. So P is made for a *chunk* of
# the images, multiplied, and overwritten by the next chunk's: `nn/backend/patches.py`. The figure
# shows all ways of the table, and 128 images in chunks of several sizes. Which size is best, and
# how much it gains, depends on the processor.

# %%
assert round(128 * 27 * 27 * (5 * 5 * 96) * 4 / 1e6) == 896  # images, places, patch, bytes
memory, chunks = np.empty((128 * 576, 150), np.float32), {}


def in_chunks(count):
    for part in np.split(batch, 128 // count):
        im2col(part, 5, 5, memory[: count * 576]) @ W


for count in (1, 2, 4, 8, 16, 32, 64, 128) * 5:  # in turns: other programs disturb all alike
    megabytes = memory[: count * 576].nbytes / 1e6
    run = timeit.timeit(lambda count=count: in_chunks(count), number=1)
    chunks[megabytes] = min(run * 1e3, chunks.get(megabytes, np.inf))
best = min(chunks.values())
print(f"128 images: {chunks[megabytes]:.0f} ms all at once, {best:.0f} ms in chunks")
drawings.speed(times, chunks)


# %%
class MatrixConv(Layer):  # for exercise 2: images (N, H, W, C_in), 3x3 kernels
    def __init__(self, C_in, C_out):
        super().__init__()
        self._add_param("weight", np.random.default_rng(0).normal(size=(9 * C_in, C_out)))

    def forward(self, x, training=False, out=None):
        P, (N, H, W, _) = im2col(x, 3, 3), x.shape
        self._saved = x.shape, P
        return (P @ self.params["weight"]).reshape(N, H - 2, W - 2, -1)

    def backward(self, dy, input_gradient=True, out=None):
        (N, H, W, C_in), P = self._saved
        dY = dy.reshape(dy.shape[3], -1).T
        self.grads["weight"][...] = P.T @ dY  # as in a Linear layer whose input is P
        dP = (dY @ self.params["weight"].T).reshape(N, H - 2, W - 2, 3, 3, C_in)
        dx = np.zeros((N, H, W, C_in))
        for i, j in np.ndindex(3, 3):
            # im2col backwards: add to the pixels that each patch came from.
            dx[:, i : i + H - 2, j : j + W - 2] += dP[:, :, :, i, j]
        return dx


# %% [markdown]
# ## In short
#
# - Write every patch as a row of P (N OH OW, KH KW C) and every kernel as a column of W (KH KW
#   C_in, C_out). Then the convolution is one matrix product, $Y = P\, W + b$.
# - It is fast because matrix products are: many numbers an instruction, each fetched number used
#   often. It costs memory, so P is made in chunks.
# - Channels last (N, H, W, C) and channels first (N, C, H, W) are two orders of memory. `transpose`
#   leads from one to the other, `reshape` never.
# - PyTorch's kernels (C_out, C_in, KH, KW) become ours by `transpose(2, 3, 1, 0)`. The linear layer
#   behind a flatten needs its inputs permuted, too.
# - Watch out: a wrong order has the right shape. Test with sizes that are all different.

# %% [markdown]
# ## Exercises (answers: `solutions/solution_05.py`)
#
# 1. Half of AlexNet's second layer (lesson 16) is 27x27x48, padding 2, kernels 5x5. How large is P
#    for 128 images?
# 2. BUG: `MatrixConv` is wrong. Check `MatrixConv(3, C_out)` with C_out = 1 and with C_out = 2, and
#    an x of (2, 6, 7, 3). What do the two tables say?
# 3. `np.lib.stride_tricks.sliding_window_view` shows all patches without copying. Convolve with it
#    (with `np.tensordot` or `np.einsum`, which add up products over the axes that you name); is it
#    faster?
#
# One more checks itself: `lenet check 5 --start mine.py` writes a file to start from.
