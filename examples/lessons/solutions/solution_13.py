# %% [markdown]
# # Lesson 13: solutions

# %%
import numpy as np
from threadpoolctl import threadpool_limits

from nn.data import digits

threadpool_limits(1)
pool, test = digits()


def small(images):
    return images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(-1, 196)


x, labels = small(pool.images), pool.labels
test_x, test_labels = small(test.images), test.labels

# %% [markdown]
# ## 1. How sure?
# The standard deviation is $\sqrt{p (1 - p) / n}$ with p = 0.97 and n = 1,000: 0.54 points, so that
# the truth is probably within 1.1 points. Since the best of nine was chosen by that very number, it
# is rather too high than too low. A quarter of the width takes 4 * 4 = 16 times as many digits, for
# n stands under the root: 16,000.

# %%
sigma = np.sqrt(0.97 * 0.03 / 1000)
print(f"one standard deviation: {100 * sigma:.2f} points, two: {200 * sigma:.1f}")
assert np.isclose(np.sqrt(0.97 * 0.03 / 16_000), sigma / 4)

# %% [markdown]
# ## 2. The bug
# `training()` and `validation()` each draw an order of their own. So about four fifths of the
# validation digits are training digits, too: a leak. `permutation` must be drawn once, and then
# cut. A test for it takes one line: no number may be in both. As a classifier we take, instead of a
# network, the simplest that learns by heart: each digit gets the label of the nearest training
# digit (*nearest neighbour*). To it standardised pixels are no different: all distances would be
# multiplied by the same number.


# %%
class Holdout:
    def __init__(self, n, held_out, seed):
        self.n, self.held_out, self.rng = n, held_out, np.random.default_rng(seed)

    def training(self):
        return self.rng.permutation(self.n)[self.held_out :]

    def validation(self):
        return self.rng.permutation(self.n)[: self.held_out]


class Mended(Holdout):
    def __init__(self, n, held_out, seed):
        super().__init__(n, held_out, seed)
        self.order = self.rng.permutation(n)

    def training(self):
        return self.order[self.held_out :]

    def validation(self):
        return self.order[: self.held_out]


def accuracy(known, known_labels, asked, asked_labels):
    """Of the nearest known digit's label; |a - b|^2 = |a|^2 - 2 a b + |b|^2."""
    distances = (known**2).sum(axis=1) - 2 * asked @ known.T
    return 100 * np.mean(known_labels[distances.argmin(axis=1)] == asked_labels)


gaps = {}
for kind in (Holdout, Mended):
    found = []
    for seed in range(5):
        holdout = kind(500, 100, seed)
        train, held = holdout.training(), holdout.validation()
        shared = len(np.intersect1d(train, held))
        assert (shared == 0) == (kind is Mended)
        on_held = accuracy(x[train], labels[train], x[held], labels[held])
        on_test = accuracy(x[train], labels[train], test_x, test_labels)
        found.append((shared, on_held, on_test))
    shared, on_held, on_test = np.mean(found, axis=0)
    gaps[kind] = on_held - on_test
    print(f"{kind.__name__}: {shared:.0f} of 100 in both; validation {on_held:.1f} %", end=", ")
    print(f"test {on_test:.1f} %, mean of five")
assert gaps[Holdout] > 5 and abs(gaps[Mended]) < 5

# %% [markdown]
# ## 3. Something out of nothing
# The labels have nothing to do with the pixels, so that nothing can be right more often than one
# time in two, on average. But among 5,000 random pixels there are always some that happen to differ
# between the labels of these 60 images, the 20 test images included. Who chooses them by all 60
# carries the test labels into the training. With the 40 alone the pixels chosen are as many and
# look as good, and the test tells what they are worth: nothing.


# %%
def score(rng, honest):
    images, kinds = rng.standard_normal((60, 5000)), rng.permutation(np.repeat([0, 1], 30))
    used = 40 if honest else 60  # the first 40 are for training
    means = [images[:used][kinds[:used] == kind].mean(axis=0) for kind in (0, 1)]
    pixels = np.abs(means[1] - means[0]).argsort()[-20:]
    zero, one = (images[:40, pixels][kinds[:40] == kind].mean(axis=0) for kind in (0, 1))
    asked = images[40:, pixels]
    says_one = ((asked - one) ** 2).sum(axis=1) < ((asked - zero) ** 2).sum(axis=1)
    return 100 * np.mean(says_one == kinds[40:])


leaky, honest = (
    np.mean([score(np.random.default_rng(seed), how) for seed in range(20)]) for how in (0, 1)
)
print(
    f"pixels chosen by all 60 images: {leaky:.0f} % right; by the 40 alone: {honest:.0f} %", end=" "
)
print("(mean of 20 repetitions)")
assert leaky > 80 and 40 < honest < 60
