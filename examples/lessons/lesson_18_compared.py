# %% [markdown]
# # Lesson 18: LeNet against AlexNet
#
# Both networks on the same digits. Who wins? The question is harder than it sounds, and this lesson
# is as much about how one compares as about who wins. Fair in what: in images seen, or in work
# done? And if one run gives 94 % and the other 93 %, is that a difference or luck? We run each
# network five times, from other initial weights and with other orders of the digits (five
# **seeds**). Then we walk from LeNet towards AlexNet, one idea at a time (lessons 12, 7, 14, 15).
# To walk the other way, and take one idea at a time out of the whole, is called an **ablation**.

# %%
import numpy as np

from examples.lessons.drawings import compared as drawings
from examples.lessons.figures import figure_path
from layers import AvgPool2d, Conv2d, Dropout, Flatten, Linear, LocalResponseNorm, MaxPool2d, ReLU
from models import alexnet_small, lenet
from nn import SGD, Layer, Network, plots
from nn.data import Dataset, digits
from nn.training import evaluate, train
from nn.training.schedules import one_cycle

SEEDS, EPOCHS, DIGITS, BATCH = range(5), 4, 1200, 32
plain_train, plain_test = digits()
mean, deviation = plain_train.images.mean(), plain_train.images.std()
train_set, test_set = (
    Dataset((d.images - mean) / deviation, d.labels, d.class_names)
    for d in (plain_train.subset(slice(DIGITS)), plain_test)
)


def fit(network, epochs, rate, weight_decay=0.0, tested=None, seed=0):
    """Momentum 0.9; the learning rate rises to `rate`, then falls to 0."""
    optimizer, schedule = SGD(network, rate, weight_decay=weight_decay), one_cycle(rate)
    return train(network, train_set, tested, epochs=epochs, batch_size=BATCH,
                 optimizer=optimizer, schedule=schedule, seed=seed, progress=False)  # fmt: skip


# %% [markdown]
# ## 1. The contest
# AlexNet for digits is `alexnet_small`: all of AlexNet's layers, with an eighth of its channels.
# For each image it does 6 times LeNet's multiplications. So LeNet learns twice: with as many epochs
# over 1,200 digits, and with twice as many, which is a *third* of AlexNet's work. (If it wins with
# a third, it need not be tried with all of it, which would take longer.) Each network's rate was
# the best of three, tried before with five other seeds. AlexNet has its weight decay too (lesson
# 17).


# %%
def alexnet(seed):
    return alexnet_small(10, (28, 28, 1), width=1 / 8, rng=seed)


CONTEST = {  # how it is made, epochs, rate, weight decay
    "LeNet, 4 epochs": (lambda seed: lenet(rng=seed), EPOCHS, 0.3, 0.0),
    "LeNet, 8 epochs": (lambda seed: lenet(rng=seed), 2 * EPOCHS, 0.3, 0.0),
    "AlexNet": (alexnet, EPOCHS, 0.02, 5e-4),
}
curves, probabilities, wrong = {}, {}, {}  # the last two: one for each seed
print("                 parameters  epochs  multiplications  test accuracy, %, of five seeds")
for name, (make, epochs, rate, decay) in CONTEST.items():
    probabilities[name] = []
    for seed in SEEDS:
        network, watched = make(seed), test_set.subset(slice(1000)) if seed == 0 else None
        history = fit(network, epochs, rate, decay, watched, seed)
        probabilities[name].append(network.predict(test_set.images))
        if seed == 0:  # forward, in one epoch; backward takes about twice that
            work = network.multiply_adds() * len(train_set) / 1e9
            curves[name] = [
                (work * row["epoch"], 100 * row["test_accuracy"]) for row in history.epochs
            ]
    wrong[name] = np.array([p.argmax(axis=1) != test_set.labels for p in probabilities[name]])
    right = 100 * (1 - wrong[name].mean(axis=1))
    print(
        f"{name:16} {network.num_parameters:10,} {epochs:7} {work * epochs:8.1f} billion", end="  "
    )
    print(*(f"{v:.2f}" for v in right), f" mean {right.mean():.2f}, spread {right.std(ddof=1):.2f}")
assert 5.9 < network.multiply_adds() / lenet().multiply_adds() < 6.1
assert len(history.steps) == EPOCHS * 38  # batches in an epoch
drawings.contest(curves)

# %% [markdown]
# The figure shows the first seed's runs, epoch by epoch. The next one shows digits that the first
# LeNet or the first AlexNet misread. Some of them are hard for us, too.

# %%
two = {"LeNet": probabilities["LeNet, 8 epochs"][0], "AlexNet": probabilities["AlexNet"][0]}
path = figure_path("18_mistakes")
plots.mistakes(path, plain_test.images, test_set.labels, two, test_set.class_names)

# %% [markdown]
# ## 2. Two kinds of chance
# A coin that is thrown 100 times seldom shows heads exactly 50 times; 45 or 55 are nothing special.
# In the same way two networks that are equally good do not make equally many mistakes.
#
# **Chance in the test digits.** Take two *trained* networks, and count the digits that one alone
# misreads, and those that the other alone misreads. (Digits that both misread decide nothing.) If
# the two were equally good, each of these n digits would be a toss of a coin, and n tosses differ
# by about $\sqrt{n}$. That is how another 2,000 digits might have judged these same two networks.
# (The test that is made of it is called McNemar's.)
#
# **Chance in the training.** Other initial weights and another order of the images make another
# network. About that $\sqrt{n}$ knows nothing: one must train again. Five differences have a mean,
# and a standard deviation, here called spread. Their mean is uncertain by
#
# $$\text{error} = \text{spread} / \sqrt{5}$$
#
# With so few runs we believe in a difference that is more than 2.8 times that. (Student's t with 4
# degrees of freedom: chance alone gets there once in 20 times.) An example: the differences 3, 5,
# 4, 6, 2 have the mean 4, the spread 1.58, the error 0.71; 4 is more than 2.8 * 0.71 = 1.98, so we
# believe it. 13, -5, 4, 16, -8 have the same mean and are worth nothing.


# %%
def mean_and_error(values):
    return np.mean(values), np.std(values, ddof=1) / np.sqrt(len(values))


def certain(values):
    """Whether the mean differs from 0 by more than chance in training explains."""
    mean, error = mean_and_error(values)
    return abs(mean) > 2.8 * error


assert certain([3, 5, 4, 6, 2]) and not certain([13, -5, 4, 16, -8])

differences = {}
for name in ("LeNet, 4 epochs", "LeNet, 8 epochs"):
    ours = np.sum(wrong[name] & ~wrong["AlexNet"], axis=1)
    theirs = np.sum(wrong["AlexNet"] & ~wrong[name], axis=1)
    differences[name] = ours - theirs
    (difference, error), spread = mean_and_error(ours - theirs), np.std(ours - theirs, ddof=1)
    print(f"{name}: misread by it alone - by AlexNet alone:", *(f"{d:+}" for d in ours - theirs))
    print(f"    mean {difference:+.0f} +- {error:.0f}; spread over the seeds {spread:.0f}", end="")
    tosses = np.sqrt(ours + theirs)
    print(f", while sqrt(n), by the test digits alone, is {np.mean(tosses):.0f}")
    winner = "AlexNet has won" if difference > 0 else "LeNet has won"
    if not certain(ours - theirs):
        winner = "nobody has won: five seeds do not tell who is better"
    print(f"    {winner}")
    assert name != "LeNet, 4 epochs" or spread > 1.2 * np.mean(tosses)
third = differences["LeNet, 8 epochs"]
assert np.all(third < 0) and third.mean() < -2 * np.mean(tosses)

# %% [markdown]
# With a third of AlexNet's work LeNet is better with every seed, and by far more than the chance in
# the test digits. Look at the two numbers at the end of each second line: the spread over the seeds
# is clearly larger than what the test digits alone make. Whoever trains one of each and quotes
# $\sqrt{n}$ believes too much.
#
# Is LeNet the better network, then? AlexNet has made only 152 steps here. Given all 8,000 digits,
# twice the channels and 10 epochs, it misreads about half as many test digits as a LeNet with 16
# epochs (`make demo`; the table is in README.md). A larger network wants more images and more
# steps, and then wins; that is also the story of lesson 17. Who wins depends on how much training
# there is, so a comparison must say how much there was.
#
# ## 3. One idea at a time
# LeNet again, and then the same two convolutions and three fully connected layers with one more of
# AlexNet's ideas in each row: 1,200 digits, 4 epochs, five seeds. All but the first have one rate,
# 0.03, and He's initial weights, which suit ReLU (lesson 12). A row is compared with the row above
# it seed by seed: same initial weights (from ReLU on), same order of the digits. What both share
# then cancels in the difference.

# %%
IDEAS = ["sigmoid (LeNet)", "+ ReLU", "+ overlapping max-pool", "+ normalisation", "+ dropout"]


def network_with(ideas, seed):
    """LeNet with so many of AlexNet's ideas, 0 to 4."""
    if ideas == 0:
        return lenet(rng=seed)
    rng, layers = np.random.default_rng(seed), []
    for n, inputs, maps, padding in ((1, 1, 6, 2), (2, 6, 16, 0)):
        layers += [
            (f"conv{n}", Conv2d(inputs, maps, 5, padding=padding, rng=rng)),
            (f"relu{n}", ReLU()),
        ]
        layers += [(f"norm{n}", LocalResponseNorm())] if ideas >= 3 else []
        layers += [(f"pool{n}", MaxPool2d(3, stride=2, padding=1) if ideas >= 2 else AvgPool2d(2))]
    layers += [("flatten", Flatten())]
    for n, inputs, units in ((3, 400, 120), (4, 120, 84)):
        layers += [(f"fc{n}", Linear(inputs, units, rng=rng)), (f"relu{n}", ReLU())]
        layers += [(f"dropout{n}", Dropout(0.5, rng=[seed, n]))] if ideas >= 4 else []
    return Network([*layers, ("fc5", Linear(84, 10, rng=rng))])


table = np.zeros((5, len(SEEDS)))
table[0] = 100 * wrong["LeNet, 4 epochs"].mean(axis=1)  # trained in the same way, above
for ideas in range(1, 5):
    for seed in SEEDS:
        network = network_with(ideas, seed)
        fit(network, EPOCHS, 0.03, seed=seed)
        table[ideas, seed] = 100 * (1 - evaluate(network, test_set.images, test_set.labels)[1])
print("test errors, %, of five seeds, their mean, and what the last idea changes:")
for row, name in enumerate(IDEAS):
    print(
        f"  {name:21}",
        *(f"{v:5.2f}" for v in table[row]),
        f" mean {table[row].mean():5.2f}",
        end="",
    )
    if row == 0:
        print()
        continue
    change, error = mean_and_error(table[row] - table[row - 1])
    verdict = "helps" if change < 0 else "harms"
    if not certain(table[row] - table[row - 1]):
        verdict = "not certain"
    print(f"  {change:+.2f} +- {error:.2f}: {verdict}")
relu, dropout = table[1] - table[0], table[4] - table[3]
assert np.sum(relu < 0) >= 4 and certain(dropout) and dropout.mean() > 0
drawings.ideas(IDEAS, table)

# %% [markdown]
# In the figure a bar is the mean, each dot one seed. Read the verdicts with care: "not certain"
# does not say that an idea is worth nothing, but that five runs of 4 epochs cannot tell. ReLU
# helps. Dropout harms, as in lesson 15's first exercise: it makes training slower (lesson 17), 120
# units are few, 4 epochs short. The row with pooling changes two things at once: the largest
# instead of the mean, and windows that overlap. On photographs, with three seeds and more training
# (examples/RESULTS.md, "What each idea of the paper is worth"), overlap by itself helps by 1.1
# points, normalisation does not, and tanh instead of ReLU costs 30. The paper's own numbers for its
# large network are in lesson 17. What remains, depth and width, is the contest above.


# %%
class Average(Layer):
    """(N, 2 C) -> (N, C)"""

    def forward(self, x, training=False, out=None):
        return (x[:, : x.shape[1] // 2] + x[:, x.shape[1] // 2 :]) / 2

    def backward(self, dy, input_gradient=True, out=None):
        return np.concatenate([dy, dy], axis=1)


# %% [markdown]
# ## In short
# - Say what is equal in a comparison: images seen, steps, or work. The winner may depend on it.
# - Two trained networks: n digits that only one of them misreads; chance alone makes a difference
#   of about $\sqrt{n}$.
# - Two ways of training: train each with several seeds; the mean difference is uncertain by spread
#   / $\sqrt{\text{seeds}}$; with five seeds believe what exceeds 2.8 times that.
# - Compare in pairs (same seed, same data), change one thing at a time.
# - "Not certain" is not "no effect". And nothing here says what more training would do.
#
# ## Exercises (answers: `solutions/solution_18.py`)
# 1. Add up the probabilities of the five LeNets with 4 epochs (of the five seeds) for each test
#    digit. Do they make fewer mistakes together than the best of them alone? And any two of them?
# 2. BUG: `Average`, just above, takes the mean of the outputs of two networks that lie side by
#    side, so that a pair could be trained as one. Find the mistake with `nn.check_gradients`. What
#    would training do with it?
# 3. How much is chance? Count the digits that the five networks "+ ReLU" misread, and compare how
#    far the counts are apart with sqrt(count), by which a count of rare events varies from one set
#    of 2,000 digits to another. How large must a difference between the means of two seeds be to be
#    believed, and between means of five?
#
# One more checks itself: `lenet check 18 --start mine.py` writes a file to start from.
