# %% [markdown]
# # Lesson 1: answers

# %%
from itertools import product

import numpy as np


def threshold(z):
    return (z > 0).astype(float)


two = np.array(list(product([0.0, 1.0], repeat=2)))  # every corner of a square
three = np.array(list(product([0.0, 1.0], repeat=3)))  # and of a cube

# %% [markdown]
# ## 1. Not both; at least two of three
# nand is "and" with every sign reversed: each input speaks against it, and the bias is high enough
# that one alone does not matter. "At least two of three" gives each input one vote and asks for
# more than 1.5 of them.

# %%
nand = threshold(two @ np.array([-1.0, -1.0]) + 1.5)
majority = threshold(three @ np.array([1.0, 1.0, 1.0]) - 1.5)
assert (nand == [1, 1, 1, 0]).all()
assert (majority == (three.sum(axis=1) >= 2)).all()
print("nand     (00, 01, 10, 11):", nand)
print("majority (000 ... 111):   ", majority)

# %% [markdown]
# ## 2. The bug
# `x @ W1.T` multiplies by the transposed matrix: neuron o gets row o of W1 instead of column o.
# With as many neurons as inputs, both have the same shape, so NumPy does not complain. And the
# weights of "or" and "and" are all 1: that matrix *is* its own transpose. Whoever tests with
# symmetric numbers cannot see it. Other numbers can: here hidden neuron 0 copies x[0], the bias of
# neuron 1 keeps it at 0, and the last neuron says what neuron 0 says, so that the network should
# answer x[0].


# %%
def two_layers_wrong(x, W1, b1, W2, b2):
    hidden = threshold(x @ W1.T + b1)
    return threshold(hidden @ W2 + b2)


def two_layers(x, W1, b1, W2, b2):
    hidden = threshold(x @ W1 + b1)
    return threshold(hidden @ W2 + b2)


def neuron_by_neuron(x, W1, b1, W2, b2):
    answers = []
    for example in x:
        hidden = [threshold(sum(example[i] * W1[i, o] for i in range(2)) + b1[o]) for o in range(2)]
        answers.append(threshold(sum(hidden[o] * W2[o, 0] for o in range(2)) + b2[0]))
    return np.array(answers)


weights = (
    np.array([[1.0, 1.0], [0.0, 0.0]]),
    np.array([-0.5, -9.0]),
    np.array([[1.0], [1.0]]),
    np.array([-0.5]),
)
wanted, wrong, right = (
    f(two, *weights).ravel() for f in (neuron_by_neuron, two_layers_wrong, two_layers)
)
print("\nneuron by neuron:", wanted, "\nwith the bug:    ", wrong, "\nmended:          ", right)
assert (wanted == two[:, 0]).all()
assert (wrong != wanted).any()
assert (right == wanted).all()

or_and = np.ones((2, 2)), np.array([-0.5, -1.5]), np.array([[1.0], [-1.0]]), np.array([-0.5])
assert (
    two_layers_wrong(two, *or_and).ravel() == [0, 1, 1, 0]
).all()  # xor, as if nothing were wrong

rng = np.random.default_rng(0)
differ = 0
for _ in range(1000):
    weights = (
        rng.normal(size=(2, 2)),
        rng.normal(size=2),
        rng.normal(size=(2, 1)),
        rng.normal(size=1),
    )
    assert (two_layers(two, *weights).ravel() == neuron_by_neuron(two, *weights)).all()
    differ += (two_layers_wrong(two, *weights) != two_layers(two, *weights)).any()
print(f"of 1,000 networks with random weights the bug changes an answer of {differ}")

# %% [markdown]
# ## 3. An odd number of three
# Hidden neuron k fires for "at least k ones", k = 1, 2, 3: equal weights, biases -0.5, -1.5, -2.5.
# The last one adds them with the signs +, -, +, and so answers 0 for no ones, 1 for one, 1 - 1 = 0
# for two and 1 - 1 + 1 = 1 for three. The same pattern goes on for any number of inputs; xor in the
# lesson was the case of two.

# %%
W1, b1 = np.ones((3, 3)), np.array([-0.5, -1.5, -2.5])
W2, b2 = np.array([[1.0], [-1.0], [1.0]]), np.array([-0.5])
odd = threshold(threshold(three @ W1 + b1) @ W2 + b2)[:, 0]
print("\nodd      (000 ... 111):   ", odd)
assert (odd == three.sum(axis=1) % 2).all()
