# %% [markdown]
# # Lesson 3: is the backward pass right?
#
# A wrong backward pass raises no error. The loss may even fall (lesson 2, exercise 2), and the
# network is merely worse than it could be. But there is a test that finds nearly every such
# mistake: measure the slopes and compare. It is called a **gradient check**: the **numerical**
# gradient, measured, against the **analytic** one, which `backward` computes. It takes some twenty
# lines. We write it, break a layer in three ways, and see what the check says, and what it cannot
# say.

# %%
import numpy as np

import layers
import nn
from examples.lessons.drawings import gradient_check as draw

# %% [markdown]
# ## A layer is two functions
#
# The backward pass of lesson 2 falls into pieces that know nothing of each other. Each layer has
# two functions, and a network asks no more of it:
#
#     y  = layer.forward(x)      computes y, and keeps what the way back will need
#     dx = layer.backward(dy)    from the gradient with respect to y makes that with respect to x,
#                                and writes those of its parameters into layer.grads
#
# The dx of one layer is the dy of the layer before it. So a network's backward pass is a loop over
# its layers, from the last to the first. Here is the layer of lesson 2, $y = x W + b$, in this
# form. (`**params` collects what is given by name, as in `Linear(weight=..., bias=...)`, in a
# dictionary.)


# %%
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


# %% [markdown]
# ## The check
#
# A slope needs *one* number that goes up and down, and a layer has many outputs. So we make up a
# loss: each output times a random number r of its own, and all added up,
#
# $$\text{loss} = \sum_k y_k \cdot r_k$$
#
# The gradient of this loss with respect to $y_k$ is $r_k$. So r is the dy that we hand to
# `backward`. (Why not simply the sum of all outputs, with a dy of ones? Then a `backward` that
# forgets to multiply by dy would pass.)
#
# Now each **element** (number) of x, and of each parameter, is moved to both sides. `measure` does
# that; `check` compares with `backward` and prints where they differ most:


# %%
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
    print("argument     error  worst element  backward says  measured")
    for name, (array, gradient) in pairs.items():
        slopes = measure(lambda: (layer.forward(x) * r).sum(), array)
        differences = np.abs(gradient - slopes)
        worst = np.unravel_index(differences.argmax(), differences.shape)
        errors[name] = differences[worst] / max(np.abs(gradient).max(), np.abs(slopes).max())
        place = str([int(i) for i in worst])
        print(f"{name:10} {errors[name]:7.0e}  {place:13}", end="")
        print(f"  {gradient[worst]:13.9f}  {slopes[worst]:.9f}")
    return errors


rng = np.random.default_rng(1)
x, weight, bias = rng.normal(size=(5, 4)), rng.normal(size=(4, 4)), rng.normal(size=4)
errors = check(Linear(weight=weight, bias=bias), x)
assert max(errors.values()) < 1e-8

# %% [markdown]
# The table has a row for each **argument**, that is, for what was moved: the input x and each
# parameter.
#
# - **worst element**: the place in that array where `backward` and the measured slope differ most.
# - **backward says**, **measured**: the two numbers at that place.
# - **error**: their difference, divided by the largest slope of the whole argument: a **relative
#   error**. So 1e-2 is one part in a hundred.
#
# How large may the error be? Measuring has errors of its own, of which more below. In float64,
# which is NumPy's usual kind of number, a right backward pass comes out below 1e-6, here far below.
# The mistakes that follow come out above 1e-2; there is a wide gap between right and wrong.
#
# ## Three broken layers
#
# Now we break the layer. (`super().backward(dy)` calls the right one of `Linear`.) The weights are
# a square matrix, 4x4, so that the forgotten transpose of the first bug is no error of shapes.


# %%
class Broken(Linear):
    def backward(self, dy):
        dx = super().backward(dy)
        if self.bug == "transpose forgotten":
            dx = dy @ self.params["weight"]
        if self.bug == "bias not added up":
            self.grads["bias"] = dy[0]
        if self.bug == "mean, not sum":
            self.grads["weight"] = self.grads["weight"] / len(dy)
        return dx


broken = Broken(weight=weight, bias=bias)
bugs = {"transpose forgotten": "x", "bias not added up": "bias", "mean, not sum": "weight"}
for bug, where in bugs.items():
    broken.bug = bug
    print(f"\n{bug}:")
    errors = check(broken, x)
    assert [name for name, error in errors.items() if error > 1e-2] == [where]
assert np.isclose(errors["weight"], 1 - 1 / 5)  # of the last one: a fifth of what it should be

# %% [markdown]
# The table says not only *that* something is wrong but *where*: each bug shows in one row, and the
# other two are right. Compare the two numbers in the last table: one is five times the other, and
# there are five examples. Such a factor often gives the bug away.
#
# ## What it cannot say
#
# A gradient check compares `backward` with `forward`. It cannot know whether `forward` computes
# what you meant. The layer below subtracts the bias, and its `backward` agrees: consistent, and not
# what is wanted. So the check passes. Nor can it see whether each target belongs to its example, or
# whether the learning rate is any good.


# %%
class Subtracts(Linear):
    def forward(self, x):
        self.x = x
        return x @ self.params["weight"] - self.params["bias"]

    def backward(self, dy):
        dx = super().backward(dy)
        self.grads["bias"] = -self.grads["bias"]
        return dx


print()
assert max(check(Subtracts(weight=weight, bias=bias), x).values()) < 1e-8  # passes

# %% [markdown]
# ## The library's check
#
# `nn.check_gradients` does the same with more care, for one layer or for a whole network. Its table
# has two columns more: how many elements were **checked** (200 of each argument at most, since a
# large layer has millions), and how many were left out at **kinks** (below).
#
# To be checked by it, and to stand in a network, a layer is a subclass of `nn.Layer`. Its functions
# accept a few more arguments, which save work and which you may ignore: `training` (False: keep
# nothing), `input_gradient` (False: nobody needs dx), `out` (memory for the result). And
# `_add_param` makes a parameter and a place for its gradient, which `[...] =` fills.


# %%
class LibraryLinear(nn.Layer):
    def __init__(self, inputs, outputs):
        super().__init__()
        rng = np.random.default_rng(0)
        self._add_param("weight", rng.normal(size=(inputs, outputs)))
        self._add_param("bias", rng.normal(size=outputs))

    def forward(self, x, training=False, out=None):
        self.x = x
        return x @ self.params["weight"] + self.params["bias"]

    def backward(self, dy, input_gradient=True, out=None):
        self.grads["weight"][...] = self.x.T @ dy
        self.grads["bias"][...] = dy.sum(axis=0)
        return dy @ self.params["weight"].T


network = nn.Network([("first", LibraryLinear(4, 6)), ("second", LibraryLinear(6, 3))])
report = nn.check_gradients(network, x)
print(f"\n{report}")
assert report.max_error < 1e-6

# %% [markdown]
# You may stop here, and go on to "In short" at the end. What follows explains why the library's
# check is as it is.
#
# ## Optional: how finely can a slope be measured?
#
# $\frac{f(x+h) - f(x-h)}{2h}$ has two errors. With a large h the curve bends between the two sides;
# that error grows as $h^2$. With a small h the two values of f differ in their last digits only,
# and of those the computer has no more than 16 (float64) or 7 (float32). Somewhere between is the
# best h.
#
# The first error can be made to cancel. Let d(h) be the central difference (lesson 0) with h. Its
# error is about $c h^2$, and with half the step a quarter of that, $c h^2 / 4$. So
# $4 d(h/2) - d(h)$ has none of it, and is three times the slope:
#
# $$\text{slope} \approx \frac{4 \, d(h/2) - d(h)}{3}$$
#
# (Richardson 1911). In lesson 0, for $x^3$ at 2, d(1) was 13, and d(0.5) is 12.25; this gives
# $(49 - 13) / 3 = 12$, which is exact. The library's check does that. Here are all three, for a
# sigmoid at 1,000 places:


# %%
def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def central(f, z, h):
    return (f(z + h) - f(z - h)) / (2 * h)


z, hs = np.linspace(-3, 3, 1000), np.logspace(-8, 0, 161).tolist()
measured = {
    "float32": [central(sigmoid, z.astype(np.float32), h) for h in hs],
    "float64": [central(sigmoid, z, h) for h in hs],
    "float64, h and h/2": [
        (4 * central(sigmoid, z, h / 2) - central(sigmoid, z, h)) / 3 for h in hs
    ],
}
true = sigmoid(z) * (1 - sigmoid(z))
errors = {name: [np.abs(d - true).max() for d in curve] for name, curve in measured.items()}
best = {name: min(curve) for name, curve in errors.items()}
print()
for name, curve in errors.items():
    print(f"{name:18}  smallest error {best[name]:.0e}, with h = {hs[np.argmin(curve)]:.0e}")
assert (4 * 12.25 - 13) / 3 == 12 == (4 * central(lambda v: v**3, 2, 0.5) - 13) / 3
assert best["float64, h and h/2"] < best["float64"] / 10 < best["float32"] / 1000

# %% [markdown]
# float32 keeps few digits of a slope, and fewer still where a loss adds up thousands of numbers:
# small mistakes hide there. So the check converts everything to float64.
#
# ## Optional: kinks
#
# There must *be* a slope. **ReLU** (rectified linear unit), $\max(0, x)$, an activation function
# that later lessons use, has the slope 0 on the left and 1 on the right, and at 0 a **kink**. With
# one side left of it and one right of it we measure something in between, and the check raises a
# false alarm. The library's check measures with h and with h/2 anyway, and looks at
# $f(x + h) - 2 f(x) + f(x - h)$, how far the curve bends: on a smooth curve half the h makes that a
# quarter, at a kink not. Such elements it leaves out, and counts. The figure shows how exactly a
# slope can be measured, and what is measured near a kink.


# %%
class Relu(Layer):
    def forward(self, x):
        self.x = x
        return np.maximum(0, x)

    def backward(self, dy):
        return dy * (self.x > 0)


near = np.array([[-1.0, -0.000003, 0.000002, 0.5]])
print("\na right backward pass, and a false alarm:")
assert check(Relu(), near)["x"] > 0.05
kinks = nn.check_gradients(layers.ReLU(), near).arguments["x"].skipped
print(f"the library's check leaves out {kinks} of 4 elements")
assert kinks == 2
draw.accuracy_and_kink(hs, errors)


# %% [markdown]
# ## In short
#
# - A layer: `forward(x)` computes y and keeps what is needed; `backward(dy)` returns dx and fills
#   `grads`.
# - Gradient check: make up a loss $\sum_k y_k r_k$ with random r, hand r to `backward`, and compare
#   with $\frac{f(x+h) - f(x-h)}{2h}$ for every element.
# - Relative error = largest difference / largest slope: below 1e-6 in float64 it has passed.
# - It says where the mistake is. Use shapes that are not square, and several examples.
# - It shows that `backward` fits `forward`, not that `forward` is what you meant.


# %%
class Centre(Layer):  # for exercise 2: y = scale * (x - the mean of its example)
    def forward(self, x):
        self.centred = x - x.mean(axis=1, keepdims=True)  # keepdims: as a column, (N, 1)
        return self.centred * self.params["scale"]

    def backward(self, dy):
        self.grads = {"scale": (dy * self.centred).sum(axis=0)}
        return dy * self.params["scale"]


# %% [markdown]
# ## Exercises (answers: `solutions/solution_03.py`)
#
# 1. Write a layer for $y = x^2$, elementwise, and check it with `check`.
# 2. BUG: `Centre(scale=np.linspace(1, 2, 4))` has a mistake. What does the check say, and what did
#    its author forget?
# 3. Multiply a right weight gradient by 1.01, 1.0001, ... Down to which factor does the check see
#    it, if more than 1e-6 counts as wrong?
#
# One more checks itself: `lenet check 3 --start mine.py` writes a file to start from.
