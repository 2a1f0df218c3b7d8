# %% [markdown]
# # Lesson 11: answers

# %%
import numpy as np

import models
from models.lenet5 import digit_bitmaps
from nn import SGD, Layer, LeNet5Loss, check_gradients
from nn.data import Dataset, digits
from nn.data.augmentation import lenet5_input
from nn.training import train
from nn.training.schedules import one_cycle

raw_train, raw_test = digits()
images, test_images = lenet5_input(raw_train.images), lenet5_input(raw_test.images)


def learned(loss, count, epochs, seed):
    network = models.lenet5_1998(rng=seed)
    train(
        network,
        Dataset(images[:count], raw_train.labels[:count], raw_train.class_names),
        epochs=epochs,
        batch_size=32,
        optimizer=SGD(network, 0),
        schedule=one_cycle(0.005),
        loss=loss,
        progress=False,
        seed=seed,
    )
    return network


# %% [markdown]
# ## 1. A strip of two digits
#
# A side of 64 becomes 60, 30, 26, 13 and, after C5's 5x5 windows, 9: C5 makes 1x9x120. Each of the
# 9 columns sees 32x32 pixels, and two neighbours are 4 pixels apart (two strides of 2). So column 0
# sees pixels 0 to 31 and column 8 pixels 32 to 63: exactly the two digits alone. Those between see
# something of both. Whoever reads a row of digits like this computes the convolutions only once,
# and need not cut the digits apart first (paper, section VII).

# %%
network = learned(LeNet5Loss(), 3000, 3, seed=0)


def read(x):
    """What the network says at each column of an image that is 32 high: minus the distances."""
    names = list(network.layers)
    for name in names[: names.index("flatten")]:
        x = network.layers[name].forward(x)
    print(f"    C5: {'x'.join(map(str, x.shape[1:]))}")
    columns = x[0, 0]  # (columns, 120)
    for name in names[names.index("flatten") + 1 :]:
        columns = network.layers[name].forward(columns)
    return columns


said = network.forward(test_images[:50]).argmax(axis=1)
pair = np.flatnonzero(said == raw_test.labels[:50])[:2]  # two that it reads rightly
strip = np.concatenate([test_images[pair[0]], test_images[pair[1]]], axis=1)[None]
z = read(strip)
print(f"a strip with {raw_test.labels[pair]}: the columns say {z.argmax(axis=1)}")
print("    distances:", *(f"{-row.max():.0f}" for row in z))
alone = network.forward(test_images[pair])
assert z.shape == (9, 10) and np.allclose(z[[0, 8]], alone, rtol=1e-3, atol=1e-3)

# %% [markdown]
# ## 2. The bug
#
# `np.tile` lays copies of the whole dy side by side; wanted is each number of dy repeated for the
# pixels of its own window, `np.repeat` along rows and along columns. With 2x2 pixels there is one
# window, dy is 1x1, and the two are the same. dx is wrong, dw and db are right. (In a network that
# starts with this layer, nobody would ask for dx at all.)


# %%
class HandSubsampling(Layer):
    mended = False

    def __init__(self, channels):
        super().__init__()
        self._add_param("weight", np.linspace(0.2, 0.4, channels))
        self._add_param("bias", np.zeros(channels))

    def forward(self, x, training=False, out=None):
        N, H, W, C = x.shape
        self.sums = x.reshape(N, H // 2, 2, W // 2, 2, C).sum(axis=(2, 4))
        return self.sums * self.params["weight"] + self.params["bias"]

    def backward(self, dy, input_gradient=True, out=None):
        self.grads["weight"][...] = (dy * self.sums).sum(axis=(0, 1, 2))
        self.grads["bias"][...] = dy.sum(axis=(0, 1, 2))
        each = dy * self.params["weight"]
        if self.mended:
            return each.repeat(2, axis=1).repeat(2, axis=2)
        return np.tile(each, (1, 2, 2, 1))


rng = np.random.default_rng(11)
x = rng.standard_normal((2, 4, 4, 3))
assert check_gradients(HandSubsampling(3), x[:, :2, :2]).max_error < 1e-6
print(f"\nthe bug:\n{(report := check_gradients(HandSubsampling(3), x))}")
assert report.arguments["x"].error > 0.1
assert report.arguments["weight"].error < 1e-6 and report.arguments["bias"].error < 1e-6
HandSubsampling.mended = True
print(f"mended: largest error {check_gradients(HandSubsampling(3), x).max_error:.1e}")
assert check_gradients(HandSubsampling(3), x).max_error < 1e-6

# %% [markdown]
# ## 3. Without competition
#
# The gradient with respect to the outputs, minus the distances, is -1 / N for the right class and 0
# for all others.


# %%
class RightDistance:
    """Equation 8: the distance from the right drawing, on average."""

    def forward(self, z, labels):
        self.shape, self.labels = z.shape, labels
        return -z[np.arange(len(z)), labels].mean()

    def backward(self):
        dz = np.zeros(self.shape, np.float32)
        dz[np.arange(len(dz)), self.labels] = -1 / len(dz)
        return dz


errors = np.array(
    [
        [np.mean(learned(loss, 2000, 2, s).forward(test_images).argmax(axis=1) != raw_test.labels)]
        for loss in (RightDistance(), LeNet5Loss())
        for s in range(5)
    ]
).reshape(2, 5)
for name, row in zip(("equation 8", "equation 9"), 100 * errors):
    print(f"{name}: misread", *(f"{error:5.1f}" for error in row), f"  mean {row.mean():.1f} %")
difference = 100 * (errors[0] - errors[1])
print(f"difference {difference.mean():+.1f} +- {difference.std(ddof=1) / np.sqrt(5):.1f} points")
assert abs(difference.mean()) < 3

# %% [markdown]
# Here competition is worth little: the drawings are fixed, and far apart. Whoever is near the right
# one is far from the others anyway. If the drawings were learned as well, equation 8 would have a
# cheap solution: ten equal drawings, and an F6 that always draws just that, whatever it is shown.
# All distances are 0, the loss is perfect, and nothing is recognised. (Paper, section II.C. The
# lesson's drawings are at least 44 apart.)

# %%
flat = digit_bitmaps().reshape(10, 84)
apart = ((flat[:, None] - flat) ** 2).sum(axis=-1)
assert apart[apart > 0].min() == 44
zeros = np.zeros((4, 10), np.float32)  # all distances 0: what equation 8 would call perfect
assert (
    RightDistance().forward(zeros, np.arange(4)) == 0 and LeNet5Loss().forward(zeros, [0] * 4) > 2
)
