# %% [markdown]
# # Lesson 6: convolution, backward
#
# Lessons 4 and 5 computed a convolution: y from the image x, the kernels w and the biases b. To learn, a
# network needs the way back. Given dy, which says how the loss changes with each number of y, we want db,
# dw and dx, which say the same for b, w and x. It takes no new mathematics: the chain rule of lesson 2,
# and careful book-keeping. We do it with plain loops, then with patches, and check both by measured
# slopes.

# %%
import numpy as np
from matplotlib.patches import Rectangle

from examples.lessons.figures import figure
from layers import Conv2d
from nn import Layer, check_gradients
from nn.data import digits

# %% [markdown]
# ## Every product sends back two gradients
# The forward sum, for images x (N, H, W, C) and kernels w (KH, KW, C, OC), lesson 4's weight (C_in, C_out):
#
#     y[n, oh, ow, o] = b[o] + sum over i, j, c of  x[n, oh + i, ow + j, c] * w[i, j, c, o]
#
# Ask of each number: where does it occur in this sum, and what happens to y if it grows a little?
#
# - b[o] is added at every position of map o. If it grows by 1, each of them grows by 1. So db[o] is the
#   sum of dy[n, oh, ow, o] over all images n and positions oh, ow.
# - w[i, j, c, o] is used at every position, each time with another pixel. If it grows by 1, y grows there
#   by that pixel. So dw[i, j, c, o] is the sum, over all images and positions, of pixel * dy.
# - x[n, h, w, c] lies under many windows (or patches), each time under another weight. If it grows by 1, y grows there
#   by that weight. So dx[n, h, w, c] is the sum, over all products that it takes part in, of weight * dy.
#
# Hence a recipe that cannot go wrong: walk through the loops of the forward pass again, and for each
# product pixel * weight, give weight * dy to the pixel and pixel * dy to the weight.


# %%
class LoopConv(Layer):  # for the checker alone: a network would also pass input_gradient and out (lesson 3)
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
x, w, b = rng.standard_normal((2, 5, 6, 2)), rng.standard_normal((3, 3, 2, 3)), rng.standard_normal(3)
report = check_gradients(LoopConv(w, b), x)
print(f"By plain loops:\n{report}")
assert report.max_error < 1e-6

# %% [markdown]
# ## With patches: two matrix products
# In lesson 5 every patch became a row of a matrix P, the kernels the columns of W, and y = P W + b. That
# is a linear layer, whose gradients we know: dW = P^T dy and dP = dy W^T. One thing is left: P holds a
# pixel once for each window over it, and the pixel's gradient is the sum over all its copies. `col2im`
# puts each patch back where it was cut out, and *adds* where patches overlap: its `+=` is the whole point.


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
# ## dx is a convolution too, with the kernel rotated
# Forward, output position oh reads the pixel oh + i through w[i]. So the pixel h was read through w[i] by the position
# h - i: a plus has become a minus. Laid over dy, the kernel runs backwards in both directions: it is rotated by
# 180 degrees. (The figure shows it upright: moved over a lone 1, a kernel meets it with its last weight first, and so
# draws itself rotated; the rotated one is upright.) Near the edge some windows do not exist; their dy counts as 0.

# %%
dy = rng.standard_normal((2, 3, 4, 3))
loops = LoopConv(w, b)
loops.forward(x)
rotated = w[::-1, ::-1].transpose(0, 1, 3, 2)  # by 180 degrees; the OC maps are now what is summed over
bordered = np.pad(dy, ((0, 0), (2, 2), (2, 2), (0, 0)))  # a border of KH - 1 zeros
assert np.allclose(loops.backward(dy), LoopConv(rotated, np.zeros(2)).forward(bordered), atol=1e-12)
print("dx = dy with a border of zeros, convolved with the rotated kernel: equal")

# The same with a digit and a kernel in the form of an F, by the library (layers/conv.py), to look at.
conv = Conv2d(1, 1, 5)
conv.params["weight"][..., 0, 0] = np.array([list("01110"), list("01000"), list("01100"), *[list("01000")] * 2], float)
digit = digits()[0].images[1:2]
with figure("06_backward", 11, 5.6) as drawing:  # open runs/lessons/06_backward.png
    for row, places in zip(drawing.subplots(2, 4), ([(9, 12)], [(9, 12), (11, 12), (18, 9)])):
        dy = np.zeros_like(conv.forward(digit, training=True))
        for oh, ow in places:
            dy[0, oh, ow] = 1
        images = [dy, conv.backward(dy), digit, conv.grads["weight"]]
        titles = "dy: 0, and 1 here", "dx: the kernel, laid there", "x: the pixels read there", "dw: their sum"
        for axes, title, image in zip(row, titles, images):
            axes.imshow(image.squeeze(), cmap="Purples", vmin=0)
            axes.set(title=title, xticks=[], yticks=[])
        for oh, ow in places:
            row[2].add_patch(Rectangle((ow - 0.5, oh - 0.5), 5, 5, fill=False, color="#D55E00", linewidth=2))


# %%
class TurnedConv(LoopConv):  # for exercise 2
    def backward(self, dy):
        (KH, KW, C, _), w = self.params["w"].shape, self.params["w"]
        super().backward(dy)  # dw and db
        border = np.pad(dy, ((0, 0), (KH - 1, KH - 1), (KW - 1, KW - 1), (0, 0)))
        return LoopConv(w.transpose(0, 1, 3, 2), np.zeros(C)).forward(border)


# %% [markdown]
# ## Exercises (answers: `solutions/solution_06.py`)
# 1. Let x be 5x5, w 3x3 of ones, and dy all ones. Work out dx by thinking (how many windows hold each
#    pixel?), then compare with `LoopConv` or `Conv2d`.
# 2. `TurnedConv` has a bug. Which of the three gradients is wrong? Find it with `check_gradients` and mend it.
# 3. Give `PatchConv` a stride S (its forward pass is LoopConv's; change that too): windows start at every S-th pixel.
#    Check it, and compare with `Conv2d`.
