# %% [markdown]
# # Lesson 4: answers

# %%
import numpy as np

from layers import Conv2d
from nn import Layer, check_gradients

# %% [markdown]
# ## 1. AlexNet's first layer
#
# H = 227 fits exactly: (227 - 11) / 4 = 54, and 55 places. 224 does not: 53.25, so that the last
# row and column of pixels are never seen, and there are 54 places. With two rows of padding on each
# side, 224 gives 54.25 and 55 places again. The paper says 224 and 55; both 227 and padding are
# used to mend this.

# %%
for H, P in ((227, 0), (224, 0), (224, 2)):
    OH = (H + 2 * P - 11) // 4 + 1
    assert Conv2d(3, 96, 11, stride=4, padding=P).output_shape((H, H, 3)) == (OH, OH, 96)
    print(f"H = {H}, P = {P}: ({H} + {2 * P} - 11) / 4 = {(H + 2 * P - 11) / 4}, OH = {OH}")

# %% [markdown]
# ## 2. The bug
#
# The weight's gradient is right, that of x is wrong. A pixel lies in up to nine patches and acts on
# the loss through each of them, so nine slopes add up (the chain rule: several ways).
# `dx[pixels] = ...` keeps only the last one written; it must be `+=`. Only the four corner pixels
# come out right: each lies in a single patch. The weights are safe because `sum()` adds up all
# places at once.


# %%
class OneKernelWrong(Layer):
    def __init__(self):
        super().__init__()
        self._add_param("weight", np.random.default_rng(0).normal(size=(3, 3)))

    def forward(self, x, training=False, out=None):
        self._saved = x
        y = np.zeros((len(x), x.shape[1] - 2, x.shape[2] - 2))
        for n, oh, ow in np.ndindex(y.shape):
            y[n, oh, ow] = (x[n, oh : oh + 3, ow : ow + 3] * self.params["weight"]).sum()
        return y

    def backward(self, dy, input_gradient=True, out=None):
        x, dx = self._saved, np.zeros_like(self._saved)
        for i, j in np.ndindex(3, 3):
            pixels = np.s_[:, i : i + dy.shape[1], j : j + dy.shape[2]]
            self.grads["weight"][i, j] = (dy * x[pixels]).sum()
            self.collect(dx, pixels, dy * self.params["weight"][i, j])
        return dx

    def collect(self, dx, pixels, slopes):
        dx[pixels] = slopes


class OneKernel(OneKernelWrong):
    def collect(self, dx, pixels, slopes):
        dx[pixels] += slopes


x = np.random.default_rng(1).normal(size=(2, 6, 6))
layers, dy = (OneKernelWrong(), OneKernel()), np.random.default_rng(2).normal(size=(2, 4, 4))
for layer in layers:
    layer.forward(x, training=True)
equal = np.isclose(*(layer.backward(dy) for layer in layers)).all(axis=0)
assert sorted(map(tuple, np.argwhere(equal))) == [
    (0, 0),
    (0, 5),
    (5, 0),
    (5, 5),
]  # the corners alone
wrong, mended = check_gradients(OneKernelWrong(), x), check_gradients(OneKernel(), x)
print(f"\n{wrong}\n\nmended:\n{mended}")
assert wrong.arguments["x"].error > 1e-2 and wrong.arguments["weight"].error < 1e-6
assert mended.max_error < 1e-6

# %% [markdown]
# ## 3. Lines from bottom left to top right
#
# Weight 4 on that diagonal, -1 on the 20 other places: they add up to 0, so that flat paper and
# flat ink give 0. The line gives 5 * 4 = 20. A line that only crosses the diagonal touches it once:
# 4 - 4 = 0.

# %%
row, column = np.mgrid[:5, :5]
kernel = np.where(row + column == 4, 4.0, -1.0)
pictures = {
    "bottom left to top right": row + column == 4,
    "top left to bottom right": row == column,
    "vertical": column == 2,
    "horizontal": row == 2,
    "all ink": row >= 0,
    "all paper": row < 0,
}
answers = {name: (picture * kernel).sum() for name, picture in pictures.items()}
print(f"\n{kernel.astype(int)}")
print("\n".join(f"{name:25} {answer:3.0f}" for name, answer in answers.items()))
assert list(answers.values()) == [20, 0, 0, 0, 0, 0]
