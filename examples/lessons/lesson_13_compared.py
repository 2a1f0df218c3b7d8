# %% [markdown]
# # Lesson 13: LeNet against AlexNet
#
# Both networks on the same digits. A fair contest is harder than it sounds: fair in what? In images seen, or in work
# done? We run both. Then we walk from LeNet towards AlexNet, one idea at a time (lessons 7, 9, 10 and 11), and see
# what each changes, and how far a short run can be trusted.

# %%
import numpy as np

from examples.lessons.figures import figure, figure_path
from layers import AvgPool2d, Conv2d, Dropout, Flatten, Linear, LocalResponseNorm, MaxPool2d, ReLU
from models import alexnet_small, lenet
from nn import SGD, Layer, Network, plots
from nn.data import Dataset, digits
from nn.training import evaluate, train
from nn.training.schedules import one_cycle

plain_train, plain_test = digits()
mean, deviation = plain_train.images.mean(), plain_train.images.std()
train_set, test_set = (
    Dataset((d.images - mean) / deviation, d.labels, d.class_names)
    for d in (plain_train.subset(slice(2000)), plain_test)
)


def fit(network, pictures, epochs, rate, weight_decay=0.0, tested=None, seed=0):
    """Batches of 64, momentum 0.9; the learning rate rises to `rate`, then falls to 0."""
    optimizer, schedule = SGD(network, rate, weight_decay=weight_decay), one_cycle(rate)
    return train(network, pictures, tested, epochs=epochs, optimizer=optimizer, schedule=schedule, seed=seed,
                 progress=False)  # fmt: skip


# %% [markdown]
# ## The contest
# AlexNet for digits is `alexnet_small`: all of AlexNet's layers, with an eighth of its channels. For each image it
# does 6 times LeNet's multiplications. So LeNet runs twice: with as many epochs over 2,000 digits, and with 6 times as
# many, which is the same work. The rates are those of `make demo`, chosen before. AlexNet has **weight decay**
# too: each step takes a tiny share (rate * 0.0005) off every weight, so that only those that are of use stay large.

# %%
contest = {
    "LeNet, same epochs": (lenet(rng=0), 6, 0.5, 0.0),
    "LeNet, same work": (lenet(rng=0), 36, 0.5, 0.0),
    "AlexNet": (alexnet_small(10, (28, 28, 1), width=1 / 8, rng=0), 6, 0.03, 5e-4),
}
curves, probabilities, wrong = {}, {}, {}
print("                    parameters  epochs  multiplications  seconds  test digits right")
for name, (network, epochs, rate, decay) in contest.items():
    history = fit(network, train_set, epochs, rate, decay, test_set.subset(slice(1000)))
    probabilities[name] = network.predict(test_set.images)
    wrong[name] = probabilities[name].argmax(axis=1) != test_set.labels
    work = network.multiply_adds() * 2000 / 1e9  # forward, in one epoch; backward takes about twice as many again
    curves[name] = [(work * row["epoch"], 100 * row["test_accuracy"]) for row in history.epochs]
    print(f"{name:19} {network.num_parameters:10,} {epochs:7} {work * epochs:8.1f} billion {history.seconds:8.1f}"
          f" {1 - wrong[name].mean():10.2%}")  # fmt: skip
with figure("13_contest", 8, 4) as drawing:  # open runs/lessons/13_contest.png
    axes = drawing.subplots()
    for (name, curve), colour in zip(curves.items(), ("#56B4E9", "#0072B2", "#D55E00")):
        axes.plot(*np.transpose(curve), "o-", color=colour, label=name, markersize=4)
    axes.set(xlabel="multiplications forward, billions", ylabel="right of 1,000 test digits, %", ylim=(70, 100))
    axes.set_title("LeNet and AlexNet, epoch by epoch")
    axes.legend(loc="lower right")
two = {"LeNet": probabilities["LeNet, same work"], "AlexNet": probabilities["AlexNet"]}
plots.mistakes(figure_path("13_mistakes"), plain_test.images, test_set.labels, two, test_set.class_names)
for name in ("LeNet, same epochs", "LeNet, same work"):
    ours, theirs = np.sum(wrong[name] & ~wrong["AlexNet"]), np.sum(wrong["AlexNet"] & ~wrong[name])
    print(f"misread by {name}, alone: {ours}; by AlexNet alone: {theirs}; by both: {np.sum(wrong[name]) - ours}")
    print(f"    difference {ours - theirs:+}, where chance makes +-{np.sqrt(ours + theirs):.0f}")

# %% [markdown]
# Who has won? Digits that both misread decide nothing. If the networks were equally good, each digit that one alone
# misreads would be a toss of a coin, and n tosses differ by about sqrt(n). With the same epochs **nobody has won**:
# AlexNet starts far behind, and ends ahead by less than chance. With the same work LeNet has. (Its two curves differ
# from the first epoch on, because the rise and fall of the rate is stretched over 36 epochs.) But AlexNet has made only
# 192 steps. Given all 8,000 digits, twice the channels and 10 epochs, it misreads 24 of these test digits, and LeNet,
# given 16 epochs, 46 (`make demo`, README.md). Who wins depends on how much training there is.
#
# ## One idea at a time
# LeNet again, and then the same two convolutions and three fully connected layers with one more of AlexNet's ideas in
# each row. 2,000 digits, 6 epochs, two seeds. All but the first have one rate, 0.03, and He's initial weights, which
# suit ReLU (nn/initialisers.py).

# %%
IDEAS = ["log-sigmoid (LeNet)", "+ ReLU", "+ overlapping max-pool", "+ normalisation", "+ dropout"]


def network_with(ideas, seed):
    """LeNet with so many of AlexNet's ideas, 0 to 4."""
    if ideas == 0:
        return lenet(rng=seed)
    rng, layers = np.random.default_rng(seed), []
    for n, inputs, maps, padding in ((1, 1, 6, 2), (2, 6, 16, 0)):
        layers += [(f"conv{n}", Conv2d(inputs, maps, 5, padding=padding, rng=rng)), (f"relu{n}", ReLU())]
        layers += [(f"norm{n}", LocalResponseNorm())] if ideas >= 3 else []
        layers += [(f"pool{n}", MaxPool2d(3, stride=2, padding=1) if ideas >= 2 else AvgPool2d(2))]
    layers += [("flatten", Flatten())]
    for n, inputs, units in ((3, 400, 120), (4, 120, 84)):
        layers += [(f"fc{n}", Linear(inputs, units, rng=rng)), (f"relu{n}", ReLU())]
        layers += [(f"dropout{n}", Dropout(0.5, rng=[seed, n]))] if ideas >= 4 else []
    return Network([*layers, ("fc5", Linear(84, 10, rng=rng))])


table = np.zeros((5, 2))
table[0, 0] = 100 * wrong["LeNet, same epochs"].mean()  # the same network, trained in the same way
for ideas, seed in list(np.ndindex(5, 2))[1:]:
    network = network_with(ideas, seed)
    fit(network, train_set, 6, 0.03 if ideas else 0.5, seed=seed)
    table[ideas, seed] = 100 * (1 - evaluate(network, test_set.images, test_set.labels)[1])
print("test errors, %, of two seeds, and their mean:")
for name, row in zip(IDEAS, table):
    print(f"  {name:23} {row[0]:.2f}  {row[1]:.2f}   {row.mean():.2f}")
with figure("13_ideas", 8, 3) as drawing:
    axes = drawing.subplots()
    axes.barh(IDEAS, table.mean(axis=1), color=["#9ab8cc"] + ["#0072B2"] * 4)
    axes.plot(table, np.arange(5), "o", color="#E69F00", markeredgecolor="white", markersize=9)
    axes.set(title="From LeNet towards AlexNet", xlabel="misread test digits, %; each dot is one seed")
    axes.invert_yaxis()

# %% [markdown]
# Two things are larger than the difference between seeds. ReLU helps. And dropout harms, as in lesson 11's first
# exercise: 120 units are too few, 6 epochs too short. Overlapping windows and normalisation help here by a point or so
# together, with two seeds and 2,000 digits; do not build on it. On photographs, with three seeds and more training
# (examples/RESULTS.md, "What each idea of the paper is worth"), overlap helps by 1.1 points, normalisation does not,
# and tanh instead of ReLU costs 30. What remains, depth and width, is the contest above.


# %%
class Average(Layer):
    """(N, 2 C) -> (N, C)"""

    def forward(self, x, training=False, out=None):
        return (x[:, : x.shape[1] // 2] + x[:, x.shape[1] // 2 :]) / 2

    def backward(self, dy, input_gradient=True, out=None):
        return np.concatenate([dy, dy], axis=1)


# %% [markdown]
# ## Exercises (answers: `solutions/solution_13.py`)
# 1. Average the probabilities of "LeNet, same work" and AlexNet for each test digit. Does the pair make fewer
#    mistakes?
# 2. BUG: `Average`, just above, takes the mean of the outputs of two networks that lie side by side, so that a pair
#    could be trained as one. Find the mistake with `nn.check_gradients`. What would training do with it?
# 3. How much is chance? Train "+ ReLU" from five seeds, and compare how far apart they are with sqrt(errors), by which
#    a count of rare events varies from one set of 2,000 digits to another. Which rows are then really different?
