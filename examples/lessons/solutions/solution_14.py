# %% [markdown]
# # Lesson 14: solutions

# %%
import numpy as np

from layers import LocalResponseNorm
from nn import Layer, check_gradients


def around(a, n=5):
    """For each channel, the sum of a over its neighbours. Channels are in the last axis."""
    reach = [slice(max(0, i - n // 2), i + n // 2 + 1) for i in range(a.shape[-1])]
    return np.stack([a[..., part].sum(axis=-1) for part in reach], axis=-1)


rng = np.random.default_rng(10)

# %% [markdown]
# ## 1. Caffe's constants
# Caffe computes 1 + (alpha / 5) * sum, so our alpha is 0.0001 / 5 = 0.00002. With k = 1 instead of
# 2, take 2 out of the paper's s: s = 2 (1 + (alpha / 2) * sum). So the paper's layer is Caffe's k =
# 1 with half the (undivided) alpha, divided by 2^0.75 = 1.68, a constant that the next layer's
# weights can make up for. Not equal, but as good.

# %%
x = 20 * rng.standard_normal((2, 3, 3, 8))
caffe = x / (1 + 1e-4 / 5 * around(x**2)) ** 0.75
assert np.allclose(caffe, LocalResponseNorm(alpha=2e-5, k=1).forward(x))
paper = LocalResponseNorm(alpha=1e-4, k=2).forward(x)
assert np.allclose(paper * 2**0.75, LocalResponseNorm(alpha=1e-4 / 2, k=1).forward(x))
print("Caffe's alpha is 0.00002 here; the paper's layer is k = 1, alpha = 0.00005, over 1.68")

# %% [markdown]
# ## 2. The bug
# `QuickNorm` takes dy_i, x_i and s_i out of the sum and leaves x_j in it. That is the derivative of
# y_i with respect to all x_j, added up over j: how channel i reacts to its neighbours. Wanted is
# how the neighbours j react to x_i. It is the transpose that has been forgotten: row for column in
# the table of all dy_j / dx_i. With alpha = 0.0001 the whole term is tiny and so is the error, but
# an error it is: over 100,000 times the mended one's.


# %%
class QuickNorm(Layer):
    mended = False

    def __init__(self, alpha, beta=0.75):
        super().__init__()
        self.alpha, self.beta = alpha, beta

    def forward(self, x, training=False):
        self.x, self.s = x, 2 + self.alpha * around(x**2)
        return x / self.s**self.beta

    def cross(self, dy):
        each = dy * self.x / self.s ** (self.beta + 1)
        if self.mended:
            return 2 * self.alpha * self.beta * self.x * around(each)
        return 2 * self.alpha * self.beta * each * around(self.x)

    def backward(self, dy):
        return dy / self.s**self.beta - self.cross(dy)


x = rng.standard_normal((2, 3, 3, 8))
bad = []
for alpha in (1e-4, 1):
    report = check_gradients(QuickNorm(alpha), x)
    print(f"\nThe bug, alpha = {alpha}:\n{report}")
    bad.append(report.max_error)
assert bad[0] < 1e-3 and bad[1] > 0.1
QuickNorm.mended = True
errors = [check_gradients(QuickNorm(alpha), x).max_error for alpha in (1e-4, 1)]
print(f"Mended: largest errors {errors[0]:.1e} and {errors[1]:.1e}")
assert max(errors) < 1e-6 and bad[0] > 1e5 * errors[0]

# The table of all derivatives at one pixel: row j, column i holds dy_j / dx_i.
QuickNorm.mended = False
pixel = rng.standard_normal((1, 1, 1, 8))
layer, table, step = QuickNorm(1), np.empty((8, 8)), 1e-6
for i in range(8):
    moved = np.where(np.arange(8) == i, step, 0)
    table[:, i] = (layer.forward(pixel + moved) - layer.forward(pixel - moved)).ravel() / (2 * step)
dy = rng.standard_normal(8)
layer.forward(pixel)
assert np.allclose(layer.backward(dy).ravel(), dy * table.sum(axis=1), atol=1e-6)
layer.mended = True
assert np.allclose(layer.backward(dy).ravel(), table.T @ dy, atol=1e-6)
print("It computed dy_i times the sum of row i of the table; wanted is its transpose times dy.")

# %% [markdown]
# ## 3. Large numbers
# For large alpha * x^2 k does not count: y is about x / (alpha * sum of x_j^2)^beta. With x a
# thousand times as large the sum is a million times as large, so y changes by 1000 / 1000000^beta =
# 1000^(1 - 2 beta). With beta = 0.75 that is 1000^(-0.5): the y get *smaller*, 32 times. With beta
# = 0.5 they stay as they are: x is divided by the length of its neighbourhood.

# %%
for beta in (0.5, 0.75):
    norm = LocalResponseNorm(alpha=1, beta=beta)
    ratio = norm.forward(1e6 * x) / norm.forward(1e3 * x)
    print(f"beta = {beta}: x a thousand times as large, y {ratio.mean():.4f} times as large")
    assert np.allclose(ratio, 1000 ** (1 - 2 * beta), rtol=1e-3)
