# %% [markdown]
# # Lesson 0: answers

# %%
import numpy as np

# %% [markdown]
# ## 1. Shapes
#
# `x @ W + b`: (5, 3) @ (3, 2) is (5, 2), and the row b fits each of its rows. `x.sum(axis=0)`: axis
# 0 is gone, (3,). `x[:, 0]` is (5,), as a number drops its axis, while the slice in `x[:, :1]`
# keeps it: (5, 1). `x.T @ x`: (3, 5) @ (5, 3) is (3, 3). `x.mean(axis=1)` is (5,), as a column (5,
# 1), and x less its row means is (5, 3) again.
#
# All three of the others are errors: `W @ x` is (3, 2) @ (5, 3), and 2 is not 5; in `x * W` from
# the right 3 meets 2; so it does in `x + b`.

# %%
rng = np.random.default_rng(0)
x, W, b = rng.normal(size=(5, 3)), rng.normal(size=(3, 2)), rng.normal(size=2)
shapes = {
    "x @ W + b": (x @ W + b).shape,
    "x.sum(axis=0)": x.sum(axis=0).shape,
    "x[:, 0]": x[:, 0].shape,
    "x[:, :1]": x[:, :1].shape,
    "x.T @ x": (x.T @ x).shape,
    "x - x.mean(axis=1)[:, None]": (x - x.mean(axis=1)[:, None]).shape,
}
for name, shape in shapes.items():
    print(f"{name:29} {shape}")
assert list(shapes.values()) == [(5, 2), (3,), (5,), (5, 1), (3, 3), (5, 3)]
for name, wrong in {
    "W @ x": lambda: W @ x,
    "x * W": lambda: x * W,
    "x + b": lambda: x + b,
}.items():
    try:
        wrong()
    except ValueError as error:
        print(f"{name:29} {str(error)[:70]}")
    else:
        raise AssertionError(f"{name} is not an error")

# %% [markdown]
# ## 2. The bug
#
# The answers are (3, 1), a column; the targets are (3,), which counts as a row. Broadcasting makes
# a 3x3 table of both, *every* answer less *every* target, and the mean is taken over nine
# differences, of which six are none of our business. NumPy has no reason to complain.
#
# It gives 4/3 for perfect answers. Worse, the smallest error that it can ever give is the one where
# every answer is the *mean* of the targets: a network that learns by it learns to answer the same
# to everything. With a single example, (1, 1) and (1,), all is well, so that a test with one
# example does not see it.
#
# Mend it by saying which shapes you expect: then the next such mistake stops the program.


# %%
def wrong(answers, targets):
    return ((answers - targets) ** 2).mean()


def mean_squared_error(answers, targets):
    assert answers.shape == targets.shape, f"answers {answers.shape}, targets {targets.shape}"
    return ((answers - targets) ** 2).mean()


targets = np.array([1.0, 2.0, 3.0])
column = targets[:, None]
print("\nthe difference:", (column - targets).tolist())
print(f"the error, where it should be 0: {wrong(column, targets):.3f}")
assert (column - targets).shape == (3, 3)
assert np.isclose(wrong(column, targets), 4 / 3)
assert wrong(column[:1], targets[:1]) == 0  # one example
the_same = np.full((3, 1), targets.mean())
print(f"with the mean as the answer to everything: {wrong(the_same, targets):.3f}")
assert wrong(the_same, targets) < wrong(column, targets)
for _ in range(100):  # nothing is better
    assert wrong(rng.normal(2, 1, size=(3, 1)), targets) >= wrong(the_same, targets) - 1e-12

assert mean_squared_error(column[:, 0], targets) == 0
try:
    mean_squared_error(column, targets)
except AssertionError as error:
    print("mended, it says:", error)
else:
    raise AssertionError("a column and a row went through")

# %% [markdown]
# ## 3. The slope of the logarithm
#
# 2, 1, 0.5, 0.1: it is $\frac{1}{x}$. The curve is steep near 0 and ever flatter to the right, but
# it never stops rising.

# %%
h = 1e-5
print()
for v in (0.5, 1.0, 2.0, 10.0):
    slope = (np.log(v + h) - np.log(v - h)) / (2 * h)
    print(f"slope of log at {v:4}: {slope:.6f}, and 1/x = {1 / v:.6f}")
    assert abs(slope - 1 / v) < 1e-6
