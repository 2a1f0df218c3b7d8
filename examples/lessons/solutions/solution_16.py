# %% [markdown]
# # Lesson 16: solutions

# %%
import numpy as np

from layers import Conv2d, Dropout, Flatten, Linear, ReLU
from models import alexnet
from nn import Network, check_gradients

# %% [markdown]
# ## 1. AlexNet without groups
#
# Only conv2, conv4 and conv5 have groups. Without them each of their outputs sees all C input
# channels instead of C / 2, so that their weights (not their biases) and their multiplications
# double.

# %%
GROUPED = {
    "conv2": (5, 96, 256, 27),
    "conv4": (3, 384, 384, 13),
    "conv5": (3, 384, 256, 13),
}  # K, C, D, side
more_weights = sum(K * K * C // 2 * D for K, C, D, side in GROUPED.values())
more_work = sum(side * side * K * K * C // 2 * D for K, C, D, side in GROUPED.values())
network = alexnet(rng=0)
parameters, multiplications = network.num_parameters, network.multiply_adds()
print(f"parameters      {parameters + more_weights:13,}, {more_weights / parameters:.1%} more")
print(f"multiplications {multiplications + more_work:13,}, {more_work / multiplications:.1%} more")

layers = []
for name, layer in network.layers.items():
    if name in GROUPED:
        K, C, D, _ = GROUPED[name]
        layer = Conv2d(C, D, K, layer.stride, layer.padding)
    layers.append((name, layer))
ungrouped = Network(layers, network.image_shape)
assert ungrouped.num_parameters == parameters + more_weights
assert ungrouped.multiply_adds() == multiplications + more_work
assert more_weights < 0.03 * parameters and more_work > (multiplications + more_work) / 3

# %% [markdown]
# The two GPUs saved little memory and more than a third of the work.
#
# ## 2. The bug


# %%
class Wrong(Linear):
    def backward(self, dy, input_gradient=True, out=None):
        x, weight, middle = self._take_saved(), self.params["weight"], self.out_features // 2
        for half in (slice(0, middle), slice(middle, None)):
            self.grads["weight"][:, half] = x.T @ dy[:, half]
            self.grads["bias"][half] = dy[:, half].sum(axis=0)
            dx = dy[:, half] @ weight[:, half].T
        return dx


class Mended(Linear):
    def backward(self, dy, input_gradient=True, out=None):
        x, weight, middle = self._take_saved(), self.params["weight"], self.out_features // 2
        dx = np.zeros_like(x)
        for half in (slice(0, middle), slice(middle, None)):
            self.grads["weight"][:, half] = x.T @ dy[:, half]
            self.grads["bias"][half] = dy[:, half].sum(axis=0)
            dx += dy[:, half] @ weight[:, half].T
        return dx


x = np.random.default_rng(1).standard_normal((3, 6))
print("\nas given:")
print(wrong := check_gradients(Wrong(6, 4, rng=0), x))
print("mended:")
print(mended := check_gradients(Mended(6, 4, rng=0), x))
assert wrong.worst == "x" and wrong.max_error > 0.1
assert wrong.arguments["weight"].error < 1e-6 and wrong.arguments["bias"].error < 1e-6
assert mended.max_error < 1e-6

# %% [markdown]
# `dx = ` keeps the second half's gradient only, where `dx += ` adds it to the first's. Both halves
# read all of x, so x changes the loss by two ways, and their slopes add up. A weight belongs to one
# half alone: nothing is to be added.
#
# ## 3. The same masks
#
# Dropout drops single units and looks at no neighbour, so it can be cut in two like ReLU. What must
# agree is chance: a layer that multiplies by its half of the network's mask. A small network with
# exchanges shows it; in the lesson's columns the same line goes behind relu6 and relu7.

# %%
rng = np.random.default_rng(0)
layers = [("fc6", Linear(30, 20, rng=rng)), ("relu6", ReLU()), ("dropout6", Dropout(0.5, rng=1))]
layers += [("fc7", Linear(20, 20, rng=rng)), ("relu7", ReLU()), ("dropout7", Dropout(0.5, rng=2))]
network = Network([("flatten", Flatten()), *layers, ("fc8", Linear(20, 10, rng=rng))]).astype(
    np.float64
)
x = rng.standard_normal((4, 30))
whole = network.forward(x, training=True)  # draws the masks


def column(y, name, gpu, relu=True):
    """What one GPU makes of all of y: its half of the outputs, dropped by its half of the mask."""
    weight, bias = (
        np.split(param, 2, axis=-1)[gpu] for param in network.layers[name].params.values()
    )
    y = y @ weight + bias
    if relu:
        dropout = network.layers[name.replace("fc", "dropout")]
        y = np.maximum(y, 0) * np.split(dropout.mask, 2, axis=-1)[gpu] / (1 - dropout.p)
    return y


y = x
for name in ("fc6", "fc7", "fc8"):
    y = np.concatenate([column(y, name, gpu, relu=name != "fc8") for gpu in (0, 1)], axis=-1)
difference = np.abs(whole - y).max() / np.abs(whole).max()
silent = 1 - np.mean(network.layers["dropout6"].mask)
print(f"\nwith dropout ({silent:.0%} of fc6's units dropped): largest difference {difference:.0e}")
assert difference < 1e-12
