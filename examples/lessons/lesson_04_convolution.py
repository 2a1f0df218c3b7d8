# %% [markdown]
# # Lesson 4: convolution
#
# An **image** could go into the layer of lesson 1, each of its **pixels** an input. But then each
# neuron has a weight for each pixel, and a stroke that it learned to see in one place must be
# learned anew for every other. A **convolution** has one small set of weights and applies it
# everywhere. We do it with pencil-and-paper numbers first, then with plain loops on a real digit.

# %%
import numpy as np

from examples.lessons.drawings import convolution as drawings
from layers import Conv2d
from nn import Layer
from nn.data import digits

# %% [markdown]
# ## One row of numbers
#
# Take four pixels in a row, x = (1, 2, 4, 8), and three weights, w = (1, 10, 100), the **kernel**
# (or **filter**). Lay the kernel on the first three pixels, multiply what lies on top of each
# other, and add up: that is one output. Move the kernel one pixel to the right and do it again.
#
#     1    2    4    8                      1    2    4    8
#     1   10  100                                1   10  100
#     1 + 20 + 400 = 421                         2 + 40 + 800 = 842
#
# It fits in two places, so there are two outputs, y = (421, 842). As a formula, with K weights:
#
# $$y[o] = \sum_{i=0}^{K-1} x[o + i]\, w[i]$$
#
# In mathematics and signal processing that is a **cross-correlation**. A *convolution* is there the
# same with the kernel reversed, (100, 10, 1), which gives 124 and 248. Every library of networks
# computes the first and calls it the second, and so do we. It makes no difference to a network: if
# the reversed weights are better, those are what it learns.
#
# Is this a new kind of layer? Not quite. The same two outputs come from a linear layer (lesson 1)
# whose matrix holds the kernel once in each column, a step further down each time, and zeros
# elsewhere. So a convolution is a linear layer of which two things are demanded: an output sees
# only pixels that lie together (the others' weights are 0), and all outputs use the same weights
# (**weight sharing**).

# %%
x, w = np.array([1, 2, 4, 8]), np.array([1, 10, 100])
y = [int(sum(x[o + i] * w[i] for i in range(3))) for o in range(2)]
# NumPy has both; "valid" means: only where the kernel fits.
print("slid along:", y, "  kernel reversed:", np.convolve(x, w, "valid").tolist())
assert y == [421, 842] and np.array_equal(np.correlate(x, w, "valid"), y)
assert np.convolve(x, w, "valid").tolist() == [124, 248]

matrix = np.array([[1, 0], [10, 1], [100, 10], [0, 100]])  # (pixels, outputs)
print("as a linear layer:", x @ matrix, "with the matrix", *matrix, sep="\n    ")
assert np.array_equal(x @ matrix, y)

# %% [markdown]
# ## An image
#
# An image has rows and columns, and so has its kernel. The part of the image on which the kernel
# lies is a **window**, and the pixels in it are a **patch**. The kernel moves along the first row,
# then along the next. The outputs are an image again, a **feature map** (a map, for short): for
# each place it says how much the image there looks like the kernel.
#
# The pixels are large where there is ink. The kernel has -1 on the left and 1 on the right. Where
# left and right are equal it answers 0; where the image gets darker to the right it is positive,
# where it gets lighter negative. It finds vertical **edges**. The four loops of `convolve` are all
# there is to it. (KH and KW are the kernel's height and width, OH and OW those of the output.) The
# figure shows the six positions as a film strip: the image with the window, the products, and the
# map so far.


# %%
def convolve(image, kernel):
    KH, KW = kernel.shape
    OH, OW = image.shape[0] - KH + 1, image.shape[1] - KW + 1  # as many places as fit
    result = np.zeros((OH, OW))
    for oh in range(OH):
        for ow in range(OW):
            for i in range(KH):
                for j in range(KW):
                    result[oh, ow] += image[oh + i, ow + j] * kernel[i, j]
    return result


image = np.array([[0, 0, 2, 2, 0], [0, 0, 2, 2, 0], [0, 1, 2, 1, 0], [0, 2, 2, 0, 0]])
vertical = np.array([[-1.0, 0.0, 1.0]] * 3)
result = convolve(image, vertical)
print(result)
assert result.tolist() == [[6, 4, -6], [6, 0, -6]]
drawings.film_strip(image, vertical, result)

# %% [markdown]
# Now a real digit of 28 x 28 pixels, 0 for paper and 1 for ink. Where is its strongest left edge?
# The figure shows the patch there, the kernel, and their products.

# %%
digit = digits()[0].images[18, :, :, 0].astype(np.float64)  # (28, 28)
edges = convolve(digit, vertical)
place = tuple(map(int, np.unravel_index(edges.argmax(), edges.shape)))  # its window's top left
print(f"{digit.shape} -> {edges.shape}; the strongest left edge, {edges.max():.2f}, is at {place}")
assert edges.shape == (26, 26) and edges.max() <= 3
drawings.one_position(digit, vertical, place)

# %% [markdown]
# ## Move the image, and the map moves
#
# Because every place has the same weights, a digit that has moved gives the same map, moved as
# much. That is called **translation equivariance**: what is learned in one place is known
# everywhere. A linear layer in general has no such gift: a moved digit meets other weights.
#
# The figure shows a digit, its edges, the digit moved up by 3 rows and left by 4 columns, and the
# edges of that: no number of the map has changed, each is only elsewhere. (`np.roll` moves the
# digit. All this holds away from the border and, with the strides of the next section, for moves by
# multiples of the stride. It is *not* invariance, which would mean that the answer stays the same;
# that is for lesson 7.)

# %%
moved_digit = np.roll(digit, (-3, -4), axis=(0, 1))
moved = convolve(moved_digit, vertical)
assert np.array_equal(moved[:-3, :-4], edges[3:, 4:]) and not np.array_equal(moved, edges)
panels = {"digit": digit, "its edges": edges, "moved": moved_digit, "edges of the moved": moved}
drawings.row_of_maps("04_moved", panels)

# %% [markdown]
# ## Padding, stride, and the size of the map
#
# A map is smaller than its image, because the kernel must fit: 28 pixels and a kernel of 3 leave 26
# places. Two numbers change that. **Padding** P puts P zeros around the image first; with P = 1 a
# kernel of 3 has as many places as there are pixels. **Stride** S moves the kernel by S pixels at a
# time; with S = 2 a map is about half as high and half as wide.
#
# How high is the map, for an image of H rows and a kernel of KH? With its padding the image has
# $H+2P$ rows. The windows begin at row 0, S, 2S, and so on. A window that begins at row $H+2P-KH$
# ends exactly at the edge, so the last one begins there or before. That leaves room for as many
# steps of S as the quotient says, rounded down (*floor*). Each step gives one more window, beside
# the one at row 0 that took none:
#
# $$OH = \text{floor}\left(\frac{H + 2P - KH}{S}\right) + 1$$
#
# and likewise the width. If the division leaves a remainder, the last rows are seen by no window.
# The figure shows four cases: pixels in grey, padding in white, and each window as a green bar.

# %%
cases = [(7, 3, 1, 0), (7, 3, 1, 1), (7, 3, 2, 1), (8, 3, 2, 0)]
for H, K, S, P in cases:
    starts = [row for row in range(0, H + 2 * P, S) if row + K <= H + 2 * P]
    print(f"{H} rows, kernel {K}, stride {S}, padding {P}: windows begin at {starts}")
    assert len(starts) == (H + 2 * P - K) // S + 1
assert starts[-1] + K < 8  # in the last case the last row of pixels is left over
drawings.positions(cases)

# %% [markdown]
# ## Channels
#
# A colour image has three numbers for each pixel, red, green and blue: its **channels**. A kernel
# then has three weights for each place, and adds up all of them. The smallest kernel of all, 1 x 1
# pixel, already does something with that. With weights (1, -0.5, -0.5) it answers how much redder a
# pixel is than green and blue. A **bias** is added to every output: with -0.4 only what is clearly
# red remains positive.
#
#     a red pixel    (0.9, 0.1, 0.2):   0.9 - 0.05 - 0.1  - 0.4 =  0.35
#     a white pixel  (0.9, 0.9, 0.9):   0.9 - 0.45 - 0.45 - 0.4 = -0.4
#
# However many channels go in, one kernel makes one map. A layer has several kernels, and their maps
# are the channels of its output, which the next layer sees as we see colours. So images are arrays
# (N, H, W, C), N of them, weights are (KH, KW, C_in, C_out), and there is a bias for each of the
# C_out maps:
#
# $$y[n, oh, ow, o] = b[o] + \sum_{i, j, c} x[n,\; S\,oh + i,\; S\,ow + j,\; c] \; w[i, j, c, o]$$
#
# Here is all of it in code (`np.pad` puts the zeros around), compared with the library's `Conv2d`
# (`layers/conv.py`).


# %%
def conv2d(x, weight, bias, stride=1, padding=0):
    KH, KW, _, C_out = weight.shape
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    N, H, W, _ = x.shape
    y = np.zeros((N, (H - KH) // stride + 1, (W - KW) // stride + 1, C_out))
    for n, oh, ow, o in np.ndindex(y.shape):  # all places of y, one after the other
        patch = x[n, oh * stride : oh * stride + KH, ow * stride : ow * stride + KW]
        y[n, oh, ow, o] = (patch * weight[..., o]).sum() + bias[o]  # ...: all axes before it
    return y


pixels = np.array([[0.9, 0.1, 0.2], [0.9, 0.9, 0.9]]).reshape(1, 1, 2, 3)  # one row of two
red = conv2d(pixels, np.array([1, -0.5, -0.5]).reshape(1, 1, 3, 1), [-0.4])
assert np.allclose(red.ravel(), [0.35, -0.4])

rng = np.random.default_rng(0)
x = rng.normal(size=(2, 12, 13, 3))
for size, stride, padding in ((3, 1, 0), (3, 1, 1), (5, 2, 2), (4, 3, 0)):
    layer = Conv2d(3, 4, size, stride, padding, rng=0).astype(np.float64)
    layer.params["bias"][...] = rng.normal(size=4)
    y = conv2d(x, layer.params["weight"], layer.params["bias"], stride, padding)
    assert np.allclose(y, layer.forward(x), rtol=0, atol=1e-12)
    print(f"kernel {size}x{size}, stride {stride}, padding {padding}: {x.shape} -> {y.shape}")

# %% [markdown]
# ## What weight sharing saves
#
# LeNet's first layer makes six maps of 28 x 28 from a digit of 28 x 28, with kernels of 5 x 5. How
# many parameters has it, and how many has a linear layer from as many pixels to as many outputs?

# %%
shared = 5 * 5 * 1 * 6 + 6  # a weight for each place in the kernel, channel and map; the biases
separate = (28 * 28) * (28 * 28 * 6) + 28 * 28 * 6
assert Conv2d(1, 6, 5, padding=2).num_parameters == shared
print(f"convolution {shared:,} parameters, linear layer {separate:,}: {separate // shared:,} times")

# %% [markdown]
# ## Maps of maps
#
# A second layer sees the maps of the first. Let the first have four kernels, for left, right, top
# and bottom edges, and let **ReLU**, $\max(0, x)$, set negative answers to 0: it is the activation
# function of most networks today. A top left corner is "a left edge, and to the right above it a
# top edge": an *and* as in lesson 1, of two places in two maps. Each half has 6 weights of 1, and
# an edge is 3 at most, so that one half alone cannot exceed 18: a bias of -18 leaves only places
# that have both. The figure shows the maps of both layers. Nobody chooses such weights by hand: a
# network learns them.

# %%
kernels = [vertical, -vertical, vertical.T, -vertical.T]
weight1 = np.stack(kernels, axis=-1)[:, :, None, :]  # (3, 3, 1, 4)
four = np.maximum(0, conv2d(digit[None, :, :, None], weight1, np.zeros(4)))
weight2 = np.zeros((5, 5, 4, 1))
weight2[2:, :2, 0] = 1  # left edges (map 0), in the lower left of the kernel
weight2[:2, 2:, 2] = 1  # top edges (map 2), in the upper right
corner = np.maximum(0, conv2d(four, weight2, [-18.0]))[0, :, :, 0]
row, column = np.unravel_index(corner.argmax(), corner.shape)
print(f"{four.shape} -> {corner.shape}; the strongest corner, {corner.max():.1f}, is at", end=" ")
print(f"row {row + 3}, column {column + 3} of the digit")  # 3: to the middle of what it sees
assert corner.max() > 0 and four.max() <= 3
names = ("left edges", "right edges", "top edges", "bottom edges")
panels = {"digit": digit} | {name: four[0, :, :, o] for o, name in enumerate(names)}
drawings.row_of_maps("04_feature_maps", panels | {"top left corner": corner})

# %% [markdown]
# ## How far a number sees
#
# The pixels that can change a number are its **receptive field**. A number of the corner map reads
# 5 x 5 numbers, each made of 3 x 3 pixels; they overlap, and together see 7 x 7. In general: let r
# be the receptive field (its side), and let the windows of two neighbours lie d pixels apart. Then
# a further layer with a kernel of K and a stride of S sees K such neighbours, the last of them
# $(K-1)d$ pixels further on than the first:
#
# $$r_{new} = r + (K - 1)\, d, \qquad d_{new} = S\, d$$
#
# beginning with r = 1 and d = 1, a pixel. With each layer it grows, and behind a stride it grows
# faster. That is why deep layers can recognize a digit while each kernel is small.
#
# Let us compute it for four layers with the sizes of LeNet's, and measure it too: 784 images, each
# with a 1 in another pixel and 0 elsewhere (`np.eye`), go through layers whose weights are all 1.
# Those that reach the middle of a map are its receptive field, and the answers say in how many
# ways. The figure shows them: pixels in the middle of the field act through many more ways than
# those at its edge.

# %%
y, r, d, counts = np.eye(784).reshape(784, 28, 28, 1), 1, 1, {}
for K, S in ((5, 1), (2, 2), (5, 1), (2, 2)):
    layer = Conv2d(1, 1, K, S).astype(np.float64)
    layer.params["weight"][...] = 1
    y, r, d = layer.forward(y), r + (K - 1) * d, S * d
    ways = y[:, y.shape[1] // 2 - 1, y.shape[2] // 2 - 1, 0].reshape(28, 28)
    assert (ways > 0.5).sum() == r * r
    counts[f"layer {len(counts) + 1}: {K}x{K}, stride {S}"] = ways
    print(f"kernel {K}, stride {S}: it sees {r} x {r} pixels, its neighbour's begin {d} further on")
assert r == 16
drawings.receptive_fields(counts)


# %%
class OneKernel(Layer):  # for exercise 2: images (N, H, W), one kernel (3, 3), no bias
    def __init__(self):
        super().__init__()
        self._add_param("weight", np.random.default_rng(0).normal(size=(3, 3)))

    def forward(self, x, training=False, out=None):
        self._saved = x
        return np.stack([convolve(image, self.params["weight"]) for image in x])

    def backward(self, dy, input_gradient=True, out=None):
        x, dx = self._saved, np.zeros_like(self._saved)
        for i, j in np.ndindex(3, 3):
            # This weight met these pixels, one for each position. np.s_ keeps slices under a name.
            pixels = np.s_[:, i : i + dy.shape[1], j : j + dy.shape[2]]
            self.grads["weight"][i, j] = (dy * x[pixels]).sum()
            dx[pixels] = dy * self.params["weight"][i, j]
        return dx


# %% [markdown]
# ## In short
#
# - A convolution lays a small kernel (filter) on every place of an image: multiply, add up, add the
#   bias.
#
# $$y[n, oh, ow, o] = b[o] + \sum_{i, j, c} x[n,\; S\,oh + i,\; S\,ow + j,\; c] \; w[i, j, c, o]$$
#
# - Size: $OH = \text{floor}((H + 2P - KH) / S) + 1$, and likewise the width.
# - Parameters: $KH \cdot KW \cdot C_{in} \cdot C_{out} + C_{out}$, however large the image is.
# - It is a linear layer that sees only nearby pixels and shares its weights among all places. So a
#   moved image gives a moved map: translation equivariance.
# - Receptive field: each layer adds $(K - 1)$ times the product of the strides before it.
# - Watch out: it is a cross-correlation, the kernel is not reversed; and one kernel sees *all*
#   channels.

# %% [markdown]
# ## Exercises (answers: `solutions/solution_04.py`)
#
# 1. AlexNet's first layer has 11x11 kernels and stride 4. What is OH for H = 227, 224, and 224 with
#    P = 2?
# 2. BUG: `OneKernel` is a convolution with its backward pass. Check it with `nn.check_gradients`
#    (lesson 3) and an x of (2, 6, 6). Which gradient is wrong? (In how many patches does one pixel
#    lie?)
# 3. Find a 5x5 kernel that responds to lines from bottom left to top right, and not to flat paper
#    or ink.
#
# One more checks itself: `lenet check 4 --start mine.py` writes a file to start from.
