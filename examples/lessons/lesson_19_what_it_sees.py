# %% [markdown]
# # Lesson 19: what it sees
#
# A trained network is a heap of numbers that happens to know a cat. How? We look at its kernels, at
# what each layer makes of an image, at where in the image its answer comes from, at how easily it
# is fooled, and at which images it takes for alike. To each way of looking belongs the question how
# far one may believe it; for one of them we shall see a test.
#
# Nothing is trained here: small AlexNets come with the library, already trained, one on photographs
# (CIFAR-10) and two on drawings of cars, cats, dogs and vernier callipers (a tool that measures
# lengths). Our cat is a drawing that they have never seen.

# %%
import copy

import numpy as np
from PIL import Image

from examples.crops.windows import PORTIONS, windows
from examples.lessons.drawings import what_it_sees as drawings
from examples.lessons.figures import figure_path
from models import load_classifier
from nn import Layer, plots
from nn.data.rendered import objects_with_boxes, render
from nn.inspect import activations, gradients, occlusion, saliency

photographs, rendered = map(load_classifier, ("cifar10_alexnet", "objects_alexnet_portions"))
network, names, prepare = rendered.network, rendered.class_names, rendered.preparation
CAT, DOG = names.index("cat"), names.index("dog")
cat = np.asarray(render("cat", 256, seed=103)[0])  # 256 x 256 pixels in RGB, 0..255
small = np.asarray(Image.fromarray(cat).resize((64, 64), Image.Resampling.BICUBIC))
x = prepare(small[None])[0]  # as the network reads it: minus a mean, divided by a deviation
answer = network.predict(x[None])[0]
print("the network says:", ", ".join(f"{name} {p:.1%}" for name, p in zip(names, answer)))
assert answer[CAT] > 0.9

# %% [markdown]
# ## 1. Kernels
# The kernels of conv1 multiply pixels, so they can be drawn as images: of all patches of the same
# strength, a kernel answers most loudly to the one that looks like it (lesson 4). Nobody designed
# these; they began as random numbers. The figure shows all 24 of the network of photographs: edges,
# light on one side and dark on the other, and some that set one colour against another. Figure 3 of
# the paper shows the same for ImageNet (Krizhevsky et al. 2012, section 6.1).

# %%
kernels = photographs.network.layers["conv1"].params["weight"]  # (5, 5, 3, 24)
grey = kernels.mean(axis=2, keepdims=True)  # the part in which red, green and blue agree
shares = 3 * (grey**2).sum(axis=(0, 1, 2)) / (kernels**2).sum(axis=(0, 1, 2))
print(f"of {len(shares)} kernels, {np.sum(shares > 0.8)} look at light and dark,", end=" ")
print(f"{np.sum(shares < 0.2)} at colours")
assert np.sum(shares > 0.8) > np.sum(shares < 0.2) > 0
plots.layer_kernels(figure_path("19_kernels"), photographs.network, "conv1")

# %% [markdown]
# ## 2. Layer by layer
# Deeper kernels multiply feature maps, not colours, and cannot be viewed like this. But we can look
# at what they make of our cat. From here on the network is one of drawings. `activations` is the
# loop of `Network.forward`, keeping every layer's output.

# %%
outputs, y = activations(network, x[None]), x[None]
for name, layer in network.layers.items():
    y = layer.forward(y)
    assert np.array_equal(y, outputs[name])
for name in ("relu1", "relu2", "relu3", "relu5"):
    maps = outputs[name][0]
    rows, columns, count = maps.shape
    print(f"{name}: {rows:2} x {columns:2} x {count}, {np.mean(maps == 0):.0%} of it zero")
row, column, loudest = np.unravel_index(maps.argmax(), maps.shape)
share = np.mean(maps.max(axis=(0, 1)) > maps.max() / 3)
print(f"relu5's largest number: row {row + 1} of 7, column {column + 1}, map {loudest}")
print(f"only {share:.0%} of its maps reach a third of it anywhere")
assert row < 3 and 2 <= column <= 5 and share < 0.25  # the head
plots.feature_maps(figure_path("19_maps_relu1"), network, x, "relu1")
plots.feature_maps(figure_path("19_maps_relu5"), network, x, "relu5")

# %% [markdown]
# The first figure, relu1, still shows the cat: its edges in several directions, and its colours. In
# the second, relu5, few maps speak up (framed in red: silent ones), and the loudest do at the head.
# It is tempting to call such a map "the ear detector". One image does not prove that: one would
# have to show it many ears, and many things that are none. Nor does its place in the map prove that
# it looked at the head alone: a number of relu5 may depend on pixels far away. That is what the
# receptive fields say, by the rule of lesson 4:

# %%
side, apart = 1, 1  # of a receptive field, and how far two neighbours are apart, in pixels
for name in ("conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5"):
    kernel, stride = network.layers[name].kernel_size[0], network.layers[name].stride[0]
    side, apart = side + (kernel - 1) * apart, apart * stride
    print(f"{name} {side}", end="  ")
print("pixels wide; the image: 64")
assert side == 83

# %% [markdown]
# ## 3. Where does it look?
# Two ways to ask. **Occlusion**: cover a part with a grey square and ask again. Where the
# probability of "cat" falls, the network looked (Zeiler and Fergus 2014, section 4.2). Each pixel
# gets the mean fall over all squares that covered it.

# %%
falls, counts = np.zeros((64, 64)), np.zeros((64, 64))
for top in range(4 - 16, 64, 4):  # a square of 16 x 16 that moves by 4, also over the edge
    for left in range(4 - 16, 64, 4):
        place = (slice(max(0, top), top + 16), slice(max(0, left), left + 16))
        covered = x.copy()
        covered[place] = 0  # the mean colour, as pixels had their mean taken off
        falls[place] += answer[CAT] - network.predict(covered[None])[0, CAT]
        counts[place] += 1
assert np.allclose(falls / counts, occlusion(network, x, CAT), atol=1e-5)

# %% [markdown]
# **Saliency**: the gradient of the cat's score (its output before softmax) with respect to every
# pixel. Training stops at the first layer's weights; here backward goes one step further, to the
# image. The map shows for each pixel the largest of its three colours' gradients, without the sign
# (Simonyan, Vedaldi and Zisserman 2014, section 3):
#
# $$\text{saliency}(h, w) = \max_c \left| \partial\, \text{score} / \partial x_{h,w,c} \right|$$
#
# As with every gradient we check one number by moving it a little.

# %%
score = np.eye(4, dtype=np.float32)[[CAT]]  # dy: 1 for the cat's score, else 0
slopes = gradients(network, x[None], score)["input"][0]  # (64, 64, 3)
assert np.allclose(np.abs(slopes).max(axis=-1), saliency(network, x, CAT))
h, nudged = 1e-2, x.copy()
strongest = np.unravel_index(np.abs(slopes).argmax(), slopes.shape)
nudged[strongest] += h
measured = (network.forward(nudged[None]) - network.forward(x[None]))[0, CAT] / h
print(f"largest gradient {slopes[strongest]:.3f}, measured {measured:.3f}")
assert np.isclose(slopes[strongest], measured, rtol=0.02)

# %% [markdown]
# Now both ways for three images, the cat, a dog and a car:

# %%
images = [small] + [np.asarray(render(name, 64, seed=102)[0]) for name in ("dog", "car")]
inputs = prepare(np.stack(images))
answers = network.predict(inputs)
looked = [
    [f(network, a, p.argmax()) for f in (occlusion, saliency)] for a, p in zip(inputs, answers)
]
for shown in looked[0]:  # where the cat's maps are strongest: between its ears and its mouth
    row, column = np.unravel_index(shown.argmax(), shown.shape)
    assert 8 <= row < 26 and 28 <= column < 48
falls = [shown.max() for shown, _ in looked]
print("largest fall when covered: cat {:.1%}, dog {:.1%}, car {:.1%}".format(*falls))
assert falls[1] < 0.01 < 0.05 < min(falls[0], falls[2])
plots.looks(figure_path("19_looks"), ["cat", "dog", "car"], images, answers, looked, names)

# %% [markdown]
# The figure shows both maps of three images, saliency before occlusion: they are strongest at the
# cat's eyes, the dog's head, the middle of the car. Mind the scales: each map has its own. The
# colours say where, and only the number beside them says how much: whatever is covered, the dog's
# probability falls by less than one point.
#
# ## 4. How far may one believe such a map?
# Such maps are convincing because we see a cat in them. But we would see a cat in its outline, too,
# and for an outline no network is needed. So a test (Adebayo et al. 2018): **randomise the
# weights**. A network with random weights knows nothing. If its map looked the same, the map would
# tell about the image and not about what was learned. We replace the weights of one layer after the
# other, from the last to the first, by the same numbers in a random order, and compare the map with
# that of the trained network: by the correlation of the pixels' ranks (1: the same order, 0: none).


# %%
def rank_correlation(a, b):
    ranks = [np.argsort(np.argsort(values.ravel())) for values in (a, b)]
    return np.corrcoef(*ranks)[0, 1]


def randomised(network, layers, seed):
    """A copy in which the weights of these layers are shuffled."""
    network, rng = copy.deepcopy(network), np.random.default_rng(seed)
    for name in layers:
        weight = network.layers[name].params["weight"]
        weight[...] = rng.permutation(weight.ravel()).reshape(weight.shape)
    return network


learned = [name for name, layer in reversed(network.layers.items()) if layer.params]
trained_map, maps = saliency(network, x, CAT), {}
print("weights shuffled, from the last layer on: rank correlation with the trained network's map")
for count in (1, 3, 8):
    made = [saliency(randomised(network, learned[:count], seed), x, CAT) for seed in range(5)]
    likeness = [rank_correlation(trained_map, m) for m in made]
    what = {1: "fc8", 3: "fc6 to fc8", 8: "all layers"}[count]
    maps[f"{what} shuffled"] = made[0]
    print(f"    {what:10}", *(f"{v:.2f}" for v in likeness), f" mean {np.mean(likeness):.2f}")
    assert np.mean(likeness) > 0.6 if count < 8 else np.mean(likeness) < 0.55
grey = x.mean(axis=-1)
edges = np.hypot(*np.gradient(grey))  # how fast the grey levels change: no network at all
bare = rank_correlation(trained_map, edges)
print(f"    outline of the image, without any network: {bare:.2f}")
assert bare < 0.4 and np.mean(likeness) - bare < 1 - np.mean(likeness)
drawings.sanity(small, trained_map, maps, edges)

# %% [markdown]
# The figure shows the maps of the first of five shufflings. With all layers shuffled, the likeness
# falls most of the way to that of the bare outline, for which no network is needed: so the map does
# tell of something that was learned. But shuffle only fc6 to fc8, the layers that put together what
# a cat *is*, and the map stays much the same! It tells which pixels the convolutions pick up, more
# than why they make a cat. (This is one image; Adebayo et al. tried many, and found popular kinds
# of maps that hardly change when the later layers are shuffled.) Hence: show such a map beside that
# of a shuffled network, or do not rely on it.
#
# Two more limits. A grey square is a thing that the network never learned from: a fall may mean
# that the square confuses it. And a gradient is **local**: it speaks of tiny changes. If each
# number of x is moved by e against its gradient, the score ought to fall by e times the sum of the
# gradients' absolute values. How far is that true?

# %%
total = np.abs(slopes).sum()
for e in (0.001, 0.01, 0.1, 1.0):
    moved = network.forward((x - np.float32(e) * np.sign(slopes))[None])[0, CAT]
    falls_by = network.forward(x[None])[0, CAT] - moved
    print(f"e {e:5}: the cat's score should fall by {e * total:7.2f}, it falls by {falls_by:6.2f}")
    if e == 0.001:
        assert np.isclose(falls_by, e * total, rtol=0.15)
assert falls_by < 0.5 * e * total  # for e = 1

# %% [markdown]
# For tiny e it is true, and for e = 1, which is one deviation of the pixels, not by far.
#
# ## 5. Fooling it
# Still, the gradient is good enough to do mischief. To every number of the image, 0 to 255, we add
# the same few levels e or -e, by the sign of the gradient of (dog's score - cat's score). Each
# pixel changes hardly at all, but all 12,288 changes push the same way. An input made to deceive is
# called **adversarial**; this single step is the **fast gradient sign method** (Goodfellow, Shlens
# and Szegedy 2015, section 4):
#
# $$x' = x + e \cdot \text{sign}(\partial (\text{dog} - \text{cat}) / \partial x)$$
#
# (The paper takes the gradient of the loss, away from the right class; ours aims at the dog.) How
# large must e be? We try 1, 2, 3, ...

# %%
question = np.zeros((1, 4), np.float32)
question[0, [CAT, DOG]] = -1, 1  # dog's score - cat's score
direction = np.sign(gradients(network, x[None], question)["input"])[0]
for e in range(1, 30):
    fooled = np.clip(small + e * direction, 0, 255).astype(np.uint8)  # an image as any other
    fooled_answer = network.predict(prepare(fooled[None]))[0]
    if fooled_answer.argmax() == DOG:
        break
print(f"with e = {e} of 255 levels the cat is a dog ({fooled_answer[DOG]:.0%})")
assert x.size == 12_288 and fooled_answer.argmax() == DOG and e < 14
drawings.fooled(small, e * direction, fooled, answer[CAT], fooled_answer[DOG])

# %% [markdown]
# The figure shows the cat, what is added (made stronger, so that one can see it), and the sum of
# both. One sees a grain, and nobody would call it a dog. It shows that the network does not see as
# we do, whatever its error rate on honest images is. On larger images there are more pixels to
# push, and less is enough for each.
#
# ## 6. Which images does it take for alike?
# Behind the last hidden layer there is only one linear layer more. So what this layer gives out
# (here a **feature vector** of as many numbers as relu7 has units; 4,096 in the paper) must hold
# the classes almost in the open. The authors searched, for a test image, the training images whose
# vectors lie nearest (Figure 4 of the paper, section 6.1): these show the same kind of thing,
# though in other places and poses. By their pixels they are far apart. We do the same with 160
# drawings, distance being that of school: the root of the summed squared differences. For
# comparison we also print how far the images' mean colours are apart.

# %%
dataset, _ = objects_with_boxes(192, 40, "test")  # 40 new drawings
gallery = objects_with_boxes(64, 160, "train")[0]
queries = np.stack([prepare.resized(dataset.images)[i] for i in range(16)])
asked, stored = prepare(queries), prepare(gallery.images)
by_what = {
    "last hidden layer": [activations(network, part)["relu7"] for part in (asked, stored)],
    "pixels": [part.reshape(len(part), -1) for part in (asked, stored)],
}
colours, stored_colours = asked.mean(axis=(1, 2)), stored.mean(axis=(1, 2))  # (16, 3), (160, 3)
gaps = np.sqrt(((colours[:, None] - stored_colours[None]) ** 2).sum(axis=-1))  # (16, 160)
nearest, gap = {}, {}
for name, (ours, theirs) in by_what.items():
    distances = np.sqrt(((ours[:, None] - theirs[None]) ** 2).sum(axis=-1))  # (16, 160)
    nearest[name] = distances.argsort(axis=1)[:, :5]
    same = np.mean(gallery.labels[nearest[name]] == dataset.labels[:16, None])
    gap[name] = np.take_along_axis(gaps, nearest[name], axis=1).mean()
    print(f"five nearest by {name}: {same:.0%} are of the same class;", end=" ")
    print(f"mean colours {gap[name]:.2f} apart")
    assert same > 0.85 if name == "last hidden layer" else same < 0.6
print(f"mean colours of any two: {gaps.mean():.2f} apart")
assert gap["pixels"] < 0.6 * gaps.mean() and gap["last hidden layer"] > 0.8 * gaps.mean()
first = [int(np.flatnonzero(dataset.labels[:16] == label)[0]) for label in range(4)]
dogs = np.sum(gallery.labels[nearest["last hidden layer"][first[3]]] == DOG)
print(f"of the five nearest to a {names[3]}, {dogs} are dogs")
assert dogs >= 3
drawings.neighbours(
    queries[first], [gallery.images[nearest[name][first]] for name in by_what], list(by_what)
)

# %% [markdown]
# The figure shows one image of each class and its nearest, by the last hidden layer on the left, by
# pixels on the right. By pixels those are near whose large areas have the same colour: the
# *background* decides. On the way through the network the colour is forgotten, nearly: its nearest
# are hardly nearer in colour than any two images. What is left is what matters for the question
# that it was trained for. It may be wrong, too: for the calliper of the last row it finds mostly
# dogs.
#
# ## Optional: how little is enough?
# Of the 40 new images we cut windows, from all of the image down to a sixteenth of its area, and
# bring each to 64 x 64 pixels. One network learned from whole images, the other from random
# portions of them.

# %%
networks = {
    "trained on whole images": load_classifier("objects_alexnet"),
    "trained on portions": rendered,
}
right = {name: {portion: [] for portion in PORTIONS} for name in networks}
for number, (image, label) in enumerate(zip(dataset.images, dataset.labels)):
    cuts = windows(np.random.default_rng(number))
    parts = np.stack([window.cut(image, (64, 64)) for window in cuts])
    for name, classifier in networks.items():
        for window, p in zip(cuts, classifier.probabilities(parts)):
            right[name][window.portion].append(p.argmax() == label)
accuracies = {
    name: [100 * np.mean(found[portion]) for portion in PORTIONS] for name, found in right.items()
}
print("accuracy, %, of windows with so many % of the area:")
for name, values in accuracies.items():
    pairs = [f"{100 * part:g}: {share:.0f}" for part, share in zip(PORTIONS, values)]
    print(f"{name:23}", ", ".join(pairs))
whole, portions = accuracies.values()
assert whole[1] > 90 > 80 > whole[2] and portions[3] > 75
drawings.portions(PORTIONS, accuracies)

# %% [markdown]
# The figure shows the accuracy. Trained on whole images, the network does without a quarter of the
# image, not without half of it; trained on portions, it knows most images by a quarter of them. It
# sees what it was trained to see. The next figure shows windows of our cat, as the network trained
# on portions reads them. Look at the failures (framed in red): often there is little or no cat in
# the window, and yet it must name something, and names it with confidence. It has no class for
# "nothing of these".

# %%
cuts = windows(np.random.default_rng(0))
answers = rendered.probabilities(np.stack([window.cut(cat, (64, 64)) for window in cuts]))
wrong = answers.argmax(axis=1) != CAT
surest = answers[wrong].max(axis=0)
print(f"{wrong.sum()} of {len(cuts)} windows wrong; the surest of them:", end=" ")
print(f"{names[surest.argmax()]}, {surest.max():.0%}")
assert surest.max() > 0.8
plots.crops(figure_path("19_crops"), "A cat, and parts of it", cat, cuts, answers, CAT, names)


# %%
class Cut(Layer):  # for exercise 2: of each image the window of side x side pixels at (top, left)
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
# ## In short
#
# - conv1's kernels can be drawn; of deeper layers draw the maps that they make of an image.
# - Occlusion covers parts and asks again.
# - Saliency: $\max_c | \partial\, \text{score} / \partial x_{h,w,c} |$ at each pixel, one backward
#   pass that goes on to the image.
# - Believe neither without a control: shuffle the weights and look whether the map changes. A
#   gradient speaks of tiny changes only, a grey square is an unusual thing.
# - Adversarial: many tiny steps by the sign of the gradient change the answer, not the image.
# - Near in the last hidden layer means alike for the task; near in pixels means a like background.
#
# ## Exercises (answers: `solutions/solution_19.py`)
#
# 1. Switch off conv1's kernels one at a time (weights and bias 0) and ask about new drawings. Does
#    it need them all?
# 2. BUG: `Cut` cuts a window out of images, to be trained through. On images of 8 x 8, the gradient
#    checker accepts `Cut(2, 2, 3)`. Try other windows: what is wrong, and why was it not seen?
# 3. Add e with *random* signs to our cat instead, a hundred times, with the e that fooled the
#    network. Is it fooled? Why do 12,288 random steps do so much less than 12,288 steps by the
#    gradient's sign?
#
# One more checks itself: `lenet check 19 --start mine.py` writes a file to start from.
