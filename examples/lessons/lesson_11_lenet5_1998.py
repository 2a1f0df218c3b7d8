# %% [markdown]
# # Lesson 11: LeNet-5 as it was published
#
# The LeNet of lesson 10 is a redrawing. The network that read cheques in banks, and that gave the
# family its name, is LeNet-5 (LeCun, Bottou, Bengio and Haffner 1998, "Gradient-based learning
# applied to document recognition", section II.B). It has seven layers with names of their own, and
# each has a peculiarity for which the paper gives a reason: a border around the digit, a stretched
# tanh, averages that can learn, a table of which map sees which, and at the end ten little
# drawings. We walk through `models/lenet5.py`, ask each time why, count, and train it.

# %%
import numpy as np

import models
from examples.lessons.drawings import lenet5_1998 as draw
from layers import ScaledTanh, Subsampling2d
from models.lenet5 import C3_CONNECTIONS, digit_bitmaps
from nn import SGD, Layer, LeNet5Loss
from nn.data import Dataset, digits
from nn.data.augmentation import lenet5_input
from nn.inspect import activations
from nn.loss import softmax
from nn.training import train
from nn.training.schedules import one_cycle

network = models.lenet5_1998(rng=0)
raw_train, raw_test = digits()
train_set = Dataset(lenet5_input(raw_train.images), raw_train.labels, raw_train.class_names)
test_images, test_labels = lenet5_input(raw_test.images), raw_test.labels

# %% [markdown]
# ## The seven layers
#
# C stands for convolution, S for subsampling, F for fully connected; the number is the layer's
# place. A **connection** is a wire: from one input to one unit, or from the unit's bias. A
# **parameter** is a number that is learned. Since a kernel is used at every position, few
# parameters make many connections: 156 make 122,304 in C1. By hand, parameters and connections:

# %%
C3_INPUTS = sum(len(maps) for maps in C3_CONNECTIONS)  # 60 pairs of a map of S2 and a map of C3
C3 = C3_INPUTS * 25 + 16  # a 5x5 kernel for each pair, a bias for each map
counts = {
    "C1": (6 * (25 + 1), 28 * 28 * 6 * (25 + 1)),  # six 5x5 kernels, a bias each
    "S2": (6 * (1 + 1), 14 * 14 * 6 * (4 + 1)),  # a coefficient and a bias a map; four pixels
    "C3": (C3, 10 * 10 * C3),
    "S4": (16 * (1 + 1), 5 * 5 * 16 * (4 + 1)),
    "C5": (120 * (16 * 25 + 1), 120 * (16 * 25 + 1)),  # its 5x5 windows see all of S4's maps
    "F6": (84 * (120 + 1), 84 * (120 + 1)),
    "output": (0, 10 * 84),  # fixed: nothing is learned, but there are wires
}
shape = (32, 32, 1)
for name, layer in network.layers.items():
    shape = layer.output_shape(shape)
    if name in counts:
        assert layer.num_parameters == counts[name][0]
        size = "x".join(map(str, shape))
        print("{:7}{:>9} {:8,} parameters {:9,} connections".format(name, size, *counts[name]))
totals = tuple(np.sum(list(counts.values()), axis=0))
print("all              {:8,} parameters {:9,} connections".format(*totals))
assert totals == (60_000, 340_908) and totals[0] == network.num_parameters

# %% [markdown]
# These are the paper's two totals. Four fifths of the parameters are in C5, four fifths of the
# connections in C1 and C3: the convolutions compute, the fully connected layers remember.

# %%
assert 0.79 < counts["C5"][0] / totals[0] < 0.81
assert 0.79 < (counts["C1"][1] + counts["C3"][1]) / totals[1] < 0.81

# %% [markdown]
# ## The input: 32x32, though digits are smaller
#
# The digits fit in 20x20 pixels, in images of 28x28. Why 32x32? Because the end of a stroke, or a
# corner, should be able to lie in the *middle* of what a unit sees, wherever in the digit it is. A
# unit of C3 sees how much? Write down, layer by layer, the side of its **receptive field**, and how
# many pixels the fields of two neighbours are apart. A window of K numbers adds K - 1 times the
# "apart" of the layer before to the side, and a stride of S multiplies "apart" by S:
#
# | layer | K | S | side | apart |
# |---|---|---|---|---|
# | C1 | 5 | 1 | 1 + 4 = 5 | 1 |
# | S2 | 2 | 2 | 5 + 1 = 6 | 2 |
# | C3 | 5 | 1 | 6 + 4 * 2 = 14 | 2 |
#
# So C3's 10x10 units have fields of 14x14 pixels, 2 pixels apart. Their middles cover, with 2
# pixels each, 20x20 pixels: just the digit. With an input of 28x28 it would be 16x16.
#
# White paper becomes -0.1 and black ink 1.175, so that, says the paper, the mean is about 0 and the
# variance about 1, which makes learning faster (sums are then not all of one sign; lesson 12).

# %%
side, apart = 1, 1
for K, S in ((5, 1), (2, 2), (5, 1)):
    side, apart = side + (K - 1) * apart, apart * S
spare = side / 2 - apart / 2  # the middle of the first field, less half of its 2 pixels
print(f"C3: fields of {side}x{side}, {apart} apart; {spare:.0f} pixels to spare on each side")
assert (side, apart, spare) == (14, 2, 6) and 6 + 20 + 6 == 32
print(f"our digits: mean {test_images.mean():.2f}, variance {test_images.var():.2f}")
assert abs(test_images.mean()) < 0.1 and test_images.var() < 0.2

# %% [markdown]
# (For our digits with their wide border the mean is near 0; the variance is an eighth, not 1. The
# two levels are the paper's all the same.)
#
# ## The squashing function
#
# "Squashing function" is the paper's word for an activation function. All layers up to F6 end in a
# stretched tanh:
#
# $$ f(a) = 1.7159 \, \tanh\left( \frac{2}{3} a \right) $$
#
# Two strange numbers, and one aim: f(1) = 1 and f(-1) = -1 (paper, appendix A). The targets of F6
# will be +1 and -1. A plain tanh has its limits there: it reaches 1 only at infinity, so that
# training would make weights larger and larger, and the slopes would vanish. The stretched one has
# its limits at 1.7159 and reaches 1 while its slope is still 0.76. And near 1 it bends most: the
# second derivative is largest there, which is where a unit is as far from a straight line as it can
# be. The figure shows all three.

# %%
a = np.linspace(-3, 3, 6001)
squash = ScaledTanh()
y = squash.forward(a, training=True)
slope = squash.backward(np.ones_like(a))
bend = np.gradient(slope, a)
at_one = np.argmin(np.abs(a - 1))
print(f"f(1) = {y[at_one]:.4f}, slope there {slope[at_one]:.2f}", end=", ")
print(f"at 0 {slope.max():.2f}; it bends most at a = {abs(a[np.abs(bend).argmax()]):.2f}")
assert abs(y[at_one] - 1) < 1e-4 and abs(slope[at_one] - 0.76) < 0.005
assert abs(abs(a[np.abs(bend).argmax()]) - 1) < 0.02
draw.squashing(a, y, slope, bend)

# %% [markdown]
# ## Subsampling that can learn
#
# S2 adds up the four pixels of each 2x2 window, multiplies the sum s by a **trainable coefficient**
# w, adds a trainable bias b, and squashes: f(w s + b). There is one w and one b for each map. With
# w = 1/4 it is the average of lesson 7. Why let it learn? Let the four inputs be +1 or -1. With a
# small w the sum stays where f is nearly straight, and the unit blurs. With a large w it answers
# yes or no: an "or" of its inputs or an "and", as the bias will have it (section II.B). Here are
# the answers for 0 to 4 inputs that are +1:

# %%
windows = np.array([[1.0] * n + [-1.0] * (4 - n) for n in range(5)]).reshape(5, 2, 2, 1)
for w, b, name in ((0.1, 0, "blur"), (3, 9, "or"), (3, -9, "and")):
    layer = Subsampling2d(1).astype(np.float64)
    layer.params["weight"][...], layer.params["bias"][...] = w, b
    answers = squash.forward(layer.forward(windows)).ravel()
    print(f"w = {w:3}, b = {b:2}, {name:5}", *(f"{answer:6.2f}" for answer in answers))
    if name == "blur":  # steps of nearly one size
        assert np.allclose(np.diff(answers), np.diff(answers).mean(), rtol=0.1)
    else:  # "or": yes from one input on; "and": with all four only
        assert (answers > 0).sum() == {"or": 4, "and": 1}[name] and np.abs(answers).min() > 1.6

# %% [markdown]
# Its backward pass is that of lesson 7.
#
# ## C3: which map sees which
#
# C3 makes 16 maps of S2's six, but most of them do not see all six. The figure is the paper's Table
# I: a column for each map of C3, a mark where it sees a map of S2. The first six see three
# neighbours, the next six four, three more see four that are not all neighbours, and the last sees
# all. Two reasons are given. It is cheaper, by 90,000 connections; and it **breaks the symmetry**:
# maps that see different things must find different features. (Random initial weights break it,
# too. What the table adds is that two maps *cannot* become alike.) In `layers/conv.py` the weights
# that the table leaves out are 0 and stay 0.

# %%
weight = network.layers["C3"].params["weight"]  # (5, 5, 6, 16)
sees = np.zeros((6, 16), bool)
for column, maps in enumerate(C3_CONNECTIONS):
    sees[list(maps), column] = True
assert (sees == (weight != 0).any(axis=(0, 1))).all() and sees.sum() == C3_INPUTS == 60
assert len(set(C3_CONNECTIONS)) == 16 and (sees.sum(axis=1) == 10).all()
full = 6 * 16 * 25 + 16
print(f"each map of S2 is seen by {sees[0].sum()} of C3's; {C3_INPUTS} kernels instead of {6 * 16}")
print(f"parameters {C3:,} instead of {full:,}, connections {100 * C3:,} instead of {100 * full:,}")
assert 100 * (full - C3) == 90_000
draw.table(sees)

# %% [markdown]
# ## C5 and F6
#
# C5's windows are as large as S4's maps, so that one position is left, and C5 is a fully connected
# layer. Why call it a convolution? Because on a wider image it would be one: given a row of digits
# it makes a row of answers (exercise 1). F6 is an ordinary fully connected layer with 84 units, and
# 84 is 7 times 12: F6 is asked to *draw*.
#
# ## The output: ten drawings
#
# Each class has a drawing of 7x12 pixels, +1 where there is ink and -1 where there is none, made by
# hand and kept as it is. (The ones in the figure are this library's own, in the manner of the
# paper's Figure 3.) The output for class i is the squared distance (in short, the distance) between
# F6's 84 numbers x and drawing i, a **radial basis function** (RBF):
#
# $$ d_i = \sum_{m=1}^{84} (x_m - w_{im})^2 $$
#
# The nearest drawing is the answer. (The library returns minus the distances, so that here, too,
# the largest output wins.) Why drawings, and not ten outputs of which one should be 1? Because the
# network was to read all printable characters one day: capital O, small o and zero, hardly to be
# told apart, get drawings that are hardly different, so that a dictionary can decide later. And
# because nearness to a drawing says something that softmax cannot: how far from *all* of them the
# image is.

# %%
bitmaps = digit_bitmaps()  # (10, 12, 7)
flat = bitmaps.reshape(10, 84)
x = flat[3] * 0.9  # F6 draws a 3, a little faintly
distances = -network.layers["output"].forward(x[None])[0]
assert np.allclose(distances, ((x - flat) ** 2).sum(axis=1)) and distances.argmin() == 3
apart = ((flat[:, None] - flat) ** 2).sum(axis=-1)
print("distances of a faint 3 from the drawings:", *(f"{d:.1f}" for d in distances))
first, second = np.argwhere(apart == apart[apart > 0].min())[0]
print(f"the two drawings most alike, {first} and {second}, are {apart[first, second]:.0f} apart")
draw.bitmaps(bitmaps)

# %% [markdown]
# ## The loss
#
# The simplest: the distance from the right drawing, on average (the paper's equation 8). It only
# pulls. The paper's equation 9 also pushes the wrong ones away. With r for the right class, as in
# lesson 8,
#
# $$ E = d_r + \log\left( e^{-j} + \sum_i e^{-d_i} \right) $$
#
# Without the $e^{-j}$ it would be softmax with cross-entropy of the numbers $-d_i$ (lesson 8). With
# it there is, so to speak, an eleventh class, "rubbish", at the constant distance j (the paper
# gives no value, we take 10). The gradients, found as in lesson 8, are
#
# $$
# \frac{\partial E}{\partial d_r} = 1 - q_r, \quad \frac{\partial E}{\partial d_i} = -q_i
# \text{ for the others,} \quad q_i = \frac{e^{-d_i}}{e^{-j} + \sum_k e^{-d_k}}
# $$
#
# Three drawings in numbers; the first is the right one:

# %%
loss = LeNet5Loss(j=10)
for d in ([2, 3, 30], [12, 9, 30], [40, 30, 50]):
    d = np.array([d], float)
    E = loss.forward(-d, np.array([0]))
    q = np.exp(-d) / (np.exp(-10.0) + np.exp(-d).sum())
    assert np.isclose(E, d[0, 0] + np.log(np.exp(-10.0) + np.exp(-d).sum()))
    assert np.allclose(-loss.backward(), np.eye(3)[:1] - q)  # the library's outputs are -d
    slopes = -loss.backward()[0].round(2) + 0.0  # and not -0.00
    print(f"d = {d[0].astype(int)}: loss {E:5.2f}, gradient with respect to d {slopes}")
assert q.max() < 1e-8 and (np.exp(-d) / np.exp(-d).sum())[0, 1] > 0.99

# %% [markdown]
# First row: the right one is pulled nearer, its near rival pushed away, the far one left alone.
# Second: the rival is nearer than the right one, and both forces grow. Last: all are far, and only
# the right one is pulled, where softmax alone would push the rival as hard. The e^-j "prevents the
# penalties of classes that are already very large from being pushed further up" (section II.C).
#
# ## Training
#
# Initial weights are uniform between -2.4 / n and 2.4 / n, with n the number of a unit's inputs.
# The paper trained with a step size for each weight, by estimates of the second derivatives
# (appendix C); we take SGD with momentum. Four epochs with our 8,000 digits:

# %%
how = {"epochs": 4, "batch_size": 32, "schedule": one_cycle(0.005), "loss": LeNet5Loss()}
train(network, train_set, optimizer=SGD(network, 0), progress=False, **how)
distances = -network.forward(test_images)
answers = distances.argmin(axis=1)
wrong = answers != test_labels
print(f"{wrong.sum()} of {len(wrong):,} test digits misread, {wrong.mean():.1%} (one run)")
assert wrong.mean() < 0.06

# %% [markdown]
# (With 60,000 digits and 20 epochs the paper reports 0.95% test errors, and 0.8% with distorted
# copies of the digits: section III. Ours, trained longer: `examples/RESULTS.md`.)
#
# What does F6 draw? In the figure, below each digit, its 84 numbers as 7x12 pixels; white is 0,
# undecided. They are no copy of the handwriting: whoever wrote the 2, F6 draws much the same 2,
# near to the mean of all. The last two digits are among those that it misreads.

# %%
F6 = activations(network, test_images)["tanh6"].reshape(-1, 12, 7)
twos = test_labels == 2
away = ((F6 - F6[twos].mean(axis=0)) ** 2).sum(axis=(1, 2))  # from the mean of all its twos
of_twos, of_others = away[twos].mean(), away[~twos].mean()
print(f"distance from the mean 2: of twos {of_twos:.0f} on average, of others {of_others:.0f}")
assert of_twos < 0.2 * of_others
shown = [*(np.flatnonzero((test_labels == d) & ~wrong)[0] for d in range(10))]
shown += [*np.flatnonzero(wrong)[:2]]
draw.answers(test_images[shown, :, :, 0], F6[shown], answers[shown], distances[shown].min(axis=1))

# %% [markdown]
# ## Saying "I do not know"
#
# Softmax must share out 100% among ten classes, whatever it is shown, and it sees differences only
# (lesson 8). A distance can be large from everything. Is it, for what is no digit? A sheet of blank
# paper, 500 digits white on black, and 500 laid on their side (transposed). The table has the
# distance from the nearest drawing, the probability that softmax of minus the distances would give
# to it (both are medians: half are above, half below), and the share that is refused if we refuse
# whatever is farther off than 95% of the test digits.

# %%
shown = {
    "digits, read rightly": test_images[~wrong],
    "misread": test_images[wrong],
    "blank paper": lenet5_input(np.zeros_like(raw_test.images[:1])),
    "white on black": lenet5_input(1 - raw_test.images[:500]),
    "on their side": lenet5_input(raw_test.images[:500].transpose(0, 2, 1, 3)),
}
limit, found = np.quantile(distances.min(axis=1), 0.95), {}
print("                      distance  softmax  refused")
for name, images in shown.items():
    z = network.forward(images)
    far, sure = -z.max(axis=1), softmax(z).max(axis=1)
    found[name] = np.median(far), np.median(sure), np.mean(far > limit)
    print("{:20} {:9.1f} {:8.1%} {:8.0%}".format(name, *found[name]))
(right, _, _), *rest = found.values()
assert all(far > 2 * right and sure > 0.99 and refused > 0.3 for far, sure, refused in rest)

# %% [markdown]
# Softmax would be sure of all of it; the distance warns. The misread digits are farther off, too:
# refusing what is far from everything, a post office would spare itself many mistakes. It is no
# sure warning: some of the digits on their side are as near to a drawing as a good digit is. (And a
# network that was *trained* with softmax is less sure when it is wrong: lesson 10, exercise 3.)
#
# ## What the redrawing changed
#
# Most later descriptions, `models.lenet` of lesson 10 among them, simplify:
#
# | | 1998 | lesson 10 |
# |---|---|---|
# | input | 32x32, -0.1 to 1.175 | 28x28 with padding 2, standardised |
# | activation | 1.7159 tanh(2a/3), also after subsampling | logistic sigmoid, not after it |
# | subsampling | sum, coefficient, bias | average |
# | second convolution | the table | sees all maps |
# | output | distances from drawings | 10 linear units and softmax |
# | loss | equation 9 | cross-entropy |

# %%
modern = models.lenet()
changes = {"all of S2 for C3": full - C3, "no coefficients": -12 - 32, "ten linear units": 850}
assert totals[0] + sum(changes.values()) == modern.num_parameters == 61_706
print(
    "60,000", *(f"{n:+,} ({name})" for name, n in changes.items()), f"= {modern.num_parameters:,}"
)


# %%
class HandSubsampling(Layer):  # for exercise 2; images (N, H, W, C) with even H and W
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
        return np.tile(dy * self.params["weight"], (1, 2, 2, 1))  # each window has 2x2 pixels


# %% [markdown]
# ## In short
#
# - LeNet-5: C1, S2, C3, S4, C5, F6 and ten RBF units; 60,000 parameters, 340,908 connections.
# - $f(a) = 1.7159 \tanh(2a/3)$ passes through (1, 1), alive and bending most: targets are +-1.
# - Subsampling: $f(w s + b)$ with the sum s of a window; w and b are learned, one pair a map.
# - C3's table: 60 of 96 kernels; cheaper, and no two maps see the same.
# - Output: $d_i = \sum_m (x_m - w_{im})^2$, the distance from a drawing; the smallest is the
#   answer, and a large smallest one means "I do not know".
# - Loss: $d_r + \log(e^{-j} + \sum_i e^{-d_i})$: pull the right one r, push the near wrong ones.
#
# ## Exercises (answers: `solutions/solution_11.py`)
#
# 1. Give the layers before flatten, one after the other as in lesson 10, a strip of 32x64 pixels
#    with two digits side by side. What shape comes out? Pass each column of it through F6 and the
#    output. Which columns are what the network says to the two digits alone?
# 2. BUG: `HandSubsampling` passes the gradient check for images of 2x2 pixels. Check it with 4x4.
#    Which gradient is wrong, and why did 2x2 hide it?
# 3. Write the loss of equation 8, $d_r$ alone, with forward and backward, and train with it and
#    with `LeNet5Loss`, 2,000 digits and 2 epochs, five seeds. Is the competition worth anything
#    here? What would happen to the drawings if they were learned, too, with equation 8?
#
# One more checks itself: `lenet check 11 --start mine.py` writes a file to start from.
