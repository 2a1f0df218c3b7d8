# %% [markdown]
# # Lesson 2: learning
#
# In lesson 1 we chose all weights. Now a network finds them: we measure how wrong it is (the loss),
# ask of each weight which way the loss falls (its slope), and go a small step that way, again and
# again. The slopes can be measured, slowly; or the chain rule gives them in one go: that is
# **backpropagation**.

# %%
import time
from copy import deepcopy

import numpy as np

from examples.lessons.figures import figure
from nn.plots.style import COLOURS, INK

# %% [markdown]
# ## How wrong is it?
# Xor again: four examples, and for each the answer that we want, its **target**. Three hidden
# neurons and an output, all sigmoids: 13 weights and biases, the **parameters**, at random first.
# The **loss** is one number for how wrong the network is; here the squared error, on average over
# the examples.

# %%
x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
target = np.array([[0.0], [1.0], [1.0], [0.0]])
rng = np.random.default_rng(3)
start = {
    "W1": rng.normal(size=(2, 3)),
    "b1": np.zeros(3),
    "W2": rng.normal(size=(3, 1)),
    "b2": np.zeros(1),
}


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def forward(params, x):
    hidden = sigmoid(x @ params["W1"] + params["b1"])
    return hidden, sigmoid(hidden @ params["W2"] + params["b2"])


def loss(params):
    return np.mean((forward(params, x)[1] - target) ** 2)


assert sum(array.size for array in start.values()) == 13
print(f"at first the network answers {forward(start, x)[1][:, 0].round(2)}, loss {loss(start):.3f}")

# %% [markdown]
# ## Which way is down?
# Take one weight, move it a little to both sides, and see how the loss changes:
#
#     slope = (loss(w + h) - loss(w - h)) / 2h                 the *central difference*, h small
# Where the slope is positive, a smaller weight is better; where negative, a larger one. So the step
# is w = w - rate * slope, small where the ground is flat. Many such steps are **gradient descent**
# (the *gradient* is all slopes together, *rate* the learning rate). First with one weight alone:


# %%
def measured_slopes(params, h=1e-5):
    slopes = {name: np.zeros_like(array) for name, array in params.items()}
    for name, array in params.items():
        for index, before in np.ndenumerate(array.copy()):
            array[index] = before + h
            above = loss(params)
            array[index] = before - h
            slopes[name][index] = (above - loss(params)) / (2 * h)
            array[index] = before
    return slopes


params, path = deepcopy(start), []
for _ in range(12):
    path.append((params["W2"][0, 0], loss(params), measured_slopes(params)["W2"][0, 0]))
    params["W2"][0, 0] -= 10 * path[-1][2]
assert path[-1][1] > 0.2
print(
    f"one weight alone: from {path[0][0]:.2f} to {path[-1][0]:.2f}, loss {path[0][1]:.3f} to {path[-1][1]:.3f}"
)

# %% [markdown]
# One weight cannot do much. All 13 can, but a step runs the network 26 times: twice a parameter.
#
# ## The chain rule, on one neuron
# If p moves q 3 times as much, and q moves r 2 times as much, then p moves r 6 times as much:
# **along a chain slopes multiply**. Take a single neuron with x = 2, w = 3, b = -5 and target 0,
# and write down every number on the way:
#
#     x = 2 --+
#             +-- * --> a = 6 --+
#     w = 3 --+                 +-- + --> z = 1 -- sigmoid --> y = 0.731 -- (y - target)^2 --> loss = 0.534
#                      b = -5 --+
#
# Each arrow is a small function, and its slope, the **local derivative**, needs nothing but the
# numbers beside it:
#
# - loss = (y - target)^2: the factor y - target occurs twice. As one of two factors it has the
#   other as its slope, and **where several ways lead to the loss, slopes add up**: dloss/dy = (y -
#   target) + (y - target) = 2 (y - target)
# - y = 1 / (1 + e^-z): dy/dz = e^-z / (1 + e^-z)^2 = y (1 - y), because 1 - y = e^-z / (1 + e^-z)
# - z = a + b: dz/da = 1 and dz/db = 1; a = x w: da/dw = x and da/dx = w
#
# Now from the loss backwards: the gradient at an arrow's end, times its local derivative, is the
# gradient at its start. Each is made once, however many weights lie before it. That is all that
# backpropagation does.


# %%
def one_neuron(x, w, b):
    a = x * w
    z = a + b
    y = sigmoid(z)
    return {"a": a, "z": z, "y": y, "loss": (y - 0) ** 2}


inputs = {"x": 2.0, "w": 3.0, "b": -5.0}
at = inputs | one_neuron(**inputs)
assert [round(at[name], 3) for name in ("a", "z", "y", "loss")] == [6, 1, 0.731, 0.534]
arrows = [  # from, to, the local derivative in letters and as a number, and the function
    ("y", "loss", "2 (y - target)", 2 * (at["y"] - 0), lambda y: (y - 0) ** 2),
    ("z", "y", "y (1 - y)", at["y"] * (1 - at["y"]), sigmoid),
    ("a", "z", "1", 1.0, lambda a: a + at["b"]),
    ("b", "z", "1", 1.0, lambda b: at["a"] + b),
    ("w", "a", "x", at["x"], lambda w: at["x"] * w),
    ("x", "a", "w", at["w"], lambda x: x * at["w"]),
]
grad, h = {"loss": 1.0}, 1e-5  # the loss moves the loss as much as itself
print("\none neuron, backwards: local derivative, and gradient of the loss")
for name, after, rule, local, function in arrows:
    grad[name] = grad[after] * local
    measured = (function(at[name] + h) - function(at[name] - h)) / (2 * h)
    print(f"  {f'd{after}/d{name}':8} = {rule:14} = {local:.4f}, measured {measured:.4f}", end="")
    print(f"   dloss/d{name} = {grad[after]:.4f} * {local:.4f} = {grad[name]:.4f}")
    assert abs(measured - local) < 1e-9
for name, value in inputs.items():  # and the whole chain at once
    above, below = (one_neuron(**inputs | {name: value + shift})["loss"] for shift in (h, -h))
    assert abs((above - below) / (2 * h) - grad[name]) < 1e-9
stepped = one_neuron(at["x"], at["w"] - grad["w"], at["b"] - grad["b"])[
    "loss"
]  # a step with rate 1
print(f"  one step of w and b downhill: loss {at['loss']:.3f} -> {stepped:.3f}\n")
assert stepped < at["loss"] / 2
places = {
    "x": (0, 1),
    "w": (0, 0),
    "a": (1.5, 1),
    "b": (1.5, 0),
    "z": (3, 1),
    "y": (4.5, 1),
    "loss": (6.4, 1),
}
with figure("02_one_neuron", 12, 3.4) as drawing:  # open runs/lessons/02_one_neuron.png
    axes, circle = drawing.subplots(), {"boxstyle": "circle", "facecolor": "white"}
    for name, after, _, local, _ in arrows:
        (across, up), end = places[name], places[after]
        axes.annotate(
            "", end, (across, up), arrowprops={"arrowstyle": "->", "shrinkA": 24, "shrinkB": 24}
        )
        middle = (across + end[0]) / 2 - 0.25 * (up < end[1]), (up + end[1]) / 2 + 0.05
        axes.text(*middle, f"d{after}/d{name}\n= {local:.3g}", ha="center")
    for name, place in places.items():
        axes.text(*place, f"{name}\n{at[name]:.3g}", ha="center", va="center", bbox=circle)
        axes.text(
            place[0],
            place[1] - 0.42,
            f"{grad[name]:.3g}",
            ha="center",
            color=COLOURS[1],
            weight="bold",
        )
    axes.set(xlim=(-0.4, 6.9), ylim=(-0.55, 1.5)), axes.axis("off")
    axes.set_title(
        "Forward: the values. Backward: the gradient of the loss (orange), times the arrow's derivative"
    )

# %% [markdown]
# ## The same with matrices
# The network is the same for many neurons and examples at once. Write dA for dloss/dA, the gradient
# with respect to an array A, in the shape of A, and A^T (in NumPy A.T) for A with rows and columns
# exchanged: [[1, 2], [3, 4]]^T is [[1, 3], [2, 4]]. * multiplies number by number, and "hidden W2"
# is a matrix product:
#
#     forward                             backward
#     loss = mean of (y - target)^2       dy      = 2 (y - target) / N       N examples
#     y = sigmoid(z)                      dz      = dy * y * (1 - y)         the slope of 1 / (1 + e^-z)
#     z = hidden W2 + b2                  dW2     = hidden^T dz
#                                         db2     = dz, added up over the examples
#                                         dhidden = dz W2^T
# Why hidden^T dz? In example n, W2[i, o] multiplies hidden[n, i] on the way to z[n, o]: slope
# hidden[n, i] * dz[n, o], as x * dz above, and the product adds up over n: a weight works in every
# example, several ways. And hidden[n, i] reaches z[n, o] through W2[i, o]: W2[i, o] * dz[n, o],
# added up over o. The first layer is no different.


# %%
def backward(params):
    hidden, y = forward(params, x)
    dz2 = 2 * (y - target) / len(x) * y * (1 - y)
    dz1 = dz2 @ params["W2"].T * hidden * (1 - hidden)
    return {"W1": x.T @ dz1, "b1": dz1.sum(axis=0), "W2": hidden.T @ dz2, "b2": dz2.sum(axis=0)}


measured, chain = measured_slopes(start), backward(start)
difference = max(np.abs(measured[name] - chain[name]).max() for name in start)
print(f"the 13 slopes, measured and by the chain rule, differ by {difference:.0e} at most")
assert difference < 1e-9


def train(slopes, rate=5.0, steps=1500):
    params, losses, begun = deepcopy(start), [], time.perf_counter()
    for _ in range(steps):
        losses.append(loss(params))
        for name, slope in slopes(params).items():
            params[name] -= rate * slope
    return params, losses, (time.perf_counter() - begun) / steps * 1e6


(_, slow_losses, slow), (params, losses, fast) = train(measured_slopes), train(backward)
print(
    f"after {len(losses)} steps: {forward(params, x)[1][:, 0].round(2)}, loss {losses[-1]:.4f}, either way"
)
print(f"a step takes {slow:.0f} microseconds with measured slopes, {fast:.0f} with the chain rule")
assert (
    np.allclose(slow_losses, losses, rtol=1e-3) and (forward(params, x)[1].round() == target).all()
)
with figure("02_learning", 12, 4.2) as drawing:  # open runs/lessons/02_learning.png
    (left, middle, right), weights = drawing.subplots(1, 3), np.linspace(-4, 4, 200)
    left.plot(
        weights,
        [loss(start | {"W2": np.array([[w], *start["W2"][1:]])}) for w in weights],
        color=INK,
    )
    left.plot([w for w, _, _ in path], [height for _, height, _ in path], "o", color=COLOURS[1])
    left.axline(path[0][:2], slope=path[0][2], color=COLOURS[1], linewidth=1)
    left.set(
        title="One weight: downhill (line: first slope)",
        xlabel="weight W2[0, 0]",
        ylabel="loss",
        box_aspect=1,
    )
    middle.plot(slow_losses, linewidth=6, alpha=0.3)
    middle.plot(losses)
    middle.legend(["slopes measured", "slopes by the chain rule"])
    middle.set(
        title="All 13: the same path", xlabel="step", ylabel="loss", yscale="log", box_aspect=1
    )
    side = np.linspace(-0.4, 1.4, 200)
    areas = forward(params, np.stack(np.meshgrid(side, side), axis=-1))[1][..., 0]
    right.contourf(
        side, side, areas, levels=np.linspace(0, 1, 256), cmap="RdBu", vmin=-0.6, vmax=1.6
    )
    right.scatter(*x.T, c=target, cmap="RdBu", vmin=-0.2, vmax=1.2, s=160, edgecolors=INK)
    right.set(title="What it has learned", xlabel="x[0]", ylabel="x[1]", box_aspect=1)


# %%
def backward_wrong(params):
    hidden, y = forward(params, x)
    dz2 = 2 * (y - target) / len(x) * y * (1 - y)
    dz1 = dz2 @ params["W2"].T
    return {"W1": x.T @ dz1, "b1": dz1.sum(axis=0), "W2": hidden.T @ dz2, "b2": dz2.sum(axis=0)}


# %% [markdown]
# ## Exercises (answers: `solutions/solution_02.py`)
# 1. Train with rates of 0.05, 0.5, 5, 50 and 500. What happens at both ends, and why?
# 2. BUG: with `backward_wrong` the loss falls, as far as 0.25. Compare it with `measured_slopes`:
#    which arrays are wrong, and what is missing? Why 0.25?
# 3. Start with all weights equal (0.5, say). Why does it never learn xor, whatever the rate?
