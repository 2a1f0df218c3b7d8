# %% [markdown]
# # Lesson 7: answers

# %%
import numpy as np

from layers import Conv2d, MaxPool2d
from nn import Layer, check_gradients
from nn.data import digits

# %% [markdown]
# ## 1. AlexNet's widths
#
# floor((55 - 3) / 2) + 1 = 27, floor((27 - 3) / 2) + 1 = 13, floor((13 - 3) / 2) + 1 = 6. Each time
# the last window ends exactly at the edge (52, 24 and 10 are even), so that ceil gives the same.

# %%
widths = [55]
for _ in range(3):
    widths.append(MaxPool2d(3, 2).output_shape((widths[-1], widths[-1], 1))[0])
    ceil = MaxPool2d(3, 2, ceil_mode=True).output_shape((widths[-2], widths[-2], 1))[0]
    assert ceil == widths[-1]
print(f"AlexNet's widths: {widths}")
assert widths == [55, 27, 13, 6]

# %% [markdown]
# ## 2. The bug
#
# `dx[places] += dy` looks like a loop of additions but is not one: NumPy reads dx at all places,
# adds, and writes all back. A place that occurs twice is written twice, and only the last sum
# stays. With windows side by side no pixel can win twice; with overlapping ones it can, and loses
# gradient. `np.add.at` adds one after another.


# %%
class QuickMaxPool(Layer):
    mended = False

    def __init__(self, K, S):
        super().__init__()
        self.K, self.S = K, S

    def forward(self, x, training=False):
        (N, H, W, C), K, S = x.shape, self.K, self.S
        y = np.empty((N, (H - K) // S + 1, (W - K) // S + 1, C), x.dtype)
        self.x_shape, self.winners = x.shape, {}
        for n, oh, ow, c in np.ndindex(y.shape):
            window = x[n, oh * S : oh * S + K, ow * S : ow * S + K, c]
            i, j = np.unravel_index(window.argmax(), window.shape)
            y[n, oh, ow, c] = window[i, j]
            self.winners[n, oh, ow, c] = n, oh * S + i, ow * S + j, c
        return y

    def backward(self, dy):
        dx = np.zeros(self.x_shape)
        places = tuple(np.transpose(list(self.winners.values())))
        if self.mended:
            np.add.at(dx, places, dy.ravel())
        else:
            dx[places] += dy.ravel()
        return dx


x = np.random.default_rng(7).standard_normal((2, 7, 8, 3))
assert check_gradients(QuickMaxPool(2, 2), x).max_error < 1e-6
report = check_gradients(QuickMaxPool(3, 2), x)
print(f"\nThe bug does not show with 2/2. With 3/2:\n{report}")
assert report.max_error > 0.1
QuickMaxPool.mended = True
report = check_gradients(QuickMaxPool(3, 2), x)
print(f"Mended: largest error {report.max_error:.1e}")
assert report.max_error < 1e-6

# %% [markdown]
# ## 3. Two pixels
#
# Two pixels are one whole step of the windows. So each window of the shifted map holds what its
# left neighbour held before: the pooled maps are the old ones, shifted by one. A network that reads
# a 3 anywhere in the pooled map would not notice. One pixel is half a step, windows hold other
# pixels than before, and no shift of the old maps gives the new ones exactly.

# %%
# In float64 these sums are exact, in whatever order.
edges = Conv2d(1, 1, 3, padding=1).astype(np.float64)
edges.params["weight"][..., 0, 0] = [[-1, 0, 1]] * 3
images = digits()[0].images[:500].astype(np.float64)
images = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))  # room to shift


def pooled(shift):
    return MaxPool2d(2).forward(np.maximum(edges.forward(np.roll(images, shift, axis=2)), 0))


assert np.array_equal(pooled(2), np.roll(pooled(0), 1, axis=2))
print("\nA shift by 2 pixels: the pooled maps are exactly the old ones, shifted by 1.")
before, after = pooled(0), pooled(1)
differences = [after - np.roll(before, shift, axis=2) for shift in range(16)]
changes = [np.linalg.norm(difference) / np.linalg.norm(before) for difference in differences]
print("A shift by 1 pixel: the pooled maps differ from the old ones")
for shift in (0, 1):
    print(f"    shifted by {shift} by {changes[shift]:.0%}")
assert min(changes) > 0.3  # whatever the shift: the maps are 16 wide
