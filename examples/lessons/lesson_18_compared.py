# %% [markdown]
# # Lesson 18: LeNet against AlexNet
#
# Both networks on the same digits. A fair contest is harder than it sounds: fair in what? In images
# seen, or in work done? We run both, five times each, from other initial weights and with other
# orders of the digits (five *seeds*). Then we walk from LeNet towards AlexNet, one idea at a time
# (lessons 7, 12, 14 and 15), and see what each changes, and how far a short run can be trusted. No
# sentence here says beforehand who wins: it is made from the numbers.

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
SEEDS = range(5)
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
# AlexNet for digits is `alexnet_small`: all of AlexNet's layers, with an eighth of its channels.
# For each image it does 6 times LeNet's multiplications. So LeNet learns twice: with as many epochs
# over 2,000 digits, and with 6 times as many, which is the same work. The rates are those of `make
# demo`, chosen before. AlexNet has **weight decay** too: each step takes a tiny share (rate *
# 0.0005) off every weight, so that only those that are of use stay large.


# %%
def alexnet(seed):
    return alexnet_small(10, (28, 28, 1), width=1 / 8, rng=seed)


CONTEST = {  # how it is made, epochs, rate, weight decay
    "LeNet, same epochs": (lambda seed: lenet(rng=seed), 6, 0.5, 0.0),
    "LeNet, same work": (lambda seed: lenet(rng=seed), 36, 0.5, 0.0),
    "AlexNet": (alexnet, 6, 0.03, 5e-4),
}
curves, probabilities, wrong = {}, {}, {}  # the last two: one for each seed
print(
    "                    parameters  epochs  multiplications  seconds  test digits right, %, for five seeds"
)
for name, (make, epochs, rate, decay) in CONTEST.items():
    probabilities[name], seconds = [], 0.0
    for seed in SEEDS:
        network, watched = make(seed), test_set.subset(slice(1000)) if seed == 0 else None
        history = fit(network, train_set, epochs, rate, decay, watched, seed)
        probabilities[name].append(network.predict(test_set.images))
        seconds += history.seconds / len(SEEDS)
        if seed == 0:
            work = (
                network.multiply_adds() * 2000 / 1e9
            )  # forward, in one epoch; backward takes about twice that
            curves[name] = [
                (work * row["epoch"], 100 * row["test_accuracy"]) for row in history.epochs
            ]
    wrong[name] = np.array([p.argmax(axis=1) != test_set.labels for p in probabilities[name]])
    right = 100 * (1 - wrong[name].mean(axis=1))
    print(
        f"{name:19} {network.num_parameters:10,} {epochs:7} {work * epochs:8.1f} billion {seconds:8.1f}  ",
        end="",
    )
    print(
        *(f"{value:.2f}" for value in right),
        f"  mean {right.mean():.2f}, spread {right.std(ddof=1):.2f}",
    )
assert len(history.steps) == 192 and 5.9 < network.multiply_adds() / lenet().multiply_adds() < 6.1
with figure("18_contest", 8, 4) as drawing:  # open runs/lessons/18_contest.png
    axes = drawing.subplots()
    for (name, curve), colour in zip(curves.items(), ("#56B4E9", "#0072B2", "#D55E00")):
        axes.plot(*np.transpose(curve), "o-", color=colour, label=name, markersize=4)
    axes.set(
        xlabel="multiplications forward, billions",
        ylabel="right of 1,000 test digits, %",
        ylim=(70, 100),
    )
    axes.set_title("LeNet and AlexNet, epoch by epoch, first seed")
    axes.legend(loc="lower right")
two = {"LeNet": probabilities["LeNet, same work"][0], "AlexNet": probabilities["AlexNet"][0]}
plots.mistakes(
    figure_path("18_mistakes"), plain_test.images, test_set.labels, two, test_set.class_names
)

# %% [markdown]
# Who has won? Digits that both misread decide nothing. If two **trained** networks were equally
# good, each digit that one alone misreads would be a toss of a coin, and n tosses differ by about
# sqrt(n). That is chance in the *test digits*: how another 2,000 might have judged these same two
# networks. It knows nothing of chance in the *training*, that other initial weights and another
# order of the images make another network. For that one must train again. Five differences have a
# mean, and a standard deviation, here called spread; their mean is uncertain by spread / sqrt(5).
# With so few, we believe in a difference that is more than 2.8 times that (Student's t with 4
# degrees of freedom: chance alone gets there once in 20 times).


# %%
def mean_and_error(values):
    return np.mean(values), np.std(values, ddof=1) / np.sqrt(len(values))


def certain(values):
    """Whether the mean of the five differs from 0 by more than chance in training explains."""
    mean, error = mean_and_error(values)
    return abs(mean) > 2.8 * error


differences = {}
for name in ("LeNet, same epochs", "LeNet, same work"):
    ours = np.sum(wrong[name] & ~wrong["AlexNet"], axis=1)
    theirs = np.sum(wrong["AlexNet"] & ~wrong[name], axis=1)
    differences[name] = ours - theirs
    (difference, error), spread = mean_and_error(ours - theirs), np.std(ours - theirs, ddof=1)
    print(f"{name}: misread by it alone - by AlexNet alone:", *(f"{d:+}" for d in ours - theirs))
    print(f"    mean {difference:+.0f} +- {error:.0f}; spread over the seeds {spread:.0f}", end="")
    tosses = np.sqrt(ours + theirs)
    print(f", while sqrt(n), by the test digits alone, is {np.mean(tosses):.0f}")
    winner = "AlexNet has won" if difference > 0 else "LeNet has won"
    print(
        f"    {winner if certain(ours - theirs) else 'nobody has won: five seeds do not tell who is better'}"
    )
assert certain(differences["LeNet, same work"]) and differences[
    "LeNet, same work"
].mean() < -2 * np.mean(tosses)

# %% [markdown]
# With the same work LeNet wins, by a margin that neither kind of chance explains. (Its two curves
# differ from the first epoch on, because the rise and fall of the rate is stretched over 36
# epochs.) With the same epochs look at the single seeds: whoever had trained one of each would have
# believed that one. But AlexNet has made only 192 steps. Given all 8,000 digits, twice the channels
# and 10 epochs, it misreads about half as many test digits as a LeNet with 16 epochs (`make demo`;
# the table is in README.md). Who wins depends on how much training there is.
#
# ## One idea at a time
# LeNet again, and then the same two convolutions and three fully connected layers with one more of
# AlexNet's ideas in each row. 2,000 digits, 6 epochs, five seeds. All but the first have one rate,
# 0.03, and He's initial weights, which suit ReLU (nn/initialisers.py). A row is compared with the
# row above it seed by seed: same initial weights (from ReLU on), same order of the digits.

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
table[0] = 100 * wrong["LeNet, same epochs"].mean(
    axis=1
)  # the same networks, trained in the same way
for ideas in range(1, 5):
    for seed in SEEDS:
        network = network_with(ideas, seed)
        fit(network, train_set, 6, 0.03, seed=seed)
        table[ideas, seed] = 100 * (1 - evaluate(network, test_set.images, test_set.labels)[1])
print("test errors, %, of five seeds, their mean, and what the last idea changes:")
for row, name in enumerate(IDEAS):
    print(
        f"  {name:23}",
        *(f"{value:5.2f}" for value in table[row]),
        f"  mean {table[row].mean():.2f}",
        end="",
    )
    if row:
        change, error = mean_and_error(table[row] - table[row - 1])
        verdict = (
            ("helps" if change < 0 else "harms")
            if certain(table[row] - table[row - 1])
            else "not certain"
        )
        print(f"  {change:+.2f} +- {error:.2f}: {verdict}", end="")
    print()
relu, dropout = table[1] - table[0], table[4] - table[3]
assert certain(relu) and relu.mean() < 0 and certain(dropout) and dropout.mean() > 0
with figure("18_ideas", 8, 3) as drawing:
    axes = drawing.subplots()
    axes.barh(IDEAS, table.mean(axis=1), color=["#9ab8cc"] + ["#0072B2"] * 4)
    axes.plot(table, np.arange(5), "o", color="#E69F00", markeredgecolor="white", markersize=7)
    axes.set(
        title="From LeNet towards AlexNet", xlabel="misread test digits, %; each dot is one seed"
    )
    axes.invert_yaxis()

# %% [markdown]
# Read the verdicts with care: "not certain" does not say that an idea is worth nothing, but that
# five runs of 6 epochs cannot tell. ReLU helps. Dropout harms, as in lesson 15's first exercise:
# 120 units are too few, 6 epochs too short. On photographs, with three seeds and more training
# (examples/RESULTS.md, "What each idea of the paper is worth"), overlap helps by 1.1 points,
# normalisation does not, and tanh instead of ReLU costs 30. What remains, depth and width, is the
# contest above.


# %%
class Average(Layer):
    """(N, 2 C) -> (N, C)"""

    def forward(self, x, training=False, out=None):
        return (x[:, : x.shape[1] // 2] + x[:, x.shape[1] // 2 :]) / 2

    def backward(self, dy, input_gradient=True, out=None):
        return np.concatenate([dy, dy], axis=1)


# %% [markdown]
# ## Exercises (answers: `solutions/solution_18.py`)
# 1. Average the probabilities of "LeNet, same epochs" and AlexNet for each test digit, for each
#    seed. Does the pair make fewer mistakes than the better of the two?
# 2. BUG: `Average`, just above, takes the mean of the outputs of two networks that lie side by
#    side, so that a pair could be trained as one. Find the mistake with `nn.check_gradients`. What
#    would training do with it?
# 3. How much is chance? Count the digits that the five networks "+ ReLU" misread, and compare how
#    far the counts are apart with sqrt(count), by which a count of rare events varies from one set
#    of 2,000 digits to another. How large must a difference between the means of two seeds be to be
#    believed, and between means of five?
