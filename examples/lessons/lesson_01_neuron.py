# %% [markdown]
# # Lesson 1: a neuron, a layer, a network
#
# A neural network is one small part, repeated: the neuron. We build one by hand, see what it can
# say and what it cannot, put several side by side (a layer) and one after the other (a network).
# Nothing learns yet, we choose every number ourselves; how a network finds its own numbers is
# lesson 2. Run this file from the repository's root with `python -m
# examples.lessons.lesson_01_neuron`, or cell by cell in an editor that knows `# %%` (VS Code,
# Spyder, PyCharm).
#
# What you need: Python, NumPy arrays as far as `a[0]`, `a.shape` and `a + b`, and the slope of a
# curve from school. Nothing of networks; matrices are explained where they are first used.

# %%
import numpy as np

from examples.lessons.figures import figure
from nn.plots.style import INK

# %% [markdown]
# ## A neuron
# A neuron takes some numbers x, its **inputs**. It has a **weight** w for each of them, and one
# number more, the **bias** b. It multiplies, adds up, and looks on which side of zero the sum
# falls:
#
#     z = x[0] w[0] + x[1] w[1] + b          answer = 1 if z > 0, else 0        (the *threshold*)
#
# A weight says how strongly its input speaks for the answer 1, or against it if the weight is
# negative. The bias is the mood before any input is heard. A walk? Sun is for it, wind against it,
# I am lazy:


# %%
def threshold(z):
    return (z > 0).astype(float)


w, b = np.array([2.0, -1.0]), -0.5  # sun, wind; laziness
for x in np.array([[1.0, 0.0], [1.0, 1.0], [0.2, 0.0], [0.5, 0.8]]):
    z = x[0] * w[0] + x[1] * w[1] + b
    print(
        f"sun {x[0]:.1f}, wind {x[1]:.1f}:  z = {z:+.1f}  ->  {'walk' if threshold(z) else 'stay'}"
    )

# %% [markdown]
# Where z = 0 the neuron changes its mind. That place is a straight line: the weights are an arrow
# at right angles to it that points to the side of the answer 1; the bias shifts the line. The
# threshold knows no "perhaps", and a small change of a weight mostly changes nothing at all. A
# smooth step has neither fault, and lesson 2 will need that: the **logistic sigmoid**, sigmoid for
# short,
#
#     sigmoid(z) = 1 / (1 + e^-z)              e = 2.718...; in NumPy e^-z is np.exp(-z)
#
# It is 0.5 at z = 0, near 0 far below, near 1 far above. (The library's is in
# `layers/activations.py`. Elsewhere in this library it is called log-sigmoid, which is short for
# "logistic sigmoid". PyTorch's `LogSigmoid` is another function, the logarithm of this one;
# PyTorch's name for ours is `Sigmoid`.) `points @ w` below: all sums at once.


# %%
def sigmoid(z):
    return 1 / (1 + np.exp(-z))


assert sigmoid(0) == 0.5 and sigmoid(-8) < 0.001 and sigmoid(8) > 0.999


def draw_areas(axes, answer, title, labels, low=0.0, high=1.0):
    """Colour a square by the answer at each of its points: red for 0, blue for 1."""
    side = np.linspace(low, high, 801)
    area = answer(np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)).reshape(801, 801)
    axes.imshow(
        area, origin="lower", extent=(low, high, low, high), cmap="RdBu", vmin=-0.6, vmax=1.6
    )
    axes.contour(side, side, area, levels=[0.5], colors=INK, linewidths=1)
    axes.set(title=title, xlabel=labels[0], ylabel=labels[1])


with figure("01_neuron", 12, 4.2) as drawing:  # when it has run, open runs/lessons/01_neuron.png
    left, middle, right = drawing.subplots(1, 3)
    draw_areas(
        left,
        lambda points: threshold(points @ w + b),
        "Threshold: walk (blue) or stay",
        ("sun", "wind"),
    )
    left.annotate("", (0.74, 0.38), (0.50, 0.50), arrowprops={"arrowstyle": "->", "lw": 2})
    left.text(0.60, 0.28, "the weights")
    z = np.linspace(-8, 8, 801)
    middle.plot(z, threshold(z), ":", z, sigmoid(z), "-")
    middle.set(title="From the sum to the answer", xlabel="z", ylabel="answer", box_aspect=1)
    middle.legend(["threshold", "sigmoid"], loc="upper left")
    draw_areas(
        right, lambda points: sigmoid(points @ w + b), "Sigmoid: how willingly", ("sun", "wind")
    )

# %% [markdown]
# ## A layer
# A **layer** is several neurons with the same inputs. Write N examples as the rows of a matrix x
# (N, inputs), and each neuron's weights as one column of a matrix W (inputs, outputs). The sum of
# neuron o for example n needs row n of x and column o of W: multiply them number by number, and add
# up. All these sums together are again a matrix, with a row for each example and a column for each
# neuron, the **matrix product** x W. Two examples and two neurons:
#
#     x = | 1  2 |     W = | 5  6 |     x W = | 1*5 + 2*7   1*6 + 2*8 | = | 19  22 |
#         | 3  4 |         | 7  8 |           | 3*5 + 4*7   3*6 + 4*8 |   | 43  50 |
#
# In NumPy it is `x @ W`, while `x * W` multiplies number by number: [[5, 12], [21, 32]]. Adding b,
# one bias for each neuron, to a matrix adds it to every row (NumPy calls that *broadcasting*). So a
# layer is `x @ W + b` (`layers/linear.py`), and the order matters: W x is another matrix.

# %%
x, W = np.array([[1, 2], [3, 4]]), np.array([[5, 6], [7, 8]])
assert (x @ W == [[19, 22], [43, 50]]).all() and (x * W == [[5, 12], [21, 32]]).all()
assert (x @ W + np.array([100, 200]) == [[119, 222], [143, 250]]).all() and (W @ x != x @ W).any()
print(
    f"a matrix product: {x.tolist()} @ {W.tolist()} = {(x @ W).tolist()}, the other way round {(W @ x).tolist()}"
)

# %% [markdown]
# Now all four examples that two yes/no inputs can make, and a layer of two neurons: "or" and "and".

# %%
corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
W1, b1 = np.array([[1.0, 1.0], [1.0, 1.0]]), np.array([-0.5, -1.5])
hidden = threshold(corners @ W1 + b1)
for x, h in zip(corners, hidden):
    print(f"{x.astype(int)}:  or {h[0]:.0f}, and {h[1]:.0f}")
    assert all(
        h[o] == threshold(x[0] * W1[0, o] + x[1] * W1[1, o] + b1[o]) for o in range(2)
    )  # neuron by neuron

# %% [markdown]
# ## What one neuron cannot do
# "One or the other, but not both" is called **xor**. Let us try 200,000 neurons with random
# numbers.

# %%
xor = np.array([0.0, 1.0, 1.0, 0.0])
rng = np.random.default_rng(0)  # 0 is the *seed*: every run draws the same random numbers
many_W, many_b = rng.normal(size=(2, 200_000)), rng.normal(size=200_000)
answers = threshold(
    corners @ many_W + many_b
)  # (4, 200_000): a row for each corner, a column for each neuron
right = (answers == xor[:, None]).sum(
    axis=0
)  # xor[:, None] is xor as a column, held against each column of answers
print(f"xor: the best of {many_b.size:,} random neurons gets {right.max()} of 4 right")
assert right.max() == 3

# %% [markdown]
# It is not bad luck: no straight line has (0,1) and (1,0) on one side, (0,0) and (1,1) on the
# other. Xor asks for b ≤ 0, w0 + b > 0, w1 + b > 0 and w0 + w1 + b ≤ 0. Add the two in the middle:
# w0 + w1 + 2b > 0, so w0 + w1 + b > -b ≥ 0, and that breaks the last one.
# ## A network
# But a second layer may look at the *answers of the first*: xor is "or, and not and". The layer in
# between is called **hidden**. To the neuron behind it the corners (0,1) and (1,0) have become one
# point, and now a straight line will do.

# %%
W2, b2 = np.array([[1.0], [-1.0]]), np.array([-0.5])
assert (
    np.array_equal(hidden[1], hidden[2]) and (hidden[:, 0] == xor).sum() == 3
)  # "or" alone: three corners
print("xor by two layers:", threshold(hidden @ W2 + b2)[:, 0])
assert np.array_equal(threshold(hidden @ W2 + b2)[:, 0], xor)

# %% [markdown]
# With sigmoids it answers almost the same, if all weights and biases are 10 times larger, which
# makes the smooth steps steep. Squashing matters: without it two layers are one, and one cannot do
# xor, because (x W1 + b1) W2 + b2 = x (W1 W2) + (b1 W2 + b2).


# %%
def smooth_network(x):
    return sigmoid(10 * (sigmoid(10 * (x @ W1 + b1)) @ W2 + b2))


print("with sigmoids:    ", smooth_network(corners)[:, 0].round(3))
assert np.allclose(smooth_network(corners)[:, 0], xor, rtol=0, atol=0.01)
assert np.allclose((corners @ W1 + b1) @ W2 + b2, corners @ (W1 @ W2) + (b1 @ W2 + b2))

names, seen = ["(0,0)", "(0,1)", "(1,0)", "(1,1)"], ["(0,0)", "(0,1), (1,0)", "", "(1,1)"]
views = [
    (
        "One neuron (or): 3 of 4",
        lambda x: threshold(x @ W1[:, 0] + b1[0]),
        corners,
        names,
        "x[0]",
        "x[1]",
    ),
    (
        "What the last neuron sees",
        lambda h: threshold(h @ W2 + b2),
        hidden,
        seen,
        "hidden[0]: or",
        "hidden[1]: and",
    ),
    ("Two layers: 4 of 4", smooth_network, corners, names, "x[0]", "x[1]"),
]
with figure("01_xor", 12, 4.2) as drawing:
    for axes, (title, answer, points, texts, *labels) in zip(drawing.subplots(1, 3), views):
        draw_areas(axes, answer, title, labels, -0.4, 1.4)
        axes.scatter(
            *points.T, c=xor, cmap="RdBu", vmin=-0.2, vmax=1.2, s=160, edgecolors=INK, zorder=3
        )
        for (x, y), text in zip(points, texts):
            axes.text(x, y + 0.12, text, ha="center")


# %%
def two_layers(x, W1, b1, W2, b2):
    hidden = threshold(x @ W1.T + b1)
    return threshold(hidden @ W2 + b2)


# %% [markdown]
# ## Exercises (answers: `solutions/solution_01.py`)
# 1. Choose weights and a bias for "not both" (nand), and for "at least two of three inputs".
# 2. BUG: `two_layers`, just above, solves xor and is wrong all the same. Find weights for which it
#    differs from sums taken neuron by neuron. Where is the mistake, and why did xor not show it?
# 3. "An odd number of the three inputs is 1": three hidden neurons and one behind them can say it.
#    How?
