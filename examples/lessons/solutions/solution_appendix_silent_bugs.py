# %% [markdown]
# # Appendix, silent bugs: solutions

# %%
import numpy as np

from layers import Flatten, Linear, ReLU
from nn import SGD, Layer, Network, SoftmaxCrossEntropy, check_gradients
from nn.data import Dataset, digits
from nn.training import train

part, others = digits()[0].subset(np.arange(2000)), digits()[1].subset(np.arange(1000))
mean, deviation = part.images.mean(), part.images.std()
pictures, new = (
    Dataset((d.images - mean) / deviation, d.labels, d.class_names) for d in (part, others)
)


def hidden_layer(seed=0, between=()):
    rng = np.random.default_rng(seed)
    layers = [("flatten", Flatten()), ("fc1", Linear(784, 64, rng=rng)), ("relu1", ReLU())]
    return Network([*layers, *between, ("fc2", Linear(64, 10, rng=rng))])


def fitted(network, data, epochs=5, seed=0):
    train(network, data, epochs=epochs, optimizer=SGD(network, 0.03), seed=seed, progress=False)
    return network


def accuracy(network, images, labels):
    return np.mean(network.predict(images).argmax(axis=1) == labels)


# %% [markdown]
# ## 1. What one batch tells

# %%
network, loss = hidden_layer(), SoftmaxCrossEntropy()
sgd, images = SGD(network, 0.03), pictures.images[:20]
apart = np.random.default_rng(0).permutation(pictures.labels)[:20]
for _ in range(100):
    last = loss.forward(network.forward(images, training=True), apart)
    network.backward(loss.backward(), input_gradient=False)
    sgd.step()
print(f"one batch with labels apart: loss {last:.4f} after 100 steps")
assert last < 0.05

# %% [markdown]
# None of them, for certain. Bug 1 stays hidden: 20 images are learned by heart with any labels, and
# the loss goes to 0. Bugs 2 and 3 are in the evaluation, which the test does not use. Bug 4 only
# makes it slower, and who does not know how fast it ought to be does not notice. What the test does
# find is a network or a loss that *cannot* learn, like softmax twice.
#
# ## 2. Test images among the training images


# %%
def in_both(a, b):
    """How many of the images b are also among a, byte for byte."""
    seen = {image.tobytes() for image in a}
    return sum(image.tobytes() in seen for image in b)


both = Dataset(
    np.concatenate([pictures.images, new.images[:500]]),
    np.concatenate([pictures.labels, new.labels[:500]]),
    pictures.class_names,
)
print(f"\nin both sets: {in_both(pictures.images, new.images)} images; ", end="")
print(f"after the leak {in_both(both.images, new.images)}")
assert in_both(pictures.images, new.images) == 0 and in_both(both.images, new.images) == 500
print("seed: accuracy on all of new, on its unseen half")
for seed in range(5):
    leaky = fitted(hidden_layer(seed), both, epochs=20, seed=seed)
    reported = accuracy(leaky, new.images, new.labels)
    honest = accuracy(leaky, new.images[500:], new.labels[500:])
    print(f"   {seed}: {reported:.1%}, {honest:.1%}")
    assert reported > honest + 0.01

# %% [markdown]
# The report is better than the truth by some points with each seed, since the seen half is known by
# heart. (Bytes find copies only. Of shifted or brightened copies, as augmentation makes them, one
# must know where they came from: split first, then augment.)
#
# ## 3. The bug
# The mask is drawn once, when the layer is made. So the same half of the units is left out at every
# step: no dropout, but a network of half the size. At inference the others join in, whose weights
# nobody has trained.
#
# The test is "ask twice", turned round: in *training* the answers must differ. To pass a gradient
# check is no merit here. A right dropout passes it only if the check holds its mask still.


# %%
class Drop(Layer):
    def __init__(self, features, seed=0):
        super().__init__()
        rng = np.random.default_rng(seed)
        self.mask = 2 * (rng.random(features) < 0.5).astype(np.float32)

    def forward(self, x, training=False, out=None):
        self._saved = self.mask if training else np.ones_like(self.mask)
        return x * self._saved

    def backward(self, dy, input_gradient=True, out=None):
        return dy * self._saved


class Mended(Drop):
    def __init__(self, features, seed=0):
        super().__init__(features)
        self.rng = np.random.default_rng(seed)

    def forward(self, x, training=False, out=None):
        drawn = 2 * (self.rng.random(x.shape) < 0.5).astype(x.dtype)
        self._saved = drawn if training else np.ones_like(x)
        return x * self._saved


x = np.random.default_rng(0).standard_normal((3, 6))
error = check_gradients(Drop(6), x).max_error
print(f"\nthe gradient check of Drop: largest error {error:.0e}")
assert error < 1e-6
for kind in (Drop, Mended):
    layer = kind(6)
    same = np.array_equal(layer.forward(x, training=True), layer.forward(x, training=True))
    print(f"{kind.__name__}: the same twice in training: {same}")
    assert same == (kind is Drop)
found = {
    kind: [
        accuracy(
            fitted(hidden_layer(seed, [("drop", kind(64, seed))]), pictures, seed=seed),
            new.images,
            new.labels,
        )
        for seed in range(5)
    ]
    for kind in (Drop, Mended)
}
for kind, values in found.items():
    print(f"    {kind.__name__:6} five seeds:", *(f"{value:.1%}" for value in values))
assert np.mean(found[Mended]) > np.mean(found[Drop])
