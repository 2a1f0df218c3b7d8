# %% [markdown]
# # Lesson 19: solutions

# %%
import numpy as np

from examples.lessons.figures import figure
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
print(
    f"worst without kernel {np.argmin(left)}; {np.sum(np.array(left) >= before - 1)} kernels cost one point at most"
)
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
        dx = np.zeros(self._take_saved(), dy.dtype)
        dx[:, self.columns, self.rows] = dy
        return dx


class Mended(Cut):
    def backward(self, dy, input_gradient=True, out=None):
        dx = np.zeros(self._take_saved(), dy.dtype)
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
# ## 3. Fooling it

# %%
cat = np.asarray(render("cat", 256, seed=103)[0])
small = classifier.preparation.resized(cat[None])
x = classifier.preparation(small)
CAT, DOG = names.index("cat"), names.index("dog")
question = np.zeros((1, 4), np.float32)
question[0, [CAT, DOG]] = -1, 1  # dog's score - cat's score
direction = np.sign(gradients(network, x, question)["input"])
for e in np.arange(0.0, 2, 0.01, dtype=np.float32):
    answer = network.predict(x + e * direction)[0]
    if answer.argmax() == DOG:
        break
levels = e * 255 * np.mean(classifier.preparation.deviation)
random = np.random.default_rng(0).choice([-1, 1], (100, *x.shape[1:])).astype(np.float32)
still = np.mean(network.forward(x + e * random).argmax(axis=1) == CAT)
print(f"\nwith e = {e:.2f}, {levels:.1f} of 255 levels, the cat is a dog ({answer[DOG]:.0%})")
print(f"the same e with random signs, 100 times: still a cat in {still:.0%}")
assert answer.argmax() == DOG and still > 0.9 and levels < 12 and x.size == 12_288
fooled = np.clip(small + 255 * e * classifier.preparation.deviation * direction, 0, 255).astype(
    np.uint8
)
with figure("19_fooled", 7, 3.8) as drawing:
    for axes, picture, title in zip(
        drawing.subplots(1, 2), (small[0], fooled[0]), ("a cat", 'a "dog"')
    ):
        axes.imshow(picture)
        axes.set(title=title, xticks=[], yticks=[])

# %% [markdown]
# Can you see it? Yes, as a grain (open runs/lessons/19_fooled.png); but nobody would call it a dog.
# 12,288 small pushes all go one way, while those with random signs, which look the same, cancel.
# Such an input is called *adversarial*, and one step by the signs of the slopes the *fast gradient
# sign method* (Goodfellow, Shlens and Szegedy, 2015). Networks of larger images have more pixels to
# push, and can be fooled with less.
