# %% [markdown]
# # Lesson 17: solutions

# %%
import numpy as np

from layers import Flatten, Linear, ReLU
from nn import SGD, Network
from nn.data import Dataset, digits
from nn.data.augmentation import mirror
from nn.training import evaluate, train

# %% [markdown]
# ## 1. Crops of 28 x 28, and mirrored digits
# A window of 28 in 32 can begin at 5 places in each direction, which gives 5 * 5 * 2 = 50 inputs.
# The rest is a mean over all pairs of places.

# %%
places = np.arange(32 - 28 + 1)
apart = np.abs(places[:, None] - places[None, :])
shared = (1 - apart.mean() / 28) ** 2  # rows and columns are drawn independently of each other
print(f"{2 * len(places) ** 2} inputs of one image; two share {shared:.0%} on average")
assert 2 * len(places) ** 2 == 50 and np.isclose(shared, (26.4 / 28) ** 2)

train_set, test_set = digits()
mean, deviation = train_set.images.mean(), train_set.images.std()
train_set, test_set = (
    Dataset((d.images - mean) / deviation, d.labels, d.class_names)
    for d in (train_set.subset(slice(1000)), test_set)
)


def error_rate(prepare, seed):
    rng = np.random.default_rng(seed)
    layers = [("flatten", Flatten()), ("fc1", Linear(784, 64, rng=rng)), ("relu1", ReLU())]
    network = Network([*layers, ("fc2", Linear(64, 10, rng=rng))])
    optimizer = SGD(network, 0.02)
    train(network, train_set, epochs=10, optimizer=optimizer, prepare=prepare, seed=seed,
          progress=False)  # fmt: skip
    return 100 * (1 - evaluate(network, test_set.images, test_set.labels)[1])


def as_they_are(images, rng):
    return images


def perhaps_mirrored(images, rng):
    return images if rng is None else mirror(images, rng)


harm = []
for seed in range(5):
    plain, mirrored = error_rate(as_they_are, seed), error_rate(perhaps_mirrored, seed)
    harm.append(mirrored - plain)
    print(f"    seed {seed}: digits {plain:.1f} % wrong, with mirror images {mirrored:.1f} %")
assert np.mean(harm) > 2.8 * np.std(harm, ddof=1) / np.sqrt(5)

# %% [markdown]
# Mirror images harm. A mirrored 3 is not a 3 that anybody writes; the network learns to read images
# that never come, and confuses some that do (a mirrored 2 is near a 5). Augmentation must only
# change what leaves the label as it is, and that depends on the task.
#
# ## 2. The bug
# The decay does not go through the velocity. So it acts once, not ten times (1 + 0.9 + 0.81 + ...)
# as in the paper's step: with momentum 0.9 it is ten times too weak. Put it inside.


# %%
class Update:
    def __init__(self, w, rate, momentum=0.9, decay=0.0005):
        self.w, self.v, self.rate, self.momentum, self.decay = w, 0 * w, rate, momentum, decay

    def step(self, gradient):
        self.v = self.momentum * self.v - self.rate * gradient
        self.w = self.w + self.v - self.decay * self.rate * self.w


class Mended(Update):
    def step(self, gradient):
        self.v = self.momentum * self.v - self.rate * (gradient + self.decay * self.w)
        self.w = self.w + self.v


kept = {}
for kind in (Update, Mended):
    update = kind(1.0, 0.01)
    for _ in range(9375):
        update.step(0.0)
    kept[kind] = update.w
    print(f"{kind.__name__}: an unused weight keeps {update.w:.1%} of itself in an epoch")
assert np.isclose(kept[Update], np.exp(-9375 * 5e-6), rtol=1e-3)
assert np.isclose(kept[Mended], np.exp(-9375 * 5e-5), rtol=1e-2)

one = Network([("fc", Linear(1, 1))]).astype(np.float64)
sgd, wrong, mended = (
    SGD(one, 0.01, weight_decay=0.0005),
    *(kind(one.params["fc.weight"].item(), 0.01) for kind in (Update, Mended)),
)
for gradient in np.random.default_rng(0).standard_normal(50):
    one.grads["fc.weight"][...] = gradient
    sgd.step()
    wrong.step(gradient)
    mended.step(gradient)
weight = one.params["fc.weight"].item()
print(f"after 50 steps: nn.SGD {weight:.9f}, as given {wrong.w:.9f}, mended {mended.w:.9f}")
assert np.isclose(mended.w, weight, rtol=0, atol=1e-12) and abs(wrong.w - weight) > 1e-7

# %% [markdown]
# Whoever takes a decay from a paper must know which of the two forms it was meant for. (The form
# beside the velocity, "decoupled" weight decay, is quite usual today, with larger numbers.)
#
# ## 3. Probabilities or outputs
# Two crops, three classes. One crop is for class 0, one for class 1, and both find class 2 not bad.

# %%
outputs = np.array([[4.0, 0.0, 3.0], [0.0, 4.1, 3.0]])


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


by_probabilities, by_outputs = softmax(outputs).mean(axis=0), softmax(outputs.mean(axis=0))
print(
    "mean of the probabilities", by_probabilities.round(2), "; of the outputs", by_outputs.round(2)
)
assert by_probabilities.argmax() == 1 and by_outputs.argmax() == 2

# %% [markdown]
# The mean of probabilities is a vote: who has a strong friend wins. The mean of outputs is, up to a
# common factor, the root of the *product* of the probabilities: one crop that holds a class to be
# impossible has a veto.
