# %% [markdown]
# # Appendix, it does not learn: solutions

# %%
import numpy as np

from layers import Flatten, Linear, ReLU, Sigmoid
from nn import SGD, Layer, Network, check_gradients
from nn.data import Dataset, digits
from nn.initialisers import xavier_uniform
from nn.training import train
from nn.training.diagnosis import diagnose

part = digits()[0].subset(np.arange(2000))
pictures = Dataset(
    (part.images - part.images.mean()) / part.images.std(), part.labels, part.class_names
)


def network_of(activation, hidden_layers, xavier=None):
    """Hidden layers of 64 units, with He's weights or so many times Xavier's."""
    rng, layers, features = np.random.default_rng(0), [("flatten", Flatten())], 784
    for n in range(1, hidden_layers + 1):
        layers += [
            (f"fc{n}", Linear(features, 64, rng=rng)),
            (f"{activation.__name__.lower()}{n}", activation()),
        ]
        features = 64
    network = Network([*layers, ("last", Linear(64, 10, rng=rng))])
    rng = np.random.default_rng(0)
    for name, weight in network.params.items():
        if xavier and name.endswith("weight"):
            weight[...] = xavier * xavier_uniform(rng, weight.shape, *weight.shape)
    return network


def learn(network, rate, epochs=4):
    with np.errstate(all="ignore"):
        return train(network, pictures, epochs=epochs, optimizer=SGD(network, rate), progress=False)


# %% [markdown]
# ## 1. Six learning rates
# Up to 0.1 the network learns, but the share of dead units in the first layer grows with the rate:
# each step that is too long may throw a unit to where it answers 0 to all images, and in the first
# layer, whose inputs stay the same, hardly any comes back. At 0.3 so many are dead that the network
# says nearly the same to every image. At 3 the weights outgrow what a float32 can hold before all
# units have died.

# %%
print("Two layers of ReLU: accuracy in the fourth epoch, dead units of relu1, and the illnesses")
kinds, dead = {}, {}
for rate in (0.01, 0.03, 0.1, 0.3, 1, 3):
    history = learn(network_of(ReLU, 2), rate)
    kinds[rate] = sorted({finding.kind for finding in diagnose(history)})
    accuracy = history.epochs[-1]["train_accuracy"]
    dead[rate] = history.statistics[-1]["silent"]["relu1"]
    illnesses = ", ".join(kinds[rate]) or "healthy"
    print(f"    rate {rate:<4}  {accuracy:4.0%}  {dead[rate]:4.0%}  {illnesses}")
assert kinds[0.01] == kinds[0.03] == kinds[0.1] == []
assert dead[0.01] <= dead[0.1] < dead[0.3]
assert "dead" in kinds[0.3] and kinds[3] == ["exploding"]

# %% [markdown]
# ## 2. Seven layers of sigmoid
# Between 4 and 8 times Xavier's is best. A sigmoid's slope takes away at least three quarters of
# the gradient at each layer, and weights some 4 times larger give that back; with still larger ones
# the sums become so large that the units saturate, and the slope is nowhere near 1/4 any more. It
# is a narrow path, and even on it the network learns slower than with ReLU: so this cure is a
# crutch.

# %%
relu = learn(network_of(ReLU, 7), 0.02).epochs[-1]["train_accuracy"]
print(f"Seven layers of ReLU, of He's weights: accuracy {relu:.0%}")
print("Seven layers of sigmoid: multiple of Xavier's weights, accuracy, mean saturated share")
accuracies = {}
for multiple in (1, 2, 4, 6, 8, 12, 16):
    history = learn(network_of(Sigmoid, 7, multiple), 0.02)
    accuracies[multiple] = history.epochs[-1]["train_accuracy"]
    illnesses = ", ".join(sorted({finding.kind for finding in diagnose(history)})) or "healthy"
    saturated = np.mean(list(history.statistics[-1]["saturated"].values()))
    print(f"    {multiple:2} times  {accuracies[multiple]:4.0%}  {saturated:4.0%}  {illnesses}")
assert 4 <= max(accuracies, key=accuracies.get) <= 8
assert accuracies[2] < 0.2 and accuracies[16] < 0.3 and max(accuracies.values()) < relu


# %% [markdown]
# ## 3. The bug
# The gradient of a gain is the **sum** over the images of dy * x, not the mean. That the loss is a
# mean is in dy already: the loss divided it by the number of images. With the mean, the gains learn
# 64 times too slowly in batches of 64. Nothing explodes or dies, and all other layers learn, so
# that no number of `diagnose` is suspicious: only the checker compares a gradient with what it
# should be.


# %%
class Gain(Layer):
    def __init__(self, features):
        super().__init__()
        self._add_param("weight", np.ones(features, np.float32))

    def forward(self, x, training=False, out=None):
        self._saved = x.copy()
        return x * self.params["weight"]

    def backward(self, dy, input_gradient=True, out=None):
        self.grads["weight"][...] = (dy * self._saved).mean(axis=0)
        return dy * self.params["weight"]


class MendedGain(Gain):
    def backward(self, dy, input_gradient=True, out=None):
        self.grads["weight"][...] = (dy * self._saved).sum(axis=0)
        return dy * self.params["weight"]


x = np.random.default_rng(3).standard_normal((4, 6))
report, mended = check_gradients(Gain(6), x), check_gradients(MendedGain(6), x)
print(f"\nThe gain with the bug:\n{report}\nThe mended one: largest error {mended.max_error:.1e}")
assert report.worst == "weight" and report.max_error > 0.1
assert mended.max_error < 1e-6
moved = {}
for kind in (Gain, MendedGain):
    rows = [
        ("flatten", Flatten()),
        ("fc", Linear(784, 64, rng=0)),
        ("relu", ReLU()),
        ("gain", kind(64)),
    ]
    network = Network([*rows, ("last", Linear(64, 10, rng=1))])
    moved[kind] = np.abs(learn(network, 0.02).epochs and network.params["gain.weight"] - 1).mean()
    print(f"    {kind.__name__}: the gains have moved by {moved[kind]:.4f} on average")
assert moved[MendedGain] > 10 * moved[Gain]
