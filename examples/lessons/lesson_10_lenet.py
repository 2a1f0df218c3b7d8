# %% [markdown]
# # Lesson 10: LeNet, from a digit to an answer
#
# All pieces are there: neurons and the sigmoid (lesson 1), convolutions (4 to 6), averages over
# windows (7), the loss (8) and the step (9). LeNet puts them in a row. We walk one digit through
# it, count its parameters by hand, train it with four lines, and see what it has learned and what
# it gets wrong. (A neuron is also called a **unit**. In the names of layers, fc stands for **fully
# connected**: the linear layer of lesson 1.)

# %%
import numpy as np

import models
from examples.lessons.drawings import lenet as drawings
from examples.lessons.figures import figure_path
from nn import SGD, Layer, SoftmaxCrossEntropy, plots
from nn.data import Dataset, batches, digits
from nn.inspect import activations
from nn.plots.confusion import confusion_matrix
from nn.training import evaluate, train
from nn.training.schedules import one_cycle

# %% [markdown]
# ## The digits
#
# 8,000 digits to learn from, and 2,000 that the network never learns from, on which it is tested
# (lesson 13 says why there should be a third part). Their pixels run from 0, paper, to 1, ink. From
# each we take the mean of all pixels and divide by their **standard deviation** (the root of the
# mean squared distance from the mean), so that the numbers are around 0 and of a size around 1: the
# first sums are then neither huge nor all of one sign. Mean and deviation are those of the training
# digits, for the test digits too.

# %%
raw_train, raw_test = digits()
mean, deviation = raw_train.images.mean(), raw_train.images.std()


def prepared(raw):
    return Dataset((raw.images - mean) / deviation, raw.labels, raw.class_names)


train_set, test_set = prepared(raw_train), prepared(raw_test)
print(f"mean {mean:.2f}, deviation {deviation:.2f}; then paper is {train_set.images.min():.2f}")
assert len(train_set) == 8000 and len(test_set) == 2000
assert np.isclose(train_set.images.min(), -0.42, atol=0.005)

# %% [markdown]
# ## A walk through the layers
#
# `models/lenet.py` lists them: two convolutions of 5x5 (the first with padding 2, so that 28 pixels
# stay 28), each followed by a sigmoid and an average over 2x2 pixels; then three linear layers. A
# `Network` (`nn/network.py`) hands the output of each layer to the next, and gradients the other
# way. As the maps become smaller there are more of them: less and less "where", more and more
# "what". The last ten numbers are the logits.
#
# This is LeNet as most later descriptions have it. The LeNet-5 of 1998 was richer in details;
# lesson 11 walks through it. (`rng=0` is the *seed* of the random weights at the start: the same
# seed gives the same weights each time.)

# %%
network = models.lenet(rng=0)
y = train_set.images[:1]
print(f"{'the digit':<10} {'x'.join(map(str, y.shape[1:])):>8}")
for name, layer in network.layers.items():
    y = layer.forward(y)
    shape = "x".join(map(str, y.shape[1:]))
    print(f"{name:<10} {shape:>8}   numbers from {y.min():5.2f} to {y.max():5.2f}")

# %% [markdown]
# ## Its parameters, by hand
#
# A kernel has a weight for each pixel of its window in each map that it reads, and a bias. A linear
# unit has a weight for each input, and a bias. Activations, averages and flatten have none.
#
# | layer | units or kernels | each has | together |
# |---|---|---|---|
# | conv1 | 6 | 5 * 5 * 1 + 1 | 156 |
# | conv2 | 16 | 5 * 5 * 6 + 1 | 2,416 |
# | fc3 | 120 | 5 * 5 * 16 + 1 | 48,120 |
# | fc4 | 84 | 120 + 1 | 10,164 |
# | fc5 | 10 | 84 + 1 | 850 |
# | all | | | 61,706 |
#
# The two convolutions have 4 % of the weights, but each of their weights works at many places, and
# they do more than four fifths of the multiplications: conv2 makes 10 * 10 * 16 numbers of 5 * 5 *
# 6 products each, 240,000 of the network's 416,520 (**multiply-adds**, for each product is added to
# a sum). The figure shows the layers with their sizes.

# %%
counts = {"conv1": 6 * (5 * 5 * 1 + 1), "conv2": 16 * (5 * 5 * 6 + 1)}
counts |= {"fc3": 120 * (5 * 5 * 16 + 1), "fc4": 84 * (120 + 1), "fc5": 10 * (84 + 1)}
for name, count in counts.items():
    assert network.layers[name].num_parameters == count
assert list(counts.values()) == [156, 2416, 48120, 10164, 850]
assert sum(counts.values()) == network.num_parameters == 61_706
assert round(100 * (counts["conv1"] + counts["conv2"]) / 61_706) == 4
conv1, conv2 = 28 * 28 * 6 * 25, 10 * 10 * 16 * 5 * 5 * 6
assert conv2 == 240_000 and network.multiply_adds() == 416_520 and conv1 + conv2 > 0.8 * 416_520
print("parameters:", ", ".join(f"{name} {count:,}" for name, count in counts.items()))
plots.architecture(figure_path("10_architecture"), network)

# %% [markdown]
# ## Flatten: from maps to a vector
#
# A linear layer wants each image as one row. Flatten (lesson 5) writes the 5x5x16 numbers of pool2
# one after the other, 400 of them, in the order of memory, (H, W, C): all 16 channels of the top
# left pixel, then those of its right neighbour, row by row. So the number at row h, column w and
# channel c stands at place (h * 5 + w) * 16 + c, and meets that row of fc3's weights. (PyTorch's
# order is (C, H, W): whoever takes fc3's weights from there must reorder their rows.)

# %%
untrained = activations(network, train_set.images[:1])
pool2, flat = untrained["pool2"][0], untrained["flatten"][0]
assert flat.shape == (400,) and network.params["fc3.weight"].shape == (400, 120)
print("pool2", pool2.shape, "becomes", flat.shape)
for (h, w, c), number in np.ndenumerate(pool2):
    assert flat[(h * 5 + w) * 16 + c] == number

# %% [markdown]
# ## The loop that trains it
#
# 64 images at a time, in an order drawn anew for each epoch. For each batch: forward, loss,
# backward, step. These are four lines, from `for` to `sgd.step()`.

# %%
by_hand, loss = models.lenet(rng=0), SoftmaxCrossEntropy()
first = loss.forward(by_hand.forward(train_set.images[:1000]), train_set.labels[:1000])
sgd = SGD(by_hand, lr=0.1, momentum=0.9)
rng = np.random.default_rng([0, 1])  # seed 0, epoch 1: as `train` below draws the order
for images, labels in batches(train_set, 64, rng):
    loss.forward(by_hand.forward(images, training=True), labels)
    by_hand.backward(loss.backward(), input_gradient=False)  # nobody needs that of the pixels
    sgd.step()
after = loss.forward(by_hand.forward(train_set.images[:1000]), train_set.labels[:1000])
print(f"loss of 1,000 training digits: {first:.2f} before, {after:.2f} after one epoch")
assert first > 1.05 * np.log(10) and after < np.log(10) / 1.5

# %% [markdown]
# (It begins worse than a guesser, whose loss is log 10 = 2.30; see lesson 8.)
#
# The library's `train` (`nn/training/loop.py`) is the same loop with book-keeping around it, and
# gives the same weights to the last bit. **Accuracy** is the share of images whose most probable
# class is the right one; the **error rate** is the rest.

# %%
same = models.lenet(rng=0)
train(same, train_set, epochs=1, optimizer=SGD(same, lr=0.1, momentum=0.9), seed=0, progress=False)
assert all(np.array_equal(same.params[name], param) for name, param in by_hand.params.items())
accuracy = evaluate(same, test_set.images, test_set.labels)[1]  # (loss, accuracy, ...)
print(f"after one epoch, by hand and by the library alike: test error rate {1 - accuracy:.1%}")

# %% [markdown]
# Now the network of our walk learns for eight epochs, with momentum 0.9, at a rate that rises to
# 0.5 and falls to 0 (lesson 9), and is tested after each. (It can be so high because the gradients
# of sigmoids are small: lesson 12.) The figure shows loss and accuracy. (The training accuracy is
# counted while the weights still change, so that it lags behind at first.) This is one run; with
# another seed it ends a few tenths of a percentage point higher or lower.

# %%
rate = one_cycle(0.5)
sgd = SGD(network, rate(0), momentum=0.9)
history = train(
    network, train_set, test_set, epochs=8, optimizer=sgd, schedule=rate, progress=False
)
for epoch in history.epochs:
    error = 1 - epoch["test_accuracy"]
    print(f"epoch {epoch['epoch']}: loss {epoch['train_loss']:.3f}, test error rate {error:6.1%}")
plots.learning_curves(figure_path("10_curves"), {"LeNet": vars(history)}, num_classes=10)

# %% [markdown]
# ## What it has learned
#
# The same digit as before, seen by the trained network (dark is near 1). Of the six maps of the
# first layer some follow the ink and some the paper around it; nobody told them to. After the
# second pooling there is no digit to be seen any more, and to the linear layers it is a pattern of
# units that are on and off. (Stripes at the edges of a map come from the padding: its 0 is not
# paper, which is -0.42.)

# %%
outputs = activations(network, train_set.images[:1])
maps = outputs["sigmoid1"][0]  # (28, 28, 6)
ink = train_set.images[0].ravel()
follow = sum(np.corrcoef(maps[..., channel].ravel(), ink)[0, 1] > 0 for channel in range(6))
print(f"of the six maps {follow} are brighter where the ink is, {6 - follow} where the paper is")
drawings.walk(raw_train.images[0], outputs, network.predict(train_set.images[:1])[0])

# %% [markdown]
# ## What it gets wrong
#
# The mistakes are worth a look one by one: several are digits that you, too, would read twice. The
# **confusion matrix** counts which was taken for which: a row for each true digit, a column for
# each answer. On the whole the network knows when it is in doubt, for its wrong answers have a
# lower probability than its right ones. One can make use of that (exercise 3).

# %%
probabilities = network.predict(test_set.images)
answers = probabilities.argmax(axis=1)
plots.mistakes(
    figure_path("10_mistakes"),
    raw_test.images,
    test_set.labels,
    {"LeNet": probabilities},
    "0123456789",
)
confusion = confusion_matrix(test_set.labels, answers, 10)
plots.confusion_matrices(figure_path("10_confusion"), {"LeNet": confusion}, "0123456789")
wrong, sure = answers != test_set.labels, probabilities.max(axis=1)
mistaken = np.where(np.eye(10, dtype=bool), 0, confusion)
often = ", ".join(f"{true} for {taken}" for true, taken in np.argwhere(mistaken == mistaken.max()))
print(f"{wrong.sum()} of 2,000 misread; most often, {mistaken.max()} times each: {often}")
print(f"mean probability of its right answers {sure[~wrong].mean():.0%}", end=", ")
print(f"of its wrong ones {sure[wrong].mean():.0%}")
assert wrong.mean() < 0.04 and sure[wrong].mean() < sure[~wrong].mean()


# %%
class MeanLinear(Layer):  # for exercise 2
    def __init__(self, weight, bias):
        super().__init__()
        self.params = {"weight": weight, "bias": bias}

    def forward(self, x, training=False, out=None):
        self.x = x
        return x @ self.params["weight"] + self.params["bias"]

    def backward(self, dy, input_gradient=True, out=None):
        n = len(dy)  # the mean over the batch
        self.grads = {"weight": self.x.T @ dy / n, "bias": dy.sum(axis=0) / n}
        return dy @ self.params["weight"].T


# %% [markdown]
# ## In short
#
# LeNet: twice convolution, sigmoid and average; flatten; three linear layers; ten logits.
#
# - 28x28x1 -> 28x28x6 -> 14x14x6 -> 10x10x16 -> 5x5x16 -> 400 -> 120 -> 84 -> 10.
# - 61,706 parameters, nearly all of them in the linear layers; most multiplications are in the
#   convolutions.
# - Flatten keeps the order of memory, here (H, W, C), and the weights behind it depend on that.
# - One step: forward, loss, backward, `sgd.step()`.
# - Prepare test images with the mean and deviation of the training images.
#
# ## Exercises (answers: `solutions/solution_10.py`)
#
# 1. The rate rose to 0.5 slowly. Train LeNet for one epoch at a constant rate of 0.5, and for one
#    with `one_cycle(0.5)`, from five seeds each. What happens, and what do the activations of
#    sigmoid4 say?
# 2. BUG: with `MeanLinear` for fc5 LeNet learns as if nothing were wrong. But something is!
#    `check_gradients(network, images, labels, loss)` looks at a whole network: try it with 4
#    digits, and with a single one. (`network.layers["fc5"] = ...` exchanges a layer.) What is
#    wrong, and why does one digit hide it?
# 3. Let LeNet refuse to answer when its highest probability is below 90%. How many test digits does
#    it refuse, and how many of the others does it misread?
#
# One more checks itself: `lenet check 10 --start mine.py` writes a file to start from.
