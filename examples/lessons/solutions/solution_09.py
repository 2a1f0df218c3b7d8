# %% [markdown]
# # Lesson 9: answers

# %%
import numpy as np

from layers import Linear
from nn import SGD, Network, SoftmaxCrossEntropy


def valley_loss(w, ratio=100):
    return (w[..., 0] ** 2 + ratio * w[..., 1] ** 2) / 2


def walk(rate, momentum, steps, ratio=100):
    """All places from (10, 1) on; it ends early if the loss explodes."""
    w, v, places = np.array([10.0, 1.0]), np.zeros(2), []
    while len(places) <= steps and valley_loss(w, ratio) < 1e6:
        places.append(w)
        v = momentum * v - rate * np.array([w[0], ratio * w[1]])
        w = w + v
    return np.array(places)


def fewest_steps(momentum, ratio=100):
    """The steps after which the loss stays below a thousandth of what it was, at the best rate."""
    found = []
    for rate in np.array([0.5, 1, 1.5, 1.8, 1.95, 1.98, 2.5, 2.9, 3.3, 3.6]) / ratio:
        losses = valley_loss(walk(rate, momentum, 1500, ratio), ratio)
        if losses[-1] < losses[0] / 1000:
            found.append(1 + np.flatnonzero(losses > losses[0] / 1000)[-1])
    return min(found)


# %% [markdown]
# ## 1. Other momenta
#
# Gradients that agree add up to 1 / (1 - m): 2 plain steps with 0.5, 100 with 0.99. Half of a
# gradient's influence is gone after 1 step, and after 69 steps. A ball with 0.99 has almost no
# friction: it rolls through the lowest point, up the other side and back, and each step takes only
# a share of 0.005 from its swings (the root of 0.99 is 0.995), whatever the rate. To calm down to a
# thousandth of the loss takes hundreds of steps. With 0.5 it calms down at once, and here that is
# even a little better than 0.9. For each valley there is a best momentum, the nearer to 1 the
# narrower it is. For the condition number k it is $((\sqrt{k} - 1) / (\sqrt{k} + 1))^2$: 0.67 for
# 100, and 0.9 for about 1,400. (For a network nobody knows k, and 0.9 has done well in most.) In a
# bowl of 10 it takes more than twice as many steps as none at all; in a valley of 1,000 it is more
# than ten times as fast.

# %%
best = {}
for momentum in (0.0, 0.5, 0.67, 0.9, 0.99):
    best[momentum] = fewest_steps(momentum)
    print(f"momentum {momentum}: at most {1 / (1 - momentum):3.0f} times the step,", end=" ")
    print(f"down the valley in {best[momentum]} steps at best")
assert best[0.67] < best[0.5] < best[0.9] < best[0.0] / 2 and best[0.99] > best[0.0]
assert 0.99**69 < 0.5 < 0.99**68 and round((9 / 11) ** 2, 2) == 0.67
assert round(((1400**0.5 - 1) / (1400**0.5 + 1)) ** 2, 2) == 0.9

print("condition number   plain   momentum 0.9")
for ratio in (10, 100, 1000):
    plain, rolled = fewest_steps(0, ratio), fewest_steps(0.9, ratio)
    print(f"{ratio:16}   {plain:5}   {rolled:12}")
    assert {10: plain < rolled, 100: plain > 2 * rolled, 1000: plain > 10 * rolled}[ratio]

# %% [markdown]
# ## 2. The bug
#
# `self.v[name] = g` makes no copy: v *is* the network's gradient array. The first step is right. At
# the second, `backward` has written the new gradient into it, so v has forgotten the old one: it
# becomes 0.9 g + g, with the same g twice, which is 1.9 times the plain step and no memory at all.
# The loss falls, as without momentum at 1.9 times the rate. A copy mends it: `g.copy()`.


# %%
class HeavyBall:
    mended = False

    def __init__(self, network, lr, momentum=0.9):
        self.network, self.lr, self.momentum, self.v = network, lr, momentum, {}

    def step(self):
        for name, w in self.network.params.items():
            g = self.network.grads[name]
            if name not in self.v:
                self.v[name] = g.copy() if self.mended else g
            else:
                self.v[name] *= self.momentum
                self.v[name] += g
            w -= self.lr * self.v[name]


rng = np.random.default_rng(9)
x, labels, loss = rng.normal(size=(30, 5)), rng.integers(3, size=30), SoftmaxCrossEntropy()


def weights_after(make_optimizer, steps):
    """The weights after each step, on batches of ten, each another one."""
    network, found = Network([("linear", Linear(5, 3, rng=0))]).astype(np.float64), []
    optimizer = make_optimizer(network)
    for step in range(steps):
        batch = slice(10 * step, 10 * step + 10)
        loss.forward(network.forward(x[batch], training=True), labels[batch])
        network.backward(loss.backward(), input_gradient=False)
        optimizer.step()
        found.append(network.params["linear.weight"].copy())
    return found


library = weights_after(lambda network: SGD(network, 0.1, form="pytorch"), 3)
for HeavyBall.mended in (False, True):
    ours = weights_after(lambda network: HeavyBall(network, 0.1), 3)
    away = [np.abs(a - b).max() for a, b in zip(ours, library)]
    print("mended: " if HeavyBall.mended else "\nthe bug:", end=" ")
    print("differs after steps 1, 2, 3 by", ", ".join(f"{difference:.0e}" for difference in away))
    assert away[0] < 1e-12 and (max(away[1:]) < 1e-12) == HeavyBall.mended

# %% [markdown]
# ## 3. The largest rate
#
# Across the valley the gradient is 100 w. Without momentum w is multiplied by 1 - 100 rate, which
# must stay above -1: rate < 2 / 100. With momentum m suppose that w just swings between +1 and -1.
# Then v swings between -2 and +2, because each step leads from one side to the other. Put that into
# v = m v - rate 100 w, with the old v = 2, the new one -2 and w = 1: -2 = 2 m - 100 rate. So
#
# $$\text{rate} < 2\, (1 + m) / 100$$
#
# 0.02, 0.03 and 0.038. Momentum allows *larger* rates here. Gradients that alternate cancel, and it
# is those across the valley that explode. "Ten times less" is about gradients that agree.

# %%
print()
for momentum in (0.0, 0.5, 0.9):
    limit = 2 * (1 + momentum) / 100
    below, above = walk(0.99 * limit, momentum, 2000), walk(1.01 * limit, momentum, 2000)
    print(f"momentum {momentum}: limit {limit:.3f}; just below it the loss ends at", end=" ")
    print(f"{valley_loss(below[-1]):.0e}, just above it explodes after {len(above)} steps")
    assert valley_loss(below[-1]) < 1e-3 and len(above) < 2000
