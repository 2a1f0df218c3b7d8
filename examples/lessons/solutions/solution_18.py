# %% [markdown]
# # Lesson 18: solutions

# %%
import numpy as np

from layers import AvgPool2d, Conv2d, Flatten, Linear, ReLU
from models import lenet
from nn import SGD, Layer, Network, check_gradients
from nn.data import Dataset, digits
from nn.training import evaluate, train
from nn.training.schedules import one_cycle

SEEDS, EPOCHS, DIGITS, BATCH = range(5), 4, 1200, 32
train_set, test_set = digits()
mean, deviation = train_set.images.mean(), train_set.images.std()
train_set, test_set = (
    Dataset((d.images - mean) / deviation, d.labels, d.class_names)
    for d in (train_set.subset(slice(DIGITS)), test_set)
)


def fit(network, pictures, epochs, rate, weight_decay=0.0, seed=0):
    optimizer = SGD(network, rate, weight_decay=weight_decay)
    train(
        network,
        pictures,
        epochs=epochs,
        batch_size=BATCH,
        optimizer=optimizer,
        schedule=one_cycle(rate),
        seed=seed,
        progress=False,
    )


# %% [markdown]
# ## 1. The five together

# %%
probabilities = []
for seed in SEEDS:
    network = lenet(rng=seed)
    fit(network, train_set, EPOCHS, 0.3, seed=seed)
    probabilities.append(network.predict(test_set.images))


def misread(p):
    return int(np.sum(p.argmax(axis=1) != test_set.labels))


alone = [misread(p) for p in probabilities]
print(f"misread of 2,000 by each: {alone}; by the five together: {misread(sum(probabilities))}")
print("by two of them together:", end=" ")
pairs = [misread(p + q) for n, p in enumerate(probabilities) for q in probabilities[:n]]
print(f"{np.mean(pairs):.0f} on average, {min(pairs)} to {max(pairs)}")
assert misread(sum(probabilities)) < min(alone) and np.mean(pairs) < np.mean(alone)

# %% [markdown]
# Together they are better than the best of them, though each is the same kind of network with the
# same digits: most digits that one misreads, others know, and are often surer of it. That needs
# networks that are about equally good and err with different digits. Such an **ensemble** costs as
# many times the work. The authors of AlexNet averaged up to seven networks for their best result.
#
# ## 2. The bug


# %%
class Average(Layer):
    def forward(self, x, training=False, out=None):
        return (x[:, : x.shape[1] // 2] + x[:, x.shape[1] // 2 :]) / 2

    def backward(self, dy, input_gradient=True, out=None):
        return np.concatenate([dy, dy], axis=1)


class Mended(Average):
    def backward(self, dy, input_gradient=True, out=None):
        return np.concatenate([dy, dy], axis=1) / 2


x = np.random.default_rng(0).standard_normal((3, 8))
print("\nas given:")
print(wrong := check_gradients(Average(), x))
print("mended:")
print(mended := check_gradients(Mended(), x))
assert abs(wrong.max_error - 0.5) < 1e-6 and mended.max_error < 1e-6

# %% [markdown]
# Each input counts half in y, so each slope is half of dy. Every gradient below the wrong layer
# would be twice too large: training would run as if with twice the learning rate, which one may
# never notice. That is why we check.
#
# ## 3. How much is chance?


# %%
def relu_network(seed):
    rng = np.random.default_rng(seed)
    return Network(
        [
            ("conv1", Conv2d(1, 6, 5, padding=2, rng=rng)),
            ("relu1", ReLU()),
            ("pool1", AvgPool2d(2)),
            ("conv2", Conv2d(6, 16, 5, rng=rng)),
            ("relu2", ReLU()),
            ("pool2", AvgPool2d(2)),
            ("flatten", Flatten()),
            ("fc3", Linear(400, 120, rng=rng)),
            ("relu3", ReLU()),
            ("fc4", Linear(120, 84, rng=rng)),
            ("relu4", ReLU()),
            ("fc5", Linear(84, 10, rng=rng)),
        ]
    )


counts = []
for seed in SEEDS:
    network = relu_network(seed)
    fit(network, train_set, EPOCHS, 0.03, seed=seed)
    counts.append(round(2000 * (1 - evaluate(network, test_set.images, test_set.labels)[1])))
between_seeds, between_digits = np.std(counts, ddof=1), np.sqrt(np.mean(counts))
print(f"\n+ ReLU, misread by five seeds: {counts}, mean {np.mean(counts):.0f}", end=" ")
print(f"+- {between_seeds:.0f} between seeds")
print(f"other 2,000 digits of the same kind would change each count by about {between_digits:.0f}")
for runs in (2, 5):
    chance = between_seeds * np.sqrt(2 / runs)
    print(f"seeds alone make means of {runs} differ by about {chance:.0f} digits,", end=" ")
    print(f"{chance / 20:.2f} points")
assert between_digits < 20 and between_seeds < 40

# %% [markdown]
# A mean of n runs is uncertain by spread / sqrt(n), and a difference of two such means by sqrt(2)
# times that. A difference in the lesson's table should be at least 2.8 times as large to be
# believed, and its "+-" is this number, from the pairs that have a seed in common. More seeds make
# it smaller. They do nothing about the chance that lies in the choice of these 2,000 test digits:
# it is shared by all runs, and only more test digits would help.
