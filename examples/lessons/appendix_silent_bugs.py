# %% [markdown]
# # Appendix: silent bugs
#
# A gradient check asks whether backward belongs to forward. If forward is not what you meant, or
# the images, the labels, the optimiser or the evaluation are not, it has nothing to say. Such bugs
# do not crash. The network learns, only worse, or it seems to be better than it is. The appendix
# before this one has shown one of them, softmax twice. Here are six more: each has a symptom, and a
# small test for it that does not take longer to write than to read. You need lessons 9, 13 and 15.
#
# Our network is small, one hidden layer of 64 units, and sees 2,000 digits; 1,000 others are kept
# for asking. (Where no number of seeds is named, it is one run.)

# %%
import numpy as np

from examples.lessons.drawings import silent_bugs as drawings
from layers import Conv2d, Dropout, Flatten, Linear, ReLU
from nn import SGD, Layer, Network, SoftmaxCrossEntropy, check_gradients
from nn.data import Dataset, batches, digits
from nn.training import train

part, others = digits()[0].subset(np.arange(2000)), digits()[1].subset(np.arange(1000))
mean, deviation = part.images.mean(), part.images.std()
pictures, new = (
    Dataset((d.images - mean) / deviation, d.labels, d.class_names) for d in (part, others)
)


def hidden_layer(seed=0, between=()):
    """784 numbers, 64 units of ReLU, whatever is to come between, 10 scores."""
    rng = np.random.default_rng(seed)
    layers = [("flatten", Flatten()), ("fc1", Linear(784, 64, rng=rng)), ("relu1", ReLU())]
    return Network([*layers, *between, ("fc2", Linear(64, 10, rng=rng))])


def fitted(network, data, epochs=5, seed=0):
    train(network, data, epochs=epochs, optimizer=SGD(network, 0.03), seed=seed, progress=False)
    return network


def accuracy(network, images, labels):
    return np.mean(network.predict(images).argmax(axis=1) == labels)


# %% [markdown]
# ## 1. Labels apart from their images
# The images were shuffled (or sorted, or one was left out), and their labels were not.

# %%
order = np.random.default_rng(0).permutation(len(pictures.labels))
apart = Dataset(pictures.images, pictures.labels[order], pictures.class_names)
healthy, ill = fitted(hidden_layer(), pictures), fitted(hidden_layer(), apart)
sound, strange = (accuracy(n, new.images, new.labels) for n in (healthy, ill))
print(f"accuracy on new images: {sound:.0%}, with labels apart {strange:.0%}")
drawings.at_the_door(apart.images[:8], apart.labels[:8])
assert sound > 0.8 > 0.2 > strange

# %% [markdown]
# Symptom: on new images no better than guessing, however long it trains, though a single batch can
# be overfitted (anything can be learned by heart). The test: *look*. Draw some images with their
# labels just before they go into the network, as in the figure, behind all shuffling and cropping.
#
# ## 2. Dropout left on
# `training=True` still stands in the evaluation, and units are dropped at inference.

# %%
dropping = fitted(hidden_layer(between=[("dropout1", Dropout(0.5, rng=0))]), pictures)
right, wrong = (
    np.mean(dropping.forward(new.images, training=on).argmax(axis=1) == new.labels)
    for on in (False, True)
)
print(f"accuracy {right:.1%}, with dropout left on {wrong:.1%}")
first, second = (dropping.forward(new.images[:5], training=True) for _ in range(2))
assert 0.05 < right - wrong < 0.15 and not np.allclose(first, second)
assert np.array_equal(dropping.forward(new.images[:5]), dropping.forward(new.images[:5]))

# %% [markdown]
# Symptom: worse by some points, here by ten, which one may take for the truth. The test: ask
# *twice* about the same images. At inference the answers must be the same to the last digit.
#
# ## 3. Test images standardised by themselves
# The training images had their mean taken off and were divided by their deviation. Test images need
# the *same two numbers*. Here they get those of the batch that they come in. In a large mixed batch
# they are nearly the same, and nobody notices. But then the program is asked about ones only, which
# have less ink:


# %%
def own_standard(images):
    return (images - images.mean()) / images.std()


ones = others.subset(np.flatnonzero(others.labels == 1))
together = healthy.predict(own_standard(others.images))[others.labels == 1]
among_themselves = healthy.predict(own_standard(ones.images))
change = np.abs(together - among_themselves).max()
reported = accuracy(healthy, own_standard(others.images), others.labels)
print(f"accuracy in one batch of 1,000: {reported:.1%} (rightly standardised: {sound:.1%})")
print(f"ones among all digits and among themselves: a probability changes by up to {change:.2f}")
proper = (ones.images - mean) / deviation
alone = np.concatenate([healthy.predict(image[None]) for image in proper[:20]])
assert abs(reported - sound) < 0.02 and change > 0.05
assert np.allclose(alone, healthy.predict(proper)[:20], atol=1e-5)

# %% [markdown]
# Symptom: what the network says about an image depends on the company that it comes in; the number
# in the report is good, and the program in use is worse. The test: ask about one image *alone and
# in company*, as the last line does of the right way. (Batch normalisation, a layer of later
# networks, has the same bug if it is left in training.)
#
# ## 4. The optimiser made anew
# `SGD(network, rate)` stands inside the loop, and momentum (0.9, if nothing else is said) never
# comes about: each new optimiser begins with velocities of 0.


# %%
def by_hand(anew, seed=0, epochs=2):
    """Training with the loop written out; the loss over all images afterwards."""
    network, loss = hidden_layer(seed), SoftmaxCrossEntropy()
    sgd, rng = SGD(network, 0.005), np.random.default_rng(seed)
    for _ in range(epochs):
        for images, labels in batches(pictures, 64, rng):
            sgd = SGD(network, 0.005) if anew else sgd
            loss.forward(network.forward(images, training=True), labels)
            network.backward(loss.backward(), input_gradient=False)
            sgd.step()
    return loss.forward(network.forward(pictures.images), pictures.labels)


kept, lost = ([by_hand(anew, seed) for seed in range(5)] for anew in (False, True))
print("loss, five seeds:", *(f"{v:.2f}" for v in kept), "; made anew:", *(f"{v:.2f}" for v in lost))
assert max(kept) < min(lost)

little = Network([("fc", Linear(1, 1))])
sgd, places = SGD(little, 0.1), [little.params["fc.weight"].item()]
for _ in range(2):
    little.grads["fc.weight"][...] = 1
    sgd.step()
    places.append(little.params["fc.weight"].item())
first, second = np.diff(places)
print(f"with the gradient 1 twice, the second step is {second / first:.1f} times the first")
assert np.isclose(second / first, 1.9, atol=1e-3)

# %% [markdown]
# Symptom: it learns as if the rate were ten times lower, and a higher rate seems to cure it. The
# test: give the optimiser of the *loop* the same gradient twice. With momentum 0.9 the second step
# is 1.9 times the first (lesson 9). An optimiser that is made anew for each epoch is the same bug
# in a milder form.
#
# ## 5. Asked about what it has learned
# The accuracy is taken on the training images, or some test images are among them.

# %%
random_labels = np.random.default_rng(1).integers(0, 10, len(pictures.labels))
nonsense = Dataset(pictures.images, random_labels, pictures.class_names)
parrot = fitted(hidden_layer(), nonsense, epochs=40)
on_trained = accuracy(parrot, nonsense.images, nonsense.labels)
on_new = accuracy(parrot, new.images, np.random.default_rng(2).integers(0, 10, len(new.labels)))
print(f"random labels: {on_trained:.0%} right of those that it has seen, {on_new:.0%} of new ones")
assert on_trained > 0.4 > 0.15 > on_new

# %% [markdown]
# Symptom: too good, and the world outside disagrees. The test: train and ask with *random labels*.
# No rule leads from an image to them, so an honest accuracy is about one in ten. If your program
# reports more, as this one does of the images that it was trained on, it asks about what the
# network has learned by heart.
#
# ## 6. Padding off by one
# A 3 x 3 convolution that keeps the size needs a border of one zero on each side. Here two are put
# above and none below, two on the left and none on the right. Shapes are right, and so are the
# gradients: those of this other function.


# %%
class Shifted(Conv2d):
    def forward(self, x, training=False, out=None):
        padded = np.pad(x, ((0, 0), (2, 0), (2, 0), (0, 0)))
        return super().forward(padded, training)

    def backward(self, dy, input_gradient=True, out=None):
        return super().backward(dy)[:, 2:, 2:]


shifted, right_one = Shifted(1, 1, 3, rng=0), Conv2d(1, 1, 3, padding=1, rng=0)
x = np.random.default_rng(0).standard_normal((2, 5, 6, 1))
report = check_gradients(shifted, x)
print(f"shapes {shifted.forward(x.astype(np.float32)).shape}", end=", ")
print(f"largest error of the gradients {report.max_error:.0e}")
assert report.max_error < 1e-6
x = x.astype(np.float32)
mirrored = np.ascontiguousarray(x[:, :, ::-1])
for layer in (shifted, right_one):
    layer.params["weight"][...] = 1 / 9  # a kernel that is its own mirror image
    one, other = layer.forward(x), layer.forward(mirrored)[:, :, ::-1]
    difference = np.abs(one - other).max()
    print(f"{type(layer).__name__}: mirrored before and after differ by {difference:.2f}")
    assert np.allclose(one, other, atol=1e-6) == (layer is right_one)

# %% [markdown]
# Symptom: hardly any. The network learns with maps that are shifted by a pixel at each layer, and
# its last rows and columns are seen by fewer windows. The test: a *symmetric kernel and a mirror
# image*. It must be the same whether one mirrors before or after.
#
# Of these six tests the first is to look. Three change something that must *not* matter: whether
# one asks once or twice (2), the company (3), left and right (6). One takes away something that
# *must* matter, the meaning of the labels (5). And one asks a part for a number that one knows by
# hand (4). With these four ideas you can make a test for a bug that nobody has listed.


# %%
class Drop(Layer):  # for exercise 3: dropout, each unit is left out with probability 1/2
    def __init__(self, features, seed=0):
        super().__init__()
        rng = np.random.default_rng(seed)
        self.mask = 2 * (rng.random(features) < 0.5).astype(np.float32)

    def forward(self, x, training=False, out=None):
        self._saved = self.mask if training else np.ones_like(self.mask)
        return x * self._saved

    def backward(self, dy, input_gradient=True, out=None):
        return dy * self._saved


# %% [markdown]
# ## In short
#
# - A gradient check compares the gradient with the function. It cannot see that the function, the
#   data, the optimiser or the evaluation is not the one that you meant.
# - Labels apart: look at images with their labels where they enter the network.
# - Dropout left on: ask twice. Standardised by the batch: ask alone and in company.
# - Optimiser made anew: the same gradient twice; the second step must be 1.9 times the first.
# - Asked about what it has learned: with random labels the accuracy must be that of guessing.
# - Padding off by one: a symmetric kernel, mirrored before or after, must give the same.
#
# ## Exercises (answers: `solutions/solution_appendix_silent_bugs.py`)
#
# 1. "Overfit one batch first" is the first test of all (the appendix before this one). Which of the
#    bugs 1 to 4 does it find? Try bug 1 and say of the others what you expect.
# 2. Put the first half of `new` into the training images, with the right labels, and train. What
#    accuracy does the program report on all of `new`, and on the half that it has not seen? Five
#    seeds. Write the test that finds images that are in both sets.
# 3. BUG: `Drop` passes every gradient check, and with `training=False` it answers the same each
#    time. Still, it is not dropout. Which of the tests above, turned round, shows it? Mend it, and
#    compare the accuracies on new images.
#
# Five more check themselves: `lenet check blind1 --start mine.py`, and so on to `blind5`, write
# programs with a silent bug each. Find it, and mend it.
