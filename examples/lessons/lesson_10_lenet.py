# %% [markdown]
# # Lesson 10: LeNet, from a digit to an answer
#
# Almost all pieces are there: convolutions (lessons 4 to 6), subsampling (7), linear layers and
# squashing (1); only the loss is new. LeNet puts them in a row. We walk one digit through it, count
# its parameters by hand, write the loop that trains it, and look at what it learned, and at what it
# gets wrong. Many things have two names: a neuron is also called a *unit*, a squashing function an
# *activation*, and the layer of lesson 1, which the library calls `Linear`, *fully connected* (fc
# for short).

# %%
import numpy as np

import models
from examples.lessons.figures import figure_path
from nn import SGD, Layer, SoftmaxCrossEntropy, plots, softmax
from nn.data import Dataset, batches, digits
from nn.inspect import activations
from nn.plots.confusion import confusion_matrix
from nn.training import evaluate, train
from nn.training.schedules import one_cycle

raw_train, raw_test = digits()
mean, deviation = raw_train.images.mean(), raw_train.images.std()


def prepared(raw):
    """Pixels of mean 0 and standard deviation 1: the first sums are then neither huge nor all of one sign."""
    return Dataset((raw.images - mean) / deviation, raw.labels, raw.class_names)


train_set, test_set = prepared(raw_train), prepared(raw_test)

# %% [markdown]
# ## A walk through the layers
# `models/lenet.py` lists them: two convolutions of 5 x 5 (the first with padding 2, so that 28
# pixels stay 28), each followed by a squashing function (the logistic sigmoid of lesson 1, between
# 0 and 1) and an average over 2 x 2 pixels; then three linear layers. This is LeNet as most later
# descriptions have it. LeNet-5 of 1998 (LeCun, Bottou, Bengio and Haffner; `models/lenet5.py`) had
# a stretched tanh, 1.7159 tanh(2 x / 3), averages with a weight and a bias, a table of which map of
# conv2 sees which, and, for outputs, distances from ten drawn digits. A `Network` (`nn/network.py`)
# hands the output of each layer to the next, and gradients the other way. As the maps become
# smaller there are more of them: less and less "where", more and more "what". (rng=0 is the *seed*
# of the random weights at the start: the same seed gives the same weights each time.)

# %%
network = models.lenet(rng=0)
y = train_set.images[:1]
print(f"{'the digit':<10} {'x'.join(map(str, y.shape[1:])):>8}")
for name, layer in network.layers.items():
    y = layer.forward(y)
    print(
        f"{name:<10} {'x'.join(map(str, y.shape[1:])):>8}   numbers from {y.min():5.2f} to {y.max():5.2f}"
    )

# %% [markdown]
# The parameters, by hand. A kernel has a weight for each pixel of its window in each map that it
# reads, and a bias; a linear unit has a weight for each input, and a bias. conv2 makes 5 x 5 x 16 =
# 400 numbers after pooling.

# %%
counts = {"conv1": 6 * (5 * 5 * 1 + 1), "conv2": 16 * (5 * 5 * 6 + 1)}
counts |= {"fc3": 120 * (400 + 1), "fc4": 84 * (120 + 1), "fc5": 10 * (84 + 1)}
for name, count in counts.items():
    assert network.layers[name].num_parameters == count
assert sum(counts.values()) == network.num_parameters == 61_706
print("parameters:", ", ".join(f"{name} {count:,}" for name, count in counts.items()), "= 61,706")
plots.architecture(figure_path("10_architecture"), network)

# %% [markdown]
# ## The loop that trains it
# The ten outputs z, the **logits**, become probabilities p by **softmax**, p = exp(z) / sum of
# exp(z), and the loss is **cross-entropy**, -log of the right class's p, on average over the batch
# (`nn/loss.py`; log is the natural logarithm, ln). A network that has no idea gives each class 1/10
# and has the loss -log(1/10) = log 10 = 2.30 (ours begins worse: it is wrong and surer of it than
# that). The slope of the loss:
#
#     dz = (p - 1 for the right class, p - 0 for the others) / N         N images; below, np.eye(10)[labels] is 1 or 0
# For -log p = log(sum of exp(z)) - z of the right class. The first term's slope for any z is exp(z)
# / sum, which is p; the second's is -1 for the right class's z, 0 for the others. Why not squared
# error? With a sigmoid behind z its slope has the factor y (1 - y) (lesson 2), almost 0 where a
# network is sure and wrong. Here the slope is largest there.
#
# We take 64 images at a time, a *batch*, in an order drawn anew for each *epoch* (once through the
# training set). For each: forward, loss, backward, a step downhill. `SGD` (stochastic gradient
# descent) steps with *momentum*: the weights move like a heavy ball, which keeps nine tenths of its
# speed each step and so rolls through small bumps.

# %%
by_hand, loss = models.lenet(rng=0), SoftmaxCrossEntropy()
first = loss.forward(by_hand.forward(train_set.images[:1000]), train_set.labels[:1000])
print(f"loss before the first step: {first:.2f}")
assert first > 1.05 * np.log(10)
sgd = SGD(by_hand, lr=0.1, momentum=0.9)
for images, labels in batches(
    train_set, 64, np.random.default_rng([0, 1])
):  # seed 0, epoch 1: the order of `train`
    logits = by_hand.forward(images, training=True)
    loss.forward(logits, labels)
    by_hand.backward(
        loss.backward(), input_gradient=False
    )  # nobody needs the gradient of the pixels
    sgd.step()
assert np.allclose(loss.backward(), (softmax(logits) - np.eye(10)[labels]) / len(labels), atol=1e-6)

# %% [markdown]
# That is all of it: five lines. The library's `train` (`nn/training/loop.py`) is the same loop with
# book-keeping around it, and gives the same weights to the last bit. Then a second LeNet learns for
# 12 epochs, no longer at a constant rate of 0.1: its rate rises to 0.5 and falls to 0
# (`one_cycle`). We test after each epoch on digits that it never learns from. (Open
# runs/lessons/10_curves.png; training accuracy is counted during the epoch, so it lags at first.)

# %%
same = models.lenet(rng=0)
train(same, train_set, epochs=1, optimizer=SGD(same, lr=0.1, momentum=0.9), seed=0, progress=False)
assert all(np.array_equal(same.params[name], param) for name, param in by_hand.params.items())
error = 1 - evaluate(same, test_set.images, test_set.labels)[1]  # (loss, accuracy, ...)
print(f"After one epoch, by hand and by the library alike: {error:.1%} of the test digits misread")

rate = one_cycle(0.5)
history = train(
    network,
    train_set,
    test_set,
    epochs=12,
    optimizer=SGD(network, rate(0)),
    schedule=rate,
    progress=False,
)
for epoch in history.epochs[::2] + history.epochs[-1:]:
    error = 1 - epoch["test_accuracy"]
    print(
        f"epoch {epoch['epoch']:>2}: loss {epoch['train_loss']:.3f}, {error:6.1%} of the test digits misread"
    )
plots.learning_curves(figure_path("10_curves"), {"LeNet": vars(history)}, num_classes=10)

# %% [markdown]
# ## What it learned, and what it gets wrong
# Of the first layer's six maps of our digit some follow the ink and some the paper around it;
# nobody told them to. (Some have stripes at the edges: the padding's 0 is not paper, which is -0.42
# by now.) The mistakes are worth a look one by one: several are digits that you, too, would read
# twice. The confusion matrix counts which was taken for which.

# %%
plots.feature_maps(figure_path("10_maps"), network, train_set.images[0], "sigmoid1")
assert np.isclose(train_set.images.min(), -0.42, atol=0.005)
maps = activations(network, train_set.images[:1])["sigmoid1"][0]  # (28, 28, 6)
follow = sum(
    np.corrcoef(maps[..., channel].ravel(), train_set.images[0].ravel())[0, 1] > 0
    for channel in range(6)
)
print(f"Of the six maps {follow} are brighter where the ink is, {6 - follow} where the paper is")
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
wrong = answers != test_set.labels
mistaken = np.where(np.eye(10, dtype=bool), 0, confusion)
often = ", ".join(f"{true} for {taken}" for true, taken in np.argwhere(mistaken == mistaken.max()))
print(
    f"{wrong.sum()} of 2,000 misread; the commonest mistakes, {mistaken.max()} times each: {often}"
)
sure = probabilities.max(axis=1)
assert wrong.mean() < 0.04 and sure[wrong].mean() < sure[~wrong].mean()
print(
    f"It gives its answer a probability of {sure[~wrong].mean():.0%} when right, {sure[wrong].mean():.0%} when wrong"
)


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
# ## Exercises (answers: `solutions/solution_10.py`)
# 1. How many multiplications does conv2 need for one digit? Compare with `network.summary()`.
# 2. With `MeanLinear` for fc5 LeNet learns as if nothing were wrong. But something is!
#    `check_gradients(network, images, labels, loss)` looks at a whole network: try it with 4
#    digits, and with a single one. What is wrong, and why does one digit hide it?
# 3. Let LeNet refuse to answer when its highest probability is below 90%. How many test digits does
#    it refuse, and how many of the others does it misread?
