# %% [markdown]
# # Lesson 6: convolution, backward
#
# Lessons 4 and 5 computed a convolution: y from the image x, the kernel w and the bias b. To learn,
# a network needs the way back. Given dy, the gradient of the loss with respect to each number of y,
# we want dw, db and dx, the gradients with respect to w, b and x. It takes no new mathematics: the
# chain rule of lesson 2, and careful book-keeping. First with four pixels in a row, then with
# images, by plain loops, by patches, and by another convolution; each checked by measured slopes.

# %%
import numpy as np

from examples.lessons.drawings import convolution_backward as drawings
from layers import Conv2d
from nn import Layer, check_gradients
from nn.data import digits

# %% [markdown]
# ## One row, in numbers
#
# Four pixels x = (2, 0, 1, 3), a kernel w = (5, 7), a bias b = 1. Forward:
#
#     y[0] = 2*5 + 0*7 + 1 = 11
#     y[1] = 0*5 + 1*7 + 1 =  8
#     y[2] = 1*5 + 3*7 + 1 = 27
#
# Now let the layers behind say dy = (1, 10, 100): if y[1] grows by a little, the loss grows by 10
# times as much. (With these numbers you can see in a sum where each part came from.) Ask of each
# number: **where does it occur, and what happens to y there if it grows a little?**
#
# The bias is added to all three outputs. If it grows by 1, each of them grows by 1:
#
#     db    = 1 + 10 + 100 = 111
#
# A weight is used for every output, each time with another pixel. w[0] met the pixels 2, 0, 1, and
# w[1] met 0, 1, 3. If the weight grows by 1, the output grows by the pixel:
#
#     dw[0] = 2*1 + 0*10 + 1*100 = 102
#     dw[1] = 0*1 + 1*10 + 3*100 = 310
#
# A pixel lies under several windows, each time under another weight. If it grows by 1, the output
# grows by that weight. The pixels at the ends lie under one window only:
#
#     dx[0] = 5*1               =   5
#     dx[1] = 7*1   +  5*10     =  57
#     dx[2] = 7*10  +  5*100    = 570
#     dx[3] = 7*100             = 700
#
# Each *product* pixel * weight of the forward pass has sent back two gradients: weight * dy to the
# pixel, and pixel * dy to the weight. Hence a recipe that cannot go wrong: walk through the loops
# of the forward pass again, and let each product send back its two. The figure shows the products
# as lines, forward down and backward up the same lines. (The measured slopes below take a whole
# step of 1, which is exact here: y is linear in each single number.)

# %%
x, w, b, dy = np.array([2, 0, 1, 3]), np.array([5, 7]), 1, np.array([1, 10, 100])
y, dx, dw = np.full(3, b), np.zeros(4, int), np.zeros(2, int)
for o, i in np.ndindex(3, 2):
    y[o] += x[o + i] * w[i]
for o, i in np.ndindex(3, 2):  # the same products again
    dx[o + i] += w[i] * dy[o]
    dw[i] += x[o + i] * dy[o]
print(f"y {y}, db {dy.sum()}, dw {dw}, dx {dx}")
assert y.tolist() == [11, 8, 27] and dy.sum() == 111
assert dw.tolist() == [102, 310] and dx.tolist() == [5, 57, 570, 700]


def loss(x, w, b):  # one whose gradient with respect to y is dy
    return sum(dy[o] * (x[o] * w[0] + x[o + 1] * w[1] + b) for o in range(3))


# np.eye(4) has the rows (1, 0, 0, 0), (0, 1, 0, 0) and so on: one number grows by 1.
assert [loss(x + one, w, b) - loss(x, w, b) for one in np.eye(4)] == dx.tolist()
assert [loss(x, w + one, b) - loss(x, w, b) for one in np.eye(2)] == dw.tolist()
assert loss(x, w, b + 1) - loss(x, w, b) == 111
drawings.one_row(x, w, y, dx, dy)

# %% [markdown]
# In lesson 4 a convolution was a linear layer in disguise, y = x M + b, with the kernel in each
# column of M. So the rule of lesson 2 for a linear layer, dx = dy M^T, must give the same dx; it
# does. And the rule for its weights gives dM, the gradient for each *place* of M; as one weight
# stands in several places, its gradient is their sum (where several ways lead to the loss,
# gradients add up).

# %%
M = np.array([[5, 0, 0], [7, 5, 0], [0, 7, 5], [0, 0, 7]])
dM = np.outer(x, dy)  # x^T dy for one example: each x times each dy
assert np.array_equal(x @ M + b, y) and np.array_equal(dy @ M.T, dx)
# trace: the sum along a diagonal. The places of 5, then, one further down, those of 7.
assert [np.trace(dM), np.trace(dM, offset=-1)] == dw.tolist()
print("as a linear layer: dy M^T =", dy @ M.T)

# %% [markdown]
# ## Images
#
# For images x (N, H, W, C) and kernels w (KH, KW, C, OC) nothing changes but the number of indices:
#
# $$y[n, oh, ow, o] = b[o] + \sum_{i, j, c} x[n,\; oh + i,\; ow + j,\; c] \; w[i, j, c, o]$$
#
# - b[o] is added at every position of map o, in every image. So db[o] is the sum of dy[n, oh, ow,
#   o] over n, oh and ow.
# - w[i, j, c, o] is used at every position. So dw[i, j, c, o] is the sum, over all images and
#   positions, of pixel * dy.
# - x[n, h, w, c] lies under many windows and feeds every map. So dx[n, h, w, c] is the sum, over
#   all products that it takes part in, of weight * dy.
#
# `LoopConv` is the recipe, and `check_gradients` (lesson 3) checks it. (A layer for a network would
# also accept `input_gradient` and `out`; the checker does without.)


# %%
class LoopConv(Layer):
    def __init__(self, w, b):
        super().__init__()
        self.params = {"w": w, "b": b}

    def products(self):
        """The indices of every product: image, position, place in the kernel, channel, map."""
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
x, w = rng.standard_normal((2, 5, 6, 2)), rng.standard_normal((3, 3, 2, 3))
b = rng.standard_normal(3)
report = check_gradients(LoopConv(w, b), x)
print(f"By plain loops:\n{report}")
assert report.max_error < 1e-6

# %% [markdown]
# ## With patches: two matrix products
#
# In lesson 5 every patch became a row of a matrix P, the kernels the columns of W, and Y = P W + b.
# That is a linear layer with P for its input, and its gradients we know:
#
# $$dW = P^T\, dY, \qquad dP = dY\, W^T, \qquad db = \text{the sum of the rows of } dY$$
#
# One thing is left. P holds a pixel once for each window over it, and the pixel's gradient is the
# sum over all its copies. The function that does it is called **col2im**: it puts each patch back
# where it was cut out, and *adds* where patches overlap (PyTorch: `fold`). Its `+=` is the whole
# point.


# %%
class PatchConv(LoopConv):
    def backward(self, dy):
        (N, OH, OW, OC), (KH, KW, C, _) = dy.shape, self.params["w"].shape
        P, dx = np.empty((N, OH, OW, KH, KW, C)), np.zeros_like(self.x)
        for i, j in np.ndindex(KH, KW):  # im2col: pixel (i, j) of all patches at once
            P[:, :, :, i, j] = self.x[:, i : i + OH, j : j + OW]
        P, dY = P.reshape(N * OH * OW, KH * KW * C), dy.reshape(-1, OC)
        self.grads = {"w": (P.T @ dY).reshape(KH, KW, C, OC), "b": dY.sum(axis=0)}
        dP = (dY @ self.params["w"].reshape(-1, OC).T).reshape(N, OH, OW, KH, KW, C)
        for i, j in np.ndindex(KH, KW):  # col2im
            dx[:, i : i + OH, j : j + OW] += dP[:, :, :, i, j]
        return dx


report = check_gradients(PatchConv(w, b), x)
print(f"By patches: largest error {report.max_error:.1e}")
assert report.max_error < 1e-6

# %% [markdown]
# ## Two ways to one sum: scatter and gather
#
# All of this asked of each *output*: to which pixels do you owe something? Its dy, times each
# weight, is added there, `+=`. That is called **scatter**, and no kernel is rotated. One can also
# ask of each *pixel*: from which outputs do you get something? and add all of it up at once:
# **gather**. Take five pixels, w = (1, 2, 3), and dy = (0, 1, 0).
#
# Scatter: output 1 read the pixels 1, 2 and 3, through the weights 1, 2 and 3. Times its dy of 1,
# the kernel is laid down there: dx = (0, 1, 2, 3, 0).
#
# Gather: output o read the pixel o + i through w[i]. So the pixel h was read through w[i] by the
# output h - i: a plus has become a minus.
#
# $$dx[h] = \sum_i dy[h - i]\, w[i]$$
#
# Here it is dx[h] = dy[h] w[0] + dy[h - 1] w[1] + dy[h - 2] w[2], where a dy that does not exist
# counts as zero. The only 1 is dy[1], so dx[1] = w[0] = 1, dx[2] = w[1] = 2, dx[3] = w[2] = 3, as
# before. Read the sum from left to right along dy: the weights run backwards, 3, 2, 1. Gather is a
# convolution as in lesson 4, of dy with a border of zeros, by the **rotated** kernel:
#
#     0  0  0  1  0  0  0         dy with a border of two zeros
#     3  2  1                     0*3 + 0*2 + 0*1 = 0
#        3  2  1                  0*3 + 0*2 + 1*1 = 1
#           3  2  1               0*3 + 1*2 + 0*1 = 2
#              3  2  1            1*3 + 0*2 + 0*1 = 3
#                 3  2  1         0*3 + 0*2 + 0*1 = 0
#
# So whoever writes `+=` need not rotate, and whoever convolves must. In two dimensions the kernel
# is rotated by 180 degrees, and the border is KH - 1 and KW - 1 wide. Input and output channels
# change places, because the maps are now what is summed over. **For stride 1, dx is a convolution,
# too.**

# %%
kernel, dy = np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 0.0])
scattered, gathered = np.zeros(5), np.zeros(5)
for o, i in np.ndindex(3, 3):
    scattered[o + i] += dy[o] * kernel[i]
for h in range(5):
    gathered[h] = sum(dy[h - i] * kernel[i] for i in range(3) if 0 <= h - i < 3)
slid = np.correlate(np.pad(dy, 2), kernel[::-1], "valid")  # [::-1]: backwards
print(f"scatter {scattered}, gather {gathered}, rotated kernel {slid}")
assert scattered.tolist() == gathered.tolist() == slid.tolist() == [0, 1, 2, 3, 0]

# %% [markdown]
# ## With a stride
#
# With stride S the output o reads the pixels S o + i. Scatter is as easy as before. For gather,
# think of the outputs with stride 1, of which only every S-th was kept: the others never reached
# the loss, and their dy is 0. So **put S - 1 zeros between the numbers of dy**, then go on as with
# stride 1. Five pixels again, w = (1, 2, 3), stride 2: two outputs, at 0 and 2. With dy = (1, 10):
#
#     scatter: (1, 2, 3, 0, 0) + (0, 0, 10, 20, 30) = (1, 2, 13, 20, 30)
#     gather:  dy with a zero between and a border: (0, 0, 1, 0, 10, 0, 0), by (3, 2, 1)
#
# If the stride does not fit, pixels are left over at the far edge; they get further zeros, and
# their dx is 0. (As a layer of its own, this is called **transposed convolution**; the name is from
# the M^T above. "Deconvolution" is a misnomer for it.)
#
# `gather_dx` does it for images. It agrees with `PatchConv` for stride 1, and with the library for
# the 11 x 11 kernels and the stride of 4 of AlexNet's first layer, on a small image of which two
# rows are left over.


# %%
def gather_dx(dy, w, S, x_shape):
    (KH, KW, C, OC), (N, H, W, _) = w.shape, x_shape
    spread = np.zeros((N, H - KH + 1, W - KW + 1, OC))  # as many places as with stride 1
    spread[:, ::S, ::S] = dy
    border = np.pad(spread, ((0, 0), (KH - 1, KH - 1), (KW - 1, KW - 1), (0, 0)))
    rotated = w[::-1, ::-1].transpose(0, 1, 3, 2)  # by 180 degrees, and channels change places
    return LoopConv(rotated, np.zeros(C)).forward(border)


assert np.correlate([0, 0, 1, 0, 10, 0, 0], [3, 2, 1], "valid").tolist() == [1, 2, 13, 20, 30]
patches = PatchConv(w, b)
dy = rng.standard_normal(patches.forward(x).shape)
assert np.allclose(gather_dx(dy, w, 1, x.shape), patches.backward(dy), rtol=0, atol=1e-12)

strided, image = Conv2d(2, 3, 11, stride=4, rng=0).astype(np.float64), rng.random((1, 25, 23, 2))
dy = rng.standard_normal(strided.forward(image, training=True).shape)
dx, gathered = strided.backward(dy), gather_dx(dy, strided.params["weight"], 4, image.shape)
assert np.allclose(gathered, dx, rtol=0, atol=1e-12) and not gathered[:, -2:].any()
assert check_gradients(strided, image).max_error < 1e-6  # and the library's are right
print(f"stride 4: dy of {dy.shape[1]}x{dy.shape[2]} gives dx of {dx.shape[1]}x{dx.shape[2]}: equal")

# %% [markdown]
# And dw? It asks: which pixels did this weight meet, and with which dy? The pixels that w[i] met
# lie S apart, as do the outputs once zeros are between them. So **dw is a convolution, too**: dy,
# with the zeros between, is slid along x like a kernel (one with gaps, a **dilated** convolution),
# and stops at KH x KW places, one for each weight. In the first example, with stride 1, dy = (1,
# 10, 100) along x = (2, 0, 1, 3) gives 102 and 310.

# %%
assert np.correlate([2, 0, 1, 3], [1, 10, 100], "valid").tolist() == [102, 310]
spread = np.zeros((1, 15, 13, 3))  # 25 - 11 + 1, 23 - 11 + 1
spread[:, ::4, ::4] = dy
dw = np.zeros((11, 11, 2, 3))
for i, j, c, o in np.ndindex(dw.shape):
    dw[i, j, c, o] = (image[:, i : i + 15, j : j + 13, c] * spread[..., o]).sum()
assert np.allclose(dw, strided.grads["weight"], rtol=0, atol=1e-12)

# %% [markdown]
# ## To look at
#
# A kernel in the form of an F, a digit, and a dy that is 1 in one place (upper row of the figure)
# or in three (lower row), and 0 elsewhere. dx is the kernel, upright, laid down at each of these
# places, and added where they overlap. dw is the part of the digit that was read there, and with
# three places the sum of three parts.

# %%
conv, digit, rows = Conv2d(1, 1, 5), digits()[0].images[1:2], []
letter = ["01110", "01000", "01100", "01000", "01000"]
conv.params["weight"][..., 0, 0] = [[float(number) for number in line] for line in letter]
for places in [(9, 12)], [(9, 12), (11, 12), (18, 9)]:
    dy = np.zeros_like(conv.forward(digit, training=True))
    for oh, ow in places:
        dy[0, oh, ow] = 1
    rows.append((places, dy, conv.backward(dy), digit, conv.grads["weight"].copy()))
assert np.allclose(rows[0][4][..., 0, 0], digit[0, 9:14, 12:17, 0], atol=1e-6)
drawings.backward(rows)


# %%
class TurnedConv(LoopConv):  # for exercise 2
    def backward(self, dy):
        (KH, KW, C, _), w = self.params["w"].shape, self.params["w"]
        super().backward(dy)  # dw and db
        border = np.pad(dy, ((0, 0), (KH - 1, KH - 1), (KW - 1, KW - 1), (0, 0)))
        return LoopConv(w.transpose(0, 1, 3, 2), np.zeros(C)).forward(border)


# %% [markdown]
# ## In short
#
# - Each product pixel * weight sends weight * dy to the pixel and pixel * dy to the weight; all
#   that arrive are added up.
# - db is the sum of dy over all images and positions.
# - With patches: $dW = P^T\, dY$, $dP = dY\, W^T$, and col2im adds each row of dP to its pixels.
# - Scatter (`+=` into dx) needs no rotation. Gather is a convolution of dy, with a border of zeros,
#   by the kernel rotated by 180 degrees: $dx[h] = \sum_i dy[h - i]\, w[i]$.
# - With stride S put S - 1 zeros between the numbers of dy first. dw is dy, so spread, slid along
#   x.
# - Watch out: `=` instead of `+=` into dx is wrong only where windows overlap, and a forgotten
#   rotation is invisible with a symmetric kernel. Check with uneven sizes.

# %% [markdown]
# ## Exercises (answers: `solutions/solution_06.py`)
#
# 1. Let x be 5x5, w 3x3 of ones, and dy all ones. Work out dx by thinking (how many windows hold
#    each pixel?), then compare with `LoopConv` or `Conv2d`.
# 2. BUG: `TurnedConv` is wrong. Which of the three gradients? Find it with
#    `check_gradients(TurnedConv(w, b), x)`, with the w, b and x of "Images", and mend it.
# 3. Give `PatchConv` a stride S (its forward pass is LoopConv's; change that too): windows start at
#    every S-th pixel. Check it, and compare with `Conv2d`.
#
# One more checks itself: `lenet check 6 --start mine.py` writes a file to start from.
