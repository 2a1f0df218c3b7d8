# %% [markdown]
# # Lesson 7: pooling, smaller maps that care less where things are
#
# A convolution (lesson 4) answers at every position: "here is an edge, and here, and here". To read
# a digit it matters that there is an edge, and roughly where, but not exactly where, for nobody
# writes a digit twice in the same place. So in both networks some convolutions are followed by a
# layer that keeps one number of each small window. LeNet averages (subsampling), AlexNet takes the
# largest (max-pooling). We build both, with their backward passes, and measure what they do to a
# shifted digit.

# %%
import numpy as np

from examples.lessons.figures import figure
from layers import AvgPool2d, Conv2d, MaxPool2d, Subsampling2d
from nn import Layer, check_gradients
from nn.data import digits

rng = np.random.default_rng(7)

# %% [markdown]
# ## The largest of each window
# A window of K x K pixels moves by S pixels, the stride, each time. With K = S = 2 the windows lie
# side by side like tiles; with AlexNet's K = 3, S = 2 each overlaps its neighbours by a row or
# column. Every map is pooled by itself: no channel sees another.
#
# How many windows fit? The first starts at 0, the last must start at H - K at the latest, so there
# are floor((H - K) / S) + 1. If something is left over at the far edge it is ignored; or one counts
# with ceil instead of floor, and the last window may run off the edge (`ceil_mode`).
#
# Backward: y is one of the window's pixels, the winner. If the winner grows by a little, y grows by
# as much; if another pixel does, y stays. So **the winner takes the whole gradient** and the others
# get none. Where windows overlap, one pixel may win several, and its gradients add up.


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
            i, j = np.unravel_index(window.argmax(), window.shape)
            y[n, oh, ow, c] = window[i, j]
            self.winners[n, oh, ow, c] = n, oh * S + i, ow * S + j, c
        return y

    def backward(self, dy):
        dx = np.zeros(self.x_shape)
        for place, winner in self.winners.items():
            dx[winner] += dy[place]
        return dx


small = np.array(
    [[1, 3, 2, 0, 4], [0, 2, 9, 1, 1], [5, 1, 0, 2, 3], [2, 0, 6, 7, 0], [1, 2, 0, 3, 8]],
    np.float64,
)
for K, S in ((2, 2), (3, 2)):
    pool = LoopMaxPool(K, S)
    y = pool.forward(small[None, :, :, None])
    dx = pool.backward(np.ones_like(y))[0, :, :, 0]
    print(
        f"Windows {K}x{K}, stride {S}: the largest are {y.ravel().astype(int)}, and the winners' gradients"
    )
    print("\n".join(f"    {row}   {won}" for row, won in zip(small.astype(int), dx.astype(int))))
    assert check_gradients(LoopMaxPool(K, S), rng.standard_normal((2, 7, 8, 3))).max_error < 1e-6

print("Sizes, floor and ceil:")
for H, K, S, where in (
    (28, 2, 2, "LeNet's maps"),
    (55, 3, 2, "AlexNet's first"),
    (32, 3, 2, "small photographs"),
):
    sizes = [MaxPool2d(K, S, ceil_mode=ceil).output_shape((H, H, 1))[0] for ceil in (False, True)]
    assert sizes == [(H - K) // S + 1, -((K - H) // S) + 1]  # -(-a // b) is a / b rounded up
    print(f"    {where}: {H} pixels, windows of {K}, stride {S}: {sizes[0]} or {sizes[1]}")

# %% [markdown]
# ## The mean of each window, and LeNet-5's subsampling
# In an average every pixel counts 1/4 (for 2 x 2), so each gets dy / 4. LeNet-5 of 1998 goes one
# step further: the sum s of the window is multiplied by a weight and shifted by a bias, y = w[c] *
# s + b[c], one pair for each map c, and both are learned. From the sum one reads off, as in lesson
# 6: db = the sum of dy; dw = the sum of dy * s; each pixel of the window gets w * dy. With w = 1/4
# and b = 0 it is the average.

# %%
x = rng.standard_normal((2, 6, 6, 3))
subsampling = Subsampling2d(3).astype(np.float64)
subsampling.params["weight"][...] = 1 / 4
assert np.allclose(subsampling.forward(x), AvgPool2d(2).forward(x))
assert np.allclose(AvgPool2d(2).forward(x), x.reshape(2, 3, 2, 3, 2, 3).mean(axis=(2, 4)))
print(f"Trainable subsampling has 2 parameters per map:\n{check_gradients(subsampling, x)}")

# %% [markdown]
# ## A shifted digit
# Does the pooled map care less? We take the edges of 500 digits (a convolution, of whose answers we
# keep the positive ones), shift the digits by one pixel to the right, and ask by how much each map
# changes: the norm of the difference, divided by the norm of the map (the norm of a vector is its
# length: the root of the sum of its squares). 0 is "not at all". By 3/2 we mean windows of 3 and
# stride 2.

# %%
edges = Conv2d(1, 2, 3, padding=1)
edges.params["weight"][..., 0, 0] = [[-1, 0, 1]] * 3  # vertical edges: ink, with none to the left
edges.params["weight"][..., 0, 1] = edges.params["weight"][
    ..., 0, 0
].T  # horizontal edges: ink, with none above
images = digits()[0].images[:500]
before, after = (np.maximum(edges.forward(x), 0) for x in (images, np.roll(images, 1, axis=2)))
kinds = {
    "not pooled": None,
    "average 2/2": AvgPool2d(2),
    "max 2/2": MaxPool2d(2),
    "max 3/2": MaxPool2d(3, 2),
}
changes = {}
print("A shift by one pixel changes the maps of edges by")
for kind, pool in kinds.items():
    a, b = (maps if pool is None else pool.forward(maps) for maps in (before, after))
    changes[kind] = np.linalg.norm(b - a) / np.linalg.norm(a)
    print(f"    {kind:<12} {changes[kind]:4.0%}   ({a[0].size} numbers per image)")
assert min(changes, key=changes.get) == "max 3/2" and max(changes, key=changes.get) == "not pooled"
assert 0.4 < changes["max 3/2"] < 0.5

with figure("07_shift", 11, 7.6) as drawing:  # open runs/lessons/07_shift.png
    drawing.supxlabel("difference: blue where the map has fallen, red where it has grown")
    for (kind, pool), column in zip(kinds.items(), drawing.subplots(3, 4).T):
        a, b = (maps[1:2, :, :, :1] for maps in (before, after))  # one digit, its vertical edges
        a, b = ((maps if pool is None else pool.forward(maps))[0, :, :, 0] for maps in (a, b))
        for axes, numbers, title in zip(
            column, (a, b, b - a), (kind, "digit shifted by 1", "difference")
        ):
            signed = (
                {"cmap": "RdBu_r", "vmin": -3, "vmax": 3}
                if title == "difference"
                else {"cmap": "Purples"}
            )
            axes.imshow(numbers, **signed)
            axes.set(title=title, xticks=[], yticks=[])

# %% [markdown]
# Pooled maps change less, those of overlapping windows least. Yet even these still change by almost
# half: pooling does not make a network blind to shifts, it only softens them, twice in LeNet and
# three times in AlexNet. The next figure shows one digit's edges, what each pooling keeps of them,
# and which pixels get a gradient if every output asks for one. (Where all pixels of a window are
# equal, the first wins.)

# %%
ties = MaxPool2d(2)
ties.forward(np.zeros((1, 2, 2, 1)), training=True)
assert ties.backward(np.ones((1, 1, 1, 1))).ravel().tolist() == [1, 0, 0, 0]
with figure("07_pooling", 11, 5.4) as drawing:  # open runs/lessons/07_pooling.png
    rows = drawing.subplots(2, 4)
    maps = np.maximum(edges.forward(images[1:2]), 0)
    rows[0, 0].imshow(maps[0, :, :, 0], cmap="Purples")
    rows[1, 0].imshow(images[1, :, :, 0], cmap="Greys")
    rows[0, 0].set_title("vertical edges"), rows[1, 0].set_title("the digit")
    for column, (kind, pool) in zip(rows.T[1:], list(kinds.items())[1:]):
        y = pool.forward(maps, training=True)
        dx = pool.backward(np.ones_like(y))
        column[0].imshow(y[0, :, :, 0], cmap="Purples")
        column[0].set_title(f"{kind}: {y.shape[1]}x{y.shape[2]}")
        column[1].imshow(dx[0, :, :, 0], cmap="Oranges", vmin=0, vmax=4)
        column[1].set_title(f"gradients, {dx.min():g} to {dx.max():g}")
    for axes in rows.flat:
        axes.set(xticks=[], yticks=[])


# %%
class QuickMaxPool(LoopMaxPool):  # for exercise 2
    def backward(self, dy):
        dx = np.zeros(self.x_shape)
        places = tuple(np.transpose(list(self.winners.values())))  # n, h, w and c of all winners
        dx[places] += dy.ravel()  # without a loop
        return dx


# %% [markdown]
# Now read `layers/pooling.py` and `layers/subsampling.py`.
#
# ## Exercises (answers: `solutions/solution_07.py`)
# 1. AlexNet's maps are 55 pixels wide after its first convolution. Compute by hand their widths
#    after each of its three poolings of 3/2 (the convolutions between them keep the size). Check
#    with `MaxPool2d`.
# 2. `QuickMaxPool` passes the checker with K=2, S=2 and fails with K=3, S=2. Why? Mend it without a
#    loop (`np.add.at`).
# 3. Shift the digits by two pixels instead of one (pad them by 2 first). Compare the maps pooled by
#    max 2/2 with those of the unshifted digits, and with these moved by one. Guess, then measure.
#    Why does it fail for one pixel?
