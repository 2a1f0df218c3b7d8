# %% [markdown]
# # Lesson 12: sigmoid, tanh, ReLU, and how weights begin
#
# Between the layers stands an activation function; without it linear layers in a row would be one
# linear layer (lesson 1). Which one seems a small matter. AlexNet's paper (Krizhevsky et al. 2012,
# section 3.1) puts it first among its ideas. We see why: the backward pass multiplies by its
# derivative, layer after layer, and what is multiplied again and again either stays near 1 or is
# lost. For the same reason it matters how large the weights are at the start.

# %%
import math

import numpy as np

import models
from examples.lessons.drawings import activations as drawings
from layers import Conv2d, Flatten, Linear, ReLU, ScaledTanh, Sigmoid, Tanh
from nn import SGD, Network, SoftmaxCrossEntropy
from nn.data import Dataset, batches, digits
from nn.inspect import activations, gradients

train_set, _ = digits()
images = (train_set.images - train_set.images.mean()) / train_set.images.std()
train_set, loss = Dataset(images, train_set.labels, train_set.class_names), SoftmaxCrossEntropy()
KINDS = {"sigmoid": Sigmoid, "tanh": Tanh, "ReLU": ReLU}

# %% [markdown]
# ## Three curves and their derivatives
#
# | | $y = f(x)$ | between | derivative, from y |
# |---|---|---|---|
# | **logistic sigmoid** | $1 / (1 + e^{-x})$ | 0 and 1 | $y (1 - y)$ |
# | **tanh** | $(e^x - e^{-x}) / (e^x + e^{-x})$ | -1 and 1 | $1 - y^2$ |
# | **ReLU**, rectified linear unit | $\max(0, x)$ | 0 and infinity | 1 where y > 0, else 0 |
#
# The sigmoid is that of lesson 1. (PyTorch's `LogSigmoid` is another function, the logarithm of
# this one; ours is its `Sigmoid`.) Tanh is the same curve, stretched: tanh(x) = 2 sigmoid(2 x) - 1,
# so that 0 stays 0 and the derivative there is 1. LeNet-5 of 1998 had a stretched tanh, 1.7159
# tanh(2 x / 3), in the library `ScaledTanh`; our LeNet has the sigmoid, as most later descriptions
# have it; AlexNet has ReLU.
#
# Sigmoid and tanh **saturate**: far from 0 they are flat, and next to nothing is left of a gradient
# that arrives there. Even at its best the sigmoid lets through a quarter. ReLU lets through all or
# nothing. The figure shows all three, and their derivatives. (Given a dy of ones, `backward`
# returns the derivative itself.)

# %%
x, curves = np.linspace(-6, 6, 241), {}
for name, kind in KINDS.items():
    layer = kind()
    y = layer.forward(x, training=True)
    slope = layer.backward(np.ones_like(x))
    curves[name] = y, slope
    print(f"{name:<7} derivative at most {slope.max():.2f}, and {slope[200]:.3f} at x = 4")
assert np.allclose([slope.max() for _, slope in curves.values()], [1 / 4, 1, 1])
(s, ds), (t, dt), _ = curves.values()
assert np.allclose(ds, s * (1 - s)) and np.allclose(dt, 1 - t**2)
assert np.allclose(t, 2 * Sigmoid().forward(2 * x) - 1)
assert np.allclose(ScaledTanh().forward(x), 1.7159 * np.tanh(2 * x / 3))
drawings.curves(x, curves)

# %% [markdown]
# ## How large should weights be? n var(w) = 1
#
# First without activations. A unit adds up n products: $z = w_1 x_1 + \dots + w_n x_n$. The weights
# are random, independent, with mean 0 and variance var(w). (The **variance** is the mean square of
# the distance from the mean; its root is the standard deviation.)
#
# 1. One product: its mean is 0, because that of w is. So its variance is its mean square, which for
#    independent numbers is the product of their mean squares: var(w) times the mean of $x^2$.
# 2. A sum of n independent numbers has the sum of their variances: n var(w) times the mean of
#    $x^2$.
#
# So each layer multiplies the mean square by n var(w), and ten layers multiply it ten times. Only
#
# $$n \cdot \text{var}(w) = 1$$
#
# keeps it. In numbers: 100 inputs to each unit, so weights with a deviation of
# $\sqrt{1/100} = 0.1$. With 0.05, half as much, each layer halves the numbers, and ten layers leave
# $0.5^{10}$, a thousandth; with 0.2 they are a thousand times as large.
#
# Backward is the same sum the other way: $dx = dz\, W^T$ adds up over the units that read x, so n
# is there the number of outputs. Both cannot be kept if a layer has more outputs than inputs, or
# fewer. **Xavier's rule** takes the mean of the two numbers as n: var(w) = 2 / (inputs + outputs)
# (Xavier Glorot and Bengio 2010, equation 12). In a convolution both are K * K times a number of
# maps: a unit sums a window of all input maps, and a pixel is read at K * K places of all output
# maps.

# %%
rng = np.random.default_rng(12)
for deviation in (0.05, 0.1, 0.2):
    signal = rng.normal(size=(1000, 100))
    for _ in range(10):
        signal = signal @ rng.normal(0, deviation, size=(100, 100))
    print(f"weights of deviation {deviation}: size 1 becomes {signal.std():.4g} in ten layers")
    assert 0.5 < signal.std() / (deviation / 0.1) ** 10 < 2

# %% [markdown]
# Now the activation comes in as one more factor. Near 0 a curve is a straight line with its
# derivative there as the slope. For tanh that is 1, and Xavier's rule holds as it is. For the
# sigmoid it is 1/4, so weights must be **four times** as large to make up for it. ReLU drops half
# of all numbers, the negative ones, so half of the mean square is lost, and var(w) must be doubled:
# **He's rule**, 2 / inputs (He et al. 2015, section 2.2).
#
# Below, ten layers of 100 units with each. Their size (the root of the mean square) is not all:
# sigmoids lie around 0.5 whatever they are given. So we also look at how much a unit differs from
# example to example, for by nothing else can the last layer tell them apart.

# %%
differ = {}
for name, deviation in {
    "sigmoid, Xavier": 0.1,
    "sigmoid, 4 x Xavier": 0.4,
    "tanh, Xavier": 0.1,
    "ReLU, Xavier": 0.1,
    "ReLU, He": math.sqrt(2 / 100),
}.items():
    activation = KINDS[name.split(",")[0]]()
    signal = rng.normal(size=(1000, 100))
    for _ in range(10):
        signal = activation.forward(signal @ rng.normal(0, deviation, size=(100, 100)))
    differ[name], size = signal.std(axis=0).mean(), np.sqrt(np.mean(signal**2))
    print(f"{name:<20} size {size:.1g}, differs from example to example by {differ[name]:.1g}")
assert differ["sigmoid, Xavier"] < 1e-5 < 1e-3 < differ["sigmoid, 4 x Xavier"] < 0.1
assert differ["ReLU, Xavier"] < 0.1 < differ["ReLU, He"] and differ["tanh, Xavier"] > 0.1

# %% [markdown]
# With Xavier's weights a tenth layer of sigmoids says the same of every example, to six digits.
# Four times as large ones help much and not entirely: all outputs are positive, around 0.5, and
# that pushes many units of the next layer off the straight part of the curve. (With 0.5 taken off
# each output they would be tanh layers with Xavier's weights, as the formula above says.) Tanh
# presses the large numbers of the start down, until they are on its straight part. ReLU with He's
# weights keeps their size.
#
# ## LeNet, from three starts
#
# `models.lenet` therefore begins with 4 times Xavier's weights. We compare it with Xavier's, and
# with ReLU and He's weights: how large the activations are, how much they differ from digit to
# digit, and how large the gradient is with respect to each layer's output, for 100 digits before
# any training.

# %%
NAMES = ["conv1", "conv2", "fc3", "fc4", "fc5"]
STARTS = {  # what to put for each sigmoid, the weights as multiples of Xavier's, and the rate
    "sigmoid, Xavier": (Sigmoid, lambda inputs, outputs: 1, 0.1),
    "sigmoid, 4 x Xavier": (Sigmoid, lambda inputs, outputs: 4, 0.1),
    "ReLU, He": (ReLU, lambda inputs, outputs: math.sqrt((inputs + outputs) / inputs), 0.03),
}


def begin(start, seed):
    kind, factor, _ = STARTS[start]
    layers = models.lenet(rng=seed).layers
    for name in NAMES:
        weight = layers[name].params["weight"]
        inputs, outputs = weight[..., 0].size, weight[..., 0, :].size
        weight *= factor(inputs, outputs) / 4
    return Network([(n, kind() if isinstance(y, Sigmoid) else y) for n, y in layers.items()])


spread, norms = {}, {}
print("norm of the gradient with respect to the outputs of", ", ".join(NAMES))
for start in STARTS:
    found, shares = [], []
    for seed in range(5):
        network = begin(start, seed)
        loss.forward(network.forward(images[:100]), train_set.labels[:100])
        found.append(gradients(network, images[:100], loss.backward()))
        lengths = [np.linalg.norm(found[-1][name]) for name in NAMES]
        shares.append(lengths[0] / lengths[-1])
        if seed == 0:
            spread[start] = activations(network, images[:100]), found[0]
            print(f"    {start:<20}", "  ".join(f"{length:.5f}" for length in lengths))
    norms[start] = shares
    print(f"{'':>25}conv1's as a share of fc5's, five seeds:", np.round(shares, 3))
assert 28 * 28 * 6 // 10 == 470  # numbers of conv1 for each of fc5
assert max(norms["sigmoid, Xavier"]) < 0.003 and min(norms["sigmoid, 4 x Xavier"]) > 0.02
assert min(norms["ReLU, He"]) > 0.1
drawings.histograms(spread, NAMES)

# %% [markdown]
# The figure has a column for each start, and a line for each layer.
#
# - Above, the activations. The sigmoids of Xavier's weights stay around 0.5; those of 4 times as
#   large ones use their whole range. Of ReLU's about half are 0.
# - In the middle, how much each activation differs from its own mean over the digits, on a scale of
#   powers of ten. With Xavier's weights every layer lies further left than the one before it: what
#   makes one digit differ from another fades on the way. The other two keep most of it.
# - Below, the gradients, on such a scale too. With Xavier's weights each layer lies further left
#   than the one *behind* it. The norm of conv1's is a thousandth of fc5's, and its single numbers,
#   of which there are 470 times as many, are smaller still. This is the **vanishing gradient**. On
#   its way back through LeNet a gradient passes four sigmoids, four factors of at most 1/4, and two
#   averages, which leave each pixel a quarter of it.
#
# ## The plateau
#
# What does it mean for learning? With Xavier's weights the first layers get next to no gradient,
# and the last sees the same for every digit. All that it can learn is its biases, how frequent each
# class is: a loss of log 10 = 2.30. So the loss stands on a **plateau**. Nothing is wrong in the
# code; it could last for epochs, and another rate does not help (try some). Below, 6,000 digits in
# batches of 32, from three seeds. (`SGD` has momentum 0.9 unless told otherwise.)

# %%
ends, paths, part = {}, {}, train_set.subset(slice(6000))
for start, (_, _, rate) in STARTS.items():
    ends[start] = []
    for seed in range(3):
        network, losses = begin(start, seed), []
        sgd = SGD(network, rate)
        for batch, labels in batches(part, 32, seed):
            losses.append(loss.forward(network.forward(batch, training=True), labels))
            network.backward(loss.backward(), input_gradient=False)
            sgd.step()
        ends[start].append(np.mean(losses[-20:]))
        paths.setdefault(start, losses)  # of the first seed
    print(f"{start:<20} loss after 6,000 digits: {np.round(ends[start], 2)}")
assert np.allclose(ends["sigmoid, Xavier"], math.log(10), atol=0.1)
assert max(ends["sigmoid, 4 x Xavier"]) < 1.5 and max(ends["ReLU, He"]) < 0.5
drawings.plateau(paths)

# %% [markdown]
# ## The paper's Figure 1, on digits
#
# The claim of section 3.1: with ReLU a four-layer network reaches 25 % training error on CIFAR-10
# (photographs of 32x32 pixels, ten classes) in a sixth of the steps that tanh needs, each with the
# learning rate that suits it best. We do the same on digits with a small network: the same batches
# and initial weights (He's, which suit ReLU), the best of four rates (for the first seed), then two
# more seeds.


# %%
def training_errors(kind, rate, seed):
    """The error rate on 250 of the training digits, every 5 steps."""
    rng, errors = np.random.default_rng(seed), []
    layers = [("conv1", Conv2d(1, 8, 5, 2, rng=rng)), ("f1", kind())]
    layers += [("conv2", Conv2d(8, 16, 5, 2, rng=rng)), ("f2", kind()), ("flatten", Flatten())]
    layers += [("fc3", Linear(256, 64, rng=rng)), ("f3", kind()), ("fc4", Linear(64, 10, rng=rng))]
    network = Network(layers)
    sgd = SGD(network, rate)
    for step, (batch, labels) in enumerate(batches(train_set, 64, rng)):
        if step % 5 == 0:
            answers = network.forward(images[:250]).argmax(axis=1)
            errors.append(np.mean(answers != train_set.labels[:250]))
        if step == 70:
            return np.array(errors)
        loss.forward(network.forward(batch, training=True), labels)
        network.backward(loss.backward(), input_gradient=False)
        sgd.step()


def steps_to(errors, target=0.25):
    return 5 * int(np.argmax(errors <= target)) if errors.min() <= target else math.inf


print("steps to 25% training error on digits, for three seeds:")
means, courses = {}, {}
for name, kind in KINDS.items():
    first = {rate: training_errors(kind, rate, 0) for rate in (0.03, 0.1, 0.3, 1)}
    rate = min(first, key=lambda rate: steps_to(first[rate]))
    runs = [first[rate], *(training_errors(kind, rate, seed) for seed in range(1, 3))]
    steps = [steps_to(errors) for errors in runs]
    means[name], courses[f"{name}, rate {rate}"] = np.mean(steps), np.mean(runs, axis=0)
    if name == "tanh":  # after 70 steps a smaller rate is better
        assert first[0.1][-1] < first[0.3][-1]
    print(f"    {name:<7} {', '.join(map(str, steps))}: mean {means[name]:.0f} (rate {rate})")
ratio = means["tanh"] / means["ReLU"]
print(f"tanh takes {ratio:.1f} times as many steps as ReLU (the paper's took 6 times as many)")
assert means["sigmoid"] > 1.2 * means["ReLU"] and means["ReLU"] > 1.2 * means["tanh"]
drawings.courses(courses)

# %% [markdown]
# The sigmoid is slowest. But tanh beats ReLU, where the paper's took six times as long! Digits are
# easy: at 25 % only some of its units are saturated. (Later most are. In the figure tanh hardly
# gets better after 40 steps; a smaller rate is worse at first and better in the end.) What holds
# for one task need not hold for another. On the paper's photographs ReLU took 2,150 steps and tanh
# 15,183, 7.1 times as many, the means of three seeds (`examples/RESULTS.md`). To see for yourself
# (it takes hours):
#
#     python -m examples.figure1 --data cifar10


# %%
class LeakyReLU(ReLU):  # for exercise 2: y = x where x > 0, else x / 10; `forward` calls `function`
    def function(self, x, y):
        np.maximum(x, x / 10, out=y)


# %% [markdown]
# ## In short
#
# A gradient is multiplied by weights and by derivatives of activations at each layer, and so
# vanishes or explodes unless both are chosen to keep it.
#
# - Derivatives from y: sigmoid $y (1 - y)$, at most 1/4; tanh $1 - y^2$; ReLU 1 or 0.
# - $n \cdot \text{var}(w) = 1$ keeps the size of sums; n is the number of inputs forward, of
#   outputs backward.
# - Xavier: var(w) = 2 / (inputs + outputs), for tanh; 4 times those weights for sigmoids. He: 2 /
#   inputs, for ReLU.
# - A loss that stays at log 10 while nothing is broken: look at the gradient's norm, layer by
#   layer.
# - ReLU does not saturate above 0. Whether it learns faster depends on the task.
#
# ## Exercises (answers: `solutions/solution_12.py`)
#
# 1. Give LeNet tanh units, with Xavier's weights and with 4 times them (`begin` knows how). Measure
#    the norms of the gradients and the mean derivative of its units, 1 - y^2
#    (`nn.inspect.activations` gives each y). Which weights would you start with?
# 2. BUG: `LeakyReLU` shall keep a tenth of x below 0. Is it right? Mend it (`derivative` in
#    `layers/activations.py`).
# 3. A ReLU unit whose sum is negative for every image gets no gradient: it is **dead**. Train the
#    small network of `training_errors` for an epoch, with rates 0.03 and 0.3. How many of the 16
#    maps of f2, and of the 64 units of f3, are 0 for all of 2,000 images afterwards?
#
# One more checks itself: `lenet check 12 --start mine.py` writes a file to start from.
