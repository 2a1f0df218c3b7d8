# %% [markdown]
# # Lesson 14: local response normalisation, a gain control for channels
#
# In nerves an excited cell quiets its neighbours: *lateral inhibition*. AlexNet's authors took that
# as their model for a layer after its first two convolutions: at each pixel a channel is divided by
# a number that grows with the channels around it, **itself included**. So a strong channel quiets
# its neighbours and itself by nearly the same factor. That is gain control, as in a radio that
# turns itself down when the station is strong; the paper (section 3.3) also says "brightness
# normalization". We compute it by hand, in both of its formulas, go backward, where there is a
# trap, and see it at work.

# %%
import numpy as np

from examples.lessons.figures import figure
from layers import LocalResponseNorm
from models import load_classifier
from nn import Layer, check_gradients
from nn.data import objects
from nn.inspect import activations
from nn.plots.style import COLOURS

# %% [markdown]
# ## The formula
# For channel i at one pixel, with n neighbours: itself and n // 2 on each side, fewer at the ends.
#
#     s_i = k + alpha * sum over the neighbours j of  x_j^2            y_i = x_i / s_i^beta
#
# The paper has n = 5, k = 2, alpha = 0.0001, beta = 0.75, chosen by trying on images that were
# neither learned from nor used for the final test (*held out*). k keeps s away from 0, a larger
# beta divides large numbers harder, and alpha decides how large the x_j must be to be felt at all.


# %%
def around(a, n=5):
    """For each channel, the sum of a over its neighbours. Channels are in the last axis."""
    return np.stack(
        [a[..., max(0, i - n // 2) : i + n // 2 + 1].sum(axis=-1) for i in range(a.shape[-1])],
        axis=-1,
    )


x = np.full((1, 1, 1, 13), 2.0)
x[..., 6] = 8  # twelve channels alike, and a strong one in the middle
colours = ["#b5b5b5"] * 4 + [COLOURS[0]] * 2 + [COLOURS[1]] + [COLOURS[0]] * 2 + ["#b5b5b5"] * 4
with figure("14_gain", 11, 3.4) as drawing:
    panels = drawing.subplots(1, 3)
    for axes, title, alpha in zip(
        panels, ("before", "after, alpha = 0.0001", "after, alpha = 1"), (None, 1e-4, 1)
    ):
        y = x if alpha is None else x / (2 + alpha * around(x**2)) ** 0.75
        assert alpha is None or np.allclose(y, LocalResponseNorm(alpha=alpha).forward(x))
        strong, beside, far = y[0, 0, 0, [6, 5, 3]]
        print(
            f"{title:<22}: strong channel {strong:.3f}, beside it {beside:.3f}, far from it {far:.3f}",
            end="; ",
        )
        print(f"strong : beside {strong / beside:.2f}, strong : far {strong / far:.2f}")
        axes.bar(np.arange(13), y.ravel(), color=colours)
        axes.set(
            title=title,
            xlabel="channel",
            ylabel="x" if alpha is None else "y",
            xticks=range(0, 13, 2),
        )

# %% [markdown]
# (Open runs/lessons/14_gain.png: three scales!) By what is each divided, with alpha = 1? The strong
# channel and the one beside it by the same number, since each has the other for a neighbour and all
# else is alike; so one is four times the other as before. The channels out of its reach are divided
# by much less, and so strong : far falls. One contrast is kept, the other flattened; the strongest
# is damped as hard as its neighbours. (The outermost have fewer neighbours, hence are divided by
# less.) With the paper's alpha, numbers of this size are not felt: all are divided by almost 2^0.75
# = 1.68, a constant. AlexNet read pixels of up to 255, which make larger x.

# %%
by_paper, by_one = (((2 + alpha * around(x**2)) ** 0.75)[0, 0, 0] for alpha in (1e-4, 1))
strong, beside, far = by_one[[6, 5, 3]]
print(
    f"alpha = 1 divides the strong one by {strong:.2f}, that beside it by {beside:.2f}, that far away by {far:.2f}"
)
assert strong == beside > 2 * far and by_one[0] < far
assert np.allclose(by_paper, 1.68, rtol=0.005)

# %% [markdown]
# ## Two formulas
# The paper's alpha multiplies the sum. AlexNet's published code, and Caffe and PyTorch (libraries
# for networks, old and new), divide alpha by n first: k + (alpha / n) * sum. Whoever copies a
# network from one to the other must know which is meant; this library follows the paper
# (`layers/normalisation.py`).

# %%
rng = np.random.default_rng(10)
x = 20 * rng.standard_normal((2, 3, 3, 8))
paper, divided = (x / (2 + alpha * around(x**2)) ** 0.75 for alpha in (1e-4, 1e-4 / 5))
assert np.allclose(paper, LocalResponseNorm(alpha=1e-4).forward(x))
assert np.allclose(divided, LocalResponseNorm(alpha=1e-4 / 5).forward(x))
print(
    f"alpha or alpha / n, for numbers around 20: results differ by up to {(1 - paper / divided).max():.0%}"
)

# %% [markdown]
# ## Backward, and why a wrong one hides
# x_i stands in its own numerator, and in the denominators of all its neighbours j, itself among
# them. So dx_i has two terms, by the quotient rule (the slope of a fraction u / v is u' / v - u v'
# / v^2):
#
#     dx_i = dy_i / s_i^beta  -  2 alpha beta x_i * sum over the neighbours j of  dy_j x_j / s_j^(beta + 1)
#
# The second, the cross term, is what i does to the gain of its neighbours and to its own: if j
# ought to grow, i had better be quiet (where both are positive). Only x_i stands before the sum;
# all that belongs to j stands in it.


# %%
class HandNorm(Layer):
    def __init__(self, alpha, beta=0.75):
        super().__init__()
        self.alpha, self.beta = alpha, beta

    def forward(self, x, training=False):
        self.x, self.s = x, 2 + self.alpha * around(x**2)
        return x / self.s**self.beta

    def cross(self, dy):
        return 2 * self.alpha * self.beta * self.x * around(dy * self.x / self.s ** (self.beta + 1))

    def backward(self, dy):
        return dy / self.s**self.beta - self.cross(dy)


class NoCross(HandNorm):
    def cross(self, dy):
        return 0


x = rng.standard_normal((2, 3, 3, 8))
for kind in (HandNorm, NoCross):
    errors = [check_gradients(kind(alpha), x).max_error for alpha in (1e-4, 1)]
    print(
        f"{kind.__name__}: largest error {errors[0]:.0e} with alpha = 0.0001, {errors[1]:.0e} with alpha = 1"
    )
    assert (max(errors) < 1e-6) == (kind is HandNorm)
    assert errors[0] < 1e-3  # with the paper's alpha, the wrong one too

# %% [markdown]
# With the paper's alpha the cross term is so small that a test which allows for a thousandth would
# pass without it. Test a layer with constants that make all its terms matter.
#
# ## In a trained network
# The AlexNet for small photographs that comes with the library learned with the paper's constants.
# We change alpha afterwards and show it 60 images of cats, dogs, cars and callipers that the
# library draws (`objects`). `preparation` brings pixels to the mean and size that the network
# learned with.

# %%
classifier = load_classifier("cifar10_alexnet")
network = classifier.network
x = classifier.preparation(pictures := objects(32, train=60, test=0)[0].images)
maps, answers = activations(network, x), network.predict(x).argmax(axis=1)
ratio = maps["relu1"] / np.maximum(maps["norm1"], 1e-6)
with figure("14_maps", 11, 5.2) as drawing:
    print(f"norm1 divides by {ratio[ratio > 1].min():.3f} to {ratio.max():.3f}")
    for row, alpha in zip(drawing.subplots(3, 7), (0, 1e-4, 1)):
        network.layers["norm1"].alpha = network.layers["norm2"].alpha = alpha
        same = np.mean(network.predict(x).argmax(axis=1) == answers)
        print(f"    with alpha = {alpha} the answers to {same:.0%} of the images are as they were")
        assert same < 0.5 if alpha == 1 else same > 0.9
        row[0].imshow(pictures[0])
        row[0].set(title="image", ylabel=f"alpha = {alpha}", xticks=[], yticks=[])
        for channel, axes in enumerate(row[1:]):
            axes.imshow(
                activations(network, x[:1])["norm1"][0, :, :, channel], cmap="Purples", vmin=0
            )
            axes.set(title=f"map {channel}", xticks=[], yticks=[])

# %% [markdown]
# (Open 10_maps.png; each map has its own scale.) In this network, whose numbers are small, the
# layer divides by nearly a constant: with alpha = 0 it would hardly notice. With 1 the size of each
# neighbourhood is taken out of all numbers: it never learned to read that. Leaving the layer out
# cost 1.4 points in the paper (section 3.3), nothing in `examples/RESULTS.md` (there, within maps).


# %%
class QuickNorm(HandNorm):  # for exercise 2
    def cross(self, dy):
        return 2 * self.alpha * self.beta * dy * self.x / self.s ** (self.beta + 1) * around(self.x)


# %% [markdown]
# ## Exercises (answers: `solutions/solution_14.py`)
# 1. A file of Caffe's says n = 5, alpha = 0.0001, k = 1. Which alpha must `LocalResponseNorm` get?
#    Does some alpha make k = 1 as good as k = 2?
# 2. `QuickNorm` saves the sum over dy. With alpha = 0.0001 its error is small. Is it right? Mend
#    it.
# 3. Multiply a large x by 1000. What becomes of y? For which beta would the size of x not matter?
