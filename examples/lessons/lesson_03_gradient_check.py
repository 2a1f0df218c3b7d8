# %% [markdown]
# # Lesson 3: is the backward pass right?
#
# A wrong backward pass raises no error, and the loss may even fall (lesson 2, exercise 2); the
# network is merely worse. So all of this library is checked against measured slopes. Here is how a
# layer is written, how it is checked, and what broken ones look like.

# %%
import numpy as np

from examples.lessons.figures import figure
from layers import Linear, ReLU, Sigmoid
from nn import Layer, Network, check_gradients
from nn.plots.style import COLOURS, INK

# %% [markdown]
# ## What a layer is
# The backward pass of lesson 2 falls into pieces that know nothing of each other: each layer is a
# `forward` and a `backward`, and that is all a network asks of it (`nn/layer.py`).
#
#     y  = layer.forward(x, training=True)     keeps what the backward pass will need
#     dx = layer.backward(dy)                  dy: the gradient with respect to y; returns that for x, and
#                                              writes those for its parameters into layer.grads
# The dx of one layer is the dy of the layer before it: a network's backward pass is a loop
# (`nn/network.py`). `_add_param` makes a parameter and the place for its slopes, which `[...] =`
# fills. (A layer must accept the arguments `training`, `input_gradient` and `out`, which save work
# and memory, or a network cannot call it; it may ignore them.)


# %%
class MyLinear(Layer):
    def __init__(self, inputs, outputs):
        super().__init__()
        rng = np.random.default_rng(0)
        self._add_param("weight", rng.normal(size=(inputs, outputs)))
        self._add_param("bias", rng.normal(size=outputs))

    def forward(self, x, training=False, out=None):
        self._saved = x
        return x @ self.params["weight"] + self.params["bias"]

    def backward(self, dy, input_gradient=True, out=None):
        self.grads["weight"][...] = self._saved.T @ dy
        self.grads["bias"][...] = dy.sum(axis=0)
        return dy @ self.params["weight"].T


x = np.random.default_rng(1).normal(size=(5, 4))
report = check_gradients(MyLinear(4, 4), x)
print(report)
assert report.max_error < 1e-9

# %% [markdown]
# A row for each argument: the input x and each parameter (what "kinks" are comes below).
# `check_gradients` makes up a loss, the sum of the outputs, each times a random number (these
# numbers are its dy); moves each element (of 200 at most) to both sides; and compares. The error is
# the largest difference over the largest slope, and below 1e-6 if all is well. "Worst element" is
# the place of the largest difference, "backward says" the gradient there according to `backward`,
# and "measured" the slope that was measured there.
#
# Now we break the layer in three ways. (Its matrix is square: a forgotten transpose raises no
# error.)


# %%
class Broken(MyLinear):
    bug = "no bug"

    def backward(self, dy, input_gradient=True, out=None):
        dx = super().backward(dy)
        if self.bug == "bias not added up":
            self.grads["bias"][...] = dy[0]
        if self.bug == "mean, not sum":
            self.grads["weight"] /= len(dy)
        return dy @ self.params["weight"] if self.bug == "transpose forgotten" else dx


print("\nerror in                    x    weight      bias")
for Broken.bug in ("no bug", "transpose forgotten", "bias not added up", "mean, not sum"):
    errors = [check.error for check in check_gradients(Broken(4, 4), x).arguments.values()]
    print(f"{Broken.bug:19}", *(f"{error:9.0e}" for error in errors))
    assert (max(errors) > 1e-2) == (Broken.bug != "no bug")

# %% [markdown]
# The table says not only *that* something is wrong but *where*.
# ## How finely can a slope be measured?
# Take a sigmoid at 1,000 places; its slope is y (1 - y). With a large h the curve bends between the
# two sides, an error that grows as h^2. With a small h the sides differ in their last digits only;
# float32 has 7 digits, float64 has 16. Somewhere between is the best h. The checker goes one
# better: it takes two central differences, d(h) and d(h/2), and then (4 d(h/2) - d(h)) / 3, in
# which the two errors in h^2 cancel (Richardson).


# %%
def central_difference(z, h):
    above, below = (1 / (1 + np.exp(-(z + z.dtype.type(shift)))) for shift in (h, -h))
    return (above.astype(np.float64) - below) / (2 * h)


z, hs = np.linspace(-3, 3, 1000), np.logspace(-8, 0, 161)
y = 1 / (1 + np.exp(-z))
curves = {
    "float32": [central_difference(z.astype(np.float32), h) for h in hs],
    "float64": [central_difference(z, h) for h in hs],
    "float64, h and h/2": [
        (4 * central_difference(z, h / 2) - central_difference(z, h)) / 3 for h in hs
    ],
}
errors = {name: [np.abs(d - y * (1 - y)).max() for d in curve] for name, curve in curves.items()}
for name, error in errors.items():
    print(f"{name:18}  smallest error {min(error):.0e}, with h = {hs[np.argmin(error)]:.0e}")
digits = {
    name: int(np.log10(0.25 / min(error))) for name, error in errors.items()
}  # of the largest slope, 1/4
print(
    f"so of a slope float32 keeps {digits['float32']} digits at best, float64 {digits['float64, h and h/2']}"
)
assert digits["float32"] < 6 and digits["float64, h and h/2"] > digits["float64"] > 8
assert (
    min(errors["float64, h and h/2"]) < min(errors["float64"]) / 10 < min(errors["float32"]) / 1000
)

# %% [markdown]
# float32 keeps few digits, and fewer still where a loss adds up thousands of numbers: mistakes hide
# there. So the checker converts everything to float64. And there must *be* a slope: **ReLU**,
# max(0, x), has a **kink** at 0, and with one side left, one right of it we measure something
# between 0 and 1. The checker (h = 0.0001) looks at f(x+h) - 2 f(x) + f(x-h): half an h makes it a
# quarter, but not at a kink; such elements it skips and counts.

# %%
report = check_gradients(ReLU(), np.array([[-1.0, -0.00003, 0.00002, 0.5]]))
print(
    f"ReLU: {report.arguments['x'].skipped} of 4 elements near the kink, error elsewhere {report.max_error:.0e}"
)
assert report.arguments["x"].skipped == 2
network = Network(
    [("hidden", Linear(4, 6, rng=0)), ("sigmoid", Sigmoid()), ("out", Linear(6, 3, rng=1))]
)
report = check_gradients(network, x)
print(
    f"a whole network, {len(report.arguments)} arguments at once: largest error {report.max_error:.0e}"
)
with figure("03_gradient_check", 11, 4.2) as drawing:  # open runs/lessons/03_gradient_check.png
    left, right = drawing.subplots(1, 2)
    for name, error in errors.items():
        left.loglog(hs, error, label=name)
    left.set(
        title="How wrong a measured slope is", xlabel="h", ylabel="largest error of 1,000 slopes"
    )
    left.legend()
    place = np.linspace(-3e-4, 3e-4, 601)
    right.plot(place, place > 0, ":", color=INK, label="slope")
    slope = (np.maximum(place + 1e-4, 0) - np.maximum(place - 1e-4, 0)) / 2e-4
    right.plot(place, slope, color=COLOURS[1], label="measured with h = 0.0001")
    right.set(
        title="ReLU: no slope to measure near the kink",
        xlabel="x",
        ylabel="slope",
        ylim=(-0.05, 1.3),
    )
    right.legend(loc="upper left")


# %%
class Centre(Layer):  # y = scale * (x - the mean of its example)
    def __init__(self, features):
        super().__init__()
        self._add_param("scale", np.linspace(1, 2, features))

    def forward(self, x, training=False, out=None):
        self._saved = x - x.mean(axis=1, keepdims=True)
        return self._saved * self.params["scale"]

    def backward(self, dy, input_gradient=True, out=None):
        self.grads["scale"][...] = (dy * self._saved).sum(axis=0)
        return dy * self.params["scale"]


# %% [markdown]
# ## Exercises (answers: `solutions/solution_03.py`)
# 1. Write a layer for y = x^2, and check it.
# 2. BUG: `Centre` has a mistake. What does the checker say, and what did its author forget?
# 3. Multiply a right weight gradient by 1.01, 1.0001, ... Which factors come out below 1e-6, and
#    are passed?
