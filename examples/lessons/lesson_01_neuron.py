# %% [markdown]
# # Lesson 1: a neuron, a layer, a network
#
# A neural network is one small part, repeated: the neuron. We build one by hand and see what it can
# say and what it cannot. Then we put several side by side, which makes a layer, and one layer
# behind another, which makes a network. Nothing learns yet: we choose every number ourselves. How a
# network finds its own numbers is lesson 2. (Arrays, the matrix product and $e^x$ are explained in
# lesson 0.)

# %%
import numpy as np

from examples.lessons.drawings import neuron as draw
from nn.data import digits

# %% [markdown]
# ## A neuron
#
# Shall I go for a walk? Sun speaks for it, wind against it, though only half as strongly; and I am
# lazy. On a day with much sun (1.0) and a good deal of wind (0.8) I reckon
#
#     1.0 * 2  +  0.8 * (-1)  -  0.5  =  0.7
#
# which is above zero, so I go. That was a **neuron**, of the kind called a perceptron (Rosenblatt
# 1958). It takes some numbers x, its **inputs**. It has a **weight** w for each of them, and one
# number more, the **bias** b. It multiplies each input by its weight, adds up (a dot product, and
# the bias), and looks on which side of zero the sum falls:
#
# $$z = x_0 w_0 + x_1 w_1 + b \qquad \text{answer} = 1 \text{ if } z > 0 \text{, else } 0$$
#
# A weight says how strongly its input speaks for the answer 1, or against it if the weight is
# negative. The bias is the mood before any input is heard. The function that turns the sum z into
# the answer is called the **activation function**, here a *threshold*, and the answer itself the
# neuron's **activation**.


# %%
def threshold(z):
    return (z > 0).astype(float)  # True as 1.0, False as 0.0


w, b = np.array([2.0, -1.0]), -0.5  # sun, wind; laziness
for x in np.array([[1.0, 0.8], [1.0, 0.0], [0.2, 0.0], [0.5, 0.8]]):
    z = x[0] * w[0] + x[1] * w[1] + b
    print(f"sun {x[0]}, wind {x[1]}:  z = {z:+.1f}  ->  {'walk' if threshold(z) else 'stay'}")
    assert np.isclose(z, x @ w + b)  # the same, written shorter
draw.one_neuron(np.array([1.0, 0.8]), w, b)

# %% [markdown]
# ## Where it changes its mind
#
# Between walking and staying lie the days on which z is exactly 0. With a little wind it takes a
# little more sun: (0.25, 0), (0.5, 0.5) and (0.75, 1) are such days, and they lie on a straight
# line, the neuron's **decision boundary**. From one to the next the sun grows by 0.25 and the wind
# by 0.5, so z changes by 0.25 * 2 + 0.5 * (-1) = 0: along the line nothing happens. The fastest way
# across it is the direction of the weights, (2, -1), an arrow at right angles to the line. **The
# weights say which way the line faces, the bias shifts it.**

# %%
for day in np.array([[0.25, 0.0], [0.5, 0.5], [0.75, 1.0]]):
    print(f"sun {day[0]:.2f}, wind {day[1]:.2f}:  z = {day @ w + b:+.2f}")
    assert day @ w + b == 0
assert np.array([0.25, 0.5]) @ w == 0

# %% [markdown]
# ## A smooth step
#
# The threshold knows no "perhaps". And if a weight changes a little, mostly nothing at all happens:
# a network that wants to learn gets no hint which way to change it. A smooth step has neither
# fault: the **logistic sigmoid**, sigmoid for short,
#
# $$\text{sigmoid}(z) = \frac{1}{1 + e^{-z}}$$
#
# It is 0.5 at z = 0, near 0 far below and near 1 far above. The figure shows the decision boundary
# of the walker with the weights as an arrow (left), both steps (middle), and the same neuron with a
# sigmoid (right). Orange is where z is positive and the answer is nearer to 1, blue where z is
# negative.
#
# (Elsewhere in this library it is called log-sigmoid, which is short for "logistic sigmoid".
# PyTorch's name for it is `Sigmoid`; PyTorch's `LogSigmoid` is another function, the logarithm of
# this one.)


# %%
def sigmoid(z):
    return 1 / (1 + np.exp(-z))


assert sigmoid(0) == 0.5 and sigmoid(-8) < 0.001 and sigmoid(8) > 0.999
draw.steps(w, b, threshold, sigmoid)

# %% [markdown]
# ## A neuron that looks at an image
#
# Two inputs make good pictures, but a neuron may have as many as you like. A handwritten digit of
# the included collection (a part of MNIST) is an image of 28x28 pixels, 0 where there is paper and
# 1 where there is ink: written in one row, 784 inputs. Let us choose 784 weights so that z is
# positive for a 1 and negative for a 0.
#
# A pixel that is inked in most ones and in few zeros should speak for "1". So as its weight take
# the average one less the average zero. Half way between the two averages, at (zero + one) / 2, z
# shall be 0, which gives the bias. (`data.labels` says which digit each image is.) Let us see what
# the neuron answers for digits that were not used for the averages:

# %%
train_set, test_set = digits()


def images_of(data, digit):
    return data.images[data.labels == digit].reshape(-1, 784)  # a row for each image


zero, one = images_of(train_set, 0).mean(axis=0), images_of(train_set, 1).mean(axis=0)
weights = one - zero  # (784,)
bias = -((zero + one) / 2) @ weights
z0, z1 = (images_of(test_set, digit) @ weights + bias for digit in (0, 1))
print(f"zeros: {np.mean(z0 < 0):.1%} of {len(z0)} right; ones: {np.mean(z1 > 0):.1%} of {len(z1)}")
assert np.mean(z0 < 0) > 0.95 and np.mean(z1 > 0) > 0.95
draw.digit_neuron(zero, one, weights, z0, z1)

# %% [markdown]
# The weights can be looked at as an image too: orange where ink speaks for a one, blue where it
# speaks for a zero. But this neuron knows one shape and one place; with a digit written a little
# further to the left, other pixels meet other weights. The course will come back to that (lesson
# 4).
#
# ## A layer
#
# A **layer** is several neurons with the same inputs. (As each input goes to each neuron, it is
# called **fully connected**; its sums alone, without the activation function, a **linear layer**.)
# Write N examples as the rows of a matrix x of shape (N, inputs), and each neuron's weights as one
# *column* of a matrix W of shape (inputs, outputs). The sum of neuron o for example n is row n of x
# times column o of W: that is the matrix product. The biases b, one for each neuron, are added to
# every row:
#
# $$z = x W + b$$
#
# All neurons, all examples, in one line. With two inputs that are 0 or 1 there are four examples.
# Here they are, with a layer of two neurons: the first answers "or" (one 1 is enough to get above
# 0.5), the second "and" (it takes both to get above 1.5).

# %%
corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
W1, b1 = np.array([[1.0, 1.0], [1.0, 1.0]]), np.array([-0.5, -1.5])
hidden = threshold(corners @ W1 + b1)  # (4, 2) @ (2, 2) + (2,): a row for each example
for x, h in zip(corners, hidden):
    print(f"{x.astype(int)}:  or {h[0]:.0f}, and {h[1]:.0f}")
    for o in range(2):  # neuron by neuron
        assert h[o] == threshold(x[0] * W1[0, o] + x[1] * W1[1, o] + b1[o])

# %% [markdown]
# ## What one neuron cannot do
#
# "One or the other, but not both" is called **xor**. Let us try 20,000 neurons with random weights
# and biases.

# %%
xor = np.array([0.0, 1.0, 1.0, 0.0])
rng = np.random.default_rng(0)
best = 0
for _ in range(20_000):
    answers = threshold(corners @ rng.normal(size=2) + rng.normal())
    best = max(best, (answers == xor).sum())
print(f"xor: the best of 20,000 random neurons gets {best} of 4 right")
assert best == 3

# %% [markdown]
# That is not bad luck. No straight line has (0,1) and (1,0) on one side, and (0,0) and (1,1) on the
# other: xor is not **linearly separable** (Minsky and Papert 1969). Or in numbers: xor asks for
#
# - $b \le 0$, since (0,0) is to give 0,
# - $w_1 + b > 0$ and $w_0 + b > 0$, since (0,1) and (1,0) are to give 1,
# - $w_0 + w_1 + b \le 0$, since (1,1) is to give 0.
#
# Add the two in the middle: $w_0 + w_1 + 2b > 0$. Take away b, which is not positive, and the sum
# can only grow: $w_0 + w_1 + b > 0$. That contradicts the last one.
#
# ## A network
#
# But a second layer may look at the *answers of the first*. Xor is "or, but not and": one neuron
# with the weight 1 for "or" and -1 for "and" will do. The layer in between, whose answers nobody
# outside sees, is called **hidden**. To the neuron behind it the corners (0,1) and (1,0) have
# become one and the same point, (1,0), and now a straight line is enough.

# %%
W2, b2 = np.array([[1.0], [-1.0]]), np.array([-0.5])
print("xor by two layers:", threshold(hidden @ W2 + b2)[:, 0])
assert np.array_equal(threshold(hidden @ W2 + b2)[:, 0], xor)
assert np.array_equal(hidden[1], [1, 0]) and np.array_equal(hidden[2], [1, 0])
assert (hidden[:, 0] == xor).sum() == 3  # "or" alone is right in three corners

# %% [markdown]
# With sigmoids the network answers almost the same, if all its weights and biases are ten times as
# large, which makes the smooth steps steep. The figure shows the network, and what one neuron, the
# last neuron and the whole network make of the plane; each disc has the colour of the answer that
# is wanted there.


# %%
def smooth_network(x):
    return sigmoid(10 * (sigmoid(10 * (x @ W1 + b1)) @ W2 + b2))


print("with sigmoids:    ", smooth_network(corners)[:, 0].round(3))
assert np.allclose(smooth_network(corners)[:, 0], xor, rtol=0, atol=0.01)
draw.xor(corners, xor, (W1, b1, W2, b2), threshold, smooth_network)

# %% [markdown]
# ## Why there must be an activation function
#
# Leave it out, let every neuron answer with its sum z, and two layers are no better than one:
#
# $$(x W_1 + b_1) W_2 + b_2 = x (W_1 W_2) + (b_1 W_2 + b_2)$$
#
# The right side is a single layer, with the weights $W_1 W_2$. However many such layers are put
# behind one another, they draw one straight line. What makes a network more than a layer is the
# bend between the layers: the activation function must not be linear, which is why it is also
# called a **nonlinearity**.

# %%
one_layer = corners @ (W1 @ W2) + (b1 @ W2 + b2)
assert np.allclose((corners @ W1 + b1) @ W2 + b2, one_layer)
print("without activation function:", one_layer[:, 0], "for the four corners: no xor")
assert np.allclose(one_layer, one_layer[0])  # here even the same answer to everything


# %% [markdown]
# ## In short
#
# - A neuron: $z = x_0 w_0 + x_1 w_1 + \dots + b$, then an activation function. It divides its
#   inputs by a straight line (by a plane if there are three, a **hyperplane** if more); the weights
#   say which way it faces, the bias shifts it.
# - A layer for N examples: $z = x W + b$, shapes (N, in) @ (in, out) + (out,). A neuron's weights
#   are a *column* of W.
# - One neuron cannot say xor. Two layers can: the hidden layer moves the points to where a straight
#   line divides them.
# - Without an activation function between them two layers are one.
# - $\text{sigmoid}(z) = 1 / (1 + e^{-z})$: a smooth threshold, from 0 to 1.


# %%
def two_layers(x, W1, b1, W2, b2):  # for exercise 2
    hidden = threshold(x @ W1.T + b1)
    return threshold(hidden @ W2 + b2)


# %% [markdown]
# ## Exercises (answers: `solutions/solution_01.py`)
#
# 1. Choose weights and a bias for "not both" (nand), and for "at least two of three inputs".
# 2. BUG: `two_layers`, just above, solves xor and is wrong all the same. Find weights for which it
#    differs from sums taken neuron by neuron. Where is the mistake, and why did xor not show it?
# 3. "An odd number of the three inputs is 1": three hidden neurons and one behind them can say it.
#    How?
#
# One more checks itself: `lenet check 1 --start mine.py` writes a file to start from.
