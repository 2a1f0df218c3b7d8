# %% [markdown]
# # Lesson 16: AlexNet, counted, and cut in two
#
# AlexNet (2012) is built of layers that we know. New are its size and one trick: too large for one
# GPU of its time, it was trained on two. We count it, then build its halves and prove that they are
# the one network.

# %%
import copy

import numpy as np

from examples.lessons.figures import figure, figure_path
from layers import Conv2d, Linear, LocalResponseNorm
from models import alexnet
from nn import Network, SoftmaxCrossEntropy, plots

# %% [markdown]
# ## Counting
# Three formulas are enough, for kernels of K x K, C input and D output channels (lesson 4's C_in,
# C_out). With G = 2 *groups* each half of the outputs sees half of the inputs (why, is said below);
# else G = 1:
#
#     side of the output   OH = (H + 2 padding - K) // stride + 1    for convolution and pooling alike
#     parameters           (K * K * C / G + 1) * D                   the 1 is the bias
#     multiplications      OH * OH * (K * K * C / G) * D             each output number sums K * K * C / G products
#
# A fully connected layer is a convolution whose kernel is as large as its input: fc6 has K = 6 on 6
# x 6 x 256.

# %%
# Name, K, stride, padding, G, D; for pooling, which has nothing to learn and keeps its channels, D is 0.
TABLE = [("conv1", 11, 4, 0, 1, 96), ("pool1", 3, 2, 0, 1, 0), ("conv2", 5, 1, 2, 2, 256), ("pool2", 3, 2, 0, 1, 0),
         ("conv3", 3, 1, 1, 1, 384), ("conv4", 3, 1, 1, 2, 384), ("conv5", 3, 1, 1, 2, 256), ("pool5", 3, 2, 0, 1, 0),
         ("fc6", 6, 1, 0, 1, 4096), ("fc7", 1, 1, 0, 1, 4096), ("fc8", 1, 1, 0, 1, 1000)]  # fmt: skip
counts, side, C = {}, 227, 3  # counts: name -> (parameters, multiplications)
print("layer  output                parameters  multiplications")
for name, K, stride, padding, G, D in TABLE:
    side = (side + 2 * padding - K) // stride + 1
    if D:
        counts[name] = (K * K * C // G + 1) * D, side * side * (K * K * C // G) * D
        C = D
    print(
        (
            f"{name:5}  {f'{side} x {side} x {C}':15}"
            + "".join(f"{n:16,}" for n in counts.get(name, ()))
        ).rstrip()
    )
total = np.sum(list(counts.values()), axis=0)
print(f"together              {total[0]:15,} {total[1]:15,}")

network = alexnet(rng=0)  # print(network.summary()) shows the library's own table
assert (
    total[0] == network.num_parameters == 60_965_224
    and total[1] == network.multiply_adds() == 724_406_816
)
plots.architecture(figure_path("16_alexnet"), network)
with figure("16_where", 11, 3.8) as drawing:  # open runs/lessons/16_where.png
    shares = 100 * np.array(list(counts.values())) / total
    for axes, what, share in zip(
        drawing.subplots(1, 2), ("parameters", "multiplications"), shares.T
    ):
        axes.bar_label(
            axes.bar(list(counts), share, color=["#0072B2"] * 5 + ["#D55E00"] * 3),
            fmt="%.1f",
            fontsize=9,
        )
        note = f"convolutions {share[:5].sum():.0f} %, fully connected {share[5:].sum():.0f} %"
        axes.set(
            title=f"Where the {what} are", ylabel=f"% of all {what}", xlabel=note, ylim=(0, 70)
        )

# %% [markdown]
# The memory is in the fully connected layers, the work in the convolutions, which use each weight
# at every place. Why 227? The paper says 224, but (224 - 11) // 4 + 1 = 54, and its own figure says
# 55, which 227 gives: (227 - 11) / 4 is exactly 54 steps. (The authors' program let windows run
# over the image's edge, which also comes to 55.)
#
# ## Two halves
# Each GPU held half of every layer's channels. Numbers travel slowly from GPU to GPU, so most
# layers see only their own GPU's: that is `groups=2`. Outputs 0 to 127 of conv2 see inputs 0 to 47,
# outputs 128 to 255 see 48 to 95, which halves weights and work. Only conv3, fc6, fc7 and fc8 see
# both GPUs: five stages, with an exchange between them. As the last axis of every weight counts
# outputs, a GPU's part is half of the last axis. Below, `half_of` cuts a layer, `run` goes forward
# and back through the stages, `largest_difference` compares with the whole network.

# %%
STAGES = ["conv1 relu1 norm1 pool1 conv2 relu2 norm2 pool2", "conv3 relu3 conv4 relu4 conv5 relu5 pool5",
          "flatten fc6 relu6", "fc7 relu7", "fc8"]  # fmt: skip


def half_of(layer, card):
    """The part of a layer that makes the outputs of GPU 0 or 1."""
    if not layer.params:
        return copy.deepcopy(
            layer
        )  # ReLU, normalisation, pooling: they work on whatever channels they get
    params = {name: np.split(param, 2, axis=-1)[card] for name, param in layer.params.items()}
    inputs, outputs = params["weight"].shape[-2:]  # conv2's 48 inputs are those of its own GPU
    small = Linear(inputs, outputs)
    if isinstance(layer, Conv2d):
        small = Conv2d(inputs, outputs, layer.kernel_size, layer.stride, layer.padding)
    small.params = params
    return small.astype(np.float64)  # rounding errors near 1e-16


def run(cards):
    """Outputs, input gradient and parameter gradients. A whole network is one GPU with one stage."""
    y, loss = x, SoftmaxCrossEntropy()
    for parts in zip(*cards):
        y = np.concatenate(
            [part.forward(y, training=True) for part in parts], axis=-1
        )  # the exchange
    loss.forward(y, np.array([281]))  # any class will do
    dy = loss.backward()
    for parts in reversed(
        list(zip(*cards))
    ):  # each gets its own outputs' gradient; all read all of x: we add
        dy = sum(
            part.backward(own.copy()) for part, own in zip(parts, np.split(dy, len(cards), axis=-1))
        )
    stages = [part.grads for card in cards for part in card]
    grads = {name: [grads[name] for grads in stages if name in grads] for name in network.grads}
    return {"outputs": [y], "input gradient": [dy]} | grads


def largest_difference(network):
    one, two = run([[network]]), run(cards)
    found = {
        n: np.abs(one[n][0] - np.concatenate(two[n], axis=-1)).max() / np.abs(one[n]).max()
        for n in one
    }
    print(
        ", ".join(
            f"{name} {found[name]:.0e}"
            for name in ("outputs", "input gradient", max(found, key=found.get))
        )
    )
    return max(found.values())


network.layers["dropout6"].p = network.layers["dropout7"].p = (
    0.0  # it would drop other units in the halves
)
cards = [
    [Network([(n, half_of(network.layers[n], c)) for n in stage.split()]) for stage in STAGES]
    for c in (0, 1)
]
x = 60 * np.random.default_rng(0).standard_normal(
    (1, 227, 227, 3)
)  # as large as an image's pixels minus their mean
print("largest differences between network and halves, each as a share of the largest number:")
assert largest_difference(network.astype(np.float64)) > 1e-6

# %% [markdown]
# Not equal! Who talks across the cut? Normalisation: channel 47 has the neighbours 48 and 49, on
# the other GPU. Ours (like Caffe's) spans all 96 channels, for which GPUs would have to exchange
# more. Normalise each half by itself:


# %%
class SplitNorm(
    LocalResponseNorm
):  # each half of a pixel's channels becomes a pixel of its own, and back
    def forward(self, x, training=False, out=None):
        N, H, W, C = x.shape
        return super().forward(x.reshape(N, H, 2 * W, C // 2), training).reshape(x.shape)

    def backward(self, dy, input_gradient=True, out=None):
        N, H, W, C = dy.shape
        return super().backward(dy.reshape(N, H, 2 * W, C // 2)).reshape(dy.shape)


split = [
    (n, SplitNorm() if isinstance(a, LocalResponseNorm) else a) for n, a in network.layers.items()
]
print("the same with each half normalised by itself:")
assert largest_difference(Network(split)) < 1e-12

# %% [markdown]
# Two columns, one grouped network: the same function and gradients (last in a line: the parameter
# that differs most).


# %%
class TwoCardLinear(Linear):  # `_take_saved()` is the x that forward has kept
    def backward(self, dy, input_gradient=True, out=None):
        x, weight, middle = self._take_saved(), self.params["weight"], self.out_features // 2
        for half in (slice(0, middle), slice(middle, None)):
            self.grads["weight"][:, half] = x.T @ dy[:, half]
            self.grads["bias"][half] = dy[:, half].sum(axis=0)
            dx = dy[:, half] @ weight[:, half].T
        return dx


# %% [markdown]
# ## Exercises (answers: `solutions/solution_16.py`)
# 1. How many parameters and multiplications has AlexNet without groups?
# 2. BUG: `TwoCardLinear` works out its gradients half by half, as two GPUs would.
#    `nn.check_gradients` says that one of them is wrong. Which, and why are the other two right?
# 3. Set dropout to 0.5, and give each GPU its half of the masks that the network drew
#    (`layer.mask`). Still equal?
