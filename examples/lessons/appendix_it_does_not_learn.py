# %% [markdown]
# # Appendix: it does not learn
#
# You have built a network, the gradients are checked (lesson 3), and still the loss stays where it
# is, or turns into nan, or the network is worse than it should be. This appendix is for that day.
# It has three parts: a first test that takes a minute; five illnesses of training, each given to a
# network on purpose, measured and cured; and seven bugs that no gradient check can see, each with
# the little test that finds it. It builds on lessons 2 and 12.

# %%
import textwrap

import numpy as np

import models
from examples.lessons.drawings import it_does_not_learn as drawings
from layers import Conv2d, Dropout, Flatten, Linear, ReLU, Sigmoid
from nn import SGD, Layer, Network, SoftmaxCrossEntropy, check_gradients
from nn.data import Dataset, batches, digits
from nn.initialisers import xavier_uniform
from nn.inspect import activations
from nn.training import train
from nn.training.diagnosis import diagnose

part, others = digits()[0].subset(np.arange(2000)), digits()[1].subset(np.arange(1000))
mean, deviation = part.images.mean(), part.images.std()
raw = Dataset(255 * part.images, part.labels, part.class_names)  # pixels as in a file: 0..255
pictures, new = (
    Dataset((d.images - mean) / deviation, d.labels, d.class_names) for d in (part, others)
)

# %% [markdown]
# ## 1. Overfit one batch first
# Before you train for hours, take *one* batch, 20 images, and train on it alone, again and again. A
# network with thousands of weights can learn 20 images by heart, so the loss must go to 0. It
# begins near
#
# $$-\log \tfrac{1}{10} = \log 10 = 2.30$$
#
# (log is the natural logarithm; or above 2.30, if the initial weights are large), since a network
# that gives all ten digits the same probability has learned nothing. If the loss of a single batch
# does not go to 0, something is broken, and more images, more epochs or a larger network will not
# mend it. Here is one that is well, and one with a classical mistake: softmax is in the network,
# *and* in the loss.


# %%
class Softmax(Layer):
    def forward(self, x, training=False, out=None):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self._saved = e / e.sum(axis=1, keepdims=True)
        return self._saved.copy()

    def backward(self, dy, input_gradient=True, out=None):
        p = self._saved
        return p * (dy - (p * dy).sum(axis=1, keepdims=True))


def hidden_layer(seed=0, last=()):
    rng = np.random.default_rng(seed)
    layers = [("flatten", Flatten()), ("fc1", Linear(784, 64, rng=rng)), ("relu1", ReLU())]
    return Network([*layers, ("fc2", Linear(64, 10, rng=rng)), *last])


def overfit(network, steps=100, rate=0.03):
    """The loss of each step on one batch of 20 images."""
    loss, sgd, losses = SoftmaxCrossEntropy(), SGD(network, rate), []
    images, labels = pictures.images[:20], pictures.labels[:20]
    for _ in range(steps):
        losses.append(loss.forward(network.forward(images, training=True), labels))
        network.backward(loss.backward(), input_gradient=False)
        sgd.step()
    return losses


well, twice = overfit(hidden_layer()), overfit(hidden_layer(last=[("softmax", Softmax())]))
print(f"loss of one batch after 100 steps: {well[-1]:.4f}; with softmax twice {twice[-1]:.2f}")
check = check_gradients(Softmax(), np.random.default_rng(0).standard_normal((3, 5)))
print(f"the gradient check of Softmax: largest error {check.max_error:.0e}")
floor = np.log(np.e + 9) - 1
assert well[-1] < 0.05 and twice[-1] > 0.999 * floor and check.max_error < 1e-6
drawings.one_batch(well, twice, floor)

# %% [markdown]
# The figure shows both. The gradient check finds nothing, since the gradients are right; the wrong
# function is being learned. After the first softmax the numbers lie between 0 and 1. Taken for
# logits, the best that they can be is 1 for the right digit and 0 for the nine others, and the loss
# of that is $-\log (e^1 / (e^1 + 9 e^0)) = 1.46$: it can go no lower. (The network may name the
# right digits all the same; it only learns more slowly. So this bug lives long.)
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


# name: (ill network, learning rate, images), (cured network, rate, images), the remedy
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
    print(f"  {remedy}: accuracy {accuracies[0]:.0%} -> {accuracies[1]:.0%}, and it says nothing")

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
less = early["last"] / early["fc1"]
print(f"seven layers of sigmoid: fc1 gets {less:,.0f} times less than the last layer,", end=" ")
print(f"on average {each:.2f} is left by each layer")
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


# %% [markdown]
# ## 3. Bugs that no gradient check can see
# A gradient check asks whether backward belongs to forward. If forward is not what you meant, or
# the images, the labels, the optimiser or the evaluation are not, it has nothing to say. Such bugs
# do not crash. The network learns, only worse, or it seems to be better than it is. You have seen
# the first, softmax twice; here are six more. Each has a symptom, and a small test for it that does
# not take longer to write than to read.
#
# ## Bug 2: labels apart from their images
# The images were shuffled (or sorted, or one was left out), and their labels were not.


# %%
def accuracy(network, images, labels):
    return np.mean(network.predict(images).argmax(axis=1) == labels)


def fitted(data, epochs=5, seed=0, network=None):
    network = hidden_layer(seed) if network is None else network
    train(network, data, epochs=epochs, optimizer=SGD(network, 0.03), seed=seed, progress=False)
    return network


order = np.random.default_rng(0).permutation(len(pictures.labels))
apart = Dataset(pictures.images, pictures.labels[order], pictures.class_names)
healthy, ill = fitted(pictures), fitted(apart)
sound, strange = (accuracy(n, new.images, new.labels) for n in (healthy, ill))
print(f"accuracy on new images: {sound:.0%}, with labels apart {strange:.0%}")
drawings.at_the_door(apart.images[:8], apart.labels[:8])
assert sound > 0.8 > 0.2 > strange

# %% [markdown]
# Symptom: on new images no better than guessing, however long it trains, though a single batch can
# be overfitted (anything can be learned by heart). The test: *look*. Draw some images with their
# labels just before they go into the network, as in the figure, behind all shuffling and cropping.
#
# ## Bug 3: dropout left on
# `training=True` was forgotten in the evaluation, or some other switch of training and inference.

# %%
rng = np.random.default_rng(0)
layers = [("flatten", Flatten()), ("fc1", Linear(784, 64, rng=rng)), ("relu1", ReLU())]
layers += [("dropout1", Dropout(0.5, rng=0)), ("fc2", Linear(64, 10, rng=rng))]
dropping = fitted(pictures, network=Network(layers))
right, wrong = (
    np.mean(dropping.forward(new.images, training=on).argmax(axis=1) == new.labels)
    for on in (False, True)
)
print(f"accuracy {right:.1%}, with dropout left on {wrong:.1%}")
first, second = (dropping.forward(new.images[:5], training=True) for _ in range(2))
assert right > wrong + 0.01 and not np.allclose(first, second)
assert np.array_equal(dropping.forward(new.images[:5]), dropping.forward(new.images[:5]))

# %% [markdown]
# Symptom: worse by some points, which one may take for the truth. The test: ask *twice* about the
# same images. At inference the answers must be the same to the last digit.
#
# ## Bug 4: test images standardised by themselves
# Training images had the mean of the training images taken off, and test images their own: each
# batch, or each image, its own mean and deviation. In a large mixed batch that is nearly the same
# and goes unnoticed. Alone it is not.


# %%
def own_standard(images):
    return (images - images.mean()) / images.std()


ones = others.subset(np.flatnonzero(others.labels == 1))
together = healthy.predict(own_standard(others.images))[others.labels == 1]
among_themselves = healthy.predict(own_standard(ones.images))
change = np.abs(together - among_themselves).max()
print(f"ones among all digits and among themselves: a probability changes by up to {change:.2f}")
proper = (ones.images - mean) / deviation
alone = np.concatenate([healthy.predict(image[None]) for image in proper[:20]])
assert change > 0.05 and np.allclose(alone, healthy.predict(proper)[:20], atol=1e-5)

# %% [markdown]
# Symptom: what the network says about an image depends on the company that it comes in; the number
# in the report is good, and the program in use is bad. The test: ask about one image *alone and in
# company*. (BatchNorm that is left in training does the same.)
#
# ## Bug 5: the optimiser made anew
# `SGD(network, rate)` stands inside the loop. Each new one has velocities of 0: momentum never
# comes about.


# %%
def by_hand(anew, seed=0, epochs=2):
    """Training with the loop written out; the loss over all images afterwards."""
    network, loss = hidden_layer(seed), SoftmaxCrossEntropy()
    sgd, rng = SGD(network, 0.005), np.random.default_rng(seed)
    for _ in range(epochs):
        for images, labels in batches(pictures, 64, rng):
            sgd = SGD(network, 0.005) if anew else sgd
            loss.forward(network.forward(images, training=True), labels)
            network.backward(loss.backward(), input_gradient=False)
            sgd.step()
    return loss.forward(network.forward(pictures.images), pictures.labels)


kept, lost = ([by_hand(anew, seed) for seed in range(5)] for anew in (False, True))
print("loss, five seeds:", *(f"{v:.2f}" for v in kept), "; made anew:", *(f"{v:.2f}" for v in lost))
assert max(kept) < min(lost)

little = Network([("fc", Linear(1, 1))])
sgd, places = SGD(little, 0.1), [little.params["fc.weight"].item()]
for _ in range(2):
    little.grads["fc.weight"][...] = 1
    sgd.step()
    places.append(little.params["fc.weight"].item())
first, second = np.diff(places)
print(f"with the gradient 1 twice, the second step is {second / first:.1f} times the first")
assert np.isclose(second / first, 1.9, atol=1e-3)

# %% [markdown]
# Symptom: it learns as if the rate were ten times lower, and a higher rate seems to cure it. The
# test: give the optimiser the *same gradient twice*. With momentum 0.9 the second step is 1.9 times
# the first (lesson 9). An optimiser that is made anew for each epoch is the same bug in a milder
# form; so is a schedule that starts again with each epoch.
#
# ## Bug 6: asked about what it has learned
# The accuracy is taken on the training images, or some test images are among them.

# %%
random_labels = np.random.default_rng(1).integers(0, 10, len(pictures.labels))
nonsense = Dataset(pictures.images, random_labels, pictures.class_names)
parrot = fitted(nonsense, epochs=40)
on_trained = accuracy(parrot, nonsense.images, nonsense.labels)
on_new = accuracy(parrot, new.images, np.random.default_rng(2).integers(0, 10, len(new.labels)))
print(f"random labels: {on_trained:.0%} right of those that it has seen, {on_new:.0%} of new ones")
assert on_trained > 0.4 > 0.15 > on_new

# %% [markdown]
# Symptom: too good, and the world outside disagrees. The test: train on *random labels*. There is
# nothing to be learned from them, so an honest accuracy is about one in ten. If your program
# reports more, it asks about what the network has seen. (For images that are in both sets, compare
# their bytes.)
#
# ## Bug 7: padding off by one
# A 3 x 3 convolution that keeps the size needs one row of zeros above and one below. Here two are
# put above and none below. Shapes are right, and so are the gradients, of this other function.


# %%
class Shifted(Conv2d):
    def forward(self, x, training=False, out=None):
        padded = np.pad(x, ((0, 0), (2, 0), (2, 0), (0, 0)))
        return super().forward(padded, training)

    def backward(self, dy, input_gradient=True, out=None):
        return super().backward(dy)[:, 2:, 2:]


shifted, right_one = Shifted(1, 1, 3, rng=0), Conv2d(1, 1, 3, padding=1, rng=0)
x = np.random.default_rng(0).standard_normal((2, 5, 6, 1))
report = check_gradients(shifted, x)
print(f"shapes {shifted.forward(x.astype(np.float32)).shape}", end=", ")
print(f"largest error of the gradients {report.max_error:.0e}")
assert report.max_error < 1e-6
x = x.astype(np.float32)
mirrored = np.ascontiguousarray(x[:, :, ::-1])
for layer in (shifted, right_one):
    layer.params["weight"][...] = 1 / 9  # a kernel that is its own mirror image
    one, other = layer.forward(x), layer.forward(mirrored)[:, :, ::-1]
    difference = np.abs(one - other).max()
    print(f"{type(layer).__name__}: mirrored before and after differ by {difference:.2f}")
    assert np.allclose(one, other, atol=1e-6) == (layer is right_one)

# %% [markdown]
# Symptom: hardly any. The network learns with shifted maps, loses what lies at one edge, and with
# weights from elsewhere it is a few points worse than it should be. The test: a *symmetric kernel
# and a mirror image*. It must be the same whether one mirrors before or after. That holds for the
# offsets of pooling as well.
#
# All of these tests have one form: something that must *not* matter is changed (the company, the
# call, the side), or something that *must* matter is taken away (the meaning of the labels), and
# one looks whether the program knows.


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
# - First overfit one batch of 20: its loss must go to 0. The loss begins near log(classes).
# - Five illnesses: stuck (weights too small), exploding (too large, or the rate), vanishing (too
#   many squashing layers), dead ReLU units (rate too high), saturated (inputs too large).
# - Dead units of a first layer stay dead; behind a layer that learns some wake again.
# - A gradient check compares the gradient with the function. It cannot see that the function, the
#   data, the optimiser or the evaluation is not the one that you meant.
# - For these ask twice, alone and in company, with random labels, with a mirror image, with a
#   constant gradient, and look at images with their labels at the network's door.
#
# ## Exercises (answers: `solutions/solution_appendix.py`)
#
# 1. Give the two hidden ReLU layers the rates 0.01, 0.03, 0.1, 0.3, 1 and 3. Which illness comes
#    when?
# 2. Cure the seven sigmoid layers with larger weights alone, at the same rate: which of 2, 4, 6, 8,
#    12 and 16 times Xavier's is best, and what is wrong with smaller and with larger ones?
# 3. BUG: a `Gain` lets each unit find its own size. With it the network learns, and `diagnose` says
#    nothing; yet the gains hardly move. Find out why with `check_gradients`, and mend it.
#
# Five more check themselves: `lenet check blind1 --start mine.py`, and so on to `blind5`, write
# programs with a bug of the kind that no gradient check sees. Find it, and mend it.
