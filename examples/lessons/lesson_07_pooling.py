# %% [markdown]
# # Lesson 7: pooling, smaller maps that care less where things are
#
# A convolution (lesson 4) answers at every position: "here is an edge, and here, and here". To read
# a digit it matters that there is an edge, and roughly where, but not exactly where, for nobody
# writes a digit twice in the same place. So in both networks some convolutions are followed by a
# layer that keeps one number of each small window: **pooling**. LeNet averages (its authors call it
# **subsampling**), AlexNet takes the largest (**max pooling**). We build both, with their backward
# passes, and then look at what they do to a shifted digit.

# %%
import numpy as np

from examples.lessons.drawings import pooling as drawings
from layers import AvgPool2d, Conv2d, MaxPool2d, Subsampling2d
from nn import Layer, check_gradients
from nn.data import digits

# %% [markdown]
# ## The largest of each window
#
# A window of K x K pixels moves by S pixels, the stride, each time. Each map is pooled by itself:
# no channel sees another. With K = S = 2 ("2/2" for short) the windows lie side by side like tiles:
#
#     1  3 | 2  0
#     0  2 | 9  1            3  9
#     -----+------    ->     5  7
#     5  1 | 0  2
#     2  0 | 6  7
#
# There is nothing to learn in it: no weight, no bias.
#
# **Backward.** y[0, 0] = 3 is one of the four pixels of its window, the **winner**. If the winner
# grows by a little, y grows by as much; if another pixel does, y stays what it is. So the winner
# takes the whole gradient, and the others get none. With the dy 10, 20 and, below them, 30, 40:
#
#      0  10   0   0
#      0   0  20   0
#     30   0   0   0
#      0   0   0  40
#
# Where windows overlap, as with AlexNet's K = 3, S = 2, a pixel may win several of them, and its
# gradients add up. And if two pixels are equally large, a **tie**? Then there is no slope, only a
# kink, as ReLU, $\max(0, x)$, has at 0: any share of the gradient may be called right. We give all
# of it to the first in reading order, and PyTorch does the same. It happens more often than one
# thinks: behind a ReLU many a window holds nothing but zeros.


# %%
class LoopMaxPool(Layer):
    def __init__(self, K, S):
        super().__init__()
        self.K, self.S = K, S

    def forward(self, x, training=False):
        (N, H, W, C), K, S = x.shape, self.K, self.S
        y = np.empty((N, (H - K) // S + 1, (W - K) // S + 1, C), x.dtype)
        self.x_shape, self.winners = x.shape, {}
        for n, oh, ow, c in np.ndindex(y.shape):
            window = x[n, oh * S : oh * S + K, ow * S : ow * S + K, c]
            i, j = np.unravel_index(window.argmax(), window.shape)  # of equal ones, the first
            y[n, oh, ow, c] = window[i, j]
            self.winners[n, oh, ow, c] = n, oh * S + i, ow * S + j, c
        return y

    def backward(self, dy):
        dx = np.zeros(self.x_shape)
        for place, winner in self.winners.items():
            dx[winner] += dy[place]
        return dx


# %% [markdown]
# The numbers above; measured slopes, for tiles and for overlapping windows; and a tie.

# %%
tiles = np.array([[1.0, 3, 2, 0], [0, 2, 9, 1], [5, 1, 0, 2], [2, 0, 6, 7]])
pool, rng = LoopMaxPool(2, 2), np.random.default_rng(7)
assert pool.forward(tiles[None, :, :, None]).ravel().tolist() == [3, 9, 5, 7]
dx = pool.backward(np.array([10.0, 20, 30, 40]).reshape(1, 2, 2, 1))[0, :, :, 0]
assert dx.tolist() == [[0, 10, 0, 0], [0, 0, 20, 0], [30, 0, 0, 0], [0, 0, 0, 40]]

for K, S in (2, 2), (3, 2):  # random numbers have no ties
    report = check_gradients(LoopMaxPool(K, S), rng.standard_normal((2, 7, 8, 3)))
    print(f"windows {K}x{K}, stride {S}: largest error {report.max_error:.0e}")
    assert report.max_error < 1e-6

tie = MaxPool2d(2)
tie.forward(np.zeros((1, 2, 2, 1)), training=True)
assert tie.backward(np.ones((1, 1, 1, 1))).ravel().tolist() == [1, 0, 0, 0]

# %% [markdown]
# ## Overlapping windows
#
# AlexNet's windows are 3 wide and 2 apart. Krizhevsky et al. 2012, section 3.4, found the **error
# rate**, the share of images that the network gets wrong, 0.4 percentage points smaller than with
# 2/2, which gives maps of the same size (0.3 for the **top-5** error rate, where one right guess
# among five is enough). They also found such networks a little less apt to **overfit**, to learn
# their examples by heart (lesson 15). The figure shows both on the same 5 x 5 numbers, their
# winners framed. With 2/2 the last row and column are left over. With 3/2 the 9 is the largest of
# two windows, and gets two gradients.

# %%
small = [[1, 3, 2, 0, 4], [0, 2, 9, 1, 1], [5, 1, 0, 2, 3], [2, 0, 6, 7, 0], [1, 2, 0, 3, 8]]
small, rows = np.array(small, float), []
for K, S in (2, 2), (3, 2):
    pool = LoopMaxPool(K, S)
    y = pool.forward(small[None, :, :, None])
    dx = pool.backward(np.ones_like(y))[0, :, :, 0]
    winners = [(int(h), int(w)) for _, h, w, _ in pool.winners.values()]
    print(f"{K}/{S}: the largest are {y.ravel().astype(int)}, at {winners}")
    rows.append((f"{K}/{S}", small, winners, y[0, :, :, 0], dx))
assert rows[0][4][1, 2] == 1 and rows[1][4][1, 2] == 2  # the 9
drawings.windows(rows)

# %% [markdown]
# ## How many windows
#
# As many as in lesson 4, $\text{floor}((H - K) / S) + 1$, and what is left over at the far edge is
# ignored. Some count with *ceil*, rounding up, instead of floor: then a last window may reach past
# the edge, and takes the largest of the pixels that are there. Caffe does so, and the library with
# `ceil_mode`. For LeNet's and AlexNet's own sizes it makes no difference; for others it does, and
# then weights from elsewhere may not fit.

# %%
for H, K, S, whose in (28, 2, 2, "LeNet"), (55, 3, 2, "AlexNet"), (32, 3, 2, "small photographs"):
    sizes = [MaxPool2d(K, S, ceil_mode=ceil).output_shape((H, H, 1))[0] for ceil in (False, True)]
    print(f"{whose}: {H} pixels, {K}/{S}: {sizes[0]} with floor, {sizes[1]} with ceil")
    assert sizes == [(H - K) // S + 1, int(np.ceil((H - K) / S)) + 1]
    assert (sizes[0] == sizes[1]) == (whose != "small photographs")

# %% [markdown]
# ## The average, and LeNet-5's subsampling
#
# In an **average pooling** of 2 x 2 each pixel counts 1/4, so each gets dy / 4. Nobody wins, and
# nobody is forgotten.
#
# LeNet-5 goes one step further (LeCun et al. 1998, section II.B). The sum s of the window is
# multiplied by a weight and a bias is added, one pair for each map c, and both are learned:
#
# $$y = w[c]\, s + b[c]$$
#
# With the window 1, 3, 0, 2, w = 0.5 and b = 1: s = 6 and y = 4. With dy = 10: db = 10; dw = s dy =
# 60; and each pixel gets w dy = 5. Over a whole map db and dw are sums over all windows, as in
# lesson 6. With w = 1/4 and b = 0 it is the average. Behind it stands a sigmoid, or a **tanh**,
# which has the same shape but goes from -1 to 1: with a small w it works on the straight middle
# part of the curve, and the map is merely blurred; with a large w it is almost a threshold, and the
# bias says whether one bright pixel suffices (*or*) or all must be (*and*).

# %%
subsampling = Subsampling2d(1).astype(np.float64)
subsampling.params["weight"][...], subsampling.params["bias"][...] = 0.5, 1
y = subsampling.forward(np.array([1.0, 3, 0, 2]).reshape(1, 2, 2, 1), training=True)
dx = subsampling.backward(np.full((1, 1, 1, 1), 10.0))
assert y.item() == 4 and dx.ravel().tolist() == [5, 5, 5, 5]
assert subsampling.grads["weight"] == 60 and subsampling.grads["bias"] == 10

x, subsampling = rng.standard_normal((2, 6, 6, 3)), Subsampling2d(3).astype(np.float64)
print(f"Trainable subsampling has 2 parameters a map:\n{check_gradients(subsampling, x)}")
subsampling.params["weight"][...] = 1 / 4
assert np.allclose(subsampling.forward(x), AvgPool2d(2).forward(x))
tiled = x.reshape(2, 3, 2, 3, 2, 3)  # N, OH, row in the window, OW, column in it, C
assert np.allclose(AvgPool2d(2).forward(x), tiled.mean(axis=(2, 4)))

# %% [markdown]
# ## What a shift does, in numbers
#
# If an image moves and the answer stays, the answer is **translation invariant**. A convolution is
# not, its map moves along (lesson 4: equivariant). Pooling is often praised for its invariance. A
# row of pixels, max pooled by 2/2, and the same row shifted to the right:
#
#     0 0 | 1 0         ->  0 1
#     0 0 | 0 1         ->  0 1         shifted by 1: the same
#
#     0 0 | 1 1 | 0 0   ->  0 1 0
#     0 0 | 0 1 | 1 0   ->  0 1 1       shifted by 1: something else
#     0 0 | 0 0 | 1 1   ->  0 0 1       shifted by 2: the first, shifted by 1
#
# So it depends. Inside a window a single pixel may move freely. A shift by the whole stride moves
# the pooled row by one. But a shift by 1 makes windows of other pixels, and the narrow line comes
# out twice as wide. Zhang (2019, "Making convolutional networks shift-invariant again") splits the
# pooling in two to show who is to blame: take the maximum with stride 1, which is equivariant, and
# then keep every second number, which is not. His remedy: blur in between, so that less depends on
# which numbers are kept.


# %%
def max_pool_row(row):
    return np.array(row).reshape(-1, 2).max(axis=1).tolist()


assert max_pool_row([0, 0, 1, 0]) == max_pool_row([0, 0, 0, 1]) == [0, 1]
assert max_pool_row([0, 0, 1, 1, 0, 0]) == [0, 1, 0]
assert max_pool_row([0, 0, 0, 1, 1, 0]) == [0, 1, 1]
assert max_pool_row([0, 0, 0, 0, 1, 1]) == [0, 0, 1]

# %% [markdown]
# ## What a shift does, on digits
#
# Now for real images: the edges of 500 digits (a convolution and ReLU), pooled; and the same with
# the digits shifted by one pixel to the right. By how much does each map change? We take the norm
# of the difference and divide by the norm of the map (the **norm** of a vector is its length, the
# square root of the sum of its squares): 0 is "not at all". "Max, blurred" is Zhang's: the maximum
# of 2 x 2 with stride 1, twice an average of 2 x 2 with stride 1, then every second number.
#
# The figure shows it for one digit: the image, its vertical edges, and what each pooling makes of
# them; before, after the shift, and the difference.


# %%
def max_blurred(maps):
    blur = AvgPool2d(2, 1)
    return blur.forward(blur.forward(MaxPool2d(2, 1).forward(maps)))[:, ::2, ::2]


edges = Conv2d(1, 2, 3, padding=1)
edges.params["weight"][..., 0, 0] = [[-1, 0, 1]] * 3  # vertical edges: ink, with none to the left
edges.params["weight"][..., 0, 1] = np.transpose([[-1, 0, 1]] * 3)  # horizontal: none above
images = digits()[0].images[:500]
shifted = np.roll(images, 1, axis=2)
kinds = {"not pooled": lambda maps: maps, "average 2/2": AvgPool2d(2), "max 2/2": MaxPool2d(2)}
kinds |= {"max 3/2": MaxPool2d(3, 2), "max, blurred": max_blurred}
kinds |= {"max of all": lambda maps: maps.max(axis=(1, 2), keepdims=True)}

changes, columns = {}, [("image", images[1, :, :, 0], shifted[1, :, :, 0])]
print("A shift by one pixel changes the maps of edges by")
for kind, pool in kinds.items():
    before, after = (pool(np.maximum(edges.forward(each), 0)) for each in (images, shifted))
    changes[kind] = np.linalg.norm(after - before) / np.linalg.norm(before)
    print(f"    {kind:<12} {changes[kind]:4.0%}   ({before[0].size} numbers per image)")
    columns.append((kind, before[1, :, :, 0], after[1, :, :, 0]))
order = ["max of all", "max, blurred", "max 3/2", "max 2/2", "average 2/2", "not pooled"]
assert sorted(changes, key=changes.get) == order
assert changes["max of all"] < 1e-6
assert all(0.35 < changes[kind] < 0.45 for kind in ("max, blurred", "max 3/2"))
drawings.shift(columns[:-1])

# %% [markdown]
# Pooled maps change less than unpooled ones, those of overlapping windows less than those side by
# side, and blurred ones a little less still. Yet even these change by about four tenths: pooling
# does not make a network blind to shifts, it only softens them, twice in LeNet and three times in
# AlexNet. (Some of the change is no fault. The image has moved by half a step of the pooled map,
# which even a perfect map would have to show.) A window as large as the map (**global** max
# pooling) is blind to shifts, and then nothing is left of "where": a 6 and a 9 have much the same
# strokes. Between the two lies what a network needs. (It also learns about shifts from its
# examples: lesson 17.) Both layers, for any window, stride and padding, are in `layers/pooling.py`
# and `layers/subsampling.py`.


# %%
class QuickMaxPool(LoopMaxPool):  # for exercise 2
    def backward(self, dy):
        dx = np.zeros(self.x_shape)
        places = tuple(np.transpose(list(self.winners.values())))  # n, h, w and c of all winners
        dx[places] += dy.ravel()  # without a loop
        return dx


# %% [markdown]
# ## In short
#
# - Pooling keeps one number of each K x K window of each map: the largest, or the average.
# - Size: $OH = \text{floor}((H - K) / S) + 1$; with `ceil_mode` rounded up.
# - Backward: max, the winner takes the whole gradient (of equal ones the first), and where windows
#   overlap gradients add up; average, each pixel gets $dy / K^2$.
# - LeNet-5's subsampling: $y = w\, s + b$ with the window's sum s, a weight and a bias for each
#   map.
# - AlexNet's windows overlap: K = 3, S = 2.
# - Watch out: it softens small shifts, it does not remove them. Exactly equivariant it is only to
#   shifts by multiples of S.

# %% [markdown]
# ## Exercises (answers: `solutions/solution_07.py`)
#
# 1. AlexNet's maps are 55 pixels wide after its first convolution. Compute by hand their widths
#    after each of its three poolings of 3/2 (the convolutions between them keep the size). Check
#    with `MaxPool2d`.
# 2. BUG: `QuickMaxPool` passes `check_gradients` with K=2, S=2 and fails with K=3, S=2. Why? Mend
#    it without a loop (`np.add.at`).
# 3. Shift the digits by two pixels instead of one (put a border of 2 around them first, with
#    `np.pad`). Compare the maps pooled by max 2/2 with those of the unshifted digits, and with
#    these moved by one. Guess, then measure. Why does it fail for one pixel?
#
# One more checks itself: `lenet check 7 --start mine.py` writes a file to start from.
