# %% [markdown]
# # Lesson 13: solutions

# %%
import numpy as np

from layers import AvgPool2d, Conv2d, Flatten, Linear, ReLU
from models import alexnet_small, lenet
from nn import SGD, Layer, Network, check_gradients
from nn.data import Dataset, digits
from nn.training import evaluate, train
from nn.training.schedules import one_cycle

train_set, test_set = digits()
mean, deviation = train_set.images.mean(), train_set.images.std()
train_set, test_set = (
    Dataset((d.images - mean) / deviation, d.labels, d.class_names) for d in (train_set.subset(slice(2000)), test_set)
)


def fit(network, pictures, passes, rate, weight_decay=0.0, seed=0):
    optimizer = SGD(network, rate, weight_decay=weight_decay)
    train(network, pictures, epochs=passes, optimizer=optimizer, schedule=one_cycle(rate), seed=seed, progress=False)


# %% [markdown]
# ## 1. The pair

# %%
networks = {"LeNet": lenet(rng=0), "AlexNet": alexnet_small(10, (28, 28, 1), width=1 / 8, rng=0)}
fit(networks["LeNet"], train_set, 36, 0.5)
fit(networks["AlexNet"], train_set, 6, 0.03, 5e-4)
probabilities = {name: network.predict(test_set.images) for name, network in networks.items()}
probabilities["the pair"] = (probabilities["LeNet"] + probabilities["AlexNet"]) / 2
errors = {name: int(np.sum(p.argmax(axis=1) != test_set.labels)) for name, p in probabilities.items()}
print("misread of 2,000:", ", ".join(f"{name} {count}" for name, count in errors.items()))
assert errors["the pair"] < min(errors["LeNet"], errors["AlexNet"])

# %% [markdown]
# The pair is better than either: most digits that one misreads, the other knows, and is often surer of it. (The
# authors of AlexNet averaged up to seven networks for their best result.)
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
# Each input counts half in y, so each slope is half of dy. Every gradient below the wrong layer would be twice too
# large: training would run as if with twice the learning rate, which one may never notice. That is why we check.
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
for seed in range(5):
    network = relu_network(seed)
    fit(network, train_set, 6, 0.03, seed=seed)
    counts.append(round(2000 * (1 - evaluate(network, test_set.images, test_set.labels)[1])))
between_seeds, between_digits = np.std(counts, ddof=1), np.sqrt(np.mean(counts))
print(f"\n+ ReLU, misread by five seeds: {counts}, mean {np.mean(counts):.0f} +- {between_seeds:.0f} between seeds")
print(f"other 2,000 digits of the same kind would change each count by about {between_digits:.0f}")
assert between_digits < 20 and between_seeds < 20

# %% [markdown]
# Seeds alone make means of two runs differ by about 9 digits, 0.45 points (two means, each uncertain by 9 / sqrt(2)).
# In the table ReLU's 1.2 points and dropout's 3 points are well above that; overlap's 0.3 are not, and normalisation's
# 0.8 are less than twice as much: not enough to be sure. More seeds would tell; other test digits would tell more.
