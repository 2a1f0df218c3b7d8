# %% [markdown]
# # Lesson 13: training, validation and test
#
# A teacher who hands out the questions of the exam the day before measures how well they were
# learned by heart. With networks it is easy to do that without noticing. What we want to know is
# how well a network reads images that nobody has seen yet, its **generalisation**; what we can
# measure is how well it reads the images that we have. This lesson is about how to measure so that
# the number keeps its promise, about what goes wrong otherwise, in numbers, and about how sure such
# a number is.

# %%
import numpy as np
from threadpoolctl import threadpool_limits

from examples.lessons.drawings import validation as draw
from nn.data import digits

threadpool_limits(1)  # these matrices are too small to be shared between cores
pool, test = digits()


def small(images):
    """Means of 2x2 pixels, so that it runs in seconds: 14x14 pixels in a row of 196."""
    return images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(-1, 196)


first = small(pool.images[:7000])  # without the last 1,000: they will be the validation set
mean, deviation = first.mean(), first.std()
x, labels = (small(pool.images) - mean) / deviation, pool.labels  # 8,000 digits to work with
test_x, test_labels = (small(test.images) - mean) / deviation, test.labels  # 2,000 more

# %% [markdown]
# The network is a small one, written out once more: one hidden layer with ReLU, softmax and
# cross-entropy (lesson 8), SGD with momentum and weight decay (lesson 9): to the gradient of the
# loss with respect to $w$, $\lambda w$ is added, which pulls every weight towards 0 a little at
# each step. We come back to it. `look` is called after each epoch.


# %%
def logits(params, x):
    W1, b1, W2, b2 = params
    return np.maximum(x @ W1 + b1, 0) @ W2 + b2


def right(params, x, labels):
    return logits(params, x).argmax(axis=1) == labels


def learn(x, labels, seed, epochs=30, decay=0.0, rate=0.03, look=lambda params: None):
    rng = np.random.default_rng(seed)
    shapes = ((196, 100), (100,), (100, 10), (10,))
    # He's rule for the weights (lesson 12), 0 for the biases
    params = [rng.normal(0, np.sqrt(2 / s[0]), s) if len(s) > 1 else np.zeros(s) for s in shapes]
    params = [param.astype(np.float32) for param in params]
    speeds = [np.zeros_like(param) for param in params]
    for _ in range(epochs):
        for batch in np.split(rng.permutation(len(x)), len(x) // 50):
            W1, b1, W2, b2 = params
            h = np.maximum(x[batch] @ W1 + b1, 0)
            z = h @ W2 + b2
            p = np.exp(z - z.max(axis=1, keepdims=True))
            dz = (p / p.sum(axis=1, keepdims=True) - np.eye(10)[labels[batch]]) / len(batch)
            dh = dz @ W2.T * (h > 0)
            grads = x[batch].T @ dh, dh.sum(axis=0), h.T @ dz, dz.sum(axis=0)
            for param, speed, grad in zip(params, speeds, grads):
                speed[...] = 0.9 * speed - rate * (grad + decay * param)
                param += speed
        look(params)
    return params


# %% [markdown]
# ## Choosing by a number spoils the number
# First a thousand "networks" that only guess: each gives 100 digits random classes. One in ten will
# be right. We take the one that was best on these 100 digits, and then let it guess 1,900 others.

# %%
rng = np.random.default_rng(13)
guesses = rng.integers(0, 10, (1000, 2000))  # a row for each guesser, a column for each test digit
scores = 100 * (guesses[:, :100] == test_labels[:100]).mean(axis=1)
fresh = 100 * (guesses[scores.argmax(), 100:] == test_labels[100:]).mean()
print(f"a thousand guessers, 100 digits: mean {scores.mean():.1f} %, the best {scores.max():.0f} %")
print(f"the best of them on 1,900 other digits: {fresh:.1f} %")
assert scores.max() >= 17 and 7 < fresh < 13

# %% [markdown]
# Nobody is fooled by guessers. But look what has happened: the accuracy on the 100 digits was a
# fair number for each guesser, *until we chose by it*. The best of many is one that was good, or
# lucky, or both; on other digits the luck is gone.
#
# Now in earnest: 40 networks that differ in nothing but their seed, that is in their initial
# weights and the order of their batches. We pick the best of them by n test digits, then measure it
# on all the other test digits. The difference is the **optimism** of the first number. All of it is
# done for every block of n digits, 20 times for n = 100, 4 times for n = 500, and for the best of
# 1, 2, 5 and so on.

# %%
nets = [learn(x[:500], labels[:500], seed, epochs=10) for seed in range(40)]
hits = np.stack([right(net, test_x, test_labels) for net in nets])  # (40, 2000): right or wrong
counts, optimism, kept = (1, 2, 5, 10, 20, 40), {}, []
for n in (100, 500):
    rows = []
    for start in range(0, 2000, n):
        block = np.isin(np.arange(2000), np.arange(start, start + n))
        seen, unseen = (100 * hits[:, part].mean(axis=1) for part in (block, ~block))
        best = [seen[:count].argmax() for count in counts]  # the best of the first so many
        rows.append(seen[best] - unseen[best])
        if n == 100:
            kept.append(unseen[best[-1]] - unseen.mean())
    optimism[n] = np.mean(rows, axis=0)
    gaps = np.round(optimism[n], 1) + 0.0  # + 0.0 makes 0 of -0
    print(f"chosen by {n} digits, too good by", end=" ")
    print(", ".join(f"{gap:.1f} (of {k})" for k, gap in zip(counts, gaps)), "points")
print(
    f"on the other digits the best of 40 beats the mean by {np.mean(kept):.1f} points (100 digits)"
)
assert np.mean(kept) < optimism[100][-1] / 4
assert optimism[100][-1] > max(1.5, optimism[500][-1]) and optimism[500][-1] > 0.5
assert abs(optimism[100][0]) < 1  # nothing was chosen: no optimism, on average
draw.optimism(counts, optimism)

# %% [markdown]
# One network that was not chosen is measured fairly. The more we try, the better the best one
# looks, and the better than it is. The fewer the digits, the worse. These networks differ in hardly
# anything that matters, so that nearly all of what the best seems to have gained is luck, as the
# last line shows: on the other digits hardly any of it is left. With settings that do differ, more
# of it is real, and the number does not tell how much.
#
# ## Three sets
# Nothing is wrong with choosing. But the digits by which one chose are used up. So one cuts the
# images into three sets, before anything else:
#
# - the **training set**: the weights are fitted to it;
# - the **validation set**: all else is chosen by it, that is the **hyperparameters**: learning
#   rate, number of epochs, size of the layers, weight decay, which of two ideas;
# - the **test set**: measured once, at the end, with everything chosen. Nothing is chosen by it.
#
# "Held out" means of an image that the weights were not fitted to it: validation or test. If you
# look at the test set, change something and look again, it has become a validation set, and you
# need another. We take 500 digits for training, others for each seed; 1,000 for validation; the
# 2,000 are the test set again. (Yes, we have used those already, a few lines above. Nothing of what
# comes was chosen by them.)
#
# ## Overfitting
# To see it well we make the task worse: in the training set one label in five is drawn by lot, as
# if somebody tired had typed them. A network with 20,710 parameters can learn 500 labels by heart,
# the wrong ones, too. Validation labels are left as they are.

# %%
validation, SEEDS = slice(7000, 8000), range(5)


def mislabelled(seed):
    """500 digits; a fifth of their labels replaced by random ones, a tenth of which are right."""
    part, rng = slice(500 * seed, 500 * (seed + 1)), np.random.default_rng([seed, 13])
    lot = rng.integers(0, 10, 500)
    return x[part], np.where(rng.random(500) < 0.2, lot, labels[part])


def accuracies(params, seed):
    """In %, on the training set of this seed, on the validation set and on the test set."""
    sets = mislabelled(seed), (x[validation], labels[validation]), (test_x, test_labels)
    return [100 * right(params, *images_and_labels).mean() for images_and_labels in sets]


def curve(seed):
    """The three accuracies after each epoch."""
    rows = []
    learn(*mislabelled(seed), seed, look=lambda params: rows.append(accuracies(params, seed)))
    return rows


curves = np.array([curve(seed) for seed in SEEDS])  # (5 seeds, 30 epochs, 3 sets)
assert sum(param.size for param in nets[0]) == 20_710
for epoch in (1, 2, 5, 10, 30):
    train_set, held_out, _ = curves[:, epoch - 1].mean(axis=0)
    print(f"epoch {epoch:2}: training {train_set:5.1f} %, validation {held_out:5.1f} %, mean of 5")
ends = curves[:, -1].mean(axis=0)
assert ends[0] > 98 and curves.mean(axis=0)[:, 1].max() > ends[1] + 1.5
draw.curves(curves)

# %% [markdown]
# The figure shows what everybody who trains networks looks at first. At the beginning both curves
# rise: what is learned is common to all digits. (That of the validation set is higher at first,
# since its labels are all right.) That is **underfitting** still: more training helps. Then the
# training accuracy goes on rising, and the validation accuracy turns and falls: what is learned now
# is these 500 digits with their wrong labels, and that is **overfitting**. The distance between the
# curves is the **generalisation gap**. Training accuracy alone would say that all is well.
#
# ## Early stopping
# The simplest cure: measure the validation accuracy after each epoch, keep a copy of the weights
# when it is the best so far, and use that copy. The number of epochs is then a hyperparameter like
# any other. The test accuracies below were not looked at while choosing.

# %%
chosen = curves[:, :, 1].argmax(axis=1)  # for each seed, the epoch of the best validation accuracy
stopped = curves[SEEDS, chosen, 2]
print("best epoch by validation    ", *(f"{epoch + 1:6}" for epoch in chosen))
for name, values in (("with early stopping", stopped), ("after 30 epochs", curves[:, -1, 2])):
    print(f"test, %, {name:20}", *(f"{v:6.1f}" for v in values), f"  mean {values.mean():.1f}")
gain = stopped - curves[:, -1, 2]
assert gain.mean() > 2 * gain.std(ddof=1) / np.sqrt(5) and max(chosen) < 20

# %% [markdown]
# ## Choosing a hyperparameter
# Another cure is weight decay: weights that must be paid for are used only for what many images
# have in common. How much of it? Too little changes nothing; too much, and nothing is learned at
# all. No formula says how much, so try values, a few for each factor of ten, and look at the
# validation set.

# %%
decays, table = (0, 0.003, 0.01, 0.03, 0.06, 0.1, 0.2), []
for decay in decays:
    runs = [accuracies(learn(*mislabelled(s), s, decay=decay), s) for s in SEEDS]
    table.append(np.mean(runs, axis=0))
table = np.array(table)  # (7 values, 3 sets), means of five seeds
for decay, (train_set, held_out, _) in zip(decays, table):
    print(f"weight decay {decay:<5}: training {train_set:5.1f} %, validation {held_out:5.1f} %")
best = table[:, 1].argmax()
true = [(mislabelled(seed)[1] == labels[500 * seed :][:500]).mean() for seed in SEEDS]
share = 100 * np.mean(true)
print(f"of the training labels {share:.1f} % are right")
assert abs(table[best, 0] - share) < 8
print(f"chosen by validation: {decays[best]}, test accuracy {table[best, 2]:.1f} %", end=", ")
print(f"without weight decay {table[0, 2]:.1f} %")
assert 0 < best < len(decays) - 1 and table[best, 2] > table[0, 2] + 2
draw.decay(decays, table)

# %% [markdown]
# From left to right in the figure the network goes from overfitting to underfitting; the best is
# between, and there the training accuracy is not far from the share of labels that were right. Only
# the last line looks at the test set, at the end, once. (It draws the test curve, too: for you to
# see that it runs beside the other. In work of your own you would not have it; and where it has its
# highest point must not matter.)
#
# ## How sure is an accuracy?
# A test digit is read right with some probability p. Among n of them, the share that is right
# varies by chance from one set of n digits to another; its standard deviation is that of n coin
# tosses, divided by n:
#
# $$ \sigma = \sqrt{ \frac{p (1 - p)}{n} } $$
#
# In 95 of 100 cases the share is within $2 \sigma$ of p. We have 20 blocks of 100 test digits to
# see whether it is true.

# %%
p = hits[0].mean()
blocks, predicted = hits[0].reshape(20, 100).mean(axis=1), np.sqrt(p * (1 - p) / 100)
measured, within = blocks.std(ddof=1), (np.abs(blocks - p) < 2 * predicted).sum()
print(f"20 blocks of 100 digits vary by {100 * measured:.1f} points, predicted", end=" ")
print(f"{100 * predicted:.1f}; {within} of 20 are within twice that")
assert 0.6 < measured / predicted < 1.5 and within >= 17
for n in (100, 2000, 10_000):
    print(f"    97 % of {n:6,} digits: +- {200 * np.sqrt(0.97 * 0.03 / n):.1f} points")
spread = 100 * hits.mean(axis=1).std(ddof=1)
print(f"by the seed alone, on the same 2,000 digits, the 40 networks vary by {spread:.1f} points")
assert 0.2 < spread < 1
luck = rng.normal(size=(100_000, 5))  # five differences that are nothing but chance
ratio = np.abs(luck.mean(axis=1)) / (luck.std(axis=1, ddof=1) / np.sqrt(5))
assert 1 / 9.5 < np.mean(ratio > 2) < 1 / 8 and 1 / 22 < np.mean(ratio > 2.8) < 1 / 18.5

# %% [markdown]
# So 97.3 % against 97.0 % on 2,000 digits is no news. (If both read the same digits, one can look
# more closely: lesson 18.) The formula knows of one kind of chance only, which digits happened to
# be in the set. The other is the seed: train again, and you get another network. To say that one
# *idea* is better than another, train with several seeds, on the same digits, and look whether the
# mean of the differences is more than twice its **standard error**, their standard deviation
# divided by the square root of their number. (Twice will do for many seeds. With five, chance alone
# gets there once in nine times, and to 2.8 times once in 20.)
#
# ## Leakage
# A test set can also be spoiled without choosing anything. **Leakage** is when something of the
# test images has reached the training. The commonest kind is duplicates: two photographs of a
# series, two letters of one writer, or images that were copied and changed a little (lesson 17 does
# that) and *then* divided into sets. Here each of 500 digits is copied four times, with a little
# noise:

# %%
rng = np.random.default_rng(0)
copies = np.repeat(x[:500], 4, axis=0)
copies = copies + 0.3 * rng.standard_normal(copies.shape).astype(np.float32)
copied_labels, order = np.repeat(labels[:500], 4), rng.permutation(2000)
train_part, held_part = order[:1600], order[1600:]
net = learn(copies[train_part], copied_labels[train_part], seed=0, epochs=10)
leaked = 100 * right(net, copies[held_part], copied_labels[held_part]).mean()
honest = 100 * right(net, test_x, test_labels).mean()
print(f"held out among copies: {leaked:.1f} % right, on digits never copied: {honest:.1f} %")
assert leaked > honest + 5

everything = np.concatenate([small(pool.images), small(test.images)])
print(f"mean pixel of the 7,000 {mean:.4f}, of all digits {everything.mean():.4f}")
assert abs(mean - everything.mean()) < 0.002

# %% [markdown]
# The network was asked about digits that it knew. The cure: first divide (by writer, by series),
# then copy. Another kind: to standardise the pixels one needs a mean and a standard deviation, and
# they are part of what is learned, so they must come from the training set, as in our first cell.
# Here it would hardly matter, as the last line shows: two numbers from 10,000 digits. But where
# more is fitted to all images, for instance which pixels to use, it may matter a great deal:
# exercise 3. And test images standardised by *their own* mean are another fault: somebody who later
# has a single image to read has no such mean, and does not get what the test promised.
#
# ## Cross-validation
# With 500 images in all, who can spare 200? Cut them into k = 5 parts (*folds*). Train five times,
# each time with another part left out, and validate on that part, as in the figure. Each image is
# used for training four times and for validation once, and the mean of the five accuracies is surer
# than one of them. That is **k-fold cross-validation**. It costs five trainings for each value
# tried; for networks that take days, and with many images, one validation set is the custom. The
# test set stays outside.

# %%
draw.sets()


# %%
class Holdout:  # for exercise 2
    """Divides n images into a training set and a validation set, by lot."""

    def __init__(self, n, held_out, seed):
        self.n, self.held_out, self.rng = n, held_out, np.random.default_rng(seed)

    def training(self):
        return self.rng.permutation(self.n)[self.held_out :]

    def validation(self):
        return self.rng.permutation(self.n)[: self.held_out]


# %% [markdown]
# ## In short
# - A number measured on images by which something was fitted or chosen is too good. The more was
#   tried, and the fewer the images, the more.
# - Training set: the weights. Validation set: the hyperparameters. Test set: once, at the end.
# - Training accuracy rises, validation accuracy falls: overfitting. Both low: underfitting.
# - Cures: early stopping, weight decay (add $\lambda w$ to the gradient), dropout (lesson 15), more
#   images (lesson 17).
# - Chance: $\sigma = \sqrt{p (1 - p) / n}$ from the test images, and the seeds on top of it.
# - Divide first; then standardise, copy, choose features, by the training set alone.
#
# ## Exercises (answers: `solutions/solution_13.py`)
# 1. With three seeds and three weight decays, nine networks were trained, and the best of the nine
#    on 1,000 validation digits was right in 97.0 %. How far may that be from the truth by the
#    chance of which digits these are? Is it likely to be too high or too low? How many digits would
#    make the +- a quarter as wide?
# 2. BUG: `Holdout`. Train on `training()` of the first 500 digits and compare the accuracy on
#    `validation()`, 100 of them, with that on the test set. What is wrong? Mend it. (No gradient
#    check will ever find it.)
# 3. 60 images of pure noise, 5,000 pixels, labels 0 or 1 drawn by lot. Choose the 20 pixels whose
#    means differ most between the two labels *on all 60*, then train on 40 and test on 20 (the
#    nearer of the two class means will do as a classifier). How accurate is it? And if the pixels
#    are chosen by the 40 alone?
#
# One more checks itself: `lenet check 13 --start mine.py` writes a file to start from.
