# %% [markdown]
# # Lesson 6: answers

# %%
import numpy as np

from layers import Conv2d
from nn import Layer, check_gradients

# %% [markdown]
# ## 1. How many windows hold each pixel?
#
# With dy and w all ones, each product gives the pixel 1 * 1. So dx counts the windows over each
# pixel: one at a corner, nine in the middle. Along a row of 5 pixels, three windows of 3 lie over
# them 1, 2, 3, 2, 1 times; in two dimensions the counts multiply. dx is thus the outer product of
# (1, 2, 3, 2, 1) with itself.

# %%
conv = Conv2d(1, 1, 3)
conv.params["weight"][...] = 1
y = conv.forward(np.zeros((1, 5, 5, 1), np.float32), training=True)
dx = conv.backward(np.ones_like(y))[0, :, :, 0]
print("dx for a kernel and a dy of ones:")
print(dx.astype(int))
assert np.array_equal(dx, np.outer([1, 2, 3, 2, 1], [1, 2, 3, 2, 1]))

# %% [markdown]
# ## 2. The bug
#
# `TurnedConv` swaps the axes of the channels but forgets the rotation, `w[::-1, ::-1]`. dw and db
# come from the loops and are right; dx alone is wrong. This bug is nasty. With kernels that a
# rotation by 180 degrees does not change, nothing is wrong. A network whose first layer it is never
# uses dx. And in others its own weights and all layers behind it still get the right gradients;
# only the layers before it do not.


# %%
class PatchConv(Layer):
    """The lesson's, for any stride (see 3)."""

    def __init__(self, w, b, stride=1):
        super().__init__()
        self.params, self.stride = {"w": w, "b": b}, stride

    def forward(self, x, training=False):
        (KH, KW, C, OC), S = self.params["w"].shape, self.stride
        N, OH, OW = len(x), (x.shape[1] - KH) // S + 1, (x.shape[2] - KW) // S + 1
        P = np.empty((N, OH, OW, KH, KW, C))
        for i, j in np.ndindex(KH, KW):
            P[:, :, :, i, j] = x[:, i : i + S * OH : S, j : j + S * OW : S][:, :OH, :OW]
        self.x_shape, self.P = x.shape, P.reshape(-1, KH * KW * C)
        return (self.P @ self.params["w"].reshape(-1, OC) + self.params["b"]).reshape(N, OH, OW, OC)

    def backward(self, dy):
        (N, OH, OW, OC), (KH, KW, C, _), S = dy.shape, self.params["w"].shape, self.stride
        dy = dy.reshape(-1, OC)
        self.grads = {"w": (self.P.T @ dy).reshape(KH, KW, C, OC), "b": dy.sum(axis=0)}
        dP = (dy @ self.params["w"].reshape(-1, OC).T).reshape(N, OH, OW, KH, KW, C)
        dx = np.zeros(self.x_shape)
        for i, j in np.ndindex(KH, KW):
            dx[:, i : i + S * OH : S, j : j + S * OW : S][:, :OH, :OW] += dP[:, :, :, i, j]
        return dx


class TurnedConv(PatchConv):
    mended = False

    def backward(self, dy):
        (KH, KW, C, _), w = self.params["w"].shape, self.params["w"]
        super().backward(dy)  # dw and db
        border = np.pad(dy, ((0, 0), (KH - 1, KH - 1), (KW - 1, KW - 1), (0, 0)))
        if self.mended:
            w = w[::-1, ::-1]
        return PatchConv(w.transpose(0, 1, 3, 2), np.zeros(C)).forward(border)


rng = np.random.default_rng(6)
x, w, b = (
    rng.standard_normal((2, 7, 8, 2)),
    rng.standard_normal((3, 3, 2, 3)),
    rng.standard_normal(3),
)
report = check_gradients(TurnedConv(w, b), x)
print("\nThe bug:")
print(report)
assert report.worst == "x" and report.max_error > 0.1
assert max(report.arguments[name].error for name in ("w", "b")) < 1e-6

TurnedConv.mended = True
report = check_gradients(TurnedConv(w, b), x)
print(f"Mended: largest error {report.max_error:.1e}")
assert report.max_error < 1e-6

symmetric = (w + w[::-1, ::-1]) / 2  # looks the same rotated by 180 degrees
TurnedConv.mended = False
assert check_gradients(TurnedConv(symmetric, b), x).max_error < 1e-6
print("With kernels that a rotation does not change, the bug does not show.")

# %% [markdown]
# ## 3. A stride
#
# Position oh starts at pixel S * oh. Cutting out and adding back both take every S-th pixel:
# `i : i + S * OH : S`, in im2col and in col2im alike. (The slice may run off the far edge, where
# nothing is; `[:, :OH, :OW]` takes no more than OH x OW.)

# %%
for S in (1, 2, 3):
    report = check_gradients(PatchConv(w, b, S), x)
    conv = Conv2d(2, 3, 3, stride=S).astype(np.float64)
    conv.params["weight"][...], conv.params["bias"][...] = w, b
    ours = PatchConv(w, b, S)
    y = conv.forward(x, training=True)
    dy = rng.standard_normal(y.shape)
    assert np.allclose(ours.forward(x), y, atol=1e-12)
    assert np.allclose(ours.backward(dy), conv.backward(dy), atol=1e-12)
    assert np.allclose(ours.grads["w"], conv.grads["weight"], atol=1e-12)
    assert report.max_error < 1e-6
    print(f"stride {S}: y is {y.shape}; largest error {report.max_error:.1e}, and equal to Conv2d")
