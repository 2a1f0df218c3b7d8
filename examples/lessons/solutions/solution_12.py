# %% [markdown]
# # Lesson 12: answers

# %%
import numpy as np

import models
from layers import Conv2d, Flatten, Linear, ReLU, Sigmoid, Tanh
from nn import SGD, Network, SoftmaxCrossEntropy, check_gradients
from nn.data import Dataset, batches, digits
from nn.inspect import activations, gradients

train_set, _ = digits()
images = (train_set.images - train_set.images.mean()) / train_set.images.std()
train_set, loss = Dataset(images, train_set.labels, train_set.class_names), SoftmaxCrossEntropy()

# %% [markdown]
# ## 1. Tanh and its initial weights
#
# Around 0 tanh has the derivative 1, so that Xavier's weights keep a gradient's norm, except that
# each of the two averages halves it (four pixels get a quarter each, and $\sqrt{4} / 4 = 1/2$).
# Four times as large weights make sums four times as large, and those saturate: the derivatives
# fall to about a quarter. But what gets through is multiplied by weights four times as large, too,
# so that on the way back the gradients are not smaller: they even grow. Large gradients are no sign
# of health. The derivatives tell: with 4 times Xavier's many units hardly react. So start with
# Xavier's.

# %%
print("LeNet with tanh: norm of the gradient with respect to the outputs of conv1 and fc5,")
print("and mean derivative of the tanh behind fc3 and fc4")
derivatives, grows = {}, {}
for scale in (1, 4):
    layers = models.lenet(rng=0).layers  # 4 times Xavier
    for layer in layers.values():
        if "weight" in layer.params:
            layer.params["weight"] *= scale / 4
    network = Network(
        [(name, Tanh() if isinstance(layers[name], Sigmoid) else layers[name]) for name in layers]
    )
    loss.forward(network.forward(images[:100]), train_set.labels[:100])
    found = gradients(network, images[:100], loss.backward())
    outputs = activations(network, images[:100])
    norms = [np.linalg.norm(found[name]) for name in ("conv1", "fc5")]
    means = [np.mean(1 - outputs[name] ** 2) for name in ("sigmoid3", "sigmoid4")]
    derivatives[scale], grows[scale] = means, norms[0] / norms[1]
    print(f"    {scale} x Xavier: {norms[0]:.4f}, {norms[1]:.4f}; {means[0]:.2f}, {means[1]:.2f}")
assert max(derivatives[4]) < 0.5 < min(derivatives[1]) and grows[4] > 1 > grows[1]

# %% [markdown]
# ## 2. The bug
#
# `LeakyReLU` has a new function but ReLU's derivative: below 0 its backward pass still says 0. The
# network learns as with ReLU, and whoever hoped to be rid of dead units is not. Where y < 0 the
# derivative is 1/10.


# %%
class LeakyReLU(ReLU):
    def function(self, x, y):
        np.maximum(x, x / 10, out=y)


class MendedLeakyReLU(LeakyReLU):
    def derivative(self, dy, y, dx):
        np.multiply(dy, np.where(y > 0, 1, 0.1), out=dx)


x = np.random.default_rng(9).standard_normal((4, 6))
report = check_gradients(LeakyReLU(), x)
print(f"\nThe bug:\n{report}")
assert report.max_error > 0.01 and report.arguments["x"].analytic == 0
report = check_gradients(MendedLeakyReLU(), x)
print(f"Mended: largest error {report.max_error:.1e}")
assert report.max_error < 1e-6

# %% [markdown]
# ## 3. Dead units
#
# A step that is too long throws a unit's weights and bias so far that its sum is negative for all
# images. From then on it gets no gradient, and its own weights stay. It may still wake: behind a
# layer that goes on learning its inputs change (the appendix counts how often). Only a unit of the
# first layer has the same inputs for ever. We count f2 by maps, f3 by units. With rate 0.3 many
# maps of f2 die, from some of the five seeds all sixteen. Then everything behind them is the same
# for every image, and no gradient passes f2 to mend it. It looks like a plateau and has another
# cause; the remedy is a smaller rate.


# %%
def train_small(rate, seed):
    """Dead maps of f2, dead units of f3, and the training error after one epoch."""
    rng = np.random.default_rng(seed)
    layers = [("conv1", Conv2d(1, 8, 5, 2, rng=rng)), ("f1", ReLU())]
    layers += [("conv2", Conv2d(8, 16, 5, 2, rng=rng)), ("f2", ReLU()), ("flatten", Flatten())]
    layers += [("fc3", Linear(256, 64, rng=rng)), ("f3", ReLU()), ("fc4", Linear(64, 10, rng=rng))]
    network = Network(layers)
    sgd = SGD(network, rate)
    for batch, labels in batches(train_set, 64, rng):
        loss.forward(network.forward(batch, training=True), labels)
        network.backward(loss.backward(), input_gradient=False)
        sgd.step()
    outputs = activations(network, images[:2000])
    maps = int((outputs["f2"].max(axis=(0, 1, 2)) == 0).sum())
    units = int((outputs["f3"].max(axis=0) == 0).sum())
    return maps, units, np.mean(outputs["fc4"].argmax(axis=1) != train_set.labels[:2000])


results = {rate: [train_small(rate, seed) for seed in range(5)] for rate in (0.03, 0.3)}
for rate, runs in results.items():
    maps, units, errors = zip(*runs)
    print(f"rate {rate}: dead are {maps} of 16 maps of f2 and {units} of 64 units of f3;", end=" ")
    print("training error", ", ".join(f"{error:.0%}" for error in errors))
small, large = (np.array(runs) for runs in results.values())
assert large[:, 0].mean() > 3 * small[:, 0].mean() and large[:, 0].max() == 16
assert small[:, 2].max() < 0.2 and np.median(large[:, 2]) > 0.5
