# %% [markdown]
# # Lesson 16: AlexNet, counted, and cut in two
#
# AlexNet (Krizhevsky et al. 2012) is built of layers that we know: convolution (lesson 4), pooling
# (7), ReLU (12), response normalisation (14), dropout (15). New are its size, and one trick. It was
# trained on **GPUs**, graphics processors, which were made for games and do thousands of
# multiplications at the same time; and as it was too large for one of them, on two. First we count
# it, number by number. Then we cut it in two halves, run them side by side as the two GPUs did, and
# prove that together they are the one network. How it was *trained* is lesson 17. (The second half
# takes about 3 GB of memory.)

# %%
import copy

import numpy as np

from examples.lessons.drawings import alexnet as drawings
from examples.lessons.figures import figure_path
from layers import Conv2d, Linear, LocalResponseNorm
from models import alexnet
from nn import SoftmaxCrossEntropy, plots

network = alexnet(rng=0)
plots.architecture(figure_path("16_alexnet"), network)

# %% [markdown]
# The figure shows the eight layers that learn, five convolutions and three fully connected layers,
# and between them three poolings (section 3.5 of the paper). As in LeNet, maps become smaller and
# there are more of them. The first kernels are large and move in large steps, as the image is
# large; the later ones are small. The halves, 48 + 48, are those of the two GPUs.
#
# ## One layer in numbers
#
# conv1 reads an image of 227 x 227 pixels in 3 colours. It has 96 kernels of 11 x 11, which move in
# steps of 4 (stride 4), without padding.
#
# - How large are its maps? The kernel has 227 - 11 = 216 pixels of room, which are 54 steps of 4.
#   With the place where it begins these are 55 places: the maps are 55 x 55.
# - How many parameters? Each kernel has 11 * 11 * 3 = 363 weights and one bias, and there are 96:
#   364 * 96 = 34,944.
# - How many multiplications? Each number of a map is a sum of 363 products, and there are 55 * 55 *
#   96 = 290,400 numbers: 105,415,200.
#
# For a convolution of kernels K x K, C input and D output channels, on an input of height and width
# H, that is (the brackets in the first line say: rounded down)
#
# $$OH = \lfloor (H + 2 \cdot \text{padding} - K) / \text{stride} \rfloor + 1$$
#
# $$\text{parameters} = (K \cdot K \cdot C / G + 1) \cdot D$$
#
# $$\text{multiplications} = OH \cdot OH \cdot (K \cdot K \cdot C / G) \cdot D$$
#
# G is 1, but for conv2, conv4 and conv5 it is 2: their kernels see only half of the C channels. The
# two GPUs are the reason, as we shall see. The first formula holds for pooling as well. And a fully
# connected layer is a convolution whose kernel is as large as its input: fc6 has K = 6, on the 6 x
# 6 x 256 numbers that pooling leaves.

# %%
# Name, K, stride, padding, G, D; pooling has nothing to learn and keeps its channels: D is 0.
TABLE = [("conv1", 11, 4, 0, 1, 96), ("pool1", 3, 2, 0, 1, 0), ("conv2", 5, 1, 2, 2, 256),
         ("pool2", 3, 2, 0, 1, 0), ("conv3", 3, 1, 1, 1, 384), ("conv4", 3, 1, 1, 2, 384),
         ("conv5", 3, 1, 1, 2, 256), ("pool5", 3, 2, 0, 1, 0), ("fc6", 6, 1, 0, 1, 4096),
         ("fc7", 1, 1, 0, 1, 4096), ("fc8", 1, 1, 0, 1, 1000)]  # fmt: skip
counts, units, side, C = {}, {}, 227, 3
print("layer  output            numbers    parameters  multiplications")
for name, K, stride, padding, G, D in TABLE:
    side = (side + 2 * padding - K) // stride + 1
    C_in, C = C, D or C
    print(f"{name:5}  {f'{side} x {side} x {C}':15} {side * side * C:9,}", end="")
    if D:
        units[name] = side * side * D
        counts[name] = (K * K * C_in // G + 1) * D, units[name] * (K * K * C_in // G)
        print("{:14,} {:16,}".format(*counts[name]), end="")
    print()
total = np.sum(list(counts.values()), axis=0)
print(f"together, no pooling {sum(units.values()):11,}{total[0]:14,} {total[1]:16,}")
print(f"LeNet (lesson 10) had 61,706 and 416,520: a {total[0] / 61_706:.0f}th", end=" and ")
print(f"a {total[1] / 416_520:,.0f}th of that")
assert counts["conv1"] == (34_944, 105_415_200)
assert total[0] == network.num_parameters == 60_965_224
assert total[1] == network.multiply_adds() == 724_406_816
drawings.where(counts, total)

# %% [markdown]
# The figure shows where they are. The *parameters* are in the fully connected layers: fc6 alone
# holds more than half of them. The *work* is in the convolutions, which use each weight at every
# place. So if AlexNet's file is too large for you, look at fc6; if it is too slow, look at conv2.

# %%
shares = np.array(list(counts.values())) / total
in_convolutions = shares[:5].sum(axis=0)
print("convolutions: {:.1%} of the parameters, {:.1%} of the work".format(*in_convolutions))
print(f"fc6: {shares[5, 0]:.1%} of the parameters; conv2: {shares[1, 1]:.1%} of the work")
assert shares[5, 0] > 0.5 and shares[1, 1] == shares[:, 1].max() and in_convolutions[1] > 0.9

# %% [markdown]
# ## Two riddles of the paper
#
# **224 or 227?** The paper says that the input is 224 x 224. But (224 - 11) / 4 is no whole number,
# and rounded down it gives maps of 54 x 54, while the paper's Figure 2 has 55. 227 gives 55 without
# a remainder. (The authors' program let the last windows run over the image's edge, which also
# comes to 55.) Most libraries take 227, or 224 with a padding of 2.
#
# **253,440 neurons?** In the caption of Figure 2 the paper counts its **neurons**, the numbers that
# a layer gives out: 253,440 - 186,624 - 64,896 - 64,896 - 43,264 - 4096 - 4096 - 1000. Compare with
# our column of numbers: all agree but the first, where we have 290,400. Where does 253,440 come
# from? It is no 55 x 55 times anything, but it is 55 * 48 * 96: perhaps somebody took the 48 maps
# of one GPU for the height of a map. That is a guess. But the paper says elsewhere that there are
# 650,000 neurons in all, and with 290,400 the sum is nearer to that.

# %%
PAPER = [253_440, 186_624, 64_896, 64_896, 43_264, 4096, 4096, 1000]
ours = list(units.values())
print("where the paper's count differs:", [(a, b) for a, b in zip(PAPER, ours) if a != b])
print(f"the sum of the paper's: {sum(PAPER):,}; of ours: {sum(ours):,}")
assert ours[1:] == PAPER[1:] and ours[0] == 55 * 55 * 96 and PAPER[0] == 55 * 48 * 96
assert abs(sum(ours) - 650_000) < abs(sum(PAPER) - 650_000)
assert (224 - 11) // 4 + 1 == 54 and (227 - 11) % 4 == 0 and (224 + 2 * 2 - 11) // 4 + 1 == 55

# %% [markdown]
# ## Two GPUs
#
# A GTX 580, a GPU of 2010, had 3 GB of memory, too little for the network that the authors wanted
# to train (section 3.2). So each of two GPUs got half of the kernels of every layer. Numbers travel
# slowly from one GPU to the other; therefore most layers read only what their own GPU has made.
# conv2's outputs 0 to 127 read the channels 0 to 47, its outputs 128 to 255 the channels 48 to 95.
# Today that is called a **grouped convolution**, with G = 2 groups, and it has half of the weights
# and half of the work: hence the division by G above. Only conv3, fc6, fc7 and fc8 read both.

# %%
drawings.columns()

# %% [markdown]
# The figure shows the two columns, and the exchanges between them. (Against one GPU with half of
# the kernels they saved 1.7 points of the top-1 error rate, section 3.2.) Let us first do it in
# small: two inputs, one fully connected layer of four units and one more of two, and two GPUs,
# called a and b. As the last axis of a weight counts its outputs, a GPU's share is *half of the
# last axis*.

# %%
x = np.array([[1.0, 2.0]])
W1 = np.array([[1.0, 0.0, 2.0, 1.0], [0.0, 1.0, 1.0, 3.0]])
W2 = np.array([[1.0, 2.0], [0.0, 1.0], [1.0, 0.0], [2.0, 1.0]])
whole = x @ W1 @ W2
W1a, W1b = np.split(W1, 2, axis=-1)
W2a, W2b = np.split(W2, 2, axis=-1)
hidden_a, hidden_b = x @ W1a, x @ W1b  # each by itself: two units here, two there
both = np.concatenate([hidden_a, hidden_b], axis=-1)  # the exchange: now both have all four
print(f"a has {hidden_a}, b has {hidden_b}, after the exchange {both}")
assert np.array_equal(np.concatenate([both @ W2a, both @ W2b], axis=-1), whole)

# And back: each has a gradient with respect to all four, by its own output. They add up.
dy = np.array([[1.0, 10.0]])
from_a, from_b = dy[:, :1] @ W2a.T, dy[:, 1:] @ W2b.T
print(f"gradients for the four: by a {from_a}, by b {from_b}, together {from_a + from_b}")
assert np.array_equal(from_a + from_b, dy @ W2.T)

# %% [markdown]
# Forward, the exchange puts two halves side by side. Backward, it does two things: as both GPUs
# have read all of it, their gradients are *added*; then each takes the half that belongs to what it
# made. That is all there is to it; the rest is book-keeping. `half_of` cuts one layer. It takes the
# weights as they are, so that nothing but the cut can make a difference.


# %%
def half_of(layer, number):
    """The part of a layer that makes the first (number 0) or second half (1) of its outputs."""
    if not layer.params:
        return copy.deepcopy(layer)  # ReLU, pooling, ...: they take whatever channels they get
    weight, bias = (np.split(param, 2, axis=-1)[number] for param in layer.params.values())
    inputs, outputs = weight.shape[-2:]  # of conv2 these are 48 and 128
    half = Linear(inputs, outputs)
    if isinstance(layer, Conv2d):
        half = Conv2d(inputs, outputs, layer.kernel_size, layer.stride, layer.padding)
    half.params = {"weight": weight, "bias": bias}
    return half.astype(np.float64)  # so that rounding errors are near 1e-16


# Before these layers they exchange. fc6 reads both through flatten, which comes just before it.
EXCHANGE = ("conv3", "flatten", "fc7", "fc8")


def forward(a, b, x):
    """a and b: the layers of the two GPUs, by name."""
    ya = yb = x
    for name in a:
        if name in EXCHANGE:
            ya = yb = np.concatenate([ya, yb], axis=-1)
        ya, yb = a[name].forward(ya, training=True), b[name].forward(yb, training=True)
    return np.concatenate([ya, yb], axis=-1)


def backward(a, b, dy):
    da, db = np.split(dy, 2, axis=-1)
    for name in reversed(a):
        da, db = a[name].backward(da), b[name].backward(db)
        if name in EXCHANGE:
            da, db = np.split(da + db, 2, axis=-1)
    return da + db  # both have read all of the image


# %% [markdown]
# ## Are they the same network?
#
# We give both the same image: noise, about as large as an image's pixels minus their mean. Dropout
# is switched off for the moment, since it would drop other units in the halves (exercise 3). Then
# we compare the outputs, dx, and the gradient of every parameter: the largest difference, as a
# share of the largest number.

# %%
for name in ("dropout6", "dropout7"):
    network.layers[name].p = 0.0
network.astype(np.float64)
a, b = ({n: half_of(layer, number) for n, layer in network.layers.items()} for number in (0, 1))
x = 60 * np.random.default_rng(0).standard_normal((1, 227, 227, 3))
LABEL, loss = np.array([281]), SoftmaxCrossEntropy()  # any class will do

y2 = forward(a, b, x)
loss.forward(y2, LABEL)
dx2 = backward(a, b, loss.backward())


def compare(layers):
    """The network as a whole: its outputs, its dx, and how the halves differ from it."""
    y = x
    for layer in layers.values():
        y = layer.forward(y, training=True)
    loss.forward(y, LABEL)
    dx = loss.backward()
    for layer in reversed(layers.values()):
        dx = layer.backward(dx)
    pairs = {"outputs": (y, y2), "dx": (dx, dx2)}
    for name, layer in layers.items():
        for key, grad in layer.grads.items():
            halves = a[name].grads[key], b[name].grads[key]
            pairs[f"{name}.{key}"] = grad, np.concatenate(halves, axis=-1)
    found = {n: np.abs(one - two).max() / np.abs(one).max() for n, (one, two) in pairs.items()}
    worst = max(found, key=found.get)
    print(f"outputs {found['outputs']:.0e}, dx {found['dx']:.0e}, worst {worst} {found[worst]:.0e}")
    return y, dx, found


y, dx, found = compare(network.layers)
assert 1e-5 < found["outputs"] < 3e-4 and 0.02 < found["dx"] < 0.4

# %% [markdown]
# Not equal! Somebody talks across the cut. It is no layer with weights: it is response
# normalisation. Channel 47 has the neighbours 45 to 49, and 48 and 49 are on the other GPU. The
# library's norm1, like Caffe's, spans all 96 channels, for which the GPUs would have to exchange
# more. So let each half be normalised by itself: make the two halves of a pixel's channels two
# pixels, and there is no neighbour beyond the cut.


# %%
class SplitNorm(LocalResponseNorm):
    def forward(self, x, training=False, out=None):
        N, H, W, C = x.shape
        return super().forward(x.reshape(N, H, 2 * W, C // 2), training).reshape(x.shape)

    def backward(self, dy, input_gradient=True, out=None):
        N, H, W, C = dy.shape
        return super().backward(dy.reshape(N, H, 2 * W, C // 2)).reshape(dy.shape)


split = {
    n: SplitNorm() if isinstance(layer, LocalResponseNorm) else layer
    for n, layer in network.layers.items()
}
_, _, found = compare(split)
assert max(found.values()) < 1e-12

# %% [markdown]
# Now all agree to the last digits: outputs, dx and the gradients of all sixteen parameters. The two
# columns and one network with grouped convolutions and split normalisation are the same function.
#
# ## Optional: why were the outputs so close, and dx so far off?
#
# With the wrong normalisation the outputs differed by less than a thousandth of the largest, dx by
# about a tenth. It was one and the same mistake. Two things make the difference.
#
# **The outputs hardly listen.** Before training the weights are small (deviation 0.01) and many
# biases are 1 (section 5; lesson 17). So what comes out is mostly made by the biases. Even *another
# image* changes the outputs by about a hundredth only; a mistake in 4 of 96 channels (46 to 49,
# beside the cut) changes them by far less.
#
# **The gradient goes by switches.** dx has no part that comes from biases. And a max-pooling sends
# all of the gradient to the largest number of each window. Where the two largest are nearly equal,
# a change of a thousandth makes the other one the winner. The output then hardly changes, but the
# gradient goes another way. Let us count such flips in the last two poolings (in the first there
# are nearly none): `backward` of a pooling, given ones, marks the winner of each window.

# %%
other = network.forward(60 * np.random.default_rng(1).standard_normal(x.shape))
another_image = np.abs(other - y).max() / np.abs(y).max()
print(f"another image changes the outputs by {another_image:.0e} of the largest")


def winners(layers):
    z, marks = x, {}
    for name, layer in layers.items():
        z = layer.forward(z, training=True)
        if name in ("pool2", "pool5"):
            marks[name] = layer.backward(np.ones_like(z))
            if name == "pool5":
                return marks


one, two = winners(network.layers), winners(split)
flipped = {name: np.abs(one[name] - two[name]).sum() / 2 / one[name].sum() for name in one}
print("switches that flipped:", ", ".join(f"{n} {share:.2%}" for n, share in flipped.items()))
typical = np.median(np.abs(dx - dx2)) / np.median(np.abs(dx))
print(f"a typical pixel's gradient is off by {typical:.0%}")
share = sum(flipped.values())
assert 1e-3 < another_image < 0.05 and 0.002 < share < 0.015 and 0.03 < typical < 0.3

# %% [markdown]
# About half a percent of the switches, and yet a gradient is off by some ten percent? A pixel's
# gradient is a sum over very many ways through the network, with either sign, most of which cancel.
# The sum of n such numbers is about as large as $\sqrt{n}$ of them. If a share f of them is
# replaced by others, fn old ones go and fn new ones come, and the sum changes by about
# $\sqrt{2fn}$: as a share of itself that is $\sqrt{2f}$, much more than f. Try it with 10,000
# random numbers:

# %%
terms = np.random.default_rng(0).standard_normal((2, 300, 10_000))  # 300 sums, old and new
before, after = terms[0].sum(axis=1), terms[0].sum(axis=1)
replaced = round(share * 10_000)
after += (terms[1] - terms[0])[:, :replaced].sum(axis=1)
moved = np.sqrt(np.mean((after - before) ** 2) / np.mean(before**2))
print(f"{replaced} of 10,000 terms replaced: the sum moves by {moved:.0%}", end=", ")
print(f"by the formula {np.sqrt(2 * share):.0%}")
assert np.isclose(moved, np.sqrt(2 * share), rtol=0.15)

# %% [markdown]
# So the numbers fit. Learn from it for your own comparisons of two programs: at the outputs
# everything looks well; compare the gradients, in float64, and do not accept a tenth.


# %%
class TwoGPULinear(Linear):  # for exercise 2; `_take_saved()` is the x that forward has kept
    def backward(self, dy, input_gradient=True, out=None):
        x, weight, middle = self._take_saved(), self.params["weight"], self.out_features // 2
        for half in (slice(0, middle), slice(middle, None)):
            self.grads["weight"][:, half] = x.T @ dy[:, half]
            self.grads["bias"][half] = dy[:, half].sum(axis=0)
            dx = dy[:, half] @ weight[:, half].T
        return dx


# %% [markdown]
# ## In short
#
# - $OH = \lfloor (H + 2 \cdot \text{padding} - K) / \text{stride} \rfloor + 1$.
# - Parameters: $(K^2 C / G + 1) D$; multiplications: $OH^2 (K^2 C / G) D$.
# - AlexNet: 60,965,224 parameters, most of them in fc6; 724,406,816 multiplications, most of them
#   in the convolutions; 659,272 neurons.
# - A grouped convolution reads only its own group's channels: half the weights, half the work.
# - Two columns: forward, the exchange puts the halves side by side; backward, both gradients are
#   added, and each takes its own half.
# - Watch out for layers that look at neighbouring channels: they talk across the cut. Compare
#   gradients, not only outputs.
#
# ## Exercises (answers: `solutions/solution_16.py`)
#
# 1. How many parameters and multiplications has AlexNet without groups, that is, with G = 1
#    everywhere? What did the groups save?
# 2. BUG: `TwoGPULinear` works out its gradients half by half, as two GPUs would.
#    `nn.check_gradients` says that one of them is wrong. Which, and why are the other two right?
# 3. Dropout again, with p = 0.5: let each GPU multiply by its half of the mask that the whole
#    network drew (`layer.mask`), and divide by 1 - p. Are they still equal? (A small network will
#    do: fc6, fc7 and fc8 with a few units.)
#
# One more checks itself: `lenet check 16 --start mine.py` writes a file to start from.
