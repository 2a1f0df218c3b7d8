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


def network_of(activation, hidden_layers, xavier=None, seed=0):
    """Hidden layers of 64 units, with He's weights or so many times Xavier's."""
    rng, layers, features = np.random.default_rng(seed), [("flatten", Flatten())], 784
    for n in range(1, hidden_layers + 1):
        layers += [
            (f"fc{n}", Linear(features, 64, rng=rng)),
            (f"{activation.__name__.lower()}{n}", activation()),
        ]
        features = 64
    network = Network([*layers, ("last", Linear(64, 10, rng=rng))])
    rng = np.random.default_rng(seed)
    for name, weight in network.params.items():
        if xavier and name.endswith("weight"):
            weight[...] = xavier * xavier_uniform(rng, weight.shape, *weight.shape)
    return network


def learn(network, rate, seed=0):
    sgd = SGD(network, rate)
    with np.errstate(all="ignore"):
        return train(network, pictures, epochs=4, optimizer=sgd, seed=seed, progress=False)


def illnesses(histories):
    """Each illness, and in how many of the runs."""
    kinds = [kind for h in histories for kind in {finding.kind for finding in diagnose(h)}]
    return ", ".join(f"{kind} {kinds.count(kind)}" for kind in sorted(set(kinds))) or "healthy"


# %% [markdown]
# ## 1. Six learning rates
# Five seeds each. Up to 0.1 the network learns, but the share of dead units in the first layer
# grows with the rate: each step that is too long may throw a unit to where it answers 0 to all
# images, and in the first layer, whose inputs stay the same, hardly any comes back. At 0.3 so many
# are dead that the network says nearly the same to every image. At 1 and 3 it is a race: either the
# weights outgrow what a float32 can hold, or all units have died before.

# %%
print("Two layers of ReLU, five seeds: mean accuracy in the fourth epoch, dead units of relu1,")
print("and in how many runs which illness")
runs, dead = {}, {}
for rate in (0.01, 0.03, 0.1, 0.3, 1, 3):
    runs[rate] = [learn(network_of(ReLU, 2, seed=seed), rate, seed) for seed in range(5)]
    accuracy = np.mean([history.epochs[-1]["train_accuracy"] for history in runs[rate]])
    dead[rate] = np.mean([history.statistics[-1]["silent"]["relu1"] for history in runs[rate]])
    print(f"    rate {rate:<4}  {accuracy:4.0%}  {dead[rate]:4.0%}  {illnesses(runs[rate])}")
assert all(illnesses(runs[rate]) == "healthy" for rate in (0.01, 0.03, 0.1))
assert dead[0.01] < dead[0.03] < dead[0.1] < dead[0.3] and "dead 5" in illnesses(runs[0.3])
assert all(diagnose(history) for rate in (1, 3) for history in runs[rate])
assert "exploding" in illnesses(runs[1] + runs[3])

# %% [markdown]
# ## 2. Seven layers of sigmoid
# Between 4 and 8 times Xavier's is best, with each of five seeds. A sigmoid's slope takes away at
# least three quarters of the gradient at each layer, and weights some 4 times larger give that
# back; with still larger ones the sums become so large that the units saturate, and the slope is
# nowhere near 1/4 any more. It is a narrow path, and even on it the network learns slower than with
# ReLU: so this cure is a crutch.

# %%
SEEDS = range(5)
relu = [learn(network_of(ReLU, 7, seed=seed), 0.02, seed) for seed in SEEDS]
relu = [history.epochs[-1]["train_accuracy"] for history in relu]
print("\nSeven layers of ReLU, of He's weights: accuracy", *(f"{value:.0%}" for value in relu))
print("Seven layers of sigmoid: multiple of Xavier's weights, accuracies, mean saturated share")
accuracies = {}
for multiple in (1, 2, 4, 6, 8, 12, 16):
    histories = [learn(network_of(Sigmoid, 7, multiple, seed), 0.02, seed) for seed in SEEDS]
    accuracies[multiple] = [history.epochs[-1]["train_accuracy"] for history in histories]
    each = " ".join(f"{value:4.0%}" for value in accuracies[multiple])
    saturated = [list(history.statistics[-1]["saturated"].values()) for history in histories]
    print(f"    {multiple:2} times  {each}  {np.mean(saturated):4.0%}  {illnesses(histories)}")
for seed in SEEDS:
    assert 4 <= max(accuracies, key=lambda multiple: accuracies[multiple][seed]) <= 8
    assert max(values[seed] for values in accuracies.values()) < relu[seed]
assert max(accuracies[2]) < 0.2 and max(accuracies[16]) < 0.3


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
