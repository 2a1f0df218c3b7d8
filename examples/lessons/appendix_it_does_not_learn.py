# %% [markdown]
# # Appendix: it does not learn
#
# You have built a network, its gradients are checked (lesson 3), and still the loss stays where it
# is, or turns into nan. This appendix is for that day. It has two parts: a first test that takes a
# minute; and five illnesses of training, each given to a network on purpose, measured and cured. It
# builds on lessons 2 and 12. (If the network does learn, but worse than it should or suspiciously
# well, see the second appendix, on silent bugs.)

# %%
import textwrap

import numpy as np

import models
from examples.lessons.drawings import it_does_not_learn as drawings
from layers import Flatten, Linear, ReLU, Sigmoid
from nn import SGD, Layer, Network, SoftmaxCrossEntropy, check_gradients
from nn.data import Dataset, batches, digits
from nn.initialisers import xavier_uniform
from nn.inspect import activations
from nn.training import train
from nn.training.diagnosis import diagnose

part = digits()[0].subset(np.arange(2000))
raw = Dataset(255 * part.images, part.labels, part.class_names)  # pixels as in a file: 0..255
standard = (part.images - part.images.mean()) / part.images.std()  # mean 0, deviation 1
pictures = Dataset(standard, part.labels, part.class_names)

# %% [markdown]
# ## 1. Overfit one batch first
# Before you train for hours, take *one* batch, 20 images, and train on it alone, again and again. A
# network with thousands of weights can learn 20 images by heart, so the loss must go to 0. A
# network that has learned nothing gives all ten digits about the same probability, and so the loss
# begins near
#
# $$-\log \frac{1}{10} = \log 10 = 2.30$$
#
# or above, if the initial weights are large (log is the natural logarithm, lesson 8). If the loss
# of a single batch does not go to 0 at any learning rate, something is broken, and more images,
# more epochs or a larger network will not mend it. Here is one that is well, and one with a
# classical mistake: softmax is in the network, *and* in the loss.


# %%
class Softmax(Layer):
    def forward(self, x, training=False, out=None):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self._saved = e / e.sum(axis=1, keepdims=True)
        return self._saved.copy()

    def backward(self, dy, input_gradient=True, out=None):
        p = self._saved
        return p * (dy - (p * dy).sum(axis=1, keepdims=True))


def hidden_layer(last=()):
    rng = np.random.default_rng(0)
    layers = [("flatten", Flatten()), ("fc1", Linear(784, 64, rng=rng)), ("relu1", ReLU())]
    return Network([*layers, ("fc2", Linear(64, 10, rng=rng)), *last])


def overfit(network, steps=100, rate=0.03):
    """The loss of each step on one batch of 20 images; at the end, how many of them are right."""
    loss, sgd, losses = SoftmaxCrossEntropy(), SGD(network, rate), []
    images, labels = pictures.images[:20], pictures.labels[:20]
    for _ in range(steps):
        losses.append(loss.forward(network.forward(images, training=True), labels))
        network.backward(loss.backward(), input_gradient=False)
        sgd.step()
    return losses, np.sum(network.forward(images).argmax(axis=1) == labels)


(well, right), (twice, also_right) = (
    overfit(hidden_layer(last)) for last in ([], [("softmax", Softmax())])
)
print(f"loss of one batch after 100 steps: {well[-1]:.4f}; with softmax twice {twice[-1]:.2f}")
print(f"of 20 images right: {right}; with softmax twice {also_right}")
check = check_gradients(Softmax(), np.random.default_rng(0).standard_normal((3, 5)))
print(f"the gradient check of Softmax: largest error {check.max_error:.0e}")
floor = np.log(np.e + 9) - 1
assert well[-1] < 0.05 and twice[-1] > 0.999 * floor and check.max_error < 1e-6
assert right == also_right == 20
drawings.one_batch(well, twice, floor)

# %% [markdown]
# The figure shows both. The gradient check finds nothing, since the gradients are right; the wrong
# function is being learned. After the first softmax the numbers lie between 0 and 1. Taken for
# logits, the best that they can be is 1 for the right digit and 0 for the nine others, and the loss
# of that is
#
# $$-\log \frac{e^1}{e^1 + 9\, e^0} = 1.46$$
#
# It can go no lower. All 20 digits are right in spite of it: who looks only at the accuracy does
# not see this bug.
#
# ## 2. The five illnesses
# The training loop notes a few numbers in each epoch, all of which are at hand anyway:
#
# - the loss, to be compared with log(number of classes), here 2.30;
# - for each layer, the norm (root of the sum of squares) of its weights' gradient, divided by the
#   norm of the weights. Times the learning rate that is the share of themselves by which one step
#   moves the weights (with momentum 0.9 up to ten times as much, if the gradients of many steps
#   agree);
# - for each ReLU layer, the share of units that answered 0 to every image of a batch (of 64 of
#   them, at most). Their slope is 0 for all of these, so that they get no gradient: they are called
#   **dead**. In the first layer that is hardly ever undone, since the images stay as they are.
#   Behind a layer that still learns a unit may wake, since its inputs change: at the end we count
#   how many do;
# - for each sigmoid or tanh layer, the share of outputs next to the ends of their range, 0 and 1 or
#   -1 and 1, where the curve is flat: they are **saturated**, and their gradient is next to 0.
#
# `diagnose` turns them into sentences, and `train` prints those by itself while a network learns,
# once for each illness and layer. (nn/training/diagnosis.py says from what number on it speaks.)
#
# We need patients. All but one are made of layers of 64 units; the first is LeNet, with weights
# that are too small for its sigmoids.


# %%
def relus(hidden_layers, scale=1.0, activation=ReLU, seed=0):
    """Some hidden layers of 64 units each, and one of ten outputs. Weights: He's, times scale."""
    rng, layers, features = np.random.default_rng(seed), [("flatten", Flatten())], 784
    for n in range(1, hidden_layers + 1):
        layers += [
            (f"fc{n}", Linear(features, 64, rng=rng)),
            (f"{activation.__name__.lower()}{n}", activation()),
        ]
        features = 64
    network = Network([*layers, ("last", Linear(64, 10, rng=rng))])
    for name, weight in network.params.items():
        weight *= scale if name.endswith("weight") else 1
    return network


def sigmoids(hidden_layers):
    """The same of logistic sigmoid units with Xavier's weights."""
    network, rng = relus(hidden_layers, activation=Sigmoid), np.random.default_rng(0)
    for name, weight in network.params.items():
        if name.endswith("weight"):
            weight[...] = xavier_uniform(rng, weight.shape, *weight.shape)
    return network


def lenet(scale):
    """LeNet with so many times Xavier's weights; the library's has 4 times (lesson 12)."""
    network = models.lenet(rng=0)
    for name, weight in network.params.items():
        if name.endswith("weight"):
            weight *= scale / 4
    return network


# %% [markdown]
# For each illness, by its name: the ill network with its learning rate and images; the same of the
# cured network; and what the remedy was.

# %%
CASES = {
    "stuck": (
        (lenet(1), 0.1, pictures),
        (lenet(4), 0.1, pictures),
        "4 times larger initial weights",
    ),
    "exploding": (
        (relus(6, scale=3), 0.02, pictures),
        (relus(6), 0.02, pictures),
        "He's initial weights, not 3 times",
    ),
    "vanishing": (
        (sigmoids(7), 0.02, pictures),
        (relus(7), 0.02, pictures),
        "ReLU instead of sigmoid",
    ),
    "dead": ((relus(2), 0.3, pictures), (relus(2), 0.03, pictures), "a tenth of the learning rate"),
    "saturated": (
        (sigmoids(2), 0.1, raw),
        (sigmoids(2), 0.1, pictures),
        "pixels of mean 0, deviation 1",
    ),
}


# %% [markdown]
# Each learns for four epochs, the ill and the cured, and we print what `diagnose` says.


# %%
def learn(network, rate, data):
    with np.errstate(all="ignore"):  # what explodes, overflows
        return train(network, data, epochs=4, optimizer=SGD(network, rate), progress=False)


histories = {}
for name, (ill, cured, remedy) in CASES.items():
    print(f"\n{name.upper()}: what the training loop says")
    histories[name] = learn(*ill), learn(*cured)
    before, after = histories[name]
    for finding in diagnose(before):
        print(textwrap.indent(textwrap.fill(finding.sentence, 84), "    "))
    assert name in {finding.kind for finding in diagnose(before)}
    assert diagnose(after) == []
    accuracies = [history.epochs[-1]["train_accuracy"] for history in (before, after)]
    print(f"  {remedy}: accuracy {accuracies[0]:.0%} -> {accuracies[1]:.0%}, and it says nothing")

# %% [markdown]
# (One run of each.) Each cause was another one: initial weights too small for the unit, or too
# large; too many squashing layers; too high a learning rate; inputs of the wrong size. The numbers
# do not name the cause. They name the place and the illness, and the remedies to try are few.
#
# The figure shows the losses, before and after. Its last panel shows why the deep sigmoid network
# cannot learn. Xavier's weights by themselves hand the gradient on at about its size (lesson 12),
# but a sigmoid's slope is at most 1/4: on its way back the gradient shrinks to about a quarter at
# each layer, and the first ones get thousands of times less.

# %%
early = histories["vanishing"][0].statistics[0]["gradients"]
each = (early["fc1"] / early["last"]) ** (1 / 7)
less = early["last"] / early["fc1"]
print(f"seven layers of sigmoid: fc1 gets {less:,.0f} times less than the last layer;")
print(f"on average each layer leaves {each:.2f} of the gradient")
assert early["last"] > 1000 * early["fc1"] and 0.15 < each < 0.35
drawings.five(histories, {name: case[2] for name, case in CASES.items()})

# %% [markdown]
# ## Optional: can the dead wake?
# Two layers of ReLU, and a rate that is too high, but less so. After each step we look which units
# answer 0 to all 2,000 images, and count how often a living unit falls silent and a silent one
# speaks again.


# %%
def deaths_and_revivals(seed, rate=0.2, epochs=2):
    """Of relu1 and relu2, each (deaths, revivals)."""
    network, loss, rng = relus(2, seed=seed), SoftmaxCrossEntropy(), np.random.default_rng(seed)
    sgd, silent, counts = SGD(network, rate), np.zeros((2, 64), bool), np.zeros((2, 2), int)
    for _ in range(epochs):
        for images, labels in batches(pictures, 64, rng):
            loss.forward(network.forward(images, training=True), labels)
            network.backward(loss.backward(), input_gradient=False)
            sgd.step()
            outputs = activations(network, pictures.images)
            now = np.array([outputs[name].max(axis=0) == 0 for name in ("relu1", "relu2")])
            counts += np.stack([(now & ~silent).sum(axis=1), (silent & ~now).sum(axis=1)], axis=1)
            silent = now
    return counts


counted = np.array([deaths_and_revivals(seed) for seed in range(5)])  # (5, 2, 2)
(deaths1, revived1), (deaths2, revived2) = counted.sum(axis=0)
print(f"five runs: relu1 {deaths1} deaths, {revived1} revivals; relu2", end=" ")
print(f"{deaths2} deaths, {revived2} revivals")
assert revived1 / deaths1 < 0.2 < revived2 / deaths2

# %% [markdown]
# In the first layer death is as good as final: a silent unit gets no gradient and its images never
# change (only momentum moves it on for some steps). The units of the second layer are woken by the
# first, which goes on learning as long as some gradient still comes through. But do not count on
# it: when a whole layer is silent, nothing in front of it learns.


# %%
class Gain(Layer):  # for exercise 3: y = x * weight, a number for each feature, at first 1
    def __init__(self, features):
        super().__init__()
        self._add_param("weight", np.ones(features, np.float32))

    def forward(self, x, training=False, out=None):
        self._saved = x.copy()
        return x * self.params["weight"]

    def backward(self, dy, input_gradient=True, out=None):
        self.grads["weight"][...] = (dy * self._saved).mean(axis=0)
        return dy * self.params["weight"]


# %% [markdown]
# ## In short
#
# - First overfit one batch of 20: its loss must go to 0. It begins near log(number of classes).
# - Five illnesses: stuck (weights too small), exploding gradients (weights or rate too large),
#   vanishing gradients (too many squashing layers), dead ReLU units (rate too high), saturated
#   sigmoid or tanh units (inputs or weights too large).
# - Look at: the loss beside that of guessing; the gradient's norm by the weights' norm; the share
#   of units that are always 0; the share of outputs at the ends of their range.
# - Dead units of a first layer stay dead; behind a layer that learns some wake again.
#
# ## Exercises (answers: `solutions/solution_appendix_it_does_not_learn.py`)
#
# 1. Give the two hidden ReLU layers the rates 0.01, 0.03, 0.1, 0.3, 1 and 3. Which illness comes
#    when?
# 2. Cure the seven sigmoid layers with larger weights alone, at the same rate: which of 2, 4, 6, 8,
#    12 and 16 times Xavier's is best, and what is wrong with smaller and with larger ones?
# 3. BUG: a `Gain` lets each unit find its own size. With it the network learns, and `diagnose` says
#    nothing; yet the gains hardly move. Find out why with `check_gradients`, and mend it.
