# %% [markdown]
# # Lesson 12: logistic sigmoid, tanh, ReLU
#
# Between the layers stands an activation; without it, linear layers in a row would be one linear
# layer (lesson 1). Our LeNet has lesson 1's **logistic sigmoid**, 1 / (1 + exp(-x)), as most later
# descriptions have it. (PyTorch's `LogSigmoid` is another function, the logarithm of this one: what
# is meant here is its `Sigmoid`.) LeNet-5 of 1998 had a stretched tanh, 1.7159 tanh(2 x / 3), in
# the library `ScaledTanh`; and tanh(x) = 2 sigmoid(2 x) - 1 is the sigmoid's curve once more,
# stretched to go from -1 to 1. AlexNet (Krizhevsky, Sutskever and Hinton, 2012; lesson 16) has the
# rectified linear unit, ReLU: max(0, x). Its paper puts it first among its ideas (section 3.1). Why
# does such a small thing matter? Because the backward pass multiplies by its slope.

# %%
import math
import sys

import numpy as np

import models
from examples import figure1
from examples.lessons.figures import figure
from layers import Conv2d, Flatten, Linear, ReLU, ScaledTanh, Sigmoid, Tanh
from nn import SGD, Network, SoftmaxCrossEntropy
from nn.data import Dataset, batches, digits
from nn.inspect import gradients
from nn.plots.style import COLOURS, GREY

train_set, _ = digits()
images = (train_set.images - train_set.images.mean()) / train_set.images.std()
train_set, loss = Dataset(images, train_set.labels, train_set.class_names), SoftmaxCrossEntropy()
STYLES = {
    "sigmoid": (Sigmoid, COLOURS[0], "-"),
    "tanh": (Tanh, COLOURS[1], "--"),
    "ReLU": (ReLU, COLOURS[2], "-."),
}

# %% [markdown]
# ## Curves and slopes
# Sigmoid and tanh *saturate*: far from 0 they are flat, and next to nothing is left of a gradient
# that arrives there. Even at its best the sigmoid lets through a quarter only. ReLU lets through
# all or nothing. (Given a dy of ones, `backward` returns the slope itself. Open
# runs/lessons/12_curves.png.)

# %%
x, steepest = np.linspace(-6, 6, 241), {}
assert np.allclose(Tanh().forward(x), 2 * Sigmoid().forward(2 * x) - 1)
assert np.allclose(ScaledTanh().forward(x), 1.7159 * np.tanh(2 * x / 3))
with figure("12_curves", 11, 3.6) as drawing:
    left, right = drawing.subplots(1, 2)
    for name, (kind, colour, line) in STYLES.items():
        layer = kind()
        left.plot(x, layer.forward(x, training=True), line, color=colour, label=name)
        slope = layer.backward(np.ones_like(x))
        right.plot(x, slope, line, color=colour)
        steepest[name] = slope.max()
        print(
            f"{name:<7} has the slope {slope.max():.2f} where it is steepest and {slope[200]:.3f} at x = 4"
        )
    left.set(title="y = f(x)", xlabel="x", ylim=(-1.5, 3))
    right.set(title="its slope, by which gradients are multiplied", xlabel="x")
    left.legend()
assert np.allclose([steepest[name] for name in STYLES], [1 / 4, 1, 1])

# %% [markdown]
# ## Why a sigmoid LeNet can sit on a plateau
# Weights start as random numbers (`nn/initialisers.py`), of the standard deviation sqrt(2 / (in +
# out)) by **Xavier's rule**, where `in` numbers are summed by a unit and `out` units read each:
# then numbers stay of one size from layer to layer, both ways, if slopes are 1. **He's rule**,
# sqrt(2 / in), is for ReLU, which drops half of all.
#
# On its way back through LeNet a gradient passes four sigmoids, which is four factors of at most
# 1/4. Xavier's rule does not reckon with them, so next to nothing arrives at the first layers. On
# the way forward the same factors make all images look alike to the last layer. All it can learn at
# first is its biases: the plateau at 2.30.
#
# `models.lenet` therefore starts with 4 times Xavier's weights. We compare Xavier's, 4 times
# Xavier's, and Xavier's with ReLU: how long the gradient w.r.t. each layer's output is, and how the
# loss falls.

# %%
names = ["conv1", "conv2", "fc3", "fc4", "fc5"]
arrives, last_loss = (
    {},
    {},
)  # the gradient's length at conv1 as a share of that at fc5; the loss at the end
STARTS = {
    "Xavier": (Sigmoid, 1 / 4, 0.1),
    "4 x Xavier": (Sigmoid, 1, 0.1),
    "Xavier, ReLU": (ReLU, 1 / 4, 0.03),
}
with figure("12_plateau", 11, 4) as drawing:
    print(
        f"Length of the gradient with respect to the outputs of {', '.join(names)}, and the loss after two epochs:"
    )
    left, right = drawing.subplots(1, 2)
    for (start, (kind, scale, rate)), colour, marker in zip(STARTS.items(), COLOURS, "os^"):
        layers = models.lenet(rng=0).layers  # from 4 times Xavier's weights
        network = Network(
            [
                (name, kind() if isinstance(layers[name], Sigmoid) else layers[name])
                for name in layers
            ]
        )
        for name in names:
            layers[name].params["weight"] *= scale
        loss.forward(network.forward(images[:100]), train_set.labels[:100])
        found = gradients(network, images[:100], loss.backward())
        lengths, losses, sgd = (
            [np.linalg.norm(found[name]) for name in names],
            [],
            SGD(network, rate),
        )
        for batch, labels in [*batches(train_set, 64, rng=0), *batches(train_set, 64, rng=1)]:
            losses.append(loss.forward(network.forward(batch, training=True), labels))
            network.backward(loss.backward(), input_gradient=False)
            sgd.step()
        arrives[start], last_loss[start] = lengths[0] / lengths[-1], np.mean(losses[-20:])
        left.semilogy(names, lengths, marker=marker, color=colour)
        right.plot(np.convolve(losses, np.ones(20) / 20, "valid"), color=colour, label=start)
        print(
            f"    {start:<12}  {'  '.join(f'{length:.5f}' for length in lengths)}   {last_loss[start]:.2f}"
        )
    right.axhline(math.log(10), color=GREY, linestyle=":")
    left.set(title="Length of the gradient, layer by layer")
    right.set(
        title="Loss, mean of 20 steps; dotted: ln 10", xlabel="steps of 64 digits", ylim=(0, 3)
    )
    right.legend()
assert (
    arrives["Xavier"] < 0.01
    and arrives["Xavier"] < min(arrives["4 x Xavier"], arrives["Xavier, ReLU"]) / 5
)
assert (
    abs(last_loss["Xavier"] - math.log(10)) < 0.1
    and max(last_loss["4 x Xavier"], last_loss["Xavier, ReLU"]) < 1
)

# %% [markdown]
# ## The paper's Figure 1, on digits
# The claim: with ReLU a four-layer network reaches 25% training error on CIFAR-10 (photographs of
# 32 x 32 pixels, ten classes) in a sixth of the steps that tanh needs, each with the learning rate
# that suits it best. We do the same on digits with a small network: the same batches and initial
# weights, the best of four rates (for the first seed), then five seeds.


# %%
def training_errors(kind, rate, seed):
    """The error on 500 of the training digits, every 5 steps."""
    rng = np.random.default_rng(seed)
    layers = [
        ("conv1", Conv2d(1, 8, 5, 2, rng=rng)),
        ("f1", kind()),
        ("conv2", Conv2d(8, 16, 5, 2, rng=rng)),
    ]
    layers += [
        ("f2", kind()),
        ("flatten", Flatten()),
        ("fc3", Linear(256, 64, rng=rng)),
        ("f3", kind()),
    ]
    network = Network([*layers, ("fc4", Linear(64, 10, rng=rng))])
    errors, sgd = [], SGD(network, rate)
    for step, (batch, labels) in enumerate(batches(train_set, 64, rng)):
        if step % 5 == 0:
            errors.append(
                np.mean(network.forward(images[:500]).argmax(axis=1) != train_set.labels[:500])
            )
        loss.forward(network.forward(batch, training=True), labels)
        network.backward(loss.backward(), input_gradient=False)
        sgd.step()
    return np.array(errors)


def steps_to(errors, target=0.25):
    return 5 * int(np.argmax(errors <= target)) if errors.min() <= target else math.inf


means = {}
with figure("12_digits", 8, 4) as drawing:
    print("Steps to 25% training error on digits, for five seeds:")
    axes = drawing.subplots()
    for name, (kind, colour, line) in STYLES.items():
        rate = min(
            (0.01, 0.03, 0.1, 0.3), key=lambda rate: steps_to(training_errors(kind, rate, 0))
        )
        runs = [training_errors(kind, rate, seed) for seed in range(5)]
        steps = [steps_to(errors) for errors in runs]
        means[name], spread = np.mean(steps), np.std(steps, ddof=1)
        print(
            f"    {name:<7} {', '.join(map(str, steps))}: mean {means[name]:.0f}, spread {spread:.0f} (rate {rate})"
        )
        axes.plot(
            5 * np.arange(25),
            100 * np.mean(runs, axis=0),
            line,
            color=colour,
            label=f"{name}, rate {rate}",
        )
    axes.axhline(25, color=GREY, linestyle=":")
    axes.set(
        title="Training error on digits, %, mean of five seeds",
        xlabel="steps of 64 digits",
        ylim=(0, 95),
    )
    axes.legend()
print(
    f"tanh takes {means['tanh'] / means['ReLU']:.1f} times as many steps as ReLU (the paper's took 6 times as many)"
)
assert means["sigmoid"] > 1.2 * means["ReLU"] and means["ReLU"] > 1.2 * means["tanh"]

# %% [markdown]
# The sigmoid is slowest. But tanh beats ReLU, where the paper's took six times as long! Digits are
# easy: tanh arrives before many of its units are saturated. What holds for one task need not hold
# for another: on the paper's photographs ReLU took 2,150 steps and tanh 15,183, 7.1 times as many
# (measured once for `examples/RESULTS.md`). To see for yourself (`examples/figure1.py`; it takes
# hours): `python -m examples.lessons.lesson_12_activations --full --data cifar10`


# %%
class LeakyReLU(ReLU):  # for exercise 2: y = x where x > 0, else x / 10; `forward` calls `function`
    def function(self, x, y):
        np.maximum(x, x / 10, out=y)


if "--full" in sys.argv:
    figure1.main(
        [
            *(set_ for set_ in sys.argv[1:] if set_ != "--full"),
            "--out",
            "runs/lessons",
            "--name",
            "12_full",
        ]
    )

# %% [markdown]
# ## Exercises (answers: `solutions/solution_12.py`)
# 1. Give LeNet tanh units, with Xavier's weights and with 4 times them. Measure the gradients'
#    lengths and the mean slope of its units, 1 - y^2 (`nn.inspect.activations` gives each y). Which
#    weights would you start with?
# 2. `LeakyReLU` shall keep a tenth of x below 0. Is it right? Mend it (`derivative` in
#    `layers/activations.py`).
# 3. A ReLU unit whose sum is negative for every image gets no gradient: it is dead. Train the small
#    network with rates 0.03 and 0.3. How many maps of f2 and units of f3 die?
