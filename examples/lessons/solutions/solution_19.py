# %% [markdown]
# # Lesson 19: solutions

# %%
import numpy as np

from models import load_classifier
from nn import Layer, check_gradients
from nn.data.rendered import objects, render
from nn.inspect import gradients

classifier = load_classifier("objects_alexnet_portions")
network, names = classifier.network, classifier.class_names

# %% [markdown]
# ## 1. Without one kernel

# %%
_, dataset = objects(64, train=0, test=200)
inputs = classifier.preparation(dataset.images)


def accuracy():
    return 100 * np.mean(network.forward(inputs).argmax(axis=1) == dataset.labels)


conv1 = network.layers["conv1"]
before, left = accuracy(), []
for kernel in range(conv1.out_channels):
    kept = conv1.params["weight"][..., kernel].copy(), conv1.params["bias"][kernel]
    conv1.params["weight"][..., kernel], conv1.params["bias"][kernel] = 0, 0
    left.append(accuracy())
    conv1.params["weight"][..., kernel], conv1.params["bias"][kernel] = kept
assert accuracy() == before
print(
    f"all kernels: {before:.1f} % of 200 drawings right; without one:",
    *(f"{value:.1f}" for value in left),
)
spared = np.sum(np.array(left) >= before - 1)
print(f"worst without kernel {np.argmin(left)}; {spared} kernels cost one point at most")
assert min(left) < before - 1 and np.mean(np.array(left) >= before - 1) > 0.5

# %% [markdown]
# Most kernels can go one at a time and hardly anybody notices; a few matter more. The knowledge is
# spread over the kernels, though not evenly.
#
# ## 2. The bug


# %%
class Cut(Layer):
    def __init__(self, top, left, side):
        super().__init__()
        self.rows, self.columns = slice(top, top + side), slice(left, left + side)

    def forward(self, x, training=False, out=None):
        self._saved = x.shape
        return x[:, self.rows, self.columns].copy()

    def backward(self, dy, input_gradient=True, out=None):
        dx = np.zeros(self._saved, dy.dtype)
        dx[:, self.columns, self.rows] = dy
        return dx


class Mended(Cut):
    def backward(self, dy, input_gradient=True, out=None):
        dx = np.zeros(self._saved, dy.dtype)
        dx[:, self.rows, self.columns] = dy
        return dx


x = np.random.default_rng(0).standard_normal((1, 8, 8, 1))
blind = check_gradients(Cut(2, 2, 3), x).max_error
print(f"\nCut(2, 2, 3): largest error {blind:.0e}")
print(wrong := check_gradients(Cut(1, 4, 3), x))
print("mended:")
print(mended := check_gradients(Mended(1, 4, 3), x))
assert blind < 1e-6 and wrong.max_error > 0.5 and mended.max_error < 1e-6

# %% [markdown]
# The backward pass puts the window back with rows and columns exchanged. Where top and left are
# equal, the two are the same place: a test must not be more symmetrical than the thing it tests. So
# never check a layer of images with square images, square kernels and equal strides alone.
#
# ## 3. Random signs

# %%
cat = np.asarray(render("cat", 256, seed=103)[0])
small = classifier.preparation.resized(cat[None])
x = classifier.preparation(small)
CAT, DOG = names.index("cat"), names.index("dog")
question = np.zeros((1, 4), np.float32)
question[0, [CAT, DOG]] = -1, 1  # dog's score - cat's score
slopes = gradients(network, x, question)["input"]


def asked(signs, e):
    """The network's answers to the images with e levels added by these signs."""
    changed = np.clip(small + e * signs, 0, 255).astype(np.uint8)
    return network.forward(classifier.preparation(changed))


e = next(e for e in range(1, 30) if asked(np.sign(slopes), e).argmax() == DOG)
random = np.random.default_rng(0).choice([-1, 1], (100, *x.shape[1:]))
still = np.mean(asked(random, e).argmax(axis=1) == CAT)
print(f"\nwith e = {e} levels and random signs, 100 times: still a cat in {still:.0%}")
by_sign = np.abs(slopes).sum()
by_chance = np.sqrt(((slopes * random).sum(axis=(1, 2, 3)) ** 2).mean())  # as a rule, either way
print(f"what the gradient promises for a step of 1: {by_sign:.0f} by its own signs,", end=" ")
print(f"{by_chance:.1f} by random ones, {by_sign / by_chance:.0f} times less")
assert still > 0.9 and x.size == 12_288
assert 0.2 * np.sqrt(x.size) < by_sign / by_chance < np.sqrt(x.size)

# %% [markdown]
# Not fooled, though the two look the same to us. By the gradient's own signs all n = 12,288 small
# terms add up. With random signs most cancel, and their sum is about as large (root of the mean
# square) as the root of the sum of their squares. If all were equally large, that would be
# $\sqrt{n} = 111$ times less. They are not; a few large ones count for more, which makes it less
# than 111. Networks of larger images have more pixels to push, and can be fooled with less.
