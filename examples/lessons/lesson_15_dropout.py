# %% [markdown]
# # Lesson 15: dropout, or how to learn without learning by heart
#
# A network with many weights and few images can learn the images themselves instead of what they
# have in common: **overfitting** (lesson 13). AlexNet had 60 million parameters for 1.2 million
# images, and its authors wrote that without dropout it overfitted substantially (Krizhevsky et al.
# 2012, section 4.2). What is done against it, such as early stopping and weight decay (lesson 13),
# is called **regularisation**; dropout is another kind. We overfit on purpose, build dropout by
# hand, see why it must be switched off afterwards, and measure what it is worth.
#
# To overfit we take 300 digits only and, as in lesson 13, spoil one label in five: it is drawn by
# lot. `SGD` has momentum 0.9 unless told otherwise.

# %%
import numpy as np
from threadpoolctl import threadpool_limits

from examples.lessons.drawings import dropout as draw
from layers import Dropout, Flatten, Linear, ReLU
from nn import SGD, Layer, Network, check_gradients
from nn.data import Dataset, digits
from nn.training import evaluate, train
from nn.training.schedules import one_cycle

EPOCHS, DIGITS, SEEDS = 30, 300, range(5)
train_set, test_set = digits()
threadpool_limits(1)  # these matrices are too small to be shared between cores


def network(p, seed, hidden=128, kind=Dropout):
    """Two hidden layers, each followed by dropout with probability p; p = 0 changes nothing."""
    rng = np.random.default_rng(seed)
    layers = [("flatten", Flatten())]
    for number, inputs in ((1, 28 * 28), (2, hidden)):
        layers += [(f"fc{number}", Linear(inputs, hidden, rng=rng)), (f"relu{number}", ReLU())]
        layers += [(f"dropout{number}", kind(p, rng=[seed, number]))]
    return Network([*layers, ("fc3", Linear(hidden, 10, rng=rng))])


def few_digits(seed):
    """300 digits, others for each seed; a fifth of the labels by lot (a tenth of those right)."""
    few = train_set.subset(slice(seed * DIGITS, (seed + 1) * DIGITS))
    rng = np.random.default_rng([seed, 15])
    lot = rng.integers(0, 10, DIGITS)
    labels = np.where(rng.random(DIGITS) < 0.2, lot, few.labels)
    return Dataset(few.images, labels, few.class_names)


def learn(p, seed, kind=Dropout, rate=0.03, looks=(1, 3, 6, 12, 20, EPOCHS)):
    """Train on the 300 digits of this seed; after the epochs of `looks`, note the accuracy."""
    few, net, rows = few_digits(seed), network(p, seed, kind=kind), []

    def look(history):
        if len(history.epochs) in looks:  # `evaluate` gives loss and accuracy
            known, new = (evaluate(net, part.images, part.labels)[:2] for part in (few, test_set))
            rows.append([len(history.epochs), 100 * known[1], 100 * new[1], known[0]])

    how = {"batch_size": 50, "schedule": one_cycle(rate), "progress": False, "seed": seed}
    train(net, few, epochs=EPOCHS, optimizer=SGD(net, rate), after_epoch=look, **how)
    return net, np.array(rows)


without = [learn(0.0, seed)[1] for seed in SEEDS]
_, known, new, loss = np.mean([rows[-1] for rows in without], axis=0)  # five networks
print(f"{network(0, 0).num_parameters:,} parameters, {DIGITS} digits, {EPOCHS} epochs, no dropout:")
print(f"    training digits: accuracy {known:.1f} %, loss {loss:.3f}; new digits: {new:.1f} %")
assert known > 98 and loss < 0.1 and 68 < new < 80

# %% [markdown]
# The 300 training digits are known by heart, wrong labels and all, and more than one new digit in
# five is misread. More training cannot help: the loss of the training digits is almost 0, and so
# are its gradients.
#
# ## The idea: thinned networks
# At every training step, **drop** each hidden unit with probability p, by a coin toss of its own
# (Hinton et al. 2012): its output is 0 for this image, and what reads it reads nothing. The figure
# shows a small network whole, and as three images might see it. Every image in every step trains
# another **thinned** network; the weights belong to all of them.
#
# Why should that help? A unit may have learned to mend the mistakes of one particular other, which
# fits the training images and nothing else (the paper's "complex co-adaptations"). If that other is
# absent half of the time, it is no use to rely on it: each unit must be worth something together
# with many random others. Or think of the many thinned networks as a crowd whose answers are
# averaged (an **ensemble**): crowds make fewer mistakes than their members, and here one need not
# train each member by itself.

# %%
draw.thinned((4, 6, 6, 2), p=0.5)

# %% [markdown]
# ## Dropping in numbers
# Take four units, x = (2, 4, 6, 8), and p = 1/2. The coins give the **mask** (1, 0, 0, 1): keep,
# drop, drop, keep. Then x * mask = (2, 0, 0, 8). When the network is used afterwards, which is
# called **inference** (elsewhere also evaluation mode, or test time), nothing is dropped: all units
# speak, and the next layer would get sums that are twice as large as it learned with, on average.
# Something must be scaled, and there are two ways:
#
# | | in training | at inference |
# |---|---|---|
# | the paper | x * mask = (2, 0, 0, 8) | (1 - p) x = (1, 2, 3, 4) |
# | **inverted dropout** | x * mask / (1 - p) = (4, 0, 0, 16) | x = (2, 4, 6, 8) |
#
# In both, what the next layer gets at inference is the mean of what it gets in training, over all
# masks. Write E[y] for that mean (E as in "expected"). In inverted dropout y is x / (1 - p) with
# probability 1 - p, and else 0:
#
# $$ E[y] = (1 - p) \cdot \frac{x}{1 - p} + p \cdot 0 = x $$
#
# This library has inverted dropout, as most have, because then inference needs nothing at all.

# %%
p, x = 0.5, np.array([[2.0, 4.0, 6.0, 8.0]])
rng = np.random.default_rng(1)
masks = rng.random((20_000, 4)) >= p
y = x * masks / (1 - p)
print(
    "x", x[0], "  y with three masks", *y[:3], "  mean over 20,000 masks", y.mean(axis=0).round(2)
)
# Each y is 0 or 2 x, so that its standard deviation is x, and that of the mean x / sqrt(20,000).
assert np.all(np.abs(y.mean(axis=0) - x[0]) < 4 * x[0] / np.sqrt(20_000))

# %% [markdown]
# ## Backward
# With the mask drawn, y is x times a constant, so the slope is that constant:
#
# $$ dx = dy \cdot \frac{\text{mask}}{1 - p} $$
#
# with **the mask of the forward pass**. A dropped unit gets no gradient: it took no part. (In the
# library: `layers/dropout.py`.)

# %%
layer = Dropout(p, rng=7)
images, dy = rng.standard_normal((4, 6)), rng.standard_normal((4, 6))
assert np.array_equal(layer.forward(images, training=True), images * layer.mask / (1 - p))
assert np.array_equal(layer.backward(dy), dy * layer.mask / (1 - p))
assert np.array_equal(layer.forward(images), images)  # at inference it does nothing
error = check_gradients(layer, images).max_error
print(f"by hand and layers.Dropout are equal; the gradient check finds errors up to {error:.0e}")
assert error < 1e-6

# %% [markdown]
# ## The two ways are not the same training
# They can compute the same functions: with W / (1 - p) for the weights W behind each dropout, the
# paper's network is ours. But they do not learn alike. In the paper's way the gradient with respect
# to those weights is 1 - p times ours, since their inputs are. But they are larger by 1 / (1 - p),
# so that to do the same they should move 1 / (1 - p) times as far. To train alike, they must start
# 1 / (1 - p) times as large and have $1 / (1 - p)^2$ times the learning rate: 4 times, with p =
# 0.5. One step in both ways shows it; a recipe of one kind is none of the other.

# %%
inputs, dz, rate = images * layer.mask, rng.standard_normal((4, 3)), 0.03
inverted = rng.standard_normal((6, 3))  # the weights behind the dropout
papers = inverted / (1 - p)
assert np.allclose(inputs @ papers, inputs / (1 - p) @ inverted)  # the same outputs
inverted -= rate * (inputs / (1 - p)).T @ dz
for factor in (1, 1 / (1 - p) ** 2):
    stepped = papers - factor * rate * inputs.T @ dz
    same = np.allclose(stepped * (1 - p), inverted)
    print(f"with {factor:.0f} times the rate the step is", "the same" if same else "another")
    assert same == (factor == 4)

# %% [markdown]
# ## What is it worth?
# The network from the beginning once more, now with dropout, in our way and in the paper's, all
# with the same start and the same rate; five seeds, each with 300 digits of its own. Last, once
# more without dropout at a third of the rate, since smaller steps overfit less, too.


# %%
class PaperDropout(Dropout):
    """y = x * mask in training, (1 - p) * x afterwards: 1 - p times what `Dropout` makes."""

    elementwise = False  # it does not write into a given `out`

    def forward(self, x, training=False, out=None):
        return super().forward(x, training) * (1 - self.p)

    def backward(self, dy, input_gradient=True, out=None):
        return super().backward(dy) * (1 - self.p)


nets, dropped = zip(*(learn(0.5, seed) for seed in SEEDS))
papers = [learn(0.5, seed, PaperDropout, looks=[EPOCHS])[1] for seed in SEEDS]
slower = [learn(0.0, seed, rate=0.01, looks=[EPOCHS])[1] for seed in SEEDS]
ends = {"without dropout": without, "with dropout": dropped, "the paper's way": papers}
ends["without, rate 0.01"] = slower
print("accuracy on new digits, %, for five seeds:")
for name, runs in ends.items():
    ends[name] = values = np.array([rows[-1, 2] for rows in runs])
    print(f"    {name:18}", *(f"{value:6.2f}" for value in values), f"  mean {values.mean():.2f}")
for name in ("without dropout", "the paper's way", "without, rate 0.01"):
    gains = ends["with dropout"] - ends[name]
    error, spared = gains.std(ddof=1) / np.sqrt(5), gains.mean() / (100 - ends[name].mean())
    print(f"better than {name}: {gains.mean():.2f} +- {error:.2f}, {spared:.0%} fewer mistakes")
    assert gains.mean() > 2 * error
heart = np.mean([rows[-1, 1] for rows in dropped])
print(f"with dropout the training accuracy is {heart:.1f} %")
assert heart < 95 and ends["with dropout"].mean() - ends["without dropout"].mean() > 3
draw.curves(without, dropped)

# %% [markdown]
# Dropout helps: about a fifth of the mistakes with new digits are spared. With it fewer of the
# wrong labels are learned by heart, as the left of the figure shows. (After +- stands the standard
# error of a mean of five. Number of units and rate are the best of a few that were tried, by these
# same 2,000 digits, so that they are a validation set here. Dropout is ahead of the smaller rate,
# too.) With half of the units dropped, learning takes longer; for AlexNet about twice as many steps
# (section 4.2). The paper's way, with the same start and rate, is another training, and a worse one
# here: who does not know that the two differ will say that dropout hardly helps. And it helps only
# with units to spare, and where there is something that had better not be learned: exercise 1.
# AlexNet had it behind its first two fully connected layers, of 4,096 units each.
#
# ## Left on by mistake
# Dropout must know whether it is training or inference. Here `forward(x)` means inference and
# `forward(x, training=True)` training; in PyTorch it is `model.eval()` and `model.train()`, and to
# forget the first is one of the commonest mistakes there is. What does it look like? The answers
# change from one time to the next, and are worse:

# %%
images, labels = test_set.images, test_set.labels
asked = [nets[0].forward(images, training=True).argmax(axis=1) for _ in range(5)]
off = 100 * np.mean(nets[0].forward(images).argmax(axis=1) == labels)
on = [100 * np.mean(answers == labels) for answers in asked]
changed = np.mean(np.ptp(asked, axis=0) > 0)
print(f"off: {off:.1f} % right; left on, five times:", *(f"{value:.1f}" for value in on), end="; ")
print(f"{changed:.0%} of the digits did not get the same answer five times")
assert max(on) < off and changed > 0.05


# %%
class WrongDropout(Layer):
    def __init__(self, p, rng=None):
        super().__init__()
        self.p, self.rng = p, np.random.default_rng(rng)

    def scale(self, x):
        """0 for the dropped units, 1 / (1 - p) for the others."""
        return (self.rng.random(x.shape) >= self.p) / (1 - self.p)

    def forward(self, x, training=False, out=None):
        return x * self.scale(x) if training else x

    def backward(self, dy, input_gradient=True, out=None):
        return dy * self.scale(dy)


# %% [markdown]
# ## In short
# - In training, each unit is dropped with probability p; every step trains another thinned network.
# - Inverted dropout: y = x * mask / (1 - p) in training, y = x at inference; $E[y] = x$.
# - $dx = dy \cdot \text{mask} / (1 - p)$, with the mask of the forward pass.
# - The paper's way, x * mask and then (1 - p) x, has the same functions and another training.
# - It helps where a network overfits and has units to spare; learning takes longer.
# - Switch it off for inference.
#
# ## Exercises (answers: `solutions/solution_15.py`)
# 1. Give the two hidden layers 16 units instead of 128 (all else equal). Does dropout still help?
#    And with 128 units, if all labels are right? Look at the training accuracies, too.
# 2. BUG: `WrongDropout` drops units, and yet training with it goes wrong. Find out why with
#    `nn.check_gradients`, and mend it.
# 3. Asking the network with all units is a short cut for asking many thinned networks and averaging
#    their answers. Train one with p = 0.5, ask 100 thinned ones (`forward(x, training=True)`) and
#    average their probabilities (`nn.softmax`): are there fewer mistakes than with the short cut?
#
# One more checks itself: `lenet check 15 --start mine.py` writes a file to start from.
