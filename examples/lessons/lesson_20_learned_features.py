# %% [markdown]
# # Lesson 20: start from learned features
#
# You have photographs of four kinds of beetles, fifty of each. AlexNet learned from 1.2 million
# images. Must you give up? No: you begin with a network that has learned *other* images, and let it
# learn yours. This is called **transfer learning**. Most networks in use today began so.
#
# What is it worth, with 20, 50 and 200 images of each class? When is it worth nothing? And how does
# one fool oneself with it? You need lessons 10 (LeNet), 13 (what a test is) and 18 (why several
# seeds).

# %%
import time

import numpy as np

from examples.lessons.drawings import learned_features as drawings
from models import Classifier, lenet, start_from
from nn import SGD, SoftmaxCrossEntropy, freeze
from nn.data import Dataset, digits
from nn.data.preparation import Preparation
from nn.training import evaluate, train
from nn.training.schedules import one_cycle

SEEDS, COUNTS, STEPS, BATCH = range(5), (20, 50, 200), 200, 32
MOVED = 4  # pixels, at most


def moved(images, seed):
    """Each image moved by up to 4 pixels to each side; what is beyond the edge is lost."""
    padded = np.pad(images, ((0, 0), (MOVED, MOVED), (MOVED, MOVED), (0, 0)))
    places = np.random.default_rng(seed).integers(0, 2 * MOVED + 1, (len(images), 2))
    return np.stack([p[y : y + 28, x : x + 28] for p, (y, x) in zip(padded, places)])


def of_classes(data, names):
    """The images of these digits, which become classes 0, 1, 2, ..."""
    kept = np.isin(data.labels, names)
    labels = np.searchsorted(names, data.labels[kept])
    return Dataset(data.images[kept], labels, tuple(map(str, names)))


# %% [markdown]
# ## 1. The others' images, and ours
# The digits 0 to 5 are the images that others have in plenty: 4,800 of them. 6, 7, 8 and 9 are
# ours, and we have few. (Where the features come from photographs, nothing changes but the time
# that it takes.) The included digits lie neatly in the middle, and are too easy: from 20 of each
# class a new LeNet learns to read 93 % of the others. There is little left to gain. So we move
# each digit by up to four pixels to each side, once and for all, as things in photographs are
# where they are.
#
# What is held out comes first: the test digits 6 to 9. Nothing here learns from them.

# %%
plain_train, plain_test = digits()
train_set, test_set = (
    Dataset(moved(d.images, seed), d.labels, d.class_names)
    for seed, d in enumerate((plain_train, plain_test))
)
others = of_classes(train_set, range(6))
ours, test = (of_classes(d, range(6, 10)) for d in (train_set, test_set))
mean, deviation = others.images.mean(), others.images.std()
others, ours, test = (
    Dataset((d.images - mean) / deviation, d.labels, d.class_names) for d in (others, ours, test)
)
print(f"others: {len(others):,} digits of {others.num_classes} classes; test: {len(test)} of ours")
drawings.digits({"others": others.images[:10], "ours": ours.images[:10]})


def few_of(count, seed):
    """So many digits of each of our classes; the seed chooses which."""
    rng = np.random.default_rng([seed, count])
    where = [np.flatnonzero(ours.labels[:1600] == c) for c in range(4)]
    return ours.subset(np.concatenate([rng.permutation(places)[:count] for places in where]))


def fit(network, data, epochs, rate, multipliers=None, seed=0):
    optimizer = SGD(network, rate, lr_multipliers=multipliers)
    train(network, data, epochs=epochs, batch_size=BATCH, optimizer=optimizer,
          schedule=one_cycle(rate), seed=seed, progress=False)  # fmt: skip


features = lenet(others.num_classes, rng=0)
fit(features, others, 5, 0.3)
others_test = of_classes(test_set, range(6))
right = evaluate(features, (others_test.images - mean) / deviation, others_test.labels)[1]
print(f"a LeNet that has learned 0 to 5 reads {right:.1%} of the test digits 0 to 5")
assert right > 0.94

# %% [markdown]
# The figure shows some of both.
#
# ## 2. A new last layer
# The last layer answers with "0" to "5"; these answers are of no use to us. But what goes *into* it
# describes a digit by 84 numbers (lesson 19's feature vector), and those are made of edges, strokes
# and arcs. A 9 has these too. So we keep all layers but the last, and put a new one in its place,
# with random weights and four outputs. `models.start_from` does that. To a start belongs what is
# done to an image before the network reads it: here mean and deviation, those of the *others'*
# images, which our images get too.

# %%
preparation = Preparation((28, 28), 1, (28, 28), mean=mean, deviation=deviation)
learned = Classifier(features, preparation, others.class_names)
network = start_from(learned, ours.class_names, rng=0).network
for name, param in network.params.items():
    kept = np.array_equal(param, features.params[name])
    print(f"{name:12} {param.shape!s:14} {'kept' if kept else 'new'}")
    assert kept == (not name.startswith("fc5"))

# %% [markdown]
# Why should that work? Whatever a network is to learn, its first layer comes out much the same:
# edges and colours (lesson 19). First layers have **general features**, last ones are made for
# their classes, and in between it changes step by step. Yosinski, Clune, Bengio and Lipson (2014)
# measured that on AlexNet: they kept the first 1, 2, ... 7 layers of a network for half of
# ImageNet's classes, and trained the rest anew on the other half. What the first two know, served
# as well as what the new classes' own network knew; the higher the layers that were kept as they
# are, the more was lost; and kept layers that went on learning gave a *better* network than one
# from scratch.
#
# ## 3. Freeze what is good already
# Hence the first way: keep the convolutions as they are, and let only the rest learn. They are
# **frozen**. Few images then have fewer numbers to fit, and there is less to compute. Forward, all
# layers run. Backward, a layer that learns needs the gradient of its weights, and hands on the
# gradient of its input if a layer *below* it learns. So the backward pass ends at the lowest layer
# that learns. Each of the two gradients takes as many multiplications as forward. We count:


# %%
def multiplications(network):
    """Forward and backward, for one image, in a training step."""
    shape, forward, backward, below_learns = (28, 28, 1), 0, 0, False
    for layer in network.layers.values():
        work, shape = layer.multiply_adds(shape), layer.output_shape(shape)
        learns = bool(layer.params) and not layer.frozen
        forward += work
        backward += work * (learns + below_learns)  # of the weights, of the input
        below_learns |= learns
    return forward, backward


images, labels = ours.images[:256], ours.labels[:256]
loss, work, seconds = SoftmaxCrossEntropy(), {}, {}
for name, layers in {"none": (), "conv": ("conv",), "all but fc5": ("conv", "fc3", "fc4")}.items():
    freeze(network, *layers)
    work[name] = multiplications(network)
    took = []
    for _ in range(6):
        start = time.perf_counter()
        loss.forward(network.forward(images, training=True), labels)
        network.backward(loss.backward(), input_gradient=False)
        took.append(time.perf_counter() - start)
    seconds[name] = min(took)
    forward, backward = work[name]
    print(f"frozen: {name:11} forward {forward:,} + backward {backward:7,} multiplications", end="")
    print(
        f" = {sum(work[name]) / sum(work['none']):4.0%},",
        f"time {seconds[name] / seconds['none']:4.0%}",
    )
freeze(network)  # all learn again
assert work["none"] == (416_016, 714_432) and work["all but fc5"] == (416_016, 336)

# %% [markdown]
# The multiplications are exact, the time is what this machine needed just now. Frozen layers give
# the same image the same numbers in every epoch, so one may even compute these once and keep them
# (exercise 2). Then the forward pass is saved as well.
#
# ## 4. Let them learn, but slower
# The second way: all layers learn on. But the new layer is random, and its first gradients are
# large and mean nothing yet; they reach the kept layers too, and could spoil in a few steps what
# took thousands. A new layer wants a large rate, a learned one a small one. So the kept layers
# learn at a share of the rate. To let learned layers learn on is called **fine-tuning**.

# %%
RATE, SHARE, SCRATCH_RATE = 1.0, 0.3, 0.2
slower = {name: SHARE for name in network.params if not name.startswith("fc5")}
print("rates:", {name: RATE * slower.get(name, 1.0) for name in network.params if "weight" in name})

# %% [markdown]
# ## 5. What it is worth
# Four ways: from scratch; all kept, and slower; convolutions frozen, fc3 and fc4 slower; only the
# new layer. Each learns from 20, 50 and 200 digits of each class, always for 200 steps, so that no
# way has more training than another; with five seeds, which choose the digits, too. Rates and
# share were chosen before, separately for scratch, with *other* seeds, on training digits that are
# in neither set. A way is compared with scratch seed by seed; "certain" is lesson 18's rule.


# %%
def begin(way, seed):
    """A network, its learning rate, and the multipliers of single parameters."""
    if way == "from scratch":
        return lenet(ours.num_classes, rng=seed), SCRATCH_RATE, {}
    network = start_from(learned, ours.class_names, rng=seed).network
    if way == "convolutions frozen":
        freeze(network, "conv")
    if way == "new layer alone":
        freeze(network, "conv", "fc3", "fc4")
    return network, RATE, slower


def learn(way, count, seed, steps=STEPS):
    few = few_of(count, seed)
    network, rate, multipliers = begin(way, seed)
    fit(network, few, -(-steps // -(-len(few) // BATCH)), rate, multipliers, seed)
    return network, 100 * evaluate(network, test.images, test.labels)[1]


WAYS = "from scratch", "all kept, slower", "convolutions frozen", "new layer alone"
before = {WAYS[0]: lenet(4, rng=0), WAYS[1]: features}  # what seed 0 begins with
before = {way: network.params["conv1.weight"] for way, network in before.items()}
after = {}
accuracies = {way: np.zeros((len(COUNTS), len(SEEDS))) for way in WAYS}
print("test accuracy, %, of five seeds, their mean, and the difference to scratch:")
for row, count in enumerate(COUNTS):
    print(f"{count} of each class")
    for way in WAYS:
        for seed in SEEDS:
            network, accuracies[way][row, seed] = learn(way, count, seed)
            if (count, seed) == (COUNTS[0], 0):
                after[way] = network.params["conv1.weight"]
        values = accuracies[way][row]
        gain = values - accuracies["from scratch"][row]
        error = gain.std(ddof=1) / np.sqrt(len(gain))
        print(f"  {way:20}", *(f"{v:.1f}" for v in values), f" mean {values.mean():.1f}", end="")
        verdict = "certain" if abs(gain.mean()) > 2.8 * error else "not certain"
        print(f"  {gain.mean():+.1f} +- {error:.1f}: {verdict}" if way != WAYS[0] else "")
drawings.ways(COUNTS, accuracies)
means = {way: table.mean(axis=1) for way, table in accuracies.items()}
scratch = means["from scratch"]
most, few, alone = (means[way] for way in WAYS[1:])
assert np.all(most - scratch > 2) and few[0] - scratch[0] > 2 and most[0] > alone[0]
assert alone[2] < scratch[2] - 1 and alone[2] < few[2] < most[2] + 1

# %% [markdown]
# The figure shows the table. With 20 digits of each class, learned features that go on learning are
# worth about as much as nearly twice as many images. The gain shrinks with more of one's own. The
# new layer *alone* gains nothing with 20, and loses with 50 and more: fc3 and fc4 were made for 0
# to 5, and no last layer mends that. So the more images one has, the more layers should learn.
#
# How small should the share be? Here 0.1, 0.3 and 1 differed by less than the seeds do (lesson 18:
# nobody has won). LeNet is small, and our rate rises slowly from almost nothing, which spares it
# the first wild gradients. A start that has learned a million images has more to lose to your
# twenty. The programs take a tenth, unless you say otherwise.
#
# ## 6. What happens to the first layer

# %%
kernels = {}
for way, name in ((WAYS[1], "learned, 0 to 5"), (WAYS[0], "random")):
    changes = np.linalg.norm(after[way] - before[way]) / np.linalg.norm(before[way])
    print(f"{way:16} conv1's kernels change by {changes:.0%} of their size")
    kernels |= {name: before[way], way: after[way]}
    assert changes < 0.25 if way == WAYS[1] else changes > 0.4
assert np.array_equal(after["convolutions frozen"], features.params["conv1.weight"])
drawings.kernels(kernels)

# %% [markdown]
# The figure shows conv1's six kernels, before and after 200 steps on 20 digits of each of our
# classes: first those that were learned from 0 to 5, then random ones, from scratch. The learned
# ones stay nearly what they were, though they are free to change: they suit our digits too. The
# random ones must change by more than half of their size. They become smoother, and are on their
# way still.
#
# ## 7. When it does not help
# - **Many images of one's own.** At 200 of each class, give scratch three times the steps, and most
#   of its deficit is gone (exercise 1): what is left of the gain is time. At 20 it stays behind.
# - **Images of another kind.** Features of photographs are worth less for X-rays or spectrograms,
#   and the last layers before the first ones. Yosinski and others found the gain smaller, the less
#   alike the classes were (things made by people, things in nature).
# - **Other preparation.** Whoever feeds images in another size, other colours or another mean has a
#   start that sees noise. That is why `start_from` hands on the preparation with the weights.
#
# The same with photographs, and with a larger network: `python -m examples.few_images` sets four
# classes of CIFAR-10 aside, or with `--weights photos_alexnet` starts from the network in the box;
# `lenet train --start-from photos_alexnet` does it with images of your own (docs/PROGRAMS.md). With
# two hundred photographs of each class, one hardly ever starts from nothing.
#
# ## 8. The trap: what has the start seen?
# Test images must not have been learned from (lesson 13), and now there are *two* trainings in
# which they could have been. Suppose that a friend hands you a start that has learned 0 to 5 and,
# as it happens, the very digits that you test with. You only train the new last layer, and on your
# own 20 of each class. Nothing in *your* program is wrong:

# %%
seen = Dataset(
    np.concatenate([others.images, test.images]),
    np.concatenate([others.labels, 6 + test.labels]),
    tuple("0123456789"),
)
leaky = lenet(10, rng=0)
fit(leaky, seen, 5, 0.3)
honest, learned = learned, Classifier(leaky, preparation, seen.class_names)
too_good = [learn("new layer alone", COUNTS[0], seed)[1] for seed in SEEDS]
learned = honest
print(f"new layer alone, 20 of each: {np.mean(alone[0]):.1f}% right;", end=" ")
print(f"from a start that has seen the test: {np.mean(too_good):.1f}%")
assert np.mean(too_good) > alone[0] + 8

# %% [markdown]
# Whoever reports "20 of each class are enough" reports a number that is worth nothing: the start
# had learned our classes from 800 more digits. Did it also know these 800 by heart? From this
# number nobody can tell; exercise 3 asks, and the answer may surprise you. A large network that is
# trained for long does learn images by heart. Published weights have often learned half of the
# internet. So find out what a start was trained on, both which classes and which images, and test
# with images that are younger than it, or that you took yourself.


# %%
def frozen_step(sgd, names):  # for exercise 4: a step in which these layers stay as they are
    for name in names:
        for param in ("weight", "bias"):
            sgd.network.grads[f"{name}.{param}"][...] = 0
    sgd.step()


# %% [markdown]
# ## In short
# - First layers are general: start from a network that learned other images, with a new last layer
#   and with its preparation of images.
# - Few images: freeze more. Many: let more learn. Learned layers take a smaller rate than new ones.
# - Freezing ends the backward pass at the lowest layer that learns; here more than half of a step
#   is saved.
# - The gain is large with few images, and shrinks with more, and with other kinds of images.
# - The start must not have learned the images that you test with; nor your classes, if you say how
#   few images they need.
#
# ## Exercises (answers: `solutions/solution_20.py`)
# 1. Give scratch and "all kept, slower" three times the steps, with 20 and with 200 images of each
#    class and two seeds. What is left of the gain?
# 2. For "new layer alone" compute what goes into fc5 once, for the 80 digits of seed 0 and for the
#    test, as images of 1 x 1 x 84, and train a `Flatten` and a `Linear(84, 4)` on that. Is it as
#    good? How much faster is it?
# 3. Does section 8's start know the test digits by heart, or just the classes? Make a start from 0
#    to 5 and as many *other* 6 to 9 (`ours`, from the 1,600th on: nobody learned them). Compare.
# 4. BUG: `frozen_step`, just above, freezes layers by taking their gradients away. Make five steps
#    with `SGD(network, 0.1, weight_decay=5e-4)`, then freeze conv1 with it for five more. Does
#    conv1 stay? There are two reasons. What does `nn.freeze` do instead?
#
# One more checks itself: `lenet check 20 --start mine.py` writes a file to start from.
