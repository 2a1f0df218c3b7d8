# %% [markdown]
# # Lesson 3: answers
#
# The base class, the layer and the check are the lesson's.

# %%
import numpy as np


class Layer:
    def __init__(self, **params):
        self.params, self.grads = params, {}


class Linear(Layer):
    def forward(self, x):
        self.x = x
        return x @ self.params["weight"] + self.params["bias"]

    def backward(self, dy):
        self.grads = {"weight": self.x.T @ dy, "bias": dy.sum(axis=0)}
        return dy @ self.params["weight"].T


def measure(loss, array, h=1e-5):
    slopes = np.zeros_like(array)
    for index, before in np.ndenumerate(array.copy()):
        array[index] = before + h
        above = loss()
        array[index] = before - h
        slopes[index] = (above - loss()) / (2 * h)
        array[index] = before
    return slopes


def check(layer, x):
    r = np.random.default_rng(0).normal(size=layer.forward(x).shape)
    dx, errors = layer.backward(r), {}
    pairs = {"x": (x, dx)} | {name: (layer.params[name], layer.grads[name]) for name in layer.grads}
    for name, (array, gradient) in pairs.items():
        slopes = measure(lambda: (layer.forward(x) * r).sum(), array)
        differences = np.abs(gradient - slopes)
        errors[name] = differences.max() / max(np.abs(gradient).max(), np.abs(slopes).max())
    return errors


def show(errors):
    return ", ".join(f"{name} {error:.0e}" for name, error in errors.items())


rng = np.random.default_rng(1)
x, weight, bias = rng.normal(size=(5, 4)), rng.normal(size=(4, 4)), rng.normal(size=4)

# %% [markdown]
# ## 1. y = x^2
#
# Each number's slope is 2x, so dx = dy * 2x, elementwise. There are no parameters, and `grads`
# stays empty.


# %%
class Square(Layer):
    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dy):
        return dy * 2 * self.x


errors = check(Square(), x)
print("square:", show(errors))
assert errors["x"] < 1e-8

# %% [markdown]
# ## 2. The bug
#
# The check passes `scale` and rejects x: so `backward` returns a wrong dx. It treats the mean as a
# constant. But each x has two ways to the outputs: straight to its own, and through the mean to all
# outputs of its example. The mean is subtracted, so the second way takes away the average of what
# arrives:
#
#     dcentred = dy * scale
#     dx = dcentred - the mean of dcentred over the numbers of the example
#
# It is the p and q of lesson 2: two ways, of which one was forgotten.


# %%
class CentreWrong(Layer):
    def forward(self, x):
        self.centred = x - x.mean(axis=1, keepdims=True)
        return self.centred * self.params["scale"]

    def backward(self, dy):
        self.grads = {"scale": (dy * self.centred).sum(axis=0)}
        return dy * self.params["scale"]


class Centre(CentreWrong):
    def backward(self, dy):
        dcentred = super().backward(dy)
        return dcentred - dcentred.mean(axis=1, keepdims=True)


scale = np.linspace(1, 2, 4)
wrong, mended = check(CentreWrong(scale=scale), x), check(Centre(scale=scale), x)
print("with the bug:", show(wrong))
print("mended:      ", show(mended))
assert wrong["x"] > 1e-2 and wrong["scale"] < 1e-8
assert max(mended.values()) < 1e-8

# %% [markdown]
# ## 3. How small a mistake does it see?
#
# The error that it prints is about the factor minus 1. So everything down to a millionth is above
# the limit of 1e-6, and even less can be seen by whoever looks at the number: a right gradient has
# far less than 1e-8 here.
#
# Measured in float32, right gradients have larger errors by themselves, and no smaller mistake
# could be told from that noise: last, the best that float32 can do for a sigmoid, whatever h.


# %%
class Multiplied(Linear):
    def backward(self, dy):
        dx = super().backward(dy)
        self.grads["weight"] = self.grads["weight"] * self.factor
        return dx


multiplied = Multiplied(weight=weight, bias=bias)
print()
for factor in (1, 1.01, 1 + 1e-4, 1 + 1e-5, 1 + 1e-7, 1 + 1e-9):
    multiplied.factor = factor
    error = check(multiplied, x)["weight"]
    verdict = "passed" if error < 1e-6 else "seen"
    print(f"times {factor:<12.10g} error {error:.0e}  {verdict}")
    assert abs(error - (factor - 1)) < 0.02 * (factor - 1) + 1e-8

z = np.linspace(-3, 3, 1000)
slope = np.exp(-z) / (1 + np.exp(-z)) ** 2
noise = []
for h in np.logspace(-5, 0, 101):
    above, below = (1 / (1 + np.exp(-(z + shift).astype(np.float32))) for shift in (h, -h))
    noise.append(np.abs((above.astype(np.float64) - below) / (2 * h) - slope).max() / slope.max())
print(f"measured in float32, a right slope has an error of {min(noise):.0e} at best")
assert min(noise) > 1e-6
