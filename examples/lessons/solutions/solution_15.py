# %% [markdown]
# # Lesson 15: solutions

# %%
import numpy as np

from layers import Dropout, Flatten, Linear, ReLU
from nn import SGD, Layer, Network, check_gradients, softmax
from nn.data import digits
from nn.training import evaluate, train
from nn.training.schedules import one_cycle

train_set, test_set = digits()


def learned(p, seed, hidden):
    """The lesson's network, trained as there."""
    rng = np.random.default_rng(seed)
    layers = [("flatten", Flatten())]
    for number, inputs in ((1, 28 * 28), (2, hidden)):
        layers += [(f"fc{number}", Linear(inputs, hidden, rng=rng)), (f"relu{number}", ReLU())]
        layers += [(f"dropout{number}", Dropout(p, rng=[seed, number]))]
    net = Network([*layers, ("fc3", Linear(hidden, 10, rng=rng))])
    few, rate = train_set.subset(slice(seed * 300, (seed + 1) * 300)), one_cycle(0.03)
    train(
        net,
        few,
        epochs=30,
        optimizer=SGD(net, 0.03),
        schedule=rate,
        batch_size=50,
        progress=False,
        seed=seed,
    )
    return net


def accuracy(net):
    return 100 * evaluate(net, test_set.images, test_set.labels)[1]


# %% [markdown]
# ## 1. With 32 units

# %%
runs = np.array([[accuracy(learned(p, seed, 32)) for seed in range(5)] for p in (0.0, 0.5)])
for name, values in zip(("without dropout", "with dropout"), runs):
    print(
        f"32 units, {name:15}",
        *(f"{value:6.2f}" for value in values),
        f"   mean {values.mean():.2f} %",
    )
assert runs[1].mean() < runs[0].mean()

# %% [markdown]
# Now dropout harms: with 16 units left in each layer, the thinned networks are too small to learn
# the digits. Dropout helps where a network could learn too much, and this one can hardly learn
# enough.
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
net = learned(0.5, 0, 512)
thinned = [softmax(net.forward(test_set.images, training=True)) for _ in range(100)]
alone = [100 * np.mean(each.argmax(axis=1) == test_set.labels) for each in thinned]
together = np.mean(thinned, axis=0)
average = 100 * np.mean(together.argmax(axis=1) == test_set.labels)
short_cut = accuracy(net)
same = 100 * np.mean(together.argmax(axis=1) == net.forward(test_set.images).argmax(axis=1))
print(f"\none thinned network: {np.mean(alone):.2f} % right, the best of 100 {np.max(alone):.2f} %")
print(
    f"100 of them, averaged: {average:.2f} %;  all units at once, the short cut: {short_cut:.2f} %"
)
print(f"the average and the short cut agree on {same:.1f} % of the digits")
assert np.mean(alone) < short_cut and abs(average - short_cut) < 1

# %% [markdown]
# Fewer mistakes? Not worth the name: the two are within a point of each other, and the short cut is
# a hundredth of the work.
