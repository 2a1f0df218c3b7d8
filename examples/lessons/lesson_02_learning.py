# %% [markdown]
# # Lesson 2: learning
#
# In lesson 1 we chose all weights. Now a network finds them itself, and the idea fits into three
# sentences. Measure, by one number, how wrong the network is. Find out for each weight whether a
# little more of it makes that number larger or smaller. Change each weight a little, the better
# way, and begin again.
#
# The hard sentence is the second one, and **backpropagation** (made known by Rumelhart, Hinton and
# Williams 1986) is the answer to it. We do it on one neuron, by hand, with every number written
# down. Then we see what happens where a value is used twice. Matrices come last, and bring nothing
# new but book-keeping.

# %%
import numpy as np

from examples.lessons.drawings import learning as draw

# %% [markdown]
# ## How wrong is it?
#
# The smallest network is one neuron with one input. Let the input be x = 2, the weight w = 3, the
# bias b = -5, and write down each step:
#
#     a = x * w = 6        z = a + b = 1        y = sigmoid(z) = 0.731
#
# Suppose that for this x we want the answer 0: the **target**. The **loss** is a number that says
# how wrong the answer is. Ours is the squared error, $(y - \text{target})^2$, here
# $0.731^2 = 0.534$. It is 0 if the answer is right, and the further off the answer, the larger it
# is.


# %%
def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def one_neuron(x, w, b, target=0.0):
    a = x * w
    z = a + b
    y = sigmoid(z)
    loss = (y - target) ** 2
    return a, z, y, loss


x, w, b, target = 2.0, 3.0, -5.0, 0.0
a, z, y, loss = one_neuron(x, w, b)
print(f"a = {a:.0f}, z = {z:.0f}, y = {y:.3f}, loss = {loss:.3f}")
assert (a, z) == (6, 1) and round(y, 3) == 0.731 and round(loss, 3) == 0.534

# %% [markdown]
# ## Which way is down?
#
# Move w a little to both sides and see how the loss changes. That is a slope, as in lesson 0:
#
# $$\text{slope} \approx \frac{\text{loss}(w + h) - \text{loss}(w - h)}{2h}$$
#
# Where it is positive, a smaller w is better; where it is negative, a larger one. Either way we
# walk *against* the slope, and the steeper it is, the further:
#
# $$w \leftarrow w - \text{rate} \cdot \text{slope}$$
#
# The **learning rate** is a number that we choose. All slopes together, one for each weight and
# bias, are the gradient of the loss, and walking against it, step by step, is **gradient descent**.
# Here it is for w alone, with the rate 1:


# %%
def slope(f, at, h=1e-5):
    return (f(at + h) - f(at - h)) / (2 * h)


def loss_of(w):
    return one_neuron(2.0, w, -5.0)[-1]


path = [3.0]
for _ in range(6):
    now = path[-1]
    print(f"w = {now:.3f}, loss {loss_of(now):.3f}, slope {slope(loss_of, now):.3f}")
    path.append(now - 1.0 * slope(loss_of, now))
assert round(slope(loss_of, 3.0), 3) == 0.575 and loss_of(path[-1]) < 0.1
draw.downhill(loss_of, slope(loss_of, 3.0), path)

# %% [markdown]
# It works: in the figure the steps lead down the curve, and as it gets flatter they get shorter by
# themselves. But each slope takes two runs of the network. AlexNet has 60 million weights (lesson
# 16 counts them): a single step would take 120 million runs. We need all slopes at once.
#
# ## Along a chain, slopes multiply
#
# If q moves three times as much as p, and r twice as much as q, then r moves six times as much as
# p. That is the **chain rule**. Our neuron is such a chain: w moves a, a moves z, z moves y, y
# moves the loss. And each link is so simple that we can write down its slope, the **local
# derivative**. It needs nothing but the numbers beside it:
#
# | link | local derivative | here |
# |---|---|---|
# | loss = (y - target)^2 | 2 (y - target) | 1.462 |
# | y = sigmoid(z) | y (1 - y) | 0.197 |
# | z = a + b | 1 for a, 1 for b | 1, 1 |
# | a = x * w | x for w, w for x | 2, 3 |
#
# The lower two are plain: if a grows by 1, so does z; if w grows by 1, then a grows by x. The
# square has the slope that school gives it (and below it will follow from something simpler). The
# sigmoid is a small chain itself: $u = e^{-z}$ has the slope $-u$ ($e^x$ is its own slope, lesson
# 0, and -z falls as z grows), then $v = 1 + u$ the slope 1, and $y = 1/v$ the slope $-1/v^2$,
# another rule of school. Multiplied,
#
# $$\frac{dy}{dz} = -\frac{1}{v^2} \cdot 1 \cdot (-u) = \frac{1}{v} \cdot \frac{u}{v} = y (1 - y)$$
#
# because $1 - y = \frac{v - 1}{v} = \frac{u}{v}$.
#
# Whoever has not learned such rules need not believe them: they can be measured.

# %%
square_slope = slope(lambda y: (y - target) ** 2, y)
print(f"square: 2 (y - target) = {2 * (y - target):.3f}, measured {square_slope:.3f}")
print(f"sigmoid:     y (1 - y) = {y * (1 - y):.3f}, measured {slope(sigmoid, z):.3f}")
assert np.isclose(square_slope, 2 * (y - target)) and np.isclose(slope(sigmoid, z), y * (1 - y))

# %% [markdown]
# ## One neuron, backwards
#
# Now we start at the loss and go back, link by link. Write `dz` for the gradient of the loss with
# respect to z: if z grows by a little, the loss grows by dz times as much. (At school dz is a small
# piece of z. Here, as in much code, it is the name of one number,
# $\frac{\partial\,\text{loss}}{\partial z}$.) Each gradient is the one behind it, times the local
# derivative of the link between:
#
#     dloss = 1                                           the loss moves itself 1 times as much
#     dy = dloss * 2 (y - target)  =  1     * 1.462  =  1.462
#     dz = dy    * y (1 - y)       =  1.462 * 0.197  =  0.287
#     da = dz    * 1               =                    0.287
#     db = dz    * 1               =                    0.287
#     dw = da    * x               =  0.287 * 2      =  0.575     as measured above
#     dx = da    * w               =  0.287 * 3      =  0.862
#
# That is backpropagation. (Three decimals are printed, but the computer goes on with all of them:
# hence 0.575 and not 0.574.) See what it saves: dz is worked out once, and a, b, w and x all use
# it. However many weights lie in front of z, the way from z to the loss is walked once.
#
# Computing the values is called the **forward pass**, computing the gradients the **backward
# pass**. Nobody wants to change the input x, so what is dx good for? If x were the answer of
# another neuron, dx would be all that *its* backward pass needs to go on. So layers can be put
# together.
#
# The figure shows the neuron as a **computational graph**: a circle for each value, an arrow to
# each value that is made from it. Take the green number at the head of an arrow, times the number
# on the arrow, and you have the green number at its tail.

# %%
dloss = 1.0
dy = dloss * 2 * (y - target)
dz = dy * y * (1 - y)
da = dz * 1
db = dz * 1
dw = da * x
dx = da * w
print(f"dy {dy:.3f}, dz {dz:.3f}, da {da:.3f}, db {db:.3f}, dw {dw:.3f}, dx {dx:.3f}")
assert [round(d, 3) for d in (dy, dz, dw, dx)] == [1.462, 0.287, 0.575, 0.862]
assert np.isclose(dw, slope(lambda w: one_neuron(x, w, b)[-1], w))  # the whole chain, measured
assert np.isclose(db, slope(lambda b: one_neuron(x, w, b)[-1], b))
assert np.isclose(dx, slope(lambda x: one_neuron(x, w, b)[-1], x))
stepped = one_neuron(x, w - dw, b - db)[-1]  # a step of w and b with the rate 1
print(f"one step downhill: loss {loss:.3f} -> {stepped:.3f}")
assert stepped < loss / 2
draw.one_neuron((x, w, b, a, z, y, loss), (dx, dw, db, da, dz, dy, dloss))

# %% [markdown]
# ## Where ways part, gradients add
#
# So far every value was used once. In a network each input goes to every neuron of a layer, and
# each weight works in every example. The smallest case is a value that is used twice. Let x = 2
# again, and
#
#     p = 3 * x = 6        q = x + 1 = 3        loss = p * q = 18
#
# Backwards: the loss is a product, so each factor has the other as its local derivative, dp = q = 3
# and dq = p = 6. Now x. If it grows by a little, it moves p, which moves the loss by 3 * dp = 9
# times as much. It also moves q, which moves the loss by 1 * dq = 6 times as much. Both happen at
# once, so **we add**: dx = 9 + 6 = 15.
#
# School agrees: loss = 3x (x + 1) = 3x^2 + 3x has the slope 6x + 3, and that is 15 at x = 2.
#
# In a program that is a `+=`: dx starts at 0, and each use of x adds its part. (To write `=` there
# instead, so that only the last use counts, is among the commonest mistakes.) And here is the
# square: in $y^2 = y \cdot y$ the number y is used twice, each time with the other y as its local
# derivative, and y + y = 2y.

# %%
x = 2.0
p, q = 3 * x, x + 1
loss = p * q
dp, dq = q, p
dx = 0.0
dx += dp * 3  # x was used in p
dx += dq * 1  # and in q
measured = slope(lambda x: 3 * x * (x + 1), x)
print(f"p {p:.0f}, q {q:.0f};  dp {dp:.0f}, dq {dq:.0f}, dx {dx:.0f}, measured {measured:.6f}")
assert dx == 15 and np.isclose(measured, dx)
draw.two_ways((x, p, q, loss), (dx, dp, dq, 1.0))

# %% [markdown]
# ## The recipe
#
# 1. **Forward:** compute the values one after the other, and keep them.
# 2. Begin at the loss, with the gradient 1.
# 3. **Backward:** in the opposite order, each operation takes the gradient of its result,
#    multiplies it by the local derivative, and *adds* that to the gradient of each of its inputs.
#
# For a layer, three rules and the slope of its activation function are enough. A sum passes the
# gradient on unchanged to all its terms. A product gives each factor the gradient times the other
# factor. A value that is used several times adds up what comes back.
#
# ## A layer, in numbers
#
# A layer of lesson 1, $z = x W + b$, is made of nothing but sums and products. Take two examples
# and two neurons, with the numbers of lesson 0:
#
#     z[0, 0] = 1 * 5 + 2 * 7 + b[0]        z[0, 1] = 1 * 6 + 2 * 8 + b[1]
#     z[1, 0] = 3 * 5 + 4 * 7 + b[0]        z[1, 1] = 3 * 6 + 4 * 8 + b[1]
#
# Let the backward pass have come as far as z, so that `dz` is known: an array of the shape of z
# with the gradient of each number of z in its place. Say it is 1 for z[0, 0], 10 for z[1, 1], and 0
# for the other two. We want dW, db and dx, in the shapes of W, b and x. Ask of each number where it
# is used, and what stands beside it:
#
# - The weight 5 stands beside 1 in z[0, 0], so its gradient is 1 * 1 = 1. The weight 7 stands
#   beside 2 there: 2 * 1 = 2. In z[1, 0] they are used again, and as dz is 0 there, 0 is added.
# - The weights 6 and 8 stand beside 3 and 4 in z[1, 1]: 3 * 10 = 30 and 4 * 10 = 40.
# - The inputs 1 and 2 stand beside 5 and 7 in z[0, 0]: 5 and 7. The inputs 3 and 4 stand beside 6
#   and 8 in z[1, 1]: 60 and 80.
# - b[0] is a term of z[0, 0] and z[1, 0]: 1 + 0 = 1. Likewise b[1]: 0 + 10 = 10.
#
# As a program: walk through the products of the forward pass once more. Each product adds to the
# gradients of both its factors, always with `+=`.


# %%
def layer_backward_by_loops(x, W, dz):
    dx, dW, db = np.zeros_like(x), np.zeros_like(W), np.zeros(W.shape[1])
    for n in range(x.shape[0]):
        for o in range(W.shape[1]):
            db[o] += dz[n, o]
            for i in range(x.shape[1]):
                dW[i, o] += x[n, i] * dz[n, o]
                dx[n, i] += W[i, o] * dz[n, o]
    return dx, dW, db


x, W = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0, 6.0], [7.0, 8.0]])
dz = np.array([[1.0, 0.0], [0.0, 10.0]])
dx, dW, db = layer_backward_by_loops(x, W, dz)
print("dW", dW.tolist(), "  dx", dx.tolist(), "  db", db.tolist())
assert (dW == [[1, 30], [2, 40]]).all() and (dx == [[5, 7], [60, 80]]).all() and db[1] == 10

# %% [markdown]
# Each product of the forward pass costs two in the backward pass, one for either factor. That is
# the whole price of all the slopes: about as much as two forward passes, whether the network has 13
# weights or 60 million.
#
# ## A layer, in matrices
#
# The two inner lines of the loops are sums over a common index, and that is what a matrix product
# is. In dW it is n: $dW[i, o] = \sum_n x[n, i] \cdot dz[n, o]$. It runs *down* in both x and dz; as
# it must run along the rows on the left, x is transposed. In dx it is o:
# $dx[n, i] = \sum_o dz[n, o] \cdot W[i, o]$, and W is transposed:
#
# $$dW = x^T \, dz \qquad\qquad db = \sum_n dz[n] \qquad\qquad dx = dz \, W^T$$
#
# The sum over n in db is over the examples. The shapes say the same, and by them you can find the
# formulas again. With N examples, I inputs, O neurons:
#
# | | shape | made of |
# |---|---|---|
# | dW | (I, O) | x.T (I, N) @ dz (N, O) |
# | db | (O,) | dz (N, O), summed over axis 0 |
# | dx | (N, I) | dz (N, O) @ W.T (O, I) |
#
# As long as N, I and O differ, no other product of the two has the right shape. The figure shows
# three products for the numbers above, each drawn as in lesson 0: z, dW and dx.

# %%
rng = np.random.default_rng(0)
other = rng.normal(size=(4, 3)), rng.normal(size=(3, 2)), rng.normal(size=(4, 2))
for any_x, any_W, any_dz in ((x, W, dz), other):
    dx, dW, db = layer_backward_by_loops(any_x, any_W, any_dz)
    assert np.allclose(dW, any_x.T @ any_dz) and np.allclose(dx, any_dz @ any_W.T)
    assert np.allclose(db, any_dz.sum(axis=0))
    print(f"x {any_x.shape}, W {any_W.shape}, dz {any_dz.shape}: loops and matrices agree")
draw.layer(x, W, dz)

# %% [markdown]
# ## A network that learns xor
#
# Two layers: three hidden neurons and one output, all with a sigmoid. These are nine weights and
# four biases, together 13 **parameters**. The weights start at random, the biases at 0. The loss is
# the mean of the squared errors of the N = 4 examples, so that each has a share of 1/4 in it. The
# backward pass is put together from parts that we know: the square, a sigmoid, a layer, a sigmoid,
# a layer. At a sigmoid `*` is elementwise, because it acts on each number by itself.

# %%
x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
target = np.array([[0.0], [1.0], [1.0], [0.0]])


def new_params(seed):
    rng = np.random.default_rng(seed)
    W1, W2 = rng.normal(size=(2, 3)), rng.normal(size=(3, 1))
    return {"W1": W1, "b1": np.zeros(3), "W2": W2, "b2": np.zeros(1)}


def forward(params, x):
    hidden = sigmoid(x @ params["W1"] + params["b1"])
    y = sigmoid(hidden @ params["W2"] + params["b2"])
    return hidden, y


def backward(params):
    hidden, y = forward(params, x)
    dy = 2 * (y - target) / len(x)
    dz2 = dy * y * (1 - y)
    dhidden = dz2 @ params["W2"].T
    dz1 = dhidden * hidden * (1 - hidden)
    return {"W1": x.T @ dz1, "b1": dz1.sum(axis=0), "W2": hidden.T @ dz2, "b2": dz2.sum(axis=0)}


# %% [markdown]
# Is it right? Never trust a backward pass that was not checked. Here are all 13 slopes the slow
# way: each parameter moved to both sides, 26 runs of the network. (`np.ndenumerate` walks through
# all numbers of an array with their indices.)


# %%
def loss_of_network(params):
    return np.mean((forward(params, x)[1] - target) ** 2)


def measured_slopes(params, h=1e-5):
    slopes = {name: np.zeros_like(array) for name, array in params.items()}
    for name, array in params.items():
        for index, before in np.ndenumerate(array.copy()):
            array[index] = before + h
            above = loss_of_network(params)
            array[index] = before - h
            slopes[name][index] = (above - loss_of_network(params)) / (2 * h)
            array[index] = before
    return slopes


start = new_params(seed=0)
measured, found = measured_slopes(start), backward(start)
difference = max(np.abs(measured[name] - found[name]).max() for name in start)
print(f"the 13 slopes, measured and by backpropagation, differ by {difference:.0e} at most")
assert sum(array.size for array in start.values()) == 13 and difference < 1e-9

# %% [markdown]
# So 1,500 steps of gradient descent, from ten different starts:


# %%
def train(params, rate=5.0, steps=1500):
    losses = []
    for _ in range(steps):
        losses.append(loss_of_network(params))
        for name, slope in backward(params).items():
            params[name] -= rate * slope
    return losses


curves, networks = [], [new_params(seed) for seed in range(10)]
for params in networks:
    curves.append(train(params))
    assert (forward(params, x)[1].round() == target).all() and curves[-1][-1] < 0.01
    assert 0.2 < curves[-1][20] < 0.26
print(f"from the first start: answers {forward(networks[0], x)[1][:, 0].round(2)}")
print(f"all ten have learned xor; the largest loss is {max(c[-1] for c in curves):.4f}")
draw.learned(curves, lambda points: forward(networks[0], points)[1][:, 0], x, target[:, 0])

# %% [markdown]
# Nobody told the network about "or" and "and". On the left of the figure are the ten losses, on a
# **logarithmic** axis: from one labelled line to the next the loss falls to a tenth. All are soon
# near 0.25, the loss of answering 0.5 to everything, stay there for a while, longer or shorter, and
# then fall. On the right is what one of the networks makes of the plane.
#
# ## In short
#
# - The loss is one number for how wrong the network is; each parameter takes a step against its
#   slope: $w \leftarrow w - \text{rate} \cdot dw$.
# - Write dA for the gradient of the loss with respect to A; it has A's shape. Along a chain
#   gradients multiply by local derivatives; where a value is used several times, they add.
# - Layer $z = x W + b$, backward: $dW = x^T dz$, $db = \sum_n dz[n]$, $dx = dz \, W^T$. Sigmoid
#   $y$: $dz = dy \cdot y (1 - y)$.
# - One backward pass, as dear as two forward passes, gives all slopes; measuring takes two runs for
#   each.
# - Watch out for a missing factor, `=` for `+=`, a missing transpose: the loss may fall all the
#   same.


# %%
def backward_wrong(params):  # for exercise 2
    hidden, y = forward(params, x)
    dz2 = 2 * (y - target) / len(x) * y * (1 - y)
    dz1 = dz2 @ params["W2"].T
    return {"W1": x.T @ dz1, "b1": dz1.sum(axis=0), "W2": hidden.T @ dz2, "b2": dz2.sum(axis=0)}


# %% [markdown]
# ## Exercises (answers: `solutions/solution_02.py`)
#
# 1. Train with rates of 0.05, 0.5, 5, 50 and 500. What happens at both ends, and why?
# 2. BUG: with `backward_wrong` the loss falls, as far as 0.25. Compare it with `measured_slopes`:
#    which arrays are wrong, and what is missing? Why 0.25?
# 3. Start with all weights equal (0.5, say). Why does it never learn xor, whatever the rate?
#
# One more checks itself: `lenet check 2 --start mine.py` writes a file to start from.
