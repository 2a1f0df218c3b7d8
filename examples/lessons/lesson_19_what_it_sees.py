# %% [markdown]
# # Lesson 19: what it sees
#
# A trained network is a heap of numbers that happens to know a cat. How? We look at its kernels, at
# what each layer makes of an image, at what happens when parts of the image are covered or changed,
# and at how little of the image is enough. Nothing is trained here: two AlexNets come with the
# library, one taught by photographs (CIFAR-10), one by drawings of cars, cats, dogs and vernier
# callipers. Our cat is a drawing that the second has never seen.

# %%
import numpy as np
from PIL import Image

from examples.crops.windows import PORTIONS, windows
from examples.lessons.figures import figure, figure_path
from models import load_classifier
from nn import Layer, plots
from nn.data.rendered import objects_with_boxes, render
from nn.inspect import activations, gradients, occlusion, saliency

photographs, drawings = (
    load_classifier("cifar10_alexnet"),
    load_classifier("objects_alexnet_portions"),
)
network, names = drawings.network, drawings.class_names
cat = np.asarray(render("cat", 256, seed=103)[0])  # 256 x 256 pixels in RGB, 0..255
small = np.asarray(Image.fromarray(cat).resize((64, 64), Image.Resampling.BICUBIC))
x = drawings.preparation(small[None])[
    0
]  # its pixels as the network reads them: minus a mean, divided by a deviation
CAT = names.index("cat")
print(
    "the network says:",
    ", ".join(f"{name} {p:.1%}" for name, p in zip(names, network.predict(x[None])[0])),
)

# %% [markdown]
# ## 1. Kernels
# The kernels of conv1 multiply pixels, so they can be drawn as images: a kernel answers most loudly
# to a patch that looks like it (lesson 4). Nobody wrote these; they began as random numbers. Some
# are edges, light on one side and dark on the other, some are one colour against another.

# %%
plots.layer_kernels(
    figure_path("19_kernels"), photographs.network, "conv1"
)  # open runs/lessons/19_kernels.png
kernels = photographs.network.layers["conv1"].params["weight"]  # (5, 5, 3, 24)
grey = kernels.mean(axis=2, keepdims=True)  # the part in which red, green and blue agree
shares = 3 * (grey**2).sum(axis=(0, 1, 2)) / (kernels**2).sum(axis=(0, 1, 2))
print(
    f"of {len(shares)} kernels, {np.sum(shares > 0.8)} look at light and dark, {np.sum(shares < 0.2)} at colours"
)

# %% [markdown]
# ## 2. Layer by layer
# Deeper kernels see maps, not colours, and cannot be viewed like this. But we can look at what they
# make of our cat. `activations` is the loop of `Network.forward`, keeping every layer's output.

# %%
outputs, y = activations(network, x[None]), x[None]
for name, layer in network.layers.items():
    y = layer.forward(y)
    assert np.array_equal(y, outputs[name])
for name in ("relu1", "relu2", "relu3", "relu5"):
    maps = outputs[name][0]
    print(
        f"{name}: {maps.shape[0]:2} x {maps.shape[1]:2} x {maps.shape[2]}, {np.mean(maps == 0):.0%} of it zero"
    )
    plots.feature_maps(figure_path(f"19_maps_{name}"), network, x, name)
row, column, loudest = np.unravel_index(maps.argmax(), maps.shape)
share = np.mean(maps.max(axis=(0, 1)) > maps.max() / 3)
print(
    f"relu5's largest number is in row {row + 1} of 7, column {column + 1}, of map {loudest};",
    end=" ",
)
print(f"{share:.0%} of its maps reach a third of it")
assert row < 3 and 2 <= column <= 5 and share < 0.25  # the head

# %% [markdown]
# The first maps are still the cat, its edges in several directions and its colours. The deeper the
# layer, the more of the image each number sees. In relu5 few maps speak up, and the loudest point
# at the head.
#
# ## 3. Where does it look?
# **Cover** a part with a grey square and ask again: where the probability of "cat" falls, the
# network looked. Each pixel gets the mean fall over all squares that covered it. The **gradient**
# asks the same of tiny changes. Backward, taken one step further than training needs, gives the
# slope of the cat's score (its output before softmax) with respect to every pixel of the image.

# %%
sure = network.predict(x[None])[0, CAT]
falls, counts = np.zeros((64, 64)), np.zeros((64, 64))
for top in range(4 - 16, 64, 4):  # a square of 16 x 16 that moves by 4, also over the edge
    for left in range(4 - 16, 64, 4):
        place = (slice(max(0, top), top + 16), slice(max(0, left), left + 16))
        covered = x.copy()
        covered[place] = 0  # the mean colour, as pixels had their mean taken off
        falls[place] += sure - network.predict(covered[None])[0, CAT]
        counts[place] += 1
assert np.allclose(falls / counts, occlusion(network, x, CAT), atol=1e-5)

# Third argument: dy, 1 for the cat's score, else 0. `saliency`, below, is the largest |slope| of a pixel's 3 colours.
slopes = gradients(network, x[None], np.eye(4, dtype=np.float32)[[CAT]])["input"][0]  # (64, 64, 3)
h, nudged = 1e-2, x.copy()
strongest = np.unravel_index(np.abs(slopes).argmax(), slopes.shape)
nudged[strongest] += h
measured = (network.forward(nudged[None]) - network.forward(x[None]))[0, CAT] / h
print(
    f"the pixel that matters most: slope of the cat's score {slopes[strongest]:.3f}, measured {measured:.3f}"
)
assert np.isclose(slopes[strongest], measured, rtol=0.02)

pictures = [small] + [np.asarray(render(name, 64, seed=102)[0]) for name in ("dog", "car")]
inputs = drawings.preparation(np.stack(pictures))
answers = network.predict(inputs)
looked = [
    [f(network, a, p.argmax()) for f in (occlusion, saliency)] for a, p in zip(inputs, answers)
]
assert looked[1][0].max() < 0.03 < min(looked[0][0].max(), looked[2][0].max())
plots.looks(figure_path("19_looks"), ["cat", "dog", "car"], pictures, answers, looked, names)

# %% [markdown]
# 14_looks.png: at the cat's eyes, the dog's head, the middle of the car. Each has its own scale,
# and the dog's is so small that hardly any of its probability falls, whatever is covered. (Neither
# answer proves that the network *needs* that place: a grey square is a thing that it never learned
# from, and a slope speaks of tiny changes only.)
#
# ## 4. How little is enough?
# Of 40 new images we cut windows, from all of the image down to a sixteenth of its area, and bring
# each to 64 x 64 pixels. One network learned from whole images, the other from random portions of
# them.

# %%
dataset, _ = objects_with_boxes(192, 40, "test")
networks = {
    "trained on whole images": load_classifier("objects_alexnet"),
    "trained on portions": drawings,
}
right = {name: {portion: [] for portion in PORTIONS} for name in networks}
for number, (picture, label) in enumerate(zip(dataset.images, dataset.labels)):
    cuts = windows(np.random.default_rng(number))
    parts = np.stack([window.cut(picture, (64, 64)) for window in cuts])
    for name, classifier in networks.items():
        for window, p in zip(cuts, classifier.probabilities(parts)):
            right[name][window.portion].append(p.argmax() == label)
ends = {}
with figure("19_portions", 7.5, 4) as drawing:
    axes = drawing.subplots()
    for (name, found), colour in zip(right.items(), ("#0072B2", "#D55E00")):
        shares = ends[name] = [100 * np.mean(found[portion]) for portion in PORTIONS]
        print(
            f"{name:26}",
            ", ".join(f"{100 * part:g} %: {share:.0f} %" for part, share in zip(PORTIONS, shares)),
        )
        axes.plot(range(len(PORTIONS)), shares, "o-", color=colour, label=name)
    axes.axhline(25, color="grey", linestyle=":", label="guessing")
    axes.set_xticks(range(len(PORTIONS)), [f"{100 * portion:g}" for portion in PORTIONS])
    axes.set(
        title="How little is enough?",
        xlabel="part of the area, %",
        ylabel="right answers, %",
        ylim=(0, 103),
    )
    axes.legend()
whole, portions = ends.values()
assert whole[1] > 90 > 80 > whole[2] and portions[3] > 75
cuts = windows(np.random.default_rng(0))
answers = drawings.probabilities(np.stack([window.cut(cat, (64, 64)) for window in cuts]))
plots.crops(figure_path("19_crops"), "A cat, and parts of it", cat, cuts, answers, CAT, names)

# %% [markdown]
# Trained on whole images, the network does without a quarter of the image, not without half of it;
# trained on portions, it knows most images by a quarter of them. Look at its failures in
# 14_crops.png: often no cat is in the window, and yet it must name something.


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


# %% [markdown]
# ## Exercises (answers: `solutions/solution_19.py`)
# 1. Switch off conv1's kernels one at a time (weights and bias 0) and ask about new drawings. Does
#    it need them all?
# 2. BUG: `Cut` cuts a window out of images, to be trained through. On images of 8 x 8, the gradient
#    checker accepts `Cut(2, 2, 3)`. Try other windows: what is wrong, and why was it not seen?
# 3. Fool it: add to every pixel of x the same small e or -e, by the sign of the slope of (dog's
#    score - cat's score). How small an e makes our cat a dog, and can you see the difference?
