# %% [markdown]
# # Lesson 3: answers

# %%
import numpy as np

from layers import Linear
from nn import Layer, check_gradients

x = np.random.default_rng(1).normal(size=(5, 4))

# %% [markdown]
# ## 1. y = x^2
# Its slope is 2x, so dx = dy * 2x. There are no parameters, so nothing is written into `grads`.


# %%
class Square(Layer):
    def forward(self, x, training=False, out=None):
        self._saved = x
        return x * x

    def backward(self, dy, input_gradient=True, out=None):
        return dy * 2 * self._saved


report = check_gradients(Square(), x)
print(report)
assert report.max_error < 1e-6

# %% [markdown]
# ## 2. The bug
# The checker passes `scale` and rejects x: so `backward` returns a wrong dx. It treats the mean as
# a constant. But each x has two ways to the outputs: straight to its own, and through the mean to
# all outputs of its example. The second way takes away the average of what arrives:
#
#     dcentred = dy * scale            dx = dcentred - mean of dcentred over the features


# %%
class CentreWrong(Layer):
    def __init__(self, features):
        super().__init__()
        self._add_param("scale", np.linspace(1, 2, features))

    def forward(self, x, training=False, out=None):
        self._saved = x - x.mean(axis=1, keepdims=True)
        return self._saved * self.params["scale"]

    def backward(self, dy, input_gradient=True, out=None):
        self.grads["scale"][...] = (dy * self._saved).sum(axis=0)
        return dy * self.params["scale"]


class Centre(CentreWrong):
    def backward(self, dy, input_gradient=True, out=None):
        dcentred = super().backward(dy)
        return dcentred - dcentred.mean(axis=1, keepdims=True)


wrong, mended = check_gradients(CentreWrong(4), x), check_gradients(Centre(4), x)
print(f"\n{wrong}\n\nmended:\n{mended}")
assert wrong.arguments["x"].error > 1e-2 and wrong.arguments["scale"].error < 1e-6
assert mended.max_error < 1e-6

# %% [markdown]
# ## 3. How small a mistake does it see?
# The error that it prints is about the factor minus 1, so everything down to a millionth is seen,
# and even less if one looks at the number: a right gradient has less than 1e-9. Measured in
# float32, right gradients have larger errors by themselves, and no smaller mistake could be told
# from that noise: below, the best that float32 can do for a sigmoid, whatever h.


# %%
class Multiplied(Linear):
    factor = 1.0

    def backward(self, dy, input_gradient=True, out=None):
        dx = super().backward(dy)
        self.grads["weight"] *= self.factor
        return dx


print()
for Multiplied.factor in (1, 1.01, 1 + 1e-4, 1 + 1e-5, 1 + 1e-7, 1 + 1e-9):
    error = check_gradients(Multiplied(4, 4, rng=0), x).arguments["weight"].error
    print(
        f"times {Multiplied.factor:<12.10g} error {error:.0e}  {'passed' if error < 1e-6 else 'seen'}"
    )
    assert abs(error - (Multiplied.factor - 1)) < 0.02 * (Multiplied.factor - 1) + 1e-9

z = np.linspace(-3, 3, 1000)
slope = np.exp(-z) / (1 + np.exp(-z)) ** 2
noise = []
for h in np.logspace(-5, 0, 101):
    above, below = (1 / (1 + np.exp(-(z + shift).astype(np.float32))) for shift in (h, -h))
    noise.append(np.abs((above.astype(np.float64) - below) / (2 * h) - slope).max() / slope.max())
print(f"measured in float32, a right slope has an error of {min(noise):.0e} at best")
assert min(noise) > 1e-6
