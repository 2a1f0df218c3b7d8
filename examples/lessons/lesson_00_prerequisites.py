# %% [markdown]
# # Lesson 0: what you need
#
# This course builds two networks that recognize images, LeNet and AlexNet, out of numbers that you
# can check by hand. This lesson collects the few tools that all others use. Most of it you may have
# met; all of it together takes some twenty minutes.
#
# **You need** some Python (variables, lists, `for`, functions; from lesson 3 on a class now and
# then) and school mathematics: what a function is, how its curve is drawn, what makes a straight
# line steep.
#
# **You do not need** to know anything about neural networks or machine learning, nor matrices, nor
# how to differentiate. Each is explained where it is first used, matrices and slopes here.
#
# If `x @ W`, `x[:, None]` and `x.sum(axis=0)` hold no secrets for you, look at "A few more tools"
# and exercise 2 below and go on to lesson 1.
#
# ## How to take a lesson
#
# A lesson is one Python file, cut into cells by lines that begin with `# %%`. Take it in one of
# three ways:
#
# - **As cells.** Open the file in an editor that knows such cells (VS Code, Spyder, PyCharm), read,
#   and run one cell after the other. Change a number and run the cell again: nothing can break.
# - **As a notebook.** The book, which `make book` builds, has each lesson as a page to read and as
#   a notebook to download.
# - **As a script.** In the folder that holds `examples/`, run
#   `python -m examples.lessons.lesson_00_prerequisites` and read along in the file. The figures are
#   then saved as images in the folder `runs/lessons/`; in cells and notebooks they stand below the
#   cell.
#
# (Install the library first, as the README says.) A line such as `assert a == b` stops the program
# if what it says is not so. The lessons use it as a proof: what they claim in the text, the code
# beside it prints or asserts. Each ends with a summary and three exercises. Take pencil and paper
# first, then a new cell at the end of the lesson or a file of your own, into which you copy what
# you need. One exercise of each lesson is marked BUG: a piece of code with a mistake of a kind that
# people really make, which you find and mend. The answers, with reasons, are in
# `examples/lessons/solutions/`.

# %%
import numpy as np

from examples.lessons.drawings import prerequisites as draw

# %% [markdown]
# ## Arrays, shapes, axes
#
# NumPy, imported as `np`, calculates with **arrays**: numbers in a row (a **vector**), in a table
# (a **matrix**), in stacks of tables (the general word is **tensor**). The **shape** says how many
# there are along each **axis**. The table `a` below has shape (2, 3): two along axis 0, which runs
# downwards from row to row, and three along axis 1, which runs from column to column. As we count
# from 0, `a[1, 2]` is in row 1 and column 2, the lower right corner.
#
# A colon alone means "all of them", and `1:3` is a **slice**, from 1 up to *but not including* 3.
# The same works for any number of axes: N colour images, with red, green and blue for each pixel,
# have shape (N, height, width, 3).

# %%
a = np.array([[1, 2, 3], [4, 5, 6]])
print("shape", a.shape, "  row 0:", a[0], "  column 1:", a[:, 1], "  corner:", a[1, 2])
print("the last two of each row:", a[:, 1:3].tolist(), "  from the end:", a[1, -1])
assert a[:, 1].shape == (2,) and a[:, 1:2].shape == (2, 1)  # a number drops its axis, not a slice
print("the same six numbers, in the same order, as (3, 2):", a.reshape(3, 2).tolist())
assert a.reshape(-1).tolist() == [1, 2, 3, 4, 5, 6]  # -1: as many as it takes

# %% [markdown]
# ## Sums along an axis
#
# `a.sum()` adds up everything. `a.sum(axis=0)` adds along axis 0, downwards, and **the axis that
# you name is the one that is gone afterwards**: (2, 3) becomes (3,), one sum for each column. With
# `axis=1` one sum for each row is left. `mean` and `max` work alike.
#
# A comparison gives an array of True and False. They count as 1 and 0, so that a sum counts how
# often it is true, and a mean gives the share. Put in brackets, it picks: `a[a > 2]` are the
# numbers for which it is true.

# %%
print("sum", a.sum(), "  axis=0:", a.sum(axis=0), "  axis=1:", a.sum(axis=1))
print("larger than 2:", (a > 2).tolist(), "that is", (a > 2).sum(), "numbers:", a[a > 2])
assert a.sum(axis=0).tolist() == [5, 7, 9] and a.sum(axis=1).tolist() == [6, 15]

# %% [markdown]
# ## Number by number, and broadcasting
#
# `+`, `-`, `*`, `/` work **elementwise**: each number with the one in the same place. So the shapes
# must agree, or NumPy must be able to make them agree. That is called **broadcasting**: it lines
# the two shapes up *from the right*, and where one of them has length 1, or no axis at all, it
# repeats what is there.
#
# - (2, 3) + (3,): the row is added to each of the two rows.
# - (2, 3) + (2, 1): the column is added to each of the three columns.
# - (2, 3) + (2,): an error, since 3 and 2 stand above each other.
#
# To make a column of `c` with shape (2,), write `c[:, None]`: the `None` puts in an axis of length
# 1.

# %%
row, c = np.array([10, 20, 30]), np.array([100, 200])
print("a + row:", (a + row).tolist())
print("a + c as a column:", (a + c[:, None]).tolist())
assert c[:, None].shape == (2, 1) and (a + c[:, None])[1].tolist() == [204, 205, 206]
draw.axes_and_broadcasting(a, row, c)

# %% [markdown]
# The figure shows the sums on the left, and beside them what broadcasting repeats (pale) to fit.
#
# ## The matrix product
#
# There is a second way to multiply matrices, and networks do little else. Ann buys 1 apple and 2
# pears, Bob 3 apples and 4 pears. In one shop an apple costs 5 and a pear 7, in another 6 and 8.
# What does each of them pay in each shop? Ann in the first shop: 1 * 5 + 2 * 7 = 19.
#
#              apples pears               shop 0  shop 1             shop 0  shop 1
#     Ann         1     2        apple       5       6        Ann       19      22
#     Bob         3     4        pear        7       8        Bob       43      50
#
# **A row of the first times a column of the second, number by number, and added up**: that is the
# **dot product** of the two. All rows with all columns make the **matrix product**, in NumPy
# `x @ W`, in formulas $x W$:
#
# $$(x W)[n, o] = \sum_i x[n, i] \cdot W[i, o]$$
#
# ($\sum_i$ means: add up what follows for every $i$.) The number of columns on the left must be the
# number of rows on the right, here the kinds of fruit; it is gone afterwards, as in a sum along an
# axis: (N, I) @ (I, O) is (N, O). The order matters: $W x$ is something else, or nothing. And
# `x * W` is elementwise, another thing altogether. Sums may be multiplied out as in school,
# $(x + y) W = x W + y W$, and brackets moved, $(x V) W = x (V W)$, as long as the order stays.

# %%
x, W = np.array([[1, 2], [3, 4]]), np.array([[5, 6], [7, 8]])
product = np.zeros((2, 2), int)
for n in range(2):
    for o in range(2):
        for i in range(2):
            product[n, o] += x[n, i] * W[i, o]
print("by loops:", product.tolist(), "  x @ W:", (x @ W).tolist())
print("W @ x:", (W @ x).tolist(), "  x * W:", (x * W).tolist())
assert (x @ W == product).all() and (x @ W).tolist() == [[19, 22], [43, 50]]
assert (x @ np.array([5, 7])).tolist() == [19, 43]  # one shop alone: (2, 2) @ (2,) is (2,)
assert np.array([1, 2]) @ np.array([5, 7]) == 19  # two vectors: their dot product, a number
assert (np.ones((5, 3)) @ np.ones((3, 4))).shape == (5, 4)
draw.matrix_product(x, W)

# %% [markdown]
# Draw the second matrix above and to the right, as in the figure, and each number of the product
# stands where its row and its column cross.
#
# The **transpose** $W^T$, in NumPy `W.T`, is $W$ with rows and columns exchanged:
# `W.T[o, i] == W[i, o]`. Backpropagation (lesson 2) needs it: what is multiplied by $W$ on the way
# forward is multiplied by $W^T$ on the way back. A square matrix keeps its shape when transposed,
# so that a forgotten `.T` goes unnoticed: beware of square examples, such as the one above.

# %%
print("a.T:", a.T.tolist(), "with shape", a.T.shape)
assert a.T[2, 1] == a[1, 2] == 6 and (a @ a.T).shape == (2, 2) and (a.T @ a).shape == (3, 3)

# %% [markdown]
# ## Powers of e, and the natural logarithm
#
# Two functions occur everywhere. $e^x$, `np.exp(x)`, with $e = 2.718...$, makes a positive number
# out of any number: large if x is, near 0 if x is far below 0, and 1 at x = 0. Adding in the
# exponent means multiplying: $e^{x+y} = e^x \cdot e^y$, so that $e^{-x} = 1 / e^x$.
#
# The **natural logarithm**, `np.log(x)`, undoes it: $\log(e^x) = x$. So it turns products into
# sums, $\log(x \cdot y) = \log x + \log y$, and $\log 1 = 0$; between 0 and 1 it is negative, and
# at 0 or below there is none. In this course $\log$ is always the natural one (calculators call it
# ln).

# %%
for v in (-2.0, 0.0, 1.0, 3.0):
    print(f"e^{v:+.0f} = {np.exp(v):7.3f}     its logarithm: {np.log(np.exp(v)):+.0f}")
assert np.isclose(np.exp(2.0 + 3.0), np.exp(2.0) * np.exp(3.0))
assert np.isclose(np.log(2.0 * 3.0), np.log(2.0) + np.log(3.0)) and np.log(1) == 0 > np.log(0.5)

# %% [markdown]
# ## Slopes
#
# How steep is the curve $f(x) = x^3$ at x = 2? A straight line has the same slope everywhere: how
# far it rises for each step to the right. On a curve, take a small step h and see how far *it*
# rises:
#
# $$\text{slope} \approx \frac{f(x + h) - f(x)}{h}$$
#
# The smaller the h, the nearer this comes to one number, the slope at x, which is called the
# **derivative** of f there and written $\frac{df}{dx}$. (With steps to both sides,
# $\frac{f(x+h) - f(x-h)}{2h}$, the **central difference**, it comes near much faster. That is how
# we shall measure slopes.)


# %%
def f(x):
    return x**3


print("    h   one side   both sides")
for h in (1, 0.1, 0.01, 0.001):
    print(f"{h:5}  {(f(2 + h) - f(2)) / h:9.5f}  {(f(2 + h) - f(2 - h)) / (2 * h):11.7f}")
assert abs((f(2.001) - f(1.999)) / 0.002 - 12) < 1e-5  # 3 x^2 = 12 by the rules of school
h = 1e-5
for v in (-1.0, 0.0, 1.5):
    assert np.isclose((np.exp(v + h) - np.exp(v - h)) / (2 * h), np.exp(v))
draw.slopes()

# %% [markdown]
# The slope is 12. It is a promise for small steps: **if x grows by a little, f grows by about 12
# times as much**. At 2.01, f is 8.1206; the promise says 8 + 12 * 0.01 = 8.12.
#
# What makes e special: the curve of $e^x$ is everywhere as steep as it is high,
# $\frac{d}{dx} e^x = e^x$. The figure shows it at three places.
#
# A function of several numbers, such as $g(a, b) = a \cdot b$, has a slope for each of them: move
# that one and leave the others alone. It is called a **partial derivative** and written
# $\frac{\partial g}{\partial a}$; here it is $b$, since each step of a adds b once. The list of all
# of them is the **gradient** of g, here $(b, a)$. Learning is: measure how wrong a network is, find
# the gradient, and take a small step downhill. The rest of the course says how.

# %%
assert abs(f(2.01) - 8.1206) < 1e-4
left, right = 3.0, 5.0  # a and b
by_a = ((left + h) * right - (left - h) * right) / (2 * h)
by_b = (left * (right + h) - left * (right - h)) / (2 * h)
print(f"g(a, b) = a b at a = 3, b = 5: slope by a {by_a:.3f}, by b {by_b:.3f}")
assert np.isclose(by_a, 5) and np.isclose(by_b, 3)

# %% [markdown]
# ## A few more tools
#
# The lessons use some more words of NumPy and Python. Come back here when you meet one:
#
# - `np.zeros((2, 3))` and `np.ones` make arrays full of 0 or of 1, `np.zeros_like(a)` makes zeros
#   in the shape of a, and `np.eye(3)` a square with ones on the diagonal.
# - `rng = np.random.default_rng(0)` makes random numbers. From the same **seed**, here 0, it makes
#   the same ones in every run. `rng.normal(size=(2, 3))` draws them from the normal distribution:
#   around 0, two of three between -1 and 1.
# - `a.argmax()` says where the largest number is, counted as if all stood in one row;
#   `np.unravel_index` turns that count into row and column. `np.ndindex(2, 3)` walks through all
#   indices of that shape, and `np.ndenumerate(a)` through all indices of a with their numbers.
# - A computer keeps about 16 digits of a number (**float64**) or 7 (**float32**). So two results
#   that are equal on paper may differ in the last digits. `np.isclose` asks whether two numbers are
#   equal but for that, `np.allclose` whether all of two arrays are; `np.array_equal` wants them
#   exactly equal.
# - `lambda v: v**3` is a short way to write a function without a name. In `f"{v:.3f}"` the `.3f`
#   prints v with three decimals, and `1e-5` is 0.00001.

# %%
rng = np.random.default_rng(0)
print("random:", rng.normal(size=3).round(2), "  zeros like a:", np.zeros_like(a).tolist())
print("the largest of a has index", a.argmax(), "in the row:", a.reshape(-1))
print("is 0.1 + 0.2 == 0.3?", 0.1 + 0.2 == 0.3, "  np.isclose:", np.isclose(0.1 + 0.2, 0.3))
assert 0.1 + 0.2 != 0.3 and np.isclose(0.1 + 0.2, 0.3)
assert tuple(np.unravel_index(a.argmax(), a.shape)) == (1, 2)  # row 1, column 2
assert list(np.ndindex(2, 2)) == [(0, 0), (0, 1), (1, 0), (1, 1)]

# %% [markdown]
# ## In short
#
# - The shape of an array says how many numbers it has along each axis; `sum(axis=0)` removes axis
#   0.
# - Broadcasting lines shapes up from the right and repeats where a length is 1 or missing;
#   `c[:, None]` makes a column. Watch out: it also fits shapes that you did not mean to fit.
# - Matrix product `x @ W`, a dot product of each row with each column:
#   $(x W)[n, o] = \sum_i x[n, i] \cdot W[i, o]$, and (N, I) @ (I, O) is (N, O). `x * W` is
#   elementwise. $W^T$ exchanges rows and columns.
# - $e^x$ is always positive, $\log$ is its inverse, and here always the natural one.
# - The derivative is the slope: how much f grows, divided by how much x does, for small steps.
#   Measure it by the central difference $\frac{f(x+h) - f(x-h)}{2h}$.


# %%
def mean_squared_error(answers, targets):  # for exercise 2
    return ((answers - targets) ** 2).mean()


perfect = np.array([[1.0], [2.0], [3.0]])  # (3, 1): three examples, one answer each
error = mean_squared_error(perfect, np.array([1.0, 2.0, 3.0]))
print(f"answers equal to the targets, error: {error:.3f}")

# %% [markdown]
# ## Exercises (answers: `solutions/solution_00.py`)
#
# 1. Let x be (5, 3), W (3, 2) and b (2,). Write down the shapes of `x @ W + b`, `x.sum(axis=0)`,
#    `x[:, 0]`, `x[:, :1]`, `x.T @ x`, `x - x.mean(axis=1)[:, None]`. Which of `W @ x`, `x * W`,
#    `x + b` is an error? Then try.
# 2. BUG: `mean_squared_error`, just above, should give 0 for answers that equal their targets. The
#    answers come as a column, as a layer of lesson 1 makes them. What happens, and how do you mend
#    it so that it cannot happen unseen again?
# 3. Measure the slope of $\log x$ at x = 0.5, 1, 2 and 10. Which simple formula gives all four?
#
# One more checks itself: `lenet check 0 --start mine.py` writes a file to start from.
