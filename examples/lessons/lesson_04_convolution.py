# %% [markdown]
# # Lesson 4: convolution
#
# An image could go into the layer of lesson 1, each pixel an input. But then each neuron has a
# weight for each pixel, and the same stroke must be learned anew for every place where it may lie.
# A **convolution** has one small set of weights and applies it everywhere. We write it with plain
# loops, on a real digit.

# %%
import numpy as np
from matplotlib.patches import Rectangle

from examples.lessons.figures import figure
from layers import Conv2d
from nn import Layer
from nn.data import digits
from nn.plots.style import COLOURS

# %% [markdown]
# ## One kernel, four loops
# The weights are a small square, the **kernel**. Lay it on the image, multiply each weight by the
# pixel under it (the pixels under it are a **patch**), and add up: that is a neuron whose inputs
# are the patch. Then move on by one pixel. The answers are an image again, a **feature map**. A
# kernel with -1 on the left and 1 on the right responds strongly where paper (0) turns into ink
# (1): it finds left edges.
#
# (In mathematics and signal processing a *convolution* rotates the kernel by 180 degrees first;
# what we compute, and every library of networks calls convolution, is there a
# **cross-correlation**. For weights that are learned it is all the same: they are learned the other
# way round. With one row of pixels both are quickly seen, below.)


# %%
def convolve(picture, kernel):
    KH, KW = kernel.shape
    OH, OW = picture.shape[0] - KH + 1, picture.shape[1] - KW + 1  # as many places as fit
    result = np.zeros((OH, OW))
    for oh in range(OH):
        for ow in range(OW):
            for i in range(KH):
                for j in range(KW):
                    result[oh, ow] += picture[oh + i, ow + j] * kernel[i, j]
    return result


row, weights = np.array([[1.0, 2.0, 4.0, 8.0]]), np.array([[1.0, 10.0, 100.0]])
print(
    "one row, slid along:",
    convolve(row, weights)[0],
    "  rotated first:",
    np.convolve(row[0], weights[0], "valid"),
)
assert np.array_equal(
    convolve(row, weights)[0], [1 + 20 + 400, 2 + 40 + 800]
)  # np.correlate(row[0], weights[0])
assert np.array_equal(convolve(row, weights[:, ::-1])[0], np.convolve(row[0], weights[0], "valid"))

digit = digits()[0].images[18, :, :, 0].astype(np.float64)  # (28, 28), 0 is paper and 1 is ink
left = np.array([[-1.0, 0.0, 1.0]] * 3)
kernels = {"left edge": left, "right edge": -left, "top edge": left.T, "bottom edge": -left.T}
maps = {name: convolve(digit, kernel) for name, kernel in kernels.items()}
place = np.unravel_index(
    maps["left edge"].argmax(), maps["left edge"].shape
)  # its patch's top left pixel
print(
    f"left edges: {digit.shape} -> {maps['left edge'].shape}, strongest: patch at row {place[0]}, column {place[1]}:"
)
patch = digit[place[0] : place[0] + 3, place[1] : place[1] + 3]
print(f"{patch.round(3)} * kernel, added up = {(patch * left).sum():.2f}")

# %% [markdown]
# Move the digit, and its map moves with it, unchanged, because every place has the same weights.
# That is called **translation equivariance**: what is learned in one place is known everywhere. (A
# layer of lesson 1 has to learn every place by itself. It holds away from the edges and, with a
# stride S, below, for moves by multiples of S.)

# %%
moved_digit = np.roll(digit, (2, 3), axis=(0, 1))  # two down and three to the right
moved = convolve(moved_digit, left)
assert np.array_equal(moved[2:, 3:], maps["left edge"][:-2, :-3]) and not np.array_equal(
    moved, maps["left edge"]
)
print("the digit moved by (2, 3): so has its map, and no number of it has changed")
with figure("04_moved", 11, 3) as drawing:  # open runs/lessons/04_moved.png
    shown = {
        "digit": digit,
        "left edges": maps["left edge"],
        "digit, moved": moved_digit,
        "its left edges": moved,
    }
    for axes, (title, numbers) in zip(drawing.subplots(1, 4), shown.items()):
        axes.imshow(np.maximum(0, numbers), cmap="Blues" if "edges" in title else "gray_r", vmin=0)
        axes.set(title=title, xticks=[], yticks=[])
        axes.spines[:].set_visible(True)

# %% [markdown]
# ## Padding, stride, and the size of the output
# A map is smaller than its image (H pixels high, W wide), by KH - 1 rows and KW - 1 columns for a
# kernel of KH x KW. **Padding** P puts a border of P zeros around the image first. A **stride** S
# moves the kernel by S pixels at a time. Its top row is at 0, S, 2S, ... up to H + 2P - KH, so that
# the output is OH high:
#
#     OH = floor((H + 2P - KH) / S) + 1             and likewise the width
#
# ## Channels
# A colour image has three numbers per pixel, its **channels**; a stack of maps has as many as there
# are maps. A kernel then sees all channels of its patch, and each kernel makes one channel of the
# output. So weights are (KH, KW, C_in, C_out), with a bias for each output; images are (N, H, W,
# C).


# %%
def conv2d(x, weight, bias, stride=1, padding=0):
    KH, KW, _, C_out = weight.shape
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    N, H, W, _ = x.shape
    y = np.zeros((N, (H - KH) // stride + 1, (W - KW) // stride + 1, C_out))
    for n, oh, ow, o in np.ndindex(y.shape):  # all places of y, one after the other
        patch = x[n, oh * stride : oh * stride + KH, ow * stride : ow * stride + KW]
        y[n, oh, ow, o] = (patch * weight[..., o]).sum() + bias[o]
    return y


print("\nthe library agrees, up to rounding:")
rng = np.random.default_rng(0)
for size, stride, padding in ((3, 1, 0), (3, 1, 1), (5, 2, 2), (4, 3, 0)):
    x = rng.normal(size=(2, 12, 13, 3))
    layer = Conv2d(3, 4, size, stride, padding, rng=0).astype(np.float64)
    layer.params["bias"][...] = rng.normal(size=4)
    y = conv2d(x, layer.params["weight"], layer.params["bias"], stride, padding)
    assert np.allclose(y, layer.forward(x), rtol=0, atol=1e-12)
    assert y.shape[1] == np.floor((12 + 2 * padding - size) / stride) + 1
    print(f"  kernel {size}x{size}, stride {stride}, padding {padding}: {x.shape} -> {y.shape}")

# %% [markdown]
# ## Maps of maps
# The four edge kernels are one layer with C_out = 4. ReLU (lesson 3) drops the negative answers,
# "the opposite of a left edge". A second layer sees their maps: "below a left edge, *and* to the
# right a top edge" is a corner: an *and* like that of lesson 1, with a bias that neither alone can
# overcome. Its 5x5 numbers of the maps were each made from 3x3 pixels, so that it sees 7x7 pixels:
# its **receptive field**.

# %%
weight1 = np.stack(list(kernels.values()), axis=-1)[:, :, None, :]  # (3, 3, 1, 4)
edges = np.maximum(0, conv2d(digit[None, :, :, None], weight1, np.zeros(4)))
weight2 = np.zeros(
    (5, 5, 4, 1)
)  # each part has 6 weights of 1, and an edge is 3 at most: alone it gives at most 18
weight2[2:, :2, 0] = 1  # left edges (map 0), in the lower left of the kernel
weight2[:2, 2:, 2] = 1  # top edges (map 2), in the upper right
corner = np.maximum(0, conv2d(edges, weight2, np.array([-18.0]))[0, :, :, 0])
found = np.unravel_index(corner.argmax(), corner.shape) + np.array(
    [3, 3]
)  # the middle of its receptive field
assert corner.max() > 0 and edges.max() <= 3
top, side = found - 3  # pixels outside of the receptive field do not matter, whatever they are
outside = np.random.default_rng(0).random((28, 28))
outside[top : top + 7, side : side + 7] = digit[top : top + 7, side : side + 7]
others = np.maximum(
    0,
    conv2d(
        np.maximum(0, conv2d(outside[None, :, :, None], weight1, np.zeros(4))), weight2, [-18.0]
    ),
)
assert np.isclose(others[0, top, side, 0], corner.max()) and not np.array_equal(
    others[0, :, :, 0], corner
)
print(
    f"\nfour maps {edges.shape}, then one {corner.shape}; the strongest top left corner is around pixel {found}"
)
print(
    f"LeNet's first layer, six 5x5 kernels, padding 2, six maps of 28x28, has {25 * 6 + 6} parameters; it would take"
)
print(
    f"{784 * 4704 + 4704:,} if each of its 4,704 outputs had weights of its own for all 784 pixels"
)

with figure("04_one_position", 12, 3.4) as drawing:  # open runs/lessons/04_one_position.png
    picture, *tables = drawing.subplots(1, 4, width_ratios=(1.25, 1, 1, 1))
    picture.imshow(digit, cmap="gray_r")
    picture.add_patch(
        Rectangle(
            (place[1] - 0.5, place[0] - 0.5), 3, 3, fill=False, color=COLOURS[1], linewidth=2.5
        )
    )
    picture.set(title="Digit and patch", xlabel="column", ylabel="row")
    titles = ("Patch", "times kernel", f"= products, sum {(patch * left).sum():.2f}")
    for axes, numbers, title in zip(tables, (patch, left, patch * left), titles):
        axes.imshow(numbers, cmap="RdBu_r", vmin=-1.5, vmax=1.5)
        axes.set(title=title, xticks=[], yticks=[])
        for (i, j), number in np.ndenumerate(numbers + 0.0):  # + 0.0 makes 0 of -0
            axes.text(j, i, f"{number:.3g}", ha="center", va="center", fontsize=13)
with figure("04_feature_maps", 12, 2.6) as drawing:
    panels = (
        {"digit": digit}
        | {name: edges[0, :, :, o] for o, name in enumerate(maps)}
        | {"top left corner": corner}
    )
    for axes, (title, numbers) in zip(drawing.subplots(1, 6), panels.items()):
        axes.imshow(numbers, cmap="gray_r" if title == "digit" else "Blues", vmin=0)
        axes.set(title=title, xticks=[], yticks=[])
        axes.spines[:].set_visible(True)


# %%
class OneKernel(Layer):  # images (N, H, W), one kernel (3, 3), no bias
    def __init__(self):
        super().__init__()
        self._add_param("weight", np.random.default_rng(0).normal(size=(3, 3)))

    def forward(self, x, training=False, out=None):
        self._saved = x
        return np.stack([convolve(picture, self.params["weight"]) for picture in x])

    def backward(self, dy, input_gradient=True, out=None):
        x, dx = self._saved, np.zeros_like(self._saved)
        for i, j in np.ndindex(
            3, 3
        ):  # this weight met these pixels, one for each place of the kernel:
            pixels = np.s_[:, i : i + dy.shape[1], j : j + dy.shape[2]]
            self.grads["weight"][i, j] = (dy * x[pixels]).sum()
            dx[pixels] = dy * self.params["weight"][i, j]
        return dx


# %% [markdown]
# ## Exercises (answers: `solutions/solution_04.py`)
# 1. AlexNet's first layer has 11x11 kernels and stride 4. What is OH for H = 227, 224, and 224 with
#    P = 2?
# 2. BUG: `OneKernel` is a convolution with its backward pass. Check it with an x of (2, 6, 6).
#    Which gradient is wrong? (In how many patches does one pixel lie?)
# 3. Find a 5x5 kernel that responds to lines from bottom left to top right, and not to flat paper
#    or ink.
