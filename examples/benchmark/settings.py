"""What every engine is given: the networks, how they are trained, and by how many threads."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np

import models
from nn import Network

NETWORKS: dict[str, Callable[[], Network]] = {
    "AlexNet": lambda: models.alexnet(rng=0),
    "LeNet": lambda: models.lenet(rng=0),
    "CIFAR-10 18pct": lambda: models.alexnet_cifar10("18pct", rng=0),
}
# Small enough that the weights, and with them the speed of every engine, stay as they are.
RATE, MOMENTUM, WEIGHT_DECAY = 1e-6, 0.9, 5e-4


def threads() -> int:
    return int(os.environ["NUM_THREADS"])


def channels_first(network: Network, name: str) -> np.ndarray:
    """A layer's weight for maps before rows and columns: (C_out, C_in, KH, KW), or (in, out) with `in` as (C, H, W)."""
    weight = network.layers[name].params["weight"]
    if weight.ndim == 4:
        return np.ascontiguousarray(weight.transpose(3, 2, 0, 1))
    names = list(network.layers)
    before = names.index(name) - 1
    if names[before] != "flatten":
        return weight
    height, width, channels = network.shapes(network.image_shape)[before - 1]
    return weight.reshape(height, width, channels, -1).transpose(2, 0, 1, 3).reshape(weight.shape)
