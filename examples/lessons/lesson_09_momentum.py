# %% [markdown]
# # Lesson 9: the step, stochastic gradient descent with momentum
#
# Backpropagation says which way is down. It does not say how far to go. Lesson 2 took one rate, all
# examples at once, and steps straight downhill. Networks are trained with a few more things: small
# batches, momentum, weight decay, and a rate that rises and falls. Each is one line of arithmetic
# in the **update**, that is, in what is added to a weight at a step. We look at them one at a time,
# first on two weights, which can be drawn, then on 7,850 that read digits.

# %%
import numpy as np

from examples.lessons.drawings import momentum as drawings
from layers import Linear
from nn import SGD, Network, SoftmaxCrossEntropy
from nn.data import digits
from nn.training.schedules import constant, one_cycle

# %% [markdown]
# ## A narrow valley
#
# Two weights, $w_0$ and $w_1$, and the loss $(w_0^2 + 100\, w_1^2) / 2$: a valley with its lowest
# point at (0, 0), and 100 times as steep across as along. Its gradient is $(w_0,\; 100\, w_1)$.
# Start at (10, 1), where the gradient is (10, 100), and step with rate 0.0195:
#
#     (10, 1)       - 0.0195 * (10, 100)     = (9.805, -0.95)
#     (9.805, -0.95) - 0.0195 * (9.805, -95) = (9.614, 0.9025)
#
# Across, it overshoots each time, to nearly the same height on the other side: $w_1$ is multiplied
# by 1 - 0.0195 * 100 = -0.95. Along, where it should go, it creeps: $w_0$ is multiplied by 1 -
# 0.0195 = 0.9805. A larger rate does not help. Beyond 2 / 100, $w_1$ grows with each step and the
# loss explodes. **The steepest direction sets the rate, the flattest the time.** The ratio of the
# two, here 100, is called the **condition number**, and in a network with millions of weights it is
# far larger.


# %%
def valley_loss(w):
    return (w[..., 0] ** 2 + 100 * w[..., 1] ** 2) / 2


def walk(rate, momentum=0.0, steps=300):
    """All places from (10, 1) on; it ends early if the loss explodes."""
    w, v, places = np.array([10.0, 1.0]), np.zeros(2), []
    while len(places) <= steps and valley_loss(w) < 1e6:
        places.append(w)
        v = momentum * v - rate * np.array([w[0], 100 * w[1]])  # momentum 0: the plain step
        w = w + v
    return np.array(places)


def arrival(places):
    """The number of steps after which the loss stays below a thousandth of what it was."""
    losses = valley_loss(places)
    return 1 + np.flatnonzero(losses > losses[0] / 1000)[-1]


plain = walk(0.0195)
print("straight downhill:", *plain[:3].round(4), "...")
print(f"the loss is a thousandth of what it was after {arrival(plain)} steps")
assert np.allclose(plain[1:3], [[9.805, -0.95], [9.613802, 0.9025]])
assert valley_loss(walk(0.0205)[-1]) > 1000 * valley_loss(plain[0])  # beyond 2 / 100

# %% [markdown]
# ## Momentum
#
# Let the weights move like a heavy ball. It has a **velocity** v, which the slope changes a little
# at every step, and it is the velocity that moves the weights:
#
# $$v \leftarrow 0.9\, v - \text{rate} \cdot g, \qquad w \leftarrow w + v$$
#
# with g the gradient. The factor, 0.9, is called the **momentum**: how much of its velocity the
# ball keeps (0 is the plain step). So v is a running sum of all plain steps so far, of which the
# last counts 1, the one before 0.9, then 0.81, 0.729; after seven steps less than half is left.
#
# Follow it with rate 0.1, once where the gradient is 1 at each step, and once where it changes sign
# each time:
#
# | step | 1 | 2 | 3 | 4 | ... | in the end |
# |---|---|---|---|---|---|---|
# | v, gradient 1, 1, 1, 1 | -0.1 | -0.19 | -0.271 | -0.344 | | -1 |
# | v, gradient 1, -1, 1, -1 | -0.1 | 0.01 | -0.091 | 0.018 | | -0.053 and 0.053 |
#
# Where gradients agree they add up to 1 + 0.9 + 0.81 + ... = 1 / (1 - 0.9) = 10 times the plain
# step, and never more. Where they alternate they cancel, to 1 - 0.9 + 0.81 - ... = 1 / (1 + 0.9) =
# 0.53 of it. In the valley that is what we want: go on along, calm down across.


# %%
def velocities(gradients, rate=0.1, momentum=0.9):
    v, found = 0.0, []
    for g in gradients:
        v = momentum * v - rate * g
        found.append(v)
    return np.array(found)


agree, alternate = velocities(np.ones(200)), velocities([1, -1] * 100)
print("agreeing:", agree[:4].round(3), f"-> {agree[-1]:.3f}")
print("alternating:", alternate[:4].round(3), f"-> {alternate[-2]:.3f}, {alternate[-1]:.3f}")
assert (agree[:4].round(3) == [-0.1, -0.19, -0.271, -0.344]).all() and round(agree[-1], 3) == -1
assert (alternate[:4].round(3) == [-0.1, 0.01, -0.091, 0.018]).all()
assert round(alternate[-1], 3) == 0.053 and 0.9**7 < 0.5 < 0.9**6
rolled = walk(0.0195, 0.9)
print(f"in the valley: {arrival(plain)} steps without momentum, {arrival(rolled)} with it")
assert arrival(rolled) < arrival(plain) / 2
drawings.valley(valley_loss, {"plain": plain, "momentum 0.9": rolled})

# %% [markdown]
# The figure shows both paths, and their losses over the steps. The ball, too, runs up the slopes,
# and past the lowest point, but it arrives in less than half the steps. How much is gained depends
# on the valley: in a wide bowl momentum only makes it swing, and the narrower the valley the more
# it gains (exercise 1).
#
# ## A few images at a time
#
# Now the real thing: 8,000 digits, and the simplest network, one linear layer from 784 pixels to
# ten logits, with the softmax and cross-entropy of lesson 8 (it is called **softmax regression**).
# The true gradient is the mean over all 8,000 images. Must one look at all of them for a single
# step?

# %%
train_set, _ = digits()
x, labels = train_set.images.reshape(8000, 784), train_set.labels


def loss_and_gradients(params, x, labels):
    """Lesson 8's loss behind a linear layer, and dW and db."""
    z = x @ params["W"] + params["b"]
    z -= z.max(axis=1, keepdims=True)
    exps = np.exp(z)
    sums = exps.sum(axis=1, keepdims=True)
    loss = (np.log(sums[:, 0]) - z[np.arange(len(x)), labels]).mean()
    dz = (exps / sums - np.eye(10, dtype=z.dtype)[labels]) / len(x)
    return loss, {"W": x.T @ dz, "b": dz.sum(axis=0)}


start = {"W": np.zeros((784, 10), np.float32), "b": np.zeros(10, np.float32)}
assert sum(param.size for param in start.values()) == 7850
full = loss_and_gradients(start, x, labels)[1]["W"]
order = np.random.default_rng(0).permutation(8000).reshape(125, 64)  # all images, shuffled
small = np.array([loss_and_gradients(start, x[b], labels[b])[1]["W"] for b in order])  # (125, ...)
assert np.allclose(small.mean(axis=0), full, atol=1e-6)
angles = (small * full).sum(axis=(1, 2)) / np.linalg.norm(small, axis=(1, 2))
angles /= np.linalg.norm(full)  # the cosine: 1 the same direction, 0 at right angles
print(f"cosine of a batch's gradient and the true one: {angles.min():.2f} to {angles.max():.2f}")
assert angles.min() > 0.3

# %% [markdown]
# The gradients of the 125 batches of 64 (**mini-batches**, to be exact) are all different, and
# their mean is exactly the true one: a batch's gradient is right on average, it has **noise**. At
# the start, where we are, all of them point roughly downhill (a cosine above 0). The noise of 64
# images is as long as the gradient itself, and it falls with the root of the batch size: for half
# the noise one needs four times as many images. That is a bad bargain. 64 images cost 1/125 of all,
# so in one **epoch**, once through all the images, one can take 125 rough steps instead of a single
# exact one. This is **stochastic gradient descent** (SGD; stochastic means random).


# %%
def noise(params, size, rng):
    """How far the gradients of 100 batches are from the true one, as a share of its length."""
    true, away = loss_and_gradients(params, x, labels)[1]["W"], []
    for _ in range(100):
        batch = rng.integers(8000, size=size)
        away.append(loss_and_gradients(params, x[batch], labels[batch])[1]["W"] - true)
    return np.sqrt(np.mean(np.sum(np.square(away), axis=(1, 2)))) / np.linalg.norm(true)


rng = np.random.default_rng(9)
at_start = {size: noise(start, size, rng) for size in (1, 4, 16, 64, 256, 1024)}
print("noise by size of batch:", ", ".join(f"{s}: {n:.2f}" for s, n in at_start.items()))
assert 0.8 < at_start[64] < 1.3 and 1.7 < at_start[16] / at_start[64] < 2.3
drawings.noise(small, full, at_start)

# %% [markdown]
# The figure shows two of the 7,850 numbers of the gradient, for each of the batches (grey) and for
# all images (orange), and the noise over the size of the batch.
#
# ## Too small, right, too large
#
# Here is the whole loop. It has everything that this lesson is about; what `decay` is for, and a
# rate that changes, comes below.


# %%
def train(rate, momentum=0.0, decay=0.0, epochs=1, seed=0, start=start):
    rng, params, losses, steps = np.random.default_rng(seed), dict(start), [], 125 * epochs
    v = {name: np.zeros_like(param) for name, param in params.items()}
    for step in range(steps):
        if step % 125 == 0:  # a new epoch, in a new order
            order = rng.permutation(8000).reshape(125, 64)
        batch = order[step % 125]
        loss, grads = loss_and_gradients(params, x[batch], labels[batch])
        now = rate(step / steps) if callable(rate) else rate  # the rate of this step
        for name, w in params.items():
            v[name] = momentum * v[name] - now * decay * w - now * grads[name]
            params[name] = w + v[name]
        losses.append(loss)
    return params, losses


def loss_of(params):
    return loss_and_gradients(params, x, labels)[0]


curves, ends = {}, {}
for rate in (0.003, 0.3, 10):
    runs = [train(rate, seed=seed) for seed in range(5)]
    ends[rate], curves[f"rate {rate}"] = [loss_of(params) for params, _ in runs], runs[0][1]
    print(f"rate {rate}: loss after one epoch, five seeds:", np.round(ends[rate], 2))
exact = loss_and_gradients(start, x, labels)[1]
one_step = {name: start[name] - exact[name] for name in start}
print(f"one exact step instead of an epoch of small ones, rate 1: {loss_of(one_step):.2f}")
assert min(ends[0.003]) > 1.5 and max(ends[0.3]) < 0.5 < min(ends[10])
assert loss_of(one_step) > 3 * max(ends[0.3])
drawings.rates(curves)

# %% [markdown]
# In the figure are the losses of one seed. Too small a rate gets nowhere in the time, too large a
# one jumps about and ends far up. The right one is usually not far below those at which the loss
# begins to jump. If you have time to tune one thing only, tune the rate, by factors of 3.
#
# Momentum takes part in it. As gradients that agree add up to ten times the plain step, rate 0.03
# with momentum 0.9 does what rate 0.3 does without. So whoever switches momentum on must divide the
# rate by ten, or compares two rates and not two methods. (In the valley both walked at one rate,
# the largest that plain steps can bear. Here both rates are well below theirs, no valley stops
# them, and momentum gains next to nothing.)

# %%
for rate in (0.01, 0.03):
    without = [loss_of(train(10 * rate, seed=seed)[0]) for seed in range(5)]
    with_it = [loss_of(train(rate, momentum=0.9, seed=seed)[0]) for seed in range(5)]
    print(f"rate {10 * rate:.1f} plain: {np.round(without, 3)}")
    print(f"rate {rate} with momentum 0.9: {np.round(with_it, 3)}")
    assert np.allclose(without, with_it, rtol=0.2)

# %% [markdown]
# ## Weight decay
#
# Add to the loss $\frac{\lambda}{2}$ times the sum of all $w^2$, and to every gradient comes
# $\lambda w$. In the step, with ε for the rate, that is
#
# $$w \leftarrow w - \epsilon\,(\lambda w + g) = (1 - \epsilon \lambda)\, w - \epsilon\, g$$
#
# Each weight shrinks by a small share at every step, hence **weight decay**. With AlexNet's rate of
# 0.01 and λ = 0.0005 the share is 0.000005, and its momentum makes that ten times as much: without
# any gradient a weight would be halved in some 14,000 steps. Weights that the data keep asking for
# stay; what nothing asks for fades. In our digits nothing asks for the weights of pixels that are
# paper in all 8,000 images: their gradient is 0. We start from random weights, with and without a
# (strong) decay:

# %%
w, v, steps = 1.0, 0.0, 0
while w > 0.5:
    v = 0.9 * v - 0.01 * 0.0005 * w
    w, steps = w + v, steps + 1
assert round(steps, -3) == 14_000
scattered = start | {"W": np.random.default_rng(9).normal(0, 0.1, (784, 10)).astype(np.float32)}
blank = (x == 0).all(axis=0)
weights = {}
for decay in (0.0, 0.01):
    W = train(0.5, decay=decay, epochs=4, start=scattered)[0]["W"]
    weights[decay] = W
    print(f"decay {decay}: all weights {np.linalg.norm(W):5.2f} long, ", end="")
    print(f"those of the {blank.sum()} blank pixels {np.linalg.norm(W[blank]):.2f}")
assert np.array_equal(weights[0.0][blank], scattered["W"][blank])
assert np.linalg.norm(weights[0.01][blank]) < 0.1 * np.linalg.norm(weights[0.0][blank])
assert np.linalg.norm(weights[0.01]) < 0.7 * np.linalg.norm(weights[0.0])
drawings.decay({f"decay {decay}": W[:, 3] for decay, W in weights.items()})

# %% [markdown]
# The figure shows the weights of the class 3 (orange: ink there speaks for a 3; blue: against it).
# Without decay the random numbers of the beginning are still there in the corners, and would count
# any ink that a test digit has there. With it only what the training asked for is left. (Too strong
# a decay takes that as well.)
#
# ## Rates that rise and fall
#
# **Why fall?** Near the lowest point the true gradient goes to 0, and the noise does not: the steps
# become mere noise, and the weights jitter at a height that grows with the rate. A smaller rate
# averages over more batches. **Why rise first?** At the start all is steep and random, and a rate
# that is right later throws the weights far away. **One cycle** (after Smith and Topin 2018) does
# both: here it rises in a straight line for 30 % of the run and falls to 0 along a cosine. That is
# a **schedule**; the library's are in `nn/training/schedules.py`. At a rate of 2, four epochs:

# %%
ends, highest, curves = {}, {}, {}
for name, rate in {
    "constant": constant(2),
    "falling": one_cycle(2, warm_up=0),
    "one cycle": one_cycle(2),
}.items():
    runs = [train(rate, epochs=4, seed=seed) for seed in range(5)]
    ends[name] = [loss_of(params) for params, _ in runs]
    highest[name] = [max(losses) for _, losses in runs]
    curves[name] = rate, runs[0][1]
    print(f"{name:9} loss in the end {np.round(ends[name], 2)}", end=", ")
    print(f"at the worst step {np.round(highest[name], 1)}")
assert max(ends["falling"] + ends["one cycle"]) < min(ends["constant"])
assert max(highest["one cycle"]) < min(highest["falling"])
settled = train(one_cycle(2), epochs=4)[0]
at_end = noise(settled, 64, rng)
print(
    f"noise of 64 images: at first {at_start[64]:.1f} times the gradient, in the end {at_end:.0f}"
)
assert at_end > 5 * at_start[64]
drawings.schedules(curves)

# %% [markdown]
# In all five seeds the two that fall end lower, and the one that rises first hardly leaps up. (The
# other two are at the full rate when the leap comes, hence their equal numbers.) This network has a
# single valley and finds its way back from any leap. Deep networks may not: in exercise 1 of lesson
# 10 a LeNet does not.
#
# ## The step of 2012
#
# Krizhevsky, Sutskever and Hinton (2012, section 5) write it in one formula, with i the number of
# the step, and the derivative averaged over the batch:
#
# $$v_{i+1} = 0.9\, v_i - 0.0005\, \epsilon\, w_i - \epsilon\, \frac{\partial L}{\partial w}$$
#
# $$w_{i+1} = w_i + v_{i+1}$$
#
# Momentum 0.9, decay 0.0005: it is the line in `train`, letter by letter, and `nn.SGD`
# (`nn/sgd.py`) has it as `form="paper"`, which is its default. PyTorch's form leaves the rate out
# of the velocity, $v \leftarrow 0.9\, v + g + \lambda w$, and multiplies when it steps:
# $w \leftarrow w - \epsilon v$. At a constant rate they are the same. When the rate falls the
# paper's ball still has its old speed, and PyTorch's slows down at once.

# %%
loss = SoftmaxCrossEntropy()
by_hand = train(0.01, momentum=0.9, decay=0.0005, start=scattered)[0]
order = np.random.default_rng(0).permutation(8000).reshape(125, 64)
last = {}
for form in ("paper", "pytorch"):
    network = Network([("linear", Linear(784, 10))])
    weight, bias = network.params.values()
    weight[...], bias[...] = scattered["W"], scattered["b"]
    sgd = SGD(network, lr=0.01, momentum=0.9, weight_decay=0.0005, form=form)
    for step, batch in enumerate([*order, order[0]]):
        if step == 125:  # once more, at a tenth of the rate
            assert np.allclose(weight, by_hand["W"], atol=1e-5)
            assert np.allclose(bias, by_hand["b"], atol=1e-5)
            sgd.lr /= 10
        before = weight.copy()
        loss.forward(network.forward(x[batch], training=True), labels[batch])
        network.backward(loss.backward(), input_gradient=False)
        sgd.step()
        last[form, step] = np.linalg.norm(weight - before)
print("125 steps by hand, by SGD and by PyTorch's form: the same weights")
for form in ("paper", "pytorch"):
    share = last[form, 125] / last[form, 124]
    print(f"the rate falls to a tenth: the next step of {form} is {share:.2f} times as long")
assert last["paper", 125] > 0.8 * last["paper", 124]
assert last["pytorch", 125] < 0.2 * last["pytorch", 124]


# %%
class HeavyBall:  # for exercise 2; it shall do what SGD(form="pytorch") does, without decay
    def __init__(self, network, lr, momentum=0.9):
        self.network, self.lr, self.momentum, self.v = network, lr, momentum, {}

    def step(self):
        for name, w in self.network.params.items():
            g = self.network.grads[name]
            if name not in self.v:
                self.v[name] = g  # 0.9 * 0 + g
            else:
                self.v[name] *= self.momentum
                self.v[name] += g
            w -= self.lr * self.v[name]


# %% [markdown]
# ## In short
#
# Each step goes against a running sum of noisy gradients, a little shorter at each end of the run.
#
# - $v \leftarrow 0.9\, v - \text{rate} \cdot (\lambda w + g)$, then $w \leftarrow w + v$.
# - Gradients that agree add up to 1 / (1 - 0.9) = 10 steps, those that alternate cancel. It pays in
#   narrow valleys.
# - The noise of a batch falls with the root of its size, and many rough steps beat one exact one.
# - Tune the rate first, by factors of 3; divide it by 10 when you switch on momentum 0.9.
# - Weight decay multiplies each weight by 1 - rate λ; what no gradient asks for fades.
# - Rates rise first, lest the start leap, and fall in the end, lest the noise go on.
#
# ## Exercises (answers: `solutions/solution_09.py`)
#
# 1. What do momentum 0.5 and momentum 0.99 mean in numbers? Walk down the valley with them, at the
#    best of many rates. Why is 0.99 not better than 0.9 here? And how much does 0.9 gain in valleys
#    with the condition numbers 10 and 1,000?
# 2. BUG: `HeavyBall` learns, and every gradient check passes. Compare its weights with those of
#    `SGD(form="pytorch")` after one, two and three steps of the same network. What happens at the
#    second step? (`backward` writes into the arrays of `grads`, the same ones each time.) Mend it.
# 3. Up to which rate does the walk in the valley not explode, with momentum 0, 0.5 and 0.9? Find a
#    formula, and say why the answer is not "ten times less with 0.9".
#
# One more checks itself: `lenet check 9 --start mine.py` writes a file to start from.
