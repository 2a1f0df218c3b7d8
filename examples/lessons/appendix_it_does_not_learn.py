# %% [markdown]
# # Appendix: it does not learn
#
# You have built a network, the gradients are checked (lesson 3), and still the loss stays where it
# is, or turns into nan. There are five common illnesses. Here we give a network each of them on
# purpose, on digits, look at what can be measured, and cure it. It builds on lessons 2 and 12.

# %%
import math
import textwrap

import numpy as np

import models
from examples.lessons.figures import figure
from layers import Flatten, Linear, ReLU, Sigmoid
from nn import SGD, Layer, Network, SoftmaxCrossEntropy
from nn.data import Dataset, batches, digits
from nn.initialisers import xavier_uniform
from nn.inspect import activations
from nn.plots.style import COLOURS, GREY, WRONG
from nn.training import train
from nn.training.diagnosis import diagnose

part = digits()[0].subset(np.arange(2000))
raw = Dataset(
    255 * part.images, part.labels, part.class_names
)  # pixels as they lie in a file: 0..255
pictures = Dataset(
    (part.images - part.images.mean()) / part.images.std(), part.labels, part.class_names
)

# %% [markdown]
# ## The five
# The training loop notes a few numbers in each epoch, all of which are at hand anyway:
#
# - the loss, to be compared with ln(number of classes): a network that gives all ten digits the
#   same chance has a loss of -ln(1/10) = ln 10 = 2.30, and has learned nothing;
# - for each layer, the size (root of the sum of squares) of its weights' gradient, divided by the
#   size of the weights. Times the learning rate that is the share of themselves by which one step
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
# `nn.training.diagnosis.diagnose` turns them into sentences, and `nn.training.train` prints those
# by itself while a network learns: once for each illness and layer. Its file is short: now read
# nn/training/diagnosis.py.


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
    """LeNet; its sigmoids need 4 times Xavier's weights (lesson 12)."""
    network = models.lenet(rng=0)
    for name, weight in network.params.items():
        if name.endswith("weight"):
            weight *= scale / 4
    return network


# what it is called: (ill network, learning rate, images), (cured network, learning rate, images), the remedy
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


def learn(network, rate, data):
    with np.errstate(all="ignore"):  # what explodes, overflows
        return train(network, data, epochs=4, optimizer=SGD(network, rate), progress=False)


histories = {}
for name, (ill, cured, remedy) in CASES.items():
    print(f"\n{name.upper()}: what the training loop says")
    histories[name] = learn(*ill), learn(*cured)
    before, after = histories[name]
    for finding in diagnose(before):
        print(textwrap.indent(textwrap.fill(finding.sentence, 100), "    "))
    assert name in {finding.kind for finding in diagnose(before)}
    assert diagnose(after) == []
    accuracies = [history.epochs[-1]["train_accuracy"] for history in (before, after)]
    print(
        f"  {remedy}: {accuracies[0]:.0%} right in the fourth epoch -> {accuracies[1]:.0%}, and it says nothing"
    )

# %% [markdown]
# Each cause was another one: initial weights too small for the unit, or too large; too many
# squashing layers; too high a learning rate; inputs of the wrong size. The numbers do not name the
# cause. They name the place and the illness, and the remedies to try are few. The last panel of the
# figure shows why the deep sigmoid network cannot learn: a sigmoid's slope is at most 1/4, so that
# on its way back the gradient shrinks to about a quarter at each layer, and the first ones get
# thousands of times less.

# %%
early = histories["vanishing"][0].statistics[0]["gradients"]
each = (early["fc1"] / early["last"]) ** (1 / 7)
print(
    f"seven layers of sigmoid: fc1 gets {early['last'] / early['fc1']:,.0f} times less than the last",
    end=" ",
)
print(f"layer, on average {each:.2f} is left by each layer")
assert early["last"] > 1000 * early["fc1"] and 0.15 < each < 0.35
with figure(
    "appendix_it_does_not_learn", 13, 7
) as drawing:  # open runs/lessons/appendix_it_does_not_learn.png
    panels = drawing.subplots(2, 3).ravel()
    for axes, (name, (before, after)) in zip(panels, histories.items()):
        for history, colour, look, label in (
            (before, WRONG, "--", "ill"),
            (after, COLOURS[0], "-", CASES[name][2]),
        ):
            numbers = [min(loss, 6) for loss in history.steps if math.isfinite(loss)]
            lost = (
                f": no number after {len(numbers)} steps"
                if len(numbers) < len(history.steps)
                else ""
            )
            axes.plot(numbers, look, color=colour, label=label + lost, marker="x" if lost else None)
        axes.axhline(math.log(10), color=GREY, linestyle=":", label="guessing: ln 10")
        axes.set(title=name, xlabel="step", ylabel="loss (cut at 6)", ylim=(0, 6.2))
        axes.legend(fontsize=8.5)
    axes = panels[-1]
    for history, colour, look, label in zip(
        histories["vanishing"], (WRONG, COLOURS[0]), "so", ("sigmoid", "ReLU")
    ):
        sizes = history.statistics[0]["gradients"]
        axes.semilogy(list(sizes), list(sizes.values()), f"-{look}", color=colour, label=label)
    axes.set(title="vanishing: gradient by layer", ylabel="size of gradient / size of weights")
    axes.legend(fontsize=8.5)

# %% [markdown]
# ## Can the dead wake?
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
print(
    f"five runs: {deaths1} deaths in relu1 and {revived1} revivals; {deaths2} in relu2 and {revived2} revivals"
)
assert revived1 / deaths1 < 0.2 < revived2 / deaths2

# %% [markdown]
# In the first layer death is as good as final: a silent unit gets no gradient and its images never
# change (only momentum moves it on for some steps). The units of the second layer are woken by the
# first, which goes on learning as long as some gradient still comes through. But do not count on
# it: when a whole layer is silent, nothing in front of it learns.


# %%
class Gain(
    Layer
):  # for exercise 3: y = x * weight, with a learnable number for each feature, which starts at 1
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
# ## Exercises (answers: `solutions/solution_appendix.py`)
# 1. Give the two hidden ReLU layers the rates 0.01, 0.03, 0.1, 0.3, 1 and 3. Which illness comes
#    when?
# 2. Cure the seven sigmoid layers with larger weights alone, at the same rate: which of 2, 4, 6, 8,
#    12 and 16 times Xavier's is best, and what is wrong with smaller and with larger ones?
# 3. A `Gain` lets each unit find its own size. With it the network learns, and `diagnose` says
#    nothing; yet the gains hardly move. Find out why with `check_gradients`, and mend it.
