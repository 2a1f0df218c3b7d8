# %% [markdown]
# # Lesson 6: convolution, backward
#
# Lessons 4 and 5 computed a convolution: y from the image x, the kernels w and the biases b. To
# learn, a network needs the way back. Given dy, which says how the loss changes with each number of
# y, we want db, dw and dx, which say the same for b, w and x. It takes no new mathematics: the
# chain rule of lesson 2, and careful book-keeping. We do it with plain loops, then with patches,
# and check both by measured slopes.

# %%
import numpy as np
from matplotlib.patches import Rectangle

from examples.lessons.figures import figure
from layers import Conv2d
from nn import Layer, check_gradients
from nn.data import digits

# %% [markdown]
# ## Every product sends back two gradients
# The forward sum, for images x (N, H, W, C) and kernels w (KH, KW, C, OC), lesson 4's weight (C_in,
# C_out):
#
#     y[n, oh, ow, o] = b[o] + sum over i, j, c of  x[n, oh + i, ow + j, c] * w[i, j, c, o]
#
# Ask of each number: where does it occur in this sum, and what happens to y if it grows a little?
#
# - b[o] is added at every position of map o. If it grows by 1, each of them grows by 1. So db[o] is
#   the sum of dy[n, oh, ow, o] over all images n and positions oh, ow.
# - w[i, j, c, o] is used at every position, each time with another pixel. If it grows by 1, y grows
#   there by that pixel. So dw[i, j, c, o] is the sum, over all images and positions, of pixel * dy.
# - x[n, h, w, c] lies under many windows (or patches), each time under another weight. If it grows
#   by 1, y grows there by that weight. So dx[n, h, w, c] is the sum, over all products that it
#   takes part in, of weight * dy.
#
# Hence a recipe that cannot go wrong: walk through the loops of the forward pass again, and for
# each product pixel * weight, give weight * dy to the pixel and pixel * dy to the weight.


# %%
class LoopConv(
    Layer
):  # for the checker alone: a network would also pass input_gradient and out (lesson 3)
    def __init__(self, w, b):
        super().__init__()
        self.params = {"w": w, "b": b}  # instead of _add_param: they are there already

    def products(self):
        """Every product of the sum: image, position, element of the kernel, input channel, output map."""
        N, H, W, _ = self.x.shape
        KH, KW, C, OC = self.params["w"].shape
        return np.ndindex(N, H - KH + 1, W - KW + 1, KH, KW, C, OC)

    def forward(self, x, training=False):
        (KH, KW, _, OC), w = self.params["w"].shape, self.params["w"]
        self.x = x
        y = np.zeros((len(x), x.shape[1] - KH + 1, x.shape[2] - KW + 1, OC)) + self.params["b"]
        for n, oh, ow, i, j, c, o in self.products():
            y[n, oh, ow, o] += x[n, oh + i, ow + j, c] * w[i, j, c, o]
        return y

    def backward(self, dy):
        x, w = self.x, self.params["w"]
        dx, dw = np.zeros_like(x), np.zeros_like(w)
        for n, oh, ow, i, j, c, o in self.products():
            dx[n, oh + i, ow + j, c] += w[i, j, c, o] * dy[n, oh, ow, o]
            dw[i, j, c, o] += x[n, oh + i, ow + j, c] * dy[n, oh, ow, o]
        self.grads = {"w": dw, "b": dy.sum(axis=(0, 1, 2))}
        return dx


rng = np.random.default_rng(6)
x, w, b = (
    rng.standard_normal((2, 5, 6, 2)),
    rng.standard_normal((3, 3, 2, 3)),
    rng.standard_normal(3),
)
report = check_gradients(LoopConv(w, b), x)
print(f"By plain loops:\n{report}")
assert report.max_error < 1e-6

# %% [markdown]
# ## With patches: two matrix products
# In lesson 5 every patch became a row of a matrix P, the kernels the columns of W, and y = P W + b.
# That is a linear layer, whose gradients we know: dW = P^T dy and dP = dy W^T. One thing is left: P
# holds a pixel once for each window over it, and the pixel's gradient is the sum over all its
# copies. `col2im` puts each patch back where it was cut out, and *adds* where patches overlap: its
# `+=` is the whole point.


# %%
class PatchConv(LoopConv):
    def backward(self, dy):
        (N, OH, OW, OC), (KH, KW, C, _) = dy.shape, self.params["w"].shape
        P, dx = np.empty((N, OH, OW, KH, KW, C)), np.zeros_like(self.x)
        for i, j in np.ndindex(KH, KW):  # im2col: pixel (i, j) of all patches at once
            P[:, :, :, i, j] = self.x[:, i : i + OH, j : j + OW]
        P, dy = P.reshape(N * OH * OW, KH * KW * C), dy.reshape(-1, OC)
        self.grads = {"w": (P.T @ dy).reshape(KH, KW, C, OC), "b": dy.sum(axis=0)}
        dP = (dy @ self.params["w"].reshape(-1, OC).T).reshape(N, OH, OW, KH, KW, C)
        for i, j in np.ndindex(KH, KW):  # col2im
            dx[:, i : i + OH, j : j + OW] += dP[:, :, :, i, j]
        return dx


report = check_gradients(PatchConv(w, b), x)
print(f"By patches: largest error {report.max_error:.1e}")
assert report.max_error < 1e-6

# %% [markdown]
# ## Two ways to the same dx: scatter and gather
# The loops ask of each output: to which pixels do you owe something? Its dy, times each weight, is
# added there, `+=`. That is called **scatter**: no kernel is rotated. One can also ask of each
# pixel: from which outputs do you get something? and add all of it up at once: **gather**. Here is
# a row of five pixels, w = (1, 2, 3), dy = (0, 1, 0):
#
#     scatter: the output 1 read the pixels 1, 2, 3 through 1, 2, 3; dx = (0, 1, 2, 3, 0), the kernel laid down
#     gather:  dx[h] = dy[h] w[0] + dy[h - 1] w[1] + dy[h - 2] w[2], in which the only 1 is dy[1]:
#              dx[1] is w[0] = 1, dx[2] is w[1] = 2, dx[3] is w[2] = 3; the same
#
# Why h - i? Forward, output position oh reads the pixel oh + i through w[i]. So the pixel h was
# read through w[i] by the position h - i: a plus has become a minus. Laid over dy, the kernel of
# gather runs backwards, here as (3, 2, 1); in two dimensions it is rotated by 180 degrees. Near the
# edge some windows do not exist; their dy counts as 0. So **for stride 1, dx is a convolution
# too**: of dy with a border of KH - 1 zeros, with the kernel rotated. (Moved over a lone 1, a
# kernel meets it with its last weight first, and so draws itself rotated; the rotated one is
# upright.)

# %%
kernel, dy = np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 0.0])
scattered, gathered = np.zeros(5), np.zeros(5)
for oh, i in np.ndindex(3, 3):
    scattered[oh + i] += dy[oh] * kernel[i]
for h in range(5):
    gathered[h] = sum(dy[h - i] * kernel[i] for i in range(3) if 0 <= h - i < 3)
slid = np.correlate(
    np.pad(dy, 2), kernel[::-1], "valid"
)  # a convolution as in lesson 4, of the border with (3, 2, 1)
print(f"scatter {scattered}, gather {gathered}, rotated kernel {slid}")
assert scattered.tolist() == gathered.tolist() == slid.tolist() == [0, 1, 2, 3, 0]

dy = rng.standard_normal((2, 3, 4, 3))
loops = LoopConv(w, b)
loops.forward(x)
rotated = w[::-1, ::-1].transpose(
    0, 1, 3, 2
)  # by 180 degrees; the OC maps are now what is summed over
bordered = np.pad(dy, ((0, 0), (2, 2), (2, 2), (0, 0)))  # a border of KH - 1 zeros
assert np.allclose(loops.backward(dy), LoopConv(rotated, np.zeros(2)).forward(bordered), atol=1e-12)
print("dx = dy with a border of zeros, convolved with the rotated kernel: equal")

# %% [markdown]
# ## With a stride
# If the windows start at every S-th pixel only, position oh reads the pixel S oh + i, and nothing
# was computed between. Scatter is as easy as before. For gather, think of the stride-1 outputs of
# which only every S-th was kept: the others never reached the loss, and their dy is 0. So **put S -
# 1 zeros between the numbers of dy**, then the border, then go on as with stride 1. Pixels at the
# far edge that no window reached get more zeros there. (As a layer of its own that is called
# *transposed convolution*, sometimes "deconvolution".) For dw likewise: the dy with zeros between
# are slid along x. Here with the 11x11 kernels and stride 4 of AlexNet's first layer, on a small
# image; two rows are left over.

# %%
S, K, strided = 4, 11, Conv2d(2, 3, 11, stride=4, rng=0).astype(np.float64)
image = rng.standard_normal((1, 25, 23, 2))
dy = rng.standard_normal(strided.forward(image, training=True).shape)
N, OH, OW, OC = dy.shape
spread = np.zeros(
    (N, image.shape[1] - K + 1, image.shape[2] - K + 1, OC)
)  # as many places as with stride 1
spread[:, ::S, ::S] = dy  # the others stay 0: S - 1 between two, and those that are left over
rotated = strided.params["weight"][::-1, ::-1].transpose(0, 1, 3, 2)
by_gather = LoopConv(rotated, np.zeros(2)).forward(
    np.pad(spread, ((0, 0), (K - 1, K - 1), (K - 1, K - 1), (0, 0)))
)
assert np.allclose(by_gather, strided.backward(dy), rtol=0, atol=1e-12)
windows = np.lib.stride_tricks.sliding_window_view(
    image, spread.shape[1:3], axis=(1, 2)
)  # (N, K, K, C, places)
by_sliding = np.einsum("nijchw,nhwo->ijco", windows, spread)
assert np.allclose(by_sliding, strided.grads["weight"], rtol=0, atol=1e-12)
assert check_gradients(strided, image).max_error < 1e-6  # and the library's are right
dense = np.pad(
    dy, ((0, 0), (K - 1, K - 1), (K - 1, K - 1), (0, 0))
)  # without the zeros even the size is wrong
assert dense.shape[1] - K + 1 < image.shape[1] and not by_gather[:, -2:].any()
print(
    f"stride {S}: dy of {OH}x{OW}, spread to {spread.shape[1]}x{spread.shape[2]}, gives dx of 25x23: equal"
)

# The same with a digit and a kernel in the form of an F, by the library (layers/conv.py), to look at.
conv = Conv2d(1, 1, 5)
conv.params["weight"][..., 0, 0] = np.array(
    [list("01110"), list("01000"), list("01100"), *[list("01000")] * 2], float
)
digit = digits()[0].images[1:2]
with figure("06_backward", 11, 5.6) as drawing:  # open runs/lessons/06_backward.png
    for row, places in zip(drawing.subplots(2, 4), ([(9, 12)], [(9, 12), (11, 12), (18, 9)])):
        dy = np.zeros_like(conv.forward(digit, training=True))
        for oh, ow in places:
            dy[0, oh, ow] = 1
        images = [dy, conv.backward(dy), digit, conv.grads["weight"]]
        titles = (
            "dy: 0, and 1 here",
            "dx: the kernel, laid there",
            "x: the pixels read there",
            "dw: their sum",
        )
        for axes, title, image in zip(row, titles, images):
            axes.imshow(image.squeeze(), cmap="Purples", vmin=0)
            axes.set(title=title, xticks=[], yticks=[])
        for oh, ow in places:
            row[2].add_patch(
                Rectangle((ow - 0.5, oh - 0.5), 5, 5, fill=False, color="#D55E00", linewidth=2)
            )


# %%
class TurnedConv(LoopConv):  # for exercise 2
    def backward(self, dy):
        (KH, KW, C, _), w = self.params["w"].shape, self.params["w"]
        super().backward(dy)  # dw and db
        border = np.pad(dy, ((0, 0), (KH - 1, KH - 1), (KW - 1, KW - 1), (0, 0)))
        return LoopConv(w.transpose(0, 1, 3, 2), np.zeros(C)).forward(border)


# %% [markdown]
# ## Exercises (answers: `solutions/solution_06.py`)
# 1. Let x be 5x5, w 3x3 of ones, and dy all ones. Work out dx by thinking (how many windows hold
#    each pixel?), then compare with `LoopConv` or `Conv2d`.
# 2. `TurnedConv` has a bug. Which of the three gradients is wrong? Find it with `check_gradients`
#    and mend it.
# 3. Give `PatchConv` a stride S (its forward pass is LoopConv's; change that too): windows start at
#    every S-th pixel. Check it, and compare with `Conv2d`.
