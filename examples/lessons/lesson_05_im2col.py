# %% [markdown]
# # Lesson 5: convolution as one matrix product
#
# The loops of lesson 4 are right and slow. Now all patches become the rows of one matrix, and the
# convolution becomes one matrix product, which computers are very good at. How much is gained? (It
# is called im2col, "image to columns", because others write the patches as columns.)

# %%
import timeit

import numpy as np
from matplotlib.patches import Rectangle
from numba import njit
from threadpoolctl import threadpool_limits

from examples.lessons.figures import figure
from layers import Conv2d
from nn import Layer
from nn.backend.runtime.threads import set_num_threads
from nn.data import digits
from nn.plots.style import COLOURS

# %% [markdown]
# ## Patches as rows
# One output is a patch times a kernel, added up: the product of two vectors, if both are written in
# a row. So write every patch as a row of a matrix P (not the padding of lesson 4) of shape (N OH
# OW, KH KW C_in), every kernel as a column of a matrix W (KH KW C_in, C_out), and P W holds every
# patch times every kernel. To build P we need no loop over places: pixel (i, j) of all patches at
# once is the image, shifted by (i, j).


# %%
def im2col(x, KH, KW, memory=None):
    N, H, W, C = x.shape
    OH, OW = H - KH + 1, W - KW + 1
    memory = (
        np.empty(N * OH * OW * KH * KW * C, x.dtype) if memory is None else memory
    )  # new, or lent by the caller
    patches = memory[: N * OH * OW * KH * KW * C].reshape(N, OH, OW, KH, KW, C)
    for i in range(KH):
        for j in range(KW):
            patches[:, :, :, i, j] = x[:, i : i + OH, j : j + OW]
    return patches.reshape(N * OH * OW, KH * KW * C)


# %% [markdown]
# ## The order of a row
# A row of P holds a patch in the order (KH, KW, C): all channels of the top left pixel, then those
# of its right neighbour, and so on, row by row. A column of W needs the very same order, or each
# pixel meets another pixel's weight, and the shapes would not tell. Our weights (KH, KW, C_in,
# C_out) have it already: `reshape` moves no number. In PyTorch images are (N, C, H, W), a row is
# (C, KH, KW), all of the first channel first, and weights are (C_out, C_in, KH, KW). Below, an
# image of 3x3 pixels and 2 channels; 120 is row 1, column 2, channel 0.

# %%
hwc = np.fromfunction(lambda n, h, w, c: 100 * h + 10 * w + c, (1, 3, 3, 2), dtype=int)
print("2x2 patches of 2 channels, as rows:", *im2col(hwc, 2, 2), sep="\n    ")
assert im2col(hwc, 2, 2)[0].tolist() == [
    0,
    1,
    10,
    11,
    100,
    101,
    110,
    111,
]  # rows 0, 1; columns 0, 1; channels 0, 1
theirs = np.random.default_rng(0).normal(
    size=(5, 2, 2, 2)
)  # PyTorch's order, (C_out, C_in, KH, KW)
one_by_one = [
    (hwc[0, :2, :2].transpose(2, 0, 1) * kernel).sum() for kernel in theirs
]  # the first patch
ours = theirs.transpose(2, 3, 1, 0).reshape(8, 5)  # axes in our order, then the rows
assert np.allclose(im2col(hwc, 2, 2)[0] @ ours, one_by_one)
assert not np.allclose(
    im2col(hwc, 2, 2)[0] @ theirs.reshape(5, 8).T, one_by_one
)  # fits, and is wrong

small = digits()[0].images[18].reshape(7, 4, 7, 4).mean(axis=(1, 3))  # a digit, shrunk to 7x7
left = np.array([[-1.0, 0.0, 1.0]] * 3)
W = np.stack([left, left.T], axis=-1).reshape(9, 2)  # left edges, top edges
P = im2col(small[None, :, :, None], 3, 3)
Y = P @ W
panels = {
    "image": (small, "gray_r", 0.8, (3, 3)),
    f"P: patches\n{P.shape}": (P, "gray_r", 0.8, (9, 1)),
    f"times W: kernels\n{W.shape}": (W, "RdBu_r", 2, None),
    f"= Y\n{Y.shape}": (Y, "RdBu_r", 2, (2, 1)),
    "Y[:, 0] as a map": (Y[:, 0].reshape(5, 5), "RdBu_r", 2, (1, 1)),
    "Y[:, 1] as a map": (Y[:, 1].reshape(5, 5), "RdBu_r", 2, (1, 1)),
}
with figure("05_im2col", 12, 4.6) as drawing:  # open runs/lessons/05_im2col.png
    drawing.supxlabel(
        "in W blue is -1, white 0, red 1; in Y and its maps blue is negative, red positive"
    )
    all_axes = drawing.subplots(1, 6, width_ratios=(7, 5, 3, 2.4, 4, 4))
    for axes, (title, (array, colours, limit, box)) in zip(all_axes, panels.items()):
        axes.imshow(array, cmap=colours, vmin=0 if colours == "gray_r" else -limit, vmax=limit)
        axes.set(title=title, xticks=[], yticks=[])
        axes.spines[:].set_visible(True)
        for row, colour in (
            zip((1, 12, 19), COLOURS[1:4]) if box else ()
        ):  # three patches, wherever they occur
            corner = (
                (-0.5, row - 0.5) if array is P or array is Y else (row % 5 - 0.5, row // 5 - 0.5)
            )
            axes.add_patch(Rectangle(corner, *box, fill=False, color=colour, linewidth=2.5))

# %% [markdown]
# ## How much faster?
# Four ways to the same numbers: six maps of 28x28, sixteen 5x5 kernels. One is numba, a compiler,
# which makes machine code of the same Python loops. The last is the library's: where there are few
# channels, as here, it computes without any patches, with loops that are arranged for the processor
# (`nn/backend/cpu/conv_direct.py`; not with NN_BACKEND=plain). All use one thread, to be fair; the
# best of several runs counts.


# %%
def loops(x, weight, y):
    for n, oh, ow, o in np.ndindex(y.shape):
        for i in range(weight.shape[0]):
            for j in range(weight.shape[1]):
                for c in range(weight.shape[2]):
                    y[n, oh, ow, o] += x[n, oh + i, ow + j, c] * weight[i, j, c, o]
    return y


set_num_threads(1), threadpool_limits(1)  # in layers.Conv2d, in matrix products
x = np.random.default_rng(0).normal(size=(128, 28, 28, 6)).astype(np.float32)
layer = Conv2d(6, 16, 5, rng=0)
weight, zeros, times = layer.params["weight"], np.zeros((1, 24, 24, 16), np.float32), {}
ways = {
    "Python loops": loops,
    "the loops, compiled": njit(loops),
    "im2col, NumPy": lambda x, weight, y: (im2col(x, 5, 5) @ weight.reshape(-1, 16)).reshape(
        y.shape
    ),
    "layers.Conv2d": lambda x, weight, y: layer.forward(x),
}
right = layer.forward(x[:1])
print(
    f"one image, {right.size * 150:,} multiplications and additions:"
)  # 150 = 5 * 5 * 6 for each output
for name, way in ways.items():
    assert np.allclose(
        way(x[:1], weight, zeros.copy()), right, rtol=0, atol=1e-4
    )  # the compiler compiles here
    runs = 1 if way is loops else 20
    times[name] = (
        min(timeit.repeat(lambda way=way: way(x[:1], weight, zeros.copy()), number=1, repeat=runs))
        * 1e3
    )
    print(
        f"  {name:20}{times[name]:8.2f} ms, {right.size * 150 / times[name] / 1e3:7,.0f} million a second"
    )

# %% [markdown]
# ## What it costs, and chunks
# A pixel lies in up to KH KW patches, so P is up to 25 times as large as the image: for the second
# layer of AlexNet (lesson 16) and 128 images, 896 MB. And a P that fits into the processor's cache,
# a small memory close by, can be multiplied at once; a larger one is written to main memory and
# read back. So P is made for a *chunk* of the images, multiplied, and the next one is written over
# it: `nn/backend/patches.py`. How large is best, and how much is gained, depends on the processor.

# %%
assert (
    round(128 * 27 * 27 * (5 * 5 * 96) * 4 / 1e6) == 896
)  # images, places, patch of 96 channels, bytes
sizes, memory = {}, np.empty(128 * 576 * 150, np.float32)  # 576 = 24 * 24 places
for count in (
    1,
    2,
    4,
    8,
    16,
    32,
    64,
    128,
) * 10:  # in turns, so that other programs disturb all of them alike
    chunks, kernels = np.split(x, 128 // count), weight.reshape(-1, 16)
    run = (
        timeit.timeit(
            lambda c=chunks, k=kernels: [im2col(part, 5, 5, memory) @ k for part in c], number=1
        )
        * 1e3
    )
    megabytes = count * 576 * 150 * 4 / 1e6
    sizes[megabytes] = min(run, sizes.get(megabytes, np.inf))
print(
    f"128 images: {sizes[megabytes]:.0f} ms all at once, {min(sizes.values()):.0f} ms in the best chunks"
)
with figure("05_speed", 11, 3.6) as drawing:
    left, right = drawing.subplots(1, 2)
    left.semilogx(list(times.values()), list(times), "o", markersize=9)
    left.set(title="One image", xlabel="milliseconds", xlim=(0.01, 1e4), ylim=(3.5, -0.5))
    for row, ms in enumerate(times.values()):
        left.annotate(f"{ms:,.2f} ms", (ms, row), (0, 7), textcoords="offset points", ha="center")
    right.semilogx(sizes.keys(), sizes.values(), "o-")
    right.set(
        title="128 images in chunks",
        xlabel="MB of patches at a time",
        ylabel="milliseconds",
        ylim=(0, None),
    )


# %%
class MatrixConv(Layer):  # images (N, H, W, C_in), 3x3 kernels
    def __init__(self, C_in, C_out):
        super().__init__()
        self._add_param("weight", np.random.default_rng(0).normal(size=(9 * C_in, C_out)))

    def forward(self, x, training=False, out=None):
        self._saved = x.shape, im2col(x, 3, 3)
        return (self._saved[1] @ self.params["weight"]).reshape(
            len(x), x.shape[1] - 2, x.shape[2] - 2, -1
        )

    def backward(self, dy, input_gradient=True, out=None):
        (N, H, W, C_in), P = self._saved
        dY = dy.reshape(dy.shape[3], -1).T
        self.grads["weight"][...] = P.T @ dY  # as in a Linear layer whose input is P
        dP, dx = (
            (dY @ self.params["weight"].T).reshape(N, H - 2, W - 2, 3, 3, C_in),
            np.zeros((N, H, W, C_in)),
        )
        for i, j in np.ndindex(
            3, 3
        ):  # im2col backwards: add to the pixels that each patch came from
            dx[:, i : i + H - 2, j : j + W - 2] += dP[:, :, :, i, j]
        return dx


# %% [markdown]
# ## Exercises (answers: `solutions/solution_05.py`)
# 1. Half of AlexNet's second layer (lesson 16) is 27x27x48, padding 2, kernels 5x5. How large is P
#    for 128 images?
# 2. BUG: `MatrixConv` is wrong. Check it with C_out = 1 and with C_out = 2. What do the two tables
#    say?
# 3. `np.lib.stride_tricks.sliding_window_view` shows all patches without copying. Convolve with it;
#    is it faster?
