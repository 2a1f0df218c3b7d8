# %% [markdown]
# # Lesson 15: solutions

# %%
import numpy as np
from threadpoolctl import threadpool_limits

from layers import Dropout, Flatten, Linear, ReLU
from nn import SGD, Layer, Network, check_gradients, softmax
from nn.data import Dataset, digits
from nn.training import evaluate, train
from nn.training.schedules import one_cycle

train_set, test_set = digits()
threadpool_limits(1)


def learned(p, seed, hidden=128, spoiled=0.2):
    """The lesson's network, trained as there, and its accuracies on training and new digits, %."""
    rng = np.random.default_rng(seed)
    layers = [("flatten", Flatten())]
    for number, inputs in ((1, 28 * 28), (2, hidden)):
        layers += [(f"fc{number}", Linear(inputs, hidden, rng=rng)), (f"relu{number}", ReLU())]
        layers += [(f"dropout{number}", Dropout(p, rng=[seed, number]))]
    net = Network([*layers, ("fc3", Linear(hidden, 10, rng=rng))])

    few = train_set.subset(slice(seed * 300, (seed + 1) * 300))
    rng = np.random.default_rng([seed, 15])
    lot = rng.integers(0, 10, 300)
    labels = np.where(rng.random(300) < spoiled, lot, few.labels)
    few = Dataset(few.images, labels, few.class_names)

    how = {"batch_size": 50, "schedule": one_cycle(0.03), "progress": False, "seed": seed}
    train(net, few, epochs=30, optimizer=SGD(net, 0.03), **how)
    return net, [100 * evaluate(net, d.images, d.labels)[1] for d in (few, test_set)]


# %% [markdown]
# ## 1. Fewer units, and right labels

# %%
gains = {}
for hidden, spoiled in ((16, 0.2), (128, 0.0)):
    print(f"{hidden} units, {spoiled:.0%} of the labels by lot; mean accuracies of five seeds, %:")
    runs = [[learned(p, seed, hidden, spoiled)[1] for seed in range(5)] for p in (0.0, 0.5)]
    runs = np.array(runs)  # (without and with dropout, seeds, training digits and new ones)
    for name, (known, new) in zip(("without", "with"), runs.mean(axis=1)):
        print(f"    {name:7} dropout: training digits {known:5.1f}, new digits {new:.1f}")
    gains[hidden] = runs[1, :, 1] - runs[0, :, 1]
    error = gains[hidden].std(ddof=1) / np.sqrt(5)
    print(f"    gain on new digits {gains[hidden].mean():+.2f} +- {error:.2f}")
    assert runs[0, :, 0].min() > 85 and (hidden == 128 or runs[1, :, 0].max() < 70)
assert gains[16].max() < -10 and abs(gains[128].mean()) < 2

# %% [markdown]
# With 16 units dropout harms: the 8 that are left in each layer do not even learn the training
# digits. (In part because it takes longer; but with more epochs it harms still: try.) With right
# labels there is hardly anything to gain: what the network learns by heart is right, and does
# little harm. Dropout helps where a network can learn too much, and what it should not.
#
# ## 2. The bug


# %%
class WrongDropout(Layer):
    def __init__(self, p, rng=None):
        super().__init__()
        self.p, self.rng = p, np.random.default_rng(rng)

    def scale(self, x):
        """0 for the dropped units, 1 / (1 - p) for the others."""
        return (self.rng.random(x.shape) >= self.p) / (1 - self.p)

    def forward(self, x, training=False, out=None):
        return x * self.scale(x) if training else x

    def backward(self, dy, input_gradient=True, out=None):
        return dy * self.scale(dy)


class Mended(WrongDropout):
    def forward(self, x, training=False, out=None):
        if not training:
            return x
        self._saved = self.scale(x)
        return x * self._saved

    def backward(self, dy, input_gradient=True, out=None):
        return dy * self._take_saved()


x = np.random.default_rng(0).standard_normal((4, 6))
print("\nas given:")
print(wrong := check_gradients(WrongDropout(0.5, rng=1), x))
print("mended:")
print(mended := check_gradients(Mended(0.5, rng=1), x))
assert wrong.max_error > 0.5 and mended.max_error < 1e-6

# %% [markdown]
# The backward pass draws a new mask. Where forward said nothing, backward may send a gradient, and
# the other way round; the checker shows an element where one says 0 and the other does not. (It can
# check a layer that draws random numbers, because it sets the layer's `rng` back before every
# forward pass.) The mask must be kept from forward to backward.
#
# ## 3. A hundred thinned networks

# %%
net, (_, short_cut) = learned(0.5, 0)
thinned = [softmax(net.forward(test_set.images, training=True)) for _ in range(100)]
alone = [100 * np.mean(each.argmax(axis=1) == test_set.labels) for each in thinned]
together = np.mean(thinned, axis=0)
average = 100 * np.mean(together.argmax(axis=1) == test_set.labels)
same = 100 * np.mean(together.argmax(axis=1) == net.forward(test_set.images).argmax(axis=1))
print(f"\none thinned network: {np.mean(alone):.2f} % right, the best of 100 {np.max(alone):.2f} %")
print(
    f"100 of them, averaged: {average:.2f} %;  all units at once, the short cut: {short_cut:.2f} %"
)
print(f"the average and the short cut agree on {same:.1f} % of the digits")
assert np.mean(alone) < short_cut and abs(average - short_cut) < 2

# %% [markdown]
# Fewer mistakes? Not worth the name: the two are within two points of each other (one run), and the
# short cut is a hundredth of the work. (It is not the same: behind a dropout the sums have the
# right mean, what ReLU and softmax make of them only nearly.)
