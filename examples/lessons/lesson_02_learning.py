# %% [markdown]
# # Lesson 2: learning
#
# In lesson 1 we chose all weights. Now a network finds them: we measure how wrong it is (the loss), ask
# of each weight which way the loss falls (its slope), and go a small step that way, again and again. The
# slopes can be measured, slowly; or the chain rule gives them in one go: that is "backpropagation".

# %%
import time
from copy import deepcopy

import numpy as np

from examples.lessons.figures import figure
from nn.plots.style import COLOURS, INK

# %% [markdown]
# ## How wrong is it?
# Xor again: four examples, and for each the answer that we want, its **target**. Three hidden neurons and
# an output, all sigmoids: 13 weights and biases, the **parameters**, at random first. The **loss** is one
# number for how wrong the network is; here the squared error, on average over the examples.

# %%
x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
target = np.array([[0.0], [1.0], [1.0], [0.0]])
rng = np.random.default_rng(3)
start = {"W1": rng.normal(size=(2, 3)), "b1": np.zeros(3), "W2": rng.normal(size=(3, 1)), "b2": np.zeros(1)}


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def forward(params, x):
    hidden = sigmoid(x @ params["W1"] + params["b1"])
    return hidden, sigmoid(hidden @ params["W2"] + params["b2"])


def loss(params):
    return np.mean((forward(params, x)[1] - target) ** 2)


print(f"at first the network answers {forward(start, x)[1][:, 0].round(2)}, loss {loss(start):.3f}")

# %% [markdown]
# ## Which way is down?
# Take one weight, move it a little to both sides, and see how the loss changes:
#
#     slope = (loss(w + h) - loss(w - h)) / 2h                 the *central difference*, h small
# Where the slope is positive, a smaller weight is better; where negative, a larger one. So the step is
# w = w - rate * slope, small where the ground is flat. Many such steps are **gradient descent** (the
# *gradient* is all slopes together, *rate* the learning rate). First with one weight alone:


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
print(f"one weight alone: from {path[0][0]:.2f} to {path[-1][0]:.2f}, loss {path[0][1]:.3f} to {path[-1][1]:.3f}")

# %% [markdown]
# One weight cannot do much. All 13 can, but a step runs the network 26 times: twice a parameter.
# ## The chain rule
# If a moves b 3 times as much, and b moves c 2 times as much, then a moves c 6 times as much: along a
# chain slopes multiply, and where several ways lead to the loss, they add up. So walk from the loss
# backwards, asking at each array how much the loss changes with it. Write dA for these slopes, and A^T (in NumPy A.T)
# for A with rows and columns exchanged; * multiplies number by number, and "hidden W2" is a matrix product:
#
#     forward                             backward
#     loss = mean of (y - target)^2       dy      = 2 (y - target) / N       N examples
#     y = sigmoid(z)                      dz      = dy * y * (1 - y)         the slope of 1 / (1 + e^-z)
#     z = hidden W2 + b2                  dW2     = hidden^T dz
#                                         db2     = dz, added up over the examples
#                                         dhidden = dz W2^T
# Why hidden^T dz? In example n, W2[i, o] multiplies hidden[n, i] on the way to z[n, o]: slope hidden[n, i] * dz[n, o],
# and the product adds up over n. And hidden[n, i] reaches z[n, o] through W2[i, o]. The first layer is no different.


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
print(f"after {len(losses)} steps: {forward(params, x)[1][:, 0].round(2)}, loss {losses[-1]:.4f}, either way")
print(f"a step takes {slow:.0f} microseconds with measured slopes, {fast:.0f} with the chain rule")
assert np.allclose(slow_losses, losses, rtol=1e-3) and (forward(params, x)[1].round() == target).all()
with figure("02_learning", 12, 4.2) as drawing:  # open runs/lessons/02_learning.png
    left, middle, right = drawing.subplots(1, 3)
    weights = np.linspace(-4, 4, 200)
    left.plot(weights, [loss(start | {"W2": np.array([[w], *start["W2"][1:]])}) for w in weights], color=INK)
    left.plot([w for w, _, _ in path], [height for _, height, _ in path], "o", color=COLOURS[1])
    left.axline(path[0][:2], slope=path[0][2], color=COLOURS[1], linewidth=1)
    left.set(title="One weight: downhill (line: first slope)", xlabel="weight W2[0, 0]", ylabel="loss", box_aspect=1)
    middle.plot(slow_losses, linewidth=6, alpha=0.3)
    middle.plot(losses)
    middle.legend(["slopes measured", "slopes by the chain rule"])
    middle.set(title="All 13: the same path", xlabel="step", ylabel="loss", yscale="log", box_aspect=1)
    side = np.linspace(-0.4, 1.4, 200)
    areas = forward(params, np.stack(np.meshgrid(side, side), axis=-1))[1][..., 0]
    right.contourf(side, side, areas, levels=np.linspace(0, 1, 256), cmap="RdBu", vmin=-0.6, vmax=1.6)
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
# 2. BUG: with `backward_wrong` the loss falls, as far as 0.25. Compare it with `measured_slopes`: which
#    arrays are wrong, and what is missing? Why 0.25?
# 3. Start with all weights equal (0.5, say). Why does it never learn xor, whatever the rate?
