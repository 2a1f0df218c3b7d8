# %% [markdown]
# # Lesson 8: softmax and cross-entropy, from scores to a loss
#
# In lesson 2 a network answered one question with yes or no, and the squared error said how wrong
# it was. A network that reads digits has ten outputs, one for each class. How do ten numbers become
# an answer, how wrong is that answer, and which way is down? All of it is done here by hand, in
# NumPy, with three classes first.

# %%
import numpy as np

from examples.lessons.drawings import softmax as drawings
from nn import SoftmaxCrossEntropy

# %% [markdown]
# ## From scores to probabilities
#
# A network that tells cats, dogs and cars apart ends with a linear layer of three neurons. Their
# outputs z are scores, one for each class, called **logits**. They may be negative, and they add up
# to nothing in particular. Say that for one image they are 2 for cat, 1 for dog and -1 for car. We
# would rather have probabilities: positive, with sum 1. So make each number positive, with the
# exponential function, and divide by the sum:
#
# | class | $z$ | $e^z$ | $p$ |
# |---|---|---|---|
# | cat | 2 | 7.389 | 7.389 / 10.475 = 0.705 |
# | dog | 1 | 2.718 | 2.718 / 10.475 = 0.259 |
# | car | -1 | 0.368 | 0.368 / 10.475 = 0.035 |
# | sum | | 10.475 | 1 |
#
# (The last column is rounded; without that its sum is exactly 1.)
#
# This is **softmax**. For class c, and with a sum over all classes k,
#
# $$p_c = \frac{e^{z_c}}{\sum_k e^{z_k}}$$
#
# Why the exponential? It makes any number positive and keeps the order: the largest logit gets the
# largest probability. And it turns differences into ratios:
# $p_a / p_b = e^{z_a} / e^{z_b} = e^{z_a - z_b}$. A cat is one ahead of a dog, so it is e = 2.718
# times as probable, whatever the car has. (The name says what it is: a soft version of "1 for the
# largest, 0 for the others". Multiply all logits by 10, and it is hardly soft any more.)


# %%
def softmax_naive(z):
    exps = np.exp(z)
    return exps / exps.sum()


z = np.array([2.0, 1.0, -1.0])
p = softmax_naive(z)
assert (np.exp(z).round(3) == [7.389, 2.718, 0.368]).all() and round(np.exp(z).sum(), 3) == 10.475
assert (p.round(3) == [0.705, 0.259, 0.035]).all() and np.isclose(p[0] / p[1], np.e)
print("p =", p.round(3), "  ten times the logits:", softmax_naive(10 * z).round(5))
drawings.scores_to_probabilities(z, p, ["cat", "dog", "car"])

# %% [markdown]
# The figure shows the three steps (orange is positive, blue negative), and at the right how the
# three probabilities change if the logit of the dog alone does. That they always add up to 1 means
# that no class can win without the others losing.
#
# With two classes it is an old friend. Divide $e^a / (e^a + e^b)$ by $e^a$ above and below:
# $1 / (1 + e^{-(a - b)})$, the logistic sigmoid of lesson 1, of the difference of the two logits.
#
# ## Only differences count, and so nothing need overflow
#
# Add 5 to all three logits. Each $e^z$ becomes $e^5$ times as large, the sum as well, and the
# factor cancels: the same p. So far it is a curiosity. But the largest number that float32 can hold
# is about 3.4e38, which is $e^{88.7}$. Beyond it lies infinity, and infinity divided by infinity is
# "not a number", nan. This is an **overflow**. One nan in the logits, and after the next step
# weights are nan in every layer, for good. A network that trains at too high a rate soon has logits
# of 90.
#
# The cure, a piece of **numerical stability**, costs one subtraction. Before the exponential,
# subtract the largest logit. Then the largest exponent is 0, its exponential 1, and all others lie
# between 0 and 1. The sum is at least 1 and at most the number of classes. What is far below the
# largest may become 0, and that does no harm, because such a p is 0 to all digits that we have.


# %%
def softmax(z):
    exps = np.exp(z - z.max(axis=-1, keepdims=True))  # axis -1: along the classes
    return exps / exps.sum(axis=-1, keepdims=True)


assert np.allclose(softmax(z), p) and np.allclose(softmax(z + 5), p)
large = np.array([1000.0, 999.0, 997.0], np.float32)
with np.errstate(over="ignore", invalid="ignore"):  # or NumPy would warn, rightly
    broken = softmax_naive(large)
print(f"logits {large}: without the subtraction {broken}, with it {softmax(large).round(3)}")
assert np.isnan(broken).all() and np.allclose(softmax(large), p, atol=1e-6)
assert np.isfinite(np.exp(np.float32(88.7))) and np.exp(88.8) > np.finfo(np.float32).max

# %% [markdown]
# ## How wrong: minus the log of the right class's probability
#
# The **label** of an image says which class is right; we call that class r. Only its probability
# matters for the loss: the nearer to 1 the better. The **cross-entropy** is minus its logarithm
# (log is the natural one, ln, in all of this course):
#
# $$\text{loss} = -\log p_r$$
#
# | $p_r$ | 1 | 0.9 | 0.5 | 0.1 | 0.01 | 0.0001 |
# |---|---|---|---|---|---|---|
# | loss | 0 | 0.105 | 0.693 | 2.303 | 4.605 | 9.210 |
#
# Nothing to pay for being sure and right; every factor of ten towards 0 costs 2.303 more, without
# end. Who guesses among ten classes says 1/10 each time and has the loss log 10 = 2.303. Remember
# that number: a network for digits that stays at 2.30 has learned nothing. (One that begins far
# above it is wrong, and surer of it than a guesser.)
#
# Why the logarithm? The probability of getting *all* labels right, for independent images, is the
# product of their $p_r$, and in any computer a product of thousands of numbers such as 0.5 is 0.
# The log turns it into a sum: the smallest mean of $-\log p_r$ is the largest product of $p_r$.
# Statistics calls the loss the **negative log-likelihood**, and whoever makes it small chooses the
# weights under which the labels that were seen are most probable.
#
# The general form compares two lists of probabilities, what should be, q, and what the network
# says, p: $-\sum_c q_c \log p_c$. Ours is the case where q is 1 for the right class and 0 for all
# others, which is called **one-hot**.

# %%
right = 1  # the image shows a dog
loss = -np.log(p[right])
one_hot = np.eye(3)[right]  # row 1 of the identity matrix
print(f"one-hot {one_hot}, loss -log {p[right]:.3f} = {loss:.3f}; a guesser's {np.log(3):.3f}")
assert np.isclose(loss, -(one_hot * np.log(p)).sum())
table = -np.log([1, 0.9, 0.5, 0.1, 0.01, 0.0001])
assert (table.round(3) == [0, 0.105, 0.693, 2.303, 4.605, 9.210]).all()
chances = np.random.default_rng(0).uniform(0.1, 0.9, 8000)
assert np.prod(chances) == 0 and np.isfinite(-np.log(chances).mean())

# %% [markdown]
# ## Log-sum-exp
#
# One trap is left. With logits (1000, 0, 0) and class 1 right, p[1] is $e^{-1000}$, which even
# float64 cannot tell from 0, and -log 0 is infinite. But put softmax into the loss: the logarithm
# of a quotient is a difference, and the logarithm of $e^{z_r}$ is $z_r$.
#
# $$-\log \frac{e^{z_r}}{\sum_k e^{z_k}} = \log \sum_k e^{z_k} - z_r$$
#
# The first term is called **log-sum-exp** of z. With m, the largest logit, taken out of the sum it
# is $m + \log \sum_k e^{z_k - m}$: it lies between m and m + log of the number of classes, a soft
# maximum. So the loss says: how far is the right logit below the (soft) largest? Nothing here
# overflows, and no log is taken of a number that has become 0. This is why libraries make one layer
# of softmax and cross-entropy, which takes logits. (PyTorch's `CrossEntropyLoss` does, too. Give it
# probabilities, and it makes softmax of them once more; there is no error, and training is slow.)


# %%
def log_sum_exp(z):
    largest = z.max()
    return largest + np.log(np.exp(z - largest).sum())


assert np.isclose(log_sum_exp(z) - z[right], loss)
assert z.max() < log_sum_exp(z) < z.max() + np.log(3)
hopeless = np.array([1000.0, 0.0, 0.0])
with np.errstate(divide="ignore"):
    print(f"logits {hopeless}: -log p = {-np.log(softmax(hopeless)[right])}", end=", ")
print(f"log-sum-exp minus the right logit = {log_sum_exp(hopeless) - hopeless[right]:.0f}")
assert log_sum_exp(hopeless) - hopeless[right] == 1000

# %% [markdown]
# ## The gradient
#
# Which way is down? We want the derivative of the loss with respect to each logit. Take the two
# terms of $\text{loss} = \log \sum_k e^{z_k} - z_r$ one by one.
#
# 1. The log of a sum S has the derivative 1 / S with respect to S (lesson 0, exercise 3). In S, the
#    logit $z_c$ occurs in one term, $e^{z_c}$, which is its own derivative. Along the chain (lesson
#    2): $\frac{1}{S} \cdot e^{z_c}$. That is $p_c$!
# 2. $-z_r$ has the derivative -1 with respect to the right logit, and 0 to all others: minus the
#    one-hot.
#
# Together:
#
# $$\frac{\partial\, \text{loss}}{\partial z_c} = p_c - \text{onehot}_c$$
#
# What the network says, minus what it should have said. For our dog: (0.705, 0.259, 0.035) minus
# (0, 1, 0), which is (0.705, -0.741, 0.035). A step downhill goes against it: the dog's logit rises
# by what it lacks, the cat's and the car's fall by what they have too much. Unrounded, the three
# add up to 0, as they must, because adding the same to all logits changes nothing.


# %%
def measured_slopes(function, z, h=1e-5):
    """Central differences, as in lesson 2: each element of z a little up and a little down."""
    slopes = np.zeros_like(z)
    for index in np.ndindex(z.shape):
        up, down = z.copy(), z.copy()
        up[index] += h
        down[index] -= h
        slopes[index] = (function(up) - function(down)) / (2 * h)
    return slopes


dz = p - one_hot
measured = measured_slopes(lambda z: log_sum_exp(z) - z[right], z)
print("p - one-hot:", dz.round(3), "  measured:", measured.round(3))
assert np.allclose(measured, dz, atol=1e-8) and abs(dz.sum()) < 1e-12
assert (dz.round(3) == [0.705, -0.741, 0.035]).all()

# %% [markdown]
# ## The same by the Jacobian
#
# Step by step through p it must come to the same, and once in a life one should see it. Every p
# depends on every z, so the derivatives of softmax are a table, the **Jacobian**: row i, column k
# says how $p_i$ changes with $z_k$. Above we found the derivative of $\log p_i = z_i - \log S$: it
# is $1 - p_k$ if i = k, and $-p_k$ if not. The chain rule says that it is also $1 / p_i$ times that
# of $p_i$. So
#
# $$\frac{\partial p_i}{\partial z_k} = p_i (1 - p_k) \text{ if } i = k, \text{ else } -p_i\, p_k$$
#
# The loss $-\log p_r$ looks at row r alone, and its derivative with respect to $p_r$ is $-1 / p_r$.
# Times row r: $-(1 - p_k)$ for the right class, and $+p_k$ for the others. It is p - one-hot again.
# The small $p_r$, which makes one factor huge and the other tiny, has cancelled. Compute the two
# factors apart, and for logits (1000, 0, 0) you get infinity times 0.

# %%
jacobian = np.diag(p) - np.outer(p, p)  # p along the diagonal; [i, k] is p[i] * p[k]
print("the Jacobian of softmax:", *jacobian.round(3), sep="\n    ")
for i, row in enumerate(jacobian):
    assert np.allclose(measured_slopes(lambda z, i=i: softmax(z)[i], z), row, atol=1e-8)
assert np.allclose(-1 / p[right] * jacobian[right], dz)
far = softmax(hopeless)
with np.errstate(divide="ignore", invalid="ignore"):  # -1 / 0, times 0
    assert np.isnan(-1 / far[right] * (np.diag(far) - np.outer(far, far))[right]).all()

# %% [markdown]
# ## Why not the squared error?
#
# It served in lesson 2. Take two classes, so that softmax is a sigmoid y of one number z, and let
# class 1 be right. The squared error $(y - 1)^2$ has the derivative $2 (y - 1) \cdot y (1 - y)$,
# and the factor y (1 - y) is the sigmoid's own. For cross-entropy, $-\log y$, it is
# $-\frac{1}{y} \cdot y (1 - y) = y - 1$: the logarithm has eaten the y that goes to 0. Compare them
# where the network is sure and wrong, at z = -8:


# %%
def sigmoid(z):
    return 1 / (1 + np.exp(-z))


slopes = {
    "squared error": lambda z: 2 * (sigmoid(z) - 1) * sigmoid(z) * (1 - sigmoid(z)),
    "cross-entropy": lambda z: sigmoid(z) - 1,
}
paths, needed = {}, {}
for name, slope in slopes.items():
    at, path = -8.0, [-8.0]
    while sigmoid(at) < 0.9:
        at -= slope(at)  # a step of gradient descent, with rate 1
        path.append(at)
    paths[name], needed[name] = sigmoid(np.array(path)), len(path) - 1
    print(f"{name}: slope {slope(-8.0):+.5f} at z = -8; {needed[name]:,} steps until y > 0.9")
assert 0.00066 < -slopes["squared error"](-8.0) < 0.00068
assert -slopes["cross-entropy"](-8.0) > 0.999
assert needed["cross-entropy"] < 20 and needed["squared error"] > 1000
drawings.sure_and_wrong(slopes, paths)

# %% [markdown]
# The left panel of the figure shows both gradients. The cross-entropy's is largest where the
# network is most wrong. The squared error's is largest where it hesitates, and next to nothing
# where it is sure and wrong: it has given up on just those images that it most needs to learn from.
# At the right, gradient descent from z = -8: what takes the one fewer than 20 steps takes the other
# well over a thousand.
#
# ## A whole batch
#
# A network is given N images at a time, a **batch**, so the logits are (N, classes), and the loss
# is the mean over the batch: a sum divided by N. So each image's gradient is divided by N as well:
#
# $$dz = (p - \text{onehot}) / N$$
#
# This is the one place where the batch's size is divided by. The layers before it only add up over
# the images (lesson 2: $dW = x^T dz$), and their sums are means because dz carries the 1/N. Leave
# it out and everything works, until someone takes batches of 256 instead of 64, and all steps are
# four times as long.


# %%
def softmax_cross_entropy(z, labels):
    """The loss and its gradient with respect to the logits z (N, classes)."""
    rows = np.arange(len(z))
    z = z - z.max(axis=1, keepdims=True)  # each row by its own largest
    exps = np.exp(z)
    sums = exps.sum(axis=1, keepdims=True)
    loss = (np.log(sums[:, 0]) - z[rows, labels]).mean()
    dz = exps / sums  # p
    dz[rows, labels] -= 1  # minus the one-hot
    return loss, dz / len(z)


rng = np.random.default_rng(8)
z, labels = rng.normal(0, 3, size=(4, 10)), rng.integers(10, size=4)
loss, dz = softmax_cross_entropy(z, labels)
measured = measured_slopes(lambda z: softmax_cross_entropy(z, labels)[0], z)
print(f"by hand and measured differ by {np.abs(measured - dz).max():.0e} at most")
assert np.allclose(measured, dz, rtol=0, atol=1e-8)

# %% [markdown]
# The library's `SoftmaxCrossEntropy` (`nn/loss.py`) does the same, and checks what it is given.
# `forward` returns the loss, `backward` its gradient:

# %%
theirs = SoftmaxCrossEntropy()
for name, logits in {"small": z, "large": 1000 * z, "all equal": np.zeros((4, 10))}.items():
    loss, dz = softmax_cross_entropy(logits, labels)
    assert np.isclose(theirs.forward(logits, labels), loss)
    assert np.allclose(theirs.backward(), dz)
    print(f"{name:>9} logits: loss {loss:8.3f}, by hand and by the library")
assert np.isclose(loss, np.log(10))  # all equal: a guesser


# %%
class QuickLoss:  # for exercise 2
    def forward(self, z, labels):
        self.z, self.labels = z - z.max(), labels
        self.sums = np.exp(self.z).sum(axis=1)
        return (np.log(self.sums) - self.z[np.arange(len(z)), labels]).mean()

    def backward(self):
        p = np.exp(self.z) / self.sums[:, None]
        return (p - np.eye(p.shape[1])[self.labels]) / len(p)


# %% [markdown]
# ## In short
#
# Softmax turns logits into probabilities, cross-entropy is minus the log of the right class's.
#
# - $p_c = e^{z_c} / \sum_k e^{z_k}$; only differences of logits count, so subtract the largest
#   first.
# - $\text{loss} = -\log p_r = \log \sum_k e^{z_k} - z_r$ with r the right class, on average over
#   the batch; log 10 = 2.30 for guessing among ten.
# - $dz = (p - \text{onehot}) / N$, and each row adds up to 0.
# - Behind a softmax the squared error hardly learns from what is sure and wrong.
# - Hand over logits, never probabilities, and subtract each row's own maximum.
#
# ## Exercises (answers: `solutions/solution_08.py`)
#
# 1. By hand: with logits (0, 0, log 2) and class 2 right, what are p, the loss and the gradient?
#    Then take a step of rate 1 downhill. Has the loss fallen?
# 2. BUG: `QuickLoss` agrees with `softmax_cross_entropy` on small random logits and passes a
#    gradient check. Give it a batch in which one image's logits are around 0 and another's around
#    1,000. What happens, and why to the first image only? Mend it.
# 3. **Label smoothing**: the target q is not one-hot but 0.9 for the right class and 0.05 for each
#    of two others. Derive the gradient of $-\sum_c q_c \log p_c$ with respect to z. Where is it 0,
#    and how large is the loss there?
#
# One more checks itself: `lenet check 8 --start mine.py` writes a file to start from.
