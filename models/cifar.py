"""The two networks for CIFAR-10 that AlexNet's author published with his code."""

from __future__ import annotations

import numpy as np

from layers import AvgPool2d, Conv2d, Flatten, Linear, LocalResponseNorm, MaxPool2d, ReLU
from nn import Network
from nn.initialisers import normal


def alexnet_cifar10(
    variant: str = "18pct",
    num_classes: int = 10,
    image_shape: tuple[int, int, int] = (32, 32, 3),
    rng: int | np.random.Generator | None = None,
) -> Network:
    """A small relative of AlexNet for little images, CIFAR-10's above all: 26% or 18% test error when published.

        variant="80sec"                  variant="18pct"                                  output
        conv1 5x5, pad 2, ReLU           conv1 5x5, pad 2, ReLU                           32x32x32
        max-pool 3x3, stride 2           max-pool 3x3, stride 2, LRN within maps          16x16x32
        conv2 5x5, pad 2, ReLU           conv2 5x5, pad 2, ReLU                           16x16x32
        average-pool 3x3, stride 2       average-pool 3x3, stride 2, LRN within maps      8x8x32
        conv3 5x5, pad 2, ReLU           conv3 5x5, pad 2, ReLU                           8x8x64
        average-pool 3x3, stride 2       average-pool 3x3, stride 2                       4x4x64
        fc4, ReLU                        -                                                64
        fc5                              fc4                                              10
        145,578 parameters               89,578 parameters
        12,354,176 multiply-adds         12,298,240 multiply-adds

    Pooling windows may run off the far edge (ceil_mode), hence 32 -> 16 -> 8 -> 4. Initial weights are N(0, std^2) with
    std 0.0001 for conv1, 0.01 for conv2 and conv3, 0.1 for the fully connected layers of "80sec" and 0.01 for that of
    "18pct"; biases 0. Images are 0..255 minus the mean image, divided by nothing: that is what makes 0.0001 work.

    image_shape: another image size than the published one, such as crops of 28x28.

    Departures: none known.

    Source: Krizhevsky 2012, cuda-convnet, example-layers (layers-80sec.cfg, layers-18pct.cfg).
    """
    if variant not in ("80sec", "18pct"):
        raise ValueError(f"alexnet_cifar10: variant is {variant!r}, expected '80sec' or '18pct'")
    rng = np.random.default_rng(rng)
    normalised = variant == "18pct"

    def normalisation(name: str) -> list:
        layer = LocalResponseNorm(size=3, alpha=5e-5 / 9, beta=0.75, k=1.0, region="within")
        return [(name, layer)] if normalised else []

    layers = [
        ("conv1", Conv2d(image_shape[2], 32, 5, padding=2, rng=rng)),
        ("relu1", ReLU()),
        ("pool1", MaxPool2d(3, stride=2, ceil_mode=True)),
        *normalisation("norm1"),
        ("conv2", Conv2d(32, 32, 5, padding=2, rng=rng)),
        ("relu2", ReLU()),
        ("pool2", AvgPool2d(3, stride=2, ceil_mode=True)),
        *normalisation("norm2"),
        ("conv3", Conv2d(32, 64, 5, padding=2, rng=rng)),
        ("relu3", ReLU()),
        ("pool3", AvgPool2d(3, stride=2, ceil_mode=True)),
        ("flatten", Flatten()),
    ]
    features = Network(layers).output_shape(image_shape)[0]
    if normalised:
        layers += [("fc4", Linear(features, num_classes, rng=rng))]
    else:
        layers += [
            ("fc4", Linear(features, 64, rng=rng)),
            ("relu4", ReLU()),
            ("fc5", Linear(64, num_classes, rng=rng)),
        ]
    network = Network(
        layers,
        image_shape=image_shape,
        name="alexnet_cifar10",
        arguments={"variant": variant, "num_classes": num_classes, "image_shape": list(image_shape)},
    )
    for name, layer in network.layers.items():
        if isinstance(layer, Conv2d | Linear):
            std = 0.0001 if name == "conv1" else 0.1 if isinstance(layer, Linear) and not normalised else 0.01
            layer.params["weight"][...] = normal(rng, layer.params["weight"].shape, std)
    return network
