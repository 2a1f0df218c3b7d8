# %% [markdown]
# # Lesson 10: answers

# %%
import models
from nn import SGD, Layer, SoftmaxCrossEntropy, check_gradients
from nn.data import Dataset, digits
from nn.inspect import activations
from nn.training import train
from nn.training.schedules import constant, one_cycle

train_set, test_set = (Dataset((s.images - 0.13) / 0.31, s.labels, s.class_names) for s in digits())

# %% [markdown]
# ## 1. The rate, at once or slowly
#
# At a constant 0.5 the loss leaps far above log 10, and after the epoch the network guesses, from
# every seed. The first long steps have thrown its weights so far that the units of the last hidden
# layer hardly depend on the image any more: each is 0 or 1 for every digit. Where a sigmoid is flat
# no gradient passes (lesson 12), so that the layers before cannot mend it. With the same rate
# reached slowly it reads about nine digits of ten after one epoch.

# %%
rate = one_cycle(0.5)
for name, schedule in {"constant": constant(0.5), "one cycle": rate}.items():
    errors, differ = [], []
    for seed in range(5):
        lenet = models.lenet(rng=seed)
        settings = {"optimizer": SGD(lenet, 0.5), "schedule": schedule, "seed": seed}
        history = train(lenet, train_set, test_set, epochs=1, progress=False, **settings)
        errors.append(1 - history.epochs[-1]["test_accuracy"])
        units = activations(lenet, test_set.images[:500])["sigmoid4"]
        differ.append(units.std(axis=0).mean())  # from image to image
    print(f"{name}: test error rates", ", ".join(f"{error:.0%}" for error in errors), end="; ")
    print("a unit differs from image to image by", ", ".join(f"{d:.2f}" for d in differ))
    if name == "constant":
        assert min(errors) > 0.7
        stuck = max(differ)
    else:
        assert max(errors) < 0.25 and min(differ) > 2 * stuck

# %% [markdown]
# ## 2. The bug
#
# The loss is a mean over the batch, so its gradient has been divided by the number of images
# already: `dz = (p - one_hot) / N` in `nn/loss.py`. `MeanLinear` divides once more, so that the
# last layer learns 64 times too slowly. The others make up for it, and it reads test digits about
# as well as without the bug. No learning curve shows it; the checker does at once. With one image N
# = 1, and dividing by it changes nothing: **check with several images**.


# %%
class MeanLinear(Layer):
    mended = False

    def __init__(self, weight, bias):
        super().__init__()
        self.params = {"weight": weight, "bias": bias}

    def forward(self, x, training=False, out=None):
        self.x = x
        return x @ self.params["weight"] + self.params["bias"]

    def backward(self, dy, input_gradient=True, out=None):
        n = 1 if self.mended else len(dy)
        self.grads = {"weight": self.x.T @ dy / n, "bias": dy.sum(axis=0) / n}
        return dy @ self.params["weight"].T


suspect = models.lenet(rng=0)
suspect.layers["fc5"] = MeanLinear(**suspect.layers["fc5"].params)
images, labels = train_set.images[:4], train_set.labels[:4]
loss = SoftmaxCrossEntropy()
print("\nThe bug, with four digits:")
report = check_gradients(suspect, images, labels, loss, max_elements=20)
print(report)
bad = {name for name, check in report.arguments.items() if check.error > 1e-6}
assert bad == {"fc5.weight", "fc5.bias"}
assert abs(report.max_error - 3 / 4) < 1e-6  # 1/4 of what it should be
one = check_gradients(suspect, images[:1], labels[:1], loss, max_elements=20)
print(f"With one digit the largest error is {one.max_error:.1e}: hidden.")
assert one.max_error < 1e-6
with_bug, without = (
    train(
        net, train_set, test_set, epochs=3, optimizer=SGD(net, 0), schedule=rate, progress=False
    ).epochs[-1]
    for net in (suspect, models.lenet(rng=0))
)
print(f"It learns all the same: {with_bug['test_accuracy']:.1%} right after 3 epochs,", end=" ")
print(f"and {without['test_accuracy']:.1%} without the bug.")
assert with_bug["test_accuracy"] > without["test_accuracy"] - 0.02
MeanLinear.mended = True
report = check_gradients(suspect, images, labels, loss, max_elements=20)
print(f"Mended: largest error {report.max_error:.1e}")
assert report.max_error < 1e-6

# %% [markdown]
# ## 3. Refusing to answer
#
# Post offices and banks work like this: what the network is not sure of goes to a person. (Trained
# for 4 epochs here, so that it takes seconds.)

# %%
network = models.lenet(rng=0)
train(network, train_set, epochs=4, optimizer=SGD(network, 0), schedule=rate, progress=False)
probabilities = network.predict(test_set.images)
wrong = probabilities.argmax(axis=1) != test_set.labels
sure = probabilities.max(axis=1) >= 0.9
print(f"\nWithout refusing: {wrong.sum()} of {len(wrong):,} misread, {wrong.mean():.1%}")
print(
    f"Refused: {(~sure).sum()}; of the {sure.sum():,} others {wrong[sure].sum()} misread,",
    f"{wrong[sure].mean():.1%}",
)
assert wrong[sure].mean() < wrong.mean() / 2
