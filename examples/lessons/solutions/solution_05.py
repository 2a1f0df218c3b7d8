# %% [markdown]
# # Lesson 5: answers

# %%
import timeit
import tracemalloc

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from threadpoolctl import threadpool_limits

from nn import Layer, check_gradients


def im2col(x, KH, KW):
    N, H, W, C = x.shape
    OH, OW = H - KH + 1, W - KW + 1
    patches = np.empty((N, OH, OW, KH, KW, C), x.dtype)
    for i in range(KH):
        for j in range(KW):
            patches[:, :, :, i, j] = x[:, i : i + OH, j : j + OW]
    return patches.reshape(N * OH * OW, KH * KW * C)


# %% [markdown]
# ## 1. The size of P
#
# With padding 2 a 5x5 kernel has as many places as there are pixels: OH = 27 + 4 - 5 + 1 = 27. So P
# has 128 * 27 * 27 rows of 5 * 5 * 48 numbers of 4 bytes, 25 times the images themselves. (The
# other half has as much again: the 896 MB of the lesson.)

# %%
rows, columns = 128 * 27 * 27, 5 * 5 * 48
megabytes, pictures = rows * columns * 4 / 1e6, 128 * 27 * 27 * 48 * 4 / 1e6
print(f"P is {rows:,} x {columns:,}, {megabytes:.0f} MB; the images have {pictures:.0f} MB")
assert megabytes == 25 * pictures and round(2 * megabytes) == 896

# %% [markdown]
# ## 2. The bug
#
# With one output channel all is well; with two, x and weight are both wrong. What they have in
# common is dY. dy is (N, OH, OW, C_out), channels last, those of one place side by side: so dY,
# with a row for each place, is just `dy.reshape(-1, C_out)`. `dy.reshape(C_out, -1).T` has the same
# shape, but `reshape` never moves a number: it cuts the same sequence of numbers elsewhere, and
# mixes places with channels. With a single channel there is nothing to mix. (That shapes fit is no
# proof, and C = 1, N = 1 or square make poor tests.)


# %%
class MatrixConvWrong(Layer):
    def __init__(self, C_in, C_out):
        super().__init__()
        self._add_param("weight", np.random.default_rng(0).normal(size=(9 * C_in, C_out)))

    def forward(self, x, training=False, out=None):
        P, (N, H, W, _) = im2col(x, 3, 3), x.shape
        self._saved = x.shape, P
        return (P @ self.params["weight"]).reshape(N, H - 2, W - 2, -1)

    def rows(self, dy):
        return dy.reshape(dy.shape[3], -1).T

    def backward(self, dy, input_gradient=True, out=None):
        (N, H, W, C_in), P = self._saved
        dY = self.rows(dy)
        self.grads["weight"][...] = P.T @ dY
        dP = (dY @ self.params["weight"].T).reshape(N, H - 2, W - 2, 3, 3, C_in)
        dx = np.zeros((N, H, W, C_in))
        for i, j in np.ndindex(3, 3):
            dx[:, i : i + H - 2, j : j + W - 2] += dP[:, :, :, i, j]
        return dx


class MatrixConv(MatrixConvWrong):
    def rows(self, dy):
        return dy.reshape(-1, dy.shape[3])


x = np.random.default_rng(1).normal(size=(2, 6, 7, 3))
for C_out in (1, 2):
    print(f"\nC_out = {C_out}\n{check_gradients(MatrixConvWrong(3, C_out), x)}")
print(f"\nmended\n{check_gradients(MatrixConv(3, 2), x)}")
assert check_gradients(MatrixConvWrong(3, 1), x).max_error < 1e-6
wrong = check_gradients(MatrixConvWrong(3, 2), x).arguments
assert all(check.error > 1e-2 for check in wrong.values())
assert check_gradients(MatrixConv(3, 2), x).max_error < 1e-6

# %% [markdown]
# ## 3. Patches without copying
#
# The view needs no memory: it is a way of counting through the image that visits each pixel many
# times. But a matrix product wants its rows one after the other, so `tensordot` makes the copy
# after all, which the memory that it takes shows, and does what our slices do. `einsum` makes none,
# and adds up without the matrix product. Which of them is fastest the table says, for this
# computer: all with one thread, as in the lesson.

# %%
x = np.random.default_rng(0).normal(size=(8, 28, 28, 6)).astype(np.float32)
weight = np.random.default_rng(1).normal(size=(5, 5, 6, 16)).astype(np.float32)
view = sliding_window_view(x, (5, 5), axis=(1, 2))  # (N, OH, OW, C, KH, KW)
assert np.shares_memory(view, x)
ways = {
    "im2col and product": lambda: (im2col(x, 5, 5) @ weight.reshape(-1, 16)).reshape(8, 24, 24, 16),
    "view and tensordot": lambda: np.tensordot(view, weight, axes=([3, 4, 5], [2, 0, 1])),
    "view and einsum": lambda: np.einsum("nhwcij,ijco->nhwo", view, weight),
}
threadpool_limits(1)  # in matrix products
memory = {}
copy, images = view.nbytes / 1e6, x.nbytes / 1e6
print(f"\nas a copy the view would have {copy:.1f} MB; the images have {images:.2f} MB")
for name, way in ways.items():
    assert np.allclose(way(), ways["im2col and product"](), rtol=0, atol=1e-4)
    tracemalloc.start()
    way()
    memory[name] = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    milliseconds = min(timeit.repeat(way, number=1, repeat=20)) * 1e3
    print(f"{name:20} {milliseconds:7.2f} ms, and {memory[name]:.1f} MB of memory on the way")
assert memory["view and tensordot"] > copy > 2 * memory["view and einsum"]
