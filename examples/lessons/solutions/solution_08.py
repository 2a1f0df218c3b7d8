# %% [markdown]
# # Lesson 8: answers

# %%
import numpy as np


def softmax(z):
    exps = np.exp(z - z.max(axis=-1, keepdims=True))
    return exps / exps.sum(axis=-1, keepdims=True)


def cross_entropy(z, labels):
    """The loss and its gradient with respect to the logits z (N, classes), as in the lesson."""
    rows = np.arange(len(z))
    z = z - z.max(axis=1, keepdims=True)
    exps = np.exp(z)
    sums = exps.sum(axis=1, keepdims=True)
    dz = exps / sums
    dz[rows, labels] -= 1
    return (np.log(sums[:, 0]) - z[rows, labels]).mean(), dz / len(z)


# %% [markdown]
# ## 1. By hand
#
# The exponentials are 1, 1 and 2, their sum is 4: p is (1/4, 1/4, 1/2). The loss is -log 1/2 = log
# 2 = 0.693. The gradient is p - one-hot = (1/4, 1/4, -1/2). A step of rate 1 subtracts it: the
# logits become (-1/4, -1/4, log 2 + 1/2), p of the right class is 0.68, and the loss 0.39.

# %%
z = np.array([[0.0, 0.0, np.log(2)]])
loss, dz = cross_entropy(z, [2])
assert np.allclose(softmax(z), [[0.25, 0.25, 0.5]]) and np.isclose(loss, np.log(2))
assert np.allclose(dz, [[0.25, 0.25, -0.5]])
after = cross_entropy(z - dz, [2])[0]
print(f"loss {loss:.3f}, after one step {after:.3f}, p = {softmax(z - dz)[0].round(3)}")
assert round(after, 2) == 0.39 and round(softmax(z - dz)[0, 2], 2) == 0.68

# %% [markdown]
# ## 2. The bug
#
# `z.max()` is the largest logit of the whole batch. Subtracting the same number from a row changes
# no p of it, so the formula is right, and with logits of one size the results are too. But if
# another image's logits are around 1,000, this image's exponents are around -1,000, all its
# exponentials are 0, so is their sum, and log 0 is minus infinity. So is the loss, which should
# never be below 0, and the gradient is 0 / 0. The image with the large logits is fine, because the
# maximum is its own. No gradient check with random numbers sees it: **test with numbers of very
# different size, too**. The remedy is `z.max(axis=1, keepdims=True)`, each row's own maximum.


# %%
class QuickLoss:
    mended = False

    def forward(self, z, labels):
        largest = z.max(axis=1, keepdims=True) if self.mended else z.max()
        self.z, self.labels = z - largest, labels
        self.sums = np.exp(self.z).sum(axis=1)
        return (np.log(self.sums) - self.z[np.arange(len(z)), labels]).mean()

    def backward(self):
        p = np.exp(self.z) / self.sums[:, None]
        return (p - np.eye(p.shape[1])[self.labels]) / len(p)


rng = np.random.default_rng(8)
small, labels = rng.normal(size=(2, 3)), np.array([0, 2])
mixed = small + np.array([[0.0], [1000.0]])
quick = QuickLoss()
assert np.isclose(quick.forward(small, labels), cross_entropy(small, labels)[0])
assert np.allclose(quick.backward(), cross_entropy(small, labels)[1])
with np.errstate(divide="ignore", invalid="ignore"):
    loss, gradient = quick.forward(mixed, labels), quick.backward()
print(f"\nwith the bug: loss {loss}, gradient", *gradient.round(3), sep="\n    ")
assert not np.isfinite(loss) and np.isnan(gradient[0]).all() and np.isfinite(gradient[1]).all()
quick.mended = True
print(f"mended: loss {quick.forward(mixed, labels):.3f}, as without the 1,000")
assert np.isclose(quick.forward(mixed, labels), cross_entropy(small, labels)[0])
assert np.allclose(quick.backward(), cross_entropy(small, labels)[1])

# %% [markdown]
# ## 3. Label smoothing
#
# Put $\log p_c = z_c - L$, where L is the log-sum-exp, into the loss:
# $-\sum_c q_c z_c + L \sum_c q_c$, and the sum of q is 1. The first term has the derivative $-q_c$,
# the second $p_c$: the gradient is $p - q$, with one-hot as the special case. It is 0 where p = q.
# With a one-hot target no logits reach that: the right one would have to be infinitely far ahead,
# so that training pulls it up for ever. With q = (0.9, 0.05, 0.05) it is reached once the right
# logit is log(0.9 / 0.05) = log 18 = 2.89 ahead. The loss there is not 0 but $-\sum_c q_c \log q_c$
# = 0.394, the **entropy** of q. So the losses of networks trained with and without smoothing cannot
# be compared.

# %%
q = np.array([0.9, 0.05, 0.05])


def smooth_loss(z):
    return -(q * np.log(softmax(z))).sum()


z, h = np.array([0.3, -1.0, 2.0]), 1e-5
measured = [(smooth_loss(z + h * row) - smooth_loss(z - h * row)) / (2 * h) for row in np.eye(3)]
assert np.allclose(measured, softmax(z) - q, atol=1e-8)
for _ in range(2000):
    z = z - (softmax(z) - q)
print(f"\nsmoothed: p = {softmax(z).round(3)}, right logit ahead by {z[0] - z[1]:.2f}", end=", ")
print(f"loss {smooth_loss(z):.3f}")
assert np.allclose(softmax(z), q) and np.isclose(z[0] - z[1], np.log(18))
assert round(smooth_loss(z), 3) == 0.394
